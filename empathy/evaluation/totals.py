"""Totals by group: all that a study rests on, and they add up.

A figure is a function of totals by group. Those of some clips take little room,
however many the clips are, and the sum of two parts' totals is that of both, in
whatever order; so clips can be added up in batches, and on many machines, and a
study in memory is the total of one batch.

There are five kinds. `add` sums numbers of each clip: a few columns, a row for
each group. `count` counts in which cell of many a clip is; most are empty, so
these are sparse. `rank` keeps clips that are alike as one row with their
number: figures of ranks need the values themselves. `whole` sums over all clips
what no interval is made of. `keep` keeps some clips by their ids.

Where there are more than `MANY_CLIPS` clips and `MOST_GROUPS` groups, groups
are put together into so many bundles of whole groups, by a hash of their names.
Figures stay as they are, but for fits, whose folds are then of bundles;
standard errors over bundles are as unbiased as over groups, and their own error
is some 3 %.
"""

import dataclasses
import functools
import hashlib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from scipy import sparse

from empathy import errors
from empathy.corpora import spelling
from empathy.evaluation import samples
from empathy.evaluation.findings import Deletions

MANY_CLIPS = 1 << 18
MOST_GROUPS = 512
# A multiple of the number of pairs of up to 20 votes, times orders of 5 seeds.
_DENOMINATOR = 120 * math.lcm(*range(1, 21))
# What is equal but for rounding is one value.
DECIMALS = 12

# The question, what is added up, and of which view, condition or signal.
Key = tuple[str, ...]
_T = TypeVar('_T')


@dataclasses.dataclass(frozen=True)
class Counts:
  """Sums by group and cell, most of them 0.

  Attributes:
    matrix: (G, K) float64, with cells in C order of `shape`.
    shape: of the cells, whose product is K.
  """

  matrix: sparse.csr_array
  shape: tuple[int, ...]

  def dense(self) -> np.ndarray:
    """(G, ...) float64."""
    return self.matrix.toarray().reshape(self.matrix.shape[0], *self.shape)


@dataclasses.dataclass(frozen=True)
class Rows:
  """Clips that are alike, once for each group, in order of group and values.

  Attributes:
    names: of the k columns.
    group: (m,) int64, the place of the group.
    values: (m, k) float64.
    number: (m,) float64, how many clips.
  """

  names: tuple[str, ...]
  group: np.ndarray
  values: np.ndarray
  number: np.ndarray

  def __getitem__(self, name: str) -> np.ndarray:
    """A column (m,)."""
    return self.values[:, self.names.index(name)]

  def where(self, chosen: np.ndarray) -> 'Rows':
    """The rows that are `chosen` (m,) bool."""
    return dataclasses.replace(
      self,
      group=self.group[chosen],
      values=self.values[chosen],
      number=self.number[chosen],
    )

  def of(self, columns: Mapping[str, np.ndarray]) -> 'Rows':
    """The same rows with other columns (m,)."""
    values = np.stack(list(columns.values()), axis=1).astype(np.float64)
    return dataclasses.replace(self, names=tuple(columns), values=values)

  def only(self, *names: str) -> 'Rows':
    """The same clips by some columns, those that are now alike as one."""
    return _alike(self.of({name: self[name] for name in names}))


@dataclasses.dataclass(frozen=True)
class Kept:
  """Clips one by one, in order of their values and ids.

  Attributes:
    values: (n,) uint64.
    ids: (n,) str.
    groups: (n,) str, their true groups.
  """

  values: np.ndarray
  ids: np.ndarray
  groups: np.ndarray

  def __add__(self, other: 'Kept') -> 'Kept':
    """The clips of both."""
    return Kept.sorted(
      *(
        np.concatenate([getattr(self, name), getattr(other, name)])
        for name in _KEPT
      )
    )

  @classmethod
  def sorted(
    cls, values: np.ndarray, ids: np.ndarray, groups: np.ndarray
  ) -> 'Kept':
    """Takes them in any order."""
    order = np.lexsort([ids, values])
    return cls(values[order], ids[order], groups[order])


