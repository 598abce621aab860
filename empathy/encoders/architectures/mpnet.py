"""MPNet (arXiv 2004.09297).

RoBERTa without types, and with a bias of the scores by how far a key is from
its query, which all layers share.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy.encoders import checkpoint
from empathy.encoders.architectures import roberta
from empathy.encoders.inputs import texts

Array = jax.Array

_NUM_BUCKETS = 32
_FARTHEST = 128


@dataclasses.dataclass(frozen=True)
class Config(roberta.Config):
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {
    'relative_attention_num_buckets': _NUM_BUCKETS,
    'pad_token_id': 1,
  }
  model_type: str = 'mpnet'
  vocab_size: int = 30527
  type_vocab_size: ClassVar[int] = 0
  embedding_size: ClassVar[None] = None


class Model(roberta.Model):
  """The encoder; its attributes are RoBERTa's."""

  def bias(self, mask: Array | None, length: int) -> Array:
    """What is added to the scores, (B or 1, H, T, T)."""
    places = np.arange(length)
    numbers = buckets(places - places[:, None])
    heads = self.config.num_attention_heads
    by_distance = nn.Embed(_NUM_BUCKETS, heads, name='distances')(numbers)
    own = by_distance.transpose(2, 0, 1)[None].astype(jnp.float32)
    masked = super().bias(mask, length)
    return own if masked is None else own + masked


def buckets(distances: np.ndarray) -> np.ndarray:
  """The number of the bucket of every distance of a key from its query.

  Half of the buckets are for keys before the query, half for those after it. Of
  these, half are for one distance each; the others widen up to `_FARTHEST`
  (arXiv 1910.10683). Rounded as PyTorch does.
  """
  half = _NUM_BUCKETS // 2
  few = half // 2
  size = np.abs(distances)
  share = np.log(np.maximum(size, 1).astype(np.float32) / np.float32(few))
  share = share / np.float32(np.log(_FARTHEST / few)) * np.float32(half - few)
  large = np.minimum(few + share.astype(int), half - 1)
  return np.where(size < few, size, large) + half * (distances > 0)


INPUT = texts.INPUT
PREFIXES = ('mpnet.',)
DROPPED = roberta.DROPPED
example = texts.example

_PARTS = {
  'attention/query': 'attention.attn.q',
  'attention/key': 'attention.attn.k',
  'attention/value': 'attention.attn.v',
  'attention/output': 'attention.attn.o',
  'attention_norm': 'attention.LayerNorm',
}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = roberta.embeddings_table(config) | checkpoint.plain(
    'distances/embedding', 'encoder.relative_attention_bias.weight'
  )
  for i in range(config.num_hidden_layers):
    found |= roberta.layer_table(f'layer_{i}', f'encoder.layer.{i}', _PARTS)
  return found
