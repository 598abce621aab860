import dataclasses
import logging

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
    np.testing.assert_array_equal(features.time, other.features[name].time)


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
    time=np.array([7.5, 0.0, 0.25, 0.25, 0.5], np.float32),
  )
  corpus = tiny(features={'video': sequences})
  corpus_lib.write(corpus, tmp_path / 'corpus')
  assert_same(corpus_lib.read(tmp_path / 'corpus', None), corpus)
  with pytest.raises(errors.InputError, match=r'text\.npz: no such file'):
    corpus_lib.read(tmp_path / 'corpus', ['text'])
  assert corpus_lib.read(tmp_path / 'corpus').features == {}


def test_times_of_sequences_are_checked(tmp_path):
  corpus_lib.write(tiny(), tmp_path / 'corpus')
  path = tmp_path / 'corpus' / 'features' / 'text.npz'

  def read(time):
    ids, values = tiny().ids[:2], np.ones((5, 2))
    corpus_lib.write_features(path, ids, values, [2, 3], time=time)
    return corpus_lib.read(tmp_path / 'corpus', ['text']).features['text']

  np.testing.assert_array_equal(read([0, 2, 0, 0, 1]).time, [0, 2, 0, 0, 1])
  for time, message in (
    ([0, 2, 0, 1, 0.5], r"'time': row 4 \(clip 'b'\) is 0.5; expected seconds"),
    ([0, np.nan, 0, 1, 2], r"row 1 \(clip 'a'\) is nan"),
    ([-1, 2, 0, 1, 2], r"row 0 \(clip 'a'\) is -1"),
    ([0, 1], r'of shape \(5,\), got float32 of shape \(2,\)'),
  ):
    with pytest.raises(errors.InputError, match=message):
      read(time)
  folds = corpus_lib.Features(
    clip=np.zeros(2, np.int32),
    values=np.ones((4, 2), np.float32),
    length=np.array([2, 2]),
    fold=np.array([0, 1], np.int32),
    time=np.array([0, 1, 0, 3], np.float32),
  )
  np.testing.assert_array_equal(folds.of_fold(1).time, [0, 3])
  pooled = np.ones((2, 2))
  corpus_lib.write_features(path, tiny().ids[:2], pooled, time=[0, 1])
  with pytest.raises(errors.InputError, match=r"'time'.* without length"):
    corpus_lib.read(tmp_path / 'corpus', ['text'])


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


@pytest.fixture(name='folder')
def _folder(tmp_path):
  """Four clips without features, to be edited by hand."""
  path = tmp_path / 'corpus'
  corpus_lib.write(tiny(features={}), path)
  return path


@pytest.fixture
def said(caplog, monkeypatch):
  """What was logged, each message without the place."""
  # A binary that ran in this process may have turned propagation off.
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  return lambda: [message.split(': ', 1)[1] for message in caplog.messages]


def edit(path, old, new):
  text = path.read_text(encoding='utf-8')
  assert old in text
  path.write_text(text.replace(old, new), encoding='utf-8')


def faults(folder):
  with pytest.raises(errors.InputError) as raised:
    corpus_lib.read(folder)
  return str(raised.value).replace(f'{folder}/', '').splitlines()


CLIPS = 'id,group,label,fold,transcript\n'


def test_clips_edited_by_hand_are_the_same(folder, said):
  expected = corpus_lib.read(folder)
  assert said() == []
  (folder / 'clips.csv').write_text(
    'ID;Group ;LABEL;fold;transcript\n'
    'a\u00a0;X;Empathetic;0.0;one\n'
    'b;x;neutral ;0;two\n'
    'c;y ;nan;1,0;<NA>\n'
    'd;z;EMPATHETIC;2;four\n'
    'id;group;label;fold;transcript\n;;;;\n',
    encoding='utf-16',
  )
  found = corpus_lib.read(folder)
  groups = np.array(['X', 'X', 'y', 'z'])
  assert_same(found, dataclasses.replace(expected, groups=groups))
  assert said()[:3] == [
    'read as separated by semicolons',
    'left out: the header once more',
    'left out: 1 empty row',
  ]
  assert said()[3:] == [
    "column 'group': spellings taken as one: 'X' (also 'x')",
    "column 'label': spellings taken as one: 'empathetic' (also 'Empathetic', "
    "'EMPATHETIC')",
    "column 'label': taken as missing: 'nan' (1 row)",
    "column 'transcript': taken as missing: '<NA>' (1 row)",
  ]


def test_a_declared_class_may_be_called_none(folder):
  edit(folder / 'corpus.json', '"neutral"', '"none"')
  (folder / 'clips.csv').write_text(
    CLIPS + 'a,x,None,0,\nb,x,empathetic,0,\nc,y,-,1,\nd,z,none,2,\n'
  )
  (folder / 'votes.csv').unlink()
  assert corpus_lib.read(folder).labels.tolist() == [0, 1, -1, 0]


