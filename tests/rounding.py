"""How far float32 may be from the truth, whatever machine computes.

Processors, compilers and numbers of threads sum in different orders, and each
is right. What all of them stay within does not follow from any of them, but
from float32 and from what is computed:

A computed result is the exact result of arguments that are off a little
(Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 1): by
multiples of float32's unit roundoff `UNIT`. How much the result makes of that
is its condition, and that can be measured: move every number of the arguments
at random, by far more than they are rounded by, and see how far the result
goes. It counts the size of the states, the depth of a network, and what a
normalisation that has little to divide by makes of both.

`FACTOR` says how many units the arguments may be off. A product with a weight
is rounded once, but so is each partial sum it is added to: of n products in
whatever order that is at most as if the weights were off by sqrt(n / 2) units,
8 for the widest sums of the tests, of about a hundred. Functions such as exp,
tanh and erf are off by about 4 units each, but only what they give. The largest
error of 10,000 is four standard deviations. Together 32. Measured, the largest
error of all states of all golden encoders was 12.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

UNIT = 2.0**-24
FACTOR = 32
_NUM_DRAWS = 4


def bounds(function: Callable[..., Any], *arguments: Any) -> Any:
  """How far float32 results of a function may be from the exact ones.

  Two float32 computations of it may differ by as much, too: their errors are as
  likely to cancel as to add up.

  Args:
    function: of trees of arrays, to a tree of arrays.
    *arguments: where to evaluate; their float32 arrays are moved.

  Returns:
    Like the result, float64. All of the last axis have one bound, by the root
    mean square: a number that happened not to move is no better than others.
  """
  # So little that a function is nearly linear there, and so much that its own
  # rounding does not count.
  step = 2.0**-12
  draw = np.random.default_rng(0)
  here = function(*arguments)
  there = [function(*_moved(arguments, step, draw)) for _ in range(_NUM_DRAWS)]

  def bound(x, *others):
    x, others = np.float64(x), np.float64(others)
    square = np.square((others - x) / step).mean(axis=0)
    if square.ndim:
      square = np.broadcast_to(square.mean(-1, keepdims=True), square.shape)
    # What is computed is itself rounded.
    return UNIT * (FACTOR * np.sqrt(square) + 4 * np.abs(x))

  return jax.tree.map(bound, here, *there)


def of_encoder(encoder: Any, **arrays: np.ndarray) -> float:
  """How far any hidden state of an encoder may be from the exact one."""

  def states(params, arrays):
    output = dataclasses.replace(encoder, params=params)(**arrays)
    return *output.hidden_states, output.last_hidden_state

  return max(float(x.max()) for x in bounds(states, encoder.params, arrays))


def of_gradients(function: Callable[..., Any], *arguments: Any) -> Any:
  """How far gradients in float32 may be from the exact ones.

  A gradient is a sum over positions, which may cancel, as that of a key's bias
  does to nothing: its terms are as large as the largest gradients are.

  Args:
    function: of trees of arrays, to a tree of gradients.
    *arguments: where to evaluate; their float32 arrays are moved.

  Returns:
    Like the result, float64.
  """
  largest = max(
    float(np.abs(x).max(initial=0))
    for x in jax.tree.leaves(function(*arguments))
  )
  return jax.tree.map(
    lambda x: x + FACTOR * UNIT * largest, bounds(function, *arguments)
  )


def trained(function: Callable[..., Any], *arguments: Any, rate: float) -> Any:
  """How far parameters that Adam trained in float32 may be from the exact ones.

  Adam divides a gradient by its size, which is not linear near zero: where a
  gradient is nothing but rounding, the first step goes either way. For all else
  the arguments are moved by few units, as if rounding had, and any number of
  the result may go four times as far as the one that went farthest.

  Args:
    function: of trees of arrays; trains, and returns a tree of arrays.
    *arguments: where to evaluate; their float32 arrays are moved.
    rate: the learning rate of the first step.

  Returns:
    Like the result, float64, everywhere the same.
  """
  draw = np.random.default_rng(0)
  here = function(*arguments)
  farthest = max(
    float(np.abs(np.float64(x) - np.float64(y)).max(initial=0))
    for _ in range(_NUM_DRAWS)
    for x, y in zip(
      jax.tree.leaves(function(*_moved(arguments, FACTOR * UNIT, draw))),
      jax.tree.leaves(here),
      strict=True,
    )
  )
  bound = 2 * rate + 4 * farthest
  return jax.tree.map(lambda x: np.full(np.shape(x), bound), here)


def _moved(tree: Any, step: float, draw: np.random.Generator) -> Any:
  """The tree with its float32 arrays moved at random, relatively."""

  def moved(x):
    if getattr(x, 'dtype', None) != np.float32:
      return x
    by = draw.uniform(-step, step, x.shape)
    return (np.float64(x) * (1 + by)).astype(np.float32)

  return jax.tree.map(moved, tree)


def excess(found: Any, wanted: Any, bound: Any) -> float:
  """The largest difference in units of its bound: at most 1 is near.

  Args:
    found: a tree of arrays.
    wanted: a tree of arrays of the same shapes.
    bound: of the same shapes, as of `bounds`.

  Returns:
    0 where all are equal; infinite where any difference is not a number.
  """

  def worst(x, y, most):
    off = np.abs(np.float64(x) - np.float64(y))
    assert off.shape == np.shape(most), (off.shape, np.shape(most))
    with np.errstate(divide='ignore', invalid='ignore'):
      ratio = np.where(off == 0, 0, off / most)
    return float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0))

  return max(jax.tree.leaves(jax.tree.map(worst, found, wanted, bound)))


def near(found: Any, wanted: Any, terms: int, scale: float = 0) -> None:
  """Asserts that two results of a short sum in float32 are equal.

  Args:
    found: an array.
    wanted: an array of the same shape; perhaps in float32, too.
    terms: how many roundings, one after another, lead to a number: of a sum of
      n products n + 1.
    scale: the size of the largest number on the way, if that is larger than
      what is wanted.
  """
  scale = max(scale, float(np.abs(wanted).max(initial=0)))
  np.testing.assert_allclose(
    found, wanted, rtol=0, atol=2 * terms * UNIT * scale
  )
