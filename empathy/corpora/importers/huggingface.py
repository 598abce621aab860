"""Data sets as the Hugging Face Hub has them: media and what is known of them.

Reads, below the folder,

  metadata.csv, .jsonl, .parquet   with a column `file_name`, from its folder on
  *.parquet                        with words, or with paths of media
  neither                          media in folders whose names are the classes

as `audiofolder` and `videofolder` of the library `datasets` do. Folders and
files called train, validation (valid, val, dev) and test (eval) are the split,
if all three are there; else `published_split` keeps what there is. What the
importer `folder` knows of columns holds here; `text`, `sentence` and
`transcription` are transcripts, and labels that are numbers of a `ClassLabel`
get their names. Sound within Parquet files is refused: nothing is unpacked.
"""

import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import sheets, spelling, tables, tracks
from empathy.corpora.importers import folder

SUFFIXES = ('.parquet',)
_SUFFIXES = (*tables.SUFFIXES, '.jsonl', '.parquet')
_SPLITS = {
  **dict.fromkeys(('train', 'training'), 'train'),
  **dict.fromkeys(('validation', 'valid', 'val', 'dev'), 'val'),
  **dict.fromkeys(('test', 'testing', 'eval', 'evaluation'), 'test'),
}
_WORDS = {
  'file': ('file', 'file_name', 'audio_file_name', 'video_file_name'),
  'label': ('label', 'labels', 'class', 'category', 'emotion', 'target'),
  'transcript': ('transcript', 'transcription', 'text', 'sentence'),
}
_MEDIA = ('audio', 'video')


