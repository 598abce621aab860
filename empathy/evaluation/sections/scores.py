"""The questions of scores: how near, how far apart, and what that tells."""

import dataclasses
from collections.abc import Iterator

from empathy.evaluation import distance, plots, scores, units, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_VIEW = 'scores.{view}'
_PAIR = 'scores.{view}_vs_full'
_BEST = 'scores.full_minus_best_single.ccc'
_ALPHA = 'humans.{condition}.alpha_interval'
_VARIANCE = 'scores.humans.{condition}.variance'
_LESS = 'scores.humans.full_minus_{condition}.variance'
_HARM = 'scores.dominance.{modality}.net_harm'
_TABLES = {
  'views': (
    'scores',
    (
      parts.VIEW,
      parts.CLIPS_ONCE,
      parts.Of(f'{_VIEW}.ccc'),
      *parts.plain(_VIEW, *(f for f in scores.FIGURES if f != 'ccc')),
    ),
  ),
  'calibration': (
    'score_calibration',
    (
      parts.VIEW,
      parts.CLIPS_ONCE,
      *parts.ranged(_VIEW, 'crps'),
      *parts.plain(_VIEW, 'crps_null'),
      *(
        column
        for level in scores.LEVELS
        for column in (
          *parts.plain(f'{_VIEW}.coverage_{level}', 'share', 'null'),
          parts.Of(f'{_VIEW}.coverage_{level}.gap', interval=level == 90),
        )
      ),
    ),
  ),
  'apart': (
    'scores_apart',
    (
      parts.VIEW,
      parts.CLIPS_ONCE,
      *parts.plain(_PAIR, 'apart'),
      *parts.ranged(_PAIR, 'excess', 'unshared'),
    ),
  ),
  **{
    told: (
      'scores_apart',
      (
        parts.VIEW,
        *parts.plain(_PAIR, told, f'{told}_seeds'),
        parts.judged(_PAIR, f'{told}_excess', 'It is asked of single views.'),
      ),
    )
    for told in distance.TOLD
  },
}


def section(study: Study) -> parts.Section | None:
  """What there is of scores; None where classes have no values."""
  rows = study.tables.get('scores') or []
  votes = study.tables.get('score_votes') or []
  if not rows and not votes:
    return None
  full = study.info['full_view']
  ccc = parts.each(study, f'{_VIEW}.ccc', 'view', [r['view'] for r in rows])
  apart = [row['view'] for row in study.tables.get('scores_apart') or []]
  singles = [view for view in apart if view in study.info['single_views']]
  conditions = [row['condition'] for row in votes]
  told = (
    *_finding(study, ccc, full),
    *_apart(study, apart),
    *_telling(study, singles, 'ambiguity', 'ratings of people vary more'),
    *_moved(study),
    *_varying(study, conditions),
    *_telling(study, singles, 'errors', 'the full view errs by more'),
    *_calibrated(study, full),
  )
  notes = _notes(study)
  base = parts.Section('scores', 'Scores', 8)
  if not told:
    why = ' '.join(notes) or 'The study holds no figures of scores.'
    return dataclasses.replace(base, skipped=why)
  return dataclasses.replace(
    base,
    answer=told[:1],
    finding=told[0],
    details=(*told[1:], *notes),
    shows={
      'ccc': parts.forest(
        [
          parts.row(view, one, plots.colour(view, full))
          for view, one in ccc.items()
        ],
        ccc.values(),
        name='ccc',
        title='Concordance of each view',
        axis='CCC, hundredths',
        include=(0,),
      ),
      **parts.tables(study, _TABLES),
    },
    facts={
      'clips': parts.same(rows, 'num_clips'),
      'apart': bool(apart),
      'asked': bool(singles),
    },
  )


def _notes(study: Study) -> tuple[str, ...]:
  """What is not told of scores, and why."""
  return parts.skip_notes(
    study,
    'scores.{view}',
    _PAIR,
    f'{_VIEW}.distribution',
    *(f'{_PAIR}.of_{told}' for told in distance.TOLD),
    f'{_PAIR}.unshared',
    'scores.dominance',
    _BEST,
    _VARIANCE,
    _LESS,
  )


def _ranged(estimate: Estimate, unit: units.Unit = units.NUMBER) -> str:
  return wording.with_interval(estimate, unit)


def _finding(study, ccc, full) -> Iterator[str]:
  """How near the scores are to the true ones, and whether all views help."""
  if full not in ccc:
    for view, one in ccc.items():
      yield (
        f'The concordance (CCC) of {view}’s scores with the true ones is '
        f'{_ranged(one)}.'
      )
    return
  lead = (
    f'The concordance (CCC) of the scores of {parts.full_view(study)} with the '
    f'true ones is {_ranged(ccc[full])} on '
    f'{wording.plural(ccc[full].n, "clip")}'
  )
  gain = parts.get(study, _BEST)
  if gain is None:
    yield f'{lead}.'
    return
  claim = wording.claim(
    lead,
    gain,
    above=', above the best single view’s by {}',
    below=', below the best single view’s by {}',
    whether='whether it is above the best single view’s',
    unit=units.GAIN,
  )
  yield parts.with_p(claim, gain)


