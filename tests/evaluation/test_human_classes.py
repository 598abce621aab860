"""Classes of votes, against loops, enumeration and other figures."""

import collections
import itertools

import made
import numpy as np
import pytest

from empathy.evaluation import draws, halves, human_classes
from empathy.evaluation import study as study_lib

_SAME = 3000


def _made_of_votes():
  """A corpus whose label is the plurality of the votes on everything."""
  corpus, _ = made.study_input(240, 12, seed=3, votes=7)
  votes = {name: corpus.vote_counts(name) for name in corpus.conditions}
  labels = votes['text+audio'].argmax(axis=1)
  groups = np.arange(240) % 12
  return made.corpus(groups, labels, corpus.classes, votes=votes), votes


def test_votes_are_counted_by_label():
  corpus, _ = made.study_input(seed=5)
  assert made.source(corpus) is None
  study = study_lib.build(corpus)
  for condition in corpus.conditions:
    expected = collections.Counter()
    for counts, label in zip(
      corpus.vote_counts(condition), corpus.labels, strict=True
    ):
      for vote, number in enumerate(counts):
        expected[corpus.classes[label], corpus.classes[vote]] += number
    rows = [
      row
      for row in study.tables['human_confusion']
      if row['condition'] == condition
    ]
    for row in rows:
      number = expected[row['label'], row['vote']]
      every = sum(expected[row['label'], vote] for vote in corpus.classes)
      assert row['num_votes'] == number
      assert row['share'] == pytest.approx(number / every)
      if row['label'] == row['vote']:
        name = f'humans.{condition}.accuracy_of.{row["label"]}'
        found = study.statistics[name]
        assert found.estimate == pytest.approx(row['share'], rel=1e-12)
        assert found.low < found.estimate < found.high
    right = sum(row['num_votes'] for row in rows if row['label'] == row['vote'])
    accuracy = study.statistics[f'humans.{condition}.accuracy'].estimate
    votes = sum(row['num_votes'] for row in rows)
    assert right / votes == pytest.approx(accuracy, rel=1e-12)


def test_gains_are_means_over_clips_of_a_class():
  corpus, _ = made.study_input(seed=5)
  study = study_lib.build(corpus)
  shares = {
    name: counts / counts.sum(axis=1, keepdims=True)
    for name in corpus.conditions
    for counts in [corpus.vote_counts(name)]
  }
  for place, name in enumerate(corpus.classes):
    own = corpus.labels == place
    expected = np.mean((shares['text+audio'] - shares['text'])[own, place])
    for stem in ('full_minus_text', 'full_minus_best'):
      found = study.statistics[f'humans.{stem}.accuracy_of.{name}']
      assert found.estimate == pytest.approx(expected, rel=1e-12)
      assert found.n == own.sum()


def test_the_best_other_condition_is_that_of_the_class():
  random = np.random.default_rng(0)
  labels = np.arange(120) % 2
  groups = np.arange(120) // 10
  rates = {'text': (0.9, 0.3), 'audio': (0.3, 0.9), 'text+audio': (0.8, 0.95)}
  votes = {}
  for name, own in rates.items():
    right = random.binomial(10, np.array(own)[labels])
    counts = np.zeros((120, 2), int)
    counts[np.arange(120), labels] = right
    counts[np.arange(120), 1 - labels] = 10 - right
    votes[name] = counts
  study = study_lib.build(made.corpus(groups, labels, ('a', 'b'), votes=votes))
  rows = study.tables['human_class_gains']
  assert [row['best_other'] for row in rows] == ['text', 'audio']
  assert rows[0]['estimate'] < 0 < rows[1]['estimate']
  found = study.statistics['humans.full_minus_best.accuracy_of.a']
  assert found.estimate == rows[0]['estimate']
  assert 'least of 2' in found.method
  assert found.high < 0


def test_a_label_made_of_votes_is_made_anew():
  corpus, votes = _made_of_votes()
  assert made.source(corpus) == 'text+audio'
  study = study_lib.build(corpus)
  for condition in votes:
    rows = [
      row
      for row in study.tables['human_confusion']
      if row['condition'] == condition
    ]
    # Every clip counts once, and what is right is what is so in `gains`.
    assert sum(row['num_clips'] for row in rows) == pytest.approx(240)
    right = sum(row['num_clips'] for row in rows if row['label'] == row['vote'])
    disjoint = study.statistics[f'humans.{condition}.accuracy_disjoint']
    assert right / 240 == pytest.approx(disjoint.estimate, rel=1e-6)
    name = f'humans.{condition}.accuracy_of.class0'
    assert 'label made anew' in study.statistics[name].method


