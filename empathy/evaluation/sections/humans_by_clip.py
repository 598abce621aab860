"""Of question 5, what is told clip by clip: gains, conflicts and models."""

from collections.abc import Mapping
from typing import Any

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_BEST = 'humans.full_minus_best_per_clip'
_SIGNALS = {
  'one_minus_gold_probability': 'how improbable its label is to the full view',
  'error': 'whether the full view is wrong on it',
  'one_minus_confidence': 'how unsure the full view is of it',
}


def sentences(study: Study, full: str) -> tuple[str, ...]:
  """What intervals allow to say."""
  return (
    *_gain(study, full),
    *_hurt(study, full),
    *_conflict(study, full),
    *_models(study),
    *parts.skip_notes(
      study,
      *catalogue.under('humans.full_minus_best_per_clip'),
      *catalogue.under('humans.{condition}_vs_full'),
      'humans.models.{signal}.spearman',
    ),
  )


def limits(study: Study) -> tuple[str, ...]:
  """What the figures cannot say."""
  if not study.tables.get('humans_vs_full'):
    return ()
  return (
    'Where the plurality of a condition differs, votes may be uncertain for '
    'other reasons than a conflict of modalities: an excess also comes about '
    'where votes on that condition are more certain than those on the full '
    'one.',
  )


def shows(study: Study, full: str) -> tuple[parts.Figure | parts.Table, ...]:
  """The figures and tables behind the sentences, where there are any."""
  found = []
  rows = study.tables.get('best_per_clip') or []
  if any(wording.is_known(row['estimate']) for row in rows):
    found += [*_best_figure(study, full), _best_table(study, rows)]
  rows = study.tables.get('humans_vs_full') or []
  if rows:
    found += [_conflict_figure(rows, full), _conflict_table(study, rows)]
  rows = study.tables.get('humans_and_models') or []
  if rows:
    found.append(_models_table(study, rows))
  return tuple(found)


def _gain(study: Study, full: str) -> tuple[str, ...]:
  naive = study.statistics.get(f'{_BEST}.naive')
  split = study.statistics.get(f'{_BEST}.split_half')
  if naive is None or split is None:
    return ()
  best = 'the best other condition of each clip'
  told = f'whether annotators of {full} gain even over {best} is not settled'
  if wording.standing(naive) == wording.ABOVE:
    told = f'annotators of {full} gain even over {best}'
  elif wording.standing(split) == wording.BELOW:
    told = f'annotators of {full} lose against {best}'
  elif wording.UNKNOWN in (wording.standing(naive), wording.standing(split)):
    told = (
      f'whether annotators of {full} gain even over {best} cannot be judged '
      'without an interval'
    )
  return (
    f'{wording.capital(told)}: the difference lies between '
    f'{wording.points_with_interval(naive, signed=True)}, where the best is '
    'chosen by the votes that judge it, and '
    f'{wording.points_with_interval(split, signed=True)}, where half of the '
    'votes choose it and others judge it.',
  )


def _hurt(study: Study, full: str) -> tuple[str, ...]:
  naive = study.statistics.get('humans.hurt_share_naive')
  again = study.statistics.get('humans.hurt_share')
  if naive is None or again is None:
    return ()
  told = {
    wording.ABOVE: (
      'and this repeats in other votes of the clip more often than by chance, '
      f'by {wording.points_with_interval(again)}'
    ),
    wording.BELOW: (
      'but in other votes of the clip this is not repeated more often than by '
      'chance'
    ),
    wording.OPEN: (
      'but whether this repeats in other votes of the clip more often than by '
      'chance is not settled: the difference is '
      f'{wording.points_with_interval(again, signed=True)}'
    ),
    wording.UNKNOWN: (
      'but whether this repeats in other votes of the clip more often than by '
      'chance cannot be judged without an interval'
    ),
  }[wording.standing(again)]
  once = (
    f'On {wording.share_with_interval(naive)} of clips, votes on {full} equal '
    'the label less often than those on the best other condition'
  )
  # What never happens has nothing to repeat.
  return (f'{once}, {told}.' if naive.estimate > 0 else f'{once}.',)


