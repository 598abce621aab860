"""Whether two annotators are one, or one copies the other.

Votes on a clip are taken to be given independently. Two annotators who always
vote alike make votes look surer than they are, and halves of them too alike.
"""

import numpy as np

from empathy.evaluation import totals as totals_lib
from empathy.evaluation import verdicts
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals

# Pairs of more annotators are not counted.
_MOST = 50
# So many votes beside each other's tell that two always vote alike.
_LEAST = 30
# How likely it may be that some pair does so by chance.
_CHANCE = 0.01
_KEY = verdicts.key('pairs_of_annotators')


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up on how many clips two annotators voted, and voted alike."""
  crowd, votes = plan.crowd, batch.corpus.votes
  if crowd is None or crowd.number > _MOST or crowd.bundled:
    return
  who = crowd.codes(votes.annotator)
  place = votes.clip.astype(np.int64) * len(plan.info['conditions'])
  places, place = np.unique(place + votes.condition, return_inverse=True)
  shape = len(places), crowd.size + 1
  number = np.zeros(shape)
  np.add.at(number, (place, who), votes.count)
  label = np.zeros(shape, np.int64)
  label[place, who] = votes.label
  # Who is not known, or voted twice, is not held against others.
  known = (number == 1)[:, :-1]
  said = [known & (label[:, :-1] == c) for c in range(len(plan.classes))]
  both, *alike = (one.astype(np.float64).T @ one for one in (known, *said))
  adder.whole(_KEY, np.stack([both, np.sum(alike, axis=0)]))


def check(found: Findings, totals: Totals, plan: Plan) -> None:
  """Judges whether two annotators vote alike more often than by chance."""
  if _KEY not in totals:
    return
  pairs = suspicious(*totals.wholes[_KEY])
  names = plan.people.tolist()
  told = 'No two annotators always vote alike.'
  if pairs:
    one, other, number = pairs[0]
    more = f', and so do {len(pairs) - 1} other pairs' if pairs[1:] else ''
    told = (
      f'The annotators {names[one]} and {names[other]} give the same vote each '
      f'of the {number:,} times they vote on the same{more}: if they are one, '
      'or one copies the other, votes are not independent, intervals are too '
      'short, and chance looks smaller than it is.'
    )
  verdicts.note(
    found,
    'annotators',
    len(pairs),
    verdicts.WARNING if pairs else verdicts.OK,
    told,
    plan.survey.num_clips,
  )


def suspicious(
  both: np.ndarray, alike: np.ndarray
) -> list[tuple[int, int, int]]:
  """Pairs who always vote alike, though they do not with others.

  Two would do so by chance as often as the one who agrees more with all others
  agrees with these, to the power of the number of votes.

  Args:
    both: (A, A), how often two voted on the same.
    alike: (A, A), how often they voted alike there.

  Returns:
    The two annotators and how often they voted on the same, most often first.
  """
  one, other = np.nonzero(np.triu((alike == both) & (both >= _LEAST), 1))
  every = [matrix.sum(axis=1) - np.diagonal(matrix) for matrix in (alike, both)]
  number = both[one, other]
  rates = [
    (every[0][mine] - number) / np.maximum(every[1][mine] - number, 1)
    for mine in (one, other)
  ]
  # Without votes beside others', nothing is known of what they would do.
  known = np.all([every[1][mine] > number for mine in (one, other)], axis=0)
  num_pairs = max(np.count_nonzero(np.triu(both, 1) >= _LEAST), 1)
  chance = num_pairs * np.maximum(*rates) ** number
  kept = np.flatnonzero(known & (chance < _CHANCE))
  kept = kept[np.argsort(-number[kept], kind='stable')]
  return [(int(one[k]), int(other[k]), int(number[k])) for k in kept]
