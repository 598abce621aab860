"""ModernBERT (arXiv 2412.13663).

Positions are rotary. Every third layer attends to all, the others to what is
near, with wavelengths of their own.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from empathy.encoders import checkpoint, transformer
from empathy.encoders.inputs import texts

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {
    'attention_bias': False,
    'mlp_bias': False,
    'norm_bias': False,
    'rope_scaling': None,
    'rope_parameters.full_attention.rope_type': 'default',
    'rope_parameters.sliding_attention.rope_type': 'default',
  }
  RENAMED: ClassVar[dict[str, str]] = {
    'rope_parameters.full_attention.rope_theta': 'global_rope_theta',
    'rope_parameters.sliding_attention.rope_theta': 'local_rope_theta',
  }
  model_type: str = 'modernbert'
  vocab_size: int = 50368
  hidden_size: int = 768
  num_hidden_layers: int = 22
  num_attention_heads: int = 12
  intermediate_size: int = 1152
  hidden_activation: str = 'gelu'
  embedding_dropout: float = 0.0
  attention_dropout: float = 0.0
  mlp_dropout: float = 0.0
  max_position_embeddings: int = 8192
  norm_eps: float = 1e-5
  local_attention: int = 128
  global_rope_theta: float = 160_000.0
  local_rope_theta: float = 10_000.0
  global_attn_every_n_layers: int = 3
  layer_types: tuple[str, ...] = ()

  @property
  def max_tokens(self) -> int:
    """How many tokens there are positions for."""
    return self.max_position_embeddings

  def is_global(self, layer: int) -> bool:
    """Whether a layer attends to all."""
    if self.layer_types:
      return self.layer_types[layer] == 'full_attention'
    return layer % self.global_attn_every_n_layers == 0


class Layer(nn.Module):
  """Attention, then a gated feed-forward network.

  Attributes:
    settings: of all layers.
    window: how far a query sees in either direction; None: everywhere.
    has_norm: whether what goes into attention is normalised.
  """

  settings: transformer.Settings
  window: int | None
  has_norm: bool

  @nn.compact
  def __call__(
    self, x: Array, context: tuple[Any, ...], deterministic: bool = True
  ) -> Array:
    """Maps (B, T, D) to (B, T, D).

    Args:
      x: (B, T, D).
      context: added to the scores; rotations where all is seen, and where not.
      deterministic: drop nothing.
    """
    s = self.settings
    bias, everywhere, near = context
    rotation = everywhere if self.window is None else near
    y = s.norm('attention_norm')(x) if self.has_norm else x
    y = transformer.Attention(s, name='attention')(
      y, bias, deterministic, rotation, self.window
    )
    x += nn.Dropout(s.attention_dropout)(y, deterministic=deterministic)
    y = s.norm('feed_forward_norm')(x)
    return x + transformer.FeedForward(s, name='feed_forward')(y, deterministic)


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
      InputError: T is more than there are positions.
    """
    c, length = self.config, input_ids.shape[1]
    transformer.check_length(length, c.max_tokens)
    settings = transformer.Settings.of(
      c,
      self.dtype,
      activation=c.hidden_activation,
      epsilon=c.norm_eps,
      activation_dropout=c.mlp_dropout,
      qkv_bias=(False,) * 3,
      use_bias=False,
      norm_bias=False,
      is_gated=True,
    )
    x = nn.Embed(c.vocab_size, c.hidden_size, self.dtype, name='words')(
      input_ids
    )
    x = settings.norm('norm')(x)
    x = nn.Dropout(c.embedding_dropout)(x, deterministic=deterministic)
    width = c.hidden_size // c.num_attention_heads
    rotations = (
      transformer.rotations(length, width, theta)
      for theta in (c.global_rope_theta, c.local_rope_theta)
    )
    states = transformer.apply_layers(
      Layer,
      {'settings': settings},
      c.num_hidden_layers,
      self.remat,
      x,
      (transformer.mask_to_bias(attention_mask), *rotations),
      deterministic,
      of_layer=lambda i: {
        'window': None if c.is_global(i) else c.local_attention // 2,
        'has_norm': i > 0,
      },
    )
    last = settings.norm('final_norm')(states[-1])
    return transformer.Output(last, (*states[:-1], last))


INPUT = texts.INPUT
PREFIXES = ('model.',)
DROPPED = (r'(head|decoder|classifier)\..*',)

example = texts.example


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.plain(
    'words/embedding', 'embeddings.tok_embeddings.weight'
  )
  norms = {'norm': 'embeddings.norm', 'final_norm': 'final_norm'}
  for i in range(config.num_hidden_layers):
    ours, theirs = f'layer_{i}', f'layers.{i}'
    for number, part in enumerate(('query', 'key', 'value')):
      found |= checkpoint.dense(
        f'{ours}/attention/{part}', f'{theirs}.attn.Wqkv', False, (number, 3)
      )
    for number, part in enumerate(('gate', 'up')):
      found |= checkpoint.dense(
        f'{ours}/feed_forward/{part}', f'{theirs}.mlp.Wi', False, (number, 2)
      )
    for path, name in (
      ('attention/output', 'attn'),
      ('feed_forward/down', 'mlp'),
    ):
      found |= checkpoint.dense(f'{ours}/{path}', f'{theirs}.{name}.Wo', False)
    norms |= {f'{ours}/feed_forward_norm': f'{theirs}.mlp_norm'}
    if i:
      norms |= {f'{ours}/attention_norm': f'{theirs}.attn_norm'}
  for path, name in norms.items():
    found |= checkpoint.norm(path, name, False)
  return found
