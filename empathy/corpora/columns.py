"""Columns of features: the precision they are kept in, and what is in them.

Training computes in float32, of which a time stamp of 1e8 seconds leaves steps
of 8 seconds. A column whose differences float32 would lose is therefore kept
less its mean, taken in float64 from the file. No label is looked at, and no
clip gains from another: members standardise by their own training clips, which
removes any constant, so the result is that of standardising what the file says.
The constant is saved with a run, and taken from the clips that it predicts.
Other columns stay as they are, to the bit.
"""

import dataclasses
import mmap
from collections.abc import Iterator

import numpy as np

from empathy.corpora import spelling

# At a time, so that it is 8 MB in float64.
_ROWS = 4096
_NUMBERS = 2**20
# Of a column's deviation: what rounding to float32 may cost.
_ROUNDING = 1e-4
# Members divide by the deviation + 1e-6.
_SMALL = 1e-6
# That a message names.
_MAX_COLUMNS = 5
# Of a column's deviation: less than that is left of the usual values.
_ALIKE = 1e-2


@dataclasses.dataclass(frozen=True)
class Moments:
  """Of each column, (D,) float64.

  Attributes:
    mean: over the rows.
    deviation: likewise.
    largest: the largest size of a value.
    farthest: the largest distance from the mean.
  """

  mean: np.ndarray
  deviation: np.ndarray
  largest: np.ndarray
  farthest: np.ndarray


def moments(values: np.ndarray) -> Moments:
  """Of (rows, D) numbers, by blocks, for values may be a mapped file."""
  origin = values[:1].astype(np.float64)[0]
  width = values.shape[1]
  total, square = np.zeros(width), np.zeros(width)
  low, high = np.full(width, np.inf), np.full(width, -np.inf)
  # Of infinity and NaN whoever reads them tells.
  with np.errstate(over='ignore', invalid='ignore'):
    for start, stop in spans(values):
      block = values[start:stop].astype(np.float64)
      low = np.minimum(low, block.min(axis=0))
      high = np.maximum(high, block.max(axis=0))
      block = block - origin
      total += block.sum(axis=0)
      square += (block**2).sum(axis=0)
    mean = total / len(values)
    deviation = np.sqrt(np.maximum(square / len(values) - mean**2, 0))
    deviation[low == high] = 0
    mean = mean + origin
    return Moments(
      mean,
      deviation,
      np.maximum(np.abs(low), np.abs(high)),
      np.maximum(mean - low, high - mean),
    )


def offset(values: np.ndarray) -> np.ndarray | None:
  """What to take from each column before it becomes float32.

  Args:
    values: (rows, D), of any kind of number.

  Returns:
    (D,) float64, 0 where float32 is fine enough; None where it is everywhere.
  """
  if values.dtype.itemsize <= 4 and values.dtype.kind == 'f':
    return None
  found = moments(values)
  with np.errstate(over='ignore', invalid='ignore'):
    lost = found.largest * np.finfo(np.float32).eps / 2
    coarse = (found.deviation > 0) & (lost > _ROUNDING * found.deviation)
  return np.where(coarse, found.mean, 0.0) if coarse.any() else None


def narrowed(
  values: np.ndarray, offset_: np.ndarray | None, copy: bool = True
) -> np.ndarray:
  """The values less the offset, as float32; infinite where that is too small.

  Args:
    values: (rows, D).
    offset_: (D,) float64, or None.
    copy: whether float32 without an offset is copied.
  """
  with np.errstate(over='ignore'):
    if offset_ is None:
      return values.astype(np.float32, copy=copy)
    result = np.empty(values.shape, np.float32)
    for start in range(0, len(values), _ROWS):
      result[start : start + _ROWS] = values[start : start + _ROWS] - offset_
  return result


@dataclasses.dataclass(frozen=True)
class Dead:
  """The numbers of columns of which standardising leaves nothing.

  Attributes:
    constant: they have one value.
    small: they vary by so little that the 1e-6 beside the deviation counts.
    outlying: a few values are so large that all others come out alike.
    coarse: they vary by less than two steps of float32 at their size.
  """

  constant: np.ndarray
  small: np.ndarray
  outlying: np.ndarray
  coarse: np.ndarray


def dead(values: np.ndarray) -> Dead:
  """Finds them among (rows, D) values.

  Outlying: leaving out what is more than half as far from the mean as the
  farthest value, the rest varies, but by less than a hundredth of the
  deviation. So a rare word's column, 0 but for some clips, is not.
  """
  found = moments(values)
  near = np.zeros(values.shape[1])
  total, square = np.zeros_like(near), np.zeros_like(near)
  # An origin among the near values: theirs may be tiny beside the mean.
  origin = np.median(values[:_ROWS].astype(np.float64), axis=0)
  for start, stop in spans(values):
    block = values[start:stop].astype(np.float64)
    is_near = np.abs(block - found.mean) <= found.farthest / 2
    block = np.where(is_near, block - origin, 0)
    near += is_near.sum(axis=0)
    total += block.sum(axis=0)
    square += (block**2).sum(axis=0)
  near = np.maximum(near, 1)
  rest = np.sqrt(np.maximum(square / near - (total / near) ** 2, 0))
  varies = found.deviation > 0
  return Dead(
    np.flatnonzero(~varies),
    np.flatnonzero(varies & (found.deviation < _SMALL)),
    np.flatnonzero((rest > 0) & (rest < _ALIKE * found.deviation)),
    np.flatnonzero(
      varies & (found.deviation < 2 * np.finfo(np.float32).eps * found.largest)
    ),
  )


def shown(numbers: np.ndarray) -> str:
  """As in `7 columns (0, 2, 3, ...)`, counted from 0, for a message."""
  more = ', ...' if len(numbers) > _MAX_COLUMNS else ''
  first = ', '.join(map(str, numbers[:_MAX_COLUMNS].tolist()))
  return f'{spelling.counted(len(numbers), "column")} ({first}{more})'


def spans(
  values: np.ndarray, ends: np.ndarray | None = None
) -> Iterator[tuple[int, int]]:
  """Yields (first row, row after the last) of blocks of (rows, D) values.

  What a block has read of a mapped file does not stay in this process' memory:
  all of a file may be read in little memory. (Not where columns are contiguous
  there: a block of rows is then all over the file.)

  Args:
    values: in memory, or mapped.
    ends: (F,) int, where sequences end; blocks are then of whole ones.
  """
  size = min(_ROWS, max(1, _NUMBERS // values.shape[1]))
  start = 0
  while start < len(values):
    stop = min(start + size, len(values))
    if ends is not None:
      whole = np.searchsorted(ends, stop, 'right') - 1
      least = np.searchsorted(ends, start, 'right')
      stop = int(ends[max(whole, least)])
    yield start, stop
    _release(values)
    start = stop


def _release(values: np.ndarray) -> None:
  """Lets go of the memory that holds a mapped file, which stays mapped."""
  # What is writable could be lost.
  if values.flags.writeable or not hasattr(mmap, 'MADV_DONTNEED'):
    return
  base = values
  while isinstance(base, np.ndarray):
    base = base.base
  if isinstance(base, mmap.mmap):
    base.madvise(mmap.MADV_DONTNEED)
