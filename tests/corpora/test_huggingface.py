import json
import logging
import wave

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import sheets, unpacked
from empathy.corpora.importers import huggingface

_ROWS = [
  {
    'file_name': 'a.wav',
    'transcription': 'Well',
    'label': 'calm',
    'speaker': 's',
  },
  {
    'file_name': 'b.mp3',
    'transcription': 'No',
    'label': 'warm',
    'speaker': 't',
  },
  {'file_name': 'in/c.wav', 'transcription': '', 'label': '', 'speaker': 't'},
]


def touch(folder, *names):
  for name in names:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b'.')


def save(folder, kind, rows=None):
  rows = _ROWS if rows is None else rows
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / f'metadata.{kind}'
  if kind == 'parquet':
    pq.write_table(pa.Table.from_pylist(rows), path)
  elif kind == 'jsonl':
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  else:
    lines = [list(rows[0]), *(row.values() for row in rows)]
    path.write_text(''.join(','.join(line) + '\n' for line in lines))
  return path


@pytest.fixture
def source(tmp_path):
  path = tmp_path / 'data'
  touch(path, 'a.wav', 'b.mp3', 'in/c.wav')
  return path


@pytest.fixture
def said(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  return lambda: ' | '.join(caplog.messages)


@pytest.mark.parametrize('kind', ['csv', 'jsonl', 'parquet'])
def test_metadata_of_any_kind_is_the_same(source, kind):
  save(source, kind)
  corpus = huggingface.read(source)
  assert corpus.ids.tolist() == ['a', 'b', 'c']
  assert corpus.classes == ('calm', 'warm')
  assert corpus.labels.tolist() == [0, 1, -1]
  assert corpus.groups.tolist() == ['s', 't', 't']
  assert corpus.modalities == ('text', 'audio')
  assert corpus.metadata['transcript'].tolist() == ['Well', 'No', '']
  assert corpus.metadata['audio'].tolist() == [
    str(source / name) for name in ('a.wav', 'b.mp3', 'in/c.wav')
  ]
  assert corpus.split is None
  assert 'published_split' not in corpus.metadata


@pytest.mark.parametrize('kind', ['csv', 'jsonl', 'parquet'])
def test_folders_are_the_split(tmp_path, kind, said):
  source = tmp_path / 'data'
  for part in ('train', 'validation', 'test'):
    save(source / part, kind)
    touch(source / part, *(row['file_name'] for row in _ROWS))
  corpus = huggingface.read(source)
  assert corpus.ids.tolist()[:3] == ['test_a', 'test_b', 'test_in_c']
  assert corpus.split.tolist() == ['test'] * 3 + ['train'] * 3 + ['val'] * 3
  assert corpus.metadata['audio'][0] == str(source / 'test' / 'a.wav')
  # A fault names the file that it is in.
  (source / 'train' / 'b.mp3').unlink()
  place = 3 if kind == 'csv' else 2
  with pytest.raises(errors.InputError) as caught:
    huggingface.read(source)
  assert str(caught.value).startswith(
    f"{source / 'train' / f'metadata.{kind}'}:{place}: column 'file': "
  )
  for path in (source / 'test').glob('m*'):
    path.unlink()
  touch(source / 'train', 'b.mp3')
  corpus = huggingface.read(source)
  assert corpus.split is None
  assert (
    corpus.metadata['published_split'].tolist() == ['train'] * 3 + ['val'] * 3
  )
  assert 'has the parts train, val; a split needs train, val and te' in said()


def test_folders_are_the_classes(tmp_path):
  source = tmp_path / 'data'
  for part in ('train', 'dev', 'test'):
    touch(source / part, 'calm/1.mp4', 'warm/1.mp4', 'warm/._1.mp4')
  corpus = huggingface.read(source)
  assert corpus.ids.tolist()[:2] == ['dev_calm_1', 'dev_warm_1']
  assert corpus.labels.tolist() == [0, 1] * 3
  assert corpus.split.tolist() == ['val'] * 2 + ['test'] * 2 + ['train'] * 2
  assert corpus.modalities == ('audio', 'video')


def classes(table, **names):
  features = {
    name: {'names': list(its), '_type': 'ClassLabel'}
    for name, its in names.items()
  }
  told = json.dumps({'info': {'features': features}})
  return table.replace_schema_metadata({'huggingface': told})


def test_parquet_of_words_and_named_classes(tmp_path):
  path = tmp_path / 'data' / 'train-00000-of-00001.parquet'
  path.parent.mkdir()
  table = pa.table({'text': ['Well', 'No', 'Hm'], 'label': [1, 0, -1]})
  pq.write_table(classes(table, label=('calm', 'warm')), path)
  for source in (path, tmp_path):
    corpus = huggingface.read(source)
    assert corpus.ids.tolist() == [
      f'train-00000-of-00001_{i}' for i in (1, 2, 3)
    ]
    assert np.array([*corpus.classes, ''])[corpus.labels].tolist() == [
      'warm', 'calm', ''
    ]  # fmt: skip
    assert corpus.modalities == ('text',)


def test_columns_are_told(source):
  rows = [
    {'file_name': 'a.wav', 'Empathy': '2', 'distress': '1.5', 'who': 's'},
    {'file_name': 'b.mp3', 'Empathy': '3', 'distress': '2', 'who': 't'},
    {'file_name': 'in/c.wav', 'Empathy': '2', 'distress': '7', 'who': 't'},
  ]
  save(source, 'csv', rows)
  corpora = huggingface.read(
    source,
    sheets.told(['label=empathy|distress', 'group=who']),
    {'distress': (1.0, 7.0)},
  )
  assert list(corpora) == ['Empathy', 'distress']
  assert corpora['Empathy'].classes == ('2', '3')
  assert corpora['distress'].scores.tolist() == [1.5, 2, 7]
  assert corpora['distress'].groups.tolist() == ['s', 't', 't']


def _rows(place, **changes):
  return [row | changes if i == place else row for i, row in enumerate(_ROWS)]


_MUTATIONS = {
  'no file': (
    _rows(1, file_name='gone.wav'),
    "'file': 'gone.wav': there is no",
  ),
  'an absolute file': (_rows(1, file_name='/gone.wav'), 'there is no file'),
  'a folder for a file': (_rows(1, file_name='in'), 'there is no file'),
  'a file twice': (_rows(1, file_name='a.wav'), "'a' is there already"),
  'no file name': (_rows(1, file_name=''), "'file': is empty; expected what"),
  'a speaker is missing': (_rows(1, speaker=''), "column 'speaker': is empty"),
  'one class': (
    [row | {'label': 'calm'} for row in _ROWS],
    'two or more labels',
  ),
  'no labels': ([row | {'label': ''} for row in _ROWS], 'two or more labels'),
  'a start of no kind': (
    [r | {'start': 'soon'} for r in _ROWS],
    'is not a time',
  ),
  'an end before the start': (
    [r | {'start': '2', 'end': '1'} for r in _ROWS],
    '1 is not after the start, 2',
  ),
  'a split of no kind': (
    [r | {'split': 'x'} for r in _ROWS],
    "'x' is not one of",
  ),
  'a fold of no kind': (
    [r | {'fold': 'x'} for r in _ROWS],
    "'x' is not a fold",
  ),
  'a fold too far': (
    [r | {'fold': '3'} for r in _ROWS],
    'no clip is in fold 0',
  ),
  'words among fractions': (
    [
      r | {'label': label}
      for r, label in zip(_ROWS, ('1.5', 'a', 'b'), strict=True)
    ],
    'expected classes, or plain numbers',
  ),
  'no label': (
    [{k: v for k, v in r.items() if k != 'label'} for r in _ROWS],
    "column 'label' is missing, and there are no votes",
  ),
  'no rows': ([], 'has no rows'),
}


@pytest.mark.parametrize('kind', ['jsonl', 'parquet'])
@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(source, kind, name):
  rows, message = _MUTATIONS[name]
  path = source / f'metadata.{kind}'
  if rows or kind == 'jsonl':
    save(source, kind, rows)
  else:
    pq.write_table(pa.table({'file_name': pa.array([], pa.string())}), path)
  with pytest.raises(errors.InputError) as caught:
    huggingface.read(source)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(path))
  assert message in line


