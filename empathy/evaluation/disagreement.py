"""How much do views differ, beyond seed noise; and which clips divide them?

Two models of one recipe differ too, when their seeds do. What a view's
difference from the full one exceeds that by is half the expected squared
distance of the two views' distributions of labels.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import resampling
from empathy.evaluation.findings import (
  Cell,
  Findings,
  Scale,
  SeedNoise,
  interval_cells,
)

_FIGURES = ('rate', 'kappa', 'seed_null', 'excess', 'error_consistency')
_ZERO = 1e-12


def answer(
  corpus: corpus_lib.Corpus, predictions: predictions_lib.Predictions
) -> Findings:
  """Compares every view with the full one, over all pairs of their seeds.

  The primary is the excess of the single view whose excess is largest. As it
  was chosen by its value among the single views, its p-value is multiplied by
  how many they are (Bonferroni): valid whatever their dependence, and the
  question is answered by "some modality alone differs from all together by
  more than seeds do".

  Args:
    corpus: for the labels and groups; labels are needed for
      `error_consistency` only.
    predictions: of at least one view.

  Returns:
    Statistics `disagreement.<view>_vs_full.*` and the table `disagreement`.
  """
  full = corpus_lib.view_name(corpus.modalities)
  others = [view for view in predictions.views if view != full]
  if full not in predictions.views or not others:
    reason = (
      f'There are no predictions of the full view, {full}.'
      if full not in predictions.views
      else f'There is no view beside the full one, {full}.'
    )
    return Findings(skipped={'question 2': reason})
  found = Findings()
  rows, names = [], []
  for view in others:
    prefix = f'disagreement.{view}_vs_full'
    chosen = predictions_lib.common(predictions, (full, view))
    if not chosen.any():
      found.skipped[prefix] = (
        f'No clip is predicted by every seed of {full} and {view}.'
      )
      continue
    sample = resampling.sample(corpus.groups[chosen])
    ours, fulls = (
      predictions_lib.predicted_class(
        predictions.probabilities[name][:, chosen]
      )
      for name in (view, full)
    )
    _add_rates(found, prefix, sample, ours, fulls)
    statistic, variance = kappa(sample, ours, fulls, len(corpus.classes))
    found.add(
      f'{prefix}.kappa',
      resampling.estimate(sample, statistic, Scale.FISHER, variance),
      'Some pair of seeds gives every clip the same one class.',
    )
    _add_error_consistency(found, prefix, corpus, chosen, ours, fulls)
    names.append(f'{prefix}.excess')
    rows.append(table_row(view, int(chosen.sum())))
  if rows:
    found.tables['disagreement'] = rows
  else:
    found.skipped['question 2'] = (
      'No clip is predicted by every seed of the full view and another one.'
    )
  singles = [
    f'disagreement.{view}_vs_full.excess' for view in others if '+' not in view
  ]
  if not singles:
    found.skipped['disagreement.single_vs_full.excess'] = (
      'There are no predictions of a single modality.'
    )
  singles = [name for name in singles if name in found.statistics]
  return Findings(
    statistics=found.statistics,
    skipped=found.skipped,
    primary=max(
      singles, key=lambda name: found.statistics[name].estimate, default=None
    ),
    num_candidates=len(singles),
    families=[names],
    tables=found.tables,
  )


def table_row(view: str, num_clips: int) -> dict[str, object]:
  """The row of a view in the table `disagreement`."""
  prefix = f'disagreement.{view}_vs_full'
  return (
    {'view': view, 'num_clips': num_clips}
    | {figure: Cell(f'{prefix}.{figure}') for figure in _FIGURES}
    | interval_cells(f'{prefix}.rate', 'rate')
    | interval_cells(f'{prefix}.excess', 'excess')
    | {field: Cell(f'{prefix}.excess', field) for field in ('p', 'p_adjusted')}
  )


def mismatches(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """Whether labels differ, by pair of seeds: (S, n), (Z, n) to (S, Z, n)."""
  return first[:, None] != second[None]


def kappa(
  sample: resampling.Sample,
  first: np.ndarray,
  second: np.ndarray,
  num_classes: int,
) -> tuple[resampling.Statistic, SeedNoise | None]:
  """Cohen's kappa of two views, the mean over pairs of a seed of each.

  Cohen 1960, Educ. Psychol. Meas. 20:37.

  Args:
    sample: the n clips.
    first: (S, n) int, labels of every seed of a view.
    second: (Z, n) int, those of the other.
    num_classes: C.

  Returns:
    The statistic and the variance that the choice of seeds adds.
  """
  agree = ~mismatches(first, second)
  shape = (len(first), len(second), num_classes)
  totals = np.concatenate(
    [
      sample.totals(agree.reshape(-1, agree.shape[-1]).T),
      *(
        sample.counts(
          labels + num_classes * np.arange(len(labels))[:, None],
          num_classes * len(labels),
        )
        for labels in (first, second)
      ),
      sample.totals(np.ones(agree.shape[-1])),
    ],
    axis=1,
  )
  return kappa_of_totals(totals, shape)


def kappa_of_totals(
  totals: np.ndarray, shape: tuple[int, int, int]
) -> tuple[resampling.Statistic, SeedNoise | None]:
  """As `kappa`, of totals (G, S Z + S C + Z C + 1), see `_kappas`."""
  return _mean_over_pairs(totals, lambda sums: _kappas(sums, shape))


def error_consistency_of_totals(
  totals: np.ndarray, shape: tuple[int, int]
) -> tuple[resampling.Statistic, SeedNoise | None]:
  """As `error_consistency`, of totals (G, S Z + S + Z + 1)."""
  return _mean_over_pairs(totals, lambda sums: _consistencies(sums, shape))


def error_consistency(
  sample: resampling.Sample, first: np.ndarray, second: np.ndarray
) -> tuple[resampling.Statistic, SeedNoise | None]:
  """Whether two views err on the same clips, beyond what accuracies imply.

  (c - e) / (1 - e), with c the share of clips on which both are right or both
  wrong and e what independent errors would give (Geirhos et al. 2020, arXiv
  2006.16736, eq. 2); the mean over pairs of a seed of each.

  Args:
    sample: the n clips.
    first: (S, n) bool, where each seed of a view is right.
    second: (Z, n) bool, those of the other.

  Returns:
    The statistic and the variance that the choice of seeds adds.
  """
  both = first[:, None] & second[None]
  shape = (len(first), len(second))
  totals = np.concatenate(
    [
      sample.totals(both.reshape(-1, both.shape[-1]).T),
      sample.totals(first.T),
      sample.totals(second.T),
      sample.totals(np.ones(both.shape[-1])),
    ],
    axis=1,
  )
  return error_consistency_of_totals(totals, shape)


def signals(
  predictions: predictions_lib.Predictions, full: str
) -> dict[str, np.ndarray]:
  """What the predictions alone, without labels and votes, say of each clip.

  With p_m the mean over seeds of a single view, p_F that of the full one, and
  predicted classes those of these means: `<view>_disagreement` (0 or 1, from
  the full view), `any_disagreement` (of some single view),
  `num_unimodal_labels`, `unimodal_jsd` (generalised Jensen-Shannon divergence
  of the p_m; Lin 1991, IEEE Trans. Inf. Theory 37:145), `<view>_jsd` (of p_m
  and p_F), `full_jsd` (their mean), `entropy`, `one_minus_confidence`,
  `one_minus_margin` (of p_F) and `seed_mutual_information` (entropy of p_F less
  the mean entropy of its seeds). Divergences and entropies are in nats.

  Args:
    predictions: with the full view.
    full: the full view.

  Returns:
    By name, (N,) float64, NaN where a view that is needed does not predict the
    clip. Signals that need a single view, or two seeds, are there only where
    the predictions have such.
  """
  means = {
    view: predictions_lib.mean_over_seeds(probabilities)
    for view, probabilities in predictions.probabilities.items()
  }
  labels = {
    view: predictions_lib.predicted_class(mean) for view, mean in means.items()
  }
  there = labels[full] >= 0
  found = {}
  for view in predictions.views:
    if view != full:
      found[f'{view}_disagreement'] = np.where(
        there & (labels[view] >= 0), labels[view] != labels[full], np.nan
      )
  singles = [
    view for view in predictions.views if view != full and '+' not in view
  ]
  if singles:
    seen = np.stack([there & (labels[view] >= 0) for view in singles])
    count = seen.sum(axis=0)
    guesses = np.stack([labels[view] for view in singles])
    differ = ((guesses != labels[full]) & seen).any(axis=0)
    found['any_disagreement'] = np.where(count > 0, differ, np.nan)
    num_classes = means[full].shape[-1]
    said = (guesses[..., None] == np.arange(num_classes)) & seen[..., None]
    found['num_unimodal_labels'] = np.where(
      count > 0, said.any(axis=0).sum(axis=-1), np.nan
    )
    if len(singles) > 1:
      found['unimodal_jsd'] = divergence(
        np.stack([means[view] for view in singles])
      )
    divergences = [
      divergence(np.stack([means[view], means[full]])) for view in singles
    ]
    for view, values in zip(singles, divergences, strict=True):
      found[f'{view}_jsd'] = values
    seen = ~np.isnan(divergences)
    total = np.where(seen, divergences, 0).sum(axis=0)
    found['full_jsd'] = np.where(
      count > 0, total / np.maximum(seen.sum(axis=0), 1), np.nan
    )
  two = np.sort(means[full], axis=-1)[:, -2:]
  found['entropy'] = entropy(means[full])
  found['one_minus_confidence'] = 1 - two[:, 1]
  found['one_minus_margin'] = 1 - (two[:, 1] - two[:, 0])
  members = predictions.probabilities[full]
  if len(members) > 1:
    found['seed_mutual_information'] = divergence(members)
  return found


def entropy(probabilities: np.ndarray) -> np.ndarray:
  """Shannon's entropy in nats of (..., C); NaN stays."""
  return special.entr(probabilities).sum(axis=-1)


