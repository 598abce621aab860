"""Which classes does each view get right, and what does it call the others?

The confusion matrix; recall, precision and F1 of each class; and by class what
the full view gains in F1 over the best single one. As in `views`, figures are
means over seeds of the figure of each seed's held-out predictions.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from empathy.evaluation import asked, catalogue, views, weighing
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Findings,
  SeedNoise,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Key, Part, Totals

# Of each, the numerator, the denominator and the clips that it rests on, as
# sums of hits, guesses and support.
_FIGURES = {
  'recall': ((1, 0, 0), (0, 0, 1), (0, 0, 1)),
  'precision': ((1, 0, 0), (0, 1, 0), (0, 1, 0)),
  'f1': ((2, 0, 0), (0, 1, 1), (-1, 1, 1)),
}
_GAIN = 'views.full_minus_best_single.f1_of'
_COMPARED = ('estimate', 'low', 'high', 'p', 'p_adjusted', 'n')


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up what each view calls the clips of each class."""
  labels, num_classes = batch.corpus.labels, len(plan.classes)
  for view in plan.members:
    predicted = batch.labels[view]
    chosen = batch.labelled & (predicted >= 0).any(axis=0)
    support = np.bincount(labels[chosen], minlength=num_classes)
    adder.whole(_key('support', view), support)
    counts = confusion(predicted, labels, num_classes)
    adder.whole(_key('confusion', view), counts)
  if plan.full not in plan.members:
    return
  for view in plan.singles:
    chosen = batch.labelled & batch.common(plan.full, view)
    for what, name in (('own', view), ('full', plan.full)):
      cells = views.class_cells(batch, plan, name, chosen)
      adder.count(_key(what, view), *cells)


def _key(what: str, view: str) -> Key:
  return 'view_classes', what, view


def confusion(
  predicted: np.ndarray, labels: np.ndarray, num_classes: int
) -> np.ndarray:
  """How many clips of each label each seed calls what.

  Args:
    predicted: (S, N) int, negative where there is no answer.
    labels: (N,) int, negative where there is none.
    num_classes: C.

  Returns:
    (S, C, C) int64, by label and predicted class.
  """
  shape = (len(predicted), num_classes, num_classes)
  seed = np.arange(len(predicted))[:, None]
  cell = totals_lib.index(shape, seed, labels, predicted)
  counts = np.bincount(cell[cell >= 0], minlength=int(np.prod(shape)))
  return counts.reshape(shape)


