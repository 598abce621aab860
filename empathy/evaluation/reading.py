"""Reads a table of predictions: a row for each clip and trained member.

Columns: `id, view, prob_<class>...`; `seed` and `fold`, without which there is
one seed, and nothing says which clips were held out together; optionally
`given` (the modalities that were really shown), `logit_<class>`,
`gate_<modality>`, `attention_<modality>` and `layer_<modality>_<number>`;
others are ignored. In place of
probabilities there may be one `label`, or, where the corpus has values, one
`score`, empty where the model gave no answer; where it was asked several times,
`sample` numbers its answers. Where there is one modality, `view` may be left
out. Usual names, such as `clip_id` and
`prediction`, are taken for `id` and `label`, which is said. Parquet or CSV.
Nothing here asks who made the table.
"""

import csv
import dataclasses
import logging
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from empathy import errors, nearest
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, tables
from empathy.evaluation import headers, masks
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import rows as rows_lib
from empathy.evaluation.predictions import Kind, Predictions
from empathy.evaluation.rows import Rows

_LOGGER = logging.getLogger('empathy')
# Seeds of samples, so that both fit a number.
_MOST_SEEDS = 1 << 42


def read(
  path: str | pathlib.Path,
  corpus: corpus_lib.Corpus,
  lenient: bool = False,
) -> Predictions:
  """Reads and checks a predictions table against its corpus.

  A clip has the modalities that `presence` of the corpus says; every clip has
  one that is not there.

  Args:
    path: a `.csv` or `.tsv` file, or a Parquet file of any other name.
    corpus: the corpus that the ids, classes and modalities belong to.
    lenient: whether distributions may have any sum and name other classes,
      and labels be none of the classes and scores no numbers; see `rows`.

  Returns:
    The predictions.

  Raises:
    InputError: something is missing or wrong. Every kind of fault has a line,
      with the file, the first row (the data row counted from 1 in Parquet, the
      line in CSV), the column, and how many rows have it.
  """
  path = pathlib.Path(path)
  found = table(path, headers.required(corpus))
  return of_table(path, found, corpus, lenient)


def of_table(
  path: pathlib.Path,
  table: pa.Table,
  corpus: corpus_lib.Corpus,
  lenient: bool = False,
) -> Predictions:
  """The same of a table in memory.

  Args:
    path: what messages call it.
    table: the rows, with columns as people name them.
    corpus: see `read`.
    lenient: see `read`.

  Raises:
    InputError: as for `read`.
  """
  names = headers.renamed(table.column_names, corpus)
  notes = headers.notes(table.column_names, names)
  table = table.rename_columns(names)
  headers.check(path, table.column_names, corpus, lenient)
  if not table.num_rows:
    raise errors.InputError(f'{path}: has no rows')
  rows = Rows(path, table)
  rows.notes += notes
  found = _of_rows(rows, corpus, lenient=lenient)
  _refuse_nested(found.seeds, found.kind)
  if 'fold' not in rows.table.column_names and corpus.split is None:
    rows.notes.append(
      "has no column 'fold': which clips were held out together is not known"
    )
  for note in rows.notes:
    _LOGGER.info('%s: %s', path, note)
  return found


def of_batch(
  table: pa.Table,
  corpus: corpus_lib.Corpus,
  place: Callable[[int], tuple[str, int]],
  members: Mapping[str, Sequence[int]],
  lenient: bool = False,
) -> Predictions:
  """The same for rows of one file or several, of all clips of `corpus`.

  Args:
    table: the rows, with the columns that `headers.check` wants.
    corpus: the clips that they are of.
    place: says of each row the file and the row there, counted from 1.
    members: the seeds of each view, whether or not they have any rows.
    lenient: see `read`.

  Raises:
    InputError: as for `read`.
  """
  rows = Rows(pathlib.Path(), table, place)
  found = _of_rows(rows, corpus, members, lenient)
  # Of a part of the rows; but what was changed by choice has to be said.
  for note in rows.notes if lenient else ():
    _LOGGER.info('predictions: %s', note)
  return found


