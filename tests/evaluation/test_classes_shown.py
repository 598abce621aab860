"""What sections show of classes: matrices, confusions, and what is told."""

import dataclasses
import functools
import html.parser
import re

import made
import numpy as np
import pytest

from empathy.evaluation import plots, report
from empathy.evaluation import study as study_lib
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import classes, humans, parts, views


@pytest.fixture(scope='module', name='study')
def _study():
  return study_lib.build(*made.study_input())


@functools.cache
def _many(num_classes):
  # Of so few groups there are no intervals, which take time.
  return study_lib.build(
    *made.study_input(200, 5, 1, num_classes=num_classes, votes=9)
  )


class _Cells(html.parser.HTMLParser):
  """The rows of a table: of each cell its tag, attributes and text."""

  def __init__(self, page):
    super().__init__()
    self.rows = []
    self.feed(page)

  def handle_starttag(self, tag, attrs):
    if tag == 'tr':
      self.rows.append([])
    if tag in ('td', 'th'):
      self.rows[-1].append([tag, dict(attrs), ''])

  def handle_data(self, data):
    if self.rows and self.rows[-1]:
      self.rows[-1][-1][2] += data


def test_a_matrix_has_a_cell_for_each_label_and_answer():
  page = plots.matrix(
    ['<a>', 'b'],
    [[0.625, 0.375], [0.0, None]],
    name='it',
    title='What is called what',
    heading='text',
    across='called',
  )
  head, first, second = _Cells(page).rows
  assert [cell[2] for cell in head] == ['called →', '<a>', 'b']
  assert [cell[1].get('scope') for cell in head] == [None, 'col', 'col']
  assert [cell[2] for cell in first] == ['<a>', '62', '38']
  assert [cell[2] for cell in second] == ['b', '0', '–']
  assert first[0][1]['scope'] == 'row'
  assert first[1][1] == {'class': 'own', 'style': '--share:62.5%'}
  assert first[2][1] == {'style': '--share:37.5%'}
  assert second[1][1] == {}
  assert '<caption>text</caption>' in page


def test_matrices_show_the_shares_of_the_table(study):
  found = classes.of_views(study)['confusion']
  assert len(found.panels) == 3
  for view, panel in zip(study.info['views'], found.panels, strict=True):
    shown = [[c[2] for c in row[1:]] for row in _Cells(panel).rows[1:]]
    rows = [r for r in study.tables['confusion'] if r['view'] == view]
    expected = np.array([r['share'] for r in rows]).reshape(3, 3)
    np.testing.assert_allclose(
      np.array(shown, float), 100 * expected, atol=0.5 + 1e-9
    )


def test_of_many_classes_the_commonest_confusions_are_listed():
  study = _many(13)
  for found, told in (
    (classes.of_views(study), 'confusion'),
    (classes.of_humans(study), 'human_confusion'),
  ):
    rows = [
      row
      for row in study.tables[told]
      if 'text+audio' in (row.get('view'), row.get('condition'))
    ]
    assert found['confusion'] is None
    (most, number), *_ = sorted(
      (
        ((row['label'], row.get('predicted', row.get('vote'))), number)
        for row in rows
        for number in [row.get('num_clips', row.get('num_votes'))]
        if row['label'] != row.get('predicted', row.get('vote'))
      ),
      key=lambda one: -one[1],
    )
    table = found['confused']
    assert len(table.rows) == 12
    first = [cell.text for cell in table.rows[0]]
    assert (*first[:2], float(first[2])) == (*most, number)
    every = {
      row.get('view') or row.get('condition') for row in study.tables[told]
    }
    header = [cell.text.removesuffix(', %') for cell in table.header[3:]]
    assert header[0] == 'text+audio'
    assert set(header) == every
  assert classes.of_views(_many(12))['confused'] is None


