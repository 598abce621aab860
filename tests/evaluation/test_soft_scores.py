"""Distances of probabilities from votes against SciPy and scikit-learn."""

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance
from sklearn import metrics

from empathy.evaluation import draws, samples, soft_scores


def _distributions(seed, n=20, num_classes=4):
  random = np.random.default_rng(seed)
  model = random.dirichlet(np.ones(num_classes), n)
  votes = random.multinomial(5, random.dirichlet(np.ones(num_classes), n))
  return model, votes / 5


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_distances_are_those_of_other_tools(seed):
  model, humans = _distributions(seed)
  cross = soft_scores.cross_entropy(model, humans)
  jensen = soft_scores.jensen_shannon(model, humans)
  walked = soft_scores.wasserstein(model, humans)
  classes = np.arange(4)
  for place, (p, q) in enumerate(zip(model, humans, strict=True)):
    loss = metrics.log_loss(
      classes, np.tile(p, (4, 1)), sample_weight=q, labels=classes
    )
    assert cross[place] == pytest.approx(loss, rel=1e-10)
    assert jensen[place] == pytest.approx(
      distance.jensenshannon(p, q), abs=1e-10
    )
    assert walked[place] == pytest.approx(
      stats.wasserstein_distance(classes, classes, p, q), abs=1e-10
    )
  np.testing.assert_allclose(
    soft_scores.manhattan(model, humans),
    [distance.cityblock(p, q) for p, q in zip(model, humans, strict=True)],
    atol=1e-12,
  )


@pytest.mark.parametrize('num_votes', [3, 5, 10])
@pytest.mark.parametrize('num_classes', [3, 6])
def test_what_the_votes_were_drawn_from_scores_best(num_votes, num_classes):
  random = np.random.default_rng(2)
  people = random.dirichlet(np.full(num_classes, 0.6), 20_000)
  humans = random.multinomial(num_votes, people) / num_votes
  number = np.full(len(people), num_votes)
  scores = {'cross_entropy': [], 'brier': [], 'excess': []}
  for power in (1, 1.3, 1.6):
    model = people**power
    model /= model.sum(axis=1, keepdims=True)
    scores['cross_entropy'].append(
      soft_scores.cross_entropy(model, humans).mean()
    )
    scores['brier'].append(soft_scores.brier(model, humans, number).mean())
    some = slice(4_000)
    sums = soft_scores.drawn_from(
      draws.keys(np.arange(4_000).astype(str), 'test'),
      number[some],
      {'view': model[some]},
      {'view': np.ones(4_000, bool)},
      [soft_scores.jensen_shannon],
    )
    null = sums['view'][0] / 4_000
    distance = soft_scores.jensen_shannon(model, humans)[:4_000].mean()
    scores['excess'].append(distance - null)
  for name, (true, *wrong) in scores.items():
    assert true < min(wrong), name
  # Neither score is above what it would be if the model were right.
  assert scores['brier'][0] == pytest.approx(0, abs=0.008)
  assert scores['excess'][0] == pytest.approx(0, abs=0.01)


def test_brier_less_its_sampling_is_the_distance_to_all_people():
  random = np.random.default_rng(3)
  people = random.dirichlet([1, 1, 1])
  model = random.dirichlet([1, 1, 1])
  number = random.integers(2, 7, 200_000)
  humans = random.multinomial(number, people) / number[:, None]
  found = soft_scores.brier(model[None], humans, number)
  error = found.std() / np.sqrt(len(found))
  expected = ((model - people) ** 2).sum()
  assert found.mean() == pytest.approx(expected, abs=4 * error)
  # By hand: 2 of 3 votes on the first of two classes.
  hand = soft_scores.brier(
    np.array([[0.5, 0.5]]), np.array([[2 / 3, 1 / 3]]), np.array([3])
  )
  assert hand[0] == pytest.approx(2 / 36 - 2 * (2 / 9) / 2)


