"""Every fault that a table of predictions may have, and what is none."""

import csv
import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import written

from empathy import errors
from empathy.evaluation import reading


def test_repeats_name_the_first_row(tmp_path):
  corpus, _, table = written.study()
  thrice = pa.concat_tables([table, table.slice(7, 1), table.slice(7, 1)])
  for name, says in (
    ('p.parquet', 'as row 8 (2 times: rows 121, 122)'),
    ('p.csv', 'as line 9 (2 times: lines 122, 123)'),
  ):
    with pytest.raises(errors.InputError) as caught:
      reading.read(written.write(thrice, tmp_path / name), corpus)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).endswith(says)


_FAULTS = {
  'unknown id': (
    lambda t: written.changed(t, 'id', 6, 'nobody'),
    6,
    'id',
    "'nobody'",
  ),
  'empty id': (
    lambda t: written.changed(t, 'id', 6, ''),
    6,
    'id',
    'clip of the corpus',
  ),
  'unknown view': (
    lambda t: written.changed(t, 'view', 2, 'smell'),
    2,
    'view',
    'smell',
  ),
  'modality twice': (
    lambda t: written.changed(t, 'view', 2, 'text+text'),
    2,
    'view',
    'text+text',
  ),
  'text in a seed': (
    lambda t: written.changed(t, 'seed', 4, None),
    4,
    'seed',
    'whole number',
  ),
  'part of a seed': (
    lambda t: written.changed(
      t.set_column(2, 'seed', t['seed'].cast(pa.float64())), 'seed', 4, 0.5
    ),
    4,
    'seed',
    'is not a whole number',
  ),
  'negative fold': (
    lambda t: written.changed(t, 'fold', 4, -1),
    4,
    'fold',
    'less than 0',
  ),
  'NaN': (
    lambda t: written.changed(t, 'prob_class1', 9, float('nan')),
    9,
    'prob_class1',
    'NaN',
  ),
  'infinite': (
    lambda t: written.changed(t, 'prob_class1', 9, float('inf')),
    9,
    'prob_*',
    'sum to inf',
  ),
  'empty probability': (
    lambda t: written.changed(t, 'prob_class1', 9, None),
    9,
    'prob_class1',
    '',
  ),
  'negative probability': (
    lambda t: written.changed(t, 'prob_class1', 9, -0.1),
    9,
    'prob_class1',
    '-0.1 is not a probability',
  ),
  'sum': (
    lambda t: written.changed(t, 'prob_class1', 9, 3.0),
    9,
    'prob_*',
    'expected 1 within 0.001',
  ),
  'repeated row': (
    lambda t: pa.concat_tables([t, t.slice(7, 1)]),
    120,
    'id',
    'the same id, view, given and seed as',
  ),
}


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
@pytest.mark.parametrize('fault', _FAULTS)
def test_a_fault_names_file_row_and_column(tmp_path, fault, suffix):
  change, row, column, says = _FAULTS[fault]
  corpus, _, table = written.study()
  path = written.write(change(table), tmp_path / f'p{suffix}')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, corpus)
  message = str(caught.value)
  place = f':{row + 2}:' if suffix == '.csv' else f': row {row + 1}:'
  assert message.startswith(f'{path}{place} column {column!r}: ')
  assert says in message
  assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
  ('column', 'text', 'says'),
  [
    ('seed', 'one', "'one' is not a whole number"),
    ('seed', '1.5', "'1.5' is not a whole number"),
    ('fold', '', 'the empty cell is not a whole number'),
    ('prob_class0', 'much', "'much' is not a number"),
    ('prob_class0', '', 'the empty cell is not a number'),
    ('gate_text', 'open', "'open' is not a number"),
    ('logit_class0', 'odd', "'odd' is not a number"),
  ],
)
def test_a_text_in_a_number(tmp_path, column, text, says):
  corpus, _, table = written.study()
  for name in ('gate_text', 'logit_class0'):
    table = table.append_column(name, pa.array(np.ones(table.num_rows)))
  values = [str(value) for value in table[column].to_pylist()]
  values[11] = text
  table = table.set_column(
    table.column_names.index(column), column, pa.array(values)
  )
  path = written.write(table, tmp_path / 'p.csv')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, corpus)
  assert str(caught.value) == f'{path}:13: column {column!r}: {says}'


