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
  agreement,
  data_checks,
  disagreement,
  humans,
  ranking,
  resampling,
  selective,
  tallies,
  views,
  wording,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import sides as sides_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  Scale,
  SeedNoise,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.tallies import Tally

_AT_ONCE = (
  'This is not kept in a tally; judge the clips, or a sample of them, without '
  '--tally.'
)
_ANY, _CONFIDENCE = plan_lib.ANY, 'one_minus_confidence'
_PRIMARY = 'views.full_minus_best_single.accuracy'


def build(tally: Tally) -> study_lib.Study:
  """Asks every question that sums can answer.

  Raises:
    InputError: there is no clip with predictions or votes.
  """
  if not tally.sums['data/judged'].any() and not tally.has_votes:
    raise errors.InputError('the tally has neither predictions nor votes')
  plan = Plan(tally.survey)
  return study_lib.assemble(
    {
      7: _data(tally),
      1: _views(tally),
      2: disagreement.answer(tally.totals, plan),
      3: study_lib.about_ambiguity(tally.totals, plan),
      4: Findings(skipped={'question 4': _AT_ONCE}),
      5: _humans(tally),
      6: _diagnosis(tally),
    },
    _info(tally),
    {'id': np.array([], np.str_), 'rank': np.array([], np.int64)},
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


def _by_seed(
  total: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Each seed's mean and its derivative by group, of totals (G, S)."""
  number = count.sum(axis=0)
  means = total.sum(axis=0) / number
  return means, ((total - means * count) / number).T


def _views(tally: Tally) -> Findings:
  """As `views.answer`."""
  found = Findings(primary=_PRIMARY)
  known = [
    view
    for view in tally.members
    if tally.sums[f'views/{view}/ensemble'][:, 1].any()
  ]
  if not known:
    found.skipped['question 1'] = (
      'No clip with predictions has a label, so no view can be judged.'
    )
    return found
  rows, class_rows, reliability = [], [], {}
  for view in known:
    rows.append(_judge(tally, found, view))
    class_rows += _classes(tally, view)
    reliability[view] = _reliability(tally, view)
  found.tables['views'], found.tables['classes'] = rows, class_rows
  found.curves['reliability'] = reliability
  _compare(tally, found, known)
  return found


def _judge(tally: Tally, found: Findings, view: str) -> dict[str, Any]:
  """Adds the figures of a view; returns its row."""
  prefix = f'views.{view}'
  sums = {
    name.removeprefix(f'views/{view}/'): array
    for name, array in tally.sums.items()
    if name.startswith(f'views/{view}/')
  }
  groups = _groups(tally, sums['ensemble'][:, 1])
  sample = groups.sample
  sums = {name: groups.of(array) for name, array in sums.items()}
  there = sums['members'][..., 0].sum(axis=0) > 0
  sums = {
    name: array if name in ('ensemble', 'support') else array[:, there]
    for name, array in sums.items()
  }
  number, right, nll, brier = np.moveaxis(sums['members'], -1, 0)
  num_seeds, n = number.shape[1], sample.num_clips

  def over_seeds(total):
    return (
      resampling.mean_of_ratios(total, number),
      resampling.seed_variance(_by_seed(total, number)),
    )

  flat = {
    name: sums[name].reshape(len(number), -1)
    for name in ('f1', 'folds', 'fold_hits')
  }
  figures = {
    'accuracy': over_seeds(right),
    'accuracy_fold_mean': views.fold_mean_of_totals(
      flat['fold_hits'], flat['folds'], num_seeds
    ),
    'ensemble_accuracy': (
      resampling.mean(sums['ensemble']),
      resampling.THESE_SEEDS,
    ),
    **views.f1_of_totals(flat['f1'], sums['f1'].shape[1:]),
  }
  for name, (statistic, variance) in figures.items():
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(sample, statistic, scale=Scale.LOGIT, seeds=variance),
    )
  for name, total in (('nll', nll), ('brier', brier)):
    statistic, variance = over_seeds(total)
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(sample, statistic, Scale.LOG, variance),
    )
  bins = {
    name: sums[f'bins/{name}'].sum(axis=0)
    for name in ('confidence', 'right', 'variance')
  }
  count = number.sum(axis=0)
  gap = np.abs(bins['right'] - bins['confidence']).sum(axis=1)
  found.add(
    f'{prefix}.ece',
    Estimate(
      float((gap / count).mean()),
      n=n,
      method='biased upward: compare with ece_null; no interval',
    ),
  )
  null = np.sqrt(2 / np.pi * bins['variance']).sum(axis=1)
  found.add(
    f'{prefix}.ece_null',
    Estimate(
      float((null / count).mean()),
      n=n,
      method='labels drawn from the probabilities, by the normal law',
    ),
  )
  if num_seeds < 2:
    found.skipped[f'{prefix}.seed_sd'] = (
      'There is one seed only, so the spread over seeds is unknown.'
    )
  else:
    spread = np.std(right.sum(axis=0) / count, ddof=1)
    found.add(
      f'{prefix}.seed_sd',
      Estimate(
        float(spread),
        n=n,
        method=f'standard deviation of the accuracies of {num_seeds} seeds',
      ),
    )
  return (
    {'view': view, 'num_clips': n, 'num_seeds': num_seeds}
    | {figure: Cell(f'{prefix}.{figure}') for figure in views.FIGURES}
    | interval_cells(f'{prefix}.accuracy', 'accuracy')
  )


