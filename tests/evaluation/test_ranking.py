"""Ranking figures against scikit-learn, SciPy, loops and differences."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from empathy.evaluation import ranking, resampling, samples, weighing


def _table(seed, n=60, num_groups=8, num_values=7):
  """Groups, two signals with ties and what they are to detect."""
  random = np.random.default_rng(seed)
  groups = random.integers(0, num_groups, n)
  groups[:num_groups] = np.arange(num_groups)
  first = random.integers(0, num_values, n) / num_values
  second = np.round(0.5 * first + random.random(n), 1)
  positive = random.random(n) < 0.2 + 0.5 * first
  positive[:2] = [True, False]
  return groups, first, second, positive


def _all(sample, first, second, positive):
  """Every figure of a table, by name."""
  return {
    'auroc': ranking.auroc(sample, first, positive),
    'spearman': ranking.spearman(sample, first, second),
    'average_precision': ranking.average_precision(sample, first, positive),
    'aurc': ranking.aurc(sample, first, positive),
    'e_aurc': ranking.e_aurc(sample, first, positive),
    'found_at': ranking.found_at(sample, first, positive, 0.25),
    'precision_gain': ranking.precision_gain(
      sample, second > 0.8, first, positive
    ),
  }


def _value(statistic, sample):
  return statistic(np.ones((1, sample.num_groups)))[0][0]


def _aurc(signal, error):
  """Mean of the risks, a whole order at a time, over orders of the ties."""
  random = np.random.default_rng(0)
  found = []
  for _ in range(4_000):
    order = np.lexsort((random.random(len(signal)), signal))
    found.append(np.cumsum(error[order]) / np.arange(1, len(signal) + 1))
  found = np.mean(found, axis=1)
  return found.mean(), found.std() / np.sqrt(len(found))


def _aurc_by_ties(signal, error):
  """The same mean, the expectation in closed form, clip by clip."""
  risks, seen, found = [], 0, 0.0
  for value in np.unique(signal):
    tied = error[signal == value]
    for _ in tied:
      seen += 1
      found += tied.mean()
      risks.append(found / seen)
  return np.mean(risks)


def _hits(signal, positive, number):
  """Expected positives among the `number` clips of the highest signal."""
  hits = 0.0
  for value in np.unique(signal)[::-1]:
    tied = positive[signal == value]
    taken = min(number, len(tied))
    hits += taken * tied.mean()
    number -= taken
  return hits


@given(
  st.integers(0, 10_000), st.sampled_from([2, 7, 500]), st.sampled_from([4, 60])
)
@settings(max_examples=40, deadline=None)
def test_figures_are_those_of_other_tools(seed, num_values, num_groups):
  # 60 groups of one clip each are not drawn: they take the other way.
  n = 60
  groups, first, second, positive = _table(seed, n, num_groups, num_values)
  sample = samples.sample(groups)
  found = {
    name: _value(statistic, sample)
    for name, statistic in _all(sample, first, second, positive).items()
  }
  chosen = second > 0.8
  oracle = _aurc_by_ties(positive, positive)
  expected = {
    'auroc': metrics.roc_auc_score(positive, first),
    'average_precision': metrics.average_precision_score(positive, first),
    'aurc': _aurc_by_ties(first, positive),
    'e_aurc': _aurc_by_ties(first, positive) - oracle,
    'found_at': _hits(first, positive, n / 4) / positive.sum(),
  }
  if len(set(first)) > 1 and len(set(second)) > 1:
    expected['spearman'] = stats.spearmanr(first, second)[0]
  if chosen.any():
    expected['precision_gain'] = (
      positive[chosen].mean()
      - _hits(first, positive, chosen.sum()) / chosen.sum()
    )
  for name, value in expected.items():
    assert found[name] == pytest.approx(value, abs=1e-10), name


def test_ties_of_aurc_are_an_expectation_over_orders():
  _, first, _, positive = _table(0, 30, num_values=3)
  mean, error = _aurc(first, positive)
  assert _aurc_by_ties(first, positive) == pytest.approx(mean, abs=5 * error)


def test_aurc_by_hand():
  # Risks 0, 0, 1/3, 2/4 in order; the oracle's are 0, 0, 1/3, 2/4 as well.
  sample = samples.sample(np.arange(4))
  signal, error = np.arange(4.0), np.array([0, 0, 1, 1]) > 0
  assert _value(ranking.aurc(sample, signal, error), sample) == pytest.approx(
    (1 / 3 + 1 / 2) / 4
  )
  assert _value(ranking.e_aurc(sample, signal, error), sample) == pytest.approx(
    0, abs=1e-15
  )
  # Turned round: 1, 1, 2/3, 1/2.
  assert _value(ranking.aurc(sample, -signal, error), sample) == pytest.approx(
    (1 + 1 + 2 / 3 + 1 / 2) / 4
  )


@given(st.integers(0, 10_000), st.sampled_from([3, 500]))
@settings(max_examples=15, deadline=None)
def test_whole_weights_are_repeated_clips(seed, num_values):
  groups, *columns = _table(seed, num_values=num_values)
  sample = samples.sample(groups)
  weights = np.random.default_rng(seed).integers(0, 4, sample.num_groups)
  weights[groups[0]] = weights[groups[1]] = 1  # A clip of either kind.
  times = weights[groups]
  again = samples.sample(np.repeat(groups, times))
  repeated = _all(again, *(np.repeat(column, times) for column in columns))
  for name, statistic in _all(sample, *columns).items():
    found = statistic(weights[None].astype(np.float64))[0][0]
    expected = _value(repeated[name], again)
    if np.isnan(expected):
      assert np.isnan(found), name
    else:
      assert found == pytest.approx(expected, abs=1e-10), name


@pytest.mark.parametrize('num_values', [2, 500])
@pytest.mark.parametrize('num_groups', [8, 60])
def test_slopes_are_differences_by_weight(num_values, num_groups):
  groups, *columns = _table(3, 60, num_groups, num_values)
  sample = samples.sample(groups)
  random = np.random.default_rng(4)
  weights = np.stack([np.ones(num_groups), random.uniform(0.5, 2, num_groups)])
  step = 1e-5
  for name, statistic in _all(sample, *columns).items():
    if name in ('found_at', 'precision_gain') and num_values > 2:
      continue  # Their slope is smoothed; see below.
    slopes = statistic(weights)[1]
    for row, slope in zip(weights, slopes, strict=True):
      moved = row + step * np.concatenate([np.eye(num_groups)] * 2)
      moved[num_groups:] -= 2 * step * np.eye(num_groups)
      values = statistic(moved)[0].reshape(2, num_groups)
      np.testing.assert_allclose(
        slope, (values[0] - values[1]) / (2 * step), atol=1e-7, err_msg=name
      )


@pytest.mark.parametrize('name', ['found_at', 'precision_gain'])
def test_the_smoothed_slope_gives_the_error_of_new_corpora(name):
  # With as many values as clips, the last clip looked at is an error or none.
  random = np.random.default_rng(5)
  values, variances = [], []
  for _ in range(400):
    first, second = random.random((2, 300))
    positive = random.random(300) < 0.1 + 0.6 * first
    sample = samples.sample(np.arange(300))
    statistic = _all(sample, first, second, positive)[name]
    value, slope = statistic(np.ones((1, 300)))
    values.append(value[0])
    variances.append((slope**2).sum())
  # A variance of 400 values has a relative error of 7 %.
  assert np.mean(variances) == pytest.approx(np.var(values), rel=0.25)


def test_the_coarse_signal_stands_in_for_the_draws():
  # Exact draws are too dear for 10,000 clips, not for these.
  groups, first, second, positive = _table(6, 400, 15, 1_000)
  sample = samples.sample(groups, num_resamples=2_000)
  coarse = ranking.coarse(first, 32), ranking.coarse(second, 16)
  exact = _all(sample, first, second, positive)
  drawn = _all(sample, *coarse, positive)
  drawn['precision_gain'] = ranking.precision_gain(
    sample, second > 0.8, coarse[0], positive
  )
  for name, statistic in exact.items():
    wide, near = (
      resampling.estimate(sample, statistic, drawn=instead)
      for instead in (None, drawn[name])
    )
    assert wide.estimate == near.estimate
    assert (near.high - near.low) == pytest.approx(
      wide.high - wide.low, rel=0.1
    ), name


def test_coarse_signals_keep_the_order_and_the_ties():
  random = np.random.default_rng(7)
  signal = np.concatenate([random.random(500), np.full(300, 0.5)])
  found = ranking.coarse(signal, 16)
  order = np.argsort(signal, kind='stable')
  assert (np.diff(found[order]) >= 0).all()
  assert len(set(found[500:])) == 1
  assert len(np.unique(found)) <= 16
  few = random.integers(0, 5, 100) * 0.1
  np.testing.assert_array_equal(
    ranking.coarse(few, 16), np.unique(few, return_inverse=True)[1]
  )
  even = ranking.coarse(random.random(800), 16)
  assert (np.bincount(even.astype(int)) == 50).all()


def test_pairs_are_counted_a_part_of_the_values_at_a_time(monkeypatch):
  groups, *columns = _table(8, num_values=500)
  sample = samples.sample(groups)
  weights = samples.draws(sample.num_groups, 20)
  expected = ranking.auroc(sample, columns[0], columns[2])(weights)
  monkeypatch.setattr(ranking, '_BLOCK', 7)
  found = ranking.auroc(sample, columns[0], columns[2])(weights)
  for one, other in zip(found, expected, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_what_rounding_sets_apart_is_tied():
  signal = np.array([0.3, 0.1 + 0.2, 0.5, 0.7])
  assert signal[0] != signal[1]
  sample = samples.sample(np.arange(4))
  positive = np.array([True, False, False, True])
  assert _value(ranking.auroc(sample, signal, positive), sample) == 0.625


def test_what_is_undefined_is_nan():
  groups = np.arange(20) // 5
  sample = samples.sample(groups)
  alone = samples.sample(np.arange(20))
  signal, all_positive = np.arange(20.0), np.ones(20, bool)
  for chosen in (sample, alone):
    value = functools.partial(_value, sample=chosen)
    for positive in (all_positive, ~all_positive):
      assert np.isnan(value(ranking.auroc(chosen, signal, positive)))
    for figure in (ranking.average_precision, ranking.found_at):
      assert np.isnan(value(figure(chosen, signal, ~all_positive)))
      assert value(figure(chosen, signal, all_positive)) == pytest.approx(
        1 if figure is ranking.average_precision else 0.1
      )
    assert np.isnan(value(ranking.spearman(chosen, signal, np.zeros(20))))
    assert np.isnan(
      value(ranking.precision_gain(chosen, ~all_positive, signal, all_positive))
    )
    assert value(ranking.aurc(chosen, signal, ~all_positive)) == 0
    assert value(ranking.e_aurc(chosen, signal, all_positive)) == 0


def test_curves_by_hand_and_by_loops():
  signal = np.array([3.0, 1.0, 1.0, 0.0])
  error = np.array([True, True, False, False])
  np.testing.assert_allclose(
    ranking.errors_found(signal, error, np.array([0, 0.25, 0.5, 0.75, 1])),
    [0, 0.5, 0.75, 1, 1],
  )
  np.testing.assert_allclose(
    ranking.risks(signal, error, np.array([0.25, 0.5, 0.75, 1])),
    [0, 0.25, 1 / 3, 0.5],
  )
  _, first, _, positive = _table(9)
  n = len(first)
  shares = np.arange(1, n + 1) / n
  np.testing.assert_allclose(
    ranking.errors_found(first, positive, shares),
    [_hits(first, positive, k + 1) / positive.sum() for k in range(n)],
  )
  # The mean risk over all coverages is the area.
  sample = samples.sample(np.arange(n))
  assert ranking.risks(first, positive, shares).mean() == pytest.approx(
    _value(ranking.aurc(sample, first, positive), sample)
  )


def test_signals_of_one_sample_are_paired():
  groups, first, second, positive = _table(10, 200, 12)
  sample = samples.sample(groups)
  same = weighing.minus(
    ranking.auroc(sample, first, positive),
    ranking.auroc(sample, 3 * first + 1, positive),
  )
  assert resampling.estimate(sample, same).low is None
  apart = resampling.estimate(
    sample,
    weighing.minus(
      ranking.auroc(sample, first, positive),
      ranking.auroc(sample, second, positive),
    ),
    null=True,
  )
  assert apart.estimate == pytest.approx(
    metrics.roc_auc_score(positive, first)
    - metrics.roc_auc_score(positive, second)
  )
  assert apart.low < apart.estimate < apart.high
