"""Training every member of a study, chunk by chunk, to a predictions table."""

import dataclasses
import functools
import logging
import operator
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence

import jax
import ml_collections
import numpy as np

from empathy import errors, progress
from empathy.corpora import builder
from empathy.corpora import corpus as corpora
from empathy.models import losses
from empathy.training import (
  checkpoints,
  configuration,
  inference,
  members,
  metrics,
  parallel,
  step,
  workdir,
)

_log = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class Summary:
  """What a run came to.

  Attributes:
    predictions: the path of the predictions table.
    num_members: trained in all, by this process and before it.
    failed: the members without one finite epoch, which have no predictions;
      as in `members.json`.
    seconds: that this process trained and predicted for.
  """

  predictions: pathlib.Path
  num_members: int
  failed: Sequence[dict]
  seconds: float


@dataclasses.dataclass(frozen=True)
class _Plan:
  """What a run does, made of its config and corpus.

  Attributes:
    dataset: the corpus.
    fold_of: (N,) int32, the fold that holds each clip out; -1 for none.
    parts: the clips of each fold's parts.
    data: the corpus as arrays.
    max_length: of each modality that is a sequence.
    program: what members share.
    layout: of the members on the devices.
    names: of all members.
    members: all of them, as arrays.
    chunks: for each chunk the indices of its members, the last one repeated
      where the chunk has to be filled up.
  """

  dataset: builder.Dataset
  fold_of: np.ndarray
  parts: Mapping[int, members.Parts]
  data: step.Data
  max_length: Mapping[str, int]
  program: step.Program
  layout: parallel.Layout
  names: Sequence[members.Name]
  members: step.Member
  chunks: Sequence[np.ndarray]

  def chunk_names(self, number: int) -> list[members.Name]:
    """The names of a chunk's members, without the repetitions."""
    return [self.names[row] for row in np.unique(self.chunks[number])]


def train(config: ml_collections.ConfigDict, path: pathlib.Path) -> Summary:
  """Trains every member that `config` asks for, or goes on doing so.

  Args:
    config: as in `configs/`.
    path: the workdir; where a run of the same config was cut off, it goes on.

  Returns:
    A summary.

  Raises:
    InputError: the config, the corpus or the workdir is at fault; a workdir
      that was not there before is not there then.
  """
  began = time.monotonic()
  configuration.check(config)
  configuration.use_compilation_cache()
  new = next((p for p in (path, path / 'tfds') if not p.exists()), None)
  try:
    plan = _plan(config, path)
  except errors.InputError:
    if new is not None:
      shutil.rmtree(new, ignore_errors=True)
    raise
  _log.info(
    '%d members (%d views, %d folds, %d seeds) in %d chunks on %d %s devices',
    len(plan.names),
    len({name.view for name in plan.names}),
    len(plan.parts),
    config.num_seeds,
    len(plan.chunks),
    len(plan.layout.devices),
    plan.layout.devices[0].platform,
  )
  _train_chunks(config, path, plan)
  entries = _predict_held_out(path, plan)
  failed = [entry for entry in entries if entry['best_epoch'] < 0]
  return Summary(
    predictions=path / 'predictions.parquet',
    num_members=len(plan.names),
    failed=failed,
    seconds=time.monotonic() - began,
  )


def _plan(config: ml_collections.ConfigDict, path: pathlib.Path) -> _Plan:
  """Reads the corpus and makes the members; see `train`."""
  corpus = corpora.read(config.corpus)
  views = members.views(config.views, corpus.modalities)
  used = sorted({m for view in views for m in view}, key=corpora.modality_order)
  corpus = corpora.with_features(corpus, used)
  fingerprint = corpora.fingerprint(corpus.path)
  workdir.check(path, config, corpus.path, fingerprint)
  fold_of, parts = members.folds(corpus, config.num_folds, config.seed)
  members.check_features(corpus, fold_of, len(parts))
  dataset = builder.load(corpus, path / 'tfds')
  fold_of, parts = members.folds(dataset, config.num_folds, config.seed)
  targets = losses.target_distributions(
    dataset.labels, dataset.votes, config.targets
  )
  data, max_length = members.data(dataset.features, dataset.labels, targets)
  seeds = range(config.seed, config.seed + config.num_seeds)
  names, everyone = members.make(dataset, data, views, seeds, parts)
  layout = parallel.Layout(config.parallel, jax.local_devices())
  if config.parallel == 'batch' and config.batch_size % len(layout.devices):
    raise errors.InputError(
      f'config.batch_size: {config.batch_size} clips do not divide among '
      f'{len(layout.devices)} devices'
    )
  program = configuration.make_program(
    config, corpus.classes, tuple(used), max_length, layout
  )
  chunks = layout.chunks(len(names), config.members_per_device)
  workdir.begin(path, config, corpus.path, fingerprint, len(chunks[0]))
  return _Plan(
    dataset=dataset,
    fold_of=fold_of,
    parts=parts,
    data=data,
    max_length=max_length,
    program=program,
    layout=layout,
    names=names,
    members=everyone,
    chunks=chunks,
  )


