"""The report's first page: the verdicts on the six questions."""

import dataclasses

import pytest
import test_report

from empathy.evaluation import report, sections
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts

_HARM = 'dominance.any.net_harm'
_ERRORS = 'diagnosis.any_disagreement.adjusted'


def _study(**changes):
  """A study whose six questions all have a primary figure."""
  study = test_report.full_study()
  found = {
    _HARM: _one(0.013, -0.008, 0.034, 0.1, 0.2, one_sided=True),
    'dominance.any.misled': Estimate(0.072, n=1000),
    'dominance.any.rescued': Estimate(0.059, n=1000),
    _ERRORS: _one(0.15, 0.11, 0.2, 1e-4, 6e-4, one_sided=True),
  }
  for modality in ('text', 'audio', 'video'):
    found[f'dominance.{modality}.rate'] = _one(1 / 3, 0.3, 0.36)
  tables = {
    'dominance': [
      {'modality': modality, 'num_clips': 1000}
      for modality in ('text', 'audio', 'video', 'any')
    ],
    'diagnosis': [{'signal': 'any_disagreement', 'num_clips': 1000}],
  }
  primaries = {**study.primaries, 4: _HARM, 6: _ERRORS}
  return dataclasses.replace(
    study,
    statistics=study.statistics | found,
    tables=study.tables | tables,
    primaries=dict(sorted(primaries.items())),
    **changes,
  )


def _one(value, low, high, p=None, adjusted=None, **more):
  return Estimate(value, low, high, 0.95, p, adjusted, 1000, **more)


def _verdicts(study):
  return {one.number: one.verdict for one in sections.of(study) if one.verdict}


def test_every_question_has_a_verdict():
  found = _verdicts(_study())
  assert {n: v.word for n, v in found.items()} == {
    1: 'Yes',
    2: 'Yes',
    3: 'Not settled',
    4: 'Not settled',
    5: 'Yes',
    6: 'Yes',
  }
  assert found[1] == parts.Verdict(
    'Yes',
    'The full view is right on 71.0 % of clips, 10.0 points more than video, '
    'the best single view.',
    '[7.0, 13.0] points',
  )
  assert found[4] == parts.Verdict(
    'Not settled',
    'On 7.2 % of clips one modality talks the model into a mistake; on 5.9 % '
    'it saves the model from one.',
    '[−0.8, 3.4] points',
  )
  assert found[5].sentence == (
    'People given audio+video vote for the label 63.1 % of the time, 5.7 '
    'points more often than people given video, the next best.'
  )
  assert found[5].interval == '[3.7, 7.7] points'


@pytest.mark.parametrize('question', range(1, 7))
@pytest.mark.parametrize(
  ('low', 'high', 'p', 'adjusted', 'one_sided', 'word', 'hint'),
  [
    (0.01, 0.09, 0.001, 0.006, False, 'Yes', False),
    (0.01, 0.09, 0.001, 0.006, True, 'Yes', False),
    # The interval alone does not do.
    (0.01, 0.09, 0.02, 0.12, False, 'Not settled', True),
    (-0.09, -0.01, 0.02, 0.12, False, 'Not settled', True),
    (-0.09, -0.01, 0.001, 0.006, False, 'No', False),
    # Asked for more than zero alone: 2 × 6 × 0.001 and 2 × 6 × 0.02.
    (-0.09, -0.01, 0.999, 1.0, True, 'No', False),
    (-0.09, -0.01, 0.98, 1.0, True, 'Not settled', True),
    # Neither does p.
    (-0.01, 0.09, 0.001, 0.006, False, 'Not settled', False),
    (0.0, 0.09, 0.001, 0.006, False, 'Not settled', False),
    (-0.09, 0.0, 0.001, 0.006, False, 'Not settled', False),
  ],
)
def test_a_verdict_needs_the_interval_and_the_corrected_p(
  question, low, high, p, adjusted, one_sided, word, hint
):
  study = _study()
  middle = (low + high) / 2
  one = _one(middle, low, high, p, adjusted, one_sided=one_sided)
  study = test_report.with_estimate(study, study.primaries[question], one)
  found = _verdicts(study)[question]
  assert found.word == word
  assert ('Take it as a hint' in found.sentence) == hint
  assert found.interval.startswith('[')
  row = next(s for s in sections.of(study) if s.number == question).primary
  assert row.marks[0].faint == (word == 'Not settled')


@pytest.mark.parametrize('question', range(1, 7))
def test_without_an_interval_nothing_is_settled(question):
  study = _study()
  one = Estimate(0.3, n=9, method='no interval: a single group')
  study = test_report.with_estimate(study, study.primaries[question], one)
  found = _verdicts(study)[question]
  assert (found.word, found.interval) == ('Not settled', '')
  assert found.sentence.endswith('No interval: a single group.')


@pytest.mark.parametrize('question', range(1, 7))
def test_what_was_not_asked_says_why(question):
  study = _study(skipped={f'question {question}': 'There is one seed.'})
  primaries = {q: n for q, n in study.primaries.items() if q != question}
  study = dataclasses.replace(study, primaries=primaries)
  found = _verdicts(study)[question]
  assert found == parts.Verdict('Not asked', 'There is one seed.')


def test_an_empty_study_asks_nothing():
  words = {v.word for v in _verdicts(test_report.empty_study()).values()}
  assert words == {'Not asked'}
  assert len(report.verdicts(test_report.empty_study())) == 6


def test_verdicts_are_lines_for_a_terminal():
  lines = report.verdicts(_study())
  assert lines[0] == (
    'Views         Yes          The full view is right on 71.0 % of clips, '
    '10.0 points more than video, the best single view. [7.0, 13.0] points'
  )
  assert [line[14:25].rstrip() for line in lines] == [
    'Yes',
    'Yes',
    'Not settled',
    'Not settled',
    'Yes',
    'Yes',
  ]


def test_questions_are_short():
  assert list(sections.QUESTIONS) == list(range(1, 7))
  for question in sections.QUESTIONS.values():
    assert question.endswith('?')
    assert len(question.split()) <= 10
