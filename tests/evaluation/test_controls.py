"""The controls of question 3 against loops and enumerations."""

import itertools

import numpy as np
import pytest

from empathy.evaluation import controls, samples, sides, totals


def _clips(predicted, labels, stratum_of=None):
  """Counts by stratum, pattern and side of clips of three classes, one bin.

  Args:
    predicted: (n,) the full view's class.
    labels: (V, n) the single views' classes, -1 where one does not predict.
    stratum_of: (n,) the bin of confidence, of two; all one if None.
  """
  random = np.random.default_rng(0)
  values = random.random(len(predicted))
  num_bins = 1 if stratum_of is None else 2
  stratum = num_bins * predicted + (0 if stratum_of is None else stratum_of)
  pattern = ((labels >= 0).T << np.arange(len(labels))).sum(axis=1)
  differ = ((labels != predicted) & (labels >= 0)).any(axis=0)
  size = 1 << len(labels)
  adder = totals.Adder(np.array([f'g{i % 2}' for i in range(len(predicted))]))
  cell = size * stratum + pattern
  sides.add(adder, ('x',), values, differ, cell, 3 * num_bins * size)
  found = adder.totals()
  counts = totals.Counts(found.counts['x',].matrix, (2, 3 * num_bins, size, 2))
  return found, counts, values, stratum, differ


def _expected(values, chance, stratum, num_strata):
  """(2, K, 2) sums of values and clips, on the second side by chance."""
  found = np.zeros((2, num_strata, 2))
  for value, share, place in zip(values, chance, stratum, strict=True):
    found[:, place, 1] += share * np.array([value, 1])
    found[:, place, 0] += (1 - share) * np.array([value, 1])
  return found


def test_sides_are_the_same_whichever_views_predict():
  predicted = np.array([0, 1, 2, 0])
  labels = np.array([[0, 0, 1, 2], [1, 1, -1, 0]])
  found, counts, values, stratum, differ = _clips(predicted, labels)
  one = sides.of_matrix(found, controls.merged(counts))
  np.testing.assert_allclose(one.all, _expected(values, differ, stratum, 3))


def test_a_constant_view_says_the_most_frequent_class():
  predicted = np.array([2, 0, 2, 1, 2])
  labels = predicted[None]
  found, counts, values, stratum, _ = _clips(predicted, labels)
  one = sides.of_matrix(found, controls.constant(counts, 3))
  expected = _expected(values, [0, 1, 0, 1, 0], stratum, 3)
  np.testing.assert_allclose(one.all, expected)


def test_noise_views_are_drawn_with_the_frequencies_of_the_views():
  predicted = np.array([0, 1, 2, 0])
  labels = np.array([[0, 0, 1, 2], [1, 1, -1, 0]])
  numbers = np.array([[2, 1, 1], [1, 2, 0]])
  shares = numbers / [[4], [3]]
  chance = np.zeros(4)
  for said in itertools.product(range(3), repeat=2):
    for clip in range(4):
      there = labels[:, clip] >= 0
      differs = any(
        said[view] != predicted[clip] for view in range(2) if there[view]
      )
      chance[clip] += shares[0, said[0]] * shares[1, said[1]] * differs
  found, counts, values, stratum, _ = _clips(
    predicted, labels, np.array([0, 1, 0, 1])
  )
  one = sides.of_matrix(found, controls.noise(counts, numbers))
  np.testing.assert_allclose(one.all, _expected(values, chance, stratum, 6))


@pytest.mark.parametrize('clustered', [True, False])
def test_votes_are_permuted_within_groups_beside_their_strata(clustered):
  values = np.array([0.1, 0.7, 0.4, 0.9, 0.2, 0.6])
  stratum = np.array([0, 0, 3, 3, 0, 3])
  differ = np.array([1, 0, 0, 1, 1, 0])
  mean = np.array([values[stratum == s].mean() for s in stratum])
  left = values - mean
  sample = samples.sample(np.array([0, 0, 0, 1, 1, 1]))
  if clustered:
    drawn = [
      mean + np.concatenate([left[list(first)], left[list(second)]])
      for first in itertools.permutations(range(3))
      for second in itertools.permutations(range(3, 6))
    ]
  else:
    drawn = [
      mean + left[list(order)] for order in itertools.permutations(range(6))
    ]
  own = sides.of_clips(sample, values, differ, stratum)
  found = controls.permuted(own.matrix, clustered)
  expected = sides.of_clips(sample, np.mean(drawn, axis=0), differ, stratum)
  np.testing.assert_allclose(
    found.toarray(), expected.matrix.toarray(), atol=1e-12
  )
