"""Anybody's data: a folder of media and one CSV file that tells of the clips.

Columns, of which `label` and one of `file`, `audio`, `video` or `transcript`
must be there:

  id          of the clip; without it, the name of its file without the suffix
  file        a file with sound, pictures or both
  audio       a file whose sound is taken, instead of `file`
  video       a file whose pictures are taken, instead of `file`
  transcript  what is said
  label       the class; empty where it is not known
  group       what must not straddle a split: the speaker, the source; without
              it, clips of the same file are a group
  split       train, val or test; or
  fold        0 to K-1; without either, folds are made, by group
  start, end  where the clip is in its file, in seconds; empty: all of it

Paths start at the folder. Other columns are kept.
"""

import math
import os
import pathlib
from collections.abc import Collection

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import tracks

_MEDIA = ('file', 'audio', 'video')
_OURS = ('id', 'file', 'group', 'label', 'split', 'fold', 'audio', 'video')


def read(source: pathlib.Path) -> corpus_lib.Corpus:
  """Reads the folder.

  Args:
    source: holds one CSV file, and media at any depth.

  Returns:
    The clips in the order of the file; paths of media are absolute.

  Raises:
    InputError: something is missing or wrong; each fault has a line with the
      file, its line and column.
  """
  tables = sorted(source.glob('*.csv'))
  if len(tables) != 1:
    found = ', '.join(path.name for path in tables) or 'none'
    raise errors.InputError(f'{source}: expected one CSV file, found {found}')
  table = corpus_lib.Table(tables[0], ('label',))
  columns = table.columns
  if not any(name in columns for name in (*_MEDIA, 'transcript')):
    raise errors.InputError(
      f'{table.path}: expected a column file, audio, video or transcript'
    )
  media = _media(table, source)
  ids = _ids(table)
  groups = _groups(table, ids)
  fold = _check_split(table)
  _check_times(table)
  labels = [label.strip() for label in columns['label']]
  classes = sorted({label for label in labels if label}, key=_by_number)
  if len(classes) < 2 and not table.faults:
    table.faults.append(
      f"{table.path}: column 'label': expected two or more classes, found "
      f'{", ".join(classes) or "none"}'
    )
  table.raise_faults()
  transcripts = columns.get('transcript', [])
  modalities = ['text'] if any(t.strip() for t in transcripts) else []
  modalities += [name for name, paths in media.items() if any(paths)]
  if not modalities:
    raise errors.InputError(f'{table.path}: no clip has words or media')
  number_of = {name: i for i, name in enumerate(classes)}
  number_of[''] = corpus_lib.UNLABELLED
  split = columns.get('split')
  return corpus_lib.Corpus(
    info={
      'name': source.resolve().name,
      'classes': classes,
      'modalities': modalities,
      'conditions': [],
      'license': 'not stated',
      'source': f'the folder {source.resolve().name}',
    },
    ids=np.array(ids),
    groups=np.array(groups),
    labels=np.array([number_of[label] for label in labels], np.int32),
    split=None if split is None else np.array(split),
    fold=None if fold is None else np.array(fold, np.int32),
    metadata={
      name: np.array(values)
      for name, values in columns.items()
      if name not in _OURS
    }
    | {
      name: np.array(paths)
      for name, paths in media.items()
      if name in modalities
    },
  )


def _media(
  table: corpus_lib.Table, source: pathlib.Path
) -> dict[str, list[str]]:
  """The absolute path of each clip's sound and pictures, or ''."""
  empty = [''] * len(table)
  paths: dict[str, list[str]] = {'audio': [], 'video': []}
  kinds: dict[str, Collection[str]] = {}
  for row in range(len(table)):
    files = {}
    for column in _MEDIA:
      name = table.columns.get(column, empty)[row].strip()
      path = source / name
      if name and not path.is_file():
        table.fault(row, column, f'{name!r}: there is no file {path}')
      files[column] = str(path.resolve()) if name else ''
    file = files['file']
    if file not in kinds:
      kinds[file] = tracks.of(file) if os.path.isfile(file) else ()
    for kind, its in paths.items():
      its.append(files[kind] or (file if kind in kinds[file] else ''))
  return paths


def _ids(table: corpus_lib.Table) -> list[str]:
  """The ids, given or made from names of files."""
  column = next(
    (name for name in ('id', *_MEDIA) if name in table.columns), None
  )
  if column is None:
    table.faults.append(
      f"{table.path}: column 'id' is missing, and no column names files"
    )
    return [''] * len(table)
  values = [value.strip() for value in table.columns[column]]
  if column != 'id':
    values = [pathlib.PurePath(value).stem for value in values]
  first_line: dict[str, int] = {}
  for row, value in enumerate(values):
    if not value:
      table.fault(row, column, 'is empty; expected what names the clip')
    elif value in first_line:
      hint = '' if column == 'id' else "; give clips a column 'id'"
      table.fault(
        row,
        column,
        f'{value!r} is there already, on line {first_line[value]}{hint}',
      )
    first_line.setdefault(value, table.lines[row])
  return values


def _groups(table: corpus_lib.Table, ids: list[str]) -> list[str]:
  """The groups, given or the files that clips are in."""
  if 'group' in table.columns:
    groups = table.columns['group']
    for row, group in enumerate(groups):
      if not group.strip():
        table.fault(row, 'group', 'is empty')
    return groups
  columns = [
    table.columns[name]
    for name in ('video', 'file', 'audio')
    if name in table.columns
  ]
  return [
    next(filter(None, map(str.strip, row)), clip)
    for clip, *row in zip(ids, *columns, strict=True)
  ]


def _check_split(table: corpus_lib.Table) -> list[int] | None:
  """Adds faults of `split` and `fold`; returns the folds if there are any."""
  columns = table.columns
  if 'split' in columns and 'fold' in columns:
    table.faults.append(
      f"{table.path}: has columns 'split' and 'fold'; expected one"
    )
  elif 'split' in columns:
    for row, name in enumerate(columns['split']):
      if name not in corpus_lib.SPLITS:
        table.fault(
          row,
          'split',
          f'{name!r} is not one of {", ".join(corpus_lib.SPLITS)}',
        )
  elif 'fold' in columns:
    folds = table.convert('fold', _natural, 'a fold number 0, 1, 2, ...')
    used = set(folds) - {None}
    for number in sorted(set(range(len(used))) - used)[:3]:
      table.faults.append(
        f"{table.path}: column 'fold': no clip is in fold {number}"
      )
    return folds
  return None


def _check_times(table: corpus_lib.Table) -> None:
  times = {
    name: table.convert(name, _seconds, 'a time in seconds, or empty')
    for name in ('start', 'end')
    if name in table.columns
  }
  for row, end in enumerate(times.get('end', [])):
    start = times['start'][row] if 'start' in times else 0.0
    if None not in (start, end) and end <= start:
      table.fault(row, 'end', f'{end:g} is not after the start, {start:g}')


def _seconds(text: str) -> float | None:
  if not text.strip():
    return None
  value = float(text)
  if not math.isfinite(value) or value < 0:
    raise ValueError
  return value


def _natural(text: str) -> int:
  if not text.isascii() or not text.isdigit():
    raise ValueError
  return int(text)


def _by_number(label: str) -> tuple[float, str]:
  """Sorts classes that are numbers by their value, others by their name."""
  try:
    return float(label), ''
  except ValueError:
    return math.inf, label
