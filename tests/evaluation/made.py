"""Small corpora and predictions for the tests of the evaluation."""

import dataclasses

import numpy as np
import pyarrow as pa

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  agreement,
  deletions,
  disagreement,
  resampling,
  samples,
  weighing,
)
from empathy.evaluation import confidence as confidence_lib
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings

CLASSES = ('low', 'middle', 'high')


def corpus(
  groups,
  labels,
  classes=CLASSES,
  modalities=('text', 'audio'),
  votes=None,
  **changes,
) -> corpus_lib.Corpus:
  """A corpus in memory; `votes` is {condition: (N, C) counts}."""
  made = None
  conditions = list(votes or ())
  if votes:
    rows = [
      (clip, place, label, counts[clip, label])
      for place, counts in enumerate(votes.values())
      for clip, label in np.argwhere(counts)
    ]
    clip, condition, label, count = np.array(rows).T
    made = corpus_lib.Votes(
      clip.astype(np.int32),
      condition.astype(np.int32),
      np.full(len(clip), ''),
      label.astype(np.int32),
      count.astype(np.int64),
    )
  info = {
    'name': 'made',
    'classes': list(classes),
    'modalities': list(modalities),
    'conditions': conditions,
    'license': 'none',
    'source': 'a test',
  }
  return corpus_lib.Corpus(
    info=info,
    ids=np.array([f'clip{i}' for i in range(len(labels))]),
    groups=np.array([f'group{i:03d}' for i in groups]),
    labels=np.asarray(labels, np.int32),
    votes=made,
    **changes,
  )


def predictions(probabilities, folds=None) -> predictions_lib.Predictions:
  """Predictions from {view: (S, N, C)}, held out in `folds` (N,)."""
  there = {
    view: ~np.isnan(values[..., 0]) for view, values in probabilities.items()
  }
  return predictions_lib.Predictions(
    views=tuple(probabilities),
    seeds={view: np.arange(len(p)) for view, p in probabilities.items()},
    probabilities=probabilities,
    subsets={(view, view): p for view, p in probabilities.items()},
    folds={
      view: np.where(seen, 0 if folds is None else folds, -1).astype(np.int32)
      for view, seen in there.items()
    },
    gates={view: {} for view in probabilities},
    attention={view: {} for view in probabilities},
    num_rows=sum(int(seen.sum()) for seen in there.values()),
  )


def softmax(scores):
  """Probabilities of scores (..., C)."""
  scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
  return scores / scores.sum(axis=-1, keepdims=True)


def study_input(
  num_clips=120, num_groups=12, num_seeds=3, seed=0, num_classes=3, votes=6
):
  """A corpus of two modalities with votes, and predictions of three views."""
  random = np.random.default_rng(seed)
  groups = np.sort(random.integers(0, num_groups, num_clips))
  groups[:num_groups] = np.arange(num_groups)
  labels = random.integers(0, num_classes, num_clips)
  labels[:num_classes] = np.arange(num_classes)
  bias = random.normal(0, 0.6, (num_groups, num_classes))[groups]
  hard = random.uniform(0.2, 2.5, num_clips)
  gold = np.eye(num_classes)[labels]
  made = {}
  for view, strength in (('text', 1.0), ('audio', 1.3), ('text+audio', 1.8)):
    scores = strength * hard[:, None] * gold + bias
    scores = scores + random.normal(0, 0.8, (num_clips, num_classes))
    noise = random.normal(0, 0.5, (num_seeds, num_clips, num_classes))
    made[view] = softmax(scores + noise)
  counts = {}
  for condition, strength in (('text', 0.8), ('text+audio', 1.6)):
    shares = softmax(strength * hard[:, None] * gold + bias)
    counts[condition] = random.multinomial(votes, shares)
  return (
    corpus(
      groups,
      labels,
      classes=tuple(f'class{i}' for i in range(num_classes)),
      votes=counts,
    ),
    predictions(made, folds=groups % 3),
  )


