"""Question 2: how much do views differ, beyond seed noise?"""

import dataclasses
from collections.abc import Mapping

from empathy.evaluation import plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study


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
  excess = parts.primary(study, 2)
  view = _view_of(study.primaries.get(2, ''))
  others = _rates_sentence({v: r for v, r in rates.items() if v != view})
  if excess and view in rates:
    finding = _finding(view, rates[view], excess, full)
    told = parts.with_p(finding, excess)
  else:
    finding, others = _rates_sentence(rates)[0].rstrip('.'), ()
    told = finding + '.'
  return dataclasses.replace(
    base,
    answer=(finding + '.', *others),
    finding=told,
    details=(
      *others,
      *parts.skip_notes(study, r'disagreement\.[^.]*(\.excess)?'),
    ),
    primary=parts.primary_row(
      excess, base.title, f'{view} and full view, beyond seed noise'
    ),
    shows=(_figure(study, rows, rates, full), _table(study, rows, full)),
    limits=(
      'A view that is merely less accurate also differs from the full one: an '
      'accuracy gap alone makes the excess positive. Error consistency takes '
      'the accuracies out; it is zero where two views are right and wrong '
      'together as often as chance would have it.',
      *(
        (
          'The view singled out is the single one with the largest excess, so '
          'its excess leans upward; its p-value allows for the choice.',
        )
        if excess and excess.p is not None
        else ()
      ),
      'Disagreement tells that views differ, not which of them is right.',
    ),
  )


def _pair(row: Mapping[str, object]) -> str:
  return f'disagreement.{row["view"]}_vs_full'


def _view_of(name: str) -> str:
  """'audio' of 'disagreement.audio_vs_full.excess'."""
  return name.split('.')[1].removesuffix('_vs_full') if '.' in name else ''


def _finding(view: str, rate: Estimate, excess: Estimate, full: str) -> str:
  return wording.claim(
    f'{wording.capital(view)} and the full view ({full}) give different labels '
    f'to {wording.share_with_interval(rate)} of '
    f'{wording.plural(rate.n, "clip")}',
    excess,
    above=', {} more than seeds of one view do among themselves',
    below=', {} less than seeds of one view do among themselves',
    whether='whether that is more than seeds of one view do among themselves',
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
    excess = study.statistics.get(f'{_pair(row)}.excess')
    marks = [
      parts.mark(
        rate,
        plots.colour(row['view'], full),
        label='disagreement',
        faint=excess is not None and wording.standing(excess) == wording.OPEN,
      )
    ]
    if wording.is_known(row.get('seed_null')):
      noise = True
      marks.append(
        plots.Mark(row['seed_null'], shape='tick', label='seed noise')
      )
    drawn.append(
      plots.Row(label=row['view'], marks=tuple(marks), note=parts.note(rate))
    )
  caption = (
    'Share of clips to which a view and the full one give different labels'
    f'{parts.with_interval(rates.values(), ", ")}.'
  )
  if noise:
    caption += (
      ' The upright stroke is how often seeds of the same view differ among '
      'themselves; grey where the excess over it is not settled.'
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

  def excess(row):
    return f'{_pair(row)}.excess'

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
    figure('seed_null', 'seed noise, %', wording.hundredths),
    *parts.interval_columns(
      study, 'excess', 'excess, points', excess, signed=True
    ),
    *parts.p_columns(excess),
    figure('kappa', 'kappa', wording.number),
    figure('error_consistency', 'error cons.', wording.number),
  ]
  return parts.table(study, caption + '.', rows, columns)
