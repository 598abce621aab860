"""Training every member of a study, chunk by chunk, to a predictions table."""

import contextlib
import dataclasses
import itertools
import json
import logging
import math
import os
import pathlib
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import jax
import ml_collections
import numpy as np
from etils import epath

from empathy import errors, files, named, preemption, remote
from empathy.corpora import corpus as corpora
from empathy.corpora import spelling, summaries
from empathy.training import (
  checkpoints,
  chunks,
  configuration,
  estimate,
  inference,
  parallel,
  peers,
  planning,
  stream,
  sweep,
  trainer,
  workdir,
)

_log = logging.getLogger('empathy')

# Of a workdir, what holds most of it: of a bucket's, only what is asked for is
# fetched.
_LARGE = ('checkpoints', 'members')


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
    stack.enter_context(peers.watched())
    outside = trainer.Outside(stack.enter_context(preemption.watch()))
    with parallel.together():
      config = configuration.check(config)
      configuration.use_compilation_cache()
    with parallel.together():
      place = _open(stack, path)
    outside = dataclasses.replace(outside, push=place.push, pull=place.pull)
    try:
      _check_seen(place, path)
      plan, hashes = _planned(config, place)
    except errors.InputError:
      place.undo()
      raise
    with parallel.together():
      if parallel.is_main():
        workdir.begin(
          place.folder, config, plan.corpus.path, hashes, plan.groups
        )
        _leave_summaries(plan.corpus)
        outside.push()
    try:
      with _full_memory_told():
        summary = _run(config, place.folder, plan, outside, began)
    except errors.InputError:
      if not workdir.has_state(
        place.folder
      ):  # As where code of one's own fails.
        place.undo()
      raise
    # JAX ends all if one that is done has waited for others some minutes: so
    # nobody leaves before all have come here.
    with parallel.together():
      outside.push()
  if remote.is_remote(path):
    predictions = epath.Path(path) / 'predictions.parquet'
    return dataclasses.replace(summary, predictions=predictions)
  return summary


def _leave_summaries(corpus: corpora.Corpus) -> None:
  """Leaves beside the features what `evaluate` asks of them.

  A corpus may be somebody else's: without a summary `evaluate` reads features.
  """
  features = [
    corpus.path / 'features' / f'{modality}.npz' for modality in corpus.features
  ]
  try:
    summaries.leave(features, corpus.ids)
  except (OSError, errors.InputError) as error:
    _log.info('no summary is left beside the features: %s', error)


@dataclasses.dataclass(frozen=True)
class _Place:
  """Where a process works.

  Attributes:
    folder: the workdir, on this machine: that of all processes, or a mirror of
      a bucket, of which each has one with what it wrote and asked for.
    data_dir: for a corpus that stays on disk.
    push: as `trainer.Outside.push`.
    pull: as `trainer.Outside.pull`.
    undo: removes what was not there before, if the run cannot begin.
  """

  folder: pathlib.Path
  data_dir: pathlib.Path
  push: Callable[[], None] = lambda: None
  pull: checkpoints.Pull = lambda _: None
  undo: Callable[[], None] = lambda: None


def _open(stack: contextlib.ExitStack, path: str | os.PathLike) -> _Place:
  """Opens the workdir until the stack is left; process 0 comes first."""
  local, push, pull = pathlib.Path(path), _Place.push, _Place.pull
  if remote.is_remote(path):
    local, push, pull = stack.enter_context(
      remote.shared(os.fspath(path), _LARGE, parallel.is_main())
    )
  stack.enter_context(files.full_disk_told(local))
  if not parallel.is_main():
    data_dir = stack.enter_context(tempfile.TemporaryDirectory())
    return _Place(local, pathlib.Path(data_dir), push, pull)
  is_new = stack.enter_context(workdir.lock(local))
  before = {*local.iterdir()}

  def undo() -> None:
    for path in [local] if is_new else {*local.iterdir()} - before:
      if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
      else:
        path.unlink(missing_ok=True)

  return _Place(local, local / 'stream', push, pull, undo)


def _check_seen(place: _Place, path: str | os.PathLike) -> None:
  """Makes sure that all processes write to one workdir.

  Raises:
    InputError: in all of them, that one does not see it.
  """
  holder = ''
  with parallel.together():
    if parallel.is_main():
      holder = workdir.holder(place.folder)
  holder = parallel.text_from_main(holder)
  with parallel.together():
    if not remote.is_remote(path) and workdir.holder(place.folder) != holder:
      raise errors.InputError(
        f'{place.folder.absolute()} on {socket.gethostname()} is not the '
        'workdir of process 0: processes need one that all see, a folder that '
        'their machines share or a bucket (--workdir=gs://... or s3://...)'
      )


