"""Statistics: functions of how much each group of clips weighs.

A statistic is a plain function of weights. It takes `weights` (R, G) float64,
one weight a group and row, and returns its value (R,) and its derivative by
each group's weight (R, G); it is NaN where it is undefined. Most statistics are
smooth functions of weighted totals, and `of_totals` makes them from such a
function and its gradient.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from empathy.evaluation import samples
from empathy.evaluation.samples import LEAST_GROUPS

Statistic = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

# What is smaller beside the largest slope is rounding.
_ZERO = 1e-12


@dataclasses.dataclass(frozen=True)
class Figure:
  """A statistic that knows which groups it rests on.

  Attributes:
    statistic: a function of weights.
    counted: (K, G) bool, for each of K kinds of clips that the figure needs,
      which groups have some: those that a mean is over; those with positives
      and those with negatives of an AUROC. The rarest kind tells how many
      groups count.
    share: whether it is a mean over clips of what lies between 0 and 1, so that
      an exact interval is known where all of it is 0 or 1.
    least: how many groups of each kind an interval without draws needs; one
      with draws needs `LEAST_GROUPS`.
    linear: whether its derivative is all that there is, see `linearised`.
  """

  statistic: Statistic
  counted: np.ndarray
  share: bool = False
  least: int = LEAST_GROUPS
  linear: bool = False

  def __call__(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The value (R,) and its derivative (R, G)."""
    return self.statistic(weights)


def divisor(number: np.ndarray) -> np.ndarray:
  """What a sum is divided by: 1 where there is nothing, for its sum is 0."""
  return np.where(number > 0, number, 1)


def of_totals(
  totals: np.ndarray,
  function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> Statistic:
  """The statistic that is a smooth function of totals.

  Args:
    totals: (G, k) float64, each group's part of every total.
    function: takes totals (R, k); returns the value (R,) and its gradient by
      the totals (R, k).

  Returns:
    The statistic.
  """

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, gradient = function(weights @ totals)
    return value, gradient @ totals.T

  return statistic


def mean_of_ratios(
  numerators: np.ndarray,
  denominators: np.ndarray,
  weights: np.ndarray | None = None,
) -> Figure:
  """The mean over P of ratios of totals, as an accuracy's mean over seeds.

  Args:
    numerators: (G, P).
    denominators: (G, P), not negative; a ratio whose denominator is 0 in a
      draw does not count in that draw.
    weights: (P,), how much each ratio counts; all alike if None.

  Returns:
    The figure; it counts as a share, and it is one where numerators lie between
    0 and the denominators.
  """
  counted = denominators.any(axis=1)[None]
  if weights is None:
    weights = np.ones(numerators.shape[1])
  if (denominators == denominators[:, :1]).all():
    numerators = (numerators @ weights)[:, None] / weights.sum()
    denominators, weights = denominators[:, :1], np.ones(1)
  num_ratios = numerators.shape[1]

  def function(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    top, bottom = sums[:, :num_ratios], sums[:, num_ratios:]
    there = bottom > 0
    bottom = divisor(bottom)
    ratio = top / bottom
    share = there * weights
    share = share / divisor(share.sum(axis=1, keepdims=True))
    value = np.where(there.any(axis=1), (share * ratio).sum(axis=1), np.nan)
    slope = share / bottom
    return value, np.concatenate([slope, -slope * ratio], axis=1)

  totals = np.concatenate([numerators, denominators], axis=1)
  return Figure(of_totals(totals, function), counted, share=True)


def mean(totals: np.ndarray) -> Figure:
  """The ratio of two totals (G, 2): a mean where the second one counts."""
  return mean_of_ratios(totals[:, :1], totals[:, 1:])


def linearised(
  value: float, sums: np.ndarray, number: np.ndarray
) -> tuple[Figure, Figure]:
  """A statistic that is dear to compute, by its derivative.

  Args:
    value: of all groups.
    sums: (G,) what each group's clips add to its derivative.
    number: (G,) their number.

  Returns:
    The statistic, for equal weights only, and what is drawn in its stead: the
    mean of the derivative.
  """
  linear = mean(np.stack([sums, number], axis=1))
  _, slope = linear(np.ones((1, len(sums))))

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full(len(weights), value), np.repeat(slope, len(weights), axis=0)

  return Figure(statistic, linear.counted, linear=True), linear


def minus(first: Statistic, second: Statistic) -> Statistic:
  """The difference of two statistics of the same sample."""

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, slope = first(weights)
    other_value, other_slope = second(weights)
    return value - other_value, slope - other_slope

  known = [one for one in (first, second) if isinstance(one, Figure)]
  if not known:
    return statistic
  return Figure(
    statistic,
    np.concatenate([one.counted for one in known]),
    least=max(one.least for one in known),
  )


def one_minus(figure: Figure) -> Figure:
  """What is left to 1."""

  def complement(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, slope = figure.statistic(weights)
    return 1 - value, -slope

  return dataclasses.replace(figure, statistic=complement)


def counted(sample: samples.Groups, statistic: Statistic) -> tuple[int, int]:
  """How many groups the statistic rests on, and how many it needs.

  Where it does not know, they are those that move it when all groups weigh
  differently: at equal weights a group may happen not to.
  """
  if isinstance(statistic, Figure):
    least = LEAST_GROUPS if sample.resampled else statistic.least
    return int(statistic.counted.sum(axis=1).min()), least
  slope = np.abs(statistic(_uneven(sample.num_groups)[None])[1][0])
  moved = slope > _ZERO * slope.max(initial=0)
  # Where none moves it, they are all alike.
  return int(moved.sum()) or sample.num_groups, LEAST_GROUPS


@functools.lru_cache(maxsize=4)
def _uneven(num_groups: int) -> np.ndarray:
  weights = np.random.default_rng(samples.SEED).uniform(0.5, 1.5, num_groups)
  weights.setflags(write=False)
  return weights