@pytest.mark.parametrize(
  ('declared', 'written'),
  [('1', '1.0'), ('2.0', '2'), ('3', '03'), ('é', 'e\u0301'), ('A b', 'a  B')],
)
def test_a_label_is_the_class_that_is_declared(folder, declared, written):
  edit(folder / 'corpus.json', '"empathetic"', f'"{declared}"')
  for name in ('clips.csv', 'votes.csv'):
    edit(folder / name, 'empathetic', written)
  corpus = corpus_lib.read(folder)
  assert corpus.labels.tolist() == [1, 0, -1, 1]
  assert corpus.votes.label.tolist() == [1, 0, 0, 1]


def test_conditions_are_put_in_order(folder, said):
  edit(folder / 'corpus.json', '"text+video"', '"Video + TEXT"')
  edit(folder / 'votes.csv', 'a,text+video,bob', 'a,video+text,bob')
  edit(folder / 'votes.csv', 'b,text,', 'b, Text ,')
  corpus = corpus_lib.read(folder)
  assert corpus.conditions == ('text', 'text+video')
  assert corpus.votes.condition.tolist() == [1, 1, 0, 1]
  assert said() == []


@pytest.mark.parametrize(
  ('text', 'name'),
  [
    ('video+text+audio', 'text+audio+video'),
    ('Text', 'text'),
    (' audio + Video\u00a0', 'audio+video'),
    ('gaze+TEXT', 'text+gaze'),
    ('Gaze', 'Gaze'),
    ('', ''),
    # Not to be read.
    ('text+', 'text+'),
    ('text+text', 'text+text'),
    ('text,audio', 'text,audio'),
  ],
)
def test_condition_names(text, name):
  assert corpus_lib.condition_name(text) == name


def test_conditions_that_are_not_declared_are_told_on_one_line(folder):
  edit(folder / 'corpus.json', '  "text",\n  "text+video"\n', '')
  assert faults(folder) == [
    "votes.csv: column 'condition': found text, text+video, but corpus.json "
    'has no conditions: add them there'
  ]


def test_votes_edited_by_hand_are_the_same(folder, said):
  expected = corpus_lib.read(folder)
  (folder / 'votes.csv').write_text(
    'id,Condition,ANNOTATOR,label,count,\n'
    'A,text+video,ann,Empathetic,1.0,\n'
    'a ,text+video,bob,neutral,1,\n'
    'b,text,nan,neutral,"7,0",\n'
    'd,text+video,,empathetic,2,\n'
    'd,text,Bob,NaN,1,\n'
  )
  assert_same(corpus_lib.read(folder), expected)
  assert said() == [
    'left out: 1 empty column without a name',
    "column 'id': 'A' and the like are clips in another spelling (1 row)",
    "column 'label': spellings taken as one: 'empathetic' (also 'Empathetic')",
    "column 'label': taken as missing: 'NaN' (1 row)",
    "column 'annotator': spellings taken as one: 'bob' (also 'Bob')",
    "column 'annotator': taken as missing: 'nan' (1 row)",
    "column 'label': left out: 1 vote without a label",
  ]


def test_one_annotator_votes_once_however_spelt(folder):
  edit(folder / 'votes.csv', 'a,text+video,bob,', 'a,text+video,ANN ,')
  assert faults(folder) == [
    "votes.csv:3: column 'annotator': 'ann' voted for this clip and condition "
    'already, on line 2'
  ]


def test_ids_that_were_read_as_numbers_are_told_once(folder):
  (folder / 'clips.csv').write_text(
    CLIPS + ''.join(f'00{i},g{i},neutral,{i % 3},\n' for i in range(6))
  )
  (folder / 'votes.csv').write_text(
    'id,condition,label\n' + ''.join(f'{i}.0,text,neutral\n' for i in range(6))
  )
  assert faults(folder) == [
    "votes.csv:2: column 'id': '0.0' is not a clip of clips.csv; '000' is: if "
    'ids were read as numbers, read them as text (dtype=str) (6 times: lines '
    '2, 3, 4, ...)'
  ]
  (folder / 'votes.csv').unlink()
  ids = np.array(['1', '2', '3'])
  path = folder / 'features' / 'text.npz'
  corpus_lib.write_features(path, ids, np.ones((3, 2)))
  with pytest.raises(errors.InputError) as raised:
    corpus_lib.read(folder, None)
  assert str(raised.value).replace(f'{folder}/', '') == (
    "features/text.npz: array 'id': row 0: no clip '1'; '001' is: if ids were "
    'read as numbers, read them as text (dtype=str) (3 times: rows 0, 1, 2)'
  )


