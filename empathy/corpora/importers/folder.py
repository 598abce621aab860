"""Anybody's data: a folder of media and one CSV file that tells of the clips.

Columns, of which one of `file`, `audio`, `video` or `transcript` must be there,
and `label` unless there are votes, whose plurality or mean it is then:

  id          of the clip; without it, the name of its file without the suffix
  file        a file with sound, pictures or both
  audio       a file whose sound is taken, instead of `file`
  video       a file whose pictures are taken, instead of `file`
  transcript  what is said
  label       the class, or a score if it has fractions or many values; empty
              where it is not known. Of several labels `label.<name>`
  score       instead: a number, on the scale that `--scale=1,7` says, or from
              the least to the greatest that is there
  group       what must not straddle a split: the speaker, the source; without
              it, a column that names persons or conversations, as `speaker`,
              `participant` or `dialogue`; without one, clips of the same file
              are a group
  split       train, val or test; or
  fold        0 to K-1; without either, folds are made, by group
  start, end  where the clip is in its file: seconds, or as 0:01.5; empty: all

Paths start at the folder; a name alone is also that of the one file below it
that has it. Other columns are kept. Beside it may be a table
`votes.csv` (or `ratings`, `annotations`) of what annotators said, as `sheets`
reads it: a row a vote, or a column an annotator; and also in the table of the
clips, `annotator_1` and so on.

  id          of the clip, or `file`, with or without its suffix
  label       the class that was voted for, or a score
  condition   what was shown, as `audio`, `text+video` or `AV`; without it, what
              the table's name says (`votes_audio.csv`), or what the files that
              it names hold, or else everything
  annotator   who voted
  count       how many votes the row stands for; without it, 1

How names are compared, and what is missing, is said in `spelling`.
"""

import logging
import os
import pathlib
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import (
  declared,
  grouping,
  ratings,
  sheets,
  spelling,
  tables,
  tracks,
)

_MEDIA = ('file', 'audio', 'video')
_OURS = ('id', 'file', 'group', 'label', 'split', 'fold', 'audio', 'video')
# How tables of votes are called; what follows may say the condition.
_VOTES = re.compile(r'(?:votes|ratings|annotations)(?:[ _.-]+(.*))?')
# More classes than that, if they are numbers, are scores.
_MOST_NUMBERS = 12
_LOGGER = logging.getLogger('empathy')


