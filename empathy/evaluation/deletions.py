"""What the choice of annotators adds to the noise of every figure of votes.

The jackknife over annotators, (A - 1) / A sum_a (T_a - mean T)^2 of the figures
T_a without annotator a (Efron & Stein 1981, Ann. Statist. 9:586). As clips and
annotators are crossed, the noise of single votes is in it and in the variance
over groups of clips as well; the part that lies within a group and an annotator
is therefore taken off: V = V_groups + V_annotators - V_both (Cameron, Gelbach &
Miller 2011, J. Bus. Econ. Stat. 29:238). The plain sum is safe, and up to 1.7
times too wide (Owen 2007, Ann. Appl. Stat. 1:386, who bounds what two crossed
factors do; Owen & Eckles 2012, Ann. Appl. Stat. 6:895). What fewer votes change
by themselves, as in entropies, is the same for every vote, and is taken off
first: so many times as on clips that change (Busing, Meijer & van der Leeden
1999, Stat. Comput. 9:3, on parts of unequal size).

The quantile is Student's. Where few vote often, these are most of the noise, so
annotators count as their votes do: (sum n_a)^2 / sum n_a^2 of them, less one,
are the degrees of freedom (Kish 1965, Survey Sampling, ch. 8). And what is left
of the jackknife's variance is a difference, whose degrees of freedom, with the
groups', are Satterthwaite's, see `pivots`. In 300 corpora of 210 speakers and
20 annotators who differ much (`tests/validity/annotators.py`), the 95 %
intervals of 57 figures held the truth in 94.4 % on average (92.3 to 97.7); with
A - 1 degrees of freedom for what is left in 93.4 % (90.0 to 97.0). Where the
annotator of rank r votes like 1 / r as often, those of 109 figures in 95.0 %
(89.7 to 100), and in 93.4 % (87.0 to 100); each of these is known to 1.3 %.
Those over speakers alone held shares of votes, agreement and cross-entropy in
49 to 79 %. Where text or audio points elsewhere to those who are shown it alone
in .2 of the clips, 45 figures of conflict were held in 93 to 99 % of 150
corpora, over speakers alone in 69 to 99 %, and the information of people in 95
to 98 %, and 80 to 98 %. If annotators do not differ, intervals of conflict are
up to 1.3 times as long as need be.

Leaving out an annotator changes what is added up of the clips that he voted on,
and these changes add up over clips, see `tally`: by group and annotator, and
mostly zero. A question adds up its clips once more without the votes of each,
where clips that lose the same votes are one.

How a figure moves with what is added up, it says itself: it is asked of totals
that have groups of weight 0, each of one number more, see `noises`. So T_a is
known to first order, and with few annotators exactly, for every figure there
is; what lies within a group and an annotator is told to first order.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from scipy import sparse

from empathy.evaluation import samples, weighing
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Deletions,
  Estimate,
  Findings,
  Influence,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Counts, Key, Rows, Totals

Tally = Callable[[Batch, Plan, object], None]
Answer = Callable[[Totals, Plan], Findings]

# With so few annotators, figures without each of them are exact.
_FEW = 50
# So many clips are worked on at a time.
_BLOCK = 1 << 12
# Where clips are too many to keep their values, what has more cells than this
# is not added up without each annotator.
_MOST_CELLS = 128
_WITHOUT, _UNKNOWN = 'without', 'unknown'
_WHO = 'annotator'
# Up to so many cells, those that are taken are marked.
_MARKED = 1 << 27


def tally(
  batch: Batch,
  plan: Plan,
  adder: totals_lib.Adder,
  tallies: Sequence[Tally],
  conditions: Sequence[str],
) -> None:
  """Adds up what leaving out each annotator changes.

  Entries of no name are left out together: they belong to nobody.

  Args:
    batch: of N clips.
    plan: says who voted.
    adder: where it is added.
    tallies: those of which the changes are asked.
    conditions: the votes that they rest on.
  """
  if plan.crowd is None:
    return
  found = _Changes(plan)
  for start in range(0, len(batch.keys), _BLOCK):
    clips = slice(start, min(start + _BLOCK, len(batch.keys)))
    block = _block(batch, plan, clips, conditions)
    if block is not None:
      for one in tallies:
        one(block.batch, plan, _Recorder(block, found))
  found.add_to(adder)


@dataclasses.dataclass(frozen=True)
class _Block:
  """Clips with and without votes: U that lack some, then n that lack none.

  Attributes:
    batch: of all of them.
    whole: (U,) int, the place of the clip with all votes.
    variant: (P,) int, the clip that lacks the votes of each pair of clip and
      annotator.
    who: (P,) int, the annotator of each.
    clip: (P,) int, the clip of each, in the batch it is from.
  """

  batch: Batch
  whole: np.ndarray
  variant: np.ndarray
  who: np.ndarray
  clip: np.ndarray

  def pairs_of(self, variant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of each of (m,) variants, after the places of these in m."""
    return _repeated(variant, *self._by_variant)

  @functools.cached_property
  def _by_variant(self) -> tuple[np.ndarray, np.ndarray]:
    """The pairs in order of their variants, and how many each has."""
    number = np.bincount(self.variant, minlength=len(self.whole))
    return np.argsort(self.variant, kind='stable'), number


