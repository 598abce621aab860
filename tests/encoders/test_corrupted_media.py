"""A hundred files that are wrong in some way: each is used or named."""

import shutil

import av
import made_media
import numpy as np
import pytest
import soundfile

from empathy.encoders import media

_RANDOM = np.random.default_rng(0)


@pytest.fixture(scope='module')
def good(tmp_path_factory):
  """Good files, by their suffix."""
  folder = tmp_path_factory.mktemp('good')
  sound = made_media.tone(200, 1.2)
  made = {
    suffix: made_media.write_sound(folder / f'good{suffix}', sound)
    for suffix in ('.wav', '.flac')
  }
  for suffix in ('.mp4', '.mkv', '.avi'):
    made[suffix] = made_media.write_film(
      folder / f'good{suffix}', 30, 25, sound=sound
    )
  return made


def outcome(read, path):
  """'used', or why not; anything else than a `MediaError` fails the test."""
  try:
    result = read(path)
  except media.MediaError as error:
    return told(str(error))
  if isinstance(result, media.Sound):
    assert np.isfinite(result.samples).all()
    assert np.abs(result.samples).max() == 1
    assert result.samples.dtype == np.float32
  else:
    assert result.frames.shape[0] == 16
    assert result.frames.dtype == np.uint8
  return 'used'


def told(reason):
  assert len(reason.strip().splitlines()) == 1
  return reason


def both(path):
  return outcome(media.read_sound, path), outcome(media.read_pictures, path)


# 5 kinds x 10 places.
@pytest.mark.parametrize('suffix', ['.wav', '.flac', '.mp4', '.mkv', '.avi'])
def test_cut_files_are_named(good, tmp_path, suffix):
  content = good[suffix].read_bytes()
  for share in (0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
    path = tmp_path / f'cut_{share}{suffix}'
    path.write_bytes(content[: int(share * len(content))])
    results = both(path)
    # An avi says nowhere how long its tracks are, once its end is gone.
    if suffix != '.avi' or share < 0.01:
      assert 'used' not in results, (path.name, results)
    if share == 0:
      assert results == ('is empty: 0 bytes',) * 2


def test_files_cut_at_their_index_are_named(tmp_path):
  """With its index in front, a film can be opened however little is left."""
  sound = made_media.tone(200, 3)
  path = made_media.write_film(
    tmp_path / 'a.mp4', 75, 25, sound=sound, movflags='faststart'
  )
  content = path.read_bytes()
  for share in (0.5, 0.6, 0.7, 0.8):
    path.write_bytes(content[: int(share * len(content))])
    assert 'used' not in both(path)


# 5 kinds x 4 places.
@pytest.mark.parametrize('suffix', ['.wav', '.flac', '.mp4', '.mkv', '.avi'])
def test_overwritten_files_are_used_or_named(good, tmp_path, suffix):
  content = bytearray(good[suffix].read_bytes())
  for number in range(4):
    damaged = bytearray(content)
    start = number * len(content) // 4
    noise = _RANDOM.integers(0, 256, len(content) // 8, np.uint8)
    damaged[start : start + len(noise)] = noise.tobytes()
    path = tmp_path / f'noise_{number}{suffix}'
    path.write_bytes(damaged)
    results = both(path)
    if number == 0:  # Not even the beginning is left.
      assert 'used' not in results, results


@pytest.mark.parametrize('suffix', ['.wav', '.flac', '.mp4', '.mkv', '.mp3'])
@pytest.mark.parametrize(
  'content',
  [bytes(5_000), b'RIFF\xff\xff\xff\xffWAVE', b'hello, world\n' * 100],
  ids=['zeros', 'riff', 'text'],
)
def test_other_things_are_named(tmp_path, suffix, content):
  path = tmp_path / f'other{suffix}'
  path.write_bytes(content)
  assert 'used' not in both(path)


@pytest.mark.parametrize('kind', ['.wav', '.flac', '.mp4', '.mkv', '.avi'])
def test_a_wrong_suffix_does_not_matter(good, tmp_path, kind):
  path = tmp_path / ('wrong.mp4' if kind in ('.wav', '.flac') else 'wrong.wav')
  shutil.copyfile(good[kind], path)
  expected = both(good[kind])
  assert expected[0] == 'used'
  assert both(path) == expected


def test_tracks_that_are_not_there_are_named(tmp_path):
  film = made_media.write_film(tmp_path / 'silent.mp4')
  assert both(film) == ('has no track of sound', 'used')
  sound = made_media.write_film(
    tmp_path / 'blind.mp4', 0, sound=made_media.tone(200, 1)
  )
  assert both(sound) == ('used', 'has no track of pictures')


def test_a_track_without_frames_is_named(tmp_path):
  path = tmp_path / 'empty.avi'
  with av.open(str(path), 'w') as container:
    film = container.add_stream('mpeg4', rate=25)
    film.height, film.width, film.pix_fmt = 48, 64, 'yuv420p'
    container.start_encoding()
  assert 'used' not in both(path)


def test_what_is_missing_is_named(tmp_path):
  (tmp_path / 'folder.wav').mkdir()
  for name in ('missing.wav', 'folder.wav'):
    assert both(tmp_path / name) == ('no such file',) * 2


@pytest.mark.parametrize(
  ('samples', 'rate', 'expected'),
  [
    (np.zeros((0, 1)), 16_000, 'has 0 samples at 16000 Hz'),
    (np.ones((1, 1)), 16_000, 'has 1 samples at 16000 Hz'),
    (np.ones((399, 1)), 16_000, 'has 399 samples at 16000 Hz'),
    (np.zeros((16_000, 2)), 16_000, 'is silent'),
    (np.array([[1.0, -1.0]] * 16_000), 16_000, 'used'),
    (np.full((16_000, 1), np.nan), 16_000, 'no finite numbers'),
    (np.full((16_000, 1), np.inf), 16_000, 'no finite numbers'),
    (np.full((999, 1), 0.5), 1, 'has 1 samples a second'),
    (np.full((999, 1), 0.5), 2_000_000, 'has 2000000 samples a second'),
    (made_media.tone(100, 1, 1_000), 1_000, 'used'),
    (made_media.tone(100, 1, 44_099), 44_099, 'used'),
    (made_media.tone(100, 1, 12_347, 8), 12_347, 'used'),
    (made_media.tone(100, 1, 384_000), 384_000, 'used'),
    (made_media.tone(100, 1, 16_000, 64), 16_000, 'used'),
  ],
)
def test_odd_sounds(tmp_path, samples, rate, expected):
  path = made_media.write_sound(tmp_path / 'odd.wav', samples, rate)
  assert expected in outcome(media.read_sound, path)


@pytest.mark.parametrize('num_frames', [1, 2, 15])
def test_short_films_are_used(tmp_path, num_frames):
  path = made_media.write_film(tmp_path / 'a.mp4', num_frames)
  assert outcome(media.read_pictures, path) == 'used'
  assert media.read_pictures(path).count == num_frames


def test_sound_that_was_piped_has_no_length(tmp_path):
  path = tmp_path / 'a.wav'
  soundfile.write(path, made_media.tone(200, 1), 16_000, 'PCM_16')
  content = bytearray(path.read_bytes())
  content[4:8] = content[40:44] = b'\xff' * 4
  path.write_bytes(content)
  assert outcome(media.read_sound, path) == 'used'
