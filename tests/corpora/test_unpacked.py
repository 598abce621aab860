"""Media that data sets keep within their files."""

import io

import numpy as np
import pytest
import soundfile

from empathy.corpora import unpacked

_FLAC = b'fLaC and so on'


def test_names_are_safe_and_each_clip_has_its_own(tmp_path):
  media = unpacked.Media(tmp_path / 'new')
  clips = [
    *('a', 'A', 'a', 'x/y', '../x/y', 'Zo\u0308e', 'Zo\u00eb', '..', ''),
    *('con', 'a\0b\n', 'é' * 300, 'a.b'),
  ]
  paths = [media.write(clip, _FLAC) for clip in clips]
  names = [path.removeprefix(f'{tmp_path}/new/') for path in paths]
  assert names[:11] == [
    *('a.flac', 'A_2.flac', 'a_3.flac', 'x_y.flac', '_x_y.flac'),
    *('Zöe.flac', 'Zoë.flac', 'clip.flac', 'clip_2.flac', 'con_.flac'),
    'a_b_.flac',
  ]
  assert names[11] == 'é' * 60 + '.flac'
  assert names[12] == 'a.b.flac'
  assert len(list((tmp_path / 'new').iterdir())) == len(clips)


@pytest.mark.parametrize(
  ('format', 'suffix'),
  [
    ('WAV', '.wav'),
    ('FLAC', '.flac'),
    ('OGG', '.ogg'),
    ('MP3', '.mp3'),
    ('AIFF', '.aiff'),
    ('AU', '.au'),
    ('CAF', '.caf'),
  ],
)
def test_the_start_of_a_file_tells_its_kind(format, suffix):
  file = io.BytesIO()
  soundfile.write(file, np.zeros(4000), 16000, format=format)
  assert unpacked.suffix_of(file.getvalue()) == suffix


@pytest.mark.parametrize(
  ('samples', 'subtype'),
  [
    (np.array([0, 1, -32768, 32767]), 'PCM_16'),
    (np.array([0.0, 0.5, -1, 32767 / 32768], np.float32), 'PCM_16'),
    (np.array([[0.0, 0.5], [-1, 0.25], [0.5, 0]], np.float32), 'PCM_16'),
    (np.array([0.0, 0.1, -1.2, 1.1], np.float32), 'FLOAT'),
    (np.array([0, 1, -(2**31), 2**31 - 1]), 'PCM_32'),
  ],
)
def test_samples_come_back_as_they_were(samples, subtype):
  file = io.BytesIO(unpacked.wav(samples, 22050))
  assert soundfile.info(file).subtype == subtype
  file.seek(0)
  found, rate = soundfile.read(file, dtype='float64')
  assert rate == 22050
  if samples.dtype.kind == 'i':
    samples = samples / (2**15 if subtype == 'PCM_16' else 2**31)
  np.testing.assert_array_equal(found, samples)
