"""The study of a tally: the same names, from sums instead of clips.

What sums give is what the study of all clips in memory gives, to rounding.
Figures of ranks are of signals on a grid and of confidence in bins of it; their
`method` says by how much they can be off, where that can be told. What a
tally does not keep is skipped, and the reason says so.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  data_checks,
  disagreement,
  dominance,
  humans,
  ranking,
  resampling,
  selective,
  views,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import sides as sides_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  Scale,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.tallies import Tally

_AT_ONCE = (
  'This is not kept in a tally; judge the clips, or a sample of them, without '
  '--tally.'
)
_ANY, _CONFIDENCE = plan_lib.ANY, 'one_minus_confidence'


def build(tally: Tally) -> study_lib.Study:
  """Asks every question that sums can answer.

  Raises:
    InputError: there is no clip with predictions or votes.
  """
  if not tally.totals['data', 'judged'].any() and not tally.has_votes:
    raise errors.InputError('the tally has neither predictions nor votes')
  plan = Plan(tally.survey)
  return study_lib.assemble(
    {
      7: data_checks.answer(tally.totals, plan),
      1: views.answer(tally.totals, plan),
      2: disagreement.answer(tally.totals, plan),
      3: study_lib.about_ambiguity(tally.totals, plan),
      4: dominance.answer(tally.totals, plan),
      5: humans.answer(tally.totals, plan),
      6: _diagnosis(tally),
    },
    study_lib.info(tally.totals, plan),
  )


def _full(tally: Tally) -> str:
  return corpus_lib.view_name(tally.info['modalities'])


def _others(tally: Tally) -> list[str]:
  return [view for view in tally.members if view != _full(tally)]


@dataclasses.dataclass(frozen=True)
class _Groups:
  """The groups that have clips of some kind.

  Attributes:
    kept: (G,) bool.
    sample: these groups.
  """

  kept: np.ndarray
  sample: resampling.Groups

  def of(self, totals: np.ndarray) -> np.ndarray:
    """Their rows of totals (G, ...)."""
    return totals[self.kept]


def _groups(tally: Tally, clips: np.ndarray) -> _Groups:
  """Those with clips (G,); there is one at least."""
  kept = clips > 0
  number = round(float(clips.sum()))
  return _Groups(
    kept,
    resampling.Groups(tally.groups[kept], number),
  )


def _mean(
  tally: Tally, total: np.ndarray, count: np.ndarray, **how
) -> Estimate:
  """The ratio of two totals (G,), over the groups that count."""
  groups = _groups(tally, count)
  both = np.stack([groups.of(total), groups.of(count)], axis=1)
  return resampling.estimate(groups.sample, resampling.mean(both), **how)


def _signals(tally: Tally, prefix: str) -> list[str]:
  """The signals that there is a grid of, `any_disagreement` first."""
  names = [
    name.removeprefix(f'{prefix}/')
    for name in tally.sums
    if name.startswith(f'{prefix}/')
  ]
  first = [name for name in (_ANY, _CONFIDENCE) if name in names]
  return first + [name for name in names if name not in first]


def _coarse(tally: Tally, strata: np.ndarray) -> str:
  """As `plan.Strata.too_coarse`, of places of the grid that have clips."""
  clips = strata[:, :, 1].sum(axis=(0, 1, -1))
  places = clips.reshape(len(tally.info['classes']), -1).sum(axis=0)
  number, none = np.count_nonzero(places), np.empty(0)
  found = plan_lib.Strata(none, none, 0, True, number, round(clips.sum()))
  return found.too_coarse()


def _binned(tally: Tally, strata: np.ndarray) -> np.ndarray:
  """Predicted class x bin of confidence, by rank, of places of doubt.

  Args:
    tally: for the number of classes.
    strata: (G, A, 2, C * NUM_STRATA, 2), of A variants.

  Returns:
    (G, 2, C * bins, 2), the mean over variants.
  """
  num_classes = len(tally.info['classes'])
  num_variants = strata.shape[1]
  by_place = strata[:, :, 1].sum(axis=(0, -1))
  by_place = by_place.reshape(num_variants, num_classes, -1).sum(axis=1)
  total = 0
  for variant, count in enumerate(by_place):
    number = count.sum()
    num_bins = int(plan_lib.NUM_STRATA * max(1.0, number / 5_000) ** 0.25)
    less_sure = np.cumsum(count[::-1])[::-1] - count
    place = np.minimum(num_bins * less_sure // number, num_bins - 1).astype(int)
    # Places of little doubt have the high bins, so that bins fall.
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    own = strata[:, variant].reshape(len(strata), 2, num_classes, len(place), 2)
    summed = np.add.reduceat(own, starts, axis=3)
    binned = np.zeros((len(strata), 2, num_classes, num_bins, 2))
    binned[:, :, :, place[starts]] = summed
    total = total + binned / num_variants
  return total.reshape(len(strata), 2, -1, 2)


def _ranked(tally: Tally, cells: np.ndarray) -> tuple[_Groups, dict[str, Any]]:
  """The groups and the figures of clips by place and kind (G, U, 2)."""
  groups = _groups(tally, cells.sum(axis=(1, 2)))
  cells = groups.of(cells)
  used = cells.any(axis=(0, 2))
  cells = cells[:, used]
  return groups, ranking.of_totals(
    groups.sample, cells.sum(axis=2), cells[:, :, 1]
  )


def tied(cells: np.ndarray) -> float:
  """By how much AUROC can be off for a grid's sake, of cells (G, U, 2).

  Half the share of pairs of a positive and a negative clip in one place.
  """
  rest, hits = cells.sum(axis=0).T
  pairs = rest.sum() * hits.sum()
  return float((rest * hits).sum() / pairs / 2) if pairs else 0.0


def _rank(
  tally: Tally, found: Findings, cells: np.ndarray, name: str, null: bool
) -> None:
  groups, figures = _ranked(tally, cells)
  estimate = resampling.estimate(
    groups.sample, figures['auroc'][0], scale=Scale.LOGIT, null=null
  )
  found.add(name, _on_grid(estimate, cells), 'The clips are all of one kind.')


def _on_grid(estimate: Estimate, *cells: np.ndarray) -> Estimate:
  """Says how far the grid can have moved an AUROC, or a difference of two.

  Signals of few values lie on the grid as they are.
  """
  off = sum(tied(one) for one in cells if (one.any(axis=(0, 2))).sum() > 8)
  if estimate.estimate is None or not off:
    return estimate
  return dataclasses.replace(
    estimate,
    method=f'{estimate.method}, signal on a grid (off {off:.1g} at most)',
  )


def _minus_confidence(
  tally: Tally,
  found: Findings,
  grids: Mapping[str, np.ndarray],
  name: str,
  statistic: str,
) -> None:
  """Adds a signal's AUROC minus that of confidence on the same clips."""
  own, confidence = grids[name], grids[_CONFIDENCE]
  if not np.array_equal(own.sum(axis=1), confidence.sum(axis=1)):
    found.skipped[statistic] = (
      'The signal is not known of all clips that confidence is known of. '
      + _AT_ONCE
    )
    return
  groups, figures = _ranked(tally, own)
  _, others = _ranked(tally, confidence)
  estimate = resampling.estimate(
    groups.sample,
    resampling.minus(figures['auroc'][0], others['auroc'][0]),
    Scale.DIFFERENCE,
    null=True,
  )
  found.add(
    statistic,
    _on_grid(estimate, own, confidence),
    'The clips are all of one kind.',
  )


