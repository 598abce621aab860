"""Question 3 against loops, least squares and other tools."""

import dataclasses
import re

import made
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from empathy.evaluation import ambiguity, beyond_seeds
from empathy.evaluation import confidence as confidence_lib
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch


def _answer(corpus, predictions):
  found = made.answer(ambiguity, corpus, predictions)
  return found, Batch(corpus, predictions).signals


def test_the_answer_is_about_the_full_condition():
  corpus, predictions = made.study_input(num_seeds=3)
  found, signals = _answer(corpus, predictions)
  gs = votes_lib.gs(corpus.vote_counts('text+audio'))
  differ = signals['any_disagreement'] > 0
  one = found.statistics['ambiguity.any_disagreement.gs_difference']
  assert one.estimate == pytest.approx(gs[differ].mean() - gs[~differ].mean())
  mean = predictions.probabilities['text+audio'].mean(axis=0)
  rank = np.argsort(np.argsort(mean.max(axis=1)))
  stratum = mean.argmax(axis=1) * 100 + rank * 20 // 120
  adjusted = found.statistics['ambiguity.any_disagreement.adjusted']
  assert adjusted.estimate == pytest.approx(
    made.least_squares(differ, gs, stratum), abs=1e-10
  )
  assert found.primary == 'ambiguity.any_disagreement.beyond_seeds'
  binary = ['any_disagreement', 'text_disagreement', 'audio_disagreement']
  assert [row['signal'] for row in found.tables['ambiguity']] == [
    *binary,
    *(f'control.{name}' for name in ('seed', 'constant', 'noise', 'permuted')),
  ]
  for row in found.tables['ambiguity']:
    assert row['num_disagree'] + row['num_agree'] == pytest.approx(120)
  assert found.families[:2] == [
    [f'ambiguity.{name}.gs_difference' for name in binary],
    [f'ambiguity.{name}.adjusted' for name in binary],
  ]
  one, views, control = (
    found.statistics[f'ambiguity.{name}'].estimate
    for name in (
      'any_disagreement.beyond_seeds',
      'any_disagreement.adjusted_by_seed',
      'control.seed.adjusted',
    )
  )
  assert one == pytest.approx(views - control)
  # Controls stand beside the findings and are in no family of theirs.
  assert not [
    name for names in found.families for name in names if 'control.' in name
  ]


def test_every_signal_ranks_contested_clips():
  corpus, predictions = made.study_input()
  found, signals = _answer(corpus, predictions)
  votes = corpus.vote_counts('text+audio')
  hit = votes_lib.contested(votes)
  doubt = metrics.roc_auc_score(hit, signals['one_minus_confidence'])
  assert {row['signal'] for row in found.tables['ambiguity_signals']} == set(
    signals
  )
  for name, signal in signals.items():
    own = metrics.roc_auc_score(hit, np.round(signal, 12))
    figures = {
      'auroc_contested': own,
      'spearman': stats.spearmanr(
        np.round(signal, 12), np.round(votes_lib.gs(votes), 12)
      )[0],
    }
    if name != 'one_minus_confidence':
      figures['auroc_minus_confidence'] = own - doubt
    for figure, value in figures.items():
      one = found.statistics[f'ambiguity.{name}.{figure}']
      assert one.estimate == pytest.approx(value, abs=1e-10), (name, figure)
    assert 0 < found.statistics[f'ambiguity.{name}.spearman'].p <= 1
    # All clips have six votes.
    assert f'ambiguity.{name}.auroc_contested_equal_n' not in found.statistics


def test_precision_is_held_against_the_least_confident_clips():
  corpus, predictions = made.study_input()
  found, signals = _answer(corpus, predictions)
  hit = votes_lib.contested(corpus.vote_counts('text+audio'))
  differ = signals['any_disagreement'] > 0
  least = np.argsort(-signals['one_minus_confidence'])[: differ.sum()]
  one = found.statistics[
    'ambiguity.any_disagreement.precision_minus_confidence'
  ]
  assert one.estimate == pytest.approx(hit[differ].mean() - hit[least].mean())
  assert one.p is None


def test_numbers_of_votes_that_vary_are_told_apart():
  corpus, predictions = made.study_input()
  votes = corpus.vote_counts('text+audio')
  votes[::2] = np.minimum(votes[::2], 2)
  corpus = made.corpus(
    np.arange(120) % 12,
    corpus.labels,
    corpus.classes,
    votes={'text+audio': votes},
  )
  found, _ = _answer(corpus, predictions)
  one = found.statistics['ambiguity.entropy.auroc_contested_equal_n']
  other = found.statistics['ambiguity.entropy.auroc_contested']
  assert one.estimate != other.estimate


def test_too_few_seeds_say_how_many_it_takes():
  corpus, predictions = made.study_input(num_seeds=2)
  found, _ = _answer(corpus, predictions)
  for name in (
    ambiguity.BEYOND_SEEDS,
    'ambiguity.any_disagreement.adjusted_by_seed',
    'ambiguity.control.seed.adjusted',
  ):
    assert (
      'takes 3 seeds of it, and it has 2: train 1 more' in (found.skipped[name])
    )
    assert name not in found.statistics
  assert 'ambiguity.any_disagreement.adjusted' in found.statistics
  assert 'ambiguity.control.noise.adjusted' in found.statistics
  # One view at a time takes two.
  assert 'ambiguity.text_disagreement.beyond_seeds' in found.statistics


