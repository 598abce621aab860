"""Film as frames, evenly over a clip's time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import checkpoint, inputs, patches

# From frames (H, W, 3) uint8 to what the encoder takes, (F, C, h, w) float32.
Prepare = Callable[[Sequence[np.ndarray]], np.ndarray]


def prepared_by(
  kind: str,
  file: str = 'preprocessor_config.json',
  change: Callable[[Any], None] = lambda processor: None,
  **defaults: Any,
) -> Callable[[str], Prepare]:
  """Lets an image processor of Transformers prepare frames.

  Args:
    kind: the name of one that takes a film and needs no PyTorch.
    file: with the settings of a checkpoint's.
    change: is called with the processor, to change its settings.
    **defaults: settings that it has where the file says nothing, if others than
      its own.

  Returns:
    What makes the function for a checkpoint.
  """

  def make(name: str) -> Prepare:
    import transformers  # Slow to import.

    processor = inputs.processor(
      type(kind, (getattr(transformers, kind),), defaults),
      name,
      'settings of its pictures',
      file,
      image_processor_filename=file,
    )
    change(processor)

    def prepare(frames: Sequence[np.ndarray]) -> np.ndarray:
      values = processor(list(frames), return_tensors='np')['pixel_values'][0]
      return np.asarray(values, np.float32)

    return prepare

  return make


_PREPARED = prepared_by('VideoMAEImageProcessorPil')  # TimeSformer's too.


def any_number(config: Any, count: int) -> str:
  """What is wrong with so many frames, for an encoder that takes any."""
  del config, count
  return ''


def only_those_trained(config: Any, count: int) -> str:
  """Likewise, for one that takes as many as it was trained with."""
  wanted = config.num_frames
  return '' if count == wanted else f'{wanted} frames'


def film(
  prepared: Callable[[str], Prepare] = _PREPARED,
  wanted: Callable[[Any, int], str] = any_number,
  own: Callable[[checkpoint.Checkpoint, Any], inputs.Own] = (
    lambda found, config: inputs.MEAN
  ),
  name: str = 'pixel_values',
) -> inputs.Input:
  """The input of encoders that take a film's frames.

  Args:
    prepared: makes what prepares frames, from a checkpoint's name.
    wanted: what an encoder takes, in words, where by its config it does not
      take so many frames; else nothing.
    own: see `inputs.Input`.
    name: of the array of frames.
  """

  def loader(
    config: Any, options: inputs.Options
  ) -> Callable[[inputs.Clip], inputs.Loaded]:
    count = options.num_frames
    if takes := wanted(config, count):
      raise errors.InputError(
        f'config.num_frames: is {count}, but {options.name} takes {takes}'
      )
    prepare = prepared(options.name)
    # What it makes of any picture shows whether it is of this encoder.
    found = prepare([np.zeros((48, 64, 3), np.uint8)]).shape[1:]
    fits = patches.example(config)['pixel_values'].shape[2:]
    if found != fits:
      raise errors.InputError(
        f'{options.name}: its settings of pictures make them of shape {found}, '
        f'but the encoder takes {fits} by its config.json'
      )

    def load(clip: inputs.Clip) -> inputs.Loaded:
      pictures = inputs.read_pictures(clip, options)
      return inputs.Loaded(({name: prepare(pictures.frames)},), pictures.is_cut)

    return load

  return inputs.Input('video', loader, own)