def divergence(distributions: np.ndarray) -> np.ndarray:
  """Generalised Jensen-Shannon divergence, equal weights, in nats.

  Args:
    distributions: (V, N, C), NaN where one is not known.

  Returns:
    (N,) float64: the entropy of the mean of those that are known less their
    mean entropy; NaN where fewer than two are.
  """
  there = ~np.isnan(distributions[..., 0])
  count = there.sum(axis=0)
  each = np.where(there, entropy(distributions), 0).sum(axis=0)
  mixed = entropy(predictions_lib.mean_over_seeds(distributions))
  # Rounding may leave a divergence of equals just below 0.
  gap = np.maximum(mixed - each / np.maximum(count, 1), 0)
  return np.where(count > 1, gap, np.nan)


def _add_rates(
  found: Findings,
  prefix: str,
  sample: resampling.Sample,
  ours: np.ndarray,
  fulls: np.ndarray,
) -> None:
  """Adds rate, seed null and excess of labels (S, n) and (Z, n)."""

  def add(name: str, values: np.ndarray, *influences: np.ndarray) -> None:
    totals = sample.totals(np.stack([values, np.ones(len(values))], axis=1))
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(
        sample,
        resampling.mean(totals),
        scale=Scale.IDENTITY if name == 'excess' else Scale.LOGIT,
        seeds=resampling.seed_variance(
          *(resampling.seed_means(sample, parts) for parts in influences)
        ),
        null=name == 'excess',
      ),
    )

  apart = mismatches(ours, fulls)
  rate = apart.mean(axis=(0, 1))
  # By view, (seeds, n): what each seed's pairs say of each clip.
  by_seed = [apart.mean(axis=1), apart.mean(axis=0)]
  add('rate', rate, *by_seed)
  if min(len(ours), len(fulls)) < 2:
    for name in ('seed_null', 'excess'):
      found.skipped[f'{prefix}.{name}'] = (
        'Seed noise is unknown: both views need two seeds or more.'
      )
    return
  nulls, null_by_seed = [], []
  for labels in (ours, fulls):
    within = mismatches(labels, labels)
    num_others = len(labels) - 1
    nulls.append(within.sum(axis=(0, 1)) / (len(labels) * num_others))
    # Its derivative by the weight of a seed is twice this: a seed is in the
    # pairs' first place and in their second.
    null_by_seed.append(within.sum(axis=1) / num_others)
  null = (nulls[0] + nulls[1]) / 2
  add('seed_null', null, *null_by_seed)
  add(
    'excess',
    rate - null,
    by_seed[0] - null_by_seed[0],
    by_seed[1] - null_by_seed[1],
  )


