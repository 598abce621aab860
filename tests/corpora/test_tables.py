import codecs
import csv
import io
import math
import pathlib
import tempfile

import hypothesis
import hypothesis.strategies as st
import pytest

from empathy import errors
from empathy.corpora import tables

ROWS = [
  ['id', 'label', 'transcript'],
  ['a', 'x', 'Well, é'],
  ['b', 'y', '"So"'],
]
COLUMNS = {
  'id': ['a', 'b'],
  'label': ['x', 'y'],
  'transcript': ['Well, é', '"So"'],
}


def csv_text(rows, delimiter=',', end='\n'):
  stream = io.StringIO()
  csv.writer(stream, delimiter=delimiter, lineterminator=end).writerows(rows)
  return stream.getvalue()


def table(path, data):
  path.write_bytes(data if isinstance(data, bytes) else data.encode())
  return tables.Table(path, ('id', 'label'), ('transcript',))


def faults(path, data):
  with pytest.raises(errors.InputError) as raised:
    table(path, data).finish()
  return str(raised.value).replace(f'{path}', '').splitlines()


@pytest.mark.parametrize(
  'data',
  [
    csv_text(ROWS),
    csv_text(ROWS, ';'),
    csv_text(ROWS, '\t'),
    csv_text(ROWS, '|'),
    csv_text(ROWS, end='\r\n'),
    'sep=;\n' + csv_text(ROWS, ';'),
    'sep=\t\r\n' + csv_text(ROWS, '\t', '\r\n'),
    codecs.BOM_UTF8 + csv_text(ROWS).encode(),
    csv_text(ROWS).encode('utf-16'),
    codecs.BOM_UTF16_BE + csv_text(ROWS).encode('utf-16-be'),
    csv_text(ROWS, '\t', '\r\n').encode('utf-16'),  # Excel's "Unicode text".
    csv_text(ROWS).encode('utf-32'),
    csv_text([['ID', ' Label ', 'TRANSCRIPT\u00a0'], *ROWS[1:]]),
    csv_text([[*row, '', ''] for row in ROWS]),
    csv_text([ROWS[0], *([*row, '', ''] for row in ROWS[1:])]),
    csv_text(ROWS).encode('cp1252'),
    csv_text(ROWS, ';', '\r\n').encode('cp1252'),
    csv_text(
      [['', *ROWS[0], ' '], *([i, *row, 'x'] for i, row in enumerate(ROWS[1:]))]
    ),
    csv_text([*ROWS, ['', '', ''], [' ', '', '']]),
    csv_text([*ROWS[:2], ['ID', 'label ', 'transcript'], ROWS[2], ROWS[0]]),
    '\n' + csv_text(ROWS) + '\n\n',
  ],
)
def test_what_people_save_is_read(tmp_path, data):
  assert table(tmp_path / 'x.csv', data).columns == COLUMNS


@pytest.mark.parametrize(
  ('name', 'data', 'says'),
  [
    ('x.csv', csv_text(ROWS), None),
    ('x.tsv', csv_text(ROWS, '\t'), None),
    ('x.csv', csv_text(ROWS).encode('utf-16'), None),
    ('x.csv', csv_text(ROWS, ';'), 'separated by semicolons'),
    ('x.csv', csv_text(ROWS, '\t'), 'separated by tabs'),
    ('x.tsv', csv_text(ROWS, ','), 'separated by commas'),
    (
      'x.csv',
      csv_text([*ROWS, ['c', 'x', 'said Zoë, naïvely']], ';').encode('cp1252'),
      "separated by semicolons, cp1252, where line 2 has 'é'",
    ),
    (
      'x.csv',
      'id,label\na,x\nb,naïve\n'.encode('cp1252'),
      "cp1252, where line 3 has 'naïve'",
    ),
  ],
)
def test_what_is_guessed_is_said(tmp_path, name, data, says):
  path = tmp_path / name
  notes = table(path, data).notes
  assert notes == ([] if says is None else [f'{path}: read as {says}'])


# What may stand in a cell, and in cp1252.
_CELLS = st.lists(
  st.sampled_from(
    [
      *(
        'Zoë',
        'naïve',
        'm²',
        'x',
        '0,5',
        '"',
        ';',
        ',',
        '\t',
        '|',
        '\n',
        '\r\n',
      ),
      *('’tis', '…', 'id', 'label', '€ 5', "'", 'sep=;', ''),
    ]
  ),
  max_size=4,
).map(' '.join)
_NUMBERS = st.decimals(-(10**6), 10**6, places=2).map(str)


