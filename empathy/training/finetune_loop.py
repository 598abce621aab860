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
import math
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import ml_collections
import numpy as np

from empathy import encoders, errors, files, progress
from empathy.corpora import corpus as corpora
from empathy.encoders import extraction, extractors, fold_wise, wav2vec2
from empathy.training import (
  checkpoints,
  configuration,
  finetune_step,
  frozen_states,
  members,
  parallel,
  workdir,
)

_log = logging.getLogger('empathy')

# Main inputs are padded to the longest one's length, or to it halved so often.
_MAX_HALVINGS = 3
# The fields of `config.finetune`, with an example of each one's type.
_RECIPE = {
  'trained_layers': 0,
  'learning_rate': 0.0,
  'weight_decay': 0.0,
  'batch_size': 1,
  'num_epochs': 1,
  'remat': False,
}
# Streams of random numbers.
_INIT, _ORDER, _DROPOUT = range(3)


@dataclasses.dataclass(frozen=True)
class Task:
  """What all folds of a modality share.

  Attributes:
    program: what does not change while an encoder learns.
    layout: of a batch on the devices.
    store: what goes into the first layer that learns.
    labels: (N,) int32.
    num_frames: pictures of a clip.
    batch_size: clips a step.
    num_epochs: passes over the training clips.
    seed: of all that is random, with the modality and the fold.
  """

  program: finetune_step.Program
  layout: parallel.Layout
  store: frozen_states.Store
  labels: np.ndarray
  num_frames: int
  batch_size: int
  num_epochs: int
  seed: tuple[int, ...]

  @functools.cached_property
  def train_step(self) -> Callable:
    """`finetune_step.train_step`, compiled for the devices."""

    def train_step(frozen, state, batch, key):
      key = jax.random.wrap_key_data(key)
      return finetune_step.train_step(self.program, frozen, state, batch, key)

    return self.layout.over_batch(train_step, donate=[1])

  @functools.cached_property
  def forward(self) -> Callable:
    """`finetune_step.forward` without dropout, likewise."""
    return self.layout.over_batch(
      functools.partial(finetune_step.forward, self.program)
    )

  def batch(self, rows: np.ndarray) -> finetune_step.Batch:
    """Some clips, `batch_size` at most, on the devices.

    Where they are fewer, or do not divide among the devices, the first one
    fills up.
    """
    size = self.batch_size
    size += -size % len(self.layout.devices)
    real = np.arange(size) < len(rows)
    rows = np.pad(rows, (0, size - len(rows)), constant_values=rows[0])
    lengths = self.store.length[rows]
    length = padded_length(lengths.max(), self.store.length.max())
    inputs = self.num_inputs(lengths)
    mask = np.arange(self.num_inputs(length)) < inputs[:, None]
    values = self.store.batch(rows, length)
    return self.layout.divide(
      finetune_step.Batch(values, mask, self.labels[rows], real)
    )

  def num_inputs(self, length: Any) -> Any:
    """The length S of the main input that gives values of length T."""
    if self.program.input_name == 'pixel_values':
      return np.full_like(length, self.num_frames)
    if self.program.first is None or self.program.input_name == 'input_ids':
      return length
    return wav2vec2.num_samples(self.program.module.config, length)

  def key(self, fold: int, *stream: int) -> jax.Array:
    """The random key of a fold and a purpose."""
    key = jax.random.key(self.seed[0])
    for number in (*self.seed[1:], fold, *stream):
      key = jax.random.fold_in(key, number)
    return key


@dataclasses.dataclass(frozen=True)
class Best:
  """What training keeps.

  Attributes:
    params: as in `finetune_step.State`, of the best epoch.
    epoch: from 0, the first of those with the best validation accuracy; -1
      while no epoch had a finite loss.
    history: (num_epochs, 3) float64, the mean training loss, the validation
      loss and accuracy of each epoch.
  """

  params: Any
  epoch: int
  history: np.ndarray


