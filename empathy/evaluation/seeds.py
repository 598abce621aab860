"""Seeds as units: which of them are distinct, and what their choice adds.

Where a seed has the same name in two views, its members may share randomness:
a fusion of one's own single models, seed by seed, is made of them. Figures over
several views therefore only take seeds of different names together, which are
independent whatever members share; and a name is one unit of the seeds'
variance, which moves in all views at once.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from empathy.evaluation.findings import SeedNoise

# The figure is about these seeds and no others.
THESE_SEEDS = SeedNoise(0.0, math.inf, 0)


@dataclasses.dataclass(frozen=True)
class Part:
  """What each seed of one view adds to a figure.

  Attributes:
    names: (S,) the seeds.
    values: (S,) float64, S times the figure's derivative by the weight of the
      seed; a constant in it does not matter.
    slopes: (S, G) float64, its derivative by each group's weight; None where it
      is not known, which makes intervals wider than they need be.
  """

  names: np.ndarray
  values: np.ndarray
  slopes: np.ndarray | None = None


def distinct(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """Which pairs of seeds of two views count: (S,), (Z,) names to (S, Z) bool.

  Those of different names; all, where there are no such pairs.
  """
  pairs = np.asarray(first)[:, None] != np.asarray(second)[None]
  return pairs if pairs.any() else ~pairs


def injections(values: np.ndarray) -> np.ndarray:
  """The sum over V distinct places of the product of a value of each row.

  Args:
    values: (V, U, ...) float64.

  Returns:
    (...): the sum of values[0, u_0] ... values[V - 1, u_(V-1)] over all
    u_0, ..., u_(V-1) that are distinct; 1 without rows.
  """
  if not len(values):
    return np.ones(values.shape[2:])
  first, rest = values[0], values[1:]
  found = first.sum(axis=0) * injections(rest)
  # Less those in which the first row has the place of another one.
  for row in range(len(rest)):
    merged = rest.copy()
    merged[row] *= first
    found = found - injections(merged)
  return found


def noise(*parts: Part) -> SeedNoise | None:
  """What the choice of seeds adds to the variance of a figure.

  Args:
    *parts: of the views that take part; one view may be in several. Seeds of
      the same name are one unit, others are independent.

  Returns:
    The noise; None if a view has one seed only.
  """
  if any(len(part.names) < 2 for part in parts):
    return None
  together: list[list[Part]] = []
  for part in parts:
    own, others = [part], []
    for some in together:
      shared = any(np.isin(part.names, one.names).any() for one in some)
      if shared:
        own = some + own
      else:
        others.append(some)
    together = [*others, own]
  return add_noises([_of_units(some) for some in together])


def seed_variance(
  *views: tuple[np.ndarray, np.ndarray | None],
) -> SeedNoise | None:
  """What the choice of seeds adds to the variance of a mean over seeds.

  The spread of the seeds' figures holds two things: how far a seed is better
  or worse everywhere, and how far it is so on these groups only. The latter is
  in the variance over groups already, so it is taken off where it is known:
  s^2 less G / (G - 1) sum_g var_s U_sg, over S. The infinitesimal jackknife. Of
  that, (S - 2) / (S - 1) is taken off: a difference of noisy numbers that is
  not let below 0 would else be too small too often where seeds are few.

  Args:
    *views: for each view that takes part, (S,) the figure of each seed, or for
      means over pairs of seeds each seed's part in it; and its derivative by
      each group's weight, (S, G), or None where it is not known, which makes
      intervals wider than they need be. Seeds of different views are
      independent.

  Returns:
    The noise, whose degrees of freedom are Satterthwaite's (1946, Biometrics
    Bull. 2:110) of the views'; None if a view has one seed only.
  """
  if any(len(values) < 2 for values, _ in views):
    return None
  parts = []
  for values, slopes in views:
    num_seeds = len(values)
    variance = float(np.var(values, ddof=1))
    if slopes is not None and slopes.shape[1] > 1:
      num_groups = slopes.shape[1]
      shared = np.var(slopes, axis=0, ddof=1).sum()
      shared *= (num_seeds - 2) / (num_seeds - 1)
      variance -= float(shared) * num_groups / (num_groups - 1)
    parts.append(
      SeedNoise(max(variance, 0.0) / num_seeds, num_seeds - 1, num_seeds)
    )
  return add_noises(parts)


def add_noises(parts: Sequence[SeedNoise]) -> SeedNoise:
  """The noise of a sum whose parts have seeds of their own."""
  variance = sum(part.variance for part in parts)
  freedom = min(part.freedom for part in parts)
  if variance > 0:
    # Shares first, for the squares of tiny variances are 0.
    freedom = 1 / sum(
      (part.variance / variance) ** 2 / part.freedom for part in parts
    )
  return SeedNoise(variance, freedom, min(part.num_seeds for part in parts))


def _of_units(parts: Sequence[Part]) -> SeedNoise:
  """The noise of seeds whose names are units, of views that share some."""
  names = np.unique(np.concatenate([part.names for part in parts]))
  number = len(names)

  def summed(columns: Sequence[np.ndarray]) -> np.ndarray:
    # Scaled so that a view's own variance stays s^2 / S, whoever else is here.
    total = np.zeros((number, *columns[0].shape[1:]))
    for part, column in zip(parts, columns, strict=True):
      size = len(part.names)
      place = np.searchsorted(names, part.names)
      centred = column - column.mean(axis=0)
      total[place] += centred / np.sqrt(size * (size - 1))
    return total * np.sqrt(number * (number - 1))

  slopes = [part.slopes for part in parts]
  found = seed_variance(
    (
      summed([part.values for part in parts]),
      None if any(slope is None for slope in slopes) else summed(slopes),
    )
  )
  fewest = min(len(part.names) for part in parts)
  return SeedNoise(found.variance, fewest - 1, fewest)
