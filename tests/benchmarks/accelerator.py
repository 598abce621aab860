"""What does a GPU or a TPU make of it? In under 8 minutes.

  python tests/benchmarks/accelerator.py [--only=PART] [--seconds=450]

Prints a table, in parts, each headed by the device and the date; what the
device at hand cannot tell has a line that says so:

  training  the recipe of `training.py`, members in lockstep on an accelerator;
            beside PyTorch (on one device, with TensorFloat32, as ours), and
            products of matrices alone, at the rate of large ones
  memory    the most that training such members had in use, beside `--dry_run`
  runs      whether a run that was killed and went on, by programs that each
            process compiled, ends with the bytes of one that was not; so for
            one that streams, or whose devices share batches; or how far apart:
            losses of the first epoch tell of rounding, probabilities of what
            three epochs make of it
  encoders  of base size, random weights, eight times the input of
            `encoders.py`; beside Transformers, which take
            `scaled_dot_product_attention` (sdpa) where they have it

Each part is a process of its own: a TPU has one at a time, and the most memory
is a process'. One for which `--seconds`, of all together, do not suffice is cut
off. `--small` runs all of it on little models, to see that it runs.
"""

import argparse
import contextlib
import dataclasses
import datetime
import importlib.util
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

# `encoders.py` would measure on CPUs.
os.environ.setdefault('JAX_PLATFORMS', '')

import encoders
import jax
import numpy as np
import pyarrow.parquet as pq
import streaming
import training

from empathy.training import configuration, estimate, loop, metrics, parallel

_PARTS = ('training', 'memory', 'runs', 'encoders')
# HuBERT is built as wav2vec2 is.
_ENCODERS = ('roberta', 'wav2vec2', 'videomae', 'deberta-v3', 'timesformer')
_REPEATS, _TIMES_INPUT = 9, 8


def _tell(what: str, figure: str) -> None:
  print(f'  {what:24}{figure}', flush=True)


def _flags(small: bool) -> argparse.Namespace:
  """As those of `training.py`."""
  return argparse.Namespace(
    small=small,
    widths=training._SMALL_WIDTHS if small else training._WIDTHS,
    clips=200 if small else 10_000,
    seeds=1 if small else 20,
    epochs=2 if small else 20,
    timed=2 if small else 7,
    cores=os.cpu_count(),
    torch=sys.executable,
  )


def _no_torch() -> str:
  """Why PyTorch cannot be compared on the device; '' if it can."""
  if not importlib.util.find_spec('torch'):
    return 'PyTorch is not installed: pip install -e .[parity]'
  import torch

  platform, has_gpu = jax.devices()[0].platform, torch.cuda.is_available()
  if {'cpu': False, 'gpu': True}.get(platform) == has_gpu:
    return ''
  return (
    f'PyTorch {torch.__version__} would run on a {"gpu" if has_gpu else "cpu"} '
    f'here, JAX runs on a {platform}'
  )


def measure_training(small: bool) -> None:
  """Prints how many clips all members learn from a second, and the peers'."""
  head('training')
  flags = _flags(small)
  mine = training.ours(flags)
  rate = training.floor(flags)['rate']
  members = flags.seeds * len(training._views(flags.widths))
  learned = members * flags.clips
  least = flags.seeds * training._products(flags) / rate
  _tell(
    f'ours, {members} members',
    f'{learned / mine["epoch"]:,.0f} clips/s, {mine["epoch"]:.3f} s an epoch; '
    f'compiled in {mine["compile"]:.0f} s',
  )
  _tell(
    'products alone',
    f'{learned / least:,.0f} clips/s, at {rate / 1e12:.3g} TFLOP/s: ours take '
    f'{mine["epoch"] / least:.1f} x as long',
  )
  if reason := _no_torch():
    _tell('PyTorch', f'not compared: {reason}')
    return
  # JAX rounds so if it is not asked, PyTorch if it is.
  os.environ['TORCH_ALLOW_TF32_CUBLAS_OVERRIDE'] = '1'
  for kind in training._PEERS:
    seconds = training._inside(flags, kind)['epoch']
    if kind != 'stacked':  # Seeds one after another.
      seconds *= flags.seeds
    _tell(
      f'PyTorch, {kind}',
      f'{learned / seconds:,.0f} clips/s, {seconds:.3f} s an epoch: '
      f'{seconds / mine["epoch"]:.2f} x as long as ours',
    )


