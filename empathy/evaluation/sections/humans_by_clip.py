"""Of question 5, what is told clip by clip: gains, conflicts and models."""

import dataclasses

from empathy.evaluation import catalogue, plots, units, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_BEST = 'humans.full_minus_best_per_clip'
_PAIR = 'humans.{condition}_vs_full'
_MODELS = 'humans.models.{signal}.spearman'
_SIGNALS = {
  'one_minus_gold_probability': 'how improbable its label is to the full view',
  'error': 'whether the full view is wrong on it',
  'one_minus_confidence': 'how unsure the full view is of it',
}


def _gained(row: parts.Record) -> Estimate:
  ends = (row['estimate_low'], row['estimate_high'])
  return Estimate(row['estimate'], *ends)


_CHOICES = (
  parts.text_column('chosen_by', 'chosen by'),
  parts.Column(
    'votes a condition',
    lambda r: wording.number(r['num_votes'], 1),
    reason='All votes choose in the first row, and they judge, too.',
  ),
  parts.CLIPS,
  parts.Column(
    'gain',
    lambda r: wording.figure(r['estimate'], units.POINTS),
    'points',
    faint=lambda r: not wording.settled(_gained(r)),
  ),
  parts.Column(
    wording.level(Estimate(None)),
    lambda r: wording.ends(_gained(r), units.POINTS),
    kind='interval',
  ),
  parts.text_column('biased'),
)
_TABLES = {
  'conflicts': (
    'humans_vs_full',
    (
      parts.CONDITION,
      parts.CLIPS,
      parts.Column(
        'votes in each', lambda r: wording.number(r['num_votes'], 1)
      ),
      *parts.plain(_PAIR, 'rate', 'control_rate'),
      *parts.plain(_PAIR, 'gs_difference', 'control_gs_difference'),
      parts.judged(_PAIR, 'entropy_excess'),
    ),
  ),
  'models': (
    'humans_and_models',
    (
      dataclasses.replace(parts.SIGNAL, heading='full view'),
      parts.CLIPS,
      parts.judged('humans.models.{signal}', 'spearman'),
    ),
  ),
}


def sentences(study: Study, full: str) -> tuple[str, ...]:
  """What intervals allow to say."""
  return (
    *_gain(study, full),
    *_hurt(study, full),
    *_conflict(study, full),
    *_models(study),
    *parts.skip_notes(
      study, *catalogue.under(_BEST), *catalogue.under(_PAIR), _MODELS
    ),
  )


def shows(study: Study, full: str) -> dict[str, parts.Figure | parts.Table]:
  """The figures and tables behind the sentences, where there are any."""
  best = study.tables.get('best_per_clip') or []
  if not any(wording.is_known(row['estimate']) for row in best):
    best = []
  return {
    'best': _best_figure(study) if best else None,
    'choices': parts.table(study, best, _CHOICES),
    'conflict': _conflict_figure(study, full),
    **parts.tables(study, _TABLES),
  }


def _gain(study: Study, full: str) -> tuple[str, ...]:
  naive = parts.get(study, f'{_BEST}.naive')
  split = parts.get(study, f'{_BEST}.split_half')
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
  naive = parts.get(study, 'humans.hurt_share_naive')
  again = parts.get(study, 'humans.hurt_share')
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
  excesses = parts.each(
    study,
    f'{_PAIR}.entropy_excess',
    'condition',
    [row['condition'] for row in study.tables.get('humans_vs_full') or []],
  )
  if not excesses:
    return ()
  condition, excess = max(excesses.items(), key=lambda it: it[1].estimate)
  gap = parts.get(study, f'{_PAIR}.gs_difference', condition=condition)
  side = 'more' if gap.estimate >= 0 else 'less'
  size = gap if gap.estimate >= 0 else wording.mirrored(gap)
  control = f'where two samples of votes on {full} differ'
  return (
    wording.claim(
      f'Where the plurality of votes on {condition} differs from that of votes '
      f'on {full}, annotators of {full} differ {side} often, by '
      f'{wording.points_with_interval(size)}',
      excess,
      above=f', {{}} more than {control}, which is consistent with a conflict '
      'of modalities',
      below=f', {{}} less than {control}, so that uncertain clips alone would '
      'do',
      whether=f'whether that is more than {control}',
    )
    + '.',
  )


def _models(study: Study) -> tuple[str, ...]:
  known = parts.each(study, _MODELS, 'signal', _SIGNALS)
  if not known:
    return ()
  signal, estimate = next(iter(known.items()))
  figure = (
    'Spearman’s correlation of how often annotators of a clip differ and '
    f'{_SIGNALS[signal]} is {wording.correlation_with_interval(estimate)}'
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


def _best_figure(study: Study) -> parts.Figure | None:
  ends = [
    (estimate, label)
    for name, label in (
      ('naive', 'biased down'),
      ('split_half', 'biased up'),
    )
    if (estimate := parts.get(study, f'{_BEST}.{name}'))
  ]
  each = plots.Row(
    label='the best of each clip',
    marks=tuple(
      parts.mark(estimate, 'humans', shape='ring', label=label)
      for estimate, label in ends
    ),
    note=' to '.join(
      wording.hundredths(estimate.estimate, signed=True) for estimate, _ in ends
    ),
  )
  others = parts.each(
    study,
    'humans.full_minus_{condition}.accuracy',
    'condition',
    [row['condition'] for row in study.tables['humans']],
  )
  return parts.forest(
    [
      each,
      *(
        parts.row(condition, estimate, 'humans', signed=True)
        for condition, estimate in others.items()
      ),
    ],
    [estimate for estimate, _ in ends],
    name='best-per-clip',
    title='The full condition minus the best other one of each clip',
    axis='gain, points',
    lines=((0.0, ''),),
  )


def _conflict_figure(study: Study, full: str) -> parts.Figure | None:
  rows = study.tables.get('humans_vs_full') or []
  kinds = (
    ('control_gs_difference', 'ink', 'ring', f'two of {full}'),
    ('gs_difference', 'humans', 'dot', f'it and {full}'),
  )
  drawn = []
  for row in rows:
    excess = parts.get(study, f'{_PAIR}.entropy_excess', **row)
    marks = tuple(
      parts.mark(found, colour, shape=shape, label=label)
      for figure, colour, shape, label in kinds
      if (found := parts.get(study, f'{_PAIR}.{figure}', **row))
    )
    note = parts.note(excess or Estimate(None), signed=True)
    drawn.append(plots.Row(str(row['condition']), marks, note))
  figure = parts.forest(
    drawn,
    (),
    name='conflict',
    title='Uncertainty of annotators where pluralities differ',
    axis='difference of GS, points',
    lines=((0.0, ''),),
  )
  if figure is None:
    return None
  clips = parts.n_of(row['num_clips'] for row in rows if row['num_clips'])
  return dataclasses.replace(figure, clips=clips)
