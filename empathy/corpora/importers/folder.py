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
              it, a column that names persons or conversations, as `speaker`,
              `participant` or `dialogue`; without one, clips of the same file
              are a group
  split       train, val or test; or
  fold        0 to K-1; without either, folds are made, by group
  start, end  where the clip is in its file: seconds, or as 0:01.5; empty: all

Paths start at the folder. Other columns are kept. Beside it may be a table
`votes.csv` of what annotators said:

  id          of the clip, or `file`, with or without its suffix
  label       the class that was voted for
  condition   what was shown, as `audio` or `text+video`; without it, everything
  annotator   who voted
  count       how many votes the row stands for; without it, 1

How names are compared, and what is missing, is said in `spelling`.
"""

import logging
import math
import os
import pathlib
import re
import unicodedata
from collections.abc import Collection, Sequence

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import grouping, spelling, tables, tracks

_MEDIA = ('file', 'audio', 'video')
_OURS = ('id', 'file', 'group', 'label', 'split', 'fold', 'audio', 'video')
_VOTES = 'votes'
# Columns of votes that name the clip.
_CLIP_NAMES = ('id', 'file', 'clip', 'filename', 'video', 'audio')
# More classes than that, if they are numbers, are scores.
_MOST_NUMBERS = 12
_LOGGER = logging.getLogger('empathy')


def read(source: pathlib.Path) -> corpus_lib.Corpus:
  """Reads the folder.

  Args:
    source: holds one CSV file, perhaps another of votes, and media at any
      depth.

  Returns:
    The clips in the order of the file; paths of media are absolute.

  Raises:
    InputError: something is missing or wrong; each kind of fault has a line
      with the file, its line and column.
  """
  path, votes_path = _tables(source)
  table = tables.Table(path, ('label',), (*corpus_lib.CLIP_COLUMNS, 'file'))
  columns = table.columns
  if not any(name in columns for name in (*_MEDIA, 'transcript')):
    raise errors.InputError(
      f'{path}: expected a column file, audio, video or transcript'
    )
  columns |= corpus_lib.read_sources(table)
  media = _media(table, source)
  ids = _ids(table)
  groups = _groups(table, ids)
  split, fold = corpus_lib.read_places(table)
  corpus_lib.note_straddling(table, groups, fold if split is None else split)
  columns |= corpus_lib.read_times(table)
  classes = _classes(table)
  labels = corpus_lib.label_codes(table, 'label', classes)
  _note_voters(table)
  table.finish()
  modalities = _modalities(table, media)
  info = {
    'name': source.resolve().name,
    'classes': classes,
    'modalities': modalities,
    'conditions': [],
    'license': 'not stated',
    'source': f'the folder {source.resolve().name}',
  }
  votes = None
  if votes_path is not None:
    info['conditions'], votes = _votes(
      votes_path, _clip_names(table, ids), classes, modalities
    )
  return corpus_lib.Corpus(
    info=info,
    ids=np.array(ids),
    groups=np.array(groups),
    labels=labels,
    split=split,
    fold=fold,
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
    votes=votes,
  )


def _tables(source: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path | None]:
  """The table of the clips, and that of the votes if there is one."""
  found = tables.found_in(source)
  votes = [path for path in found if path.stem.casefold() == _VOTES]
  clips = [path for path in found if path not in votes]
  if len(clips) != 1 or len(votes) > 1:
    names = ', '.join(path.name for path in found) or 'none'
    raise errors.InputError(
      f'{source}: expected one CSV file, and perhaps votes.csv; found {names}'
    )
  return clips[0], votes[0] if votes else None


def _media(table: tables.Table, source: pathlib.Path) -> dict[str, list[str]]:
  """The absolute path of each clip's sound and pictures, or ''."""
  empty = [''] * len(table)
  paths: dict[str, list[str]] = {'audio': [], 'video': []}
  found = _Files(source)
  kinds: dict[str, Collection[str]] = {}
  for row in range(len(table)):
    files = {}
    for column in _MEDIA:
      name = table.columns.get(column, empty)[row].strip()
      path = None if spelling.is_missing(name) else found.find(name)
      if path is not None and not path.is_file():
        says = f'there is no file {path}'
        table.fault(row, column, f'{name!r}: {says}', 'no file')
      files[column] = '' if path is None else str(path.resolve())
    file = files['file']
    if file not in kinds:
      kinds[file] = tracks.of(file) if os.path.isfile(file) else ()
    for kind, its in paths.items():
      its.append(files[kind] or (file if kind in kinds[file] else ''))
  return paths


