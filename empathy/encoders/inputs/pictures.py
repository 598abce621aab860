"""Frames of a film, evenly over a clip's time, each encoded by itself."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import inputs

# Any film is of one of these shapes.
_SHAPES = (48, 64), (64, 48)


def _loader(
  config: Any, options: inputs.Options
) -> Callable[[inputs.Clip], inputs.Loaded]:
  import transformers  # Slow to import.

  name = options.name
  # By the name of its class in the file, else by the model's.
  processor = inputs.processor(
    transformers.AutoImageProcessor,
    name,
    'settings of its pictures',
    'preprocessor_config.json',
    backend='pil',  # Without PyTorch.
    trust_remote_code=False,
  )

  def prepare(frames: Sequence[np.ndarray]) -> np.ndarray:
    values = processor(list(frames), return_tensors='np')['pixel_values']
    return np.asarray(values, np.float32)

  _check(config, name, prepare)

  def load(clip: inputs.Clip) -> inputs.Loaded:
    film = inputs.read_pictures(clip, options)
    # A row for each: however many there are, few are computed at a time.
    rows = [{'pixel_values': frame[None]} for frame in prepare(film.frames)]
    return inputs.Loaded(rows, film.is_cut, film.times.astype(np.float32))

  return load


def _check(config: Any, name: str, prepare: Callable) -> None:
  """Raises an `InputError` where pictures are not as the encoder takes them."""
  where = f'{name}: its preprocessor_config.json'
  shapes = []
  for shape in _SHAPES:
    try:
      shapes.append(prepare([np.zeros((*shape, 3), np.uint8)]).shape[1:])
    except Exception as error:  # Of many kinds, by what its settings are.
      reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
      raise errors.InputError(
        f'{where} makes no pictures that can be used: {reason}'
      ) from None
  wide, high = shapes
  if wide != high:
    raise errors.InputError(
      f'{where} makes pictures of several shapes, such as {wide} and {high}: '
      'expected one shape, as with do_center_crop'
    )
  channels, least = config.num_channels, config.patch_size
  if len(wide) != 3 or wide[0] != channels or min(wide[1:]) < least:
    raise errors.InputError(
      f'{where} makes pictures of shape {wide}, but the encoder takes '
      f'({channels}, {least} or more, {least} or more) by its config.json'
    )


INPUT = inputs.Input('video', _loader, is_sequence=True)
