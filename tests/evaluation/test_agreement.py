"""Agreement against other implementations, textbook tables and its own laws."""

import warnings

import krippendorff
import made
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from statsmodels.stats import inter_rater

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  agreement,
  deletions,
  humans,
  resampling,
  samples,
)

_METRICS = ('nominal', 'ordinal', 'interval')
_NAMES = ('alpha_nominal', 'alpha_ordinal', 'fleiss_kappa', 'gwet_ac1')
_ALL = (*_NAMES, 'observed_agreement')
_GAP = 0
# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C:
# four observers, twelve units, classes 1 to 5.
_TEXTBOOK = (
  np.array(
    [
      [1, 2, 3, 3, 2, 1, 4, 1, 2, _GAP, _GAP, _GAP],
      [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _GAP, 3],
      [_GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _GAP],
      [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _GAP],
    ]
  )
  - 1
)
_CODES = arrays.arrays(
  np.int64,
  st.tuples(st.integers(2, 5), st.integers(1, 12)),
  elements=st.integers(-1, 3),
)


@pytest.fixture(autouse=True)
def _without_warnings():
  with warnings.catch_warnings(), np.errstate(all='raise', under='ignore'):
    warnings.simplefilter('error')
    yield


def _counts_of_codes(codes, num_classes):
  """Counts of a table of raters x clips with gaps, which are negative."""
  return np.stack(
    [(codes == c).sum(axis=0) for c in range(num_classes)], axis=1
  )


def _alpha(counts, metric, values):
  figures = agreement.coefficients(counts.shape[1], ordered=True)
  if metric == 'interval':
    distance = np.subtract.outer(values, values) ** 2
    figures['alpha_interval'] = agreement.alpha('interval', distance)
  return made.agreement_value(figures[f'alpha_{metric}'], counts)


def _coefficients(num_classes):
  return agreement.figures(num_classes, ordered=True)


def _figures(counts):
  return {
    name: made.agreement_value(figure, counts)
    for name, figure in _coefficients(counts.shape[1]).items()
  }


def _num_pairable(counts):
  total = counts.sum(axis=1)
  return total[total > 1].sum()


def _codes(seed, raters=6, clips=30, classes=5, gaps=0.4):
  random = np.random.default_rng(seed)
  codes = random.integers(0, classes, clips) + random.integers(
    -1, 2, (raters, clips)
  )
  codes = codes.clip(0, classes - 1)
  return np.where(random.random(codes.shape) < gaps, -1, codes)


@pytest.mark.parametrize(
  ('metric', 'expected'),
  [
    ('nominal', '0.743'),
    ('ordinal', '0.815'),
    ('interval', '0.849'),
  ],
)
def test_alpha_of_the_textbook_table(metric, expected):
  counts = _counts_of_codes(_TEXTBOOK, 5)
  assert f'{_alpha(counts, metric, np.arange(1, 6)):.3f}' == expected


def test_kappa_and_ac1_of_the_textbook_table():
  # As Gwet's irrCAC gives them for the same table.
  counts = _counts_of_codes(_TEXTBOOK, 5)
  assert _figures(counts)['observed_agreement'] == pytest.approx(9 / 11)
  assert _figures(counts)['fleiss_kappa'] == pytest.approx(0.76117, abs=5e-6)
  assert _figures(counts)['gwet_ac1'] == pytest.approx(0.77544, abs=5e-6)


def test_kappa_and_ac1_by_hand():
  # The last clip has one vote, which tells of the classes' shares only.
  counts = np.array([[2, 0], [1, 1], [1, 2], [0, 0], [0, 1]])
  agreed = (1 + 0 + 1 / 3) / 3
  share = (1 + 1 / 2 + 1 / 3 + 0) / 4
  chance = share**2 + (1 - share) ** 2
  assert _figures(counts)['observed_agreement'] == pytest.approx(agreed)
  assert _figures(counts)['fleiss_kappa'] == pytest.approx(
    (agreed - chance) / (1 - chance)
  )
  chance = 2 * share * (1 - share)
  assert _figures(counts)['gwet_ac1'] == pytest.approx(
    (agreed - chance) / (1 - chance)
  )


