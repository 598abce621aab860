"""The predictions table: a row for each clip and trained member.

Columns: `id, view, prob_<class>...`; `seed` and `fold`, without which there is
one seed, and nothing says which clips were held out together; optionally
`given` (the modalities that were really shown), `logit_<class>`,
`gate_<modality>` and `attention_<modality>`; others are ignored. Parquet or
CSV. Nothing here asks who made the table.

Tables are read as people have them, and what was changed is said: modalities of
a view in another order or case, white space around names, seeds and folds with
a word before the number (`s1`), percentages, decimal commas.
"""

import csv
import dataclasses
import functools
import logging
import pathlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import spelling, tables

# Sums of probabilities may be off by this much; they are renormalised.
TOLERANCE = 1e-3
# Whose `not_graded` speaks of, where seeds are averaged.
MEAN = ' of the seeds’ mean'
# Confidence that takes so many values or fewer is none.
_HANDFUL = 5
# What is equal but for rounding is equal.
_DECIMALS = 12
# Rows that a message names, of those that are wrong in the same way.
_MAX_ROWS = 3
# What people call the column of the class that was predicted.
_LABELS = (
  'label',
  'predicted',
  'predicted_label',
  'prediction',
  'pred',
  'class',
)
_LOGGER = logging.getLogger('empathy')


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
    folds: by view, (S, N) int32, the fold that a clip was held out in, 0 where
      the table does not say; -1 where there is no row.
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
  return enough_confidences(num_confidences(probabilities), there)


def enough_confidences(number: int, there: int) -> bool:
  """As `graded`, of so many values on so many clips."""
  return number > _HANDFUL or 4 * number > there


def not_graded(probabilities: np.ndarray, whose: str = '') -> str:
  """The reason, in a sentence, to skip what rests on confidence.

  Args:
    probabilities: (..., C), NaN where there is no row.
    whose: they are, if not those of every seed: `MEAN`, which takes more
      values than they do.
  """
  return few_confidences(num_confidences(probabilities), whose)


def few_confidences(number: int, whose: str = '') -> str:
  """The sentence of `not_graded`, of so many values of confidence."""
  values = f'{number} values' if number > 1 else 'one value'
  return (
    f'The top probability{whose} takes {values} only, so that there is no '
    'confidence to speak of.'
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


def canonical_view(name: str, modalities: Sequence[str]) -> str | None:
  """The name of a view, whatever the order and case of its modalities.

  Args:
    name: modalities joined by +.
    modalities: the corpus'.

  Returns:
    The name; None if a modality is there twice, or is none of the corpus'.
  """
  known = {modality.casefold(): modality for modality in modalities}
  parts = [known.get(part.strip().casefold()) for part in name.split('+')]
  if None in parts or len(set(parts)) < len(parts):
    return None
  return corpus_lib.view_name(parts)


def read(path: str | pathlib.Path, corpus: corpus_lib.Corpus) -> Predictions:
  """Reads and checks a predictions table against its corpus.

  A clip has the modalities that `presence` of the corpus says; every clip has
  one that is not there.

  Args:
    path: a `.csv` or `.tsv` file, or a Parquet file of any other name.
    corpus: the corpus that the ids, classes and modalities belong to.

  Returns:
    The predictions.

  Raises:
    InputError: something is missing or wrong. Every kind of fault has a line,
      with the file, the first row (the data row counted from 1 in Parquet, the
      line in CSV), the column, and how many rows have it.
  """
  path = pathlib.Path(path)
  rows = _Rows(path, _read_table(path, corpus))
  found = _of_rows(rows, corpus)
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
) -> Predictions:
  """The same for rows of one file or several, of all clips of `corpus`.

  Args:
    table: the rows, with the columns that `check_columns` wants.
    corpus: the clips that they are of.
    place: says of each row the file and the row there, counted from 1.
    members: the seeds of each view, whether or not they have any rows.

  Raises:
    InputError: as for `read`.
  """
  return _of_rows(_Rows(pathlib.Path(), table, place), corpus, members)


