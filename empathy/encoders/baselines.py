"""Features that need no checkpoint: counts and plain statistics.

They are what an encoder has to beat, and let everything run offline.
"""

import functools

import numpy as np
from scipy import fft

from empathy import errors
from empathy.encoders import media

_HASHED = 512  # Bins for words, and as many for parts of words.
_NUM_MELS = 40
_WINDOW, _HOP = 0.025, 0.010  # Seconds.
_PITCH_WINDOW = 0.050
_LEAST_PITCH, _MOST_PITCH = 60.0, 500.0  # Hz, of speech.
_VOICED = 0.5  # Autocorrelation from which a window counts as voiced.
_GRID = 8  # Pictures are looked at as so many squares a side.
_QUANTILES = (0.1, 0.5, 0.9)


def hashed_ngrams(text: str) -> np.ndarray:
  """Counts of words, pairs of words and parts of words, hashed.

  Args:
    text: a transcript.

  Returns:
    (1024,) float32: 512 bins of 1 and 2 words, 512 of 3 to 5 letters, each half
    signed log(1 + count), of length 1.

  Raises:
    MediaError: there is nothing to count.
    InputError: scikit-learn is missing.
  """
  parts = []
  for vectorizer in _vectorizers():
    counts = vectorizer.transform([text]).toarray()[0]
    part = np.sign(counts) * np.log1p(np.abs(counts))
    parts.append(part / max(np.linalg.norm(part), 1e-12))
  features = np.concatenate(parts).astype(np.float32)
  if not features.any():
    raise media.MediaError('has no words')
  return features


def voice_statistics(samples: np.ndarray, rate: int) -> np.ndarray:
  """Statistics over time of log-mel energies, loudness and pitch.

  Args:
    samples: (n,) float, at least 25 ms.
    rate: in Hz.

  Returns:
    (170,) float32: mean, standard deviation and those of the differences, of 40
    log-mel bands and of the loudness in dB; then of the pitch, in octaves from
    60 Hz: the share of windows with one, its mean, deviation and quantiles .1,
    .5, .9; zeros where the voice has none.
  """
  windows = _windows(samples, round(_WINDOW * rate), round(_HOP * rate))
  windows = windows * np.hanning(windows.shape[1] + 1)[:-1]
  size = fft.next_fast_len(windows.shape[1], real=True)
  power = np.abs(fft.rfft(windows, size)) ** 2 / windows.shape[1]
  mels = np.log(power @ _mel_filters(size, rate).T + 1e-10)
  loudness = 10 * np.log10(power.mean(axis=1, keepdims=True) + 1e-10)
  rows = np.concatenate([mels, loudness], axis=1)
  steps = np.diff(rows, axis=0, prepend=rows[:1])
  octaves = np.log2(_pitch(samples, rate) / _LEAST_PITCH)
  voiced = octaves[np.isfinite(octaves)]
  pitch = np.zeros(3 + len(_QUANTILES))
  if len(voiced):
    share = len(voiced) / len(octaves)
    pitch[:] = share, voiced.mean(), voiced.std(), *_quantiles(voiced)
  statistics = [rows.mean(0), rows.std(0), steps.std(0), np.abs(steps).mean(0)]
  return np.concatenate([*statistics, pitch]).astype(np.float32)


def egemaps(samples: np.ndarray, rate: int) -> np.ndarray:
  """The 88 functionals of eGeMAPS v02 (Eyben et al. 2016), by openSMILE.

  openSMILE is free for private use and research, not for products: see
  `third_party/opensmile.md`.

  Args:
    samples: (n,) float, as recorded: loudness is among the features.
    rate: in Hz.

  Returns:
    (88,) float32.

  Raises:
    InputError: the extra `opensmile` is missing.
  """
  table = _smile().process_signal(samples, rate)
  features = table.to_numpy(np.float32)[0]
  if not np.isfinite(features).all():
    raise media.MediaError('is too short for the functionals of eGeMAPS')
  return features


def frame_statistics(frames: np.ndarray) -> np.ndarray:
  """Statistics over time of brightness, colour and motion.

  Args:
    frames: (n, H, W, 3) uint8, RGB, evenly spaced.

  Returns:
    (336,) float32: mean and deviation over time of the brightness of 8 x 8
    squares, mean and deviation of how much it changes from frame to frame, and
    of the frame's mean of each colour; then, of the frame's contrast and of its
    motion, mean, deviation and quantiles .1, .5, .9 over time.
  """
  gray = frames @ np.array([0.299, 0.587, 0.114]) / 255  # ITU-R BT.601 luma.
  squares = _mean_of_squares(gray)
  motion = np.abs(np.diff(squares, axis=0))
  if not len(motion):
    motion = np.zeros_like(squares)
  colours = frames.mean(axis=(1, 2)) / 255
  statistics = []
  for rows in (squares, motion, colours):
    statistics += [rows.mean(0), rows.std(0)]
  contrast = gray.std(axis=(1, 2))
  for values in (contrast, motion.mean(axis=1)):
    statistics.append(np.r_[values.mean(), values.std(), _quantiles(values)])
  # Where in the picture things move, as shares.
  total = motion.mean(axis=0)
  statistics.append(total / max(total.sum(), 1e-12))
  return np.concatenate(statistics).astype(np.float32)


