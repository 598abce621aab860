"""How well a signal ranks clips: AUROC, Spearman, precision, risk-coverage.

Every figure is a smooth function of the groups' weights, as `weighing` wants
it: a clip of weight 2 counts as two clips of the same signal. Signals are
rounded to 12 decimals, so that what is equal but for rounding is tied.

AUROC is a form in two weights, w'Aw / (w'p w'q), where A_gh counts the pairs of
a positive clip of group g above a negative one of group h: A is made once, and
a draw costs G^2 whatever the number of clips. The other figures are functions
of totals by value of the signal. They are exact, but 10,000 draws of 10,000
values each are too dear; so draw a close relative in their stead, the same
figure of the `coarse` signal:

  estimate(
    sample, aurc(sample, signal, error),
    drawn=aurc(sample, coarse(signal), error),
  )
"""

import functools
from collections.abc import Callable

import numpy as np
from scipy import sparse, special

from empathy.evaluation import samples, weighing

NUM_BINS = 32
# Groups with clips of either kind that an interval rests on at least: below,
# the jackknife takes the few for more telling than they are.
LEAST_GROUPS = 10
_DECIMALS = 12
_FEW = 1_024
_BLOCK = 2_048
_ZERO = 1e-12
# From here on, the asymptotic series of harmonic numbers is exact.
_FAR = 20.0


def coarse(
  signal: np.ndarray,
  num_bins: int = NUM_BINS,
  number: np.ndarray | None = None,
) -> np.ndarray:
  """The signal's bins of equal number, ties together, as a coarser signal.

  Args:
    signal: (n,) float64.
    num_bins: at most so many values are left.
    number: (n,) how many clips have it; one each if None.

  Returns:
    (n,) float64, whole numbers from 0 on.
  """
  _, place = np.unique(np.round(signal, _DECIMALS), return_inverse=True)
  count = np.bincount(place, number)
  if len(count) <= num_bins:
    return place.astype(np.float64)
  middle = np.cumsum(count) - count / 2
  return np.floor(num_bins * middle / count.sum())[place]


def auroc(
  sample: samples.Sample, signal: np.ndarray, positive: np.ndarray
) -> weighing.Figure:
  """The chance that a positive clip has the higher signal; ties count half.

  Args:
    sample: the n clips.
    signal: (n,) float64.
    positive: (n,) bool.

  Returns:
    The statistic; undefined where all clips are of one kind. Exact for any
    weights: O(n G + G^3) to make and O(G^2) a draw where groups are drawn;
    elsewhere O(n log n) to make and O(n) for each row of weights.
  """
  values, place = _values(signal)
  sides = np.stack([positive, ~positive])
  if not sample.resampled:
    totals = _totals(sample, place, len(values), sides)
    return _of_kinds(
      weighing.of_totals(totals, _auroc), *sample.totals(sides.T).T
    )
  weighted = sample.weighted(sides)
  pairs = np.zeros((sample.num_groups, sample.num_groups))
  below = np.zeros(sample.num_groups)
  order = np.argsort(place, kind='stable')
  # Few values at a time, so that memory does not grow with n G.
  starts = np.arange(0, len(values), _BLOCK)
  for start, rows in zip(
    starts,
    np.split(order, np.searchsorted(place[order], starts[1:])),
    strict=True,
  ):
    size = min(_BLOCK, len(values) - start)
    cell = (place[rows] - start) * sample.num_groups + sample.group[rows]
    above, under = (
      np.bincount(cell, side[rows], size * sample.num_groups).reshape(size, -1)
      for side in weighted
    )
    passed = np.cumsum(under, axis=0) - under / 2 + below
    below = below + under.sum(axis=0)
    pairs += above.T @ passed
  return _auroc_of_pairs(pairs, sample.totals(sides.T))


def _of_kinds(
  statistic: weighing.Statistic, *kinds: np.ndarray, share: bool = False
) -> weighing.Figure:
  """The figure that needs clips of some kinds, each (G,) numbers of them."""
  return weighing.Figure(
    statistic, np.stack(kinds) > 0, share=share, least=LEAST_GROUPS
  )


