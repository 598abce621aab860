"""What all pages are made of: tables that fit, and print that is not torn."""

import base64
import dataclasses
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

import browser
import made
import pytest
import test_report

from empathy.evaluation import (
  comparison,
  comparison_report,
  report,
  several_labels,
  several_labels_report,
)
from empathy.evaluation import study as study_lib
from empathy.evaluation.sections import fitting, parts

_TEMPLATES = pathlib.Path(report.__file__).parent / 'templates'
_COPYING = _TEMPLATES / 'copying'
# Of printed pages, in points; see `@page`, and what a drawing's strokes take
# beyond their place.
_TOP, _FOOT = 45, 58


@functools.cache
def _built():
  """A whole study of a few clips."""
  return study_lib.build(*made.study_input(60, 6, 2))


def _table(names, *columns, num_rows=3):
  """A table of `columns`, kinds and texts, and rows of one name each."""
  return parts.Table(
    header=(
      parts.Cell('view', 'word'),
      *(parts.Cell(f'figure {i}', kind) for i, (kind, _) in enumerate(columns)),
    ),
    rows=tuple(
      (parts.Cell(names, 'word'), *(parts.Cell(t, k) for k, t in columns))
      for _ in range(num_rows)
    ),
  )


_FIGURE = ('number', '12.3'), ('interval', '−12.3 to 12.3')
_JUDGED = *_FIGURE, ('p', '< .001'), ('p', '.001')
_TABLES = {
  'narrow': _table('text', *_JUDGED),
  'long names': _table('some long name of a figure ' * 2, *_JUDGED),
  'wide': _table('text+audio', *_JUDGED, *_JUDGED),
  'widest': _table(
    'text+audio', *(*_FIGURE, ('number', '0.123'), ('number', '0.123')) * 4
  ),
}


def test_a_table_that_has_room_is_as_it_was():
  table = _TABLES['narrow']
  assert fitting.fitted(table) is table


def test_names_of_rows_give_way_before_intervals_do():
  table = fitting.fitted(_TABLES['long names'])
  assert (table.wide, table.dense) == (True, False)
  assert table.rows == _TABLES['long names'].rows


def test_an_interval_goes_under_its_figure_where_room_is_short():
  table = fitting.fitted(_TABLES['wide'])
  assert (table.wide, table.dense) == (True, False)
  assert [cell.text for cell in table.header] == [
    'view',
    *('figure 0', 'figure 2', 'figure 3'),
    *('figure 4', 'figure 6', 'figure 7'),
  ]
  assert [cell.below for cell in table.header] == [
    *('', 'figure 1', '', '', 'figure 5', '', '')
  ]
  figure = table.rows[0][1]
  assert (figure.text, figure.below) == ('12.3', '−12.3 to 12.3')
  assert fitting.fitted(_TABLES['widest']).dense


def test_an_interval_of_no_figure_keeps_its_column():
  columns = ('word', 'a'), ('interval', '1 to 2'), *_FIGURE * 5
  table = fitting.fitted(_table('text', *columns))
  assert [cell.text for cell in table.header[:4]] == [
    *('view', 'figure 0', 'figure 1', 'figure 2')
  ]
  assert table.header[3].below == 'figure 3'


@pytest.fixture(scope='module', name='tab')
def _tab(tmp_path_factory):
  """A browser, and a folder for what it shows."""
  folder = tmp_path_factory.mktemp('pages')
  with browser.page(folder) as page:
    yield page, folder


def _show(tab, html, **size):
  page, folder = tab
  path = folder / 'page.html'
  path.write_text(html, encoding='utf-8')
  page.open(path, **size)
  return page


def _tables_page():
  """A page of nothing but tables."""
  template = report.environment().from_string(
    "{% from 'parts.html' import table %}<!doctype html><meta charset=utf-8>"
    "<style>{% include 'report.css' %}</style><div class=page><p></p><main>"
    '{% for it in tables %}{% call table(it) %}x{% endcall %}{% endfor %}'
  )
  return template.render(tables=_TABLES.values())


@functools.cache
def _read(name='a'):
  """A study that was written to a folder."""
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / name
    study = _built()
    info = study.info | {'label_name': name}
    dataclasses.replace(study, info=info).save(path)
    return comparison.read(path)


def _comparison():
  return comparison_report.render(comparison.compare(_read(), _read()))


def _labels():
  return several_labels_report.render(
    several_labels.summarise([_read('a'), _read('b')])
  )


_PAGES = {
  'comparison': _comparison,
  'labels': _labels,
  'tables': _tables_page,
  'made': lambda: report.render(_built()),
  'full': lambda: report.render(test_report.full_study()),
}
# The names of tables that a reader has to scroll sideways.
_TOO_WIDE = (
  '[...document.querySelectorAll(".scroll")].filter(it => it.scrollWidth >'
  ' it.clientWidth).map(it => it.innerText)'
)


