"""CSV files, read as people have them and written as everything reads them.

Read are UTF-8, with its mark UTF-16, and what Windows saves in western
countries (cp1252); commas, semicolons, tabs or bars between columns; columns
whose names differ from what is expected only in case or white space; rows that
spreadsheets leave empty, and columns without a name, empty ones or the row
numbers of pandas; the header once more, where files were put together; decimal
commas. What was guessed and what was left out is said; what could be read in
two ways is refused.
"""

import codecs
import copy
import csv
import io
import itertools
import logging
import math
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from empathy import errors
from empathy.corpora import spelling

SUFFIXES = ('.csv', '.tsv')
_MARKS = (
  (codecs.BOM_UTF8, 'utf-8'),
  (codecs.BOM_UTF32_LE, 'utf-32'),
  (codecs.BOM_UTF32_BE, 'utf-32'),
  (codecs.BOM_UTF16_LE, 'utf-16'),
  (codecs.BOM_UTF16_BE, 'utf-16'),
)
_DELIMITERS = {',': 'commas', ';': 'semicolons', '\t': 'tabs', '|': 'bars'}
_SPREADSHEETS = (b'PK\x03\x04', b'\xd0\xcf\x11\xe0')
# What is no western text, as far as one can see: in it accents stand alone or
# in pairs, and signs such as ³ not before letters.
_NOT_WESTERN = re.compile(
  r'[^\x00-\x7f\xa0–—…]{4}|[^\x00-\xa0«»‚ƒ„…†‡‰‹‘’“”•–—˜™›€]{3}'
  r'|[\xa2-\xa8\xac\xaf\xb2\xb3\xb6\xb8\xb9\xbc-\xbe][^\W\d_]'
)
_MAX_COUNT = 2**31 - 1
_MAX_NAMES = 8
# Of a file, of which the encoding and the header are found out.
_START = 1 << 20
_BLOCK = 1 << 23
# Rows that have to be as wide as the header.
_FEW = 5
_TIME = re.compile(
  r'(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d*)?|[.,]\d+)'
  r'\s*(s|sec|secs|second|seconds|ms)?',
  re.ASCII | re.IGNORECASE,
)
_DECIMAL = re.compile(
  r'[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?', re.ASCII | re.IGNORECASE
)
# May be a number of thousands, or one with three decimals.
_THOUSANDS = re.compile(r'[+-]?[1-9]\d{0,2}[.,]\d{3}', re.ASCII)
# A first line that spreadsheets write and read.
_SEPARATOR = re.compile(r'sep=(.)$')
# What may have happened to a row.
_COMMAS = (
  ': commas between columns and in numbers? Save the table with semicolons '
  'between columns'
)
_LOGGER = logging.getLogger('empathy')

# Transcripts of a whole talk are longer than the module's own limit.
csv.field_size_limit(2**31 - 1)


class Read(NamedTuple):
  """What was read.

  Attributes:
    columns: by name, each of as many texts as there are rows.
    lines: the line on which each row ends (rows may hold line breaks), from 1.
    notes: what was guessed and left out, one line each, with the file.
  """

  columns: dict[str, list[str]]
  lines: list[int]
  notes: list[str]


class Dialect(NamedTuple):
  """How a table is written, as far as its start tells.

  Attributes:
    encoding: a name that Python knows.
    delimiter: what is between columns.
    skipped: lines before the header.
    header: the names of the columns, known ones as they are known.
    notes: what was guessed, one line each, with the file.
  """

  encoding: str
  delimiter: str
  skipped: int
  header: list[str]
  notes: list[str]


def dialect(path: pathlib.Path, known: Sequence[str] = ()) -> Dialect:
  """What is to be known before a table is read in parts.

  Args:
    path: the file, which is gone through once but not held.
    known: columns whose names may be in another case.

  Raises:
    InputError: it is no text, or its first row no CSV.
  """
  encoding, guess = _encoding(path)
  with open(path, encoding=encoding, newline='') as file:
    start = file.read(_START)
  if len(start) == _START:  # Its last row may be cut.
    start = start[: start.rfind('\n') + 1] or start
  delimiter = _delimiter(start, known)
  first = start.lstrip('\r\n').split('\n')[0].rstrip('\r')
  skipped = int(bool(_SEPARATOR.match(first)))
  reader = csv.reader(io.StringIO(start, newline=''), delimiter=delimiter)
  try:
    rows = [row for row, _ in zip(filter(None, reader), range(2), strict=False)]
  except csv.Error as error:
    raise errors.InputError(f'{path}: is not CSV: {error}') from None
  header = rows[skipped] if len(rows) > skipped else []
  return Dialect(
    encoding,
    delimiter,
    skipped,
    _names(header, known),
    _guessed(path, delimiter, guess),
  )


