"""Does the primary figure of question 3 mean what it says?

  python tests/validity/endpoint.py --corpora=400

Simulates corpora with groups of unequal size in worlds of which the truth is
known, and prints for the adjusted difference of any disagreement, for its
controls and for what is beyond other seeds: the mean over corpora, how often
the 95 % interval lies above and below zero, and how often it holds that mean.
Groups, clips and seeds are new in every corpus.

The evidence of two modalities adds up to that of the fusion. Annotators vote by
the same sum, on their own scale:

  linked       in a share of clips one cue points elsewhere, and there
               annotators are less certain than the sum would have it
  reversed     the same, but there they are more certain
  unlinked     the cues conflict, and annotators do not mind
  no conflict  a real second view, of cues that never conflict
  noise view   the second view knows nothing
  other seeds  three single views that are other seeds of the full view
"""

import argparse
import concurrent.futures
import functools
import itertools
import os
from collections.abc import Callable

# A process for each core, and each is one thread.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np
from scipy import special

from empathy.evaluation import (
  beyond_seeds,
  controls,
  resampling,
  samples,
  sides,
  totals,
  weighing,
)
from empathy.evaluation import confidence as confidence_lib
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import SeedNoise

_NUM_CLASSES = 3
_NUM_VOTES = 6
_NUM_GROUPS = 40
# How much surer or less sure annotators are of clips in conflict: the factor of
# the evidence that they vote by.
WORLDS = {
  'linked': {'conflict': 0.3, 'scale': 0.3},
  'reversed': {'conflict': 0.3, 'scale': 2.5},
  'unlinked': {'conflict': 0.3, 'scale': 1.0},
  'no conflict': {'conflict': 0.0, 'scale': 1.0},
  'noise view': {'conflict': 0.0, 'scale': 1.0, 'noise': True},
  'other seeds': {'conflict': 0.3, 'scale': 0.3, 'others': 3},
}
FIGURES = (
  'raw',
  'adjusted',
  'adjusted by seed',
  'control: seed',
  'control: constant',
  'control: noise',
  'control: permuted',
  'beyond seeds',
)