def _quantiles(values: np.ndarray) -> np.ndarray:
  return np.quantile(values, _QUANTILES)


def _windows(samples: np.ndarray, size: int, hop: int) -> np.ndarray:
  """(windows, size), the last filled up with zeros; at least one."""
  missing = max(size - len(samples), 0)
  samples = np.pad(samples.astype(np.float64), (0, missing))
  return np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]


@functools.lru_cache
def _mel_filters(size: int, rate: int) -> np.ndarray:
  """(40, size // 2 + 1): triangles evenly spaced in mel (HTK's formula)."""
  top = 2595 * np.log10(1 + rate / 2 / 700)
  edges = 700 * (10 ** (np.linspace(0, top, _NUM_MELS + 2) / 2595) - 1)
  frequency = np.arange(size // 2 + 1) * rate / size
  low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
  rising = (frequency - low) / (middle - low)
  falling = (high - frequency) / (high - middle)
  return np.maximum(np.minimum(rising, falling), 0)


def _pitch(samples: np.ndarray, rate: int) -> np.ndarray:
  """(windows,) Hz by autocorrelation (Boersma 1993); NaN where unvoiced."""
  size = round(_PITCH_WINDOW * rate)
  windows = _windows(samples, size, round(_HOP * rate))
  shape = np.hanning(size + 2)[1:-1]
  windows = (windows - windows.mean(axis=1, keepdims=True)) * shape
  length = fft.next_fast_len(2 * size, real=True)

  def correlate(x: np.ndarray) -> np.ndarray:
    return fft.irfft(np.abs(fft.rfft(x, length)) ** 2, length)[..., :size]

  # Divided by that of the window itself, or long periods would count less.
  found = correlate(windows) / (correlate(shape) / correlate(shape)[0])
  found = found / np.maximum(found[:, :1], 1e-12)
  first = max(int(rate / _MOST_PITCH), 2)
  last = min(int(rate / _LEAST_PITCH), size - 2)
  if last <= first:
    return np.full(len(windows), np.nan)
  inside = found[:, first : last + 1]
  peaks = (inside >= found[:, first - 1 : last]) & (
    inside >= found[:, first + 1 : last + 2]
  )
  # Multiples of the period are peaks as high: the shorter is preferred.
  cost = 0.02 * np.log2(np.arange(first, last + 1) / first)
  score = np.where(peaks, inside - cost, -np.inf)
  best = score.argmax(axis=1)
  rows = np.arange(len(windows))
  strength = np.where(peaks.any(axis=1), inside[rows, best], 0.0)
  lag = first + best
  left, top, right = (found[rows, lag + i] for i in (-1, 0, 1))
  bend = np.minimum(left - 2 * top + right, -1e-12)
  exact = lag + np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
  return np.where(strength >= _VOICED, rate / exact, np.nan)


def _mean_of_squares(gray: np.ndarray) -> np.ndarray:
  """(n, 64): means over 8 x 8 squares of (n, H, W)."""
  for axis in (1, 2):
    edges = np.linspace(0, gray.shape[axis], _GRID + 1)
    starts = np.minimum(edges[:-1].astype(int), gray.shape[axis] - 1)
    stops = np.maximum(edges[1:].astype(int), starts + 1)
    gray = np.stack(
      [
        gray.take(range(start, stop), axis).mean(axis)
        for start, stop in zip(starts, stops, strict=True)
      ],
      axis,
    )
  return gray.reshape(len(gray), -1)


@functools.lru_cache
def _vectorizers() -> tuple:
  try:
    from sklearn.feature_extraction import text
  except ImportError:
    raise errors.InputError(
      'scikit-learn is missing, which counts words; install the extra: '
      "pip install 'empathy[baselines]'"
    ) from None
  make = functools.partial(
    text.HashingVectorizer, n_features=_HASHED, norm=None
  )
  return (
    make(ngram_range=(1, 2), token_pattern=r'\b\w+\b'),
    make(ngram_range=(3, 5), analyzer='char_wb'),
  )


@functools.lru_cache
def _smile():
  try:
    import opensmile
  except ImportError:
    raise errors.InputError(
      'opensmile is missing, which computes eGeMAPS; install the extra: '
      "pip install 'empathy[opensmile]' (free for research: see "
      'third_party/opensmile.md)'
    ) from None
  return opensmile.Smile(
    feature_set=opensmile.FeatureSet.eGeMAPSv02,
    feature_level=opensmile.FeatureLevel.Functionals,
  )