def _auroc_of_pairs(pairs: np.ndarray, kinds: np.ndarray) -> weighing.Figure:
  """AUROC of the pairs (G, G) won, and clips of both kinds (G, 2)."""
  both = pairs + pairs.T

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slope = weights @ both
    won = np.einsum('rg,rg->r', slope, weights) / 2
    counts = weights @ kinds
    number = counts.prod(axis=1)
    told = number > 0
    counts = np.where(told[:, None], counts, 1)
    number = np.where(told, number, 1)
    value = won / number
    slope /= number[:, None]
    slope -= (value[:, None] / counts) @ kinds.T
    return np.where(told, value, np.nan), slope

  return _of_kinds(statistic, *kinds.T)


def spearman(
  sample: samples.Sample, first: np.ndarray, second: np.ndarray
) -> weighing.Statistic:
  """Spearman's rank correlation: Pearson's of the ranks, ties at their middle.

  Args:
    sample: the n clips.
    first: (n,) float64.
    second: (n,) float64.

  Returns:
    The statistic; undefined where one of both is constant. O(n) for each row
    of weights; draw it with both `coarse`, of some 16 bins each.
  """
  (xs, x), (ys, y) = _values(first), _values(second)
  pairs, place = np.unique(x * len(ys) + y, return_inverse=True)
  x, y = np.divmod(pairs, len(ys))
  totals = _totals(sample, place, len(pairs), np.ones((1, len(place))))
  return weighing.of_totals(
    totals,
    functools.partial(
      _spearman, x=x, y=y, sum_x=_sums(x, len(xs)), sum_y=_sums(y, len(ys))
    ),
  )


def average_precision(
  sample: samples.Sample, signal: np.ndarray, positive: np.ndarray
) -> weighing.Figure:
  """The mean of the precision at each positive clip, from the highest signal.

  Precision at a clip is the share of positive ones among all clips that have
  its signal or a higher one, so that ties come together (as in scikit-learn).

  Args:
    sample: the n clips.
    signal: (n,) float64.
    positive: (n,) bool.

  Returns:
    The statistic; undefined without a positive clip. O(n) a row of weights.
  """
  return _of_kinds(
    _by_value(sample, signal, positive, _average_precision),
    *sample.totals(positive).T,
  )


def aurc(
  sample: samples.Sample, signal: np.ndarray, error: np.ndarray
) -> weighing.Figure:
  """The area under the risk-coverage curve (Geifman et al. 2019, ICLR, sec. 2).

  The mean over k = 1 ... n of the error rate among the k clips with the lowest
  signal, ties by expectation over their orders. Weights that are not whole
  take the place of numbers of clips by way of the digamma function.

  Args:
    sample: the n clips.
    signal: (n,) float64.
    error: (n,) bool.

  Returns:
    The statistic. O(n) for each row of weights.
  """
  kinds = sample.totals(np.stack([error, ~np.asarray(error, bool)], axis=1)).T
  return _of_kinds(_by_value(sample, signal, error, _aurc), *kinds)


def e_aurc(
  sample: samples.Sample, signal: np.ndarray, error: np.ndarray
) -> weighing.Figure:
  """AURC minus that of the oracle, for whom every error has a higher signal.

  Geifman et al. 2019, ICLR, eq. 3, with the oracle's exact area.
  """
  return weighing.minus(aurc(sample, signal, error), aurc(sample, error, error))


def found_at(
  sample: samples.Sample,
  signal: np.ndarray,
  positive: np.ndarray,
  share: float = 0.1,
) -> weighing.Figure:
  """The share of the positive clips among those with the highest signal.

  Ties, and a last clip that the share cuts, count by expectation. How the
  figure moves with the number of clips looked at is taken from the positives
  among those from half as many to half as many again, since the last clip
  alone says nothing of it; the derivative is exact where these have one value.

  Args:
    sample: the n clips.
    signal: (n,) float64.
    positive: (n,) bool.
    share: of the clips, those with the highest signal, which are looked at.

  Returns:
    The statistic; undefined without a positive clip. O(n) a row of weights.
  """
  found = _by_value(
    sample, signal, positive, functools.partial(_found_at, share=share)
  )
  return _of_kinds(found, *sample.totals(positive).T, share=True)