def test_no_vote_judges_a_label_that_it_made():
  # Coins agree with a label of other coins half of the time; with one that they
  # made, more often.
  random = np.random.default_rng(0)
  votes = random.multinomial(5, [0.5, 0.5], 4000)
  corpus = made.corpus(
    np.arange(4000) % 50,
    votes.argmax(axis=1),
    ('a', 'b'),
    votes={'text': votes},
  )
  assert made.source(corpus) == 'text'
  found = made.answer(human_classes, corpus)
  for name in 'ab':
    estimate = found.statistics[f'humans.text.accuracy_of.{name}']
    assert estimate.low < 0.5 < estimate.high
  row = found.tables['human_confusion'][0]
  assert row['share'] == pytest.approx(0.5, abs=0.02)


def test_labels_made_anew_are_those_of_every_half():
  # Votes a a b c on text make the label; b a on audio judge as well.
  text, audio = [0, 0, 1, 2], [1, 0]
  label, said = (
    np.zeros(3),
    {'text': np.zeros((3, 3)), 'audio': np.zeros((3, 3))},
  )
  parts = list(itertools.combinations(range(4), 2))
  for part in parts:
    own = np.bincount([text[i] for i in part], minlength=3).argmax()
    rest = [text[i] for i in range(4) if i not in part]
    label[own] += 1 / len(parts)
    for name, judging in (('text', rest), ('audio', audio)):
      share = np.bincount(judging, minlength=3) / len(judging)
      said[name][own] += share / len(parts)
  counts = {
    name: np.tile(np.bincount(own, minlength=3), (_SAME, 1))
    for name, own in (('text', text), ('audio', audio))
  }
  keys = draws.keys(np.arange(_SAME).astype(np.str_), 'votes')
  found = human_classes.shares(
    counts, np.zeros(_SAME, int), halves.Draws(keys), 'text'
  )
  np.testing.assert_allclose(found.label.mean(axis=0), label, atol=2e-3)
  for name, expected in said.items():
    own = found.confusion[name] / _SAME
    np.testing.assert_allclose(own, expected, atol=2e-3)
    np.testing.assert_allclose(
      found.right[name].mean(axis=0), np.diag(own), atol=1e-12
    )


def test_there_is_no_interval_below_six_groups_with_the_class():
  corpus, votes = _made_of_votes()
  labels = np.where(corpus.labels == 2, 1, corpus.labels)
  labels = np.where((np.arange(240) % 12 < 5) & (labels == 1), 2, labels)
  found = made.answer(
    human_classes,
    made.corpus(np.arange(240) % 12, labels, corpus.classes, votes=votes),
  ).statistics
  few = found['humans.text.accuracy_of.class2']
  assert few.low is None
  assert '5 groups that count are too few' in few.method
  assert found['humans.full_minus_best.accuracy_of.class2'].low is None
  assert found['humans.text.accuracy_of.class1'].low is not None


def test_what_annotators_add_is_known():
  corpus, _ = made.study_input(seed=5)
  found = study_lib.build(made.with_annotators(corpus)).statistics
  for stem in ('text.accuracy_of', 'full_minus_text.accuracy_of'):
    estimate = found[f'humans.{stem}.class0']
    assert estimate.influence.annotators is not None
    assert estimate.sizes['annotators'] == 9


@pytest.mark.parametrize('corpus', [made.study_input()[0], _made_of_votes()[0]])
def test_parts_add_up(corpus):
  whole, plan = made.added_up(corpus)
  chosen = np.arange(len(corpus.labels)) % 3 == 0
  first, second = (
    study_lib.add_up(study_lib.Batch(made.part(corpus, None, some)[0]), plan)
    for some in (chosen, ~chosen)
  )
  totals = first + second
  expected, found = (human_classes.answer(one, plan) for one in (whole, totals))
  for table, rows in expected.tables.items():
    for row, own in zip(rows, found.tables[table], strict=True):
      assert own == {
        key: pytest.approx(value, rel=1e-9)
        if isinstance(value, float)
        else value
        for key, value in row.items()
      }
