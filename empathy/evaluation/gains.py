"""What one condition gives over others, clip by clip, from disjoint votes."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import halves

# How many votes the best condition of a clip is chosen by, beside half of them.
CHOSEN_BY = (1, 2, 4, 8)
HALF = 0


@dataclasses.dataclass(frozen=True)
class Gains:
  """The full condition against the others; arrays (N,), NaN where unknown.

  A share is that of a condition's votes on a clip which are equal to the label;
  the votes that made the label are not among them. Where votes are drawn, a
  figure is the mean over the draws.

  Attributes:
    shares: by condition.
    naive: the full condition's share minus the largest of the others. The
      largest is so by chance too, so this is biased downward.
    split: the full condition's share minus that of the best of the others,
      which is chosen by some votes, equally many of each, and judged by the
      rest of its votes. Chance may choose wrongly, so this is biased upward. By
      how many votes choose, `HALF` for half of the fewest. Ties are split
      evenly.
    num_votes: like `split`, how many votes of a condition really choose: all
      but one where there are no more.
    hurt_naive: whether the full condition's share is less than the largest.
    hurt: the votes are parted in two, and the best of the others is chosen in
      one part. 0 where the full condition is not worse than it there; else 1
      where it is worse in the other part again, -1 where it is better, 0 where
      neither. The other part has the same number of votes of each condition,
      half of the fewest, so that worse and better are as likely where there is
      no difference. So the mean is at most the share of clips on which the full
      condition truly is worse than another.
  """

  shares: dict[str, np.ndarray]
  naive: np.ndarray
  split: dict[int, np.ndarray]
  num_votes: dict[int, np.ndarray]
  hurt_naive: np.ndarray
  hurt: np.ndarray


@dataclasses.dataclass(frozen=True)
class Pluralities:
  """Where pluralities differ, and how uncertain a clip is; arrays (N,).

  The votes of the full condition on a clip are parted in three: one part each
  for two pluralities, of the same size, and the rest for GS. The other
  condition's plurality is of as many votes. Means over the draws, NaN where
  there are too few votes.

  Attributes:
    differ: how often the other condition's plurality differs from the full
      one's first.
    differ_gs: the mean of GS times whether they differ.
    control: how often the full condition's own two pluralities differ.
    control_gs: the mean of GS times whether they differ.
    gs: the mean of GS.
    num_votes: votes of each plurality.
  """

  differ: np.ndarray
  differ_gs: np.ndarray
  control: np.ndarray
  control_gs: np.ndarray
  gs: np.ndarray
  num_votes: np.ndarray


def compare(
  votes: Mapping[str, np.ndarray],
  labels: np.ndarray,
  full: str,
  draws: halves.Draws,
  source: str | None = None,
  values: np.ndarray | None = None,
) -> Gains:
  """Compares the full condition with the others, whatever made the label.

  Args:
    votes: by condition, (N, C) int; at least one beside `full`.
    labels: (N,) int, negative where unlabelled.
    full: one of the conditions.
    draws: of the N clips.
    source: the votes that the label is made of: a condition, '' for all
      together; None if the label is from elsewhere. From votes, the label is
      made anew of half of them (the larger half, if their number is odd), which
      judge no more.
    values: (C,) of the classes, if the label is the class of the mean of votes;
      None if it is their plurality.

  Returns:
    The gains.
  """
  makers = makers_of(source, votes)
  num_classes = votes[full].shape[1] if makers else 1
  blocks = [
    _of_block(
      {name: counts[clips] for name, counts in votes.items()},
      labels[clips],
      full,
      draws[clips],
      makers,
      values,
    )
    for clips in draws.blocks((len(CHOSEN_BY) + 3) * num_classes)
  ]
  found = {
    key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]
  }

  def each(what: str) -> dict:
    return {name: values for (of, name), values in found.items() if of == what}

  return Gains(
    shares=each('share'),
    naive=found['naive', ''],
    split=each('split'),
    num_votes=each('num_votes'),
    hurt_naive=found['hurt_naive', ''],
    hurt=found['hurt', ''],
  )


def makers_of(
  source: str | None, votes: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
  """The conditions whose votes the label is made of, see `compare`."""
  return () if source is None else (source,) if source else tuple(votes)


def num_making(total: np.ndarray, makes: bool) -> np.ndarray:
  """How many of the votes of a condition make the label anew: half of them."""
  return (total + 1) // 2 if makes else 0 * total


def label_of(making: np.ndarray, values: np.ndarray | None) -> np.ndarray:
  """The label that votes (..., C, n) make: (..., n), see `compare`."""
  if values is None:
    return halves.plurality(making)
  return halves.mean_class(making, values)


def pluralities(
  full: np.ndarray, other: np.ndarray, draws: halves.Draws
) -> Pluralities:
  """Compares pluralities of the full condition and another, and with itself.

  Args:
    full: (N, C) int, the votes of the full condition.
    other: (N, C) int, those of the other one.
    draws: of the N clips.

  Returns:
    The comparison. A plurality is of a third of the full condition's votes, or
    of as many of the other's as there are; GS has two votes at least.
  """
  total = full.sum(axis=1)
  size = np.min([total // 3, (total - 2) // 2, other.sum(axis=1)], axis=0)
  size = np.maximum(size, 0)
  blocks = []
  for clips in draws.blocks(6 * full.shape[1]):
    own, both = halves.first_votes(
      draws[clips], 'full', full[clips], (size[clips], 2 * size[clips])
    )
    (others,) = halves.first_votes(
      draws[clips], 'other', other[clips], (size[clips],)
    )
    uncertainty = halves.gs(full[clips].T - both)
    label = halves.plurality(own)
    differ = halves.plurality(others) != label
    control = halves.plurality(both - own) != label
    blocks.append(
      [
        values.mean(axis=0, dtype=np.float64)
        for values in (
          differ,
          differ * uncertainty,
          control,
          control * uncertainty,
          uncertainty,
        )
      ]
    )
  columns = np.where(size > 0, np.concatenate(blocks, axis=1), np.nan)
  return Pluralities(*columns, np.where(size > 0, size, np.nan))


@dataclasses.dataclass(frozen=True)
class _Sizes:
  """How many votes of some clips do what; arrays (n,) int.

  Attributes:
    making: by condition, those that make the label.
    judging: by condition, the others.
    least: of the conditions beside the full one, the fewest that judge.
    again: those of each condition that judge for the second time.
    choosing: by `HALF` and `CHOSEN_BY`, how many of a condition choose.
  """

  making: Mapping[str, np.ndarray]
  judging: Mapping[str, np.ndarray]
  least: np.ndarray
  again: np.ndarray
  choosing: Mapping[int, np.ndarray]


def _sizes(
  total: Mapping[str, np.ndarray], full: str, makers: Sequence[str]
) -> _Sizes:
  """The sizes of so many votes (n,) of each condition."""
  making = {name: num_making(n, name in makers) for name, n in total.items()}
  judging = {name: n - making[name] for name, n in total.items()}
  least = np.min([judging[name] for name in total if name != full], axis=0)
  choosing = {HALF: least // 2}
  choosing |= {k: np.clip(least - 1, 0, k) for k in CHOSEN_BY}
  again = np.minimum(least, judging[full]) // 2
  return _Sizes(making, judging, least, again, choosing)


def _ends(sizes: _Sizes, name: str, full: str) -> list[np.ndarray]:
  """Up to where the votes of a condition, in their order, do what.

  What makes the label is first in it, then what chooses.
  """
  return [
    sizes.making[name] + size
    for size in (
      0,
      sizes.judging[name] - sizes.again,
      *(() if name == full else sizes.choosing.values()),
    )
  ]


def _of_block(
  votes: Mapping[str, np.ndarray],
  labels: np.ndarray,
  full: str,
  draws: halves.Draws,
  makers: Sequence[str],
  values: np.ndarray | None,
) -> dict[tuple[str, str | int], np.ndarray]:
  """The columns of `Gains` of n clips, by field and name.

  Args:
    votes: as of `compare`.
    labels: likewise.
    full: likewise.
    draws: likewise.
    makers: the conditions whose votes made the label.
    values: likewise.
  """
  total = {name: counts.sum(axis=1) for name, counts in votes.items()}
  sizes = _sizes(total, full, makers)
  known = labels != corpus_lib.UNLABELLED
  if makers:
    known = known & np.any([sizes.making[name] > 0 for name in makers], axis=0)
  else:
    # All that matters of a vote is whether it is the label.
    rows = np.arange(len(labels))
    votes = {name: counts[rows, labels, None] for name, counts in votes.items()}
  first = {
    name: halves.first_votes(
      draws, name, counts, _ends(sizes, name, full), total[name]
    )
    for name, counts in votes.items()
  }
  label = np.zeros((1, len(labels)), np.int16)
  if makers:
    label = label_of(sum(first[name][0] for name in makers), values)
  judges = {}
  for name, found in first.items():
    hits = halves.of_label(found, label[None])
    every = halves.of_label(votes[name].T[None], label)
    judges[name] = _Judges(
      sizes.judging[name], every - hits[0], hits[1:] - hits[0]
    )
  columns = _judge(judges, full, sizes.again, sizes.choosing)
  return {
    key: np.where(chosen, columns[key], np.nan)
    for key, chosen in _known(sizes, full, known).items()
  }


def _known(
  sizes: _Sizes, full: str, known: np.ndarray
) -> dict[tuple[str, str | int], np.ndarray]:
  """Where each column is known, (n,) bool, of clips whose label is."""
  there = {name: known & (n > 0) for name, n in sizes.judging.items()}
  pair = there[full] & (sizes.least > 0)
  choice = there[full] & (sizes.least > 1)
  found = {('share', name): own for name, own in there.items()}
  found |= {('naive', ''): pair, ('hurt_naive', ''): pair}
  found['hurt', ''] = known & (sizes.again > 0)
  for name in sizes.choosing:
    found |= {('split', name): choice, ('num_votes', name): choice}
  return found


@dataclasses.dataclass(frozen=True)
class _Judges:
  """Votes of one condition that judge some clips, in H random orders.

  Attributes:
    number: (n,) how many there are.
    hits: (H, n), how many are equal to the label.
    first: (K, H, n), how many of these are first, for K sizes of what is first.
  """

  number: np.ndarray
  hits: np.ndarray
  first: np.ndarray

  def rest(self, place: int, size: np.ndarray) -> np.ndarray:
    """The share equal to the label of all but the first `size` (n,): (H, n)."""
    left = np.maximum(self.number - size, 1)
    return (self.hits - self.first[place]) / left


def _judge(
  judges: Mapping[str, _Judges],
  full: str,
  again: np.ndarray,
  choosing: Mapping[int, np.ndarray],
) -> dict[tuple[str, str | int], np.ndarray]:
  """The figures of `Gains` by clip, for every clip.

  Args:
    judges: by condition; what is first is, in this order, all but `again`, then
      as many as `choosing` says.
    full: the full condition.
    again: (n,) the votes that judge for the second time.
    choosing: by its name, (n,) how many votes of a condition choose.

  Returns:
    By field and name, (n,) float64.
  """
  ours = judges[full]
  others = [found for name, found in judges.items() if name != full]
  shares = {
    name: found.hits / np.maximum(found.number, 1)
    for name, found in judges.items()
  }
  best = np.max([shares[name] for name in judges if name != full], axis=0)
  found = {('share', name): share for name, share in shares.items()}
  found['naive', ''] = shares[full] - best
  found['hurt_naive', ''] = best > shares[full]
  for place, (name, size) in enumerate(choosing.items(), 1):
    chosen = _largest([other.first[place] for other in others])
    judged = sum(
      weight * other.rest(place, size)
      for weight, other in zip(chosen, others, strict=True)
    )
    found['split', name] = shares[full] - judged
    found['num_votes', name] = size[None]
  before = [
    one.first[0] / np.maximum(one.number - again, 1) for one in (ours, *others)
  ]
  worse = np.max(before[1:], axis=0) > before[0]
  after = sum(
    weight
    * np.sign((other.hits - other.first[0]) - (ours.hits - ours.first[0]))
    for weight, other in zip(_largest(before[1:]), others, strict=True)
  )
  found['hurt', ''] = worse * after
  return {
    key: values.mean(axis=0, dtype=np.float64) for key, values in found.items()
  }


def _largest(values: list[np.ndarray]) -> np.ndarray:
  """1 at the largest of K arrays, equal parts of it where they tie."""
  values = np.stack(values)
  largest = values == values.max(axis=0)
  return largest / largest.sum(axis=0)
