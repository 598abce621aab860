"""Computational sequences of the CMU Multimodal SDK: CMU-MOSI, CMU-MOSEI.

Reads a folder of `.csd` files (github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK,
commit 4f2eadc; Zadeh et al. 2018), each HDF5: `/<name>/data/<video>` with
`features` (n, D) and `intervals` (n, 2) in seconds. Needs the extra `csd`.

The sequence whose name has `label` in it says what the clips are: an interval
of a video each, `video[0]`, `video[1]`, ... One column of labels is sentiment
on -3 to 3; seven are sentiment and six emotions on 0 to 3, a label each. What
another sequence is of, words in its name tell, such as COVAREP; or it begins
with `text-`, `audio-` or `video-`. There may be one a modality. A clip's
features are the mean over the frames that overlap with it, or those that the
SDK has aligned, if there are any. A sequence of words is the transcript. -inf,
inf and NaN become 0, which is said.

The group is the video. The standard folds are no part of the files.
"""

import json
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import ratings, sequences, spelling

# Of a file; a folder has to hold them.
_SUFFIX = '.csd'
_EMOTIONS = ('happy', 'sad', 'anger', 'surprise', 'disgust', 'fear')
_NAMES = {1: ('sentiment',), 7: ('sentiment', *_EMOTIONS)}
_SCALES = {'sentiment': [-3, 3], **{name: [0, 3] for name in _EMOTIONS}}
# Of a word: nobody speaks.
_SILENCE = ('sp', '')
# More than that by which zlib makes anything smaller.
_MOST_TIMES = 1100
_LOGGER = logging.getLogger('empathy')


