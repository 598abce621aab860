"""The predictions table: what it becomes, and every fault it may have."""

import dataclasses
import pathlib

import made
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import data_checks, reading, sources, streaming
from empathy.evaluation import predictions as predictions_lib


def _write(table, path):
  if path.suffix == '.csv':
    pa_csv.write_csv(table, path)
  else:
    pq.write_table(table, path)
  return path


def _input(num_clips=20, **changes):
  corpus, predictions = made.study_input(num_clips, 5, 2, **changes)
  return corpus, predictions, made.table(corpus, predictions)


def _set(table, column, row, value):
  """The table with one value changed; the column takes the value's type."""
  values = table[column].to_pylist()
  values[row] = value
  return table.set_column(
    table.column_names.index(column), column, pa.array(values)
  )


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_a_table_becomes_dense_arrays(tmp_path, suffix):
  corpus, predictions, table = _input()
  rows = np.random.default_rng(0).permutation(table.num_rows)
  path = _write(table.take(rows), tmp_path / f'predictions{suffix}')
  found = reading.read(path, corpus)
  assert found.views == ('text', 'audio', 'text+audio')
  assert found.num_rows == table.num_rows
  for view in found.views:
    np.testing.assert_allclose(
      found.probabilities[view], predictions.probabilities[view], atol=1e-12
    )
    np.testing.assert_array_equal(found.folds[view], predictions.folds[view])
    assert found.seeds[view].tolist() == [0, 1]
    np.testing.assert_array_equal(
      found.subsets[view, view], found.probabilities[view]
    )


def test_other_types_of_columns_are_read(tmp_path):
  corpus, predictions, table = _input()
  names = table.column_names
  table = table.set_column(
    1, 'view', table['view'].dictionary_encode()
  ).set_column(2, 'seed', table['seed'].cast(pa.float64()))
  first = names.index('prob_class0')
  table = table.set_column(
    first, 'prob_class0', table['prob_class0'].cast(pa.float32())
  )
  found = reading.read(_write(table, tmp_path / 'p.parquet'), corpus)
  np.testing.assert_allclose(
    found.probabilities['text'], predictions.probabilities['text'], atol=1e-6
  )
  np.testing.assert_allclose(
    found.probabilities['text'].sum(axis=-1), 1, atol=1e-15
  )


def test_sums_that_are_a_little_off_are_renormalised(tmp_path):
  corpus, predictions, table = _input()
  first = table.column_names.index('prob_class0')
  for name in ('prob_class0', 'prob_class1', 'prob_class2'):
    values = np.array(table[name]) * 1.0009
    table = table.set_column(first, name, pa.array(values))
    first += 1
  found = reading.read(_write(table, tmp_path / 'p.parquet'), corpus)
  np.testing.assert_allclose(
    found.probabilities['audio'], predictions.probabilities['audio'], rtol=1e-12
  )


def test_rows_that_are_not_there_are_nan(tmp_path):
  corpus, _, table = _input()
  found = reading.read(_write(table.slice(3), tmp_path / 'p.parquet'), corpus)
  assert np.isnan(found.probabilities['text'][0, :3]).all()
  assert not np.isnan(found.probabilities['text'][0, 3:]).any()
  assert (found.folds['text'][0, :3] == -1).all()
  assert predictions_lib.common(found, ('text', 'audio')).sum() == 17
  mean = predictions_lib.mean_over_seeds(found.probabilities['text'])
  np.testing.assert_array_equal(mean[0], found.probabilities['text'][1, 0])
  predicted = predictions_lib.predicted_class(found.probabilities['text'])
  assert (predicted[0, :3] == -1).all()
  assert (predicted[1] >= 0).all()


def test_a_tie_goes_to_the_first_class():
  ties = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
  assert predictions_lib.predicted_class(ties).tolist() == [0, 1]


def _with_given(table, given):
  return table.append_column('given', pa.array(given))


