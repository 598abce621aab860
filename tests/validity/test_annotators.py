"""The small form of the simulations of `annotators.py`."""

import annotators
import pytest

pytestmark = pytest.mark.long
# Three standard errors of a share of .95 in 50 corpora are .092.
_NUM_CORPORA, _LEAST = 50, 0.86


def _held(world, questions):
  truth = annotators.truths(world, 6_000, questions)
  return annotators.run(_NUM_CORPORA, world, truth, questions=questions)


@pytest.mark.parametrize('uneven', [False, True])
def test_intervals_hold_the_truth_of_other_annotators(uneven):
  questions = annotators.humans, annotators.soft_scores
  found = _held(annotators.World(uneven=uneven), questions)
  for name in (
    'humans.text.accuracy',
    'humans.text.gs',
    'humans.text.one_vote_ceiling',
    'humans.text_vs_full.rate',
    'humans.text_vs_full.control_rate',
    'views.text+audio.human_cross_entropy',
  ):
    assert found[name][1] >= _LEAST, name
  assert found['humans.text.gs'][0] < 0.8


def test_so_do_those_of_conflict_and_of_information():
  found = _held(annotators.World(apart=0.2), annotators.APART)
  for name in (
    'conflict.text_vs_audio.rate',
    'conflict.text_vs_audio.excess',
    'conflict.gs.beyond_chance',
    'together.people.text_vs_audio.redundant',
  ):
    assert found[name][1] >= _LEAST, name
  assert found['conflict.text_vs_audio.rate'][0] < 0.85
