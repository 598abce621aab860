"""Training every member of a study, chunk by chunk, to a predictions table."""

import contextlib
import dataclasses
import functools
import itertools
import json
import logging
import math
import operator
import os
import pathlib
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import jax
import ml_collections
import numpy as np
from etils import epath

from empathy import errors, files, named, preemption, progress, remote
from empathy.corpora import corpus as corpora
from empathy.corpora import dataset as datasets
from empathy.corpora import spelling, summaries
from empathy.models import losses
from empathy.training import (
  checkpoints,
  configuration,
  estimate,
  inference,
  members,
  metric_writer,
  normalisation,
  parallel,
  step,
  stream,
  sweep,
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
      as in `members.json`. In a sweep, only of settings that were chosen.
    seconds: that this process trained and predicted for.
  """

  predictions: pathlib.PurePath
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
    chunk_size: members in each chunk but the last.
    hashes: of the corpus' files.
    corpus_path: its folder.
    names: of all members.
    members: all of them, as arrays.
    chunks: for each chunk the indices of its members, as `Layout.chunks` gives
      them.
  """

  dataset: datasets.Dataset
  fold_of: np.ndarray
  parts: Mapping[int, members.Parts]
  data: step.Data
  max_length: Mapping[str, int]
  program: step.Program
  layout: parallel.Layout
  chunk_size: int
  hashes: Mapping[str, str]
  corpus_path: pathlib.Path
  names: Sequence[members.Name]
  members: step.Member
  chunks: Sequence[np.ndarray]

  def chunk_names(self, number: int) -> list[members.Name]:
    """The names of a chunk's members, without the repetitions."""
    return [self.names[row] for row in np.unique(self.chunks[number])]


@dataclasses.dataclass(frozen=True)
class _Outside:
  """What a run has to do with the world.

  Attributes:
    is_stopped: whether SIGTERM came.
    push: to be called when the workdir has a new state worth keeping.
  """

  is_stopped: Callable[[], bool]
  push: Callable[[], None] = lambda: None


def train(
  config: ml_collections.ConfigDict, path: str | os.PathLike
) -> Summary:
  """Trains every member that `config` asks for, or goes on doing so.

  Args:
    config: as in `configs/`.
    path: the workdir, a folder or gs://... or s3://...; where a run of the same
      config was cut off, it goes on.

  Returns:
    A summary.

  Raises:
    InputError: the config, the corpus or the workdir is at fault, or the disk
      is full; a workdir that was not there before is not there then, unless
      it has a state to go on from.
    Stopped: SIGTERM came; the state is saved.
  """
  began = time.monotonic()
  with contextlib.ExitStack() as stack:
    outside = _Outside(stack.enter_context(preemption.watch()))
    with parallel.together():
      config = configuration.check(config)
      configuration.use_compilation_cache()
    with parallel.together():
      place = _open(stack, path)
    outside = dataclasses.replace(outside, push=place.push)
    size = int(parallel.from_main(np.int32(place.chunk_size)))
    try:
      with parallel.together():
        plan = _plan(config, place.folder, place.data_dir, size)
      _check_same(config, plan)
    except errors.InputError:
      place.undo()
      raise
    with parallel.together():
      if parallel.is_main():
        workdir.begin(
          place.folder,
          config,
          plan.corpus_path,
          plan.hashes,
          plan.chunk_size,
        )
        _leave_summaries(plan)
        outside.push()
    with _full_memory_told():
      summary = _run(config, place.folder, plan, outside, began)
    # JAX ends all if one that is done has waited for others some minutes: so
    # nobody leaves before all have come here.
    with parallel.together():
      outside.push()
  if remote.is_remote(path):
    predictions = epath.Path(path) / 'predictions.parquet'
    return dataclasses.replace(summary, predictions=predictions)
  return summary


def _leave_summaries(plan: _Plan) -> None:
  """Leaves beside the features what `evaluate` asks of them.

  A corpus may be somebody else's: without a summary `evaluate` reads features.
  """
  features = [
    plan.corpus_path / 'features' / f'{modality}.npz'
    for modality in plan.dataset.features
  ]
  try:
    summaries.leave(features, plan.dataset.ids)
  except (OSError, errors.InputError) as error:
    _log.info('no summary is left beside the features: %s', error)


@dataclasses.dataclass(frozen=True)
class _Place:
  """Where a process works; process 0 alone has the workdir.

  Attributes:
    folder: the workdir, on this machine.
    data_dir: for a corpus that stays on disk.
    chunk_size: of the run that is there; 0 for none.
    push: as `_Outside.push`.
    undo: removes what was not there before, if the run cannot begin.
  """

  folder: pathlib.Path
  data_dir: pathlib.Path
  chunk_size: int = 0
  push: Callable[[], None] = lambda: None
  undo: Callable[[], None] = lambda: None


def _open(stack: contextlib.ExitStack, path: str | os.PathLike) -> _Place:
  """Opens the workdir until the stack is left."""
  if not parallel.is_main():  # It has nothing to do with the workdir.
    dataset = stack.enter_context(tempfile.TemporaryDirectory())
    return _Place(pathlib.Path(path), pathlib.Path(dataset))
  local, push = pathlib.Path(path), _Place.push
  if remote.is_remote(path):
    local, push = stack.enter_context(
      remote.mirror(os.fspath(path), is_owner=True)
    )
  is_new = stack.enter_context(workdir.lock(local))
  stack.enter_context(files.full_disk_told(local))
  has_stream = (local / 'stream').exists()

  def undo() -> None:
    if is_new:
      shutil.rmtree(local, ignore_errors=True)
    elif not has_stream:
      shutil.rmtree(local / 'stream', ignore_errors=True)

  try:
    size = workdir.chunk_size(local) or 0
  except errors.InputError:
    undo()
    raise
  return _Place(local, local / 'stream', size, push, undo)


def _check_same(config: ml_collections.ConfigDict, plan: _Plan) -> None:
  """Makes sure that all processes have the config and the corpus of the first.

  Raises:
    InputError: in all of them, what differs in one.
  """
  own = {'config': configuration.as_json(config), 'files': dict(plan.hashes)}
  # Each may have the corpus at a place of its own.
  del own['config']['corpus']
  first = json.loads(parallel.text_from_main(json.dumps(own)))
  faults = [
    f'config.{key} is {new!r} here, {old!r} in process 0'
    for key, new, old in workdir.differences(own['config'], first['config'])
  ]
  changed = [
    name for name, *_ in workdir.differences(own['files'], first['files'])
  ]
  if changed:
    faults.append(
      f'the corpus {plan.corpus_path.absolute()} on {socket.gethostname()} is '
      f'not that of process 0: {", ".join(changed)}'
    )
  with parallel.together():
    if faults:
      raise errors.InputError('; '.join(faults))


@contextlib.contextmanager
def _full_memory_told() -> Iterator[None]:
  """Makes one line of what XLA says where devices have too little memory.

  Raises:
    InputError: there is too little.
  """
  try:
    yield
  except errors.InputError:
    raise
  except Exception as error:
    if 'out of memory' not in str(error).lower():
      raise
    raise errors.InputError(
      'the memory of a device is full: lower config.members_per_device, in '
      'another workdir; --dry_run says what a run takes'
    ) from error


def dry_run(
  config: ml_collections.ConfigDict, path: str | os.PathLike
) -> list[str]:
  """What `train` would do, in lines; nothing is written.

  Args:
    config: as in `configs/`.
    path: the workdir; it need not exist.

  Raises:
    InputError: as for `train`.
  """
  config = configuration.check(config)
  configuration.use_compilation_cache()
  with contextlib.ExitStack() as stack:
    dataset = stack.enter_context(tempfile.TemporaryDirectory())
    local = pathlib.Path(path)
    if remote.is_remote(path):
      local, _ = stack.enter_context(
        remote.mirror(os.fspath(path), only=['config.json'])
      )
    size = workdir.chunk_size(local) or 0
    plan = _plan(config, local, pathlib.Path(dataset), size)
  found = estimate.estimate(
    plan.program,
    plan.layout,
    plan.data,
    plan.members,
    plan.chunks,
    max(part.held_out.sum() for part in plan.parts.values()),
  )
  return [
    f'{_overview(config, plan)}, {len(plan.chunk_names(0))} members a chunk',
    *found.lines(),
  ]


def _overview(config: ml_collections.ConfigDict, plan: _Plan) -> str:
  num_settings = len(configuration.settings(config))
  settings = f', {num_settings} settings' if num_settings > 1 else ''
  return (
    f'{len(plan.names)} members ({len({name.view for name in plan.names})} '
    f'views, {len(plan.parts)} folds, {config.num_seeds} seeds{settings}) in '
    f'{spelling.counted(len(plan.chunks), "chunk")} on '
    + spelling.counted(
      len(plan.layout.devices), f'{plan.layout.devices[0].platform} device'
    )
  )


def _run(
  config: ml_collections.ConfigDict,
  path: pathlib.Path,
  plan: _Plan,
  outside: _Outside,
  began: float,
) -> Summary:
  """Trains and predicts as planned; see `train`."""
  _log.info('%s', _overview(config, plan))
  _train_chunks(config, path, plan, outside)
  entries = _predict_held_out(path, plan, outside)
  failed = [
    entry
    for entry in entries
    if entry['best_epoch'] < 0 and entry.get('chosen', True)
  ]
  return Summary(
    predictions=path / 'predictions.parquet',
    num_members=len(plan.names),
    failed=failed,
    seconds=time.monotonic() - began,
  )


def _plan(
  config: ml_collections.ConfigDict,
  path: pathlib.Path,
  data_dir: pathlib.Path,
  begun: int,
) -> _Plan:
  """Reads the corpus and makes the members; writes to `data_dir` alone.

  Args:
    config: of the run.
    path: the workdir.
    data_dir: for a corpus that stays on disk.
    begun: the size of chunks of the run that is there; 0 for none.
  """
  corpus = corpora.read(config.corpus, label=config.label)
  if parallel.is_main():
    workdir.check_apart(path, corpus.path)
  views = members.views(config.views, corpus.modalities)
  used = sorted({m for view in views for m in view}, key=corpora.modality_order)
  streamed = configuration.is_streamed(config)
  corpus = corpora.with_features(corpus, used, mapped=streamed)
  if parallel.is_main():
    normalisation.name_dead_columns(corpus)
  hashes = corpora.file_hashes(corpus.path)
  if parallel.is_main():
    workdir.check(path, config, corpus.path, hashes)
  fold_of, parts = members.folds(corpus, config.num_folds, config.seed)
  members.check_features(corpus, fold_of, len(parts))
  if streamed:
    dataset, records = stream.load(corpus, data_dir)
  else:
    dataset = datasets.load(corpus)
  dataset = dataclasses.replace(
    dataset,
    features={
      modality: dataclasses.replace(
        feature, values=parallel.aligned(feature.values)
      )
      for modality, feature in normalisation.normalised(
        dataset.features, dataset.groups, config.normalise
      ).items()
    },
  )
  fold_of, parts = members.folds(dataset, config.num_folds, config.seed)
  if config.targets == 'scores':
    if corpus.values is None:
      raise errors.InputError(
        "config.targets: 'scores', but the label has neither values nor a scale"
      )
    targets = losses.score_distributions(
      dataset.scores, corpus.values, config.sigma
    )
  else:
    targets = losses.target_distributions(
      dataset.labels, dataset.votes, config.targets
    )
  data, max_length = members.data(
    dataset.features,
    dataset.labels,
    targets,
    losses.clip_weights(dataset.votes, config.weights),
    dataset.scores,
  )
  source, statistics = None, None
  if streamed:
    source = stream.Source(records, len(dataset.ids), dataset.features)
    statistics = source.statistics(parts)
  seeds = range(config.seed, config.seed + config.num_seeds)
  names, everyone = members.make(
    dataset,
    data,
    views,
    seeds,
    parts,
    configuration.settings(config),
    statistics,
  )
  layout = parallel.Layout(
    config.parallel,
    parallel.all_devices(),
    config.matmul_precision,
  )
  if config.parallel == 'batch' and config.batch_size % len(layout.devices):
    raise errors.InputError(
      f'config.batch_size: {config.batch_size} clips do not divide among '
      f'{len(layout.devices)} devices'
    )
  values = () if corpus.values is None else tuple(corpus.values.tolist())
  program = configuration.make_program(
    config, corpus.classes, tuple(used), max_length, layout, values
  )
  program = dataclasses.replace(
    program,
    source=source,
    narrow_views=configuration.narrow_views(
      program, layout, views, everyone.num_train
    ),
  )
  best = layout.chunk_size(len(names), config.members_per_device)
  # A run that began on other devices keeps its chunks, which are checkpoints.
  size = begun or best
  costs = configuration.costs(program, data, everyone.view)
  chunks = layout.chunks(len(names), size, costs)
  held = len(chunks[0])
  if layout.mode == 'members':
    held //= len(layout.devices)
  if held > config.members_per_device:
    _log.warning(
      'the run began in chunks of %d members: each device holds %d of them '
      'now, more than members_per_device',
      size,
      held,
    )
  return _Plan(
    dataset=dataset,
    fold_of=fold_of,
    parts=parts,
    data=data,
    max_length=max_length,
    program=program,
    layout=layout,
    chunk_size=size,
    hashes=hashes,
    corpus_path=corpus.path,
    names=names,
    members=everyone,
    chunks=chunks,
  )


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


def _train_chunks(
  config: ml_collections.ConfigDict,
  path: pathlib.Path,
  plan: _Plan,
  outside: _Outside,
) -> None:
  """Trains the chunks one after another, with one compiled program."""
  directory = workdir.members_path(path)
  finished = np.zeros(len(plan.chunks), bool)
  with parallel.together():
    if parallel.is_main():
      checkpoints.remove_leftovers(directory)
      for number in range(len(plan.chunks)):
        finished[number] = _is_finished(directory, number)
  finished = parallel.from_main(finished)
  epochs_each = plan.program.recipe.total_epochs
  num_epochs = len(plan.chunks) * epochs_each
  with progress.Progress('training', num_epochs, 'epoch') as bar:
    bar.skip(sum(finished) * epochs_each)
    if finished.all():
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
        chunk = jax.tree.map(operator.itemgetter(np.unique(rows)), plan.members)
        state = _train_chunk(
          config, path, number, plan, chunk, data, init, run, bar, outside
        )
        with parallel.together():
          if parallel.is_main():
            inference.save_chunk(directory, number, chunk, state)
            checkpoints.keep_last(workdir.checkpoints_path(path, number), 0)
            outside.push()


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
  outside: _Outside,
) -> step.State:
  """Trains the members of one chunk, or goes on; returns what is kept of them.

  It is a state without what only training needs; that of process 0 counts, as
  `gather` gives it.

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
    outside: when to stop, and what to tell of a new state.

  Raises:
    Stopped: it did; the state is saved.
  """
  names = plan.chunk_names(number)
  directory = workdir.checkpoints_path(path, number)
  like = jax.eval_shape(
    jax.vmap(functools.partial(step.init, plan.program), in_axes=(None, 0)),
    plan.data,
    chunk,
  )
  rows = plan.chunks[number]
  first_slots, real = parallel.first_slots(rows)
  filling = operator.itemgetter(rows - rows.min())
  real, sharded = plan.layout.shard((real, jax.tree.map(filling, chunk)))
  found = None
  with parallel.together():
    if parallel.is_main():
      checkpoints.remove_leftovers(directory)
      found = checkpoints.restore_latest(directory, like)
  first = int(parallel.from_main(np.int32(found[0] if found else 0)))
  if not first:
    state = init(data, sharded)
  else:
    state = found[1] if found else jax.tree.map(_zeros, like)
    # One after another: there may be much of it.
    state = jax.tree.map(
      lambda x: plan.layout.shard(filling(parallel.from_main(x))), state
    )
    found = None
    bar.skip(first)
    _log.info('chunk %d goes on from epoch %d', number, first)
  saved, told = time.monotonic(), set()

  num_epochs = plan.program.recipe.total_epochs
  with contextlib.ExitStack() as stack:
    with parallel.together():
      if parallel.is_main():
        writer = stack.enter_context(
          metric_writer.MetricWriter(path, number, first)
        )
    for epoch in range(first, num_epochs):
      now = plan.layout.replicate(np.int32(epoch))
      if plan.program.source is not None:
        plan.program.source.expect(
          stream.sequences(plan.program, plan.layout, chunk, epoch)
        )
      state, values = run(data, now, real, sharded, state)
      values = plan.layout.gather(values, first_slots)
      with parallel.together():
        if parallel.is_main():
          phase = 'train' if epoch < config.num_epochs else 'refit'
          writer.write(epoch, names, values, phase)
          _tell_diverged(epoch, names, values, told)
          bar.advance(note=_note(phase, values, plan.program.recipe.select))
      stopped = parallel.any_process(outside.is_stopped())
      is_due = time.monotonic() - saved >= config.checkpoint_seconds
      if stopped or parallel.from_main(np.array(is_due)):
        whole = plan.layout.gather(state, first_slots)
        with parallel.together():
          if parallel.is_main():
            checkpoints.save(directory, epoch + 1, whole)
            checkpoints.keep_last(directory, 2)
            outside.push()
        del whole  # It is as large as all members.
        saved = time.monotonic()
      if stopped:
        raise errors.Stopped(
          f'chunk {number} is saved after epoch {epoch + 1} of '
          f'{num_epochs}; run the same command again: it goes on there'
        )
  kept = state._replace(params=None, batch_stats=None, opt_state=None)
  return plan.layout.gather(kept, first_slots)


