"""Plots: points where they belong, and words for those who cannot see them."""

import pathlib
import xml.etree.ElementTree

import browser
import pytest

from empathy.evaluation import plots, report
from empathy.evaluation.plots import Mark, Row, Series


def parsed(text):
  return xml.etree.ElementTree.fromstring(text)


def of_class(root, name):
  return [e for e in root.iter() if name in e.get('class', '').split()]


def dots(root):
  """Places across and up, in per cent, of all dots."""
  return [(_share(e, 'cx'), _share(e, 'cy')) for e in root.iter('circle')]


def lines(root, kind):
  return [
    tuple(_share(e, key) for key in ('x1', 'y1', 'x2', 'y2'))
    for e in of_class(root, kind)
  ]


def _share(element, key):
  text = element.attrib[key]
  assert text.endswith('%')
  return float(text[:-1])


def words(root):
  return [text for text in root.itertext() if text]


def forest(rows, **more):
  arguments = {'name': 'a', 'title': 'What it shows', 'axis': 'points'}
  return plots.intervals(rows, **arguments | more)


def test_interval_stands_where_its_numbers_say():
  row = Row('view', (Mark(0.5, 0.25, 0.7512345),))
  root = parsed(forest([row], bounds=(0, 1), include=(0, 1)))
  assert dots(root) == [(50, 50)]
  assert lines(root, 'whisker') == [(25, 50, 75.12, 50)]
  ticks = [(_share(e, 'x'), e.text) for e in of_class(root, 'tick')]
  assert ticks == [(20 * i, str(20 * i)) for i in range(6)]


def test_vertical_lines_go_through_every_row():
  rows = [Row('heading'), Row('a', (Mark(0.5),)), Row('b', (Mark(None),), 'no')]
  root = parsed(
    forest(rows, lines=((0.25, 'chance'),), bounds=(0, 1), include=(0, 1))
  )
  stroke, *through = lines(root, 'reference')
  assert stroke[0] == 25
  assert through == [(25, 0, 25, 100)] * 3
  assert words(root)[0] == 'chance'


def test_rows_stand_under_each_other_and_headings_have_no_mark():
  rows = [Row('heading'), Row('a', (Mark(0.2),)), Row('b', (Mark(0.1),))]
  *items, axis = parsed(forest(rows))
  assert [words(item) for item in items] == [['heading'], ['a'], ['b']]
  assert [len(dots(item)) for item in items] == [0, 1, 1]
  assert words(axis)[-1] == 'points'


def test_two_estimates_of_a_row_do_not_hide_each_other():
  row = Row('a', (Mark(0.2, 0.1, 0.3), Mark(0.2, 0.1, 0.3, shape='ring')))
  root = parsed(forest([row]))
  moved = [e.get('transform') for e in of_class(root, 'c-ink')]
  assert moved == ['translate(0 -4.5)', 'translate(0 4.5)']


def test_faint_marks_are_grey_and_still_there():
  root = parsed(forest([Row('a', (Mark(0.2, -0.1, 0.5, faint=True),))]))
  (group,) = of_class(root, 'c-ink')
  assert 'faint' in group.attrib['class'].split()
  assert len(dots(root)) == 1


def test_unknown_values_are_not_drawn():
  rows = [Row('a', (Mark(None), Mark(float('nan'))), 'none'), Row('b')]
  text = forest(rows)
  assert dots(parsed(text)) == []
  assert 'nan' not in text
  parsed(forest([]))


def test_the_numbers_are_text():
  row = Row('audio', (Mark(0.5),), '50.0 (40.0 to 60.0)', 'in detail')
  root = parsed(forest([row]))
  assert (root.tag, root.get('role')) == ('ul', 'list')
  assert root.get('aria-label') == 'What it shows'
  # A reader aloud goes by the order of the page and passes over drawings.
  assert words(root[0]) == ['audio', 'in detail', '50.0 (40.0 to 60.0)']
  assert all(e.get('aria-hidden') == 'true' for e in root.iter('svg'))


