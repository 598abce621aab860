import dataclasses

import numpy as np
import pytest

from empathy.corpora import columns


def _normal(num=300, width=4, seed=0):
  return np.random.default_rng(seed).normal(size=(num, width))


@pytest.mark.parametrize('rows', [1, 7, 300])
def test_moments_are_those_of_numpy(rows, monkeypatch):
  monkeypatch.setattr(columns, '_ROWS', 64)
  values = _normal(rows) * [1, 1e-3, 1e6, 1] + [0, 5, 1e12, 1e8]
  found = columns.moments(values)
  np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12)
  np.testing.assert_allclose(
    found.deviation, values.std(axis=0), rtol=1e-6, atol=1e-300
  )
  np.testing.assert_array_equal(found.largest, np.abs(values).max(axis=0))
  far = np.abs(values - values.mean(axis=0)).max(axis=0)
  np.testing.assert_allclose(found.farthest, far, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize('kind', [np.float64, np.int64])
def test_what_float32_would_lose_is_kept(kind):
  plain = np.round(_normal() * 1000)
  values = plain.copy()
  values[:, 2] += 1.7e12
  values = values.astype(kind)
  offset = columns.offset(values)
  assert np.flatnonzero(offset).tolist() == [2]
  narrow = columns.narrowed(values, offset)
  assert narrow.dtype == np.float32
  # Without the offset float32 has steps of 131,072.
  np.testing.assert_allclose(
    narrow - narrow.mean(axis=0), plain - plain.mean(axis=0), atol=1e-2
  )
  assert np.ptp(values[:, 2].astype(np.float32)) in (0, 131_072)


def test_what_float32_holds_has_no_offset():
  values = _normal()
  values[:, 1] = 7  # Has nothing to lose.
  assert columns.offset(values + 100) is None
  assert columns.offset((values + 1e8).astype(np.float32)) is None
  values[5, 0] = 3e38
  assert columns.offset(values) is None
  float32 = values.astype(np.float32)
  assert columns.narrowed(float32, None, copy=False) is float32


def test_dead_columns_are_found():
  values = _normal(300, 10).astype(np.float32)
  values[:, 1] = 3
  values[:, 2] = 0
  values[:, 3] *= 1e-8
  values[7, 4] = 3e38
  values[7, 5] = -1e6
  values[[7, 8], 6] = 1e9
  found = columns.dead(values)
  assert found.constant.tolist() == [1, 2]
  assert found.small.tolist() == [3]
  assert found.outlying.tolist() == [4, 5, 6]
  assert found.coarse.tolist() == []


def test_columns_that_lost_their_values_before_are_found():
  # At 1e8 the steps of float32 are 8 wide, at 1e6 a sixteenth.
  values = (_normal(300, 3) * [3, 3, 3] + [1e8, 1e6, 0]).astype(np.float32)
  assert set(np.unique(values[:, 0])) > {1e8, 1e8 + 8}
  assert columns.dead(values).coarse.tolist() == [0]


@pytest.mark.parametrize(
  'make',
  [
    lambda rng: rng.normal(size=(500, 3)),
    lambda rng: rng.lognormal(sigma=2, size=(500, 3)),
    # A word in one of a hundred clips, a count, a sum of weights.
    lambda rng: rng.random((500, 3)) < 0.01,
    lambda rng: rng.poisson(0.01, (500, 3)) + np.eye(500, 3),
    lambda rng: np.maximum(rng.normal(size=(500, 3)) - 2, 0),
    lambda rng: rng.integers(0, 2, (500, 3)),
    lambda rng: rng.standard_t(3, (500, 3)),
    lambda rng: rng.normal(size=(500, 3)) * 1e-3 + 50,
    lambda rng: np.eye(3),
  ],
)
def test_columns_of_every_kind_are_alive(make):
  values = make(np.random.default_rng(0)).astype(np.float32)
  found = columns.dead(values)
  for numbers in dataclasses.astuple(found):
    assert numbers.tolist() == []
