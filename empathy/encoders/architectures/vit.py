"""Encoders of single pictures, which have ViT's skeleton.

ViT (arXiv 2010.11929), DINOv2 (arXiv 2304.07193), with registers too (arXiv
2309.16588), and the encoders of pictures of CLIP (arXiv 2103.00020) and SigLIP
(arXiv 2303.15343; 2502.14786). A film's frames are encoded each by itself.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy.encoders import checkpoint, patches, transformer
from empathy.encoders.inputs import pictures

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there.

  `intermediate_size` is `mlp_ratio` times `hidden_size` where it is None.
  """

  FIXED: ClassVar[dict[str, Any]] = {}
  RENAMED: ClassVar[dict[str, str]] = {
    'attention_dropout': 'attention_probs_dropout_prob'
  }
  DEFAULTS: ClassVar[dict[str, dict[str, Any]]] = {
    'vit': {'intermediate_size': 3072},
    'dinov2': {'patch_size': 14, 'layer_norm_eps': 1e-6},
    'dinov2_with_registers': {'layer_norm_eps': 1e-6, 'num_register_tokens': 4},
    'clip_vision_model': {
      'intermediate_size': 3072,
      'patch_size': 32,
      'hidden_act': 'quick_gelu',
      'layer_norm_eps': 1e-5,
    },
    'siglip_vision_model': {
      'intermediate_size': 3072,
      'hidden_act': 'gelu_pytorch_tanh',
      'layer_norm_eps': 1e-6,
    },
  }
  model_type: str = 'vit'
  image_size: int = 224
  patch_size: int = 16
  num_channels: int = 3
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int | None = None
  mlp_ratio: int = 4
  use_swiglu_ffn: bool = False
  hidden_act: str = 'gelu'
  hidden_dropout_prob: float = 0.0
  attention_probs_dropout_prob: float = 0.0
  layer_norm_eps: float = 1e-12
  qkv_bias: bool = True
  num_register_tokens: int = 0
  vision_use_head: bool = True

  @property
  def is_dino(self) -> bool:
    """Whether it is DINOv2, which scales what layers add."""
    return self.model_type.startswith('dinov2')

  @property
  def is_tower(self) -> bool:
    """Whether an encoder of texts was trained beside it."""
    return self.model_type.endswith('_vision_model')

  @property
  def has_class_token(self) -> bool:
    """Whether a frame's first state stands for it."""
    return self.model_type != 'siglip_vision_model'

  @property
  def units(self) -> int:
    """Hidden ones of the feed-forward networks."""
    if self.intermediate_size is not None:
      return self.intermediate_size
    units = self.hidden_size * self.mlp_ratio
    # Three maps instead of two, of as many weights.
    return -(-(units * 2 // 3) // 8) * 8 if self.use_swiglu_ffn else units


class PoolingHead(nn.Module):
  """SigLIP's: a query that is learned attends to the states."""

  settings: transformer.Settings

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, D) to (B, D)."""
    s = self.settings
    width = x.shape[-1]
    init = nn.initializers.normal(0.02)
    probe = self.param('probe', init, (1, 1, width)).astype(s.dtype)
    q, k, v = (
      transformer.split_heads(
        nn.Dense(width, dtype=s.dtype, name=f'attention_{name}')(y), s.num_heads
      )
      for name, y in (('query', probe), ('key', x), ('value', x))
    )
    scores = jnp.einsum('hqd,bhkd->bhqk', q[0] * q.shape[-1] ** -0.5, k)
    y = transformer.weigh(s, scores, None, v, True)
    y = nn.Dense(width, dtype=s.dtype, name='attention_output')(y)
    norm = transformer.layer_norm(s.epsilon, s.dtype, 'norm')
    y = y + transformer.FeedForward(s, name='feed_forward')(norm(y))
    return y[:, 0]


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
    self, pixel_values: Array, deterministic: bool = True
  ) -> transformer.Output:
    """Encodes frames, each by itself.

    Args:
      pixel_values: (B, F, num_channels, H, W); where that is another number of
        patches than the encoder was trained with, positions are interpolated.
      deterministic: drop nothing; otherwise the rng `dropout` is needed. Whole
        blocks are never dropped.

    Returns:
      The hidden states, (B, F * S, D), frame by frame: the class token (of
      SigLIP there is none), the registers, and the patches, row by row. Only
      `last_hidden_state` is normalised, and of CLIP only `pooled`. That is what
      stands for a frame, (B, F, D): the class token; of SigLIP what the head
      makes of the patches, or their mean where there is none.

    Raises:
      InputError: the frames are of another shape.
    """
    c = self.config
    patches.check(c, pixel_values, is_fixed=False)
    batch, frames, _, *size = pixel_values.shape
    width = c.hidden_size
    grid = tuple(side // c.patch_size for side in size)
    init = nn.initializers.normal(0.02)

    def tokens(name: str, count: int, *axis: int) -> Array:
      found = self.param(name, init, (*axis, count, width))
      return found.reshape(count, width)

    side = c.image_size // c.patch_size
    # With an axis in front, or none, as they are in checkpoints.
    axis = () if c.is_tower else (1,)
    count = side**2 + c.has_class_token
    positions = tokens('positions', count, *axis)
    first, positions = jnp.split(positions, [int(c.has_class_token)])
    if grid != (side, side):
      # Of DINOv2 with registers alone: its makers smooth what they shrink.
      smooth = c.model_type == 'dinov2_with_registers'
      positions = patches.resized(positions, (side, side), grid, smooth)
    x = patches.Embedding(
      width,
      None,
      c.patch_size,
      self.dtype,
      use_bias=c.model_type != 'clip_vision_model',
      name='patches',
    )(pixel_values)
    x = x + positions.astype(self.dtype)
    if c.has_class_token:
      name = 'first'
      if c.is_tower:
        first += self.param(name, init, (width,))
      else:
        first += tokens(name, 1, 1)
      if c.num_register_tokens:
        more = tokens('registers', c.num_register_tokens, 1)
        first = jnp.concatenate([first, more])
      first = jnp.broadcast_to(
        first.astype(self.dtype), (batch, frames, *first.shape)
      )
      x = jnp.concatenate([first, x], 2)
    x = x.reshape(batch, -1, width)
    x = nn.Dropout(c.hidden_dropout_prob)(x, deterministic=deterministic)
    if c.model_type == 'clip_vision_model':
      x = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'pre_norm')(x)
    settings = transformer.Settings.of(
      c,
      self.dtype,
      intermediate_size=c.units,
      activation='silu' if c.use_swiglu_ffn else c.hidden_act,
      pre_norm=True,
      qkv_bias=(c.qkv_bias,) * 3,
      is_gated=c.use_swiglu_ffn,
      layer_scale=c.is_dino,
    )
    states = transformer.apply_layers(
      transformer.Layer,
      {'settings': settings, 'parts': frames},
      c.num_hidden_layers,
      self.remat,
      x,
      None,
      deterministic,
    )
    norm = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')
    last = states[-1]
    if c.model_type == 'clip_vision_model':
      pooled = norm(last.reshape(batch, frames, -1, width)[:, :, 0])
      return transformer.Output(last, states, pooled)
    last = norm(last)
    each = last.reshape(batch, frames, -1, width)
    if c.has_class_token:
      return transformer.Output(last, states, each[:, :, 0])
    if not c.vision_use_head:
      return transformer.Output(last, states, each.mean(2))
    head = PoolingHead(
      dataclasses.replace(settings, attention_dropout=0.0), name='head'
    )
    pooled = head(each.reshape(batch * frames, -1, width))
    return transformer.Output(
      last, states, pooled.reshape(batch, frames, width)
    )


INPUT = pictures.INPUT
PREFIXES = ('vit.', 'dinov2.', 'dinov2_with_registers.', 'vision_model.')
DROPPED = (
  r'embeddings\.(mask_token|position_ids)',
  r'(pooler|decoder|classifier|visual_projection)\..*',
  # Of the encoder of texts beside it.
  r'(text_model|text_projection)\..*',
  'logit_scale|logit_bias',
)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  return patches.example(config, 1)


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  return _tower_table(config) if config.is_tower else _table(config)


def _table(config: Config) -> checkpoint.Table:
  """Of those that are named as ViT's."""
  found = patches.embeddings_table()
  if config.num_register_tokens:
    found |= checkpoint.plain('registers', 'embeddings.register_tokens')
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layer.{i}'
    found |= patches.projections_table(path, name, config.qkv_bias)
    if config.is_dino:
      found |= _dino_table(config, path, name)
    else:
      found |= patches.layer_table(path, name)
  return found


def _dino_table(config: Config, path: str, name: str) -> checkpoint.Table:
  """Of the rest of a layer that is named as DINOv2's."""
  found = checkpoint.dense(
    f'{path}/attention/output', f'{name}.attention.output.dense'
  )
  for i, part in enumerate(('attention', 'feed_forward')):
    found |= checkpoint.norm(f'{path}/{part}_norm', f'{name}.norm{i + 1}')
    found |= checkpoint.plain(
      f'{path}/{part}_scale/scale', f'{name}.layer_scale{i + 1}.lambda1'
    )
  if config.use_swiglu_ffn:
    for i, part in enumerate(('gate', 'up')):
      for leaf, source in checkpoint.dense(
        f'{path}/feed_forward/{part}', f'{name}.mlp.weights_in'
      ).items():
        found[leaf] = dataclasses.replace(source, part=(i, 2))
    down = 'weights_out'
  else:
    found |= checkpoint.dense(f'{path}/feed_forward/up', f'{name}.mlp.fc1')
    down = 'fc2'
  return found | checkpoint.dense(
    f'{path}/feed_forward/down', f'{name}.mlp.{down}'
  )


def _tower_table(config: Config) -> checkpoint.Table:
  """Of those that are named as CLIP's."""
  found = checkpoint.plain('positions', 'embeddings.position_embedding.weight')
  is_clip = config.model_type == 'clip_vision_model'
  found |= checkpoint.dense(
    'patches', 'embeddings.patch_embedding', use_bias=not is_clip
  )
  found |= checkpoint.norm('norm', 'post_layernorm')
  if is_clip:
    found |= checkpoint.plain('first', 'embeddings.class_embedding')
    found |= checkpoint.norm('pre_norm', 'pre_layrnorm')  # So it is spelt.
  elif config.vision_use_head:
    found |= checkpoint.plain('head/probe', 'head.probe')
    found |= checkpoint.norm('head/norm', 'head.layernorm')
    found |= _feed_forward_table('head', 'head')
    found |= checkpoint.dense(
      'head/attention_output', 'head.attention.out_proj'
    )
    name = 'head.attention.in_proj'
    for i, part in enumerate(('query', 'key', 'value')):
      for leaf, end, convert in (
        ('kernel', 'weight', np.transpose),
        ('bias', 'bias', np.asarray),
      ):
        found[f'head/attention_{part}/{leaf}'] = checkpoint.Source(
          (f'{name}_{end}',), convert, (i, 3)
        )
  for i in range(config.num_hidden_layers):
    found |= tower_layer_table(f'layer_{i}', f'encoder.layers.{i}')
  return found


def tower_layer_table(path: str, name: str) -> checkpoint.Table:
  """The table of a layer that is named as CLIP's."""
  found = _feed_forward_table(path, name)
  for ours, theirs in (
    ('query', 'q_proj'),
    ('key', 'k_proj'),
    ('value', 'v_proj'),
    ('output', 'out_proj'),
  ):
    found |= checkpoint.dense(
      f'{path}/attention/{ours}', f'{name}.self_attn.{theirs}'
    )
  for ours, theirs in (
    ('attention_norm', 'layer_norm1'),
    ('feed_forward_norm', 'layer_norm2'),
  ):
    found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found


def _feed_forward_table(path: str, name: str) -> checkpoint.Table:
  return checkpoint.dense(
    f'{path}/feed_forward/up', f'{name}.mlp.fc1'
  ) | checkpoint.dense(f'{path}/feed_forward/down', f'{name}.mlp.fc2')