def test_votes_are_drawn_for_each_clip_by_its_id():
  random = np.random.default_rng(5)
  model = random.dirichlet(np.ones(4), 500)
  number = random.choice([2, 3, 9], 500)
  keys = draws.keys(np.array([f'c{i}' for i in range(500)]), 'test')
  drawn = []

  def kept(chosen, order):
    def shares(_, humans):
      drawn.append(humans)
      return humans[:, 0]

    drawn.clear()
    soft_scores.drawn_from(
      keys[order],
      number[order],
      {'view': model[order]},
      {'view': chosen[order]},
      [shares],
    )
    by_clip = np.zeros((20, 500, 4))
    # They come in the order of their numbers of votes.
    place = order[np.argsort(-number[order], kind='stable')]
    by_clip[:, place[chosen[place]]] = drawn
    return by_clip

  every = np.ones(500, bool)
  whole = kept(every, np.arange(500))
  counts = whole * number[:, None]
  np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
  np.testing.assert_allclose(whole.sum(axis=-1), 1)
  # As often as the probabilities say.
  error = (counts - number[:, None] * model).sum(axis=(0, 1))
  spread = np.sqrt((20 * number[:, None] * model * (1 - model)).sum(axis=0))
  assert (np.abs(error) < 4 * spread).all()
  some = random.random(500) < 0.4
  part = kept(some, random.permutation(500))
  np.testing.assert_array_equal(part[:, some], whole[:, some])


def test_certain_and_wrong_is_far_but_finite():
  model, humans = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
  assert soft_scores.cross_entropy(model, humans)[0] == pytest.approx(
    15 * np.log(10)
  )
  assert soft_scores.jensen_shannon(model, humans)[0] == pytest.approx(
    np.sqrt(np.log(2))
  )
  assert soft_scores.manhattan(model, humans)[0] == 2
  assert soft_scores.wasserstein(model, humans)[0] == 1


def _correlated(seed=0, n=60, num_groups=9):
  random = np.random.default_rng(seed)
  first = random.random(n) + 5
  second = first + random.normal(0, 0.4, n)
  sample = samples.sample(np.arange(n) % num_groups)
  return sample, first, second, _correlation(sample, first, second)


def _correlation(sample, x, y):
  columns = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
  return soft_scores.correlation(sample.totals(columns))


def test_the_correlation_is_pearsons_and_has_its_slope():
  sample, first, second, statistic = _correlated()
  random = np.random.default_rng(1)
  weights = random.integers(0, 4, (3, sample.num_groups)).astype(float)
  values, slopes = statistic(weights)
  for row, value in zip(weights, values, strict=True):
    copies = row[sample.group].astype(int)
    drawn = [np.repeat(x, copies) for x in (first, second)]
    assert value == pytest.approx(np.corrcoef(*drawn)[0, 1], abs=1e-10)
  step = 1e-5 * np.eye(sample.num_groups)
  for row, slope in zip(weights, slopes, strict=True):
    up, down = statistic(row + step)[0], statistic(row - step)[0]
    np.testing.assert_allclose(slope, (up - down) / 2e-5, atol=1e-7)


def test_the_correlation_with_a_constant_is_undefined():
  sample, first, *_ = _correlated()
  statistic = _correlation(sample, first, np.full(60, 0.3))
  assert np.isnan(statistic(np.ones((1, 9)))[0][0])


@pytest.mark.filterwarnings('error')
def test_the_correlation_of_no_clips_is_undefined():
  value, gradient = soft_scores.pearson(np.zeros((2, 6)))
  assert np.isnan(value).all()
  assert np.isfinite(gradient).all()


