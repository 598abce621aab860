import logging

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import msp_podcast

_CONSENSUS = """\
FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set
MSP-PODCAST_0001_0008.wav,N,4.2,3.8,4.6,127,Female,Test1
MSP-PODCAST_0001_0019.wav,X,2.5,5,3.5,Unknown,Female,Test1
MSP-PODCAST_0002_0033.wav,H,5,6.4,5,33,Male,Train
MSP-PODCAST_0003_0001.wav,O,1,2,3,44,Male,Development
MSP-PODCAST_0004_0001.wav,S,1,2,3,45,Male,Test2
"""
_DETAILED = 'FileName,Annotations\n' + ''.join(
  f'MSP-PODCAST_{clip}.wav,"{worker}; {words}; {numbers};"\n'
  for clip, worker, words, numbers in (
    (
      '0001_0008',
      'WORKER1',
      'Neutral; Neutral,Concerned',
      'A:4.0; V:4.0; D:5.0',
    ),
    ('0001_0008', 'WORKER2', 'Sad; Dissapointed', 'A:3.000; V:2.000; D:4.000'),
    ('0001_0008', 'WORKER3', 'Neutral; ', 'A:5.000; V:4.000; D:5.000'),
    ('0001_0019', 'WORKER1', 'Other-bored; Annoyed', 'A:2.0; V:5.0; D:3.0'),
    ('0001_0019', 'WORKER2', 'Suprise', 'A:3.000; V:5.000; D:4.000'),
    ('0002_0033', 'WORKER1', 'Happy; Happy,Excited', 'A:5.0; V:6.0; D:5.0'),
    ('0002_0033', 'WORKER1', 'Angry; Angry', 'A:1.000; V:1.000; D:1.000'),
    ('0009_0001', 'WORKER1', 'Happy; Happy', 'A:5.000; V:6.000; D:5.000'),
    ('0003_0001', 'WORKER4', 'Gleeful; Other-odd', 'A:1.000; V: ; D:3.000'),
  )
)


def write(folder, consensus=_CONSENSUS, detailed=_DETAILED):
  labels = folder / 'Labels'
  labels.mkdir(parents=True)
  (labels / 'labels_consensus.csv').write_text(consensus)
  if detailed is not None:
    (labels / 'labels_detailed.csv').write_text(detailed)
  return folder


