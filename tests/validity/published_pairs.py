"""How far experts, a crowd and models agree: medians over all dimensions.

  python tests/validity/published_pairs.py FOLDER

FOLDER holds the published ratings of Kumar et al. 2026 (see the importer
`empathic_communication`). For each kind of pair the median of weighted kappa
over nine dimensions and all pairs of the kind, by values of the scale, and the
mean, each with a 95 % interval over new conversations: percentiles of 10,000
draws of the conversations of either set, and the study's. (The jackknife is of
no use for a median: it takes the pair in the middle for all of them.)
"""

import itertools
import pathlib
import sys

import numpy as np

from empathy.corpora.importers import empathic_communication
from empathy.evaluation import kappas, resampling, samples, totals
from empathy.evaluation.units import Scale

EXPERTS = ('expert1', 'expert2', 'expert3')
MODELS = ('gpt', 'claude', 'gemini')
KINDS = {
  'expert, expert': list(itertools.combinations(EXPERTS, 2)),
  'expert, model': list(itertools.product(EXPERTS, MODELS)),
  'expert, crowd': [(expert, 'crowd') for expert in EXPERTS],
  'crowd, model': [('crowd', model) for model in MODELS],
  'model, model': list(itertools.combinations(MODELS, 2)),
}


def rated(corpus, name):
  """What a rater says of each conversation: (N,), NaN where nothing."""
  found = np.full(len(corpus.ids), np.nan)
  for votes in (corpus.votes, corpus.judges):
    own = votes.annotator == name
    found[votes.clip[own]] = votes.scores[own]
  return found


def statistic(corpus, pair):
  """Weighted kappa of a pair, by the weights of all conversations."""
  first, second = (rated(corpus, name) for name in pair)
  there = np.flatnonzero(~np.isnan(first + second))
  sample = samples.Sample(corpus.ids, len(corpus.ids), group=there)
  clips = totals.Rows(
    ('x', 'y'),
    there,
    np.stack([first[there], second[there]], axis=1),
    np.ones(len(there)),
  )
  return kappas.weighted_kappa(sample, clips, None)


def main(folder):
  corpora = empathic_communication.read(pathlib.Path(folder))
  first = next(iter(corpora.values()))
  sets = first.metadata['set']
  everyone = samples.Groups(first.ids, len(first.ids))
  random = np.random.default_rng(0)
  draws = np.concatenate(
    [
      random.multinomial(number, np.full(number, 1 / number), 10_000)
      for number in np.unique(sets, return_counts=True)[1][::-1]
    ],
    axis=1,
  ).astype(float)
  for kind, pairs in KINDS.items():
    each = [
      statistic(corpus, pair) for corpus in corpora.values() for pair in pairs
    ]
    one = resampling.estimate(everyone, kappas.mean(each), Scale.FISHER)
    plain = np.ones((1, len(first.ids)))
    every = [weights(plain)[0][0] for weights in each]
    drawn = np.median([weights(draws)[0] for weights in each], axis=0)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    print(
      f'{kind:15} {len(each):3} pairs: median {np.median(every):.2f} '
      f'({low:.2f} to {high:.2f}), mean {one.estimate:.2f} '
      f'({one.low:.2f} to {one.high:.2f})'
    )


if __name__ == '__main__':
  main(*sys.argv[1:])
