"""Question 3: is disagreement ambiguity?"""

import dataclasses

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_RAW = 'ambiguity.{signal}.gs_difference'
_ADJUSTED = 'ambiguity.{signal}.adjusted'
_BEYOND = 'ambiguity.{signal}.beyond_seeds'
_AUROC = 'ambiguity.{signal}.auroc_contested'
_SCALED = {
  'gs_by_confidence': ('gs_agree', 'gs_disagree'),
  'gs_by_disagreement': ('gs', 'low', 'high'),
}
_ALIKE = 'clips that the full view labels alike and with like confidence'


def _words(signal: str) -> str:
  """Who disagrees, or a control."""
  if signal == catalogue.ANY:
    return 'some single view'
  found = catalogue.signal(signal)
  return found.parts.get('view', found.words)


def _there(key: str, heading: str) -> parts.Column:
  """How often annotators differ on one kind of clips."""
  return parts.Column(
    heading,
    lambda r: wording.hundredths(r.get(key)),
    '%',
    lambda r: catalogue.name(_RAW, r),
  )


_WHO = dataclasses.replace(
  parts.SIGNAL, heading='disagreeing', show=lambda r: _words(r['signal'])
)
_SIGNAL = 'ambiguity.{signal}'
_VIEW = 'views.{view}'


def _between(figure: str) -> tuple[parts.Of, ...]:
  """A figure between those of a view that is right and of one that is blind."""
  return (
    *parts.ranged(_VIEW, figure),
    *parts.plain(_VIEW, f'{figure}_null', f'{figure}_prior'),
  )


_TABLES = {
  'table': (
    'ambiguity',
    (
      _WHO,
      parts.count_column('num_disagree'),
      _there('gs_disagree', 'GS there'),
      parts.count_column('num_agree', 'other clips'),
      _there('gs_agree', 'GS there'),
      *parts.ranged(_SIGNAL, 'gs_difference'),
      parts.judged(_SIGNAL, 'adjusted'),
    ),
  ),
  'beyond': (
    'beyond_seeds',
    (_WHO, parts.CLIPS, parts.judged(_SIGNAL, 'beyond_seeds')),
  ),
  'rankings': (
    'ambiguity_signals',
    (
      parts.SIGNAL,
      *parts.ranged(_SIGNAL, 'auroc_contested'),
      parts.Of(
        f'{_AUROC}_equal_n', reason='All clips have equally many votes.'
      ),
      parts.judged(
        _SIGNAL,
        'auroc_minus_confidence',
        'Confidence is not compared with itself.',
      ),
      *parts.ranged(_SIGNAL, 'spearman'),
    ),
  ),
  'scores': (
    'soft_scores',
    (
      parts.VIEW,
      *parts.ranged(_VIEW, 'human_cross_entropy'),
      *parts.plain(
        _VIEW, 'human_cross_entropy_null', 'human_cross_entropy_prior'
      ),
      *parts.ranged(_VIEW, 'human_brier', 'human_jensen_shannon'),
      *parts.plain(
        _VIEW, 'human_jensen_shannon_null', 'human_jensen_shannon_prior'
      ),
      *parts.ranged(_VIEW, 'human_entropy_correlation'),
    ),
  ),
  'distances': (
    'soft_scores',
    (
      parts.VIEW,
      *_between('human_manhattan'),
      *_between('human_wasserstein'),
      *_between('human_entropy_gap'),
      *_between('human_rank_agreement'),
    ),
  ),
}


def section(study: Study) -> parts.Section:
  """How often annotators differ where views disagree, and where they agree."""
  base = parts.Section('ambiguity', 'Ambiguity', 3)
  rows = study.tables.get('ambiguity') or []
  if not rows:
    return dataclasses.replace(
      base, skipped=parts.skipped(study, 3), verdict=parts.verdict(study, 3)
    )
  beyond = parts.primary(study, 3)
  adjusted = parts.get(study, _ADJUSTED, signal=catalogue.ANY)
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
  reasons = parts.skip_notes(
    study, *catalogue.under('ambiguity.{signal}'), signal=catalogue.ANY
  )
  return dataclasses.replace(
    base,
    verdict=parts.verdict(study, 3, _verdict(study, beyond)),
    answer=answer,
    finding=told,
    details=(
      *(details if finding else answer[1:]),
      *_contested(study),
      *(reason for reason in reasons if reason not in rest),
    ),
    primary=parts.primary_row(
      study, 3, base.title, 'single views − other seeds'
    ),
    shows={
      'differences': _differences(study, rows),
      'curves': _curves(study),
      **parts.tables(study, _TABLES),
    },
    facts={
      'adjusted': adjusted,
      'beyond': beyond,
      'ranked': next(iter(study.tables.get('ambiguity_signals') or ()), None),
    },
  )


