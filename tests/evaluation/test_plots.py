"""Plots: points where they belong, and words for those who cannot see them."""

import xml.etree.ElementTree

import pytest

from empathy.evaluation import plots
from empathy.evaluation.plots import Mark, Row, Series


def parsed(text):
  root = xml.etree.ElementTree.fromstring(text)
  assert root.attrib['role'] == 'img'
  named = {e.attrib['id']: e for e in root if 'id' in e.attrib}
  title, described = (
    named[name].text for name in root.attrib['aria-labelledby'].split()
  )
  return root, title, described


def dots(root):
  return [
    (float(e.attrib['cx']), float(e.attrib['cy'])) for e in root.iter('circle')
  ]


def lines(root, kind):
  return [
    tuple(float(e.attrib[key]) for key in ('x1', 'y1', 'x2', 'y2'))
    for e in root.iter('line')
    if e.attrib['class'] == kind
  ]


def words(root):
  return [e.text for e in root.iter('text')]


def forest(rows, **more):
  arguments = {'name': 'a', 'title': 'What it shows', 'axis': 'points'}
  return plots.intervals(rows, **arguments | more)


@pytest.mark.parametrize(
  ('width', 'left', 'right'),
  # Wide: the label takes 4 x 7.28, then a gap of 22. Narrow: 10 at each end.
  [(plots.WIDE, 51.12, 748.0), (plots.NARROW, 10.0, 330.0)],
)
def test_interval_stands_where_its_numbers_say(width, left, right):
  row = Row('view', (Mark(0.5, 0.25, 0.75),))
  root, _, _ = parsed(forest([row], width=width, bounds=(0, 1), include=(0, 1)))
  span = right - left
  ((x, _),) = dots(root)
  assert x == pytest.approx(left + 0.5 * span, abs=0.01)
  ((x1, y1, x2, y2),) = lines(root, 'whisker')
  assert x1 == pytest.approx(left + 0.25 * span, abs=0.01)
  assert x2 == pytest.approx(left + 0.75 * span, abs=0.01)
  assert y1 == y2
  assert all(0 <= v <= width for v in (x1, x2))


def test_rows_stand_under_each_other_and_headings_have_no_mark():
  rows = [Row('heading'), Row('a', (Mark(0.2),)), Row('b', (Mark(0.1),))]
  root, _, _ = parsed(forest(rows))
  (_, first), (_, second) = dots(root)
  assert first < second
  assert words(root)[-3:] == ['heading', 'a', 'b']


def test_two_estimates_of_a_row_do_not_hide_each_other():
  row = Row('a', (Mark(0.2, 0.1, 0.3), Mark(0.2, 0.1, 0.3, shape='ring')))
  root, _, _ = parsed(forest([row]))
  (_, first), (_, second) = dots(root)
  assert abs(first - second) >= 9


def test_faint_marks_are_grey_and_still_there():
  root, _, _ = parsed(forest([Row('a', (Mark(0.2, -0.1, 0.5, faint=True),))]))
  (group,) = (e for e in root.iter('g') if 'c-ink' in e.attrib['class'])
  assert 'faint' in group.attrib['class'].split()
  assert len(dots(root)) == 1


def test_unknown_values_are_not_drawn():
  rows = [Row('a', (Mark(None), Mark(float('nan'))), 'none'), Row('b')]
  root, _, _ = parsed(forest(rows))
  assert dots(root) == []
  assert 'nan' not in xml.etree.ElementTree.tostring(root, 'unicode')
  parsed(forest([]))


def test_text_alternative_tells_the_numbers():
  row = Row('audio', (Mark(0.5),), '50.0 (40.0 to 60.0)')
  _, title, described = parsed(forest([row]))
  assert title == 'What it shows'
  assert described == 'audio: 50.0 (40.0 to 60.0)'