@hypothesis.settings(max_examples=120, deadline=None)
@hypothesis.given(
  rows=st.lists(st.tuples(_CELLS, _CELLS, _NUMBERS), min_size=1, max_size=5),
  delimiter=st.sampled_from(',;\t|'),
  encoding=st.sampled_from(['utf-8', 'utf-8-sig', 'utf-16', 'cp1252']),
  comma=st.booleans(),
  trailing=st.integers(0, 2),
  told=st.booleans(),
  case=st.sampled_from([str, str.upper, str.title, ' {} '.format]),
  again=st.integers(0, 5),
)
def test_a_table_is_the_same_however_it_is_saved(
  rows, delimiter, encoding, comma, trailing, told, case, again
):
  header = [*map(case, ['id', 'label', 'transcript', 'score'])]
  lines = [
    [f'{i}', a, b, number.replace('.', ',') if comma else number]
    for i, (a, b, number) in enumerate(rows)
  ]
  lines.insert(again, header)
  lines = [[*line, *[''] * trailing] for line in [header, *lines, [''] * 4]]
  text = csv_text(lines, delimiter, '\r\n')
  if told:
    text = f'sep={delimiter}\r\n{text}'
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'x.csv'
    path.write_bytes(text.encode(encoding))
    found = tables.Table(path, ('id', 'label'), ('transcript', 'score'))
  assert found.columns['id'] == [f'{i}' for i in range(len(rows))]
  assert found.columns['label'] == [row[0] for row in rows]
  assert found.columns['transcript'] == [row[1] for row in rows]
  assert found.numbers('score') == [float(row[2]) for row in rows]


def test_what_is_left_out_is_said(tmp_path, caplog, monkeypatch):
  monkeypatch.setattr(tables._LOGGER, 'propagate', True)
  rows = [[*row, '', ''] for row in [*ROWS, ROWS[0], ['', '', ''], ROWS[0]]]
  rows += [['c', 'x', '', '', 'told to nobody']]
  found = table(tmp_path / 'x.csv', csv_text(rows))
  found.finish()
  assert found.columns['id'] == ['a', 'b', 'c']
  assert found.lines == [2, 3, 7]
  assert [message.split(': ', 1)[1] for message in caplog.messages] == [
    'left out: 1 empty column without a name',
    'left out: 1 column without a name',
    'left out: the header once more (2 times: lines 4, 6)',
    'left out: 1 empty row',
  ]


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    *(
      (
        b'id,label\n' + f'a,{text}\n'.encode(encoding),
        f':2: byte {text.encode(encoding)[place]:#04x} is not UTF-8 text; save '
        "the file as UTF-8 (in Excel: 'CSV UTF-8')",
      )
      for text, encoding, place in (
        ('\x81', 'latin-1', 0),
        ('Привет', 'cp1251', 0),
        ('你好', 'gbk', 0),
        ('こんにちは', 'shift-jis', 0),
        ('Łódź mała', 'cp1250', 0),
        ('mała', 'cp1250', 2),
        ('Αθήνα', 'cp1253', 0),
      )
    ),
    (
      b'PK\x03\x04\x14\x00',
      ": is a spreadsheet or an archive; save it as 'CSV UTF-8'",
    ),
    (
      'id,label\na,3,5\nb,2,5\n',
      ':2: 3 fields; the header has 2 columns: commas between columns and in '
      'numbers? Save the table with semicolons between columns (2 times: lines '
      '2, 3)',
    ),
    (
      'id,label,,\na,3,5,\nb,2,,\nc,1,25,\n',
      ":2: '5' is in a column without a name: commas between columns and in "
      'numbers? Save the table with semicolons between columns (2 times: lines '
      '2, 4)',
    ),
    (csv_text(ROWS).encode('utf-16-le'), ''),
    ('id,label\n', ': has no rows'),
    ('id,label\nid,label\n', ': has no rows'),
    (
      'name;value\na;x\n',
      ": columns 'id', 'label' are missing; found 'name', 'value'",
    ),
    ('id,label,Label\na,x,y\n', ''),
    (
      ',label,\na,x,\n',
      ": column 'id' is missing; found 'label', and a column without a name",
    ),
    (
      'id,label\na\nb,x\nc\nd\ne\n',
      ':2: 1 fields; the header has 2 columns (4 times: lines 2, 4, 5, ...)',
    ),
  ],
)
def test_what_cannot_be_read_is_told_on_a_line(tmp_path, data, message):
  path = tmp_path / 'x.csv'
  if data == 'id,label,Label\na,x,y\n':  # A column of another name, then.
    assert table(path, data).columns['Label'] == ['y']
    return
  line = faults(path, data)[0]
  assert line == message or (not message and 'save the file as UTF-8' in line)


def test_a_transcript_may_be_long(tmp_path):
  text = 'word ' * 50_000
  found = table(tmp_path / 'x.csv', csv_text([*ROWS, ['c', 'x', text]]))
  assert found.columns['transcript'][2] == text


def test_what_was_written_is_read(tmp_path):
  columns = {'id': ['a;b', ' c '], 'note': ['x\r', '\n'], 'A': ['', 'x\ty']}
  tables.write_csv(tmp_path / 'x.csv', columns)
  assert tables.read_csv(tmp_path / 'x.csv', ('id',))[0] == columns


