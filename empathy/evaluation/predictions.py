"""The predictions table: a row for each clip and trained member.

Columns: `id, view, seed, fold, prob_<class>...`, optionally `given` (the
modalities that were really shown), `logit_<class>`, `gate_<modality>` and
`attention_<modality>`; others are ignored. Parquet or CSV. Nothing here asks
who made the table.
"""

import csv
import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from empathy import errors
from empathy.corpora import corpus as corpus_lib

# Sums of probabilities may be off by this much; they are renormalised.
TOLERANCE = 1e-3
# Confidence that takes so many values or fewer is none.
_HANDFUL = 5
# What is equal but for rounding is equal.
_DECIMALS = 12


@dataclasses.dataclass(frozen=True)
class Predictions:
  """Predictions of all members; N clips in the corpus' order, C classes.

  A member predicts a clip with what the view and the clip have in common. That
  row is in `probabilities`; every row is in `subsets`, by what was shown.

  Attributes:
    views: the views that have predictions of their own, narrow ones first.
    seeds: by view, (S,) int64, ascending.
    probabilities: by view, (S, N, C) float64, NaN where there is no row; they
      sum to 1.
    subsets: by view and what was shown, likewise.
    folds: by view, (S, N) int32, the fold that a clip was held out in; -1 where
      there is no row.
    gates: by view and modality, (S, N) float64; only those in the table.
    attention: likewise.
    num_rows: rows of the table.
  """

  views: tuple[str, ...]
  seeds: Mapping[str, np.ndarray]
  probabilities: Mapping[str, np.ndarray]
  subsets: Mapping[tuple[str, str], np.ndarray]
  folds: Mapping[str, np.ndarray]
  gates: Mapping[str, Mapping[str, np.ndarray]]
  attention: Mapping[str, Mapping[str, np.ndarray]]
  num_rows: int


def mean_over_seeds(probabilities: np.ndarray) -> np.ndarray:
  """The mean over the seeds that predict a clip.

  Args:
    probabilities: (S, N, C), NaN where a seed has no row.

  Returns:
    (N, C), NaN where no seed has a row.
  """
  there = ~np.isnan(probabilities[..., 0])
  count = there.sum(axis=0)
  total = np.where(there[..., None], probabilities, 0).sum(axis=0)
  return np.where(
    count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan
  )


def predicted_class(probabilities: np.ndarray) -> np.ndarray:
  """The likeliest class, the first of equals; -1 where there is no row.

  Args:
    probabilities: (..., C).

  Returns:
    (...) int64.
  """
  there = ~np.isnan(probabilities[..., 0])
  return np.where(there, np.argmax(probabilities, axis=-1), -1)


def num_confidences(probabilities: np.ndarray) -> int:
  """How many values the top probability takes, but for rounding.

  Args:
    probabilities: (..., C), NaN where there is no row.
  """
  top = probabilities.max(axis=-1)
  return len(np.unique(np.round(top[~np.isnan(top)], _DECIMALS)))


def graded(probabilities: np.ndarray) -> bool:
  """Whether the top probability is a confidence, and not a mere label.

  Labels written as 0 and 1, or by a handful of numbers, have no confidence that
  could be judged, ranked by or held equal. A handful is few beside the clips.

  Args:
    probabilities: (..., C), NaN where there is no row.
  """
  there = int((~np.isnan(probabilities[..., 0])).sum())
  number = num_confidences(probabilities)
  return number > _HANDFUL or 4 * number > there


def not_graded(probabilities: np.ndarray) -> str:
  """The reason, in a sentence, to skip what rests on confidence."""
  number = num_confidences(probabilities)
  values = f'{number} values' if number > 1 else 'one value'
  return (
    f'The top probability takes {values} only, so that there is no confidence '
    'to speak of.'
  )


def common(predictions: Predictions, views: Sequence[str]) -> np.ndarray:
  """The clips that every seed of all of `views` predicts: (N,) bool."""
  there = [
    ~np.isnan(predictions.probabilities[view][..., 0]).any(axis=0)
    for view in views
  ]
  return np.all(there, axis=0)


