"""Features that stay on disk: each batch is read when a device asks for it.

The devices then hold no corpus, and the host no more than some batches. A
program differs in one thing alone: where it would take clips out of an array on
the device, it calls the host for them. So everything else is as in memory, to
the bit: shuffles, masks, checkpoints.

What members will ask for is known beforehand, since their shuffles depend on
the epoch alone; grain reads ahead of them from the `array_record` files. Where
a run is in the stream needs no state of its own either: checkpoints are made
between epochs, and the number of the epoch, which is in them, says it all.

The price is reading: every member sees its own order, so that an epoch reads
the corpus once for each member, and sends it to the device. It pays where a
member's computation takes longer than that, as with sequences it does.
"""

import dataclasses
import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from tensorflow_datasets.core.data_sources import array_record

from empathy import errors
from empathy.corpora import builder
from empathy.corpora import corpus as corpora
from empathy.training import members, parallel, step

KINDS = ('memory', 'stream')

# Batches that are read ahead for each member that trains just now.
_AHEAD = 2


@dataclasses.dataclass
class _Reader:
  """Reads batches ahead, one after another.

  Attributes:
    rows: for each batch the clips to read.
    at: the number of the next batch.
    batches: grain's iterator.
  """

  rows: Sequence[np.ndarray]
  at: int
  batches: Any

  def key(self) -> bytes | None:
    """Tells which rows come next; None at the end."""
    return self.rows[self.at].tobytes() if self.at < len(self.rows) else None


@dataclasses.dataclass(frozen=True)
class _Batches:
  """Batches by their number, as grain asks for them."""

  source: 'Source'
  rows: Sequence[np.ndarray]

  def __len__(self) -> int:
    return len(self.rows)

  def __getitem__(self, number: int) -> dict[str, np.ndarray]:
    return self.source.read(self.rows[number])


