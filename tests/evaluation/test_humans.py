"""Question 5, by hand and on published votes."""

import dataclasses

import made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report import text_of

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import (
  agreement,
  draws,
  halves,
  humans,
  plan,
  resampling,
  samples,
  study,
  weighing,
)
from empathy.evaluation.findings import Kind, filled
from empathy.evaluation.sections import humans as section


def test_shares_by_hand():
  votes = {
    'text': np.array([[2, 1, 0], [0, 3, 0], [1, 0, 1]]),
    'text+audio': np.array([[3, 0, 0], [0, 1, 1], [0, 0, 0]]),
  }
  corpus = made.corpus([0, 1, 2], [0, 1, 1], votes=votes)
  found = made.answer(humans, corpus)
  value = {name: e.estimate for name, e in found.statistics.items()}
  assert value['humans.text.accuracy'] == pytest.approx(5 / 8)
  assert value['humans.text+audio.accuracy'] == pytest.approx(4 / 5)
  assert value['humans.text.gs'] == pytest.approx((2 / 3 + 0 + 1) / 3)
  assert value['humans.text.observed_agreement'] == pytest.approx(
    1 - value['humans.text.gs']
  )
  for name, one in found.statistics.items():
    shares = ('accuracy', 'gs', 'observed_agreement', 'ceiling', 'reliability')
    shares += ('hurt_share_naive', 'rate')
    is_share = name.endswith(shares) and 'full_minus' not in name
    assert ('logit' in one.method) == is_share or one.low is None
  # Pairs are clips: (1 - 2/3) and (1/2 - 1); the third has no second votes.
  difference = found.statistics['humans.full_minus_text.accuracy']
  assert difference.estimate == pytest.approx((1 / 3 - 1 / 2) / 2)
  assert difference.n == 2
  assert found.primary == 'humans.full_minus_text.accuracy'
  row = found.tables['humans'][0]
  assert (row['num_clips'], row['num_votes']) == (3, 8)


