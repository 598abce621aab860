"""What is different where a signal is set: raw, and among clips alike.

Clips lie in strata of label and confidence, and on one of two sides: where a
signal is set, and where it is not. Sums of some value and numbers of clips, by
stratum and side, say how the sides differ, and how they do within strata.
"""

import dataclasses
import functools

import numpy as np
from scipy import sparse

from empathy.evaluation import samples, weighing
from empathy.evaluation import totals as totals_lib


@dataclasses.dataclass(frozen=True)
class Sides:
  """Values and clips of G groups, by K strata and side.

  Attributes:
    groups: those with clips.
    matrix: (G, 2 x K x 2) float64: sums of values, then clips, each by stratum
      and side, first where the signal is not set.
  """

  groups: samples.Groups
  matrix: sparse.csr_array

  @functools.cached_property
  def all(self) -> np.ndarray:
    """(2, K, 2) those of all groups."""
    return self.matrix.sum(axis=0).reshape(2, -1, 2)

  @functools.cached_property
  def by_side(self) -> np.ndarray:
    """(G, 2, 2) values and clips, by side."""
    size = self.matrix.shape[1]
    what, _, side = np.unravel_index(np.arange(size), (2, size // 4, 2))
    summed = sparse.csr_array(
      (np.ones(size), (np.arange(size), 2 * what + side)), shape=(size, 4)
    )
    return (self.matrix @ summed).toarray().reshape(-1, 2, 2)

  @property
  def both(self) -> np.ndarray:
    """(K,) bool, which strata have clips of both sides."""
    return self.all[1].min(axis=-1) > 0


def add(
  adder: totals_lib.Adder,
  key: totals_lib.Key,
  values: np.ndarray,
  differ: np.ndarray,
  stratum: np.ndarray,
  num_strata: int,
) -> None:
  """Adds up clips by stratum and side.

  Args:
    adder: where they are added.
    key: of the counts.
    values: (N,) float64.
    differ: (N,) bool, which side clips are on, or the chances; or (A, N), A
      variants, each of which counts an A-th.
    stratum: (N,) or (A, N) int, negative where a clip does not count.
    num_strata: K.
  """
  cell, amount = cells(values, differ, stratum, num_strata)
  adder.count(key, cell, (2, num_strata, 2), amount)


def cells(
  values: np.ndarray, differ: np.ndarray, stratum: np.ndarray, num_strata: int
) -> tuple[np.ndarray, np.ndarray]:
  """Where each clip counts, and how much.

  Args: as of `add`.

  Returns:
    (2, 2, A, N) int64 cells of (2, K, 2), negative where it does not count, and
    float64 amounts; by what is added up, and by side.
  """
  differ, stratum = np.broadcast_arrays(
    np.atleast_2d(differ).astype(np.float64), np.atleast_2d(stratum)
  )
  shares = np.stack([1 - differ, differ]) / len(differ)
  inside = np.where(shares > 0, stratum, -1)
  side = np.arange(2)[:, None, None]
  cell = totals_lib.index((2, num_strata, 2), side[:, None], inside, side)
  return cell, np.stack([shares * values, shares])


def of_totals(totals: totals_lib.Totals, key: totals_lib.Key) -> Sides:
  """Those that `add` added up."""
  return of_matrix(totals, totals.counts[key].matrix)


def of_matrix(totals: totals_lib.Totals, matrix: sparse.csr_array) -> Sides:
  """The same of a matrix whose rows are all groups."""
  clips = matrix[:, matrix.shape[1] // 2 :].sum(axis=1)
  part = totals.over(clips)
  return Sides(part.groups, matrix[np.flatnonzero(part.kept)])


def of_clips(
  sample: samples.Sample,
  values: np.ndarray,
  differ: np.ndarray,
  stratum: np.ndarray | int = 0,
  num_strata: int | None = None,
) -> Sides:
  """Those of the n clips of a sample, with arguments as of `add`."""
  num_strata = num_strata or int(np.max(stratum)) + 1
  cell, amount = cells(values, differ, stratum, num_strata)
  there = cell >= 0
  group = np.broadcast_to(sample.group, cell.shape)[there]
  amount = sample.weighted(amount)[there]
  matrix = sparse.csr_array(
    (amount, (group, cell[there])), shape=(sample.num_groups, 4 * num_strata)
  )
  return Sides(sample, matrix)


def difference(found: Sides) -> weighing.Figure:
  """The mean value where the signal is set minus that where it is not.

  Returns:
    The figure; undefined where one side is empty.
  """
  return weighing.minus(
    *(weighing.mean(found.by_side[:, :, side]) for side in (1, 0))
  )


def adjusted(found: Sides) -> weighing.Figure:
  """The difference within strata, averaged with weights n1 n0 / (n1 + n0).

  These weights make it the coefficient of the signal in a regression with a
  constant for every stratum. The groups that count are those with clips of
  either side, in strata that have both.

  Returns:
    The figure; undefined where no stratum has both sides.
  """
  columns = np.flatnonzero(_repeated(found.both))
  totals = found.matrix[:, columns]
  clips = totals[:, len(columns) // 2 :] > 0
  counted = np.stack([clips[:, side::2].sum(axis=1) > 0 for side in (0, 1)])
  # Where groups are drawn they are few; elsewhere most of it is 0.
  if found.groups.resampled:
    totals = totals.toarray()
  return weighing.Figure(weighing.of_totals(totals, _adjusted), counted)


def gradient(found: Sides) -> np.ndarray:
  """The derivative of `adjusted` by each total: (2, K, 2)."""
  columns = np.flatnonzero(_repeated(found.both))
  slope = np.zeros(found.all.size)
  slope[columns] = _adjusted(found.all.ravel()[None, columns])[1][0]
  return slope.reshape(found.all.shape)


def _repeated(strata: np.ndarray) -> np.ndarray:
  """What is so of strata (K,), of every total (2 x K x 2)."""
  return np.broadcast_to(strata[:, None], (2, len(strata), 2)).ravel()


def _adjusted(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The adjusted difference of totals (R, 4 K) and its gradient.

  The totals are sums of values, then counts, each by stratum and side.
  """
  values, counts = np.moveaxis(
    sums.reshape(len(sums), 2, sums.shape[1] // 4, 2), 1, 0
  )
  size = counts.sum(axis=-1, keepdims=True)
  size = np.where(size > 0, size, 1)
  share = counts / size
  # n1 n0 / n times the difference of means, without dividing by n1 and n0.
  gap = values[..., 1] * share[..., 0] - values[..., 0] * share[..., 1]
  weight = counts[..., 1] * share[..., 0]
  total = weight.sum(axis=1)
  told = total > 0
  total = np.where(told, total, 1)
  value = gap.sum(axis=1) / total
  swapped = share[..., ::-1]
  sign = np.array([-1, 1])
  by_values = sign * swapped
  by_counts = (sign * -values[..., ::-1] - gap[..., None]) / size
  by_counts -= value[:, None, None] * swapped**2
  gradient = np.stack([by_values, by_counts], axis=1).reshape(sums.shape)
  return np.where(told, value, np.nan), gradient / total[:, None]
