"""Decoders: Llama 1 to 3 (arXiv 2407.21783), Mistral, Qwen2 and Qwen3.

Their states are features of a text. A token sees those before it alone, so that
the last one's state stands for the whole. They differ in which projections have
a bias, in whether queries and keys are normalised (Qwen3), and in how far a
token sees.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy import errors
from empathy.encoders import checkpoint, inputs, transformer
from empathy.encoders.inputs import texts

Array = jax.Array

# Positions are not learned: there may be many thousand. Longer texts are cut
# into windows of so many tokens, whose T x T scores a machine can hold.
_MOST_TOKENS = 4_096


@dataclasses.dataclass(frozen=True)
class Rope:
  """How positions turn queries and keys (`rope_parameters`)."""

  FIXED: ClassVar[dict[str, Any]] = {'partial_rotary_factor': 1.0}
  RENAMED: ClassVar[dict[str, str]] = {'type': 'rope_type'}
  rope_type: str = 'default'
  rope_theta: float = 10_000.0
  factor: float = 1.0
  low_freq_factor: float = 1.0
  high_freq_factor: float = 4.0
  original_max_position_embeddings: int = 8192

  def scale(self, frequencies: np.ndarray) -> np.ndarray:
    """Frequencies for longer texts than those trained with at first.

    Waves that are long beside these are slowed down by `factor`, short ones
    left, and between the two it changes evenly (arXiv 2407.21783, section 3.2).

    Args:
      frequencies: float32, in radians a position; rounded in PyTorch's steps.

    Raises:
      InputError: there is another way to do it.
    """
    if self.rope_type == 'default':
      return frequencies
    if self.rope_type != 'llama3':
      raise errors.InputError(
        f"rope_type is {self.rope_type!r}: only 'default' and 'llama3' are "
        'supported'
      )
    length = np.float32(self.original_max_position_embeddings)
    low, high = np.float32(self.low_freq_factor), self.high_freq_factor
    waves = length / (np.float32(2 * np.pi) / frequencies)
    share = np.clip((waves - low) / (np.float32(high) - low), 0, 1)
    slow = (1 - share) * frequencies / np.float32(self.factor)
    return slow + share * frequencies


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {}
  RENAMED: ClassVar[dict[str, str]] = {
    'rope_scaling': 'rope_parameters',
    'rope_theta': 'rope_parameters.rope_theta',
    'partial_rotary_factor': 'rope_parameters.partial_rotary_factor',
  }
  model_type: str = 'llama'
  vocab_size: int = 32000
  hidden_size: int = 4096
  intermediate_size: int = 11008
  num_hidden_layers: int = 32
  num_attention_heads: int = 32
  num_key_value_heads: int | None = None
  head_dim: int | None = None
  hidden_act: str = 'silu'
  max_position_embeddings: int = 2048
  rms_norm_eps: float = 1e-6
  attention_bias: bool = False
  mlp_bias: bool = False
  attention_dropout: float = 0.0
  use_sliding_window: bool = False
  sliding_window: int | None = None
  max_window_layers: int = 28
  layer_types: tuple[str, ...] = ()
  rope_parameters: Rope = Rope()

  @property
  def max_tokens(self) -> int:
    """How many tokens are encoded at once."""
    return min(self.max_position_embeddings, _MOST_TOKENS)

  @property
  def num_groups(self) -> int:
    """How many heads of keys and values there are."""
    return self.num_key_value_heads or self.num_attention_heads

  @property
  def width(self) -> int:
    """Of a head."""
    if self.model_type == 'qwen3' and self.head_dim is None:
      return 128
    return self.head_dim or self.hidden_size // self.num_attention_heads

  @property
  def biases(self) -> tuple[bool, bool]:
    """Whether queries, keys and values have a bias, and what attention adds."""
    is_qwen2 = self.model_type == 'qwen2'
    return self.attention_bias or is_qwen2, self.attention_bias

  def window(self, layer: int) -> int | None:
    """How many tokens one sees in a layer, itself too; None: all before it."""
    if self.layer_types:
      is_near = self.layer_types[layer] == 'sliding_attention'
    elif self.model_type.startswith('qwen'):
      is_near = self.use_sliding_window and layer >= self.max_window_layers
    else:
      is_near = self.model_type == 'mistral'
    return self.sliding_window if is_near else None


class Attention(nn.Module):
  """Attention whose heads of keys serve several of queries (2305.13245)."""

  config: Config
  settings: transformer.Settings

  @nn.compact
  def __call__(
    self, x: Array, bias: Array, rotation: np.ndarray, deterministic: bool
  ) -> Array:
    """Maps (B, T, D) to (B, T, D); see `transformer.Attention`."""
    c, s = self.config, self.settings
    has_bias, has_output_bias = c.biases

    def heads(name: str, count: int) -> Array:
      y = nn.Dense(count * c.width, has_bias, s.dtype, name=name)(x)
      y = transformer.split_heads(y, count)
      if name == 'value':
        return y
      if c.model_type == 'qwen3':
        y = s.norm(f'{name}_norm')(y)
      return transformer.rotate(y, rotation)

    q = heads('query', c.num_attention_heads) * c.width**-0.5
    k, v = heads('key', c.num_groups), heads('value', c.num_groups)
    y = transformer.attend(s, q, k, v, bias, deterministic)
    return nn.Dense(x.shape[-1], has_output_bias, s.dtype, name='output')(y)


class Layer(nn.Module):
  """Attention, then a gated feed-forward network."""

  config: Config
  settings: transformer.Settings
  window: int | None

  @nn.compact
  def __call__(
    self, x: Array, context: Any, deterministic: bool = True
  ) -> Array:
    """Maps (B, T, D) to (B, T, D).

    Args:
      x: (B, T, D).
      context: what is added to the scores for every window, and rotations.
      deterministic: drop nothing.
    """
    biases, rotation = context
    attention = Attention(self.config, self.settings, name='attention')
    return transformer.add_blocks(
      self.settings,
      x,
      lambda y: attention(y, biases[self.window], rotation, deterministic),
      deterministic,
    )


class Model(nn.Module):
  """The decoder without its head.

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
    input_ids: Array,
    attention_mask: Array | None = None,
    deterministic: bool = True,
  ) -> transformer.Output:
    """Encodes tokens.

    Args:
      input_ids: (B, T) integers.
      attention_mask: (B, T), nonzero for what is not padding; None: nothing is.
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states; at padding they mean nothing.

    Raises:
      InputError: T is more than is encoded at once.
    """
    c, length = self.config, input_ids.shape[1]
    transformer.check_length(length, c.max_tokens)
    settings = transformer.Settings.of(
      c,
      self.dtype,
      epsilon=c.rms_norm_eps,
      pre_norm=True,
      use_bias=c.mlp_bias,
      norm_mean=False,
      is_gated=True,
    )
    x = nn.Embed(c.vocab_size, c.hidden_size, self.dtype, name='words')(
      input_ids
    )
    rope = c.rope_parameters
    rotation = transformer.rotations(
      length, c.width, rope.rope_theta, rope.scale
    )
    windows = [c.window(i) for i in range(c.num_hidden_layers)]
    states = transformer.apply_layers(
      Layer,
      {'config': c, 'settings': settings},
      c.num_hidden_layers,
      self.remat,
      x,
      ({w: _bias(attention_mask, length, w) for w in set(windows)}, rotation),
      deterministic,
      of_layer=lambda i: {'window': windows[i]},
    )
    last = settings.norm('final_norm')(states[-1])
    return transformer.Output(last, (*states[:-1], last))


