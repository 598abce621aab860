"""What leaving out annotators changes, against doing it from scratch."""

import dataclasses

import made
import numpy as np
import pytest

from empathy.evaluation import ambiguity, deletions, humans, soft_scores, study
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch

_TOLD = ('humans', 'ambiguity', 'soft_scores', 'scores', 'conflict')


@pytest.fixture(scope='module')
def known():
  corpus, predictions = made.study_input(90, 9, 3)
  return made.with_annotators(corpus), predictions


def _without(corpus, chosen):
  return dataclasses.replace(corpus, votes=corpus.votes.where(~chosen))


def _summed(rows):
  """By values, how many clips of each group."""
  found = {}
  for group, values, number in zip(
    rows.group, rows.values, rows.number, strict=True
  ):
    key = group, tuple(np.where(np.isnan(values), -9, values))
    found[key] = found.get(key, 0) + number
  return {key: number for key, number in found.items() if number}


def _rated(corpus):
  """The same votes, as ratings near the values of their classes."""
  info = corpus.info | {'ordered': True, 'values': [1.0, 2.0, 4.0]}
  votes = corpus.votes
  near = np.random.default_rng(5).uniform(-0.4, 0.4, len(votes.label))
  rated = np.array(info['values'])[votes.label] + near
  return dataclasses.replace(
    corpus, info=info, votes=dataclasses.replace(votes, scores=rated)
  )


@pytest.mark.parametrize('block', [1 << 12, 7])
@pytest.mark.parametrize('rated', [False, True])
def test_changes_are_those_of_totals_without_the_annotator(
  known, block, rated, monkeypatch
):
  monkeypatch.setattr(humans, '_AGAIN', 200)
  monkeypatch.setattr(deletions, '_BLOCK', block)
  corpus, predictions = known
  if rated:
    corpus = _rated(corpus)
  batch = Batch(corpus, predictions)
  plan = plan_lib.of_batch(batch)
  totals = study.add_up(batch, plan)
  name = 'annotator4'
  who = plan.crowd.codes(np.array([name]))[0]
  rest = _without(corpus, corpus.votes.annotator == name)
  expected = study.add_up(Batch(rest, predictions), plan)
  told = 0
  for key in (*totals.sums, *totals.counts):
    if key[0] not in _TOLD:
      continue
    shape = totals[key].shape
    change, size = np.zeros(shape), int(np.prod(shape[1:]))
    if ('without', *key) in totals.counts:
      every = totals.counts['without', *key].dense()
      assert every.shape[2] == size + 1
      change = every[:, who, :-1].reshape(shape)
      told += 1
    np.testing.assert_allclose(
      totals[key] + change, expected[key], atol=1e-6, err_msg=str(key)
    )
  for key, own in totals.rows.items():
    if ('without', *key) in totals.rows:
      change = totals.rows['without', *key]
      change = change.where(change['annotator'] == who)
      both = totals_lib.Rows(
        own.names,
        np.concatenate([own.group, change.group]),
        np.concatenate([own.values, change.values[:, :-1]]),
        np.concatenate([own.number, change.number]),
      )
      assert _summed(both) == _summed(expected.rows[key])
      told += 1
  assert told > 30
  of_scores = [key for key in totals.counts if key[:2] == ('without', 'scores')]
  assert bool(of_scores) == rated


@pytest.fixture(scope='module')
def built(known):
  return study.build(*known)


def test_every_figure_of_votes_covers_other_annotators(built):
  covered = [
    name
    for name, one in built.statistics.items()
    if 'annotators' in one.variance
  ]
  for prefix in (
    'ambiguity.any_disagreement.beyond_seeds',
    'ambiguity.one_minus_confidence.auroc_contested',
    'ambiguity.one_minus_confidence.spearman',
    'humans.text.accuracy',
    'humans.text+audio.gwet_ac1',
    'humans.full_minus_text.accuracy',
    'views.text.human_brier',
  ):
    assert prefix in built.statistics
  assert {name.split('.')[0] for name in covered} == {
    'ambiguity',
    'humans',
    'views',
  }
  for name in covered:
    assert 'with the noise of 9 annotators' in built.statistics[name].method
    assert not name.startswith('diagnosis')


