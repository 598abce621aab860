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
  dual = _Dual(first, second)
  # Well inside: all classes alike, and half of what may be.
  flat = np.where(dual.idle, 0, -0.5 * np.log(2 * first.shape[2]))
  sharp, num_cells = 1.0, first.shape[1] * second.shape[1]
  for _ in range(_MOST_STEPS):
    e, left = dual.slack(flat)
    ratio = e / left[..., None]
    gradient = sharp * dual.margins - _ends(ratio)
    curved = _curvature(ratio, dual.split)
    step = np.linalg.solve(
      curved + sharp * dual.fixed, np.where(dual.idle, 0, gradient)[..., None]
    )[..., 0]
    gain = (step * gradient).sum(axis=1)
    last = num_cells / sharp < _EXACT
    if (gain < (_EXACT if last else 0.5)).all():
      if last:
        break
      sharp *= _FAST
      continue
    flat = flat + dual.size(flat, step, gain, sharp)[:, None] * step
  return dual.unpacked(flat)


class _Dual:
  """What the multipliers of both margins, flat (B, K * M + L * M), are to do.

  Attributes:
    margins: of what each is the multiplier.
    split: K * M, where those of the second margin begin.
    idle: which of them are of impossible cells.
    fixed: what is added to the curvature, so that what changes nothing stays.
  """

  def __init__(self, first: np.ndarray, second: np.ndarray):
    """Takes the margins (B, K, M) and (B, L, M)."""
    batch, num_first, num_target = first.shape
    self._shapes = first.shape, second.shape
    self._there = (first[:, :, None] > 0) & (second[:, None] > 0)
    self._used = self._there.any(axis=3)
    self.margins = np.concatenate(
      [first.reshape(batch, -1), second.reshape(batch, -1)], axis=1
    )
    self.split = num_first * num_target
    # What can be added to one and taken from the other changes nothing.
    gauge = np.zeros((num_target, self.margins.shape[1]))
    for y in range(num_target):
      gauge[y, y : self.split : num_target] = 1
      gauge[y, self.split + y :: num_target] = -1
    self.idle = self.margins <= 0
    gauge = np.where(self.idle[:, None], 0, gauge)
    self.fixed = np.einsum('byi,byj->bij', gauge, gauge)
    every = np.arange(len(self.fixed[0]))
    self.fixed[:, every, every] += self.idle

  def unpacked(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of both margins, (B, K, M) and (B, L, M)."""
    first, second = self._shapes
    one, two = flat[:, : self.split], flat[:, self.split :]
    return one.reshape(first), two.reshape(second)

  def slack(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exponentials (B, K, L, M), and what their sums leave (B, K, L)."""
    one, two = self.unpacked(flat)
    e = np.where(self._there, np.exp(one[:, :, None] + two[:, None]), 0)
    return e, np.where(self._used, 1 - e.sum(axis=3), 1)

  def height(self, flat: np.ndarray, sharp: float) -> np.ndarray:
    """What is to be largest (B,), with its barrier; -inf outside."""
    _, left = self.slack(flat)
    inside = (left > 0).all(axis=(1, 2))
    barrier = np.log(np.where(left > 0, left, 1)).sum(axis=(1, 2))
    found = sharp * (flat * self.margins).sum(axis=1) + barrier
    return np.where(inside, found, -np.inf)

  def size(
    self, flat: np.ndarray, step: np.ndarray, gain: np.ndarray, sharp: float
  ) -> np.ndarray:
    """How much of a step (B,) gains a quarter of what it seems to, halved."""
    size = np.ones(len(flat))
    start = self.height(flat, sharp)
    for _ in range(40):
      short = self.height(flat + size[:, None] * step, sharp) < (
        start + 0.25 * size * gain - 1e-9 * (1 + np.abs(start))
      )
      if not short.any():
        break
      size[short] /= 2
    return size


def _ends(ratio: np.ndarray) -> np.ndarray:
  """Sums over the other source, of e / slack (B, K, L, M), flat."""
  batch = len(ratio)
  return np.concatenate(
    [
      ratio.sum(axis=2).reshape(batch, -1),
      ratio.sum(axis=1).reshape(batch, -1),
    ],
    axis=1,
  )


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
  places = np.arange(size)
  found[:, places, places] += _ends(ratio)
  return found
