"""RoBERTa (arXiv 1907.11692), BERT (1810.04805) and ELECTRA (2003.10555).

They differ in how positions are counted: BERT and ELECTRA from 0; RoBERTa, and
CamemBERT, XLM-R and data2vec of text, which are RoBERTa, from the number after
the padding token's, over the tokens that are not padding. ELECTRA's embeddings
may be narrower than its layers.
"""

import dataclasses
import functools
from collections.abc import Mapping
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
    'position_embedding_type': 'absolute',
    'is_decoder': False,
  }
  DEFAULTS: ClassVar[dict[str, dict[str, Any]]] = {
    'electra': {
      'embedding_size': 128,
      'hidden_size': 256,
      'num_attention_heads': 4,
      'intermediate_size': 1024,
    }
  }
  model_type: str = 'roberta'
  vocab_size: int = 50265
  embedding_size: int | None = None
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
    """The first token's; RoBERTa's are behind that of the padding."""
    is_from_0 = self.model_type in ('bert', 'electra')
    return 0 if is_from_0 else self.pad_token_id + 1


class Model(nn.Module):
  """The encoder, also of others that embed tokens as these do.

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
    if not c.first_position:
      positions = jnp.arange(input_ids.shape[1])[None]
    else:
      real = input_ids != c.pad_token_id
      positions = jnp.cumsum(real, axis=1) * real + c.pad_token_id
    width = c.embedding_size or c.hidden_size
    embed = functools.partial(nn.Embed, features=width, dtype=self.dtype)
    x = embed(c.vocab_size, name='words')(input_ids)
    if c.type_vocab_size:
      x += embed(c.type_vocab_size, name='types')(token_type_ids)
    x += embed(c.max_position_embeddings, name='positions')(positions)
    x = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')(x)
    x = nn.Dropout(c.hidden_dropout_prob)(x, deterministic=deterministic)
    if width != c.hidden_size:
      x = nn.Dense(c.hidden_size, dtype=self.dtype, name='projection')(x)
    states = transformer.apply_layers(
      transformer.Layer,
      {'settings': transformer.Settings.of(c, self.dtype)},
      c.num_hidden_layers,
      self.remat,
      x,
      self.bias(attention_mask, input_ids.shape[1]),
      deterministic,
    )
    return transformer.Output(states[-1], states)

  def bias(self, mask: Array | None, length: int) -> Array | None:
    """What is added to the scores of `length` tokens in every layer."""
    del length
    return transformer.mask_to_bias(mask)


INPUT = texts.INPUT
PREFIXES = ('bert.', 'roberta.', 'electra.', 'data2vec_text.')
DROPPED = (
  r'(.*\.)?position_ids',
  r'(pooler|cls|lm_head|classifier|qa_outputs)\..*',
  r'(generator|discriminator)_(predictions|lm_head)\..*',
  r'sequence_summary\..*',
)

example = texts.example


# Parts of a layer, by their names in published checkpoints.
_PARTS = {
  'attention/query': 'attention.self.query',
  'attention/key': 'attention.self.key',
  'attention/value': 'attention.self.value',
  'attention/output': 'attention.output.dense',
  'attention_norm': 'attention.output.LayerNorm',
  'feed_forward/up': 'intermediate.dense',
  'feed_forward/down': 'output.dense',
  'feed_forward_norm': 'output.LayerNorm',
}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = embeddings_table(config)
  if (config.embedding_size or config.hidden_size) != config.hidden_size:
    found |= checkpoint.dense('projection', 'embeddings_project')
  for i in range(config.num_hidden_layers):
    found |= layer_table(f'layer_{i}', f'encoder.layer.{i}')
  return found


def embeddings_table(config: Any) -> checkpoint.Table:
  """The table of what comes before the layers."""
  found = checkpoint.norm('norm', 'embeddings.LayerNorm')
  kinds = {'words': 'word', 'positions': 'position'}
  if config.type_vocab_size:
    kinds['types'] = 'token_type'
  for ours, theirs in kinds.items():
    found |= checkpoint.plain(
      f'{ours}/embedding', f'embeddings.{theirs}_embeddings.weight'
    )
  return found


def layer_table(
  path: str, name: str, others: Mapping[str, str] | None = None
) -> checkpoint.Table:
  """The table of a layer that is named as BERT's, but for some parts."""
  found = {}
  for ours, theirs in (_PARTS | dict(others or {})).items():
    kind = checkpoint.norm if ours.endswith('norm') else checkpoint.dense
    found |= kind(f'{path}/{ours}', f'{name}.{theirs}')
  return found
