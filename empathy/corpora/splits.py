"""Folds in which no group straddles a boundary."""

import numpy as np

from empathy import errors


def group_folds(
  groups: np.ndarray, labels: np.ndarray, num_folds: int, seed: int
) -> np.ndarray:
  """Assigns whole groups to folds, with even sizes and class shares.

  Groups go, the largest first, to the fold that stays closest to an even share
  of every class and of the clips; equal groups are ordered by `seed`.

  Args:
    groups: (N,) the group of each clip.
    labels: (N,) int, the class of each clip; negative where unlabelled.
    num_folds: K.
    seed: decides between equals.

  Returns:
    (N,) int32 folds from 0 to K-1.

  Raises:
    InputError: there are fewer groups than folds.
  """
  names, group_of = np.unique(groups, return_inverse=True)
  if len(names) < num_folds:
    raise errors.InputError(
      f'num_folds: {num_folds} folds need as many groups; there are '
      f'{len(names)}'
    )
  # The clip itself counts as one more class, so that sizes are evened too.
  num_classes = max(int(labels.max()) + 1, 1)
  counts = np.zeros((len(names), num_classes + 1))
  labelled = labels >= 0
  np.add.at(counts, (group_of[labelled], labels[labelled]), 1)
  counts[:, -1] = np.bincount(group_of)
  return folds_of_counts(counts, num_folds, seed)[group_of]


def folds_of_counts(
  counts: np.ndarray, num_folds: int, seed: int
) -> np.ndarray:
  """Assigns groups to folds, as `group_folds`.

  Args:
    counts: (G, C + 1) the clips of each class in each group, then all its
      clips, of K groups or more.
    num_folds: K.
    seed: decides between equals.

  Returns:
    (G,) int32 folds from 0 to K-1.
  """
  shares = counts / np.maximum(counts.sum(axis=0), 1)
  random = np.random.default_rng(seed).random(len(counts))
  fold_of_group = np.empty(len(counts), np.int32)
  load = np.zeros((num_folds, counts.shape[1]))
  for group in np.lexsort((random, -counts[:, -1])):
    # Adding to fold k raises the sum of squares by 2 load_k . s + s . s.
    fold = int(np.argmin(load @ shares[group]))
    fold_of_group[group] = fold
    load[fold] += shares[group]
  return fold_of_group
