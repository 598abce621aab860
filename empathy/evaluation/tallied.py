"""The study of a tally: the same names, from sums instead of clips.

What sums give is what the study of all clips in memory gives, to rounding. What
a tally does not keep is skipped, and the reason says so.
"""

import dataclasses
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  agreement,
  data_checks,
  diagnosis,
  disagreement,
  dominance,
  humans,
  resampling,
  views,
)
from empathy.evaluation import study as study_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  Scale,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.tallies import Tally

_AT_ONCE = (
  'This is not kept in a tally; judge the clips, or a sample of them, without '
  '--tally.'
)


def build(tally: Tally) -> study_lib.Study:
  """Asks every question that sums can answer.

  Raises:
    InputError: there is no clip with predictions or votes.
  """
  if not tally.totals['data', 'judged'].any() and not tally.has_votes:
    raise errors.InputError('the tally has neither predictions nor votes')
  plan = Plan(tally.survey)
  return study_lib.assemble(
    {
      7: data_checks.answer(tally.totals, plan),
      1: views.answer(tally.totals, plan),
      2: disagreement.answer(tally.totals, plan),
      3: study_lib.about_ambiguity(tally.totals, plan),
      4: dominance.answer(tally.totals, plan),
      5: _humans(tally),
      6: study_lib.if_graded(diagnosis.answer(tally.totals, plan), plan),
    },
    study_lib.info(tally.totals, plan),
  )


@dataclasses.dataclass(frozen=True)
class _Groups:
  """The groups that have clips of some kind.

  Attributes:
    kept: (G,) bool.
    sample: these groups.
  """

  kept: np.ndarray
  sample: resampling.Groups

  def of(self, totals: np.ndarray) -> np.ndarray:
    """Their rows of totals (G, ...)."""
    return totals[self.kept]


def _groups(tally: Tally, clips: np.ndarray) -> _Groups:
  """Those with clips (G,); there is one at least."""
  kept = clips > 0
  number = round(float(clips.sum()))
  return _Groups(
    kept,
    resampling.Groups(tally.groups[kept], number),
  )


def _mean(
  tally: Tally, total: np.ndarray, count: np.ndarray, **how
) -> Estimate:
  """The ratio of two totals (G,), over the groups that count."""
  groups = _groups(tally, count)
  both = np.stack([groups.of(total), groups.of(count)], axis=1)
  return resampling.estimate(groups.sample, resampling.mean(both), **how)


def _source(tally: Tally) -> str | None:
  """The votes that made the label, as `votes.source_of_label`."""
  conditions = tally.info['conditions']
  full = corpus_lib.full_condition(conditions)
  return votes_lib.source_of_counts(
    {name: _pluralities(tally, name) for name in (full, *conditions, '')},
    tally.info.get('label_source'),
  )


def _pluralities(tally: Tally, name: str) -> np.ndarray:
  """Sums of `votes.plurality_and_label` of a condition, '' for all votes."""
  prefix = f'humans/{name}' if name else 'all_votes'
  return tally.sums[f'{prefix}/plurality'].sum(axis=0)


def _humans(tally: Tally) -> Findings:
  """As `humans.answer`, of what is not drawn for each clip."""
  if not tally.has_votes:
    return Findings(skipped={'question 5': 'The corpus has no votes.'})
  found = Findings()
  source = _source(tally)
  voted = [
    name
    for name in tally.info['conditions']
    if tally.sums[f'humans/{name}/votes'].any()
  ]
  for name in voted:
    _agree(tally, found, name)
  full = corpus_lib.full_condition(voted)
  compared = {}
  for name in voted:
    if name == full:
      continue
    statistic = f'humans.full_minus_{name}.accuracy'
    gain, count = np.moveaxis(tally.sums[f'humans/{name}/full_minus'], -1, 0)
    if source is not None:
      found.skipped[statistic] = (
        'The label was made from the votes, so that it would have to be made '
        f'anew clip by clip. {_AT_ONCE}'
      )
    elif not count.any():
      found.skipped[statistic] = (
        f'No labelled clip has votes in both {full} and {name}.'
      )
    else:
      found.add(
        statistic, _mean(tally, gain, count, scale=Scale.DIFFERENCE, null=True)
      )
      compared[statistic] = tally.sums[f'humans/{name}/full_minus']
  if len(voted) < 2:
    found.skipped['humans.full_minus_other.accuracy'] = (
      f'Annotators voted in one condition only, {full}.'
    )
  found.tables['humans'] = [_human_row(tally, name, source) for name in voted]
  for name in (
    'full_minus_best_per_clip',
    'hurt_share',
    'hurt_share_naive',
    'models',
    *(f'{name}_vs_full' for name in voted if name != full),
  ):
    found.skipped[f'humans.{name}'] = _AT_ONCE
  every = sum((totals[:, 1] for totals in compared.values()), 0)
  primary = None
  if compared:
    groups = _groups(tally, every)
    primary = humans.take_least(
      found,
      groups.sample,
      {name: groups.of(totals) for name, totals in compared.items()},
    )
  return dataclasses.replace(
    found,
    primary=primary,
    families=[[name for name in compared if name != primary]],
  )