def precision_gain(
  sample: samples.Sample,
  chosen: np.ndarray,
  signal: np.ndarray,
  positive: np.ndarray,
) -> weighing.Figure:
  """Precision of a choice minus that of equally many with the highest signal.

  Args:
    sample: the n clips.
    chosen: (n,) bool, the clips that are chosen.
    signal: (n,) float64, by which as many clips are chosen; ties and the
      derivative as in `found_at`.
    positive: (n,) bool.

  Returns:
    The statistic; undefined where no clip is chosen.
  """
  values, place = _values(signal)
  columns = np.stack([np.ones(len(place)), positive])
  totals = _totals(sample, place, len(values), columns)
  own = sample.totals(np.stack([chosen, chosen & positive], axis=1))
  if sparse.issparse(totals):
    totals = sparse.hstack([totals, sparse.csr_array(own)], format='csr')
  else:
    totals = np.concatenate([totals, own], axis=1)

  def function(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    number, right = sums[:, -2], sums[:, -1]
    top, by_count, by_hits, by_number = _top(*_columns(sums[:, :-2]), number)
    told = number > 0
    number = np.where(told, number, 1)
    value = (right - top) / number
    gradient = [-by_count, -by_hits, (-by_number - value)[:, None]]
    gradient.append(np.ones((len(sums), 1)))
    gradient = np.concatenate(gradient, axis=1) / number[:, None]
    return np.where(told, value, np.nan), gradient

  return _of_kinds(
    weighing.of_totals(totals, function),
    *sample.totals(np.stack([chosen, positive], axis=1)).T,
  )


def errors_found(
  signal: np.ndarray,
  error: np.ndarray,
  shares: np.ndarray,
  number: np.ndarray | None = None,
) -> np.ndarray:
  """The share of the errors among clips of the highest signal, by share.

  Args:
    signal: (n,) float64; a constant one gives the random order's curve, `error`
      itself the oracle's.
    error: (n,) bool, with at least one error.
    shares: (B,) of the clips, from 0 to 1.
    number: (n,) how many clips are such; one each if None.

  Returns:
    (B,) float64, ties by expectation.
  """
  seen, found = _passed(-np.asarray(signal, np.float64), error, number)
  return np.interp(shares * seen[-1], seen, found) / found[-1]


def risks(
  signal: np.ndarray,
  error: np.ndarray,
  coverages: np.ndarray,
  number: np.ndarray | None = None,
) -> np.ndarray:
  """The error rate among the clips of the lowest signal, by coverage.

  Args:
    signal: (n,) float64, as in `errors_found`.
    error: (n,) bool.
    coverages: (B,) of the clips, above 0, up to 1.
    number: as of `errors_found`.

  Returns:
    (B,) float64, ties by expectation.
  """
  seen, found = _passed(signal, error, number)
  return np.interp(coverages * seen[-1], seen, found) / (coverages * seen[-1])


def _passed(
  signal: np.ndarray, error: np.ndarray, number: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
  """Clips and errors up to each value of the signal, from none: (U + 1,)."""
  _, place = _values(signal)
  number = np.ones(len(place)) if number is None else number
  return (
    np.concatenate([[0.0], np.cumsum(np.bincount(place, number))]),
    np.concatenate([[0.0], np.cumsum(np.bincount(place, error * number))]),
  )


def _values(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The signal's values, ascending, and the place of each clip's (n,)."""
  return _sorted(np.asarray(signal, np.float64).tobytes())


@functools.lru_cache(maxsize=8)
def _sorted(signal: bytes) -> tuple[np.ndarray, np.ndarray]:
  """`_values` of the bytes of a signal, which every figure of it asks for."""
  signal = np.round(np.frombuffer(signal, np.float64), _DECIMALS)
  found = np.unique(signal, return_inverse=True)
  for array in found:
    array.setflags(write=False)
  return found


def _totals(
  sample: samples.Sample,
  place: np.ndarray,
  num_values: int,
  columns: np.ndarray,
) -> np.ndarray | sparse.csr_array:
  """Sums by group and value of `columns` (k, n): (G, k num_values).

  They are dense where values are few and groups are drawn.
  """
  shape = (sample.num_groups, len(columns) * num_values)
  cell = place + num_values * np.arange(len(columns))[:, None]
  group = np.broadcast_to(sample.group, cell.shape)
  totals = sparse.csr_array(
    (
      sample.weighted(columns).ravel(),
      (group.ravel(), cell.ravel()),
    ),
    shape=shape,
  )
  few = sample.resampled and shape[1] <= _FEW
  return totals.toarray() if few else totals


def _by_value(
  sample: samples.Sample,
  signal: np.ndarray,
  positive: np.ndarray,
  function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> weighing.Statistic:
  """A function of clips, then positive ones, by value: sums (R, 2 U)."""
  values, place = _values(signal)
  columns = np.stack([np.ones(len(place)), positive])
  return weighing.of_totals(
    _totals(sample, place, len(values), columns), function
  )


def _columns(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Both halves of (R, 2 U), each (R, U)."""
  half = sums.shape[1] // 2
  return sums[:, :half], sums[:, half:]


def _from_end(values: np.ndarray) -> np.ndarray:
  """Sums over this and all later columns."""
  return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]


def _auroc(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """AUROC of positive and negative clips by value (R, 2 U)."""
  above, under = _columns(sums)
  totals = np.stack([above.sum(axis=1), under.sum(axis=1)])
  told = (totals > 0).all(axis=0)
  above_total, under_total = np.where(told, totals, 1)[..., None]
  by_above = (np.cumsum(under, axis=1) - under / 2) / under_total
  by_under = (_from_end(above) - above / 2) / above_total
  value = (above * by_above).sum(axis=1) / above_total[:, 0]
  gradient = [
    (by_above - value[:, None]) / above_total,
    (by_under - value[:, None]) / under_total,
  ]
  return np.where(told, value, np.nan), np.concatenate(gradient, axis=1)


def _found_at(sums: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
  """The share of hits at the top, of clips and hits by value (R, 2 U)."""
  count, hits = _columns(sums)
  number = share * count.sum(axis=1)
  top, by_count, by_hits, by_number = _top(count, hits, number)
  total = hits.sum(axis=1)
  told = total > 0
  total = np.where(told, total, 1)[:, None]
  value = top / total[:, 0]
  gradient = [
    (by_count + share * by_number[:, None]) / total,
    (by_hits - value[:, None]) / total,
  ]
  return np.where(told, value, np.nan), np.concatenate(gradient, axis=1)


def _average_precision(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Average precision of clips and positive ones by value (R, 2 U)."""
  count, hits = _columns(sums)
  seen, found = _from_end(count), _from_end(hits)
  seen = np.where(seen > 0, seen, 1)
  total = found[:, 0]
  told = total > 0
  total = np.where(told, total, 1)
  precision = found / seen
  value = (hits * precision).sum(axis=1) / total
  each = hits / seen
  by_hits = precision + np.cumsum(each, axis=1) - value[:, None]
  by_count = -np.cumsum(each * precision, axis=1)
  gradient = np.concatenate([by_count, by_hits], axis=1) / total[:, None]
  return np.where(told, value, np.nan), gradient


def _aurc(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """AURC of clips and errors by value (R, 2 U).

  Within a value, k clips hold E_0 + rho (k - N_0) errors, where N_0 clips and
  E_0 errors come before it; over k that sums to m rho + (E_0 - rho N_0)
  (H(N_0 + m) - H(N_0)) with harmonic numbers H.
  """
  count, errors = _columns(sums)
  seen = np.cumsum(count, axis=1)
  before = seen - count
  errors_before = np.cumsum(errors, axis=1) - errors
  harmonic, harmonic_slope = _harmonic(seen)
  steps = np.diff(harmonic, axis=1, prepend=0)
  there = np.where(count > 0, count, 1)
  rate = errors / there
  level = errors_before - rate * before
  total = seen[:, -1]
  value = (errors.sum(axis=1) + (level * steps).sum(axis=1)) / total
  share = before * steps / there
  later = harmonic[:, -1:] - harmonic
  lost = rate * steps
  # A harmonic number ends one value's part and begins the next one's.
  turned = -np.diff(level, axis=1, append=0) * harmonic_slope
  by_count = (
    _from_end(turned) - (_from_end(lost) - lost) + rate * share - value[:, None]
  )
  gradient = np.concatenate([by_count, 1 + later - share], axis=1)
  return value, gradient / total[:, None]


def _harmonic(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """H(x) = digamma(x + 1) - digamma(1) and its derivative, for any x >= 0."""
  middle = np.maximum(number, _FAR) + 0.5
  inverse = 1 / middle
  square = inverse * inverse
  value = np.log(middle) + np.euler_gamma
  value += square * (1 / 24 - square * (7 / 960 - square * (31 / 8064)))
  slope = square * (1 / 12 - square * (7 / 240 - square * (31 / 1344)))
  slope = inverse * (1 - slope)
  near = number < _FAR
  value[near] = special.digamma(number[near] + 1) + np.euler_gamma
  slope[near] = special.polygamma(1, number[near] + 1)
  return value, slope


def _top(
  count: np.ndarray, hits: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """The hits among the clips with the highest signal.

  Args:
    count: (R, U) clips by value, ascending.
    hits: (R, U) the positive ones.
    number: (R,) how many clips are looked at.

  Returns:
    (R,) hits; their derivative by `count` (R, U), by `hits` (R, U) and by
    `number` (R,), see `found_at`.
  """
  before = _from_end(count) - count
  there = np.where(count > 0, count, 1)

  def inside(number: np.ndarray) -> np.ndarray:
    return np.clip((number[:, None] - before) / there, 0, 1)

  taken = inside(number)
  ends = [number / 2, np.minimum(1.5 * number, count.sum(axis=1))]
  few, many = (np.einsum('ru,ru->r', inside(end), hits) for end in ends)
  width = ends[1] - ends[0]
  rate = (many - few) / np.where(width > 0, width, 1)
  return (taken * hits).sum(axis=1), -rate[:, None] * taken, taken, rate


def _sums(place: np.ndarray, num_values: int) -> np.ndarray | sparse.csr_array:
  """The matrix (P, U) that sums columns by their value's place (P,)."""
  sums = sparse.csr_array(
    (np.ones(len(place)), (np.arange(len(place)), place)),
    shape=(len(place), num_values),
  )
  return sums.toarray() if len(place) <= _FEW else sums


def _spearman(
  sums: np.ndarray,
  x: np.ndarray,
  y: np.ndarray,
  sum_x: np.ndarray | sparse.csr_array,
  sum_y: np.ndarray | sparse.csr_array,
) -> tuple[np.ndarray, np.ndarray]:
  """Spearman's correlation of clips by pair of values (R, P).

  Args:
    sums: the clips of each pair.
    x: (P,) the place of the first value.
    y: (P,) that of the second.
    sum_x: (P, U) the matrix that sums them by the first value.
    sum_y: (P, V) by the second.

  Returns:
    The value (R,) and its gradient (R, P).
  """
  total = sums.sum(axis=1, keepdims=True)
  share = sums / np.where(total > 0, total, 1)
  ranks, spreads, by_spreads = [], [], []
  for matrix in (sum_x, sum_y):
    size = share @ matrix
    # The mean rank is 0, whatever the ties.
    rank = np.cumsum(size, axis=1) - size / 2 - 0.5
    ranks.append(rank)
    spreads.append((size * rank**2).sum(axis=1))
    by_spreads.append(rank**2 + 2 * _by_rank(size * rank))
  x_rank, y_rank = ranks[0][:, x], ranks[1][:, y]
  product = x_rank * y_rank
  shared = (share * product).sum(axis=1)
  told = np.minimum(*spreads) > _ZERO
  spreads = np.where(told, spreads, 1)
  root = np.sqrt(spreads[0] * spreads[1])
  value = shared / root
  half = (value / 2)[:, None]
  by_x, by_y = (
    _by_rank((share * rank) @ matrix) / root[:, None]
    - half * by_spread / spread[:, None]
    for rank, matrix, by_spread, spread in (
      (y_rank, sum_x, by_spreads[0], spreads[0]),
      (x_rank, sum_y, by_spreads[1], spreads[1]),
    )
  )
  gradient = product / root[:, None] + by_x[:, x] + by_y[:, y]
  # The figure does not change when all clips grow alike (Euler).
  gradient -= (gradient * share).sum(axis=1, keepdims=True)
  return np.where(told, value, np.nan), gradient / np.where(total > 0, total, 1)


def _by_rank(parts: np.ndarray) -> np.ndarray:
  """What a clip of each value adds by raising the ranks of others (R, U)."""
  return _from_end(parts) - parts / 2
