"""Sound and pictures of a clip, from files of any kind.

Needs the extra `media`. A file that cannot be used raises a `MediaError` that
says why: nothing ever takes its place.
"""

import dataclasses
import fractions
import functools
import math
import os
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from scipy import signal

from empathy import errors

# A window of the encoders of sound: 400 samples at 16 kHz.
LEAST_SECONDS = 0.025
# How the reason begins where a file has nothing of the kind at all.
NO_TRACK = 'has no track of'
# Lower peaks are silence: less than two steps of 16 bits.
_SILENCE = 2.0**-14
_LEAST_RATE, _MOST_RATE = 1_000, 768_000
# How much earlier than declared a track may end, how much of a clip may be left
# out without a word, and how long a picture may stand in any film.
_TOLERANCE = 0.25
# Containers round times, some to a thousandth; no picture is this short.
_ROUNDING = 0.001
# Channels without anything in common have a mean of 1 / n of the loudest, or
# more; where it is less than this share of that, they cancel each other out.
_CANCELLED = 0.25
_MOST_STRETCHED = 8
# Decoding starts this much before the wanted part, for decoders that need to
# hear what came before.
_RUN_UP = 0.5
# Kinds of file that have an index, so that a jump lands where it should, and
# whose declared duration can be trusted.
_INDEXED = ('mp4', 'matroska')
_PLAYLISTS = frozenset(('concat', 'dash', 'hls', 'imf', 'sdp'))
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # Of a wav file that was written to a pipe.


class MediaError(Exception):
  """Why a file, or the wanted part of it, cannot be used."""


@dataclasses.dataclass(frozen=True)
class Sound:
  """The sound of a clip.

  Attributes:
    samples: (n,) float32, the mean of the channels; the loudest of them where
      they cancel each other out, as those of a cable with crossed wires do.
    rate: of the samples, in Hz.
    file_rate: of the file, in Hz.
    channels: how many the file has.
    is_cut: whether the clip goes on after `seconds`, by a quarter of a second
      or more.
  """

  samples: np.ndarray
  rate: int
  file_rate: int
  channels: int
  is_cut: bool


@dataclasses.dataclass(frozen=True)
class Pictures:
  """The pictures of a clip.

  Attributes:
    frames: (n, H, W, 3) uint8, RGB.
    count: how many the clip has, from which these were chosen.
    is_cut: whether the clip goes on after `seconds`, as in `Sound`.
    times: (n,) float64, when they are on the screen, in seconds from the
      clip's beginning.
  """

  frames: np.ndarray
  count: int
  is_cut: bool
  times: np.ndarray


def require() -> None:
  """Makes sure that the extra is installed.

  Raises:
    InputError: it is not.
  """
  _import('av')
  _import('soundfile')
  _import('PIL')


def read_sound(
  path: str | os.PathLike,
  rate: int | None = 16_000,
  start: float = 0.0,
  end: float | None = None,
  seconds: float | None = None,
  normalise: bool = True,
) -> Sound:
  """Reads a sound, or a part of one.

  Args:
    path: a file with a track of sound, perhaps with pictures beside.
    rate: to resample to, in Hz, with a filter against aliases; None keeps the
      file's.
    start: where the clip begins in the file, in seconds.
    end: where it ends; None at the end of the file.
    seconds: how much of the clip is read at most; None reads all.
    normalise: scale the highest peak to 1.

  Returns:
    The sound, as long as the part is to a sample.

  Raises:
    MediaError: the file is missing, cut, damaged, ends before `end`, has no
      sound, or its sound is empty or silent.
  """
  path = _existing(path)
  stop = _stop(start, end, seconds)
  with open(path, 'rb') as file:
    head = file.read(12)
  if head[:4] == b'fLaC' or (head[:4] == b'RIFF' and head[8:] == b'WAVE'):
    samples, file_rate, is_cut = _read_with_soundfile(path, start, stop, end)
  else:
    samples, file_rate, is_cut = _read_with_av(path, start, stop, end)
  found = len(samples) / file_rate
  if found < LEAST_SECONDS:
    raise MediaError(
      f'has {len(samples)} samples at {file_rate} Hz; expected '
      f'{LEAST_SECONDS} s or more'
    )
  if not np.isfinite(samples).all():
    raise MediaError('has samples that are no finite numbers')
  channels = samples.shape[1]
  mono = _mixed(samples)
  if np.abs(mono).max() < _SILENCE:
    raise MediaError('is silent')
  if rate is not None and rate != file_rate:
    divisor = math.gcd(rate, file_rate)
    up, down = rate // divisor, file_rate // divisor
    mono = signal.resample_poly(mono, up, down, window=_low_pass(up, down))
  if normalise:
    mono = mono / np.abs(mono).max()
  return Sound(
    mono.astype(np.float32), rate or file_rate, file_rate, channels, is_cut
  )


