"""Do humans gain from more modalities? Votes by condition against the label.

The full condition is compared with the others overall, and with the best of the
others on each clip. Where the label is itself the plurality of votes, it is
made anew of half of them and judges the rest. And where one condition's
plurality differs from the full one's, annotators of the full one may be less
certain: more so than where it differs from itself, in other votes?
"""

import dataclasses
import functools

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  agreement,
  asked,
  gains,
  halves,
  hard_clips,
  raters,
  samples,
  weighing,
  wording,
)
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan

_EACH = 'votes in every condition'
# So many random orders tell what leaving out an annotator changes.
_AGAIN = 50
# Of `gains.Pluralities`, all of which are added up.
_PLURALITIES = (
  'differ',
  'differ_gs',
  'control',
  'control_gs',
  'gs',
  'num_votes',
)


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up what the votes say, by themselves and of each other."""
  corpus = batch.corpus
  if corpus.votes is None:
    return
  votes = {name: corpus.vote_counts(name) for name in plan.voted}
  orders = draws(batch, plan)
  for condition, counts in votes.items():
    _add_votes(adder, condition, counts, corpus.labels, orders)
    _add_agreement(adder, plan, condition, counts)
  full = plan.full_condition
  if len(votes) > 1:
    _add_gains(
      adder,
      full,
      gains.compare(
        votes,
        corpus.labels,
        full,
        orders,
        plan.source,
        plan.values if plan.rule == 'mean_class' else None,
      ),
    )
  for condition in _others(plan):
    parts = gains.pluralities(votes[full], votes[condition], orders)
    columns = [getattr(parts, name) for name in _PLURALITIES]
    columns.append(~np.isnan(parts.gs))
    adder.add(_key('pluralities', condition), np.stack(columns, axis=1))
  hard_clips.tally(batch, plan, adder)
  raters.tally(batch, plan, adder)


def draws(batch: Batch, plan: Plan) -> halves.Draws:
  """The random orders in which the votes of a batch are parted."""
  number = _num_halves(plan)
  if batch.again:
    number = min(number, _AGAIN)
  return halves.Draws(batch.keys, number)


def answer(totals: totals_lib.Totals, plan: Plan) -> Findings:
  """Each condition by itself, the full one minus the others, and the models.

  The primary is the full condition minus the best other one overall, by
  accuracy. Since it is chosen as the least of several, its interval and p-value
  are those of the least, see `resampling.minimum`. Intervals are over clips and
  their groups.

  Args:
    totals: what `tally` added up.
    plan: names the conditions and what made the label.

  Returns:
    Statistics `humans.*`; the tables `humans`, `best_per_clip`,
    `humans_vs_full` and `humans_and_models`; the curve `best_per_clip`.
  """
  if not plan.survey.has_votes:
    return Findings(skipped={'question 5': 'The corpus has no votes.'})
  models = hard_clips.answer(totals, plan)
  found = Findings()
  for condition in plan.voted:
    _judge(found, condition, totals, plan)
    _agree(found, condition, totals, plan)
  full, others = plan.full_condition, _others(plan)
  gained = {}
  if others:
    gained = _compare(found, totals, plan)
    for condition in others:
      _differ(found, totals, plan, condition)
  else:
    found.skipped['humans.full_minus_other.accuracy'] = (
      f'Annotators voted in one condition only, {full}.'
    )
  found.tables['humans'] = [
    _row(condition, totals, plan) for condition in plan.voted
  ]
  compared = [name for name in gained if name in found.statistics]
  primary = None
  if compared:
    part = totals.over(totals[_key('compared')])
    primary = _take_least(
      found,
      part.groups,
      {name: part[gained[name]] for name in compared},
      how_made(plan),
    )
  return Findings(
    statistics=found.statistics | models.statistics,
    skipped=found.skipped | models.skipped,
    primary=primary,
    tables=found.tables | models.tables | raters.answer(totals, plan).tables,
    curves=found.curves,
  )


def _key(what: str, of: str = '') -> totals_lib.Key:
  return 'humans', what, of


def _others(plan: Plan) -> list[str]:
  """The conditions in which somebody voted, beside the full one."""
  return [name for name in plan.voted if name != plan.full_condition]


def _num_halves(plan: Plan) -> int:
  return halves.NUM_HALVES if plan.exact else halves.FEW_HALVES


def _halves(plan: Plan) -> str:
  return f'mean over {_num_halves(plan)} random halves of the votes'


def how_made(plan: Plan) -> str:
  """How the label was made that judges the votes; '' if not anew."""
  if plan.source is None:
    return ''
  where = f'the votes on {plan.source}' if plan.source else 'all votes'
  return (
    f'label made anew of half of {where}, judging other votes only, '
    f'{_halves(plan)}'
  )


def _add_known(
  adder: totals_lib.Adder, key: totals_lib.Key, values: np.ndarray
) -> None:
  """Adds up values (N,), and clips where they are known: (G, 2)."""
  adder.add(key, np.stack([values, ~np.isnan(values)], axis=1))


def _add_votes(
  adder: totals_lib.Adder,
  condition: str,
  votes: np.ndarray,
  labels: np.ndarray,
  draws: halves.Draws,
) -> None:
  """Adds up what the votes (N, C) of a condition say, clip by clip."""
  total = votes.sum(axis=1)
  chosen = (total > 0) & (labels != corpus_lib.UNLABELLED)
  hits = votes[np.arange(len(votes)), labels]
  adder.add(
    _key('accuracy', condition),
    np.stack([hits, total, chosen], axis=1) * chosen[:, None],
  )
  plain, mended = votes_lib.entropy(votes)
  for name, values in (
    ('entropy', plain),
    ('entropy_miller_madow', mended),
    ('one_vote_ceiling', halves.one_vote_ceiling(votes)),
    ('split_half_reliability', halves.reliability(draws, condition, votes)),
  ):
    _add_known(adder, _key(name, condition), values)


def _add_agreement(
  adder: totals_lib.Adder, plan: Plan, condition: str, votes: np.ndarray
) -> None:
  """Adds up what agreement is made of."""
  parts = {figure.sums: figure.parts for figure in plan.agreements.values()}
  for sums, part in parts.items():
    columns = part(votes.astype(np.float64)).T
    place = np.arange(len(columns))[:, None]
    adder.count(
      _key(sums, condition),
      np.where(columns == 0, -1, place),
      len(columns),
      columns,
    )


def _add_gains(adder: totals_lib.Adder, full: str, gain: gains.Gains) -> None:
  """Adds up the full condition minus the others."""
  compared = False
  for condition, shares in gain.shares.items():
    _add_known(adder, _key('share', condition), shares)
    if condition != full:
      values = gain.shares[full] - shares
      _add_known(adder, _key('full_minus', condition), values)
      compared |= ~np.isnan(values)
  adder.add(_key('compared'), compared)
  for name in ('naive', 'hurt', 'hurt_naive'):
    _add_known(adder, _key(name), getattr(gain, name))
  for number, values in gain.split.items():
    num_votes = gain.num_votes[number]
    columns = [values, ~np.isnan(values), num_votes, num_votes == number]
    adder.add(_key('split', str(number)), np.stack(columns, axis=1))


def _take_least(
  found: Findings,
  groups: samples.Groups,
  totals: dict[str, np.ndarray],
  how: str,
) -> str:
  """Gives the least of several gains the interval that its choice asks for.

  Args:
    found: has the gains by themselves.
    groups: of all of them.
    totals: of each, by name, its sum and its clips by group (G, 2).
    how: they were made.

  Returns:
    Its name.
  """
  name = min(totals, key=lambda n: found.statistics[n].estimate)
  if len(totals) > 1 and groups.probe is None:
    least = asked.least(
      name,
      groups,
      [
        (weighing.mean(both), seeds_lib.THESE_SEEDS) for both in totals.values()
      ],
      found.statistics[name].n,
      list(totals),
    )
    found.statistics[name] = with_how(least, how)
  return name


def _judge(
  found: Findings, condition: str, totals: totals_lib.Totals, plan: Plan
) -> None:
  """Adds what the votes of a condition say by themselves, clip by clip.

  Accuracy counts votes alike, the other figures count clips alike.
  """
  prefix = f'humans.{condition}'
  key = _key('accuracy', condition)
  clips = totals[key][:, 2]
  if clips.any():
    part = totals.over(clips)
    mean = weighing.mean(part[key][:, :2])
    asked.add(found, f'{prefix}.accuracy', part.groups, mean)
  else:
    found.skipped[f'{prefix}.accuracy'] = 'No clip with votes has a label.'
  for name, how in (
    ('entropy', ''),
    ('entropy_miller_madow', ''),
    ('one_vote_ceiling', ''),
    ('split_half_reliability', _halves(plan)),
  ):
    _add_mean(
      found,
      f'{prefix}.{name}',
      totals,
      _key(name, condition),
      how=how,
      missing=agreement.why_undefined(pairable=False),
    )


def _agree(
  found: Findings, condition: str, totals: totals_lib.Totals, plan: Plan
) -> None:
  """Adds the agreement of votes, as it is and beyond chance, and GS."""
  voted, pairable = (
    totals[_key(name, condition)][:, 1]
    for name in ('entropy', 'one_vote_ceiling')
  )
  figures = plan.agreements
  for name, figure in {'gs': figures['observed_agreement'], **figures}.items():
    chosen = pairable if figure.least > 1 else voted
    why = agreement.why_undefined(bool(pairable.any()))
    if not chosen.any():
      found.skipped[f'humans.{condition}.{name}'] = why
      continue
    part = totals.over(chosen)
    statistic = figure.of_totals(part[_key(figure.sums, condition)])
    full_name = f'humans.{condition}.{name}'
    estimate = asked.estimate(
      full_name,
      part.groups,
      weighing.one_minus(statistic) if name == 'gs' else statistic,
    )
    found.add(full_name, estimate, why)


def _compare(
  found: Findings, totals: totals_lib.Totals, plan: Plan
) -> dict[str, totals_lib.Key]:
  """Adds the full condition minus each other one, overall and by clip.

  They are means over clips of differences of shares: paired, so that a clip
  with many votes in one condition only does not tip them. The accuracies count
  votes, so their difference may be a little different.

  Returns:
    By name of the overall ones, the key of their totals.
  """
  full, made = plan.full_condition, how_made(plan)
  add = functools.partial(_add_mean, found, totals=totals, how=made)
  gained = {}
  for condition in plan.voted:
    if plan.source is not None:
      add(
        f'humans.{condition}.accuracy_disjoint',
        key=_key('share', condition),
        missing=_missing(plan, f'votes on {condition}'),
      )
    if condition != full:
      name = f'humans.full_minus_{condition}.accuracy'
      gained[name] = _key('full_minus', condition)
      add(
        name,
        key=gained[name],
        missing=_missing(plan, f'votes in both {full} and {condition}'),
      )
  add(
    'humans.hurt_share',
    key=_key('hurt'),
    how=made or _halves(plan),
    missing=_missing(plan, 'two votes in every condition'),
  )
  add(
    'humans.hurt_share_naive',
    key=_key('hurt_naive'),
    missing=_missing(plan, _EACH),
  )
  _best_per_clip(found, totals, plan)
  return gained


def _missing(plan: Plan, votes_in: str) -> str:
  """Why there is no clip to judge votes on."""
  if not plan.labelled:
    return 'No clip has a label.'
  rest = ''
  if plan.source is not None:
    rest = ' left to be judged, beside those that make the label'
  return f'No labelled clip has {votes_in}{rest}.'


def _best_per_clip(
  found: Findings, totals: totals_lib.Totals, plan: Plan
) -> None:
  """Adds the full condition minus the best other one of each clip."""
  full, made = plan.full_condition, how_made(plan)
  add = functools.partial(_add_mean, found, totals=totals)
  prefix = 'humans.full_minus_best_per_clip'
  if len(plan.voted) == 2:
    for name in ('naive', 'split_half'):
      found.skipped[f'{prefix}.{name}'] = (
        f'There is one condition beside {full} only, so that none is to be '
        'chosen for each clip.'
      )
    return
  missing = _missing(plan, _EACH)
  add(f'{prefix}.naive', key=_key('naive'), how=made, missing=missing)
  rows = [_choice_row(f'{prefix}.naive', 'all votes', None, 'down')]
  missing = _missing(plan, f'a vote on {full} and two in every other condition')
  for number in (gains.HALF, *gains.CHOSEN_BY):
    key = _key('split', str(number))
    _, known, num_votes, exactly = totals[key].sum(axis=0)
    name, words = f'{prefix}.split_{number}', wording.plural(number, 'vote')
    if number == gains.HALF:
      name, words = f'{prefix}.split_half', 'half of the votes'
    elif 2 * exactly < known:
      continue  # Few clips have so many votes: it would say the same again.
    add(
      name,
      key=key,
      how=made or _halves(plan),
      missing=missing,
    )
    if known:
      rows.append(_choice_row(name, words, float(num_votes / known), 'up'))
  found.tables['best_per_clip'] = rows
  shown = sorted(
    (row['num_votes'], row['estimate'].name)
    for row in rows
    if row['num_votes'] is not None
  )
  found.curves['best_per_clip'] = {
    'num_votes': [number for number, _ in shown]
  } | {
    field: [getattr(found.statistics[name], field) for _, name in shown]
    for field in ('estimate', 'low', 'high')
  }


def _differ(
  found: Findings, totals: totals_lib.Totals, plan: Plan, condition: str
) -> None:
  """Adds whether annotators are less certain where pluralities differ.

  `gs_difference` is mean GS where a condition's plurality differs from the full
  one's minus where it does not, all from disjoint votes. Votes on an uncertain
  clip differ whatever they are on, so `control_gs_difference` says the same of
  two pluralities of the full condition, and `entropy_excess` is what is left:
  0 for a condition that is like the full one on every clip, less for one that
  is only noisier. It is above 0 for conflict, and also, though less so, for a
  condition whose votes are more certain than the full one's.
  """
  prefix = f'humans.{condition}_vs_full'
  key = _key('pluralities', condition)
  if not totals[key].any():
    for name in ('rate', 'gs_difference', 'entropy_excess'):
      found.skipped[f'{prefix}.{name}'] = (
        f'No clip has four votes on {plan.full_condition} and one on '
        f'{condition}.'
      )
    return
  part = totals.over(totals[key][:, -1])
  differ, differ_gs, control, control_gs, gs, num_votes, clips = part[key].T
  gap = _gap(gs, clips, differ_gs, differ)
  control_gap = _gap(gs, clips, control_gs, control)
  for name, statistic in (
    ('rate', _mean(differ, clips)),
    ('control_rate', _mean(control, clips)),
    ('gs_difference', gap),
    ('control_gs_difference', control_gap),
    ('entropy_excess', weighing.minus(gap, control_gap)),
  ):
    told = functools.partial(with_how, how=_halves(plan))
    asked.add(found, f'{prefix}.{name}', part.groups, statistic, told)
  row = {
    'condition': condition,
    'num_clips': part.num_clips,
    'num_votes': float(num_votes.sum() / part.num_clips),
  }
  for name in (
    'rate',
    'control_rate',
    'gs_difference',
    'control_gs_difference',
    'entropy_excess',
  ):
    row |= interval_cells(f'{prefix}.{name}', name)
  for name in ('p', 'p_adjusted'):
    row[name] = Cell(f'{prefix}.entropy_excess', name)
  found.tables.setdefault('humans_vs_full', []).append(row)


def _gap(
  gs: np.ndarray, clips: np.ndarray, differ_gs: np.ndarray, differ: np.ndarray
) -> weighing.Statistic:
  """Mean GS where pluralities differ minus where not, of (G,) sums."""
  return weighing.minus(
    _mean(differ_gs, differ), _mean(gs - differ_gs, clips - differ)
  )


def _mean(total: np.ndarray, clips: np.ndarray) -> weighing.Figure:
  """The ratio of sums by group, (G,) each."""
  return weighing.mean(np.stack([total, clips], axis=1))


def _row(
  condition: str, totals: totals_lib.Totals, plan: Plan
) -> dict[str, object]:
  """The row of a condition; the full one's difference stays empty."""
  prefix = f'humans.{condition}'
  difference = f'humans.full_minus_{condition}.accuracy'
  row = {
    'condition': condition,
    'num_clips': int(totals[_key('entropy', condition)][:, 1].sum()),
    'num_votes': int(plan.survey.numbers['votes', condition].sum()),
  }
  row |= interval_cells(f'{prefix}.accuracy', 'accuracy')
  if plan.source is not None:
    row |= interval_cells(f'{prefix}.accuracy_disjoint', 'accuracy_disjoint')
  for name in (
    'gs',
    'entropy',
    'entropy_miller_madow',
    'observed_agreement',
    'one_vote_ceiling',
    'split_half_reliability',
  ):
    row[name] = Cell(f'{prefix}.{name}')
  for name in agreement.coefficients(len(plan.classes), plan.ordered):
    row |= interval_cells(f'{prefix}.{name}', name)
  row |= interval_cells(difference, 'full_minus')
  row['p'] = Cell(difference, 'p')
  row['p_adjusted'] = Cell(difference, 'p_adjusted')
  return row


def _choice_row(
  name: str, chosen_by: str, num_votes: float | None, biased: str
) -> dict[str, object]:
  """A row on the best condition of each clip, by what it was chosen by."""
  return {
    'chosen_by': chosen_by,
    'num_votes': num_votes,
    'num_clips': Cell(name, 'n'),
    'biased': biased,
  } | interval_cells(name, 'estimate')


def _add_mean(
  found: Findings,
  name: str,
  totals: totals_lib.Totals,
  key: totals_lib.Key,
  *,
  missing: str,
  how: str = '',
) -> None:
  """Adds the mean over the clips where it is known of what `key` adds up."""
  clips = totals[key][:, 1]
  if not clips.any():
    found.skipped[name] = missing
    return
  part = totals.over(clips)
  mean = weighing.mean(part[key][:, :2])
  told = functools.partial(with_how, how=how)
  asked.add(found, name, part.groups, mean, told)


def with_how(estimate: Estimate, how: str) -> Estimate:
  """The estimate, with `how` it was made beside how its interval was."""
  told = ', '.join(filter(None, (estimate.method, how)))
  return dataclasses.replace(estimate, method=told)