def members(table: pa.Table, corpus: corpus_lib.Corpus) -> set[tuple[str, int]]:
  """The view and seed of rows that are right, or the member of samples."""
  rows = Rows(pathlib.Path(), table, lambda row: ('', row))
  mask = rows.modalities('view', corpus)
  seeds = _members(rows, 'sample' in table.column_names)
  right = np.isin(np.arange(len(mask)), rows.wrong, invert=True)
  pairs = zip(mask[right].tolist(), seeds[right].tolist(), strict=True)
  return {(masks.name(view, corpus), seed) for view, seed in pairs}


def by_view(
  pairs: Iterable[tuple[str, int]],
  corpus: corpus_lib.Corpus,
  kind: Kind = Kind.PROBABILITIES,
) -> dict[str, tuple[int, ...]]:
  """The seeds of each view, narrow ones first, of pairs of view and seed.

  Raises:
    InputError: they are samples of several seeds.
  """
  seeds: dict[int, list[int]] = {}
  for view, seed in sorted(pairs):
    seeds.setdefault(masks.of(view, corpus), []).append(seed)
  found = {
    masks.name(mask, corpus): tuple(seeds[mask])
    for mask in masks.in_order(seeds)
  }
  _refuse_nested(found, kind)
  return found


def _refuse_nested(members: Mapping[str, Sequence[int]], kind: Kind) -> None:
  """Raises if there are samples of several seeds, which are no members alike.

  Two samples of one seed have more in common than those of two seeds, so that
  there would be two kinds of noise.
  """
  for view, numbers in members.items() if kind is Kind.SAMPLES else ():
    seeds, samples = np.divmod(np.array(numbers), predictions_lib.MOST_SAMPLES)
    if min(len(np.unique(seeds)), len(np.unique(samples))) > 1:
      raise errors.InputError(
        f"predictions of {view}: columns 'seed' and 'sample': there are "
        'several samples of several seeds; expected one of both, so judge each '
        'seed by itself'
      )


def table(path: pathlib.Path, required: Sequence[str] = ()) -> pa.Table:
  """The table of a file, as it is.

  Args:
    path: a `.csv` or `.tsv` file, or a Parquet file of any other name.
    required: columns that are told where the file has none.

  Raises:
    InputError: the file is missing or damaged.
  """
  if path.is_dir():
    raise errors.InputError(
      f'{path}: is a folder; expected a table'
      + nearest.folder_hint(path, 'predictions.parquet')
    )
  if not path.is_file():
    raise errors.InputError(
      f'{path}: no such file{nearest.path_hint(path, path.suffix)}'
    )
  if rows_lib.is_csv(path):
    return _read_csv(path, required)
  return _read_parquet(path)


def _read_csv(path: pathlib.Path, required: Sequence[str]) -> pa.Table:
  """All columns as texts; `required` are only told if there are none."""
  header = []
  try:
    with open(path, encoding='utf-8-sig', newline='') as file:
      header = next(csv.reader(file), [])
    if len(header) < 2:
      raise csv.Error('columns are not between commas')
    table = pa_csv.read_csv(
      path,
      convert_options=pa_csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string())
      ),
    )
    if table.num_rows and not _has_idle_rows(table):
      return table
  except (UnicodeDecodeError, csv.Error, pa.ArrowException):
    pass
  # What Arrow stumbles on, the plain reader names with its line, or reads.
  found = tables.read_csv(path, () if header else required, required)
  for note in found.notes:
    _LOGGER.info('%s', note)
  return pa.table(
    {name: pa.array(values, pa.string()) for name, values in found[0].items()}
  )


def _has_idle_rows(table: pa.Table) -> bool:
  """Whether rows are empty, or the header once more."""
  for wanted in (table.column_names, [''] * table.num_columns):
    same = np.ones(table.num_rows, np.bool_)
    # By place, since a name may be there twice.
    for cell, column in zip(wanted, table.columns, strict=True):
      same &= pc.fill_null(pc.equal(column, cell), not cell).to_numpy()
      if not same.any():
        break
    else:
      return True
  return False


def _read_parquet(path: pathlib.Path) -> pa.Table:
  try:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
      return file.read()
  except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    raise errors.InputError(
      f'{path}: is not a whole Parquet file: {reason} (tables of text are '
      f'named {" or ".join(tables.SUFFIXES)})'
    ) from None


