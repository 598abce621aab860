"""Data sets that TensorFlow Datasets has prepared, read without TensorFlow.

Reads the folder of one version, as `~/tensorflow_datasets/NAME/1.0.0`:

  features.json        what every example has
  dataset_info.json    its splits, and the files of each
  *.labels.txt         the names of a feature's classes
  *.array_record-*     records, or *.tfrecord-*: `tf.train.Example`s

Texts and numbers are columns; `--columns` names those of `item`, `group`,
`label` (several are several labels) and `transcript`, where usual names do not.
Arrays of floats are features of the modality that their name tells, such as
`audio_embedding`, one row or a row a step. Train, validation and test make the
split if all three are there; else `published_split` keeps it. Sound and
pictures within the records are left out and told: extract features of them
first.
"""

import dataclasses
import logging
import pathlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from array_record.python import array_record_module
from google.protobuf import message
from tensorflow_datasets.proto import tf_example_pb2

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import grouping, ratings, sequences

_SPLITS = {
  **dict.fromkeys(('train', 'training'), 'train'),
  **dict.fromkeys(('validation', 'valid', 'val', 'dev'), 'val'),
  'test': 'test',
}
_WORDS = {
  'item': ('id', 'item', 'clip', 'clip_id', 'utterance_id', 'file_name'),
  'label': ('label', 'emotion', 'class', 'score'),
  'transcript': ('transcript', 'transcription', 'text', 'sentence'),
}
# Of a record: its length, four bytes that check it, itself, and four for it.
_HEAD, _CHECK = 12, 4
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class _Feature:
  """What a feature is: 'text' (numbers, too), 'class' or 'array'.

  Attributes:
    kind: one of these.
    dtype: of an array.
    width: of its rows.
    encoded: whether it is kept as its bytes.
  """

  kind: str
  dtype: np.dtype | None = None
  width: int = 0
  encoded: bool = False

  def read(self, told: Any) -> str | np.ndarray:
    """What an example has of it; a ValueError if that cannot be."""
    values = getattr(told, told.WhichOneof('kind') or '', None)
    values = () if values is None else values.value
    if self.kind == 'array':
      if self.encoded:
        values = np.frombuffer(b''.join(values), self.dtype)
      return np.array(values, self.dtype).reshape(-1, self.width)
    if len(values) > 1:
      raise ValueError
    value = values[0] if values else ''
    if isinstance(value, bytes):
      return value.decode()
    # A class of -1 is none.
    return '' if self.kind == 'class' and value == -1 else f'{value:.9g}'


