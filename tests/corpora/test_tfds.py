"""Data sets as TensorFlow Datasets prepares them, read without TensorFlow."""

import dataclasses
import json
import pathlib
import struct
import wave

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.proto import tf_example_pb2

from empathy import errors
from empathy.corpora import builder, sheets, simulate, splits, unpacked
from empathy.corpora import corpus as corpora
from empathy.corpora.importers import tfds as importer

_TYPES = ('train', 'validation', 'test')


class Talks(tfds.core.GeneratorBasedBuilder):
  """A few talks."""

  VERSION = tfds.core.Version('1.0.0')
  pkg_dir_path = pathlib.Path(__file__).parent

  def _info(self):
    features = {
      'utterance_id': tfds.features.Text(),
      'speaker': tfds.features.Text(),
      'emotion': tfds.features.ClassLabel(names=['calm', 'sad']),
      'said': {'text': tfds.features.Text()},
      'audio_embedding': tfds.features.Tensor(
        shape=(None, 3), dtype=np.float32
      ),
      'video_embedding': tfds.features.Tensor(
        shape=(2,),
        dtype=np.float64,
        encoding=tfds.features.Encoding.BYTES,
      ),
      'age': np.int32,
      'mask': tfds.features.Tensor(shape=(4,), dtype=np.int64),
    }
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(features)
    )

  def _split_generators(self, dl_manager):
    return {name: self._generate_examples(name) for name in _TYPES}

  def _generate_examples(self, split):
    for i in range(4):
      yield f'{split}{i}', _talk(split, i)


def _talk(split, i):
  return {
    'utterance_id': f'{split}_{i}',
    'speaker': f'{split}{i % 2}',
    'emotion': i % 2,
    'said': {'text': f'word {i}'},
    'audio_embedding': np.arange(3 * (i + 1), dtype=np.float32).reshape(-1, 3),
    'video_embedding': np.array([i, 0.1]),
    'age': 30 + i,
    'mask': np.arange(4),
  }


@pytest.fixture(name='source')
def _source(tmp_path):
  Talks(data_dir=str(tmp_path), file_format='array_record')
  made = Talks(data_dir=str(tmp_path), file_format='array_record')
  made.download_and_prepare()
  return tmp_path / 'talks' / '1.0.0'


def _as_tfrecord(source):
  """The same, in the files that TensorFlow Datasets writes by default."""
  info = json.loads((source / 'dataset_info.json').read_text())
  info['fileFormat'] = 'tfrecord'
  (source / 'dataset_info.json').write_text(json.dumps(info))
  for path in list(source.glob('*.array_record-*')):
    new = path.with_name(path.name.replace('array_record', 'tfrecord'))
    with new.open('wb') as file:
      for record in importer._array_records(path):
        head = struct.pack('<Q', len(record))
        file.write(head + bytes(4) + record + bytes(4))
    path.unlink()


@pytest.mark.parametrize('as_tfrecord', [False, True])
def test_every_example_is_a_clip(source, as_tfrecord, caplog):
  if as_tfrecord:
    _as_tfrecord(source)
  corpus = importer.read(source)
  assert 'mask' in caplog.text
  assert corpus.classes == ('calm', 'sad')
  assert corpus.info['modalities'] == ['text', 'audio', 'video']
  place = {name: row for row, name in enumerate(corpus.ids.tolist())}
  assert len(place) == 12
  audio, video = corpus.features['audio'], corpus.features['video']
  rows = np.split(audio.values, np.cumsum(audio.length)[:-1])
  for split in _TYPES:
    for i in range(4):
      talk, row = _talk(split, i), place[f'{split}_{i}']
      assert corpus.split[row] == {'validation': 'val'}.get(split, split)
      assert corpus.labels[row] == i % 2
      assert corpus.groups[row] == talk['speaker']
      assert corpus.metadata['transcript'][row] == f'word {i}'
      assert corpus.metadata['age'][row] == str(30 + i)
      np.testing.assert_array_equal(rows[row], talk['audio_embedding'])
      np.testing.assert_allclose(video.values[row], talk['video_embedding'])


