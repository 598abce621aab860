"""How much do views differ, beyond seed noise; and which clips divide them?

Two models of one recipe differ too, when their seeds do. What a view's
difference from the full one exceeds that by, the mean of both views', is half
the expected squared distance of the two views' distributions of labels: the
`excess`. But it is above 0 already where a view is the full one with noise on
top, whose seeds differ more. So the primary asks for more: `beyond_either`, by
how much the difference exceeds that of two seeds of the noisier of the two.

Let p be the shares of the labels that the full view's seeds give a clip, q
those of the view's. The difference exceeds that of two seeds of the view by the
mean of q.q - p.q. Where q lies between p and equal shares, q = (1 - c) p + c u
for some c of the clip, which is what noise makes of p, that is
-c (1 - c) (p.p - 1 / C), at most 0: a view that errs on the same clips as the
full one, but more often, does not meet it, whatever its accuracy. Nor does one
of which the full view is a noisy form. What meets it has clips on which the
seeds of the view agree on a label that the full view's do not give, as a cue of
its own makes them. It does not say that the label is right, nor that it takes
another modality: a view that leans to one class on all clips meets it too.

Only pairs of seeds of different names are compared, see `seeds`.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from empathy.evaluation import asked, samples, weighing
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Findings,
  SeedNoise,
  interval_cells,
)
from empathy.evaluation.plan import Plan

_FIGURES = ('rate', 'kappa', 'seed_null', 'excess', 'error_consistency')
_ZERO = 1e-12


@dataclasses.dataclass(frozen=True)
class Pair:
  """Sums by group of the labels of a view's S seeds and the full one's Z.

  Attributes:
    groups: the G groups of the clips that all of them predict.
    names: (S,), (Z,) int64, the seeds.
    clips: (G,) float64.
    apart: (G, S, Z), clips on which a seed of each differs.
    own: (G, S, S), those on which two of the view's do.
    full: (G, Z, Z), likewise.
    own_labels: (G, S, C), how often each says each class.
    full_labels: (G, Z, C).
  """

  groups: samples.Groups
  names: tuple[np.ndarray, np.ndarray]
  clips: np.ndarray
  apart: np.ndarray
  own: np.ndarray
  full: np.ndarray
  own_labels: np.ndarray
  full_labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class RightPair:
  """The same of where they are right, on clips with labels.

  Attributes:
    groups: the G groups.
    names: (S,), (Z,) int64, the seeds.
    clips: (G,) float64.
    right: (G, S).
    full_right: (G, Z).
    both_right: (G, S, Z).
  """

  groups: samples.Groups
  names: tuple[np.ndarray, np.ndarray]
  clips: np.ndarray
  right: np.ndarray
  full_right: np.ndarray
  both_right: np.ndarray


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up how often labels of each view and the full one differ."""
  if plan.full not in plan.members:
    return
  fulls, num_classes = batch.labels[plan.full], len(plan.classes)
  for view in plan.others:
    ours = batch.labels[view]
    chosen = batch.common(plan.full, view)
    adder.add(_key('clips', view), chosen)
    for what, one, other in (
      ('apart', ours, fulls),
      ('own', ours, ours),
      ('full', fulls, fulls),
    ):
      apart = mismatches(one, other) & chosen
      adder.add(_key(what, view), np.moveaxis(apart, -1, 0))
    for what, labels in (('own_labels', ours), ('full_labels', fulls)):
      shape = (len(labels), num_classes)
      place = np.where(chosen, labels, -1)
      seed = np.arange(len(labels))[:, None]
      adder.count(_key(what, view), totals_lib.index(shape, seed, place), shape)
    chosen = chosen & batch.labelled
    right, full_right = (
      (labels == batch.corpus.labels) & chosen for labels in (ours, fulls)
    )
    adder.add(_key('labelled', view), chosen)
    adder.add(_key('right', view), right.T)
    adder.add(_key('full_right', view), full_right.T)
    both = right[:, None] & full_right[None]
    adder.add(_key('both_right', view), np.moveaxis(both, -1, 0))


