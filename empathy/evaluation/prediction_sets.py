"""Sets of classes that hold a wanted share of the votes on clips of new groups.

A set has the classes to which the full view gives a threshold's probability or
more. The threshold is such that sets of other groups' clips hold the wanted
share of their votes: conformal prediction with all votes of a clip as its
labels, each for its share, which is what Monte-Carlo conformal prediction comes
to with ever more draws (Stutz et al. 2023, arXiv 2307.09302). Clips of a group
are alike, so that groups are exchangeable and clips are not. Each group counts
alike, and the group to come as one of which nothing is held (Dunn et al. 2022,
J. Amer. Statist. Assoc. 118:2491; Lee et al. 2023, arXiv 2306.06342): sets of a
new group's clips hold the wanted share of votes or more, on average over
groups.

Here each group in turn is the new one. What all sets together hold is then the
wanted share by construction, or somewhat more where groups are few; what is
found is how large they are, and what they hold of clips on which annotators
agree or do not. Intervals are of the derivative, in which thresholds move with
the groups, and of what thresholds from as many groups do: from more, sets are
smaller. They held it in 93 to 97 % with 60 groups, in 91 to 97 % with 24, and
in 92 to 99 % with 12. What all but a few groups hold fully has no interval: the
groups with votes that are missed count. Thresholds for labels are at times
moved by one group alone, and draws without it tell nothing: what they hold of
votes has Student's intervals, which held it in 92 to 98 % with 12 and 24
groups.

Other annotators are not covered: where 20 of them differed much, intervals of
sizes held those of very many annotators in 77 to 95 % of 200 corpora, of shares
in 80 to 96 %. A group's own threshold and weight make what one vote changes
there its own, so that it does not add up as other changes do.

Probabilities are put on a grid, so that what is kept of a clip adds up.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import asked, weighing, wording
from empathy.evaluation import totals as totals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  Kind,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Key, Totals

# Per cent of votes.
WANTED = (80, 90)
# All votes alike; two thirds alike; fewer.
AMBIGUITIES = ('agreed', 'divided', 'contested')
_GRID = 1_000
# How far from the wanted share it is seen what a threshold does.
_NEAR = 0.05
_ROUNDING = 1e-9


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up the probabilities of votes, labels and all classes."""
  if _missing(plan):
    return
  votes, mean = plan.votes(batch.corpus), batch.means[plan.full]
  number = votes.sum(axis=1)
  chosen = (number > 1) & ~np.isnan(mean[:, 0])
  ambiguity = np.where(
    votes.max(axis=1) == number, 0, 1 + votes_lib.contested(votes)
  )
  one_of = (ambiguity[:, None] == np.arange(len(AMBIGUITIES))) & chosen[:, None]
  adder.add(_key('clips'), one_of)
  shape = (len(AMBIGUITIES), _GRID + 1)
  bins = np.floor(np.nan_to_num(mean.T) * _GRID).astype(np.int64)
  cell = totals_lib.index(shape, ambiguity, bins)
  cell = np.where(chosen, cell, -1)
  adder.count(_key('classes'), cell, shape)
  shares = votes.T / np.maximum(number, 1)
  adder.count(_key('votes'), np.where(votes.T > 0, cell, -1), shape, shares)
  labels = np.where(batch.labelled, batch.corpus.labels, 0)
  own = cell[labels, np.arange(len(labels))]
  own = np.where(batch.corpus.labels == corpus_lib.UNLABELLED, -1, own)
  adder.count(_key('labels'), own, shape)


def answer(totals: Totals, plan: Plan) -> Findings:
  """How large the sets are, and what they hold, by ambiguity.

  Each group counts alike, and its clips share that.

  Args:
    totals: what `tally` added up.
    plan: names the full view.

  Returns:
    Statistics `sets.<80 or 90>.*`: `coverage`, the share of votes held, `size`,
    the number of classes, `coverage_of_tenth`, what is held of the group that a
    tenth of the groups are below, and `labels_coverage`, the share of votes
    that sets hold if thresholds are chosen for labels; `coverage` and `size`
    also by ambiguity, `sets.<80 or 90>.<ambiguity>.*`. The table `sets`.
  """
  missing = _missing(plan)
  if not missing and not totals[_key('clips')].any():
    missing = 'No clip that the full view predicts has two votes or more.'
  if missing:
    return Findings(skipped={'sets': missing})
  found, rows = Findings(), []
  for wanted in WANTED:
    rows += _answer(found, totals, wanted, len(plan.classes))
  if rows:
    found.tables['sets'] = rows
  return found


def _key(what: str) -> Key:
  return 'sets', what


def _missing(plan: Plan) -> str:
  if not plan.survey.has_votes:
    return 'The corpus has no votes.'
  if plan.full not in plan.members:
    return f'There are no predictions of the full view, {plan.full}.'
  if not plan.graded('mean', plan.full):
    return plan.not_graded('mean', plan.full)
  return ''