def _planned(
  config: ml_collections.ConfigDict, place: _Place
) -> tuple[planning.Plan, dict[str, str]]:
  """The plan of a run, and the hashes of its corpus' files.

  What takes long, one process of each machine does.

  Raises:
    InputError: in all processes, what is at fault.
  """
  with parallel.together():
    begun = workdir.groups(place.folder) if parallel.is_main() else []
    corpus = planning.read(config, place.folder)
  entries = parallel.text_from_main(json.dumps(chunks.as_entries(begun)))
  begun = chunks.from_entries(json.loads(entries))
  hashes = parallel.once_a_host(
    corpus.path, lambda: corpora.file_hashes(corpus.path)
  )
  with parallel.together():
    if parallel.is_main():
      workdir.check(place.folder, config, corpus.path, hashes)
  _check_same(config, corpus.path, hashes)
  records = None
  if configuration.is_streamed(config):
    key = corpora.fingerprint_of(hashes)
    records = parallel.once_a_host(
      corpus.path, lambda: str(stream.write(corpus, place.data_dir, key))
    )
  with parallel.together():
    return planning.make(config, corpus, records, begun), hashes


def _check_same(
  config: ml_collections.ConfigDict,
  corpus: pathlib.Path,
  hashes: dict[str, str],
) -> None:
  """Makes sure that all processes have the config and the corpus of the first.

  Raises:
    InputError: in all of them, what differs in one.
  """
  own = {'config': configuration.as_json(config), 'files': hashes}
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
      f'the corpus {corpus.absolute()} on {socket.gethostname()} is '
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
    data_dir = stack.enter_context(tempfile.TemporaryDirectory())
    local = pathlib.Path(path)
    if remote.is_remote(path):
      local, _ = stack.enter_context(
        remote.mirror(os.fspath(path), only=['config.json'])
      )
    plan, _ = _planned(config, _Place(local, pathlib.Path(data_dir)))
    found = estimate.estimate(
      plan.layout,
      plan.data,
      plan.members,
      plan.chunks,
      max(map(len, plan.held_out.values())),
    )
  return [
    f'{_overview(config, plan)}, {max(x.size for x in plan.groups)} members a '
    'chunk',
    *found.lines(),
  ]


def _overview(config: ml_collections.ConfigDict, plan: planning.Plan) -> str:
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
  plan: planning.Plan,
  outside: trainer.Outside,
  began: float,
) -> Summary:
  """Trains and predicts as planned; see `train`."""
  _log.info('%s', _overview(config, plan))
  trainer.Trainer(config, path, plan, outside).train()
  _log.info('predicting held-out clips')
  entries = _predict_held_out(path, plan, outside)
  failed = [
    entry
    for entry in itertools.chain.from_iterable(entries)
    if entry['best_epoch'] < 0 and entry.get('chosen', True)
  ]
  return Summary(
    predictions=path / 'predictions.parquet',
    num_members=len(plan.names),
    failed=failed,
    seconds=time.monotonic() - began,
  )


def _predict_held_out(
  path: pathlib.Path, plan: planning.Plan, outside: trainer.Outside
) -> list[list[dict]]:
  """Writes the predictions table and `members.json`, and returns its entries.

  The members are read back, so that what is predicted with is what was saved.
  In a sweep they are read twice: all of them have a say in which are chosen.
  Each process reads and predicts with the members that it saved, and the first
  writes.
  """
  entries: list[list[dict]] = [[] for _ in plan.chunks]
  own_rows = [plan.layout.own_rows(len(x.names), x.size) for x in plan.chunks]

  def load(number: int) -> dict:
    saved = _trained(path, plan, number, own_rows[number], outside)
    own = _entries(plan, number, own_rows[number], saved)
    told = parallel.gathered(json.dumps(own))
    entries[number] = [entry for text in told for entry in json.loads(text)]
    return saved

  is_chosen = [np.ones(len(chunk.names), bool) for chunk in plan.chunks]
  if any(name.setting for name in plan.names):
    for number in range(len(plan.chunks)):
      load(number)
    chosen = _choose(path, plan, entries)
    is_chosen = [
      np.array([(x.view, x.fold, x.setting) in chosen for x in chunk.names])
      for chunk in plan.chunks
    ]
  columns = inference.predict_members(
    parallel.Layout('members', jax.local_devices(), plan.layout.precision),
    plan.data,
    len(plan.corpus.ids),
    [
      inference.Job(chunk.program, chunk.names[rows], np.flatnonzero(own[rows]))
      for chunk, rows, own in zip(plan.chunks, own_rows, is_chosen, strict=True)
    ],
    load,
    plan.held_out,
  )
  found = parallel.gathered_arrays(columns)
  if any(name.setting for name in plan.names):
    for chunk_entries, own in zip(entries, is_chosen, strict=True):
      for entry, chosen_ in zip(chunk_entries, own.tolist(), strict=True):
        entry['chosen'] = chosen_
  with parallel.together():
    if parallel.is_main():
      columns = inference.concatenate([x for x in found if x])
      _write_predictions(path, plan, columns, entries)
  return entries


