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

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  ambiguity,
  data_checks,
  disagreement,
  dominance,
  humans,
  ranking,
  resampling,
  selective,
  soft_scores,
  views,
)
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
_NOT_KEPT = (
  'What single seeds tell of each clip is not kept in a tally; judge a sample '
  'of the clips without --tally.'
)
_ANY, _CONFIDENCE = ambiguity.ANY, ambiguity.CONFIDENCE


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
      3: _ambiguity(tally),
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


def _signals(tally: Tally, prefix: str, suffix: str = '') -> list[str]:
  """The signals that there is a grid of, `any_disagreement` first."""
  names = [
    name.removeprefix(f'{prefix}/').removesuffix(suffix)
    for name in tally.sums
    if name.startswith(f'{prefix}/') and name.endswith(suffix)
  ]
  first = [name for name in (_ANY, _CONFIDENCE) if name in names]
  return first + [name for name in names if name not in first]


def _ambiguity(tally: Tally) -> Findings:
  """As `ambiguity.answer`, of what is not of single clips."""
  missing = ''
  if _full(tally) not in tally.members:
    missing = f'There are no predictions of the full view, {_full(tally)}.'
  elif not tally.has_votes:
    missing = 'The corpus has no votes.'
  elif f'ambiguity/{_ANY}/sides' not in tally.sums:
    missing = 'There are no predictions of a single modality.'
  elif not tally.sums[f'ambiguity/{_ANY}/grid'].any():
    missing = 'No predicted clip has two votes or more in the full condition.'
  if missing:
    return Findings(skipped={'question 3': missing})
  found = Findings()
  names = _signals(tally, 'ambiguity', '/grid')
  binary = [name for name in names if name.endswith('_disagreement')]
  rows = []
  for name in binary:
    if tally.sums[f'ambiguity/{name}/grid'].any():
      rows.append(
        {'signal': name}
        | _ask(
          tally,
          found,
          f'ambiguity.{name}',
          tally.sums[f'ambiguity/{name}/sides'],
          tally.sums[f'ambiguity/{name}/strata'],
        )
      )
  rows += _controls(tally, found)
  found.tables['ambiguity'] = rows
  found.tables['ambiguity_signals'] = [
    row
    for row in (_contested(tally, found, name) for name in names)
    if row is not None
  ]
  for figure in ('gs_difference', 'adjusted'):
    found.families.append([f'ambiguity.{name}.{figure}' for name in binary])
  for figure in ('auroc_contested', 'auroc_minus_confidence'):
    found.families.append([f'ambiguity.{name}.{figure}' for name in names])
  found.curves['gs_by_disagreement'] = _by_number(tally)
  found.skipped[ambiguity.BY_SEED] = _NOT_KEPT
  for view in tally.members:
    for figure in soft_scores.FIGURES:
      found.skipped[f'views.{view}.{figure}'] = _AT_ONCE
  for name in names:
    figures = ['auroc_contested_equal_n', 'spearman']
    if name in binary:
      figures.append('precision_minus_confidence')
      found.skipped[f'ambiguity.{name}.beyond_seeds'] = _NOT_KEPT
    for figure in figures:
      found.skipped[f'ambiguity.{name}.{figure}'] = _AT_ONCE
  return found


def _ask(
  tally: Tally,
  found: Findings,
  prefix: str,
  sides: np.ndarray,
  strata: np.ndarray | None,
) -> dict[str, Any]:
  """Adds both differences of a signal or control; returns its row."""
  groups = _groups(tally, sides[:, :, 1].sum(axis=1))
  control = prefix.startswith('ambiguity.control.')
  found.add(
    f'{prefix}.gs_difference',
    resampling.estimate(
      groups.sample,
      resampling.minus(
        *(resampling.mean(groups.of(sides)[:, side]) for side in (0, 1))
      ),
      Scale.DIFFERENCE,
      null=not control,
    ),
    'It has the same value for every clip with two votes or more.',
  )
  coarse = '' if strata is None else _coarse(tally, strata)
  if coarse:
    found.skipped[f'{prefix}.adjusted'] = coarse
  elif strata is not None:
    found.add(
      f'{prefix}.adjusted',
      resampling.estimate(
        groups.sample,
        ambiguity.adjusted_of_totals(groups.of(_binned(tally, strata))),
        Scale.DIFFERENCE,
        null=not control,
      ),
      'In no stratum of label and confidence are there clips of both kinds.',
    )
  (gs_differ, differ), (gs_agree, agree) = sides.sum(axis=0)
  return ambiguity.table_row(
    prefix,
    round(float(differ)),
    round(float(agree)),
    float(gs_differ / differ) if differ else None,
    float(gs_agree / agree) if agree else None,
  )


