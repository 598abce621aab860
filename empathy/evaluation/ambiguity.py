"""Is disagreement ambiguity: do clips that divide models divide annotators?

Clips on which views differ have more divided votes almost always, because every
model finds the uncertain clips. So the difference is also taken among clips
that the full view gives the same label with about the same confidence.
"""

from collections.abc import Mapping

import numpy as np
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import resampling
from empathy.evaluation.findings import Cell, Findings, interval_cells

_NUM_STRATA = 20
_NUM_FIFTHS = 5
_PRIMARY = 'ambiguity.any_disagreement.adjusted'


def answer(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions,
  signals: Mapping[str, np.ndarray],
) -> Findings:
  """The difference of GS between clips on which views differ and agree.

  Args:
    corpus: for the votes and groups.
    predictions: for the full view's labels.
    signals: of each clip, from the predictions alone; (N,) float64. The binary
      ones are asked: `any_disagreement` and each `<view>_disagreement`.

  Returns:
    Statistics `ambiguity.<signal>.gs_difference` and `.adjusted`, the table
    `ambiguity`, the curves `gs_by_disagreement` and `gs_by_confidence`. The
    primary is the adjusted difference of `any_disagreement`.
  """
  full = corpus_lib.view_name(corpus.modalities)
  missing = ''
  names = [name for name in signals if name.endswith('_disagreement')]
  if full not in predictions.views:
    missing = f'There are no predictions of the full view, {full}.'
  elif 'any_disagreement' not in names:
    missing = 'There are no predictions of a single modality.'
  elif corpus.votes is None:
    missing = 'The corpus has no votes.'
  if missing:
    return Findings(skipped={'question 3': missing})
  uncertainty = gs(speaking_votes(corpus)[0])
  if not (~np.isnan(uncertainty + signals['any_disagreement'])).any():
    return Findings(
      skipped={'question 3': 'No predicted clip has two votes or more.'}
    )
  mean = predictions_lib.mean_over_seeds(predictions.probabilities[full])
  found = Findings(primary=_PRIMARY)
  rows = []
  names = ['any_disagreement', *(n for n in names if n != 'any_disagreement')]
  for name in names:
    chosen = ~np.isnan(uncertainty + signals[name])
    row = _ask(
      found,
      f'ambiguity.{name}',
      signals[name][chosen] > 0,
      uncertainty[chosen],
      strata(mean[chosen]),
      resampling.sample(corpus.groups[chosen]),
    )
    rows.append({'signal': name} | row)
  found.tables['ambiguity'] = rows
  for figure in ('gs_difference', 'adjusted'):
    family = [f'ambiguity.{name}.{figure}' for name in names]
    found.families.append([name for name in family if name != _PRIMARY])
  singles = np.stack(
    [
      signals[f'{view}_disagreement']
      for view in predictions.views
      if view != full and '+' not in view
    ]
  )
  found.curves['gs_by_disagreement'] = _by_disagreement(
    singles, uncertainty, corpus.groups
  )
  found.curves['gs_by_confidence'] = _by_confidence(
    mean.max(axis=-1), signals['any_disagreement'], uncertainty
  )
  return found


def speaking_votes(corpus: corpus_lib.Corpus) -> tuple[np.ndarray, str | None]:
  """The votes of the condition that speaks for the clips.

  Args:
    corpus: with votes.

  Returns:
    (N, C) int64 votes in the full condition and its name; all votes together
    and None where nobody voted in it.
  """
  condition = corpus_lib.full_condition(corpus.conditions)
  votes = corpus.vote_counts(condition)
  if condition is not None and votes.any():
    return votes, condition
  return corpus.vote_counts(), None


def gs(votes: np.ndarray) -> np.ndarray:
  """The chance that two of a clip's annotators differ, unbiased for every n.

  1 - sum_c v_c (v_c - 1) / (n (n - 1)): the Gini-Simpson index without its bias
  (Simpson 1949, Nature 163:688).

  Args:
    votes: (N, C) counts.

  Returns:
    (N,) float64; NaN where there are fewer than two votes.
  """
  total = votes.sum(axis=1)
  pairs = (total * (total - 1)).astype(np.float64)
  same = (votes * (votes - 1)).sum(axis=1)
  return np.where(total > 1, 1 - same / np.where(total > 1, pairs, 1), np.nan)


