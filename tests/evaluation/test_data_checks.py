"""Question 7: leaks, baselines, duplicates and the rest, on tiny corpora."""

import dataclasses

import made
import numpy as np
import pytest

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import data_checks
from empathy.evaluation.findings import Estimate


def _verdicts(corpus, predictions=None):
  found = data_checks.answer(corpus, predictions)
  rows = {row['check']: row for row in found.tables['data_checks']}
  return found, rows


def test_leakage_by_hand():
  groups = np.array([0, 0, 1, 1, 2, 2])
  folds = np.array([0, 1, 0, 0, 1, 1])
  assert data_checks.group_leakage(groups, folds, False) == pytest.approx(1 / 3)
  split = np.array([-1, 0, -1, -1, 0, 0])
  # Of the three test clips, one has its group in training.
  assert data_checks.group_leakage(groups, split, True) == pytest.approx(1 / 3)
  assert data_checks.group_leakage(groups, split, False) == 0


def test_majorities_by_hand():
  groups = np.array([0, 0, 0, 1, 1, 1])
  labels = np.array([0, 0, 0, 1, 1, 0])
  folds = np.array([0, 1, 1, 0, 1, 1])
  # Held out 0: training labels 0, 0, 1, 0, by group 0 and 1 or 0 (first).
  majority, by_group = data_checks.majority_accuracies(
    groups, labels, folds, False, 2
  )
  # Fold 0 holds out clips 0 and 3, and is told 0, 0, 1, 0: says 0; by group 0,
  # and 0 for the tie. Fold 1 is told 0 of group 0 and 1 of group 1.
  assert majority == pytest.approx((1 + 3) / 6)
  assert by_group == pytest.approx((1 + 3) / 6)
  leaky = np.array([0, 1, 1, 0, 1, 2])
  _, by_group = data_checks.majority_accuracies(groups, labels, leaky, False, 2)
  majority, _ = data_checks.majority_accuracies(groups, labels, leaky, False, 2)
  assert by_group != majority


def test_without_a_leak_both_majorities_are_the_same():
  corpus, predictions = made.study_input()
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  folds = predictions.folds['text'][0]
  majority, by_group = data_checks.majority_accuracies(
    groups, corpus.labels, folds, False, 3
  )
  assert majority == by_group
  found, rows = _verdicts(corpus, predictions)
  assert found.statistics['data.group_leakage'].estimate == 0
  assert rows['group_leakage']['verdict'] == 'ok'
  assert rows['group_majority_accuracy']['verdict'] == 'ok'


