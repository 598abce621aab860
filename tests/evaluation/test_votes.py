"""What votes say, against loops over pairs of annotators."""

import itertools

import made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from empathy.evaluation import plan as plan_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch


@given(hnp.arrays(np.int64, (4, 3), elements=st.integers(0, 4)))
def test_gs_is_the_share_of_pairs_that_differ(votes):
  found = votes_lib.gs(votes)
  for value, counts in zip(found, votes, strict=True):
    labels = np.repeat(np.arange(3), counts)
    pairs = [a != b for a, b in itertools.combinations(labels, 2)]
    if pairs:
      assert value == pytest.approx(np.mean(pairs), abs=1e-12)
    else:
      assert np.isnan(value)


@pytest.mark.parametrize('num_votes', [2, 3, 7])
def test_gs_is_unbiased_for_every_number_of_votes(num_votes):
  shares = np.array([0.5, 0.3, 0.2])
  random = np.random.default_rng(num_votes)
  votes = random.multinomial(num_votes, shares, 40_000)
  expected = 1 - (shares**2).sum()
  values = votes_lib.gs(votes)
  assert abs(values.mean() - expected) < 4 * values.std() / 200


def test_entropy_by_hand():
  plain, mended = votes_lib.entropy(np.array([[2, 1, 1], [3, 0, 0], [0, 0, 0]]))
  np.testing.assert_allclose(plain[:2], [1.5 * np.log(2), 0], atol=1e-15)
  np.testing.assert_allclose(mended[:2], [1.5 * np.log(2) + 2 / 8, 0])
  assert np.isnan([plain[2], mended[2]]).all()


def test_contested_is_less_than_two_thirds():
  votes = np.array([[2, 1], [3, 2], [4, 2], [1, 1]])
  assert votes_lib.contested(votes).tolist() == [False, True, False, True]


def test_all_votes_speak_where_the_full_condition_has_none():
  votes = {
    'text': np.array([[1, 0, 0], [0, 2, 0]]),
    'audio': np.array([[0, 1, 0], [0, 1, 0]]),
  }
  corpus = made.corpus([0, 1], [0, 1], votes=votes)
  corpus.info['conditions'].append('text+audio')
  plan = plan_lib.of_batch(Batch(corpus))
  assert plan.speaking is None
  assert plan.votes(corpus).tolist() == [[1, 1, 0], [0, 3, 0]]
