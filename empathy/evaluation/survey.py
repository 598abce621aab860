"""A survey: what some clips tell of the plan by which all are added up.

A survey of each batch says little, and surveys of different clips add up in any
order; the plan is drawn from their sum, see `plan`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import annotators
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import ANY, is_binary
from empathy.evaluation.confidence import Histogram, histogram
from empathy.evaluation.predictions import Kind, Predictions
from empathy.evaluation.totals import DECIMALS, Key, merged
from empathy.evaluation.totals import group_hashes as _hashes

# Keys of signals of which there is always one.
# Values that are more than these are many; no more than these are kept.
_HANDFUL = 100
SAME = (
  'name',
  'classes',
  'modalities',
  'conditions',
  'ordered',
  'values',
  'scale',
  'label_name',
  'label_source',
  'judges',
  'crowds',
)


@dataclasses.dataclass(frozen=True)
class Survey:
  """What some clips tell of the plan; surveys of different clips add up.

  Attributes:
    info: the content of `corpus.json`.
    members: the seeds of each view.
    has_votes: whether there are votes.
    num_clips: how many clips.
    num_rows: of the predictions.
    hashes: (H,) uint64, one for each group.
    numbers: by key, arrays that add up; one may be longer than the other.
    handfuls: by key, the least of some values, a few at most.
    confidences: by key.
    annotators: by condition, (A,) uint64, ascending, one for each who voted and
      has a name.
    people: (P,) str, their names, ascending.
    kind: what the predictions say.
  """

  info: Mapping[str, Any]
  members: Mapping[str, tuple[int, ...]]
  has_votes: bool
  num_clips: int
  num_rows: int
  hashes: np.ndarray
  numbers: Mapping[Key, np.ndarray]
  handfuls: Mapping[Key, np.ndarray]
  confidences: Mapping[Key, Histogram]
  annotators: Mapping[str, np.ndarray]
  people: np.ndarray
  kind: Kind = Kind.PROBABILITIES

  def __add__(self, other: 'Survey') -> 'Survey':
    """That of the clips of both.

    Raises:
      InputError: they are of different corpora or members.
    """
    for key in SAME:
      if self.info.get(key) != other.info.get(key):
        raise errors.InputError(
          f'parts of one study: a corpus has {key} {other.info.get(key)!r}, '
          f'another {self.info.get(key)!r}'
        )
    if self.kind != other.kind:
      raise errors.InputError(
        f'parts of one study: the predictions of one say {self.kind}, those of '
        f'another {other.kind}'
      )
    if self.members != other.members or self.has_votes != other.has_votes:
      raise errors.InputError(
        'parts of one study: one has other views or seeds than another, or '
        f'votes where that has none: {_told(other)}; {_told(self)}'
      )
    return Survey(
      self.info,
      self.members,
      self.has_votes,
      self.num_clips + other.num_clips,
      self.num_rows + other.num_rows,
      np.union1d(self.hashes, other.hashes),
      merged(self.numbers, other.numbers, _padded_sum),
      merged(self.handfuls, other.handfuls, _handful),
      merged(self.confidences, other.confidences, Histogram.__add__),
      merged(self.annotators, other.annotators, np.union1d),
      np.union1d(self.people, other.people),
      self.kind,
    )


def of_batch(batch: Batch) -> Survey:
  """What a batch tells of the plan."""
  corpus, predictions = batch.corpus, batch.predictions
  numbers, handfuls, confidences, voters = {}, {}, {}, {}
  people = np.array([], np.str_)
  numbers['labels',] = np.bincount(
    corpus.labels[batch.labelled], minlength=len(corpus.classes)
  )
  numbers['split',] = np.array(float(corpus.split is not None))
  numbers['own_folds',] = np.bincount(
    [] if corpus.fold is None else corpus.fold
  )
  if corpus.votes is not None:
    labels = np.where(batch.labelled, corpus.labels, -1)
    for name in (*corpus.conditions, ''):
      votes = corpus.vote_counts(name or None)
      numbers['votes', name] = votes.sum(axis=0)
      numbers['plurality', name] = votes_lib.plurality_and_label(
        votes, labels
      ).sum(axis=0)
      if corpus.values is not None:
        numbers['mean_class', name] = votes_lib.mean_and_label(
          votes, labels, _means(corpus, name), corpus.values
        ).sum(axis=0)
    people = np.unique(corpus.votes.annotator).astype(np.str_)
    people = people[people != '']
    voters, own = annotators.survey(corpus)
    numbers |= own
  for who, votes in (('people', corpus.votes), ('judges', corpus.judges)):
    if votes is not None:
      handfuls |= _names(who, votes, corpus)
  if predictions is not None:
    own, tops = _of_predictions(batch)
    numbers |= own
    handfuls |= tops
    if batch.full in batch.views:
      confidences = _confidences(batch)
  return Survey(
    corpus.info,
    {view: tuple(predictions.seeds[view].tolist()) for view in batch.views},
    corpus.votes is not None,
    len(corpus.ids),
    batch.num_rows,
    _hashes(corpus.groups),
    numbers,
    handfuls,
    confidences,
    voters,
    people,
    Kind.PROBABILITIES if predictions is None else predictions.kind,
  )


def _of_predictions(
  batch: Batch,
) -> tuple[dict[Key, np.ndarray], dict[Key, np.ndarray]]:
  """The numbers and handfuls of a batch that has predictions."""
  predictions = batch.predictions
  numbers, handfuls = {}, {}
  folds = np.concatenate([predictions.folds[view] for view in batch.views])
  numbers['folds',] = np.bincount(folds[folds >= 0])
  numbers['ways',] = _hashed(batch.keys, folds)
  if batch.full in batch.views:
    numbers |= _labels_by_fold(batch)
  numbers |= _layers(predictions)
  for view, asked in predictions.asked.items():
    numbers['asked', view] = np.array(float(asked.sum()))
  for view in batch.views:
    for key, values in (
      (('view', view), predictions.probabilities[view]),
      (
        ('labelled', view),
        predictions.probabilities[view][:, batch.labelled],
      ),
      (('mean', view), batch.means[view]),
    ):
      top = values.max(axis=-1)
      top = top[~np.isnan(top)]
      numbers[key] = np.array(float(len(top)))
      handfuls[key] = np.unique(np.round(top, DECIMALS))[:_HANDFUL]
  return numbers, handfuls


def _layers(predictions: Predictions) -> dict[Key, np.ndarray]:
  """Sums of the weights that members have: (1 + L, S, K), rows first.

  K is one more than the largest fold.
  """
  found = {}
  for view, by_modality in predictions.layers.items():
    folds = predictions.folds[view]
    count = 1 + folds.max(initial=0)
    member = np.arange(len(folds))[:, None] * count + folds
    for modality, weights in by_modality.items():
      # Zero of a clip that lacks the modality.
      there = (folds >= 0) & (weights.sum(axis=-1) > 0)
      own = weights[there]
      columns = np.column_stack([np.ones(len(own)), own])
      sums = np.zeros((len(folds) * count, columns.shape[1]))
      np.add.at(sums, member[there], columns)
      found['layers', view, modality] = sums.T.reshape(-1, len(folds), count)
  return found


def _means(corpus: corpus_lib.Corpus, condition: str) -> np.ndarray:
  """The mean score of each clip's votes on a condition, or of all: (N,)."""
  votes = corpus.votes
  if condition:
    votes = votes.of(corpus.conditions.index(condition))
  total, number = (
    np.bincount(votes.clip, votes.count * one, len(corpus.ids))
    for one in (votes.scores, np.ones(len(votes.clip)))
  )
  return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _names(
  who: str, votes: corpus_lib.Votes, corpus: corpus_lib.Corpus
) -> dict[Key, np.ndarray]:
  """Some names of those who voted, by condition."""
  found = {}
  for place, name in enumerate(corpus.conditions):
    names = np.unique(votes.annotator[votes.condition == place])
    found[who, name] = names[names != ''][:_HANDFUL].astype(np.str_)
  return found


