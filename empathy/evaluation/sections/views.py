"""Question 1: how good is each view?"""

import dataclasses
from collections.abc import Mapping

from empathy.evaluation import plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# Gains that differ by less are equal but for rounding.
_EQUAL = 1e-12


def section(study: Study) -> parts.Section:
  """Accuracies, calibration, classes, and the full view against the others."""
  base = parts.Section(
    key='views',
    title='Views',
    question='How good is each view, and is the full one better?',
    number=1,
  )
  rows = study.tables.get('views') or []
  accuracy = {
    row['view']: study.statistics[f'views.{row["view"]}.accuracy']
    for row in rows
    if f'views.{row["view"]}.accuracy' in study.statistics
  }
  if not accuracy:
    return dataclasses.replace(base, skipped=parts.skipped(study, 1))
  full = study.info['full_view']
  difference = parts.primary(study, 1)
  finding = _finding(study, accuracy, difference)
  singles = _singles_sentence(accuracy, full)
  return dataclasses.replace(
    base,
    answer=(finding + '.', *singles),
    finding=(
      parts.with_p(finding, difference) if difference else finding + '.'
    ),
    details=(
      *singles,
      *parts.skip_notes(
        study,
        'views.full_minus_best_single.accuracy',
        'views.full_minus_{view}.accuracy',
      ),
      *_uncalibrated(study),
    ),
    primary=parts.primary_row(
      difference, base.title, f'full view − {best_single(study)}'
    ),
    shows=(
      _accuracy_figure(study, accuracy, full),
      _views_table(study, rows),
      *_full_minus_table(study),
      *_reliability_figure(study, accuracy, full),
      *_class_table(study),
    ),
    limits=(
      'These are the accuracies of these trained members. Another training '
      'set, or another recipe, would give others.',
      *(
        (
          'The best single view was picked on the same clips, which leans the '
          'comparison against the full view.',
        )
        if difference and len(study.info['single_views']) > 1
        else ()
      ),
      *(
        (
          'ECE is above zero even for perfect calibration; compare it with the '
          'ideal ECE, what a perfectly calibrated model would show.',
        )
        if any(f'views.{view}.ece' in study.statistics for view in accuracy)
        else ()
      ),
    ),
  )


def best_single(study: Study) -> str:
  """The single view that the full one gains least over, and what it is best of.

  'video, the best single view,' or 'text, the only single view given (audio
  and video were not),'.
  """
  found = {
    view: study.statistics[name].estimate
    for view in study.info['single_views']
    if (name := f'views.full_minus_{view}.accuracy') in study.statistics
    and wording.is_known(study.statistics[name].estimate)
  }
  if not found:
    return 'the best single view'
  least = min(found.values())
  best = wording.listing(
    [view for view, gain in found.items() if gain <= least + _EQUAL]
  )
  given, missing = parts.listed_singles(study)
  if len(given) == 1:
    told = f'{best}, the only single view'
  elif least + _EQUAL >= max(found.values()):
    told = f'{best}, single views that are equally good'
  else:
    told = f'{best}, the best single view{"s" * (" and " in best)}'
  if missing:
    verb = 'was' if len(missing) == 1 else 'were'
    told += f' given ({wording.listing(missing)} {verb} not)'
  return told


def _finding(
  study: Study, accuracy: Mapping[str, Estimate], difference: Estimate | None
) -> str:
  full = parts.full_view(study)
  if study.info['full_view'] not in accuracy:
    return f'The accuracy of {full} is not known'
  estimate = accuracy[study.info['full_view']]
  lead = (
    f'{wording.capital(full)} is right on '
    f'{wording.share_with_interval(estimate)} of '
    f'{wording.plural(estimate.n, "clip")}'
  )
  if difference is None:
    return lead
  best = best_single(study)
  return wording.claim(
    lead,
    difference,
    above=f' and beats {best}, by {{}}',
    below=f' and loses to {best}, by {{}}',
    whether=f'whether it beats {best},',
  )


def _singles_sentence(accuracy, full) -> tuple[str, ...]:
  told = [
    f'{view} is right on {wording.share_with_interval(accuracy[view])}'
    for view in accuracy
    if '+' not in view and view != full
  ]
  if not told:
    return ()
  return (f'Alone, {wording.listing(told)}.',)


def _uncalibrated(study: Study) -> tuple[str, ...]:
  """Of which views calibration is not judged, by the reason."""
  by_reason: dict[str, list[str]] = {}
  for view in study.info['views']:
    reason = study.skipped.get(f'views.{view}.ece')
    if reason:
      by_reason.setdefault(reason, []).append(view)
  return tuple(
    f'Calibration is not judged of {wording.listing(views)}. {reason}'
    for reason, views in by_reason.items()
  )


def _accuracy_figure(study, accuracy, full) -> parts.Figure:
  rows = [
    plots.Row(
      label=view,
      marks=(parts.mark(estimate, plots.colour(view, full)),),
      note=parts.note(estimate),
    )
    for view, estimate in accuracy.items()
  ]
  majority = study.statistics.get('data.majority_accuracy')
  lines = ()
  if majority and wording.is_known(majority.estimate):
    lines = ((majority.estimate, 'always the commonest label'),)
  return parts.Figure(
    caption=(
      f'Accuracy of each view{parts.with_interval(accuracy.values())}'
      f'{_seeds(study)}. {parts.n_clips(accuracy.values())}'
    ),
    panels=(
      parts.intervals(
        rows,
        name='accuracy',
        title='Accuracy of each view',
        axis='accuracy, %',
        lines=lines,
        bounds=(0, 1),
      ),
    ),
  )


