"""What a run tells of itself: `metrics.jsonl`, and TensorBoard events from it.

`metrics.jsonl` has a line for each member and epoch. The events show, by view,
the mean over members; they are made from those lines, also after a resume, so
the two never differ.
"""

import collections
import json
import math
import pathlib
import shutil
from collections.abc import Mapping, Sequence

import numpy as np
import tensorboardX

from empathy import files
from empathy.training import members

_NAMES = ('train/loss', 'val/loss', 'val/accuracy')


class MetricWriter:
  """Writes the metrics of the members of one chunk, epoch by epoch."""

  def __init__(self, workdir: pathlib.Path, chunk: int, first_epoch: int):
    """Forgets what was written from `first_epoch` of `chunk` on.

    Args:
      workdir: of the run.
      chunk: the members that train together; later chunks are forgotten too.
      first_epoch: the next epoch to be written.
    """
    self._path = workdir / 'metrics.jsonl'
    self._chunk = chunk
    kept = [
      line
      for line in _lines(self._path)
      if (line['chunk'], line['epoch']) < (chunk, first_epoch)
    ]
    files.write_text(self._path, ''.join(_dump(line) for line in kept))
    self._events = workdir / 'events' / str(chunk)
    shutil.rmtree(self._events, ignore_errors=True)
    self._writers: dict[str, tensorboardX.SummaryWriter] = {}
    self._show([line for line in kept if line['chunk'] == chunk])

  def __enter__(self) -> 'MetricWriter':
    return self

  def __exit__(self, *exception) -> None:
    for writer in self._writers.values():
      writer.close()

  def write(
    self,
    epoch: int,
    names: Sequence[members.Name],
    metrics: Mapping[str, np.ndarray],
  ) -> None:
    """Writes the metrics of one epoch.

    Args:
      epoch: from 0.
      names: of the members.
      metrics: by name, (members,) float; what is not finite becomes null.
    """
    lines = []
    for index, name in enumerate(names):
      line = {
        'chunk': self._chunk,
        'epoch': epoch,
        'view': name.view,
        'fold': name.fold,
        'seed': name.seed,
      }
      for key in _NAMES:
        value = float(metrics[key][index])
        line[key] = value if math.isfinite(value) else None
      lines.append(line)
    with open(self._path, 'a', encoding='utf-8') as file:
      file.write(''.join(_dump(line) for line in lines))
    self._show(lines)

  def _show(self, lines: Sequence[Mapping]) -> None:
    values = collections.defaultdict(list)
    for line in lines:
      for key in _NAMES:
        if line[key] is not None:
          values[line['view'], line['epoch'], key].append(line[key])
    for (view, epoch, key), found in values.items():
      if view not in self._writers:
        self._writers[view] = tensorboardX.SummaryWriter(
          str(self._events / view)
        )
      self._writers[view].add_scalar(key, float(np.mean(found)), epoch)


def _dump(line: Mapping) -> str:
  return json.dumps(line, allow_nan=False) + '\n'


def _lines(path: pathlib.Path) -> list[dict]:
  """The whole lines of the file; a kill may have cut the last one."""
  if not path.exists():
    return []
  lines = []
  for text in path.read_text(encoding='utf-8').splitlines():
    try:
      lines.append(json.loads(text))
    except json.JSONDecodeError:
      break
  return lines
