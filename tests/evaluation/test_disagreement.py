"""Question 2 and the clips' signals, against scikit-learn, SciPy and loops."""

import itertools

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import distance
from sklearn import metrics

from empathy.evaluation import disagreement, findings, samples, seeds
from empathy.evaluation import signals as signals_lib


def _labels(predictions, view):
  return predictions.probabilities[view].argmax(-1)


def _pairs(first, second):
  """All pairs of seeds of different names, here of different places."""
  return [
    (a, b) for i, a in enumerate(first) for j, b in enumerate(second) if i != j
  ]


def test_rate_and_kappa_are_means_over_pairs_of_distinct_seeds():
  corpus, predictions = made.study_input(num_seeds=3)
  found = made.answer(disagreement, corpus, predictions).statistics
  fulls = _labels(predictions, 'text+audio')
  for view in ('text', 'audio'):
    pairs = _pairs(_labels(predictions, view), fulls)
    prefix = f'disagreement.{view}_vs_full'
    assert len(pairs) == 6
    assert found[f'{prefix}.rate'].estimate == pytest.approx(
      np.mean([(a != b).mean() for a, b in pairs])
    )
    assert found[f'{prefix}.kappa'].estimate == pytest.approx(
      np.mean([metrics.cohen_kappa_score(a, b) for a, b in pairs])
    )


def test_the_seed_null_takes_distinct_seeds_of_each_view():
  corpus, predictions = made.study_input(num_seeds=4)
  found = made.answer(disagreement, corpus, predictions).statistics
  within = [
    np.mean(
      [
        (a != b).mean()
        for a, b in itertools.combinations(_labels(predictions, view), 2)
      ]
    )
    for view in ('text', 'text+audio')
  ]
  null = found['disagreement.text_vs_full.seed_null'].estimate
  rate = found['disagreement.text_vs_full.rate'].estimate
  assert null == pytest.approx(np.mean(within))
  assert found['disagreement.text_vs_full.excess'].estimate == pytest.approx(
    rate - null
  )


