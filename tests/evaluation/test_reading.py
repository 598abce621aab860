"""What a table of predictions becomes."""

import dataclasses
import pathlib

import made
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
import written

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import data_checks, reading, sources, streaming
from empathy.evaluation import predictions as predictions_lib


def _split(corpus):
  return dataclasses.replace(
    corpus, split=np.where(np.arange(len(corpus.ids)) < 3, 'train', 'test')
  )


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_a_table_becomes_dense_arrays(tmp_path, suffix):
  corpus, predictions, table = written.study()
  rows = np.random.default_rng(0).permutation(table.num_rows)
  path = written.write(table.take(rows), tmp_path / f'predictions{suffix}')
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
  corpus, predictions, table = written.study()
  names = table.column_names
  table = table.set_column(
    1, 'view', table['view'].dictionary_encode()
  ).set_column(2, 'seed', table['seed'].cast(pa.float64()))
  first = names.index('prob_class0')
  table = table.set_column(
    first, 'prob_class0', table['prob_class0'].cast(pa.float32())
  )
  found = reading.read(written.write(table, tmp_path / 'p.parquet'), corpus)
  np.testing.assert_allclose(
    found.probabilities['text'], predictions.probabilities['text'], atol=1e-6
  )
  np.testing.assert_allclose(
    found.probabilities['text'].sum(axis=-1), 1, atol=1e-15
  )


def test_sums_that_are_a_little_off_are_renormalised(tmp_path):
  corpus, predictions, table = written.study()
  first = table.column_names.index('prob_class0')
  for name in ('prob_class0', 'prob_class1', 'prob_class2'):
    values = np.array(table[name]) * 1.0009
    table = table.set_column(first, name, pa.array(values))
    first += 1
  found = reading.read(written.write(table, tmp_path / 'p.parquet'), corpus)
  np.testing.assert_allclose(
    found.probabilities['audio'], predictions.probabilities['audio'], rtol=1e-12
  )


def test_rows_that_are_not_there_are_nan(tmp_path):
  corpus, _, table = written.study()
  found = reading.read(
    written.write(table.slice(3), tmp_path / 'p.parquet'), corpus
  )
  assert np.isnan(found.probabilities['text'][0, :3]).all()
  assert not np.isnan(found.probabilities['text'][0, 3:]).any()
  assert (found.folds['text'][0, :3] == -1).all()
  assert predictions_lib.common(found, ('text', 'audio')).sum() == 17
  mean = predictions_lib.mean_over_seeds(found.probabilities['text'])
  np.testing.assert_array_equal(mean[0], found.probabilities['text'][1, 0])
  predicted = predictions_lib.predicted_class(found.probabilities['text'])
  assert (predicted[0, :3] == -1).all()
  assert (predicted[1] >= 0).all()


def test_what_was_shown_tells_rows_apart(tmp_path):
  corpus, predictions, table = written.study()
  narrow = table.filter(pa.array(np.array(table['view']) == 'text+audio'))
  both = pa.concat_tables(
    [
      written.with_given(table, [''] * table.num_rows),
      written.with_given(narrow, ['text'] * narrow.num_rows),
    ]
  )
  found = reading.read(written.write(both, tmp_path / 'p.csv'), corpus)
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
  only = written.with_given(narrow, ['text'] * narrow.num_rows)
  found = reading.read(written.write(only, tmp_path / 'q.parquet'), corpus)
  assert found.views == ()
  assert found.subsets.keys() == {('text+audio', 'text')}


def _without_audio(corpus, clips):
  """The corpus, with features of which `clips` lack the audio ones."""
  rows = np.arange(len(corpus.ids))
  return dataclasses.replace(
    corpus, presence={'text': rows >= 0, 'audio': ~np.isin(rows, clips)}
  )


def test_the_widest_row_that_a_clip_allows_is_the_views_own(tmp_path):
  corpus, predictions, table = written.study()
  corpus = _without_audio(corpus, [4])
  ids = np.array(table['id'])
  views = np.array(table['view'])
  given = np.where(
    (ids == 'clip4') & (views == 'text+audio'), 'text', views
  ).tolist()
  kept = ~((ids == 'clip4') & (views == 'audio'))
  path = written.write(
    written.with_given(table, given).filter(pa.array(kept)),
    tmp_path / 'p.parquet',
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
      written.write(
        written.with_given(table, views.tolist()), tmp_path / 'q.parquet'
      ),
      corpus,
    )