def test_what_was_shown_tells_rows_apart(tmp_path):
  corpus, predictions, table = _input()
  narrow = table.filter(pa.array(np.array(table['view']) == 'text+audio'))
  both = pa.concat_tables(
    [
      _with_given(table, [''] * table.num_rows),
      _with_given(narrow, ['text'] * narrow.num_rows),
    ]
  )
  found = reading.read(_write(both, tmp_path / 'p.csv'), corpus)
  assert found.subsets.keys() == {
    ('text', 'text'),
    ('audio', 'audio'),
    ('text+audio', 'text+audio'),
    ('text+audio', 'text'),
  }
  np.testing.assert_allclose(
    found.probabilities['text+audio'],
    predictions.probabilities['text+audio'],
    atol=1e-12,
  )
  only = _with_given(narrow, ['text'] * narrow.num_rows)
  found = reading.read(_write(only, tmp_path / 'q.parquet'), corpus)
  assert found.views == ()
  assert found.subsets.keys() == {('text+audio', 'text')}


def _without_audio(corpus, clips):
  """The corpus, with features of which `clips` lack the audio ones."""
  rows = np.arange(len(corpus.ids))
  return dataclasses.replace(
    corpus, presence={'text': rows >= 0, 'audio': ~np.isin(rows, clips)}
  )


def test_the_widest_row_that_a_clip_allows_is_the_views_own(tmp_path):
  corpus, predictions, table = _input()
  corpus = _without_audio(corpus, [4])
  ids = np.array(table['id'])
  views = np.array(table['view'])
  given = np.where(
    (ids == 'clip4') & (views == 'text+audio'), 'text', views
  ).tolist()
  kept = ~((ids == 'clip4') & (views == 'audio'))
  path = _write(
    _with_given(table, given).filter(pa.array(kept)), tmp_path / 'p.parquet'
  )
  found = reading.read(path, corpus)
  np.testing.assert_allclose(
    found.probabilities['text+audio'],
    predictions.probabilities['text+audio'],
    atol=1e-12,
  )
  assert np.isnan(found.subsets['text+audio', 'text+audio'][:, 4]).all()
  assert np.isnan(found.probabilities['audio'][:, 4]).all()
  with pytest.raises(errors.InputError, match="no features of 'audio'"):
    reading.read(
      _write(_with_given(table, views.tolist()), tmp_path / 'q.parquet'), corpus
    )


def test_other_models_may_see_what_the_corpus_has_no_features_of(tmp_path):
  corpus, predictions, table = _input()
  path = _write(table, tmp_path / 'p.parquet')
  found = reading.read(path, _without_audio(corpus, [4]))
  for view in found.views:
    np.testing.assert_allclose(
      found.probabilities[view], predictions.probabilities[view], atol=1e-12
    )


def test_repeats_name_the_first_row(tmp_path):
  corpus, _, table = _input()
  thrice = pa.concat_tables([table, table.slice(7, 1), table.slice(7, 1)])
  for name, says in (
    ('p.parquet', 'as row 8 (2 times: rows 121, 122)'),
    ('p.csv', 'as line 9 (2 times: lines 122, 123)'),
  ):
    with pytest.raises(errors.InputError) as caught:
      reading.read(_write(thrice, tmp_path / name), corpus)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).endswith(says)


def test_gates_and_attention_are_kept(tmp_path):
  corpus, _, table = _input()
  gates = np.arange(table.num_rows) / 100
  gates[0] = np.nan
  table = table.append_column('gate_text', pa.array(gates))
  table = table.append_column('attention_audio', pa.array(gates))
  for name in ('p.parquet', 'p.csv'):
    found = reading.read(_write(table, tmp_path / name), corpus)
    np.testing.assert_array_equal(
      found.gates['text']['text'].ravel(), gates[:40]
    )
    assert found.attention['text'].keys() == {'audio'}


def _split(corpus):
  return dataclasses.replace(
    corpus, split=np.where(np.arange(len(corpus.ids)) < 3, 'train', 'test')
  )