def judged(
  corpus: corpus_lib.Corpus, predictions: Predictions | None
) -> np.ndarray:
  """The clips that some member predicts; all if there are none: (N,) bool."""
  there = np.zeros(len(corpus.ids), bool)
  if predictions is not None:
    for folds in predictions.folds.values():
      there |= (folds >= 0).any(axis=0)
  return there if there.any() else ~there


def read(path: str | pathlib.Path, corpus: corpus_lib.Corpus) -> Predictions:
  """Reads and checks a predictions table against its corpus.

  Where the corpus was read with features, they tell which modalities a clip
  has; otherwise every clip is taken to have them all.

  Args:
    path: a `.csv` file, or a Parquet file of any other name.
    corpus: the corpus that the ids, classes and modalities belong to.

  Returns:
    The predictions.

  Raises:
    InputError: something is missing or wrong. All faults are named, each with
      the file, its row (the data row counted from 1 in Parquet, the line in
      CSV) and column.
  """
  path = pathlib.Path(path)
  return _of_rows(_Rows(path, _read_table(path, corpus)), corpus)


def of_batch(
  path: pathlib.Path, table: pa.Table, corpus: corpus_lib.Corpus, first: int
) -> Predictions:
  """The same for some rows of a Parquet file, of all clips of `corpus`.

  Args:
    path: the file, for messages.
    table: the rows, with the columns that `check_columns` wants.
    corpus: the clips that they are of.
    first: how many rows of the file come before them.

  Raises:
    InputError: as for `read`.
  """
  return _of_rows(_Rows(path, table, first), corpus)


def _of_rows(rows: '_Rows', corpus: corpus_lib.Corpus) -> Predictions:
  clip = rows.clips(corpus)
  view = rows.modalities('view', corpus)
  fold = rows.whole('fold', least=0)
  own, given = _shown(rows, corpus, clip, view)
  if corpus.split is not None:
    _refuse_seen(rows, corpus, clip, fold)
  keys = _Keys(clip, view, own, given, rows.whole('seed'), fold)
  probabilities = rows.probabilities(corpus.classes)
  inspected = {'gate': {}, 'attention': {}}
  for name in rows.table.column_names:
    kind, _, modality = name.partition('_')
    if kind in inspected:
      inspected[kind][modality] = rows.numbers(name, optional=True)
    elif kind == 'logit':
      rows.numbers(name)
  rows.raise_faults()
  _refuse_duplicates(rows, keys)
  return _dense(
    corpus, keys, probabilities, inspected['gate'], inspected['attention']
  )


@dataclasses.dataclass(frozen=True)
class _Keys:
  """What each row is about: (rows,) int64; modalities are bits of a mask."""

  clip: np.ndarray
  view: np.ndarray
  own: np.ndarray  # What view and clip have in common.
  given: np.ndarray
  seed: np.ndarray
  fold: np.ndarray


