"""What a run's folder holds, besides checkpoints and metrics.

`config.json` is what was asked for, `members.json` what came of it: enough to
predict new clips with, and to know which clips each member never saw.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import logging
import os
import pathlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ml_collections

from empathy import errors, files, nearest, versions
from empathy.corpora import corpus as corpora
from empathy.training import chunks, configuration, members

_log = logging.getLogger('empathy')

_LOCK = '.lock'
_PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


@dataclasses.dataclass(frozen=True)
class Trained:
  """The content of `members.json`.

  Attributes:
    classes: C names.
    widths: by modality, the width of its features.
    max_length: by modality that is a sequence, the longest one.
    fold_wise: the modalities whose features come from encoders of each fold.
    fold_of: by clip id, the fold that holds it out; -1 for none.
    members: for each chunk, for each member, its name and how it went; in a
      sweep, whether its setting was chosen.
    offsets: by modality of whose columns something was taken, what it was.
    values: of the classes; none where they are no numbers.
  """

  classes: tuple[str, ...]
  widths: Mapping[str, int]
  max_length: Mapping[str, int]
  fold_wise: Sequence[str]
  fold_of: Mapping[str, int]
  members: Sequence[Sequence[Mapping[str, Any]]]
  offsets: Mapping[str, Sequence[float]]
  values: Sequence[float]

  def names(self, chunk: int) -> list[members.Name]:
    """The names of a chunk's members."""
    return [
      members.Name(
        *(entry[key] for key in ('view', 'fold', 'seed')),
        tuple(entry.get('setting', {}).items()),
      )
      for entry in self.members[chunk]
    ]


@contextlib.contextmanager
def lock(path: pathlib.Path) -> Iterator[bool]:
  """Keeps other processes from writing to a workdir while the block runs.

  The lock goes with the process, however that ends. What a killed one left
  half-written at the top of the workdir is removed.

  Args:
    path: the workdir, made if need be.

  Yields:
    Whether the workdir is new.

  Raises:
    InputError: another process has it.
  """
  is_new = not path.exists()
  try:
    path.mkdir(parents=True, exist_ok=True)
  except FileExistsError:
    raise errors.InputError(f'{path}: is not a folder') from None
  with _locked(path / _LOCK, path):
    files.remove_leftovers(path)
    yield is_new and [entry.name for entry in path.iterdir()] == [_LOCK]


def holder(path: pathlib.Path) -> str:
  """Who has a workdir locked, in words; nothing where nobody has."""
  try:
    return (path / _LOCK).read_text(encoding='utf-8')
  except (FileNotFoundError, NotADirectoryError):
    return ''


@contextlib.contextmanager
def _locked(path: pathlib.Path, workdir: pathlib.Path) -> Iterator[None]:
  """Holds a file locked, with a note of who does; removes it in the end."""
  while True:
    with open(path, 'a+', encoding='utf-8') as file:
      try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        file.seek(0)
        raise errors.InputError(
          f'{workdir}: is in use by {file.read() or "another process"}: wait '
          'for it, or choose another --workdir'
        ) from None
      except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
          raise
        _log.warning(
          '%s: its file system knows no locks: see to it that no other process '
          'writes there',
          workdir,
        )
      # The one before may have removed the file since it was opened.
      try:
        is_there = os.path.samestat(os.fstat(file.fileno()), path.stat())
      except FileNotFoundError:
        is_there = False
      if not is_there:
        continue
      file.truncate(0)
      file.write(f'process {os.getpid()} on {socket.gethostname()}')
      file.flush()
      try:
        yield
      finally:
        path.unlink(missing_ok=True)
      return


def check_apart(path: pathlib.Path, corpus: pathlib.Path) -> None:
  """Makes sure that a run does not write among the files of its corpus.

  Args:
    path: the workdir.
    corpus: the corpus folder.

  Raises:
    InputError: they are one folder, or one is in the other.
  """
  own, other = (
    pathlib.Path(errors.named(str(x.resolve()))) for x in (path, corpus)
  )
  if own == other:
    raise errors.InputError(
      f'--workdir: {path}: is the corpus folder; choose another'
    )
  if own in other.parents or other in own.parents:
    inner, outer = (own, other) if other in own.parents else (other, own)
    raise errors.InputError(
      f'--workdir: {path}: {inner} is inside {outer}: the workdir and the '
      'corpus have to be folders side by side'
    )


