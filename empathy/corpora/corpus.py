"""The corpus folder: clips, votes and frozen features in plain files.

A corpus folder holds `corpus.json`, `clips.csv`, optionally `votes.csv` and
`features/<modality>.npz`; the README describes them. `read` checks all of it
and names every fault of a file at once; `write` makes a folder whole or not at
all. Features are joined to clips by id, never by row.
"""

import csv
import dataclasses
import hashlib
import io
import json
import math
import os
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from empathy import errors, files

# The order in which views and conditions name the modalities.
MODALITIES = ('text', 'audio', 'video')
SPLITS = ('train', 'val', 'test')
UNLABELLED = -1
_MOST_VOTES = 2**31 - 1
# Of features that are checked at a time.
_ROWS_AT_ONCE = 65_536
# Names of signals and statistics begin with these words or a view's.
_RESERVED = ('any', 'full', 'unimodal', 'control')
_NAMED_COLUMNS = ('id', 'group', 'label', 'split', 'fold')


@dataclasses.dataclass(frozen=True)
class Votes:
  """Annotators' votes, one entry a row of `votes.csv`.

  Attributes:
    clip: (V,) int32, the row of the clip in the corpus.
    condition: (V,) int32, the index into `Corpus.conditions`.
    annotator: (V,) str, '' where only counts are known.
    label: (V,) int32, the index into `Corpus.classes`.
    count: (V,) int64, how many votes the entry stands for.
  """

  clip: np.ndarray
  condition: np.ndarray
  annotator: np.ndarray
  label: np.ndarray
  count: np.ndarray


@dataclasses.dataclass(frozen=True)
class Features:
  """Frozen features of one modality.

  Features of an encoder that was trained on some of the clips are *fold-wise*:
  each fold has its own encoder, which has not seen the clips that it holds out,
  and every clip has an entry of each fold.

  Attributes:
    clip: (F,) int32, the row in the corpus of each clip that has the modality.
    values: (F, D) float32, or (sum of length, D) for sequences.
    length: (F,) int64, the length of each sequence; None if pooled.
    fold: (F,) int32, the fold whose members alone may use the entry; None where
      all may.
    seen: (F,) bool, whether the encoder was trained on or chosen by the clip;
      None where it saw no clip.
  """

  clip: np.ndarray
  values: np.ndarray
  length: np.ndarray | None = None
  fold: np.ndarray | None = None
  seen: np.ndarray | None = None

  @property
  def num_folds(self) -> int:
    """How many folds have entries of their own; 1 where all share theirs."""
    return 1 if self.fold is None else int(self.fold.max()) + 1

  def of_fold(self, fold: int) -> 'Features':
    """What the members of a fold may use; an entry a clip."""
    if self.fold is None:
      return self
    chosen = self.fold == fold
    rows = chosen
    if self.length is not None:
      rows = np.repeat(chosen, self.length)
    return Features(
      clip=self.clip[chosen],
      values=self.values[rows],
      length=None if self.length is None else self.length[chosen],
      seen=None if self.seen is None else self.seen[chosen],
    )


@dataclasses.dataclass(frozen=True)
class Corpus:
  """A corpus in memory; arrays over clips are in the order of `clips.csv`.

  Attributes:
    info: the content of `corpus.json`.
    ids: (N,) str.
    groups: (N,) str, what must not straddle a split.
    labels: (N,) int32 index into `classes`, or `UNLABELLED`.
    split: (N,) str, one of `SPLITS`; None where the corpus has no split.
    fold: (N,) int32, 0 to K-1; None where the corpus has no folds.
    metadata: the other columns of `clips.csv`, each (N,) str.
    votes: None where the corpus has no votes.
    features: by modality; only those that were read.
    path: the folder it was read from; None if it is not from a folder.
  """

  info: Mapping[str, Any]
  ids: np.ndarray
  groups: np.ndarray
  labels: np.ndarray
  split: np.ndarray | None = None
  fold: np.ndarray | None = None
  metadata: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  votes: Votes | None = None
  features: Mapping[str, Features] = dataclasses.field(default_factory=dict)
  path: pathlib.Path | None = None

  @property
  def classes(self) -> tuple[str, ...]:
    """The classes, in the order that breaks ties."""
    return tuple(self.info['classes'])

  @property
  def modalities(self) -> tuple[str, ...]:
    """The modalities, in the order in which views name them."""
    return tuple(sorted(self.info['modalities'], key=modality_order))

  @property
  def conditions(self) -> tuple[str, ...]:
    """What annotators perceived when they voted."""
    return tuple(self.info['conditions'])

  def vote_counts(self, condition: str | None = None) -> np.ndarray:
    """Votes of each clip by class: (N, C) int64.

    Args:
      condition: one of `conditions`; None counts all votes together.
    """
    counts = np.zeros((len(self.ids), len(self.classes)), np.int64)
    if self.votes is None:
      return counts
    votes = self.votes
    chosen = slice(None)
    if condition is not None:
      chosen = votes.condition == self.conditions.index(condition)
    np.add.at(
      counts, (votes.clip[chosen], votes.label[chosen]), votes.count[chosen]
    )
    return counts


