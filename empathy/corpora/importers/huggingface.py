"""Data sets as the Hugging Face Hub has them: media and what is known of them.

Reads, below the folder,

  metadata.csv, .jsonl, .parquet   with a column `file_name`, from its folder on
  *.parquet                        with words, media, or paths of media
  neither                          media in folders whose names are the classes

as `audiofolder` and `videofolder` of the library `datasets` do. Folders and
files called train, validation (valid, val, dev) and test (eval) are the split,
if all three are there; else `published_split` keeps what there is. What the
importer `folder` knows of columns holds here; `text`, `sentence` and
`transcription` are transcripts, and labels that are numbers of a `ClassLabel`
get their names.

Media within Parquet (`audio` and `video` as `datasets` writes them: bytes, or
samples and their rate) become files of the corpus. `--columns` says which
columns are item, label, group, split, transcript, audio, video or file (sound
and pictures) where their names do not.
"""

import json
import logging
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import (
  grouping,
  published,
  sheets,
  spelling,
  tables,
  tracks,
  unpacked,
)
from empathy.corpora.importers import folder

SUFFIXES = ('.parquet',)
_SUFFIXES = (*tables.SUFFIXES, '.jsonl', '.parquet')
# What `--columns` can tell of columns.
COLUMNS = (
  *('item', 'label', 'group', 'split', 'transcript'),
  *('audio', 'video', 'file'),
)
_WORDS = {
  'file': ('file', 'file_name', 'audio_file_name', 'video_file_name'),
  'label': ('label', 'labels', 'class', 'category', 'emotion', 'target'),
  'transcript': ('transcript', 'transcription', 'text', 'sentence'),
}
_MEDIA = ('file', 'audio', 'video')
# Of media, that are in memory at once.
_NUM_ROWS = 16
_LOGGER = logging.getLogger('empathy')