def test_words_are_escaped():
  evil = '<script>&"\x00\x0b'
  rows = [Row(evil, (Mark(0.1, label=evil),), evil, evil)]
  root = parsed(forest(rows, title=evil, axis=evil, lines=((0, evil),)))
  assert root.get('aria-label').startswith('<script>&"')
  assert words(root).count('<script>&"  ') == 6
  assert not list(root.iter('script'))
  series = Series(evil, [0, 1], [0, 1])
  axes = {'x_axis': evil, 'y_axis': evil, 'description': evil}
  root = parsed(plane([series], title=evil, heading=evil, **axes))
  assert words(root).count('<script>&"  ') == 4
  assert not list(root.iter('script'))


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
  }
  return plots.plane(series, **arguments | more)


def test_points_of_a_plane():
  series = Series('', [0, 0.5, 1], [0.25, None, 1], weights=[1, 1, 4])
  root = parsed(plane([series], diagonal=True))
  assert (root.get('role'), root.get('aria-label')) == ('img', 'T. D')
  # Up is down in a drawing.
  assert dots(root) == [(0, 75), (100, 0)]
  assert [float(e.attrib['r']) for e in root.iter('circle')] == [3, 6]
  assert lines(root, 'reference') == [(0, 100, 100, 0)]
  (joined,) = of_class(root, 'join')
  assert [_share(joined[0], key) for key in ('x1', 'y2')] == [0, 0]
  assert not of_class(parsed(plane([series])), 'square')


def test_points_without_interval_are_grey_where_others_have_one():
  series = Series('', [0, 1], [0.5, 0.6], lows=[0.4, None], highs=[0.6, None])
  root = parsed(plane([series]))
  (grey,) = of_class(root, 'faint')
  assert dots(grey) == [(100, 40)]
  assert lines(root, 'whisker') == [(0, 60, 0, 40)]


def test_names_of_series_are_pushed_apart():
  series = [
    Series('agree', [0, 1], [0.2, 0.5]),
    Series('not', [0, 1], [0, 0.5]),
    Series('far', [0, 1], [0, 0.1]),
  ]
  (names,) = of_class(parsed(plane(series)), 'names')
  tops = {e.text: e.get('style') for e in names}
  assert tops == {'agree': 'top:50%', 'not': 'top:58%', 'far': 'top:90%'}


_LONG = 'control: some single view; the votes of which are permuted'
# Boxes of all words of the plots, and those of dots and of numbers of axes.
_MEASURE = """
(() => {
  const box = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const { left, right, top, bottom } = range.getBoundingClientRect();
    return { text: node.data, left, right, top, bottom };
  };
  const of = (plot, chosen) => [...plot.querySelectorAll(chosen)];
  return [...document.querySelectorAll('.forest, .plane')].map((plot) => {
    const walker = document.createTreeWalker(plot, NodeFilter.SHOW_TEXT);
    const words = [];
    while (walker.nextNode()) words.push(box(walker.currentNode));
    const middle = (it) => {
      const { left, right, top, bottom } = it.getBoundingClientRect();
      return [(left + right) / 2, (top + bottom) / 2];
    };
    const { left, right } = plot.parentElement.getBoundingClientRect();
    return {
      left,
      right,
      words,
      dots: of(plot, 'circle').map(middle),
      ticks: of(plot, '.tick').map((it) => [it.textContent, ...middle(it)]),
    };
  });
})()
"""


