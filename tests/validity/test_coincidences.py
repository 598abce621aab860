"""When things happen is learned, where what happens says nothing."""

import coincidences
import numpy as np
import pytest

from empathy.corpora import corpus as corpora


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('made') / 'corpus'
  corpora.write(coincidences.corpus(), path)
  return path


@pytest.mark.long
def test_timed_evidence_learns_what_pooled_fusions_cannot(folder, tmp_path):
  found = {
    name: coincidences.accuracy(folder, name, tmp_path / name, num_folds=3)
    for name in coincidences.SETTINGS
  }
  assert found.pop('timed_evidence') >= 0.9
  # Of 2,000 clips, 4 standard errors are 4.5 points.
  assert max(found.values()) <= 0.545, found


def test_each_modality_alone_says_nothing():
  made = coincidences.corpus(num_clips=2000, width=2, seed=1)
  together = made.labels == 1
  for found in made.features.values():
    # When an event is, and how much there is in all, are alike in both classes.
    first = np.cumsum(found.length) - found.length
    size = np.abs(found.values).sum(axis=1)
    peak = [
      np.argmax(size[a : a + n]) / n
      for a, n in zip(first, found.length, strict=True)
    ]
    total = np.add.reduceat(size, first) / found.length
    for values in (np.array(peak), total):
      sides = values[together], values[~together]
      gap = abs(sides[0].mean() - sides[1].mean())
      error = np.sqrt(sum(x.var() / len(x) for x in sides))
      assert gap < 4 * error