def read(
  source: pathlib.Path,
  columns: Mapping[str, Sequence[str]] | None = None,
  scale: Mapping[str, tuple[float, float]] | None = None,
  media: pathlib.Path | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads a data set.

  Args:
    source: its folder, or a Parquet file.
    columns: by one of `COLUMNS` the columns that are it; several of `label` are
      several labels.
    scale: the ends of the scale of scores, by label, '' for all.
    media: a new folder for media within Parquet; None refuses them.

  Returns:
    The clips, as the importer `folder` returns them.

  Raises:
    InputError: something is missing or wrong; each kind of fault has a line
      with the file, its line or row, and the column.
  """
  top = source if source.is_dir() else source.parent
  paths = [source] if source.is_file() else _tables(source)
  parts, inner = [], []
  for path in paths:
    table, within = _load(path)
    names = _names(table, columns or {}, within)
    _note_left(table, [name for name in within if name not in names])
    meant = {*names.values()}
    table.columns = {
      names.get(name, name): values
      for name, values in table.columns.items()
      # A name that another column got.
      if name in names or name not in meant
    }
    parts.append(table)
    inner.append(
      {names.get(name, name): name for name in within if name in names}
    )
  table = _joined(top, parts, any(inner)) if parts else _of_folders(source)
  if any(inner):
    _unpack(top, table, parts, inner, media)
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


def _load(path: pathlib.Path) -> tuple[tables.Table, list[str]]:
  """A table, and its columns that may hold media."""
  if path.suffix.lower() == '.parquet':
    return _of_parquet(path)
  return sheets.load(path), []


def _names(
  table: tables.Table, told: Mapping[str, Sequence[str]], within: Sequence[str]
) -> dict[str, str]:
  """The names that the importer `folder` knows, by those that are there."""
  spelt = {name.casefold(): name for name in table.columns}
  names = {}
  for what, its in told.items():
    what = {'item': 'id'}.get(what, what)
    for name in its:
      if name.casefold() not in spelt:
        there = ', '.join(map(repr, list(table.columns)[:8]))
        raise errors.InputError(
          f'{table.path}: column {name!r}, which --columns names, is not '
          f'there, or no text, number or media; found {there}'
        )
      if spelt[name.casefold()] in within and what not in _MEDIA:
        raise errors.InputError(
          f'{table.path}: column {name!r}, which --columns names, holds files, '
          'not texts or numbers'
        )
      several = what == 'label' and len(its) > 1
      own = re.sub(r'[^\w-]+', '_', spelt[name.casefold()])
      names[spelt[name.casefold()]] = f'label.{own}' if several else what
  for what, words in _WORDS.items():
    name = next((spelt[word] for word in words if word in spelt), None)
    if name is not None and name not in names and what not in told:
      names[name] = what
  for name in within:
    what = name.casefold()
    if (
      what in _MEDIA
      and not {*_MEDIA} & {*told}
      and name not in names
      and what not in names.values()
    ):
      # A film has its sound, unless that is a column.
      alone = not {*_MEDIA} & ({*spelt} - {what} | {*names.values()})
      names[name] = 'file' if what == 'video' and alone else what
  return names


def _note_left(table: tables.Table, names: Sequence[str]) -> None:
  for name in names:
    del table.columns[name]
  if names:
    table.notes.append(
      f'{table.path}: left out: {", ".join(names)}, which may hold media; '
      f'--columns=file={names[0]}, audio={names[0]} or video={names[0]} would '
      'take it'
    )


def _joined(
  top: pathlib.Path, parts: Sequence[tables.Table], inside: bool
) -> tables.Table:
  """One table, with paths from the top, and the part that each row is of.

  Args:
    top: the folder.
    parts: the tables.
    inside: whether media are within them, so that clips need ids.
  """
  names = list(dict.fromkeys(name for part in parts for name in part.columns))
  columns: dict[str, list[str]] = {name: [] for name in names}
  columns['published_split'] = []
  for part in parts:
    place = part.path.parent.relative_to(top)
    for name in names:
      columns[name] += [
        (place / text.strip()).as_posix()
        if name in _MEDIA and not spelling.is_missing(text)
        else text
        for text in part.columns.get(name, [''] * len(part))
      ]
    split = _split_of(part.path.relative_to(top))
    columns['published_split'] += [split] * len(part)
    part.finish()
  if 'id' not in names and (inside or not {*_MEDIA} & set(names)):
    columns['id'] = _ids(columns, parts)
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


def _ids(
  columns: Mapping[str, Sequence[str]], parts: Sequence[tables.Table]
) -> list[str]:
  """Names of clips: of their files, if these tell them apart, or their rows."""
  for name in _MEDIA:
    files = list(map(pathlib.PurePosixPath, columns.get(name, ())))
    if not files or not all(file.stem for file in files):
      continue
    for ids in (
      [file.stem for file in files],
      [
        f'{part}_{file.stem}'
        for part, file in zip(columns['published_split'], files, strict=True)
      ],
      list(map(_id, files)),
    ):
      if not spelling.twice(ids):
        return ids
  return [f'{part.path.stem}_{line}' for part in parts for line in part.lines]


def _unpack(
  top: pathlib.Path,
  table: tables.Table,
  parts: Sequence[tables.Table],
  inner: Sequence[Mapping[str, str]],
  folder_: pathlib.Path | None,
) -> None:
  """Writes media within Parquet as files, which the table then names.

  Args:
    top: the folder of the data set.
    table: of all parts.
    parts: in the order of the rows.
    inner: of each part by column of the table its own column of media.
    folder_: for the files.
  """
  media = None if folder_ is None else unpacked.Media(folder_)
  if not grouping.candidates(list(table.columns)):
    # Files are where they are for a moment only.
    table.columns['group'] = table.columns['id']
    table.notes.append(
      f'{table.path}: no column tells the speaker or source: every clip is its '
      'own group; --columns=group=NAME would say otherwise'
    )
  ids = table.ids('id', table.columns['id'])
  table.faults.raise_all()
  faults, first = errors.Faults(), 0
  for part, columns in zip(parts, inner, strict=True):
    for column, own in columns.items():
      paths = table.columns[column]
      for row, value in enumerate(_within(part.path, own), first):
        place = f'{part.path}:{row - first + 1}: column {own!r}:'
        try:
          content = _content(value)
          if content is None:
            if paths[row] and not (top / paths[row]).is_file():
              faults.add(
                f'{place} {paths[row]!r} is neither within the file nor there',
                row - first + 1,
                'gone',
              )
          elif media is None:
            raise errors.InputError(
              f'{place} holds media: read the data set with a folder to write '
              'them to'
            )
          else:
            paths[row] = media.write(ids[row], content)
        except errors.InputError:
          raise
        except ValueError as error:
          says = str(error)
          faults.add(f'{place} {says}', row - first + 1, (own, says))
    first += len(part)
  faults.raise_all('rows')


def _within(path: pathlib.Path, column: str) -> Iterator[Any]:
  """What each row has in a column of media."""
  try:
    with pq.ParquetFile(path) as file:
      for batch in file.iter_batches(_NUM_ROWS, columns=[column]):
        yield from batch.column(0)
  except (pa.ArrowException, OSError) as error:
    raise _damaged(path, error) from None


def _content(value: pa.Scalar) -> bytes | None:
  """A file's content, None where there is none; a ValueError if it is none."""
  if not value.is_valid:
    return None
  if not isinstance(value, pa.StructScalar):
    return value.as_py()
  content = value['bytes'].as_py() if 'bytes' in value else None
  if content is None and 'array' in value and value['array'].is_valid:
    samples = value['array'].values.to_numpy(zero_copy_only=False)
    if samples.dtype.kind == 'O':
      samples = np.stack(samples, axis=-1)  # A row a channel.
    content = unpacked.wav(samples, value['sampling_rate'].as_py())
  return content


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
  words = [re.split(r'[-_.]', part)[0] for part in reversed(path.parts)]
  return next(filter(None, map(published.name, words)), '')


def _split(table: tables.Table) -> None:
  """Takes the published parts for the split, if they are one."""
  parts = table.columns.pop('published_split')
  if 'split' in table.columns:
    table.columns['split'] = [
      published.name(text) or text for text in table.columns['split']
    ]
  elif 'fold' not in table.columns:
    split, more = published.split(table.path, parts)
    table.columns |= more if split is None else {'split': split}


def _of_parquet(path: pathlib.Path) -> tuple[tables.Table, list[str]]:
  """Reads the columns of texts, numbers and paths, of media their paths."""
  try:
    with pq.ParquetFile(path) as file:
      schema = file.schema_arrow
      chosen, within, left = [], [], []
      for field in schema:
        if _may_be_media(field.type):
          within.append(field.name)
          if pa.types.is_struct(field.type) and 'path' in field.type.names:
            chosen.append(f'{field.name}.path')
        elif pa.types.is_nested(field.type):
          left.append(field.name)
        else:
          chosen.append(field.name)
      table = file.read(columns=chosen)
      number = file.metadata.num_rows
  except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
    raise _damaged(path, error) from None
  if not number:
    raise errors.InputError(f'{path}: has no rows')
  names = _class_names(path, schema)
  columns = {name: [''] * number for name in schema.names if name not in left}
  for name in table.column_names:
    values = table.column(name).to_pylist()
    if name in within:
      values = [value and value['path'] for value in values]
    texts = list(map(_text, values))
    if name in names:
      texts = _named(path, name, texts, names[name])
    columns[name] = texts
  made = tables.Table.of(path, columns, list(range(1, number + 1)))
  if left:
    made.notes.append(
      f'{path}: left out, as neither texts, numbers nor media: '
      f'{", ".join(left)}'
    )
  return made, within


def _may_be_media(kind: pa.DataType) -> bool:
  """Whether it is bytes, or what `datasets` makes of a file."""
  if pa.types.is_struct(kind):
    names = {one.name for one in kind}
    return bool({'bytes', 'path'} & names) or names >= {
      'array',
      'sampling_rate',
    }
  return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _damaged(path: pathlib.Path, error: Exception) -> errors.InputError:
  reason = (str(error) or type(error).__name__).splitlines()[0]
  return errors.InputError(f'{path}: is not a whole Parquet file: {reason}')


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
