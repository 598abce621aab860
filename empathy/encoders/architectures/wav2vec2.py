"""wav2vec 2.0 (arXiv 2006.11477) and what is built like it.

That is HuBERT (arXiv 2106.07447), UniSpeech (arXiv 2101.07597), UniSpeech-SAT
(arXiv 2110.05752) and MMS (arXiv 2305.13516); others take parts of it.

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

  FIXED: ClassVar[dict[str, Any]] = {}
  NOTED: ClassVar[dict[str, str]] = {
    'add_adapter': (
      'what shortens the last states for a decoder is left out; they are those '
      'of the last layer'
    ),
    'adapter_attn_dim': (
      'the layers are adapted to the language of the file with their weights '
      '(English, of MMS), whatever other files there are'
    ),
  }
  # Statistics; without a gradient there is still weight decay.
  NEVER_LEARN: ClassVar[tuple[str, ...]] = ('position_norm',)
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
  conv_pos_batch_norm: bool = False
  adapter_attn_dim: int | None = None

  @property
  def has_adapters(self) -> bool:
    """Whether the layers have adapters for a language."""
    return bool(self.adapter_attn_dim) and self.do_stable_layer_norm


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


def convolve(
  x: Array, kernel: Array, stride: int = 1, groups: int = 0
) -> Array:
  """Convolves over time.

  Args:
    x: (B, T, C).
    kernel: (size, C / groups, C').
    stride: between windows.
    groups: into which the channels are divided; with them, T is kept by zeros
      around.

  Returns:
    (B, T', C').
  """
  before = len(kernel) // 2
  return jax.lax.conv_general_dilated(
    x,
    kernel.astype(x.dtype),
    (stride,),
    [(before, len(kernel) - 1 - before)] if groups else 'VALID',
    dimension_numbers=_AXES,
    feature_group_count=groups or 1,
  )


class Convolution(nn.Module):
  """A convolution over time.

  Attributes:
    features: channels that come out.
    size: of the windows.
    stride: between windows.
    use_bias: whether there is a bias.
    dtype: in which sums are computed.
    groups: into which channels are divided; with them T is kept.
  """

  features: int
  size: int
  stride: int
  use_bias: bool
  dtype: Any
  groups: int = 0

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, C) to (B, T', features)."""
    kernel = self.param(
      'kernel',
      nn.initializers.lecun_normal(),
      (self.size, x.shape[-1] // (self.groups or 1), self.features),
    )
    y = convolve(x.astype(self.dtype), kernel, self.stride, self.groups)
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


class BatchNorm(nn.Module):
  """Normalises each channel with statistics that do not change any more.

  Attributes:
    dtype: of the result.
  """

  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Normalises (B, T, C)."""
    ones, zeros = nn.initializers.ones, nn.initializers.zeros
    scale, bias, mean, var = (
      self.param(name, init, x.shape[-1:])
      for name, init in (
        *(('scale', ones), ('bias', zeros)),
        *(('mean', zeros), ('var', ones)),
      )
    )
    mean, var = jax.lax.stop_gradient((mean, var))
    x = x.astype(jnp.float32)
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
    y = convolve(x.astype(self.dtype), v * (g / norm), groups=self.groups)
    return y + bias.astype(self.dtype)


class Adapter(nn.Module):
  """What makes a layer one for a language, added to what comes out of it.

  Attributes:
    size: of what is between.
    dtype: in which sums are computed.
  """

  size: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, D) to (B, T, D)."""
    y = transformer.layer_norm(_EPSILON, self.dtype, 'norm')(x)
    y = nn.relu(nn.Dense(self.size, dtype=self.dtype, name='down')(y))
    return nn.Dense(x.shape[-1], dtype=self.dtype, name='up')(y)


class AdaptedLayer(nn.Module):
  """A layer with an adapter."""

  settings: transformer.Settings
  adapter_size: int

  @nn.compact
  def __call__(
    self, x: Array, bias: Array | None = None, deterministic: bool = True
  ) -> Array:
    """Maps (B, T, D) to (B, T, D); `bias` is added to the scores."""
    attention = transformer.Attention(self.settings, name='attention')
    x = transformer.add_blocks(
      self.settings,
      x,
      lambda y: attention(y, bias, deterministic),
      deterministic,
    )
    return x + Adapter(self.adapter_size, self.settings.dtype, name='adapter')(
      x
    )


def zeroed(x: Array, mask: Array | None) -> Array:
  """`x` (B, T, D) where `mask` (B, T) is, zeros elsewhere; all without one."""
  return x if mask is None else jnp.where(mask[..., None], x, 0)


class Model(nn.Module):
  """The encoder.

  Attributes:
    config: its settings.
    dtype: in which sums are computed.
    remat: compute activations again for the gradient rather than keep them.
    masked_norm: keep a clip's states from depending on how far it was padded:
      where the convolutions normalise over time (as in the base models), do so
      over what is not padding, and let those for positions see no more of it
      than zeros. Transformers has no such choice, and its processors pass no
      mask to most of these models.
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
      x = zeroed(x, mask)
    x += self.positions(x, mask if self.masked_norm else None)
    norm = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')
    if not c.do_stable_layer_norm:
      x = norm(x)
    x = nn.Dropout(c.hidden_dropout)(x, deterministic=deterministic)
    layer, fields = self.layer()
    settings = transformer.Settings.of(
      c, self.dtype, pre_norm=c.do_stable_layer_norm
    )
    states = transformer.apply_layers(
      layer,
      {'settings': settings} | fields,
      c.num_hidden_layers,
      self.remat,
      x,
      self.context(transformer.mask_to_bias(mask), count),
      deterministic,
    )
    last = norm(states[-1]) if c.do_stable_layer_norm else states[-1]
    return transformer.Output(last, states)

  def positions(self, x: Array, mask: Array | None) -> Array:
    """What is added to frames (B, T, D), that they tell where they are.

    To be called within a compact method.

    Args:
      x: the frames; at padding, zeros.
      mask: (B, T), where frames that are padding count as zeros throughout.
    """
    c = self.config
    size, groups = c.num_conv_pos_embeddings, c.num_conv_pos_embedding_groups
    if c.conv_pos_batch_norm:
      x = BatchNorm(self.dtype, name='position_norm')(x)
      x = Convolution(
        c.hidden_size, size, 1, True, self.dtype, groups, name='positions'
      )(zeroed(x, mask))
    else:
      x = PositionalConvolution(size, groups, self.dtype, name='positions')(x)
    return transformer.activation(c.feat_extract_activation)(x)

  def layer(self) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class of the layers, and what it takes beside the settings."""
    if self.config.has_adapters:
      return AdaptedLayer, {'adapter_size': self.config.adapter_attn_dim}
    return transformer.Layer, {}

  def context(self, bias: Array | None, count: int) -> Any:
    """What every layer is given beside its states.

    To be called within a compact method.

    Args:
      bias: (B, 1, 1, T), to add to the scores; or None.
      count: T.
    """
    return bias

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
PREFIXES = ('wav2vec2.', 'hubert.', 'unispeech.', 'unispeech_sat.')
DROPPED = (
  'masked_spec_embed',
  'layer_weights',
  r'.*\.num_batches_tracked',
  # Of heads, and of what pretraining compares with.
  r'adapter\..*',  # Shortens states for a decoder; see `Config.NOTED`.
  r'(lm_head|projector|classifier|tdnn)\..*',
  r'(quantizer|project_hid|project_q|ctc_proj|speaker_proj)\..*',
  r'label_embeddings_concat|layer_norm_for_extract\..*',
  # Of a head that tells speakers apart (x-vectors); a layer of its own.
  r'(feature_extractor\.(weight|bias)|objective\..*)',
)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  return {'input_values': np.zeros((1, num_samples(config, 1)), np.float32)}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  return table_without_positions(config) | _positions(config)


def table_without_positions(config: Config) -> checkpoint.Table:
  """That of all but what `Model.positions` has."""
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
  found |= checkpoint.norm('norm', 'encoder.layer_norm')
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layers.{i}'
    dense = {
      'attention/query': 'attention.q_proj',
      'attention/key': 'attention.k_proj',
      'attention/value': 'attention.v_proj',
      'attention/output': 'attention.out_proj',
      'feed_forward/up': 'feed_forward.intermediate_dense',
      'feed_forward/down': 'feed_forward.output_dense',
    }
    norms = {
      'attention_norm': 'layer_norm',
      'feed_forward_norm': 'final_layer_norm',
    }
    if config.has_adapters:
      dense |= {
        'adapter/down': 'adapter_layer.linear_1',
        'adapter/up': 'adapter_layer.linear_2',
      }
      norms['adapter/norm'] = 'adapter_layer.norm'
    for ours, theirs in dense.items():
      found |= checkpoint.dense(f'{path}/{ours}', f'{name}.{theirs}')
    for ours, theirs in norms.items():
      found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found


def _positions(config: Config) -> checkpoint.Table:
  name = 'encoder.pos_conv_embed'
  conv = f'{name}.conv'
  if config.conv_pos_batch_norm:
    norm = f'{name}.batch_norm'
    return (
      checkpoint.dense('positions', conv)
      | checkpoint.norm('position_norm', norm)
      | checkpoint.plain('position_norm/mean', f'{norm}.running_mean')
      | checkpoint.plain('position_norm/var', f'{norm}.running_var')
    )
  found = checkpoint.plain('positions/bias', f'{conv}.bias')
  for leaf, number in (('g', 0), ('v', 1)):
    names = f'parametrizations.weight.original{number}', f'weight_{leaf}'
    found[f'positions/{leaf}'] = checkpoint.Source(
      tuple(f'{conv}.{name}' for name in names), np.transpose
    )
  return found
