"""Where the votes of two conditions give a clip different labels: what then?

People who are shown one modality each may see different things in a clip. Such
clips are a stratum: how right each view is on them and elsewhere, what fusion
gains, how often views disagree, and whether the dominant modality misleads.

Pluralities of few votes differ by chance alone, and more often on clips that
are uncertain for any reason. So those of two conditions are compared with two
of one and the same condition: all are of equally many votes, half of the fewest
that a condition has, drawn at random and disjoint. Let p and q be the shares of
the pluralities that draws of the two conditions give a clip. They differ with
probability 1 - p.q, and two of one condition do, mean of both, with
1 - (p.p + q.q) / 2; the excess is half the squared distance of p and q, so 0
only where the conditions are alike, but above 0 also where votes on one of them
are merely less sure.

A clip is in the stratum by the probability that its pluralities differ, and a
figure's difference there is held against that in the stratum of clips on which
two pluralities of one condition do. If conditions were alike on each clip, both
would be the same, however uncertain clips are.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from empathy.evaluation import asked, dominance, halves, samples, weighing
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import ANY
from empathy.evaluation.findings import (
  Cell,
  Findings,
  SeedNoise,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Key, Totals

# Means over so many draws of votes: a clip's own noise does not matter.
_NUM_DRAWS = 24
# Of which votes the pluralities are.
HALVES, WHOLE = 'halves', 'whole'
ALL = 'all_pairs'
_FIGURES = (
  'inside',
  'outside',
  'difference',
  'control_difference',
  'beyond_chance',
)


@dataclasses.dataclass(frozen=True)
class Stratum:
  """How far each of N clips is one on which conditions conflict.

  Attributes:
    known: (N,) bool, the clips that have the votes it takes.
    apart: by pair of conditions, (N,) float64, the probability that their
      pluralities differ; of no meaning where not known.
    control: by pair, (N,), that two of one condition do, mean of both; 0 where
      it cannot be told.
    follows: by condition, (N,), the probability that its plurality differs from
      another's and is that of the full condition's votes.
  """

  known: np.ndarray
  apart: dict[tuple[str, str], np.ndarray]
  control: dict[tuple[str, str], np.ndarray]
  follows: dict[str, np.ndarray]

  def weights(self) -> np.ndarray:
    """Each clip's place in all, in the stratum and in its control: (N, 3)."""
    apart, control = (
      np.mean(list(one.values()), axis=0) for one in (self.apart, self.control)
    )
    columns = np.stack([np.ones(len(apart)), apart, control], axis=1)
    return columns * self.known[:, None]


