"""Intervals and p-values: clips are drawn by group, and draws are studentised.

A statistic is a plain function of weights. It takes `weights` (R, G) float64,
one weight a group and row, and returns its value (R,) and its derivative by
each group's weight (R, G); it is NaN where it is undefined. Most statistics are
smooth functions of weighted totals, and `of_totals` makes them from such a
function and its gradient.

The interval is symmetric studentised: T +- q(|T* - T| / se*) se, where T* are
the values of the statistic in draws of as many groups as there are, with
replacement, and se^2 = G / (G - 1) sum_g w_g U_g^2 with U the derivative: the
infinitesimal jackknife (Efron 1982, The Jackknife, the Bootstrap and Other
Resampling Plans, ch. 6; Hall 1988, Ann. Statist. 16:927). Accuracies, rates and
F1 are treated on the logit scale. From 200 groups on, or where every clip is a
group of its own, the interval is the jackknife's normal one, without draws.
Statistics over the same groups share one draw.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy import special

from empathy.evaluation.findings import Estimate

Statistic = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

LEVEL = 0.95
NUM_RESAMPLES = 10_000
# From so many groups on, the normal interval is as good as the draws.
MANY_GROUPS = 200
_SEED = 20250513
_BLOCK = 1_000
# What rounding leaves of a zero, for figures of the size of 1.
_ZERO = 1e-12


@dataclasses.dataclass(frozen=True)
class Sample:
  """The clips that a statistic rests on, by group.

  Attributes:
    group: (n,) int64, the group of each clip, from 0 to `num_groups` - 1.
    num_groups: G.
    num_resamples: R.
  """

  group: np.ndarray
  num_groups: int
  num_resamples: int = NUM_RESAMPLES

  @property
  def clustered(self) -> bool:
    """Whether some group has several clips."""
    return self.num_groups < len(self.group)

  @property
  def resampled(self) -> bool:
    """Whether groups are drawn; otherwise the interval is the normal one."""
    return self.clustered and self.num_groups < MANY_GROUPS

  def totals(self, columns: np.ndarray) -> np.ndarray:
    """Sums by group: (n,) or (n, k) numbers to (G, k) float64."""
    columns = np.asarray(columns, np.float64).reshape(len(self.group), -1)
    return np.stack(
      [
        np.bincount(self.group, column, self.num_groups) for column in columns.T
      ],
      axis=1,
    )

  def counts(
    self,
    cell: np.ndarray,
    num_cells: int,
    amount: np.ndarray | None = None,
  ) -> np.ndarray:
    """How often each group has each cell.

    Args:
      cell: (..., n) int, the cells of each clip, which may be in several;
        negative ones are left out.
      num_cells: k.
      amount: like `cell`, what the clip counts there; 1 if None.

    Returns:
      (G, k) float64.
    """
    there = cell >= 0
    group = np.broadcast_to(self.group, cell.shape)
    index = group[there] * num_cells + cell[there]
    amount = np.ones(len(index)) if amount is None else amount[there]
    counts = np.bincount(index, amount, self.num_groups * num_cells)
    return counts.reshape(self.num_groups, num_cells)


def sample(groups: np.ndarray, num_resamples: int = NUM_RESAMPLES) -> Sample:
  """The sample of clips whose groups are `groups` (n,), of any dtype."""
  names, group = np.unique(groups, return_inverse=True)
  return Sample(group.astype(np.int64), len(names), num_resamples)


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
) -> Statistic:
  """The mean over P of ratios of totals, as an accuracy's mean over seeds.

  Args:
    numerators: (G, P).
    denominators: (G, P), not negative; a ratio whose denominator is 0 in a
      draw does not count in that draw.
    weights: (P,), how much each ratio counts; all alike if None.

  Returns:
    The statistic.
  """
  if weights is None:
    weights = np.ones(numerators.shape[1])
  if (denominators == denominators[:, :1]).all():
    numerators = (numerators @ weights)[:, None] / weights.sum()
    denominators, weights = denominators[:, :1], np.ones(1)
  num_ratios = numerators.shape[1]

  def function(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    top, bottom = sums[:, :num_ratios], sums[:, num_ratios:]
    there = bottom > 0
    bottom = np.where(there, bottom, 1)
    ratio = top / bottom
    share = there * weights
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
    value = np.where(there.any(axis=1), (share * ratio).sum(axis=1), np.nan)
    slope = share / bottom
    return value, np.concatenate([slope, -slope * ratio], axis=1)

  return of_totals(np.concatenate([numerators, denominators], axis=1), function)


def mean(totals: np.ndarray) -> Statistic:
  """The ratio of two totals (G, 2): a mean where the second one counts."""
  return mean_of_ratios(totals[:, :1], totals[:, 1:])


def minus(first: Statistic, second: Statistic) -> Statistic:
  """The difference of two statistics of the same sample."""

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, slope = first(weights)
    other_value, other_slope = second(weights)
    return value - other_value, slope - other_slope

  return statistic


def seed_variance(*influences: np.ndarray) -> float | None:
  """The variance of a mean over seeds that is due to which seeds were drawn.

  Args:
    *influences: for each view that takes part, (S,) the figure of each seed, or
      for means over pairs of seeds each seed's influence; seeds of different
      views are independent. The infinitesimal jackknife.

  Returns:
    The sum of s^2 / S; None if a view has one seed only.
  """
  if any(len(values) < 2 for values in influences):
    return None
  return float(
    sum(np.var(values, ddof=1) / len(values) for values in influences)
  )


@dataclasses.dataclass(frozen=True)
class Studentised:
  """A statistic with its standard error and its studentised draws.

  Attributes:
    value: the figure; NaN if it is undefined.
    centre: the figure on the scale of the interval.
    error: its standard error on that scale.
    pivots: (R,) (T* - T) / se* of the draws, infinite where a draw tells
      nothing; None where the normal law takes their place.
    slope: (G,) the derivative by group on that scale.
    logit: whether the scale is the logit.
    method: how it was made.
    fault: why there can be no interval; '' if there can.
  """

  value: float
  centre: float
  error: float
  pivots: np.ndarray | None
  slope: np.ndarray
  logit: bool
  method: str
  fault: str

  @property
  def quantile(self) -> float:
    """By how many standard errors the interval reaches to either side."""
    return _quantile(self.pivots)

  def interval(self, quantile: float) -> tuple[float, float]:
    """The ends that lie `quantile` standard errors from the centre."""
    ends = self.centre + quantile * self.error * np.array([-1, 1])
    if self.logit:
      ends = special.expit(ends)
    return float(ends[0]), float(ends[1])

  def p_value(self) -> float:
    """The p-value, two-sided, of the centre's being 0."""
    size = abs(self.centre) / self.error
    if self.pivots is None:
      return float(special.erfc(size / math.sqrt(2)))
    beyond = np.count_nonzero(np.abs(self.pivots) >= size)
    return (1 + beyond) / (1 + len(self.pivots))


