"""Studentised statistics, against closed forms."""

import dataclasses

import made
import numpy as np
import pytest
from scipy import stats

from empathy.evaluation import pivots, ranking, resampling, samples, weighing
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation.findings import Deletions, SeedNoise
from empathy.evaluation.units import Scale


def test_seed_noise_widens_the_interval():
  random = np.random.default_rng(7)
  sample = samples.sample(np.repeat(np.arange(12), 9))
  statistic = made.mean(sample, random.normal(0, 1, 108))
  plain = pivots.studentise(sample, statistic)
  seeds = np.array([0.1, 0.3, 0.5])
  noise = seeds_lib.seed_variance((seeds, None))
  assert noise == SeedNoise(pytest.approx(0.04 / 3), 2, 3)
  wide = pivots.studentise(sample, statistic, seeds=noise)
  # A tenth of the groups' variance is left out.
  rest = 0.04 / 3 - 0.1 * plain.error**2
  reach = (stats.t.ppf(0.975, 2) ** 2) * rest + plain.reach() ** 2
  assert wide.reach() == pytest.approx(np.sqrt(reach), rel=1e-12)
  assert wide.own_variances() == pytest.approx(
    {'groups': plain.error**2, 'seeds': 0.04 / 3}
  )
  rates = made.mean(sample, random.random(108))
  plain = pivots.studentise(sample, rates, Scale.LOGIT)
  both = pivots.studentise(sample, rates, Scale.LOGIT, noise)
  slope = 1 / (plain.value * (1 - plain.value))
  assert both.error**2 == pytest.approx(plain.error**2 + slope**2 * 0.04 / 3)
  assert both.own_variances()['seeds'] == pytest.approx(0.04 / 3)
  twice = seeds_lib.seed_variance((seeds, None), (seeds, None))
  assert twice == SeedNoise(pytest.approx(0.08 / 3), pytest.approx(4), 3)
  assert seeds_lib.seed_variance((seeds, None), (seeds[:1], None)) is None
  lone = resampling.estimate(sample, statistic, seeds=None)
  assert 'one seed' in lone.method
  assert 'with seed noise' in wide.method
  assert 'seed' not in resampling.estimate(sample, statistic).method


def test_two_seeds_tell_nothing_of_others():
  random = np.random.default_rng(7)
  sample = samples.sample(np.repeat(np.arange(12), 9))
  statistic = made.mean(sample, random.normal(0, 1, 108))
  noise = seeds_lib.seed_variance((np.array([0.0, 2.0]), None))
  found = resampling.estimate(sample, statistic, seeds=noise)
  plain = resampling.estimate(sample, statistic)
  assert (found.low, found.high) == (plain.low, plain.high)
  assert 'two seeds, so new seeds are not covered' in found.method
  assert list(found.variance) == ['groups']
  assert found.sizes == {'groups': 12, 'seeds': 2}


@pytest.mark.parametrize('num_groups', [12, 300])
@pytest.mark.parametrize('share', [0.0, 0.01, 1.0, 100.0])
def test_few_seeds_have_students_law_where_they_are_the_error(
  num_groups, share
):
  random = np.random.default_rng(21)
  sample = samples.sample(np.repeat(np.arange(num_groups), 4))
  statistic = made.mean(sample, random.normal(0, 1, 4 * num_groups))
  plain = pivots.studentise(sample, statistic)
  noise = SeedNoise((share + 0.1) * plain.error**2, 2, 3)
  found = pivots.studentise(sample, statistic, seeds=noise)
  wider = found.reach() / plain.reach()
  # Student's quantile with two degrees of freedom is 4.303.
  expected = np.sqrt(1 + share * (4.3026527 / plain.quantile()) ** 2)
  assert wider == pytest.approx(expected, rel=1e-6)
  assert wider < 1.03 or share > 0.01


@pytest.mark.parametrize('num_seeds', [3, 4, 6, 10])
@pytest.mark.parametrize('groups', [1.5, 3, 10, 100])
def test_intervals_of_few_seeds_hold_the_truth(num_seeds, groups):
  """By integration; 1 is the variance that a mean over seeds has by group."""
  middles = (np.arange(200) + 0.5) / 200
  chances = stats.chi2.ppf(middles, num_seeds - 1) / (num_seeds - 1)
  quantiles = {
    'groups': stats.norm.ppf(0.975),
    'seeds': stats.t.ppf(0.975, num_seeds - 1),
  }
  for more in np.array([0, 0.1, 0.3, 1, 3, 10]) * groups:
    # Figures of seeds that are drawn, and what `seed_variance` makes of them.
    shared = (num_seeds - 2) / (num_seeds - 1)
    seeds = np.maximum((1 + more) * chances - shared, 0)
    reach = [
      pivots.joint_reach(quantiles, {'groups': groups, 'seeds': one})
      for one in seeds
    ]
    far = np.array(reach) / np.sqrt(groups + more)
    held = (1 - 2 * stats.norm.sf(far)).mean()
    assert 0.935 < held < 0.974


