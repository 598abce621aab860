"""Do the intervals hold the truth, and do tests keep their level?

  python tests/validity/intervals.py --corpora=4000

Simulates corpora of 24 and of 60 groups of unequal size and prints, for each
kind of statistic, how many 95 % intervals hold the true figure; how many tests
at 5 % reject where there is no effect; what intervals that ignore groups hold;
and how often the interval of a trained model holds the expected accuracy of the
recipe that trained it. The truth is known by brute force: the same statistic of
one corpus of very many groups.
"""

import argparse
import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable

# A process for each core, and each is one thread.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np
import tqdm
from scipy import special

from empathy.evaluation import (
  agreement,
  disagreement,
  findings,
  pivots,
  ranking,
  resampling,
  samples,
  sides,
  views,
  weighing,
)
from empathy.evaluation import confidence as confidence_lib
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import SeedNoise
from empathy.evaluation.units import Scale

_NUM_VOTES = 5
_NUM_CLASSES = 3
_NUM_SEEDS = 3
# As many as to make models of few groups differ.
_NUM_FEATURES = 100
_LEAST = 'full minus best of two tied'
_RECIPE = 'accuracy, of the recipe'


@dataclasses.dataclass(frozen=True)
class Corpus:
  """A simulated corpus, judged by two single views and a full one.

  Attributes:
    group: (n,) int64.
    gold: (n,) int64, the label.
    said: (3, n) int64, the labels of text, audio and the full view.
    doubt: (2, n) float64, two signals of doubt.
    votes: (n, C) int64.
    idle: (n,) float64, tells of the clip nothing but its group.
    seeds: (S, n) int64, the labels of the seeds of one more view.
  """

  group: np.ndarray
  gold: np.ndarray
  said: np.ndarray
  doubt: np.ndarray
  votes: np.ndarray
  idle: np.ndarray
  seeds: np.ndarray


def sizes(random: np.random.Generator, num_groups: int) -> np.ndarray:
  """Clips of each group; the logarithm's standard deviation is .7."""
  return np.maximum(1, random.lognormal(2.7, 0.7, num_groups).astype(int))


def simulate(random: np.random.Generator, num_groups: int) -> Corpus:
  """A corpus in which groups differ in everything.

  The two single views are tied, the full one is better. Clips that are hard are
  so for all views, for signals of doubt and for annotators.
  """
  group = np.repeat(np.arange(num_groups), sizes(random, num_groups))
  n = len(group)

  def by_group(scale: float, *shape: int) -> np.ndarray:
    return random.normal(0, scale, (*shape, num_groups))[..., group]

  gold = random.integers(0, _NUM_CLASSES, n)

  def said(chance: np.ndarray) -> np.ndarray:
    """Labels that are right where a logistic draw is below `chance`."""
    off = random.integers(1, _NUM_CLASSES, chance.shape)
    right = random.logistic(0, 1, chance.shape) < chance
    return np.where(right, gold, (gold + off) % _NUM_CLASSES)

  ease = 0.9 + by_group(0.5) + random.normal(0, 0.8, n)
  better = np.array([[0.0], [0.0], [0.45]])
  doubt = random.normal(0, [[0.8], [1.1]], (2, n)) + by_group(0.4, 2) - ease
  # Seeds differ as a whole, by group and by clip.
  seeds = random.normal(0, 0.15, (_NUM_SEEDS, 1)) + by_group(0.2, _NUM_SEEDS)
  scores = 1.2 * ease[:, None] * np.eye(_NUM_CLASSES)[gold]
  scores = scores + by_group(0.5, _NUM_CLASSES).T
  shares = np.exp(scores - scores.max(axis=1, keepdims=True))
  shares /= shares.sum(axis=1, keepdims=True)
  return Corpus(
    group,
    gold,
    said(ease + better + by_group(0.35, 3)),
    doubt,
    random.multinomial(_NUM_VOTES, shares),
    by_group(0.8) + random.normal(0, 1, n),
    said(ease + seeds),
  )


def _mean(sample: samples.Sample, values: np.ndarray) -> weighing.Statistic:
  columns = np.stack([values, np.ones(len(values))], axis=1)
  return weighing.mean(sample.totals(columns))


