"""Question 6 against scikit-learn, simulated truth and loops."""

import dataclasses
import re
import xml.etree.ElementTree

import made
import numpy as np
import pytest
from scipy import special
from sklearn import linear_model, metrics
from test_report import text_of

from empathy.evaluation import confidence as confidence_lib
from empathy.evaluation import diagnosis, fits, samples, totals
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import signals as signals_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import Estimate, filled
from empathy.evaluation.sections import diagnosis as section_lib

_FULL = 'text+audio'
_GAIN = 'diagnosis.combined.auroc_minus_confidence'
_PRIMARY = 'diagnosis.any_disagreement.adjusted'


@pytest.fixture(autouse=True, scope='module')
def few_draws():
  """Figures do not depend on how often groups are drawn."""
  make = totals.sample

  def few(*args):
    return dataclasses.replace(make(*args), num_resamples=199)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(totals, 'sample', few)
    yield


def _answer(corpus, predictions):
  found = made.answer(diagnosis, corpus, predictions)
  return found, signals_lib.signals(predictions, _FULL)


@pytest.fixture(scope='module')
def asked():
  corpus, predictions = made.study_input(300, 12, 3, seed=3)
  found, signals = _answer(corpus, predictions)
  mean = predictions.probabilities[_FULL].mean(axis=0)
  return corpus, found, signals, mean.argmax(axis=1) != corpus.labels


def test_each_signal_is_judged_as_by_scikit_learn(asked):
  corpus, found, signals, wrong = asked
  votes = corpus.vote_counts(_FULL)
  calm = ~(3 * votes.max(axis=1) < 2 * votes.sum(axis=1))
  assert 0 < calm.sum() < len(calm)
  confidence = metrics.roc_auc_score(wrong, signals['one_minus_confidence'])
  value = {name: e.estimate for name, e in found.statistics.items()}
  assert value['diagnosis.error_rate'] == pytest.approx(wrong.mean())
  for name, signal in signals.items():
    signal = np.round(signal, 12)
    expected = {
      'auroc_error': metrics.roc_auc_score(wrong, signal),
      'auroc_error_uncontested': metrics.roc_auc_score(
        wrong[calm], signal[calm]
      ),
      'average_precision': metrics.average_precision_score(wrong, signal),
    }
    if name != 'one_minus_confidence':
      expected['auroc_error_minus_confidence'] = (
        expected['auroc_error'] - confidence
      )
    for figure, number in expected.items():
      assert value[f'diagnosis.{name}.{figure}'] == pytest.approx(
        number, abs=1e-9
      ), (name, figure)
  assert 'diagnosis.one_minus_confidence.auroc_error_minus_confidence' not in (
    found.statistics
  )


