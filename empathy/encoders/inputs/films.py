"""Film as frames, evenly over a clip's time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import inputs, patches

# Kinds of encoders that take as many frames as they were trained with.
_FIXED_FRAMES = ('videomae',)


def _loader(
  config: Any, options: inputs.Options
) -> Callable[[inputs.Clip], inputs.Loaded]:
  import transformers  # Slow to import.

  name, num_frames = options.name, options.num_frames
  if config.model_type in _FIXED_FRAMES and num_frames != config.num_frames:
    raise errors.InputError(
      f'config.num_frames: is {num_frames}, but {name} takes '
      f'{config.num_frames} frames'
    )
  processor = inputs.processor(
    transformers.VideoMAEImageProcessorPil,  # TimeSformer's too.
    name,
    'settings of its pictures',
    'preprocessor_config.json',
  )

  def prepare(frames: Sequence[np.ndarray]) -> np.ndarray:
    values = processor(list(frames), return_tensors='np')['pixel_values'][0]
    return np.asarray(values, np.float32)

  # What it makes of any picture shows whether it is of this encoder.
  found = prepare([np.zeros((48, 64, 3), np.uint8)]).shape[1:]
  wanted = patches.example(config)['pixel_values'].shape[2:]
  if found != wanted:
    raise errors.InputError(
      f'{name}: its preprocessor_config.json makes pictures of shape {found}, '
      f'but the encoder takes {wanted} by its config.json'
    )

  def load(clip: inputs.Clip) -> inputs.Loaded:
    film = inputs.read_pictures(clip, options)
    row = {'pixel_values': prepare(film.frames)}
    return inputs.Loaded((row,), film.is_cut)

  return load


INPUT = inputs.Input('video', _loader)