_KEPT = tuple(field.name for field in dataclasses.fields(Kept))


@dataclasses.dataclass(frozen=True)
class Totals:
  """Totals of some clips.

  Attributes:
    num_clips: how many they are.
    groups: (G,) str, ascending: the groups' names, or those of bundles.
    hashes: (H,) uint64, ascending, one for each true group.
    sums: by key, (G, ...) float64.
    counts: by key.
    rows: by key.
    wholes: by key, sums over all groups.
    kept: by key.
    annotators: of the groups of every part, see `samples.Groups`.
    probe: likewise.
    num_probes: how many of the groups, the last ones, are there for it alone.
  """

  num_clips: int
  groups: np.ndarray
  hashes: np.ndarray
  sums: Mapping[Key, np.ndarray]
  counts: Mapping[Key, Counts]
  rows: Mapping[Key, Rows]
  wholes: Mapping[Key, np.ndarray]
  kept: Mapping[Key, Kept]
  annotators: Mapping[str, Deletions] = dataclasses.field(default_factory=dict)
  probe: Callable[..., Any] | None = None
  num_probes: int = 0

  @property
  def bundled(self) -> bool:
    """Whether groups were put together."""
    return len(self.hashes) > len(self.groups)

  @property
  def units(self) -> str:
    """What figures are clustered by, in words."""
    return 'bundles of groups' if self.bundled else 'groups'

  def __contains__(self, key: Key) -> bool:
    """Whether there is anything of that key."""
    kinds = (self.sums, self.counts, self.rows, self.wholes, self.kept)
    return any(key in kind for kind in kinds)

  def __getitem__(self, key: Key) -> np.ndarray:
    """The sums or counts of a key, (G, ...) float64."""
    return self.sums[key] if key in self.sums else self.counts[key].dense()

  def over(self, clips: np.ndarray) -> 'Part':
    """What is known of the groups that have clips, by their number (G,)."""
    kept = clips > 0
    kept[len(kept) - self.num_probes :] = True
    return Part(self, kept, round(float(clips.sum())))

  def __add__(self, other: 'Totals') -> 'Totals':
    """The totals of both, which are of different clips."""
    num_clips = self.num_clips + other.num_clips
    hashes = np.union1d(self.hashes, other.hashes)
    bundled = num_clips > MANY_CLIPS and len(hashes) > MOST_GROUPS
    parts = [part.bundles() if bundled else part for part in (self, other)]
    groups = np.union1d(*(part.groups for part in parts))
    refuse_spellings(groups.tolist())
    first, second = (
      part.moved(groups, np.searchsorted(groups, part.groups)) for part in parts
    )
    return Totals(
      num_clips,
      groups,
      hashes,
      merged(first.sums, second.sums, np.add),
      merged(first.counts, second.counts, _added_counts),
      merged(first.rows, second.rows, _added_rows),
      merged(first.wholes, second.wholes, np.add),
      merged(first.kept, second.kept, operator.add),
    )

  def moved(self, groups: np.ndarray, place: np.ndarray) -> 'Totals':
    """The same by other groups, of which each of G is one or in one.

    Args:
      groups: the new ones.
      place: (G,) int, where each is among them.
    """
    if np.array_equal(groups, self.groups):
      return self
    size = len(groups)
    return dataclasses.replace(
      self,
      groups=groups,
      sums={key: _moved_sums(v, place, size) for key, v in self.sums.items()},
      counts={
        key: _moved_counts(v, place, size) for key, v in self.counts.items()
      },
      rows={
        key: _alike(dataclasses.replace(v, group=place[v.group]))
        for key, v in self.rows.items()
      },
    )

  def bundles(self) -> 'Totals':
    """The same with groups put together into bundles."""
    if self.bundled:
      return self
    names = np.array([f'bundle {i:03d}' for i in range(MOST_GROUPS)])
    return self.moved(names, bundle_of(self.groups, MOST_GROUPS))


