"""Question 7: leaks, baselines, duplicates and the rest, on tiny corpora."""

import dataclasses

import made
import numpy as np
import pytest

from empathy.evaluation import (
  data_checks,
  duplicates,
  independence,
  labelling,
  leakage,
  planner,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation.findings import Estimate


def _answer(corpus, predictions=None):
  totals, plan = made.added_up(corpus, predictions)
  return data_checks.answer(totals, plan)


def _counts(groups, folds, split, labels=None, num_classes=1):
  """Clips by group, place and label, one by one."""
  labels = np.zeros(len(groups), int) if labels is None else labels
  counts = np.zeros((max(groups) + 1, max(folds) + 2, num_classes))
  for group, fold, label in zip(groups, folds, labels, strict=True):
    if label >= 0 and (fold >= 0 or split):
      counts[group, fold + 1, label] += 1
  return counts


def _leakage(groups, folds, split):
  return leakage.group_leakage(_counts(groups, folds, split).sum(axis=2))


def _majorities(groups, labels, folds, num_classes):
  return leakage.majority_accuracies(
    _counts(groups, folds, False, labels, num_classes)
  )


def _verdicts(corpus, predictions=None):
  found = _answer(corpus, predictions)
  rows = {row['check']: row for row in found.tables['data_checks']}
  return found, rows


def test_leakage_by_hand():
  groups = np.array([0, 0, 1, 1, 2, 2])
  folds = np.array([0, 1, 0, 0, 1, 1])
  assert _leakage(groups, folds, False) == pytest.approx(1 / 3)
  split = np.array([-1, 0, -1, -1, 0, 0])
  # Of the three test clips, one has its group in training.
  assert _leakage(groups, split, True) == pytest.approx(1 / 3)
  assert _leakage(groups, split, False) == 0


def test_majorities_by_hand():
  groups = np.array([0, 0, 0, 1, 1, 1])
  labels = np.array([0, 0, 0, 1, 1, 0])
  folds = np.array([0, 1, 1, 0, 1, 1])
  # Held out 0: training labels 0, 0, 1, 0, by group 0 and 1 or 0 (first).
  majority, by_group = _majorities(groups, labels, folds, 2)
  # Fold 0 holds out clips 0 and 3, and is told 0, 0, 1, 0: says 0; by group 0,
  # and 0 for the tie. Fold 1 is told 0 of group 0 and 1 of group 1.
  assert majority == pytest.approx((1 + 3) / 6)
  assert by_group == pytest.approx((1 + 3) / 6)
  leaky = np.array([0, 1, 1, 0, 1, 2])
  _, by_group = _majorities(groups, labels, leaky, 2)
  majority, _ = _majorities(groups, labels, leaky, 2)
  assert by_group != majority


def test_without_a_leak_both_majorities_are_the_same():
  corpus, predictions = made.study_input()
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  folds = predictions.folds['text'][0]
  majority, by_group = _majorities(groups, corpus.labels, folds, 3)
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


def _held_out(corpus, predictions=None):
  """By way, the clips in training and in each fold: None if nobody says."""
  totals, plan = made.added_up(corpus, predictions)
  counts = totals['data', 'held_out'].sum(axis=(0, 3))
  told = data_checks.answer(totals, plan)
  said = 'data.group_leakage' in told.statistics
  return counts.tolist() if said else None


def test_what_was_held_out():
  corpus, predictions = made.study_input(30, 5)
  plain = made.corpus(np.arange(30) // 3, corpus.labels)
  assert _held_out(plain) is None
  own = dataclasses.replace(plain, fold=np.arange(30) % 4)
  assert _held_out(own) == [[0, 8, 8, 7, 7]]
  folds = np.bincount(predictions.folds['text'][0]).tolist()
  # All members held out the same clips, which is one way.
  assert _held_out(own, predictions) == [[0, *folds, 0]]
  split = np.array(['train', 'val', 'test'] * 10)
  splitted = dataclasses.replace(plain, split=split)
  assert _held_out(splitted, predictions) == [[20, 10]]
  answer, _ = _verdicts(plain)
  assert 'held out' in answer.skipped['data.group_leakage']
  assert 'data.majority_accuracy' in answer.statistics
  # One fold for all does not say what the models were trained on.
  one = made.predictions(dict(predictions.probabilities))
  assert _held_out(plain, one) is None
  # A seed with folds of its own is a second way.
  folds = {view: own.copy() for view, own in predictions.folds.items()}
  folds['audio'][1] = np.roll(folds['audio'][1], 1)
  other = dataclasses.replace(predictions, folds=folds)
  assert len(_held_out(plain, other)) == 2


def test_features_that_are_the_same():
  # 0 is what clips without the modality have: they are no repeats.
  hashes = np.array([7, 9, 0, 3, 9, 9, 0], np.uint64)
  present = np.array([1, 1, 0, 1, 1, 1, 0], bool)
  pairs = duplicates.pairs_of(np.sort(hashes))
  assert np.transpose(pairs).tolist() == [[1, 0], [5, 4], [6, 4]]
  corpus = dataclasses.replace(
    made.corpus(range(7), [0, 1, 2, 0, 1, 2, 0]),
    presence={'audio': present},
    hashes={'audio': hashes},
  )
  found, rows = _verdicts(corpus)
  assert found.statistics['data.duplicates'].estimate == pytest.approx(2 / 7)
  assert rows['duplicates']['verdict'] == 'warning'
  assert found.tables['duplicates'][0] == {
    'modality': 'audio',
    'id': 'clip4',
    'same_as': 'clip1',
    'same_group': False,
  }
  # A clip that is there twice in two modalities is one.
  both = dataclasses.replace(
    corpus,
    presence={'text': present, 'audio': present},
    hashes={'text': hashes, 'audio': np.array([1, 2, 0, 3, 2, 4, 0])},
  )
  answer = _answer(both)
  assert answer.statistics['data.duplicates'].estimate == pytest.approx(2 / 7)
  told = [(row['modality'], row['id']) for row in answer.tables['duplicates']]
  assert told == [('text', 'clip4'), ('text', 'clip5'), ('audio', 'clip4')]


def test_of_many_clips_some_hashes_tell_how_many_are_the_same(monkeypatch):
  monkeypatch.setattr(plan_lib, 'MANY_CLIPS', 5_000)
  monkeypatch.setattr(duplicates, '_MOST_KEPT', 2_000)
  random = np.random.default_rng(0)
  hashes = random.integers(0, 1 << 64, 10_000, np.uint64)
  hashes[random.permutation(10_000)[:2_000]] = hashes[:2_000]
  present = random.random(10_000) < 0.9
  corpus = dataclasses.replace(
    made.corpus(np.arange(10_000) // 9, [0] * 10_000),
    presence={'audio': present, 'text': present},
    hashes={'audio': hashes, 'text': np.arange(10_000, dtype=np.uint64)},
  )
  totals, plan = made.added_up(corpus)
  assert 1_500 < len(totals.kept['data', 'features', 'audio'].ids) < 2_100
  found = data_checks.answer(totals, plan).statistics['data.duplicates']
  assert found.method == 'of one hash of features in 5, no interval'
  there = hashes[present]
  expected = (len(there) - len(np.unique(there))) / 10_000
  # Four standard errors of a fifth of some 1,600 pairs.
  off = 4 * np.sqrt(5 * expected / 10_000)
  assert found.estimate == pytest.approx(expected, abs=off)


def test_coverage_balance_groups_and_votes():
  votes = {'text+audio': np.zeros((40, 3), int)}
  votes['text+audio'][:30, 0] = 2
  corpus = made.corpus(
    np.arange(40) // 8, [0] * 36 + [1] * 3 + [-1], votes=votes
  )
  corpus = dataclasses.replace(
    corpus,
    presence={'text': np.arange(40) < 30},
    hashes={'text': np.arange(40, dtype=np.uint64)},
  )
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
  found = _answer(
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
  hashes = np.arange(1301, dtype=np.uint64)
  hashes[7] = hashes[3]
  corpus = made.corpus(np.arange(1301) // 9, [0] * 1301, votes={'text': votes})
  corpus = dataclasses.replace(
    corpus,
    presence={'text': np.ones(1301, bool)},
    hashes={'text': hashes},
  )
  _, rows = _verdicts(corpus)
  duplicates = rows['duplicates']['sentence']
  assert duplicates.startswith('1 clip (0.1 %) has exactly the features')
  said = rows['votes_per_clip']['sentence']
  assert '1 vote that speaks for it; 1 clip has none.' in said
  labels = np.arange(3600) % 3
  _, rows = _verdicts(made.corpus(np.arange(3600) // 9, labels))
  said = rows['largest_class_share']['sentence']
  assert said == 'Each of the 3 classes has 1,200 clips.'


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
  effect = planner.smallest_effect(Estimate(0.3, 0.3 - 1.96, 0.3 + 1.96))
  assert effect.estimate == pytest.approx(1.96 + 0.8416, abs=1e-3)
  random = np.random.default_rng(1)
  found = np.abs(random.normal(effect.estimate, 1, 100_000)) > 1.96
  assert found.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
  ('count', 'sentence'),
  [
    (
      [14, 14, 14],
      'Each of the 3 classes has 14 clips.',
    ),
    (
      [20, 20, 10],
      'The largest classes, low and middle, have 20 clips (40.0 %) each; the '
      'smallest class, high, has 10 clips (20.0 %).',
    ),
    (
      [6, 1, 3],
      'The largest class, low, has 6 clips (60.0 %); the smallest class, '
      'middle, has 1 clip (10.0 %).',
    ),
  ],
)
def test_classes_that_share_a_place(count, sentence):
  told = labelling.class_sentence(made.CLASSES, np.array(count))
  assert told == sentence


def test_no_label_at_all_asks_for_care():
  corpus = made.corpus(np.arange(60) // 2, [-1] * 60)
  found, rows = _verdicts(corpus)
  assert rows['labelled_share']['verdict'] == 'warning'
  assert found.statistics['data.labelled_share'].estimate == 0


def test_groups_of_one_clip_ask_for_care():
  _, rows = _verdicts(made.corpus(np.arange(60), np.arange(60) % 3))
  assert rows['num_groups']['verdict'] == 'warning'
  assert 'no column group' in rows['num_groups']['sentence']
  _, rows = _verdicts(made.corpus(np.arange(60) // 2, np.arange(60) % 3))
  assert rows['num_groups']['verdict'] == 'ok'


def test_straddling_by_hand():
  # a is on both sides, b on one with two clips, c on the other.
  values, sides = np.array([7, 7, 8, 9]), np.array([0, 1, 0, 1])
  number = np.array([1, 3, 2, 1])
  assert independence.straddling(values, sides, number) == (1, 4)


@pytest.mark.parametrize(
  ('name', 'known'),
  [
    ('speaker', True),
    ('Speaker ID', True),
    ('participant_id', True),
    ('ActorName', True),
    ('Dialogue_ID', True),
    ('speakers', True),
    ('caller no.', True),
    ('transcript', False),
    ('subjective', False),
    ('id2', False),
  ],
)
def test_columns_that_name_speakers(name, known):
  corpus = made.corpus(
    range(4), [0, 1, 2, 0], metadata={name: np.array(list('aaaa'))}
  )
  assert independence.speaker_columns(corpus) == [name] * known


def test_speakers_on_both_sides_are_counted():
  # Speaker s of clip i; groups are pairs of clips, folds are halves.
  speakers = np.array(['ann'] * 3 + ['bob'] * 3 + ['eve'] * 6)
  corpus = made.corpus(
    np.arange(12) // 2,
    np.arange(12) % 3,
    fold=np.array([0] * 4 + [1] * 8),
    metadata={'Speaker': speakers},
  )
  _, rows = _verdicts(corpus)
  assert rows['speakers']['verdict'] == 'warning'
  assert rows['speakers']['sentence'] == (
    '3 of 3 values of the column Speaker are in more than one group, with '
    '100.0 % of the clips; 1 of 3 values of the column Speaker is in more than '
    'one fold, with 25.0 % of the clips: models may know them, and groups are '
    'not independent.'
  )
  apart = dataclasses.replace(
    corpus, metadata={'speaker': np.repeat(list('abcdef'), 2)}
  )
  _, rows = _verdicts(apart)
  assert rows['speakers']['verdict'] == 'ok'
  assert 'speakers' not in _verdicts(made.corpus(range(4), [0, 1, 2, 0]))[1]


def test_folds_that_nobody_tells_ask_for_care():
  corpus, predictions = made.study_input(30, 5)
  _, rows = _verdicts(corpus, made.predictions(dict(predictions.probabilities)))
  assert rows['folds']['verdict'] == 'warning'
  assert 'Folds unknown' in rows['folds']['sentence']
  assert 'folds' not in _verdicts(corpus, predictions)[1]


def test_folds_of_predictions_that_part_groups_fail():
  corpus, predictions = made.study_input(30, 5)
  probabilities = dict(predictions.probabilities)
  parted = made.predictions(probabilities, folds=np.arange(30) % 3)
  _, rows = _verdicts(corpus, parted)
  assert rows['group_leakage']['verdict'] == 'fail'


def test_views_that_were_not_given_are_named():
  corpus, predictions = made.study_input(30, 5)
  _, rows = _verdicts(corpus, predictions)
  assert rows['views']['verdict'] == 'ok'
  given = {
    view: predictions.probabilities[view] for view in ('text', 'text+audio')
  }
  _, rows = _verdicts(corpus, made.predictions(given))
  assert rows['views']['verdict'] == 'warning'
  assert 'no predictions of audio alone' in rows['views']['sentence']
  assert 'said of text' in rows['views']['sentence']
  _, rows = _verdicts(corpus, made.predictions({'text': given['text']}))
  assert 'the full view, text+audio' in rows['views']['sentence']


def test_labels_written_as_probabilities_ask_for_care():
  corpus, predictions = made.study_input(30, 5)
  _, rows = _verdicts(corpus, predictions)
  assert rows['confidence']['verdict'] == 'ok'
  hard = {
    view: np.eye(3)[p.argmax(axis=-1)]
    for view, p in predictions.probabilities.items()
  }
  found, rows = _verdicts(corpus, made.predictions(hard))
  assert rows['confidence']['verdict'] == 'warning'
  assert found.statistics['data.confidence'].estimate == 1
  hard['text'] = predictions.probabilities['text']
  _, rows = _verdicts(corpus, made.predictions(hard))
  assert 'confidence of audio and text+audio' in rows['confidence']['sentence']


@pytest.mark.parametrize('declared', [None, 'text+audio'])
def test_a_label_of_a_scale_may_be_the_class_of_a_mean(declared):
  random = np.random.default_rng(0)
  votes = random.multinomial(5, [0.4, 0.2, 0.4], 200)
  values = np.array([1.0, 2.0, 3.0])
  # A mean of five is never half-way between two of these.
  means = np.round(votes @ values / 5).astype(int) - 1
  for labels, rule, words in (
    (means, 'mean_class', 'class of the mean'),
    (votes.argmax(axis=1), 'plurality', 'plurality'),
  ):
    corpus = made.corpus(
      np.arange(200) // 5, labels, votes={'text+audio': votes}
    )
    corpus = made.with_values(corpus, tuple(values))
    if declared:
      corpus.info['label_source'] = declared
    _, rows = _verdicts(corpus)
    sentence = rows[f'label_is_{rule}']['sentence']
    told = f'is the {words} of the votes on text+audio on 100.0 %'
    assert told in sentence
    assert ('looks as if' in sentence) == (declared is None)
    assert len([name for name in rows if name.startswith('label_is')]) == 1


@pytest.mark.parametrize(
  ('declared', 'same', 'verdict', 'says'),
  [
    (None, True, 'warning', 'looks as if it was made from them'),
    ('votes', True, 'warning', 'corpus.json says that it was made from them'),
    ('intended', True, 'ok', 'corpus.json says that its source is intended'),
    (None, False, 'ok', 'without a tie.'),
  ],
)
def test_where_a_label_is_from_is_known_or_looks_so(
  declared, same, verdict, says
):
  random = np.random.default_rng(0)
  votes = random.multinomial(7, [0.5, 0.3, 0.2], 200)
  labels = votes.argmax(axis=1) if same else random.integers(0, 3, 200)
  corpus = made.corpus(np.arange(200) // 5, labels, votes={'text+audio': votes})
  if declared:
    corpus.info['label_source'] = declared
  _, rows = _verdicts(corpus)
  assert rows['label_is_plurality']['verdict'] == verdict
  assert says in rows['label_is_plurality']['sentence']
  assert ('looks as if' in rows['label_is_plurality']['sentence']) == (
    same and not declared
  )
