"""Which members there are, and what each of them sees of the corpus."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, nearest
from empathy.corpora import corpus as corpora
from empathy.corpora import splits
from empathy.training import step

_HELD_OUT_SPLIT = 'test'
# Rows that statistics take at a time.
_BLOCK = 256


@dataclasses.dataclass(frozen=True)
class Name:
  """A member's (view, fold, seed), and its setting in a sweep.

  Attributes:
    view: as in 'text+audio'.
    fold: that it holds out.
    seed: of its randomness.
    setting: the fields of the config that have several values, each with the
      member's own; empty where nothing is swept.
  """

  view: str
  fold: int
  seed: int
  setting: tuple[tuple[str, float], ...] = ()

  def __str__(self) -> str:
    name = f'view {self.view}, fold {self.fold}, seed {self.seed}'
    return f'{name}, {setting_name(self.setting)}' if self.setting else name

  def as_dict(self) -> dict[str, Any]:
    """For JSON; `setting` is there if something is swept."""
    name = dataclasses.asdict(self) | {'setting': dict(self.setting)}
    return {key: value for key, value in name.items() if value != {}}


def setting_name(setting: Sequence[tuple[str, float]]) -> str:
  """As in 'l2 0.001, model.dropout 0.3'."""
  return ', '.join(f'{field} {value:g}' for field, value in setting)


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
    wanted: names of views, each entry one or several joined by commas;
      'single' is each modality alone, 'full' is all of them, and 'every', or
      none, is every subset of the modalities.
    modalities: those of the corpus.

  Returns:
    A tuple of modalities for each view, small views first, the full view last.

  Raises:
    InputError: a view names a modality that the corpus does not have.
  """
  every = [
    subset
    for size in range(1, len(modalities) + 1)
    for subset in itertools.combinations(modalities, size)
  ]
  words = {
    'single': every[: len(modalities)],
    'full': every[-1:],
    'every': every,
  }
  chosen = set()
  for name in ','.join(wanted or ('every',)).split(','):
    if name in words:
      chosen.update(words[name])
      continue
    view = tuple(sorted(name.split('+'), key=corpora.modality_order))
    if not set(modalities).issuperset(view) or len(set(view)) < len(view):
      raise errors.InputError(
        f'config.views: {name!r} is not made of the modalities '
        f'{", ".join(modalities)}'
        + nearest.hint(name, [*words, *map('+'.join, every)])
      )
    chosen.add(view)
  order = corpora.modality_order
  return tuple(
    sorted(chosen, key=lambda view: (len(view), [order(m) for m in view]))
  )


