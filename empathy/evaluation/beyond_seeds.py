"""What disagreement of single views tells that of as many other seeds does not.

Other seeds of one and the same model disagree on clips that are hard to call,
too. So every seed of the full view in turn is the reference, with strata of its
own, and single views and other seeds of the full view are held against it
alike, see `matched`.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from empathy.evaluation import asked, samples, weighing, wording
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import sides as sides_lib
from empathy.evaluation import survey as survey_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import ANY
from empathy.evaluation.confidence import Strata
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  SeedNoise,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.sides import Sides

BY_SEED = f'ambiguity.{ANY}.adjusted_by_seed'
CONTROL = 'ambiguity.control.seed'
_OF_CONTROL = (f'{CONTROL}.gs_difference', f'{CONTROL}.adjusted')
# Of clips that are too many to keep their labels, what seeds add is known by so
# many bundles of groups. Their own number of seeds makes it far less certain.
_NUM_BUNDLES = 8
_VIEWS, _CONTROL = 'views', 'control'


@dataclasses.dataclass(frozen=True)
class Labelled:
  """What every seed of a view says of n clips.

  Attributes:
    names: (S,) int64, the seeds.
    labels: (S, n) int64.
  """

  names: np.ndarray
  labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Matched:
  """What disagreement tells, beside what disagreement of other seeds does.

  Attributes:
    views: the sides where single views agree and disagree with a reference.
    control: those where as many other seeds of the full view do.
    noise: what the choice of seeds adds to the adjusted difference of `views`
      minus that of `control`.
  """

  views: Sides
  control: Sides
  noise: SeedNoise | None


@dataclasses.dataclass(frozen=True)
class Choice:
  """A seed of each of V views, of names distinct from a reference's and others.

  Attributes:
    full: the full view's S seeds, the references.
    views: V times n clips' labels.
  """

  full: Labelled
  views: Sequence[Labelled]

  @functools.cached_property
  def names(self) -> np.ndarray:
    """(U,) int64, all that the views' seeds have."""
    return np.unique(np.concatenate([view.names for view in self.views]))

  @functools.cached_property
  def _labels(self) -> np.ndarray:
    """(V, U, n), -1 where a view has no seed of a name."""
    shape = (len(self.views), len(self.names), self.full.labels.shape[1])
    labels = np.full(shape, -1)
    for row, view in zip(labels, self.views, strict=True):
      row[np.searchsorted(self.names, view.names)] = view.labels
    return labels

  def _agreeing(self, reference: int) -> tuple[np.ndarray, np.ndarray]:
    """(V, U) what may be chosen; (V, U, n) whether it agrees."""
    known = np.stack([np.isin(self.names, view.names) for view in self.views])
    may = known & (self.names != self.full.names[reference])
    return may, (self._labels == self.full.labels[reference]) & may[..., None]

  @functools.cached_property
  def differ(self) -> np.ndarray:
    """(S, n), the chance that some view disagrees with each reference."""
    found = []
    for reference in range(len(self.full.names)):
      may, agree = self._agreeing(reference)
      both, every = (seeds_lib.injections(one * 1.0) for one in (agree, may))
      found.append(1 - both / every)
    return np.stack(found)

  def moves(self, reference: int) -> list[np.ndarray]:
    """How that chance moves with the weight of each seed: V times (S_v, n).

    As in choices with replacement; S_v times the derivative over S.
    """
    may, agree = self._agreeing(reference)
    number = may.sum(axis=1)[:, None]
    share = agree.sum(axis=1) / number
    # A seed that agrees makes it less likely that any disagrees.
    others = np.stack(
      [np.delete(share, row, axis=0).prod(axis=0) for row in range(len(may))]
    )
    apart = np.where(may[..., None], agree - share[:, None], 0)
    moves = -(others / number)[:, None] * apart
    return [
      len(view.names)
      / len(self.full.names)
      * row[np.searchsorted(self.names, view.names)]
      for row, view in zip(moves, self.views, strict=True)
    ]