def train_fold(
  task: Task,
  params: Mapping[str, Any],
  train: np.ndarray,
  val: np.ndarray,
  fold: int,
  directory: pathlib.Path,
  bar: progress.Progress,
) -> Best:
  """Trains one fold's encoder and classifier, or goes on doing so.

  Args:
    task: what folds share.
    params: of the published encoder.
    train: (R,) int, the clips to learn from.
    val: (V,) int, the clips to choose the epoch by.
    fold: its number.
    directory: of its checkpoints, one after each epoch, the last two kept.
    bar: counts steps.

  Returns:
    The best epoch.
  """
  trained, frozen = finetune_step.split(task.program, params)
  state = finetune_step.init(
    task.program,
    trained,
    task.program.module.config.hidden_size,
    task.key(fold, _INIT),
  )
  saved = {
    'params': state.params,
    'opt_state': state.opt_state,
    'best': state.params,
    'best_epoch': np.int64(-1),
    'history': np.full((task.num_epochs, 3), np.nan),
  }
  saved = jax.tree.map(np.asarray, saved)
  num_steps = -(-len(train) // task.batch_size)
  checkpoints.remove_leftovers(directory)
  first, found = checkpoints.restore_latest(directory, saved) or (0, saved)
  bar.skip(first * num_steps)
  history, best = found['history'].copy(), found['best']
  best_epoch = int(found['best_epoch'])
  frozen = task.layout.replicate(frozen)
  state = task.layout.replicate(
    finetune_step.State(found['params'], found['opt_state'])
  )
  for epoch in range(first, task.num_epochs):
    state, train_loss = _train_epoch(
      task, frozen, state, train, fold, epoch, bar
    )
    accuracy, loss = validate(task, frozen, state.params, val)
    history[epoch] = train_loss, loss, accuracy
    highest = history[best_epoch, 2] if best_epoch >= 0 else -1
    if math.isfinite(train_loss + loss) and accuracy > highest:
      best_epoch, best = epoch, task.layout.gather(state.params)
    host = task.layout.gather(state)
    checkpoints.save(
      directory,
      epoch + 1,
      jax.tree.map(
        np.asarray,
        {
          'params': host.params,
          'opt_state': host.opt_state,
          'best': best,
          'best_epoch': np.int64(best_epoch),
          'history': history,
        },
      ),
    )
    checkpoints.keep_last(directory, 2)
  return Best(best, best_epoch, history)


def _train_epoch(
  task: Task,
  frozen: Any,
  state: finetune_step.State,
  train: np.ndarray,
  fold: int,
  epoch: int,
  bar: progress.Progress,
) -> tuple[finetune_step.State, float]:
  """One pass over the training clips; returns the mean loss too."""
  order = jax.random.permutation(task.key(fold, _ORDER, epoch), len(train))
  rows = train[np.asarray(order)]
  losses = []
  starts = range(0, len(rows), task.batch_size)
  for number, start in enumerate(starts):
    key = task.key(fold, _DROPOUT, epoch * len(starts) + number)
    state, loss = task.train_step(
      frozen,
      state,
      task.batch(rows[start : start + task.batch_size]),
      task.layout.replicate(np.asarray(jax.random.key_data(key))),
    )
    losses.append(loss)
    bar.advance()
  sizes = np.minimum(len(rows) - np.array(starts), task.batch_size)
  means = np.array([np.asarray(loss)[0] for loss in losses], np.float64)
  return state, float(means @ sizes / len(rows))


def validate(
  task: Task, frozen: Any, params: Any, rows: np.ndarray
) -> tuple[float, float]:
  """The accuracy of some clips, and their mean loss in nats.

  Args:
    task: what folds share.
    frozen: what of the encoder does not learn, on the devices.
    params: as in `finetune_step.State`, on the devices.
    rows: (V,) int, the clips.
  """
  rows = rows[np.argsort(task.store.length[rows], kind='stable')]
  logits = []
  for start in range(0, len(rows), task.batch_size):
    some = rows[start : start + task.batch_size]
    found = task.forward(params, frozen, task.batch(some))
    logits.append(task.layout.join(found)[: len(some)])
  return finetune_step.accuracy_and_loss(
    np.concatenate(logits), task.labels[rows]
  )


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
  check(config)
  configuration.use_compilation_cache()
  corpus = corpora.read(corpus_path, label=config.get('label'))
  workdir.check_apart(path, corpus.path)
  _, parts = members.folds(corpus, config.num_folds, config.seed)
  modalities = [
    modality
    for modality in corpus.modalities
    if config.features.get(modality, {}).get('encoder', '')
    not in ('', *extractors.BASELINES)
  ]
  if not modalities:
    raise errors.InputError(
      'config.features: names no checkpoint for a modality of the corpus, '
      f'{", ".join(corpus.modalities)}'
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
      for rest in (_states_path(path, modality).parent, _saved(path, modality)):
        shutil.rmtree(rest, ignore_errors=True)
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


def check(config: ml_collections.ConfigDict) -> None:
  """Makes sure that a config says how to fine-tune.

  Raises:
    InputError: one fault or more, a line each.
  """
  errors.raise_faults(
    [
      f'config.{name}: is missing'
      for name in ('seed', 'num_folds', *configuration.MEDIA_FIELDS)
      if name not in config
    ]
  )
  _check_features(config.features)
  faults, recipe = [], config.finetune
  for name, example in _RECIPE.items():
    value = recipe.get(name)
    kinds = (int, float) if type(example) is float else (type(example),)
    if type(value) not in kinds:
      faults.append(
        f'config.finetune.{name}: {value!r} is not of the type '
        f'{type(example).__name__}'
      )
    elif not value >= (name in ('batch_size', 'num_epochs')):
      faults.append(f'config.finetune.{name}: {value} is too small')
  faults += [
    f'config.finetune.{name}: there is no such field'
    for name in recipe
    if name not in _RECIPE
  ]
  faults += [
    f'config.features.{name}: is not {", ".join(corpora.MODALITIES)}'
    for name in config.features
    if name not in corpora.MODALITIES
  ]
  errors.raise_faults(faults)


def _check_features(features: Mapping[str, Any]) -> None:
  """Makes sure that an encoder can learn by what stands for a clip."""
  faults = []
  for modality, settings in features.items():
    if settings.get('encoder', '') in ('', *extractors.BASELINES):
      continue
    found = extractors.complete(modality, settings.to_dict())
    if found['layer'] == 'all' or found['pooling'] == 'none':
      faults.append(
        f"config.features.{modality}: layer 'all' and pooling 'none' give a "
        'sequence; an encoder learns by one embedding a clip: expected pooling '
        "'first' or 'mean', and one layer"
      )
  errors.raise_faults(faults)


def _begin(
  path: pathlib.Path,
  config: ml_collections.ConfigDict,
  corpus: corpora.Corpus,
) -> None:
  """Writes the workdir's `config.json`, or makes sure that it fits.

  The corpus' features are not part of it: they come from what is made here. Nor
  are its modalities, of which those that no clip has are taken out.
  """
  names = ('seed', 'num_folds', *configuration.MEDIA_FIELDS)
  own = ml_collections.ConfigDict({name: config[name] for name in names})
  info = {k: v for k, v in corpus.info.items() if k != 'modalities'}
  text = json.dumps(info, sort_keys=True)
  hashes = {
    'corpus.json': hashlib.sha256(text.encode()).hexdigest(),
    'clips.csv': files.sha256(corpus.path / 'clips.csv'),
  }
  workdir.check(path, own, corpus.path, hashes)
  workdir.begin(path, own, corpus.path, hashes, 1)


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
  recipe = config.finetune
  encoder = encoders.load(settings['encoder'], remat=recipe.remat)
  program = _program(encoder, settings, recipe, modality, len(corpus.classes))
  store, record = _store(config, corpus, modality, program, path)
  layout = parallel.Layout('batch', jax.local_devices(), 'float32')
  task = Task(
    program=program,
    layout=layout,
    store=store,
    labels=corpus.labels,
    num_frames=config.num_frames,
    batch_size=recipe.batch_size,
    num_epochs=recipe.num_epochs,
    seed=(config.seed, corpora.MODALITIES.index(modality)),
  )
  usable = (corpus.labels != corpora.UNLABELLED) & (store.length > 0)
  rows = {
    fold: [
      np.flatnonzero(part & usable)
      for part in (parts[fold].train, parts[fold].val)
    ]
    for fold in undone
  }
  errors.raise_faults(
    [
      f'{corpus.path}: fold {fold}: no labelled clip with {modality} to {what}'
      for fold, found in rows.items()
      for what, some in zip(('train on', 'validate with'), found, strict=True)
      if not len(some)
    ]
  )
  steps = sum(-(-len(train) // recipe.batch_size) for train, _ in rows.values())
  params = encoder.params['params']
  with progress.Progress(
    f'fine-tuning {modality}', steps * recipe.num_epochs, 'step'
  ) as bar:
    for fold, (train, val) in rows.items():
      directory = _saved(path, modality) / str(fold)
      best = train_fold(task, params, train, val, fold, directory, bar)
      if best.epoch < 0:
        raise errors.InputError(
          f'{modality}, fold {fold}: the loss of no epoch is finite; lower '
          'config.finetune.learning_rate'
        )
      _, frozen = finetune_step.split(program, params)
      tuned = dataclasses.replace(
        encoder, params={'params': {**frozen, **best.params['encoder']}}
      )
      seen = parts[fold].train | parts[fold].val
      note = {
        'modality': modality,
        'fold': fold,
        'num_folds': len(parts),
        'source': record,
        'layer': settings['layer'],
        'pooling': settings['pooling'],
        'matmul_precision': encoders.MATMUL_PRECISION,
        'best_epoch': best.epoch,
        'val_accuracy': best.history[best.epoch, 2],
        'history': [
          [x if math.isfinite(x) else None for x in row]
          for row in best.history.tolist()
        ],
        'seen': corpus.ids[seen].tolist(),
      }
      fold_wise.save(tuned, settings['encoder'], path, modality, fold, note)
      checkpoints.keep_last(directory, 0)
      _log.info(
        '%s, fold %d: best epoch %d, val/accuracy %.3f',
        *(modality, fold, best.epoch, note['val_accuracy']),
      )


def _program(
  encoder: encoders.Encoder,
  settings: Mapping[str, Any],
  recipe: ml_collections.ConfigDict,
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
  return finetune_step.Program(
    module=extractors.unpadded(encoder.module),
    num_layers=num_layers,
    num_trained=recipe.trained_layers,
    layer='last' if layer == 'last' else num_layers,
    pooling=settings['pooling'],
    num_classes=num_classes,
    input_name=name,
    input_shape=example.shape[2:],
    learning_rate=recipe.learning_rate,
    weight_decay=recipe.weight_decay,
  )


def _states_path(path: pathlib.Path, modality: str) -> pathlib.Path:
  return path / modality / 'states' / 'states.npy'


def _saved(path: pathlib.Path, modality: str) -> pathlib.Path:
  """Where the checkpoints of encoders in training are, a folder a fold."""
  return path / modality / 'checkpoints'


def _store(
  config: ml_collections.ConfigDict,
  corpus: corpora.Corpus,
  modality: str,
  program: finetune_step.Program,
  path: pathlib.Path,
) -> tuple[frozen_states.Store, dict[str, Any]]:
  """What goes into the first layer that learns, and what it was made with.

  It is extracted as features are, in float32: the states that come out of the
  last frozen layer, or the encoder's inputs where nothing is frozen.
  """
  settings = {
    **extractors.complete(modality, config.features[modality].to_dict()),
    'layer': program.first or 0,
    'pooling': 'none',
    'dtype': 'float32',
    'batch_size': config.finetune.batch_size,
  }
  extractor = extractors.make(
    modality, settings, config.seconds, config.num_frames, parallel.spread
  )
  if program.first is None:
    extractor = dataclasses.replace(
      extractor,
      record=dict(extractor.record) | {'layer': 'input'},
      compute=lambda items: [item[program.input_name] for item in items],
    )
  where = _states_path(path, modality)
  frozen_states.discard_damaged(where)
  plan = extraction.plan(corpus, modality, extractor, config.faults, where)
  if not plan.is_done():
    extraction.extract(plan, extractor)
    extraction.check_any(plan)
    frozen_states.join(plan, corpus.ids.tolist())
  return frozen_states.Store(where), plan.record
