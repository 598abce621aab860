"""P-values, against those of statsmodels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats import multitest

from empathy.evaluation import significance


@settings(max_examples=20)  # Each collects garbage in statsmodels.
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
  expected = multitest.multipletests(p_values, method='holm')[1]
  np.testing.assert_allclose(significance.holm(p_values), expected, rtol=1e-12)


def test_holm_of_nothing_is_nothing():
  assert significance.holm([]) == []