def parties(plan: Plan) -> list[str]:
  """The conditions that may conflict: of one modality, where two are so."""
  singles = [name for name in plan.voted if '+' not in name]
  found = singles if len(singles) > 1 else list(plan.voted)
  return found if len(found) > 1 else []


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up where pluralities differ, and the figures of these clips."""
  if not parties(plan):
    return
  votes = {name: batch.corpus.vote_counts(name) for name in plan.voted}
  outcomes = list(_outcomes(batch, plan))
  for basis, stratum in strata(votes, batch.keys, plan).items():
    weights = stratum.weights()
    for pair, apart in stratum.apart.items():
      columns = np.stack([stratum.known, apart, stratum.control[pair]], axis=1)
      columns = np.where(stratum.known[:, None], columns, 0)
      adder.add(_key(basis, 'pair', _name(pair)), columns)
    adder.add(_key(basis, 'pair', ALL), weights)
    for condition, follows in stratum.follows.items():
      there = stratum.known & votes[plan.full_condition].any(axis=1)
      apart = sum(
        apart for pair, apart in stratum.apart.items() if condition in pair
      )
      columns = np.stack([follows, apart, there], axis=1) * there[:, None]
      adder.add(_key(basis, 'follows', condition), columns)
    for outcome, chosen, values in outcomes:
      own = weights * chosen[:, None]
      adder.add(_key(basis, 'number', outcome), own)
      for place, one in enumerate(values):
        products = np.nan_to_num(one).T[:, :, None] * own[:, None]
        adder.add(_key(basis, f'sums_{place}', outcome), products)


def answer(totals: Totals, plan: Plan) -> Findings:
  """How often conditions conflict, beyond chance, and what then is different.

  Args:
    totals: what `tally` added up.
    plan: names the conditions and views.

  Returns:
    Statistics `conflict.<pair>.rate`, `.control_rate`, `.excess`;
    `conflict.<condition>.followed`, how often the full condition's plurality is
    the condition's where it differs from another's; and `conflict.<outcome>.*`:
    `inside` and `outside` the stratum, their `difference`, that in the
    stratum by chance, `control_difference`, and what is left, `beyond_chance`.
    Tables `conflict`, `conflict_followed` and `conflict_outcomes`.
  """
  missing = _missing(totals, plan)
  if missing:
    return Findings(skipped={'conflict': missing})
  found, basis = Findings(), _basis(totals)
  pairs = [_name(pair) for pair in itertools.combinations(parties(plan), 2)]
  pairs += [ALL] * (len(pairs) > 1)
  for pair in pairs:
    _compare(found, totals, basis, pair)
  found.tables['conflict'] = [
    {'pair': pair, 'num_clips': Cell(f'conflict.{pair}.rate', 'n')}
    | interval_cells(f'conflict.{pair}.rate', 'rate')
    | interval_cells(f'conflict.{pair}.control_rate', 'control_rate')
    | interval_cells(f'conflict.{pair}.excess', 'excess')
    | {f: Cell(f'conflict.{pair}.excess', f) for f in ('p', 'p_adjusted')}
    for pair in pairs
  ]
  if plan.full_condition not in parties(plan):
    _follow(found, totals, plan, basis)
  _add_outcomes(found, totals, plan, basis)
  return found


def outcomes_of(plan: Plan) -> dict[str, tuple[str, ...]]:
  """By name of what is compared there, the views whose seeds it is of.

  A second view is taken from the first.
  """
  found: dict[str, tuple[str, ...]] = {}
  full = plan.full in plan.members
  if not _made_the_label(plan):
    found |= {f'accuracy_{view}': (view,) for view in plan.members}
    if full:
      found |= {f'full_minus_{v}': (plan.full, v) for v in plan.singles}
    if full and len(plan.modalities) > 1:
      found['net_harm'] = ()
  if full and plan.singles:
    found['disagreement'] = ()
  if plan.full_condition not in parties(plan):
    found['gs'] = ()
    if plan.source is None:
      found['equal_label'] = ()
  return found


def _follow(found: Findings, totals: Totals, plan: Plan, basis: str) -> None:
  """Adds how often the full condition's plurality is each other one's."""
  for condition in parties(plan):
    key, name = _key(basis, 'follows', condition), 'followed'
    if not totals[key].any():
      found.skipped[f'conflict.{condition}.{name}'] = (
        'No clip with votes in each condition has one on '
        f'{plan.full_condition}.'
      )
      continue
    part = totals.over(totals[key][:, 2])
    mean = weighing.mean(part[key][:, :2])
    _add(found, f'conflict.{condition}.{name}', part.groups, mean, basis)
  found.tables['conflict_followed'] = [
    {'condition': condition}
    | interval_cells(f'conflict.{condition}.followed', 'followed')
    for condition in parties(plan)
  ]


def _add_outcomes(
  found: Findings, totals: Totals, plan: Plan, basis: str
) -> None:
  """Adds what is different where conditions conflict."""
  if _made_the_label(plan):
    for view in plan.members:
      found.skipped[f'conflict.accuracy_{view}'] = (
        'How often views are right is not compared, since the label is made of '
        'the votes that part the clips.'
      )
  rows = []
  for outcome, views in outcomes_of(plan).items():
    prefix = f'conflict.{outcome}'
    if not totals[_key(basis, 'number', outcome)].any():
      found.skipped[prefix] = _unknown(outcome, views, plan)
      continue
    _judge(found, totals, plan, basis, outcome, views)
    row = {'outcome': outcome, 'num_clips': Cell(f'{prefix}.inside', 'n')}
    for figure in _FIGURES:
      row |= interval_cells(f'{prefix}.{figure}', figure)
    rows.append(
      row | {f: Cell(f'{prefix}.beyond_chance', f) for f in ('p', 'p_adjusted')}
    )
  found.tables['conflict_outcomes'] = rows


def _made_the_label(plan: Plan) -> bool:
  """Whether the votes that part the clips made the label, too.

  Its noise would then be that of the stratum, and most of all by chance.
  """
  return plan.source is not None and plan.source in ('', *parties(plan))


def strata(
  votes: dict[str, np.ndarray], keys: np.ndarray, plan: Plan
) -> dict[str, Stratum]:
  """The stratum by pluralities of halves of the votes, and of all of them.

  Args:
    votes: by condition, (N, C) int.
    keys: (N,) uint64, see `draws`.
    plan: names the conditions.
  """
  full = plan.full_condition
  top = None
  if full not in parties(plan):
    top = _top(votes[full])
  number = halves.FEW_HALVES if not plan.exact else _NUM_DRAWS
  own = {name: votes[name] for name in parties(plan)}
  return {
    HALVES: _of_halves(own, halves.Draws(keys, number), top),
    WHOLE: _of_whole(own, top),
  }


def _of_halves(
  votes: dict[str, np.ndarray], draws: halves.Draws, top: np.ndarray | None
) -> Stratum:
  size = np.min([one.sum(axis=1) for one in votes.values()], axis=0) // 2
  pairs = list(itertools.combinations(votes, 2))
  num_classes = next(iter(votes.values())).shape[1]
  blocks = []
  for clips in draws.blocks(2 * len(votes) * num_classes):
    ends = (size[clips], 2 * size[clips])
    labels = {}
    for name, counts in votes.items():
      one, both = halves.first_votes(draws[clips], name, counts[clips], ends)
      labels[name] = (halves.plurality(one), halves.plurality(both - one))
    within = {name: one != other for name, (one, other) in labels.items()}
    columns, follows = {}, dict.fromkeys(votes, 0.0)
    for pair in pairs:
      first, second = (labels[name] for name in pair)
      differ = [one != other for one in first for other in second]
      columns['apart', pair] = np.mean(differ, axis=(0, 1))
      columns['control', pair] = np.mean([within[n] for n in pair], axis=(0, 1))
      if top is not None:
        for name, other in (pair, pair[::-1]):
          follows[name] += np.mean(
            [
              np.take_along_axis(top[clips].T, mine.astype(np.int64), axis=0)
              * (mine != theirs)
              for mine in labels[name]
              for theirs in labels[other]
            ],
            axis=(0, 1),
          )
    if top is not None:
      columns |= {('follows', name): one for name, one in follows.items()}
    blocks.append(columns)
  return _stratum(
    size > 0,
    {key: np.concatenate([b[key] for b in blocks]) for key in blocks[0]},
  )


def _of_whole(votes: dict[str, np.ndarray], top: np.ndarray | None) -> Stratum:
  tops = {name: _top(counts) for name, counts in votes.items()}
  known = np.all([counts.any(axis=1) for counts in votes.values()], axis=0)
  columns, follows = {}, dict.fromkeys(votes, 0.0)
  for pair in itertools.combinations(votes, 2):
    first, second = (tops[name] for name in pair)
    columns['apart', pair] = 1 - (first * second).sum(axis=1)
    columns['control', pair] = np.zeros(len(known))
    if top is not None:
      for name, other in (pair, pair[::-1]):
        follows[name] += (top * tops[name] * (1 - tops[other])).sum(axis=1)
  if top is not None:
    columns |= {('follows', name): one for name, one in follows.items()}
  return _stratum(known, columns)


def _stratum(known: np.ndarray, columns: dict) -> Stratum:
  parts = {'apart': {}, 'control': {}, 'follows': {}}
  for (what, of), values in columns.items():
    parts[what][of] = values
  return Stratum(known, **parts)


def _top(counts: np.ndarray) -> np.ndarray:
  """1 at the class with most votes, equal parts where they tie: (N, C)."""
  top = (counts == counts.max(axis=1, keepdims=True)) & (counts > 0)
  return top / np.maximum(top.sum(axis=1, keepdims=True), 1)


def _outcomes(
  batch: Batch, plan: Plan
) -> Iterator[tuple[str, np.ndarray, Sequence[np.ndarray]]]:
  """What is compared: its name, its clips (N,) and its parts' values (S, N)."""
  labels = batch.corpus.labels
  for name, views in outcomes_of(plan).items():
    if views:
      chosen = batch.labelled & batch.common(*views)
      yield name, chosen, [batch.labels[view] == labels for view in views]
      continue
    if name == 'disagreement':
      values = batch.signals[ANY]
    elif name == 'net_harm':
      found = dominance.judge(batch, plan)
      misled, rescued = found.harm(labels)
      harm = (misled - rescued).sum(axis=1)
      values = np.where(found.judged & batch.labelled, harm, np.nan)
    elif name == 'gs':
      values = votes_lib.gs(batch.corpus.vote_counts(plan.full_condition))
    else:
      votes = batch.corpus.vote_counts(plan.full_condition)
      total = votes.sum(axis=1)
      hits = votes[np.arange(len(votes)), labels] / np.maximum(total, 1)
      values = np.where((total > 0) & batch.labelled, hits, np.nan)
    yield name, ~np.isnan(values), [values[None]]