@pytest.mark.parametrize(
  ('text', 'value'),
  [
    *(('1.5', 1.5), ('0', 0.0), ('0,5', 0.5), ('.5', 0.5), ('12.', 12.0)),
    *(('0.5s', 0.5), ('0.5 sec', 0.5), ('2 S', 2.0), ('250 ms', 0.25)),
    *(('0:01', 1.0), ('1:02.5', 62.5), ('90:00', 5400.0), ('0:00,5', 0.5)),
    *(('1:00:00', 3600.0), ('00:00:01,792', 1.792), ('01:02:03.4', 3723.4)),
    *(('1e-05', 1e-5), (' 3 ', 3.0), ('12,345', 12.345)),
    *(('', None), (' ', None), ('nan', None), ('NA', None), ('-', None)),
  ],
)
def test_times(text, value):
  assert tables.seconds(text) == (
    None if value is None else pytest.approx(value, abs=1e-9)
  )


@pytest.mark.parametrize(
  'text',
  [
    *('soon', '-1', 'inf', '0:60', '1:60:00', '1:2:3:4', '1.2.3', '1;5'),
    *('0:01s', '5 m', '٣', '1_0', '-0:01', ':5'),
  ],
)
def test_what_is_no_time(text):
  with pytest.raises(ValueError, match='is no '):
    tables.seconds(text)


@pytest.mark.parametrize(
  ('texts', 'values', 'fault'),
  [
    (['1.5', '2', '-3e2'], [1.5, 2, -300], None),
    (['1,5', '−2', ' 0,25 '], [1.5, -2, 0.25], None),
    (['1,5', '2.25'], [1.5, 2.25], None),
    (['0,125', '-0,500'], [0.125, -0.5], None),
    (['1,234', '3,5'], [1.234, 3.5], None),
    (['1.234', '3.5'], [1.234, 3.5], None),
    (['', 'NA', '1'], [math.nan, math.nan, 1], None),
    (['7', '1,234'], None, "3: column 'n': '1,234' may be 1.234 or 1234; "),
    (['1.234', '3,5'], None, "2: column 'n': '1.234' may be 1.234 or 1234; "),
    (['1.234,5', '1'], None, "2: column 'n': '1.234,5' is not a number"),
    (['inf', '1e999'], None, "2: column 'n': 'inf' is not a number (2 times"),
    (['1', 'high', '٣'], None, "3: column 'n': 'high' is not a number"),
  ],
)
def test_numbers(tmp_path, texts, values, fault):
  rows = [['id', 'label', 'n'], *(['a', 'x', text] for text in texts)]
  found = table(tmp_path / 'x.csv', csv_text(rows))
  numbers = found.numbers('n')
  assert bool(found.faults) == (fault is not None)
  if fault:
    assert found.faults.lines()[0].startswith(f'{found.path}:{fault}')
    return
  assert numbers == pytest.approx(values, nan_ok=True)
  commas = any(',' in text for text in texts)
  says = f"{found.path}: column 'n': took commas as decimal points"
  assert found.notes == [says] * commas


def test_whole_numbers():
  for text, value in {
    '2': 2, '2.0': 2, '2,0': 2, ' 7 ': 7, '0': 0, '3.': 3, '007': 7
  }.items():  # fmt: skip
    assert tables.natural(text) == value
  for text in ('', '-1', '1.5', '1e0', 'nan', '٣', '1_0', 'two', '1,000'):
    with pytest.raises(ValueError, match='is no '):
      tables.natural(text)
  for text in ('0', str(2**31)):
    with pytest.raises(ValueError, match='is no '):
      tables.positive(text)
  assert tables.positive('2147483647.0') == 2**31 - 1


def test_what_file_managers_leave_is_no_table(tmp_path):
  for name in ('b.csv', 'A.CSV', 'c.tsv', '._b.csv', '.DS_Store', '~$b.csv'):
    (tmp_path / name).write_text('x')
  (tmp_path / 'notes.txt').write_text('x')
  names = [path.name for path in tables.found_in(tmp_path)]
  assert names == ['A.CSV', 'b.csv', 'c.tsv']


def test_faults_of_a_kind_are_told_once(tmp_path):
  rows = [['id', 'label', 'n'], *(['a', 'x', str(i)] for i in range(5))]
  path = tmp_path / 'x.csv'
  path.write_text(csv_text(rows))
  found = tables.Table(path, ('id',))
  found.ids('id', found.columns['id'])
  found.convert('n', {'0': 0}.__getitem__, 'nought')
  found.fault(1, 'label', 'is odd')
  with pytest.raises(errors.InputError) as raised:
    found.finish()
  assert str(raised.value).replace(str(path), '').splitlines() == [
    ":3: column 'id': 'a' is there already, on line 2 (4 times: lines 3, 4, 5, "
    '...)',
    ":3: column 'n': '1' is not nought (4 times: lines 3, 4, 5, ...)",
    ":3: column 'label': is odd",
  ]
