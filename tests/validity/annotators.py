"""Do intervals of figures of votes hold the truth of other annotators, too?

  python tests/validity/annotators.py --corpora=400
  python tests/validity/annotators.py --corpora=200 --apart=0.2

Simulates corpora whose 20 annotators lean to classes and tell them apart, each
in a way of his own, and prints for each kind of figure how many 95 % intervals
hold the true figure: those of a study, and those over speakers alone. The truth
is known by brute force: the same figure of one corpus of very many speakers,
each of whose clips has annotators of its own.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable, Sequence

# A process for each core, and each is one thread.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np
import tqdm
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  ambiguity,
  conflict,
  deletions,
  humans,
  information,
  signal_rows,
  soft_scores,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch

_CLASSES = ('low', 'middle', 'high')
_VIEWS = ('text', 'audio', 'text+audio')
_NUM_SEEDS = 3
QUESTIONS = (humans, ambiguity, soft_scores)
# Of votes on modalities that point elsewhere.
APART = (conflict, information)
_TALLIES = {information: information.tally_votes}


@dataclasses.dataclass(frozen=True)
class World:
  """What is simulated.

  Attributes:
    groups: how many speakers, of some four clips each. From 200 on, intervals
      need no draws.
    annotators: how many.
    anew: whether every clip has annotators of its own, so many; they vote in
      either condition, as those do who are the same for all clips.
    votes: of each condition on a clip.
    spread: how far annotators differ.
    uneven: whether some of them vote far more often.
    apart: in which share of clips text, or audio, points to another class to
      those who are shown it alone; without any, nobody is shown audio alone.
  """

  groups: int = 210
  annotators: int = 20
  anew: bool = False
  votes: int = 5
  spread: float = 0.6
  uneven: bool = False
  apart: float = 0.0


def simulate(
  random: np.random.Generator, world: World
) -> tuple[corpus_lib.Corpus, predictions_lib.Predictions]:
  """A corpus, and what models predict of it."""
  size = 1 + random.poisson(3, world.groups)
  group = np.repeat(np.arange(world.groups), size)
  n = len(group)
  gold = random.integers(0, 3, n)
  ease = 1.2 + random.normal(0, 0.4, world.groups)[group]
  ease = ease + random.normal(0, 0.6, n)
  cue = ease[:, None] * np.eye(3)[gold]
  conditions = {'text': cue, 'text+audio': cue}
  if world.apart:
    alone = [_elsewhere(random, world, gold, ease) for _ in range(2)]
    conditions = dict(zip(_VIEWS, (*alone, 0.8 * sum(alone)), strict=True))
  voted = [_votes(random, world, one) for one in conditions.values()]
  num_people = world.annotators * (n if world.anew else 1)
  lean = random.normal(0, world.spread, (num_people, 3))
  sense = np.exp(random.normal(0, 0.5 * world.spread, num_people))
  parts = []
  for place, (clip, who, cue_) in enumerate(voted):
    scores = sense[who][:, None] * cue_[clip] + lean[who]
    shares = special.softmax(scores, axis=1).cumsum(axis=1)
    label = (random.random((len(clip), 1)) > shares[:, :2]).sum(axis=1)
    parts.append((clip, np.full(len(clip), place), who, label))
  clip, condition, who, label = map(np.concatenate, zip(*parts, strict=True))
  corpus = corpus_lib.Corpus(
    {
      'name': 'simulated',
      'classes': list(_CLASSES),
      'modalities': ['text', 'audio'],
      'conditions': list(conditions),
      'license': '',
      'source': '',
      'ordered': True,
      'label_source': 'gold',
    },
    np.arange(n).astype(np.str_),
    np.array([f'speaker {g}' for g in group]),
    gold.astype(np.int32),
    votes=corpus_lib.Votes(
      clip.astype(np.int32),
      condition.astype(np.int32),
      np.char.add('a', who.astype(np.str_)),
      label.astype(np.int32),
      np.ones(len(clip), np.int64),
    ),
  )
  shown = conditions if world.apart else dict.fromkeys(_VIEWS, cue)
  return corpus, _predictions(random, shown)


def _elsewhere(
  random: np.random.Generator, world: World, gold: np.ndarray, ease: np.ndarray
) -> np.ndarray:
  """The cue of one modality: (N, 3)."""
  other = (gold + random.integers(1, 3, len(gold))) % 3
  away = random.random(len(gold)) < world.apart
  return ease[:, None] * np.eye(3)[np.where(away, other, gold)]


def _votes(
  random: np.random.Generator, world: World, cue: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Of each vote the clip and who gave it."""
  n = len(cue)
  clip = np.repeat(np.arange(n), world.votes)
  busy = np.ones(world.annotators)
  if world.uneven:
    busy = 1 / np.arange(1, world.annotators + 1)
  # The first of random orders in which the busy come early (Gumbel).
  order = np.log(busy) + random.gumbel(size=(n, world.annotators))
  who = np.argsort(-order, axis=1)[:, : world.votes]
  who = who.ravel()
  return clip, who + clip * world.annotators * world.anew, cue


