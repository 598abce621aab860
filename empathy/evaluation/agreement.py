"""How far annotators agree on a set of clips.

Figures are of vote counts (N, C): how many annotators gave clip i class c.
Clips may have any number of votes, none too. Every figure is a smooth function
of sums over clips, so that each has its exact derivative by the weight of a
group of clips, and an interval over clips and their groups. Such an interval
speaks of these annotators; where it is known who voted, `annotators` says what
others would add to it.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from empathy.evaluation import weighing

# So many clips are worked on at a time, which bounds memory.
_BLOCK = 1 << 15


@dataclasses.dataclass(frozen=True)
class Coefficient:
  """A smooth function of sums over clips.

  Attributes:
    sums: the name of the sums, which several figures may share.
    parts: (n, C) float64 counts to (n, k), what each clip adds to the sums.
    function: sums (R, k), of weighted clips, and those of the sample as it is,
      (R, k) or (1, k), to the value (R,), NaN where it is undefined, and its
      gradient by the former (R, k). It is the same for any multiple of the
      weights: how many votes there are to correct for, the sample as it is
      tells.
    least: a clip with fewer votes than that adds nothing that counts.
    share: whether the figure is a mean over clips of a share.
  """

  sums: str
  parts: Callable[[np.ndarray], np.ndarray]
  function: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
  least: int
  share: bool = False

  def of_totals(self, totals: np.ndarray) -> weighing.Figure:
    """The figure as a function of the groups' weights.

    Args:
      totals: (G, k) sums of groups that all have clips of `least` votes.
    """
    own = totals.sum(axis=0, keepdims=True)
    return weighing.Figure(
      weighing.of_totals(totals, lambda sums: self.function(sums, own)),
      totals.any(axis=1)[None],
      share=self.share,
    )

  def slope(self, totals: np.ndarray) -> np.ndarray:
    """The gradient (k,) at totals (k,)."""
    return self.function(totals[None], totals[None])[1][0]


def totals(
  parts: Callable[[np.ndarray], np.ndarray], counts: np.ndarray
) -> np.ndarray:
  """Sums (k,) of what the clips of (N, C) counts add to them."""
  found = 0
  for start in range(0, max(len(counts), 1), _BLOCK):
    block = parts(np.asarray(counts[start : start + _BLOCK], np.float64))
    # A product is much faster than a sum along a short or a long axis.
    found += np.ones(len(block)) @ block
  return found


def nominal_distance(num_classes: int) -> np.ndarray:
  """1 between different classes: (C, C) float64."""
  return 1 - np.eye(num_classes)


def observed() -> Coefficient:
  """The chance that two annotators of a clip agree, mean over clips.

  The mean over clips with two votes or more of the share of their pairs of
  votes that are equal.
  """

  def function(
    sums: np.ndarray, own: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    del own  # Nothing here is corrected for the number of votes.
    agreement, number = sums[:, 0], sums[:, 1]
    told = number > 0
    number = np.where(told, number, 1)
    gradient = np.zeros_like(sums)
    gradient[:, 0] = told / number
    gradient[:, 1] = -agreement * told / number**2
    return np.where(told, agreement / number, np.nan), gradient

  return Coefficient('shares', _shares, function, least=2, share=True)


def interval_distance(values: np.ndarray) -> np.ndarray:
  """Squared differences of values (C,): (C, C) float64."""
  return (values[:, None] - values) ** 2


def coefficients(
  num_classes: int, ordered: bool = False, values: np.ndarray | None = None
) -> dict[str, Coefficient]:
  """The figures that the study gives with intervals, by name.

  Args:
    num_classes: C.
    ordered: whether the classes are a scale.
    values: (C,) of the classes, if they have any.

  Returns:
    `alpha_nominal`, `alpha_ordinal` if `ordered`, `alpha_interval` if there are
    values, `fleiss_kappa`, `gwet_ac1`.
  """
  found = {'alpha_nominal': alpha('nominal', nominal_distance(num_classes))}
  if ordered:
    found['alpha_ordinal'] = alpha_ordinal(num_classes)
  if values is not None:
    found['alpha_interval'] = alpha('interval', interval_distance(values))
  found['fleiss_kappa'] = fleiss_kappa()
  found['gwet_ac1'] = gwet_ac1(num_classes)
  return found


def figures(
  num_classes: int, ordered: bool = False, values: np.ndarray | None = None
) -> dict[str, Coefficient]:
  """The same, and `observed_agreement`."""
  both = {'observed_agreement': observed()}
  return both | coefficients(num_classes, ordered, values)


def why_undefined(pairable: bool) -> str:
  """Why there is no agreement beyond chance.

  Args:
    pairable: whether some clip has two votes or more.
  """
  if not pairable:
    return 'No clip has two votes or more.'
  return (
    'All votes on clips with two or more are of one class, so that agreement '
    'cannot be told from chance.'
  )


def _votes(counts: np.ndarray) -> np.ndarray:
  """Votes of each clip (n,) of float64 counts (n, C)."""
  return counts @ np.ones(counts.shape[1])


def alpha(name: str, distance: np.ndarray) -> Coefficient:
  """Krippendorff's alpha: 1 - observed over expected disagreement.

  Both are mean distances: of two votes on the same clip, where clips count by
  their votes, and of any two votes on clips with two or more, drawn without
  replacement (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).
  The sums are the disagreement, then the votes for each class.

  Args:
    name: of the distance.
    distance: (C, C) symmetric, 0 on the diagonal, which does not depend on the
      votes.
  """

  def parts(counts: np.ndarray) -> np.ndarray:
    counts, others = _pairable(counts)
    apart = np.einsum('nc,nc->n', counts @ distance, counts) / others
    return np.column_stack([apart, counts])

  def function(
    sums: np.ndarray, own: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    apart, votes = sums[:, 0], sums[:, 1:]
    reach = votes @ distance
    expected = np.einsum('rc,rc->r', reach, votes)
    value, slopes = _one_minus_ratio(
      apart, expected, votes.sum(axis=1), own[:, 1:].sum(axis=1)
    )
    by_votes = 2 * slopes[1] * reach + slopes[2]
    return value, np.concatenate([slopes[0], by_votes], axis=1)

  return Coefficient(name, parts, function, least=2)


def alpha_ordinal(num_classes: int) -> Coefficient:
  """Ordinal alpha, whose distances are made of the votes.

  They are squared differences of mid-rank: between c < k, the votes from c to
  k, those for c and for k by half. The sums are the coincidences of each pair
  of classes, then the votes for each class.
  """
  low, high = np.triu_indices(num_classes, 1)
  # (pairs, C), which classes a pair has.
  is_low, is_high = np.eye(num_classes)[low], np.eye(num_classes)[high]
  steps = is_high - is_low
  to_ranks = _mid_ranks(num_classes)

  def parts(counts: np.ndarray) -> np.ndarray:
    counts, others = _pairable(counts)
    pairs = counts[:, low] * counts[:, high] / others[:, None]
    return np.concatenate([pairs, counts], axis=1)

  def function(
    sums: np.ndarray, own: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    pairs, votes = sums[:, : len(low)], sums[:, len(low) :]
    number = votes.sum(axis=1)
    # Ranks as shares of the votes, for numbers of the size of 1. The scale
    # cancels in the ratio, so that the derivative holds it fixed.
    scale = 1 / np.where(number > 0, number, 1)[:, None]
    gap = votes @ to_ranks @ steps.T * scale
    chance = votes[:, low] * votes[:, high]
    apart = 2 * (pairs * gap**2).sum(axis=1)
    expected = 2 * (chance * gap**2).sum(axis=1)
    value, slopes = _one_minus_ratio(
      apart, expected, number, own[:, len(low) :].sum(axis=1)
    )
    by_pairs = 2 * slopes[0] * gap**2
    by_gap = 4 * gap * (slopes[0] * pairs + slopes[1] * chance)
    by_chance = 2 * slopes[1] * gap**2
    by_votes = (
      (by_gap * scale) @ steps @ to_ranks.T
      + (by_chance * votes[:, high]) @ is_low
      + (by_chance * votes[:, low]) @ is_high
      + slopes[2]
    )
    return value, np.concatenate([by_pairs, by_votes], axis=1)

  return Coefficient('ordinal', parts, function, least=2)


def fleiss_kappa() -> Coefficient:
  """Fleiss' kappa (1971, Psychol. Bull. 76:378) for unequal votes.

  (p - e) / (1 - e), p the observed agreement and e = sum_c s_c^2, s_c the mean
  over clips with a vote of the share of votes for c. So every clip counts
  alike, however many votes it has: the generalisation of Gwet (2014, Handbook
  of Inter-Rater Reliability, 4th ed., ch. 2). With equal votes it is Fleiss'.
  """

  def chance(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (shares**2).sum(axis=1), 2 * shares

  return Coefficient('shares', _shares, _beyond(chance), least=1)


def gwet_ac1(num_classes: int) -> Coefficient:
  """Gwet's AC1 (2008, Br. J. Math. Stat. Psychol. 61:29) for unequal votes.

  As `fleiss_kappa`, but e = sum_c s_c (1 - s_c) / (C - 1), C the classes that
  could be voted for, voted for or not. Undefined if all votes are of one class:
  the formula gives 1 there, whether or not annotators can tell classes apart.
  """
  others = max(num_classes - 1, 1)

  def chance(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    expected = (shares * (1 - shares)).sum(axis=1) / others
    return expected, (1 - 2 * shares) / others

  return Coefficient('shares', _shares, _beyond(chance), least=1)


def _beyond(
  chance: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
  """(p - e) / (1 - e) of the sums that `_shares` adds up.

  Args:
    chance: shares of the classes (R, C) to e (R,) and its gradient (R, C).

  Returns:
    A function of sums (R, 2 + C), as `Coefficient.function`.
  """

  def function(
    sums: np.ndarray, own: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    del own  # Nothing here is corrected for the number of votes.
    agreement, pairable, shares = sums[:, :1], sums[:, 1:2], sums[:, 2:]
    told = (pairable[:, 0] > 0) & (np.count_nonzero(shares, axis=1) > 1)
    told = told[:, None]
    pairable = np.where(told, pairable, 1)
    agreement = agreement / pairable
    number = np.where(told, shares.sum(axis=1, keepdims=True), 1)
    shares = shares / number
    expected, by_shares = chance(shares)
    room = np.where(told, 1 - expected[:, None], 1)
    value = 1 - (1 - agreement) / room
    by_agreement = 1 / (room * pairable)
    by_shares = by_shares * (agreement - 1) / room**2
    # The shares sum to 1 whatever the sums are.
    by_shares -= (by_shares * shares).sum(axis=1, keepdims=True)
    gradient = np.concatenate(
      [by_agreement, -agreement * by_agreement, by_shares / number], axis=1
    )
    return np.where(told, value, np.nan)[:, 0], np.where(told, gradient, 0)

  return function


def _shares(counts: np.ndarray) -> np.ndarray:
  """Each clip's agreement, whether it has one, and its shares of votes.

  Args:
    counts: (n, C) float64.

  Returns:
    (n, 2 + C) float64, 0 where there are too few votes.
  """
  total = _votes(counts)
  pairs = total * (total - 1)
  same = np.einsum('nc,nc->n', counts, counts) - total
  return np.concatenate(
    [
      (same / np.where(pairs > 0, pairs, 1))[:, None] * (pairs > 0)[:, None],
      (pairs > 0)[:, None],
      counts / np.maximum(total, 1)[:, None],
    ],
    axis=1,
  )


def _pairable(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Counts (n, C) without lone votes, and each vote's number of others (n,)."""
  total = _votes(counts)
  return counts * (total > 1)[:, None], np.maximum(total - 1, 1)


def _one_minus_ratio(
  apart: np.ndarray, expected: np.ndarray, number: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
  """1 - (own - 1) / own * number * apart / expected, and its slopes.

  Args:
    apart: (R,) the summed disagreement of votes on the same clip.
    expected: (R,) that of every vote with every one.
    number: (R,) weighted votes.
    own: (R,) or (1,) the votes of the sample, of which a vote is not paired
      with itself. Not `number`, or a draw of a single group would seem to have
      an error.

  Returns:
    The value (R,), NaN where nothing is expected, and slopes (R, 1) by `apart`,
    `expected` and `number`, 0 there.
  """
  told = expected > 0
  unit = (1 - 1 / np.maximum(own, 1)) * told / np.where(told, expected, 1)
  ratio = number * apart * unit
  slopes = (
    -number * unit,
    ratio / np.where(told, expected, 1),
    -apart * unit,
  )
  return (
    np.where(told, 1 - ratio, np.nan),
    tuple(slope[:, None] for slope in slopes),
  )


def _mid_ranks(num_classes: int) -> np.ndarray:
  """(C, C), by which votes for each class make the classes' mid-ranks."""
  return (
    np.triu(np.ones((num_classes, num_classes)), 1) + np.eye(num_classes) / 2
  )