def read_pictures(
  path: str | os.PathLike,
  num_frames: int = 16,
  start: float = 0.0,
  end: float | None = None,
  seconds: float | None = None,
) -> Pictures:
  """Reads pictures of a film, or of a part of one, evenly spaced in time.

  Each is the one that is on the screen at its time: films of telephones, calls
  and screens have more pictures a second where more happens.

  Args:
    path: a file with a track of pictures.
    num_frames: how many to return: from the first to the last; where a film of
      constant rate has fewer, all of them and the last again.
    start: where the clip begins in the file, in seconds.
    end: where it ends; None at the end of the file.
    seconds: how much of the clip is looked at; None: all.

  Returns:
    The pictures, upright and as wide as they are shown.

  Raises:
    MediaError: the file is missing, cut, damaged, ends before `end`, or has no
      pictures.
  """
  path = _existing(path)
  stop = _stop(start, end, seconds)
  with _Track(path, 'video') as track:
    seen, until = track.times(start, stop)
    inside = [time for time in seen if start <= time < stop]
    # Nothing has moved since before the clip began: that picture is shown.
    first = inside[0] if inside else min(until, stop)
    if seen and seen[0] < start and first > start + _TOLERANCE:
      inside = [seen[0], *inside]
    if not inside:
      raise MediaError(f'has no pictures from {start:g} s on')
    track.check_end(until, stop, end)
    is_cut = _goes_on(seen[-1], stop, end)
  chosen, times = _evenly(inside, num_frames, start, min(until, stop))
  wanted = np.unique(chosen).tolist()
  found: dict[int, np.ndarray] = {}
  with _Track(path, 'video') as track:
    # Half a rounding earlier: two ways to compute a time differ in a bit.
    frames = track.frames(inside[0] - _ROUNDING / 2, stop)
    for number, (_, frame) in enumerate(frames):
      if number == wanted[len(found)]:
        found[number] = _picture(frame, track.stream.sample_aspect_ratio)
      if len(found) == len(wanted):
        break
  if len(found) < len(wanted):
    raise MediaError(
      f'of {len(inside)} pictures, number {wanted[len(found)] + 1} cannot be '
      'decoded'
    )
  if len({picture.shape for picture in found.values()}) > 1:
    raise MediaError('has pictures of several sizes')
  frames = np.stack([found[i] for i in chosen.tolist()])
  return Pictures(frames, len(inside), is_cut, times - start)


def seconds_of(path: str | os.PathLike) -> float:
  """How long a file says its sound is; 0 where it does not say.

  Only good for putting clips of like length together.
  """
  try:
    with _open(_existing(path)) as container:
      return max((container.duration or 0) / 1e6, 0.0)
  except MediaError:
    return 0.0


