"""What two sources tell of a target: alike, each alone, and only together.

The information that two sources have of a target, I(Y; X1, X2), is divided into
four parts: redundant, what either tells; unique to each; and synergistic, what
neither tells alone. The parts are those of Bertschinger, Rauh, Olbrich, Jost
and Ay 2014 (Entropy 16:2161, "BROJA"): unique information is the least that a
source tells beyond the other in any table with the same two tables of a source
and the target, since no more than these is needed to use a source alone. That
of Williams and Beer 2010, I_min, calls it redundant that two independent bits
each tell one bit, of different things; this one does not.

The least of I(Y; X1, X2) over tables q with given margins m1(x1, y), m2(x2, y)
is a convex problem. Its dual is to find l1(x1, y), l2(x2, y) for which the sum
of l1 m1 + l2 m2 is largest while sum_y exp(l1 + l2) <= 1 for all x1, x2, since
-H(Y | X1, X2) is the largest of the sums of c q over all c with
sum_y exp(c) <= 1. It is solved by Newton's method with a logarithmic barrier.
The multipliers are also the derivative of the least by the table's cells, by
the envelope theorem, which is all that the standard errors of the parts need.
"""

import dataclasses

import numpy as np
from scipy import special

PARTS = ('redundant', 'unique_first', 'unique_second', 'synergistic')
# Nats, to which the least is found.
_EXACT = 1e-5
# By how much the barrier is sharpened at a time.
_FAST = 30.0
_MOST_STEPS = 300


@dataclasses.dataclass(frozen=True)
class Parts:
  """The parts of the information, in bits, and how they move with the table.

  Attributes:
    values: (B, 4), by `PARTS`.
    total: (B,), their sum, I(Y; X1, X2).
    entropy: (B,), of the target.
    slopes: (B, 4, K, L, M), the derivative of each part by the probability of a
      cell, where the table stays one of probabilities: its mean over the table
      is 0. It is 0 where the cell is impossible.
  """

  values: np.ndarray
  total: np.ndarray
  entropy: np.ndarray
  slopes: np.ndarray


def parts(tables: np.ndarray) -> Parts:
  """The parts of some tables.

  Args:
    tables: (B, K, L, M) not negative, of the first source, the second, and the
      target; each has a sum above 0, to which it is scaled.

  Returns:
    The parts.
  """
  p = tables / tables.sum(axis=(1, 2, 3), keepdims=True)
  first, second = p.sum(axis=2), p.sum(axis=1)
  target = p.sum(axis=(1, 2))
  log_target = _log(target)
  # I(Y; X) = sum p(x, y) log p(y | x) / p(y), pointwise, as slopes have it.
  alone = [
    _log(one) - _log(one.sum(axis=2, keepdims=True)) - log_target[:, None]
    for one in (first, second)
  ]
  both = (
    _log(p) - _log(p.sum(axis=3, keepdims=True)) - log_target[:, None, None]
  )
  multipliers = _multipliers(first, second)
  least = (
    multipliers[0][:, :, None]
    + multipliers[1][:, None]
    - log_target[:, None, None]
  )
  one, two = alone[0][:, :, None], alone[1][:, None]
  redundant = one + two - least
  slopes = np.stack([redundant, least - two, least - one, both - least], axis=1)
  slopes = np.where(p[:, None] > 0, slopes, 0) / np.log(2)
  values = (slopes * p[:, None]).sum(axis=(2, 3, 4))
  slopes = np.where(p[:, None] > 0, slopes - values[:, :, None, None, None], 0)
  return Parts(
    values,
    values.sum(axis=1),
    special.entr(target).sum(axis=1) / np.log(2),
    slopes,
  )


def _log(values: np.ndarray) -> np.ndarray:
  """The logarithm, 0 where it has no meaning."""
  return np.log(np.where(values > 0, values, 1))


