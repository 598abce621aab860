"""Seeds as units: which of them are distinct, and what their choice adds.

Where a seed has the same name in two views, its members may share randomness:
a fusion of one's own single models, seed by seed, is made of them. Figures over
several views therefore only take seeds of different names together, which are
independent whatever members share; and a name is one unit of the seeds'
variance, which moves in all views at once.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from empathy.evaluation import resampling
from empathy.evaluation.findings import SeedNoise


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
  return resampling.add_noises([_of_units(some) for some in together])


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
  found = resampling.seed_variance(
    (
      summed([part.values for part in parts]),
      None if any(slope is None for slope in slopes) else summed(slopes),
    )
  )
  fewest = min(len(part.names) for part in parts)
  return SeedNoise(found.variance, fewest - 1, fewest)