_FAULTS = {
  'unknown id': (lambda t: _set(t, 'id', 6, 'nobody'), 6, 'id', "'nobody'"),
  'empty id': (lambda t: _set(t, 'id', 6, ''), 6, 'id', 'clip of the corpus'),
  'unknown view': (lambda t: _set(t, 'view', 2, 'smell'), 2, 'view', 'smell'),
  'modality twice': (
    lambda t: _set(t, 'view', 2, 'text+text'),
    2,
    'view',
    'text+text',
  ),
  'text in a seed': (
    lambda t: _set(t, 'seed', 4, None),
    4,
    'seed',
    'whole number',
  ),
  'part of a seed': (
    lambda t: _set(
      t.set_column(2, 'seed', t['seed'].cast(pa.float64())), 'seed', 4, 0.5
    ),
    4,
    'seed',
    'is not a whole number',
  ),
  'negative fold': (lambda t: _set(t, 'fold', 4, -1), 4, 'fold', 'less than 0'),
  'NaN': (
    lambda t: _set(t, 'prob_class1', 9, float('nan')),
    9,
    'prob_class1',
    'NaN',
  ),
  'infinite': (
    lambda t: _set(t, 'prob_class1', 9, float('inf')),
    9,
    'prob_*',
    'sum to inf',
  ),
  'empty probability': (
    lambda t: _set(t, 'prob_class1', 9, None),
    9,
    'prob_class1',
    '',
  ),
  'negative probability': (
    lambda t: _set(t, 'prob_class1', 9, -0.1),
    9,
    'prob_class1',
    '-0.1 is not a probability',
  ),
  'sum': (
    lambda t: _set(t, 'prob_class1', 9, 3.0),
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
  corpus, _, table = _input()
  path = _write(change(table), tmp_path / f'p{suffix}')
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
  corpus, _, table = _input()
  for name in ('gate_text', 'logit_class0'):
    table = table.append_column(name, pa.array(np.ones(table.num_rows)))
  values = [str(value) for value in table[column].to_pylist()]
  values[11] = text
  table = table.set_column(
    table.column_names.index(column), column, pa.array(values)
  )
  path = _write(table, tmp_path / 'p.csv')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, corpus)
  assert str(caught.value) == f'{path}:13: column {column!r}: {says}'


def _as_texts(table, columns, change):
  """The table with columns of texts, made of their values by `change`."""
  for column in columns:
    place = table.column_names.index(column)
    texts = [change(value) for value in table[column].to_pylist()]
    table = table.set_column(place, column, pa.array(texts))
  return table


_PROBABILITIES = ('prob_class0', 'prob_class1', 'prob_class2')
# What people write, and what is said of it.
_SPELLINGS = {
  'order': (
    lambda t: _as_texts(t, ['view'], lambda v: 'audio+text' if '+' in v else v),
    "took 'audio+text' as 'text+audio'",
  ),
  'case and white space': (
    lambda t: _as_texts(t, ['view'], lambda v: f' {v.title()}'),
    "took ' Text' as 'text', ' Audio' as 'audio', ' Text+Audio' as 'text+",
  ),
  'case and white space of ids': (
    lambda t: _as_texts(t, ['id'], lambda v: f'{v.upper()} '),
    "column 'id': took 'CLIP0 ' as 'clip0', and the like (120 rows)",
  ),
  'seeds with a word': (
    lambda t: _as_texts(t, ['seed'], lambda v: f's{v}'),
    "column 'seed': took 's0' and the like as 0",
  ),
  'folds with a word': (
    lambda t: _as_texts(t, ['fold'], lambda v: f'Fold {v:02d}'),
    "column 'fold': took 'Fold 00' and the like as 0",
  ),
  'percentages': (
    lambda t: _as_texts(t, _PROBABILITIES, lambda v: 100 * v),
    'took the probabilities as percentages',
  ),
  'signs of percent': (
    lambda t: _as_texts(t, _PROBABILITIES, lambda v: f'{100 * v:.15g} %'),
    'took the probabilities as percentages',
  ),
  'decimal commas': (
    lambda t: _as_texts(
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


def test_a_table_between_tabs_is_read(tmp_path):
  corpus, predictions, table = _input()
  path = tmp_path / 'p.tsv'
  pa_csv.write_csv(table, path, pa_csv.WriteOptions(delimiter='\t'))
  found = reading.read(path, corpus)
  assert found.num_rows == predictions.num_rows
  path = path.rename(tmp_path / 'p.txt')
  with pytest.raises(errors.InputError, match=r'named \.csv or \.tsv'):
    reading.read(path, corpus)


def test_the_row_numbers_of_pandas_are_no_matter(tmp_path):
  corpus, _, table = _input()
  plain = _write(table, tmp_path / 'plain.csv')
  lines = plain.read_text().splitlines()
  numbered = tmp_path / 'numbered.csv'
  numbered.write_text(
    ''.join(f'{i - 1 if i else ""},{line},\n' for i, line in enumerate(lines))
  )
  found = reading.read(numbered, corpus)
  wanted = reading.read(plain, corpus)
  assert found.num_rows == wanted.num_rows > 0
  for view, values in wanted.probabilities.items():
    np.testing.assert_array_equal(found.probabilities[view], values)


def test_the_header_once_more_is_one_fault(tmp_path):
  corpus, _, table = _input()
  path = _write(table, tmp_path / 'p.csv')
  header, *rows = path.read_text().splitlines()
  path.write_text('\n'.join([header, *rows[:6], header, *rows[6:], header]))
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, corpus)
  assert str(caught.value) == (
    f'{path}:8: the header once more; remove it (2 times)'
  )


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
@pytest.mark.parametrize('spelling', _SPELLINGS)
def test_tables_are_read_as_people_write_them(
  tmp_path, caplog, spelling, suffix
):
  change, says = _SPELLINGS[spelling]
  corpus, _, table = _input()
  plain = reading.read(_write(table, tmp_path / f'a{suffix}'), corpus)
  caplog.set_level('INFO', 'empathy')
  found = reading.read(_write(change(table), tmp_path / f'b{suffix}'), corpus)
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
  corpus, predictions, table = _input()
  path = _write(table, tmp_path / 'p.csv')
  text = path.read_text().replace(',', ';').replace('.', ',').replace('"', '')
  path.write_text(text)
  found = reading.read(path, corpus)
  np.testing.assert_allclose(
    found.probabilities['audio'], predictions.probabilities['audio'], rtol=1e-12
  )


def test_two_spellings_of_a_view_are_one(tmp_path):
  corpus, _, table = _input()
  table = _as_texts(table, ['view'], lambda v: 'text' if v == 'audio' else v)
  table = _set(table, 'view', 40, 'Text')
  with pytest.raises(
    errors.InputError, match=r'as row 1 \(40 times: rows 41, '
  ):
    reading.read(_write(table, tmp_path / 'p.parquet'), corpus)


@pytest.mark.parametrize('seeds', [['s1', 't1'], ['s1', '1'], ['s1', 'one']])
def test_seeds_of_several_kinds_are_refused(tmp_path, seeds):
  corpus, _, table = _input()
  table = _as_texts(table, ['seed'], lambda v: seeds[v])
  with pytest.raises(errors.InputError, match="'s1' is not a whole number"):
    reading.read(_write(table, tmp_path / 'p.parquet'), corpus)


def test_percentages_that_are_cut_to_whole_ones_are_refused_in_a_line(tmp_path):
  corpus, _, table = _input()
  table = _as_texts(table, _PROBABILITIES, lambda v: float(int(100 * v)))
  with pytest.raises(errors.InputError) as caught:
    reading.read(_write(table, tmp_path / 'p.parquet'), corpus)
  assert len(str(caught.value).splitlines()) == 1
  assert 'expected 1 within 0.001 (' in str(caught.value)


def test_a_model_has_neither_seed_nor_fold(tmp_path, caplog):
  corpus, predictions, table = _input()
  first = table.filter(pa.array(np.array(table['seed']) == 0))
  caplog.set_level('INFO', 'empathy')
  for name in ('p.csv', 'p.parquet'):
    path = _write(first.drop_columns(['seed', 'fold']), tmp_path / name)
    found = reading.read(path, corpus)
    assert "no column 'fold': which clips were held out" in caplog.text
    for view in found.views:
      assert found.seeds[view].tolist() == [0]
      assert (found.folds[view] == 0).all()
      np.testing.assert_allclose(
        found.probabilities[view],
        predictions.probabilities[view][:1],
        atol=1e-12,
      )
    told = made.answer(data_checks, corpus, found)
    assert 'data.group_leakage' in told.skipped
  told = made.answer(data_checks, corpus, predictions)
  assert 'data.group_leakage' in told.statistics
  twice = table.drop_columns(['seed', 'fold'])
  with pytest.raises(errors.InputError, match="there is no column 'seed'"):
    reading.read(_write(twice, tmp_path / 'q.csv'), corpus)


def test_faults_of_a_kind_come_once(tmp_path):
  corpus, _, table = _input()
  table = _as_texts(table, ['view'], lambda v: 'smell' if '+' in v else v)
  for name, places in (
    ('p.csv', 'lines 82, 83, 84, ...'),
    ('p.parquet', 'rows 81, 82, 83, ...'),
  ):
    with pytest.raises(errors.InputError) as caught:
      reading.read(_write(table, tmp_path / name), corpus)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).endswith(
      "'smell' is not modalities of the corpus, text, audio, joined by + "
      f'(40 times: {places})'
    )


@pytest.mark.parametrize('number', ['7', '7.0'])
def test_ids_that_were_read_as_numbers_are_told(tmp_path, number):
  corpus, _, table = _input()
  ids = np.array([f'{i:03d}' for i in range(len(corpus.ids))])
  corpus = dataclasses.replace(corpus, ids=ids)
  table = _as_texts(
    table,
    ['id'],
    lambda v: number if v == 'clip7' else f'{int(v[4:]):03d}',
  )
  with pytest.raises(errors.InputError) as caught:
    reading.read(_write(table, tmp_path / 'p.parquet'), corpus)
  assert (
    f"row 8: column 'id': '{number}' is not a clip of the corpus, which has "
    "'007': were ids read as numbers? Read them as text (dtype=str) (6 times"
  ) in str(caught.value)


def test_every_fault_is_named_at_once(tmp_path):
  corpus, _, table = _input()
  for column, row, value in (
    ('id', 3, 'nobody'),
    ('prob_class1', 5, -0.5),
    ('prob_class2', 7, 2.0),
    ('view', 9, 'smell'),
  ):
    table = _set(table, column, row, value)
  with pytest.raises(errors.InputError) as caught:
    reading.read(_write(table, tmp_path / 'p.parquet'), corpus)
  rows = [
    line.split(': ')[1].split()[1] for line in str(caught.value).splitlines()
  ]
  assert rows == ['4', '6', '8', '10']


def test_lines_are_counted_over_blank_ones(tmp_path):
  corpus, _, table = _input()
  path = _write(_set(table, 'id', 6, 'nobody'), tmp_path / 'p.csv')
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
    (
      lambda t: t.drop_columns(list(_PROBABILITIES)).append_column(
        'predicted', pa.array(['class0'] * t.num_rows)
      ),
      'pandas.get_dummies(table[\'predicted\'], prefix="prob", dtype=float)',
    ),
    (lambda t: t.slice(0, 0), 'has no rows'),
  ],
)
@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_wrong_columns(tmp_path, change, says, suffix):
  corpus, _, table = _input()
  path = _write(change(table), tmp_path / f'p{suffix}')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, corpus)
  assert says in str(caught.value)
  assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize('damage', ['cut', 'text', 'empty', 'gone', 'folder'])
