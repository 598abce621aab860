"""Seeds matched with views, against all that could be chosen."""

import itertools

import made
import numpy as np
import pytest

from empathy.evaluation import beyond_seeds, samples, sides


def _enumerated(values, stratum, full, singles):
  """Both sides by all choices of distinct seeds, and least squares."""
  names, labels = full
  found = []
  for views in (singles, [full] * len(singles)):
    rows = []
    for r, reference in enumerate(names):
      own = [
        np.any(
          [
            view[1][place] != labels[r]
            for view, place in zip(views, places, strict=True)
          ],
          axis=0,
        )
        for places in itertools.product(*(range(len(v[0])) for v in views))
        if len(
          {
            reference,
            *(v[0][p] for v, p in zip(views, places, strict=True)),
          }
        )
        == len(views) + 1
      ]
      rows.append((np.array(own), np.tile(stratum[r], (len(own), 1))))
    differ = np.concatenate([row[0] for row in rows]).ravel()
    strata = np.concatenate([row[1] for row in rows]).ravel()
    gs = np.tile(values, len(differ) // len(values))
    found.append(made.least_squares(differ, gs, strata))
  return found


@pytest.mark.parametrize('shared', [True, False])
def test_both_sides_are_those_of_all_choices_of_distinct_seeds(shared):
  random = np.random.default_rng(11)
  n, num_seeds = 60, 4
  values = random.random(n)
  stratum = random.integers(0, 5, (num_seeds, n))
  made_of = [
    (
      np.arange(num_seeds) + (0 if shared else 10 * view),
      random.integers(0, 2, (num_seeds, n)),
    )
    for view in range(4)
  ]
  expected = _enumerated(values, stratum, made_of[0], made_of[1:])
  full, *singles = (beyond_seeds.Labelled(*view) for view in made_of)
  sample = samples.sample(np.arange(n) // 6)
  found = beyond_seeds.matched(sample, values, stratum, full, singles)
  one = np.ones((1, 10))
  assert sides.adjusted(found.views)(one)[0][0] == pytest.approx(
    expected[0], abs=1e-10
  )
  assert sides.adjusted(found.control)(one)[0][0] == pytest.approx(
    expected[1], abs=1e-10
  )


def test_views_that_are_the_full_views_own_seeds_tell_nothing_beyond():
  random = np.random.default_rng(12)
  labels = random.integers(0, 3, (5, 80))
  full = beyond_seeds.Labelled(np.arange(5), labels)
  found = beyond_seeds.matched(
    samples.sample(np.arange(80) // 8),
    random.random(80),
    random.integers(0, 4, (5, 80)),
    full,
    [full] * 3,
  )
  np.testing.assert_allclose(
    found.views.matrix.toarray(), found.control.matrix.toarray()
  )
  assert found.noise.variance == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize('shared', [True, False])
def test_the_noise_of_seeds_is_the_slope_by_their_weights(shared, monkeypatch):
  # Against differences of the figure with seeds weighted, chosen with
  # replacement but for the reference's own.
  random = np.random.default_rng(13)
  n, num_seeds = 40, 5
  values = random.random(n)
  stratum = np.repeat(random.integers(0, 2, (1, n)), num_seeds, axis=0)
  labels = random.integers(0, 2, (3, num_seeds, n))
  names = [np.arange(num_seeds) + (0 if shared else 10 * v) for v in range(3)]
  told = []
  monkeypatch.setattr(
    beyond_seeds.seeds_lib, 'noise', lambda *parts: told.extend(parts)
  )
  full, *singles = map(beyond_seeds.Labelled, names, labels)
  sample = samples.sample(np.arange(n) // 4)
  beyond_seeds.matched(sample, values, stratum, full, singles)

  def side(reference, members):
    differ = []
    for r in range(num_seeds):
      agree = 1.0
      for view, weight in members:
        known = weight * (names[view] != names[0][r])
        same = (labels[view] == labels[0][r]).T @ known
        agree = agree * same / known.sum()
      differ.append(1 - agree)
    return (
      sides.adjusted(sides.of_clips(sample, values, np.array(differ), stratum))(
        np.ones((1, 10))
      )[0][0],
      np.array(differ),
      reference,
    )

  ones = np.ones(num_seeds)
  # The parts: reference and single views, then reference and control twice.
  step = 1e-6
  for part, members, moved, sign in (
    (told[1], [1, 2], 0, 1),
    (told[2], [1, 2], 1, 1),
    (told[4], [0, 0], 0, -1),
  ):
    slopes = []
    for seed in range(num_seeds):
      ends = []
      for change in (step, -step):
        weight = ones.copy()
        weight[seed] += change
        both = [(view, ones) for view in members]
        both[moved] = (members[moved], weight)
        ends.append(side(ones, both)[0])
      slopes.append(sign * num_seeds * (ends[0] - ends[1]) / (2 * step))
    values_of = part.values - part.values.mean()
    expected = slopes - np.mean(slopes)
    # The gradient is that at the choices without replacement.
    assert np.corrcoef(values_of, expected)[0, 1] > 0.98
    np.testing.assert_allclose(values_of, expected, rtol=0.35, atol=0.02)
