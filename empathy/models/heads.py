"""What fusions are made of, from features to logits, and what they return."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from empathy.models import layers

Array = jax.Array


class Output(NamedTuple):
  """What a fusion returns.

  Attributes:
    logits: (B, C).
    gates: (B, M), not negative, how far each modality is let through; or None.
    attention: (B, M), a distribution over the modalities present; or None.
    alone: (B, P, C), logits of what each part says alone, first the M
      modalities, which the auxiliary loss and the calibration need; or None.
  """

  logits: Array
  gates: Array | None = None
  attention: Array | None = None
  alone: Array | None = None


class MLP(nn.Module):
  """Blocks of Dense, BatchNorm, ReLU and Dropout, then Dense.

  Attributes:
    num_classes: width of the output.
    hidden: width of each block.
    dropout: probability of dropping a hidden unit.
    axis_name: the devices that share the batch, if they do.
    batch_norm: whether blocks have BatchNorm.
  """

  num_classes: int
  hidden: tuple[int, ...] = (512, 512, 512)
  dropout: float = 0.3
  axis_name: str | None = None
  batch_norm: bool = True

  @nn.compact
  def __call__(self, x: Array, rows: Array, train: bool) -> Array:
    """Maps features to logits.

    Args:
      x: (B, D).
      rows: (B,) bool, the rows that count in BatchNorm.
      train: normalise by the batch, and drop.

    Returns:
      Logits, (B, num_classes).
    """
    for width in self.hidden:
      x = layers.Dense(width)(x)
      if self.batch_norm:
        x = layers.BatchNorm(axis_name=self.axis_name)(x, rows, train)
      x = nn.relu(x)
      x = layers.Dropout(self.dropout, axis_name=self.axis_name)(x, train)
    return layers.Dense(self.num_classes)(x)


class AttentionPooling(nn.Module):
  """A sequence's mean, weighted by a learned score (arXiv 1512.08756).

  score_t = a . tanh(V x_t + c); the weights are their softmax over the steps.

  Attributes:
    width: units of the score's hidden layer.
  """

  width: int = 128

  @nn.compact
  def __call__(self, x: Array, steps: Array) -> Array:
    """Pools over time.

    Args:
      x: (B, T, D).
      steps: (B, T) bool, the steps that exist.

    Returns:
      (B, D); zeros where no step exists.
    """
    hidden = jnp.tanh(layers.Dense(self.width)(x))
    query = self.param('query', nn.initializers.normal(1.0), (self.width,))
    weights = masked_softmax(hidden @ query, steps)
    return jnp.einsum('bt,btd->bd', weights, x)


def mean(x: Array, steps: Array) -> Array:
  """The mean over the steps there are, as `AttentionPooling` takes them."""
  count = jnp.maximum(steps.sum(axis=1, keepdims=True), 1)
  return jnp.where(steps[..., None], x, 0.0).sum(axis=1) / count


def most(x: Array, steps: Array) -> Array:
  """Each feature's maximum over the steps, likewise."""
  high = jnp.where(steps[..., None], x, -jnp.inf).max(axis=1)
  return jnp.where(steps.any(axis=1, keepdims=True), high, 0.0)


def first(x: Array, steps: Array) -> Array:
  """The first step, likewise."""
  return jnp.where(steps[:, :1], x[:, 0], 0.0)


def last(x: Array, steps: Array) -> Array:
  """The last step that there is, likewise."""
  at = jnp.maximum(steps.sum(axis=1) - 1, 0)
  x = jnp.take_along_axis(x, at[:, None, None], axis=1)[:, 0]
  return jnp.where(steps.any(axis=1, keepdims=True), x, 0.0)


# From (B, T, D) and (B, T) bool, the steps there are, to (B, D): functions, and
# classes of Flax modules, which learn.
POOLING = {
  'attention': AttentionPooling,
  'mean': mean,
  'max': most,
  'first': first,
  'last': last,
}


def masked_softmax(scores: Array, mask: Array) -> Array:
  """Softmax over the last axis where `mask`; zeros elsewhere.

  Args:
    scores: (..., M).
    mask: (..., M) bool; a row may be empty, which gives zeros.

  Returns:
    (..., M), differentiable also where rows are empty.
  """
  # Empty rows become finite first: a NaN would spoil the gradient of others.
  some = mask.any(axis=-1, keepdims=True)
  scores = jnp.where(mask | ~some, scores, -jnp.inf)
  return jnp.where(some, nn.softmax(scores, axis=-1), 0.0)
