"""Prediction sets, against plain thresholds and groups never seen."""

import dataclasses

import made
import numpy as np
import pytest
from scipy import special, stats

from empathy.evaluation import plan as plan_lib
from empathy.evaluation import prediction_sets
from empathy.evaluation import study as study_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import sets


def _made(rng, num_groups, size=20):
  """Votes of clips of groups that have a bias of their own, and predictions."""
  number = num_groups * size
  groups = np.repeat(np.arange(num_groups), size)
  bias = rng.normal(0, 0.7, (num_groups, 3))[groups]
  truth = made.softmax(rng.normal(0, 1.5, (number, 3)) + bias)
  said = made.softmax(np.log(truth) + rng.normal(0, 0.5, truth.shape) - bias)
  votes = rng.multinomial(5, truth)
  corpus = made.corpus(groups, votes.argmax(axis=1), votes={'text': votes})
  return corpus, made.predictions({'text+audio': said[None]})


def _totals(corpus, predictions):
  batch = Batch(corpus, predictions)
  plan = plan_lib.of_batch(batch)
  adder = totals_lib.Adder(corpus.groups)
  prediction_sets.tally(batch, plan, adder)
  return adder.totals(), plan


def _answer(corpus, predictions):
  return prediction_sets.answer(*_totals(corpus, predictions))


def _tails(corpus, predictions):
  totals, _ = _totals(corpus, predictions)
  clips = totals['sets', 'clips'].sum(axis=1)
  votes = totals.counts['sets', 'votes']
  return prediction_sets.Tails(votes, clips > 0, 1 / clips)


@pytest.mark.parametrize(('level', 'num_groups'), [(0.8, 12), (0.9, 24)])
def test_votes_of_new_groups_are_held_as_often_as_wanted(level, num_groups):
  rng = np.random.default_rng(num_groups)
  held = []
  for _ in range(24):
    tails = _tails(*_made(rng, num_groups + 40))
    every = np.arange(num_groups + 40)
    known, new = every < num_groups, every >= num_groups
    some = prediction_sets.Tails.__new__(prediction_sets.Tails)
    some._parts = [part[np.flatnonzero(known)] for part in tails._parts]
    some._weight = tails._weight[known]
    some.sums = some.of(np.arange(1_001)).sum(axis=0)
    some.num_groups = num_groups
    place = prediction_sets.threshold(some, level)
    held.append(tails.of([place])[new].sum(axis=1).mean())
  # It is the wanted share or more, by the one group of which nothing is held.
  error = np.std(held, ddof=1) / np.sqrt(len(held))
  assert np.mean(held) > level - 3 * error
  assert np.mean(held) < level + 1 / (num_groups + 1) + 3 * error
  assert error < 0.006


def test_figures_are_those_of_each_group_left_out():
  corpus, predictions = made.study_input(260, 13, 2, seed=3)
  found = _answer(corpus, predictions)
  votes = corpus.vote_counts('text+audio')
  shares = votes / votes.sum(axis=1, keepdims=True)
  p = predictions.probabilities['text+audio'].mean(axis=0)
  grid = np.floor(p * 1_000)
  names, group = np.unique(corpus.groups, return_inverse=True)
  weight = 1 / np.bincount(group)[group]

  def threshold(left_out, held):
    others = group != left_out
    for place in range(1_000, -1, -1):
      covered = (held * (grid >= place)).sum(axis=1) * weight
      if covered[others].sum() >= 0.8 * len(names) - 1e-9:
        return place
    return 0

  def means(held):
    places = np.array([threshold(g, held) for g in range(len(names))])[group]
    inside = grid >= places[:, None]
    return (inside * shares).sum(axis=1), inside.sum(axis=1)

  covered, size = means(shares)
  spread = votes.max(axis=1) / votes.sum(axis=1)
  chosen = {'agreed': spread == 1, 'contested': spread < 2 / 3}
  chosen['divided'] = ~chosen['agreed'] & ~chosen['contested']
  for name, those in chosen.items():
    prefix = f'sets.80.{name}'
    for figure, values in (('coverage', covered), ('size', size)):
      one = found.statistics[f'{prefix}.{figure}']
      expected = np.average(values[those], weights=weight[those])
      assert one.estimate == pytest.approx(expected)
      assert one.n == those.sum()
  every = found.statistics['sets.80.size'].estimate
  assert every == pytest.approx(np.average(size, weights=weight))
  by_group = np.bincount(group, covered * weight)
  tenth = found.statistics['sets.80.coverage_of_tenth'].estimate
  assert tenth == pytest.approx(np.quantile(by_group, 0.1))
  labels = np.eye(3)[corpus.labels]
  for_labels = found.statistics['sets.80.labels_coverage'].estimate
  expected = np.average(means(labels)[0], weights=weight)
  assert for_labels == pytest.approx(expected)


