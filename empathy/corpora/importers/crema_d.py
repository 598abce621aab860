"""CREMA-D as published: crowd votes on 7,442 acted clips, three ways shown.

Reads `SentenceFilenames.csv` (the clips) and `processedResults/
tabulatedVotes.csv` (vote counts) of the repository
CheyneyComputerScience/CREMA-D (Cao, Cooper, Keutmann, Gur, Nenkova and Verma
2014, IEEE Transactions on Affective Computing 5(4):377-390). Names of clips
say the rest: actor, sentence, acted emotion, acted intensity. Where `AudioWAV/`
or `VideoFlash/` are there too, the clips get the absolute paths of their media.
"""

import logging
import pathlib

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.corpora import tables

_CLASSES = {
  'ANG': 'anger',
  'DIS': 'disgust',
  'FEA': 'fear',
  'HAP': 'happy',
  'NEU': 'neutral',
  'SAD': 'sad',
}
_SENTENCES = {
  'DFA': "Don't forget a jacket.",
  'IEO': "It's eleven o'clock.",
  'IOM': "I'm on my way to the meeting.",
  'ITH': "I think I have a doctor's appointment.",
  'ITS': "I think I've seen this before.",
  'IWL': 'I would like a new alarm clock.',
  'IWW': 'I wonder what this is about.',
  'MTI': 'Maybe tomorrow it will be cold.',
  'TAI': 'The airplane is almost full.',
  'TIE': 'That is exactly what happened.',
  'TSI': 'The surface is slick.',
  'WSI': "We'll stop in a couple of minutes.",
}
_LEVELS = ('XX', 'LO', 'MD', 'HI')
# A row of the votes is named presentation x 100000 + number of the clip.
_CONDITIONS = ('audio', 'video', 'audio+video')
_PRESENTATION = 100_000

# The data set has no split of its own. This one, by actor, is that of audEERING
# (github.com/audeering/crema-d, commit 92753e7); all others are for training.
# fmt: off
_VAL = frozenset((
  1049, 1053, 1054, 1055, 1058, 1059, 1061, 1062, 1063, 1064, 1065, 1066,
  1067, 1068, 1070, 1075, 1080, 1085
))
_TEST = frozenset((
  1048, 1069, 1071, 1074, 1076, 1077, 1078, 1079, 1082, 1083, 1084, 1086,
  1087, 1088, 1089, 1090, 1091
))
# fmt: on
_ACTORS = frozenset(str(actor) for actor in range(1001, 1092))

_LOGGER = logging.getLogger('empathy')
_MEDIA = {'audio': ('AudioWAV', '.wav'), 'video': ('VideoFlash', '.flv')}


def read(source: pathlib.Path) -> corpus_lib.Corpus:
  """Reads the published folder.

  Args:
    source: the folder that holds `SentenceFilenames.csv`.

  Returns:
    The clips ordered by id, with vote counts (no annotators) and without
    features.

  Raises:
    InputError: files are missing or wrong; every fault of the first faulty file
      has a line with the file, its line and column.
  """
  number_of = _read_clips(source / 'SentenceFilenames.csv')
  ids = sorted(number_of)
  parts = [clip.split('_') for clip in ids]
  classes = list(_CLASSES.values())
  votes = _read_votes(
    source / 'processedResults' / 'tabulatedVotes.csv', ids, number_of
  )
  return corpus_lib.Corpus(
    info={
      'name': 'crema_d',
      'classes': classes,
      'modalities': ['audio', 'video'],
      'conditions': list(_CONDITIONS),
      'license': 'ODbL 1.0',
      'source': 'github CheyneyComputerScience/CREMA-D (Cao et al. 2014)',
      'label': 'intended emotion',
      'label_source': 'intended',
    },
    ids=np.array(ids),
    groups=np.array([f'actor{actor}' for actor, _, _, _ in parts]),
    labels=np.array(
      [classes.index(_CLASSES[emotion]) for _, _, emotion, _ in parts], np.int32
    ),
    split=np.array([_split(actor) for actor, _, _, _ in parts]),
    metadata={
      'transcript': np.array([_SENTENCES[name] for _, name, _, _ in parts]),
      'intended_level': np.array([level for _, _, _, level in parts]),
      **_media(source, ids),
    },
    votes=votes,
  )


def _split(actor: str) -> str:
  number = int(actor)
  return 'val' if number in _VAL else 'test' if number in _TEST else 'train'