def read_csv(
  path: pathlib.Path, required: Sequence[str], known: Sequence[str] = ()
) -> Read:
  """Reads a CSV file as columns of text.

  Args:
    path: the file, with a header.
    required: the columns that must be there, whatever the case of their names.
    known: other columns whose names may be in another case.

  Returns:
    The columns that have a name; rows that are empty, or the header once more,
    are left out.

  Raises:
    InputError: the file is missing, is no text, lacks a column, names a column
      twice, or has a row of another width than the header.
  """
  content, encoding = text(path)
  delimiter = _delimiter(content, (*required, *known))
  notes = _guessed(path, delimiter, encoding)
  header, rows, lines = _split(path, content, delimiter)
  if not header:
    raise errors.InputError(
      f'{path}: is empty; expected '
      + (f'the columns {", ".join(required)}' if required else 'a table')
    )
  names = _names(header, (*required, *known))
  faults = errors.Faults()
  # A table of somebody's may have one that is known to be without.
  nameless = [
    i for i, name in enumerate(names) if not name and name not in required
  ]
  kept = [i for i in range(len(names)) if i not in nameless]
  filled = [i for i in nameless if any(row[i].strip() for row in rows)]
  names = [names[i] for i in kept]
  missing = [column for column in required if column not in names]
  if missing:
    found = ', '.join(map(repr, names[:_MAX_NAMES]))
    more = ', ...' if len(names) > _MAX_NAMES else ''
    more += ', and a column without a name' if filled else ''
    several = len(missing) > 1
    faults.add(
      f'{path}: column{"s" if several else ""} '
      f'{", ".join(map(repr, missing))} {"are" if several else "is"} missing; '
      f'found {found}{more}'
    )
  for column in sorted(set(names)):
    if names.count(column) > 1:
      faults.add(f'{path}: column {column!r} is there twice')
  if not rows and not faults:
    faults.add(f'{path}: has no rows')
  # Not the numbers of rows, which come first.
  after = [i for i in filled if kept and i > kept[-1]]
  if delimiter == ',' and after:
    for row, line in zip(rows, lines, strict=True):
      if all(row[i].isdecimal() or not row[i] for i in after) and any(
        row[i] for i in after
      ):
        faults.add(
          f'{path}:{line}: {row[after[0]]!r} is in a column without a name'
          f'{_COMMAS}',
          line,
          'after',
        )
  faults.raise_all()
  for number, what in (
    (len(nameless) - len(filled), 'empty column'),
    (len(filled), 'column'),
  ):
    if number:
      told = spelling.counted(number, what)
      notes.append(f'{path}: left out: {told} without a name')
  columns = {
    name: [row[i] for row in rows] for i, name in zip(kept, names, strict=True)
  }
  return _whole(path, Read(columns, lines, notes))


def _guessed(path: pathlib.Path, delimiter: str, encoding: str) -> list[str]:
  """What is to be said of a table that is no plain CSV."""
  guessed = []
  if delimiter != (',' if path.suffix.lower() != '.tsv' else '\t'):
    between = _DELIMITERS.get(delimiter, repr(delimiter))
    guessed.append(f'separated by {between}')
  if encoding:
    guessed.append(encoding)
  return [f'{path}: read as {", ".join(guessed)}'] if guessed else []


