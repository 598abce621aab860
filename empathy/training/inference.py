"""The predictions table of trained members."""

import contextlib
import dataclasses
import functools
import itertools
import logging
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import ml_collections
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import special

from empathy import errors, files
from empathy.corpora import corpus as corpora
from empathy.training import (
  checkpoints,
  configuration,
  layered,
  members,
  normalisation,
  parallel,
  step,
  stream,
  workdir,
)

_log = logging.getLogger('empathy')

# The fold of a clip that the run has never seen.
_NEW = -2


def subsets(num_modalities: int) -> list[np.ndarray]:
  """Every non-empty choice of modalities, (M,) bool, all of them first."""
  choices = itertools.product([True, False], repeat=num_modalities)
  return [np.array(choice) for choice in choices if any(choice)]


@dataclasses.dataclass(frozen=True)
class Job:
  """A chunk of trained members, some of which predict.

  Attributes:
    program: what they share.
    names: of all of them.
    chosen: the indices of those that predict.
  """

  program: step.Program
  names: Sequence[members.Name]
  chosen: np.ndarray

  @property
  def views(self) -> list[str]:
    """Those of the members that predict."""
    return [self.names[index].view for index in self.chosen]


def group_size(
  views: Sequence[Sequence[str]], modalities: Sequence[str]
) -> int:
  """How many members to predict with at a time.

  As many as a chunk has of the full view, at most: they alone predict again for
  each subset of the modalities, and so all groups are of one size and compiled
  once. Where there are none, as many as a chunk has.

  Args:
    views: of the members of each chunk of a network.
    modalities: M names.
  """
  full = corpora.view_name(modalities)
  most = max(sum(view == full for view in chunk) for chunk in views)
  return most or max(map(len, views))


def compiled(program: step.Program, layout: parallel.Layout) -> Callable:
  """Predicts: of the data, what is given, the clips, members and parameters."""
  return layout.map(functools.partial(_predict, program), num_shared=2)


def predict_members(
  layout: parallel.Layout,
  data: step.Data,
  num_clips: int,
  jobs: Sequence[Job],
  load: Callable[[int], dict],
  clips: Mapping[int, np.ndarray],
) -> dict[str, np.ndarray]:
  """Predictions of trained members, those of the full view also shown less.

  A member without a finite epoch predicts nothing.

  Args:
    layout: of the members on the devices, those of this process.
    data: the corpus, in host memory.
    num_clips: N.
    jobs: the chunks, of each the members that this process predicts with.
    load: gives what was saved of a chunk, by its number; called for each in
      turn.
    clips: to be predicted by the members of each fold.

  Returns:
    Columns of equal length: 'clip', 'seed' and 'fold', int; 'view' and 'given',
    (., M) bool; 'logits', (., C); 'gates' and 'attention', (., M), and
    'layers', (., ΣL), one modality's after another's, where there are any.
    Nothing at all where no member predicts.
  """
  on_devices, presence = layout.replicate(data), members.presence_of(data)
  num_rows = max(1, *map(len, clips.values()))
  run = functools.cache(lambda number: compiled(jobs[number].program, layout))
  columns = []
  for number, job in enumerate(jobs):
    saved = load(number)
    alike = [
      index
      for index, other in enumerate(jobs)
      if other.program.computed == job.program.computed and len(other.chosen)
    ]
    if not len(job.chosen):
      continue
    size = group_size([jobs[x].views for x in alike], job.program.modalities)
    saved = select(saved, job.chosen)
    names = [job.names[index] for index in job.chosen]
    padded = np.zeros((len(names), num_rows), np.int32)
    filled = np.zeros(padded.shape, bool)
    for index, name in enumerate(names):
      own = clips[name.fold][: None if saved['best_epoch'][index] >= 0 else 0]
      start = members.first_row(num_clips, len(presence), name.fold)
      padded[index, : len(own)] = start + own
      filled[index, : len(own)] = True
    keys = 'view', 'mean', 'scale', 'params', 'batch_stats'
    what = padded, {key: saved[key] for key in keys}
    for own, shown in _rounds(saved['view'], size):
      sharded = layout.shard(select(what, own), size)
      for given in shown:
        output = run(alike[0])(on_devices, layout.replicate(given), *sharded)
        output = layout.fetch(output, len(own))
        here = presence[padded[own]] & filled[own][..., None]
        keep, found = _told(here, saved['view'][own], given)
        found['clip'] = (padded[own] % num_clips)[keep]
        for key in ('seed', 'fold'):
          values = np.array([getattr(names[i], key) for i in own], np.int32)
          found[key] = values[np.nonzero(keep)[0]]
        columns.append(found | _outputs(job.program, output, keep))
  return concatenate(columns) if columns else {}


