import logging
import unicodedata

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import folder


@pytest.fixture
def source(tmp_path):
  path = tmp_path / 'mine'
  (path / 'talks').mkdir(parents=True)
  for name in ('talks/a.mp4', 'talks/b.MP4', 'c.wav', 'd.mp3'):
    (path / name).write_bytes(b'.')
  return path


def write(source, text):
  (source / 'clips.csv').write_text(text, encoding='utf-8')
  return source


def faults(source):
  with pytest.raises(errors.InputError) as raised:
    folder.read(source)
  return str(raised.value).splitlines()


def test_one_file_a_clip(source, tmp_path):
  write(
    source,
    'file,label,transcript,age\n'
    'talks/a.mp4,kind,I see,31\n'
    'talks/b.MP4,cold,,40\n'
    'c.wav,,Well,22\n'
    'd.mp3,kind,"Oh, no",\n',
  )
  corpus_lib.write(folder.read(source), tmp_path / 'corpus')
  corpus = corpus_lib.read(tmp_path / 'corpus')
  assert corpus.ids.tolist() == ['a', 'b', 'c', 'd']
  assert corpus.classes == ('cold', 'kind')
  assert corpus.labels.tolist() == [1, 0, -1, 1]
  assert corpus.modalities == ('text', 'audio', 'video')
  assert corpus.groups.tolist() == [
    'talks/a.mp4', 'talks/b.MP4', 'c.wav', 'd.mp3'
  ]  # fmt: skip
  paths = [
    str(source / n) for n in ('talks/a.mp4', 'talks/b.MP4', 'c.wav', 'd.mp3')
  ]
  assert corpus.metadata['audio'].tolist() == paths
  assert corpus.metadata['video'].tolist() == [*paths[:2], '', '']
  assert corpus.metadata['age'].tolist() == ['31', '40', '22', '']
  assert 'file' not in corpus.metadata
  assert corpus.split is None
  assert corpus.fold is None


def test_parts_of_a_file_are_a_group(source, tmp_path):
  write(
    source,
    'id,video,audio,label,start,end,fold\n'
    '1,talks/a.mp4,c.wav,2,0,1.5,0\n'
    '2,talks/a.mp4,c.wav,10,1.5,,1\n'
    '3,talks/b.MP4,,2,,,1\n',
  )
  corpus_lib.write(folder.read(source), tmp_path / 'corpus')
  corpus = corpus_lib.read(tmp_path / 'corpus')
  assert corpus.classes == ('2', '10')
  assert corpus.groups.tolist() == ['talks/a.mp4'] * 2 + ['talks/b.MP4']
  assert corpus.fold.tolist() == [0, 1, 1]
  assert corpus.modalities == ('audio', 'video')
  assert corpus.metadata['audio'].tolist()[2] == ''
  assert corpus.metadata['start'].tolist() == ['0', '1.5', '']


def test_words_alone(source):
  write(source, 'id,transcript,label,group\n1,I see,a,x\n2,Well,b,y\n')
  corpus = folder.read(source)
  assert corpus.modalities == ('text',)
  assert corpus.groups.tolist() == ['x', 'y']


def test_each_fault_is_named_with_its_line(source):
  write(
    source,
    'id,file,label,group,split,start,end\n'
    '1,talks/a.mp4,x,g,train,2,1\n'
    '1,nothing.mp4,y,g,train,,\n'
    ',c.wav,y,,later,soon,-1\n',
  )
  path = source / 'clips.csv'
  assert faults(source) == [
    f"{path}:3: column 'file': 'nothing.mp4': there is no file "
    f'{source}/nothing.mp4',
    f"{path}:3: column 'id': '1' is there already, on line 2",
    f"{path}:4: column 'id': is empty; expected what names the clip",
    f"{path}:4: column 'group': is empty",
    f"{path}:4: column 'split': 'later' is not one of train, val, test",
    f"{path}:4: column 'start': 'soon' is not a time in seconds, or empty",
    f"{path}:4: column 'end': '-1' is not a time in seconds, or empty",
    f"{path}:2: column 'end': 1 is not after the start, 2",
  ]


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('file\nc.wav\n', "column 'label' is missing"),
    ('id,label\n1,a\n2,b\n', 'expected a column file, audio, video or'),
    ('transcript,label\nhm,a\noh,b\n', "column 'id' is missing"),
    ('file,label\nc.wav,a\nc.wav,b\n', "give clips a column 'id'"),
    ('file,label\nc.wav,a\nd.mp3,a\n', 'two or more labels, found a'),
    ('id,file,label\n1,,a\n2,,b\n', 'no clip has words or media'),
    ('file,label,fold\nc.wav,a,0\nd.mp3,b,2\n', 'no clip is in fold 1'),
    ('file,label,fold,split\nc.wav,a,0,val\nd.mp3,b,1,val\n', 'expected one'),
  ],
)
def test_a_table_that_will_not_do(source, text, message):
  (line,) = faults(write(source, text))
  assert message in line
  assert str(source / 'clips.csv') in line