def _cut(path):
  path.write_bytes(path.read_bytes()[:-20])


def _sound(path):
  rows = [{'audio': {'bytes': b'RIFF', 'path': 'x.wav'}, 'label': 'a'}]
  pq.write_table(pa.Table.from_pylist(rows), path)


def _class(number):
  def damage(path):
    table = pa.table({'text': ['a', 'b'], 'label': [0, number]})
    pq.write_table(classes(table, label=('x', 'y')), path)

  return damage


def _told(text):
  def damage(path):
    table = pa.table({'text': ['a', 'b'], 'label': [0, 1]})
    pq.write_table(table.replace_schema_metadata({'huggingface': text}), path)

  return damage


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (_cut, 'is not a whole Parquet file'),
    (lambda path: path.write_bytes(b''), 'is not a whole Parquet file'),
    (
      lambda path: path.write_text('file_name,label\n'),
      'is not a whole Parquet',
    ),
    (_sound, ":1: column 'audio': holds media: read"),
    (
      _class(2),
      ":2: column 'label': '2' is not the number of one of 2 classes",
    ),
    (_class(-2), ":2: column 'label': '-2' is not the number of one of 2"),
    (_told('{'), 'is not as the library datasets writes it'),
    (_told('[]'), 'is not as the library datasets writes it'),
    (
      _told('{"info": {"features": {"label": {"_type": "ClassLabel"}}}}'),
      'is not as the library datasets writes it',
    ),
  ],
)
def test_one_fault_of_parquet_has_one_line(source, damage, message):
  path = save(source, 'parquet')
  damage(path)
  with pytest.raises(errors.InputError) as caught:
    huggingface.read(source)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(path))
  assert message in line


