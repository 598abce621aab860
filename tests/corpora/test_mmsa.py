import copy
import logging
import pickle

import numpy as np
import pytest

from empathy import errors, prepare
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import mmsa

_SIZES = {'train': 4, 'valid': 2, 'test': 3}
_LENGTH = {'text': 5, 'audio': 7, 'vision': 6}
_WIDTH = {'text': 8, 'audio': 3, 'vision': 4}
_FULL = 'text+audio+video'


def _content(aligned=False, unimodal=True):
  """The three dictionaries of a small corpus in the layout."""
  random = np.random.default_rng(0)
  content, number = {}, 0
  for split, size in _SIZES.items():
    ids = [f'video_{(number + i) // 2:04}$_${i:04}' for i in range(size)]
    number += size
    # As written: means of five ratings of -1, 0 and 1.
    labels = {
      f'regression_labels{end}': np.round(random.integers(-5, 6, size) / 5, 1)
      for end in (['', '_T', '_A', '_V'] if unimodal else [''])
    }
    if not unimodal:
      labels['regression_labels'] = labels['regression_labels'] * 2.9
    found = {
      'id': ids,
      'raw_text': [f'说 {name}' for name in ids],
      'annotations': ['Neutral'] * size,
      'classification_labels': np.ones(size),
      'text_bert': np.zeros((size, 3, _LENGTH['text']), np.float32),
      **labels,
    }
    for key, width in _WIDTH.items():
      length = 5 if aligned else _LENGTH[key]
      found[key] = random.normal(size=(size, length, width)).astype(np.float32)
      lengths = random.integers(1, length + 1, size).tolist()
      if aligned:
        lengths = found.get('lengths', lengths)
        found['lengths'] = lengths
      for row, steps in enumerate(lengths):
        found[key][row, steps:] = 0
      if key == 'text':
        for row, steps in enumerate(lengths):
          found['text_bert'][row, 1, :steps] = 1
      elif not aligned:
        found[f'{key}_lengths'] = lengths
    found.pop('lengths', None)
    content[split] = found
  return content


def _write(path, content, protocol=4):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(pickle.dumps(content, protocol))
  return path


def _all(content, key):
  return np.concatenate([np.array(part[key]) for part in content.values()])


@pytest.fixture(name='heard')
def _heard(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO, logger='empathy')
  return caplog


@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_a_pickle_becomes_a_corpus(tmp_path, aligned, protocol):
  content = _content(aligned)
  path = tmp_path / 'SIMS' / 'Processed' / 'unaligned_39.pkl'
  _write(path, content, protocol)
  corpus = mmsa.read(tmp_path / 'SIMS')
  assert corpus.ids.tolist() == _all(content, 'id').tolist()
  assert corpus.ids[1] == 'video_0000$_$0001'
  assert corpus.groups[:5].tolist() == [
    *('video_0000', 'video_0000', 'video_0001', 'video_0001', 'video_0002')
  ]
  assert corpus.split.tolist() == [*['train'] * 4, *['val'] * 2, *['test'] * 3]
  assert corpus.info['scale'] == [-1, 1]
  np.testing.assert_array_equal(
    corpus.scores, _all(content, 'regression_labels')
  )
  # Each mean of five ratings is of a class of its own.
  np.testing.assert_array_equal(
    corpus.labels, np.rint(5 * corpus.scores + 5).astype(int)
  )
  assert corpus.metadata['transcript'][0] == '说 video_0000$_$0000'
  assert corpus.conditions == ('text', 'audio', 'video', _FULL)
  votes = corpus.votes
  assert len(votes.clip) == 4 * 9
  for condition, end in enumerate(('_T', '_A', '_V', '')):
    own = votes.of(condition)
    assert own.clip.tolist() == list(range(9))
    np.testing.assert_array_equal(
      own.scores, _all(content, f'regression_labels{end}')
    )
  for key, modality in (('text', 'text'), ('vision', 'video')):
    features = corpus.features[modality]
    assert features.clip.tolist() == list(range(9))
    rows = _all(content, key)
    used = [row[row.any(axis=1)] for row in rows]
    assert features.length.tolist() == list(map(len, used))
    np.testing.assert_array_equal(features.values, np.concatenate(used))
  corpus_lib.write(corpus, tmp_path / 'corpus')
  again = corpus_lib.read(tmp_path / 'corpus', None)
  np.testing.assert_array_equal(again.scores, corpus.scores)
  np.testing.assert_array_equal(again.votes.scores, votes.scores)
  np.testing.assert_array_equal(again.labels, corpus.labels)
  assert set(again.features) == {'text', 'audio', 'video'}