def check(
  path: pathlib.Path,
  config: ml_collections.ConfigDict,
  corpus: pathlib.Path,
  hashes: Mapping[str, str],
) -> None:
  """Makes sure that a run that is there goes on as it began.

  Args:
    path: the workdir.
    config: of the run.
    corpus: the corpus folder.
    hashes: of its files, as `corpus.file_hashes` gives them.

  Raises:
    InputError: the workdir belongs to another configuration or corpus.
  """
  if not (path / 'config.json').exists():
    return
  old = read_config(path)
  faults = []
  # What a config may leave out, an older one did not even know.
  new, was = (
    configuration.as_json(configuration.complete(x))
    for x in (config, ml_collections.ConfigDict(old['config']))
  )
  for key, new_value, old_value in differences(new, was):
    if key != 'corpus':
      faults.append(f'config.{key} is {new_value!r}, was {old_value!r}')
  if old['files'] != hashes:
    changes = [
      f'{name} differs'
      if now and was
      else f'{name} is {"new" if now else "gone"}'
      for name, now, was in differences(hashes, old['files'])
    ]
    faults.append(
      f'the corpus {corpus} is not what was trained on: {", ".join(changes)}'
    )
  if faults:
    raise errors.InputError(
      f'{path}: holds another run: {"; ".join(faults)}; choose another '
      '--workdir'
    )


def groups(path: pathlib.Path) -> list[chunks.Group]:
  """The groups of members of the run that is there; none where none is."""
  if not (path / 'config.json').exists():
    return []
  return chunks.from_entries(read_config(path)['groups'])


def begin(
  path: pathlib.Path,
  config: ml_collections.ConfigDict,
  corpus: pathlib.Path,
  hashes: Mapping[str, str],
  groups_: Sequence[chunks.Group],
) -> None:
  """Writes `config.json`, if it is not there.

  Args:
    path: the workdir.
    config: of the run.
    corpus: the corpus folder.
    hashes: of its files, as `corpus.file_hashes` gives them.
    groups_: of members, which go by the devices that it began on.
  """
  if not (path / 'config.json').exists():
    record = {
      'config': configuration.as_json(config),
      'corpus': errors.named(str(corpus.absolute())),
      'fingerprint': corpora.fingerprint_of(hashes),
      'files': dict(hashes),
      'groups': chunks.as_entries(groups_),
      'git': versions.commit(),
      'versions': versions.of(_PACKAGES),
    }
    files.write_json(path / 'config.json', record)


def read_config(path: pathlib.Path) -> dict[str, Any]:
  """Reads `config.json`.

  Raises:
    InputError: it is missing or damaged.
  """
  return _read_json(
    path / 'config.json', ('config', 'corpus', 'files', 'groups')
  )


def write_trained(path: pathlib.Path, trained: Trained) -> None:
  """Writes `members.json`."""
  files.write_json(path / 'members.json', dataclasses.asdict(trained))


def read_trained(path: pathlib.Path) -> Trained:
  """Reads `members.json`.

  Raises:
    InputError: it is missing or damaged.
  """
  fields = [field.name for field in dataclasses.fields(Trained)]
  record = _read_json(path / 'members.json', fields)
  record['classes'] = tuple(record['classes'])
  return Trained(**{field: record[field] for field in fields})


def members_path(path: pathlib.Path) -> pathlib.Path:
  """Where the parameters of trained members are, a checkpoint a chunk."""
  return path / 'members'


def checkpoints_path(path: pathlib.Path, chunk: int) -> pathlib.Path:
  """Where the checkpoints of a chunk in training are."""
  return path / 'checkpoints' / str(chunk)


def has_state(path: pathlib.Path) -> bool:
  """Whether a run has something there to go on from."""
  found = *path.glob('checkpoints/*/*'), *members_path(path).glob('*')
  return bool(found)


def _read_json(path: pathlib.Path, keys: Sequence[str]) -> dict[str, Any]:
  try:
    record = json.loads(path.read_text(encoding='utf-8'))
  except (FileNotFoundError, NotADirectoryError):
    raise errors.InputError(
      f'{path}: no such file; is this the --workdir of a run that has ended?'
      + nearest.folder_hint(path.parent, 'config.json').removeprefix(';')
    ) from None
  except (UnicodeDecodeError, json.JSONDecodeError) as error:
    raise errors.InputError(f'{path}: is not JSON: {error}') from None
  missing = [
    key for key in keys if not isinstance(record, dict) or key not in record
  ]
  if missing:
    raise errors.InputError(f'{path}: lacks the keys {", ".join(missing)}')
  return record


def differences(
  new: Mapping, old: Mapping, prefix: str = ''
) -> Iterator[tuple[str, Any, Any]]:
  """What differs in nested mappings: its place, as in 'model.width', and both.

  What is only in one of them is None in the other.
  """
  for key in sorted({*new, *old}):
    new_value, old_value = new.get(key), old.get(key)
    if isinstance(new_value, dict) and isinstance(old_value, dict):
      yield from differences(new_value, old_value, f'{prefix}{key}.')
    elif new_value != old_value:
      yield f'{prefix}{key}', new_value, old_value