def test_every_view_has_its_row():
  corpus, predictions = made.study_input()
  corpus.info['ordered'] = True
  found = made.answer(soft_scores, corpus, predictions)
  votes = corpus.vote_counts('text+audio')
  humans = votes / votes.sum(axis=1, keepdims=True)
  model = predictions.probabilities['text'].mean(axis=0)
  expected = {
    'human_manhattan': np.abs(model - humans).sum(axis=1).mean(),
    'human_entropy_correlation': np.corrcoef(
      stats.entropy(model, axis=1), stats.entropy(humans, axis=1)
    )[0, 1],
    'human_wasserstein': np.mean(
      [
        stats.wasserstein_distance(range(3), range(3), p, q)
        for p, q in zip(model, humans, strict=True)
      ]
    ),
  }
  for name, value in expected.items():
    one = found.statistics[f'views.text.{name}']
    assert one.estimate == pytest.approx(value, abs=1e-10)
    assert one.low < value < one.high
  # What a sample of as many votes is from its own distribution.
  random = np.random.default_rng(4)
  drawn = [
    np.abs(
      model
      - random.multinomial(votes.sum(axis=1), model)
      / votes.sum(axis=1, keepdims=True)
    )
    .sum(axis=1)
    .mean()
    for _ in range(100)
  ]
  null = found.statistics['views.text.human_manhattan_null'].estimate
  assert null == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 20**0.5)
  rows = found.tables['soft_scores']
  assert [row['view'] for row in rows] == ['text', 'audio', 'text+audio']
  assert {row['num_clips'] for row in rows} == {120}


def test_what_is_missing_is_said():
  corpus, predictions = made.study_input()
  found = made.answer(soft_scores, corpus, predictions)
  assert 'not ordered' in found.skipped['views.human_wasserstein']
  assert 'views.text.human_wasserstein' not in found.statistics
  corpus, predictions = made.study_input(votes=1)
  found = made.answer(soft_scores, corpus, predictions)
  assert 'two votes' in found.skipped['views.text.human_cross_entropy']
  assert not found.tables
  silent = made.corpus(range(120), corpus.labels, corpus.classes)
  found = made.answer(soft_scores, silent, predictions)
  assert found.skipped == {'soft_scores': 'The corpus has no votes.'}


def test_orders_that_are_reversed():
  humans = np.array([[0.6, 0.4, 0], [0.5, 0.5, 0], [0.4, 0.2, 0.4], [1, 0, 0]])
  # In order; tied in the votes; the third class above the first is no matter,
  # but the second above either is; and two classes without votes.
  model = np.array(
    [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.3, 0.31, 0.39], [0.4, 0.2, 0.4]]
  )
  expected = [1, 0, 0, 1]
  np.testing.assert_array_equal(
    soft_scores.rank_agreement(model, humans), expected
  )
  every = np.random.default_rng(0).dirichlet(np.ones(4), 300)
  votes = np.random.default_rng(1).multinomial(4, every[::-1]) / 4
  apart = [p[:, None] - p[:, :, None] for p in (every, votes)]
  reversed_ = (np.sign(apart[0]) * np.sign(apart[1]) < 0).any(axis=(1, 2))
  np.testing.assert_array_equal(
    soft_scores.rank_agreement(every, votes), ~reversed_
  )


def test_floor_and_ceiling_hold_what_is_right_and_what_is_blind():
  random = np.random.default_rng(4)
  people = random.dirichlet([0.9, 0.5, 0.2], 3_000)
  votes = random.multinomial(5, people)
  corpus = made.corpus(
    np.arange(3_000), votes.argmax(axis=1), votes={'text+audio': votes}
  )
  # As good as blind: who says the same of all has no probabilities.
  blind = people.mean(axis=0) * random.uniform(0.999, 1, (3_000, 1, 3))[:, 0]
  blind /= blind.sum(axis=1, keepdims=True)
  predictions = made.predictions({'text': blind[None], 'audio': people[None]})
  found = made.answer(soft_scores, corpus, predictions).statistics
  for name in ('manhattan', 'entropy_gap', 'rank_agreement'):
    true, alike = (f'views.{view}.human_{name}' for view in ('audio', 'text'))
    floor, own = found[f'{true}_null'].estimate, found[true]
    assert own.low <= floor <= own.high
    ceiling = found[f'{alike}_prior'].estimate
    assert found[alike].estimate == pytest.approx(ceiling, abs=0.02)
    assert not own.low <= ceiling <= own.high
