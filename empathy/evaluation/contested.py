"""How well does a signal find clips on which annotators are divided?"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from empathy.evaluation import (
  asked,
  cells,
  ranking,
  samples,
  signal_rows,
  weighing,
)
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import CONFIDENCE, is_binary
from empathy.evaluation.findings import (
  Cell,
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Rows

# Spearman's correlation is drawn with so many values of either variable.
_NUM_RANKS = 12
_COLUMNS = {
  'auroc_contested': 'auroc_contested',
  'auroc_contested_equal_n': 'equal_n',
  'auroc_minus_confidence': 'minus_confidence',
  'precision_minus_confidence': 'precision_minus_confidence',
  'spearman': 'spearman',
}


def _key(what: str, name: str = '') -> totals_lib.Key:
  return 'contested', what, name


def _grids(plan: Plan, name: str) -> dict[str, dict[str, cells.Grid]]:
  """By what is counted, the columns and the grids that they are on.

  `contested` ranks clips; where a signal is set or not, by doubt as well.
  `unsure` are those of `contested` whose confidence is not known, and `lacking`
  those with a confidence, and without the signal.
  """
  size = len(plan.classes), len(plan.singles)
  full, few = (
    cells.signal(name, *size, number)
    for number in (cells.NUM_PLACES, cells.FEW_PLACES)
  )
  doubt = {'doubt': cells.signal(CONFIDENCE, *size)}
  contested = {'contested': cells.YES_OR_NO}
  found = {
    'contested': {'signal': full}
    | (doubt if is_binary(name) else {})
    | contested,
    'number': {'signal': few, 'number': cells.VOTES} | contested,
    'gs': {'signal': few, 'gs': cells.GS},
  }
  if not is_binary(name) and name != CONFIDENCE:
    found |= {'unsure': {'signal': full} | contested}
    found |= {'lacking': doubt | contested}
  return found


def tally(
  batch: Batch,
  plan: Plan,
  adder: totals_lib.Adder,
  votes: Mapping[str, np.ndarray],
) -> None:
  """Counts signals and votes of clips on grids, where they are not kept.

  Args:
    batch: of N clips.
    plan: says if they are, see `signal_rows`.
    adder: where they are added.
    votes: `gs`, `contested` and `number`, (N,), GS NaN where unknown.
  """
  if plan.exact:
    return
  signals, voted = batch.signals, ~np.isnan(votes['gs'])
  known = {name: voted & ~np.isnan(signal) for name, signal in signals.items()}
  sure = known[CONFIDENCE]
  for name, there in known.items():
    chosen = {'unsure': there & ~sure, 'lacking': sure & ~there}
    columns = {'signal': signals[name], 'doubt': signals[CONFIDENCE]} | votes
    for what, grids in _grids(plan, name).items():
      own = chosen.get(what, there)
      cells.count(adder, _key(what, name), own, grids, columns)


@dataclasses.dataclass(frozen=True)
class _Ranks:
  """What is known of a signal's clips, exactly or on grids."""

  totals: totals_lib.Totals
  plan: Plan
  name: str

  def rows(self, what: str) -> Rows:
    """Those of a key of `_grids`."""
    if self.plan.exact:
      rows = signal_rows.every(self.totals)
      rows = rows.where(~np.isnan(rows[self.name] + rows['gs']))
      columns = {'signal': rows[self.name], 'doubt': rows[CONFIDENCE]}
      return rows.of(columns | {name: rows[name] for name in signal_rows.VOTES})
    counts = self.totals.counts[_key(what, self.name)]
    return cells.rows(counts, _grids(self.plan, self.name)[what])

  def pair(self) -> tuple[Rows, Rows]:
    """Rows with the signal, and with doubt, of clips of which both are known.

    The disagreement of a view is known only where confidence is.
    """
    if self.plan.exact or is_binary(self.name):
      rows = self.rows('contested')
      rows = rows.where(~np.isnan(rows['doubt']))
      return rows, rows
    return self._less('contested', self.name, 'unsure'), self._less(
      'contested', CONFIDENCE, 'lacking'
    )

  def _less(self, what: str, name: str, less: str) -> Rows:
    """Clips of a signal less some that are counted beside them."""
    every, some = (
      self.totals.counts[key]
      for key in (_key(what, name), _key(less, self.name))
    )
    return cells.rows(every, _grids(self.plan, self.name)[less], some)

  def sample(self, rows: Rows) -> samples.Sample:
    """The sample of rows."""
    return totals_lib.sample(self.totals, rows)

  def off(self, column: str = 'signal') -> bool:
    """Whether a column is on a grid that ties what differs."""
    name = CONFIDENCE if column == 'doubt' else self.name
    size = len(self.plan.classes), len(self.plan.singles)
    return not self.plan.exact and cells.signal(name, *size).coarse


