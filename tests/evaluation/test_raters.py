"""Annotators beside the others: tables worked by hand, and who tosses coins."""

import dataclasses

import made
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from statsmodels.stats import inter_rater

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import humans, raters, report, study, totals
from empathy.evaluation import plan as plan_lib
from empathy.evaluation.batches import Batch


def _corpus(label, groups=None):
  """Of labels (A, N), negative for no vote, on one condition."""
  label = np.asarray(label)
  who, clip = np.nonzero(label >= 0)
  num_clips = label.shape[1]
  groups = np.arange(num_clips) % 8 if groups is None else groups
  corpus = made.corpus(groups, np.zeros(num_clips, int))
  votes = corpus_lib.Votes(
    clip.astype(np.int32),
    np.zeros(len(clip), np.int32),
    np.array([f'a{i:02d}' for i in who]),
    label[who, clip].astype(np.int32),
    np.ones(len(clip), np.int64),
  )
  info = corpus.info | {'conditions': ['text']}
  return type(corpus)(
    info, corpus.ids, corpus.groups, corpus.labels, votes=votes
  )


def _rows(corpus):
  batch = Batch(corpus)
  plan = plan_lib.of_batch(batch)
  adder = totals.Adder(corpus.groups)
  raters.tally(batch, plan, adder)
  rows = raters.answer(adder.totals(), plan).tables['annotators']
  return {row['annotator']: row for row in rows}


def test_of_two_annotators_it_is_cohens_kappa():
  random = np.random.default_rng(0)
  first = random.integers(0, 3, 200)
  second = np.where(random.random(200) < 0.6, first, random.integers(0, 3, 200))
  rows = _rows(_corpus([first, second]))
  kappa = metrics.cohen_kappa_score(first, second)
  for row in rows.values():
    assert row['kappa'] == pytest.approx(kappa)
    assert row['agreement'] == pytest.approx((first == second).mean())
    assert row['num_votes'] == 200
  bias = [(first == c).mean() - (second == c).mean() for c in range(3)]
  names = [f'bias_{name}' for name in made.CLASSES]
  assert [rows['a00'][n] for n in names] == pytest.approx(bias)
  assert [rows['a01'][n] for n in names] == pytest.approx(np.negative(bias))


def test_the_interval_of_kappa_is_that_of_its_own_derivative():
  random = np.random.default_rng(5)
  first = random.choice(3, 90, p=[0.5, 0.3, 0.2])
  second = np.where(random.random(90) < 0.6, first, random.integers(0, 3, 90))
  row = _rows(_corpus([first, second]))['a00']
  table = metrics.confusion_matrix(first, second)
  oracle = inter_rater.cohens_kappa(table)
  reach = stats.t.ppf(0.975, 89) * oracle.std_kappa * np.sqrt(90 / 89)
  assert row['kappa_low'] == pytest.approx(oracle.kappa - reach)
  assert row['kappa_high'] == pytest.approx(oracle.kappa + reach)


def test_an_interval_of_kappa_has_no_more_than_1():
  label = np.arange(40) % 3
  row = _rows(_corpus([label, label]))['a00']
  assert row['kappa'] == pytest.approx(1)
  assert row['kappa_low'] is None
  other = np.where(np.arange(40) == 0, 1, label)
  row = _rows(_corpus([label, other]))['a00']
  assert row['kappa_low'] < row['kappa'] < row['kappa_high'] == 1


def test_of_two_annotators_of_a_scale_it_is_weighted_kappa():
  random = np.random.default_rng(0)
  first = random.integers(0, 3, 200)
  second = np.where(random.random(200) < 0.6, first, random.integers(0, 3, 200))
  rows = _rows(made.with_values(_corpus([first, second])))
  # The values are 1, 2 and 4.
  place = np.array([0, 1, 3])
  kappa = metrics.cohen_kappa_score(
    place[first], place[second], labels=range(4), weights='quadratic'
  )
  apart = (place[first] - place[second]) ** 2
  for row in rows.values():
    assert row['kappa'] == pytest.approx(kappa)
    assert row['agreement'] == pytest.approx(1 - apart.mean() / 9)
  bias = (first == 2).mean() - (second == 2).mean()
  assert rows['a00']['bias_high'] == pytest.approx(bias)