def _missing(totals: Totals, plan: Plan) -> str:
  if not plan.survey.has_votes:
    return 'The corpus has no votes.'
  if not parties(plan):
    return (
      f'Annotators voted in one condition only, {plan.full_condition}, so '
      'none can conflict with another.'
    )
  if not totals[_key(WHOLE, 'pair', ALL)].any():
    return (
      f'No clip has votes in each of the conditions {", ".join(parties(plan))}.'
    )
  return ''


def _unknown(outcome: str, views: tuple[str, ...], plan: Plan) -> str:
  """Why there is no clip to compare by an outcome."""
  lacks = {
    'disagreement': 'is predicted by the full view and a single one',
    'net_harm': 'has a label and was shown to the full view in every part',
    'gs': f'has two votes on {plan.full_condition}',
    'equal_label': f'has a label and a vote on {plan.full_condition}',
  }
  lack = lacks.get(
    outcome, f'has a label and predictions of {" and ".join(views)}'
  )
  return f'No clip with votes in each condition {lack}.'


def _basis(totals: Totals) -> str:
  """Halves of the votes, where half of the clips have two in each."""
  by_halves, whole = (
    totals[_key(basis, 'pair', ALL)][:, 0].sum() for basis in (HALVES, WHOLE)
  )
  return HALVES if 2 * by_halves >= whole else WHOLE


