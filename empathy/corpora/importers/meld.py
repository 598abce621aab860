"""MELD as published: utterances of a television series, with their film.

Reads `train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv` (Poria,
Hazarika, Majumder, Naik, Cambria and Mihalcea 2019, ACL, arXiv 1810.02508), and
the films `dia<D>_utt<U>.mp4` in folders below whose names say the part. Two
labels: `emotion` and `sentiment`, which is ordered. The dialogue is the group.
A film holds its utterance alone: the times within the episode are kept as
`episode_start` and `episode_end`, by which nothing cuts it again.
"""

import logging
import pathlib
import re
from collections.abc import Sequence

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import ratings, spelling, tables

_PARTS = {'train': 'train', 'dev': 'val', 'test': 'test'}
_COLUMNS = (
  *('Utterance', 'Speaker', 'Emotion', 'Sentiment', 'Dialogue_ID'),
  *('Utterance_ID', 'StartTime', 'EndTime'),
)
_EMOTIONS = (
  *('neutral', 'joy', 'sadness', 'anger', 'surprise', 'fear'),
  'disgust',
)
_SENTIMENTS = ('negative', 'neutral', 'positive')
_FILM = re.compile(r'dia(\d+)_utt(\d+)\.mp4', re.ASCII | re.IGNORECASE)
_LOGGER = logging.getLogger('empathy')


def read(source: pathlib.Path) -> dict[str, corpus_lib.Corpus]:
  """Reads the published folder.

  Args:
    source: holds the three tables, and perhaps the films in folders.

  Returns:
    A corpus by name of the label, in the order of the tables, without votes.

  Raises:
    InputError: files are missing or wrong; each kind of fault has a line with
      the file, its line and column.
  """
  parts, faults = {}, []
  for part in _PARTS:
    path = source / f'{part}_sent_emo.csv'
    try:
      parts[part] = tables.Table(path, _COLUMNS, ('Season', 'Episode'))
    except errors.InputError as error:
      faults.extend(str(error).splitlines())
  errors.raise_faults(faults)
  columns: dict[str, list[str]] = {}
  for part, table in parts.items():
    for name, values in _read_part(part, table).items():
      columns.setdefault(name, []).extend(values)
    faults += table.faults.lines()
  errors.raise_faults(faults)
  for table in parts.values():
    table.finish()
  ids = columns.pop('id')
  films = _films(source, set(ids))
  paths = [str(films[name].resolve()) if name in films else '' for name in ids]
  if 0 < paths.count('') < len(paths):
    _LOGGER.warning(
      '%s: %s without a film',
      source,
      spelling.counted(paths.count(''), 'utterance'),
    )
  given = {name: columns.pop(name) for name in ('emotion', 'sentiment')}
  clips = ratings.Clips(
    place=str(source),
    info={
      'name': 'meld',
      'modalities': [*corpus_lib.MODALITIES] if films else ['text'],
      'license': 'GPL-3.0',
      'source': 'github declare-lab/MELD (Poria et al. 2019)',
    },
    ids=ids,
    groups=columns.pop('group'),
    split=columns.pop('split'),
    metadata=columns | ({'audio': paths, 'video': paths} if films else {}),
  )
  declarations = {
    'emotion': {'classes': list(_EMOTIONS), 'label': 'emotion'},
    'sentiment': {
      'classes': list(_SENTIMENTS),
      'label': 'sentiment',
      'ordered': True,
    },
  }
  return ratings.corpora(clips, {}, given, declarations)


def _read_part(part: str, table: tables.Table) -> dict[str, list[str]]:
  """The columns of a table; what is wrong is noted in it."""
  numbers = [
    table.convert(name, tables.natural, 'a number 0, 1, 2, ...')
    for name in ('Dialogue_ID', 'Utterance_ID')
  ]
  for name in ('StartTime', 'EndTime'):
    table.convert(name, tables.seconds, 'a time, as 00:01:02,345')
  labels = {
    name: _labels(table, name.title(), classes)
    for name, classes in (('emotion', _EMOTIONS), ('sentiment', _SENTIMENTS))
  }
  ids = [f'{part}_dia{d}_utt{u}' for d, u in zip(*numbers, strict=True)]
  if not table.faults:
    table.ids('Utterance_ID', ids)
  return {
    'id': ids,
    'group': [f'{part}_dia{dialogue}' for dialogue in numbers[0]],
    'split': [_PARTS[part]] * len(table),
    **labels,
    'transcript': list(map(_words, table.columns['Utterance'])),
    'speaker': table.things('Speaker'),
    'episode_start': table.columns['StartTime'],
    'episode_end': table.columns['EndTime'],
    **{
      name.lower(): table.columns.get(name, [''] * len(table))
      for name in ('Season', 'Episode')
    },
  }


def _labels(
  table: tables.Table, column: str, classes: Sequence[str]
) -> list[str]:
  codes = corpus_lib.label_codes(table, column, classes)
  return [classes[code] if code >= 0 else '' for code in codes.tolist()]


def _words(text: str) -> str:
  """The text, where control characters are what Windows means by them."""
  return spelling.clean(
    re.sub(
      '[\x80-\x9f]',
      lambda found: found[0].encode('latin-1').decode('cp1252', 'ignore'),
      text,
    )
  )


def _films(source: pathlib.Path, ids: set[str]) -> dict[str, pathlib.Path]:
  """The film of each utterance, wherever it is below the source."""
  found: dict[str, pathlib.Path] = {}
  faults = errors.Faults()
  for path in sorted(source.rglob('*_utt*')):
    name = _FILM.fullmatch(path.name)
    if not name or not path.is_file():
      continue
    folders = '/'.join(path.relative_to(source).parts[:-1]).casefold()
    own = [part for part in _PARTS if part in folders]
    if len(own) != 1:
      faults.add(
        f'{path}: is it of train, dev or test? No folder says it',
        kind='part',
      )
      continue
    clip = f'{own[0]}_dia{int(name[1])}_utt{int(name[2])}'
    if clip in found:
      faults.add(f'{path}: is there already, as {found[clip]}; which is it?')
    elif clip in ids:
      found[clip] = path
  faults.raise_all()
  return found