def test_confidence_of_few_values_is_said():
  corpus, predictions = made.study_input(num_seeds=4)
  sure = {
    view: np.eye(3)[p.argmax(-1)]
    for view, p in predictions.probabilities.items()
  }
  found, _ = _answer(corpus, made.predictions(sure))
  for name in (
    ambiguity.BEYOND_SEEDS,
    'ambiguity.any_disagreement.adjusted',
    'ambiguity.control.noise.adjusted',
  ):
    assert 'confidence takes' in found.skipped[name], name
  assert 'ambiguity.any_disagreement.gs_difference' in found.statistics
  few = confidence_lib.strata(confidence_lib.histogram(np.full(100, 0.5)))
  assert '1 value only' in few.too_coarse()
  many = np.random.default_rng(0).random(30)
  assert not confidence_lib.strata(confidence_lib.histogram(many)).too_coarse()


def test_a_constant_view_tells_nothing_within_a_label():
  corpus, predictions = made.study_input()
  found, _ = _answer(corpus, predictions)
  assert (
    'within that label'
    in (found.skipped['ambiguity.control.constant.adjusted'])
  )
  assert 'ambiguity.control.constant.gs_difference' in found.statistics


def test_curves_hold_every_clip_once():
  corpus, predictions = made.study_input()
  found, signals = _answer(corpus, predictions)
  gs = votes_lib.gs(corpus.vote_counts('text+audio'))
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


@pytest.fixture(scope='module', name='gridded')
def _gridded():
  """What is found of clips that are taken to be many, and of the same exactly.

  Votes vary in number, and some clips are not predicted by all.
  """
  corpus, predictions = made.study_input(900, 25, 4, seed=3)
  votes = corpus.vote_counts('text+audio')
  votes[::3] = np.minimum(votes[::3], 2)
  corpus = dataclasses.replace(
    made.corpus(
      np.unique(corpus.groups, return_inverse=True)[1],
      corpus.labels,
      corpus.classes,
      votes={'text+audio': votes},
    ),
  )
  random = np.random.default_rng(1)
  for values in predictions.probabilities.values():
    values[:, random.random(900) < 0.05] = np.nan
  exact = made.answer(ambiguity, corpus, predictions)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(plan_lib, 'MANY_CLIPS', 500)
    found = made.answer(ambiguity, corpus, predictions)
  return found, exact


def test_on_a_grid_figures_are_off_by_no_more_than_they_say(gridded):
  found, exact = gridded
  assert found.skipped == exact.skipped
  assert found.statistics.keys() == exact.statistics.keys()
  bounded = 0
  for name, one in found.statistics.items():
    other = exact.statistics[name]
    told = re.search(r'on a grid \(off (\S+) at most\)', one.method)
    if told:
      bound = float(told.group(1))
      bounded += 1
    elif 'confidence on a grid' in one.method:
      # Bounds of strata may move by a clip.
      bound = 0.2 * (other.high - other.low)
    else:
      assert 'grid' not in one.method
      bound = 1e-9
    assert abs(one.estimate - other.estimate) <= bound, name
    assert one.n == other.n
  assert bounded > 30


def test_on_a_grid_intervals_are_nearly_the_same(gridded):
  found, exact = gridded
  for name, one in found.statistics.items():
    if exact.statistics[name].low is None:
      assert one.low is None
      continue
    width, expected = (s.high - s.low for s in (one, exact.statistics[name]))
    # What seeds and groups share is told by few bundles of groups.
    loose = 0.25 if 'told apart' in one.method else 0.05
    assert abs(width - expected) < loose * expected, name
  for name in ('gs_by_disagreement', 'gs_by_confidence'):
    assert found.curves[name].keys() == exact.curves[name].keys()
  np.testing.assert_allclose(
    found.curves['gs_by_confidence']['confidence'],
    exact.curves['gs_by_confidence']['confidence'],
    atol=1e-3,
  )


def test_seeds_add_as_much_noise_whether_labels_or_sums_are_kept():
  corpus, predictions = made.study_input(400, 20, 4, seed=5)
  added = []
  for many in (1_000, 100):
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(plan_lib, 'MANY_CLIPS', many)
      # The same strata, so that all else is equal.
      patch.setattr(confidence_lib, 'on_grid', lambda values: values)
      patch.setattr(
        beyond_seeds.seeds_lib,
        'noise',
        lambda *parts: added.append([part.values for part in parts]),
      )
      made.answer(ambiguity, corpus, predictions)
  labels, sums = added[:3], added[3:]
  assert len(labels) == len(sums) == 3
  for one, other in zip(labels, sums, strict=True):
    for values, expected in zip(other, one, strict=True):
      np.testing.assert_allclose(values, expected, atol=1e-10)
