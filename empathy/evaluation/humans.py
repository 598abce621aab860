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
  gains,
  halves,
  hard_clips,
  resampling,
  wording,
)
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  Scale,
  interval_cells,
)

_HALVES = f'mean over {halves.NUM_HALVES} random halves of the votes'
MADE_ANEW = 'label made anew'
_TWO_VOTES = 'No clip has two votes or more.'


def answer(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None = None,
) -> Findings:
  """Each condition by itself, the full one minus the others, and the models.

  The primary is the full condition minus the best other one overall, by
  accuracy. Since it is chosen as the least of several, its interval and p-value
  are those of the least, see `resampling.minimum`. Intervals are over clips and
  their groups.

  Args:
    corpus: with or without votes.
    predictions: to ask whether models find the same clips hard; or None.

  Returns:
    Statistics `humans.*`; the tables `humans`, `best_per_clip`,
    `humans_vs_full` and `humans_and_models`; the curve `best_per_clip`.
  """
  if corpus.votes is None:
    return Findings(skipped={'question 5': 'The corpus has no votes.'})
  source = votes_lib.source_of_label(corpus)
  models = hard_clips.answer(corpus, predictions, source)
  corpus = _by_id(corpus)
  votes = {
    condition: corpus.vote_counts(condition) for condition in corpus.conditions
  }
  votes = {name: counts for name, counts in votes.items() if counts.any()}
  found = Findings()
  for condition, counts in votes.items():
    _judge(found, condition, counts, corpus)
    _agree(found, condition, counts, corpus)
  full = corpus_lib.full_condition(list(votes))
  others = [condition for condition in votes if condition != full]
  gained = {}
  if others:
    gained = _compare(found, corpus, votes, full, source)
    for condition in others:
      _differ(found, corpus, votes, full, condition)
  else:
    found.skipped['humans.full_minus_other.accuracy'] = (
      f'Annotators voted in one condition only, {full}.'
    )
  found.tables['humans'] = [
    _row(condition, counts, ordered(corpus), source)
    for condition, counts in votes.items()
  ]
  compared = [name for name in gained if name in found.statistics]
  known = np.array([gained[name] for name in compared]).reshape(
    len(compared), len(corpus.ids)
  )
  chosen = ~np.isnan(known).all(axis=0)
  sample = resampling.sample(corpus.groups[chosen])
  primary = take_least(
    found,
    sample,
    {
      name: sample.totals(
        np.stack([np.nan_to_num(values), ~np.isnan(values)], axis=1)
      )
      for name, values in zip(compared, known[:, chosen], strict=True)
    },
  )
  return Findings(
    statistics=found.statistics | models.statistics,
    skipped=found.skipped | models.skipped,
    primary=primary,
    families=[
      [name for name in compared if name != primary],
      [f'humans.{c}_vs_full.entropy_excess' for c in others],
      *models.families,
    ],
    tables=found.tables | models.tables,
    curves=found.curves,
  )


def take_least(
  found: Findings, sample: resampling.Sample, totals: dict[str, np.ndarray]
) -> str | None:
  """Gives the least of several gains the interval that its choice asks for.

  Args:
    found: has the gains by themselves.
    sample: of all of them.
    totals: of each, by name, its sum and its clips by group (G, 2).

  Returns:
    Its name; None if there is no gain.
  """
  name = min(totals, key=lambda n: found.statistics[n].estimate, default=None)
  if len(totals) > 1:
    alone = found.statistics[name]
    least = resampling.minimum(
      sample,
      [
        resampling.studentise(sample, resampling.mean(both), Scale.DIFFERENCE)
        for both in totals.values()
      ],
      alone.n,
    )
    # What is said of how the figure was made comes after its interval.
    _, mark, how = alone.method.partition(MADE_ANEW)
    found.statistics[name] = _told(least, mark + how)
  return name


def ordered(corpus: corpus_lib.Corpus) -> bool:
  """Whether the classes are a scale."""
  return bool(corpus.info.get('ordered', False))


def _by_id(corpus: corpus_lib.Corpus) -> corpus_lib.Corpus:
  """What of the corpus counts here, with clips in the order of their ids.

  So the clips' order does not matter to what is drawn for them.
  """
  order = np.argsort(corpus.ids)
  place = np.argsort(order)
  return corpus_lib.Corpus(
    info=corpus.info,
    ids=corpus.ids[order],
    groups=corpus.groups[order],
    labels=corpus.labels[order],
    votes=dataclasses.replace(
      corpus.votes, clip=place[corpus.votes.clip].astype(np.int32)
    ),
  )


