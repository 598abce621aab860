"""Do intervals of scores hold the truth, and are made conflicts found?

  python tests/validity/score_intervals.py --corpora=4000

Simulates corpora of 24 and of 60 groups of unequal size, some five clips each,
and prints how many 95 % intervals of each figure hold the true one, which is
known by brute force: the same figure of very many groups. Groups, clips and
seeds are new in every corpus. Then it prints how often a disagreement of views
in score is found, and what it tells, in worlds of which the truth is known:

  linked         ratings vary more, and the label is nearer to one of the cues,
                 where the cues are apart
  unlinked       the cues are apart, and neither is so
  drawn together the view is the full one with its scores drawn together and
                 more noise of seeds
  other seeds    the view is other seeds of the full one
"""

import argparse
import concurrent.futures
import dataclasses
import functools
import itertools
import os
import pathlib
import sys
from unittest import mock

# A process for each core, and each is one thread.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'evaluation'))

import made
import numpy as np
import tqdm
from scipy import special

from empathy.evaluation import (
  comparison,
  concordance,
  distance,
  resampling,
  samples,
  scores,
  views,
  weighing,
)
from empathy.evaluation.units import Scale

FULL = 'text+audio'
VALUES = np.arange(1.0, 8.0)
WORLDS = ('linked', 'unlinked', 'drawn together', 'other seeds')
_NUM_VOTES = 5
NUM_SEEDS = 6
FOUND = ('excess', 'unshared', 'ambiguity_excess', 'errors_excess')


@dataclasses.dataclass(frozen=True)
class Clips:
  """Simulated clips.

  Attributes:
    groups: (n,) int64.
    score: (n,) float64, the true score.
    rated: (n, V) int64, the class of each rating.
    views: (S, n, K) each, the distributions of the seeds of a single view and
      of the full one.
  """

  groups: np.ndarray
  score: np.ndarray
  rated: np.ndarray
  views: tuple[np.ndarray, np.ndarray]


def simulate(
  seed: int, num_groups: int, world: str, num_seeds: int = NUM_SEEDS
) -> Clips:
  """The clips of a corpus, of groups of some five clips."""
  random = np.random.default_rng(seed)
  sizes = np.maximum(1, random.lognormal(1.5, 0.5, num_groups).astype(int))
  groups = np.repeat(np.arange(num_groups), sizes)
  number = len(groups)

  def by_group(deviation: float) -> np.ndarray:
    return random.normal(0, deviation, num_groups)[groups]

  truth = 4 + by_group(0.7) + random.normal(0, 1, number)
  first = truth + by_group(0.4) + random.normal(0, 0.7, number)
  second = truth + by_group(0.4) + random.normal(0, 0.7, number)
  both = (first + second) / 2
  full = 4 + 0.8 * (both - 4)
  noise = random.normal(0, 0.35, (2, num_seeds, number))
  view = {
    'drawn together': 4 + 0.5 * (full - 4) + 0.5 * noise[0],
    'other seeds': full,
  }.get(world, 4 + 0.65 * (first - 4))
  score = both + random.normal(0, 0.8, number)
  spread = np.ones(number)
  if world == 'linked':
    score = np.where(random.random(number) < 0.5, first, second)
    spread = 0.5 + 0.7 * np.abs(first - second)
  ratings = random.normal(score[:, None], spread[:, None], (number, _NUM_VOTES))
  return Clips(
    groups,
    np.clip(score, 1, 7),
    _nearest(ratings),
    (_of(view + noise[0]), _of(full + noise[1])),
  )


def _nearest(found: np.ndarray) -> np.ndarray:
  return np.clip(np.round(found), 1, 7).astype(int) - 1


def _of(middle: np.ndarray) -> np.ndarray:
  """Distributions over the values whose middles are (S, n)."""
  return made.softmax(-((VALUES - middle[..., None]) ** 2) / 1.5)