def _apart(study: Study, views: list[str]) -> Iterator[str]:
  """How far views are from the full one, beyond their seeds."""
  for view in views:
    apart, excess, unshared = (
      parts.get(study, f'{_PAIR}.{name}', view=view)
      for name in ('apart', 'excess', 'unshared')
    )
    if apart is None:
      continue
    told = (
      f'Scores of {view} and of the full view are '
      f'{wording.number(apart.estimate)} apart'
    )
    if excess is None:
      yield f'{told}.'
      continue
    told = wording.claim(
      told,
      excess,
      above=', {} more than two seeds of either are on average',
      below=', {} less than two seeds of either are on average',
      whether='whether that is more than two seeds of either are',
      unit=units.GAIN,
    )
    if unshared is not None:
      told = wording.claim(
        told,
        unshared,
        above='; of the variance of its mean score, {} is no linear function '
        'of the full view’s',
        below='; its mean score is not shown to be more than a linear '
        'function of the full view’s',
        whether='whether its mean score is more than a linear function of the '
        'full view’s',
        unit=units.SIGNED_SHARE,
        what='share of its variance that is not one',
      )
    yield f'{told}.'


def _telling(study, views: list[str], told: str, what: str) -> Iterator[str]:
  """What distance from the full view goes with, beyond that of its seeds."""
  found = parts.each(study, f'{_PAIR}.{told}_excess', 'view', views)
  if not found:
    return
  above = [v for v, one in found.items() if _settled(one) == wording.ABOVE]
  below = [v for v, one in found.items() if _settled(one) == wording.BELOW]
  left = [v for v in found if v not in above + below]
  for some, ending in (
    (above, 'beyond what other seeds of the full view tell'),
    (below, 'less than other seeds of the full view tell'),
  ):
    if some:
      listed = wording.listing(f'{v} {_ranged(found[v])}' for v in some)
      yield (
        f'Where these lie further from the full view, {what}, {ending}, as a '
        f'difference of correlations: {listed}.'
      )
  if left:
    listed = wording.listing(
      f'{v} {wording.with_interval(found[v], units.GAIN)}' for v in left
    )
    yield (
      f'Whether {what} where a single view lies further from the full one, '
      'beyond what other seeds of it tell, is not settled by these data (a '
      f'difference of correlations): {listed}.'
    )


def _settled(estimate: Estimate) -> str:
  if not wording.settled(estimate):
    return wording.OPEN
  return wording.standing(estimate)


def _moved(study: Study) -> Iterator[str]:
  """How far modalities move the expected score, and whether that harms."""
  shares = parts.each(
    study,
    'scores.dominance.{modality}.share',
    'modality',
    study.info['modalities'],
  )
  harm = parts.get(study, _HARM, modality='any')
  if not shares:
    return
  listed = wording.listing(
    f'{name} is {wording.share_with_interval(one)}'
    for name, one in shares.items()
  )
  lead = f'Of what moves the full view’s score, {listed}'
  if harm is None:
    yield f'{lead}.'
    return
  claim = wording.claim(
    lead,
    harm,
    above='; the modality that moves a clip’s score most makes its squared '
    'error larger by {}, as no fusion does that weighs evidence well',
    below='; the modality that moves a clip’s score most makes its squared '
    'error smaller by {}, as it would be in a model that weighs evidence well',
    whether='whether the modality that moves a clip’s score most makes its '
    'squared error larger',
    unit=units.GAIN,
  )
  yield parts.with_p(claim, harm)


def _varying(study: Study, conditions: list[str]) -> Iterator[str]:
  """How ratings vary, and whether they do so less in the full condition."""
  alphas = parts.each(study, _ALPHA, 'condition', conditions)
  listed = wording.listing(
    f'{_ranged(one)} on {name}' for name, one in alphas.items()
  )
  if listed:
    yield (
      f'People’s ratings of a clip agree with an interval alpha of {listed}; 1 '
      'is equality, 0 is chance.'
    )
  found = parts.each(study, _VARIANCE, 'condition', conditions)
  listed = wording.listing(
    f'{wording.number(one.estimate)} on {name}' for name, one in found.items()
  )
  if listed:
    yield f'The variance of a clip’s ratings is {listed}.'
  for name, gain in parts.each(study, _LESS, 'condition', conditions).items():
    claim = wording.claim(
      f'Of the full condition and {name}',
      gain,
      above=', ratings vary more in the full one, by {}',
      below=', ratings vary less in the full one, by {}',
      whether='whether ratings vary less in the full one',
      unit=units.GAIN,
      joint=', ',
    )
    yield parts.with_p(claim, gain)


def _calibrated(study: Study, full: str) -> Iterator[str]:
  """Whether the full view's distributions hold what they should."""
  held, null, gap = (
    parts.get(study, f'{_VIEW}.coverage_90.{name}', view=full)
    for name in ('share', 'null', 'gap')
  )
  if None in (held, null, gap):
    return
  claim = wording.claim(
    'The central 90 % interval of the full view’s distribution holds the label '
    f'of {wording.share_with_interval(held)} of clips and has '
    f'{wording.percent(null.estimate)} of the mass',
    gap,
    above=': it is too wide, by {}',
    below=': it is too narrow, by {}',
    whether='whether it is too wide or too narrow',
  )
  yield parts.with_p(claim, gap)
