"""Clips on which conditions conflict, against hand-worked and made truths."""

import dataclasses
import itertools

import made
import numpy as np
import pytest

from empathy.evaluation import conflict, draws, facts, report
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import conflict as section


def _value(found, name):
  return found.statistics[name].estimate


def _strata(votes):
  corpus = made.corpus(
    range(len(next(iter(votes.values())))),
    np.zeros(len(next(iter(votes.values()))), int),
    modalities=('audio', 'video'),
    votes=votes,
  )
  plan = plan_lib.of_batch(Batch(corpus))
  counts = {name: corpus.vote_counts(name) for name in corpus.conditions}
  return conflict.strata(counts, draws.keys(corpus.ids, 'votes'), plan)


def test_pluralities_of_one_vote_each_differ_as_votes_do():
  # Two votes a condition, so that halves are of one vote.
  votes = {
    'audio': np.array([[1, 1, 0], [2, 0, 0], [2, 0, 0], [1, 0, 0]]),
    'video': np.array([[2, 0, 0], [0, 0, 2], [2, 0, 0], [0, 0, 5]]),
    'audio+video': np.array([[3, 0, 0], [0, 0, 3], [0, 3, 0], [0, 0, 1]]),
  }
  found = _strata(votes)[conflict.HALVES]
  pair = 'audio', 'video'
  assert found.known.tolist() == [True, True, True, False]
  assert found.apart[pair][:3].tolist() == pytest.approx([0.5, 1, 0])
  assert found.control[pair][:3].tolist() == pytest.approx([0.5, 0, 0])
  assert found.follows['audio'][:3].tolist() == pytest.approx([0, 0, 0])
  assert found.follows['video'][:3].tolist() == pytest.approx([0.5, 1, 0])
  whole = _strata(votes)[conflict.WHOLE]
  assert whole.known.all()
  # A tie is half of each class.
  assert whole.apart[pair].tolist() == pytest.approx([0.5, 1, 0, 1])
  assert whole.follows['video'].tolist() == pytest.approx([0.5, 1, 0, 1])


def test_halves_differ_as_often_as_all_ways_to_draw_them_do():
  audio, video = [0, 0, 1, 1, 2], [1, 1, 1, 0]
  counts = [np.bincount(one, minlength=3) for one in (audio, video)]
  number = 400
  found = _strata(
    {
      'audio': np.tile(counts[0], (number, 1)),
      'video': np.tile(counts[1], (number, 1)),
    }
  )[conflict.HALVES]

  def label(votes):
    return np.bincount(votes, minlength=3).argmax()

  def orders(votes):
    return [
      (label(order[:2]), label(order[2:4]))
      for order in itertools.permutations(votes, 4)
    ]

  one, other = orders(audio), orders(video)
  apart = np.mean([a != b for (a, _) in one for (b, _) in other])
  control = np.mean([np.mean([a != b for a, b in o]) for o in (one, other)])
  # The standard error is that of so many draws.
  limit = 4 * 0.5 / np.sqrt(number * 24)
  pair = 'audio', 'video'
  assert found.apart[pair].mean() == pytest.approx(apart, abs=limit)
  assert found.control[pair].mean() == pytest.approx(control, abs=limit)


