"""Tables of any number of files, whose rows are parted by the clip's id.

A source is a corpus and its predictions, where each of clips, votes and
predictions is one file or many, Parquet or CSV, in any order; of features only
is read which clips have them, and which have the same. It is read in pieces;
the rows of a piece are parted into buckets by a hash of the id, so that all
that belongs to a clip is in one bucket, and a bucket is small enough to be held
in memory. Parts are bytes (Arrow's streams) that go to files of their own on
one machine, and to whoever judges their bucket on many.
"""

import contextlib
import dataclasses
import functools
import glob
import itertools
import logging
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, grouping, summaries, tables
from empathy.evaluation import headers
from empathy.evaluation.predictions import Kind

# Clips of a bucket, more or less.
NUM_CLIPS = 1 << 15
KINDS = ('clips', 'votes', 'predictions', 'features')
# A column of parts that says where a row is from; no table has such a name.
ROW = '//row'
_FILE_BIT = 40
_REQUIRED = {
  'clips': ('id', 'group', 'label'),
  'votes': ('id', 'condition', 'label'),
}
# What of a prediction is no number.
_TEXTS = ('id', 'view', 'given', 'label')
_SUFFIXES = ('.parquet', *tables.SUFFIXES)
# Columns whose names may be in another case.
_KNOWN = tuple(
  dict.fromkeys(
    (*corpus_lib.CLIP_COLUMNS, *corpus_lib.VOTE_COLUMNS, 'score', 'view')
  )
)
_MOST_NAMES = 8
# Rows that are read at once, and those of a piece, which one worker reads.
_NUM_ROWS = 1 << 18
_PIECE_ROWS = 1 << 21
_BLOCK_BYTES = 1 << 23
_SAMPLE_BYTES = 1 << 16
_HASHED_ROWS = 1 << 15

# Goes through buckets, each of which is its rows by kind, see `joined`.
Buckets = Callable[[], Iterator[dict[str, pa.Table]]]


@dataclasses.dataclass(frozen=True)
class Piece:
  """What is read as one.

  Attributes:
    kind: one of `KINDS`.
    file: its place among the source's.
    groups: row groups of a Parquet file; None for all of another file.
    first: how many rows of the file come before them.
  """

  kind: str
  file: int
  groups: tuple[int, ...] | None
  first: int


@dataclasses.dataclass(frozen=True)
class Source:
  """A corpus and its predictions, and how they are read.

  Attributes:
    corpus: the corpus folder.
    info: the content of its `corpus.json`.
    files: of all tables.
    pieces: of all files.
    num_rows: of the predictions, more or less.
    num_buckets: that they are parted into.
    said: the column in which predictions say it, see `headers.said_in`.
    kind: what they say.
    lenient: see `reading.read`.
  """

  corpus: pathlib.Path
  info: Mapping[str, Any]
  files: tuple[str, ...]
  pieces: tuple[Piece, ...]
  num_rows: int
  num_buckets: int
  said: str = 'prob_*'
  kind: Kind = Kind.PROBABILITIES
  lenient: bool = False

  def has(self, kind: str) -> bool:
    """Whether there are tables of a kind."""
    return any(piece.kind == kind for piece in self.pieces)

  def place(self, row: int) -> tuple[str, int]:
    """The file and the row, counted from 1, of a value of `ROW`."""
    file, number = row >> _FILE_BIT, row & ((1 << _FILE_BIT) - 1)
    return self.files[file], number + 1

  @property
  def bare(self) -> corpus_lib.Corpus:
    """The corpus without its clips."""
    empty = np.empty(0, np.str_)
    return corpus_lib.Corpus(self.info, empty, empty, np.empty(0, np.int32))


