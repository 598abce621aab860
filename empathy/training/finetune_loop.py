"""Fine-tuning encoders, fold by fold, on the clips of a corpus.

Of each modality every fold gets an encoder of its own, trained on the clips
that the fold trains on and chosen by those it validates with: it has not seen
those that the fold holds out. All of a fold's features must come from its
encoder, those of its training clips too, so an encoder's folder says which
clips it has *seen*, and `extract_features` writes that beside the features.
"""

import dataclasses
import functools
import hashlib
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np

from empathy import encoders, errors, files, named, preemption, progress
from empathy.corpora import corpus as corpora
from empathy.encoders import (
  extraction,
  extractors,
  fold_wise,
  inputs,
  pooling,
)
from empathy.models import losses
from empathy.training import (
  checkpoints,
  config_fields,
  configuration,
  finetune_recipe,
  finetune_step,
  frozen_states,
  members,
  metric_writer,
  metrics,
  parallel,
  workdir,
)

_log = logging.getLogger('empathy')

# Main inputs are padded to the longest one's length, or to it halved so often.
_MAX_HALVINGS = 3
# Streams of random numbers.
_INIT, _ORDER, _DROPOUT = range(3)


@dataclasses.dataclass(frozen=True)
class Task:
  """What all folds of a modality share.

  Attributes:
    path: the workdir.
    program: what does not change while an encoder learns.
    layout: of a batch on the devices.
    store: what goes into the first layer that learns.
    labels: (N,) int32.
    targets: (N, C) float32, distributions over classes to learn.
    scores: (N,) float, NaN where there is none; None without values.
    values: (C,) float, of the classes; None where they are no numbers.
    num_frames: pictures of a clip.
    seed: of all that is random, with the fold.
  """

  path: pathlib.Path
  program: finetune_step.Program
  layout: parallel.Layout
  store: frozen_states.Store
  labels: np.ndarray
  targets: np.ndarray
  scores: np.ndarray | None
  values: np.ndarray | None
  num_frames: int
  seed: tuple[int, ...]

  @property
  def recipe(self) -> finetune_recipe.Recipe:
    """How it learns."""
    return self.program.recipe

  @property
  def select(self) -> str:
    """The name of the metric that epochs are chosen by."""
    return named.label(self.recipe.select)

  @functools.cached_property
  def metrics(self) -> dict[str, metrics.Metric]:
    """Of validation clips, by name."""
    has_values = self.values is not None
    return metrics.used(self.recipe.select, has_values, finetune_recipe.SELECT)

  @functools.cached_property
  def train_step(self) -> Callable:
    """`finetune_step.train_step`, compiled for the devices."""
    function = functools.partial(finetune_step.train_step, self.program)
    return self.layout.over_batch(function, donate=[1])

  @functools.cached_property
  def forward(self) -> Callable:
    """`finetune_step.forward` without dropout, likewise."""
    return self.layout.over_batch(
      functools.partial(finetune_step.forward, self.program)
    )

  @functools.cached_property
  def measure(self) -> Callable:
    """`metrics.measure` of logits and targets, and of rows without losses."""
    loss = finetune_recipe.find_loss(self.recipe)

    def measure(targets, rows):
      rows = rows._replace(losses=loss(rows.logits, targets))
      return metrics.measure(self.metrics, rows)

    return jax.jit(measure)

  def batch(
    self, rows: np.ndarray, weights: np.ndarray | None = None, parts: int = 1
  ) -> finetune_step.Batch:
    """Some clips, `parts` batches at most, on the devices.

    Where they are fewer, or do not divide among the devices, the first one
    fills up.

    Args:
      rows: (R,) int, the clips.
      weights: (N,) float32, how much each clip of the corpus counts.
      parts: in which they are computed.
    """
    size = self.recipe.batch_size
    size = (size + -size % len(self.layout.devices)) * parts
    real = np.arange(size) < len(rows)
    rows = np.pad(rows, (0, size - len(rows)), constant_values=rows[0])
    lengths = self.store.length[rows]
    length = padded_length(lengths.max(), self.store.length.max())
    size = self.num_inputs(length)
    values = self.store.batch(rows, length)
    if self.program.kind.has_silence:  # Their last column says where not.
      size = self.program.kind.longest(self.program.module.config)
      values, lengths = values[..., :-1], (values[..., -1] > 0).sum(1)
    mask = np.arange(size) < self.num_inputs(lengths)[:, None]
    counts = real if weights is None else np.where(real, weights[rows], 0)
    return self.layout.divide(
      finetune_step.Batch(
        values, mask, self.targets[rows], counts.astype(np.float32)
      )
    )

  def num_inputs(self, length: Any) -> Any:
    """The length S of the main input that gives values of length T."""
    if self.program.kind.modality == 'video':
      return np.full_like(length, self.num_frames)
    if self.program.first is None:
      return length
    return self.program.kind.num_inputs(self.program.module.config, length)

  def key(self, fold: int, *stream: int) -> jax.Array:
    """The random key of a fold and a purpose."""
    key = jax.random.key(self.seed[0])
    for number in (*self.seed[1:], fold, *stream):
      key = jax.random.fold_in(key, number)
    return key


