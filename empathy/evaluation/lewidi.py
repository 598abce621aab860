"""Measures of the shared task on learning with disagreements, LeWiDi 2025.

As its organisers compute them (the notebook of metrics of Le-Wi-Di at its
commit 4cc3d64): every item is rounded to five decimals before the mean. Soft
labels are judged by `manhattan` (MP; VariErr, the mean over its labels) and, of
ordered classes, by `wasserstein` (Par, CSC); the labels of every annotator by
`error_rate` (MP, VariErr) and by `anad` (Par, CSC).
"""

from collections.abc import Sequence

import numpy as np

from empathy.evaluation import soft_scores

_DECIMALS = 5


def manhattan(predicted: np.ndarray, target: np.ndarray) -> float:
  """The mean over N items of sum_c |p_c - t_c|, of (N, C): from 0 to 2."""
  return _mean(soft_scores.manhattan(predicted, target))


def wasserstein(predicted: np.ndarray, target: np.ndarray) -> float:
  """The mean over N items of the distance between positions of C bins.

  Bins lie one step apart, whatever their values are: from 0 to C - 1.
  """
  return _mean(soft_scores.wasserstein(predicted, target))


def error_rate(
  predicted: Sequence[np.ndarray], target: Sequence[np.ndarray]
) -> float:
  """The mean over items of sum_a |t_a - p_a| / A, labels being 0 and 1.

  Args:
    predicted: of each item, (A,) labels of its annotators.
    target: likewise.
  """
  return anad(predicted, target, 1)


def anad(
  predicted: Sequence[np.ndarray],
  target: Sequence[np.ndarray],
  num_levels: int,
) -> float:
  """The average normalised absolute distance of annotators' labels.

  The mean over items and their annotators of |t - p| / s. The organisers' s is
  the number of levels (11 of Par, 6 of CSC), and not their range, so that the
  worst is below 1.

  Args:
    predicted: of each item, (A,) labels of its annotators.
    target: likewise.
    num_levels: s.
  """
  return _mean(
    np.array(
      [
        np.abs(np.subtract(own, other)).mean() / num_levels
        for own, other in zip(predicted, target, strict=True)
      ]
    )
  )


def _mean(items: np.ndarray) -> float:
  return float(np.round(items, _DECIMALS).mean())
