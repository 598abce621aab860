"""How fast does training run, beside PyTorch and beside the machine's limit?

  python tests/benchmarks/training.py [--torch=PYTHON] [--only=PART]

Four models of frozen features, 768 (text), 1,024 (audio) and 768 (video) wide:
three heads, a layer of 256 and one of 3 classes, and a fusion of three such
layers by a softmax gate; 10,000 training clips, float32, batches of 64, Adam.
`ours` is what `train` runs, through `empathy.training`: standardising, the one
cycle of the learning rate, 1,000 further clips to validate each epoch by, and
keeping the best one. The peers do none of that:

  loader   a DataLoader of a TensorDataset, shuffled, as in most tutorials
  slicing  tensors in memory, indexed by a permutation
  stacked  slicing, with all seeds of a model stacked for torch.bmm

Prints, in parts that may be chosen with `--only`:

  floor    what the products of matrices and Adam's memory would take alone
  speed    all seeds and epochs, with the time to compile; the peers' epochs
           are timed, and multiplied; so are ours with `--timed`
  start    from the start of a `train` process to the end of its first epoch
  growth   twice the clips, twice the members
  memory   the most that a `train` of many members, in chunks, held
"""

import argparse
import functools
import importlib.util
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

_FOLDER = pathlib.Path(__file__).resolve().parent
_WIDTHS = {'text': 768, 'audio': 1024, 'video': 768}
_SMALL_WIDTHS = {'text': 8, 'audio': 12, 'video': 8}
_HIDDEN, _CLASSES, _BATCH = 256, 3, 64
_PEERS = ('loader', 'slicing', 'stacked')
_PARTS = ('floor', 'speed', 'start', 'growth', 'memory')


def _views(widths: dict) -> list[tuple[str, ...]]:
  return [*((modality,) for modality in widths), tuple(widths)]


def _clips(num_clips: int, widths: dict) -> tuple[dict, np.ndarray]:
  """Features that tell a little of their labels."""
  random = np.random.default_rng(0)
  labels = random.integers(0, _CLASSES, num_clips)
  features = {}
  for modality, width in widths.items():
    centres = random.normal(0, 0.1, (_CLASSES, width))
    noise = random.standard_normal((num_clips, width), np.float32)
    features[modality] = noise + centres[labels].astype(np.float32)
  return features, labels.astype(np.int32)


# The peers: nothing below imports `empathy`.


