"""How members are laid out on devices; the only file that names pmap.

Members are mapped by vmap on each device, and the devices by pmap: either each
has its own members ('members': no communication), or all have every member and
share each batch ('batch': sums go over the axis `step.BATCH_AXIS`).

Devices may belong to several processes, on several hosts. Each runs the same
program, feeds its own devices and sees only them; process 0 reads and writes
the workdir, and tells the others what it read.
"""

import contextlib
import dataclasses
import functools
import logging
import os
import re
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
# In bytes, of what one process tells the others of its failure.
_MAX_TOLD = 2000
# In bytes, as XLA wants what it is to use without a copy.
_ALIGNMENT = 64
# On a CPU XLA must be told that one loop may have several results.
CPU_FLAGS = '--xla_backend_extra_options=xla_cpu_use_multi_output_fusion=true'


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
  from_main(np.int32(any_process(False)))


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
  """Whether this process reads and writes the workdir."""
  return jax.process_index() == 0


def all_devices() -> list[jax.Device]:
  """Those of all processes, the ones of a process side by side."""
  return sorted(jax.devices(), key=lambda x: (x.process_index, x.id))


def any_process(flag: bool) -> bool:
  """Whether the flag is set in any process; all have to ask."""
  if jax.process_count() == 1:
    return flag
  return bool(multihost_utils.process_allgather(np.array(flag)).any())


def from_main(tree: Any) -> Any:
  """What process 0 has, for all; others give arrays of the same shapes."""
  if jax.process_count() == 1:
    return tree
  return jax.tree.map(
    lambda x: np.asarray(multihost_utils.broadcast_one_to_all(np.asarray(x))),
    tree,
  )


def text_from_main(text: str) -> str:
  """What process 0 has to say, for all; others give any text."""
  data = np.frombuffer(text.encode(), np.uint8)
  size = int(from_main(np.int32(len(data))))
  return bytes(from_main(np.resize(data, size))).decode()


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
    told = _gathered(reason)
    if error is not None:
      raise error
    index = next(index for index, text in enumerate(told) if text)
    raise errors.InputError(f'process {index}: {told[index]}')


