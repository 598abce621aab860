"""Fine-tuning encoders, fold by fold, on the clips of a corpus.

Of each modality every fold gets an encoder of its own, trained on the clips
that the fold trains on and chosen by those it validates with: it has not seen
those that the fold holds out. All of a fold's features must come from its
encoder, those of its training clips too, so an encoder's folder says which
clips it has *seen*, and `extract_features` writes that beside the features.
"""

import dataclasses
import functools
import json
import logging
import math
import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from empathy import encoders, errors, files, progress
from empathy.corpora import corpus as corpora
from empathy.encoders import checkpoint, wav2vec2
from empathy.training import (
  checkpoints,
  classifier,
  configuration,
  members,
  parallel,
  states,
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
    program: what does not change while an encoder learns.
    layout: of a batch on the devices.
    store: the clips.
    labels: (N,) int32.
    batch_size: clips a step.
    num_epochs: passes over the training clips.
    seed: of all that is random, with the modality and the fold.
  """

  program: classifier.Program
  layout: parallel.Layout
  store: states.Store
  labels: np.ndarray
  batch_size: int
  num_epochs: int
  seed: tuple[int, ...]

  @functools.cached_property
  def train_step(self) -> Callable:
    """`classifier.train_step`, compiled for the devices."""

    def train_step(frozen, state, batch, key):
      key = jax.random.wrap_key_data(key)
      return classifier.train_step(self.program, frozen, state, batch, key)

    return self.layout.over_batch(train_step, donate=[1])

  @functools.cached_property
  def forward(self) -> Callable:
    """`classifier.forward` without dropout, likewise."""
    return self.layout.over_batch(
      functools.partial(classifier.forward, self.program)
    )

  def batch(self, rows: np.ndarray) -> classifier.Batch:
    """Some clips, `batch_size` at most, on the devices; -1 is none."""
    missing = self.batch_size - len(rows)
    missing += -self.batch_size % len(self.layout.devices)
    rows = np.pad(rows, (0, missing), constant_values=-1)
    num_inputs = padded_length(
      self.store.num_inputs[rows[rows >= 0]].max(), self.store.num_inputs.max()
    )
    values, mask = self.store.batch(
      rows, num_values(self.program, num_inputs), num_inputs
    )
    return self.layout.divide(
      classifier.Batch(values, mask, self.labels[rows], rows >= 0)
    )

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
    params: as in `classifier.State`, of the best epoch.
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
    directory: of its checkpoints, one after each epoch.
    bar: counts steps.

  Returns:
    The best epoch.
  """
  trained, frozen = classifier.split(task.program, params)
  state = classifier.init(
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
  first, found = checkpoints.restore_latest(directory, saved) or (0, saved)
  bar.skip(first * num_steps)
  history, best = found['history'].copy(), found['best']
  best_epoch = int(found['best_epoch'])
  frozen = task.layout.replicate(frozen)
  state = task.layout.replicate(
    classifier.State(found['params'], found['opt_state'])
  )
  for epoch in range(first, task.num_epochs):
    state, train_loss = _train_epoch(
      task, frozen, state, train, fold, epoch, bar
    )
    accuracy, loss = _validate(task, frozen, state, val)
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
    checkpoints.keep_last(directory, 1)
  return Best(best, best_epoch, history)


def _train_epoch(
  task: Task,
  frozen: Any,
  state: classifier.State,
  train: np.ndarray,
  fold: int,
  epoch: int,
  bar: progress.Progress,
) -> tuple[classifier.State, float]:
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


def _validate(
  task: Task, frozen: Any, state: classifier.State, val: np.ndarray
) -> tuple[float, float]:
  """The accuracy and the mean loss of the validation clips."""
  rows = val[np.argsort(task.store.num_inputs[val], kind='stable')]
  logits = []
  for start in range(0, len(rows), task.batch_size):
    some = rows[start : start + task.batch_size]
    found = task.forward(state.params, frozen, task.batch(some))
    logits.append(task.layout.join(found)[: len(some)])
  return classifier.accuracy_and_loss(
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


def num_values(program: classifier.Program, num_inputs: int) -> int:
  """The length T of the values of a clip whose main input has length S."""
  if program.first is None or program.input_name == 'input_ids':
    return num_inputs
  if program.input_name == 'input_values':
    return wav2vec2.num_frames(program.module.config, num_inputs)
  return _num_patches(program, num_inputs)


@functools.lru_cache
def _num_patches(program: classifier.Program, num_frames: int) -> int:
  pictures = jnp.zeros((1, num_frames, *program.input_shape))
  output = jax.eval_shape(
    lambda: program.module.init_with_output(
      jax.random.key(0), **{program.input_name: pictures}
    )[0]
  )
  return output.last_hidden_state.shape[1]
