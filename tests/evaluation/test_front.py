"""The report's first page: the verdicts on the six questions."""

import dataclasses
import pathlib

import browser
import numpy as np
import pytest
import test_report

from empathy.evaluation import examples, explorer, front, report, sections
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


def test_where_little_is_asked_a_terminal_says_what_else_is_known():
  study = _study()
  few = dataclasses.replace(
    study,
    primaries={1: study.primaries[1]},
    skipped={f'question {number}': 'No.' for number in range(2, 7)},
  )
  lines = report.verdicts(few)
  shown = front.of(few, sections.of(few))
  said = [*shown.lead, *shown.also]
  assert said
  assert [line[25:] for line in lines[6:]] == said
  assert {line[:25].rstrip() for line in lines[6:]} == {'Also'}


def test_questions_are_short():
  assert list(sections.QUESTIONS) == list(range(1, 7))
  for question in sections.QUESTIONS.values():
    assert question.endswith('?')
    assert len(question.split()) <= 10


_FULL = 'text+audio'


def _clips(**changes):
  """Six clips of three classes, with views, votes and signals."""
  none = np.full(6, '')
  sure = np.array([0.5, 0.4, 0.02, 0.01, 0.3, 0.1])
  said = np.array([0, 1, 2, 2, 1, 0])
  probabilities = np.full((6, 3), 0.0)
  probabilities[np.arange(6), said] = 1 - sure
  other = np.array([1, 1, 2, 2, 1, 0])
  full = np.array(
    [[2, 1, 0], [0, 3, 0], [1, 1, 1], [0, 2, 2], [1, 2, 0], [0, 0, 4]]
  )
  clips = explorer.Clips(
    num_ranked=6,
    ids=np.array([f'clip{i}' for i in range(6)]),
    groups=none,
    labels=np.array([0, 0, 2, 2, 0, 0]),
    predicted={'text': said, 'audio': other, _FULL: said},
    probabilities=dict.fromkeys(('text', 'audio', _FULL), probabilities),
    pluralities={
      'text': np.array([0, 1, 0, 2, 1, 2]),
      'audio': np.array([0, 1, 0, 2, 0, 2]),
      _FULL: full.argmax(axis=1),
    },
    votes={
      'text': np.array(
        [[3, 0, 0], [0, 3, 0], [2, 1, 0], [0, 0, 3], [0, 2, 1], [0, 0, 3]]
      ),
      'audio': np.array(
        [[3, 0, 0], [0, 3, 0], [2, 1, 0], [0, 0, 3], [3, 0, 0], [0, 0, 3]]
      ),
      _FULL: full,
    },
    contested=np.zeros(6, bool),
    signals={
      'any_disagreement': np.array([1.0, 0, 0, 0, 0, 0]),
      'one_minus_confidence': sure,
      'gold_misled': np.array([0.0, 0, 0, 0, 1, 0]),
      'votes_gs': np.array([0.6, 0, 1, 0.67, 0.6, 0]),
    },
    dominant=none,
    transcripts=np.array(['hi', '', 'so  it\ngoes', '', '', '']),
    media={},
    starts=none,
    ends=none,
  )
  return dataclasses.replace(clips, **changes)


def _shown(clips, **info):
  study = test_report.full_study(clips=clips)
  info = {
    'classes': ('calm', 'glad', 'sad'),
    'full_view': _FULL,
    'full_condition': _FULL,
    **info,
  }
  study = dataclasses.replace(study, info=study.info | info)
  return study, examples.of(study, pathlib.Path())


def test_examples_are_chosen_by_their_rules():
  _, found = _shown(_clips())
  assert [(one.title, one.clip) for one in found] == [
    ('Most in doubt', 'clip0'),
    ('One modality misleads', 'clip4'),
    # Surest are 2 and 3; annotators differ more on 2.
    ('People differ, models are sure', 'clip2'),
  ]
  assert [one.label for one in found] == ['calm', 'calm', 'sad']
  assert [one.words for one in found] == ['hi', '', 'so it goes']
  first = found[0]
  assert [(s.name, s.text, s.right) for s in first.views] == [
    ('text', 'calm', True),
    ('audio', 'glad', False),
    ('full view', 'calm', True),
  ]
  assert first.views[0].share == 0.5
  assert first.votes[-1].name == 'all'
  assert first.votes[-1].tally == (('calm', 2), ('glad', 1))
  assert first.votes[-1].bar == ((2, True), (1, False))


