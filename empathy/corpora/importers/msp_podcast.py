"""MSP-Podcast as published: turns of podcasts, with the votes of their workers.

Reads `labels_consensus.csv` and, for votes, `labels_detailed.csv`, in the
folder or in its `Labels/` (Lotfian and Busso 2019, IEEE Transactions on
Affective Computing 10(4):471-483). Several labels: the primary `emotion`;
`activation`, `valence` and `dominance` from 1 to 7; and for every emotion that
a worker could name besides, `secondary_<emotion>`, yes or no.

  X         no agreement: no label
  Other-... what workers wrote is `other`
  secondary emotions that a worker did not give at all are no answer

Speakers are groups; where the speaker is not known, the podcast. The published
sets are the split, test1 to test3 together; `published_split` keeps them.
Transcripts and sound are taken where `Transcripts/` and `Audios/` hold them.
"""

import collections
import difflib
import logging
import pathlib
import re
from collections.abc import Sequence

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import ratings, spelling, tables
from empathy.corpora.ratings import Rating

_CLASSES = {
  'N': 'neutral',
  'A': 'angry',
  'S': 'sad',
  'H': 'happy',
  'U': 'surprise',
  'F': 'fear',
  'D': 'disgust',
  'C': 'contempt',
  'O': 'other',
}
_NO_AGREEMENT = 'X'
_SECONDARY = (
  *_CLASSES.values(),
  *('amused', 'annoyed', 'concerned', 'confused', 'depressed'),
  *('disappointed', 'excited', 'frustrated'),
)
_ATTRIBUTES = {
  'activation': ('EmoAct', 'A'),
  'valence': ('EmoVal', 'V'),
  'dominance': ('EmoDom', 'D'),
}
_SPLITS = {
  'train': 'train',
  'development': 'val',
  'test': 'test',
  'test1': 'test',
  'test2': 'test',
  'test3': 'test',
}
_NUMBER = re.compile(r'([AVD])\s*:\s*(\S*)')
_MANY = 3
_LOGGER = logging.getLogger('empathy')


def read(source: pathlib.Path) -> dict[str, corpus_lib.Corpus]:
  """Reads the published folder.

  Args:
    source: holds `labels_consensus.csv`, or `Labels/` with it.

  Returns:
    A corpus by name of each label, in the order of `labels_consensus.csv`.

  Raises:
    InputError: files are missing or wrong; each kind of fault has a line with
      the file, its line and column.
  """
  folder = source / 'Labels' if (source / 'Labels').is_dir() else source
  table = tables.Table(
    folder / 'labels_consensus.csv',
    ('FileName', 'EmoClass', 'SpkrID', 'Split_Set'),
    [column for column, _ in _ATTRIBUTES.values()],
  )
  ids = table.ids('FileName', _stems(table.columns['FileName']))
  given, splits = _consensus(table)
  groups = _groups(table, ids)
  table.faults.raise_all()
  detailed = folder / 'labels_detailed.csv'
  votes: dict[str, list[Rating]] = {}
  if detailed.exists():
    votes = _votes(detailed, ids)
  else:
    _LOGGER.warning('%s: is not there: the corpus has no votes', detailed)
  table.finish()
  texts = [_transcript(source / 'Transcripts', name) for name in ids]
  audio = [source / 'Audios' / f'{name}.wav' for name in ids]
  paths = [str(path.resolve()) if path.is_file() else '' for path in audio]
  for what, found in (('transcripts', texts), ('sound', paths)):
    if missing := found.count(''):
      _LOGGER.warning(
        '%s: %s without %s', source, spelling.counted(missing, 'clip'), what
      )
  clips = ratings.Clips(
    place=str(table.path),
    info={
      'name': 'msp_podcast',
      'modalities': ['text', 'audio'] if any(texts) else ['audio'],
      'license': 'academic licence of UT Dallas',
      'source': 'MSP-Podcast (Lotfian and Busso 2019)',
    },
    ids=ids,
    groups=groups,
    split=[_SPLITS[name] for name in splits],
    metadata={
      **({'transcript': texts} if any(texts) else {}),
      **({'audio': paths} if any(paths) else {}),
      'published_split': splits,
    },
  )
  values = {'values': list(range(1, 8)), 'label_source': 'audio'}
  secondary = [name for name in votes if name.startswith('secondary_')]
  declarations = {
    'emotion': {
      'classes': list(_CLASSES.values()),
      'label': 'primary emotion',
      'label_source': 'audio',
    },
    **{name: values | {'label': name} for name in _ATTRIBUTES},
    **{
      name: ratings.CHOICE | {'label': name.replace('_', ' ')}
      for name in secondary
    },
  }
  given = {name: own for name, own in given.items() if any(own)}
  # Of secondary emotions the label is what most workers say.
  names = [*given, *votes]
  if not names:
    raise errors.InputError(f'{table.path}: no clip has a label')
  found = ratings.corpora(clips, votes, given, declarations, filled=secondary)
  return found if isinstance(found, dict) else {names[0]: found}


