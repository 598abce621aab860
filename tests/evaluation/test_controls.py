"""The controls of question 3 against loops and enumerations."""

import itertools

import made
import numpy as np
import pytest

from empathy.evaluation import controls


@pytest.mark.parametrize(
  ('num_seeds', 'num_views', 'num_held_out'),
  [(2, 3, 1), (3, 1, 1), (3, 3, 2), (5, 3, 2), (8, 3, 3), (8, 2, 2)],
)
def test_seeds_held_out_stand_in_for_views(num_seeds, num_views, num_held_out):
  random = np.random.default_rng(num_seeds)
  members = made.softmax(random.normal(0, 1, (num_seeds, 40, 3)))
  differ, references = controls.seed(members, num_views)
  assert differ.shape == (num_seeds, 40)
  runs = [
    [(start + step) % num_seeds for step in range(num_held_out)]
    for start in range(num_seeds)
  ]
  for run, own, reference in zip(runs, differ, references, strict=True):
    others = [s for s in range(num_seeds) if s not in run]
    mean = members[others].mean(axis=0)
    np.testing.assert_allclose(reference, mean, atol=1e-12)
    said = members[run].argmax(axis=-1)
    assert (own == (said != mean.argmax(axis=-1)).any(axis=0)).all()
  # Every seed is held out as often as any other.
  assert set(np.bincount(np.ravel(runs))) == {num_held_out}


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