class _Sequence:
  """A computational sequence, read a video at a time."""

  def __init__(self, path: pathlib.Path, h5py: Any):
    self.path = path
    self._h5py = h5py
    try:
      self._file = h5py.File(path, 'r')
    except OSError as error:
      raise errors.InputError(
        f'{path}: is not a whole HDF5 file: {files.reason(error)}'
      ) from None
    roots = [name for name in self._file if name[0] != '.']
    data = self._child(self._file, f'{roots[0]}/data') if roots else None
    if len(roots) != 1 or not isinstance(data, h5py.Group):
      raise errors.InputError(
        f'{path}: expected one sequence, /NAME/data/VIDEO; found '
        f'{", ".join(roots) or "nothing"}'
      )
    self.name = roots[0]
    self._data = data
    self.ids = sorted(data)
    self._width: int | None = None
    self._last: tuple[str, Any] = ('', None)
    if not self.ids:
      raise errors.InputError(f'{path}: has no videos')

  def _child(self, group: Any, name: str) -> Any:
    """What is in a group itself; a link to another file is not followed."""
    for part in name.split('/'):
      link = group.get(part, getlink=True)
      if not isinstance(link, self._h5py.HardLink):
        return None
      group = group.get(part)
      if part != name.split('/')[-1] and not isinstance(
        group, self._h5py.Group
      ):
        return None
    return group

  @property
  def dimensions(self) -> list[str]:
    """Names of the columns, if the metadata has them."""
    found = self._child(self._file, f'{self.name}/metadata/dimension names')
    try:
      text = found[()]
      text = text[0] if isinstance(text, np.ndarray) else text
      names = json.loads(text)
    except (TypeError, ValueError, IndexError):
      return []
    return [str(name) for name in names] if isinstance(names, list) else []

  def read(self, video: str) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, D) and intervals (n, 2) float64, in order of time."""
    if self._last[0] == video:  # Clips of a video follow each other.
      return self._last[1]
    place = f'{self.path}: {video!r}'
    group = self._child(self._data, video)
    if not isinstance(group, self._h5py.Group):
      raise errors.InputError(f'{place}: expected features and intervals')
    features, intervals = (
      self._array(group, name, place) for name in ('features', 'intervals')
    )
    if intervals.dtype.kind not in 'fiu' or intervals.shape[1:] != (2,):
      raise errors.InputError(
        f"{place}: 'intervals': expected numbers of shape (n, 2), got "
        f'{intervals.dtype} of shape {intervals.shape}'
      )
    intervals = intervals.astype(np.float64)
    if not (
      np.isfinite(intervals).all()
      and (intervals[:, 0] <= intervals[:, 1]).all()
    ):
      raise errors.InputError(
        f"{place}: 'intervals': expected starts and ends in seconds"
      )
    features = features.reshape(len(features), -1)
    if len(features) != len(intervals):
      raise errors.InputError(
        f'{place}: {len(features)} features, but {len(intervals)} intervals'
      )
    width = features.shape[1]
    if self._width not in (None, width):
      raise errors.InputError(
        f'{place}: {width} wide, but {self._width} before'
      )
    self._width = width
    order = np.argsort(intervals[:, 0], kind='stable')
    self._last = video, (features[order], intervals[order])
    return self._last[1]

  def _array(self, group: Any, name: str, place: str) -> np.ndarray:
    found = self._child(group, name)
    if not isinstance(found, self._h5py.Dataset):
      raise errors.InputError(f'{place}: {name!r} is missing')
    if not found.ndim or found.dtype.kind not in 'fiuSO':
      raise errors.InputError(
        f'{place}: {name!r}: expected an array, got {found.dtype} of shape '
        f'{found.shape}'
      )
    stored = found.id.get_storage_size()
    if found.external or found.nbytes > _MOST_TIMES * max(stored, 1):
      raise errors.InputError(f'{place}: {name!r}: is not stored in the file')
    try:
      return found[()]
    except (OSError, ValueError, TypeError) as error:
      raise errors.InputError(
        f'{place}: {name!r}: is damaged: {files.reason(error)}'
      ) from None


def read(
  source: pathlib.Path,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads the folder.

  Args:
    source: the folder that holds the `.csd` files.

  Returns:
    The clips in the order of videos and times; by name of the label where there
    are several.

  Raises:
    InputError: the extra is missing, or something is wrong.
  """
  try:
    import h5py  # Of an extra.
  except ImportError:
    raise errors.InputError(
      'h5py is missing, which reads .csd files; install the extra: pip install '
      "'empathy[csd]'"
    ) from None
  paths = sorted(
    path
    for path in source.iterdir()
    if path.suffix == _SUFFIX and path.name[0] != '.'
  )
  found = [_Sequence(path, h5py) for path in paths]
  labels, words, others = _kinds(source, found)
  clips = list(_clips(labels))
  ids = [clip for clip, *_ in clips]
  features = {
    modality: _features(sequence, clips)
    for modality, sequence in others.items()
  }
  metadata = {
    'start': [repr(float(start)) for *_, (start, _), _ in clips],
    'end': [repr(float(end)) for *_, (_, end), _ in clips],
  }
  if words is not None:
    metadata['transcript'] = _transcripts(words, clips)
  modalities = set(features) | ({'text'} if words is not None else set())
  given, declarations = _given(labels, np.stack([own for *_, own in clips]))
  return ratings.corpora(
    ratings.Clips(
      str(source),
      {
        'name': source.resolve().name,
        'modalities': sorted(modalities, key=corpus_lib.modality_order),
        'license': 'for research; ask the authors',
        'source': f'{labels.path.name}, of the CMU Multimodal SDK',
      },
      ids,
      [video for _, video, *_ in clips],
      metadata=metadata,
      features=features,
    ),
    {},
    given,
    declarations,
  )


def _kinds(
  source: pathlib.Path, found: Sequence[_Sequence]
) -> tuple[_Sequence, _Sequence | None, dict[str, _Sequence]]:
  """The labels, the words if there are any, and features by modality."""
  labels, words, faults = [], [], []
  others: dict[str, list[_Sequence]] = {}
  for sequence in found:
    name = f'{sequence.path.stem} {sequence.name}'
    if 'label' in name.casefold():
      labels.append(sequence)
    elif sequence.read(sequence.ids[0])[0].dtype.kind in 'SO':
      words.append(sequence)
    else:
      modality = sequences.modality_of(sequence.path.stem)
      modality = modality or sequences.modality_of(sequence.name)
      if modality is None:
        faults.append(
          f'{sequence.path}: is it text, audio or video? Let the name begin '
          'with text-, audio- or video-'
        )
      else:
        others.setdefault(modality, []).append(sequence)
  for what, own, least in (
    ('with label in its name', labels, 1),
    ('of words', words, 0),
    *((f'of {modality}', own, 1) for modality, own in others.items()),
  ):
    if not least <= len(own) <= 1:
      names = ', '.join(sequence.path.name for sequence in own) or 'none'
      faults.append(f'{source}: expected one sequence {what}, found {names}')
  if not faults and not others and not words:
    faults.append(f'{source}: expected a sequence of features or words')
  errors.raise_faults(faults)
  return (
    labels[0],
    words[0] if words else None,
    {
      modality: others[modality][0]
      for modality in corpus_lib.MODALITIES
      if modality in others
    },
  )