@pytest.fixture(scope='module', name='shown')
def _shown(tmp_path_factory):
  """A browser with a forest and two planes, as a report shows them."""
  folder = tmp_path_factory.mktemp('plots')
  rows = [
    Row('Views', (Mark(0, -0.2, 0.1),), '0.0 (−20.0 to 10.0)', _LONG),
    Row('Not answered', detail=f'Not answered. {_LONG}'),
    Row(
      'text+audio+video',
      (
        Mark(0.1, 0.0, 0.5, label='at like confidence'),
        Mark(0.3, 0.2, 0.4, shape='ring', label='two of text+audio+video'),
        Mark(0.32, shape='tick', label='seed noise'),
      ),
      '+10.0 (0.0 to 50.0)',
    ),
    Row('x' * 90, (Mark(0.4),), '+40.0'),
  ]
  series = [
    Series('agree', [0, 1], [0.4, 0.5]),
    Series('disagreement', [0, 0.5], [0, 0.5]),
  ]
  panels = [
    forest(rows, lines=((0, 'no effect'),)),
    plane(series, x_axis='confidence in fifths', y_axis='two annotators, %'),
    plane([Series('', [0.25], [0.75])], name='q', diagonal=True),
  ]
  style = pathlib.Path(report.__file__).parent / 'templates/report.css'
  path = folder / 'plots.html'
  path.write_text(
    '<!doctype html><meta charset="utf-8"><style>'
    + style.read_text(encoding='utf-8')
    + '</style><div class="page"><nav></nav><main><figure><div class="panels">'
    + ''.join(f'<div>{panel}</div>' for panel in panels)
    + '</div></figure></main></div>',
    encoding='utf-8',
  )
  with browser.page(folder) as page:
    yield page, path


def _meet(a, b):
  across = min(a['right'], b['right']) - max(a['left'], b['left'])
  down = min(a['bottom'], b['bottom']) - max(a['top'], b['top'])
  # Boxes are as high as a line, which words are not.
  return across > 0.5 and down > 4


@browser.needs_chromium
@pytest.mark.parametrize(
  ('width', 'media'),
  [(330, ''), (390, ''), (560, ''), (1200, ''), (643, 'print')],
)
def test_one_drawing_fits_any_width(shown, width, media):
  page, path = shown
  page.open(path, width=width)
  page.send('Emulation.setEmulatedMedia', media=media)
  drawn = page.run(_MEASURE)
  assert len(drawn) == 3
  for plot in drawn:
    for i, word in enumerate(plot['words']):
      assert word['left'] >= plot['left'] - 10.5, word
      assert word['right'] <= plot['right'] + 10.5, word
      for other in plot['words'][:i]:
        assert not _meet(word, other), (word, other)
  # Dots stand over the numbers of the axis that they are worth.
  place = {float(text.replace('−', '-')): x for text, x, _ in drawn[0]['ticks']}
  unit = (place[40] - place[-20]) / 60
  xs = [x - place[0] for x, _ in drawn[0]['dots']]
  assert xs == pytest.approx([0, 10 * unit, 30 * unit, 40 * unit], abs=0.5)
  heights = [y for _, y in drawn[0]['dots']]
  assert heights == sorted(heights)
  # A series' name stands right of its last point, at its height.
  name = next(w for w in drawn[1]['words'] if w['text'] == 'agree')
  x, y = drawn[1]['dots'][1]
  assert x + 4 < name['left'] < x + 40
  assert (name['top'] + name['bottom']) / 2 == pytest.approx(y, abs=2)
  # In the square: across from its foot's numbers, up from those at its side.
  ((x, y),) = drawn[2]['dots']
  up = {text: y for text, _, y in drawn[2]['ticks'][:5]}
  across = {text: x for text, x, _ in drawn[2]['ticks'][5:]}
  assert x == pytest.approx(across['25'], abs=0.5)
  assert y == pytest.approx(up['75'], abs=1)
  side = across['100'] - across['0']
  assert up['0'] - up['100'] == pytest.approx(side, abs=1)


def test_colours_of_views():
  full = 'text+audio+video'
  assert plots.colour('audio', full) == 'audio'
  assert plots.colour(full, full) == 'full'
  assert plots.colour('text+audio', full) == 'text-audio'
  assert plots.colour('audio+video', 'audio+video') == 'full'
  # Of a corpus with one modality.
  assert plots.colour('text', 'text') == 'text'