class _Files:
  """Files of a folder, found whatever the spelling of their names.

  Attributes:
    respelt: the files that were found under another spelling, by name.
  """

  def __init__(self, source: pathlib.Path):
    self._source = source
    self._by_key: dict[str, list[pathlib.Path]] | None = None
    self.respelt: dict[str, pathlib.Path] = {}

  def find(self, name: str) -> pathlib.Path:
    """The file's path; where there is none, the path that it should have."""
    path = self._source / name
    if path.is_file():
      return path
    if self._by_key is None:
      self._by_key = {}
      for file in sorted(self._source.rglob('*')):
        key = self._key(file.relative_to(self._source).as_posix())
        self._by_key.setdefault(key, []).append(file)
    # Of several, that which differs in the Unicode form alone.
    files = self._by_key.get(self._key(name.replace('\\', '/')), [])
    same = [
      file
      for file in files
      if unicodedata.normalize('NFC', str(file))
      == unicodedata.normalize('NFC', str(path))
    ]
    files = same or files
    if len(files) != 1 or not files[0].is_file():
      return path
    self.respelt[name] = files[0]
    return files[0]

  def _key(self, name: str) -> str:
    return spelling.key(pathlib.PurePosixPath(name).as_posix(), numbers=False)


def _ids(table: tables.Table) -> list[str]:
  """The ids, given or made from names of files."""
  column = next(
    (name for name in ('id', *_MEDIA) if name in table.columns), None
  )
  if column is None:
    table.faults.add(
      f"{table.path}: column 'id' is missing, and no column names files"
    )
    return [''] * len(table)
  values = table.columns[column]
  if column == 'id':
    return table.ids(column, values)
  values = [_file_name(value).stem for value in values]
  return table.ids(column, values, "; give clips a column 'id'")


def _file_name(text: str) -> pathlib.PurePosixPath:
  return pathlib.PurePosixPath(text.strip().replace('\\', '/'))


def _groups(table: tables.Table, ids: Sequence[str]) -> list[str]:
  """The groups: given, told by another column, or the clips' files."""
  if 'group' in table.columns:
    return table.things('group', needed=True)
  found = grouping.candidates(list(table.columns))
  if found:
    chosen, straddling = grouping.best(
      {name: spelling.unified(table.columns[name]).values for name in found}
    )
    groups = table.things(chosen, needed=True)
    note = f'is taken as the group ({len(set(groups)):,} groups)'
    if len(found) > 1:
      note += f'; the others could be: {", ".join(set(found) - {chosen})}'
    for name in straddling:
      note += f'; one {name} may be in several groups, on both sides of a split'
    table.note(chosen, note + '. A column group would say otherwise')
    return groups
  columns = [
    table.columns[name]
    for name in ('video', 'file', 'audio')
    if name in table.columns
  ]
  groups = [
    next(filter(None, map(str.strip, row)), clip)
    for clip, *row in zip(ids, *columns, strict=True)
  ]
  table.notes.append(
    f'{table.path}: no column group or speaker: every file is its own group '
    f'({len(set(groups)):,} groups of {len(groups):,} clips). Folds and '
    'intervals then suppose that no person is in two files; if some are, add a '
    'column group'
  )
  return [
    group or f'clip {clip}'
    for group, clip in zip(spelling.unified(groups).values, ids, strict=True)
  ]


def _classes(table: tables.Table) -> list[str]:
  """The classes, in the order of their numbers or names."""
  names = set(spelling.unified(table.columns['label']).values) - {''}
  classes = sorted(names, key=_by_number)
  numbers = [spelling.number(name) for name in classes]
  numbers = [number for number in numbers if number is not None]
  fractions = [number for number in numbers if not number.is_integer()]
  if fractions or len(numbers) > _MOST_NUMBERS:
    table.faults.add(
      f"{table.path}: column 'label': {len(numbers)} different numbers from "
      f'{min(numbers):g} to {max(numbers):g} look like scores; this version '
      'takes classes: put them into bins, such as low and high, first'
    )
  elif len(classes) < 2 and not table.faults:
    table.faults.add(
      f"{table.path}: column 'label': expected two or more classes, found "
      f'{", ".join(classes) or "none"}'
    )
  return classes


