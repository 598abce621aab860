"""The engine of intervals, against loops, closed forms and simulation."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import multitest, proportion

from empathy.evaluation import (
  disagreement,
  pivots,
  ranking,
  resampling,
  samples,
  sides,
  significance,
  views,
  weighing,
)
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import Estimate, Kind, Scale, SeedNoise


def _sample(groups, num_resamples=samples.NUM_RESAMPLES):
  return samples.sample(np.asarray(groups), num_resamples)


def _mean(sample, values):
  columns = np.stack([values, np.ones(len(values))], axis=1)
  return weighing.mean(sample.totals(columns))


_KINDS = (
  'mean over seeds',
  'macro_f1',
  'weighted_f1',
  'kappa',
  'error consistency',
  'difference',
  'adjusted',
)


def _statistic(kind, copies=()):
  """A statistic as the study has it, and its sample.

  Args:
    kind: one of `_KINDS`.
    copies: groups whose clips are written out once more, for each mention.
  """
  corpus, predictions = made.study_input(num_clips=90, num_groups=9)
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  text, audio = (predictions.probabilities[view] for view in ('text', 'audio'))
  stratum = made.strata(audio[0]) // 7
  clips = np.concatenate(
    [np.arange(90), *(np.flatnonzero(groups == copy) for copy in copies)]
  )
  sample, labels = _sample(groups[clips]), corpus.labels[clips]
  correct = views.correctness(text, corpus.labels)
  correct[0, :30] = np.nan
  uncertainty = votes_lib.gs(corpus.vote_counts('text+audio'))[clips]
  guesses = text.argmax(-1)[:, clips], audio.argmax(-1)[:2, clips]
  differ = guesses[0][0] != guesses[1][0]
  if kind == 'mean over seeds':
    sums = made.by_seed(sample, correct[:, clips])
    return sample, views.mean_over_seeds(*sums)[0]
  if kind.endswith('f1'):
    totals = made.f1_totals(sample, guesses[0], labels, 3)
    return sample, views.f1_statistics(totals)[kind][0]
  if kind == 'kappa':
    return sample, disagreement.kappa(
      made.pair(sample, made.apart(*guesses), *guesses, 3)
    )[0]
  if kind == 'error consistency':
    right = [guess == labels for guess in guesses]
    return sample, disagreement.error_consistency(
      made.right_pair(sample, made.apart(*right), *right)
    )[0]
  if kind == 'difference':
    return sample, sides.difference(sides.of_clips(sample, uncertainty, differ))
  return sample, sides.adjusted(
    sides.of_clips(sample, uncertainty, differ, stratum[clips])
  )


@pytest.mark.parametrize('kind', _KINDS)
def test_the_derivative_by_group_is_the_slope(kind):
  sample, statistic = _statistic(kind)
  random = np.random.default_rng(1)
  weights = random.uniform(0.5, 2.0, (2, sample.num_groups))
  value, slope = statistic(weights)
  assert value.shape == (2,)
  assert np.isfinite(value).all()
  step = 1e-6
  numeric = np.empty_like(slope)
  for group in range(sample.num_groups):
    shift = step * (np.arange(sample.num_groups) == group)
    above, below = statistic(weights + shift)[0], statistic(weights - shift)[0]
    numeric[:, group] = (above - below) / (2 * step)
  np.testing.assert_allclose(slope, numeric, atol=2e-9)
  assert np.abs(slope).max() > 1e-4
  # Euler: the figure does not change when all weights grow alike.
  np.testing.assert_allclose((weights * slope).sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize('kind', _KINDS)
def test_a_weight_is_a_number_of_copies(kind):
  sample, statistic = _statistic(kind)
  weights = np.ones((1, sample.num_groups))
  plain = statistic(weights)[0]
  weights[0, [2, 5]] = 3, 2
  _, written_out = _statistic(kind, copies=(2, 2, 5))
  expected = written_out(np.ones((1, sample.num_groups)))[0]
  np.testing.assert_allclose(statistic(weights)[0], expected, rtol=1e-12)
  assert abs(expected - plain) > 1e-6


def test_the_interval_is_that_of_a_plain_loop():
  random = np.random.default_rng(3)
  groups = np.repeat(np.arange(8), random.integers(5, 14, 8))
  values = (random.random(len(groups)) < 0.3 + 0.05 * groups).astype(float)
  sample = _sample(groups, num_resamples=400)

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
  found = resampling.estimate(sample, _mean(sample, values), scale=Scale.LOGIT)
  np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-10)
  assert found.estimate == pytest.approx(values.mean(), abs=1e-15)


def test_a_draw_takes_as_many_groups_as_there_are_and_is_shared():
  weights = samples.draws(11, 3000)
  assert (weights.sum(axis=1) == 11).all()
  np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)
  np.testing.assert_allclose(weights.var(axis=0), 10 / 11, atol=0.12)
  assert weights is samples.draws(11, 3000)
  assert not weights.flags.writeable


def test_differences_are_paired():
  random = np.random.default_rng(4)
  groups = np.repeat(np.arange(20), 10)
  values = random.normal(groups / 5, 1)
  sample = _sample(groups)
  shifted = weighing.minus(
    _mean(sample, values + random.normal(0.1, 0.01, 200)),
    _mean(sample, values),
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
  sample = _sample(groups, num_resamples=999)
  found = resampling.estimate(sample, _mean(sample, values), null=True)
  assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)


def test_unclustered_is_students_interval():
  random = np.random.default_rng(5)
  values = random.normal(0.2, 1, 60)
  sample = _sample(np.arange(60))
  found = resampling.estimate(sample, _mean(sample, values), null=True)
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
    sample = _sample(groups, num_resamples=2000)
    found = resampling.estimate(sample, _mean(sample, values))
    by_group = values.reshape(-1, 3).mean(axis=1)
    reach = 1.96 * by_group.std(ddof=1) / np.sqrt(num_groups)
    assert found.high - found.estimate == pytest.approx(reach, rel=0.05)
    methods.append(found.method.split(',')[0])
  assert methods == ['studentised', 'jackknife']


def test_seed_noise_widens_the_interval():
  random = np.random.default_rng(7)
  sample = _sample(np.repeat(np.arange(12), 9))
  statistic = _mean(sample, random.normal(0, 1, 108))
  plain = pivots.studentise(sample, statistic)
  seeds = np.array([0.1, 0.3, 0.5])
  noise = seeds_lib.seed_variance((seeds, None))
  assert noise == SeedNoise(pytest.approx(0.04 / 3), 2, 3)
  wide = pivots.studentise(sample, statistic, seeds=noise)
  reach = (stats.t.ppf(0.975, 2) ** 2) * 0.04 / 3 + plain.reach() ** 2
  assert wide.reach() == pytest.approx(np.sqrt(reach), rel=1e-12)
  assert wide.own_variances() == pytest.approx(
    {'groups': plain.error**2, 'seeds': 0.04 / 3}
  )
  rates = _mean(sample, random.random(108))
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
  sample = _sample(np.repeat(np.arange(12), 9))
  statistic = _mean(sample, random.normal(0, 1, 108))
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
  sample = _sample(np.repeat(np.arange(num_groups), 4))
  statistic = _mean(sample, random.normal(0, 1, 4 * num_groups))
  plain = pivots.studentise(sample, statistic)
  noise = SeedNoise(share * plain.error**2, 2, 3)
  found = pivots.studentise(sample, statistic, seeds=noise)
  wider = found.reach() / plain.reach()
  # Student's quantile with two degrees of freedom is 4.303.
  expected = np.sqrt(1 + share * (4.3026527 / plain.quantile()) ** 2)
  assert wider == pytest.approx(expected, rel=1e-6)
  assert wider < 1.03 or share > 0.01


@pytest.mark.parametrize('num_groups', [30, 300])
@pytest.mark.parametrize('freedom', [2, 5])
def test_p_with_few_seeds_says_what_the_interval_says(num_groups, freedom):
  random = np.random.default_rng(22)
  sample = _sample(np.repeat(np.arange(num_groups), 4))
  values = random.normal(0, 1, 4 * num_groups)
  plain = pivots.studentise(sample, _mean(sample, values))
  noise = SeedNoise(2 * plain.error**2, freedom, freedom + 1)
  own = pivots.studentise(sample, _mean(sample, values), seeds=noise)
  for size in (0.98, 1.02):
    moved = _mean(sample, values - plain.value + size * own.reach())
    found = resampling.estimate(sample, moved, seeds=noise, null=True)
    assert (found.low > 0) == (size > 1) == (found.p <= 0.05)
    assert found.p == pytest.approx(0.05, abs=0.005)
  # Where seeds are nearly all of the error, p is that of Student's law.
  noise = SeedNoise(1e6 * plain.error**2, freedom, freedom + 1)
  error = np.sqrt(noise.variance)
  moved = _mean(sample, values - plain.value + 8 * error)
  found = resampling.estimate(sample, moved, seeds=noise, null=True)
  expected = 2 * stats.t.sf(8, freedom)
  assert found.p == pytest.approx(expected, rel=0.01, abs=1.1e-4)


@pytest.mark.parametrize('num_groups', [30, 300])
def test_one_sided_p_agrees_with_the_two_sided_interval(num_groups):
  random = np.random.default_rng(23)
  sample = _sample(np.repeat(np.arange(num_groups), 4))
  values = random.normal(0, 1, 4 * num_groups)
  values -= _mean(sample, values)(np.ones((1, num_groups)))[0]
  reach = pivots.studentise(sample, _mean(sample, values)).reach()
  for size in (-1.5, 0.98, 1.02):
    statistic = _mean(sample, values + size * reach)
    two = resampling.estimate(sample, statistic, null=True)
    one = resampling.estimate(
      sample, statistic, null=True, alternative='greater'
    )
    assert (one.low, one.high) == (two.low, two.high)
    assert (one.p <= 0.025) == (one.low > 0)
    assert one.p == pytest.approx(two.p / 2 if size > 0 else 1 - two.p / 2)
    assert 'one-sided' in one.method


def test_few_annotators_widen_the_interval():
  random = np.random.default_rng(15)
  sample = _sample(np.arange(300))
  statistic = _mean(sample, random.normal(0, 1, 300))
  plain = pivots.studentise(sample, statistic)
  found = resampling.estimate(sample, statistic, annotators=(0.02, 5))
  reach = plain.reach() ** 2 + stats.t.ppf(0.975, 4) ** 2 * 0.02
  assert found.high - found.estimate == pytest.approx(np.sqrt(reach), rel=1e-9)
  assert '5 annotators' in found.method
  assert found.variance['annotators'] == pytest.approx(0.02)
  unknown = resampling.estimate(sample, statistic, annotators=(0.0, 5))
  assert unknown == resampling.estimate(sample, statistic)
  two = resampling.estimate(sample, statistic, annotators=(0.02, 2))
  assert two.low == unknown.low
  assert 'new ones are not covered' in two.method


@pytest.mark.parametrize('main', [0.0, 0.3])
def test_what_seeds_and_groups_share_counts_once(main):
  # Clips, groups, seeds and what a seed does to a group alone all vary; the
  # error has to be that of a mean over new groups and new seeds.
  random = np.random.default_rng(11)
  groups = np.repeat(np.arange(30), 4)
  sample = _sample(groups, num_resamples=20)
  means, squares, counted_twice = [], [], []
  for _ in range(600):
    values = random.normal(0, main, (4, 1)) + random.normal(0, 1, (4, 120))
    values += random.normal(0, 0.5, 30)[groups]
    values += random.normal(0, 0.7, (4, 30))[:, groups]
    means_of_seeds = values.mean(axis=1)
    apart = (values - means_of_seeds[:, None]) / values.shape[1]
    figures = means_of_seeds, sample.totals(apart.T).T
    statistic = _mean(sample, values.mean(axis=0))
    for kept, slopes in ((squares, figures[1]), (counted_twice, None)):
      noise = seeds_lib.seed_variance((figures[0], slopes))
      error = pivots.studentise(sample, statistic, seeds=noise)
      kept.append(error.error**2)
    means.append(values.mean())
  # The spread of 600 variances of means is 6 %, that of their mean is less.
  # A third of what they share counts twice still, see `seed_variance`.
  assert 0.85 < np.mean(squares) / np.var(means) < 1.45
  assert np.mean(counted_twice) > 1.1 * np.mean(squares)


def test_a_relative_may_be_drawn_in_a_statistics_stead():
  random = np.random.default_rng(12)
  groups = np.repeat(np.arange(12), 8)
  values = random.normal(0.5, 1, 96)
  sample = _sample(groups)
  statistic = _mean(sample, values)
  plain = resampling.estimate(sample, statistic, null=True)
  shifted = _mean(sample, 3 * values + 1)
  # A linear function of the statistic has the same studentised draws.
  other = resampling.estimate(sample, statistic, null=True, drawn=shifted)
  np.testing.assert_allclose(
    [other.low, other.high, other.p], [plain.low, plain.high, plain.p]
  )
  rough = _mean(sample, np.round(4 * values))
  other = resampling.estimate(sample, statistic, drawn=rough)
  assert other.estimate == plain.estimate
  assert other.low == pytest.approx(plain.low, abs=0.02)


def test_what_groups_share_is_no_association():
  # Every clip of a group has the same part of both signals, which are
  # independent: correlations of clips must not find it, nor their intervals.
  random = np.random.default_rng(13)
  found, free = [], []
  for _ in range(40):
    group = np.repeat(np.arange(24), random.integers(5, 20, 24))
    first, second = random.normal(random.normal(0, 1, (2, 24))[:, group], 1)
    for sample, kept in (
      (_sample(group, 299), found),
      (_sample(np.arange(len(group))), free),
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
  sample = _sample(np.repeat(np.arange(9), 4))
  found = resampling.estimate(
    sample, _mean(sample, np.full(36, float(hits))), scale=Scale.LOGIT
  )
  expected = proportion.proportion_confint(9 * hits, 9, method='beta')
  np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-12)
  assert 'Clopper' in found.method
  assert '9 groups' in found.method
  alone = resampling.estimate(
    _sample(np.arange(36)),
    _mean(_sample(np.arange(36)), np.full(36, float(hits))),
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
  sample = _sample(groups)
  found = resampling.estimate(
    sample, _mean(sample, np.array(values, float)), scale=Scale.LOGIT, null=True
  )
  assert found.estimate == pytest.approx(np.mean(values))
  assert (found.low, found.high, found.level, found.p) == (None,) * 4
  assert says in found.method


def test_an_undefined_figure_is_none():
  sample = _sample(np.repeat(np.arange(6), 3))
  statistic = weighing.mean(np.zeros((6, 2)))
  found = resampling.estimate(sample, statistic, scale=Scale.LOGIT, null=True)
  assert found.estimate is None
  assert found.low is None


def test_the_minimum_is_the_one_difference_if_there_is_one():
  random = np.random.default_rng(8)
  sample = _sample(np.repeat(np.arange(15), 6))
  statistic = _mean(sample, random.normal(0.1, 1, 90))
  plain = resampling.estimate(sample, statistic, null=True)
  least = resampling.minimum(sample, [pivots.studentise(sample, statistic)], 90)
  for field in ('estimate', 'low', 'high', 'p'):
    assert getattr(least, field) == getattr(plain, field)


@pytest.mark.parametrize('num_groups', [15, 250])
def test_the_minimum_of_several_is_simultaneous(num_groups):
  random = np.random.default_rng(9)
  sample = _sample(np.repeat(np.arange(num_groups), 2))
  values = random.normal([0.3, 0.35, 0.9], 1, (2 * num_groups, 3))
  statistics = [_mean(sample, column) for column in values.T]
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
  sample = _sample(np.repeat(np.arange(60), 20))
  losses = [
    random.choice([-1.0, 0, 1], 1200, p=[0.12, 0.84, 0.04]),
    random.choice([-1.0, 0, 1], 1200, p=[0.05, 0.9, 0.05]),
  ]
  found = resampling.minimum(
    sample,
    [pivots.studentise(sample, _mean(sample, one)) for one in losses],
    1200,
  )
  assert found.high < 0
  assert found.p < 0.02


@pytest.mark.parametrize('num_groups', [12, 250])
@pytest.mark.parametrize('num_rivals', [1, 2, 4])
def test_the_least_of_several_agrees_with_its_p(num_groups, num_rivals):
  random = np.random.default_rng(num_groups + num_rivals)
  sample = _sample(np.repeat(np.arange(num_groups), 3), 999)
  noise = SeedNoise(0.1 / num_groups, 2, 3)
  said = set()
  for shift in np.linspace(-7, 7, 40):
    values = random.normal(0, 1, (num_rivals, 3 * num_groups))
    values += shift / np.sqrt(3 * num_groups)
    found = resampling.minimum(
      sample,
      [
        pivots.studentise(sample, _mean(sample, one), seeds=noise)
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
  sample = _sample(np.repeat(np.arange(30), 4), 500)
  above = below = 0
  for _ in range(150):
    ours, *others = random.random((num_rivals + 1, 120)) < 0.6
    found = resampling.minimum(
      sample,
      [
        pivots.studentise(sample, _mean(sample, 1.0 * ours - other))
        for other in others
      ],
      1,
    )
    above += found.low > 0
    below += found.high < 0
  # 3.75 are expected of either; nine would be one in a hundred.
  assert above <= 9
  assert below <= 9


@pytest.mark.parametrize('clustered', [True, False])
@pytest.mark.parametrize(
  ('scale', 'values', 'ends'),
  [
    (Scale.LOGIT, [0.98, 0.99, 1.0, 0.995, 0.9, 1.0, 1.0, 0.97], (0, 1)),
    (Scale.LOG, [1e-4, 2e-4, 3.0, 1e-5, 1e-4, 2e-2, 0.0, 1e-3], (0, np.inf)),
    (Scale.FISHER, [0.99, 1.0, 0.2, 0.98, 1.0, 1.0, 0.95, 1.0], (-1, 1)),
    (Scale.FISHER, [-0.99, -1.0, 0.2, -0.98, -1.0, -1.0, -0.9, -1], (-1, 1)),
  ],
)
def test_no_interval_leaves_its_range(clustered, scale, values, ends):
  values = np.repeat(values, 2) if clustered else np.array(values)
  groups = np.arange(8).repeat(2) if clustered else np.arange(8)
  sample = _sample(groups, 499)
  found = resampling.estimate(sample, _mean(sample, values), scale)
  plain = resampling.estimate(sample, _mean(sample, values))
  assert plain.low < ends[0] or plain.high > ends[1]
  assert ends[0] < found.low < found.estimate < found.high < ends[1]
  assert found.scale == scale


@pytest.mark.parametrize('sign', [1, -1])
def test_a_difference_of_shares_is_cut_at_its_ends(sign):
  values = sign * np.array([1.0, 1, 1, 1, -1, 1, 1, 1])
  sample = _sample(np.arange(8))
  plain, cut = (
    resampling.estimate(sample, _mean(sample, values), scale, null=True)
    for scale in (Scale.IDENTITY, Scale.DIFFERENCE)
  )
  # 0.75 +- 2.365 of a standard error of 0.25.
  assert sorted(map(abs, (plain.low, plain.high))) == pytest.approx(
    [0.159, 1.341], abs=1e-3
  )
  assert max(abs(cut.low), abs(cut.high)) == 1
  inner = (plain.low, plain.high)[sign < 0]
  assert inner in (cut.low, cut.high)
  assert (cut.p, cut.estimate) == (plain.p, plain.estimate)


def test_no_p_is_zero():
  values = 1 + 1e-3 * np.random.default_rng(0).normal(0, 1, 20_000)
  sample = _sample(np.arange(20_000))
  found = resampling.estimate(sample, _mean(sample, values), null=True)
  assert found.p == significance.LEAST_P > 0
  noise = SeedNoise(1e-8, 9, 10)
  found = resampling.estimate(
    sample, _mean(sample, values), seeds=noise, null=True
  )
  assert 0 < found.p < 1e-30


def test_rounding_is_no_spread_of_groups():
  # Groups of the same clips: their figures differ by rounding alone.
  for size in (1.0, 1e6):
    random = np.random.default_rng(1)
    clips = random.random((1, 30)) * size
    noise = random.normal(0, 3e-12 * size, (12, 1))
    values = (clips + noise).ravel()
    sample = _sample(np.repeat(np.arange(12), 30))
    found = resampling.estimate(sample, _mean(sample, values))
    assert found.low is None
    assert 'same figure' in found.method


def test_groups_of_the_same_clips_leave_no_doubt():
  # The area under the risk-coverage curve moves with the number of clips, but
  # not with which of the groups are drawn.
  random = np.random.default_rng(5)
  signal, error = random.random(20), random.random(20) < 0.4
  for num_groups in (12, 250):
    sample = _sample(np.repeat(np.arange(num_groups), 20), 99)
    figure = ranking.aurc(
      sample, np.tile(signal, num_groups), np.tile(error, num_groups)
    )
    found = resampling.estimate(sample, figure, Scale.LOGIT)
    assert found.low is None
    assert 'same figure' in found.method


def test_only_groups_that_count_are_trials():
  # 0 errors among 9 answered clips of 300: at most a third, not 1.2 %.
  sample = _sample(np.arange(300))
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
  sample = _sample(np.arange(400) // (10 if clustered else 1))
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
  sample = _sample(np.arange(400))
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


def test_few_groups_that_count_among_many():
  # 8 of 250 groups have clips that count: Student's law has 7 degrees of
  # freedom, whether the figure knows its groups or not.
  random = np.random.default_rng(2)
  sample = _sample(np.repeat(np.arange(250), 4))
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
  sample = _sample(np.repeat(np.arange(12), 2))
  found = pivots.studentise(sample, _mean(sample, np.repeat(values, 2)))
  drawn = np.sort(found.pivots)
  below = 0
  for p in np.linspace(0.02, 0.5, 25):
    student = stats.t.ppf(1 - p / 2, 11)
    place = len(drawn) - int(p * (len(drawn) + 1) + 1e-9)
    assert found.quantile(p) == pytest.approx(max(student, drawn[place]))
    below += drawn[place] < student
  assert below > 3


def test_a_difference_needs_groups_on_both_sides():
  random = np.random.default_rng(4)
  sample = _sample(np.arange(300))
  rare = np.arange(300) % 75 == 0
  found = resampling.estimate(
    sample, sides.difference(sides.of_clips(sample, random.random(300), rare))
  )
  assert found.low is None
  assert '4 groups' in found.method


@settings(max_examples=20)  # Each collects garbage in statsmodels.
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
  expected = multitest.multipletests(p_values, method='holm')[1]
  np.testing.assert_allclose(significance.holm(p_values), expected, rtol=1e-12)


def test_holm_of_nothing_is_nothing():
  assert significance.holm([]) == []


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
    sample = _sample(groups, num_resamples)
    statistics = [
      _mean(sample, right[:, 2] - right[:, view]) for view in (0, 1)
    ]
    intervals = {
      'accuracy': resampling.estimate(
        sample, _mean(sample, right[:, 0]), scale=Scale.LOGIT
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
