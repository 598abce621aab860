"""Corpora as MERTools and MERBench have them: folders of .npy, and label.npz.

Reads the layout of github.com/zeroQiaoba/MERTools (commit 89120b7; Lian et al.
2024, arXiv 2401.03429):

  label.npz   (or label-6way.npz, ...) dictionaries `train_corpus`,
              `test1_corpus`, ...: by clip its `emo`, a class, and `val`, its
              valence. They are objects, which are read and not run.
  features/<model>-UTT/<clip>.npy   one vector, or
  features/<model>-FRA/<clip>.npy   a vector a frame; or a folder `<clip>` with
              a file a frame, in the order of their names
  transcription*.csv (or subtitle*.csv)   the clips, `name`, and what is said

What a folder of features is of, words in the name of its model tell, such as
`hubert`; or the name begins with `text-`, `audio-` or `video-`. There may be
one folder a modality; of a model's two, -UTT is taken.

Where clips have classes and valence these are two labels, `emotion` and
`valence`. A valence of -10 means that there is none, and a part of the corpus
whose clips are all of one class and have no valence is not labelled. The group
is what the name has before its last `_`, as in `video_clip`; where that is the
same for all, or there is no `_`, every clip is its own group. Train, val and
test make a split; others are kept as `published_split`.
"""

import logging
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, files, pickles
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import (
  published,
  ratings,
  sequences,
  spelling,
  tables,
)

# Of a file that may be given in place of the folder.
SUFFIXES = ('.npz',)
_CORPUS = '_corpus'
_NO_VALENCE = -10
# Columns of a transcription, the first that is there.
_SAID = ('sentence', 'transcript', 'text', 'english', 'chinese')
_LOGGER = logging.getLogger('empathy')