def find(
  corpus: pathlib.Path,
  predictions: str | os.PathLike | None = None,
  num_clips: int | None = None,
  lenient: bool = False,
  label: str | None = None,
) -> Source:
  """Finds the tables of a study, and looks at their columns.

  Args:
    corpus: a folder with `corpus.json`; `clips.csv` or tables in the folder
      `clips`; and, if there are votes, `votes.csv` or tables in `votes`.
    predictions: a file, a folder of files, or a pattern with *; None for a
      study of the humans alone.
    num_clips: of a bucket; `NUM_CLIPS` if None.
    lenient: see `reading.read`.
    label: of several, see `corpus.read`.

  Raises:
    InputError: something is missing, or a table has the wrong columns.
  """
  info = corpus_lib.read_info(corpus / 'corpus.json', label)
  bare = Source(corpus, info, (), (), 0, 1).bare
  files = {
    'clips': _of_corpus(corpus, 'clips', needed=True),
    'votes': _of_corpus(corpus, 'votes', needed=False),
    'predictions': []
    if predictions is None
    else _files(os.fspath(predictions)),
  }
  names, pieces, rows = [], [], {}
  for kind, paths in files.items():
    groups = _rows_of(kind, paths, bare, lenient)
    for path, own in zip(paths, groups, strict=True):
      pieces += _pieces(path, kind, len(names), own)
      names.append(path)
    rows[kind] = sum(map(sum, groups))
  for modality in bare.modalities:
    path = corpus / 'features' / f'{modality}.npz'
    if path.exists():
      pieces.append(Piece('features', len(names), None, 0))
      names.append(str(path))
  number = rows['clips'] / (NUM_CLIPS if num_clips is None else num_clips)
  return Source(
    corpus,
    info,
    tuple(names),
    tuple(pieces),
    rows['predictions'],
    max(1, round(number)),
    *_said(files['predictions'], bare),
    lenient,
  )


def read(
  source: Source, piece: Piece, columns: Iterable[str] | None = None
) -> Iterator[pa.RecordBatch]:
  """The rows of a piece, a block at a time.

  Args:
    source: that it is of.
    piece: which.
    columns: those to read; None for all that a study may use.

  Yields:
    Columns under the names that tables should have, and `ROW`, int64. All that
    is not a number of a prediction is text, '' where there is nothing.

  Raises:
    InputError: the file is damaged.
  """
  if piece.kind == 'features':
    yield from _features(source, piece)
    return
  path, row = source.files[piece.file], piece.first
  rename = functools.partial(_name_of, piece.kind, source.bare)
  try:
    if _is_csv(path):
      batches = _csv(path)
    else:
      batches = (
        (batch, None) for batch in _parquet(path, piece.groups, rename, columns)
      )
    for batch, said in batches:
      found = {}
      for name, values in zip(
        rename(batch.schema.names), batch.columns, strict=True
      ):
        if name is not None and (columns is None or name in columns):
          text = piece.kind != 'predictions' or name in _TEXTS
          found[name] = _plain(path, name, values, text)
      found[ROW] = _places(piece, row, batch.num_rows)
      row += batch.num_rows
      found = pa.record_batch(found)
      yield found if said is None or said.all() else found.filter(said)
  except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
    raise errors.InputError(
      f'{path}: cannot be read{" as CSV" if _is_csv(path) else ""}: '
      f'{str(error).splitlines()[0]}'
    ) from None


def parted(source: Source, piece: Piece) -> Iterator[tuple[int, bytes]]:
  """The rows of a piece by bucket.

  Yields:
    The bucket and some of its rows, see `joined`.

  Raises:
    InputError: as for `read`.
  """
  kind = bytes([KINDS.index(piece.kind)])
  options = pa.ipc.IpcWriteOptions(compression='lz4')
  for batch in read(source, piece):
    bucket = hashes(batch['id']) % np.uint64(source.num_buckets)
    order = np.argsort(bucket.astype(np.int32), kind='stable')
    batch = batch.take(pa.array(order))
    number = np.bincount(bucket.astype(np.int64))
    starts = np.cumsum(number) - number
    for place in np.flatnonzero(number).tolist():
      sink = pa.BufferOutputStream()
      with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch.slice(starts[place], number[place]))
      yield place, kind + sink.getvalue().to_pybytes()


def joined(parts: Iterable[bytes]) -> dict[str, pa.Table]:
  """The rows of a bucket, by kind; kinds without rows are not there.

  Raises:
    InputError: files have the same column in different types.
  """
  found: dict[str, list[pa.Table]] = {}
  for part in parts:
    with pa.ipc.open_stream(memoryview(part)[1:]) as reader:
      found.setdefault(KINDS[part[0]], []).append(reader.read_all())
  try:
    return {
      kind: pa.concat_tables(
        some, promote_options='permissive'
      ).combine_chunks()
      for kind, some in found.items()
    }
  except pa.ArrowException as error:
    raise errors.InputError(
      'tables of one kind have columns of different types: '
      f'{str(error).splitlines()[0]}'
    ) from None


