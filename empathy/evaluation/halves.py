"""Random parts of the votes: what one part says, judged by votes it has not.

A figure that uses the same votes twice, to choose and to judge, is an echo of
their noise. Here the votes of every clip are put in random orders, and parts of
an order are disjoint: one makes a label or a choice, another judges it. Figures
are means over some orders.

Orders of n places are drawn once for all clips with n votes, and the votes of
each clip are dealt to the places at random, by its id. So each clip's orders
are uniform and independent, and those of different clips are uncorrelated,
which is all that a mean needs; and what lies in a part is a product of two
small matrices.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from empathy.corpora import declared
from empathy.evaluation import draws as draws_lib

NUM_HALVES = 200
# Where there are very many clips, a mean over them needs no more.
FEW_HALVES = 10
# So many numbers are worked on at a time, which bounds memory.
_BLOCK = 4_000_000


@dataclasses.dataclass(frozen=True)
class Draws:
  """Of what the random orders of some clips' votes are made.

  Attributes:
    keys: (n,) uint64, one a clip, see `draws.keys`.
    number: H, how many orders there are.
  """

  keys: np.ndarray
  number: int = NUM_HALVES

  def __getitem__(self, clips: slice) -> 'Draws':
    """Those of some of the clips."""
    return Draws(self.keys[clips], self.number)

  def blocks(self, width: int) -> Iterator[slice]:
    """Slices of clips for which `number` times `width` numbers fit."""
    num_clips = len(self.keys)
    size = max(1, _BLOCK // (self.number * width))
    for start in range(0, max(num_clips, 1), size):
      yield slice(start, min(start + size, num_clips))


def first_votes(
  draws: Draws,
  what: str,
  counts: np.ndarray,
  ends: Sequence[np.ndarray],
  total: np.ndarray | None = None,
) -> np.ndarray:
  """The votes of each clip that come first, in random orders of all of them.

  Args:
    draws: of the n clips.
    what: the votes are; other votes of a clip are put in independent orders.
    counts: (n, C) int, the votes of each clip by class.
    ends: K times (n,) int, how many votes are first; in one order for all K, so
      that the votes between two of them are those of the one less the other.
    total: (n,) int, all votes of each clip, where some are of classes that are
      not counted; those that `counts` has if None.

  Returns:
    (K, H, C, n) float32, whole numbers, for H orders.
  """
  num_clips, num_classes = counts.shape
  total = counts.sum(axis=1) if total is None else total
  dealt = _dealt(
    _numbers(draws.keys, what, total.max(initial=0)), counts, total
  )
  found = np.zeros(
    (len(ends), draws.number, num_classes, num_clips), np.float32
  )
  alike, kind = np.unique(
    np.stack([total, *ends], axis=1), axis=0, return_inverse=True
  )
  for place, (number, *some) in enumerate(alike.tolist()):
    if not number:
      continue
    clips = np.flatnonzero(kind.ravel() == place)
    first = _ranks(what, draws.number, number) < np.reshape(some, (-1, 1, 1))
    votes = np.arange(num_classes)[:, None] == dealt[clips, :number].T[:, None]
    inside = first.reshape(-1, number).astype(np.float32) @ votes.reshape(
      number, -1
    ).astype(np.float32)
    inside = inside.reshape(len(ends), draws.number, num_classes, len(clips))
    if len(clips) == num_clips:
      return inside
    found[..., clips] = inside
  return found


def plurality(counts: np.ndarray) -> np.ndarray:
  """The class with most votes, the first of equals: (..., C, n) to (..., n)."""
  most = counts[..., 0, :].copy()
  label = np.zeros(most.shape, np.int16)
  for place in range(1, counts.shape[-2]):
    votes = counts[..., place, :]
    more = (votes > most).view(np.int8) * np.int16(place)
    np.maximum(label, more, out=label)
    np.maximum(most, votes, out=most)
  return label


def mean_class(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
  """The class of the mean of votes' values: (..., C, n) to (..., n) int16.

  Args:
    counts: of votes for each class.
    values: (C,) float64, rising.
  """
  total = counts.sum(axis=-2)
  mean = np.einsum('...cn,c->...n', counts, values) / np.maximum(total, 1)
  return declared.class_of(mean, values).astype(np.int16)


def gs(counts: np.ndarray) -> np.ndarray:
  """The chance that two votes differ, as `votes.gs`.

  Args:
    counts: (..., C, n) float.

  Returns:
    (..., n) of the same type, without meaning where there are fewer than two
    votes.
  """
  total = counts.sum(axis=-2)
  same = np.square(counts).sum(axis=-2) - total
  return 1 - same / np.maximum(total * (total - 1), 1)


def of_label(counts: np.ndarray, label: np.ndarray) -> np.ndarray:
  """Votes for a label: (..., C, n) counts and (..., n) labels to (..., n)."""
  if counts.shape[-2] == 1:
    return counts[..., 0, :]
  place = label[..., None, :].astype(np.int64)
  return np.take_along_axis(counts, place, axis=-2)[..., 0, :]


def reliability(draws: Draws, what: str, counts: np.ndarray) -> np.ndarray:
  """How often the pluralities of two halves of a clip's votes are the same.

  The halves are disjoint and of the same size; of an odd number of votes one is
  left out. It is no reliability of the plurality of all votes, which is higher;
  how much, no formula tells as that of Spearman and Brown does for sums.

  Args:
    draws: of the N clips.
    what: the votes are.
    counts: (N, C) int.

  Returns:
    (N,) float64; NaN where there are fewer than two votes.
  """
  half = counts.sum(axis=1) // 2
  found = np.full(len(counts), np.nan)
  for clips in draws.blocks(2 * counts.shape[1]):
    one, both = first_votes(
      draws[clips], what, counts[clips], (half[clips], 2 * half[clips])
    )
    same = plurality(one) == plurality(both - one)
    found[clips] = same.mean(axis=0)
  return np.where(half > 0, found, np.nan)


def one_vote_ceiling(counts: np.ndarray) -> np.ndarray:
  """The chance that a vote is the plurality of the clip's other votes.

  So often is one more annotator, or a perfect copy of one, right about a label
  that the others made. What predicts the plurality itself can be right more
  often.

  Args:
    counts: (N, C) int.

  Returns:
    (N,) float64; NaN where there are fewer than two votes.
  """
  total = counts.sum(axis=1)
  hits = np.zeros(len(counts))
  for place in range(counts.shape[1]):
    others = counts.copy()
    others[:, place] -= 1
    hits += counts[:, place] * (others.argmax(axis=1) == place)
  return np.where(total > 1, hits / np.maximum(total, 1), np.nan)


def _numbers(keys: np.ndarray, what: str, size: int) -> np.ndarray:
  """Random numbers of n keys: (n, size) uint32."""
  found = draws_lib.bits(draws_lib.anew(keys, what), np.arange(size))
  return np.ascontiguousarray((found >> np.uint64(32)).astype(np.uint32).T)


@functools.lru_cache(maxsize=256)
def _ranks(what: str, num_orders: int, num_places: int) -> np.ndarray:
  """Random orders of places: the rank of each, (H, L) int16."""
  names = np.arange(num_orders).astype(np.str_)
  keys = draws_lib.keys(names, f'orders of {num_places}')
  order = _numbers(keys, what, num_places).argsort(axis=1)
  return order.argsort(axis=1).astype(np.int16)


def _dealt(
  numbers: np.ndarray, counts: np.ndarray, total: np.ndarray
) -> np.ndarray:
  """The class of the vote at each place, in random order.

  Args:
    numbers: (n, L) uint32, random ones, L the largest total.
    counts: (n, C) int.
    total: (n,) int, at least the sum of the counts.

  Returns:
    (n, L) int, C for classes that are not counted; of no meaning from the place
    `total` on.
  """
  places = np.arange(numbers.shape[1])
  votes = np.zeros(numbers.shape, np.int64)
  for end in np.cumsum(counts, axis=1).T:
    votes += places >= end[:, None]
  last = np.where(places >= total[:, None], np.iinfo(np.uint32).max, numbers)
  return np.take_along_axis(votes, last.argsort(axis=1), axis=1)
