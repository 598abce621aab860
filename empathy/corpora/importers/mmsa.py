"""Sentiment corpora as MMSA has them: CH-SIMS, CMU-MOSI, CMU-MOSEI and others.

Reads what the framework of github.com/thuiar/MMSA trains on (commit a94e65d;
Mao et al. 2022, ACL demonstrations): one pickle, of three dictionaries `train`,
`valid` and `test` with `id`, `raw_text`, features `text`, `audio` and `vision`,
and `regression_labels`. The pickle is read and not run: it may hold arrays,
numbers, texts, lists and dictionaries, and nothing else. Where there is no
pickle, the table `label.csv` (or `meta.csv`) is read, without features.

The group is what the id has before `$_$`: the video. The label is a number on
a scale: -1 to 1 where there are labels by modality or none is larger, else -3
to 3, if `--scale=-3,3` does not say it. Labels by modality
(`regression_labels_T`, `_A`, `_V`) are a vote each in the conditions text,
audio and video, and the label one in that of all three.

Features are sequences: as long as `audio_lengths`, `vision_lengths` and the
mask in `text_bert` say, and without these, less the rows of zeros at their
ends. -inf and NaN become 0, as in MMSA. A clip of which nothing is left has no
features of that modality. Videos are `Raw/<video>/<clip>.mp4`, if they are
there.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, pickles
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, ratings, sequences, spelling, tables

# Of a file that may be given in place of the folder.
SUFFIXES = ('.pkl', '.pickle')
_SPLITS = {'train': 'train', 'valid': 'val', 'test': 'test'}
_MODALITIES = {'text': 'text', 'audio': 'audio', 'vision': 'video'}
_BY_MODALITY = {'T': 'text', 'A': 'audio', 'V': 'video'}
_FULL = 'text+audio+video'
_BETWEEN = '$_$'
_TABLES = ('label.csv', 'meta.csv')
# Odd, so that the middle of the scale, neutral, has a class of its own; and on
# that of CH-SIMS each mean of five ratings has one.
_NUM_BINS = 11
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class _Clips:
  """What is known of N clips without their features.

  Attributes:
    path: the file it is from.
    ids: N names.
    scores: (N,) float64, NaN where there is none.
    by_modality: by `T`, `A` and `V`, likewise.
    split: N of `SPLITS`; None without.
    texts: columns of texts, each of N.
  """

  path: pathlib.Path
  ids: Sequence[str]
  scores: np.ndarray
  by_modality: Mapping[str, np.ndarray]
  split: Sequence[str] | None
  texts: Mapping[str, Sequence[str]]


def read(
  source: pathlib.Path,
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus:
  """Reads the pickle, or the table.

  Args:
    source: the pickle, or a folder that holds one at any depth.
    scale: the ends of the scale, by ''.

  Returns:
    The clips in the order of the file, train, valid and test.

  Raises:
    InputError: there is none, there are several, or something in it is wrong;
      each kind of fault has a line.
  """
  path = _find(source)
  features = {}
  if path.suffix.lower() in SUFFIXES:
    clips, features = _read_pickle(path)
  else:
    clips = _read_table(path)
  folder = source if source.is_dir() else source.parent
  ends = ratings.ends(scale or {}, [''])['']
  return _corpus(clips, features, _videos(folder, clips.ids), ends)


def _find(source: pathlib.Path) -> pathlib.Path:
  if source.is_file():
    return source
  found = sorted(
    path
    for path in source.rglob('*')
    if path.suffix.lower() in SUFFIXES and not path.name.startswith('.')
  )
  if len(found) > 1:
    names = ', '.join(str(path.relative_to(source)) for path in found)
    raise errors.InputError(
      f'{source}: several pickles, {names}; give one of them: '
      f'--source={found[0]}'
    )
  found += [source / name for name in _TABLES if (source / name).is_file()]
  if not found:
    raise errors.InputError(
      f'{source}: no .pkl below it, and no {" or ".join(_TABLES)} in it'
    )
  return found[0]


# The pickle.


class _Split:
  """One of the three dictionaries, whose faults name it."""

  def __init__(self, path: pathlib.Path, name: str, found: Any):
    self.place = f'{path}: {name!r}'
    self.split = _SPLITS[name]
    if not isinstance(found, dict):
      raise errors.InputError(f'{self.place}: expected a dictionary')
    self._found = found
    self.ids = self.texts('id')

  def __len__(self) -> int:
    return len(self.ids)

  def __contains__(self, key: str) -> bool:
    return key in self._found

  def texts(self, key: str) -> list[str]:
    """A column of texts."""
    found = self._column(key)
    if not all(isinstance(text, str) for text in found):
      raise errors.InputError(f'{self.place}: {key!r}: expected texts')
    return [str(text) for text in found]

  def numbers(self, key: str) -> np.ndarray:
    """A column of numbers: (n,) float64."""
    column = self._column(key)
    try:
      found = np.array(column, np.float64)
    except (TypeError, ValueError):
      raise errors.InputError(
        f'{self.place}: {key!r}: expected numbers'
      ) from None
    if found.size != len(self):
      raise errors.InputError(
        f'{self.place}: {key!r}: expected {len(self)} numbers, got an array '
        f'of shape {found.shape}'
      )
    return found.reshape(-1)

  def array(self, key: str, ndims: Sequence[int]) -> np.ndarray:
    """Numbers of clips; they are let go of here."""
    found = self._found.pop(key)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in 'fiu':
      raise errors.InputError(
        f'{self.place}: {key!r}: expected an array of numbers'
      )
    if found.ndim not in ndims or 0 in found.shape[1:]:
      raise errors.InputError(
        f'{self.place}: {key!r}: expected an array of shape (clips, '
        f'{"length, " if 3 in ndims else ""}width), got {found.shape}'
      )
    if len(found) != len(self):
      raise errors.InputError(
        f"{self.place}: {key!r}: {len(found)} rows; 'id' has {len(self)}"
      )
    return found

  def _column(self, key: str) -> list:
    if key not in self._found:
      raise errors.InputError(f'{self.place}: {key!r} is missing')
    found = self._found[key]
    if isinstance(found, np.ndarray) and found.ndim:
      try:
        found = found.tolist()
      except ValueError:  # A character that is none.
        found = [None]
    if not isinstance(found, list | tuple):
      raise errors.InputError(f'{self.place}: {key!r}: expected a list')
    if key != 'id' and len(found) != len(self.ids):
      raise errors.InputError(
        f"{self.place}: {key!r}: {len(found)} entries; 'id' has {len(self.ids)}"
      )
    return list(found)


def _read_pickle(
  path: pathlib.Path,
) -> tuple[_Clips, dict[str, corpus_lib.Features]]:
  found = pickles.read(path)
  if not isinstance(found, dict):
    raise errors.InputError(
      f'{path}: expected a dictionary of {", ".join(_SPLITS)}'
    )
  errors.raise_faults(
    [f'{path}: {name!r} is missing' for name in _SPLITS if name not in found]
  )
  others = [str(name) for name in found if name not in _SPLITS]
  if others:
    _LOGGER.warning('%s: left out: %s', path, ', '.join(others))
  parts = [_Split(path, name, found[name]) for name in _SPLITS]
  if not sum(map(len, parts)):
    raise errors.InputError(f'{path}: has no clips')
  clips = _Clips(
    path,
    ids=[clip for part in parts for clip in part.ids],
    scores=_joined(parts, lambda part: part.numbers('regression_labels')),
    by_modality={
      letter: _joined(parts, lambda part, key=key: part.numbers(key))
      for letter in _BY_MODALITY
      if _everywhere(parts, key := f'regression_labels_{letter}')
    },
    split=[part.split for part in parts for _ in range(len(part))],
    texts={
      name: [text for part in parts for text in part.texts(key)]
      for key, name in (
        ('raw_text', 'transcript'),
        ('annotations', 'annotation'),
      )
      if _everywhere(parts, key)
    },
  )
  features = {
    modality: _features(path, parts, key, clips.ids)
    for key, modality in _MODALITIES.items()
    if _everywhere(parts, key)
  }
  return clips, features


def _everywhere(parts: Sequence[_Split], key: str) -> bool:
  """Whether the parts have a key, which must be all or none."""
  having = [part for part in parts if key in part]
  if having and len(having) < len(parts):
    without = next(part for part in parts if key not in part)
    raise errors.InputError(
      f'{without.place}: {key!r} is missing, though others have it'
    )
  return bool(having)


def _joined(
  parts: Sequence[_Split], column: Callable[[_Split], np.ndarray]
) -> np.ndarray:
  return np.concatenate([column(part) for part in parts])


def _features(
  path: pathlib.Path, parts: Sequence[_Split], key: str, ids: Sequence[str]
) -> corpus_lib.Features:
  """The features of a modality, without what is padded."""
  rows, counts = [], {'-inf': 0, 'NaN': 0}
  width = None
  for part in parts:
    lengths = _lengths(part, key)
    values = part.array(key, (2, 3))
    if values.shape[-1] != (width or values.shape[-1]):
      raise errors.InputError(
        f'{part.place}: {key!r}: {values.shape[-1]} wide, but {width} before'
      )
    width = values.shape[-1]
    if values.ndim == 2:
      values = values[:, np.newaxis]
    if lengths is not None and len(part) and lengths.max() > values.shape[1]:
      raise errors.InputError(
        f'{part.place}: {key!r}: is of length {values.shape[1]}, but a clip is '
        f'said to be of {lengths.max():g}'
      )
    for row, own in enumerate(values):
      own = own if lengths is None else own[: int(lengths[row])]
      own = _finite(own, counts, f'{part.place}: {key!r}: row {row}')
      used = np.flatnonzero(own.any(axis=1))
      if not len(used):
        own = own[:0]
      elif lengths is None:
        own = own[used[0] : used[-1] + 1]
      rows.append(own)
  there = [clip for clip, own in enumerate(rows) if len(own)]
  for what, count in counts.items():
    if count:
      _LOGGER.warning('%s: %r: %d %s set to 0', path, key, count, what)
  if len(there) < len(ids):
    _LOGGER.warning(
      '%s: %r: %s of %s nothing but zeros, taken as missing, such as %r',
      path,
      key,
      spelling.counted(len(ids) - len(there), 'clip'),
      f'{len(ids):,} have',
      next(name for name, own in zip(ids, rows, strict=True) if not len(own)),
    )
  if not len(there):
    raise errors.InputError(f'{path}: {key!r}: is 0 in all clips')
  return sequences.joined(rows)


def _finite(values: np.ndarray, counts: dict[str, int], place: str):
  """Values with 0 for -inf and NaN, which are counted; (length, width)."""
  if values.dtype.kind != 'f':
    return values
  if np.isfinite(values).all():
    return values
  if np.isposinf(values).any():
    raise errors.InputError(f'{place}: is infinite; expected a number')
  counts['-inf'] += int(np.isneginf(values).sum())
  counts['NaN'] += int(np.isnan(values).sum())
  return np.where(np.isfinite(values), values, 0)


def _lengths(part: _Split, key: str) -> np.ndarray | None:
  """How long each clip is, (n,); None where it is not said."""
  own = f'{key}_lengths'
  if own in part:
    found, place = part.numbers(own), own
  elif key == 'text' and 'text_bert' in part:
    tokens = part.array('text_bert', (3,))
    if tokens.shape[1] != 3:
      raise errors.InputError(
        f"{part.place}: 'text_bert': expected an array of shape (clips, 3, "
        f'length), got {tokens.shape}'
      )
    found, place = tokens[:, 1].sum(axis=1), 'text_bert'
    if not found.any():
      return None  # Other features of text, and nothing for BERT.
  else:
    return None
  if not ((found >= 0) & (found == np.floor(found))).all():
    raise errors.InputError(
      f'{part.place}: {place!r}: expected whole numbers from 0 on'
    )
  return found


# The table.


def _read_table(path: pathlib.Path) -> _Clips:
  table = tables.Table(
    path,
    ('video_id', 'clip_id', 'label'),
    (*(f'label_{letter}' for letter in _BY_MODALITY), 'text', 'mode'),
  )
  names = [table.things(name, needed=True) for name in ('video_id', 'clip_id')]
  names = [table.columns[name] for name in ('video_id', 'clip_id')]
  ids = [
    _BETWEEN.join(map(spelling.clean, pair))
    for pair in zip(*names, strict=True)
  ]
  ids = table.ids('clip_id', ids)
  split = None
  if 'mode' in table.columns:
    split = table.convert(
      'mode',
      lambda text: _SPLITS[spelling.clean(text).casefold()],
      f'one of {", ".join(_SPLITS)}',
    )
  scores = {
    column: np.array(
      table.convert(column, _score, 'a number, or empty'), np.float64
    )
    for column in ('label', *(f'label_{letter}' for letter in _BY_MODALITY))
    if column in table.columns
  }
  table.finish()
  return _Clips(
    path,
    ids=ids,
    scores=scores.pop('label'),
    by_modality={name[-1]: found for name, found in scores.items()},
    split=split,
    texts={
      name: table.columns[column]
      for column, name in (('text', 'transcript'), ('annotation', 'annotation'))
      if column in table.columns
    },
  )


def _score(text: str) -> float:
  if spelling.is_missing(text):
    return np.nan
  found = spelling.number(text)
  if found is None:
    raise ValueError
  return found


# The corpus.


def _corpus(
  clips: _Clips,
  features: Mapping[str, corpus_lib.Features],
  videos: np.ndarray | None,
  scale: Sequence[float],
) -> corpus_lib.Corpus:
  path = clips.path
  every = np.stack([clips.scores, *clips.by_modality.values()])
  largest = np.nanmax(np.abs(every), initial=0)
  limit = 1.0 if clips.by_modality or largest <= 1 else 3.0
  low, high = scale or (-limit, limit)
  faults = errors.Faults()
  first: dict[str, int] = {}
  for row, name in enumerate(clips.ids):
    if not name.partition(_BETWEEN)[2] or name.startswith(_BETWEEN):
      faults.add(
        f'{path}: clip {name!r}: expected an id VIDEO{_BETWEEN}CLIP', name, 'id'
      )
    elif first.setdefault(spelling.clean(name), row) != row:
      faults.add(f'{path}: clip {name!r} is there twice', name, 'twice')
    beyond = every[(every[:, row] < low) | (every[:, row] > high), row]
    if len(beyond):
      faults.add(
        f'{path}: clip {name!r}: a label is {beyond[0]:g}; expected {low:g} '
        f'to {high:g}',
        name,
        'scale',
      )
  faults.raise_all('clips')
  if np.isnan(clips.scores).all():
    raise errors.InputError(f'{path}: no clip has a label')
  conditions = [*(_BY_MODALITY[letter] for letter in clips.by_modality), _FULL]
  info, _ = declared.checked(
    {
      'name': path.stem,
      'modalities': _modalities(clips, features, videos),
      'conditions': conditions if clips.by_modality else [],
      'license': 'not stated with the files; ask the authors',
      'source': f'{path.name}, a corpus in the layout of MMSA',
      'label': 'sentiment',
      'scale': [low, high],
      'num_bins': _NUM_BINS,
    },
    str(path),
  )
  if not scale:
    _LOGGER.warning(
      '%s: labels are taken to be on the scale %g to %g; --scale=LOW,HIGH '
      'would say otherwise',
      path,
      low,
      high,
    )
  votes = None
  if clips.by_modality:
    info['label_source'] = _FULL
    votes = _votes(every[[*range(1, len(every)), 0]], info)
  media = {} if videos is None else {'audio': videos, 'video': videos}
  return corpus_lib.Corpus(
    info=info,
    ids=np.array(clips.ids),
    groups=np.array([name.partition(_BETWEEN)[0] for name in clips.ids]),
    labels=np.full(len(clips.ids), corpus_lib.UNLABELLED, np.int32),
    scores=clips.scores,
    split=None if clips.split is None else np.array(clips.split),
    metadata={name: np.array(text) for name, text in clips.texts.items()}
    | media,
    votes=votes,
    features=features,
  )


def _votes(scores: np.ndarray, info: Mapping[str, Any]) -> corpus_lib.Votes:
  """A vote for each score of (conditions, N), those of a clip together."""
  clip, condition = np.nonzero(~np.isnan(scores.T))
  given = scores[condition, clip]
  return corpus_lib.Votes(
    clip=clip.astype(np.int32),
    condition=condition.astype(np.int32),
    annotator=np.full(len(clip), ''),
    label=declared.class_of(given, declared.values_of(info)),
    count=np.ones(len(clip), np.int64),
    scores=given,
  )


def _modalities(
  clips: _Clips,
  features: Mapping[str, corpus_lib.Features],
  videos: np.ndarray | None,
) -> list[str]:
  there = set(features)
  if any(map(str.strip, clips.texts.get('transcript', []))):
    there.add('text')
  if videos is not None or clips.by_modality:
    there |= {'audio', 'video'}
  if not there:
    raise errors.InputError(f'{clips.path}: no clip has words or media')
  return sorted(there, key=corpus_lib.modality_order)


def _videos(folder: pathlib.Path, ids: Sequence[str]) -> np.ndarray | None:
  """The absolute path of each clip's video, or ''; None if there are none."""
  if not (folder / 'Raw').is_dir():
    return None
  paths = []
  for name in ids:
    video, _, clip = name.partition(_BETWEEN)
    path = folder / 'Raw' / video / f'{clip}.mp4'
    paths.append(str(path.resolve()) if path.is_file() else '')
  missing = paths.count('')
  if missing == len(ids):
    return None
  if missing:
    _LOGGER.warning('%d of %d clips have no video', missing, len(ids))
  return np.array(paths)
