"""Rows in any order, judged in buckets, make the study of all in memory."""

import csv
import dataclasses
import functools
import logging
import operator
import pathlib
import re
import shutil

import made
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import tables
from empathy.evaluation import engine, listing, reading, sources, streaming
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import survey as survey_lib
from empathy.evaluation.batches import Batch


def _rows(corpus, predictions, has_audio) -> pa.Table:
  """The predictions table, with what was shown, gates and attention."""
  random = np.random.default_rng(1)
  table = made.table(corpus, predictions)
  shown = [table.append_column('given', table['view'])]
  full = table.filter(pa.array(np.array(table['view']) == 'text+audio'))
  for view in ('text', 'audio'):
    shown.append(full.append_column('given', pa.array([view] * len(full))))
  table = pa.concat_tables(shown)
  # Nobody was shown what is not there.
  heard = np.array(['audio' in name for name in table['given'].to_pylist()])
  there = np.isin(np.array(table['id']), has_audio)
  table = table.filter(pa.array(there | ~heard))
  for kind in ('gate', 'attention'):
    share = random.uniform(0, 1, len(table))
    for name, values in (('text', share), ('audio', 1 - share)):
      table = table.append_column(f'{kind}_{name}', pa.array(values))
  for layer in ('layer_text_0', 'layer_text_1'):
    table = table.append_column(layer, pa.array([0.5] * len(table)))
  return table


def _columns(corpus) -> dict[str, pa.Table]:
  """The tables of clips and votes."""
  names = np.array([*corpus.classes, ''])
  votes = corpus.votes
  return {
    'clips': pa.table(
      {
        'id': corpus.ids,
        'group': corpus.groups,
        'label': names[corpus.labels],
        'score': _texts(corpus.scores),
        'fold': corpus.fold,
        'transcript': [f'she said, "{name}"\nand left' for name in corpus.ids],
      }
    ),
    'votes': pa.table(
      {
        'id': corpus.ids[votes.clip],
        'condition': np.array(corpus.conditions)[votes.condition],
        'annotator': votes.annotator,
        'label': names[votes.label],
        'score': _texts(votes.scores),
        'count': votes.count,
      }
    ),
  }


def _scatter(table, folder, number, kind='parquet') -> None:
  """Writes the rows in no order to so many files."""
  random = np.random.default_rng(5)
  folder.mkdir()
  order = random.permutation(len(table))
  for place, own in enumerate(np.array_split(order, number)):
    part = table.take(pa.array(own))
    if kind == 'csv':
      columns = {name: part[name].to_pylist() for name in part.column_names}
      tables.write_csv(folder / f'{place}.csv', columns)
    else:
      pq.write_table(part, folder / f'{place}.parquet', row_group_size=37)


@pytest.fixture(scope='module', name='shards')
def _shards(tmp_path_factory):
  """A corpus and predictions in files of both kinds."""
  corpus, predictions = made.study_input(160, 11, 3)
  random = np.random.default_rng(2)
  votes = corpus.votes
  several = np.repeat(np.arange(len(votes.clip)), votes.count)
  votes = corpus_lib.Votes(
    votes.clip[several],
    votes.condition[several],
    np.array([f'ann{i % 7}' for i in _ordinals(votes, several)]),
    votes.label[several],
    np.ones(len(several), np.int64),
  )
  labels = np.where(random.random(160) < 0.9, corpus.labels, -1)
  groups = np.unique(corpus.groups, return_inverse=True)[1]
  corpus = dataclasses.replace(
    corpus,
    labels=labels.astype(np.int32),
    fold=(groups % 3).astype(np.int32),
    votes=votes,
  )
  corpus = made.with_values(corpus, scores=_scores(labels))
  votes = dataclasses.replace(votes, scores=_scores(votes.label))
  corpus = dataclasses.replace(corpus, votes=votes)
  predictions.probabilities['text'][1, random.random(160) < 0.05] = np.nan
  predictions = made.predictions(predictions.probabilities, folds=groups % 3)
  folder = tmp_path_factory.mktemp('shards')
  has_audio = corpus.ids[::-1][5:]
  rows = _rows(corpus, predictions, has_audio)
  _scatter(rows, folder / 'predictions', 3)
  _scatter(rows, folder / 'texts', 2, 'csv')
  pq.write_table(rows.slice(0, 0), folder / 'predictions/empty.parquet')
  (folder / 'predictions/_SUCCESS').touch()
  features = random.normal(0, 1, (155, 2))
  features[[3, 20, 90]] = features[70]
  corpus_lib.write_features(
    folder / 'corpus/features/audio.npz', has_audio, features
  )
  corpus_lib.files.write_json(folder / 'corpus/corpus.json', corpus.info)
  written = _columns(corpus)
  _scatter(written['clips'], folder / 'corpus/clips', 2, 'csv')
  _scatter(written['votes'], folder / 'corpus/votes', 2)
  # The same in one folder, as it is judged in memory.
  (folder / 'whole').mkdir()
  corpus_lib.files.write_json(folder / 'whole/corpus.json', corpus.info)
  for name, table in written.items():
    columns = {key: table[key].to_pylist() for key in table.column_names}
    tables.write_csv(folder / f'whole/{name}.csv', columns)
  pq.write_table(rows, folder / 'whole.parquet')
  shutil.copytree(folder / 'corpus/features', folder / 'whole/features')
  return folder