def studentise(
  sample: Sample,
  statistic: Statistic,
  logit: bool = False,
  seed_variance: float | None = 0.0,
) -> Studentised:
  """Draws groups and studentises the statistic.

  Args:
    sample: the clips by group.
    statistic: a function of weights (R, G), as the module says.
    logit: whether to work on the logit scale.
    seed_variance: what the choice of seeds adds to the squared standard error;
      None where there is one seed only, which the method then says.

  Returns:
    The studentised statistic. Draws carry the groups' variance only, since
    they hold the seeds fixed; the standard error carries both.
  """
  num_groups = sample.num_groups
  values, slopes = statistic(np.ones((1, num_groups)))
  value, slope = float(values[0]), slopes[0]
  kind = 'studentised' if sample.resampled else 'jackknife normal'
  by = (
    f'clustered by {num_groups:,} groups' if sample.clustered else 'unclustered'
  )
  parts = [kind, by]
  if logit:
    parts.append('logit scale')
  if seed_variance is None:
    parts.append('one seed, so without seed noise')
  elif seed_variance > 0:
    parts.append('with seed noise')
  fault, centre, error, pivots = '', value, math.nan, None
  if math.isnan(value):
    fault = 'undefined here'
  elif num_groups < 2:
    fault = 'no interval: there is one group only'
  elif logit and not _ZERO < value < 1 - _ZERO:
    fault = 'boundary'
  else:
    if logit:
      centre, slope = _logit(value, slope)
    variance = num_groups / (num_groups - 1) * float(slope @ slope)
    if sample.resampled:
      pivots = _pivots(sample, statistic, logit, centre)
    seeds = seed_variance or 0.0
    if logit:
      seeds /= (value * (1 - value)) ** 2
    error = math.sqrt(variance + seeds)
    if math.sqrt(variance) < _ZERO:
      fault = 'no interval: every group that counts gives the same figure'
    elif not math.isfinite(_quantile(pivots)):
      fault = (
        f'no interval: {num_groups} groups are too few, the figure or its '
        'error is undefined in too many draws'
      )
  return Studentised(
    value, float(centre), error, pivots, slope, logit, ', '.join(parts), fault
  )


