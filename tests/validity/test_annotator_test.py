"""The small form of the simulation of `stand_in.py`."""

import numpy as np
import pytest
import stand_in as worlds

from empathy.evaluation import stand_in

pytestmark = pytest.mark.long
_NUM_WORLDS = 1_000


@pytest.mark.parametrize('spread', [0.0, 0.2, 0.4])
def test_a_model_that_falls_short_by_epsilon_seldom_passes(spread):
  random = np.random.default_rng(11)
  found = {'published': [], 'whole': []}
  for _ in range(_NUM_WORLDS):
    sums = worlds.world(random, 24, 12, spread)
    found['published'].append(
      stand_in.published_p(sums.sum(axis=1), worlds.EPSILON)
    )
    whole = stand_in.tests(np.moveaxis(sums, 0, 1))
    found['whole'].append(whole.p(worlds.EPSILON))
  rejected = {name: (np.array(p) <= 0.05).mean() for name, p in found.items()}
  # Annotators of a corpus share its speakers: three standard errors are .021.
  assert rejected['whole'] <= 0.071
  assert (rejected['published'] > 0.09) == (spread > 0)
  passed = [stand_in.yekutieli(p).mean() >= 0.5 for p in found['whole']]
  assert np.mean(passed) <= 0.05
