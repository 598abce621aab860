"""Data sets as TensorFlow Datasets prepares them, read without TensorFlow."""

import json
import pathlib
import struct

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from empathy import errors
from empathy.corpora import builder, simulate
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
  corpus = importer.read(source, {'transcript': ['said/text']})
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


def test_what_the_builder_writes_comes_back(tmp_path):
  parameters = simulate.Parameters(num_clips=20, num_groups=4, width=3)
  corpus, _ = simulate.simulate(parameters, seed=0)
  made = builder.EmpathyCorpus(corpus=corpus, data_dir=str(tmp_path))
  made.download_and_prepare()
  found = importer.read(tmp_path / 'empathy_corpus' / '1.0.0')
  order = np.argsort(found.ids)
  assert found.ids[order].tolist() == sorted(corpus.ids.tolist())
  assert found.classes == corpus.classes
  same = np.argsort(corpus.ids)
  for name in ('labels', 'groups'):
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


def test_columns_are_asked_for(source):
  with pytest.raises(errors.InputError, match='which --columns names'):
    importer.read(source, {'label': ['mood']})
  both = importer.read(source, {'label': ['emotion', 'age']})
  assert {*both} == {'emotion', 'age'}
  assert isinstance(both['age'], corpora.Corpus)
  assert both['age'].values.tolist() == [30, 31, 32, 33]