@pytest.mark.parametrize('width', [plots.WIDE, plots.NARROW])
def test_words_are_escaped(width):
  evil = '<script>&"\x00\x0b'
  rows = [Row(evil, (Mark(0.1, label=evil),), evil, evil)]
  root, title, _ = parsed(
    forest(rows, title=evil, axis=evil, lines=((0, evil),), width=width)
  )
  assert title.startswith('<script>&"')
  assert not list(root.iter('script'))


def test_labels_of_marks_do_not_overlap():
  near = (Mark(0.5, label='disagreement'), Mark(0.51, label='seed noise'))
  root, _, _ = parsed(forest([Row('a', near), Row('b', (Mark(0.0),))]))
  first, second = (
    next(e for e in root.iter('text') if e.text == label)
    for label in ('disagreement', 'seed noise')
  )
  gap = float(second.attrib['x']) - float(first.attrib['x'])
  assert gap >= (len('disagreement') + len('seed noise')) / 2 * 7


@pytest.mark.parametrize(
  ('low', 'high', 'most', 'expected'),
  [
    (0, 100, 5, [0, 25, 50, 75, 100]),
    (0, 14, 6, [0, 5, 10]),
    (-2.2, 6.1, 6, [-2, 0, 2, 4, 6]),
    (5, 5, 6, [5]),
  ],
)
def test_ticks_are_round(low, high, most, expected):
  assert plots.ticks(low, high, most) == expected


@pytest.mark.parametrize('low', [-3.7, 0.0, 12.3, 99.1])
@pytest.mark.parametrize('span', [0.003, 0.7, 8.0, 95.0])
@pytest.mark.parametrize('most', [4, 6])
def test_ticks_are_few_and_inside(low, span, most):
  found = plots.ticks(low, low + span, most)
  assert 1 <= len(found) <= most
  assert low - 1e-9 <= found[0] <= found[-1] <= low + span + 1e-9


def plane(series, **more):
  arguments = {
    'name': 'p',
    'title': 'T',
    'description': 'D',
    'x_axis': 'x',
    'y_axis': 'y',
    'x_limits': (0, 1),
    'y_limits': (0, 1),
    'width': 200,
    'height': 166,
  }
  return plots.plane(series, **arguments | more)


def test_points_of_a_plane():
  series = Series('', [0, 0.5, 1], [0, None, 1], weights=[1, 1, 4])
  root, title, described = parsed(plane([series], diagonal=True))
  assert (title, described) == ('T', 'D')
  # From 34 to 190 across; from 124 up to 24.
  assert dots(root) == [(34, 124), (190, 24)]
  assert [float(e.attrib['r']) for e in root.iter('circle')] == [3, 6]
  assert lines(root, 'reference') == [(34, 124, 190, 24)]


def test_points_without_interval_are_grey_where_others_have_one():
  series = Series('', [0, 1], [0.5, 0.6], lows=[0.4, None], highs=[0.6, None])
  root, _, _ = parsed(plane([series]))
  (grey,) = (e for e in root.iter('g') if e.attrib['class'] == 'faint')
  assert [float(e.attrib['cx']) for e in grey.iter('circle')] == [190]
  assert len(lines(root, 'whisker')) == 1


def test_names_of_series_are_pushed_apart():
  series = [
    Series('agree', [0, 1], [0.2, 0.5]),
    Series('not', [0, 1], [0, 0.5]),
  ]
  root, _, _ = parsed(plane(series))
  heights = sorted(
    float(e.attrib['y'])
    for e in root.iter('text')
    if e.text in ('agree', 'not')
  )
  assert heights[1] - heights[0] >= 15


def test_colours_of_views():
  full = 'text+audio+video'
  assert plots.colour('audio', full) == 'audio'
  assert plots.colour(full, full) == 'full'
  assert plots.colour('text+audio', full) == 'text-audio'
  assert plots.colour('audio+video', 'audio+video') == 'full'
  # Of a corpus with one modality.
  assert plots.colour('text', 'text') == 'text'