def test_there_is_one_table(source):
  assert 'perhaps votes.csv; found none' in faults(source)[0]
  write(source, 'file,label\nc.wav,a\n')
  (source / 'more.csv').write_text('x')
  assert 'found clips.csv, more.csv' in faults(source)[0]


@pytest.fixture
def said(caplog, monkeypatch):
  """What was logged, each message without the place."""
  # A binary that ran in this process may have turned propagation off.
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  return lambda: [message.split(': ', 1)[1] for message in caplog.messages]


def words(labels, column='group', values='uvwxyz'):
  """Six clips of words, with labels and another column."""
  rows = zip(range(6), labels, values, strict=True)
  return f'id,transcript,label,{column}\n' + ''.join(
    f'{i},hm,"{label}","{value}"\n' for i, label, value in rows
  )


@pytest.mark.parametrize(
  ('labels', 'classes', 'codes'),
  [
    (('happy', 'Happy', 'sad', 'SAD ', 'sad', 'happy'), 'happy sad', '001110'),
    (('1', '1.0', '0', '0.0', '01', '0,0'), '0 1', '110010'),
    (('2', '10', '2.0', '10', '2', '2'), '2 10', '010100'),
    (('é', 'e\u0301', 'É', 'a', 'a\u00a0', '\u200ba'), 'a é', '111000'),
    (('a', 'nan', 'b', 'NA', 'None', '-'), 'a b', '0-1---'),
    (('a', '?', 'b', 'N/A', ' ', 'null'), 'a b', '0-1---'),
  ],
)
def test_labels_of_one_class(source, said, labels, classes, codes):
  corpus = folder.read(write(source, words(labels)))
  assert ' '.join(corpus.classes) == classes
  assert ''.join('-' if x < 0 else str(x) for x in corpus.labels) == codes
  (message,) = said()
  assert message.startswith(
    (
      "column 'label': spellings taken as one: ",
      "column 'label': taken as missing: ",
    )
  )


def scored(source, labels, column='label', **kwargs):
  rows = ''.join(f'{i},hm,"{label}"\n' for i, label in enumerate(labels))
  text = f'id,transcript,{column}\n{rows}'
  return folder.read(write(source, text), **kwargs)


@pytest.mark.parametrize(
  ('labels', 'scale'),
  [
    ([f'{i / 7 - 3:.1f}' for i in range(30)], [-3, 2]),
    (['0,5', '1', '', '0,75'], [0, 1]),
    (['1e-3', '2', '1'], [0, 2]),
    ([str(i) for i in range(13)], [0, 12]),
  ],
)
def test_numbers_with_fractions_are_scores(source, said, labels, scale):
  corpus = scored(source, labels)
  assert corpus.info['scale'] == scale
  expected = [
    float(text.replace(',', '.')) if text else np.nan for text in labels
  ]
  np.testing.assert_array_equal(corpus.scores, expected)
  assert f'on a scale from {scale[0]:g} to {scale[1]:g}' in ' '.join(said())


def test_the_scale_is_told(source):
  corpus = scored(source, ['2', '3.5'], 'score', scale={'': (1, 7)})
  assert corpus.info['scale'] == [1, 7]
  assert corpus.scores.tolist() == [2, 3.5]
  corpus = scored(source, ['2', '5'], scale={'': (1, 7)})
  assert corpus.values.tolist() == [1, 2, 3, 4, 5, 6, 7]
  assert corpus.labels.tolist() == [1, 4]