def _classes(tally: Tally, view: str) -> list[dict[str, Any]]:
  """As `views.class_figures`."""
  sums = tally.sums[f'views/{view}/f1'].sum(axis=0)
  hits, guessed, true = np.moveaxis(sums[sums.any(axis=(1, 2))], 1, 0)
  support = tally.sums[f'views/{view}/support'].sum(axis=0)
  figures = {
    'precision': (hits / np.maximum(guessed, 1)).mean(axis=0),
    'recall': (hits / np.maximum(true, 1)).mean(axis=0),
    'f1': (2 * hits / np.maximum(guessed + true, 1)).mean(axis=0),
  }
  there = (guessed + true).any(axis=0)
  return [
    {'view': view, 'class': name}
    | {
      figure: float(values[i]) if there[i] else None
      for figure, values in figures.items()
    }
    | {'support': int(support[i])}
    for i, name in enumerate(tally.info['classes'])
  ]


def _reliability(tally: Tally, view: str) -> dict[str, list]:
  """As `views.reliability_curve`."""
  count, confidence, right = (
    tally.sums[f'views/{view}/bins/{name}'].sum(axis=(0, 1))
    for name in ('count', 'confidence', 'right')
  )
  used = count > 0
  return {
    'confidence': (confidence[used] / count[used]).tolist(),
    'accuracy': (right[used] / count[used]).tolist(),
    'count': count[used].astype(int).tolist(),
  }


def _compare(tally: Tally, found: Findings, known: list[str]) -> None:
  """The full view minus each other one, and minus the best single one."""
  full = _full(tally)
  others = [view for view in known if view != full]
  if full not in known or not others:
    found.skipped[_PRIMARY] = (
      f'There are no predictions of the full view, {full}.'
      if full not in known
      else f'There is no view beside the full one, {full}.'
    )
    return
  names, singles = {}, {}
  for view in others:
    name = f'views.full_minus_{view}.accuracy'
    count = tally.sums[f'pairs/{view}/labelled'][:, 0]
    if not count.any():
      found.skipped[name] = (
        f'No labelled clip is predicted by every seed of {full} and {view}.'
      )
      continue
    groups = _groups(tally, count)
    statistic, variance = _gain(tally, view, groups)
    found.add(
      name,
      resampling.estimate(
        groups.sample, statistic, Scale.DIFFERENCE, variance, null=True
      ),
    )
    names[view] = name
    if '+' not in view:
      singles[view] = name
  found.families.append(list(names.values()))
  fields = ('estimate', 'low', 'high', 'p', 'p_adjusted', 'n')
  found.tables['full_minus_view'] = [
    {'view': view} | {field: Cell(name, field) for field in fields}
    for view, name in names.items()
  ]
  if not singles:
    found.skipped[_PRIMARY] = 'There are no predictions of a single modality.'
    return
  groups = _groups(tally, tally.sums['paired/union'][:, 0])
  differences = []
  for view in singles:
    statistic, variance = _gain(tally, view, groups)
    differences.append(
      resampling.studentise(
        groups.sample, statistic, Scale.DIFFERENCE, variance
      )
    )
  found.add(
    _PRIMARY,
    resampling.minimum(groups.sample, differences, groups.sample.num_clips),
  )


