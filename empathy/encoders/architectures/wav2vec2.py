"""wav2vec 2.0 (arXiv 2006.11477) and HuBERT (arXiv 2106.07447).

Convolutions turn samples into frames, a projection and a wide convolution that
stands for positions follow, then a transformer.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy import errors
from empathy.encoders import checkpoint, transformer
from empathy.encoders.inputs import sounds

Array = jax.Array

_AXES = ('NWC', 'WIO', 'NWC')
_EPSILON = 1e-5  # Of the normalisations among the convolutions.


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {
    'add_adapter': False,
    'adapter_attn_dim': None,
    'conv_pos_batch_norm': False,
  }
  model_type: str = 'wav2vec2'
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str = 'gelu'
  hidden_dropout: float = 0.1
  activation_dropout: float = 0.1
  attention_dropout: float = 0.1
  feat_proj_dropout: float = 0.0
  feat_proj_layer_norm: bool = True
  layer_norm_eps: float = 1e-5
  feat_extract_norm: str = 'group'
  feat_extract_activation: str = 'gelu'
  conv_dim: tuple[int, ...] = (512,) * 7
  conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
  conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
  conv_bias: bool = False
  num_conv_pos_embeddings: int = 128
  num_conv_pos_embedding_groups: int = 16
  do_stable_layer_norm: bool = False


def num_frames(config: Config, num_samples: Any) -> Any:
  """How many frames so many samples give; an integer or an array of them."""
  for kernel, stride in zip(
    config.conv_kernel, config.conv_stride, strict=True
  ):
    num_samples = (num_samples - kernel) // stride + 1
  return num_samples


def num_samples(config: Config, num_frames: Any) -> Any:
  """The fewest samples that give so many frames, 1 or more; likewise."""
  for kernel, stride in zip(
    config.conv_kernel[::-1], config.conv_stride[::-1], strict=True
  ):
    num_frames = (num_frames - 1) * stride + kernel
  return num_frames


class Convolution(nn.Module):
  """A convolution over time without padding.

  Attributes:
    features: channels that come out.
    size: of the windows.
    stride: between windows.
    use_bias: whether there is a bias.
    dtype: in which sums are computed.
  """

  features: int
  size: int
  stride: int
  use_bias: bool
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, C) to (B, T', features)."""
    kernel = self.param(
      'kernel',
      nn.initializers.lecun_normal(),
      (self.size, x.shape[-1], self.features),
    )
    y = jax.lax.conv_general_dilated(
      x,
      kernel.astype(self.dtype),
      (self.stride,),
      'VALID',
      dimension_numbers=_AXES,
    )
    if self.use_bias:
      bias = self.param('bias', nn.initializers.zeros, (self.features,))
      y += bias.astype(self.dtype)
    return y


class ChannelNorm(nn.Module):
  """Normalises each channel over time (a group norm of one channel a group).

  Attributes:
    dtype: of the result.
  """

  dtype: Any

  @nn.compact
  def __call__(self, x: Array, mask: Array | None) -> Array:
    """Normalises (B, T, C), with the statistics of where `mask` (B, T) is."""
    scale = self.param('scale', nn.initializers.ones, x.shape[-1:])
    bias = self.param('bias', nn.initializers.zeros, x.shape[-1:])
    where = None if mask is None else mask[..., None]
    x = x.astype(jnp.float32)
    mean = x.mean(1, keepdims=True, where=where)
    var = jnp.square(x - mean).mean(1, keepdims=True, where=where)
    y = (x - mean) * (jax.lax.rsqrt(var + _EPSILON) * scale) + bias
    return y.astype(self.dtype)