def _stems(names: Sequence[str]) -> list[str]:
  return [re.sub(r'\.wav$', '', name.strip(), flags=re.I) for name in names]


def _consensus(
  table: tables.Table,
) -> tuple[dict[str, list[str]], list[str]]:
  """Labels by name, '' for none, and the published set of each clip."""
  emotions = []
  for row, text in enumerate(table.columns['EmoClass']):
    letter = text.strip().upper()
    none = letter == _NO_AGREEMENT or spelling.is_missing(text)
    emotions.append('' if none else _CLASSES.get(letter, ''))
    if not none and letter not in _CLASSES:
      known = ', '.join([*_CLASSES, _NO_AGREEMENT])
      table.fault(row, 'EmoClass', f'{text!r} is not one of {known}', 'class')
  given = {'emotion': emotions}
  for name, (column, _) in _ATTRIBUTES.items():
    if column not in table.columns:
      continue
    numbers = table.numbers(column)
    for row, number in enumerate(numbers):
      if number < 1 or number > 7:
        text = table.columns[column][row]
        table.fault(row, column, f'{text!r} is not from 1 to 7', 'range')
    given[name] = ['' if n != n else repr(n) for n in numbers]
  splits = []
  for row, text in enumerate(table.columns['Split_Set']):
    name = re.sub(r'[\W_]', '', text).casefold()
    splits.append(name if name in _SPLITS else 'test')
    if name not in _SPLITS:
      table.fault(
        row, 'Split_Set', f'{text!r} is not Train, Development or Test1', 'set'
      )
  return given, splits


def _groups(table: tables.Table, ids: Sequence[str]) -> list[str]:
  """The speakers; the podcast where the speaker is not known."""
  groups = []
  for name, text in zip(ids, table.columns['SpkrID'], strict=True):
    known = spelling.clean(text).casefold()
    if spelling.is_missing(text) or known in ('unknown', 'unk'):
      groups.append(f'podcast {name.rpartition("_")[0] or name}')
    else:
      groups.append(f'speaker {spelling.key(text)}')
  unknown = sum(group.startswith('podcast') for group in groups)
  if unknown:
    table.note(
      'SpkrID',
      f'{spelling.counted(unknown, "clip")} of unknown speakers are grouped by '
      'podcast',
    )
  return groups


