"""What goes into the layers that learn, clip by clip, in files.

States of a whole corpus are gigabytes, are needed in every epoch of every fold
and never change. So they are written once, in *shards* of so many clips, and
mapped into memory as training reads them. A shard is whole once its index is
there, which is written last; work that was cut off goes on with the next one.
"""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

import numpy as np

from empathy import files

CLIPS_IN_SHARD = 64


@dataclasses.dataclass(frozen=True)
class Clip:
  """One clip's part of a store.

  Attributes:
    values: (T, ...) what goes into the first layer that learns.
    num_inputs: S, the length of the encoder's main input.
  """

  values: np.ndarray
  num_inputs: int


def write_shard(
  directory: pathlib.Path, number: int, clips: Sequence[Clip | None]
) -> None:
  """Writes one shard.

  Args:
    directory: of the store.
    number: of the shard.
    clips: in order; None for one that lacks the modality.
  """
  found = [clip for clip in clips if clip is not None]
  if found:
    values = np.concatenate([clip.values for clip in found])
    with files.replacing(directory / f'{number}.npy') as temporary:
      np.save(temporary, values)
  index = [
    None if clip is None else [len(clip.values), clip.num_inputs]
    for clip in clips
  ]
  files.write_json(directory / f'{number}.json', index)


def is_written(directory: pathlib.Path, number: int) -> bool:
  """Whether a shard was written to its end."""
  return (directory / f'{number}.json').exists()


class Store:
  """The clips of all shards.

  Attributes:
    length: (N,) int64, T of each clip; 0 for one that lacks the modality.
    num_inputs: (N,) int64, S likewise.
  """

  def __init__(self, directory: pathlib.Path, num_shards: int):
    length, num_inputs, self._pieces = [], [], []
    for number in range(num_shards):
      index = json.loads((directory / f'{number}.json').read_text())
      values, start = None, 0
      for entry in index:
        count, inputs = entry or (0, 0)
        if count and values is None:
          values = np.load(directory / f'{number}.npy', mmap_mode='r')
        self._pieces.append(values[start : start + count] if count else None)
        length.append(count)
        num_inputs.append(inputs)
        start += count
    self.length = np.array(length, np.int64)
    self.num_inputs = np.array(num_inputs, np.int64)

  def batch(
    self, rows: np.ndarray, length: int, num_inputs: int
  ) -> tuple[np.ndarray, np.ndarray]:
    """Clips side by side, padded with zeros.

    Args:
      rows: (B,) int, which clips; -1 for none.
      length: T, to pad to.
      num_inputs: S, to pad to.

    Returns:
      (B, T, ...) values, and (B, S) bool where there is main input.
    """
    some = self._pieces[rows.max()]
    values = np.zeros((len(rows), length, *some.shape[1:]), some.dtype)
    mask = np.zeros((len(rows), num_inputs), bool)
    for at, row in enumerate(rows):
      if row < 0:
        continue
      piece = self._pieces[row]
      values[at, : len(piece)] = piece
      mask[at, : self.num_inputs[row]] = True
    return values, mask
