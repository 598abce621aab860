"""Features in `.npz` files: never pickled, and mapped into memory if wished."""

import dataclasses
import functools
import hashlib
import itertools
import logging
import pathlib
import struct
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from empathy import errors, files
from empathy.corpora import columns, spelling

_LOGGER = logging.getLogger('empathy')

# Of the field of a zip entry that is there to move its content.
_ALIGNING = 0xD935


@dataclasses.dataclass(frozen=True)
class _Entries:
  """What is in a file, checked but for the numbers themselves.

  Attributes:
    path: the file.
    ids: (F,) str, as they are written there.
    clip: (F,) int32, the clip of each.
    values: (rows, D), of any kind of number.
    length: (F,) int, or None.
    fold: (F,) int32, or None.
    seen: (F,) bool, or None.
    time: (rows,) float32, or None.
    faults: of ids and folds, which are to be told with those of the numbers.
  """

  path: pathlib.Path
  ids: np.ndarray
  clip: np.ndarray
  values: np.ndarray
  length: np.ndarray | None
  fold: np.ndarray | None
  seen: np.ndarray | None
  time: np.ndarray | None
  faults: errors.Faults

  @functools.cached_property
  def ends(self) -> np.ndarray:
    """(F,) int64, the row after the last one of each entry."""
    if self.length is None:
      return np.arange(1, len(self.ids) + 1)
    return np.cumsum(self.length, dtype=np.int64)

  def check_finite(self, rows: np.ndarray, start: int) -> None:
    """Notes rows of float32, from row `start` on, that are not finite."""
    finite = np.isfinite(rows)
    for at in np.flatnonzero(~finite.all(axis=1)).tolist():
      column, row = int(np.argmin(finite[at])), start + at
      owner = self.ids[np.searchsorted(self.ends, row, 'right')]
      self.faults.add(
        f"{self.path}: array 'features': row {row} (clip {str(owner)!r}), "
        f'column {column} is {self.values[row, column]}; expected a finite '
        'float32',
        row,
        'finite',
      )


def read(
  path: pathlib.Path,
  names: spelling.Names,
  mapped: bool = False,
  offset: Sequence[float] | None = None,
) -> dict[str, np.ndarray | None]:
  """Reads and checks the features of one modality.

  Args:
    path: the `.npz` file.
    names: of the corpus' clips.
    mapped: leave values that are float32 in the file, and map it into memory.
    offset: (D,) or empty, what to take from the values; None has it chosen.

  Returns:
    The attributes of `corpus.Features`, by name.

  Raises:
    InputError: the file is missing, damaged or wrong.
  """
  entries = _entries(path, names, mapped)
  values, length = entries.values, entries.length
  if offset is None:
    offset = columns.offset(values)
    if offset is not None:
      shifted = np.flatnonzero(offset)
      _LOGGER.warning(
        '%s: %s of %d, large beside what they vary by: kept less their mean, '
        'in full precision',
        path,
        columns.shown(shifted),
        len(offset),
      )
  elif len(offset) in (0, values.shape[1]):
    offset = np.array(offset) if len(offset) else None
  else:
    offset = None  # Whoever wants it will tell that the width is another.
  narrow = columns.narrowed(values, offset, copy=not mapped)
  for start, stop in columns.spans(narrow):
    entries.check_finite(narrow[start:stop], start)
  entries.faults.raise_all('rows')
  return {
    'clip': entries.clip,
    'values': narrow,
    'length': None if length is None else length.astype(np.int64),
    'fold': entries.fold,
    'seen': entries.seen,
    'offset': offset,
    'time': entries.time,
  }