def _diagnosis(tally: Tally) -> Findings:
  """As `diagnosis.answer`, but for what is fitted to clips."""
  if _full(tally) not in tally.members:
    return Findings(
      skipped={
        'question 6': f'There are no predictions of the full view, '
        f'{_full(tally)}.'
      }
    )
  wrong, known = np.moveaxis(tally.sums['diagnosis/error'], -1, 0)
  if not 0 < wrong.sum() < known.sum():
    return Findings(
      skipped={
        'question 6': 'The full view is right, or wrong, on every labelled '
        'clip.'
      }
    )
  found = Findings(primary=f'diagnosis.{_ANY}.adjusted')
  found.add(
    'diagnosis.error_rate', _mean(tally, wrong, known, scale=Scale.LOGIT)
  )
  names = [
    name
    for name in _signals(tally, 'diagnosis')
    if name not in ('error', 'strata') and tally.sums[f'diagnosis/{name}'].any()
  ]
  rows = []
  for name in names:
    prefix = f'diagnosis.{name}'
    against = f'{prefix}.auroc_error_minus_confidence'
    grids = {one: tally.sums[f'diagnosis/{one}'] for one in (name, _CONFIDENCE)}
    _rank(tally, found, grids[name], f'{prefix}.auroc_error', True)
    groups, figures = _ranked(tally, grids[name])
    for figure in ('average_precision', 'aurc', 'e_aurc', 'errors_found_at_10'):
      statistic, drawn = figures[figure]
      found.add(
        f'{prefix}.{figure}',
        resampling.estimate(
          groups.sample,
          statistic,
          Scale.LOG if figure == 'e_aurc' else Scale.LOGIT,
          drawn=drawn,
        ),
        'The full view is right on every clip with the signal.',
      )
    if name != _CONFIDENCE:
      _minus_confidence(tally, found, grids, name, against)
    rows.append(
      {'signal': name, 'num_clips': groups.sample.num_clips}
      | interval_cells(f'{prefix}.auroc_error', 'auroc_error')
      | interval_cells(against, 'minus_confidence')
      | {'p': Cell(against, 'p'), 'p_adjusted': Cell(against, 'p_adjusted')}
      | interval_cells(f'{prefix}.auroc_error_uncontested', 'uncontested')
      | {
        figure: Cell(f'{prefix}.{figure}')
        for figure in ('average_precision', 'aurc', 'e_aurc')
      }
      | interval_cells(f'{prefix}.errors_found_at_10', 'errors_found_at_10')
    )
  found.tables['diagnosis'] = rows
  if 'diagnosis/strata' in tally.sums:
    strata = tally.sums['diagnosis/strata']
    clips = strata[:, 0, 1].sum(axis=(1, 2))
    coarse = _coarse(tally, strata)
    if clips.any() and coarse:
      found.skipped[f'diagnosis.{_ANY}.adjusted'] = coarse
    elif clips.any():
      groups = _groups(tally, clips)
      found.add(
        f'diagnosis.{_ANY}.adjusted',
        resampling.estimate(
          groups.sample,
          sides_lib.adjusted(
            sides_lib.Sides(
              groups.sample,
              sparse.csr_array(
                groups.of(_binned(tally, strata)).reshape(groups.kept.sum(), -1)
              ),
            )
          ),
          Scale.DIFFERENCE,
          null=True,
          alternative='greater',
        ),
        'In no stratum of label and confidence are there clips of both kinds.',
      )
  for figure in ('auroc_error', 'auroc_error_minus_confidence'):
    found.families.append([f'diagnosis.{name}.{figure}' for name in names])
  found.skipped['diagnosis.combined'] = _AT_ONCE
  for wanted in selective.WANTED:
    found.skipped[f'diagnosis.selective_{round(100 * wanted)}'] = _AT_ONCE
  for name in names:
    figures = ['auroc_error_uncontested']
    if name.endswith('_disagreement'):
      figures.append('precision_minus_confidence')
    for figure in figures:
      found.skipped[f'diagnosis.{name}.{figure}'] = _AT_ONCE
  return found
