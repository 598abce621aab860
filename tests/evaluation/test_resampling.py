"""The engine of intervals, against loops, closed forms and simulation."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import proportion

from empathy.evaluation import (
  pivots,
  ranking,
  resampling,
  samples,
  significance,
  weighing,
)
from empathy.evaluation.findings import Estimate, Kind, SeedNoise
from empathy.evaluation.units import Scale

# Of the draws themselves.
NUM_DRAWS = 10_000


def test_the_interval_is_that_of_a_plain_loop():
  random = np.random.default_rng(3)
  groups = np.repeat(np.arange(8), random.integers(5, 14, 8))
  values = (random.random(len(groups)) < 0.3 + 0.05 * groups).astype(float)
  sample = samples.sample(groups, num_resamples=400)

  def figure(drawn):
    return values[drawn].mean()

  def error(drawn, names):
    # A clip's influence on the logit of a mean, summed by drawn group.
    share = figure(drawn)
    total = 0.0
    for name in names:
      influence = (values[groups == name] - share).sum() / len(drawn)
      total += (influence / (share * (1 - share))) ** 2
    return np.sqrt(8 / 7 * total)

  def logit(share):
    return np.log(share / (1 - share))

  everyone = np.arange(len(groups))
  pivots = []
  for weights in samples.draws(8, 400):
    names = np.repeat(np.arange(8), weights.astype(int))
    drawn = np.concatenate([np.flatnonzero(groups == name) for name in names])
    shift = logit(figure(drawn)) - logit(figure(everyone))
    pivots.append(abs(shift) / error(drawn, names))
  reach = np.sort(pivots)[int(np.ceil(0.95 * 401)) - 1]
  # Student's quantile with 7 degrees of freedom, if the draws tell less.
  reach = max(reach, 2.3646243) * error(everyone, range(8))
  ends = logit(figure(everyone)) + np.array([-reach, reach])
  expected = 1 / (1 + np.exp(-ends))
  found = resampling.estimate(
    sample, made.mean(sample, values), scale=Scale.LOGIT
  )
  np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-10)
  assert found.estimate == pytest.approx(values.mean(), abs=1e-15)


def test_differences_are_paired():
  random = np.random.default_rng(4)
  groups = np.repeat(np.arange(20), 10)
  values = random.normal(groups / 5, 1)
  sample = samples.sample(groups)
  shifted = weighing.minus(
    made.mean(sample, values + random.normal(0.1, 0.01, 200)),
    made.mean(sample, values),
  )
  found = resampling.estimate(sample, shifted, null=True)
  assert found.high - found.low < 0.01
  assert found.p == 1 / (samples.NUM_RESAMPLES + 1)


@given(shift=st.floats(-0.6, 0.6), seed=st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_the_p_value_says_what_the_interval_says(shift, seed):
  random = np.random.default_rng(seed)
  groups = np.repeat(np.arange(10), 5)
  values = random.normal(shift + 0.3 * random.normal(size=10)[groups], 1)
  sample = samples.sample(groups, num_resamples=999)
  found = resampling.estimate(sample, made.mean(sample, values), null=True)
  assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)


def test_unclustered_is_students_interval():
  random = np.random.default_rng(5)
  values = random.normal(0.2, 1, 60)
  sample = samples.sample(np.arange(60))
  found = resampling.estimate(sample, made.mean(sample, values), null=True)
  reach = stats.t.ppf(0.975, 59) * values.std(ddof=1) / np.sqrt(60)
  np.testing.assert_allclose(found.high - found.estimate, reach, rtol=1e-12)
  size = abs(values.mean()) / values.std(ddof=1) * np.sqrt(60)
  expected = 2 * stats.t.sf(size, 59)
  assert found.p == pytest.approx(expected, rel=1e-10)
  assert 'unclustered' in found.method


def test_many_groups_are_students_and_few_are_drawn():
  random = np.random.default_rng(6)
  methods = []
  for num_groups in (199, 200):
    groups = np.repeat(np.arange(num_groups), 3)
    values = random.normal(0, 1, 3 * num_groups)
    sample = samples.sample(groups, num_resamples=2000)
    found = resampling.estimate(sample, made.mean(sample, values))
    by_group = values.reshape(-1, 3).mean(axis=1)
    reach = 1.96 * by_group.std(ddof=1) / np.sqrt(num_groups)
    assert found.high - found.estimate == pytest.approx(reach, rel=0.05)
    methods.append(found.method.split(',')[0])
  assert methods == ['studentised', 'jackknife']


@pytest.mark.parametrize('num_groups', [30, 300])
@pytest.mark.parametrize('freedom', [2, 5])
def test_p_with_few_seeds_says_what_the_interval_says(num_groups, freedom):
  random = np.random.default_rng(22)
  sample = samples.sample(np.repeat(np.arange(num_groups), 4))
  values = random.normal(0, 1, 4 * num_groups)
  plain = pivots.studentise(sample, made.mean(sample, values))
  noise = SeedNoise(2 * plain.error**2, freedom, freedom + 1)
  own = pivots.studentise(sample, made.mean(sample, values), seeds=noise)
  for size in (0.98, 1.02):
    moved = made.mean(sample, values - plain.value + size * own.reach())
    found = resampling.estimate(sample, moved, seeds=noise, null=True)
    assert (found.low > 0) == (size > 1) == (found.p <= 0.05)
    assert found.p == pytest.approx(0.05, abs=0.005)
  # Where seeds are nearly all of the error, p is that of Student's law.
  noise = SeedNoise(1e6 * plain.error**2, freedom, freedom + 1)
  error = np.sqrt(noise.variance)
  moved = made.mean(sample, values - plain.value + 8 * error)
  found = resampling.estimate(sample, moved, seeds=noise, null=True)
  expected = 2 * stats.t.sf(8, freedom)
  assert found.p == pytest.approx(expected, rel=0.01, abs=1.1e-4)


@pytest.mark.parametrize('num_groups', [30, 300])
def test_one_sided_p_agrees_with_the_two_sided_interval(num_groups):
  random = np.random.default_rng(23)
  sample = samples.sample(np.repeat(np.arange(num_groups), 4))
  values = random.normal(0, 1, 4 * num_groups)
  values -= made.mean(sample, values)(np.ones((1, num_groups)))[0]
  reach = pivots.studentise(sample, made.mean(sample, values)).reach()
  for size in (-1.5, 0.98, 1.02):
    statistic = made.mean(sample, values + size * reach)
    two = resampling.estimate(sample, statistic, null=True)
    one = resampling.estimate(
      sample, statistic, null=True, alternative='greater'
    )
    assert (one.low, one.high) == (two.low, two.high)
    assert (one.p <= 0.025) == (one.low > 0)
    assert one.p == pytest.approx(two.p / 2 if size > 0 else 1 - two.p / 2)
    assert 'one-sided' in one.method


def test_what_groups_share_is_no_association():
  # Every clip of a group has the same part of both signals, which are
  # independent: correlations of clips must not find it, nor their intervals.
  random = np.random.default_rng(13)
  found, free = [], []
  for _ in range(40):
    group = np.repeat(np.arange(24), random.integers(5, 20, 24))
    first, second = random.normal(random.normal(0, 1, (2, 24))[:, group], 1)
    for sample, kept in (
      (samples.sample(group, 299), found),
      (samples.sample(np.arange(len(group))), free),
    ):
      one = resampling.estimate(
        sample,
        ranking.spearman(sample, first, second),
        Scale.FISHER,
        null=True,
        drawn=ranking.spearman(
          sample, ranking.coarse(first, 16), ranking.coarse(second, 16)
        ),
      )
      kept.append(one.p <= 0.05)
      assert kept[-1] == (one.low > 0 or one.high < 0)
  # Two of forty are expected; eight would be one in a thousand.
  assert np.sum(found) < 8
  assert np.mean(free) > 0.3


@pytest.mark.parametrize('hits', [0, 1])
def test_the_boundary_is_clopper_and_pearson(hits):
  sample = samples.sample(np.repeat(np.arange(9), 4))
  found = resampling.estimate(
    sample, made.mean(sample, np.full(36, float(hits))), scale=Scale.LOGIT
  )
  expected = proportion.proportion_confint(9 * hits, 9, method='beta')
  np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12)
  assert 'Clopper' in found.method
  assert '9 groups' in found.method
  alone = resampling.estimate(
    samples.sample(np.arange(36)),
    made.mean(samples.sample(np.arange(36)), np.full(36, float(hits))),
    scale=Scale.LOGIT,
  )
  expected = proportion.proportion_confint(36 * hits, 36, method='beta')
  np.testing.assert_allclose([alone.low, alone.high], expected, rtol=1e-12)


@pytest.mark.parametrize(
  ('groups', 'values', 'says'),
  [
    ([0] * 6, [0, 1, 0, 1, 1, 1], '1 group that counts'),
    ([0, 1, 2, 3, 4], [0, 1, 1, 0, 1], 'too few, it needs 6'),
    ([0, 0, 1, 1, 2, 2] * 2, [0, 1, 0, 1, 0, 1] * 2, '3 groups'),
    (sorted([*range(6)] * 2), [0, 1] * 6, 'same figure'),
    ([0, 0, 1, 2, 3, 4, 5], [0, 1, 1, 1, 1, 1, 1], 'too many draws'),
  ],
)
def test_degenerate_data_give_a_reason(groups, values, says):
  sample = samples.sample(groups)
  found = resampling.estimate(
    sample,
    made.mean(sample, np.array(values, float)),
    scale=Scale.LOGIT,
    null=True,
  )
  assert found.estimate == pytest.approx(np.mean(values))
  assert (found.low, found.high, found.level, found.p) == (None,) * 4
  assert says in found.method


def test_an_undefined_figure_is_none():
  sample = samples.sample(np.repeat(np.arange(6), 3))
  statistic = weighing.mean(np.zeros((6, 2)))
  found = resampling.estimate(sample, statistic, scale=Scale.LOGIT, null=True)
  assert found.estimate is None
  assert found.low is None


def test_the_minimum_is_the_one_difference_if_there_is_one():
  random = np.random.default_rng(8)
  sample = samples.sample(np.repeat(np.arange(15), 6))
  statistic = made.mean(sample, random.normal(0.1, 1, 90))
  plain = resampling.estimate(sample, statistic, null=True)
  least = resampling.minimum(sample, [pivots.studentise(sample, statistic)], 90)
  for field in ('estimate', 'low', 'high', 'p'):
    assert getattr(least, field) == getattr(plain, field)


@pytest.mark.parametrize('num_groups', [15, 250])
def test_the_minimum_of_several_is_simultaneous(num_groups):
  random = np.random.default_rng(9)
  sample = samples.sample(np.repeat(np.arange(num_groups), 2))
  values = random.normal([0.3, 0.35, 0.9], 1, (2 * num_groups, 3))
  statistics = [made.mean(sample, column) for column in values.T]
  alone = [resampling.estimate(sample, s, null=True) for s in statistics]
  found = resampling.minimum(
    sample,
    [pivots.studentise(sample, statistic) for statistic in statistics],
    len(values),
  )
  assert found.estimate == min(one.estimate for one in alone)
  assert found.low == min(one.low for one in alone)
  assert found.p == max(one.p for one in alone)
  reaches = [
    (found.high - one.estimate) / (one.high - one.estimate) for one in alone
  ]
  # Wider than one interval, narrower than three corrected by Bonferroni: for
  # the normal law 2.39 to 1.96.
  widest = 2.394 / 1.96 if num_groups == 250 else 1.6
  assert 1.02 < max(reaches) <= widest


def test_losing_to_one_rival_is_told_as_the_interval_tells_it():
  # 4 points worse than one of two, level with the other.
  random = np.random.default_rng(1)
  sample = samples.sample(np.repeat(np.arange(60), 20))
  losses = [
    random.choice([-1.0, 0, 1], 1200, p=[0.12, 0.84, 0.04]),
    random.choice([-1.0, 0, 1], 1200, p=[0.05, 0.9, 0.05]),
  ]
  found = resampling.minimum(
    sample,
    [pivots.studentise(sample, made.mean(sample, one)) for one in losses],
    1200,
  )
  assert found.high < 0
  assert found.p < 0.02


@pytest.mark.parametrize('num_groups', [12, 250])
@pytest.mark.parametrize('num_rivals', [1, 2, 4])
def test_the_least_of_several_agrees_with_its_p(num_groups, num_rivals):
  random = np.random.default_rng(num_groups + num_rivals)
  sample = samples.sample(np.repeat(np.arange(num_groups), 3), 999)
  noise = SeedNoise(0.1 / num_groups, 2, 3)
  said = set()
  for shift in np.linspace(-7, 7, 40):
    values = random.normal(0, 1, (num_rivals, 3 * num_groups))
    values += shift / np.sqrt(3 * num_groups)
    found = resampling.minimum(
      sample,
      [
        pivots.studentise(sample, made.mean(sample, one), seeds=noise)
        for one in values
      ],
      1,
    )
    outside = found.low > 0 or found.high < 0
    assert (found.p <= 0.05) == outside
    said.add((found.low > 0, found.high < 0))
  assert said == {(True, False), (False, True), (False, False)}


@pytest.mark.parametrize('num_rivals', [2, 6])
def test_equal_rivals_are_seldom_told_apart(num_rivals):
  random = np.random.default_rng(3)
  sample = samples.sample(np.repeat(np.arange(30), 4), 500)
  above = below = 0
  for _ in range(150):
    ours, *others = random.random((num_rivals + 1, 120)) < 0.6
    found = resampling.minimum(
      sample,
      [
        pivots.studentise(sample, made.mean(sample, 1.0 * ours - other))
        for other in others
      ],
      1,
    )
    above += found.low > 0
    below += found.high < 0
  # 3.75 are expected of either; nine would be one in a hundred.
  assert above <= 9
  assert below <= 9


def test_no_p_is_zero():
  values = 1 + 1e-3 * np.random.default_rng(0).normal(0, 1, 20_000)
  sample = samples.sample(np.arange(20_000))
  found = resampling.estimate(sample, made.mean(sample, values), null=True)
  assert found.p == significance.LEAST_P > 0
  noise = SeedNoise(1e-8, 9, 10)
  found = resampling.estimate(
    sample, made.mean(sample, values), seeds=noise, null=True
  )
  assert 0 < found.p < 1e-30


def test_only_groups_that_count_are_trials():
  # 0 errors among 9 answered clips of 300: at most a third, not 1.2 %.
  sample = samples.sample(np.arange(300))
  answered = np.zeros(300)
  answered[::34] = 1
  totals = sample.totals(np.stack([0 * answered, answered], axis=1))
  found = resampling.estimate(sample, weighing.mean(totals), Scale.LOGIT)
  expected = proportion.proportion_confint(0, 9, method='beta')
  np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12)
  assert found.high > 0.3
  assert '9 clips' in found.method
  assert found.kind == Kind.EXACT
  assert found.sizes == {'groups': 9}


@pytest.mark.parametrize('clustered', [True, False])
def test_one_positive_tells_nothing(clustered):
  sample = samples.sample(np.arange(400) // (10 if clustered else 1))
  signal = np.random.default_rng(0).random(400)
  positive = np.arange(400) == 7
  signal[7] = 2
  for figure in (ranking.auroc, ranking.found_at, ranking.average_precision):
    found = resampling.estimate(
      sample, figure(sample, signal, positive), Scale.LOGIT, null=True
    )
    assert found.estimate == 1
    assert (found.low, found.p) == (None, None)
    assert 'too few' in found.method


def test_a_perfect_ranking_is_no_proportion_and_has_no_interval():
  sample = samples.sample(np.arange(400))
  positive = np.arange(400) < 50
  auroc = ranking.auroc(sample, positive.astype(float), positive)
  found = resampling.estimate(sample, auroc, Scale.LOGIT)
  assert (found.estimate, found.low) == (1, None)
  assert 'exactly 1' in found.method
  # But all errors found is a share of the errors.
  share = ranking.found_at(sample, positive.astype(float), positive, 0.2)
  found = resampling.estimate(sample, share, Scale.LOGIT)
  expected = proportion.proportion_confint(50, 50, method='beta')
  np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12)


def simulate(num_corpora, num_groups=24, num_resamples=999, seed=0):
  """Coverage of 95 % intervals in corpora of unequal groups.

  Group sizes are log-normal (sigma .7); in each group both views have their own
  chance of being right, and so has the difference a part of its own.

  Returns:
    By statistic, the share of intervals that hold the true figure.
  """
  random = np.random.default_rng(seed)
  truth = {}
  held = {'accuracy': 0, 'full_minus_view': 0, 'full_minus_best': 0}

  def chances(count):
    # Two tied single views and a full view, in `count` groups.
    shared = random.normal(0.8, 0.5, (count, 1))
    scores = shared + random.normal([0.0, 0.0, 0.35], 0.35, (count, 3))
    sizes = np.maximum(1, random.lognormal(2.7, 0.7, count).astype(int))
    return 1 / (1 + np.exp(-scores)), sizes

  share, size = chances(2_000_000)
  exact = (share * size[:, None]).sum(axis=0) / size.sum()
  truth['accuracy'] = exact[0]
  truth['full_minus_view'] = truth['full_minus_best'] = exact[2] - exact[0]
  for _ in range(num_corpora):
    share, size = chances(num_groups)
    groups = np.repeat(np.arange(num_groups), size)
    # The same hard clips are hard for every view.
    right = (random.random((len(groups), 1)) < share[groups]).astype(float)
    fresh = random.random((len(groups), 3)) < share[groups]
    own = random.random((len(groups), 3)) < 0.5
    right = np.where(own, fresh, right)
    sample = samples.sample(groups, num_resamples)
    statistics = [
      made.mean(sample, right[:, 2] - right[:, view]) for view in (0, 1)
    ]
    intervals = {
      'accuracy': resampling.estimate(
        sample, made.mean(sample, right[:, 0]), scale=Scale.LOGIT
      ),
      'full_minus_view': resampling.estimate(sample, statistics[0]),
      'full_minus_best': resampling.minimum(
        sample, [pivots.studentise(sample, s) for s in statistics], 1
      ),
    }
    for name, found in intervals.items():
      held[name] += found.low <= truth[name] <= found.high
  return {name: count / num_corpora for name, count in held.items()}


def test_intervals_hold_the_truth():
  coverage = simulate(300)
  # Three standard errors of a share of .95 in 300 corpora are .038.
  for name, share in coverage.items():
    assert 0.912 <= share <= 0.988, (name, share)


def test_no_interval_is_finer_than_a_clip():
  narrow = Estimate(0.1, 0.099, 0.101, 0.95, n=50)
  found = resampling.no_finer(narrow, 1 / 50)
  assert (found.low, found.high) == pytest.approx((0.08, 0.12))
  wide = Estimate(0.1, 0.0, 0.2, 0.95, n=50)
  assert resampling.no_finer(wide, 1 / 50) == wide
  assert resampling.no_finer(Estimate(0.1, n=50), 1 / 50).low is None


@pytest.mark.parametrize('number', [1, 5, 6])
def test_too_few_groups_are_said_to_have_no_intervals(number):
  groups = np.repeat([f'g{i}' for i in range(number)], 3)
  said = resampling.describe(samples.sample(groups))
  assert said.startswith('There are no intervals') == (number < 6)
