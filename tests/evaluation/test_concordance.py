"""Figures of scores, against scipy, scikit-learn and plain sums in float64."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from empathy.evaluation import concordance

VALUES = np.array([1.0, 2.0, 4.0, 7.0])


def _pair(seed=0, num_clips=40):
  random = np.random.default_rng(seed)
  y = random.normal(3, 1.5, num_clips)
  return 0.6 * y + random.normal(1, 1, num_clips), y


def _sums(x, y):
  return concordance.moments(x, y).sum(axis=0)[None]


def _assert_gradient(function, sums):
  """The gradient of sums (k,) is that of small steps."""
  gradient = function(sums[None])[1][0]
  steps = 1e-6 * np.maximum(np.abs(sums), 1e-3)
  apart = [
    (function((sums + s)[None])[0][0] - function((sums - s)[None])[0][0])
    / (2 * s.sum())
    for s in np.diag(steps)
  ]
  scale = np.abs(gradient).max()
  np.testing.assert_allclose(gradient, apart, 1e-4, 1e-5 * scale)


def test_errors_and_correlations_are_those_of_others():
  x, y = _pair()
  sums = _sums(x, y)
  expected = np.sqrt(metrics.mean_squared_error(y, x))
  assert concordance.rmse(sums)[0] == pytest.approx(expected)
  assert concordance.pearson(sums)[0] == pytest.approx(stats.pearsonr(x, y)[0])
  # Lin's formula as he writes it, of sums over n.
  plain = 2 * np.cov(x, y, ddof=0)[0, 1]
  plain /= x.var() + y.var() + (x.mean() - y.mean()) ** 2
  assert concordance.ccc(sums)[0] == pytest.approx(plain)


def test_concordance_by_hand():
  # Deviations (-1, 0, 1) and (0, 0, 3) less 1: s_xy 1, s_xx 2/3, s_yy 2, means
  # 2 and 1: 2 / (2/3 + 2 + 1) = 6/11.
  sums = _sums(np.array([1.0, 2, 3]), np.array([0.0, 0, 3]))
  assert concordance.ccc(sums)[0] == pytest.approx(6 / 11)
  # One constant has no concordance with others, and none with itself is known.
  one, other = np.ones(3), np.array([1.0, 2, 3])
  assert concordance.ccc(_sums(one, other))[0] == pytest.approx(0)
  assert np.isnan(concordance.ccc(_sums(one, one))[0])
  assert np.isnan(concordance.pearson(_sums(one, other))[0])


@pytest.mark.parametrize('name', ['rmse', 'ccc', 'pearson'])
def test_gradients_of_moments(name):
  _assert_gradient(getattr(concordance, name), _sums(*_pair(1))[0])


def test_concordance_of_classes_is_quadratic_kappa():
  random = np.random.default_rng(2)
  true, said = random.integers(0, 4, (2, 60))
  values = np.arange(4.0)
  found = concordance.ccc(_sums(values[said], values[true]))[0]
  expected = metrics.cohen_kappa_score(said, true, weights='quadratic')
  assert found == pytest.approx(expected)
  # Uneven steps: weights are squared differences of the values.
  table = metrics.confusion_matrix(said, true)
  weights = (VALUES[:, None] - VALUES) ** 2
  chance = np.outer(table.sum(1), table.sum(0)) / table.sum()
  plain = 1 - (weights * table).sum() / (weights * chance).sum()
  found = concordance.ccc(_sums(VALUES[said], VALUES[true]))[0]
  assert found == pytest.approx(plain)


def test_crps_is_the_integral_of_the_squared_difference():
  random = np.random.default_rng(3)
  p = random.dirichlet([1, 1, 1, 1], 6)
  scores = random.uniform(0, 8, 6)
  grid = np.linspace(-1, 10, 110_001)
  below = (p[:, :, None] * (VALUES[:, None] <= grid)).sum(axis=1)
  step = (scores[:, None] <= grid).astype(float)
  plain = np.trapezoid((below - step) ** 2, grid, axis=1)
  found = concordance.crps(p, VALUES, scores)
  np.testing.assert_allclose(found, plain, atol=2e-4)
  sure = np.eye(4)[[1, 3]]
  found = concordance.crps(sure, VALUES, np.array([4.5, 7]))
  np.testing.assert_allclose(found, [2.5, 0])


def test_the_null_of_crps_is_its_mean_over_the_distribution_itself():
  p = np.random.default_rng(4).dirichlet([1, 2, 1, 1], 5)
  every = np.stack(
    [concordance.crps(p, VALUES, np.full(5, value)) for value in VALUES], axis=1
  )
  np.testing.assert_allclose(
    concordance.spread(p, VALUES), (p * every).sum(axis=1)
  )


def test_central_intervals_by_hand():
  p = np.array([[0.1, 0.2, 0.4, 0.3], [0.25, 0.25, 0.25, 0.25], [0, 0, 1, 0]])
  low, high, mass = concordance.central(p, 0.5)
  assert low.tolist() == [1, 1, 2]
  assert high.tolist() == [3, 2, 2]
  np.testing.assert_allclose(mass, [0.9, 0.5, 1])
  low, high, mass = concordance.central(p, 0.9)
  assert low.tolist() == [0, 0, 2]
  assert high.tolist() == [3, 3, 2]
  np.testing.assert_allclose(mass, 1)


def test_the_variance_of_ratings():
  ratings = [np.array([1.0, 2, 4]), np.array([3.0]), np.array([5.0, 5])]
  columns = [
    np.array([f(one) for one in ratings])
    for f in (len, np.sum, lambda one: (one**2).sum())
  ]
  found = concordance.variance(*columns)
  np.testing.assert_allclose(found, [np.var(ratings[0], ddof=1), np.nan, 0])


def _seeds(world, random, num_clips, num_seeds=2):
  """Scores of both views' seeds, (U, n)."""
  full = random.normal(size=num_clips)
  view = {
    'drawn together': 0.3 * full + 2,
    'of its own': 0.6 * full + 0.8 * random.normal(size=num_clips),
  }[world]
  noise = random.normal(size=(2 * num_seeds, num_clips))
  return np.concatenate([[view] * num_seeds, [full] * num_seeds]) + 0.5 * noise