def test_risk_coverage_and_review_by_sorting(asked):
  _, found, signals, wrong = asked
  n = len(wrong)
  for name in ('one_minus_confidence', 'full_jsd'):
    signal = signals[name]
    assert len(np.unique(signal)) == n
    order = np.argsort(signal)
    risks = np.cumsum(wrong[order]) / np.arange(1, n + 1)
    ideal = np.cumsum(np.sort(wrong)) / np.arange(1, n + 1)
    prefix = f'diagnosis.{name}'
    statistics = found.statistics
    assert statistics[f'{prefix}.aurc'].estimate == pytest.approx(risks.mean())
    assert statistics[f'{prefix}.e_aurc'].estimate == pytest.approx(
      risks.mean() - ideal.mean()
    )
    top = wrong[order[-n // 10 :]].sum() / wrong.sum()
    assert statistics[f'{prefix}.errors_found_at_10'].estimate == pytest.approx(
      top
    )
    if name in found.curves['risk_coverage']:
      curve = found.curves['risk_coverage']
      np.testing.assert_allclose(
        curve[name],
        [risks[round(c * n) - 1] for c in curve['coverage']],
      )
      curve = found.curves['review_budget']
      np.testing.assert_allclose(
        curve[name],
        [
          wrong[order[n - round(b * n) :]].sum() / wrong.sum()
          for b in curve['budget']
        ],
      )
  differ = signals['any_disagreement'] > 0
  least = np.argsort(-signals['one_minus_confidence'])[: differ.sum()]
  assert found.statistics[
    'diagnosis.any_disagreement.precision_minus_confidence'
  ].estimate == pytest.approx(wrong[differ].mean() - wrong[least].mean())


def test_curves_have_their_landmarks(asked):
  _, found, signals, wrong = asked
  rate = wrong.mean()
  review, risk = (
    found.curves[name] for name in ('review_budget', 'risk_coverage')
  )
  assert review['num_clips'] == risk['num_clips'] == len(wrong)
  assert len(review['budget']) == 51
  names = review.keys() - {'num_clips', 'budget'}
  assert names == risk.keys() - {'num_clips', 'coverage'}
  assert names > {'combined', 'disagreement_first', 'seed_mutual_information'}
  np.testing.assert_allclose(review['random'], review['budget'])
  np.testing.assert_allclose(risk['random'], rate)
  np.testing.assert_allclose(
    review['oracle'], np.minimum(np.array(review['budget']) / rate, 1)
  )
  for name in names:
    assert review[name][0] == 0
    assert review[name][-1] == pytest.approx(1)
    assert risk[name][-1] == pytest.approx(rate)
    assert (np.diff(review[name]) >= 0).all()
    # Of what is looked at and what is left, one gives the other.
    share = np.array(review['budget'][:-1])
    left = (1 - np.array(review[name][:-1])) * rate / (1 - share)
    np.testing.assert_allclose(risk[name][::-1], left, atol=1e-12)
  # Clips on which views disagree come first, whatever the confidence.
  order = np.lexsort(
    (-signals['one_minus_confidence'], -signals['any_disagreement'])
  )
  found = np.concatenate([[0], np.cumsum(wrong[order])]) / wrong.sum()
  np.testing.assert_allclose(
    review['disagreement_first'],
    [found[round(share * len(wrong))] for share in review['budget']],
  )


def test_the_adjusted_difference_is_among_clips_alike(asked):
  corpus, found, signals, wrong = asked
  predictions = made.study_input(300, 12, 3, seed=3)[1]
  mean = predictions.probabilities[_FULL].mean(axis=0)
  stratum = made.strata(mean)
  design = np.column_stack(
    [signals['any_disagreement'], stratum[:, None] == np.unique(stratum)]
  ).astype(float)
  expected = np.linalg.lstsq(design, wrong.astype(float), rcond=None)[0][0]
  assert found.statistics[
    'diagnosis.any_disagreement.adjusted'
  ].estimate == pytest.approx(expected, abs=1e-9)
  del corpus


@pytest.mark.parametrize('strength', [1.0, 30.0])
def test_the_fit_is_that_of_scikit_learn(strength):
  random = np.random.default_rng(0)
  design = random.normal(0, 1, (200, 2))
  # At a strength of 30 the outcomes are all but separated.
  outcome = random.random(200) < special.expit(strength * (design[:, 0] + 0.3))
  expected = linear_model.LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000)
  expected.fit(design, outcome)
  np.testing.assert_allclose(
    fits.logistic(design, outcome, np.ones(200)),
    [*expected.intercept_, *expected.coef_[0]],
    atol=1e-6,
  )


def test_a_fit_to_outcomes_of_one_kind_is_constant():
  design = np.random.default_rng(3).normal(size=(40, 2))
  for outcome, sign in ((np.ones(40, bool), 1), (np.zeros(40, bool), -1)):
    found = fits.logistic(design, outcome, np.ones(40))
    assert np.isfinite(found).all()
    assert np.sign(found).tolist() == [sign, 0, 0]


def test_a_row_counts_as_often_as_it_says():
  random = np.random.default_rng(1)
  columns = np.column_stack([random.normal(0, 1, 60), random.random(60) < 0.4])
  outcome = random.random(60) < special.expit(columns[:, 0])
  fold, number = np.arange(60) % 3, random.integers(1, 5, 60)
  every = [np.repeat(x, number, axis=0) for x in (columns, outcome, fold)]
  order = random.permutation(number.sum())
  expected = fits.out_of_fold(*(values[order] for values in every))
  found = fits.out_of_fold(columns, outcome, fold, number)
  np.testing.assert_allclose(np.repeat(found, number)[order], expected)
  sample, one_each = (
    samples.Sample(np.arange(6), 60, group=group, number=how_many)
    for group, how_many in (
      (np.arange(60) // 10, number),
      (np.repeat(np.arange(60) // 10, number), None),
    )
  )
  held_out = np.ones((6, 2))
  np.testing.assert_array_equal(
    np.repeat(fits.folds(held_out, sample, outcome), number),
    fits.folds(held_out, one_each, every[1]),
  )


def test_a_fold_is_scored_by_the_others_only():
  random = np.random.default_rng(1)
  columns = np.column_stack(
    [random.normal(0, 3, 120), random.random(120) < 0.4]
  )
  outcome = random.random(120) < special.expit(columns[:, 0] / 3)
  fold = random.integers(0, 4, 120)
  found = fits.out_of_fold(columns, outcome, fold)
  own = fold == 2
  changed = fits.out_of_fold(columns, outcome ^ own, fold)
  np.testing.assert_array_equal(changed[own], found[own])
  assert (changed[~own] != found[~own]).all()
  mean, scale = columns[~own].mean(axis=0), columns[~own].std(axis=0)
  model = linear_model.LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000)
  model.fit((columns[~own] - mean) / scale, outcome[~own])
  np.testing.assert_allclose(
    found[own],
    model.decision_function((columns[own] - mean) / scale),
    atol=1e-6,
  )


def _detectors(random, effect, num_clips=400, num_groups=16):
  """Confidence, disagreement that is set oftener where it is low, and errors.

  Folds differ in how sure their models are, groups in how hard they are.
  """
  group = random.integers(0, num_groups, num_clips)
  group[:num_groups] = np.arange(num_groups)
  fold = group % 5
  sure = np.exp(random.normal(0, 0.3, 5))[fold]
  doubt = random.normal(0, 1.2, num_clips)
  hard, unlike = random.normal(0, 0.5, (2, num_groups))
  disagree = random.random(num_clips) < special.expit(
    0.8 * doubt + unlike[group]
  )
  wrong = random.random(num_clips) < special.expit(
    -0.8 + doubt + effect * disagree + hard[group]
  )
  return group, fold, special.expit(sure * doubt - 1), disagree, wrong


def _gains(effect, number):
  random = np.random.default_rng(2)
  found = []
  for _ in range(number):
    group, fold, doubt, disagree, wrong = _detectors(random, effect)
    sample = samples.sample(group, num_resamples=399)
    rows = doubt, disagree, wrong, fold
    found.append(diagnosis.gain(_GAIN, sample, *rows)[0])
  return found


def test_disagreement_that_tells_nothing_adds_nothing():
  found = _gains(0.0, 150)
  mean = np.mean([gain.estimate for gain in found])
  # A weight fitted to noise costs a little, and is never taken for a gain: at
  # 5 %, fifteen of 150 would be a false alarm of one in a hundred.
  assert -0.006 < mean < 0
  assert sum(gain.p is not None and gain.p <= 0.05 for gain in found) < 15
  assert all(
    gain.p is None or gain.p >= 0.5 for gain in found if gain.estimate <= 0
  )


def test_disagreement_that_tells_something_is_found():
  found = _gains(2.0, 40)
  assert np.mean([gain.estimate for gain in found]) > 0.03
  assert np.mean([gain.p <= 0.05 for gain in found]) > 0.8


def test_the_combination_takes_the_folds_of_the_predictions():
  corpus, predictions = made.study_input(300, 12, 3, seed=3)
  found, signals = _answer(corpus, predictions)
  mean = predictions.probabilities[_FULL].mean(axis=0)
  wrong = mean.argmax(axis=1) != corpus.labels
  doubt = special.logit(signals['one_minus_confidence'])
  both = np.column_stack([doubt, signals['any_disagreement']])
  fold = predictions.folds[_FULL][0]
  assert len(np.unique(fold)) == 3
  figures = [
    metrics.roc_auc_score(wrong, fits.out_of_fold(columns, wrong, fold))
    for columns in (both, both[:, :1])
  ]
  assert found.statistics[_GAIN].estimate == pytest.approx(
    figures[0] - figures[1], abs=1e-9
  )
  assert found.statistics[
    'diagnosis.combined.auroc_error'
  ].estimate == pytest.approx(figures[0], abs=1e-9)
  votes = corpus.vote_counts(_FULL)
  divided = votes_lib.contested(votes)
  figures = [
    metrics.roc_auc_score(divided, fits.out_of_fold(columns, divided, fold))
    for columns in (both, both[:, :1])
  ]
  assert found.statistics[
    'diagnosis.combined.auroc_contested_minus_confidence'
  ].estimate == pytest.approx(figures[0] - figures[1], abs=1e-9)


@pytest.mark.parametrize('fold', ['one', 'across groups', 'seeds apart'])
def test_folds_that_do_not_serve_are_made_anew_by_group(fold, monkeypatch):
  corpus, predictions = made.study_input(120, 12)
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  folds = np.tile(groups % 3, (3, 1))
  if fold == 'one':
    folds = np.zeros_like(folds)
  elif fold == 'across groups':
    folds = np.tile(np.arange(120) % 3, (3, 1))
  else:
    folds[1] = (folds[1] + 1) % 3
  predictions = dataclasses.replace(
    predictions, folds=dict(predictions.folds) | {_FULL: folds}
  )
  taken = []
  fit = fits.out_of_fold

  def note(columns, outcome, fold, number):
    taken.append(fold)
    return fit(columns, outcome, fold, number)

  monkeypatch.setattr(fits, 'out_of_fold', note)
  _answer(corpus, predictions)
  assert taken
  groups = np.sort(groups)  # As rows are.
  for fold in taken:
    assert len(np.unique(fold)) == 10
    for group in range(12):
      assert len(np.unique(fold[groups == group])) == 1


@pytest.fixture(scope='module')
def on_a_grid():
  """As `made.study_input` cut, in truth and with values on grids."""
  corpus, predictions = made.study_input(300, 12, 3, seed=3)
  cut = {v: p.copy() for v, p in predictions.probabilities.items()}
  cut['text'][:, :30] = np.nan
  cut['audio'][:, 15:40] = np.nan
  predictions = made.predictions(cut, folds=predictions.folds[_FULL][0])
  exact = made.answer(diagnosis, corpus, predictions)
  with pytest.MonkeyPatch.context() as patch:
    for module in (plan_lib, confidence_lib):
      patch.setattr(module, 'MANY_CLIPS', 100)
    return exact, made.answer(diagnosis, corpus, predictions)


def test_on_a_grid_the_same_is_found_within_bounds(on_a_grid):
  exact, found = on_a_grid
  assert found.skipped == exact.skipped
  assert found.statistics.keys() == exact.statistics.keys()
  bounded = 0
  for name, expected in exact.statistics.items():
    estimate = found.statistics[name]
    assert estimate.n == expected.n or 'selective' in name, name
    told = re.search(r' on a grid(?: \(off (\S+) at most\))?$', estimate.method)
    bound = float(told[1]) if told and told[1] else 0.02 if told else 1e-12
    assert abs(estimate.estimate - expected.estimate) <= bound, name
    bounded += bool(told and told[1])
    if bound > 1e-12:
      continue
    assert estimate.method == expected.method, name
    # How figures at the top move with its size is told by clips nearby.
    near = 0.03 if re.search('precision_m|found_at', name) else 1e-12
    for end in ('low', 'high', 'p'):
      assert getattr(estimate, end) == pytest.approx(
        getattr(expected, end), abs=near
      ), name
  assert bounded > 40
  for row, other in zip(
    found.tables['diagnosis'], exact.tables['diagnosis'], strict=True
  ):
    assert row == other


def test_curves_on_a_grid_are_nearly_those_of_the_values(on_a_grid):
  for curve, expected in on_a_grid[0].curves.items():
    found = on_a_grid[1].curves[curve]
    assert found.keys() == expected.keys()
    assert found['num_clips'] == expected['num_clips'] == 285
    for name, values in expected.items():
      np.testing.assert_allclose(found[name], values, atol=0.02, err_msg=name)


def test_the_primary_and_the_order_of_signals(asked):
  _, found, signals, _ = asked
  assert found.primary == _PRIMARY
  assert found.statistics[_PRIMARY].p is not None
  rows = filled(found.tables['diagnosis'], found.statistics)
  assert [row['signal'] for row in rows[:3]] == [
    'combined',
    'any_disagreement',
    'one_minus_confidence',
  ]
  assert {row['signal'] for row in rows} == {'combined', *signals}
  for row in rows:
    assert row['num_clips'] == 300
    assert row['auroc_error_low'] < row['auroc_error'] < row['auroc_error_high']
    for value in row.values():
      assert value is None or value == value


def test_clips_that_a_view_does_not_predict_are_left_out():
  corpus, predictions = made.study_input(200, 10, seed=5)
  cut = {v: p.copy() for v, p in predictions.probabilities.items()}
  cut['text'][:, :20] = np.nan
  cut[_FULL][:, 190:] = np.nan
  labels = corpus.labels.copy()
  labels[180:185] = -1
  corpus = dataclasses.replace(corpus, labels=labels)
  predictions = made.predictions(cut, folds=predictions.folds[_FULL][0])
  found, signals = _answer(corpus, predictions)
  number = {
    row['signal']: row['num_clips'] for row in found.tables['diagnosis']
  }
  assert number['text_jsd'] == 200 - 20 - 10 - 5
  assert number['entropy'] == 200 - 10 - 5
  there = np.ones(200, bool)
  there[:20] = there[180:185] = there[190:] = False
  wrong = cut[_FULL].mean(axis=0).argmax(axis=1) != labels
  expected = metrics.roc_auc_score(
    wrong[there], signals['text_jsd'][there]
  ) - metrics.roc_auc_score(
    wrong[there], signals['one_minus_confidence'][there]
  )
  paired = found.statistics['diagnosis.text_jsd.auroc_error_minus_confidence']
  assert paired.estimate == pytest.approx(expected, abs=1e-9)
  assert paired.n == there.sum()


def test_what_is_missing_is_said():
  corpus, predictions = made.study_input(120, 8)
  probabilities = dict(predictions.probabilities)

  def skipped(corpus, probabilities):
    found, _ = _answer(corpus, made.predictions(probabilities))
    for name, estimate in found.statistics.items():
      for value in (estimate.estimate, estimate.low, estimate.high, estimate.p):
        assert value is None or np.isfinite(value), name
    return found.skipped

  without = dataclasses.replace(corpus, votes=None)
  said = skipped(without, probabilities)
  assert 'no votes' in said['diagnosis.uncontested']
  assert 'question 6' not in said
  one = {view: p[:1] for view, p in probabilities.items()}
  assert 'one seed' in skipped(corpus, one)['diagnosis.seed_mutual_information']
  alone = {_FULL: probabilities[_FULL]}
  assert 'single modality' in skipped(corpus, alone)[_PRIMARY]
  gold = np.eye(3)[corpus.labels] * 0.7 + 0.1
  right = probabilities | {_FULL: np.tile(gold, (3, 1, 1))}
  assert 'right on every' in skipped(corpus, right)['question 6']
  other = np.roll(gold, 1, axis=1)
  wrong = probabilities | {_FULL: np.tile(other, (3, 1, 1))}
  assert 'wrong on every' in skipped(corpus, wrong)['question 6']
  unlabelled = dataclasses.replace(corpus, labels=np.full(120, -1))
  assert 'label' in skipped(unlabelled, probabilities)['question 6']
  same = dataclasses.replace(corpus, groups=np.full(120, 'one'))
  assert 'two groups' in skipped(same, probabilities)[_GAIN]
  blind = {view: p.copy() for view, p in probabilities.items()}
  blind['text'][:] = np.nan
  assert 'signal' in skipped(corpus, blind)['diagnosis.text_jsd']
  full = made.predictions({'text': probabilities['text']})
  found = made.answer(diagnosis, corpus, full)
  assert 'full view' in found.skipped['question 6']


def test_clips_without_groups_are_judged_too():
  corpus, predictions = made.study_input(120, 8)
  corpus = dataclasses.replace(corpus, groups=corpus.ids)
  found, _ = _answer(corpus, predictions)
  assert 'unclustered' in found.statistics[_PRIMARY].method
  assert found.statistics['diagnosis.entropy.aurc'].low is not None


@pytest.fixture(scope='module')
def study():
  return study_lib.build(*made.study_input(150, 10, seed=3))


@pytest.mark.parametrize(
  ('low', 'high', 'says', 'not_says'),
  [
    (0.01, 0.03, 'errs 2.0 points', 'less often'),
    (-0.03, -0.01, 'less often where some single view', 'hint'),
    (-0.01, 0.03, 'not settled', 'errs 1.0'),
  ],
)
def test_the_finding_is_as_strong_as_its_interval(
  study, low, high, says, not_says
):
  p = 1.0 if high < 0 else 0.01
  gain = Estimate(
    (low + high) / 2, low, high, 0.95, p, p, 150, 'made', one_sided=True
  )
  changed = dataclasses.replace(
    study, statistics={**study.statistics, _PRIMARY: gain}
  )
  section = section_lib.section(changed)
  assert says in section.finding
  assert not_says not in section.finding
  assert f'{abs(50 * (low + high)):.1f} points' in section.finding
  assert section.primary.marks[0].faint == (low <= 0 <= high)


def test_the_section_shows_what_the_study_holds(study):
  section = section_lib.section(study)
  told = study.statistics['diagnosis.one_minus_confidence.errors_found_at_10']
  assert any(
    f'{100 * told.estimate:.1f} %' in sentence and 'tenth' in sentence
    for sentence in section.details
  )
  forest, curves, detectors, ranking, selective = section.shows.values()
  assert len(detectors.rows) == len(ranking.rows)
  assert len(curves.panels) == 2
  for figure in (forest, curves):
    assert 'n = 150 clips' in figure.clips
    for panel in figure.panels:
      xml.etree.ElementTree.fromstring(panel)
      assert not re.search(r'\bnan\b|inf\b', panel)
  assert 'errors and contestedness then share votes' in text_of(study)
  risk = study.statistics['diagnosis.selective_10.risk'].estimate
  coverage = study.statistics['diagnosis.selective_10.coverage'].estimate
  assert [row[0].text for row in selective.rows] == ['5', '10', '20']
  row = [cell.text for cell in selective.rows[1]]
  assert row[1] == f'{100 * risk:.1f}'
  assert row[3] == f'{100 * coverage:.1f}'
  assert row[5] == f'{round(150 * coverage)}'
  assert any(
    f'{row[3]} %' in sentence and f'{row[1]} %' in sentence
    for sentence in section.details
    if 'threshold' in sentence
  )


def test_a_study_without_the_question_says_why(study):
  bare = dataclasses.replace(
    study,
    tables={},
    primaries={},
    skipped={'question 6': 'There are no predictions.'},
  )
  assert section_lib.section(bare).skipped == 'There are no predictions.'
  # Without single views there is confidence alone to tell of.
  corpus, predictions = made.study_input(150, 10, seed=3)
  alone = made.predictions({_FULL: predictions.probabilities[_FULL]})
  section = section_lib.section(study_lib.build(corpus, alone))
  assert section.primary is None
  assert 'Low confidence' in section.finding