def _gain(
  tally: Tally, view: str, groups: _Groups
) -> tuple[resampling.Statistic, SeedNoise | None]:
  """Accuracy of the full view minus that of another one, on the same clips."""
  count, own, full = (
    groups.of(tally.sums[f'pairs/{view}/{name}'])
    for name in ('labelled', 'right', 'full_right')
  )
  gain = full.mean(axis=1) - own.mean(axis=1)
  variance = views.noise_of_difference(
    [np.array(tally.members[name]) for name in (_full(tally), view)],
    [_by_seed(full, count), _by_seed(own, count)],
  )
  return resampling.mean(np.stack([gain, count[:, 0]], axis=1)), variance


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


def _source(tally: Tally) -> str | None:
  """The votes that made the label, as `votes.source_of_label`."""
  conditions = tally.info['conditions']
  full = corpus_lib.full_condition(conditions)
  return votes_lib.source_of_counts(
    {name: _pluralities(tally, name) for name in (full, *conditions, '')},
    tally.info.get('label_source'),
  )


def _pluralities(tally: Tally, name: str) -> np.ndarray:
  """Sums of `votes.plurality_and_label` of a condition, '' for all votes."""
  prefix = f'humans/{name}' if name else 'all_votes'
  return tally.sums[f'{prefix}/plurality'].sum(axis=0)


def _humans(tally: Tally) -> Findings:
  """As `humans.answer`, of what is not drawn for each clip."""
  if not tally.has_votes:
    return Findings(skipped={'question 5': 'The corpus has no votes.'})
  found = Findings()
  source = _source(tally)
  voted = [
    name
    for name in tally.info['conditions']
    if tally.sums[f'humans/{name}/votes'].any()
  ]
  for name in voted:
    _agree(tally, found, name)
  full = corpus_lib.full_condition(voted)
  compared = {}
  for name in voted:
    if name == full:
      continue
    statistic = f'humans.full_minus_{name}.accuracy'
    gain, count = np.moveaxis(tally.sums[f'humans/{name}/full_minus'], -1, 0)
    if source is not None:
      found.skipped[statistic] = (
        'The label was made from the votes, so that it would have to be made '
        f'anew clip by clip. {_AT_ONCE}'
      )
    elif not count.any():
      found.skipped[statistic] = (
        f'No labelled clip has votes in both {full} and {name}.'
      )
    else:
      found.add(
        statistic, _mean(tally, gain, count, scale=Scale.DIFFERENCE, null=True)
      )
      compared[statistic] = tally.sums[f'humans/{name}/full_minus']
  if len(voted) < 2:
    found.skipped['humans.full_minus_other.accuracy'] = (
      f'Annotators voted in one condition only, {full}.'
    )
  found.tables['humans'] = [_human_row(tally, name, source) for name in voted]
  for name in (
    'full_minus_best_per_clip',
    'hurt_share',
    'hurt_share_naive',
    'models',
    *(f'{name}_vs_full' for name in voted if name != full),
  ):
    found.skipped[f'humans.{name}'] = _AT_ONCE
  every = sum((totals[:, 1] for totals in compared.values()), 0)
  primary = None
  if compared:
    groups = _groups(tally, every)
    primary = humans.take_least(
      found,
      groups.sample,
      {name: groups.of(totals) for name, totals in compared.items()},
    )
  return dataclasses.replace(
    found,
    primary=primary,
    families=[[name for name in compared if name != primary]],
  )


def _figures(tally: Tally) -> dict[str, agreement.Coefficient]:
  ordered = bool(tally.info.get('ordered', False))
  return agreement.coefficients(len(tally.info['classes']), ordered)


