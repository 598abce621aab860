"""The alternative annotator test, against a plain reimplementation."""

import dataclasses
import functools
import operator

import made
import numpy as np
import pytest
from scipy import stats

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import stand_in
from empathy.evaluation import study as study_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import stand_in as section

VALUES = (1.0, 2.0, 4.0, 8.0)


def plain(people, model, score, epsilon, q=0.05):
  """The test as published, clip by clip.

  Args:
    people: by annotator, what they say of each clip.
    model: what it says.
    score: of what is said and the others' words.
    epsilon: the price of an annotator.

  Returns:
    The winning rate, the advantage probability, and p by annotator.
  """
  found, shares = {}, []
  for left_out, said in people.items():
    ours, theirs = [], []
    for clip, word in said.items():
      others = [
        own[clip]
        for name, own in people.items()
        if name != left_out and clip in own
      ]
      if not others or clip not in model:
        continue
      one, other = score(model[clip], others), score(word, others)
      ours.append(float(one >= other))
      theirs.append(float(other >= one))
    if len(ours) < 30:
      continue
    gap = np.array(theirs) - np.array(ours)
    found[left_out] = stats.ttest_1samp(gap, epsilon, alternative='less').pvalue
    shares.append(np.mean(ours))
  p = np.sort(list(found.values()))
  rank = np.arange(1, len(p) + 1)
  passed = np.flatnonzero(p <= rank * q / len(p) / (1 / rank).sum())
  number = passed[-1] + 1 if len(passed) else 0
  return number / len(p), np.mean(shares), found


def agreement(word, others):
  return np.mean([word == other for other in others])


def closeness(word, others):
  return -np.sqrt(np.mean([(word - other) ** 2 for other in others]))


def world(ordered, seed=0, num_clips=150, num_classes=4):
  """A corpus of annotators who err, and a judge who errs less."""
  random = np.random.default_rng(seed)
  truth = random.integers(0, num_classes, num_clips)
  people = {}
  for place in range(7):
    seen = random.random(num_clips) < (0.1 if place == 6 else 0.6)
    wrong = random.random(num_clips) < 0.2 + 0.06 * place
    said = np.where(wrong, random.integers(0, num_classes, num_clips), truth)
    clips = np.flatnonzero(seen).tolist()
    people[f'annotator{place}'] = {clip: int(said[clip]) for clip in clips}
  wrong = random.random(num_clips) < 0.25
  said = np.where(wrong, random.integers(0, num_classes, num_clips), truth)
  answered = np.flatnonzero(random.random(num_clips) < 0.9).tolist()
  model = {clip: int(said[clip]) for clip in answered}

  def votes(of):
    rows = [(c, n, w) for n, own in of.items() for c, w in own.items()]
    clip, name, label = zip(*rows, strict=True)
    return corpus_lib.Votes(
      np.array(clip, np.int32),
      np.zeros(len(rows), np.int32),
      np.array(name),
      np.array(label, np.int32),
      np.ones(len(rows), np.int64),
    )

  corpus = made.corpus(
    np.arange(num_clips) % 15,
    truth,
    classes=[f'{i}' for i in range(num_classes)],
  )
  more = {'conditions': ['text'], 'judges': ['model']}
  if ordered:
    more |= {'ordered': True, 'values': list(VALUES)}
  return (
    dataclasses.replace(
      corpus,
      info=corpus.info | more,
      votes=votes(people),
      judges=votes({'model': model}),
    ),
    people,
    model,
  )


def values_of(words):
  return {
    name: {clip: VALUES[label] for clip, label in own.items()}
    for name, own in words.items()
  }


@pytest.mark.parametrize('ordered', [False, True])
def test_it_is_the_published_test(ordered):
  corpus, people, model = world(ordered)
  score = agreement
  if ordered:
    score, people = closeness, values_of(people)
    model = values_of({'model': model})['model']
  found = made.answer(stand_in, corpus)
  rows = {row['annotator']: row for row in found.tables['stand_in_annotators']}
  for at in (10, 15, 20):
    rate, share, p = plain(people, model, score, at / 100)
    name = f'stand_in.model.published_rate_at_{at}'
    assert found.statistics[name].estimate == pytest.approx(rate, abs=1e-12)
    one = found.statistics['stand_in.model.advantage']
    assert one.estimate == pytest.approx(share, abs=1e-12)
    assert one.low < share < one.high
    # The last one has too few clips.
    assert rows.keys() == p.keys() == {f'annotator{i}' for i in range(6)}
    for annotator, row in rows.items():
      expected = pytest.approx(p[annotator], rel=1e-9, abs=1e-15)
      assert row[f'published_p_at_{at}'] == expected
  assert plain(people, model, score, 0.1)[0] > 0


