import logging

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import mertools

_LABELS = {
  'train': {
    'dia0_utt0': {'emo': 'sad', 'val': -2.5},
    'dia0_utt1': {'emo': 'happy', 'val': 3},
    'dia1_utt0': {'emo': 'neutral', 'val': 0.0},
  },
  'val': {'dia2_utt0': {'emo': 'sad', 'val': np.float32(-1.5)}},
  'test': {
    'dia3_utt0': {'emo': 'happy', 'val': 4.25},
    'dia3_utt1': {'emo': 'happy', 'val': -10},
  },
}
_IDS = [name for part in _LABELS.values() for name in part]


def _save(path, array):
  path.parent.mkdir(parents=True, exist_ok=True)
  np.save(path, array)


def _save_labels(path, labels):
  np.savez(path, **{f'{name}_corpus': part for name, part in labels.items()})


@pytest.fixture(name='source')
def _source(tmp_path):
  """A folder in the layout; audio is pooled, video by frames in both ways."""
  folder = tmp_path / 'MER'
  features = folder / 'features'
  random = np.random.default_rng(0)
  for row, name in enumerate(_IDS):
    _save(
      features / 'chinese-hubert-large-UTT' / f'{name}.npy', np.ones(4) * row
    )
    if row != 2:
      frames = random.normal(size=(row + 1, 3)).astype(np.float32)
      model = features / 'clip-vit-large-FRA'
      if row % 2:
        _save(model / f'{name}.npy', frames)
      else:
        for number, frame in enumerate(frames):
          _save(model / name / f'{number:06}.npy', frame)
  _save(features / 'chinese-hubert-large-UTT' / 'unlabelled.npy', np.ones(4))
  _save_labels(folder / 'label.npz', _LABELS)
  (folder / 'transcription-engchi-polish.csv').write_text(
    'name,chinese,english\n'
    + ''.join(f'{name},说,said {name}\n' for name in _IDS[1:]),
    encoding='utf-8',
  )
  return folder


@pytest.fixture(name='heard')
def _heard(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO, logger='empathy')
  return caplog


def test_a_folder_becomes_a_corpus_of_two_labels(source, tmp_path, heard):
  corpora = mertools.read(source)
  assert list(corpora) == ['emotion', 'valence']
  emotion, valence = corpora.values()
  assert emotion.ids.tolist() == _IDS
  assert emotion.classes == ('happy', 'neutral', 'sad')
  assert emotion.labels.tolist() == [2, 0, 1, 2, 0, 0]
  assert valence.info['scale'] == [-5, 5]
  wide = mertools.read(source, {'valence': (-8, 8)})['valence']
  assert wide.info['scale'] == [-8, 8]
  np.testing.assert_array_equal(wide.scores, valence.scores)
  with pytest.raises(errors.InputError, match="'val' is not one of the labels"):
    mertools.read(source, {'val': (-8, 8)})
  np.testing.assert_array_equal(
    valence.scores, [-2.5, 3, 0, -1.5, 4.25, np.nan]
  )
  assert emotion.groups.tolist() == [
    *('dia0', 'dia0', 'dia1', 'dia2', 'dia3', 'dia3')
  ]
  assert emotion.split.tolist() == [*['train'] * 3, 'val', 'test', 'test']
  assert emotion.metadata['transcript'].tolist()[:2] == ['', 'said dia0_utt1']
  audio, video = emotion.features['audio'], emotion.features['video']
  assert audio.length is None
  np.testing.assert_array_equal(audio.values[:, 0], range(6))
  assert video.clip.tolist() == [0, 1, 3, 4, 5]
  assert video.length.tolist() == [1, 2, 4, 5, 6]
  frame = np.load(
    source / 'features' / 'clip-vit-large-FRA' / 'dia3_utt0' / '000004.npy'
  )
  np.testing.assert_array_equal(video.values[11], frame)
  assert emotion.modalities == ('text', 'audio', 'video')
  for message in (
    'the group is the name up to its last _ (4 groups',
    'left out: 1 clip without a label',
    '1 of 6 clips have no features',
    '1 of 6 clips have no row',
  ):
    assert message in heard.text
  corpus_lib.write(corpora, tmp_path / 'corpus')
  again = corpus_lib.read(tmp_path / 'corpus', None, label='valence')
  np.testing.assert_array_equal(again.scores, valence.scores)
  assert set(again.features) == {'audio', 'video'}