def _split(
  path: pathlib.Path, text: str, delimiter: str
) -> tuple[list[str], list[list[str]], list[int]]:
  """The header, the rows, all of its width, and the line where each ends."""
  reader = csv.reader(
    io.StringIO(text, newline=''), strict=True, delimiter=delimiter
  )
  header, rows, lines, faults = [], [], [], errors.Faults()
  try:
    for row in reader:
      if not row or (not header and _SEPARATOR.match(delimiter.join(row))):
        continue
      if not header:
        header = row
        continue
      if len(row) > len(header) and not any(row[len(header) :]):
        row = row[: len(header)]
      if len(row) != len(header):
        split = (
          delimiter == ','
          and len(row) > len(header)
          and any(
            a.isdecimal() and b.isdecimal() for a, b in itertools.pairwise(row)
          )
        )
        faults.add(
          f'{path}:{reader.line_num}: {len(row)} fields; the header has '
          f'{len(header)} columns{_COMMAS if split else ""}',
          reader.line_num,
          'width',
        )
        continue
      rows.append(row)
      lines.append(reader.line_num)
  except csv.Error as error:
    faults.add(f'{path}:{reader.line_num}: is not CSV: {error}')
  faults.raise_all()
  return header, rows, lines


def _whole(path: pathlib.Path, read: Read) -> Read:
  """Leaves out rows that are empty or the header once more."""
  names = [name.casefold() for name in read.columns]
  kept, headers, blank = [], [], 0
  own = sorted(names)
  for row, cells in enumerate(zip(*read.columns.values(), strict=True)):
    # Most are told by their first cell.
    first = cells[0].strip().casefold()
    if first in names[1:] and own == sorted(
      spelling.clean(cell).casefold() for cell in cells
    ):
      raise errors.InputError(
        f'{path}:{read.lines[row]}: a header with its columns in another '
        'order; put tables together whose columns are in one order'
      )
    if first not in ('', names[0]):
      kept.append(row)
    elif not any(map(str.strip, cells)):
      blank += 1
    elif [spelling.clean(cell).casefold() for cell in cells] == names:
      headers.append(read.lines[row])
    else:
      kept.append(row)
  if len(kept) == len(read.lines):
    return read
  if headers:
    lines = ', '.join(map(str, headers[:3]))
    lines = f' ({spelling.counted(len(headers), "time")}: lines {lines}'
    lines += ', ...)' if len(headers) > 3 else ')'
    read.notes.append(
      f'{path}:{headers[0]}: left out: the header once more'
      + (lines if len(headers) > 1 else '')
    )
  if blank:
    read.notes.append(
      f'{path}: left out: {spelling.counted(blank, "empty row")}'
    )
  if not kept:
    raise errors.InputError(f'{path}: has no rows')
  columns = {
    name: [values[row] for row in kept] for name, values in read.columns.items()
  }
  return Read(columns, [read.lines[row] for row in kept], read.notes)


def write_csv(path: pathlib.Path, columns: Mapping[str, Iterable[Any]]) -> None:
  """Writes columns of equal length as a CSV file: UTF-8, with a header.

  Raises:
    InputError: a text has a zero byte, with which nobody could read it again.
  """
  columns = {name: list(values) for name, values in columns.items()}
  for name, values in columns.items():
    for row, value in enumerate(values, 1):
      if isinstance(value, str) and '\0' in value:
        raise errors.InputError(
          f'{path.name}: row {row}: column {name!r}: {str(value)!r:.60} has a '
          'zero byte, which no text has'
        )
  with open(path, 'w', encoding='utf-8', newline='') as file:
    # The writer quotes a lone \r only if it ends lines with one.
    writer = csv.writer(_LineFeeds(file), lineterminator='\r\n')
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def found_in(
  folder: pathlib.Path, suffixes: Sequence[str] = SUFFIXES
) -> list[pathlib.Path]:
  """The tables in a folder, but those that file managers and editors leave."""
  return sorted(
    path
    for path in folder.iterdir()
    if path.suffix.lower() in suffixes and path.name[0] not in '.~'
  )


