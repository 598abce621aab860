"""Question 5, by hand and on published votes."""

import pathlib

import made
import numpy as np
import pytest

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import humans


def test_shares_by_hand():
  votes = {
    'text': np.array([[2, 1, 0], [0, 3, 0], [1, 0, 1]]),
    'text+audio': np.array([[3, 0, 0], [0, 1, 1], [0, 0, 0]]),
  }
  corpus = made.corpus([0, 1, 2], [0, 1, 1], votes=votes)
  found = humans.answer(corpus)
  value = {name: e.estimate for name, e in found.statistics.items()}
  assert value['humans.text.accuracy'] == pytest.approx(5 / 8)
  assert value['humans.text+audio.accuracy'] == pytest.approx(4 / 5)
  assert value['humans.text.gs'] == pytest.approx((2 / 3 + 0 + 1) / 3)
  assert value['humans.text.observed_agreement'] == pytest.approx(
    1 - value['humans.text.gs']
  )
  for name, one in found.statistics.items():
    shares = ('accuracy', 'gs', 'observed_agreement')
    is_share = name.endswith(shares) and 'full_minus' not in name
    assert ('logit' in one.method) == is_share or one.low is None
  # Pairs are clips: (1 - 2/3) and (1/2 - 1); the third has no second votes.
  difference = found.statistics['humans.full_minus_text.accuracy']
  assert difference.estimate == pytest.approx((1 / 3 - 1 / 2) / 2)
  assert difference.n == 2
  assert found.primary == 'humans.full_minus_text.accuracy'
  row = found.tables['humans'][0]
  assert (row['num_clips'], row['num_votes']) == (3, 8)


def test_the_primary_is_minus_the_best_other_condition():
  random = np.random.default_rng(0)
  labels = random.integers(0, 3, 60)
  shares = {'text': 0.1, 'audio': 0.5, 'text+audio': 0.6}
  votes = {
    name: random.multinomial(
      7, 0.9 * share * np.eye(3)[labels] + (1 - 0.9 * share) / 3
    )
    for name, share in shares.items()
  }
  found = humans.answer(made.corpus(np.arange(60) // 5, labels, votes=votes))
  assert found.primary == 'humans.full_minus_audio.accuracy'
  assert found.families == [['humans.full_minus_text.accuracy']]


def test_what_is_missing_is_said():
  none = made.corpus([0, 1], [0, 1])
  assert 'no votes' in humans.answer(none).skipped['question 5']
  votes = {'text': np.array([[1, 0, 0], [0, 2, 0]])}
  one = humans.answer(made.corpus([0, 1], [0, 1], votes=votes))
  skipped = one.skipped['humans.full_minus_other.accuracy']
  assert 'one condition only' in skipped
  # What is answered in part is not skipped as a whole.
  assert 'question 5' not in one.skipped
  assert one.statistics['humans.text.accuracy'].estimate == 1
  unlabelled = humans.answer(made.corpus([0, 1], [-1, -1], votes=votes))
  assert 'label' in unlabelled.skipped['humans.text.accuracy']
  assert 'humans.text.gs' in unlabelled.statistics
  single = {'text': np.array([[1, 0, 0], [0, 1, 0]])}
  lone = humans.answer(made.corpus([0, 1], [0, 1], votes=single))
  assert 'two votes' in lone.skipped['humans.text.gs']


def test_votes_do_not_judge_themselves():
  random = np.random.default_rng(1)
  votes = {
    name: random.multinomial(9, [0.5, 0.3, 0.2], 100)
    for name in ('text', 'text+audio')
  }
  together = votes['text'] + votes['text+audio']
  for made_from, says in (
    (together, 'plurality of all votes'),
    (votes['text'], 'plurality of the votes on text,'),
    (votes['text+audio'], 'plurality of the votes on text+audio,'),
  ):
    label = made_from.argmax(axis=1)
    found = humans.answer(made.corpus(np.arange(100) // 5, label, votes=votes))
    assert says in found.skipped['humans.full_minus_text.accuracy']
    assert 'question 5' not in found.skipped
    assert found.primary is None
    assert 'humans.text.accuracy' in found.statistics
  # One label from elsewhere, or too few clips to tell, and they may.
  label[0] = (label[0] + 1) % 3
  found = humans.answer(made.corpus(np.arange(100) // 5, label, votes=votes))
  assert found.primary == 'humans.full_minus_text.accuracy'
  assert not humans.votes_made_label(votes['text'][:20], label[:20])


def test_annotators_gain_from_both_modalities():
  shared = pathlib.Path(__file__).parents[3] / 'shared/corpora/crema_d'
  if not shared.exists():
    pytest.skip(f'{shared} is not there')
  found = humans.answer(corpus_lib.read(shared)).statistics
  for condition, expected in (
    ('audio', 0.400),
    ('video', 0.574),
    ('audio+video', 0.631),
  ):
    one = found[f'humans.{condition}.accuracy']
    assert round(one.estimate, 3) == expected
    assert one.low < one.estimate < one.high
    assert '91 groups' in one.method
  gain = found['humans.full_minus_video.accuracy']
  assert round(gain.estimate, 3) == 0.057
  assert gain.low > 0.045