def _labels_by_fold(batch: Batch) -> dict[Key, np.ndarray]:
  """Labels of train clips, and of those that the full view had in no fold."""
  labels, num_classes = batch.corpus.labels, len(batch.corpus.classes)
  train = batch.labelled
  if batch.corpus.split is None:
    train = np.zeros_like(train)
  else:
    train = train & (batch.corpus.split == 'train')
  folds = batch.predictions.folds[batch.full].max(axis=0) + 1
  cell = (folds * num_classes + labels)[batch.labelled]
  number = (folds.max(initial=0) + 1) * num_classes
  return {
    ('train_labels',): np.bincount(labels[train], minlength=num_classes),
    ('fold_labels',): np.bincount(cell, minlength=number).reshape(
      -1, num_classes
    ),
  }


def _hashed(keys: np.ndarray, folds: np.ndarray) -> np.ndarray:
  """A number for each member (M,) uint64, alike for like folds (M, N).

  It is a sum over clips, so that numbers of parts add up; what they have in
  excess of 64 bits is lost.
  """
  # Odd factors, so that each of two folds is told from the other.
  return ((folds + 1).astype(np.uint64) * (keys | np.uint64(1))).sum(
    axis=1, dtype=np.uint64
  )


def _confidences(batch: Batch) -> dict[Key, Histogram]:
  """How confident the full view is, of every set of clips that has strata.

  Of clips that are to have two votes or more, by the votes of the full
  condition, or by all, while nobody is seen to have voted in that.
  """
  found = {}
  mean = batch.means[batch.full].max(axis=-1)
  signals = batch.signals
  if ANY in signals:
    known = batch.labelled & ~np.isnan(signals[ANY])
    found['diagnosis', ANY] = histogram(mean[known])
  if batch.corpus.votes is None:
    return found
  condition = corpus_lib.full_condition(batch.corpus.conditions)
  votes, which = batch.corpus.vote_counts(condition), 'full'
  if not votes.any():
    votes, which = batch.corpus.vote_counts(), 'all'
  voted = votes.sum(axis=1) > 1
  for name, values in signals.items():
    if is_binary(name):
      found['ambiguity', which, name] = histogram(
        mean[voted & ~np.isnan(values)]
      )
  members = batch.predictions.probabilities[batch.full].max(axis=-1)
  seeds = batch.predictions.seeds[batch.full].tolist()
  for name, views in beyond_seeds(batch.singles).items():
    chosen = voted & batch.common(batch.full, *views)
    for seed, confidence in zip(seeds, members, strict=True):
      found['beyond_seeds', which, name, str(seed)] = histogram(
        confidence[chosen]
      )
  return found