def modality_order(modality: str) -> tuple[int, str]:
  """Sorts modalities as views name them: text, audio, video, then others."""
  known = modality in MODALITIES
  return (MODALITIES.index(modality) if known else len(MODALITIES), modality)


def view_name(modalities: Iterable[str]) -> str:
  """The name of a view or condition: `text+video`."""
  return '+'.join(sorted(modalities, key=modality_order))


def full_condition(conditions: Sequence[str]) -> str | None:
  """The condition with the most modalities; the first of equals."""
  if not conditions:
    return None
  return max(conditions, key=lambda condition: condition.count('+'))


def fingerprint(path: str | os.PathLike) -> str:
  """SHA-256 over the corpus folder's content, in hexadecimal."""
  return fingerprint_of(file_hashes(path))


def fingerprint_of(hashes: Mapping[str, str]) -> str:
  """The fingerprint of a folder whose `file_hashes` are these."""
  digest = hashlib.sha256()
  for name, sha256 in hashes.items():
    digest.update(f'{name} {sha256}\n'.encode())
  return digest.hexdigest()


def content(corpus: Corpus) -> str:
  """SHA-256 over ids, groups, labels and votes, whatever the clips' order."""
  order = np.argsort(corpus.ids)
  columns = [corpus.ids[order], corpus.groups[order], corpus.labels[order]]
  for condition in corpus.conditions:
    columns.append(corpus.vote_counts(condition)[order].ravel())
  digest = hashlib.sha256()
  for column in columns:
    # Quoted, so that nothing runs together.
    digest.update(repr(column.tolist()).encode())
  return digest.hexdigest()


def file_hashes(path: str | os.PathLike) -> dict[str, str]:
  """SHA-256 of each file of the corpus folder, by its name in there."""
  path = pathlib.Path(path)
  return {
    str(file.relative_to(path)): files.sha256(file)
    for file in [
      path / 'corpus.json',
      path / 'clips.csv',
      path / 'votes.csv',
      *sorted((path / 'features').glob('*.npz')),
    ]
    if file.exists()
  }


def read(
  path: str | os.PathLike, features: Iterable[str] | None = ()
) -> Corpus:
  """Reads and checks a corpus folder.

  Args:
    path: the folder.
    features: the modalities whose features are read and must be there; None
      reads those whose file exists.

  Returns:
    The corpus.

  Raises:
    InputError: something is missing or wrong. All faults of the first faulty
      file are named, each on a line with its file, row and column.
  """
  path = pathlib.Path(path)
  if not path.is_dir():
    raise errors.InputError(f'{path}: no such corpus folder')
  info = read_info(path / 'corpus.json')
  corpus = _read_clips(path / 'clips.csv', info)
  row_of = {clip: row for row, clip in enumerate(corpus.ids.tolist())}
  votes = None
  if (path / 'votes.csv').exists():
    votes = _read_votes(path / 'votes.csv', corpus, row_of)
  corpus = dataclasses.replace(corpus, votes=votes, path=path)
  if features is None:
    features = [
      modality
      for modality in corpus.modalities
      if (path / 'features' / f'{modality}.npz').exists()
    ]
  return with_features(corpus, features)


