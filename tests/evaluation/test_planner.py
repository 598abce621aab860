"""What would settle a question, by hand and by drawing the larger study."""

import numpy as np
import pytest
from scipy import stats

from empathy.evaluation import planner, resampling, samples, weighing
from empathy.evaluation.findings import Estimate, SeedNoise


def _estimate(value, variance, sizes):
  seeds = max(variance.get('seeds', 0) - 0.1 * variance['groups'], 0)
  reach = np.sqrt(
    sum(
      stats.t.ppf(0.975, sizes[name] - 1) ** 2 * v
      for name, v in (variance | {'seeds': seeds}).items()
      if v
    )
  )
  return Estimate(
    value,
    value - reach,
    value + reach,
    0.95,
    0.2,
    method='made',
    variance=variance,
    sizes=sizes,
  )


def test_the_parts_are_told_and_what_each_would_need():
  one = _estimate(
    0.05, {'groups': 0.0003, 'seeds': 0.0009}, {'groups': 40, 'seeds': 4}
  )
  found = planner.plan(one)
  assert found.shares == pytest.approx({'groups': 0.25, 'seeds': 0.75})
  assert not found.settled
  # The seeds alone reach beyond .05 with 4 seeds (t = 3.18), so that no number
  # of groups is enough.
  assert found.needed['groups'] is None
  number = found.needed['seeds']

  def reach(number):
    # Of seeds' variance, a tenth of the groups' is left out.
    seeds = max(0.0009 * 4 / number - 0.00003, 0)
    seeds *= stats.t.ppf(0.975, number - 1) ** 2
    return np.sqrt(stats.t.ppf(0.975, 39) ** 2 * 0.0003 + seeds)

  assert reach(number) <= 0.05 < reach(number - 1)
  row = planner.row('some.primary', one)
  assert row['seeds_needed'] == number
  assert row['groups_share'] == pytest.approx(0.25)
  assert row['annotators_share'] is None
  assert row['sentence'] == (
    'Of the variance 25 % is from the groups and 75 % is from the seeds. If '
    'the figure stayed as it is, the interval would leave out zero with '
    f'{number} seeds in place of 4.'
  )


def test_as_many_groups_as_are_planned_settle_it():
  # An effect whose interval of 40 groups holds 0: the planned number of groups,
  # drawn from the same population, leaves it out about half of the time.
  random = np.random.default_rng(0)

  def study(values):
    num_groups = len(values)
    sample = samples.sample(np.arange(num_groups))
    columns = np.stack([values, np.ones(num_groups)], axis=1)
    return resampling.estimate(
      sample, weighing.mean(sample.totals(columns)), null=True
    )

  values = stats.zscore(random.normal(0, 1, 40), ddof=1)
  small = study(0.3 + 1.4 * values)
  assert small.low < 0
  number = planner.plan(small).needed['groups']
  assert 40 < number < 200
  settled = [study(random.normal(0.3, 1.4, number)).low > 0 for _ in range(200)]
  assert 0.4 < np.mean(settled) < 0.6
  assert planner.plan(study(0.3 + 1.4 * np.tile(values, 9))).settled


def test_only_the_end_towards_zero_counts():
  for sign in (1, -1):
    ends = sorted((sign * 0.002, sign * 0.066))
    found = planner.plan(
      Estimate(
        sign * 0.031,
        *ends,
        0.95,
        variance={'groups': 0.0001, 'seeds': 0.0001},
        sizes={'groups': 40, 'seeds': 6},
      )
    )
    assert found.settled
    assert found.needed == {'groups': 40, 'seeds': 6}


def test_a_distance_may_be_asked_for():
  sample = samples.sample(np.arange(50))
  values = np.random.default_rng(1).normal(0, 1, 50)
  columns = np.stack([values, np.ones(50)], axis=1)
  one = resampling.estimate(
    sample,
    weighing.mean(sample.totals(columns)),
    seeds=SeedNoise(0.001, 2, 3),
  )
  half = one.high - one.estimate
  found = planner.plan(one, half / 1.5)
  # Groups' part falls as 1 / G; the seeds' stays.
  number = np.arange(50, 5_000)
  groups = 50 * one.variance['groups'] / number
  reach = stats.t.ppf(0.975, number - 1) ** 2 * groups
  reach += stats.t.ppf(0.975, 2) ** 2 * np.maximum(0.001 - 0.1 * groups, 0)
  enough = np.sqrt(reach) <= half / 1.5
  assert found.needed['groups'] == number[enough.argmax()]


@pytest.mark.parametrize(
  ('estimate', 'says'),
  [
    (Estimate(0.1, method='no interval: too few'), 'no plan without'),
    (
      _estimate(0.2, {'groups': 0.0001}, {'groups': 30}),
      'leaves out zero',
    ),
    (
      _estimate(0.0001, {'groups': 0.01}, {'groups': 30}),
      'too near to zero',
    ),
    (
      _estimate(0.0, {'groups': 0.01}, {'groups': 30}),
      'too near to zero',
    ),
    (
      Estimate(
        0.1,
        -0.1,
        0.3,
        0.95,
        variance={'groups': 0.01},
        sizes={'groups': 30, 'seeds': 2},
      ),
      'what new seeds would add is not known, for which 3 seeds are needed',
    ),
  ],
)
def test_what_there_is_to_say(estimate, says):
  assert says in planner.row('name', estimate)['sentence']