def _key(*parts: str) -> Key:
  return 'conflict', *parts


def _name(pair: tuple[str, str]) -> str:
  return '_vs_'.join(pair)


def _told(basis: str) -> str:
  return {
    HALVES: 'pluralities of random halves of the votes',
    WHOLE: 'pluralities of all votes, of too few to tell chance',
  }[basis]


def _add(
  found: Findings,
  name: str,
  groups: samples.Groups,
  statistic: weighing.Statistic,
  basis: str,
  **known,
) -> None:
  def told(estimate):
    method = f'{estimate.method}, {_told(basis)}'
    return dataclasses.replace(estimate, method=method)

  asked.add(found, name, groups, statistic, told, **known)


def _compare(found: Findings, totals: Totals, basis: str, pair: str) -> None:
  """Adds how often the pluralities of a pair differ, and by chance."""
  key, prefix = _key(basis, 'pair', pair), f'conflict.{pair}'
  part = totals.over(totals[key][:, 0])
  clips, apart, control = part[key].T
  figures = {'rate': apart}
  if basis == HALVES:
    figures |= {'control_rate': control, 'excess': apart - control}
  for name, sums in figures.items():
    mean = weighing.mean(np.stack([sums, clips], axis=1))
    _add(found, f'{prefix}.{name}', part.groups, mean, basis)
  for name in {'control_rate', 'excess'} - figures.keys():
    found.skipped[f'{prefix}.{name}'] = _UNTOLD


