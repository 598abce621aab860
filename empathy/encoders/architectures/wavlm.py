"""WavLM (arXiv 2110.13900): wav2vec 2.0 with a gated relative position bias.

How far a key is from its query adds to their score. That is learned once, of
ranges of distances, and each query of each layer multiplies it by a gate.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy.encoders import checkpoint, transformer
from empathy.encoders.architectures import wav2vec2

Array = transformer.Array


@dataclasses.dataclass(frozen=True)
class Config(wav2vec2.Config):
  """The settings in `config.json`, by their names there."""

  model_type: str = 'wavlm'
  num_buckets: int = 320
  max_bucket_distance: int = 800


def buckets(config: Config, distances: np.ndarray) -> np.ndarray:
  """The ranges in which distances lie, numbered from 0.

  Half of them are for keys before their query or at it, half for those behind;
  of each half the first half are one distance wide, and the others widen.

  Args:
    config: of the encoder.
    distances: integers, a key's position less its query's.
  """
  half = config.num_buckets // 2
  exact = half // 2
  # As PyTorch computes it: where a range ends depends on rounding.
  far = np.log(
    np.maximum(np.abs(distances), exact).astype(np.float32) / np.float32(exact)
  )
  far /= np.float32(np.log(config.max_bucket_distance / exact))
  far = exact + (far * np.float32(half - exact)).astype(int)
  found = np.where(np.abs(distances) < exact, np.abs(distances), far)
  return np.minimum(found, half - 1) + np.where(distances > 0, half, 0)


class Gate(nn.Module):
  """By what each query multiplies the bias of distances.

  Attributes:
    num_heads: of attention.
    dtype: in which sums are computed.
  """

  num_heads: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, D) to (B, H, T, 1) float32."""
    x = transformer.split_heads(x, self.num_heads)
    kernel = self.param(
      'kernel', nn.initializers.lecun_normal(), (x.shape[-1], 8)
    )
    bias = self.param('bias', nn.initializers.zeros, (8,))
    const = self.param('const', nn.initializers.ones, (1, self.num_heads, 1, 1))
    # Of the eight the first four are added, and the others.
    kernel, bias = (
      y.reshape(*y.shape[:-1], 2, 4).sum(-1).astype(self.dtype)
      for y in (kernel, bias)
    )
    gates = nn.sigmoid(
      (x.astype(self.dtype) @ kernel + bias).astype(jnp.float32)
    )
    a, b = jnp.split(gates, 2, -1)
    return a * (b * const - 1) + 2


class Layer(nn.Module):
  """A layer whose attention knows distances."""

  settings: transformer.Settings

  @nn.compact
  def __call__(
    self, x: Array, context: Any, deterministic: bool = True
  ) -> Array:
    """Maps (B, T, D) to (B, T, D)."""
    s = self.settings
    values, mask = context
    attention = transformer.Attention(s, name='attention')
    gate = Gate(s.num_heads, s.dtype, name='gate')

    def attend(y: Array) -> Array:
      bias = transformer.ByDistance(gate(y), values, mask)
      return attention(y, bias, deterministic)

    return transformer.add_blocks(s, x, attend, deterministic)


class Model(wav2vec2.Model):
  """The encoder."""

  config: Config

  def layer(self) -> tuple[type[nn.Module], dict[str, Any]]:
    """See `wav2vec2.Model`."""
    return Layer, {}

  def context(self, bias: Array | None, count: int) -> Any:
    """The bias of each head by distance, (H, 2 T - 1), and that of padding."""
    c = self.config
    shape = c.num_buckets, c.num_attention_heads
    table = self.param('distances', nn.initializers.normal(0.02), shape)
    return table[buckets(c, np.arange(1 - count, count))].T, bias


INPUT = wav2vec2.INPUT
PREFIXES = ('wavlm.',)
DROPPED = wav2vec2.DROPPED
example = wav2vec2.example


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  name = 'encoder.layers.{}.attention'
  found = wav2vec2.table(config)
  found |= checkpoint.plain(
    'distances', f'{name.format(0)}.rel_attn_embed.weight'
  )
  for i in range(config.num_hidden_layers):
    path, gate = f'layer_{i}/gate', f'{name.format(i)}.gru_rel_pos'
    found |= checkpoint.dense(path, f'{gate}_linear')
    found |= checkpoint.plain(f'{path}/const', f'{gate}_const')
  return found
