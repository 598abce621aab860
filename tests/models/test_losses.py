"""What is learned by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from empathy import errors
from empathy.models import losses


def test_targets_are_shares_of_a_normal_distribution_by_hand():
  values = np.array([1.0, 2.0, 3.0])
  found = losses.score_distributions(np.array([2.0, 1.0, np.nan]), values, 0.5)
  # From 1.5 to 2.5 is one sigma each way around 2: .6827 of it.
  np.testing.assert_allclose(found[0], [0.15866, 0.68269, 0.15866], atol=1e-5)
  # What is below 1 is the first's: 1 - .1587; beyond 2.5 are three sigmas.
  np.testing.assert_allclose(found[1], [0.84134, 0.15731, 0.00135], atol=1e-5)
  assert found[2].tolist() == [0, 0, 0]
  assert found.dtype == np.float32


@pytest.mark.parametrize('seed', range(3))
def test_targets_are_integrals_and_expect_the_score(seed):
  random = np.random.default_rng(seed)
  values = np.linspace(-3, 3, 25)
  scores = random.uniform(-1.5, 1.5, 6)
  found = losses.score_distributions(scores, values, 0.75)
  np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
  # Far from the ends nothing is cut, and what is expected is the score.
  np.testing.assert_allclose(found @ values, scores, atol=1e-2)
  ends = (values[11] + values[12]) / 2, (values[12] + values[13]) / 2
  for score, row in zip(scores, found, strict=True):
    density = stats.norm(score, 0.75 * 0.25).pdf
    np.testing.assert_allclose(
      row[12], integrate.quad(density, *ends)[0], atol=1e-6
    )


def test_uneven_values_are_the_nearest_ones():
  """Values 0, 1 and 5, mean distance 2.5: ends at .5 and 3, sigma 2.5."""
  found = losses.score_distributions(
    np.array([3.0]), np.array([0.0, 1.0, 5.0]), 1.0
  )
  np.testing.assert_allclose(found[0], [0.15866, 0.34134, 0.5], atol=1e-5)


def test_losses_of_rows_are_those_of_their_definitions():
  random = np.random.default_rng(0)
  logits = random.normal(0, 3, (6, 4)).astype(np.float32)
  votes = random.dirichlet(np.ones(4), 6).astype(np.float32)
  log_p = special.log_softmax(logits.astype(np.float64), axis=1)
  for text, share, gamma in (
    ('cross_entropy', 0.0, 0.0),
    ('cross_entropy(label_smoothing=0.2)', 0.2, 0.0),
    ('focal', 0.0, 2.0),
    ('focal(gamma=0.5)', 0.0, 0.5),
  ):
    targets = (1 - share) * votes + share / 4
    want = -(targets * (1 - np.exp(log_p)) ** gamma * log_p).sum(axis=1)
    found = losses.find(text, 4)(logits, votes)
    np.testing.assert_allclose(found, want, rtol=1e-5)
  # By hand, the paper's: -(1 - .9)^2 log .9, of a label that .9 is for.
  sure = np.log(np.array([[0.9, 0.1]], np.float32))
  found = losses.focal(sure, np.array([[1.0, 0.0]], np.float32))
  assert float(found[0]) == pytest.approx(0.01 * 0.1053605, rel=1e-4)


@pytest.mark.parametrize('gamma', [0.5, 2.0])
def test_a_focal_loss_has_a_gradient_where_it_is_sure(gamma):
  logits = jnp.array([[80.0, 0.0], [-80.0, 0.0]])
  targets = jnp.array([[1.0, 0.0], [1.0, 0.0]])
  gradient = jax.grad(lambda x: losses.focal(x, targets, gamma).sum())(logits)
  np.testing.assert_allclose(gradient, [[0, 0], [-1, 1]], atol=1e-3)


def test_each_class_has_the_same_part_in_the_loss():
  # Three rows of a, one of b of twice the weight, none of c; one is half each.
  targets = np.array(
    [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0.5, 0.5, 0], [0, 0, 1]]
  )
  weights = np.array([1, 1, 1, 2, 1, 0.0])
  found = np.asarray(losses.class_weights(targets, weights))
  # 6 in all, 3 for each of two: 3/3.5 and 3/2.5.
  np.testing.assert_allclose(found, [3 / 3.5, 3 / 2.5, 0], rtol=1e-6)
  rows = weights * (targets @ found)
  assert rows.sum() == pytest.approx(weights.sum())


def test_a_loss_of_ones_own_has_to_be_of_rows():
  found = losses.find('test_losses:_hinge', 3)(np.ones((2, 3)), 0)
  assert found.tolist() == [3, 3]
  with pytest.raises(errors.InputError, match=r'of the shape \(\); expected'):
    losses.find('test_losses:_mean', 3)


def _hinge(logits, targets):
  return jnp.asarray(logits - targets).sum(-1)


def _mean(logits, targets):
  return (logits - targets).mean()


def _root(logits, targets):
  """Its slope is infinite where the target has no probability."""
  return 1 - (jax.nn.softmax(logits) * targets).sum(axis=-1) ** 0.5


def test_rows_without_weight_spoil_no_gradient():
  targets, weights = jnp.eye(2), jnp.array([1.0, 0.0])
  logits = jnp.array([[0.0, 0.0], [1e4, -1e4]])
  found = jax.grad(lambda x: losses.weighed(_root, x, targets, weights))(logits)
  # -d sqrt(p) = -sqrt(p) / 2 * (1 - p) = -sqrt(1 / 2) / 4.
  want = [[-(0.5**0.5) / 4, 0.5**0.5 / 4], [0, 0]]
  np.testing.assert_allclose(found, want, 1e-6)
