"""How the learning rate goes over a member's steps.

A schedule of a config is a function of the highest rate, `peak`, and of the
number of a member's steps, `num_steps`, and of options; it gives a function of
the count of steps, from 0, as those of optax are. Both may be traced: members
have steps of their own, and the peak may be swept.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from empathy import errors, named

Array = jax.Array
Schedule = Callable[[Array], Array]

# What schedules call the two; optax' own have further names for them.
_PEAKS = ('peak', 'peak_value', 'init_value', 'value')
_STEPS = ('num_steps', 'decay_steps', 'transition_steps')


def one_cycle(
  peak: float | Array, num_steps: Array, first: float = 25, last: float = 25e4
) -> Schedule:
  """The one-cycle schedule (arXiv 1708.07120), with PyTorch's defaults.

  By cosines up to the peak in the first 30 % of the steps, and down; from a
  share of 1/`first` of it to one of 1/`last`.
  """
  return cycle(num_steps, peak / first, peak, peak / last)


def cycle(
  num_steps: Array, first: float | Array, turn: float | Array, last: float
) -> Schedule:
  """From one value by cosines to a second, after 30 % of steps, and a third."""

  def at(count: Array) -> Array:
    total = jnp.asarray(num_steps, jnp.float32)
    middle, end = 0.3 * total - 1.0, total - 1.0
    up = count / jnp.where(middle > 0, middle, 1.0)
    down = (count - middle) / jnp.maximum(end - middle, 1e-6)
    return jnp.where(
      count <= middle, _cosine(first, turn, up), _cosine(turn, last, down)
    )

  return at


def _cosine(start: Array, end: Array, share: Array) -> Array:
  return end + (start - end) / 2 * (1 + jnp.cos(math.pi * share))


def warmup_cosine(
  peak: float | Array, num_steps: Array, warmup: float = 0.1, last: float = 0.0
) -> Schedule:
  """Up in a line, then down by a cosine.

  Args:
    peak: the highest rate.
    num_steps: () int.
    warmup: the share of the steps that lead up to it.
    last: the share of the peak that is left in the end.
  """

  def at(count: Array) -> Array:
    rising = warmup * jnp.asarray(num_steps, jnp.float32)
    up = peak * (count + 1) / jnp.maximum(rising, 1.0)
    share = (count - rising) / jnp.maximum(num_steps - rising, 1.0)
    down = _cosine(peak, last * peak, jnp.clip(share, 0.0, 1.0))
    return jnp.where(count < jnp.floor(rising), up, down)

  return at


SCHEDULES = {
  'one_cycle': one_cycle,
  'constant': optax.constant_schedule,
  'cosine': optax.cosine_decay_schedule,
  'linear': functools.partial(optax.linear_schedule, end_value=0.0),
  'warmup_cosine': warmup_cosine,
}


def find(text: str, what: str = 'config.schedule') -> Callable[..., Schedule]:
  """The schedule that a config names; see `named`.

  Raises:
    InputError: there is no such schedule, or it needs what it is not given.
  """
  function = named.resolve(text, SCHEDULES, what)
  with named.blaming(what, text):  # Some do not say what they take.
    given = _given(function, 0, 0, 0)
  named.check_takes(function, (), given, what, text)
  return function


def _given(
  function: Callable, peak: float | Array, num_steps: Array, most: int
) -> dict[str, Any]:
  """The arguments that a schedule gets, of those of `make`."""
  bound = getattr(function, 'keywords', {})
  free = [x for x in inspect.signature(function).parameters if x not in bound]
  given = {name: peak for name in _PEAKS if name in free}
  given = dict([*given.items()][:1])
  if 'num_steps' in free:
    return given | {'num_steps': num_steps}
  return given | {name: most for name in _STEPS if name in free}


def make(
  text: str,
  peak: float | Array,
  num_steps: Array,
  most: int,
  what: str = 'config.schedule',
) -> Schedule:
  """A member's schedule.

  Those of optax want to know the number of steps beforehand: they get the most
  that any member has, and a member with fewer goes through them faster.

  Args:
    text: as in the config.
    peak: the highest rate.
    num_steps: () int, of the member.
    most: of any member.
    what: the field.

  Raises:
    InputError: it fails, or gives no rates.
  """
  function = find(text, what)
  given = _given(function, peak, num_steps, most)
  with named.blaming(what, text):
    schedule = function(**given)
  if not callable(schedule):
    raise errors.InputError(
      f'{what}: {text} gives a {type(schedule).__name__}; expected a function '
      'of the count of steps'
    )

  def rate(count: Array) -> Array:
    at = count if 'num_steps' in given else count * (most / num_steps)
    found = jnp.asarray(schedule(at))
    if found.shape != jnp.shape(count):
      raise errors.InputError(
        f'{what}: the rate of {text} is of the shape {found.shape}; expected '
        'one number'
      )
    return found

  return named.blamed(rate, what, text)