def _judge(
  found: Findings, condition: str, votes: np.ndarray, corpus: corpus_lib.Corpus
) -> None:
  """Adds what the votes (N, C) of a condition say by themselves, clip by clip.

  Accuracy counts votes alike, the other figures count clips alike.
  """
  prefix = f'humans.{condition}'
  total = votes.sum(axis=1)
  chosen = (total > 0) & (corpus.labels != corpus_lib.UNLABELLED)
  if chosen.any():
    sample = resampling.sample(corpus.groups[chosen])
    hits = votes[np.arange(len(votes)), corpus.labels]
    totals = sample.totals(np.stack([hits, total], axis=1)[chosen])
    found.add(
      f'{prefix}.accuracy',
      resampling.estimate(sample, resampling.mean(totals), scale=Scale.LOGIT),
    )
  else:
    found.skipped[f'{prefix}.accuracy'] = 'No clip with votes has a label.'
  plain, mended = votes_lib.entropy(votes)
  for name, values, how in (
    ('entropy', plain, ''),
    ('entropy_miller_madow', mended, ''),
    ('one_vote_ceiling', halves.one_vote_ceiling(votes), ''),
    ('split_half_reliability', halves.reliability(votes), _HALVES),
  ):
    _add_mean(
      found,
      f'{prefix}.{name}',
      values,
      corpus,
      how=how,
      missing=_TWO_VOTES,
      scale=Scale.LOG if name.startswith('entropy') else Scale.LOGIT,
    )


def _agree(
  found: Findings, condition: str, votes: np.ndarray, corpus: corpus_lib.Corpus
) -> None:
  """Adds the agreement of votes (N, C), as it is and beyond chance, and GS."""
  observed = agreement.observed()
  figures = {'gs': observed, 'observed_agreement': observed}
  figures |= agreement.coefficients(votes.shape[1], ordered(corpus))
  for name, figure in figures.items():
    chosen = votes.sum(axis=1) >= figure.least
    if not chosen.any():
      found.skipped[f'humans.{condition}.{name}'] = agreement.why_undefined(
        votes
      )
      continue
    sample = resampling.sample(corpus.groups[chosen])
    statistic = figure.statistic(sample, votes[chosen])
    found.add(
      f'humans.{condition}.{name}',
      resampling.estimate(
        sample,
        resampling.one_minus(statistic) if name == 'gs' else statistic,
        scale=Scale.LOGIT if figure is observed else Scale.FISHER,
        annotators=_annotators(figure, corpus, condition),
      ),
      agreement.why_undefined(votes),
    )


def _annotators(
  figure: agreement.Coefficient, corpus: corpus_lib.Corpus, condition: str
) -> tuple[float, int]:
  """The variance that the choice of annotators adds, and how many they are.

  Both are 0 where it is not known who voted.
  """
  votes = corpus.votes
  chosen = votes.condition == corpus.conditions.index(condition)
  if (votes.annotator[chosen] == '').any():
    return 0.0, 0
  variance = agreement.annotator_variance(
    figure,
    corpus.groups,
    votes.clip[chosen],
    votes.annotator[chosen],
    votes.label[chosen],
    votes.count[chosen],
    len(corpus.classes),
  )
  return variance or 0.0, len(np.unique(votes.annotator[chosen]))


def _compare(
  found: Findings,
  corpus: corpus_lib.Corpus,
  votes: dict[str, np.ndarray],
  full: str,
  source: str | None,
) -> dict[str, np.ndarray]:
  """Adds the full condition minus each other one, overall and by clip.

  They are means over clips of differences of shares: paired, so that a clip
  with many votes in one condition only does not tip them. The accuracies count
  votes, so their difference may be a little different.

  Returns:
    By name of the overall ones, (N,) differences, NaN where unknown.
  """
  gain = gains.compare(votes, corpus.labels, full, source)
  made, rest = '', ''
  if source is not None:
    where = f'the votes on {source}' if source else 'all votes'
    made = (
      f'{MADE_ANEW} of half of {where}, judging other votes only, {_HALVES}'
    )
    rest = ' left to be judged, beside those that make the label'
  labelled = (corpus.labels != corpus_lib.UNLABELLED).any()

  def missing(votes_in: str) -> str:
    if not labelled:
      return 'No clip has a label.'
    return f'No labelled clip has {votes_in}{rest}.'

  add = functools.partial(_add_mean, found, corpus=corpus, how=made)
  gained = {}
  for condition, shares in gain.shares.items():
    if source is not None:
      add(
        f'humans.{condition}.accuracy_disjoint',
        shares,
        scale=Scale.LOGIT,
        missing=missing(f'votes on {condition}'),
      )
    if condition != full:
      name = f'humans.full_minus_{condition}.accuracy'
      gained[name] = gain.shares[full] - shares
      add(
        name,
        gained[name],
        null=True,
        missing=missing(f'votes in both {full} and {condition}'),
      )
  add = functools.partial(add, how=made or _HALVES)
  add(
    'humans.hurt_share',
    gain.hurt,
    missing=missing('two votes in every condition'),
  )
  each = missing('votes in every condition')
  add(
    'humans.hurt_share_naive',
    gain.hurt_naive,
    how=made,
    scale=Scale.LOGIT,
    missing=each,
  )
  prefix = 'humans.full_minus_best_per_clip'
  if len(votes) == 2:
    for name in ('naive', 'split_half'):
      found.skipped[f'{prefix}.{name}'] = (
        f'There is one condition beside {full} only, so that none is to be '
        'chosen for each clip.'
      )
    return gained
  add(f'{prefix}.naive', gain.naive, how=made, missing=each)
  rows = [_choice_row(f'{prefix}.naive', 'all votes', None, 'down')]
  for number, values in gain.split.items():
    num_votes = gain.num_votes[number]
    known = ~np.isnan(num_votes)
    name, words = f'{prefix}.split_{number}', wording.plural(number, 'vote')
    if number == gains.HALF:
      name, words = f'{prefix}.split_half', 'half of the votes'
    elif 2 * (num_votes == number).sum() < known.sum():
      continue  # Few clips have so many votes: it would say the same again.
    add(
      name,
      values,
      missing=missing(f'a vote on {full} and two in every other condition'),
    )
    if known.any():
      mean = float(num_votes[known].mean())
      rows.append(_choice_row(name, words, mean, 'up'))
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
  return gained


