"""Dominance against its definition, worked clips and planted truths."""

import dataclasses
import itertools
import math

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import dominance
from empathy.evaluation import plan as plan_lib
from empathy.evaluation.batches import Batch

_MODALITIES = ('text', 'audio', 'video')
_FULL = 'text+audio+video'


def _answer(corpus, predictions):
  return made.answer(dominance, corpus, predictions)


def _judged(corpus, predictions):
  batch = Batch(corpus, predictions)
  return dominance.judge(batch, plan_lib.of_batch(batch))


def _columns(corpus, predictions):
  batch = Batch(corpus, predictions)
  plan = plan_lib.of_batch(batch)
  return dominance.clip_columns(batch, plan, dominance.judge(batch, plan))


def _parts(modalities=_MODALITIES):
  return [
    some
    for size in range(1, len(modalities) + 1)
    for some in itertools.combinations(modalities, size)
  ]


def _input(shown, labels, groups=None, folds=None, **changes):
  """A corpus and predictions of the full view from {given: (S, N, C)}."""
  num_clips, num_classes = next(iter(shown.values())).shape[1:]
  modalities = max(shown, key=len).split('+')
  corpus = made.corpus(
    np.arange(num_clips) if groups is None else groups,
    labels,
    classes=tuple(f'class{i}' for i in range(num_classes)),
    modalities=modalities,
  )
  full = corpus_lib.view_name(modalities)
  predictions = made.predictions({full: shown[full]}, folds)
  return corpus, dataclasses.replace(
    predictions,
    subsets={(full, given): p for given, p in shown.items()},
    **changes,
  )


def _by_orders(values, bits):
  """Shapley's values as means over all orders in which players may come."""
  found = np.zeros((len(values[0]), len(bits)))
  for order in itertools.permutations(range(len(bits))):
    there = 0
    for place in order:
      after = there | 1 << bits[place]
      found[:, place] += values[after] - values[there]
      there = after
  return found / math.factorial(len(bits))


@given(
  bits=st.sampled_from([[0], [0, 1], [0, 2], [0, 1, 2], [1, 2, 3, 5]]),
  seed=st.integers(0, 100),
)
@settings(max_examples=30, deadline=None)
def test_shapley_is_the_mean_over_orders(bits, seed):
  random = np.random.default_rng(seed)
  coalitions = [
    sum(1 << bit for bit in some)
    for size in range(len(bits) + 1)
    for some in itertools.combinations(bits, size)
  ]
  values = {coalition: random.random(5) for coalition in coalitions}
  found = dominance.shapley_values(values, bits)
  np.testing.assert_allclose(found, _by_orders(values, bits), atol=1e-12)
  total = values[sum(1 << bit for bit in bits)] - values[0]
  np.testing.assert_allclose(found.sum(axis=1), total, atol=1e-12)


def test_players_that_are_alike_or_idle_are_treated_so():
  random = np.random.default_rng(0)
  worth = random.random((3, 8))
  # Players 0 and 1 count by how many of them are there, player 2 not at all.
  values = {mask: worth[(mask & 1) + (mask >> 1 & 1)] for mask in range(8)}
  found = dominance.shapley_values(values, [0, 1, 2])
  np.testing.assert_allclose(found[:, 0], found[:, 1], atol=1e-12)
  np.testing.assert_allclose(found[:, 2], 0, atol=1e-12)


# Each clip: the probability of the first of two classes when shown text, audio
# and both; the label; then who dominates and whether the clip is unsupported,
# misled and rescued. Half of the labels are of each class.
_WORKED = [
  ((0.9, 0.4, 0.8), 1, 'text', True, True, False),
  ((0.9, 0.4, 0.8), 0, 'text', True, False, True),
  ((0.9, 0.6, 0.8), 1, 'text', False, False, False),
  ((0.3, 0.1, 0.2), 0, 'audio', False, False, False),
  ((0.7, 0.1, 0.2), 0, 'audio', True, True, False),
  ((0.7, 0.1, 0.2), 1, 'audio', True, False, True),
  ((0.5, 0.5, 0.5), 0, '', False, False, False),
]


def test_worked_clips():
  first = np.array([row[0] for row in _WORKED]).T
  p = np.stack([first, 1 - first], axis=-1)
  shown = {
    given: p[place][None]
    for place, given in enumerate(('text', 'audio', 'text+audio'))
  }
  # An eighth clip evens out the classes; it was shown in part only.
  shown = {
    given: np.concatenate([values, [[[0.5, 0.5]]]], axis=1)
    for given, values in shown.items()
  }
  shown['text'][:, 7] = np.nan
  labels = np.array([*(row[1] for row in _WORKED), 1])
  assert labels.mean() == 0.5
  corpus, predictions = _input(shown, labels)
  columns = _columns(corpus, predictions)
  assert columns['dominant'].tolist() == [*(row[2] for row in _WORKED), '']
  judged = [row[2] != '' for row in _WORKED]
  for name, place in (
    ('unsupported', 3),
    ('gold_misled', 4),
    ('gold_rescued', 5),
  ):
    expected = [
      float(row[place]) if there else np.nan
      for row, there in zip(_WORKED, judged, strict=True)
    ]
    np.testing.assert_array_equal(columns[name], [*expected, np.nan])
  # v: 0 -> .5, text .9, audio .4, both .8.
  np.testing.assert_allclose(columns['text_shapley'][0], (0.4 + 0.4) / 2)
  np.testing.assert_allclose(columns['audio_shapley'][0], (-0.1 - 0.1) / 2)
  found = _answer(corpus, predictions).statistics
  assert found['dominance.any.misled'].estimate == pytest.approx(2 / 6)
  assert found['dominance.any.net_harm'].estimate == 0
  assert found['dominance.text.rate'].estimate == pytest.approx(0.5)
  assert found['dominance.any.unsupported'].estimate == pytest.approx(4 / 6)
  assert found['dominance.any.net_harm'].n == 6


