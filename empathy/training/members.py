"""Which members there are, and what each of them sees of the corpus."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from empathy import errors
from empathy.corpora import builder, splits
from empathy.corpora import corpus as corpora
from empathy.training import step

_HELD_OUT_SPLIT = 'test'


@dataclasses.dataclass(frozen=True)
class Name:
  """A member's (view, fold, seed)."""

  view: str
  fold: int
  seed: int

  def __str__(self) -> str:
    return f'view {self.view}, fold {self.fold}, seed {self.seed}'


@dataclasses.dataclass(frozen=True)
class Parts:
  """Which clips one fold trains on, chooses the epoch by, and holds out.

  Attributes:
    train: (N,) bool.
    val: (N,) bool.
    held_out: (N,) bool.
  """

  train: np.ndarray
  val: np.ndarray
  held_out: np.ndarray


def views(
  wanted: Sequence[str], modalities: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
  """The modalities of each view to train.

  Args:
    wanted: names of views, each entry one or several joined by commas; none
      asks for every subset of the modalities.
    modalities: those of the corpus.

  Returns:
    A tuple of modalities for each view, small views first, the full view last.

  Raises:
    InputError: a view names a modality that the corpus does not have.
  """
  if not wanted:
    return tuple(
      subset
      for size in range(1, len(modalities) + 1)
      for subset in itertools.combinations(modalities, size)
    )
  chosen = set()
  for name in ','.join(wanted).split(','):
    view = tuple(sorted(name.split('+'), key=corpora.modality_order))
    if not set(modalities).issuperset(view) or len(set(view)) < len(view):
      raise errors.InputError(
        f'config.views: {name!r} is not made of the modalities '
        f'{", ".join(modalities)}'
      )
    chosen.add(view)
  order = [corpora.modality_order(modality) for modality in modalities]
  ranks = dict(zip(modalities, order, strict=True))
  return tuple(
    sorted(chosen, key=lambda view: (len(view), [ranks[m] for m in view]))
  )


def folds(
  dataset: builder.Dataset, num_folds: int, seed: int
) -> tuple[np.ndarray, dict[int, Parts]]:
  """Divides the clips; whole groups where the corpus does not say how.

  With K folds, fold k is held out, fold (k+1) mod K validates, the rest
  trains. With a split there is one fold, 0, which holds the test clips out.

  Args:
    dataset: the corpus.
    num_folds: K, where the corpus has neither split nor folds.
    seed: of the folds made then.

  Returns:
    The fold that holds each clip out, (N,) int32, -1 for none; and the parts
    by fold.

  Raises:
    InputError: there are too few folds or groups, or a part is empty.
  """
  if dataset.split is not None:
    fold_of = np.where(dataset.split == _HELD_OUT_SPLIT, 0, -1)
    parts = {
      0: Parts(*(dataset.split == name for name in ('train', 'val', 'test')))
    }
  else:
    fold_of = dataset.fold
    if fold_of is None:
      fold_of = splits.group_folds(
        dataset.groups, dataset.labels, num_folds, seed
      )
    num_folds = int(fold_of.max()) + 1
    if num_folds < 3:
      raise errors.InputError(
        f'{num_folds} folds: at least 3 are needed, to train, validate and '
        'hold out'
      )
    parts = {}
    for fold in range(num_folds):
      val = fold_of == (fold + 1) % num_folds
      held_out = fold_of == fold
      parts[fold] = Parts(~val & ~held_out, val, held_out)
  return fold_of.astype(np.int32), parts


def make(
  dataset: builder.Dataset,
  data_: step.Data,
  views_: Sequence[tuple[str, ...]],
  seeds: Sequence[int],
  parts: Mapping[int, Parts],
) -> tuple[list[Name], step.Member]:
  """Makes every member: each view with each fold and each seed.

  Args:
    dataset: the corpus.
    data_: likewise, with the targets; a clip that has none teaches nothing.
    views_: the modalities of each view.
    seeds: one for each repetition.
    parts: as `folds` gives them.

  Returns:
    The members' names, and the members as arrays with a leading axis.

  Raises:
    InputError: a member would have no clip to train on or to validate with.
  """
  modalities = tuple(dataset.features)
  presence = presence_of(data_)
  taught = data_.targets.sum(axis=1) > 0
  statistics = {
    fold: _standardise(dataset, parts[fold].train) for fold in parts
  }
  names, rows = [], []
  for view in views_:
    shown = np.array([modality in view for modality in modalities])
    seen = (presence & shown).any(axis=1)
    for fold, part in parts.items():
      train = np.flatnonzero(part.train & seen & taught)
      val = np.flatnonzero(part.val & seen & (dataset.labels >= 0))
      for what, found in (('train on', train), ('validate with', val)):
        if not len(found):
          raise errors.InputError(
            f'view {corpora.view_name(view)}, fold {fold}: no labelled clip to '
            f'{what}'
          )
      for seed in seeds:
        names.append(Name(corpora.view_name(view), fold, seed))
        rows.append((shown, train, val, fold, seed))
  max_train = max(len(row[1]) for row in rows)
  max_val = max(len(row[2]) for row in rows)

  def padded(array: np.ndarray, size: int) -> np.ndarray:
    return np.pad(array, (0, size - len(array))).astype(np.int32)

  def by_modality(index: int) -> dict[str, np.ndarray]:
    return {
      modality: np.stack([statistics[row[3]][modality][index] for row in rows])
      for modality in modalities
    }

  members = step.Member(
    seed=np.array([row[4] for row in rows], np.int32),
    fold=np.array([row[3] for row in rows], np.int32),
    view=np.stack([row[0] for row in rows]),
    train_rows=np.stack([padded(row[1], max_train) for row in rows]),
    num_train=np.array([len(row[1]) for row in rows], np.int32),
    val_rows=np.stack([padded(row[2], max_val) for row in rows]),
    num_val=np.array([len(row[2]) for row in rows], np.int32),
    mean=by_modality(0),
    scale=by_modality(1),
  )
  return names, members


def data(
  features: Mapping[str, corpora.Features],
  labels: np.ndarray,
  targets: np.ndarray,
  weights: np.ndarray | None = None,
) -> tuple[step.Data, dict[str, int]]:
  """The corpus as arrays for a device.

  Args:
    features: by modality.
    labels: (N,) int32.
    targets: (N, C) float32.
    weights: (N,) float32, of the clips in training; None for equal ones.

  Returns:
    The arrays, and the longest sequence of each modality that is not pooled.
  """
  values, start, length, max_length = {}, {}, {}, {}
  for modality, feature in features.items():
    lengths = feature.length
    if lengths is None:
      lengths = np.ones(len(feature.clip), np.int64)
    else:
      max_length[modality] = int(lengths.max(initial=1))
    values[modality] = feature.values
    start[modality] = np.zeros(len(labels), np.int32)
    start[modality][feature.clip] = np.cumsum(lengths) - lengths
    length[modality] = np.zeros(len(labels), np.int32)
    length[modality][feature.clip] = lengths
  if weights is None:
    weights = np.ones(len(labels), np.float32)
  arrays = step.Data(values, start, length, targets, labels, weights)
  return arrays, max_length


def presence_of(data_: step.Data) -> np.ndarray:
  """Which modalities each clip has: (N, M) bool."""
  return np.stack([length > 0 for length in data_.length.values()], axis=1)


def _standardise(
  dataset: builder.Dataset, train: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Mean and 1/(deviation + 1e-6) over the training clips, by modality."""
  statistics = {}
  for modality, feature in dataset.features.items():
    chosen = train[feature.clip]
    if feature.length is not None:
      chosen = np.repeat(chosen, feature.length)
    values = feature.values[chosen].astype(np.float64)
    if not len(values):  # No member that sees it can be trained on it.
      values = np.zeros((1, feature.values.shape[1]))
    scale = 1 / (values.std(axis=0) + 1e-6)
    statistics[modality] = (
      values.mean(axis=0).astype(np.float32),
      scale.astype(np.float32),
    )
  return statistics
