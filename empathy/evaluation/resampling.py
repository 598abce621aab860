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

from empathy.evaluation.findings import Estimate, Influence

Statistic = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

LEVEL = 0.95
NUM_RESAMPLES = 10_000
# From so many groups on, the normal interval is as good as the draws.
MANY_GROUPS = 200
_SEED = 20250513
_BLOCK = 1_000
# What rounding leaves of a zero, for figures of the size of 1.
_ZERO = 1e-12
_MANY_CLIPS = 2_000


@dataclasses.dataclass(frozen=True)
class Sample:
  """The clips that a statistic rests on, by group.

  Attributes:
    group: (n,) int64, the group of each clip, from 0 to G - 1.
    names: (G,) the groups' names.
    num_clips: n.
    num_resamples: R.
  """

  group: np.ndarray
  names: np.ndarray
  num_clips: int
  num_resamples: int = NUM_RESAMPLES

  @property
  def num_groups(self) -> int:
    """G."""
    return len(self.names)

  @property
  def clustered(self) -> bool:
    """Whether some group has several clips."""
    return self.num_groups < self.num_clips

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
  return Sample(group.astype(np.int64), names, len(group), num_resamples)


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


def seed_variance(
  *views: tuple[np.ndarray, np.ndarray | None],
) -> float | None:
  """What the choice of seeds adds to the variance of a mean over seeds.

  The spread of the seeds' figures holds two things: how far a seed is better
  or worse everywhere, and how far it is so on these groups only. The latter is
  in the variance over groups already, so it is taken off where it is known:
  s^2 less G / (G - 1) sum_g var_s U_sg, over S. The infinitesimal jackknife.

  Args:
    *views: for each view that takes part, (S,) the figure of each seed, or for
      means over pairs of seeds each seed's part in it; and its derivative by
      each group's weight, (S, G), or None where it is not known, which makes
      intervals wider than they need be. Seeds of different views are
      independent.

  Returns:
    The variance, not negative; None if a view has one seed only.
  """
  if any(len(values) < 2 for values, _ in views):
    return None
  total = 0.0
  for values, slopes in views:
    variance = float(np.var(values, ddof=1))
    if slopes is not None and slopes.shape[1] > 1:
      num_groups = slopes.shape[1]
      shared = np.var(slopes, axis=0, ddof=1).sum()
      variance -= float(shared) * num_groups / (num_groups - 1)
    total += max(variance, 0.0) / len(values)
  return total


