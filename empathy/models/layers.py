"""Layers that know which rows of a batch are real and which are elsewhere.

A batch may end in padding, may lack a modality for some clips, and may be one
device's share of a larger one. Normalisation therefore counts rows by a mask
and over the devices of `axis_name`, and random bits are drawn for the global
batch, so that a result does not depend on how the batch was laid out.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from empathy import kinds

Array = jax.Array
# A number of units; a config that has another one is refused.
Size = kinds.Count
# Of BatchNorm: the weight of old running statistics, and what variances get.
_MOMENTUM, _EPSILON = 0.9, 1e-5


def _uniform_fan_in(fan_in: int) -> Callable[..., Array]:
  bound = fan_in**-0.5

  def init(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


class Dense(nn.Module):
  """An affine map with PyTorch's default initialisation.

  Weights and biases are uniform in +-1/sqrt(fan-in).
  """

  features: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (..., D) to (..., features).

    Weights are (features, D), as in PyTorch: their gradient, a product over the
    batch, then has the rows of both factors in a row of memory.
    """
    init = _uniform_fan_in(x.shape[-1])
    # Drawn as (D, features), as results that are published were.
    weight = self.param(
      'weight', lambda key: init(key, (x.shape[-1], self.features)).T
    )
    bias = self.param('bias', init, (self.features,))
    return x @ weight.T + bias


class BatchNorm(nn.Module):
  """Batch normalisation (arXiv 1502.03167) over the real rows alone.

  Attributes:
    axis_name: the devices that share the batch, if they do.
  """

  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: Array, rows: Array, train: bool) -> Array:
    """Normalises each feature.

    Args:
      x: (B, D).
      rows: (B,) bool, the rows that count.
      train: use, and track, the statistics of this batch.

    Returns:
      (B, D).
    """
    width = x.shape[-1]
    scale = self.param('scale', nn.initializers.ones, (width,))
    bias = self.param('bias', nn.initializers.zeros, (width,))
    running_mean = self.variable('batch_stats', 'mean', jnp.zeros, (width,))
    running_var = self.variable('batch_stats', 'var', jnp.ones, (width,))
    if not train:
      mean, var = running_mean.value, running_var.value
    else:
      weights = rows.astype(x.dtype)[:, None]
      count = self._total(weights.sum())
      mean = self._total((weights * x).sum(axis=0)) / jnp.maximum(count, 1)
      squares = (weights * (x - mean) ** 2).sum(axis=0)
      var = self._total(squares) / jnp.maximum(count, 1)
      if not self.is_initializing():
        keep = jnp.where(count > 0, _MOMENTUM, 1.0)
        running_mean.value = keep * running_mean.value + (1 - keep) * mean
        running_var.value = keep * running_var.value + (1 - keep) * var
    return (x - mean) * (lax.rsqrt(var + _EPSILON) * scale) + bias

  def _total(self, x: Array) -> Array:
    if self.axis_name is None or self.is_initializing():
      return x
    return lax.psum(x, self.axis_name)


class Dropout(nn.Module):
  """Dropout (Srivastava et al. 2014), with bits drawn for the global batch.

  Attributes:
    rate: probability of a zero; a traced () float32 in a sweep.
    rescale: divide what is kept by 1 - rate, as is usual.
    axis_name: the devices that share the batch, if they do.
  """

  rate: float | Array
  rescale: bool = True
  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    """Zeroes entries of (B, ...) at random while training."""
    is_swept = isinstance(self.rate, Array)
    if not train or (not is_swept and self.rate == 0.0):
      return x
    key = self.make_rng('dropout')
    shape = x.shape
    if self.axis_name is None or self.is_initializing():
      bits = _bits16(key, shape)
    else:
      size = lax.axis_size(self.axis_name)
      bits = _bits16(key, (size * shape[0], *shape[1:]))
      start = lax.axis_index(self.axis_name) * shape[0]
      bits = lax.dynamic_slice_in_dim(bits, start, shape[0])
    kept = bits >= jnp.round(self.rate * 2**16).astype(bits.dtype)
    if self.rescale:
      # A division by a constant is compiled to a product, another is not.
      x = x * (1 / (1 - self.rate)) if is_swept else x / (1 - self.rate)
    return jnp.where(kept, x, 0)


def _bits16(key: Array, shape: tuple[int, ...]) -> Array:
  """Uniform uint16; two from each 32-bit draw, since draws are not free."""
  size = math.prod(shape)
  words = jax.random.bits(key, ((size + 1) // 2,), jnp.uint32)
  return (
    lax.bitcast_convert_type(words, jnp.uint16)
    .reshape(-1)[:size]
    .reshape(shape)
  )