def _coarse(tally: Tally, strata: np.ndarray) -> str:
  """As `ambiguity.too_coarse`, of the places of the grid that have clips."""
  clips = strata[:, :, 1].sum(axis=(0, 1, -1))
  places = clips.reshape(len(tally.info['classes']), -1).sum(axis=0)
  return ambiguity.too_few(np.count_nonzero(places), round(clips.sum()))


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
    num_bins = ambiguity.num_strata(round(number))
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


def _controls(tally: Tally, found: Findings) -> list[dict[str, Any]]:
  """Adds the control of a constant view."""
  rows = []
  prefix = 'ambiguity.control'
  clips = tally.sums['ambiguity/control/clips']
  gs = tally.sums['ambiguity/control/gs']
  common = np.argmax(clips.sum(axis=0))
  sides = np.stack([gs, clips], axis=-1)
  constant = np.stack(
    [np.delete(sides, common, axis=1).sum(axis=1), sides[:, common]], axis=1
  )
  if constant[:, :, 1].sum(axis=0).all():
    rows.append(
      {'signal': 'control.constant'}
      | _ask(tally, found, f'{prefix}.constant', constant, None)
    )
  found.skipped[f'{prefix}.constant.adjusted'] = (
    'A constant view differs by the label of the full view alone, and clips '
    'are compared within that label.'
  )
  found.skipped[f'{prefix}.seed'] = _NOT_KEPT
  for name in ('noise', 'permuted'):
    found.skipped[f'{prefix}.{name}'] = _AT_ONCE
  return rows


def _contested(
  tally: Tally, found: Findings, name: str
) -> dict[str, Any] | None:
  """Adds how well a signal finds contested clips; returns its row."""
  prefix = f'ambiguity.{name}'
  grids = {
    one: tally.sums[f'ambiguity/{one}/grid'] for one in (name, _CONFIDENCE)
  }
  own = grids[name]
  if not own.any():
    found.skipped[prefix] = 'No clip with two votes or more has the signal.'
    return None
  _rank(tally, found, own, f'{prefix}.auroc_contested', True)
  if name != _CONFIDENCE:
    _minus_confidence(
      tally, found, grids, name, f'{prefix}.auroc_minus_confidence'
    )
  against = f'{prefix}.auroc_minus_confidence'
  total = own.sum(axis=(0, 1))
  return (
    {
      'signal': name,
      'num_clips': int(total.sum()),
      'num_contested': int(total[1]),
    }
    | interval_cells(f'{prefix}.auroc_contested', 'auroc_contested')
    | interval_cells(f'{prefix}.auroc_contested_equal_n', 'equal_n')
    | interval_cells(against, 'minus_confidence')
    | interval_cells(
      f'{prefix}.precision_minus_confidence', 'precision_minus_confidence'
    )
    | interval_cells(f'{prefix}.spearman', 'spearman')
    | {'p': Cell(against, 'p'), 'p_adjusted': Cell(against, 'p_adjusted')}
  )


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


def _by_number(tally: Tally) -> dict[str, list]:
  """GS by how many single views differ from the full one."""
  clips = tally.sums['ambiguity/by_number']
  gs = tally.sums['ambiguity/gs_by_number']
  curve = {'num_disagreeing': [], 'gs': [], 'low': [], 'high': [], 'count': []}
  for number in np.flatnonzero(clips.any(axis=0)):
    found = _mean(tally, gs[:, number], clips[:, number], scale=Scale.LOGIT)
    curve['num_disagreeing'].append(int(number))
    curve['gs'].append(found.estimate)
    curve['low'].append(found.low)
    curve['high'].append(found.high)
    curve['count'].append(found.n)
  return curve


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
          ambiguity.adjusted_of_totals(groups.of(_binned(tally, strata))),
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
