"""The simulations of `endpoint.py`, in a small form and in a long one."""

import endpoint
import numpy as np
import pytest
from scipy import stats

_NUM_CORPORA = 12
_MANY = 300


@pytest.fixture(scope='module')
def found():
  return {
    world: endpoint.run(_NUM_CORPORA, world, num_resamples=200)
    for world in endpoint.WORLDS
    if world != 'other seeds'
  }


def _mean(found, world, name):
  return found[world][name][0]


def test_the_sign_follows_the_planted_link(found):
  for name in ('adjusted', 'beyond seeds'):
    assert _mean(found, 'linked', name) > 0.04
    assert _mean(found, 'reversed', name) < -0.04
  assert found['linked']['adjusted'][1] > 0.75
  assert found['reversed']['adjusted'][2] > 0.6


@pytest.mark.parametrize('world', ['unlinked', 'no conflict', 'noise view'])
def test_without_a_link_there_is_none(found, world):
  # The standard error of a mean of twelve corpora is .007.
  assert abs(_mean(found, world, 'adjusted')) < 0.022
  assert found[world]['adjusted'][1] < 0.35
  # Single seeds of any model tell something that one seed's confidence does
  # not; a view that knows less than another seed does tells less.
  assert _mean(found, world, 'control: seed') > 0.02
  assert _mean(found, world, 'beyond seeds') < 0.015
  assert found[world]['beyond seeds'][1] < 0.2


def test_the_raw_difference_is_there_all_the_same(found):
  # It is what the adjusted one must not be mistaken for.
  for world in ('unlinked', 'no conflict'):
    assert _mean(found, world, 'raw') > 0.15


def test_controls_know_nothing_of_the_link(found):
  for name in ('control: noise', 'control: permuted'):
    assert abs(_mean(found, 'linked', name)) < 0.022, name
  for world in found:
    assert np.isnan(_mean(found, world, 'control: constant'))


def _run(num_corpora, world, num_seeds, num_resamples, *names):
  found = endpoint.run(num_corpora, world, num_resamples, num_seeds, names)
  return [found[name] for name in names]


@pytest.mark.parametrize('num_seeds', [4, 6])
def test_views_that_are_other_seeds_tell_nothing_beyond_seeds(num_seeds):
  own, beyond = _run(
    24, 'other seeds', num_seeds, 200, 'adjusted by seed', 'beyond seeds'
  )
  # By themselves they would be taken for a finding.
  assert own[0] > 0.02
  # The standard error of a mean of 24 corpora is .004; a false claim in four of
  # them would be one in a thousand at 2.5 %.
  assert abs(beyond[0]) < 0.01
  assert beyond[1] < 0.15


def _bounds(level):
  """Between them are 99.8 % of the shares of `_MANY` that a level has."""
  return np.divide(stats.binom.interval(0.998, _MANY, level), _MANY)


@pytest.mark.long
@pytest.mark.parametrize('num_seeds', [4, 6])
def test_other_seeds_are_claimed_as_rarely_as_the_level_says(num_seeds):
  ((mean, above, below, held),) = _run(
    _MANY, 'other seeds', num_seeds, 500, 'beyond seeds'
  )
  # Four standard errors of a mean of so many corpora.
  assert abs(mean) < 0.0045
  # A level of 8 % is let pass in 8 % of such runs.
  assert max(above, below) <= _bounds(0.025)[1]
  low, high = _bounds(0.95)
  assert low <= held <= high


@pytest.mark.long
@pytest.mark.parametrize(
  ('world', 'num_seeds'), [('linked', 4), ('unlinked', 6)]
)
def test_intervals_cover_new_speakers_and_new_seeds(world, num_seeds):
  (beyond,) = _run(_MANY, world, num_seeds, 500, 'beyond seeds')
  low, high = _bounds(0.95)
  # What holds 88 % is let pass in 9 % of such runs.
  assert low <= beyond[3] <= high