def answer(
  totals: totals_lib.Totals, plan: Plan, names: Sequence[str]
) -> Findings:
  """How well each signal finds contested clips, and goes with GS.

  Args:
    totals: what `tally` added up.
    plan: says if values are on grids, by which figures may then be off.
    names: of the signals, of which there are clips.

  Returns:
    Of each signal `ambiguity.<signal>.auroc_contested`,
    `.auroc_contested_equal_n` (over pairs of clips with equally many votes,
    where these vary), `.auroc_minus_confidence`, `.spearman` (with GS) and, of
    binary ones, `.precision_minus_confidence` (for contested clips, minus that
    of equally many least confident clips). The table `ambiguity_signals`.
  """
  found = Findings()
  found.tables['ambiguity_signals'] = [
    _add(found, _Ranks(totals, plan, name)) for name in names
  ]
  return found


def _add(found: Findings, ranks: _Ranks) -> dict[str, object]:
  """Adds the figures of a signal; returns its row of the table."""
  prefix = f'ambiguity.{ranks.name}'
  rows = ranks.rows('contested')
  sample, hit = ranks.sample(rows), rows['contested'] > 0
  auroc = ranking.auroc(sample, rows['signal'], hit)
  name = f'{prefix}.auroc_contested'
  estimate = asked.estimate(name, sample, auroc)
  found.add(name, cells.noted(estimate, _tied(ranks, rows)))
  _add_equal_n(found, ranks)
  against = f'{prefix}.auroc_minus_confidence'
  if ranks.name != CONFIDENCE:
    _add_gain(found, against, ranks)
  if is_binary(ranks.name):
    name = f'{prefix}.precision_minus_confidence'
    found.add(
      name,
      signal_rows.precision(
        name, ranks.sample(rows), rows, 'contested', ranks.off('doubt')
      ),
    )
  _add_spearman(found, ranks)
  row = {
    'signal': ranks.name,
    'num_clips': sample.num_clips,
    'num_contested': round(float(rows.number @ hit)),
  }
  for figure, column in _COLUMNS.items():
    row |= interval_cells(f'{prefix}.{figure}', column)
  return row | {field: Cell(against, field) for field in ('p', 'p_adjusted')}


def _tied(ranks: _Ranks, rows: Rows, column: str = 'signal') -> float:
  """By how much the AUROC of a column can be off."""
  if not ranks.off(column):
    return 0.0
  return cells.tied(rows[column], rows['contested'] > 0, rows.number)


def _add_gain(found: Findings, name: str, ranks: _Ranks) -> None:
  """Adds a signal's AUROC minus that of confidence on the same clips."""
  pair = ranks.pair()
  if not len(pair[0].number):
    found.skipped[name] = (
      'No clip with two votes or more has both the signal and a confidence.'
    )
    return
  aurocs = [
    ranking.auroc(ranks.sample(rows), rows[column], rows['contested'] > 0)
    for rows, column in zip(pair, ('signal', 'doubt'), strict=True)
  ]
  estimate = asked.estimate(
    name, ranks.sample(pair[0]), weighing.minus(*aurocs)
  )
  off = _tied(ranks, pair[0]) + _tied(ranks, pair[1], 'doubt')
  found.add(name, cells.noted(estimate, off))