@pytest.mark.parametrize(
  'labels', [['x', '12,5 %', '5'], ['1.5', 'high', 'low']]
)
def test_numbers_among_words_are_refused(source, labels):
  rows = ''.join(f'{i},hm,"{label}"\n' for i, label in enumerate(labels))
  (line,) = faults(write(source, 'id,transcript,label\n' + rows))
  assert 'expected classes, or plain numbers' in line


def test_twelve_numbers_are_classes(source):
  rows = ''.join(f'{i},hm,{i % 12}\n' for i in range(24))
  corpus = folder.read(write(source, 'id,transcript,label\n' + rows))
  assert corpus.classes == tuple(map(str, range(12)))
  assert corpus.values is None


def test_votes_may_be_for_a_number_that_no_clip_has(source, said):
  write(source, 'file,label,group\nc.wav,1,g\nd.mp3,3,h\n')
  (source / 'votes.csv').write_text(
    'file,annotator,label\nc,p,1\nc,q,2\nd,p,3\nd,q,5\n'
  )
  corpus = folder.read(source)
  assert corpus.classes == ('1', '2', '3', '5')
  assert 'whole numbers are taken for classes' in ' '.join(said())
  corpus = folder.read(source, scale={'': (1, 5)})
  assert corpus.values.tolist() == [1, 2, 3, 4, 5]
  assert corpus.votes.scores.tolist() == [1, 2, 3, 5]


@pytest.mark.parametrize(
  ('groups', 'expected'),
  [
    (('Ann', 'Ann ', ' ann', 'Bob', 'BOB', 'Bob'), ['Ann'] * 3 + ['Bob'] * 3),
    (('7', '7.0', '07', '8', '8,0', '8'), ['7'] * 3 + ['8'] * 3),
    (('1.1', '1.10', '1.1', '2', '2', '2'), ['1.1', '1.10', '1.1', *'222']),
  ],
)
def test_groups_of_one_speaker(source, groups, expected):
  corpus = folder.read(write(source, words('ababab', values=groups)))
  assert corpus.groups.tolist() == expected


@pytest.mark.parametrize('word', ['', 'nan', 'N/A', '-', 'None'])
def test_a_group_that_is_missing_is_refused(source, word):
  values = ['x', word, 'y', 'y', word, 'y']
  (line,) = faults(write(source, words('ababab', values=values)))
  assert line.startswith(f"{source}/clips.csv:3: column 'group': ")
  assert line.endswith('(2 times: lines 3, 6)')


@pytest.mark.parametrize(
  'column',
  [
    *('speaker', 'Participant', 'SUBJECT', 'actor', 'dialogue', 'Dialogue_ID'),
    *('SpeakerID', 'speaker name', 'session no.', 'interviews', 'Group ID'),
  ],
)
def test_a_column_of_persons_is_the_group(source, said, column):
  corpus = folder.read(write(source, words('ababab', column, 'xxyyzz')))
  assert corpus.groups.tolist() == list('xxyyzz')
  (message,) = said()
  assert message.startswith(
    f'column {column!r}: is taken as the group (3 groups)'
  )
  assert corpus.metadata[column].tolist() == list('xxyyzz')


def test_a_column_group_wins_and_is_not_remarked_on(source, said):
  text = 'id,transcript,label,speaker,Group \n1,a,x,p,g\n2,b,y,q,h\n'
  assert folder.read(write(source, text)).groups.tolist() == ['g', 'h']
  assert said() == []


