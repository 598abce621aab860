"""A study of tables in memory or of files: what the binary does, in Python.

Frames of pandas and polars, tables of Arrow, dictionaries of lists and lists of
dictionaries are read by the same readers as a corpus folder is, so that the
same faults are told in the same words, and the same spellings are one thing.
"""

import dataclasses
import difflib
import json
import logging
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, grouping, spelling, tables
from empathy.evaluation import reading
from empathy.evaluation import study as study_lib

# What messages call the files that tables are written to.
_NAMES = {'corpus.json': 'about', 'clips.csv': 'clips', 'votes.csv': 'votes'}
# What `about` may say.
_KEYS = (
  *('name', 'modalities', 'conditions', 'judges', 'crowds', 'license'),
  *('source', 'labels', declared.NAME, *declared.KEYS),
)
# How alike two names are of which one is probably the other, misspelt.
_NEAR = 0.7
_LOGGER = logging.getLogger('empathy')
_UNKNOWN = {'license': 'not given', 'source': 'tables in memory'}


def judge(
  predictions: Any,
  clips: Any,
  votes: Any = None,
  *,
  about: Mapping[str, Any] | None = None,
  label: str | None = None,
  lenient: bool = False,
) -> study_lib.Study:
  """Judges predictions by labels and votes.

  Columns are those of `clips.csv`, `votes.csv` and a table of predictions, see
  `reading`. Ids that are numbers are taken as they are written, 7 as '7' and so
  7.0, in all tables alike; ids such as 007 have to be texts in all of them.

  What `corpus.json` would say is told from the tables where `about` does not:
  classes are those that predictions give probabilities of, else all labels that
  occur in clips and votes, in their order; modalities those that views and
  conditions name. Votes without a column `condition` are of people who
  perceived every modality. Without a column `group`, one such as `speaker` or
  `dialogue` is taken, with a warning.

  Args:
    predictions: a table; or the path of a file; None for a study of the humans
      alone.
    clips: a table; or a corpus, or the path of its folder, which has its own
      votes.
    votes: a table, or None.
    about: keys of `corpus.json`, such as `classes`, `ordered`, `values`,
      `modalities`, `judges` and `name`.
    label: of a folder with several labels, the one to judge by.
    lenient: whether distributions may have any sum and name other classes,
      and labels be none of the classes and scores no numbers; see `rows`.

  Returns:
    The study, which shows its report in a notebook; `save` writes it.

  Raises:
    InputError: something is missing or wrong; a line for each kind of fault.
  """
  corpus = None
  if isinstance(clips, str | os.PathLike | corpus_lib.Corpus):
    place = getattr(clips, 'path', clips) or 'clips'
    if votes is not None or about is not None:
      raise errors.InputError(
        f'{place}: a corpus folder has its own votes and corpus.json; expected '
        'neither votes nor about'
      )
    if not isinstance(clips, corpus_lib.Corpus):
      clips = corpus_lib.read(clips, label=label)
    corpus = clips if clips.path is None else corpus_lib.with_presence(clips)
  path, table = _predictions(predictions)
  if table is None and votes is None and not (corpus and corpus.votes):
    raise errors.InputError(
      f'{"clips" if corpus is None else place}: has no votes, and there are no '
      'predictions: nothing to evaluate; empathy train makes predictions'
    )
  if corpus is None:
    corpus = _corpus(_table('clips', clips), votes, table, about or {})
  if table is None:
    return study_lib.build(corpus)
  found = reading.of_table(path, table, corpus, lenient)
  return study_lib.build(corpus, found)


def _predictions(given: Any) -> tuple[pathlib.Path, pa.Table | None]:
  """What messages call the predictions, and their table, if there are any."""
  if isinstance(given, str | os.PathLike):
    path = pathlib.Path(given)
    return path, reading.table(path)
  table = None if given is None else _table('predictions', given)
  return pathlib.Path('predictions'), table


def _table(name: str, given: Any) -> pa.Table:
  """What is given, as a table of Arrow."""
  try:
    if isinstance(given, pa.Table):
      return given
    if isinstance(given, list):
      return pa.Table.from_pylist(given)
    return pa.table(given)
  except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
    raise errors.InputError(
      f'{name}: expected a table, as of pandas, polars or Arrow, or a '
      f'dictionary of lists: {str(error).splitlines()[0]}'
    ) from None


def _texts(name: str, table: pa.Table) -> dict[str, list[str]]:
  """The columns as texts, '' where there is nothing."""
  found = {}
  for column in table.column_names:
    values = table[column]
    if pa.types.is_dictionary(values.type):
      values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
      values = pc.if_else(pc.is_nan(values), None, values)
    try:
      texts = pc.fill_null(pc.cast(values, pa.string()), '')
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      raise errors.InputError(
        f'{name}: column {column!r}: expected texts or numbers, got '
        f'{values.type}'
      ) from None
    found[column] = texts.to_pylist()
  return found