class Table:
  """The columns of a CSV file, with a fault list that names file and place.

  Each method checks one column and returns it converted; what is wrong is
  added to the faults, what was changed to the notes. Call `finish` at the end.
  """

  def __init__(
    self,
    path: pathlib.Path,
    required: Sequence[str],
    known: Sequence[str] = (),
  ):
    """Reads the file; arguments and errors are those of `read_csv`."""
    self.path = path
    self._set(path, *read_csv(path, required, known))

  @classmethod
  def of(
    cls, path: pathlib.Path, columns: dict[str, list[str]], lines: list[int]
  ) -> 'Table':
    """A table that was read from a file of another format."""
    table = cls.__new__(cls)
    table._set(path, columns, lines, [])
    return table

  def _set(
    self,
    path: pathlib.Path,
    columns: dict[str, list[str]],
    lines: list[int],
    notes: list[str],
  ) -> None:
    self.path, self.columns, self.lines = path, columns, lines
    self.faults, self.notes = errors.Faults(), notes
    # By column that was made of others: where each value stood.
    self.origin: dict[str, list[str]] = {}
    # The file of each row, if there are several.
    self.paths: list[pathlib.Path] = []

  def taken(
    self,
    rows: Sequence[int],
    columns: dict[str, list[str]],
    origin: Mapping[str, list[str]],
  ) -> 'Table':
    """Another arrangement of the values, which adds to the same faults.

    Args:
      rows: of this table, one for each new row.
      columns: the new ones.
      origin: by new column that has another name here, that name for each row.
    """
    table = copy.copy(self)
    table.columns, table.origin = columns, dict(origin)
    table.lines = [self.lines[row] for row in rows]
    table.paths = [self.paths[row] for row in rows] if self.paths else []
    return table

  def __len__(self) -> int:
    return len(self.lines)

  def fault(
    self, row: int, column: str, message: str, kind: str | None = None
  ) -> None:
    """Notes that the value in `row` and `column` is wrong.

    Args:
      row: of the table, from 0.
      column: its name.
      message: what was found, and what was expected.
      kind: of faults in the column that are told together; the message if None.
    """
    line = self.lines[row]
    column = self.origin[column][row] if column in self.origin else column
    path = self.paths[row] if self.paths else self.path
    self.faults.add(
      f'{path}:{line}: column {column!r}: {message}',
      line,
      (path, column, message if kind is None else kind),
    )

  def note(self, column: str, message: str) -> None:
    """Notes what was read otherwise than it is written."""
    names = ', '.join(
      map(repr, dict.fromkeys(self.origin.get(column, [column])))
    )
    self.notes.append(f'{self.path}: column {names}: {message}')

  def convert(
    self,
    column: str,
    function: Callable[[str], Any],
    expected: str,
  ) -> list[Any]:
    """Applies `function`; a ValueError or KeyError makes the value a fault."""
    values = []
    for row, text in enumerate(self.columns[column]):
      try:
        values.append(function(text))
      except (ValueError, KeyError):
        self.fault(row, column, f'{text!r} is not {expected}', expected)
        values.append(None)
    return values

  def numbers(self, column: str, needed: bool = False) -> list[float]:
    """A column of numbers, NaN where there is none.

    Args:
      column: its name; commas may be decimal points in it.
      needed: whether what is missing is a fault.
    """
    texts = self.columns[column]
    unclear = unclear_numbers(texts)
    for row in unclear:
      self.fault(row, column, unclear_number(texts[row]), 'unclear')
    commas = sum(',' in text for text in texts) and not unclear
    values = []
    for row, text in enumerate(texts):
      value = math.nan
      if spelling.is_missing(text):
        if needed:
          self.fault(row, column, f'{text!r} is no number', 'missing')
      else:
        try:
          value = number(text)
        except ValueError:
          self.fault(row, column, f'{text!r} is not a number', 'number')
          commas -= commas and ',' in text
      values.append(value)
    if commas:
      self.note(column, 'took commas as decimal points')
    return values

  def things(
    self, column: str, known: Iterable[str] = (), needed: bool = False
  ) -> list[str]:
    """A column of names, one spelling for each thing, '' where missing.

    Args:
      column: its name.
      known: spellings to keep, as for `spelling.unified`.
      needed: whether what is missing is a fault.
    """
    found = spelling.unified(self.columns[column], known)
    missing = {} if needed else found.missing
    for message in spelling.Unified([], found.others, missing).notes():
      self.note(column, message)
    for row, value in enumerate(found.values):
      if needed and not value:
        text = self.columns[column][row]
        says = f'{text!r} is no name' if text.strip() else 'is empty'
        self.fault(row, column, says, 'missing')
    return found.values

  def ids(
    self, column: str, values: Sequence[str], hint: str = ''
  ) -> list[str]:
    """Ids, made of a column, cleaned; none may be empty or there twice."""
    values = [spelling.clean(value) for value in values]
    twice = spelling.twice(values)
    for row, value in enumerate(values):
      if not value:
        self.fault(row, column, 'is empty; expected what names the clip')
      elif row in twice:
        first = twice[row]
        spelt = '' if value == values[first] else f' as {values[first]!r}'
        place = f'{spelt}, on line {self.lines[first]}{hint}'
        self.fault(row, column, f'{value!r} is there already{place}', 'twice')
    return values

  def finish(self) -> None:
    """Raises an `InputError` that tells all faults, or logs the notes."""
    self.faults.raise_all()
    for note in dict.fromkeys(self.notes):
      _LOGGER.warning('%s', note)