def members(table: pa.Table, corpus: corpus_lib.Corpus) -> set[tuple[str, int]]:
  """The view and seed of rows, those that are right."""
  rows = _Rows(pathlib.Path(), table, lambda row: ('', row))
  mask = rows.modalities('view', corpus)
  seeds = rows.whole('seed', absent=0)
  right = np.isin(np.arange(len(mask)), rows.wrong, invert=True)
  pairs = zip(mask[right].tolist(), seeds[right].tolist(), strict=True)
  return {(_name(view, corpus), seed) for view, seed in pairs}


def by_view(
  pairs: Iterable[tuple[str, int]], corpus: corpus_lib.Corpus
) -> dict[str, tuple[int, ...]]:
  """The seeds of each view, narrow ones first, of pairs of view and seed."""
  seeds: dict[int, list[int]] = {}
  for view, seed in sorted(pairs):
    seeds.setdefault(_mask(view, corpus), []).append(seed)
  return {_name(mask, corpus): tuple(seeds[mask]) for mask in _in_order(seeds)}


def _of_rows(
  rows: '_Rows',
  corpus: corpus_lib.Corpus,
  members: Mapping[str, Sequence[int]] | None = None,
) -> Predictions:
  clip = rows.clips(corpus)
  view = rows.modalities('view', corpus)
  fold = rows.whole('fold', least=0, absent=0)
  own, given = _shown(rows, corpus, clip, view)
  if corpus.split is not None:
    _refuse_seen(rows, corpus, clip, fold)
  keys = _Keys(clip, view, own, given, rows.whole('seed', absent=0), fold)
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
  return _dense(corpus, keys, probabilities, inspected, members)


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

  Attributes:
    path: of the file.
    table: as it was read.
    notes: what was taken for something else than is written.
    wrong: rows with a fault.
  """

  def __init__(
    self,
    path: pathlib.Path,
    table: pa.Table,
    place: Callable[[int], tuple[str, int]] | None = None,
  ):
    """Takes the rows of a file, or of those that `place` says."""
    self.path, self.table, self._place = path, table, place
    self.notes: list[str] = []
    self.wrong: list[int] = []
    self._faults: list[tuple[int, str]] = []

  def fault(
    self,
    rows: Sequence[int],
    column: str,
    message: Callable[[int], str],
  ) -> None:
    """Notes that values are wrong, in one way.

    Args:
      rows: counted from 0; none is fine.
      column: that they are in.
      message: says what is wrong with the first of them.
    """
    if not len(rows):
      return
    self.wrong += [int(row) for row in rows]
    first = int(rows[0])
    path = self._place(first)[0] if self._place else self.path
    line = f'{path}{":" if _is_csv(self.path) else ": row "}'
    line += f'{self._number(first)}: column {column!r}: {message(first)}'
    if len(rows) > 1:
      shown = ', '.join(str(self._number(int(i))) for i in rows[:_MAX_ROWS])
      more = ', ...' if len(rows) > _MAX_ROWS else ''
      what = 'lines' if _is_csv(self.path) else 'rows'
      line += f' ({len(rows):,} times: {what} {shown}{more})'
    self._faults.append((first, line))

  def place(self, row: int) -> str:
    """Where a row is, as messages name it."""
    if self._place:
      path, number = self._place(row)
      return f'row {number} of {path}'
    return f'{"line" if _is_csv(self.path) else "row"} {self._number(row)}'

  def raise_faults(self) -> None:
    """Raises an `InputError` that tells all faults, if there are any."""
    errors.raise_faults([line for _, line in sorted(self._faults)])

  def clips(self, corpus: corpus_lib.Corpus) -> np.ndarray:
    """The row in the corpus of each id."""
    ids = self._texts('id')
    names = corpus.ids.tolist()
    clip = pc.index_in(ids, value_set=pa.array(names, pa.string()))
    clip = pc.fill_null(clip, -1).to_numpy().astype(np.int64)
    unknown = np.flatnonzero(clip < 0)
    if len(unknown):
      cleaned: dict[str, int] = {}
      for row, name in enumerate(names):  # -1: it could be one of several.
        cleaned[_key(name)] = -1 if _key(name) in cleaned else row
      for row in unknown:
        clip[row] = cleaned.get(_key(ids[row].as_py()), -1)
      found = unknown[clip[unknown] >= 0]
      if len(found):
        self.notes.append(
          f"column 'id': took {ids[found[0]].as_py()!r} as "
          f'{names[clip[found[0]]]!r}, and the like '
          f'({spelling.counted(len(found), "row")})'
        )
      unknown = np.flatnonzero(clip < 0)

    def says(row: int) -> str:
      name = ids[row].as_py()
      by_value = {_number_in(other): other for other in names}
      by_value.pop(None, None)
      meant = by_value.get(_number_in(name))
      hint = ''
      if meant is not None:
        hint = (
          f', which has {meant!r}: were ids read as numbers? Read them as text '
          '(dtype=str)'
        )
      return f'{name!r} is not a clip of the corpus{hint}'

    self.fault(unknown, 'id', says)
    return clip

  def modalities(
    self, column: str, corpus: corpus_lib.Corpus, optional: bool = False
  ) -> np.ndarray:
    """Modalities joined by +, as a mask; 0 if faulty or, if optional, empty."""
    texts = self._texts(column).dictionary_encode()
    names = texts.dictionary.to_pylist()
    found = [canonical_view(name, corpus.modalities) for name in names]
    other = [
      (a, b) for a, b in zip(names, found, strict=True) if b not in (None, a)
    ]
    if other:
      shown = ', '.join(f'{a!r} as {b!r}' for a, b in other[:_MAX_ROWS])
      more = ', ...' if len(other) > _MAX_ROWS else ''
      self.notes.append(f'column {column!r}: took {shown}{more}')
    masks = [0 if name is None else _mask(name, corpus) for name in found]
    code = texts.indices.to_numpy()
    mask = np.array(masks, np.int64)[code]
    wrong = mask == 0
    if optional:
      wrong &= np.array([name.strip() != '' for name in names])[code]
    self.fault(
      np.flatnonzero(wrong),
      column,
      lambda row: (
        f'{names[code[row]]!r} is not modalities of the corpus, '
        f'{", ".join(corpus.modalities)}, joined by +'
      ),
    )
    return mask

  def whole(
    self, column: str, least: int | None = None, absent: int | None = None
  ) -> np.ndarray:
    """Whole numbers, perhaps all with the same word before: (rows,) int64.

    Args:
      column: its name.
      least: the smallest that is allowed.
      absent: what they are where there is no such column.
    """
    if absent is not None and column not in self.table.column_names:
      return np.full(self.table.num_rows, absent, np.int64)
    values = self._decoded(column)
    told = np.zeros(len(values), bool)
    try:
      if values.null_count:
        raise pa.ArrowInvalid
      numbers = pc.cast(values, pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      values = self._without_word(column, values.to_pylist())
      numbers = np.full(len(values), -1)
      for row, value in enumerate(values):
        try:
          number = value
          if isinstance(value, str):
            number = float(value) if '.' in value else int(value)
          if number != int(number) or not -(2**63) <= number < 2**63:
            raise ValueError
          numbers[row] = int(number)
        except (OverflowError, TypeError, ValueError):
          told[row] = True
      self.fault(
        np.flatnonzero(told),
        column,
        lambda row: f'{_shown_value(values[row])} is not a whole number',
      )
    if least is not None:
      self.fault(
        np.flatnonzero((numbers < least) & ~told),
        column,
        lambda row: f'{numbers[row]} is less than {least}',
      )
    return numbers

  def _without_word(self, column: str, values: list) -> list:
    """`1` for `s1`, where all values are of this kind."""
    found = [
      re.fullmatch(r'\s*([^\W\d][^\d]*?)[ _-]*(\d+)\s*', value, re.ASCII)
      if isinstance(value, str)
      else None
      for value in values
    ]
    if None in found or len({match[1] for match in found}) > 1:
      return values
    self.notes.append(
      f'column {column!r}: took {values[0]!r} and the like as '
      f'{int(found[0][2])}'
    )
    return [match[2] for match in found]

  def numbers(self, column: str, optional: bool = False) -> np.ndarray:
    """Numbers: (rows,) float64; if `optional`, NaN where there is none."""
    values = self._decoded(column)
    wrong = np.zeros(len(values), bool)
    try:
      numbers = pc.cast(values, pa.float64())
      numbers = pc.fill_null(numbers, np.nan).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      numbers = np.full(len(values), np.nan)
      commas = 0
      for row, value in enumerate(values.to_pylist()):
        try:
          if isinstance(value, str):
            commas += ',' in value
            value = value.replace(',', '.').strip().removesuffix('%')
          numbers[row] = float(value if value is not None else 'nan')
        except (TypeError, ValueError):
          wrong[row] = not (optional and value == '')
      if commas:
        self.notes.append(f'column {column!r}: took commas as decimal points')
      self.fault(
        np.flatnonzero(wrong),
        column,
        lambda row: f'{_shown_value(values[row].as_py())} is not a number',
      )
      numbers[wrong] = -np.inf
    if not optional:
      self.fault(
        np.flatnonzero(np.isnan(numbers)),
        column,
        lambda row: 'is no number (NaN or empty)',
      )
    return numbers

  def probabilities(self, classes: Sequence[str]) -> np.ndarray:
    """Probabilities of every class, renormalised: (rows, C) float64."""
    columns = [f'prob_{name}' for name in classes]
    values = np.stack([self.numbers(column) for column in columns], axis=1)
    # What was no number at all is told already and marked -inf or NaN.
    told = np.isneginf(values) | np.isnan(values)
    for number, column in enumerate(columns):
      self.fault(
        np.flatnonzero((values[:, number] < 0) & ~told[:, number]),
        column,
        lambda row, n=number: f'{values[row, n]:g} is not a probability',
      )
    fine = ((values >= 0) & ~told).all(axis=1)
    if fine.any() and 99 < np.median(values[fine].sum(axis=1)) < 101:
      self.notes.append('took the probabilities as percentages')
      values[fine] /= 100
    values = np.where(fine[:, None], values, 1 / len(classes))
    total = values.sum(axis=1)
    self.fault(
      np.flatnonzero(~(np.abs(total - 1) <= TOLERANCE)),
      'prob_*',
      lambda row: (
        f'the probabilities sum to {total[row]:.6g}; expected 1 '
        f'within {TOLERANCE:g}'
      ),
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
    if self._place:
      return self._place(row)[1]
    return self._lines[row] if _is_csv(self.path) else row + 1

  @functools.cached_property
  def _lines(self) -> list[int]:
    return tables.read_csv(self.path, ())[1]


def _is_csv(path: pathlib.Path) -> bool:
  return path.suffix.lower() in tables.SUFFIXES


def _key(name: str) -> str:
  """Equal for what differs in case, Unicode form or white space around it."""
  return unicodedata.normalize('NFC', name).strip().casefold()


def _number_in(name: str) -> str | None:
  """The number that a spreadsheet would make of an id; None if it is none."""
  found = re.fullmatch(r'0*(\d+)(?:\.0*)?', name.strip(), re.ASCII)
  return found and found[1]


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
  table = table.rename_columns(renamed(table.column_names, corpus))
  check_columns(path, table.column_names, corpus)
  if not table.num_rows:
    raise errors.InputError(f'{path}: has no rows')
  return table


def required_columns(classes: Sequence[str]) -> list[str]:
  """The columns that a table has to have."""
  return ['id', 'view', *(f'prob_{name}' for name in classes)]


def check_columns(
  path: pathlib.Path,
  names: Sequence[str],
  corpus: corpus_lib.Corpus,
) -> None:
  """Raises an `InputError` unless there are the right columns."""
  missing = [
    name for name in required_columns(corpus.classes) if name not in names
  ]
  faults = []
  if missing:
    several = len(missing) > 1
    faults.append(
      f'{path}: column{"s" if several else ""} '
      f'{", ".join(map(repr, missing))} {"are" if several else "is"} missing'
      f'{_hint(missing, names, corpus)}'
    )
  faults += [
    f'{path}: column {name!r} is there twice'
    for name in sorted(set(names) - {''})  # As of rows that pandas numbers.
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
  errors.raise_faults(faults)


def _hint(
  missing: Sequence[str], names: Sequence[str], corpus: corpus_lib.Corpus
) -> str:
  """How probabilities are written, where they are not there."""
  if not any(name.startswith('prob_') for name in missing):
    return ''
  bare = [name for name in corpus.classes if name in names]
  if bare:
    return f'; is it {bare[0]!r}? Write prob_ before the name of each class'
  if any(name.startswith('logit_') for name in names):
    return '; they are the softmax of the logits'
  labels = [name for name in names if name.casefold() in _LABELS]
  if labels:
    return (
      f'; if {labels[0]!r} is the class that was predicted, write 1 in its '
      'column and 0 in the others, as does '
      f'pandas.get_dummies(table[{labels[0]!r}], prefix="prob", dtype=float)'
    )
  return ''


def known_columns(corpus: corpus_lib.Corpus) -> list[str]:
  """The columns that a study may use."""
  return [
    *required_columns(corpus.classes),
    *('seed', 'fold', 'given'),
    *(
      f'{kind}_{name}'
      for kind in ('gate', 'attention')
      for name in corpus.modalities
    ),
  ]


def renamed(names: Sequence[str], corpus: corpus_lib.Corpus) -> list[str]:
  """What columns are meant whose names differ in case or white space only."""
  known = known_columns(corpus)
  known += [f'logit_{name}' for name in corpus.classes]
  spelt = {_key(name): name for name in known}
  names = list(names)
  for i, name in enumerate(names):
    meant = spelt.get(_key(name), name)
    if meant not in names:
      names[i] = meant
  return names


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
    if table.num_rows:
      _refuse_header(path, table)
      return table
  except (UnicodeDecodeError, csv.Error, pa.ArrowException):
    pass
  # What Arrow stumbles on, the plain reader names with its line, or reads.
  columns, _ = tables.read_csv(path, () if header else required)
  return pa.table(
    {name: pa.array(values, pa.string()) for name, values in columns.items()}
  )


def _refuse_header(path: pathlib.Path, table: pa.Table) -> None:
  """Raises if rows are the header once more, as where files were joined."""
  # By place, since a name may be there twice.
  columns = list(zip(table.column_names, table.columns, strict=True))
  name, first = columns[0]
  same = pc.fill_null(pc.equal(first, name), False)
  row = pc.index(same, True).as_py()
  if row >= 0 and all(column[row].as_py() == name for name, column in columns):
    line = tables.read_csv(path, ())[1][row]
    raise errors.InputError(
      f'{path}:{line}: the header once more; remove it '
      f'({spelling.counted(pc.sum(same).as_py(), "time")})'
    )


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


def _mask(name: str, corpus: corpus_lib.Corpus) -> int:
  return sum(1 << corpus.modalities.index(part) for part in name.split('+'))


def _name(mask: int, corpus: corpus_lib.Corpus) -> str:
  return '+'.join(
    modality
    for bit, modality in enumerate(corpus.modalities)
    if mask >> bit & 1
  )


def _in_order(masks: Iterable[int]) -> list[int]:
  """Views, narrow ones first."""
  return sorted(masks, key=lambda mask: (mask.bit_count(), mask & -mask, mask))


def _present(corpus: corpus_lib.Corpus) -> np.ndarray:
  """The modalities that each clip has: (N,) int64 masks."""
  present = np.zeros(len(corpus.ids), np.int64)
  for bit, modality in enumerate(corpus.modalities):
    has = corpus.presence.get(modality, np.ones(len(present), np.bool_))
    present[has] |= 1 << bit
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
  rows.fault(
    np.flatnonzero((given & ~view != 0) & (view > 0)),
    'given',
    lambda row: (
      f'{_name(given[row], corpus)!r} is more than the view '
      f'{_name(view[row], corpus)!r}'
    ),
  )
  rows.fault(
    np.flatnonzero((given & ~view == 0) & (given & ~present != 0)),
    'given',
    lambda row: (
      f'{_name(given[row], corpus)!r} was shown, but the clip has no '
      f'features of {_name(given[row] & ~present[row], corpus)!r}'
    ),
  )
  return own, np.where(given > 0, given, own)


def _refuse_seen(
  rows: _Rows, corpus: corpus_lib.Corpus, clip: np.ndarray, fold: np.ndarray
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


def _refuse_duplicates(rows: _Rows, keys: _Keys) -> None:
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
  hint = ''
  if 'seed' not in rows.table.column_names:
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
  masks = np.unique(keys.view).tolist()
  if members is not None:
    masks = [_mask(view, corpus) for view in members]
  for mask in _in_order(masks):
    view = _name(mask, corpus)
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
      found.subsets[view, _name(shown, corpus)] = laid(
        probabilities, np.nan, given == shown
      )
    is_own = given == own
    if members is None and not is_own.any():
      continue
    found.seeds[view] = seeds
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
  return dataclasses.replace(found, views=tuple(found.seeds))
