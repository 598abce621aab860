"""Strata of label and confidence."""

import numpy as np

from empathy.evaluation import confidence


def test_strata_are_of_one_label_and_finer_for_many_clips():
  random = np.random.default_rng(0)
  for n, num_bins in ((1_000, 20), (5_000, 20), (80_000, 40)):
    p = random.dirichlet(np.ones(3), n)
    found = confidence.strata(confidence.histogram(p.max(axis=1))).of(p)
    assert found.max() < 3 * num_bins
    assert len(np.unique(found % num_bins)) == num_bins
    assert (found // num_bins == p.argmax(axis=1)).all()
    # Each bin holds as many clips of all labels.
    assert np.ptp(np.bincount(found % num_bins)) <= 1


def test_bins_by_rank_keep_ties_together():
  values = np.array([0.5, 0.1, 0.5, 0.9])
  found = confidence.bins(confidence.histogram(values), 4)
  assert found.bin_of(values).tolist() == [1, 0, 1, 3]
  values = np.random.default_rng(0).random(200)
  even = confidence.bins(confidence.histogram(values), 20).bin_of(values)
  assert (np.bincount(even) == 10).all()
