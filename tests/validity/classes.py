"""Do intervals of figures of classes hold the truth?

  python tests/validity/classes.py --corpora=1000

Simulates corpora of 24 groups of unequal size, with three views of three seeds
and votes in two conditions that make the label, and prints how many 95 %
intervals hold the true figure: recall, precision and F1 of a common and of a
rare class; what the full view gains in F1 over the best of two single ones that
are tied; the share of votes equal to a label made anew, and its gain. The truth
is the mean of the same figure over large corpora with seeds of their own.
"""

import argparse
import collections
import os

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import human_classes, view_classes, views
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch

_CLASSES = ('common', 'middling', 'rare')
_SHARES = (0.55, 0.3, 0.15)
_VIEWS = {'text': 1.0, 'audio': 1.0, 'text+audio': 1.5}
_CONDITIONS = {'text': 0.8, 'text+audio': 1.4}
_NUM_SEEDS = 3
_NUM_VOTES = 8
FIGURES = tuple(
  f'{stem}_of.{name}'
  for stem in (
    'views.text.recall',
    'views.text+audio.precision',
    'views.text+audio.f1',
    'views.full_minus_best_single.f1',
    'humans.text.accuracy',
    'humans.full_minus_best.accuracy',
  )
  for name in ('common', 'rare')
)


def simulate(random: np.random.Generator, num_groups: int) -> Batch:
  """A corpus in which groups differ in how well classes are known."""
  sizes = np.maximum(4, random.lognormal(3.2, 0.7, num_groups).astype(int))
  group = np.repeat(np.arange(num_groups), sizes)
  n, num_classes = len(group), len(_CLASSES)
  true = random.choice(num_classes, n, p=_SHARES)
  gold = np.eye(num_classes)[true]
  bias = random.normal(0, 0.4, (num_groups, num_classes))[group]
  ease = (0.8 + random.normal(0, 0.3, num_groups))[group]
  ease = (ease + random.normal(0, 0.5, n))[:, None]
  probabilities = {}
  for view, strength in _VIEWS.items():
    own = random.normal(0, 0.3, (num_groups, num_classes))[group]
    seeds = random.normal(0, 0.15, (_NUM_SEEDS, 1, num_classes))
    noise = random.gumbel(0, 0.7, (_NUM_SEEDS, n, num_classes))
    scores = strength * 1.5 * ease * gold + bias + own + seeds + noise
    said = scores.argmax(axis=-1)
    probabilities[view] = 0.7 * np.eye(num_classes)[said] + 0.1
  votes = {}
  for condition, strength in _CONDITIONS.items():
    own = random.normal(0, 0.3, (num_groups, num_classes))[group]
    shares = np.exp(strength * 2 * ease * gold + bias + own)
    shares /= shares.sum(axis=1, keepdims=True)
    votes[condition] = random.multinomial(_NUM_VOTES, shares)
  rows = [
    (clip, place, label, counts[clip, label])
    for place, counts in enumerate(votes.values())
    for clip, label in np.argwhere(counts)
  ]
  clip, condition, label, count = np.array(rows).T
  corpus = corpus_lib.Corpus(
    info={
      'name': 'simulated',
      'classes': list(_CLASSES),
      'modalities': ['text', 'audio'],
      'conditions': list(_CONDITIONS),
      'license': 'none',
      'source': 'simulated',
    },
    ids=np.array([f'clip{i}' for i in range(n)]),
    groups=np.array([f'group{i:06d}' for i in group]),
    labels=votes['text+audio'].argmax(axis=1).astype(np.int32),
    votes=corpus_lib.Votes(
      clip.astype(np.int32),
      condition.astype(np.int32),
      np.full(len(clip), ''),
      label.astype(np.int32),
      count.astype(np.int64),
    ),
  )
  folds = (group % 5).astype(np.int32)
  return Batch(
    corpus,
    predictions_lib.Predictions(
      views=tuple(_VIEWS),
      seeds={view: np.arange(_NUM_SEEDS) for view in _VIEWS},
      probabilities=probabilities,
      subsets={(view, view): p for view, p in probabilities.items()},
      folds={view: np.tile(folds, (_NUM_SEEDS, 1)) for view in _VIEWS},
      gates={view: {} for view in _VIEWS},
      attention={view: {} for view in _VIEWS},
      num_rows=n * _NUM_SEEDS * len(_VIEWS),
    ),
  )


def judge(batch: Batch) -> dict:
  """The statistics of classes of a corpus, by name."""
  plan = plan_lib.of_batch(batch)
  adder = totals_lib.Adder(batch.corpus.groups)
  for question in (views, view_classes, human_classes):
    question.tally(batch, plan, adder)
  totals = adder.totals()
  return (
    view_classes.answer(totals, plan).statistics
    | human_classes.answer(totals, plan).statistics
  )


def truths(num_corpora: int = 40, num_groups: int = 500) -> dict[str, float]:
  """Means over large corpora, of new seeds each.

  The two single views are tied, so the least gain is the gain over either.
  """
  random = np.random.default_rng(1)
  every = [judge(simulate(random, num_groups)) for _ in range(num_corpora)]
  found = {
    name: float(np.mean([one[name].estimate for one in every]))
    for name in every[0]
  }
  for name in _CLASSES:
    full, *single = (
      found[f'views.{view}.f1_of.{name}']
      for view in ('text+audio', 'text', 'audio')
    )
    gain = f'views.full_minus_best_single.f1_of.{name}'
    found[gain] = full - float(np.mean(single))
  return found


def coverage(num_corpora: int, num_groups: int = 24) -> dict[str, float]:
  """The share of intervals that hold the truth, of those there are, by name."""
  truth = truths()
  held, told = collections.Counter(), collections.Counter()
  for seed in range(num_corpora):
    found = judge(simulate(np.random.default_rng((seed, 7)), num_groups))
    for name in FIGURES:
      one = found[name]
      if one.low is not None:
        told[name] += 1
        held[name] += one.low <= truth[name] <= one.high
  return {name: held[name] / max(told[name], 1) for name in FIGURES}


def main() -> None:
  """Prints them."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--corpora', type=int, default=1000)
  for name, share in coverage(parser.parse_args().corpora).items():
    print(f'{100 * share:5.1f} %  {name}')


if __name__ == '__main__':
  main()