def test_sets_for_labels_hold_fewer_votes_and_contested_clips_fewest():
  found = _answer(*_made(np.random.default_rng(1), 60, 30))
  assert found.statistics['sets.90.labels_coverage'].high < 0.9
  agreed, contested = (
    found.statistics[f'sets.90.{name}.coverage']
    for name in ('agreed', 'contested')
  )
  assert contested.high < 0.9 < agreed.estimate


@pytest.mark.long
def test_intervals_hold_what_as_many_other_groups_find():
  names = ('size', 'contested.coverage', 'labels_coverage')
  rng = np.random.default_rng(3)
  ends = []
  for _ in range(200):
    found = _answer(*_made(rng, 60)).statistics
    some = [found[f'sets.90.{name}'] for name in names]
    ends.append([(one.low, one.estimate, one.high) for one in some])
  low, estimate, high = np.moveaxis(ends, 2, 0)
  mean = estimate.mean(axis=0)
  held = ((low <= mean) & (mean <= high)).mean(axis=0)
  assert (held > 0.88).all(), held
  assert (held < 0.99).all(), held


def test_few_groups_have_intervals_of_the_right_width():
  rng = np.random.default_rng(4)
  ends = []
  for _ in range(40):
    # All labels of all but one group are to be held, and no more can be.
    found = _answer(*_made(rng, 12, 10)).statistics['sets.90.labels_coverage']
    ends.append((found.low, found.estimate, found.high))
  low, estimate, high = np.transpose(ends)
  right = 2 * 1.96 * estimate.std(ddof=1)
  assert 0.7 * right < np.median(high - low) < 1.6 * right


def test_one_group_that_moves_thresholds_does_not_make_intervals_endless():
  found = _answer(*made.study_input(300, 12, 4)).statistics
  one = found['sets.90.labels_coverage']
  assert "Student's t" in one.method
  # It is symmetric on the logit scale.
  ends = special.logit([one.low, one.estimate, one.high])
  error = np.sqrt(one.variance['groups']) / one.estimate / (1 - one.estimate)
  reach = stats.t.ppf(0.975, one.sizes['groups'] - 1) * error
  assert np.diff(ends) == pytest.approx([reach, reach])
  assert one.high - one.low < 0.3


def test_sets_have_no_more_classes_than_there_are():
  found = [
    _answer(*_made(np.random.default_rng(seed), 12, 5)).statistics
    for seed in range(8)
  ]
  sizes = [
    one.high
    for some in found
    for name, one in some.items()
    if name.endswith('.size') and one.high is not None
  ]
  assert max(sizes) == 3


def test_why_there_are_no_sets():
  corpus, predictions = made.study_input(60, 7)
  found = _answer(corpus, predictions)
  assert 'takes 10 groups' in found.skipped['sets.90']
  assert 'sets.80.size' in found.statistics
  page = sets.section(study_lib.build(corpus, predictions))
  assert page.finding.startswith('To hold 80 % of the votes')
  hard = made.predictions(
    {
      view: np.eye(3)[p.argmax(axis=2)]
      for view, p in predictions.probabilities.items()
    }
  )
  found = _answer(corpus, hard)
  assert 'values only' in found.skipped['sets']
  info = corpus.info | {'conditions': []}
  bare = dataclasses.replace(corpus, votes=None, info=info)
  found = _answer(bare, predictions)
  assert found.skipped == {'sets': 'The corpus has no votes.'}


def test_what_a_few_groups_alone_miss_has_no_interval():
  """Of ten groups two have agreed clips on which the view is wrong."""
  groups = np.repeat(np.arange(10), 20)
  label = np.arange(200) % 2
  votes = 5 * np.eye(3, dtype=int)[label]
  votes[::4] = [2, 2, 1]
  sure = np.linspace(0.85, 0.95, 200)[:, None]
  said = sure * np.eye(3)[label] + (1 - sure) / 3
  said[(groups < 2) & (np.arange(200) % 20 == 1)] = [0.98, 0.01, 0.01]
  corpus = made.corpus(groups, label, votes={'text': votes})
  found = _answer(corpus, made.predictions({'text+audio': said[None]}))
  one = found.statistics['sets.80.agreed.coverage']
  assert 0.95 < one.estimate < 1
  assert one.low is None
  assert 'sets miss votes of 2 groups, it needs 6' in one.method
