"""RAVDESS as published: 1,440 acted clips of speech by 24 actors.

Reads the names of the files `Actor_XX/MM-VV-EE-II-SS-RR-AA` somewhere below the
source: modality, vocal channel, emotion, intensity, statement, repetition,
actor (Livingstone and Russo 2018, PLoS ONE 13(5):e0196391). A clip is what the
files that differ only in the modality show: 01 sound and picture, 02 picture,
03 sound; its id is the name with 01. Folds are by actor, those of Luna-Jiménez
et al. 2022, Applied Sciences 12(1):327.
"""

import logging
import pathlib
import re
from collections.abc import Mapping

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib

_EMOTIONS = (
  'neutral',
  'calm',
  'happy',
  'sad',
  'angry',
  'fearful',
  'disgust',
  'surprised',
)
_STATEMENTS = ('Kids are talking by the door', 'Dogs are sitting by the door')
_FOLDS = (
  (2, 5, 14, 15, 16),
  (3, 6, 7, 13, 18),
  (10, 11, 12, 19, 20),
  (8, 17, 21, 23, 24),
  (1, 4, 9, 22),
)
_FOLD_OF = {actor: k for k, actors in enumerate(_FOLDS) for actor in actors}
_NUM_CLIPS = 1440
_NAME = re.compile(r'\d\d(-\d\d){6}')
_SPEECH, _SONG = '01', '02'
# Where a clip's media are taken from, the first that is there: (modality in the
# name, suffix). The takes without picture or sound are of the same recording.
_MEDIA = {
  'audio': (('03', '.wav'), ('01', '.mp4')),
  'video': (('01', '.mp4'), ('02', '.mp4')),
}
_LOGGER = logging.getLogger('empathy')


def read(source: pathlib.Path) -> corpus_lib.Corpus:
  """Reads the published folders.

  Args:
    source: a folder that holds the folders `Actor_01` to `Actor_24`, all or
      some, at any depth. Song is left out.

  Returns:
    The clips ordered by id, with the absolute paths of their media.

  Raises:
    InputError: there are no such files, or one has a name that cannot be.
  """
  takes = _find(source)
  ids = sorted({'01' + name[2:] for name, _ in takes})
  parts = [name.split('-') for name in ids]
  if len(ids) != _NUM_CLIPS:
    _LOGGER.warning(
      '%s: %d of the %d published clips', source, len(ids), _NUM_CLIPS
    )
  media = {
    modality: np.array([_first(takes, name, order) for name in ids])
    for modality, order in _MEDIA.items()
  }
  for modality, paths in media.items():
    missing = int((paths == '').sum())
    if missing:
      _LOGGER.warning('%d of %d clips have no %s', missing, len(ids), modality)
  return corpus_lib.Corpus(
    info={
      'name': 'ravdess',
      'classes': list(_EMOTIONS),
      'modalities': [name for name, paths in media.items() if any(paths)],
      'conditions': [],
      'license': 'CC BY-NC-SA 4.0',
      'source': 'zenodo 1188976 (Livingstone and Russo 2018)',
      'label': 'intended emotion',
      'label_source': 'intended',
    },
    ids=np.array(ids),
    groups=np.array([f'actor{part[6]}' for part in parts]),
    labels=np.array([int(part[2]) - 1 for part in parts], np.int32),
    fold=_folds(parts),
    metadata={
      'transcript': np.array([_STATEMENTS[int(part[4]) - 1] for part in parts]),
      'intensity': np.array([str(int(part[3])) for part in parts]),
      'repetition': np.array([str(int(part[5])) for part in parts]),
      **media,
    },
  )


def _folds(parts: list[list[str]]) -> np.ndarray | None:
  """(N,) int32; None where some fold would be empty."""
  folds = np.array([_FOLD_OF[int(part[6])] for part in parts], np.int32)
  if len(set(folds.tolist())) == len(_FOLDS):
    return folds
  _LOGGER.warning('too few actors for the published folds; they are left out')
  return None


def _find(source: pathlib.Path) -> dict[tuple[str, str], pathlib.Path]:
  """The speech files, by name and suffix."""
  found: dict[tuple[str, str], pathlib.Path] = {}
  faults, songs = [], 0
  for path in sorted(source.rglob('Actor_*/*')):
    suffix = path.suffix.lower()
    if suffix not in ('.wav', '.mp4') or path.name.startswith('.'):
      continue
    if not path.is_file():
      continue
    parts = path.stem.split('-')
    if not _NAME.fullmatch(path.stem) or not _can_be(parts):
      faults.append(
        f'{path}: the name is not modality-channel-emotion-intensity-statement'
        '-repetition-actor, as in 03-01-05-02-01-01-12'
      )
    elif path.parent.name != f'Actor_{parts[6]}':
      faults.append(f'{path}: actor {parts[6]} is not in {path.parent.name}')
    elif parts[1] == _SONG:
      songs += 1
    elif (path.stem, suffix) in found:
      faults.append(
        f'{path}: is there already, as {found[path.stem, suffix]}; which is it?'
      )
    else:
      found[path.stem, suffix] = path
  errors.raise_faults(faults)
  if songs:
    _LOGGER.info('%d files of song are left out', songs)
  if not found:
    raise errors.InputError(
      f'{source}: no Actor_XX/MM-01-EE-II-SS-RR-AA.wav or .mp4 below it'
    )
  return found


def _can_be(parts: list[str]) -> bool:
  modality, channel, emotion, intensity, statement, repetition, actor = map(
    int, parts
  )
  return (
    1 <= modality <= 3
    and channel in (int(_SPEECH), int(_SONG))
    and 1 <= emotion <= len(_EMOTIONS)
    and intensity in (1, 2)
    and statement in (1, 2)
    and repetition in (1, 2)
    and actor in _FOLD_OF
  )


def _first(
  takes: Mapping[tuple[str, str], pathlib.Path],
  name: str,
  order: tuple[tuple[str, str], ...],
) -> str:
  """The path of the first take that is there; '' if none is."""
  for modality, suffix in order:
    path = takes.get((modality + name[2:], suffix))
    if path is not None:
      return str(path.resolve())
  return ''
