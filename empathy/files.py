"""Writing files whole or not at all, and telling whether they changed."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from empathy import errors


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
  """Yields a temporary name that takes `path`'s place if all goes well.

  Whatever is made under the yielded name, a file or a folder, is renamed to
  `path` at the end; after an exception it is removed and `path` is as it was.
  A folder gives way in two renames: of a process killed between them, `sweep`
  puts the old one back.

  Args:
    path: the file or folder to make or replace.

  Yields:
    A name that does not exist yet, in the same folder.
  """
  path = pathlib.Path(path)
  made = [folder for folder in path.parents if not folder.exists()]
  path.parent.mkdir(parents=True, exist_ok=True)
  holder = pathlib.Path(
    tempfile.mkdtemp(prefix=f'.{path.name}.', dir=path.parent)
  )
  try:
    yield holder / path.name
    if path.is_dir() and not path.is_symlink():
      path.rename(_old(holder, path))
    (holder / path.name).replace(path)
  finally:
    _clear(holder, path)
    with contextlib.suppress(OSError):  # Those with something in them stay.
      for folder in made:
        folder.rmdir()


def _old(holder: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
  """Where a folder that is replaced waits until the new one is in place."""
  return holder / f'{path.name}.old'


def _clear(holder: pathlib.Path, path: pathlib.Path) -> None:
  """Removes what `replacing` made; the old folder comes back if it must."""
  old = _old(holder, path)
  if old.exists() and not os.path.lexists(path):
    old.rename(path)
  shutil.rmtree(holder, ignore_errors=True)


def remove_leftovers(folder: pathlib.Path) -> None:
  """Removes what `replacing` left in a folder when its process was killed.

  No other process may be writing there.
  """
  for entry in folder.glob('.*.????????'):
    if entry.is_dir():
      _clear(entry, folder / entry.name[1:].rpartition('.')[0])


@contextlib.contextmanager
def full_disk_told(path: str | os.PathLike) -> Iterator[None]:
  """Makes one line of what libraries say, each its own, of a full disk.

  Args:
    path: what is written to, and can be gone on with.

  Raises:
    InputError: there is no room.
  """
  try:
    yield
  except errors.InputError:
    raise
  except Exception as error:
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    words = [os.strerror(number) for number in full]
    if getattr(error, 'errno', None) in full or any(
      word in str(error) for word in words
    ):
      raise errors.InputError(
        f'{path}: the disk is full: make room and run the same command again: '
        'it goes on from what is saved'
      ) from error
    raise


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes `text` to `path`, whole or not at all."""
  with replacing(path) as temporary:
    temporary.write_text(text, encoding='utf-8')


def write_json(path: str | os.PathLike, value: Any) -> None:
  """Writes `value` to `path` as readable JSON, whole or not at all."""
  text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
  write_text(path, text + '\n')


def read_json(path: str | os.PathLike) -> Any:
  """What a JSON file holds.

  Raises:
    InputError: it is missing, or no JSON.
  """
  try:
    with open(path, encoding='utf-8-sig') as file:
      return json.load(file)
  except FileNotFoundError:
    raise errors.InputError(f'{path}: no such file') from None
  except json.JSONDecodeError as error:
    raise errors.InputError(
      f'{path}:{error.lineno}: is not JSON: {error.msg}'
    ) from None
  except UnicodeDecodeError as error:
    raise errors.InputError(f'{path}: is not UTF-8 text: {error}') from None
  except (RecursionError, ValueError) as error:  # So deep, or of such digits.
    raise errors.InputError(f'{path}: is not JSON: {reason(error)}') from None


def sha256(path: str | os.PathLike) -> str:
  """The SHA-256 of a file's bytes, in hexadecimal."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def check_archive(path: str | os.PathLike) -> None:
  """Raises `BadZipFile` for a file that is no .npz: NumPy says to trust it."""
  if os.path.exists(path) and not zipfile.is_zipfile(path):
    raise zipfile.BadZipFile('it is no .npz file')


# What reading an archive raises that is cut off, or something else.
DAMAGED = (
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
)


def reason(error: Exception) -> str:
  """What an error says, in a line."""
  return str(error).splitlines()[0] if str(error) else type(error).__name__


def read_arrays(path: str | os.PathLike, what: str) -> dict[str, np.ndarray]:
  """All arrays of an .npz file, by name.

  Raises:
    FileNotFoundError: it is not there.
    InputError: it is not `what`: cut off, or something else.
  """
  try:
    check_archive(path)
    with np.load(path, allow_pickle=False) as archive:
      return {name: archive[name] for name in archive.files}
  except FileNotFoundError:
    raise
  except DAMAGED as error:
    raise errors.InputError(f'{path}: is not {what}: {reason(error)}') from None
