"""Question 6: is it a good diagnostic?"""

import dataclasses
from collections.abc import Mapping, Sequence

from empathy.evaluation import plots, wording
from empathy.evaluation.catalogue import ANY, COMBINED, CONFIDENCE
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# The curves in the figure, from the name in `Study.curves`.
_CURVES = {
  'combined': ('combined', 'ink', 'dot'),
  'one_minus_confidence': ('confidence', 'ink', 'ring'),
  'disagreement_first': ('disagreement', 'quiet', 'dot'),
  'seed_mutual_information': ('seeds', 'quiet', 'dot'),
  'random': ('random', 'quiet', 'ring'),
  'oracle': ('oracle', 'quiet', 'ring'),
}
# Half of the clips is more than anybody looks at.
_MOST_REVIEWED = 0.5
_EVERY = 0.1
# The wanted rate of errors that the text tells of, in percent.
_WANTED = 10
_HIT = 'ranks a clip that the full view labels wrongly above one that it labels'
_AUROC = 'diagnosis.{signal}.auroc_error'
_GAIN = 'diagnosis.combined.auroc_minus_confidence'
_SELECTIVE = 'diagnosis.selective_{wanted}'
_OF = 'diagnosis.{signal}'
_ITSELF = 'Confidence is not compared with itself.'
_TABLES = {
  'detectors': (
    'diagnosis',
    (
      parts.SIGNAL,
      parts.CLIPS_ONCE,
      *parts.ranged(_OF, 'auroc_error'),
      parts.judged(_OF, 'auroc_error_minus_confidence', _ITSELF),
    ),
  ),
  'rankings': (
    'diagnosis',
    (
      parts.SIGNAL,
      parts.CLIPS_ONCE,
      *parts.ranged(_OF, 'errors_found_at_10'),
      *parts.plain(_OF, 'average_precision', 'aurc', 'e_aurc'),
      *parts.ranged(_OF, 'auroc_error_uncontested'),
    ),
  ),
}
_SELECTED = (
  parts.count_column('wanted', 'errors wanted, %'),
  *parts.ranged(_SELECTIVE, 'risk', 'coverage'),
  parts.count_column('num_answered'),
)


def section(study: Study) -> parts.Section:
  """How well signals find errors, and what disagreement adds to confidence."""
  base = parts.Section('diagnosis', 'Diagnosis', 6)
  rows = study.tables.get('diagnosis') or []
  if not rows:
    return dataclasses.replace(
      base, skipped=parts.skipped(study, 6), verdict=parts.verdict(study, 6)
    )
  more = parts.primary(study, 6)
  gain = _gain(study)
  finding = _adjusted(study, more) if more else gain.rstrip('.')
  details = (*((gain,) if more else ()), *_review(study))
  rate = parts.get(study, 'diagnosis.error_rate')
  calm = parts.each(
    study, f'{_AUROC}_uncontested', 'signal', [r['signal'] for r in rows]
  )
  return dataclasses.replace(
    base,
    verdict=parts.verdict(study, 6, _verdict(study, more)),
    answer=(finding + '.', *details),
    finding=parts.with_p(finding, more) if more else finding + '.',
    details=(
      *details,
      *_alone(study),
      *_uncontested(study),
      *_selective(study),
      *_reasons(study),
    ),
    primary=parts.primary_row(
      study, 6, base.title, 'where views disagree − elsewhere'
    ),
    shows={
      'auroc': _forest(study, rows),
      'curves': _curves(study),
      **parts.tables(study, _TABLES),
      'selective': parts.table(study, _selective_rows(study), _SELECTED),
    },
    facts={
      'clips': parts.same(rows, 'num_clips'),
      'compared': any(row['signal'] == CONFIDENCE for row in rows),
      'calm': calm,
      'error_rate': rate and wording.share_with_interval(rate),
      'votes': bool(study.info['conditions']),
    },
  )


