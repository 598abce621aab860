import builtins
import json
import logging

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import csd

_LABELS = {
  # Not in order of time; the second clip has no label of sentiment.
  'vid_b': ([[1.5], [-2.2]], [[10.0, 14.5], [2.0, 4.0]]),
  'vid_a': ([[np.nan]], [[0.0, 1.0]]),
}


def _write(path, name, data, metadata=None):
  h5py = pytest.importorskip('h5py')
  path.parent.mkdir(parents=True, exist_ok=True)
  with h5py.File(path, 'w') as file:
    for video, (features, intervals) in data.items():
      group = file.create_group(f'{name}/data/{video}')
      group['features'] = np.array(features)
      group['intervals'] = np.array(intervals, np.float64)
    for key, value in (metadata or {'root name': name}).items():
      file[f'{name}/metadata/{key}'] = [json.dumps(value).encode()]
  return path


def _frames(random, end, step, width):
  """Frames that end at `end` seconds: features and intervals."""
  starts = np.arange(0, end, step)
  intervals = np.stack([starts, starts + step], axis=1)
  return random.normal(size=(len(starts), width)).astype(np.float32), intervals


def _data():
  random = np.random.default_rng(0)
  words = ['I', 'sp', 'see', 'it', 'now']
  spans = [[2, 2.5], [2.5, 3], [3, 3.5], [3.9, 4.4], [11, 12]]
  return {
    'CMU_MOSI_Opinion_Labels': ('Opinion Segment Labels', _LABELS),
    'CMU_MOSI_COVAREP': (
      'COVAREP',
      {
        'vid_b': _frames(random, 20, 0.25, 3),
        'vid_a': _frames(random, 3, 1, 3),
      },
    ),
    'CMU_MOSI_Visual_Facet_41': (
      'FACET_4.1',
      {'vid_b': _frames(random, 12, 0.5, 2), 'vid_c': _frames(random, 3, 1, 2)},
    ),
    'CMU_MOSI_TimestampedWords': (
      'words',
      {'vid_b': ([[word.encode()] for word in words], spans)},
    ),
  }


@pytest.fixture(name='source')
def _source(tmp_path):
  for stem, (name, data) in _data().items():
    _write(tmp_path / 'MOSI' / f'{stem}.csd', name, data)
  return tmp_path / 'MOSI'


@pytest.fixture(name='heard')
def _heard(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO, logger='empathy')
  return caplog


def test_sequences_become_a_corpus(source, tmp_path, heard):
  corpus = csd.read(source)
  assert corpus.ids.tolist() == ['vid_a[0]', 'vid_b[0]', 'vid_b[1]']
  assert corpus.groups.tolist() == ['vid_a', 'vid_b', 'vid_b']
  assert corpus.info['scale'] == [-3, 3]
  np.testing.assert_array_equal(corpus.scores, [np.nan, -2.2, 1.5])
  metadata = {name: own.tolist() for name, own in corpus.metadata.items()}
  assert metadata == {
    'start': ['0.0', '2.0', '10.0'],
    'end': ['1.0', '4.0', '14.5'],
    'transcript': ['', 'I see', 'now'],
  }
  data = _data()
  values, _ = data['CMU_MOSI_COVAREP'][1]['vid_b']
  audio, video = corpus.features['audio'], corpus.features['video']
  assert audio.length is None
  # 2 to 4 s of four frames a second, and 10 to 14.5 s.
  np.testing.assert_allclose(audio.values[1], values[8:16].mean(0), rtol=1e-5)
  np.testing.assert_allclose(audio.values[2], values[40:58].mean(0), rtol=1e-5)
  values, _ = data['CMU_MOSI_Visual_Facet_41'][1]['vid_b']
  assert video.clip.tolist() == [1, 2]
  # What ends at 12 s is the mean of what there is.
  np.testing.assert_allclose(video.values[1], values[20:24].mean(0), rtol=1e-5)
  assert '1 of 3 clips have no frames' in heard.text
  corpus_lib.write(corpus, tmp_path / 'corpus')
  again = corpus_lib.read(tmp_path / 'corpus', None)
  np.testing.assert_array_equal(again.scores, corpus.scores)
  assert again.modalities == ('text', 'audio', 'video')


