import fractions
import json
import shutil
import subprocess
import sys

import made_media
import numpy as np
import pytest
import soundfile
from scipy import signal

from empathy import errors
from empathy.encoders import media


def test_real_media_are_as_ffprobe_says(shared):
  if shutil.which('ffprobe') is None:
    pytest.skip('ffprobe is not installed')
  clips = [p for p in (shared / 'media').iterdir() if p.suffix != '.md']
  assert len(clips) >= 4
  for path in clips:
    command = ['ffprobe', '-v', 'error', '-count_frames', '-show_streams']
    output = subprocess.run(
      [*command, '-of', 'json', path], capture_output=True, check=True
    ).stdout
    kinds = {s['codec_type']: s for s in json.loads(output)['streams']}
    sound = media.read_sound(path)
    audio = kinds['audio']
    assert sound.file_rate == int(audio['sample_rate'])
    assert sound.channels == audio['channels']
    assert sound.rate == 16_000
    length = len(sound.samples) / sound.rate
    assert length == pytest.approx(float(audio['duration']), abs=1e-3)
    assert np.abs(sound.samples).max() == 1
    if 'video' in kinds:
      film = media.read_pictures(path)
      assert film.count == int(kinds['video']['nb_read_frames'])
      size = (kinds['video']['height'], kinds['video']['width'])
      assert film.frames.shape == (16, *size, 3)
    else:
      with pytest.raises(media.MediaError, match='no track of pictures'):
        media.read_pictures(path)


def test_frames_equal_those_that_ffmpeg_decodes(shared):
  if shutil.which('ffmpeg') is None:
    pytest.skip('ffmpeg is not installed')
  path = shared / 'media' / 'pyfeat_single_face.mp4'
  command = ['ffmpeg', '-v', 'error', '-i', path, '-f', 'rawvideo']
  output = subprocess.run(
    [*command, '-pix_fmt', 'rgb24', '-'], capture_output=True, check=True
  ).stdout
  every = np.frombuffer(output, np.uint8).reshape(-1, 360, 640, 3)
  chosen = np.linspace(0, 71, 16).astype(int)
  frames = media.read_pictures(path).frames
  # Two builds of the scaler may round differently, but not by more.
  difference = np.abs(frames.astype(int) - every[chosen])
  assert difference.max() <= 3


@pytest.mark.parametrize(
  'rate', [8_000, 11_025, 22_050, 44_100, 44_099, 48_000]
)
def test_resampling_keeps_a_tone(tmp_path, rate):
  tone = made_media.tone(440, 1.0, rate)
  path = made_media.write_sound(tmp_path / 'a.wav', tone, rate)
  sound = media.read_sound(path)
  assert len(sound.samples) == 16_000
  expected = made_media.tone(440, 1.0)[:, 0] * 2
  inner = slice(800, -800)
  assert np.abs(sound.samples - expected)[inner].max() < 0.01


@pytest.mark.parametrize('hertz', [8_050, 8_800, 15_000, 23_000])
def test_resampling_leaves_no_alias(tmp_path, hertz):
  high = made_media.tone(hertz, 1.0, 48_000)
  low = made_media.tone(1_000, 1.0, 48_000)
  path = made_media.write_sound(tmp_path / 'a.wav', high + low, 48_000)
  samples = media.read_sound(path).samples[1_000:-1_000]
  frequency, power = signal.periodogram(samples, 16_000, 'blackmanharris')
  main = power[np.abs(frequency - 1_000) < 20].sum()
  other = power[np.abs(frequency - 1_000) > 50].sum()
  assert 10 * np.log10(other / main) < -85


def test_channels_are_averaged(tmp_path):
  tone = made_media.tone(300, 0.5)
  both = np.concatenate([tone, 0 * tone, -0.5 * tone], axis=1)
  path = made_media.write_sound(tmp_path / 'a.wav', both)
  sound = media.read_sound(path, normalise=False)
  np.testing.assert_allclose(sound.samples, tone[:, 0] / 6, atol=1e-6)
  assert sound.channels == 3


def test_one_in_eight_channels_through_another_decoder(tmp_path):
  tone = made_media.tone(300, 0.5)
  eight = np.concatenate([tone, *[0 * tone] * 7], axis=1)
  path = tmp_path / 'a.w64'  # Which is not left to soundfile.
  soundfile.write(path, eight, 16_000, 'FLOAT')
  sound = media.read_sound(path, normalise=False)
  np.testing.assert_allclose(sound.samples, tone[:, 0] / 8, atol=1e-6)