def _differ(
  found: Findings,
  corpus: corpus_lib.Corpus,
  votes: dict[str, np.ndarray],
  full: str,
  condition: str,
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
  parts = gains.pluralities(votes[full], votes[condition])
  chosen = ~np.isnan(parts.gs)
  if not chosen.any():
    for name in ('rate', 'gs_difference', 'entropy_excess'):
      found.skipped[f'{prefix}.{name}'] = (
        f'No clip has four votes on {full} and one on {condition}.'
      )
    return
  sample = resampling.sample(corpus.groups[chosen])
  gs, differ, differ_gs, control, control_gs = (
    values[chosen]
    for values in (
      parts.gs,
      parts.differ,
      parts.differ_gs,
      parts.control,
      parts.control_gs,
    )
  )
  gap = _gap(sample, gs, differ, differ_gs)
  control_gap = _gap(sample, gs, control, control_gs)
  for name, statistic in (
    ('rate', _mean(sample, differ)),
    ('control_rate', _mean(sample, control)),
    ('gs_difference', gap),
    ('control_gs_difference', control_gap),
    ('entropy_excess', resampling.minus(gap, control_gap)),
  ):
    estimate = resampling.estimate(
      sample,
      statistic,
      scale=Scale.LOGIT if name.endswith('rate') else Scale.DIFFERENCE,
      null=name == 'entropy_excess',
    )
    found.add(
      f'{prefix}.{name}',
      _told(estimate, _HALVES),
      'The pluralities differ on no clip, or on every one.',
    )
  row = {
    'condition': condition,
    'num_clips': int(chosen.sum()),
    'num_votes': float(parts.num_votes[chosen].mean()),
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
  sample: resampling.Sample,
  gs: np.ndarray,
  differ: np.ndarray,
  differ_gs: np.ndarray,
) -> resampling.Statistic:
  """Mean GS where pluralities differ minus where not, of (n,) each."""
  return resampling.minus(
    _mean(sample, differ_gs, differ), _mean(sample, gs - differ_gs, 1 - differ)
  )


def _row(
  condition: str, votes: np.ndarray, ordered: bool, source: str | None
) -> dict[str, object]:
  """The row of a condition; the full one's difference stays empty."""
  prefix = f'humans.{condition}'
  difference = f'humans.full_minus_{condition}.accuracy'
  row = {
    'condition': condition,
    'num_clips': int(votes.any(axis=1).sum()),
    'num_votes': int(votes.sum()),
  }
  row |= interval_cells(f'{prefix}.accuracy', 'accuracy')
  if source is not None:
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
  for name in agreement.coefficients(votes.shape[1], ordered):
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
  values: np.ndarray,
  corpus: corpus_lib.Corpus,
  *,
  missing: str,
  how: str = '',
  scale: Scale = Scale.DIFFERENCE,
  null: bool = False,
) -> None:
  """Adds the mean of values (N,) over the clips where they are known."""
  chosen = ~np.isnan(values)
  if not chosen.any():
    found.skipped[name] = missing
    return
  sample = resampling.sample(corpus.groups[chosen])
  estimate = resampling.estimate(
    sample, _mean(sample, values[chosen]), scale=scale, null=null
  )
  found.add(name, _told(estimate, how))


def _mean(
  sample: resampling.Sample,
  values: np.ndarray,
  weights: np.ndarray | None = None,
) -> resampling.Statistic:
  """The sum of values (n,) over that of `weights` (n,), or over the clips."""
  weights = np.ones(len(values)) if weights is None else weights
  return resampling.mean(sample.totals(np.stack([values, weights], axis=1)))


def _told(estimate: Estimate, how: str) -> Estimate:
  """The estimate, with `how` it was made beside how its interval was."""
  told = ', '.join(filter(None, (estimate.method, how)))
  return dataclasses.replace(estimate, method=told)
