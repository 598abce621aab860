"""Saving and restoring trees of arrays; the only file that names Orbax.

A checkpoint `<step>` is a folder of parts, each an Orbax checkpoint. Where
several processes hold (members, ...) arrays, each writes those of its own
members as `<step>/<number of the first>`; else there is one part, `<step>/0`.

Orbax writes whole checkpoints or none, but restores a flipped bit without a
word. So a manifest with the SHA-256 of every file of all parts is written last,
beside the checkpoint: without one that fits, a checkpoint does not count. It is
why this is not Orbax' own writing by several processes: that makes one set of
files of what all hold, which nobody could check without reading all of it, and
it needs a folder that all see, where a mirror of a bucket is one of each.

What saves and restores, all processes have to call.
"""

import contextlib
import itertools
import json
import logging
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from empathy import errors, files
from empathy.training import parallel

_log = logging.getLogger('empathy')

_MANIFEST = '.sha256.json'
# Nothing changes an array while it is saved: so it is not copied before.
_HANDLERS = ocp.type_handlers.create_type_handler_registry(
  (jax.Array, ocp.type_handlers.ArrayHandler()),
  (np.ndarray, ocp.type_handlers.NumpyHandler(deepcopy_host_arrays=False)),
  (np.number, ocp.type_handlers.ScalarHandler()),
)
# Fetches files that are in a bucket, if they are not here yet.
Pull = Callable[[Iterable[pathlib.Path]], None]


@contextlib.contextmanager
def _checkpointer() -> Iterator[ocp.Checkpointer]:
  """Of one process for itself.

  Of arrays of NumPy Orbax writes those of process 0 only, whatever it is told
  of who the primary one is. So each is number 0 here, and alone.
  """
  options = ocp.options.MultiprocessingOptions(
    primary_host=0,
    active_processes={0},
    barrier_sync_key_prefix=f'process{jax.process_index()}',
  )
  index, count = jax.process_index, jax.process_count
  try:
    jax.process_index, jax.process_count = lambda *_: 0, lambda *_: 1
    handler = ocp.PyTreeCheckpointHandler(
      multiprocessing_options=options, type_handler_registry=_HANDLERS
    )
    with ocp.Checkpointer(
      handler, multiprocessing_options=options
    ) as checkpointer:
      yield checkpointer
  finally:
    jax.process_index, jax.process_count = index, count


def save(
  directory: pathlib.Path,
  step: int,
  tree: Any,
  rows: slice | None = None,
  push: Callable[[], None] = lambda: None,
) -> None:
  """Saves a tree of NumPy arrays as `directory/<step>`.

  Args:
    directory: made if need be.
    step: names the checkpoint; one of this number is replaced.
    tree: the arrays; where there are several processes, those of the members
      that this one is to write.
    rows: which of all members these are; there may be none. None for a tree of
      one process.
    push: copies what is new to a bucket. What makes the checkpoint count is
      still to be pushed, by process 0.
  """
  path = _path(directory, step)
  rows = slice(0, 1) if rows is None else rows
  with parallel.together():
    if parallel.is_main():
      remove(directory, step)
      if not parallel.is_alone():  # Others write: only if it is still ours.
        push()
  written = {}
  with parallel.together():
    if rows.start < rows.stop:
      part = path / str(rows.start)
      _delete(part)  # A mirror of a bucket may have it still.
      path.mkdir(parents=True, exist_ok=True)
      with _checkpointer() as checkpointer:
        checkpointer.save(part.absolute(), tree)
      written = _hashes(path, part)
    if not parallel.is_main():
      push()
  told = parallel.gathered(json.dumps(written))
  with parallel.together():
    if parallel.is_main():
      manifest = dict(
        itertools.chain.from_iterable(json.loads(x).items() for x in told)
      )
      files.write_json(_manifest_path(path), manifest)


def restore(
  directory: pathlib.Path,
  step: int,
  like: Any,
  rows: slice | None = None,
  pull: Pull = lambda _: None,
) -> Any:
  """Restores the tree that was saved as `directory/<step>`.

  Args:
    directory: of the checkpoints.
    step: which one.
    like: a tree of arrays or shapes with the same structure, of all members.
    rows: the members whose arrays this process asks for; only parts that have
      some are read. None for all.
    pull: fetches files.

  Returns:
    A tree of NumPy arrays.

  Raises:
    InputError: the checkpoint is missing or damaged, or holds something else,
      in any process.
  """
  path = _path(directory, step)
  shape = jax.tree.leaves(like)[0].shape
  parts = verify(directory, step, shape[0] if shape else 1, rows, pull)
  with parallel.together():
    trees = []
    for part in parts:
      where = path / str(part.start)
      if rows is None and len(parts) == 1:
        return _read(where, path, like)
      tree = _read(where, path, _resized(like, part.stop - part.start))
      if rows is not None:
        start, stop = (max(0, x - part.start) for x in (rows.start, rows.stop))
        tree = jax.tree.map(lambda x, a=start, b=stop: x[a:b], tree)
      trees.append(tree)
    if len(trees) == 1:
      return trees[0]
    empty = jax.tree.map(
      lambda x: np.zeros(x.shape, x.dtype), _resized(like, 0)
    )
    return jax.tree.map(lambda *x: np.concatenate(x), empty, *trees)


def _resized(like: Any, count: int) -> Any:
  """The shapes of arrays of so many members."""
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype), like
  )