def with_features(
  corpus: Corpus, features: Iterable[str], mapped: bool = False
) -> Corpus:
  """Reads the features of a corpus that was read without them.

  Args:
    corpus: read from a folder.
    features: the modalities, whose features must be there.
    mapped: leave values that are float32 in the file, and map it into memory.

  Returns:
    The corpus with these features.

  Raises:
    InputError: as for `read`.
  """
  row_of = {clip: row for row, clip in enumerate(corpus.ids.tolist())}
  found = {}
  for modality in features:
    if modality not in corpus.modalities:
      raise errors.InputError(
        f'{corpus.path / "corpus.json"}: modalities: {modality!r} is not among '
        f'{", ".join(corpus.modalities)}'
      )
    found[modality] = _read_features(
      corpus.path / 'features' / f'{modality}.npz', row_of, mapped
    )
  return dataclasses.replace(corpus, features=found)


def write(corpus: Corpus, path: str | os.PathLike) -> None:
  """Writes `corpus` as a new folder, whole or not at all.

  Raises:
    InputError: `path` exists already.
  """
  path = pathlib.Path(path)
  if path.exists():
    raise errors.InputError(f'{path}: exists already; choose another name')
  with files.replacing(path) as folder:
    folder.mkdir()
    files.write_json(folder / 'corpus.json', dict(corpus.info))
    write_csv(folder / 'clips.csv', _clip_columns(corpus))
    if corpus.votes is not None:
      votes = corpus.votes
      write_csv(
        folder / 'votes.csv',
        {
          'id': corpus.ids[votes.clip],
          'condition': np.array(corpus.conditions)[votes.condition],
          'annotator': votes.annotator,
          'label': np.array(corpus.classes)[votes.label],
          'count': votes.count,
        },
      )
    for modality, features in corpus.features.items():
      write_features(
        folder / 'features' / f'{modality}.npz',
        corpus.ids[features.clip],
        features.values,
        features.length,
        features.fold,
        features.seen,
      )


def write_features(
  path: pathlib.Path,
  ids: np.ndarray,
  values: np.ndarray,
  length: np.ndarray | None = None,
  fold: np.ndarray | None = None,
  seen: np.ndarray | None = None,
) -> None:
  """Writes the features of one modality, whole or not at all.

  Args:
    path: the `.npz` file.
    ids: (F,) str, the clips that have the modality.
    values: (F, D), or (sum of length, D) for sequences.
    length: (F,) int, the length of each sequence; None if pooled.
    fold: (F,) int, as in `Features`.
    seen: (F,) bool, as in `Features`.
  """
  arrays = {'id': np.asarray(ids, dtype=np.str_), 'features': values}
  for name, array, kind in (
    ('length', length, np.int64),
    ('fold', fold, np.int32),
    ('seen', seen, np.bool_),
  ):
    if array is not None:
      arrays[name] = np.asarray(array, kind)
  with files.replacing(path) as temporary, open(temporary, 'wb') as file:
    np.savez(file, **arrays)


def write_csv(path: pathlib.Path, columns: Mapping[str, Iterable[Any]]) -> None:
  """Writes columns of equal length as a CSV file: UTF-8, with a header."""
  with open(path, 'w', encoding='utf-8', newline='') as file:
    # The writer quotes a lone \r only if it ends lines with one.
    writer = csv.writer(_LineFeeds(file), lineterminator='\r\n')
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def read_csv(
  path: pathlib.Path, required: Sequence[str]
) -> tuple[dict[str, list[str]], list[int]]:
  """Reads a CSV file as columns of text.

  Args:
    path: the file; UTF-8, with a header.
    required: the columns that must be there.

  Returns:
    The columns by name, and the number of the line on which each row ends
    (rows may hold line breaks), counted from 1.

  Raises:
    InputError: the file is missing, is no UTF-8 text, lacks a column, names a
      column twice, or has a row of another width than the header.
  """
  try:
    # Not read_text, which would change the line breaks within a field.
    text = path.read_bytes().decode('utf-8-sig')
  except FileNotFoundError:
    raise errors.InputError(f'{path}: no such file') from None
  except UnicodeDecodeError as error:
    line = error.object[: error.start].count(b'\n') + 1
    raise errors.InputError(
      f'{path}:{line}: byte {error.object[error.start]:#04x} is not UTF-8 text'
    ) from None
  reader = csv.reader(io.StringIO(text, newline=''), strict=True)
  rows, lines, faults = [], [], []
  try:
    header = next(reader, None)
    if not header:
      raise errors.InputError(
        f'{path}: is empty; expected the columns {", ".join(required)}'
      )
    for row in reader:
      if not row:
        continue
      if len(row) != len(header):
        faults.append(
          f'{path}:{reader.line_num}: {len(row)} fields; the header has '
          f'{len(header)} columns'
        )
        continue
      rows.append(row)
      lines.append(reader.line_num)
  except csv.Error as error:
    faults.append(f'{path}:{reader.line_num}: is not CSV: {error}')
    errors.raise_faults(faults)
  for column in required:
    if column not in header:
      faults.append(f'{path}: column {column!r} is missing')
  for column in sorted(set(header)):
    if header.count(column) > 1:
      faults.append(f'{path}: column {column!r} is there twice')
  if not rows and not faults:
    faults.append(f'{path}: has no rows')
  errors.raise_faults(faults)
  columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
  return columns, lines


