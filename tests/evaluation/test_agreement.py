"""Agreement against other implementations, textbook tables and its own laws."""

import warnings

import krippendorff
import made
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from statsmodels.stats import inter_rater

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import agreement, humans, resampling

_METRICS = ('nominal', 'ordinal', 'interval', 'ratio')
_NAMES = ('alpha_nominal', 'alpha_ordinal', 'fleiss_kappa', 'gwet_ac1')
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


def _alpha(counts, metric, values):
  if metric == 'nominal':
    return agreement.alpha_nominal(counts)
  if metric == 'ordinal':
    return agreement.alpha_ordinal(counts)
  distance = getattr(agreement, f'{metric}_distance')(values)
  return agreement.alpha(counts, distance)


def _figures(counts):
  return {
    'alpha_nominal': agreement.alpha_nominal(counts),
    'alpha_ordinal': agreement.alpha_ordinal(counts),
    'fleiss_kappa': agreement.fleiss_kappa(counts),
    'gwet_ac1': agreement.gwet_ac1(counts),
  }


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
    ('ratio', '0.797'),
  ],
)
def test_alpha_of_the_textbook_table(metric, expected):
  counts = agreement.counts_of_codes(_TEXTBOOK, 5)
  assert f'{_alpha(counts, metric, np.arange(1, 6)):.3f}' == expected


def test_kappa_and_ac1_of_the_textbook_table():
  # As Gwet's irrCAC gives them for the same table.
  counts = agreement.counts_of_codes(_TEXTBOOK, 5)
  assert agreement.observed_agreement(counts) == pytest.approx(9 / 11)
  assert agreement.fleiss_kappa(counts) == pytest.approx(0.76117, abs=5e-6)
  assert agreement.gwet_ac1(counts) == pytest.approx(0.77544, abs=5e-6)


