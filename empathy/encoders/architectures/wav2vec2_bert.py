"""Wav2Vec2-BERT (arXiv 2312.05187), conformer layers on log-mel spectra.

A layer (arXiv 2005.08100) has half a feed-forward network, attention that knows
how far apart two states are, a convolution over the past and the other half.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from empathy.encoders import checkpoint, transformer
from empathy.encoders.architectures import deberta, wav2vec2
from empathy.encoders.inputs import spectra

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {
    'position_embeddings_type': 'relative_key',
  }
  NOTED: ClassVar[dict[str, str]] = {
    'add_adapter': wav2vec2.Config.NOTED['add_adapter']
  }
  model_type: str = 'wav2vec2-bert'
  feature_projection_input_dim: int = 160
  hidden_size: int = 1024
  num_hidden_layers: int = 24
  num_attention_heads: int = 16
  intermediate_size: int = 4096
  hidden_act: str = 'swish'
  hidden_dropout: float = 0.0
  activation_dropout: float = 0.0
  attention_dropout: float = 0.0
  feat_proj_dropout: float = 0.0
  conformer_conv_dropout: float = 0.1
  layer_norm_eps: float = 1e-5
  left_max_position_embeddings: int = 64
  right_max_position_embeddings: int = 8
  conv_depthwise_kernel_size: int = 31


def of_keys(scores: Array, left: int, first: Any, length: int) -> Array:
  """From scores of distances to those of keys.

  Args:
    scores: (..., Q, N), of keys `left` or more before a query, ..., of those N
      - 1 - `left` or more behind it.
    left: see above.
    first: the position of the first query, below `length`; may be traced.
    length: K, of keys.

  Returns:
    (..., Q, K).
  """
  *batch, size, width = scores.shape
  most = length + size - 1  # As far as a key is from a query.
  before, behind = (
    jnp.broadcast_to(scores[..., end], (*batch, size, max(count, 0)))
    for end, count in (
      (slice(0, 1), most - left),
      (slice(width - 1, width), length + left + 1 - width),
    )
  )
  wide = jnp.concatenate([before, scores, behind], -1)
  # Keys as they are seen by the last query, then each one place further.
  begin = max(most, left) - first - size + 1
  wide = jax.lax.dynamic_slice_in_dim(wide, begin, length + size, -1)
  return deberta.shear(wide)


@struct.dataclass
class Distances(transformer.Bias):
  """Rows are scores of distances, of which each query has its own.

  Attributes:
    left: see `of_keys`.
  """

  left: int = struct.field(pytree_node=False, default=0)

  def make(
    self, rows: Array, heads: None, first: Array | int, length: int
  ) -> Array:
    """See `transformer.Bias`."""
    return of_keys(rows, self.left, first, length)


class Attention(nn.Module):
  """Attention that knows how far a key is from its query (arXiv 1803.02155).

  Attributes:
    settings: what the layers share.
    left: so far, and farther, before a query all keys are the same to it.
    right: likewise behind it.
  """

  settings: transformer.Settings
  left: int
  right: int

  @nn.compact
  def __call__(
    self, x: Array, mask: Array | None, deterministic: bool
  ) -> Array:
    """Maps (B, T, D) to (B, T, D); `mask` (B, 1, 1, T) is added to scores."""
    s = self.settings
    width = x.shape[-1]
    q, k, v = (
      transformer.split_heads(
        nn.Dense(width, dtype=s.dtype, name=name)(x), s.num_heads
      )
      for name in ('query', 'key', 'value')
    )
    q = q * q.shape[-1] ** -0.5
    distances = self.param(
      'distances',
      nn.initializers.normal(0.02),
      (self.left + 1 + self.right, q.shape[-1]),
    )
    scores = jnp.einsum('bhqd,nd->bhqn', q, distances.astype(s.dtype))
    bias = Distances(scores, None, mask, left=self.left)
    y = transformer.attend(s, q, k, v, bias, deterministic)
    return nn.Dense(width, dtype=s.dtype, name='output')(y)


class Convolution(nn.Module):
  """A gated convolution of each channel over the past, between two dense maps.

  Attributes:
    settings: what the layers share.
    size: of the windows.
    dropout: probability of dropping a unit of the result.
  """

  settings: transformer.Settings
  size: int
  dropout: float

  @nn.compact
  def __call__(
    self, x: Array, mask: Array | None, deterministic: bool
  ) -> Array:
    """Maps (B, T, D) to (B, T, D); `mask` (B, T) is where x counts, or None."""
    s = self.settings
    length, width = x.shape[1:]

    def dense(name: str, features: int, x: Array) -> Array:
      # As PyTorch has it, a convolution with windows of one.
      shape = 1, x.shape[-1], features
      kernel = self.param(name, nn.initializers.lecun_normal(), shape)
      return x @ kernel[0].astype(s.dtype)

    if mask is not None:
      x = jnp.where(mask[..., None], x, 0)
    x, gate = jnp.split(dense('up', 2 * width, x), 2, -1)
    x = x * nn.sigmoid(gate)
    kernel = self.param(
      'kernel', nn.initializers.lecun_normal(), (self.size, 1, width)
    )
    kernel = kernel.astype(s.dtype)
    x = jnp.pad(x, ((0, 0), (self.size - 1, 0), (0, 0)))
    # So it is fused; as a convolution it takes ten times as long on a CPU.
    x = sum(x[:, i : i + length] * kernel[i] for i in range(self.size))
    x = transformer.layer_norm(s.epsilon, s.dtype, 'norm')(x)
    x = dense('down', width, transformer.activation(s.activation)(x))
    return nn.Dropout(self.dropout)(x, deterministic=deterministic)


class Layer(nn.Module):
  """A conformer layer.

  Attributes:
    settings: what the layers share.
    config: of the encoder.
  """

  settings: transformer.Settings
  config: Config

  @nn.compact
  def __call__(
    self,
    x: Array,
    context: tuple[Array | None, Array | None],
    deterministic: bool = True,
  ) -> Array:
    """Maps (B, T, D) to (B, T, D).

    Args:
      x: (B, T, D).
      context: what is added to scores and (B, T) bool, where x counts.
      deterministic: drop nothing.
    """
    s, c = self.settings, self.config
    bias, mask = context

    def norm(name: str, x: Array) -> Array:
      return transformer.layer_norm(s.epsilon, s.dtype, name)(x)

    def drop(rate: float, x: Array) -> Array:
      return nn.Dropout(rate)(x, deterministic=deterministic)

    def feed_forward(name: str, x: Array) -> Array:
      block = transformer.FeedForward(s, name=name)
      y = block(norm(f'{name}_norm', x), deterministic)
      return x + 0.5 * drop(s.dropout, y)

    x = feed_forward('feed_forward_0', x)
    y = Attention(
      s,
      c.left_max_position_embeddings,
      c.right_max_position_embeddings,
      name='attention',
    )(norm('attention_norm', x), bias, deterministic)
    x = x + drop(s.attention_dropout, y)
    x = x + Convolution(
      s,
      c.conv_depthwise_kernel_size,
      c.conformer_conv_dropout,
      name='convolution',
    )(norm('convolution_norm', x), mask, deterministic)
    return norm('norm', feed_forward('feed_forward_1', x))


class Model(nn.Module):
  """The encoder.

  Attributes:
    config: its settings.
    dtype: in which sums are computed.
    remat: compute activations again for the gradient rather than keep them.
  """

  config: Config
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self,
    input_features: Array,
    attention_mask: Array | None = None,
    deterministic: bool = True,
  ) -> transformer.Output:
    """Encodes spectra.

    Layers are not dropped and frames are not masked at random in training.

    Args:
      input_features: (B, T, C), frames of log-mel spectra, two a state.
      attention_mask: (B, T), nonzero for what is not padding, which follows;
        None: nothing is.
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states, (B, T, D); at padding they mean nothing.
    """
    c = self.config
    x = input_features.astype(self.dtype)
    x = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'frame_norm')(x)
    x = nn.Dense(c.hidden_size, dtype=self.dtype, name='project')(x)
    x = nn.Dropout(c.feat_proj_dropout)(x, deterministic=deterministic)
    mask = None
    if attention_mask is not None:
      mask = attention_mask.astype(bool)
      x = jnp.where(mask[..., None], x, 0)
    x = nn.Dropout(c.hidden_dropout)(x, deterministic=deterministic)
    states = transformer.apply_layers(
      Layer,
      {'settings': transformer.Settings.of(c, self.dtype), 'config': c},
      c.num_hidden_layers,
      self.remat,
      x,
      (transformer.mask_to_bias(mask), mask),
      deterministic,
    )
    return transformer.Output(states[-1], states)


INPUT = spectra.WHOLE
PREFIXES = ('wav2vec2_bert.',)
DROPPED = (
  'masked_spec_embed',
  'layer_weights',
  r'(intermediate_ffn|adapter)\..*',  # See `Config.NOTED`.
  r'(lm_head|projector|classifier|tdnn|feature_extractor|objective)\..*',
)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  shape = 1, 1, config.feature_projection_input_dim
  return {'input_features': np.zeros(shape, np.float32)}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.norm('frame_norm', 'feature_projection.layer_norm')
  found |= checkpoint.dense('project', 'feature_projection.projection')
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layers.{i}'
    for ours, theirs in (
      ('query', 'linear_q'),
      ('key', 'linear_k'),
      ('value', 'linear_v'),
      ('output', 'linear_out'),
    ):
      found |= checkpoint.dense(
        f'{path}/attention/{ours}', f'{name}.self_attn.{theirs}'
      )
    found |= checkpoint.plain(
      f'{path}/attention/distances',
      f'{name}.self_attn.distance_embedding.weight',
    )
    for number in range(2):
      for ours, theirs in (
        ('up', 'intermediate_dense'),
        ('down', 'output_dense'),
      ):
        found |= checkpoint.dense(
          f'{path}/feed_forward_{number}/{ours}',
          f'{name}.ffn{number + 1}.{theirs}',
        )
    for ours, theirs in (
      ('up', 'pointwise_conv1'),
      ('kernel', 'depthwise_conv'),
      ('down', 'pointwise_conv2'),
    ):
      found[f'{path}/convolution/{ours}'] = checkpoint.Source(
        (f'{name}.conv_module.{theirs}.weight',), np.transpose
      )
    for ours, theirs in (
      ('feed_forward_0_norm', 'ffn1_layer_norm'),
      ('attention_norm', 'self_attn_layer_norm'),
      ('convolution_norm', 'conv_module.layer_norm'),
      ('convolution/norm', 'conv_module.depthwise_layer_norm'),
      ('feed_forward_1_norm', 'ffn2_layer_norm'),
      ('norm', 'final_layer_norm'),
    ):
      found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found