def test_who_is_a_step_off_or_tells_half_of_it_tosses_no_coins():
  random = np.random.default_rng(3)
  truth = random.normal(size=1_000)
  heard = truth + random.normal(0, 0.5, (6, 1_000))
  steps = 1.3 * heard
  steps[1] += 1.2
  steps[2] *= 0.5
  label = np.clip(np.round(3 + steps), 0, 6).astype(int)
  # Coins of the shape that the others' ratings have.
  label[0] = random.permutation(label[3])
  corpus = _corpus(label, np.arange(1_000) % 40)
  info = corpus.info | {'classes': list('1234567')}
  corpus = made.with_values(
    dataclasses.replace(corpus, info=info), tuple(range(1, 8))
  )
  rows = _rows(corpus)
  assert [name for name, row in rows.items() if row['flag']] == ['a00']
  assert rows['a01']['kappa'] > 0.4


def test_shares_of_the_others_are_counted_by_clip():
  # On three clips the others say 0, 0 and 1; 1 and 1; nothing.
  label = [[0, 1, 2], [0, 1, -1], [0, 1, -1], [1, -1, -1]]
  row = _rows(_corpus(label))['a00']
  assert row['num_votes'] == 2
  assert row['agreement'] == pytest.approx((2 / 3 + 1) / 2)
  beside = np.array([2 / 3, 4 / 3, 0]) / 2
  assert row['chance'] == pytest.approx(beside @ [0.5, 0.5, 0])
  assert row['bias_low'] == pytest.approx(0.5 - 1 / 3)
  assert row['kappa_low'] is None
  assert not row['flag']


def _crowd(random, num_clips, coins=2, people=10):
  gold = random.integers(0, 3, num_clips)
  label = np.where(
    random.random((people, num_clips)) < 0.7,
    gold,
    random.integers(0, 3, (people, num_clips)),
  )
  label[:coins] = random.choice(3, (coins, num_clips), p=[0.7, 0.2, 0.1])
  order = random.random(label.shape).argsort(axis=0).argsort(axis=0)
  return np.where(order < 5, label, -1)


def test_who_tosses_coins_is_found_and_nobody_else():
  found = wrong = told = 0
  needed = []
  for seed in range(20):
    random = np.random.default_rng(seed)
    rows = _rows(_corpus(_crowd(random, 300)))
    for name, row in rows.items():
      coin = name in ('a00', 'a01')
      found += coin and row['flag']
      told += coin
      wrong += row['flag'] and not coin
      needed += [row['votes_needed']] if coin else []
  assert wrong == 0
  # Each has some 150 votes, and fewer are needed.
  assert np.median(needed) < 100
  assert found / told > 0.9


def test_so_many_votes_are_enough_as_it_says():
  random = np.random.default_rng(1)
  rows = _rows(_corpus(_crowd(random, 2_000)))
  needed = rows['a00']['votes_needed']
  found = []
  for seed in range(40):
    random = np.random.default_rng(seed)
    rows = _rows(_corpus(_crowd(random, 2 * needed)))
    found += [rows[name]['flag'] for name in ('a00', 'a01')]
  # Nine times in ten; three standard errors are .1.
  assert 0.8 <= np.mean(found) <= 0.99


def test_the_page_shows_a_few_and_says_who(monkeypatch):
  random = np.random.default_rng(2)
  found = study.build(_corpus(_crowd(random, 300, people=20)))
  assert len(found.tables['annotators']) == 20
  assert [row['flag'] for row in found.tables['annotators'][:3]] == [1, 1, 0]
  html = report.render(found)
  assert html.count('>a0') + html.count('>a1') >= 12
  assert '(a00 and a01)' in html or '(a01 and a00)' in html
  assert 'tosses coins is told so nine times in ten after' in html


def test_counts_alone_have_no_such_table():
  corpus, _ = made.study_input(60, 6, 2)
  assert 'annotators' not in made.answer(humans, corpus).tables
  assert raters.answer(*made.added_up(corpus)).tables == {}
