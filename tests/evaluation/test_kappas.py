"""Kappas of any two raters, by hand, by scikit-learn, and as published."""

import ast
import csv
import dataclasses
import itertools
import pathlib

import made
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from empathy.corpora.importers import empathic_communication
from empathy.evaluation import kappas, samples, totals
from empathy.evaluation import plan as plan_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import stand_in as section

_PUBLISHED = (
  pathlib.Path(__file__).parents[3] / 'shared/raw/empathic_communication'
)


def _corpus(values=(1.0, 2.0, 5.0)):
  corpus, predictions = made.study_input(80, 8, 2, votes=3)
  corpus = made.with_judges(made.with_annotators(corpus, 3))
  info = corpus.info | {'ordered': True, 'values': list(values)}
  return dataclasses.replace(corpus, info=info), predictions


@pytest.fixture(scope='module', name='found')
def _found():
  return made.answer(kappas, *_corpus())


def _said(corpus, predictions, rater):
  if rater in predictions.views:
    return predictions.probabilities[rater].mean(axis=0).argmax(axis=1)
  name, _, condition = rater.partition(' (')
  condition = condition.rstrip(')') or corpus.conditions[-1]
  both = [corpus.votes, corpus.judges]
  said = np.full(len(corpus.ids), -1)
  for votes in both:
    own = votes.annotator == name
    own &= votes.condition == corpus.conditions.index(condition)
    said[votes.clip[own]] = votes.label[own]
  return said


def test_figures_are_those_of_others(found):
  corpus, predictions = _corpus()
  rows = found.tables['raters']
  # Three annotators, three views and three judges.
  assert len(rows) == 9 * 8 / 2
  kinds = {row['first']: row['kind'] for row in rows}
  assert kinds['annotator0'].startswith('person_')
  values = corpus.values
  checked = 0
  for row in rows[::4]:
    first, second = (
      _said(corpus, predictions, row[name]) for name in ('first', 'second')
    )
    both = (first >= 0) & (second >= 0)
    assert row['num_clips'] == both.sum()
    first, second = first[both], second[both]
    x, y = values[first], values[second]
    expected = {
      'kappa': metrics.cohen_kappa_score(first, second),
      # Of classes that lie apart as values do.
      'weighted_kappa': 1
      - ((x - y) ** 2).mean() / ((x[:, None] - y[None]) ** 2).mean(),
      'spearman': stats.spearmanr(x, y)[0],
    }
    for figure, value in expected.items():
      name = f'raters.{row["first"]} and {row["second"]}.{figure}'
      one = found.statistics[name]
      assert one.estimate == pytest.approx(value, abs=1e-12), name
      assert one.low < value < one.high
      checked += 1
  assert checked == 27


def test_equal_steps_give_the_usual_weights():
  corpus, predictions = _corpus(values=(0.0, 1.0, 2.0))
  totals_, plan = made.added_up(corpus, predictions)
  rows = totals_.rows['raters', 'text', 'gpt']
  sample = totals.sample(totals_, rows)
  value = kappas.weighted_kappa(sample, rows, plan)(np.ones((1, 8)))[0][0]
  gpt, text = (_said(corpus, predictions, name) for name in ('gpt', 'text'))
  both = gpt >= 0
  assert value == pytest.approx(
    metrics.cohen_kappa_score(gpt[both], text[both], weights='quadratic')
  )


def test_means_are_over_the_pairs_of_a_kind(found):
  by_kind = {}
  for row in found.tables['raters']:
    name = f'raters.{row["first"]} and {row["second"]}.weighted_kappa'
    by_kind.setdefault(row['kind'], []).append(found.statistics[name].estimate)
  assert {kind: len(own) for kind, own in by_kind.items()} == {
    'person_person': 3,
    'person_model': 15,
    'person_crowd': 3,
    'crowd_model': 5,
    'model_model': 10,
  }
  for kind, own in by_kind.items():
    one = found.statistics[f'raters.{kind}.mean_weighted_kappa']
    assert one.estimate == pytest.approx(np.mean(own))
    assert one.low < one.estimate < one.high