def test_the_plan_has_the_part_of_annotators(built):
  for row in built.tables['planner']:
    one = built.statistics[row['statistic']]
    if 'annotators' in one.variance:
      total = sum(one.variance.values())
      share = one.variance['annotators'] / total
      assert row['annotators_share'] == pytest.approx(share)
    else:
      assert row['annotators_share'] is None
      assert row['annotators_needed'] is None


def test_votes_of_nobody_known_leave_other_conditions_covered(known):
  corpus, predictions = known
  votes = corpus.votes
  names = np.where(votes.condition == 0, '', votes.annotator)
  some = dataclasses.replace(
    corpus, votes=dataclasses.replace(votes, annotator=names)
  )
  plan = plan_lib.of_batch(Batch(some, predictions))
  totals = study.add_up(Batch(some, predictions), plan)
  found = study.with_annotators(totals, plan).annotators
  every = study.with_annotators(*made.added_up(corpus, predictions)).annotators
  nameless = corpus.conditions[0]
  lost = every.keys() - found.keys()
  assert f'humans.{nameless}.accuracy' in lost
  assert f'humans.full_minus_{nameless}.accuracy' in lost
  for name in found:
    assert not name.startswith(f'humans.{nameless}.')
    assert found[name].noise.variance == pytest.approx(
      every[name].noise.variance
    )
  assert f'humans.{corpus.conditions[1]}.accuracy' in found
  told = study.build(some).info['covers']
  assert f'votes on {corpus.conditions[1]} alone cover' in told


def test_many_clips_are_not_ranked_without_each_annotator(known, monkeypatch):
  exact = study.with_annotators(*made.added_up(*known)).annotators
  monkeypatch.setattr(plan_lib, 'MANY_CLIPS', 50)
  found = study.with_annotators(*made.added_up(*known)).annotators
  lost = exact.keys() - found.keys()
  assert all(
    name.startswith(('ambiguity', 'humans.models')) for name in lost
  ), lost
  assert any(name.startswith('humans.models') for name in lost)
  for name in ('humans.text.accuracy', 'views.text.human_brier'):
    assert found[name].noise.variance == pytest.approx(
      exact[name].noise.variance
    )


def test_figures_say_how_they_move(known, monkeypatch):
  # To first order, and from scratch.
  totals, plan = made.added_up(*known)
  monkeypatch.setattr(humans, '_AGAIN', 200)
  near, exact = [], []
  answers = [humans.answer, ambiguity.answer, soft_scores.answer]
  for few, found in ((0, near), (50, exact)):
    monkeypatch.setattr(deletions, '_FEW', few)
    found.append(deletions.noises(totals, plan, answers))
  assert near[0].keys() == exact[0].keys()
  both = np.array(
    [
      [way[0][name].noise.variance for way in (near, exact)]
      for name in exact[0]
    ]
  )
  some = both[both[:, 1] > 0]
  assert len(some) > 10
  # Of nine annotators, one is no small part.
  ratio = np.sqrt(some[:, 0] / some[:, 1])
  assert 0.75 < np.median(ratio) < 1.25


@pytest.mark.parametrize('marked', [1 << 27, 0])
def test_numbers_are_ranked(marked, monkeypatch):
  monkeypatch.setattr(deletions, '_MARKED', marked)
  every = [np.array([7, 2, 7]), np.array([5, 2])]
  found, ranks = deletions._ranked(every, 9)
  np.testing.assert_array_equal(found, [2, 5, 7])
  np.testing.assert_array_equal(np.concatenate(ranks), [2, 0, 2, 1, 0])