def test_a_wider_scale_and_a_single_modality(tmp_path, heard):
  content = _content(unimodal=False)
  for part in content.values():
    for key in ('text', 'text_bert', 'vision', 'raw_text'):
      del part[key]
    part['regression_labels'] = part['regression_labels'].tolist()
  corpus = mmsa.read(_write(tmp_path / 'Feature-A.pkl', content))
  assert corpus.info['scale'] == [-3, 3]
  assert corpus.modalities == ('audio',)
  assert corpus.votes is None
  assert corpus.conditions == ()
  np.testing.assert_array_equal(
    corpus.scores, _all(content, 'regression_labels')
  )
  assert 'to be on the scale -3 to 3; --scale=LOW,HIGH' in heard.text
  wide = mmsa.read(tmp_path, {'': (-5, 5)})
  assert wide.info['scale'] == [-5, 5]
  np.testing.assert_allclose(wide.scores, corpus.scores)


def test_a_mask_of_zeros_says_no_lengths(tmp_path):
  content = _content()
  expected = mmsa.read(_write(tmp_path / 'a.pkl', content)).features['text']
  for part in content.values():
    part['text_bert'][:] = 0
  found = mmsa.read(_write(tmp_path / 'b.pkl', content)).features['text']
  np.testing.assert_array_equal(found.length, expected.length)
  np.testing.assert_array_equal(found.values, expected.values)


def test_pooled_features_stay_so(tmp_path):
  content = _content()
  for part in content.values():
    part['audio'] = part['audio'][:, 0]
    del part['audio_lengths']
  corpus = mmsa.read(_write(tmp_path / 'a.pkl', content))
  assert corpus.features['audio'].length is None
  np.testing.assert_array_equal(
    corpus.features['audio'].values, _all(content, 'audio')
  )


def test_what_is_not_finite_or_all_zero_is_told(tmp_path, heard):
  content = _content()
  train = content['train']
  train['audio'][0, 0, 1] = -np.inf
  train['audio'][1, 0] = -np.inf
  train['audio_lengths'][1] = 2
  train['vision'][2] = 0
  train['vision_lengths'][3] = 0
  train['vision'][3, 0, 0] = np.nan  # Beyond the length, hence no matter.
  content['test']['text'][0, 0, 0] = np.nan
  corpus = mmsa.read(_write(tmp_path / 'a.pkl', content))
  audio = corpus.features['audio']
  assert audio.values[0, 1] == 0
  np.testing.assert_array_equal(audio.values[0, 0], train['audio'][0, 0, 0])
  assert np.isfinite(audio.values).all()
  # Zeros in a sequence stay, for its length is said.
  assert audio.length[1] == 2
  assert corpus.features['video'].clip.tolist() == [0, 1, 4, 5, 6, 7, 8]
  assert "'audio': 4 -inf set to 0" in heard.text
  assert "'text': 1 NaN set to 0" in heard.text
  assert "'vision': 2 clips of 9 have" in heard.text
  assert "such as 'video_0001$_$0002'" in heard.text


def test_clips_without_a_score_are_kept(tmp_path):
  content = _content()
  content['train']['regression_labels'][1] = np.nan
  content['train']['regression_labels_A'][2] = np.nan
  corpus = mmsa.read(_write(tmp_path / 'a.pkl', content))
  assert corpus.labels[1] == corpus_lib.UNLABELLED
  assert np.isnan(corpus.scores[1])
  assert 2 not in corpus.votes.of(1).clip
  assert len(corpus.votes.clip) == 4 * 9 - 2


def test_several_pickles_are_not_guessed_between(tmp_path):
  for name in ('aligned_50.pkl', 'unaligned_50.pkl'):
    _write(tmp_path / 'Processed' / name, _content())
  with pytest.raises(errors.InputError) as caught:
    mmsa.read(tmp_path)
  (line,) = str(caught.value).splitlines()
  assert f'--source={tmp_path}/Processed/aligned_50.pkl' in line
  assert len(mmsa.read(tmp_path / 'Processed' / 'aligned_50.pkl').ids) == 9


_TABLE = """video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode
video_0001,0001,我不想嫁给李茶,-0.6,-0.8,0.0,-0.6,Negative,test
video_0001,0002,"a, b",0.2,0,-0.2,,Positive,train
video_0002,0001,,1.0,1,1,1,Positive,valid
"""


