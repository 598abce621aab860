"""Question 3: is disagreement ambiguity?"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from empathy.evaluation import plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_ANY = 'any_disagreement'
_SCALED = {
  'gs_by_confidence': ('gs_agree', 'gs_disagree'),
  'gs_by_disagreement': ('gs', 'low', 'high'),
}
_ALIKE = 'clips that the full view labels alike and with like confidence'


def section(study: Study) -> parts.Section:
  """How often annotators differ where views disagree, and where they agree."""
  base = parts.Section(
    key='ambiguity',
    title='Ambiguity',
    question='Do annotators differ more where views disagree?',
    number=3,
  )
  rows = study.tables.get('ambiguity') or []
  if not rows:
    return dataclasses.replace(base, skipped=parts.skipped(study, 3))
  adjusted = parts.primary(study, 3)
  finding, details = '', ()
  if adjusted:
    finding = wording.claim(
      f'Among {_ALIKE}',
      adjusted,
      above=', two annotators differ {} more often where some single view '
      'disagrees with the full one',
      below=', two annotators differ {} less often where some single view '
      'disagrees with the full one',
      whether='whether annotators differ more often where some single view '
      'disagrees with the full one',
      joint=', ',
    )
    details = _raw(study)
  answer = (finding + '.', *details) if finding else _raw(study)
  return dataclasses.replace(
    base,
    answer=answer,
    finding=(
      parts.with_p(finding, adjusted) if adjusted else ' '.join(_raw(study))
    ),
    details=(
      *details,
      *parts.skip_notes(study, r'ambiguity\.any_disagreement\..*'),
    ),
    primary=parts.primary_row(
      adjusted, base.title, 'annotators differ, at like confidence'
    ),
    shows=(
      _differences(study, rows),
      _table(study, rows),
      *_curves(study),
    ),
    limits=(
      'The raw difference proves little: even a view of pure noise disagrees '
      'more often where the full view is unsure, and there annotators differ '
      f'more. The adjusted difference is among {_ALIKE}.',
      'That disagreement and uncertain annotators go together does not say '
      'that one causes the other, nor that it takes several modalities: '
      'models that differ by their seed alone disagree on uncertain clips too.',
    ),
  )


def _raw(study: Study) -> tuple[str, ...]:
  raw = study.statistics.get(f'ambiguity.{_ANY}.gs_difference')
  if raw is None:
    return ()
  sentence = wording.claim(
    'Over all clips, confidence aside',
    raw,
    above=', they differ {} more often',
    below=', they differ {} less often',
    whether='whether they differ more often',
    joint=', ',
  )
  if not parts.primary(study, 3):
    sentence = sentence.replace('they', 'annotators', 1)
  return (sentence + '.',)


def _words(signal: str) -> str:
  if signal == _ANY:
    return 'some single view'
  return parts.words(signal.removesuffix('_disagreement'))


def _colour(row: Mapping[str, Any], full: str) -> str:
  return plots.colour(row['signal'].removesuffix('_disagreement'), full)


def _differences(study: Study, rows) -> parts.Figure:
  full = study.info['full_view']
  drawn = []
  for row in rows:
    colour = _colour(row, full) if row['signal'] != _ANY else 'ink'
    marks = tuple(
      plots.Mark(
        row.get(key),
        row.get(f'{key}_low'),
        row.get(f'{key}_high'),
        colour=colour,
        shape=shape,
        faint=parts.unsupported(row.get(f'{key}_low'), row.get(f'{key}_high')),
        label=label,
      )
      for key, shape, label in (
        ('gs_difference', 'ring', 'raw'),
        ('adjusted', 'dot', 'at like confidence'),
      )
    )
    drawn.append(
      plots.Row(
        label=_words(row['signal']),
        marks=marks,
        note=parts.row_note(row, 'adjusted'),
      )
    )
  return parts.Figure(
    caption=(
      'How much more often two annotators differ on clips where a view '
      'disagrees with the full one: over all clips (ring), and among '
      f'{_ALIKE} (dot, in figures at the right). Grey where the interval '
      'includes zero. '
      f'{parts.n_of(row["num_disagree"] + row["num_agree"] for row in rows)}'
    ),
    panels=(
      parts.intervals(
        drawn,
        name='ambiguity',
        title='Difference between annotators where views disagree',
        axis='difference, points',
        lines=((0.0, ''),),
      ),
    ),
  )


def _table(study, rows) -> parts.Table:
  def name(key):
    return lambda r: f'ambiguity.{r["signal"]}.{key}'

  columns = (
    parts.Column(
      'disagreeing',
      lambda r: _words(r['signal']),
      kind='text',
      colour=lambda r: (
        '' if r['signal'] == _ANY else _colour(r, study.info['full_view'])
      ),
    ),
    parts.Column('clips', lambda r: wording.count(r['num_disagree'])),
    parts.figure_column(
      'gs_disagree', 'GS there, %', wording.hundredths, name('gs_difference')
    ),
    parts.Column('other clips', lambda r: wording.count(r['num_agree'])),
    parts.figure_column(
      'gs_agree', 'GS there, %', wording.hundredths, name('gs_difference')
    ),
    *parts.interval_columns(
      study,
      'gs_difference',
      'raw, points',
      name('gs_difference'),
      signed=True,
    ),
    *parts.interval_columns(
      study, 'adjusted', 'adjusted, points', name('adjusted'), signed=True
    ),
    *parts.p_columns(name('adjusted')),
  )
  return parts.table(
    study,
    'GS, how often two annotators of a clip differ, where views disagree and '
    'elsewhere. The p-values are those of the adjusted difference.',
    rows,
    columns,
  )


def _curves(study: Study) -> tuple[parts.Figure, ...]:
  # One scale for both panels, so that they can be compared.
  limits = plots.limits_of(
    [
      0.0,
      *(
        value
        for curve, keys in _SCALED.items()
        for key in keys
        for value in (study.curves.get(curve) or {}).get(key, ())
      ),
    ],
    (0, 1),
  )
  panels = (
    *_by_confidence(study, limits),
    *_by_disagreement(study, limits),
  )
  if not panels:
    return ()
  return (
    parts.Figure(
      caption=(
        'How often two annotators of a clip differ. First, by the confidence '
        'of the full view, where some single view disagrees with it and where '
        'none does; a larger dot stands for more clips. Second, by how '
        f'many single views disagree. {_curve_sizes(study)}'
      )
      if len(panels) == 2
      else f'How often two annotators of a clip differ. {_curve_sizes(study)}',
      panels=panels,
      columns=2,
    ),
  )


def _curve_sizes(study: Study) -> str:
  counts = (study.curves.get('gs_by_disagreement') or {}).get('count')
  if not counts:
    return parts.n_clips(
      e
      for name, e in study.statistics.items()
      if name == f'ambiguity.{_ANY}.gs_difference'
    )
  return f'n = {wording.listing(map(wording.count, counts))} clips.'


def _by_confidence(study: Study, limits) -> tuple[tuple[str, str], ...]:
  curve = study.curves.get('gs_by_confidence')
  if not curve:
    return ()
  confidences = curve['confidence']
  places = list(range(len(confidences)))
  most = max(*curve['num_disagree'], *curve['num_agree'])
  series = [
    plots.Series(
      'disagree',
      places,
      curve['gs_disagree'],
      weights=curve['num_disagree'],
      most=most,
    ),
    plots.Series(
      'agree',
      places,
      curve['gs_agree'],
      colour='quiet',
      weights=curve['num_agree'],
      most=most,
      shape='ring',
    ),
  ]
  described = '; '.join(
    f'confidence {wording.percent(confidence, 0)}: '
    f'{wording.percent(disagree)} where views disagree, '
    f'{wording.percent(agree)} where they agree'
    for confidence, disagree, agree in zip(
      confidences, curve['gs_disagree'], curve['gs_agree'], strict=True
    )
  )
  return _planes(
    series,
    name='gs-confidence',
    title='How often annotators differ, by confidence of the full view',
    description=described,
    x_axis='confidence in fifths, mean, %',
    x_limits=(-0.3, len(places) - 0.7),
    y_limits=limits,
    x_ticks=[
      (i, wording.hundredths(confidence, 0))
      for i, confidence in enumerate(confidences)
    ],
  )


def _by_disagreement(study: Study, limits) -> tuple[tuple[str, str], ...]:
  curve = study.curves.get('gs_by_disagreement')
  if not curve or not curve['num_disagreeing']:
    return ()
  numbers = curve['num_disagreeing']
  series = plots.Series(
    '',
    numbers,
    curve['gs'],
    lows=curve['low'],
    highs=curve['high'],
    colour='humans',
  )
  described = '; '.join(
    f'{wording.plural(number, "view")}: {wording.percent(gs)} of '
    f'{wording.plural(clips, "clip")}'
    for number, gs, clips in zip(
      numbers, curve['gs'], curve['count'], strict=True
    )
  )
  return _planes(
    [series],
    name='gs-disagreement',
    title='How often annotators differ, by number of disagreeing views',
    description=described,
    x_axis='single views that disagree',
    x_limits=(min(numbers) - 0.4, max(numbers) + 0.4),
    y_limits=limits,
    x_ticks=[(number, wording.count(number)) for number in numbers],
  )


def _planes(series, *, name, **arguments) -> tuple[tuple[str, str], ...]:
  """One panel, for a wide and for a narrow screen."""
  return (
    tuple(
      plots.plane(
        series,
        name=f'{name}-{size}',
        y_axis='two annotators differ, %',
        width=width,
        height=270,
        **arguments,
      )
      for size, width in (('wide', 372), ('narrow', plots.NARROW))
    ),
  )