def test_the_commonest_confusion_is_told(study):
  rows = [r for r in study.tables['confusion'] if r['view'] == 'text+audio']
  wrong = [row for row in rows if row['label'] != row['predicted']]
  most = max(wrong, key=lambda row: row['num_clips'])
  told = next(classes.views_told(study))
  assert f'takes {most["label"]} for {most["predicted"]}' in told
  assert f'{100 * most["share"]:.1f} % of the clips' in told
  assert re.search(r'\(text \d+\.\d % and audio \d+\.\d %\)\.$', told)
  assert told in views.section(study).details
  assert next(classes.humans_told(study)) in humans.section(study).details


def _with_gains(study, **gains):
  """The same study with these gains by class, each half a point wide."""
  statistics = {
    f'views.full_minus_best_single.f1_of.{name}': Estimate(
      value, value - half, value + half, 0.95, p, p, 40, 'made'
    )
    for name, (value, half, p) in gains.items()
  }
  return dataclasses.replace(study, statistics=study.statistics | statistics)


@pytest.mark.parametrize(
  ('gains', 'says'),
  [
    (
      {
        'class0': (0.2, 0.01, 0.01),
        'class1': (0.1, 0.01, 0.01),
        'class2': (0.3, 0.4, 0.3),
      },
      ('gains most on class0, 20.0 points', 'on 1 of 3 classes nothing'),
    ),
    (
      {
        'class0': (-0.2, 0.01, 0.01),
        'class1': (0.1, 0.01, 0.01),
        'class2': (0.3, 0.4, 0.3),
      },
      ('gains most on class1, 10.0 points', 'loses most on class0, 20.0'),
    ),
    # A hint that correction takes away is none.
    (
      {f'class{i}': (0.2, 0.1, 0.3) for i in range(3)},
      ('not shown to be above',),
    ),
  ],
)
def test_what_classes_gain_is_told_as_far_as_it_is_settled(study, gains, says):
  *_, told = classes.views_told(_with_gains(study, **gains))
  for words in says:
    assert words in told


def test_classes_that_are_steps_of_a_scale_have_matrices_only():
  corpus, predictions = made.study_input()
  study = study_lib.build(made.with_values(corpus), predictions)
  for found in (classes.of_views(study), classes.of_humans(study)):
    assert found['confusion'] is not None
    assert found['by_class'] is found['classes'] is found['confused'] is None
  assert not [*classes.views_told(study), *classes.humans_told(study)]
  assert 'near miss' in report.render(study)


def test_without_the_full_view_the_first_one_is_shown():
  corpus, predictions = made.study_input()
  only = made.predictions({'audio': predictions.probabilities['audio']})
  study = study_lib.build(corpus, only)
  found = classes.of_views(study)
  assert len(found['confusion'].panels) == 1
  assert 'over' not in [c.text for c in found['classes'].header]
  assert not list(classes.views_told(study))
  assert 'The classes in figures of audio.' in ' '.join(
    report.render(study).split()
  )


def test_many_marks_give_way_to_those_of_the_full_view():
  study = _many(13)
  (few,), (many,) = (
    classes.of_views(one)['by_class'].panels for one in (_many(4), study)
  )
  assert few.count('class="dot"') == 4 * 3
  # 13 classes of 3 views are not too many yet.
  assert many.count('class="dot"') == 13 * 3
  (more,) = classes.of_views(_many(21))['by_class'].panels
  assert more.count('class="dot"') == 21


def test_a_dot_stands_for_every_class_and_condition(study):
  found = classes.of_humans(study)
  assert isinstance(found['by_class'], parts.Figure)
  assert found['by_class'].panels[0].count('class="dot"') == 3 * 2
  assert len(found['classes'].rows) == 3


def test_digits_stand_upright():
  """A name of a letter or two needs no turning on its side."""
  given = {'name': 'x', 'title': 't', 'heading': 'h', 'across': 'called'}
  for names, turned in ((['1', '10'], False), (['1', 'calm'], True)):
    page = plots.matrix(names, [[0.5, 0.5]] * 2, **given)
    assert ('class="short"' in page) != turned
