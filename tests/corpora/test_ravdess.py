import csv

import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import ravdess


def touch(source, name, suffix, below='.'):
  folder = source / below / f'Actor_{name[-2:]}'
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / f'{name}{suffix}'
  path.write_bytes(b'.')
  return path


def test_clips_equal_the_prepared_corpus(shared, tmp_path):
  path = shared / 'corpora' / 'ravdess' / 'clips.csv'
  with open(path, encoding='utf-8', newline='') as file:
    expected = list(csv.DictReader(file))
  source = tmp_path / 'source'
  for row in expected:
    touch(source, '03' + row['id'][2:], '.wav', 'Audio_Speech_Actors_01-24')
    touch(source, row['id'], '.mp4', f'Video_Speech_Actor_{row["id"][-2:]}')
  corpus_lib.write(ravdess.read(source), tmp_path / 'corpus')
  with open(tmp_path / 'corpus/clips.csv', encoding='utf-8') as file:
    rows = {row['id']: row for row in csv.DictReader(file)}
  assert len(rows) == len(expected) == 1440
  for row in expected:
    del row['duration']  # Which is not in the names.
    found = rows[row['id']]
    audio, video = found.pop('audio'), found.pop('video')
    assert found == row
    assert audio.endswith(f'03{row["id"][2:]}.wav')
    assert video.endswith(f'{row["id"]}.mp4')
  corpus = corpus_lib.read(tmp_path / 'corpus')
  reference = corpus_lib.read(path.parent)
  assert corpus.info == reference.info | {'label_source': 'intended'}


def test_takes_are_one_clip_and_song_is_none(tmp_path):
  name = '01-05-02-01-01-12'
  both = touch(tmp_path, f'01-{name}', '.mp4')
  touch(tmp_path, f'02-{name}', '.mp4')
  mute = touch(tmp_path, '02-01-03-01-01-01-12', '.mp4')
  touch(tmp_path, '03-02-05-02-01-01-12', '.wav')
  corpus = ravdess.read(tmp_path)
  assert corpus.ids.tolist() == ['01-01-03-01-01-01-12', f'01-{name}']
  # Without the take of sound alone, the sound is that of the film.
  assert corpus.metadata['audio'].tolist() == ['', str(both)]
  assert corpus.metadata['video'].tolist() == [str(mute), str(both)]
  assert corpus.fold is None  # One actor makes no folds.
  assert [corpus.classes[i] for i in corpus.labels] == ['happy', 'angry']


def test_faults_are_named(tmp_path):
  with pytest.raises(errors.InputError, match='no Actor_XX'):
    ravdess.read(tmp_path)
  bad = [
    touch(tmp_path, '03-01-09-01-01-01-12', '.wav'),
    touch(tmp_path, '03-01-01-01-01-01-99', '.wav'),
    touch(tmp_path, 'take-12', '.wav'),
  ]
  moved = touch(tmp_path, '03-01-01-01-01-01-12', '.wav')
  (tmp_path / 'Actor_13').mkdir()
  moved = moved.rename(tmp_path / 'Actor_13' / moved.name)
  for below in ('a', 'b'):
    twice = touch(tmp_path, '03-01-01-01-01-01-11', '.wav', below)
  with pytest.raises(errors.InputError) as raised:
    ravdess.read(tmp_path)
  lines = str(raised.value).splitlines()
  assert len(lines) == 5
  for path in (*bad, moved, twice):
    assert sum(line.startswith(f'{path}: ') for line in lines) == 1