def test_few_annotators_widen_the_interval():
  random = np.random.default_rng(15)
  sample = samples.sample(np.arange(300))
  statistic = made.mean(sample, random.normal(0, 1, 300))
  plain = pivots.studentise(sample, statistic)
  # A jackknife's variance of .032, of which .012 is in that over clips.
  effect = np.array([0.1, 0.1, -0.1, -0.1, 0.0])
  five = Deletions(np.arange(5), effect, 0.012, 3.5, 5)
  found = resampling.estimate(sample, statistic, annotators=five)
  own = plain.variances['groups']
  freedom = (own + 0.02) ** 2 / (own**2 / 299 + 0.032**2 / 3.5)
  reach = stats.t.ppf(0.975, freedom) * np.sqrt(own + 0.02)
  assert found.high - found.estimate == pytest.approx(reach, rel=1e-9)
  assert '5 annotators' in found.method
  assert found.variance['annotators'] == pytest.approx(0.02)
  none = dataclasses.replace(five, within=0.04)
  unknown = resampling.estimate(sample, statistic, annotators=none)
  assert unknown == resampling.estimate(sample, statistic)
  two = dataclasses.replace(five, number=2)
  two = resampling.estimate(sample, statistic, annotators=two)
  assert two.low == unknown.low
  assert 'new ones are not covered' in two.method


def test_a_relative_may_be_drawn_in_a_statistics_stead():
  random = np.random.default_rng(12)
  groups = np.repeat(np.arange(12), 8)
  values = random.normal(0.5, 1, 96)
  sample = samples.sample(groups)
  statistic = made.mean(sample, values)
  plain = resampling.estimate(sample, statistic, null=True)
  shifted = made.mean(sample, 3 * values + 1)
  # A linear function of the statistic has the same studentised draws.
  other = resampling.estimate(sample, statistic, null=True, drawn=shifted)
  np.testing.assert_allclose(
    [other.low, other.high, other.p], [plain.low, plain.high, plain.p]
  )
  rough = made.mean(sample, np.round(4 * values))
  other = resampling.estimate(sample, statistic, drawn=rough)
  assert other.estimate == plain.estimate
  assert other.low == pytest.approx(plain.low, abs=0.02)


def test_rounding_is_no_spread_of_groups():
  # Groups of the same clips: their figures differ by rounding alone.
  for size in (1.0, 1e6):
    random = np.random.default_rng(1)
    clips = random.random((1, 30)) * size
    noise = random.normal(0, 3e-12 * size, (12, 1))
    values = (clips + noise).ravel()
    sample = samples.sample(np.repeat(np.arange(12), 30))
    found = resampling.estimate(sample, made.mean(sample, values))
    assert found.low is None
    assert 'same figure' in found.method


def test_groups_of_the_same_clips_leave_no_doubt():
  # The area under the risk-coverage curve moves with the number of clips, but
  # not with which of the groups are drawn.
  random = np.random.default_rng(5)
  signal, error = random.random(20), random.random(20) < 0.4
  for num_groups in (12, 250):
    sample = samples.sample(np.repeat(np.arange(num_groups), 20), 99)
    figure = ranking.aurc(
      sample, np.tile(signal, num_groups), np.tile(error, num_groups)
    )
    found = resampling.estimate(sample, figure, Scale.LOGIT)
    assert found.low is None
    assert 'same figure' in found.method


def test_few_groups_that_count_among_many():
  # 8 of 250 groups have clips that count: Student's law has 7 degrees of
  # freedom, whether the figure knows its groups or not.
  random = np.random.default_rng(2)
  sample = samples.sample(np.repeat(np.arange(250), 4))
  chosen = (sample.group % 31 == 0) & (sample.group < 240)
  values = random.normal(0, 1, 1000)
  totals = sample.totals(np.stack([values * chosen, chosen], axis=1))
  figure = weighing.mean(totals)
  means = values[chosen].reshape(8, 4).mean(axis=1)
  reach = stats.t.ppf(0.975, 7) * means.std(ddof=1) / np.sqrt(8)
  for statistic in (figure, figure.statistic):
    found = resampling.estimate(sample, statistic)
    assert found.high - found.estimate == pytest.approx(reach)
    assert '8 of 250 groups count' in found.method
    assert found.sizes == {'groups': 8}
  few = weighing.mean(totals * (np.arange(250) < 140)[:, None])
  assert resampling.estimate(sample, few).low is None


def test_draws_of_few_that_count_tell_no_less_than_student():
  # Clips of 12 groups count, each with one of two values: draws of them are
  # known to tell less than Student's law with 11 degrees of freedom does.
  values = np.repeat([0.0, 1.0], 6)
  sample = samples.sample(np.repeat(np.arange(12), 2))
  found = pivots.studentise(sample, made.mean(sample, np.repeat(values, 2)))
  drawn = np.sort(found.pivots)
  below = 0
  for p in np.linspace(0.02, 0.5, 25):
    student = stats.t.ppf(1 - p / 2, 11)
    place = len(drawn) - int(p * (len(drawn) + 1) + 1e-9)
    assert found.quantile(p) == pytest.approx(max(student, drawn[place]))
    below += drawn[place] < student
  assert below > 3