@dataclasses.dataclass(frozen=True)
class Fold:
  """What tells a fold's encoder from the others'.

  Attributes:
    modality: of the encoder.
    number: of the fold.
    chunk: the encoder's number in `metrics.jsonl`.
    checkpoints: their folder; the last two are kept.
    train: (R,) int, the clips to learn from.
    val: (V,) int, the clips to choose the epoch by.
    weights: (N,) float32, how much each clip counts in training.
  """

  modality: str
  number: int
  chunk: int
  checkpoints: pathlib.Path
  train: np.ndarray
  val: np.ndarray
  weights: np.ndarray

  def as_dict(self) -> dict[str, Any]:
    """Its name in `metrics.jsonl`."""
    return {'modality': self.modality, 'fold': self.number}


class Best(NamedTuple):
  """What training keeps.

  Attributes:
    params: as in `finetune_step.State`, of the best epoch.
    epoch: from 0, the first of those that are best by `Recipe.select`; -1 while
      no epoch had a finite loss.
    figures: of the validation clips, in that epoch, by the metrics' names.
  """

  params: Any
  epoch: int
  figures: Mapping[str, float]


def train_fold(
  task: Task,
  params: Mapping[str, Any],
  fold: Fold,
  bar: progress.Progress,
  is_stopped: Callable[[], bool],
) -> Best:
  """Trains one fold's encoder and classifier, or goes on doing so.

  A checkpoint is written after each epoch, and on SIGTERM after the step that
  it came in; each has all that the next step needs, so the end is the same.

  Args:
    task: what folds share.
    params: of the published encoder.
    fold: its clips.
    bar: counts steps.
    is_stopped: whether SIGTERM came.

  Returns:
    The best epoch.

  Raises:
    Stopped: SIGTERM came; the state is saved.
  """
  recipe, directory = task.recipe, fold.checkpoints
  trained, frozen = finetune_step.split(task.program, params)
  state = finetune_step.init(
    task.program,
    trained,
    task.program.module.config.hidden_size,
    task.key(fold.number, _INIT),
  )
  saved = {
    'state': state,
    'best': Best(state.params, -1, dict.fromkeys(task.metrics, 0.0)),
    'loss_sum': 0.0,
  }
  saved = jax.tree.map(np.asarray, saved)
  per_epoch = -(-len(fold.train) // recipe.step_size)
  num_steps = recipe.num_epochs * per_epoch
  shares = finetune_recipe.shares(recipe, num_steps)
  checkpoints.remove_leftovers(directory)
  last, saved = checkpoints.restore_latest(directory, saved) or (0, saved)
  best, loss_sum = saved['best'], float(saved['loss_sum'])
  figures = {name: float(x) for name, x in best.figures.items()}
  best = best._replace(epoch=int(best.epoch), figures=figures)
  first, done = divmod(last, per_epoch)
  bar.skip(last)
  frozen = task.layout.replicate(frozen)
  state = task.layout.replicate(saved['state'])
  note = ''

  def save(step: int) -> None:
    found = {'state': task.layout.gather(state), 'best': best}
    found = jax.tree.map(np.asarray, found | {'loss_sum': loss_sum})
    checkpoints.save(directory, step, found)
    checkpoints.keep_last(directory, 2)

  with metric_writer.MetricWriter(task.path, fold.chunk, first) as writer:
    for epoch in range(first, recipe.num_epochs):
      if recipe.patience and epoch - 1 - best.epoch >= recipe.patience:
        bar.skip((recipe.num_epochs - epoch) * per_epoch)
        break
      waiting = None  # The loss of the step before, which may be under way.
      for step, rows in _steps(task, fold, epoch, done):
        if is_stopped():
          if step > last:
            loss_sum += _read(waiting)
            save(step)
          raise errors.Stopped(
            f'{fold.modality}, fold {fold.number} is saved after step {step} '
            f'of {num_steps}; run the same command again: it goes on there'
          )
        key = jax.random.key_data(task.key(fold.number, _DROPOUT, step))
        state, loss = task.train_step(
          frozen,
          state,
          task.batch(rows, fold.weights, recipe.accumulate),
          *task.layout.replicate((key, shares[step])),
        )
        loss_sum += _read(waiting)
        waiting = loss, len(rows)
        bar.advance(note=note)
      train_loss = (loss_sum + _read(waiting)) / len(fold.train)
      figures = validate(task, frozen, state.params, fold.val)
      if np.isfinite(train_loss) and _is_better(task, figures, best):
        best = Best(task.layout.gather(state.params), epoch, figures)
      note = (
        f'val/{task.select} {figures[task.select]:.3f} after epoch '
        f'{epoch + 1} of {recipe.num_epochs}, fold {fold.number}'
      )
      told = {f'val/{name}': value for name, value in figures.items()}
      told['train/loss'] = train_loss
      told['train/learning_rate'] = recipe.learning_rate * shares[step]
      writer.write(epoch, [fold], {k: np.array([v]) for k, v in told.items()})
      loss_sum, done, last = 0.0, 0, step + 1
      save(last)
      # Validation, with what goes with it, comes once an epoch.
      bar.prepared(left=round(bar.units_left / per_epoch))
    writer.show_kept([fold], [best.epoch])
  return best


def _steps(
  task: Task, fold: Fold, epoch: int, done: int
) -> Iterator[tuple[int, np.ndarray]]:
  """The steps of an epoch from `done` on, and the clips of each."""
  key = task.key(fold.number, _ORDER, epoch)
  order = np.asarray(jax.random.permutation(key, len(fold.train)))
  size = task.recipe.step_size
  starts = range(0, len(order), size)
  for number in range(done, len(starts)):
    some = order[starts[number] :][:size]
    yield epoch * len(starts) + number, fold.train[some]


def _read(loss: tuple[jax.Array, int] | None) -> float:
  """The sum over the clips of a step, which is waited for."""
  return float(np.asarray(loss[0])[0]) * loss[1] if loss else 0.0


def _is_better(task: Task, figures: Mapping[str, float], best: Best) -> bool:
  """Whether an epoch is better than the best one before, if there is one."""
  if not np.isfinite(list(figures.values())).all():
    return False
  metric, name = task.metrics[task.select], task.select
  return best.epoch < 0 or metric.is_better(figures[name], best.figures[name])


def validate(
  task: Task, frozen: Any, params: Any, rows: np.ndarray
) -> dict[str, float]:
  """How well some clips are predicted, by the names of the metrics.

  Args:
    task: what folds share.
    frozen: what of the encoder does not learn, on the devices.
    params: as in `finetune_step.State`, on the devices.
    rows: (V,) int, the clips.
  """
  rows = rows[np.argsort(task.store.length[rows], kind='stable')]
  size, logits = task.recipe.batch_size, []
  for start in range(0, len(rows), size):
    some = rows[start : start + size]
    found = task.forward(params, frozen, task.batch(some))
    logits.append(task.layout.join(found)[: len(some)])
  scores, values = task.scores, task.values
  found = task.measure(
    task.targets[rows],
    metrics.Rows(
      np.concatenate(logits),
      None,
      task.labels[rows],
      np.ones(len(rows), bool),
      None if scores is None else np.float32(scores[rows]),
      None if values is None else np.float32(values),
    ),
  )
  return {name: float(value) for name, value in found.items()}


def padded_length(length: int, longest: int) -> int:
  """What to pad to, so that few shapes are compiled and little is padded.

  Args:
    length: of what is padded.
    longest: of all; more than 0.

  Returns:
    `longest`, or it halved up to three times and rounded up: the smallest that
    is enough.
  """
  sizes = [-(-longest // 2**k) for k in range(_MAX_HALVINGS + 1)]
  return int(min(size for size in sizes if size >= length))


def finetune(
  config: ml_collections.ConfigDict,
  corpus_path: str | os.PathLike,
  path: pathlib.Path,
) -> list[dict[str, Any]]:
  """Fine-tunes an encoder of each modality and fold, or goes on doing so.

  Args:
    config: as in `configs/mixed_signals_media.py`.
    corpus_path: the corpus folder, with transcripts or media.
    path: the workdir; encoders go to `<modality>/fold_<k>` there.

  Returns:
    How each came out, as its `finetuned.json` says.

  Raises:
    InputError: the config, the corpus, its media or the workdir is at fault.
  """
  config = check(config)
  configuration.use_compilation_cache()
  corpus = corpora.read(corpus_path, label=config.label)
  workdir.check_apart(path, corpus.path)
  _, parts = members.folds(corpus, config.num_folds, config.seed)
  modalities = [
    modality
    for modality in corpus.modalities
    if _learns(config.features.get(modality, {}))
  ]
  if not modalities:
    raise errors.InputError(
      'config.features: names no checkpoint for a modality of the corpus, '
      f'{", ".join(corpus.modalities)}; configs/mixed_signals_media.py does'
    )
  finetune_recipe.check(
    finetune_recipe.read(config.finetune.to_dict()),
    len(corpus.classes),
    corpus.values is not None,
  )
  failed: dict[str, extraction.NoFeaturesError] = {}
  with workdir.lock(path), files.full_disk_told(path):
    _begin(path, config, corpus)
    for modality in modalities:
      files.remove_leftovers(path / modality)
      undone = [
        fold
        for fold in parts
        if not fold_wise.is_finished(path, modality, fold)
      ]
      try:
        if undone:
          _finetune_modality(config, corpus, parts, undone, modality, path)
      except extraction.NoFeaturesError as error:
        failed[modality] = error  # The others are of use all the same.
        if error.is_absent:
          shutil.rmtree(path / modality)
      shutil.rmtree(_working(path, modality), ignore_errors=True)
    extraction.drop(
      corpus, [name for name, error in failed.items() if error.is_absent]
    )
  errors.raise_faults(
    [str(error) for error in failed.values() if not error.is_absent]
  )
  return [
    fold_wise.read_note(path, modality, fold)
    for modality in modalities
    if modality not in failed
    for fold in parts
  ]


def check(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """Makes sure that a config says how to fine-tune.

  Returns:
    The config, completed.

  Raises:
    InputError: one fault or more, a line each.
  """
  config = configuration.check_fields(config)
  faults = []
  for modality, settings in config.features.items():
    if modality not in corpora.MODALITIES:
      known = ', '.join(corpora.MODALITIES)
      faults.append(f'config.features.{modality}: is not {known}')
    elif _learns(settings):
      found = extractors.complete(modality, settings.to_dict())
      if found['layer'] == 'all' or found['pooling'] in pooling.SEQUENCES:
        faults.append(
          f"config.features.{modality}: layer 'all' and pooling 'none' give a "
          'sequence; an encoder learns by one embedding a clip: expected '
          "pooling 'first' or 'mean', and one layer"
        )
  errors.raise_faults(faults)
  return config


def _learns(settings: Mapping[str, Any]) -> bool:
  """Whether what makes features is an encoder with a checkpoint."""
  return settings.get('encoder', '') not in ('', *extractors.BASELINES)


def _begin(
  path: pathlib.Path,
  config: ml_collections.ConfigDict,
  corpus: corpora.Corpus,
) -> None:
  """Writes the workdir's `config.json`, or makes sure that it fits.

  The corpus' features are not part of it: they come from what is made here. Nor
  are its modalities, of which those that no clip has are taken out.
  """
  names = ('seed', 'num_folds', 'label', *config_fields.MEDIA_FIELDS)
  own = ml_collections.ConfigDict({name: config[name] for name in names})
  info = {k: v for k, v in corpus.info.items() if k != 'modalities'}
  text = json.dumps(info, sort_keys=True)
  hashes = {
    'corpus.json': hashlib.sha256(text.encode()).hexdigest(),
    'clips.csv': files.sha256(corpus.path / 'clips.csv'),
  }
  workdir.check(path, own, corpus.path, hashes)
  workdir.begin(path, own, corpus.path, hashes, [])


def _finetune_modality(
  config: ml_collections.ConfigDict,
  corpus: corpora.Corpus,
  parts: Mapping[int, members.Parts],
  undone: Sequence[int],
  modality: str,
  path: pathlib.Path,
) -> None:
  """Fine-tunes the encoders of one modality that are not there yet."""
  settings = extractors.complete(modality, config.features[modality].to_dict())
  recipe = finetune_recipe.read(config.finetune.to_dict())
  encoder = extractors.load(
    modality, settings | {'dtype': recipe.dtype}, recipe.remat
  )
  program = _program(encoder, settings, recipe, modality, len(corpus.classes))
  store, record = _store(config, corpus, modality, program, path)
  votes = corpus.vote_counts(corpora.full_condition(corpus.conditions))
  targets = losses.target_distributions(corpus.labels, votes, recipe.targets)
  order = corpora.MODALITIES.index(modality)
  task = Task(
    path=path,
    program=program,
    layout=parallel.Layout('batch', jax.local_devices(), 'float32'),
    store=store,
    labels=corpus.labels,
    targets=targets,
    scores=corpus.scores,
    values=corpus.values,
    num_frames=config.num_frames,
    seed=(config.seed, order),
  )
  is_labelled = corpus.labels != corpora.UNLABELLED
  folds = []
  for number in undone:
    part = parts[number]
    train = part.train & (store.length > 0) & (targets.sum(axis=1) > 0)
    val = part.val & (store.length > 0) & is_labelled
    rows = [np.flatnonzero(some) for some in (train, val)]
    chunk = order * len(parts) + number
    saved = _working(path, modality) / f'fold_{number}'
    weights = _weights(recipe.weights, votes, targets, train)
    folds.append(Fold(modality, number, chunk, saved, *rows, weights))
  errors.raise_faults(
    [
      f'{corpus.path}: fold {fold.number}: no labelled clip with {modality} to '
      f'{what}'
      for fold in folds
      for what, some in (('train on', fold.train), ('validate with', fold.val))
      if not len(some)
    ]
  )
  steps = sum(-(-len(fold.train) // recipe.step_size) for fold in folds)
  params = encoder.params['params']
  bar = progress.Progress(
    f'fine-tuning {modality}', steps * recipe.num_epochs, 'step'
  )
  with preemption.watch() as is_stopped, bar:
    for fold in folds:
      best = train_fold(task, params, fold, bar, is_stopped)
      if best.epoch < 0:
        raise errors.InputError(
          f'{modality}, fold {fold.number}: the loss of no epoch is finite; '
          'lower config.finetune.learning_rate'
        )
      _, frozen = finetune_step.split(program, params)
      merged = finetune_step.merge(program, frozen, best.params['encoder'])
      tuned = dataclasses.replace(encoder, params={'params': merged})
      seen = parts[fold.number].train | parts[fold.number].val
      note = {
        **fold.as_dict(),
        'num_folds': len(parts),
        'source': record,
        'layer': settings['layer'],
        'pooling': settings['pooling'],
        **{k: v for k, v in settings.items() if k == 'prefix'},
        'matmul_precision': encoders.MATMUL_PRECISION,
        'num_learned': sum(x.size for x in jax.tree.leaves(best.params)),
        'best_epoch': best.epoch,
        **{f'val_{name}': value for name, value in best.figures.items()},
        'seen': corpus.ids[seen].tolist(),
      }
      fold_wise.save(
        tuned, settings['encoder'], path, modality, fold.number, note
      )
      checkpoints.keep_last(fold.checkpoints, 0)
      _log.info(
        '%s, fold %d: %d parameters learned, best epoch %d, val/%s %.3f',
        *(modality, fold.number, note['num_learned'], best.epoch),
        *(task.select, best.figures[task.select]),
      )
    if is_stopped():  # As the last one was written.
      raise errors.Stopped(
        f'{modality} is done; run the same command again: it goes on there'
      )


def _weights(
  kind: str, votes: np.ndarray, targets: np.ndarray, train: np.ndarray
) -> np.ndarray:
  """How much each clip counts in training, (N,) float32.

  Args:
    kind: as in `config.weights`.
    votes: (N, C) counts.
    targets: (N, C) float32.
    train: (N,) bool, the clips to learn from.
  """
  weights = losses.clip_weights(votes, kind)
  if 'classes' in kind:
    balance = losses.class_weights(targets[train], weights[train])
    weights = weights * (targets @ np.asarray(balance))
  return weights


def _program(
  encoder: encoders.Encoder,
  settings: Mapping[str, Any],
  recipe: finetune_recipe.Recipe,
  modality: str,
  num_classes: int,
) -> finetune_step.Program:
  """What does not change while an encoder learns."""
  layer = settings['layer']
  num_layers = extractors.layers_below(modality, encoder.config, layer)
  if recipe.trained_layers > num_layers:
    raise errors.InputError(
      f'config.finetune.trained_layers: {recipe.trained_layers}: the encoder '
      f'of {modality} has {num_layers} layers'
      + (f' below layer {layer}' if layer != 'last' else '')
    )
  (name, example), *_ = encoders.example(encoder.config).items()
  program = finetune_step.Program(
    module=extractors.unpadded(encoder.module),
    num_layers=num_layers,
    layer='last' if layer == 'last' else num_layers,
    pooling=extractors.how(encoder, settings).pooling,
    num_classes=num_classes,
    input_name=name,
    input_shape=np.moveaxis(
      example, 1 + encoders.input_of(encoder.config).axis, 1
    ).shape[2:],
    recipe=recipe,
  )
  trained, _ = finetune_step.split(program, encoder.params['params'])
  known = finetune_step.projections(trained)
  errors.raise_faults(
    [
      f'config.finetune.lora.targets: {name!r}: the encoder of {modality} has '
      f'{", ".join(known)}'
      for name in recipe.lora.targets
      if recipe.lora.rank and name not in known
    ]
  )
  return program


def _working(path: pathlib.Path, modality: str) -> pathlib.Path:
  """Where states and checkpoints are while encoders are in training."""
  return path / modality / 'working'


def _first(
  load: Callable[[inputs.Clip], inputs.Loaded],
) -> Callable[[inputs.Clip], inputs.Loaded]:
  """Loads the first window of each clip alone."""

  def first(clip: inputs.Clip) -> inputs.Loaded:
    loaded = load(clip)
    is_cut = loaded.is_cut or len(loaded.rows) > 1
    return inputs.Loaded(loaded.rows[:1], is_cut)

  return first


def _store(
  config: ml_collections.ConfigDict,
  corpus: corpora.Corpus,
  modality: str,
  program: finetune_step.Program,
  path: pathlib.Path,
) -> tuple[frozen_states.Store, dict[str, Any]]:
  """What goes into the first layer that learns, and what it was made with.

  It is extracted as features are, in float32: the states that come out of the
  last frozen layer, or the encoder's inputs where nothing is frozen. Of a clip
  that is longer than the encoder takes at once, that of the first window. Of
  what is followed by silence that is all of it, for the layers that learn see
  it.
  """
  settings = {
    **extractors.complete(modality, config.features[modality].to_dict()),
    'layer': program.first or 0,
    'pooling': 'states',
    'dtype': 'float32',
    'batch_size': program.recipe.batch_size,
  }
  extractor = extractors.make(
    modality, settings, config.seconds, config.num_frames, parallel.spread
  )
  kind, compute, record = program.kind, extractor.compute, extractor.record
  load = extractor.load if kind.is_sequence else _first(extractor.load)
  if program.first is None:
    record = dict(record) | {'layer': 'input'}

    def compute(clips: Sequence[Any]) -> list[np.ndarray]:
      return [
        np.concatenate(
          [np.moveaxis(row[program.input_name], kind.axis, 0) for row in rows]
        )
        for rows in clips
      ]

  def marked(clips: Sequence[Any]) -> list[np.ndarray]:
    """With a last column of 1 where there is sound, of 0 in the silence."""
    return [
      _marked(program, values, rows[0])
      for values, rows in zip(compute(clips), clips, strict=True)
    ]

  extractor = dataclasses.replace(
    extractor,
    load=load,
    record=record,
    compute=marked if kind.has_silence else compute,
  )
  where = _working(path, modality) / 'states.npy'
  frozen_states.discard_damaged(where)
  plan = extraction.plan(corpus, modality, extractor, config.faults, where)
  if not plan.is_done():
    extraction.extract(plan, extractor)
    extraction.check_any(plan)
    frozen_states.join(plan, corpus.ids.tolist())
  return frozen_states.Store(where), plan.record


def _marked(
  program: finetune_step.Program,
  values: np.ndarray,
  row: Mapping[str, np.ndarray],
) -> np.ndarray:
  """Values (T, D) as (T, D + 1), the last 1 before silence and 0 in it."""
  size = int(row['attention_mask'].sum())
  if program.first is not None:
    size = program.kind.num_states(program.module.config, size)
  real = np.arange(len(values)) < size
  return np.concatenate([values, real[:, None]], axis=1, dtype=np.float32)