def read(
  source: pathlib.Path,
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads the folder.

  Args:
    source: the folder that holds `label.npz`, or that file.
    scale: the ends of the scale of valence, by 'valence' or ''.

  Returns:
    The clips in the order of the labels; by name of the label where there are
    several.

  Raises:
    InputError: something is missing or wrong; each kind of fault has a line.
  """
  path = _labels_path(source)
  ids, parts, emotions, valences = _labels(path)
  folder = path.parent
  features = {
    modality: _features(own, ids)
    for modality, own in _feature_folders(folder).items()
  }
  metadata = _transcripts(folder, ids)
  modalities = set(features) | ({'text'} if metadata else set())
  if not modalities:
    raise errors.InputError(
      f'{folder}: expected features/<model>-UTT or a transcription'
    )
  split, more = published.split(path, parts)
  metadata = metadata | more
  given, declarations = {}, {}
  if len(set(emotions) - {''}) > 1:
    given['emotion'] = emotions
  known = [abs(value) for value in valences if value is not None]
  if len(set(known)) > 1:
    given['valence'] = ['' if v is None else repr(v) for v in valences]
    limit = next((n for n in (1, 3, 5) if max(known) <= n), None)
    limit = math.ceil(max(known)) if limit is None else limit
    ends = (scale or {}).get('valence', (scale or {}).get(''))
    # Odd, so that neutral has a bin of its own.
    declarations['valence'] = {
      'scale': list(ends or (-limit, limit)),
      'num_bins': 11,
      'label': 'valence',
    }
    if not ends:
      _LOGGER.warning(
        '%s: valence is taken to be on the scale -%d to %d; --scale=LOW,HIGH '
        'would say otherwise',
        path,
        limit,
        limit,
      )
  if not given:
    raise errors.InputError(
      f"{path}: neither 'emo' nor 'val' has two or more values"
    )
  return ratings.corpora(
    ratings.Clips(
      str(path),
      {
        'name': folder.resolve().name,
        'modalities': sorted(modalities, key=corpus_lib.modality_order),
        'license': 'not stated with the files; ask the authors',
        'source': f'{path.name}, a corpus in the layout of MERTools',
      },
      ids,
      _groups(path, ids),
      split,
      metadata,
      features,
    ),
    {},
    given,
    declarations,
    scale,
  )


def _labels_path(source: pathlib.Path) -> pathlib.Path:
  if source.is_file():
    return source
  found = sorted(source.glob('label*.npz'))
  if len(found) != 1:
    names = ', '.join(path.name for path in found) or 'none'
    raise errors.InputError(
      f'{source}: expected one label.npz, found {names}'
      + ('; give one as --source' if found else '')
    )
  return found[0]


def _labels(
  path: pathlib.Path,
) -> tuple[list[str], list[str], list[str], list[float | None]]:
  """Clips, the part of the corpus that each is in, classes and valences."""
  ids, parts, emotions, valences = [], [], [], []
  faults = errors.Faults()
  others = []
  for key, array in pickles.read_archive(path).items():
    if not key.endswith(_CORPUS):
      others.append(key)
      continue
    found = array.item() if array.dtype == object and array.size == 1 else None
    if not isinstance(found, dict):
      raise errors.InputError(
        f'{path}: {key!r}: expected a dictionary of clips'
      )
    part = key.removesuffix(_CORPUS)
    for name, label in found.items():
      place = f'{path}: {key!r}: clip {name!r:.60}'
      if not isinstance(name, str) or not isinstance(label, dict):
        faults.add(
          f"{place}: expected a name and its 'emo', 'val'", str(name), 1
        )
        continue
      ids.append(str(name))
      parts.append(part)
      emotion, valence = label.get('emo', ''), label.get('val')
      if not isinstance(emotion, str | int | float | np.generic):
        faults.add(f"{place}: 'emo' is no class", str(name), 'emo')
      emotions.append(str(emotion))
      if isinstance(valence, str):
        missing, number = spelling.is_missing(valence), spelling.number(valence)
        valence = None if missing else valence if number is None else number
      if valence is not None and not _is_number(valence):
        faults.add(f"{place}: 'val' is no number", str(name), 'val')
      elif valence is not None:
        valence = None if valence == _NO_VALENCE else float(valence)
      valences.append(valence)
  faults.raise_all('clips')
  if others:
    _LOGGER.warning('%s: left out: %s', path, ', '.join(others))
  if not ids:
    raise errors.InputError(f'{path}: expected arrays train{_CORPUS}, ...')
  for part in dict.fromkeys(parts):
    rows = [row for row, own in enumerate(parts) if own == part]
    alike = {(emotions[row], valences[row]) for row in rows}
    if len(rows) > 1 and len(set(parts)) > 1 and len(alike) == 1:
      emotion, valence = alike.pop()
      if emotion and valence is None:
        _LOGGER.warning(
          '%s: all of %s is %s: taken as not labelled', path, part, emotion
        )
        for row in rows:
          emotions[row] = ''
  return ids, parts, emotions, valences


def _is_number(value: Any) -> bool:
  return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _groups(path: pathlib.Path, ids: Sequence[str]) -> list[str]:
  groups = [name.rpartition('_')[0] for name in ids]
  if len(set(groups)) < 2 or not all(groups):
    _LOGGER.warning(
      '%s: names do not tell groups, as in video_clip: every clip is its own',
      path,
    )
    return list(ids)
  _LOGGER.warning(
    '%s: the group is the name up to its last _ (%d groups, such as %r)',
    path,
    len(set(groups)),
    groups[0],
  )
  return groups


def _feature_folders(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """The folder of each modality's features."""
  root = folder / 'features'
  found: dict[str, list[pathlib.Path]] = {}
  faults = []
  for path in sorted(root.iterdir()) if root.is_dir() else ():
    if not path.is_dir() or path.name[0] == '.':
      continue
    modality = sequences.modality_of(path.name)
    if modality is None:
      faults.append(
        f'{path}: is it text, audio or video? Let the name begin with text-, '
        'audio- or video-'
      )
    else:
      found.setdefault(modality, []).append(path)
  chosen = {}
  for modality, paths in found.items():
    models = {re.sub(r'[-_](UTT|FRA)$', '', p.name) for p in paths}
    if len(models) > 1:
      faults.append(
        f'{root}: {", ".join(path.name for path in paths)} are all of '
        f'{modality}; leave one there'
      )
    # In order of names, -FRA comes before -UTT.
    chosen[modality] = paths[-1]
    if len(paths) > 1:
      _LOGGER.warning('%s: is taken, not %s', paths[-1], paths[0].name)
  errors.raise_faults(faults)
  return dict(
    sorted(chosen.items(), key=lambda own: corpus_lib.modality_order(own[0]))
  )


def _features(folder: pathlib.Path, ids: Sequence[str]) -> corpus_lib.Features:
  """The features in a folder, of clips that have labels."""
  faults = errors.Faults()
  there = {path.name.removesuffix('.npy'): path for path in folder.iterdir()}
  pieces: list[np.ndarray | None] = []
  width = None
  for name in ids:
    piece = None
    if name in there:
      piece = _piece(there[name], faults)
    if piece is not None and len(piece):
      width = piece.shape[1] if width is None else width
      if piece.shape[1] != width:
        faults.add(
          f'{there[name]}: {piece.shape[1]} wide; those before are {width}',
          name,
          'width',
        )
    pieces.append(piece)
  faults.raise_all('clips')
  missing = sum(piece is None or not len(piece) for piece in pieces)
  if missing == len(ids):
    raise errors.InputError(
      f'{folder}: has no features of a clip with a label, such as {ids[0]}.npy'
    )
  if missing:
    _LOGGER.warning(
      '%s: %d of %d clips have no features', folder, missing, len(ids)
    )
  unknown = len(there) - sum(name in there for name in ids)
  if unknown:
    _LOGGER.warning(
      '%s: left out: %s without a label',
      folder,
      spelling.counted(unknown, 'clip'),
    )
  return sequences.joined(pieces)


def _piece(path: pathlib.Path, faults: errors.Faults) -> np.ndarray | None:
  """The features of a clip, (length, width); None if there are none."""
  paths = [path]
  if path.is_dir():
    paths = sorted(own for own in path.iterdir() if own.suffix == '.npy')
    if not paths:
      return None
  found = []
  for own in paths:
    try:
      values = np.load(own, allow_pickle=False)
    except files.DAMAGED as error:
      faults.add(
        f'{own}: is no whole .npy file: {files.reason(error)}',
        path.stem,
        'damaged',
      )
      return None
    is_frame = path.is_dir() or values.ndim == 1
    values = values.reshape(1, -1) if is_frame and values.ndim else values
    if values.ndim != 2 or values.dtype.kind not in 'fiu':
      faults.add(
        f'{own}: expected numbers of shape (width,) or (length, width), got '
        f'{values.dtype} of shape {values.shape}',
        path.stem,
        'shape',
      )
      return None
    if not np.isfinite(values).all():
      faults.add(f'{own}: a number is not finite', path.stem, 'finite')
      return None
    if found and values.shape[1] != found[0].shape[1]:
      faults.add(
        f'{own}: {values.shape[1]} wide; the frames before are '
        f'{found[0].shape[1]}',
        path.stem,
        'frames',
      )
      return None
    found.append(values)
  return np.concatenate(found)


def _transcripts(
  folder: pathlib.Path, ids: Sequence[str]
) -> Mapping[str, list[str]]:
  """The column `transcript`, if there is a table of it."""
  found = sorted(
    path
    for name in ('transcription*.csv', 'subtitle*.csv')
    for path in folder.glob(name)
  )
  if not found:
    return {}
  table = tables.Table(found[0], ('name',), _SAID)
  column = next((name for name in _SAID if name in table.columns), None)
  if column is None:
    table.faults.add(
      f'{found[0]}: expected a column {", ".join(_SAID[:-1])} or {_SAID[-1]}'
    )
    table.finish()
  names = table.ids('name', table.columns['name'])
  table.finish()
  said = dict(zip(names, table.columns[column], strict=True))
  missing = sum(spelling.clean(name) not in said for name in ids)
  if missing:
    _LOGGER.warning(
      '%s: %d of %d clips have no row', found[0], missing, len(ids)
    )
  return {'transcript': [said.get(spelling.clean(name), '') for name in ids]}