def read(
  source: pathlib.Path,
  columns: Mapping[str, Sequence[str]] | None = None,
  shown: str = '',
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads the folder.

  Args:
    source: holds one CSV file, perhaps others of votes, and media at any depth.
    columns: which columns of votes are what, as `sheets.told` says.
    shown: what annotators were shown, where no column says it.
    scale: the ends of the scale of scores, by label, '' for all.

  Returns:
    The clips in the order of the file; paths of media are absolute. Several
    labels make a corpus of each, by name.

  Raises:
    InputError: something is missing or wrong; each kind of fault has a line
      with the file, its line and column.
  """
  path, votes_paths = _tables(source)
  table = tables.Table(path, (), (*corpus_lib.CLIP_COLUMNS, 'file', 'score'))
  return of_table(table, source, votes_paths, columns, shown, scale)


def of_table(
  table: tables.Table,
  source: pathlib.Path,
  votes_paths: Sequence[pathlib.Path] = (),
  columns: Mapping[str, Sequence[str]] | None = None,
  shown: str = '',
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """The same of a table of clips; paths in it start at `source`."""
  path = table.path
  if not any(name in table.columns for name in (*_MEDIA, 'transcript')):
    raise errors.InputError(
      f'{path}: expected a column file, audio, video or transcript'
    )
  table.columns |= corpus_lib.read_sources(table)
  media = _media(table, source)
  ids = _ids(table)
  groups = _groups(table, ids)
  split, fold = corpus_lib.read_places(table)
  corpus_lib.note_straddling(table, groups, fold if split is None else split)
  table.columns |= corpus_lib.read_times(table)
  votes = _read_votes(table, ids, votes_paths, columns or {})
  labels = _labels(table, votes)
  ends = ratings.ends(scale or {}, labels)
  keys = {
    name: _declared(table, column, votes, name, ends[name])
    for name, column in labels.items()
  }
  table.faults.raise_all()
  modalities = _modalities(table, media)
  conditions = _conditions(votes, modalities, shown)
  clip = [_find(one.table, _clip_names(table, ids)) for one in votes]
  info = {
    'name': source.resolve().name,
    'modalities': modalities,
    'conditions': conditions,
    'license': 'not stated',
    'source': f'the folder {source.resolve().name}',
  }
  own = {*_OURS, *filter(None, labels.values())}
  metadata = {
    name: np.array(values)
    for name, values in table.columns.items()
    if name not in own
  } | {
    name: np.array(paths) for name, paths in media.items() if name in modalities
  }
  corpora = {}
  for name, column in labels.items():
    made, faults = declared.checked(info | keys[name], f'{path}')
    errors.raise_faults(faults)
    cast = _cast(votes, name, clip, made)
    if cast is not None:
      ratings.refuse_twice(f'{source}', cast, ids, conditions)
    codes, scores = np.full(len(ids), corpus_lib.UNLABELLED, np.int32), None
    if column is not None:
      codes, scores = sheets.given(table, column, made)
    corpora[name] = corpus_lib.Corpus(
      info=made,
      ids=np.array(ids),
      groups=np.array(groups),
      labels=codes,
      scores=scores,
      split=split,
      fold=fold,
      metadata=metadata,
      votes=cast,
    )
  rated = {name: corpora[name] for name in labels if labels[name] is None}
  corpora |= ratings.labelled(rated, f'{path}')
  for one in (table, *(one.table for one in votes)):
    one.finish()
  return corpora if len(corpora) > 1 else next(iter(corpora.values()))


def _tables(source: pathlib.Path) -> tuple[pathlib.Path, list[pathlib.Path]]:
  """The table of the clips, and those of votes."""
  found = tables.found_in(source)
  votes = [path for path in found if _VOTES.fullmatch(path.stem.casefold())]
  clips = [path for path in found if path not in votes]
  if len(clips) != 1:
    names = ', '.join(path.name for path in found) or 'none'
    books = [p.name for p in tables.found_in(source, ('.xlsx', '.xls', '.ods'))]
    if books and not clips:
      names += f'; save {books[0]} as CSV'
    raise errors.InputError(
      f'{source}: expected one CSV file, and perhaps votes.csv; found {names}'
    )
  return clips[0], votes


def _read_votes(
  table: tables.Table,
  ids: Sequence[str],
  paths: Sequence[pathlib.Path],
  columns: Mapping[str, Sequence[str]],
) -> list[sheets.Sheet]:
  """The tables of votes, or the columns of annotators in that of the clips."""
  raters = sheets.of_raters(table)
  if paths or not raters:
    names = [
      name.partition('.')[2]
      for name in table.columns
      if name.startswith(('label.', 'score.'))
    ]
    return [sheets.read(sheets.load(path), columns, names) for path in paths]
  cells = {name: table.columns.pop(name) for name in raters}
  own = tables.Table.of(table.path, {'id': list(ids)} | cells, table.lines)
  told = {'item': ['id']}
  if sheets.raters(raters):
    told['raters'] = raters
  return [sheets.read(own, told)]


def _labels(
  table: tables.Table, votes: Sequence[sheets.Sheet]
) -> dict[str, str | None]:
  """By name of each label its column, None if votes alone tell it.

  Where there is one label, it has no name.
  """
  names = list(table.columns)
  found: dict[str, str | None] = {}
  for name in names:
    kind, dot, label = name.partition('.')
    if kind not in ('label', 'score') or not dot:
      continue
    if not re.fullmatch(r'[\w-]+', label) or label in found:
      raise errors.InputError(
        f'{table.path}: column {name!r}: expected {kind}.NAME, once, of '
        'letters, digits, _ and -'
      )
    found[label] = name
  own = [name for name in ('score', 'label') if name in names]
  if not found and own:
    found = {'': own[0]}
  for one in votes:
    rated = list(one.labels) if len(one.labels) > 1 else ['']
    if not found:
      found = dict.fromkeys(rated)
    if rated != [''] and set(rated) - set(found):
      raise errors.InputError(
        f'{one.table.path}: rates {", ".join(rated)}, but {table.path} has '
        f'{", ".join(filter(None, found.values())) or "one label"}'
      )
    if rated == [''] and len(found) > 1 and not set(one.labels) <= set(found):
      raise errors.InputError(
        f'{one.table.path}: rates {", ".join(one.labels)}, which is none of '
        f'{", ".join(found)}'
      )
  if not found:
    shown = ', '.join(map(repr, names[:8]))
    raise errors.InputError(
      f"{table.path}: column 'label' is missing, and there are no votes; found "
      f'{shown}'
    )
  return found


def _rated(one: sheets.Sheet, name: str, alone: bool) -> str | None:
  """The name that votes have for a label; an only one may have any."""
  if name in one.labels:
    return name
  return next(iter(one.labels)) if alone else None


def _declared(
  table: tables.Table,
  column: str | None,
  votes: Sequence[sheets.Sheet],
  name: str,
  ends: Sequence[float],
) -> dict[str, Any]:
  """The keys of a label for `corpus.json`; what is wrong is a fault."""
  place, told = column or 'label', table
  texts = list(table.columns[column]) if column else []
  names = {*spelling.unified(texts).values} - {''}
  for one in votes:
    rated = _rated(one, name, not name)
    if rated is not None:
      texts += one.table.columns[one.labels[rated]]
    if rated is not None and column is None and told is table:
      place, told = one.labels[rated], one.table
  keys = sheets.declare(texts, ends, f'{told.path}: column {place!r}')
  if column and column.startswith('label') and not ends:
    numbers = [spelling.number(text) for text in names]
    if 'values' in keys and len(names) <= _MOST_NUMBERS:
      # They may be codes: nothing says that they are more or less.
      names = {*spelling.unified(texts).values} - {''}
      keys = {'classes': names}
      table.note(
        place,
        'whole numbers are taken for classes; --scale=LOW,HIGH would '
        'make them values',
      )
    elif None in numbers and any(n is not None and n % 1 for n in numbers):
      table.faults.add(
        f'{table.path}: column {place!r}: some are numbers with fractions, '
        'some are not; expected classes, or plain numbers'
      )
    if 'classes' in keys:
      keys = {'classes': sorted(names, key=ratings.by_number)}
  if not ends and 'classes' not in keys:
    ratings.refuse_apart(texts, f'{told.path}: column {place!r}')
  says = ratings.says(keys)
  if says and not ends:
    told.note(place, says)
  return keys


def _cast(
  votes: Sequence[sheets.Sheet],
  name: str,
  clip: Sequence[Sequence[int | None]],
  info: Mapping[str, Any],
) -> corpus_lib.Votes | None:
  """All votes on a label; raises for what is wrong in them."""
  found = []
  for one, rows in zip(votes, clip, strict=True):
    rated = _rated(one, name, not name)
    if rated is not None:
      found.append(sheets.votes(one, rated, rows, info))
      one.table.faults.raise_all()
  return corpus_lib.joined(found) if found else None


def _find(table: tables.Table, clips: Mapping[str, int]) -> list[int | None]:
  """The clip that each vote is for, by its id or the name of a file of it."""
  names, rows = spelling.Names(clips), list(clips.values())
  texts = table.columns['id']
  for row, text in enumerate(texts):
    if _kinds(text):
      try:
        names.find(text)
      except KeyError:  # The sound of a film, perhaps.
        texts[row] = _file_name(text).stem
  return [
    None if number is None else rows[number]
    for number in corpus_lib.find_clips(table, 'id', names)
  ]


def _kinds(name: str) -> Collection[str]:
  """What a file of that name shows."""
  if _file_name(name).suffix.lower() == '.txt':
    return ('text',)
  return tracks.of_name(name)


def _conditions(
  votes: Sequence[sheets.Sheet], modalities: Sequence[str], shown: str
) -> list[str]:
  """The conditions of votes, which stand in the tables then."""
  names = set()
  for one in votes:
    table = one.table
    sheets.suppose_condition(
      table, shown, modalities, _shown(table, modalities)
    )
    for row, text in enumerate(table.columns['condition']):
      name = sheets.condition(text, modalities)
      if name and set(name.split('+')) <= set(corpus_lib.MODALITIES):
        table.columns['condition'][row] = name
        names.add(name)
  if votes and not names:
    names = {*corpus_lib.MODALITIES}
  return ratings.in_order(names)


def _shown(table: tables.Table, modalities: Sequence[str]) -> str:
  """What all were shown, by the table's name, or by files' names."""
  found = _VOTES.fullmatch(table.path.stem.casefold())
  if found and found[1]:
    name = sheets.condition(found[1], modalities)
    if set(name.split('+')) <= set(corpus_lib.MODALITIES):
      return name
  kinds = {frozenset(_kinds(text)) for text in table.columns['id']}
  kind = next(iter(kinds)) if len(kinds) == 1 else frozenset()
  return corpus_lib.view_name((kind & set(modalities)) or kind or modalities)


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
  """Files of a folder, found whatever the spelling of their names."""

  def __init__(self, source: pathlib.Path):
    self._source = source
    self._by_key: dict[str, list[pathlib.Path]] | None = None

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
    if not files and '/' not in name.replace('\\', '/'):
      key = f'/{self._key(name)}'
      files = [
        file
        for own, its in self._by_key.items()
        if own.endswith(key)
        for file in its
      ]
    return files[0] if len(files) == 1 and files[0].is_file() else path

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
    note = (
      f'is taken as the group ({spelling.counted(len(set(groups)), "group")})'
    )
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
    f'({spelling.counted(len(set(groups)), "group")} of '
    f'{spelling.counted(len(groups), "clip")}). Folds and '
    'intervals then suppose that no person is in two files; if some are, add a '
    'column group'
  )
  return [
    group or f'clip {clip}'
    for group, clip in zip(spelling.unified(groups).values, ids, strict=True)
  ]


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
