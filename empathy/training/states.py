"""What goes into the first layer that learns, clip by clip, in one file.

Of a whole corpus that is gigabytes, is needed in every epoch of every fold and
never changes. So it is computed once, part by part as features are, joined in
a file, and mapped into memory as training reads it.
"""

import json
import os
import pathlib
import shutil
from collections.abc import Sequence

import numpy as np

from empathy import files
from empathy.encoders import extraction


def join(plan: extraction.Plan, ids: Sequence[str]) -> None:
  """Joins the parts of `plan` at its path, with an index beside, whole.

  Args:
    plan: all of whose parts are there.
    ids: the clips in the order of the corpus.
  """
  index: dict[str, tuple[int, int]] = {}
  rows, shape, kind = 0, (), np.dtype(np.float32)
  for number in range(len(plan.parts)):
    with np.load(plan.part_path(number), allow_pickle=False) as part:
      if not len(part['id']):
        continue
      for clip, length in zip(
        part['id'].tolist(), part['length'].tolist(), strict=True
      ):
        index[clip] = rows, length
        rows += length
      shape, kind = part['features'].shape[1:], part['features'].dtype
  made = plan.folder / plan.path.name
  values = np.lib.format.open_memmap(made, 'w+', kind, (rows, *shape))
  rows = 0
  for number in range(len(plan.parts)):
    with np.load(plan.part_path(number), allow_pickle=False) as part:
      if len(part['id']):
        found = part['features']
        values[rows : rows + len(found)] = found
        rows += len(found)
  values.flush()
  note = plan.folder / plan.sidecar.name
  clips = [index.get(clip, (0, 0)) for clip in ids]
  files.write_json(note, {'record': plan.record, 'clips': clips})
  note.replace(plan.sidecar)
  os.replace(made, plan.path)
  shutil.rmtree(plan.folder)


class Store:
  """The clips' values.

  Attributes:
    length: (N,) int64, T of each clip; 0 for one that lacks the modality.
  """

  def __init__(self, path: pathlib.Path):
    """Opens what `join` wrote."""
    clips = json.loads(path.with_suffix('.json').read_text())['clips']
    self._start, self.length = np.array(clips, np.int64).reshape(-1, 2).T
    self._values = np.load(path, mmap_mode='r', allow_pickle=False)

  def batch(self, rows: np.ndarray, length: int) -> np.ndarray:
    """Clips side by side, (B, T, ...), padded with zeros.

    Args:
      rows: (B,) int, which clips.
      length: T.
    """
    shape = len(rows), length, *self._values.shape[1:]
    values = np.zeros(shape, self._values.dtype)
    for at, row in enumerate(rows.tolist()):
      start, count = self._start[row], self.length[row]
      values[at, :count] = self._values[start : start + count]
    return values