def _verdict(study: Study, more: Estimate | None) -> str:
  """How much more the full view errs where it is contradicted."""
  if more is None:
    return ''
  where = f'where {parts.some_single(study)} disagrees with it'
  return (
    f'Of clips with like confidence, the full view errs '
    f'{parts.by(more, "more often", "less often")} {where}.'
  )


def _reasons(study: Study) -> tuple[str, ...]:
  return parts.skip_notes(
    study,
    'diagnosis.{signal}',
    'diagnosis.uncontested',
    'diagnosis.selective',
    _SELECTIVE,
    f'{_SELECTIVE}.risk',
    'diagnosis.error_rate',
    'diagnosis.combined',
    _GAIN,
    'diagnosis.{signal}.adjusted',
  )


def _adjusted(study: Study, difference: Estimate) -> str:
  where = f'where {parts.some_single(study)} disagrees with it'
  return wording.claim(
    'Among clips that the full view labels alike and with like confidence',
    difference,
    above=f', the full view errs {{}} more often {where}',
    below=f', the full view errs {{}} less often {where}',
    whether=f'whether the full view errs more often {where}',
    joint=', ',
  )


def _gain(study: Study) -> str:
  """What disagreement adds to confidence as a detector."""
  alone = parts.get(study, _AUROC, signal=CONFIDENCE)
  gain = parts.get(study, _GAIN)
  if alone is None:
    return (
      'What disagreement adds to confidence is not known. '
      f'{parts.unanswered(study, 6)}'
    )
  lead = (
    f'Low confidence {_HIT} rightly '
    f'{wording.share_with_interval(alone)} of the time'
  )
  if gain is None:
    return lead + '.'
  return (
    wording.claim(
      lead,
      gain,
      above='; fitted to other clips, confidence and disagreement together do '
      'so {} more often than confidence alone',
      below='; whether some single view disagrees adds nothing that confidence '
      'does not tell: fitted to other clips, both together do so {} less often '
      'than confidence alone',
      whether='whether disagreement adds to what confidence tells',
    )
    + '.'
  )


def _review(study: Study) -> tuple[str, ...]:
  pattern = 'diagnosis.{signal}.errors_found_at_10'
  found = parts.each(study, pattern, 'signal', (CONFIDENCE, COMBINED))
  if CONFIDENCE not in found:
    return ()
  sentence = (
    'Looking at the 10 % of clips of which the full view is least confident '
    f'finds {wording.share_with_interval(found[CONFIDENCE])} of its errors'
  )
  if COMBINED in found:
    sentence += (
      ', at the 10 % that confidence and disagreement together put first '
      f'{wording.share_with_interval(found[COMBINED])}'
    )
  return (f'{sentence}; a random tenth would find 10 %.',)


def _alone(study: Study) -> tuple[str, ...]:
  """What disagreement does by itself."""
  pattern = 'diagnosis.{signal}.precision_minus_confidence'
  gain = parts.get(study, pattern, signal=ANY)
  if gain is None:
    return ()
  return (
    wording.claim(
      'By itself, disagreement picks a set of clips',
      gain,
      above=' in which errors are {} more frequent than among equally many '
      'least confident clips',
      below=' in which errors are {} less frequent than among equally many '
      'least confident clips',
      whether='whether errors are more frequent in it than among equally many '
      'least confident clips',
    )
    + '.',
  )


def _uncontested(study: Study) -> tuple[str, ...]:
  names = {ANY: 'disagreement', CONFIDENCE: 'low confidence'}
  found = parts.each(study, f'{_AUROC}_uncontested', 'signal', names)
  told = [
    f'{names[signal]} {wording.share_with_interval(figure)}'
    for signal, figure in found.items()
  ]
  if not told:
    return ()
  return (
    'On clips that annotators do not contest, the chance that an error is '
    f'ranked above a right label is for {wording.listing(told)}.',
  )


