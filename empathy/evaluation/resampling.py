"""Intervals and p-values: clips are drawn by group, and draws are studentised.

The interval is symmetric studentised: T +- q(|T* - T| / se*) se, where T* are
the values of the statistic in draws of as many groups as there are, with
replacement, and se^2 = G / (G - 1) sum_g w_g U_g^2 with U the derivative: the
infinitesimal jackknife (Efron 1982, The Jackknife, the Bootstrap and Other
Resampling Plans, ch. 6; Hall 1988, Ann. Statist. 16:927). It is so on a scale
on which the figure has no bounds (see `Scale`). From 200 groups on, or where
every clip is a group of its own, there are no draws: q is Student's. With draws
it is Student's at least: those of few groups with what is counted repeat these
few, and may tell too little. Statistics over the same groups share one draw. G
counts the groups that the figure rests on (see `weighing.Figure`); below 6 of
them there is no interval.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from empathy.evaluation import pivots, scales, significance, weighing
from empathy.evaluation.findings import (
  Deletions,
  Estimate,
  Influence,
  Kind,
  Scale,
  SeedNoise,
)
from empathy.evaluation.pivots import Fault, Studentised
from empathy.evaluation.samples import LEAST_GROUPS, Groups
from empathy.evaluation.seeds import THESE_SEEDS
from empathy.evaluation.significance import LEVEL
from empathy.evaluation.weighing import Statistic


def estimate(
  sample: Groups,
  statistic: Statistic,
  scale: Scale = Scale.IDENTITY,
  seeds: SeedNoise | None = THESE_SEEDS,
  null: bool = False,
  n: int | None = None,
  annotators: Deletions | None = None,
  drawn: Statistic | None = None,
  alternative: Literal['two-sided', 'greater'] = 'two-sided',
) -> Estimate:
  """The statistic with its interval, and its p-value if 0 is its null.

  A share of exactly 0 or 1 has no standard error, but an interval, see
  `_clopper_pearson`; what is no share, such as an AUROC, has none there.

  Args:
    sample: the clips by group.
    statistic: a function of weights (R, G), see `weighing`.
    scale: see `pivots.studentise`.
    seeds: see `pivots.studentise`.
    null: whether 0 on the scale of the interval is the natural null.
    n: the clips that the figure rests on; those of the sample if None.
    annotators: see `pivots.studentise`.
    drawn: see `pivots.studentise`.
    alternative: 'greater' for the one-sided p-value of the figure's being no
      more than the null. The interval stays two-sided: its low end is above the
      null where that p is at most .025.

  Returns:
    The estimate; without an interval its `method` says why.
  """
  if sample.probe is not None:
    return sample.probe(sample, statistic)
  found = pivots.studentise(sample, statistic, scale, seeds, annotators, drawn)
  n = sample.num_clips if n is None else n
  share = isinstance(statistic, weighing.Figure) and statistic.share
  if found.fault is Fault.BOUND and share:
    return _clopper_pearson(sample, found, n)
  if found.fault is not None:
    return _bare(found, n)
  one_sided = null and alternative == 'greater'
  p, method = found.p_value() if null else None, found.method
  if one_sided:
    p = p / 2 if found.centre > 0 else 1 - p / 2
    method += ', p one-sided'
  return Estimate(
    found.value,
    *found.interval(),
    LEVEL,
    p,
    n=n,
    method=method,
    influence=found.influence,
    kind=Kind.STUDENT if found.pivots is None else Kind.DRAWN,
    scale=scale,
    variance=found.own_variances(),
    sizes=found.sizes,
    one_sided=one_sided,
  )


def _clopper_pearson(sample: Groups, found: Studentised, n: int) -> Estimate:
  """The interval of 0 or of all among as many trials as groups that count.

  It is that of Clopper and Pearson (1934, Biometrika 26:404), which so supposes
  the most dependence within a group.
  """
  at_zero = found.value < 0.5
  trials = found.sizes['groups']
  far = 1 - ((1 - LEVEL) / 2) ** (1 / trials)
  unit = 'groups' if sample.clustered else 'clips'
  return Estimate(
    found.value,
    0.0 if at_zero else 1 - far,
    far if at_zero else 1.0,
    LEVEL,
    n=n,
    method=f'Clopper-Pearson of {trials:,} {unit}, since the figure is exactly '
    f'{round(found.value)}',
    influence=_loose(found),
    kind=Kind.EXACT,
    scale=found.scale,
    sizes=found.sizes,
  )


def _bare(found: Studentised, n: int) -> Estimate:
  """A figure that has no interval; nothing, if it is undefined."""
  if found.fault is Fault.UNDEFINED:
    return Estimate(None, n=n, method=found.method)
  return Estimate(
    found.value, n=n, method=found.method, influence=_loose(found)
  )


def _loose(found: Studentised) -> Influence:
  """The influence of a figure whose interval is not its own."""
  return dataclasses.replace(found.influence, quantile=0.0)


def no_finer(estimate: Estimate, weight: float) -> Estimate:
  """An interval that reaches at least one clip's weight to either side.

  Where by chance all groups give nearly the same figure, their spread says that
  it is known more exactly than one clip more or less would leave it.

  Args:
    estimate: a difference of shares of clips.
    weight: of one clip in it.
  """
  if estimate.low is None:
    return estimate
  return dataclasses.replace(
    estimate,
    low=min(estimate.low, estimate.estimate - weight),
    high=max(estimate.high, estimate.estimate + weight),
  )


def minimum(
  sample: Groups, differences: Sequence[Studentised], n: int
) -> Estimate:
  """The smallest of several differences, as of the full view to each rival.

  The estimate is min_m T_m; low is the least of the lows, high the least of the
  simultaneous highs (of max_m |t_m|). So low is above 0 where every difference
  is, an intersection-union test (Berger 1982, Technometrics 24:295), and high
  is below 0 where some difference is, corrected for their number; p is the
  smallest at which either is so. The estimate is biased downward, as a minimum
  of noisy figures is.

  Args:
    sample: the sample of all the differences.
    differences: at least one, all on one scale, of those that turn nothing:
      IDENTITY or DIFFERENCE.
    n: the clips that the figure rests on.

  Returns:
    The estimate.
  """
  values = [found.value for found in differences]
  value, among = min(values), len(differences)
  if any(map(math.isnan, values)):
    return Estimate(None, n=n, method=Fault.UNDEFINED.value)
  least = differences[values.index(value)]
  bare = Estimate(value, n=n, influence=_loose(least))
  for found in differences:
    if found.fault is not None:
      return dataclasses.replace(bare, method=found.method)
  largest = None if among == 1 else pivots.largest(sample, differences)
  high = _least_high(differences, largest, 1 - LEVEL)
  if not math.isfinite(high):
    return dataclasses.replace(
      bare,
      method='no interval: one of the differences is undefined in too many '
      f'draws of the {least.sizes["groups"]:,} groups that count',
    )
  if value >= 0 or among == 1:
    p = max(found.p_value() for found in differences)
  else:
    p = significance.least_p(
      lambda p: _least_high(differences, largest, p) < 0, len(largest)
    )
  return dataclasses.replace(
    bare,
    low=min(found.interval()[0] for found in differences),
    high=float(scales.inverse(least.scale, np.float64(high))),
    level=LEVEL,
    p=p,
    method=f'{least.method}, least of {among}',
    kind=Kind.LEAST,
    scale=least.scale,
    variance=least.own_variances(),
    sizes=least.sizes,
  )


def _least_high(
  differences: Sequence[Studentised], largest: np.ndarray | None, p: float
) -> float:
  """The least of the differences' simultaneous highs of level 1 - p."""
  at_once = 0.0 if largest is None else significance.of_draws(largest, p)
  return min(
    found.value
    + found.reach(p, max(found.quantile(p), at_once), len(differences))
    for found in differences
  )


def describe(sample: Groups) -> str:
  """One sentence on how intervals over this sample are made."""
  if sample.num_groups < LEAST_GROUPS:
    return (
      f'There are no intervals: they take {LEAST_GROUPS} groups, and there '
      f'{"is" if sample.num_groups == 1 else "are"} {sample.num_groups}.'
    )
  if not sample.clustered:
    return (
      "Intervals are Student's with the standard error of the infinitesimal "
      f'jackknife over {sample.num_groups:,} clips, each a group of its own.'
    )
  if not sample.resampled:
    return (
      "Intervals are Student's with the standard error of the infinitesimal "
      f'jackknife over {sample.num_groups:,} groups.'
    )
  return (
    f'Intervals are symmetric studentised ones from {sample.num_resamples:,} '
    f'draws of whole groups ({sample.num_groups} of them), one draw for all '
    'statistics.'
  )
