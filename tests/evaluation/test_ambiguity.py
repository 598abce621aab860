"""Question 3 against loops over pairs of annotators and least squares."""

import itertools

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn import metrics

from empathy.evaluation import ambiguity, ranking, resampling
from empathy.evaluation import signals as signals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import Scale


@given(hnp.arrays(np.int64, (4, 3), elements=st.integers(0, 4)))
def test_gs_is_the_share_of_pairs_that_differ(votes):
  found = votes_lib.gs(votes)
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
  values = votes_lib.gs(votes)
  assert abs(values.mean() - expected) < 4 * values.std() / 200


def test_entropy_by_hand():
  plain, mended = votes_lib.entropy(np.array([[2, 1, 1], [3, 0, 0], [0, 0, 0]]))
  np.testing.assert_allclose(plain[:2], [1.5 * np.log(2), 0], atol=1e-15)
  np.testing.assert_allclose(mended[:2], [1.5 * np.log(2) + 2 / 8, 0])
  assert np.isnan([plain[2], mended[2]]).all()


def test_contested_is_less_than_two_thirds():
  votes = np.array([[2, 1], [3, 2], [4, 2], [1, 1]])
  assert votes_lib.contested(votes).tolist() == [False, True, False, True]


def test_strata_are_of_one_label_and_finer_for_many_clips():
  random = np.random.default_rng(0)
  for n, num_bins in ((1_000, 20), (5_000, 20), (80_000, 40)):
    p = random.dirichlet(np.ones(3), n)
    found = ambiguity.strata(p)
    assert found.max() < 3 * num_bins
    assert len(np.unique(found % num_bins)) == num_bins
    assert (found // num_bins == p.argmax(axis=1)).all()
    # Each bin holds as many clips of all labels.
    assert np.ptp(np.bincount(found % num_bins)) <= 1


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


def test_groups_of_the_adjusted_difference_have_clips_of_their_side():
  # By clip: its group, stratum and side. In stratum 2 all agree, so group 3
  # tells nothing; group 2 has none that differ.
  group = np.array([0, 0, 1, 1, 2, 3, 3])
  stratum = np.array([0, 0, 1, 1, 1, 2, 2])
  differ = np.array([0, 1, 1, 1, 0, 0, 0], bool)
  figure = ambiguity.adjusted_difference(
    resampling.sample(group), differ, np.arange(7.0), stratum
  )
  assert figure.counted.tolist() == [
    [True, False, True, False],
    [True, True, False, False],
  ]


@pytest.mark.parametrize('num_differ', [4, 8])
def test_few_clips_that_differ_are_few_groups(num_differ):
  random = np.random.default_rng(8)
  sample = resampling.sample(np.arange(300))
  differ = np.arange(300) % (300 // num_differ) == 0
  figure = ambiguity.adjusted_difference(
    sample, differ, random.random(300), np.arange(300) // 75
  )
  found = resampling.estimate(sample, figure, null=True)
  number = int(differ.sum())
  if number < 6:
    assert (found.low, found.p) == (None, None)
    assert f'{number} groups' in found.method
  else:
    assert found.sizes == {'groups': number}


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
    signals = signals_lib.signals(predictions, 'text+audio')
  return ambiguity.answer(corpus, predictions, signals), signals


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
    _least_squares(differ, gs, stratum), abs=1e-10
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


@given(st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_auroc_of_pairs_with_equally_many_votes(seed):
  random = np.random.default_rng(seed)
  n, num_groups = 40, 6
  signal = random.integers(0, 5, n) / 4
  positive = random.random(n) < 0.4
  number = random.integers(2, 5, n)
  sample = resampling.sample(np.arange(n) % num_groups)
  statistic = ambiguity.auroc_at_equal_number(sample, signal, positive, number)
  weights = np.concatenate(
    [np.ones((1, num_groups)), random.integers(0, 3, (2, num_groups))]
  )
  values, _ = statistic(weights)
  for row, value in zip(weights, values, strict=True):
    top = bottom = 0.0
    for i, j in itertools.product(range(n), repeat=2):
      if positive[i] and not positive[j] and number[i] == number[j]:
        pair = row[i % num_groups] * row[j % num_groups]
        won = float(signal[i] > signal[j]) + 0.5 * (signal[i] == signal[j])
        top, bottom = top + pair * won, bottom + pair
    if bottom:
      assert value == pytest.approx(top / bottom, abs=1e-12)
    else:
      assert np.isnan(value)


def test_auroc_of_equal_numbers_has_its_slope():
  random = np.random.default_rng(5)
  n, num_groups = 80, 7
  sample = resampling.sample(np.arange(n) % num_groups)
  statistic = ambiguity.auroc_at_equal_number(
    sample,
    random.random(n).round(1),
    random.random(n) < 0.5,
    random.integers(2, 5, n),
  )
  weights = random.random(num_groups) + 0.5
  slope = statistic(weights[None])[1][0]
  step = 1e-5 * np.eye(num_groups)
  up, down = statistic(weights + step)[0], statistic(weights - step)[0]
  np.testing.assert_allclose(slope, (up - down) / 2e-5, atol=1e-8)


def test_groups_of_equal_numbers_have_clips_of_their_kind():
  # No clip of 4 votes is positive, so group 2 is in no pair.
  figure = ambiguity.auroc_at_equal_number(
    resampling.sample(np.array([0, 0, 1, 2, 2])),
    np.arange(5.0),
    np.array([1, 0, 0, 0, 0], bool),
    np.array([3, 3, 3, 4, 4]),
  )
  assert figure.counted.tolist() == [
    [True, False, False],
    [True, True, False],
  ]


def test_a_signal_that_knows_the_number_of_votes_tells_nothing():
  # Clips with more votes are contested more often, and that is all it knows.
  random = np.random.default_rng(6)
  number = np.where(random.random(3000) < 0.5, 3, 5)
  votes = random.multinomial(number, [0.6, 0.4])
  hit = votes_lib.contested(votes)
  sample = resampling.sample(np.arange(3000) % 300)
  signal = number + 0.1 * random.random(3000)
  plain = resampling.estimate(
    sample, ranking.auroc(sample, signal, hit), scale=Scale.LOGIT
  )
  equal = resampling.estimate(
    sample,
    ambiguity.auroc_at_equal_number(sample, signal, hit, number),
    scale=Scale.LOGIT,
  )
  assert plain.low > 0.8
  assert equal.low < 0.5 < equal.high


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


def _enumerated(values, stratum, full, singles):
  """Both sides by all choices of distinct seeds, and least squares."""
  names, labels = full
  sides = []
  for views in (singles, [full] * len(singles)):
    rows = []
    for r, reference in enumerate(names):
      own = [
        np.any(
          [
            view[1][place] != labels[r]
            for view, place in zip(views, places, strict=True)
          ],
          axis=0,
        )
        for places in itertools.product(*(range(len(v[0])) for v in views))
        if len(
          {
            reference,
            *(v[0][p] for v, p in zip(views, places, strict=True)),
          }
        )
        == len(views) + 1
      ]
      rows.append((np.array(own), np.tile(stratum[r], (len(own), 1))))
    differ = np.concatenate([row[0] for row in rows]).ravel()
    strata = np.concatenate([row[1] for row in rows]).ravel()
    gs = np.tile(values, len(differ) // len(values))
    sides.append(_least_squares(differ, gs, strata))
  return sides


@pytest.mark.parametrize('shared', [True, False])
def test_both_sides_are_those_of_all_choices_of_distinct_seeds(shared):
  random = np.random.default_rng(11)
  n, num_seeds = 60, 4
  values = random.random(n)
  stratum = random.integers(0, 5, (num_seeds, n))
  made_of = [
    (
      np.arange(num_seeds) + (0 if shared else 10 * view),
      random.integers(0, 2, (num_seeds, n)),
    )
    for view in range(4)
  ]
  expected = _enumerated(values, stratum, made_of[0], made_of[1:])
  full, *singles = (ambiguity.Labelled(*view) for view in made_of)
  sample = resampling.sample(np.arange(n) // 6)
  found = ambiguity.matched(sample, values, stratum, full, singles)
  one = np.ones((1, 10))
  assert found.views(one)[0][0] == pytest.approx(expected[0], abs=1e-10)
  assert found.control(one)[0][0] == pytest.approx(expected[1], abs=1e-10)


def test_views_that_are_the_full_views_own_seeds_tell_nothing_beyond():
  random = np.random.default_rng(12)
  labels = random.integers(0, 3, (5, 80))
  full = ambiguity.Labelled(np.arange(5), labels)
  found = ambiguity.matched(
    resampling.sample(np.arange(80) // 8),
    random.random(80),
    random.integers(0, 4, (5, 80)),
    full,
    [full] * 3,
  )
  np.testing.assert_allclose(found.views_differ, found.control_differ)
  assert found.noise.variance == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize('shared', [True, False])
def test_the_noise_of_seeds_is_the_slope_by_their_weights(shared, monkeypatch):
  # Against differences of the figure with seeds weighted, chosen with
  # replacement but for the reference's own.
  random = np.random.default_rng(13)
  n, num_seeds = 40, 5
  values = random.random(n)
  stratum = np.repeat(random.integers(0, 2, (1, n)), num_seeds, axis=0)
  labels = random.integers(0, 2, (3, num_seeds, n))
  names = [np.arange(num_seeds) + (0 if shared else 10 * v) for v in range(3)]
  told = []
  monkeypatch.setattr(
    ambiguity.seeds_lib, 'noise', lambda *parts: told.extend(parts)
  )
  full, *singles = map(ambiguity.Labelled, names, labels)
  sample = resampling.sample(np.arange(n) // 4)
  ambiguity.matched(sample, values, stratum, full, singles)

  def side(reference, members):
    differ = []
    for r in range(num_seeds):
      agree = 1.0
      for view, weight in members:
        known = weight * (names[view] != names[0][r])
        same = (labels[view] == labels[0][r]).T @ known
        agree = agree * same / known.sum()
      differ.append(1 - agree)
    return (
      ambiguity.adjusted_difference(sample, np.array(differ), values, stratum)(
        np.ones((1, 10))
      )[0][0],
      np.array(differ),
      reference,
    )

  ones = np.ones(num_seeds)
  # The parts: reference and single views, then reference and control twice.
  step = 1e-6
  for part, members, moved, sign in (
    (told[1], [1, 2], 0, 1),
    (told[2], [1, 2], 1, 1),
    (told[4], [0, 0], 0, -1),
  ):
    slopes = []
    for seed in range(num_seeds):
      ends = []
      for change in (step, -step):
        weight = ones.copy()
        weight[seed] += change
        both = [(view, ones) for view in members]
        both[moved] = (members[moved], weight)
        ends.append(side(ones, both)[0])
      slopes.append(sign * num_seeds * (ends[0] - ends[1]) / (2 * step))
    values_of = part.values - part.values.mean()
    expected = slopes - np.mean(slopes)
    # The gradient is that at the choices without replacement.
    assert np.corrcoef(values_of, expected)[0, 1] > 0.98
    np.testing.assert_allclose(values_of, expected, rtol=0.35, atol=0.02)


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
  few = np.tile([[0.5, 0.3, 0.2]], (100, 1))
  assert '1 value only' in ambiguity.too_coarse(few)
  random = np.random.default_rng(0)
  assert not ambiguity.too_coarse(random.dirichlet(np.ones(3), 30))


def test_a_constant_view_tells_nothing_within_a_label():
  corpus, predictions = made.study_input()
  found, _ = _answer(corpus, predictions)
  assert (
    'within that label'
    in (found.skipped['ambiguity.control.constant.adjusted'])
  )
  assert 'ambiguity.control.constant.gs_difference' in found.statistics


@pytest.mark.parametrize('num_variants', [1, 3])
def test_chances_and_variants_are_shares_of_clips(num_variants):
  random = np.random.default_rng(num_variants)
  n = 30
  chances = random.choice([0, 0.25, 1], (num_variants, n))
  stratum = random.integers(0, 4, (num_variants, n))
  values = random.random(n)
  sample = resampling.sample(np.arange(n) // 5)
  top = bottom = 0.0
  for name in range(4):
    inside = (stratum == name) / num_variants
    ones, zeros = inside * chances, inside * (1 - chances)
    if ones.sum() and zeros.sum():
      means = [(side * values).sum() / side.sum() for side in (ones, zeros)]
      weight = ones.sum() * zeros.sum() / (ones.sum() + zeros.sum())
      top, bottom = top + weight * (means[0] - means[1]), bottom + weight
  found = ambiguity.adjusted_difference(sample, chances, values, stratum)
  assert found(np.ones((1, 6)))[0][0] == pytest.approx(top / bottom, abs=1e-12)
  raw = ambiguity.difference(sample, chances, values)(np.ones((1, 6)))[0][0]
  share = chances.mean(axis=0)
  expected = np.average(values, weights=share)
  expected -= np.average(values, weights=1 - share)
  assert raw == pytest.approx(expected, abs=1e-12)


def test_all_votes_speak_where_the_full_condition_has_none():
  votes = {
    'text': np.array([[1, 0, 0], [0, 2, 0]]),
    'audio': np.array([[0, 1, 0], [0, 1, 0]]),
  }
  corpus = made.corpus([0, 1], [0, 1], votes=votes)
  corpus.info['conditions'].append('text+audio')
  spoken, condition = votes_lib.speaking_votes(corpus)
  assert condition is None
  assert spoken.tolist() == [[1, 1, 0], [0, 3, 0]]


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