def test_class_shares_are_those_of_other_folds():
  shown = {
    given: np.array([[[0.6, 0.4]] * 4])
    for given in ('text', 'audio', 'text+audio')
  }
  labels = np.array([0, 0, 1, 0])
  corpus, predictions = _input(shown, labels, folds=np.array([0, 0, 1, 1]))
  columns = _columns(corpus, predictions)
  total = columns['text_shapley'] + columns['audio_shapley']
  np.testing.assert_allclose(total, 0.6 - np.array([0.5, 0.5, 1, 1]))
  corpus = dataclasses.replace(
    corpus, split=np.array(['train', 'test', 'test', 'train'])
  )
  columns = _columns(corpus, predictions)
  total = columns['text_shapley'] + columns['audio_shapley']
  np.testing.assert_allclose(total, -0.4)


def test_gates_are_shares_of_what_is_let_in():
  random = np.random.default_rng(1)
  shown = {
    '+'.join(some): made.softmax(random.normal(0, 1, (2, 30, 3)))
    for some in _parts()
  }
  gates = {m: random.random((2, 30)) for m in _MODALITIES}
  # A clip without audio, and one that a seed did not predict.
  gates['audio'][:, 3] = np.nan
  for values in gates.values():
    values[1, 5] = np.nan
  corpus, predictions = _input(
    shown, random.integers(0, 3, 30), gates={_FULL: gates}
  )
  found = _answer(corpus, predictions)
  total = np.nansum(list(gates.values()), axis=0)
  for modality in _MODALITIES:
    let_in = np.nan_to_num(gates[modality])
    shares = let_in / np.where(total > 0, total, np.nan)
    expected = np.nanmean(shares, axis=0).mean()
    one = found.statistics[f'dominance.{modality}.gate_share']
    assert one.estimate == pytest.approx(expected, rel=1e-12)
    assert one.low < expected < one.high
  assert 'attention' in found.skipped['dominance.attention_share']


def test_what_cannot_be_judged_is_said():
  corpus, predictions = made.study_input()
  found = _answer(corpus, predictions)
  assert 'given' in found.skipped['question 4']
  one = made.predictions({'text': predictions.probabilities['text']})
  assert 'full view' in _answer(corpus, one).skipped['question 4']
  lone = made.corpus(np.arange(120), corpus.labels, modalities=('text',))
  assert 'one modality' in _answer(lone, one).skipped['question 4']
  random = np.random.default_rng(2)
  shown = {
    given: made.softmax(random.normal(0, 1, (1, 20, 3)))
    for given in ('text', 'audio', 'text+audio')
  }
  corpus, predictions = _input(shown, np.full(20, -1))
  found = _answer(corpus, predictions)
  assert 'label' in found.skipped['dominance.any.net_harm']
  assert 'dominance.any.unsupported' in found.statistics
  assert found.statistics['dominance.text.rate'].n == 20


def test_equals_share_a_clip_and_nobody_leads_below_nothing():
  # v(none) is one half. Clip 0: both modalities do the same, so either leads
  # half of it; dropping either turns the label. Clip 1: neither helps.
  first = np.array([[0.4, 0.4], [0.4, 0.4], [0.8, 0.4]])
  first[2, 1] = 0.5
  p = np.stack([first, 1 - first], axis=-1)[:, None]
  shown = dict(zip(('text', 'audio', 'text+audio'), p, strict=True))
  # The other clips even out the classes, and were shown in part only.
  shown = {
    given: np.concatenate([q, np.full((1, 2, 2), 0.5)], axis=1)
    for given, q in shown.items()
  }
  shown['text'][:, 2:] = np.nan
  corpus, predictions = _input(shown, np.array([1, 0, 1, 0]))
  found = _judged(corpus, predictions)
  np.testing.assert_allclose(found.leads[0], [0.5, 0.5])
  np.testing.assert_allclose(found.leads[1:], 0)
  assert found.dominant.tolist() == [-1] * 4
  misled, rescued = found.harm(corpus.labels)
  np.testing.assert_allclose(misled[0], [0.5, 0.5])
  assert not rescued.any()
  columns = _columns(corpus, predictions)
  assert columns['dominant'].tolist() == [''] * 4
  assert columns['gold_misled'][0] == 1
  statistics = _answer(corpus, predictions).statistics
  rates = [
    statistics[f'dominance.{m}.rate'].estimate for m in ('text', 'audio')
  ]
  assert rates[0] == rates[1] <= 0.5


