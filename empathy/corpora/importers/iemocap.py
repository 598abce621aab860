"""IEMOCAP as published: turns of acted dialogues, with three raters or more.

Reads `Session*/dialog/EmoEvaluation/Ses*.txt` (Busso et al. 2008, Language
Resources and Evaluation 42(4):335-359):

  [6.29 - 8.23]  Ses01F_impro01_F000  neu  [2.5, 2.5, 2.5]
  C-E2:  Neutral; Sadness;  ()
  A-E3:  val 3; act 2; dom 2;  ()

Several labels: `emotion`, whose classes a rater may name several of, each of
which is a vote (`E2`, and `E2 also` for the second), as in the published
majority; `names_<emotion>`, yes or no, which keeps that; and `valence`,
`activation` and `dominance` from 1 to 5. What the speakers said of themselves
(`C-F1`, `A-M1`) is no vote; `self_emotion` keeps the emotion.

Speakers are groups and sessions folds. Sound and pictures are those of the
dialogue, from `dialog/wav` and `dialog/avi`, between the times of the turn; or
else the sound of the sentence.
"""

import dataclasses
import logging
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import ratings, spelling, tables
from empathy.corpora.ratings import Rating

_CLASSES = {
  'neu': 'neutral',
  'hap': 'happiness',
  'sad': 'sadness',
  'ang': 'anger',
  'sur': 'surprise',
  'fea': 'fear',
  'dis': 'disgust',
  'fru': 'frustration',
  'exc': 'excited',
  'oth': 'other',
}
_NO_AGREEMENT = 'xxx'
_ATTRIBUTES = {'val': 'valence', 'act': 'activation', 'dom': 'dominance'}
_CONDITION = 'audio+video'
_TURN = re.compile(
  r'\[\s*([\d.]+)\s*-\s*([\d.]+)\s*\]\s+(\S+)\s+(\w+)\s+'
  r'\[\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*\]'
)
_ID = re.compile(r'(Ses(\d\d)[FM]_.+)_([FM])\w+')
_RATER = re.compile(r'([CA])-([A-Z]+\d*)\s*:(.*)')
_NUMBER = re.compile(r'(val|act|dom)\s*(\S*)')
_TRANSCRIPT = re.compile(r'(Ses\S+)\s+\[[^\]]*\]\s*:\s*(.*)')
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass
class _Turn:
  """What the file of a dialogue tells of a turn; labels are '' for none."""

  session: pathlib.Path
  id: str
  dialogue: str
  group: str
  start: str
  end: str
  emotion: str
  numbers: dict[str, str]
  said_self: str = ''


def read(source: pathlib.Path) -> dict[str, corpus_lib.Corpus]:
  """Reads the published folder.

  Args:
    source: holds `Session1` and so on.

  Returns:
    A corpus by name of each label.

  Raises:
    InputError: files are missing or wrong; each kind of fault has a line with
      the file and its line.
  """
  paths = [
    path
    for path in sorted(source.glob('Session*/dialog/EmoEvaluation/*.txt'))
    if not path.name.startswith('.')
  ]
  if not paths:
    raise errors.InputError(
      f'{source}: no Session*/dialog/EmoEvaluation/Ses*.txt in it'
    )
  turns: list[_Turn] = []
  votes: dict[str, list[Rating]] = {
    name: []
    for name in (
      'emotion',
      *_ATTRIBUTES.values(),
      *(f'names_{one}' for one in _CLASSES.values()),
    )
  }
  faults = errors.Faults()
  for path in paths:
    _read_dialogue(path, turns, votes, faults)
  faults.raise_all()
  if not turns:
    raise errors.InputError(f'{paths[0]}: and the like hold no turns')
  clips = _clips(source, turns)
  given = {'emotion': [turn.emotion for turn in turns]} | {
    name: [turn.numbers[name] for turn in turns]
    for name in _ATTRIBUTES.values()
  }
  values = {'values': [1, 2, 3, 4, 5], 'label_source': _CONDITION}
  declarations = {
    'emotion': {
      'classes': list(_CLASSES.values()),
      'label': 'emotion',
      'label_source': _CONDITION,
    },
    **{name: values | {'label': name} for name in _ATTRIBUTES.values()},
    **{
      f'names_{one}': ratings.CHOICE | {'label': f'{one} is named'}
      for one in _CLASSES.values()
    },
  }
  votes = {name: some for name, some in votes.items() if some}
  named = [name for name in votes if name.startswith('names_')]
  found = ratings.corpora(clips, votes, given, declarations, filled=named)
  return _with_folds(found, turns)


