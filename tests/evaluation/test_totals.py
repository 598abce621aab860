"""Totals add up: whatever the parts and their order, they are those of all."""

import dataclasses
import functools
import operator
from unittest import mock

import hypothesis
import hypothesis.strategies as st
import made
import numpy as np
import pytest

from empathy import errors
from empathy.evaluation import confidence as confidence_lib
from empathy.evaluation import explorer, listing, study, totals
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import survey as survey_lib
from empathy.evaluation.batches import Batch


@functools.cache
def _input():
  corpus, predictions = made.study_input(60, 9, 3)
  hashes = np.random.default_rng(0).integers(0, 40, 60).astype(np.uint64)
  corpus = dataclasses.replace(
    corpus, presence={'audio': hashes > 3}, hashes={'audio': hashes}
  )
  corpus = made.with_values(made.with_judges(made.with_annotators(corpus)))
  return corpus, made.with_parts(predictions)


def _parts(places):
  corpus, predictions = _input()
  return [
    Batch(*made.part(corpus, predictions, np.equal(places, place)))
    for place in sorted(set(places))
  ]


_cuts = st.lists(st.integers(0, 3), min_size=60, max_size=60)


@hypothesis.settings(max_examples=6, deadline=None)
@hypothesis.given(_cuts, st.randoms(use_true_random=False))
def test_totals_of_parts_are_those_of_all(places, random):
  plan = plan_lib.of_batch(Batch(*_input()))
  parts = [study.add_up(part, plan) for part in _parts(places)]
  random.shuffle(parts)
  found = functools.reduce(operator.add, parts)
  made.assert_same(found, study.add_up(Batch(*_input()), plan))


def test_totals_of_many_clips_are_those_of_their_parts(monkeypatch):
  # So many that values are put on grids.
  monkeypatch.setattr(plan_lib, 'MANY_CLIPS', 30)
  places = np.random.default_rng(3).integers(0, 4, 60)
  plan = plan_lib.of_batch(Batch(*_input()))
  assert not plan.exact
  parts = [study.add_up(part, plan) for part in reversed(_parts(places))]
  found = functools.reduce(operator.add, parts)
  made.assert_same(found, study.add_up(Batch(*_input()), plan))


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(_cuts, st.randoms(use_true_random=False))
def test_surveys_of_parts_make_the_plan_of_all(places, random):
  parts = [survey_lib.of_batch(part) for part in _parts(places)]
  random.shuffle(parts)
  found = functools.reduce(operator.add, parts)
  expected = survey_lib.of_batch(Batch(*_input()))
  assert found.num_clips == expected.num_clips
  assert found.members == expected.members
  for name in ('numbers', 'handfuls'):
    assert getattr(found, name).keys() == getattr(expected, name).keys()
    for key, values in getattr(expected, name).items():
      own = getattr(found, name)[key]
      if values.dtype.kind == 'U':
        assert own.tolist() == values.tolist()
      else:
        np.testing.assert_allclose(own, values)
  assert found.annotators.keys() == expected.annotators.keys()
  for name, hashes in expected.annotators.items():
    np.testing.assert_array_equal(found.annotators[name], hashes)
  for key, one in expected.confidences.items():
    np.testing.assert_array_equal(found.confidences[key].values, one.values)
    np.testing.assert_array_equal(found.confidences[key].number, one.number)


@hypothesis.settings(max_examples=10, deadline=None)
@hypothesis.given(_cuts, st.randoms(use_true_random=False))
def test_the_first_clips_of_parts_are_those_of_all(places, random):
  plan = plan_lib.of_batch(Batch(*_input()))
  with mock.patch.object(explorer, 'MOST', 7):
    parts = [listing.of_batch(part, plan).first() for part in _parts(places)]
    random.shuffle(parts)
    found = functools.reduce(operator.add, parts)
    expected = listing.of_batch(Batch(*_input()), plan).first()
  again = listing.of_arrays(*listing.to_arrays(found))
  for one, off in ((found, 0), (again, 0.0005)):
    assert one.clips.num_ranked == expected.num_ranked == 60
    assert one.columns().keys() == expected.columns().keys()
    for name, values in expected.columns().items():
      np.testing.assert_array_equal(one.columns()[name], values, name)
    np.testing.assert_array_equal(one.clips.ids, expected.clips.ids)
    for view, values in expected.clips.probabilities.items():
      shown = one.clips.probabilities[view]
      np.testing.assert_allclose(shown, values, 1e-12, off)
      np.testing.assert_array_equal(
        np.rint(1000 * shown), np.rint(1000 * values)
      )


def test_totals_and_surveys_come_back_from_their_arrays():
  batch = Batch(*_input())
  survey = survey_lib.of_batch(batch)
  found = study.add_up(batch, plan_lib.draw_up(survey))
  made.assert_same(totals.of_arrays(*totals.to_arrays(found)), found)
  again = survey_lib.of_arrays(*survey_lib.to_arrays(survey))
  assert again.members == survey.members
  assert again.info == survey.info
  for key, values in survey.numbers.items():
    np.testing.assert_array_equal(again.numbers[key], values)
  assert again.annotators.keys() == survey.annotators.keys()
  for name, hashes in survey.annotators.items():
    np.testing.assert_array_equal(again.annotators[name], hashes)