def _predictions(
  random: np.random.Generator, shown: dict[str, np.ndarray]
) -> predictions_lib.Predictions:
  n = len(shown['text'])
  found = {}
  for view, scale in zip(_VIEWS, (0.7, 0.7, 1.0), strict=True):
    own = scale * shown[view] + random.normal(0, 0.5, (n, 3))
    noise = random.normal(0, 0.4, (_NUM_SEEDS, n, 3))
    found[view] = special.softmax(own + noise, axis=-1)
  seeds = {
    view: _NUM_SEEDS * place + np.arange(_NUM_SEEDS)
    for place, view in enumerate(_VIEWS)
  }
  folds = {v: np.zeros((_NUM_SEEDS, n), np.int32) for v in _VIEWS}
  return predictions_lib.Predictions(
    _VIEWS, seeds, found, {}, folds, {}, {}, 3 * _NUM_SEEDS * n
  )


def _answers(corpus, predictions, known: bool, questions: Sequence) -> list:
  """The figures of votes, with other annotators in their intervals or not."""
  batch = Batch(corpus, predictions)
  plan = plan_lib.of_batch(batch)
  adder = totals_lib.Adder(corpus.groups)
  for question in questions:
    question.tally(batch, plan, adder)
  if ambiguity in questions:
    signal_rows.tally(batch, plan, adder)
  if known:
    for question in questions:
      every = question in (humans, *APART)
      tallies = [_TALLIES.get(question, question.tally)]
      if question is ambiguity:
        tallies.append(signal_rows.tally)
      speaking = plan.voted if every else [plan.speaking]
      deletions.tally(batch, plan, adder, tallies, speaking)
  totals = adder.totals()
  arms = [totals]
  if known:
    noises = deletions.noises(totals, plan, [one.answer for one in questions])
    arms.append(dataclasses.replace(totals, annotators=noises))
  return [
    {
      name: one
      for question in questions
      for name, one in question.answer(arm, plan).statistics.items()
    }
    for arm in arms
  ]


def truths(
  world: World, groups: int = 20_000, questions: Sequence = QUESTIONS
) -> dict[str, float]:
  """The figures of very many speakers and annotators."""
  many = dataclasses.replace(world, groups=groups, anew=True)
  corpus, predictions = simulate(np.random.default_rng(1), many)
  votes = dataclasses.replace(
    corpus.votes, annotator=np.full(len(corpus.votes.clip), '')
  )
  corpus = dataclasses.replace(corpus, votes=votes)
  found = _answers(corpus, predictions, False, questions)[0]
  return {name: one.estimate for name, one in found.items()}


def judge(
  seed: int, world: World, truth: dict[str, float], questions: Sequence
) -> dict[str, tuple[bool, bool, float]]:
  """By figure: whether intervals over speakers, and over both, hold the truth.

  Beside these, the share of the variance that is the annotators'.
  """
  random = np.random.default_rng((seed, 7))
  alone, both = _answers(*simulate(random, world), True, questions)
  found = {}
  for name, one in both.items():
    if one.low is None or name not in truth:
      continue
    total = sum(one.variance.values())
    share = one.variance.get('annotators', 0.0) / total if total else 0.0
    found[name] = (
      *(a.low <= truth[name] <= a.high for a in (alone[name], one)),
      share,
    )
  return found


def run(
  num_corpora: int,
  world: World,
  truth: dict,
  apply: Callable = map,
  questions: Sequence = QUESTIONS,
) -> dict[str, tuple[float, float, float]]:
  """By figure, the means of what `judge` finds, where it is known mostly."""
  one = functools.partial(judge, world=world, truth=truth, questions=questions)
  every = collections.defaultdict(list)
  for found in apply(one, range(num_corpora)):
    for name, told in found.items():
      every[name].append(told)
  return {
    name: tuple(np.mean(told, axis=0).tolist())
    for name, told in every.items()
    if len(told) > 0.9 * num_corpora
  }


def main() -> None:
  """Runs the simulations and prints a table."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--corpora', type=int, default=400)
  parser.add_argument('--annotators', type=int, default=20)
  parser.add_argument('--spread', type=float, default=0.6)
  parser.add_argument('--uneven', action='store_true')
  parser.add_argument('--apart', type=float, default=0.0)
  arguments = parser.parse_args()
  world = World(
    annotators=arguments.annotators,
    spread=arguments.spread,
    uneven=arguments.uneven,
    apart=arguments.apart,
  )
  questions = APART if world.apart else QUESTIONS
  truth = truths(world, questions=questions)
  with concurrent.futures.ProcessPoolExecutor(2) as pool:

    def apply(function, seeds):
      found = pool.map(function, seeds, chunksize=5)
      return tqdm.tqdm(found, total=len(seeds), mininterval=30)

    found = run(arguments.corpora, world, truth, apply, questions)
  print(f'{world}, {arguments.corpora:,} corpora, %')
  print(f'{"":56}{"speakers":>10}{"both":>8}{"share":>8}')
  for name, (alone, both, share) in found.items():
    print(f'{name:56}{100 * alone:10.1f}{100 * both:8.1f}{100 * share:8.1f}')


if __name__ == '__main__':
  main()
