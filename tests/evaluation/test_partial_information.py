"""Parts of information, against published tables and other solvers."""

import itertools

import numpy as np
import pytest
from scipy import linalg, optimize, special

from empathy.evaluation import partial_information


def _gate(function, num_target=2):
  table = np.zeros((2, 2, num_target))
  for one, two in itertools.product((0, 1), repeat=2):
    table[one, two, function(one, two)] = 1
  return table


_COPY = np.zeros((2, 2, 2))
_COPY[0, 0, 0] = _COPY[1, 1, 1] = 1


@pytest.mark.parametrize(
  ('table', 'expected'),
  [
    # Table 1 of Bertschinger et al. 2014, and theorems there.
    (_gate(lambda a, b: a ^ b), (0, 0, 0, 1)),
    (_gate(lambda a, b: a & b), (0.311278, 0, 0, 0.5)),
    (_gate(lambda a, b: a), (0, 1, 0, 0)),
    (_gate(lambda a, b: b), (0, 0, 1, 0)),
    # Of two independent bits, I_min would say that one is redundant.
    (_gate(lambda a, b: 2 * a + b, 4), (0, 1, 1, 0)),
    (_COPY, (1, 0, 0, 0)),
    (np.ones((3, 2, 4)), (0, 0, 0, 0)),
  ],
)
def test_parts_are_those_published(table, expected):
  found = partial_information.parts(np.stack([table, 7 * table]))
  np.testing.assert_allclose(found.values, [expected] * 2, atol=1e-4)


def _information(table):
  """I(Y; X1, X2) in bits."""
  p = table / table.sum()
  joint = special.entr(p.sum(axis=2)).sum() + special.entr(p.sum((0, 1))).sum()
  return (joint - special.entr(p).sum()) / np.log(2)


def _least(table):
  """The least information with the margins of a table, in bits, by SLSQP."""
  p = table / table.sum()
  shape = p.shape
  places = np.arange(p.size).reshape(shape)
  rows = []
  for axis in (1, 0):
    for cells in np.moveaxis(places, axis, -1).reshape(-1, shape[axis]):
      row = np.zeros(p.size)
      row[cells] = 1
      rows.append(row)
  free = linalg.null_space(np.array(rows))

  def of(z):
    return np.maximum(p.ravel() + free @ z, 1e-12).reshape(shape)

  found = optimize.minimize(
    lambda z: _information(of(z)),
    np.zeros(free.shape[1]),
    constraints={'type': 'ineq', 'fun': lambda z: p.ravel() + free @ z},
    method='SLSQP',
    options={'ftol': 1e-13, 'maxiter': 1_000},
  )
  return found.fun


@pytest.mark.parametrize('seed', range(4))
def test_parts_are_those_of_a_general_solver(seed):
  random = np.random.default_rng(seed)
  table = random.gamma(0.6, size=(2, 3, 2 + seed % 2))
  found = partial_information.parts(table[None])
  least, total = _least(table), _information(table)
  alone = [_information(table.sum(axis=axis)[:, None]) for axis in (1, 0)]
  expected = [
    sum(alone) - least,
    least - alone[1],
    least - alone[0],
    total - least,
  ]
  # That solver stops a little above the least.
  np.testing.assert_allclose(found.values[0], expected, atol=1e-3)
  assert found.values[0, 3] > expected[3] - 1e-5
  assert found.total[0] == pytest.approx(total)


def test_parts_move_with_the_table_as_their_slopes_say():
  random = np.random.default_rng(3)
  p = random.gamma(0.8, size=(5, 3, 3, 3))
  p[:, 0, 1] = 0
  p /= p.sum(axis=(1, 2, 3), keepdims=True)
  step = p * random.normal(size=p.shape)
  step -= p * step.sum(axis=(1, 2, 3), keepdims=True)
  step *= 1e-3
  found = partial_information.parts(p)
  moved = [partial_information.parts(p + sign * step) for sign in (1, -1)]
  expected = (moved[0].values - moved[1].values) / 2
  slopes = (found.slopes * step[:, None]).sum(axis=(2, 3, 4))
  np.testing.assert_allclose(slopes, expected, atol=2e-7)
  mean = (found.slopes * p[:, None]).sum(axis=(2, 3, 4))
  np.testing.assert_allclose(mean, 0, atol=1e-12)
  assert np.abs(expected).max() > 1e-5


def test_tables_of_eight_classes_and_few_clips_are_solved():
  random = np.random.default_rng(4)
  tables = random.poisson(0.3, (2, 8, 8, 8)).astype(float)
  found = partial_information.parts(tables)
  assert (found.values > -1e-4).all()
  np.testing.assert_allclose(
    found.total, [_information(one) for one in tables], atol=1e-9
  )
