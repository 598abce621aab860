"""What scores are learned by."""

import numpy as np
import pytest
from scipy import integrate, stats

from empathy.models import losses


def test_targets_are_shares_of_a_normal_distribution_by_hand():
  values = np.array([1.0, 2.0, 3.0])
  found = losses.score_distributions(np.array([2.0, 1.0, np.nan]), values, 0.5)
  # From 1.5 to 2.5 is one sigma each way around 2: .6827 of it.
  np.testing.assert_allclose(found[0], [0.15866, 0.68269, 0.15866], atol=1e-5)
  # What is below 1 is the first's: 1 - .1587; beyond 2.5 are three sigmas.
  np.testing.assert_allclose(found[1], [0.84134, 0.15731, 0.00135], atol=1e-5)
  assert found[2].tolist() == [0, 0, 0]
  assert found.dtype == np.float32


@pytest.mark.parametrize('seed', range(3))
def test_targets_are_integrals_and_expect_the_score(seed):
  random = np.random.default_rng(seed)
  values = np.linspace(-3, 3, 25)
  scores = random.uniform(-1.5, 1.5, 6)
  found = losses.score_distributions(scores, values, 0.75)
  np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
  # Far from the ends nothing is cut, and what is expected is the score.
  np.testing.assert_allclose(found @ values, scores, atol=1e-2)
  ends = (values[11] + values[12]) / 2, (values[12] + values[13]) / 2
  for score, row in zip(scores, found, strict=True):
    density = stats.norm(score, 0.75 * 0.25).pdf
    np.testing.assert_allclose(
      row[12], integrate.quad(density, *ends)[0], atol=1e-6
    )


def test_uneven_values_are_the_nearest_ones():
  """Values 0, 1 and 5, mean distance 2.5: ends at .5 and 3, sigma 2.5."""
  found = losses.score_distributions(
    np.array([3.0]), np.array([0.0, 1.0, 5.0]), 1.0
  )
  np.testing.assert_allclose(found[0], [0.15866, 0.34134, 0.5], atol=1e-5)
