"""Cuts a process off at a moment of its own: the n-th change of a folder.

A process is watched by an audit hook, and struck just before it changes
something in the folder: opens a file to write, renames, removes. Between two
such moments nothing on the disk changes, but for what libraries write in
threads of their own, so these are all the moments that there are. No time is
involved: the n-th change is always the same.
"""

import collections
import contextlib
import dataclasses
import itertools
import os
import pathlib
import random
import resource
import signal
import sys

KINDS = ('kill', 'stop', 'disk', 'damage')
_CHANGES = {
  'open',
  'os.mkdir',
  'os.remove',
  'os.rename',
  'os.rmdir',
  'os.truncate',
}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclasses.dataclass(frozen=True)
class Interruption:
  """When a process is cut off, and how.

  Attributes:
    folder: whose changes count, and those that are named relative to a folder.
    moment: the change that is not made, from 1; 0: none, they are counted.
    kind: 'kill' (SIGKILL), 'stop' (SIGTERM), 'disk' (full from now on), or
      'damage', which is 'kill' here: its files are damaged afterwards.
    room: with a full disk, the bytes that a file may still have.
  """

  folder: str
  moment: int = 0
  kind: str = 'kill'
  room: int = 0


def arm(interruption: Interruption) -> collections.abc.Callable[[], int]:
  """Has it come to this process; returns what counts the changes so far."""
  numbers, last = itertools.count(1), [0]

  def hook(event: str, arguments: tuple) -> None:
    if event in _CHANGES and _is_inside(event, arguments, interruption.folder):
      last[0] = next(numbers)
      if last[0] == interruption.moment:
        _strike(interruption)

  sys.addaudithook(hook)
  return lambda: last[0]


def _is_inside(event: str, arguments: tuple, folder: str) -> bool:
  path, *rest = arguments
  if event == 'open' and not (isinstance(rest[-1], int) and rest[-1] & _WRITES):
    return False
  if isinstance(path, int):
    return False
  path = os.fsdecode(path)
  # What is relative is so to an open folder, as `shutil.rmtree` has it.
  return path.startswith(folder) or not os.path.isabs(path)


def _strike(interruption: Interruption) -> None:
  if interruption.kind == 'disk':
    room = interruption.room
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
  elif interruption.kind == 'stop':
    os.kill(os.getpid(), signal.SIGTERM)
  else:
    os.kill(os.getpid(), signal.SIGKILL)


def draw(
  dice: random.Random, folder: os.PathLike, num_changes: int, kind: str
) -> Interruption:
  """A moment among the first `num_changes`, all alike."""
  room = dice.choice((0, 0, 300, 3_000))
  moment = dice.randint(1, num_changes)
  return Interruption(os.fspath(folder), moment, kind, room)


def damage(dice: random.Random, candidates: list[pathlib.Path]) -> str:
  """Cuts the newest file, or flips a bit of it; says which."""
  found = []
  for path in candidates:
    with contextlib.suppress(FileNotFoundError):
      status = path.stat()
      if status.st_size:
        found.append((status.st_mtime_ns, str(path), status.st_size))
  if not found:
    return ''
  _, path, size = max(found)
  if dice.random() < 0.5:
    os.truncate(path, dice.randrange(size))
    return path
  with open(path, 'r+b') as file:
    file.seek(at := dice.randrange(size))
    byte = file.read(1)[0] ^ 1 << dice.randrange(8)
    file.seek(at)
    file.write(bytes([byte]))
  return path


def content(folder: pathlib.Path) -> dict[str, bytes]:
  """The bytes of every file below, hidden ones too, by its relative path."""
  return {
    str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b''
    for path in sorted(folder.rglob('*'))
  }