def answer(totals: totals_lib.Totals, plan: Plan) -> Findings:
  """Compares every view with the full one, over pairs of distinct seeds.

  The primary is `beyond_either` of the single view whose is largest, see
  `conclude`.

  Args:
    totals: what `tally` added up; labels are needed for `error_consistency`
      only.
    plan: names the views.

  Returns:
    Statistics `disagreement.<view>_vs_full.*`: `rate`, `kappa`,
    `error_consistency`, `seed_null`, `excess`, `beyond_either`, and
    `same_seed_gap`, by how much the rate exceeds that of members whose seeds
    have the same name. The table `disagreement`.
  """
  if plan.full not in plan.members or not plan.others:
    reason = (
      f'There are no predictions of the full view, {plan.full}.'
      if plan.full not in plan.members
      else f'There is no view beside the full one, {plan.full}.'
    )
    return Findings(skipped={'question 2': reason})
  found = Findings()
  rows = []
  for view in plan.others:
    prefix = f'disagreement.{view}_vs_full'
    clips = totals[_key('clips', view)]
    if not clips.any():
      found.skipped[prefix] = (
        f'No clip is predicted by every seed of {plan.full} and {view}.'
      )
      continue
    names = tuple(np.array(plan.members[name]) for name in (view, plan.full))
    add_rates(found, prefix, _pair(totals.over(clips), names, view))
    labelled = totals[_key('labelled', view)]
    add_error_consistency(
      found,
      prefix,
      _right_pair(totals.over(labelled), names, view)
      if labelled.any()
      else None,
    )
    rows.append(table_row(view, round(float(clips.sum()))))
  return conclude(found, plan.others, rows)


def _key(what: str, view: str) -> totals_lib.Key:
  return 'disagreement', what, view


def _pair(
  part: totals_lib.Part, names: tuple[np.ndarray, np.ndarray], view: str
) -> Pair:
  return Pair(
    part.groups,
    names,
    *(
      part[_key(what, view)]
      for what in ('clips', 'apart', 'own', 'full', 'own_labels', 'full_labels')
    ),
  )


def _right_pair(
  part: totals_lib.Part, names: tuple[np.ndarray, np.ndarray], view: str
) -> RightPair:
  return RightPair(
    part.groups,
    names,
    *(
      part[_key(what, view)]
      for what in ('labelled', 'right', 'full_right', 'both_right')
    ),
  )


def conclude(
  found: Findings, others: Sequence[str], rows: list[dict[str, object]]
) -> Findings:
  """The answer, from the figures of every view.

  The primary is that of the single view whose `beyond_either` is largest. As it
  was chosen by its value among the single views, its p-value is multiplied by
  how many they are (Bonferroni): valid whatever their dependence, and the
  question is answered by "some modality alone differs from all together, by
  more than seeds of either do".

  Args:
    found: the figures.
    others: the views beside the full one.
    rows: of the table.
  """
  if rows:
    found.tables['disagreement'] = rows
  else:
    found.skipped['question 2'] = (
      'No clip is predicted by every seed of the full view and another one.'
    )
  singles = [view for view in others if '+' not in view]
  if not singles:
    found.skipped['disagreement.single_vs_full.beyond_either'] = (
      'There are no predictions of a single modality.'
    )
  names = [f'disagreement.{view}_vs_full.beyond_either' for view in singles]
  candidates = [name for name in names if name in found.statistics]
  return dataclasses.replace(
    found,
    primary=max(
      candidates,
      key=lambda name: found.statistics[name].estimate,
      default=None,
    ),
    num_candidates=len(candidates),
  )


def table_row(view: str, num_clips: int) -> dict[str, object]:
  """The row of a view in the table `disagreement`."""
  prefix = f'disagreement.{view}_vs_full'
  return (
    {'view': view, 'num_clips': num_clips}
    | {figure: Cell(f'{prefix}.{figure}') for figure in _FIGURES}
    | {
      figure: Cell(f'{prefix}.{figure}') for figure in ('own_null', 'full_null')
    }
    | interval_cells(f'{prefix}.rate', 'rate')
    | interval_cells(f'{prefix}.excess', 'excess')
    | interval_cells(f'{prefix}.beyond_either', 'beyond_either')
    | {
      field: Cell(f'{prefix}.beyond_either', field)
      for field in ('p', 'p_adjusted')
    }
  )


def add_rates(found: Findings, prefix: str, sums: Pair) -> None:
  """Adds how often labels differ, what seeds have of it, and kappa."""
  for figure, (statistic, seeds) in rates(sums).items():
    name = f'{prefix}.{figure}'
    asked.add(found, name, sums.groups, statistic, seeds=seeds)
  nulls = _nulls(sums)
  if nulls:
    name = f'{prefix}.beyond_either'
    mean = _over_pairs(sums.apart, seeds_lib.distinct(*sums.names))
    differences = [_rate(sums, mean - null) for null in nulls]
    found.add(name, asked.least(name, sums.groups, differences))
  else:
    for figure in ('seed_null', 'excess', 'beyond_either'):
      found.skipped[f'{prefix}.{figure}'] = (
        'Seed noise is unknown: both views need two seeds or more.'
      )
  statistic, seeds = kappa(sums)
  asked.add(found, f'{prefix}.kappa', sums.groups, statistic, seeds=seeds)