def test_other_splits_are_kept_as_published(source):
  _save_labels(
    source / 'label.npz', {'train': _LABELS['train'], 'test1': _LABELS['test']}
  )
  corpus = mertools.read(source)['emotion']
  assert corpus.split is None
  assert corpus.metadata['published_split'].tolist() == [
    *['train'] * 3,
    *['test1'] * 2,
  ]


def test_labels_that_stand_for_none_are_left_out(source, heard):
  none = {name: {'emo': 'neutral', 'val': -10} for name in _LABELS['test']}
  train = dict(
    _LABELS['train'],
    dia0_utt0={'emo': 'sad', 'val': '-2.5'},
    dia1_utt0={'emo': 'neutral', 'val': '0'},
  )
  _save_labels(source / 'label.npz', {'train': train, 'test3': none})
  emotion, valence = mertools.read(source).values()
  assert emotion.labels.tolist() == [2, 0, 1, *[corpus_lib.UNLABELLED] * 2]
  np.testing.assert_array_equal(valence.scores, [-2.5, 3, 0, np.nan, np.nan])
  assert 'all of test3 is neutral: taken as not labelled' in heard.text


def test_one_label_alone_and_names_without_groups(source, heard):
  labels = {
    'train': {
      f'sample_{i}': {'emo': 0, 'val': value}
      for i, value in enumerate([-1, 0.4, 0.9])
    }
  }
  _save_labels(source / 'label.npz', labels)
  for i in range(3):
    _save(source / 'features' / 'text-x' / f'sample_{i}.npy', np.ones((1, 2)))
  for name in ('chinese-hubert-large-UTT', 'clip-vit-large-FRA'):
    (source / 'features' / name).rename(source / name)
  corpus = mertools.read(source / 'label.npz')
  assert corpus.info['scale'] == [-1, 1]
  assert corpus.scores.tolist() == [-1, 0.4, 0.9]
  assert corpus.groups.tolist() == corpus.ids.tolist()
  assert corpus.features['text'].length is None
  assert 'every clip is its own' in heard.text


def test_of_a_models_two_folders_the_pooled_one_is_taken(source, heard):
  _save(source / 'features' / 'chinese-hubert-large-FRA' / 'x.npy', np.ones(4))
  corpus = mertools.read(source)['emotion']
  assert corpus.features['audio'].length is None
  assert 'UTT: is taken, not chinese-hubert-large-FRA' in heard.text


class _Call:
  def __reduce__(self):
    return print, ('it ran',)


def _labels(change):
  def damage(source):
    labels = {name: dict(part) for name, part in _LABELS.items()}
    changed = change(labels)
    _save_labels(source / 'label.npz', changed if changed else labels)

  return damage


def _put(part, name, value):
  return _labels(lambda labels: labels[part].__setitem__(name, value))


def _audio(name, array):
  return lambda source: _save(
    source / 'features' / 'chinese-hubert-large-UTT' / name, array
  )


def _bytes(name, data):
  return lambda source: (source / name).write_bytes(data)


def _text(text):
  return lambda source: (source / 'transcription-engchi-polish.csv').write_text(
    text, encoding='utf-8'
  )