_UNTOLD = (
  'Chance cannot be told: most clips do not have two votes in each of the '
  'conditions.'
)


@dataclasses.dataclass(frozen=True)
class _Means:
  """A mean over clips that count, with what each seed has of it.

  Attributes:
    statistic: its value by weights of groups.
    seeds: of each view, the means of its seeds (S,) and their slopes (S, G).
  """

  statistic: weighing.Statistic
  seeds: tuple[tuple[np.ndarray, np.ndarray], ...]

  def minus(self, other: '_Means') -> '_Means':
    """The difference of two means of the same views."""
    return _Means(
      weighing.minus(self.statistic, other.statistic),
      tuple(
        (mine[0] - theirs[0], mine[1] - theirs[1])
        for mine, theirs in zip(self.seeds, other.seeds, strict=True)
      ),
    )


def _mean(sums: Sequence[np.ndarray], number: np.ndarray) -> _Means:
  """The mean of the first of sums (G, S) less that of the second, if any."""
  signs = (1, -1)
  total = sum(
    sign * one.mean(axis=1) for sign, one in zip(signs, sums, strict=False)
  )
  size = weighing.divisor(number.sum())
  seeds = []
  for sign, one in zip(signs, sums, strict=False):
    means = one.sum(axis=0) / size
    slopes = ((one - means * number[:, None]) / size).T
    seeds.append((sign * means, sign * slopes))
  statistic = weighing.mean(np.stack([total, number], axis=1))
  return _Means(dataclasses.replace(statistic, share=False), tuple(seeds))


def _judge(
  found: Findings,
  totals: Totals,
  plan: Plan,
  basis: str,
  outcome: str,
  views: tuple[str, ...],
) -> None:
  """Adds an outcome's figures in the stratum and outside of it."""
  key = _key(basis, 'number', outcome)
  part = totals.over(totals[key][:, 0])
  every, inside, control = part[key].T
  sums = [
    part[_key(basis, f'sums_{place}', outcome)]
    for place in range(max(len(views), 1))
  ]

  def mean_of(place: int) -> tuple[_Means, _Means]:
    own = [inside, control][place - 1]
    return (
      _mean([one[:, :, place] for one in sums], own),
      _mean([one[:, :, 0] - one[:, :, place] for one in sums], every - own),
    )

  here, there = mean_of(1)
  figures = {'inside': here, 'outside': there, 'difference': here.minus(there)}
  if basis == HALVES:
    by_chance = _Means.minus(*mean_of(2))
    figures['control_difference'] = by_chance
    figures['beyond_chance'] = figures['difference'].minus(by_chance)
  prefix = f'conflict.{outcome}'
  for name, one in figures.items():
    seeds = _noise(plan, views, one)
    _add(
      found, f'{prefix}.{name}', part.groups, one.statistic, basis, seeds=seeds
    )
  for name in ('control_difference', 'beyond_chance'):
    if name not in figures:
      found.skipped[f'{prefix}.{name}'] = _UNTOLD


def _noise(
  plan: Plan, views: tuple[str, ...], means: _Means
) -> SeedNoise | None:
  if not views:
    return seeds_lib.THESE_SEEDS
  return seeds_lib.noise(
    *(
      seeds_lib.Part(np.array(plan.members[view]), *own)
      for view, own in zip(views, means.seeds, strict=True)
    )
  )