def hashes(
  path: pathlib.Path, names: spelling.Names
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """A hash of what each clip has of a modality, read in little memory.

  A file that is compressed is in memory all the same.

  Args:
    path: the `.npz` file.
    names: of the corpus' clips.

  Returns:
    Of the clips that have the modality their ids, as they are written there,
    (F,) str; their rows in the corpus, (F,) int32; and BLAKE2b, in 8 bytes, of
    their values in float32, (F,) uint64. Where features are fold-wise, those of
    the first fold.

  Raises:
    InputError: as for `read`.
  """
  entries = _entries(path, names, mapped=True)
  offset, ends = columns.offset(entries.values), entries.ends
  found, last = np.empty(len(ends), np.uint64), 0
  for start, stop in columns.spans(entries.values, ends):
    rows = columns.narrowed(entries.values[start:stop], offset, copy=False)
    entries.check_finite(rows, start)
    rows = np.ascontiguousarray(rows)
    first, last = last, int(np.searchsorted(ends, stop)) + 1
    digests = [
      hashlib.blake2b(rows[begin:end], digest_size=8).digest()
      for begin, end in itertools.pairwise(
        [0, *(ends[first:last] - start).tolist()]
      )
    ]
    found[first:last] = np.frombuffer(b''.join(digests), '<u8')
  entries.faults.raise_all('rows')
  own = slice(None) if entries.fold is None else entries.fold == 0
  return entries.ids[own], entries.clip[own], found[own]


def ids(path: pathlib.Path) -> list[str]:
  """The clips that have the modality, once each; values are not read.

  Raises:
    InputError: the file is damaged, or has no ids.
  """
  arrays = load(path, mapped=True)
  if 'id' not in arrays:
    raise errors.InputError(f"{path}: array 'id' is missing")
  return list(dict.fromkeys(_feature_ids(path, arrays['id']).tolist()))


def _entries(
  path: pathlib.Path, names: spelling.Names, mapped: bool
) -> _Entries:
  """Reads a file, its values perhaps mapped, and checks all but them."""
  arrays = load(path, mapped)
  errors.raise_faults(
    [
      f'{path}: array {name!r} is missing'
      for name in ('id', 'features')
      if name not in arrays
    ]
  )
  ids, length = _feature_ids(path, arrays['id']), arrays.get('length')
  values, faults = arrays['features'], errors.Faults()
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
      faults.add(
        f"{path}: array 'length': row {row} (clip {str(ids[row])!r}) is "
        f'{length[row]}; expected 1 or more',
        int(row),
        'length',
      )
    faults.raise_all('rows')
  num_rows = len(ids) if length is None else int(length.sum())
  if len(values) != num_rows:
    raise errors.InputError(
      f"{path}: array 'features' has {len(values)} rows; "
      f'{"id" if length is None else "the sum of length"} says {num_rows}'
    )
  fold, seen = (_entry_array(path, arrays, name) for name in ('fold', 'seen'))
  clip = find_clips(path, ids, fold, names, faults)
  if fold is not None and not faults:
    _check_folds(path, ids, fold, length, faults)
  time = _times(path, arrays, ids, length, faults)
  return _Entries(path, ids, clip, values, length, fold, seen, time, faults)


def _feature_ids(path: pathlib.Path, ids: np.ndarray) -> np.ndarray:
  """The array `id`, (F,) str, if that is what it is."""
  if ids.ndim != 1 or ids.dtype.kind not in 'US':
    hint = ' (numbers lose zeros at the front: save ids as texts)'
    raise errors.InputError(
      f"{path}: array 'id': expected texts of shape (N,), got {ids.dtype} of "
      f'shape {ids.shape}{hint if ids.dtype.kind in "iuf" else ""}'
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
  return ids


def find_clips(
  path: pathlib.Path,
  ids: np.ndarray,
  fold: np.ndarray | None,
  names: spelling.Names,
  faults: errors.Faults,
) -> np.ndarray:
  """The clip of each entry, (F,) int32; each clip once in a fold.

  Args:
    path: of the features.
    ids: (F,) str.
    fold: (F,) int, or None.
    names: of the corpus' clips.
    faults: that ids at fault are noted in.
  """
  clip = np.zeros(len(ids), np.int32)
  first_row: dict[tuple[int, int], int] = {}
  numbers = np.zeros(len(ids), int) if fold is None else fold
  for row, (name, number) in enumerate(
    zip(ids.tolist(), numbers.tolist(), strict=True)
  ):
    place = f"{path}: array 'id': row {row}"
    try:
      clip[row] = names.find(name)
    except KeyError:
      faults.add(f'{place}: no clip {name!r}{names.hint(name)}', row, 'unknown')
      continue
    first = first_row.setdefault((int(clip[row]), number), row)
    if first != row:
      faults.add(
        f'{place}: {name!r} is there already, in row {first}', row, 'twice'
      )
  return clip


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


def _times(
  path: pathlib.Path,
  arrays: Mapping[str, np.ndarray],
  ids: np.ndarray,
  length: np.ndarray | None,
  faults: errors.Faults,
) -> np.ndarray | None:
  """The array `time`, where there is one; notes the clips it is wrong of."""
  if 'time' not in arrays:
    return None
  time, rows = arrays['time'], len(arrays['features'])
  if length is None or time.shape != (rows,) or time.dtype.kind not in 'fiu':
    raise errors.InputError(
      f"{path}: array 'time': expected seconds, of sequences alone, of shape "
      f'({rows},), got {time.dtype} of shape {time.shape}'
      f'{" without length" if length is None else ""}'
    )
  time = time.astype(np.float32)
  ends = np.cumsum(length, dtype=np.int64)
  goes_back = np.diff(time, prepend=0) < 0
  goes_back[ends[:-1]] = False  # There another clip begins.
  for row in np.flatnonzero(goes_back | ~np.isfinite(time) | (time < 0)):
    owner = int(np.searchsorted(ends, row, 'right'))
    faults.add(
      f"{path}: array 'time': row {row} (clip {str(ids[owner])!r}) is "
      f'{time[row]:g}; expected seconds from 0 on, none before the last',
      int(row),
      'time',
    )
  return time


def _check_folds(
  path: pathlib.Path,
  ids: np.ndarray,
  fold: np.ndarray,
  length: np.ndarray | None,
  faults: errors.Faults,
) -> None:
  """Notes clips without an entry of every fold, all of one length."""
  folds: dict[str, set] = {}
  lengths: dict[str, set] = {}
  first: dict[str, int] = {}
  everyone = set(range(int(fold.max()) + 1))
  size = np.ones(len(ids), np.int64) if length is None else length
  for row, (clip, number, steps) in enumerate(
    zip(ids.tolist(), fold.tolist(), size.tolist(), strict=True)
  ):
    first.setdefault(clip, row)
    folds.setdefault(clip, set()).add(number)
    lengths.setdefault(clip, set()).add(steps)
  for clip, found in folds.items():
    for number in sorted(everyone - found):
      faults.add(
        f"{path}: array 'fold': clip {clip!r} has no entry of fold {number}",
        first[clip],
        'fold',
      )
  for clip, found in lengths.items():
    if len(found) > 1:
      faults.add(
        f"{path}: array 'length': clip {clip!r} has other lengths in other "
        'folds',
        first[clip],
        'length',
      )


def load(path: pathlib.Path, mapped: bool = False) -> dict[str, np.ndarray]:
  """Reads a `.npz` file.

  Args:
    path: the file.
    mapped: leave the array `features` in the file, and map it into memory.

  Returns:
    The arrays, by name.

  Raises:
    InputError: there is no such file, or it is damaged or holds objects.
  """
  array = ''
  try:
    files.check_archive(path)
    with np.load(path, allow_pickle=False) as archive:
      arrays = {}
      for name in archive.files:
        array = f'array {name!r}: '
        is_mapped = mapped and name == 'features'
        arrays[name] = _mapped(archive, name) if is_mapped else archive[name]
      return arrays
  except FileNotFoundError:
    raise errors.InputError(
      f'{path}: no such file; copy the features there, or make them: empathy '
      f'extract --config=FILE --corpus={path.parent.parent}'
    ) from None
  except files.DAMAGED as error:
    reason = files.reason(error)
    raise errors.InputError(
      f'{path}: {array}is not part of a whole .npz file of plain arrays: '
      f'{reason}'
      if array
      else f'{path}: is not a whole .npz file of plain arrays: {reason}'
    ) from None


def write(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes a `.npz` file whose numbers begin at multiples of 64 bytes.

  Where `np.savez` puts them, XLA would copy what is mapped into memory.

  Args:
    path: the file.
    arrays: by name; none of objects.
  """
  with zipfile.ZipFile(path, 'w') as archive:
    for name, array in arrays.items():
      info = zipfile.ZipInfo(f'{name}.npy')
      # Of the entry's header, with its sizes; NumPy's own is of 64 bytes each.
      size = archive.fp.tell() + 30 + len(info.filename) + 20
      more = -(size + 4) % 64
      info.extra = struct.pack('<HH', _ALIGNING, more) + bytes(more)
      with archive.open(info, 'w', force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


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