def test_the_primary_is_minus_the_best_other_condition():
  random = np.random.default_rng(0)
  labels = random.integers(0, 3, 60)
  shares = {'text': 0.1, 'audio': 0.5, 'text+audio': 0.6}
  votes = {
    name: random.multinomial(
      7, 0.9 * share * np.eye(3)[labels] + (1 - 0.9 * share) / 3
    )
    for name, share in shares.items()
  }
  found = made.answer(
    humans, made.corpus(np.arange(60) // 5, labels, votes=votes)
  )
  assert found.primary == 'humans.full_minus_audio.accuracy'


def test_what_is_missing_is_said():
  none = made.corpus([0, 1], [0, 1])
  assert 'no votes' in made.answer(humans, none).skipped['question 5']
  votes = {'text': np.array([[1, 0, 0], [0, 2, 0]])}
  one = made.answer(humans, made.corpus([0, 1], [0, 1], votes=votes))
  skipped = one.skipped['humans.full_minus_other.accuracy']
  assert 'one condition only' in skipped
  assert not [name for name in one.tables if name != 'humans']
  # What is answered in part is not skipped as a whole.
  assert 'question 5' not in one.skipped
  assert one.statistics['humans.text.accuracy'].estimate == 1
  unlabelled = made.answer(humans, made.corpus([0, 1], [-1, -1], votes=votes))
  assert 'label' in unlabelled.skipped['humans.text.accuracy']
  assert 'humans.text.gs' in unlabelled.statistics
  single = {'text': np.array([[1, 0, 0], [0, 1, 0]])}
  lone = made.answer(humans, made.corpus([0, 1], [0, 1], votes=single))
  assert 'two votes' in lone.skipped['humans.text.gs']


def _simulated(random, shares, num_votes=7):
  """Votes of 3 classes, drawn with probabilities (n, 3)."""
  return random.multinomial(num_votes, shares)


def _corpus(votes, labels, **changes):
  groups = np.arange(len(labels)) * 30 // len(labels)
  return made.corpus(groups, labels, votes=votes, **changes)


@pytest.mark.parametrize('source', ['text+audio', 'text', ''])
def test_votes_do_not_judge_themselves(source):
  random = np.random.default_rng(1)
  gold = random.integers(0, 3, 2000)
  votes = {
    name: _simulated(random, strength * np.eye(3)[gold] + (1 - strength) / 3, 9)
    for name, strength in (('text', 0.3), ('text+audio', 0.4))
  }
  label = (votes[source] if source else sum(votes.values())).argmax(axis=1)
  found = made.answer(humans, _corpus(votes, label))
  name = 'humans.full_minus_text.accuracy'
  assert found.primary == name
  gain = found.statistics[name]
  where = f'the votes on {source}' if source else 'all votes'
  assert f'half of {where}, judging other votes only' in gain.method
  assert '200 random halves' in gain.method
  # What half of the votes make of new clips of each gold class, and how often
  # a vote is equal to that.
  strengths = {'text': 0.3, 'text+audio': 0.4}
  expected = dict.fromkeys(strengths, 0.0)
  for law in np.eye(3):
    laws = {c: s * law + (1 - s) / 3 for c, s in strengths.items()}
    half = sum(
      random.multinomial(5, laws[condition], 50_000)
      for condition in ([source] if source else strengths)
    )
    shares = np.bincount(half.argmax(axis=1), minlength=3) / 50_000
    for condition in strengths:
      expected[condition] += laws[condition] @ shares / 3
  for row in found.tables['humans']:
    name = f'humans.{row["condition"]}.accuracy_disjoint'
    assert found.statistics[name].estimate == pytest.approx(
      expected[row['condition']], abs=0.015
    )
    assert row['accuracy_disjoint'].name == name
  assert gain.low < expected['text+audio'] - expected['text'] < gain.high
  # The share of votes equal to the label as it is, is an echo.
  echo = found.statistics[f'humans.{source or "text"}.accuracy'].estimate
  assert echo > expected[source or 'text'] + 0.04


def test_a_label_from_elsewhere_judges_all_votes():
  random = np.random.default_rng(1)
  votes = {
    name: random.multinomial(9, [0.5, 0.3, 0.2], 100)
    for name in ('text', 'text+audio')
  }
  label = votes['text'].argmax(axis=1)
  assert made.source(_corpus(votes, label)) == 'text'
  # Labels from elsewhere on one clip in twenty, or too few clips to tell.
  few = _corpus({c: v[:20] for c, v in votes.items()}, label[:20])
  assert made.source(few) is None
  label[::20] = (label[::20] + 1) % 3
  assert made.source(_corpus(votes, label)) is None
  found = made.answer(humans, _corpus(votes, label))
  assert found.primary == 'humans.full_minus_text.accuracy'
  assert 'halves' not in found.statistics[found.primary].method
  hits = [v[np.arange(100), label] / 9 for v in votes.values()]
  assert found.statistics[found.primary].estimate == pytest.approx(
    np.mean(hits[1] - hits[0])
  )


def test_how_ties_were_broken_does_not_hide_what_made_the_label():
  random = np.random.default_rng(4)
  votes = {'text': random.multinomial(4, [0.4, 0.35, 0.25], 300)}
  last = 2 - votes['text'][:, ::-1].argmax(axis=1)
  first = votes['text'].argmax(axis=1)
  # So many that a bound on all clips would not forgive them.
  assert (first != last).mean() > 0.1
  for label in (first, last):
    assert made.source(_corpus(votes, label)) == 'text'
  # A few labels were mended by hand.
  label = first.copy()
  label[:2] = (label[:2] + 1) % 3
  assert made.source(_corpus(votes, label)) == 'text'


def test_easy_clips_do_not_make_a_label_of_votes():
  # 5,000 clips on which nearly everyone agrees, also with a label from
  # elsewhere; and 40 with a close vote, half of them for another class.
  votes = np.tile([5, 0], (5_040, 1))
  votes[1_000:] = [7, 2]
  votes[:40] = [3, 2]
  label = np.zeros(5_040, int)
  label[:20] = 1
  assert made.source(_corpus({'text': votes}, label)) is None
  assert (label == 0).mean() > 0.99


@pytest.mark.parametrize(
  ('declared', 'expected'),
  [
    ('votes', 'text+audio'),
    ('text', 'text'),
    ('intended', None),
    (None, 'text+audio'),
  ],
)
def test_what_the_corpus_says_of_its_label_is_believed(declared, expected):
  random = np.random.default_rng(5)
  votes = {
    name: random.multinomial(5, [0.5, 0.3, 0.2], 200)
    for name in ('text', 'text+audio')
  }
  label = votes['text+audio'].argmax(axis=1)
  corpus = _corpus(votes, label)
  if declared:
    corpus.info['label_source'] = declared
  assert made.source(corpus) == expected
  found = made.answer(humans, corpus)
  name = 'humans.text+audio.accuracy_disjoint'
  assert (name in found.statistics) == (expected is not None)


@pytest.mark.parametrize('num_others', [2, 4])
def test_the_least_gain_has_the_interval_of_the_least(num_others):
  random = np.random.default_rng(6)
  label = random.integers(0, 3, 400)
  names = ['text+audio+video', 'text', 'audio', 'video', 'text+audio']
  names = names[: num_others + 1]
  shares = 0.4 * np.eye(3)[label] + 0.2
  votes = {name: _simulated(random, shares, 5) for name in names}
  # Not every clip has votes in every condition.
  votes['text'][:40] = 0
  corpus = _corpus(votes, label)
  found = made.answer(humans, corpus)
  one = found.statistics[found.primary]
  others = [
    found.statistics[name]
    for name in found.statistics
    if 'full_minus_' in name and name.endswith('.accuracy')
  ]
  assert len(others) == num_others
  assert one.estimate == min(other.estimate for other in others)
  assert f'least of {num_others}' in one.method
  assert one.kind == Kind.LEAST
  hits = {c: v[np.arange(400), label] / 5 for c, v in votes.items()}
  other = found.primary.split('.')[1].removeprefix('full_minus_')
  chosen = votes[other].any(axis=1)
  alone = (hits['text+audio+video'] - hits[other])[chosen]
  assert one.estimate == pytest.approx(alone.mean())
  sample = samples.sample(corpus.groups[chosen])
  columns = np.stack([alone, np.ones(len(alone))], axis=1)
  plain = resampling.estimate(sample, weighing.mean(sample.totals(columns)))
  # The choice of the least makes its upper end reach further.
  assert one.high > plain.high
  assert one.low <= plain.low + 1e-9


def test_one_other_condition_leaves_no_choice():
  corpus, _ = made.study_input()
  found = made.answer(humans, corpus)
  for name in ('naive', 'split_half'):
    reason = found.skipped[f'humans.full_minus_best_per_clip.{name}']
    assert 'one condition beside text+audio' in reason
  assert 'humans.hurt_share' in found.statistics
  assert 'best_per_clip' not in found.tables


def _three(random, num_clips=1500, num_votes=9):
  """Three conditions, equal on every clip."""
  labels = random.integers(0, 3, num_clips)
  shares = random.dirichlet([1, 1, 1], num_clips) + np.eye(3)[labels]
  return labels, {
    name: _simulated(random, shares / 2, num_votes)
    for name in ('text', 'audio', 'text+audio')
  }


def test_equal_conditions_have_no_gain_and_no_excess():
  labels, votes = _three(np.random.default_rng(3))
  found = made.answer(humans, _corpus(votes, labels))
  value = found.statistics
  best = 'humans.full_minus_best_per_clip'
  assert value[f'{best}.naive'].high < 0
  for name in ('text', 'audio'):
    prefix = f'humans.{name}_vs_full'
    excess = value[f'{prefix}.entropy_excess']
    assert excess.low < 0 < excess.high
    assert excess.high - excess.low < 0.1
    # The gap itself is no sign of anything: uncertain clips differ more.
    assert value[f'{prefix}.gs_difference'].low > 0.05
    assert excess.estimate == pytest.approx(
      value[f'{prefix}.gs_difference'].estimate
      - value[f'{prefix}.control_gs_difference'].estimate
    )
    assert value[f'{prefix}.rate'].estimate == pytest.approx(
      value[f'{prefix}.control_rate'].estimate, abs=0.03
    )
  for name in (f'{best}.split_half', 'humans.hurt_share'):
    assert value[name].low < 0 < value[name].high


def test_a_gain_on_each_clip_is_between_the_ends():
  # On each clip one single condition is as good as the full one.
  random = np.random.default_rng(4)
  labels = random.integers(0, 3, 1500)
  gold = np.eye(3)[labels]
  first = random.random((1500, 1)) < 0.5
  votes = {
    name: _simulated(random, strength * gold + (1 - strength) / 3, 9)
    for name, strength in (
      ('text', np.where(first, 0.4, 0.2)),
      ('audio', np.where(first, 0.2, 0.4)),
      ('text+audio', 0.4),
    )
  }
  found = made.answer(humans, _corpus(votes, labels))
  best = 'humans.full_minus_best_per_clip'
  assert found.statistics[f'{best}.naive'].high < 0
  assert found.statistics[f'{best}.split_half'].low > 0
  rows = found.tables['best_per_clip']
  assert [row['chosen_by'] for row in rows] == [
    'all votes',
    'half of the votes',
    '1 vote',
    '2 votes',
    '4 votes',
    '8 votes',
  ]
  assert [row['biased'] for row in rows] == ['down'] + ['up'] * 5
  curve = found.curves['best_per_clip']
  assert curve['num_votes'] == sorted(curve['num_votes'])
  assert curve['num_votes'][-1] == 8
  split = [found.statistics[f'{best}.split_{k}'].estimate for k in (1, 2, 4, 8)]
  assert split == sorted(split, reverse=True)


def test_what_few_clips_could_show_has_no_row():
  labels, votes = _three(np.random.default_rng(5), 200, 4)
  found = made.answer(humans, _corpus(votes, labels))
  names = [row['chosen_by'] for row in found.tables['best_per_clip']]
  assert names == ['all votes', 'half of the votes', '1 vote', '2 votes']


def test_a_planted_conflict_is_an_excess():
  # Where text points elsewhere, annotators of both are torn between the two.
  random = np.random.default_rng(6)
  labels = random.integers(0, 3, 1500)
  gold, other = np.eye(3)[labels], np.eye(3)[(labels + 1) % 3]
  conflict = random.random((1500, 1)) < 0.3
  clear = 0.85 * gold + 0.05
  votes = {
    'text': _simulated(random, np.where(conflict, 0.85 * other + 0.05, clear)),
    'audio': _simulated(random, clear),
    'text+audio': _simulated(
      random, np.where(conflict, 0.45 * (gold + other) + 0.1 / 3, clear)
    ),
  }
  found = made.answer(humans, _corpus(votes, labels))
  value = found.statistics
  assert value['humans.text_vs_full.entropy_excess'].low > 0.02
  # Audio never conflicts: what it differs on, it differs on by chance.
  assert value['humans.audio_vs_full.entropy_excess'].low < 0
  corpus = _corpus(votes, labels)
  told = section.section(study.build(corpus)).details
  (said,) = [text for text in told if 'plurality' in text]
  assert 'votes on text differs' in said
  assert 'consistent with a conflict of modalities' in said


def test_pluralities_need_four_votes():
  votes = {
    'text': np.array([[1, 0, 0], [0, 2, 0]]),
    'text+audio': np.array([[2, 1, 0], [1, 2, 0]]),
  }
  found = made.answer(humans, made.corpus([0, 1], [0, 1], votes=votes))
  for name in ('rate', 'gs_difference', 'entropy_excess'):
    reason = found.skipped[f'humans.text_vs_full.{name}']
    assert reason == 'No clip has four votes on text+audio and one on text.'
  assert 'humans_vs_full' not in found.tables


def test_ceiling_and_reliability_are_means_over_clips():
  corpus, _ = made.study_input()
  found = made.answer(humans, corpus).statistics
  votes = corpus.vote_counts('text')
  assert found['humans.text.one_vote_ceiling'].estimate == pytest.approx(
    halves.one_vote_ceiling(votes).mean()
  )
  reliability = found['humans.text.split_half_reliability']
  assert reliability.estimate == pytest.approx(
    halves.reliability(
      halves.Draws(draws.keys(corpus.ids, 'other')), '', votes
    ).mean(),
    abs=0.02,
  )
  assert '200 random halves' in reliability.method


def test_annotators_widen_the_intervals_of_agreement():
  corpus, _ = made.study_input()
  known = made.with_annotators(corpus)
  plain, found = (made.answer(humans, c).statistics for c in (corpus, known))
  assert plain.keys() == found.keys()
  widened = 0
  for name, one in found.items():
    assert one.estimate == pytest.approx(plain[name].estimate)
    if 'annotator' in one.method:
      assert one.high - one.low > plain[name].high - plain[name].low
      widened += 1
  assert widened
  figure = agreement.coefficients(3)['alpha_nominal']
  chosen = known.votes.condition == 1
  variance = made.annotator_variance(
    figure,
    known.groups,
    known.votes.clip[chosen],
    known.votes.annotator[chosen],
    known.votes.label[chosen],
    known.votes.count[chosen],
    3,
  )
  name = 'humans.text+audio.alpha_nominal'
  assert ('annotator' in found[name].method) == (variance > 0)
  half = [(e[name].high - e[name].low) / 2 for e in (plain, found)]
  # Both are as many standard errors wide.
  assert half[1] > half[0] or variance == 0


def test_many_annotators_of_many_clips_are_put_into_bundles(monkeypatch):
  random = np.random.default_rng(0)
  labels = random.integers(0, 3, 400)
  shares = 0.6 * np.eye(3)[labels] + 0.4 / 3
  corpus = made.with_annotators(
    made.corpus(
      np.arange(400) // 10,
      labels,
      votes={'text': random.multinomial(5, shares)},
    ),
    200,
  )
  exact = made.answer(humans, corpus).statistics
  monkeypatch.setattr(plan, 'MANY_CLIPS', 300)
  monkeypatch.setattr(plan, 'MOST_GROUPS', 60)
  bundled = made.answer(humans, corpus).statistics
  for name in ('alpha_nominal', 'fleiss_kappa', 'gs'):
    one, other = (found[f'humans.text.{name}'] for found in (bundled, exact))
    assert one.estimate == pytest.approx(other.estimate, abs=1e-12)
    assert one.method == other.method
    assert 'with the noise of 200 annotators' in one.method
    # Of 60 bundles, the variance is known to within some 20 %.
    assert one.variance['annotators'] == pytest.approx(
      other.variance['annotators'], rel=0.4
    )
    assert one.variance['groups'] == other.variance['groups']


@given(seed=st.integers(0, 100))
@settings(max_examples=5, deadline=None)
def test_the_order_of_clips_does_not_matter(seed):
  corpus, predictions = made.study_input(60, 6, 2, seed)
  order = np.random.default_rng(seed).permutation(60)
  again = dataclasses.replace(
    corpus,
    ids=corpus.ids[order],
    groups=corpus.groups[order],
    labels=corpus.labels[order],
    votes=dataclasses.replace(
      corpus.votes, clip=np.argsort(order)[corpus.votes.clip].astype(np.int32)
    ),
  )
  moved = made.predictions(
    {view: p[:, order] for view, p in predictions.probabilities.items()}
  )
  expected = made.answer(humans, corpus, predictions).statistics
  found = made.answer(humans, again, moved).statistics
  assert found.keys() == expected.keys()
  for name, one in expected.items():
    for field in ('estimate', 'low', 'high', 'p'):
      value = getattr(one, field)
      if value is not None:
        assert getattr(found[name], field) == pytest.approx(value, abs=1e-9)


def test_nothing_is_told_of_zero_of_too_few():
  random = np.random.default_rng(7)
  for num_votes in (0, 1, 2, 3):
    votes = {
      name: random.multinomial(num_votes, [0.4, 0.3, 0.3], 12)
      for name in ('text', 'audio', 'text+audio')
    }
    votes['text'][0, 0] += 1
    corpus = made.corpus(np.arange(12) // 3, np.arange(12) % 3, votes=votes)
    found = study.build(corpus)
    for one in found.statistics.values():
      for value in one.figures().values():
        assert value == value
    assert all(reason.endswith('.') for reason in found.skipped.values())


def test_annotators_gain_from_both_modalities(shared):
  corpus = corpus_lib.read(shared / 'corpora/crema_d')
  found = study.build(corpus)
  value = found.statistics
  for condition, accuracy, alpha in (
    ('audio', 0.400, 0.281),
    ('video', 0.574, 0.458),
    ('audio+video', 0.631, 0.497),
  ):
    one = value[f'humans.{condition}.accuracy']
    assert round(one.estimate, 3) == accuracy
    assert one.low < one.estimate < one.high
    assert '91 groups' in one.method
    one = value[f'humans.{condition}.alpha_nominal']
    assert round(one.estimate, 3) == alpha
  gain = value['humans.full_minus_video.accuracy']
  assert round(gain.estimate, 3) == 0.057
  assert gain.low > 0.045
  pooled = [
    value[f'humans.{c}.accuracy'].estimate for c in ('audio+video', 'video')
  ]
  assert round(pooled[0] - pooled[1], 4) == 0.0564
  # Against the better single condition of each clip nothing is settled.
  best = 'humans.full_minus_best_per_clip'
  assert value[f'{best}.naive'].estimate == pytest.approx(-0.016, abs=5e-4)
  assert value[f'{best}.split_half'].estimate == pytest.approx(0.038, abs=2e-3)
  for k, gain in ((1, 0.076), (2, 0.055), (4, 0.037), (8, 0.026)):
    one = value[f'{best}.split_{k}']
    assert one.estimate == pytest.approx(gain, abs=7e-4)
  assert value['humans.hurt_share'].low < 0.01
  assert value['humans.hurt_share_naive'].estimate > 0.4
  # Where the plurality of video differs, annotators of both are less certain;
  # but as much so where their own votes differ.
  video = 'humans.video_vs_full'
  assert value[f'{video}.rate'].estimate == pytest.approx(0.36, abs=0.01)
  assert value[f'{video}.control_rate'].estimate == pytest.approx(
    0.31, abs=0.01
  )
  gap = value[f'{video}.gs_difference']
  control = value[f'{video}.control_gs_difference']
  assert gap.low > 0.15
  assert gap.estimate == pytest.approx(control.estimate, abs=0.02)
  assert value[f'{video}.entropy_excess'].high < 0.01
  told = section.section(found)
  assert '5.7 points' in told.finding
  said = ' '.join(told.details)
  assert 'cross-modal' not in said
  assert 'not settled' in said


def _told(found, **changes):
  """The section's sentences, with the intervals of some statistics changed."""
  statistics = dict(found.statistics)
  for name, ends in changes.items():
    statistics[name] = dataclasses.replace(
      statistics[name], estimate=sum(ends) / 2, low=ends[0], high=ends[1]
    )
  told = section.section(dataclasses.replace(found, statistics=statistics))
  return ' '.join((told.finding, *told.details))


def test_sentences_are_not_stronger_than_intervals():
  labels, votes = _three(np.random.default_rng(3), 600)
  found = study.build(_corpus(votes, labels))
  best = 'humans.full_minus_best_per_clip'
  naive, split = f'{best}.naive', f'{best}.split_half'
  open_, above, below = (-0.02, 0.03), (0.01, 0.03), (-0.03, -0.01)
  settled, gains, loses = 'is not settled', 'gain even over', 'lose against'
  for ends, says, says_not in (
    ({naive: below, split: above}, settled, loses),
    ({naive: open_, split: above}, settled, loses),
    ({naive: above, split: above}, gains, settled),
    ({naive: below, split: open_}, settled, loses),
    ({naive: below, split: below}, loses, settled),
  ):
    (said,) = [
      text
      for text in _told(found, **ends).split('. ')
      if 'best other condition of each clip' in text
    ]
    assert says in said
    assert says_not not in said
  for ends, says in (
    (open_, 'by chance is not settled'),
    (above, 'repeats in other votes of the clip more often than by chance, by'),
    (below, 'this is not repeated more often than by chance'),
  ):
    assert says in _told(found, **{'humans.hurt_share': ends})
  # Of two conditions, that with the larger excess is told.
  text, audio = (
    f'humans.{c}_vs_full.entropy_excess' for c in ('text', 'audio')
  )
  assert text in found.statistics
  for ends, says in (
    (above, 'is consistent with a conflict of modalities'),
    (open_, 'is more than where two samples'),
    (below, 'so that uncertain clips alone would do'),
  ):
    said = _told(found, **{text: ends, audio: ends})
    assert says in said
    assert ('consistent with' in said) == (ends == above)


def test_models_are_told_as_far_as_is_known():
  corpus, predictions = made.study_input()
  models = made.answer(humans, corpus, predictions)
  found = study.build(corpus, predictions)
  rows = filled(models.tables['humans_and_models'], models.statistics)
  found = dataclasses.replace(
    found,
    statistics=models.statistics,
    tables=dict(found.tables) | {'humans_and_models': rows},
  )
  name = 'humans.models.one_minus_gold_probability.spearman'
  for ends, says in (
    (
      (0.1, 0.2),
      'Clips on which annotators differ more are harder for the full',
    ),
    (
      (-0.1, 0.2),
      'harder for the full view, too, is not settled by these data',
    ),
    ((-0.2, -0.1), 'differ more are easier for the full view: Spearman’s'),
  ):
    assert says in _told(found, **{name: ends})
  assert section.section(found).shows['models'].rows


def test_a_label_of_votes_is_said_to_be_one():
  labels, votes = _three(np.random.default_rng(3), 600)
  label = votes['text+audio'].argmax(axis=1)
  found = study.build(_corpus(votes, label))
  assert 'equal a label made of other votes' in section.section(found).finding
  page = text_of(found)
  assert 'it is made anew of half' in page
  assert 'Share of votes equal to a label made of other votes by what' in page
  found = study.build(_corpus(votes, labels))
  assert 'equal the label' in section.section(found).finding
  page = text_of(found)
  assert 'it is made anew' not in page
  assert 'Share of votes equal to the label by what' in page
