import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from empathy import errors
from empathy.corpora import splits


@st.composite
def labelled_groups(draw):
  """(groups, labels, num_folds) with as many groups as folds at least."""
  num_folds = draw(st.integers(2, 6))
  num_groups = draw(st.integers(num_folds, 30))
  size = draw(
    st.lists(st.integers(1, 20), min_size=num_groups, max_size=num_groups)
  )
  seed = draw(st.integers(0, 10))
  random = np.random.default_rng(seed)
  groups = np.repeat([f'g{i}' for i in range(num_groups)], size)
  labels = random.integers(-1, draw(st.integers(1, 4)), len(groups))
  order = random.permutation(len(groups))
  return groups[order], labels[order], num_folds


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(labelled_groups(), st.integers(0, 3))
def test_no_group_straddles_and_no_fold_is_empty(example, seed):
  groups, labels, num_folds = example
  folds = splits.group_folds(groups, labels, num_folds, seed)
  assert folds.shape == groups.shape
  assert folds.dtype == np.int32
  for group in np.unique(groups):
    assert len(set(folds[groups == group])) == 1
  assert set(folds) == set(range(num_folds))
  again = splits.group_folds(groups, labels, num_folds, seed)
  np.testing.assert_array_equal(folds, again)


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(labelled_groups())
def test_folds_differ_in_size_by_a_group_and_a_half_at_most(example):
  groups, labels, num_folds = example
  folds = splits.group_folds(groups, labels, num_folds, 0)
  sizes = np.bincount(folds, minlength=num_folds)
  largest = np.unique(groups, return_counts=True)[1].max()
  # Sizes alone would give one group; evening the classes may cost some of it.
  assert sizes.max() - sizes.min() <= 1.5 * largest + 2


def test_sizes_and_classes_are_even_where_they_can_be():
  random = np.random.default_rng(0)
  groups = random.integers(0, 60, 3000).astype(str)
  lean = random.uniform(0.2, 0.8, 60)
  labels = (random.random(3000) < lean[groups.astype(int)]).astype(int)
  folds = splits.group_folds(groups, labels, 5, 0)
  np.testing.assert_allclose(np.bincount(folds), 600, rtol=0.05)
  shares = [labels[folds == fold].mean() for fold in range(5)]
  np.testing.assert_allclose(shares, labels.mean(), atol=0.02)


def test_seed_decides_between_equal_groups():
  groups = np.arange(40).astype(str)
  labels = np.tile([0, 1], 20)
  one = splits.group_folds(groups, labels, 4, 0)
  other = splits.group_folds(groups, labels, 4, 1)
  assert (one != other).any()
  np.testing.assert_array_equal(np.bincount(one), 10)
  np.testing.assert_array_equal(np.bincount(other), 10)


def test_clips_without_labels_are_spread_too():
  groups = np.arange(20).astype(str)
  folds = splits.group_folds(groups, np.full(20, -1), 5, 0)
  np.testing.assert_array_equal(np.bincount(folds), 4)


def test_too_few_groups_is_told():
  with pytest.raises(errors.InputError, match='5 folds need as many groups'):
    splits.group_folds(np.array(['a', 'b']), np.array([0, 1]), 5, 0)
