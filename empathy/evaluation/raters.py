"""Each annotator beside the others: how far they agree, and to what he leans.

A vote is held against the other votes on its clip and condition: s_c is the
share of them that is c. It agrees with s_l of them, l being its label; labels
that were told without looking at the clip, as often each as the annotator tells
it, would on average agree with sum_c p_c s_c, p being his shares. Their
difference has mean 0 for who tosses coins, whatever coins and whatever clips,
and its variance is known from his votes alone. Over what is left to 1, it is
the kappa of one annotator and all others (Cohen 1960, Educ. Psychol. Meas.
20:37).

A flag stands where the upper end of the interval of that difference lies below
half of what the votes of all reach. So who is as good as that is flagged in
one of forty cases at most, and one who tosses coins nine times in ten from so
many votes on as `votes_needed` says.
"""

import math
from collections.abc import Iterator

import numpy as np
from scipy import special

from empathy.evaluation import annotators
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
  shares = others[there] / total[there, None]
  number = own.sum(axis=1)
  hits = (own * shares).sum(axis=1)

  def columns() -> Iterator[np.ndarray]:
    yield from own.T
    yield from (number * share for share in shares.T)
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
  columns = judge(sums[voted], len(plan.classes))
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


def judge(sums: np.ndarray, num_classes: int) -> dict[str, np.ndarray]:
  """What the sums of `tally` say of each annotator.

  Args:
    sums: (A, 2 C + 2 + C + 2 C^2), each with a vote.
    num_classes: C.

  Returns:
    Each (A,), NaN where it is not known: `num_votes`; `agreement`, the mean
    share of the other votes that are like his; `chance`; `kappa` with
    `kappa_low` and `kappa_high`; `excess`, the agreement beyond chance less
    that of all, in standard errors; `flag`; `votes_needed`; and `bias` (A, C),
    his share of votes for a class minus the others' on the same clips.
  """
  ends = np.cumsum([num_classes, num_classes, 1, 1, num_classes])
  own, others, hits, squares, mixed, products = np.split(sums, ends, axis=1)
  every, told = np.split(products, 2, axis=1)
  number = own.sum(axis=1)
  shares, beside = own / number[:, None], others / number[:, None]
  agreement = hits[:, 0] / number
  chance = (shares * beside).sum(axis=1)
  beyond = agreement - chance
  # Of s_l - sum_c p_c s_c, the mean of squares.
  every, told = (
    one.reshape(-1, num_classes, num_classes) for one in (every, told)
  )
  square = squares[:, 0] - 2 * (shares * mixed).sum(axis=1)
  square += np.einsum('ac,acd,ad->a', shares, every, shares)
  variance = np.maximum(square / number - beyond**2, 0)
  variance *= number / np.maximum(number - 1, 1)
  error = np.sqrt(variance / number)
  error = np.where(number >= _LEAST, error, np.nan)
  quantile = special.stdtrit(np.maximum(number - 1, 1), (1 + LEVEL) / 2)
  all_beyond = beyond @ number / number.sum()
  reach = quantile * error
  room = np.where(chance < 1, 1 - chance, np.nan)
  kappa = beyond / room
  # Of s_l - (1 - kappa) (b_l + sum_c p_c s_c), b being the others' shares: the
  # derivative, in which what is taken for chance moves with the votes.
  left = 1 - kappa
  cross = (mixed * shares).sum(axis=1)
  cross += np.einsum('acc,ac->a', told, beside)
  square = squares[:, 0] - 2 * left * cross
  square += left**2 * (
    (own * beside**2).sum(axis=1)
    + np.einsum('ac,acd,ad->a', shares, every, shares)
    + 2 * np.einsum('ac,acd,ad->a', beside, told, shares)
  )
  middle = agreement - 2 * left * chance
  variance_of_kappa = np.maximum(square / number - middle**2, 0)
  variance_of_kappa /= np.maximum(number - 1, 1)
  wide = quantile * np.sqrt(variance_of_kappa) / room
  # Of votes that are all alike there is no error to tell.
  wide = np.where((number >= _LEAST) & (wide > _ZERO), wide, np.nan)
  normal = special.ndtri((1 + LEVEL) / 2) + special.ndtri(_POWER)
  needed = np.full(len(number), math.nan)
  if all_beyond > 0:
    needed = np.ceil(variance * (normal / (all_beyond / 2)) ** 2)
    needed = np.where(number >= _LEAST, np.maximum(needed, _LEAST), np.nan)
  with np.errstate(divide='ignore', invalid='ignore'):
    excess = (beyond - all_beyond) / error
  return {
    'num_votes': number,
    'agreement': agreement,
    'chance': chance,
    'kappa': kappa,
    'kappa_low': np.maximum(kappa - wide, -1),
    'kappa_high': np.minimum(kappa + wide, 1),
    'excess': np.where(np.isfinite(excess), excess, np.nan),
    'flag': (beyond + reach < all_beyond / 2) & (all_beyond > 0),
    'votes_needed': needed,
    'bias': shares - beside,
  }