@browser.needs_chromium
@pytest.mark.parametrize('name', _PAGES)
def test_no_table_is_wider_than_the_page(tab, name):
  page = _show(tab, _PAGES[name](), width=1280)
  assert page.run('document.querySelectorAll(".scroll table").length') > 2
  assert page.run(_TOO_WIDE) == []
  assert page.run('document.documentElement.scrollWidth') <= 1280


@browser.needs_chromium
@pytest.mark.parametrize('name', ['made', 'full'])
def test_no_printed_page_is_mostly_white(tab, name):
  page = _show(tab, _PAGES[name]())
  pdf = base64.b64decode(
    page.send('Page.printToPDF', preferCSSPageSize=True)['data']
  )
  filled = browser.filled(pdf, _TOP, _FOOT)
  assert len(filled) > 5
  assert min(filled[:-1]) > 0.5, filled


@browser.needs_chromium
def test_no_plot_is_torn_and_a_long_table_goes_on(tab):
  page = _show(tab, report.render(_built()))
  page.send('Emulation.setEmulatedMedia', media='print')
  whole = page.run(
    '[...document.querySelectorAll("figure")].map(it => ['
    'getComputedStyle(it).breakInside, Math.max(0, ...[...it.querySelectorAll('
    '"tbody")].map(body => body.rows.length))])'
  )
  assert {rule for rule, rows in whole if rows < 10} == {'avoid'}
  assert {rule for rule, rows in whole if rows >= 10} == {'auto'}
  # Nor is what a long table is about; and no page has a foot alone.
  assert page.run(
    '[...document.querySelectorAll("figure:has(tr:nth-child(10)) >'
    ' figcaption")].map(it => getComputedStyle(it).breakInside)'
  ) == ['avoid'] * sum(rows >= 10 for _, rows in whole)
  assert page.run('document.querySelector("footer").offsetHeight') == 0
  assert page.run('document.querySelector(".printed").offsetHeight') > 0
  page.send('Emulation.setEmulatedMedia', media='')


@browser.needs_chromium
def test_a_dot_stays_beside_its_name(tab):
  names = ['audio', 'text+audio+video']
  cells = [[parts.Cell(one, 'name', colour='audio')] for one in names]
  wide = [parts.Cell('100,000.0', 'number')] * 11
  made = parts.Table(
    tuple(parts.Cell(str(i), 'number') for i in range(12)),
    tuple((*cell, *wide) for cell in cells),
  )
  template = report.environment().from_string(
    "{% from 'parts.html' import table %}<!doctype html><meta charset=utf-8>"
    "<style>{% include 'report.css' %}</style><div class=page><p></p><main>"
    '{% call table(it) %}x{% endcall %}'
  )
  page = _show(tab, template.render(it=made), width=1280)
  tops = page.run(
    '[...document.querySelectorAll("tbody th")].map(it => {'
    'const range = document.createRange(); '
    'range.selectNode(it.querySelector("i").nextSibling);'
    'return range.getClientRects()[0].bottom'
    ' - it.querySelector("i").getBoundingClientRect().bottom})'
  )
  assert max(map(abs, tops)) < 9, tops


@browser.needs_chromium
def test_how_far_down_a_page_is_filled_is_told(tab):
  page = _show(
    tab,
    '<!doctype html><style>@page { size: 100pt 200pt; margin: 20pt 0 30pt }'
    'body { margin: 0 } div { height: 60pt; border-bottom: 10pt solid #123; '
    'break-after: page; box-sizing: border-box }</style>'
    '<div></div><div></div><p>.',
  )
  pdf = base64.b64decode(
    page.send('Page.printToPDF', preferCSSPageSize=True)['data']
  )
  # 60 of the 150 points that a page has room for.
  assert browser.filled(pdf, 20, 30)[:2] == pytest.approx([0.4, 0.4], abs=0.01)


@pytest.mark.skipif(shutil.which('node') is None, reason='node is missing')
def test_tables_are_written_as_latex_and_csv(tmp_path):
  shutil.copytree(_COPYING, tmp_path, dirs_exist_ok=True)
  (tmp_path / 'package.json').write_text('{"type": "module"}')
  name = 'copying.test.js'
  shutil.copy(pathlib.Path(__file__).parent / name, tmp_path)
  done = subprocess.run(
    ['node', '--test', '--test-reporter=tap', name],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    check=False,
  )
  assert re.search('^# pass 6$', done.stdout, re.M), done.stdout


# The text that a click on a button copies, or the drawing that it saves.
_TAKEN = """new Promise(taken => {
  navigator.clipboard.writeText = async text => { taken(text) };
  URL.createObjectURL = blob => { blob.text().then(taken); return '#' };
  document.querySelector(SELECTOR).click();
})"""


