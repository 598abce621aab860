"""How members are laid out on devices; the only file that names pmap.

Members are mapped by vmap on each device, and the devices by pmap: either each
has its own members ('members': no communication), or all have every member and
share each batch ('batch': sums go over the axis `step.BATCH_AXIS`).

Devices may belong to several processes, on several hosts. Each runs the same
program, feeds its own devices and sees only them, and saves and predicts with
the members that these hold. What there is once, as tables, process 0 reads and
writes, and tells the others what it read.
"""

import contextlib
import dataclasses
import functools
import io
import json
import logging
import os
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils

from empathy import errors
from empathy.training import step

_log = logging.getLogger('empathy')

MODES = ('members', 'batch')
# Of the products of matrices of float32: what the device takes if it is not
# asked (on a TPU the factors are rounded to 8 bits, on a GPU since Ampere to
# 11; a CPU rounds nothing), or at least those 11 bits, or all.
PRECISIONS = ('default', 'tensorfloat32', 'float32')

# More have not been tried.
_MAX_CPU_DEVICES = 8
# Of what one process tells the others of its failure.
_MAX_TOLD = 2000
# In bytes, as XLA wants what it is to use without a copy.
_ALIGNMENT = 64
# On a CPU XLA must be told that one loop may have several results. Its tiled
# emitter takes a tenth of the time to compile, and makes nothing faster.
CPU_FLAGS = (
  '--xla_backend_extra_options=xla_cpu_use_multi_output_fusion=true,'
  'xla_cpu_disable_tiled_emitter=true'
)


def use_cpu_cores() -> None:
  """Makes each core a device where there is no accelerator, and a good one.

  To be called before JAX is used. What `XLA_FLAGS` says of the number of
  devices, or of extra options, stays.

  Raises:
    InputError: XLA knows no such flag.
  """
  flags = os.environ.get('XLA_FLAGS', '')
  if flags.replace(CPU_FLAGS, '').strip():
    _check_flags()
  if 'xla_backend_extra_options' not in flags:
    os.environ['XLA_FLAGS'] = f'{flags} {CPU_FLAGS}'.strip()
  if 'host_platform_device_count' not in flags:
    if hasattr(os, 'sched_getaffinity'):  # A container's share of the machine.
      cores = len(os.sched_getaffinity(0))
    else:
      cores = os.cpu_count() or 1
    jax.config.update('jax_num_cpu_devices', min(cores, _MAX_CPU_DEVICES))


