"""Targets net of what annotators tend to, where most of them are wrong."""

import dataclasses

import numpy as np
import pytest
import small

from empathy import errors
from empathy.corpora import corpus as corpora
from empathy.corpora import dawid_skene, simulate
from empathy.training import loop, members


class _Stop(Exception):
  """Ends a training once its targets are known."""


@pytest.fixture(scope='module', name='biased')
def _biased(tmp_path_factory):
  """A corpus on which three of five lean so far that they outvote the rest.

  Two annotators are right in .9. Three say the second class to all of it and
  to .75 of the first, so that most clips of the first class have a plurality
  of the second.
  """
  parameters = simulate.Parameters(num_clips=90, num_groups=12, width=4)
  corpus, _ = simulate.simulate(parameters, seed=3)
  random = np.random.default_rng(1)
  gold = random.integers(0, 2, len(corpus.ids))
  truth = np.tile(gold, (5, 1))
  flip = random.random(truth.shape) < np.repeat([0.1, 0.75], [2, 3])[:, None]
  flip[2:] &= truth[2:] == 0
  label = np.where(flip, 1 - truth, truth)
  who, clip = np.indices(label.shape)
  # A vote on another condition, by nobody known, and a clip without votes.
  clip, who = np.append(clip.ravel(), 0), np.append(who.ravel(), 0)
  kept = clip != 7
  whole = corpus.conditions.index(corpora.full_condition(corpus.conditions))
  condition = np.full(len(clip), whole)
  condition[-1] = (whole + 1) % len(corpus.conditions)
  names = np.char.add('a', who.astype(np.str_))
  names[-1] = ''
  votes = corpora.Votes(
    clip.astype(np.int32),
    condition.astype(np.int32),
    names,
    np.append(label.ravel(), 0).astype(np.int32),
    np.ones(len(clip), np.int64),
  ).where(kept)
  corpus = dataclasses.replace(
    corpus, votes=votes, labels=gold.astype(np.int32)
  )
  path = tmp_path_factory.mktemp('biased') / 'made'
  corpora.write(small.reordered(corpus, random.permutation(90)), path)
  return corpora.read(path, None)


def test_the_posterior_is_right_where_the_plurality_is_wrong(biased):
  votes = biased.vote_counts(corpora.full_condition(biased.conditions))
  voted = votes.any(axis=1)
  found = dawid_skene.posterior(biased)
  gold = biased.labels
  first = voted & (gold == 0)
  assert (votes.argmax(axis=1) == gold)[first].mean() < 0.5
  assert (found.argmax(axis=1) == gold)[first].mean() > 0.85
  assert (found.argmax(axis=1) == gold)[voted & (gold == 1)].mean() > 0.85
  np.testing.assert_allclose(found.sum(axis=1), voted)


def test_training_takes_it(biased, tmp_path, monkeypatch):
  seen = []

  def stop(features, labels, targets, *rest):
    del features, labels, rest
    seen.append(targets)
    raise _Stop

  monkeypatch.setattr(members, 'data', stop)
  with pytest.raises(_Stop):
    loop.train(small.config(biased.path, targets='dawid_skene'), tmp_path)
  expected = dawid_skene.posterior(biased)
  silent = np.flatnonzero(~expected.any(axis=1))
  assert len(silent) == 1
  # What has no votes keeps its label.
  expected[silent, biased.labels[silent]] = 1
  order = np.argsort(biased.ids)
  np.testing.assert_allclose(seen[0], expected[order], atol=1e-6)


def test_votes_must_be_known(biased):
  names = biased.votes.annotator.copy()
  names[[3, 5]] = ''
  nameless = dataclasses.replace(biased.votes, annotator=names)
  for votes, told in (
    (nameless, '2 of the 445 rows on text.audio.video name no annotator'),
    (None, 'has no votes on text.audio.video'),
  ):
    with pytest.raises(errors.InputError, match=told):
      dawid_skene.posterior(dataclasses.replace(biased, votes=votes))