def _write_predictions(
  path: pathlib.Path,
  plan: planning.Plan,
  columns: dict[str, np.ndarray],
  entries: Sequence[Sequence[dict]],
) -> None:
  """Writes the predictions table, and `members.json` with the entries."""
  corpus = plan.corpus
  fold_of = zip(corpus.ids.tolist(), plan.fold_of.tolist(), strict=True)
  features = corpus.features.items()
  workdir.write_trained(
    path,
    workdir.Trained(
      classes=corpus.classes,
      widths={m: x.shape[1] for m, x in plan.data.values.items()},
      max_length=plan.program.max_length,
      fold_wise=[m for m, x in features if x.fold is not None],
      fold_of=dict(fold_of),
      members=entries,
      offsets={
        m: x.offset.tolist() for m, x in features if x.offset is not None
      },
      values=plan.program.values,
    ),
  )
  table = inference.table(
    columns,
    corpus.ids,
    corpus.classes,
    plan.program.modalities,
    inference.num_layers(plan.program),
  )
  inference.write(table, path / 'predictions.parquet')


def _trained(
  path: pathlib.Path,
  plan: planning.Plan,
  number: int,
  rows: slice,
  outside: trainer.Outside,
) -> dict:
  """What was saved of some of a chunk's members.

  Raises:
    Stopped: SIGTERM came, to any process.
  """
  if parallel.any_process(outside.is_stopped()):
    raise errors.Stopped(
      'all members are trained and saved; run the same command again: it '
      'predicts the held-out clips'
    )
  chunk = plan.chunks[number]
  like = inference.saved_like(chunk.program, len(chunk.names), plan.data)
  directory = workdir.members_path(path)
  return checkpoints.restore(directory, number, like, rows, outside.pull)


def _choose(
  path: pathlib.Path, plan: planning.Plan, entries: Sequence[Sequence[dict]]
) -> set[tuple]:
  """Writes `sweep.csv`, and returns (view, fold, setting) of what was chosen.

  Args:
    path: the workdir.
    plan: of the run.
    entries: of the members of all chunks, as `_entries` gives them.
  """
  select = named.label(plan.program.recipe.select)
  rows = np.concatenate([chunk.rows for chunk in plan.chunks])
  # In the order of the names, whatever the chunks.
  flat = list(itertools.chain.from_iterable(entries))
  flat = [flat[at] for at in np.argsort(rows).tolist()]
  scores = sweep.choose(
    plan.names,
    *(
      # None, where a member has no finite epoch, is NaN.
      np.array([entry[f'val_{name}'] for entry in flat], np.float64)
      for name in (select, 'loss')
    ),
    plan.program.metrics[select].is_lower_better,
  )
  with parallel.together():
    if parallel.is_main():
      files.write_text(path / 'sweep.csv', sweep.as_csv(scores, select))
      _log.info('%s: %s', path / 'sweep.csv', sweep.summary(scores, select))
  return {(x.view, x.fold, x.setting) for x in scores if x.is_chosen}


def _entries(
  plan: planning.Plan, number: int, rows: slice, saved: dict
) -> list[dict]:
  """How each of some members went, as `members.json` says it.

  Args:
    plan: of the run.
    number: of the members' chunk.
    rows: which of the chunk they are.
    saved: what was saved of them.
  """
  entries = []
  for index, name in enumerate(plan.chunks[number].names[rows]):
    found = {k: float(x[index]) for k, x in saved['best_metrics'].items()}
    entries.append(
      name.as_dict()
      | {
        'best_epoch': int(saved['best_epoch'][index]),
        **{
          f'val_{key}': value if math.isfinite(value) else None
          for key, value in found.items()
        },
        'failed_epoch': int(saved['failed_epoch'][index]),
      }
    )
  return entries
