"""What modalities know together, in studies."""

import dataclasses
import itertools

import made
import numpy as np
import pytest

from empathy.evaluation import (
  best_view,
  cooperation,
  findings,
  information,
  partial_information,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import together as sections_together

_PARTS = partial_information.PARTS


def _values(found, prefix):
  return [found.statistics[f'{prefix}.{name}'].estimate for name in _PARTS]


def _xor(num_clips=480):
  """Two bits of each clip, which views and people see, and their xor."""
  bits = np.array(list(itertools.product((0, 1), repeat=2)))
  one, two = bits[np.arange(num_clips) % 4].T
  eye = np.eye(2)
  votes = {
    'text': 3 * eye[one].astype(int),
    'audio': 2 * eye[two].astype(int),
    'text+audio': 3 * eye[one ^ two].astype(int),
  }
  corpus = made.corpus(
    np.arange(num_clips) // 20, one ^ two, classes=('no', 'yes'), votes=votes
  )
  seeds = np.ones((3, 1, 1))
  full = 0.9 * eye[one ^ two] + 0.1 * eye[1 - (one ^ two)]
  predictions = made.predictions(
    {
      'text': seeds * eye[one],
      'audio': seeds * eye[two],
      'text+audio': seeds * full,
    }
  )
  even = np.full((3, num_clips, 2), 0.5)
  subsets = {('text+audio', part): even for part in ('text', 'audio')}
  return corpus, dataclasses.replace(
    predictions, subsets=predictions.subsets | subsets
  )


def test_an_exclusive_or_is_known_only_together():
  found = study_lib.build(*_xor())
  for who in ('people', 'views'):
    prefix = f'together.{who}.text_vs_audio'
    np.testing.assert_allclose(_values(found, prefix), [0, 0, 0, 1], atol=1e-3)
  (people, _) = found.tables['information']
  # The votes on text and audio did not make the label.
  assert people['target'] == 'label'
  assert people['entropy'] == pytest.approx(1)
  for of, accuracy, probability in (
    ('value.text', 0.25, 0.2),
    ('value.audio', 0.25, 0.2),
    ('interaction.text_vs_audio', 0.5, 0.4),
  ):
    name = f'together.{of}'
    statistics = found.statistics
    assert statistics[f'{name}.accuracy'].estimate == pytest.approx(accuracy)
    assert statistics[f'{name}.probability'].estimate == pytest.approx(
      probability
    )


def test_the_page_says_all_or_none_of_what_is_beyond_the_range():
  told = sections_together._told
  assert told(1.58, 1.566) == 'about all'
  assert told(-0.009, 1.581) == 'about none'
  assert told(0.5, 1.581) == '0.500'


@pytest.mark.parametrize(
  ('value', 'ends'),
  [
    (-0.1, (-0.1, 0.4)),
    (0.2, (0, 0.7)),
    (0.9, (0.4, 1)),
    (1.1, (0.6, 1.1)),
    (-0.7, (-0.7, 0)),
  ],
)
def test_intervals_end_where_no_information_can_be(value, ends):
  widened = information._Widened(0.0, 0.0, 0.0, 0.0, '', 1.0)
  estimate = findings.Estimate(
    value, value - 0.5, value + 0.5, variance={'groups': 0.06}
  )
  found = widened(estimate)
  assert (found.low, found.high) == pytest.approx(ends)


def test_intervals_reach_on_by_what_their_derivative_does_not_know():
  estimate = findings.Estimate(0.5, 0.3, 0.7, variance={'groups': 0.01})
  # A standard error of .1 becomes one of .15 and .2 together, which is .25.
  found = information._Widened(0.15, 0.2, 0.0, 0.05, '', 2.0)(estimate)
  assert (found.low, found.high) == pytest.approx((0, 1.05))
  found = information._Widened(0.01, 0.0, 0.1, 0.0, '', 2.0)(estimate)
  assert (found.low, found.high) == pytest.approx((0.2, 0.7))


def test_a_vote_takes_the_place_of_a_label_that_votes_made():
  corpus, predictions = _xor()
  made_of = {'label_source': 'text'}
  corpus = dataclasses.replace(corpus, info=corpus.info | made_of)
  found = made.answer(information, corpus, predictions)
  people = found.tables['information'][0]
  assert people['target'] == 'text+audio'
  assert people['entropy'] == pytest.approx(1)


def test_votes_that_know_nothing_have_no_information_but_for_chance():
  random = np.random.default_rng(0)
  plain, mended = [], []
  for _ in range(12):
    votes = {
      name: random.multinomial(2, [1 / 3] * 3, 200)
      for name in ('text', 'audio', 'text+audio')
    }
    corpus = made.corpus(
      np.arange(200) // 4, random.integers(0, 3, 200), votes=votes
    )
    totals, plan = made.added_up(corpus)
    part = totals.over(
      totals['information', 'clips', 'people', 'text', 'audio']
    )
    table = part['information', 'table', 'people', 'text', 'audio']
    plain.append(partial_information.parts(table.sum(axis=0)[None]).values[0])
    found = information.answer(totals, plan)
    mended.append(_values(found, 'together.people.text_vs_audio'))
    total = found.statistics['together.people.text_vs_audio.total']
    assert total.low <= 0 < total.high
    assert total.low == min(total.estimate, 0)
  # What is left of it is noise, whose standard error is known of 12.
  plain, mended = np.array(plain), np.array(mended)
  error = mended.std(axis=0, ddof=1) / np.sqrt(len(mended))
  assert (np.abs(mended.mean(axis=0)) < 3.5 * error + 1e-4).all()
  assert plain.mean(axis=0)[3] > 4 * abs(mended.mean(axis=0)[3])


@pytest.mark.long
@pytest.mark.parametrize('alike', [False, True])
def test_intervals_hold_the_parts_of_many_clips(alike):
  random = np.random.default_rng(7)
  table = random.gamma(0.7, size=(3, 3, 3))
  if alike:
    # Two noisy copies of the label, of which neither knows more.
    copy = 0.2 + 0.4 * np.eye(3)
    table = np.einsum('ay,by->aby', copy, copy)
  table /= table.sum()
  # A part that is nil is so but for rounding.
  truth = np.maximum(partial_information.parts(table[None]).values[0], 0)
  held = []
  for _ in range(150):
    by_group = random.dirichlet(30 * table.ravel(), 60)
    counts = np.stack([random.multinomial(10, one) for one in by_group])
    place = np.repeat(np.tile(np.arange(27), 60), counts.ravel())
    groups = np.repeat(np.arange(60), 10)
    one, two, label = np.unravel_index(place, table.shape)
    corpus = made.corpus(groups, label)
    predictions = made.predictions(
      {'text': np.eye(3)[one][None], 'audio': np.eye(3)[two][None]}
    )
    batch = Batch(corpus, predictions)
    plan = plan_lib.of_batch(batch)
    adder = totals_lib.Adder(corpus.groups)
    information.tally(batch, plan, adder)
    found = information.answer(adder.totals(), plan).statistics
    parts = [found[f'together.views.text_vs_audio.{name}'] for name in _PARTS]
    held.append(
      [
        one.low is None or one.low <= value <= one.high
        for one, value in zip(parts, truth, strict=True)
      ]
    )
  held = np.mean(held, axis=0)
  # Four standard errors of a share of .95 in 150 studies are .071.
  assert (held > 0.879).all(), held


def test_the_table_of_people_is_of_independent_votes():
  votes = {
    'text': np.array([[1, 1, 0], [0, 2, 0]] * 4),
    'audio': np.array([[0, 3, 1], [1, 0, 0]] * 4),
    'text+audio': np.array([[1, 0, 0], [0, 0, 2]] * 4),
  }
  corpus = made.corpus(range(8), [0, 2] * 4, votes=votes)
  totals, _ = made.added_up(corpus)
  table = totals['information', 'table', 'people', 'text', 'audio'].sum(axis=0)
  expected = np.zeros((3, 3, 3))
  expected[:, :, 0] = 4 * np.outer([0.5, 0.5, 0], [0, 0.75, 0.25])
  expected[:, :, 2] = 4 * np.outer([0, 1, 0], [1, 0, 0])
  np.testing.assert_allclose(table, expected)


def test_interactions_are_those_of_the_definition():
  """By all orders in which players may come (Grabisch and Roubens 1999)."""
  random = np.random.default_rng(1)
  for number in (2, 3, 4):
    bits = list(range(number))
    values = {mask: random.normal(size=2) for mask in range(2**number)}
    found = cooperation.interactions(values, bits)
    for place, pair in enumerate(itertools.combinations(bits, 2)):
      # The pair comes as one player, in any order with the others.
      players = [*(bit for bit in bits if bit not in pair), pair]
      gains = []
      for order in itertools.permutations(players):
        before = sum(1 << bit for bit in order[: order.index(pair)])
        one, two = (1 << bit for bit in pair)
        gains.append(
          values[before | one | two]
          - values[before | one]
          - values[before | two]
          + values[before]
        )
      np.testing.assert_allclose(found[:, place], np.mean(gains, axis=0))


@pytest.mark.parametrize(
  ('worth', 'expected'),
  # None, the first, the second, both: xor, and, copy, by accuracy.
  [
    ((0.5, 0.5, 0.5, 1), 0.5),
    ((0.75, 0.75, 0.75, 1), 0.25),
    ((0.5, 1, 1, 1), -0.5),
  ],
)
def test_interactions_of_two_bits(worth, expected):
  values = {mask: np.array([value]) for mask, value in enumerate(worth)}
  assert cooperation.interactions(values, [0, 1]) == pytest.approx(expected)


def test_the_best_view_is_right_where_one_is():
  # Classes by seed: rows are seeds 0 and 1 of each view; the label is 0.
  eye = np.eye(3)
  said = {
    'text': [[0, 1, 1, 1], [1, 1, 1, 1]],
    'audio': [[1, 1, 1, 1], [1, 1, 1, 0]],
    'text+audio': [[0, 0, 1, 1], [0, 1, 1, 1]],
  }
  said = {view: np.tile(one, 6) for view, one in said.items()}
  probabilities = {view: eye[one] for view, one in said.items()}
  # A third seed, so that three views can have seeds of different names.
  probabilities = {
    view: np.concatenate([p, p[:1]]) for view, p in probabilities.items()
  }
  corpus = made.corpus(np.arange(24) // 4, [0] * 24)
  found = made.answer(best_view, corpus, made.predictions(probabilities))
  right = {view: np.argmax(p, axis=2) == 0 for view, p in probabilities.items()}
  some = np.mean(
    [
      right['text+audio'][a] | right['text'][b] | right['audio'][c]
      for a, b, c in itertools.permutations(range(3))
    ]
  )
  full = right['text+audio'].mean()
  seeds = right['text+audio'].any(axis=0).mean()
  missed = np.prod([1 - one.mean() for one in right.values()])
  for name, expected in {
    'accuracy': some,
    'gain': some - full,
    'regret': some - full,
    'independent_gain': 1 - missed - full,
    'beyond_independent': some - 1 + missed,
    'other_seeds_gain': seeds - full,
    'beyond_other_seeds': some - seeds,
  }.items():
    value = found.statistics[f'together.best_view.{name}'].estimate
    assert value == pytest.approx(expected), name


def test_independent_errors_have_the_slope_of_their_value():
  random = np.random.default_rng(2)
  corpus, predictions = made.study_input(60, 8, 3, seed=2)
  totals, _ = made.added_up(corpus, predictions)
  statistic = best_view._independent(totals.over(totals['best_view', 'clips']))
  weights = random.uniform(0.5, 1.5, (1, 8))
  step = random.normal(size=(1, 8)) * 1e-5
  _, slope = statistic(weights)
  change = statistic(weights + step)[0] - statistic(weights - step)[0]
  assert (slope @ step.T)[0, 0] == pytest.approx(change[0] / 2, rel=1e-5)
  # Views that err independently, by class, are no better than that.
  labels = np.repeat([0, 1, 2], 2_000)
  right = random.random((3, 3, 6_000)) < 0.5 + 0.2 * (labels == 1)
  probabilities = {
    view: np.eye(3)[np.where(right[i], labels, (labels + 1) % 3)]
    for i, view in enumerate(('text', 'audio', 'text+audio'))
  }
  corpus = made.corpus(np.arange(6_000) % 60, labels)
  found = made.answer(best_view, corpus, made.predictions(probabilities))
  beyond = found.statistics['together.best_view.beyond_independent']
  assert beyond.low < 0 < beyond.high
  assert beyond.high - beyond.low < 0.02


def test_what_is_missing_is_said():
  corpus, predictions = made.study_input(40, 8)
  alone = made.predictions(
    {'text': predictions.probabilities['text']}, predictions.folds['text'][0]
  )
  found = study_lib.build(corpus, alone)
  for name, says in {
    'together.people': 'no votes on two single modalities',
    'together.views': 'no predictions of two single modalities',
    'together.value': 'no predictions of the full view',
    'together.best_view': 'no predictions of the full view',
  }.items():
    assert says in found.skipped[name]
  few = made.predictions(
    {view: p[:1] for view, p in predictions.probabilities.items()}
  )
  found = study_lib.build(corpus, few)
  assert 'fewer seeds' in found.skipped['together.best_view.other_seeds_gain']
  # Seeds of one name are taken together where there are no others.
  right = [
    np.argmax(p[0], axis=1) == corpus.labels for p in few.probabilities.values()
  ]
  oracle = found.statistics['together.best_view.accuracy']
  assert oracle.estimate == pytest.approx(np.any(right, axis=0).mean())