def with_annotators(corpus_, num_annotators=9, seed=0):
  """The same votes, of annotators some of whom lean to the first class."""
  random = np.random.default_rng(seed)
  votes = corpus_.votes
  row = np.repeat(np.arange(len(votes.count)), votes.count)
  clip, condition = votes.clip[row], votes.condition[row]
  annotator = np.zeros(len(row), np.int64)
  for one in np.unique(np.stack([clip, condition], axis=1), axis=0):
    own = np.flatnonzero((clip == one[0]) & (condition == one[1]))
    # Those who come first here vote for the first class more often.
    lean = random.normal(0.3 * np.arange(num_annotators), 1)
    some = random.permutation(num_annotators)[: len(own)]
    some = some[np.argsort(lean[some])]
    annotator[own[np.argsort(votes.label[row][own], kind='stable')]] = some
  return dataclasses.replace(
    corpus_,
    votes=corpus_lib.Votes(
      clip,
      condition,
      np.array([f'annotator{i}' for i in annotator]),
      votes.label[row],
      np.ones(len(row), np.int64),
    ),
  )


def with_judges(corpus_, seed=0):
  """The same, with two models and a crowd that voted as well, not on all."""
  random = np.random.default_rng(seed)
  rows = []
  for name, condition, chance in (
    ('gpt', len(corpus_.conditions) - 1, 0.7),
    ('claude', 0, 0.5),
    ('crowd', len(corpus_.conditions) - 1, 0.6),
  ):
    for clip in np.flatnonzero(random.random(len(corpus_.ids)) < 0.9):
      label = corpus_.labels[clip]
      if random.random() > chance:
        label = random.integers(len(corpus_.classes))
      rows.append((clip, condition, name, label))
  clip, condition, name, label = zip(*rows, strict=True)
  return dataclasses.replace(
    corpus_,
    info=corpus_.info
    | {'judges': ['gpt', 'claude', 'crowd'], 'crowds': ['crowd']},
    judges=corpus_lib.Votes(
      np.array(clip, np.int32),
      np.array(condition, np.int32),
      np.array(name),
      np.array(label, np.int32),
      np.ones(len(rows), np.int64),
    ),
  )


def with_values(corpus_, values=(1.0, 2.0, 4.0), scores=None):
  """The same corpus, whose classes are values, with scores beside them.

  If not given, every fifth lies a little off its class's, as means of ratings.
  """
  if scores is None:
    scores = np.asarray(values)[corpus_.labels]
    off = np.where(scores == max(values), -0.3, 0.3)
    scores = scores + off * (np.arange(len(scores)) % 5 == 0)
  info = corpus_.info | {'ordered': True, 'values': list(values)}
  return dataclasses.replace(corpus_, info=info, scores=scores)


def with_parts(found):
  """The same predictions, with what the full view says shown less."""
  full = max(found.views, key=len)
  parts = {
    (full, view): 0.8 * p + 0.2 * found.probabilities[full]
    for view, p in found.probabilities.items()
    if view != full
  }
  return dataclasses.replace(found, subsets={**found.subsets, **parts})


def table(corpus_, predictions_) -> pa.Table:
  """The predictions table that says the same as `predictions_`."""
  columns = {'id': [], 'view': [], 'seed': [], 'fold': []}
  rows = []
  for view, values in predictions_.probabilities.items():
    for member, seed in enumerate(predictions_.seeds[view]):
      clips = np.flatnonzero(~np.isnan(values[member, :, 0]))
      columns['id'] += corpus_.ids[clips].tolist()
      columns['view'] += [view] * len(clips)
      columns['seed'] += [int(seed)] * len(clips)
      columns['fold'] += predictions_.folds[view][member, clips].tolist()
      rows.append(values[member, clips])
  rows = np.concatenate(rows)
  return pa.table(
    columns
    | {f'prob_{name}': rows[:, i] for i, name in enumerate(corpus_.classes)}
  )