def test_examples_of_votes_alone():
  _, found = _shown(
    _clips(predicted={}, probabilities={}, signals={}), views=[]
  )
  assert [(one.title, one.clip) for one in found] == [
    ('Annotators differ most', 'clip0'),
    # Text says glad, audio calm.
    ('Modalities say different things', 'clip4'),
    # All four say sad, and it is calm.
    ('Annotators against the label', 'clip5'),
  ]
  assert found[0].views == ()


def test_examples_of_predictions_alone():
  signals = {'one_minus_confidence': _clips().signals['one_minus_confidence']}
  _, found = _shown(_clips(votes={}, pluralities={}, signals=signals))
  assert [(one.title, one.clip) for one in found] == [
    ('Most in doubt', 'clip0'),
    # Of 1 and 4, which are wrong, the surer one.
    ('Surely wrong', 'clip4'),
    ('Least in doubt', 'clip3'),
  ]


def test_a_tie_of_votes_is_nobodys_opinion():
  tied = np.array([[1, 1, 1]] * 6)
  clips = _clips(
    predicted={},
    probabilities={},
    signals={},
    votes=dict.fromkeys(('text', 'audio', _FULL), tied),
    pluralities={
      'text': np.zeros(6, int),
      'audio': np.ones(6, int),
      _FULL: np.full(6, 2),
    },
  )
  _, found = _shown(clips, views=[])
  assert [one.title for one in found] == ['Annotators differ most']


def test_a_rule_says_no_more_than_there_is():
  _, found = _shown(_clips(signals={}))
  assert found[0].rule == 'The first clip of the list.'
  hard = {'any_disagreement': np.ones(6)}
  _, found = _shown(_clips(signals=hard))
  assert found[0].rule == 'The first clip of the list: views disagree.'
  # Nothing tells how much in doubt it is.
  assert found[0].title == 'Views disagree'


def test_a_class_that_is_a_number_is_told_from_the_number_of_its_votes():
  _, found = _shown(_clips(), classes=('1', '2', '3'))
  tallies = [name for said in found[0].votes for name, _ in said.tally]
  assert tallies
  assert set(tallies) <= {'“1”', '“2”', '“3”'}


def test_no_clip_is_shown_twice_and_none_where_there_are_none():
  clips = _clips()
  misled = np.array([1.0, 0, 0, 0, 0, 0])
  _, found = _shown(
    dataclasses.replace(clips, signals={**clips.signals, 'gold_misled': misled})
  )
  assert len({one.clip for one in found}) == 3
  assert examples.of(test_report.full_study(), pathlib.Path()) == []


def test_examples_play_without_a_script_and_escape_what_they_show(tmp_path):
  evil = '<script>alert(1)</script>"\'&'
  films = np.array([str(tmp_path / 'a "film" & <b>.mp4')] + [''] * 5)
  clips = _clips(
    ids=np.array([evil] * 6),
    transcripts=np.array([evil] * 6),
    media={'video': films},
    starts=np.array(['1.5'] * 6),
    ends=np.array(['2.5'] * 6),
  )
  study, _ = _shown(clips, classes=(evil, evil, evil))
  page = report.render(study, tmp_path)
  start = page.index('class="examples"')
  shown = page[start : page.index('class="facts"', start)]
  assert '<script' not in shown
  assert '&lt;script&gt;alert(1)' in shown
  players = [
    attributes
    for tag, attributes in test_report._Text(page).tags
    if tag == 'video'
  ]
  assert [one['src'] for one in players] == [
    './a%20%22film%22%20%26%20%3Cb%3E.mp4#t=1.5,2.5'
  ]
  assert players[0]['aria-label'] == f'video of clip {evil}'
  assert 'controls' in players[0]


def test_a_failing_check_is_on_the_first_page_with_a_link():
  study = _study()
  rows = [
    row | {'verdict': 'fail', 'sentence': f'Check {i} fails.'}
    for i, row in enumerate(study.tables['data_checks'])
  ]
  study = dataclasses.replace(
    study, tables=study.tables | {'data_checks': rows}
  )
  page = report.render(study)
  answer = page[page.index('id="answer"') : page.index('class="verdicts"')]
  text = ' '.join(answer.split())
  assert '<strong>3 checks fail.</strong> Check 0 fails.' in text
  assert '<a href="#data">' in text


