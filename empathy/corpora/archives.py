"""Arrays in `.npz` files: never pickled, and mapped into memory if wished."""

import pathlib
import zipfile
import zlib

import numpy as np

from empathy import errors


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
