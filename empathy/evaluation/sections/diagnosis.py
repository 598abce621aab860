"""Question 6: is it a good diagnostic?"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from empathy.evaluation import plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_ANY = 'any_disagreement'
_CONFIDENCE = 'one_minus_confidence'
_COMBINED = 'combined'
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


def section(study: Study) -> parts.Section:
  """How well signals find errors, and what disagreement adds to confidence."""
  base = parts.Section(
    key='diagnosis',
    title='Diagnosis',
    question='Does disagreement find the errors?',
    number=6,
  )
  rows = study.tables.get('diagnosis') or []
  if not rows:
    return dataclasses.replace(base, skipped=parts.skipped(study, 6))
  more = parts.primary(study, 6)
  gain = _gain(study)
  finding = _adjusted(study, more) if more else gain.rstrip('.')
  details = (*((gain,) if more else ()), *_review(study))
  return dataclasses.replace(
    base,
    answer=(finding + '.', *details),
    finding=parts.with_p(finding, more) if more else finding + '.',
    details=(
      *details,
      *_alone(study),
      *_uncontested(study),
      *_selective(study),
      *parts.skip_notes(
        study,
        'diagnosis.{signal}',
        'diagnosis.uncontested',
        'diagnosis.selective',
        'diagnosis.selective_{wanted}',
        'diagnosis.selective_{wanted}.risk',
        'diagnosis.error_rate',
        'diagnosis.combined',
        'diagnosis.combined.auroc_minus_confidence',
        'diagnosis.{signal}.adjusted',
      ),
    ),
    primary=parts.primary_row(
      more,
      base.title,
      'errors where views disagree, at like confidence',
    ),
    shows=(
      _forest(study, rows),
      *_curves(study),
      _auroc_table(study, rows),
      _ranking_table(study, rows),
      *_selective_table(study),
    ),
    limits=_limits(study),
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
  alone = study.statistics.get(f'diagnosis.{_CONFIDENCE}.auroc_error')
  gain = study.statistics.get('diagnosis.combined.auroc_minus_confidence')
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
  found = {
    signal: study.statistics.get(f'diagnosis.{signal}.errors_found_at_10')
    for signal in (_CONFIDENCE, _COMBINED)
  }
  if found[_CONFIDENCE] is None:
    return ()
  sentence = (
    'Looking at the 10 % of clips of which the full view is least confident '
    f'finds {wording.share_with_interval(found[_CONFIDENCE])} of its errors'
  )
  if found[_COMBINED] is not None:
    sentence += (
      ', at the 10 % that confidence and disagreement together put first '
      f'{wording.share_with_interval(found[_COMBINED])}'
    )
  return (f'{sentence}; a random tenth would find 10 %.',)


def _alone(study: Study) -> tuple[str, ...]:
  """What disagreement does by itself."""
  gain = study.statistics.get(f'diagnosis.{_ANY}.precision_minus_confidence')
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
  figures = {
    name: study.statistics.get(f'diagnosis.{signal}.auroc_error_uncontested')
    for name, signal in (
      ('disagreement', _ANY),
      ('low confidence', _CONFIDENCE),
    )
  }
  told = [
    f'{name} {wording.share_with_interval(figure)}'
    for name, figure in figures.items()
    if figure is not None
  ]
  if not told:
    return ()
  return (
    'On clips that annotators do not contest, the chance that an error is '
    f'ranked above a right label is for {wording.listing(told)}.',
  )


def _selective(study: Study) -> tuple[str, ...]:
  """What answering only where the full view is sure comes to."""
  name = f'diagnosis.selective_{_WANTED}'
  risk = study.statistics.get(f'{name}.risk')
  coverage = study.statistics.get(f'{name}.coverage')
  if risk is None or coverage is None:
    return ()
  return (
    f'A threshold on confidence, chosen on other clips for {_WANTED} % errors, '
    f'leaves {wording.share_with_interval(coverage)} of clips answered, with '
    f'{wording.share_with_interval(risk)} errors among them.',
  )


def _selective_table(study: Study) -> tuple[parts.Table, ...]:
  rows = study.tables.get('selective')
  if not rows:
    return ()

  def name(figure):
    return lambda r: f'diagnosis.selective_{round(100 * r["wanted"])}.{figure}'

  return (
    parts.table(
      study,
      'Selective prediction: the full view answers where its confidence '
      'reaches a threshold that other clips chose for the '
      'wanted error rate.',
      rows,
      [
        parts.Column(
          'errors wanted, %', lambda r: wording.hundredths(r['wanted'], 0)
        ),
        *parts.interval_columns(
          study, 'risk', 'errors among answered, %', name('risk')
        ),
        *parts.interval_columns(
          study, 'coverage', 'answered, %', name('coverage')
        ),
        parts.Column('clips', lambda r: wording.count(r['num_answered'])),
      ],
    ),
  )


def _forest(study: Study, rows) -> parts.Figure:
  full = study.info['full_view']
  estimates = {
    row['signal']: study.statistics[f'diagnosis.{row["signal"]}.auroc_error']
    for row in rows
    if f'diagnosis.{row["signal"]}.auroc_error' in study.statistics
  }
  drawn = [
    plots.Row(
      label=parts.signal(signal),
      marks=(
        parts.mark(
          estimate,
          parts.signal_colour(signal, full),
          faint=wording.standing(estimate, 0.5)
          in (wording.OPEN, wording.UNKNOWN),
        ),
      ),
      note=parts.note(estimate),
    )
    for signal, estimate in estimates.items()
  ]
  lines = [(0.5, 'chance')]
  if _CONFIDENCE in estimates:
    lines.append((estimates[_CONFIDENCE].estimate, 'confidence'))
    if abs(lines[1][0] - 0.5) < 0.1:
      lines[0] = (0.5, '')
  return parts.Figure(
    caption=(
      'AUROC: the chance that a clip which the full view labels wrongly has a '
      'higher signal than one that it labels rightly'
      f'{parts.with_interval(estimates.values(), ", ")}. Grey where the '
      'interval includes chance or is not there. '
      f'{parts.n_clips(estimates.values())}'
    ),
    panels=(
      parts.intervals(
        drawn,
        name='diagnosis',
        title='How well each signal ranks errors above right labels',
        axis='AUROC for errors, %',
        lines=tuple(lines),
        bounds=(0, 1),
      ),
    ),
  )


def _curves(study: Study) -> tuple[parts.Figure, ...]:
  budget = study.curves.get('review_budget')
  risk = study.curves.get('risk_coverage')
  if not budget or not risk:
    return ()
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
  return (
    parts.Figure(
      caption=(
        'What a reviewer finds who looks at the clips that a signal puts '
        'first: the share of all errors that are among them, and the error '
        'rate among the rest (risk and coverage). “Disagreement” puts first '
        'the clips on which some single view disagrees, by confidence among '
        'these; the oracle knows the errors. '
        f'{parts.n_of((budget["num_clips"],))}'
      ),
      panels=(
        _plane(
          budget, found, 'budget', 'Errors found by review', 'errors found, %'
        ),
        _plane(
          risk,
          left,
          'risk',
          'Error rate among the rest',
          'errors among the rest, %',
        ),
      ),
      columns=2,
    ),
  )


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


def _auroc_table(study: Study, rows) -> parts.Table:
  def against(row):
    return _name(row, 'auroc_error_minus_confidence')

  columns = [
    _signal_column(study),
    *_clips_column(rows),
    *parts.interval_columns(
      study, 'auroc_error', 'AUROC, %', lambda r: _name(r, 'auroc_error')
    ),
    *parts.interval_columns(
      study,
      'minus_confidence',
      'minus confidence, points',
      against,
      signed=True,
      reason='Confidence is not compared with itself.',
    ),
    *parts.p_columns(against, 'Confidence is not compared with itself.'),
  ]
  return parts.table(
    study,
    'Each signal as a detector of the full view’s errors'
    f'{_same_clips(rows)}. The p-values are those of the difference from '
    'confidence.',
    rows,
    columns,
  )


def _ranking_table(study: Study, rows) -> parts.Table:
  columns = [
    _signal_column(study),
    *_clips_column(rows),
    *parts.interval_columns(
      study,
      'errors_found_at_10',
      'found, %',
      lambda r: _name(r, 'errors_found_at_10'),
    ),
    *(
      parts.figure_column(
        key, heading, wording.number, lambda r, key=key: _name(r, key)
      )
      for key, heading in (
        ('average_precision', 'AP'),
        ('aurc', 'AURC'),
        ('e_aurc', 'E-AURC'),
      )
    ),
    *parts.interval_columns(
      study,
      'uncontested',
      'uncontested, %',
      lambda r: _name(r, 'auroc_error_uncontested'),
    ),
  ]
  calm = ''
  if any(wording.is_known(row.get('uncontested')) for row in rows):
    calm = '; at the right, the AUROC on clips that annotators do not contest'
  rate = study.statistics.get('diagnosis.error_rate')
  base = ''
  if rate is not None:
    base = (
      f' The full view errs on {wording.share_with_interval(rate)} of clips: '
      'the average precision and the AURC of a signal that tells nothing.'
    )
  return parts.table(
    study,
    'What a reviewer gains from each signal'
    f'{_same_clips(rows)}: the errors found among the 10 % of clips that it '
    'puts first, average precision (AP), and the areas under risk and '
    f'coverage, lower being better{calm}.{base}',
    rows,
    columns,
  )


def _name(row: Mapping[str, Any], figure: str) -> str:
  return f'diagnosis.{row["signal"]}.{figure}'


def _signal_column(study: Study) -> parts.Column:
  full = study.info['full_view']

  def colour(row):
    shown = parts.signal_colour(row['signal'], full)
    return '' if shown == 'ink' else shown

  return parts.Column(
    'signal', lambda r: parts.signal(r['signal']), kind='text', colour=colour
  )


def _clips_column(rows) -> tuple[parts.Column, ...]:
  if parts.same(rows, 'num_clips') is not None:
    return ()
  return (parts.Column('clips', lambda r: wording.count(r['num_clips'])),)


def _same_clips(rows) -> str:
  clips = parts.same(rows, 'num_clips')
  return '' if clips is None else f', n = {wording.plural(clips, "clip")}'


def _limits(study: Study) -> tuple[str, ...]:
  limits = [
    'An error is a clip on which the full view, its seeds averaged, differs '
    'from the label; where the label is wrong, a good signal finds that too. '
    'The intervals speak of these trained members.',
    'Confidence with and without disagreement is fitted to other clips than it '
    'is judged on. Where disagreement tells nothing its weight is noise, which '
    'puts the gain a little below zero on average, so a small gain can be '
    'missed. The difference at like confidence is the keener test, so it is '
    'the primary figure.',
  ]
  if study.info['conditions']:
    limits.append(
      'Where the label is the plurality of the votes, a clip with divided '
      'votes is both contested and easy to get wrong: errors and contestedness '
      'then share votes. The figures on uncontested clips are less touched '
      'by that.'
    )
  return tuple(limits)