def beyond_seeds(singles: list[str]) -> dict[str, list[str]]:
  """The signals that are held against other seeds, and their single views."""
  found = {ANY: singles} if singles else {}
  if len(singles) > 1:
    found |= {f'{view}_disagreement': [view] for view in singles}
  return found


def _padded_sum(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The sum, where one may be longer than the other along any axis."""
  shape = np.maximum(first.shape, second.shape).astype(int)
  found = np.zeros(tuple(shape), np.result_type(first, second))
  for part in (first, second):
    found[tuple(slice(size) for size in part.shape)] += part
  return found


def _handful(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  return np.union1d(first, second)[:_HANDFUL]


def _told(found: Survey) -> str:
  return ', '.join(
    f'{view} (seeds {" ".join(map(str, seeds))})'
    for view, seeds in found.members.items()
  ) + (', with votes' if found.has_votes else ', without votes')


def to_arrays(found: Survey) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """What JSON can hold of a survey, and arrays by name: for a file."""
  head = {
    'info': dict(found.info),
    'members': {view: list(seeds) for view, seeds in found.members.items()},
    'has_votes': found.has_votes,
    'num_clips': found.num_clips,
    'num_rows': found.num_rows,
    'numbers': [list(key) for key in found.numbers],
    'handfuls': [list(key) for key in found.handfuls],
    'confidences': [
      {'key': list(key), 'coarse': one.coarse}
      for key, one in found.confidences.items()
    ],
    'annotators': list(found.annotators),
    'kind': found.kind,
  }
  arrays = {'hashes': found.hashes, 'people': found.people}
  for place, hashes in enumerate(found.annotators.values()):
    arrays[f'annotators_{place}'] = hashes
  for name in ('numbers', 'handfuls'):
    for place, values in enumerate(getattr(found, name).values()):
      arrays[f'{name}_{place}'] = values
  for place, one in enumerate(found.confidences.values()):
    arrays[f'confidences_{place}_values'] = one.values
    arrays[f'confidences_{place}_number'] = one.number
  return head, arrays


def of_arrays(
  head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Survey:
  """The survey of `to_arrays`."""
  return Survey(
    head['info'],
    {view: tuple(seeds) for view, seeds in head['members'].items()},
    head['has_votes'],
    head['num_clips'],
    head['num_rows'],
    arrays['hashes'],
    *(
      {
        tuple(key): arrays[f'{name}_{place}']
        for place, key in enumerate(head[name])
      }
      for name in ('numbers', 'handfuls')
    ),
    {
      tuple(one['key']): Histogram(
        arrays[f'confidences_{place}_values'],
        arrays[f'confidences_{place}_number'],
        one['coarse'],
      )
      for place, one in enumerate(head['confidences'])
    },
    {
      name: arrays[f'annotators_{place}']
      for place, name in enumerate(head['annotators'])
    },
    arrays['people'],
    Kind(head['kind']),
  )