def _rounds(
  view: np.ndarray, size: int
) -> Iterator[tuple[np.ndarray, Sequence[np.ndarray]]]:
  """Which members predict at a time, and what modalities they are given.

  Members of smaller views are shown all that they can see, once.

  Args:
    view: (members, M) bool.
    size: members at a time, at most.
  """
  everything, *less = subsets(view.shape[1])
  for chosen, shown in (
    (np.arange(len(view)), [everything]),
    (np.flatnonzero(view.all(axis=1)), less),
  ):
    for start in range(0, len(chosen) if shown else 0, size):
      yield chosen[start : start + size], shown


def _told(
  here: np.ndarray, view: np.ndarray, given: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
  """Which predictions the table has, and what they are of.

  Args:
    here: (members, rows, M) bool, the modalities that each row has; none for
      one that is there to fill up.
    view: (members, M) bool.
    given: (M,) bool, what members were shown of their views.

  Returns:
    (members, rows) bool, and the columns 'view' and 'given'.
  """
  shown = here & (view & given)[:, None, :]
  keep = shown.any(axis=2)
  # A clip that lacks a modality is not shown it: that is another subset.
  if not given.all():
    keep &= (shown == given).all(axis=2)
    keep &= ~(shown == here).all(axis=2)
  return keep, {'view': view[np.nonzero(keep)[0]], 'given': shown[keep]}


def _outputs(
  program: step.Program, output: Any, keep: np.ndarray
) -> dict[str, np.ndarray]:
  """The columns of what a network says, (members, rows, ...), where it counts.

  Of modalities that the network does not know there is nothing.
  """
  result = {'logits': output.logits[keep]}
  for key in ('gates', 'attention'):
    values = getattr(output, key)
    if values is not None:
      shape = keep.sum(), len(program.modalities)
      result[key] = np.zeros(shape, np.float32)
      result[key][:, list(program.indices.values())] = values[keep]
  mixed = num_layers(program)
  if mixed:
    result['layers'] = np.concatenate(
      [
        output.layers[modality][keep]
        if modality in program.indices
        else np.zeros((keep.sum(), count), np.float32)
        for modality, count in mixed.items()
      ],
      axis=1,
    )
  return result


def num_layers(program: step.Program) -> dict[str, int]:
  """How many layers are mixed, by modality of which some are."""
  if not program.network.mixes_layers:
    return {}
  return {
    modality: program.max_length[modality]
    for modality in program.modalities
    if modality in program.max_length
  }


def concatenate(
  columns: Sequence[dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """Joins columns, as `predict_members` gives them, end to end."""
  return {
    key: np.concatenate([found[key] for found in columns]) for key in columns[0]
  }


def table(
  columns: dict[str, np.ndarray],
  ids: np.ndarray,
  classes: Sequence[str],
  modalities: Sequence[str],
  mixed: Mapping[str, int] | None = None,
) -> pa.Table:
  """The predictions table, a row for each clip, member and subset shown.

  Args:
    columns: as `predict_members` gives them, or with 'probs' in place of
      'logits'.
    ids: (N,) str.
    classes: C names.
    modalities: M names, in order.
    mixed: as `num_layers` gives them; None for none.

  Returns:
    The table, sorted by id, so that a clip's rows can be read together; then
    by view, seed and what was given.
  """
  columns = dict(columns)
  if 'probs' not in columns:
    columns['probs'] = softmax(columns['logits'])
  bits = 1 << np.arange(len(modalities))
  view, given = columns['view'] @ bits, columns['given'] @ bits
  order = np.lexsort(
    (
      -given,
      columns['seed'],
      view,
      columns['view'].sum(axis=1),
      ids[columns['clip']],
    )
  )
  named = np.array(
    [
      corpora.view_name(
        modality
        for modality, bit in zip(modalities, bits, strict=True)
        if code & bit
      )
      for code in range(1 << len(modalities))
    ]
  )
  layers = [
    f'{modality}_{layer}'
    for modality, count in (mixed or {}).items()
    for layer in range(count)
  ]
  arrays = {
    'id': ids[columns['clip'][order]],
    'view': named[view[order]],
    'seed': columns['seed'][order],
    'fold': columns['fold'][order],
    'given': named[given[order]],
  }
  for key, prefix, names in (
    ('probs', 'prob', classes),
    ('logits', 'logit', classes),
    ('gates', 'gate', modalities),
    ('attention', 'attention', modalities),
    ('layers', 'layer', layers),
  ):
    if key in columns:
      for index, name in enumerate(names):
        arrays[f'{prefix}_{name}'] = columns[key][order, index]
  return pa.table(arrays)


def softmax(logits: np.ndarray) -> np.ndarray:
  """Probabilities, float64."""
  return special.softmax(logits.astype(np.float64), axis=1)


def mean_over_folds(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """One prediction for each (clip, view, given, seed): the mean over folds.

  Args:
    columns: as `predict_members` gives them.

  Returns:
    The same columns, 'probs' in place of 'logits'; 'fold' is that of the one
    member that predicted, 0 where several did.
  """
  bits = 1 << np.arange(columns['view'].shape[1])
  keys = np.stack(
    [
      columns['clip'],
      columns['view'] @ bits,
      columns['given'] @ bits,
      columns['seed'],
    ]
  )
  _, first, group, count = np.unique(
    keys, axis=1, return_index=True, return_inverse=True, return_counts=True
  )
  means = {'probs': softmax(columns['logits'])}
  means |= {
    key: columns[key]
    for key in ('gates', 'attention', 'layers')
    if key in columns
  }
  result = {
    key: columns[key][first] for key in ('clip', 'seed', 'view', 'given')
  }
  result['fold'] = np.where(count == 1, columns['fold'][first], 0)
  for key, values in means.items():
    total = np.zeros((len(first), values.shape[1]))
    np.add.at(total, group.reshape(-1), values)
    result[key] = total / count[:, None]
  return result


def predict(path: pathlib.Path, corpus_path: str | os.PathLike) -> pa.Table:
  """Predicts the clips of a corpus with the members of a run.

  A clip whose id the run knows is predicted by the member that held it out,
  and not at all where none did; other clips by all folds' members, averaged.
  Of a sweep only members of chosen settings predict.

  Args:
    path: the workdir of the run.
    corpus_path: the corpus folder; labels are not needed.

  Returns:
    The predictions table.

  Raises:
    InputError: the run, the corpus or its features are at fault.
  """
  configuration.use_compilation_cache()
  config = configuration.complete(
    ml_collections.ConfigDict(workdir.read_config(path)['config'])
  )
  trained = workdir.read_trained(path)
  corpus = _with_features(
    corpora.sorted_by_id(corpora.read_any(corpus_path, config.label)),
    trained,
  )
  layered.check_alike(corpus, config.model, trained.max_length)
  with contextlib.ExitStack() as stack:
    records = None
    if configuration.is_streamed(config):
      folder = stack.enter_context(tempfile.TemporaryDirectory())
      records = stream.write(corpus, folder)
    return _predict_corpus(path, config, trained, corpus, records)


def _predict_corpus(
  path: pathlib.Path,
  config: ml_collections.ConfigDict,
  trained: workdir.Trained,
  corpus: corpora.Corpus,
  records: pathlib.Path | None,
) -> pa.Table:
  """Like `predict`, of a corpus that was read.

  Args:
    path: the workdir of the run.
    config: of the run.
    trained: what came of it.
    corpus: sorted, with features.
    records: the folder that has the features, if they stay on disk.
  """
  features = normalisation.normalised(
    corpus.features, corpus.groups, config.normalise
  )
  # There is no row to be taken of an array that has none.
  empty = {m: x for m, x in features.items() if not len(x.values)}
  features |= stream.without_values(empty)
  source = None
  if records is not None:
    features = stream.without_values(features)
    source = stream.Source(records, len(corpus.ids), features)
  nothing = np.zeros((len(corpus.ids), len(trained.classes)), np.float32)
  data, max_length = members.data(features, corpus.labels, nothing)
  if layered.is_for(config.model):
    max_length = dict(trained.max_length)
  layout = parallel.Layout(
    'members', jax.local_devices(), config.matmul_precision
  )
  program = dataclasses.replace(
    configuration.make_program(
      config,
      trained.classes,
      tuple(features),
      max_length,
      layout,
      tuple(trained.values),
    ),
    source=source,
  )
  fold_of = np.array(
    [trained.fold_of.get(clip, _NEW) for clip in corpus.ids.tolist()]
  )
  if (fold_of != _NEW).any():
    _log.info(
      '%d of %d clips are in the training corpus: only members that held them '
      'out predict them',
      (fold_of != _NEW).sum(),
      len(fold_of),
    )
  folds = range(
    1 + max(entry['fold'] for chunk in trained.members for entry in chunk)
  )
  members.check_features(corpus, fold_of, len(folds))
  networks = {
    view: group.program(program)
    for group in workdir.groups(path)
    for view in group.views
  }
  jobs = []
  for number, entries in enumerate(trained.members):
    names = trained.names(number)
    chosen = [
      index
      for index, entry in enumerate(entries)
      if entry.get('chosen', True) and entry['best_epoch'] >= 0
    ]
    jobs.append(Job(networks[names[0].view], names, np.array(chosen, int)))
  if not any(len(job.chosen) for job in jobs):
    raise errors.InputError(f'{path}: no member has a finite epoch')
  columns = predict_members(
    layout,
    data,
    len(corpus.ids),
    jobs,
    lambda number: checkpoints.restore(
      workdir.members_path(path),
      number,
      saved_like(jobs[number].program, len(jobs[number].names), data),
    ),
    {
      fold: np.flatnonzero((fold_of == _NEW) | (fold_of == fold))
      for fold in folds
    },
  )
  return table(
    mean_over_folds(columns),
    corpus.ids,
    trained.classes,
    program.modalities,
    num_layers(program),
  )


def write(predictions: pa.Table, path: pathlib.Path) -> None:
  """Writes a predictions table as Parquet, whole or not at all."""
  with files.replacing(path) as temporary:
    pq.write_table(predictions, temporary)


def saved(member: step.Member, state: step.State) -> dict:
  """What is saved of members: the parameters of their best epoch, and more."""
  return {
    'params': state.best_params,
    'batch_stats': state.best_batch_stats,
    'best_metrics': state.best_metrics,
    'best_epoch': state.best_epoch,
    'failed_epoch': state.failed_epoch,
    'view': member.view,
    'mean': dict(member.mean),
    'scale': dict(member.scale),
  }


def without_unused(
  program: step.Program,
  data: step.Data,
  names: Sequence[members.Name],
  saved_: dict,
) -> dict:
  """What is saved of members, without parameters that they never use.

  A network of several views has parts for modalities that a member does not
  see. Each of these arrays is filled with its own first value, which takes no
  room on a disk; zeros might be divided by. What the member predicts is the
  same to the bit.

  Args:
    program: what the members share.
    data: the corpus.
    names: of the members.
    saved_: of them, as `saved` gives it, of NumPy arrays.
  """
  unused: dict[Any, np.ndarray] = {}
  for view in {name.view for name in names}:
    modalities = tuple(view.split('+'))
    if modalities == tuple(program.indices):
      continue
    if not program.network.narrowed(modalities):
      continue
    narrow = saved_like(program.narrowed(modalities), 1, data)
    used = {path for path, _ in jax.tree_util.tree_leaves_with_path(narrow)}
    own = np.array([name.view == view for name in names])
    for path, _ in jax.tree_util.tree_leaves_with_path(saved_):
      if path not in used:
        unused[path] = unused.get(path, False) | own

  def filled(path: Any, x: np.ndarray) -> np.ndarray:
    if path not in unused:
      return x
    flat = x.reshape(len(x), -1)
    flat = np.where(unused[path][:, None], flat[:, :1], flat)
    return flat.reshape(x.shape)

  return jax.tree_util.tree_map_with_path(filled, saved_)


def saved_like(program: step.Program, size: int, data: step.Data) -> dict:
  """The shapes of what is saved of a chunk's members.

  Args:
    program: what the members share.
    size: how many they are.
    data: a corpus with features of the kind trained on.
  """
  one = np.zeros((size,), np.int32)
  blank = {
    modality: np.zeros((size, values.shape[1]), np.float32)
    for modality, values in data.values.items()
  }
  view = np.zeros((size, len(program.modalities)), bool)
  rows = one[:, None]
  member = step.Member(one, one, view, rows, one, rows, one, blank, blank, {})
  return saved(member, step.states_like(program, data, member))


def select(tree: Any, indices: Sequence[int]) -> Any:
  """Some of the members of (members, ...) arrays."""
  return jax.tree.map(lambda x: x[np.asarray(indices)], tree)


def _with_features(
  corpus: corpora.Corpus, trained: workdir.Trained
) -> corpora.Corpus:
  """Reads a corpus' features; a modality that it lacks, no clip has.

  Args:
    corpus: read without features.
    trained: what the members were trained on.
  """
  modalities = sorted(trained.widths, key=corpora.modality_order)
  there = [
    modality
    for modality in modalities
    if modality in corpus.modalities
    and (corpus.path / 'features' / f'{modality}.npz').exists()
  ]
  corpus = corpora.with_features(corpus, there, True, trained.offsets)
  features = {}
  for modality in modalities:
    width = trained.widths[modality]
    sequences = modality in trained.max_length
    found = corpus.features.get(modality)
    place = f'{corpus.path / "features" / modality}.npz'
    if found is None:
      _log.warning(
        '%s: no such file: no clip is shown with %s', place, modality
      )
      found = corpora.Features(
        clip=np.zeros(0, np.int32),
        values=np.zeros((1, width), np.float32),
        length=np.zeros(0, np.int64) if sequences else None,
      )
    elif found.values.shape[1] != width:
      raise errors.InputError(
        f'{place}: features are {found.values.shape[1]} wide; the members were '
        f'trained on {width}'
      )
    elif (found.length is not None) != sequences:
      kinds = ('pooled features', 'sequences')
      raise errors.InputError(
        f'{place}: holds {kinds[not sequences]}; the members were trained on '
        f'{kinds[sequences]}'
      )
    elif (found.fold is not None) != (modality in trained.fold_wise):
      kinds = 'one encoder', 'an encoder of each fold'
      raise errors.InputError(
        f'{place}: holds features of {kinds[found.fold is not None]}; the '
        f'members were trained on those of {kinds[found.fold is None]}'
      )
    features[modality] = found
  if not any(len(found.clip) for found in features.values()):
    raise errors.InputError(
      f'{corpus.path / "features"}: has no features of '
      f'{", ".join(modalities)}; extract or copy them there'
    )
  return dataclasses.replace(corpus, features=features)


def _predict(program, data, given, rows, saved):
  # The rest tells only how a member is trained.
  member = step.Member(*(None,) * len(step.Member._fields))._replace(
    **{key: saved[key] for key in ('view', 'mean', 'scale')}
  )
  return step.predict(
    program, data, given, rows, member, saved['params'], saved['batch_stats']
  )._replace(alone=None)  # Which the table has as `given` one modality.