@pytest.fixture
def said(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  return lambda: ' | '.join(caplog.messages)


def answers(corpus):
  own = corpus.votes
  labels = np.array(corpus.classes)[own.label].tolist()
  return list(
    zip(own.clip.tolist(), own.annotator.tolist(), labels, strict=True)
  )


def test_votes_with_workers_become_labels(tmp_path, said):
  source = write(tmp_path / 'msp')
  (source / 'Transcripts').mkdir()
  (source / 'Transcripts' / 'MSP-PODCAST_0001_0008.txt').write_text('Well. \n')
  (source / 'Audios').mkdir()
  sound = source / 'Audios' / 'MSP-PODCAST_0002_0033.wav'
  sound.write_bytes(b'.')
  corpus_lib.write(msp_podcast.read(source), tmp_path / 'corpus')
  names = corpus_lib.label_names(tmp_path / 'corpus')
  assert names[:4] == ('emotion', 'activation', 'valence', 'dominance')
  assert 'secondary_concerned' in names
  assert len(names) == 4 + 17
  read = {
    name: corpus_lib.read(tmp_path / 'corpus', label=name) for name in names
  }
  emotion = read['emotion']
  assert emotion.classes[:3] == ('neutral', 'angry', 'sad')
  labelled = np.array([*emotion.classes, ''])[emotion.labels].tolist()
  assert labelled == ['neutral', '', 'happy', 'other', 'sad']
  assert answers(emotion) == [
    (0, 'WORKER1', 'neutral'),
    (0, 'WORKER2', 'sad'),
    (0, 'WORKER3', 'neutral'),
    (1, 'WORKER1', 'other'),
    (1, 'WORKER2', 'surprise'),
    (2, 'WORKER1', 'happy'),
    (3, 'WORKER4', 'other'),
  ]
  assert emotion.groups.tolist() == [
    'speaker 127', 'podcast MSP-PODCAST_0001', 'speaker 33', 'speaker 44',
    'speaker 45'
  ]  # fmt: skip
  assert emotion.split.tolist() == ['test', 'test', 'train', 'val', 'test']
  assert emotion.metadata['published_split'].tolist()[-1] == 'test2'
  assert emotion.metadata['transcript'].tolist() == ['Well.', '', '', '', '']
  assert emotion.metadata['audio'][2] == str(sound)
  valence = read['valence']
  assert valence.values.tolist() == [1, 2, 3, 4, 5, 6, 7]
  assert valence.scores.tolist() == [3.8, 5, 6.4, 2, 2]
  assert answers(valence)[-1] == (2, 'WORKER1', '6')  # The last gave none.
  second = answers(read['secondary_disappointed'])
  # Who named no secondary emotion has not answered.
  assert second == [
    (0, 'WORKER1', 'no'), (0, 'WORKER2', 'yes'), (1, 'WORKER1', 'no'),
    (2, 'WORKER1', 'no'), (3, 'WORKER4', 'no')
  ]  # fmt: skip
  assert answers(read['secondary_other'])[-1] == (3, 'WORKER4', 'yes')
  for words in (
    "took 'Dissapointed' as 'disappointed', 'Suprise' as 'surprise', 'Gleeful' "
    "as 'other' (3 times)",
    'left out: 1 row of clips that labels_consensus.csv has not',
    'left out: 1 row of a worker who had rated the clip already',
    '1 clip of unknown speakers are grouped by podcast',
  ):
    assert words in said()


def test_votes_without_a_header_or_none_at_all(tmp_path, said):
  bare = _DETAILED.partition('\n')[2]
  one = msp_podcast.read(write(tmp_path / 'a'))['emotion']
  other = msp_podcast.read(write(tmp_path / 'b', detailed=bare))['emotion']
  assert answers(one) == answers(other)
  found = msp_podcast.read(write(tmp_path / 'c', detailed=None))
  assert list(found) == ['emotion', 'activation', 'valence', 'dominance']
  assert found['valence'].votes is None
  assert 'the corpus has no votes' in said()


_MUTATIONS = {
  'no file': (_CONSENSUS, None, 'labels_consensus.csv: no such file'),
  'empty': (_CONSENSUS, '', 'is empty'),
  'a header alone': (_CONSENSUS.partition('\n')[2], '', 'has no rows'),
  'no class': ('EmoClass', 'Emotion', "column 'EmoClass' is missing"),
  'no speakers': ('SpkrID', 'Speaker', "column 'SpkrID' is missing"),
  'no sets': ('Split_Set', 'Part', "column 'Split_Set' is missing"),
  'no names': ('FileName,E', 'File,E', "column 'FileName' is missing"),
  'a clip twice': ('0001_0019.wav,X', '0001_0008.wav,X', 'is there already'),
  'a clip without a name': (
    'MSP-PODCAST_0001_0019.wav,X',
    ',X',
    "column 'FileName': is empty",
  ),
  'an unknown class': ('wav,H', 'wav,Q', "'Q' is not one of N, A, S, H, U, F"),
  'a word for a class': ('wav,H', 'wav,Happy', "'Happy' is not one of N, A"),
  'a set of its own': (',Train', ',Extra', "'Extra' is not Train, Development"),
  'a number that is none': ('X,2.5', 'X,two', "'two' is not a number"),
  'a number too large': ('X,2.5', 'X,25', "'EmoAct': '25' is not from 1 to 7"),
  'a number too small': ('X,2.5', 'X,0', "'EmoAct': '0' is not from 1 to 7"),
  'thousands': ('X,2.5', 'X,"2,500"', "'2,500' may be 2.500 or 2500"),
  'a field more': ('Train\n', 'Train,\nx,y,', 'fields; the header has 8'),
  'another encoding': ('Female,Test1\nMSP', 'F\x81,Test1\nMSP', 'is not UTF-8'),
  'votes: empty': (_DETAILED, '', 'labels_detailed.csv: is empty'),
  'votes: three columns': (',', ',0,', 'expected two columns, the file and'),
  'votes: no primary': (
    'WORKER2; Sad; Dissapointed; A:3.000; V:2.000; D:4.000;',
    'WORKER2',
    "'WORKER2' is not worker; primary; secondary; A:n; V:n; D:n",
  ),
  'votes: no worker': ('WORKER2; Sad', '; Sad', 'is not worker; primary;'),
  'votes: too many parts': ('Sad; Diss', 'Sad; b; c; Diss', 'is not worker;'),
  'votes: a number too large': (
    'A:3.000; V:2',
    'A:9.000; V:2',
    'A:9.000 is not from 1 to 7',
  ),
  'votes: a number with a fraction': (
    'A:3.000; V:2',
    'A:3.500; V:2',
    'A:3.500 is not from 1 to 7',
  ),
  'votes: of other clips': (
    'MSP-PODCAST_00',
    'OTHER_00',
    "no rating of a clip of labels_consensus.csv; found 'OTHER_0001_0008'",
  ),
  'votes: a quote left open': ('D:3.000;"\n', 'D:3.000;\n', 'is not CSV'),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  old, new, message = _MUTATIONS[name]
  parts = [_CONSENSUS, _DETAILED]
  place = name.startswith('votes')
  assert old in parts[place]
  parts[place] = parts[place].replace(old, new or '')
  source = write(tmp_path / 'msp')
  for file, text in zip(('consensus', 'detailed'), parts, strict=True):
    path = source / 'Labels' / f'labels_{file}.csv'
    path.write_bytes(text.encode('latin-1'))
  if new is None:
    (source / 'Labels' / 'labels_consensus.csv').unlink()
  with pytest.raises(errors.InputError) as caught:
    msp_podcast.read(source)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{source / "Labels" / "labels_"}')
  assert message in line


def test_the_binary_writes_nothing_of_a_bad_folder(server, tmp_path):
  write(tmp_path / 'msp', _CONSENSUS.replace('wav,H', 'wav,Q'))
  done = server.run(
    'prepare',
    '--importer=msp_podcast',
    '--source=msp',
    '--output=c',
    cwd=tmp_path,
  )
  assert done.status == 2
  assert done.err.startswith('error: msp/Labels/labels_consensus.csv:4: column')
  assert [path.name for path in tmp_path.iterdir()] == ['msp']


def test_no_label_at_all_is_told(tmp_path):
  text = _CONSENSUS.splitlines()[0] + '\n'
  text = text.replace('EmoAct,EmoVal,EmoDom,', '')
  source = write(tmp_path / 'x', f'{text}a.wav,X,1,Male,Train\n', None)
  with pytest.raises(errors.InputError, match='no clip has a label'):
    msp_podcast.read(source)
