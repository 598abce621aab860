"""Clips by group, and draws of groups."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from empathy.evaluation.findings import Deletions

NUM_RESAMPLES = 10_000
# From so many groups on, Student's interval is as good as the draws.
MANY_GROUPS = 200
# An interval rests on so many groups at least.
LEAST_GROUPS = 6
SEED = 20250513
_BLOCK = 1_000


@dataclasses.dataclass(frozen=True)
class Groups:
  """The groups that a statistic rests on.

  Attributes:
    names: (G,) the groups' names.
    num_clips: how many clips they have.
    num_resamples: R.
    annotators: by the name of a figure, how it moves without each annotator.
    probe: what takes the place of an interval where figures are asked how they
      move, see `deletions`; None where they are not.
  """

  names: np.ndarray
  num_clips: int
  num_resamples: int = dataclasses.field(default_factory=lambda: NUM_RESAMPLES)
  annotators: Mapping[str, Deletions] = dataclasses.field(default_factory=dict)
  probe: Callable[..., Any] | None = None

  @property
  def num_groups(self) -> int:
    """G."""
    return len(self.names)

  @property
  def clustered(self) -> bool:
    """Whether some group has several clips."""
    return self.num_groups < self.num_clips

  @property
  def resampled(self) -> bool:
    """Whether groups are drawn; otherwise the interval is Student's."""
    return self.clustered and self.num_groups < MANY_GROUPS


@dataclasses.dataclass(frozen=True)
class Sample(Groups):
  """The same, with the clips; one row may stand for several that are alike.

  Attributes:
    group: (n,) int64, the group of each row, from 0 to G - 1.
    number: (n,) float64, for how many clips a row stands; for one each if None.
  """

  group: np.ndarray = dataclasses.field(kw_only=True)
  number: np.ndarray | None = dataclasses.field(default=None, kw_only=True)

  def weighted(self, values: np.ndarray) -> np.ndarray:
    """Numbers (..., n) of each row times that of its clips, float64."""
    values = np.asarray(values, np.float64)
    return values if self.number is None else values * self.number

  def totals(self, columns: np.ndarray) -> np.ndarray:
    """Sums by group: (n,) or (n, k) numbers of a clip to (G, k) float64."""
    columns = np.asarray(columns, np.float64).reshape(len(self.group), -1)
    return np.stack(
      [
        np.bincount(self.group, self.weighted(column), self.num_groups)
        for column in columns.T
      ],
      axis=1,
    )

  def counts(
    self,
    cell: np.ndarray,
    num_cells: int,
    amount: np.ndarray | None = None,
  ) -> np.ndarray:
    """How often each group has each cell.

    Args:
      cell: (..., n) int, the cells of each clip, which may be in several;
        negative ones are left out.
      num_cells: k.
      amount: like `cell`, what the clip counts there; 1 if None.

    Returns:
      (G, k) float64.
    """
    there = cell >= 0
    group = np.broadcast_to(self.group, cell.shape)
    index = group[there] * num_cells + cell[there]
    amount = self.weighted(np.ones(cell.shape) if amount is None else amount)
    counts = np.bincount(index, amount[there], self.num_groups * num_cells)
    return counts.reshape(self.num_groups, num_cells)


def sample(groups: np.ndarray, num_resamples: int | None = None) -> Sample:
  """The sample of clips whose groups are `groups` (n,), of any dtype."""
  names, group = np.unique(groups, return_inverse=True)
  return Sample(
    names,
    len(group),
    NUM_RESAMPLES if num_resamples is None else num_resamples,
    group=group.astype(np.int64),
  )


@functools.lru_cache(maxsize=4)
def draws(num_groups: int, num_resamples: int) -> np.ndarray:
  """How often each group is drawn: (R, G) float64, the same at every call."""
  random = np.random.default_rng(SEED)
  share = np.full(num_groups, 1 / num_groups)
  drawn = random.multinomial(num_groups, share, num_resamples)
  weights = drawn.astype(np.float64)
  weights.setflags(write=False)
  return weights


def blocks(sample: Groups) -> Iterator[tuple[int, np.ndarray]]:
  """The draws, some at a time: the first one's place, and their weights."""
  weights = draws(sample.num_groups, sample.num_resamples)
  for start in range(0, len(weights), _BLOCK):
    yield start, weights[start : start + _BLOCK]
