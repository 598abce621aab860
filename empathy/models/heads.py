"""What fusions are made of, from features to logits, and what they return."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from empathy.models import layers

Array = jax.Array
_LAYERS_RATE = 30.0


class Output(NamedTuple):
  """What a fusion returns.

  Attributes:
    logits: (B, C).
    gates: (B, M), not negative, how far each modality is let through; or None.
    attention: (B, M), a distribution over the modalities present; or None.
    alone: (B, P, C), logits of what each part says alone, first the M
      modalities, which the auxiliary loss and the calibration need; or None.
    layers: by modality whose layers are mixed, (B, L), how much each counts: a
      distribution, or zeros where a clip lacks the modality; or None. It is the
      network that says so, and not the fusion.
  """

  logits: Array
  gates: Array | None = None
  attention: Array | None = None
  alone: Array | None = None
  layers: Mapping[str, Array] | None = None


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


class LayerMix(nn.Module):
  """A mean of an encoder's layers, whose weights are learned (2105.01051).

  x = sum_l w_l x_l, w = softmax(RATE a), the same for all clips; a is 0 at
  first. RATE is no more than how fast a learns: Adam moves a parameter by the
  learning rate a step, whatever its gradient, and members take some hundred
  steps where those of SUPERB take 100,000.

  Attributes:
    normalise: whether a clip's state of each layer is brought to mean 0 and
      deviation 1 before, as the toolkit of SUPERB does on request.
  """

  normalise: bool = False

  def __call__(self, x: Array, steps: Array) -> Array:
    """Mixes (B, L, D), of clips whose `steps` (B, L) are true; else zeros."""
    weights = self.weights(steps)
    if self.normalise:
      x = x - x.mean(axis=-1, keepdims=True)
      x = x * lax.rsqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
    # Added, not multiplied: a product of matrices may be of fewer bits.
    return (weights[..., None] * x).sum(axis=1)

  @nn.compact
  def weights(self, steps: Array) -> Array:
    """How much each layer counts: (B, L); zeros where a clip has none."""
    scores = self.param('scores', nn.initializers.zeros, steps.shape[1:])
    return masked_softmax(
      jnp.broadcast_to(_LAYERS_RATE * scores, steps.shape), steps
    )


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
  'layers': LayerMix,
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