def _figures(tally: Tally) -> dict[str, agreement.Coefficient]:
  ordered = bool(tally.info.get('ordered', False))
  return agreement.coefficients(len(tally.info['classes']), ordered)


def _agree(tally: Tally, found: Findings, condition: str) -> None:
  """Adds what the votes of a condition say by themselves."""
  prefix = f'humans.{condition}'
  sums = {
    name.removeprefix(f'humans/{condition}/'): array
    for name, array in tally.sums.items()
    if name.startswith(f'humans/{condition}/')
  }
  hits, votes, clips = np.moveaxis(sums['accuracy'], -1, 0)
  if clips.any():
    groups = _groups(tally, clips)
    both = np.stack([groups.of(hits), groups.of(votes)], axis=1)
    found.add(
      f'{prefix}.accuracy',
      resampling.estimate(
        groups.sample, resampling.mean(both), scale=Scale.LOGIT
      ),
    )
  else:
    found.skipped[f'{prefix}.accuracy'] = 'No clip with votes has a label.'
  plain, mended, voted = np.moveaxis(sums['entropy'], -1, 0)
  found.add(f'{prefix}.entropy', _mean(tally, plain, voted, scale=Scale.LOG))
  found.add(
    f'{prefix}.entropy_miller_madow',
    _mean(tally, mended, voted, scale=Scale.LOG),
  )
  ceiling, count = np.moveaxis(sums['ceiling'], -1, 0)
  if count.any():
    found.add(
      f'{prefix}.one_vote_ceiling',
      _mean(tally, ceiling, count, scale=Scale.LOGIT),
    )
  else:
    found.skipped[f'{prefix}.one_vote_ceiling'] = (
      'No clip has two votes or more.'
    )
  found.skipped[f'{prefix}.split_half_reliability'] = _AT_ONCE
  observed = agreement.observed()
  figures = {'gs': observed, 'observed_agreement': observed}
  for name, figure in (figures | _figures(tally)).items():
    totals = sums['observed_agreement' if name == 'gs' else name]
    if not totals[:, -1].any():
      found.skipped[f'{prefix}.{name}'] = 'No clip has two votes or more.'
      continue
    groups = _groups(tally, totals[:, -1])
    statistic = figure.of_totals(groups.of(totals)[:, :-1])
    if name == 'gs':
      statistic = resampling.one_minus(statistic)
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(
        groups.sample,
        statistic,
        scale=Scale.LOGIT if figure is observed else Scale.FISHER,
      ),
      'No two votes on a clip can be told from chance.',
    )


def _human_row(
  tally: Tally, condition: str, source: str | None
) -> dict[str, Any]:
  del source  # What it would add is skipped.
  prefix = f'humans.{condition}'
  difference = f'humans.full_minus_{condition}.accuracy'
  number = tally.sums[f'humans/{condition}/num_votes'].sum(axis=0)
  row = {
    'condition': condition,
    'num_clips': int(number[1:].sum()),
    'num_votes': int(tally.sums[f'humans/{condition}/votes'].sum()),
  }
  row |= interval_cells(f'{prefix}.accuracy', 'accuracy')
  for name in (
    'gs',
    'entropy',
    'entropy_miller_madow',
    'observed_agreement',
    'one_vote_ceiling',
    'split_half_reliability',
  ):
    row[name] = Cell(f'{prefix}.{name}')
  for name in _figures(tally):
    row |= interval_cells(f'{prefix}.{name}', name)
  row |= interval_cells(difference, 'full_minus')
  return row | {field: Cell(difference, field) for field in ('p', 'p_adjusted')}