def _block(
  batch: Batch, plan: Plan, clips: slice, conditions: Sequence[str]
) -> _Block | None:
  """That of some clips; None if nobody voted on them."""
  corpus = batch.corpus
  votes, num_classes = corpus.votes, len(corpus.classes)
  places = [corpus.conditions.index(name) for name in conditions]
  chosen = (votes.clip >= clips.start) & (votes.clip < clips.stop)
  chosen &= np.isin(votes.condition, places)
  if not chosen.any():
    return None
  own = votes.where(chosen)
  clip, count = own.clip.astype(np.int64) - clips.start, own.count
  size = clips.stop - clips.start
  pair = plan.crowd.codes(own.annotator) * size + clip
  pairs, place = np.unique(pair, return_inverse=True)
  who, where = np.divmod(pairs, size)
  # Clips that lack the same votes are one; a random sum tells votes apart.
  random = np.random.default_rng(samples.SEED)
  signs = random.uniform(1, 2, (len(corpus.conditions), num_classes))
  told = signs[own.condition, own.label]
  if own.scores is not None:
    told = told * (1 + np.pi * own.scores)
  told = np.bincount(place, told * count)
  kinds = np.stack([where.astype(np.float64), np.round(told, 9)], axis=1)
  _, first, variant = np.unique(
    kinds.view(np.complex128), return_index=True, return_inverse=True
  )
  base = np.concatenate([where[first], np.arange(size)])
  lacking = np.concatenate([first, np.full(size, -1)])
  # The entries of every clip but those that it lacks.
  number = np.bincount(clip, minlength=size)
  row, entry = _repeated(base, np.argsort(clip, kind='stable'), number)
  kept = place[entry] != lacking[row]
  row, rest = row[kept], own.where(entry[kept])
  again = dataclasses.replace(
    rest, clip=row.astype(np.int32), annotator=np.full(len(row), '')
  )
  return _Block(
    batch.with_votes(base + clips.start, again),
    len(first) + where[first],
    variant.ravel(),
    who,
    where + clips.start,
  )