_SAMPLES = np.array([0, 8000, -8000, 32767, -32768])
_WAV = unpacked.wav(_SAMPLES, 16000)


def _inside(path, values, **columns):
  """A Parquet file with media, such as `datasets` writes."""
  path.parent.mkdir(parents=True, exist_ok=True)
  size = len(values)
  columns = {'audio': values, 'label': (['a', 'b'] * size)[:size]} | columns
  pq.write_table(pa.table(columns), path)


def _heard(path):
  with wave.open(str(path)) as file:
    data = file.readframes(file.getnframes())
    assert file.getsampwidth() == 2
    return file.getframerate(), np.frombuffer(data, '<i2').tolist()


@pytest.mark.parametrize(
  'value',
  [
    {'bytes': _WAV, 'path': '{}.wav'},
    {'path': '{}.wav', 'array': (_SAMPLES / 32768), 'sampling_rate': 16000},
    _WAV,
  ],
)
def test_sound_within_parquet_becomes_files(tmp_path, value):
  def of(name):
    if isinstance(value, bytes):
      return value
    return value | {'path': value['path'].format(name)}

  for part in ('train', 'validation', 'test'):
    path = tmp_path / f'data/{part}-00000-of-00001.parquet'
    _inside(path, [of(f'{part}{i}') for i in range(18)])
  corpus = huggingface.read(tmp_path / 'data', media=tmp_path / 'media')
  assert corpus.modalities == ('audio',)
  assert (corpus.split == 'val').sum() == 18
  names = [f'{part}{i}' for part in ('test', 'train') for i in range(18)]
  if isinstance(value, bytes):
    names = [f'test-00000-of-00001_{i + 1}' for i in range(18)]
  assert corpus.ids.tolist()[: len(names)] == names
  assert corpus.metadata['audio'].tolist()[: len(names)] == [
    str(tmp_path / f'media/{name}.wav') for name in names
  ]
  for path in corpus.metadata['audio']:
    assert _heard(path) == (16000, _SAMPLES.tolist())
  # Not the folder that the files are in for a moment.
  assert corpus.groups.tolist() == corpus.ids.tolist()


