"""Values on a grid, where clips are too many to keep what each of them has.

Figures of ranks need the values themselves. Up to `totals.MANY_CLIPS` clips
these are kept; beyond, clips are counted by the place of their values on a
grid, and those in one place are tied. By how much that can move a figure is
known in the end from the counts, and its `method` says it.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
from scipy import special

from empathy.evaluation import samples, weighing
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.catalogue import is_binary
from empathy.evaluation.findings import Estimate

# A function of `ranking`: of a sample, a signal and which clips are positive.
Ranking = Callable[[samples.Sample, np.ndarray, np.ndarray], weighing.Figure]
# Places of a signal where it is ranked against two kinds of clips, and where
# there are many kinds.
NUM_PLACES = 1_024
FEW_PLACES = 128


@dataclasses.dataclass(frozen=True)
class Grid:
  """Places of values, in order.

  Attributes:
    starts: (L,) float64, ascending, the least value of each place; what is
      below the first is there too.
    values: (L,) float64, one of each place, which stands for all of them.
    coarse: whether there may be others in a place.
  """

  starts: np.ndarray
  values: np.ndarray
  coarse: bool = True

  def place(self, values: np.ndarray) -> np.ndarray:
    """The places of (...) float64, (...) int64; without meaning for NaN."""
    place = np.searchsorted(self.starts, values, side='right') - 1
    return np.clip(place, 0, len(self.starts) - 1)

  def on(self, values: np.ndarray) -> np.ndarray:
    """The values that stand for (...) float64; they stay where they are."""
    return self.values[self.place(values)]


def near_zero(most: float, num_places: int) -> Grid:
  """From 0 to `most`, finer where values are small.

  The fourth root of values is parted evenly, so that the doubts of a sure
  model, which crowd near 0, stay apart.
  """
  place = np.arange(num_places)
  return Grid(
    most * (place / num_places) ** 4, most * ((place + 0.5) / num_places) ** 4
  )


def levels(values: np.ndarray) -> Grid:
  """Values that are told apart; others are where the nearest is."""
  values = np.unique(values)
  middles = (values[1:] + values[:-1]) / 2
  return Grid(np.concatenate([values[:1], middles]), values, coarse=False)


YES_OR_NO = levels(np.arange(2.0))
# Clips with more votes than this count as having so many.
VOTES = levels(np.arange(256.0))
# The chances that two annotators differ: the shares of pairs that there can be
# on clips of up to so many votes.
_MOST_VOTES = 20
GS = levels(
  np.unique(
    np.concatenate(
      [
        np.round(np.arange(pairs + 1) / pairs, totals_lib.DECIMALS)
        for pairs in np.cumsum(np.arange(1, _MOST_VOTES))
      ]
    )
  )
)


def signal(
  name: str, num_classes: int, num_singles: int, num_places: int = NUM_PLACES
) -> Grid:
  """That of a signal, see `signals.signals`.

  Args:
    name: of the signal.
    num_classes: C.
    num_singles: how many single views there are.
    num_places: unless the signal has few values.
  """
  if is_binary(name):
    return YES_OR_NO
  if name == 'num_unimodal_labels':
    return levels(np.arange(min(num_classes, num_singles) + 1.0))
  most = 1.0
  if name in ('entropy', 'unimodal_jsd', 'seed_mutual_information'):
    most = float(np.log(num_classes))
  elif name.endswith('_jsd'):
    most = float(np.log(2))
  return near_zero(most, num_places)


def count(
  adder: totals_lib.Adder,
  key: totals_lib.Key,
  chosen: np.ndarray,
  grids: Mapping[str, Grid],
  columns: Mapping[str, np.ndarray],
) -> None:
  """Counts clips by the places of their values.

  Args:
    adder: where they are added.
    key: of the counts.
    chosen: (N,) bool, which clips.
    grids: by column, in the order in which `rows` is told them.
    columns: (N,) numbers each, of which those of `grids` are taken.
  """
  shape = [len(grid.values) for grid in grids.values()]
  places = [
    np.where(chosen, grid.place(columns[name]), -1)
    for name, grid in grids.items()
  ]
  adder.count(key, totals_lib.index(shape, *places), tuple(shape))


def rows(
  counts: totals_lib.Counts,
  grids: Mapping[str, Grid],
  less: totals_lib.Counts | None = None,
) -> totals_lib.Rows:
  """The clips of `count`, as rows of the values that stand for them.

  Args:
    counts: of the clips.
    grids: by column, as they were counted.
    less: some of them, counted alike, that are left out; none if None.
  """
  matrix = counts.matrix if less is None else counts.matrix - less.matrix
  matrix = matrix.tocoo()
  matrix.eliminate_zeros()
  group, cell = matrix.coords
  places = np.unravel_index(cell, counts.shape)
  values = [
    grid.values[place]
    for grid, place in zip(grids.values(), places, strict=True)
  ]
  return totals_lib.Rows(
    tuple(grids), group.astype(np.int64), np.stack(values, axis=1), matrix.data
  )


def tied(
  signal: np.ndarray,
  positive: np.ndarray,
  number: np.ndarray,
  kind: np.ndarray | None = None,
) -> float:
  """By how much an AUROC can be off, for ties that a grid makes.

  Half the share of pairs of a positive and a negative clip in one place.

  Args:
    signal: (n,) the values on the grid.
    positive: (n,) bool.
    number: (n,) how many clips are such.
    kind: (n,) int, not negative: pairs are of one kind only; all are if None.
  """
  kind = np.zeros(len(signal), np.int64) if kind is None else kind
  _, place = np.unique(
    np.stack([kind, signal], axis=1), axis=0, return_inverse=True
  )
  tied_pairs, pairs = (
    np.prod(
      [np.bincount(cell, number * side) for side in (positive, 1 - positive)],
      axis=0,
    ).sum()
    for cell in (place.ravel(), kind.astype(np.int64))
  )
  return float(tied_pairs / pairs / 2) if pairs else 0.0


def top_off(
  signal: np.ndarray, positive: np.ndarray, number: np.ndarray, wanted: float
) -> float:
  """By how many the positive clips of the highest signal can be off.

  Args:
    signal: (n,) the values on the grid.
    positive: (n,) bool.
    number: (n,) how many clips are such.
    wanted: so many clips are looked at; the last of them are in one place, and
      count there by expectation.
  """
  _, place = np.unique(-signal, return_inverse=True)
  clips = np.bincount(place, number)
  hits = np.bincount(place, number * positive)
  last = min(np.searchsorted(np.cumsum(clips), wanted), len(clips) - 1)
  taken = wanted - clips[:last].sum()
  expected = taken * hits[last] / clips[last]
  most = min(taken, hits[last])
  least = max(0.0, taken - (clips[last] - hits[last]))
  return float(max(most - expected, expected - least))


def spearman_off(signal: np.ndarray, number: np.ndarray) -> float:
  """By how much a signal's rank correlation can be off, for ties of a grid.

  A place has the mean of the ranks that its clips would have. So these vary by
  v between places and, within places of shares s, by w = sum s^3 / 12 at most.
  What ranks within places have in common with another variable's is at most the
  root of w times that one's variance; and the variance is at most v + w.

  Args:
    signal: (n,) the values on the grid; the other variable is on none.
    number: (n,) how many clips are such.
  """
  _, place = np.unique(signal, return_inverse=True)
  share = np.bincount(place, number) / number.sum()
  rank = np.cumsum(share) - share / 2 - 0.5
  within, between = (share**3).sum() / 12, (share * rank**2).sum()
  if not between:
    return 0.0
  return float(
    np.sqrt(within / between) + 1 - np.sqrt(between / (between + within))
  )


def noted(
  estimate: Estimate, off: float | None, whose: str = 'signal'
) -> Estimate:
  """Says in `method` that values are on a grid, and how far figures move.

  Args:
    estimate: of the figure.
    off: as the functions above say; 0 where nothing is on a grid, None where it
      is not known.
    whose: values are.
  """
  if estimate.estimate is None or off == 0:
    return estimate
  bound = ''
  if off is not None:
    # One digit, rounded up.
    unit = 10.0 ** math.floor(math.log10(off))
    bound = f' (off {math.ceil(off / unit) * unit:.1g} at most)'
  return dataclasses.replace(
    estimate, method=f'{estimate.method}, {whose} on a grid{bound}'
  )


def order_off(
  function: Ranking,
  signal: np.ndarray,
  positive: np.ndarray,
  number: np.ndarray,
) -> float:
  """By how much a figure of ranks can be off, for ties that a grid makes.

  In each place, all positive clips may in truth come first, or last.

  Args:
    function: of `ranking`, which makes a figure that grows, or falls, with
      each positive clip that is put before a negative one, and to which ties
      count by expectation.
    signal: (n,) the values on the grid.
    positive: (n,) bool.
    number: (n,) how many clips are such.
  """
  sample = samples.Sample(
    np.zeros(1),
    round(float(number.sum())),
    group=np.zeros(len(number), np.int64),
    number=number,
  )
  place = 2 * np.unique(signal, return_inverse=True)[1]
  value, *ends = (
    float(function(sample, one, positive)(np.ones((1, 1)))[0][0])
    for one in (place, place + positive, place + ~positive)
  )
  return max(abs(end - value) for end in ends)


def precision_off(
  signal: np.ndarray, positive: np.ndarray, number: np.ndarray
) -> float:
  """By how much an average precision can be off, for ties that a grid makes.

  It is largest where the positive clips of a place come first and are tied, as
  all count at the last one's precision; least where they come last, one by one.
  Of E positive clips among N before k more, these have a sum of precisions of
  k - (N - E) (H(N + k) - H(N)), with harmonic numbers H.

  Args:
    signal: (n,) the values on the grid.
    positive: (n,) bool, of at least one row.
    number: (n,) how many clips are such.
  """
  _, place = np.unique(-signal, return_inverse=True)
  clips = np.bincount(place, number)
  hits = np.bincount(place, number * positive)
  seen, found = np.cumsum(clips), np.cumsum(hits)
  first, last = seen - clips, seen - hits
  most = hits * found / np.maximum(first + hits, 1)
  steps = special.digamma(seen + 1) - special.digamma(last + 1)
  least = hits - (last - (found - hits)) * steps
  value = hits * found / seen
  off = max((most - value).sum(), (value - least).sum())
  return float(off / hits.sum())