def _verdict(study: Study, beyond: Estimate | None) -> str:
  """What single views tell of annotators, beside what other seeds tell."""
  if beyond is None:
    return ''
  where = f'where {parts.some_single(study)} disagrees'
  views, seeds = _sides(study)
  if views is None or seeds is None or min(views, seeds) < 0:
    return (
      f'Two annotators differ {parts.by(beyond, "more often", "less often")} '
      f'{where} than where other seeds of the full view do.'
    )
  return (
    f'Two annotators differ {wording.points(views)} more often {where} with '
    f'the full view, and {wording.points(seeds)} where other seeds of it do: '
    f'the single views tell {parts.by(beyond)}.'
  )


def _finding(
  study: Study, adjusted: Estimate | None, beyond: Estimate | None
) -> str:
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
  name = catalogue.name(_BEYOND, {'signal': catalogue.ANY})
  why = study.skipped.get(name, '')
  if not why:
    return ''
  return f' Whether that is more than other seeds tell is not known. {why}'


def _alone(study: Study) -> str:
  """What one view tells beyond one other seed, as a sentence; or nothing."""
  singles = study.info['single_views']
  told = {}
  for view in singles:
    signal = catalogue.name('{view}_disagreement', {'view': view})
    found = parts.get(study, _BEYOND, signal=signal)
    if found:
      told[view] = found
  if not told or len(singles) < 2:
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
  views, seeds = _sides(study)
  if views is None or seeds is None:
    return ()
  return (
    'Seed by seed, the adjusted difference is '
    f'{wording.points(views, signed=True)} where some single view '
    'disagrees with a seed of the full view, and '
    f'{wording.points(seeds, signed=True)} where one of as many other '
    'seeds of the full view does.',
  )


def _sides(study: Study) -> tuple[float | None, float | None]:
  """How much more annotators differ where views, or other seeds, disagree."""
  found = (
    parts.get(
      study, 'ambiguity.{signal}.adjusted_by_seed', signal=catalogue.ANY
    ),
    parts.get(study, 'ambiguity.control.{control}.adjusted', control='seed'),
  )
  return tuple(one and one.estimate for one in found)


def _raw(study: Study, adjusted: Estimate | None) -> tuple[str, ...]:
  raw = parts.get(study, _RAW, signal=catalogue.ANY)
  if raw is None:
    return ()
  where = f'where {parts.some_single(study)} disagrees'
  who = 'annotators' if adjusted is None else 'they'
  sentence = wording.claim(
    'Over all clips, confidence aside',
    raw,
    above=f', {who} differ {{}} more often {where}',
    below=f', {who} differ {{}} less often {where}',
    whether=f'whether {who} differ more often {where}',
    joint=', ',
  )
  return (sentence + '.',)


def _contested(study: Study) -> tuple[str, ...]:
  """How well confidence finds contested clips, and what is added to it."""
  alone = parts.get(study, _AUROC, signal=catalogue.CONFIDENCE)
  gain = parts.get(study, 'diagnosis.combined.auroc_contested_minus_confidence')
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


def _differences(study: Study, rows) -> parts.Figure | None:
  full = study.info['full_view']
  drawn = []
  for row in rows:
    control = catalogue.signal(row['signal']).entry.control
    colour = parts.signal_colour(
      row['signal'], full, other='quiet' if control else 'ink'
    )
    adjusted = parts.get(study, _ADJUSTED, **row)
    marks = tuple(
      parts.mark(
        found, colour, shape=shape, faint=not wording.settled(found), label=kind
      )
      for found, shape, kind in (
        (parts.get(study, _RAW, **row), 'ring', 'raw'),
        (adjusted, 'dot', 'at like confidence'),
      )
      if found
    )
    drawn.append(
      plots.Row(
        label=_words(row['signal']),
        marks=marks,
        note=parts.note(adjusted or Estimate(None), signed=True),
      )
    )
  figure = parts.forest(
    drawn,
    (),
    name='ambiguity',
    title='Difference between annotators where views disagree',
    axis='difference, points',
    lines=((0.0, ''),),
  )
  clips = parts.n_of(row['num_disagree'] + row['num_agree'] for row in rows)
  return dataclasses.replace(figure, clips=clips)


def _curves(study: Study) -> parts.Figure | None:
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
    return None
  counts = (study.curves.get('gs_by_disagreement') or {}).get('count')
  raw = parts.get(study, _RAW, signal=catalogue.ANY)
  return parts.Figure(
    panels,
    columns=2,
    clips=f'n = {wording.listing(map(wording.count, counts))} clips.'
    if counts
    else parts.n_of([raw.n] if raw else ()),
  )


def _by_confidence(study: Study, limits) -> tuple[str, ...]:
  curve = study.curves.get('gs_by_confidence')
  if not curve:
    return ()
  confidences = curve['confidence']
  places = list(range(len(confidences)))
  most = max(*curve['num_disagree'], *curve['num_agree'])
  series = [
    plots.Series(
      kind,
      places,
      curve[f'gs_{kind}'],
      colour=colour,
      weights=curve[f'num_{kind}'],
      most=most,
      shape=shape,
    )
    for kind, colour, shape in (
      ('disagree', 'ink', 'dot'),
      ('agree', 'quiet', 'ring'),
    )
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
