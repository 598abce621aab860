"""What has to be known of all clips before they can be added up.

Whose votes speak for a clip, whether votes made the label, and where the bounds
of strata lie depends on all clips. So they are looked at twice: a survey of
each batch says little, and surveys add up in any order; the plan is drawn from
their sum, and what `totals` adds up then follows it.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import agreement, annotators, cells
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Estimate
from empathy.evaluation.totals import (
  DECIMALS,
  MANY_CLIPS,
  MOST_GROUPS,
  Key,
)
from empathy.evaluation.totals import group_hashes as _hashes

# Keys of signals of which there is always one.
ANY = 'any_disagreement'
# Values that are more than these are many; no more than these are kept.
_HANDFUL = 100
# The grid that confidence is put on where it has too many values.
_DOUBT = cells.near_zero(1.0, 4_096)
# Bins of confidence in each predicted class; up to so many clips, twentieths.
NUM_STRATA = 20
_TWENTIETHS = 5_000
SAME = (
  'name',
  'classes',
  'modalities',
  'conditions',
  'ordered',
  'label_source',
)


@dataclasses.dataclass(frozen=True)
class Histogram:
  """How many clips have each value of confidence.

  Attributes:
    values: (m,) float64, ascending.
    number: (m,) float64.
    coarse: whether values are on a grid, for there were too many.
  """

  values: np.ndarray
  number: np.ndarray
  coarse: bool = False

  def __add__(self, other: 'Histogram') -> 'Histogram':
    """That of the clips of both."""
    values, place = np.unique(
      np.concatenate([self.values, other.values]), return_inverse=True
    )
    number = np.bincount(
      place, np.concatenate([self.number, other.number]), len(values)
    )
    coarse = self.coarse or other.coarse
    if coarse or len(values) > MANY_CLIPS:
      values, place = np.unique(on_grid(values), return_inverse=True)
      number = np.bincount(place, number, len(values))
      coarse = True
    return Histogram(values, number, coarse)


def histogram(values: np.ndarray) -> Histogram:
  """That of values (n,)."""
  values, number = np.unique(values, return_counts=True)
  found = Histogram(values, number.astype(np.float64))
  return found + Histogram(np.empty(0), np.empty(0))


def on_grid(confidence: np.ndarray) -> np.ndarray:
  """What stands for (n,) float64 from 0 to 1 on the grid of doubt."""
  return 1 - _DOUBT.on(1 - confidence)


@dataclasses.dataclass(frozen=True)
class Bins:
  """Bins of confidence of equal number, by rank, ties together.

  Attributes:
    starts: (B,) float64, ascending, the least confidence of each bin.
    bins: (B,) int64, which they are; some may be empty.
    num_bins: how many there are with the empty ones.
    coarse: whether confidence is on a grid.
  """

  starts: np.ndarray
  bins: np.ndarray
  num_bins: int
  coarse: bool

  def bin_of(self, confidence: np.ndarray) -> np.ndarray:
    """The bin of (...) float64: (...) int64, without meaning for NaN."""
    if self.coarse:
      confidence = on_grid(confidence)
    place = np.searchsorted(self.starts, confidence, side='right') - 1
    return self.bins[np.clip(place, 0, len(self.bins) - 1)]


@dataclasses.dataclass(frozen=True)
class Strata(Bins):
  """Predicted class x bin of confidence, by rank.

  Within a twentieth, less confidence still goes with more disagreement and more
  uncertain votes. On simulated clips whose disagreement told nothing beyond
  confidence, the adjusted difference was .001 (of a raw one of .11 to .21):
  nothing against its error with 1,000 clips (rejected 4.4 to 5.6 % at 5 %), but
  much with 50,000 (19 %). So beyond 5,000 clips bins are finer, with the fourth
  root of their number, by which the bias keeps step with the error. Clips of
  equal confidence share a bin.

  Attributes:
    num_values: how many values confidence takes, but for rounding.
    num_clips: how many clips there are.
  """

  num_values: int
  num_clips: int

  def too_coarse(self, whose: str = 'The full view’s') -> str:
    """Why clips of like confidence cannot be found; '' if they can.

    Predictions of 0 and 1 alone, say, are all of like confidence, so that
    strata of confidence adjust for nothing.

    Args:
      whose: confidence it is, if not that of the seeds' mean.

    Returns:
      A sentence if confidence has fewer values than there are bins of it.
    """
    number = self.num_values
    if number >= min(NUM_STRATA, self.num_clips / 2):
      return ''
    return (
      f'{whose} confidence takes {number} '
      f'{"value" if number == 1 else "values"} only, so that clips of like '
      'confidence cannot be told from others.'
    )

  def noted(self, estimate: Estimate) -> Estimate:
    """Says in `method` of a figure within strata if they are of a grid."""
    return cells.noted(estimate, None if self.coarse else 0, 'confidence')

  def of(self, probabilities: np.ndarray) -> np.ndarray:
    """The stratum of (..., C) probabilities: (...) int64, -1 where NaN."""
    predicted = predictions_lib.predicted_class(probabilities)
    own = self.bin_of(probabilities.max(axis=-1))
    return np.where(predicted >= 0, predicted * self.num_bins + own, -1)


def bins(found: Histogram, num_bins: int) -> Bins:
  """So many bins of clips whose confidence is so distributed."""
  below = np.cumsum(found.number) - found.number
  place = (num_bins * below // found.number.sum()).astype(np.int64)
  first = np.flatnonzero(np.diff(place, prepend=-1))
  return Bins(found.values[first], place[first], num_bins, found.coarse)


def strata(found: Histogram) -> Strata:
  """The strata of clips whose confidence is so distributed; of one at least."""
  number = round(float(found.number.sum()))
  finer = max(1.0, number / _TWENTIETHS) ** 0.25
  return Strata(
    **vars(bins(found, int(NUM_STRATA * finer))),
    num_values=len(np.unique(np.round(found.values, DECIMALS))),
    num_clips=number,
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
    annotators: by condition, (A,) uint64, ascending, one for each who voted.
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
      _merged(self.numbers, other.numbers, _padded_sum),
      _merged(self.handfuls, other.handfuls, _handful),
      _merged(self.confidences, other.confidences, Histogram.__add__),
      _merged(self.annotators, other.annotators, np.union1d),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """What all clips together say of how each of them is added up.

  Attributes:
    survey: of all clips.
  """

  survey: Survey

  @property
  def info(self) -> Mapping[str, Any]:
    """The content of `corpus.json`."""
    return self.survey.info

  @property
  def members(self) -> Mapping[str, tuple[int, ...]]:
    """The seeds of each view."""
    return self.survey.members

  @property
  def classes(self) -> tuple[str, ...]:
    """C names."""
    return tuple(self.info['classes'])

  @functools.cached_property
  def modalities(self) -> tuple[str, ...]:
    """In their order."""
    return tuple(sorted(self.info['modalities'], key=corpus_lib.modality_order))

  @property
  def ordered(self) -> bool:
    """Whether the classes are a scale."""
    return bool(self.info.get('ordered', False))

  @property
  def full(self) -> str:
    """The full view, whether or not it has predictions."""
    return corpus_lib.view_name(self.modalities)

  @property
  def others(self) -> list[str]:
    """The views beside the full one."""
    return [view for view in self.members if view != self.full]

  @property
  def singles(self) -> list[str]:
    """The views of one modality, beside the full one."""
    return [view for view in self.others if '+' not in view]

  @property
  def exact(self) -> bool:
    """Whether ranks are of the values themselves, and not of a grid."""
    return self.survey.num_clips <= MANY_CLIPS

  @property
  def bundled(self) -> bool:
    """Whether groups are put together."""
    return not self.exact and len(self.survey.hashes) > MOST_GROUPS

  @functools.cached_property
  def voted(self) -> tuple[str, ...]:
    """The conditions in which somebody voted."""
    return tuple(
      name
      for name in self.info['conditions']
      if self.survey.has_votes and self.survey.numbers['votes', name].any()
    )

  @functools.cached_property
  def speaking(self) -> str | None:
    """The condition that speaks for clips; None if all votes together do."""
    condition = corpus_lib.full_condition(self.info['conditions'])
    return condition if condition in self.voted else None

  @functools.cached_property
  def source(self) -> str | None:
    """The votes that made the label, see `votes.source_of_counts`."""
    full = corpus_lib.full_condition(self.info['conditions'])
    return votes_lib.source_of_counts(
      {
        name: self.survey.numbers['plurality', name]
        for name in (full, *self.info['conditions'], '')
      },
      self.info.get('label_source'),
    )

  @property
  def labelled(self) -> bool:
    """Whether some clip has a label."""
    return bool(self.survey.numbers['labels',].any())

  @functools.cached_property
  def full_condition(self) -> str | None:
    """Of those in which somebody voted."""
    return corpus_lib.full_condition(self.voted)

  @functools.cached_property
  def agreements(self) -> dict[str, agreement.Coefficient]:
    """The figures of agreement that votes are asked for."""
    return agreement.figures(len(self.classes), self.ordered)

  def crowd(self, condition: str) -> annotators.Crowd | None:
    """Those who voted in a condition; None where it is not known of all."""
    hashes = self.survey.annotators.get(condition)
    if hashes is None or self.survey.numbers['anonymous', condition]:
      return None
    many = not self.exact and len(hashes) > MOST_GROUPS
    return annotators.Crowd(
      hashes,
      MOST_GROUPS if many else len(hashes),
      {
        figure.sums: self.survey.numbers['agreement', figure.sums, condition]
        for figure in self.agreements.values()
      },
    )

  def votes(self, corpus: corpus_lib.Corpus) -> np.ndarray:
    """The votes that speak for each clip: (N, C) int64."""
    return corpus.vote_counts(self.speaking)

  @property
  def which(self) -> str:
    """Whose votes speak, as keys of `confidences` name it."""
    return 'all' if self.speaking is None else 'full'

  def strata(self, *key: str) -> Strata | None:
    """Those of the clips of a key of `confidences`; None if there are none."""
    if key not in self._strata:
      found = self.survey.confidences.get(key)
      there = found is not None and len(found.values)
      self._strata[key] = strata(found) if there else None
    return self._strata[key]

  @functools.cached_property
  def _strata(self) -> dict[Key, Strata | None]:
    return {}

  def fifths(self, *key: str) -> Bins:
    """Fifths of confidence of the clips of a key of `confidences`."""
    return bins(self.survey.confidences[key], 5)

  def graded(self, *key: str) -> bool:
    """As `predictions.graded`, of the confidences of a key of `handfuls`."""
    return predictions_lib.enough_confidences(
      self.num_confidences(*key), float(self.survey.numbers[key])
    )

  def num_confidences(self, *key: str) -> int:
    """How many values confidence takes, or a hundred."""
    return len(self.survey.handfuls[key])

  def not_graded(self, *key: str) -> str:
    """The reason, in a sentence, to skip what rests on such a confidence."""
    whose = predictions_lib.MEAN if key[0] == 'mean' else ''
    return predictions_lib.few_confidences(self.num_confidences(*key), whose)

  @property
  def num_folds(self) -> int:
    """One more than the largest fold of a prediction."""
    return len(self.survey.numbers.get(('folds',), ()))

  @functools.cached_property
  def class_shares(self) -> np.ndarray:
    """What members were trained with, by what they were trained without.

    Returns:
      (K + 1, C) float64, in the places of `trained_without`: of the train
      clips; else of the clips of other folds; of all labelled ones where there
      is one fold; equal shares without labels.
    """
    counts = self.survey.numbers['train_labels',][None]
    if counts.any():
      others = counts
    else:
      counts = self.survey.numbers['fold_labels',]
      others = counts.sum(axis=0) - counts
      alone = others.sum(axis=1, keepdims=True) == 0
      others = np.where(alone, counts.sum(axis=0), others)
    if not counts.any():
      others = np.ones_like(counts)
    return others / others.sum(axis=1, keepdims=True)

  def trained_without(self, batch: Batch) -> np.ndarray:
    """The place in `class_shares` of each clip: (N,) int64."""
    if self.survey.numbers['train_labels',].any():
      return np.zeros(len(batch.labelled), np.int64)
    return batch.predictions.folds[self.full].max(axis=0).astype(np.int64) + 1

  @property
  def has_split(self) -> bool:
    """Whether the corpus has a split."""
    return bool(self.survey.numbers['split',] > 0)

  @functools.cached_property
  def ways(self) -> tuple[int, ...]:
    """Of members that held out the same clips, one each."""
    hashes = self.survey.numbers['ways',]
    _, first = np.unique(hashes, return_index=True)
    return tuple(sorted(first.tolist()))

  @property
  def num_places(self) -> int:
    """Where a clip may be: in training, or held out by some fold."""
    if self.has_split:
      return 2
    return 1 + max(self.num_folds, len(self.survey.numbers['own_folds',]))


def survey(batch: Batch) -> Survey:
  """What a batch tells of the plan."""
  corpus, predictions = batch.corpus, batch.predictions
  numbers, handfuls, confidences, voters = {}, {}, {}, {}
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
      numbers['votes', name] = votes.sum(keepdims=True)[0]
      numbers['plurality', name] = votes_lib.plurality_and_label(
        votes, labels
      ).sum(axis=0)
    voters, own = annotators.survey(corpus)
    numbers |= own
  if predictions is not None:
    folds = np.concatenate([predictions.folds[view] for view in batch.views])
    numbers['folds',] = np.bincount(folds[folds >= 0])
    numbers['ways',] = _hashed(batch.keys, folds)
    if batch.full in batch.views:
      numbers |= _labels_by_fold(batch)
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
  )


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
    if name.endswith('_disagreement'):
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


def _merged(first: Mapping, second: Mapping, add) -> dict:
  found = dict(first)
  for key, value in second.items():
    found[key] = add(found[key], value) if key in found else value
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
  }
  arrays = {'hashes': found.hashes}
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
  )
