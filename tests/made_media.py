"""Small media files that tests make."""

import fractions
import pathlib
from collections.abc import Sequence

import av
import numpy as np
import soundfile


def tone(
  hertz: float, seconds: float, rate: int = 16_000, channels: int = 1
) -> np.ndarray:
  """(n, channels) float32, of amplitude a half."""
  time = np.arange(round(seconds * rate)) / rate
  return np.repeat(
    0.5 * np.sin(2 * np.pi * hertz * time)[:, None], channels, 1
  ).astype(np.float32)


def write_sound(
  path: pathlib.Path, samples: np.ndarray, rate: int = 16_000
) -> pathlib.Path:
  """Writes a file by its suffix, wav (32 bits float) or flac."""
  subtype = 'FLOAT' if path.suffix == '.wav' else None
  soundfile.write(path, samples, rate, subtype)
  return path


def write_film(
  path: pathlib.Path,
  num_frames: int = 30,
  rate: int = 25,
  size: tuple[int, int] = (48, 64),
  sound: np.ndarray | None = None,
  picture: np.ndarray | None = None,
  times: Sequence[float] = (),
  sound_start: float = 0.0,
  ratio: fractions.Fraction | None = None,
  **options: str,
) -> pathlib.Path:
  """Writes a film whose frame i is gray of the level 4 * i (up to 252).

  Args:
    path: mp4, mkv or avi.
    num_frames: 0: it has no track of pictures.
    rate: in frames a second.
    size: (height, width) of a frame.
    sound: (n, 1) float32 at 16 kHz.
    picture: (height, width, 3) uint8, instead of every frame.
    times: when each frame is shown, in seconds; empty: by the rate.
    sound_start: when the sound begins, in seconds.
    ratio: the width of a pixel over its height.
    **options: of the container.
  """
  with av.open(str(path), 'w', options=options) as container:
    if num_frames:
      film = container.add_stream('mpeg4', rate=rate)
      film.height, film.width = size
      film.pix_fmt = 'yuv420p'
      film.bit_rate = 2_000_000
      film.codec_context.gop_size = 12
      if times:
        film.codec_context.time_base = fractions.Fraction(1, 1_000)
      if ratio:
        film.codec_context.sample_aspect_ratio = ratio
    if sound is not None:
      track = container.add_stream('aac', rate=16_000, layout='mono')
    for i in range(num_frames):
      gray = np.full((*size, 3), min(4 * i, 252), np.uint8)
      frame = av.VideoFrame.from_ndarray(
        gray if picture is None else picture, 'rgb24'
      )
      if times:
        frame.pts = round(times[i] * 1_000)
        frame.time_base = fractions.Fraction(1, 1_000)
      container.mux(film.encode(frame))
    if num_frames:
      container.mux(film.encode())
    if sound is not None:
      for start in range(0, len(sound), 1024):
        piece = np.ascontiguousarray(sound[start : start + 1024].T)
        frame = av.AudioFrame.from_ndarray(piece, 'fltp', 'mono')
        frame.sample_rate = 16_000
        frame.pts = start + round(16_000 * sound_start)
        frame.time_base = fractions.Fraction(1, 16_000)
        container.mux(track.encode(frame))
      container.mux(track.encode())
  return path


def level(frame: np.ndarray) -> int:
  """Which frame of `write_film` it is."""
  return round(float(frame.mean()) / 4)