def _of_rows(
  rows: Rows,
  corpus: corpus_lib.Corpus,
  members: Mapping[str, Sequence[int]] | None = None,
  lenient: bool = False,
) -> Predictions:
  kind = headers.kind(rows.table.column_names)
  clip = rows.clips(corpus)
  view = rows.modalities('view', corpus)
  fold = rows.whole('fold', least=0, absent=0)
  own, given = _shown(rows, corpus, clip, view)
  if corpus.split is not None:
    _refuse_seen(rows, corpus, clip, fold)
  member = _members(rows, kind is Kind.SAMPLES)
  keys = _Keys(clip, view, own, given, member, fold)
  probabilities = _said(rows, corpus, lenient)
  inspected = {'gate': {}, 'attention': {}, 'layer': {}}
  for name in rows.table.column_names:
    what, _, modality = name.partition('_')
    if what in ('gate', 'attention'):
      inspected[what][modality] = rows.numbers(name, optional=True)
    elif what == 'logit':
      rows.numbers(name)
  for modality, names in headers.layers(rows.table.column_names).items():
    inspected['layer'][modality] = np.stack(
      [rows.numbers(name, optional=True) for name in names], axis=1
    )
  rows.raise_faults()
  _refuse_duplicates(rows, keys)
  found = _dense(corpus, keys, probabilities, inspected, members)
  if kind is Kind.PROBABILITIES and not lenient:
    found = dataclasses.replace(found, asked={})
  return dataclasses.replace(found, kind=kind)


def _said(rows: Rows, corpus: corpus_lib.Corpus, lenient: bool) -> np.ndarray:
  """Probabilities of what the rows say: (rows, C), NaN without an answer."""
  said = headers.said_in(rows.table.column_names)
  if said == 'score':
    return rows.scores(corpus.values, declared.limits(corpus.info), lenient)
  if said != 'label':
    return rows.probabilities(corpus.classes, lenient)
  limits = None if corpus.values is None else declared.limits(corpus.info)
  return rows.labels(corpus.classes, lenient, limits)


def _members(rows: Rows, sampled: bool) -> np.ndarray:
  """The seed of each row, or the number of its seed and sample: (rows,)."""
  seeds = rows.whole('seed', absent=0)
  if not sampled:
    return seeds
  samples = rows.whole('sample', least=0)
  rows.fault(
    np.flatnonzero(samples >= predictions_lib.MOST_SAMPLES),
    'sample',
    lambda row: (
      f'{samples[row]} is not less than {predictions_lib.MOST_SAMPLES:,}'
    ),
  )
  rows.fault(
    np.flatnonzero(np.abs(seeds) >= _MOST_SEEDS),
    'seed',
    lambda row: f'{seeds[row]} is too large beside samples',
  )
  return predictions_lib.member(seeds, samples)


@dataclasses.dataclass(frozen=True)
class _Keys:
  """What each row is about: (rows,) int64; modalities are bits of a mask."""

  clip: np.ndarray
  view: np.ndarray
  own: np.ndarray  # What view and clip have in common.
  given: np.ndarray
  seed: np.ndarray
  fold: np.ndarray


def _present(corpus: corpus_lib.Corpus) -> np.ndarray:
  """The modalities that each clip has: (N,) int64 masks."""
  present = np.zeros(len(corpus.ids), np.int64)
  for bit, modality in enumerate(corpus.modalities):
    has = corpus.presence.get(modality, np.ones(len(present), np.bool_))
    present[has] |= 1 << bit
  return present


