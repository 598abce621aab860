"""Data sets that TensorFlow Datasets has prepared, read without TensorFlow.

Reads the folder of one version, as `~/tensorflow_datasets/NAME/1.0.0`:

  features.json        what every example has
  dataset_info.json    its splits, and the files of each
  *.labels.txt         the names of a feature's classes
  *.array_record-*     records, or *.tfrecord-*: `tf.train.Example`s

Texts and numbers are columns, arrays of floats features of the modality that
their name tells, such as `audio_embedding`, one row or a row a step.
`--columns` says what names do not:

  item, label, group, split, transcript   columns; several of `label` are
                        several labels
  text, audio, video    of which modality an array is
  audio, video, file    sound, pictures, or both: whole files that records hold,
                        or the paths of files

Sound of the feature `Audio`, as a file or as samples, is known as such, and so
are samples with a `sampling_rate` beside them. Media within records become
files of the corpus; pictures of `Image` and `Video` are left out, which is
said. Train, validation and test make the split if all three are there; else
`published_split` keeps it.
"""

import dataclasses
import logging
import os
import pathlib
import struct
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from array_record.python import array_record_module
from google.protobuf import message
from tensorflow_datasets.proto import tf_example_pb2

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import (
  grouping,
  published,
  ratings,
  sequences,
  tracks,
  unpacked,
)

# What `--columns` can tell of features.
COLUMNS = (
  *('item', 'label', 'group', 'split', 'transcript'),
  *('text', 'audio', 'video', 'file'),
)
_WORDS = {
  'item': ('id', 'item', 'clip', 'clip_id', 'utterance_id', 'file_name'),
  'label': ('label', 'emotion', 'class', 'score'),
  'transcript': ('transcript', 'transcription', 'text', 'sentence'),
}
_MEDIA = ('audio', 'video', 'file')
_PLAIN = ('text', 'class')
# What a corpus has under these names is something else.
_OURS = (
  *('id', 'group', 'label', 'score', 'split', 'fold'),
  *('transcript', 'audio', 'video', 'published_split'),
)
# Beside samples, how many there are a second.
_RATES = ('sampling_rate', 'sample_rate', 'samplerate')
# What TensorFlow Datasets' name for text and files is.
_TEXT_TYPES = ('string', 'object', 'str')
# Of a record: its length, four bytes that check it, itself, and four for it.
_HEAD, _CHECK = 12, 4
_MOST_PATH = 4096
# That are held in memory at once.
_NUM_RECORDS = 256
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class _Feature:
  """What a feature is.

  Attributes:
    kind: 'text', texts and numbers; 'class'; 'file', bytes; 'array', (T, width)
      numbers; or 'samples', (T, width) of sound.
    dtype: of an array.
    width: of its rows.
    encoding: how an array is kept: 'none' as numbers, 'bytes' or 'zlib'.
    rate: of samples a second; 0 where it is not told.
  """

  kind: str
  dtype: np.dtype | None = None
  width: int = 0
  encoding: str = 'none'
  rate: int = 0

  def read(self, told: Any) -> str | bytes | np.ndarray:
    """What an example has of it; a ValueError if that cannot be."""
    values = getattr(told, told.WhichOneof('kind') or '', None)
    values = () if values is None else values.value
    if self.kind in ('array', 'samples'):
      if self.encoding != 'none':
        content = b''.join(values)
        if self.encoding == 'zlib' and content:
          content = zlib.decompress(content)
        values = np.frombuffer(content, self.dtype)
      return np.array(values, self.dtype).reshape(-1, self.width)
    if len(values) > 1:
      raise ValueError
    value = values[0] if values else ''
    if self.kind == 'file':
      return memoryview(value or b'').tobytes()
    if isinstance(value, bytes):
      return value.decode()
    if isinstance(value, int):
      # A class of -1 is none.
      return '' if self.kind == 'class' and value == -1 else str(value)
    return f'{value:.9g}' if value != '' else ''