class _Track:
  """The first track of one kind in a file; use it as a context manager."""

  def __init__(self, path: pathlib.Path, kind: str):
    """Opens the file; `kind` is 'audio' or 'video'."""
    self._path, self._container = path, _open(path)
    # A song's cover is a track of pictures too.
    av = _import('av')
    cover = av.stream.Disposition.attached_pic
    streams = [
      stream
      for stream in self._container.streams
      if stream.type == kind and not stream.disposition & cover
    ]
    if not streams:
      self._container.close()
      wanted = 'sound' if kind == 'audio' else 'pictures'
      raise MediaError(f'{NO_TRACK} {wanted}')
    self.stream = streams[0]
    self._error = av.FFmpegError
    self._indexed = any(
      name in self._container.format.name for name in _INDEXED
    )
    self._zero = (self._container.start_time or 0) / 1e6

  def __enter__(self) -> '_Track':
    return self

  def __exit__(self, *exception) -> None:
    self._container.close()

  def frames(self, start: float, stop: float) -> Iterator[tuple[float, Any]]:
    """Yields (time, decoded frame) in order, those that touch the part."""
    self._jump(start)
    time = 0.0
    for packet in self._packets():
      try:
        frames = packet.decode()
      except (self._error, ValueError) as error:
        raise MediaError(f'cannot be decoded: {_reason(error)}') from None
      for frame in frames:
        if frame.is_corrupt:
          raise MediaError(f'is damaged at {time:.2f} s')
        if frame.time is not None:
          time = frame.time - self._zero
        seconds = 0.0
        if self.stream.type == 'audio':
          seconds = frame.samples / frame.sample_rate
        if time >= stop:
          return
        # Pictures at `start` are in, sound that ends there is out.
        if time >= start or time + seconds > start:
          yield time, frame
        time += seconds

  def times(self, start: float, stop: float) -> tuple[list[float], float]:
    """The times of pictures, without decoding if possible.

    Returns:
      Those of the part and, if there are any, of the last one before it and of
      some after it, in order; until when the last of these is shown.
    """
    self._jump(start)
    times: list[float] = []
    until = 0.0
    step = 0.0
    if self.stream.average_rate:
      step = 1 / float(self.stream.average_rate)
    for packet in self._packets():
      if not packet.size or packet.is_discard:
        continue
      if packet.pts is None:
        self._container.seek(0)
        times = [time for time, _ in self.frames(0.0, stop + 2 * _RUN_UP)]
        until = max(times, default=0.0) + step
        break
      time = float(packet.pts * packet.time_base) - self._zero
      lasts = float((packet.duration or 0) * packet.time_base)
      until = max(until, time + max(lasts, step))
      times.append(time)
      # Pictures come out of order by a few, so look on for a while.
      if time >= stop + 2 * _RUN_UP:
        break
    times.sort()
    before = [time for time in times if time < start]
    return times[max(len(before) - 1, 0) :], until

  def check_end(self, last: float, stop: float, end: float | None) -> None:
    """Raises a `MediaError` if the file ends before it should.

    A track that is shorter than the others of its file is not cut.

    Args:
      last: when the track ends, as far as it was read.
      stop: when reading ended.
      end: when the clip is to end, if that is given.
    """
    wanted = math.inf if end is None else min(stop, end)
    if end is not None and not self._lasts(last, wanted):
      raise MediaError(
        f'ends {last:.2f} s after its beginning; the clip is to last until '
        f'{end:g} s'
      )
    if not self._indexed:
      return
    if self.stream.duration and self.stream.time_base:
      # Of this track alone, and without the wait before it.
      begins = self.stream.start_time or 0
      declared = float((begins + self.stream.duration) * self.stream.time_base)
      declared -= self._zero
      is_cut = last < min(stop, declared) - _TOLERANCE
    else:
      declared = (self._container.duration or 0) / 1e6
      is_cut = not self._lasts(last, min(stop, declared))
    if is_cut:
      raise MediaError(
        f'ends after {last:.2f} of {declared:.2f} s; was it cut?'
      )

  def _lasts(self, last: float, until: float) -> bool:
    """Whether this track, which ends at `last`, or another lasts so long."""
    if last >= until - _TOLERANCE:
      return True
    with _open(self._path) as container:
      try:
        return any(
          packet.pts is not None
          and packet.stream.type in ('audio', 'video')
          and float((packet.pts + (packet.duration or 0)) * packet.time_base)
          - self._zero
          >= until - _TOLERANCE
          for packet in container.demux()
        )
      except (self._error, ValueError):
        return False

  def _jump(self, start: float) -> None:
    if not self._indexed or start <= _RUN_UP:
      return
    where = round((start - _RUN_UP + self._zero) * 1e6)
    try:
      self._container.seek(where)
    except self._error as error:
      raise MediaError(f'cannot jump to {start:g} s: {error}') from None

  def _packets(self) -> Iterator[Any]:
    try:
      yield from self._container.demux(self.stream)
    except (self._error, ValueError) as error:
      raise MediaError(f'cannot be read: {_reason(error)}') from None