def _read(part: pathlib.Path, path: pathlib.Path, like: Any) -> Any:
  """Reads a part of a checkpoint.

  Raises:
    InputError: it holds something else.
  """
  template = jax.tree.map(
    lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), like
  )
  with _checkpointer() as checkpointer:
    try:
      tree = checkpointer.restore(
        part.absolute(),
        item=template,
        restore_args=jax.tree.map(
          lambda x: ocp.RestoreArgs(restore_type=np.ndarray), template
        ),
      )
    except (KeyError, ValueError) as error:
      reason = str(error).splitlines()[0]
      raise errors.InputError(
        f'{path}: does not fit this configuration: {reason}'
      ) from None
  for (where, expected), array in zip(
    jax.tree_util.tree_leaves_with_path(like),
    jax.tree.leaves(tree),
    strict=True,
  ):
    found, wanted = (f'{x.dtype}{list(x.shape)}' for x in (array, expected))
    if found != wanted:
      raise errors.InputError(
        f'{path}: does not fit this configuration: '
        f'{jax.tree_util.keystr(where)} is {found}, expected {wanted}'
      )
  return tree


def restore_latest(
  directory: pathlib.Path,
  like: Any,
  rows: slice | None = None,
  pull: Pull = lambda _: None,
) -> tuple[int, Any] | None:
  """Restores the newest checkpoint that is whole for all processes.

  Args:
    directory: of the checkpoints; it need not exist.
    like: as for `restore`.
    rows: likewise.
    pull: likewise.

  Returns:
    Its step and its tree, or None where there is none.
  """
  found = json.loads(parallel.text_from_main(json.dumps(steps(directory))))
  for step in reversed(found):
    try:
      return step, restore(directory, step, like, rows, pull)
    except errors.InputError as error:
      if parallel.is_main():
        _log.warning('%s; falling back to the one before', error)
  return None


def verify(
  directory: pathlib.Path,
  step: int,
  count: int,
  rows: slice | None = None,
  pull: Pull = lambda _: None,
) -> list[slice]:
  """Makes sure that a checkpoint is as it was written.

  Args:
    directory: of the checkpoints.
    step: which one.
    count: of all members.
    rows: the members of which this process makes sure; None for all.
    pull: as for `restore`.

  Returns:
    The members of each part that has some of `rows`.

  Raises:
    InputError: it is missing or damaged, in any process.
  """
  path, text = _path(directory, step), ''
  with parallel.together():
    if parallel.is_main():
      try:
        text = _manifest_path(path).read_text()
        dict(json.loads(text))
      except (FileNotFoundError, TypeError, ValueError):
        raise errors.InputError(f'{path}: is no whole checkpoint') from None
  manifest = json.loads(parallel.text_from_main(text))
  names: dict[int, list[str]] = {}
  for name in manifest:
    names.setdefault(int(name.partition('/')[0]), []).append(name)
  firsts = sorted(names)
  parts = []
  with parallel.together():
    for first, end in itertools.pairwise([*firsts, count]):
      if rows is not None and (rows.start >= end or rows.stop <= first):
        continue
      pull(path / name for name in names[first])
      found = _hashes(path, path / str(first))
      for name in sorted({*names[first], *found}):
        if manifest.get(name) != found.get(name):
          raise errors.InputError(
            f'{path}: is damaged: {name} is not as written'
          )
      parts.append(slice(first, end))
  return parts


def is_finished(directory: pathlib.Path, step: int) -> bool:
  """Whether a checkpoint was written to its end; it may be damaged since."""
  return _manifest_path(_path(directory, step)).exists()


def remove_leftovers(directory: pathlib.Path) -> None:
  """Removes what is neither a checkpoint nor a manifest of one.

  A process that was killed as it wrote leaves such; no other may be writing.
  """
  names = [str(step) for step in steps(directory)]
  names += [_manifest_path(pathlib.Path(name)).name for name in names]
  for path in directory.glob('*'):
    if path.name not in names:
      _delete(path)


def keep_last(directory: pathlib.Path, count: int) -> None:
  """Removes all but the `count` newest checkpoints."""
  for step in steps(directory)[: -count or None]:
    remove(directory, step)


def remove(directory: pathlib.Path, step: int) -> None:
  """Removes a checkpoint, its manifest first; it need not exist."""
  path = _path(directory, step)
  _manifest_path(path).unlink(missing_ok=True)
  _delete(path)


def steps(directory: pathlib.Path) -> list[int]:
  """The steps of the checkpoints there, ascending; not all need be whole."""
  names = {path.name.removesuffix(_MANIFEST) for path in directory.glob('*')}
  return sorted(int(name) for name in names if name.isdigit())


def _delete(path: pathlib.Path) -> None:
  if path.is_dir():
    shutil.rmtree(path, ignore_errors=True)
  else:
    path.unlink(missing_ok=True)


def _path(directory: pathlib.Path, step: int) -> pathlib.Path:
  return directory / str(step)


def _manifest_path(path: pathlib.Path) -> pathlib.Path:
  return path.with_name(f'{path.name}{_MANIFEST}')


def _hashes(path: pathlib.Path, part: pathlib.Path) -> dict[str, str]:
  """Of the files of a part, by their names in `path`."""
  return {
    str(file.relative_to(path)): files.sha256(file)
    for file in sorted(part.rglob('*'))
    if file.is_file()
  }
