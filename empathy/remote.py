"""Workdirs and corpora in a bucket, gs:// or s3://.

A bucket has no folders, no rename and no locks, only objects that appear whole.
So the work is done in a local folder that is copied there now and then, and
what makes a set of files count, the manifest of a checkpoint, is copied after
them and removed before them. What is only read is fetched once a process.
"""

import atexit
import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import shutil
import socket
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from etils import epath

from empathy import errors

# Says who writes. A process that is started later takes the workdir over: the
# machine of the one before may be gone, and there is no lock to tell.
_OWNER = 'owner.txt'
# Files with such names make others count.
_MARKER = '.sha256.json'
_NUM_THREADS = 8
# What models and studies need of a corpus; the rest of it may be films.
CORPUS = ('corpus.json', 'clips.csv', 'votes.csv', 'features')


def is_remote(path: str | os.PathLike) -> bool:
  """Whether a path names a place in a bucket."""
  return '://' in os.fspath(path)


def refuse(path: str | os.PathLike | None, what: str, expected: str) -> None:
  """Raises an `InputError` if a path names a place in a bucket."""
  if path is not None and is_remote(path):
    raise errors.InputError(
      f'{what}: {path}: is in a bucket; expected {expected}'
    )


def here(path: str | os.PathLike, only: Sequence[str] = ()) -> pathlib.Path:
  """The folder itself, or what stands for one in a bucket, to be read.

  It is fetched when it is first asked for, and goes with the process.

  Args:
    path: a folder on this machine, or gs://... or s3://...
    only: as for `mirror`.

  Raises:
    InputError: the bucket is not to be reached.
  """
  if not is_remote(path):
    return pathlib.Path(path)
  return _fetched(os.fspath(path).rstrip('/'), tuple(only))


@functools.cache
def _fetched(path: str, only: tuple[str, ...]) -> pathlib.Path:
  stack = contextlib.ExitStack()
  local, _ = stack.enter_context(mirror(path, only))
  if not any(local.iterdir()):
    stack.close()
    raise errors.InputError(
      f'{path}: no such folder; expected {", ".join(only) or "files"}'
    )
  atexit.register(stack.close)
  return local


@contextlib.contextmanager
def mirror(
  path: str, only: Sequence[str] = ()
) -> Iterator[tuple[pathlib.Path, Callable[[], None]]]:
  """Lends a local folder that stands for one in a bucket.

  Args:
    path: the folder, gs://... or s3://...; it need not exist.
    only: what to fetch of it, by its name at the top; all, by default.

  Yields:
    The local folder with what was there, and a function that copies back what
    has changed since.

  Raises:
    InputError: the bucket is not to be reached; messages from the block name
      the place in the bucket, not the local folder.
  """
  with _mirrored(path) as twin:
    with _told(path):
      twin.fetch(only)
    yield twin.local, twin.push


@contextlib.contextmanager
def shared(
  path: str, large: Sequence[str] = (), is_owner: bool = True
) -> Iterator[
  tuple[
    pathlib.Path, Callable[[], None], Callable[[Iterable[pathlib.Path]], None]
  ]
]:
  """Lends such a folder to each of the processes that write one workdir.

  Args:
    path: as for `mirror`.
    large: the folders at its top of which nothing but markers is fetched.
    is_owner: whether this process goes on with the workdir, from the first copy
      on. The others have no file to begin with, and only add some.

  Yields:
    The local folder, a function that copies back as that of `mirror` does, and
    one that fetches files which the bucket has. The first raises `InputError`
    once another process has taken the workdir over.

  Raises:
    InputError: as for `mirror`.
  """
  with _mirrored(path, is_owner) as twin:
    if is_owner:
      with _told(path):
        twin.fetch((), large)
    yield twin.local, twin.push, twin.pull


@contextlib.contextmanager
def _mirrored(path: str, is_owner: bool | None = None) -> Iterator['_Mirror']:
  """A mirror with nothing in it; `is_owner`: None where nobody is to be."""
  remote = epath.Path(path)
  with tempfile.TemporaryDirectory(prefix='empathy-') as holder:
    # By its name others may call what they make of it.
    local = pathlib.Path(holder).resolve() / (remote.name or 'bucket')
    local.mkdir()
    errors.places[str(local)] = path.rstrip('/')
    twin = _Mirror(remote, local, is_owner)
    try:
      yield twin
    except (errors.InputError, errors.Stopped) as error:
      raise type(error)(errors.named(str(error))) from error
    finally:
      del errors.places[str(local)]


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
  """Makes one line of what the libraries of a bucket say."""
  try:
    yield
  except errors.InputError:
    raise
  except ImportError as error:
    raise errors.InputError(
      f"{path}: {error}: install the extra 'gs' or 's3': pip install -e '.[gs]'"
    ) from error
  except Exception as error:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    raise errors.InputError(
      f'{path}: is not to be reached: {reason}'
    ) from error


