"""The simulations of `endpoint.py`, in a small form and in a long one."""

import endpoint
import numpy as np
import pytest

_NUM_CORPORA = 12


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


def _beyond(num_corpora, world, num_seeds, num_resamples):
  found = endpoint.run(
    num_corpora,
    world,
    num_resamples,
    num_seeds,
    ('adjusted by seed', 'beyond seeds'),
  )
  return found['adjusted by seed'], found['beyond seeds']


@pytest.mark.parametrize('num_seeds', [4, 6])
def test_views_that_are_other_seeds_tell_nothing_beyond_seeds(num_seeds):
  own, beyond = _beyond(24, 'other seeds', num_seeds, 200)
  # By themselves they would be taken for a finding.
  assert own[0] > 0.02
  # The standard error of a mean of 24 corpora is .004; a false claim in four of
  # them would be one in a thousand at 2.5 %.
  assert abs(beyond[0]) < 0.01
  assert beyond[1] < 0.15


@pytest.mark.long
@pytest.mark.parametrize('num_seeds', [4, 6])
def test_other_seeds_are_claimed_as_rarely_as_the_level_says(num_seeds):
  _, beyond = _beyond(400, 'other seeds', num_seeds, 1_000)
  mean, above, below, held = beyond
  assert abs(mean) < 0.0035
  # 2.5 %, and three standard errors of 400.
  assert max(above, below) <= 0.049
  assert 0.92 <= held <= 0.985


@pytest.mark.long
@pytest.mark.parametrize('num_seeds', [4, 6])
@pytest.mark.parametrize('world', ['linked', 'unlinked'])
def test_intervals_cover_new_speakers_and_new_seeds(world, num_seeds):
  _, beyond = _beyond(400, world, num_seeds, 1_000)
  assert 0.92 <= beyond[3] <= 0.985
