"""Saving and restoring trees of arrays; the only file that names Orbax.

Orbax writes whole checkpoints or none, but restores a flipped bit without a
word. So a manifest with the SHA-256 of every file is written last, beside the
checkpoint: without one that fits, a checkpoint does not count.
"""

import json
import logging
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from empathy import errors, files

_log = logging.getLogger('empathy')


def _checkpointer() -> ocp.Checkpointer:
  """Of one process for itself: which one, is settled outside."""
  here = jax.process_index()
  options = ocp.options.MultiprocessingOptions(
    primary_host=here,
    active_processes={here},
    barrier_sync_key_prefix=f'process{here}',
  )
  handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=options)
  return ocp.Checkpointer(handler, multiprocessing_options=options)


def save(directory: pathlib.Path, step: int, tree: Any) -> None:
  """Saves a tree of NumPy arrays as `directory/<step>`.

  Args:
    directory: made if need be.
    step: names the checkpoint; one of this number is replaced.
    tree: the arrays.
  """
  path = _path(directory, step)
  directory.mkdir(parents=True, exist_ok=True)
  remove(directory, step)
  with _checkpointer() as checkpointer:
    checkpointer.save(path.absolute(), tree)
  files.write_json(_manifest_path(path), _hashes(path))


def restore(directory: pathlib.Path, step: int, like: Any) -> Any:
  """Restores the tree that was saved as `directory/<step>`.

  Args:
    directory: of the checkpoints.
    step: which one.
    like: a tree of arrays or shapes with the same structure.

  Returns:
    A tree of NumPy arrays.

  Raises:
    InputError: the checkpoint is missing or damaged, or holds something else.
  """
  verify(directory, step)
  path = _path(directory, step)
  template = jax.tree.map(
    lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), like
  )
  with _checkpointer() as checkpointer:
    try:
      tree = checkpointer.restore(
        path.absolute(),
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
  directory: pathlib.Path, like: Any
) -> tuple[int, Any] | None:
  """Restores the newest checkpoint that is whole.

  Args:
    directory: of the checkpoints; it need not exist.
    like: as for `restore`.

  Returns:
    Its step and its tree, or None where there is none.
  """
  for step in reversed(steps(directory)):
    try:
      return step, restore(directory, step, like)
    except errors.InputError as error:
      _log.warning('%s; falling back to the one before', error)
  return None


def verify(directory: pathlib.Path, step: int) -> None:
  """Makes sure that a checkpoint is as it was written.

  Raises:
    InputError: it is missing or damaged.
  """
  path = _path(directory, step)
  try:
    manifest = dict(json.loads(_manifest_path(path).read_text()))
  except (FileNotFoundError, TypeError, ValueError):
    raise errors.InputError(f'{path}: is no whole checkpoint') from None
  found = _hashes(path)
  for name in sorted({*manifest, *found}):
    if manifest.get(name) != found.get(name):
      raise errors.InputError(f'{path}: is damaged: {name} is not as written')


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
  return sorted(
    int(path.name) for path in directory.glob('*') if path.name.isdigit()
  )


def _delete(path: pathlib.Path) -> None:
  if path.is_dir():
    shutil.rmtree(path, ignore_errors=True)
  else:
    path.unlink(missing_ok=True)


def _path(directory: pathlib.Path, step: int) -> pathlib.Path:
  return directory / str(step)


def _manifest_path(path: pathlib.Path) -> pathlib.Path:
  return path.with_name(f'{path.name}.sha256.json')


def _hashes(path: pathlib.Path) -> dict[str, str]:
  return {
    str(file.relative_to(path)): files.sha256(file)
    for file in sorted(path.rglob('*'))
    if file.is_file()
  }
