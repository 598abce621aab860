"""What a run will take, told before it starts: `train --dry_run`."""

import dataclasses
import functools
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from empathy.training import parallel, step

# Besides the state: gradients, and one copy where a buffer is not used again.
# Measured: 36 MB at the peak for members of 22 MB.
_PEAK_OVER_STATE = 1.6
# What training gets of the rate of a plain product of matrices; the rest goes
# to the optimizer, to random bits and to reading rows of the corpus. On two
# cores that reach 175 GFLOP/s, the default study had 58 % of it, and wide
# layers without dropout and BatchNorm 90 %. It is a rough guide, elsewhere all
# the more.
_SHARE_OF_RATE = 0.5
# The product whose rate is measured: (rows, width) by (width, width).
_ROWS, _WIDTH, _REPEATS = 64, 512, 32


@dataclasses.dataclass(frozen=True)
class Estimate:
  """What a run takes.

  Attributes:
    place: whose memory is meant: each device's, or that of all cores.
    corpus_bytes: of the corpus, which is there once.
    state_bytes: of one member.
    num_members: that are there at a time.
    memory_bytes: at the peak.
    checkpoint_bytes: of one checkpoint; two are kept.
    flops: floating-point operations of all training, by the compiler's count.
    rate: a second, that all devices reach in a product of matrices.
    seconds: of training, without compiling.
  """

  place: str
  corpus_bytes: int
  state_bytes: int
  num_members: int
  memory_bytes: int
  checkpoint_bytes: int
  flops: float
  rate: float
  seconds: float

  def lines(self) -> list[str]:
    """The estimate in words."""
    return [
      f'memory: about {_size(self.memory_bytes)} {self.place}: '
      f'{self.num_members} members of {_size(self.state_bytes)}, '
      f'{_PEAK_OVER_STATE} times while they train, and the corpus, '
      f'{_size(self.corpus_bytes)}',
      f'checkpoint: {_size(self.checkpoint_bytes)}; two are kept',
      f'time: about {_time(self.seconds)} to train, by '
      f'{self.flops / 1e12:.3g} TFLOP and '
      f'{_SHARE_OF_RATE:.0%} of the {self.rate / 1e9:.3g} GFLOP/s that a '
      'product of matrices reaches here now; compiling comes on top the first '
      'time',
    ]


def estimate(
  program: step.Program,
  layout: parallel.Layout,
  data: step.Data,
  members: step.Member,
  chunks: Sequence[np.ndarray],
) -> Estimate:
  """Counts what a run takes; nothing is trained, and nothing written.

  Args:
    program: what members share, made for members that are divided.
    layout: of the members on the devices.
    data: the corpus.
    members: all of them.
    chunks: for each chunk the indices of its members.
  """
  one = jax.tree.map(lambda x: x[0], members)
  state = jax.eval_shape(functools.partial(step.init, program), data, one)
  are_cores = layout.devices[0].platform == 'cpu'
  copies = len(layout.devices) if are_cores else 1
  held = len(chunks[0]) * copies
  if layout.mode == 'members':
    held //= len(layout.devices)
  state_bytes, corpus_bytes = _bytes(state), _bytes(data)
  flops = _flops(program, data, members)
  rate = _rate(layout)
  return Estimate(
    place='on all cores together' if are_cores else 'on each device',
    corpus_bytes=corpus_bytes,
    state_bytes=state_bytes,
    num_members=held,
    memory_bytes=corpus_bytes + int(_PEAK_OVER_STATE * held * state_bytes),
    checkpoint_bytes=state_bytes * len(np.unique(chunks[0])),
    flops=flops,
    rate=rate,
    seconds=flops / (_SHARE_OF_RATE * rate),
  )


def _flops(
  program: step.Program, data: step.Data, members: step.Member
) -> float:
  """Of all steps and validations of all members."""
  total = 0.0
  for shown in np.unique(members.view, axis=0):
    view = tuple(np.array(program.modalities)[shown].tolist())
    narrow = view in program.narrow_views
    chosen = (members.view == shown).all(axis=1)
    total += chosen.sum() * _flops_of_one(
      program.narrowed(view) if narrow else program, data, members
    )
  return float(program.recipe.total_epochs * total)


def _flops_of_one(
  program: step.Program, data: step.Data, members: step.Member
) -> float:
  """Of an epoch of one member."""
  one = jax.tree.map(lambda x: x[0], members)
  state = jax.eval_shape(functools.partial(step.init, program), data, one)
  size = program.recipe.batch_size
  rows = jax.ShapeDtypeStruct((size,), np.int32)
  real = jax.ShapeDtypeStruct((size,), np.bool_)
  number = jax.ShapeDtypeStruct((), np.int32)
  active = jax.ShapeDtypeStruct((), np.bool_)
  train = functools.partial(step._train_step, program)
  step_flops = _count(train, data, one, state, rows, real, number, active)
  given = jax.ShapeDtypeStruct(one.view.shape, np.bool_)
  predict = functools.partial(step.predict, program)
  row_flops = (
    _count(predict, data, given, rows, one, state.params, state.batch_stats)
    / size
  )
  slots = -(-members.train_rows.shape[1] // size)
  # Members with fewer steps rest, but their share of the product is computed.
  return slots * step_flops + members.val_rows.shape[1] * row_flops


def _count(function, *arguments) -> float:
  cost = jax.jit(function).lower(*arguments).cost_analysis()
  return float(cost['flops'])


def _rate(layout: parallel.Layout) -> float:
  """Floating-point operations a second of products on all devices at once."""
  count = 2 * len(layout.devices)

  def product(member):
    x, w = jnp.ones((_ROWS, _WIDTH)), jnp.ones((_WIDTH, _WIDTH)) + member
    x, _ = lax.scan(lambda x, _: (x @ w / _WIDTH, None), x, length=_REPEATS)
    return x.sum()

  (own,) = layout.chunks(count, count)
  run, members = layout.map(product), layout.shard(own.astype(np.float32))
  jax.block_until_ready(run(members))
  seconds = []
  for _ in range(5):
    start = time.perf_counter()
    jax.block_until_ready(run(members))
    seconds.append(time.perf_counter() - start)
  copies = 1 if layout.mode == 'members' else len(layout.devices)
  flops = 2 * _ROWS * _WIDTH**2 * _REPEATS * len(own) * copies
  return flops / min(seconds)


def _bytes(tree: Any) -> int:
  return sum(
    int(np.prod(x.shape)) * np.dtype(x.dtype).itemsize
    for x in jax.tree.leaves(tree)
  )


def _size(count: int) -> str:
  for unit in ('bytes', 'KB', 'MB'):
    if count < 1000:
      return f'{count:.3g} {unit}'
    count /= 1000
  return f'{count:.3g} GB'


def _time(seconds: float) -> str:
  if seconds < 120:
    return f'{max(seconds, 1):.0f} s'
  if seconds < 7200:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'