def test_aligned_sequences_emotions_and_what_is_not_finite(source, heard):
  labels = {
    'v[0]': ([[1.0, 0, 0, 1 / 3, 0, 0, 3]], [[0, 1]]),
    'v[1]': ([[-3.0, 0.5, 0, 0, 0, 0, 0]], [[1, 2]]),
  }
  aligned = {
    'v[0]': ([[1.0, -np.inf], [3.0, 4.0]], [[0, 0.5], [0.5, 1]]),
    'v[1]': ([[5.0, 6.0]], [[1, 2]]),
  }
  for path in source.iterdir():
    path.unlink()
  _write(source / 'labels.csd', 'All Labels', labels)
  _write(source / 'audio-x.csd', 'x', aligned)
  corpora = csd.read(source)
  assert list(corpora) == [
    *('sentiment', 'happy', 'sad', 'anger', 'surprise', 'disgust', 'fear')
  ]
  assert corpora['fear'].info['scale'] == [0, 3]
  assert corpora['fear'].scores.tolist() == [3, 0]
  assert corpora['anger'].scores.tolist() == [1 / 3, 0]
  assert corpora['sentiment'].ids.tolist() == ['v[0]', 'v[1]']
  assert corpora['sentiment'].groups.tolist() == ['v', 'v']
  np.testing.assert_array_equal(
    corpora['sentiment'].features['audio'].values, [[2, 2], [5, 6]]
  )
  assert '1 number not finite, set to 0' in heard.text


def test_columns_are_named_by_the_metadata(source):
  labels = {'v': ([[1.0, 2.0], [2.0, 0.5]], [[2, 3], [3, 4]])}
  _write(
    source / 'CMU_MOSI_Opinion_Labels.csd',
    'Labels',
    labels,
    {'dimension names': ['arousal', 'valence, own']},
  )
  _write(source / 'CMU_MOSI_COVAREP.csd', 'C', {'v': ([[1.0]], [[0, 9]])})
  _write(source / 'CMU_MOSI_Visual_Facet_41.csd', 'F', {'v': ([[1]], [[0, 9]])})
  assert list(csd.read(source)) == ['arousal', 'valence_own']


def test_the_extra_is_asked_for(tmp_path, monkeypatch):
  real = builtins.__import__

  def without(name, *more):
    if name == 'h5py':
      raise ImportError(name)
    return real(name, *more)

  monkeypatch.setattr(builtins, '__import__', without)
  with pytest.raises(errors.InputError, match=r"pip install 'empathy\[csd\]'"):
    csd.read(tmp_path)


def _edit(stem, change):
  def damage(source):
    h5py = pytest.importorskip('h5py')
    with h5py.File(source / f'CMU_MOSI_{stem}.csd', 'r+') as file:
      change(file)

  return damage


def _replace(place, value):
  def change(file):
    del file[place]
    if value is not None:
      file[place] = value

  return change


def _link(file):
  h5py = pytest.importorskip('h5py')
  del file['COVAREP/data/vid_b/features']
  file['COVAREP/data/vid_b/features'] = h5py.ExternalLink('/etc/x', '/a')


def _outside(file):
  del file['COVAREP/data/vid_b/features']
  file['COVAREP/data/vid_b'].create_dataset(
    'features', (80, 3), 'f4', external=[('/etc/hostname', 0, 960)]
  )


def _huge(file):
  del file['COVAREP/data/vid_b/features']
  file['COVAREP/data/vid_b'].create_dataset(
    'features', (10**12, 3), 'f4', chunks=(1000, 3)
  )


def _bytes(stem, change):
  def damage(source):
    path = source / f'CMU_MOSI_{stem}.csd'
    path.write_bytes(change(path.read_bytes()))

  return damage


def _unlink(stem):
  return lambda source: (source / f'CMU_MOSI_{stem}.csd').unlink()


