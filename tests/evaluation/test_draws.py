"""Random numbers by id: as random as others, and no order matters."""

import numpy as np
from scipy import stats

from empathy.evaluation import draws

_IDS = np.array([f'clip{i}' for i in range(2_000)])


def test_the_mixer_is_splitmix64():
  # The first outputs of the generator with seeds 0 and 1234567.
  found = draws.uniform(np.array([0, 1234567], np.uint64), np.arange(2))
  known = np.array(
    [
      [0xE220A8397B1DCDAF, 6457827717110365317],
      [0x6E789E6AA1B965F4, 3203168211198807973],
    ],
    np.uint64,
  )
  np.testing.assert_array_equal(found, (known >> np.uint64(11)) * 2.0**-53)


def test_numbers_are_uniform_and_unrelated():
  numbers = draws.uniform(draws.keys(_IDS, 'test'), np.arange(30))
  assert stats.kstest(numbers.ravel(), 'uniform').pvalue > 1e-3
  # Neither a clip's numbers nor those of its neighbours tell of each other.
  for table in (numbers, numbers.T):
    one, other = table[:-1].ravel(), table[1:].ravel()
    assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(len(one))
  other = draws.uniform(draws.keys(_IDS, 'another'), np.arange(30))
  assert abs(np.corrcoef(numbers.ravel(), other.ravel())[0, 1]) < 0.02


def test_neither_order_nor_others_matter():
  order = np.random.default_rng(0).permutation(len(_IDS))[:500]
  numbers = draws.uniform(draws.keys(_IDS, 'test'), np.arange(3))
  some = draws.uniform(draws.keys(_IDS[order], 'test'), np.array([2, 0]))
  np.testing.assert_array_equal(some, numbers[[2, 0]][:, order])


def test_keys_for_another_purpose_are_unrelated():
  keys = draws.keys(_IDS, 'test')
  anew = draws.anew(keys, 'halves')
  np.testing.assert_array_equal(draws.anew(keys[::-1], 'halves'), anew[::-1])
  first, second, other = (
    draws.uniform(some, np.arange(30)).ravel()
    for some in (keys, anew, draws.anew(keys, 'thirds'))
  )
  assert stats.kstest(second, 'uniform').pvalue > 1e-3
  for pair in ((first, second), (second, other)):
    assert abs(np.corrcoef(*pair)[0, 1]) < 0.02