def test_a_leak_is_loud():
  # A clip's label is its group's, and groups straddle the folds.
  groups = np.arange(80) % 20
  corpus = made.corpus(groups, groups % 3, fold=np.arange(80) // 40)
  found, rows = _verdicts(corpus)
  assert found.statistics['data.group_leakage'].estimate == 1
  assert found.statistics['data.group_majority_accuracy'].estimate == 1
  for check in ('group_leakage', 'group_majority_accuracy'):
    assert rows[check]['verdict'] == 'fail'
  assert '100.0 %' in rows['group_leakage']['sentence']


def test_what_was_held_out():
  corpus, predictions = made.study_input(30, 5)
  plain = made.corpus(np.arange(30) // 3, corpus.labels)
  assert data_checks.held_out(plain, None) == []
  folds = np.arange(30) % 4
  (found,) = data_checks.held_out(dataclasses.replace(plain, fold=folds), None)
  np.testing.assert_array_equal(found, folds)
  (found,) = data_checks.held_out(plain, predictions)
  np.testing.assert_array_equal(found, predictions.folds['text'][0])
  split = np.array(['train', 'val', 'test'] * 10)
  (found,) = data_checks.held_out(
    dataclasses.replace(plain, split=split), predictions
  )
  np.testing.assert_array_equal(found >= 0, split == 'test')
  answer, _ = _verdicts(plain)
  assert 'held out' in answer.skipped['data.group_leakage']
  assert 'data.majority_accuracy' in answer.statistics
  # One fold for all does not say what the models were trained on.
  one = made.predictions(dict(predictions.probabilities))
  assert data_checks.held_out(plain, one) == []


def test_features_that_are_the_same():
  values = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
  values[4] = values[1]
  values[5] = values[1]
  pooled = corpus_lib.Features(np.array([5, 4, 3, 2, 1, 0]), values)
  assert data_checks.duplicate_pairs(pooled).tolist() == [[1, 4], [0, 4]]
  # As sequences of lengths 1, 3 and 2, and then 1, 1, ...: rows 1, 4 and 5.
  sequences = corpus_lib.Features(
    np.arange(5), values, np.array([1, 1, 2, 1, 1])
  )
  assert data_checks.duplicate_pairs(sequences).tolist() == [[3, 1], [4, 1]]
  corpus = dataclasses.replace(
    made.corpus(range(6), [0, 1, 2, 0, 1, 2]), features={'audio': pooled}
  )
  found, rows = _verdicts(corpus)
  assert found.statistics['data.duplicates'].estimate == pytest.approx(2 / 6)
  assert rows['duplicates']['verdict'] == 'warning'
  assert found.tables['duplicates'][0] == {
    'modality': 'audio',
    'id': 'clip1',
    'same_as': 'clip4',
    'same_group': False,
  }


def test_coverage_balance_groups_and_votes():
  votes = {'text+audio': np.zeros((40, 3), int)}
  votes['text+audio'][:30, 0] = 2
  corpus = made.corpus(
    np.arange(40) // 8, [0] * 36 + [1] * 3 + [-1], votes=votes
  )
  features = corpus_lib.Features(np.arange(30), np.eye(40)[:30])
  corpus = dataclasses.replace(corpus, features={'text': features})
  found, rows = _verdicts(corpus)
  value = {name: e.estimate for name, e in found.statistics.items()}
  assert value['data.text.coverage'] == 0.75
  assert 'data.audio.coverage' in found.skipped
  assert value['data.num_groups'] == 5
  assert value['data.largest_class_share'] == pytest.approx(36 / 39)
  assert value['data.labelled_share'] == pytest.approx(39 / 40)
  assert value['data.votes_per_clip'] == 2
  for check in (
    'text.coverage',
    'num_groups',
    'largest_class_share',
    'labelled_share',
    'votes_per_clip',
  ):
    assert rows[check]['verdict'] == 'warning', check
  assert [row['num_clips'] for row in found.tables['class_balance']] == [
    36,
    3,
    0,
  ]
  assert found.tables['votes_per_clip'] == [
    {
      'condition': 'text+audio',
      'num_clips': 30,
      'num_votes': 60,
      'min': 2,
      'median': 2.0,
      'max': 2,
    }
  ]


def test_groups_are_those_that_intervals_rest_on():
  corpus, predictions = made.study_input()
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  tested = groups >= 9
  split = np.where(tested, 'test', 'train')
  shown = {
    view: np.where(tested[:, None], p, np.nan)
    for view, p in predictions.probabilities.items()
  }
  found = data_checks.answer(
    dataclasses.replace(corpus, split=split), made.predictions(shown)
  )
  number = found.statistics['data.num_groups']
  assert (number.estimate, number.n) == (3, tested.sum())


@pytest.mark.parametrize(
  ('groups', 'says'),
  [
    ([0, 0], 'There is 1 group of 2 clips;'),
    ([0, 1], 'There are 2 groups of 1 clip each;'),
    ([0, 0, 1], 'There are 2 groups of 1 to 2 clips (median 1.5);'),
    ([0] * 1200, 'There is 1 group of 1,200 clips;'),
  ],
)
def test_numbers_of_groups_are_words(groups, says):
  _, rows = _verdicts(made.corpus(groups, [0] * len(groups)))
  assert rows['num_groups']['sentence'].startswith(says)


def test_one_clip_is_not_clips():
  votes = np.zeros((1301, 3), int)
  votes[1:, 0] = 1
  values = np.arange(1301.0)[:, None]
  values[7] = values[3]
  features = {'text': corpus_lib.Features(np.arange(1301), values)}
  corpus = made.corpus(np.arange(1301) // 9, [0] * 1301, votes={'text': votes})
  corpus = dataclasses.replace(corpus, features=features)
  _, rows = _verdicts(corpus)
  duplicates = rows['duplicates']['sentence']
  assert duplicates.startswith('1 clip (0.1 %) has exactly the features')
  said = rows['votes_per_clip']['sentence']
  assert '1 vote that speaks for it; 1 clip has none.' in said
  labels = np.arange(3600) % 3
  _, rows = _verdicts(made.corpus(np.arange(3600) // 9, labels))
  assert 'has 1,200.' in rows['largest_class_share']['sentence']


def test_a_label_made_from_votes_is_told():
  votes = np.random.default_rng(2).multinomial(7, [0.5, 0.3, 0.2], 90)
  label = votes.argmax(axis=1)
  for labels, verdict in ((label, 'warning'), (label[::-1], 'ok')):
    found, rows = _verdicts(
      made.corpus(np.arange(90) // 3, labels, votes={'text': votes})
    )
    assert rows['label_is_plurality']['verdict'] == verdict
    share = found.statistics['data.label_is_plurality'].estimate
    one = np.sort(votes, axis=1)[:, -1] > np.sort(votes, axis=1)[:, -2]
    assert share == pytest.approx((label == labels)[one].mean())


def test_the_smallest_effect_is_found_four_times_in_five():
  # A difference with a standard error of 1: true effects of 2.80 give |t| above
  # 1.96 in 80 % of the studies.
  effect = data_checks.smallest_effect(Estimate(0.3, 0.3 - 1.96, 0.3 + 1.96))
  assert effect.estimate == pytest.approx(1.96 + 0.8416, abs=1e-3)
  random = np.random.default_rng(1)
  found = np.abs(random.normal(effect.estimate, 1, 100_000)) > 1.96
  assert found.mean() == pytest.approx(0.8, abs=0.01)