class Table:
  """The columns of a CSV file, with a fault list that names file and place.

  Each method checks one column and returns it converted; what is wrong is
  added to `faults` with the file, line and column. Call `raise_faults` at the
  end.
  """

  def __init__(self, path: pathlib.Path, required: Sequence[str]):
    self.path = path
    self.columns, self.lines = read_csv(path, required)
    self.faults: list[str] = []

  def __len__(self) -> int:
    return len(self.lines)

  def fault(self, row: int, column: str, message: str) -> None:
    """Notes that the value in `row` and `column` is wrong."""
    self.faults.append(
      f'{self.path}:{self.lines[row]}: column {column!r}: {message}'
    )

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
        self.fault(row, column, f'{text!r} is not {expected}')
        values.append(None)
    return values

  def raise_faults(self) -> None:
    """Raises an `InputError` that tells all faults, if there are any."""
    errors.raise_faults(self.faults)


class _LineFeeds:
  """Ends with a line feed the rows that a csv.writer ends with CR LF."""

  def __init__(self, file: TextIO):
    self._file = file

  def write(self, row: str) -> None:
    self._file.write(row.removesuffix('\r\n') + '\n')


def _one_of(names: Sequence[str]) -> str:
  return 'one of ' + ', '.join(names)


def read_info(path: pathlib.Path) -> dict[str, Any]:
  """Reads and checks `corpus.json`."""
  try:
    info = json.loads(path.read_text(encoding='utf-8-sig'))
  except FileNotFoundError:
    raise errors.InputError(f'{path}: no such file') from None
  except json.JSONDecodeError as error:
    raise errors.InputError(
      f'{path}:{error.lineno}: is not JSON: {error.msg}'
    ) from None
  except UnicodeDecodeError as error:
    raise errors.InputError(f'{path}: is not UTF-8 text: {error}') from None
  if not isinstance(info, dict):
    raise errors.InputError(f'{path}: expected an object of keys and values')
  faults = []
  for key in ('name', 'license', 'source'):
    if not isinstance(info.get(key), str) or not info[key]:
      faults.append(f'{path}: key {key!r}: expected a text')
  for key, least in (('classes', 2), ('modalities', 1), ('conditions', 0)):
    names = info.get(key)
    if not isinstance(names, list) or not all(
      isinstance(name, str) and name for name in names
    ):
      faults.append(f'{path}: key {key!r}: expected a list of names')
      continue
    if len(names) < least:
      faults.append(f'{path}: key {key!r}: expected at least {least} names')
    for name in sorted({name for name in names if names.count(name) > 1}):
      faults.append(f'{path}: key {key!r}: {name!r} is there twice')
  if not isinstance(info.get('ordered', False), bool):
    faults.append(f"{path}: key 'ordered': expected true or false")
  if not isinstance(info.get('label', ''), str):
    faults.append(f"{path}: key 'label': expected a text")
  errors.raise_faults(faults)
  for name in info['modalities']:
    if not name.replace('_', '').isalnum():
      faults.append(
        f"{path}: key 'modalities': {name!r}: expected letters, digits and _"
      )
    if name in _RESERVED:
      faults.append(
        f"{path}: key 'modalities': {name!r} is a word of the study's own; "
        'choose another name'
      )
  for condition in info['conditions']:
    parts = condition.split('+')
    known = {*MODALITIES, *info['modalities']}
    if not known.issuperset(parts) or view_name(set(parts)) != condition:
      faults.append(
        f"{path}: key 'conditions': {condition!r}: expected modalities joined "
        f'by + in the order {", ".join(sorted(known, key=modality_order))}'
      )
  errors.raise_faults(faults)
  return info