def _note(
  phase: str, values: dict[str, np.ndarray], select: str = 'accuracy'
) -> str:
  """What the line of progress says of an epoch."""
  key, of = f'val/{named.label(select)}', ''
  if phase == 'refit':
    key, of = 'train/loss', ', in the second training'
  count = len(values[key])
  members_ = f'of {count} members' if count > 1 else 'of the member'
  return f'mean {key} {members_}{of} {values[key].mean():.3f}'


def _zeros(x: jax.ShapeDtypeStruct) -> np.ndarray:
  return np.zeros(x.shape, x.dtype)


def _predict_held_out(
  path: pathlib.Path, plan: _Plan, outside: _Outside
) -> list[dict]:
  """Writes the predictions table and `members.json`, and returns its entries.

  The members are read back, so that what is predicted with is what was saved.
  In a sweep they are read twice: all of them have a say in which are chosen.
  All processes predict, with a share of the members each, and the first writes.
  """
  chosen = None
  if any(name.setting for name in plan.names):
    entries = [
      _entries(plan, number, state)
      for number, (_, state) in _trained_chunks(path, plan, outside)
    ]
    chosen = _choose(path, plan, itertools.chain.from_iterable(entries))
  kept = [
    [
      index
      for index, name in enumerate(plan.chunk_names(number))
      if chosen is None or (name.view, name.fold, name.setting) in chosen
    ]
    for number in range(len(plan.chunks))
  ]
  held_out = {
    fold: np.flatnonzero(part.held_out) for fold, part in plan.parts.items()
  }
  predictor = inference.predictor(
    plan.program,
    parallel.Layout('members', plan.layout.devices, plan.layout.precision),
    plan.data,
    [
      [plan.chunk_names(number)[index].view for index in own]
      for number, own in enumerate(kept)
    ],
    max(map(len, held_out.values())),
    len(plan.dataset.ids),
  )
  columns, entries = [], []
  for number, (chunk, state) in _trained_chunks(path, plan, outside):
    names = plan.chunk_names(number)
    entries.append(_entries(plan, number, state, chosen))
    if not kept[number]:
      continue
    names = [names[index] for index in kept[number]]
    chunk, state = inference.select((chunk, state), kept[number])
    rows = [
      held_out[name.fold] if epoch >= 0 else np.zeros(0, int)
      for name, epoch in zip(names, state['best_epoch'], strict=True)
    ]
    columns.append(
      inference.predict_chunk(predictor, names, chunk, state, rows)
    )
  with parallel.together():
    if parallel.is_main():
      _write_predictions(path, plan, columns, entries)
  return [entry for chunk_entries in entries for entry in chunk_entries]