def _agree(tally: Tally, found: Findings, condition: str) -> None:
  """Adds what the votes of a condition say by themselves."""
  prefix = f'humans.{condition}'
  sums = {
    name.removeprefix(f'humans/{condition}/'): array
    for name, array in tally.sums.items()
    if name.startswith(f'humans/{condition}/')
  }
  hits, votes, clips = np.moveaxis(sums['accuracy'], -1, 0)
  if clips.any():
    groups = _groups(tally, clips)
    both = np.stack([groups.of(hits), groups.of(votes)], axis=1)
    found.add(
      f'{prefix}.accuracy',
      resampling.estimate(
        groups.sample, resampling.mean(both), scale=Scale.LOGIT
      ),
    )
  else:
    found.skipped[f'{prefix}.accuracy'] = 'No clip with votes has a label.'
  plain, mended, voted = np.moveaxis(sums['entropy'], -1, 0)
  found.add(f'{prefix}.entropy', _mean(tally, plain, voted, scale=Scale.LOG))
  found.add(
    f'{prefix}.entropy_miller_madow',
    _mean(tally, mended, voted, scale=Scale.LOG),
  )
  ceiling, count = np.moveaxis(sums['ceiling'], -1, 0)
  if count.any():
    found.add(
      f'{prefix}.one_vote_ceiling',
      _mean(tally, ceiling, count, scale=Scale.LOGIT),
    )
  else:
    found.skipped[f'{prefix}.one_vote_ceiling'] = (
      'No clip has two votes or more.'
    )
  found.skipped[f'{prefix}.split_half_reliability'] = _AT_ONCE
  observed = agreement.observed()
  figures = {'gs': observed, 'observed_agreement': observed}
  for name, figure in (figures | _figures(tally)).items():
    totals = sums['observed_agreement' if name == 'gs' else name]
    if not totals[:, -1].any():
      found.skipped[f'{prefix}.{name}'] = 'No clip has two votes or more.'
      continue
    groups = _groups(tally, totals[:, -1])
    statistic = figure.of_totals(groups.of(totals)[:, :-1])
    if name == 'gs':
      statistic = resampling.one_minus(statistic)
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(
        groups.sample,
        statistic,
        scale=Scale.LOGIT if figure is observed else Scale.FISHER,
      ),
      'No two votes on a clip can be told from chance.',
    )


def _human_row(
  tally: Tally, condition: str, source: str | None
) -> dict[str, Any]:
  del source  # What it would add is skipped.
  prefix = f'humans.{condition}'
  difference = f'humans.full_minus_{condition}.accuracy'
  number = tally.sums[f'humans/{condition}/num_votes'].sum(axis=0)
  row = {
    'condition': condition,
    'num_clips': int(number[1:].sum()),
    'num_votes': int(tally.sums[f'humans/{condition}/votes'].sum()),
  }
  row |= interval_cells(f'{prefix}.accuracy', 'accuracy')
  for name in (
    'gs',
    'entropy',
    'entropy_miller_madow',
    'observed_agreement',
    'one_vote_ceiling',
    'split_half_reliability',
  ):
    row[name] = Cell(f'{prefix}.{name}')
  for name in _figures(tally):
    row |= interval_cells(f'{prefix}.{name}', name)
  row |= interval_cells(difference, 'full_minus')
  return row | {field: Cell(difference, field) for field in ('p', 'p_adjusted')}


def _data(tally: Tally) -> Findings:
  """As `data_checks.answer`, of what sums can tell."""
  found = Findings()
  found.tables['data_checks'] = []
  sums = tally.sums
  judged = sums['data/judged'][:, 0]
  if not judged.any():
    judged = sums['data/clips'][:, 0]
  n = int(judged.sum())
  if tally.bundled:
    number = len(tally.hashes)
    data_checks.note(
      found,
      'num_groups',
      number,
      data_checks.OK,
      f'There are {wording.plural(number, "group")}, put together into '
      f'{tallies.MOST_GROUPS} bundles of whole groups.',
      n,
    )
  else:
    data_checks.add_groups(found, judged[judged > 0].astype(np.int64))
  data_checks.add_views(
    found,
    sorted(tally.info['modalities'], key=corpus_lib.modality_order),
    list(tally.members),
    tally.num_clips,
  )
  found.skipped['data.confidence'] = (
    'How many values confidence takes is not kept in a tally.'
  )
  reason = ''
  folds = sums['data/folds']
  if tally.bundled:
    reason = f'More than {tallies.MOST_GROUPS} groups are not told apart.'
  elif sums['data/folds_differ'].any() or folds.any(axis=0).sum() < 2:
    reason = 'Nothing says which clips were held out from which.'
  if reason:
    found.skipped['data.group_leakage'] = reason
  else:
    straddle = np.count_nonzero(folds, axis=1) > 1
    leaked = float(folds[straddle].sum() / folds.sum())
    data_checks.note(
      found,
      'group_leakage',
      leaked,
      data_checks.FAIL if leaked else data_checks.OK,
      f'{wording.percent(leaked)} of the held-out clips belong to a group that '
      'is in the training data too.'
      if leaked
      else 'No group is on both sides of a split.',
      int(folds.sum()),
    )
  found.skipped['data.group_majority_accuracy'] = (
    'What the group of a clip tells is not asked of a tally.'
  )
  found.skipped['data.duplicates'] = 'Features are not kept in a tally.'
  _labels(tally, found)
  _votes(tally, found)
  return found