class PositionalConvolution(nn.Module):
  """A grouped convolution with weight normalisation (arXiv 1602.07868).

  Attributes:
    size: of the windows.
    groups: into which the channels are divided.
    dtype: in which sums are computed.
  """

  size: int
  groups: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, D) to (B, T, D)."""
    width = x.shape[-1]
    shape = (self.size, width // self.groups, width)
    v = self.param('v', nn.initializers.lecun_normal(), shape)
    g = self.param('g', nn.initializers.ones, (self.size, 1, 1))
    bias = self.param('bias', nn.initializers.zeros, (width,))
    norm = jnp.sqrt(jnp.square(v).sum((1, 2), keepdims=True))
    kernel = (v * (g / norm)).astype(self.dtype)
    before = self.size // 2
    y = jax.lax.conv_general_dilated(
      x,
      kernel,
      (1,),
      [(before, self.size - 1 - before)],
      dimension_numbers=_AXES,
      feature_group_count=self.groups,
    )
    return y + bias.astype(self.dtype)


class Model(nn.Module):
  """The encoder.

  Attributes:
    config: its settings.
    dtype: in which sums are computed.
    remat: compute activations again for the gradient rather than keep them.
    masked_norm: where the convolutions normalise over time (as in the base
      models), do so over what is not padding, so that a clip's states do not
      depend on how far it was padded. Transformers has no such choice, and its
      processors pass no mask to these models.
  """

  config: Config
  dtype: Any = jnp.float32
  remat: bool = False
  masked_norm: bool = False

  @nn.compact
  def __call__(
    self,
    input_values: Array,
    attention_mask: Array | None = None,
    deterministic: bool = True,
  ) -> transformer.Output:
    """Encodes sound.

    Layers are not dropped and frames are not masked at random in training.

    Args:
      input_values: (B, T) samples.
      attention_mask: (B, T), nonzero for what is not padding, which follows;
        None: nothing is.
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states, (B, num_frames(T), D); at padding they mean nothing.

    Raises:
      InputError: T is too small for one frame.
    """
    c = self.config
    count = num_frames(c, input_values.shape[1])
    if count < 1:
      raise errors.InputError(
        f'{input_values.shape[1]} samples are too few for one frame'
      )
    lengths = None
    if attention_mask is not None:
      lengths = attention_mask.astype(jnp.int32).sum(1)
    x = self._convolve(input_values.astype(self.dtype)[..., None], lengths)
    if c.feat_proj_layer_norm:
      x = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'frame_norm')(x)
    x = nn.Dense(c.hidden_size, dtype=self.dtype, name='project')(x)
    x = nn.Dropout(c.feat_proj_dropout)(x, deterministic=deterministic)
    mask = None
    if lengths is not None:
      mask = jnp.arange(count) < num_frames(c, lengths)[:, None]
      x = jnp.where(mask[..., None], x, 0)
    y = PositionalConvolution(
      c.num_conv_pos_embeddings,
      c.num_conv_pos_embedding_groups,
      self.dtype,
      name='positions',
    )(x)
    x += transformer.activation(c.feat_extract_activation)(y)
    norm = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')
    if not c.do_stable_layer_norm:
      x = norm(x)
    x = nn.Dropout(c.hidden_dropout)(x, deterministic=deterministic)
    states = transformer.apply_layers(
      transformer.Layer,
      {
        'settings': transformer.Settings.of(
          c, self.dtype, pre_norm=c.do_stable_layer_norm
        )
      },
      c.num_hidden_layers,
      self.remat,
      x,
      transformer.mask_to_bias(mask),
      deterministic,
    )
    last = norm(states[-1]) if c.do_stable_layer_norm else states[-1]
    return transformer.Output(last, states)

  def _convolve(self, x: Array, lengths: Array | None) -> Array:
    """From samples (B, T, 1) to frames (B, T', C)."""
    c = self.config
    for i, (features, size, stride) in enumerate(
      zip(c.conv_dim, c.conv_kernel, c.conv_stride, strict=True)
    ):
      x = Convolution(
        features, size, stride, c.conv_bias, self.dtype, name=f'convolution_{i}'
      )(x)
      if c.feat_extract_norm == 'layer':
        x = transformer.layer_norm(
          _EPSILON, self.dtype, f'convolution_norm_{i}'
        )(x)
      elif i == 0:
        mask = None
        if self.masked_norm and lengths is not None:
          frames = (lengths - size) // stride + 1
          mask = jnp.arange(x.shape[1]) < frames[:, None]
        x = ChannelNorm(self.dtype, name=f'convolution_norm_{i}')(x, mask)
      x = transformer.activation(c.feat_extract_activation)(x)
    return x


INPUT = sounds.samples(num_frames, num_samples)
PREFIXES = ('wav2vec2.', 'hubert.')
DROPPED = (
  'masked_spec_embed',
  'layer_weights',
  r'(quantizer|project_hid|project_q|lm_head|projector|classifier|tdnn)\..*',
  # Of a head that tells speakers apart (x-vectors); a layer of its own.
  r'(feature_extractor\.(weight|bias)|objective\..*)',
)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  return {'input_values': np.zeros((1, num_samples(config, 1)), np.float32)}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = {}
  for i in range(len(config.conv_dim)):
    name = f'feature_extractor.conv_layers.{i}'
    found |= checkpoint.dense(
      f'convolution_{i}', f'{name}.conv', config.conv_bias
    )
    if config.feat_extract_norm == 'layer' or i == 0:
      found |= checkpoint.norm(f'convolution_norm_{i}', f'{name}.layer_norm')
  if config.feat_proj_layer_norm:
    found |= checkpoint.norm('frame_norm', 'feature_projection.layer_norm')
  found |= checkpoint.dense('project', 'feature_projection.projection')
  conv = 'encoder.pos_conv_embed.conv'
  for leaf, number in (('g', 0), ('v', 1)):
    names = f'parametrizations.weight.original{number}', f'weight_{leaf}'
    found[f'positions/{leaf}'] = checkpoint.Source(
      tuple(f'{conv}.{name}' for name in names), np.transpose
    )
  found |= checkpoint.plain('positions/bias', f'{conv}.bias')
  found |= checkpoint.norm('norm', 'encoder.layer_norm')
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layers.{i}'
    for ours, theirs in (
      ('attention/query', 'attention.q_proj'),
      ('attention/key', 'attention.k_proj'),
      ('attention/value', 'attention.v_proj'),
      ('attention/output', 'attention.out_proj'),
      ('feed_forward/up', 'feed_forward.intermediate_dense'),
      ('feed_forward/down', 'feed_forward.output_dense'),
    ):
      found |= checkpoint.dense(f'{path}/{ours}', f'{name}.{theirs}')
    for ours, theirs in (
      ('attention_norm', 'layer_norm'),
      ('feed_forward_norm', 'final_layer_norm'),
    ):
      found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found