def simulate(
  random: np.random.Generator,
  conflict: float,
  scale: float,
  noise: bool = False,
  others: int = 0,
  num_seeds: int = 6,
  num_clips: int = 1_000,
  seed_noise: float = 0.3,
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
  """A corpus of one world.

  Args:
    random: its state moves on.
    conflict: the share of clips on which the second cue points elsewhere.
    scale: of the evidence by which annotators vote on those.
    noise: whether the second view knows nothing.
    others: of how many seeds of the full view the single views are made, if
      they are.
    num_seeds: of each view.
    num_clips: about how many.
    seed_noise: standard deviation of the seeds' scores.

  Returns:
    Groups (n,); scores (S, n, C) of the single views and the full one; votes
    (n, C).
  """
  share = random.lognormal(0, 0.7, _NUM_GROUPS)
  group = np.sort(random.choice(_NUM_GROUPS, num_clips, p=share / share.sum()))
  gold = random.integers(0, _NUM_CLASSES, num_clips)
  there = random.random(num_clips) < conflict
  shown = np.stack([gold, gold])
  shown[1, there] = (gold + random.integers(1, _NUM_CLASSES, num_clips))[
    there
  ] % _NUM_CLASSES
  plainness = random.lognormal(0, 0.3, _NUM_GROUPS)[group]
  evidence = 1.3 * plainness[:, None] * np.eye(_NUM_CLASSES)[shown]
  evidence = evidence + random.normal(0, 0.8, evidence.shape)
  if noise:
    evidence[1] = random.normal(0, 1, evidence[1].shape)
  felt = evidence[0] + (0 if noise else evidence[1])
  votes = random.multinomial(
    _NUM_VOTES,
    special.softmax(felt * np.where(there, scale, 1)[:, None], axis=1),
  )

  def seeds(scores: np.ndarray) -> np.ndarray:
    shape = (num_seeds, *scores.shape)
    # A seed leans to a class on all clips, too.
    lean = random.normal(0, seed_noise / 2, (num_seeds, 1, scores.shape[1]))
    return scores + lean + random.normal(0, seed_noise, shape)

  singles = [felt] * others or evidence
  scores = {f'view {row}': seeds(e) for row, e in enumerate(singles)}
  return group, scores | {'full': seeds(felt)}, votes


def figures(
  group: np.ndarray,
  scores: dict[str, np.ndarray],
  votes: np.ndarray,
  num_resamples: int,
) -> tuple[
  samples.Sample,
  dict[str, Callable[[], weighing.Statistic]],
  SeedNoise | None,
]:
  """The sample, the figures of question 3 as the study asks them, the noise.

  Each figure is made when it is called for.
  """
  p = {view: special.softmax(s, axis=-1) for view, s in scores.items()}
  mean = {view: values.mean(axis=0) for view, values in p.items()}
  said = {view: values.argmax(axis=-1) for view, values in mean.items()}
  views = [view for view in scores if view != 'full']
  singles = np.stack([said[view] for view in views])
  differ = (singles != said['full']).any(axis=0)
  uncertainty = votes_lib.gs(votes)
  stratum, num_strata = _strata(mean['full'])
  sample = samples.sample(group, num_resamples)
  own = sides.of_clips(sample, uncertainty, differ, stratum)
  # All views predict every clip, which is the last pattern.
  size = 1 << len(views)
  counts = functools.cache(
    lambda: totals.Counts(
      sides.of_clips(
        sample, uncertainty, differ, size * (stratum + 1) - 1, size * num_strata
      ).matrix,
      (2, num_strata, size, 2),
    )
  )
  numbers = (singles[..., None] == np.arange(_NUM_CLASSES)).sum(axis=1)
  labelled = [
    beyond_seeds.Labelled(
      np.arange(len(p[view])) + 100 * place, p[view].argmax(axis=-1)
    )
    for place, view in enumerate(['full', *views])
  ]
  both = beyond_seeds.matched(
    sample,
    uncertainty,
    np.stack([_strata(member)[0] for member in p['full']]),
    labelled[0],
    labelled[1:],
  )
  by_seed, control = map(sides.adjusted, (both.views, both.control))
  found = {
    'raw': lambda: sides.difference(own),
    'adjusted': lambda: sides.adjusted(own),
    'adjusted by seed': lambda: by_seed,
    'control: seed': lambda: control,
    'beyond seeds': lambda: weighing.minus(by_seed, control),
  }

  def of_control(matrix: Callable[[], np.ndarray]) -> weighing.Figure:
    return sides.adjusted(sides.Sides(sample, matrix()))

  for name, matrix in (
    ('constant', lambda: controls.constant(counts(), _NUM_CLASSES)),
    ('noise', lambda: controls.noise(counts(), numbers)),
    ('permuted', lambda: controls.permuted(controls.merged(counts()), True)),
  ):
    found[f'control: {name}'] = functools.partial(of_control, matrix)
  return sample, found, both.noise


def _strata(probabilities: np.ndarray) -> tuple[np.ndarray, int]:
  """The strata of clips, and how many there are."""
  found = confidence_lib.strata(
    confidence_lib.histogram(probabilities.max(axis=1))
  )
  return found.of(probabilities), _NUM_CLASSES * found.num_bins


def judge(
  seed: int, world: str, num_resamples: int, num_seeds: int, names: list[str]
) -> np.ndarray:
  """(figures, 3): a corpus' figures and their intervals' ends.

  A figure that does not exist, as that of a constant view within a label, is
  NaN, and so are the ends of one without an interval.
  """
  random = np.random.default_rng((seed, list(WORLDS).index(world)))
  corpus = simulate(random, num_seeds=num_seeds, **WORLDS[world])
  sample, statistics, noise = figures(*corpus, num_resamples)
  found = []
  for name in names:
    seeds = noise if name == 'beyond seeds' else seeds_lib.THESE_SEEDS
    one = resampling.estimate(sample, statistics[name](), seeds=seeds)
    found.append(
      [
        np.nan if value is None else value
        for value in (one.estimate, one.low, one.high)
      ]
    )
  return np.array(found)


def run(
  num_corpora: int,
  world: str,
  num_resamples: int = 2_000,
  num_seeds: int = 6,
  names: tuple[str, ...] = FIGURES,
  apply=map,
) -> dict[str, np.ndarray]:
  """By figure: its mean, and shares of intervals above, below and right.

  The last is of those that hold the figure's mean over the corpora.
  """
  one = functools.partial(
    judge,
    world=world,
    num_resamples=num_resamples,
    num_seeds=num_seeds,
    names=names,
  )
  value, low, high = np.moveaxis(
    np.array(list(apply(one, range(num_corpora)))), -1, 0
  )
  mean = value.mean(axis=0)
  held = ((low <= mean) & (mean <= high)).mean(axis=0)
  above, below = (low > 0).mean(axis=0), (high < 0).mean(axis=0)
  return dict(
    zip(names, np.stack([mean, above, below, held], axis=1), strict=True)
  )


def main() -> None:
  """Runs the simulations and prints a table."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--corpora', type=int, default=400)
  num_corpora = parser.parse_args().corpora
  print(
    f'{num_corpora:,} corpora a world; points; % above and below zero, and of '
    'intervals that hold the mean\n'
  )
  with concurrent.futures.ProcessPoolExecutor() as pool:
    apply = functools.partial(pool.map, chunksize=10)
    for world, num_seeds in itertools.product(WORLDS, (4, 6)):
      print(f'{world}, {num_seeds} seeds')
      found = run(num_corpora, world, num_seeds=num_seeds, apply=apply)
      for name, (mean, above, below, held) in found.items():
        print(
          f'  {name:20}{100 * mean:8.2f}{100 * above:8.1f}{100 * below:8.1f}'
          f'{100 * held:8.1f}'
        )


if __name__ == '__main__':
  main()
