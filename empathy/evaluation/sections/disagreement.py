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


def section(study: Study) -> parts.Section:
  """Rates of disagreement with the full view, and what seeds explain of it."""
  base = parts.Section(
    key='disagreement',
    title='Disagreement',
    question='How much do views differ, beyond seed noise?',
    number=2,
  )
  rows = study.tables.get('disagreement') or []
  rates = {
    row['view']: study.statistics[f'{_pair(row)}.rate']
    for row in rows
    if f'{_pair(row)}.rate' in study.statistics
  }
  if not rates:
    return dataclasses.replace(base, skipped=parts.skipped(study, 2))
  full = study.info['full_view']
  beyond = parts.primary(study, 2)
  view = parts.primary_part(study, 2, 'view')
  others = _rates_sentence({v: r for v, r in rates.items() if v != view})
  if beyond and view in rates:
    finding = _finding(view, rates[view], beyond, full)
    told = parts.with_p(finding, beyond)
  else:
    finding, others = _rates_sentence(rates)[0].rstrip('.'), ()
    told = finding + '.'
  return dataclasses.replace(
    base,
    answer=(finding + '.', *others),
    finding=told,
    details=(
      *others,
      *_excess(study, view),
      *_shared_seeds(study, rates),
      *parts.skip_notes(
        study,
        'disagreement.{view}_vs_full',
        'disagreement.{view}_vs_full.beyond_either',
      ),
    ),
    primary=parts.primary_row(
      beyond, base.title, f'{view} and full view, beyond seeds of either'
    ),
    shows=(_figure(study, rows, rates, full), _table(study, rows, full)),
    limits=(
      'That seeds of one view differ among themselves is noise. A view that is '
      'the full one with more noise differs from it, and is less accurate, but '
      'not more often than its own seeds do; so only what exceeds the noisier '
      'of the two is a finding. The excess over the mean of both is above zero '
      'wherever they are not alike: an accuracy gap alone makes it so.',
      'What exceeds the noise says that the view, seed after seed, gives some '
      'clips another label than the full view does; not that this takes '
      'another modality: a view that leans to one class does so, too. Error '
      'consistency is zero where two views are right and wrong together as '
      'often as chance would have it.',
      *(
        (
          'The view singled out is the single one that exceeds the noise by '
          'most, so that its figure leans upward; its p-value allows for the '
          'choice.',
        )
        if beyond and beyond.p is not None
        else ()
      ),
      'Disagreement tells that views differ, not which of them is right.',
    ),
  )


def _pair(row: Mapping[str, object]) -> str:
  return f'disagreement.{row["view"]}_vs_full'


def _finding(view: str, rate: Estimate, beyond: Estimate, full: str) -> str:
  return wording.claim(
    f'{wording.capital(view)} and the full view ({full}) give different labels '
    f'to {wording.share_with_interval(rate)} of '
    f'{wording.plural(rate.n, "clip")}',
    beyond,
    above=', {} more than two seeds of either of them do',
    below=', but seeds of one and the same of them do so no less: of the '
    'noisier one, {} more',
    whether='whether that is more than two seeds of either of them do',
  )


def _excess(study: Study, view: str) -> tuple[str, ...]:
  """The excess over the mean of both views' seeds."""
  prefix = f'disagreement.{view}_vs_full'
  excess = study.statistics.get(f'{prefix}.excess')
  own = study.statistics.get(f'{prefix}.own_null')
  full = study.statistics.get(f'{prefix}.full_null')
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
  alike = {
    view: study.statistics.get(f'disagreement.{view}_vs_full.same_seed_gap')
    for view in rates
  }
  alike = {
    view: gap
    for view, gap in alike.items()
    if gap is not None
    and gap.estimate > _MUCH * rates[view].estimate
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


def _rates_sentence(rates: Mapping[str, Estimate]) -> tuple[str, ...]:
  singles = [view for view in rates if '+' not in view]
  told = [
    f'with {view} on {wording.share_with_interval(rates[view])}'
    for view in singles or rates
  ]
  if not told:
    return ()
  return (f'The full view disagrees {wording.listing(told)} of clips.',)


def _figure(study, rows, rates, full) -> parts.Figure:
  drawn, noise = [], False
  for row in rows:
    if row['view'] not in rates:
      continue
    rate = rates[row['view']]
    beyond = study.statistics.get(f'{_pair(row)}.beyond_either')
    marks = [
      parts.mark(
        rate,
        plots.colour(row['view'], full),
        label='disagreement',
        faint=beyond is not None and wording.standing(beyond) != wording.ABOVE,
      )
    ]
    nulls = [row.get('own_null'), row.get('full_null')]
    if all(map(wording.is_known, nulls)):
      noise = True
      marks.append(plots.Mark(max(nulls), shape='tick', label='seed noise'))
    drawn.append(
      plots.Row(label=row['view'], marks=tuple(marks), note=parts.note(rate))
    )
  caption = (
    'Share of clips to which a view and the full one give different labels'
    f'{parts.with_interval(rates.values(), ", ")}.'
  )
  if noise:
    caption += (
      ' The upright stroke is how often two seeds of one and the same of the '
      'two views differ, the noisier one; grey where the view is not shown to '
      'differ more often than that.'
    )
  else:
    drawn = [parts.without_labels(row) for row in drawn]
  return parts.Figure(
    caption=f'{caption} {parts.n_clips(rates.values())}',
    panels=(
      parts.intervals(
        drawn,
        name='disagreement',
        title='Disagreement of each view with the full view',
        axis='clips with different labels, %',
        bounds=(0, 1),
        include=(0,),
      ),
    ),
  )


def _table(study, rows, full) -> parts.Table:
  def figure(key, heading, show):
    return parts.figure_column(
      key, heading, show, lambda r: f'{_pair(r)}.{key}'
    )

  def beyond(row):
    return f'{_pair(row)}.beyond_either'

  clips = parts.same(rows, 'num_clips')
  caption = f'Each view against the full one ({full})'
  if clips is not None:
    caption += f', n = {wording.plural(clips, "clip")}'
  columns = [parts.view_column(full)]
  if clips is None:
    columns.append(
      parts.Column('clips', lambda r: wording.count(r['num_clips']))
    )
  columns += [
    *parts.interval_columns(
      study, 'rate', 'differ, %', lambda r: f'{_pair(r)}.rate'
    ),
    figure('own_null', 'its seeds, %', wording.hundredths),
    figure('full_null', 'full view’s seeds, %', wording.hundredths),
    *parts.interval_columns(
      study, 'beyond_either', 'beyond either, points', beyond, signed=True
    ),
    *parts.p_columns(beyond),
    *parts.interval_columns(
      study,
      'excess',
      'excess, points',
      lambda r: f'{_pair(r)}.excess',
      signed=True,
    ),
    figure('kappa', 'kappa', wording.number),
    figure('error_consistency', 'error cons.', wording.number),
  ]
  return parts.table(study, caption + '.', rows, columns)