def test_the_excess_is_half_the_squared_distance_of_label_distributions():
  # Views whose seeds draw each clip's label from known shares: the excess
  # estimates the mean of |p - q|^2 / 2 without bias.
  random = np.random.default_rng(0)
  shares = random.dirichlet([1, 1, 1], (2, 400))
  drawn = {}
  for view, share in zip(('text', 'text+audio'), shares, strict=True):
    labels = np.stack([random.choice(3, 8, p=p) for p in share], axis=1)
    drawn[view] = np.eye(3)[labels] * 0.7 + 0.1
  corpus = made.corpus(np.arange(400) // 40, np.zeros(400, int))
  found = made.answer(disagreement, corpus, made.predictions(drawn)).statistics
  expected = ((shares[0] - shares[1]) ** 2).sum(axis=1).mean() / 2
  excess = found['disagreement.text_vs_full.excess'].estimate
  assert excess == pytest.approx(expected, abs=0.02)
  assert expected > 0.1


def test_equal_views_have_no_excess():
  random = np.random.default_rng(1)
  tail = []
  for _ in range(60):
    shares = random.dirichlet([0.6, 0.6, 0.6], 60)
    drawn = {}
    for view in ('text', 'text+audio'):
      labels = np.stack([random.choice(3, 5, p=p) for p in shares], 1)
      drawn[view] = np.eye(3)[labels] * 0.7 + 0.1
    corpus = made.corpus(np.arange(60) // 5, np.zeros(60, int))
    found = made.answer(
      disagreement, corpus, made.predictions(drawn)
    ).statistics
    tail.append(found['disagreement.text_vs_full.excess'])
  values = [found.estimate for found in tail]
  assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)
  # At 5 %, ten of sixty would be a false alarm of less than one in a thousand.
  assert sum(found.p <= 0.05 for found in tail) < 10


def test_the_seeds_variance_is_that_of_new_seeds():
  # What the seeds add to the error is checked against studies of new seeds of
  # the same two views on the same clips.
  random = np.random.default_rng(2)
  shares = random.dirichlet([0.5, 0.5, 0.5], (2, 30))
  # Seeds differ as a whole, not clip by clip only.
  tilt = np.array([1.0, -1.0, 0.0])

  def study():
    drawn = []
    for share in shares:
      seeds = random.normal(0, 1.0, (6, 1, 1)) * tilt
      p = made.softmax(np.log(share + 1e-3) + seeds)
      drawn.append(
        np.array([[random.choice(3, p=q) for q in seed] for seed in p])
      )
    return drawn

  rates, variances = [], []
  for _ in range(120):
    first, second = study()
    pairs = disagreement.mismatches(first, second).mean(axis=-1)
    rates.append(pairs.mean())
    variances.append(
      seeds.noise(
        seeds.Part(np.arange(6), pairs.mean(axis=1)),
        seeds.Part(np.arange(10, 16), pairs.mean(axis=0)),
      ).variance
    )
  assert np.mean(variances) == pytest.approx(np.var(rates), rel=0.5)


@pytest.mark.parametrize('shared', [False, True])
def test_each_seeds_influence_is_the_derivative_by_its_weight(
  monkeypatch, shared
):
  random = np.random.default_rng(3)
  first, second = (random.integers(0, 3, (k, 30)) for k in (3, 4))
  names = (np.arange(3), np.arange(4) + (0 if shared else 10))
  told = []

  def note(*parts):
    told.append(parts)
    return seeds.THESE_SEEDS

  monkeypatch.setattr(seeds, 'noise', note)
  sample = samples.sample(np.arange(30) // 5)
  disagreement.add_rates(
    findings.Findings(),
    'disagreement.text_vs_full',
    made.pair(sample, names, first, second, 3),
  )
  distinct = names[0][:, None] != names[1][None]

  def rates(a, b):
    return (a[:, None] != b[None]).mean(axis=-1)

  def null(labels, weights):
    pairs = np.outer(weights, weights) * (1 - np.eye(len(weights)))
    return (pairs * rates(labels, labels)).sum() / pairs.sum()

  def figures(ours, fulls):
    pairs = np.outer(ours, fulls) * distinct
    rate = (pairs * rates(first, second)).sum() / pairs.sum()
    own, full = null(first, ours), null(second, fulls)
    noise = (own + full) / 2
    found = [rate, own, full, noise, rate - noise, rate - own, rate - full]
    if shared:
      pairs = np.outer(ours, fulls) * ~distinct
      same = (pairs * rates(first, second)).sum() / pairs.sum()
      found.insert(1, rate - same)
    return np.array(found)

  step = 1e-6
  for place in range(8 if shared else 7):
    for view, part in enumerate(told[place]):
      expected = []
      for seed in range(len(part.values)):
        weights = [[np.ones(3), np.ones(4)] for _ in range(2)]
        weights[0][view][seed] += step
        weights[1][view][seed] -= step
        above, below = (figures(*pair)[place] for pair in weights)
        expected.append(len(part.values) * (above - below) / (2 * step))
      np.testing.assert_allclose(
        part.values - part.values.mean(),
        expected - np.mean(expected),
        atol=1e-8,
      )


def _found(first, second, groups, shared=True):
  found = findings.Findings()
  names = (np.arange(len(first)), np.arange(len(second)) + 100 * (not shared))
  sample = samples.sample(groups, 500)
  pair = made.pair(sample, names, first, second, 3)
  disagreement.add_rates(found, 'disagreement.text_vs_full', pair)
  return {
    name.rpartition('.')[2]: one for name, one in found.statistics.items()
  }


def _drawn(random, scores, noise, num_seeds):
  shape = (num_seeds, *scores.shape)
  return scores + random.normal(0, noise, shape)


@pytest.mark.parametrize('num_seeds', [2, 3, 10])
def test_a_fusion_of_the_same_seeds_has_no_excess(num_seeds):
  # The full view's seed is the text's, with next to nothing of another: all
  # pairs would find 15 to 25 points less than nothing.
  excess = []
  for study in range(8):
    random = np.random.default_rng((num_seeds, study))
    scores = np.eye(3)[random.integers(0, 3, 500)]
    text = _drawn(random, scores, 1.5, num_seeds)
    full = 0.95 * text + 0.05 * _drawn(random, scores, 1.5, num_seeds)
    found = _found(text.argmax(-1), full.argmax(-1), np.arange(500) // 20)
    assert found['same_seed_gap'].low > 0.25
    excess.append(found['excess'].estimate)
    assert found['beyond_either'].low <= 0
  assert abs(np.mean(excess)) < 0.005


def test_one_and_the_same_model_differs_by_nothing():
  random = np.random.default_rng(4)
  labels = random.integers(0, 3, (3, 200))
  found = _found(labels, labels, np.arange(200) // 10)
  for figure in ('excess', 'beyond_either'):
    assert found[figure].estimate == pytest.approx(0, abs=1e-12)
    assert found[figure].low is None


def test_a_view_that_errs_on_the_same_clips_more_often_is_no_finding():
  # The same evidence with thrice the noise of seeds: the excess is there, and
  # what exceeds the noisier of the two is not.
  excess, beyond = [], []
  for study in range(20):
    random = np.random.default_rng(study)
    scores = 1.5 * np.eye(3)[random.integers(0, 3, 600)]
    scores += random.normal(0, 1, scores.shape)
    view, full = (
      _drawn(random, scores, noise, 4).argmax(-1) for noise in (1.8, 0.6)
    )
    found = _found(view, full, np.arange(600) // 20)
    excess.append(found['excess'].low)
    beyond.append(found['beyond_either'].low)
  assert np.mean(np.array(excess) > 0) > 0.9
  assert max(beyond) < 0


def test_a_view_with_evidence_of_its_own_is_one():
  told = []
  for study in range(10):
    random = np.random.default_rng(study)
    gold = 1.5 * np.eye(3)[random.integers(0, 3, 1_000)]
    text, audio = (gold + random.normal(0, 1, gold.shape) for _ in range(2))
    view, full = (
      _drawn(random, scores, 0.4, 4).argmax(-1)
      for scores in (text, text + audio)
    )
    found = _found(view, full, np.arange(1_000) // 25)['beyond_either']
    told.append(found.low > 0)
  assert np.mean(told) > 0.8


def test_what_exceeds_either_is_the_rate_less_the_larger_null():
  corpus, predictions = made.study_input(num_seeds=4)
  found = made.answer(disagreement, corpus, predictions).statistics
  for view in ('text', 'audio'):
    rate, own, full, beyond = (
      found[f'disagreement.{view}_vs_full.{name}'].estimate
      for name in ('rate', 'own_null', 'full_null', 'beyond_either')
    )
    assert beyond == pytest.approx(rate - max(own, full))


def test_the_primary_is_the_single_view_that_exceeds_noise_by_most():
  corpus, predictions = made.study_input()
  found = made.answer(disagreement, corpus, predictions)
  excess = {
    name: estimate.estimate
    for name, estimate in found.statistics.items()
    if name.endswith('.beyond_either')
  }
  assert found.primary == max(excess, key=excess.get)
  assert found.num_candidates == 2


def test_one_seed_leaves_the_noise_unknown():
  corpus, predictions = made.study_input(num_seeds=1)
  found = made.answer(disagreement, corpus, predictions)
  assert 'disagreement.text_vs_full.rate' in found.statistics
  assert 'one seed' in found.statistics['disagreement.text_vs_full.rate'].method
  for figure in ('seed_null', 'excess', 'beyond_either'):
    assert 'two seeds' in found.skipped[f'disagreement.text_vs_full.{figure}']
  assert found.primary is None
  # The question is answered in part, so it is not skipped as a whole.
  assert 'question 2' not in found.skipped


def test_a_question_without_a_single_view_or_a_common_clip_is_said():
  corpus, predictions = made.study_input()
  probabilities = predictions.probabilities
  three = made.corpus(
    np.arange(120) // 10,
    corpus.labels,
    corpus.classes,
    ('text', 'audio', 'video'),
  )
  pair = made.predictions(
    {
      'text+audio': probabilities['text+audio'],
      'text+audio+video': probabilities['text'],
    }
  )
  found = made.answer(disagreement, three, pair)
  assert found.primary is None
  assert 'disagreement.text+audio_vs_full.beyond_either' in found.statistics
  assert 'single' in found.skipped['disagreement.single_vs_full.beyond_either']
  apart = {view: p.copy() for view, p in probabilities.items()}
  apart['text+audio'][:, :60] = np.nan
  apart['text'][:, 60:] = np.nan
  apart['audio'][:, 60:] = np.nan
  found = made.answer(disagreement, corpus, made.predictions(apart))
  assert not found.statistics
  assert 'every seed' in found.skipped['disagreement.text_vs_full']
  assert 'No clip' in found.skipped['question 2']


def _error_consistency(first, second):
  same = np.mean(first == second)
  a, b = first.mean(), second.mean()
  chance = a * b + (1 - a) * (1 - b)
  return (same - chance) / (1 - chance)


def test_error_consistency_by_pairs():
  corpus, predictions = made.study_input()
  found = made.answer(disagreement, corpus, predictions).statistics
  right = {
    view: _labels(predictions, view) == corpus.labels
    for view in predictions.views
  }
  pairs = _pairs(right['audio'], right['text+audio'])
  assert found[
    'disagreement.audio_vs_full.error_consistency'
  ].estimate == pytest.approx(np.mean([_error_consistency(*p) for p in pairs]))
  # By hand: right on (1, 1, 1, 0) and (1, 1, 0, 0): c = 3/4, e = 1/2.
  sample = samples.sample(np.arange(4))
  right = np.array([[1, 1, 1, 0]]) > 0, np.array([[1, 1, 0, 0]]) > 0
  statistic, _ = disagreement.error_consistency(
    made.right_pair(sample, made.apart(*right), *right)
  )
  assert statistic(np.ones((1, 4)))[0][0] == pytest.approx(0.5)


def test_views_that_never_err_have_no_consistency_and_no_kappa():
  labels = np.zeros(12, int)
  sure = np.tile([0.8, 0.1, 0.1], (2, 12, 1))
  corpus = made.corpus(np.arange(12) // 2, labels)
  found = made.answer(
    disagreement, corpus, made.predictions({'text': sure, 'text+audio': sure})
  )
  for figure in ('kappa', 'error_consistency'):
    assert f'disagreement.text_vs_full.{figure}' in found.skipped
  rate = found.statistics['disagreement.text_vs_full.rate']
  assert (rate.estimate, rate.low) == (0, 0)
  assert 'Clopper' in rate.method


def test_signals_are_those_of_a_loop():
  corpus, predictions = made.study_input(40, 4)
  del corpus
  found = signals_lib.signals(predictions, 'text+audio')
  mean = {v: p.mean(axis=0) for v, p in predictions.probabilities.items()}

  def entropy(p):
    return -(p * np.log(p)).sum()

  for i in range(40):
    text, audio, full = (mean[v][i] for v in ('text', 'audio', 'text+audio'))
    labels = [p.argmax() for p in (text, audio)]
    top = np.sort(full)[::-1]
    jsd = {
      'text_jsd': distance.jensenshannon(text, full) ** 2,
      'audio_jsd': distance.jensenshannon(audio, full) ** 2,
      'unimodal_jsd': distance.jensenshannon(text, audio) ** 2,
    }
    seeds = predictions.probabilities['text+audio'][:, i]
    expected = jsd | {
      'text_disagreement': labels[0] != full.argmax(),
      'audio_disagreement': labels[1] != full.argmax(),
      'any_disagreement': any(label != full.argmax() for label in labels),
      'num_unimodal_labels': len(set(labels)),
      'full_jsd': (jsd['text_jsd'] + jsd['audio_jsd']) / 2,
      'entropy': entropy(full),
      'one_minus_confidence': 1 - top[0],
      'one_minus_margin': 1 - (top[0] - top[1]),
      'seed_mutual_information': entropy(full)
      - np.mean([entropy(seed) for seed in seeds]),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
      np.testing.assert_allclose(found[name][i], value, atol=1e-12)


def test_signals_of_clips_with_a_missing_view():
  _, predictions = made.study_input(10, 3)
  cut = {v: p.copy() for v, p in predictions.probabilities.items()}
  cut['text'][:, 0] = np.nan
  cut['text'][:, 1] = cut['audio'][:, 1] = np.nan
  cut['text+audio'][:, 2] = np.nan
  found = signals_lib.signals(made.predictions(cut), 'text+audio')
  assert np.isnan(found['text_jsd'][[0, 1, 2]]).all()
  assert np.isnan(found['unimodal_jsd'][0])
  assert found['any_disagreement'][0] == found['audio_disagreement'][0]
  assert found['num_unimodal_labels'][0] == 1
  assert found['full_jsd'][0] == found['audio_jsd'][0]
  assert np.isnan(found['any_disagreement'][[1, 2]]).all()
  assert np.isnan(found['entropy'][2])
  for values in found.values():
    assert not np.isnan(values[3:]).any()


@given(seed=st.integers(0, 30), order=st.permutations(range(3)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_seeds_and_classes_does_not_matter(seed, order):
  corpus, predictions = made.study_input(50, 5, 3, seed)
  order = list(order)
  moved = {
    view: p[order][..., order] for view, p in predictions.probabilities.items()
  }
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  again = made.corpus(groups, np.argsort(order)[corpus.labels])
  expected = made.answer(disagreement, corpus, predictions).statistics
  found = made.answer(disagreement, again, made.predictions(moved)).statistics
  assert found.keys() == expected.keys()
  for name, one in expected.items():
    for field in ('estimate', 'low', 'high', 'p'):
      value = getattr(one, field)
      if value is not None:
        assert getattr(found[name], field) == pytest.approx(value, abs=1e-9)


def test_kappas_of_no_clips_are_undefined():
  share = np.ones((1, 1))
  for function, size in (
    (disagreement._kappas, 1 + 2 * 3 + 1),
    (disagreement._consistencies, 1 + 2 + 1),
  ):
    values, gradient = function(np.zeros((1, size)), share, 3)
    assert np.isnan(values).all()
    assert np.isfinite(gradient).all()
