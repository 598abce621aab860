"""Random halves of votes, against enumeration and the exact law."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from empathy.evaluation import draws, halves
from empathy.evaluation import votes as votes_lib


def _draws(num_clips, what='clip', number=halves.NUM_HALVES):
  ids = np.array([f'{what}{i}' for i in range(num_clips)], np.str_)
  return halves.Draws(draws.keys(ids, 'votes'), number)


def _votes(counts):
  """The votes of one clip as a list of classes."""
  return [label for label, count in enumerate(counts) for _ in range(count)]


def _plurality(votes, num_classes):
  return int(np.bincount(votes, minlength=num_classes).argmax())


@given(
  counts=st.lists(
    st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=6
  ),
  ends=st.lists(st.integers(0, 13), min_size=1, max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_first_votes_are_some_of_the_votes(counts, ends):
  counts = np.array(counts)
  total = counts.sum(axis=1)
  ends = np.sort(ends)
  found = halves.first_votes(
    _draws(len(counts)), '', counts, [np.minimum(end, total) for end in ends]
  )
  assert found.shape == (len(ends), halves.NUM_HALVES, 3, len(counts))
  assert (found >= 0).all()
  assert (found <= counts.T).all()
  for votes, end in zip(found, ends, strict=True):
    expected = np.minimum(end, total)
    assert (votes.sum(axis=1) == expected).all()
  # One order for all: what is first of few is first of many.
  assert (np.diff(found, axis=0) >= 0).all()


def test_first_votes_follow_the_hypergeometric_law():
  counts = np.tile([2, 1, 3], (400, 1))
  found = halves.first_votes(
    _draws(400), '', counts, [np.full(400, 1), np.full(400, 3)]
  )
  for size, votes in zip((1, 3), found, strict=True):
    seen, number = np.unique(
      np.moveaxis(votes, 1, 2).reshape(-1, 3), axis=0, return_counts=True
    )
    expected = stats.multivariate_hypergeom.pmf(
      seen.astype(int), [2, 1, 3], size
    )
    assert expected.sum() == pytest.approx(1)
    share = number / number.sum()
    error = np.sqrt(expected * (1 - expected) / number.sum())
    assert (np.abs(share - expected) < 4.5 * error).all()


def test_votes_that_are_not_counted_take_places():
  counts, total = np.tile([2], (500, 1)), np.full(500, 5)
  (hits,) = halves.first_votes(
    _draws(500), '', counts, [np.full(500, 2)], total
  )
  for number in range(3):
    expected = stats.hypergeom.pmf(number, 5, 2, 2)
    assert np.mean(hits == number) == pytest.approx(expected, abs=0.007)
  # In the blocks where nobody voted, there is nothing to be first.
  none = halves.first_votes(
    _draws(2), '', np.zeros((2, 3), int), [np.zeros(2, int)]
  )
  assert not none.any()


def test_clips_and_orders_are_independent():
  # A mean over clips varies as little as that of independent clips does, and a
  # mean over orders as that of independent orders.
  num_clips, ratios = 300, []
  for i in range(40):
    (votes,) = halves.first_votes(
      _draws(num_clips, f'corpus {i}, clip '),
      str(i),
      np.tile([3, 3], (num_clips, 1)),
      [np.full(num_clips, 3)],
    )
    hits = votes[:, 0]
    ratios.append(
      [
        hits.mean(axis=axis).var(ddof=1) * number / hits.var()
        for axis, number in ((0, halves.NUM_HALVES), (1, num_clips))
      ]
    )
  assert np.mean(ratios, axis=0) == pytest.approx([1, 1], abs=0.35)


@given(seed=st.integers(0, 1000), num_classes=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_pluralities_and_gs_are_the_usual_ones(seed, num_classes):
  counts = np.random.default_rng(seed).integers(0, 4, (30, num_classes))
  found = np.stack([counts.T, counts.T[:, ::-1]]).astype(np.float32)
  label = halves.plurality(found)
  np.testing.assert_array_equal(label[0], counts.argmax(axis=1))
  np.testing.assert_array_equal(label[1], counts.argmax(axis=1)[::-1])
  hits = halves.of_label(found, label)
  np.testing.assert_array_equal(hits[0], counts.max(axis=1))
  expected = votes_lib.gs(counts)
  there = ~np.isnan(expected)
  np.testing.assert_allclose(
    halves.gs(found)[0][there], expected[there], atol=1e-6
  )


def test_one_vote_ceiling_leaves_each_vote_out():
  random = np.random.default_rng(0)
  counts = np.vstack([random.integers(0, 4, (40, 3)), [[2, 1, 0], [0, 1, 0]]])
  found = halves.one_vote_ceiling(counts)
  for clip, row in enumerate(counts):
    votes = _votes(row)
    if len(votes) < 2:
      assert np.isnan(found[clip])
      continue
    hits = [
      _plurality(votes[:i] + votes[i + 1 :], 3) == votes[i]
      for i in range(len(votes))
    ]
    assert found[clip] == pytest.approx(np.mean(hits))
  # By hand: a vote of the two is right by the tie's going to the first class,
  # the lone one is not.
  assert found[40] == pytest.approx(2 / 3)
  assert np.isnan(found[41])


@pytest.mark.parametrize(
  'counts', [(2, 2, 0), (1, 1, 3), (3, 1, 1), (0, 2, 4), (1, 1, 0), (0, 4, 0)]
)
def test_reliability_is_the_mean_over_all_pairs_of_halves(counts):
  votes = _votes(counts)
  size = len(votes) // 2
  same = []
  for one in itertools.combinations(range(len(votes)), size):
    rest = [i for i in range(len(votes)) if i not in one]
    for other in itertools.combinations(rest, size):
      labels = [
        _plurality([votes[i] for i in half], 3) for half in (one, other)
      ]
      same.append(labels[0] == labels[1])
  found = halves.reliability(_draws(400), '', np.tile(counts, (400, 1)))
  assert found.mean() == pytest.approx(np.mean(same), abs=0.008)
  lone = halves.reliability(_draws(1), '', np.array([[1, 0, 0]]))
  assert np.isnan(lone[0])


def test_neither_order_nor_others_matter():
  random = np.random.default_rng(0)
  counts = random.integers(0, 4, (200, 3))
  found = halves.reliability(_draws(200), 'text', counts)
  order = random.permutation(200)[:50]
  some = halves.Draws(_draws(200).keys[order])
  np.testing.assert_array_equal(
    halves.reliability(some, 'text', counts[order]), found[order]
  )
  # Votes of another condition are put in orders of their own.
  other = halves.reliability(_draws(200), 'audio', counts)
  drawn = (found > 0) & (found < 1)
  assert (found != other)[drawn].mean() > 0.8


def test_fewer_orders_have_the_same_mean():
  counts = np.tile([4, 1, 3], (4_000, 1))
  many, few = (
    halves.reliability(_draws(4_000, number=number), '', counts)
    for number in (halves.NUM_HALVES, halves.FEW_HALVES)
  )
  error = np.sqrt((many.var() + few.var()) / 4_000)
  assert abs(many.mean() - few.mean()) < 4 * error


def test_blocks_hold_all_clips():
  for num_clips, width in ((10, 1), (5000, 18), (0, 3), (7, 10**7)):
    blocks = _draws(num_clips).blocks(width)
    rows = [np.arange(num_clips)[block] for block in blocks]
    found = np.concatenate([*rows, np.empty(0, int)])
    np.testing.assert_array_equal(found, np.arange(num_clips))
    assert all(
      len(r) * width * halves.NUM_HALVES <= 4e6 or len(r) == 1 for r in rows
    )
