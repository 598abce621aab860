"""What encoders take: how a clip becomes the arrays of an encoder's input.

Each kind of input is a file with a `loader`, and an architecture says in
`INPUT` which kind it takes.
"""

import dataclasses
import importlib.util
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import checkpoint, faces, media

# It would say that PyTorch is missing, which nothing here needs.
os.environ.setdefault('TRANSFORMERS_NO_ADVISORY_WARNINGS', '1')


@dataclasses.dataclass(frozen=True)
class Clip:
  """One clip in one modality.

  Attributes:
    id: of the clip.
    source: its transcript, or the path of its media.
    start: where it begins in the file, in seconds.
    end: where it ends; None at the end of the file.
  """

  id: str
  source: str
  start: float = 0.0
  end: float | None = None


@dataclasses.dataclass(frozen=True)
class Loaded:
  """A clip to compute with.

  Attributes:
    rows: what the extractor computes with, one or more: a clip that is longer
      than the encoder takes at once is cut into windows, a row each. Of an
      encoder, each is its input without the axis of the batch, by name.
    is_cut: whether more of the clip was left out.
    times: (n,) float32, seconds from the clip's beginning to each of the
      frames, in whose order its states are; None where that is not how they
      are.
  """

  rows: Sequence[Any]
  is_cut: bool = False
  times: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Own:
  """How an encoder's makers use it, and what they take for all of a clip.

  Attributes:
    pooling: one of `pooling.POOLINGS`, or 'pooled': the encoder does it.
    is_unit: whether it is scaled to the length 1.
    prefix: what they put before each text.
    max_tokens: the most of a text that they encode at once, if they say it.
    is_lower: whether they make a text's letters small.
    fault: what of their pooling is not supported.
  """

  pooling: str
  is_unit: bool = False
  prefix: str = ''
  max_tokens: int | None = None
  is_lower: bool = False
  fault: str = ''


# Encoders of text are trained with a first token that stands for the whole.
FIRST = Own('first')
# The first state of a sound is its first 25 ms, of a film perhaps one corner.
MEAN = Own('mean')


@dataclasses.dataclass(frozen=True)
class Options:
  """What loading depends on beside the encoder.

  Attributes:
    name: of the checkpoint, or its folder.
    settings: of the modality, complete; see `extractors.complete`.
    seconds: how much of each clip's sound and film is used; infinite: all.
    num_frames: pictures that stand for a clip's film.
    own: how the encoder's makers use it.
  """

  name: str
  settings: Mapping[str, Any]
  seconds: float = math.inf
  num_frames: int = 16
  own: Own = MEAN


@dataclasses.dataclass(frozen=True)
class Input:
  """A kind of input, of the encoders of an architecture.

  Attributes:
    modality: text, audio or video.
    loader: makes what loads a clip, called in threads, from the encoder's
      config; raises an `InputError` where the checkpoint lacks what it needs,
      and the function that it makes a `media.MediaError`.
    own: of a checkpoint with such a config.
    num_states: how many states so much of the main input gives: tokens,
      samples, frames. Takes the config and an integer or an array of them.
    num_inputs: the least of the main input that gives so many states; likewise.
    longest: the most of the main input that the encoder takes at once.
    is_sequence: whether a clip's rows are the steps of a sequence, such as
      frames, that are encoded each by itself; else they are windows.
    axis: of a row's main input, along which it has a length.
    has_silence: whether all rows are the longest, with silence behind that the
      encoder sees; `attention_mask` says what is not.
  """

  modality: str
  loader: Callable[[Any, Options], Callable[[Clip], Loaded]]
  own: Callable[[checkpoint.Checkpoint, Any], Own] = lambda found, config: MEAN
  num_states: Callable[[Any, Any], Any] = lambda config, size: size
  num_inputs: Callable[[Any, Any], Any] = lambda config, count: count
  longest: Callable[[Any], int] = lambda config: sys.maxsize
  is_sequence: bool = False
  axis: int = 0
  has_silence: bool = False


def read_sound(clip: Clip, rate: int, options: Options) -> media.Sound:
  """The sound of a clip at a rate, scaled as settings say.

  Raises:
    MediaError: as `media.read_sound`.
  """
  return media.read_sound(
    clip.source,
    rate,
    clip.start,
    clip.end,
    options.seconds,
    normalise=options.settings['scale_peak'],
  )


def read_pictures(clip: Clip, options: Options) -> media.Pictures:
  """The pictures of a clip, or of its face alone if settings say so.

  Raises:
    MediaError: as `media.read_pictures` and `faces.crop`.
  """
  film = media.read_pictures(
    clip.source, options.num_frames, clip.start, clip.end, options.seconds
  )
  if options.settings['crop'] != 'face':
    return film
  return dataclasses.replace(film, frames=faces.crop(film.frames))


def bucket(size: int) -> int:
  """The length to which `size` is padded.

  There are four such lengths from each power of two to the next, so that few
  shapes are compiled and a fifth is padding at most, on average some 8 %. It
  depends on the size alone.
  """
  step = max(2 ** (max(size - 1, 1).bit_length() - 3), 1)
  return -(-size // step) * step


def padded(row: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
  """A row, padded by zeros behind.

  Args:
    row: with `attention_mask` (S,), and others of the same length that grow
      with it.
    size: S afterwards.
  """
  more = size - len(row['attention_mask'])
  if not more:
    return dict(row)
  return {
    name: np.pad(array, ((0, more), *((0, 0),) * (array.ndim - 1)))
    for name, array in row.items()
  }


def processor(cls: Any, name: str, what: str, file: str, **options: Any) -> Any:
  """Makes what prepares the inputs of a checkpoint, by Transformers.

  Args:
    cls: with `from_pretrained`.
    name: of the checkpoint.
    what: it is, for messages.
    file: that it is read from, likewise.
    **options: how to read it.

  Raises:
    InputError: the checkpoint has no such file that can be read.
  """
  try:
    return cls.from_pretrained(name, **options)
  except Exception as error:  # Of many kinds, from several libraries.
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
  has_pieces = any(
    file.endswith('.model') for file in checkpoint.small_files(name)
  )
  if has_pieces and importlib.util.find_spec('sentencepiece') is None:
    raise errors.InputError(
      f'{name}: its {what} is a SentencePiece model, and sentencepiece is '
      "missing, which reads it; install the extra: pip install 'empathy[media]'"
    )
  raise errors.InputError(
    f'{name}: has no {what} ({file}) that can be read: {reason}'
  )