def _read_clips(path: pathlib.Path, info: Mapping[str, Any]) -> Corpus:
  table = Table(path, ('id', 'group', 'label'))
  columns = table.columns
  first_line: dict[str, int] = {}
  for row, clip in enumerate(columns['id']):
    if not clip.strip():
      table.fault(row, 'id', 'is empty')
    elif clip in first_line:
      table.fault(
        row, 'id', f'{clip!r} is there already, on line {first_line[clip]}'
      )
    first_line.setdefault(clip, table.lines[row])
  for row, group in enumerate(columns['group']):
    if not group.strip():
      table.fault(row, 'group', 'is empty')
  classes = {name: i for i, name in enumerate(info['classes'])}
  classes[''] = UNLABELLED
  labels = table.convert(
    'label', classes.__getitem__, _one_of(info['classes']) + ', or empty'
  )
  split = fold = None
  if 'split' in columns and 'fold' in columns:
    table.faults.append(f"{path}: has columns 'split' and 'fold'; expected one")
  elif 'split' in columns:
    for row, name in enumerate(columns['split']):
      if name not in SPLITS:
        table.fault(row, 'split', f'{name!r} is not {_one_of(SPLITS)}')
    split = np.array(columns['split'])
  elif 'fold' in columns:
    fold = table.convert('fold', _natural, 'a fold number 0, 1, 2, ...')
    used = {number for number in fold if number is not None}
    # K used numbers have to be 0 to K-1: looks no further than that.
    for number in sorted(set(range(len(used))) - used)[:3]:
      table.faults.append(f"{path}: column 'fold': no clip is in fold {number}")
  for column in ('start', 'end'):
    if column in columns:
      table.convert(column, _seconds, 'a time in seconds')
  if 'start' in columns and 'end' in columns and not table.faults:
    pairs = zip(columns['start'], columns['end'], strict=True)
    for row, (start, end) in enumerate(pairs):
      if start and end and float(end) <= float(start):
        table.fault(row, 'end', f'{end} is not after the start, {start}')
  table.raise_faults()
  return Corpus(
    info=info,
    ids=np.array(columns['id']),
    groups=np.array(columns['group']),
    labels=np.array(labels, np.int32),
    split=split,
    fold=None if fold is None else np.array(fold, np.int32),
    metadata={
      name: np.array(values)
      for name, values in columns.items()
      if name not in _NAMED_COLUMNS
    },
  )


def _read_votes(
  path: pathlib.Path, corpus: Corpus, row_of: Mapping[str, int]
) -> Votes:
  table = Table(path, ('id', 'condition', 'label'))
  conditions = {name: i for i, name in enumerate(corpus.conditions)}
  classes = {name: i for i, name in enumerate(corpus.classes)}
  clip = table.convert('id', row_of.__getitem__, 'a clip of clips.csv')
  condition = table.convert(
    'condition', conditions.__getitem__, _one_of(corpus.conditions)
  )
  label = table.convert('label', classes.__getitem__, _one_of(corpus.classes))
  annotator = table.columns.get('annotator', [''] * len(table))
  count = [1] * len(table)
  if 'count' in table.columns:
    count = table.convert('count', _positive, 'a number of votes, 1 or more')
  first_line: dict[tuple, int] = {}
  for row, key in enumerate(zip(clip, condition, annotator, strict=True)):
    if not key[2]:
      continue
    if count[row] not in (1, None):
      table.fault(row, 'count', 'a named annotator has one vote')
    if key in first_line:
      table.fault(
        row,
        'annotator',
        f'{key[2]!r} voted for this clip and condition already, on line '
        f'{first_line[key]}',
      )
    first_line.setdefault(key, table.lines[row])
  table.raise_faults()
  return Votes(
    clip=np.array(clip, np.int32),
    condition=np.array(condition, np.int32),
    annotator=np.array(annotator),
    label=np.array(label, np.int32),
    count=np.array(count, np.int64),
  )