@contextlib.contextmanager
def buckets(source: Source) -> Iterator[Buckets]:
  """Parts all rows, which are read once.

  Yields:
    A function that goes through the buckets that have rows, by way of files,
    as often as it is called.

  Raises:
    InputError: as for `read` and `joined`.
  """
  with tempfile.TemporaryDirectory() as folder:
    paths = [os.path.join(folder, str(i)) for i in range(source.num_buckets)]
    for piece in source.pieces:
      for number, part in parted(source, piece):
        with open(paths[number], 'ab') as file:
          file.write(len(part).to_bytes(8, 'little') + part)
    there = [path for path in paths if os.path.exists(path)]
    if not there:
      raise errors.InputError(
        f'{source.corpus}: its table of clips has no rows'
      )
    yield lambda: (joined(_parts(path)) for path in there)


def hashes(ids: pa.Array) -> np.ndarray:
  """A number for each id, the same for spellings of one: (n,) uint64.

  It is the sum of bytes times random numbers of their place, modulo 2^64, then
  mixed (Lemire & Kaser 2014, Strongly universal string hashing is fast).
  """
  ids = folded(ids)
  return np.concatenate(
    [np.empty(0, np.uint64)]
    + [
      _hashed(ids.slice(start, _HASHED_ROWS))
      for start in range(0, len(ids), _HASHED_ROWS)
    ]
  )


def folded(ids: pa.Array) -> pa.Array:
  """Without what makes another spelling of the same id."""
  ids = pc.utf8_lower(pc.utf8_trim_whitespace(ids))
  if not pc.all(pc.string_is_ascii(ids)).as_py():
    ids = pc.utf8_normalize(ids, 'NFC')
  return ids


def _hashed(ids: pa.Array) -> np.ndarray:
  _, ends, data = ids.buffers()
  ends = np.frombuffer(ends, np.int32)[ids.offset :][: len(ids) + 1]
  first = int(ends[0])
  lengths, total = np.diff(ends), int(ends[-1]) - first
  place = np.arange(total) - np.repeat(ends[:-1] - first, lengths)
  values = np.zeros(0, np.uint64)
  if total:
    values = np.frombuffer(data, np.uint8)[first:][:total].astype(np.uint64)
  factors = _mixed(np.arange(1, lengths.max(initial=0) + 1, dtype=np.uint64))
  sums = np.zeros(total + 1, np.uint64)
  np.cumsum((values + np.uint64(1)) * factors[place], out=sums[1:])
  return _mixed(sums[ends[1:] - first] - sums[ends[:-1] - first])


def _mixed(values: np.ndarray) -> np.ndarray:
  """Numbers that look random (n,) uint64, as SplitMix64 makes them."""
  values = values * np.uint64(0x9E3779B97F4A7C15)
  values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
  values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
  return values ^ values >> np.uint64(31)


def _parts(path: str) -> Iterator[bytes]:
  with open(path, 'rb') as file:
    while size := file.read(8):
      yield file.read(int.from_bytes(size, 'little'))


def _of_corpus(corpus: pathlib.Path, kind: str, needed: bool) -> list[str]:
  file, folder = corpus / f'{kind}.csv', corpus / kind
  if file.exists() and folder.exists():
    raise errors.InputError(
      f'{corpus}: has {kind}.csv and a folder {kind}; expected one'
    )
  if folder.exists():
    return _files(str(folder))
  if file.exists():
    return [str(file)]
  if needed:
    raise errors.InputError(
      f'{file}: no such file, nor is there a folder {kind}'
    )
  return []


def _files(place: str) -> list[str]:
  """The files of a file, a folder or a pattern."""
  if os.path.isdir(place):
    found = [
      os.path.join(place, name)
      for name in sorted(os.listdir(place))
      if name.endswith(_SUFFIXES) and not name.startswith(('.', '_'))
    ]
    if not found:
      raise errors.InputError(
        f'{place}: holds no table; expected {", ".join(_SUFFIXES)}'
      )
    return found
  if os.path.exists(place):
    return [place]
  found = sorted(glob.glob(place, recursive=True))
  if not found:
    raise errors.InputError(f'{place}: no such file')
  return found


def _is_csv(path: str) -> bool:
  return path.lower().endswith(tables.SUFFIXES)


