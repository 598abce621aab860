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
import functools
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

from empathy.evaluation import samples, scores

FULL = 'text+audio'
VALUES = np.arange(1.0, 8.0)
WORLDS = ('linked', 'unlinked', 'drawn together', 'other seeds')
_NUM_VOTES = 5
_NUM_SEEDS = 3
HELD = (
  *(f'scores.{FULL}.{name}' for name in (*scores.FIGURES, 'crps')),
  f'scores.{FULL}.coverage_80.gap',
  'scores.full_minus_text.ccc',
  'scores.text_vs_full.apart',
  'scores.text_vs_full.excess',
  'scores.text_vs_full.unshared',
  'scores.text_vs_full.ambiguity',
)
FOUND = ('excess', 'unshared', 'ambiguity_excess', 'errors_excess')


def simulate(random: np.random.Generator, num_groups: int, world: str):
  """A corpus with values and votes, and predictions of two views."""
  sizes = np.maximum(1, random.lognormal(1.5, 0.5, num_groups).astype(int))
  groups = np.repeat(np.arange(num_groups), sizes)
  number = len(groups)

  def by_group(deviation: float) -> np.ndarray:
    return random.normal(0, deviation, num_groups)[groups]

  truth = 4 + by_group(0.7) + random.normal(0, 1, number)
  first = truth + by_group(0.4) + random.normal(0, 0.7, number)
  second = truth + by_group(0.4) + random.normal(0, 0.7, number)
  apart = np.abs(first - second)
  both = (first + second) / 2
  full = 4 + 0.8 * (both - 4)
  noise = random.normal(0, 0.35, (2, _NUM_SEEDS, number))
  view = {
    'drawn together': 4 + 0.5 * (full - 4) + 0.5 * noise[0],
    'other seeds': full,
  }.get(world, 4 + 0.65 * (first - 4))
  score = both + random.normal(0, 0.8, number)
  spread = np.full(number, 1.0)
  if world == 'linked':
    score = np.where(random.random(number) < 0.5, first, second)
    spread = 0.5 + 0.7 * apart
  rated = score[:, None] + spread[:, None] * random.normal(
    size=(number, _NUM_VOTES)
  )
  votes = np.stack(
    [(_nearest(rated) == c).sum(axis=1) for c in range(len(VALUES))], axis=1
  )
  labels = _nearest(score)
  corpus = made.corpus(groups, labels, tuple('1234567'), votes={FULL: votes})
  corpus = made.with_values(corpus, tuple(VALUES), np.clip(score, 1, 7))
  return corpus, made.predictions(
    {'text': _of(view + noise[0]), FULL: _of(full + noise[1])}
  )


def _nearest(found: np.ndarray) -> np.ndarray:
  return np.clip(np.round(found), 1, 7).astype(int) - 1


def _of(middle: np.ndarray) -> np.ndarray:
  """Distributions over the values whose middles are (S, n)."""
  return made.softmax(-((VALUES - middle[..., None]) ** 2) / 1.5)


def figures(seed: int, num_groups: int, world: str, num_resamples: int):
  """What is found in a corpus, by name."""
  corpus, predictions = simulate(np.random.default_rng(seed), num_groups, world)
  few = functools.partial(samples.Groups, num_resamples=num_resamples)
  sample = functools.partial(samples.Sample, num_resamples=num_resamples)
  with (
    mock.patch.object(samples, 'Groups', few),
    mock.patch.object(samples, 'Sample', sample),
  ):
    found = made.answer(scores, corpus, predictions).statistics
  return {
    name: (one.estimate, one.low, one.high, one.p)
    for name, one in found.items()
  }


def truths(num_groups: int = 20_000, number: int = 4) -> dict[str, float]:
  """The figures of very many groups."""
  every = [
    figures(10**9 + seed, num_groups, 'linked', 10) for seed in range(number)
  ]
  return {
    name: float(np.mean([one[name][0] for one in every])) for name in HELD
  }


def _all(num_corpora, num_groups, world, num_resamples, workers):
  run = functools.partial(
    figures, num_groups=num_groups, world=world, num_resamples=num_resamples
  )
  with concurrent.futures.ProcessPoolExecutor(workers) as pool:
    every = pool.map(run, range(num_corpora), chunksize=5)
    return list(tqdm.tqdm(every, total=num_corpora, disable=None))


def held(
  num_corpora: int,
  num_groups: int,
  num_resamples: int,
  truth: dict[str, float],
  workers: int = 1,
) -> dict[str, float]:
  """By figure, the share of corpora whose interval holds the truth."""
  every = _all(num_corpora, num_groups, 'linked', num_resamples, workers)
  return {
    name: float(
      np.mean([one[name][1] <= truth[name] <= one[name][2] for one in every])
    )
    for name in HELD
  }


def found(
  num_corpora: int,
  num_groups: int,
  num_resamples: int,
  world: str,
  workers: int = 1,
) -> dict[str, tuple[float, float, float]]:
  """By figure: its mean, how often it is found above zero, and below."""
  every = _all(num_corpora, num_groups, world, num_resamples, workers)
  names = {name: f'scores.text_vs_full.{name}' for name in FOUND}
  return {
    name: (
      float(np.mean([one[full][0] for one in every])),
      float(np.mean([one[full][1] > 0 for one in every])),
      float(np.mean([one[full][2] < 0 for one in every])),
    )
    for name, full in names.items()
  }


def main():
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--corpora', type=int, default=4_000)
  parser.add_argument('--found', type=int, default=1_000)
  parser.add_argument('--groups', type=int, nargs='+', default=[24, 60])
  parser.add_argument('--resamples', type=int, default=1_000)
  parser.add_argument('--workers', type=int, default=os.cpu_count())
  args = parser.parse_args()
  truth = truths()
  for num_groups in args.groups:
    shares = held(args.corpora, num_groups, args.resamples, truth, args.workers)
    for name, share in shares.items():
      print(f'{num_groups:3} groups {share:6.1%}  {name}', flush=True)
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