def mean_confusion(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Means over seeds of clips, and of shares of the clips of a label.

  So shares on the diagonal are recall. A seed without any clip does not count,
  and one without a clip of a label has no shares of it.

  Args:
    counts: (S, C, C), see `confusion`.

  Returns:
    Two arrays (C, C) float64; shares are NaN where no clip has the label.
  """
  counts = counts[counts.any(axis=(1, 2))]
  support = counts.sum(axis=2, keepdims=True)
  there = (support > 0).sum(axis=0)
  shares = (counts / np.maximum(support, 1)).sum(axis=0)
  shares = np.where(there > 0, shares / np.maximum(there, 1), np.nan)
  return counts.sum(axis=0) / max(len(counts), 1), shares


def answer(totals: Totals, plan: Plan) -> Findings:
  """Figures of every class and view, and gains of the full view by class.

  Args:
    totals: what `tally` and that of `views` added up.
    plan: names the views.

  Returns:
    Statistics `views.{view}.recall_of.{class}` and the like, and
    `views.full_minus_best_single.f1_of.{class}`; the tables `confusion`,
    `classes` and `class_gains`.
  """
  found = Findings()
  shown, judged = [], []
  for view in plan.members:
    counts = totals.wholes[_key('confusion', view)]
    if counts.any():
      shown += _confusion_rows(view, counts, plan.classes)
      judged += _judge(found, totals, plan, view)
  found.tables.update(confusion=shown, classes=judged)
  if plan.full in plan.members and plan.singles:
    found.tables['class_gains'] = list(_compare(found, totals, plan))
  return found


def _confusion_rows(
  view: str, counts: np.ndarray, classes: tuple[str, ...]
) -> Iterator[dict[str, object]]:
  clips, shares = mean_confusion(counts)
  for i, label in enumerate(classes):
    for j, predicted in enumerate(classes):
      share = float(shares[i, j])
      yield {
        'view': view,
        'label': label,
        'predicted': predicted,
        'num_clips': float(clips[i, j]),
        'share': None if np.isnan(share) else share,
      }


def _judge(
  found: Findings, totals: Totals, plan: Plan, view: str
) -> Iterator[dict[str, object]]:
  """Adds every figure of a view's classes; gives the row of each class."""
  sums = totals[views.class_sums(view)]
  part = totals.over(sums[:, :, 2].any(axis=1).sum(axis=1))
  sums = part[views.class_sums(view)]
  support = totals.wholes[_key('support', view)]
  for place, label in enumerate(plan.classes):
    row = {'view': view, 'class': label, 'support': int(support[place])}
    for figure in _FIGURES:
      name = f'views.{view}.{figure}_of.{label}'
      row |= interval_cells(name, figure)
      made = _Ratio.of(sums[..., place], figure)
      if made is None:
        found.skipped[name] = catalogue.entry_of(name).undefined
      else:
        asked.add(
          found,
          name,
          part.groups,
          made.statistic,
          seeds=seeds_lib.seed_variance(made.by_seed),
          n=round(made.number),
        )
    yield row


@dataclasses.dataclass(frozen=True)
class _Ratio:
  """A figure of one class, the mean over the seeds that have one.

  Attributes:
    statistic: by the weights of groups.
    by_seed: of each seed, see `views.each_seed`.
    seeds: (S,) bool, which have one.
    number: of clips that it rests on, the mean over seeds.
  """

  statistic: weighing.Figure
  by_seed: tuple[np.ndarray, np.ndarray]
  seeds: np.ndarray
  number: float

  @classmethod
  def of(cls, sums: np.ndarray, figure: str) -> '_Ratio | None':
    """That of hits, guesses and support (G, S, 3); None if no seed has one."""
    seeds = (sums @ np.array(_FIGURES[figure][1])).any(axis=0)
    if not seeds.any():
      return None
    top, bottom, clips = (
      sums[:, seeds] @ np.array(parts) for parts in _FIGURES[figure]
    )
    return cls(
      weighing.mean_of_ratios(top, bottom),
      views.each_seed(top, bottom),
      seeds,
      float(clips.sum() / seeds.sum()),
    )


def _compare(
  found: Findings, totals: Totals, plan: Plan
) -> Iterator[dict[str, object]]:
  """Adds the least gain in F1 of each class; gives the row of each class.

  A view has to predict some clip of the class to be compared.
  """
  both = [
    totals[_key('own', view)][:, 0, 2].sum(axis=1) for view in plan.singles
  ]
  part = totals.over(np.max(both, axis=0))
  for place, label in enumerate(plan.classes):
    name = f'{_GAIN}.{label}'
    gains = {}
    for view in plan.singles:
      gain = _gain(part, plan, view, place)
      if gain is not None:
        gains[view] = gain
    best = None
    if not gains:
      found.skipped[name] = catalogue.entry_of(name).undefined
    else:
      found.add(name, asked.least(name, part.groups, list(gains.values())))
      ones = np.ones((1, part.groups.num_groups))
      best = min(gains, key=lambda view: gains[view][0](ones)[0][0])
    yield {'class': label, 'best_single': best} | {
      field: Cell(name, field) for field in _COMPARED
    }


def _gain(
  part: Part, plan: Plan, view: str, place: int
) -> tuple[weighing.Statistic, SeedNoise | None] | None:
  """F1 of the full view minus that of another one, on the same clips.

  Returns:
    The statistic and the variance that the choice of seeds adds; None where
    none of these clips has the class.
  """
  full, own = (
    _Ratio.of(part[_key(what, view)][..., place], 'f1')
    for what in ('full', 'own')
  )
  if full is None or own is None:
    return None
  names = [np.array(plan.members[name]) for name in (plan.full, view)]
  noise = views.noise_of_difference(
    [name[one.seeds] for name, one in zip(names, (full, own), strict=True)],
    [full.by_seed, own.by_seed],
  )
  return weighing.minus(full.statistic, own.statistic), noise