_AUDIO = 'features/chinese-hubert-large-UTT'
_VIDEO = 'features/clip-vit-large-FRA'
_MUTATIONS = {
  'no labels': (
    lambda source: (source / 'label.npz').unlink(),
    ': expected one label.npz, found none',
  ),
  'two label files': (
    lambda source: _save_labels(source / 'label-6way.npz', _LABELS),
    'found label-6way.npz, label.npz; give one as --source',
  ),
  'labels cut off': (_bytes('label.npz', b'PK\x03\x04'), 'is not a whole .npz'),
  'labels of a call': (
    _put('train', 'dia0_utt0', _Call()),
    'names builtins.print',
  ),
  'labels that are a list': (
    lambda source: np.savez(source / 'label.npz', train_corpus=[1, 2]),
    "'train_corpus': expected a dictionary",
  ),
  'no corpora': (
    lambda source: np.savez(source / 'label.npz', a=[1, 2]),
    'expected arrays train_corpus',
  ),
  'a label that is a text': (
    _put('train', 'dia0_utt0', 'sad'),
    "clip 'dia0_utt0': expected a name and its 'emo', 'val'",
  ),
  'a name that is a number': (
    _put('train', 3, {'emo': 'sad'}),
    'clip 3: expected a name',
  ),
  'an emotion that is a list': (
    _put('train', 'dia0_utt0', {'emo': ['sad']}),
    "'emo' is no class",
  ),
  'a valence that is a word': (
    _put('train', 'dia0_utt0', {'emo': 'sad', 'val': 'low'}),
    "'val' is no number",
  ),
  'a valence without end': (
    _put('val', 'dia2_utt0', {'emo': 'sad', 'val': np.inf}),
    "'val' is no number",
  ),
  'all valences are words': (
    _labels(
      lambda labels: {
        'train': {name: {'emo': 'sad', 'val': 'x'} for name in labels['train']}
      }
    ),
    "'val' is no number (3 times: clips dia0_utt0, dia0_utt1, dia1_utt0)",
  ),
  'a clip in two parts': (
    _put('test', 'dia0_utt0', {'emo': 'sad', 'val': 1}),
    "clip 'dia0_utt0' is there twice",
  ),
  'one class and no valence': (
    _labels(lambda labels: {'train': {'dia0_utt0': {'emo': 'sad'}}}),
    "neither 'emo' nor 'val' has two or more values",
  ),
  'features of another width': (
    _audio('dia0_utt1.npy', np.ones(5)),
    f'{_AUDIO}/dia0_utt1.npy: 5 wide; those before are 4',
  ),
  'features that are texts': (
    _audio('dia0_utt1.npy', np.array(['a'])),
    'dia0_utt1.npy: expected numbers of shape',
  ),
  'features of three axes': (
    _audio('dia0_utt1.npy', np.ones((1, 2, 4))),
    'got float64 of shape (1, 2, 4)',
  ),
  'a single number': (
    _audio('dia0_utt1.npy', np.array(3.0)),
    'got float64 of shape ()',
  ),
  'features that are not finite': (
    _audio('dia0_utt1.npy', np.full(4, np.nan)),
    'dia0_utt1.npy: a number is not finite',
  ),
  'features of objects': (
    _audio('dia0_utt1.npy', np.array([_Call()])),
    'dia0_utt1.npy: is no whole .npy file',
  ),
  'features cut off': (
    _bytes(f'{_AUDIO}/dia1_utt0.npy', b'\x93NUMPY'),
    'dia1_utt0.npy: is no whole .npy file',
  ),
  'a frame of another width': (
    lambda source: _save(
      source / _VIDEO / 'dia3_utt0' / '000002.npy', np.ones(9)
    ),
    '000002.npy: 9 wide; the frames before are 3',
  ),
  'features of other clips': (
    lambda source: [
      path.rename(path.with_name(f'x{path.name}'))
      for path in (source / _AUDIO).iterdir()
    ],
    'has no features of a clip with a label, such as dia0_utt0.npy',
  ),
  'two models of a modality': (
    lambda source: _save(
      source / 'features' / 'wavlm-large-UTT' / 'a.npy', np.ones(2)
    ),
    'chinese-hubert-large-UTT, wavlm-large-UTT are all of audio',
  ),
  'a model that is not known': (
    lambda source: _save(source / 'features' / 'xyz-UTT' / 'a.npy', np.ones(2)),
    'xyz-UTT: is it text, audio or video?',
  ),
  'nothing to perceive': (
    lambda source: [
      (source / 'features').rename(source / 'other'),
      (source / 'transcription-engchi-polish.csv').unlink(),
    ],
    ': expected features/<model>-UTT or a transcription',
  ),
  'a transcription without names': (
    _text('id,english\na,b\n'),
    "column 'name' is missing",
  ),
  'a transcription without words': (
    _text('name,words\na,b\n'),
    'expected a column sentence, transcript',
  ),
  'a transcription with a name twice': (
    _text('name,english\na,b\na,c\n'),
    ":3: column 'name': 'a' is there already",
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(source, name, capsys):
  damage, message = _MUTATIONS[name]
  damage(source)
  with pytest.raises(errors.InputError) as caught:
    mertools.read(source)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(source))
  assert message in line
  assert 'it ran' not in capsys.readouterr().out
