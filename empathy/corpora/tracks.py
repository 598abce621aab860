"""Whether a file has sound, pictures or both, before anything is decoded.

The file's suffix does not tell: browsers record sound as .webm, telephones as
.mp4, and a film may be without sound.
"""

import os
import pathlib

# Where the file cannot be asked: these have no pictures, but perhaps that of a
# cover.
_SOUND_ONLY = frozenset(
  (
    *('.aac', '.ac3', '.aif', '.aifc', '.aiff', '.amr', '.ape', '.au', '.awb'),
    *('.caf', '.flac', '.m4a', '.m4b', '.mka', '.mp2', '.mp3', '.oga', '.ogg'),
    *('.opus', '.ra', '.snd', '.spx', '.w64', '.wav', '.weba', '.wma', '.wv'),
  )
)
_KINDS = frozenset(('audio', 'video'))
_PICTURES = frozenset(
  (
    *('.3gp', '.avi', '.flv', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg'),
    *('.mts', '.mxf', '.ogv', '.webm', '.wmv'),
  )
)


def of(path: str | os.PathLike) -> frozenset[str]:
  """The kinds of track that a file has.

  Args:
    path: a file with sound or pictures.

  Returns:
    Of 'audio' and 'video' those that it has, by its container. Where PyAV (the
    extra `media`) is not installed or cannot open it, its suffix tells, and
    what is no sound is taken for a film with sound.
  """
  found = _asked(path)
  if found:
    return found
  suffix = pathlib.Path(path).suffix.lower()
  return frozenset(('audio',)) if suffix in _SOUND_ONLY else _KINDS


def of_name(name: str) -> frozenset[str]:
  """The kinds of track that a name's suffix tells; none if it is no media's."""
  suffix = pathlib.PurePosixPath(name).suffix.lower()
  if suffix in _SOUND_ONLY:
    return frozenset(('audio',))
  return _KINDS if suffix in _PICTURES else frozenset()


def _asked(path: str | os.PathLike) -> frozenset[str]:
  try:
    import av  # Of an extra.
  except ImportError:
    return frozenset()
  try:
    with av.open(
      os.path.abspath(path), options={'protocol_whitelist': 'file'}
    ) as container:
      cover = av.stream.Disposition.attached_pic
      return _KINDS & {
        stream.type
        for stream in container.streams
        if not stream.disposition & cover
      }
  except (av.FFmpegError, OSError, ValueError, MemoryError):
    return frozenset()
