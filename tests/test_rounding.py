"""The bounds on float32 results themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rounding


def _arrays(*shape):
  random = np.random.default_rng(0)
  return random.normal(size=shape).astype(np.float32)


def test_a_sum_is_within_and_one_of_fewer_bits_is_not():
  x, y = _arrays(50, 100), _arrays(100, 20)
  exact = np.float64(x) @ np.float64(y)
  bound = rounding.bounds(lambda x, y: x @ y, x, y)
  assert rounding.excess(x @ y, exact, bound) <= 1
  for dtype in (jnp.bfloat16, jnp.float16):
    low = np.asarray(jnp.matmul(x.astype(dtype), y.astype(dtype)))
    assert rounding.excess(low, exact, bound) > 10


def test_a_poor_condition_is_counted():
  # 1 + x - 1 loses what x has beyond 1: that is float32, not a fault.
  x = 1e-3 * _arrays(1_000)
  one = np.ones_like(x)
  found = (one + x) - one
  assert np.abs(found / x - 1).max() > 1e-3
  bound = rounding.bounds(lambda one, x: (one + x) - 1, one, x)
  assert rounding.excess(found, np.float64(x), bound) <= 1


def test_the_bound_is_the_condition_in_units():
  # x ** 3 moves three times as far as x, whose mean square is step ** 2 / 3.
  x = np.full((4, 5_000), 2, np.float32)
  bound = rounding.bounds(lambda x: x**3, x)
  expected = rounding.UNIT * (32 * 3 * 8 / 3**0.5 + 4 * 8)
  np.testing.assert_allclose(bound, expected, rtol=0.02)


def test_what_is_no_number_is_not_near():
  x = np.ones((2, 3), np.float32)
  bad = x.copy()
  bad[1, 1] = np.nan
  for found, wanted in ((bad, x), (x, bad)):
    assert rounding.excess([found], [wanted], [x]) == np.inf
  assert rounding.excess([x], [x], [0 * x]) == 0
  assert rounding.excess([x], [2 * x], [0 * x]) == np.inf


def test_numbers_that_are_no_float32_stay():
  seen = []

  def function(tree):
    seen.append(tree)
    return tree['x'] * tree['n']

  tree = {
    'x': np.float32([1, 2]),
    'n': np.int32([3, 4]),
    'k': jax.random.key(0),
  }
  rounding.bounds(function, tree)
  assert len(seen) == 5
  for other in seen[1:]:
    assert other['n'] is tree['n']
    assert other['k'] is tree['k']
    assert (other['x'] != tree['x']).all()


def test_near_counts_roundings():
  x = _arrays(100)
  wanted = np.float64(x).sum()
  rounding.near(x.sum(), wanted, terms=100, scale=np.abs(x).sum())
  with pytest.raises(AssertionError):
    rounding.near(np.float32(wanted) * (1 + 1e-5), wanted, terms=3)


def test_a_first_step_that_rounding_turns_is_counted():
  # What Adam makes of a gradient that is nothing, but for rounding.
  def train(x):
    gradient = x[0] + x[1]
    return [1 + 0.01 * gradient / np.maximum(abs(gradient), 1e-8), 3 * x]

  x = np.float32([[0.1], [-0.1]])
  bound = rounding.trained(train, x, rate=0.01)
  assert bound[0].min() == bound[1].max()
  up, down = (
    train(np.stack([x[0], np.nextafter(x[1], np.float32(to))]))
    for to in (0, -1)
  )
  assert up[0] - down[0] > 0.01
  assert 0.2 < rounding.excess(up, down, bound) <= 1
