"""How parameters follow their gradients.

An optimizer of a config is a function of `learning_rate`, a schedule, and of
options, that gives an `optax.GradientTransformation`. If it has arguments
`l2` or `num_steps`, it is given the weight of L2 and the number of a member's
steps; where it does not take `l2`, L2 is added to the gradient before it.

Members with fewer steps than others rest in some: their update takes `active`,
() bool, and without it changes nothing. One that knows of that itself is a
`Resting`; others are left out in those steps.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from empathy import errors, named
from empathy.training import schedules

Array = jax.Array


class Resting(optax.GradientTransformationExtraArgs):
  """An optimizer whose update takes `active`, () bool."""


def one_cycle_adam(
  learning_rate: schedules.Schedule,
  l2: float | Array,
  num_steps: Array,
  beta1: tuple[float, float] = (0.95, 0.85),
  beta2: float = 0.999,
  epsilon: float = 1e-8,
) -> Resting:
  """Adam (arXiv 1412.6980) with L2, whose beta1 goes against the one cycle.

  Bias is corrected by the beta1 of the step, as PyTorch does. Every array is
  read and written once a step.

  Args:
    learning_rate: of the count of steps.
    l2: times the parameters, added to the gradient.
    num_steps: () int, of the cycle.
    beta1: of the running mean, at both ends of the cycle and where it turns.
    beta2: of the running mean of squares.
    epsilon: added to its root.
  """
  cycle = schedules.cycle(num_steps, beta1[0], beta1[1], beta1[0])

  def init(params):
    zeros = jax.tree.map(jnp.zeros_like, params)
    copy = jax.tree.map(jnp.copy, zeros)
    return optax.ScaleByAdamState(jnp.int32(0), zeros, copy)

  def update(gradients, state, params, *, active=True, **extra):
    del extra
    rate, now = learning_rate(state.count), cycle(state.count)
    count = state.count + active
    mean_scale = -rate / (1 - now**count)
    square_scale = 1 / (1 - beta2**count)

    def moments(m, v, g, p):
      mean = now * m + (1 - now) * g + (1 - now) * l2 * p
      square = beta2 * v + (1 - beta2) * (g + l2 * p) ** 2
      return jnp.where(active, mean, m), jnp.where(active, square, v)

    def one(p, m, v, g):
      mean, square = moments(m, v, g, p)
      change = mean_scale * mean / (jnp.sqrt(square_scale * square) + epsilon)
      again = m, v, g, p
      if jax.default_backend() == 'cpu':
        # Computed once more: of results that need none of each other, XLA for
        # CPUs makes one loop; elsewhere it does so anyway.
        again = lax.optimization_barrier(again)
      return jnp.where(active, change, 0.0), *moments(*again)

    found = jax.tree.map(one, params, state.mu, state.nu, gradients)
    changes, mean, square = jax.tree.transpose(
      jax.tree.structure(params), jax.tree.structure((0, 0, 0)), found
    )
    return changes, optax.ScaleByAdamState(count, mean, square)

  return Resting(init, update)


_WHAT = 'config.optimizer'
OPTIMIZERS = {'one_cycle_adam': one_cycle_adam, 'adamw': optax.adamw}


def find(text: str) -> Callable[..., optax.GradientTransformation]:
  """The optimizer that a config names; see `named`.

  Raises:
    InputError: there is no such optimizer, or it needs what it is not given.
  """
  function = named.resolve(text, OPTIMIZERS, _WHAT)
  with named.blaming(_WHAT, text):  # Some do not say what they take.
    given = _given(function, 0.0, 0)
  named.check_takes(function, ['learning_rate'], given, _WHAT, text)
  return function


def _given(
  function: Callable, l2: float | Array, num_steps: Array
) -> dict[str, Any]:
  """What an optimizer gets besides the rate, of that which it takes."""
  bound = getattr(function, 'keywords', {})
  taken = inspect.signature(function).parameters
  given = {'l2': l2, 'num_steps': num_steps}
  return {k: v for k, v in given.items() if k in taken and k not in bound}


def make(
  text: str,
  learning_rate: schedules.Schedule,
  l2: float | Array,
  num_steps: Array,
) -> optax.GradientTransformationExtraArgs:
  """A member's optimizer.

  Args:
    text: as in the config.
    learning_rate: of the count of steps.
    l2: times the parameters, added to the gradient.
    num_steps: () int, of the member.

  Raises:
    InputError: it fails, or gives no optimizer.
  """
  function = find(text)
  with named.blaming(_WHAT, text):
    found = function(learning_rate, **_given(function, l2, num_steps))
  if not isinstance(found, optax.GradientTransformation):
    raise errors.InputError(
      f'{_WHAT}: {text} gives a {type(found).__name__}; expected an '
      'optax.GradientTransformation'
    )
  found = _checked(found, text)
  if 'l2' not in inspect.signature(function).parameters:
    found = optax.chain(optax.add_decayed_weights(l2), found)
  if isinstance(found, Resting):
    return found
  return optax.conditionally_mask(
    found, lambda step, active: active, forward_extra_args=True
  )


def _checked(
  optimizer: optax.GradientTransformation, text: str
) -> optax.GradientTransformation:
  """The same, but it says whose it is where its results do not fit."""
  inner = optax.with_extra_args_support(optimizer)

  def update(gradients, state, params=None, **extra):
    changes, new = inner.update(gradients, state, params, **extra)
    for found, like, name in (
      (changes, gradients, 'changes'),
      (new, state, 'state'),
    ):
      if _shapes(found) != _shapes(like):
        raise errors.InputError(
          f'{_WHAT}: the {name} that {text} gives differ in shapes from those '
          'that it got'
        )
    return changes, new

  return type(inner)(
    named.blamed(inner.init, _WHAT, text), named.blamed(update, _WHAT, text)
  )


def _shapes(tree: Any) -> tuple[Any, list[tuple[int, ...]]]:
  leaves, structure = jax.tree.flatten(tree)
  return structure, [jnp.shape(leaf) for leaf in leaves]
