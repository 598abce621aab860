"""What modalities add to each other: Shapley's values and interactions.

The full view is shown every part of a clip's modalities; v(S) is the
probability that it gives the label, shown S, or whether its label is right.
Shapley's value divides v(all) - v(none) among modalities; the interaction of
two is by how much both together add more than each by itself, the mean over
what else is shown (Grabisch and Roubens 1999, Int. J. Game Theory 28:547). It
is below 0 where they tell the same, and above 0 where one is of use only beside
the other: by accuracy, -1/2 for two copies of a fair bit that is the label, and
+1/2 for two bits of which the label is the exclusive or.
"""

import itertools
import math

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import asked, dominance, weighing
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Cell, Findings, interval_cells
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals

WORTHS = ('probability', 'accuracy')


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up values and interactions of clips that have all modalities."""
  if _missing(plan):
    return
  for worth, values in zip(WORTHS, _worths(batch, plan), strict=True):
    every = list(range(len(plan.modalities)))
    columns = np.concatenate(
      [
        dominance.shapley_values(values, every),
        interactions(values, every),
      ],
      axis=1,
    )
    known = ~np.isnan(columns).any(axis=1)
    adder.add(_key(worth), np.where(known[:, None], columns, 0))
    adder.add(_key('clips'), known)


def answer(totals: Totals, plan: Plan) -> Findings:
  """The value of each modality and the interaction of each two.

  Args:
    totals: what `tally` added up.
    plan: names the modalities.

  Returns:
    Statistics `together.value.<modality>.*` and `.interaction.<pair>.*`, of the
    `probability` of the label and of `accuracy`; the table `cooperation`.
  """
  missing = _missing(plan)
  if not missing and not totals[_key('clips')].any():
    missing = (
      'On no clip with a label and all modalities was the full view shown '
      'every part of them (the column given).'
    )
  if missing:
    return Findings(
      skipped={'together.value': missing, 'together.interaction': missing}
    )
  found, rows = Findings(), []
  part = totals.over(totals[_key('clips')])
  names = [f'value.{name}' for name in plan.modalities]
  names += [
    f'interaction.{"_vs_".join(pair)}'
    for pair in itertools.combinations(plan.modalities, 2)
  ]
  for place, name in enumerate(names):
    row = {'of': name.partition('.')[2], 'num_clips': part.num_clips}
    for worth in WORTHS:
      both = np.stack(
        [part[_key(worth)][:, place], part[_key('clips')]], axis=1
      )
      full_name = f'together.{name}.{worth}'
      asked.add(found, full_name, part.groups, weighing.mean(both))
      row |= interval_cells(full_name, worth)
      for field in ('p', 'p_adjusted'):
        row[f'{worth}_{field}'] = Cell(full_name, field)
    rows.append(row)
  found.tables['cooperation'] = rows
  return found


def _key(what: str) -> totals_lib.Key:
  return 'cooperation', what


def _missing(plan: Plan) -> str:
  if len(plan.modalities) < 2:
    return 'There is one modality only.'
  if plan.full not in plan.members:
    return f'There are no predictions of the full view, {plan.full}.'
  return ''


def _worths(
  batch: Batch, plan: Plan
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
  """What each coalition is worth, (N,) by its bits: NaN where not known."""
  labels = np.where(batch.labelled, batch.corpus.labels, 0)
  rows = np.arange(len(labels))
  chances, hits = {}, {}
  for mask in range(2 ** len(plan.modalities)):
    names = [n for bit, n in enumerate(plan.modalities) if mask >> bit & 1]
    if names:
      subset = batch.predictions.subsets.get(
        (plan.full, corpus_lib.view_name(names))
      )
      if subset is None:
        subset = np.full((1, len(labels), len(plan.classes)), np.nan)
      shown = predictions_lib.mean_over_seeds(subset)
    else:
      shown = plan.class_shares[plan.trained_without(batch)]
    there = batch.labelled & ~np.isnan(shown[:, 0])
    said = predictions_lib.predicted_class(shown)
    chances[mask] = np.where(there, shown[rows, labels], np.nan)
    hits[mask] = np.where(there, said == labels, np.nan)
  return chances, hits


def interactions(values: dict[int, np.ndarray], bits: list[int]) -> np.ndarray:
  """The interaction of each two players (Grabisch and Roubens 1999).

  Args:
    values: by coalition, as of `dominance.shapley_values`.
    bits: the M players, two or more.

  Returns:
    (n, M (M - 1) / 2) float64, in the order of `itertools.combinations`.
  """
  found = []
  for pair in itertools.combinations(bits, 2):
    others = [bit for bit in bits if bit not in pair]
    one, two = (1 << bit for bit in pair)
    total = np.zeros(len(values[0]))
    for size in range(len(others) + 1):
      weight = 1 / ((len(bits) - 1) * math.comb(len(others), size))
      for some in itertools.combinations(others, size):
        rest = sum(1 << bit for bit in some)
        total += weight * (
          values[rest | one | two]
          - values[rest | one]
          - values[rest | two]
          + values[rest]
        )
    found.append(total)
  return np.stack(found, axis=1)