def _scores(labels):
  """Near the values 1, 2 and 4; what has none has no label, but for one."""
  scores = np.array([1, 2, 4, np.nan])[labels]
  scores[::5] += np.where(scores[::5] < 2, 0.25, -0.25)
  scores[np.flatnonzero(labels < 0)[:1]] = 3.75
  return scores


def _texts(scores):
  return ['' if np.isnan(score) else str(score) for score in scores]


def _ordinals(votes, several):
  """The place of each vote among those on its clip in its condition."""
  found, seen = [], {}
  for row in several.tolist():
    key = (votes.clip[row], votes.condition[row])
    found.append(seen.get(key, 0))
    seen[key] = found[-1] + 1
  return found


@pytest.fixture(scope='module', name='whole')
def _whole(shards):
  corpus = corpus_lib.with_presence(corpus_lib.read(shards / 'whole'))
  found = reading.read(shards / 'whole.parquet', corpus)
  batch = Batch(corpus, found)
  plan = plan_lib.of_batch(batch)
  return study_lib.add_up(batch, plan), plan, listing.of_batch(batch, plan)


@pytest.fixture(scope='module', name='study')
def _study(whole):
  return study_lib.of_totals(*whole)


def _batches(source):
  with streaming.batches(source) as batches:
    return list(batches())


def _added_up(batches):
  """What `engine.judge` finds, without an engine."""
  surveys = map(survey_lib.of_batch, batches)
  plan = plan_lib.draw_up(functools.reduce(operator.add, surveys))
  parts = [
    engine.Sum(
      totals=study_lib.add_up(batch, plan),
      clips=listing.of_batch(batch, plan).first(),
    )
    for batch in batches
  ]
  found = sum(parts, engine.Sum())
  return found.totals, plan, found.clips


def _assert_same(found, expected):
  made.assert_same(found[0], expected[0])
  one, other = (some[1].survey for some in (found, expected))
  assert one.members == other.members
  assert one.num_rows == other.num_rows
  one, other = (some[2].columns() for some in (found, expected))
  assert one.keys() == other.keys()
  for name, values in other.items():
    if values.dtype.kind == 'f':
      np.testing.assert_allclose(one[name], values, atol=1e-10, err_msg=name)
    else:
      assert one[name].tolist() == values.tolist(), name
  assert found[2].num_ranked == expected[2].num_ranked
  one, other = (some[2].clips for some in (found, expected))
  assert one.transcripts.tolist() == other.transcripts.tolist()
  assert one.signals.keys() == other.signals.keys()


def test_clips_that_are_there_twice_are_seen(study):
  assert study.statistics['data.duplicates'].estimate == 3 / 160
  assert len(study.tables['duplicates']) == 3


