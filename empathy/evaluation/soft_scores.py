"""How far a view's probabilities lie from the votes of annotators.

A model may be right about the label and wrong about how divided people are.
"""

import numpy as np
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import ambiguity, disagreement, resampling
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation.findings import Findings, Scale, interval_cells

_LEAST = 1e-15
_ZERO = 1e-12
FIGURES = (
  'human_cross_entropy',
  'human_jensen_shannon',
  'human_manhattan',
  'human_wasserstein',
  'human_entropy_correlation',
)


def soft_scores(
  corpus: corpus_lib.Corpus, predictions: predictions_lib.Predictions
) -> Findings:
  """Compares each view's mean over seeds with the shares of the votes.

  Votes are those that speak for the clip, where there are two or more. With few
  votes a clip, their shares lie far from those of all people, so every distance
  is above zero for the best of models; views of the same clips can be compared.
  The cross-entropy alone is unbiased, for it is linear in the shares.

  Args:
    corpus: for the votes and groups.
    predictions: of any views.

  Returns:
    For each view, means over clips `views.<view>.human_cross_entropy` (nats),
    `.human_jensen_shannon` (the distance), `.human_manhattan`,
    `.human_wasserstein` (where classes are ordered), and
    `.human_entropy_correlation` (Pearson's, over clips, of the entropies of
    probabilities and votes); the table `soft_scores`.
  """
  if corpus.votes is None:
    return Findings(skipped={'soft_scores': 'The corpus has no votes.'})
  votes = ambiguity.speaking_votes(corpus)[0]
  total = votes.sum(axis=1)
  found, rows = Findings(), []
  for view in predictions.views:
    prefix = f'views.{view}'
    mean = predictions_lib.mean_over_seeds(predictions.probabilities[view])
    chosen = (total > 1) & ~np.isnan(mean[:, 0])
    if not chosen.any():
      found.skipped[f'{prefix}.human_cross_entropy'] = (
        'No clip that the view predicts has two votes or more.'
      )
      continue
    sample = resampling.sample(corpus.groups[chosen])
    model = mean[chosen]
    humans = votes[chosen] / total[chosen, None]
    scores = {
      'human_cross_entropy': cross_entropy(model, humans),
      'human_jensen_shannon': jensen_shannon(model, humans),
      'human_manhattan': manhattan(model, humans),
    }
    if corpus.info.get('ordered'):
      scores['human_wasserstein'] = wasserstein(model, humans)
    for name, values in scores.items():
      totals = sample.totals(np.stack([values, np.ones(len(values))], axis=1))
      found.add(
        f'{prefix}.{name}',
        resampling.estimate(sample, resampling.mean(totals), Scale.LOG),
      )
    found.add(
      f'{prefix}.human_entropy_correlation',
      resampling.estimate(
        sample,
        correlation(
          sample, disagreement.entropy(model), disagreement.entropy(humans)
        ),
        Scale.FISHER,
      ),
      'The votes of all clips, or the probabilities, are equally uncertain.',
    )
    row = {'view': view, 'num_clips': int(chosen.sum())}
    for name in FIGURES:
      row |= interval_cells(f'{prefix}.{name}', name)
    rows.append(row)
  if not corpus.info.get('ordered'):
    found.skipped['views.human_wasserstein'] = 'The classes are not ordered.'
  if rows:
    found.tables['soft_scores'] = rows
  return found


def cross_entropy(model: np.ndarray, humans: np.ndarray) -> np.ndarray:
  """-sum_c q_c log p_c in nats, with p (N, C) clipped at 1e-15: (N,)."""
  return -special.xlogy(humans, np.maximum(model, _LEAST)).sum(axis=-1)


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The Jensen-Shannon distance of distributions (N, C): (N,).

  The root of the divergence in nats, which unlike the divergence is a metric
  (Endres and Schindelin 2003, IEEE Trans. Inf. Theory 49:1858).
  """
  return np.sqrt(disagreement.divergence(np.stack([first, second])))


def manhattan(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """sum_c |p_c - q_c| of distributions (N, C), from 0 to 2: (N,)."""
  return np.abs(first - second).sum(axis=-1)


def wasserstein(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """How many classes a vote must move, on average, to turn one into the other.

  The 1-Wasserstein distance of distributions (N, C) over ordered classes that
  lie one step apart.

  Returns:
    (N,) from 0 to C - 1.
  """
  gap = np.cumsum(first - second, axis=-1)[:, :-1]
  return np.abs(gap).sum(axis=-1)


def correlation(
  sample: resampling.Sample, first: np.ndarray, second: np.ndarray
) -> resampling.Statistic:
  """Pearson's correlation of two variables (n,) over clips.

  Returns:
    The statistic; undefined where one of both is constant.
  """
  # Centred, so that no digits are lost.
  x, y = first - first.mean(), second - second.mean()
  columns = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
  return resampling.of_totals(sample.totals(columns), _correlation)


def _correlation(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Pearson's correlation of totals (R, 6): 1, x, y, xx, yy, xy."""
  number = np.maximum(sums[:, 0], 1e-300)
  x, y, xx, yy, xy = sums[:, 1:].T / number
  spread_x, spread_y = xx - x * x, yy - y * y
  told = np.minimum(spread_x, spread_y) > _ZERO
  spread_x, spread_y = np.where(told, [spread_x, spread_y], 1)
  root = np.sqrt(spread_x * spread_y)
  value = (xy - x * y) / root
  by_x = -y / root + value * x / spread_x
  by_y = -x / root + value * y / spread_y
  by_xx, by_yy = -value / (2 * spread_x), -value / (2 * spread_y)
  gradient = np.stack([by_x, by_y, by_xx, by_yy, 1 / root], axis=1)
  # The figure does not change when all clips grow alike (Euler).
  own = -(gradient * np.stack([x, y, xx, yy, xy], axis=1)).sum(axis=1)
  gradient = np.concatenate([own[:, None], gradient], axis=1)
  return np.where(told, value, np.nan), gradient / number[:, None]
