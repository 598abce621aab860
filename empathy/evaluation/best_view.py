"""What a perfect choice of view for each clip would gain over the full view.

The oracle has one seed of the full view and of each single one, of different
names where there are such, and is right where one of them is. That is no
promise of a better fusion: several guesses are more often right than one,
whoever guesses. So it stands beside two others: as many seeds of the full view,
and views whose errors are independent given the label, which follows from each
view's accuracy by class.
"""

import math

import numpy as np
from scipy import special

from empathy.evaluation import asked, weighing
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings, interval_cells
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Part, Totals

FIGURES = (
  'accuracy',
  'gain',
  'regret',
  'independent_gain',
  'beyond_independent',
  'other_seeds_gain',
  'beyond_other_seeds',
)


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up where no view is right, and where each is, by the label."""
  views = _views(plan)
  if _missing(plan):
    return
  labels = batch.corpus.labels
  chosen = batch.labelled & batch.common(*views)
  names = np.unique(np.concatenate([plan.members[view] for view in views]))
  wrong = np.zeros((len(views), len(names), len(labels)))
  for place, view in enumerate(views):
    own = np.searchsorted(names, plan.members[view])
    wrong[place, own] = batch.labels[view] != labels
  number = _num_choices(plan)
  if number:
    missed = seeds_lib.injections(wrong) / number
  else:
    missed = np.prod(
      [(batch.labels[view] != labels).mean(axis=0) for view in views], axis=0
    )
  adder.add(_key('missed'), missed * chosen)
  adder.add(_key('clips'), chosen)
  shape = (len(views), len(plan.classes))
  target = np.where(chosen, labels, -1)
  right = np.stack([(batch.labels[v] == labels).mean(axis=0) for v in views])
  place = totals_lib.index(shape, np.arange(len(views))[:, None], target)
  adder.count(_key('right'), place, shape, right)
  adder.count(_key('labels'), target, len(plan.classes))
  number = len(plan.members[plan.full])
  if number >= len(views):
    errors = (batch.labels[plan.full] != labels).sum(axis=0)
    again = special.comb(errors, len(views)) / math.comb(number, len(views))
    adder.add(_key('missed_again'), again * chosen)


def answer(totals: Totals, plan: Plan) -> Findings:
  """What the oracle is right on, gains, and what of it others gain.

  Args:
    totals: what `tally` added up.
    plan: names the views.

  Returns:
    Statistics `together.best_view.*`, see `FIGURES`; `regret` is what the view
    that is best overall lacks of the oracle. The table `best_view`.
  """
  missing = _missing(plan)
  if not missing and not totals[_key('clips')].any():
    missing = 'No labelled clip is predicted by every seed of these views.'
  if missing:
    return Findings(skipped={'together.best_view': missing})
  found, part = Findings(), totals.over(totals[_key('clips')])
  clips = part[_key('clips')]
  right = part[_key('right')].sum(axis=2)

  def mean(sums: np.ndarray) -> weighing.Figure:
    return weighing.mean(np.stack([sums, clips], axis=1))

  views = _views(plan)
  hits = clips - part[_key('missed')]
  full = right[:, 0]
  best = right[:, right.sum(axis=0).argmax()]
  alone = weighing.minus(_independent(part), mean(full))
  figures = {
    'accuracy': mean(hits),
    'gain': mean(hits - full),
    'regret': mean(hits - best),
    'independent_gain': alone,
    'beyond_independent': weighing.minus(mean(hits - full), alone),
  }
  if _key('missed_again') in totals:
    again = clips - part[_key('missed_again')]
    figures['other_seeds_gain'] = mean(again - full)
    figures['beyond_other_seeds'] = mean(hits - again)
  for name in FIGURES:
    full_name = f'together.best_view.{name}'
    if name in figures:
      asked.add(found, full_name, part.groups, figures[name])
    else:
      found.skipped[full_name] = (
        f'The full view has fewer seeds than there are views, {len(views)}.'
      )
  row = {'views': ', '.join(views), 'num_clips': part.num_clips}
  for name in FIGURES:
    row |= interval_cells(f'together.best_view.{name}', name)
  found.tables['best_view'] = [row]
  return found


def _key(what: str) -> totals_lib.Key:
  return 'best_view', what


def _views(plan: Plan) -> list[str]:
  return [plan.full, *plan.singles]


def _missing(plan: Plan) -> str:
  if plan.full not in plan.members:
    return f'There are no predictions of the full view, {plan.full}.'
  if not plan.singles:
    return 'There are no predictions of a single modality.'
  return ''


def _num_choices(plan: Plan) -> float:
  """How many ways there are to take a seed of each view, all of other names."""
  views = _views(plan)
  names = np.unique(np.concatenate([plan.members[view] for view in views]))
  there = [np.isin(names, plan.members[view]) for view in views]
  return float(seeds_lib.injections(np.array(there, np.float64)[..., None])[0])


def _independent(part: Part) -> weighing.Statistic:
  """How often some view would be right if errors were independent by class.

  sum_y n_y (1 - prod_v (1 - a_vy)) / n, with a_vy the view's accuracy on the
  n_y clips of class y.
  """
  right, labels = part[_key('right')], part[_key('labels')]
  num_views, num_classes = right.shape[1:]
  totals = np.concatenate([right.reshape(len(right), -1), labels], axis=1)

  def function(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hits = sums[:, :-num_classes].reshape(-1, num_views, num_classes)
    number = sums[:, -num_classes:]
    wrong = 1 - hits / weighing.divisor(number)[:, None]
    others = np.stack(
      [
        np.delete(wrong, view, axis=1).prod(axis=1) for view in range(num_views)
      ],
      axis=1,
    )
    missed = wrong.prod(axis=1)
    total = number.sum(axis=1, keepdims=True)
    there, total = total > 0, weighing.divisor(total)
    value = 1 - (number * missed).sum(axis=1, keepdims=True) / total
    by_hits = others / total[:, None]
    # A clip more of a class makes each view's accuracy on it less.
    by_number = 1 - missed - ((1 - wrong) * others).sum(axis=1) - value
    gradient = np.concatenate(
      [by_hits.reshape(len(sums), -1), by_number / total], axis=1
    )
    return np.where(there, value, np.nan)[:, 0], gradient

  counted = part[_key('clips')][None] > 0
  return weighing.Figure(weighing.of_totals(totals, function), counted)
