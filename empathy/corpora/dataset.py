"""A corpus in the order that training has it: what members are made of."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from empathy.corpora import corpus as corpora


@dataclasses.dataclass(frozen=True)
class Dataset:
  """What training needs of a corpus; arrays over clips are sorted by id.

  Attributes:
    ids: (N,) str.
    groups: (N,) str.
    labels: (N,) int32, `corpus.UNLABELLED` where there is none.
    split: (N,) str, or None.
    fold: (N,) int32, or None.
    votes: (N, C) int64, votes in the condition that speaks for the clip.
    features: by modality, without `seen`; `Features.clip` indexes the sorted
      clips, and entries are in their order, and that of the folds.
    info: the content of `corpus.json`.
    scores: (N,) float64, NaN where there is none; None without values.
  """

  ids: np.ndarray
  groups: np.ndarray
  labels: np.ndarray
  split: np.ndarray | None
  fold: np.ndarray | None
  votes: np.ndarray
  features: Mapping[str, corpora.Features]
  info: Mapping[str, Any]
  scores: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Entries:
  """Where the values of sorted entries are, in the corpus as it was read.

  Attributes:
    clip: (F,) int32, the row of each entry's clip among the sorted.
    first: (F,) int64, the first row of its values.
    length: (F,) int64, their number.
  """

  clip: np.ndarray
  first: np.ndarray
  length: np.ndarray


def load(corpus: corpora.Corpus) -> Dataset:
  """Sorts a corpus, so that training depends on no order of its files.

  Args:
    corpus: with the features that training shall see.

  Returns:
    The dataset. Values that are in order already are those of the corpus.
  """
  held, entries = outline(corpus)
  features = {}
  for modality, feature in held.features.items():
    own, values = entries[modality], corpus.features[modality].values
    start = np.cumsum(own.length) - own.length
    rows = np.repeat(own.first - start, own.length)
    rows += np.arange(len(rows))
    if not np.array_equal(rows, np.arange(len(values))):
      values = values[rows]
    features[modality] = dataclasses.replace(feature, values=values)
  return dataclasses.replace(held, features=features)


def outline(corpus: corpora.Corpus) -> tuple[Dataset, dict[str, Entries]]:
  """Sorts a corpus without a look at the values of its features.

  Args:
    corpus: as for `load`; its values may be mapped files.

  Returns:
    The dataset, whose features have a row of zeros for values, and by modality
    where the values are.
  """
  order = np.argsort(corpus.ids)
  rank = np.argsort(order)
  features, entries = {}, {}
  for modality in sorted(corpus.features, key=corpora.modality_order):
    feature = corpus.features[modality]
    clip = rank[feature.clip].astype(np.int32)
    fold = np.zeros_like(clip) if feature.fold is None else feature.fold
    length = feature.length
    if length is None:
      length = np.ones(len(clip), np.int64)
    first = np.cumsum(length) - length
    entry = np.lexsort((fold, clip))
    entries[modality] = Entries(clip[entry], first[entry], length[entry])
    features[modality] = corpora.Features(
      clip=clip[entry],
      values=np.zeros((1, feature.values.shape[1]), np.float32),
      length=None if feature.length is None else length[entry],
      fold=None if feature.fold is None else fold[entry],
      offset=feature.offset,
    )
  votes = corpus.vote_counts(corpora.full_condition(corpus.conditions))
  dataset = Dataset(
    ids=corpus.ids[order],
    groups=corpus.groups[order],
    labels=corpus.labels[order],
    split=None if corpus.split is None else corpus.split[order],
    fold=None if corpus.fold is None else corpus.fold[order],
    votes=votes[order],
    features=features,
    info=corpus.info,
    scores=None if corpus.scores is None else corpus.scores[order],
  )
  return dataset, entries
