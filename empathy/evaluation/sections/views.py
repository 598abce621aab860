"""Question 1: how good is each view?"""

import dataclasses
from collections.abc import Mapping

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import classes, layers, parts, reliability
from empathy.evaluation.study import Study

# Gains that differ by less are equal but for rounding.
_EQUAL = 1e-12
_ACCURACY = 'views.{view}.accuracy'
_GAIN = 'views.full_minus_{view}.accuracy'
_ANSWERED = 'views.{view}.answered'
_OF_ASKED = 'views.{view}.accuracy_of_asked'
_PLAIN = ('seed_sd', 'accuracy_fold_mean', 'ensemble_accuracy')
_PLAIN += ('macro_f1', 'weighted_f1', 'nll', 'brier', 'ece', 'ece_null')
_TABLES = {
  'views': (
    'views',
    (
      parts.VIEW,
      parts.CLIPS_ONCE,
      parts.count_column('num_seeds', 'seeds', once=True),
      parts.Of(_ACCURACY),
      *parts.plain('views.{view}', *_PLAIN),
    ),
  ),
  'answered': (
    'answered',
    (
      parts.VIEW,
      parts.count_column('num_asked', 'asked'),
      parts.count_column('num_silent', 'not answered'),
      parts.Of(_ANSWERED),
      parts.Of(_OF_ASKED),
    ),
  ),
  'gains': (
    'full_minus_view',
    (
      dataclasses.replace(parts.VIEW, heading='full view minus'),
      parts.Of(_GAIN, p=True),
      parts.count_column('n'),
    ),
  ),
}


def section(study: Study) -> parts.Section:
  """Accuracies, calibration, classes, and the full view against the others."""
  base = parts.Section('views', 'Views', 1)
  rows = study.tables.get('views') or []
  accuracy = parts.each(study, _ACCURACY, 'view', [r['view'] for r in rows])
  if not accuracy:
    return dataclasses.replace(
      base, skipped=parts.skipped(study, 1), verdict=parts.verdict(study, 1)
    )
  full = study.info['full_view']
  difference = parts.primary(study, 1)
  finding = _finding(study, accuracy, difference)
  singles = _singles_sentence(study, accuracy, full)
  seeds, clips = (parts.same(rows, k) for k in ('num_seeds', 'num_clips'))
  several = any(number > 1 for number in study.info['seeds'].values())
  picked = difference and len(study.info['single_views']) > 1
  return dataclasses.replace(
    base,
    verdict=parts.verdict(study, 1, _verdict(study, accuracy, difference)),
    answer=(finding + '.', *singles),
    finding=(
      parts.with_p(finding, difference) if difference else finding + '.'
    ),
    details=(
      *singles,
      *_silent(study),
      *parts.skip_notes(study, 'views.full_minus_best_single.accuracy', _GAIN),
      *classes.views_told(study),
      *_uncalibrated(study),
      *layers.told(study, full),
    ),
    primary=parts.primary_row(
      study, 1, base.title, 'full view − best single view'
    ),
    shows={
      'accuracy': _accuracy_figure(study, accuracy, full),
      **parts.tables(study, _TABLES),
      'reliability': reliability.figure(study, accuracy, full),
      **classes.of_views(study),
      'layers': layers.figure(study, full),
    },
    facts={
      'several_seeds': several,
      **classes.facts(study),
      'few': reliability.FEW,
      'seeds': seeds,
      'clips': clips,
      'picked': picked,
      'member': 'sample' if study.info.get('kind') == 'samples' else 'seed',
      'calibrated': parts.each(study, 'views.{view}.ece', 'view', accuracy),
    },
  )