def _conflict(study: Study, full: str) -> tuple[str, ...]:
  """Of the condition whose excess is largest."""
  rows = [
    row
    for row in study.tables.get('humans_vs_full') or []
    if wording.is_known(row['entropy_excess'])
  ]
  if not rows:
    return ()
  condition = max(rows, key=lambda row: row['entropy_excess'])['condition']
  prefix = f'humans.{condition}_vs_full'
  gap = study.statistics[f'{prefix}.gs_difference']
  side = 'more' if gap.estimate >= 0 else 'less'
  size = gap if gap.estimate >= 0 else wording.mirrored(gap)
  control = f'where two samples of votes on {full} differ'
  return (
    wording.claim(
      f'Where the plurality of votes on {condition} differs from that of votes '
      f'on {full}, annotators of {full} differ {side} often, by '
      f'{wording.points_with_interval(size)}',
      study.statistics[f'{prefix}.entropy_excess'],
      above=f', {{}} more than {control}, which is consistent with a conflict '
      'of modalities',
      below=f', {{}} less than {control}, so that uncertain clips alone would '
      'do',
      whether=f'whether that is more than {control}',
    )
    + '.',
  )


def _models(study: Study) -> tuple[str, ...]:
  known = {
    signal: study.statistics[name]
    for signal in _SIGNALS
    if (name := f'humans.models.{signal}.spearman') in study.statistics
  }
  if not known:
    return ()
  signal, estimate = next(iter(known.items()))
  figure = (
    'Spearman’s correlation of how often annotators of a clip differ and '
    f'{_SIGNALS[signal]} is {_correlation(estimate)}'
  )
  clips = 'clips on which annotators differ more are'
  told = (
    f'Whether {clips} harder for the full view, too, '
    f'{wording.not_settled(estimate)}'
  )
  if wording.settled(estimate):
    told = {
      wording.ABOVE: f'{wording.capital(clips)} harder for the full view, too',
      wording.BELOW: f'{wording.capital(clips)} easier for the full view',
    }[wording.standing(estimate)]
  return (parts.with_p(f'{told}: {figure}', estimate),)


def _correlation(estimate: Estimate) -> str:
  text = wording.number(estimate.estimate, 2, signed=True)
  if not wording.is_known(estimate.low):
    return text
  return f'{text} ({wording.level(estimate)} {_ends(estimate)})'


def _ends(estimate: Estimate) -> str:
  low, high = (
    wording.number(end, 2, signed=True) for end in (estimate.low, estimate.high)
  )
  return f'{low} to {high}'


def _best_figure(study: Study, full: str) -> tuple[parts.Figure, ...]:
  ends = [
    (estimate, label)
    for name, label in (
      ('naive', 'biased down'),
      ('split_half', 'biased up'),
    )
    if (estimate := study.statistics.get(f'{_BEST}.{name}'))
  ]
  drawn = [
    plots.Row(
      label='the best of each clip',
      marks=tuple(
        parts.mark(estimate, 'humans', shape='ring', label=label)
        for estimate, label in ends
      ),
      note=' to '.join(
        wording.hundredths(estimate.estimate, signed=True)
        for estimate, _ in ends
      ),
    )
  ]
  for row in study.tables['humans']:
    name = f'humans.full_minus_{row["condition"]}.accuracy'
    estimate = study.statistics.get(name)
    if estimate is not None:
      drawn.append(
        plots.Row(
          label=str(row['condition']),
          marks=(parts.mark(estimate, 'humans'),),
          note=parts.note(estimate, signed=True),
        )
      )
  return (
    parts.Figure(
      caption=(
        f'Gain of {full} over the best other condition of each clip, between '
        'two ends (rings), and over each other condition (dots). Chosen by the '
        'votes that judge it, the best is also the luckiest, and the '
        'difference is biased down; chosen by half of the votes, it is at '
        'times the wrong one, and the difference is biased up. '
        f'{parts.n_clips(estimate for estimate, _ in ends)}'
      ),
      panels=(
        parts.intervals(
          drawn,
          name='best-per-clip',
          title='The full condition minus the best other one of each clip',
          axis='gain, points',
          lines=((0.0, ''),),
        ),
      ),
    ),
  )