def _pair(
  sample: samples.Sample, first: np.ndarray, second: np.ndarray
) -> disagreement.Pair:
  """The sums of two views of one seed each, whose labels are (n,)."""
  none = np.zeros((sample.num_groups, 1, 1))
  return disagreement.Pair(
    sample,
    (np.array([0]), np.array([1])),
    sample.totals(np.ones(len(first)))[:, 0],
    sample.totals(first != second)[:, :, None],
    none,
    none,
    *(
      sample.counts(labels, _NUM_CLASSES)[:, None] for labels in (first, second)
    ),
  )


def figures(
  corpus: Corpus, sample: samples.Sample
) -> dict[str, tuple[weighing.Statistic, SeedNoise | None, Scale]]:
  """By name: the statistic, its seeds' noise and its scale."""
  contested = votes_lib.contested(corpus.votes)
  right = (corpus.said == corpus.gold).astype(np.float64)
  differ = corpus.said[0] != corpus.said[2]
  alpha = agreement.coefficients(_NUM_CLASSES)['alpha_nominal']
  alpha_sums = sample.totals(alpha.parts(corpus.votes.astype(np.float64)))
  kappa, _ = disagreement.kappa(_pair(sample, corpus.said[0], corpus.said[2]))
  curves = [ranking.auroc(sample, doubt, contested) for doubt in corpus.doubt]
  seeds, noise = views.mean_over_seeds(
    sample.totals((corpus.seeds == corpus.gold).T),
    sample.totals(np.ones_like(corpus.seeds).T),
  )
  said, gold = (
    labels[:, None] == np.arange(_NUM_CLASSES)
    for labels in (corpus.said[0], corpus.gold)
  )
  f1_parts = np.stack([said & gold, said, gold], axis=1)
  f1_totals = sample.totals(f1_parts.reshape(len(gold), -1))
  f1, _ = views.f1_statistics(f1_totals.reshape(-1, 1, 3, _NUM_CLASSES))[
    'macro_f1'
  ]
  gap = sides.difference(
    sides.of_clips(sample, votes_lib.gs(corpus.votes), differ)
  )
  these = seeds_lib.THESE_SEEDS
  return {
    'accuracy': (_mean(sample, right[0]), these, Scale.LOGIT),
    f'accuracy, mean of {_NUM_SEEDS} seeds': (seeds, noise, Scale.LOGIT),
    'macro F1': (f1, these, Scale.LOGIT),
    'disagreement': (_mean(sample, differ), these, Scale.LOGIT),
    "Cohen's kappa": (kappa, these, Scale.FISHER),
    'alpha': (alpha.of_totals(alpha_sums), these, Scale.FISHER),
    'AUROC': (curves[0], these, Scale.LOGIT),
    'AUROC difference': (weighing.minus(*curves), these, Scale.IDENTITY),
    'GS difference': (gap, these, Scale.IDENTITY),
    'full minus view': (
      _mean(sample, right[2] - right[0]),
      these,
      Scale.IDENTITY,
    ),
  }


