"""Is disagreement a good diagnostic: does it find the full view's errors?

Every signal ranks clips without their label. An error is a clip that the full
view, its seeds averaged, labels wrongly. Confidence finds errors too, so the
question is what disagreement adds to it.
"""

import dataclasses
from typing import Any

import numpy as np
from scipy import special

from empathy.evaluation import (
  asked,
  cells,
  fits,
  ranking,
  samples,
  selective,
  signal_rows,
  weighing,
)
from empathy.evaluation import sides as sides_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import (
  ANY,
  COMBINED,
  CONFIDENCE,
  SEEDS,
  is_binary,
)
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.signal_rows import Signals
from empathy.evaluation.totals import Rows, Totals

_GAIN = 'diagnosis.combined.auroc_minus_confidence'
_CONTESTED = 'diagnosis.combined.auroc_contested_minus_confidence'
_PRIMARY = f'diagnosis.{ANY}.adjusted'
_STRATA = ('diagnosis', ANY)
_NUM_POINTS = 50
# Where confidence is nearer to 1, it is taken to be as near as that.
_LEAST_DOUBT = 1e-12
_BY_RANK = {
  'average_precision': ranking.average_precision,
  'aurc': ranking.aurc,
  'e_aurc': ranking.e_aurc,
  'errors_found_at_10': ranking.found_at,
}


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up clips and the full view's errors by what signals say of them."""
  if plan.full not in plan.members:
    return
  signal_rows.tally(batch, plan, adder)
  strata = plan.strata(*_STRATA)
  if strata is None:
    return
  error, signal = signal_rows.errors(batch), batch.signals[ANY]
  stratum = strata.of(batch.means[plan.full])
  sides_lib.add(
    adder,
    _STRATA,
    error,
    signal > 0,
    np.where(np.isnan(error + signal), -1, stratum),
    len(plan.classes) * strata.num_bins,
  )


def answer(totals: Totals, plan: Plan) -> Findings:
  """Judges each signal as a detector of the full view's errors.

  The primary is `diagnosis.any_disagreement.adjusted`: how much more often the
  full view errs where some single view disagrees with it, among clips that it
  gives the same label with about the same confidence; its p-value is one-sided.
  It says that disagreement tells of errors what confidence does not. How much
  that gains a detector is another question, and a keener test than the answer
  to it, the gain of AUROC when both are combined out of fold: that is a little
  below zero where disagreement tells nothing, the price of a weight fitted to
  noise.

  Args:
    totals: what `tally` added up.
    plan: names the views.

  Returns:
    Statistics `diagnosis.error_rate` (the base rate of average precision) and
    `diagnosis.<signal>.auroc_error`, `.auroc_error_uncontested`,
    `.auroc_error_minus_confidence`, `.average_precision`, `.aurc`, `.e_aurc`,
    `.errors_found_at_10`, for `combined` too; of each binary signal
    `.precision_minus_confidence` (minus that of equally many least confident
    clips); `diagnosis.any_disagreement.adjusted`;
    `diagnosis.combined.auroc_minus_confidence`, what disagreement adds to the
    AUROC of confidence, and `.auroc_contested_minus_confidence`, the same for
    contested clips. The table `diagnosis`; the curves `review_budget` and
    `risk_coverage`. And what `selective` finds.
  """
  if plan.full not in plan.members:
    reason = f'There are no predictions of the full view, {plan.full}.'
    found = Findings(skipped={'question 6': reason})
  else:
    found = _of_signals(Signals(totals, plan))
  found.include(selective.answer(totals, plan))
  return found


def _of_signals(signals: Signals) -> Findings:
  """What signals, and both together, tell of errors."""
  rows = signals.rows(CONFIDENCE).only('error')
  number, wrong = rows.number.sum(), rows.number @ rows['error']
  reason = (
    'No clip that the full view predicts has a label.'
    if not number
    else 'The full view is right on every labelled clip.'
    if not wrong
    else 'The full view is wrong on every labelled clip.'
    if wrong == number
    else ''
  )
  if reason:
    return Findings(skipped={'question 6': reason})
  found = Findings(primary=_PRIMARY)
  sample = signals.sample(rows)
  columns = np.stack([rows['error'], np.ones(len(rows.group))], axis=1)
  rate = weighing.mean(sample.totals(columns))
  asked.add(found, 'diagnosis.error_rate', sample, rate)
  names = signals.names
  if SEEDS not in names and not signals.plan.labels_alone:
    found.skipped[f'diagnosis.{SEEDS}'] = (
      f'There is one seed only of the full view, {signals.plan.full}.'
    )
  if not signals.plan.survey.has_votes:
    found.skipped['diagnosis.uncontested'] = 'The corpus has no votes.'
  combined = _add_combined(found, signals)
  order = [name for name in (ANY, CONFIDENCE) if name in names]
  order += [name for name in names if name not in order]
  table = []
  if combined is not None:
    table.append(_ask(found, signals, COMBINED, combined))
  for name in order:
    rows = signals.rows(name)
    if len(rows.group):
      table.append(_ask(found, signals, name, rows))
    else:
      found.skipped[f'diagnosis.{name}'] = 'No labelled clip has the signal.'
  found.tables['diagnosis'] = table
  found.curves.update(_curves(signals, combined))
  return found