def _best_table(study: Study, rows) -> parts.Table:
  columns = (
    parts.Column('chosen by', lambda r: str(r['chosen_by']), kind='text'),
    parts.figure_column(
      'num_votes',
      'votes a condition',
      lambda value: wording.number(value, 1),
      lambda r: '',
      'All votes choose in the first row, and they judge, too.',
    ),
    parts.Column('clips', lambda r: wording.count(r['num_clips'])),
    *parts.interval_columns(
      study,
      'estimate',
      'gain, points',
      lambda r: '',
      signed=True,
    ),
    parts.Column('biased', lambda r: str(r['biased']), kind='text'),
  )
  return parts.table(
    study,
    'The full condition minus the best other one of each clip, by how many '
    'votes of each condition choose the best one, while its other votes judge '
    'it: the more choose, the less it is biased. On a clip with too few votes '
    'all but one choose.',
    rows,
    columns,
  )


def _conflict_figure(rows, full: str) -> parts.Figure:
  drawn = [
    plots.Row(
      label=str(row['condition']),
      marks=tuple(
        plots.Mark(
          row[key],
          row[f'{key}_low'],
          row[f'{key}_high'],
          colour,
          shape=shape,
          label=label,
        )
        for key, colour, shape, label in (
          ('control_gs_difference', 'ink', 'ring', f'two of {full}'),
          ('gs_difference', 'humans', 'dot', f'it and {full}'),
        )
      ),
      note=parts.row_note(row, 'entropy_excess'),
    )
    for row in rows
  ]
  return parts.Figure(
    caption=(
      f'How much more often two annotators of {full} differ on clips where '
      'two pluralities differ than where they are the same: the plurality of a '
      f'condition and that of {full} (dot), and two pluralities of {full} from '
      'disjoint votes (ring). What the dot is beyond the ring is in figures at '
      'the right; only that could be about modalities. All pluralities of a '
      f'clip are of the same number of votes. {_n(rows)}'
    ),
    panels=(
      parts.intervals(
        drawn,
        name='conflict',
        title='Uncertainty of annotators where pluralities differ',
        axis='difference of GS, points',
        lines=((0.0, ''),),
      ),
    ),
  )


def _conflict_table(study: Study, rows) -> parts.Table:
  def name(key):
    return lambda r: f'humans.{r["condition"]}_vs_full.{key}'

  def figure(key, heading, **signed):
    def show(value):
      return wording.hundredths(value, **signed)

    return parts.figure_column(key, heading, show, name(key))

  return parts.table(
    study,
    'How often the plurality of a condition differs from the full one’s, and '
    'how much more often annotators of the full condition differ there; beside '
    'it the same of two pluralities of the full condition. The excess is the '
    'one difference of GS minus the other, and the p-values are its own.',
    rows,
    (
      parts.Column('condition', lambda r: str(r['condition']), kind='text'),
      parts.Column('clips', lambda r: wording.count(r['num_clips'])),
      parts.Column(
        'votes in each', lambda r: wording.number(r['num_votes'], 1)
      ),
      figure('rate', 'differ, %'),
      figure('control_rate', 'from itself, %'),
      figure('gs_difference', 'GS there, points', signed=True),
      figure('control_gs_difference', 'by itself, points', signed=True),
      *parts.interval_columns(
        study,
        'entropy_excess',
        'excess, points',
        name('entropy_excess'),
        signed=True,
      ),
      *parts.p_columns(name('entropy_excess')),
    ),
  )


def _models_table(study: Study, rows) -> parts.Table:
  def name(row):
    return f'humans.models.{row["signal"]}.spearman'

  def estimate(row):
    return Estimate(row['spearman'], row['spearman_low'], row['spearman_high'])

  _, interval = parts.interval_columns(study, 'spearman', '', name)
  return parts.table(
    study,
    'Spearman’s correlation over clips of GS, how often two annotators differ, '
    'with what the full view makes of the clip.',
    rows,
    (
      parts.Column(
        'full view', lambda r: parts.signal(r['signal']), kind='text'
      ),
      parts.Column('clips', lambda r: wording.count(r['num_clips'])),
      parts.figure_column(
        'spearman',
        'correlation',
        lambda value: wording.number(value, 2, signed=True),
        name,
      ),
      parts.Column(
        interval.heading,
        lambda r: (
          _ends(estimate(r))
          if wording.is_known(r['spearman_low'])
          else wording.MISSING
        ),
        name,
        kind='interval',
      ),
      *parts.p_columns(name),
    ),
  )


def _n(rows: list[Mapping[str, Any]]) -> str:
  return parts.n_of(row['num_clips'] for row in rows if row['num_clips'])