def folds(
  corpus: corpora.Corpus, num_folds: int, seed: int
) -> tuple[np.ndarray, dict[int, Parts]]:
  """Divides the clips; whole groups where the corpus does not say how.

  With K folds, fold k is held out, fold (k+1) mod K validates, the rest
  trains. With a split there is one fold, 0, which holds the test clips out.

  Args:
    corpus: of which the order of the clips does not matter.
    num_folds: K, where the corpus has neither split nor folds.
    seed: of the folds made then.

  Returns:
    The fold that holds each clip out, (N,) int32, -1 for none; and the parts
    by fold.

  Raises:
    InputError: there are too few folds or groups, or a part is empty.
  """
  if corpus.split is not None:
    fold_of = np.where(corpus.split == _HELD_OUT_SPLIT, 0, -1)
    parts = {
      0: Parts(*(corpus.split == name for name in ('train', 'val', 'test')))
    }
  else:
    fold_of = corpus.fold
    if fold_of is None:
      fold_of = splits.group_folds(
        corpus.groups, corpus.labels, num_folds, seed
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
  corpus: corpora.Corpus,
  data_: step.Data,
  views_: Sequence[tuple[str, ...]],
  seeds: Sequence[int],
  parts: Mapping[int, Parts],
  settings: Sequence[Mapping[str, float]] = ({},),
) -> tuple[list[Name], step.Member]:
  """Makes every member: each view with each fold, seed and setting.

  Args:
    corpus: with features.
    data_: likewise, with the targets; a clip that has none teaches nothing.
    views_: the modalities of each view.
    seeds: one for each repetition.
    parts: as `folds` gives them.
    settings: the values of the fields that are swept, the same fields in each.

  Returns:
    The members' names, and the members as arrays with a leading axis.

  Raises:
    InputError: a member would have no clip to train on or to validate with.
  """
  modalities = tuple(corpus.features)
  num_clips = len(corpus.ids)
  presence = presence_of(data_)
  taught = data_.targets[:num_clips].sum(axis=1) > 0
  statistics = {m: _statistics(x, parts) for m, x in corpus.features.items()}
  names, rows = [], []
  for view in views_:
    shown = np.array([modality in view for modality in modalities])
    for fold, part in parts.items():
      start = first_row(num_clips, len(presence), fold)
      here = presence[start : start + num_clips]
      seen = (here & shown).any(axis=1)
      train = np.flatnonzero(part.train & seen & taught)
      val = np.flatnonzero(part.val & seen & (corpus.labels >= 0))
      for what, found in (('train on', train), ('validate with', val)):
        if not len(found):
          raise errors.InputError(
            f'view {corpora.view_name(view)}, fold {fold}: no labelled clip to '
            f'{what}'
          )
      for seed, setting in itertools.product(seeds, settings):
        name = corpora.view_name(view)
        names.append(Name(name, fold, seed, tuple(setting.items())))
        rows.append((shown, start + train, start + val, fold, seed))
  max_train = max(len(row[1]) for row in rows)
  max_val = max(len(row[2]) for row in rows)

  def padded(array: np.ndarray, size: int) -> np.ndarray:
    return np.pad(array, (0, size - len(array))).astype(np.int32)

  def by_modality(index: int) -> dict[str, np.ndarray]:
    return {
      modality: np.stack([statistics[modality][row[3]][index] for row in rows])
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
    swept={
      field: np.array([dict(name.setting)[field] for name in names], np.float32)
      for field in settings[0]
    },
  )
  return names, members


def data(
  features: Mapping[str, corpora.Features],
  labels: np.ndarray,
  targets: np.ndarray,
  weights: np.ndarray | None = None,
  scores: np.ndarray | None = None,
) -> tuple[step.Data, dict[str, int]]:
  """The corpus as arrays for a device.

  Where features are fold-wise, the arrays have all clips once for each fold,
  one fold after another; see `first_row`.

  Args:
    features: by modality.
    labels: (N,) int32.
    targets: (N, C) float32.
    weights: (N,) float32, of the clips in training; None for equal ones.
    scores: (N,) float, NaN where there is none; None without values.

  Returns:
    The arrays, and the longest sequence of each modality that is not pooled.

  Raises:
    InputError: modalities are fold-wise by different numbers of folds.
  """
  folds_of = {
    modality: feature.num_folds
    for modality, feature in features.items()
    if feature.fold is not None
  }
  if len(set(folds_of.values())) > 1:
    raise errors.InputError(
      f'features are made for different numbers of folds: {folds_of}'
    )
  copies = max(folds_of.values(), default=1)
  values, start, length, max_length = {}, {}, {}, {}
  for modality, feature in features.items():
    lengths = feature.length
    if lengths is None:
      lengths = np.ones(len(feature.clip), np.int64)
    else:
      max_length[modality] = int(lengths.max(initial=1))
    values[modality] = feature.values
    starts = np.cumsum(lengths) - lengths
    shape = copies, len(labels)
    start[modality] = np.zeros(shape, np.int32)
    length[modality] = np.zeros(shape, np.int32)
    which = slice(None) if feature.fold is None else feature.fold
    start[modality][which, feature.clip] = starts
    length[modality][which, feature.clip] = lengths
  start = {modality: array.ravel() for modality, array in start.items()}
  length = {modality: array.ravel() for modality, array in length.items()}
  if weights is None:
    weights = np.ones(len(labels), np.float32)
  arrays = step.Data(
    values,
    start,
    length,
    np.tile(targets, (copies, 1)),
    np.tile(labels, copies),
    np.tile(weights, copies),
    None if scores is None else np.tile(scores.astype(np.float32), copies),
  )
  return arrays, max_length


