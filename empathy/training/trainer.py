"""Training chunk by chunk, from the last checkpoint on."""

import contextlib
import dataclasses
import functools
import logging
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

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
  programs,
  step,
  stream,
  workdir,
)

_log = logging.getLogger('empathy')

# So many have a figure each in the line of progress.
_FEW_VIEWS = 4


@dataclasses.dataclass(frozen=True)
class Outside:
  """What a run has to do with the world.

  Attributes:
    is_stopped: whether SIGTERM came.
    push: to be called when the workdir has a new state worth keeping.
    pull: to be called for files of checkpoints, before they are read.
  """

  is_stopped: Callable[[], bool]
  push: Callable[[], None] = lambda: None
  pull: checkpoints.Pull = lambda _: None


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
    plan, directory = self.plan, workdir.members_path(self.path)
    with parallel.together():
      if parallel.is_main():
        checkpoints.remove_leftovers(directory)
    finished = np.array([self._is_finished(x) for x in range(len(plan.chunks))])
    epochs_each = plan.program.recipe.total_epochs
    num_epochs = len(plan.chunks) * epochs_each
    work = _work(plan)
    bar = progress.Progress(
      'training', num_epochs, 'epoch', epochs_each * sum(work)
    )
    with bar:
      for number in np.flatnonzero(finished).tolist():
        bar.skip(epochs_each, epochs_each * work[number])
      if finished.all():
        return
      data = plan.layout.replicate(plan.data)
      compiled = programs.Programs(plan.layout, plan.program)
      for number in np.flatnonzero(~finished).tolist():
        state = self._train_chunk(number, data, compiled, bar, work[number])
        chunk = plan.chunks[number]
        rows = plan.layout.own_rows(len(chunk.names), chunk.size)
        own = jax.tree.map(lambda x, rows=rows: x[rows], chunk.of(plan.members))
        saved = inference.without_unused(
          chunk.program,
          plan.data,
          chunk.names[rows],
          inference.saved(own, state),
        )
        checkpoints.save(directory, number, saved, rows, self.outside.push)
        self._keep_last(number, 0)

  def _train_chunk(
    self,
    number: int,
    data: step.Data,
    compiled: programs.Programs,
    bar: progress.Progress,
    work: float,
  ) -> step.State:
    """Trains the members of one chunk, or goes on; returns what is kept.

    It is a state without what only training needs, of the members that this
    process saves.

    Args:
      number: of the chunk.
      data: the corpus, on the devices.
      compiled: for the layout.
      bar: counts epochs.
      work: in an epoch, as `bar` has it.
    """
    layout, chunk = self.plan.layout, self.plan.chunks[number]
    members_ = chunk.of(self.plan.members)
    sharded = layout.shard(members_, chunk.size)
    first, state = self._restored(number, members_)
    bar.skip(first, first * work)
    if not first:
      state = compiled.init(chunk.program, data, sharded)
    run = compiled.train_epoch(chunk.program, data, sharded, state)
    later = self.plan.chunks[number + 1 :]
    networks = {x.program.computed for x in later} - {chunk.program.computed}
    bar.prepared('compiled', len(networks))
    saved, told = time.monotonic(), set()
    with contextlib.ExitStack() as stack:
      with parallel.together():
        if parallel.is_main():
          writer = stack.enter_context(
            metric_writer.MetricWriter(self.path, number, first)
          )
      for epoch in range(first, chunk.program.recipe.total_epochs):
        if chunk.program.source is not None:
          chunk.program.source.expect(
            stream.sequences(chunk.program, layout, members_, epoch)
          )
        now = layout.replicate(np.int32(epoch))
        state, values = run(now, state)
        values = layout.gather(values, len(chunk.names))
        with parallel.together():
          if parallel.is_main():
            phase = 'train' if epoch < self.config.num_epochs else 'refit'
            values['train/learning_rate'] = self._learning_rates[
              epoch, chunk.rows
            ]
            writer.write(epoch, chunk.names, values, phase)
            _tell_diverged(epoch, chunk.names, values, told)
            select = chunk.program.recipe.select
            views = [name.view for name in chunk.names]
            bar.advance(note=note(phase, values, views, select), work=work)
        if self._saved(number, epoch, state, time.monotonic() - saved):
          saved = time.monotonic()
      epochs = layout.gather(state.best_epoch, len(chunk.names))
      with parallel.together():
        if parallel.is_main():
          writer.show_kept(chunk.names, epochs)
    kept = state._replace(params=None, batch_stats=None, opt_state=None)
    return layout.fetch(kept, len(chunk.names))

  def _restored(
    self, number: int, members_: step.Member
  ) -> tuple[int, step.State | None]:
    """The epochs that a chunk was trained for, and its state after them."""
    layout, chunk = self.plan.layout, self.plan.chunks[number]
    like = step.states_like(chunk.program, self.plan.data, members_)
    directory, count = self._directory(number), len(chunk.names)
    with parallel.together():
      if parallel.is_main():
        checkpoints.remove_leftovers(directory)
    rows = layout.held_rows(count, chunk.size)
    found = checkpoints.restore_latest(directory, like, rows, self.outside.pull)
    if found is None:
      return 0, None
    first, state = found
    _log.info('chunk %d goes on from epoch %d', number, first)
    return first, layout.shard(state, chunk.size, count)

  def _saved(
    self, number: int, epoch: int, state: step.State, seconds: float
  ) -> bool:
    """Whether the state was saved, as it is after so many seconds.

    Raises:
      Stopped: SIGTERM came; it is saved.
    """
    stopped = parallel.any_process(self.outside.is_stopped())
    is_due = parallel.is_main() and seconds >= self.config.checkpoint_seconds
    if not stopped and not parallel.any_process(is_due):
      return False
    chunk, layout = self.plan.chunks[number], self.plan.layout
    checkpoints.save(
      self._directory(number),
      epoch + 1,
      layout.fetch(state, len(chunk.names)),
      layout.own_rows(len(chunk.names), chunk.size),
      self.outside.push,
    )
    self._keep_last(number, 2)
    if stopped:
      raise errors.Stopped(
        f'chunk {number} is saved after epoch {epoch + 1} of '
        f'{chunk.program.recipe.total_epochs}; run the same command again: it '
        'goes on there'
      )
    return True

  def _keep_last(self, number: int, count: int) -> None:
    """Removes older checkpoints of a chunk, once the new state is told of."""
    with parallel.together():
      if parallel.is_main():
        self.outside.push()
    # Each process may have files of its own, in a mirror of a bucket.
    with parallel.together():
      checkpoints.keep_last(self._directory(number), count)

  def _is_finished(self, number: int) -> bool:
    """Whether a chunk is trained; one that was damaged since no longer is."""
    directory, chunk = workdir.members_path(self.path), self.plan.chunks[number]
    there = parallel.is_main() and checkpoints.is_finished(directory, number)
    if not parallel.any_process(there):
      return False
    count = len(chunk.names)
    rows = self.plan.layout.own_rows(count, chunk.size)
    try:
      checkpoints.verify(directory, number, count, rows, self.outside.pull)
    except errors.InputError as error:
      if parallel.is_main():
        _log.warning('%s; chunk %d is trained again', error, number)
      return False
    return True

  @functools.cached_property
  def _learning_rates(self) -> np.ndarray:
    """At the last step of each epoch, (epochs, members) float32."""
    recipe = self.plan.program.recipe

    @jax.jit
    def of(members_: step.Member, epochs: jax.Array) -> jax.Array:
      rate = functools.partial(step.learning_rate, recipe)
      of_members = jax.vmap(rate, (0, None))
      return jax.vmap(of_members, (None, 0))(members_, epochs)

    # What they see tells nothing of it.
    slim = self.plan.members._replace(mean={}, scale={})
    return np.asarray(of(slim, np.arange(recipe.total_epochs)))

  def _directory(self, number: int) -> pathlib.Path:
    return workdir.checkpoints_path(self.path, number)


