"""Classes of views against scikit-learn, and figures worked out by hand."""

import made
import numpy as np
import pytest
from sklearn import metrics

from empathy.evaluation import study as study_lib
from empathy.evaluation import view_classes, wording

_FIGURES = ('precision', 'recall', 'f1')


def _answer(corpus, predictions):
  return made.answer(view_classes, corpus, predictions)


def _said(classes, num_classes=3):
  """Probabilities (S, N, C) that say these classes (S, N); -1 is no answer."""
  classes = np.asarray(classes)
  found = np.eye(num_classes)[classes] * 0.6 + 0.4 / num_classes
  return np.where((classes >= 0)[..., None], found, np.nan)


def _row(found, table, **of):
  (row,) = [r for r in found.tables[table] if of.items() <= r.items()]
  return row


def test_figures_of_classes_are_those_of_scikit_learn():
  corpus, predictions = made.study_input(num_seeds=2)
  study = study_lib.build(corpus, predictions)
  for view, every in predictions.probabilities.items():
    expected = np.mean(
      [
        metrics.precision_recall_fscore_support(
          corpus.labels, p.argmax(1), zero_division=np.nan
        )
        for p in every
      ],
      axis=0,
    )
    for i, name in enumerate(corpus.classes):
      row = _row(study, 'classes', view=view, **{'class': name})
      assert row['support'] == expected[3, i]
      for figure, value in zip(_FIGURES, expected[:, i], strict=False):
        found = study.statistics[f'views.{view}.{figure}_of.{name}']
        assert found.estimate == pytest.approx(value, rel=1e-12)
        if view == 'text':
          assert found.low < value < found.high
        assert row[figure] == found.estimate
        assert row[f'{figure}_low'] == found.low


def test_confusion_is_that_of_scikit_learn():
  corpus, predictions = made.study_input(num_seeds=3)
  found = _answer(corpus, predictions)
  for view, every in predictions.probabilities.items():
    for normalised, column in ((None, 'num_clips'), ('true', 'share')):
      expected = np.mean(
        [
          metrics.confusion_matrix(
            corpus.labels, p.argmax(1), normalize=normalised
          )
          for p in every
        ],
        axis=0,
      )
      told = [r[column] for r in found.tables['confusion'] if r['view'] == view]
      np.testing.assert_allclose(told, expected.ravel(), rtol=1e-12)


def test_shares_of_a_label_are_its_recall_and_clips_its_accuracy():
  corpus, predictions = made.study_input(num_seeds=3)
  study = study_lib.build(corpus, predictions)
  right = 0
  for name in corpus.classes:
    row = _row(study, 'confusion', view='text', label=name, predicted=name)
    recall = study.statistics[f'views.text.recall_of.{name}']
    assert row['share'] == pytest.approx(recall.estimate, rel=1e-12)
    right += row['num_clips']
  accuracy = study.statistics['views.text.accuracy'].estimate
  assert right / len(corpus.labels) == pytest.approx(accuracy, rel=1e-12)


def test_macro_f1_is_the_mean_of_its_classes():
  corpus, predictions = made.study_input(num_seeds=2, num_classes=4)
  found = study_lib.build(corpus, predictions).statistics
  own = [found[f'views.audio.f1_of.{c}'].estimate for c in corpus.classes]
  macro = found['views.audio.macro_f1'].estimate
  assert np.mean(own) == pytest.approx(macro, rel=1e-12)


def test_a_table_by_hand():
  # Labels a a a b b; seed 0 says a a b b -, seed 1 says b b b b a.
  corpus = made.corpus(range(5), [0, 0, 0, 1, 1])
  text = _said([[0, 0, 1, 1, -1], [1, 1, 1, 1, 0]])
  found = _answer(corpus, made.predictions({'text': text}))
  told = [(row['num_clips'], row['share']) for row in found.tables['confusion']]
  # Of a, two of three and none; of b, one of one and one of two.
  assert told == [
    (1, pytest.approx(1 / 3)),
    (2, pytest.approx(2 / 3)),
    (0, 0),
    (0.5, 0.25),
    (1, 0.75),
    (0, 0),
    *[(0, None)] * 3,
  ]
  expected = {
    'recall_of.low': 1 / 3,
    'recall_of.middle': 3 / 4,
    # Seed 0: 2 of 2 and 1 of 2; seed 1: 0 of 1 and 1 of 4.
    'precision_of.low': 1 / 2,
    'precision_of.middle': 3 / 8,
    # 4/5 and 0; 2/3 and 2/6.
    'f1_of.low': 2 / 5,
    'f1_of.middle': 1 / 2,
  }
  for name, value in expected.items():
    estimate = found.statistics[f'views.text.{name}']
    assert estimate.estimate == pytest.approx(value)
  assert [row['support'] for row in found.tables['classes']] == [3, 2, 0]
  sizes = {
    name: found.statistics[f'views.text.{name}_of.low'].n for name in _FIGURES
  }
  # Precision: 2 and 1 are called so; F1: 3 and 4 are or are called so.
  assert sizes == {'recall': 3, 'precision': 2, 'f1': 4}