def _read_with_soundfile(
  path: pathlib.Path, start: float, stop: float, end: float | None
) -> tuple[np.ndarray, int, bool]:
  """(n, channels) float32, the rate, whether it goes on; of wav or flac."""
  soundfile = _import('soundfile')
  _check_wav_size(path)
  try:
    with soundfile.SoundFile(path) as file:
      rate = _checked_rate(file.samplerate)
      first = min(round(start * rate), file.frames)
      last = file.frames
      if stop < math.inf:
        last = min(round(stop * rate), last)
      file.seek(first)
      samples = file.read(last - first, dtype='float32', always_2d=True)
  except (soundfile.LibsndfileError, RuntimeError, MemoryError) as error:
    raise MediaError(f'cannot be read: {_reason(error)}') from None
  if len(samples) < last - first:
    raise MediaError(
      f'ends after {first + len(samples)} of {last} samples; was it cut?'
    )
  found = (first + len(samples)) / rate
  if end is not None and found < min(stop, end) - _TOLERANCE:
    raise MediaError(
      f'ends {found:.2f} s after its beginning; the clip is to last until '
      f'{end:g} s'
    )
  return samples, rate, _goes_on(file.frames / rate, stop, end)


def _check_wav_size(path: pathlib.Path) -> None:
  """Raises a `MediaError` if a wav file is shorter than it says."""
  size = path.stat().st_size
  with open(path, 'rb') as file:
    if file.read(12)[:4] != b'RIFF':
      return
    while len(chunk := file.read(8)) == 8:
      length = int.from_bytes(chunk[4:], 'little')
      if chunk[:4] == b'data':
        here = size - file.tell()
        if length not in _UNKNOWN_SIZES and length > here:
          raise MediaError(f'was cut: {here} of {length} bytes of sound')
        return
      file.seek(length + length % 2, os.SEEK_CUR)


def _read_with_av(
  path: pathlib.Path, start: float, stop: float, end: float | None
) -> tuple[np.ndarray, int, bool]:
  """(n, channels) float32, the rate, whether it goes on; of any file."""
  av = _import('av')
  parts: list[np.ndarray] = []
  with _Track(path, 'audio') as track:
    if track.stream.codec_context is None:
      raise MediaError('has sound of a kind that nothing here decodes')
    rate = _checked_rate(track.stream.codec_context.sample_rate)
    # Interleaved: more than seven planes of their own crash PyAV 18.
    resampler = av.AudioResampler(format='flt')
    begin = None
    # A little more than is wanted, to see whether the clip goes on.
    for time, frame in track.frames(start, stop + _TOLERANCE):
      if frame.sample_rate != rate:
        raise MediaError('changes its sampling rate on the way')
      begin = time if begin is None else begin
      frame.pts = None  # Only the format is converted: no time is to be kept.
      try:
        pieces = resampler.resample(frame)
      except ValueError:
        raise MediaError('changes its channels on the way') from None
      for piece in pieces:
        channels = piece.layout.nb_channels
        parts.append(piece.to_ndarray().reshape(-1, channels))
    if begin is None or begin >= stop:
      raise MediaError(f'has no sound from {start:g} s on')
    samples = np.concatenate(parts)
    last = begin + len(samples) / rate
    track.check_end(last, stop, end)
  skipped = max(round((start - begin) * rate), 0)
  if stop < math.inf:
    samples = samples[: skipped + round((stop - max(start, begin)) * rate)]
  return samples[skipped:], rate, _goes_on(last, stop, end)


def _goes_on(last: float, stop: float, end: float | None) -> bool:
  """Whether a clip, of a track that ends at `last`, goes on after `stop`."""
  return min(last, math.inf if end is None else end) >= stop + _TOLERANCE


