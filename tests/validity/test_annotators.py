"""The small form of the simulations of `annotators.py`."""

import annotators
import pytest

pytestmark = pytest.mark.long


def test_intervals_hold_the_truth_of_other_annotators():
  world = annotators.World()
  truth = annotators.truths(world, 8_000)
  found = annotators.run(60, world, truth)
  # Three standard errors of a share of .95 in 60 corpora are .085.
  for name in (
    'humans.text.accuracy',
    'humans.text.gs',
    'humans.text_vs_full.rate',
    'ambiguity.any_disagreement.beyond_seeds',
    'views.text+audio.human_cross_entropy',
  ):
    assert found[name][1] >= 0.865, name
  assert found['humans.text.gs'][0] < 0.8