def whole(seed: int, num_groups: int, world: str, num_resamples: int):
  """What views' distances tell in a corpus: estimate, low, high by name."""
  clips = simulate(seed, num_groups, world)
  votes = np.stack([(clips.rated == c).sum(axis=1) for c in range(7)], axis=1)
  corpus = made.corpus(
    clips.groups,
    _nearest(clips.score),
    tuple('1234567'),
    votes={FULL: votes},
  )
  corpus = made.with_values(corpus, tuple(VALUES), clips.score)
  predictions = made.predictions(
    dict(zip(('text', FULL), clips.views, strict=True))
  )
  with _few(num_resamples):
    totals, plan = made.added_up(corpus, predictions)
    every = scores.answer_votes(totals, plan)
    distance.answer(every, totals, plan)
  return {
    name: (one.estimate, one.low, one.high)
    for name, one in every.statistics.items()
  }


def _few(num_resamples: int):
  """Draws of groups are so few."""
  few = functools.partial(samples.Groups, num_resamples=num_resamples)
  return mock.patch.object(samples, 'Groups', few)


def figures(
  seed: int, num_groups: int, num_resamples: int, num_seeds: int = NUM_SEEDS
):
  """Figures of the full view alone, and its gain, which take little time."""
  clips = simulate(seed, num_groups, 'linked', num_seeds)
  sample = samples.sample(clips.groups, num_resamples)
  score = clips.score - VALUES.mean()
  view, full = (p @ VALUES - VALUES.mean() for p in clips.views)

  def sums(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    flat = concordance.moments(x.T, y[:, None]).reshape(len(y), -1)
    return sample.totals(flat).reshape(sample.num_groups, len(x), 6)

  own = sums(full, score)
  classes = sums(
    *(_nearest(one + VALUES.mean()) - 3.0 for one in (full, score))
  )
  asked = {
    'RMSE': (own, concordance.rmse, Scale.LOG),
    'CCC': (own, concordance.ccc, Scale.FISHER),
    'Pearson': (own, concordance.pearson, Scale.FISHER),
    'weighted kappa': (classes, concordance.ccc, Scale.FISHER),
  }
  found = {}
  for name, (totals, function, scale) in asked.items():
    statistic, seeds = concordance.over_seeds(totals, function)
    found[name] = resampling.estimate(sample, statistic, scale, seeds)
  both = [own, sums(view, score)]
  gain = weighing.minus(
    *(concordance.over_seeds(one, concordance.ccc)[0] for one in both)
  )
  seeds = views.noise_of_difference(
    [np.arange(num_seeds)] * 2,
    [concordance.by_seed(one, concordance.ccc) for one in both],
  )
  found['gain in CCC'] = resampling.estimate(sample, gain, seeds=seeds)
  return {
    name: (one.estimate, one.low, one.high) for name, one in found.items()
  }


def truths(num_groups: int = 100_000) -> dict[str, float]:
  """The figures of very many groups."""
  every = figures(10**9, num_groups, 10)
  return {name: estimate for name, (estimate, _, _) in every.items()}


def _all(run, num_corpora: int, workers: int):
  if workers == 1:
    return [run(seed) for seed in range(num_corpora)]
  with concurrent.futures.ProcessPoolExecutor(workers) as pool:
    every = pool.map(run, range(num_corpora), chunksize=20)
    return list(tqdm.tqdm(every, total=num_corpora, disable=None))


def held(
  num_corpora: int,
  num_groups: int,
  num_resamples: int,
  truth: dict[str, float],
  workers: int = 1,
  num_seeds: int = NUM_SEEDS,
) -> dict[str, float]:
  """By figure, the share of corpora whose interval holds the truth."""
  run = functools.partial(
    figures,
    num_groups=num_groups,
    num_resamples=num_resamples,
    num_seeds=num_seeds,
  )
  every = _all(run, num_corpora, workers)
  return {
    name: float(np.mean([one[name][1] <= t <= one[name][2] for one in every]))
    for name, t in truth.items()
  }


def of_labels(
  num_corpora: int, num_groups: int, num_resamples: int
) -> tuple[float, float]:
  """How often the interval of a mean accuracy over three labels holds it.

  What is hard about a group is so in all labels.

  Returns:
    The share of corpora; and that if labels are taken for independent ones.
  """

  def right(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    sizes = np.maximum(1, random.lognormal(1.5, 0.5, number).astype(int))
    groups = np.repeat(np.arange(number), sizes)
    easy = random.normal(0, 0.8, number) + random.normal(0, 0.4, (3, number))
    chance = special.expit(np.array([[0.2], [0.8], [1.4]]) + easy[:, groups])
    return groups, random.random(chance.shape) < chance

  truth = right(10**9, 200_000)[1].mean()
  together, apart = [], []
  for seed in range(num_corpora):
    groups, labels = right(seed, num_groups)
    sample = samples.sample(groups, num_resamples)
    each = [
      resampling.estimate(sample, made.mean(sample, own), Scale.LOGIT)
      for own in labels
    ]
    with _few(num_resamples):
      one = comparison.combined([(1 / 3, own) for own in each], Scale.LOGIT)
    together.append(one.low <= truth <= one.high)
    reach = np.hypot.reduce([(own.high - own.low) / 6 for own in each])
    apart.append(abs(one.estimate - truth) <= reach)
  return float(np.mean(together)), float(np.mean(apart))


def found(
  num_corpora: int,
  num_groups: int,
  num_resamples: int,
  world: str,
  workers: int = 1,
) -> dict[str, tuple[float, float, float]]:
  """By figure: its mean, how often it is found above zero, and below."""
  run = functools.partial(
    whole, num_groups=num_groups, world=world, num_resamples=num_resamples
  )
  every = _all(run, num_corpora, workers)
  names = {name: f'scores.text_vs_full.{name}' for name in FOUND}
  return {
    name: (
      float(np.mean([one[full][0] for one in every])),
      float(np.mean([one[full][1] > 0 for one in every])),
      float(np.mean([one[full][2] < 0 for one in every])),
    )
    for name, full in names.items()
  }


def miscalibrated(
  num_corpora: int, num_clips: int = 120, num_groups: int = 24
) -> dict[str, float]:
  """How often right distributions, most of them sure, are found wrong."""
  names = {
    level: f'scores.text.coverage_{level}.gap' for level in scores.LEVELS
  }
  every = []
  for seed in range(num_corpora):
    random = np.random.default_rng(seed)
    p = made.softmax(random.normal(0, 2.5, (num_clips, 3)))
    label = (random.random((num_clips, 1)) > p.cumsum(axis=1)[:, :-1]).sum(1)
    corpus = made.corpus(np.arange(num_clips) % num_groups, label)
    predictions = made.predictions({'text': p[None]})
    with _few(999):
      found = made.answer(scores, made.with_values(corpus), predictions)
    every.append([found.statistics[name].p for name in names.values()])
  rejected = np.array(every, np.float64) < 0.05
  return dict(zip(names, rejected.mean(axis=0).tolist(), strict=True))


def main():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--corpora', type=int, default=4_000)
  parser.add_argument('--found', type=int, default=400)
  parser.add_argument('--groups', type=int, nargs='+', default=[24, 60])
  parser.add_argument('--seeds', type=int, nargs='+', default=[1, 3, 6])
  parser.add_argument('--resamples', type=int, default=500)
  parser.add_argument('--workers', type=int, default=os.cpu_count())
  args = parser.parse_args()
  truth = truths()
  for num_groups, num_seeds in itertools.product(args.groups, args.seeds):
    shares = held(
      args.corpora, num_groups, args.resamples, truth, args.workers, num_seeds
    )
    for name, share in shares.items():
      print(
        f'{num_groups:3} groups {num_seeds:2} seeds {share:6.1%}  {name}',
        flush=True,
      )
  for num_groups in args.groups:
    shares = of_labels(args.corpora // 2, num_groups, args.resamples)
    print(
      f'{num_groups:3} groups, mean of three labels {shares[0]:.1%}; as if '
      f'they were independent {shares[1]:.1%}'
    )
  for level, share in miscalibrated(args.found).items():
    print(f'right central {level} % intervals found wrong {share:.1%}')
  for world in WORLDS:
    every = found(args.found, 40, args.resamples, world, args.workers)
    for name, (mean, above, below) in every.items():
      print(
        f'{world:15} {name:17} mean {mean:6.3f} above {above:6.1%} '
        f'below {below:6.1%}',
        flush=True,
      )


if __name__ == '__main__':
  main()
