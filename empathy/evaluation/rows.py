"""The values of a table of predictions, converted, and what is wrong with them.

Tables are read as people have them, and what was changed is said: modalities of
a view in another order or case, white space around names, seeds and folds with
a word before the number (`s1`), percentages, decimal commas.
"""

import difflib
import functools
import pathlib
import re
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import spelling, tables
from empathy.evaluation import headers, masks

# Sums of probabilities may be off by this much; they are renormalised.
_TOLERANCE = 1e-3
# Rows, or values, that a message names, of those wrong in the same way.
_MAX_ROWS = 3
# How alike two names are of which one is probably the other, misspelt.
_NEAR = 0.75
# Where as many rows have a negative number, these are no probabilities.
_MANY = 0.25
_HALF_WAY = 1e-12


class Rows:
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
    line = f'{path}{":" if is_csv(self.path) else ": row "}'
    line += f'{self._number(first)}: column {column!r}: {message(first)}'
    if len(rows) > 1:
      line += f' ({self._counted(rows)})'
    self._faults.append((first, line))

  def num_values(self, column: str) -> int:
    """How many values a column has."""
    return len(pc.unique(self._decoded(column)))

  def place(self, row: int) -> str:
    """Where a row is, as messages name it."""
    if self._place:
      path, number = self._place(row)
      return f'row {number} of {path}'
    return f'{"line" if is_csv(self.path) else "row"} {self._number(row)}'

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
        key = headers.key(name)
        cleaned[key] = -1 if key in cleaned else row
      for row in unknown:
        clip[row] = cleaned.get(headers.key(ids[row].as_py()), -1)
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
    """Modalities joined by +, as a mask; 0 if faulty or, if optional, empty.

    Where there is one modality, it is that without a column, too.
    """
    if column not in self.table.column_names:
      return np.full(self.table.num_rows, 1, np.int64)
    texts = self._texts(column).dictionary_encode()
    names = texts.dictionary.to_pylist()
    found = [masks.canonical(name, corpus.modalities) for name in names]
    other = [
      (a, b) for a, b in zip(names, found, strict=True) if b not in (None, a)
    ]
    if other:
      shown = ', '.join(f'{a!r} as {b!r}' for a, b in other[:_MAX_ROWS])
      more = ', ...' if len(other) > _MAX_ROWS else ''
      self.notes.append(f'column {column!r}: took {shown}{more}')
    each = [0 if name is None else masks.of(name, corpus) for name in found]
    code = texts.indices.to_numpy()
    mask = np.array(each, np.int64)[code]
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

  def numbers(
    self, column: str, optional: bool = False, lenient: bool = False
  ) -> np.ndarray:
    """Numbers: (rows,) float64, NaN where there is none.

    Args:
      column: its name.
      optional: whether there may be none, or a word for that.
      lenient: whether any other words count as none.
    """
    values = self._decoded(column)
    wrong = np.zeros(len(values), bool)
    try:
      numbers = pc.cast(values, pa.float64())
      numbers = pc.fill_null(numbers, np.nan).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
      numbers = np.full(len(values), np.nan)
      commas = 0
      texts = [str(value or '') for value in values.to_pylist()]
      unclear = tables.unclear_numbers(texts)
      self.fault(unclear, column, lambda row: tables.unclear_number(texts[row]))
      for row, value in enumerate(values.to_pylist()):
        try:
          if isinstance(value, str):
            commas += ',' in value
            value = value.replace(',', '.').strip().removesuffix('%')
          numbers[row] = float(value if value is not None else 'nan')
        except (TypeError, ValueError):
          wrong[row] = not (optional and spelling.is_missing(str(value)))
      if commas:
        self.notes.append(f'column {column!r}: took commas as decimal points')
      words = np.flatnonzero(wrong)

      def says(row: int) -> str:
        return f'{_shown_value(values[row].as_py())} is not a number'

      if lenient:
        self._tell(words, column, says, 'took these as no answer')
      else:
        self.fault(words, column, says)
        numbers[words] = -np.inf
    if not optional:
      self.fault(
        np.flatnonzero(np.isnan(numbers)),
        column,
        lambda row: 'is no number (NaN or empty)',
      )
    return numbers

  def labels(
    self,
    classes: Sequence[str],
    lenient: bool = False,
    limits: tuple[float, float] | None = None,
  ) -> np.ndarray:
    """All of the probability for the class that is said.

    Args:
      classes: C names, which may be spelt otherwise.
      lenient: whether what is no class counts as no answer.
      limits: of the values of classes, if they have any; a number between them
        that is no class is a score.

    Returns:
      (rows, C) float64, NaN where there is no answer: where the cell is empty,
      or has a word for that.
    """
    texts = self._texts('label').dictionary_encode()
    names, code = texts.dictionary.to_pylist(), texts.indices.to_numpy()
    spelt = {spelling.key(name): i for i, name in enumerate(classes)}
    spelt |= {name: i for i, name in enumerate(classes)}
    place = [spelt.get(n, spelt.get(spelling.key(n), -1)) for n in names]
    self._tell_spelt(names, [classes[i] if i >= 0 else None for i in place])
    place = np.array(place, np.int64)[code] if names else np.zeros(0, np.int64)
    missing = np.array([spelling.is_missing(name) for name in names], bool)
    unknown = np.flatnonzero((place < 0) & ~missing[code]) if names else []
    others = list(dict.fromkeys(names[code[row]] for row in unknown))
    says = f'{_no_classes(others)} of the corpus'
    numbers = [spelling.number(name) for name in others]
    near = [(name, _near(name, classes)) for name in others]
    near = [(name, meant) for name, meant in near if meant]
    hint = ', '.join(
      f'{name!r} is {meant!r}' for name, meant in near[:_MAX_ROWS]
    )
    hint = f'; perhaps {hint}' if near else ''
    if limits and any(
      one is not None and limits[0] <= one <= limits[1] for one in numbers
    ):
      says += "; call the column of numbers on the scale 'score'"
      self.fault(unknown, 'label', lambda row: says)
    elif lenient:
      self._tell(
        unknown, 'label', lambda row: says + hint, 'took these as no answer'
      )
    else:
      says += f', {", ".join(classes)}{hint}'
      if len(near) < len(others):
        says += (
          '; leave the cell empty where there is no answer, or take it so: '
          '--lenient'
        )
      self.fault(unknown, 'label', lambda row: says)
    return np.where(place[:, None] >= 0, np.eye(len(classes))[place], np.nan)

  def scores(
    self,
    values: np.ndarray,
    limits: tuple[float, float],
    lenient: bool = False,
  ) -> np.ndarray:
    """A score as the mean of the two values that it lies between.

    Args:
      values: (C,) rising, of the classes.
      limits: of the scale, which may lie beyond them; there, one of both has
        more than all, and the other less than nothing.
      lenient: whether what is no number counts as no answer.

    Returns:
      (rows, C) float64 whose means of the values are the scores, and whose
      largest is the nearest value, half-way the upper one; NaN where there is
      no answer.
    """
    scores = self.numbers('score', optional=True, lenient=lenient)
    low, high = limits
    outside = np.flatnonzero((scores < low) | (scores > high))
    self.fault(
      outside[~np.isneginf(scores[outside])],
      'score',
      lambda row: (
        f'{scores[row]:g} is outside of the scale, {low:g} to {high:g}'
      ),
    )
    known = np.isfinite(scores)
    scores = np.where(known, scores, low)
    place = np.clip(
      np.searchsorted(values, scores, side='right') - 1, 0, len(values) - 2
    )
    upper = (scores - values[place]) / (values[place + 1] - values[place])
    # Half-way, rounding must not decide.
    upper = np.where(np.abs(upper - 0.5) < _HALF_WAY, 0.5 + _HALF_WAY, upper)
    found = np.zeros((len(scores), len(values)))
    row = np.arange(len(scores))
    found[row, place], found[row, place + 1] = 1 - upper, upper
    return np.where(known[:, None], found, np.nan)

  def probabilities(
    self, classes: Sequence[str], lenient: bool = False
  ) -> np.ndarray:
    """Probabilities of every class, renormalised: (rows, C) float64.

    Args:
      classes: C names.
      lenient: whether they may have any sum, and columns of other classes
        be there; a row that says nothing of the classes is no answer, NaN.
    """
    columns = [f'prob_{name}' for name in classes]
    values = np.stack(
      [self.numbers(column, optional=lenient) for column in columns], axis=1
    )
    silent = np.zeros(len(values), bool)
    if lenient:
      # A cell without a number is nothing, and so is a row of such cells.
      values = np.where(np.isnan(values), 0.0, values)
      silent = (values == 0).all(axis=1)
    # What was no number at all is told already and marked -inf or NaN.
    told = np.isneginf(values) | np.isnan(values)
    negative = (values < 0) & ~told
    if self._logits(values, negative, columns):
      return np.full(values.shape, np.nan)
    fine = ((values >= 0) & ~told).all(axis=1)
    if fine.any() and 99 < np.median(values[fine].sum(axis=1)) < 101:
      self.notes.append('took the probabilities as percentages')
      values[fine] /= 100
    values = np.where(
      fine[:, None] & ~silent[:, None], values, 1 / len(classes)
    )
    total = values.sum(axis=1)
    self._tell_sums(total, lenient)
    if lenient:
      self._tell_others(classes)
      self._tell(
        np.flatnonzero(silent),
        'prob_*',
        lambda row: 'no class has any probability',
        'took these as no answer',
      )
    with np.errstate(invalid='ignore', divide='ignore'):
      values = values / total[:, None]
    return np.where(silent[:, None], np.nan, values)

  def _logits(
    self, values: np.ndarray, negative: np.ndarray, columns: Sequence[str]
  ) -> bool:
    """Faults what is negative; whether it is so much that all are logits."""
    rows = np.flatnonzero(negative.any(axis=1))
    if len(rows) >= max(_MAX_ROWS, _MANY * len(values)):
      row, place = np.argwhere(negative)[0]
      self.fault(
        rows,
        columns[place],
        lambda _: (
          f'{values[row, place]:g} and the like look like scores or logits, '
          'not probabilities; expected their softmax'
        ),
      )
      return True
    for number, column in enumerate(columns):
      self.fault(
        np.flatnonzero(negative[:, number]),
        column,
        lambda row, n=number: f'{values[row, n]:g} is not a probability',
      )
    return False

  def _tell_sums(self, total: np.ndarray, lenient: bool) -> None:
    """Tells of rows whose probabilities do not sum to 1."""
    off = np.flatnonzero(~(np.abs(total - 1) <= _TOLERANCE))

    def says(row: int) -> str:
      return f'the probabilities sum to {total[row]:.6g}'

    if lenient:
      self._tell(off, 'prob_*', says, 'divided these by their sum')
      return
    self.fault(
      off,
      'prob_*',
      lambda row: (
        f'{says(row)}; expected 1 within {_TOLERANCE:g}; --lenient divides by '
        'the sum'
      ),
    )

  def _tell_spelt(
    self, names: Sequence[str], meant: Sequence[str | None]
  ) -> None:
    """Notes which names of classes are spelt otherwise."""
    other = [
      (name, one)
      for name, one in zip(names, meant, strict=True)
      if one is not None and one != name
    ]
    if other:
      shown = ', '.join(f'{a!r} as {b!r}' for a, b in other[:_MAX_ROWS])
      more = ', ...' if len(other) > _MAX_ROWS else ''
      self.notes.append(f"column 'label': took {shown}{more}")

  def _tell_others(self, classes: Sequence[str]) -> None:
    """Notes what columns of classes that the corpus lacks had."""
    for name in self.table.column_names:
      if name.startswith('prob_') and name[5:] not in classes:
        values = self.numbers(name, optional=True)
        self._tell(
          np.flatnonzero(values > 0),
          name,
          lambda row, n=name: f'{n[5:]!r} is no class of the corpus',
          'left it out',
        )

  def _tell(
    self,
    rows: Sequence[int],
    column: str,
    message: Callable[[int], str],
    done: str,
  ) -> None:
    """Notes what was done about values that are wrong in one way."""
    if len(rows):
      self.notes.append(
        f'column {column!r}: {message(int(rows[0]))} '
        f'({self._counted(rows)}): {done}'
      )

  def _counted(self, rows: Sequence[int]) -> str:
    """How many they are, and the first of them."""
    shown = ', '.join(str(self._number(int(i))) for i in rows[:_MAX_ROWS])
    more = ', ...' if len(rows) > _MAX_ROWS else ''
    what = ('line' if is_csv(self.path) else 'row') + 's' * (len(rows) > 1)
    times = spelling.counted(len(rows), 'time')
    return f'{times}: {what} {shown}{more}'

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
    return self._lines[row] if is_csv(self.path) else row + 1

  @functools.cached_property
  def _lines(self) -> list[int]:
    return tables.read_csv(self.path, ())[1]


def is_csv(path: pathlib.Path) -> bool:
  """Whether a file is a table of text."""
  return path.suffix.lower() in tables.SUFFIXES


def _number_in(name: str) -> str | None:
  """The number that a spreadsheet would make of an id; None if it is none."""
  found = re.fullmatch(r'0*(\d+)(?:\.0*)?', name.strip(), re.ASCII)
  return found and found[1]


def _no_classes(names: Sequence[str]) -> str:
  """Says that names are no classes."""
  shown = ', '.join(map(repr, names[:_MAX_ROWS]))
  if len(names) < 2:
    return f'{shown} is no class'
  more = len(names) - _MAX_ROWS
  return f'{shown}{f" and {more} more" if more > 0 else ""} are no classes'


def _near(name: str, classes: Sequence[str]) -> str | None:
  """The class that a name is probably meant for."""
  by_key = {spelling.key(one): one for one in classes}
  found = difflib.get_close_matches(spelling.key(name), by_key, 1, _NEAR)
  return by_key[found[0]] if found else None


def _shown_value(value: object) -> str:
  return 'the empty cell' if value in (None, '') else repr(value)