@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_a_damaged_file(tmp_path, damage, suffix):
  corpus, _, table = _input()
  path = _write(table, tmp_path / f'p{suffix}')
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
  corpus, _, table = _input()
  path = _write(table, tmp_path / 'p.csv')
  lines = path.read_text().splitlines()
  lines[4] += ',1'
  path.write_text('\n'.join(lines) + '\n')
  with pytest.raises(errors.InputError, match=r'p\.csv:5: 8 fields'):
    reading.read(path, corpus)


def test_more_shown_than_the_view_has(tmp_path):
  corpus, _, table = _input()
  views = np.array(table['view']).tolist()
  views[3] = 'text+audio'
  path = _write(_with_given(table, views), tmp_path / 'p.parquet')
  with pytest.raises(
    errors.InputError, match=r"row 4: column 'given'.*more than the view 'text'"
  ):
    reading.read(path, corpus)


def test_with_a_split_only_test_clips_are_held_out(tmp_path):
  corpus, _, table = _input()
  zeros = pa.array(np.zeros(table.num_rows, int))
  table = table.set_column(3, 'fold', zeros)
  path = _write(table, tmp_path / 'p.parquet')
  with pytest.raises(errors.InputError) as caught:
    reading.read(path, _split(corpus))
  assert str(caught.value).endswith(
    "row 1: column 'id': 'clip0' is a train clip; only test clips are held out "
    '(18 times: rows 1, 2, 3, ...)'
  )
  held = [
    name not in ('clip0', 'clip1', 'clip2') for name in table['id'].to_pylist()
  ]
  table = table.filter(pa.array(held))
  found = reading.read(_write(table, tmp_path / 'q.parquet'), _split(corpus))
  assert predictions_lib.common(found, ('text',)).sum() == 17
  with pytest.raises(errors.InputError, match="column 'fold': 2 is not 0"):
    reading.read(
      _write(_set(table, 'fold', 1, 2), tmp_path / 'r.parquet'), _split(corpus)
    )


