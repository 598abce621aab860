"""AUROC at equal numbers of votes against loops over pairs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empathy.evaluation import contested, ranking, resampling, samples
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.units import Scale


@given(st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_auroc_of_pairs_with_equally_many_votes(seed):
  random = np.random.default_rng(seed)
  n, num_groups = 40, 6
  signal = random.integers(0, 5, n) / 4
  positive = random.random(n) < 0.4
  number = random.integers(2, 5, n)
  sample = samples.sample(np.arange(n) % num_groups)
  statistic = contested.auroc_at_equal_number(sample, signal, positive, number)
  weights = np.concatenate(
    [np.ones((1, num_groups)), random.integers(0, 3, (2, num_groups))]
  )
  values, _ = statistic(weights)
  for row, value in zip(weights, values, strict=True):
    top = bottom = 0.0
    for i, j in itertools.product(range(n), repeat=2):
      if positive[i] and not positive[j] and number[i] == number[j]:
        pair = row[i % num_groups] * row[j % num_groups]
        won = float(signal[i] > signal[j]) + 0.5 * (signal[i] == signal[j])
        top, bottom = top + pair * won, bottom + pair
    if bottom:
      assert value == pytest.approx(top / bottom, abs=1e-12)
    else:
      assert np.isnan(value)


def test_auroc_of_equal_numbers_has_its_slope():
  random = np.random.default_rng(5)
  n, num_groups = 80, 7
  sample = samples.sample(np.arange(n) % num_groups)
  statistic = contested.auroc_at_equal_number(
    sample,
    random.random(n).round(1),
    random.random(n) < 0.5,
    random.integers(2, 5, n),
  )
  weights = random.random(num_groups) + 0.5
  slope = statistic(weights[None])[1][0]
  step = 1e-5 * np.eye(num_groups)
  up, down = statistic(weights + step)[0], statistic(weights - step)[0]
  np.testing.assert_allclose(slope, (up - down) / 2e-5, atol=1e-8)


def test_groups_of_equal_numbers_have_clips_of_their_kind():
  # No clip of 4 votes is positive, so group 2 is in no pair.
  figure = contested.auroc_at_equal_number(
    samples.sample(np.array([0, 0, 1, 2, 2])),
    np.arange(5.0),
    np.array([1, 0, 0, 0, 0], bool),
    np.array([3, 3, 3, 4, 4]),
  )
  assert figure.counted.tolist() == [
    [True, False, False],
    [True, True, False],
  ]


def test_a_signal_that_knows_the_number_of_votes_tells_nothing():
  # Clips with more votes are contested more often, and that is all it knows.
  random = np.random.default_rng(6)
  number = np.where(random.random(3000) < 0.5, 3, 5)
  votes = random.multinomial(number, [0.6, 0.4])
  hit = votes_lib.contested(votes)
  sample = samples.sample(np.arange(3000) % 300)
  signal = number + 0.1 * random.random(3000)
  plain = resampling.estimate(
    sample, ranking.auroc(sample, signal, hit), scale=Scale.LOGIT
  )
  equal = resampling.estimate(
    sample,
    contested.auroc_at_equal_number(sample, signal, hit, number),
    scale=Scale.LOGIT,
  )
  assert plain.low > 0.8
  assert equal.low < 0.5 < equal.high
