"""Question 3 against loops over pairs of annotators and least squares."""

import itertools

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from empathy.evaluation import ambiguity, disagreement, resampling


@given(hnp.arrays(np.int64, (4, 3), elements=st.integers(0, 4)))
def test_gs_is_the_share_of_pairs_that_differ(votes):
  found = ambiguity.gs(votes)
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
  values = ambiguity.gs(votes)
  assert abs(values.mean() - expected) < 4 * values.std() / 200


def test_entropy_by_hand():
  plain, mended = ambiguity.entropy(np.array([[2, 1, 1], [3, 0, 0], [0, 0, 0]]))
  np.testing.assert_allclose(plain[:2], [1.5 * np.log(2), 0], atol=1e-15)
  np.testing.assert_allclose(mended[:2], [1.5 * np.log(2) + 2 / 8, 0])
  assert np.isnan([plain[2], mended[2]]).all()


def test_contested_is_less_than_two_thirds():
  votes = np.array([[2, 1], [3, 2], [4, 2], [1, 1]])
  assert ambiguity.contested(votes).tolist() == [False, True, False, True]


def test_bins_by_rank_keep_ties_together():
  values = np.array([0.5, 0.1, 0.5, 0.9])
  assert ambiguity.rank_bins(values, 4).tolist() == [1, 0, 1, 3]
  even = ambiguity.rank_bins(np.random.default_rng(0).random(200), 20)
  assert (np.bincount(even) == 10).all()


def _least_squares(differ, values, stratum):
  """The coefficient of `differ` beside a constant for every stratum."""
  names = np.unique(stratum)
  design = np.column_stack([differ, stratum[:, None] == names]).astype(float)
  return np.linalg.lstsq(design, values, rcond=None)[0][0]