def _train_chunks(
  config: ml_collections.ConfigDict, path: pathlib.Path, plan: _Plan
) -> None:
  """Trains the chunks one after another, with one compiled program."""
  directory = workdir.members_path(path)
  finished = [
    checkpoints.is_finished(directory, number)
    for number in range(len(plan.chunks))
  ]
  num_epochs = len(plan.chunks) * config.num_epochs
  with progress.Progress('training', num_epochs, 'epoch') as bar:
    bar.skip(sum(finished) * config.num_epochs)
    if all(finished):
      return
    data = plan.layout.replicate(plan.data)
    init = plan.layout.map(
      functools.partial(step.init, plan.program), num_shared=1
    )
    run = plan.layout.update(
      functools.partial(step.train_epoch, plan.program), num_shared=2
    )
    for number, done in enumerate(finished):
      if not done:
        rows = plan.chunks[number]
        chunk = jax.tree.map(operator.itemgetter(rows), plan.members)
        state = _train_chunk(
          config, path, number, plan, chunk, data, init, run, bar
        )
        inference.save_chunk(directory, number, chunk, state)
        checkpoints.keep_last(workdir.checkpoints_path(path, number), 0)


def _train_chunk(
  config: ml_collections.ConfigDict,
  path: pathlib.Path,
  number: int,
  plan: _Plan,
  chunk: step.Member,
  data: step.Data,
  init: Callable,
  run: Callable,
  bar: progress.Progress,
) -> step.State:
  """Trains the members of one chunk, or goes on; returns their last state.

  Args:
    config: of the run.
    path: the workdir.
    number: of the chunk.
    plan: of the run.
    chunk: the members, in host memory.
    data: the corpus, on the devices.
    init: `step.init`, compiled for the layout.
    run: `step.train_epoch`, likewise.
    bar: counts epochs.
  """
  names = plan.chunk_names(number)
  directory = workdir.checkpoints_path(path, number)
  like = jax.eval_shape(
    jax.vmap(functools.partial(step.init, plan.program), in_axes=(None, 0)),
    plan.data,
    chunk,
  )
  sharded = plan.layout.shard(chunk)
  found = checkpoints.restore_latest(directory, like)
  if found is None:
    first, state = 0, init(data, sharded)
  else:
    first, state = found[0], plan.layout.shard(found[1])
    bar.skip(first)
    _log.info('chunk %d goes on from epoch %d', number, first)
  saved, told = time.monotonic(), set()
  with metrics.MetricWriter(path, number, first) as writer:
    for epoch in range(first, config.num_epochs):
      now = plan.layout.replicate(np.int32(epoch))
      state, values = run(data, now, sharded, state)
      values = plan.layout.gather(values)
      writer.write(epoch, names, values)
      _tell_diverged(epoch, names, values, told)
      accuracy = values['val/accuracy'][: len(names)].mean()
      bar.advance(note=f'val/accuracy {accuracy:.3f}')
      if time.monotonic() - saved >= config.checkpoint_seconds:
        checkpoints.save(directory, epoch + 1, plan.layout.gather(state))
        checkpoints.keep_last(directory, 2)
        saved = time.monotonic()
  return plan.layout.gather(state)


def _predict_held_out(path: pathlib.Path, plan: _Plan) -> list[dict]:
  """Writes the predictions table and `members.json`, and returns its entries.

  The members are read back, so that what is predicted with is what was saved.
  """
  predictor = inference.predictor(
    plan.program, plan.layout, plan.data, len(plan.dataset.ids)
  )
  columns, entries = [], []
  for number in range(len(plan.chunks)):
    names = plan.chunk_names(number)
    chunk, state = inference.load_chunk(
      plan.program,
      workdir.members_path(path),
      number,
      len(plan.chunks[number]),
      plan.data,
    )
    alive = state['best_epoch'] >= 0
    rows = [
      np.flatnonzero(plan.parts[name.fold].held_out & alive[index])
      for index, name in enumerate(names)
    ]
    columns.append(
      inference.predict_chunk(predictor, names, chunk, state, rows)
    )
    entries.append(_entries(names, state))
  ids, info = plan.dataset.ids, plan.dataset.info
  workdir.write_trained(
    path,
    workdir.Trained(
      classes=tuple(info['classes']),
      widths={m: x.shape[1] for m, x in plan.data.values.items()},
      max_length=plan.max_length,
      fold_wise=[
        modality
        for modality, feature in plan.dataset.features.items()
        if feature.fold is not None
      ],
      fold_of=dict(zip(ids.tolist(), plan.fold_of.tolist(), strict=True)),
      chunk_size=len(plan.chunks[0]),
      members=entries,
    ),
  )
  table = inference.table(
    inference.concatenate(columns),
    ids,
    info['classes'],
    plan.program.modalities,
  )
  inference.write(table, path / 'predictions.parquet')
  return [entry for chunk_entries in entries for entry in chunk_entries]


def _tell_diverged(
  epoch: int,
  names: Sequence[members.Name],
  values: dict[str, np.ndarray],
  told: set[members.Name],
) -> None:
  """Names each member whose loss is not finite, once."""
  finite = np.isfinite(values['train/loss'] + values['val/loss'])
  for name, ok in zip(names, finite, strict=False):
    if not ok and name not in told:
      told.add(name)
      _log.warning(
        '%s: the loss is not finite from epoch %d on; the other members go on',
        name,
        epoch,
      )


def _entries(names: Sequence[members.Name], state: dict) -> list[dict]:
  """How each member went, as `members.json` says it."""
  return [
    dataclasses.asdict(name)
    | {
      'best_epoch': int(state['best_epoch'][index]),
      'val_accuracy': float(state['best_accuracy'][index]),
      'failed_epoch': int(state['failed_epoch'][index]),
    }
    for index, name in enumerate(names)
  ]