def _unshared_sums(scores):
  products = np.einsum('an,bn->ab', scores, scores).ravel()
  return np.concatenate([[scores.shape[1]], scores.sum(axis=1), products])[None]


def _unshared_pairs():
  pairs = np.zeros((3, 4, 4))
  pairs[0, [0, 1], [1, 0]] = pairs[1, [2, 3], [3, 2]] = 0.5
  pairs[2, :2, 2:] = 0.25
  return pairs


def _unshared(sums, pairs):
  return concordance.of_covariances(sums, 4, concordance.unshared(pairs))


def _by_seed(totals, pairs):
  return concordance.covariances_by_seed(totals, 4, concordance.unshared(pairs))


@pytest.mark.parametrize(
  ('world', 'truth'), [('drawn together', 0), ('of its own', 0.64)]
)
def test_what_views_do_not_share_is_free_of_seeds_and_scale(world, truth):
  scores = _seeds(world, np.random.default_rng(5), 200_000)
  found = _unshared(_unshared_sums(scores), _unshared_pairs())[0]
  assert found == pytest.approx(truth, abs=0.01)


def test_the_gradient_of_what_is_unshared():
  sums = _unshared_sums(_seeds('of its own', np.random.default_rng(6), 30))[0]
  pairs = _unshared_pairs()
  _assert_gradient(lambda s: _unshared(s, pairs), sums)


def test_variances_without_the_noise_of_seeds():
  scores = _seeds('of its own', np.random.default_rng(7), 30)
  sums, pairs = _unshared_sums(scores), _unshared_pairs()
  for which, pair in ((0, scores[:2]), (1, scores[2:])):
    function = concordance.noise_free(pairs[which])
    found = concordance.of_covariances(sums, 4, function)[0]
    assert found == pytest.approx(np.cov(*pair, ddof=0)[0, 1])
    _assert_gradient(
      lambda s, of=function: concordance.of_covariances(s, 4, of), sums[0]
    )


def test_how_what_is_unshared_moves_with_seeds():
  random = np.random.default_rng(8)
  scores = _seeds('of its own', random, 60)
  totals = np.concatenate(
    [_unshared_sums(part) for part in np.split(scores, 6, axis=1)]
  )
  pairs = _unshared_pairs()
  found, slopes = _by_seed(totals, pairs)
  step = 1e-6
  for seed in range(4):
    heavier = np.ones(4)
    heavier[seed] += step
    moved = [own * heavier[:, None] * heavier for own in pairs]
    moved = np.stack(moved)
    after = _unshared(totals.sum(axis=0)[None], moved)[0]
    before = _unshared(totals.sum(axis=0)[None], pairs)[0]
    assert found[seed] == pytest.approx((after - before)[0] / step, rel=1e-3)
  # All groups heavier alike change nothing.
  np.testing.assert_allclose(slopes.sum(axis=1), 0, atol=1e-9)
  weights = np.ones((6, 6)) + step * np.eye(6)
  each = [_by_seed(w[:, None] * totals, pairs)[0] for w in weights]
  each = (np.stack(each, axis=1) - found[:, None]) / step
  # The two seeds of a view move apart as the slopes say, but for curvature.
  for one, other in ((0, 1), (2, 3)):
    expected, got = (e[one] - e[other] for e in (each, slopes))
    assert np.abs(got - expected).max() < 0.35 * np.abs(expected).max()


def _five(seed=7, num_clips=50):
  random = np.random.default_rng(seed)
  controls = random.normal(size=(3, num_clips))
  both = random.normal(size=(2, num_clips)) + random.normal(size=num_clips)
  return [*(both + controls[:2]), *controls]


def test_the_partial_correlation_is_that_of_residuals():
  first, second, *controls = _five()
  design = np.column_stack([np.ones(len(first)), *controls])
  residuals = [
    one - design @ np.linalg.lstsq(design, one, rcond=None)[0]
    for one in (first, second)
  ]
  sums = concordance.columns(first, second, *controls).sum(axis=0)
  found = concordance.partial(sums, 5)[0]
  assert found == pytest.approx(np.corrcoef(residuals)[0, 1], abs=1e-6)
  _assert_gradient(lambda s: concordance.partial(s, 5), sums)


def test_controls_that_tell_nothing_take_nothing_off():
  first, second, control, *_ = _five()
  alone = concordance.columns(first, second, control).sum(axis=0)
  expected = concordance.partial(alone, 3)[0]
  more = (control, 2 * control - 1, np.full(len(first), 3.0))
  sums = concordance.columns(first, second, *more).sum(axis=0)
  assert concordance.partial(sums, 5)[0] == pytest.approx(expected, abs=1e-6)
  still = concordance.columns(0 * first, second, control).sum(axis=0)
  assert np.isnan(concordance.partial(still, 3)[0])
