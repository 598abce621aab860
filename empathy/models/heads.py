"""Heads: from the features of one modality to logits."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from empathy.models import layers

Array = jax.Array


class Linear(nn.Module):
  """Multinomial logistic regression on frozen features."""

  num_classes: int

  @nn.compact
  def __call__(self, x: Array, rows: Array, train: bool) -> Array:
    """Maps features (B, D) to logits (B, num_classes)."""
    del rows, train
    return layers.Dense(self.num_classes)(x)


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