def _add_equal_n(found: Findings, ranks: _Ranks) -> None:
  """Adds the AUROC at equal numbers of votes, where these vary."""
  rows = ranks.rows('number')
  number, hit = rows['number'], rows['contested'] > 0
  if (number == number[0]).all():
    return
  sample = ranks.sample(rows)
  name = f'ambiguity.{ranks.name}.auroc_contested_equal_n'
  estimate = asked.estimate(
    name, sample, auroc_at_equal_number(sample, rows['signal'], hit, number)
  )
  off = 0.0
  if ranks.off():
    kind = np.unique(number, return_inverse=True)[1]
    off = cells.tied(rows['signal'], hit, rows.number, kind)
  found.add(name, cells.noted(estimate, off))


def _add_spearman(found: Findings, ranks: _Ranks) -> None:
  """Adds the rank correlation with GS."""
  rows = ranks.rows('gs')
  sample, signal, gs = ranks.sample(rows), rows['signal'], rows['gs']
  name = f'ambiguity.{ranks.name}.spearman'
  estimate = asked.estimate(
    name,
    sample,
    ranking.spearman(sample, signal, gs),
    drawn=ranking.spearman(
      sample,
      *(ranking.coarse(one, _NUM_RANKS, rows.number) for one in (signal, gs)),
    ),
  )
  off = cells.spearman_off(signal, rows.number) if ranks.off() else 0.0
  found.add(name, cells.noted(estimate, off))


def auroc_at_equal_number(
  sample: samples.Sample,
  signal: np.ndarray,
  positive: np.ndarray,
  number: np.ndarray,
) -> weighing.Figure:
  """AUROC over the pairs of clips with equally many votes.

  Which clips can be contested depends on how many votes they have, so a signal
  that knew that number would rank them well.

  Args:
    sample: the n clips.
    signal: (n,) float64.
    positive: (n,) bool.
    number: (n,) how many votes each clip has.

  Returns:
    The statistic; undefined where no such pair has a clip of either kind. The
    groups that count are those with clips of either kind, of numbers of votes
    that have both. The cost is that of `ranking.auroc`.
  """
  values, place = np.unique(
    np.round(signal, totals_lib.DECIMALS), return_inverse=True
  )
  numbers, kind = np.unique(number, return_inverse=True)
  # Ranked by number first, pairs of different numbers are known: take them off.
  ranked = ranking.auroc(sample, place + len(values) * kind, positive)
  totals = np.concatenate(
    [
      sample.counts(np.where(side, kind, -1), len(numbers))
      for side in (positive, ~positive)
    ],
    axis=1,
  )
  kinds = np.stack(np.split(totals, 2, axis=1))
  both = kinds.any(axis=1).all(axis=0)

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, slope = ranked(weights)
    above, below = np.split(weights @ totals, 2, axis=1)
    above_total, below_total = above.sum(axis=1), below.sum(axis=1)
    fewer = np.cumsum(below, axis=1) - below
    more = above_total[:, None] - np.cumsum(above, axis=1)
    pairs = (above * below).sum(axis=1)
    told = pairs > 0
    pairs = np.where(told, pairs, 1)
    all_pairs = above_total * below_total
    value = np.where(told, value, 0)
    own = (value * all_pairs - (above * fewer).sum(axis=1)) / pairs
    by_above = (value * below_total)[:, None] - fewer - own[:, None] * below
    by_below = (value * above_total)[:, None] - more - own[:, None] * above
    gradient = np.concatenate([by_above, by_below], axis=1)
    slope = slope * all_pairs[:, None] + gradient @ totals.T
    return np.where(told, own, np.nan), slope / pairs[:, None]

  return weighing.Figure(
    statistic, kinds[:, :, both].any(axis=2), least=ranked.least
  )