def test_files_of_one_name_in_several_parts_are_told_apart(tmp_path):
  for part in ('train', 'test'):
    path = tmp_path / f'data/{part}-00000-of-00001.parquet'
    _inside(path, [{'bytes': _WAV, 'path': f'{i}.wav'} for i in range(2)])
  corpus = huggingface.read(tmp_path, media=tmp_path / 'media')
  assert corpus.ids.tolist() == ['test_0', 'test_1', 'train_0', 'train_1']
  assert corpus.split is None
  assert corpus.metadata['published_split'].tolist() == [
    'test', 'test', 'train', 'train'
  ]  # fmt: skip


def test_media_may_be_told_missing_or_beside(tmp_path, said):
  path = tmp_path / 'data/x.parquet'
  touch(path.parent, 'c.wav')
  values = [
    {'bytes': _WAV, 'path': None},
    {'bytes': None, 'path': 'c.wav'},
    {'bytes': None, 'path': None},
    None,
  ]
  _inside(
    path,
    [{'bytes': b'JPEG', 'path': None}] * 4,
    talk=values,
    utt=['1/2', '1:2', 'e', 'f'],
    vector=[[1.0, 2.0]] * 4,
    part=['dev', 'train', 'test', 'train'],
  )
  told = sheets.told(
    ['file=talk', 'item=utt', 'split=part'], huggingface.COLUMNS
  )
  corpus = huggingface.read(path, told, media=tmp_path / 'media')
  assert corpus.metadata['audio'].tolist() == [
    str(tmp_path / 'media/1_2.wav'), str(path.parent / 'c.wav'), '', ''
  ]  # fmt: skip
  assert corpus.split.tolist() == ['val', 'train', 'test', 'train']
  assert 'left out: audio, which may hold media' in said()
  assert 'left out, as neither texts, numbers nor media: vector' in said()


_IN = {'bytes': _WAV, 'path': 'x.wav'}
_BROKEN = {
  'text': {'bytes': b'hello', 'path': 'x.wav'},
  'a picture': {'bytes': b'\x89PNG\r\n\x1a\n', 'path': 'x.png'},
  'a photograph': {'bytes': b'\xff\xd8\xff\xe0', 'path': 'x.jpg'},
  'UTF-16': {'bytes': 'hello'.encode('utf-16'), 'path': 'x.wav'},
  'a page': {'bytes': b'<html>', 'path': 'x.wav'},
  'a pickle': {'bytes': b'\x80\x04\x95', 'path': 'x.wav'},
  'zeros': {'bytes': bytes(99), 'path': 'x.wav'},
  'an archive': {'bytes': b'PK\x03\x04', 'path': 'x.wav'},
  'RIFF alone': {'bytes': b'RIFF', 'path': 'x.wav'},
  'RIFF of another kind': {'bytes': b'RIFF\0\0\0\0WEBP', 'path': 'x.wav'},
  'the start of FLAC': {'bytes': b'fLa', 'path': 'x.flac'},
  'nothing': {'bytes': b'', 'path': 'x.wav'},
  'a file that is gone': {'bytes': None, 'path': 'gone.wav'},
  'a folder': {'bytes': None, 'path': '.'},
  'a file above that is gone': {'bytes': None, 'path': '../gone.wav'},
}
_ARRAYS = {
  'no samples': ([], 16000, 'has no samples'),
  'no number': ([0.0, float('nan')], 16000, 'that are no numbers'),
  'infinity': ([0.0, float('inf')], 16000, 'that are no numbers'),
  'no rate': ([0.5], None, 'no sound with a sampling rate'),
  'a rate of 0': ([0.5], 0, 'a sampling rate of 0'),
  'a rate below': ([0.5], -1, 'a sampling rate of -1'),
  'a rate beyond': ([0.5], 2**40, 'a sampling rate of 1099511627776'),
}
_COLUMNS = {
  'a label that is media': (['label=audio'], 'holds files, not texts'),
  'no such column': (['audio=voice'], "column 'voice', which --columns"),
  'an annotator': (['annotator=label'], 'NAME once of item, label, group'),
  'words for media': (['audio=label'], "column 'label' is missing"),
}


