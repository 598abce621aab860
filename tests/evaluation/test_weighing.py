"""Functions of weights: their derivatives, and the groups that they rest on."""

import made
import numpy as np
import pytest

from empathy.evaluation import disagreement, resampling, samples, sides, views
from empathy.evaluation import votes as votes_lib

_KINDS = (
  'mean over seeds',
  'macro_f1',
  'weighted_f1',
  'kappa',
  'error consistency',
  'difference',
  'adjusted',
)


def _statistic(kind, copies=()):
  """A statistic as the study has it, and its sample.

  Args:
    kind: one of `_KINDS`.
    copies: groups whose clips are written out once more, for each mention.
  """
  corpus, predictions = made.study_input(num_clips=90, num_groups=9)
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  text, audio = (predictions.probabilities[view] for view in ('text', 'audio'))
  stratum = made.strata(audio[0]) // 7
  clips = np.concatenate(
    [np.arange(90), *(np.flatnonzero(groups == copy) for copy in copies)]
  )
  sample, labels = samples.sample(groups[clips]), corpus.labels[clips]
  correct = views.correctness(text, corpus.labels)
  correct[0, :30] = np.nan
  uncertainty = votes_lib.gs(corpus.vote_counts('text+audio'))[clips]
  guesses = text.argmax(-1)[:, clips], audio.argmax(-1)[:2, clips]
  differ = guesses[0][0] != guesses[1][0]
  if kind == 'mean over seeds':
    sums = made.by_seed(sample, correct[:, clips])
    return sample, views.mean_over_seeds(*sums)[0]
  if kind.endswith('f1'):
    totals = made.f1_totals(sample, guesses[0], labels, 3)
    return sample, views.f1_statistics(totals)[kind][0]
  if kind == 'kappa':
    return sample, disagreement.kappa(
      made.pair(sample, made.apart(*guesses), *guesses, 3)
    )[0]
  if kind == 'error consistency':
    right = [guess == labels for guess in guesses]
    return sample, disagreement.error_consistency(
      made.right_pair(sample, made.apart(*right), *right)
    )[0]
  if kind == 'difference':
    return sample, sides.difference(sides.of_clips(sample, uncertainty, differ))
  return sample, sides.adjusted(
    sides.of_clips(sample, uncertainty, differ, stratum[clips])
  )


@pytest.mark.parametrize('kind', _KINDS)
def test_the_derivative_by_group_is_the_slope(kind):
  sample, statistic = _statistic(kind)
  random = np.random.default_rng(1)
  weights = random.uniform(0.5, 2.0, (2, sample.num_groups))
  value, slope = statistic(weights)
  assert value.shape == (2,)
  assert np.isfinite(value).all()
  step = 1e-6
  numeric = np.empty_like(slope)
  for group in range(sample.num_groups):
    shift = step * (np.arange(sample.num_groups) == group)
    above, below = statistic(weights + shift)[0], statistic(weights - shift)[0]
    numeric[:, group] = (above - below) / (2 * step)
  np.testing.assert_allclose(slope, numeric, atol=2e-9)
  assert np.abs(slope).max() > 1e-4
  # Euler: the figure does not change when all weights grow alike.
  np.testing.assert_allclose((weights * slope).sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize('kind', _KINDS)
def test_a_weight_is_a_number_of_copies(kind):
  sample, statistic = _statistic(kind)
  weights = np.ones((1, sample.num_groups))
  plain = statistic(weights)[0]
  weights[0, [2, 5]] = 3, 2
  _, written_out = _statistic(kind, copies=(2, 2, 5))
  expected = written_out(np.ones((1, sample.num_groups)))[0]
  np.testing.assert_allclose(statistic(weights)[0], expected, rtol=1e-12)
  assert abs(expected - plain) > 1e-6


def test_a_difference_needs_groups_on_both_sides():
  random = np.random.default_rng(4)
  sample = samples.sample(np.arange(300))
  rare = np.arange(300) % 75 == 0
  found = resampling.estimate(
    sample, sides.difference(sides.of_clips(sample, random.random(300), rare))
  )
  assert found.low is None
  assert '4 groups' in found.method