def _clips(
  labels: _Sequence,
) -> Iterator[tuple[str, str, tuple[float, float], np.ndarray]]:
  """Yields of each clip its id, video, interval and labels, (D,)."""
  for key in labels.ids:
    values, intervals = labels.read(key)
    if values.dtype.kind not in 'fiu':
      raise errors.InputError(
        f"{labels.path}: {key!r}: 'features': expected numbers"
      )
    video, is_part, _ = key.partition('[')
    for row, (value, interval) in enumerate(
      zip(values, intervals, strict=True)
    ):
      name = key if is_part and len(values) == 1 else f'{key}[{row}]'
      if interval[1] <= interval[0]:
        raise errors.InputError(
          f'{labels.path}: {key!r}: a clip ends at {interval[1]:g}, not after '
          f'its start, {interval[0]:g}'
        )
      yield name, video, tuple(interval), value.astype(np.float64)


def _features(
  sequence: _Sequence,
  clips: Sequence[tuple[str, str, tuple[float, float], np.ndarray]],
) -> corpus_lib.Features:
  """The mean of the frames that overlap with each clip."""
  there = set(sequence.ids)
  pieces: list[np.ndarray | None] = []
  zeros = 0
  for name, video, (start, end), _ in clips:
    key = name if name in there else video
    if key not in there:
      pieces.append(None)
      continue
    values, intervals = sequence.read(key)
    if key == video:
      overlap = (intervals[:, 0] < end) & (intervals[:, 1] > start)
      values = values[overlap]
    if values.dtype.kind not in 'fiu':
      raise errors.InputError(
        f"{sequence.path}: {key!r}: 'features': expected numbers"
      )
    finite = np.isfinite(values)
    zeros += int((~finite).sum())
    values = np.where(finite, values, 0).astype(np.float64)
    pieces.append(values.mean(axis=0, keepdims=True) if len(values) else None)
  missing = sum(piece is None for piece in pieces)
  if missing == len(clips):
    raise errors.InputError(
      f'{sequence.path}: has no frames of a clip with a label, such as '
      f'{clips[0][0]}'
    )
  if missing:
    _LOGGER.warning(
      '%s: %d of %d clips have no frames', sequence.path, missing, len(clips)
    )
  if zeros:
    _LOGGER.warning(
      '%s: %s not finite, set to 0',
      sequence.path,
      spelling.counted(zeros, 'number'),
    )
  return sequences.joined(pieces)


def _transcripts(
  words: _Sequence,
  clips: Sequence[tuple[str, str, tuple[float, float], np.ndarray]],
) -> list[str]:
  """The words whose middle is in each clip."""
  there, found = set(words.ids), []
  for name, video, (start, end), _ in clips:
    key = name if name in there else video
    if key not in there:
      found.append('')
      continue
    values, intervals = words.read(key)
    middle = intervals.mean(axis=1)
    own = (middle >= start) & (middle < end)
    texts = [
      word.decode('utf-8', 'replace') if isinstance(word, bytes) else str(word)
      for word in values[own, 0].tolist()
    ]
    found.append(' '.join(text for text in texts if text not in _SILENCE))
  return found


def _given(
  labels: _Sequence, values: np.ndarray
) -> tuple[dict[str, list[str]], Mapping[str, Mapping[str, Any]]]:
  """Labels of (N, D) values, by name, and their scales."""
  width = values.shape[1]
  names = labels.dimensions
  if len(names) != width:
    names = _NAMES.get(width, [f'label_{i}' for i in range(width)])
  names = [ratings.label_name(name) for name in names]
  given = {
    name: ['' if np.isnan(value) else repr(float(value)) for value in column]
    for name, column in zip(names, values.T, strict=True)
  }
  declarations = {
    # Neutral has a bin of its own, and so has each third, of three raters.
    name: {
      'scale': _SCALES[name],
      'num_bins': 11 if name == 'sentiment' else 10,
      'label': name,
    }
    for name in names
    if name in _SCALES
  }
  return given, declarations
