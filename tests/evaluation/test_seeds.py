"""Seeds as units, against loops and new draws of seeds."""

import itertools

import made
import numpy as np
import pytest

from empathy.evaluation import pivots, samples, seeds


def test_pairs_are_of_different_names():
  found = seeds.distinct(np.array([1, 2]), np.array([2, 3, 1]))
  assert found.tolist() == [[True, True, False], [False, True, True]]
  # A single shared seed leaves nothing else to compare.
  assert seeds.distinct(np.array([4]), np.array([4])).tolist() == [[True]]


@pytest.mark.parametrize('num_rows', [0, 1, 2, 3, 4])
def test_injections_are_sums_over_distinct_places(num_rows):
  values = np.random.default_rng(num_rows).random((num_rows, 5, 2))
  expected = sum(
    np.prod(
      [values[row, place] for row, place in enumerate(places)],
      axis=0,
      initial=1,
    )
    for places in itertools.permutations(range(5), num_rows)
  )
  np.testing.assert_allclose(
    seeds.injections(values), np.broadcast_to(expected, 2)
  )


def _mean_variance(names, moves, num_studies=4_000):
  """Of a mean over seeds of two views: variances told, and the true one.

  Args:
    names: of the seeds of each view.
    moves: how strongly each view moves with the seed of a name.
  """
  random = np.random.default_rng(0)
  every = np.unique(np.concatenate(names))
  told, figures = [], []
  for _ in range(num_studies):
    effect = random.normal(0, 1, len(every))
    values = [
      move * effect[np.searchsorted(every, own)]
      for own, move in zip(names, moves, strict=True)
    ]
    figures.append(sum(own.mean() for own in values))
    told.append(
      seeds.noise(
        *(
          seeds.Part(own, value)
          for own, value in zip(names, values, strict=True)
        )
      ).variance
    )
  return np.mean(told), np.var(figures)


@pytest.mark.parametrize(
  ('names', 'moves'),
  [
    # Seeds of their own; the same ones, that move alike, or against each other.
    ((np.arange(4), np.arange(10, 13)), (1, 2)),
    ((np.arange(4), np.arange(4)), (1, 1)),
    ((np.arange(4), np.arange(4)), (1, -0.9)),
  ],
)
def test_a_shared_name_is_one_unit(names, moves):
  told, true = _mean_variance(names, moves)
  assert told == pytest.approx(true, rel=0.1)


def test_the_noise_says_how_few_seeds_it_rests_on():
  found = seeds.noise(
    seeds.Part(np.arange(3), np.array([0.0, 1, 2])),
    seeds.Part(np.arange(10, 15), np.zeros(5)),
  )
  assert (found.num_seeds, found.freedom) == (3, pytest.approx(2))
  assert found.variance == pytest.approx(1 / 3)
  one = seeds.Part(np.array([1]), np.array([0.5]))
  assert seeds.noise(one) is None


@pytest.mark.parametrize('main', [0.0, 0.3])
def test_what_seeds_and_groups_share_counts_once(main):
  # Clips, groups, seeds and what a seed does to a group alone all vary; the
  # error has to be that of a mean over new groups and new seeds.
  random = np.random.default_rng(11)
  groups = np.repeat(np.arange(30), 4)
  sample = samples.sample(groups, num_resamples=20)
  means, squares, counted_twice = [], [], []
  for _ in range(600):
    values = random.normal(0, main, (4, 1)) + random.normal(0, 1, (4, 120))
    values += random.normal(0, 0.5, 30)[groups]
    values += random.normal(0, 0.7, (4, 30))[:, groups]
    means_of_seeds = values.mean(axis=1)
    apart = (values - means_of_seeds[:, None]) / values.shape[1]
    figures = means_of_seeds, sample.totals(apart.T).T
    statistic = made.mean(sample, values.mean(axis=0))
    for kept, slopes in ((squares, figures[1]), (counted_twice, None)):
      noise = seeds.seed_variance((figures[0], slopes))
      error = pivots.studentise(sample, statistic, seeds=noise)
      kept.append(error.error**2)
    means.append(values.mean())
  # The spread of 600 variances of means is 6 %, that of their mean is less.
  # A third of what they share counts twice still, see `seed_variance`.
  assert 0.85 < np.mean(squares) / np.var(means) < 1.45
  assert np.mean(counted_twice) > 1.1 * np.mean(squares)