def _look(path: str) -> tuple[list[str], list[int]]:
  """The columns of a file, and the rows of each of its row groups."""
  try:
    if not _is_csv(path):
      with pq.ParquetFile(path) as file:
        groups = range(file.metadata.num_row_groups)
        rows = [file.metadata.row_group(group).num_rows for group in groups]
        return file.schema_arrow.names, rows
    header = _dialect(path).header
    with open(path, 'rb') as file:
      sample = file.read(_SAMPLE_BYTES)
    lines = len(sample.splitlines()) - 1
    size = os.path.getsize(path)
    return header, [round(max(lines, 0) * size / max(len(sample), 1))]
  except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
    if isinstance(error, FileNotFoundError):
      raise
    kind = 'CSV' if _is_csv(path) else 'a whole Parquet file'
    raise errors.InputError(
      f'{path}: cannot be read as {kind}: {str(error).splitlines()[0]}'
    ) from None


def _rows_of(
  kind: str, paths: list[str], bare: corpus_lib.Corpus, lenient: bool
) -> list[list[int]]:
  """The rows of each row group of each file, whose columns are right."""
  found, first, notes = [], set(), []
  for path in paths:
    columns, groups = _look(path)
    if _is_csv(path):
      notes += _dialect(path).notes
    columns = _checked(path, kind, columns, bare, lenient)
    first = first or columns
    if columns != first:
      raise errors.InputError(
        f'{path}: expected the columns of {paths[0]}; column '
        f'{min(columns ^ first)!r} is in one of them only'
      )
    found.append(groups)
  for note in notes[:1]:
    more = f', and {len(notes) - 1} like it' if len(notes) > 1 else ''
    logging.getLogger('empathy').info('%s%s', note, more)
  if paths and not any(map(any, found)) and kind != 'votes':
    several = len(paths) > 1
    raise errors.InputError(
      f'{paths[0]}{" and the like have" if several else " has"} no rows'
    )
  return found


def _said(predictions: list[str], bare: corpus_lib.Corpus) -> tuple[str, Kind]:
  """Where predictions say what, by the columns of the first file."""
  if not predictions:
    return headers.said_in(['prob_']), Kind.PROBABILITIES
  own = _look(predictions[0])[0]
  names = headers.renamed(own, bare)
  for note in headers.notes(own, names):
    logging.getLogger('empathy').info('predictions: %s', note)
  return headers.said_in(names), headers.kind(names)


def _checked(
  path: str,
  kind: str,
  names: list[str],
  bare: corpus_lib.Corpus,
  lenient: bool,
) -> set[str]:
  """The columns of a table that a study may use, if all are right."""
  found = [name for name in _name_of(kind, bare, names) if name is not None]
  if kind == 'predictions':
    names = headers.renamed(names, bare)
    headers.check(pathlib.Path(path), names, bare, lenient)
    return set(found)
  missing = [
    repr(name)
    for name in _REQUIRED[kind]
    # Where there are values, either says the other.
    if name not in found and not (name == 'label' and 'score' in found)
  ]
  faults = [
    f'{path}: column {name!r} is there twice'
    for name in sorted(set(found))
    if found.count(name) > 1
  ]
  if missing:
    several = len(missing) > 1
    there = ', '.join(map(repr, names[:_MOST_NAMES])) or 'none'
    faults[:0] = [
      f'{path}: column{"s" if several else ""} {", ".join(missing)} '
      f'{"are" if several else "is"} missing; found {there}'
    ]
  errors.raise_faults(faults)
  if {'split', 'fold'} <= set(found):
    raise errors.InputError(
      f"{path}: has columns 'split' and 'fold'; expected one"
    )
  return set(found)


def _name_of(
  kind: str, bare: corpus_lib.Corpus, names: list[str]
) -> list[str | None]:
  """What columns are called; None for those that no study uses."""
  if kind == 'predictions':
    known = headers.used(bare)
    names = headers.renamed(names, bare)
    known += itertools.chain.from_iterable(headers.layers(names).values())
    return [name if name in known else None for name in names]
  own = declared.columns(bare.info.get(declared.NAME, ''))
  if set(own) & set(names):  # Otherwise it was written as the only one.
    plain = declared.columns('')
    names = [
      plain[own.index(name)] if name in own else '' if name in plain else name
      for name in names
    ]
  if kind == 'votes':
    known = corpus_lib.VOTE_COLUMNS
  else:
    known = (
      *corpus_lib.CLIP_COLUMNS,
      *(name for name in names if grouping.names_persons(name)),
    )
  if bare.values is not None:
    known = (*known, 'score')
  return [name if name in known else None for name in names]