_ROOT = 'COVAREP/data/vid_b'
_LABEL = 'Opinion Segment Labels/data/vid_b'
_MUTATIONS = {
  'no labels': (
    _unlink('Opinion_Labels'),
    ': expected one sequence with label in its name, found none',
  ),
  'labels twice': (
    lambda source: _write(source / 'more_labels.csd', 'x', _LABELS),
    'label in its name, found CMU_MOSI_Opinion_Labels.csd, more_labels.csd',
  ),
  'a modality twice': (
    lambda source: _write(source / 'opensmile.csd', 'x', _LABELS),
    'expected one sequence of audio, found CMU_MOSI_COVAREP.csd, opensmile.csd',
  ),
  'words twice': (
    lambda source: _write(
      source / 'w.csd', 'w', {'vid_b': ([[b'a']], [[0, 1]])}
    ),
    'expected one sequence of words, found',
  ),
  'a name that tells nothing': (
    lambda source: _write(source / 'x.csd', 'x', _LABELS),
    'x.csd: is it text, audio or video?',
  ),
  'nothing': (
    lambda source: [p.unlink() for p in source.iterdir()],
    'found none',
  ),
  'labels alone': (
    lambda source: [
      p.unlink() for p in source.iterdir() if 'Labels' not in p.name
    ],
    ': expected a sequence of features or words',
  ),
  'an empty file': (
    _bytes('COVAREP', lambda data: b''),
    'COVAREP.csd: is not a whole HDF5 file',
  ),
  'no HDF5': (
    _bytes('COVAREP', lambda data: b'hello' * 99),
    'COVAREP.csd: is not a whole HDF5 file',
  ),
  'cut off': (
    _bytes('COVAREP', lambda data: data[: len(data) // 2]),
    'COVAREP.csd: is not a whole HDF5 file',
  ),
  'two sequences in a file': (
    _edit('COVAREP', lambda file: file.create_group('x/data')),
    'COVAREP.csd: expected one sequence, /NAME/data/VIDEO; found COVAREP, x',
  ),
  'no data': (
    _edit('COVAREP', _replace('COVAREP/data', None)),
    'COVAREP.csd: expected one sequence, /NAME/data/VIDEO',
  ),
  'data that is an array': (
    _edit('COVAREP', _replace('COVAREP/data', [1.0])),
    'COVAREP.csd: expected one sequence',
  ),
  'no videos': (
    _edit(
      'COVAREP',
      lambda file: [
        _replace(f'COVAREP/data/{name}', None)(file)
        for name in ('vid_a', 'vid_b')
      ],
    ),
    'COVAREP.csd: has no videos',
  ),
  'a video that is an array': (
    _edit('COVAREP', _replace(_ROOT, [1.0])),
    "'vid_b': expected features and intervals",
  ),
  'no features': (
    _edit('COVAREP', _replace(f'{_ROOT}/features', None)),
    "'vid_b': 'features' is missing",
  ),
  'no intervals': (
    _edit('COVAREP', _replace(f'{_ROOT}/intervals', None)),
    "'vid_b': 'intervals' is missing",
  ),
  'features that are a number': (
    _edit('COVAREP', _replace(f'{_ROOT}/features', 3.0)),
    "'features': expected an array, got float64 of shape ()",
  ),
  'fewer features than intervals': (
    _edit('COVAREP', _replace(f'{_ROOT}/features', np.ones((9, 3)))),
    "'vid_b': 9 features, but 80 intervals",
  ),
  'features of another width': (
    _edit('COVAREP', _replace(f'{_ROOT}/features', np.ones((80, 4)))),
    "'vid_b': 4 wide, but 3 before",
  ),
  'features that are texts': (
    _edit(
      'COVAREP', _replace(f'{_ROOT}/features', np.array([[b'a'] * 3] * 80))
    ),
    "'vid_b': 'features': expected numbers",
  ),
  'intervals of three columns': (
    _edit('COVAREP', _replace(f'{_ROOT}/intervals', np.ones((80, 3)))),
    "'intervals': expected numbers of shape (n, 2)",
  ),
  'intervals that are not finite': (
    _edit('COVAREP', _replace(f'{_ROOT}/intervals', np.full((80, 2), np.nan))),
    "'intervals': expected starts and ends in seconds",
  ),
  'intervals that end before they start': (
    _edit('COVAREP', _replace(f'{_ROOT}/intervals', [[2.0, 1.0]] * 80)),
    "'intervals': expected starts and ends in seconds",
  ),
  'a clip of no length': (
    _edit('Opinion_Labels', _replace(f'{_LABEL}/intervals', [[2.0, 2.0]] * 2)),
    "'vid_b': a clip ends at 2, not after its start, 2",
  ),
  'labels that are texts': (
    _edit('Opinion_Labels', _replace(f'{_LABEL}/features', [[b'a'], [b'b']])),
    "'vid_b': 'features': expected numbers",
  ),
  'a label beyond the scale': (
    _edit('Opinion_Labels', _replace(f'{_LABEL}/features', [[1.0], [4.0]])),
    "clip 'vid_b[0]': '4.0' is not -3 to 3",
  ),
  'a link to another file': (_edit('COVAREP', _link), "'features' is missing"),
  'bytes of another file': (
    _edit('COVAREP', _outside),
    "'features': is not stored in the file",
  ),
  'more than is stored': (
    _edit('COVAREP', _huge),
    "'features': is not stored in the file",
  ),
  'features of other videos': (
    _edit(
      'Visual_Facet_41',
      lambda file: file.move('FACET_4.1/data/vid_b', 'FACET_4.1/data/vid_d'),
    ),
    'Facet_41.csd: has no frames of a clip with a label, such as vid_a[0]',
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(source, name):
  damage, message = _MUTATIONS[name]
  damage(source)
  with pytest.raises(errors.InputError) as caught:
    csd.read(source)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(source))
  assert message in line