class Source:
  """Clips' features in files, for a program to call while it runs.

  Attributes:
    num_unforeseen: batches that were read when they were asked for, since
      nobody had said that they would be.
  """

  def __init__(
    self,
    records: array_record.ArrayRecordDataSource,
    order: np.ndarray,
    features: Mapping[str, corpora.Features],
    max_length: Mapping[str, int],
  ):
    """Opens the features of a corpus.

    Args:
      records: as `builder.records` gives them.
      order: (N,) int, the record of each clip.
      features: without their values.
      max_length: of each modality that is a sequence.
    """
    names = [f'features/{modality}' for modality in features]
    self._records = builder.Values(records, names)
    self._order = order
    self._features = dict(features)
    self._max_length = dict(max_length)
    self._lock = threading.Lock()
    self._starts: dict[bytes, Sequence[np.ndarray]] = {}
    self._readers: dict[bytes, list[_Reader]] = {}
    self.num_unforeseen = 0

  def __call__(self, rows: jax.Array) -> dict[str, jax.Array]:
    """Features of some clips, by modality, inside a program.

    Args:
      rows: (B,) int32, rows of `step.Data`.

    Returns:
      (B, D) float32, or (B, T, D) for sequences; zeros where there is nothing.
    """
    shapes = {
      modality: jax.ShapeDtypeStruct(
        (*rows.shape, *self._shape(modality)), np.float32
      )
      for modality in self._features
    }
    return jax.pure_callback(
      self._serve, shapes, rows, vmap_method='expand_dims'
    )

  def expect(self, sequences: Sequence[Sequence[np.ndarray]]) -> None:
    """Says what will be asked for; forgets what was said before.

    Args:
      sequences: of each member, the clips of one batch after another.
    """
    with self._lock:
      old, self._readers = self._readers, {}
      self._starts = {rows[0].tobytes(): rows for rows in sequences}
    for readers in old.values():
      for reader in readers:
        reader.batches.close()

  def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Reads a batch.

    Args:
      rows: (B,) int.

    Returns:
      As a call does.
    """
    fold, clip = np.divmod(rows, len(self._order))
    clips, where = np.unique(clip, return_inverse=True)
    found = self._records.read(self._order[clips].tolist())
    batch = {}
    for modality, feature in self._features.items():
      values = np.zeros((len(rows), *self._shape(modality)), np.float32)
      room = values.reshape(len(rows), -1, values.shape[-1])
      for at, index in enumerate(where.tolist()):
        own = found[index][f'features/{modality}']
        if feature.fold is not None:
          size = len(own) // feature.num_folds
          own = own[fold[at] * size : (fold[at] + 1) * size]
        room[at, : len(own)] = own
      batch[modality] = values
    return batch

  def _shape(self, modality: str) -> tuple[int, ...]:
    width = self._features[modality].values.shape[1]
    if modality in self._max_length:
      return self._max_length[modality], width
    return (width,)

  def _serve(self, rows: jax.Array) -> dict[str, np.ndarray]:
    """Batches of one member or, stacked, of several in lockstep."""
    rows = np.asarray(rows)
    # Seeds have the validation clips in common; settings, all batches.
    wanted, which = np.unique(
      rows.reshape(-1, rows.shape[-1]), axis=0, return_inverse=True
    )
    batches = [self._next(own) for own in wanted]
    if len(batches) == 1:
      return {
        modality: np.broadcast_to(values, (*rows.shape, *values.shape[1:]))
        for modality, values in batches[0].items()
      }
    return {
      modality: np.stack(
        [batches[index][modality] for index in which.ravel()]
      ).reshape(*rows.shape, *self._shape(modality))
      for modality in self._features
    }

  def _next(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """A batch that was read ahead, if it was expected."""
    key = rows.tobytes()
    with self._lock:
      waiting = self._readers.get(key)
      reader = waiting.pop() if waiting else None
      start = self._starts.get(key)
      self.num_unforeseen += reader is None and start is None
    if reader is None:
      if start is None:
        return self.read(rows)
      reader = _Reader(start, 0, _read_ahead(_Batches(self, start)))
    batch = next(reader.batches)
    reader.at += 1
    if (key := reader.key()) is None:
      reader.batches.close()
    else:
      with self._lock:
        self._readers.setdefault(key, []).append(reader)
    return batch


def load(
  corpus: corpora.Corpus, data_dir: str
) -> tuple[builder.Dataset, array_record.ArrayRecordDataSource]:
  """Prepares a corpus as `builder.load` does, but leaves its features there.

  Args:
    corpus: as for `builder.load`.
    data_dir: likewise.

  Returns:
    The dataset, whose features have no values but a row of zeros, and the
    records, with the values.

  Raises:
    InputError: grain is not installed.
  """
  _grain()
  order = np.argsort(corpus.ids)
  rank = np.argsort(order)
  features = {}
  for modality in sorted(corpus.features, key=corpora.modality_order):
    feature = corpus.features[modality]
    clip = rank[feature.clip].astype(np.int32)
    fold = np.zeros_like(clip) if feature.fold is None else feature.fold
    entry = np.lexsort((fold, clip))
    features[modality] = corpora.Features(
      clip=clip[entry],
      values=np.zeros((1, feature.values.shape[1]), np.float32),
      length=None if feature.length is None else feature.length[entry],
      fold=None if feature.fold is None else fold[entry],
    )
  votes = corpus.vote_counts(corpora.full_condition(corpus.conditions))
  dataset = builder.Dataset(
    ids=corpus.ids[order],
    groups=corpus.groups[order],
    labels=corpus.labels[order],
    split=None if corpus.split is None else corpus.split[order],
    fold=None if corpus.fold is None else corpus.fold[order],
    votes=votes[order],
    features=features,
    info=corpus.info,
  )
  return dataset, builder.records(corpus, data_dir)


def scan(
  records: array_record.ArrayRecordDataSource,
  dataset: builder.Dataset,
  parts: Mapping[int, members.Parts],
) -> tuple[np.ndarray, members.Statistics]:
  """Reads all records once: where clips are, and how features are spread.

  Args:
    records: as `load` gives them.
    dataset: likewise.
    parts: the clips of each fold, from fold 0 on.

  Returns:
    (N,) int64, the record of each clip; and mean and 1/(deviation + 1e-6) over
    the training clips of each fold, by modality.
  """
  row_of = {clip.encode(): row for row, clip in enumerate(dataset.ids.tolist())}
  order = np.zeros(len(row_of), np.int64)
  train = np.stack([parts[fold].train for fold in sorted(parts)])
  sums = {
    modality: np.zeros((2, len(train), feature.values.shape[1]))
    for modality, feature in dataset.features.items()
  }
  count = {modality: np.zeros(len(train)) for modality in dataset.features}
  # Of the first clip: so that the squares of the rest are not large.
  origin: dict[str, np.ndarray] = {}
  names = ['id', *(f'features/{modality}' for modality in dataset.features)]
  wanted = builder.Values(records, names)
  for number, record in enumerate(_read_ahead(wanted)):
    row = row_of[bytes(record['id'])]
    order[row] = number
    for modality, feature in dataset.features.items():
      values = record[f'features/{modality}'].astype(np.float64)
      if not len(values):
        continue
      values = values - origin.setdefault(modality, values[0])
      chosen = train[:, row]
      # The same for each fold, or the fold's own.
      copies = 1 if feature.fold is None else feature.num_folds
      values = values.reshape(copies, -1, values.shape[1])
      total = np.stack([values.sum(axis=1), (values**2).sum(axis=1)])
      shape = (2, len(train), values.shape[2])
      sums[modality][:, chosen] += np.broadcast_to(total, shape)[:, chosen]
      count[modality][chosen] += values.shape[1]
  statistics: dict[int, dict] = {fold: {} for fold in parts}
  for modality, (first, second) in sums.items():
    size = np.maximum(count[modality], 1)[:, None]
    mean, square = first / size, second / size
    scale = 1 / (np.sqrt(np.maximum(square - mean**2, 0)) + 1e-6)
    mean = np.where(
      count[modality][:, None], mean + origin.get(modality, 0.0), 0.0
    )
    for index, fold in enumerate(sorted(parts)):
      statistics[fold][modality] = (
        mean[index].astype(np.float32),
        scale[index].astype(np.float32),
      )
  return order, statistics


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
    For each member, or for each device's share of its batches, the rows of its
    training batches, then those of its validation.
  """
  recipe = program.recipe
  orders = np.asarray(
    _orders(recipe.num_epochs, recipe.batch_size, recipe.keep)(chunk, epoch)
  )
  shares = len(layout.devices) if layout.mode == 'batch' else 1
  orders = orders.reshape(*orders.shape[:2], shares, -1)
  passes = 2 if program.network.calibrates else 1
  result = []
  for order, val_rows in zip(orders, chunk.val_rows, strict=True):
    blocks = list(np.asarray(step.blocks(val_rows))) * passes
    for share in range(shares):
      result.append([*order[:, share], *blocks])
  return result


@functools.lru_cache
def _orders(num_epochs: int, batch_size: int, keep: str):
  """Compiles the shuffles of an epoch: (members, batches, batch size)."""

  def of_member(member: step.Member, epoch: jax.Array) -> jax.Array:
    learner = member
    if keep == 'refit':
      learner = step._with_val_rows(member, epoch >= num_epochs)
    num_slots = -(-learner.train_rows.shape[0] // batch_size)
    order = step._shuffle(learner, epoch, num_slots * batch_size)
    return order.reshape(num_slots, batch_size)

  return jax.jit(jax.vmap(of_member, in_axes=(0, None)))


def _read_ahead(what: Sequence) -> Iterator:
  """Iterates in order, in a thread that is some elements ahead."""
  grain = _grain()
  options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
  return iter(grain.MapDataset.source(what).to_iter_dataset(options))


def _grain() -> Any:
  try:
    import grain
  except ImportError:
    raise errors.InputError(
      "config.data: 'stream' needs the package grain: pip install "
      "'empathy[stream]'"
    ) from None
  return grain