def measure_memory(small: bool) -> None:
  """Prints what `estimate` says of a run, and what the run took."""
  head('memory')
  flags = _flags(small)
  flags.epochs = 1
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    training._write(flags, folder)
    config = configuration.complete(
      training._config(flags, corpus=str(folder / 'corpus'))
    )
    plan = loop._plan(config, folder / 'run', folder / 'stream', 0)
    work = plan.program, plan.layout, plan.data, plan.members, plan.chunks
    held_out = max(part.held_out.sum() for part in plan.parts.values())
    found = estimate.estimate(*work, held_out)
    _tell('estimate', found.lines()[0].removeprefix('memory: '))
    if 'peak_bytes_in_use' not in (jax.devices()[0].memory_stats() or {}):
      _tell('in use', 'not measured: memory_stats() does not tell here')
      return
    loop.train(config, folder / 'run')
  peaks = [x.memory_stats()['peak_bytes_in_use'] for x in jax.local_devices()]
  _tell(
    'in use at the peak',
    f'{estimate._size(max(peaks))} on a device: '
    f'{max(peaks) / found.memory_bytes:.0%} of the estimate',
  )


def _config(corpus: str, small: bool, **changes) -> Any:
  config = streaming.config(pathlib.Path(corpus), 'memory')
  config.update(checkpoint_seconds=0.0, **changes)
  if small:
    config.model = {'fusion': 'concat', 'hidden': (8,)}
  return config


def train_and_die(corpus: str, workdir: str, small: bool) -> None:
  """Trains until the second epoch is told, but not yet saved."""
  write = metrics.MetricWriter.write

  def fatal(self, epoch, *args):
    write(self, epoch, *args)
    if epoch == 1:
      os.kill(os.getpid(), signal.SIGKILL)

  metrics.MetricWriter.write = fatal
  parallel.use_cpu_cores()
  loop.train(_config(corpus, small), workdir)


def _apart(path: pathlib.Path, other: pathlib.Path) -> str:
  """How far two finished runs are from each other, in words."""
  names = 'predictions.parquet', 'members.json', 'metrics.jsonl'
  if all((path / x).read_bytes() == (other / x).read_bytes() for x in names):
    return 'the same bytes'
  probs, losses = [], []
  for run in (path, other):
    table = pq.read_table(run / 'predictions.parquet')
    columns = [x for x in table.column_names if x.startswith('prob_')]
    probs.append(np.stack([table[column] for column in columns]))
    lines = map(json.loads, (run / 'metrics.jsonl').read_text().splitlines())
    losses.append([x['train/loss'] for x in lines if not x['epoch']])
  loss, prob = (np.abs(np.subtract(*x)) for x in (losses, probs))
  return (
    f'largest difference {loss.max():.0e} of losses of the first epoch, '
    f'{prob.max():.0e} of probabilities at the end (median '
    f'{np.median(prob):.0e})'
  )


