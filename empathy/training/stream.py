"""Features that stay on disk: each batch is read when a device asks for it.

The devices then hold no corpus, and the host no more than some batches. A
program differs in one thing alone: where it would take clips out of an array on
the device, it calls the host for them. So everything else is as in memory, to
the bit: shuffles, masks, checkpoints.

What members will ask for is known beforehand, since their shuffles depend on
the epoch alone; grain reads ahead of them from `array_record` files. Where a
run is in the stream needs no state of its own either: checkpoints are made
between epochs, and the number of the epoch, which is in them, says it all.

The files are not those of TFDS, which compresses records; for features that
saves little, and takes longer than all the rest of reading.

The price is reading: every member sees its own order, so that an epoch reads
the corpus once for each member, and sends it to the device. It pays where a
member's computation takes longer than that, as with sequences it does.
"""

import collections
import dataclasses
import functools
import os
import pathlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from array_record.python import array_record_module

from empathy import errors, files
from empathy.corpora import corpus as corpora
from empathy.training import batches, parallel, step

# Batches that are read ahead for each member that trains just now.
_AHEAD = 2
# To read one record, array_record looks at each that is in the same file.
_CLIPS_PER_FILE = 256
# All are open at a time.
_MAX_FILES = 256
_REMOVE = 'remove it, and it is made again'