@dataclasses.dataclass(frozen=True)
class Part:
  """The groups with clips of some kind.

  Attributes:
    totals: of all groups.
    kept: (G,) bool, which have such clips.
    num_clips: how many clips they are.
  """

  totals: Totals
  kept: np.ndarray
  num_clips: int

  @functools.cached_property
  def groups(self) -> samples.Groups:
    """Those that a statistic over these clips rests on."""
    return samples.Groups(
      self.totals.groups[self.kept],
      self.num_clips,
      annotators=self.totals.annotators,
      probe=self.totals.probe,
    )

  def __getitem__(self, key: Key) -> np.ndarray:
    """Their rows of the sums or counts of a key."""
    return self.totals[key][self.kept]


def sample(found: Totals, rows: Rows) -> samples.Sample:
  """The sample whose clips are the rows, by the groups that have some."""
  there, group = np.unique(rows.group, return_inverse=True)
  return samples.Sample(
    found.groups[there],
    round(float(rows.number.sum())),
    annotators=found.annotators,
    probe=found.probe,
    group=group.astype(np.int64),
    number=rows.number,
  )


class Adder:
  """Adds up by group what it is given of each of the N clips of a batch."""

  def __init__(self, groups: np.ndarray):
    """Takes the groups of the clips, (N,) str.

    Raises:
      InputError: two names are one, spelt in two ways.
    """
    self._groups = groups
    names, self._group = np.unique(groups, return_inverse=True)
    refuse_spellings(names.tolist())
    self._names, self._hashes = names, group_hashes(names)
    self._sums, self._counts, self._rows = {}, {}, {}
    self._wholes, self._kept = {}, {}

  def add(self, key: Key, columns: np.ndarray) -> None:
    """Sums (N, ...) numbers of clips, a NaN as 0; (N,) gives (G,)."""
    columns = np.nan_to_num(np.asarray(columns, np.float64))
    flat = columns.reshape(len(columns), -1).T
    sums = [np.bincount(self._group, one, len(self._names)) for one in flat]
    self._sums[key] = np.stack(sums, axis=1).reshape(-1, *columns.shape[1:])

  def count(
    self,
    key: Key,
    cell: np.ndarray,
    shape: int | tuple[int, ...],
    amount: np.ndarray | None = None,
    clip: np.ndarray | None = None,
  ) -> None:
    """Sums by cell.

    Args:
      key: of the sums.
      cell: (..., N) int, the cells that a clip is in, negative where there is
        none.
      shape: of the cells.
      amount: what a clip counts there, like `cell`; 1 if None.
      clip: whose cell each is, like `cell`; if None, the clips in order.
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = int(np.prod(shape))
    there = cell >= 0
    group = self._group if clip is None else self._group[clip]
    index = np.broadcast_to(group, cell.shape)[there] * size + cell[there]
    if amount is not None:
      amount = np.broadcast_to(amount, cell.shape)[there]
    places, sums = _summed(index, amount, len(self._names) * size)
    matrix = sparse.csr_array(
      (sums, np.divmod(places, size)), shape=(len(self._names), size)
    )
    self._counts[key] = Counts(matrix, shape)

  def rank(self, key: Key, chosen: np.ndarray, **columns: np.ndarray) -> None:
    """Keeps values of the clips that are `chosen` (N,) bool.

    Args:
      key: of the rows.
      chosen: which clips.
      **columns: (N,) numbers each.
    """
    values = np.stack([column[chosen] for column in columns.values()], axis=1)
    clips = np.flatnonzero(chosen)
    self.rows(key, tuple(columns), values, np.ones(len(clips)), clips)

  def rows(
    self,
    key: Key,
    names: tuple[str, ...],
    values: np.ndarray,
    number: np.ndarray,
    clip: np.ndarray,
  ) -> None:
    """Keeps rows (m, k), each so often (m,), of the groups of clips (m,)."""
    values = np.round(values.astype(np.float64), DECIMALS)
    group = self._group[clip].astype(np.int64)
    self._rows[key] = _alike(Rows(names, group, values, number))

  def whole(self, key: Key, sums: np.ndarray) -> None:
    """Keeps sums (...) over all clips, without groups."""
    self._wholes[key] = np.asarray(sums, np.float64)

  def keep(
    self, key: Key, values: np.ndarray, ids: np.ndarray, chosen: np.ndarray
  ) -> None:
    """Keeps the n clips that are `chosen` (N,) bool.

    Args:
      key: of the clips.
      values: (n,) uint64.
      ids: (n,) str.
      chosen: which clips they are.
    """
    self._kept[key] = Kept.sorted(values, ids, self._groups[chosen])

  def totals(self) -> Totals:
    """What was added up."""
    return Totals(
      len(self._group),
      self._names,
      self._hashes,
      self._sums,
      self._counts,
      self._rows,
      self._wholes,
      self._kept,
    )


def index(shape: Sequence[int], *places: np.ndarray) -> np.ndarray:
  """The cell of places along each axis of `shape`, -1 where one is negative."""
  places = np.broadcast_arrays(*places)
  there = np.min(places, axis=0) >= 0
  inside = [np.where(there, place, 0) for place in places]
  return np.where(there, np.ravel_multi_index(inside, tuple(shape)), -1)


def refuse_spellings(groups: Sequence[str]) -> None:
  """Raises an `InputError` if two names are one thing, spelt in two ways."""
  first: dict[str, str] = {}
  for name in groups:
    other = first.setdefault(spelling.key(name), name)
    if other != name:
      raise errors.InputError(
        f"column 'group' of clips.csv: {other!r} and {name!r} would be one "
        'group: give them one spelling, since totals do not put them together'
      )


def group_hashes(groups: np.ndarray) -> np.ndarray:
  """One for each group of clips (N,), ascending: (H,) uint64."""
  names = np.unique(groups).tolist()
  return np.unique(np.array([hash_name(name) for name in names], np.uint64))


def bundle_of(groups: np.ndarray, number: int) -> np.ndarray:
  """Which of `number` bundles of whole groups each clip is in: (N,) int64."""
  names, place = np.unique(groups, return_inverse=True)
  own = [hash_name(name) % number for name in names.tolist()]
  return np.array(own, np.int64)[place]


def hash_name(name: str) -> int:
  """Of a group or an annotator: alike for all spellings of a name."""
  name = spelling.key(name)
  digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'little')


def _summed(
  index: np.ndarray, amount: np.ndarray | None, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """The places among `size` that occur, ascending, and the sums there."""
  if size <= 4 * len(index):
    number = np.bincount(index, minlength=size)
    places = np.flatnonzero(number)
    sums = number if amount is None else np.bincount(index, amount, size)
    return places, sums[places].astype(np.float64)
  places, place = np.unique(index, return_inverse=True)
  return places, np.bincount(place, amount, len(places)).astype(np.float64)


def _alike(rows: Rows) -> Rows:
  """The rows in order, those that are alike as one."""
  order = np.lexsort([*rows.values.T[::-1], rows.group])
  group, values = rows.group[order], rows.values[order]
  new = np.ones(len(order), bool)
  new[1:] = (group[1:] != group[:-1]) | (values[1:] != values[:-1]).any(axis=1)
  starts = np.flatnonzero(new)
  number = rows.number[order]
  number = np.add.reduceat(number, starts) if len(starts) else number
  return Rows(rows.names, group[starts], values[starts], number)


def merged(
  first: Mapping[Key, _T], second: Mapping[Key, _T], add: Callable[[_T, _T], _T]
) -> dict[Key, _T]:
  """What either has, added up where both have it."""
  found = dict(first)
  for key, value in second.items():
    found[key] = add(found[key], value) if key in found else value
  return found


def _moved_sums(sums: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
  found = np.zeros((size, *sums.shape[1:]))
  np.add.at(found, place, sums)
  return found


def _moved_counts(counts: Counts, place: np.ndarray, size: int) -> Counts:
  matrix = counts.matrix.tocoo()
  row, column = matrix.coords
  matrix = sparse.csr_array(
    (matrix.data, (place[row], column)), shape=(size, matrix.shape[1])
  )
  return dataclasses.replace(counts, matrix=matrix)


def _added_counts(first: Counts, second: Counts) -> Counts:
  return Counts(first.matrix + second.matrix, first.shape)


def _added_rows(first: Rows, second: Rows) -> Rows:
  parts = (first, second)
  return _alike(
    Rows(
      first.names,
      np.concatenate([part.group for part in parts]),
      np.concatenate([part.values for part in parts]),
      np.concatenate([part.number for part in parts]),
    )
  )


def to_arrays(found: Totals) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """What JSON can hold of totals, and arrays by name: for a file."""
  head = {
    'num_clips': found.num_clips,
    'sums': [list(key) for key in found.sums],
    'counts': [
      {'key': list(key), 'shape': list(value.shape)}
      for key, value in found.counts.items()
    ],
    'rows': [
      {'key': list(key), 'names': list(value.names)}
      for key, value in found.rows.items()
    ],
    'wholes': [list(key) for key in found.wholes],
    'kept': [list(key) for key in found.kept],
  }
  arrays = {'groups': found.groups.astype(np.str_), 'hashes': found.hashes}
  for place, sums in enumerate(found.sums.values()):
    arrays[f'sums_{place}'] = sums
  for place, sums in enumerate(found.wholes.values()):
    arrays[f'wholes_{place}'] = sums
  for place, counts in enumerate(found.counts.values()):
    matrix = counts.matrix
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    arrays[f'counts_{place}_cell'] = row * matrix.shape[1] + matrix.indices
    denominator, arrays[f'counts_{place}_sum'] = _fractions(matrix.data)
    head['counts'][place]['denominator'] = denominator
  for place, rows in enumerate(found.rows.values()):
    arrays[f'rows_{place}_group'] = rows.group
    # Column by column: alike numbers lie together, which makes files small.
    arrays[f'rows_{place}_values'] = rows.values.T
    arrays[f'rows_{place}_number'] = rows.number
  for place, kept in enumerate(found.kept.values()):
    for name in _KEPT:
      arrays[f'kept_{place}_{name}'] = getattr(kept, name)
  return head, arrays


def of_arrays(
  head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Totals:
  """The totals of `to_arrays`."""
  dense = {
    name: {
      tuple(key): arrays[f'{name}_{place}']
      for place, key in enumerate(head[name])
    }
    for name in ('sums', 'wholes')
  }
  counts, rows = {}, {}
  for place, one in enumerate(head['counts']):
    shape = tuple(one['shape'])
    size = (len(arrays['groups']), int(np.prod(shape)))
    cell = np.divmod(arrays[f'counts_{place}_cell'], size[1])
    sums = arrays[f'counts_{place}_sum'] / one['denominator']
    matrix = sparse.csr_array((sums, cell), shape=size)
    counts[tuple(one['key'])] = Counts(matrix, shape)
  for place, one in enumerate(head['rows']):
    rows[tuple(one['key'])] = Rows(
      tuple(one['names']),
      arrays[f'rows_{place}_group'],
      arrays[f'rows_{place}_values'].T,
      arrays[f'rows_{place}_number'],
    )
  return Totals(
    head['num_clips'],
    arrays['groups'],
    arrays['hashes'],
    counts=counts,
    rows=rows,
    kept={
      tuple(key): Kept(*(arrays[f'kept_{place}_{name}'] for name in _KEPT))
      for place, key in enumerate(head['kept'])
    },
    **dense,
  )


def _fractions(sums: np.ndarray) -> tuple[int, np.ndarray]:
  """A denominator and numerators, whole numbers, which take less room.

  Sums of shares of pairs of votes, and of orders of seeds, have a denominator
  in common but for rounding.

  Args:
    sums: (n,) float64.

  Returns:
    Fractions within 1e-13 of each sum; 1 and the sums if there are none.
  """
  for denominator in (1, _DENOMINATOR):
    exact = sums * denominator
    if np.abs(exact).max(initial=0) >= 2.0**53:
      break
    whole = np.rint(exact)
    if (np.abs(exact - whole) <= 1e-13 * np.abs(whole)).all():
      common = math.gcd(denominator, int(np.gcd.reduce(whole.astype(np.int64))))
      return denominator // common, whole / common
  return 1, sums
