"""Which rows go through a network together."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

Array = jax.Array

# Rows that a forward pass takes at a time where nothing is learned, if they are
# pooled; see `eval_rows`.
EVAL_ROWS = 256


def eval_rows(max_length: Mapping[str, int], num_learned: int) -> int:
  """Rows that a forward pass can take at a time where nothing is learned.

  In lockstep a device holds their steps of all members at once. So they are no
  more than in so many pooled rows, or than a step of the optimizer takes, which
  needs the gradients' room too.

  Args:
    max_length: steps of the longest sequence by modality.
    num_learned: rows of a step of the optimizer, on a device.
  """
  longest = max(max_length.values(), default=1)
  return min(max(EVAL_ROWS // longest, num_learned, 1), EVAL_ROWS)


def blocks(rows: Array, most: int) -> Array:
  """Rows as they go through a forward pass, padded: (blocks, size).

  Args:
    rows: (R,) int.
    most: the size at most.
  """
  count = -(-rows.shape[0] // most)
  size = -(-rows.shape[0] // count)
  padded = jnp.pad(rows, (0, count * size - rows.shape[0]))
  return padded.reshape(count, size)


def shuffled(key: Array, rows: Array, num: Array, size: int) -> Array:
  """Rows in a random order, padded: (size,).

  Args:
    key: of the order.
    rows: (R,) int, then padding, which stays behind.
    num: () int, those that are no padding.
    size: R or more.
  """
  draws = jax.random.uniform(key, rows.shape)
  draws = jnp.where(jnp.arange(rows.shape[0]) < num, draws, 2.0)
  return jnp.pad(rows[jnp.argsort(draws)], (0, size - rows.shape[0]))


def joined(
  rows: Array, num: Array, more: Array, num_more: Array
) -> tuple[Array, Array]:
  """Rows with further ones, padding at the end, and how many are none.

  Args:
    rows: (R,) int, then padding.
    num: () int, those that are no padding.
    more: (S,) int, likewise.
    num_more: () int; 0 leaves room for them alone.
  """
  both = jnp.concatenate([rows, more])
  at = jnp.arange(both.shape[0])
  first = rows.shape[0]
  own = (at < num) | ((at >= first) & (at < first + num_more))
  return both[jnp.argsort(~own)], own.sum(dtype=jnp.int32)