def _note_voters(table: tables.Table) -> None:
  """Says that a column for each annotator is not taken for votes."""
  voters = [
    name
    for name in table.columns
    if re.match(r'(annotator|rater|coder|vote)s?[ _]?\w', name.casefold())
  ]
  if voters:
    table.note(
      voters[0],
      f'looks like votes ({spelling.counted(len(voters), "such column")}), '
      'which are read from votes.csv alone, a row a vote; it is kept as it is',
    )


def _modalities(table: tables.Table, media: dict[str, list[str]]) -> list[str]:
  """The modalities that some clip has; of a column that is empty it is said."""
  there = {'text': any(map(str.strip, table.columns.get('transcript', [])))}
  there |= {name: any(paths) for name, paths in media.items()}
  for name, column in (
    ('text', 'transcript'),
    ('audio', 'audio'),
    ('video', 'video'),
  ):
    if column in table.columns and not there[name]:
      _LOGGER.warning(
        '%s: column %r is empty: the corpus has no %s', table.path, column, name
      )
  if there['video'] and not there['audio'] and 'audio' not in table.columns:
    _LOGGER.warning(
      '%s: no file has sound: the corpus has no audio', table.path
    )
  if not any(there.values()):
    raise errors.InputError(f'{table.path}: no clip has words or media')
  return [name for name in corpus_lib.MODALITIES if there[name]]


def _clip_names(table: tables.Table, ids: Sequence[str]) -> dict[str, int]:
  """Clips by id, and by the names of their files if that is one clip's."""
  rows: dict[str, set[int]] = {}
  for column in _MEDIA:
    for row, text in enumerate(table.columns.get(column, [])):
      if spelling.is_missing(text):
        continue
      path = _file_name(text)
      for name in (path.as_posix(), path.name, path.stem):
        rows.setdefault(spelling.clean(name), set()).add(row)
  names = {
    name: next(iter(found)) for name, found in rows.items() if len(found) == 1
  }
  return names | {name: row for row, name in enumerate(ids)}


def _votes(
  path: pathlib.Path,
  clips: dict[str, int],
  classes: Sequence[str],
  modalities: Sequence[str],
) -> tuple[list[str], corpus_lib.Votes]:
  """The conditions that votes were given in, and the votes."""
  table = tables.Table(
    path, ('label',), (*corpus_lib.VOTE_COLUMNS, *_CLIP_NAMES)
  )
  column = next((name for name in _CLIP_NAMES if name in table.columns), None)
  if column is None:
    raise errors.InputError(f"{path}: column 'id' is missing")
  if 'condition' not in table.columns:
    full = corpus_lib.view_name(modalities)
    table.columns['condition'] = [full] * len(table)
    table.notes.append(
      f'{path}: no column condition: votes are taken to be on {full}'
    )
  if 'annotator' not in table.columns:
    table.notes.append(f'{path}: no column annotator: who voted is not known')
  conditions = []
  for text in dict.fromkeys(table.columns['condition']):
    name = corpus_lib.condition_name(text)
    known = set(name.split('+')) <= set(corpus_lib.MODALITIES)
    if known and name not in conditions:
      conditions.append(name)
  conditions.sort(
    key=lambda name: (
      name.count('+'),
      [corpus_lib.modality_order(part) for part in name.split('+')],
    )
  )
  rows = list(clips.values())
  names = spelling.Names(clips)
  found = corpus_lib.find_clips(table, column, names)
  votes = corpus_lib.read_votes(
    table,
    [None if number is None else rows[number] for number in found],
    classes,
    conditions or corpus_lib.MODALITIES,
  )
  table.finish()
  return conditions, votes


def _by_number(label: str) -> tuple[float, str]:
  """Sorts classes that are numbers by their value, others by their name."""
  number = spelling.number(label)
  return (math.inf if number is None else number, label)