@pytest.mark.parametrize('metric', _METRICS)
@pytest.mark.parametrize('seed', range(10))
def test_alpha_equals_krippendorff(metric, seed):
  codes = _codes(seed, raters=3 + seed, gaps=0.07 * seed)
  # Values that are not evenly spaced.
  values = np.array([0.0, 1.0, 1.5, 4.0, 9.0])
  table = np.where(codes < 0, np.nan, values[codes])
  expected = krippendorff.alpha(table, level_of_measurement=metric)
  counts = _counts_of_codes(codes, 5)
  assert _alpha(counts, metric, values) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize('seed', range(5))
def test_kappa_equals_statsmodels_where_votes_are_equal(seed):
  counts = _counts_of_codes(_codes(seed, gaps=0), 5)
  expected = inter_rater.fleiss_kappa(counts)
  assert _figures(counts)['fleiss_kappa'] == pytest.approx(expected, abs=1e-10)


def test_kappa_of_a_table_worked_by_hand():
  # Ten subjects, fourteen raters, five classes: p = .378, e = .213.
  counts = np.array(
    [
      [0, 0, 0, 0, 14],
      [0, 2, 6, 4, 2],
      [0, 0, 3, 5, 6],
      [0, 3, 9, 2, 0],
      [2, 2, 8, 1, 1],
      [7, 7, 0, 0, 0],
      [3, 2, 6, 3, 0],
      [2, 5, 3, 2, 2],
      [6, 5, 2, 1, 0],
      [0, 2, 2, 3, 7],
    ]
  )
  assert _figures(counts)['observed_agreement'] == pytest.approx(
    0.378, abs=5e-4
  )
  assert _figures(counts)['fleiss_kappa'] == pytest.approx(0.210, abs=5e-4)


def test_a_table_that_gwet_made_for_ac1():
  # Two raters agree on 118 of 125 subjects, none of which both call negative:
  # kappa is below 0, AC1 near the agreement (Gwet 2008).
  first = np.repeat([0, 0, 1], [118, 5, 2])
  second = np.repeat([0, 1, 0], [118, 5, 2])
  counts = _counts_of_codes(np.stack([first, second]), 2)
  assert _figures(counts)['observed_agreement'] == pytest.approx(0.944)
  assert _figures(counts)['gwet_ac1'] == pytest.approx(0.9408, abs=5e-5)
  # Nearly all votes are of one class, which kappa takes for chance.
  assert _figures(counts)['fleiss_kappa'] < 0


def test_blocks_do_not_matter(monkeypatch):
  counts = _counts_of_codes(_codes(0), 5)
  whole = _figures(counts)
  monkeypatch.setattr(agreement, '_BLOCK', 7)
  assert _figures(counts) == pytest.approx(whole, abs=1e-13)


@given(_CODES, st.randoms())
@settings(max_examples=60, deadline=None)
def test_who_votes_and_what_classes_are_called_does_not_matter(codes, random):
  counts = _counts_of_codes(codes, 4)
  order = list(range(len(codes)))
  random.shuffle(order)
  shuffled = np.stack(
    [random.sample(column.tolist(), len(column)) for column in codes.T], axis=1
  )
  for other in (codes[order], shuffled):
    np.testing.assert_array_equal(_counts_of_codes(other, 4), counts)
  names = list(range(4))
  random.shuffle(names)
  # Only the ordinal one asks for the order, and not for which end is up.
  ours, relabelled = _figures(counts), _figures(counts[:, names])
  turned = _figures(counts[:, ::-1])['alpha_ordinal']
  assert turned == pytest.approx(ours.pop('alpha_ordinal'), abs=1e-10)
  relabelled.pop('alpha_ordinal')
  assert relabelled == pytest.approx(ours, abs=1e-10)


