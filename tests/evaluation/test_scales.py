"""Scales there and back; intervals stay in the range of their figures."""

import made
import numpy as np
import pytest

from empathy.evaluation import resampling, samples, scales
from empathy.evaluation.units import Scale


@pytest.mark.parametrize('clustered', [True, False])
@pytest.mark.parametrize(
  ('scale', 'values', 'ends'),
  [
    (Scale.LOGIT, [0.98, 0.99, 1.0, 0.995, 0.9, 1.0, 1.0, 0.97], (0, 1)),
    (Scale.LOG, [1e-4, 2e-4, 3.0, 1e-5, 1e-4, 2e-2, 0.0, 1e-3], (0, np.inf)),
    (Scale.FISHER, [0.99, 1.0, 0.2, 0.98, 1.0, 1.0, 0.95, 1.0], (-1, 1)),
    (Scale.FISHER, [-0.99, -1.0, 0.2, -0.98, -1.0, -1.0, -0.9, -1], (-1, 1)),
  ],
)
def test_no_interval_leaves_its_range(clustered, scale, values, ends):
  values = np.repeat(values, 2) if clustered else np.array(values)
  groups = np.arange(8).repeat(2) if clustered else np.arange(8)
  sample = samples.sample(groups, 499)
  found = resampling.estimate(sample, made.mean(sample, values), scale)
  plain = resampling.estimate(sample, made.mean(sample, values))
  assert plain.low < ends[0] or plain.high > ends[1]
  assert ends[0] < found.low < found.estimate < found.high < ends[1]
  assert found.scale == scale


@pytest.mark.parametrize('sign', [1, -1])
def test_a_difference_of_shares_is_cut_at_its_ends(sign):
  values = sign * np.array([1.0, 1, 1, 1, -1, 1, 1, 1])
  sample = samples.sample(np.arange(8))
  plain, cut = (
    resampling.estimate(sample, made.mean(sample, values), scale, null=True)
    for scale in (Scale.IDENTITY, Scale.DIFFERENCE)
  )
  # 0.75 +- 2.365 of a standard error of 0.25.
  assert sorted(map(abs, (plain.low, plain.high))) == pytest.approx(
    [0.159, 1.341], abs=1e-3
  )
  assert max(abs(cut.low), abs(cut.high)) == 1
  inner = (plain.low, plain.high)[sign < 0]
  assert inner in (cut.low, cut.high)
  assert (cut.p, cut.estimate) == (plain.p, plain.estimate)


@pytest.mark.parametrize('scale', list(Scale))
def test_a_scale_leads_back_and_its_slope_is_its_derivative(scale):
  values, step = np.array([0.02, 0.3, 0.97]), 1e-6
  assert scales.inside(scale, values).all()
  turned = scales.forward(scale, values)
  np.testing.assert_allclose(scales.inverse(scale, turned), values, rtol=1e-12)
  above, below = (
    scales.forward(scale, values + side) for side in (step, -step)
  )
  np.testing.assert_allclose(
    scales.slope(scale, values), (above - below) / (2 * step), rtol=1e-6
  )