def _corpus(
  clips: pa.Table,
  votes: Any,
  predictions: pa.Table | None,
  about: Mapping[str, Any],
) -> corpus_lib.Corpus:
  """The corpus of tables, read as a folder of the same content would be."""
  for key in about:
    if key not in _KEYS:
      raise errors.InputError(
        f'about: there is no key {key!r}{_hint(str(key), _KEYS)}; expected '
        f'{", ".join(_KEYS)}'
      )
  written = {'clips': _texts('clips', clips)}
  _add_groups(written['clips'])
  if votes is not None:
    written['votes'] = _texts('votes', _table('votes', votes))
  info = dict(about)
  if 'modalities' not in info:
    info['modalities'] = _modalities(written.get('votes', {}), predictions)
  full = corpus_lib.view_name(info['modalities'])
  if votes is not None and written['votes']:
    number = len(next(iter(written['votes'].values())))
    written['votes'].setdefault('condition', [full] * number)
  if 'conditions' not in info:
    told = written.get('votes', {}).get('condition', ())
    info['conditions'] = list(dict.fromkeys(filter(str.strip, told)))
  if not {'classes', 'values', 'scale', 'labels'} & info.keys():
    info['classes'] = _classes(written, predictions)
  info = {'name': 'tables'} | _UNKNOWN | info
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / 'corpus.json').write_text(json.dumps(info), encoding='utf-8')
    for kind, columns in written.items():
      tables.write_csv(folder / f'{kind}.csv', columns)
    try:
      corpus = corpus_lib.read(folder)
    except errors.InputError as error:
      text = str(error).replace(f'{folder}{os.sep}', '')
      for file, said in _NAMES.items():
        text = text.replace(file, said)
      raise errors.InputError(text) from None
  # The folder is gone.
  return dataclasses.replace(corpus, path=None)


def _add_groups(clips: dict[str, list[str]]) -> None:
  """Takes a column such as `speaker` as the group where there is none."""
  found = grouping.candidates(list(clips)) if 'group' not in clips else []
  if found:
    chosen, _ = grouping.best(
      {name: spelling.unified(clips[name]).values for name in found}
    )
    clips['group'] = clips[chosen]
    _LOGGER.warning(
      'clips: column %r is taken as the group. A column group would say '
      'otherwise',
      chosen,
    )


def _modalities(
  votes: Mapping[str, list[str]], predictions: pa.Table | None
) -> list[str]:
  """Those that views and conditions name."""
  names = set(votes.get('condition', ()))
  if predictions is not None and 'view' in predictions.column_names:
    names.update(pc.unique(predictions['view']).to_pylist())
  parts = {
    part.strip().casefold()
    for name in names
    if isinstance(name, str)
    for part in name.split('+')
    if part.strip()
  }
  if not parts:
    raise errors.InputError(
      "there is no column 'view' in predictions, and no column 'condition' in "
      "votes: say what was seen, as in about={'modalities': ['text']}"
    )
  for part in sorted(parts.difference(corpus_lib.MODALITIES)):
    hint = _hint(part, corpus_lib.MODALITIES)
    if hint:
      raise errors.InputError(
        f"columns 'view' and 'condition': {part!r} is no usual modality{hint}; "
        f"else say so, as in about={{'modalities': [{part!r}]}}"
      )
  return sorted(parts, key=corpus_lib.modality_order)


def _hint(name: str, known: Sequence[str]) -> str:
  """What a name is probably meant for."""
  near = difflib.get_close_matches(name, known, 1, _NEAR)
  return f', perhaps {near[0]!r}' if near else ''


def _classes(
  written: Mapping[str, Mapping[str, list[str]]],
  predictions: pa.Table | None,
) -> list[str]:
  """Those that there are probabilities of, else all that occur, in order."""
  if predictions is not None:
    named = [name for name in predictions.column_names if name[:5] == 'prob_']
    if named:
      return [name.removeprefix('prob_') for name in named]
  labels = [
    label
    for table in written.values()
    for label in spelling.unified(table.get('label', ())).values
    if label
  ]
  classes = [c for c in spelling.unified(labels).values if c]
  numbers = {name: spelling.number(name) for name in classes}
  if len(numbers) < 2:
    raise errors.InputError(
      f'clips and votes have {spelling.counted(len(numbers), "label")}: say '
      "all classes that there are, as in about={'classes': ['no', 'yes']}"
    )
  if None in numbers.values():
    return sorted(numbers)
  return sorted(numbers, key=numbers.get)