def peer(kind: str, flags: argparse.Namespace) -> float:
  """Seconds of an epoch of the four models with PyTorch.

  Args:
    kind: one of `_PEERS`; the first two train one seed, the last all.
    flags: the sizes.
  """
  import torch

  torch.set_num_threads(flags.cores)
  torch.manual_seed(0)
  features, labels = _clips(flags.clips, flags.widths)
  features = {m: torch.from_numpy(x) for m, x in features.items()}
  labels = torch.from_numpy(labels).long()
  device = 'cuda' if torch.cuda.is_available() else 'cpu'

  class Model(torch.nn.Module):
    """Of one member."""

    def __init__(self, view):
      super().__init__()
      self.project = torch.nn.ModuleList(
        torch.nn.Linear(flags.widths[m], _HIDDEN) for m in view
      )
      self.gate = torch.nn.ModuleList(
        torch.nn.Linear(_HIDDEN, 1) for _ in view[1:] and view
      )
      self.classify = torch.nn.Linear(_HIDDEN, _CLASSES)

    def forward(self, inputs):
      hidden = [
        torch.relu(f(x)) for f, x in zip(self.project, inputs, strict=True)
      ]
      if len(hidden) == 1:
        return self.classify(hidden[0])
      scores = torch.cat(
        [g(h) for g, h in zip(self.gate, hidden, strict=True)], -1
      )
      gates = torch.softmax(scores, -1).unsqueeze(-1)
      return self.classify((gates * torch.stack(hidden, 1)).sum(1))

  class Stacked(torch.nn.Module):
    """Of all seeds of a view; every tensor has them first."""

    def __init__(self, view):
      super().__init__()

      def layers(width_in, width):
        bound = width_in**-0.5
        shapes = (width_in, width), (1, width)
        return torch.nn.ParameterList(
          torch.empty(flags.seeds, *shape).uniform_(-bound, bound)
          for shape in shapes
        )

      self.project = torch.nn.ModuleList(
        layers(flags.widths[m], _HIDDEN) for m in view
      )
      self.gate = torch.nn.ModuleList(
        layers(_HIDDEN, 1) for _ in view[1:] and view
      )
      self.classify = layers(_HIDDEN, _CLASSES)

    def forward(self, inputs):
      def apply(layer, x):
        return torch.baddbmm(layer[1], x, layer[0])

      hidden = [
        torch.relu(apply(f, x))
        for f, x in zip(self.project, inputs, strict=True)
      ]
      if len(hidden) == 1:
        return apply(self.classify, hidden[0])
      scores = torch.cat(
        [apply(g, h) for g, h in zip(self.gate, hidden, strict=True)], -1
      )
      gates = torch.softmax(scores, -1).unsqueeze(-1)
      fused = (gates * torch.stack(hidden, 2)).sum(2)
      return apply(self.classify, fused)

  def batches(inputs):
    if kind == 'loader':
      dataset = torch.utils.data.TensorDataset(*inputs, labels)
      loader = torch.utils.data.DataLoader(dataset, _BATCH, shuffle=True)
      for *x, y in loader:
        yield [a.to(device) for a in x], y.to(device)
      return
    held, targets = [x.to(device) for x in inputs], labels.to(device)
    seeds = flags.seeds if kind == 'stacked' else 1
    # Each seed has an order of its own.
    order = torch.stack([torch.randperm(len(labels)) for _ in range(seeds)])
    order = order.to(device)
    for at in range(0, len(labels), _BATCH):
      rows = order[:, at : at + _BATCH]
      rows = rows if kind == 'stacked' else rows[0]
      yield [x[rows] for x in held], targets[rows]

  def epoch(model, optimizer, inputs):
    for x, y in batches(inputs):
      optimizer.zero_grad()
      logits = model(x)
      loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, -2), y.flatten(), reduction='none'
      )
      # Seeds are independent: the sum of their mean losses.
      loss.reshape(y.shape).mean(-1).sum().backward()
      optimizer.step()

  trained = []
  for view in _views(flags.widths):
    model = (Stacked if kind == 'stacked' else Model)(view).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    trained.append((model, optimizer, [features[m] for m in view]))
  seconds = []
  # The first one is slower; all seeds on cores take long.
  for _ in range(1 if kind == 'stacked' and device == 'cpu' else 3):
    start = time.perf_counter()
    for model, optimizer, inputs in trained:
      epoch(model, optimizer, inputs)
    if device == 'cuda':
      torch.cuda.synchronize()
    seconds.append(time.perf_counter() - start)
  return float(np.median(seconds[-2:]))


# Ours.


def __getattr__(name: str):
  """The fusion, made when a config's import path asks for it."""
  if name != 'SoftmaxGate':
    raise AttributeError(name)
  return _softmax_gate()


@functools.cache
def _softmax_gate():
  import jax.numpy as jnp
  from flax import linen as nn

  from empathy.models import fusion, heads, layers

  class SoftmaxGate(nn.Module):
    """The peers' models: of one modality, its gate is 1."""

    num_classes: int
    modalities: tuple[str, ...]
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features, present, rows, train):
      hidden = [
        nn.relu(layers.Dense(_HIDDEN, name=f'project_{m}')(features[m]))
        for m in self.modalities
      ]
      scores = [
        layers.Dense(1, name=f'gate_{m}')(h)
        for m, h in zip(self.modalities, hidden, strict=True)
      ]
      mask = jnp.stack([present[m] for m in self.modalities], -1)
      gates = heads.masked_softmax(jnp.concatenate(scores, -1), mask)
      fused = jnp.einsum('bm,bmd->bd', gates, jnp.stack(hidden, 1))
      return fusion.Output(
        layers.Dense(self.num_classes, name='classify')(fused), gates
      )

    @nn.nowrap
    def narrowed(self, view):
      return self.clone(modalities=view)

  return SoftmaxGate