def test_slopes_are_derivatives():
  corpus, predictions = _corpus()
  found, plan = made.added_up(corpus, predictions)
  rows = found.rows['raters', 'annotator0', 'gpt']
  sample = totals.sample(found, rows)
  weights = np.random.default_rng(0).uniform(0.5, 1.5, (1, sample.num_groups))
  pairs = [found.rows['raters', 'annotator0', name] for name in ('gpt', 'text')]
  every = [
    *(one(sample, rows, plan) for one in kappas._STATISTICS.values()),
    kappas.mean(
      [kappas.weighted_kappa(totals.sample(found, p), p, plan) for p in pairs]
    ),
  ]
  for statistic in every:
    _, slope = statistic(weights)
    step = 1e-6 * np.eye(sample.num_groups)
    up, down = (statistic(weights + sign * step)[0] for sign in (1, -1))
    np.testing.assert_allclose(slope[0], (up - down) / 2e-6, atol=1e-6)


def test_who_is_compared():
  corpus, predictions = _corpus()
  plan = plan_lib.of_batch(Batch(corpus, predictions))
  assert [(r.kind, r.name) for r in kappas.models(plan)] == [
    ('model', 'text'),
    ('model', 'audio'),
    ('model', 'text+audio'),
    # It perceived less than people did.
    ('model', 'claude (text)'),
    ('crowd', 'crowd'),
    ('model', 'gpt'),
  ]
  assert len(kappas.people(plan)) == 3
  anonymous, predictions = made.study_input(60, 8)
  found = made.answer(kappas, anonymous, predictions)
  assert 'not known who voted' in found.skipped['raters']


def test_the_published_pairs():
  """All 54 of Kumar et al. 2026, to their two decimals.

  Their experts are the median of three, their model is Gemini, and classes lie
  as far apart as the ratings that either of the two gives: ranks of these.
  """
  if not _PUBLISHED.exists():
    pytest.skip(f'{_PUBLISHED} is not there')
  ratings = empathic_communication.read(_PUBLISHED)
  with open(_PUBLISHED / 'published_pairs.csv', newline='') as file:
    published = list(csv.DictReader(file))
  assert len(published) == 54
  for row in published:
    corpus = ratings[row['Dimension']]
    pair = ast.literal_eval(row['Annotator Pair'])
    x, y = (_rated(corpus, name) for name in pair)
    there = ~np.isnan(x + y)
    x, y = x[there], y[there]
    assert len(x) == 50
    _, place = np.unique(np.concatenate([x, y]), return_inverse=True)
    first, second = np.split(place.astype(float), 2)
    for figure, ours, (a, b) in (
      ("Weighted Cohen's Kappa", kappas.weighted_kappa, (first, second)),
      ('Spearman Correlation', kappas.spearman, (x, y)),
    ):
      sample = samples.sample(np.arange(50))
      clips = totals.Rows(
        ('x', 'y'), sample.group, np.stack([a, b], axis=1), np.ones(50)
      )
      value = ours(sample, clips, None)(np.ones((1, 50)))[0][0]
      assert value == pytest.approx(float(row[figure]), abs=0.005 + 1e-9)


def _rated(corpus, name):
  """What a rater of the published pairs says: (N,), NaN where nothing."""
  if name == 'experts':
    three = [_rated(corpus, f'expert{i}') for i in (1, 2, 3)]
    return np.median(three, axis=0)
  name = 'gemini' if name == 'llm' else name
  found = np.full(len(corpus.ids), np.nan)
  for votes in (corpus.votes, corpus.judges):
    own = votes.annotator == name
    found[votes.clip[own]] = votes.scores[own]
  return found


def test_every_two_kinds_of_raters_are_named():
  kinds = [kappas.PERSON, kappas.CROWD, kappas.MODEL]
  pairs = {'_'.join(pair) for pair in kappas.KINDS}
  assert len(pairs) == len(kappas.KINDS) == 6
  for one, other in itertools.combinations_with_replacement(kinds, 2):
    assert '_'.join((one, other)) in pairs
  assert pairs == set(section._KINDS)
