"""How members learned, epoch by epoch, and whether they overfit."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from empathy import kinds
from empathy.evaluation import learning, plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# Metrics that are shares, and what the report calls them.
_SHARES = {'accuracy': 'accuracy', 'macro_f1': 'macro F1'}
_NAMES = _SHARES | {'ccc': 'CCC', 'mae': 'mean absolute difference'}
_FIELDS = {'peak_learning_rate': 'the learning rate', 'l2': 'L2'}
_TARGETS = {
  'labels': 'the labels',
  'votes': 'the shares of votes',
  'dawid_skene': 'labels as a model of annotators sees them',
  'scores': 'the scores',
}
# Of a plot's height, what two names need.
_NEAR = 0.2
# By view, phase and metric, the rows of `learning`.
_Rows = Mapping[tuple[str, str, str], Sequence[parts.Record]]


def section(study: Study) -> parts.Section | None:
  """The curves of a training run; None where there is none."""
  base = parts.Section('learning', 'Learning', 13)
  fitting = study.tables.get('fitting') or []
  if not fitting:
    why = study.skipped.get('learning')
    return why and dataclasses.replace(base, skipped=why)
  training = study.info['training']
  found = collections.defaultdict(list)
  for row in study.tables['learning']:
    found[row['view'], row['phase'], row['name']].append(row)
  again = any(phase == 'refit' for _, phase, _ in found)
  metric = training['select']
  shown = 'accuracy' if metric == 'loss' else metric
  said, *details = (
    *_judged(fitting),
    *_kept(fitting, training),
    *_made(training),
  )
  return dataclasses.replace(
    base,
    finding=said,
    details=tuple(details),
    shows={
      'loss': _losses(study, found, fitting),
      'metric': _metric(study, found, fitting, shown),
      'fitting': parts.table(study, fitting, _columns(fitting, metric)),
    },
    facts={
      'again': again,
      'marked': any(_mark(row) for row in fitting),
      'metric': _NAMES.get(shown, shown),
      'chosen': shown == metric and _chosen(training),
      'rise': wording.percent(learning.RISE, 0),
      'end_biased': any(row['metric_kept'] is not None for row in fitting),
    },
  )


def _judged(fitting: Sequence[parts.Record]) -> tuple[str, ...]:
  """Which views overfit, and which could learn on."""
  by = collections.defaultdict(list)
  for row in fitting:
    by[row['verdict']].append(row)
  told = []
  over = by[learning.OVERFITS]
  if over:
    which = (
      'The models of every view'
      if len(over) == len(fitting)
      else ('The models of ' + wording.listing(row['view'] for row in over))
    )
    least, most = (f(row['lowest'] for row in over) for f in (min, max))
    after = wording.tally(least)
    if most > least:
      after += f' to {wording.tally(most)}'
    rises = [wording.percent(f(r['rise'] for r in over), 0) for f in (min, max)]
    ends = ' to '.join(dict.fromkeys(rises))
    told.append(
      f'{which} overfit: training goes on improving after {after} '
      f'epoch{"" if most == least == 1 else "s"}, validation does not. Its '
      f'loss ends {ends} above its lowest, in the median.'
    )
  else:
    told.append(
      'No view’s models overfit by the rule below: in most of them validation '
      f'loss ends within {wording.percent(learning.RISE, 0)} of its lowest.'
    )
  early = by[learning.STOPS_EARLY]
  if early:
    told.append(
      f'Of {wording.listing(row["view"] for row in early)} validation loss is '
      f'lowest after the last of the {early[0]["epochs"]} epochs in most '
      'models: longer training may help.'
    )
  return tuple(told)


def _kept(
  fitting: Sequence[parts.Record], training: Mapping[str, Any]
) -> tuple[str, ...]:
  """What predicts."""
  keep, epochs = training.get('keep'), fitting[0]['epochs']
  metric = training['select']
  by = 'loss' if metric == 'loss' else _NAMES.get(metric, metric)
  over = any(row['verdict'] == learning.OVERFITS for row in fitting)
  if keep == 'best':
    return (
      f'Of each model’s {epochs} epochs, what predicts is the one that was '
      f'best by validation {by}.',
    )
  if keep == 'last':
    more = ' Fewer epochs may do better.' if over else ''
    return (f'What predicts is the last epoch, number {epochs}.{more}',)
  if keep == 'refit':
    return (
      'What predicts was trained a second time from the start, on training and '
      f'validation clips together, and is the last of {epochs} epochs. No '
      'clips are left to validate it: curves of validation are those of the '
      'first training.',
    )
  return ()


def _made(training: Mapping[str, Any]) -> tuple[str, ...]:
  """How members were made, in a sentence; none where a run does not say."""
  known = 'loss', 'optimizer', 'schedule', 'num_epochs', 'batch_size'
  if not training.keys() >= {*known, 'peak_learning_rate', 'l2'}:
    return ()
  rates = _values(training['peak_learning_rate'])
  decay = _values(training['l2'])
  target = training.get('targets', 'labels')
  told = (
    f'Each of {wording.count(training["num_members"])} models (members) '
    f'learned {_TARGETS.get(target, target)} by the loss {training["loss"]}, '
    f'with the optimizer {training["optimizer"]}, a learning rate of up to '
    f'{rates} '
    f'(schedule {training["schedule"]}) and L2 {decay}, for '
    f'{training["num_epochs"]} epochs in batches of {training["batch_size"]} '
    'clips.'
  )
  if training.get('swept'):
    fields = [_FIELDS.get(x, x.split('.')[-1]) for x in training['swept']]
    metric = _NAMES.get(training['select'], training['select'])
    told += (
      f' Of several values of {wording.listing(fields)}, models of each view '
      f'and fold have what did best by validation {metric}; the others are '
      'not shown.'
    )
  return (told,)


def _chosen(training: Mapping[str, Any]) -> str:
  """What is chosen by the metric, if anything is."""
  if training.get('keep') == 'best':
    return 'epochs'
  return 'settings' if training.get('swept') else ''


def _values(given: Any) -> str:
  """The values of a field that may have several: '0.001 or 0.003'."""
  return wording.listing([f'{x:g}' for x in kinds.values(given)], 'or')


def _mark(row: parts.Record) -> tuple[float, float, float] | None:
  """The epoch that was kept, with its range."""
  mark = row['kept'], row['kept_least'], row['kept_most']
  return mark if all(map(wording.is_known, mark)) else None


def _losses(
  study: Study, found: _Rows, fitting: Sequence[parts.Record]
) -> parts.Figure:
  """A panel for each view: training beside validation."""
  wanted = ('train', 'train/loss'), ('train', 'val/loss')
  wanted += (('refit', 'train/loss'),)
  limits = _limits(found, wanted)
  full, panels = study.info.get('full_view') or '', []
  for row in fitting:
    view = row['view']
    train, val, again = (found.get((view, *of)) or [] for of in wanted)
    colour = plots.colour(view, full)
    # Names stand above their lines, unless that is where the other one is.
    apart = limits[1] - limits[0]
    if train and val:
      apart = (val[-1]['mean'] - train[-1]['mean']) / apart
    lines = []
    if again:
      first = again[0]['epochs'] - 1
      lines.append(_curve('', again, 'quiet', 'dotted', first=first))
    if train:
      lines.append(
        _curve('training', train, 'quiet', 'dashed', 0 <= apart < _NEAR)
      )
    if val:
      lines.append(_curve('validation', val, colour, below=-_NEAR < apart < 0))
    panels.append(
      _panel(row, lines, limits, 'loss', 'loss', f'learning-loss-{view}')
    )
  return parts.Figure(tuple(panels), columns=_columns_of(panels))


def _metric(
  study: Study, found: _Rows, fitting: Sequence[parts.Record], metric: str
) -> parts.Figure | None:
  """A panel for each view: what epochs are chosen by."""
  key = 'train', f'val/{metric}'
  if not any((row['view'], *key) in found for row in fitting):
    return None
  limits, full = _limits(found, [key]), study.info.get('full_view') or ''
  unit = 100.0 if metric in _SHARES else 1.0
  name = _NAMES.get(metric, metric) + (', %' if metric in _SHARES else '')
  panels = []
  for row in fitting:
    view = row['view']
    rows = found.get((view, *key)) or []
    lines = [_curve('', rows, plots.colour(view, full))] if rows else []
    panels.append(
      _panel(
        row, lines, limits, name, metric, f'learning-{metric}-{view}', unit
      )
    )
  return parts.Figure(tuple(panels), columns=_columns_of(panels))


def _columns_of(panels: Sequence[str]) -> int:
  if len(panels) in (2, 4):
    return 2
  return min(len(panels), 3 if len(panels) < 7 else 4)


def _curve(
  label: str,
  rows: Sequence[parts.Record],
  colour: str,
  stroke: str = '',
  below: bool = False,
  first: int = 0,
) -> plots.Curve:
  means, lows, highs = (
    [row[key] for row in rows] for key in ('mean', 'low', 'high')
  )
  return plots.Curve(
    label=label,
    xs=[row['epochs'] - first for row in rows],
    means=means,
    lows=lows,
    highs=highs,
    colour=colour,
    stroke=stroke,
    below=below,
  )


def _panel(
  row: parts.Record,
  lines: Sequence[plots.Curve],
  limits: tuple[float, float],
  y_axis: str,
  what: str,
  name: str,
  unit: float = 1.0,
) -> str:
  described = '; '.join(
    f'{line.label or what}: {wording.number(unit * line.means[0], 2)} after '
    f'the first epoch, {wording.number(unit * line.means[-1], 2)} after the '
    'last'
    for line in lines
  )
  return plots.curves(
    lines,
    name=name,
    title=f'{what} of {row["view"]} by epoch',
    description=described,
    heading=row['view'],
    x_axis='epochs of training',
    y_axis=y_axis,
    x_limits=(1.0, max(float(row['epochs']), 2.0)),
    y_limits=limits,
    unit=unit,
    marked=_mark(row),
  )


def _limits(
  found: _Rows, wanted: Sequence[tuple[str, str]]
) -> tuple[float, float]:
  """One vertical axis for all views."""
  values = [
    row[key]
    for (_, *of), rows in found.items()
    if tuple(of) in wanted
    for row in rows
    for key in ('low', 'mean', 'high')
  ]
  return plots.limits_of(values)


def _columns(
  fitting: Sequence[parts.Record], metric: str
) -> tuple[parts.Column, ...]:
  """Of the table."""

  def figure(value: float | None) -> str:
    if metric in _SHARES:
      return wording.hundredths(value)
    return wording.number(value, 3)

  unit = '%' if metric in _SHARES else ''
  name = _NAMES.get(metric, metric)
  more = [
    parts.Column(f'{name} when kept', lambda r: figure(r['metric_kept']), unit),
    parts.Column(f'{name} in the end', lambda r: figure(r['metric_end']), unit),
  ]
  if all(row['metric_kept'] is None for row in fitting):
    more = more[1:]
  return (
    parts.VIEW,
    parts.count_column('num_members', 'models'),
    parts.Column('epoch kept', _range),
    parts.Column('loss lowest after', lambda r: wording.tally(r['lowest'])),
    parts.Column(
      'its rise until the end', lambda r: wording.hundredths(r['rise'], 0), '%'
    ),
    parts.Column(
      'overfitted',
      lambda r: (
        f'{wording.count(r["num_overfitted"])} of '
        f'{wording.count(r["num_judged"])}'
      ),
    ),
    *more,
  )


def _range(row: parts.Record) -> str:
  """'4 (2 to 12)', or the one there is."""
  if _mark(row) is None:
    return wording.MISSING
  text = wording.tally(row['kept'])
  least, most = row['kept_least'], row['kept_most']
  return text if least == most else f'{text} ({least} to {most})'