class Source:
  """Clips' features in files, for a program to call while it runs.

  A record is a clip: the values of each modality, float32, one after another,
  and of each fold where they are fold-wise.

  Attributes:
    num_unforeseen: batches that were read when they were asked for, since
      nobody had said that they would be.
  """

  def __init__(
    self,
    path: pathlib.Path,
    num_clips: int,
    features: Mapping[str, corpora.Features],
  ):
    """Opens the features of a corpus.

    Args:
      path: of the folder that `write` wrote.
      num_clips: N.
      features: by modality; their values do not matter.

    Raises:
      InputError: files are missing or cut off.
    """
    self._path = path
    self._files = [_reader(name) for name in sorted(path.iterdir())]
    held = [file.num_records() for file in self._files]
    if sum(held) != num_clips:
      raise errors.InputError(
        f'{path}: holds {sum(held)} clips, expected {num_clips}: {_REMOVE}'
      )
    self._clips_per_file = held[0]  # The last one may have less.
    self._num_clips = num_clips
    self._num_folds = {m: x.num_folds for m, x in features.items()}
    self._shapes, self._rows, self._offsets = {}, {}, {}
    offset = np.zeros(num_clips, np.int64)
    for modality, feature in features.items():
      width = feature.values.shape[1]
      rows = np.zeros(num_clips, np.int64)
      # Those of a fold: they are as many in each.
      rows[feature.clip] = 1 if feature.length is None else feature.length
      self._rows[modality] = rows
      self._offsets[modality] = offset
      offset = offset + 4 * width * self._num_folds[modality] * rows
      self._shapes[modality] = (width,)
      if feature.length is not None:
        self._shapes[modality] = (int(feature.length.max(initial=1)), width)
    self._lock = threading.Lock()
    # By their number of rows, batches to be used again: new memory is slower.
    self._free: dict[int, list] = collections.defaultdict(list)
    # By thread; what is local to one is gone when a callback returns.
    self._served: dict[int, list] = {}
    self._starts: dict[bytes, Sequence[np.ndarray]] = {}
    # By the rows that come next, those that read ahead.
    self._readers: dict[bytes, list] = {}
    self.num_unforeseen = 0

  def __call__(self, rows: jax.Array) -> dict[str, jax.Array]:
    """Features of some clips, by modality, inside a program.

    Args:
      rows: (B,) int32, rows of `step.Data`.

    Returns:
      (B, D) float32, or (B, T, D) for sequences; zeros where there is nothing.
    """
    shapes = {
      modality: jax.ShapeDtypeStruct((*rows.shape, *shape), np.float32)
      for modality, shape in self._shapes.items()
    }
    return jax.pure_callback(
      self._serve, shapes, rows, vmap_method='expand_dims'
    )

  def expect(self, sequences: Sequence[Sequence[np.ndarray]]) -> None:
    """Says what will be asked for; forgets what was said before.

    Args:
      sequences: the clips of one batch after another, several times.
    """
    with self._lock:
      old, self._readers = self._readers, {}
      self._starts = {rows[0].tobytes(): rows for rows in sequences}
    for readers in old.values():
      for reader in readers:
        reader.close()

  def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Reads the features of (B,) rows of `step.Data`, as a program sees them.

    The memory may be used again after the next batch that a program gets.
    """
    try:
      batch = self._free[len(rows)].pop()
    except IndexError:
      batch = {
        modality: np.empty((len(rows), *shape), np.float32)
        for modality, shape in self._shapes.items()
      }
    fold, clip = np.divmod(rows, self._num_clips)
    places = []
    for modality, values in batch.items():
      width, count = values.shape[-1], self._rows[modality][clip]
      # One for all folds, or one of each.
      before = fold % self._num_folds[modality] * count
      offset = self._offsets[modality][clip] + 4 * width * before
      steps = values.reshape(len(rows), -1, width)
      places.append((steps, width, count.tolist(), offset.tolist()))
    for at, number in enumerate(clip.tolist()):
      file, position = divmod(number, self._clips_per_file)
      record = _record(self._path, self._files[file], position)
      for steps, width, count, offset in places:
        size = count[at]
        steps[at, :size] = np.frombuffer(
          record, np.float32, size * width, offset[at]
        ).reshape(size, width)
        if size < steps.shape[1]:
          steps[at, size:] = 0
    return batch

  def _serve(self, rows: jax.Array) -> dict[str, np.ndarray]:
    """Batches of one member or, stacked, of several in lockstep."""
    rows = np.asarray(rows)
    # The thread is back, so what it got has been taken.
    thread = threading.get_ident()
    for batch in self._served.pop(thread, ()):
      self._free[len(next(iter(batch.values())))].append(batch)
    if rows.ndim == 1:
      batch = self._next(rows)
      self._served[thread] = [batch]
      return batch
    # Seeds have the validation clips in common; settings, all batches.
    wanted, which = np.unique(
      rows.reshape(-1, rows.shape[-1]), axis=0, return_inverse=True
    )
    batches = [self._next(own) for own in wanted]
    self._served[thread] = batches
    return {
      modality: np.stack(
        [batches[index][modality] for index in which.ravel()]
      ).reshape(*rows.shape, *shape)
      for modality, shape in self._shapes.items()
    }

  def _next(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """A batch, read ahead if it was expected."""
    key = rows.tobytes()
    with self._lock:
      waiting = self._readers.get(key)
      reader = waiting.pop() if waiting else None
      start = self._starts.get(key)
      self.num_unforeseen += reader is None and start is None
    if reader is None:
      if start is None:
        return self.read(rows)
      reader = self._read_ahead(start)
    found, key = next(reader)
    if key is None:
      reader.close()
    else:
      with self._lock:
        self._readers.setdefault(key, []).append(reader)
    return found

  def _read_ahead(self, rows: Sequence[np.ndarray]) -> Any:
    """Reads batches, each with the next one's key, in a thread that is ahead.

    Returns:
      Grain's iterator of batches and keys, of which the last is None.
    """
    grain = _grain()
    keys = [*(some.tobytes() for some in rows[1:]), None]
    found = grain.MapDataset.range(len(rows)).map(
      lambda at: (self.read(rows[at]), keys[at])
    )
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
    return iter(found.to_iter_dataset(options))


def without_values(
  features: Mapping[str, corpora.Features],
) -> dict[str, corpora.Features]:
  """Features with a row of zeros for the values of each modality."""
  return {
    modality: dataclasses.replace(
      feature, values=np.zeros((1, feature.values.shape[1]), np.float32)
    )
    for modality, feature in features.items()
  }


def write(
  corpus: corpora.Corpus, data_dir: str | os.PathLike, key: str = ''
) -> pathlib.Path:
  """Writes features as records, if they are not there.

  Args:
    corpus: sorted by id; values may be mapped files.
    data_dir: where the records go.
    key: tells this corpus from others.

  Returns:
    The folder of the files.

  Raises:
    InputError: grain is not installed, or what is there is damaged.
  """
  _grain()
  name = '-'.join([key[:16], *corpus.features])
  path = pathlib.Path(data_dir) / name
  if path.exists():
    # Told now, and not from within a program that runs.
    for name in sorted(path.iterdir()):
      file = _reader(name)
      for position in range(file.num_records()):
        _record(path, file, position)
  else:
    # Others, which were killed, could be as large.
    files.remove_leftovers(path.parent)
    with files.replacing(path) as temporary:
      _write(temporary, len(corpus.ids), list(corpus.features.values()))
  return path


def _reader(path: pathlib.Path) -> array_record_module.ArrayRecordReader:
  return array_record_module.ArrayRecordReader(
    str(path),
    options='readahead_buffer_size:0,max_parallelism:0',
    file_reader_buffer_size=2**12,
  )


def _record(
  folder: pathlib.Path,
  file: array_record_module.ArrayRecordReader,
  position: int,
) -> bytes:
  """A record of one of the files in a folder.

  Raises:
    InputError: it is damaged.
  """
  try:
    return file.read([position])[0]
  except RuntimeError as error:
    reason = str(error).splitlines()[0]
    raise errors.InputError(f'{folder}: {reason}: {_REMOVE}') from None


def _write(
  folder: pathlib.Path, num_clips: int, features: Sequence[corpora.Features]
) -> None:
  """Writes a record a clip, in files of equal size."""
  pieces = []
  for feature in features:
    length = feature.length
    if length is None:
      length = np.ones(len(feature.clip), np.int64)
    fold = np.zeros(len(length)) if feature.fold is None else feature.fold
    order = np.lexsort((fold, feature.clip))
    first = np.searchsorted(feature.clip[order], np.arange(num_clips + 1))
    starts = (np.cumsum(length) - length)[order]
    pieces.append((feature.values, first, starts, length[order]))
  size = max(_CLIPS_PER_FILE, -(-num_clips // _MAX_FILES))
  files_ = range(0, num_clips, size)
  folder.mkdir()
  for index, begin in enumerate(files_):
    writer = array_record_module.ArrayRecordWriter(
      str(folder / f'clips-{index:05}-of-{len(files_):05}.array_record'),
      'group_size:1,uncompressed',
    )
    for clip in range(begin, min(begin + size, num_clips)):
      record = [
        values[starts[entry] :][: length[entry]].tobytes()
        for values, first, starts, length in pieces
        for entry in range(first[clip], first[clip + 1])
      ]
      writer.write(b''.join(record))
    writer.close()


def sequences(
  program: step.Program,
  layout: parallel.Layout,
  chunk: step.Member,
  epoch: int,
) -> list[list[np.ndarray]]:
  """What the members of a chunk ask for in an epoch, batch by batch.

  Args:
    program: what members share.
    layout: of the members on the devices.
    chunk: the members.
    epoch: from 0.

  Returns:
    For each member the rows of its training batches, or for each device those
    of its share; and those of its validation, which may come before, where
    nothing keeps the compiler from it.
  """
  orders = np.asarray(_orders(program.recipe)(chunk, epoch))
  shares = len(layout.devices) if layout.mode == 'batch' else 1
  orders = orders.reshape(*orders.shape[:2], shares, -1)
  passes = 2 if program.network.calibrates else 1
  result = []
  for order, val_rows in zip(orders, chunk.val_rows, strict=True):
    blocks = (
      list(np.asarray(batches.blocks(val_rows, program.eval_rows))) * passes
    )
    result += [list(order[:, share]) for share in range(shares)]
    result.append(blocks)
  return result


@functools.lru_cache
def _orders(recipe: step.Recipe):
  """Compiles the batches of an epoch: (members, batches, batch size)."""

  def of_member(member: step.Member, epoch: jax.Array) -> jax.Array:
    return step.learned_rows(recipe, member, epoch)[1]

  return jax.jit(jax.vmap(of_member, in_axes=(0, None)))


def _grain() -> Any:
  try:
    import grain
  except ImportError:
    raise errors.InputError(
      "config.data: 'stream' needs the package grain: pip install "
      "'empathy[stream]'"
    ) from None
  return grain