def _votes(path: pathlib.Path, ids: Sequence[str]) -> dict[str, list[Rating]]:
  """By label, what each worker said."""
  table = tables.Table(path, ())
  names, answers = _two_columns(table)
  clips = spelling.Names(ids)
  found: dict[str, list[Rating]] = collections.defaultdict(list)
  seen: set[tuple[int, str]] = set()
  unknown: list[str] = []
  others: collections.Counter = collections.Counter()
  again = 0
  texts = table.columns[answers]
  for row, (name, text) in enumerate(
    zip(_stems(table.columns[names]), texts, strict=True)
  ):
    try:
      clip = clips.find(name)
    except KeyError:
      unknown.append(name)
      continue
    parts = _parts(text)
    if parts is None:
      says = 'is not worker; primary; secondary; A:n; V:n; D:n'
      table.fault(row, answers, f'{text[:60]!r} {says}', says)
      continue
    worker, primary, secondary, numbers = parts
    if (clip, worker) in seen:
      again += 1
      continue
    seen.add((clip, worker))
    emotion = _known(primary, tuple(_CLASSES.values()), others)
    if emotion:
      found['emotion'].append(Rating(clip, 'audio', worker, emotion))
    for label, (_, letter) in _ATTRIBUTES.items():
      number = numbers.get(letter, '')
      if not number:
        continue
      value = _rating(number)
      if value is None:
        table.fault(
          row, answers, f'{letter}:{number} is not from 1 to 7', 'number'
        )
      else:
        found[label].append(Rating(clip, 'audio', worker, value))
    if secondary:
      said = {_known(one, _SECONDARY, others) for one in secondary}
      for one in _SECONDARY:
        answer = 'yes' if one in said else 'no'
        found[f'secondary_{one}'].append(Rating(clip, 'audio', worker, answer))
  table.faults.raise_all()
  if not found:
    shown = f'; found {unknown[0]!r}' if unknown else ''
    raise errors.InputError(
      f'{path}: holds no rating of a clip of labels_consensus.csv{shown}'
    )
  for number, what in (
    (len(unknown), 'of clips that labels_consensus.csv has not'),
    (again, 'of a worker who had rated the clip already'),
  ):
    if number:
      table.notes.append(
        f'{path}: left out: {spelling.counted(number, "row")} {what}'
      )
  if others:
    shown = ', '.join(
      f'{said!r} as {taken!r}' for said, taken in list(others)[:_MANY]
    )
    more = f' and {len(others) - _MANY:,} others' if len(others) > _MANY else ''
    table.notes.append(
      f'{path}: took {shown}{more} '
      f'({spelling.counted(sum(others.values()), "time")})'
    )
  table.finish()
  return {
    name: found[name]
    for name in ('emotion', *_ATTRIBUTES, *sorted(found))
    if name in found
  }


def _two_columns(table: tables.Table) -> tuple[str, str]:
  """The names of the columns of files and of answers.

  The file may have no header: its first row is a rating then.
  """
  names = list(table.columns)
  if len(names) != 2:
    raise errors.InputError(
      f'{table.path}: expected two columns, the file and worker; primary; '
      f'secondary; A:n; V:n; D:n; found {len(names)}'
    )
  if names[0].lower().endswith('.wav'):
    table.columns = {
      name: [name, *values] for name, values in table.columns.items()
    }
    table.lines = [1, *table.lines]
  return names[0], names[1]


def _parts(
  text: str,
) -> tuple[str, str, list[str], dict[str, str]] | None:
  """Worker, primary emotion, secondary ones and numbers; None if otherwise."""
  parts = [spelling.clean(part) for part in text.split(';')]
  numbers = {}
  rest = []
  for part in parts:
    found = _NUMBER.fullmatch(part)
    if found:
      numbers[found[1]] = found[2]
    else:
      rest.append(part)
  while rest and not rest[-1]:
    rest.pop()
  if len(rest) < 2 or not rest[0] or len(rest) > 3:
    return None
  secondary = rest[2].split(',') if len(rest) == 3 else []
  secondary = [one for one in map(spelling.clean, secondary) if one]
  return rest[0], rest[1], secondary, numbers


def _rating(text: str) -> str | None:
  """A whole number from 1 to 7, as `4.000000` is one."""
  try:
    number = tables.number(text)
  except ValueError:
    return None
  return f'{number:g}' if number in range(1, 8) else None


def _known(
  text: str, classes: Sequence[str], others: collections.Counter
) -> str:
  """The class of a word; what workers wrote themselves is `other`.

  Args:
    text: as it was said; '' for nothing.
    classes: that there are.
    others: counts, by (word, class), words that are not quite a class.
  """
  word = text.casefold()
  if spelling.is_missing(text) or word in classes:
    return word if word in classes else ''
  if word.startswith('other'):
    return 'other'
  near = difflib.get_close_matches(word, classes, 1, 0.8)
  taken = near[0] if near else 'other'
  others[text, taken] += 1
  return taken


def _transcript(folder: pathlib.Path, name: str) -> str:
  path = folder / f'{name}.txt'
  if not path.is_file():
    return ''
  return spelling.clean(tables.text(path)[0])
