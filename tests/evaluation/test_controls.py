"""The controls of question 3 against loops and enumerations."""

import itertools

import numpy as np

from empathy.evaluation import controls


def test_a_constant_view_says_the_most_frequent_class():
  predicted = np.array([2, 0, 2, 1, 2])
  assert controls.constant(predicted).tolist() == [0, 1, 0, 1, 0]


def test_noise_views_are_drawn_with_the_frequencies_of_the_views():
  predicted = np.array([0, 1, 2, 0])
  labels = np.array([[0, 0, 1, 2], [1, 1, -1, 0]])
  found = controls.noise(predicted, labels, 3)
  shares = np.array([[2, 1, 1], [1, 2, 0]]) / [[4], [3]]
  expected = np.zeros(4)
  for said in itertools.product(range(3), repeat=2):
    for clip in range(4):
      there = labels[:, clip] >= 0
      differs = any(
        said[view] != predicted[clip] for view in range(2) if there[view]
      )
      chance = shares[0, said[0]] * shares[1, said[1]]
      expected[clip] += chance * differs
  np.testing.assert_allclose(found, expected, atol=1e-12)


def test_votes_are_permuted_within_groups_beside_their_strata():
  values = np.array([0.1, 0.7, 0.4, 0.9, 0.2, 0.6])
  stratum = np.array([0, 0, 3, 3, 0, 3])
  group = np.array([0, 0, 0, 1, 1, 1])
  mean = np.array([values[stratum == s].mean() for s in stratum])
  left = values - mean
  drawn = [
    mean + np.concatenate([left[list(first)], left[list(second)]])
    for first in itertools.permutations(range(3))
    for second in itertools.permutations(range(3, 6))
  ]
  np.testing.assert_allclose(
    controls.permuted(values, stratum, group),
    np.mean(drawn, axis=0),
    atol=1e-12,
  )