@pytest.mark.parametrize('suffix', ['.wav', '.flac', '.w64', '.mp4', '.mkv'])
def test_a_part_of_a_longer_sound(tmp_path, suffix):
  rate = 16_000
  # A chirp: its frequency says where in it one is.
  time = np.arange(8 * rate) / rate
  chirp = (0.5 * signal.chirp(time, 200, 8, 3_000)).astype(np.float32)[:, None]
  path = tmp_path / f'a{suffix}'
  if suffix in ('.mp4', '.mkv'):
    made_media.write_film(path, 200, 25, sound=chirp)
  elif suffix == '.w64':
    soundfile.write(path, chirp, rate, 'FLOAT')
  else:
    made_media.write_sound(path, chirp, rate)
  part = media.read_sound(path, rate, 5.25, 6.75, normalise=False).samples
  assert len(part) == 1.5 * rate
  expected = chirp[round(5.25 * rate) : round(6.75 * rate), 0]
  shift = signal.correlate(part, expected, method='fft').argmax()
  # Containers keep times in milliseconds.
  assert abs(shift - (len(expected) - 1)) <= (16 if suffix == '.mkv' else 0)
  if suffix in ('.wav', '.w64'):
    np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize('suffix', ['.wav', '.w64', '.mkv'])
def test_what_goes_on_after_so_many_seconds_is_cut(tmp_path, suffix):
  tone = made_media.tone(200, 4)
  path = tmp_path / f'a{suffix}'
  if suffix == '.mkv':
    made_media.write_film(path, 100, 25, sound=tone)
  else:
    soundfile.write(path, tone, 16_000, 'FLOAT')
  for start, end, seconds, lasts, is_cut in (
    (0, None, None, 4, False),
    (0, None, 3, 3, True),
    (0, None, 3.9, 3.9, False),  # Only a tenth of a second is lost.
    (1.5, None, 3, 2.5, False),
    (0.5, 3.0, 2, 2, True),
    (0.5, 3.0, 2.5, 2.5, False),  # The file goes on, but not the clip.
    (0.5, 3.0, 2.4, 2.4, False),
    (0.5, 3.0, 9, 2.5, False),
  ):
    sound = media.read_sound(path, None, start, end, seconds)
    # AAC has packets of 64 ms.
    assert len(sound.samples) / 16_000 == pytest.approx(
      lasts, abs=0.07 if suffix == '.mkv' and end is None else 1e-4
    )
    assert sound.is_cut == is_cut, (start, end, seconds)
    if suffix == '.mkv':
      film = media.read_pictures(path, 16, start, end, seconds)
      assert film.count == pytest.approx(25 * lasts, abs=1)
      assert film.is_cut == is_cut, (start, end, seconds)


# A second with 30 pictures, then two a second; number 30 is there at 1.0 s.
_UNEVEN = [*(i / 30 for i in range(31)), 1.5, 2.0, 2.5, 3.0, 3.5]


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_frames_are_even_in_time(tmp_path, suffix):
  path = made_media.write_film(tmp_path / f'a{suffix}', 36, 30, times=_UNEVEN)

  def shown(*part):
    frames = media.read_pictures(path, *part).frames
    return [made_media.level(frame) for frame in frames]

  # Every 7/30 s, as on the screen then: for 1.1667 s that of 1.0 s, ...
  first, then = [0, 7, 14, 21, 28], [30, 30, 31, 31, 32, 32, 33, 33, 34, 34, 35]
  assert shown(16) == first + then
  # 1.2 to 2.8 s: at 1.2 that of 1.0 is there, at 1.85 that of 1.5, at 2.5 it.
  assert shown(3, 1.2, 2.8) == [30, 31, 33]
  # Nothing moves from 3.0 to before 3.5 s: one picture stands all the time.
  assert shown(3, 3.1, 3.4) == [34] * 3
  # Fewer than wanted, from 0.9 to 2.0 s: every 0.1375 s.
  assert shown(9, 0.9, 2.1) == [27, 30, 30, 30, 30, 31, 31, 31, 32]


