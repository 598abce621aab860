"""Evidence that adds up, of sequences: what happens when, and together.

Pooled over time, modalities can tell no more than what each one showed
somewhere. Whether a smile came with the word or after it is in neither, and is
often what a label is about. Attention between all steps of all modalities can
learn it, but has to find out first which steps are at the same time, from few
clips; and it costs the product of the lengths.

Here modalities meet in few places, as in attention bottlenecks (Nagrani et al.
2021, arXiv 2107.00135); but the places lie along the clip, one after another,
and a step is read by the places that are near it. So what is at the same time
is in the same place from the beginning, and all costs are proportional to
lengths. Modalities may have different rates: all that is supposed is that the
steps of each are evenly spaced over the whole clip.

Levels and changes are told apart: the heads get the mean of a clip's steps,
which has much of who speaks, and the places what differs from it.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from empathy.models import evidence, heads, layers

Array = jax.Array


class TimedEvidence(evidence.GatedEvidence):
  """`GatedEvidence`, whose heads are also told what happens when.

  Each head sees the means of its modalities over time and, where one of them is
  a sequence, what a `Timeline` of them makes of it: a modality's head one of
  this modality alone, the joint head one of all together. Where all modalities
  are pooled already, this is `GatedEvidence` to the bit.

  Attributes:
    places: of each timeline.
    width: of what a place holds.
    depth: blocks of self-attention of a timeline.
    time_dropout: probability of dropping a number that a place holds, and a
      hidden unit of a block.
  """

  sequences = True

  places: layers.Size = 16
  width: layers.Size = 32
  depth: layers.Size = 1
  time_dropout: float = 0.1

  def setup(self):
    """Makes a timeline for each head, besides."""
    super().setup()
    self.timeline = {
      part: Timeline(
        self.places, self.width, self.depth, self.time_dropout, self.axis_name
      )
      for part in self._parts
    }

  def __call__(
    self,
    features: Mapping[str, Array],
    steps: Mapping[str, Array],
    present: Mapping[str, Array],
    rows: Array,
    train: bool,
  ) -> heads.Output:
    """Fuses; see `GatedEvidence`."""
    pooled = {
      m: heads.mean(features[m], steps[m]) if m in steps else features[m]
      for m in self.modalities
    }
    changes = {
      m: x - pooled[m][:, None] if m in steps else x
      for m, x in features.items()
    }
    inputs = [pooled[m] for m in self.modalities]
    seen = [{m: present[m]} for m in self.modalities]
    if 'joint' in self._parts:
      seen.append(self._shown(present, train))
      inputs.append(self._side_by_side(pooled, seen[-1]))
    for index, part in enumerate(self._parts):
      if any(m in steps for m in seen[index]):
        own = {m: changes[m] for m in seen[index]}
        told = self.timeline[part](own, steps, seen[index], train)
        inputs[index] = jnp.concatenate([inputs[index], told], axis=-1)
    return self._add_up(inputs, present, rows, train)


class Timeline(nn.Module):
  """Places along a clip, in which modalities meet.

  Place k of K is at p_k = (k + 1/2) / K of a clip, step i of n at
  t_i = (i + 1/2) / n. Of each modality a place reads a mean of what the steps
  say, v_i = ReLU(W x_i + c), weighted by

    softmax over i of a . v_i - ((t_i - p_k) K)^2

  so by what is near, and of this by what matters. What a modality without steps
  says, all places read. It is added up over the modalities; blocks of
  self-attention and an MLP (pre-norm, arXiv 2002.04745) relate the places, and
  a mean over them, weighted by attention, is the answer.

  Attributes:
    places: K.
    width: W of what a place holds.
    depth: number of blocks.
    dropout: probability of dropping a number.
    axis_name: the devices that share the batch, if they do.
  """

  places: int
  width: int
  depth: int
  dropout: float
  axis_name: str | None = None

  @nn.compact
  def __call__(
    self,
    features: Mapping[str, Array],
    steps: Mapping[str, Array],
    shown: Mapping[str, Array],
    train: bool,
  ) -> Array:
    """Tells what happens when.

    Args:
      features: by modality, (B, D), or (B, T, D) for sequences.
      steps: by modality that is a sequence, (B, T) bool.
      shown: by modality, (B,) bool; others do not matter.
      train: drop.

    Returns:
      (B, W).
    """
    drop = layers.Dropout(self.dropout, axis_name=self.axis_name)
    held = self.param(
      'place', nn.initializers.normal(0.1), (self.places, self.width)
    )
    for modality, x in features.items():
      said = nn.relu(layers.Dense(self.width, name=f'say_{modality}')(x))
      if modality in steps:
        query = self.param(
          f'query_{modality}',
          nn.initializers.normal(self.width**-0.5),
          (self.width,),
        )
        near = nearness(steps[modality], self.places)
        scores = (said @ query)[:, None] + near
        weights = heads.masked_softmax(scores, steps[modality][:, None])
        said = jnp.einsum('bkt,btd->bkd', weights, said)
      else:
        said = said[:, None]
      held += jnp.where(shown[modality][:, None, None], said, 0)
    held = drop(held, train)
    for _ in range(self.depth):
      held += drop(_Attention()(nn.LayerNorm()(held)), train)
      hidden = nn.relu(layers.Dense(2 * self.width)(nn.LayerNorm()(held)))
      held += layers.Dense(self.width)(drop(hidden, train))
    everywhere = jnp.ones(held.shape[:2], bool)
    return heads.AttentionPooling()(nn.LayerNorm()(held), everywhere)


class _Attention(nn.Module):
  """Self-attention (arXiv 1706.03762), with heads of 16 numbers."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, K, W) to the same shape."""
    width = x.shape[-1]
    count = max(width // 16, 1)
    size = -(-width // count)
    query, key, value = (
      layers.Dense(count * size)(x).reshape(*x.shape[:2], count, size)
      for _ in range(3)
    )
    # On a CPU as fast again as `jax.nn.dot_product_attention`, for so few.
    scores = jnp.einsum('bqhd,bkhd->bhqk', query, key) / size**0.5
    mixed = jnp.einsum('bhqk,bkhd->bqhd', nn.softmax(scores), value)
    return layers.Dense(width)(mixed.reshape(*x.shape[:2], count * size))


def nearness(steps: Array, places: int) -> Array:
  """Minus the squared distance of steps and places, in places.

  Args:
    steps: (B, T) bool, the first n of them true, at (i + 1/2) / n of a clip.
    places: K.

  Returns:
    (B, K, T).
  """
  length = jnp.maximum(steps.sum(axis=1), 1)[:, None, None]
  at = (jnp.arange(steps.shape[1]) + 0.5) / length
  place = (jnp.arange(places) + 0.5) / places
  return -(((at - place[:, None]) * places) ** 2)
