"""Training chunk by chunk, from the last checkpoint on."""

import contextlib
import dataclasses
import functools
import logging
import pathlib
import time
from collections.abc import Callable, Sequence

import jax
import ml_collections
import numpy as np

from empathy import errors, named, progress
from empathy.training import (
  checkpoints,
  chunks,
  inference,
  members,
  metric_writer,
  parallel,
  planning,
  step,
  stream,
  workdir,
)

_log = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class Outside:
  """What a run has to do with the world.

  Attributes:
    is_stopped: whether SIGTERM came.
    push: to be called when the workdir has a new state worth keeping.
  """

  is_stopped: Callable[[], bool]
  push: Callable[[], None] = lambda: None


@dataclasses.dataclass(frozen=True)
class Trainer:
  """Trains what a run has planned.

  Attributes:
    config: of the run.
    path: the workdir.
    plan: of the run.
    outside: when to stop, and what to tell of a new state.
  """

  config: ml_collections.ConfigDict
  path: pathlib.Path
  plan: planning.Plan
  outside: Outside

  def train(self) -> None:
    """Trains the chunks that are not yet trained, one after another.

    Raises:
      Stopped: SIGTERM came; the state is saved.
    """
    finished = self._finished()
    epochs_each = self.plan.program.recipe.total_epochs
    num_epochs = len(self.plan.chunks) * epochs_each
    with progress.Progress('training', num_epochs, 'epoch') as bar:
      bar.skip(sum(finished) * epochs_each)
      if finished.all():
        return
      data = self.plan.layout.replicate(self.plan.data)
      # Compiled once for all chunks of a network.
      compiled = functools.cache(self._compiled)
      for number in np.flatnonzero(~finished).tolist():
        chunk = self.plan.chunks[number]
        init, run = compiled(chunk.program.computed)
        training = _Training(self, number, chunk, data, init, run, bar)
        kept = training.run_epochs()
        with parallel.together():
          if parallel.is_main():
            directory = workdir.members_path(self.path)
            inference.save_chunk(directory, number, training.members, kept)
            checkpoints.keep_last(training.directory, 0)
            self.outside.push()

  def _finished(self) -> np.ndarray:
    """Which chunks are trained, (chunks,) bool."""
    directory = workdir.members_path(self.path)
    finished = np.zeros(len(self.plan.chunks), bool)
    with parallel.together():
      if parallel.is_main():
        checkpoints.remove_leftovers(directory)
        for number in range(len(self.plan.chunks)):
          finished[number] = _is_finished(directory, number)
    return parallel.from_main(finished)

  def _compiled(self, computed: tuple[str, ...] | None) -> tuple:
    """`step.init` and `step.train_epoch`, for the devices."""
    program = next(
      chunk.program
      for chunk in self.plan.chunks
      if chunk.program.computed == computed
    )
    layout = self.plan.layout
    return (
      layout.map(functools.partial(step.init, program), num_shared=1),
      layout.update(functools.partial(step.train_epoch, program), num_shared=2),
    )