def _assert_same_study(found, expected):
  assert found.info == expected.info
  assert found.skipped == expected.skipped
  assert found.primaries == expected.primaries
  assert found.statistics.keys() == expected.statistics.keys()
  assert len(found.statistics) > 150
  for name, one in expected.statistics.items():
    figures = found.statistics[name].figures()
    assert figures.keys() == one.figures().keys()
    for key, value in one.figures().items():
      if isinstance(value, float):
        value = pytest.approx(value, abs=1e-10)
      assert figures[key] == value, (name, key)
  assert found.tables.keys() == expected.tables.keys()
  for name, rows in expected.tables.items():
    assert len(found.tables[name]) == len(rows)
    for one, row in zip(found.tables[name], rows, strict=True):
      assert one.keys() == row.keys()
      for key, value in row.items():
        if isinstance(value, float):
          value = pytest.approx(value, abs=1e-10)
        assert one[key] == value, (name, key)


@pytest.mark.parametrize(
  ('place', 'num_clips'),
  [('predictions', 1_000), ('predictions', 23), ('texts', 23)],
)
def test_files_in_any_order_are_the_whole(
  shards, whole, study, place, num_clips
):
  source = sources.find(shards / 'corpus', shards / place, num_clips)
  assert (source.num_buckets > 1) == (num_clips == 23)
  found = _added_up(_batches(source))
  _assert_same(found, whole)
  if place == 'texts':
    _assert_same_study(study_lib.of_totals(*found), study)


def _save(path, delimiter, encoding, commas, before=''):
  """Writes a table again as spreadsheets save it."""
  with open(path, encoding='utf-8', newline='') as file:
    header, *rows = csv.reader(file)
  header = [f' {name.title()}' if name in ('id', 'view') else name
            for name in header]  # fmt: skip
  rows = [[*row, ''] for row in rows]
  if commas:
    rows = [
      [re.sub(r'^(-?\d*)\.(\d+)$', r'\1,\2', cell) for cell in row]
      for row in rows
    ]
  rows[3:3] = [[''] * len(rows[0]), [*header, '']]
  with open(path, 'w', encoding=encoding, newline='') as file:
    file.write(before)
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([[*header, ''], *rows])


@pytest.mark.parametrize(
  ('delimiter', 'encoding', 'commas', 'before'),
  [
    (';', 'utf-8-sig', True, ''),
    ('\t', 'utf-16', False, ''),
    (';', 'cp1252', True, 'sep=;\r\n'),
  ],
)
def test_what_spreadsheets_save_is_the_same(
  shards, tmp_path, caplog, monkeypatch, delimiter, encoding, commas, before
):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO)
  shutil.copytree(shards / 'corpus', tmp_path / 'corpus')
  shutil.copytree(shards / 'texts', tmp_path / 'texts')
  folder = tmp_path / 'corpus/votes'
  for path in folder.glob('*.parquet'):
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    tables.write_csv(path.with_suffix('.csv'), columns)
    path.unlink()
  for path in (tmp_path / 'corpus/clips').iterdir():
    text = path.read_text(encoding='utf-8').replace('id,', 'id,Âge,', 1)
    path.write_text(re.sub(r'(?m)^([^,\n]+),(?!Âge)', r'\1,é,', text))
  expected = _batches(sources.find(shards / 'corpus', shards / 'texts'))
  for path in tmp_path.rglob('*.csv'):
    _save(path, delimiter, encoding, commas, before)
  source = sources.find(tmp_path / 'corpus', tmp_path / 'texts')
  for one, other in zip(_batches(source), expected, strict=True):
    assert one.corpus.ids.tolist() == other.corpus.ids.tolist()
    for name in ('labels', 'scores', 'groups', 'fold'):
      np.testing.assert_array_equal(
        getattr(one.corpus, name), getattr(other.corpus, name)
      )
    for name in ('clip', 'label', 'annotator', 'scores', 'count'):
      np.testing.assert_array_equal(
        getattr(one.corpus.votes, name), getattr(other.corpus.votes, name)
      )
    for view, values in other.predictions.probabilities.items():
      np.testing.assert_allclose(
        one.predictions.probabilities[view], values, rtol=1e-12
      )
  between = 'tabs' if delimiter == '\t' else 'semicolons'
  assert f'read as separated by {between}' in caplog.text
  # A wrong row is counted as it stands in the file.
  path = tmp_path / 'texts/0.csv'
  text = path.read_text(encoding)
  lines = text.splitlines()
  row = 9
  lines[row] = re.sub('^[^;\t]*', 'nobody', lines[row])
  path.write_text('\r\n'.join(lines), encoding)
  says = f"0.csv: row {row - bool(before)}: column 'id': 'nobody'"
  with pytest.raises(errors.InputError, match=says):
    _batches(sources.find(tmp_path / 'corpus', tmp_path / 'texts', 23))


