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
    ('file,label\nc.wav,a\nd.mp3,a\n', 'two or more classes, found a'),
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