@pytest.mark.parametrize(
  ('speakers', 'others', 'chosen', 'straddles'),
  [
    # Speakers nest in sessions: no session is on both sides of a split.
    ('aabcde', 'xxxyzz', 'session', False),
    # Two sessions could not be divided in three.
    ('aabcdd', 'xxxyyy', 'speaker', True),
    # Neither nests in the other.
    ('aabbcc', 'xyyzzx', 'speaker', True),
    # The finer one nests in the speaker.
    ('aabbcc', 'uvwxyz', 'speaker', False),
  ],
)
def test_of_two_columns_the_coarser_is_the_group(
  source, said, speakers, others, chosen, straddles
):
  rows = zip(range(6), 'ababab', speakers, others, strict=True)
  text = 'id,transcript,label,speaker,session\n' + ''.join(
    f'{i},hm,{label},{a},{b}\n' for i, label, a, b in rows
  )
  corpus = folder.read(write(source, text))
  expected = {'speaker': speakers, 'session': others}[chosen]
  assert corpus.groups.tolist() == list(expected)
  (message,) = said()
  other = {'speaker': 'session', 'session': 'speaker'}[chosen]
  assert message.startswith(f'column {chosen!r}: is taken as the group')
  assert f'the others could be: {other}' in message
  assert ('on both sides of a split' in message) == straddles


def test_without_a_column_of_groups_it_is_said(source, said):
  text = 'file,label,talkative\nc.wav,a,x\nd.mp3,b,x\n'
  assert folder.read(write(source, text)).groups.tolist() == ['c.wav', 'd.mp3']
  (message,) = said()
  assert message.startswith(
    'no column group or speaker: every file is its own group (2 groups of 2 '
    'clips)'
  )


@pytest.mark.parametrize(
  ('column', 'places', 'parted'),
  [
    ('fold', '012012', 2),
    ('fold', '010121', 3),
    ('fold', '012211', 1),
    ('fold', '012210', 0),
    ('split', ['train', 'val', 'test', 'test', 'val', 'TRAIN '], 0),
    ('split', ['train', 'val', 'test', 'test', 'val', 'test'], 1),
  ],
)
def test_groups_that_folds_part_are_said(source, said, column, places, parted):
  # The first and the last clip are of one group, and so inwards.
  rows = [
    f'c{i},w,{"abccba"[i]},{"xy"[i % 2]},{place}'
    for i, place in enumerate(places)
  ]
  text = '\n'.join([f'id,transcript,group,label,{column}', *rows])
  folder.read(write(source, text))
  messages = said()
  assert len(messages) == (parted > 0)
  if parted:
    assert messages[0].startswith(
      f"column '{column}': parts {parted} of 3 groups, such as 'a'"
    )


def test_ids_that_differ_in_case_alone_are_refused(source):
  text = 'id,transcript,label\na1,x,p\nA1 ,y,q\nb,y,q\n'
  assert faults(write(source, text)) == [
    f"{source}/clips.csv:3: column 'id': 'A1' is there already as 'a1', on "
    'line 2'
  ]


@pytest.mark.parametrize('form', ['NFC', 'NFD'])
@pytest.mark.parametrize('other', ['NFC', 'NFD'])
def test_files_are_found_in_another_unicode_form(source, form, other):
  name = unicodedata.normalize(form, 'talks/Zoë é.wav')
  (source / name).write_bytes(b'.')
  text = f'file,label\n{unicodedata.normalize(other, name)},a\nc.wav,b\n'
  corpus = folder.read(write(source, text))
  assert corpus.metadata['audio'][0] == str(source / name)
  assert corpus.ids[0] == unicodedata.normalize('NFC', 'Zoë é')


@pytest.mark.parametrize(
  'name', ['talks/B.mp4', 'Talks/b.MP4', 'talks\\b.MP4', ' ./talks/b.mp4 ']
)
def test_files_are_found_in_another_case(source, name):
  corpus = folder.read(write(source, f'file,label\n{name},a\nc.wav,b\n'))
  assert corpus.metadata['video'][0] == str(source / 'talks' / 'b.MP4')


def test_a_file_that_could_be_one_of_two_is_not_guessed(source):
  (source / 'C.wav').write_bytes(b'.')
  text = 'id,file,label\n1,c.WAV,a\n2,C.wav,b\n3,gone.wav,b\n'
  assert faults(write(source, text)) == [
    f"{source}/clips.csv:2: column 'file': 'c.WAV': there is no file "
    f'{source}/c.WAV (2 times: lines 2, 4)'
  ]