def read(
  source: pathlib.Path,
  columns: Mapping[str, Sequence[str]] | None = None,
  scale: Mapping[str, tuple[float, float]] | None = None,
  media: pathlib.Path | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads the examples of all splits.

  Args:
    source: the folder that holds `features.json`.
    columns: by one of `COLUMNS` the features that are it; several of `label`
      are several labels.
    scale: the ends of the scale of scores, by label, '' for all.
    media: a new folder for media that records hold; None refuses them.

  Returns:
    The clips in the order of the records; by name of the label where there are
    several. Paths of media are absolute.

  Raises:
    InputError: something is missing, cut off, or wrong.
  """
  kinds = _kinds(source)
  names, arrays = _names(source, kinds, columns or {})
  kinds = _used(source, kinds, names, arrays)
  texts, pieces, splits = _read(source, kinds, names, arrays, media)
  for name in names['label']:
    if classes := _classes(source, name):
      texts[name] = [classes[int(n)] if n else '' for n in texts[name]]
  place = source.resolve()
  if names['split'] and any(texts[names['split'][0]]):
    splits = texts[names['split'][0]]
  split, metadata = published.split(source, splits)
  used = [name for own in names.values() for name in own]
  named_alike = [
    name
    for name in _OURS
    if name in texts and name not in (*used, 'fold', 'published_split')
  ]
  if named_alike:
    _LOGGER.warning(
      '%s: left out: %s, which --columns could name',
      source,
      ', '.join(named_alike),
    )
  metadata |= {
    name.replace('/', '_'): values
    for name, values in texts.items()
    if name not in used and name not in _OURS
  }
  if names['transcript']:
    metadata['transcript'] = texts[names['transcript'][0]]
  metadata |= _media(texts, names)
  modalities = {*arrays, *({'audio', 'video'} & set(metadata))}
  modalities |= {'text'} if names['transcript'] else set()
  if not modalities:
    raise errors.InputError(
      f'{source}: holds neither a transcript, media nor arrays whose names '
      f'tell a modality; found {", ".join(kinds)}; say --columns=audio=NAME or '
      'the like'
    )
  ids = texts[names['item'][0]]
  if not names['group']:
    _LOGGER.warning(
      '%s: no feature tells the speaker or source: every clip is its own '
      'group; --columns=group=NAME would say otherwise',
      source,
    )
  found = ratings.corpora(
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
      {
        modality: sequences.joined(own)
        for modality, own in pieces.items()
        if any(map(len, own))
      },
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
  return _with_folds(found, texts.get('fold', ())) if split is None else found


def _with_folds(
  found: corpus_lib.Corpus | dict[str, corpus_lib.Corpus], texts: Sequence[str]
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """With the folds of a feature `fold`, if it has them from 0 on."""
  folds = {int(text) if text.isdecimal() else -1 for text in texts}
  if folds != {*range(len(folds))} or len(folds) < 2:
    return found
  fold = np.array([int(text) for text in texts], np.int32)
  if isinstance(found, dict):
    return {
      name: dataclasses.replace(one, fold=fold) for name, one in found.items()
    }
  return dataclasses.replace(found, fold=fold)


def _read(
  source: pathlib.Path,
  kinds: Mapping[str, _Feature],
  names: dict[str, list[str]],
  arrays: Mapping[str, str],
  media: pathlib.Path | None,
) -> tuple[dict[str, list[str]], dict[str, list[np.ndarray]], list[str]]:
  """Goes through the records, writing media as they come.

  Returns:
    Texts by feature, those of media their paths; arrays by modality; and the
    split of each record. Where no feature names the clips, one does then.
  """
  own = _Media(source, media)
  texts: dict[str, list[str]] = {
    name: [] for name, kind in kinds.items() if name not in arrays.values()
  }
  pieces: dict[str, list[np.ndarray]] = {modality: [] for modality in arrays}
  splits, ids = [], []
  for split, path, number in _files(source):
    for row, record in enumerate(_records(path, number)):
      place = f'{path}, record {row}'
      example = _example(record, kinds, place)
      clip = f'clip{len(splits):06d}'
      if names['item']:
        clip = example[names['item'][0]]
      for name, cells in texts.items():
        value = example[name]
        if isinstance(value, str):
          if '\0' in value:
            says = 'has a zero byte; expected text'
            own.faults.add(f'{place}: {name!r} {says}', clip, (name, says))
        else:
          value = own.path(clip, name, value, kinds[name], place, example)
        cells.append(value)
      for modality, name in arrays.items():
        if not np.isfinite(example[name]).all():
          says = 'has a number that is not finite'
          own.faults.add(f'{place}: {name!r} {says}', clip, (name, says))
        pieces[modality].append(example[name])
      splits.append(split)
      ids.append(clip)
  own.faults.raise_all('records')
  if not names['item']:
    names['item'] = ['id']
    texts['id'] = ids
  return texts, pieces, splits


class _Media:
  """Writes what records hold of media, and notes what is none."""

  def __init__(self, source: pathlib.Path, folder: pathlib.Path | None):
    self.faults = errors.Faults()
    self._source = source
    self._files = None if folder is None else unpacked.Media(folder)

  def path(
    self,
    clip: str,
    name: str,
    value: bytes | np.ndarray,
    kind: _Feature,
    place: str,
    example: Mapping[str, Any],
  ) -> str:
    """The path of a file; '' where there is none, or a fault."""
    if not len(value):
      return ''
    if isinstance(value, bytes) and (there := self._there(value)):
      return there
    if self._files is None:
      raise errors.InputError(
        f'{place}: {name!r} holds media: read the data set with a folder to '
        'write them to'
      )
    try:
      if isinstance(value, np.ndarray):
        beside = _rate_beside(name, example)
        rate = kind.rate or float(example[beside] or 0 if beside else 0)
        value = unpacked.wav(value, rate)
      return self._files.write(clip, value)
    except ValueError as error:
      self.faults.add(f'{place}: {name!r} {error}', clip, (name, str(error)))
      return ''

  def _there(self, value: bytes) -> str:
    """The file that a text is the path of; '' if it is none."""
    if len(value) > _MOST_PATH:
      return ''
    try:
      path = self._source / value.decode()
      return os.fspath(path.resolve()) if path.is_file() else ''
    except (ValueError, OSError):  # Is no path.
      return ''


def _media(
  texts: Mapping[str, Sequence[str]], names: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
  """The columns of sound and pictures, of those that some clip has."""
  found = {}
  for what in ('audio', 'video'):
    if names[what]:
      found[what] = list(texts[names[what][0]])
  for name in names['file']:
    kinds = [tracks.of(path) if path else () for path in texts[name]]
    for what in ('audio', 'video'):
      found.setdefault(what, [''] * len(kinds))
      for row, path in enumerate(texts[name]):
        if what in kinds[row]:
          found[what][row] = found[what][row] or path
  return {what: paths for what, paths in found.items() if any(paths)}


def _kinds(source: pathlib.Path) -> dict[str, _Feature | None]:
  """What each feature is; None for what cannot be read."""
  path = source / 'features.json'
  if not path.is_file():
    versions = sorted(
      place.parent
      for above in ('*', '*/*', '*/*/*')
      for place in source.glob(f'{above}/features.json')
    )
    says = f', such as {versions[-1]}' if versions else ''
    raise errors.InputError(
      f'{path}: no such file; expected the folder of one version of a data '
      f'set, which TensorFlow Datasets has prepared{says}'
    )
  found: dict[str, _Feature | None] = {}

  def visit(name: str, told: Any) -> None:
    if 'featuresDict' in told:
      for own, one in told['featuresDict']['features'].items():
        visit(f'{name}/{own}' if name else own, one)
    elif 'classLabel' in told or 'text' in told:
      found[name] = _Feature('class' if 'classLabel' in told else 'text')
    elif 'audio' in told:
      found[name] = _sound(told['audio'])
    elif 'sequence' in told:
      inner = told['sequence']['feature']
      found[name] = _tensor(inner['tensor'], -1) if 'tensor' in inner else None
    else:
      found[name] = _tensor(told['tensor']) if 'tensor' in told else None

  content = files.read_json(path)
  try:
    visit('', content)
  except (KeyError, TypeError, AttributeError, ValueError):
    raise errors.InputError(
      f'{path}: is not as TensorFlow Datasets writes it'
    ) from None
  if not any(found.values()):
    raise errors.InputError(f'{path}: names no texts, numbers, arrays or sound')
  return found


def _tensor(told: Mapping[str, Any], *more: int) -> _Feature | None:
  """What a tensor is, or a sequence of them, which is one dimension more."""
  shape = [*more, *map(int, told.get('shape', {}).get('dimensions', ()))]
  dtype, encoding = told['dtype'], told.get('encoding', 'none').casefold()
  if not shape:
    return _Feature('text')
  if dtype in _TEXT_TYPES or not np.issubdtype(np.dtype(dtype), np.number):
    return None
  if len(shape) > 2 or encoding not in ('none', 'bytes', 'zlib'):
    return None
  if shape[-1] >= 1 and dtype.startswith('float'):
    return _Feature('array', np.dtype(dtype), shape[-1], encoding)
  if len(shape) == 1 and shape[0] < 1:
    return _Feature('samples', np.dtype(dtype), 1, encoding)
  return None


def _sound(told: Mapping[str, Any]) -> _Feature | None:
  """What the feature Audio is."""
  if told.get('lazyDecode'):
    return _Feature('file')
  shape = [int(n) for n in told.get('shape', {}).get('dimensions', (-1,))]
  width = shape[1] if len(shape) == 2 else 1
  encoding = told.get('encoding', 'none').casefold()
  if len(shape) > 2 or width < 1 or encoding not in ('none', 'bytes', 'zlib'):
    return None
  dtype, rate = np.dtype(told['dtype']), int(told.get('sampleRate', 0))
  return _Feature('samples', dtype, width, encoding, rate)


def _rate_beside(name: str, known: Collection[str]) -> str | None:
  """The feature that tells the rate of samples."""
  top = name.rpartition('/')[0]
  found = [f'{top}/{rate}' if top else rate for rate in _RATES]
  return next((rate for rate in found if rate in known), None)


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
  for first in range(0, reader.num_records(), _NUM_RECORDS):
    last = min(first + _NUM_RECORDS, reader.num_records())
    yield from reader.read(first, last)


def _tf_records(path: pathlib.Path) -> Iterator[bytes]:
  size = path.stat().st_size
  with path.open('rb') as file:
    while head := file.read(_HEAD):
      (length,) = struct.unpack_from('<Q', head)
      if file.tell() + length + _CHECK > size:
        raise ValueError('cut off')
      yield file.read(length)
      file.read(_CHECK)


_READERS = {'array_record': _array_records, 'tfrecord': _tf_records}


def _records(path: pathlib.Path, number: int) -> Iterator[bytes]:
  """The records of a file, one after another."""
  there = 0
  try:
    if not path.is_file():
      raise ValueError('is missing')
    for record in _READERS[path.suffix[1:].partition('-')[0]](path):
      there += 1
      if there <= number:
        yield record
    if there != number:
      raise ValueError(f'has {there:,} records, not {number:,}')
  except (ValueError, RuntimeError, OSError, struct.error) as error:
    raise errors.InputError(
      f'{path}: is not a whole file of records: {str(error).splitlines()[0]}'
    ) from None


def _example(
  record: bytes, kinds: Mapping[str, _Feature], place: str
) -> dict[str, Any]:
  """Texts, '' for none, bytes and arrays (T, D), by the feature's name."""
  name, value = '', None
  try:
    told = tf_example_pb2.Example.FromString(record).features.feature
    example = {}
    for name, kind in kinds.items():
      value = told[name]
      example[name] = kind.read(value)
    return example
  except (
    message.DecodeError,
    KeyError,
    TypeError,
    ValueError,
    UnicodeDecodeError,
    zlib.error,
  ) as error:
    kept = value.bytes_list.value if name else ()
    if isinstance(error, UnicodeDecodeError) and unpacked.suffix_of(kept[0]):
      raise errors.InputError(
        f'{place}: {name!r} holds sound or film, not text: say '
        f'--columns=file={name}, or audio={name} or video={name} for one of '
        'them alone'
      ) from None
    raise errors.InputError(
      f'{place}: is not an example of the features in features.json'
      + (f': {name!r} is another' if name else '')
    ) from None


def _names(
  source: pathlib.Path,
  kinds: Mapping[str, _Feature | None],
  columns: Mapping[str, Sequence[str]],
) -> tuple[dict[str, list[str]], dict[str, str]]:
  """The features that are item, label and so on, and the array by modality."""
  plain = [name for name, kind in kinds.items() if kind and kind.kind in _PLAIN]
  last = {name.rpartition('/')[2]: name for name in reversed(plain)}
  last |= {name: name for name in plain}
  found = {
    what: [next((last[word] for word in words if word in last), '')]
    for what, words in _WORDS.items()
  }
  classes = [name for name in plain if kinds[name].kind == 'class']
  if found['label'] == [''] and len(classes) == 1:
    found['label'] = classes
  found['group'] = grouping.candidates(plain)[:1] or ['']
  found = {what: [n for n in own if n] for what, own in found.items()}
  found |= {what: [] for what in _MEDIA}
  found['split'] = ['split'] if 'split' in plain else []
  arrays: dict[str, str] = {}
  for what, own in columns.items():
    for name in own:
      _check(source, kinds, what, name)
      kind = kinds[name].kind
      if kind == 'array':
        arrays[what] = name
    if what not in arrays:
      found['transcript' if what == 'text' else what] = list(own)
  sounds = [
    name
    for name, kind in kinds.items()
    if kind and (kind.kind == 'file' or kind.rate)
  ]
  sounds += [
    name
    for name, kind in kinds.items()
    if kind
    and kind.kind == 'samples'
    and name not in sounds
    and _rate_beside(name, plain)
  ]
  told = {name for own in columns.values() for name in own}
  sounds = [name for name in sounds if name not in told]
  if sounds and not found['audio'] and not found['file']:
    found['audio'] = sounds[:1]
  if not found['label']:
    raise errors.InputError(
      f'{source}: which feature is the label? Say --columns=label=NAME, of '
      f'{", ".join(plain)}'
    )
  for name, kind in kinds.items():
    if not kind or kind.kind != 'array' or name in told:
      continue
    modality = sequences.modality_of(name.rpartition('/')[2])
    if modality in columns and modality in arrays:
      continue
    if modality in arrays:
      raise errors.InputError(
        f'{source}: {arrays[modality]} and {name} are both of {modality}; say '
        f'--columns={modality}=NAME'
      )
    if modality is not None:
      arrays[modality] = name
  return found, arrays


def _check(
  source: pathlib.Path,
  kinds: Mapping[str, _Feature | None],
  what: str,
  name: str,
) -> None:
  """Raises an `InputError` where a feature cannot be what `--columns` says."""
  kind = kinds.get(name)
  fitting = list(_PLAIN)
  expected = 'is no text or number'
  if what in _MEDIA:
    # A text may be a file or its path; what is said to be none is not.
    fitting = ['text', 'file', 'samples']
    expected = 'is neither a file nor sound'
  if what in corpus_lib.MODALITIES:
    fitting.append('array')
    expected += ' nor an array of floats'
  if kind is None or kind.kind not in fitting:
    there = [
      own for own, one in kinds.items() if one and one.kind in fitting
    ] or ['none']
    raise errors.InputError(
      f'{source}: {name!r}, which --columns names, {expected}; found '
      f'{", ".join(there)}'
    )
  if kind.kind == 'samples' and not kind.rate and not _rate_beside(name, kinds):
    raise errors.InputError(
      f'{source}: {name!r}, which --columns names, has no sampling rate: '
      f'expected one in features.json or a feature {_RATES[0]!r} beside it'
    )


def _used(
  source: pathlib.Path,
  kinds: Mapping[str, _Feature | None],
  names: Mapping[str, Sequence[str]],
  arrays: Mapping[str, str],
) -> dict[str, _Feature]:
  """The features that are read; the others are told."""
  media = {name for what in _MEDIA for name in names[what]}
  found, left = {}, []
  for name, kind in kinds.items():
    if kind and name in media and kind.kind == 'text':
      found[name] = dataclasses.replace(kind, kind='file')
    elif kind and (
      name in media or name in arrays.values() or kind.kind in _PLAIN
    ):
      found[name] = kind
    else:
      left.append(name)
  if left:
    _LOGGER.warning(
      '%s: left out, as neither texts, numbers, sound nor arrays of floats '
      'whose names tell a modality: %s; --columns may say more',
      source,
      ', '.join(left),
    )
  return found
