"""Question 2: how much do views differ, beyond seed noise?"""

import dataclasses
from collections.abc import Mapping

from empathy.evaluation import plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# Beside the rate, a gap of so much between seeds of the same name and others is
# worth a sentence.
_MUCH = 0.25
_PAIR = 'disagreement.{view}_vs_full'
_BEYOND = f'{_PAIR}.beyond_either'
_TABLES = {
  'views': (
    'disagreement',
    (
      parts.VIEW,
      parts.CLIPS_ONCE,
      *parts.ranged(_PAIR, 'rate'),
      *parts.plain(_PAIR, 'own_null', 'full_null'),
      parts.judged(_PAIR, 'beyond_either'),
      *parts.ranged(_PAIR, 'excess'),
      *parts.plain(_PAIR, 'kappa', 'error_consistency'),
    ),
  )
}


def section(study: Study) -> parts.Section:
  """Rates of disagreement with the full view, and what seeds explain of it."""
  base = parts.Section('disagreement', 'Disagreement', 2)
  rows = study.tables.get('disagreement') or []
  views = [row['view'] for row in rows]
  rates = parts.each(study, f'{_PAIR}.rate', 'view', views)
  if not rates:
    return dataclasses.replace(
      base, skipped=parts.skipped(study, 2), verdict=parts.verdict(study, 2)
    )
  full = study.info['full_view']
  beyond = parts.primary(study, 2)
  view = parts.primary_part(study, 2, 'view')
  others = _rates_sentence(study, {v: r for v, r in rates.items() if v != view})
  verdict = ''
  if beyond and view in rates:
    finding = _finding(study, view, rates[view], beyond)
    told = parts.with_p(finding, beyond)
    verdict = (
      f'{wording.capital(view)} and the full view give different labels to '
      f'{wording.percent(rates[view].estimate)} of clips, {parts.by(beyond)} '
      'than two seeds of either of them do.'
    )
  else:
    finding, others = _rates_sentence(study, rates)[0].rstrip('.'), ()
    told = finding + '.'
  figure, noise = _figure(study, rates, full)
  return dataclasses.replace(
    base,
    verdict=parts.verdict(study, 2, verdict),
    answer=(finding + '.', *others),
    finding=told,
    details=(
      *others,
      *_excess(study, view),
      *_shared_seeds(study, rates),
      *parts.skip_notes(study, _PAIR, _BEYOND),
    ),
    primary=parts.primary_row(
      study, 2, base.title, f'{view} and full view, beyond either'
    ),
    shows={
      'rates': figure,
      **parts.tables(study, _TABLES),
    },
    facts={
      'noise': noise,
      'clips': parts.same(rows, 'num_clips'),
      'singled_out': beyond and beyond.p is not None,
    },
  )


def _finding(study: Study, view: str, rate: Estimate, beyond: Estimate) -> str:
  full = study.info['full_view']
  few = parts.get(study, 'data.answered_by_all')
  few = few if few and rate.n < few.n else None
  only = f' that both always answer, of {few.n:,}' if few else ''
  return wording.claim(
    f'{wording.capital(view)} and the full view ({full}) give different labels '
    f'to {wording.share_with_interval(rate)} of '
    f'{wording.plural(rate.n, "clip")}{only}',
    beyond,
    above=', {} more than two seeds of either of them do',
    below=', but seeds of one and the same of them do so no less: of the '
    'noisier one, {} more',
    whether='whether that is more than two seeds of either of them do',
  )


def _excess(study: Study, view: str) -> tuple[str, ...]:
  """The excess over the mean of both views' seeds."""
  excess, own, full = (
    parts.get(study, f'{_PAIR}.{figure}', view=view)
    for figure in ('excess', 'own_null', 'full_null')
  )
  if None in (excess, own, full):
    return ()
  return (
    f'Two seeds of {view} differ on {wording.percent(own.estimate)} of clips, '
    f'two of the full view on {wording.percent(full.estimate)}; the excess '
    'over the mean of both is '
    f'{wording.points_with_interval(excess, signed=True)}.',
  )


def _shared_seeds(
  study: Study, rates: Mapping[str, Estimate]
) -> tuple[str, ...]:
  """Says it where members of one seed name are more alike than others."""
  gaps = parts.each(study, f'{_PAIR}.same_seed_gap', 'view', rates)
  alike = {
    view: gap
    for view, gap in gaps.items()
    if gap.estimate > _MUCH * rates[view].estimate
    and wording.standing(gap) != wording.OPEN
  }
  if not alike:
    return ()
  listed = wording.listing(
    f'{view} by {wording.points_with_interval(gap)}'
    for view, gap in alike.items()
  )
  return (
    'Members whose seeds have the same name differ from the full view’s less '
    f'often than others do, {listed}: they share more than their view, as the '
    'parts of a fusion do. All figures here are of pairs of different seeds.',
  )


def _rates_sentence(
  study: Study, rates: Mapping[str, Estimate]
) -> tuple[str, ...]:
  singles = [view for view in rates if '+' not in view]
  few = 'data.answered_by_all' in study.statistics
  told = [
    f'with {view} on {wording.share_with_interval(rates[view])}'
    + (f' of {rates[view].n:,}' if few else '')
    for view in singles or rates
  ]
  if not told:
    return ()
  of = 'clips that both always answer' if few else 'of clips'
  return (f'The full view disagrees {wording.listing(told)} {of}.',)


def _figure(study, rates, full) -> tuple[parts.Figure | None, bool]:
  """The rates, and whether strokes for the noise of seeds are among them."""
  nulls = [
    parts.each(study, f'{_PAIR}.{figure}', 'view', rates)
    for figure in ('own_null', 'full_null')
  ]
  noise = {
    view: max(nulls[0][view].estimate, nulls[1][view].estimate)
    for view in rates
    if view in nulls[0] and view in nulls[1]
  }
  drawn = []
  for view, rate in rates.items():
    beyond = parts.get(study, _BEYOND, view=view)
    row = parts.row(
      view,
      rate,
      plots.colour(view, full),
      label='disagreement' * bool(noise),
      faint=beyond is not None and wording.standing(beyond) != wording.ABOVE,
    )
    if view in noise:
      stroke = plots.Mark(noise[view], shape='tick', label='seed noise')
      row = dataclasses.replace(row, marks=(*row.marks, stroke))
    drawn.append(row)
  figure = parts.forest(
    drawn,
    rates.values(),
    name='disagreement',
    title='Disagreement of each view with the full view',
    axis='clips with different labels, %',
    bounds=(0, 1),
    include=(0,),
  )
  return figure, bool(noise)
