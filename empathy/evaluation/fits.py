"""What is fitted to some groups and judged on others."""

import numpy as np
from scipy import special

from empathy.corpora import splits
from empathy.evaluation import samples

_MOST_FOLDS = 10
# The log odds of what never happened otherwise.
_SURE = 30.0
_RIDGE = 1.0
_MOST_STEPS = 50


def folds(
  held_out: np.ndarray, sample: samples.Sample, outcome: np.ndarray
) -> np.ndarray:
  """The folds of a fit: the predictions', unless a group is in two of them.

  Args:
    held_out: (G, K) how often clips of each group were held out in each fold.
    sample: n rows of G groups, of two or more.
    outcome: (n,) bool, which folds made anew share evenly.

  Returns:
    (n,) int, at least two different ones.
  """
  if (np.count_nonzero(held_out, axis=1) == 1).all():
    fold = held_out.argmax(axis=1)
    if len(np.unique(fold)) > 1:
      return fold[sample.group]
  sides = sample.totals(np.stack([~outcome, outcome], axis=1))
  counts = np.column_stack([sides, sides.sum(axis=1)])
  number = min(_MOST_FOLDS, sample.num_groups)
  return splits.folds_of_counts(counts, number, seed=0)[sample.group]


def out_of_fold(
  columns: np.ndarray,
  outcome: np.ndarray,
  fold: np.ndarray,
  number: np.ndarray | None = None,
) -> np.ndarray:
  """Log odds of the outcome, by a logistic regression on the other folds.

  An AUROC over several folds suffers from intercepts that are fitted to each
  (Parker et al. 2007, BMC Bioinformatics 8:326), so a detector's is only to be
  compared with that of one that was fitted alike.

  Args:
    columns: (n, k) float64.
    outcome: (n,) bool, what is to be detected.
    fold: (n,) int, at least two different ones.
    number: (n,) for how many clips a row stands; for one each if None.

  Returns:
    (n,) float64.
  """
  first, kind = _kinds(fold, outcome, *columns.T)
  number = np.bincount(kind, number).astype(np.float64)
  columns, outcome, fold = columns[first], outcome[first], fold[first]
  score = np.empty(len(first))
  for held_out in np.unique(fold):
    there = fold == held_out
    others, weight = columns[~there], number[~there]
    mean = np.average(others, axis=0, weights=weight)
    scale = np.sqrt(np.average((others - mean) ** 2, axis=0, weights=weight))
    scale = np.where(scale > 0, scale, 1)
    coefficients = logistic((others - mean) / scale, outcome[~there], weight)
    own = (columns[there] - mean) / scale
    score[there] = coefficients[0] + own @ coefficients[1:]
  return score[kind]


def logistic(
  design: np.ndarray, outcome: np.ndarray, number: np.ndarray
) -> np.ndarray:
  """Coefficients of a logistic regression, by Newton's method.

  Args:
    design: (n, k) float64, standardised columns.
    outcome: (n,) bool.
    number: (n,) float64, for how many clips a row stands.

  Returns:
    (k + 1,) float64, the intercept first; the maximum of the log likelihood
    less half the sum of squares of the other coefficients, which keeps them
    finite where the outcomes are separated.
  """
  if outcome.all() or not outcome.any():
    # The intercept has no maximum, and nothing tells outcomes apart.
    coefficients = np.zeros(design.shape[1] + 1)
    coefficients[0] = _SURE if outcome.all() else -_SURE
    return coefficients
  design = np.column_stack([np.ones(len(design)), design])
  ridge = np.full(design.shape[1], _RIDGE)
  ridge[0] = 0
  coefficients = np.zeros(design.shape[1])
  for _ in range(_MOST_STEPS):
    chance = special.expit(design @ coefficients)
    gradient = design.T @ (number * (outcome - chance)) - ridge * coefficients
    spread = number * chance * (1 - chance)
    curvature = (design.T * spread) @ design + np.diag(ridge)
    step = np.linalg.solve(curvature, gradient)
    # Far steps overshoot where chances are near 0 or 1.
    step /= max(1.0, np.abs(step).max())
    coefficients += step
    if np.abs(step).max() < 1e-10:
      break
  return coefficients


def _kinds(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Which rows (n,) are alike: the first of each kind (m,), and kinds (n,)."""
  code = np.zeros(len(columns[0]), np.int64)
  for column in columns:
    values, place = np.unique(column, return_inverse=True)
    code = code * len(values) + place
  _, first, kind = np.unique(code, return_index=True, return_inverse=True)
  return first, kind