class _Mirror:
  """Two folders, and what is the same in both."""

  def __init__(
    self, remote: epath.Path, local: pathlib.Path, is_owner: bool | None
  ):
    self.local = local
    self._remote, self._is_owner = remote, is_owner
    # What is in the bucket: by name, the size and time of the local file.
    self._copied: dict[str, tuple[int, int]] = {}
    # What is in the bucket only.
    self._away: set[str] = set()
    self._owner = ''

  def fetch(self, only: Sequence[str], large: Sequence[str] = ()) -> None:
    names = [
      name
      for name in _names(self._remote)
      if name != _OWNER and (not only or name.partition('/')[0] in only)
    ]
    self._away = {
      name
      for name in names
      if name.partition('/')[0] in large and not name.endswith(_MARKER)
    }
    self._fetch([name for name in names if name not in self._away])

  def pull(self, paths: Iterable[pathlib.Path]) -> None:
    names = [str(path.relative_to(self.local)) for path in paths]
    with _told(os.fspath(self._remote)):
      self._fetch([name for name in names if not (self.local / name).exists()])

  def _fetch(self, names: Sequence[str]) -> None:
    def copy(name: str) -> None:
      (self.local / name).parent.mkdir(parents=True, exist_ok=True)
      # What is not there either, is told of where it is missed.
      with contextlib.suppress(FileNotFoundError):
        _copy(self._remote / name, self.local / name)
        self._copied[name] = _state(self.local / name)

    _each(copy, names)
    self._away -= self._copied.keys()

  def push(self) -> None:
    with _told(os.fspath(self._remote)):
      self._push()

  def _push(self) -> None:
    if self._is_owner and not self._owner:
      self._owner = (
        f'process {os.getpid()} on {socket.gethostname()}, '
        f'{os.urandom(8).hex()}'
      )
      self._remote.mkdir(parents=True, exist_ok=True)
      (self._remote / _OWNER).write_text(self._owner)
    elif self._is_owner:
      owner = (self._remote / _OWNER).read_text()
      if owner != self._owner:
        raise errors.InputError(
          f'{self._remote}: was taken over by {owner.partition(",")[0]}'
        )
    now = {
      name: _state(self.local / name)
      for name in _names(self.local)
      if not name.startswith(('.', 'stream/'))
    }
    new = [name for name in now if now[name] != self._copied.get(name)]
    gone = []
    if self._is_owner is not False:
      gone = [name for name in self._copied if name not in now]
      # What other processes wrote counts for as long as its marker is there.
      gone += [name for name in self._away if not _marked(name, now)]
      # What is replaced does not count while it is: its marker goes first.
      folders = {name.removesuffix(_MARKER) for name in new if _MARKER in name}
      gone += [
        f'{x}{_MARKER}' for x in folders if f'{x}{_MARKER}' in self._copied
      ]

    def copy(name: str) -> None:
      (self._remote / name).parent.mkdir(parents=True, exist_ok=True)
      _copy(self.local / name, self._remote / name)

    def remove(name: str) -> None:
      (self._remote / name).unlink(missing_ok=True)

    markers = [name for name in new if name.endswith(_MARKER)]
    _each(remove, [name for name in gone if name.endswith(_MARKER)])
    _each(copy, [name for name in new if not name.endswith(_MARKER)])
    _each(copy, markers)
    _each(remove, [name for name in gone if not name.endswith(_MARKER)])
    self._copied = now
    self._away -= {*gone}
    if self._is_owner:
      for marker in markers:
        parts = json.loads((self.local / marker).read_text())
        folder = marker.removesuffix(_MARKER)
        self._away |= {f'{folder}/{name}' for name in parts} - now.keys()


def _marked(name: str, now: Collection[str]) -> bool:
  """Whether a file belongs to something that counts."""
  return any(f'{x}{_MARKER}' in now for x in pathlib.PurePath(name).parents)


def _each(function: Callable[[str], None], names: Sequence[str]) -> None:
  with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as pool:
    list(pool.map(function, names))


def _names(folder: pathlib.Path, prefix: str = '') -> list[str]:
  """The files below a folder, by their names in there."""
  if not folder.exists():
    return []
  names = []
  for entry in sorted(folder.iterdir()):
    if entry.is_dir():
      names += _names(entry, f'{prefix}{entry.name}/')
    else:
      names.append(f'{prefix}{entry.name}')
  return names


def _state(path: pathlib.Path) -> tuple[int, int]:
  status = path.stat()
  return status.st_size, status.st_mtime_ns


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
  with source.open('rb') as reader, target.open('wb') as writer:
    shutil.copyfileobj(reader, writer, 1 << 22)
