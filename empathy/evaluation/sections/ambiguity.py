"""Question 3: is disagreement ambiguity?"""

import dataclasses

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_ANY = 'any_disagreement'
_SCALED = {
  'gs_by_confidence': ('gs_agree', 'gs_disagree'),
  'gs_by_disagreement': ('gs', 'low', 'high'),
}
_ALIKE = 'clips that the full view labels alike and with like confidence'
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
  beyond = parts.primary(study, 3)
  adjusted = study.statistics.get(f'ambiguity.{_ANY}.adjusted')
  finding = _finding(study, adjusted, beyond)
  rest = _unknown(study) if beyond is None else ''
  rest += _alone(study)
  details = (*_by_seed(study), *_raw(study, adjusted))
  answer = tuple(filter(None, (finding and f'{finding}.{rest}', *details)))
  told = ''
  if finding:
    told = parts.with_p(finding, beyond or adjusted) + rest
  elif answer:
    told = answer[0]
  return dataclasses.replace(
    base,
    answer=answer,
    finding=told,
    details=(
      *(details if finding else answer[1:]),
      *_contested(study),
      *(
        reason
        for reason in parts.skip_notes(
          study, *catalogue.under('ambiguity.{signal}'), signal=_ANY
        )
        if reason not in rest
      ),
    ),
    primary=parts.primary_row(
      beyond, base.title, 'annotators differ, beyond what other seeds tell'
    ),
    shows=(
      _differences(study, rows),
      _table(study, rows),
      *_beyond_table(study),
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
      'clips too. So single seeds of the single views are held against as many '
      'other seeds of the full view: each seed of it in turn is the one that '
      'they disagree with, in all combinations, and where single views were '
      'nothing but other seeds, the difference would be zero.',
      'That disagreement and uncertain annotators go together does not say '
      'that one causes the other.',
    ),
  )


def _finding(study: Study, adjusted, beyond) -> str:
  """The adjusted difference, and what of it other seeds do not explain."""
  where = f'where {parts.some_single(study)} disagrees with the full one'
  sentence = ''
  if adjusted is not None:
    sentence = wording.claim(
      f'Among {_ALIKE}',
      adjusted,
      above=f', two annotators differ {{}} more often {where}',
      below=f', two annotators differ {{}} less often {where}',
      whether=f'whether two annotators differ more often {where}',
      joint=', ',
    )
  if beyond is None:
    return sentence
  many = 'as many other seeds of the full view do'
  if wording.standing(beyond) in (wording.OPEN, wording.UNKNOWN):
    lead = sentence or f'Among {_ALIKE}'
  elif sentence:
    lead = f'{sentence}; seed by seed, disagreement of single views'
  else:
    lead = f'Among {_ALIKE}, seed by seed, disagreement of single views'
  return wording.claim(
    lead,
    beyond,
    above=f' tells {{}} more of how often annotators differ than {many}',
    below=f' tells {{}} less of how often annotators differ than {many}',
    whether='whether disagreement of single views tells more, seed by seed, '
    f'than {many}',
  )


def _unknown(study: Study) -> str:
  """Why it is not known what other seeds tell, as a sentence; or nothing."""
  why = study.skipped.get(f'ambiguity.{_ANY}.beyond_seeds', '')
  if not why:
    return ''
  return f' Whether that is more than other seeds tell is not known. {why}'


def _alone(study: Study) -> str:
  """What one view tells beyond one other seed, as a sentence; or nothing."""
  told = {
    view: study.statistics.get(f'ambiguity.{view}_disagreement.beyond_seeds')
    for view in study.info['single_views']
  }
  told = {view: found for view, found in told.items() if found is not None}
  if not told or len(study.info['single_views']) < 2:
    return ''
  more = {
    view: found
    for view, found in told.items()
    if wording.standing(found) == wording.ABOVE and wording.survives(found)
  }
  if more:
    listed = wording.listing(
      f'{view} by {wording.points_with_interval(found)}'
      for view, found in more.items()
    )
    return f' By itself, a view tells more than one other seed does: {listed}.'
  listed = wording.listing(
    f'{view} {wording.points_with_interval(found, signed=True)}'
    for view, found in told.items()
  )
  return (
    ' No single view by itself is shown to tell more than one other seed of '
    f'the full view: {listed}.'
  )


def _by_seed(study: Study) -> tuple[str, ...]:
  """Both sides of the comparison with other seeds."""
  views = study.statistics.get(f'ambiguity.{_ANY}.adjusted_by_seed')
  seeds = study.statistics.get('ambiguity.control.seed.adjusted')
  if views is None or seeds is None:
    return ()
  return (
    'Seed by seed, the adjusted difference is '
    f'{wording.points(views.estimate, signed=True)} where some single view '
    'disagrees with a seed of the full view, and '
    f'{wording.points(seeds.estimate, signed=True)} where one of as many other '
    'seeds of the full view does.',
  )