def test_one_vote_a_condition_makes_a_stratum_and_chance_is_not_told():
  # As corpora are that publish one label by modality.
  first = np.array([0, 0, 1, 1, 2, 2, 0, 1] * 2)
  second = np.array([0, 1, 1, 0, 2, 2, 0, 1] * 2)
  labels = np.array([0, 0, 1, 1, 2, 2, 0, 1] * 2)
  votes = {
    name: np.eye(3, dtype=int)[one]
    for name, one in (('text', first), ('audio', second))
  }
  corpus = made.corpus(np.arange(16) // 2, labels, votes=votes)
  # Right where the conditions agree, and on one of the other clips.
  said = np.where(first == second, labels, 2)
  said[1] = 0
  predictions = made.predictions({'text+audio': np.eye(3)[said][None]})
  found = made.answer(conflict, corpus, predictions)
  assert _value(found, 'conflict.text_vs_audio.rate') == pytest.approx(4 / 16)
  prefix = 'conflict.accuracy_text+audio'
  assert _value(found, f'{prefix}.inside') == pytest.approx(1 / 4)
  assert _value(found, f'{prefix}.outside') == pytest.approx(1)
  assert _value(found, f'{prefix}.difference') == pytest.approx(-3 / 4)
  for name in (f'{prefix}.beyond_chance', 'conflict.text_vs_audio.excess'):
    assert 'Chance cannot be told' in found.skipped[name]
  page = report.render(study_lib.build(corpus, predictions))
  assert 'what of that is chance cannot be told' in page


def test_figures_are_means_weighted_by_the_stratum():
  corpus, predictions = made.study_input(90, 9, 2, seed=4)
  corpus = dataclasses.replace(
    corpus, labels=np.where(np.arange(90) % 9 == 0, -1, corpus.labels)
  )
  found = made.answer(conflict, corpus, made.with_parts(predictions))
  batch = Batch(corpus, predictions)
  plan = plan_lib.of_batch(batch)
  votes = {name: corpus.vote_counts(name) for name in plan.voted}
  _, stratum, control = (
    conflict.strata(votes, batch.keys, plan)[conflict.HALVES].weights().T
  )
  chosen = batch.labelled
  right = {
    view: (batch.labels[view] == corpus.labels).mean(axis=0)
    for view in predictions.views
  }
  gain = right['text+audio'] - right['text']

  def gap(values, weights):
    return np.average(values[chosen], weights=weights[chosen]) - np.average(
      values[chosen], weights=1 - weights[chosen]
    )

  for outcome, values in (
    ('accuracy_audio', right['audio']),
    ('full_minus_text', gain),
  ):
    prefix = f'conflict.{outcome}'
    assert found.statistics[f'{prefix}.inside'].n == chosen.sum()
    expected = {
      'inside': np.average(values[chosen], weights=stratum[chosen]),
      'difference': gap(values, stratum),
      'control_difference': gap(values, control),
      'beyond_chance': gap(values, stratum) - gap(values, control),
    }
    for figure, value in expected.items():
      assert _value(found, f'{prefix}.{figure}') == pytest.approx(value)


def _made(rng, num_clips, conflicting):
  """Votes of two conditions, and a model that errs on uncertain clips.

  Uncertain clips have divided votes in both conditions alike; in conflict, the
  second condition's votes go to another class, and the model errs there.
  """
  labels = rng.integers(0, 3, num_clips)
  sure = np.where(rng.random(num_clips) < 0.5, 0.9, 0.4)
  other = np.where(conflicting, (labels + 1) % 3, labels)
  votes = {}
  for name, own in (('audio', labels), ('video', other)):
    shares = sure[:, None] * np.eye(3)[own] + (1 - sure[:, None]) / 3
    votes[name] = rng.multinomial(6, shares)
  right = rng.random(num_clips) < np.where(conflicting, 0.3, sure)
  said = np.where(right, labels, (labels + 2) % 3)
  return (
    made.corpus(
      np.arange(num_clips) // 20,
      labels,
      modalities=('audio', 'video'),
      votes=votes,
    ),
    made.predictions({'audio+video': np.eye(3)[said][None]}),
  )


@pytest.mark.parametrize('share', [0.0, 0.3])
def test_uncertainty_alone_is_no_conflict(share):
  rng = np.random.default_rng(5)
  corpus, predictions = _made(rng, 3_000, rng.random(3_000) < share)
  totals, plan = made.added_up(corpus, predictions)
  found = conflict.answer(totals, plan)
  study = study_lib.assemble({10: found}, facts.of(totals, plan))
  page = section.section(study)
  assert ('more than by chance; p' in page.finding) == (share > 0)
  assert ('not settled' in page.finding) == (share == 0)
  assert any('below that on clips' in told for told in page.details) == (
    share > 0
  )
  excess = found.statistics['conflict.audio_vs_video.excess']
  accuracy = 'conflict.accuracy_audio+video'
  beyond = found.statistics[f'{accuracy}.beyond_chance']
  # The clips in the stratum are uncertain ones, on which the model errs.
  assert found.statistics[f'{accuracy}.difference'].high < -0.1
  if share:
    assert excess.low > 0.05
    assert beyond.high < -0.05
  else:
    assert abs(excess.estimate) < 0.02
    assert excess.low < 0 < excess.high
    assert beyond.low < 0 < beyond.high


@pytest.mark.long
def test_where_conditions_are_alike_little_is_found():
  rng = np.random.default_rng(6)
  found = []
  for _ in range(300):
    corpus, predictions = _made(rng, 600, np.zeros(600, bool))
    batch = Batch(corpus, predictions)
    plan = plan_lib.of_batch(batch)
    adder = totals_lib.Adder(corpus.groups)
    conflict.tally(batch, plan, adder)
    statistics = conflict.answer(adder.totals(), plan).statistics
    found.append(
      [
        statistics[name].p < 0.05
        for name in (
          'conflict.audio_vs_video.excess',
          'conflict.accuracy_audio+video.beyond_chance',
        )
      ]
    )
  # Three standard errors of the share of 300 above 5 %.
  assert (np.mean(found, axis=0) < 0.09).all(), np.mean(found, axis=0)


def test_a_label_made_of_these_votes_judges_nothing_there():
  corpus, predictions = made.study_input(60, 8)
  for source, told in (('text', False), ('votes', False), ('intended', True)):
    info = corpus.info | {'label_source': source}
    found = made.answer(
      conflict, dataclasses.replace(corpus, info=info), predictions
    )
    assert ('conflict.accuracy_text.inside' in found.statistics) == told
    assert ('conflict.accuracy_text' in found.skipped) != told
    assert 'conflict.disagreement.inside' in found.statistics


@pytest.mark.parametrize(
  ('conditions', 'says'),
  [((), 'The corpus has no votes.'), (('text',), 'in one condition only')],
)
def test_why_there_is_no_conflict(conditions, says):
  corpus, predictions = made.study_input(40, 8)
  own = corpus.votes
  votes = None
  if conditions:
    votes = own.of(0)
  info = corpus.info | {'conditions': list(conditions)}
  corpus = dataclasses.replace(corpus, votes=votes, info=info)
  found = made.answer(conflict, corpus, predictions)
  assert says in found.skipped['conflict']