def note(
  phase: str,
  values: Mapping[str, np.ndarray],
  views: Sequence[str],
  select: str = 'accuracy',
) -> str:
  """What the line of progress says of an epoch.

  Args:
    phase: 'train', or 'refit' in a second training.
    values: by metric, (members,) float.
    views: of the members; where they are few, each is told.
    select: the metric that epochs are chosen by.
  """
  key = f'val/{named.label(select)}'
  if phase == 'refit':
    key = 'train/loss'
  found, names = values[key], list(dict.fromkeys(views))
  told = f'{key} {found.mean():.3f}'
  if len(found) > 1:
    told += f', mean of {len(found)} members'
  if 1 < len(names) <= _FEW_VIEWS:
    of = {
      name: found[[index for index, x in enumerate(views) if x == name]]
      for name in names
    }
    each = ', '.join(f'{name} {own.mean():.3f}' for name, own in of.items())
    told += f' ({each})'
  if phase == 'refit':
    told += '; second training, on training and validation clips'
  return told


def _work(plan: planning.Plan) -> list[float]:
  """How much there is to do in an epoch of each chunk, in any unit."""
  networks = {chunk.program.computed: chunk.program for chunk in plan.chunks}
  costs = dict.fromkeys(networks, 1.0)
  if len(networks) > 1:
    costs = {
      key: chunks.forward_flops(program, plan.data, plan.members)
      for key, program in networks.items()
    }
  return [chunk.size * costs[chunk.program.computed] for chunk in plan.chunks]


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