def _raw(study: Study, adjusted) -> tuple[str, ...]:
  raw = study.statistics.get(f'ambiguity.{_ANY}.gs_difference')
  if raw is None:
    return ()
  where = f'where {parts.some_single(study)} disagrees'
  sentence = wording.claim(
    'Over all clips, confidence aside',
    raw,
    above=f', they differ {{}} more often {where}',
    below=f', they differ {{}} less often {where}',
    whether=f'whether they differ more often {where}',
    joint=', ',
  )
  if adjusted is None:
    sentence = sentence.replace('they', 'annotators', 1)
  return (sentence + '.',)


def _contested(study: Study) -> tuple[str, ...]:
  """How well confidence finds contested clips, and what is added to it."""
  alone = study.statistics.get(f'ambiguity.{_CONFIDENCE}.auroc_contested')
  gain = study.statistics.get(
    'diagnosis.combined.auroc_contested_minus_confidence'
  )
  if alone is None:
    return ()
  lead = (
    'Low confidence ranks a clip on which no class has two thirds of the '
    'votes above another rightly '
    f'{wording.share_with_interval(alone)} of the time'
  )
  if gain is None:
    return (lead + '.',)
  return (
    wording.claim(
      lead,
      gain,
      above='; fitted to other clips, confidence and disagreement together do '
      'so {} more often than confidence alone',
      below='; fitted to other clips, confidence and disagreement together do '
      'so {} less often than confidence alone, the price of a weight for noise',
      whether='whether disagreement adds to that',
    )
    + '.',
  )


def _words(signal: str) -> str:
  """Who disagrees, or a control."""
  if signal == _ANY:
    return 'some single view'
  found = catalogue.signal(signal)
  return found.parts.get('view', found.words)


def _colour(signal: str, full: str) -> str:
  if catalogue.signal(signal).entry.control:
    return 'quiet'
  return parts.signal_colour(signal, full)


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
      f'{_ALIKE} (dot, in figures at the right). '
      f'{wording.capital(parts.GREY)}, and for controls, which know nothing of '
      'modalities: what they find, a method finds that is fooled. '
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
    'GS (the Gini–Simpson index), how often two annotators of a clip differ, '
    'where views disagree and elsewhere. The p-values are those of the '
    'adjusted difference.',
    rows,
    columns,
  )


def _beyond_table(study: Study) -> tuple[parts.Table, ...]:
  rows = study.tables.get('beyond_seeds') or []
  if not rows:
    return ()

  def name(row):
    return f'ambiguity.{row["signal"]}.beyond_seeds'

  return (
    parts.table(
      study,
      'How much more disagreement of single views, seed by seed, tells of how '
      'often annotators differ than disagreement of as many other seeds of the '
      'full view, among clips that a seed of it labels alike and with like '
      'confidence: of any single view, and of one at a time.',
      rows,
      (
        parts.Column(
          'disagreeing',
          lambda r: _words(r['signal']),
          kind='text',
          colour=lambda r: _dot(r['signal'], study.info['full_view']),
        ),
        parts.Column('clips', lambda r: wording.count(r['num_clips'])),
        *parts.interval_columns(
          study, 'beyond_seeds', 'beyond seeds, points', name, signed=True
        ),
        *parts.p_columns(name),
      ),
    ),
  )


def _dot(signal: str, full: str) -> str:
  """The colour of the dot before a signal's name; none if it is no view."""
  return (
    _colour(signal, full) if 'view' in catalogue.signal(signal).parts else ''
  )


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


def _by_confidence(study: Study, limits) -> tuple[str, ...]:
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
  drawn = plots.plane(
    series,
    name='gs-confidence',
    title='How often annotators differ, by confidence of the full view',
    description=described,
    y_axis='two annotators differ, %',
    x_axis='confidence in fifths, mean, %',
    x_limits=(-0.3, len(places) - 0.7),
    y_limits=limits,
    x_ticks=[
      (i, wording.hundredths(confidence, 0))
      for i, confidence in enumerate(confidences)
    ],
  )
  return (drawn,)


def _by_disagreement(study: Study, limits) -> tuple[str, ...]:
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
  drawn = plots.plane(
    [series],
    name='gs-disagreement',
    title='How often annotators differ, by number of disagreeing views',
    description=described,
    y_axis='two annotators differ, %',
    x_axis='single views that disagree',
    x_limits=(min(numbers) - 0.4, max(numbers) + 0.4),
    y_limits=limits,
    x_ticks=[(number, wording.count(number)) for number in numbers],
  )
  return (drawn,)