@pytest.mark.parametrize('name', [*_BROKEN, *_ARRAYS, *_COLUMNS])
def test_one_fault_of_media_has_one_line(tmp_path, name):
  path, place, told = tmp_path / 'data/x.parquet', ":2: column 'audio'", []
  if name in _BROKEN:
    _inside(path, [_IN, _BROKEN[name], _IN | {'path': 'y.wav'}, _BROKEN[name]])
    says = '(2 times: rows 2, 4)'
  elif name in _ARRAYS:
    array, rate, says = _ARRAYS[name]
    made = [([0.5], 16000), (array, rate)]
    _inside(path, [{'array': a, 'sampling_rate': r} for a, r in made])
  else:
    _inside(path, [_IN, _IN])
    told, says = _COLUMNS[name]
    place = ''
  with pytest.raises(errors.InputError) as caught:
    huggingface.read(
      tmp_path / 'data',
      sheets.told(told, huggingface.COLUMNS),
      media=tmp_path / 'media',
    )
  (line,) = str(caught.value).splitlines()
  assert line.startswith('--columns' if 'annotator' in name else str(path))
  assert place in line
  assert says in line


def test_the_binary_writes_nothing_of_bad_media(server, tmp_path):
  path = tmp_path / 'x.parquet'
  flags = ('--importer=huggingface', '--source=x.parquet', '--output=c')
  texts = {'text': ['a\0b', 'c'], 'label': ['x', 'y']}
  pq.write_table(pa.table(texts), path)
  done = server.run('prepare', *flags, cwd=tmp_path)
  assert done.status == 2
  says = "clips.csv: row 1: column 'transcript': 'a\\x00b' has a zero byte"
  assert f'error: {says}' in done.err
  assert [path.name for path in tmp_path.iterdir()] == ['x.parquet']
  _inside(path, [_IN, _BROKEN['text']])
  done = server.run('prepare', *flags, cwd=tmp_path)
  assert done.status == 2
  assert done.err.count('\n') == 1
  assert [path.name for path in tmp_path.iterdir()] == ['x.parquet']
  _inside(path, [_IN, _IN | {'path': 'A B.wav'}])
  assert server.run('prepare', *flags, cwd=tmp_path).status == 0
  corpus = corpus_lib.read(tmp_path / 'c')
  names = ['media/x.wav', 'media/A_B.wav']
  assert corpus.metadata['audio'].tolist() == names
  assert (tmp_path / 'c' / names[1]).read_bytes() == _WAV


def test_the_binary_writes_nothing_of_a_bad_folder(server, tmp_path):
  (tmp_path / 'x').mkdir()
  flags = ('--importer=huggingface', '--source=x', '--output=c')
  done = server.run('prepare', *flags, cwd=tmp_path)
  assert done.status == 2
  assert done.err.startswith('error: x: holds no metadata.csv, .jsonl or')
  assert done.err.count('\n') == 1
  assert [path.name for path in tmp_path.iterdir()] == ['x']
  touch(tmp_path / 'x', 'a.wav', 'b.mp3', 'in/c.wav')
  save(tmp_path / 'x', 'csv')
  assert server.run('prepare', *flags, cwd=tmp_path).status == 0
  corpus = corpus_lib.read(tmp_path / 'c')
  assert corpus.metadata['audio'][0] == '../x/a.wav'
