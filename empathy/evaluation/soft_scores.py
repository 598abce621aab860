"""How far a view's probabilities lie from the votes of annotators.

A model may be right about the label and wrong about how divided people are.

The shares of a few votes lie far from those of all people. Cross-entropy and
Brier's score, less what sampling adds to it, are proper all the same: on
average nothing scores better than the shares of all people. The distances are
not: with 3 or 5 votes a clip they like probabilities best that are too sure.
So each stands beside what it would be if the votes had been drawn from these
very probabilities, and only its excess over that tells of an error.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import resampling
from empathy.evaluation import signals as signals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  Scale,
  interval_cells,
)

_LEAST = 1e-15
_ZERO = 1e-12
_NUM_DRAWS = 20
_SEED = 20250513
FIGURES = (
  'human_cross_entropy',
  'human_cross_entropy_null',
  'human_brier',
  'human_jensen_shannon',
  'human_jensen_shannon_null',
  'human_manhattan',
  'human_manhattan_null',
  'human_wasserstein',
  'human_wasserstein_null',
  'human_entropy_correlation',
)


def soft_scores(
  corpus: corpus_lib.Corpus, predictions: predictions_lib.Predictions
) -> Findings:
  """Compares each view's mean over seeds with the shares of the votes.

  Votes are those that speak for the clip, where there are two or more.

  Args:
    corpus: for the votes and groups.
    predictions: of any views.

  Returns:
    For each view, means over clips: `views.<view>.human_cross_entropy` (nats)
    and `.human_brier`, by which views can be compared; the distances
    `.human_jensen_shannon`, `.human_manhattan` and `.human_wasserstein` (where
    classes are ordered); `<figure>_null`, what the figure would be if the votes
    had been drawn from the view's own probabilities (that of `human_brier` is
    0); and `.human_entropy_correlation` (Pearson's, over clips, of the
    entropies of probabilities and votes). The table `soft_scores`.
  """
  if corpus.votes is None:
    return Findings(skipped={'soft_scores': 'The corpus has no votes.'})
  votes = votes_lib.speaking_votes(corpus)[0]
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
    number = total[chosen]
    humans = votes[chosen] / number[:, None]
    distances = {
      'human_jensen_shannon': jensen_shannon,
      'human_manhattan': manhattan,
    }
    if corpus.info.get('ordered'):
      distances['human_wasserstein'] = wasserstein
    scores = {
      'human_cross_entropy': cross_entropy(model, humans),
      'human_brier': brier(model, humans, number),
    } | {name: distance(model, humans) for name, distance in distances.items()}
    for name, values in scores.items():
      totals = sample.totals(np.stack([values, np.ones(len(values))], axis=1))
      found.add(
        f'{prefix}.{name}',
        resampling.estimate(
          sample,
          resampling.mean(totals),
          # Less its sampling term, a score may be below 0 by chance.
          Scale.IDENTITY if name == 'human_brier' else Scale.LOG,
        ),
      )
    # In the order of their ids, for draws depend on the order.
    order = np.argsort(corpus.ids[chosen])
    nulls = drawn_from(model[order], number[order], list(distances.values()))
    nulls = dict(zip(distances, nulls, strict=True))
    nulls['human_cross_entropy'] = float(signals_lib.entropy(model).mean())
    for name, value in nulls.items():
      found.add(
        f'{prefix}.{name}_null',
        Estimate(
          value,
          n=len(number),
          method='mean entropy of the probabilities'
          if name == 'human_cross_entropy'
          else f'votes drawn {_NUM_DRAWS} times from the probabilities',
        ),
      )
    found.add(
      f'{prefix}.human_entropy_correlation',
      resampling.estimate(
        sample,
        correlation(
          sample, signals_lib.entropy(model), signals_lib.entropy(humans)
        ),
        Scale.FISHER,
      ),
      'The votes of all clips, or the probabilities, are equally uncertain.',
    )
    row = {'view': view, 'num_clips': int(chosen.sum())}
    for name in FIGURES:
      if name.endswith('_null'):
        row[name] = Cell(f'{prefix}.{name}')
      else:
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


def brier(
  model: np.ndarray, humans: np.ndarray, number: np.ndarray
) -> np.ndarray:
  """The squared distance to the shares of all people, without bias.

  sum_c (p_c - q_c)^2 - q_c (1 - q_c) / (n - 1) of shares q of n votes: the
  latter is what sampling adds to the former. Brier's score (1950, Monthly
  Weather Review 78:1) against votes differs from it by a term that is the same
  for every model.

  Args:
    model: (N, C) probabilities.
    humans: (N, C) shares of votes.
    number: (N,) votes of each clip, two at least.

  Returns:
    (N,), each of which may be below 0.
  """
  sampling = (humans * (1 - humans)).sum(axis=-1) / (number - 1)
  return ((model - humans) ** 2).sum(axis=-1) - sampling


def drawn_from(
  model: np.ndarray,
  number: np.ndarray,
  distances: Sequence[Callable[[np.ndarray, np.ndarray], np.ndarray]],
) -> list[float]:
  """The mean distances of votes that are drawn from the probabilities.

  Args:
    model: (N, C) probabilities.
    number: (N,) votes of each clip.
    distances: functions of the probabilities and of shares of votes (N, C).

  Returns:
    The mean over clips and draws of each distance.
  """
  random = np.random.default_rng(_SEED)
  model = model / model.sum(axis=1, keepdims=True)
  found = np.zeros(len(distances))
  for _ in range(_NUM_DRAWS):
    shares = random.multinomial(number, model) / number[:, None]
    found += [distance(model, shares).mean() for distance in distances]
  return (found / _NUM_DRAWS).tolist()


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The Jensen-Shannon distance of distributions (N, C): (N,).

  The root of the divergence in nats, which unlike the divergence is a metric
  (Endres and Schindelin 2003, IEEE Trans. Inf. Theory 49:1858).
  """
  return np.sqrt(signals_lib.divergence(np.stack([first, second])))


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