def _add_error_consistency(
  found: Findings,
  prefix: str,
  corpus: corpus_lib.Corpus,
  chosen: np.ndarray,
  ours: np.ndarray,
  fulls: np.ndarray,
) -> None:
  """Adds the error consistency of the labels (S, n), (Z, n) of `chosen`."""
  labels = corpus.labels[chosen]
  there = labels != corpus_lib.UNLABELLED
  name = f'{prefix}.error_consistency'
  if not there.any():
    found.skipped[name] = 'No clip that both views predict has a label.'
    return
  sample = resampling.sample(corpus.groups[chosen][there])
  statistic, variance = error_consistency(
    sample,
    ours[:, there] == labels[there],
    fulls[:, there] == labels[there],
  )
  found.add(
    name,
    resampling.estimate(sample, statistic, Scale.FISHER, variance),
    'Some pair of seeds is right, or wrong, on every clip.',
  )


def _mean_over_pairs(
  totals: np.ndarray,
  function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> tuple[resampling.Statistic, SeedNoise | None]:
  """The mean of `function`'s figures (R, S, Z), and the seeds' variance."""
  pairs = function(totals.sum(axis=0)[None])[0][0]

  def mean(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, gradient = function(sums)
    return values.mean(axis=(1, 2)), gradient

  return resampling.of_totals(totals, mean), _pair_variance(pairs)


def _pair_variance(pairs: np.ndarray) -> SeedNoise | None:
  """The seeds' variance of a mean over pairs (S, Z) of seeds of two views."""
  return resampling.seed_variance(
    (pairs.mean(axis=1), None), (pairs.mean(axis=0), None)
  )


def _kappas(
  sums: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Cohen's kappa of every pair, and the gradient of their mean.

  Args:
    sums: (R, S Z + S C + Z C + 1) totals: clips on which a pair agrees, labels
      of each seed of the one view, of the other, clips.
    shape: S, Z, C.

  Returns:
    (R, S, Z), NaN where both always say the same one class; and the gradient,
    like `sums`.
  """
  num_first, num_second, num_classes = shape
  sizes = (
    num_first * num_second,
    num_first * num_classes,
    num_second * num_classes,
  )
  share = sums / np.maximum(sums[:, -1:], 1e-300)
  agree, first, second, _ = np.split(share, np.cumsum(sizes), axis=1)
  agree = agree.reshape(-1, num_first, num_second)
  first = first.reshape(-1, num_first, num_classes)
  second = second.reshape(-1, num_second, num_classes)
  chance = first @ second.swapaxes(1, 2)
  room = 1 - chance
  defined = room > _ZERO
  room = np.where(defined, room, 1)
  kappas = np.where(defined, (agree - chance) / room, np.nan)
  by_chance = (agree - 1) / room**2
  parts = [1 / room, by_chance @ second, by_chance.swapaxes(1, 2) @ first]
  return kappas, _gradient_of_mean(sums, parts, num_first * num_second)


def _consistencies(
  sums: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
  """Error consistency of every pair, and the gradient of their mean.

  Args:
    sums: (R, S Z + S + Z + 1) totals: clips on which both of a pair are right,
      each seed of the one view is right, of the other, clips.
    shape: S, Z.

  Returns:
    (R, S, Z), NaN where both are always right or both always wrong; and the
    gradient, like `sums`.
  """
  num_first, num_second = shape
  share = sums / np.maximum(sums[:, -1:], 1e-300)
  sizes = (num_first * num_second, num_first, num_second)
  both, first, second, _ = np.split(share, np.cumsum(sizes), axis=1)
  both = both.reshape(-1, num_first, num_second)
  first, second = first[:, :, None], second[:, None]
  alike = 1 - first - second + 2 * both
  chance = first * second + (1 - first) * (1 - second)
  room = 1 - chance
  defined = room > _ZERO
  room = np.where(defined, room, 1)
  values = np.where(defined, (alike - chance) / room, np.nan)
  by_chance = (alike - 1) / room**2
  parts = [
    2 / room,
    (by_chance * (2 * second - 1) - 1 / room).sum(axis=2),
    (by_chance * (2 * first - 1) - 1 / room).sum(axis=1),
  ]
  return values, _gradient_of_mean(sums, parts, num_first * num_second)


def _gradient_of_mean(
  sums: np.ndarray, parts: list[np.ndarray], num_pairs: int
) -> np.ndarray:
  """The gradient by totals, from the summed derivatives by their shares."""
  flat = [part.reshape(len(sums), -1) for part in parts]
  count = np.maximum(sums[:, -1:], 1e-300)
  gradient = np.concatenate(flat, axis=1) / (num_pairs * count)
  # The figure does not change when all totals grow alike (Euler).
  rest = (gradient * sums[:, :-1]).sum(axis=1, keepdims=True) / count
  return np.concatenate([gradient, -rest], axis=1)
