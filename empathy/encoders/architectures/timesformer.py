"""TimeSformer (arXiv 2102.05095): attention over time, then over space."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy import errors
from empathy.encoders import checkpoint, patches, transformer
from empathy.encoders.inputs import films

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {}
  model_type: str = 'timesformer'
  image_size: int = 224
  patch_size: int = 16
  num_channels: int = 3
  num_frames: int = 8
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str = 'gelu'
  hidden_dropout_prob: float = 0.0
  attention_probs_dropout_prob: float = 0.0
  layer_norm_eps: float = 1e-6
  qkv_bias: bool = True
  attention_type: str = 'divided_space_time'


class DividedLayer(nn.Module):
  """Attention over time, then over space, then a feed-forward network.

  Attributes:
    settings: what the layers share.
    num_frames: T.
  """

  settings: transformer.Settings
  num_frames: int

  @nn.compact
  def __call__(
    self, x: Array, context: None = None, deterministic: bool = True
  ) -> Array:
    """Maps (B, 1 + P * T, D) to the same; time runs fastest."""
    del context
    s = self.settings
    batch, _, width = x.shape
    frames = self.num_frames
    drop = nn.Dropout(s.dropout, deterministic=deterministic)
    first, x = x[:, :1], x[:, 1:]

    # Each patch sees itself in the other frames.
    y = transformer.layer_norm(s.epsilon, s.dtype, 'time_norm')(x)
    y = transformer.Attention(s, name='time_attention')(
      y.reshape(-1, frames, width), None, deterministic
    )
    y = nn.Dense(width, dtype=s.dtype, name='time_output')(drop(y))
    x = x + y.reshape(x.shape)

    def attend(y: Array) -> Array:
      """Each patch sees its frame and the first token, which sees them all."""
      first, y = y[:, :1], y[:, 1:]
      y = y.reshape(batch, -1, frames, width).swapaxes(1, 2)
      first = jnp.broadcast_to(first[:, None], (batch, frames, 1, width))
      y = jnp.concatenate([first, y], 2).reshape(batch * frames, -1, width)
      y = transformer.Attention(s, name='attention')(y, None, deterministic)
      y = y.reshape(batch, frames, -1, width)
      first = y[:, :, 0].mean(1, keepdims=True)
      y = y[:, :, 1:].swapaxes(1, 2).reshape(batch, -1, width)
      return jnp.concatenate([first, y], 1)

    x = jnp.concatenate([first, x], 1)
    return transformer.add_blocks(s, x, attend, deterministic)


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
    """Encodes frames.

    There may be more or fewer frames than the encoder was trained with: then
    each gets the embedding of the nearest moment, and attention is among the
    frames there are. (Transformers, given another number of frames than its
    config says, divides them into groups of that number.)

    Args:
      pixel_values: (B, T, num_channels, image_size, image_size).
      deterministic: drop nothing; otherwise the rng `dropout` is needed. Whole
        blocks are never dropped.

    Returns:
      The hidden states, (B, 1 + P * T, D), a first token and then the P patches
      of a frame, time running fastest; for `space_only` (B, T * (1 + P), D),
      frame by frame, each with a first token. (Transformers has (B * T, 1 + P,
      D) there.) Only `last_hidden_state` is normalised.

    Raises:
      InputError: the frames are of another size, or the type of attention is
        unknown.
    """
    c = self.config
    patches.check(c, pixel_values)
    if c.attention_type not in (
      'divided_space_time',
      'joint_space_time',
      'space_only',
    ):
      raise errors.InputError(f'attention_type: {c.attention_type!r}')
    batch, frames = pixel_values.shape[:2]
    width = c.hidden_size
    x = patches.Embedding(
      width, None, c.patch_size, self.dtype, name='patches'
    )(pixel_values)
    init = nn.initializers.normal(0.02)
    first = self.param('first', init, (1, 1, width)).astype(self.dtype)
    positions = self.param('positions', init, (1, x.shape[2] + 1, width))
    positions = positions.astype(self.dtype)
    first = first + positions[:, :1]
    x = x + positions[:, 1:]
    if c.attention_type == 'space_only':
      first = jnp.broadcast_to(first, (batch, frames, 1, width))
      x = jnp.concatenate([first, x], 2).reshape(batch, -1, width)
    else:
      times = self.param('times', init, (1, c.num_frames, width))
      nearest = np.arange(frames) * c.num_frames // frames
      x = x.swapaxes(1, 2) + times[:, nearest].astype(self.dtype)
      x = x.reshape(batch, -1, width)
      first = jnp.broadcast_to(first, (batch, 1, width))
      x = jnp.concatenate([first, x], 1)
    x = nn.Dropout(c.hidden_dropout_prob)(x, deterministic=deterministic)
    fields: dict[str, Any] = {
      'settings': transformer.Settings.of(
        c,
        self.dtype,
        pre_norm=True,
        qkv_bias=(c.qkv_bias,) * 3,
        activation_dropout=c.hidden_dropout_prob,
      )
    }
    layer = transformer.Layer
    if c.attention_type == 'divided_space_time':
      layer, fields['num_frames'] = DividedLayer, frames
    elif c.attention_type == 'space_only':
      fields['parts'] = frames
    states = transformer.apply_layers(
      layer, fields, c.num_hidden_layers, self.remat, x, None, deterministic
    )
    norm = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')
    last, pooled = norm(states[-1]), None
    if c.attention_type == 'space_only':
      pooled = last.reshape(batch, frames, -1, width)[:, :, 0]
    return transformer.Output(last, states, pooled)


INPUT = films.film()
PREFIXES = ('timesformer.',)
DROPPED = (r'classifier\..*',)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  return patches.example(config)


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = patches.embeddings_table()
  if config.attention_type != 'space_only':
    found |= checkpoint.plain('times', 'embeddings.time_embeddings')
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layer.{i}'
    found |= patches.layer_table(path, name)
    found |= _projections(config, f'{path}/attention', f'{name}.attention')
    if config.attention_type == 'divided_space_time':
      time = f'{name}.temporal'
      found |= _projections(
        config, f'{path}/time_attention', f'{time}_attention'
      )
      found |= checkpoint.dense(
        f'{path}/time_attention/output', f'{time}_attention.output.dense'
      )
      found |= checkpoint.dense(f'{path}/time_output', f'{time}_dense')
      found |= checkpoint.norm(f'{path}/time_norm', f'{time}_layernorm')
  return found


def _projections(config: Config, path: str, name: str) -> checkpoint.Table:
  """Queries, keys and values, which the checkpoint holds as one."""
  found = {}
  for i, part in enumerate(('query', 'key', 'value')):
    for leaf, source in checkpoint.dense(
      f'{path}/{part}', f'{name}.attention.qkv', config.qkv_bias
    ).items():
      found[leaf] = dataclasses.replace(source, part=(i, 3))
  return found