def _write_predictions(
  path: pathlib.Path,
  plan: _Plan,
  columns: Sequence[dict[str, np.ndarray]],
  entries: Sequence[Sequence[dict]],
) -> None:
  """Writes the predictions table, and `members.json` with the entries."""
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
      members=entries,
      offsets={
        modality: feature.offset.tolist()
        for modality, feature in plan.dataset.features.items()
        if feature.offset is not None
      },
      values=plan.program.values,
    ),
  )
  table = inference.table(
    inference.concatenate(columns),
    ids,
    info['classes'],
    plan.program.modalities,
  )
  inference.write(table, path / 'predictions.parquet')


def _trained_chunks(
  path: pathlib.Path, plan: _Plan, outside: _Outside
) -> Iterator[tuple[int, tuple[step.Member, dict]]]:
  """Each chunk's number, and what `inference.load_chunk` gives of it.

  Raises:
    Stopped: SIGTERM came, to any process.
  """
  for number in range(len(plan.chunks)):
    if parallel.any_process(outside.is_stopped()):
      raise errors.Stopped(
        'all members are trained and saved; run the same command again: it '
        'predicts the held-out clips'
      )
    size = len(plan.chunk_names(number))
    with parallel.together():
      if parallel.is_main():
        found = inference.load_chunk(
          plan.program, workdir.members_path(path), number, size, plan.data
        )
      else:
        found = inference.no_chunk(plan.program, size, plan.data)
    # One after another: there may be much of it.
    yield number, jax.tree.map(parallel.from_main, found)