_PROBABILITIES = ('prob_class0', 'prob_class1', 'prob_class2')


# What people write, and what is said of it.
_SPELLINGS = {
  'order': (
    lambda t: written.as_texts(
      t, ['view'], lambda v: 'audio+text' if '+' in v else v
    ),
    "took 'audio+text' as 'text+audio'",
  ),
  'case and white space': (
    lambda t: written.as_texts(t, ['view'], lambda v: f' {v.title()}'),
    "took ' Text' as 'text', ' Audio' as 'audio', ' Text+Audio' as 'text+",
  ),
  'case and white space of ids': (
    lambda t: written.as_texts(t, ['id'], lambda v: f'{v.upper()} '),
    "column 'id': took 'CLIP0 ' as 'clip0', and the like (120 rows)",
  ),
  'seeds with a word': (
    lambda t: written.as_texts(t, ['seed'], lambda v: f's{v}'),
    "column 'seed': took 's0' and the like as 0",
  ),
  'folds with a word': (
    lambda t: written.as_texts(t, ['fold'], lambda v: f'Fold {v:02d}'),
    "column 'fold': took 'Fold 00' and the like as 0",
  ),
  'percentages': (
    lambda t: written.as_texts(t, _PROBABILITIES, lambda v: 100 * v),
    'took the probabilities as percentages',
  ),
  'signs of percent': (
    lambda t: written.as_texts(
      t, _PROBABILITIES, lambda v: f'{100 * v:.15g} %'
    ),
    'took the probabilities as percentages',
  ),
  'decimal commas': (
    lambda t: written.as_texts(
      t, _PROBABILITIES, lambda v: f'{v:.17f}'.replace('.', ',')
    ),
    "column 'prob_class0': took commas as decimal points",
  ),
  'names of columns': (
    lambda t: t.rename_columns(
      [
        name.title() if name[:4] != 'prob' else f' {name}'
        for name in t.column_names
      ]
    ),
    '',
  ),
}


def test_the_header_once_more_and_empty_rows_are_left_out(tmp_path, caplog):
  corpus, _, table = written.study()
  path = written.write(table, tmp_path / 'p.csv')
  plain = reading.read(path, corpus)
  header, *rows = path.read_text().splitlines()
  empty = ',' * header.count(',')
  text = '\n'.join([header, *rows[:6], header, empty, *rows[6:], header])
  path.write_text(text)
  caplog.set_level('INFO', 'empathy')
  found = reading.read(path, corpus)
  for view, values in plain.probabilities.items():
    np.testing.assert_array_equal(found.probabilities[view], values)
  assert (
    'p.csv:8: left out: the header once more (2 times: lines' in caplog.text
  )
  assert 'left out: 1 empty row' in caplog.text
  # Faults name the line of the file.
  path.write_text(text.replace(rows[6], rows[6].replace('clip', 'clop', 1)))
  with pytest.raises(errors.InputError, match=r'p.csv:10: column'):
    reading.read(path, corpus)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16', 'cp1252'])
def test_what_a_german_spreadsheet_saves_is_read(tmp_path, caplog, encoding):
  corpus, _, table = written.study()
  plain = reading.read(written.write(table, tmp_path / 'p.csv'), corpus)
  rows = list(csv.reader((tmp_path / 'p.csv').read_text().splitlines()))
  column = [i for i, n in enumerate(rows[0]) if n.startswith('prob_')]
  for row in rows[1:]:
    for i in column:
      row[i] = row[i].replace('.', ',')
  rows = [[*rows[0], 'Notiz', ''], *([*row, 'für', ''] for row in rows[1:])]
  path = tmp_path / 'q.csv'
  text = '\r\n'.join(map(';'.join, rows))
  path.write_bytes(text.encode(encoding))
  caplog.set_level('INFO', 'empathy')
  found = reading.read(path, corpus)
  for view, values in plain.probabilities.items():
    np.testing.assert_array_equal(found.probabilities[view], values)
  says = "separated by semicolons, cp1252, where line 2 has 'für'"
  assert (says in caplog.text) == (encoding == 'cp1252')
  assert 'read as separated by semicolons' in caplog.text
  assert 'took commas as decimal points' in caplog.text