@given(st.integers(0, 200))
@settings(max_examples=30, deadline=None)
def test_the_adjusted_difference_is_that_of_least_squares(seed):
  random = np.random.default_rng(seed)
  n = 60
  stratum = random.integers(0, 8, n)
  differ = random.random(n) < 0.1 + 0.1 * stratum
  values = random.random(n) + 0.1 * stratum + 0.2 * differ
  sample = resampling.sample(np.arange(n) // 5)
  statistic = ambiguity.adjusted_difference(sample, differ, values, stratum)
  found = statistic(np.ones((1, 12)))[0][0]
  expected = _least_squares(differ, values, stratum)
  assert found == pytest.approx(expected, abs=1e-10)
  # And so it is by definition, stratum by stratum.
  top = bottom = 0.0
  for name in range(8):
    ones, zeros = (values[(stratum == name) & (differ == d)] for d in (1, 0))
    if len(ones) and len(zeros):
      weight = len(ones) * len(zeros) / (len(ones) + len(zeros))
      top += weight * (ones.mean() - zeros.mean())
      bottom += weight
  assert found == pytest.approx(top / bottom, abs=1e-12)


def test_no_stratum_with_both_sides_is_undefined():
  sample = resampling.sample(np.arange(8) // 2)
  differ = np.arange(8) < 4
  statistic = ambiguity.adjusted_difference(
    sample, differ, np.ones(8), differ.astype(int)
  )
  assert np.isnan(statistic(np.ones((1, 4)))[0][0])


def test_the_adjustment_takes_out_what_confidence_knows():
  # Uncertain clips make views differ and annotators differ, and nothing else
  # links them: the raw difference is large and the adjusted one is not.
  random = np.random.default_rng(3)
  n = 4000
  stratum = random.integers(0, 20, n)
  differ = random.random(n) < stratum / 20
  values = stratum / 20 + random.normal(0, 0.1, n)
  sample = resampling.sample(np.arange(n) // 100)
  raw = resampling.estimate(
    sample, ambiguity.difference(sample, differ, values), null=True
  )
  adjusted = resampling.estimate(
    sample,
    ambiguity.adjusted_difference(sample, differ, values, stratum),
    null=True,
  )
  assert raw.estimate > 0.2
  assert raw.p < 0.001
  assert abs(adjusted.estimate) < 0.02
  assert adjusted.low < 0 < adjusted.high


def _answer(corpus, predictions):
  signals = {}
  if 'text+audio' in predictions.views:
    signals = disagreement.signals(predictions, 'text+audio')
  return ambiguity.answer(corpus, predictions, signals), signals


def test_the_answer_is_about_the_full_condition():
  corpus, predictions = made.study_input()
  found, signals = _answer(corpus, predictions)
  gs = ambiguity.gs(corpus.vote_counts('text+audio'))
  differ = signals['any_disagreement'] > 0
  one = found.statistics['ambiguity.any_disagreement.gs_difference']
  assert one.estimate == pytest.approx(gs[differ].mean() - gs[~differ].mean())
  mean = predictions.probabilities['text+audio'].mean(axis=0)
  rank = np.argsort(np.argsort(mean.max(axis=1)))
  stratum = mean.argmax(axis=1) * 100 + rank * 20 // 120
  adjusted = found.statistics['ambiguity.any_disagreement.adjusted']
  assert adjusted.estimate == pytest.approx(
    _least_squares(differ, gs, stratum), abs=1e-10
  )
  assert found.primary == 'ambiguity.any_disagreement.adjusted'
  row = found.tables['ambiguity'][0]
  assert row['num_disagree'] + row['num_agree'] == 120
  assert [row['signal'] for row in found.tables['ambiguity']] == [
    'any_disagreement',
    'text_disagreement',
    'audio_disagreement',
  ]
  assert found.families == [
    [
      f'ambiguity.{name}.gs_difference'
      for name in (
        'any_disagreement',
        'text_disagreement',
        'audio_disagreement',
      )
    ],
    [
      'ambiguity.text_disagreement.adjusted',
      'ambiguity.audio_disagreement.adjusted',
    ],
  ]


def test_all_votes_speak_where_the_full_condition_has_none():
  votes = {
    'text': np.array([[1, 0, 0], [0, 2, 0]]),
    'audio': np.array([[0, 1, 0], [0, 1, 0]]),
  }
  corpus = made.corpus([0, 1], [0, 1], votes=votes)
  corpus.info['conditions'].append('text+audio')
  spoken, condition = ambiguity.speaking_votes(corpus)
  assert condition is None
  assert spoken.tolist() == [[1, 1, 0], [0, 3, 0]]


def test_curves_hold_every_clip_once():
  corpus, predictions = made.study_input()
  found, signals = _answer(corpus, predictions)
  gs = ambiguity.gs(corpus.vote_counts('text+audio'))
  number = signals['text_disagreement'] + signals['audio_disagreement']
  curve = found.curves['gs_by_disagreement']
  assert sum(curve['count']) == 120
  for place, value in enumerate(curve['num_disagreeing']):
    assert curve['gs'][place] == pytest.approx(gs[number == value].mean())
    assert curve['low'][place] < curve['gs'][place] < curve['high'][place]
  curve = found.curves['gs_by_confidence']
  assert sum(curve['num_agree']) + sum(curve['num_disagree']) == 120
  assert curve['confidence'] == sorted(curve['confidence'])
  total = sum(
    number * (mean or 0)
    for side in ('agree', 'disagree')
    for number, mean in zip(
      curve[f'num_{side}'], curve[f'gs_{side}'], strict=True
    )
  )
  assert total / 120 == pytest.approx(gs.mean())


@pytest.mark.parametrize(
  ('votes', 'views', 'says'),
  [
    (None, ('text', 'text+audio'), 'no votes'),
    (1, ('text', 'text+audio'), 'two votes'),
    (6, ('text', 'audio'), 'full view'),
    (6, ('text+audio',), 'single modality'),
  ],
)
def test_what_is_missing_is_said(votes, views, says):
  corpus, predictions = made.study_input(votes=votes or 1)
  if votes is None:
    corpus = made.corpus(range(120), corpus.labels, corpus.classes)
  some = made.predictions({v: predictions.probabilities[v] for v in views})
  found, _ = _answer(corpus, some)
  assert says in found.skipped['question 3']
  assert not found.statistics


def test_views_that_always_agree_are_said():
  corpus, predictions = made.study_input()
  same = predictions.probabilities['text']
  found, _ = _answer(
    corpus, made.predictions({v: same for v in predictions.views})
  )
  assert (
    'same value' in found.skipped['ambiguity.any_disagreement.gs_difference']
  )
  assert 'both kinds' in found.skipped['ambiguity.any_disagreement.adjusted']