def _config(flags: argparse.Namespace, **changes):
  path = _FOLDER.parents[1] / 'configs' / 'mixed_signals.py'
  spec = importlib.util.spec_from_file_location('mixed_signals', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  config = module.get_config('training.SoftmaxGate')
  config.update(
    views=tuple('+'.join(view) for view in _views(flags.widths)),
    num_seeds=flags.seeds,
    num_epochs=flags.epochs,
    l2=(0.0,),
    **changes,
  )
  return config


def _corpus(flags: argparse.Namespace):
  """The clips to train on, a tenth as many to validate by, a few held out."""
  from empathy.corpora import corpus as corpora

  num_val, num_test = max(flags.clips // 10, 1), max(flags.clips // 100, 1)
  total = flags.clips + num_val + num_test
  features, labels = _clips(total, flags.widths)
  return corpora.Corpus(
    info={
      'name': 'benchmark',
      'classes': ['low', 'middle', 'high'],
      'modalities': list(flags.widths),
      'conditions': [],
      'license': 'none',
      'source': 'simulated by a benchmark',
    },
    ids=np.array([f'clip{i:06d}' for i in range(total)]),
    groups=np.array([f'group{i:06d}' for i in range(total)]),
    labels=labels,
    split=np.repeat(['train', 'val', 'test'], [flags.clips, num_val, num_test]),
    features={
      m: corpora.Features(np.arange(total), x) for m, x in features.items()
    },
  )


def _ready(flags: argparse.Namespace):
  """What `train` makes of the corpus and the config, before it compiles."""
  import jax

  from empathy.corpora import corpus as corpora
  from empathy.models import losses
  from empathy.training import (
    chunks,
    configuration,
    members,
    parallel,
    programs,
  )

  config, corpus = _config(flags), corpora.sorted_by_id(_corpus(flags))
  _, parts = members.folds(corpus, 1, 0)
  targets = losses.target_distributions(
    corpus.labels, corpus.vote_counts(), 'labels'
  )
  data, max_length = members.data(corpus.features, corpus.labels, targets)
  views = members.views(config.views, corpus.modalities)
  seeds = range(config.num_seeds)
  names, everyone = members.make(corpus, data, views, seeds, parts)
  layout = parallel.Layout('members', jax.devices())
  program = configuration.make_program(
    config, corpus.classes, corpus.modalities, max_length, layout
  )
  groups = chunks.groups(program, layout, data, names, everyone, len(names))
  return (
    layout,
    layout.replicate(data),
    programs.Programs(layout, program),
    [
      (len(chunk.rows), chunk.program, layout.shard(chunk.of(everyone)))
      for chunk in chunks.divided(groups, program, names)
    ],
  )


def ours(flags: argparse.Namespace) -> dict[str, float]:
  """Seconds to compile, and of each epoch of all members."""
  import jax

  from empathy.training import parallel

  parallel.use_cpu_cores()
  layout, data, programs, parts = _ready(flags)
  epochs = [layout.replicate(np.int32(i)) for i in range(flags.epochs)]
  compiled, seconds, losses = 0.0, np.zeros(flags.timed), []
  # A chunk after the other, as `train` does it.
  for count, program, chunk in parts:
    start = time.perf_counter()
    state = jax.block_until_ready(programs.init(program, data, chunk))
    run = programs.train_epoch(program, data, chunk, state)
    compiled += time.perf_counter() - start
    for index, now in enumerate(epochs[: flags.timed]):
      start = time.perf_counter()
      state, values = run(now, state)
      values = layout.gather(values, count)
      seconds[index] += time.perf_counter() - start
    losses += values['train/loss'].tolist()
  return {
    'compile': compiled,
    'epoch': float(np.median(seconds)),
    'total': compiled + flags.epochs * float(np.mean(seconds)),
    'loss': float(np.mean(losses)),
    'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
  }


def floor(flags: argparse.Namespace) -> dict[str, float]:
  """What the machine reaches: products of matrices, and reading memory."""
  import jax
  import jax.numpy as jnp
  from jax import lax

  from empathy.training import parallel

  parallel.use_cpu_cores()
  layout = parallel.Layout('members', jax.devices())
  count = len(layout.devices)
  # Large enough that what a call takes besides does not count.
  is_cpu = layout.devices[0].platform == 'cpu'
  size = 128 if flags.small else 2048 if is_cpu else 8192

  def product(start):
    x, w = jnp.full((size, size), 1e-3) + start, jnp.full((size, size), 1e-3)
    x, _ = lax.scan(lambda x, _: (x @ w, None), x, length=4)
    return x.sum()

  def copy(start):
    # Three arrays, as Adam's, far larger than a cache, read and written.
    length = 2**12 if flags.small else 2**25
    arrays = tuple(jnp.full(length, i) + start for i in (1.0, 2.0, 3.0))
    arrays, _ = lax.scan(
      lambda x, _: (jax.tree.map(lambda y: y * 0.999, x), None),
      arrays,
      length=4,
    )
    return sum(x.sum() for x in arrays)

  def best(function):
    run = layout.map(function)
    starts = layout.shard(np.zeros(count, np.float32))
    seconds = []
    for _ in range(4):
      start = time.perf_counter()
      jax.block_until_ready(run(starts))
      seconds.append(time.perf_counter() - start)
    return min(seconds)

  rate = count * 4 * 2 * size**3 / best(product)
  length = 2**12 if flags.small else 2**25
  # Written once and summed once more besides.
  bandwidth = count * 3 * 4 * length * (4 * 2 + 2) / best(copy)
  return {'rate': rate, 'bandwidth': bandwidth}


def _train(
  flags: argparse.Namespace, folder: pathlib.Path, *more: str, stop: bool
) -> float:
  """Seconds of `train`; to the end of its first epoch, if it is to `stop`."""
  command = [
    *(sys.executable, '-m', 'empathy.train', f'--workdir={folder / "run"}'),
    '--config=configs/mixed_signals.py:training.SoftmaxGate',
    f'--config.corpus={folder / "corpus"}',
    f'--config.views={",".join("+".join(v) for v in _views(flags.widths))}',
    *('--config.l2=0.0', *more),
  ]
  root = _FOLDER.parents[1]
  path = [str(root), str(_FOLDER), *filter(None, sys.path)]
  environment = os.environ | {
    'PYTHONPATH': os.pathsep.join(path),
    'JAX_COMPILATION_CACHE_DIR': str(folder / 'xla'),
  }
  told = folder / 'run' / 'metrics.jsonl'
  start = time.perf_counter()
  with subprocess.Popen(
    command,
    cwd=root,
    env=environment,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
  ) as process:
    while stop and process.poll() is None:
      if told.exists() and told.stat().st_size:
        break
      time.sleep(0.01)
    seconds = time.perf_counter() - start
    if stop:
      process.terminate()
    log = process.stderr.read()
  if process.returncode not in (0, 143):
    sys.exit(log)
  return seconds if stop else time.perf_counter() - start


def _inside(flags: argparse.Namespace, what: str, **changes) -> dict:
  """Runs one measurement in a process of its own."""
  values = vars(flags) | changes
  keep = ('clips', 'seeds', 'epochs', 'timed', 'cores')
  python = flags.torch if what in _PEERS else sys.executable
  done = subprocess.run(
    [
      *(python, __file__, f'--inside={what}', *['--small'] * flags.small),
      *(f'--{name}={values[name]}' for name in keep),
    ],
    check=True,
    stdout=subprocess.PIPE,
    text=True,
    env=os.environ | {'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    if python == sys.executable
    else None,
  )
  return json.loads(done.stdout.splitlines()[-1])


def _products(flags: argparse.Namespace) -> float:
  """Floating-point operations of an epoch of the four models of a seed."""
  # Forward and the weights' gradient, of each view; what comes after the first
  # layer is not counted.
  widths = sum(flags.widths[m] for v in _views(flags.widths) for m in v)
  return 2 * 2 * flags.clips * widths * _HIDDEN


def _adam_bytes(flags: argparse.Namespace) -> float:
  """Bytes that Adam moves in an epoch of the four models of a seed."""
  widths = sum(flags.widths[m] for v in _views(flags.widths) for m in v)
  steps = -(-flags.clips // _BATCH)
  # Parameters, two moments: read and written; the gradient: written and read.
  return steps * 8 * 4 * widths * _HIDDEN


def measure_floor(flags: argparse.Namespace) -> None:
  """Prints the least that the machine could take."""
  found = _inside(flags, 'floor')
  repeats = flags.seeds * flags.epochs
  products = repeats * _products(flags) / found['rate']
  memory = repeats * _adam_bytes(flags) / found['bandwidth']
  print(
    f'floor: {repeats * _products(flags) / 1e12:.3g} TFLOP at '
    f'{found["rate"] / 1e9:.0f} GFLOP/s: {products:.1f} s; Adam from memory at '
    f'{found["bandwidth"] / 1e9:.0f} GB/s: {memory:.1f} s, from caches less',
    flush=True,
  )


def measure_speed(flags: argparse.Namespace) -> None:
  """Prints our time and the peers'."""
  repeats = flags.seeds * flags.epochs
  mine = _inside(flags, 'ours')
  one = _inside(flags, 'ours', seeds=1)
  print(
    f'ours, {flags.seeds} seeds x 4 models x {flags.epochs} epochs, of which '
    f'{min(flags.timed, flags.epochs)} were run: '
    f'{mine["total"]:.1f} s, of which {mine["compile"]:.1f} s to compile, '
    f'{mine["epoch"]:.2f} s an epoch; loss {mine["loss"]:.3f}, '
    f'{mine["peak"]:.1f} GiB at most',
    flush=True,
  )
  print(f'ours, 1 seed: {one["epoch"]:.3f} s an epoch', flush=True)
  if not flags.torch:
    print('PyTorch is not installed: pip install -e .[parity], or --torch=')
    return
  for kind in _PEERS:
    each = _inside(flags, kind)['epoch']
    whole = each * (flags.epochs if kind == 'stacked' else repeats)
    words = f'{each:.2f} s an epoch of ' + (
      f'{flags.seeds} seeds' if kind == 'stacked' else '1 seed'
    )
    ratio = f'{whole / mine["total"]:.2f} x ours'
    if kind != 'stacked':
      ratio += f', 1 seed {each / one["epoch"]:.2f} x'
    print(f'{kind}: {words}, all {whole:.0f} s: {ratio}', flush=True)


def measure_start(flags: argparse.Namespace) -> None:
  """Prints how long a `train` of one seed takes to its first epoch's end."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    _write(flags, folder)
    more = '--config.num_seeds=1', f'--config.num_epochs={flags.epochs}'
    for kind in ('cold', 'warm'):
      shutil.rmtree(folder / 'run', ignore_errors=True)
      seconds = _train(flags, folder, *more, stop=True)
      print(
        f'start, {kind} cache: {seconds:.1f} s to the end of the first epoch '
        'of 4 members',
        flush=True,
      )


def measure_growth(flags: argparse.Namespace) -> None:
  """Prints how an epoch grows with clips and with members."""
  seeds, timed = max(flags.seeds // 4, 1), 3
  for clips in (flags.clips // 4, flags.clips // 2, flags.clips):
    found = _inside(flags, 'ours', clips=clips, seeds=seeds, timed=timed)
    print(
      f'growth, {clips:,} clips, {4 * seeds} members: {found["epoch"]:.2f} s '
      f'an epoch, {found["epoch"] / clips * 1e6:.1f} us a clip, '
      f'{found["peak"]:.2f} GiB',
      flush=True,
    )
  for seeds in (flags.seeds // 4, flags.seeds // 2, flags.seeds):
    found = _inside(flags, 'ours', seeds=max(seeds, 1), timed=timed)
    print(
      f'growth, {flags.clips:,} clips, {4 * max(seeds, 1)} members: '
      f'{found["epoch"]:.2f} s an epoch, '
      f'{found["epoch"] / max(seeds, 1) / 4:.3f} s a member, '
      f'{found["peak"]:.2f} GiB',
      flush=True,
    )


def measure_memory(flags: argparse.Namespace) -> None:
  """Prints the most memory that `train` of many members held."""
  seeds = 2 if flags.small else 250
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    _write(flags, folder)
    seconds = _train(
      flags,
      folder,
      f'--config.num_seeds={seeds}',
      f'--config.num_epochs={min(flags.epochs, 2)}',
      stop=False,
    )
  peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
  print(
    f'memory: {4 * seeds:,} members, {min(flags.epochs, 2)} epochs: '
    f'{peak:.1f} GiB at most, {seconds:.0f} s',
    flush=True,
  )


def _write(flags: argparse.Namespace, folder: pathlib.Path) -> None:
  from empathy.corpora import corpus as corpora

  corpora.write(_corpus(flags), folder / 'corpus')


def main() -> None:
  """Measures each part, each in processes of its own."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--small', action='store_true')
  parser.add_argument('--clips', type=int, default=10_000)
  parser.add_argument('--seeds', type=int, default=20)
  parser.add_argument('--epochs', type=int, default=20)
  parser.add_argument('--timed', type=int, default=20)
  parser.add_argument('--cores', type=int, default=os.cpu_count())
  parser.add_argument('--only', choices=_PARTS)
  has_torch = importlib.util.find_spec('torch') is not None
  parser.add_argument('--torch', default=sys.executable if has_torch else '')
  parser.add_argument('--inside')
  flags = parser.parse_args()
  flags.widths = _SMALL_WIDTHS if flags.small else _WIDTHS
  if flags.inside in _PEERS:
    print(json.dumps({'epoch': peer(flags.inside, flags)}))
  elif flags.inside:
    print(json.dumps({'ours': ours, 'floor': floor}[flags.inside](flags)))
  else:
    for part in _PARTS:
      if flags.only in (None, part):
        globals()[f'measure_{part}'](flags)


if __name__ == '__main__':
  main()