def gain(
  name: str,
  sample: samples.Sample,
  doubt: np.ndarray,
  disagree: np.ndarray,
  outcome: np.ndarray,
  fold: np.ndarray,
) -> tuple[Estimate, np.ndarray]:
  """What disagreement adds to confidence as a detector.

  Args:
    name: of the statistic.
    sample: the n clips.
    doubt: (n,) float64, 1 - confidence.
    disagree: (n,) 0 or 1.
    outcome: (n,) bool, what is to be detected.
    fold: (n,) int, at least two different ones.

  Returns:
    The AUROC of both minus that of confidence, both `fits.out_of_fold`, with
    the one-sided p-value of its not being above 0; and the score of both (n,).
  """
  columns = np.stack(
    [special.logit(np.maximum(doubt, _LEAST_DOUBT)), disagree], axis=1
  )
  both, alone = (
    fits.out_of_fold(columns[:, :number], outcome, fold, sample.number)
    for number in (2, 1)
  )
  found = asked.estimate(
    name,
    sample,
    weighing.minus(
      ranking.auroc(sample, both, outcome),
      ranking.auroc(sample, alone, outcome),
    ),
  )
  return found, both


def _add_combined(found: Findings, signals: Signals) -> Rows | None:
  """Adds what disagreement adds to confidence, for errors and contested clips.

  Returns:
    Clips as of `Signals.rows`, with the combined score for errors as their
    signal; None if there is none.
  """
  if ANY not in signals.names:
    missing = 'There are no predictions of a single modality.'
    found.skipped.update({_PRIMARY: missing, _GAIN: missing})
    return None
  outcomes = [(_GAIN, 'error', signals.rows(ANY))]
  if signals.plan.survey.has_votes:
    outcomes.append((_CONTESTED, 'contested', signals.contested()))
  else:
    found.skipped[_CONTESTED] = 'The corpus has no votes.'
  combined = None
  for name, outcome, rows in outcomes:
    sample = signals.sample(rows)
    if sample.num_groups < 2:
      found.skipped[name] = (
        'A combination is fitted to other groups than it is judged on, and '
        'there are not two groups.'
      )
      continue
    hit = rows[outcome] > 0
    fold = fits.folds(signals.folds(sample), sample, hit)
    estimate, score = gain(
      name, sample, rows['doubt'], rows['signal'], hit, fold
    )
    found.add(name, signals.noted(estimate))
    if outcome == 'error':
      columns = {one: rows[one] for one in rows.names}
      combined = rows.of(columns | {'signal': score})
  return combined


@dataclasses.dataclass(frozen=True)
class _Order:
  """Clips in order of a signal.

  Attributes:
    sample: the m rows by group.
    signal: (m,) float64.
    wrong: (m,) bool, whether the full view errs.
    coarse: whether the signal is on a grid that ties what differs.
  """

  sample: samples.Sample
  signal: np.ndarray
  wrong: np.ndarray
  coarse: bool

  def figure(self, function: cells.Ranking) -> weighing.Figure:
    """A figure of `ranking`."""
    return function(self.sample, self.signal, self.wrong)

  def drawn(self, function: cells.Ranking) -> weighing.Figure:
    """What is drawn in its stead."""
    coarse = ranking.coarse(self.signal, number=self.sample.number)
    return function(self.sample, coarse, self.wrong)

  def off(self, function: cells.Ranking) -> float:
    """By how much it can be off."""
    if not self.coarse or not self.wrong.any():
      return 0.0
    rows = self.signal, self.wrong, self.sample.number
    if function is ranking.average_precision:
      return cells.precision_off(*rows)
    return cells.order_off(function, *rows)


def _order(
  signals: Signals, name: str, rows: Rows, column: str = 'signal'
) -> _Order:
  rows = rows.only(column, 'error')
  return _Order(
    signals.sample(rows), rows[column], rows['error'] > 0, signals.coarse(name)
  )