def first_row(num_clips: int, num_rows: int, fold: int) -> int:
  """Where in the arrays the clips begin as the members of a fold see them.

  Args:
    num_clips: N, of the corpus.
    num_rows: of the arrays that `data` gives: N, or N for each fold.
    fold: of the members.
  """
  return fold * num_clips if num_rows > num_clips else 0


def check_features(
  corpus: corpora.Corpus, fold_of: np.ndarray, num_folds: int
) -> None:
  """Makes sure that no features come from an encoder that saw held-out clips.

  Args:
    corpus: with features.
    fold_of: (N,) int, the fold that holds each clip out; negative for none.
    num_folds: K.

  Raises:
    InputError: an encoder was trained on or chosen by a clip that is held out,
      or the features were made for another number of folds.
  """
  faults = []
  for modality, feature in corpus.features.items():
    place = f'{corpus.path / "features" / modality}.npz'
    if feature.fold is not None and feature.num_folds != num_folds:
      faults.append(
        f'{place}: was made for {feature.num_folds} folds; here are {num_folds}'
      )
    elif feature.seen is not None:
      held_out = fold_of[feature.clip]
      wrong = feature.seen & (held_out >= 0)
      if feature.fold is not None:
        wrong &= held_out == feature.fold
      if wrong.any():
        example = corpus.ids[feature.clip[np.argmax(wrong)]]
        faults.append(
          f'{place}: {wrong.sum()} clips are held out that its encoder was '
          f'fine-tuned on, {str(example)!r} among them; the folds were others: '
          'finetune and extract again'
        )
  errors.raise_faults(faults)


def presence_of(data_: step.Data) -> np.ndarray:
  """Which modalities each clip has: (rows of `data_`, M) bool."""
  return np.stack([length > 0 for length in data_.length.values()], axis=1)


def _statistics(
  feature: corpora.Features, parts: Mapping[int, Parts]
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
  """Mean and 1/(deviation + 1e-6) over the training clips, by fold.

  All folds in one reading, by blocks that stay in a cache: the values may be a
  mapped file. Where a fold trains on none, both are of zeros.
  """
  length = feature.length
  if length is None:
    length = np.ones(len(feature.clip), np.int64)
  counts = np.stack([part.train[feature.clip] for part in parts.values()])
  if feature.fold is not None:
    counts &= feature.fold == np.array(list(parts))[:, None]
  # Sums round by their order, which shall not be that of the file.
  order = np.argsort(feature.clip, kind='stable')
  own, first = length[order], (np.cumsum(length) - length)[order]
  rows = np.repeat(first - (np.cumsum(own) - own), own) + np.arange(own.sum())
  owner = np.repeat(order, own)
  # Less the usual values, so that squares are not large.
  origin = np.median(feature.values[rows[:_BLOCK]].astype(np.float64), axis=0)
  total = np.zeros((2, len(parts), feature.values.shape[1]))
  for start in range(0, len(rows), _BLOCK):
    at = slice(start, start + _BLOCK)
    block = feature.values[rows[at]] - origin
    weights = counts[:, owner[at]].astype(np.float64)
    total += weights @ block, weights @ block**2
  size = (counts @ length)[:, None]
  mean, square = total / np.maximum(size, 1)
  scale = 1 / (np.sqrt(np.maximum(square - mean**2, 0)) + 1e-6)
  mean = np.where(size, mean + origin, 0.0)
  return {
    fold: (mean[index].astype(np.float32), scale[index].astype(np.float32))
    for index, fold in enumerate(parts)
  }