def test_features_are_joined_whatever_the_spelling_of_ids(folder):
  edit(folder / 'clips.csv', 'b,x', 'b\u00e9,x')
  (folder / 'votes.csv').unlink()
  path = folder / 'features' / 'text.npz'
  values = np.arange(6.0, dtype=np.float32).reshape(3, 2)
  ids = np.array(['be\u0301', 'A', ' d'])
  corpus_lib.write_features(path, ids, values)
  found = corpus_lib.read(folder, ['text']).features['text']
  assert found.clip.tolist() == [1, 0, 3]
  np.testing.assert_array_equal(found.values, values)


def test_classes_of_two_spellings_are_refused(folder):
  edit(folder / 'corpus.json', '"neutral"', '"Empathetic "')
  assert faults(folder) == [
    "corpus.json: key 'classes': 'Empathetic' and 'empathetic' are two "
    'spellings of one name'
  ]


def test_where_the_label_is_from_is_kept(tmp_path):
  corpus = tiny(info={**INFO, 'label_source': 'votes'})
  corpus_lib.write(corpus, tmp_path / 'corpus')
  assert corpus_lib.read(tmp_path / 'corpus').info['label_source'] == 'votes'
  edit(tmp_path / 'corpus' / 'corpus.json', '"votes"', '"Video + text"')
  source = corpus_lib.read(tmp_path / 'corpus').info['label_source']
  assert source == 'text+video'
  edit(tmp_path / 'corpus' / 'corpus.json', '"Video + text"', '["votes"]')
  assert faults(tmp_path / 'corpus') == [
    "corpus.json: key 'label_source': expected a text"
  ]


def _stamped(kind, offset):
  """Features whose second column has a large offset."""
  rng = np.random.default_rng(0)
  values = rng.normal(size=(4, 3))
  values[:, 1] = np.round(values[:, 1], 3) + offset
  return values.astype(kind)


@pytest.mark.parametrize('offset', [1e8, -3e9, 1.7e12])
@pytest.mark.parametrize('mapped', [False, True])
def test_differences_that_float32_would_lose_are_kept(
  folder, said, offset, mapped
):
  values = _stamped(np.float64, offset)
  path = folder / 'features' / 'text.npz'
  corpus_lib.write_features(path, np.array(['a', 'b', 'c', 'd']), values)
  corpus = corpus_lib.read(folder)
  corpus = corpus_lib.with_features(corpus, ['text'], mapped)
  found = corpus.features['text']
  assert found.values.dtype == np.float32
  np.testing.assert_array_equal(
    found.values[:, [0, 2]], values[:, [0, 2]].astype(np.float32)
  )
  assert found.offset[[0, 2]].tolist() == [0, 0]
  # What float64 itself has of a fraction, at this size.
  grain = np.spacing(abs(offset))
  np.testing.assert_allclose(
    found.values[:, 1] - found.values[0, 1],
    values[:, 1] - values[0, 1],
    atol=2 * grain + 1e-6,
  )
  assert said() == [
    '1 column (1) of 3, large beside what they vary by: kept less their mean, '
    'in full precision'
  ]
  # Written again, the file says what it said.
  corpus_lib.write(corpus, folder.parent / 'again')
  with np.load(folder.parent / 'again' / 'features' / 'text.npz') as archive:
    np.testing.assert_allclose(
      archive['features'], values, rtol=0, atol=grain + 1e-6
    )


@pytest.mark.parametrize(
  ('kind', 'offset'),
  [('f8', 0), ('f8', 30), ('f4', 1e8), ('f4', 0), ('f2', 9), ('i4', 100)],
)
def test_other_features_are_cast_as_they_are(folder, said, kind, offset):
  values = _stamped(kind, offset)
  if kind == 'i4':  # Which vary.
    values += np.arange(12).reshape(4, 3).astype(kind)
  path = folder / 'features' / 'text.npz'
  corpus_lib.write_features(path, np.array(['a', 'b', 'c', 'd']), values)
  found = corpus_lib.read(folder, ['text']).features['text']
  assert found.offset is None
  np.testing.assert_array_equal(found.values, values.astype(np.float32))
  assert said() == []


def test_offsets_are_those_of_the_run(folder):
  values = _stamped(np.float64, 1e8)
  path = folder / 'features' / 'text.npz'
  corpus_lib.write_features(path, np.array(['a', 'b', 'c', 'd']), values)
  offset = [0.0, 1e8 + 5, 0.25]
  found = corpus_lib.read(folder, None, {'text': offset}).features['text']
  np.testing.assert_array_equal(
    found.values, (values - offset).astype(np.float32)
  )
  # None were taken from what the run was trained on.
  found = corpus_lib.read(folder, None, {}).features['text']
  assert found.offset is None
  np.testing.assert_array_equal(found.values, values.astype(np.float32))
