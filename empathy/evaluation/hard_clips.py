"""Do models find those clips hard on which annotators differ?

It is a part of question 5: `humans` calls both functions.
"""

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import asked, cells, ranking
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import CONFIDENCE
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan

_PREFIX = 'humans.models'
_GOLD = ('one_minus_gold_probability', 'error')
# Correlations are drawn with so many bins of either variable.
_NUM_BINS = 16
# What signals are put on where there are too many clips for their values.
_GRIDS = {
  name: {
    'signal': cells.YES_OR_NO
    if name == 'error'
    else cells.near_zero(1.0, cells.FEW_PLACES),
    'gs': cells.GS,
  }
  for name in (CONFIDENCE, *_GOLD)
}


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Keeps GS beside how unsure, and how wrong, the full view is."""
  if plan.full not in plan.members:
    return
  labels, mean = batch.corpus.labels, batch.means[plan.full]
  predicted = predictions_lib.predicted_class(mean)
  adder.count(_key('predicted'), predicted, len(plan.classes))
  signals = {
    CONFIDENCE: 1 - mean.max(axis=-1),
    _GOLD[0]: 1 - mean[np.arange(len(labels)), labels],
    _GOLD[1]: (predicted != labels).astype(np.float64),
  }
  uncertainty = votes_lib.gs(plan.votes(batch.corpus))
  chosen = ~np.isnan(uncertainty + signals[CONFIDENCE])
  if not _unjudged(plan):
    chosen &= labels != corpus_lib.UNLABELLED
  for name in _signals(plan):
    columns = {'signal': signals[name], 'gs': uncertainty}
    if plan.exact:
      adder.rank(_key(name), chosen, **columns)
    else:
      cells.count(adder, _key(name), chosen, _GRIDS[name], columns)


def answer(totals: totals_lib.Totals, plan: Plan) -> Findings:
  """Correlates GS with how unsure, and how wrong, the full view is.

  Spearman's correlation over clips of GS, of the votes that speak for the clip,
  with the full view's 1 - confidence, 1 - probability of the label, and error,
  by the mean of its seeds' probabilities; what clips of a group share counts,
  and the interval and p-value are over new groups. What needs the label is left
  out where the same votes made it.

  Args:
    totals: what `tally` added up.
    plan: says which votes made the label.

  Returns:
    Statistics `humans.models.<signal>.spearman` and the table
    `humans_and_models`.
  """
  if plan.full not in plan.members:
    return Findings(
      skipped={
        _PREFIX: f'There are no predictions of the full view, {plan.full}.'
      }
    )
  found, unknown = Findings(), _unknown(totals, plan)
  for name, reason in unknown.items():
    found.skipped[f'{_PREFIX}.{name}.spearman'] = reason
  signals = [name for name in _signals(plan) if name not in unknown]
  if not signals:
    return found
  if not len(_rows(totals, plan, signals[0]).number):
    return Findings(
      skipped={_PREFIX: 'No predicted clip has two votes or more.'}
    )
  rows = []
  for signal in signals:
    name = f'{_PREFIX}.{signal}.spearman'
    clips = _rows(totals, plan, signal)
    estimate = _correlation(name, totals, clips)
    if not plan.exact and _GRIDS[signal]['signal'].coarse:
      off = cells.spearman_off(clips['signal'], clips.number)
      estimate = cells.noted(estimate, off)
    found.add(name, estimate)
    rows.append(
      {'signal': signal, 'num_clips': estimate.n}
      | interval_cells(name, 'spearman')
      | {field: Cell(name, field) for field in ('p', 'p_adjusted')}
    )
  found.tables['humans_and_models'] = rows
  return found


def _key(what: str) -> totals_lib.Key:
  return 'humans', 'models', what


def _unjudged(plan: Plan) -> str:
  """Why what models get wrong is not compared with the votes; '' if it is."""
  if plan.source is not None and (
    plan.source in ('', plan.speaking) or plan.speaking is None
  ):
    return (
      'The votes that tell how uncertain a clip is made its label, too, so '
      'that what models get wrong is not compared with it.'
    )
  return '' if plan.labelled else 'No clip has a label.'


def _signals(plan: Plan) -> list[str]:
  return [CONFIDENCE] if _unjudged(plan) else [CONFIDENCE, *_GOLD]


def _unknown(totals: totals_lib.Totals, plan: Plan) -> dict[str, str]:
  """Why signals are not correlated, of those that are not.

  Without a spread of confidence, how hard a clip is cannot be told; and the
  errors of a view that says one class are those of the other classes.
  """
  missing = _unjudged(plan)
  found = dict.fromkeys(_GOLD, missing) if missing else {}
  if not plan.graded('mean', plan.full):
    reason = plan.not_graded('mean', plan.full)
    found |= {name: reason for name in _signals(plan) if name != 'error'}
  if not missing and totals[_key('predicted')].any(axis=0).sum() < 2:
    found['error'] = 'The full view gives every clip the same label.'
  return found


def _rows(
  totals: totals_lib.Totals, plan: Plan, signal: str
) -> totals_lib.Rows:
  """Clips by a signal and GS."""
  if plan.exact:
    return totals.rows[_key(signal)]
  return cells.rows(totals.counts[_key(signal)], _GRIDS[signal])


def _correlation(
  name: str, totals: totals_lib.Totals, rows: totals_lib.Rows
) -> Estimate:
  sample = totals_lib.sample(totals, rows)
  signal, uncertainty = rows['signal'], rows['gs']
  return asked.estimate(
    name,
    sample,
    ranking.spearman(sample, signal, uncertainty),
    drawn=ranking.spearman(
      sample,
      *(
        ranking.coarse(values, _NUM_BINS, rows.number)
        for values in (signal, uncertainty)
      ),
    ),
  )
