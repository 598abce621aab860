"""DistilBERT (arXiv 1910.01108): BERT without types, of half as many layers.

Where it learns, what attention adds is dropped as in BERT; Transformers does
not drop that.
"""

import dataclasses
from typing import Any, ClassVar

from empathy.encoders import checkpoint
from empathy.encoders.architectures import roberta
from empathy.encoders.inputs import texts


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there; then by BERT's."""

  FIXED: ClassVar[dict[str, Any]] = {}
  model_type: str = 'distilbert'
  vocab_size: int = 30522
  dim: int = 768
  n_layers: int = 6
  n_heads: int = 12
  hidden_dim: int = 3072
  activation: str = 'gelu'
  dropout: float = 0.1
  attention_dropout: float = 0.1
  max_position_embeddings: int = 512
  pad_token_id: int = 0

  layer_norm_eps: ClassVar[float] = 1e-12
  type_vocab_size: ClassVar[int] = 0
  first_position: ClassVar[int] = 0
  embedding_size: ClassVar[None] = None
  hidden_size = property(lambda self: self.dim)
  num_hidden_layers = property(lambda self: self.n_layers)
  num_attention_heads = property(lambda self: self.n_heads)
  intermediate_size = property(lambda self: self.hidden_dim)
  hidden_act = property(lambda self: self.activation)
  hidden_dropout_prob = property(lambda self: self.dropout)
  max_tokens = property(lambda self: self.max_position_embeddings)


Model = roberta.Model
INPUT = texts.INPUT
PREFIXES = ('distilbert.',)
DROPPED = (
  r'(.*\.)?position_ids',
  r'(vocab_(transform|layer_norm|projector))\..*',
  r'(pre_classifier|classifier|qa_outputs)\..*',
)
example = texts.example

_PARTS = {
  'attention/query': 'attention.q_lin',
  'attention/key': 'attention.k_lin',
  'attention/value': 'attention.v_lin',
  'attention/output': 'attention.out_lin',
  'attention_norm': 'sa_layer_norm',
  'feed_forward/up': 'ffn.lin1',
  'feed_forward/down': 'ffn.lin2',
  'feed_forward_norm': 'output_layer_norm',
}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = roberta.embeddings_table(config)
  for i in range(config.num_hidden_layers):
    found |= roberta.layer_table(f'layer_{i}', f'transformer.layer.{i}', _PARTS)
  return found
