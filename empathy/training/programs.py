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
    # By the modalities that a network knows.
    self._begin: dict[tuple | None, tuple[Any, Callable]] = {}
    self._epochs: dict[tuple | None, Callable] = {}
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
    if program.computed not in self._begin:
      draw = functools.partial(step.draw, program)
      like = jax.eval_shape(self._layout.map(draw, num_shared=1), data, members)
      # In lockstep: there is nothing to compute, and a loop compiles longer.
      begin = jax.vmap(functools.partial(step.begin, program))
      self._begin[program.computed] = like, self._layout.over_batch(begin)
    like, begin = self._begin[program.computed]
    return begin(members, *step.part(self._draw(data, members), like))

  def train_epoch(
    self,
    program: step.Program,
    data: step.Data,
    members: step.Member,
    state: step.State,
  ) -> Callable[..., tuple[step.State, dict[str, jax.Array]]]:
    """`step.train_epoch` of members, compiled.

    Args:
      program: theirs; those of one network are always as many.
      data: the corpus, as `replicate` gives it.
      members: as `shard` gives them.
      state: theirs, or its shapes.

    Returns:
      A function of the epoch, as `replicate` gives it, and the state, whose
      memory is used again.
    """
    parts = *program.seen(data, members), state
    structures = [jax.tree.structure(x) for x in parts]
    shared, own, leaves = map(jax.tree.leaves, parts)

    # Of lists, which do not name modalities.
    def run(*given):
      shared, epoch, own, state = given
      trees = map(jax.tree.unflatten, structures, (shared, own, state))
      shared, own, state = trees
      state, found = step.train_epoch(program, shared, epoch, own, state)
      return jax.tree.leaves(state), found

    if program.computed not in self._epochs:
      epoch = self._layout.like(jax.ShapeDtypeStruct((), 'int32'))
      lowered = self._layout.update(run, num_shared=2).lower(
        shared, epoch, own, leaves
      )
      # What was compiled of the same operations is taken again.
      text = lowered.as_text()
      if text not in self._compiled:
        self._compiled[text] = lowered.compile()
      self._epochs[program.computed] = self._compiled[text]
    compiled = self._epochs[program.computed]

    def train(epoch: jax.Array, state: step.State):
      new, found = compiled(shared, epoch, own, jax.tree.leaves(state))
      return jax.tree.unflatten(structures[-1], new), found

    return train