@browser.needs_chromium
def test_buttons_copy_what_is_seen(tab):
  page = _show(tab, _PAGES['full']())
  button = '#views .tools [aria-label$=LaTeX]'
  latex = page.run(_TAKEN.replace('SELECTOR', repr(button)))
  assert '\\toprule' in latex
  assert '71.0 [69.0, 73.0]' in latex
  csv = page.run(
    _TAKEN.replace('SELECTOR', repr(button.replace('LaTeX', 'CSV')))
  )
  assert 'text+audio+video,71.0,"[69.0, 73.0]",' in csv
  tables = page.run('document.querySelectorAll("figure.table").length')
  found = page.run('document.querySelectorAll("[aria-label$=LaTeX]").length')
  assert found == tables > 5
  # Without a clipboard, the text is there to be copied by hand.
  page.run('navigator.clipboard.writeText = async () => { throw new Error() }')
  page.run(f'document.querySelector({button!r}).click()')
  page.run('new Promise(done => setTimeout(done))')
  assert page.run('document.activeElement.value') == latex
  assert page.logged == []


@browser.needs_chromium
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_a_plot_is_saved_as_one_drawing_with_its_colours(tab, scheme):
  page = _show(tab, _PAGES['full'](), scheme=scheme)
  svg = page.run(_TAKEN.replace('SELECTOR', '"#views [aria-label$=SVG]"'))
  assert 'var(' not in svg
  drawing = xml.etree.ElementTree.fromstring(svg)
  name = '{http://www.w3.org/2000/svg}'
  words = [text.text for text in drawing.iter(f'{name}text')]
  assert 'audio' in words
  assert '71.0 [69.0, 73.0]' in words
  fills = {circle.get('fill') for circle in drawing.iter(f'{name}circle')}
  assert {'rgb(230, 159, 0)', 'rgb(0, 158, 115)'} <= fills
  paper = drawing.find(f'{name}rect').get('fill')
  assert (paper == 'rgb(255, 255, 255)') == (scheme == 'light')
  # Dots are where the page has them, above their ticks.
  width = float(drawing.get('width'))
  assert all(
    0 < float(c.get('cx')) < width for c in drawing.iter(f'{name}circle')
  )


@browser.needs_chromium
def test_without_a_script_there_are_no_buttons(tab):
  page, _ = tab
  page.send('Emulation.setScriptExecutionDisabled', value=True)
  _show(tab, _PAGES['full']())
  page.send('Emulation.setScriptExecutionDisabled', value=False)
  assert page.run('document.querySelectorAll(".tools").length') == 0
  # A term shows what it means all the same.
  page.run('document.querySelector(".term").focus({focusVisible: true})')
  shown = page.run(
    'getComputedStyle(document.querySelector(".term"), "::after").content'
  )
  assert len(shown) > 40


def _contrast(one, other):
  """By WCAG, of two colours as `#rrggbb`."""

  def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(
      weight * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
      for weight, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True)
    )

  dark, light = sorted((luminance(one), luminance(other)))
  return (light + 0.05) / (dark + 0.05)


def test_words_stand_out_from_the_paper():
  assert _contrast('#ffffff', '#000000') == pytest.approx(21)
  assert _contrast('#777777', '#ffffff') == pytest.approx(4.48, abs=0.01)
  style = (_TEMPLATES / 'report.css').read_text()
  light, dark = (
    dict(re.findall(r'--([\w-]+): (#\w{6});', block))
    for block in re.findall(r':root \{(.*?)\}', style, re.S)
  )
  for colours in (light, light | dark):
    for word in ('ink', 'muted', 'link', 'care', 'alert'):
      for paper in ('paper', 'wash'):
        assert _contrast(colours[word], colours[paper]) > 4.5, (word, paper)
    assert _contrast(colours['faint'], colours['paper']) > 4.5
    assert _contrast(colours['alert'], colours['alert-wash']) > 4.5
    assert _contrast(colours['ink'], colours['faint']) > 3


_AXE = os.environ.get('AXE', '')


@browser.needs_chromium
@pytest.mark.skipif(not _AXE, reason='AXE names no axe.min.js')
@pytest.mark.parametrize(
  ('width', 'scheme', 'script'),
  [
    (1280, 'light', True),
    (1280, 'dark', True),
    (390, 'light', True),
    (390, 'dark', True),
    (1280, 'light', False),
  ],
)
@pytest.mark.parametrize('name', ['made', 'full', 'comparison', 'labels'])
def test_axe_finds_no_fault(tab, name, width, scheme, script):
  page, _ = tab
  page.send('Emulation.setScriptExecutionDisabled', value=not script)
  _show(tab, _PAGES[name](), width=width, scheme=scheme)
  page.send('Emulation.setScriptExecutionDisabled', value=False)
  page.run('document.querySelector(".clips .open")?.click()')
  page.run(pathlib.Path(_AXE).read_text(encoding='utf-8') + ';0')
  found = page.run(
    'axe.run({resultTypes: ["violations"]}).then(it => it.violations.map('
    'fault => [fault.id, ...fault.nodes.map(node => node.html)]))'
  )
  assert found == []
