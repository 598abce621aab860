"""Can a model stand in for an annotator? The alternative annotator test.

Each annotator in turn is left out, and a model put beside them: on how many of
their clips does it agree with the clip's other annotators at least as well as
they do? Their agreement is the share of the others who say the same, or, where
classes are ordered, minus the root mean squared difference of values; ties
count for both (Calderon, Reichart & Dror 2025, The alternative annotator test
for LLM-as-a-judge, arXiv 2501.10970). Let rho_f and rho_h be the shares of
clips on which the model, and the annotator, is at least as good. For each
annotator with 30 clips or more the test asks whether rho_h - rho_f is below
epsilon, the price of an annotator: .2 of an expert, .15 of a skilled one, .1 of
a crowd worker. Over annotators, p-values are corrected after Benjamini and
Yekutieli (2001, Ann. Statist. 29:1165) at q = .05; the share of annotators for
whom the model passes is its winning rate, and from a half on it may stand in.
The mean of rho_f over annotators is its advantage probability.

As published, clips are taken for independent. Those of one speaker are not, so
beside it is the same test with whole groups drawn. Where every annotator's
difference was epsilon exactly, and speakers moved it by .2 to either side, the
published test of one annotator rejected in 14.6, 11.4, 8.7 and 6.3 % of 1,000
corpora with 12, 24, 60 and 240 speakers, at a nominal 5 %, and let a model pass
in up to 4.2 %; by .4, in 27.4, 21.8, 17.2 and 11.5 %, and up to 19.1 %. This
one rejected in 4.1 to 5.6 %, and let a model pass in 2.0 % at most; the
interval of the advantage probability held it in 94.5 to 98.4 %
(`tests/validity/stand_in.py`). The winning rate's interval counts the
annotators whose difference is below epsilon, and above, at a family-wise 2.5 %
each (Holm 1979, Scand. J. Statist. 6:65): it is of the share of these
annotators, and of new clips of new groups. So is all that is said here: where
20 annotators differed much, the intervals of advantages held those of very many
annotators in 91 to 93 % of 150 corpora, those of winning rates in 30 % or less.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from empathy.evaluation import (
  asked,
  kappas,
  samples,
  significance,
  units,
  weighing,
)
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Adder, Key, Part, Totals

# What an annotator is worth: of a crowd, a skilled one, an expert.
EPSILONS = (0.1, 0.15, 0.2)
LEAST_CLIPS = 30
_Q = 0.05
# The columns of the sums: clips, those on which the model is at least as good,
# and the annotator's being so less the model's, and its square.
_COLUMNS = 4
_ROUNDING = 1e-9


def tally(batch: Batch, plan: Plan, adder: Adder) -> None:
  """Adds up by annotator how often each model is at least as good."""
  if _missing(plan):
    return
  corpus = batch.corpus
  crowd = kappas.crowd(plan)
  votes = corpus.votes.of(corpus.conditions.index(plan.full_condition))
  names, who = np.unique(votes.annotator, return_inverse=True)
  who = np.searchsorted(crowd, _hashed(names))[who]
  weight = votes.count
  counts = np.zeros((len(corpus.ids), len(plan.classes)))
  np.add.at(counts, (votes.clip, votes.label), weight)
  scores = kappas.scores(votes, plan)
  own = weight * np.stack([np.ones(len(scores)), scores, scores**2])
  sums = np.stack(
    [np.bincount(votes.clip, one, len(corpus.ids)) for one in own]
  )
  others = sums[:, votes.clip] - own
  for rater in kappas.models(plan):
    said, value = kappas.labels(batch, plan, rater)
    said, value = said[votes.clip], value[votes.clip]
    if plan.ordered:
      ours, theirs = (-_squares(others, x) for x in (value, scores))
      close = _ROUNDING * np.maximum(1, np.abs(theirs))
    else:
      own = counts[votes.clip]
      theirs = own[np.arange(len(said)), votes.label] - weight
      # The annotator is not one of the others.
      ours = own[np.arange(len(said)), said] - weight * (said == votes.label)
      close = 0.5
    there = (said >= 0) & (others[0] > 0)
    clips = np.bincount(votes.clip[there], minlength=len(corpus.ids)) > 0
    adder.add(_key(rater, 'clips'), clips)
    won, kept = ours >= theirs - close, theirs >= ours - close
    gap = kept.astype(float) - won
    shape = len(crowd), _COLUMNS
    cell = totals_lib.index(
      shape, np.where(there, who, -1), np.arange(_COLUMNS)[:, None]
    )
    amount = np.stack([np.ones(len(gap)), won, gap, gap**2])
    adder.count(_key(rater), cell, shape, amount, votes.clip)


def _squares(others: np.ndarray, value: np.ndarray) -> np.ndarray:
  """The sum of squared differences of values (V,) from those of others."""
  number, total, squares = others
  return number * value**2 - 2 * value * total + squares


def answer(totals: Totals, plan: Plan) -> Findings:
  """Tests every view and judge against every annotator.

  Args:
    totals: what `tally` added up.
    plan: names them.

  Returns:
    Statistics `stand_in.<rater>.advantage`, and for each epsilon, in percent,
    `.winning_rate_at_<epsilon>`, with groups drawn whole, and
    `.published_rate_at_<epsilon>`, of single clips; no winning rate where
    groups are too few for any test. The tables `stand_in`, a
    row a rater and epsilon, and `stand_in_annotators`, where these are few, a
    row a rater and annotator: clips, `advantage`, `difference` (of the
    annotator's share and the model's), and p-values at each epsilon.
  """
  missing = _missing(plan)
  if missing:
    return Findings(skipped={'stand_in': missing})
  found = Findings()
  rows, each = [], []
  for rater in kappas.models(plan):
    row, own = _judge(found, totals, plan, rater)
    rows += row
    each += own
  if rows:
    found.tables['stand_in'] = rows
    found.tables['stand_in_annotators'] = each
  else:
    found.skipped['stand_in'] = (
      f'No annotator has {LEAST_CLIPS} votes on clips that another one voted '
      'on and a model labels.'
    )
  return found


def _judge(
  found: Findings, totals: Totals, plan: Plan, rater: kappas.Rater
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
  """Adds the figures of a rater; returns its rows of both tables."""
  sums = totals[_key(rater)]
  chosen = np.flatnonzero(sums[..., 0].sum(axis=0) >= LEAST_CLIPS)
  prefix = f'stand_in.{rater.name}'
  if not len(chosen):
    return [], []
  sums = sums[:, chosen]
  part = totals.over(totals[_key(rater, 'clips')])
  sums = sums[part.kept]
  asked.add(
    found,
    f'{prefix}.advantage',
    part.groups,
    weighing.mean_of_ratios(sums[..., 1], sums[..., 0]),
  )
  judged = tests(sums)
  rows, p_values, published = [], {}, {}
  for epsilon in EPSILONS:
    at = round(100 * epsilon)
    p_values[at] = judged.p(epsilon)
    published[at] = published_p(sums.sum(axis=0), epsilon)
    above = judged.p(epsilon, below=False)
    rows.append(
      {
        'rater': rater.name,
        'kind': rater.kind,
        'epsilon': at,
        'num_annotators': len(chosen),
        'num_clips': part.num_clips,
      }
      | interval_cells(f'{prefix}.advantage', 'advantage')
      | _add_winning(found, prefix, at, judged, p_values[at], above, part)
      | _add_published(found, prefix, at, published[at], part)
    )
  names = _names(plan)
  if names is None:
    return rows, []
  by_name = sorted(range(len(chosen)), key=lambda j: names[chosen[j]])
  of_all = sums.sum(axis=0)
  return rows, [
    {'rater': rater.name, 'annotator': names[chosen[j]]}
    | _of_annotator(j, of_all[j], judged, p_values, published)
    for j in by_name
  ]


@dataclasses.dataclass(frozen=True)
class Tests:
  """How far a model falls short of each of A annotators, groups drawn whole.

  Student's law with the jackknife's error over the groups of an annotator's
  clips, as of unclustered figures: an annotator has few clips in each.

  Attributes:
    difference: (A,), the annotator's share of clips less the model's.
    error: (A,), its standard error.
    num_groups: (A,).
  """

  difference: np.ndarray
  error: np.ndarray
  num_groups: np.ndarray

  def p(self, epsilon: float, below: bool = True) -> np.ndarray:
    """One-sided p-values of the differences' not being below epsilon: (A,).

    Where it is the same in every group, nothing is known of its error. If it is
    0 or less in all, each of G groups is one trial, in which a difference of
    epsilon would have shown with probability epsilon at least, so that it is
    (1 - epsilon)^G; else, and where groups are too few, it is 1.

    Args:
      epsilon: the price of an annotator.
      below: whether it is below; otherwise above, likewise.
    """
    gap = (self.difference - epsilon) / np.where(self._still, 1, self.error)
    p = stats.t.cdf(gap if below else -gap, np.maximum(self.num_groups - 1, 1))
    nil = (self.difference <= 0) & below
    p = np.where(
      self._still, np.where(nil, (1 - epsilon) ** self.num_groups, 1), p
    )
    return np.where(self.testable, p, 1)

  @property
  def testable(self) -> np.ndarray:
    """Of which annotators there are groups enough for a test: (A,) bool."""
    return self.num_groups >= samples.LEAST_GROUPS

  @property
  def _still(self) -> np.ndarray:
    return self.error <= _ROUNDING

  def interval(self, place: int) -> tuple[float | None, float | None]:
    """Of the difference of one annotator; None where there is none."""
    if self._still[place] or not self.testable[place]:
      return None, None
    number = self.num_groups[place]
    reach = significance.student(number - 1, 1 - significance.LEVEL)
    ends = self.difference[place] + reach * self.error[place] * np.array(
      [-1, 1]
    )
    low, high = np.clip(ends, -1, 1).tolist()
    return low, high


def _add_winning(
  found: Findings,
  prefix: str,
  at: int,
  judged: Tests,
  below: np.ndarray,
  above: np.ndarray,
  part: Part,
) -> dict[str, object]:
  """Adds for how many annotators a model passes, groups drawn whole.

  Args:
    found: where it is added.
    prefix: of the rater's figures.
    at: epsilon, in per cent.
    judged: the tests of A annotators.
    below: (A,) p-values of differences' being below epsilon.
    above: (A,), of their being above.
    part: the clips.

  Returns:
    Its cells of the table.
  """
  name = f'{prefix}.winning_rate_at_{at}'
  if not judged.testable.any():
    most = judged.num_groups.max()
    found.skipped[name] = (
      'Whether a model may stand in for an annotator cannot be judged: the '
      f'test takes {samples.LEAST_GROUPS} groups with clips of an annotator, '
      f'and there {"is" if most == 1 else "are"} {most}.'
    )
  else:
    found.add(name, _winning_rate(below, above, part.num_clips))
  return interval_cells(name, 'winning_rate')


def _add_published(
  found: Findings, prefix: str, at: int, p_values: np.ndarray, part: Part
) -> dict[str, object]:
  """Adds the same as published, by p-values of single clips; its cell."""
  name = f'{prefix}.published_rate_at_{at}'
  found.add(
    name,
    Estimate(
      float(yekutieli(p_values).mean()),
      n=part.num_clips,
      method='clips taken for independent; no interval',
    ),
  )
  return {'published_rate': Cell(name)}


def _of_annotator(
  place: int,
  sums: np.ndarray,
  judged: Tests,
  p_values: Mapping[int, np.ndarray],
  published: Mapping[int, np.ndarray],
) -> dict[str, object]:
  """What a model is beside one annotator, the sums of whose clips are given."""
  low, high = judged.interval(place)
  return (
    {
      'num_clips': round(sums[0]),
      'advantage': float(sums[1] / sums[0]),
      'difference': float(sums[2] / sums[0]),
      'difference_low': low,
      'difference_high': high,
    }
    | {
      f'p_at_{at}': float(p[place]) if judged.testable[place] else None
      for at, p in p_values.items()
    }
    | {f'published_p_at_{at}': float(p[place]) for at, p in published.items()}
  )


def tests(sums: np.ndarray) -> Tests:
  """The tests of sums (G, A, 4), each annotator with clips."""
  clips, gap = sums[..., 0], sums[..., 2]
  number = clips.sum(axis=0)
  difference = gap.sum(axis=0) / number
  groups = (clips > 0).sum(axis=0)
  slope = (gap - difference * clips) / number
  square = (slope**2).sum(axis=0) * groups / np.maximum(groups - 1, 1)
  return Tests(difference, np.sqrt(square), groups)


def published_p(sums: np.ndarray, epsilon: float) -> np.ndarray:
  """The p-values of one-sample t-tests of clips, as published.

  Args:
    sums: (A, 4) of each annotator.
    epsilon: the price of an annotator.

  Returns:
    (A,); 0 or 1 where all clips say the same.
  """
  number, _, gap, squares = sums.T
  mean = gap / number
  variance = (squares - number * mean**2) / (number - 1)
  still = variance <= _ROUNDING
  error = np.sqrt(np.where(still, 1, variance) / number)
  p = stats.t.cdf((mean - epsilon) / error, number - 1)
  return np.where(still, mean >= epsilon, p)


def yekutieli(p: Sequence[float], q: float = _Q) -> np.ndarray:
  """Which p-values are rejected at a false discovery rate q: (A,) bool.

  Benjamini and Yekutieli 2001, Ann. Statist. 29:1165, theorem 1.3: valid
  whatever their dependence.
  """
  p = np.asarray(p, float)
  order = np.argsort(p, kind='stable')
  rank = np.arange(1, len(p) + 1)
  bound = rank * q / (len(p) * (1 / rank).sum())
  passed = np.flatnonzero(p[order] <= bound)
  rejected = np.zeros(len(p), bool)
  rejected[order[: passed[-1] + 1 if len(passed) else 0]] = True
  return rejected


def _winning_rate(
  below: np.ndarray, above: np.ndarray, num_clips: int
) -> Estimate:
  """The share of annotators for whom a model passes, by both p-values (A,)."""
  half = (1 - significance.LEVEL) / 2
  sure, lost = (
    np.array(significance.holm(list(p))) <= half for p in (below, above)
  )
  rate = float(yekutieli(below).mean())
  return Estimate(
    rate,
    min(float(sure.mean()), rate),
    max(float(1 - lost.mean()), rate),
    significance.LEVEL,
    n=num_clips,
    method='annotators below and not above epsilon, by one-sided tests with '
    'groups drawn whole, after Holm at 2.5 % each',
    scale=units.SHARE.scale,
  )


def _names(plan: Plan) -> list[str] | None:
  """The annotators' names in the order of their hashes; None if too many."""
  names = [rater.name for rater in kappas.people(plan)]
  if len(names) != len(kappas.crowd(plan)):
    return None
  return [names[place] for place in np.argsort(_hashed(names))]


def _hashed(names: Sequence[str]) -> np.ndarray:
  return np.array([totals_lib.hash_name(str(n)) for n in names], np.uint64)


def _missing(plan: Plan) -> str:
  """Why there is no test; '' if there may be one."""
  condition = plan.full_condition
  if condition is None:
    return 'The corpus has no votes of people.'
  crowd = kappas.crowd(plan)
  if crowd is None:
    return f'It is not known who voted on {condition}.'
  if not plan.exact and len(crowd) > totals_lib.MOST_GROUPS:
    return 'There are too many annotators of too many clips to test each.'
  if len(crowd) < 2:
    return 'There is one annotator only.'
  if not kappas.models(plan):
    return 'There is no model: neither predictions nor judges.'
  return ''


def _key(rater: kappas.Rater, what: str = 'sums') -> Key:
  return 'stand_in', what, rater.name
