"""Dawid and Skene's model against crowd-kit 1.4.2, and made annotators."""

import dataclasses

import made
import numpy as np
import pytest

from empathy.corpora import dawid_skene as model
from empathy.evaluation import report, study


def _entries():
  """Clip, annotator and label of 40 clips with four votes of nine people."""
  clip, place = np.repeat(np.arange(40), 4), np.arange(160)
  who = (7 * clip + 2 * (place % 4)) % 9
  told = (place * place + who) % 7 < 3 + who % 3
  label = np.where(told, (clip * 5) % 3, (place * 11 + who) % 3)
  return clip, who, label


# DawidSkene(n_iter=n, tol=-1e9).fit(votes).probas_: the first clips, then the
# sums by class and of squares.
_CROWD_KIT = {
  1: (
    [
      [0.985847076, 0.003906568, 0.010246356],
      [0.053077574, 0.020776035, 0.926146391],
      [0.030672485, 0.969327515, 0.0],
      [0.980147025, 0.016130761, 0.003722214],
      [0.480280914, 0.048341719, 0.471377367],
      [0.000700497, 0.98000701, 0.019292493],
    ],
    [14.871731222, 13.10490313, 12.023365648],
    36.341591532,
  ),
  2: (
    [
      [0.999905156, 2.7704e-05, 6.7139e-05],
      [0.000580326, 1.0529e-05, 0.999409145],
      [0.000678668, 0.999321332, 0.0],
      [0.999914503, 6.2728e-05, 2.2769e-05],
      [0.124536594, 4.2412e-05, 0.875420993],
      [1.104e-06, 0.999984767, 1.413e-05],
    ],
    [14.174898704, 12.997673813, 12.827427483],
    39.671864046,
  ),
}


@pytest.mark.parametrize('number', list(_CROWD_KIT))
def test_chances_are_those_of_crowd_kit(number):
  clip, who, label = _entries()
  found = model.fit(clip, who, label, np.ones(160), (40, 9, 3), number, -1.0)
  first, sums, squares = _CROWD_KIT[number]
  np.testing.assert_allclose(found.posterior[:6], first, atol=2e-9)
  np.testing.assert_allclose(found.posterior.sum(axis=0), sums, atol=1e-7)
  assert (found.posterior**2).sum() == pytest.approx(squares, abs=1e-7)


def test_counts_are_so_many_votes_and_order_does_not_matter():
  clip, who, label = _entries()
  order = np.random.default_rng(0).permutation(160)
  shape = 42, 9, 3
  one = model.fit(clip, who, label, np.full(160, 2), shape, 2)
  twice = [np.concatenate([part[order], part]) for part in (clip, who, label)]
  two = model.fit(*twice, np.ones(320), shape, 2)
  np.testing.assert_allclose(one.posterior, two.posterior, atol=1e-12)
  # Clips without votes have the chances of all.
  np.testing.assert_allclose(one.posterior[40:], np.tile(one.prior, (2, 1)))


def test_who_lies_always_is_understood():
  random = np.random.default_rng(1)
  gold = random.integers(0, 2, 400)
  right = random.random((5, 400)) < np.array(
    [[0.9], [0.9], [0.9], [0.8], [0.1]]
  )
  label = np.where(right, gold, 1 - gold)
  who, clip = np.divmod(np.arange(2_000), 400)
  found = model.fit(clip, who, label.ravel(), np.ones(2_000), (400, 5, 2))
  own = np.eye(2)[label].mean(axis=0).argmax(axis=1)
  likeliest = found.posterior.argmax(axis=1)
  assert (likeliest == gold).mean() > (own == gold).mean() + 0.02
  for person, chance in enumerate((0.9, 0.9, 0.9, 0.8, 0.1)):
    told = np.diag(found.confusion[person])
    np.testing.assert_allclose(told, chance, atol=0.08)
  np.testing.assert_allclose(found.confusion.sum(axis=2), 1)


def test_the_study_has_it_beside_gs_where_it_is_known_who_voted():
  corpus, _ = made.study_input(120, 12, 2)
  known = study.build(made.with_annotators(corpus))
  stem = 'humans.model_of_annotators'
  for name in ('accuracy', 'plurality', 'spearman'):
    one = known.statistics[f'{stem}.{name}']
    assert one.low < one.estimate < one.high
  assert known.statistics[f'{stem}.spearman'].estimate > 0.3
  assert 'Dawid and Skene’s model' in report.render(known)
  unknown = study.build(corpus)
  assert 'not known' in unknown.skipped[stem]
  assert f'{stem}.plurality' not in unknown.statistics
  none = study.build(dataclasses.replace(corpus, votes=None))
  assert stem not in none.skipped