def seed_means(
  sample: Sample, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """The mean over clips of each seed, and its derivative by group.

  Args:
    sample: the n clips.
    values: (S, n) float64, NaN where a clip does not count for a seed.

  Returns:
    (S,) and (S, G), as `seed_variance` takes them.
  """
  there = ~np.isnan(values)
  number = there.sum(axis=1)
  means = np.where(there, values, 0).sum(axis=1) / number
  apart = np.where(there, values - means[:, None], 0) / number[:, None]
  return means, sample.totals(apart.T).T


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
    influence: of the groups on the figure itself.
    num_annotators: how many there are, where their choice is in the error.
  """

  value: float
  centre: float
  error: float
  pivots: np.ndarray | None
  slope: np.ndarray
  logit: bool
  method: str
  fault: str
  influence: Influence
  num_annotators: int = 0

  @property
  def quantile(self) -> float:
    """By how many standard errors the interval reaches to either side."""
    found = _quantile(self.pivots)
    if self.num_annotators > 1:
      student = special.stdtrit(self.num_annotators - 1, (1 + LEVEL) / 2)
      found = max(found, float(student))
    return found

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
  annotators: tuple[float, int] = (0.0, 0),
  drawn: Statistic | None = None,
) -> Studentised:
  """Draws groups and studentises the statistic.

  Args:
    sample: the clips by group.
    statistic: a function of weights (R, G), as the module says.
    logit: whether to work on the logit scale.
    seed_variance: what the choice of seeds adds to the squared standard error;
      None where there is one seed only, which the method then says.
    annotators: what the choice of annotators adds to it, and how many there
      are; the interval then reaches at least as far as Student's t has it.
    drawn: what is drawn in the statistic's stead, if that is too dear: a close
      relative, which is studentised about its own value.

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
  annotator_variance, num_annotators = annotators
  if annotator_variance > 0:
    parts.append(f'with the noise of {num_annotators:,} annotators')
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
      pivots = _pivots(sample, drawn or statistic, logit)
    others = (seed_variance or 0.0) + annotator_variance
    if logit:
      others /= (value * (1 - value)) ** 2
    error = math.sqrt(variance + others)
    if math.sqrt(variance) < _ZERO:
      fault = 'no interval: every group that counts gives the same figure'
    elif not math.isfinite(_quantile(pivots)):
      fault = (
        f'no interval: {num_groups} groups are too few, the figure or its '
        'error is undefined in too many draws'
      )
  return Studentised(
    value,
    float(centre),
    error,
    pivots,
    slope,
    logit,
    ', '.join(parts),
    fault,
    Influence(sample.names, slopes[0], seed_variance or 0.0),
    num_annotators if annotator_variance > 0 else 0,
  )


def estimate(
  sample: Sample,
  statistic: Statistic,
  logit: bool = False,
  seed_variance: float | None = 0.0,
  null: bool = False,
  n: int | None = None,
  annotators: tuple[float, int] = (0.0, 0),
  drawn: Statistic | None = None,
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
    annotators: see `studentise`.
    drawn: see `studentise`.

  Returns:
    The estimate; without an interval its `method` says why.
  """
  found = studentise(sample, statistic, logit, seed_variance, annotators, drawn)
  n = sample.num_clips if n is None else n
  if math.isnan(found.value):
    return Estimate(None, n=n, method=found.fault)
  if found.fault == 'boundary':
    return _clopper_pearson(sample, found, n)
  if found.fault:
    return Estimate(
      found.value, n=n, method=found.fault, influence=found.influence
    )
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
    found.influence,
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
  values = [difference.value for difference in differences]
  value = min(values)
  if any(map(math.isnan, values)):
    return Estimate(None, n=n, method='undefined here')
  influence = differences[values.index(value)].influence
  for difference in differences:
    if difference.fault:
      return Estimate(value, n=n, method=difference.fault, influence=influence)
  quantile = _quantile(_largest(sample, differences))
  if not math.isfinite(quantile):
    return Estimate(
      value,
      n=n,
      method=f'no interval: {sample.num_groups} groups are too few',
      influence=influence,
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
    influence,
  )


def permutation_p(
  sample: Sample, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
  """Two-sided p-values of associations, by permuting clips within groups.

  Variables are centred by group, for what the clips of a group share would
  else pass for an association of clips: permuted freely it was found in 16 to
  50 % of corpora without any. Clips without groups are permuted freely.

  From 2,000 clips on, the normal law that the sum of products tends to
  (Hoeffding 1951, Ann. Math. Statist. 22:558) takes the permutations' place.

  Args:
    sample: the n clips.
    first: (K, n) float64, each to be associated with `second`.
    second: (n,) float64, which is permuted 10,000 times, the same for every one
      of `first`.

  Returns:
    (K,) float64: (1 + the permutations whose sum of products is as large) /
    (1 + all permutations).
  """
  group = sample.group if sample.clustered else np.zeros_like(sample.group)
  # By value within a group, so that the order of the clips does not matter.
  order = np.lexsort((*first, second, group))
  size = np.bincount(group)
  ends = np.cumsum(size)
  starts = ends - size

  def centred(values: np.ndarray) -> np.ndarray:
    values = values[..., order]
    means = np.add.reduceat(values, starts, axis=-1) / size
    values = values - np.repeat(means, size, axis=-1)
    largest = np.abs(values).max(axis=-1, keepdims=True)
    return values / np.where(largest > _ZERO, largest, np.inf)

  first, second = centred(first), centred(second)
  observed = np.abs(first @ second)
  if len(second) >= _MANY_CLIPS:
    squares = np.add.reduceat(first**2, starts, axis=-1)
    squares *= np.add.reduceat(second**2, starts)
    deviation = np.sqrt((squares / np.maximum(size - 1, 1)).sum(axis=-1))
    still = deviation < _ZERO
    size_of = observed / np.where(still, 1, deviation)
    return np.where(still, 1.0, special.erfc(size_of / math.sqrt(2)))
  random = np.random.default_rng(_SEED)
  sums = np.zeros((len(first), NUM_RESAMPLES))
  for start, end in zip(starts, ends, strict=True):
    if end - start > 1:
      block = np.tile(second[start:end], (NUM_RESAMPLES, 1))
      random.permuted(block, axis=1, out=block)
      sums += first[:, start:end] @ block.T
  # What rounding alone sets apart is as large.
  beyond = np.abs(sums) >= observed[:, None] - _ZERO * len(second)
  return (1 + beyond.sum(axis=1)) / (1 + NUM_RESAMPLES)


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


def _pivots(sample: Sample, statistic: Statistic, logit: bool) -> np.ndarray:
  """(T* - T) / se* of every draw; infinite where a draw tells nothing."""
  centre = float(statistic(np.ones((1, sample.num_groups)))[0][0])
  if logit:
    centre = float(special.logit(centre))
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


def _clopper_pearson(sample: Sample, found: Studentised, n: int) -> Estimate:
  """The interval of 0 or of all among as many trials as groups."""
  value = found.value
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
    found.influence,
  )
