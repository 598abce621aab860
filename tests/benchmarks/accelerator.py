"""What does a GPU or a TPU make of it? In under 8 minutes.

  python tests/benchmarks/accelerator.py [--only=PART] [--seconds=450]

Prints a table in Markdown, in parts that each name the device and the date:

  training  the recipe of `training.py`, members in lockstep on an accelerator;
            beside PyTorch (on one device, with TensorFloat32, as ours), and
            the floor: products of matrices alone, at the rate of large ones,
            and what Adam moves alone, at the rate of large arrays
  memory    the most that training such members had in use, beside `--dry_run`
  runs      whether a run that was killed and went on, by programs that each
            process compiled, or that streams, or whose devices share batches,
            ends with the bytes of a plain one; or how far apart: the first
            losses tell of rounding, probabilities of what training makes of it;
            and what each took, with compiling
  encoders  of base size, random weights, eight times the input of
            `encoders.py`; beside Transformers, by what attention they have
            (sdpa: `scaled_dot_product_attention`)

Each part is a process of its own: a TPU has one at a time, and the most memory
is a process'. It has a share of `--seconds`, and what those before it left; one
for which that does not suffice is cut off. What the device cannot tell has a
line, as PyTorch if it is not there; `--small` is to see that it runs.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

# `encoders.py` would measure on CPUs.
os.environ.setdefault('JAX_PLATFORMS', '')

import encoders
import jax
import numpy as np
import pyarrow.parquet as pq
import streaming
import training

from empathy.training import (
  configuration,
  estimate,
  loop,
  metric_writer,
  parallel,
)

# With their shares of the time.
_PARTS = {'training': 0.3, 'memory': 0.15, 'runs': 0.3, 'encoders': 0.25}
# HuBERT is built as wav2vec2 is.
_ENCODERS = ('roberta', 'wav2vec2', 'videomae', 'deberta-v3', 'timesformer')
_REPEATS, _TIMES_INPUT = 9, 8


def _tell(what: str, figure: str) -> None:
  print(f'| {what} | {figure} |', flush=True)


def _head(part: str) -> None:
  """Prints what the figures of a part are of."""
  devices, version = jax.devices(), f'JAX {jax.__version__}'
  place = f'{len(devices)} x {devices[0].device_kind} ({devices[0].platform})'
  _tell(f'**{part}**', f'{place}, {version}, {time.strftime("%Y-%m-%d")}')


def _flags(small: bool) -> argparse.Namespace:
  """As those of `training.py`."""
  keys = 'clips', 'seeds', 'epochs', 'timed'
  sizes = (200, 1, 2, 2) if small else (10_000, 20, 20, 7)
  flags = argparse.Namespace(**dict(zip(keys, sizes, strict=True)), small=small)
  flags.widths = training._SMALL_WIDTHS if small else training._WIDTHS
  flags.cores, flags.torch = os.cpu_count(), sys.executable
  return flags


def _no_torch() -> str:
  """Why PyTorch cannot be compared on the device; '' if it can."""
  if not importlib.util.find_spec('torch'):
    return 'PyTorch is not installed: pip install -e .[parity]'
  import torch

  platform, has_gpu = jax.devices()[0].platform, torch.cuda.is_available()
  if {'cpu': False, 'gpu': True}.get(platform) == has_gpu:
    return ''
  return f'PyTorch has {"a" if has_gpu else "no"} GPU here, JAX a {platform}'


def measure_training(small: bool) -> None:
  """Prints how many clips all members learn from a second, and the peers'."""
  _head('training')
  flags = _flags(small)
  mine = training.ours(flags)
  floor = training.floor(flags)
  rate, bandwidth = floor['rate'], floor['bandwidth']
  members = flags.seeds * len(training._views(flags.widths))

  def tell(what: str, seconds: float, more: str) -> None:
    clips = members * flags.clips / seconds
    figure = f'{clips:,.0f} clips/s, {seconds:.2g} s an epoch, '
    _tell(what, f'{figure}{seconds / mine["epoch"]:.2f} x ours{more}')

  compiled = f'; compiled in {mine["compile"]:.0f} s'
  tell(f'ours, {members} members', mine['epoch'], compiled)
  least = flags.seeds * training._products(flags) / rate
  tell('products alone', least, f', at {rate / 1e12:.3g} TFLOP/s')
  least = flags.seeds * training._adam_bytes(flags) / bandwidth
  tell('Adam alone', least, f', at {bandwidth / 1e9:.3g} GB/s')
  if reason := _no_torch():
    _tell('PyTorch', f'not compared: {reason}')
    return
  # JAX rounds so if it is not asked, PyTorch if it is.
  os.environ['TORCH_ALLOW_TF32_CUBLAS_OVERRIDE'] = '1'
  for kind in training._PEERS:
    seconds = training._inside(flags, kind)['epoch']
    seconds *= 1 if kind == 'stacked' else flags.seeds  # One after another.
    tell(f'PyTorch, {kind}', seconds, '')


