"""Media that a data set keeps within its tables or records, as files.

An importer writes them into the folder that `prepare` gives it, which becomes
`media` of the corpus folder: a clip's file is called after the clip.
"""

import os
import pathlib
import re
import struct
import unicodedata
from typing import Any

import numpy as np

# How files begin, at which place, and the suffix they have.
_STARTS = (
  (0, b'fLaC', '.flac'),
  (0, b'OggS', '.ogg'),
  (0, b'ID3', '.mp3'),
  (0, b'\x1aE\xdf\xa3', '.mkv'),
  (0, b'FLV\x01', '.flv'),
  (0, b'.snd', '.au'),
  (0, b'caff', '.caf'),
  (0, b'#!AMR', '.amr'),
  (0, b'wvpk', '.wv'),
  (0, b'\x30\x26\xb2\x75\x8e\x66\xcf\x11', '.wmv'),
  (0, b'\x00\x00\x01\xba', '.mpg'),
  (0, b'\x00\x00\x01\xb3', '.mpg'),
  (4, b'ftypM4A', '.m4a'),
  (4, b'ftyp', '.mp4'),
  (4, b'moov', '.mov'),
  (8, b'WAVE', '.wav'),
  (8, b'AVI ', '.avi'),
  (8, b'AIFF', '.aiff'),
  (8, b'AIFC', '.aifc'),
)
# Frames of MPEG audio: AAC, or layers III and II.
_MPEG = re.compile(
  rb'\0*\xff(?:([\xf0\xf1\xf8\xf9])|[\xe2-\xe5\xf2-\xf5\xfa-\xfd])'
)
# Of UTF-8, so that a suffix and a number fit in what file systems take.
_MOST_BYTES = 120
_RESERVED = re.compile(r'(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?')
_PCM, _FLOAT = 1, 3
_FULL = 1 << 15
_MOST_CHANNELS = 64
# Floats beyond it are whole numbers of 16 bits, not overshoot.
_LOUD = 2


class Media:
  """The folder of a corpus' own media, made when the first is written."""

  def __init__(self, folder: pathlib.Path):
    """Writes nothing yet.

    Args:
      folder: does not exist, or is empty.
    """
    self._folder = folder
    self._taken: set[str] = set()

  def write(self, clip: str, content: bytes) -> str:
    """Writes a file.

    Args:
      clip: the clip's id; its signs that no file system takes are replaced.
      content: of the file.

    Returns:
      The absolute path.

    Raises:
      ValueError: it is neither sound nor film, as far as its start tells.
    """
    suffix = suffix_of(content)
    if not suffix:
      raise ValueError(
        'is neither sound nor film of a known kind'
        if len(content)
        else 'is an empty file'
      )
    if not self._taken:
      self._folder.mkdir(parents=True, exist_ok=True)
    path = self._folder / self._name(clip, suffix)
    path.write_bytes(content)
    return os.fspath(path.resolve())

  def _name(self, clip: str, suffix: str) -> str:
    """A name that is not taken, nor in another case."""
    stem = unicodedata.normalize('NFC', clip)
    stem = re.sub(r'[^\w.+@=-]', '_', stem).strip('.-')
    stem = stem.encode()[:_MOST_BYTES].decode(errors='ignore') or 'clip'
    if _RESERVED.fullmatch(stem):
      stem = f'{stem}_'
    name, number = f'{stem}{suffix}', 1
    while name.casefold() in self._taken:
      number += 1
      name = f'{stem}_{number}{suffix}'
    self._taken.add(name.casefold())
    return name


def suffix_of(content: bytes) -> str:
  """The suffix of a media file by how it begins; '' if it is none."""
  for place, start, suffix in _STARTS:
    if content[place : place + len(start)] == start:
      return suffix
  found = _MPEG.match(content)
  if not found:
    return ''
  return '.aac' if found[1] else '.mp3'


def wav(samples: Any, rate: Any) -> bytes:
  """A WAV file of decoded sound, without loss.

  Args:
    samples: (T,) or (T, channels): whole numbers, or floats from -1 to 1.
    rate: samples a second.

  Returns:
    16 bits a sample where they hold what is there, else 32 bits or floats.

  Raises:
    ValueError: it is no sound.
  """
  try:
    samples = np.asarray(samples)
    number = int(rate)
  except (TypeError, ValueError, OverflowError):
    raise ValueError('is no sound with a sampling rate') from None
  if not 1 <= number < 2**31:
    raise ValueError(f'has a sampling rate of {number}')
  if samples.ndim not in (1, 2) or not samples.size:
    raise ValueError('has no samples')
  if samples.dtype.kind not in 'fiu' or not np.isfinite(samples).all():
    raise ValueError('has samples that are no numbers')
  channels = 1 if samples.ndim == 1 else samples.shape[1]
  if channels > _MOST_CHANNELS:
    raise ValueError(f'has samples of {channels:,} channels')
  values = samples
  if samples.dtype.kind == 'f' and np.abs(samples).max() <= _LOUD:
    values = samples * np.float64(_FULL)
  whole = (values == np.rint(values)).all()
  if whole and values.min() >= -_FULL and values.max() < _FULL:
    form, kind = _PCM, '<i2'
  elif samples.dtype.kind == 'f':
    form, kind, values = _FLOAT, '<f4', samples
  elif values.min() >= -(2**31) and values.max() < 2**31:
    form, kind = _PCM, '<i4'
  else:
    raise ValueError('has samples of more than 32 bits')
  data = values.astype(kind).tobytes()
  size = np.dtype(kind).itemsize
  block = channels * size
  head = struct.pack(
    '<HHIIHH', form, channels, number, number * block, block, 8 * size
  )
  try:
    parts = [
      (b'fmt ', head + (b'' if form == _PCM else b'\0\0')),
      (b'data', data),
    ]
    body = b''.join(
      name + struct.pack('<I', len(part)) + part + b'\0' * (len(part) % 2)
      for name, part in parts
    )
    return b'RIFF' + struct.pack('<I', len(body) + 4) + b'WAVE' + body
  except struct.error:
    raise ValueError('is longer than a WAV file can be') from None
