"""Clips by their signals and whether the full view errs on them.

Figures that rank clips rest on the signals themselves where these are kept, and
else on numbers of clips by their places on grids, see `cells`.
"""

import dataclasses

import numpy as np

from empathy.evaluation import asked, cells, ranking, resampling, samples
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import ANY, CONFIDENCE, SEEDS, is_binary
from empathy.evaluation.findings import Estimate
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Rows, Totals

# How annotators differ on a clip, whether it is contested, and how many votes.
VOTES = ('gs', 'contested', 'number')
# Whether annotators agree on a clip, whether the curves are over it, and
# whether the full view errs on it.
_FLAGS = ('calm', 'common', 'error')


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Keeps clips with a label or votes, by their signals, or counts them."""
  signals, error, votes = batch.signals, errors(batch), _of_votes(batch, plan)
  folds = batch.predictions.folds[plan.full]
  adder.count(_key('folds'), folds, plan.num_folds)
  if plan.exact:
    some = np.any([~np.isnan(one) for one in signals.values()], axis=0)
    some &= ~np.isnan(error) | ~np.isnan(votes['gs'])
    adder.rank(_key('clips'), some, **signals, error=error, **votes)
    return
  contested = votes['contested']
  columns = {
    'doubt': signals[CONFIDENCE],
    'calm': contested == 0,
    'common': _common(signals),
    'error': np.nan_to_num(error),
    'contested': np.nan_to_num(contested),
  }
  known = ~np.isnan(error)
  for name, signal in signals.items():
    own = columns | {'signal': signal}
    has = ~np.isnan(signal)
    cells.count(
      adder, _key('clips', name), known & has, _grids(plan, name), own
    )
    if not _with_doubt(name):
      own = columns | {'signal': signals[CONFIDENCE]}
      grids = _grids(plan, CONFIDENCE)
      cells.count(adder, _key('lacking', name), known & ~has, grids, own)
  if ANY in signals:
    own = columns | {'signal': signals[ANY]}
    chosen = ~np.isnan(signals[ANY] + contested)
    cells.count(adder, _key('contested'), chosen, _contested_grids(plan), own)


def _of_votes(batch: Batch, plan: Plan) -> dict[str, np.ndarray]:
  """`VOTES` of clips (N,); NaN where there are too few to be told."""
  if not plan.survey.has_votes:
    return dict.fromkeys(VOTES, np.full(len(batch.labelled), np.nan))
  votes = plan.votes(batch.corpus)
  gs, contested = votes_lib.gs(votes), votes_lib.contested(votes)
  # A single vote cannot be contested.
  return {
    'gs': gs,
    'contested': np.where(np.isnan(gs), np.nan, contested),
    'number': votes.sum(axis=1),
  }


def every(totals: Totals) -> Rows:
  """All clips with a signal and a label or votes, where values are kept.

  Returns:
    Rows of every signal, of `error`, see `errors`, and of what votes say: `gs`,
    `contested` and `number`; NaN where they are not known.
  """
  return totals.rows[_key('clips')]


def errors(batch: Batch) -> np.ndarray:
  """Whether the full view, its seeds averaged, labels clips wrongly.

  Returns:
    (N,) 0 or 1, NaN where it does not predict a clip, or there is no label.
  """
  predicted = predictions_lib.predicted_class(batch.means[batch.full])
  known = batch.labelled & (predicted >= 0)
  return np.where(known, predicted != batch.corpus.labels, np.nan)


def precision(
  name: str, sample: samples.Sample, rows: Rows, kind: str, coarse: bool
) -> Estimate:
  """The precision where a signal is set, minus that of the least confident.

  Args:
    name: of the figure.
    sample: of the rows.
    rows: of `signal`, which is set or not, of `doubt` and of the kind.
    kind: of clips to find, `error` or `contested`.
    coarse: whether doubt is on a grid that ties what differs.
  """
  differ, doubt, hit = rows['signal'] > 0, rows['doubt'], rows[kind] > 0
  drawn = ranking.coarse(doubt, number=rows.number)
  estimate = asked.estimate(
    name,
    sample,
    ranking.precision_gain(sample, differ, doubt, hit),
    drawn=ranking.precision_gain(sample, differ, drawn, hit),
  )
  wanted, off = float(rows.number @ differ), 0.0
  if coarse and wanted:
    off = cells.top_off(doubt, hit, rows.number, wanted) / wanted
  # Not known more exactly than one clip more or less would leave it.
  estimate = resampling.no_finer(estimate, 1 / max(wanted, 1))
  return cells.noted(estimate, off, 'confidence')


def _key(what: str, name: str = '') -> totals_lib.Key:
  return 'signals', what, name


def _with_doubt(name: str) -> bool:
  """Whether doubt is counted along with the signal, or is the signal."""
  return is_binary(name) or name == CONFIDENCE


def _grids(plan: Plan, name: str) -> dict[str, cells.Grid]:
  """By column, what clips with a label are counted by."""
  doubt = {'doubt': _grid(plan, CONFIDENCE)} if is_binary(name) else {}
  flags = dict.fromkeys(_FLAGS, cells.YES_OR_NO)
  return {'signal': _grid(plan, name)} | doubt | flags


def _contested_grids(plan: Plan) -> dict[str, cells.Grid]:
  return {
    'signal': _grid(plan, ANY),
    'doubt': _grid(plan, CONFIDENCE),
    'contested': cells.YES_OR_NO,
  }


def _grid(plan: Plan, name: str) -> cells.Grid:
  return cells.signal(name, len(plan.classes), len(plan.singles))


def _common(columns: Rows | dict[str, np.ndarray]) -> np.ndarray:
  """(n,) bool, the clips of the curves: those with the signals they are of."""
  names = columns.names if isinstance(columns, Rows) else columns
  return ~np.isnan(
    sum(columns[name] for name in (ANY, CONFIDENCE, SEEDS) if name in names)
  )


@dataclasses.dataclass(frozen=True)
class Signals:
  """What `tally` added up.

  Attributes:
    totals: of all clips.
    plan: says whether values are on grids.
  """

  totals: Totals
  plan: Plan

  @property
  def names(self) -> list[str]:
    """Of the signals that the predictions have."""
    if self.plan.exact:
      return list(every(self.totals).names[: -1 - len(VOTES)])
    return [
      key[2] for key in self.totals.counts if key[:2] == _key('clips')[:2]
    ]

  def rows(self, name: str) -> Rows:
    """The clips with a label and a signal.

    Returns:
      Rows of `signal`, of `calm`, `common` and `error`, 0 or 1 (see `_FLAGS`),
      and of `doubt`, but for signals on a grid that are not binary.
    """
    if not self.plan.exact:
      counts = self.totals.counts[_key('clips', name)]
      return cells.rows(counts, _grids(self.plan, name))
    rows = every(self.totals)
    rows = rows.where(~np.isnan(rows[name] + rows['error']))
    return rows.of(
      {
        'signal': rows[name],
        'doubt': rows[CONFIDENCE],
        'calm': rows['contested'] == 0,
        'common': _common(rows),
        'error': rows['error'],
      }
    )

  def doubts(self, name: str) -> Rows:
    """The same clips by `doubt` and `error`, where `rows` do not tell."""
    every, lacking = (
      self.totals.counts[_key(what, one)]
      for what, one in (('clips', CONFIDENCE), ('lacking', name))
    )
    rows = cells.rows(every, _grids(self.plan, CONFIDENCE), lacking)
    return rows.of({'doubt': rows['signal'], 'error': rows['error']})

  def contested(self) -> Rows:
    """The clips of two votes or more on which some view may disagree.

    Returns:
      Rows of `signal`, whether one does, of `doubt` and of `contested`.
    """
    if not self.plan.exact:
      counts = self.totals.counts[_key('contested')]
      return cells.rows(counts, _contested_grids(self.plan))
    rows = every(self.totals)
    rows = rows.where(~np.isnan(rows[ANY] + rows['contested']))
    return rows.of(
      {
        'signal': rows[ANY],
        'doubt': rows[CONFIDENCE],
        'contested': rows['contested'],
      }
    )

  def folds(self, sample: samples.Groups) -> np.ndarray:
    """How often clips of groups were held out in each fold: (G, K)."""
    group = np.searchsorted(self.totals.groups, sample.names)
    return self.totals[_key('folds')][group]

  def sample(self, rows: Rows) -> samples.Sample:
    """The sample of rows."""
    return totals_lib.sample(self.totals, rows)

  def coarse(self, name: str) -> bool:
    """Whether a signal is on a grid that ties what differs."""
    return not self.plan.exact and _grid(self.plan, name).coarse

  def noted(self, estimate: Estimate) -> Estimate:
    """Says in `method` what moves a figure of what is fitted to confidence."""
    if self.coarse(CONFIDENCE):
      # A fit is moved by more than ties, and no bound is known.
      estimate = cells.noted(estimate, None, 'confidence')
    if self.totals.bundled:
      estimate = dataclasses.replace(
        estimate, method=f'{estimate.method}, folds of bundles of groups'
      )
    return estimate
