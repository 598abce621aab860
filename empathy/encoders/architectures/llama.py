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
from empathy.encoders.inputs import sentences, texts

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
  factor: float | None = None
  low_freq_factor: float | None = None
  high_freq_factor: float | None = None
  original_max_position_embeddings: int | None = None

  def scale(self, frequencies: np.ndarray) -> np.ndarray:
    """Frequencies for longer texts than those trained with at first.

    Waves that are long beside these are slowed down by `factor`, short ones
    left, and between the two it changes evenly (arXiv 2407.21783, section 3.2).

    Args:
      frequencies: float32, in radians a position; rounded in PyTorch's steps.

    Raises:
      InputError: it is done in another way, or a setting is missing.
    """
    if self.rope_type == 'default':
      return frequencies
    settings = (
      self.original_max_position_embeddings,
      self.low_freq_factor,
      self.high_freq_factor,
      self.factor,
    )
    if self.rope_type != 'llama3' or None in settings:
      raise errors.InputError(
        f"rope_type is {self.rope_type!r}: only 'default' is supported, and "
        "'llama3' with all that it is scaled by"
      )
    length, low, high, factor = np.float32(settings)
    waves = length / (np.float32(2 * np.pi) / frequencies)
    share = np.clip((waves - low) / (high - low), 0, 1)
    return (1 - share) * frequencies / factor + share * frequencies


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {
    'attention_bias': False,
    'mlp_bias': False,
    'is_causal': True,
  }
  RENAMED: ClassVar[dict[str, str]] = {
    'rope_scaling': 'rope_parameters',
    'rope_theta': 'rope_parameters.rope_theta',
    'partial_rotary_factor': 'rope_parameters.partial_rotary_factor',
  }
  is_causal: ClassVar[bool] = True
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
  def width(self) -> int:
    """Of a head."""
    share = self.hidden_size // self.num_attention_heads
    return self.head_dim or (128 if self.model_type == 'qwen3' else share)

  def is_near(self, layer: int) -> bool:
    """Whether a layer's tokens see `sliding_window` alone, themselves too."""
    if self.sliding_window is None or self.model_type == 'llama':
      return False
    if self.layer_types:
      return self.layer_types[layer] == 'sliding_attention'
    is_deep = self.use_sliding_window and layer >= self.max_window_layers
    return is_deep or self.model_type == 'mistral'


class Layer(nn.Module):
  """Attention, then a gated feed-forward network."""

  settings: transformer.Settings
  is_near: bool

  @nn.compact
  def __call__(
    self, x: Array, context: Any, deterministic: bool = True
  ) -> Array:
    """Maps (B, T, D) to (B, T, D).

    Args:
      x: (B, T, D).
      context: what is added to the scores where a token sees all before it,
        and where only what is near; rotations.
      deterministic: drop nothing.
    """
    *biases, rotation = context
    attention = transformer.Attention(self.settings, name='attention')
    return transformer.add_blocks(
      self.settings,
      x,
      lambda y: attention(y, biases[self.is_near], deterministic, rotation),
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
      qkv_bias=(c.model_type == 'qwen2',) * 3,
      use_bias=False,
      norm_mean=False,
      num_groups=c.num_key_value_heads,
      head_size=c.width,
      norm_heads=c.model_type == 'qwen3',
      is_gated=True,
    )
    x = nn.Embed(c.vocab_size, c.hidden_size, self.dtype, name='words')(
      input_ids
    )
    rope = c.rope_parameters
    rotation = transformer.rotations(
      length, c.width, rope.rope_theta, rope.scale
    )
    states = transformer.apply_layers(
      Layer,
      {'settings': settings},
      c.num_hidden_layers,
      self.remat,
      x,
      (
        _bias(attention_mask, length),
        _bias(attention_mask, length, c.sliding_window),
        rotation,
      ),
      deterministic,
      of_layer=lambda i: {'is_near': c.is_near(i)},
    )
    last = settings.norm('final_norm')(states[-1])
    return transformer.Output(last, (*states[:-1], last))


def _bias(mask: Array | None, length: int, window: int | None = None) -> Array:
  """What hides from a token those behind it, padding, and what is too far."""
  distance = np.arange(length)[:, None] - np.arange(length)
  seen = ((distance >= 0) & (distance < (window or length)))[None]
  if mask is not None:
    seen = seen & mask[:, None].astype(bool)
  return transformer.mask_to_bias(jnp.asarray(seen))


INPUT = texts.text(
  own=lambda found, config: sentences.own(found, inputs.Own('last'))
)
PREFIXES = ('model.', 'transformer.')
DROPPED = (
  r'(lm_head|score|classifier|qa_outputs)\..*',
  r'layers\.\d+\.self_attn\.rotary_emb\.inv_freq',
)

example = texts.example


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.plain('words/embedding', 'embed_tokens.weight')
  norms = {'final_norm': 'norm'}
  for i in range(config.num_hidden_layers):
    ours, theirs = f'layer_{i}', f'layers.{i}'
    for part in ('query', 'key', 'value', 'output'):
      found |= checkpoint.dense(
        f'{ours}/attention/{part}',
        f'{theirs}.self_attn.{part[0]}_proj',
        config.model_type == 'qwen2' and part != 'output',
      )
    for part in ('gate', 'up', 'down'):
      found |= checkpoint.dense(
        f'{ours}/feed_forward/{part}', f'{theirs}.mlp.{part}_proj', False
      )
    norms[f'{ours}/attention_norm'] = f'{theirs}.input_layernorm'
    norms[f'{ours}/feed_forward_norm'] = f'{theirs}.post_attention_layernorm'
    if config.model_type == 'qwen3':
      for part in ('query', 'key'):
        norms[f'{ours}/attention/{part}_norm'] = (
          f'{theirs}.self_attn.{part[0]}_norm'
        )
  for path, name in norms.items():
    found |= checkpoint.norm(path, name, use_bias=False)
  return found
