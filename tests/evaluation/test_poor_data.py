"""What is said of data that bear little: few groups, one vote, no label."""

import dataclasses

import made
import numpy as np
import pytest
from test_report import text_of

from empathy.evaluation import (
  ambiguity,
  data_checks,
  independence,
  planner,
  report,
  wording,
)
from empathy.evaluation import diagnosis as diagnosis_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation.findings import Estimate, Findings
from empathy.evaluation.sections import diagnosis, dominance, humans


@pytest.mark.parametrize(
  ('number', 'says'),
  [
    (5, 'with fewer than 6, there are no intervals.'),
    (6, 'with fewer than 20, intervals are rough.'),
    (19, 'with fewer than 20, intervals are rough.'),
    (20, 'There are 20 groups of 3 clips each.'),
  ],
)
def test_few_groups_have_rough_intervals_and_fewer_have_none(number, says):
  found = Findings()
  found.tables['data_checks'] = []
  independence.add_groups(found, np.full(number, 3))
  assert found.tables['data_checks'][0]['sentence'].endswith(says)


def test_a_study_without_intervals_says_so_and_not_what_they_cover():
  corpus, predictions = made.study_input(40, 5)
  study = study_lib.build(corpus, predictions)
  assert all(one.low is None for one in study.statistics.values())
  page = report.render(study)
  assert 'There are no intervals' in page
  assert 'Intervals cover' not in page
  assert 'intervals are rough' not in page
  assert 'is not settled by these data' not in page


def test_where_no_clip_has_a_label_that_is_the_reason():
  corpus, _ = made.study_input(30, 6)
  corpus = dataclasses.replace(corpus, labels=np.full(30, -1))
  skipped = study_lib.build(corpus).skipped
  asked = [
    'humans.full_minus_text.accuracy',
    'humans.hurt_share',
    'humans.hurt_share_naive',
  ]
  assert {skipped[name] for name in asked} == {'No clip has a label.'}
  labels = np.where(np.arange(30) < 1, 0, -1)
  corpus = dataclasses.replace(corpus, labels=labels, votes=corpus.votes)
  counts = {
    name: np.where(np.arange(30)[:, None] < 1, 0, corpus.vote_counts(name))
    for name in corpus.conditions
  }
  apart = made.corpus(range(30), labels, corpus.classes, votes=counts)
  skipped = study_lib.build(apart).skipped
  assert 'No labelled clip has votes in both' in skipped[asked[0]]


def test_one_vote_neither_contests_a_clip_nor_leaves_it_uncontested():
  corpus, predictions = made.study_input(60, 8, votes=1)
  found = made.answer(diagnosis_lib, corpus, predictions)
  reason = found.skipped['diagnosis.entropy.auroc_error_uncontested']
  assert 'two votes or more' in reason


@pytest.mark.parametrize(
  ('decimals', 'says'),
  [
    ((0, 0, 0), 'confidence of every view takes 1 value only:'),
    ((0, 0, None), 'confidence of text and audio takes 1 value only:'),
    ((1, None, None), 'confidence of text takes 2 values only:'),
    ((1, 0, None), 'of text and audio takes at most 2 values only:'),
  ],
)
def test_values_of_confidence_are_counted(decimals, says):
  corpus, predictions = made.study_input(60, 6)
  shown = {}
  for (view, p), few in zip(
    predictions.probabilities.items(), decimals, strict=True
  ):
    top = p.argmax(axis=-1)
    confidence = p.max(axis=-1)
    if few == 0:
      confidence = np.ones_like(confidence)
    elif few:
      confidence = 0.5 + 0.1 * (np.arange(confidence.size) % 2).reshape(
        confidence.shape
      )
    rest = np.repeat((1 - confidence)[..., None] / 2, 3, axis=-1)
    np.put_along_axis(rest, top[..., None], confidence[..., None], axis=-1)
    shown[view] = rest
  found = made.answer(data_checks, corpus, made.predictions(shown))
  rows = {row['check']: row for row in found.tables['data_checks']}
  assert says in rows['confidence']['sentence']


def test_a_one_sided_p_value_is_called_so():
  both = Estimate(0.03, -0.001, 0.061, 0.95, 0.03, 0.04)
  assert wording.p_values(both) == 'p = .030, adjusted .040'
  one = dataclasses.replace(both, one_sided=True)
  assert wording.p_values(one) == 'one-sided p = .030, adjusted .040'


