"""Who copies whom: pairs counted by hand, crowds with a copy and without."""

import dataclasses

import made
import numpy as np
import pytest

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import copying, data_checks, verdicts
from empathy.evaluation import plan as plan_lib
from empathy.evaluation.batches import Batch


def _crowd(seed, copy):
  """Six annotators of 60 clips; the last votes as the first if `copy`."""
  random = np.random.default_rng(seed)
  gold = random.integers(0, 3, 60)
  label = np.where(random.random((6, 60)) < 0.7, gold, (gold + 1) % 3)
  if copy:
    label[5] = label[0]
  who, clip = np.indices(label.shape).reshape(2, -1)
  corpus = made.corpus(np.arange(60) % 8, gold)
  votes = corpus_lib.Votes(
    clip.astype(np.int32),
    np.zeros(len(clip), np.int32),
    np.array([f'a{i}' for i in who]),
    label.ravel().astype(np.int32),
    np.ones(len(clip), np.int64),
  )
  info = corpus.info | {'conditions': ['text']}
  return dataclasses.replace(corpus, info=info, votes=votes), label


def _row(corpus):
  found = data_checks.answer(*made.added_up(corpus))
  (row,) = (
    row for row in found.tables['data_checks'] if row['check'] == 'annotators'
  )
  return row


def test_one_who_votes_twice_is_found():
  row = _row(_crowd(0, copy=True)[0])
  assert row['verdict'] == verdicts.WARNING
  assert row['value'] == 1
  assert 'a0' in row['sentence']
  assert 'a5' in row['sentence']
  assert 'give the same vote each of the 60 times' in row['sentence']


@pytest.mark.parametrize('seed', range(3))
def test_annotators_who_agree_are_not_taken_for_one(seed):
  row = _row(_crowd(seed, copy=False)[0])
  assert (row['verdict'], row['value']) == (verdicts.OK, 0)


def test_pairs_are_counted():
  corpus, label = _crowd(1, copy=True)
  totals, plan = made.added_up(corpus)
  both, alike = totals.wholes[verdicts.key('pairs_of_annotators')]
  assert (both == 60).all()
  # Annotators are in an order of their own.
  label = label[[int(name[1:]) for name in plan.people]]
  expected = (label[:, None] == label[None]).sum(axis=2)
  np.testing.assert_array_equal(alike, expected)


def test_where_all_agree_nobody_is_a_copy():
  both = np.full((4, 4), 100.0)
  assert copying.suspicious(both, both) == []
  # Of two annotators alone, nothing is known beside them.
  assert copying.suspicious(both[:2, :2], both[:2, :2]) == []


def test_more_annotators_than_can_be_paired_are_not_counted(monkeypatch):
  monkeypatch.setattr(copying, '_MOST', 5)
  corpus, _ = _crowd(0, copy=True)
  plan = plan_lib.of_batch(Batch(corpus))
  found = data_checks.answer(*made.added_up(corpus))
  assert plan.crowd.number == 6
  assert 'data.annotators' not in found.statistics