def _answer(
  found: Findings, totals: Totals, wanted: int, num_classes: int
) -> list[dict[str, object]]:
  """Adds what is found of sets that hold a wanted share; rows of the table."""
  prefix, level = f'sets.{wanted}', wanted / 100
  clips = totals[_key('clips')]
  part = totals.over(clips.sum(axis=1))
  number = part.kept.sum()
  if number - 1 < level * number:
    found.skipped[prefix] = (
      f'For {wanted} % of the votes of a new group it takes '
      f'{round(1 / (1 - level))} groups with votes, and there are {number}.'
    )
    return []
  clips = clips[part.kept]
  weight = 1 / clips.sum(axis=1)
  tails = {
    what: Tails(totals.counts[_key(what)], part.kept, weight)
    for what in ('votes', 'classes')
  }
  places = thresholds(tails['votes'], level)
  held, size = (tails[what].at(places) for what in ('votes', 'classes'))
  share = clips * weight[:, None]
  own = held.sum(axis=1)
  _add_held(found, prefix, part, own)
  moved = own - own.mean()

  def add(name: str, what: str, values: np.ndarray, of: int | None) -> None:
    """Adds the mean of values (G, A) over clips, those of one ambiguity."""
    chosen = slice(None) if of is None else slice(of, of + 1)
    sums, weights = (one[:, chosen].sum(axis=1) for one in (values, share))
    slope = _slope(tails[what], tails['votes'], level, chosen)
    statistic, linear = weighing.linearised(
      sums.sum() / weights.sum(), sums - slope * moved, weights
    )
    if what == 'votes':
      # What a few groups alone miss does not tell how much it varies.
      missed = sums < weights - _ROUNDING
      statistic = dataclasses.replace(statistic, counted=missed[None])
    n = round(float(clips[:, chosen].sum()))
    most = num_classes if what == 'classes' else 1
    _add(found, name, part, statistic, most, drawn=linear, n=n)

  add(f'{prefix}.size', 'classes', size, None)
  _add_labels(found, totals, prefix, level)
  rows = [_row(prefix, wanted, 'all', part.num_clips)]
  for place, name in enumerate(AMBIGUITIES):
    own_clips = round(float(clips[:, place].sum()))
    if not own_clips:
      found.skipped[f'{prefix}.{name}'] = f'No clip is {name}.'
      continue
    add(f'{prefix}.{name}.coverage', 'votes', held, place)
    add(f'{prefix}.{name}.size', 'classes', size, place)
    rows.append(_row(f'{prefix}.{name}', wanted, name, own_clips))
  return rows


def _add_held(
  found: Findings, prefix: str, part: totals_lib.Part, own: np.ndarray
) -> None:
  """Adds the share of votes that is held, given that of each group (G,)."""
  units = part.totals.units
  told = f'by thresholds of other {units}'
  method = f'no interval: thresholds are chosen for it, {told}'
  found.add(
    f'{prefix}.coverage',
    Estimate(float(own.mean()), n=part.num_clips, method=method),
  )
  found.add(
    f'{prefix}.coverage_of_tenth',
    Estimate(
      float(np.quantile(own, 0.1)),
      n=part.num_clips,
      method=f'no interval: a quantile of {len(own):,} {units}, {told}',
    ),
  )


def _add_labels(
  found: Findings, totals: Totals, prefix: str, level: float
) -> None:
  """Adds what sets hold of votes whose thresholds are chosen for labels."""
  name, counts = f'{prefix}.labels_coverage', totals.counts[_key('labels')]
  labelled = np.asarray(counts.matrix.sum(axis=1)).ravel()
  if (labelled > 0).sum() * (1 - level) < 1:
    found.skipped[name] = 'Too few groups have clips with labels and votes.'
    return
  part = totals.over(labelled)
  labels = Tails(counts, part.kept, 1 / labelled[part.kept])
  clips = totals[_key('clips')][part.kept].sum(axis=1)
  votes = Tails(totals.counts[_key('votes')], part.kept, 1 / clips)
  places = thresholds(labels, level)
  held, own = (one.at(places).sum(axis=1) for one in (votes, labels))
  slope = _slope(votes, labels, level, slice(None))
  # Without its mean of derivatives it stands still in draws, so that the
  # quantile is Student's, see `resampling`.
  statistic, _ = weighing.linearised(
    held.mean(), held - slope * (own - own.mean()), np.ones(len(held))
  )
  _add(found, name, part, statistic, 1)