def _seeds(study: Study) -> str:
  several = any(number > 1 for number in study.info['seeds'].values())
  return ', mean over seeds' if several else ''


def _views_table(study: Study, rows) -> parts.Table:
  def figure(key, heading, show):
    return parts.figure_column(
      key, heading, show, lambda r: f'views.{r["view"]}.{key}'
    )

  seeds, clips = (parts.same(rows, k) for k in ('num_seeds', 'num_clips'))
  caption = 'The views in figures'
  if seeds is not None:
    caption += f'; {wording.plural(seeds, "seed")} a view'
  if clips is not None:
    caption += f', n = {wording.plural(clips, "clip")}'
  columns = [parts.view_column(study.info['full_view'])]
  if clips is None:
    columns.append(
      parts.Column('clips', lambda r: wording.count(r['num_clips']))
    )
  if seeds is None:
    columns.append(
      parts.Column('seeds', lambda r: wording.count(r['num_seeds']))
    )
  columns += [
    *parts.interval_columns(
      study,
      'accuracy',
      'accuracy, %',
      lambda r: f'views.{r["view"]}.accuracy',
    ),
    figure('seed_sd', 'seed SD', wording.hundredths),
    figure('accuracy_fold_mean', 'fold mean, %', wording.hundredths),
    figure('ensemble_accuracy', 'seeds averaged, %', wording.hundredths),
    figure('macro_f1', 'macro F1', wording.number),
    figure('weighted_f1', 'weighted F1', wording.number),
    figure('nll', 'NLL', wording.number),
    figure('brier', 'Brier', wording.number),
    figure('ece', 'ECE', wording.number),
    figure('ece_null', 'ideal ECE', wording.number),
  ]
  return parts.table(study, caption + '.', rows, columns)


def _full_minus_table(study: Study) -> tuple[parts.Table, ...]:
  rows = study.tables.get('full_minus_view') or []
  if not rows:
    return ()
  full = study.info['full_view']

  def name(row):
    return f'views.full_minus_{row["view"]}.accuracy'

  columns = (
    parts.view_column(full, 'full view minus'),
    *parts.interval_columns(
      study,
      'estimate',
      'accuracy, points',
      name,
      ends=('low', 'high'),
      signed=True,
    ),
    *parts.p_columns(name),
    parts.Column('clips', lambda r: wording.count(r['n'])),
  )
  return (
    parts.table(
      study,
      f'What the full view ({full}) gains over each other one, on the clips '
      f'that both predict. Exploratory; {parts.GREY}.',
      rows,
      columns,
    ),
  )


def _reliability_figure(study, accuracy, full) -> tuple[parts.Figure, ...]:
  curves = study.curves.get('reliability') or {}
  shown = [view for view in accuracy if view in curves]
  if not shown:
    return ()
  columns = 4 if len(shown) in (4, 7, 8) else 3
  return (
    parts.Figure(
      caption=(
        'Reliability: share of right answers against their confidence, in '
        'bins, seeds pooled. Below the line a view is too sure of itself. A '
        'larger dot stands for more answers. '
        f'{parts.n_clips(accuracy[view] for view in shown)}'
      ),
      panels=tuple(
        _reliability(view, curves[view], full, f'reliability-{i}')
        for i, view in enumerate(shown)
      ),
      columns=columns,
    ),
  )


def _reliability(view, curve, full, name) -> str:
  series = plots.Series(
    label='',
    xs=curve['confidence'],
    ys=curve['accuracy'],
    colour=plots.colour(view, full),
    weights=curve['count'],
  )
  described = '; '.join(
    f'confidence {wording.percent(x, 0)}, right {wording.percent(y, 0)}'
    for x, y in zip(curve['confidence'], curve['accuracy'], strict=True)
  )
  return plots.plane(
    [series],
    name=name,
    title=f'Reliability of the view {view}',
    description=described,
    heading=view,
    x_axis='confidence, %',
    y_axis='right, %',
    x_limits=(0, 1),
    y_limits=(0, 1),
    diagonal=True,
  )


def _class_table(study: Study) -> tuple[parts.Table, ...]:
  """F1 by class, a column a view."""
  rows = study.tables.get('classes') or []
  if not rows:
    return ()
  full = study.info['full_view']
  views = list(dict.fromkeys(row['view'] for row in rows))
  found = {(row['class'], row['view']): row for row in rows}
  support = {row['class']: row['support'] for row in rows}
  body, undefined = [], False
  for name, clips in support.items():
    cells = [parts.Cell(str(name))]
    for view in views:
      value = found.get((name, view), {}).get('f1')
      undefined |= not wording.is_known(value)
      cells.append(parts.Cell(wording.number(value), 'number'))
    cells.append(parts.Cell(wording.count(clips), 'number'))
    body.append(tuple(cells))
  header = [
    parts.Cell('class'),
    *(parts.Cell(v, 'number', plots.colour(v, full)) for v in views),
    parts.Cell('clips', 'number'),
  ]
  notes = ()
  if undefined:
    notes = (
      f'{wording.MISSING} F1: the class neither occurs among the clips that '
      'the view predicts nor is predicted.',
    )
  return (
    parts.Table('F1 of each class by view.', tuple(header), tuple(body), notes),
  )