def rates(
  sums: Pair,
) -> dict[str, tuple[weighing.Figure, SeedNoise | None]]:
  """How far labels differ, and what seeds have of it, by the figures' names.

  Returns:
    `rate`; `same_seed_gap` where some seeds have one name in both views; and,
    where both have two seeds or more, `own_null`, `full_null`, their mean
    `seed_null`, and `excess`, the rate less that.
  """
  mean = _over_pairs(sums.apart, seeds_lib.distinct(*sums.names))
  found = {'rate': mean}
  same = sums.names[0][:, None] == sums.names[1][None]
  if same.any() and not same.all():
    found['same_seed_gap'] = mean - _over_pairs(sums.apart, same)
  nulls = _nulls(sums)
  if nulls:
    null = sum(nulls) / 2
    found |= dict(zip(('own_null', 'full_null'), nulls, strict=True))
    found |= {'seed_null': null, 'excess': mean - null}
  return {name: _rate(sums, columns) for name, columns in found.items()}


def _nulls(sums: Pair) -> list[np.ndarray]:
  """How often two seeds of the view, and of the full one, differ.

  Returns:
    Two arrays as of `_over_pairs`; none where a view has one seed only.
  """
  num_own, num_full = sums.apart.shape[1:]
  if min(num_own, num_full) < 2:
    return []
  found = []
  for apart, first in ((sums.own, 1), (sums.full, 1 + num_own)):
    number = apart.shape[1]
    within = apart.sum(axis=2) / (number - 1)
    null = np.zeros((len(apart), 1 + num_own + num_full))
    null[:, 0] = within.mean(axis=1)
    # A seed is in the first place of pairs of its view, and in the second.
    null[:, first : first + number] = 2 * within
    found.append(null)
  return found


def _rate(
  sums: Pair, columns: np.ndarray
) -> tuple[weighing.Figure, SeedNoise | None]:
  """The mean over clips, and what seeds add, of columns as of `_over_pairs`."""
  num_own, clips = sums.apart.shape[1], sums.clips
  rate, by_seed = columns[:, 0], columns[:, 1:]
  number = clips.sum()
  means = by_seed.sum(axis=0) / number
  slopes = ((by_seed - means * clips[:, None]) / number).T
  noise = seeds_lib.noise(
    seeds_lib.Part(sums.names[0], means[:num_own], slopes[:num_own]),
    seeds_lib.Part(sums.names[1], means[num_own:], slopes[num_own:]),
  )
  return weighing.mean(np.stack([rate, clips], axis=1)), noise


def add_error_consistency(
  found: Findings, prefix: str, sums: RightPair | None
) -> None:
  """Adds the error consistency; None where no clip has a label."""
  name = f'{prefix}.error_consistency'
  if sums is None:
    found.skipped[name] = 'No clip that both views predict has a label.'
    return
  statistic, seeds = error_consistency(sums)
  asked.add(found, name, sums.groups, statistic, seeds=seeds)


def _over_pairs(apart: np.ndarray, pairs: np.ndarray) -> np.ndarray:
  """The mean over pairs, and S times its derivative by each seed's weight.

  Args:
    apart: (G, S, Z) sums of pairs.
    pairs: (S, Z) bool, those that count.

  Returns:
    (G, 1 + S + Z) float64, sums likewise: the mean, and what each seed of
    either view is in it, less what it would be if all pairs were alike.
  """
  share = pairs / pairs.sum()
  mean = (apart * share).sum(axis=(1, 2))
  left = (apart - mean[:, None, None]) * share
  num_own, num_full = pairs.shape
  return np.concatenate(
    [
      mean[:, None],
      num_own * left.sum(axis=2),
      num_full * left.sum(axis=1),
    ],
    axis=1,
  )