def _bias(mask: Array | None, length: int, window: int | None) -> Array:
  """What hides from a token those behind it, padding, and what is too far."""
  distance = np.arange(length)[:, None] - np.arange(length)
  seen = ((distance >= 0) & (distance < (window or length)))[None]
  if mask is not None:
    seen = seen & mask[:, None].astype(bool)
  return transformer.mask_to_bias(jnp.asarray(seen))


INPUT = dataclasses.replace(
  texts.INPUT, own=lambda found, config: inputs.Own('last')
)
PREFIXES = ('model.', 'transformer.')
DROPPED = (
  r'(lm_head|score|classifier|qa_outputs)\..*',
  r'layers\.\d+\.self_attn\.rotary_emb\.inv_freq',
)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  del config
  return {'input_ids': np.zeros((1, 1), np.int32)}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.plain('words/embedding', 'embed_tokens.weight')
  dense: dict[str, tuple[str, bool]] = {}
  norms = {'final_norm': 'norm'}
  for i in range(config.num_hidden_layers):
    ours, theirs = f'layer_{i}', f'layers.{i}'
    for part in ('query', 'key', 'value', 'output'):
      dense[f'{ours}/attention/{part}'] = (
        f'{theirs}.self_attn.{part[0]}_proj',
        config.biases[part == 'output'],
      )
    for part in ('gate', 'up', 'down'):
      dense[f'{ours}/feed_forward/{part}'] = (
        f'{theirs}.mlp.{part}_proj',
        config.mlp_bias,
      )
    norms[f'{ours}/attention_norm'] = f'{theirs}.input_layernorm'
    norms[f'{ours}/feed_forward_norm'] = f'{theirs}.post_attention_layernorm'
    if config.model_type == 'qwen3':
      for part in ('query', 'key'):
        norms[f'{ours}/attention/{part}_norm'] = (
          f'{theirs}.self_attn.{part[0]}_norm'
        )
  for path, (name, has_bias) in dense.items():
    found |= checkpoint.dense(path, name, has_bias)
  for path, name in norms.items():
    found |= checkpoint.norm(path, name, use_bias=False)
  return found
