"""Draws of groups."""

import numpy as np

from empathy.evaluation import samples


def test_a_draw_takes_as_many_groups_as_there_are_and_is_shared():
  weights = samples.draws(11, 3000)
  assert (weights.sum(axis=1) == 11).all()
  np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)
  np.testing.assert_allclose(weights.var(axis=0), 10 / 11, atol=0.12)
  assert weights is samples.draws(11, 3000)
  assert not weights.flags.writeable
