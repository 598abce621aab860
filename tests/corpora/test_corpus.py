import dataclasses

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib

INFO = {
  'name': 'tiny',
  'classes': ['neutral', 'empathetic'],
  'modalities': ['video', 'text'],
  'conditions': ['text', 'text+video'],
  'license': 'CC0-1.0',
  'source': 'made up',
}


def tiny(**changes):
  corpus = corpus_lib.Corpus(
    info=INFO,
    ids=np.array(['a', 'b', 'c', 'd']),
    groups=np.array(['x', 'x', 'y', 'z']),
    labels=np.array([1, 0, corpus_lib.UNLABELLED, 1], np.int32),
    fold=np.array([0, 0, 1, 2], np.int32),
    metadata={'transcript': np.array(['one', 'two', '', 'four'])},
    votes=corpus_lib.Votes(
      clip=np.array([0, 0, 1, 3], np.int32),
      condition=np.array([1, 1, 0, 1], np.int32),
      annotator=np.array(['ann', 'bob', '', '']),
      label=np.array([1, 0, 0, 1], np.int32),
      count=np.array([1, 1, 7, 2]),
    ),
    features={
      'text': corpus_lib.Features(
        clip=np.arange(4, dtype=np.int32),
        values=np.arange(12, dtype=np.float32).reshape(4, 3),
      )
    },
  )
  return dataclasses.replace(corpus, **changes)


def assert_same(one, other):
  for field in ('ids', 'groups', 'labels', 'split', 'fold'):
    np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
  assert one.info == other.info
  assert list(one.metadata) == list(other.metadata)
  for name, values in one.metadata.items():
    np.testing.assert_array_equal(values, other.metadata[name])
  assert (one.votes is None) == (other.votes is None)
  if one.votes is not None:
    for field in dataclasses.fields(corpus_lib.Votes):
      np.testing.assert_array_equal(
        getattr(one.votes, field.name), getattr(other.votes, field.name)
      )
  assert one.features.keys() == other.features.keys()
  for name, features in one.features.items():
    np.testing.assert_array_equal(features.clip, other.features[name].clip)
    np.testing.assert_array_equal(features.values, other.features[name].values)
    np.testing.assert_array_equal(features.length, other.features[name].length)