def truths(num_groups: int) -> dict[str, float]:
  """The figures of one corpus of `num_groups` groups, and of many seeds."""
  corpus = simulate(np.random.default_rng(1), num_groups)
  # All in one group, for nothing is drawn here.
  sample = samples.sample(np.zeros(len(corpus.group), np.int64))
  found = {
    name: float(statistic(np.ones((1, 1)))[0][0])
    for name, (statistic, *_) in figures(corpus, sample).items()
  }
  random = np.random.default_rng(2)
  accuracies = []
  # A seed is as good as it is everywhere, so new ones are needed.
  for _ in range(400):
    seeds = simulate(random, max(num_groups // 400, 1))
    accuracies.append((seeds.seeds == seeds.gold).mean())
  found[f'accuracy, mean of {_NUM_SEEDS} seeds'] = float(np.mean(accuracies))
  return found | {_LEAST: found['full minus view']}


def judge(
  seed: int, num_groups: int, num_resamples: int, truth: dict[str, float]
) -> dict[tuple[str, str], bool]:
  """What one corpus says: by arm and name, whether it held or rejected."""
  random = np.random.default_rng((seed, num_groups))
  corpus = simulate(random, num_groups)
  grouped = samples.sample(corpus.group, num_resamples)
  clips = samples.sample(np.arange(len(corpus.group)))
  found = {}
  for arm, sample in (('by group', grouped), ('groups ignored', clips)):
    for name, (statistic, noise, scale) in figures(corpus, sample).items():
      estimate = resampling.estimate(sample, statistic, scale, noise)
      found[arm, name] = _holds(estimate, truth[name])
  right = (corpus.said == corpus.gold).astype(np.float64)
  differences = [
    pivots.studentise(grouped, _mean(grouped, right[2] - right[view]))
    for view in (0, 1)
  ]
  least = resampling.minimum(grouped, differences, len(corpus.group))
  found['by group', _LEAST] = _holds(least, truth[_LEAST])
  for name, p in p_values(corpus, grouped, random).items():
    found['rejected', name] = p <= 0.05
  return found


def _holds(estimate: findings.Estimate, truth: float) -> bool:
  # Without an interval nothing is held.
  return estimate.low is not None and estimate.low <= truth <= estimate.high


def p_values(
  corpus: Corpus, sample: samples.Sample, random: np.random.Generator
) -> dict[str, float]:
  """Tests of effects that are not there, in groups that differ."""
  n = len(corpus.group)
  gs = votes_lib.gs(corpus.votes)
  contested = votes_lib.contested(corpus.votes)
  right = (corpus.said == corpus.gold).astype(np.float64)
  # The same chance in all groups: else its sides would differ by their groups,
  # and that would be an effect.
  coin = random.random(n) < 0.4
  equal = [
    ranking.auroc(sample, random.normal(0, 1, n), contested) for _ in range(2)
  ]

  twentieths = confidence_lib.bins(
    confidence_lib.histogram(corpus.doubt[0]), 20
  )
  twentieth = twentieths.bin_of(corpus.doubt[0])

  def p_value(statistic: weighing.Statistic) -> float:
    found = resampling.estimate(sample, statistic, null=True)
    return 1.0 if found.p is None else found.p

  return {
    'accuracy of tied views': p_value(_mean(sample, right[0] - right[1])),
    'GS by a coin': p_value(sides.difference(sides.of_clips(sample, gs, coin))),
    'GS by a coin, adjusted': p_value(
      sides.adjusted(sides.of_clips(sample, gs, coin, twentieth))
    ),
    'AUROC of two coins': p_value(weighing.minus(*equal)),
    'association of what groups share': p_value(
      ranking.spearman(sample, corpus.idle, gs)
    ),
  }


def retrain(
  seed: int, num_groups: int, num_resamples: int
) -> tuple[float, float, float | None, float | None]:
  """Trains a classifier on groups of its own and judges it on others.

  Returns:
    Hits and clips of the test groups, and the ends of the accuracy's interval.
  """
  random = np.random.default_rng((seed, num_groups, 3))
  means = np.random.default_rng(4).normal(
    0, 0.15, (_NUM_CLASSES, _NUM_FEATURES)
  )

  def clips() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    group = np.repeat(np.arange(num_groups), sizes(random, num_groups))
    gold = random.integers(0, _NUM_CLASSES, len(group))
    shift = random.normal(0, 0.5, (num_groups, _NUM_FEATURES))[group]
    noise = random.normal(0, 1, (len(group), _NUM_FEATURES))
    return group, gold, means[gold] + shift + noise

  _, gold, features = clips()
  ridge = features.T @ features + np.eye(_NUM_FEATURES)
  weights = np.linalg.solve(ridge, features.T @ np.eye(_NUM_CLASSES)[gold])
  group, gold, features = clips()
  right = (features @ weights).argmax(axis=1) == gold
  sample = samples.sample(group, num_resamples)
  found = resampling.estimate(sample, _mean(sample, right), scale=Scale.LOGIT)
  return float(right.sum()), float(len(right)), found.low, found.high


def few_seeds(
  num_corpora: int, num_seeds: int, num_groups: int = 300, num_clips: int = 100
) -> float:
  """How often the mean of few seeds, which differ by 1 point, is held.

  Groups are alike, so that nearly all of the error is the seeds'.
  """
  random = np.random.default_rng((num_seeds, 5))
  sample = samples.sample(np.repeat(np.arange(num_groups), num_clips))
  number = np.full((num_groups, num_seeds), float(num_clips))
  held = 0
  for _ in range(num_corpora):
    right = random.normal(0.75, 0.01, num_seeds)
    hits = random.binomial(num_clips, right, number.shape).astype(np.float64)
    total = number.sum(axis=0)
    means = hits.sum(axis=0) / total
    noise = seeds_lib.seed_variance(
      (means, ((hits - means * number) / total).T)
    )
    found = resampling.estimate(
      sample, weighing.mean_of_ratios(hits, number), Scale.LOGIT, noise
    )
    held += found.low <= 0.75 <= found.high
  return held / num_corpora


def few_events(
  num_corpora: int,
  expected: float,
  num_clips: int = 300,
  by_group: int = 1,
  num_resamples: int = 1_000,
) -> tuple[float, float]:
  """How often an AUROC of .80 of few positive clips is held.

  Args:
    num_corpora: how many to simulate.
    expected: positive clips, on average.
    num_clips: of each corpus.
    by_group: clips of a group. If each is a group of its own, they are all
      alike; else groups differ in how many are positive.
    num_resamples: of each interval, if groups are drawn.

  Returns:
    The share of intervals that hold it (1 if there is none), and how many
    corpora have an interval.
  """
  random = np.random.default_rng((round(10 * expected), by_group, 6))
  sample = samples.sample(np.arange(num_clips) // by_group, num_resamples)
  apart = 2**0.5 * special.ndtri(0.8)
  held = told = 0
  for _ in range(num_corpora):
    chance = np.full(sample.num_groups, expected / num_clips)
    if by_group > 1:
      chance *= random.gamma(2, 1 / 2, sample.num_groups)
    positive = random.random(num_clips) < chance[sample.group]
    signal = random.normal(0, 1, num_clips) + apart * positive
    figure = ranking.auroc(sample, signal, positive)
    found = resampling.estimate(sample, figure, Scale.LOGIT)
    if found.low is not None:
      told += 1
      held += found.low <= 0.8 <= found.high
  return held / told if told else 1.0, told / num_corpora


def run(
  num_corpora: int,
  num_groups: int,
  num_resamples: int,
  truth: dict[str, float],
  apply: Callable = map,
) -> dict[tuple[str, str], float]:
  """The share of corpora that held, or rejected, by arm and name.

  Args:
    num_corpora: how many to simulate.
    num_groups: in each.
    num_resamples: of each interval.
    truth: of `truths`.
    apply: `map`, or one that does several things at a time.

  Returns:
    Shares.
  """
  seeds = range(num_corpora)
  arguments = {'num_groups': num_groups, 'num_resamples': num_resamples}
  found = list(apply(functools.partial(judge, truth=truth, **arguments), seeds))
  shares = {
    key: sum(held[key] for held in found) / num_corpora for key in found[0]
  }
  trained = list(apply(functools.partial(retrain, **arguments), seeds))
  hits, clips = np.sum([one[:2] for one in trained], axis=0)
  shares['retrained', _RECIPE] = float(
    np.mean([low <= hits / clips <= high for *_, low, high in trained])
  )
  return shares


def main() -> None:
  """Runs the simulations and prints a table."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--corpora', type=int, default=4_000)
  parser.add_argument('--resamples', type=int, default=2_000)
  arguments = parser.parse_args()
  truth = truths(200_000)
  columns = {}
  with concurrent.futures.ProcessPoolExecutor() as pool:

    def apply(function, seeds):
      found = pool.map(function, seeds, chunksize=20)
      return tqdm.tqdm(found, total=len(seeds), mininterval=10)

    for num_groups in (24, 60):
      columns[num_groups] = run(
        arguments.corpora, num_groups, arguments.resamples, truth, apply
      )
  print(f'{arguments.corpora:,} corpora, {arguments.resamples:,} draws each, %')
  error = 100 * (0.05 * 0.95 / arguments.corpora) ** 0.5
  print(f'(a share of 95 or 5 % is known to {error:.2f})\n')
  print(f'{"":16}{"":40}{"24 groups":>10}{"60 groups":>10}')
  for arm, name in columns[24]:
    shares = [100 * columns[num_groups][arm, name] for num_groups in (24, 60)]
    print(f'{arm:16}{name:40}{shares[0]:10.1f}{shares[1]:10.1f}')
  print('\n300 groups of 100 clips, seeds with a standard deviation of 1 point')
  for num_seeds in (3, 5, 10):
    share = few_seeds(arguments.corpora, num_seeds)
    print(f'{num_seeds:16} seeds{100 * share:10.1f}')
  print('\nAUROC .80; held, and how many corpora have an interval')
  for num_clips, by_group in ((300, 1), (320, 8)):
    print(f'{num_clips // by_group:16} groups, {num_clips} clips')
    for expected in (3, 6, 10, 15, 30, 45):
      share, told = few_events(arguments.corpora, expected, num_clips, by_group)
      print(f'{expected:16} errors{100 * share:10.1f}{100 * told:10.1f}')


if __name__ == '__main__':
  main()