def _read_dialogue(
  path: pathlib.Path,
  turns: list[_Turn],
  votes: dict[str, list[Rating]],
  faults: errors.Faults,
) -> None:
  """Adds the turns of a file, and what raters said of them."""
  seen: dict[str, int] = {turn.id: 0 for turn in turns}
  first = len(turns)
  for number, line in enumerate(tables.text(path)[0].splitlines(), 1):
    line = line.strip()

    def fault(message: str, kind: str, number=number) -> None:
      faults.add(f'{path}:{number}: {message}', number, (path, kind))

    if line.startswith('['):
      turn = _turn(path, line, fault)
      if turn is not None:
        if turn.id in seen:
          fault(f'{turn.id!r} is there already', 'twice')
        seen[turn.id] = number
        turns.append(turn)
      continue
    if not line or line.startswith('%'):
      continue
    rater = _RATER.match(line)
    if not rater or len(turns) == first:
      if not faults:
        fault(
          f'{line[:40]!r} is no turn, [start - end] name emotion [v, a, d], '
          'and no rating of one, such as C-E2: Neutral; ()',
          'line',
        )
      continue
    kind, who, said = rater.groups()
    said = said.partition('(')[0]
    if kind == 'C':
      _emotions(len(turns) - 1, turns[-1], who, said, votes, fault)
    elif who.startswith('E'):
      _numbers(len(turns) - 1, who, said, votes, fault)


def _turn(path: pathlib.Path, line: str, fault) -> _Turn | None:
  found = _TURN.match(line)
  name = found and _ID.fullmatch(found[3])
  if not found or not name:
    fault(f'{line[:60]!r} is not [start - end] name emotion [v, a, d]', 'turn')
    return None
  start, end, emotion = found[1], found[2], found[4].lower()
  try:
    if float(end) <= float(start):
      fault(f'{end} is not after the start, {start}', 'times')
    numbers = [float(text) for text in found.groups()[4:]]
  except ValueError:
    fault(f'{line[:60]!r} holds what is no number', 'number')
    return None
  if emotion not in _CLASSES and emotion != _NO_AGREEMENT:
    known = ', '.join([*_CLASSES, _NO_AGREEMENT])
    fault(f'{found[4]!r} is not one of {known}', 'emotion')
  if not all(1 <= value <= 5 for value in numbers):
    fault(f'{numbers} are not all from 1 to 5', 'range')
  return _Turn(
    session=path.parents[2],
    id=found[3],
    dialogue=name[1],
    group=f'Ses{name[2]}{name[3]}',
    start=start,
    end=end,
    emotion=_CLASSES.get(emotion, ''),
    numbers={
      label: repr(value)
      for label, value in zip(_ATTRIBUTES.values(), numbers, strict=True)
    },
  )


def _emotions(
  clip: int,
  turn: _Turn,
  who: str,
  said: str,
  votes: dict[str, list[Rating]],
  fault,
) -> None:
  """What a rater, or the speaker, named."""
  names = []
  for text in filter(None, map(spelling.clean, said.split(';'))):
    name = text.casefold().removesuffix(' state')
    if name not in _CLASSES.values():
      fault(f'{text!r} is not one of {", ".join(_CLASSES.values())}', 'named')
      return
    if name not in names:
      names.append(name)
  if not names:
    return
  if not who.startswith('E'):
    if who[0] == turn.group[-1]:  # Not the other speaker.
      turn.said_self = ', '.join(names)
    return
  for place, name in enumerate(names):
    also = '' if not place else ' also' if place == 1 else f' also {place}'
    votes['emotion'].append(Rating(clip, _CONDITION, f'{who}{also}', name))
  for name in _CLASSES.values():
    answer = 'yes' if name in names else 'no'
    votes[f'names_{name}'].append(Rating(clip, _CONDITION, who, answer))


