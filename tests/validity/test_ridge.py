"""Simulated ratings are predicted as well as by ridge regression."""

import numpy as np
import pytest
import ridge

from empathy import prepare
from empathy.corpora import simulate


@pytest.mark.long
def test_scores_are_predicted_as_well_as_by_ridge_regression(tmp_path):
  parameters = simulate.Parameters(num_values=7)
  corpus, _ = simulate.simulate(parameters, seed=0)
  prepare.write(corpus, tmp_path / 'corpus')
  found = ridge.compare(tmp_path / 'corpus', '', tmp_path / 'run')
  assert found['model'][0] >= found['ridge'][0] - ridge.MARGIN


def test_agreement_is_that_of_its_definition():
  # 1, 2, 3 against 2, 3, 4: variances 2/3, and a shift of one.
  pearson, concordance = ridge.agreement(np.arange(3.0), np.arange(3.0) + 1)
  assert pearson == pytest.approx(1)
  assert concordance == pytest.approx((4 / 3) / (4 / 3 + 1))