def matched(
  sample: samples.Sample,
  values: np.ndarray,
  stratum: np.ndarray,
  full: Labelled,
  singles: Sequence[Labelled],
) -> Matched:
  """The adjusted difference of single views, and of as many other seeds.

  Every seed of the full view in turn is the reference, with its own strata.
  Against it stand one seed of each of V single views, and on the other side V
  of the full view's other seeds: all that can be chosen with distinct names, as
  a chance of each clip, so that no choice is drawn. Where single views are
  nothing but other seeds of the full view, every total that the two sides are
  made of has the same expectation, so their difference is 0 but for what the
  ratio of totals leaves, which is of second order.

  The noise of the seeds is that of their infinitesimal jackknife. There a
  seed's weight counts as in choices with replacement: of V + 1 seeds, all V
  others are always chosen, and which they are would seem not to matter.

  Args:
    sample: the n clips.
    values: (n,) float64.
    stratum: (S, n) int, not negative, by the prediction of each seed.
    full: the full view's S seeds; more than V.
    singles: the V single views.

  Returns:
    Both sides.
  """
  found, parts = [], []
  for sign, choice in zip((1, -1), _choices(full, singles), strict=True):
    one = sides_lib.of_clips(sample, values, choice.differ, stratum)
    by_value, by_clip = sign * sides_lib.gradient(one)[:, stratum]
    # What a clip adds where all agree, and how it moves with the chance.
    each = by_value * values[:, None] + by_clip
    moves = each[..., 1] - each[..., 0]
    by_seed = [np.zeros(view.labels.shape) for view in choice.views]
    for reference, move in enumerate(moves):
      for total, own in zip(by_seed, choice.moves(reference), strict=True):
        total += move * own
    by_seed = [each[..., 0] + moves * choice.differ, *by_seed]
    for view, by_clip in zip((full, *choice.views), by_seed, strict=True):
      slopes = sample.totals(by_clip.T).T
      parts.append(seeds_lib.Part(view.names, slopes.sum(axis=1), slopes))
    found.append(one)
  return Matched(*found, seeds_lib.noise(*parts))


def _choices(full: Labelled, singles: Sequence[Labelled]) -> list[Choice]:
  """Those of the single views, and of as many other seeds of the full one."""
  return [Choice(full, singles), Choice(full, [full] * len(singles))]


def tally(
  batch: Batch, plan: Plan, adder: totals_lib.Adder, values: np.ndarray
) -> None:
  """Adds up clips by what seeds say of them.

  Up to so many clips that ranks are exact, labels of clips are kept, and how
  each seed moves the figure in each group is known once the figure is. Beyond,
  what seeds add is summed up by stratum, over a few bundles of groups only.

  Args:
    batch: of N clips.
    plan: for the strata.
    adder: where they are added.
    values: (N,) GS, NaN where unknown.
  """
  for signal, views in survey_lib.beyond_seeds(plan.singles).items():
    chosen = ~np.isnan(values) & batch.common(plan.full, *views)
    seeds = {view: np.array(plan.members[view]) for view in (plan.full, *views)}
    full, *singles = (Labelled(n, batch.labels[v]) for v, n in seeds.items())
    apart = [one.labels != full.labels[0] for one in (full, *singles)]
    apart = np.concatenate(apart).any(axis=0) & chosen
    adder.whole(_key('apart', signal), apart.sum())
    every = strata(plan, signal)
    if None in every or why_unmatched(full.names, list(seeds.values())[1:]):
      continue
    members = batch.predictions.probabilities[plan.full]
    stratum = np.stack(
      [
        np.where(chosen, one.of(member), -1)
        for one, member in zip(every, members, strict=True)
      ]
    )
    if plan.exact:
      columns = {'values': values} | _named('stratum', full.names, stratum)
      for view, names in seeds.items():
        columns |= _named(view, names, batch.labels[view])
      adder.rank(_key('labels', signal), chosen, **columns)
    else:
      num_strata = len(plan.classes) * every[0].num_bins
      for what, choice in zip(
        (_VIEWS, _CONTROL), _choices(full, singles), strict=True
      ):
        sides_lib.add(
          adder, _key(what, signal), values, choice.differ, stratum, num_strata
        )
        bundle = totals_lib.bundle_of(batch.corpus.groups, _NUM_BUNDLES)
        own, by_seed = _sums(choice, values, stratum, num_strata, bundle)
        adder.whole(_key(what, signal, 'own'), own)
        adder.whole(_key(what, signal, 'by seed'), by_seed)