def contested(votes: np.ndarray) -> np.ndarray:
  """Whether no class has two thirds of the votes (N, C): (N,) bool."""
  return 3 * votes.max(axis=1) < 2 * votes.sum(axis=1)


def entropy(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The entropy of a clip's votes, plain and with Miller and Madow's term.

  Not to be compared between clips of different n: the plain one is biased
  downward, and the added (classes seen - 1) / (2 n) (Miller 1955) mends that
  in part only.

  Args:
    votes: (N, C) counts.

  Returns:
    Two arrays (N,) float64 in nats; NaN where there are no votes.
  """
  total = votes.sum(axis=1)
  count = np.maximum(total, 1)
  plain = special.entr(votes / count[:, None]).sum(axis=1)
  mended = plain + (np.count_nonzero(votes, axis=1) - 1) / (2 * count)
  return (
    np.where(total > 0, plain, np.nan),
    np.where(total > 0, mended, np.nan),
  )


def strata(probabilities: np.ndarray) -> np.ndarray:
  """Predicted class x twentieth of confidence, by rank.

  Args:
    probabilities: (n, C) of the full view.

  Returns:
    (n,) int64 from 0 to 20 C - 1; clips of equal confidence share a twentieth.
  """
  return predictions_lib.predicted_class(
    probabilities
  ) * _NUM_STRATA + rank_bins(probabilities.max(axis=-1), _NUM_STRATA)


def rank_bins(values: np.ndarray, num_bins: int) -> np.ndarray:
  """Bins of equal number, low values first, ties together: (n,) int64."""
  below = np.searchsorted(np.sort(values), values)
  return num_bins * below // len(values)


def difference(
  sample: resampling.Sample, differ: np.ndarray, values: np.ndarray
) -> resampling.Statistic:
  """The mean of `values` where `differ` minus that where not.

  Args:
    sample: the n clips.
    differ: (n,) bool.
    values: (n,) float64.

  Returns:
    The statistic; undefined where one side is empty.
  """
  sides = [
    resampling.mean(sample.totals(np.stack([values * side, side], axis=1)))
    for side in (differ, ~differ)
  ]
  return resampling.minus(*sides)


def adjusted_difference(
  sample: resampling.Sample,
  differ: np.ndarray,
  values: np.ndarray,
  stratum: np.ndarray,
) -> resampling.Statistic:
  """The difference within strata, averaged with weights n1 n0 / (n1 + n0).

  These weights make it the coefficient of `differ` in a regression with a
  constant for every stratum.

  Args:
    sample: the n clips.
    differ: (n,) bool.
    values: (n,) float64.
    stratum: (n,) int, not negative.

  Returns:
    The statistic; undefined where no stratum has both sides.
  """
  # A stratum with one side only weighs nothing in any draw.
  sides = np.stack(
    [np.bincount(stratum, ~differ), np.bincount(stratum, differ)]
  )
  kept = np.flatnonzero((sides > 0).all(axis=0))
  place = np.full(sides.shape[1], -1)
  place[kept] = np.arange(len(kept))
  place = place[stratum]
  cell = np.where(place >= 0, 2 * place + differ, -1)
  size = 2 * len(kept)
  totals = sample.counts(
    np.stack([cell, np.where(cell >= 0, cell + size, -1)]),
    2 * size,
    np.stack([values, np.ones(len(values))]),
  )
  return resampling.of_totals(totals, _adjusted)


def _ask(
  found: Findings,
  prefix: str,
  differ: np.ndarray,
  uncertainty: np.ndarray,
  stratum: np.ndarray,
  sample: resampling.Sample,
) -> dict[str, object]:
  """Adds both differences of one signal; returns its row of the table."""
  for name, statistic, undefined in (
    (
      'gs_difference',
      difference(sample, differ, uncertainty),
      'The signal has the same value for every clip with two votes or more.',
    ),
    (
      'adjusted',
      adjusted_difference(sample, differ, uncertainty, stratum),
      'In no stratum of label and confidence are there clips of both kinds.',
    ),
  ):
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(sample, statistic, null=True),
      undefined,
    )

  def mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None

  return (
    {
      'num_disagree': int(differ.sum()),
      'num_agree': int((~differ).sum()),
      'gs_disagree': mean(uncertainty[differ]),
      'gs_agree': mean(uncertainty[~differ]),
    }
    | interval_cells(f'{prefix}.gs_difference', 'gs_difference')
    | interval_cells(f'{prefix}.adjusted', 'adjusted')
    | {
      'p': Cell(f'{prefix}.adjusted', 'p'),
      'p_adjusted': Cell(f'{prefix}.adjusted', 'p_adjusted'),
    }
  )


def _by_disagreement(
  disagreements: np.ndarray, uncertainty: np.ndarray, groups: np.ndarray
) -> dict[str, list]:
  """GS by how many single views differ from the full one.

  Args:
    disagreements: (V, N) float64, 1 where a single view differs, NaN where it
      does not predict the clip.
    uncertainty: (N,) GS, NaN where unknown.
    groups: (N,).

  Returns:
    Lists over the numbers that occur.
  """
  known = ~np.isnan(disagreements).all(axis=0) & ~np.isnan(uncertainty)
  number = np.nansum(disagreements, axis=0)
  curve = {'num_disagreeing': [], 'gs': [], 'low': [], 'high': [], 'count': []}
  for value in np.unique(number[known]):
    chosen = known & (number == value)
    sample = resampling.sample(groups[chosen])
    totals = sample.totals(
      np.stack([uncertainty[chosen], np.ones(chosen.sum())], axis=1)
    )
    found = resampling.estimate(sample, resampling.mean(totals), logit=True)
    curve['num_disagreeing'].append(int(value))
    curve['gs'].append(found.estimate)
    curve['low'].append(found.low)
    curve['high'].append(found.high)
    curve['count'].append(found.n)
  return curve


def _by_confidence(
  confidence: np.ndarray, differ: np.ndarray, uncertainty: np.ndarray
) -> dict[str, list]:
  """GS of clips on which views differ and agree, by fifths of confidence.

  Args:
    confidence: (N,) of the full view, NaN where it does not predict.
    differ: (N,) 0 or 1, NaN where unknown.
    uncertainty: (N,) GS, NaN where unknown.

  Returns:
    Lists over the fifths, None where there is no clip.
  """
  known = ~np.isnan(differ + uncertainty)
  confidence, uncertainty = confidence[known], uncertainty[known]
  differ = differ[known] > 0
  fifth = rank_bins(confidence, _NUM_FIFTHS)
  curve = {'confidence': []}
  for name in ('gs_agree', 'gs_disagree', 'num_agree', 'num_disagree'):
    curve[name] = []
  for place in np.unique(fifth):
    inside = fifth == place
    curve['confidence'].append(float(confidence[inside].mean()))
    for side, chosen in (('agree', ~differ), ('disagree', differ)):
      values = uncertainty[inside & chosen]
      curve[f'gs_{side}'].append(float(values.mean()) if len(values) else None)
      curve[f'num_{side}'].append(len(values))
  return curve


def _adjusted(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The adjusted difference of totals (R, 4 K) and its gradient.

  The totals are sums of values, then counts, each by stratum and side.
  """
  values, counts = np.moveaxis(
    sums.reshape(len(sums), 2, sums.shape[1] // 4, 2), 1, 0
  )
  size = counts.sum(axis=-1, keepdims=True)
  size = np.where(size > 0, size, 1)
  share = counts / size
  # n1 n0 / n times the difference of means, without dividing by n1 and n0.
  gap = values[..., 1] * share[..., 0] - values[..., 0] * share[..., 1]
  weight = counts[..., 1] * share[..., 0]
  total = weight.sum(axis=1)
  told = total > 0
  total = np.where(told, total, 1)
  value = gap.sum(axis=1) / total
  swapped = share[..., ::-1]
  sign = np.array([-1, 1])
  by_values = sign * swapped
  by_counts = (sign * -values[..., ::-1] - gap[..., None]) / size
  by_counts -= value[:, None, None] * swapped**2
  gradient = np.stack([by_values, by_counts], axis=1).reshape(sums.shape)
  return np.where(told, value, np.nan), gradient / total[:, None]