@given(_CODES, st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_duplicating_clips_matters_to_the_correction_of_alpha_only(
  codes, copies
):
  counts = _counts_of_codes(codes, 4)
  ours = _figures(counts)
  theirs = _figures(np.tile(counts, (copies, 1)))
  for name in ('fleiss_kappa', 'gwet_ac1', 'observed_agreement'):
    assert theirs[name] == pytest.approx(ours[name], abs=1e-10)
  number = _num_pairable(counts)
  for name in ('alpha_nominal', 'alpha_ordinal'):
    if ours[name] is not None:
      correction = (copies * number - 1) / (copies * (number - 1))
      expected = 1 - (1 - ours[name]) * correction
      assert theirs[name] == pytest.approx(expected, abs=1e-10)


@given(_CODES)
@settings(max_examples=60, deadline=None)
def test_figures_are_at_most_one_or_say_why(codes):
  counts = _counts_of_codes(codes, 4)
  figures = _figures(counts)
  for value in figures.values():
    assert value is None or value <= 1 + 1e-12
  if None in figures.values():
    assert agreement.why_undefined(True)
  assert figures['observed_agreement'] is None or (
    0 <= figures['observed_agreement'] <= 1
  )
  pairable = counts[counts.sum(axis=1) > 1]
  assert (figures['alpha_nominal'] is None) == (
    np.count_nonzero(pairable.any(axis=0)) < 2
  )
  assume(figures['alpha_nominal'] is not None)


@pytest.mark.parametrize(
  ('counts', 'reason'),
  [
    (np.zeros((0, 3), int), 'No clip has two votes or more.'),
    (np.zeros((2, 3), int), 'No clip has two votes or more.'),
    (np.eye(3, dtype=int), 'No clip has two votes or more.'),
    (np.array([[3, 0, 0], [2, 0, 0]]), 'of one class'),
  ],
)
def test_what_cannot_be_told_says_why(counts, reason):
  figures = _figures(counts)
  # Votes of one class agree, but who knows by what.
  observed = figures.pop('observed_agreement')
  assert observed == (1 if (counts.sum(axis=1) > 1).any() else None)
  assert set(figures.values()) == {None}
  assert _alpha(counts, 'interval', np.arange(3)) is None
  assert reason in agreement.why_undefined((counts.sum(axis=1) > 1).any())


@given(_CODES)
@settings(max_examples=60, deadline=None)
def test_clips_with_one_vote_change_alpha_nothing(codes):
  counts = _counts_of_codes(codes, 4)
  more = np.concatenate([np.eye(4, dtype=int), counts, np.zeros((2, 4), int)])
  found, expected = _figures(more), _figures(counts)
  for name in ('alpha_nominal', 'alpha_ordinal', 'observed_agreement'):
    assert found[name] == pytest.approx(expected[name], abs=1e-12)


def _by_annotator(random, clips=200, annotators=20, votes=5, spread=1.0):
  """Votes of annotators who differ in what they tend to and what they tell.

  Returns:
    Clip, annotator and label of each vote, of three classes.
  """
  lean = random.normal(0, 0.8 * spread, (annotators, 3))
  sense = np.exp(random.normal(0, 0.4 * spread, annotators))
  ease = np.exp(random.normal(0, 0.5, clips))
  cue = 1.5 * np.eye(3)[random.integers(0, 3, clips)] * ease[:, None]
  who = np.argsort(random.random((clips, annotators)), axis=1)[:, :votes]
  scores = sense[who][..., None] * cue[:, None] + lean[who]
  shares = made.softmax(scores).cumsum(axis=-1)
  label = (random.random((clips, votes, 1)) > shares).sum(axis=-1)
  return np.repeat(np.arange(clips), votes), who.ravel(), label.ravel()


def _entries(seed, clips=120, annotators=6):
  """Entries of unequal counts, some of which are of one clip and annotator."""
  random = np.random.default_rng(seed)
  there = random.random((annotators, clips)) < 0.5
  annotator, clip = np.nonzero(there)
  annotator = np.concatenate([annotator, annotator[:9]])
  clip = np.concatenate([clip, clip[:9]])
  # From one who always tells to one who seldom does.
  told = random.random(len(clip)) >= annotator / annotators
  state = random.integers(0, 4, clips)
  label = np.where(told, state[clip], annotator % 4)
  count = random.integers(1, 3, len(clip))
  return clip, annotator, label, count


def _counts(clip, label, count, num_clips):
  counts = np.zeros((num_clips, 4), int)
  np.add.at(counts, (clip, label), count)
  return counts


@pytest.mark.parametrize('name', _ALL)
@pytest.mark.parametrize('few', [50, 0])
def test_the_annotators_variance_is_the_jackknife_less_what_is_shared(
  name, few, monkeypatch
):
  monkeypatch.setattr(deletions, '_FEW', few)
  monkeypatch.setattr(deletions, '_BLOCK', 50)
  clip, annotator, label, count = _entries(0)
  groups = np.arange(120) // 12
  coefficient = _coefficients(4)[name]
  parts = coefficient.parts
  whole = _counts(clip, label, count, 120)
  own = parts(whole.astype(float))
  value = made.agreement_value(coefficient, whole)
  step = 1e-6
  # By small steps of the weights of a group's votes by an annotator, and on how
  # many clips these votes matter.
  slopes, clips = np.zeros((2, 6, 10))
  jackknife = np.empty(6)
  for one in range(6):
    kept = annotator != one
    left = _counts(clip[kept], label[kept], count[kept], 120)
    jackknife[one] = made.agreement_value(coefficient, left) - value
    change = parts(left.astype(float)) - own
    clips[one] = np.bincount(groups, change.any(axis=1))
    for group in range(10):
      move = step * change[groups == group].sum(axis=0)
      total = own.sum(axis=0)[None]
      low, high = (
        coefficient.function(total + side * move, total)[0][0]
        for side in (-1, 1)
      )
      slopes[one, group] = (high - low) / (2 * step)
  slopes -= clips * (slopes.sum() / clips.sum())
  shared = (slopes**2).sum() / (slopes.sum(axis=1) ** 2).sum()
  assert 0.05 < shared < 0.95
  share = clips.sum(axis=1) / clips.sum()
  if few:
    # Annotators who vote more move a figure more.
    jackknife -= share * jackknife.sum()
  else:
    # Without one of six, the others are more of the whole.
    jackknife = slopes.sum(axis=1) / (1 - share)
  expected = 5 / 6 * (jackknife**2).sum() * (1 - shared)
  found = made.annotator_variance(
    coefficient,
    np.array([f'speaker {group}' for group in groups]),
    clip.astype(np.int8),
    np.array([f'annotator {one}' for one in annotator]),
    label.astype(np.int8),
    count,
    4,
  )
  # How many votes there are to correct for, is that of all annotators.
  exact = not few or not name.startswith('alpha')
  assert found == pytest.approx(expected, rel=1e-7 if exact else 2e-3)


def test_counts_are_entries_of_one_vote_each():
  clip, annotator, label, count = _entries(1)
  figure, groups = _coefficients(4)['alpha_nominal'], np.arange(120)
  found = made.annotator_variance(
    figure, groups, clip, annotator, label, count, 4
  )
  order = np.random.default_rng(0).permutation(count.sum())
  single = [np.repeat(one, count)[order] for one in (clip, annotator, label)]
  assert found == pytest.approx(
    made.annotator_variance(
      figure, groups, *single, np.ones(len(order), int), 4
    )
  )


def test_annotators_who_cannot_be_told_apart_from_the_votes():
  clip, annotator = np.arange(20) // 2, np.arange(20) % 2
  label, count = np.arange(20) % 3, np.ones(20, int)
  figure, groups = _coefficients(4)['alpha_nominal'], np.arange(10)
  for who in (annotator, 0 * annotator):
    found = made.annotator_variance(figure, groups, clip, who, label, count, 4)
    assert found is None


def _true_alpha():
  """Alpha of very many clips and annotators: chances in place of shares."""
  random = np.random.default_rng(99)
  lean = random.normal(0, 0.8, (40, 100, 1, 3))
  sense = np.exp(random.normal(0, 0.4, (40, 100, 1, 1)))
  ease = np.exp(0.5 * stats.norm.ppf((np.arange(100) + 0.5) / 100))
  cue = 1.5 * np.kron(ease[:, None], np.eye(3))
  shares = np.mean(
    [
      made.softmax(some * cue + others).mean(axis=0)
      for some, others in zip(sense, lean, strict=True)
    ],
    axis=0,
  )
  apart = 1 - (shares**2).sum(axis=1).mean()
  return 1 - apart / (1 - (shares.mean(axis=0) ** 2).sum())


@pytest.mark.long
def test_intervals_hold_other_annotators_too():
  truth = _true_alpha()
  figure = agreement.coefficients(3)['alpha_nominal']
  sample = samples.sample(np.arange(200))
  of_clips, of_both = 0, 0
  for seed in range(300):
    clip, annotator, label = _by_annotator(np.random.default_rng(seed))
    counts = np.bincount(clip * 3 + label, minlength=600).reshape(200, 3)
    value, slope = made.agreement_figure(figure, sample, counts)(
      np.ones((1, 200))
    )
    variance = 200 / 199 * (slope**2).sum()
    noise = made.annotator_variance(
      figure, sample.group, clip, annotator, label, np.ones(1_000, int), 3
    )
    apart = abs(value[0] - truth)
    of_clips += apart < 1.96 * np.sqrt(variance)
    of_both += apart < stats.t.ppf(0.975, 19) * np.sqrt(variance + noise)
  # Of 2,000 such corpora 75.3 and 93.6 % do.
  assert of_clips / 300 < 0.85
  assert 0.92 < of_both / 300 < 0.98


def test_annotators_who_are_alike_add_little():
  # The noise of single votes is in the variance over clips already.
  figure = agreement.coefficients(3)['alpha_nominal']
  added, there = [], []
  for seed in range(30):
    random = np.random.default_rng(seed)
    clip, annotator, label = _by_annotator(
      random, annotators=100, votes=3, spread=0
    )
    counts = np.bincount(clip * 3 + label, minlength=600).reshape(200, 3)
    sample = samples.sample(np.arange(200))
    _, slope = made.agreement_figure(figure, sample, counts)(np.ones((1, 200)))
    there.append((slope**2).sum())
    added.append(
      made.annotator_variance(
        figure, sample.group, clip, annotator, label, np.ones(600, int), 3
      )
    )
  assert np.mean(added) < 0.15 * np.mean(there)


def _statistic(name, seed=3):
  counts = _counts_of_codes(_codes(seed, clips=60, gaps=0.6), 5)
  counts = counts[counts.any(axis=1)]
  sample = samples.sample(np.arange(len(counts)) // 8)
  figure = _coefficients(5)[name]
  return sample, counts, made.agreement_figure(figure, sample, counts)


@pytest.mark.parametrize('name', _ALL)
def test_the_derivative_by_group_is_the_slope(name):
  sample, _, statistic = _statistic(name)
  weights = np.random.default_rng(1).uniform(0.5, 2, (2, sample.num_groups))
  value, slope = statistic(weights)
  assert np.isfinite(value).all()
  step = 1e-6
  numeric = np.empty_like(slope)
  for group in range(sample.num_groups):
    ends = weights + step * np.array([[-1], [1]])[:, :, None] * (
      np.arange(sample.num_groups) == group
    )
    low, high = (statistic(end)[0] for end in ends)
    numeric[:, group] = (high - low) / (2 * step)
  np.testing.assert_allclose(slope, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize('name', _ALL)
def test_weights_are_copies_of_clips(name):
  sample, counts, statistic = _statistic(name)
  weights = np.arange(sample.num_groups) % 3
  value, _ = statistic(weights[None].astype(float))
  copied = np.repeat(counts, weights[sample.group], axis=0)
  expected = _figures(copied)[name]
  if name.startswith('alpha'):
    # The correction for few votes goes by those that there really are.
    ours, theirs = (1 - 1 / _num_pairable(one) for one in (counts, copied))
    expected = 1 - (1 - expected) * ours / theirs
  assert value[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize('name', _ALL)
def test_only_the_proportions_of_weights_matter(name):
  sample, _, statistic = _statistic(name)
  weights = np.random.default_rng(2).uniform(0.5, 2, (1, sample.num_groups))
  value, slope = statistic(weights)
  assert statistic(3 * weights)[0] == pytest.approx(value, abs=1e-12)
  assert (slope @ weights[0]).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize('name', _ALL)
def test_two_groups_are_too_few(name):
  _, counts, _ = _statistic(name)
  sample = samples.sample(np.arange(len(counts)) % 2)
  figure = _coefficients(5)[name]
  one = resampling.estimate(
    sample, made.agreement_figure(figure, sample, counts)
  )
  assert one.low is None
  assert 'too few' in one.method


@pytest.mark.parametrize('name', _NAMES)
def test_draws_in_which_it_is_undefined_say_so(name):
  counts = np.array([[2, 0, 0, 0, 0], [1, 2, 0, 0, 0], [1, 0, 0, 0, 0]])
  sample = samples.sample(np.arange(3))
  figure = agreement.coefficients(5, ordered=True)[name]
  value, slope = made.agreement_figure(figure, sample, counts)(
    np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
  )
  np.testing.assert_array_equal(np.isnan(value), [True, True, False, True])
  assert np.isfinite(slope).all()


def test_the_study_has_them_with_intervals():
  corpus, _ = made.study_input()
  found = made.answer(humans, corpus)
  votes = corpus.vote_counts('text')
  expected = _figures(votes)
  expected.pop('alpha_ordinal')
  expected.pop('observed_agreement')
  for name, value in expected.items():
    one = found.statistics[f'humans.text.{name}']
    assert one.estimate == pytest.approx(value, abs=1e-12)
    assert one.low < one.estimate < one.high
    assert one.p is None
    assert '12 groups' in one.method
  assert 'humans.text.alpha_ordinal' not in found.statistics
  assert 'alpha_ordinal' not in found.tables['humans'][0]
  corpus.info['ordered'] = True
  found = made.answer(humans, corpus)
  ordinal = found.statistics['humans.text.alpha_ordinal']
  assert ordinal.estimate == pytest.approx(_figures(votes)['alpha_ordinal'])
  assert 'alpha_ordinal_low' in found.tables['humans'][0]


@pytest.mark.parametrize(
  ('votes', 'reason'),
  [
    (np.eye(3, dtype=int), 'No clip has two votes'),
    (np.array([[3, 0, 0], [2, 0, 0], [1, 0, 0]]), 'of one class'),
  ],
)
def test_the_study_says_why_not(votes, reason):
  corpus = made.corpus([0, 1, 1], [0, 1, 2], votes={'text': votes})
  corpus.info['ordered'] = True
  found = made.answer(humans, corpus)
  for name in _NAMES:
    assert f'humans.text.{name}' not in found.statistics
    assert reason in found.skipped[f'humans.text.{name}']


def test_published_votes(shared):
  corpus = corpus_lib.read(shared / 'corpora/crema_d')
  found = made.answer(humans, corpus).statistics
  for condition, expected in (
    ('audio', 0.281),
    ('video', 0.458),
    ('audio+video', 0.497),
  ):
    one = found[f'humans.{condition}.alpha_nominal']
    assert round(one.estimate, 3) == expected
    assert one.low < one.estimate < one.high
    assert '91 groups' in one.method
    reference = krippendorff.alpha(
      value_counts=corpus.vote_counts(condition), level_of_measurement='nominal'
    )
    assert one.estimate == pytest.approx(reference, abs=1e-10)