def test_what_no_clip_has_is_no_modality(source, said):
  text = 'file,label,group,transcript,video\nc.wav,a,g,nan,\nd.mp3,b,h,<NA>,-\n'
  corpus = folder.read(write(source, text))
  assert corpus.modalities == ('audio',)
  assert 'video' not in corpus.metadata
  assert [message.split(': ', 1)[1] for message in said()[:2]] == [
    'the corpus has no text',
    'the corpus has no video',
  ]


def test_times_are_read_and_written_in_seconds(source):
  text = (
    'id;file;label;start;end\n1;c.wav;a;0:01;00:00:01,792\n'
    '2;c.wav;b;0,5;nan\n3;c.wav;b;0.25 s;1.50\n'
  )
  corpus = folder.read(write(source, text))
  assert corpus.metadata['start'].tolist() == ['1.0', '0.5', '0.25']
  assert corpus.metadata['end'].tolist() == ['1.792', '', '1.50']


def test_what_a_mac_leaves_is_passed_over(source):
  write(source, 'file,label\nc.wav,a\nd.mp3,b\n')
  (source / '._clips.csv').write_bytes(b'\x00\x05\x16\x07')
  (source / '.DS_Store').write_bytes(b'\x00')
  assert len(folder.read(source).ids) == 2


VOTES = (
  'Clip,condition,annotator,label,count\n'
  'a,Video,Bob,kind,1.0\n'
  'talks/a.mp4,video + audio,bob ,KIND,1\n'
  'b.mp4,audio+video,7,cold,\n'
  'B,audio+video,7.0,nan,1\n'
)


def test_votes_are_taken_with_the_clips(source, said, tmp_path):
  write(source, 'file,label,group\ntalks/a.mp4,kind,g\ntalks/b.MP4,cold,h\n')
  (source / 'Votes.csv').write_text(VOTES.replace('cold,\n', 'cold,1\n'))
  corpus_lib.write(folder.read(source), tmp_path / 'corpus')
  corpus = corpus_lib.read(tmp_path / 'corpus')
  assert corpus.conditions == ('video', 'audio+video')
  votes = corpus.votes
  assert votes.clip.tolist() == [0, 0, 1]
  assert votes.condition.tolist() == [0, 1, 1]
  assert votes.annotator.tolist() == ['Bob', 'Bob', '7']
  assert votes.label.tolist() == [1, 1, 0]
  assert votes.count.tolist() == [1, 1, 1]
  assert "column 'label': left out: 1 vote without a label" in said()


def test_a_column_for_each_annotator_is_their_votes(source, said):
  text = (
    'id,transcript,group,label,Annotator 1,annotator_2,rate\n'
    '1,w,g,a,a,b,3\n2,w,h,b,-,a,3\n'
  )
  corpus = folder.read(write(source, text))
  votes = corpus.votes
  assert votes.clip.tolist() == [0, 0, 1]
  assert votes.annotator.tolist() == [
    'Annotator 1', 'annotator_2', 'annotator_2'
  ]  # fmt: skip
  assert votes.label.tolist() == [0, 1, 0]
  assert corpus.conditions == ('text',)
  assert corpus.metadata['rate'].tolist() == ['3', '3']
  assert "columns 'Annotator 1', 'annotator_2' are taken for raters" in said()


@pytest.mark.parametrize(
  ('name', 'table', 'conditions', 'expected'),
  [
    # By the table's name.
    ('votes_sound.csv', 'id,annotator,label\na,p,x\nb,p,y\n', 'audio', 'xy'),
    ('ratings AV.csv', 'id,rater,label\na,p,x\nb,p,y\n', 'audio+video', 'xy'),
    # By the kinds of file that were shown.
    (
      'votes.csv',
      'file,annotator,label\na.wav,p,x\nb.wav,p,y\n',
      'audio',
      'xy',
    ),
    (
      'votes.csv',
      'file,annotator,label\ntalks/a.mp4,p,x\nb.mp4,p,y\n',
      'audio+video',
      'xy',
    ),
    ('votes.csv', 'file,annotator,label\na.txt,p,x\nb.txt,p,y\n', 'text', 'xy'),
    # By nothing.
    (
      'Annotations.csv',
      'clip;coder;vote\na;p;x\nB;p;y\n',
      'text+audio+video',
      'xy',
    ),
    # By a column.
    ('votes.csv', 'id,who,modality,label\na,p,V,x\nb,p,V,y\n', 'video', 'xy'),
    (
      'votes.csv',
      'id,modality,rater_1,rater_2\na,all,x,y\nb,all,y,\n',
      'text+audio+video',
      'xyy',
    ),
  ],
)
def test_conditions_are_inferred(source, name, table, conditions, expected):
  write(
    source,
    'file,transcript,label,group\ntalks/a.mp4,hm,x,g\ntalks/b.MP4,oh,y,h\n',
  )
  (source / name).write_text(table)
  corpus = folder.read(source)
  assert corpus.conditions == (conditions,)
  assert ''.join(corpus.classes[i] for i in corpus.votes.label) == expected


