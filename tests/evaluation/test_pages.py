"""What all pages are made of: tables that fit, and print that is not torn."""

import base64
import functools

import browser
import made
import pytest
import test_report

from empathy.evaluation import report
from empathy.evaluation import study as study_lib
from empathy.evaluation.sections import fitting, parts

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


_PAGES = {
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
  assert page.run('document.querySelectorAll(".scroll table").length') > 3
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
  page.send('Emulation.setEmulatedMedia', media='')


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
