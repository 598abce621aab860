"""RoBERTa (arXiv 1907.11692) and BERT (arXiv 1810.04805).

They differ in how positions are counted: BERT from 0; RoBERTa from the number
after the padding token's, over the tokens that are not padding.
"""

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy.encoders import checkpoint, transformer
from empathy.encoders.inputs import texts

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {
    'position_embedding_type': 'absolute',
    'is_decoder': False,
  }
  model_type: str = 'roberta'
  vocab_size: int = 50265
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str = 'gelu'
  hidden_dropout_prob: float = 0.1
  attention_probs_dropout_prob: float = 0.1
  max_position_embeddings: int = 512
  type_vocab_size: int = 2
  layer_norm_eps: float = 1e-12
  pad_token_id: int = 1

  @property
  def max_tokens(self) -> int:
    """How many tokens there are positions for."""
    return self.max_position_embeddings - self.first_position

  @property
  def first_position(self) -> int:
    """The first token's: all but BERT's are behind that of the padding."""
    return 0 if self.model_type == 'bert' else self.pad_token_id + 1


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
    token_type_ids: Array | None = None,
    deterministic: bool = True,
  ) -> transformer.Output:
    """Encodes tokens.

    Args:
      input_ids: (B, T) integers.
      attention_mask: (B, T), nonzero for what is not padding; None: nothing is.
      token_type_ids: (B, T) integers; None: zeros.
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states; at padding they mean nothing.

    Raises:
      InputError: T is more than there are positions.
    """
    c = self.config
    transformer.check_length(input_ids.shape[1], c.max_tokens)
    if token_type_ids is None:
      token_type_ids = jnp.zeros_like(input_ids)
    if c.model_type == 'bert':
      positions = jnp.arange(input_ids.shape[1])[None]
    else:
      real = input_ids != c.pad_token_id
      positions = jnp.cumsum(real, axis=1) * real + c.pad_token_id
    embed = functools.partial(
      nn.Embed, features=c.hidden_size, dtype=self.dtype
    )
    x = embed(c.vocab_size, name='words')(input_ids)
    x += embed(c.type_vocab_size, name='types')(token_type_ids)
    x += embed(c.max_position_embeddings, name='positions')(positions)
    x = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')(x)
    x = nn.Dropout(c.hidden_dropout_prob)(x, deterministic=deterministic)
    states = transformer.apply_layers(
      transformer.Layer,
      {'settings': transformer.Settings.of(c, self.dtype)},
      c.num_hidden_layers,
      self.remat,
      x,
      transformer.mask_to_bias(attention_mask),
      deterministic,
    )
    return transformer.Output(states[-1], states)


INPUT = texts.INPUT
PREFIXES = ('bert.', 'roberta.')
DROPPED = (
  r'(.*\.)?position_ids',
  r'(pooler|cls|lm_head|classifier|qa_outputs)\..*',
)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  del config
  return {'input_ids': np.zeros((1, 1), np.int32)}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.norm('norm', 'embeddings.LayerNorm')
  for ours, theirs in (
    ('words', 'word'),
    ('types', 'token_type'),
    ('positions', 'position'),
  ):
    found |= checkpoint.plain(
      f'{ours}/embedding', f'embeddings.{theirs}_embeddings.weight'
    )
  for i in range(config.num_hidden_layers):
    found |= layer_table(
      f'layer_{i}', f'encoder.layer.{i}', 'attention.self.{}'
    )
  return found


def layer_table(path: str, name: str, projection: str) -> checkpoint.Table:
  """The table of a layer that is named as BERT's."""
  found = {}
  for part in ('query', 'key', 'value'):
    found |= checkpoint.dense(
      f'{path}/attention/{part}', f'{name}.{projection.format(part)}'
    )
  for ours, theirs in (
    ('attention/output', 'attention.output.dense'),
    ('feed_forward/up', 'intermediate.dense'),
    ('feed_forward/down', 'output.dense'),
  ):
    found |= checkpoint.dense(f'{path}/{ours}', f'{name}.{theirs}')
  for ours, theirs in (
    ('attention_norm', 'attention.output.LayerNorm'),
    ('feed_forward_norm', 'output.LayerNorm'),
  ):
    found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found