class _Rows:
  """A table's columns, converted and checked, with a list of faults.

  A faulty value becomes -1 or NaN, so that the other checks can go on.
  """

  def __init__(self, path: pathlib.Path, table: pa.Table, first: int = 0):
    self.path, self.table, self._first = path, table, first
    self._faults: list[tuple[int, str, str]] = []

  def fault(self, row: int, column: str, message: str) -> None:
    """Notes that the value in `row`, counted from 0, is wrong."""
    self._faults.append((int(row), column, message))

  def place(self, row: int) -> str:
    """Where a row is, as messages name it."""
    return f'{"line" if _is_csv(self.path) else "row"} {self._number(row)}'

  def raise_faults(self) -> None:
    """Raises an `InputError` that tells all faults, if there are any."""
    errors.raise_faults(
      [
        f'{self.path}{":" if _is_csv(self.path) else ": row "}'
        f'{self._number(row)}: column {column!r}: {message}'
        for row, column, message in sorted(self._faults)
      ]
    )

  def clips(self, corpus: corpus_lib.Corpus) -> np.ndarray:
    """The row in the corpus of each id."""
    ids = self._texts('id')
    clip = pc.index_in(ids, value_set=pa.array(corpus.ids.tolist()))
    clip = pc.fill_null(clip, -1).to_numpy().astype(np.int64)
    for row in np.flatnonzero(clip < 0):
      self.fault(row, 'id', f'{ids[row].as_py()!r} is not a clip of the corpus')
    return clip

  def modalities(
    self, column: str, corpus: corpus_lib.Corpus, optional: bool = False
  ) -> np.ndarray:
    """Modalities joined by +, as a mask; 0 if faulty or, if optional, empty."""
    texts = self._texts(column).dictionary_encode()
    masks = []
    for name in texts.dictionary.to_pylist():
      known = [part in corpus.modalities for part in name.split('+')]
      wellformed = all(known) and name == corpus_lib.view_name(
        set(name.split('+'))
      )
      masks.append(_mask(name, corpus) if wellformed else 0)
    code = texts.indices.to_numpy()
    mask = np.array(masks, np.int64)[code]
    for row in np.flatnonzero(mask == 0):
      name = texts.dictionary[code[row]].as_py()
      if not (optional and name == ''):
        self.fault(
          row,
          column,
          f'{name!r} is not modalities of the corpus joined by + in the order '
          + ', '.join(corpus.modalities),
        )
    return mask

  def whole(self, column: str, least: int | None = None) -> np.ndarray:
    """Whole numbers: (rows,) int64."""
    values = self._decoded(column)
    told = np.zeros(len(values), bool)
    try:
      if values.null_count:
        raise pa.ArrowInvalid
      numbers = pc.cast(values, pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      numbers = np.full(len(values), -1)
      for row, value in enumerate(values.to_pylist()):
        try:
          number = value
          if isinstance(value, str):
            number = float(value) if '.' in value else int(value)
          if number != int(number) or not -(2**63) <= number < 2**63:
            raise ValueError
          numbers[row] = int(number)
        except (OverflowError, TypeError, ValueError):
          told[row] = True
          message = f'{_shown_value(value)} is not a whole number'
          self.fault(row, column, message)
    if least is not None:
      for row in np.flatnonzero((numbers < least) & ~told):
        self.fault(row, column, f'{numbers[row]} is less than {least}')
    return numbers

  def numbers(self, column: str, optional: bool = False) -> np.ndarray:
    """Numbers: (rows,) float64; if `optional`, NaN where there is none."""
    values = self._decoded(column)
    try:
      numbers = pc.cast(values, pa.float64())
      numbers = pc.fill_null(numbers, np.nan).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      numbers = np.full(len(values), np.nan)
      for row, value in enumerate(values.to_pylist()):
        try:
          numbers[row] = float(value if value is not None else 'nan')
        except (TypeError, ValueError):
          if not (optional and value == ''):
            self.fault(row, column, f'{_shown_value(value)} is not a number')
            numbers[row] = -np.inf
    if not optional:
      for row in np.flatnonzero(np.isnan(numbers)):
        self.fault(row, column, 'is no number (NaN or empty)')
    return numbers

  def probabilities(self, classes: Sequence[str]) -> np.ndarray:
    """Probabilities of every class, renormalised: (rows, C) float64."""
    columns = [f'prob_{name}' for name in classes]
    values = np.stack([self.numbers(column) for column in columns], axis=1)
    # What was no number at all is told already and marked -inf or NaN.
    told = np.isneginf(values) | np.isnan(values)
    for row, column in np.argwhere((values < 0) & ~told):
      self.fault(
        row, columns[column], f'{values[row, column]:g} is not a probability'
      )
    fine = ((values >= 0) & ~told).all(axis=1)
    values = np.where(fine[:, None], values, 1 / len(classes))
    total = values.sum(axis=1)
    for row in np.flatnonzero(~(np.abs(total - 1) <= TOLERANCE)):
      self.fault(
        row,
        'prob_*',
        f'the probabilities sum to {total[row]:.6g}; expected 1 within '
        f'{TOLERANCE:g}',
      )
    with np.errstate(invalid='ignore', divide='ignore'):
      return values / total[:, None]

  def _decoded(self, column: str) -> pa.Array:
    values = self.table[column].combine_chunks()
    if isinstance(values, pa.ChunkedArray):
      values = pa.concat_arrays(values.chunks)
    if pa.types.is_dictionary(values.type):
      values = values.dictionary_decode()
    return values

  def _texts(self, column: str) -> pa.Array:
    try:
      texts = pc.cast(self._decoded(column), pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      raise errors.InputError(
        f'{self.path}: column {column!r}: expected texts, got '
        f'{self.table[column].type}'
      ) from None
    return pc.fill_null(texts, '')

  def _number(self, row: int) -> int:
    if _is_csv(self.path):
      return self._lines[row]
    return self._first + row + 1

  @functools.cached_property
  def _lines(self) -> list[int]:
    return corpus_lib.read_csv(self.path, ())[1]


def _is_csv(path: pathlib.Path) -> bool:
  return path.suffix.lower() == '.csv'


def _shown_value(value: object) -> str:
  return 'the empty cell' if value in (None, '') else repr(value)


def _read_table(path: pathlib.Path, corpus: corpus_lib.Corpus) -> pa.Table:
  """Reads the file and checks which columns there are."""
  if not path.is_file():
    raise errors.InputError(f'{path}: no such file')
  if _is_csv(path):
    table = _read_csv(path, required_columns(corpus.classes))
  else:
    table = _read_parquet(path)
  check_columns(path, table.column_names, corpus, table.num_rows)
  return table


def required_columns(classes: Sequence[str]) -> list[str]:
  """The columns that a table has to have."""
  return ['id', 'view', 'seed', 'fold', *(f'prob_{name}' for name in classes)]


def check_columns(
  path: pathlib.Path,
  names: Sequence[str],
  corpus: corpus_lib.Corpus,
  num_rows: int,
) -> None:
  """Raises an `InputError` unless there are rows and the right columns."""
  faults = [
    f'{path}: column {name!r} is missing'
    for name in required_columns(corpus.classes)
    if name not in names
  ]
  faults += [
    f'{path}: column {name!r} is there twice'
    for name in sorted(set(names))
    if names.count(name) > 1
  ]
  for name in names:
    for prefix, kind, known in (
      ('prob_', 'class', corpus.classes),
      ('logit_', 'class', corpus.classes),
      ('gate_', 'modality', corpus.modalities),
      ('attention_', 'modality', corpus.modalities),
    ):
      rest = name.removeprefix(prefix)
      if rest != name and rest not in known:
        faults.append(
          f'{path}: column {name!r}: {rest!r} is no {kind} of the corpus; '
          f'expected one of {", ".join(known)}'
        )
  if not num_rows and not faults:
    faults.append(f'{path}: has no rows')
  errors.raise_faults(faults)


def _read_csv(path: pathlib.Path, required: Sequence[str]) -> pa.Table:
  """All columns as texts; `required` are only told if there are none."""
  header = []
  try:
    with open(path, encoding='utf-8-sig', newline='') as file:
      header = next(csv.reader(file), [])
    table = pa_csv.read_csv(
      path,
      convert_options=pa_csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string())
      ),
    )
    if table.num_rows:
      return table
  except (UnicodeDecodeError, csv.Error, pa.ArrowException):
    pass
  # What Arrow stumbles on, the plain reader names with its line, or reads.
  columns, _ = corpus_lib.read_csv(path, () if header else required)
  return pa.table(
    {name: pa.array(values, pa.string()) for name, values in columns.items()}
  )


