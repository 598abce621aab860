"""Does the primary figure of question 3 mean what it says?

  python tests/validity/endpoint.py --corpora=400

Simulates corpora with groups of unequal size in worlds of which the truth is
known, and prints for the adjusted difference of any disagreement, for its four
controls and for what it exceeds the control of other seeds by: the mean over
corpora, and how often the 95 % interval lies above and below zero.

The evidence of two modalities adds up to that of the fusion. Annotators vote by
the same sum, on their own scale:

  linked       in a share of clips one cue points elsewhere, and there
               annotators are less certain than the sum would have it
  reversed     the same, but there they are more certain
  unlinked     the cues conflict, and annotators do not mind
  no conflict  a real second view, of cues that never conflict
  noise view   the second view knows nothing
"""

import argparse
import concurrent.futures
import functools
import os

# A process for each core, and each is one thread.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np
from scipy import special

from empathy.evaluation import ambiguity, controls, resampling

_NUM_CLASSES = 3
_NUM_SEEDS = 5
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
}
FIGURES = (
  'raw',
  'adjusted',
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
  num_clips: int = 1_000,
  seed_noise: float = 0.3,
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
  """A corpus of one world.

  Args:
    random: its state moves on.
    conflict: the share of clips on which the second cue points elsewhere.
    scale: of the evidence by which annotators vote on those.
    noise: whether the second view knows nothing.
    num_clips: about how many.
    seed_noise: standard deviation of the seeds' scores.

  Returns:
    Groups (n,); scores (S, n, C) of the views first, second and full; votes
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
    shape = (_NUM_SEEDS, *scores.shape)
    return scores + random.normal(0, seed_noise, shape)

  scores = {'first': seeds(evidence[0]), 'second': seeds(evidence[1])}
  return group, scores | {'full': seeds(felt)}, votes


def figures(
  group: np.ndarray,
  scores: dict[str, np.ndarray],
  votes: np.ndarray,
  num_resamples: int,
) -> tuple[resampling.Sample, dict[str, resampling.Statistic]]:
  """The sample and the figures of question 3, as the study asks them."""
  p = {view: special.softmax(s, axis=-1) for view, s in scores.items()}
  mean = {view: values.mean(axis=0) for view, values in p.items()}
  said = {view: values.argmax(axis=-1) for view, values in mean.items()}
  singles = np.stack([said['first'], said['second']])
  differ = (singles != said['full']).any(axis=0)
  uncertainty = ambiguity.gs(votes)
  stratum = ambiguity.strata(mean['full'])
  held_out, references = controls.seed(p['full'], len(singles))
  seed_stratum = np.stack([ambiguity.strata(r) for r in references])
  sample = resampling.sample(group, num_resamples)
  adjusted = functools.partial(ambiguity.adjusted_difference, sample)
  own = adjusted(differ, uncertainty, stratum)
  seed = adjusted(held_out, uncertainty, seed_stratum)
  return sample, {
    'raw': ambiguity.difference(sample, differ, uncertainty),
    'adjusted': own,
    'control: seed': seed,
    'control: constant': adjusted(
      controls.constant(said['full']), uncertainty, stratum
    ),
    'control: noise': adjusted(
      controls.noise(said['full'], singles, _NUM_CLASSES), uncertainty, stratum
    ),
    'control: permuted': adjusted(
      differ, controls.permuted(uncertainty, stratum, sample.group), stratum
    ),
    'beyond seeds': resampling.minus(own, seed),
  }


def judge(seed: int, world: str, num_resamples: int) -> np.ndarray:
  """(figures, 3): the figure, whether it is above and below zero, of a corpus.

  A figure that does not exist, as that of a constant view within a label, is
  NaN, and one without an interval is neither.
  """
  random = np.random.default_rng((seed, list(WORLDS).index(world)))
  corpus = simulate(random, **WORLDS[world])
  sample, statistics = figures(*corpus, num_resamples)
  found = []
  for name in FIGURES:
    one = resampling.estimate(sample, statistics[name])
    value = np.nan if one.estimate is None else one.estimate
    known = one.low is not None
    found.append((value, known and one.low > 0, known and one.high < 0))
  return np.array(found)


def run(
  num_corpora: int, world: str, num_resamples: int = 2_000, apply=map
) -> dict[str, np.ndarray]:
  """By figure: its mean, and the shares above and below zero."""
  one = functools.partial(judge, world=world, num_resamples=num_resamples)
  judged = apply(one, range(num_corpora))
  return dict(
    zip(FIGURES, np.mean(np.array(list(judged)), axis=0), strict=True)
  )


def main() -> None:
  """Runs the simulations and prints a table."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--corpora', type=int, default=400)
  num_corpora = parser.parse_args().corpora
  print(f'{num_corpora:,} corpora a world; points; % above and below zero\n')
  with concurrent.futures.ProcessPoolExecutor() as pool:
    apply = functools.partial(pool.map, chunksize=10)
    for world in WORLDS:
      print(world)
      found = run(num_corpora, world, apply=apply)
      for name, (mean, above, below) in found.items():
        print(
          f'  {name:20}{100 * mean:8.2f}{100 * above:8.1f}{100 * below:8.1f}'
        )


if __name__ == '__main__':
  main()