def mismatches(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """Whether labels differ, by pair of seeds: (S, n), (Z, n) to (S, Z, n)."""
  return first[:, None] != second[None]


def kappa(sums: Pair) -> tuple[weighing.Statistic, SeedNoise | None]:
  """Cohen's kappa of two views, the mean over pairs of a seed of each.

  Cohen 1960, Educ. Psychol. Meas. 20:37.

  Returns:
    The statistic and what the choice of seeds adds.
  """
  num_groups = len(sums.clips)
  totals = [
    sums.clips[:, None, None] - sums.apart,
    sums.own_labels,
    sums.full_labels,
    sums.clips,
  ]
  totals = [part.reshape(num_groups, -1) for part in totals]
  return _mean_over_pairs(
    np.concatenate(totals, axis=1),
    sums.names,
    sums.own_labels.shape[2],
    _kappas,
  )


def error_consistency(
  sums: RightPair,
) -> tuple[weighing.Statistic, SeedNoise | None]:
  """Whether two views err on the same clips, beyond what accuracies imply.

  (c - e) / (1 - e), with c the share of clips on which both are right or both
  wrong and e what independent errors would give (Geirhos et al. 2020, arXiv
  2006.16736, eq. 2); the mean over pairs of a seed of each.

  Returns:
    The statistic and what the choice of seeds adds.
  """
  num_groups = len(sums.clips)
  totals = [sums.both_right, sums.right, sums.full_right, sums.clips]
  totals = [part.reshape(num_groups, -1) for part in totals]
  return _mean_over_pairs(
    np.concatenate(totals, axis=1), sums.names, 0, _consistencies
  )


def _mean_over_pairs(
  totals: np.ndarray,
  names: tuple[np.ndarray, np.ndarray],
  num_classes: int,
  function: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> tuple[weighing.Statistic, SeedNoise | None]:
  """The mean of `function`'s figures (R, S, Z), and what seeds add to it.

  Args:
    totals: (G, k).
    names: of the seeds, of which distinct pairs count.
    num_classes: C.
    function: `_kappas` or `_consistencies`.
  """
  pairs = seeds_lib.distinct(*names)
  share = pairs / pairs.sum()

  def mean(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, gradient = function(sums, share, num_classes)
    values = np.where(pairs, values, 0)
    return (values * share).sum(axis=(1, 2)), gradient

  values = function(totals.sum(axis=0)[None], share, num_classes)[0]
  parts = _over_pairs(np.where(pairs, values, 0), pairs)[0, 1:]
  own, full = np.split(parts, [len(names[0])])
  return weighing.of_totals(totals, mean), seeds_lib.noise(
    seeds_lib.Part(names[0], own), seeds_lib.Part(names[1], full)
  )


def _kappas(
  sums: np.ndarray, share: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
  """Cohen's kappa of every pair, and the gradient of their weighted sum.

  Args:
    sums: (R, S Z + S C + Z C + 1) totals: clips on which a pair agrees, labels
      of each seed of the one view, of the other, clips.
    share: (S, Z), the weights.
    num_classes: C.

  Returns:
    (R, S, Z), NaN where both always say the same one class, or without clips;
    and the gradient, like `sums`.
  """
  num_first, num_second = share.shape
  sizes = (
    num_first * num_second,
    num_first * num_classes,
    num_second * num_classes,
  )
  rates = sums / weighing.divisor(sums[:, -1:])
  agree, first, second, _ = np.split(rates, np.cumsum(sizes), axis=1)
  agree = agree.reshape(-1, num_first, num_second)
  first = first.reshape(-1, num_first, num_classes)
  second = second.reshape(-1, num_second, num_classes)
  chance = first @ second.swapaxes(1, 2)
  room = 1 - chance
  defined = (room > _ZERO) & (sums[:, -1:, None] > 0)
  room = np.where(defined, room, 1)
  kappas = np.where(defined, (agree - chance) / room, np.nan)
  by_chance = share * (agree - 1) / room**2
  parts = [share / room, by_chance @ second, by_chance.swapaxes(1, 2) @ first]
  return kappas, _gradient(sums, parts)


def _consistencies(
  sums: np.ndarray, share: np.ndarray, _: int = 0
) -> tuple[np.ndarray, np.ndarray]:
  """Error consistency of every pair, and the gradient of their weighted sum.

  Args:
    sums: (R, S Z + S + Z + 1) totals: clips on which both of a pair are right,
      each seed of the one view is right, of the other, clips.
    share: (S, Z), the weights.

  Returns:
    (R, S, Z), NaN where both are always right or both always wrong; and the
    gradient, like `sums`.
  """
  num_first, num_second = share.shape
  sizes = (num_first * num_second, num_first, num_second)
  rates = sums / weighing.divisor(sums[:, -1:])
  both, first, second, _ = np.split(rates, np.cumsum(sizes), axis=1)
  both = both.reshape(-1, num_first, num_second)
  first, second = first[:, :, None], second[:, None]
  alike = 1 - first - second + 2 * both
  chance = first * second + (1 - first) * (1 - second)
  room = 1 - chance
  defined = room > _ZERO
  room = np.where(defined, room, 1)
  values = np.where(defined, (alike - chance) / room, np.nan)
  by_chance, by_alike = share * (alike - 1) / room**2, share / room
  parts = [
    2 * by_alike,
    (by_chance * (2 * second - 1) - by_alike).sum(axis=2),
    (by_chance * (2 * first - 1) - by_alike).sum(axis=1),
  ]
  return values, _gradient(sums, parts)


def _gradient(sums: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
  """The gradient by totals, from the summed derivatives by their shares."""
  flat = [part.reshape(len(sums), -1) for part in parts]
  count = weighing.divisor(sums[:, -1:])
  gradient = np.concatenate(flat, axis=1) / count
  # The figure does not change when all totals grow alike (Euler).
  rest = (gradient * sums[:, :-1]).sum(axis=1, keepdims=True) / count
  return np.concatenate([gradient, -rest], axis=1)