def _repeated(
  kind: np.ndarray, order: np.ndarray, number: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """All that is of each of (m,) kinds, after the places of these in m.

  Args:
    kind: (m,) int.
    order: (n,) int, things in order of their kinds.
    number: (K,) int, how many there are of each kind.
  """
  start = np.cumsum(number) - number
  number = number[kind]
  place = np.repeat(np.arange(len(kind)), number)
  step = np.arange(len(place)) - np.repeat(np.cumsum(number) - number, number)
  return place, order[start[kind[place]] + step]


class _Changes:
  """What was recorded of all blocks."""

  def __init__(self, plan: Plan):
    self.size = plan.crowd.size + 1
    self.exact = plan.exact
    self._cells = collections.defaultdict(list)
    self._widths = {}
    self._rows = collections.defaultdict(list)
    self._names = {}
    self._unknown = collections.Counter()

  def count(
    self, key: Key, block: _Block, sums: np.ndarray | sparse.csr_array
  ) -> None:
    """Keeps sums (U + n, K) of the clips of a block."""
    size = sums.shape[1]
    if not self.exact and size > _MOST_CELLS:
      # So many clips; all that matters is that there are some.
      self._unknown[key] += len(block.batch.keys) - len(block.whole)
      return
    change = sums[: len(block.whole)] - sums[block.whole]
    change = sparse.coo_array(change)
    change.eliminate_zeros()
    (row, cell), amount = change.coords, change.data
    if not len(row):
      return
    # Last, on how many clips of each annotator something changes.
    changed = np.flatnonzero(np.bincount(row))
    row = np.concatenate([row, changed])
    cell = np.concatenate([cell, np.full(len(changed), size)])
    amount = np.concatenate([amount, np.ones(len(changed))])
    place, pair = block.pairs_of(row)
    self._widths[key] = size + 1
    cell = block.who[pair] * (size + 1) + cell[place]
    self._cells[key].append((cell, amount[place], block.clip[pair]))

  def rank(
    self, key: Key, block: _Block, chosen: np.ndarray, columns: Mapping
  ) -> None:
    """Keeps the rows that come, and those that go."""
    values = np.stack(list(columns.values()), axis=1).astype(np.float64)
    values = np.round(values, totals_lib.DECIMALS)
    lacking, whole = np.arange(len(block.whole)), block.whole
    same = (values[lacking] == values[whole]) | (
      np.isnan(values[lacking]) & np.isnan(values[whole])
    )
    same = same.all(axis=1) & (chosen[lacking] == chosen[whole])
    self._names[key] = (*columns, _WHO)
    for sign, rows in ((1.0, lacking), (-1.0, whole)):
      there = chosen[rows] & ~same
      pair = np.flatnonzero(there[block.variant])
      own = values[rows[block.variant[pair]]]
      who = block.who[pair][:, None].astype(np.float64)
      self._rows[key].append(
        (
          np.concatenate([own, who], axis=1),
          np.full(len(pair), sign),
          block.clip[pair],
        )
      )

  def add_to(self, adder: totals_lib.Adder) -> None:
    """Adds up what was kept."""
    for key, parts in self._cells.items():
      cell, amount, clip = map(np.concatenate, zip(*parts, strict=True))
      shape = self.size, self._widths[key]
      adder.count((_WITHOUT, *key), cell, shape, amount, clip)
    for key, parts in self._rows.items():
      values, number, clip = map(np.concatenate, zip(*parts, strict=True))
      adder.rows((_WITHOUT, *key), self._names[key], values, number, clip)
    for key, number in self._unknown.items():
      adder.whole((_UNKNOWN, *key), number)


class _Recorder:
  """Takes what a tally adds up of a block, in place of an `Adder`."""

  def __init__(self, block: _Block, found: _Changes):
    self._block, self._found = block, found

  def add(self, key: Key, columns: np.ndarray) -> None:
    """See `totals.Adder.add`."""
    columns = np.nan_to_num(np.asarray(columns, np.float64))
    flat = columns.reshape(len(columns), -1)
    self._found.count(key, self._block, flat)

  def count(
    self,
    key: Key,
    cell: np.ndarray,
    shape: int | tuple[int, ...],
    amount: np.ndarray | None = None,
    clip: np.ndarray | None = None,
  ) -> None:
    """See `totals.Adder.count`."""
    there = cell >= 0
    number = len(self._block.batch.keys)
    clip = np.arange(number) if clip is None else clip
    clip = np.broadcast_to(clip, cell.shape)[there]
    amount = 1.0 if amount is None else amount
    amount = np.broadcast_to(amount, cell.shape)[there]
    sums = sparse.csr_array(
      (amount.astype(np.float64), (clip, cell[there])),
      shape=(number, int(np.prod(shape))),
    )
    self._found.count(key, self._block, sums)

  def rank(self, key: Key, chosen: np.ndarray, **columns: np.ndarray) -> None:
    """See `totals.Adder.rank`."""
    self._found.rank(key, self._block, chosen, columns)

  def whole(self, key: Key, sums: np.ndarray) -> None:
    """No figure with an interval is made of these."""


def noises(
  totals: Totals, plan: Plan, answers: Sequence[Answer]
) -> dict[str, Deletions]:
  """What the choice of annotators adds to the variance of every figure.

  Args:
    totals: with what `tally` added up.
    plan: says who voted.
    answers: of the questions whose figures are asked for.

  Returns:
    By name; without figures that are undefined without one of them, that rest
    on votes of nobody known, or on what was not added up.
  """
  if plan.crowd is None:
    return {}
  probe = _Probe(totals, plan)
  if not probe.changes:
    return {}
  found = {}
  for answer in answers:
    found |= answer(probe.totals, plan).statistics
  return {
    name: one.influence.annotators
    for name, one in found.items()
    if one.influence is not None
  }


@dataclasses.dataclass(frozen=True)
class _Change:
  """What leaving out each annotator changes in one key.

  Attributes:
    group: (m,) int, where something changes,
    who: (m,) int, the annotator that is left out,
    unit: (m,) int, which number of the key,
    amount: (m,) float64, and by how much.
    cell_group: (q,) int, by group
    cell_who: (q,) int, and annotator,
    clips: (q,) float64, on how many clips something changes.
    units: (k,) the cells of the key, or (k, ...) the values of its rows, that
      change at all.
    first: the place of the first of them among all units.
  """

  group: np.ndarray
  who: np.ndarray
  unit: np.ndarray
  amount: np.ndarray
  cell_group: np.ndarray
  cell_who: np.ndarray
  clips: np.ndarray
  units: np.ndarray
  first: int


@dataclasses.dataclass(frozen=True)
class _Cells:
  """Pairs of group and annotator.

  Attributes:
    who: (q,) int, the annotator of each.
    moves: by key, (q, k) what leaving out his votes on the group changes.
    clips: by key, (q,) on how many clips it changes something.
  """

  who: np.ndarray
  moves: Mapping[Key, sparse.csr_array]
  clips: Mapping[Key, np.ndarray]


class _Probe:
  """Asks figures how they move with all that annotators change.

  Beside the groups, the totals have groups of weight 0: one for every number
  that changes, which is 1 there and else 0; one of the changes of each
  annotator, where these are few; one for every key of which changes are not
  known; and last, one that is minus the sum of these, so that sums over all
  groups stay what they are.
  """

  def __init__(self, totals: Totals, plan: Plan):
    self._own, self._crowd = totals, plan.crowd
    self._num_groups = len(totals.groups)
    self.changes, first = {}, 0
    for kind in (totals.counts, totals.rows):
      for key, value in kind.items():
        if key[0] == _WITHOUT and (change := self._change(value, first)):
          self.changes[key[1:]] = change
          first += len(change.units)
    self._num_units = first
    few = self._crowd.size <= _FEW
    self._num_exact = self._crowd.size + 1 if few else 0
    self._unknown = [key[1:] for key in totals.wholes if key[0] == _UNKNOWN]
    self._size = first + self._num_exact + len(self._unknown) + 1

  def _change(self, value: Counts | Rows, first: int) -> _Change | None:
    """That of one key; None where nothing changes."""
    if isinstance(value, Counts):
      matrix = value.matrix.tocoo()
      group, cell = matrix.coords
      width = value.shape[1]
      who, cell = np.divmod(cell, width)
      amount, told = matrix.data, cell == width - 1
      touched = group[told], who[told], amount[told]
      group, who, amount = group[~told], who[~told], amount[~told]
      units, unit = np.unique(cell[~told], return_inverse=True)
    else:
      group, who, amount = value.group, value[_WHO].astype(int), value.number
      # Where a row comes, another goes.
      touched = group, who, np.abs(amount) / 2
      units, unit = _distinct(value.values[:, :-1])
    if not len(units):
      return None
    return _Change(group, who, unit, amount, *touched, units, first)

  @property
  def totals(self) -> Totals:
    """The totals that figures are asked of."""
    own = self._own
    return dataclasses.replace(
      own,
      groups=np.arange(self._num_groups + self._size),
      sums=_Lazily(own.sums, self._sums),
      counts=_Lazily(own.counts, self._counts),
      rows=_Lazily(own.rows, self._rows),
      annotators={},
      probe=self._ask,
      num_probes=self._size,
    )

  def _parts(self, key: Key) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The added groups, units and amounts of a key, but for the balance."""
    change = self.changes[key]
    number = np.arange(len(change.units))
    parts = [(change.first + number, number, np.ones(len(number)))]
    if self._num_exact:
      parts.append((self._num_units + change.who, change.unit, change.amount))
    return tuple(map(np.concatenate, zip(*parts, strict=True)))

  def _added(self, key: Key, size: int) -> sparse.csr_array:
    """The rows (., size) of the added groups of sums or counts."""
    if key in self.changes:
      group, unit, amount = self._parts(key)
      cell = self.changes[key].units[unit]
    elif key in self._unknown:
      cell = np.arange(size)
      place = self._size - 1 - len(self._unknown) + self._unknown.index(key)
      group = np.full(size, place)
      amount = np.random.default_rng(samples.SEED).uniform(1, 2, size)
    else:
      return sparse.csr_array((self._size, size))
    group = np.concatenate([group, np.full(len(cell), self._size - 1)])
    return sparse.csr_array(
      (np.concatenate([amount, -amount]), (group, np.tile(cell, 2))),
      shape=(self._size, size),
    )

  def _sums(self, key: Key, sums: np.ndarray) -> np.ndarray:
    shape = sums.shape[1:]
    added = self._added(key, int(np.prod(shape))).toarray()
    return np.concatenate([sums, added.reshape(-1, *shape)])

  def _counts(self, key: Key, counts: Counts) -> Counts:
    added = self._added(key, counts.matrix.shape[1])
    matrix = sparse.vstack([counts.matrix, added], format='csr')
    return dataclasses.replace(counts, matrix=matrix)

  def _rows(self, key: Key, rows: Rows) -> Rows:
    if key not in self.changes:
      return rows
    group, unit, amount = self._parts(key)
    values = self.changes[key].units[unit]
    balance = np.full(len(group), self._size - 1)
    group = np.concatenate([group, balance]) + self._num_groups
    return dataclasses.replace(
      rows,
      group=np.concatenate([rows.group, group]),
      values=np.concatenate([rows.values, values, values]),
      number=np.concatenate([rows.number, amount, -amount]),
    )

  @functools.cached_property
  def _cells(self) -> '_Cells':
    """Where annotators voted."""
    width = self._crowd.size + 1
    every = list(self.changes.values())
    places = [one.group * width + one.who for one in every]
    touched = [one.cell_group * width + one.cell_who for one in every]
    cells, ranked = _ranked(places + touched, self._num_groups * width)
    moves, clips = {}, {}
    for key, one, place, touch in zip(
      self.changes,
      every,
      ranked[: len(every)],
      ranked[len(every) :],
      strict=True,
    ):
      moves[key] = sparse.csr_array(
        (one.amount, (place, one.unit)), shape=(len(cells), len(one.units))
      )
      clips[key] = np.bincount(touch, one.clips, len(cells))
    return _Cells(cells % width, moves, clips)

  def _ask(
    self, sample: samples.Groups, statistic: weighing.Statistic
  ) -> Estimate:
    """How a figure moves, in place of an estimate with an interval."""
    place = sample.names
    base = place < self._num_groups
    weights = base.astype(np.float64)[None]
    values, slopes = statistic(weights)
    value = float(values[0])
    if np.isnan(value):
      return Estimate(None)
    found = Estimate(value, n=sample.num_clips)
    slope = np.zeros(self._size)
    slope[place[~base] - self._num_groups] = slopes[0, ~base]
    if slope[self._num_units + self._num_exact : -1].any():
      return found
    own, num_people = self._cells, self._crowd.size + 1
    effect, clips = np.zeros((2, len(own.who)))
    for key, change in self.changes.items():
      slopes = slope[change.first : change.first + len(change.units)]
      if slopes.any():
        effect += own.moves[key] @ slopes
        clips += own.clips[key]
    voted = np.bincount(own.who, clips, num_people) > 0
    number = int(voted.sum())
    if number < 2 or voted[-1]:
      return found
    # What fewer votes change by themselves is no noise.
    effect -= clips * (effect.sum() / clips.sum())
    total, votes = (
      np.bincount(own.who, one, num_people)[voted] for one in (effect, clips)
    )
    square = (total**2).sum()
    within = min((effect**2).sum() / square, 1.0) if square else 1.0
    share = votes / votes.sum()
    linear = isinstance(statistic, weighing.Figure) and statistic.linear
    if self._num_exact and not linear:
      change = self._exactly(sample, statistic, place, weights)[voted] - value
      total = change - share * change.sum()
    else:
      # Without somebody the others are more of the whole.
      total /= 1 - share
    if np.isnan(total).any():
      return found
    who = np.flatnonzero(voted)
    known = Deletions(
      who.astype(np.uint64) if self._crowd.bundled else self._crowd.hashes[who],
      total,
      float((number - 1) / number * (total**2).sum() * within),
      float(max(1 / (share**2).sum() - 1, 1)),
      self._crowd.number if self._crowd.bundled else number,
    )
    return dataclasses.replace(
      found, influence=Influence(sample.names, slopes[0], annotators=known)
    )

  def _exactly(
    self,
    sample: samples.Groups,
    statistic: weighing.Statistic,
    place: np.ndarray,
    weights: np.ndarray,
  ) -> np.ndarray:
    """The figure without each annotator: (A + 1,)."""
    first = self._num_groups + self._num_units
    who = first + np.arange(self._num_exact)
    return statistic(weights + (place == who[:, None]))[0]


class _Lazily(Mapping):
  """A mapping whose values are turned when they are asked for."""

  def __init__(self, own: Mapping, turn: Callable):
    self._own, self._turn = own, turn

  def __getitem__(self, key: Key):
    return self._turn(key, self._own[key])

  def __iter__(self) -> Iterator:
    return iter(self._own)

  def __len__(self) -> int:
    return len(self._own)


def _ranked(
  every: Sequence[np.ndarray], size: int
) -> tuple[np.ndarray, list[np.ndarray]]:
  """Numbers below `size` that occur, ascending, and the rank of each."""
  if size > _MARKED:
    found = np.unique(np.concatenate(every))
    return found, [np.searchsorted(found, one) for one in every]
  there = np.zeros(size, bool)
  for one in every:
    there[one] = True
  rank = np.cumsum(there) - 1
  return np.flatnonzero(there), [rank[one] for one in every]


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The distinct rows of (m, k), NaN a value too, and the place of each."""
  # -0.0 is 0.0.
  values = np.ascontiguousarray(values + 0.0)
  kinds = values.view(np.dtype((np.void, values.itemsize * values.shape[1])))
  _, first, place = np.unique(
    kinds.ravel(), return_index=True, return_inverse=True
  )
  return values[first], place