def test_views_are_tested_by_the_label_of_their_mean():
  corpus, predictions = made.study_input(120, 12, 3)
  corpus = made.with_annotators(corpus)
  found = made.answer(stand_in, corpus, predictions)
  votes = corpus.votes.of(1)
  people = {}
  for clip, name, label in zip(
    votes.clip, votes.annotator, votes.label, strict=True
  ):
    people.setdefault(str(name), {})[int(clip)] = int(label)
  for view, probabilities in predictions.probabilities.items():
    said = probabilities.mean(axis=0).argmax(axis=1)
    model = dict(enumerate(said.tolist()))
    _, share, _ = plain(people, model, agreement, 0.1)
    name = f'stand_in.{view}.advantage'
    assert found.statistics[name].estimate == pytest.approx(share, abs=1e-12)


def test_groups_drawn_whole_widen_what_speakers_decide():
  """Clips of a group that are copies count once."""
  corpus, _, _ = world(False, num_clips=60)
  copies = 6
  clip = np.arange(60)

  def copied(votes):
    place = np.repeat(np.arange(len(votes.clip)), copies)
    votes = votes.where(place)
    number = np.tile(np.arange(copies), len(place) // copies)
    return dataclasses.replace(
      votes, clip=(votes.clip * copies + number).astype(np.int32)
    )

  many = dataclasses.replace(
    corpus,
    ids=np.array([f'{c}.{i}' for c in clip for i in range(copies)]),
    groups=np.repeat([f'group{c:03}' for c in clip], copies),
    labels=np.repeat(corpus.labels, copies),
    votes=copied(corpus.votes),
    judges=copied(corpus.judges),
  )
  single = dataclasses.replace(corpus, groups=corpus.ids)
  found = {
    name: {
      row['annotator']: row
      for row in made.answer(stand_in, one).tables['stand_in_annotators']
    }
    for name, one in (('many', many), ('single', single))
  }
  both = found['many'].keys() & found['single'].keys()
  assert len(both) > 1
  for annotator in both:
    one, other = (found[name][annotator] for name in ('many', 'single'))
    assert one['difference'] == pytest.approx(other['difference'])
    widths = [
      row['difference_high'] - row['difference_low'] for row in (one, other)
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.15)
    # The published test takes copies for clips.
    t, other_t = (
      stats.t.isf(row['published_p_at_10'], row['num_clips'] - 1)
      for row in (one, other)
    )
    assert t / other_t == pytest.approx(copies**0.5, rel=0.05)


def test_a_model_that_always_ties_passes_where_groups_are_many():
  corpus, people, _ = world(False)
  same = people['annotator0']
  corpus = dataclasses.replace(
    corpus,
    judges=dataclasses.replace(
      corpus.judges.where(np.arange(len(same))),
      clip=np.array(list(same), np.int32),
      label=np.array(list(same.values()), np.int32),
    ),
  )
  found = made.answer(stand_in, corpus)
  row = found.tables['stand_in_annotators'][0]
  assert row['annotator'] == 'annotator0'
  assert row['difference'] == 0
  assert row['advantage'] == 1
  # Each of 15 groups would have shown a difference of epsilon by epsilon.
  assert row['p_at_20'] == pytest.approx(0.8**15)
  assert row['published_p_at_20'] == 0


def test_yekutieli():
  # m = 4: the bounds are .05 k / (4 (1 + 1/2 + 1/3 + 1/4)) = .006 k.
  p = [0.0059, 0.011, 0.5, 0.0181]
  assert stand_in.yekutieli(p).tolist() == [True, True, False, False]
  p = [0.0061, 0.0125, 0.5, 0.0179]
  assert stand_in.yekutieli(p).tolist() == [True, True, False, True]
  assert not stand_in.yekutieli([0.04, 0.06]).any()


def test_the_winning_rate_lies_between_what_is_sure():
  # Of four, the first is below epsilon, and the last above, at 2.5 % in all.
  below, above = [0.001, 0.012, 0.4, 0.999], [0.999, 0.988, 0.6, 0.001]
  found = stand_in._winning_rate(np.array(below), np.array(above), 100)
  assert (found.estimate, found.low, found.high) == (0.5, 0.25, 0.75)


@pytest.mark.parametrize(
  ('change', 'says'),
  [
    (lambda c: made.study_input(40, 8)[0], 'not known who voted'),
    (lambda c: dataclasses.replace(c, votes=None), 'no votes of people'),
    (
      lambda c: dataclasses.replace(
        c, votes=c.votes.where(c.votes.annotator == 'annotator0')
      ),
      'one annotator only',
    ),
    (
      lambda c: dataclasses.replace(
        c, judges=None, info={**c.info, 'judges': []}
      ),
      'no model',
    ),
    (
      lambda c: dataclasses.replace(c, votes=c.votes.where(c.votes.clip < 20)),
      '30 votes',
    ),
  ],
)
def test_what_is_missing_is_said(change, says):
  corpus = change(world(False)[0])
  if corpus.votes is None:
    corpus = dataclasses.replace(
      corpus, info={**corpus.info, 'conditions': []}, judges=None
    )
  found = made.answer(stand_in, corpus)
  assert not found.statistics
  assert says in found.skipped['stand_in']


def test_parts_add_up():
  corpus, _, _ = world(True)
  plan = plan_lib.of_batch(Batch(corpus))
  place = np.random.default_rng(1).integers(0, 3, 150)
  parts = [
    study_lib.add_up(Batch(*made.part(corpus, None, place == k)), plan)
    for k in (2, 0, 1)
  ]
  found = functools.reduce(operator.add, parts)
  made.assert_same(found, study_lib.add_up(Batch(corpus), plan))


def _grouped(number, ordered=False):
  corpus, *_ = world(ordered)
  groups = np.array([f'group{i % number}' for i in range(len(corpus.ids))])
  return dataclasses.replace(corpus, groups=groups)


def test_few_groups_cannot_judge():
  corpus = _grouped(3)
  study = study_lib.build(corpus)
  names = [f'stand_in.model.winning_rate_at_{at}' for at in (10, 15, 20)]
  assert not set(names) & set(study.statistics)
  for name in names:
    assert study.skipped[name].endswith('of an annotator, and there are 3.')
  assert 'stand_in.model.published_rate_at_10' in study.statistics
  assert {row['p_at_10'] for row in study.tables['stand_in_annotators']} == {
    None
  }
  first, second = section.section(study).answer
  assert first == study.skipped[names[0]]
  assert second.startswith('Model agrees with the other annotators')


@pytest.mark.parametrize(
  ('figures', 'says'),
  [
    (
      (0.75, 0.5, 1),
      'Model may stand in for an annotator who costs as much as a crowd '
      'worker (ε\u00a0=\u00a010\u00a0%) or more: its '
      'winning rate is 75.0 % [50.0, 100.0].',
    ),
    (
      (0.75, 0.25, 1),
      'Model may perhaps stand in for an annotator who costs as much as a '
      'crowd worker (ε\u00a0=\u00a010\u00a0%) or more: its winning rate is '
      '75.0 % [25.0, 100.0], where a '
      'half is needed.',
    ),
    (
      (0.25, 0.25, 0.5),
      'Model is not shown to pass the alternative annotator test, even for '
      'annotators who cost as much as an expert (ε\u00a0=\u00a020\u00a0%).',
    ),
    (
      (0.25, 0, 0.45),
      'Model does not pass the alternative annotator test, even for annotators '
      'who cost as much as an expert (ε\u00a0=\u00a020\u00a0%).',
    ),
  ],
)
def test_sentences_are_as_strong_as_their_intervals(figures, says):
  study = study_lib.build(_grouped(15))
  rate = dict(zip(('estimate', 'low', 'high'), figures, strict=True))
  statistics = {
    name: dataclasses.replace(one, **rate) if 'winning_rate' in name else one
    for name, one in study.statistics.items()
  }
  study = dataclasses.replace(study, statistics=statistics)
  assert section.section(study).answer[0] == says


def test_a_vote_that_counts_twice_is_two_votes():
  """By hand: without the annotator, two of three say what the model says."""
  clip, words = np.arange(40), ('u', 'v')
  said = {'a': (1, 1), 'b': (0, 2), 'c': (1, 1), 'model': (0, 1)}

  def votes(*names):
    label, count = (
      np.repeat([said[n][i] for n in names], 40) for i in range(2)
    )
    return corpus_lib.Votes(
      np.tile(clip, len(names)).astype(np.int32),
      np.zeros(len(label), np.int32),
      np.repeat(names, 40),
      label.astype(np.int32),
      count.astype(np.int64),
    )

  corpus = made.corpus(clip % 10, np.zeros(40, int), classes=words)
  corpus = dataclasses.replace(
    corpus,
    info=corpus.info | {'conditions': ['text'], 'judges': ['model']},
    votes=votes('a', 'b', 'c'),
    judges=votes('model'),
  )
  found = made.answer(stand_in, corpus)
  share = {
    row['annotator']: (row['advantage'], row['difference'])
    for row in found.tables['stand_in_annotators']
  }
  # Beside a: u twice and v once. So beside c. Beside b: v twice.
  assert share == {'a': (1, -1), 'b': (1, 0), 'c': (1, -1)}