def _mixed(samples: np.ndarray) -> np.ndarray:
  """(n,) float64: the mean of the channels of (n, channels), see `Sound`."""
  mean = samples.mean(axis=1, dtype=np.float64)
  power = np.einsum('ij,ij->j', samples, samples, dtype=np.float64)
  least = (_CANCELLED / samples.shape[1]) ** 2 * power.max()
  if mean @ mean >= least:
    return mean
  return samples[:, power.argmax()].astype(np.float64)


def _evenly(
  times: list[float], count: int, start: float, end: float
) -> tuple[np.ndarray, np.ndarray]:
  """Which pictures are shown at `count` times as far apart as can be.

  Args:
    times: of the pictures, in order.
    count: how many are chosen.
    start: the clip's; a picture may be there already.
    end: when the last picture is gone.

  Returns:
    (count,) int64, from the first to the last; and those times, (count,)
    float64.
  """
  steps = np.diff(times)
  usual = float(np.median(steps)) if len(steps) else _TOLERANCE
  is_constant = not len(steps) or steps.max() <= 1.5 * usual + _ROUNDING
  if len(times) < count and is_constant:
    chosen = np.minimum(np.arange(count), len(times) - 1)
    return chosen, np.maximum(times, start)[chosen]
  last = times[-1]
  if end > last + max(1.5 * usual, _TOLERANCE):  # It stands.
    last = end
  wanted = np.linspace(max(times[0], start), last, count)
  chosen = np.searchsorted(times, wanted + _ROUNDING, side='right') - 1
  return np.maximum(chosen, 0), wanted


def _picture(frame: Any, ratio: fractions.Fraction | None) -> np.ndarray:
  """(H, W, 3) uint8, upright.

  Args:
    frame: decoded.
    ratio: the width of a pixel over its height: discs and old cameras keep
      wide pictures narrow.
  """
  width = frame.width
  if ratio and 1 / _MOST_STRETCHED <= ratio <= _MOST_STRETCHED:
    width = max(round(width * ratio), 1)
  picture = frame.to_ndarray(format='rgb24', width=width, height=frame.height)
  return np.rot90(picture, round(frame.rotation / 90))


@functools.lru_cache(maxsize=8)
def _low_pass(up: int, down: int) -> np.ndarray:
  """The filter of a resampling: 90 dB down from the lower Nyquist rate on.

  SciPy's own default is 6 dB down there, and 22 dB a tenth above it. This one
  passes nine tenths of the band (Kaiser's formulas for width and length).
  """
  most = max(up, down)
  length, beta = signal.kaiserord(90, 0.1 / most)
  half = -(-length // 2)
  return signal.firwin(2 * half + 1, 0.95 / most, window=('kaiser', beta))


def _open(path: pathlib.Path) -> Any:
  av = _import('av')
  try:
    container = av.open(
      os.path.abspath(path), options={'protocol_whitelist': 'file'}
    )
  except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
    raise MediaError(f'is no media file: {_reason(error)}') from None
  if not _PLAYLISTS.isdisjoint(container.format.name.split(',')):
    container.close()
    raise MediaError('is a list of other files')
  return container


def _existing(path: str | os.PathLike) -> pathlib.Path:
  path = pathlib.Path(path)
  if not path.is_file():
    raise MediaError('no such file')
  if not path.stat().st_size:
    raise MediaError('is empty: 0 bytes')
  return path


def _stop(start: float, end: float | None, seconds: float | None) -> float:
  stop = math.inf if end is None else end
  return stop if seconds is None else min(stop, start + seconds)


def _checked_rate(rate: int) -> int:
  if not _LEAST_RATE <= rate <= _MOST_RATE:
    raise MediaError(
      f'has {rate} samples a second; expected {_LEAST_RATE} to {_MOST_RATE}'
    )
  return rate


def _reason(error: Exception) -> str:
  text = getattr(error, 'strerror', None) or str(error)
  return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def _import(name: str) -> ModuleType:
  try:
    return __import__(name)
  except ImportError:
    raise errors.InputError(
      f'{name} is missing, which decodes media; install the extra: '
      "pip install 'empathy[media]'"
    ) from None
