"""What a run tells of itself: `metrics.jsonl`, and TensorBoard events from it.

`metrics.jsonl` has a line for each member and epoch. It says the phase too:
'train', or 'refit' in a second training, whose epochs go on counting. The
events show, by view and in a sweep by setting, the mean over members; they are
made from those lines, also after a resume, so the two never differ. Once a
chunk is trained, they show besides which epochs were kept.
"""

import collections
import contextlib
import json
import math
import pathlib
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import files
from empathy.training import members

# Events reach the disk at least so often, in seconds.
_FLUSH_SECONDS = 60.0


class MetricWriter:
  """Writes the metrics of the members of one chunk, epoch by epoch."""

  def __init__(self, workdir: pathlib.Path, chunk: int, first_epoch: int):
    """Forgets what was written from `first_epoch` of `chunk` on.

    Args:
      workdir: of the run.
      chunk: the members that train together.
      first_epoch: the next epoch to be written.
    """
    self._path = workdir / 'metrics.jsonl'
    self._chunk = chunk
    kept = [
      line
      for line in _lines(self._path)
      if line['chunk'] != chunk or line['epoch'] < first_epoch
    ]
    _write(self._path, kept)
    self._events = workdir / 'events' / str(chunk)
    shutil.rmtree(self._events, ignore_errors=True)
    # `SummaryWriter` writes in a thread of its own, which a full disk ends
    # without a word; the next epochs would wait for it for ever.
    self._writers: dict[str, Any] = {}
    self._flushed = time.monotonic()
    if own := [line for line in kept if line['chunk'] == chunk]:
      self._show(own)

  def __enter__(self) -> 'MetricWriter':
    return self

  def __exit__(self, *exception) -> None:
    with contextlib.ExitStack() as stack:
      for writer in self._writers.values():
        stack.callback(writer.close)
    # A chunk whose trained members were damaged is trained after later ones.
    lines = _lines(self._path)
    _write(self._path, sorted(lines, key=lambda line: line['chunk']))

  def write(
    self,
    epoch: int,
    names: Sequence[Any],
    metrics: Mapping[str, np.ndarray],
    phase: str = 'train',
  ) -> None:
    """Writes the metrics of one epoch.

    Args:
      epoch: from 0.
      names: of the members, as `members.Name`.
      metrics: by name, (members,) float; what is not finite becomes null.
      phase: 'train', or 'refit' in a second training.
    """
    lines = []
    for index, name in enumerate(names):
      line = {'chunk': self._chunk, 'epoch': epoch, 'phase': phase}
      line |= name.as_dict()
      for key in filter(_is_metric, sorted(metrics)):
        value = float(metrics[key][index])
        line[key] = value if math.isfinite(value) else None
      lines.append(line)
    with open(self._path, 'a', encoding='utf-8') as file:
      file.write(''.join(_dump(line) for line in lines))
    self._show(lines)

  def show_kept(self, names: Sequence[Any], epochs: Sequence[int]) -> None:
    """Shows which epochs were kept: at each, the share of members that did.

    Args:
      names: of the members, as for `write`.
      epochs: that were kept of each, from 0; -1 where none was.
    """
    kept = collections.defaultdict(list)
    for name, epoch in zip(names, epochs, strict=True):
      if epoch >= 0:
        kept[_run(name.as_dict())].append(int(epoch))
    self._show_values(
      {
        (run, epoch, 'kept/share_of_members'): [
          float(np.mean(np.array(found) == epoch))
        ]
        for run, found in kept.items()
        for epoch in range(max(found) + 1)
      }
    )

  def _show(self, lines: Sequence[Mapping]) -> None:
    values = collections.defaultdict(list)
    for line in lines:
      for key in filter(_is_metric, line):
        if line[key] is not None:
          values[_run(line), line['epoch'], key].append(line[key])
    self._show_values(values)

  def _show_values(
    self, values: Mapping[tuple[str, int, str], Sequence[float]]
  ) -> None:
    """Writes events, the mean of the values of each run, epoch and tag."""
    # It imports PyTorch where there is one, which takes a second: not before
    # the first step.
    from tensorboardX import event_file_writer, summary
    from tensorboardX.proto import event_pb2

    for (run, epoch, key), found in values.items():
      if run not in self._writers:
        (self._events / run).mkdir(parents=True)
        self._writers[run] = event_file_writer.EventsWriter(
          str(self._events / run / 'events')
        )
      self._writers[run].write_event(
        event_pb2.Event(
          wall_time=time.time(),
          step=epoch,
          summary=summary.scalar(key, float(np.mean(found))),
        )
      )
    if time.monotonic() - self._flushed > _FLUSH_SECONDS:
      for writer in self._writers.values():
        writer.flush()
      self._flushed = time.monotonic()


def _run(line: Mapping) -> str:
  """What TensorBoard calls the members of a view and setting."""
  run = line.get('view') or line['modality']  # Which is fine-tuned.
  if 'setting' in line:
    run += f', {members.setting_name(line["setting"].items())}'
  return run


def _is_metric(key: str) -> bool:
  return key.startswith(('train/', 'val/'))


def _write(path: pathlib.Path, lines: Sequence[Mapping]) -> None:
  files.write_text(path, ''.join(_dump(line) for line in lines))


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