@pytest.mark.parametrize(
  ('content', 'says'),
  [
    (b'PK\x03\x04', "is a spreadsheet or an archive; save it as 'CSV UTF-8'"),
    (b'id\0,group\n', ':1: a zero byte, as in UTF-16 without its mark'),
    (b'id,group,label\na,\x81,x\n', ':2: byte 0x81 is not UTF-8 text'),
    (b'id;group\na;b\n', "column 'label' is missing"),
    (b'id;group;label;;\na;b\n', 'cannot be read as CSV'),
    (b'id;group;label\n;;\n', 'row 1: .*is empty|has no rows'),
    (b'', "columns 'id', 'group', 'label' are missing; found none"),
    (b'\xff\xfei\0d\0,', 'missing|cannot be read'),
    (b'\xff\xfei\0d\0,\0g\0r\0,\0\n', 'missing|cannot be read'),
    (b'id;id;group;label\na;a;b;c\n', "column 'id' is there twice"),
    (b'id\tgroup\tlabel\na\tb\tglad\n', "'glad' is not one of"),
    (b'id;group;score\na;b;1,234\n', "'1,234' may be 1.234 or 1234"),
    (b'id;group;score\na;b;0,2x\n', "row 1: column 'score': '0.2x' is not a"),
    (b'id;group;score\na;b;1,2,3\n', "row 1: column 'score': '1.2.3' is not"),
    (b'sep=;\nid,group,label\na,b,c\n', "found 'id,group,label'"),
    (b'id;group;label;fold\na;b;;1,5\n', "'1,5': expected a whole number"),
    (b'"id;group;label\na;b;c\n', 'missing|cannot be read|is not CSV'),
  ],
)
def test_what_is_no_table_has_one_line(copied, content, says):
  shutil.rmtree(copied / 'votes')
  shutil.rmtree(copied / 'features')
  for path in (copied / 'clips').iterdir():
    path.write_bytes(content)
  (copied / 'clips/1.csv').unlink()
  with pytest.raises(errors.InputError, match=says) as caught:
    _batches(sources.find(copied))
  (line,) = str(caught.value).splitlines()
  assert '0.csv' in line or 'has no rows' in line


def test_the_humans_alone_need_no_predictions(shards):
  corpus = corpus_lib.with_presence(corpus_lib.read(shards / 'whole'))
  batch = Batch(corpus)
  expected = study_lib.add_up(batch, plan_lib.of_batch(batch))
  source = sources.find(shards / 'corpus', num_clips=23)
  made.assert_same(_added_up(_batches(source))[0], expected)


def test_a_pattern_names_files(shards):
  source = sources.find(shards / 'corpus', f'{shards}/predictions/[01].*')
  assert [pathlib.Path(name).name for name in source.files] == [
    *('0.csv', '1.csv', '0.parquet', '1.parquet', '0.parquet', '1.parquet'),
    'audio.npz',
  ]
  with pytest.raises(errors.InputError, match=r'z\*: no such file'):
    sources.find(shards / 'corpus', f'{shards}/predictions/z*')
  (shards / 'empty').mkdir()
  with pytest.raises(errors.InputError, match='empty: holds no table'):
    sources.find(shards / 'corpus', shards / 'empty')