def test_other_models_may_see_what_the_corpus_has_no_features_of(tmp_path):
  corpus, predictions, table = written.study()
  path = written.write(table, tmp_path / 'p.parquet')
  found = reading.read(path, _without_audio(corpus, [4]))
  for view in found.views:
    np.testing.assert_allclose(
      found.probabilities[view], predictions.probabilities[view], atol=1e-12
    )


def test_gates_and_attention_are_kept(tmp_path):
  corpus, _, table = written.study()
  gates = np.arange(table.num_rows) / 100
  gates[0] = np.nan
  table = table.append_column('gate_text', pa.array(gates))
  table = table.append_column('attention_audio', pa.array(gates))
  for name in ('p.parquet', 'p.csv'):
    found = reading.read(written.write(table, tmp_path / name), corpus)
    np.testing.assert_array_equal(
      found.gates['text']['text'].ravel(), gates[:40]
    )
    assert found.attention['text'].keys() == {'audio'}


def test_a_table_between_tabs_is_read(tmp_path):
  corpus, predictions, table = written.study()
  path = tmp_path / 'p.tsv'
  pa_csv.write_csv(table, path, pa_csv.WriteOptions(delimiter='\t'))
  found = reading.read(path, corpus)
  assert found.num_rows == predictions.num_rows
  path = path.rename(tmp_path / 'p.txt')
  with pytest.raises(errors.InputError, match=r'named \.csv or \.tsv'):
    reading.read(path, corpus)


def test_the_row_numbers_of_pandas_are_no_matter(tmp_path):
  corpus, _, table = written.study()
  plain = written.write(table, tmp_path / 'plain.csv')
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


def test_a_model_has_neither_seed_nor_fold(tmp_path, caplog):
  corpus, predictions, table = written.study()
  first = table.filter(pa.array(np.array(table['seed']) == 0))
  caplog.set_level('INFO', 'empathy')
  for name in ('p.csv', 'p.parquet'):
    path = written.write(first.drop_columns(['seed', 'fold']), tmp_path / name)
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
    reading.read(written.write(twice, tmp_path / 'q.csv'), corpus)


def test_with_a_split_only_test_clips_are_held_out(tmp_path):
  corpus, _, table = written.study()
  zeros = pa.array(np.zeros(table.num_rows, int))
  table = table.set_column(3, 'fold', zeros)
  path = written.write(table, tmp_path / 'p.parquet')
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
  found = reading.read(
    written.write(table, tmp_path / 'q.parquet'), _split(corpus)
  )
  assert predictions_lib.common(found, ('text',)).sum() == 17
  with pytest.raises(errors.InputError, match="column 'fold': 2 is not 0"):
    reading.read(
      written.write(
        written.changed(table, 'fold', 1, 2), tmp_path / 'r.parquet'
      ),
      _split(corpus),
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


def test_a_pass_over_batches_reads_the_same(tmp_path):
  corpus, predictions, table = written.study()
  corpus_lib.write(dataclasses.replace(corpus, votes=None), tmp_path / 'corpus')
  order = np.argsort(
    [int(x[4:]) for x in table['id'].to_pylist()], kind='stable'
  )
  table = written.as_texts(table.take(order), ['view'], lambda v: v.title())
  table = table.filter(pa.array(np.array(table['seed']) == 1))
  path = written.write(
    table.drop_columns(['seed', 'fold']), tmp_path / 'p.parquet'
  )
  source = sources.find(tmp_path / 'corpus', path)
  members = streaming.members(source)
  assert members == {'text': (0,), 'audio': (0,), 'text+audio': (0,)}
  with streaming.batches(source) as batches:
    (batch,) = batches()
  found = batch.predictions
  for view in members:
    np.testing.assert_allclose(
      found.probabilities[view], predictions.probabilities[view][1:], atol=1e-12
    )
