import logging

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import meld

_HEADER = (
  'Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,'
  'Episode,StartTime,EndTime\n'
)
_TABLES = {
  'train': _HEADER
  + '1,"also I was the point person\x92s",Chandler,neutral,neutral,0,0,8,21,'
  '"00:16:16,059","00:16:21,731"\n'
  + '2,Oh\x85 you!,The Interviewer,surprise,positive,0,1,8,21,"00:16:21,940",'
  '"00:16:23,442"\n'
  + '3,No.,Joey,sadness,negative,1,0,9,23,"00:10:20,100","0:10:21,4"\n',
  'dev': _HEADER + '1,Wow,Ross,joy,positive,0,0,4,7,0:00:01,0:00:02\n',
  'test': _HEADER + '1,Ugh,Monica,disgust,negative,0,0,4,7,0:00:01,0:00:02\n',
}


def write(folder, **changes):
  folder.mkdir()
  for part, text in (_TABLES | changes).items():
    (folder / f'{part}_sent_emo.csv').write_bytes(text.encode('utf-8'))
  return folder


@pytest.fixture
def said(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  return lambda: ' | '.join(caplog.messages)


def test_tables_and_films_become_a_corpus(tmp_path, said):
  source = write(tmp_path / 'meld')
  for name in (
    'train_splits/dia0_utt0.mp4',
    'train_splits/._dia0_utt1.mp4',
    'dev/dev_splits_complete/dia0_utt0.mp4',
    'output_repeated_splits_test/dia0_utt0.mp4',
    'output_repeated_splits_test/final_videos_testdia0_utt0.mp4',
  ):
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_bytes(b'.')
  corpus_lib.write(meld.read(source), tmp_path / 'corpus')
  assert corpus_lib.label_names(tmp_path / 'corpus') == ('emotion', 'sentiment')
  corpus = corpus_lib.read(tmp_path / 'corpus', label='emotion')
  assert corpus.ids.tolist() == [
    'train_dia0_utt0',
    'train_dia0_utt1',
    'train_dia1_utt0',
    'dev_dia0_utt0',
    'test_dia0_utt0',
  ]
  assert corpus.groups.tolist() == [
    *('train_dia0', 'train_dia0', 'train_dia1', 'dev_dia0', 'test_dia0')
  ]
  assert corpus.split.tolist() == ['train'] * 3 + ['val', 'test']
  assert np.array(corpus.classes)[corpus.labels].tolist() == [
    *('neutral', 'surprise', 'sadness', 'joy', 'disgust')
  ]
  told = corpus.metadata
  assert told['transcript'].tolist()[:2] == [
    'also I was the point person’s', 'Oh… you!'
  ]  # fmt: skip
  assert told['video'].tolist() == [
    str(source / 'train_splits/dia0_utt0.mp4'),
    '',
    '',
    str(source / 'dev/dev_splits_complete/dia0_utt0.mp4'),
    str(source / 'output_repeated_splits_test/dia0_utt0.mp4'),
  ]
  assert told['audio'].tolist() == told['video'].tolist()
  assert told['episode_start'][0] == '00:16:16,059'
  assert 'start' not in told
  assert told['speaker'][1] == 'The Interviewer'
  assert '2 utterances without a film' in said()
  sentiment = corpus_lib.read(tmp_path / 'corpus', label='sentiment')
  assert sentiment.info['ordered'] is True
  assert sentiment.labels.tolist() == [1, 2, 0, 2, 0]


def test_words_alone(tmp_path):
  corpus = meld.read(write(tmp_path / 'meld'))['emotion']
  assert corpus.modalities == ('text',)
  assert 'video' not in corpus.metadata


def _drop(column):
  return (f'{column},', f'x{column},', f"column '{column}' is missing")


_MUTATIONS = {
  'empty': (_TABLES['train'], '', 'is empty; expected the columns'),
  'a header alone': (_TABLES['train'][len(_HEADER) :], '', 'has no rows'),
  **{
    f'no column {name}': _drop(name)
    for name in (
      *('Utterance', 'Speaker', 'Emotion', 'Sentiment', 'Dialogue_ID'),
      *('Utterance_ID', 'StartTime'),
    )
  },
  'no column EndTime': ('EndTime\n', 'Ends\n', "column 'EndTime' is missing"),
  'an emotion of no class': (',sadness,', ',rage,', "'rage' is not one of"),
  'a sentiment of no class': (',negative,', ',bad,', "'bad' is not one of"),
  'a number that is none': (',1,0,9', ',one,0,9', "'one' is not a number 0, 1"),
  'a number below nought': (',1,0,9', ',-1,0,9', "'-1' is not a number 0, 1"),
  'a number with a fraction': (',1,0,9', ',1,0.5,9', "'0.5' is not a number"),
  'no number': (',1,0,9', ',1,,9', "'Utterance_ID': '' is not a number"),
  'thousands': (',1,0,9', ',"1,000",0,9', "'1,000' is not a number"),
  'an utterance twice': (
    ',0,1,8',
    ',0,0,8',
    "'train_dia0_utt0' is there already",
  ),
  'a time of no kind': ('0:10:21,4', 'soon', "'soon' is not a time, as 00:01"),
  'a time of 75 seconds': ('0:10:21,4', '0:10:75', "'0:10:75' is not a time"),
  'a time below nought': ('0:10:21,4', '-1', "'-1' is not a time"),
  'a field more': ('Joey,', 'Joey,x,', ':4: 12 fields; the header has 11'),
  'a field less': ('Joey,', '', ':4: 10 fields; the header has 11 columns'),
  'a quote left open': ('3,No.', '3,"No.', 'is not CSV'),
  'a zero byte': (',No.,', ',N\0o.,', ':4: a zero byte'),
  'a column twice': ('Sr No.', 'Speaker', "column 'Speaker' is there twice"),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  old, new, message = _MUTATIONS[name]
  assert old in _TABLES['train']
  text = _TABLES['train'].replace(old, new, 1)
  source = write(tmp_path / 'meld', train=text)
  with pytest.raises(errors.InputError) as caught:
    meld.read(source)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{source / "train_sent_emo.csv"}:')
  assert message in line


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    (['films/dia0_utt0.mp4'], 'is it of train, dev or test? No folder says it'),
    (
      ['train/a/dia0_utt0.mp4', 'train/b/dia0_utt0.mp4'],
      'is there already, as',
    ),
    (
      [f'x/dia{i}_utt0.mp4' for i in range(40)],
      'No folder says it (40 times',
    ),
  ],
)
def test_films_of_no_part_are_told_once(tmp_path, names, message):
  source = write(tmp_path / 'meld')
  for name in names:
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_bytes(b'.')
  with pytest.raises(errors.InputError) as caught:
    meld.read(source)
  (line,) = str(caught.value).splitlines()
  assert message in line


def test_a_table_is_missing(server, tmp_path):
  source = write(tmp_path / 'meld')
  (source / 'dev_sent_emo.csv').unlink()
  done = server.run(
    'prepare', '--importer=meld', '--source=meld', '--output=c', cwd=tmp_path
  )
  assert done.status == 2
  assert done.err == 'error: meld/dev_sent_emo.csv: no such file\n'
  assert [path.name for path in tmp_path.iterdir()] == ['meld']