def _ask(
  found: Findings, signals: Signals, name: str, rows: Rows
) -> dict[str, object]:
  """Adds the figures of one signal; returns its row of the table.

  Args:
    found: where they are added.
    signals: what `rows` are of.
    name: of the signal.
    rows: of the clips that have it, one at least, see `Signals.rows`.
  """
  prefix = f'diagnosis.{name}'
  own = _order(signals, name, rows)

  def add(
    figure: str, statistic: weighing.Figure, off: float, **known: Any
  ) -> None:
    full_name = f'{prefix}.{figure}'
    one = asked.estimate(full_name, own.sample, statistic, **known)
    found.add(full_name, _noted(signals, name, one, off))

  auroc, off = own.figure(ranking.auroc), own.off(ranking.auroc)
  add('auroc_error', auroc, off)
  for figure, function in _BY_RANK.items():
    add(
      figure,
      own.figure(function),
      own.off(function),
      drawn=own.drawn(function),
    )
  if name != CONFIDENCE:
    doubts = rows if 'doubt' in rows.names else signals.doubts(name)
    other = _order(signals, CONFIDENCE, doubts, 'doubt')
    add(
      'auroc_error_minus_confidence',
      weighing.minus(auroc, other.figure(ranking.auroc)),
      off + other.off(ranking.auroc),
    )
  if signals.plan.survey.has_votes:
    _add_uncontested(found, signals, name, rows)
  if is_binary(name):
    full_name = f'{prefix}.precision_minus_confidence'
    found.add(
      full_name,
      signal_rows.precision(
        full_name,
        signals.sample(rows),
        rows,
        'error',
        signals.coarse(CONFIDENCE),
      ),
    )
  if name == ANY:
    _add_adjusted(found, signals)
  return _row(name, own.sample.num_clips)


def _row(name: str, num_clips: int) -> dict[str, object]:
  """The row of a signal in the table `diagnosis`."""
  prefix = f'diagnosis.{name}'
  against = f'{prefix}.auroc_error_minus_confidence'
  return (
    {'signal': name, 'num_clips': num_clips}
    | interval_cells(f'{prefix}.auroc_error', 'auroc_error')
    | interval_cells(against, 'minus_confidence')
    | {'p': Cell(against, 'p'), 'p_adjusted': Cell(against, 'p_adjusted')}
    | interval_cells(f'{prefix}.auroc_error_uncontested', 'uncontested')
    | {
      figure: Cell(f'{prefix}.{figure}')
      for figure in ('average_precision', 'aurc', 'e_aurc')
    }
    | interval_cells(f'{prefix}.errors_found_at_10', 'errors_found_at_10')
  )


def _noted(
  signals: Signals, name: str, estimate: Estimate, off: float = 0.0
) -> Estimate:
  """The figure of a signal, that says by how much a grid can have moved it."""
  if name == COMBINED:
    return signals.noted(estimate)
  return cells.noted(
    estimate, off, 'confidence' if is_binary(name) else 'signal'
  )


def _add_uncontested(
  found: Findings, signals: Signals, name: str, rows: Rows
) -> None:
  """Adds the AUROC for errors on clips on which annotators agree."""
  statistic = f'diagnosis.{name}.auroc_error_uncontested'
  calm = rows.where(rows['calm'] > 0)
  if not len(calm.group):
    found.skipped[statistic] = (
      'No clip with a label, the signal and two votes or more is uncontested.'
    )
    return
  own = _order(signals, name, calm)
  auroc, off = own.figure(ranking.auroc), own.off(ranking.auroc)
  estimate = asked.estimate(statistic, own.sample, auroc)
  found.add(statistic, _noted(signals, name, estimate, off))


def _add_adjusted(found: Findings, signals: Signals) -> None:
  """Adds the primary."""
  strata = signals.plan.strata(*_STRATA)
  if strata.too_coarse():
    found.skipped[_PRIMARY] = strata.too_coarse()
    return
  sides = sides_lib.of_totals(signals.totals, _STRATA)
  estimate = asked.estimate(_PRIMARY, sides.groups, sides_lib.adjusted(sides))
  off = None if strata.coarse else 0
  found.add(_PRIMARY, cells.noted(estimate, off, 'confidence'))


def _curves(
  signals: Signals, combined: Rows | None
) -> dict[str, dict[str, object]]:
  """The review budget and the risk-coverage curve, over the same clips."""
  orders = {}
  if ANY in signals.names:
    rows = signals.rows(ANY)
    # Confidence is below 1, so that it only orders the clips of either kind.
    orders['disagreement_first'] = rows, rows['signal'] + rows['doubt']
  if combined is not None:
    orders[COMBINED] = combined, combined['signal']
  for name in (CONFIDENCE, SEEDS):
    if name in signals.names:
      rows = signals.rows(name)
      orders[name] = rows, rows['signal']
  rows = signals.rows(CONFIDENCE)
  orders['random'] = rows, np.zeros(len(rows.group))
  orders['oracle'] = rows, rows['error']
  if not (rows['common'] * rows['error']).any():
    return {}
  shares = np.arange(_NUM_POINTS + 1) / _NUM_POINTS
  found = {}
  for curve, across, places, function in (
    ('review_budget', 'budget', shares, ranking.errors_found),
    ('risk_coverage', 'coverage', shares[1:], ranking.risks),
  ):
    number = round(float(rows.number @ rows['common']))
    found[curve] = {'num_clips': number, across: places.tolist()}
    for name, (clips, values) in orders.items():
      common = clips['common'] > 0
      found[curve][name] = function(
        values[common],
        clips['error'][common] > 0,
        places,
        clips.number[common],
      ).tolist()
  return found