def test_groups_to_come_are_of_the_kind_of_those_that_there_are():
  one = Estimate(
    0.1, -0.1, 0.3, 0.95, variance={'groups': 0.01}, sizes={'groups': 30}
  )
  told = planner.row('name', one)['sentence']
  assert 'groups that count in place of 30.' in told


def test_what_never_happens_has_nothing_to_repeat():
  votes = {
    name: 4 * np.eye(3, dtype=int)[np.arange(24) % 3]
    for name in ('text', 'audio', 'text+audio')
  }
  corpus = made.corpus(np.arange(24) // 3, np.arange(24) % 3, votes=votes)
  section = humans.section(study_lib.build(corpus))
  (hurt,) = [s for s in section.details if s.startswith('On 0.0 %')]
  assert hurt.endswith('than those on the best other condition.')
  (gain,) = [s for s in section.details if 'of each clip' in s]
  assert 'cannot be judged without an interval' in gain
  assert 'is not settled' not in gain


def test_what_other_seeds_cannot_mend_is_told_before_their_number():
  corpus, predictions = made.study_input(60, 8, num_seeds=2)
  same = np.eye(3)[corpus.labels] * 0.6 + 0.1
  graded = same + np.linspace(0, 0.1, 60)[:, None]
  graded = graded / graded.sum(axis=-1, keepdims=True)
  hard = np.eye(3)[predictions.probabilities['text+audio'].argmax(axis=-1)]
  cases = (
    (
      dict.fromkeys(predictions.views, np.tile(graded, (2, 1, 1))),
      'same label',
    ),
    (
      predictions.probabilities | {'text+audio': hard},
      'Seed by seed, the full view’s confidence takes 1 value only',
    ),
    (predictions.probabilities, 'train 1 more'),
  )
  for probabilities, says in cases:
    shown = made.predictions(probabilities)
    found = made.answer(ambiguity, corpus, shown)
    assert says in found.skipped[ambiguity.BEYOND_SEEDS]


def test_an_auroc_without_an_interval_is_grey():
  corpus, predictions = made.study_input(40, 5)
  study = study_lib.build(corpus, predictions)
  assert 'the interval includes chance or is not there' in text_of(study)
  panels = str(diagnosis.section(study).shows['auroc'].panels)
  assert panels.count(' faint"') == panels.count('<circle') > 0


@pytest.mark.parametrize(
  ('noise', 'says'),
  [(0.001, 'have the same part in the full view’s label: the'), (1, 'before ')],
)
def test_nobody_leads_where_parts_are_the_same_as_written(noise, says):
  random = np.random.default_rng(0)
  labels = random.integers(0, 3, 120)
  shown = {
    given: made.softmax(
      3.0 * np.eye(3)[labels] + noise * random.normal(size=(1, 120, 3))
    )
    for given in ('text', 'audio', 'text+audio')
  }
  corpus = made.corpus(np.arange(120) // 4, labels)
  predictions = dataclasses.replace(
    made.predictions(shown),
    subsets={('text+audio', given): p for given, p in shown.items()},
  )
  section = dominance.section(study_lib.build(corpus, predictions))
  (leader,) = [s for s in section.details if 'part in the full view' in s]
  assert says in leader


@pytest.mark.parametrize(('num_groups', 'told'), [(5, False), (12, True)])
def test_one_sided_p_values_of_net_harm_are_called_so(num_groups, told):
  corpus, predictions = made.study_input(120, num_groups)
  study = study_lib.build(corpus, made.with_parts(predictions))
  assert ('The p-values are one-sided: they ask' in text_of(study)) == told


def test_the_mean_of_seeds_takes_more_values_than_they_do():
  corpus, predictions = made.study_input(60, 8)
  hard = {
    view: np.eye(3)[p.argmax(axis=-1)]
    for view, p in predictions.probabilities.items()
  }
  skipped = study_lib.build(corpus, made.predictions(hard)).skipped
  assert 'probability takes one value' in skipped['views.text+audio.ece']
  mean = skipped['ambiguity.any_disagreement.adjusted']
  assert 'probability of the seeds’ mean takes 2 values only' in mean