@pytest.mark.parametrize('as_split', [False, True])
def test_what_the_builder_writes_comes_back(tmp_path, as_split):
  parameters = simulate.Parameters(num_clips=20, num_groups=4, width=3)
  corpus, _ = simulate.simulate(parameters, seed=0)
  fold = splits.group_folds(corpus.groups, corpus.labels, 2, 0)
  if as_split:
    split = np.resize(corpora.SPLITS, 20)
    corpus = dataclasses.replace(corpus, split=split)
  else:
    corpus = dataclasses.replace(corpus, fold=fold)
  made = builder.EmpathyCorpus(corpus=corpus, data_dir=str(tmp_path))
  made.download_and_prepare()
  found = importer.read(tmp_path / 'empathy_corpus' / '1.0.0')
  order = np.argsort(found.ids)
  assert found.ids[order].tolist() == sorted(corpus.ids.tolist())
  assert found.classes == corpus.classes
  same = np.argsort(corpus.ids)
  assert (found.fold is None) == as_split
  for name in ('labels', 'groups', 'split' if as_split else 'fold'):
    own, other = getattr(found, name)[order], getattr(corpus, name)[same]
    np.testing.assert_array_equal(own, other)
  for modality, features in corpus.features.items():
    np.testing.assert_array_equal(
      found.features[modality].values[order], features.values[same]
    )


def _cut(source):
  path = next(source.glob('*train*'))
  path.write_bytes(path.read_bytes()[:-9])


def _other_features(source):
  (source / 'features.json').write_text('{"featuresDict": 3}')


def _other_format(source):
  text = (source / 'dataset_info.json').read_text()
  text = text.replace('array_record"', 'riegeli"')
  (source / 'dataset_info.json').write_text(text)


def _no_example(source):
  _as_tfrecord(source)
  path = next(source.glob('*train*'))
  record = tf_example_pb2.Example()
  record.features.feature['emotion'].int64_list.value.extend([1, 1])
  record = record.SerializeToString()
  head = struct.pack('<Q', len(record))
  path.write_bytes((head + bytes(4) + record + bytes(4)) * 4)


@pytest.mark.parametrize(
  ('damage', 'says'),
  [
    (_cut, 'is not a whole file of records'),
    (lambda s: (_as_tfrecord(s), _cut(s)), 'cut off'),
    (lambda s: next(s.glob('*test*')).unlink(), 'is missing'),
    (_other_features, 'as TensorFlow Datasets writes it'),
    (lambda s: (s / 'features.json').unlink(), 'features.json'),
    (lambda s: (s / 'dataset_info.json').write_text('{}'), 'dataset_info.json'),
    (_other_format, "'riegeli'"),
    (_no_example, 'is not an example'),
  ],
)
def test_what_is_wrong_is_told(source, damage, says):
  damage(source)
  with pytest.raises(errors.InputError, match=says):
    importer.read(source)


def test_the_folder_of_a_version_is_asked_for(source):
  says = f'expected the folder of one version .*, such as {source}$'
  for above in (source.parent, source.parent.parent):
    with pytest.raises(errors.InputError, match=says):
      importer.read(above)


def test_columns_are_asked_for(source):
  with pytest.raises(errors.InputError, match='which --columns names'):
    importer.read(source, {'label': ['mood']})
  both = importer.read(source, {'label': ['emotion', 'age']})
  assert {*both} == {'emotion', 'age'}
  assert isinstance(both['age'], corpora.Corpus)
  assert both['age'].values.tolist() == [30, 31, 32, 33]


# What plain TensorFlow Datasets writes needs TensorFlow for sound, so these
# records are made by hand.

_SOUND = {
  'shape': {'dimensions': ['-1']},
  'dtype': 'int64',
  'encoding': 'none',
}
_FLOATS = {'shape': {}, 'dtype': 'float32', 'encoding': 'none'}
_STRING = {'tensor': {'shape': {}, 'dtype': 'string', 'encoding': 'none'}}
_SAMPLES = [0, 8000, -8000, 32767, -32768]


def _write(folder, kinds, rows, split='train'):
  """A data set of one split, as TensorFlow Datasets lays it out."""
  folder.mkdir(parents=True, exist_ok=True)
  told = {'featuresDict': {'features': kinds}}
  (folder / 'features.json').write_text(json.dumps(told))
  told = {
    'name': 'sounds',
    'fileFormat': 'array_record',
    'splits': [{'name': split, 'shardLengths': [str(len(rows))]}],
  }
  (folder / 'dataset_info.json').write_text(json.dumps(told))
  path = folder / f'sounds-{split}.array_record-00000-of-00001'
  writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
  for row in rows:
    example = tf_example_pb2.Example()
    for name, value in row.items():
      feature = example.features.feature[name]
      value = value if isinstance(value, list) else [value]
      if not value:
        feature.int64_list.value.extend(value)
      elif isinstance(value[0], float):
        feature.float_list.value.extend(value)
      elif isinstance(value[0], int):
        feature.int64_list.value.extend(value)
      else:
        feature.bytes_list.value.extend(
          one.encode() if isinstance(one, str) else one for one in value
        )
    writer.write(example.SerializeToString())
  writer.close()
  return folder


