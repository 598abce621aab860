"""The small form of the simulations of `intervals.py`."""

import intervals
import pytest

pytestmark = pytest.mark.long
_NUM_CORPORA = 400


@pytest.fixture(scope='module')
def shares():
  truth = intervals.truths(20_000)
  return intervals.run(_NUM_CORPORA, 24, 500, truth)


def test_intervals_by_group_hold_the_truth(shares):
  # Three standard errors of a share of .95 in 400 corpora are .033.
  held = {name: s for (arm, name), s in shares.items() if arm == 'by group'}
  assert len(held) == 11
  for name, share in held.items():
    assert share >= 0.917, name


def test_intervals_that_ignore_groups_do_not(shares):
  for name in ('accuracy', 'disagreement', 'alpha', 'macro F1'):
    assert shares['groups ignored', name] < 0.88, name


def test_tests_of_nothing_seldom_reject(shares):
  rejected = {name: s for (arm, name), s in shares.items() if arm == 'rejected'}
  assert len(rejected) == 5
  for name, share in rejected.items():
    assert share <= 0.085, name


def test_a_training_set_of_its_own_is_not_covered(shares):
  assert shares['retrained', 'accuracy, of the recipe'] < 0.93