def measure_memory(small: bool) -> None:
  """Prints what `estimate` says of a run, and what the run took."""
  _head('memory')
  flags = _flags(small)
  flags.epochs = 1
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    training._write(flags, folder)
    config = training._config(flags, corpus=str(folder / 'corpus'))
    config = configuration.complete(config)
    place = loop._Place(folder / 'run', folder / 'stream')
    plan, _ = loop._planned(config, place)
    work = plan.layout, plan.data, plan.members, plan.chunks
    found = estimate.estimate(*work, max(map(len, plan.held_out.values())))
    _tell('estimate', found.lines()[0].removeprefix('memory: '))
    if 'peak_bytes_in_use' not in (jax.devices()[0].memory_stats() or {}):
      _tell('in use', 'not measured: memory_stats() does not tell here')
      return
    loop.train(config, folder / 'run')
  stats = [device.memory_stats() for device in jax.local_devices()]
  peak = max(x['peak_bytes_in_use'] for x in stats)
  share = f'{peak / found.memory_bytes:.0%} of the estimate'
  _tell('in use', f'{estimate._size(peak)} on a device at the peak: {share}')


def _config(corpus: str, small: bool, **changes) -> Any:
  config = streaming.config(pathlib.Path(corpus), 'memory')
  config.update(checkpoint_seconds=0.0, **changes)
  if small:
    config.model = {'fusion': 'concat', 'hidden': (8,)}
  return config


def train_and_die(corpus: str, workdir: str, small: bool) -> None:
  """Trains until the second epoch is told, but not yet saved."""
  write = metric_writer.MetricWriter.write

  def fatal(self, epoch, *args):
    write(self, epoch, *args)
    if epoch == 1:
      os.kill(os.getpid(), signal.SIGKILL)

  metric_writer.MetricWriter.write = fatal
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
  told = f'{prob.max():.0e} of probabilities at the end'
  told += f' (median {np.median(prob):.0e})'
  return f'largest difference {loss.max():.0e} of losses at first, {told}'