def _selective(study: Study) -> tuple[str, ...]:
  """What answering only where the full view is sure comes to."""
  risk, coverage = (
    parts.get(study, f'{_SELECTIVE}.{figure}', wanted=_WANTED)
    for figure in ('risk', 'coverage')
  )
  if risk is None or coverage is None:
    return ()
  return (
    f'A threshold on confidence, chosen on other clips for {_WANTED} % errors, '
    f'leaves {wording.share_with_interval(coverage)} of clips answered, with '
    f'{wording.share_with_interval(risk)} errors among them.',
  )


def _selective_rows(study: Study) -> list[parts.Record]:
  """The wanted rate in percent, as names have it."""
  return [
    row | {'wanted': round(100 * row['wanted'])}
    for row in study.tables.get('selective') or []
  ]


def _forest(study: Study, rows) -> parts.Figure | None:
  full = study.info['full_view']
  estimates = parts.each(
    study, _AUROC, 'signal', [row['signal'] for row in rows]
  )
  drawn = [
    parts.row(
      parts.signal(signal),
      estimate,
      parts.signal_colour(signal, full),
      faint=wording.standing(estimate, 0.5) in (wording.OPEN, wording.UNKNOWN),
    )
    for signal, estimate in estimates.items()
  ]
  lines = [(0.5, 'chance')]
  if CONFIDENCE in estimates:
    lines.append((estimates[CONFIDENCE].estimate, 'confidence'))
    if abs(lines[1][0] - 0.5) < 0.1:
      lines[0] = (0.5, '')
  return parts.forest(
    drawn,
    estimates.values(),
    name='diagnosis',
    title='How well each signal ranks errors above right labels',
    axis='AUROC for errors, %',
    lines=tuple(lines),
    bounds=(0, 1),
  )


def _curves(study: Study) -> parts.Figure | None:
  budget = study.curves.get('review_budget')
  risk = study.curves.get('risk_coverage')
  if not budget or not risk:
    return None
  found = [
    (share, i)
    for i, share in enumerate(budget['budget'])
    if share <= _MOST_REVIEWED + 1e-9 and _on_grid(share)
  ]
  # A clip that is looked at is one that the full view need not cover.
  left = [
    (1 - share, i)
    for i, share in reversed(list(enumerate(risk['coverage'])))
    if 1 - share <= _MOST_REVIEWED + 1e-9 and _on_grid(share)
  ]
  rest = 'errors among the rest, %'
  panels = (
    _plane(
      budget, found, 'budget', 'Errors found by review', 'errors found, %'
    ),
    _plane(risk, left, 'risk', 'Error rate among the rest', rest),
  )
  clips = parts.n_of((budget['num_clips'],))
  return parts.Figure(panels, columns=2, clips=clips)


def _on_grid(share: float) -> bool:
  steps = share / _EVERY
  return abs(steps - round(steps)) < 1e-9


def _plane(
  curve: Mapping[str, Sequence[float]],
  places: Sequence[tuple[float, int]],
  name: str,
  title: str,
  axis: str,
) -> str:
  series = [
    plots.Series(
      label,
      [x for x, _ in places],
      [curve[key][i] for _, i in places],
      colour=colour,
      shape=shape,
      weights=[0.0] * len(places),
      most=1.0,
    )
    for key, (label, colour, shape) in _CURVES.items()
    if key in curve
  ]
  described = '; '.join(
    f'{one.label}: '
    + wording.listing(
      f'{wording.percent(y)} at {wording.percent(x, 0)}'
      for x, y in zip(one.xs, one.ys, strict=True)
    )
    for one in series
  )
  limits = plots.limits_of([0.0, *(y for s in series for y in s.ys)], (0, 1))
  return plots.plane(
    series,
    name=f'diagnosis-{name}',
    title=title,
    description=described,
    x_axis='clips looked at, %',
    y_axis=axis,
    x_limits=(0.0, _MOST_REVIEWED),
    y_limits=limits,
  )