def _choose(
  path: pathlib.Path, plan: _Plan, entries: Iterable[dict]
) -> set[tuple]:
  """Writes `sweep.csv`, and returns (view, fold, setting) of what was chosen.

  Args:
    path: the workdir.
    plan: of the run.
    entries: of all members, as `_entries` gives them.
  """
  entries = list(entries)
  select = named.label(plan.program.recipe.select)
  scores = sweep.choose(
    plan.names,
    *(
      # None, where a member has no finite epoch, is NaN.
      np.array([entry[f'val_{name}'] for entry in entries], np.float64)
      for name in (select, 'loss')
    ),
    plan.program.metrics[select].is_lower_better,
  )
  with parallel.together():
    if parallel.is_main():
      files.write_text(path / 'sweep.csv', sweep.as_csv(scores, select))
      _log.info('%s: %s', path / 'sweep.csv', sweep.summary(scores, select))
  return {(x.view, x.fold, x.setting) for x in scores if x.is_chosen}


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


def _entries(
  plan: _Plan, number: int, state: dict, chosen: set[tuple] | None = None
) -> list[dict]:
  """How each member went, as `members.json` says it.

  Args:
    plan: of the run.
    number: of the members' chunk.
    state: as `inference.load_chunk` gives it.
    chosen: as `_choose` gives it; None where nothing is swept.
  """
  entries = []
  for index, name in enumerate(plan.chunk_names(number)):
    found = {k: float(x[index]) for k, x in state['best_metrics'].items()}
    entry = name.as_dict() | {
      'best_epoch': int(state['best_epoch'][index]),
      **{
        f'val_{key}': value if math.isfinite(value) else None
        for key, value in found.items()
      },
      'failed_epoch': int(state['failed_epoch'][index]),
    }
    if chosen is not None:
      entry['chosen'] = (name.view, name.fold, name.setting) in chosen
    entries.append(entry)
  return entries
