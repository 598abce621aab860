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


@pytest.mark.parametrize('num_seeds', [3, 5, 10])
def test_few_seeds_are_covered(num_seeds):
  # Four standard errors of a share of .94 in 600 corpora are .039.
  assert intervals.few_seeds(600, num_seeds, 300, 100) >= 0.901


@pytest.mark.parametrize('expected', [3, 15, 45])
def test_few_events_are_covered_or_have_no_interval(expected):
  held, told = intervals.few_events(200, expected)
  assert held >= 0.89
  assert told < 0.05 if expected == 3 else told > 0.8


@pytest.mark.parametrize('expected', [6, 15, 30])
def test_few_events_in_few_groups_are_covered(expected):
  # Three standard errors of a share of .95 in 200 corpora, as at least have an
  # interval, are .046.
  held, told = intervals.few_events(500, expected, 320, 8)
  assert held >= 0.904
  assert told > (0.3 if expected == 6 else 0.9)
