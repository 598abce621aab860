"""What goes into the first layer that learns, clip by clip, in one file.

Of a whole corpus that is gigabytes, is needed in every epoch of every fold and
never changes. So it is computed once, part by part as features are, joined in
a file, and mapped into memory as training reads it. Its hash is beside, for a
flipped bit would go unnoticed.
"""

import json
import logging
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from empathy import files
from empathy.encoders import extraction

_log = logging.getLogger('empathy')


def join(plan: extraction.Plan, ids: Sequence[str]) -> None:
  """Joins the parts of `plan` at its path, with an index beside, whole.

  Args:
    plan: all of whose parts are there.
    ids: the clips in the order of the corpus.
  """
  index: dict[str, tuple[int, int]] = {}
  rows, shape, kind, num_cut = 0, (), np.dtype(np.float32), 0
  for part in _parts(plan):
    num_cut += len(part['cut_id'])
    for clip, length in zip(part['id'], part['length'].tolist(), strict=True):
      index[str(clip)] = rows, length
      rows += length
    shape, kind = part['features'].shape[1:], part['features'].dtype
  made = plan.folder / plan.path.name
  header = {
    'descr': np.lib.format.dtype_to_descr(kind),
    'fortran_order': False,
    'shape': (rows, *shape),
  }
  with open(made, 'wb') as file:
    np.lib.format.write_array_header_1_0(file, header)
    for part in _parts(plan):
      file.write(np.ascontiguousarray(part['features']).data)
  clips = [index.get(clip, (0, 0)) for clip in ids]
  found = {'record': plan.record, 'sha256': files.sha256(made), 'clips': clips}
  note = plan.folder / plan.sidecar.name
  files.write_json(note, found)
  note.replace(plan.sidecar)
  os.replace(made, plan.path)
  if num_cut:
    _log.warning(
      '%d of %d clips are longer than the encoder takes at once, or than '
      'config.seconds; it learns by how they begin',
      *(num_cut, len(index)),
    )
  shutil.rmtree(plan.folder)


def _parts(plan: extraction.Plan) -> Iterator[Mapping[str, np.ndarray]]:
  """Those that have a clip."""
  for number in range(len(plan.parts)):
    with np.load(plan.part_path(number), allow_pickle=False) as part:
      if len(part['id']):
        yield part


def discard_damaged(path: pathlib.Path) -> None:
  """Removes what `join` wrote if it is no longer what it was."""
  if not path.exists():
    return
  try:
    note = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
    if note['sha256'] == files.sha256(path):
      return
  except (FileNotFoundError, KeyError, TypeError, ValueError):
    pass
  _log.warning('%s: is damaged, and made again', path)
  path.unlink()


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