def measure_runs(small: bool) -> None:
  """Prints how far runs are apart that are to be the same."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    corpus = str(folder / 'corpus')
    streaming.make(folder / 'corpus', 48 if small else streaming._FEW)
    # A TPU has one process at a time: this one goes before we touch it.
    own = {} if small else {'JAX_COMPILATION_CACHE_DIR': str(folder / 'xla')}
    command = [sys.executable, __file__, *['--small'] * small]
    command += ['--die', corpus, str(folder / 'killed')]
    subprocess.run(command, env=os.environ | own, check=False)
    if not (folder / 'killed' / 'checkpoints' / '0' / '1').is_dir():
      raise RuntimeError('the run to be killed ended before it saved')
    _head('runs')
    whole = loop.train(_config(corpus, small), folder / 'whole')
    _tell('whole', f'{whole.seconds:.1f} s')
    for run, what, changes in (
      ('again', 'twice the same', {}),
      ('killed', 'killed, and gone on', {}),
      ('stream', 'stream, memory', {'data': 'stream'}),
      ('batch', 'batch, members', {'parallel': 'batch'}),
    ):
      took = loop.train(_config(corpus, small, **changes), folder / run).seconds
      _tell(what, f'{_apart(folder / run, folder / "whole")}; {took:.1f} s')
  if len(jax.devices()) == 1:
    _tell('batch', 'one device has all of it: there are no sums over devices')


def measure_encoders(small: bool) -> None:
  """Prints how long each encoder takes, in both types."""
  _head('encoders')
  if reason := _no_torch():
    _tell('PyTorch', f'not compared: {reason}')
  for name in _ENCODERS[:3] if small else _ENCODERS:
    encoder, arrays = encoders.make(name, small)
    if not small:
      arrays = {k: np.repeat(x, _TIMES_INPUT, 0) for k, x in arrays.items()}
    held = jax.device_put(arrays)
    count = len(next(iter(arrays.values())))
    for dtype in ('float32', 'bfloat16'):
      module = encoder.module.clone(dtype=jax.numpy.dtype(dtype))
      own = dataclasses.replace(encoder, module=module)
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
  torch.backends.cudnn.allow_tf32 = False  # Convolutions, as ours.
  call, attention = encoders.peer(own, arrays, device, getattr(torch, dtype))

  def waited() -> Any:
    states = call().last_hidden_state
    if device == 'cuda':
      torch.cuda.synchronize()
    return states

  seconds = _median(waited, small)
  states = np.asarray(own(**arrays).last_hidden_state, np.float32)
  difference = np.abs(states - waited().float().cpu().numpy()).max()
  figure = f'; PyTorch ({attention}) {seconds * 1e3:.2f} ms, '
  figure += f'{seconds / ours:.2f} x ours'
  return f'{figure}, largest difference {difference:.0e}'


def _median(call: Any, small: bool) -> float:
  """Seconds of a call, after those that compile."""
  call()
  repeats = 1 if small else _REPEATS
  return float(np.median([encoders.seconds(call) for _ in range(repeats)]))


def main() -> None:
  """Measures each part in a process of its own, small ones in this one."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--small', action='store_true')
  parser.add_argument('--seconds', type=float, default=450)
  parser.add_argument('--only', choices=[*_PARTS])
  parser.add_argument('--inside', action='store_true')
  parser.add_argument('--die', nargs=2)
  flags = parser.parse_args()
  parallel.use_cpu_cores()
  if flags.die:
    train_and_die(*flags.die, flags.small)
    return
  end = time.monotonic()
  if not flags.inside:
    print('| what | figure |\n|---|---|', flush=True)
  for part in [flags.only] if flags.only else _PARTS:
    end += flags.seconds * (1 if flags.only else _PARTS[part])
    if flags.small or flags.inside:
      globals()[f'measure_{part}'](flags.small)
    else:
      start(part, end)


def start(part: str, end: float) -> None:
  """Measures a part in a process of its own, until the clock says `end`."""
  with tempfile.TemporaryDirectory() as folder:
    environment = {
      'JAX_COMPILATION_CACHE_DIR': folder,
      'XLA_PYTHON_CLIENT_PREALLOCATE': 'false',  # PyTorch wants some memory.
    } | os.environ
    command = [sys.executable, __file__, f'--only={part}', '--inside']
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
      if status := process.wait(max(end - time.monotonic(), 0)):
        _tell(part, f'not measured: ended with status {status}')
    except subprocess.TimeoutExpired:
      os.killpg(process.pid, signal.SIGKILL)  # With all that it started.
      process.wait()
      _tell(part, 'cut off: no time is left')


if __name__ == '__main__':
  main()
