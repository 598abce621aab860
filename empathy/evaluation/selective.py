"""Selective prediction: answer only where the full view is sure enough.

Wanted is an error rate among the clips that are answered. Each fold is judged
by a threshold on confidence that was chosen on the other folds' held-out
predictions: clips of other groups, which the members that predicted them never
saw. So the realised risk is what the next speakers would have met, and may miss
the rate that was wanted.
"""

import numpy as np

from empathy.evaluation import asked, fits, weighing
from empathy.evaluation.catalogue import CONFIDENCE
from empathy.evaluation.findings import (
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.signal_rows import Signals
from empathy.evaluation.totals import Totals

WANTED = (0.05, 0.1, 0.2)
# An error rate among fewer clips says next to nothing.
LEAST_ANSWERED = 20


def answer(totals: Totals, plan: Plan) -> Findings:
  """What selective prediction by the full view's confidence comes to.

  Args:
    totals: what `signal_rows.tally` added up.
    plan: names the full view.

  Returns:
    Statistics `diagnosis.selective_<percent>.risk`, the error rate among the
    clips answered, if these are 20 or more, and `.coverage`, the share that is;
    the table `selective`.
  """
  if plan.full not in plan.members:
    return _skipped(f'There are no predictions of the full view, {plan.full}.')
  signals = Signals(totals, plan)
  rows = signals.rows(CONFIDENCE).only('signal', 'error')
  sample = signals.sample(rows)
  if sample.num_groups < 2:
    return _skipped(
      'A threshold is chosen on other groups than it is judged on, and there '
      'are not two groups.'
    )
  confidence, error = 1 - rows['signal'], rows['error'] > 0
  fold = fits.folds(signals.folds(sample), sample, error)
  found = Findings()
  table = []
  for wanted in WANTED:
    answered = _answered(confidence, error, wanted, rows.number, fold)
    name = f'diagnosis.selective_{round(100 * wanted)}'
    number = round(float(rows.number @ answered))
    every = np.ones(len(error))
    for figure, top, bottom, n in (
      ('risk', error & answered, answered, number),
      ('coverage', answered, every, sample.num_clips),
    ):
      if figure == 'risk' and 0 < n < LEAST_ANSWERED:
        found.skipped[f'{name}.risk'] = (
          f'With {round(100 * wanted)} % errors wanted, {n} '
          f'{"clip is" if n == 1 else "clips are"} answered: too few to '
          'tell an error rate of.'
        )
        continue
      asked.add(
        found,
        f'{name}.{figure}',
        sample,
        weighing.mean(sample.totals(np.stack([top, bottom], axis=1))),
        signals.noted,
        n=n,
      )
    row = {'wanted': wanted, 'num_answered': number}
    for figure in ('risk', 'coverage'):
      row |= interval_cells(f'{name}.{figure}', figure)
    table.append(row)
  found.tables['selective'] = table
  return found


def _answered(
  confidence: np.ndarray,
  error: np.ndarray,
  wanted: float,
  number: np.ndarray,
  fold: np.ndarray,
) -> np.ndarray:
  """Which clips are answered (n,), by the threshold of the other folds."""
  answered = np.zeros(len(error), bool)
  for held_out in np.unique(fold):
    there = fold == held_out
    least = threshold(confidence[~there], error[~there], wanted, number[~there])
    answered[there] = confidence[there] >= least
  return answered


def threshold(
  confidence: np.ndarray, error: np.ndarray, wanted: float, number: np.ndarray
) -> float:
  """The least confidence from which on clips err at most at a wanted rate.

  Args:
    confidence: (n,).
    error: (n,) bool.
    wanted: the largest share of errors among the clips at or above it.
    number: (n,) how many clips are such.

  Returns:
    The lowest such confidence of a clip; infinity where there is none.
  """
  order = np.argsort(-confidence, kind='stable')
  sorted_, number = confidence[order], number[order]
  rate = np.cumsum(number * error[order]) / np.cumsum(number)
  # Clips of equal confidence are answered together.
  last = np.append(sorted_[1:] != sorted_[:-1], True)
  fits_it = np.flatnonzero(last & (rate <= wanted))
  return float(sorted_[fits_it[-1]]) if len(fits_it) else np.inf


def _skipped(reason: str) -> Findings:
  return Findings(skipped={'diagnosis.selective': reason})