def _check_flags() -> None:
  """Asks XLA about `XLA_FLAGS` in a process of its own, which it may abort."""
  program = 'from jaxlib import xla_client; xla_client.CompileOptions()'
  done = subprocess.run(
    [sys.executable, '-c', program],
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode and 'XLA_FLAGS' in done.stderr:
    reason = done.stderr.strip().splitlines()[-1].partition('] ')[2]
    raise errors.InputError(reason)


def connect(
  address: str | None = None,
  num_processes: int | None = None,
  process_id: int | None = None,
) -> None:
  """Makes this process one of several; to be called before JAX is used.

  Args:
    address: host:port of process 0; like the others, by default as Cloud TPU,
      SLURM, GKE or another platform that JAX knows tells it.
    num_processes: in all.
    process_id: of this one, from 0.

  Raises:
    InputError: the platform does not tell, or process 0 is not to be reached.
  """
  jax.config.update('jax_cpu_collectives_implementation', 'gloo')
  own = None
  if address is None:
    own = slurm_devices(os.environ)
  try:
    jax.distributed.initialize(
      address, num_processes, process_id, local_device_ids=own
    )
  except (RuntimeError, ValueError) as error:
    reason = str(error).splitlines()[0]
    raise errors.InputError(
      f'--distributed: {reason} (where the platform does not tell, give '
      '--coordinator_address=HOST:PORT --num_processes=N --process_id=I)'
    ) from None
  # The first collective of each kind on CPUs waits for half a minute at most,
  # later ones as long as need be: now all are here.
  multihost_utils.broadcast_one_to_all(np.int32(any_process(False)))


def slurm_devices(environment: Mapping[str, str]) -> list[int] | None:
  """Which of the node's GPUs are this process' in a job of SLURM.

  JAX takes one for each process, whatever the job has.

  Args:
    environment: variables, as SLURM sets them.

  Returns:
    Their numbers among those that the process can see; None where that is left
    to JAX.
  """
  gpus = environment.get('SLURM_GPUS_ON_NODE', '')
  tasks = environment.get(
    'SLURM_STEP_TASKS_PER_NODE', environment.get('SLURM_NTASKS_PER_NODE', '')
  )
  # As in '8(x2),4': eight on each of the first two nodes.
  first = re.match(r'\d+', tasks)
  if not gpus.isdigit() or not first or 'SLURM_LOCALID' not in environment:
    return None
  num_gpus, num_tasks = int(gpus), int(first.group())
  seen = environment.get('CUDA_VISIBLE_DEVICES')
  if seen is not None and len(seen.split(',')) < num_gpus:
    return list(range(len(seen.split(','))))  # SLURM gave each its own.
  share = num_gpus // num_tasks
  if share and share * num_tasks != num_gpus:
    _log.warning(
      'SLURM: %d processes do not divide %d GPUs of a node: %d are not used',
      num_tasks,
      num_gpus,
      num_gpus - share * num_tasks,
    )
  first_gpu = int(environment['SLURM_LOCALID']) * share
  return list(range(first_gpu, first_gpu + share)) or None


def is_main() -> bool:
  """Whether this process writes what there is once in a workdir."""
  return jax.process_index() == 0


def is_alone() -> bool:
  """Whether there is but one process."""
  return jax.process_count() == 1


def all_devices() -> list[jax.Device]:
  """Those of all processes, the ones of a process side by side."""
  return sorted(jax.devices(), key=lambda x: (x.process_index, x.id))


def any_process(flag: bool) -> bool:
  """Whether the flag is set in any process; all have to ask."""
  if is_alone():
    return flag
  return bool(multihost_utils.process_allgather(np.array(flag)).any())


def text_from_main(text: str) -> str:
  """What process 0 has to say, for all; others give any text."""
  return gathered(text)[0]


@contextlib.contextmanager
def together() -> Iterator[None]:
  """Lets all processes get through what each does for itself, or none.

  The block has no communication between processes in it.

  Raises:
    InputError: another process failed; what it said.
  """
  error = None
  try:
    yield
  except Exception as raised:
    error = raised
  if any_process(error is not None):
    reason = str(error) if isinstance(error, errors.InputError) else repr(error)
    reason = '' if error is None else reason
    told = gathered(reason[:_MAX_TOLD])
    if error is not None:
      raise error
    index = next(index for index, text in enumerate(told) if text)
    raise errors.InputError(f'process {index}: {told[index]}')


def once_a_host(folder: pathlib.Path, function: Callable[[], Any]) -> Any:
  """What a function gives, called by one process of each machine.

  All processes have to ask.

  Args:
    folder: of those processes that see the same one, one calls the function.
    function: gives something that JSON knows.

  Raises:
    InputError: it failed, in any process.
  """
  status = folder.stat()
  place = f'{socket.gethostname()} {status.st_dev} {status.st_ino}'
  first = gathered(place).index(place)
  found = ''
  with together():
    if first == jax.process_index():
      found = json.dumps(function())
  return json.loads(gathered(found)[first])


def gathered(text: str) -> list[str]:
  """What each process has to say, for all."""
  encoded = np.frombuffer(text.encode(), np.uint8)
  return [bytes(data).decode() for data in _gathered_bytes(encoded)]


def _gathered_bytes(own: np.ndarray) -> list[np.ndarray]:
  """The uint8 arrays that the processes have."""
  if is_alone():
    return [own]
  sizes = multihost_utils.process_allgather(np.int32(len(own)))
  data = np.zeros(max(1, *sizes), np.uint8)
  data[: len(own)] = own
  rows = multihost_utils.process_allgather(data)
  return [row[:size] for row, size in zip(rows, sizes, strict=True)]


def gathered_arrays(
  columns: Mapping[str, np.ndarray],
) -> list[dict[str, np.ndarray]]:
  """What each process has in columns, which are to be small.

  Args:
    columns: of numbers; a process may have none.
  """
  if is_alone():
    return [dict(columns)]
  with io.BytesIO() as file:
    np.savez(file, **columns)
    encoded = np.frombuffer(file.getvalue(), np.uint8)
  result = []
  for data in _gathered_bytes(encoded):
    with np.load(io.BytesIO(data.tobytes()), allow_pickle=False) as found:
      result.append(dict(found))
  return result


def aligned(x: np.ndarray) -> np.ndarray:
  """The array, or a copy, where CPU devices need no further one.

  Args:
    x: not to be changed from then on.
  """
  if x.ctypes.data % _ALIGNMENT == 0 and x.flags.c_contiguous:
    return x
  memory = np.empty(x.nbytes + _ALIGNMENT, np.uint8)
  memory = memory[-memory.ctypes.data % _ALIGNMENT :][: x.nbytes]
  copy = memory.view(x.dtype).reshape(x.shape)
  copy[...] = x
  return copy


@dataclasses.dataclass(frozen=True)
class Layout:
  """Devices, and what they divide among them.

  Attributes:
    mode: one of `MODES`.
    devices: of this process, or as `all_devices` gives them.
    precision: one of `PRECISIONS`, of all that is compiled for them.
  """

  mode: str
  devices: Sequence[jax.Device]
  precision: str = 'default'

  @property
  def axis_name(self) -> str | None:
    """The axis over which a batch's sums go; None if members are divided."""
    return step.BATCH_AXIS if self.mode == 'batch' else None

  def num_slots(self, num_members: int) -> int:
    """So many members, or a few more, divide among the devices."""
    multiple = len(self.devices) if self.mode == 'members' else 1
    return -(-num_members // multiple) * multiple

  def held(self, num_members: int) -> int:
    """So many of the members a device holds."""
    slots = self.num_slots(num_members)
    return slots // (len(self.devices) if self.mode == 'members' else 1)

  @property
  def _own(self) -> slice:
    """The devices of this process."""
    own = [x.process_index == jax.process_index() for x in self.devices]
    return slice(own.index(True), own.index(True) + sum(own))

  @property
  def one_by_one(self) -> bool:
    """Whether a device trains its members one after another, not in lockstep.

    What a member needs at each step then stays in a core's cache; in lockstep,
    a CPU would stream every parameter of all of them from memory.
    """
    return self.devices[0].platform == 'cpu'

  def held_rows(self, count: int, size: int = 0) -> slice:
    """Which of all members `shard` puts on the devices of this process.

    Args:
      count: of all members.
      size: as for `shard`.
    """
    if self.mode == 'batch':
      return slice(0, count)
    slots = self._own_slots(count, size)
    start = min(slots.start, count - 1)
    return slice(start, max(start + 1, min(slots.stop, count)))

  def own_rows(self, count: int, size: int = 0) -> slice:
    """Which of them this process saves and predicts with: each is one's own.

    Args:
      count: of all members.
      size: as for `shard`.
    """
    if self.mode == 'batch':
      processes = sorted({device.process_index for device in self.devices})
      at = processes.index(jax.process_index())
      number = len(processes)
      return slice(count * at // number, count * (at + 1) // number)
    slots = self._own_slots(count, size)
    return slice(min(slots.start, count), min(slots.stop, count))

  def _own_slots(self, count: int, size: int) -> slice:
    """What the devices of this process have of all slots for members."""
    share, own = self.held(max(size, count)), self._own
    return slice(own.start * share, own.stop * share)

  def shard(self, tree: Any, size: int = 0, count: int | None = None) -> Any:
    """Puts (members, ...) arrays on the devices as (devices, share, ...).

    Each device gets members that follow each other. Where there are fewer than
    `size`, or than divide, the last one is repeated.

    Args:
      tree: of all members, or of those of `held_rows`.
      size: so many are made of them, at least.
      count: of all members, where `tree` has some.
    """
    own = self._own

    def split(x: np.ndarray) -> np.ndarray:
      if self.mode == 'batch':
        return np.broadcast_to(x, (own.stop - own.start, *x.shape))
      total = len(x) if count is None else count
      if count is None:
        x = x[self.held_rows(total, size)]
      slots = self._own_slots(total, size)
      more = slots.stop - slots.start - len(x)
      x = np.concatenate([x, np.repeat(x[-1:], more, axis=0)]) if more else x
      return x.reshape(own.stop - own.start, -1, *x.shape[1:])

    return self._put(jax.tree.map(split, tree))

  def replicate(self, tree: Any) -> Any:
    """Puts a copy of each array on every device: (devices, ...).

    Cores of a process all read one array, which is that of the caller if it is
    `aligned`.
    """
    own = self._own

    def repeat(x: np.ndarray) -> np.ndarray:
      x = aligned(np.asarray(x))
      return np.broadcast_to(x, (own.stop - own.start, *x.shape))

    return self._put(jax.tree.map(repeat, tree))

  def _put(self, tree: Any) -> Any:
    """Places (own devices, ...) arrays."""
    mesh = jax.sharding.Mesh(np.array(self.devices[self._own]), ('devices',))
    spec = jax.sharding.PartitionSpec('devices')
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, spec))

  def like(self, tree: Any, is_sharded: bool = False) -> Any:
    """The shapes of what `replicate` gives, or `shard`; nothing is put there.

    Args:
      tree: arrays, or their shapes; of what is sharded, as many members as
        divide among the devices.
      is_sharded: whether each array is divided.
    """
    count = len(self.devices)

    def of(x: Any) -> jax.ShapeDtypeStruct:
      shape = x.shape
      if is_sharded and self.mode == 'members':
        shape = (shape[0] // count, *shape[1:])
      return jax.ShapeDtypeStruct((count, *shape), x.dtype)

    return jax.tree.map(of, tree)

  def fetch(self, tree: Any, count: int) -> Any:
    """Fetches what `shard` or `map` gave, as NumPy (`own_rows`, ...).

    Nothing goes from one process to another.

    Args:
      tree: the arrays.
      count: of all members.
    """

    def own(x: jax.Array) -> np.ndarray:
      if self.mode == 'batch':
        return self._shares(x)[0][self.own_rows(count)]
      rows = self.own_rows(count, x.shape[1] * len(self.devices))
      return np.concatenate(self._shares(x))[: rows.stop - rows.start]

    return jax.tree.map(own, tree)

  def gather(self, tree: Any, count: int | None = None) -> Any:
    """Fetches what `shard` or `map` gave, as NumPy (members, ...).

    All processes have to call it and have the result: to be small.

    Args:
      tree: the arrays.
      count: how many members there are; None for all that devices have.
    """
    is_spread = len({device.process_index for device in self.devices}) > 1

    def join(x: jax.Array) -> np.ndarray:
      shares = self._shares(x)
      if self.mode == 'batch':
        return shares[0] if count is None else shares[0][:count]
      if is_spread:
        x = multihost_utils.process_allgather(np.stack(shares))
        shares = x.reshape(len(self.devices), *x.shape[2:])
      return np.concatenate(shares)[:count]

    return jax.tree.map(join, tree)

  def _shares(self, x: jax.Array) -> list[np.ndarray]:
    """What each device of this process has; all have the same in a batch."""
    # From each device by itself: of the whole, JAX would keep a copy.
    shards = sorted(x.addressable_shards, key=lambda x: x.index[0].start or 0)
    if self.mode == 'batch':
      return [np.array(shards[0].data)[0]]
    return [np.asarray(shard.data)[0] for shard in shards]

  def divide(self, tree: Any) -> Any:
    """Divides (rows, ...) arrays of one batch: (devices, share, ...)."""
    count = len(self.devices)
    return self._put(
      jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), tree)
    )

  def join(self, tree: Any) -> Any:
    """Fetches what was computed of a divided batch, as NumPy (rows, ...)."""
    return jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), tree)

  def over_batch(
    self, function: Callable, donate: Sequence[int] = ()
  ) -> Callable:
    """Compiles a function of one batch, of which each device has a share.

    Args:
      function: takes what `replicate` and `divide` give; its sums go over the
        axis `step.BATCH_AXIS`.
      donate: the arguments whose memory is used again.

    Returns:
      The compiled function.
    """
    return self._pmap(function, donate)

  def map(self, function: Callable, num_shared: int = 0) -> Callable:
    """Compiles a function of one member for all members on all devices.

    Args:
      function: takes `num_shared` arguments that all members share (as
        `replicate` gives them), then those of the member (as `shard` does).
      num_shared: how many come first.

    Returns:
      The compiled function.
    """

    def on_device(*args):
      one = functools.partial(function, *args[:num_shared])
      if self.one_by_one:
        return lax.map(lambda own: one(*own), args[num_shared:])
      return jax.vmap(one)(*args[num_shared:])

    return self._pmap(on_device)

  def update(self, function: Callable, num_shared: int) -> Callable:
    """Compiles a function that changes the state of one member, likewise.

    The state's memory is used again: the caller's old state is gone.

    Args:
      function: takes `num_shared` arguments that all members share, then what
        tells the member from others, then its state; returns the new state and
        something else.
      num_shared: how many come first.

    Returns:
      The compiled function.
    """

    def on_device(*args):
      one = functools.partial(function, *args[:num_shared])
      members, state = args[num_shared:]
      if not self.one_by_one:
        return jax.vmap(one)(members, state)

      # A state that is carried is changed in place; one that is mapped over
      # would be written to fresh memory in every epoch.
      def body(state, at):
        index, member = at
        new, result = one(member, jax.tree.map(lambda x: x[index], state))
        return jax.tree.map(lambda x, y: x.at[index].set(y), state, new), result

      indices = jnp.arange(jax.tree.leaves(members)[0].shape[0])
      return lax.scan(body, state, (indices, members))

    return self._pmap(on_device, donate=[num_shared + 1])

  def _pmap(self, on_device: Callable, donate: Sequence[int] = ()) -> Callable:
    # Said while it is traced: an option of JAX would hold for one thread, or
    # for all that the process does.
    def traced(*args):
      with jax.default_matmul_precision(self.precision):
        return on_device(*args)

    return jax.pmap(
      traced,
      axis_name=step.BATCH_AXIS,
      devices=self.devices,
      donate_argnums=tuple(donate),
    )


def spread(function: Callable, constants: Any) -> Callable:
  """Compiles `function(constants, batch)` for all devices of this process.

  Its products of matrices are of full float32.

  Args:
    function: of arrays on one device; each row of its result depends on that
      row of the batch alone.
    constants: arrays that every row needs; each device gets a copy.

  Returns:
    A function of a batch, (B, ...) NumPy arrays, to (B, ...) NumPy; B must be a
    multiple of its attribute `num_devices`. Each shape compiles once.
  """
  layout = Layout('members', jax.local_devices(), 'float32')
  held = layout.replicate(constants)
  mapped = layout._pmap(function)

  def run(batch: Any) -> Any:
    return layout.gather(mapped(held, layout.shard(batch)))

  run.num_devices = len(layout.devices)
  return run