@pytest.mark.parametrize('decimals', [3, 9])  # Some files keep thousandths.
def test_at_a_constant_rate_even_in_time_is_even_in_number(decimals):
  for rate in (10, 12.5, 24, 25, 30_000 / 1_001, 30, 50):
    for count in range(2, 400, 7):
      times = [round(i / rate, decimals) for i in range(count)]
      chosen, _ = media._evenly(times, 16, 0.0, count / rate)
      expected = np.minimum(np.arange(16), count - 1)
      if count >= 16:
        expected = np.linspace(0, count - 1, 16).astype(int)
      np.testing.assert_array_equal(chosen, expected, f'{rate}, {count}')


def test_a_picture_that_stands_to_the_end_is_shown_so_long(tmp_path):
  times = [*(i / 10 for i in range(10)), 5.0]
  path = made_media.write_film(tmp_path / 'a.mkv', 11, 10, times=times)
  # From 0 to 4 s: after 0.9 s nothing moves.
  film = media.read_pictures(path, 5, 0.0, 4.0)
  assert [made_media.level(x) for x in film.frames] == [0, 9, 9, 9, 9]
  np.testing.assert_allclose(film.times, [0, 1, 2, 3, 4])
  with pytest.raises(media.MediaError, match='no pictures from 6 s on'):
    media.read_pictures(path, 5, 6.0)


def test_a_track_that_is_shorter_than_others_is_not_cut(tmp_path):
  tone = made_media.tone(200, 3)
  for suffix in ('.mkv', '.mp4'):
    film = tmp_path / f'film{suffix}'
    made_media.write_film(film, 100, 25, sound=tone)  # 4 s and 3 s.
    assert len(media.read_sound(film).samples) >= 3 * 16_000
    assert media.read_pictures(film).count == 100
    # The clip is as long as its file, though its sound is not.
    assert len(media.read_sound(film, end=4.0).samples) >= 3 * 16_000
    with pytest.raises(media.MediaError, match='to last until 5 s'):
      media.read_sound(film, end=5.0)
    sound = tmp_path / f'sound{suffix}'
    made_media.write_film(sound, 50, 25, sound=tone)  # 2 s and 3 s.
    assert media.read_pictures(sound).count == 50
    assert media.read_pictures(sound, end=3.0).count == 50


def test_sound_that_begins_late_is_not_cut(tmp_path):
  path = tmp_path / 'a.mkv'
  made_media.write_film(
    path, 100, 25, sound=made_media.tone(200, 2), sound_start=2.0
  )
  sound = media.read_sound(path, None, 0.0, 4.0)
  assert len(sound.samples) / 16_000 == pytest.approx(2, abs=0.1)
  assert media.read_pictures(path, end=4.0).count == 100