def test_several_tables_of_votes_are_put_together(source):
  write(source, 'file,label,group\ntalks/a.mp4,x,g\ntalks/b.MP4,y,h\n')
  table = 'file,annotator,label\na,p,x\nb,p,y\n'
  (source / 'votes_audio.csv').write_text(table)
  (source / 'votes_av.csv').write_text(table)
  votes = folder.read(source).votes
  assert votes.condition.tolist() == [0, 0, 1, 1]
  (source / 'votes_av.csv').rename(source / 'votes_a.csv')
  assert faults(source) == [
    f"{source}: 'p' voted for 'a' on audio twice (2 times: clips a, b)"
  ]


def test_a_name_alone_is_that_of_the_one_file(source):
  write(source, 'file,label,group\na.mp4,x,g\nc.wav,y,h\n')
  corpus = folder.read(source)
  assert corpus.metadata['audio'].tolist() == [
    str(source / 'talks' / 'a.mp4'),
    str(source / 'c.wav'),
  ]
  (source / 'other').mkdir()
  (source / 'other' / 'a.mp4').write_bytes(b'.')
  (line,) = faults(source)
  assert "'a.mp4': there is no file" in line


def test_a_scale_has_the_name_of_a_label(source):
  write(source, 'file,label.warm,label.cold,group\nc.wav,1,2,g\nd.mp3,2,1,h\n')
  with pytest.raises(errors.InputError) as raised:
    folder.read(source, scale={'warn': (1, 7)})
  assert str(raised.value) == (
    "--scale: 'warn' is not one of the labels warm, cold"
  )
  write(source, 'file,label,group\nc.wav,1,g\nd.mp3,2,h\n')
  with pytest.raises(errors.InputError) as raised:
    folder.read(source, scale={'warn': (1, 7)})
  assert 'has no name; say --scale=LOW,HIGH' in str(raised.value)


def test_how_labels_are_made_of_votes_is_said_once(source, caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO, logger='empathy')
  write(source, 'file,group\nc.wav,g\nd.mp3,h\n')
  (source / 'votes.csv').write_text(
    'file,annotator,label.warm,label.cold\nc,p,yes,no\nd,p,no,yes\n'
  )
  folder.read(source)
  told = [text for text in caplog.messages if 'the label of' in text]
  assert told == [
    f"{source / 'clips.csv'}: 2 labels, 'warm' and so on: the label of 4 clips "
    'is the commonest of its votes on audio'
  ]


def test_codes_of_classes_may_lie_apart(source):
  rows = [f'c.wav,{i % 3 + 1},g{i},{i}' for i in range(30)]
  text = '\n'.join(['file,label,group,id', *rows, 'c.wav,9,h,z', ''])
  assert folder.read(write(source, text)).classes == ('1', '2', '3', '9')
  (line,) = faults(write(source, text.replace('label', 'score')))
  assert "column 'score': 1 of 31 ratings lie apart from the others" in line


def test_messages_name_the_column_of_the_votes(source):
  write(source, 'file,group\nc.wav,g\nd.mp3,h\n')
  path = source / 'votes.csv'
  path.write_text('file,annotator,rating\nc,p,3\nd,p,3\n')
  assert faults(source) == [
    f"{path}: column 'rating': expected two or more labels, found 3"
  ]