class _Training:
  """The training of one chunk."""

  def __init__(
    self,
    trainer: Trainer,
    number: int,
    chunk: chunks.Chunk,
    data: step.Data,
    init: Callable,
    run: Callable,
    bar: progress.Progress,
  ):
    """Puts the members on the devices.

    Args:
      trainer: of the run.
      number: of the chunk.
      chunk: its members.
      data: the corpus, on the devices.
      init: `step.init`, compiled for the layout.
      run: `step.train_epoch`, likewise.
      bar: counts epochs.
    """
    self.members = chunk.of(trainer.plan.members)
    self.directory = workdir.checkpoints_path(trainer.path, number)
    self._trainer, self._number, self._chunk = trainer, number, chunk
    self._data, self._init, self._run, self._bar = data, init, run, bar
    self._layout = trainer.plan.layout
    self._sharded = self._layout.shard(self.members, chunk.size)
    self._saved = time.monotonic()

  def run_epochs(self) -> step.State:
    """Trains the members, or goes on; returns what is kept of them.

    It is a state without what only training needs; that of process 0 counts, as
    `gather` gives it.

    Raises:
      Stopped: it did; the state is saved.
    """
    first, state = self._begin()
    config, told = self._trainer.config, set()
    names, num_epochs = (
      self._chunk.names,
      self._chunk.program.recipe.total_epochs,
    )
    with contextlib.ExitStack() as stack:
      with parallel.together():
        if parallel.is_main():
          writer = stack.enter_context(
            metric_writer.MetricWriter(self._trainer.path, self._number, first)
          )
      for epoch in range(first, num_epochs):
        state, values = self._epoch(epoch, state)
        with parallel.together():
          if parallel.is_main():
            phase = 'train' if epoch < config.num_epochs else 'refit'
            writer.write(epoch, names, values, phase)
            _tell_diverged(epoch, names, values, told)
            self._bar.advance(
              note=note(phase, values, self._trainer.plan.program.recipe.select)
            )
        self._save_if_due(epoch, state)
    kept = state._replace(params=None, batch_stats=None, opt_state=None)
    return self._fetched(kept)

  def _begin(self) -> tuple[int, step.State]:
    """The first epoch to train, and the state before it."""
    program = self._chunk.program
    init = jax.vmap(functools.partial(step.init, program), in_axes=(None, 0))
    like = jax.eval_shape(init, self._trainer.plan.data, self.members)
    found = None
    with parallel.together():
      if parallel.is_main():
        checkpoints.remove_leftovers(self.directory)
        found = checkpoints.restore_latest(self.directory, like)
    first = int(parallel.from_main(np.int32(found[0] if found else 0)))
    if not first:
      return 0, self._init(self._data, self._sharded)
    state = found[1] if found else jax.tree.map(_zeros, like)
    self._bar.skip(first)
    _log.info('chunk %d goes on from epoch %d', self._number, first)
    # One after another: there may be much of it.
    return first, jax.tree.map(
      lambda x: self._layout.shard(parallel.from_main(x), self._chunk.size),
      state,
    )

  def _epoch(
    self, epoch: int, state: step.State
  ) -> tuple[step.State, dict[str, np.ndarray]]:
    """Trains all members for an epoch."""
    program = self._chunk.program
    if program.source is not None:
      program.source.expect(
        stream.sequences(program, self._layout, self.members, epoch)
      )
    now = self._layout.replicate(np.int32(epoch))
    state, values = self._run(self._data, now, self._sharded, state)
    return state, self._fetched(values)

  def _save_if_due(self, epoch: int, state: step.State) -> None:
    """Saves the state if it is time to, or to stop.

    Raises:
      Stopped: the latter.
    """
    outside, num_epochs = (
      self._trainer.outside,
      self._chunk.program.recipe.total_epochs,
    )
    stopped = parallel.any_process(outside.is_stopped())
    waited = time.monotonic() - self._saved
    is_due = waited >= self._trainer.config.checkpoint_seconds
    if stopped or parallel.from_main(np.array(is_due)):
      whole = self._fetched(state)
      with parallel.together():
        if parallel.is_main():
          checkpoints.save(self.directory, epoch + 1, whole)
          checkpoints.keep_last(self.directory, 2)
          outside.push()
      self._saved = time.monotonic()
    if stopped:
      raise errors.Stopped(
        f'chunk {self._number} is saved after epoch {epoch + 1} of '
        f'{num_epochs}; run the same command again: it goes on there'
      )

  def _fetched(self, tree):
    return self._layout.gather(tree, len(self._chunk.names))


def note(
  phase: str, values: dict[str, np.ndarray], select: str = 'accuracy'
) -> str:
  """What the line of progress says of an epoch."""
  key, of = f'val/{named.label(select)}', ''
  if phase == 'refit':
    key, of = 'train/loss', ', in the second training'
  count = len(values[key])
  members_ = f'of {count} members' if count > 1 else 'of the member'
  return f'mean {key} {members_}{of} {values[key].mean():.3f}'


def _is_finished(directory: pathlib.Path, number: int) -> bool:
  """Whether a chunk is trained; one that was damaged since no longer is."""
  if not checkpoints.is_finished(directory, number):
    return False
  try:
    checkpoints.verify(directory, number)
  except errors.InputError as error:
    _log.warning('%s; chunk %d is trained again', error, number)
    return False
  return True


def _zeros(x: jax.ShapeDtypeStruct) -> np.ndarray:
  return np.zeros(x.shape, x.dtype)


def _tell_diverged(
  epoch: int,
  names: Sequence[members.Name],
  values: dict[str, np.ndarray],
  told: set[members.Name],
) -> None:
  """Names each member whose loss is not finite, once."""
  for name, ok in zip(names, values['finite'], strict=False):
    if not ok and name not in told:
      told.add(name)
      _log.warning(
        '%s: the loss is not finite from epoch %d on; the other members go on',
        name,
        epoch,
      )