def _of_sound(folder, told, values, **more):
  kinds = {'id': {'text': {}}, 'label': {'text': {}}, 'audio': told}
  kinds |= {name: kind for name, (kind, _) in more.items()}
  rows = [
    {'id': f'a/{i}', 'label': 'xy'[i % 2], 'audio': value}
    | {name: value for name, (_, value) in more.items()}
    for i, value in enumerate(values)
  ]
  return _write(folder, kinds, rows)


def _heard(path):
  with wave.open(str(path)) as file:
    data = file.readframes(file.getnframes())
    assert file.getsampwidth() == 2
    return file.getframerate(), np.frombuffer(data, '<i2').tolist()


@pytest.mark.parametrize(
  ('told', 'value', 'more'),
  [
    ({'audio': _SOUND | {'sampleRate': '16000'}}, _SAMPLES, {}),
    (
      {'audio': _SOUND | {'lazyDecode': True, 'fileFormat': 'wav'}},
      unpacked.wav(np.array(_SAMPLES), 16000),
      {},
    ),
    (
      {'sequence': {'feature': {'tensor': _FLOATS}, 'length': '-1'}},
      [n / 32768 for n in _SAMPLES],
      {'sampling_rate': ({'tensor': _FLOATS | {'dtype': 'int32'}}, 16000)},
    ),
    (
      {'tensor': _FLOATS | {'shape': {'dimensions': ['-1']}}},
      [float(n) for n in _SAMPLES],
      {'sample_rate': ({'tensor': _FLOATS}, 16000.0)},
    ),
  ],
)
def test_sound_becomes_files(tmp_path, told, value, more):
  source = _of_sound(tmp_path / 's/1.0.0', told, [value] * 3, **more)
  corpus = importer.read(source, media=tmp_path / 'media')
  assert corpus.modalities == ('audio',)
  paths = corpus.metadata['audio'].tolist()
  assert paths == [str(tmp_path / f'media/a_{i}.wav') for i in range(3)]
  for path in paths:
    assert _heard(path) == (16000, _SAMPLES)


def test_the_binary_moves_sound_into_the_corpus(server, tmp_path):
  told = {'audio': _SOUND | {'sampleRate': '8000'}}
  _of_sound(tmp_path / 's/1.0.0', told, [_SAMPLES] * 3)
  flags = ('--importer=tfds', '--source=s/1.0.0', '--output=new/media')
  done = server.run('prepare', *flags, cwd=tmp_path)
  assert done.status == 0, done
  assert [path.name for path in (tmp_path / 'new').iterdir()] == ['media']
  corpus = corpora.read(tmp_path / 'new/media')
  names = [f'media/a_{i}.wav' for i in range(3)]
  assert corpus.metadata['audio'].tolist() == names
  for name in names:
    assert _heard(tmp_path / 'new/media' / name) == (8000, _SAMPLES)
  # What is wrong leaves nothing behind, not the folder above either.
  _of_sound(tmp_path / 's/1.0.0', told, [_SAMPLES, [], _SAMPLES])
  (tmp_path / 's/1.0.0/dataset_info.json').write_text('{}')
  done = server.run('prepare', *flags[:2], '--output=b/c', cwd=tmp_path)
  assert done.status == 2
  assert not (tmp_path / 'b').exists()


_LAZY = {'audio': _SOUND | {'lazyDecode': True}}
_PLAIN = {'audio': _SOUND | {'sampleRate': '16000'}}
_FILE = unpacked.wav(np.array(_SAMPLES), 16000)


def _path(source):
  return next(source.glob('*record*'))


def _edit(file, old, new):
  def damage(source):
    path = source / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))

  return damage


def _bytes(edit):
  def damage(source):
    path = _path(source)
    path.write_bytes(edit(path.read_bytes()))

  return damage