def test_a_table_becomes_a_corpus(tmp_path, heard):
  (tmp_path / 'label.csv').write_text(_TABLE, encoding='utf-8')
  for name in ('video_0001/0001', 'video_0002/0001'):
    path = tmp_path / 'Raw' / f'{name}.mp4'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'')
  corpus = mmsa.read(tmp_path)
  assert corpus.ids.tolist() == [
    *('video_0001$_$0001', 'video_0001$_$0002', 'video_0002$_$0001')
  ]
  assert corpus.groups.tolist() == ['video_0001', 'video_0001', 'video_0002']
  assert corpus.split.tolist() == ['test', 'train', 'val']
  assert corpus.scores.tolist() == [-0.6, 0.2, 1.0]
  assert corpus.votes.of(0).scores.tolist() == [-0.8, 0, 1]
  assert corpus.votes.of(2).scores.tolist() == [-0.6, 1]
  assert corpus.votes.of(3).scores.tolist() == [-0.6, 0.2, 1.0]
  assert corpus.metadata['transcript'][1] == 'a, b'
  assert corpus.metadata['video'].tolist() == [
    str(tmp_path / 'Raw' / 'video_0001' / '0001.mp4'),
    '',
    str(tmp_path / 'Raw' / 'video_0002' / '0001.mp4'),
  ]
  assert '1 of 3 clips have no video' in heard.text
  corpus_lib.write(corpus, tmp_path / 'corpus')
  assert corpus_lib.read(tmp_path / 'corpus').modalities == (
    *('text', 'audio', 'video'),
  )


class _Call:
  def __reduce__(self):
    return print, ('it ran',)


def _put(split, key, value):
  return lambda content: content[split].__setitem__(key, value)


def _drop(split, key):
  return lambda content: content[split].pop(key)


def _change(split, key, change):
  def damage(content):
    content[split][key] = change(content[split][key])

  return damage