def test_clips_are_the_second_section_and_what_is_skipped_the_last():
  study, _ = _shown(_clips())
  page = report.render(study)
  places = [
    page.index(f'<section id="{key}"')
    for key in ('answer', 'clips', 'data', 'views', 'more', 'methods')
  ]
  assert places == sorted(places)
  assert page.index('class="verdicts"') < page.index('class="examples"')
  assert page.index('class="examples"') < page.index('class="facts"')
  assert page.index('class="facts"') < places[1]


def test_what_is_skipped_is_told_by_what_it_would_take():
  def skipped(number, why):
    return parts.Section('key', 'Own title', number, skipped=why)

  made = [
    skipped(1, 'There are no predictions.'),
    skipped(3, 'The corpus has no votes.'),
    skipped(2, 'There are no predictions.'),
    skipped(4, 'There are no predictions of the full view, a+b.'),
    skipped(99, 'It is Sunday.'),
    skipped(5, 'The corpus has no votes. The label is unknown.'),
    parts.Section('key', 'Title', 6, finding='Found.'),
  ]
  asked = sections.QUESTIONS
  assert [(n.what, n.questions) for n in front.needs(made)] == [
    ('predictions', (asked[1], asked[2])),
    ('votes', (asked[3],)),
    ('predictions of the full view, a+b', (asked[4],)),
    ('', ('Own title',)),
    ('', (asked[5],)),
  ]
  assert front.needs(made)[3].reason == 'It is Sunday.'


@pytest.mark.parametrize(
  ('views', 'conditions', 'title'),
  [
    (('a', 'b'), ('a',), 'Do models and people stumble over the same clips?'),
    (('a', 'b'), (), 'Where views disagree, is the model wrong?'),
    (('a',), (), 'How good is the model, and does it know?'),
    ((), ('a', 'b'), 'What do people gain from seeing more?'),
    ((), ('a',), 'How far do people agree on these clips?'),
    ((), (), 'What can these clips tell?'),
  ],
)
def test_the_title_is_a_question_that_the_study_can_answer(
  views, conditions, title
):
  study = test_report.empty_study(views=views, conditions=conditions)
  assert front.title(study) == title


def test_where_little_is_asked_more_of_it_is_told():
  study = test_report.full_study()
  alone = dataclasses.replace(
    study,
    tables={'humans': study.tables['humans']},
    primaries={5: study.primaries[5]},
  )
  also = front.of(alone, sections.of(alone)).also
  assert also[0] == (
    'Of votes on audio, 40.0 % [38.9, 41.1] and of votes on video, 57.4 % '
    '[56.3, 58.5] equal the label.'
  )
  assert len(also) <= 3
  assert front.of(_study(), sections.of(_study())).also == ()


@browser.needs_chromium
def test_the_first_page_fits_a_phone_and_a_sheet_of_paper(tmp_path):
  words = 'It was the best of times, it was the worst of times, ' * 4
  clips = _clips(transcripts=np.array([words] * 6))
  study, _ = _shown(clips, modalities=('text', 'audio'))
  full = _study()
  study = dataclasses.replace(
    study,
    statistics=full.statistics,
    tables=full.tables,
    primaries=full.primaries,
  )
  path = tmp_path / 'report.html'
  path.write_text(report.render(study, tmp_path), encoding='utf-8')
  with browser.page(tmp_path) as page:
    page.open(path, width=390, height=800)
    assert page.run('document.documentElement.scrollWidth') <= 390
    # A4 without its margins of 17 mm.
    width, height = (round((mm - 34) * 96 / 25.4) for mm in (210, 297))
    page.open(path, width=width, height=height)
    page.send('Emulation.setEmulatedMedia', media='print')
    bottom = (
      'document.querySelector(".examples").getBoundingClientRect().bottom'
    )
    assert 0.5 * height < page.run(bottom) <= height
    assert page.logged == []


@pytest.mark.parametrize(
  'kept',
  ['75.7 % [73.7, 77.6]', '−0.3 points [−2.0, 1.8]', '0.361 [−0.948, 0.988]'],
)
def test_no_line_ends_between_a_figure_and_its_interval(kept):
  told = report.environment().filters['prose'](f'It is {kept} of clips.')
  assert told == f'It is <span class="nb">{kept}</span> of clips.'
