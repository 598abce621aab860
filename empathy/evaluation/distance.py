"""How far scores of views are from the full view's, and what that tells.

Two figures ask what disagreement tells, of how people differ and of errors of
the full view: the correlation of |view's score - full view's score| with the
variance of the ratings, or with the full view's error, beyond what the full
view says itself, its score, its square and the variance of its distribution. A
seed of the full view is the reference, and another seed of it takes the view's
place in the control: where the view is no more than other seeds, both are the
same. Errors are those of a third seed: the reference's own noise is in its
error and in its distance from whatever else, so that it would make a
correlation that the view has less of than other seeds have.
"""

import dataclasses

import numpy as np

from empathy.evaluation import (
  asked,
  batches,
  concordance,
  disagreement,
  resampling,
  weighing,
)
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  SeedNoise,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Key, Part, Totals

APART = ('apart', 'own_null', 'full_null', 'excess', 'unshared')
# Of what a view's distance from the full one is asked to tell.
TOLD = ('ambiguity', 'errors')
# The distance, what it is to tell, and what the full view says itself.
_NUM_VARIABLES = 5
_ONE_SEED = 'Seed noise is unknown: both views need two seeds or more.'


def tally(
  adder: totals_lib.Adder,
  view: str,
  own: np.ndarray,
  full: np.ndarray,
  chosen: np.ndarray,
) -> None:
  """Adds how far scores (S, N) of a view and (Z, N) of the full one differ."""
  adder.add(_key('both', view), chosen)

  def add(what: str, columns: np.ndarray) -> None:
    adder.add(
      _key(what, view), batches.only(chosen, np.moveaxis(columns, -1, 0))
    )

  for what, one, other in (
    ('apart', own, full),
    ('own', own, own),
    ('full', full, full),
  ):
    add(what, np.abs(one[:, None] - other[None]))
  every = np.concatenate([own, full])
  add('sums', every)
  add('products', every[:, None] * every[None])


def tally_told(
  batch: Batch,
  plan: Plan,
  adder: totals_lib.Adder,
  view: str,
  told: str,
  known: np.ndarray,
) -> None:
  """Adds what a view's distance from each seed of the full one goes with.

  Args:
    batch: of N clips.
    plan: names the views.
    adder: where it is added.
    view: a single one.
    told: what it is to tell.
    known: (Z, N) that, by seed of the full view, or (1, N), if it is the same
      for all; NaN where it is not known.
  """
  if not _triples(plan, plan.full, told).any():
    return
  middle = plan.middle
  full, other = (batch.scores[name] - middle for name in (plan.full, view))
  values = plan.values - middle
  variance = batch.predictions.probabilities[plan.full] @ values**2 - full**2
  # Where one is known, all are: they are of clips that all seeds predict.
  chosen = batch.common(plan.full, view) & ~np.isnan(known[0])
  for what, others, triples in (
    ('view', other, _triples(plan, view, told)),
    ('seeds', full, _triples(plan, plan.full, told)),
  ):
    by_other, by_judge, by_reference = 0, 0, []
    for place, own in enumerate(triples):
      apart = np.abs(others - full[place])
      itself = full[place], full[place] ** 2, variance[place]
      columns = _columns((apart, apart**2), _means(own, known), itself)
      columns = batches.only(chosen, columns) * own.sum(axis=1)[:, None]
      by_other = by_other + columns
      by_reference.append(columns.sum(axis=1))
      if told == 'errors':
        columns = _columns(_means(own.T, apart), (known, known**2), itself)
        columns = batches.only(chosen, columns) * own.sum(axis=0)[:, None]
        by_judge = by_judge + columns
    adder.add(_key(told, what, view), by_other)
    adder.add(_key(told, what, view, 'full'), np.stack(by_reference, axis=1))
    if told == 'errors':
      adder.add(_key(told, what, view, 'judge'), by_judge)


