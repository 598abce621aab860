import csv
import json
import pathlib
import shutil

import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import crema_d

SHARED = pathlib.Path(__file__).parents[3] / 'shared'
RAW = SHARED / 'raw' / 'crema_d'
REFERENCE = SHARED / 'corpora' / 'crema_d'

pytestmark = pytest.mark.skipif(
  not RAW.is_dir(), reason='needs the published files of CREMA-D'
)


def rows(path):
  with open(path, encoding='utf-8', newline='') as file:
    return sorted(
      tuple(sorted(row.items())) for row in csv.DictReader(file, strict=True)
    )


@pytest.fixture
def raw(tmp_path):
  """A copy of the published files that may be damaged."""
  shutil.copytree(RAW, tmp_path / 'raw', copy_function=shutil.copyfile)
  for folder in (tmp_path / 'raw', tmp_path / 'raw' / 'processedResults'):
    folder.chmod(0o755)
  return tmp_path / 'raw'


def replace(path, old, new):
  text = path.read_text()
  assert old in text
  path.write_text(text.replace(old, new, 1))


def faults(source):
  with pytest.raises(errors.InputError) as raised:
    crema_d.read(source)
  return str(raised.value).splitlines()


@pytest.mark.skipif(not REFERENCE.is_dir(), reason='needs the prepared CREMA-D')
def test_clips_and_votes_equal_the_prepared_corpus(tmp_path):
  corpus_lib.write(crema_d.read(RAW), tmp_path / 'corpus')
  for name in ('clips.csv', 'votes.csv'):
    assert rows(tmp_path / 'corpus' / name) == rows(REFERENCE / name)
  info = json.loads((tmp_path / 'corpus' / 'corpus.json').read_text())
  reference = json.loads((REFERENCE / 'corpus.json').read_text())
  assert info == reference | {'label_source': 'intended'}


def test_it_can_be_read_back(tmp_path):
  corpus = crema_d.read(RAW)
  assert len(corpus.ids) == 7442
  assert corpus.votes.count.sum() == 212_000
  corpus_lib.write(corpus, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus', None)
  assert (read.vote_counts() == corpus.vote_counts()).all()
  assert dict(
    zip(*map(list, (read.split, read.groups)), strict=True)
  ).keys() == {'train', 'val', 'test'}
  for group in set(read.groups.tolist()):
    assert len(set(read.split[read.groups == group])) == 1


def test_media_are_found_where_they_are(raw):
  assert 'audio' not in crema_d.read(raw).metadata
  (raw / 'AudioWAV').mkdir()
  path = raw / 'AudioWAV' / '1001_DFA_ANG_XX.wav'
  path.write_bytes(b'RIFF')
  audio = crema_d.read(raw).metadata['audio']
  assert audio[0] == str(path.resolve())
  assert set(audio[1:]) == {''}


def test_faults_of_the_clips_are_named(raw):
  path = raw / 'SentenceFilenames.csv'
  replace(path, '"1001_IEO_NEU_XX"', '"1001_IEO_BAD_XX"')
  replace(path, '"1001_IEO_SAD_LO"', '"1001_IEO_SAD_MD"')
  replace(path, '\n9,', '\nnine,')
  assert faults(raw) == [
    f"{path}:10: column 'Stimulus_Number': 'nine' is not the number of a clip",
    f"{path}:2: column 'Filename': '1001_IEO_BAD_XX' is not "
    'actor_sentence_emotion_level, as in 1001_DFA_ANG_XX',
    f"{path}:7: column 'Filename': '1001_IEO_SAD_MD' is there already",
  ]


def test_faults_of_the_votes_are_named(raw):
  path = raw / 'processedResults' / 'tabulatedVotes.csv'
  replace(path, '"100001",0,0,0,1,10,', '"100001",0,0,0,-1,10,')
  replace(path, '"100002"', '"400002"')
  replace(path, '"1001_IEO_HAP_MD",11', '"1001_IEO_HAP_MD",12')
  replace(path, '"1001_IEO_HAP_HI"', '"1001_IEO_HAP_XH"')
  lines = faults(raw)
  places = [line.removeprefix(f'{path}:').split(': ')[:2] for line in lines]
  assert places == [
    ['2', "column 'H'"],
    ['3', "column ''"],
    ['4', "column 'numResponses'"],
    ['5', "column 'fileName'"],
  ]


def test_a_missing_row_and_a_missing_file_are_named(raw):
  path = raw / 'processedResults' / 'tabulatedVotes.csv'
  lines = path.read_text().splitlines(keepends=True)
  path.write_text(''.join(lines[:1] + lines[2:]))
  assert faults(raw) == [
    f"{path}: column '': 100000 + 1 is missing: 1001_IEO_NEU_XX has no votes "
    'on audio'
  ]
  path.unlink()
  assert faults(raw) == [f'{path}: no such file']
