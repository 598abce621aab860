"""A picture of the faces that are cut out of films, to be looked at first."""

import pathlib
from collections.abc import Sequence

import numpy as np

from empathy import files
from empathy.encoders import faces, inputs, media

_MOST_CLIPS, _MOST_FRAMES = 12, 8
_CELL = (160, 90)  # Width and height, of a frame and of a crop.
_GAP = 16  # Above a clip, for its words.
_COLOUR = (255, 220, 0)


def write(
  path: pathlib.Path,
  clips: Sequence[inputs.Clip],
  seconds: float,
  num_frames: int,
) -> None:
  """Writes a sheet of a few clips.

  Of each there is a row of its pictures, with the outline of what is cut out,
  and below them the crops; or why there are none.

  Args:
    path: of the PNG.
    clips: of which some are taken, evenly.
    seconds: as for extraction.
    num_frames: likewise.

  Raises:
    InputError: an extra is missing.
  """
  from PIL import Image, ImageDraw

  number = min(len(clips), _MOST_CLIPS)
  chosen = np.linspace(0, len(clips) - 1, number).round().astype(int)
  width, height = _CELL
  block = 2 * height + _GAP
  sheet = Image.new('RGB', (_MOST_FRAMES * width, number * block))
  options = inputs.Options('', {'crop': 'none'}, seconds, num_frames)
  for row, clip in enumerate(clips[i] for i in chosen):
    frames, places, words = _look(clip, options)
    shown = np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES))
    for column, i in enumerate(shown.round().astype(int)):
      pictures = [Image.fromarray(frames[i])]
      if places is not None:
        pictures = [
          _outlined(frames[i], places[i]),
          Image.fromarray(faces.cut(frames[i], places[i], faces.SIDE, height)),
        ]
      for line, picture in enumerate(pictures):
        picture.thumbnail(_CELL)
        left = column * width + (width - picture.width) // 2
        sheet.paste(picture, (left, row * block + _GAP + line * height))
    draw = ImageDraw.Draw(sheet)
    draw.text((2, row * block + 2), words, _COLOUR)
  with files.replacing(path) as temporary:
    sheet.save(temporary, 'png')


def _look(
  clip: inputs.Clip, options: inputs.Options
) -> tuple[Sequence[np.ndarray], np.ndarray | None, str]:
  """A clip's frames and where its face is, as far as there are any; words."""
  frames: Sequence[np.ndarray] = ()
  try:
    frames = inputs.read_pictures(clip, options).frames
    return frames, faces.locate(frames), clip.id
  except media.MediaError as error:
    return frames, None, f'{clip.id}: {error}'


def _outlined(frame: np.ndarray, place: np.ndarray):
  """A frame with the outline of its crop."""
  from PIL import Image, ImageDraw

  picture = Image.fromarray(frame)
  a, b, c, d, e, f = faces.similarity(place, faces.SIDE, 1)
  corners = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
  line = [(a * u + b * v + c, d * u + e * v + f) for u, v in corners]
  wide = max(max(picture.size) // 100, 1)
  ImageDraw.Draw(picture).line(line, _COLOUR, wide)
  return picture