def _means(
  chosen: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Means of values (K, N) and of squares, of those chosen (S, K): (S, N)."""
  number = weighing.divisor(chosen.sum(axis=1, keepdims=True))
  return (chosen @ values) / number, (chosen @ values**2) / number


def _columns(
  apart: tuple[np.ndarray, np.ndarray],
  known: tuple[np.ndarray, np.ndarray],
  itself: tuple[np.ndarray, ...],
) -> np.ndarray:
  """The mean `concordance.columns` of several of which two are given by means.

  Args:
    apart: (S, N) the distances, and their squares.
    known: what they are to tell, likewise.
    itself: (N,) what the full view says.

  Returns:
    (N, S, k) float64.
  """
  variables = apart[0], known[0], *itself
  columns = concordance.columns(
    *(one.T for one in np.broadcast_arrays(*variables))
  )
  # The squares of means are no means of squares.
  first, second = np.triu_indices(_NUM_VARIABLES)
  for place, (_, squares) in enumerate((apart, known)):
    at = (
      1 + _NUM_VARIABLES + np.flatnonzero((first == place) & (second == place))
    )
    columns[..., at[0]] = squares.T
  return columns


def answer(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds how far scores are from the full view's, and what that tells."""
  if plan.full not in plan.members:
    return
  rows = []
  for view in plan.others:
    prefix, clips = f'scores.{view}_vs_full', totals[_key('both', view)]
    if not clips.any():
      found.skipped[prefix] = (
        f'No clip is predicted by every seed of {plan.full} and {view}.'
      )
      continue
    part = totals.over(clips)
    names = tuple(np.array(plan.members[one]) for one in (view, plan.full))
    none = np.empty((len(part.groups.names), 0, 0))
    pair = disagreement.Pair(
      part.groups,
      names,
      *(part[_key(what, view)] for what in ('both', 'apart', 'own', 'full')),
      none,
      none,
    )
    for rate, (statistic, seeds) in disagreement.rates(pair).items():
      name = 'apart' if rate == 'rate' else rate
      if name in APART:
        statistic = dataclasses.replace(statistic, share=False)
        full_name = f'{prefix}.{name}'
        asked.add(found, full_name, part.groups, statistic, seeds=seeds)
    if min(map(len, names)) < 2:
      for name in ('excess', 'unshared'):
        found.skipped[f'{prefix}.{name}'] = _ONE_SEED
    else:
      _add_unshared(found, part, names, view)
    row = {'view': view, 'num_clips': part.num_clips}
    for name in APART:
      row |= interval_cells(f'{prefix}.{name}', name)
    for told in TOLD:
      if view in plan.singles and told == 'errors':
        tell(found, totals, plan, view, told)
      for name in (told, f'{told}_seeds', f'{told}_excess'):
        row |= interval_cells(f'{prefix}.{name}', name)
      for field in ('p', 'p_adjusted'):
        row[f'{told}_{field}'] = Cell(f'{prefix}.{told}_excess', field)
    rows.append(row)
  found.tables['scores_apart'] = rows


def tell(
  found: Findings,
  totals: Totals,
  plan: Plan,
  view: str,
  told: str,
) -> None:
  """Adds what a view's distance from the full one goes with, beyond seeds'."""
  prefix = f'scores.{view}_vs_full'
  names = tuple(np.array(plan.members[one]) for one in (view, plan.full))
  keys = [_key(told, what, view) for what in ('view', 'seeds')]
  if not _triples(plan, plan.full, told).any():
    number = 'two' if told == 'ambiguity' else 'three'
    found.skipped[f'{prefix}.of_{told}'] = (
      f'It takes {number} seeds of the full view.'
    )
    return
  if keys[0] not in totals:
    found.skipped[f'{prefix}.of_{told}'] = 'The corpus has no votes.'
    return
  number = totals[keys[0]][..., 0].sum(axis=1)
  if not number.any():
    found.skipped[f'{prefix}.of_{told}'] = (
      'No clip that both predict has two votes or more.'
      if told == 'ambiguity'
      else 'No clip that both predict has a score.'
    )
    return
  part = totals.over(number / _triples(plan, view, told).sum())
  statistics, moved = [], []
  for key in keys:
    others, references = part[key], part[*key, 'full']
    if told == 'errors':
      references = references + part[*key, 'judge']
    sums = others.sum(axis=1)
    statistics.append(weighing.of_totals(sums, _partial))
    # How it moves with the weight of each seed, in whatever places.
    slope = _partial(sums.sum(axis=0)[None])[1][0]
    moved.append(
      [(len(names[1]) * one @ slope).T for one in (others, references)]
    )
  (view, reference), seeds = moved
  view = view * (len(names[0]) / len(names[1]))
  by_view = seeds_lib.Part(names[0], view.sum(axis=1), view)
  for name, statistic, by_full, parts in (
    ('', statistics[0], reference, [by_view]),
    ('_seeds', statistics[1], sum(seeds), []),
    (
      '_excess',
      weighing.minus(*statistics),
      reference - sum(seeds),
      [by_view],
    ),
  ):
    own = seeds_lib.Part(names[1], by_full.sum(axis=1), by_full)
    noise = seeds_lib.noise(*parts, own)
    asked.add(
      found, f'{prefix}.{told}{name}', part.groups, statistic, seeds=noise
    )


def _key(*parts: str) -> Key:
  return 'scores', *parts


def _triples(plan: Plan, view: str, told: str) -> np.ndarray:
  """Which seeds of a view are put beside each of the full one, and judged by.

  Returns:
    (Z, S, K) bool: seeds of the full view, of the view, and of the full one
    whose errors are told; K is 1 where it is not errors.
  """
  full, own = (np.array(plan.members[name]) for name in (plan.full, view))
  pairs = seeds_lib.distinct(full, own)
  if told == 'ambiguity':
    # A seed of the full view is no control of itself.
    return pairs[..., None] & (len(full) > 1)
  third = (full[:, None] != full)[:, None] & (own[:, None] != full)
  return pairs[..., None] & third


def _add_unshared(
  found: Findings,
  part: Part,
  names: tuple[np.ndarray, np.ndarray],
  view: str,
) -> None:
  """Adds `concordance.unshared`, with what the choice of seeds adds to it.

  It is a ratio over the variances of both views without the noise of seeds, and
  says nothing where one of these may be 0.
  """
  own, full = map(len, names)
  pairs = np.zeros((3, own + full, own + full))
  for which, block in ((0, slice(own)), (1, slice(own, None))):
    size = (own, full)[which]
    pairs[which, block, block] = (1 - np.eye(size)) / (size * (size - 1))
  cross = seeds_lib.distinct(*names)
  pairs[2, :own, own:] = cross / cross.sum()
  sums = np.concatenate(
    [
      part[_key(what, view)].reshape(len(part.groups.names), -1)
      for what in ('both', 'sums', 'products')
    ],
    axis=1,
  )

  def told(
    function: concordance.OfCovariances,
  ) -> tuple[weighing.Statistic, SeedNoise | None]:
    moved = concordance.covariances_by_seed(sums, own + full, function)
    own_moved, full_moved = zip(
      *(np.split(one, [own]) for one in moved), strict=True
    )
    return (
      weighing.of_totals(
        sums, lambda one: concordance.of_covariances(one, own + full, function)
      ),
      seeds_lib.noise(
        seeds_lib.Part(names[0], *(own * one for one in own_moved)),
        seeds_lib.Part(names[1], *(full * one for one in full_moved)),
      ),
    )

  name = f'scores.{view}_vs_full.unshared'
  both = [] if part.groups.probe else [(0, view), (1, 'the full view')]
  for which, whose in both:
    statistic, seeds = told(concordance.noise_free(pairs[which]))
    variance = resampling.estimate(part.groups, statistic, seeds=seeds)
    if variance.low is None or variance.low <= 0:
      found.skipped[name] = (
        f'It is not shown that the scores of {whose} differ more between clips '
        'than between its seeds.'
      )
      return
  statistic, seeds = told(concordance.unshared(pairs))
  asked.add(found, name, part.groups, statistic, _bounded, seeds=seeds)


def _bounded(share: Estimate) -> Estimate:
  """A share that is below 0 by chance only, no further than its interval is."""
  if share.estimate is None:
    return share
  return dataclasses.replace(share, estimate=max(share.estimate, -1.0))


def _partial(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  return concordance.partial(sums, _NUM_VARIABLES)
