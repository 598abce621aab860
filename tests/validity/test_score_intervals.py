"""The small form of the simulations of `score_intervals.py`."""

import pytest
import score_intervals

pytestmark = pytest.mark.long


@pytest.mark.parametrize(('num_groups', 'num_seeds'), [(24, 3), (60, 6)])
def test_intervals_of_scores_hold_the_truth(num_groups, num_seeds):
  truth = score_intervals.truths(20_000)
  shares = score_intervals.held(
    400, num_groups, 400, truth, num_seeds=num_seeds
  )
  # Three standard errors of a share of .95 in 400 corpora are .033.
  for name, share in shares.items():
    assert share >= 0.917, name


def test_the_mean_over_labels_is_held_for_they_share_groups():
  together, apart = score_intervals.of_labels(300, 24, 300)
  assert together >= 0.912
  assert apart < 0.93


def test_planted_conflict_in_scores_is_found():
  found = score_intervals.found(60, 40, 300, 'linked')
  for name, least in (
    ('excess', 0.9),
    ('unshared', 0.9),
    ('ambiguity_excess', 0.5),
    ('errors_excess', 0.7),
  ):
    assert found[name][1] > least, name


@pytest.mark.parametrize(
  ('world', 'names'),
  [
    ('other seeds', score_intervals.FOUND),
    ('drawn together', ('unshared', 'ambiguity_excess', 'errors_excess')),
    ('unlinked', ('ambiguity_excess', 'errors_excess')),
  ],
)
def test_what_is_not_there_is_seldom_found(world, names):
  found = score_intervals.found(60, 40, 300, world)
  for name in names:
    # A chance of .025 of each of 60 corpora gives 6 or more in .4 % of cases.
    assert found[name][1] <= 5 / 60, name


def test_right_distributions_are_seldom_found_too_wide_or_narrow():
  found = score_intervals.miscalibrated(100)
  for name, share in found.items():
    # A chance of .05 of each of 100 corpora gives 12 or more in .4 % of cases.
    assert share <= 0.11, name