def _multipliers(
  first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """The multipliers of both margins, (B, K, M) and (B, L, M), in nats.

  Newton's method on the dual, all tables at once, from well inside. Those of
  impossible cells are 0, and such cells take no part.
  """
  batch, num_first, num_target = first.shape
  num_second = second.shape[1]
  there = (first[:, :, None] > 0) & (second[:, None] > 0)
  used = there.any(axis=3)
  margins = np.concatenate(
    [first.reshape(batch, -1), second.reshape(batch, -1)], axis=1
  )
  split = num_first * num_target
  # What can be added to one and taken from the other changes nothing.
  gauge = np.zeros((num_target, margins.shape[1]))
  for y in range(num_target):
    gauge[y, y:split:num_target] = 1
    gauge[y, split + y :: num_target] = -1
  idle = margins <= 0
  gauge = np.where(idle[:, None], 0, gauge)
  fixed = np.einsum('byi,byj->bij', gauge, gauge)
  fixed[:, np.arange(len(fixed[0])), np.arange(len(fixed[0]))] += idle

  def unpacked(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one = flat[:, :split].reshape(batch, num_first, num_target)
    return one, flat[:, split:].reshape(batch, num_second, num_target)

  def slack(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one, two = unpacked(flat)
    e = np.where(there, np.exp(one[:, :, None] + two[:, None]), 0)
    return e, np.where(used, 1 - e.sum(axis=3), 1)

  def height(flat: np.ndarray, sharp: float) -> np.ndarray:
    _, left = slack(flat)
    inside = (left > 0).all(axis=(1, 2))
    barrier = np.log(np.where(left > 0, left, 1)).sum(axis=(1, 2))
    found = sharp * (flat * margins).sum(axis=1) + barrier
    return np.where(inside, found, -np.inf)

  # Well inside: all classes alike, and half of what may be.
  flat = np.where(idle, 0, -0.5 * np.log(2 * num_target))
  sharp, num_cells = 1.0, num_first * num_second
  for _ in range(_MOST_STEPS):
    e, left = slack(flat)
    ratio = e / left[..., None]
    gradient = sharp * margins - np.concatenate(
      [
        ratio.sum(axis=2).reshape(batch, -1),
        ratio.sum(axis=1).reshape(batch, -1),
      ],
      axis=1,
    )
    curved = _curvature(ratio, split)
    step = np.linalg.solve(
      curved + sharp * fixed, np.where(idle, 0, gradient)[..., None]
    )[..., 0]
    gain = (step * gradient).sum(axis=1)
    last = num_cells / sharp < _EXACT
    if (gain < (_EXACT if last else 0.5)).all():
      if last:
        break
      sharp *= _FAST
      continue
    size = np.ones(batch)
    start = height(flat, sharp)
    for _ in range(40):
      short = height(flat + size[:, None] * step, sharp) < (
        start + 0.25 * size * gain - 1e-9 * (1 + np.abs(start))
      )
      if not short.any():
        break
      size[short] /= 2
    flat = flat + size[:, None] * step
  return unpacked(flat)


def _curvature(ratio: np.ndarray, split: int) -> np.ndarray:
  """Minus the second derivative of the barrier, of e / slack (B, K, L, M)."""
  batch, num_first, num_second, num_target = ratio.shape
  size = split + num_second * num_target
  found = np.zeros((batch, size, size))
  own = np.einsum('bijy,bijz->biyz', ratio, ratio)
  other = np.einsum('bijy,bijz->bjyz', ratio, ratio)
  for i in range(num_first):
    place = slice(i * num_target, (i + 1) * num_target)
    found[:, place, place] = own[:, i]
  for j in range(num_second):
    place = slice(split + j * num_target, split + (j + 1) * num_target)
    found[:, place, place] = other[:, j]
  across = np.einsum('bijy,bijz->biyjz', ratio, ratio)
  y = np.arange(num_target)
  across[:, :, y, :, y] += np.moveaxis(ratio, 3, 0)
  across = across.reshape(batch, split, -1)
  found[:, :split, split:] = across
  found[:, split:, :split] = across.swapaxes(1, 2)
  ends = np.concatenate(
    [
      ratio.sum(axis=2).reshape(batch, -1),
      ratio.sum(axis=1).reshape(batch, -1),
    ],
    axis=1,
  )
  places = np.arange(size)
  found[:, places, places] += ends
  return found
