"""Question 3: is disagreement ambiguity?"""

import dataclasses

from empathy.evaluation import plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_ANY = 'any_disagreement'
_SCALED = {
  'gs_by_confidence': ('gs_agree', 'gs_disagree'),
  'gs_by_disagreement': ('gs', 'low', 'high'),
}
_ALIKE = 'clips that the full view labels alike and with like confidence'
_CONTROL = 'control.'
_CONTROLS = {
  'seed': 'other seeds of the full view',
  'constant': 'a view that always says one class',
  'noise': 'views that say classes at random',
  'permuted': 'some single view; votes permuted',
}
_CONFIDENCE = 'one_minus_confidence'


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
    details = (*_raw(study), *_beyond_seeds(study))
  answer = (finding + '.', *details) if finding else _raw(study)
  return dataclasses.replace(
    base,
    answer=answer,
    finding=(
      parts.with_p(finding, adjusted) if adjusted else ' '.join(_raw(study))
    ),
    details=(
      *details,
      *_contested(study),
      *parts.skip_notes(study, r'ambiguity\.any_disagreement\..*'),
    ),
    primary=parts.primary_row(
      adjusted, base.title, 'annotators differ, at like confidence'
    ),
    shows=(
      _differences(study, rows),
      _table(study, rows),
      *_curves(study),
      *_rankings(study),
      *_soft_scores(study),
    ),
    limits=(
      'The raw difference proves little: even a view of pure noise disagrees '
      'more often where the full view is unsure, and there annotators differ '
      f'more. The adjusted difference is among {_ALIKE}.',
      'The adjusted difference alone does not show that it takes several '
      'modalities: models that differ by their seed disagree on uncertain '
      'clips too. What counts is how far it lies above the control of other '
      'seeds, which rather finds too much where seeds are few.',
      'That disagreement and uncertain annotators go together does not say '
      'that one causes the other.',
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


def _beyond_seeds(study: Study) -> tuple[str, ...]:
  """What the disagreement of views tells that that of seeds does not."""
  beyond = study.statistics.get(f'ambiguity.{_ANY}.adjusted_minus_seed_control')
  if beyond is None:
    return ()
  adjusted = parts.primary(study, 3)
  if wording.standing(beyond) == wording.ABOVE and (
    wording.standing(adjusted) != wording.ABOVE
  ):
    # More than what seeds tell is a finding only if it is more than nothing.
    return (
      'That is more than other seeds of the full view tell, by '
      f'{wording.points_with_interval(beyond)}, though not clearly more than '
      'nothing.',
    )
  return (
    wording.claim(
      'Other seeds of the full view would disagree on uncertain clips too',
      beyond,
      above='; single views tell more than those do, by {}',
      below='; single views tell less than those do, by {}',
      whether='whether single views tell more than those do',
    )
    + '.',
  )


def _contested(study: Study) -> tuple[str, ...]:
  """How well disagreement and confidence find contested clips."""
  alone = study.statistics.get(f'ambiguity.{_CONFIDENCE}.auroc_contested')
  gain = study.statistics.get(f'ambiguity.{_ANY}.auroc_minus_confidence')
  if alone is None or gain is None:
    return ()
  return (
    wording.claim(
      'Low confidence ranks a clip on which no class has two thirds of the '
      'votes above another rightly '
      f'{wording.share_with_interval(alone)} of the time',
      gain,
      above='; whether some single view disagrees does so {} more often',
      below='; whether some single view disagrees does so {} less often',
      whether='whether disagreement ranks them better',
    )
    + '.',
  )


def _words(signal: str) -> str:
  if signal.startswith(_CONTROL):
    return f'control: {_CONTROLS[signal.removeprefix(_CONTROL)]}'
  if signal == _ANY:
    return 'some single view'
  return parts.words(signal.removesuffix('_disagreement'))


def _colour(signal: str, full: str) -> str:
  if signal.startswith(_CONTROL):
    return 'quiet'
  if signal == _ANY:
    return 'ink'
  return plots.colour(signal.removesuffix('_disagreement'), full)


def _differences(study: Study, rows) -> parts.Figure:
  full = study.info['full_view']
  drawn = []
  for row in rows:
    marks = tuple(
      plots.Mark(
        row.get(key),
        row.get(f'{key}_low'),
        row.get(f'{key}_high'),
        colour=_colour(row['signal'], full),
        shape=shape,
        faint=parts.unsupported(
          study, f'ambiguity.{row["signal"]}.{key}', row, key
        ),
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
      'includes zero, and for controls, which know nothing of modalities: '
      'what they find, a method finds that is fooled. '
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
      colour=lambda r: _dot(r['signal'], study.info['full_view']),
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


def _dot(signal: str, full: str) -> str:
  """The colour of the dot before a signal's name; none if it is no view."""
  if signal == _ANY or signal.startswith(_CONTROL):
    return ''
  return _colour(signal, full)


def _rankings(study: Study) -> tuple[parts.Table, ...]:
  rows = study.tables.get('ambiguity_signals') or []
  if not rows:
    return ()

  def name(key):
    return lambda r: f'ambiguity.{r["signal"]}.{key}'

  against = name('auroc_minus_confidence')
  itself = 'Confidence is not compared with itself.'
  columns = (
    parts.Column('signal', lambda r: parts.signal(r['signal']), kind='text'),
    *parts.interval_columns(
      study, 'auroc_contested', 'AUROC, %', name('auroc_contested')
    ),
    *parts.interval_columns(
      study,
      'equal_n',
      'equally many votes',
      name('auroc_contested_equal_n'),
      reason='All clips have equally many votes.',
    ),
    *parts.interval_columns(
      study,
      'minus_confidence',
      'minus confidence, points',
      against,
      signed=True,
      reason=itself,
    ),
    *parts.p_columns(against, itself),
    parts.figure_column(
      'spearman', 'Spearman with GS', wording.number, name('spearman')
    ),
    parts.Column(
      'interval',
      lambda r: wording.decimal_span(
        r.get('spearman_low'), r.get('spearman_high')
      ),
      name('spearman'),
      kind='interval',
    ),
  )
  return (
    parts.table(
      study,
      'How well signals rank contested clips, on which no class has two '
      'thirds of the votes, above others: the area under the ROC curve, over '
      'all pairs and over those with equally many votes, and how much more '
      'than that of low confidence it is (with its p-values). Spearman’s '
      'correlation is with GS. '
      f'{wording.plural(rows[0]["num_contested"], "contested clip")} of '
      f'{wording.count(rows[0]["num_clips"])}.',
      rows,
      columns,
    ),
  )


def _soft_scores(study: Study) -> tuple[parts.Table, ...]:
  rows = study.tables.get('soft_scores') or []
  if not rows:
    return ()

  def name(key):
    return lambda r: f'views.{r["view"]}.human_{key}'

  def column(key, heading):
    figure = f'human_{key}'
    return (
      parts.figure_column(figure, heading, wording.number, name(key)),
      parts.Column(
        'interval',
        lambda r: wording.decimal_span(
          r.get(f'{figure}_low'), r.get(f'{figure}_high')
        ),
        name(key),
        kind='interval',
      ),
    )

  def null(key):
    figure = f'{key}_null'
    return parts.figure_column(
      f'human_{figure}', 'if true', wording.number, name(figure)
    )

  columns = (
    parts.view_column(study.info['full_view']),
    *column('cross_entropy', 'cross-entropy, nats'),
    null('cross_entropy'),
    *column('brier', 'Brier'),
    *column('jensen_shannon', 'Jensen–Shannon'),
    null('jensen_shannon'),
    *column('manhattan', 'Manhattan'),
    null('manhattan'),
    *column('wasserstein', 'Wasserstein, classes'),
    null('wasserstein'),
    *column('entropy_correlation', 'correlation of entropies'),
  )
  return (
    parts.table(
      study,
      'How far the probabilities of each view, the mean over its seeds, lie '
      'from the shares of the votes. By cross-entropy and by Brier’s score, '
      'less what sampling of votes adds to it, views can be compared: lower is '
      'nearer, and Brier’s is 0 for the shares of all people. The other '
      'distances favour views that are too sure where votes are few; “if true” '
      'is what they would be if the votes were drawn from the view’s own '
      'probabilities. Last, whether the clips of which the view is unsure are '
      'those on which annotators differ (Pearson’s correlation of the '
      'entropies).',
      rows,
      columns,
    ),
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
