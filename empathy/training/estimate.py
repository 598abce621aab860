"""What a run will take, told before it starts: `train --dry_run`."""

import dataclasses
import functools
import itertools
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from empathy import progress
from empathy.training import chunks, inference, parallel, step

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
    memory_bytes: at the peak, by the compiler's count; what a step works with,
      too.
    limit_bytes: of a device, where it says so; 0 elsewhere.
    checkpoint_bytes: of one checkpoint; two are kept.
    flops: floating-point operations of all training, by the compiler's count.
    rate: a second, that all devices reach in a product of matrices.
  """

  place: str
  corpus_bytes: int
  state_bytes: int
  num_members: int
  memory_bytes: int
  limit_bytes: int
  checkpoint_bytes: int
  flops: float
  rate: float

  def lines(self) -> list[str]:
    """The estimate in words."""
    state_bytes = self.num_members * self.state_bytes
    rest = self.memory_bytes - self.corpus_bytes - state_bytes
    seconds = self.flops / (_SHARE_OF_RATE * self.rate)
    limit = ''
    if self.limit_bytes:
      limit = f' of the {_size(self.limit_bytes)} that there are'
      if self.memory_bytes > self.limit_bytes:
        limit += ', which do not suffice: lower config.members_per_device'
    return [
      f'memory: about {_size(self.memory_bytes)} {self.place}{limit}: '
      f'{self.num_members} members of {_size(self.state_bytes)}, the corpus, '
      f'{_size(self.corpus_bytes)}, and {_size(rest)} to work with',
      f'checkpoint: {_size(self.checkpoint_bytes)}; two are kept',
      f'time: about {progress.duration(max(1.0, seconds))} to train, by '
      f'{self.flops / 1e12:.3g} TFLOP and '
      f'{_SHARE_OF_RATE:.0%} of the {self.rate / 1e9:.3g} GFLOP/s that a '
      'product of matrices reaches here now; compiling comes on top the first '
      'time',
    ]


def estimate(
  layout: parallel.Layout,
  data: step.Data,
  members: step.Member,
  chunks_: Sequence[chunks.Chunk],
  num_held_out: int,
) -> Estimate:
  """Counts what a run takes; nothing is trained, and nothing written.

  Args:
    layout: of the members on the devices.
    data: the corpus.
    members: all of them.
    chunks_: of the members.
    num_held_out: clips that a member predicts, at most.
  """
  are_cores = layout.devices[0].platform == 'cpu'
  copies = len(layout.devices) if are_cores else 1
  corpus_bytes = _bytes(data)
  peaks = []
  for _, found in itertools.groupby(chunks_, lambda x: x.program.computed):
    group = list(found)
    held, saved = layout.held(group[0].size) * copies, group[0].size
    state_bytes = _bytes(_state(group[0].program, data, members))
    peak = max(
      training_bytes(layout, data, members, group[0]),
      predicting_bytes(layout, data, members, group, num_held_out),
    )
    memory_bytes = peak
    if are_cores:
      # One corpus for all, and a copy of all members while they are saved.
      memory_bytes = corpus_bytes + copies * (peak - corpus_bytes)
      memory_bytes += state_bytes * saved
    peaks.append((memory_bytes, state_bytes, held, state_bytes * saved))
  memory_bytes, state_bytes, held, _ = max(peaks)
  stats = layout.devices[0].memory_stats() or {}
  flops = sum(
    len(chunk.rows) * _flops(chunk.program, data, members) for chunk in chunks_
  )
  return Estimate(
    place='on all cores together' if are_cores else 'on each device',
    corpus_bytes=corpus_bytes,
    state_bytes=state_bytes,
    num_members=held,
    memory_bytes=memory_bytes,
    limit_bytes=int(stats.get('bytes_limit', 0)),
    checkpoint_bytes=max(peak[-1] for peak in peaks),
    flops=flops,
    rate=_rate(layout),
  )


def training_bytes(
  layout: parallel.Layout,
  data: step.Data,
  members: step.Member,
  chunk: chunks.Chunk,
) -> int:
  """What a device holds while a chunk trains, by the compiler's own count.

  The program computes what the one that trains does; arguments are as for
  `estimate`.
  """
  count = layout.num_slots(chunk.size)
  own = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype), members
  )
  state = step.states_like(chunk.program, data, own)
  run = layout.update(functools.partial(step.train_epoch, chunk.program), 2)
  return _peak(
    run,
    *layout.like((data, np.int32(0))),
    *layout.like((own, state), True),
  )


def predicting_bytes(
  layout: parallel.Layout,
  data: step.Data,
  members: step.Member,
  chunks_: Sequence[chunks.Chunk],
  num_rows: int,
) -> int:
  """What a device holds while members predict, in the chunks of a network.

  Each predicts `num_rows` clips at most; the rest is as for `estimate`.
  """
  layout = dataclasses.replace(layout, mode='members')
  program = chunks_[0].program
  views = [[name.view for name in chunk.names] for chunk in chunks_]
  size = layout.num_slots(inference.group_size(views, program.modalities))
  own = inference.saved_like(program, size, data)
  keys = 'view', 'mean', 'scale', 'params', 'batch_stats'
  own = {key: own[key] for key in keys}
  rows = np.zeros((size, num_rows), np.int32)
  return _peak(
    inference.compiled(program, layout),
    *layout.like((data, np.ones(len(program.modalities), bool))),
    *layout.like((rows, own), True),
  )


def _peak(run: Any, *like: Any) -> int:
  """The bytes of a compiled function on one device: arguments and all else."""
  found = run.lower(*like).compile().memory_analysis()
  return (
    found.argument_size_in_bytes
    + found.output_size_in_bytes
    - found.alias_size_in_bytes
    + found.temp_size_in_bytes
    + found.generated_code_size_in_bytes
  )


def _state(program: step.Program, data: step.Data, members: step.Member):
  one = jax.tree.map(lambda x: x[0], members)
  return jax.eval_shape(functools.partial(step.init, program), data, one)


def _flops(
  program: step.Program, data: step.Data, members: step.Member
) -> float:
  """Of all steps and validations of one member."""
  size, num_train = program.recipe.batch_size, members.train_rows.shape[1]
  # There and back again. Members with fewer steps rest, but their share of the
  # product is computed.
  clips = 3 * size * -(-num_train // size) + members.val_rows.shape[1]
  flops = clips * chunks.forward_flops(program, data, members)
  return program.recipe.total_epochs * flops


def _rate(layout: parallel.Layout) -> float:
  """Floating-point operations a second of products on all devices at once."""
  count = layout.num_slots(2 * len(layout.devices))

  def product(member):
    x, w = jnp.ones((_ROWS, _WIDTH)), jnp.ones((_WIDTH, _WIDTH)) + member
    x, _ = lax.scan(lambda x, _: (x @ w / _WIDTH, None), x, length=_REPEATS)
    return x.sum()

  run, members = layout.map(product), layout.shard(np.zeros(count, np.float32))
  jax.block_until_ready(run(members))
  seconds = []
  for _ in range(5):
    start = time.perf_counter()
    jax.block_until_ready(run(members))
    seconds.append(time.perf_counter() - start)
  copies = 1 if layout.mode == 'members' else len(layout.devices)
  flops = 2 * _ROWS * _WIDTH**2 * _REPEATS * count * copies
  return flops / min(seconds)


def _bytes(tree: Any) -> int:
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _size(count: int) -> str:
  for unit in ('bytes', 'KB', 'MB'):
    if count < 1000:
      return f'{count:.3g} {unit}'
    count /= 1000
  return f'{count:.3g} GB'
