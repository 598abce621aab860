"""How far annotators agree on a set of clips.

Figures are of vote counts (N, C): how many annotators gave clip i class c.
Clips may have any number of votes, none too. `counts_of_codes` counts a table
of raters x clips with gaps. Every figure is a smooth function of sums over
clips, so that each has its exact derivative by the weight of a group of clips,
and an interval over clips and their groups. Such an interval speaks of these
annotators; where it is known who voted, `annotator_variance` is what other
annotators would add to it. Ratings on a scale without classes have
`alpha_of_ratings`, two raters `cohen_kappa`.

Agreement is None where it cannot be told; `why_undefined` says why.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from empathy.evaluation import resampling

# So many clips are worked on at a time, which bounds memory; so many numbers.
_BLOCK = 1 << 15
_NUMBERS = 1 << 21


@dataclasses.dataclass(frozen=True)
class Coefficient:
  """A smooth function of sums over clips.

  Attributes:
    parts: (n, C) float64 counts to (n, k), what each clip adds to the sums.
    function: sums (R, k), of weighted clips, and those of the sample as it is,
      (R, k) or (1, k), to the value (R,), NaN where it is undefined, and its
      gradient by the former (R, k). It is the same for any multiple of the
      weights: how many votes there are to correct for, the sample as it is
      tells.
    least: a clip with fewer votes than that adds nothing to any sum.
    share: whether the figure is a mean over clips of a share.
  """

  parts: Callable[[np.ndarray], np.ndarray]
  function: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
  least: int
  share: bool = False

  def value(self, counts: np.ndarray) -> float | None:
    """The figure of (N, C) counts; None if it is undefined."""
    totals = _totals(self.parts, counts)[None]
    value = float(self.function(totals, totals)[0][0])
    return None if np.isnan(value) else value

  def statistic(
    self, sample: resampling.Sample, counts: np.ndarray
  ) -> resampling.Figure:
    """The figure of (n, C) counts as a function of the groups' weights."""
    return self.of_totals(
      sample.totals(self.parts(np.asarray(counts, np.float64)))
    )

  def of_totals(self, totals: np.ndarray) -> resampling.Figure:
    """The same of sums by group (G, k)."""
    own = totals.sum(axis=0, keepdims=True)
    return resampling.Figure(
      resampling.of_totals(totals, lambda sums: self.function(sums, own)),
      totals.any(axis=1)[None],
      share=self.share,
    )

  def bootstrap(
    self, counts: np.ndarray, num_resamples: int, seed: int
  ) -> np.ndarray:
    """The figure of as many clips, drawn with replacement.

    How often each distinct row of counts is drawn is one multinomial, so that
    a resample takes time in the number of these, not of clips.

    Args:
      counts: (N, C) int, N > 0.
      num_resamples: R.
      seed: of the draws.

    Returns:
      (R,) float64, NaN where a resample leaves it undefined.
    """
    counts = np.asarray(counts)
    first, number = _distinct_rows(counts)
    parts = self.parts(np.asarray(counts[first], np.float64))
    random = np.random.default_rng(seed)
    values = np.empty(num_resamples)
    step = max(_NUMBERS // len(number), 1)
    for start in range(0, num_resamples, step):
      block = values[start : start + step]
      drawn = random.multinomial(
        len(counts), number / len(counts), size=len(block)
      )
      sums = drawn.astype(np.float64) @ parts
      block[:] = self.function(sums, sums)[0]
    return values


def counts_of_codes(codes: np.ndarray, num_classes: int) -> np.ndarray:
  """Vote counts of a table of raters x clips with gaps.

  Args:
    codes: (M, N) int, the class that each rater gave each clip; negative where
      there is none.
    num_classes: C.

  Returns:
    (N, C) int64.
  """
  codes = np.asarray(codes)
  num_clips = codes.shape[1]
  there = codes >= 0
  cell = (np.arange(num_clips) * num_classes + codes)[there]
  counts = np.bincount(cell, minlength=num_clips * num_classes)
  return counts.reshape(num_clips, num_classes)


def nominal_distance(num_classes: int) -> np.ndarray:
  """1 between different classes: (C, C) float64."""
  return 1 - np.eye(num_classes)


def interval_distance(values: np.ndarray) -> np.ndarray:
  """Squared differences of the classes' values (C,): (C, C) float64."""
  values = np.asarray(values, np.float64)
  return np.subtract.outer(values, values) ** 2


def absolute_distance(values: np.ndarray) -> np.ndarray:
  """Differences of the classes' values (C,), without sign: (C, C) float64."""
  values = np.asarray(values, np.float64)
  return np.abs(np.subtract.outer(values, values))


def ratio_distance(values: np.ndarray) -> np.ndarray:
  """Squared difference over squared sum of values (C,), none negative."""
  values = np.asarray(values, np.float64)
  return _ratio(values[:, None], values)


def ordinal_distance(marginals: np.ndarray) -> np.ndarray:
  """Squared differences of rank, where ranks are those of the votes themselves.

  Args:
    marginals: (C,) votes for each class, lowest class first, on clips with two
      votes or more.

  Returns:
    (C, C) float64. The difference of rank of c < k is the votes from c to k,
    those for c and for k by half: the difference of their mid-ranks.
  """
  marginals = np.asarray(marginals, np.float64)
  return interval_distance(marginals @ _mid_ranks(len(marginals)))


def pairable_marginals(counts: np.ndarray) -> np.ndarray:
  """Votes (C,) for each class on the clips with two votes or more."""
  return np.einsum('n,nc->c', counts.sum(axis=1) > 1, counts)


def observed_agreement(counts: np.ndarray) -> float | None:
  """The chance that two annotators of a clip agree, mean over clips.

  Args:
    counts: (N, C).

  Returns:
    The mean over clips with two votes or more of the share of their pairs of
    votes that are equal; None if there is no such clip.
  """
  return observed().value(counts)


def alpha(counts: np.ndarray, distance: np.ndarray) -> float | None:
  """Krippendorff's alpha: 1 - observed over expected disagreement.

  Both are mean distances: of two votes on the same clip, where clips count by
  their votes, and of any two votes on clips with two or more, drawn without
  replacement (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

  Args:
    counts: (N, C).
    distance: (C, C) symmetric, 0 on the diagonal; one of the `_distance`s.

  Returns:
    Alpha; None if no clip has two votes, or if no two votes are apart.
  """
  return _alpha(distance).value(counts)


def alpha_nominal(counts: np.ndarray) -> float | None:
  """Krippendorff's alpha of (N, C) counts of unordered classes."""
  return _alpha(nominal_distance(counts.shape[1])).value(counts)


def alpha_ordinal(counts: np.ndarray) -> float | None:
  """Krippendorff's alpha of (N, C) counts of classes in order."""
  return alpha(counts, ordinal_distance(pairable_marginals(counts)))


def fleiss_kappa(counts: np.ndarray) -> float | None:
  """Fleiss' kappa (1971, Psychol. Bull. 76:378) for unequal votes.

  (p - e) / (1 - e), p the observed agreement and e = sum_c s_c^2, s_c the mean
  over clips with a vote of the share of votes for c. So every clip counts
  alike, however many votes it has: the generalisation of Gwet (2014, Handbook
  of Inter-Rater Reliability, 4th ed., ch. 2). With equal votes it is Fleiss'.

  Args:
    counts: (N, C).

  Returns:
    Kappa; None if no clip has two votes, or if all votes are of one class.
  """
  return _fleiss_kappa(counts.shape[1]).value(counts)


def gwet_ac1(counts: np.ndarray) -> float | None:
  """Gwet's AC1 (2008, Br. J. Math. Stat. Psychol. 61:29) for unequal votes.

  As `fleiss_kappa`, but e = sum_c s_c (1 - s_c) / (C - 1), C the classes that
  could be voted for, voted for or not.

  Args:
    counts: (N, C).

  Returns:
    AC1; None if no clip has two votes, or if all votes are of one class: the
    formula gives 1 there, whether or not annotators can tell classes apart.
  """
  return _gwet_ac1(counts.shape[1]).value(counts)


def alpha_of_ratings(
  ratings: np.ndarray, level: str = 'interval'
) -> float | None:
  """Krippendorff's alpha of ratings that need no classes.

  Memory is O(M N). So is time on the interval level; on the nominal and the
  ordinal one it is O(n log n) more for n ratings. The ratio level's distances
  do not add up by rating: O(n m + d^2) more, m the most distinct ratings of a
  clip and d those of all.

  Args:
    ratings: (M, N) float64 of M raters and N clips; NaN where there is none.
    level: `nominal`, `ordinal`, `interval` or `ratio`.

  Returns:
    Alpha; None if no clip has two ratings, or if all ratings of the clips that
    do are equal.

  Raises:
    ValueError: some rating is infinite, or negative on the ratio level; or the
      level is none of these.
  """
  ratings = np.asarray(ratings, np.float64)
  there = ~np.isnan(ratings)
  there &= there.sum(axis=0) > 1
  clip, value = np.nonzero(there)[1], ratings[there]
  if not np.isfinite(value).all():
    raise ValueError('some rating is infinite')
  if level == 'ratio' and (value < 0).any():
    raise ValueError('some rating is negative, on the ratio level')
  if level == 'interval':
    return _alpha_of_values(clip, value)
  distinct, code, marginals = np.unique(
    value, return_inverse=True, return_counts=True
  )
  if level == 'ordinal':
    ranks = np.cumsum(marginals) - marginals / 2
    return _alpha_of_values(clip, ranks[code])
  if level not in ('nominal', 'ratio'):
    raise ValueError(f'no such level: {level!r}')
  return _alpha_of_cells(clip, code, distinct, marginals, level)


def cohen_kappa(
  first: np.ndarray, second: np.ndarray, distance: np.ndarray
) -> float | None:
  """Cohen's kappa of two raters (1960, Educ. Psychol. Meas. 20:37).

  1 - observed over expected distance, of the two raters' classes of a clip and
  of any two clips (weighted kappa: Cohen 1968, Psychol. Bull. 70:213).

  Args:
    first: (N,) int, the class that a rater gave each clip; negative where there
      is none.
    second: (N,) the other rater's.
    distance: (C, C), 0 on the diagonal: `nominal_distance` for kappa itself,
      `absolute_distance` for linear and `interval_distance` for quadratic
      weights.

  Returns:
    Kappa on the clips that both rated; None if there are none, or if no two of
    their ratings are apart.
  """
  first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
  both = (first >= 0) & (second >= 0)
  num_classes = len(distance)
  table = np.bincount(
    first[both] * num_classes + second[both], minlength=num_classes**2
  ).reshape(num_classes, num_classes)
  expected = table.sum(axis=1) @ distance @ table.sum(axis=0)
  if not expected:
    return None
  return float(1 - table.sum() * (table * distance).sum() / expected)


def annotator_variance(
  figure: Coefficient,
  groups: np.ndarray,
  clip: np.ndarray,
  annotator: np.ndarray,
  label: np.ndarray,
  count: np.ndarray,
  num_classes: int,
) -> float | None:
  """What the choice of annotators adds to a figure's variance over clips.

  The jackknife over annotators, (A - 1) / A sum_a (T_a - mean T)^2 of the
  figures T_a without annotator a (Efron & Stein 1981, Ann. Statist. 9:586). As
  clips and annotators are crossed, the noise of single votes is in it and in
  the variance over groups of clips as well; the part that lies within a group
  and an annotator is therefore taken off: V = V_groups + V_annotators - V_both
  (Cameron, Gelbach & Miller 2011, J. Bus. Econ. Stat. 29:238). The plain sum
  would make intervals up to 1.7 times too wide where annotators have few clips.

  The normal quantile is too small for few annotators: take Student's with A - 1
  degrees of freedom, where that is larger than the groups' own. In simulations
  with 20 annotators who differ, alpha's 95 % interval over clips alone held the
  truth 50 to 90 % of the time; with this variance 92.1 to 94.2 %, and by
  Student's quantile 93.5 to 95.6 %.

  Leaving out an annotator changes the sums of the clips that he voted on only,
  so that time is O(V log V + P k + A k) for P pairs of clip and annotator and k
  sums.

  Args:
    figure: of the votes.
    groups: (N,), the group of each clip, of any dtype.
    clip: (V,) int, the clip of each entry.
    annotator: (V,) whose it is, of any dtype; known for all.
    label: (V,) int, the class.
    count: (V,) int, how many votes the entry stands for.
    num_classes: C.

  Returns:
    The variance, not negative; None if there are fewer than two annotators, or
    if the figure is undefined without one of them.
  """
  clip, label = np.asarray(clip, np.int64), np.asarray(label, np.int64)
  group = np.unique(groups, return_inverse=True)[1]
  names, annotator = np.unique(annotator, return_inverse=True)
  num_clips, num_annotators = len(group), len(names)
  if num_annotators < 2:
    return None
  counts = np.bincount(
    clip * num_classes + label, count, num_clips * num_classes
  ).reshape(num_clips, num_classes)
  pairs, place = np.unique(annotator * num_clips + clip, return_inverse=True)
  own = np.bincount(
    place * num_classes + label, count, len(pairs) * num_classes
  ).reshape(len(pairs), num_classes)
  who, where = pairs // num_clips, pairs % num_clips
  totals = _totals(figure.parts, counts)[None]
  slope = figure.function(totals, totals)[1][0]
  without = np.repeat(totals, num_annotators, axis=0)
  effect = np.empty(len(pairs))
  for start in range(0, len(pairs), _BLOCK):
    block = slice(start, start + _BLOCK)
    whole = counts[where[block]]
    change = figure.parts(whole - own[block]) - figure.parts(whole)
    effect[block] = change @ slope
    np.add.at(without, who[block], change)
  figures = figure.function(without, without)[0]
  if np.isnan(figures).any():
    return None
  _, both = np.unique(
    who * (group.max() + 1) + group[where], return_inverse=True
  )
  variance = (num_annotators - 1) * float(figures.var())
  # The share of it that is within a group, from the linear effects of both.
  total = np.sum(np.bincount(who, effect) ** 2)
  shared = np.sum(np.bincount(both, effect) ** 2)
  return float(variance * max(1 - shared / total, 0.0)) if total else 0.0


def observed() -> Coefficient:
  """The figure of `observed_agreement`."""

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

  return Coefficient(
    lambda counts: _shares(counts)[:, :2], function, least=2, share=True
  )


def coefficients(
  num_classes: int, ordered: bool = False
) -> dict[str, Coefficient]:
  """The figures that the study gives with intervals, by name.

  Args:
    num_classes: C.
    ordered: whether the classes are a scale.

  Returns:
    `alpha_nominal`, `alpha_ordinal` if `ordered`, `fleiss_kappa`, `gwet_ac1`.
  """
  found = {'alpha_nominal': _alpha(nominal_distance(num_classes))}
  if ordered:
    found['alpha_ordinal'] = _alpha_ordinal(num_classes)
  found['fleiss_kappa'] = _fleiss_kappa(num_classes)
  found['gwet_ac1'] = _gwet_ac1(num_classes)
  return found


def why_undefined(counts: np.ndarray) -> str:
  """Why (N, C) counts have no agreement beyond chance."""
  if not (counts.sum(axis=1) > 1).any():
    return 'No clip has two votes or more.'
  return (
    'All votes on clips with two or more are of one class, so that agreement '
    'cannot be told from chance.'
  )


def _totals(
  parts: Callable[[np.ndarray], np.ndarray], counts: np.ndarray
) -> np.ndarray:
  """Sums (k,) of what the clips of (N, C) counts add to them."""
  totals = 0
  for start in range(0, max(len(counts), 1), _BLOCK):
    block = parts(np.asarray(counts[start : start + _BLOCK], np.float64))
    # A product is much faster than a sum along a short or a long axis.
    totals += np.ones(len(block)) @ block
  return totals


def _distinct_rows(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """A place (K,) of each distinct row of (N, C) int counts; how many (K,)."""
  key, size = np.zeros(len(counts), np.int64), 1
  for column in counts.T:
    base = int(column.max()) + 1
    if size * base > np.iinfo(np.int64).max:
      names, key = np.unique(key, return_inverse=True)
      size = len(names)
    key = key * base + column.astype(np.int64)
    size *= base
  _, first, number = np.unique(key, return_index=True, return_counts=True)
  return first, number


def _votes(counts: np.ndarray) -> np.ndarray:
  """Votes of each clip (n,) of float64 counts (n, C)."""
  return counts @ np.ones(counts.shape[1])


def _alpha(distance: np.ndarray) -> Coefficient:
  """Alpha for a distance (C, C) that does not depend on the votes.

  The sums are the disagreement, then the votes for each class.
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

  return Coefficient(parts, function, least=2)


def _alpha_ordinal(num_classes: int) -> Coefficient:
  """Ordinal alpha, whose distances are made of the votes.

  The sums are the coincidences of each pair of classes, then the votes for each
  class.
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

  return Coefficient(parts, function, least=2)


def _fleiss_kappa(num_classes: int) -> Coefficient:
  del num_classes  # Only classes that have votes count.

  def chance(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (shares**2).sum(axis=1), 2 * shares

  return Coefficient(_shares, _beyond(chance), least=1)


def _gwet_ac1(num_classes: int) -> Coefficient:
  others = max(num_classes - 1, 1)

  def chance(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    expected = (shares * (1 - shares)).sum(axis=1) / others
    return expected, (1 - 2 * shares) / others

  return Coefficient(_shares, _beyond(chance), least=1)


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


def _alpha_of_values(clip: np.ndarray, value: np.ndarray) -> float | None:
  """Interval alpha of ratings (n,) of clips (n,) that have two or more.

  The squared differences of all pairs of n numbers sum to 2 n times their
  squared deviations from their mean.
  """
  value = _near_one(value)
  if not value.size:
    return None
  # First by one of them, exactly: a large offset must not cost digits, and
  # equal ratings must come to 0.
  value = value - value[0]
  value -= value.mean()
  expected = value @ value
  if not expected:
    return None
  number = np.bincount(clip)
  mean = np.bincount(clip, value) / np.maximum(number, 1)
  value -= mean[clip]
  apart = np.bincount(clip, value**2) @ (number / np.maximum(number - 1, 1))
  return float(1 - (1 - 1 / len(value)) * apart / expected)


def _alpha_of_cells(
  clip: np.ndarray,
  code: np.ndarray,
  distinct: np.ndarray,
  marginals: np.ndarray,
  level: str,
) -> float | None:
  """Nominal or ratio alpha of ratings (n,) of clips that have two or more.

  Args:
    clip: (n,) int.
    code: (n,) int, which of the distinct ratings.
    distinct: (d,) these, in order.
    marginals: (d,) how often each is there.
    level: `nominal` or `ratio`.

  Returns:
    Alpha; None if there is one distinct rating or none.
  """
  if len(distinct) < 2:
    return None
  # Cells are the distinct ratings of a clip.
  cell, number = np.unique(clip * len(distinct) + code, return_counts=True)
  clip, code = np.divmod(cell, len(distinct))
  votes = np.bincount(clip, number)
  others = votes - 1
  total = int(votes.sum())
  if level == 'nominal':
    pairs = number * (votes[clip] - number)
    apart = (pairs / others[clip]).sum()
    expected = (marginals * (total - marginals)).sum()
  else:
    distinct = _near_one(distinct)
    apart = 0.0
    for lag in range(1, np.bincount(clip).max()):
      low = np.flatnonzero(clip[lag:] == clip[:-lag])
      high = low + lag
      pairs = 2 * number[low] * number[high] / others[clip[low]]
      apart += pairs @ _ratio(distinct[code[low]], distinct[code[high]])
    expected = 0.0
    step = max(_NUMBERS // len(distinct), 1)
    for start in range(0, len(distinct), step):
      block = slice(start, start + step)
      reach = _ratio(distinct[block, None], distinct) @ marginals
      expected += marginals[block] @ reach
  return float(1 - (total - 1) * apart / expected)


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The ratio level's squared distance of numbers that are not negative."""
  total = first + second
  return ((first - second) / np.where(total == 0, 1, total)) ** 2


def _near_one(values: np.ndarray) -> np.ndarray:
  """Values by a power of 2, which costs no digits, so that squares stay."""
  largest = np.abs(values).max(initial=0)
  return np.ldexp(values, -np.frexp(largest)[1])