def test_a_thousand_or_one_with_decimals_is_not_guessed(tmp_path):
  corpus, _, table = written.study()
  column = f'prob_{corpus.classes[0]}'
  values = ['0.5'] * table.num_rows
  values[3] = '1,000'
  index = table.column_names.index(column)
  table = table.set_column(index, column, pa.array(values))
  path = written.write(table, tmp_path / 'p.csv')
  with pytest.raises(errors.InputError, match=r":5: .*'1,000' may be 1.000 or"):
    reading.read(path, corpus)


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
@pytest.mark.parametrize('spelling', _SPELLINGS)
def test_tables_are_read_as_people_write_them(
  tmp_path, caplog, spelling, suffix
):
  change, says = _SPELLINGS[spelling]
  corpus, _, table = written.study()
  plain = reading.read(written.write(table, tmp_path / f'a{suffix}'), corpus)
  caplog.set_level('INFO', 'empathy')
  found = reading.read(
    written.write(change(table), tmp_path / f'b{suffix}'), corpus
  )
  assert found.views == plain.views
  for view in plain.views:
    np.testing.assert_array_equal(found.seeds[view], plain.seeds[view])
    np.testing.assert_array_equal(found.folds[view], plain.folds[view])
    np.testing.assert_allclose(
      found.probabilities[view], plain.probabilities[view], rtol=1e-12
    )
  assert says in caplog.text
  assert says or not caplog.text


def test_semicolons_between_columns_and_decimal_commas(tmp_path):
  pytest.importorskip('empathy.corpora.tables')
  corpus, predictions, table = written.study()
  path = written.write(table, tmp_path / 'p.csv')
  text = path.read_text().replace(',', ';').replace('.', ',').replace('"', '')
  path.write_text(text)
  found = reading.read(path, corpus)
  np.testing.assert_allclose(
    found.probabilities['audio'], predictions.probabilities['audio'], rtol=1e-12
  )


def test_two_spellings_of_a_view_are_one(tmp_path):
  corpus, _, table = written.study()
  table = written.as_texts(
    table, ['view'], lambda v: 'text' if v == 'audio' else v
  )
  table = written.changed(table, 'view', 40, 'Text')
  with pytest.raises(
    errors.InputError, match=r'as row 1 \(40 times: rows 41, '
  ):
    reading.read(written.write(table, tmp_path / 'p.parquet'), corpus)


@pytest.mark.parametrize('seeds', [['s1', 't1'], ['s1', '1'], ['s1', 'one']])
def test_seeds_of_several_kinds_are_refused(tmp_path, seeds):
  corpus, _, table = written.study()
  table = written.as_texts(table, ['seed'], lambda v: seeds[v])
  with pytest.raises(errors.InputError, match="'s1' is not a whole number"):
    reading.read(written.write(table, tmp_path / 'p.parquet'), corpus)


def test_percentages_that_are_cut_to_whole_ones_are_refused_in_a_line(tmp_path):
  corpus, _, table = written.study()
  table = written.as_texts(table, _PROBABILITIES, lambda v: float(int(100 * v)))
  with pytest.raises(errors.InputError) as caught:
    reading.read(written.write(table, tmp_path / 'p.parquet'), corpus)
  assert len(str(caught.value).splitlines()) == 1
  assert 'expected 1 within 0.001; --lenient' in str(caught.value)


def test_faults_of_a_kind_come_once(tmp_path):
  corpus, _, table = written.study()
  table = written.as_texts(
    table, ['view'], lambda v: 'smell' if '+' in v else v
  )
  for name, places in (
    ('p.csv', 'lines 82, 83, 84, ...'),
    ('p.parquet', 'rows 81, 82, 83, ...'),
  ):
    with pytest.raises(errors.InputError) as caught:
      reading.read(written.write(table, tmp_path / name), corpus)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).endswith(
      "'smell' is not modalities of the corpus, text, audio, joined by + "
      f'(40 times: {places})'
    )


@pytest.mark.parametrize('number', ['7', '7.0'])
def test_ids_that_were_read_as_numbers_are_told(tmp_path, number):
  corpus, _, table = written.study()
  ids = np.array([f'{i:03d}' for i in range(len(corpus.ids))])
  corpus = dataclasses.replace(corpus, ids=ids)
  table = written.as_texts(
    table,
    ['id'],
    lambda v: number if v == 'clip7' else f'{int(v[4:]):03d}',
  )
  with pytest.raises(errors.InputError) as caught:
    reading.read(written.write(table, tmp_path / 'p.parquet'), corpus)
  assert (
    f"row 8: column 'id': '{number}' is not a clip of the corpus, which has "
    "'007': were ids read as numbers? Read them as text (dtype=str) (6 times"
  ) in str(caught.value)