def test_spellings_of_an_id_share_a_bucket():
  names = ['Ann 1', ' ann 1', 'ANN 1\t', 'Zo\u00e9', 'zoe\u0301', '', 'b']
  found = sources.hashes(pa.array(names)).tolist()
  assert found[0] == found[1] == found[2]
  assert found[3] == found[4]
  assert len(set(found)) == 4
  # Wherever they lie.
  again = sources.hashes(pa.array(['x', *names]).slice(1)).tolist()
  assert again == found


def test_buckets_are_even():
  ids = pa.array([f'{i:08d}' for i in range(20_000)])
  bucket = sources.hashes(ids) % np.uint64(16)
  number = np.bincount(bucket.astype(int))
  # Five standard deviations of a fair draw.
  assert np.abs(number - 1250).max() < 5 * np.sqrt(1250)
  assert len(np.unique(sources.hashes(ids))) == 20_000


def test_sums_come_back_from_bytes(whole):
  totals, plan, clips = whole
  found = engine.unpacked(
    engine.packed(engine.Sum(plan.survey, totals, clips.first(), 'ä: wrong'))
  )
  assert found.fault == 'ä: wrong'
  _assert_same((found.totals, plan, found.clips), whole)
  assert found.survey.members == plan.survey.members
  assert engine.unpacked(engine.packed(engine.Sum())) == engine.Sum()


def test_what_does_not_go_together_is_a_fault(whole):
  survey = whole[1].survey
  other = dataclasses.replace(survey, info={**survey.info, 'name': 'other'})
  found = sum(
    [engine.Sum(survey), engine.Sum(other), engine.Sum(fault='zzz')],
    engine.Sum(),
  )
  assert found.fault.startswith("parts of one study: a corpus has name 'other'")


def _changed(folder, kind, column, row, value):
  """Writes the first file of a kind again, with another value."""
  path = sorted((folder / kind).iterdir())[0]
  if path.suffix == '.csv':
    table = pa_csv.read_csv(
      path, parse_options=pa_csv.ParseOptions(newlines_in_values=True)
    )
  else:
    table = pq.read_table(path)
  values = table[column].to_pylist()
  values[row] = value
  place = table.column_names.index(column)
  table = table.set_column(place, column, pa.array(values))
  if path.suffix == '.csv':
    pa_csv.write_csv(table, path)
  else:
    pq.write_table(table, path)


FAULTS = [
  (
    'predictions',
    'id',
    5,
    'nobody',
    r"0.parquet: row 6: column 'id': 'nobody'",
  ),
  ('predictions', 'prob_class0', 9, 2.0, r'0.parquet: row 10: .*sum to'),
  ('predictions', 'view', 3, 'smell', "row 4: column 'view': 'smell' is not"),
  (
    'votes',
    'id',
    7,
    'nobody',
    r"0.parquet: row 8: column 'id': 'nobody' is no",
  ),
  ('votes', 'label', 2, 'glad', r"row 3: column 'label': 'glad' is not one of"),
  ('votes', 'count', 2, 3, r"row 3: column 'annotator': .*more than one vote"),
  ('votes', 'count', 2, -1, r"row 3: column 'count': '-1': expected a whole"),
  ('clips', 'label', 0, 'glad', r"0.csv: row 1: column 'label': 'glad' is not"),
  ('clips', 'group', 0, ' ', r"0.csv: row 1: column 'group': is empty"),
]


@pytest.fixture(name='copied')
def _copied(shards, tmp_path):
  shutil.copytree(shards / 'corpus', tmp_path / 'corpus')
  shutil.copytree(shards / 'predictions', tmp_path / 'corpus/predictions')
  return tmp_path / 'corpus'


@pytest.mark.parametrize(('kind', 'column', 'row', 'value', 'says'), FAULTS)
def test_a_wrong_row_is_named(copied, kind, column, row, value, says):
  _changed(copied, kind, column, row, value)
  source = sources.find(copied, copied / 'predictions', 23)
  with pytest.raises(errors.InputError, match=says):
    _batches(source)


