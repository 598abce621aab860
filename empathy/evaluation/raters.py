"""Each annotator beside the others: how far they agree, and to what he leans.

A vote is held against the other votes on its clip and condition: s_c is the
share of them that is c. Where classes have values, it is the mean likeness of c
and them, which is 1 less the squared difference of values, over that of the
ends of the scale: so who is always a step off is near. A vote agrees with s_l
of the others, l being its label; labels
that were told without looking at the clip, as often each as the annotator tells
it, would on average agree with sum_c p_c s_c, p being his shares. Their
difference has mean 0 for who tosses coins, whatever coins and whatever clips,
and its variance is known from his votes alone. Over what is left to 1, it is
the kappa of one annotator and all others (Cohen 1960, Educ. Psychol. Meas.
20:37; 1968, Psychol. Bull. 70:213, weighted).

A flag stands where the upper end of the interval of that kappa lies below half
of that of all votes. So who is as good as that is flagged in
one of forty cases at most, and one who tosses coins nine times in ten from so
many votes on as `votes_needed` says.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from scipy import special

from empathy.evaluation import agreement, annotators
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.significance import LEVEL

# Who tosses coins is found in this share of cases.
_POWER = 0.9
# Fewer votes tell nothing of their variance.
_LEAST = 10
# What rounding leaves of an interval that has no width.
_ZERO = 1e-7
_KEY = 'annotators', 'votes', ''


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up each annotator's votes beside the others'."""
  votes, crowd = batch.corpus.votes, plan.crowd
  if crowd is None or batch.again:
    return
  num_classes, num_conditions = len(plan.classes), len(plan.info['conditions'])
  where = votes.clip.astype(np.int64) * num_conditions + votes.condition
  places, place = np.unique(where, return_inverse=True)
  known = votes.annotator != ''
  who = np.searchsorted(crowd.hashes, annotators.hashed(votes.annotator[known]))
  pair = who * len(places) + place[known]
  pairs, own_place = np.unique(pair, return_inverse=True)
  who, where = np.divmod(pairs, max(len(places), 1))

  def counted(place: np.ndarray, chosen: np.ndarray, size: int) -> np.ndarray:
    cell = place * num_classes + votes.label[chosen]
    counts = np.bincount(cell, votes.count[chosen], size * num_classes)
    return counts.reshape(size, num_classes)

  own = counted(own_place, known, len(pairs))
  others = counted(place, slice(None), len(places))[where] - own
  total = others.sum(axis=1)
  there = total > 0
  who, own = who[there], own[there]
  told = others[there] / total[there, None]
  shares = told @ likeness(num_classes, plan.values)
  number = own.sum(axis=1)
  hits = (own * shares).sum(axis=1)

  def columns() -> Iterator[np.ndarray]:
    yield from own.T
    yield from (number * share for share in told.T)
    yield hits
    yield (own * shares**2).sum(axis=1)
    yield from (hits * share for share in shares.T)
    for one in shares.T:
      yield from (number * one * share for share in shares.T)
    for one in own.T:
      yield from (one * share for share in shares.T)

  sums = [np.bincount(who, column, crowd.number) for column in columns()]
  adder.whole(_KEY, np.stack(sums, axis=1))


def answer(totals: totals_lib.Totals, plan: Plan) -> Findings:
  """Each annotator's agreement with the others.

  Args:
    totals: what `tally` added up.
    plan: has their names.

  Returns:
    The table `annotators`, the most notable first: those who are flagged, then
    by how far the agreement is below that of all. Without those who have no
    vote beside others'.
  """
  if plan.crowd is None or _KEY not in totals:
    return Findings()
  sums = totals.wholes[_KEY]
  voted = sums[:, : len(plan.classes)].sum(axis=1) > 0
  if np.count_nonzero(voted) < 2:
    return Findings()
  names = plan.people[voted].tolist()
  columns = judge(sums[voted], likeness(len(plan.classes), plan.values))
  bias = columns.pop('bias')
  leans = bias.argmax(axis=1)
  columns['bias'] = bias.max(axis=1)
  order = np.lexsort((columns['excess'], ~columns['flag']))
  rows = []
  for place in order.tolist():
    row = {'annotator': names[place]}
    for name, values in columns.items():
      value = values[place].item()
      row[name] = None if value != value else value
    row['leans_to'] = plan.classes[leans[place]]
    for name, value in zip(plan.classes, bias[place].tolist(), strict=True):
      row[f'bias_{name}'] = value
    row['num_votes'] = round(row['num_votes'])
    if row['votes_needed'] is not None:
      row['votes_needed'] = round(row['votes_needed'])
    rows.append(row)
  return Findings(tables={'annotators': rows})


def likeness(num_classes: int, values: np.ndarray | None) -> np.ndarray:
  """How far a vote for one class is like one for another: (C, C) float64."""
  if values is None:
    return np.eye(num_classes)
  apart = agreement.interval_distance(values)
  return 1 - apart / apart.max()


@dataclasses.dataclass(frozen=True)
class _Parts:
  """The sums of `tally` over the votes of each annotator.

  With s and t the likeness of the other votes to each class and their shares.

  Attributes:
    own: (A, C) his votes.
    others: (A, C) of t.
    hits: (A,) of s_l.
    squares: (A,) of its square.
    mixed: (A, C) of s_l s.
    every: (A, C, C) of s s'.
    told: (A, C, C) of s by the class that he votes for.
    number: (A,) how many.
    shares: (A, C) of his votes.
  """

  own: np.ndarray
  others: np.ndarray
  hits: np.ndarray
  squares: np.ndarray
  mixed: np.ndarray
  every: np.ndarray
  told: np.ndarray
  number: np.ndarray
  shares: np.ndarray