def _numbers(
  clip: int,
  who: str,
  said: str,
  votes: dict[str, list[Rating]],
  fault,
) -> None:
  """What a rater gave; a number may be missing."""
  for text in filter(None, map(spelling.clean, said.split(';'))):
    found = _NUMBER.fullmatch(text)
    if not found or (found[2] and found[2] not in '12345'):
      fault(f'{text!r} is not val, act or dom from 1 to 5', 'number')
    elif found[2]:
      label = _ATTRIBUTES[found[1]]
      votes[label].append(Rating(clip, _CONDITION, who, found[2]))


def _clips(source: pathlib.Path, turns: Sequence[_Turn]) -> ratings.Clips:
  words: dict[str, str] = {}
  for folder in sorted({turn.session for turn in turns}):
    for path in sorted(
      (folder / 'dialog' / 'transcriptions').glob('[!.]*.txt')
    ):
      for line in tables.text(path)[0].splitlines():
        found = _TRANSCRIPT.match(line)
        if found:
          words[found[1]] = spelling.clean(found[2])
  texts = [words.get(turn.id, '') for turn in turns]
  columns: dict[str, list[str]] = {
    name: [] for name in ('audio', 'video', 'start', 'end')
  }
  for turn in turns:
    sound, film, is_cut = _media(turn)
    columns['audio'].append(sound)
    columns['video'].append(film)
    columns['start'].append('' if is_cut else turn.start)
    columns['end'].append('' if is_cut else turn.end)
  for what, found in (('transcripts', texts), ('sound', columns['audio'])):
    if missing := found.count(''):
      _LOGGER.warning(
        '%s: %s without %s', source, spelling.counted(missing, 'turn'), what
      )
  there = {name: any(columns[name]) for name in ('audio', 'video')}
  if not any(columns['start']) or not any(there.values()):
    columns['dialog_start'] = [turn.start for turn in turns]
    columns['dialog_end'] = [turn.end for turn in turns]
    del columns['start'], columns['end']
  return ratings.Clips(
    place=str(source),
    info={
      'name': 'iemocap',
      'modalities': [
        *(['text'] if any(texts) else []),
        *(name for name, is_there in there.items() if is_there),
      ]
      or ['text', 'audio', 'video'],
      'license': "USC's release form",
      'source': 'IEMOCAP (Busso et al. 2008)',
    },
    ids=[turn.id for turn in turns],
    groups=[turn.group for turn in turns],
    metadata={
      'transcript': texts,
      **{n: own for n, own in columns.items() if there.get(n, True)},
      'dialogue': [turn.dialogue for turn in turns],
      'self_emotion': [turn.said_self for turn in turns],
    },
  )


def _media(turn: _Turn) -> tuple[str, str, bool]:
  """The sound and the film of a turn, and whether they hold it alone."""
  dialog = turn.session / 'dialog'
  sound = dialog / 'wav' / f'{turn.dialogue}.wav'
  films = (
    dialog / 'avi' / 'DivX' / f'{turn.dialogue}.avi',
    dialog / 'avi' / f'{turn.dialogue}.avi',
  )
  film = next((path for path in films if path.is_file()), None)
  sentence = (
    turn.session / 'sentences' / 'wav' / turn.dialogue / f'{turn.id}.wav'
  )
  if sound.is_file():
    return str(sound.resolve()), str(film.resolve()) if film else '', False
  if sentence.is_file() and film is None:
    return str(sentence.resolve()), '', True
  film = str(film.resolve()) if film else ''
  return film, film, False


def _with_folds(
  found: dict[str, corpus_lib.Corpus], turns: Sequence[_Turn]
) -> dict[str, corpus_lib.Corpus]:
  """With the sessions as folds, if there are three or more."""
  sessions = sorted({turn.session.name for turn in turns})
  if len(sessions) < 3:
    return found
  fold = np.array(
    [sessions.index(turn.session.name) for turn in turns], np.int32
  )
  return {
    name: dataclasses.replace(corpus, fold=fold)
    for name, corpus in found.items()
  }
