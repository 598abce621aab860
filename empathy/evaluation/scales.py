"""Scales on which a figure's interval is symmetric: there and back."""

import numpy as np
from scipy import special

from empathy.evaluation.units import Scale

# What rounding leaves of a zero, for figures of the size of 1.
_ZERO = 1e-12
# What is smaller than that, beside a figure, is rounding.
_ROUNDING = 1e-9


def rounding(value: float) -> float:
  """What is smaller than that differs from nothing by rounding alone."""
  return max(_ZERO, _ROUNDING * abs(value))


def inside(scale: Scale, value: np.ndarray) -> np.ndarray:
  """Whether a figure is within the open range of its scale."""
  if scale == Scale.LOGIT:
    return (value > _ZERO) & (value < 1 - _ZERO)
  if scale == Scale.LOG:
    return value > _ZERO
  if scale == Scale.FISHER:
    return np.abs(value) < 1 - _ZERO
  return np.isfinite(value)


def forward(scale: Scale, value: np.ndarray) -> np.ndarray:
  """The figure on the scale, which has no bounds."""
  turn = {
    Scale.LOGIT: special.logit,
    Scale.LOG: np.log,
    Scale.FISHER: np.arctanh,
  }
  return turn.get(scale, np.asarray)(value)


def inverse(scale: Scale, value: np.ndarray) -> np.ndarray:
  """The figure from where it is on the scale."""
  turn = {
    Scale.DIFFERENCE: lambda value: np.clip(value, -1, 1),
    Scale.LOGIT: special.expit,
    Scale.LOG: np.exp,
    Scale.FISHER: np.tanh,
  }
  return turn.get(scale, np.asarray)(value)


def slope(scale: Scale, value: np.ndarray) -> np.ndarray:
  """The derivative of `forward`."""
  if scale == Scale.LOGIT:
    return 1 / (value * (1 - value))
  if scale == Scale.LOG:
    return 1 / value
  if scale == Scale.FISHER:
    return 1 / (1 - value**2)
  return np.ones_like(value)