def seconds(text: str) -> float | None:
  """A time: `1.5`, `1,5`, `1.5 s`, `500 ms`, `0:01.5` or `00:00:01,500`.

  Returns:
    Seconds; None where there is no time.

  Raises:
    ValueError: it is something else, or below 0.
  """
  if spelling.is_missing(text):
    return None
  cleaned = spelling.clean(text)
  found = _TIME.fullmatch(cleaned)
  if not found:
    # What Python itself writes for small numbers.
    if not re.fullmatch(r'\d(\.\d+)?e-\d+', cleaned, re.ASCII):
      raise ValueError(f'{text!r} is no time')
    return float(cleaned)
  hours, minutes, rest, unit = found.groups()
  value = float(rest.replace(',', '.'))
  if minutes is None:
    return value / 1000 if unit and unit.lower() == 'ms' else value
  if unit or value >= 60 or (hours and int(minutes) >= 60):
    raise ValueError(f'{text!r} is no time')
  return 3600 * int(hours or 0) + 60 * int(minutes) + value


def number(text: str) -> float:
  """A finite number: `1.5`, `1,5`, `-2`, `1e-3`.

  Raises:
    ValueError: it is something else.
  """
  cleaned = spelling.clean(text).replace('−', '-')
  value = math.inf
  if _DECIMAL.fullmatch(cleaned):
    value = float(cleaned.replace(',', '.'))
  if not math.isfinite(value):
    raise ValueError(f'{text!r} is no number')
  return value


def unclear_numbers(texts: Sequence[str]) -> list[int]:
  """The rows of a column where a mark may be a decimal one or thousands'.

  `1,234` is one, but not where another row shows that commas are decimal
  points (`0,5`); `1.234` is one where commas are.
  """
  cells = [spelling.clean(text) for text in texts]
  commas = [cell for cell in cells if ',' in cell]
  if not commas:
    return []
  if all(_THOUSANDS.fullmatch(cell) for cell in commas):
    return [row for row, cell in enumerate(cells) if ',' in cell]
  return [
    row
    for row, cell in enumerate(cells)
    if '.' in cell and _THOUSANDS.fullmatch(cell)
  ]


def unclear_number(text: str) -> str:
  """What is wrong with a number that `unclear_numbers` found."""
  digits = re.sub('[.,]', '', text.strip())
  point = text.strip().replace(',', '.')
  return (
    f'{text!r} may be {point} or {digits}; write numbers with a decimal point, '
    'and nothing between thousands'
  )


def natural(text: str) -> int:
  """A whole number from 0 on; `2.0` and `2,0` are 2, `1,000` is unclear.

  Raises:
    ValueError: it is something else.
  """
  found = re.fullmatch(r'(\d+)(?:[.,](0*))?', text.strip(), re.ASCII)
  if not found or len(found[2] or '') == 3:
    raise ValueError(f'{text!r} is no whole number')
  return int(found[1])


def positive(text: str) -> int:
  """A whole number from 1 on, below 2**31.

  Raises:
    ValueError: it is something else.
  """
  value = natural(text)
  if not 1 <= value <= _MAX_COUNT:
    raise ValueError(f'{value} is no count')
  return value


def text(path: pathlib.Path) -> tuple[str, str]:
  """The text of a file, and what was guessed of its encoding, or ''."""
  try:
    # Not read_text, which would change the line breaks within a field.
    data = path.read_bytes()
  except FileNotFoundError:
    raise errors.InputError(f'{path}: no such file') from None
  if data.startswith(_SPREADSHEETS):
    raise _spreadsheet(path)
  mark, encoding = next(
    ((mark, name) for mark, name in _MARKS if data.startswith(mark)),
    (b'', 'utf-8'),
  )
  guess = ''
  try:
    # Those of several bytes take their order from the mark.
    text = data[len(mark) if encoding == 'utf-8' else 0 :].decode(encoding)
  except UnicodeDecodeError as error:
    if mark or b'\0' in data:
      raise errors.InputError(
        f'{path}: is not {encoding.upper()} text: {error.reason}; save the '
        'file as UTF-8'
      ) from None
    text, guess = _western(path, data, error)
  if '\0' in text:
    raise _zero(path, text[: text.index('\0')].count('\n') + 1)
  return text, guess