@pytest.mark.parametrize(
  ('votes', 'denominator'), [((5,), 1_200), ((5, 7), 25_200), ((), 120)]
)
def test_sums_of_fractions_are_kept_as_whole_numbers(votes, denominator):
  random = np.random.default_rng(0)
  adder = totals.Adder(np.array(['a', 'b']))
  clip, cell = random.integers(0, 2, 9_000), random.integers(0, 300, 9_000)
  # Shares of pairs of votes that differ, each of some orders of 5 seeds.
  pairs = random.choice([n * (n - 1) // 2 for n in votes] or [1], 9_000)
  amount = random.integers(0, pairs + 1) / pairs
  amount *= random.integers(0, 121, 9_000) / 120
  adder.count(('x',), cell, 300, amount, clip)
  found = adder.totals()
  head, arrays = totals.to_arrays(found)
  assert head['counts'][0]['denominator'] == denominator
  whole = arrays['counts_0_sum']
  np.testing.assert_array_equal(whole, np.rint(whole))
  again = totals.of_arrays(head, arrays)
  np.testing.assert_allclose(again['x',], found['x',], 1e-13)


def test_sums_of_no_fractions_are_kept_to_the_bit():
  adder = totals.Adder(np.array(['a', 'b']))
  cell, amount = np.arange(50), np.random.default_rng(0).normal(0, 1, 50)
  adder.count(('x',), cell, 50, amount, cell % 2)
  adder.count(('none',), cell - 50, 50, clip=cell % 2)
  found = adder.totals()
  again = totals.of_arrays(*totals.to_arrays(found))
  for key in (('x',), ('none',)):
    np.testing.assert_array_equal(again[key], found[key], strict=True)


def test_a_plan_comes_back_from_its_arrays():
  batch = Batch(*_input())
  plan = plan_lib.of_batch(batch)
  again = plan_lib.of_arrays(*plan_lib.to_arrays(plan))
  assert again.num_groups == plan.num_groups == 9
  assert again.bounds.keys() == plan.bounds.keys()
  made.assert_same(study.add_up(batch, again), study.add_up(batch, plan))


def test_rows_that_are_alike_are_one():
  adder = totals.Adder(np.array(['b', 'a', 'b', 'b', 'a']))
  adder.rank(
    ('x',),
    np.array([True, True, True, True, False]),
    signal=np.array([0.5, 0.5, 0.5 + 1e-14, 0.25, 9]),
    hit=np.array([1, 1, 1, 0, 0]),
  )
  rows = adder.totals().rows['x',]
  assert rows.group.tolist() == [0, 1, 1]
  assert rows['signal'].tolist() == [0.5, 0.25, 0.5]
  assert rows['hit'].tolist() == [1, 0, 1]
  assert rows.number.tolist() == [1, 1, 2]
  sample = totals.sample(adder.totals(), rows.where(rows.group > 0))
  assert sample.names.tolist() == ['b']
  assert sample.num_clips == 3
  assert sample.totals(rows['hit'][1:]).tolist() == [[2]]


def test_entries_of_a_clip_count_in_its_group():
  adder = totals.Adder(np.array(['b', 'a', 'b']))
  cell, clip = np.array([[0, 1, -1, 1], [2, 2, 2, 2]]), np.array([2, 1, 0, 0])
  adder.count(('x',), cell, 3, np.array([1, 2, 4, 8]), clip)
  assert adder.totals()['x',].tolist() == [[0, 2, 2], [1, 8, 13]]


def test_many_groups_of_many_clips_are_put_into_bundles(monkeypatch):
  monkeypatch.setattr(totals, 'MANY_CLIPS', 1_000)
  random = np.random.default_rng(0)
  names = np.array([f'g{i}' for i in range(700)])
  groups = [random.choice(names, 600) for _ in range(4)]
  parts = []
  for own in groups:
    adder = totals.Adder(own)
    adder.add(('n',), np.ones(len(own)))
    adder.count(('c',), np.arange(len(own)) % 5, 5)
    parts.append(adder.totals())
  assert not parts[0].bundled
  one = (parts[0] + parts[1]) + (parts[2] + parts[3])
  other = parts[3] + (parts[1] + (parts[2] + parts[0]))
  assert one.bundled
  assert len(one.groups) == totals.MOST_GROUPS
  assert len(one.hashes) == len(np.unique(np.concatenate(groups)))
  made.assert_same(one, other)
  assert one['n',].sum() == 2_400
  np.testing.assert_array_equal(one['c',].sum(axis=0), [480] * 5)


def test_spellings_of_a_group_have_one_hash():
  def hash_of(name):
    return totals.group_hashes(np.array([name])).item()

  assert hash_of('Ann') == hash_of('ann')
  assert hash_of('7') == hash_of('7.0')
  assert hash_of('Ann') != hash_of('Anne')


def test_two_spellings_of_a_group_are_refused():
  parts = [totals.Adder(np.array([name])).totals() for name in ('Anna', 'anna')]
  with pytest.raises(errors.InputError, match="'Anna' and 'anna' would be one"):
    parts[0] + parts[1]


def test_strata_on_a_grid_are_nearly_those_of_the_values(monkeypatch):
  random = np.random.default_rng(1)
  p = random.dirichlet([1, 1, 1], 3_000)
  exact = confidence_lib.strata(confidence_lib.histogram(p.max(axis=1)))
  monkeypatch.setattr(confidence_lib, 'MANY_CLIPS', 2_000)
  halves = [
    confidence_lib.histogram(p[some].max(axis=1))
    for some in (slice(1_500), slice(1_500, None))
  ]
  found = confidence_lib.strata(halves[0] + halves[1])
  assert found.coarse
  assert not exact.coarse
  assert (found.of(p) != exact.of(p)).mean() < 0.02
  confidence = p.max(axis=1)
  grid = confidence_lib.on_grid(confidence)
  np.testing.assert_array_equal(confidence_lib.on_grid(grid), grid)
  order = np.argsort(confidence)
  assert (np.diff(grid[order]) >= 0).all()
  assert np.abs(grid - confidence).max() < 1e-3
