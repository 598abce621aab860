import logging

import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import empspeech

HEADER = 'dialog_id,start_time,end_time,filename,transcript,label\n'
TABLES = {
  'train': [
    'd1,0.0,4.5,d1_0,"I see, that is hard",empathetic',
    'd1,4.5,9,d1_1,"It is ""late""\nnow",neutral',
    'd2,0:01:02,1:07.5,d2_0,Hm,neutral',
  ],
  'val': ['d1,9,12,d1_2,Yes,empathetic'],
  'test': ['d3,1,2,d3_0,So sorry,empathetic'],
}


@pytest.fixture
def source(tmp_path):
  folder = tmp_path / 'published'
  for name, rows in TABLES.items():
    write(folder / f'{name}.csv', HEADER + '\n'.join(rows) + '\n')
  for name in ('d1_0', 'd1_1', 'd2_0', 'd1_2', 'd3_0'):
    write(folder / 'audio' / 'all' / f'{name}.wav', 'wav')
    write(folder / 'video' / name[:2] / f'{name}.mp4', 'mp4')
  return folder


def write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding='utf-8')


def faults(source):
  with pytest.raises(errors.InputError) as raised:
    empspeech.read(source)
  return str(raised.value).replace(f'{source}/', '').splitlines()


def test_clips_are_read(source, tmp_path):
  corpus = empspeech.read(source)
  assert corpus.ids.tolist() == ['d1_0', 'd1_1', 'd2_0', 'd1_2', 'd3_0']
  assert corpus.groups.tolist() == ['d1', 'd1', 'd2', 'd1', 'd3']
  assert corpus.classes == ('neutral', 'empathetic')
  assert corpus.labels.tolist() == [1, 0, 0, 1, 1]
  metadata = {name: values.tolist() for name, values in corpus.metadata.items()}
  assert metadata['transcript'][:2] == [
    'I see, that is hard',
    'It is "late"\nnow',
  ]
  assert metadata['dialog_start'] == ['0.0', '4.5', '0:01:02', '9', '1']
  assert metadata['published_split'] == [*['train'] * 3, 'val', 'test']
  assert metadata['audio'][0] == str(source / 'audio' / 'all' / 'd1_0.wav')
  assert metadata['video'][4] == str(source / 'video' / 'd3' / 'd3_0.mp4')
  # Nothing cuts the media again, and the leaking split is not used.
  assert not {'start', 'end', 'split', 'fold'} & metadata.keys()
  assert corpus.split is None
  assert corpus.fold is None
  corpus_lib.write(corpus, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus', None)
  for name, values in metadata.items():
    assert read.metadata[name].tolist() == values
  assert read.votes is None


def test_missing_media_are_counted_not_replaced(source, caplog, monkeypatch):
  # A binary that ran in this process may have turned propagation off.
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  (source / 'audio' / 'all' / 'd1_1.wav').unlink()
  (source / 'video' / 'd3' / 'd3_0.mp4').unlink()
  (source / 'video' / 'd2' / 'd2_0.mp4').unlink()
  with caplog.at_level(logging.WARNING, logger='empathy'):
    corpus = empspeech.read(source)
  assert len(corpus.ids) == 5
  missing = {
    name: corpus.ids[corpus.metadata[name] == ''].tolist()
    for name in ('audio', 'video')
  }
  assert missing == {'audio': ['d1_1'], 'video': ['d2_0', 'd3_0']}
  assert [message[:32] for message in caplog.messages] == [
    '1 of 5 clips have no audio file ',
    '2 of 5 clips have no video file ',
  ]


def test_names_with_points_and_upper_case_suffixes(source):
  name = 'show.s01e02 part 3.5'
  write(source / 'val.csv', f'{HEADER}d1,9,12,{name},Yes,empathetic\n')
  write(source / f'{name}.WAV', 'wav')
  corpus = empspeech.read(source)
  assert corpus.ids[3] == name
  assert corpus.metadata['audio'][3] == str(source / f'{name}.WAV')


def test_faults_of_all_tables_are_named_at_once(source):
  write(
    source / 'train.csv',
    HEADER + ',0,4,d1_0,a,neutral\nd1,soon,9,d1_1,b,\nd2,5,5,d2_0,c,neutral\n',
  )
  write(source / 'val.csv', HEADER + 'd1,9,12,d1_0,Yes,empathetic\n')
  write(
    source / 'test.csv', HEADER.replace(',label', ',labels') + '1,2,3,4,5,6'
  )
  assert faults(source) == [
    "test.csv: column 'label' is missing; found 'dialog_id', 'start_time', "
    "'end_time', 'filename', 'transcript', 'labels'",
    "train.csv:2: column 'dialog_id': is empty",
    "train.csv:3: column 'label': is empty",
    "train.csv:3: column 'start_time': 'soon' is not a time: seconds, m:s or "
    'h:m:s',
    "train.csv:4: column 'end_time': 5 is not after the start, 5",
    "val.csv:2: column 'filename': 'd1_0' is there already, at train.csv:2",
  ]


@pytest.mark.parametrize(
  ('row', 'place'),
  [
    ('d1,0,4,,a,neutral', "2: column 'filename'"),
    ('d1,0,4,a/../b,a,neutral', "2: column 'filename'"),
    ('d1,0,nan,a,a,neutral', "2: column 'end_time'"),
    ('d1,-1,4,a,a,neutral', "2: column 'start_time'"),
    ('d1,0,1:2:3:4,a,a,neutral', "2: column 'end_time'"),
    ('d1,0,4,a,neutral', '2: 5 fields'),
  ],
)
def test_one_fault_has_one_line(source, row, place):
  write(source / 'val.csv', f'{HEADER}{row}\n')
  lines = faults(source)
  assert len(lines) == 1
  assert lines[0].startswith(f'val.csv:{place}')


def test_missing_table_is_named(source):
  (source / 'val.csv').unlink()
  assert faults(source) == ['val.csv: no such file']


def test_two_files_of_one_name_are_not_guessed_between(source):
  write(source / 'other' / 'd1_0.wav', 'wav')
  (line,) = faults(source)
  assert line.startswith('other/d1_0.wav: is there already')


def test_one_class_is_refused(source):
  for name, rows in TABLES.items():
    text = '\n'.join(row.rpartition(',')[0] + ',neutral' for row in rows)
    write(source / f'{name}.csv', HEADER + text + '\n')
  with pytest.raises(errors.InputError, match="only 'neutral'"):
    empspeech.read(source)
