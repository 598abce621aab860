"""Ratings alone, in spreadsheets or as annotation tools export them.

Reads one table, or several in a folder: of raters each, where none has a column
that names them. `sheets` says what is a table and which columns are known;
those of other names are told, as by
`--columns=item=clip,annotator=coder,label=empathy|distress`.

Whole numbers are values on a scale, from the least to the greatest that is
there, others a score on a scale between these; `--scale=1,7` says what could be
said. The label of a clip is the plurality of its votes in the condition with
the most modalities, of numbers the mean. Several columns of ratings are several
labels. What was shown is told by a column, by `--shown=audio+video`, or by the
names of files; else it is called `item`.
"""

import logging
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import (
  declared,
  ratings,
  sheets,
  spelling,
  tables,
  tracks,
)

# The source may be a file.
SUFFIXES = (*tables.SUFFIXES, '.jsonl', '.ndjson')
_UNKNOWN = 'item'
_LOGGER = logging.getLogger('empathy')


def read(
  source: pathlib.Path,
  columns: Mapping[str, Sequence[str]] | None = None,
  shown: str = '',
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads ratings.

  Args:
    source: a table, or a folder of tables.
    columns: which columns are what, as `sheets.told` says.
    shown: what annotators were shown, where no column says it.
    scale: the ends of the scale by label, '' for all; what is there otherwise.

  Returns:
    A corpus of votes alone, or one by name of each label.

  Raises:
    InputError: something is missing or wrong, or not clear.
  """
  paths = _paths(source)
  found = [
    sheets.read(sheets.load(path), columns or {}, alone=len(paths) > 1)
    for path in paths
  ]
  if len(found) > 1 and not any('annotator' in f.table.columns for f in found):
    for one in found:
      one.table.columns['annotator'] = [one.table.path.stem] * len(one.table)
      one.table.notes.append(
        f'{one.table.path}: is taken for one rater, {one.table.path.stem!r}'
      )
  for one in found[1:]:
    if list(one.labels) != list(found[0].labels):
      raise errors.InputError(
        f'{one.table.path}: rates {", ".join(one.labels)}, but '
        f'{found[0].table.path} {", ".join(found[0].labels)}'
      )
  ids = _ids(found)
  conditions, modalities = _conditions(found, shown)
  for one in found:
    one.table.faults.raise_all()
  info = {
    'name': source.resolve().stem,
    'modalities': modalities,
    'conditions': conditions,
    'license': 'not stated',
    'source': f'ratings in {source.resolve().name}',
  }
  corpora = ratings.labelled(
    {
      name: _corpus(name, found, ids, dict(info), ends)
      for name, ends in ratings.ends(scale or {}, found[0].labels).items()
    },
    f'{found[0].table.path}',
  )
  for one in found:
    one.table.finish()
  return corpora if len(corpora) > 1 else next(iter(corpora.values()))


def _paths(source: pathlib.Path) -> list[pathlib.Path]:
  if source.is_file():
    return [source]
  found = tables.found_in(source, SUFFIXES)
  if not found:
    raise errors.InputError(
      f'{source}: holds no table; expected {", ".join(SUFFIXES)}'
    )
  return found


def _ids(found: Sequence[sheets.Sheet]) -> dict[str, int]:
  """Items in the order in which they come, one for each thing."""
  known: dict[str, str] = {}
  _unite_files(found)
  for one in found:
    for row, text in enumerate(one.table.columns['id']):
      if spelling.is_missing(text):
        one.table.fault(row, 'id', 'is empty; expected what was rated', 'item')
      else:
        name = spelling.clean(text)
        known.setdefault(spelling.key(name, numbers=False), name)
  ids = {name: row for row, name in enumerate(known.values())}
  first: dict[str, str] = {}
  faults = errors.Faults()
  for name in ids:
    other = first.setdefault(spelling.key(name), name)
    if other != name:
      faults.add(
        f'{found[0].table.path}: items {other!r} and {name!r} are one number; '
        'write it in one way',
        name,
        'numbers',
      )
  faults.raise_all('items')
  return ids


def _unite_files(found: Sequence[sheets.Sheet]) -> None:
  """Takes `a.mp4` for `a` where both are there, and says so."""
  known = {
    spelling.key(text, numbers=False)
    for one in found
    for text in one.table.columns['id']
  }
  for one in found:
    texts, united = one.table.columns['id'], {}
    for row, text in enumerate(texts):
      path = pathlib.PurePosixPath(spelling.clean(text))
      stem = text.strip()[: -len(path.suffix)] if path.suffix else ''
      if (
        stem
        and (tracks.of_name(path.name) or path.suffix.lower() == '.txt')
        and spelling.key(stem, numbers=False) in known
      ):
        united[text] = texts[row] = stem
    if united:
      text, stem = next(iter(united.items()))
      one.table.note(
        'id',
        f'{text!r} and {stem!r} are taken for one '
        f'({spelling.counted(len(united), "item")})',
      )


def _note_alone(place: str, votes: corpus_lib.Votes) -> None:
  """Says if there are several raters, and nothing that two of them rated."""
  raters = np.unique(votes.annotator[votes.annotator != ''])
  pairs = set(zip(votes.clip.tolist(), votes.annotator.tolist(), strict=True))
  if len(raters) > 1 and len(pairs) == len({clip for clip, _ in pairs}):
    _LOGGER.warning(
      '%s: no item was rated by two of the %d raters; are items named alike '
      'by all?',
      place,
      len(raters),
    )


def _conditions(
  found: Sequence[sheets.Sheet], shown: str
) -> tuple[list[str], list[str]]:
  """The conditions, which stand in the tables then, and the modalities."""
  everything = corpus_lib.MODALITIES
  for one in found:
    sheets.suppose_condition(one.table, shown, everything, _shown(one))
  texts = {text for one in found for text in one.table.columns['condition']}
  # All is what others name, if they do.
  there = {
    part
    for text in texts
    if not sheets.means_all(text)
    for part in sheets.condition(text, everything).split('+')
  } & {*everything}
  read = {
    text: ''
    if spelling.is_missing(text)
    else sheets.condition(text, sorted(there) or everything)
    for text in texts
  }
  names = set()
  for one in found:
    table = one.table
    for row, text in enumerate(table.columns['condition']):
      name = read[text]
      if not name:
        table.fault(row, 'condition', 'is empty', 'missing')
      elif not all(part.replace('_', '').isalnum() for part in name.split('+')):
        says = 'is not modalities joined by +, such as audio+video'
        table.fault(row, 'condition', f'{text!r} {says}', says)
      else:
        names.add(name)
    table.columns['condition'] = [
      read[text] for text in table.columns['condition']
    ]
  own = sorted({part for n in names for part in n.split('+')} - {*everything})
  if own and own != [_UNKNOWN]:
    found[0].table.notes.append(
      f'{found[0].table.path}: taken for modalities of their own: '
      f'{", ".join(own)}'
    )
  modalities = {part for name in names for part in name.split('+')}
  return (
    ratings.in_order(names),
    sorted(modalities, key=corpus_lib.modality_order),
  )


def _shown(one: sheets.Sheet) -> str:
  """What the names of files and the other columns let suppose."""
  kinds = {tracks.of_name(text) for text in one.table.columns['id']}
  if len(kinds) == 1 and (kind := next(iter(kinds))):
    return corpus_lib.view_name(kind)
  return _UNKNOWN if one.transcript is None else 'text'


def _corpus(
  name: str,
  found: Sequence[sheets.Sheet],
  ids: Mapping[str, int],
  info: dict[str, Any],
  scale: Sequence[float],
) -> corpus_lib.Corpus:
  """The corpus with one label."""
  texts = [
    text for one in found for text in one.table.columns[one.labels[name]]
  ]
  first, column = found[0].table, found[0].labels[name]
  keys = sheets.declare(texts, scale, f'{first.path}: column {column!r}')
  sheets.check_answers(first, column, keys)
  first.faults.raise_all()
  if not scale and 'classes' not in keys:
    ratings.refuse_apart(texts, f'{first.path}: column {column!r}')
  if not scale and (says := ratings.says(keys)):
    first.note(column, says)
  keys, faults = declared.checked(info | keys, str(first.path))
  errors.raise_faults(faults)
  votes = [_votes(one, name, ids, keys) for one in found]
  for one in found:
    one.table.faults.raise_all()
  votes = corpus_lib.joined(votes)
  place = f'{first.path.parent if len(found) > 1 else first.path}'
  ratings.refuse_twice(place, votes, list(ids), keys['conditions'])
  _note_alone(place, votes)
  metadata, groups = _told(found, ids)
  return corpus_lib.Corpus(
    info=keys,
    ids=np.array(list(ids)),
    groups=groups,
    labels=np.full(len(ids), corpus_lib.UNLABELLED, np.int32),
    metadata=metadata,
    votes=votes,
  )


def _votes(
  one: sheets.Sheet,
  name: str,
  ids: Mapping[str, int],
  info: Mapping[str, Any],
) -> corpus_lib.Votes:
  names = spelling.Names(ids)
  clip = [names.find(text) for text in one.table.columns['id']]
  return sheets.votes(one, name, clip, info)


def _told(
  found: Sequence[sheets.Sheet], ids: Mapping[str, int]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
  """What else the tables tell of each item, and its group."""
  names = spelling.Names(ids)
  told: dict[str, list[str]] = {}
  for one in found:
    known = {'id', 'annotator', 'condition', 'count', *one.labels.values()}
    rows = [names.find(text) for text in one.table.columns['id']]
    left = []
    for name, values in one.table.columns.items():
      pairs = set(zip(rows, values, strict=True))
      if name in known:
        continue
      if len(pairs) > len({row for row, _ in pairs}):
        left.append(name)
        continue
      column = 'transcript' if name == one.transcript else name
      if name == one.group:
        column = 'group'
      cells = told.setdefault(column, [''] * len(ids))
      for row, value in pairs:
        cells[row] = cells[row] or value
    if left:
      one.table.notes.append(
        f'{one.table.path}: left out: what differs within an item: '
        f'{", ".join(map(repr, left))}'
      )
  groups = told.pop('group', [''] * len(ids))
  groups = spelling.unified(groups).values
  if not all(groups):
    found[0].table.notes.append(
      f'{found[0].table.path}: no column tells the speaker or source of '
      f'{spelling.counted(groups.count(""), "item")}: each is its own group; '
      '--columns=group=NAME would say otherwise'
    )
  groups = [
    group or f'item {name}' for group, name in zip(groups, ids, strict=True)
  ]
  # Ours say something else, or nothing that is still true.
  for name in ('label', 'score', *corpus_lib.CLIP_COLUMNS):
    if name != 'transcript':
      told.pop(name, None)
  return {name: np.array(values) for name, values in told.items()}, np.array(
    groups
  )
