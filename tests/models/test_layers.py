import jax
import jax.numpy as jnp
import numpy as np
import pytest

from empathy.models import heads, layers


def test_dense_starts_as_pytorch_does():
  x = jnp.ones((2, 64))
  params = layers.Dense(512).init(jax.random.key(0), x)['params']
  for name in ('weight', 'bias'):
    values = np.asarray(params[name])
    assert np.abs(values).max() <= 1 / 8
    # A uniform distribution on +-b has the standard deviation b / sqrt(3).
    assert values.std() == pytest.approx(1 / 8 / 3**0.5, rel=0.05)


def test_batch_norm_counts_real_rows_alone():
  rng = np.random.default_rng(0)
  x = rng.normal(3, 2, (7, 5)).astype(np.float32)
  rows = np.array([1, 1, 0, 1, 0, 1, 1], bool)
  module = layers.BatchNorm()
  variables = module.init(jax.random.key(0), x, rows, False)
  y, updates = module.apply(variables, x, rows, True, mutable=['batch_stats'])
  real = x[rows].astype(np.float64)
  mean, var = real.mean(0), real.var(0)
  np.testing.assert_allclose(
    y[rows], (real - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5
  )
  stats = updates['batch_stats']
  np.testing.assert_allclose(stats['mean'], 0.1 * mean, rtol=1e-5)
  np.testing.assert_allclose(stats['var'], 0.9 + 0.1 * var, rtol=1e-5)
  running = module.apply(variables | updates, x, rows, False)
  np.testing.assert_allclose(
    running,
    (x - 0.1 * mean) / np.sqrt(0.9 + 0.1 * var + 1e-5),
    rtol=1e-4,
    atol=1e-5,
  )


def test_batch_norm_without_a_row_changes_nothing():
  x = np.ones((3, 2), np.float32)
  rows = np.zeros(3, bool)
  module = layers.BatchNorm()
  variables = module.init(jax.random.key(0), x, rows, False)
  y, updates = module.apply(variables, x, rows, True, mutable=['batch_stats'])
  assert np.isfinite(y).all()
  np.testing.assert_array_equal(updates['batch_stats']['mean'], 0)
  np.testing.assert_array_equal(updates['batch_stats']['var'], 1)


@pytest.mark.parametrize('rescale', [True, False])
def test_dropout_rate_and_scale(rescale):
  x = jnp.ones((300, 401))
  y = layers.Dropout(0.3, rescale).apply(
    {}, x, True, rngs={'dropout': jax.random.key(1)}
  )
  kept = np.asarray(y) != 0
  # Four standard errors of a share of 120,300 draws.
  assert kept.mean() == pytest.approx(0.7, abs=4 * (0.21 / kept.size) ** 0.5)
  np.testing.assert_allclose(y[kept], 1 / 0.7 if rescale else 1, rtol=1e-6)
  # Neither rows nor columns share their draws.
  assert np.unique(kept, axis=0).shape[0] == 300
  assert np.unique(kept, axis=1).shape[1] == 401


@pytest.mark.parametrize('rate', [0.0, 0.25, 0.5])
def test_a_traced_rate_drops_what_a_constant_one_does(rate):
  x = jax.random.normal(jax.random.key(0), (64, 33))

  @jax.jit
  def drop(rate):
    rngs = {'dropout': jax.random.key(1)}
    return layers.Dropout(rate).apply({}, x, True, rngs=rngs)

  expected = layers.Dropout(rate).apply(
    {}, x, True, rngs={'dropout': jax.random.key(1)}
  )
  np.testing.assert_array_equal(drop(jnp.float32(rate)), expected)


def test_dropout_rests_when_not_training():
  x = jnp.ones((4, 3))
  np.testing.assert_array_equal(layers.Dropout(0.9).apply({}, x, False), x)


def test_masked_softmax_is_a_softmax_of_what_is_there():
  scores = np.array([[1.0, 2.0, 3.0], [-500.0, -510.0, 9.0], [1.0, 1.0, 1.0]])
  mask = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 0]], bool)
  found = heads.masked_softmax(jnp.array(scores), jnp.array(mask))
  small = np.exp(-10.0)
  expected = [
    [1 / (1 + np.e**2), 0, np.e**2 / (1 + np.e**2)],
    [1 / (1 + small), small / (1 + small), 0],
    [0, 0, 0],
  ]
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_masked_softmax_has_a_finite_gradient():
  mask = jnp.array([[True, False], [False, False], [True, True]])

  def function(scores):
    weights = heads.masked_softmax(scores, mask)
    return (weights * jnp.array([1.0, 2.0])).sum()

  gradient = jax.grad(function)(jnp.array([[-300.0, 1.0], [2.0, 3.0], [0, 0]]))
  # d/ds of softmax . (1, 2) at equal scores is -+ 1/4.
  np.testing.assert_allclose(
    gradient, [[0, 0], [0, 0], [-0.25, 0.25]], atol=1e-6
  )


def test_attention_pooling_ignores_what_is_not_there():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 4, 3)).astype(np.float32)
  steps = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
  module = heads.AttentionPooling(width=5)
  variables = module.init(jax.random.key(0), x, steps)
  pooled = module.apply(variables, x, steps)
  changed = np.where(steps[..., None], x, 1e3)
  np.testing.assert_allclose(
    module.apply(variables, changed, steps), pooled, rtol=1e-6
  )
  params = jax.tree.map(lambda p: np.asarray(p, np.float64), variables)[
    'params'
  ]
  hidden = np.tanh(
    x[0, :2] @ params['Dense_0']['weight'].T + params['Dense_0']['bias']
  )
  weights = np.exp(hidden @ params['query'])
  expected = (weights / weights.sum()) @ x[0, :2]
  np.testing.assert_allclose(pooled[0], expected, rtol=1e-5)


def test_a_single_step_is_its_own_pool():
  x = np.random.default_rng(0).normal(size=(3, 1, 4)).astype(np.float32)
  steps = np.ones((3, 1), bool)
  module = heads.AttentionPooling()
  variables = module.init(jax.random.key(0), x, steps)
  np.testing.assert_allclose(
    module.apply(variables, x, steps), x[:, 0], rtol=1e-6
  )