def test_what_is_not_there_has_a_reason():
  # Class 2 is neither true nor guessed; class 1 is true and never guessed.
  corpus = made.corpus(range(4), [0, 0, 1, 1])
  text = _said(np.zeros((2, 4), int))
  found = _answer(corpus, made.predictions({'text': text}))
  assert found.statistics['views.text.f1_of.middle'].estimate == 0
  assert found.statistics['views.text.recall_of.middle'].estimate == 0
  assert 'never predicts' in found.skipped['views.text.precision_of.middle']
  for figure in _FIGURES:
    assert f'views.text.{figure}_of.high' in found.skipped
  # A seed that never says a class is left out of its precision, as scikit-learn
  # leaves it undefined.
  text = _said([[0, 0, 1, 0], [0, 0, 0, 0]])
  found = _answer(corpus, made.predictions({'text': text}))
  assert found.statistics['views.text.precision_of.middle'].estimate == 1
  # Of its F1 it is a part.
  f1 = found.statistics['views.text.f1_of.middle'].estimate
  assert f1 == pytest.approx((2 / 3 + 0) / 2)


def test_there_is_no_interval_below_six_groups_with_the_class():
  # Class 1 is in 5 groups of 12, and is said in all.
  groups = np.repeat(np.arange(12), 6)
  labels = np.where((groups < 5) & (np.arange(72) % 2 == 0), 1, 0)
  random = np.random.default_rng(0)
  text = random.integers(0, 2, (3, 72))
  corpus = made.corpus(groups, labels)
  found = _answer(corpus, made.predictions({'text': _said(text)})).statistics
  recall = found['views.text.recall_of.middle']
  assert recall.low is None
  assert '5 groups that count are too few' in recall.method
  assert found['views.text.precision_of.middle'].low is not None
  assert found['views.text.recall_of.low'].low is not None


def test_gains_are_those_over_the_best_single_view():
  corpus, predictions = made.study_input(num_seeds=3)
  single = dict(predictions.probabilities)
  # Some clips are not answered by text: they are compared with audio only.
  single['text'] = single['text'].copy()
  single['text'][:, :30] = np.nan
  study = study_lib.build(corpus, made.predictions(single))
  known = {'text': slice(30, None), 'audio': slice(None)}

  def f1(view, clips, place):
    return np.mean(
      [
        metrics.f1_score(
          corpus.labels[clips], p[clips].argmax(1), average=None
        )[place]
        for p in single[view]
      ]
    )

  for place, name in enumerate(corpus.classes):
    gains = {
      view: f1('text+audio', clips, place) - f1(view, clips, place)
      for view, clips in known.items()
    }
    found = study.statistics[f'views.full_minus_best_single.f1_of.{name}']
    assert found.estimate == pytest.approx(min(gains.values()), rel=1e-12)
    assert 'least of 2' in found.method
    assert found.p_adjusted >= found.p
    row = _row(study, 'class_gains', **{'class': name})
    assert row['best_single'] == min(gains, key=gains.get)
    assert row['p_adjusted'] == found.p_adjusted


@pytest.mark.parametrize('num_parts', [2, 5])
def test_parts_add_up(num_parts):
  corpus, predictions = made.study_input(num_seeds=2)
  whole, plan = made.added_up(corpus, predictions)
  totals = None
  for place in range(num_parts):
    chosen = np.arange(len(corpus.labels)) % num_parts == place
    batch = study_lib.Batch(*made.part(corpus, predictions, chosen))
    part = study_lib.add_up(batch, plan)
    totals = part if totals is None else totals + part
  expected, found = (view_classes.answer(one, plan) for one in (whole, totals))
  assert found.tables == expected.tables
  assert found.statistics == expected.statistics
  assert wording.is_known(found.statistics['views.text.f1_of.class0'].low)