def best_single(study: Study) -> str:
  """The single view that the full one gains least over, and what it is best of.

  'video, the best single view' or 'text, the only single view given (audio and
  video were not)'.
  """
  gains = parts.each(study, _GAIN, 'view', study.info['single_views'])
  found = {
    view: gain.estimate
    for view, gain in gains.items()
    if wording.is_known(gain.estimate)
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
  elif len(found) > 1 and least + _EQUAL >= max(found.values()):
    told = f'{best}, single views that are equally good'
  else:
    told = f'{best}, the best single view{"s" * (" and " in best)}'
  if missing:
    verb = 'was' if len(missing) == 1 else 'were'
    told += f' given ({wording.listing(missing)} {verb} not)'
  return told


def _verdict(
  study: Study, accuracy: Mapping[str, Estimate], difference: Estimate | None
) -> str:
  """What the full view is worth beside the best single one."""
  found = accuracy.get(study.info['full_view'])
  if difference is None or found is None:
    return ''
  best = best_single(study)
  return (
    f'The full view is right on {wording.percent(found.estimate)} of clips, '
    f'{parts.by(difference)} than {best}.'
  )


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
    f'{wording.plural(estimate.n, "clip")}{parts.as_classes(study)}'
    f'{_unanswered(study, study.info["full_view"])}'
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


def _unanswered(study: Study, view: str) -> str:
  """What accuracy leaves out, where a view did not answer everything."""
  of_asked = parts.get(study, _OF_ASKED, view=view)
  for row in study.tables.get('answered') or []:
    if row['view'] == view and row['num_silent'] and of_asked:
      return (
        f' that it answered ({wording.percent(of_asked.estimate)} of all it '
        f'was asked: {row["num_silent"]:,} of {row["num_asked"]:,} questions '
        'had no answer)'
      )
  return ''


def _singles_sentence(
  study: Study, accuracy: Mapping[str, Estimate], full: str
) -> tuple[str, ...]:
  told = [
    f'{view} is right on {wording.share_with_interval(accuracy[view])}'
    + _unanswered(study, view).replace(' that', ' of those that', 1)
    for view in accuracy
    if '+' not in view and view != full
  ]
  if not told:
    return ()
  return (f'Alone, {wording.listing(told)}.',)


def _silent(study: Study) -> tuple[str, ...]:
  """What views left unanswered, and what that does to their accuracy."""
  rows = study.tables.get('answered') or []
  if not rows:
    return ()
  silent = [row['view'] for row in rows if row['num_silent']]
  if not silent:
    return ('Every question put to a view was answered.',)
  answered = parts.each(study, _ANSWERED, 'view', silent)
  of_asked = parts.each(study, _OF_ASKED, 'view', silent)
  told = []
  for view, share in answered.items():
    sentence = f'{view} answered {wording.share_with_interval(share)}'
    if view in of_asked:
      sentence += (
        ', and is right on '
        f'{wording.share_with_interval(of_asked[view])} of all it was asked'
      )
    told.append(sentence)
  return (
    'Accuracy is that of the answers. Of what they were asked, '
    f'{"; ".join(told)}, what was not answered counting as wrong. Figures that '
    'compare views, or seeds, rest on clips to which all of them gave a label.',
  )


def _uncalibrated(study: Study) -> tuple[str, ...]:
  """Of which views calibration is not judged, by the reason."""
  by_reason: dict[str, list[str]] = {}
  for view in study.info['views']:
    name = catalogue.name('views.{view}.ece', {'view': view})
    reason = study.skipped.get(name)
    if reason:
      by_reason.setdefault(reason, []).append(view)
  return tuple(
    f'Calibration is not judged of {wording.listing(views)}. {reason}'
    for reason, views in by_reason.items()
  )


def _accuracy_figure(study, accuracy, full) -> parts.Figure | None:
  majority = study.statistics.get('data.majority_accuracy')
  lines = ()
  if majority and wording.is_known(majority.estimate):
    lines = ((majority.estimate, 'always the commonest label'),)
  return parts.forest(
    [
      parts.row(view, estimate, plots.colour(view, full))
      for view, estimate in accuracy.items()
    ],
    accuracy.values(),
    name='accuracy',
    title='Accuracy of each view',
    axis='accuracy, %',
    lines=lines,
    bounds=(0, 1),
  )
