"""How members are laid out on devices; the only file that names pmap.

Members are mapped by vmap on each device, and the devices by pmap: either each
has its own members ('members': no communication), or all have every member and
share each batch ('batch': sums go over the axis `step.BATCH_AXIS`).
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from empathy.training import step

MODES = ('members', 'batch')

# On a CPU, this many members at a time stay in a core's cache while they train;
# all in lockstep would stream every parameter from memory at every step.
_CPU_MEMBERS_AT_ONCE = 2
# Each device holds the corpus, so there is an end to making cores devices.
_MAX_CPU_DEVICES = 8


def use_cpu_cores() -> None:
  """Makes each core a device where there is no accelerator.

  To be called before JAX is used. A device count forced by `XLA_FLAGS` stays.
  """
  if 'host_platform_device_count' not in os.environ.get('XLA_FLAGS', ''):
    if hasattr(os, 'sched_getaffinity'):  # A container's share of the machine.
      cores = len(os.sched_getaffinity(0))
    else:
      cores = os.cpu_count() or 1
    jax.config.update('jax_num_cpu_devices', min(cores, _MAX_CPU_DEVICES))


@dataclasses.dataclass(frozen=True)
class Layout:
  """Devices, and what they divide among them.

  Attributes:
    mode: one of `MODES`.
    devices: those of this process.
  """

  mode: str
  devices: Sequence[jax.Device]

  @property
  def axis_name(self) -> str | None:
    """The axis over which a batch's sums go; None if members are divided."""
    return step.BATCH_AXIS if self.mode == 'batch' else None

  def chunks(
    self, num_members: int, members_per_device: int
  ) -> list[np.ndarray]:
    """Divides members into chunks of one size, which compile once.

    Args:
      num_members: in all.
      members_per_device: as many as a device takes at most.

    Returns:
      For each chunk the indices of its members; the last member is repeated
      where a chunk has to be filled up.
    """
    multiple = len(self.devices) if self.mode == 'members' else 1
    most = members_per_device
    if most > self._group_size:
      most -= most % self._group_size
    num_chunks = -(-num_members // (most * multiple))
    size = -(-num_members // num_chunks)
    if size > multiple:
      multiple *= self._group_size
    size = -(-size // multiple) * multiple
    return [
      np.minimum(np.arange(start, start + size), num_members - 1)
      for start in range(0, num_members, size)
    ]

  @property
  def _group_size(self) -> int:
    """Members are computed in groups of a multiple of this, in lockstep."""
    is_cpu = self.devices[0].platform == 'cpu'
    return _CPU_MEMBERS_AT_ONCE if is_cpu else 1

  def shard(self, tree: Any) -> Any:
    """Puts (members, ...) arrays on the devices as (devices, share, ...)."""
    count = len(self.devices)

    def split(x: np.ndarray) -> np.ndarray:
      if self.mode == 'batch':
        return np.broadcast_to(x, (count, *x.shape))
      return np.reshape(x, (count, -1, *x.shape[1:]))

    return _put(tuple(self.devices))(jax.tree.map(split, tree))

  def replicate(self, tree: Any) -> Any:
    """Puts a copy of each array on every device: (devices, ...)."""
    if not jax.tree.leaves(tree):
      return tree
    count = len(self.devices)
    copies = jax.tree.map(
      lambda x: np.broadcast_to(x, (count, *np.shape(x))), tree
    )
    return _put(tuple(self.devices))(copies)

  def gather(self, tree: Any) -> Any:
    """Fetches what `shard` or `map` gave, as NumPy (members, ...)."""

    def join(x: jax.Array) -> np.ndarray:
      x = np.asarray(x)
      return x[0] if self.mode == 'batch' else x.reshape(-1, *x.shape[2:])

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
      mapped = jax.vmap(functools.partial(function, *args[:num_shared]))
      own = self._groups(args[num_shared:])
      if own is None:
        return mapped(*args[num_shared:])
      return _ungroup(lax.map(lambda group: mapped(*group), own))

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
      mapped = jax.vmap(functools.partial(function, *args[:num_shared]))
      groups = self._groups(args[num_shared:])
      if groups is None:
        return mapped(*args[num_shared:])
      own, state = groups

      # A state that is carried is changed in place; one that is mapped over
      # would be written to fresh memory in every epoch.
      def body(state, at):
        index, member = at
        old = jax.tree.map(lambda x: x[index], state)
        new, result = mapped(member, old)
        return jax.tree.map(lambda x, y: x.at[index].set(y), state, new), result

      numbers = jnp.arange(jax.tree.leaves(own)[0].shape[0])
      return _ungroup(lax.scan(body, state, (numbers, own)))

    return self._pmap(on_device, donate=[num_shared + 1])

  def _pmap(self, on_device: Callable, donate: Sequence[int] = ()) -> Callable:
    return jax.pmap(
      on_device,
      axis_name=step.BATCH_AXIS,
      devices=self.devices,
      donate_argnums=tuple(donate),
    )

  def _groups(self, own: Any) -> Any:
    """Splits (members, ...) to (groups, size, ...); None if it is one group."""
    size, share = self._group_size, jax.tree.leaves(own)[0].shape[0]
    if size == 1 or share <= size or share % size:
      return None
    return jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), own)


def spread(function: Callable, constants: Any) -> Callable:
  """Compiles `function(constants, batch)` for all devices of this process.

  Args:
    function: of arrays on one device; each row of its result depends on that
      row of the batch alone.
    constants: arrays that every row needs; each device gets a copy.

  Returns:
    A function of a batch, (B, ...) NumPy arrays, to (B, ...) NumPy; B must be a
    multiple of its attribute `num_devices`. Each shape compiles once.
  """
  layout = Layout('members', jax.local_devices())
  held = layout.replicate(constants)
  mapped = jax.pmap(function, devices=layout.devices)

  def run(batch: Any) -> Any:
    return layout.gather(mapped(held, layout.shard(batch)))

  run.num_devices = len(layout.devices)
  return run


def _ungroup(tree: Any) -> Any:
  return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)


@functools.lru_cache
def _put(devices: tuple[jax.Device, ...]) -> Callable:
  """Places (devices, ...) arrays; kept, so that each shape compiles once."""
  return jax.pmap(lambda x: x, devices=devices)
