"""Arrays in an archive come back as they were, and take little room."""

import io

import numpy as np
import pytest

from empathy.evaluation import archives


def _there_and_back(values):
  """The array that comes back, and the bytes that the file has of it."""
  file = io.BytesIO()
  archives.save(file, {'more': 1}, {'it': ({'own': 2}, {'x': values})})
  arrays = dict(np.load(io.BytesIO(file.getvalue()), allow_pickle=False))
  head, found = archives.load(arrays)
  assert head == {'more': 1, 'it': {'own': 2}}
  own, (again,) = archives.part(head, found, 'it')[0], found.values()
  assert own == {'own': 2}
  return again, arrays['it/x'].nbytes


def test_what_is_the_same_is_there_once():
  file, values = io.BytesIO(), np.arange(5.0)
  own = {'x': values, 'y': values.astype(int), 'z': values * 2, 'w': values > 9}
  archives.save(file, {}, {'it': ({}, own), 'its': ({}, own)})
  arrays = dict(np.load(io.BytesIO(file.getvalue()), allow_pickle=False))
  assert set(arrays) == {'head', 'it/x', 'it/z', 'it/w'}
  head, found = archives.load(arrays)
  for part in ('it', 'its'):
    for name, again in archives.part(head, found, part)[1].items():
      np.testing.assert_array_equal(again, own[name], strict=True)


_RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
  ('values', 'size'),
  [
    (_RANDOM.integers(0, 200, (3, 50)) * 1.0, 1),
    (_RANDOM.integers(-9, 100, 50), 1),
    (_RANDOM.integers(-9, 300, 50), 2),
    (_RANDOM.integers(0, 1 << 31, 50), 4),
    (np.arange(50) * 250 + (1 << 60), 8),
    (np.cumsum(_RANDOM.integers(0, 250, 50)), 1),
    (np.sort(_RANDOM.integers(0, 1 << 64, 50, np.uint64)), 8),
    (np.array([-(1 << 63), (1 << 63) - 1]), 8),
    (np.arange(2.0**60, 2.0**60 + 1e6, 1e4), 8),
    (np.array([0.5, np.nan, np.inf, -2]), 8),
    (_RANDOM.normal(0, 1, (4, 5)), 8),
    (_RANDOM.normal(0, 1, (4, 5)).astype(np.float32), 4),
    (np.array([True, False]), 1),
    (np.array(['a', 'bc']), 8),
    (np.empty((0, 3)), 8),
    (np.array(3.0), 1),
  ],
)
def test_arrays_come_back_to_the_bit(values, size):
  again, stored = _there_and_back(values)
  assert again.dtype == values.dtype
  np.testing.assert_array_equal(again, values, strict=True)
  assert stored == values.size * size