_MUTATIONS = {
  'no valid': (lambda content: content.pop('valid'), "'valid' is missing"),
  'a list': (_put('train', 'id', None), "'train': 'id': expected a list"),
  'no ids': (_drop('valid', 'id'), "'valid': 'id' is missing"),
  'no labels': (
    _drop('test', 'regression_labels'),
    "'test': 'regression_labels' is missing",
  ),
  'a label of one split': (
    _drop('test', 'regression_labels_A'),
    "'test': 'regression_labels_A' is missing, though",
  ),
  'labels that are words': (
    _put('train', 'regression_labels', ['a'] * 4),
    "'regression_labels': expected numbers",
  ),
  'labels of three columns': (
    _put('valid', 'regression_labels', np.zeros((2, 3))),
    "'valid': 'regression_labels': expected 2 numbers",
  ),
  'too few labels': (
    _change('train', 'regression_labels', lambda old: old[1:]),
    "'regression_labels': 3 entries; 'id' has 4",
  ),
  'a label beyond the scale': (
    _change('train', 'regression_labels', lambda old: old + 5),
    'expected -1 to 1 (4 times: clips video_0000$_$0000, video_0000$_$0001, '
    'video_0001$_$0002, ...)',
  ),
  'a vote beyond the scale': (
    _change('test', 'regression_labels_T', lambda old: old * 0 - 2),
    "clip 'video_0003$_$0000': a label is -2; expected -1 to 1 (3 times",
  ),
  'an infinite label': (
    _put('valid', 'regression_labels', [np.inf, 0]),
    'a label is inf',
  ),
  'no label at all': (
    lambda content: [
      _put(name, 'regression_labels', [np.nan] * size)(content)
      for name, size in _SIZES.items()
    ],
    'no clip has a label',
  ),
  'an id without a video': (
    _change('train', 'id', lambda old: ['a', *old[1:]]),
    "clip 'a': expected an id VIDEO$_$CLIP",
  ),
  'an id twice': (
    _change('train', 'id', lambda old: [old[0], *old[:1], *old[2:]]),
    "clip 'video_0000$_$0000' is there twice",
  ),
  'ids that are numbers': (
    _put('valid', 'id', np.arange(2)),
    "'valid': 'id': expected texts",
  ),
  'a text that is none': (
    _put('valid', 'raw_text', ['a', None]),
    "'raw_text': expected texts",
  ),
  'features of other clips': (
    _change('train', 'audio', lambda old: old[1:]),
    "'train': 'audio': 3 rows; 'id' has 4",
  ),
  'features of another width': (
    _change('valid', 'vision', lambda old: old[..., 1:]),
    "'valid': 'vision': 3 wide, but 4 before",
  ),
  'features that are texts': (
    _put('valid', 'text', np.array(['a', 'b'])),
    "'valid': 'text': expected an array of numbers",
  ),
  'features of four axes': (
    _change('valid', 'text', lambda old: old[..., np.newaxis]),
    "'text': expected an array of shape",
  ),
  'features that are infinite': (
    _change('test', 'audio', lambda old: old * 0 + np.inf),
    "'test': 'audio': row 0: is infinite",
  ),
  'features of nothing': (
    lambda content: [
      _change(name, 'audio', lambda old: old * 0)(content) for name in _SIZES
    ],
    "'audio': is 0 in all clips",
  ),
  'a length that is too long': (
    _put('valid', 'audio_lengths', [8, 1]),
    "'audio': is of length 7, but a clip is said to be of 8",
  ),
  'a length below zero': (
    _put('valid', 'vision_lengths', [-1, 1]),
    "'vision_lengths': expected whole numbers from 0 on",
  ),
  'half a length': (
    _put('valid', 'vision_lengths', np.array([1.5, 1])),
    "'vision_lengths': expected whole numbers",
  ),
  'too many lengths': (
    _put('valid', 'vision_lengths', [1, 1, 1]),
    "'vision_lengths': 3 entries",
  ),
  'a mask of two parts': (
    _change('valid', 'text_bert', lambda old: old[:, :2]),
    "'text_bert': expected an array of shape (clips, 3, length)",
  ),
  'one split alone has text': (
    _drop('train', 'raw_text'),
    "'train': 'raw_text' is missing, though",
  ),
  'a call': (_put('train', 'more', _Call()), 'names builtins.print'),
  'no clips': (
    lambda content: content.update(
      {name: {'id': [], 'regression_labels': []} for name in _SIZES}
    ),
    'has no clips',
  ),
  'splits that are lists': (
    lambda content: content.update(train=[1, 2]),
    "'train': expected a dictionary",
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name, capsys):
  damage, message = _MUTATIONS[name]
  content = copy.deepcopy(_content())
  damage(content)
  path = _write(tmp_path / 'a.pkl', content)
  with pytest.raises(errors.InputError) as caught:
    mmsa.read(path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{path}: ')
  assert message in line
  assert 'it ran' not in capsys.readouterr().out


@pytest.mark.parametrize(
  ('old', 'new', 'message'),
  [
    ('label_T', 'label', "column 'label' is there twice"),
    ('video_id', 'video', "column 'video_id' is missing"),
    ('-0.6,-0.8', 'x,-0.8', ":2: column 'label': 'x' is not a number"),
    ('1.0,1,1', '1.2,1,1', 'a label is 1.2; expected -1 to 1'),
    ('Negative,test', 'Negative,dev', ":2: column 'mode': 'dev' is not one of"),
    ('video_0002,0001', 'video_0001,0001', ":4: column 'clip_id'"),
    ('video_0002', '', ":4: column 'video_id': is empty"),
  ],
)
def test_one_fault_of_a_table_has_one_line(tmp_path, old, new, message):
  assert old in _TABLE
  path = tmp_path / 'label.csv'
  path.write_text(_TABLE.replace(old, new, 1), encoding='utf-8')
  with pytest.raises(errors.InputError) as caught:
    mmsa.read(tmp_path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(path))
  assert message in line


def test_a_folder_with_neither_is_told(tmp_path):
  with pytest.raises(errors.InputError, match=r'no \.pkl below it, and no'):
    mmsa.read(tmp_path)


def test_the_binary_takes_the_file_and_writes_nothing_of_a_bad_one(
  tmp_path, server
):
  path = _write(tmp_path / 'a.pkl', _content())
  done = server.run(
    'prepare',
    *('--importer=mmsa', f'--source={path}', '--output=corpus'),
    cwd=tmp_path,
  )
  assert done.status == 0, done.err
  assert '9 clips of 5 groups' in done.err
  content = _content()
  content['test']['x'] = _Call()
  path = _write(tmp_path / 'b.pkl', content)
  done = server.run(
    'prepare', '--importer=mmsa', f'--source={path}', '--output=b', cwd=tmp_path
  )
  assert done.status == 2
  assert done.out == ''
  assert done.err.splitlines() == [
    f'error: {path}: its pickle names builtins.print, which is no part of a '
    'table of NumPy arrays; nothing was run, and the file is refused'
  ]
  assert not (tmp_path / 'b').exists()
  assert prepare.describe(mmsa.read(tmp_path / 'a.pkl')).startswith('9 clips')