def test_the_published_predictions_are_read():
  shared = pathlib.Path(__file__).parents[3] / 'shared/corpora/ravdess'
  if not shared.exists():
    pytest.skip(f'{shared} is not there')
  corpus = corpus_lib.with_presence(corpus_lib.read(shared))
  found = reading.read(shared / 'published_predictions.csv', corpus)
  assert found.views == ('audio', 'video', 'audio+video')
  for view in found.views:
    assert found.probabilities[view].shape == (1, 1440, 8)
    assert not np.isnan(found.probabilities[view]).any()
    np.testing.assert_array_equal(found.folds[view][0], corpus.fold)


@pytest.mark.parametrize(
  ('tops', 'number', 'graded'),
  [
    ([1.0] * 40, 1, False),
    ([0.6, 0.7, 0.8, 0.9, 1.0] * 8, 5, False),
    ([0.6, 0.65, 0.7, 0.8, 0.9, 1.0] * 8, 6, True),
    # Few clips take few values even of a graded confidence.
    ([0.6, 0.7, 0.8, 0.9], 4, True),
    # Rounding is no difference.
    ([0.9, 0.3 + 0.6] * 20, 1, False),
  ],
)
def test_what_counts_as_confidence(tops, number, graded):
  tops = np.array([*tops, np.nan])
  shown = {'text': np.stack([tops, 1 - tops, 0 * tops], axis=-1)[None]}
  clips = np.arange(len(tops))
  _, plan = made.added_up(
    made.corpus(clips, clips % 3), made.predictions(shown)
  )
  assert plan.num_confidences('view', 'text') == number
  assert plan.graded('view', 'text') == graded


def test_a_pass_over_batches_reads_the_same(tmp_path):
  corpus, predictions, table = _input()
  corpus_lib.write(dataclasses.replace(corpus, votes=None), tmp_path / 'corpus')
  order = np.argsort(
    [int(x[4:]) for x in table['id'].to_pylist()], kind='stable'
  )
  table = _as_texts(table.take(order), ['view'], lambda v: v.title())
  table = table.filter(pa.array(np.array(table['seed']) == 1))
  path = _write(table.drop_columns(['seed', 'fold']), tmp_path / 'p.parquet')
  source = sources.find(tmp_path / 'corpus', path)
  members = streaming.members(source)
  assert members == {'text': (0,), 'audio': (0,), 'text+audio': (0,)}
  (batch,) = streaming.batches(source)
  found = batch.predictions
  for view in members:
    np.testing.assert_allclose(
      found.probabilities[view], predictions.probabilities[view][1:], atol=1e-12
    )