def estimate(
  sample: Sample,
  statistic: Statistic,
  logit: bool = False,
  seed_variance: float | None = 0.0,
  null: bool = False,
  n: int | None = None,
) -> Estimate:
  """The statistic with its interval, and its p-value if 0 is its null.

  An accuracy or rate of exactly 0 or 1 has no standard error: its interval is
  that of Clopper and Pearson (1934, Biometrika 26:404) for as many trials as
  there are groups, which supposes the most dependence within a group.

  Args:
    sample: the clips by group.
    statistic: a function of weights (R, G), as the module says.
    logit: whether to work on the logit scale.
    seed_variance: see `studentise`.
    null: whether 0 is the natural null.
    n: the clips that the figure rests on; those of the sample if None.

  Returns:
    The estimate; without an interval its `method` says why.
  """
  found = studentise(sample, statistic, logit, seed_variance)
  n = len(sample.group) if n is None else n
  if math.isnan(found.value):
    return Estimate(None, n=n, method=found.fault)
  if found.fault == 'boundary':
    return _clopper_pearson(sample, found.value, n)
  if found.fault:
    return Estimate(found.value, n=n, method=found.fault)
  low, high = found.interval(found.quantile)
  return Estimate(
    found.value,
    low,
    high,
    LEVEL,
    found.p_value() if null else None,
    None,
    n,
    found.method,
  )


def minimum(
  sample: Sample, differences: Sequence[Studentised], n: int
) -> Estimate:
  """The smallest of several differences, as of the full view to each rival.

  The estimate is min_m T_m; low is the least of the lows, high the least of the
  simultaneous highs (of max_m |t_m|), p the largest p: an intersection-union
  test (Berger 1982, Technometrics 24:295). The estimate is biased downward, as
  a minimum of noisy figures is.

  Args:
    sample: the sample of all the differences.
    differences: at least one; none on the logit scale.
    n: the clips that the figure rests on.

  Returns:
    The estimate.
  """
  value = min(difference.value for difference in differences)
  if math.isnan(value):
    return Estimate(None, n=n, method='undefined here')
  for difference in differences:
    if difference.fault:
      return Estimate(value, n=n, method=difference.fault)
  quantile = _quantile(_largest(sample, differences))
  if not math.isfinite(quantile):
    return Estimate(
      value,
      n=n,
      method=f'no interval: {sample.num_groups} groups are too few',
    )
  return Estimate(
    value,
    min(found.interval(found.quantile)[0] for found in differences),
    min(found.interval(quantile)[1] for found in differences),
    LEVEL,
    max(found.p_value() for found in differences),
    None,
    n,
    f'{differences[0].method}, least of {len(differences)}',
  )


def describe(sample: Sample) -> str:
  """One sentence on how intervals over this sample are made."""
  if not sample.clustered:
    return (
      'Intervals are normal ones with the standard error of the infinitesimal '
      f'jackknife over {sample.num_groups:,} clips, each a group of its own.'
    )
  if not sample.resampled:
    return (
      'Intervals are normal ones with the standard error of the infinitesimal '
      f'jackknife over {sample.num_groups:,} groups.'
    )
  return (
    f'Intervals are symmetric studentised ones from {sample.num_resamples:,} '
    f'draws of whole groups ({sample.num_groups} of them), one draw for all '
    'statistics.'
  )