@pytest.mark.parametrize(
  'changes',
  [
    {},
    {'votes': None, 'features': {}},
    {'fold': None},
    {'fold': None, 'split': np.array(['train', 'val', 'test', 'test'])},
    {'metadata': {}},
    {'labels': np.full(4, corpus_lib.UNLABELLED, np.int32)},
    {'info': {**INFO, 'ordered': True, 'more': {'deep': [1, 2.5, 'ü']}}},
  ],
)
def test_what_was_written_is_read(tmp_path, changes):
  corpus = tiny(**changes)
  corpus_lib.write(corpus, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus', None)
  assert_same(read, corpus)
  assert read.path == tmp_path / 'corpus'
  assert read.modalities == ('text', 'video')


@pytest.mark.parametrize(
  'text',
  [
    'a comma, and a "quote"',
    'two\nlines',
    'two\r\nlines',
    'old\rlines',
    '  spaces  ',
    'ünïcödé 日本語 🙂 \u2028 ٣',
    "<script>alert('x')</script>",
    '',
  ],
)
def test_transcripts_keep_every_character(tmp_path, text):
  transcripts = np.array(['one', text, text, 'four'])
  corpus = tiny(metadata={'transcript': transcripts})
  corpus_lib.write(corpus, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus')
  assert read.metadata['transcript'].tolist() == transcripts.tolist()


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
  corpus = tiny()
  corpus_lib.write(corpus, tmp_path / 'corpus')
  for name in ('corpus.json', 'clips.csv', 'votes.csv'):
    path = tmp_path / 'corpus' / name
    text = path.read_bytes().replace(b'\n', b'\r\n')
    path.write_bytes(b'\xef\xbb\xbf' + text)
  assert_same(corpus_lib.read(tmp_path / 'corpus', None), corpus)


def test_features_are_joined_by_id(tmp_path):
  corpus = tiny()
  corpus_lib.write(corpus, tmp_path / 'corpus')
  path = tmp_path / 'corpus' / 'features' / 'text.npz'
  order = np.array([2, 0, 3, 1])
  corpus_lib.write_features(
    path, corpus.ids[order], corpus.features['text'].values[order]
  )
  read = corpus_lib.read(tmp_path / 'corpus', ['text']).features['text']
  np.testing.assert_array_equal(read.clip, order)
  joined = np.empty_like(read.values)
  joined[read.clip] = read.values
  np.testing.assert_array_equal(joined, corpus.features['text'].values)


def test_sequences_and_a_modality_that_some_clips_lack(tmp_path):
  sequences = corpus_lib.Features(
    clip=np.array([3, 1], np.int32),
    values=np.arange(10, dtype=np.float32).reshape(5, 2),
    length=np.array([1, 4]),
  )
  corpus = tiny(features={'video': sequences})
  corpus_lib.write(corpus, tmp_path / 'corpus')
  assert_same(corpus_lib.read(tmp_path / 'corpus', None), corpus)
  with pytest.raises(errors.InputError, match=r'text\.npz: no such file'):
    corpus_lib.read(tmp_path / 'corpus', ['text'])
  assert corpus_lib.read(tmp_path / 'corpus').features == {}


def test_all_faults_of_a_file_are_named_at_once(tmp_path):
  corpus_lib.write(tiny(), tmp_path / 'corpus')
  path = tmp_path / 'corpus' / 'clips.csv'
  path.write_text(
    'id,group,label,fold,transcript\n'
    'a,x,neutral,0,"two\nlines"\n'
    'a,,sad,0,\n'
    'c,y,,minus one,\n'
  )
  with pytest.raises(errors.InputError) as raised:
    corpus_lib.read(tmp_path / 'corpus')
  lines = [
    line.removeprefix(str(path)) for line in str(raised.value).split('\n')
  ]
  assert lines == [
    ":4: column 'id': 'a' is there already, on line 3",
    ":4: column 'group': is empty",
    ":4: column 'label': 'sad' is not one of neutral, empathetic, or empty",
    ":5: column 'fold': 'minus one' is not a fold number 0, 1, 2, ...",
  ]


def test_many_faults_are_counted(tmp_path):
  corpus_lib.write(tiny(), tmp_path / 'corpus')
  path = tmp_path / 'corpus' / 'clips.csv'
  rows = ''.join(f'clip{i},,neutral\n' for i in range(50))
  path.write_text('id,group,label\n' + rows)
  with pytest.raises(errors.InputError) as raised:
    corpus_lib.read(tmp_path / 'corpus')
  assert str(raised.value) == (
    f"{path}:2: column 'group': is empty (50 times: lines 2, 3, 4, ...)"
  )


def test_nothing_is_overwritten_or_left_half_written(tmp_path):
  corpus_lib.write(tiny(), tmp_path / 'corpus')
  with pytest.raises(errors.InputError, match='exists already'):
    corpus_lib.write(tiny(), tmp_path / 'corpus')
  broken = tiny(info={**INFO, 'bad': {1, 2}})
  with pytest.raises(TypeError):
    corpus_lib.write(broken, tmp_path / 'other')
  assert [path.name for path in tmp_path.iterdir()] == ['corpus']


def test_vote_counts():
  corpus = tiny()
  np.testing.assert_array_equal(
    corpus.vote_counts('text+video'), [[1, 1], [0, 0], [0, 0], [0, 2]]
  )
  np.testing.assert_array_equal(
    corpus.vote_counts(), [[1, 1], [7, 0], [0, 0], [0, 2]]
  )
  assert tiny(votes=None).vote_counts().sum() == 0


def test_fingerprint_follows_the_content(tmp_path):
  corpus_lib.write(tiny(), tmp_path / 'one')
  corpus_lib.write(tiny(), tmp_path / 'two')
  before = corpus_lib.fingerprint(tmp_path / 'one')
  assert before == corpus_lib.fingerprint(tmp_path / 'two')
  values = tiny().features['text'].values.copy()
  values[0, 0] += 1
  path = tmp_path / 'two' / 'features' / 'text.npz'
  corpus_lib.write_features(path, tiny().ids, values)
  assert before != corpus_lib.fingerprint(tmp_path / 'two')


def test_names_of_views_and_conditions():
  assert corpus_lib.view_name({'video', 'text'}) == 'text+video'
  assert corpus_lib.view_name(['gaze', 'video', 'audio']) == 'audio+video+gaze'
  conditions = ('text', 'audio+video', 'text+video')
  assert corpus_lib.full_condition(conditions) == 'audio+video'
  assert corpus_lib.full_condition(()) is None
