"""The small form of the simulation of `classes.py`."""

import classes
import pytest

pytestmark = pytest.mark.long


def test_intervals_of_classes_hold_the_truth():
  # Three standard errors of a share of .95 in 100 corpora are .065.
  shares = classes.coverage(100)
  assert len(shares) == 12
  for name, share in shares.items():
    assert share >= 0.885, name