def _add(
  found: Findings,
  name: str,
  part: totals_lib.Part,
  statistic: weighing.Statistic,
  most: int,
  **known: Any,
) -> None:
  """Adds a figure whose interval ends at `most` at the latest."""
  told = f'by thresholds of other {part.totals.units}'

  fewest, least = weighing.counted(part.groups, statistic)
  unit = 'group' if part.groups.clustered else 'clip'

  def with_units(estimate: Estimate) -> Estimate:
    method, kind = f'{estimate.method}, {told}', estimate.kind
    if most == 1 and fewest < least:
      method = (
        'no interval: sets miss votes of '
        f'{wording.plural(fewest, unit)}, it needs {least}'
      )
    if 'drawn' not in known and kind == Kind.DRAWN:
      kind = Kind.STUDENT
      method = method.replace('studentised', "jackknife, Student's t")
    high = None if estimate.high is None else min(estimate.high, float(most))
    return dataclasses.replace(estimate, high=high, method=method, kind=kind)

  asked.add(found, name, part.groups, statistic, with_units, **known)


class Tails:
  """How much of each group, by ambiguity, is at a threshold or above."""

  def __init__(
    self, counts: totals_lib.Counts, kept: np.ndarray, weight: np.ndarray
  ):
    """Takes counts of all groups, those that are kept, and their weights."""
    rows = counts.matrix[np.flatnonzero(kept)]
    self._parts = [
      rows[:, place * (_GRID + 1) : (place + 1) * (_GRID + 1)]
      for place in range(counts.shape[0])
    ]
    self._weight = weight
    every = np.stack([part.T @ weight for part in self._parts])
    # Of all groups, by ambiguity and threshold.
    self.sums = np.cumsum(every[:, ::-1], axis=1)[:, ::-1]
    self.num_groups = len(weight)

  def of(self, places: Sequence[int]) -> np.ndarray:
    """At some thresholds (K,), the same for all groups: (G, A, K)."""
    above = (np.arange(_GRID + 1)[:, None] >= np.asarray(places)).astype(float)
    found = np.stack([part @ above for part in self._parts], axis=1)
    return found * self._weight[:, None, None]

  def at(self, places: np.ndarray) -> np.ndarray:
    """At each group's own threshold (G,): (G, A)."""
    own, place = np.unique(places, return_inverse=True)
    return np.take_along_axis(self.of(own), place.reshape(-1, 1, 1), axis=2)[
      :, :, 0
    ]


def threshold(tails: Tails, level: float) -> int:
  """The largest threshold by which a new group is held, see the module.

  Args:
    tails: of the other groups, whose weights make each sum to 1.
    level: the wanted share.

  Returns:
    A place on the grid; 0, with which sets have all classes, if need be.
  """
  total = tails.sums.sum(axis=0)
  return _last(total >= level * (tails.num_groups + 1) - 1e-9)


def thresholds(tails: Tails, level: float) -> np.ndarray:
  """That of each group, from all others: (G,) int64."""
  total, number = tails.sums.sum(axis=0), tails.num_groups
  # A group has no more than 1 of all, so no others can matter.
  most = _last(total >= level * number - 1e-9)
  least = _last(total >= level * number + 1 - 1e-9)
  places = np.arange(least, most + 1)
  others = total[places] - tails.of(places).sum(axis=1)
  enough = others >= level * number - 1e-9
  last = len(places) - 1 - enough[:, ::-1].argmax(axis=1)
  return np.where(enough.any(axis=1), places[last], 0)


def _last(enough: np.ndarray) -> int:
  """The last place where it is so, of an array that begins so; 0 if none."""
  return max(int(np.flatnonzero(enough)[-1]), 0) if enough.any() else 0


def _slope(
  tails: Tails, chosen_for: Tails, level: float, chosen: slice
) -> float:
  """By how much a sum falls while that which is wanted falls by 1.

  Args:
    tails: of the sum.
    chosen_for: of what thresholds are chosen for.
    level: the share that is wanted of it.
    chosen: the ambiguities that are summed.
  """
  total, number = chosen_for.sums.sum(axis=0), chosen_for.num_groups
  middle = level * number / (number - 1)
  # Above all of it no threshold would be of any use.
  ends = min(middle + _NEAR, 1), middle - _NEAR
  near = [_last(total >= end * number - 1e-9) for end in ends]
  fell = total[near[0]] - total[near[1]]
  if not fell:
    return 0.0
  sums = tails.sums[chosen].sum(axis=0)
  return float((sums[near[0]] - sums[near[1]]) / fell)


def _row(
  prefix: str, wanted: int, ambiguity: str, num_clips: int
) -> dict[str, object]:
  row = {'wanted': wanted, 'ambiguity': ambiguity, 'num_clips': num_clips}
  for name in ('coverage', 'size'):
    row |= interval_cells(f'{prefix}.{name}', name)
  # Of all clips only.
  row['coverage_of_tenth'] = Cell(f'{prefix}.coverage_of_tenth')
  name = 'labels_coverage'
  return row | interval_cells(f'{prefix}.{name}', name)
