import dataclasses

import numpy as np
import pytest
import small

from empathy.corpora import corpus as corpora
from empathy.corpora import dataset as datasets
from empathy.corpora import simulate


def _corpus(kind: str) -> corpora.Corpus:
  """Twelve clips in no order, the text of which is of a kind."""
  rng = np.random.default_rng(0)
  parameters = simulate.Parameters(num_clips=12, num_groups=4, width=3)
  corpus, _ = simulate.simulate(parameters, seed=0)
  features = {}
  for modality, feature in corpus.features.items():
    # Not every clip has it, and entries have an order of their own.
    entry = rng.permutation(12)[:9]
    clip, values = feature.clip[entry], feature.values[entry]
    length = fold = None
    if modality == 'text' and kind == 'sequences':
      length = rng.integers(1, 4, 9)
      values = rng.normal(size=(length.sum(), 3)).astype(np.float32)
    if modality == 'text' and kind == 'fold-wise':
      shuffled = rng.permutation(18)
      clip = np.tile(clip, 2)[shuffled]
      fold = np.repeat(np.arange(2, dtype=np.int32), 9)[shuffled]
      values = np.concatenate([values, values + 1])[shuffled]
    features[modality] = corpora.Features(clip, values, length, fold)
  corpus = dataclasses.replace(corpus, features=features)
  return small.reordered(corpus, rng.permutation(12))


def _values(ids, feature: corpora.Features) -> dict:
  """The values of each clip and fold, by its id."""
  length = feature.length
  if length is None:
    length = np.ones(len(feature.clip), int)
  rows = np.split(feature.values, np.cumsum(length)[:-1])
  fold = np.zeros(len(rows), int) if feature.fold is None else feature.fold
  return {
    (ids[clip], own): values.tolist()
    for clip, own, values in zip(
      feature.clip.tolist(), fold.tolist(), rows, strict=True
    )
  }


@pytest.mark.parametrize('kind', ['pooled', 'sequences', 'fold-wise'])
def test_clips_are_sorted_with_all_that_is_theirs(kind):
  corpus = _corpus(kind)
  dataset = datasets.load(corpus)
  assert dataset.ids.tolist() == sorted(corpus.ids.tolist())
  rows = {clip: row for row, clip in enumerate(corpus.ids.tolist())}
  votes = corpus.vote_counts(corpora.full_condition(corpus.conditions))
  assert votes.any()
  for index, clip in enumerate(dataset.ids.tolist()):
    assert dataset.groups[index] == corpus.groups[rows[clip]]
    assert dataset.labels[index] == corpus.labels[rows[clip]]
    np.testing.assert_array_equal(dataset.votes[index], votes[rows[clip]])
  assert list(dataset.features) == ['text', 'audio', 'video']
  for modality, feature in dataset.features.items():
    given = corpus.features[modality]
    assert _values(dataset.ids, feature) == _values(corpus.ids, given)
    fold = np.zeros_like(feature.clip) if feature.fold is None else feature.fold
    np.testing.assert_array_equal(
      np.lexsort((fold, feature.clip)), np.arange(len(fold))
    )


def test_what_is_in_order_is_not_copied_and_an_outline_copies_nothing():
  corpus, _ = simulate.simulate(
    simulate.Parameters(num_clips=12, num_groups=4), seed=0
  )
  for modality, feature in datasets.load(corpus).features.items():
    assert feature.values is corpus.features[modality].values
  corpus = _corpus('sequences')
  outline, entries = datasets.outline(corpus)
  dataset = datasets.load(corpus)
  for modality, feature in outline.features.items():
    assert feature.values.shape == (1, 3)
    whole, own = dataset.features[modality], entries[modality]
    values = corpus.features[modality].values
    found = [values[f:][:n] for f, n in zip(own.first, own.length, strict=True)]
    np.testing.assert_array_equal(np.concatenate(found), whole.values)