def holm(p_values: Sequence[float]) -> list[float]:
  """Holm's adjusted p-values (1979, Scand. J. Statist. 6:65), in order."""
  p_values = np.asarray(p_values, np.float64)
  order = np.argsort(p_values, kind='stable')
  steps = p_values[order] * np.arange(len(order), 0, -1)
  adjusted = np.empty_like(steps)
  adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
  return adjusted.tolist()


@functools.lru_cache(maxsize=4)
def draws(num_groups: int, num_resamples: int) -> np.ndarray:
  """How often each group is drawn: (R, G) float64, the same at every call."""
  random = np.random.default_rng(_SEED)
  share = np.full(num_groups, 1 / num_groups)
  drawn = random.multinomial(num_groups, share, num_resamples)
  weights = drawn.astype(np.float64)
  weights.setflags(write=False)
  return weights


def _logit(
  value: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Value (...) and slope (..., G) on the logit scale."""
  scale = np.asarray(value * (1 - value))
  return special.logit(value), slope / scale[..., None]


def _pivots(
  sample: Sample, statistic: Statistic, logit: bool, centre: float
) -> np.ndarray:
  """(T* - T) / se* of every draw; infinite where a draw tells nothing."""
  pivots = np.empty(sample.num_resamples)
  correction = sample.num_groups / (sample.num_groups - 1)
  for start, weights in _blocks(sample):
    value, slope = statistic(weights)
    untold = np.isnan(value)
    if logit:
      untold |= (value < _ZERO) | (value > 1 - _ZERO)
      value, slope = _logit(np.where(untold, 0.5, value), slope)
    variance = correction * np.einsum('rg,rg,rg->r', weights, slope, slope)
    shift = value - centre
    still = variance < _ZERO**2
    pivot = shift / np.sqrt(np.where(still, 1, variance))
    # Without spread among the groups drawn, a shift is beyond all measure.
    pivot[still] = np.where(np.abs(shift[still]) < _ZERO, 0, np.inf)
    pivot[untold] = np.inf
    pivots[start : start + len(weights)] = pivot
  return pivots


def _blocks(sample: Sample) -> Iterator[tuple[int, np.ndarray]]:
  weights = draws(sample.num_groups, sample.num_resamples)
  for start in range(0, len(weights), _BLOCK):
    yield start, weights[start : start + _BLOCK]


def _quantile(pivots: np.ndarray | None) -> float:
  if pivots is None:
    return float(special.ndtri((1 + LEVEL) / 2))
  # The order statistic for which p <= 1 - LEVEL says the same as the interval.
  rank = math.ceil(LEVEL * (len(pivots) + 1)) - 1
  if rank >= len(pivots):
    return math.inf
  return float(np.partition(np.abs(pivots), rank)[rank])


def _largest(sample: Sample, differences: Sequence[Studentised]) -> np.ndarray:
  """Draws of max_m |t_m|: (R,)."""
  if differences[0].pivots is not None:
    return np.max([np.abs(found.pivots) for found in differences], axis=0)
  slopes = np.stack([found.slope for found in differences])
  norms = np.linalg.norm(slopes, axis=1, keepdims=True)
  correlation = (slopes / norms) @ (slopes / norms).T
  values, vectors = np.linalg.eigh(correlation)
  root = vectors * np.sqrt(np.maximum(values, 0))
  random = np.random.default_rng(_SEED)
  normal = random.standard_normal((sample.num_resamples, len(slopes)))
  return np.abs(normal @ root.T).max(axis=1)


def _clopper_pearson(sample: Sample, value: float, n: int) -> Estimate:
  """The interval of 0 or of all among as many trials as groups."""
  far = 1 - ((1 - LEVEL) / 2) ** (1 / sample.num_groups)
  unit = 'groups' if sample.clustered else 'clips'
  at_zero = value < 0.5
  return Estimate(
    value,
    0.0 if at_zero else 1 - far,
    far if at_zero else 1.0,
    LEVEL,
    None,
    None,
    n,
    f'Clopper-Pearson of {sample.num_groups:,} {unit}, since the figure is '
    f'exactly {round(value)}',
  )