def _labels(tally: Tally, found: Findings) -> None:
  labels = tally.sums['data/labels'].sum(axis=0)
  total, clips = labels.sum(), tally.num_clips
  names = tally.info['classes']
  data_checks.add_classes(found, names, labels.astype(np.int64), clips)
  if not total:
    return
  by_fold = tally.sums['data/fold_labels'].sum(axis=0)
  if not by_fold.any() or tally.sums['data/held_out_by_some'].any():
    found.skipped['data.majority_accuracy'] = (
      'No held-out clip has a label, or members hold out different clips.'
    )
    return
  hits = 0.0
  counted = by_fold.sum(axis=0) if len(by_fold) > 1 else labels
  for own in by_fold:
    rest = counted - own
    hits += own[np.argmax(rest if rest.any() else own)]
  majority = float(hits / by_fold.sum())
  data_checks.note(
    found,
    'majority_accuracy',
    majority,
    data_checks.OK,
    'Always saying the commonest label is right on '
    f'{wording.percent(majority)} of the clips.',
    int(by_fold.sum()),
  )


def _votes(tally: Tally, found: Findings) -> None:
  if not tally.has_votes:
    found.skipped['data.votes_per_clip'] = 'The corpus has no votes.'
    return
  rows = []
  for name in tally.info['conditions']:
    number = tally.sums[f'humans/{name}/num_votes'].sum(axis=0)[1:]
    if not number.any():
      continue
    places = np.flatnonzero(number) + 1
    # The middle of two, where they differ, as a median has it.
    rank = np.cumsum(number) / number.sum()
    low, high = np.searchsorted(rank, 0.5), np.searchsorted(rank, 0.5, 'right')
    rows.append(
      {
        'condition': name,
        'num_clips': int(number.sum()),
        'num_votes': int(tally.sums[f'humans/{name}/votes'].sum()),
        'min': int(places[0]),
        'median': float((low + high) / 2 + 1),
        'max': int(places[-1]),
      }
    )
  found.tables['votes_per_clip'] = rows
  condition = corpus_lib.full_condition([row['condition'] for row in rows])
  if condition != corpus_lib.full_condition(tally.info['conditions']):
    found.skipped['data.votes_per_clip'] = (
      f'Nobody voted in the full condition. {_AT_ONCE}'
    )
    return
  row = next(row for row in rows if row['condition'] == condition)
  median, number = row['median'], row['num_clips']
  without = tally.num_clips - number
  data_checks.note(
    found,
    'votes_per_clip',
    median,
    data_checks.OK
    if median >= data_checks.FEW_VOTES and not without
    else data_checks.WARNING,
    f'The median clip has {wording.tally(median)} '
    f'{"vote" if median == 1 else "votes"} that speak for it'
    + (f'; {wording.plural(without, "clip")} without.' if without else '.'),
    number,
  )
  source = _source(tally)
  name = condition if source is None else source
  data_checks.note_label(
    found,
    name,
    source,
    tally.info.get('label_source'),
    _pluralities(tally, name),
  )


def _info(tally: Tally) -> dict[str, Any]:
  clips = tally.sums['data/judged'][:, 0]
  if not clips.any():
    clips = tally.sums['data/clips'][:, 0]
  how = resampling.describe(_groups(tally, clips).sample)
  if tally.bundled:
    how += (
      f' Here these are {tallies.MOST_GROUPS} bundles of whole groups, of '
      f'which there are {len(tally.hashes):,}.'
    )
  how += (
    ' Clips were added up in one pass, signals that rank them on a grid of '
    f'{tallies.NUM_PLACES:,} values.'
  )
  info = tally.info
  num_seeds = {view: len(seeds) for view, seeds in tally.members.items()}
  return {
    'corpus': info['name'],
    'label': info.get('label', ''),
    'classes': list(info['classes']),
    'modalities': sorted(info['modalities'], key=corpus_lib.modality_order),
    'conditions': list(info['conditions']),
    'license': info['license'],
    'source': info['source'],
    'simulated': bool(info.get('simulated', False)),
    'content': None,
    'num_clips': tally.num_clips,
    'num_groups': len(tally.hashes),
    'views': list(tally.members),
    'single_views': [view for view in tally.members if '+' not in view],
    'full_view': _full(tally),
    'full_condition': corpus_lib.full_condition(info['conditions']),
    'seeds': num_seeds,
    'folds': int(tally.sums['data/folds'].any(axis=0).sum()),
    'predictions': tally.num_rows,
    'resampling': how,
    'covers': study_lib.covers(num_seeds, [] if tally.has_votes else None)
    if len(tally.hashes) >= resampling.LEAST_GROUPS
    else '',
  }
