"""Question 1 against scikit-learn, loops and figures worked out by hand."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from empathy.evaluation import samples, views


def _answer(corpus, predictions):
  return made.answer(views, corpus, predictions)


def _over_seeds(function, predictions, view='text'):
  return np.mean([function(p) for p in predictions.probabilities[view]])


def test_figures_are_those_of_scikit_learn():
  corpus, predictions = made.study_input()
  labels = corpus.labels
  onehot = np.eye(3)[labels]
  expected = {
    'accuracy': lambda p: metrics.accuracy_score(labels, p.argmax(1)),
    'macro_f1': lambda p: metrics.f1_score(
      labels, p.argmax(1), average='macro'
    ),
    'weighted_f1': lambda p: metrics.f1_score(
      labels, p.argmax(1), average='weighted'
    ),
    'nll': lambda p: metrics.log_loss(labels, p),
    'brier': lambda p: ((p - onehot) ** 2).sum(axis=1).mean(),
  }
  found = _answer(corpus, predictions).statistics
  for view in predictions.views:
    for name, function in expected.items():
      assert found[f'views.{view}.{name}'].estimate == pytest.approx(
        _over_seeds(function, predictions, view), rel=1e-12
      )
    accuracies = [
      metrics.accuracy_score(labels, p.argmax(1))
      for p in predictions.probabilities[view]
    ]
    assert found[f'views.{view}.seed_sd'].estimate == pytest.approx(
      np.std(accuracies, ddof=1)
    )
    ensemble = predictions.probabilities[view].mean(axis=0).argmax(axis=1)
    assert found[f'views.{view}.ensemble_accuracy'].estimate == pytest.approx(
      metrics.accuracy_score(labels, ensemble)
    )


def test_the_brier_score_of_two_classes_is_twice_that_of_scikit_learn():
  random = np.random.default_rng(0)
  labels = random.integers(0, 2, 50)
  share = random.random(50)
  _, brier = views.losses(np.stack([1 - share, share], axis=1)[None], labels)
  expected = 2 * metrics.brier_score_loss(labels, share)
  assert brier.mean() == pytest.approx(expected, rel=1e-12)


def test_logarithms_clip():
  nll, _ = views.losses(np.array([[[1.0, 0.0]]]), np.array([1]))
  assert nll[0, 0] == pytest.approx(-np.log(1e-15))


def test_a_class_that_nobody_says_or_is():
  # Class 2 is absent: out of the macro mean. Class 1 is never guessed: F1 0.
  labels = np.array([0, 0, 1, 1])
  predicted = np.zeros((1, 4), int)
  sample = samples.sample(np.arange(4))
  found = views.f1_statistics(made.f1_totals(sample, predicted, labels, 3))
  for name, average in (('macro_f1', 'macro'), ('weighted_f1', 'weighted')):
    value, slope = found[name][0](np.ones((1, 4)))
    expected = metrics.f1_score(labels, predicted[0], average=average)
    assert value[0] == pytest.approx(expected)
    assert np.isfinite(slope).all()


def test_seeds_count_alike_where_a_member_is_missing():
  # Seed 0 predicts folds 0 and 1, seed 1 fold 0 only.
  labels = np.zeros(4, int)
  right, wrong, none = [0.9, 0.1, 0], [0.1, 0.9, 0], [np.nan] * 3
  p = np.array([[right, right, wrong, wrong], [right, right, none, none]])
  corpus = made.corpus([0, 1, 2, 3], labels)
  found = _answer(
    corpus, made.predictions({'text': p}, folds=np.array([0, 0, 1, 1]))
  ).statistics
  # Seed 0: the mean of 1 and 0; seed 1: 1.
  for figure in ('accuracy_fold_mean', 'accuracy'):
    assert found[f'views.text.{figure}'].estimate == pytest.approx(0.75)


def test_the_mean_over_folds_is_unweighted():
  labels = np.zeros(6, int)
  right = np.array([1, 1, 1, 1, 1, 0])
  p = np.stack([right * 0.8 + 0.1, 0.9 - right * 0.8, 0 * right], axis=1)
  folds = np.array([0, 0, 0, 0, 1, 1])
  corpus = made.corpus([0, 0, 1, 1, 2, 2], labels)
  found = _answer(corpus, made.predictions({'text': p[None]}, folds))
  statistics = found.statistics
  assert statistics['views.text.accuracy'].estimate == pytest.approx(5 / 6)
  assert statistics['views.text.accuracy_fold_mean'].estimate == 0.75
  assert 'views.text.seed_sd' in found.skipped


def test_each_seed_has_its_own_folds():
  labels = np.zeros(6, int)
  right = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 1, 1]])
  folds = np.array([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]])
  p = np.stack([right * 0.8 + 0.1, 0.9 - right * 0.8, 0 * right], axis=-1)
  corpus = made.corpus(range(6), labels)
  found = _answer(corpus, made.predictions({'text': p}, folds)).statistics
  expected = ((1 + 1 / 4) / 2 + (1 / 2 + 1) / 2) / 2
  assert found['views.text.accuracy_fold_mean'].estimate == pytest.approx(
    expected
  )


def _slow_ece(confidence, correct):
  total = 0.0
  for place in range(15):
    low, high = place / 15, (place + 1) / 15
    inside = (confidence > low) & (confidence <= high)
    if inside.any():
      gap = correct[inside].mean() - confidence[inside].mean()
      total += inside.mean() * abs(gap)
  return total


def _bins(confidence, *amounts):
  place = views.bin_of(confidence)
  return [
    np.bincount(place, amount, views.NUM_BINS)
    for amount in (np.ones_like(confidence), confidence, *amounts)
  ]


def test_ece_is_that_of_a_loop():
  random = np.random.default_rng(1)
  confidence = random.uniform(0.34, 1, 200)
  correct = (random.random(200) < confidence**2).astype(float)
  found = views.expected_calibration_error(*_bins(confidence, correct))
  assert found == pytest.approx(_slow_ece(confidence, correct), rel=1e-12)
  sure = views.expected_calibration_error(*_bins(np.ones(3), np.ones(3)))
  assert sure == 0


@pytest.mark.parametrize('size', [9, 40, 150, 2_000])
def test_the_null_of_ece_is_that_of_a_calibrated_model(size):
  random = np.random.default_rng(2)
  confidence = random.uniform(0.4, 1, size)
  confidence[0] = 1.0
  place = views.bin_of(confidence)
  drawn = random.random((8_000, size)) < confidence
  gaps = (drawn - confidence) @ np.eye(views.NUM_BINS)[place]
  slow = np.abs(gaps).sum(axis=1) / size
  found = views.calibration_null(
    *_bins(confidence, confidence * (1 - confidence))
  )
  # The draws' own noise, and clips of a bin that are not quite of one chance.
  noise = np.std(slow) / np.sqrt(len(slow))
  assert abs(found - slow.mean()) < 4 * noise + 0.005 * slow.mean()


def test_the_null_is_exact_for_coins_of_one_chance():
  # Three coins of .6: |hits - 1.8| is 1.8, .8, .2, 1.2 for 0 to 3 hits.
  chances = np.array([0.064, 0.288, 0.432, 0.216])
  expected = chances @ [1.8, 0.8, 0.2, 1.2] / 3
  found = views.calibration_null(
    *(np.array([total]) for total in (3.0, 1.8, 0.72))
  )
  assert found == pytest.approx(expected, rel=1e-12)


def test_the_reliability_curve_holds_every_prediction_once():
  corpus, predictions = made.study_input()
  curve = _answer(corpus, predictions).curves['reliability']['audio']
  p = predictions.probabilities['audio']
  count = np.array(curve['count'])
  assert count.sum() == p.shape[0] * p.shape[1]
  assert (count > 0).all()
  assert np.average(curve['confidence'], weights=count) == pytest.approx(
    p.max(axis=-1).mean()
  )
  assert np.average(curve['accuracy'], weights=count) == pytest.approx(
    (p.argmax(-1) == corpus.labels).mean()
  )


def test_full_minus_view_is_paired_and_the_least_is_primary():
  corpus, predictions = made.study_input()
  found = _answer(corpus, predictions)
  accuracy = {
    view: found.statistics[f'views.{view}.accuracy'].estimate
    for view in predictions.views
  }
  gaps = {}
  for view in ('text', 'audio'):
    name = f'views.full_minus_{view}.accuracy'
    gaps[view] = accuracy['text+audio'] - accuracy[view]
    assert found.statistics[name].estimate == pytest.approx(gaps[view])
    assert found.statistics[name].p is not None
  least = found.statistics['views.full_minus_best_single.accuracy']
  assert least.estimate == pytest.approx(min(gaps.values()))
  assert found.primary == 'views.full_minus_best_single.accuracy'


def test_pairs_use_the_clips_that_both_predict():
  corpus, predictions = made.study_input()
  cut = {v: p.copy() for v, p in predictions.probabilities.items()}
  cut['text'][:, :50] = np.nan
  found = _answer(corpus, made.predictions(cut)).statistics
  difference = found['views.full_minus_text.accuracy']
  assert difference.n == 70
  right = {
    view: (cut[view][:, 50:].argmax(-1) == corpus.labels[50:]).mean()
    for view in ('text', 'text+audio')
  }
  assert difference.estimate == pytest.approx(
    right['text+audio'] - right['text']
  )
  assert found['views.text.accuracy'].n == 70
  assert found['views.audio.accuracy'].n == 120


def test_a_seed_without_some_clips_counts_as_a_seed():
  corpus, predictions = made.study_input()
  cut = predictions.probabilities['text'].copy()
  cut[0, 40:] = np.nan
  found = _answer(corpus, made.predictions({'text': cut})).statistics
  right = cut.argmax(-1) == corpus.labels
  expected = np.mean([right[0, :40].mean(), right[1].mean(), right[2].mean()])
  assert found['views.text.accuracy'].estimate == pytest.approx(expected)
  f1 = [
    metrics.f1_score(corpus.labels[:n], p[:n].argmax(1), average='macro')
    for p, n in zip(cut, (40, 120, 120), strict=True)
  ]
  assert found['views.text.macro_f1'].estimate == pytest.approx(np.mean(f1))


def test_clips_without_a_label_are_left_out():
  corpus, predictions = made.study_input()
  some = corpus.labels.copy()
  some[::3] = -1
  partly = made.corpus(
    np.unique(corpus.groups, return_inverse=True)[1],
    some,
    classes=corpus.classes,
  )
  found = _answer(partly, predictions).statistics['views.text.accuracy']
  assert found.n == 80
  p = predictions.probabilities['text'][:, some >= 0]
  expected = (p.argmax(-1) == some[some >= 0]).mean()
  assert found.estimate == pytest.approx(expected)
  none = made.corpus(range(120), np.full(120, -1), classes=corpus.classes)
  assert 'label' in _answer(none, predictions).skipped['question 1']


@pytest.mark.parametrize(
  ('views_', 'says'),
  [
    (('text', 'audio'), 'no predictions of the full view'),
    (('text+audio',), 'no view beside the full one'),
  ],
)
def test_a_missing_view_is_said(views_, says):
  corpus, predictions = made.study_input()
  some = made.predictions({v: predictions.probabilities[v] for v in views_})
  found = _answer(corpus, some)
  assert says in found.skipped['views.full_minus_best_single.accuracy']
  assert 'full_minus_view' not in found.tables


@given(seed=st.integers(0, 20), order=st.permutations(range(3)))
@settings(max_examples=10, deadline=None)
def test_renaming_classes_and_seeds_changes_nothing(seed, order):
  corpus, predictions = made.study_input(60, 6, 3, seed)
  order = np.array(order)
  renamed = {
    view: p[order][..., order] for view, p in predictions.probabilities.items()
  }
  # The class that was `order[i]` is now class i.
  labels = np.argsort(order)[corpus.labels]
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  again = made.corpus(groups, labels)
  expected = _answer(corpus, predictions).statistics
  found = _answer(again, made.predictions(renamed, groups % 3)).statistics
  assert found.keys() == expected.keys()
  for name, one in expected.items():
    if 'ece_null' in name:
      continue
    for field in ('estimate', 'low', 'high', 'p'):
      value = getattr(one, field)
      if value is not None:
        assert getattr(found[name], field) == pytest.approx(value, abs=1e-9)


def test_twice_the_clips_in_the_same_groups_give_the_same_interval():
  corpus, predictions = made.study_input()
  twice = made.predictions(
    {v: np.tile(p, (1, 2, 1)) for v, p in predictions.probabilities.items()},
    np.tile(predictions.folds['text'][0], 2),
  )
  groups = np.tile(np.unique(corpus.groups, return_inverse=True)[1], 2)
  again = made.corpus(groups, np.tile(corpus.labels, 2), corpus.classes)
  expected = _answer(corpus, predictions).statistics
  found = _answer(again, twice).statistics
  for name in ('accuracy', 'macro_f1', 'nll', 'accuracy_fold_mean'):
    one, other = (s[f'views.audio.{name}'] for s in (expected, found))
    np.testing.assert_allclose(
      [other.estimate, other.low, other.high],
      [one.estimate, one.low, one.high],
      rtol=1e-9,
    )


def test_labels_have_no_calibration():
  corpus, predictions = made.study_input()
  hard = dict(predictions.probabilities)
  hard['text'] = np.eye(3)[hard['text'].argmax(axis=-1)]
  found = _answer(corpus, made.predictions(hard))
  for name in ('nll', 'brier', 'ece', 'ece_null'):
    assert 'one value only' in found.skipped[f'views.text.{name}']
    assert f'views.audio.{name}' in found.statistics
  assert list(found.curves['reliability']) == ['audio', 'text+audio']
  # What needs labels only is as before.
  graded = _answer(corpus, made.predictions(predictions.probabilities))
  for name in ('accuracy', 'macro_f1', 'seed_sd'):
    name = f'views.text.{name}'
    assert found.statistics[name] == graded.statistics[name]


def test_seeds_of_one_name_are_better_or_worse_together():
  # Text errs where the full view does, and on ten more clips: its seeds lag by
  # the same everywhere, so that new seeds of both would change nothing.
  random = np.random.default_rng(3)
  corpus, _ = made.study_input()
  rates = np.array([0.1, 0.25, 0.4])[:, None]
  right = np.where(np.arange(120) % 12 == 0, True, random.random(120) > rates)
  behind = right & (np.arange(120) % 12 != 0)
  views_right = {'text': behind, 'text+audio': right}
  predictions = made.predictions(
    {
      view: np.eye(3)[(corpus.labels + ~said) % 3]
      for view, said in views_right.items()
    }
  )
  name = 'views.full_minus_text.accuracy'
  shared = _answer(corpus, predictions).statistics[name]
  assert shared.estimate == pytest.approx(10 / 120)
  assert shared.variance['seeds'] == pytest.approx(0, abs=1e-15)
  predictions.seeds['text'] = np.arange(10, 13)
  apart = _answer(corpus, predictions).statistics[name]
  assert apart.estimate == shared.estimate
  own = _answer(corpus, predictions).statistics
  expected = sum(
    own[f'views.{view}.accuracy'].variance['seeds'] for view in views_right
  )
  assert apart.variance['seeds'] == pytest.approx(expected)
  assert expected > 1e-3