def read(
  source: pathlib.Path,
  columns: Mapping[str, Sequence[str]] | None = None,
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads a data set.

  Args:
    source: its folder, or a Parquet file.
    columns: of `item`, `label`, `group` and `transcript` those of other names;
      several of `label` are several labels.
    scale: the ends of the scale of scores, by label, '' for all.

  Returns:
    The clips, as the importer `folder` returns them.

  Raises:
    InputError: something is missing or wrong; each kind of fault has a line
      with the file, its line or row, and the column.
  """
  top = source if source.is_dir() else source.parent
  paths = [source] if source.is_file() else _tables(source)
  parts = [_renamed(_load(path), columns or {}) for path in paths]
  table = _joined(top, parts) if parts else _of_folders(source)
  _split(table)
  return folder.of_table(table, top, scale=scale)


def _tables(source: pathlib.Path) -> list[pathlib.Path]:
  """The tables of metadata, or else all Parquet files."""
  found = [
    path
    for path in sorted(source.rglob('*'))
    if path.suffix.lower() in _SUFFIXES
    and path.is_file()
    and not any(part.startswith('.') for part in path.relative_to(source).parts)
  ]
  named = [path for path in found if path.stem.casefold() == 'metadata']
  return named or [path for path in found if path.suffix == '.parquet']


def _load(path: pathlib.Path) -> tables.Table:
  if path.suffix.lower() == '.parquet':
    return _of_parquet(path)
  return sheets.load(path)


def _renamed(
  table: tables.Table, told: Mapping[str, Sequence[str]]
) -> tables.Table:
  """With the names that the importer `folder` knows."""
  spelt = {name.casefold(): name for name in table.columns}
  names = {}
  for what, its in told.items():
    what = {'item': 'id'}.get(what, what)
    for name in its:
      if name.casefold() not in spelt:
        raise errors.InputError(
          f'{table.path}: column {name!r}, which --columns names, is not '
          f'there; found {", ".join(map(repr, list(table.columns)[:8]))}'
        )
      several = what == 'label' and len(its) > 1
      own = re.sub(r'[^\w-]+', '_', spelt[name.casefold()])
      names[spelt[name.casefold()]] = f'label.{own}' if several else what
  for what, words in _WORDS.items():
    name = next((spelt[word] for word in words if word in spelt), None)
    if name is not None and name not in names and what not in told:
      names[name] = what
  meant = {*names.values()}
  table.columns = {
    names.get(name, name): values
    for name, values in table.columns.items()
    # A name that another column got.
    if name in names or name not in meant
  }
  return table


def _joined(top: pathlib.Path, parts: Sequence[tables.Table]) -> tables.Table:
  """One table, with paths from the top, and the part that each row is of."""
  names = list(dict.fromkeys(name for part in parts for name in part.columns))
  columns: dict[str, list[str]] = {name: [] for name in names}
  columns['published_split'] = []
  for part in parts:
    place = part.path.parent.relative_to(top)
    for name in names:
      columns[name] += [
        (place / text.strip()).as_posix()
        if name in ('file', *_MEDIA) and not spelling.is_missing(text)
        else text
        for text in part.columns.get(name, [''] * len(part))
      ]
    split = _split_of(part.path.relative_to(top))
    columns['published_split'] += [split] * len(part)
    part.finish()
  if not {'id', 'file', *_MEDIA} & set(names):
    columns['id'] = [
      f'{part.path.stem}_{line}' for part in parts for line in part.lines
    ]
  elif 'id' not in names and 'file' in names:
    # Each part may have a 1.wav.
    files = list(map(pathlib.PurePosixPath, columns['file']))
    if len({file.stem for file in files}) < len(set(files)):
      columns['id'] = list(map(_id, files))
  lines = [line for part in parts for line in part.lines]
  path = parts[0].path if len(parts) == 1 else top
  table = tables.Table.of(path, columns, lines)
  table.paths = [part.path for part in parts for _ in part.lines]
  return table


def _of_folders(source: pathlib.Path) -> tables.Table:
  """Media by folders: `train/happy/1.wav`."""
  found = [
    path.relative_to(source)
    for path in sorted(source.rglob('*'))
    if tracks.of_name(path.name)
    and path.is_file()
    and not any(part.startswith('.') for part in path.relative_to(source).parts)
  ]
  found = [path for path in found if len(path.parts) > 1]
  if not found:
    raise errors.InputError(
      f'{source}: holds no metadata.csv, .jsonl or .parquet, no other '
      '.parquet, and no media in folders named by class'
    )
  columns = {
    'id': list(map(_id, found)),
    'file': [path.as_posix() for path in found],
    'label': [path.parent.name for path in found],
    'published_split': [_split_of(path.parent.parent) for path in found],
  }
  return tables.Table.of(source, columns, list(range(1, len(found) + 1)))


def _id(path: pathlib.PurePath) -> str:
  return '_'.join((*path.parts[:-1], path.stem))


def _split_of(path: pathlib.PurePath) -> str:
  """What the names of folders, or `train-00000-of-00001.parquet`, say."""
  for part in reversed(path.parts):
    word = re.split(r'[-_.]', part.casefold())[0]
    if word in _SPLITS:
      return _SPLITS[word]
  return ''


def _split(table: tables.Table) -> None:
  """Takes the published parts for the split, if they are one."""
  if 'split' in table.columns or 'fold' in table.columns:
    del table.columns['published_split']
    return
  found = set(table.columns['published_split'])
  if found == set(corpus_lib.SPLITS):
    table.columns['split'] = table.columns.pop('published_split')
  elif found == {''}:
    del table.columns['published_split']
  else:
    there = ', '.join(sorted(found - {''}))
    table.notes.append(
      f'{table.path}: only {there} of train, val and test are there: folds are '
      'made; published_split keeps what is there'
    )


def _of_parquet(path: pathlib.Path) -> tables.Table:
  """Reads the columns of texts, numbers and paths."""
  try:
    with pq.ParquetFile(path) as file:
      schema = file.schema_arrow
      chosen = []
      for field in schema:
        if pa.types.is_struct(field.type):
          inner = {one.name for one in field.type}
          chosen += [f'{field.name}.path'] * ('path' in inner)
        elif not pa.types.is_nested(field.type):
          chosen.append(field.name)
      table = file.read(columns=chosen)
  except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    raise errors.InputError(
      f'{path}: is not a whole Parquet file: {reason}'
    ) from None
  if not table.num_rows:
    raise errors.InputError(f'{path}: has no rows')
  names = _class_names(path, schema)
  columns = {}
  for name in table.column_names:
    values = table.column(name).to_pylist()
    if pa.types.is_struct(table.schema.field(name).type):
      values = [value and value['path'] for value in values]
      for row, text in enumerate(values):
        if not text or not (path.parent / text).is_file():
          raise errors.InputError(
            f'{path}:{row + 1}: column {name!r}: the media are within the '
            'file, or gone; save them as files beside metadata.csv with '
            'file_name'
          )
    texts = list(map(_text, values))
    if name in names:
      texts = _named(path, name, texts, names[name])
    columns[name] = texts
  return tables.Table.of(path, columns, list(range(1, table.num_rows + 1)))


def _text(value: Any) -> str:
  if value is None or value != value:
    return ''
  return str(value).lower() if isinstance(value, bool) else str(value)


def _class_names(path: pathlib.Path, schema: pa.Schema) -> dict[str, list[str]]:
  """The names of classes that `datasets` writes beside the columns."""
  try:
    told = json.loads((schema.metadata or {}).get(b'huggingface', b'{}'))
    features = told.get('info', {}).get('features', {})
    return {
      name: list(map(str, feature['names']))
      for name, feature in features.items()
      if isinstance(feature, dict) and feature.get('_type') == 'ClassLabel'
    }
  except (ValueError, AttributeError, KeyError, TypeError):
    raise errors.InputError(
      f"{path}: what it tells of its features ('huggingface') is not as the "
      'library datasets writes it'
    ) from None


def _named(
  path: pathlib.Path, column: str, texts: Sequence[str], names: Sequence[str]
) -> list[str]:
  """The classes of numbers, where -1 is none."""
  found, faults = [], errors.Faults()
  for row, text in enumerate(texts, 1):
    if text in ('', '-1'):
      found.append('')
    elif text.isdecimal() and int(text) < len(names):
      found.append(names[int(text)])
    else:
      faults.add(
        f'{path}:{row}: column {column!r}: {text!r} is not the number of one '
        f'of {len(names)} classes',
        row,
        'class',
      )
  faults.raise_all('rows')
  return found
