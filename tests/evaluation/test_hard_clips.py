"""Whether humans and models find the same clips hard, against SciPy."""

import dataclasses
import re

import made
import numpy as np
import pytest
from scipy import stats

from empathy.evaluation import humans, plan
from empathy.evaluation import votes as votes_lib

_NAMES = ('one_minus_confidence', 'one_minus_gold_probability', 'error')


def _answer(corpus, predictions, source='intended'):
  """What is found of models, where a label is from such votes or others."""
  info = {**corpus.info, 'label_source': source}
  corpus = dataclasses.replace(corpus, info=info)
  found = made.answer(humans, corpus, predictions)

  def own(names):
    return {n: names[n] for n in names if n.startswith('humans.models')}

  return dataclasses.replace(
    found,
    statistics=own(found.statistics),
    skipped=own(found.skipped),
  )


def _value(found, name):
  return found.statistics[f'humans.models.{name}.spearman']


def test_correlations_are_those_of_scipy():
  corpus, predictions = made.study_input()
  found = _answer(corpus, predictions)
  mean = predictions.probabilities['text+audio'].mean(axis=0)
  gs = votes_lib.gs(corpus.vote_counts('text+audio')).round(12)
  signals = (
    1 - mean.max(axis=1),
    1 - mean[np.arange(120), corpus.labels],
    mean.argmax(axis=1) != corpus.labels,
  )
  for name, signal in zip(_NAMES, signals, strict=True):
    one = _value(found, name)
    expected = stats.spearmanr(np.round(signal.astype(float), 12), gs)
    assert one.estimate == pytest.approx(expected.statistic)
    assert one.low < one.estimate < one.high
    assert (one.p <= 0.05) == (one.low > 0 or one.high < 0)
    assert one.n == 120
  rows = found.tables['humans_and_models']
  assert [row['signal'] for row in rows] == list(_NAMES)


def test_models_that_struggle_elsewhere_are_told():
  random = np.random.default_rng(0)
  labels = random.integers(0, 3, 600)
  hard = random.random(600) < 0.5
  shares = np.where(hard[:, None], 1 / 3, 0.1 / 3 + 0.9 * np.eye(3)[labels])
  votes = {'text+audio': random.multinomial(6, shares)}
  corpus = made.corpus(np.arange(600) // 30, labels, votes=votes)
  for doubt, sign in ((hard, 1), (~hard, -1)):
    scores = np.where(doubt[:, None], 0.2, 3.0) * np.eye(3)[labels]
    scores = scores + random.normal(0, 0.5, (2, 600, 3))
    found = _answer(
      corpus, made.predictions({'text+audio': made.softmax(scores)})
    )
    for name in _NAMES:
      one = _value(found, name)
      assert sign * one.estimate > 0.2
      assert min(sign * one.low, sign * one.high) > 0
      assert one.p < 0.01
  scores = random.normal(0, 1, (2, 600, 3))
  found = _answer(
    corpus, made.predictions({'text+audio': made.softmax(scores)})
  )
  for name in _NAMES:
    one = _value(found, name)
    assert one.low < 0 < one.high
    assert one.p > 0.01


def test_votes_that_made_the_label_do_not_judge_it():
  corpus, predictions = made.study_input()
  for source in ('text+audio', 'votes'):
    found = _answer(corpus, predictions, source)
    assert list(found.statistics) == [
      'humans.models.one_minus_confidence.spearman'
    ]
    for name in _NAMES[1:]:
      reason = found.skipped[f'humans.models.{name}.spearman']
      assert 'made its label' in reason
  # Other votes may.
  assert len(_answer(corpus, predictions, 'text').statistics) == 3


def test_what_is_missing_is_said():
  corpus, predictions = made.study_input()
  name = 'humans.models'
  for none in (None, made.predictions({'text': np.full((1, 120, 3), 1 / 3)})):
    found = _answer(corpus, none)
    assert 'no predictions of the full view' in found.skipped[name]
  unlabelled = dataclasses.replace(corpus, labels=np.full(120, -1))
  found = _answer(unlabelled, predictions)
  assert len(found.statistics) == 1
  assert found.skipped[f'{name}.error.spearman'] == 'No clip has a label.'
  lone = made.corpus(
    np.arange(120) // 10,
    corpus.labels,
    votes={'text+audio': np.eye(3, dtype=int)[corpus.labels]},
  )
  found = _answer(lone, predictions)
  assert found.skipped[name] == 'No predicted clip has two votes or more.'
  # Models that never err, or are always as sure, have nothing to correlate.
  sure = np.full((1, 120, 3), 0.1)
  sure[0, np.arange(120), corpus.labels] = 0.8
  found = _answer(corpus, made.predictions({'text+audio': sure}))
  assert not found.statistics
  assert len(found.skipped) == 3


def test_a_view_without_confidence_finds_no_clip_hard():
  corpus, predictions = made.study_input()
  constant = {
    view: np.tile([0.5, 0.3, 0.2], (*p.shape[:-1], 1))
    for view, p in predictions.probabilities.items()
  }
  found = _answer(corpus, made.predictions(constant))
  assert not found.statistics
  assert 'one value only' in next(iter(found.skipped.values()))
  hard = {
    view: np.eye(3)[p.argmax(axis=-1)][:1]
    for view, p in predictions.probabilities.items()
  }
  found = _answer(corpus, made.predictions(hard))
  assert list(found.statistics) == ['humans.models.error.spearman']


def test_a_grid_says_how_far_it_can_be_off(monkeypatch):
  corpus, predictions = made.study_input(600, 30, 2)
  exact = _answer(corpus, predictions)
  monkeypatch.setattr(plan, 'MANY_CLIPS', 100)
  found = _answer(corpus, predictions)
  for name in _NAMES:
    one, other = _value(found, name), _value(exact, name)
    off = re.search(r'signal on a grid \(off ([.\d]+) at most\)', one.method)
    if name == 'error':
      assert one == other
      continue
    assert 0 < abs(one.estimate - other.estimate) < float(off[1]) < 0.05
    assert one.low == pytest.approx(other.low, abs=0.01)
    assert one.n == other.n
