"""Random parts of the votes: what one part says, judged by votes it has not.

A figure that uses the same votes twice, to choose and to judge, is an echo of
their noise. Here the votes of every clip are put in random orders, and parts of
an order are disjoint: one makes a label or a choice, another judges it. Figures
are means over `NUM_HALVES` orders.

An order of n places is drawn once for all clips with n votes, and the votes of
each clip are dealt to the places at random. So each clip's orders are uniform
and independent, and those of different clips are uncorrelated, which is all
that a mean needs; and what lies in a part is a product of two small matrices.
"""

from collections.abc import Iterator, Sequence

import numpy as np

NUM_HALVES = 200
_SEED = 20250513
# So many numbers are worked on at a time, which bounds memory.
_BLOCK = 4_000_000


def generator() -> np.random.Generator:
  """The random numbers, the same at every call."""
  return np.random.default_rng(_SEED)


def blocks(num_clips: int, width: int) -> Iterator[slice]:
  """Slices of clips for which `NUM_HALVES` times `width` numbers fit."""
  size = max(1, _BLOCK // (NUM_HALVES * width))
  for start in range(0, num_clips, size):
    yield slice(start, min(start + size, num_clips))


def first_votes(
  random: np.random.Generator,
  counts: np.ndarray,
  ends: Sequence[np.ndarray],
  total: np.ndarray | None = None,
) -> np.ndarray:
  """The votes of each clip that come first, in random orders of all of them.

  Args:
    random: its state moves on.
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
  places = np.arange(total.max(initial=0))
  dealt = _dealt(random, counts, total, places)
  keys = random.random((NUM_HALVES, len(places)), np.float32)
  found = np.zeros((len(ends), NUM_HALVES, num_classes, num_clips), np.float32)
  alike, kind = np.unique(
    np.stack([total, *ends], axis=1), axis=0, return_inverse=True
  )
  ranks = {}
  for place, (number, *some) in enumerate(alike.tolist()):
    if not number:
      continue
    if number not in ranks:
      ranks[number] = keys[:, :number].argsort(axis=1).argsort(axis=1)
    clips = np.flatnonzero(kind.ravel() == place)
    first = ranks[number] < np.reshape(some, (-1, 1, 1))
    votes = np.arange(num_classes)[:, None] == dealt[clips, :number].T[:, None]
    inside = first.reshape(-1, number).astype(np.float32) @ votes.reshape(
      number, -1
    ).astype(np.float32)
    inside = inside.reshape(len(ends), NUM_HALVES, num_classes, len(clips))
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


def reliability(counts: np.ndarray) -> np.ndarray:
  """How often the pluralities of two halves of a clip's votes are the same.

  The halves are disjoint and of the same size; of an odd number of votes one is
  left out. It is no reliability of the plurality of all votes, which is higher;
  how much, no formula tells as that of Spearman and Brown does for sums.

  Args:
    counts: (N, C) int.

  Returns:
    (N,) float64; NaN where there are fewer than two votes.
  """
  random = generator()
  half = counts.sum(axis=1) // 2
  found = np.full(len(counts), np.nan)
  for clips in blocks(len(counts), 2 * counts.shape[1]):
    one, both = first_votes(
      random, counts[clips], (half[clips], 2 * half[clips])
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


def _dealt(
  random: np.random.Generator,
  counts: np.ndarray,
  total: np.ndarray,
  places: np.ndarray,
) -> np.ndarray:
  """The class of the vote at each place, in random order.

  Args:
    random: its state moves on.
    counts: (n, C) int.
    total: (n,) int, at least the sum of the counts.
    places: (L,) from 0 to the largest total.

  Returns:
    (n, L) int, C for classes that are not counted; of no meaning from the place
    `total` on.
  """
  votes = np.zeros((len(counts), len(places)), np.int64)
  for end in np.cumsum(counts, axis=1).T:
    votes += places >= end[:, None]
  keys = random.random(votes.shape, np.float32)
  keys[places >= total[:, None]] = 2
  return np.take_along_axis(votes, keys.argsort(axis=1), axis=1)