def test_every_fault_is_named_at_once(tmp_path):
  corpus, _, table = written.study()
  for column, row, value in (
    ('id', 3, 'nobody'),
    ('prob_class1', 5, -0.5),
    ('prob_class2', 7, 2.0),
    ('view', 9, 'smell'),
  ):
    table = written.changed(table, column, row, value)
  with pytest.raises(errors.InputError) as caught:
    reading.read(written.write(table, tmp_path / 'p.parquet'), corpus)
  rows = [
    line.split(': ')[1].split()[1] for line in str(caught.value).splitlines()
  ]
  assert rows == ['4', '6', '8', '10']


def test_lines_are_counted_over_blank_ones(tmp_path):
  corpus, _, table = written.study()
  path = written.write(
    written.changed(table, 'id', 6, 'nobody'), tmp_path / 'p.csv'
  )
  lines = path.read_text().splitlines()
  lines.insert(3, '')
  path.write_text('\n'.join(lines) + '\n')
  with pytest.raises(errors.InputError, match=r'p\.csv:9: '):
    reading.read(path, corpus)


@pytest.mark.parametrize(
  ('change', 'says'),
  [
    (lambda t: t.drop_columns(['view']), "column 'view' is missing"),
    (
      lambda t: t.drop_columns(['prob_class1']),
      "column 'prob_class1' is missing",
    ),
    (
      lambda t: t.rename_columns({'prob_class1': 'prob_other'}),
      "'other' is no class of the corpus",
    ),
    (
      lambda t: t.append_column('gate_smell', t['prob_class0']),
      "'smell' is no modality of the corpus",
    ),
    (
      lambda t: t.rename_columns(
        [name.replace('prob_', 'logit_') for name in t.column_names]
      ),
      'are missing; they are the softmax of the logits',
    ),
    (
      lambda t: t.drop_columns(list(_PROBABILITIES)),
      "columns 'prob_class0', 'prob_class1', 'prob_class2' are missing",
    ),
    (
      lambda t: t.rename_columns(
        {name: name.removeprefix('prob_') for name in _PROBABILITIES}
      ),
      "is it 'class0'? Write prob_ before the name of each class",
    ),
    (lambda t: t.slice(0, 0), 'has no rows'),
  ],
)
@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_wrong_columns(tmp_path, change, says, suffix):
  corpus, _, table = written.study()
  path = written.write(change(table), tmp_path / f'p{suffix}')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, corpus)
  assert says in str(caught.value)
  assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize('damage', ['cut', 'text', 'empty', 'gone', 'folder'])
@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_a_damaged_file(tmp_path, damage, suffix):
  corpus, _, table = written.study()
  path = written.write(table, tmp_path / f'p{suffix}')
  whole = path.read_bytes()
  if damage == 'cut':
    path.write_bytes(whole[: len(whole) // 2])
  elif damage == 'text':
    path.write_bytes(b'\xff\xfe hello\n\x00,"')
  elif damage == 'empty':
    path.write_bytes(b'')
  else:
    path.unlink()
    if damage == 'folder':
      path.mkdir()
  with pytest.raises(errors.InputError, match=r'p\.(csv|parquet)'):
    reading.read(path, corpus)


def test_a_row_with_a_field_too_many(tmp_path):
  corpus, _, table = written.study()
  path = written.write(table, tmp_path / 'p.csv')
  lines = path.read_text().splitlines()
  lines[4] += ',1'
  path.write_text('\n'.join(lines) + '\n')
  with pytest.raises(errors.InputError, match=r'p\.csv:5: 8 fields'):
    reading.read(path, corpus)


def test_more_shown_than_the_view_has(tmp_path):
  corpus, _, table = written.study()
  views = np.array(table['view']).tolist()
  views[3] = 'text+audio'
  path = written.write(written.with_given(table, views), tmp_path / 'p.parquet')
  with pytest.raises(
    errors.InputError, match=r"row 4: column 'given'.*more than the view 'text'"
  ):
    reading.read(path, corpus)
