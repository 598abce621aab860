"""Sound as samples."""

from collections.abc import Callable
from typing import Any

import numpy as np

from empathy.encoders import inputs, media


def samples(
  num_states: Callable[[Any, Any], Any], num_inputs: Callable[[Any, Any], Any]
) -> inputs.Input:
  """The input of encoders that take samples as they are.

  Args:
    num_states: see `inputs.Input`.
    num_inputs: likewise.
  """

  def loader(
    config: Any, options: inputs.Options
  ) -> Callable[[inputs.Clip], inputs.Loaded]:
    import transformers  # Slow to import.

    processor = inputs.processor(
      transformers.Wav2Vec2FeatureExtractor,
      options.name,
      'settings of its sound',
      'preprocessor_config.json',
    )

    def load(clip: inputs.Clip) -> inputs.Loaded:
      sound = inputs.read_sound(clip, processor.sampling_rate, options)
      if num_states(config, len(sound.samples)) < 1:
        raise media.MediaError(
          f'has {len(sound.samples)} samples at {sound.rate} Hz; too few for '
          f'{options.name}'
        )
      values = processor(sound.samples, sampling_rate=sound.rate)
      values = np.asarray(values['input_values'][0], np.float32)
      mask = np.ones(len(values), np.int32)
      row = {'input_values': values, 'attention_mask': mask}
      return inputs.Loaded((row,), sound.is_cut)

    return load

  return inputs.Input(
    'audio', loader, num_states=num_states, num_inputs=num_inputs
  )