def _read_clips(path: pathlib.Path) -> dict[str, int]:
  """The number of each clip by its id."""
  table = tables.Table(path, ('Stimulus_Number', 'Filename'))
  numbers = table.convert(
    'Stimulus_Number', tables.natural, 'the number of a clip'
  )
  number_of: dict[str, int] = {}
  clip_of: dict[int, str] = {}
  for row, clip in enumerate(table.columns['Filename']):
    parts = clip.split('_')
    if len(parts) != 4 or not all(
      part in known
      for part, known in zip(
        parts, (_ACTORS, _SENTENCES, _CLASSES, _LEVELS), strict=True
      )
    ):
      table.fault(
        row,
        'Filename',
        f'{clip!r} is not actor_sentence_emotion_level, as in 1001_DFA_ANG_XX',
        'name',
      )
    elif clip in number_of:
      table.fault(row, 'Filename', f'{clip!r} is there already', 'twice')
    number = numbers[row]
    if number is not None and number in clip_of:
      table.fault(
        row,
        'Stimulus_Number',
        f'{number} is the number of {clip_of[number]!r}',
        'twice',
      )
    number_of[clip] = number
    clip_of[number] = clip
  table.finish()
  return number_of


def _read_votes(
  path: pathlib.Path, ids: list[str], number_of: dict[str, int]
) -> corpus_lib.Votes:
  letters = [name[0].upper() for name in _CLASSES.values()]
  table = tables.Table(path, ('', *letters, 'fileName', 'numResponses'))
  keys = table.convert(
    '', tables.natural, 'presentation x 100000 + clip number'
  )
  totals = table.convert('numResponses', tables.natural, 'a number of votes')
  counts = np.array(
    [
      table.convert(name, tables.natural, 'a number of votes')
      for name in letters
    ],
    dtype=object,
  ).T
  place_of = {clip: place for place, clip in enumerate(ids)}
  seen: dict[int, int] = {}
  rows = []
  for row, clip in enumerate(table.columns['fileName']):
    key, line = keys[row], table.lines[row]
    if clip not in place_of:
      table.fault(
        row,
        'fileName',
        f'{clip!r} is not a clip of SentenceFilenames.csv',
        'unknown',
      )
      continue
    if key is None:
      continue
    presentation, number = divmod(key, _PRESENTATION)
    if not 1 <= presentation <= 3 or number != number_of[clip]:
      table.fault(
        row,
        '',
        f'{key} is not 1, 2 or 3 x 100000 + {number_of[clip]}, the number of '
        f'{clip}',
        'number',
      )
    elif key in seen:
      table.fault(
        row, '', f'{key} is there already, on line {seen[key]}', 'twice'
      )
    elif None not in (*counts[row], totals[row]):
      if sum(counts[row]) != totals[row]:
        table.fault(
          row,
          'numResponses',
          f'{totals[row]} is not the sum of {", ".join(letters)}, '
          f'{sum(counts[row])}',
          'sum',
        )
      rows.append((place_of[clip], presentation - 1, row))
    seen.setdefault(key, line)
  if not table.faults:
    for clip in ids:
      for presentation in range(1, 4):
        if presentation * _PRESENTATION + number_of[clip] not in seen:
          table.faults.add(
            f"{path}: column '': {presentation * _PRESENTATION} + "
            f'{number_of[clip]} is missing: {clip} has no votes on '
            f'{_CONDITIONS[presentation - 1]}',
            kind='missing',
          )
  table.finish()
  rows.sort()
  places, conditions, rows = np.array(rows).T
  counts = counts[rows].astype(np.int64)
  cell, label = np.nonzero(counts)
  return corpus_lib.Votes(
    clip=places[cell].astype(np.int32),
    condition=conditions[cell].astype(np.int32),
    annotator=np.full(len(cell), ''),
    label=label.astype(np.int32),
    count=counts[cell, label],
  )


def _media(source: pathlib.Path, ids: list[str]) -> dict[str, np.ndarray]:
  """The absolute paths of the media of each clip, where there are any."""
  columns = {}
  for modality, (folder, suffix) in _MEDIA.items():
    if not (source / folder).is_dir():
      continue
    paths = [(source / folder / f'{clip}{suffix}').resolve() for clip in ids]
    there = [path.is_file() for path in paths]
    columns[modality] = np.array(
      [str(path) if ok else '' for path, ok in zip(paths, there, strict=True)]
    )
    if not all(there):
      _LOGGER.warning(
        '%d of %d clips have no %s file', there.count(False), len(ids), modality
      )
  return columns