def _encoding(path: pathlib.Path) -> tuple[str, str]:
  """The encoding of a file, as `text` tells it, and what was guessed, or ''."""
  decoder, lines = codecs.getincrementaldecoder('utf-8')(), 0
  with open(path, 'rb') as file:
    start = file.read(max(len(mark) for mark, _ in _MARKS))
    if start.startswith(_SPREADSHEETS):
      raise _spreadsheet(path)
    for mark, name in _MARKS:
      if start.startswith(mark):
        return f'{name}-sig' if name == 'utf-8' else name, ''
    file.seek(0)
    while block := file.read(_BLOCK):
      if b'\0' in block:
        lines += block[: block.index(b'\0')].count(b'\n')
        raise _zero(path, lines + 1)
      try:
        decoder.decode(block)
      except UnicodeDecodeError as error:
        return 'cp1252', _western(path, error.object, error, lines)[1]
      lines += block.count(b'\n')
  return 'utf-8', ''


def _spreadsheet(path: pathlib.Path) -> errors.InputError:
  return errors.InputError(
    f"{path}: is a spreadsheet or an archive; save it as 'CSV UTF-8'"
  )


def _zero(path: pathlib.Path, line: int) -> errors.InputError:
  return errors.InputError(
    f'{path}:{line}: a zero byte, as in UTF-16 without its mark; save the '
    'file as UTF-8'
  )


def _western(
  path: pathlib.Path, data: bytes, error: UnicodeDecodeError, before: int = 0
) -> tuple[str, str]:
  """Text in cp1252, and what to say of it, unless it is plainly none."""
  line = before + data.count(b'\n', 0, error.start) + 1
  try:
    text = data.decode('cp1252')
    if _NOT_WESTERN.search(text):
      raise ValueError
  except ValueError:  # UnicodeDecodeError is one.
    raise errors.InputError(
      f'{path}:{line}: byte {data[error.start]:#04x} is not UTF-8 text; save '
      "the file as UTF-8 (in Excel: 'CSV UTF-8')"
    ) from None
  # A byte is a character.
  word = re.search(r'\w*.$', text[: error.start + 1])[0]
  word += re.match(r'\w*', text[error.start + 1 :])[0]
  return text, f'cp1252, where line {line} has {word!r}'


def _delimiter(text: str, known: Sequence[str]) -> str:
  """What is between columns: that with which most of the columns are there."""
  start = text.lstrip('\r\n')
  told = _SEPARATOR.match(start.split('\n')[0].rstrip('\r'))
  if told:
    return told[1]
  wanted = {name.casefold() for name in known}

  def fit(delimiter: str) -> tuple[int, bool, int]:
    reader = csv.reader(io.StringIO(start), delimiter=delimiter, strict=True)
    try:
      header = next(reader, [])
    except csv.Error:
      return (-1, False, 0)
    names = {spelling.clean(name).casefold() for name in header}
    try:
      widths = {len(row) for row in itertools.islice(reader, _FEW) if row}
    except csv.Error:
      widths = {0}
    alike = widths <= {len(header)} and len(header) > 1
    return (len(names & wanted), alike, len(header))

  return max(_DELIMITERS, key=fit)


def _names(header: Sequence[str], known: Sequence[str]) -> list[str]:
  """The names of columns, known ones as they are known."""
  names = [spelling.clean(name) for name in header]
  spelt = {name.casefold(): name for name in reversed(known)}
  return [
    wanted
    if (wanted := spelt.get(name.casefold(), name)) not in names
    else name
    for name in names
  ]


class _LineFeeds:
  """Ends with a line feed the rows that a csv.writer ends with CR LF."""

  def __init__(self, file: TextIO):
    self._file = file

  def write(self, row: str) -> None:
    self._file.write(row.removesuffix('\r\n') + '\n')