def measure_runs(small: bool) -> None:
  """Prints how far runs are apart that are to be the same."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    corpus = str(folder / 'corpus')
    streaming.make(folder / 'corpus', 48 if small else streaming._FEW)
    # A TPU has one process at a time: this one goes before we touch it.
    environment = dict(os.environ)
    if not small:
      environment['JAX_COMPILATION_CACHE_DIR'] = str(folder / 'xla')
    command = [sys.executable, __file__, *['--small'] * small]
    command += ['--die', corpus, str(folder / 'killed')]
    killed = subprocess.run(command, env=environment, check=False)
    if killed.returncode != -signal.SIGKILL:
      raise RuntimeError(f'the run ended with status {killed.returncode}')
    head('runs')
    loop.train(_config(corpus, small), folder / 'whole')
    for run, what, changes in (
      ('again', 'twice the same', {}),
      ('killed', 'killed, and gone on', {}),
      ('stream', 'stream, memory', {'data': 'stream'}),
      ('batch', 'batch, members', {'parallel': 'batch'}),
    ):
      loop.train(_config(corpus, small, **changes), folder / run)
      _tell(what, _apart(folder / run, folder / 'whole'))
  if len(jax.devices()) == 1:
    _tell('', 'one device has all of a batch: there are no sums over devices')


def measure_encoders(small: bool) -> None:
  """Prints how long each encoder takes, in both types."""
  head('encoders')
  reason = _no_torch()
  if reason:
    _tell('PyTorch', f'not compared: {reason}')
  for name in _ENCODERS[:3] if small else _ENCODERS:
    encoder, arrays = encoders.make(name, small)
    if not small:
      arrays = {k: np.repeat(x, _TIMES_INPUT, 0) for k, x in arrays.items()}
    held = jax.device_put(arrays)
    count = len(next(iter(arrays.values())))
    for dtype in ('float32', 'bfloat16'):
      own = dataclasses.replace(
        encoder, module=encoder.module.clone(dtype=jax.numpy.dtype(dtype))
      )
      ours = _median(lambda: jax.block_until_ready(own(**held)), small)  # noqa: B023
      figure = f'{ours * 1e3:.2f} ms, {count / ours:,.0f} clips/s'
      if not reason:
        figure += _beside(own, arrays, dtype, ours, small)
      _tell(f'{name}, {dtype}', figure)


def _beside(
  own: Any, arrays: dict[str, np.ndarray], dtype: str, ours: float, small: bool
) -> str:
  """What Transformers take for the same, and how far its states are."""
  import torch

  device = 'cuda' if torch.cuda.is_available() else 'cpu'
  call, attention = encoders.peer(own, arrays, device, getattr(torch, dtype))

  wait = torch.cuda.synchronize if device == 'cuda' else lambda: None

  def waited() -> Any:
    states = call().last_hidden_state
    wait()
    return states

  seconds = _median(waited, small)
  states = np.asarray(own(**arrays).last_hidden_state, np.float32)
  difference = np.abs(states - waited().float().cpu().numpy()).max()
  return (
    f'; PyTorch ({attention}) {seconds * 1e3:.2f} ms, {seconds / ours:.2f} x '
    f'as long, largest difference {difference:.0e}'
  )


def _median(call: Any, small: bool) -> float:
  """Seconds of a call, after those that compile."""
  call()
  repeats = 1 if small else _REPEATS
  return statistics.median(encoders.seconds(call) for _ in range(repeats))


def head(part: str) -> None:
  """Prints what the figures of a part are of."""
  devices = jax.devices()
  print(
    f'{part}, {len(devices)} x {devices[0].device_kind} '
    f'({devices[0].platform}), JAX {jax.__version__}, {datetime.date.today()}',
    flush=True,
  )


def measure(part: str, small: bool) -> None:
  """Prints a part of the table."""
  parallel.use_cpu_cores()
  globals()[f'measure_{part}'](small)


def run(parts: Sequence[str], seconds: float) -> None:
  """Measures each part in a process of its own, until the time is over."""
  end = time.monotonic() + seconds
  with tempfile.TemporaryDirectory() as folder:
    environment = {
      'JAX_COMPILATION_CACHE_DIR': folder,
      'XLA_PYTHON_CLIENT_PREALLOCATE': 'false',  # PyTorch wants some memory.
    } | os.environ
    for part in parts:
      command = [sys.executable, __file__, f'--inside={part}']
      process = subprocess.Popen(
        command, env=environment, start_new_session=True
      )
      try:
        if status := process.wait(max(end - time.monotonic(), 0)):
          _tell(part, f'not measured: ended with status {status}')
      except subprocess.TimeoutExpired:
        _tell(part, f'cut off: no time is left of {seconds:.0f} s')
      finally:  # With all that it started.
        with contextlib.suppress(ProcessLookupError):
          os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
  """Measures all parts, small ones in this process."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--small', action='store_true')
  parser.add_argument('--seconds', type=float, default=450)
  parser.add_argument('--only', choices=_PARTS)
  parser.add_argument('--inside', choices=_PARTS)
  parser.add_argument('--die', nargs=2)
  flags = parser.parse_args()
  parts = [flags.only] if flags.only else _PARTS
  if flags.die:
    train_and_die(*flags.die, flags.small)
  elif flags.inside:
    measure(flags.inside, False)
  elif flags.small:
    for part in parts:
      measure(part, True)
  else:
    run(parts, flags.seconds)


if __name__ == '__main__':
  main()
