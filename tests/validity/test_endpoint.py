"""The small form of the simulations of `endpoint.py`."""

import endpoint
import numpy as np
import pytest

_NUM_CORPORA = 12


@pytest.fixture(scope='module')
def found():
  return {
    world: endpoint.run(_NUM_CORPORA, world, num_resamples=200)
    for world in endpoint.WORLDS
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
  for name in ('adjusted', 'control: seed', 'beyond seeds'):
    assert abs(_mean(found, world, name)) < 0.022, name
    assert found[world][name][1] < 0.35, name


def test_the_raw_difference_is_there_all_the_same(found):
  # It is what the adjusted one must not be mistaken for.
  for world in ('unlinked', 'no conflict'):
    assert _mean(found, world, 'raw') > 0.15


def test_controls_know_nothing_of_the_link(found):
  for name in ('control: seed', 'control: noise', 'control: permuted'):
    assert abs(_mean(found, 'linked', name)) < 0.022, name
  for world in endpoint.WORLDS:
    assert np.isnan(_mean(found, world, 'control: constant'))
