"""What has to be known of all clips before they can be added up.

Whose votes speak for a clip, whether votes made the label, and where the bounds
of strata lie depends on all clips. So they are looked at twice: the plan is
drawn from the survey of all, and what `totals` adds up then follows it.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared
from empathy.evaluation import agreement, annotators, confidence
from empathy.evaluation import survey as survey_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.confidence import Bins, Strata
from empathy.evaluation.predictions import Kind
from empathy.evaluation.survey import Survey
from empathy.evaluation.totals import MANY_CLIPS, MOST_GROUPS, Key

# The fields of bins that are arrays.
_ARRAYS = ('starts', 'bins')


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """What all clips together say of how each of them is added up.

  Attributes:
    survey: of all clips, without what the other fields are made of.
    num_groups: how many groups they have.
    bounds: the strata of clips, by key of the survey's `confidences`.
    fifths: of their confidence.
  """

  survey: Survey
  num_groups: int
  bounds: Mapping[Key, Strata]
  fifths: Mapping[Key, Bins]

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

  @functools.cached_property
  def values(self) -> np.ndarray | None:
    """Those of the classes, (C,) float64, rising; None where they have none."""
    return declared.values_of(self.info)

  @property
  def middle(self) -> float:
    """That of the scale, where classes have values."""
    return float(self.values[0] + self.values[-1]) / 2

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
    return not self.exact and self.num_groups > MOST_GROUPS

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
  def rule(self) -> str:
    """What votes the label would be: 'plurality', or their 'mean_class'.

    Whichever it is more often, where classes have values.
    """
    if self.values is None:
      return 'plurality'

    def most(rule: str) -> float:
      found = [
        number
        for key, number in self.survey.numbers.items()
        if key[0] == rule and number[0]
      ]
      return max((same / all_ for all_, same, *_ in found), default=0.0)

    if most('mean_class') >= most('plurality'):
      return 'mean_class'
    return 'plurality'

  @functools.cached_property
  def source(self) -> str | None:
    """The votes that made the label, see `votes.source_of_counts`."""
    full = corpus_lib.full_condition(self.info['conditions'])
    return votes_lib.source_of_counts(
      {
        name: self.survey.numbers[self.rule, name]
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
    return agreement.figures(len(self.classes), self.ordered, self.values)

  @functools.cached_property
  def crowd(self) -> annotators.Crowd | None:
    """All whose names are known; None where they are fewer than two."""
    every = [self.survey.annotators.get(name, ()) for name in self.voted]
    hashes = np.unique(np.concatenate([np.array([], np.uint64), *every]))
    if len(hashes) < 2:
      return None
    most = annotators.MOST_ANNOTATORS
    many = not self.exact and len(hashes) > most
    return annotators.Crowd(hashes, most if many else len(hashes))

  def named(self, condition: str) -> bool:
    """Whether it is known of every vote in a condition whose it is."""
    known = len(self.survey.annotators.get(condition, ()))
    return bool(known and not self.survey.numbers['anonymous', condition])

  @functools.cached_property
  def people(self) -> np.ndarray:
    """The names of the crowd, in its order; one spelling of each: (A,) str."""
    names = self.survey.people
    _, first = np.unique(annotators.hashed(names), return_index=True)
    return names[first]

  def votes(self, corpus: corpus_lib.Corpus) -> np.ndarray:
    """The votes that speak for each clip: (N, C) int64."""
    return corpus.vote_counts(self.speaking)

  @property
  def which(self) -> str:
    """Whose votes speak, as keys of `confidences` name it."""
    return 'all' if self.speaking is None else 'full'

  def strata(self, *key: str) -> Strata | None:
    """Those of the clips of a key of `bounds`; None if there are none."""
    return self.bounds.get(key)

  def graded(self, *key: str) -> bool:
    """Whether the confidences of a key of `handfuls` are such at all."""
    return not self.labels_alone and confidence.enough(
      self.num_confidences(*key), float(self.survey.numbers[key])
    )

  @property
  def labels_alone(self) -> bool:
    """Whether predictions say classes, and no probabilities."""
    return self.survey.kind is not Kind.PROBABILITIES

  def num_confidences(self, *key: str) -> int:
    """How many values confidence takes, or a hundred."""
    return len(self.survey.handfuls[key])

  def not_graded(self, *key: str) -> str:
    """The reason, in a sentence, to skip what rests on such a confidence."""
    if self.labels_alone:
      return confidence.LABELS_ALONE[self.survey.kind]
    whose = ' of the seeds’ mean' if key[0] == 'mean' else ''
    return confidence.too_few(self.num_confidences(*key), whose)

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


def draw_up(found: Survey) -> Plan:
  """The plan of the clips of a survey, which are all of them.

  Raises:
    InputError: there are predictions, and none says anything.
  """
  if found.members and not len(found.numbers.get(('folds',), ())):
    raise errors.InputError(
      f'predictions: no row of {", ".join(found.members)} has an answer: '
      'nothing to judge'
    )
  known = {
    key: one for key, one in found.confidences.items() if len(one.values)
  }
  return Plan(
    dataclasses.replace(found, confidences={}, hashes=found.hashes[:0]),
    len(found.hashes),
    {key: confidence.strata(one) for key, one in known.items()},
    {key: confidence.bins(one, 5) for key, one in known.items()},
  )


def of_batch(batch: Batch) -> Plan:
  """The plan of a batch that is all of the clips."""
  return draw_up(survey_lib.of_batch(batch))


def to_arrays(found: Plan) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """What JSON can hold of a plan, and arrays by name: for a file."""
  head, arrays = survey_lib.to_arrays(found.survey)
  head |= {'num_groups': found.num_groups}
  for name in ('bounds', 'fifths'):
    head[name] = []
    for place, (key, one) in enumerate(getattr(found, name).items()):
      own = vars(one)
      for field in _ARRAYS:
        arrays[f'{name}_{place}_{field}'] = own[field]
      head[name].append(
        {'key': list(key)} | {f: v for f, v in own.items() if f not in _ARRAYS}
      )
  return head, arrays


def of_arrays(
  head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Plan:
  """The plan of `to_arrays`."""

  def all_of(name: str, kind: type) -> dict[Key, Any]:
    found = {}
    for place, one in enumerate(head[name]):
      own = {field: arrays[f'{name}_{place}_{field}'] for field in _ARRAYS}
      found[tuple(one['key'])] = kind(
        **own, **{f: v for f, v in one.items() if f != 'key'}
      )
    return found

  return Plan(
    survey_lib.of_arrays(head, arrays),
    head['num_groups'],
    all_of('bounds', Strata),
    all_of('fifths', Bins),
  )