def read(
  source: pathlib.Path,
  columns: Mapping[str, Sequence[str]] | None = None,
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads the examples of all splits.

  Args:
    source: the folder that holds `features.json`.
    columns: of `item`, `label`, `group` and `transcript` the features of other
      names; several of `label` are several labels.
    scale: the ends of the scale of scores, by label, '' for all.

  Returns:
    The clips in the order of the records; by name of the label where there are
    several.

  Raises:
    InputError: something is missing, cut off, or wrong.
  """
  kinds = _kinds(source)
  examples, splits = [], []
  for split, path, number in _files(source):
    for row, record in enumerate(_records(path, number)):
      examples.append(_example(record, kinds, f'{path}, record {row}'))
      splits.append(split)
  names = _names(source, kinds, columns or {})
  texts = {
    name: [example[name] for example in examples]
    for name, kind in kinds.items()
    if kind.kind != 'array'
  }
  for name in names['label']:
    if classes := _classes(source, name):
      texts[name] = [classes[int(n)] if n else '' for n in texts[name]]
  ids = [f'clip{row:06d}' for row in range(len(examples))]
  if names['item']:
    ids = texts[names['item'][0]]
  features = _features(source, kinds, examples)
  split, metadata = _split(source, splits)
  used = [name for own in names.values() for name in own]
  metadata |= {
    name.replace('/', '_'): values
    for name, values in texts.items()
    if name not in used
  }
  modalities = set(features)
  if names['transcript']:
    metadata['transcript'] = texts[names['transcript'][0]]
    modalities.add('text')
  if not modalities:
    raise errors.InputError(
      f'{source}: holds neither a transcript nor arrays whose names tell a '
      f'modality; found {", ".join(kinds)}'
    )
  place = source.resolve()
  return ratings.corpora(
    ratings.Clips(
      str(source),
      {
        'name': place.parent.name,
        'modalities': sorted(modalities, key=corpus_lib.modality_order),
        'license': 'not stated with the files; ask the authors',
        'source': f'TensorFlow Datasets, {place.parent.name} {place.name}',
      },
      ids,
      texts[names['group'][0]] if names['group'] else ids,
      split,
      metadata,
      features,
    ),
    {},
    {ratings.label_name(name): texts[name] for name in names['label']},
    {
      ratings.label_name(name): {'classes': classes}
      for name in names['label']
      if (classes := _classes(source, name))
    },
    scale or {},
  )


def _kinds(source: pathlib.Path) -> dict[str, _Feature]:
  """What each feature is, of those that are texts, numbers or arrays."""
  path = source / 'features.json'
  found, left = {}, []

  def visit(name: str, told: Any) -> None:
    if 'featuresDict' in told:
      for own, one in told['featuresDict']['features'].items():
        visit(f'{name}/{own}' if name else own, one)
    elif 'classLabel' in told or 'text' in told:
      found[name] = _Feature('class' if 'classLabel' in told else 'text')
    elif 'tensor' in told and (kind := _tensor(told['tensor'])):
      found[name] = kind
    else:
      left.append(name)

  try:
    visit('', files.read_json(path))
  except (KeyError, TypeError, AttributeError, ValueError):
    raise errors.InputError(
      f'{path}: is not as TensorFlow Datasets writes it'
    ) from None
  if left:
    _LOGGER.warning(
      '%s: left out, as neither texts, numbers nor arrays of floats: %s',
      source,
      ', '.join(left),
    )
  if not found:
    raise errors.InputError(f'{path}: names no texts, numbers or arrays')
  return found


def _tensor(told: Mapping[str, Any]) -> _Feature | None:
  shape = [int(n) for n in told.get('shape', {}).get('dimensions', ())]
  dtype = told['dtype']
  if not shape:
    return _Feature('text')
  if not dtype.startswith('float') or len(shape) > 2 or shape[-1] < 1:
    return None
  encoded = told.get('encoding', 'none')
  if encoded not in ('none', 'bytes'):
    return None
  return _Feature('array', np.dtype(dtype), shape[-1], encoded == 'bytes')


def _classes(source: pathlib.Path, name: str) -> list[str]:
  """The names of a feature's classes; none where they are not told."""
  path = source / f'{name.replace("/", "-")}.labels.txt'
  if not path.is_file():
    return []
  return path.read_text(encoding='utf-8').split('\n')[:-1]


def _files(source: pathlib.Path) -> Iterator[tuple[str, pathlib.Path, int]]:
  """The split of each file of records, and how many it has."""
  path = source / 'dataset_info.json'
  told = files.read_json(path)
  try:
    suffix, name = told['fileFormat'], told['name']
    parts = [
      (part['name'], [int(n) for n in part['shardLengths']])
      for part in told['splits']
    ]
  except (KeyError, TypeError, ValueError):
    raise errors.InputError(
      f'{path}: is not as TensorFlow Datasets writes it'
    ) from None
  if suffix not in _READERS:
    raise errors.InputError(
      f'{path}: fileFormat {suffix!r}: expected {" or ".join(_READERS)}'
    )
  for split, lengths in parts:
    for shard, length in enumerate(lengths):
      of = f'{shard:05d}-of-{len(lengths):05d}'
      yield split, source / f'{name}-{split}.{suffix}-{of}', length


def _array_records(path: pathlib.Path) -> Iterator[bytes]:
  reader = array_record_module.ArrayRecordReader(str(path))
  yield from reader.read_all()


def _tf_records(path: pathlib.Path) -> Iterator[bytes]:
  content, place = path.read_bytes(), 0
  while place < len(content):
    (length,) = struct.unpack_from('<Q', content, place)
    start = place + _HEAD
    place = start + length + _CHECK
    if place > len(content):
      raise ValueError('cut off')
    yield content[start : start + length]


_READERS = {'array_record': _array_records, 'tfrecord': _tf_records}


def _records(path: pathlib.Path, number: int) -> list[bytes]:
  """The records of a file."""
  try:
    if not path.is_file():
      raise ValueError('is missing')
    records = list(_READERS[path.suffix[1:].partition('-')[0]](path))
    if len(records) != number:
      raise ValueError(f'has {len(records):,} records, not {number:,}')
  except (ValueError, RuntimeError, OSError, struct.error) as error:
    raise errors.InputError(
      f'{path}: is not a whole file of records: {str(error).splitlines()[0]}'
    ) from None
  return records


def _example(
  record: bytes, kinds: Mapping[str, _Feature], place: str
) -> dict[str, Any]:
  """Texts, '' for none, and arrays (T, D), by the name of the feature."""
  try:
    told = tf_example_pb2.Example.FromString(record).features.feature
    return {name: kind.read(told[name]) for name, kind in kinds.items()}
  except (message.DecodeError, KeyError, ValueError, UnicodeDecodeError):
    raise errors.InputError(
      f'{place}: is not an example of the features in features.json'
    ) from None


def _names(
  source: pathlib.Path,
  kinds: Mapping[str, _Feature],
  columns: Mapping[str, Sequence[str]],
) -> dict[str, list[str]]:
  """The features that are item, label, group and transcript."""
  plain = [name for name, kind in kinds.items() if kind.kind != 'array']
  for name in (name for names in columns.values() for name in names):
    if name not in plain:
      raise errors.InputError(
        f'{source}: {name!r}, which --columns names, is no text or number; '
        f'found {", ".join(plain)}'
      )
  found = {
    what: [next((name for name in words if name in plain), '')]
    for what, words in _WORDS.items()
  }
  classes = [name for name in plain if kinds[name].kind == 'class']
  if found['label'] == [''] and len(classes) == 1:
    found['label'] = classes
  found['group'] = grouping.candidates(plain)[:1] or ['']
  found = {what: [n for n in own if n] for what, own in found.items()}
  found |= {what: list(own) for what, own in columns.items()}
  if not found['label']:
    raise errors.InputError(
      f'{source}: which feature is the label? Say --columns=label=NAME, of '
      f'{", ".join(plain)}'
    )
  return found


def _features(
  source: pathlib.Path,
  kinds: Mapping[str, _Feature],
  examples: Sequence[Mapping[str, Any]],
) -> dict[str, corpus_lib.Features]:
  """By modality."""
  own: dict[str, str] = {}
  for name, kind in kinds.items():
    if kind.kind != 'array':
      continue
    modality = sequences.modality_of(name.rpartition('/')[2])
    if modality is None:
      _LOGGER.warning('%s: left out: %s tells no modality', source, name)
    elif modality in own:
      raise errors.InputError(
        f'{source}: {own[modality]} and {name} are both of {modality}; '
        'expected one'
      )
    else:
      own[modality] = name
  return {
    modality: sequences.joined([example[name] for example in examples])
    for modality, name in own.items()
  }


def _split(
  source: pathlib.Path, splits: Sequence[str]
) -> tuple[list[str] | None, dict[str, list[str]]]:
  """The split, or the column that keeps what is none."""
  found = [_SPLITS.get(split, '') for split in splits]
  if set(found) == set(corpus_lib.SPLITS):
    return found, {}
  if len(set(splits)) == 1:
    return None, {}
  _LOGGER.warning(
    '%s: the splits %s are not train, validation and test: folds are made; '
    'published_split keeps them',
    source,
    ', '.join(dict.fromkeys(splits)),
  )
  return None, {'published_split': list(splits)}
