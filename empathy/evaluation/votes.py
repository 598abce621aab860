"""What a clip's votes say: how they differ, and whether they are its label."""

from collections.abc import Mapping

import numpy as np
from scipy import special

from empathy.corpora import declared as declared_lib

_CLOSE = 2
_ENOUGH_CLOSE = 30
# Of the clips without a tie, on so many a label that was made of votes is their
# plurality: a few may have been mended by hand.
NEARLY_ALL = 0.99


def gs(votes: np.ndarray) -> np.ndarray:
  """The chance that two of a clip's annotators differ, unbiased for every n.

  1 - sum_c v_c (v_c - 1) / (n (n - 1)): the Gini-Simpson index without its bias
  (Simpson 1949, Nature 163:688).

  Args:
    votes: (N, C) counts.

  Returns:
    (N,) float64; NaN where there are fewer than two votes.
  """
  total = votes.sum(axis=1)
  pairs = (total * (total - 1)).astype(np.float64)
  same = (votes * (votes - 1)).sum(axis=1)
  return np.where(total > 1, 1 - same / np.where(total > 1, pairs, 1), np.nan)


def contested(votes: np.ndarray) -> np.ndarray:
  """Whether no class has two thirds of the votes (N, C): (N,) bool."""
  return 3 * votes.max(axis=1) < 2 * votes.sum(axis=1)


def entropy(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The entropy of a clip's votes, plain and with Miller and Madow's term.

  Not to be compared between clips of different n: the plain one is biased
  downward, and the added (classes seen - 1) / (2 n) (Miller 1955) mends that
  in part only.

  Args:
    votes: (N, C) counts.

  Returns:
    Two arrays (N,) float64 in nats; NaN where there are no votes.
  """
  total = votes.sum(axis=1)
  count = np.maximum(total, 1)
  plain = special.entr(votes / count[:, None]).sum(axis=1)
  mended = plain + (np.count_nonzero(votes, axis=1) - 1) / (2 * count)
  return (
    np.where(total > 0, plain, np.nan),
    np.where(total > 0, mended, np.nan),
  )


def source_of_counts(
  counts: Mapping[str, np.ndarray], declared: str | None
) -> str | None:
  """The votes that the label is the plurality of, or the class of the mean.

  Args:
    counts: by condition, the full one first, '' for all votes together, (4,)
      sums of `plurality_and_label` or `mean_and_label`.
    declared: what `corpus.json` says the label is from, which is believed: a
      condition, `votes` for those it agrees with best, or something else.

  Returns:
    A condition; '' for all votes together; None if the label is from elsewhere.
  """
  if declared and declared in counts:
    return declared
  if declared == 'votes':
    # The first of equals.
    return max(
      counts, key=lambda name: counts[name][1] / max(counts[name][0], 1)
    )
  if declared:
    return None
  for name, numbers in counts.items():
    if votes_made_label(numbers):
      return name
  return None


def plurality_and_label(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """On which clips a plurality can be the label, and on which it is.

  A clip counts if it has a label and one class with most votes; for how a tie
  was broken nobody knows.

  Args:
    votes: (N, C) counts.
    labels: (N,) int, negative where unlabelled.

  Returns:
    (N, 4) bool: clips that count; of these, those whose plurality is the label;
    those with a close vote, in which the plurality leads others by two at most;
    and of the latter, those whose plurality is the label.
  """
  second, most = np.sort(np.pad(votes, ((0, 0), (1, 0))), axis=1)[:, -2:].T
  counts = (labels >= 0) & (most > second)
  same = counts & (votes.argmax(axis=1) == labels)
  close = counts & (second > 0) & (most - second <= _CLOSE)
  return np.stack([counts, same, close, same & close], axis=1)


def mean_and_label(
  votes: np.ndarray, labels: np.ndarray, means: np.ndarray, values: np.ndarray
) -> np.ndarray:
  """The same of a label on a scale, which may be the class of a mean.

  Half-way between two values, a mean is of either class.

  Args:
    votes: (N, C) counts.
    labels: (N,) int, negative where unlabelled.
    means: (N,) float64, of the votes' scores, NaN where there is none.
    values: (C,) float64 of the classes, rising.

  Returns:
    (N, 4) bool: clips that have a label and votes; of these, those whose mean
    is of the label's class; those whose votes are not all alike; and of the
    latter, those whose mean is.
  """
  counts = (labels >= 0) & ~np.isnan(means)
  same = np.zeros_like(counts)
  for upper in (True, False):
    same |= counts & (declared_lib.class_of(means, values, upper) == labels)
  close = counts & (np.count_nonzero(votes, axis=1) > 1)
  return np.stack([counts, same, close, same & close], axis=1)


def votes_made_label(numbers: np.ndarray) -> bool:
  """Whether the label is made of the very votes that it would judge.

  It is taken to be if they are the same on nearly all clips without a tie, also
  on those with a close vote, and if these are enough to be no accident: where
  annotators are sure, their plurality is equal to any label that they know.

  Args:
    numbers: (4,) sums of `plurality_and_label` or `mean_and_label`.

  Returns:
    True or false.
  """
  counts, same, close, close_same = (float(n) for n in numbers)
  return (
    close >= _ENOUGH_CLOSE
    and same >= NEARLY_ALL * counts
    and close_same >= NEARLY_ALL * close
  )