# By name: the feature, its values, what else is damaged, and what is said.
_MUTATIONS = {
  'text for sound': (_LAZY, [_FILE, b'hello'], None, 'neither sound nor film'),
  'a picture': (_LAZY, [_FILE, b'\x89PNG\r\n'], None, 'neither sound nor film'),
  'zeros': (_LAZY, [_FILE, bytes(50)], None, 'neither sound nor film'),
  'two files': (_LAZY, [_FILE, [_FILE, _FILE]], None, "'audio' is another"),
  'a number': (_LAZY, [_FILE, 3], None, "'audio' is another"),
  'floats for a file': (_LAZY, [_FILE, [0.5]], None, "'audio' is another"),
  'a file for samples': (_PLAIN, [_SAMPLES, _FILE], None, "'audio' is another"),
  'beyond 32 bits': (_PLAIN, [_SAMPLES, [2**40]], None, 'more than 32 bits'),
  'a rate of 0': (
    {'audio': _SOUND | {'sampleRate': '0'}},
    [_SAMPLES] * 2,
    None,
    'holds neither a transcript, media nor arrays',
  ),
  'a rate that is none': (
    {'audio': _SOUND | {'sampleRate': 'fast'}},
    [_SAMPLES] * 2,
    None,
    'is not as TensorFlow Datasets writes it',
  ),
  'a rate below': (
    {'audio': _SOUND | {'sampleRate': '-5'}},
    [_SAMPLES] * 2,
    None,
    "'audio' has a sampling rate of -5 (2 times: records a/0, a/1)",
  ),
  'odd channels': (
    {'audio': _PLAIN['audio'] | {'shape': {'dimensions': ['-1', '2']}}},
    [_SAMPLES] * 2,
    None,
    "'audio' is another",
  ),
  'too many channels': (
    {'audio': _PLAIN['audio'] | {'shape': {'dimensions': ['-1', '70']}}},
    [list(range(70))] * 2,
    None,
    'has samples of 70 channels',
  ),
  'a dtype of no kind': (
    {'audio': _PLAIN['audio'] | {'dtype': 'int65'}},
    [_SAMPLES] * 2,
    None,
    'is not as TensorFlow Datasets writes it',
  ),
  'bytes of another size': (
    {'audio': _PLAIN['audio'] | {'encoding': 'bytes'}},
    [b'12345678', b'123'],
    None,
    "'audio' is another",
  ),
  'zlib that is none': (
    {'audio': _PLAIN['audio'] | {'encoding': 'zlib'}},
    [b'12345678'] * 2,
    None,
    "'audio' is another",
  ),
  'sound that is told to be text': (
    {'text': {}},
    [_FILE] * 2,
    None,
    "'audio' holds sound or film, not text: say --columns=file=audio",
  ),
  'bytes that are no text': (
    {'text': {}},
    [b'\xff\xfe'] * 2,
    None,
    "'audio' is another",
  ),
  'a list': (
    _LAZY,
    [_FILE] * 2,
    lambda s: (s / 'features.json').write_text('[]'),
    'names no texts',
  ),
  'no features': (
    _LAZY,
    [_FILE] * 2,
    lambda s: (s / 'features.json').write_text(
      '{"featuresDict": {"features": {}}}'
    ),
    'names no texts',
  ),
  'no JSON': (
    _LAZY,
    [_FILE] * 2,
    _edit('features.json', '{', '['),
    'is not JSON',
  ),
  'a shard more': (
    _LAZY,
    [_FILE] * 2,
    _edit('dataset_info.json', '"2"', '"2", "1"'),
    'is missing',
  ),
  'a record less': (
    _LAZY,
    [_FILE] * 2,
    _edit('dataset_info.json', '"2"', '"3"'),
    'has 2 records, not 3',
  ),
  'a record more': (
    _LAZY,
    [_FILE] * 2,
    _edit('dataset_info.json', '"2"', '"1"'),
    'has 2 records, not 1',
  ),
  'no number of records': (
    _LAZY,
    [_FILE] * 2,
    _edit('dataset_info.json', '"2"', '"two"'),
    'is not as TensorFlow Datasets writes it',
  ),
  'cut off': (_LAZY, [_FILE] * 2, _bytes(lambda b: b[:-20]), 'is not a whole'),
  'empty': (_LAZY, [_FILE] * 2, _bytes(lambda b: b''), 'is not a whole'),
  'a byte is another': (
    _LAZY,
    [_FILE] * 2,
    _bytes(lambda b: b.replace(b'RIFF', b'RIFX')),
    'is not a whole file of records',
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  told, values, damage, says = _MUTATIONS[name]
  source = _of_sound(tmp_path / 's/1.0.0', told, values)
  if damage:
    damage(source)
  with pytest.raises(errors.InputError) as caught:
    importer.read(source, media=tmp_path / 'media')
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(source))
  assert says in line


def test_features_may_be_told(tmp_path):
  kinds = {
    'name': {'text': {}},
    'mood': {'text': {}},
    'part': {'text': {}},
    'who': {'tensor': {'shape': {}, 'dtype': 'int64', 'encoding': 'none'}},
    'film': _STRING,
    'words': _STRING,
    'x': {'tensor': _FLOATS | {'shape': {'dimensions': ['2']}}},
    'text_embedding': {
      'sequence': {
        'feature': {'tensor': _FLOATS | {'shape': {'dimensions': ['2']}}},
        'length': '-1',
      }
    },
  }
  (tmp_path / 's/1.0.0').mkdir(parents=True)
  (tmp_path / 's/1.0.0/2.mp4').write_bytes(b'.')
  rows = [
    {
      'name': f'c{i}',
      'mood': 'xy'[i % 2],
      'part': ('train', 'dev', 'test')[i],
      'who': 12345678901 + i,
      'film': b'2.mp4' if i == 2 else _FILE,
      'words': f'word {i}',
      'x': [float(i), 0.5],
      'text_embedding': [0.5] * 2 * i,
    }
    for i in range(3)
  ]
  source = _write(tmp_path / 's/1.0.0', kinds, rows, 'all')
  told = [
    *('id=name', 'label=mood', 'split=part', 'group=who', 'file=film'),
    *('transcript=words', 'video=x'),
  ]
  corpus = importer.read(
    source, sheets.told(told, importer.COLUMNS), media=tmp_path / 'media'
  )
  assert corpus.ids.tolist() == ['c0', 'c1', 'c2']
  assert corpus.groups.tolist() == ['12345678901', '12345678902', '12345678903']
  assert corpus.split.tolist() == ['train', 'val', 'test']
  assert corpus.modalities == ('text', 'audio', 'video')
  assert corpus.metadata['transcript'].tolist() == [
    f'word {i}' for i in range(3)
  ]
  assert corpus.metadata['audio'].tolist() == [
    *(str(tmp_path / f'media/c{i}.wav') for i in range(2)),
    str(source / '2.mp4'),
  ]
  assert corpus.metadata['video'].tolist() == ['', '', str(source / '2.mp4')]
  np.testing.assert_array_equal(
    corpus.features['video'].values, [[0, 0.5], [1, 0.5], [2, 0.5]]
  )
  assert corpus.features['text'].length.tolist() == [1, 2]
  for wrong, says in (
    ('audio=who2', 'is neither a file nor sound nor an array of floats'),
    ('label=x', 'is no text or number'),
    ('file=x', 'is neither a file nor sound; found'),
  ):
    with pytest.raises(errors.InputError, match=says):
      importer.read(source, sheets.told([wrong], importer.COLUMNS))


@pytest.mark.parametrize(
  ('change', 'says'),
  [
    ({'id': ''}, ': clip 2 has no id (2 times: clips 2, 3)'),
    ({'speaker': ''}, ': clip 2 has no group (2 times: clips 2, 3)'),
    ({'speaker': 'N/A'}, ": clip 2 has no group, but 'N/A' (2 times: cl"),
    ({'text': 'a\0b'}, "record 1: 'text' has a zero byte; expected text (2 t"),
    (
      {'x_audio': [float('nan'), 1.0]},
      "record 1: 'x_audio' has a number that is not finite (2 times: records",
    ),
    ({'x_audio': [1.0]}, 'record 1: is not an example of the features in feat'),
    ({'id': ' a0'}, "clip ' a0' is there twice in another spelling"),
  ],
)
def test_what_no_corpus_could_hold_is_told(tmp_path, change, says):
  vector = {'tensor': _FLOATS | {'shape': {'dimensions': ['2']}}}
  kinds = {name: {'text': {}} for name in ('id', 'label', 'text', 'speaker')}
  rows = [
    {'id': f'a{i}', 'label': 'xy'[i % 2], 'text': 'hi', 'speaker': f's{i}'}
    | {'x_audio': [1.0, 2.0]}
    | (change if i in (1, 2) else {})
    for i in range(4)
  ]
  source = _write(tmp_path / 's/1.0.0', kinds | {'x_audio': vector}, rows)
  with pytest.raises(errors.InputError) as caught:
    importer.read(source)
  (line,) = str(caught.value).splitlines()
  assert says in line
