"""Empathetic speech segments as published: three tables, wav and mp4 files.

The source holds `train.csv`, `val.csv` and `test.csv` with the columns
`dialog_id, start_time, end_time, filename, transcript, label`, and somewhere
below it the files `<filename>.wav` and `<filename>.mp4`, each one segment of a
longer dialogue (Srikanth, Chen and Hirschberg 2025, arXiv 2505.13979).

Segments of one dialogue are in several of the published tables, so a model can
do well on `test.csv` by knowing the dialogue. The group is therefore the
dialogue and the published split is only kept, as `published_split`: without a
split, folds are made by group.

Media paths are absolute here; `prepare` writes them as they are seen from the
corpus folder. The media are whole segments already: the times within the
dialogue are kept as `dialog_start` and `dialog_end`, names by which nothing
cuts them again.
"""

import logging
import pathlib
from collections.abc import Mapping

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import spelling, tables

_COLUMNS = (
  'dialog_id',
  'start_time',
  'end_time',
  'filename',
  'transcript',
  'label',
)
_SUFFIXES = {'audio': '.wav', 'video': '.mp4'}
# The class that the others are measured against comes first.
_FIRST_CLASS = 'neutral'
_LOGGER = logging.getLogger('empathy')


def read(source: pathlib.Path) -> corpus_lib.Corpus:
  """Reads the published folder.

  Args:
    source: the folder that holds `train.csv`, `val.csv` and `test.csv`.

  Returns:
    The clips in the order of the three tables, without votes and features. A
    clip whose media are missing is kept without them, and counted in a message.

  Raises:
    InputError: files are missing or wrong; every fault has a line with the
      file, its line and column.
  """
  faults: list[str] = []
  parts = {}
  for split in corpus_lib.SPLITS:
    try:
      parts[split] = tables.Table(source / f'{split}.csv', _COLUMNS)
    except errors.InputError as error:
      faults.extend(str(error).splitlines())
  seen: dict[str, str] = {}
  for table in parts.values():
    _check(table, seen)
    faults.extend(table.faults.lines())
  errors.raise_faults(faults)
  for table in parts.values():
    table.finish()

  def column(name: str) -> list[str]:
    return [value for table in parts.values() for value in table.columns[name]]

  # One spelling in all three tables.
  ids, labels = column('filename'), spelling.unified(column('label')).values
  classes = sorted(set(labels), key=lambda name: (name != _FIRST_CLASS, name))
  if len(classes) < 2:
    raise errors.InputError(
      f"{source}: column 'label' holds only {classes[0]!r}; expected two or "
      'more classes'
    )
  media = _find_media(source, set(ids))
  return corpus_lib.Corpus(
    info={
      'name': 'empspeech',
      'classes': classes,
      'modalities': list(corpus_lib.MODALITIES),
      'conditions': [],
      'license': 'not stated with the files; ask the authors',
      'source': 'Srikanth, Chen and Hirschberg 2025, arXiv 2505.13979',
      'label': 'whether the speaker is empathetic',
    },
    ids=np.array(ids),
    groups=np.array(spelling.unified(column('dialog_id')).values),
    labels=np.array([classes.index(label) for label in labels], np.int32),
    metadata={
      'transcript': np.array(column('transcript')),
      **_media_columns(ids, media),
      'dialog_start': np.array(column('start_time')),
      'dialog_end': np.array(column('end_time')),
      'published_split': np.repeat(
        list(parts), [len(table) for table in parts.values()]
      ),
    },
  )


def _check(table: tables.Table, seen: dict[str, str]) -> None:
  """Adds the faults of one table; `seen` says where each file name was."""
  for row, name in enumerate(table.columns['filename']):
    place = f'{table.path.name}:{table.lines[row]}'
    if not name.strip():
      table.fault(row, 'filename', 'is empty')
    elif '/' in name or '\\' in name:
      says = 'is not a name without folders'
      table.fault(row, 'filename', f'{name!r} {says}', says)
    elif name in seen:
      table.fault(
        row, 'filename', f'{name!r} is there already, at {seen[name]}', 'twice'
      )
    seen.setdefault(name, place)
  for column in ('dialog_id', 'label'):
    table.columns[column] = table.things(column, needed=True)
  start, end = (
    table.convert(name, _seconds, 'a time: seconds, m:s or h:m:s')
    for name in ('start_time', 'end_time')
  )
  for row in range(len(table)):
    if None not in (start[row], end[row]) and end[row] <= start[row]:
      table.fault(
        row,
        'end_time',
        f'{table.columns["end_time"][row]} is not after the start, '
        f'{table.columns["start_time"][row]}',
        'not after',
      )


def _seconds(text: str) -> float:
  """A time; none may be missing."""
  value = tables.seconds(text)
  if value is None:
    raise ValueError
  return value


def _find_media(
  source: pathlib.Path, names: set[str]
) -> Mapping[tuple[str, str], pathlib.Path]:
  """The file of each (name, suffix), wherever it is below the source."""
  found: dict[tuple[str, str], pathlib.Path] = {}
  faults = []
  for path in sorted(source.rglob('*')):
    suffix = path.suffix.lower()
    key = (path.name[: -len(suffix)] if suffix else path.name, suffix)
    if suffix not in _SUFFIXES.values() or key[0] not in names:
      continue
    if not path.is_file():
      continue
    if key in found:
      faults.append(f'{path}: is there already, as {found[key]}; which is it?')
    found.setdefault(key, path)
  errors.raise_faults(faults)
  return found


def _media_columns(
  ids: list[str], media: Mapping[tuple[str, str], pathlib.Path]
) -> dict[str, np.ndarray]:
  columns = {}
  for modality, suffix in _SUFFIXES.items():
    paths = [media.get((name, suffix)) for name in ids]
    columns[modality] = np.array(
      ['' if path is None else str(path.resolve()) for path in paths]
    )
    if None in paths:
      _LOGGER.warning(
        '%d of %d clips have no %s file (<filename>%s); they are kept without',
        paths.count(None),
        len(ids),
        modality,
        suffix,
      )
  return columns
