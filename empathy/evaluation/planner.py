"""What would settle a question that these data leave open.

The variance of a figure is from the choice of groups, of seeds and of
annotators. With twice as many of one, its part is half. So the parts say which
of them is short, and how many there would have to be for the interval to leave
out the null, if the figure stayed as it is. That is a plan, not a promise: the
figure is itself uncertain, and with the number planned for, the interval leaves
out the null in half of the studies only.
"""

import dataclasses

from scipy import special

from empathy.evaluation import pivots, significance, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.significance import LEVEL

# Beyond so many times as many, more of the same is no plan.
MOST = 100
# Groups without a clip that the figure is about are not among those it has.
_COUNTED = {'groups': 'groups that count'}
# Whatever is called found is so in this share of studies.
_POWER = 0.8
# So few seeds tell too little of others.
_FEWEST_SEEDS = 3


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a figure's interval needs to reach no further than some distance.

  Attributes:
    shares: of the variance, by where it is from; without parts that the
      interval does not cover.
    needed: how many there would have to be of each part, the others staying as
      they are; None where more of it alone does not do, or more than `MOST`
      times as many.
    settled: whether the interval reaches no further already.
  """

  shares: dict[str, float]
  needed: dict[str, int | None]
  settled: bool


def plan(estimate: Estimate, distance: float | None = None) -> Plan | None:
  """What would bring the half-length of an interval down to `distance`.

  Args:
    estimate: with an interval and its variances.
    distance: on the figure's own scale; the figure's distance from 0 if None,
      so that its interval leaves out 0.

  Returns:
    The plan; None if the estimate has no variances.
  """
  if estimate.low is None or not sum(estimate.variance.values()):
    return None
  variance, sizes = estimate.variance, estimate.sizes
  total = sum(variance.values())
  value = estimate.estimate
  down, up = value - estimate.low, estimate.high - value
  if distance is None:
    distance, reach = abs(value), down if value > 0 else up
  else:
    reach = max(down, up)
  # Draws, and the least of several, may reach further than Student's law.
  own = reach / _reach(variance, sizes)
  settled = own * _reach(variance, sizes) < distance
  needed = {
    name: sizes[name]
    if settled
    else _needed(name, variance, sizes, distance / own)
    for name in variance
  }
  return Plan(
    {name: v / total for name, v in variance.items()}, needed, settled
  )


def row(name: str, estimate: Estimate) -> dict[str, object]:
  """The row of a statistic in the table `planner`.

  Columns: `statistic`, `groups_share`, `seeds_share`, `annotators_share`,
  `seeds_needed`, `groups_needed`, `annotators_needed`, `sentence`; None where
  there is no such part, or where more of it alone does not settle the question.
  """
  found = plan(estimate)
  shares, needed = (found.shares, found.needed) if found else ({}, {})
  return {
    'statistic': name,
    'groups_share': shares.get('groups'),
    'seeds_share': shares.get('seeds'),
    'annotators_share': shares.get('annotators'),
    'seeds_needed': needed.get('seeds'),
    'groups_needed': needed.get('groups'),
    'annotators_needed': needed.get('annotators'),
    'sentence': sentence(estimate, found),
  }


def sentence(estimate: Estimate, found: Plan | None) -> str:
  """What the plan comes to, in words."""
  if found is None:
    return f'There is no plan without an interval ({estimate.method}).'
  told = 'Of the variance ' + wording.listing(
    f'{wording.percent(share, 0)} is from the {name}'
    for name, share in found.shares.items()
  )
  if 0 < estimate.sizes.get('seeds', 0) < _FEWEST_SEEDS:
    told += (
      f'; what new seeds would add is not known, for which {_FEWEST_SEEDS} '
      'seeds are needed'
    )
  if found.settled:
    return f'{told}. The interval leaves out zero.'
  ways = [
    f'{wording.count(number)} {_COUNTED.get(name, name)} in place of '
    f'{wording.count(estimate.sizes[name])}'
    for name, number in found.needed.items()
    if number is not None
  ]
  if ways:
    return (
      f'{told}. If the figure stayed as it is, the interval would leave out '
      f'zero with {wording.listing(ways, "or with")}.'
    )
  return (
    f'{told}. The figure is too near to zero for more of one of these alone, '
    f'up to {MOST} times as many, to tell it from zero.'
  )


def smallest_effect(difference: Estimate) -> Estimate:
  """The difference that data like these would find four times in five.

  (q + z_.80) standard errors, q such errors being half the interval.

  Args:
    difference: a paired difference with an interval.

  Returns:
    The estimate, without an interval.
  """
  reach = max(
    difference.high - difference.estimate, difference.estimate - difference.low
  )
  normal = special.ndtri((1 + LEVEL) / 2)
  return Estimate(
    float(reach * (1 + special.ndtri(_POWER) / normal)),
    n=difference.n,
    method=f'half the interval, enlarged to a power of {_POWER:.0%}',
  )


def _reach(variance: dict[str, float], sizes: dict[str, int]) -> float:
  """How far an interval reaches by Student's law, see `pivots`."""
  quantiles = {
    name: significance.student(max(sizes[name] - 1, 1), 1 - LEVEL)
    for name in variance
  }
  return pivots.joint_reach(quantiles, variance)


def _needed(
  name: str,
  variance: dict[str, float],
  sizes: dict[str, int],
  distance: float,
) -> int | None:
  """The least number of one part with which the interval reaches `distance`."""

  def enough(number: int) -> bool:
    part = variance[name] * sizes[name] / number
    return _reach({**variance, name: part}, {**sizes, name: number}) <= distance

  low, high = sizes[name], MOST * sizes[name]
  if not enough(high):
    return None
  while high - low > 1:
    middle = (low + high) // 2
    if enough(middle):
      high = middle
    else:
      low = middle
  return high