def _read_features(
  path: pathlib.Path, row_of: Mapping[str, int], mapped: bool
) -> Features:
  arrays = _load_npz(path, mapped)
  faults = [
    f'{path}: array {name!r} is missing'
    for name in ('id', 'features')
    if name not in arrays
  ]
  errors.raise_faults(faults)
  ids, values, length = arrays['id'], arrays['features'], arrays.get('length')
  if ids.ndim != 1 or ids.dtype.kind not in 'US':
    raise errors.InputError(
      f"{path}: array 'id': expected texts of shape (N,), got {ids.dtype} of "
      f'shape {ids.shape}'
    )
  if ids.dtype.kind == 'S':
    try:
      ids = np.char.decode(ids, 'utf-8')
    except UnicodeDecodeError as error:
      raise errors.InputError(
        f"{path}: array 'id': {error.object!r} is not UTF-8 text"
      ) from None
  if not len(ids):
    raise errors.InputError(f"{path}: array 'id': is empty; expected clips")
  if values.ndim != 2 or values.dtype.kind not in 'fiu' or not values.shape[1]:
    raise errors.InputError(
      f"{path}: array 'features': expected numbers of shape (rows, width), got "
      f'{values.dtype} of shape {values.shape}'
    )
  if length is not None:
    if length.shape != ids.shape or length.dtype.kind not in 'iu':
      raise errors.InputError(
        f"{path}: array 'length': expected whole numbers of shape "
        f'{ids.shape}, got {length.dtype} of shape {length.shape}'
      )
    for row in np.flatnonzero(length < 1):
      faults.append(
        f"{path}: array 'length': row {row} (clip {ids[row]!r}) is "
        f'{length[row]}; expected 1 or more'
      )
    errors.raise_faults(faults)
  num_rows = len(ids) if length is None else int(length.sum())
  if len(values) != num_rows:
    raise errors.InputError(
      f"{path}: array 'features' has {len(values)} rows; "
      f'{"id" if length is None else "the sum of length"} says {num_rows}'
    )
  fold, seen = (_entry_array(path, arrays, name) for name in ('fold', 'seen'))
  first_row: dict[tuple[str, int], int] = {}
  numbers = np.zeros(len(ids), int) if fold is None else fold
  for row, key in enumerate(zip(ids.tolist(), numbers.tolist(), strict=True)):
    if key[0] not in row_of:
      faults.append(f"{path}: array 'id': row {row}: no clip {key[0]!r}")
    elif key in first_row:
      faults.append(
        f"{path}: array 'id': row {row}: {key[0]!r} is there already, in row "
        f'{first_row[key]}'
      )
    first_row.setdefault(key, row)
  if fold is not None and not faults:
    faults += _fold_faults(path, ids, fold, length)
  with np.errstate(over='ignore'):
    narrow = values.astype(np.float32, copy=not mapped)
  owner = ids if length is None else np.repeat(ids, length)
  for start in range(0, len(narrow), _ROWS_AT_ONCE):
    finite = np.isfinite(narrow[start : start + _ROWS_AT_ONCE])
    for row in np.flatnonzero(~finite.all(axis=1)):
      column, row = int(np.argmin(finite[row])), int(start + row)
      faults.append(
        f"{path}: array 'features': row {row} (clip {str(owner[row])!r}), "
        f'column {column} is {values[row, column]}; expected a finite float32'
      )
  errors.raise_faults(faults)
  return Features(
    clip=np.array([row_of[clip] for clip in ids.tolist()], np.int32),
    values=narrow,
    length=None if length is None else length.astype(np.int64),
    fold=fold,
    seen=seen,
  )


