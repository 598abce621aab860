"""The programs that train a run's members, each compiled once.

Networks of several views are several programs. What they begin with is drawn
by the whole network for all of them, and those that differ in the names of
modalities alone are one program.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

from empathy.training import parallel, step


class Programs:
  """What is compiled for a layout."""

  def __init__(self, layout: parallel.Layout, whole: step.Program):
    """Compiles nothing yet.

    Args:
      layout: of the members on the devices.
      whole: what all members share.
    """
    self._layout = layout
    self._draw = layout.map(functools.partial(step.draw, whole), num_shared=1)
    self._compiled: dict[str, Callable] = {}

  def init(
    self, program: step.Program, data: step.Data, members: step.Member
  ) -> step.State:
    """`step.init` of members.

    Args:
      program: theirs.
      data: the corpus, as `replicate` gives it.
      members: as `shard` gives them.
    """
    draw = functools.partial(step.draw, program)
    like = jax.eval_shape(self._layout.map(draw, num_shared=1), data, members)
    drawn = step.part(self._draw(data, members), like)
    begin = functools.partial(step.begin, program)
    return self._once(self._layout.map(begin), members, *drawn)(members, *drawn)

  def train_epoch(
    self,
    program: step.Program,
    data: step.Data,
    members: step.Member,
    state: step.State,
  ) -> Callable[..., tuple[step.State, dict[str, jax.Array]]]:
    """`step.train_epoch` of members, compiled.

    Args:
      program: theirs.
      data: the corpus, as `replicate` gives it.
      members: as `shard` gives them.
      state: theirs, or its shapes.

    Returns:
      A function of the epoch, as `replicate` gives it, and the state, whose
      memory is used again.
    """
    shared, own = program.seen(data, members)
    structures = [jax.tree.structure(x) for x in (shared, own, state)]

    # Of lists, which do not name modalities.
    def run(shared, epoch, own, state):
      trees = map(jax.tree.unflatten, structures, (shared, own, state))
      shared, own, state = trees
      state, found = step.train_epoch(program, shared, epoch, own, state)
      return jax.tree.leaves(state), found

    shared, own = jax.tree.leaves(shared), jax.tree.leaves(own)
    epoch = self._layout.like(jax.ShapeDtypeStruct((), 'int32'))
    compiled = self._once(
      self._layout.update(run, num_shared=2),
      *(shared, epoch, own, jax.tree.leaves(state)),
    )

    def train(epoch: jax.Array, state: step.State):
      new, found = compiled(shared, epoch, own, jax.tree.leaves(state))
      return jax.tree.unflatten(structures[2], new), found

    return train

  def _once(self, function: Callable, *given: Any) -> Callable:
    """The function, compiled, or what was compiled of the same operations."""
    lowered = function.lower(*given)
    text = lowered.as_text()
    if text not in self._compiled:
      self._compiled[text] = lowered.compile()
    return self._compiled[text]