def _split(sums: np.ndarray, num_classes: int) -> _Parts:
  """The columns of `tally` by what they are sums of."""
  ends = np.cumsum([num_classes, num_classes, 1, 1, num_classes])
  own, others, hits, squares, mixed, products = np.split(sums, ends, axis=1)
  every, told = (
    one.reshape(-1, num_classes, num_classes)
    for one in np.split(products, 2, axis=1)
  )
  number = own.sum(axis=1)
  shares = own / number[:, None]
  hits, squares = hits[:, 0], squares[:, 0]
  return _Parts(own, others, hits, squares, mixed, every, told, number, shares)


def _error_of_kappa(
  parts: _Parts, near: np.ndarray, kappa: np.ndarray, middle: np.ndarray
) -> np.ndarray:
  """The standard error of each kappa (A,), times what chance leaves.

  It is that of the mean of s_l - (1 - kappa) (b_l + sum_c p_c s_c), b being
  `near` (A, C): the derivative, in which what is taken for chance moves with
  the votes. Its mean is `middle`.
  """
  left = 1 - kappa
  cross = (parts.mixed * parts.shares).sum(axis=1)
  cross += np.einsum('acc,ac->a', parts.told, near)
  square = parts.squares - 2 * left * cross
  square += left**2 * (
    (parts.own * near**2).sum(axis=1)
    + np.einsum('ac,acd,ad->a', parts.shares, parts.every, parts.shares)
    + 2 * np.einsum('ac,acd,ad->a', near, parts.told, parts.shares)
  )
  variance = np.maximum(square / parts.number - middle**2, 0)
  variance /= np.maximum(parts.number - 1, 1)
  return np.sqrt(variance)


def _needed(parts: _Parts, usual: np.ndarray) -> np.ndarray:
  """From how many votes (A,) on who tosses coins is flagged.

  His coins tell each class as often as the annotator does; NaN where he has too
  few votes. Beyond chance, `usual` (A,) is what all reach.
  """
  coins = np.einsum('ac,acc->a', parts.shares, parts.every)
  coins -= np.einsum('ac,acd,ad->a', parts.shares, parts.every, parts.shares)
  normal = special.ndtri((1 + LEVEL) / 2) + special.ndtri(_POWER)
  needed = np.ceil(coins / parts.number * (normal / (usual / 2)) ** 2)
  return np.where(parts.number >= _LEAST, np.maximum(needed, _LEAST), np.nan)


def judge(sums: np.ndarray, alike: np.ndarray) -> dict[str, np.ndarray]:
  """What the sums of `tally` say of each annotator.

  Args:
    sums: (A, 2 C + 2 + C + 2 C^2), each with a vote.
    alike: (C, C), see `likeness`.

  Returns:
    Each (A,), NaN where it is not known: `num_votes`; `agreement`, the mean
    likeness of the other votes to his; `chance`; `kappa` with `kappa_low` and
    `kappa_high`; `excess`, his kappa less that of all, in standard errors;
    `flag`; `votes_needed`, by coins that tell each class as often as he; and
    `bias` (A, C), his share of votes for a class minus the others' on the same
    clips.
  """
  parts = _split(sums, len(alike))
  number, shares = parts.number, parts.shares
  beside = parts.others / number[:, None]
  agreement = parts.hits / number
  near = beside @ alike
  chance = (shares * near).sum(axis=1)
  beyond = agreement - chance
  # Of s_l - sum_c p_c s_c, the mean of squares.
  square = parts.squares - 2 * (shares * parts.mixed).sum(axis=1)
  square += np.einsum('ac,acd,ad->a', shares, parts.every, shares)
  variance = np.maximum(square / number - beyond**2, 0)
  variance *= number / np.maximum(number - 1, 1)
  error = np.sqrt(variance / number)
  error = np.where(number >= _LEAST, error, np.nan)
  quantile = special.stdtrit(np.maximum(number - 1, 1), (1 + LEVEL) / 2)
  reach = quantile * error
  room = np.where(chance < 1, 1 - chance, np.nan)
  kappa = beyond / room
  middle = agreement - 2 * (1 - kappa) * chance
  wide = quantile * _error_of_kappa(parts, near, kappa, middle) / room
  # Of votes that are all alike there is no error to tell.
  wide = np.where((number >= _LEAST) & (wide > _ZERO), wide, np.nan)
  # Of what is left to each beyond chance, as much as all reach.
  whole = (1 - chance) @ number
  of_all = beyond @ number / whole if whole > 0 else 0.0
  usual = of_all * room
  needed = np.full(len(number), math.nan)
  if of_all > 0:
    needed = _needed(parts, usual)
  with np.errstate(divide='ignore', invalid='ignore'):
    excess = (beyond - usual) / error
  return {
    'num_votes': number,
    'agreement': agreement,
    'chance': chance,
    'kappa': kappa,
    'kappa_low': np.maximum(kappa - wide, -1),
    'kappa_high': np.minimum(kappa + wide, 1),
    'excess': np.where(np.isfinite(excess), excess, np.nan),
    'flag': (beyond + reach < usual / 2) & (of_all > 0),
    'votes_needed': needed,
    'bias': shares - beside,
  }