def _shown(
  rows: Rows, corpus: corpus_lib.Corpus, clip: np.ndarray, view: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """What view and clip have in common, and what was shown: (rows,) masks."""
  present = np.where(clip >= 0, _present(corpus)[clip], -1)
  own = view & present
  # Other people's models may see what the corpus holds no features of.
  own = np.where(own > 0, own, view)
  if 'given' not in rows.table.column_names:
    return own, own
  given = rows.modalities('given', corpus, optional=True)
  rows.fault(
    np.flatnonzero((given & ~view != 0) & (view > 0)),
    'given',
    lambda row: (
      f'{masks.name(given[row], corpus)!r} is more than the view '
      f'{masks.name(view[row], corpus)!r}'
    ),
  )
  rows.fault(
    np.flatnonzero((given & ~view == 0) & (given & ~present != 0)),
    'given',
    lambda row: (
      f'{masks.name(given[row], corpus)!r} was shown, but the clip has no '
      f'features of {masks.name(given[row] & ~present[row], corpus)!r}'
    ),
  )
  return own, np.where(given > 0, given, own)


def _refuse_seen(
  rows: Rows, corpus: corpus_lib.Corpus, clip: np.ndarray, fold: np.ndarray
) -> None:
  """Notes rows of clips that the split does not hold out."""
  rows.fault(
    np.flatnonzero((clip >= 0) & (corpus.split[clip] != 'test')),
    'id',
    lambda row: (
      f'{str(corpus.ids[clip[row]])!r} is a '
      f'{corpus.split[clip[row]]} clip; only test clips are held out'
    ),
  )
  rows.fault(
    np.flatnonzero(fold > 0),
    'fold',
    lambda row: f'{fold[row]} is not 0, but the corpus has a split',
  )


def _refuse_duplicates(rows: Rows, keys: _Keys) -> None:
  """Raises if two rows are the same clip, view, given and seed."""
  columns = (keys.clip, keys.view, keys.given, keys.seed)
  order = np.lexsort(columns)
  same = np.ones(max(len(order) - 1, 0), bool)
  for column in columns:
    same &= column[order][1:] == column[order][:-1]
  # The sort is stable: within equals, the first row comes first.
  first_of = {}
  first = 0
  for position in np.flatnonzero(same):
    if position == 0 or not same[position - 1]:
      first = order[position]
    first_of[int(order[position + 1])] = first
  names, hint = rows.table.column_names, ''
  judges = [name for name in names if headers.bare(name) in headers.JUDGES]
  judges = [name for name in judges if rows.num_values(name) > 1]
  if judges:
    hint = f'; column {judges[0]!r} names several: judge each by itself, a '
    hint += 'table each'
  elif headers.kind(names) is Kind.LABELS:
    hint = "; number several answers of a model in a column 'sample'"
  elif 'seed' not in names:
    hint = "; there is no column 'seed'"
  rows.fault(
    sorted(first_of),
    'id',
    lambda row: (
      f'the same id, view, given and seed as {rows.place(first_of[row])}{hint}'
    ),
  )
  rows.raise_faults()


def _dense(
  corpus: corpus_lib.Corpus,
  keys: _Keys,
  probabilities: np.ndarray,
  inspected: Mapping[str, Mapping[str, np.ndarray]],
  members: Mapping[str, Sequence[int]] | None,
) -> Predictions:
  """Lays the rows out by view, seed and clip; `members` None are theirs."""
  found = Predictions((), {}, {}, {}, {}, {}, {}, len(keys.clip))
  views = np.unique(keys.view).tolist()
  if members is not None:
    views = [masks.of(view, corpus) for view in members]
  for mask in masks.in_order(views):
    view = masks.name(mask, corpus)
    rows = np.flatnonzero(keys.view == mask)
    seeds = np.unique(keys.seed[rows] if members is None else members[view])
    member = np.searchsorted(seeds, keys.seed[rows])
    place = {'member': member, 'clip': keys.clip[rows]}
    shape = (len(seeds), len(corpus.ids))

    def laid(values, fill, chosen, rows=rows, place=place, shape=shape):
      array = np.full(shape + values.shape[1:], fill, values.dtype)
      array[place['member'][chosen], place['clip'][chosen]] = values[
        rows[chosen]
      ]
      return array

    given, own = keys.given[rows], keys.own[rows]
    for shown in np.unique(given).tolist():
      found.subsets[view, masks.name(shown, corpus)] = laid(
        probabilities, np.nan, given == shown
      )
    is_own = given == own
    if members is None and not is_own.any():
      continue
    found.seeds[view] = seeds
    found.asked[view] = laid(keys.clip >= 0, False, is_own)
    is_own = is_own & ~np.isnan(probabilities[rows, 0])
    found.probabilities[view] = laid(probabilities, np.nan, is_own)
    found.folds[view] = laid(keys.fold.astype(np.int32), -1, is_own)
    found.gates[view] = {
      name: laid(values, np.nan, is_own)
      for name, values in inspected['gate'].items()
    }
    found.attention[view] = {
      name: laid(values, np.nan, is_own)
      for name, values in inspected['attention'].items()
    }
    if inspected['layer']:
      found.layers[view] = {
        name: laid(values, np.nan, is_own)
        for name, values in inspected['layer'].items()
      }
  return dataclasses.replace(found, views=tuple(found.seeds))