def _pieces(
  path: str, kind: str, file: int, groups: list[int]
) -> Iterator[Piece]:
  if _is_csv(path):
    yield Piece(kind, file, None, 0)
    return
  first, own, number = 0, [], 0
  for group, rows in enumerate(groups):
    own.append(group)
    number += rows
    if number >= _PIECE_ROWS or group == len(groups) - 1:
      yield Piece(kind, file, tuple(own), first)
      first, own, number = first + number, [], 0


def _places(piece: Piece, first: int, number: int) -> pa.Array:
  """The values of `ROW` of so many rows, the first of which is `first`."""
  rows = np.arange(first, first + number, dtype=np.int64)
  return pa.array(rows | piece.file << _FILE_BIT)


def _features(source: Source, piece: Piece) -> Iterator[pa.RecordBatch]:
  """The clips that have a modality, and hashes of what they have."""
  path = pathlib.Path(source.files[piece.file])
  ids, hashes = summaries.contents(path)
  ids = pa.array(ids, pa.string())
  for first in range(0, len(ids), _NUM_ROWS):
    own = ids.slice(first, _NUM_ROWS)
    yield pa.record_batch(
      {
        'id': own,
        'modality': pa.array([path.stem] * len(own)),
        'hash': pa.array(hashes[first:][: len(own)]),
        ROW: _places(piece, first, len(own)),
      }
    )


def _dialect(path: str) -> tables.Dialect:
  """How a file is written, found out once as long as it is the same."""
  about = os.stat(path)
  return _dialect_of(path, about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _dialect_of(path: str, *_: int) -> tables.Dialect:
  return tables.dialect(pathlib.Path(path), _KNOWN)


def _csv(path: str) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
  """All columns as texts, a block at a time, and which rows say something."""
  told = _dialect(path)
  header = told.header
  for batch in pa_csv.open_csv(
    path,
    read_options=pa_csv.ReadOptions(
      block_size=_BLOCK_BYTES,
      encoding='utf-8' if told.encoding == 'utf-8-sig' else told.encoding,
      skip_rows=told.skipped + 1,
      column_names=[str(place) for place in range(len(header))],
    ),
    parse_options=pa_csv.ParseOptions(
      newlines_in_values=True, delimiter=told.delimiter
    ),
    convert_options=pa_csv.ConvertOptions(
      column_types={str(place): pa.string() for place in range(len(header))}
    ),
  ):
    yield pa.record_batch(batch.columns, names=header), _said_in(batch, header)


def _said_in(batch: pa.RecordBatch, header: Sequence[str]) -> np.ndarray:
  """Which rows (n,) are neither empty nor the header once more."""
  idle = np.zeros(batch.num_rows, bool)
  for wanted in ([''] * len(header), [name.casefold() for name in header]):
    same = np.ones(batch.num_rows, bool)
    for cell, column in zip(wanted, batch.columns, strict=True):
      if not same.any():
        break
      column = pc.utf8_lower(pc.utf8_trim_whitespace(column))
      same &= pc.equal(column, cell).to_numpy(zero_copy_only=False)
    idle |= same
  return ~idle


def _parquet(path: str, groups, rename, columns) -> Iterator[pa.RecordBatch]:
  with pq.ParquetFile(path) as file:
    names = file.schema_arrow.names
    yield from file.iter_batches(
      _NUM_ROWS,
      row_groups=groups,
      columns=[
        name
        for name, meant in zip(names, rename(names), strict=True)
        if meant is not None and (columns is None or meant in columns)
      ],
    )


def _plain(path: str, name: str, values: pa.Array, text: bool) -> pa.Array:
  """A column without a dictionary, perhaps as texts."""
  if pa.types.is_dictionary(values.type):
    values = values.dictionary_decode()
  if not text:
    return values
  try:
    return pc.fill_null(pc.cast(values, pa.string()), '')
  except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
    raise errors.InputError(
      f'{path}: column {name!r}: expected texts, got {values.type}'
    ) from None
