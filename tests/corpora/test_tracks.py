"""What a file holds, whatever it is called."""

import sys

import av
import made_media
import numpy as np
import pytest

from empathy.corpora import tracks
from empathy.corpora.importers import folder

_BOTH = {'audio', 'video'}


def _sound(path, codec, rate=48_000):
  with av.open(str(path), 'w') as container:
    stream = container.add_stream(codec, rate=rate, layout='mono')
    stream.bit_rate = 64_000
    tone = made_media.tone(200, 1, rate)[:, 0]
    frame = av.AudioFrame.from_ndarray(tone[None], 'fltp', 'mono')
    frame.sample_rate = rate
    resampler = av.AudioResampler(
      format=stream.format, layout='mono', rate=rate, frame_size=960
    )
    for piece in resampler.resample(frame):
      container.mux(stream.encode(piece))
    container.mux(stream.encode())
  return path


@pytest.mark.parametrize(
  ('name', 'codec'),
  [
    ('a.webm', 'libopus'),  # As browsers record.
    ('a.mka', 'aac'),
    ('a.mp4', 'aac'),
    ('a.mov', 'pcm_s16le'),
    ('a.caf', 'pcm_s16be'),
    ('a.wma', 'wmav2'),
    ('a.ts', 'aac'),
  ],
)
def test_sound_is_sound_in_every_container(tmp_path, name, codec):
  assert tracks.of(_sound(tmp_path / name, codec)) == {'audio'}


def test_films_with_and_without_sound(tmp_path):
  tone = made_media.tone(200, 1)
  for suffix in ('.mp4', '.mkv', '.avi'):
    film = made_media.write_film(tmp_path / f'a{suffix}', 25, sound=tone)
    assert tracks.of(film) == _BOTH
    silent = made_media.write_film(tmp_path / f'b{suffix}', 25)
    assert tracks.of(silent) == {'video'}


def test_the_suffix_tells_where_the_file_cannot(tmp_path, monkeypatch):
  sound = _sound(tmp_path / 'a.webm', 'libopus')
  (tmp_path / 'b.AMR').write_bytes(b'#!AMR\n')
  (tmp_path / 'c.mp4').write_bytes(b'no film')
  (tmp_path / 'd.xyz').write_bytes(b'')
  for _ in range(2):  # PyAV cannot read these, or is not there.
    assert tracks.of(tmp_path / 'b.AMR') == {'audio'}
    assert tracks.of(tmp_path / 'c.mp4') == _BOTH
    assert tracks.of(tmp_path / 'd.xyz') == _BOTH
    monkeypatch.setitem(sys.modules, 'av', None)
  assert tracks.of(sound) == _BOTH


def test_a_folder_lists_what_its_files_have(tmp_path):
  _sound(tmp_path / 'a.webm', 'libopus')
  made_media.write_film(tmp_path / 'b.mp4', 9)
  both = made_media.tone(200, 1)
  made_media.write_film(tmp_path / 'c.mp4', 9, sound=both)
  for names, modalities in (
    (('a.webm', 'a.webm'), ('audio',)),
    (('b.mp4', 'b.mp4'), ('video',)),
    (('a.webm', 'b.mp4', 'c.mp4'), ('audio', 'video')),
  ):
    (tmp_path / 'clips.csv').write_text(
      'id,file,label\n'
      + ''.join(f'{i},{name},{i % 2}\n' for i, name in enumerate(names))
    )
    read = folder.read(tmp_path)
    assert read.modalities == modalities
    for kind, wanted in (('audio', 'ac'), ('video', 'bc')):
      if kind not in modalities:
        assert kind not in read.metadata
        continue
      expected = [
        str((tmp_path / name).resolve()) if name[0] in wanted else ''
        for name in names
      ]
      np.testing.assert_array_equal(read.metadata[kind], expected)
