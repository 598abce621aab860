"""The label: how even its classes are, the votes, and whether they made it."""

import math
from collections.abc import Sequence

import numpy as np

from empathy.evaluation import totals as totals_lib
from empathy.evaluation import verdicts, wording
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals

# Below these, figures still come out, but with a warning.
_FEW_CLIPS_OF_A_CLASS = 10
_FEW_VOTES = 3
_LARGE_CLASS = 0.8
# From so many clips on, one asks whether votes made the label.
_MOSTLY_VOTES = 0.9
# What the label may be of votes, and of which clips that is asked.
_RULES = {
  'plurality': ('plurality', 'one without a tie'),
  'mean_class': ('class of the mean', 'both'),
}
# More classes than these are counted, not named.
_MOST_NAMED = 4


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up how many votes clips have."""
  corpus = batch.corpus
  if corpus.votes is None:
    return
  for name in (*plan.voted, ''):
    number = corpus.vote_counts(name or None).sum(axis=1)
    adder.rank(verdicts.key('votes', name), number > 0, number=number)


def check_classes(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds the table `class_balance`, and judges it."""
  count = totals[verdicts.key('labels')].sum(axis=0).astype(np.int64)
  classes, num_clips = plan.classes, plan.survey.num_clips
  total = int(count.sum())
  if not total:
    reason = 'No clip has a label.'
    found.skipped['data.largest_class_share'] = reason
    verdicts.note(
      found,
      'labelled_share',
      0.0,
      verdicts.WARNING,
      f'{reason} Nothing that needs one is answered.',
      num_clips,
    )
    return
  found.tables['class_balance'] = [
    {'class': name, 'num_clips': int(number), 'share': float(number / total)}
    for name, number in zip(classes, count, strict=True)
  ]
  if total < num_clips:
    share = total / num_clips
    verdicts.note(
      found,
      'labelled_share',
      share,
      verdicts.WARNING,
      f'{wording.percent(share)} of the clips have a label; figures that '
      'need one leave the others out.',
      num_clips,
    )
  share = count.max() / total
  sentence = class_sentence(classes, count)
  rare = count.min() < _FEW_CLIPS_OF_A_CLASS
  verdicts.note(
    found,
    'largest_class_share',
    share,
    verdicts.WARNING if share > _LARGE_CLASS or rare else verdicts.OK,
    sentence,
    total,
  )


def class_sentence(classes: Sequence[str], count: np.ndarray) -> str:
  """The largest and the smallest class, however many share the place.

  Args:
    classes: C names.
    count: (C,) int, their labelled clips.
  """
  total = int(count.sum())

  def told(number: int, adjective: str) -> str:
    names = [
      name for name, n in zip(classes, count, strict=True) if n == number
    ]
    clips = (
      f'{wording.plural(int(number), "clip")} '
      f'({wording.percent(number / total)})'
    )
    if len(names) == 1:
      return f'the {adjective} class, {names[0]}, has {clips}'
    if len(names) > _MOST_NAMED:
      return f'the {adjective} classes, {len(names)} of them, have {clips} each'
    return (
      f'the {adjective} classes, {wording.listing(map(str, names))}, have '
      f'{clips} each'
    )

  if count.min() == count.max():
    return (
      f'Each of the {wording.plural(len(count), "class", "classes")} has '
      f'{wording.plural(int(count[0]), "clip")}.'
    )
  sentence = f'{told(count.max(), "largest")}; {told(count.min(), "smallest")}'
  return wording.sentence(sentence)


def check_votes(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds the table `votes_per_clip`, and judges it."""
  if not plan.survey.has_votes:
    found.skipped['data.votes_per_clip'] = 'The corpus has no votes.'
    return
  rows = []
  for name in plan.voted:
    votes = totals.rows[verdicts.key('votes', name)]
    rows.append(
      {
        'condition': name,
        'num_clips': round(float(votes.number.sum())),
        'num_votes': round(float(votes.number @ votes['number'])),
        'min': int(votes['number'].min()),
        'median': _median(votes),
        'max': int(votes['number'].max()),
      }
    )
  found.tables['votes_per_clip'] = rows
  votes = totals.rows[verdicts.key('votes', plan.speaking or '')]
  median, voted = _median(votes), round(float(votes.number.sum()))
  without = plan.survey.num_clips - voted
  verdicts.note(
    found,
    'votes_per_clip',
    median,
    verdicts.OK if median >= _FEW_VOTES and not without else verdicts.WARNING,
    f'The median clip has {wording.tally(median)} '
    f'{"vote" if median == 1 else "votes"} that '
    f'{"speaks" if median == 1 else "speak"} for it'
    + (
      f'; {wording.plural(without, "clip")} '
      f'{"has" if without == 1 else "have"} none.'
      if without
      else '.'
    ),
    voted,
  )


def _median(votes: totals_lib.Rows) -> float:
  """The median number of votes of clips that have some."""
  order = np.argsort(votes['number'])
  values, seen = votes['number'][order], np.cumsum(votes.number[order])
  # The middle of two, where their number is even.
  middle = [math.floor((seen[-1] - 1) / 2), math.floor(seen[-1] / 2)]
  return float(values[np.searchsorted(seen, middle, side='right')].mean())


def check_label(found: Findings, plan: Plan) -> None:
  """Says whether the label is the plurality of votes, or their mean's class."""
  if not plan.survey.has_votes:
    return
  condition = plan.source
  if condition is None:
    condition = plan.speaking or ''
  _note_label(
    found,
    condition,
    plan.source,
    plan.info.get('label_source'),
    plan.rule,
    plan.survey.numbers[plan.rule, condition],
  )


def _note_label(
  found: Findings,
  condition: str,
  source: str | None,
  declared: str | None,
  rule: str,
  numbers: np.ndarray,
) -> None:
  """Adds whether the label is what votes make.

  Args:
    found: where it goes.
    condition: of the votes; '' for all together.
    source: the condition that made the label, see `votes.source_of_counts`.
    declared: what `corpus.json` says of it, if it does.
    rule: see `Plan.rule`.
    numbers: (4,) sums of `votes.plurality_and_label` or `votes.mean_and_label`.
  """
  number, same = int(numbers[0]), int(numbers[1])
  if not number:
    return
  where = f'the votes on {condition}' if condition else 'all votes'
  sentence = (
    f'The label is the {_RULES[rule][0]} of {where} on '
    f'{wording.percent(same / number)} of the clips that have {_RULES[rule][1]}'
  )
  verdict = verdicts.WARNING
  if source is not None:
    sentence += (
      ', and corpus.json says that it was made from them'
      if declared
      else ': it looks as if it was made from them, and is taken to be; if it '
      'was not, say so as "label_source" in corpus.json'
    )
    sentence += '. Their accuracy is partly their own echo.'
  elif declared:
    verdict = verdicts.OK
    sentence += f'; corpus.json says that its source is {declared}.'
  elif same >= _MOSTLY_VOTES * number:
    sentence += (
      ', but is taken to be from elsewhere; if it was made from them, say '
      '"label_source": "votes" in corpus.json, for else their accuracy is '
      'partly their own echo.'
    )
  else:
    verdict = verdicts.OK
    sentence += '.'
  verdicts.note(
    found, f'label_is_{rule}', same / number, verdict, sentence, number
  )