def _entry_array(
  path: pathlib.Path, arrays: Mapping[str, np.ndarray], name: str
) -> np.ndarray | None:
  """One of the arrays `fold` and `seen`, where there is one."""
  if name not in arrays:
    return None
  array, shape = arrays[name], arrays['id'].shape
  kind, kinds, wanted = {
    'fold': (np.int32, 'iu', 'folds 0, 1, 2, ...'),
    'seen': (np.bool_, 'b', 'true or false'),
  }[name]
  if array.shape != shape or array.dtype.kind not in kinds or (array < 0).any():
    raise errors.InputError(
      f'{path}: array {name!r}: expected {wanted} of shape {shape}, got '
      f'{array.dtype} of shape {array.shape}'
    )
  return array.astype(kind)


def _fold_faults(
  path: pathlib.Path,
  ids: np.ndarray,
  fold: np.ndarray,
  length: np.ndarray | None,
) -> list[str]:
  """Clips that do not have an entry of every fold, all of one length."""
  folds: dict[str, set] = {}
  lengths: dict[str, set] = {}
  everyone = set(range(int(fold.max()) + 1))
  size = np.ones(len(ids), np.int64) if length is None else length
  for clip, number, steps in zip(
    ids.tolist(), fold.tolist(), size.tolist(), strict=True
  ):
    folds.setdefault(clip, set()).add(number)
    lengths.setdefault(clip, set()).add(steps)
  faults = [
    f"{path}: array 'fold': clip {clip!r} has no entry of fold {number}"
    for clip, found in folds.items()
    for number in sorted(everyone - found)
  ]
  return faults + [
    f"{path}: array 'length': clip {clip!r} has other lengths in other folds"
    for clip, found in lengths.items()
    if len(found) > 1
  ]


def _load_npz(path: pathlib.Path, mapped: bool) -> dict[str, np.ndarray]:
  array = ''
  try:
    with np.load(path, allow_pickle=False) as archive:
      arrays = {}
      for name in archive.files:
        array = f'array {name!r}: '
        is_mapped = mapped and name == 'features'
        arrays[name] = _mapped(archive, name) if is_mapped else archive[name]
      return arrays
  except FileNotFoundError:
    raise errors.InputError(
      f'{path}: no such file; extract or copy the features there'
    ) from None
  except (
    AttributeError,  # A bare .npy array has no `files`.
    EOFError,
    MemoryError,  # A shape that cannot be.
    NotImplementedError,  # A damaged field of the archive's directory.
    OSError,
    RuntimeError,  # "Encrypted", says a damaged flag.
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
  ) as error:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise errors.InputError(
      f'{path}: {array}is not part of a whole .npz file of plain arrays: '
      f'{reason}'
      if array
      else f'{path}: is not a whole .npz file of plain arrays: {reason}'
    ) from None


def _mapped(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
  """An array of an archive, mapped into memory if it lies there plainly."""
  info = archive.zip.getinfo(f'{name}.npy')
  if info.compress_type != zipfile.ZIP_STORED:
    return archive[name]
  with archive.zip.open(info) as member:  # Which compares checksums.
    while member.read(2**20):
      pass
  file = archive.zip.fp
  # Of the entry's own header, which its name and some more follow.
  file.seek(info.header_offset + 26)
  lengths = np.frombuffer(file.read(4), '<u2')
  file.seek(info.header_offset + 30 + int(lengths.sum()))
  if np.lib.format.read_magic(file) != (1, 0):
    return archive[name]
  shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
  if dtype.hasobject:
    raise ValueError('it holds objects')
  order = 'F' if is_fortran else 'C'
  return np.asarray(
    np.memmap(archive.zip.filename, dtype, 'r', file.tell(), shape, order)
  )


def _natural(text: str) -> int:
  if not text.isascii() or not text.isdigit():
    raise ValueError
  return int(text)


def _positive(text: str) -> int:
  value = _natural(text)
  if not 1 <= value <= _MOST_VOTES:
    raise ValueError
  return value


def _seconds(text: str) -> float | None:
  if not text:
    return None
  value = float(text)
  if not math.isfinite(value) or value < 0:
    raise ValueError
  return value


def _clip_columns(corpus: Corpus) -> dict[str, Iterable]:
  names = np.array([*corpus.classes, ''])
  columns = {
    'id': corpus.ids,
    'group': corpus.groups,
    'label': names[corpus.labels],
  }
  if corpus.split is not None:
    columns['split'] = corpus.split
  if corpus.fold is not None:
    columns['fold'] = corpus.fold
  return columns | dict(corpus.metadata)