def test_net_harm_is_judged_one_sided():
  random = np.random.default_rng(7)
  labels, likelihoods, _ = _cues(random, 2_000)
  found = made.answer(
    dominance, *_input(_optimal(likelihoods, _CONFLICT), labels)
  )
  assert found.statistics['dominance.any.net_harm'].p > 0.99
  assert found.statistics['dominance.any.net_harm'].one_sided


_NUM_CLASSES = 3
_CONFLICT = 0.3


def _cues(random, num_clips, culprit=None, conflict=_CONFLICT):
  """Labels, log-likelihoods (M, N, C) of every cue, whether there is conflict.

  Cues are Gaussian about a corner of a triangle. In a share of the clips the
  cue of one modality, or of `culprit`, is that of another class.
  """
  labels = random.integers(0, _NUM_CLASSES, num_clips)
  there = random.random(num_clips) < conflict
  who = random.integers(0, 3, num_clips)
  if culprit is not None:
    who[:] = culprit
  other = (labels + random.integers(1, _NUM_CLASSES, num_clips)) % _NUM_CLASSES
  likelihoods = []
  for place in range(3):
    shown = np.where(there & (who == place), other, labels)
    cue = 1.5 * np.eye(_NUM_CLASSES)[shown]
    cue = cue + random.normal(0, 1, cue.shape)
    distance = cue[:, None] - 1.5 * np.eye(_NUM_CLASSES)
    likelihoods.append(-0.5 * (distance**2).sum(axis=-1))
  return labels, np.array(likelihoods), there


def _optimal(likelihoods, conflict):
  """The posterior for every part: it knows how often cues are in conflict."""
  f = np.exp(likelihoods)
  wrong = (f.sum(axis=-1, keepdims=True) - f) / (_NUM_CLASSES - 1)
  shown = {}
  for some in _parts():
    places = [_MODALITIES.index(m) for m in some]
    plain = np.prod(f[places], axis=0)
    # The culprit may be one of those that are not shown.
    total = (1 - conflict * len(places) / 3) * plain
    for culprit in places:
      others = [place for place in places if place != culprit]
      total += conflict / 3 * np.prod(f[others], axis=0) * wrong[culprit]
    shown['+'.join(some)] = (total / total.sum(axis=1, keepdims=True))[None]
  return shown


def _added(likelihoods, loud):
  """A fusion that adds evidence, and weighs that of one modality more."""
  weights = np.where(np.arange(3) == loud, 2.5, 1.0)[:, None, None]
  return {
    '+'.join(some): made.softmax(
      (weights * likelihoods)[[_MODALITIES.index(m) for m in some]].sum(axis=0)
    )[None]
    for some in _parts()
  }


@pytest.mark.parametrize('conflict', [0.0, _CONFLICT])
def test_an_optimal_fusion_does_no_net_harm(conflict):
  random = np.random.default_rng(3)
  labels, likelihoods, _ = _cues(random, 4_000, conflict=conflict)
  found = made.answer(
    dominance, *_input(_optimal(likelihoods, conflict), labels)
  )
  harm = found.statistics['dominance.any.net_harm']
  assert harm.high < 0
  # It is misled all the same, which is why misled alone says nothing.
  assert found.statistics['dominance.any.misled'].estimate > 0.01
  for modality in _MODALITIES:
    assert found.statistics[f'dominance.{modality}.net_harm'].high < 0


@pytest.mark.parametrize('culprit', [0, 2])
def test_a_planted_loud_modality_is_found_and_harms(culprit):
  random = np.random.default_rng(4)
  labels, likelihoods, there = _cues(random, 4_000, culprit, 0.4)
  corpus, predictions = _input(_added(likelihoods, culprit), labels)
  found = _judged(corpus, predictions)
  misled, _ = found.harm(labels)
  planted = (misled.sum(axis=1) > 0) & there
  assert planted.sum() > 200
  assert (found.dominant[planted] == culprit).mean() >= 0.95
  statistics = _answer(corpus, predictions).statistics
  assert statistics['dominance.any.net_harm'].low > 0
  name = _MODALITIES[culprit]
  assert statistics[f'dominance.{name}.net_harm'].low > 0
  rates = [statistics[f'dominance.{m}.rate'].estimate for m in _MODALITIES]
  assert int(np.argmax(rates)) == culprit


def test_by_modality_adds_up_to_all():
  random = np.random.default_rng(5)
  labels, likelihoods, _ = _cues(random, 500)
  found = made.answer(
    dominance, *_input(_added(likelihoods, 1), labels)
  ).statistics
  for figure in ('unsupported', 'misled', 'rescued', 'net_harm'):
    parts = [found[f'dominance.{m}.{figure}'].estimate for m in _MODALITIES]
    total = found[f'dominance.any.{figure}'].estimate
    assert sum(parts) == pytest.approx(total, abs=1e-12)
  rates = [found[f'dominance.{m}.rate'].estimate for m in _MODALITIES]
  assert sum(rates) == pytest.approx(1)
