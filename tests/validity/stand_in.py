"""How often a model passes the alternative annotator test that should not.

  python tests/validity/stand_in.py [NUM_WORLDS]

Every annotator's difference is epsilon exactly, so that no model may stand in
for any of them. Clips are of speakers, by whom the difference varies; five
annotators share clips and speakers. Printed are, of the published t-test and of
that with groups drawn whole: how often one annotator's test rejects at 5 %, and
how often the model passes, that is beats half of the annotators or more after
Benjamini and Yekutieli; and how often the advantage's interval holds its truth.
"""

import sys

import numpy as np

from empathy.evaluation import resampling, samples, stand_in, weighing
from empathy.evaluation.units import Scale

NUM_ANNOTATORS = 5
EPSILON = 0.15


def world(random, num_groups, size, spread):
  """Sums (A, G, 4) of clips whose difference is epsilon on average.

  Args:
    random: numbers.
    num_groups: G.
    size: clips of a group, on average.
    spread: how far a speaker moves the difference; 0 for none.
  """
  shift = spread * random.choice([-1, 1], num_groups)
  clips = random.integers(size // 2, size + size // 2 + 1, num_groups)
  group = np.repeat(np.arange(num_groups), clips)
  found = []
  for _ in range(NUM_ANNOTATORS):
    better = 0.3 + EPSILON / 2 + shift[group] / 2
    worse = 0.3 - EPSILON / 2 - shift[group] / 2
    place = random.random(len(group))
    gap = np.where(place < better, 1, np.where(place < better + worse, -1, 0))
    columns = [np.ones(len(gap)), gap <= 0, gap, gap**2]
    found.append(
      np.stack([np.bincount(group, c, num_groups) for c in columns], axis=1)
    )
  return np.stack(found)


def judged(sums):
  """P-values of both tests (A,), and the ends of the advantage's interval."""
  names = np.array([f'{g:03}' for g in range(sums.shape[1])])
  groups = samples.Groups(names, int(sums[0, :, 0].sum()), 2_000)
  by_group = np.moveaxis(sums, 0, 1)
  whole = stand_in.tests(by_group).p(EPSILON)
  advantage = resampling.estimate(
    groups,
    weighing.mean_of_ratios(by_group[..., 1], by_group[..., 0]),
    Scale.LOGIT,
  )
  published = stand_in.published_p(sums.sum(axis=1), EPSILON)
  return published, whole, advantage


def main(num_worlds=1_000):
  truth = 1 - (0.3 + EPSILON / 2)
  print('groups clips spread  published: test pass   whole: test pass   holds')
  for num_groups, size in ((12, 20), (24, 12), (60, 8), (240, 4)):
    for spread in (0.0, 0.2, 0.4):
      random = np.random.default_rng(7)
      tests, passes, holds = np.zeros(2), np.zeros(2), 0
      for _ in range(num_worlds):
        published, whole, advantage = judged(
          world(random, num_groups, size, spread)
        )
        for place, p in enumerate((published, whole)):
          tests[place] += (p <= 0.05).mean()
          passes[place] += stand_in.yekutieli(p).mean() >= 0.5
        holds += advantage.low <= truth <= advantage.high
      tests, passes = 100 * tests / num_worlds, 100 * passes / num_worlds
      print(
        f'{num_groups:6} {size:5} {spread:6} {tests[0]:15.1f} {passes[0]:4.1f}'
        f' {tests[1]:13.1f} {passes[1]:4.1f} {100 * holds / num_worlds:9.1f}'
      )


if __name__ == '__main__':
  main(*map(int, sys.argv[1:]))