@pytest.mark.parametrize('kind', ['votes', 'predictions'])
def test_rows_of_no_clip_are_named_in_whatever_bucket(copied, kind):
  _changed(copied, kind, 'id', 1, 'nobody')
  # Most buckets are empty.
  source = sources.find(copied, copied / 'predictions', 0.1)
  with pytest.raises(errors.InputError, match=r"row 2: .*'nobody' is not a"):
    _batches(source)


def test_a_clip_in_two_files_is_refused(copied):
  path = copied / 'clips/0.csv'
  (copied / 'clips/2.csv').write_bytes(path.read_bytes())
  source = sources.find(copied, copied / 'predictions', 23)
  with pytest.raises(errors.InputError, match=r'2\.csv: row .*is there twice'):
    _batches(source)


def test_a_damaged_file_is_named(copied):
  path = copied / 'predictions/1.parquet'
  path.write_bytes(path.read_bytes()[:-20])
  with pytest.raises(errors.InputError, match=r'1\.parquet: cannot be read'):
    sources.find(copied, copied / 'predictions')
  table = pq.read_table(copied / 'predictions/0.parquet')
  pq.write_table(table.drop_columns(['seed']), path)
  with pytest.raises(errors.InputError, match=r"1\.parquet: .*column 'seed'"):
    sources.find(copied, copied / 'predictions')


def test_nothing_to_judge_is_told(copied):
  for path in (copied / 'clips').iterdir():
    path.write_text('id,group,label\n', encoding='utf-8')
  with pytest.raises(errors.InputError, match=r'0\.csv and the like have no'):
    sources.find(copied, copied / 'predictions')
  (copied / 'clips.csv').touch()
  with pytest.raises(errors.InputError, match='a folder clips; expected one'):
    sources.find(copied, copied / 'predictions')


def test_a_column_of_other_types_is_told(copied):
  path = copied / 'predictions/1.parquet'
  table = pq.read_table(path)
  place = table.column_names.index('seed')
  texts = table['seed'].cast(pa.string())
  pq.write_table(table.set_column(place, 'seed', texts), path)
  source = sources.find(copied, copied / 'predictions')
  with pytest.raises(errors.InputError, match='columns of different types'):
    _batches(source)


def _beam(shards, folder, *flags, num_clips=23):
  pytest.importorskip('apache_beam', reason='needs the extra beam')
  return engine.judge(
    shards / 'corpus', shards / 'predictions', folder, flags, num_clips
  )


def test_a_pipeline_finds_the_same(shards, whole, study, tmp_path):
  found = _beam(
    shards,
    tmp_path,
    '--direct_num_workers=2',
    '--direct_running_mode=multi_processing',
  )
  _assert_same(found, whole)
  _assert_same_study(study_lib.of_totals(*found), study)
  parts = [path.name for path in (tmp_path / 'signals').iterdir()]
  assert len(parts) > 5
  assert all(re.fullmatch(r'part-\d+-of-\d+\.parquet', one) for one in parts)
  table = pq.read_table(tmp_path / 'signals')
  expected = whole[2].signals
  assert table.column_names == list(expected)
  order = np.argsort(table['id'].to_numpy(zero_copy_only=False))
  np.testing.assert_allclose(
    table['votes_gs'].to_numpy()[order],
    expected['votes_gs'][np.argsort(expected['id'])],
    atol=1e-10,
  )


def test_a_pipeline_tells_what_is_wrong(copied, tmp_path):
  for number, (kind, *change, says) in enumerate(
    (FAULTS[0], ('clips', 'group', 0, 'n/a', "'group': 'n/a' is no name"))
  ):
    _changed(copied, kind, *change)
    folder = tmp_path / str(number)
    folder.mkdir()
    pytest.importorskip('apache_beam', reason='needs the extra beam')
    with pytest.raises(errors.InputError, match=says):
      engine.judge(copied, copied / 'predictions', folder, (), 23)


def test_a_runner_that_is_not_there_is_named(shards, tmp_path):
  with pytest.raises(errors.InputError, match=r'--beam: .*Nowhere'):
    _beam(shards, tmp_path, '--runner=NowhereRunner')
