"""The questions of scores, against scipy, scikit-learn and plain loops."""

import dataclasses
import itertools
import re

import krippendorff
import made
import numpy as np
import pytest
from scipy import stats
from sklearn import linear_model, metrics

from empathy.corpora import declared
from empathy.evaluation import (
  agreement,
  distance,
  dominance,
  findings,
  scores,
  sections,
  study,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import report as report_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import scores as section

VALUES = np.array([1.0, 2.0, 4.0])


@pytest.fixture(scope='module', name='given')
def _given():
  corpus, predictions = made.study_input(150, 12, 3)
  return made.with_values(corpus), made.with_parts(predictions)


@pytest.fixture(scope='module', name='found')
def _found(given):
  return made.answer(scores, *given)


def _expected(given, view):
  """Expected scores (S, N), true ones (N,), probabilities."""
  corpus, predictions = given
  probabilities = predictions.probabilities[view]
  return probabilities @ VALUES, corpus.scores, probabilities


@pytest.mark.parametrize('view', ['text', 'text+audio'])
def test_scores_of_a_view_are_those_of_others(given, found, view):
  x, y, p = _expected(given, view)
  said = declared.class_of(x, VALUES)
  # The second and third value are two steps apart: so are these places.
  place = np.array([1, 2, 4])
  labels = given[0].labels
  apart = np.abs(VALUES - y[:, None])
  pairs = np.abs(VALUES[:, None] - VALUES)
  expected = {
    'mae': [metrics.mean_absolute_error(y, one) for one in x],
    'rmse': [metrics.mean_squared_error(y, one) ** 0.5 for one in x],
    'pearson': [stats.pearsonr(one, y)[0] for one in x],
    'spearman': [stats.spearmanr(one, y)[0] for one in x],
    'ccc': [
      2 * np.cov(one, y, ddof=0)[0, 1] / (one.var() + y.var() + gap**2)
      for one in x
      for gap in [one.mean() - y.mean()]
    ],
    'weighted_kappa': [
      metrics.cohen_kappa_score(
        place[one], place[labels], labels=range(5), weights='quadratic'
      )
      for one in said
    ],
    'crps': (p * apart).sum(-1) - np.einsum('snc,cd,snd->sn', p, pairs, p) / 2,
    'crps_null': np.einsum('snc,cd,snd->sn', p, pairs, p) / 2,
  }
  for name, values in expected.items():
    one = found.statistics[f'scores.{view}.{name}']
    assert one.estimate == pytest.approx(np.mean(values)), name
    assert (one.low is None) == name.endswith('null')


def test_coverage_counts_labels_in_central_intervals(given, found):
  _, _, p = _expected(given, 'audio')
  labels = given[0].labels
  for level in scores.LEVELS:
    inside, mass = [], []
    for seed, clip in np.ndindex(p.shape[:2]):
      below = np.cumsum(p[seed, clip])
      tail = (1 - level / 100) / 2
      low, high = np.argmax(below > tail), np.argmax(below >= 1 - tail)
      inside.append(low <= labels[clip] <= high)
      mass.append(p[seed, clip, low : high + 1].sum())
    prefix = f'scores.audio.coverage_{level}'
    for name, value in (
      ('share', np.mean(inside)),
      ('null', np.mean(mass)),
      ('gap', np.mean(inside) - np.mean(mass)),
    ):
      one = found.statistics[f'{prefix}.{name}']
      assert one.estimate == pytest.approx(value)


def test_a_share_of_all_labels_inside_is_no_proof_of_too_wide_intervals():
  # Right distributions: one class has .989 of the mass, and the label.
  labels = np.arange(120) % 3
  random = np.random.default_rng(0)
  sure = random.uniform(0.985, 0.993, 120)
  p = np.where(np.eye(3)[labels] > 0, sure[:, None], (1 - sure[:, None]) / 2)
  every = {'text': p[None], 'audio': p[None], 'text+audio': p[None]}
  corpus = made.with_values(made.corpus(np.arange(120) % 24, labels))
  for outside, told in ((0, False), (5, False), (6, True)):
    # Each of another group.
    moved = np.where(np.arange(120) < outside, (labels + 1) % 3, labels)
    one = dataclasses.replace(
      corpus, labels=moved.astype(np.int32), scores=VALUES[moved]
    )
    found = made.answer(scores, one, made.predictions(every)).statistics
    gap = found['scores.text.coverage_90.gap']
    assert gap.estimate == pytest.approx(1 - outside / 120 - sure.mean())
    assert (gap.p is not None) == (gap.low is not None) == told
    if not told:
      assert f'labels of {outside} groups lie outside' in gap.method


def test_gains_are_differences_of_concordance(found):
  ccc = {
    view: found.statistics[f'scores.{view}.ccc'].estimate
    for view in ('text', 'audio', 'text+audio')
  }
  gains = {
    view: found.statistics[f'scores.full_minus_{view}.ccc'].estimate
    for view in ('text', 'audio')
  }
  for view, gain in gains.items():
    assert gain == pytest.approx(ccc['text+audio'] - ccc[view])
  best = found.statistics['scores.full_minus_best_single.ccc']
  assert best.estimate == min(gains.values())
  assert best.p is not None


def test_views_are_apart_beyond_their_seeds(given, found):
  x, z = (_expected(given, view)[0] for view in ('text', 'text+audio'))

  def apart(one, other, same):
    pairs = itertools.product(range(3), range(3))
    return np.mean(
      [np.abs(one[s] - other[t]).mean() for s, t in pairs if same or s != t]
    )

  # Seeds of one name do not count, in whatever view.
  expected = {
    'apart': apart(x, z, False),
    'own_null': apart(x, x, False),
    'full_null': apart(z, z, False),
  }
  null = (expected['own_null'] + expected['full_null']) / 2
  expected['excess'] = expected['apart'] - null
  covariance = np.cov(np.concatenate([x, z]), ddof=0)
  off = ~np.eye(3, dtype=bool)
  own, full, cross = (
    covariance[rows, columns][off].mean()
    for rows, columns in (
      np.ix_(range(3), range(3)),
      np.ix_(range(3, 6), range(3, 6)),
      np.ix_(range(3), range(3, 6)),
    )
  )
  expected['unshared'] = 1 - cross**2 / (own * full)
  for name, value in expected.items():
    one = found.statistics[f'scores.text_vs_full.{name}']
    assert one.estimate == pytest.approx(value), name


@pytest.mark.parametrize('told', distance.TOLD)
def test_what_distance_tells_is_a_partial_correlation(given, found, told):
  corpus, predictions = given
  x, z = (_expected(given, view)[0] for view in ('audio', 'text+audio'))
  variance = predictions.probabilities['text+audio'] @ VALUES**2 - z**2
  counts = corpus.vote_counts('text+audio')
  ratings = [np.var(np.repeat(VALUES, own), ddof=1) for own in counts]
  found_by = {}
  for name, others in (('', x), ('_seeds', z)):
    columns = [
      [
        np.abs(others[s] - z[t]),
        ratings if told == 'ambiguity' else np.abs(z[u] - corpus.scores),
        *(z[t], z[t] ** 2, variance[t]),
      ]
      for s, t, u in itertools.permutations(range(3), 3)
    ]
    first, second, *controls = np.concatenate(columns, axis=1)
    controls = np.stack(controls, axis=1)
    residuals = [
      one - linear_model.LinearRegression().fit(controls, one).predict(controls)
      for one in (first, second)
    ]
    found_by[name] = np.corrcoef(residuals)[0, 1]
  found_by['_excess'] = found_by[''] - found_by['_seeds']
  for name, value in found_by.items():
    one = found.statistics[f'scores.audio_vs_full.{told}{name}']
    assert one.estimate == pytest.approx(value, abs=1e-6)
  assert one.p is not None


def test_other_seeds_of_the_full_view_tell_no_more_than_it(given):
  corpus, predictions = given
  full = predictions.probabilities['text+audio']
  every = {'text': full, 'text+audio': full}
  one = made.predictions(every, predictions.folds['text'][0])
  found = made.answer(scores, corpus, one).statistics
  prefix = 'scores.text_vs_full'
  for name in ('excess', 'unshared', 'ambiguity_excess', 'errors_excess'):
    assert found[f'{prefix}.{name}'].estimate == pytest.approx(0, abs=1e-9)


def test_dominance_of_the_expected_score_by_plain_subsets(given, found):
  corpus, predictions = given
  plan = plan_lib.of_batch(Batch(*given))
  shown = {
    given_: p.mean(axis=0) @ VALUES
    for (view, given_), p in predictions.subsets.items()
    if view == 'text+audio'
  }
  prior = plan.class_shares[plan.trained_without(Batch(*given))] @ VALUES
  text = (shown['text'] - prior + shown['text+audio'] - shown['audio']) / 2
  audio = (shown['audio'] - prior + shown['text+audio'] - shown['text']) / 2
  size = np.abs(text) + np.abs(audio)
  share = np.mean(np.abs(audio) / size)
  one = found.statistics['scores.dominance.audio.share']
  assert one.estimate == pytest.approx(share)
  error = (shown['text+audio'] - corpus.scores) ** 2
  without = np.where(
    np.abs(text) > np.abs(audio), shown['audio'], shown['text']
  )
  harm = np.mean(error - (without - corpus.scores) ** 2)
  one = found.statistics['scores.dominance.any.net_harm']
  assert one.estimate == pytest.approx(harm)
  assert one.one_sided
  parts = [
    found.statistics[f'scores.dominance.{name}.net_harm'].estimate
    for name in plan.modalities
  ]
  assert sum(parts) == pytest.approx(harm)


def test_the_best_guess_of_all_does_no_harm():
  # Two cues of a normal score: what moves the best guess most, makes it better.
  random = np.random.default_rng(0)
  truth, first, second = random.normal(size=(3, 200_000))
  first, second = truth + first, truth + 2 * second
  both, alone = (first + second / 4) / 2.25, (first / 2, second / 5)
  values = {0: 0 * truth, 1: alone[0], 2: alone[1], 3: both}
  sizes = np.abs(dominance.shapley_values(values, [0, 1]))
  without = np.where(sizes[:, 0] > sizes[:, 1], *alone[::-1])
  assert np.mean((both - truth) ** 2 - (without - truth) ** 2) < -0.05


def test_ratings_vary_by_condition(given, found):
  corpus, _ = given
  by_condition = {
    name: np.array(
      [
        np.var(np.repeat(VALUES, own), ddof=1)
        for own in corpus.vote_counts(name)
      ]
    )
    for name in corpus.conditions
  }
  for name, values in by_condition.items():
    one = found.statistics[f'scores.humans.{name}.variance']
    assert one.estimate == pytest.approx(values.mean())
  gap = by_condition['text+audio'] - by_condition['text']
  one = found.statistics['scores.humans.full_minus_text.variance']
  assert one.estimate == pytest.approx(gap.mean())


def test_annotators_are_in_the_intervals_of_ratings():
  corpus, predictions = made.study_input(60, 60, 3)
  corpus = made.with_annotators(made.with_values(corpus))
  # Some annotators are at odds with all others, on every clip.
  wild = np.isin(corpus.votes.annotator, ['annotator1', 'annotator2'])
  label = np.where(wild, 2, corpus.votes.clip % 2)
  votes = dataclasses.replace(corpus.votes, label=label, scores=None)
  corpus = dataclasses.replace(corpus, votes=votes)
  totals, plan = made.added_up(corpus, predictions)
  noises = study.with_annotators(totals, plan).annotators
  votes = corpus.votes.of(corpus.conditions.index('text+audio'))
  without = []
  for one in np.unique(votes.annotator):
    left = votes.where(votes.annotator != one)
    own = [left.scores[left.clip == clip] for clip in range(60)]
    without.append(np.mean([np.var(ratings, ddof=1) for ratings in own]))
  found = noises['scores.humans.text+audio.variance']
  assert found.number == len(without) == 9
  # Less what is in the variance over groups, and what fewer votes change.
  assert 0 < found.noise.variance < 8 * np.var(without)
  assert noises['scores.text_vs_full.ambiguity_excess'].number == 9


def test_interval_alpha_by_hand():
  # Two clips, rated 1 and 2, and 2 and 4, of the values 1, 2 and 4. Observed:
  # (1 + 4) / 2 = 2.5. Expected, of the ratings 1, 2, 2, 4 in twelve ordered
  # pairs: 2 (1 + 1 + 9 + 0 + 4 + 4) / 12 = 19 / 6. Alpha = 1 - 2.5 / (19 / 6).
  counts = np.array([[1, 1, 0], [0, 1, 1]])
  figure = agreement.coefficients(3, True, VALUES)['alpha_interval']
  found = made.agreement_value(figure, counts)
  assert found == pytest.approx(1 - 15 / 19)
  expected = krippendorff.alpha(
    value_counts=counts, value_domain=VALUES, level_of_measurement='interval'
  )
  assert found == pytest.approx(expected)


def test_interval_alpha_covers_other_annotators(given):
  totals = study.with_annotators(*made.added_up(made.with_annotators(given[0])))
  assert totals.annotators['humans.text+audio.alpha_interval'].number == 9


def test_a_grid_of_scores_is_nearly_the_scores(given, found, monkeypatch):
  monkeypatch.setattr(plan_lib, 'MANY_CLIPS', 30)
  coarse = made.answer(scores, *given)
  for view in ('text', 'text+audio'):
    name = f'scores.{view}.spearman'
    one, exact = (on.statistics[name] for on in (coarse, found))
    assert one.estimate == pytest.approx(exact.estimate, abs=0.01)
    assert 'grid' in one.method
    name = f'scores.{view}.ccc'
    assert coarse.statistics[name] == found.statistics[name]


def test_what_is_missing_has_its_reason(given):
  corpus, predictions = given
  one = dataclasses.replace(
    corpus, votes=None, info=corpus.info | {'conditions': []}
  )
  alone = made.predictions(
    {view: p[:1] for view, p in predictions.probabilities.items()}
  )
  found = made.answer(scores, one, alone)
  for view in ('text', 'audio'):
    prefix = f'scores.{view}_vs_full'
    assert 'two seeds' in found.skipped[f'{prefix}.unshared']
    assert 'three seeds' in found.skipped[f'{prefix}.of_errors']
  assert 'column given' in found.skipped['scores.dominance']
  assert found.statistics['scores.text.ccc'].estimate
  sure = made.predictions(
    {
      view: np.eye(3)[p.argmax(axis=-1)]
      for view, p in predictions.probabilities.items()
    }
  )
  found = made.answer(scores, corpus, sure)
  assert 'no confidence' in found.skipped['scores.text.distribution']
  assert found.statistics['scores.text.ccc'].estimate


def test_what_is_not_shared_of_noise_alone_is_not_told(given):
  corpus, predictions = given
  random = np.random.default_rng(0)
  noise = made.softmax(random.normal(0, 0.3, (2, 150, 3)))
  every = {view: p[:2] for view, p in predictions.probabilities.items()} | {
    'audio': noise
  }
  found = made.answer(scores, corpus, made.predictions(every))
  name = 'scores.{}_vs_full.unshared'
  assert name.format('audio') not in found.statistics
  assert 'of audio differ more' in found.skipped[name.format('audio')]
  one = found.statistics[name.format('text')]
  assert -1 <= one.low < one.estimate < one.high <= 1


def test_one_vote_a_clip_is_skipped_with_its_reason():
  corpus = made.corpus(
    np.arange(20),
    np.arange(20) % 3,
    votes={'text': np.eye(3, dtype=int)[[0, 1] * 10]},
  )
  found = study.build(made.with_values(corpus))
  assert section.section(found).skipped == 'No clip has two votes or more.'
  assert 'No clip has two' in report_lib.render(found)


def test_one_modality_has_scores_of_its_own(given):
  corpus, predictions = given
  info = corpus.info | {'modalities': ['text'], 'conditions': []}
  corpus = dataclasses.replace(corpus, info=info, votes=None)
  text = made.predictions({'text': predictions.probabilities['text']})
  found = made.answer(scores, corpus, text)
  assert found.statistics['scores.text.ccc'].estimate > 0
  assert found.skipped == {
    'scores.full_minus_best_single.ccc': 'There is no view beside the full '
    'one, text.',
    'scores.dominance': 'There is one modality only.',
  }


def test_classes_without_values_have_no_scores():
  corpus, predictions = made.study_input(40, 40)
  found = study.build(corpus, predictions)
  assert not [name for name in found.statistics if name.startswith('scores')]
  assert section.section(found) is None
  assert 'id="scores"' not in report_lib.render(found)


def test_the_report_tells_of_scores():
  corpus, predictions = made.study_input(80, 80, 3)
  found = study.build(made.with_values(corpus), made.with_parts(predictions))
  page = report_lib.render(found)
  assert 'id="scores"' in page
  told = re.sub(r'<[^>]+>', '', page)
  assert 'The concordance (CCC) of the scores of the full view' in told
  assert 'The variance of a clip’s ratings is' in told


def test_tables_are_written_whole(given):
  corpus, predictions = given
  more = dict(predictions.probabilities) | {
    'video': predictions.probabilities['audio']
  }
  info = corpus.info | {'modalities': ['text', 'audio', 'video']}
  one = dataclasses.replace(corpus, info=info)
  every = {'text': 0, 'audio': 0, 'video': 0, 'text+audio': 0}
  every = {view: more[view] for view in every}
  every['text+audio+video'] = more['text+audio']
  answer = made.answer(scores, one, made.predictions(every))
  found = {
    name: findings.filled(rows, answer.statistics)
    for name, rows in answer.tables.items()
  }
  for name in ('scores', 'score_calibration', 'scores_apart', 'score_votes'):
    rows = found[name]
    assert rows, name
    assert all(row.keys() == rows[0].keys() for row in rows), name
  # What is asked of single views alone is not of pairs.
  by_view = {row['view']: row for row in found['scores_apart']}
  assert by_view['text+audio']['errors_excess'] is None
  assert by_view['text']['errors_excess'] is not None


def test_people_alone_have_scores(given):
  found = study.build(given[0])
  told = section.section(found)
  alpha = found.statistics['humans.text+audio.alpha_interval']
  assert told.finding.startswith('People’s ratings of a clip agree with an')
  assert f' and {alpha.estimate:.3f} [' in told.finding
  assert told.details[0].startswith('The variance of a clip’s ratings is')
  assert told.shows['ccc'] is None


def test_scores_lead_the_answer_and_classes_say_that_they_are():
  plain, predictions = made.study_input(60, 12, 1)
  for corpus, predicted in (
    (made.with_values(plain), predictions),
    (made.with_values(plain), None),
    (plain, predictions),
  ):
    found = study.build(corpus, predicted)
    told = {part.key: part for part in sections.of(found)}
    valued = corpus.values is not None
    assert (list(told)[:2] == ['data', 'scores']) == valued
    for key in ['humans'] + ['views'] * (predicted is not None):
      nearer = 'no class being nearer than another' in told[key].answer[0]
      assert nearer == valued, key