def test_channels_that_cancel_each_other_are_heard(tmp_path):
  tone = made_media.tone(300, 0.5)
  for left, right, expected in (
    (-0.9, 1.0, tone[:, 0]),  # Crossed wires.
    (1.0, -1.0, tone[:, 0]),
    (1.0, 0.0, tone[:, 0] / 2),  # One side only.
    (1.0, -0.5, tone[:, 0] / 4),
  ):
    both = np.concatenate([left * tone, right * tone], axis=1)
    path = made_media.write_sound(tmp_path / 'a.wav', both)
    samples = media.read_sound(path, normalise=False).samples
    np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_wide_pictures_that_are_kept_narrow_are_stretched(tmp_path):
  picture = np.zeros((48, 64, 3), np.uint8)
  picture[:, 32:] = 255
  for ratio, width in ((fractions.Fraction(2), 128), (None, 64)):
    path = made_media.write_film(
      tmp_path / 'a.mp4', 3, picture=picture, ratio=ratio
    )
    frame = media.read_pictures(path).frames[0]
    assert frame.shape == (48, width, 3)
    assert frame[:, : width // 2 - 2].max() < 30
    assert frame[:, width // 2 + 2 :].min() > 225


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.avi'])
def test_frames_are_evenly_spaced(tmp_path, suffix):
  path = made_media.write_film(tmp_path / f'a{suffix}', 31, 25)
  film = media.read_pictures(path)
  assert film.count == 31
  levels = [made_media.level(frame) for frame in film.frames]
  assert levels == list(range(0, 31, 2))
  np.testing.assert_allclose(film.times, np.arange(0, 31, 2) / 25, atol=1e-3)
  # From 0.4 s (frame 10) to before 0.8 s (frame 20), and the last again.
  film = media.read_pictures(path, 16, 0.4, 0.8)
  levels = [made_media.level(frame) for frame in film.frames]
  assert levels == [*range(10, 20), *[19] * 6]
  times = [*np.arange(10) / 25, *[9 / 25] * 6]  # From the clip's beginning.
  np.testing.assert_allclose(film.times, times, atol=1e-3)


def test_a_part_late_in_a_film(tmp_path):
  path = made_media.write_film(tmp_path / 'a.mp4', 60, 10)
  levels = [
    made_media.level(frame)
    for frame in media.read_pictures(path, 8, 4.0, 4.8).frames
  ]
  assert levels == list(range(40, 48))
  film = media.read_pictures(path, 8, 2.0, seconds=2.0)
  assert film.count == 20
  assert made_media.level(film.frames[0]) == 20
  assert made_media.level(film.frames[-1]) == 39


def test_a_clip_beyond_the_end_is_named(tmp_path):
  sound = made_media.tone(200, 2)
  path = made_media.write_film(tmp_path / 'a.mp4', 50, 25, sound=sound)
  for read in (media.read_sound, media.read_pictures):
    with pytest.raises(media.MediaError, match='to last until 4 s'):
      read(path, start=1.0, end=4.0)
    with pytest.raises(media.MediaError, match='from 5 s on'):
      read(path, start=5.0, end=6.0)
  path = made_media.write_sound(tmp_path / 'a.wav', sound)
  with pytest.raises(media.MediaError, match='to last until 4 s'):
    media.read_sound(path, start=1.0, end=4.0)


def test_the_cover_of_a_song_is_no_film(tmp_path):
  if shutil.which('ffmpeg') is None:
    pytest.skip('ffmpeg is not installed')
  tone = made_media.write_sound(tmp_path / 'a.wav', made_media.tone(200, 1))
  cover = made_media.write_film(tmp_path / 'a.avi', 1)
  command = ['ffmpeg', '-v', 'error', '-i', tone, '-i', cover]
  command += ['-map', '0', '-map', '1']
  song = tmp_path / 'song.mp3'
  subprocess.run(
    [
      *command,
      *['-map', '1', '-c:v', 'mjpeg', '-disposition:v', 'attached_pic'],
      song,
    ],
    check=True,
  )
  assert len(media.read_sound(song).samples) > 15_000
  with pytest.raises(media.MediaError, match='no track of pictures'):
    media.read_pictures(song)


def test_a_playlist_leads_to_no_other_file(tmp_path):
  made_media.write_sound(tmp_path / 'secret.wav', made_media.tone(200, 1))
  for name, text in (
    ('a.mp4', "ffconcat version 1.0\nfile 'secret.wav'\n"),
    ('b.mp4', '#EXTM3U\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n'),
  ):
    (tmp_path / name).write_text(text)
    with pytest.raises(media.MediaError, match=r'list of other|no media file'):
      media.read_sound(tmp_path / name)


@pytest.mark.parametrize('module', ['av', 'soundfile', 'PIL'])
def test_a_missing_extra_is_named(monkeypatch, module):
  monkeypatch.setitem(sys.modules, module, None)
  with pytest.raises(errors.InputError, match=r'empathy\[media\]') as raised:
    media.require()
  assert str(raised.value).startswith(f'{module} is missing')


@pytest.mark.parametrize('angle', [90, 180, 270])
def test_pictures_are_upright_as_ffmpeg_shows_them(tmp_path, angle):
  if shutil.which('ffmpeg') is None:
    pytest.skip('ffmpeg is not installed')
  half = np.zeros((48, 64, 3), np.uint8)
  half[:20, :20] = 255  # A white corner says which way is up.
  plain, turned = tmp_path / 'a.mp4', tmp_path / 'b.mp4'
  made_media.write_film(plain, 3, picture=half)
  quiet = ['ffmpeg', '-v', 'error']
  copy = ['-c', 'copy', turned]
  result = subprocess.run(
    [*quiet, '-display_rotation', str(angle), '-i', plain, *copy], check=False
  )
  if result.returncode:  # Before version 6.
    rotate = ['-metadata:s:v', f'rotate={angle}']
    subprocess.run([*quiet, '-i', plain, *rotate, *copy], check=True)
  raw = subprocess.run(
    [*quiet, '-i', turned, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'],
    capture_output=True,
    check=True,
  ).stdout
  frame = media.read_pictures(turned).frames[0]
  assert frame.shape == ((48, 64, 3) if angle == 180 else (64, 48, 3))
  expected = np.frombuffer(raw, np.uint8)[: frame.size].reshape(frame.shape)
  assert np.abs(frame.astype(int) - expected).mean() < 2
