"""Which members train together: in chunks, each with one network.

A member of fewer modalities can be trained by a network of these alone, which
has less to compute, and one more network to compile. What it learns has the
names, the shapes and the random draws of the whole network's: it is the same
member. Members of one network are a group, whose chunks are of one size, so
that its programs are compiled once.
"""

import collections
import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from empathy.corpora import corpus as corpora
from empathy.training import members, parallel, step

# In operations of a device while another network is compiled: on a core, three
# seconds at some 80 GFLOP/s, as they are counted here (benchmarks/training.py;
# other fusions were not timed); on accelerators, which were not timed either,
# by what they should reach.
_COMPILING = {'cpu': 2e11}
_COMPILING_ELSEWHERE = 1e14
# Of so few clips, those of all members and epochs on a device, no network
# would be worth it; to find out would take longer than some tests.
_FEW_CLIPS = 10_000


@dataclasses.dataclass(frozen=True)
class Group:
  """Views whose members have one network.

  Attributes:
    network: the modalities that it knows, as a view's name.
    views: by name.
    size: members in each chunk but the last.
  """

  network: str
  views: tuple[str, ...]
  size: int

  def program(self, whole: step.Program) -> step.Program:
    """What its members share, by what all members do."""
    view = tuple(self.network.split('+'))
    return whole if view == whole.modalities else whole.narrowed(view)


@dataclasses.dataclass(frozen=True)
class Chunk:
  """Members that train at the same time.

  Attributes:
    program: what they share.
    rows: (members,) int, which of all members they are.
    names: theirs.
    size: members that the compiled program takes; to be filled up.
  """

  program: step.Program
  rows: np.ndarray
  names: tuple[members.Name, ...]
  size: int

  def of(self, everyone: Any) -> Any:
    """What these members have of (members, ...) arrays."""
    return jax.tree.map(lambda x: x[self.rows], everyone)


def groups(
  program: step.Program,
  layout: parallel.Layout,
  data: step.Data,
  names: Sequence[members.Name],
  everyone: step.Member,
  members_per_device: int,
) -> list[Group]:
  """Divides views among networks, so that devices are done the soonest.

  Args:
    program: what all members share.
    layout: of the members on the devices.
    data: the corpus.
    names: of all members.
    everyone: all members.
    members_per_device: as many as a device takes at most.
  """
  counts = collections.Counter(name.view for name in names)
  narrow = _narrow(program, layout, data, counts, everyone)
  full = corpora.view_name(program.modalities)
  found: dict[str, list[str]] = {}
  for view in counts:
    found.setdefault(view if view in narrow else full, []).append(view)
  result = []
  for network, views in found.items():
    count = sum(counts[view] for view in views)
    most = members_per_device
    if layout.mode == 'members':
      most *= len(layout.devices)
    num_chunks = -(-count // most)
    size = min(layout.num_slots(-(-count // num_chunks)), count)
    result.append(Group(network, tuple(views), size))
  return result


def divided(
  groups_: Iterable[Group],
  program: step.Program,
  names: Sequence[members.Name],
) -> list[Chunk]:
  """The chunks of groups, one group after another.

  Args:
    groups_: which have each view once.
    program: what all members share.
    names: of all members.
  """
  result = []
  for group in groups_:
    own = group.program(program)
    rows = [at for at, name in enumerate(names) if name.view in group.views]
    for start in range(0, len(rows), group.size):
      chosen = rows[start : start + group.size]
      chosen_names = tuple(names[row] for row in chosen)
      result.append(Chunk(own, np.array(chosen), chosen_names, group.size))
  return result


def as_entries(groups_: Iterable[Group]) -> list[dict[str, Any]]:
  """Groups for JSON."""
  return [dataclasses.asdict(group) for group in groups_]


def from_entries(entries: Iterable[Mapping[str, Any]]) -> list[Group]:
  """The groups of such entries."""
  return [
    Group(found['network'], tuple(found['views']), found['size'])
    for found in entries
  ]


def forward_flops(
  program: step.Program, data: step.Data, members_: step.Member
) -> float:
  """Floating-point operations of a forward pass, a clip, by XLA's count.

  Args:
    program: what members share.
    data: the corpus.
    members_: some, of whom shapes alone count.
  """
  one = jax.tree.map(lambda x: x[0], members_)
  state = jax.eval_shape(functools.partial(step.init, program), data, one)
  rows = np.zeros(program.eval_rows, np.int32)
  function = functools.partial(step.predict, program)
  cost = (
    jax.jit(function)
    .lower(data, one.view, rows, one, state.params, state.batch_stats)
    .cost_analysis()
  )
  return float(cost['flops']) / len(rows)


def _narrow(
  program: step.Program,
  layout: parallel.Layout,
  data: step.Data,
  counts: Mapping[str, int],
  everyone: step.Member,
) -> list[str]:
  """The views, of so many members each, that shall have their own network."""
  clips = everyone.train_rows.shape[1] * program.recipe.total_epochs
  steps = max(program.max_length.values(), default=1)
  share = sum(counts.values()) / len(layout.devices)
  if share * clips * steps < _FEW_CLIPS:
    return []
  own = {}
  for view in counts:
    modalities = tuple(view.split('+'))
    if modalities != program.modalities and program.network.narrowed(
      modalities
    ):
      own[view] = forward_flops(program.narrowed(modalities), data, everyone)
  if not own:
    return []
  whole = forward_flops(program, data, everyone)
  platform = layout.devices[0].platform
  compiling = _COMPILING.get(platform, _COMPILING_ELSEWHERE)

  def cost(narrow: Sequence[str]) -> float:
    """Operations of the device that has most, those while it compiles too."""
    parts = [(counts[view], own[view]) for view in narrow]
    rest = sum(counts[view] for view in counts if view not in narrow)
    parts += [(rest, whole)] if rest else []
    return sum(
      # There and back again.
      3 * flops * clips * layout.num_slots(count) / len(layout.devices)
      + compiling
      for count, flops in parts
    )

  narrow = list(own)
  for view in own:
    # Devices that a few members would leave idle take them beside others.
    fewer = [other for other in narrow if other != view]
    if cost(fewer) <= cost(narrow):
      narrow = fewer
  return narrow