def _read_parquet(path: pathlib.Path) -> pa.Table:
  try:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
      return file.read()
  except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    raise errors.InputError(
      f'{path}: is not a whole Parquet file: {reason}'
    ) from None


def _mask(name: str, corpus: corpus_lib.Corpus) -> int:
  return sum(1 << corpus.modalities.index(part) for part in name.split('+'))


def _name(mask: int, corpus: corpus_lib.Corpus) -> str:
  return '+'.join(
    modality
    for bit, modality in enumerate(corpus.modalities)
    if mask >> bit & 1
  )


def _present(corpus: corpus_lib.Corpus) -> np.ndarray:
  """The modalities that each clip has: (N,) int64 masks."""
  present = np.zeros(len(corpus.ids), np.int64)
  for bit, modality in enumerate(corpus.modalities):
    if modality in corpus.features:
      present[corpus.features[modality].clip] |= 1 << bit
    else:
      present |= 1 << bit
  return present


def _shown(
  rows: _Rows, corpus: corpus_lib.Corpus, clip: np.ndarray, view: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """What view and clip have in common, and what was shown: (rows,) masks."""
  present = np.where(clip >= 0, _present(corpus)[clip], -1)
  own = view & present
  # Other people's models may see what the corpus holds no features of.
  own = np.where(own > 0, own, view)
  if 'given' not in rows.table.column_names:
    return own, own
  given = rows.modalities('given', corpus, optional=True)
  for row in np.flatnonzero((given & ~view != 0) & (view > 0)):
    rows.fault(
      row,
      'given',
      f'{_name(given[row], corpus)!r} is more than the view '
      f'{_name(view[row], corpus)!r}',
    )
  for row in np.flatnonzero((given & ~view == 0) & (given & ~present != 0)):
    rows.fault(
      row,
      'given',
      f'{_name(given[row], corpus)!r} was shown, but the clip has no features '
      f'of {_name(given[row] & ~present[row], corpus)!r}',
    )
  return own, np.where(given > 0, given, own)


def _refuse_seen(
  rows: _Rows, corpus: corpus_lib.Corpus, clip: np.ndarray, fold: np.ndarray
) -> None:
  """Notes rows of clips that the split does not hold out."""
  for row in np.flatnonzero((clip >= 0) & (corpus.split[clip] != 'test')):
    rows.fault(
      row,
      'id',
      f'{str(corpus.ids[clip[row]])!r} is a {corpus.split[clip[row]]} clip; '
      'only test clips are held out',
    )
  for row in np.flatnonzero(fold > 0):
    rows.fault(row, 'fold', f'{fold[row]} is not 0, but the corpus has a split')


def _refuse_duplicates(rows: _Rows, keys: _Keys) -> None:
  """Raises if two rows are the same clip, view, given and seed."""
  columns = (keys.clip, keys.view, keys.given, keys.seed)
  order = np.lexsort(columns)
  same = np.ones(len(order) - 1, bool)
  for column in columns:
    same &= column[order][1:] == column[order][:-1]
  # The sort is stable: within equals, the first row comes first.
  first = 0
  for position in np.flatnonzero(same):
    if position == 0 or not same[position - 1]:
      first = order[position]
    rows.fault(
      order[position + 1],
      'id',
      f'the same id, view, given and seed as {rows.place(first)}',
    )
  rows.raise_faults()


def _dense(
  corpus: corpus_lib.Corpus,
  keys: _Keys,
  probabilities: np.ndarray,
  gates: Mapping[str, np.ndarray],
  attention: Mapping[str, np.ndarray],
) -> Predictions:
  """Lays the rows out by view, seed and clip."""
  found = Predictions((), {}, {}, {}, {}, {}, {}, len(keys.clip))
  masks = sorted(
    np.unique(keys.view).tolist(),
    key=lambda mask: (mask.bit_count(), mask & -mask, mask),
  )
  for mask in masks:
    view = _name(mask, corpus)
    rows = np.flatnonzero(keys.view == mask)
    seeds, member = np.unique(keys.seed[rows], return_inverse=True)
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
      found.subsets[view, _name(shown, corpus)] = laid(
        probabilities, np.nan, given == shown
      )
    is_own = given == own
    if not is_own.any():
      continue
    found.seeds[view] = seeds
    found.probabilities[view] = laid(probabilities, np.nan, is_own)
    found.folds[view] = laid(keys.fold.astype(np.int32), -1, is_own)
    found.gates[view] = {
      name: laid(values, np.nan, is_own) for name, values in gates.items()
    }
    found.attention[view] = {
      name: laid(values, np.nan, is_own) for name, values in attention.items()
    }
  return dataclasses.replace(found, views=tuple(found.seeds))
