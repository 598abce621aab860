"""The adjusted difference against least squares and loops."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empathy.evaluation import resampling, samples, sides

# For small p-values.
NUM_DRAWS = 10_000


@given(st.integers(0, 200))
@settings(max_examples=30, deadline=None)
def test_the_adjusted_difference_is_that_of_least_squares(seed):
  random = np.random.default_rng(seed)
  n = 60
  stratum = random.integers(0, 8, n)
  differ = random.random(n) < 0.1 + 0.1 * stratum
  values = random.random(n) + 0.1 * stratum + 0.2 * differ
  sample = samples.sample(np.arange(n) // 5)
  statistic = sides.adjusted(sides.of_clips(sample, values, differ, stratum))
  found = statistic(np.ones((1, 12)))[0][0]
  expected = made.least_squares(differ, values, stratum)
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
  figure = sides.adjusted(
    sides.of_clips(samples.sample(group), np.arange(7.0), differ, stratum)
  )
  assert figure.counted.tolist() == [
    [True, False, True, False],
    [True, True, False, False],
  ]


@pytest.mark.parametrize('num_differ', [4, 8])
def test_few_clips_that_differ_are_few_groups(num_differ):
  random = np.random.default_rng(8)
  sample = samples.sample(np.arange(300))
  differ = np.arange(300) % (300 // num_differ) == 0
  figure = sides.adjusted(
    sides.of_clips(sample, random.random(300), differ, np.arange(300) // 75)
  )
  found = resampling.estimate(sample, figure, null=True)
  number = int(differ.sum())
  if number < 6:
    assert (found.low, found.p) == (None, None)
    assert f'{number} groups' in found.method
  else:
    assert found.sizes == {'groups': number}


def test_no_stratum_with_both_sides_is_undefined():
  sample = samples.sample(np.arange(8) // 2)
  differ = np.arange(8) < 4
  statistic = sides.adjusted(
    sides.of_clips(sample, np.ones(8), differ, differ.astype(int))
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
  sample = samples.sample(np.arange(n) // 100)
  raw = resampling.estimate(
    sample, sides.difference(sides.of_clips(sample, values, differ)), null=True
  )
  adjusted = resampling.estimate(
    sample,
    sides.adjusted(sides.of_clips(sample, values, differ, stratum)),
    null=True,
  )
  assert raw.estimate > 0.2
  assert raw.p < 0.001
  assert abs(adjusted.estimate) < 0.02
  assert adjusted.low < 0 < adjusted.high


@pytest.mark.parametrize('num_variants', [1, 3])
def test_chances_and_variants_are_shares_of_clips(num_variants):
  random = np.random.default_rng(num_variants)
  n = 30
  chances = random.choice([0, 0.25, 1], (num_variants, n))
  stratum = random.integers(0, 4, (num_variants, n))
  values = random.random(n)
  sample = samples.sample(np.arange(n) // 5)
  top = bottom = 0.0
  for name in range(4):
    inside = (stratum == name) / num_variants
    ones, zeros = inside * chances, inside * (1 - chances)
    if ones.sum() and zeros.sum():
      means = [(side * values).sum() / side.sum() for side in (ones, zeros)]
      weight = ones.sum() * zeros.sum() / (ones.sum() + zeros.sum())
      top, bottom = top + weight * (means[0] - means[1]), bottom + weight
  found = sides.adjusted(sides.of_clips(sample, values, chances, stratum))
  assert found(np.ones((1, 6)))[0][0] == pytest.approx(top / bottom, abs=1e-12)
  raw = sides.difference(sides.of_clips(sample, values, chances))(
    np.ones((1, 6))
  )[0][0]
  share = chances.mean(axis=0)
  expected = np.average(values, weights=share)
  expected -= np.average(values, weights=1 - share)
  assert raw == pytest.approx(expected, abs=1e-12)