def test_without_a_label_it_is_that_of_the_votes(source):
  write(source, 'file,group\nc.wav,g\nd.mp3,h\n')
  (source / 'votes.csv').write_text(
    'file,annotator,label\nc,p,x\nc,q,y\nc,r,y\nd,p,x\nd,q,y\n'
  )
  corpus = folder.read(source)
  assert corpus.info['label_source'] == 'audio'
  assert corpus.labels.tolist() == [1, 0]


def test_several_labels_make_a_corpus_each(source, tmp_path):
  write(
    source,
    'file;group;label.kind;score.warmth\nc.wav;g;yes;2,5\nd.mp3;h;no;\n',
  )
  (source / 'votes.csv').write_text(
    'file;annotator;kind;warmth\nc;p;yes;3\nc;q;no;2\nd;p;no;1\nd;q;;1,5\n'
  )
  corpora = folder.read(source)
  corpus_lib.write(corpora, tmp_path / 'corpus')
  kind = corpus_lib.read(tmp_path / 'corpus', label='kind')
  assert kind.labels.tolist() == [1, 0]
  assert kind.votes.label.tolist() == [1, 0, 0]
  warmth = corpus_lib.read(tmp_path / 'corpus', label='warmth')
  assert warmth.info['scale'] == [1, 3]
  np.testing.assert_array_equal(warmth.scores, [2.5, np.nan])
  assert warmth.votes.scores.tolist() == [3, 2, 1, 1.5]


def test_one_of_several_labels_may_be_without_votes(source, tmp_path):
  write(source, 'file,group,label.a,label.b\nc.wav,g,x,y\nd.mp3,h,y,x\n')
  (source / 'votes.csv').write_text('file,annotator,b\nc,p,x\nd,p,y\n')
  corpus_lib.write(folder.read(source), tmp_path / 'corpus')
  assert corpus_lib.read(tmp_path / 'corpus', label='a').votes is None
  votes = corpus_lib.read(tmp_path / 'corpus', label='b').votes
  assert votes.label.tolist() == [0, 1]


@pytest.mark.parametrize('form', ['NFC', 'NFD'])
def test_votes_find_clips_in_another_unicode_form(source, form):
  for name in ('Zoë é.wav', 'Noé.wav'):
    (source / unicodedata.normalize('NFC', name)).write_bytes(b'.')
  write(source, 'file,label,group\nZoë é.wav,a,g\nNoé.wav,b,h\n')
  table = 'file,annotator,label\nZoë é.wav,p,a\nnoé,p,b\n'
  path = source / 'votes.csv'
  path.write_text(unicodedata.normalize(form, table), encoding='utf-8')
  assert folder.read(source).votes.clip.tolist() == [0, 1]


def test_votes_without_a_condition_are_on_all(source, said):
  write(source, 'file,label,group\nc.wav,a,g\nd.mp3,b,h\n')
  (source / 'votes.csv').write_text('file,label\nc.wav,a\nc,b\nd,a\n')
  corpus = folder.read(source)
  assert corpus.conditions == ('audio',)
  assert corpus.vote_counts().tolist() == [[1, 1], [1, 0]]
  assert said() == [
    'no column annotator: who voted is not known',
    "no column condition: votes are taken to be on 'audio'; --shown=... would "
    'say otherwise',
  ]


def test_faults_of_votes_come_once_a_kind(source):
  write(source, 'file,label,group\nc.wav,a,g\nd.mp3,b,h\n')
  path = source / 'votes.csv'
  path.write_text(
    'id,condition,annotator,label\nx,audio,p,a\ny,audio,p,a\nc,smell,p,c\n'
    'c,audio,q,a\nC.wav,Audio,Q ,b\n'
  )
  assert faults(source) == [
    f"{path}:2: column 'id': 'x' is not a clip of clips.csv (2 times: lines 2, "
    '3)',
    f"{path}:4: column 'condition': 'smell' is not one of audio",
    f"{path}:4: column 'label': 'c' is not one of a, b",
    f"{path}:6: column 'annotator': 'q' voted for this clip and condition "
    'already, on line 5',
  ]
