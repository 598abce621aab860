"""What an evaluation asks of features, in a small file beside them.

`features/<modality>.summary.parquet` has a row for each clip that has the
modality: its `id`, and `hash`, which is the same for clips whose features are
the same. So `evaluate` tells coverage and repeated clips without a look at the
features, which may be gigabytes. Whatever makes features leaves a summary, and
`train` does where there is none. It also says which features it was made of, by
the checksums that a `.npz` file has of its arrays: they are read in no time,
and are the same in a copy of the file. A summary of other features is as none.
"""

import hashlib
import json
import pathlib
import zipfile
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from empathy import errors
from empathy.corpora import feature_files, spelling

# To be changed with what is in a summary, or how it is made.
_VERSION = 1
_SCHEMA = pa.schema([('id', pa.string()), ('hash', pa.uint64())])
# Of the file's metadata: the features it was made of, and its own content.
_FEATURES, _CONTENT = b'features', b'content'


def path_of(features: pathlib.Path) -> pathlib.Path:
  """Where the summary of a `.npz` file is."""
  return features.with_suffix('.summary.parquet')


def read(
  features: pathlib.Path, names: spelling.Names
) -> tuple[np.ndarray, np.ndarray]:
  """What the summary says; the features are read where there is none of them.

  Args:
    features: the `.npz` file.
    names: of the corpus' clips.

  Returns:
    The rows in the corpus of the clips that have the modality, (F,) int32, and
    a hash of what each has, (F,) uint64.

  Raises:
    InputError: the features are read, and at fault.
  """
  table = _read(features)
  if table is not None:
    faults = errors.Faults()
    ids = np.array(table['id'].to_pylist())
    clip = feature_files.find_clips(features, ids, None, names, faults)
    if not faults:  # Otherwise clips.csv is another: reading tells all.
      return clip, _hashes(table)
  _, clip, hashes = feature_files.hashes(features, names)
  return clip, hashes


def contents(features: pathlib.Path) -> tuple[list[str], np.ndarray]:
  """The same as `read`, whatever the corpus.

  Args:
    features: the `.npz` file.

  Returns:
    The clips that have the modality, as they are written there, F ids; and a
    hash of what each has, (F,) uint64.

  Raises:
    InputError: as for `read`.
  """
  table = _read(features)
  if table is not None:
    return table['id'].to_pylist(), _hashes(table)
  names = spelling.Names(feature_files.ids(features))
  ids, _, hashes = feature_files.hashes(features, names)
  return ids.tolist(), hashes


def leave(features: Iterable[pathlib.Path], ids: np.ndarray) -> None:
  """Writes the summaries that are missing, or are of other features.

  Args:
    features: `.npz` files.
    ids: (N,) str, of the corpus' clips.

  Raises:
    InputError: features are at fault.
    OSError: nothing can be written there.
  """
  names = None
  for path in features:
    if _read(path) is not None:
      continue
    names = names or spelling.Names(ids.tolist())
    mark = _mark(path)  # Before: of features that are replaced now, it is not.
    own, _, hashes = feature_files.hashes(path, names)
    table = pa.table([own.tolist(), hashes.tolist()], schema=_SCHEMA)
    metadata = {_FEATURES: mark, _CONTENT: _digest(table)}
    # In place: a half-written one is as none, whereas beside a corpus, where
    # others may be writing theirs, nobody could sweep up what a kill left.
    pq.write_table(
      table.replace_schema_metadata(metadata),
      path_of(path),
      use_dictionary=False,
    )


def _read(features: pathlib.Path) -> pa.Table | None:
  """The summary of just these features, if it is there and whole."""
  path = path_of(features)
  if not path.exists():
    return None
  try:
    with pq.ParquetFile(path) as file:
      metadata = file.schema_arrow.metadata
      if metadata[_FEATURES] != _mark(features):
        return None
      table = file.read().cast(_SCHEMA)
      return table if metadata[_CONTENT] == _digest(table) else None
  except Exception:  # Of many kinds, by what is damaged, here or there.
    return None


def _mark(features: pathlib.Path) -> bytes:
  """What tells these features from others, by the directory of the file."""
  with zipfile.ZipFile(features) as archive:
    arrays = [
      (info.filename, info.file_size, info.CRC) for info in archive.infolist()
    ]
  return json.dumps([_VERSION, *sorted(arrays)]).encode()


def _digest(table: pa.Table) -> bytes:
  """Of the content of a summary: Parquet notices few flipped bits."""
  digest = hashlib.blake2b(digest_size=16)
  for batch in table.to_batches(max_chunksize=2**16):
    # However it is cut into batches, the ids are one list.
    ids = json.dumps(batch['id'].to_pylist())[1:-1]
    digest.update(f'{ids}, '.encode())
  digest.update(_hashes(table).tobytes())
  return digest.hexdigest().encode()


def _hashes(table: pa.Table) -> np.ndarray:
  # Not by Arrow's own way to NumPy, which imports Pandas.
  return np.array(table['hash'].to_pylist(), np.uint64)
