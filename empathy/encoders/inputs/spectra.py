"""Sound as log-mel spectra, by the processors of Transformers.

They need NumPy alone. That of Whisper takes PyTorch where it is installed, and
then its spectra, of numbers from -1 to 2, are up to 1e-5 others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import inputs, media

# Samples of a frame, and from one to the next, whatever the rate: no settings.
_WINDOW, _HOP = 400, 160


def windows(
  num_states: Callable[[Any, Any], Any], num_inputs: Callable[[Any, Any], Any]
) -> inputs.Input:
  """The input of encoders that take 30 s, with silence behind what is shorter.

  What is longer is cut into windows of equal length, so that none is mostly
  silence. Configs have `num_mel_bins` and `num_frames`.

  Args:
    num_states: see `inputs.Input`; of frames.
    num_inputs: likewise.
  """

  def loader(
    config: Any, options: inputs.Options
  ) -> Callable[[inputs.Clip], inputs.Loaded]:
    import transformers  # Slow to import.

    processor = _processor(transformers.WhisperFeatureExtractor, options)
    _check(
      options,
      (processor.feature_size, processor.nb_max_frames),
      (config.num_mel_bins, config.num_frames),
    )
    hop = processor.hop_length
    # A window begins where a state does.
    step = hop * config.num_frames // num_states(config, config.num_frames)

    def load(clip: inputs.Clip) -> inputs.Loaded:
      sound = inputs.read_sound(clip, processor.sampling_rate, options)
      count = -(-len(sound.samples) // processor.n_samples)
      size = -(-len(sound.samples) // (count * step)) * step
      rows = []
      for first in range(0, len(sound.samples), size):
        samples = sound.samples[first : first + size]
        values = processor(samples, sampling_rate=sound.rate)
        real = np.arange(config.num_frames) < -(-len(samples) // hop)
        rows.append(
          {
            'input_features': np.float32(values['input_features'][0]),
            'attention_mask': real.astype(np.int32),
          }
        )
      return inputs.Loaded(rows, sound.is_cut)

    return load

  return inputs.Input(
    'audio',
    loader,
    num_states=num_states,
    num_inputs=num_inputs,
    longest=lambda config: config.num_frames,
    axis=1,
    has_silence=True,
  )


def _load_whole(
  config: Any, options: inputs.Options
) -> Callable[[inputs.Clip], inputs.Loaded]:
  import transformers  # Slow to import.

  processor = _processor(transformers.SeamlessM4TFeatureExtractor, options)
  stride = processor.stride
  _check(
    options,
    (stride * processor.num_mel_bins,),
    (config.feature_projection_input_dim,),
  )

  def load(clip: inputs.Clip) -> inputs.Loaded:
    sound = inputs.read_sound(clip, processor.sampling_rate, options)
    if len(sound.samples) < _WINDOW + _HOP * (stride - 1):
      raise media.MediaError(
        f'has {len(sound.samples)} samples at {sound.rate} Hz; too few for '
        f'{options.name}'
      )
    found = processor(sound.samples, sampling_rate=sound.rate)
    # Frames that are less than a state are padded, and left out by the mask.
    mask = np.asarray(found['attention_mask'][0], np.int32)
    values = np.float32(found['input_features'][0])[mask > 0]
    row = {'input_features': values, 'attention_mask': mask[mask > 0]}
    return inputs.Loaded((row,), sound.is_cut)

  return load


def _processor(cls: Any, options: inputs.Options) -> Any:
  return inputs.processor(
    cls, options.name, 'settings of its sound', 'preprocessor_config.json'
  )


def _check(
  options: inputs.Options, found: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
  """Raises an `InputError` where spectra are of another shape than wanted."""
  if found != wanted:
    raise errors.InputError(
      f'{options.name}: its preprocessor_config.json makes spectra of shape '
      f'{found}, but the encoder takes {wanted} by its config.json'
    )


# Of any length, some frames together a state. Configs have
# `feature_projection_input_dim`.
WHOLE = inputs.Input('audio', _load_whole)