def test_kappa_and_ac1_by_hand():
  # The last clip has one vote, which tells of the classes' shares only.
  counts = np.array([[2, 0], [1, 1], [1, 2], [0, 0], [0, 1]])
  agreed = (1 + 0 + 1 / 3) / 3
  share = (1 + 1 / 2 + 1 / 3 + 0) / 4
  chance = share**2 + (1 - share) ** 2
  assert agreement.observed_agreement(counts) == pytest.approx(agreed)
  assert agreement.fleiss_kappa(counts) == pytest.approx(
    (agreed - chance) / (1 - chance)
  )
  chance = 2 * share * (1 - share)
  assert agreement.gwet_ac1(counts) == pytest.approx(
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
  counts = agreement.counts_of_codes(codes, 5)
  assert _alpha(counts, metric, values) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize('seed', range(5))
def test_kappa_equals_statsmodels_where_votes_are_equal(seed):
  counts = agreement.counts_of_codes(_codes(seed, gaps=0), 5)
  expected = inter_rater.fleiss_kappa(counts)
  assert agreement.fleiss_kappa(counts) == pytest.approx(expected, abs=1e-10)


def test_counts_of_codes():
  codes = np.array([[0, -1, 2], [0, -1, 1]])
  np.testing.assert_array_equal(
    agreement.counts_of_codes(codes, 3), [[2, 0, 0], [0, 0, 0], [0, 1, 1]]
  )


def test_blocks_do_not_matter(monkeypatch):
  counts = agreement.counts_of_codes(_codes(0), 5)
  whole = _figures(counts)
  monkeypatch.setattr(agreement, '_BLOCK', 7)
  assert _figures(counts) == pytest.approx(whole, abs=1e-13)


@given(_CODES, st.randoms())
@settings(max_examples=60, deadline=None)
def test_who_votes_and_what_classes_are_called_does_not_matter(codes, random):
  counts = agreement.counts_of_codes(codes, 4)
  order = list(range(len(codes)))
  random.shuffle(order)
  shuffled = np.stack(
    [random.sample(column.tolist(), len(column)) for column in codes.T], axis=1
  )
  for other in (codes[order], shuffled):
    np.testing.assert_array_equal(agreement.counts_of_codes(other, 4), counts)
  names = list(range(4))
  random.shuffle(names)
  # Only the ordinal one asks for the order, and not for which end is up.
  ours, relabelled = _figures(counts), _figures(counts[:, names])
  turned = agreement.alpha_ordinal(counts[:, ::-1])
  assert turned == pytest.approx(ours.pop('alpha_ordinal'), abs=1e-10)
  relabelled.pop('alpha_ordinal')
  assert relabelled == pytest.approx(ours, abs=1e-10)


@given(_CODES, st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_duplicating_clips_matters_to_the_correction_of_alpha_only(
  codes, copies
):
  counts = agreement.counts_of_codes(codes, 4)
  ours = _figures(counts)
  theirs = _figures(np.tile(counts, (copies, 1)))
  for name in ('fleiss_kappa', 'gwet_ac1'):
    assert theirs[name] == pytest.approx(ours[name], abs=1e-10)
  number = agreement.pairable_marginals(counts).sum()
  for name in ('alpha_nominal', 'alpha_ordinal'):
    if ours[name] is not None:
      correction = (copies * number - 1) / (copies * (number - 1))
      expected = 1 - (1 - ours[name]) * correction
      assert theirs[name] == pytest.approx(expected, abs=1e-10)


@given(_CODES)
@settings(max_examples=60, deadline=None)
def test_figures_are_at_most_one_or_say_why(codes):
  counts = agreement.counts_of_codes(codes, 4)
  figures = _figures(counts)
  for value in figures.values():
    assert value is None or value <= 1 + 1e-12
  if None in figures.values():
    assert agreement.why_undefined(counts)
  pairable = counts[counts.sum(axis=1) > 1]
  assert (figures['alpha_nominal'] is None) == (
    np.count_nonzero(pairable.any(axis=0)) < 2
  )
  assume(figures['alpha_nominal'] is not None)
  for name, figure in agreement.coefficients(4, ordered=True).items():
    assert figure.value(counts) == pytest.approx(figures[name], abs=1e-10)


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
  assert set(_figures(counts).values()) == {None}
  values = np.arange(3)
  assert agreement.alpha(counts, agreement.interval_distance(values)) is None
  assert agreement.alpha(counts, agreement.ratio_distance(values)) is None
  assert reason in agreement.why_undefined(counts)


def _statistic(name, seed=3):
  counts = agreement.counts_of_codes(_codes(seed, clips=60, gaps=0.6), 5)
  counts = counts[counts.any(axis=1)]
  sample = resampling.sample(np.arange(len(counts)) // 8)
  figure = agreement.coefficients(5, ordered=True)[name]
  return sample, counts, figure.statistic(sample, counts)


@pytest.mark.parametrize('name', _NAMES)
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


@pytest.mark.parametrize('name', _NAMES)
def test_weights_are_copies_of_clips(name):
  sample, counts, statistic = _statistic(name)
  weights = np.arange(sample.num_groups) % 3
  value, _ = statistic(weights[None].astype(float))
  copied = np.repeat(counts, weights[sample.group], axis=0)
  expected = _figures(copied)[name]
  if name.startswith('alpha'):
    # The correction for few votes goes by those that there really are.
    ours, theirs = (
      1 - 1 / agreement.pairable_marginals(one).sum()
      for one in (counts, copied)
    )
    expected = 1 - (1 - expected) * ours / theirs
  assert value[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize('name', _NAMES)
def test_only_the_proportions_of_weights_matter(name):
  sample, _, statistic = _statistic(name)
  weights = np.random.default_rng(2).uniform(0.5, 2, (1, sample.num_groups))
  value, slope = statistic(weights)
  assert statistic(3 * weights)[0] == pytest.approx(value, abs=1e-12)
  assert (slope @ weights[0]).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize('name', _NAMES)
def test_two_groups_are_too_few(name):
  _, counts, _ = _statistic(name)
  sample = resampling.sample(np.arange(len(counts)) % 2)
  figure = agreement.coefficients(5, ordered=True)[name]
  one = resampling.estimate(sample, figure.statistic(sample, counts))
  assert one.low is None
  assert 'too few' in one.method


@pytest.mark.parametrize('name', _NAMES)
def test_draws_in_which_it_is_undefined_say_so(name):
  counts = np.array([[2, 0, 0, 0, 0], [1, 2, 0, 0, 0], [1, 0, 0, 0, 0]])
  sample = resampling.sample(np.arange(3))
  figure = agreement.coefficients(5, ordered=True)[name]
  value, slope = figure.statistic(sample, counts)(
    np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
  )
  np.testing.assert_array_equal(np.isnan(value), [True, True, False, True])
  assert np.isfinite(slope).all()


def test_the_study_has_them_with_intervals():
  corpus, _ = made.study_input()
  found = humans.answer(corpus)
  votes = corpus.vote_counts('text')
  expected = _figures(votes)
  expected.pop('alpha_ordinal')
  for name, value in expected.items():
    one = found.statistics[f'humans.text.{name}']
    assert one.estimate == pytest.approx(value, abs=1e-12)
    assert one.low < one.estimate < one.high
    assert one.p is None
    assert '12 groups' in one.method
  assert 'humans.text.alpha_ordinal' not in found.statistics
  assert 'alpha_ordinal' not in found.tables['humans'][0]
  corpus.info['ordered'] = True
  found = humans.answer(corpus)
  ordinal = found.statistics['humans.text.alpha_ordinal']
  assert ordinal.estimate == pytest.approx(agreement.alpha_ordinal(votes))
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
  found = humans.answer(corpus)
  for name in _NAMES:
    assert f'humans.text.{name}' not in found.statistics
    assert reason in found.skipped[f'humans.text.{name}']


def test_published_votes(shared):
  corpus = corpus_lib.read(shared / 'corpora/crema_d')
  found = humans.answer(corpus).statistics
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