def _sums(
  choice: Choice,
  values: np.ndarray,
  stratum: np.ndarray,
  num_strata: int,
  bundle: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """What each seed adds to the sides of a choice.

  Args:
    choice: of S references and V views.
    values: (N,) float64.
    stratum: (S, N) int, negative where a clip does not count.
    num_strata: K.
    bundle: (N,) int, of the groups.

  Returns:
    By bundle, (B, S, 2, K, 2) the sides of each reference, and
    (B, K, 2, S_1 + ... + S_V) sums of how the chance of differing moves with
    each view's seeds, times values and times one.
  """
  own, by_seed = [], 0
  columns = np.stack([np.nan_to_num(values), np.ones(len(values))])
  shape = (_NUM_BUNDLES, num_strata)
  for reference, (differ, place) in enumerate(
    zip(choice.differ, stratum, strict=True)
  ):
    place = totals_lib.index(shape, bundle, place)
    cell, amount = sides_lib.cells(values, differ, place, int(np.prod(shape)))
    there = cell >= 0
    sums = np.bincount(cell[there], amount[there], 4 * int(np.prod(shape)))
    own.append(sums.reshape(2, *shape, 2).swapaxes(0, 1))
    clips = np.flatnonzero(place >= 0)
    inside = sparse.csr_array(
      (np.ones(len(clips)), (place[clips], clips)),
      shape=(int(np.prod(shape)), len(values)),
    )
    moves = np.concatenate(choice.moves(reference))
    moves = (columns[:, None] * moves).reshape(-1, len(values))
    by_seed = by_seed + inside @ moves.T
  return np.stack(own, axis=1), by_seed.reshape(*shape, 2, -1)


def _of_sums(
  totals: totals_lib.Totals, plan: Plan, signal: str, views: Sequence[str]
) -> Matched:
  """As `matched`, of sums."""
  found, parts = [], []
  for sign, what, others in (
    (1, _VIEWS, views),
    (-1, _CONTROL, [plan.full] * len(views)),
  ):
    one = sides_lib.of_totals(totals, _key(what, signal))
    gradient = sign * sides_lib.gradient(one)
    own, by_seed = (
      totals.wholes[_key(what, signal, name)] for name in ('own', 'by seed')
    )
    there = own.any(axis=(1, 2, 3, 4))
    own = np.einsum('bswkd,wkd->sb', own[there], gradient)
    moves = gradient[..., 1] - gradient[..., 0]
    by_seed = np.einsum('bkws,wk->sb', by_seed[there], moves)
    names = [np.array(plan.members[view]) for view in (plan.full, *others)]
    ends = np.cumsum([len(one) for one in names[1:-1]])
    parts += [
      seeds_lib.Part(seeds, slopes.sum(axis=1), slopes)
      for seeds, slopes in zip(
        names, [own, *np.split(by_seed, ends)], strict=True
      )
    ]
    found.append(one)
  return Matched(*found, seeds_lib.noise(*parts))


def _of_labels(
  totals: totals_lib.Totals, plan: Plan, signal: str, views: Sequence[str]
) -> Matched:
  """`matched` of the labels that were kept."""
  rows = totals.rows[_key('labels', signal)]

  def labelled(view: str) -> Labelled:
    names = np.array(plan.members[view])
    return Labelled(names, _columns(rows, view, names))

  return matched(
    totals_lib.sample(totals, rows),
    rows['values'],
    _columns(rows, 'stratum', plan.members[plan.full]),
    labelled(plan.full),
    [labelled(view) for view in views],
  )


def _columns(
  rows: totals_lib.Rows, what: str, names: Sequence[int]
) -> np.ndarray:
  return np.stack([rows[name] for name in _names(what, names)]).astype(np.int64)


def _named(
  what: str, names: Sequence[int], columns: np.ndarray
) -> dict[str, np.ndarray]:
  """Rows (S, N) by name."""
  return dict(zip(_names(what, names), columns, strict=True))


def _names(what: str, names: Sequence[int]) -> list[str]:
  return [f'{what} {name}' for name in names]


def _key(what: str, signal: str, *more: str) -> totals_lib.Key:
  return 'beyond_seeds', what, signal, *more


def strata(plan: Plan, signal: str) -> list[Strata | None]:
  """Those of each seed of the full view, as the reference."""
  return [
    plan.strata('beyond_seeds', plan.which, signal, str(seed))
    for seed in plan.members[plan.full]
  ]


def answer(
  totals: totals_lib.Totals, plan: Plan
) -> tuple[Findings, Sides | None]:
  """What disagreement tells beyond that of seeds, of any and of each view.

  Args:
    totals: what `tally` added up.
    plan: names the views and seeds.

  Returns:
    `ambiguity.<signal>.beyond_seeds` and `.adjusted_by_seed`, the table
    `beyond_seeds`; and the sides of as many other seeds as there are single
    views, None if they are too few.
  """
  found, control, table = Findings(), None, []
  for signal, views in survey_lib.beyond_seeds(plan.singles).items():
    name = f'ambiguity.{signal}.beyond_seeds'
    reason = _missing(totals, plan, signal, views)
    if reason:
      of_any = (BY_SEED, *_OF_CONTROL) if signal == ANY else ()
      found.skipped.update(dict.fromkeys((name, *of_any), reason))
      continue
    make = _of_labels if plan.exact else _of_sums
    sides = make(totals, plan, signal, views)
    own = strata(plan, signal)[0]
    found.add(name, own.noted(_beyond(name, sides, plan)))
    if signal == ANY:
      # Its seeds' noise is not known: that of the difference from the control.
      adjusted = sides_lib.adjusted(sides.views)
      asked.add(found, BY_SEED, sides.views.groups, adjusted, own.noted)
      control = sides.control
    table.append(
      {'signal': signal, 'num_clips': sides.views.groups.num_clips}
      | interval_cells(name, 'beyond_seeds')
      | {'p': Cell(name, 'p'), 'p_adjusted': Cell(name, 'p_adjusted')}
    )
  if table:
    found.tables['beyond_seeds'] = table
  return found, control


def _beyond(name: str, sides: Matched, plan: Plan) -> Estimate:
  """The adjusted difference of views minus that of other seeds."""
  estimate = asked.estimate(
    name,
    sides.views.groups,
    weighing.minus(*map(sides_lib.adjusted, (sides.views, sides.control))),
    seeds=sides.noise,
  )
  if plan.exact or 'seeds' not in estimate.variance:
    return estimate
  told = f'told apart by {_NUM_BUNDLES} bundles of groups'
  return dataclasses.replace(estimate, method=f'{estimate.method}, {told}')


def _missing(
  totals: totals_lib.Totals, plan: Plan, signal: str, views: Sequence[str]
) -> str:
  """Why single views cannot be held against other seeds; '' if they can."""
  every = strata(plan, signal)
  if None in every:
    return (
      'No clip with two votes or more is predicted by every seed of the full '
      f'view and of {" and ".join(views)}.'
    )
  # First what more seeds would not mend.
  if plan.labels_alone:
    return plan.not_graded()
  whose = 'Seed by seed, the full view’s'
  coarse = (one.too_coarse(whose) for one in every)
  reason = next(filter(None, coarse), '')
  if not reason and not totals.wholes[_key('apart', signal)]:
    reason = (
      f'All seeds of {wording.listing([*views, "the full view"])} give each '
      'clip the same label, so that there is no disagreement to compare.'
    )
  seeds = [np.array(plan.members[view]) for view in (plan.full, *views)]
  return reason or why_unmatched(seeds[0], seeds[1:])


def why_unmatched(full: np.ndarray, singles: Sequence[np.ndarray]) -> str:
  """Why there are too few seeds to hold single views against; '' if not.

  Args:
    full: (S,) the full view's seeds.
    singles: those of each of the V single views.

  Returns:
    A sentence.
  """
  needed = len(singles) + 1
  one = len(singles) == 1
  views = 'a single view' if one else f'{len(singles)} single views'
  if len(full) < needed:
    return (
      f'To hold {views} against as many other seeds of the full view takes '
      f'{needed} seeds of it, and it has {len(full)}: train '
      f'{needed - len(full)} more (6 in all are a good number).'
    )
  names = np.unique(np.concatenate(singles))
  known = np.stack([np.isin(names, seeds) for seeds in singles])
  for seed in full:
    if not seeds_lib.injections((known & (names != seed)) * 1.0):
      return (
        f'To hold {views} against seed {seed} of the full view takes seeds of '
        'other names, each different, in every view; there are too few.'
      )
  return ''