def pair(
  sample: samples.Sample,
  names: tuple[np.ndarray, np.ndarray],
  ours: np.ndarray,
  fulls: np.ndarray,
  num_classes: int,
) -> disagreement.Pair:
  """The sums of labels (S, n) and (Z, n) of n clips."""
  clips = np.bincount(sample.group, minlength=sample.num_groups)

  def totals(apart: np.ndarray) -> np.ndarray:
    flat = sample.totals(apart.reshape(-1, apart.shape[-1]).T)
    return flat.reshape(-1, *apart.shape[:-1])

  def counts(labels: np.ndarray) -> np.ndarray:
    first = num_classes * np.arange(len(labels))[:, None]
    flat = sample.counts(labels + first, num_classes * len(labels))
    return flat.reshape(-1, len(labels), num_classes)

  return disagreement.Pair(
    sample,
    names,
    clips.astype(np.float64),
    totals(disagreement.mismatches(ours, fulls)),
    totals(disagreement.mismatches(ours, ours)),
    totals(disagreement.mismatches(fulls, fulls)),
    counts(ours),
    counts(fulls),
  )


def right_pair(
  sample: samples.Sample,
  names: tuple[np.ndarray, np.ndarray],
  right: np.ndarray,
  full_right: np.ndarray,
) -> disagreement.RightPair:
  """The sums of where seeds are right, (S, n) and (Z, n) bool."""
  both = right[:, None] & full_right[None]
  clips = np.bincount(sample.group, minlength=sample.num_groups)
  return disagreement.RightPair(
    sample,
    names,
    clips.astype(np.float64),
    sample.totals(right.T),
    sample.totals(full_right.T),
    sample.totals(both.reshape(-1, both.shape[-1]).T).reshape(
      -1, *both.shape[:-1]
    ),
  )


def mean(sample, values):
  """The mean of the clips' values (n,)."""
  columns = np.stack([values, np.ones(len(values))], axis=1)
  return weighing.mean(sample.totals(columns))


def agreement_figure(figure, sample, counts):
  """A figure of agreement of counts (n, C), by the weights of groups."""
  return figure.of_totals(sample.totals(figure.parts(counts.astype(float))))


def agreement_value(figure, counts):
  """The same of all clips; None if it is undefined."""
  totals = agreement.totals(figure.parts, counts)[None]
  value = float(figure.function(totals, totals)[0][0])
  return None if np.isnan(value) else value


def annotator_variance(
  figure, groups, clip, annotator, label, count, num_classes
):
  """What annotators add to a figure of entries of votes, as a study has it."""
  zeros = np.zeros(len(clip), np.int32)
  names = np.asarray(annotator).astype(np.str_)
  corpus_ = corpus(
    np.unique(groups, return_inverse=True)[1],
    np.zeros(len(groups), int),
    classes=tuple(map(str, range(num_classes))),
  )
  votes = corpus_lib.Votes(clip, zeros, names, label, count)
  info = corpus_.info | {'conditions': ['text']}
  corpus_ = dataclasses.replace(corpus_, info=info, votes=votes)

  def tally(batch, plan, adder):
    del plan
    columns = figure.parts(batch.corpus.vote_counts('text').astype(float))
    adder.add(('it',), columns)

  def answer(totals, plan):
    del plan
    part = totals.over(np.ones(len(totals.groups)))
    statistic = figure.of_totals(part['it',])
    return Findings({'it': resampling.estimate(part.groups, statistic)})

  batch = Batch(corpus_)
  plan = plan_lib.of_batch(batch)
  adder = totals_lib.Adder(corpus_.groups)
  tally(batch, plan, adder)
  deletions.tally(batch, plan, adder, [tally], ['text'])
  found = deletions.noises(adder.totals(), plan, [answer])
  return found['it'].noise.variance if found else None


def apart(first, second):
  """Names of seeds of which no view has one of the other's."""
  return np.arange(len(first)), len(first) + np.arange(len(second))


def source(corpus_):
  """The votes that made the label."""
  return plan_lib.of_batch(Batch(corpus_)).source


def added_up(corpus_, predictions_=None):
  """The totals of a corpus and its predictions, and their plan."""
  batch = Batch(corpus_, predictions_)
  plan = plan_lib.of_batch(batch)
  return study_lib.add_up(batch, plan), plan


def answer(question, corpus_, predictions_=None):
  """What a module of one question finds in a corpus and its predictions."""
  totals, plan = added_up(corpus_, predictions_)
  return question.answer(study_lib.with_annotators(totals, plan), plan)