def _gathered(text: str) -> list[str]:
  """What each process has to say, cut off at some length."""
  data = np.zeros(_MAX_TOLD, np.uint8)
  encoded = np.frombuffer(text.encode()[:_MAX_TOLD], np.uint8)
  data[: len(encoded)] = encoded
  if jax.process_count() == 1:
    return [text]
  return [
    bytes(row).rstrip(b'\0').decode(errors='ignore')
    for row in multihost_utils.process_allgather(data)
  ]


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

  def chunk_size(self, num_members: int, members_per_device: int) -> int:
    """How many members to train at a time.

    Args:
      num_members: in all.
      members_per_device: as many as a device takes at most.
    """
    multiple = len(self.devices) if self.mode == 'members' else 1
    num_chunks = -(-num_members // (members_per_device * multiple))
    return min(self._filled(-(-num_members // num_chunks)), num_members)

  def chunks(
    self, num_members: int, size: int, costs: np.ndarray | None = None
  ) -> list[np.ndarray]:
    """Divides members into chunks of one size, which compile once.

    Args:
      num_members: in all.
      size: members in a chunk; `chunk_size`, or that of other devices.
      costs: (num_members,) how long each takes beside the others; by default
        all the same. Counts where devices train members one by one.

    Returns:
      For each chunk the indices of its members, as `shard` deals them out; one
      of them is repeated where the devices need more, after itself.
    """
    chunks = [
      np.arange(start, min(start + size, num_members))
      for start in range(0, num_members, size)
    ]
    if costs is None or self.mode == 'batch' or not self.one_by_one:
      return [
        np.pad(chunk, (0, self._filled(size) - len(chunk)), 'edge')
        for chunk in chunks
      ]
    shares = [_balanced(chunk, costs, len(self.devices)) for chunk in chunks]
    most = max(len(share) for chunk in shares for share in chunk)
    return [
      # Devices without any, if there are too many, come last.
      np.array(
        [
          share + (share or chunk[0])[-1:] * (most - len(share))
          for share in chunk
        ]
      ).T.ravel()
      for chunk in shares
    ]

  def _filled(self, size: int) -> int:
    """So many members, or a few more, divide among the devices."""
    multiple = len(self.devices) if self.mode == 'members' else 1
    return -(-size // multiple) * multiple

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

  def shard(self, tree: Any) -> Any:
    """Puts (members, ...) arrays on the devices as (devices, share, ...).

    Where the members do not divide, the last one is repeated.
    """
    own = self._own

    def split(x: np.ndarray) -> np.ndarray:
      if self.mode == 'batch':
        return np.broadcast_to(x, (own.stop - own.start, *x.shape))
      more = -len(x) % len(self.devices)
      x = np.concatenate([x, np.repeat(x[-1:], more, axis=0)]) if more else x
      # Dealt out, so that each device gets its share of large and small views.
      x = np.reshape(x, (-1, len(self.devices), *x.shape[1:]))
      return np.swapaxes(x, 0, 1)[own]

    return _put(tuple(self.devices))(jax.tree.map(split, tree))

  def replicate(self, tree: Any) -> Any:
    """Puts a copy of each array on every device: (devices, ...).

    Cores of a process all read one array, which is that of the caller if it is
    `aligned`.
    """
    devices = np.array(self.devices[self._own])
    sharding = jax.sharding.NamedSharding(
      jax.sharding.Mesh(devices, ('devices',)),
      jax.sharding.PartitionSpec('devices'),
    )

    def put(x: np.ndarray) -> jax.Array:
      x = aligned(np.asarray(x))[None]
      return jax.make_array_from_single_device_arrays(
        (len(devices), *x.shape[1:]),
        sharding,
        [jax.device_put(x, device) for device in devices],
      )

    return jax.tree.map(put, tree)

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

  def gather(self, tree: Any, slots: np.ndarray | None = None) -> Any:
    """Fetches what `shard` or `map` gave, as NumPy (members, ...).

    All processes have to call it, and process 0 has the result.

    Args:
      tree: the arrays.
      slots: which members to fetch, by where they are; by default, all.
    """
    is_spread = len({device.process_index for device in self.devices}) > 1

    def join(x: jax.Array) -> np.ndarray:
      # From each device by itself: of the whole, JAX would keep a copy.
      shards = sorted(x.addressable_shards, key=lambda x: x.index[0].start or 0)
      if self.mode == 'batch':
        whole = np.array(shards[0].data)[0]
        return whole if slots is None else whole[slots]
      if is_spread:
        x = np.asarray(multihost_utils.process_allgather(np.asarray(x)))
        shares = x.reshape(len(self.devices), *x.shape[2:])
        if not is_main():  # Which need not hold it.
          return np.empty((0, *x.shape[3:]), x.dtype)
      else:
        shares = [np.asarray(shard.data)[0] for shard in shards]
      wanted = slots
      if wanted is None:
        wanted = np.arange(len(shares) * len(shares[0]))
      # They were dealt out.
      place, device = np.divmod(wanted, len(shares))
      result = np.empty((len(wanted), *shares[0].shape[1:]), x.dtype)
      for index, share in enumerate(shares):
        own = device == index
        result[own] = share[place[own]]
      return result

    return jax.tree.map(join, tree)

  def divide(self, tree: Any) -> Any:
    """Divides (rows, ...) arrays of one batch: (devices, share, ...)."""
    count = len(self.devices)
    shares = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), tree)
    return _put(tuple(self.devices))(shares)

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
      The compiled function. After what is shared it takes () bool of each
      member: one that is not real, as it is there to fill up, may rest.
    """
    # Of a jitted function, the shapes and the way through are traced once.
    traced = jax.jit(function)

    def on_device(*args):
      shared, (real, own, state) = args[:num_shared], args[num_shared:]
      if not self.one_by_one:
        return jax.vmap(functools.partial(function, *shared))(own, state)
      first = jax.tree.map(lambda x: x[0], (own, state))
      like = jax.eval_shape(traced, *shared, *first)[1]

      def train(member, old):
        return traced(*shared, member, old)

      def rest(member, old):
        del member
        return old, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like)

      # A state that is carried is changed in place; one that is mapped over
      # would be written to fresh memory in every epoch.
      def body(state, at):
        index, is_real, member = at
        old = jax.tree.map(lambda x: x[index], state)
        new, result = lax.cond(is_real, train, rest, member, old)
        return jax.tree.map(lambda x, y: x.at[index].set(y), state, new), result

      return lax.scan(body, state, (jnp.arange(len(real)), real, own))

    return self._pmap(on_device, donate=[num_shared + 2])

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


def first_slots(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Where each member of a chunk is; elsewhere it is repeated to fill up.

  Args:
    rows: (slots,) int, members, as `Layout.chunks` gives them.

  Returns:
    For each member, in the order of their indices, its first slot; and (slots,)
    bool, whether a slot is one of those.
  """
  _, first = np.unique(rows, return_index=True)
  return first, np.isin(np.arange(len(rows)), first)


def _balanced(
  members: np.ndarray, costs: np.ndarray, num_devices: int
) -> list[list[int]]:
  """Each device's members: the dearest first, to whom has least to do."""
  shares, loads = [[] for _ in range(num_devices)], np.zeros(num_devices)
  for member in members[np.argsort(-costs[members], kind='stable')].tolist():
    device = int(np.argmin(loads))
    shares[device].append(member)
    loads[device] += costs[member]
  return shares


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


@functools.lru_cache
def _put(devices: tuple[jax.Device, ...]) -> Callable:
  """Places (devices, ...) arrays; kept, so that each shape compiles once."""
  return jax.pmap(lambda x: x, devices=devices)
