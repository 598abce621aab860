"""Chances: how far a law or draws reach, and p-values."""

import bisect
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

LEVEL = 0.95
LEAST_P = 1e-300
# So that a number of draws is not one less by rounding.
_ROUNDING = 1e-9


def student(freedom: float, p: float) -> float:
  """How far Student's law reaches, with a chance of p beyond it."""
  return -float(special.stdtrit(freedom, p / 2))


def of_draws(descending: np.ndarray, p: float) -> float:
  """How far draws (R,) reach, with a chance of p beyond it.

  A size is beyond it where (1 + the draws that are as large) / (R + 1) <= p.
  """
  place = math.floor(p * (len(descending) + 1) + _ROUNDING) - 1
  return float(descending[place]) if place >= 0 else math.inf


def least_p(
  leaves_out: Callable[[float], bool], num_draws: int | None
) -> float:
  """The smallest p at which the interval of level 1 - p leaves out the null.

  Args:
    leaves_out: whether it does; if so, then at all larger p.
    num_draws: R, so that p is a multiple of 1 / (R + 1); None for any p.
  """
  if num_draws is None:
    low, high = math.log(LEAST_P), 0.0
    if leaves_out(LEAST_P):
      return LEAST_P
    for _ in range(50):
      middle = (low + high) / 2
      if leaves_out(math.exp(middle)):
        high = middle
      else:
        low = middle
    return math.exp(high)
  places = range(1, num_draws + 1)
  step = 1 / (num_draws + 1)
  place = bisect.bisect_left(places, True, key=lambda k: leaves_out(k * step))
  return (1 + place) * step


def holm(p_values: Sequence[float]) -> list[float]:
  """Holm's adjusted p-values (1979, Scand. J. Statist. 6:65), in order."""
  p_values = np.asarray(p_values, np.float64)
  order = np.argsort(p_values, kind='stable')
  steps = p_values[order] * np.arange(len(order), 0, -1)
  adjusted = np.empty_like(steps)
  adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
  return adjusted.tolist()
