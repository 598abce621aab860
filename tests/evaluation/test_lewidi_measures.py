"""The measures of LeWiDi 2025, worked by hand."""

import numpy as np
import pytest
from scipy import stats

from empathy.evaluation import lewidi


def test_manhattan_of_two_items():
  # |.2 - .5| twice, and 1 twice.
  predicted = np.array([[0.2, 0.8], [0.0, 1.0]])
  target = np.array([[0.5, 0.5], [1.0, 0.0]])
  assert lewidi.manhattan(predicted, target) == pytest.approx((0.6 + 2) / 2)


def test_items_are_rounded_before_the_mean():
  predicted = np.array([[1 / 3, 2 / 3]])
  target = np.array([[0.0, 1.0]])
  assert lewidi.manhattan(predicted, target) == 0.66667


def test_wasserstein_is_of_positions_and_not_of_values():
  # Of -5 to 5, all at -5 and all at 5: ten steps, for eleven bins.
  far = lewidi.wasserstein(np.eye(11)[:1], np.eye(11)[10:])
  assert far == 10
  random = np.random.default_rng(0)
  p, q = random.dirichlet(np.ones(6), (2, 7))
  expected = [
    round(stats.wasserstein_distance(range(6), range(6), a, b), 5)
    for a, b in zip(p, q, strict=True)
  ]
  assert lewidi.wasserstein(p, q) == pytest.approx(np.mean(expected))


def test_error_rate_counts_annotators_within_an_item():
  # One of four wrong, and two of two.
  predicted = [[0, 1, 1, 0], [1, 1]]
  target = [[0, 1, 1, 1], [0, 0]]
  assert lewidi.error_rate(predicted, target) == pytest.approx((0.25 + 1) / 2)


def test_anad_is_divided_by_the_number_of_levels():
  # Off by 2 and 0 of six levels, and by 10 of eleven.
  assert lewidi.anad([[1, 3]], [[3, 3]], 6) == round(1 / 6, 5)
  assert lewidi.anad([[-5]], [[5]], 11) == round(10 / 11, 5)