def part(corpus_, predictions_, chosen):
  """Some clips of a corpus, with their votes and predictions."""

  def of_these(votes):
    if votes is None:
      return None
    votes = votes.where(chosen[votes.clip])
    place = (np.cumsum(chosen) - 1)[votes.clip]
    return dataclasses.replace(votes, clip=place.astype(np.int32))

  found = None
  if predictions_ is not None:

    def kept(arrays):
      return {key: array[:, chosen] for key, array in arrays.items()}

    found = dataclasses.replace(
      predictions_,
      probabilities=kept(predictions_.probabilities),
      subsets=kept(predictions_.subsets),
      folds=kept(predictions_.folds),
      gates={view: kept(one) for view, one in predictions_.gates.items()},
      attention={v: kept(one) for v, one in predictions_.attention.items()},
      asked=kept(predictions_.asked),
    )
  return dataclasses.replace(
    corpus_,
    ids=corpus_.ids[chosen],
    groups=corpus_.groups[chosen],
    labels=corpus_.labels[chosen],
    votes=of_these(corpus_.votes),
    judges=of_these(corpus_.judges),
    scores=None if corpus_.scores is None else corpus_.scores[chosen],
    split=None if corpus_.split is None else corpus_.split[chosen],
    fold=None if corpus_.fold is None else corpus_.fold[chosen],
    presence={name: has[chosen] for name, has in corpus_.presence.items()},
    hashes={name: own[chosen] for name, own in corpus_.hashes.items()},
    metadata={name: own[chosen] for name, own in corpus_.metadata.items()},
  ), found


def by_seed(sample, values):
  """Sums and clips (G, S) of (S, n), NaN where a clip does not count."""
  there = ~np.isnan(values)
  return sample.totals(np.where(there, values, 0).T), sample.totals(there.T)


def f1_totals(sample, predicted, labels, num_classes):
  """Hits, guesses and support (G, S, 3, C) of labels (S, n), -1 if none."""
  classes = np.arange(num_classes)
  guessed = predicted[..., None] == classes
  true = (labels[:, None] == classes) & (predicted[..., None] >= 0)
  parts = np.stack([guessed & true, guessed, true], axis=2)
  flat = np.moveaxis(parts, 1, 0).reshape(len(labels), -1)
  return sample.totals(flat).reshape(-1, len(predicted), 3, num_classes)


def strata(probabilities):
  """The strata of (n, C) probabilities, as the study has them."""
  found = confidence_lib.histogram(probabilities.max(axis=1))
  return confidence_lib.strata(found).of(probabilities)


def least_squares(differ, values, stratum):
  """The coefficient of `differ` beside a constant for every stratum."""
  names = np.unique(stratum)
  design = np.column_stack([differ, stratum[:, None] == names]).astype(float)
  return np.linalg.lstsq(design, values, rcond=None)[0][0]


def assert_same(found, expected):
  """Whether totals are the same, to rounding."""
  assert found.num_clips == expected.num_clips
  np.testing.assert_array_equal(found.groups, expected.groups)
  np.testing.assert_array_equal(found.hashes, expected.hashes)
  assert found.sums.keys() == expected.sums.keys()
  for key, values in expected.sums.items():
    np.testing.assert_allclose(found.sums[key], values, 1e-12, 1e-12, str(key))
  assert found.counts.keys() == expected.counts.keys()
  for key in expected.counts:
    exact = (expected[key] == np.round(expected[key])).all()
    np.testing.assert_allclose(
      found[key], expected[key], 0 if exact else 1e-12, 0 if exact else 1e-12
    )
  assert found.rows.keys() == expected.rows.keys()
  for key, rows in expected.rows.items():
    for name in ('group', 'values', 'number'):
      np.testing.assert_array_equal(
        getattr(found.rows[key], name), getattr(rows, name), str(key)
      )
  assert found.kept.keys() == expected.kept.keys()
  for key, one in expected.kept.items():
    for name, values in vars(one).items():
      np.testing.assert_array_equal(
        getattr(found.kept[key], name), values, str(key)
      )
  assert found.wholes.keys() == expected.wholes.keys()
  for key, sums in expected.wholes.items():
    np.testing.assert_allclose(found.wholes[key], sums, 1e-12, 1e-12, str(key))
