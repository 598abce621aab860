"""SigLIP's encoder of text (arXiv 2303.15343), and SigLIP 2's (2502.14786).

It is CLIP's, but tokens see each other, and padding too: it was trained with
texts of one length, whose last token, mostly of padding, stands for them.
SigLIP 2 differs in its tokenizer.
"""

import dataclasses
from typing import ClassVar

import jax
from flax import linen as nn

from empathy.encoders import checkpoint, inputs
from empathy.encoders.architectures import clip_text
from empathy.encoders.inputs import texts

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config(clip_text.Config):
  """The settings in `config.json`, by their names there."""

  is_causal: ClassVar[bool] = False
  model_type: str = 'siglip_text_model'
  vocab_size: int = 32000
  hidden_size: int = 768
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str = 'gelu_pytorch_tanh'
  max_position_embeddings: int = 64
  layer_norm_eps: float = 1e-6
  projection_size: int | None = None


class Model(clip_text.Model):
  """The encoder; `pooled` is a linear map of the last token's state."""

  def seen(self, ids: Array, mask: Array | None) -> Array | None:
    """Which keys a query may see, (B, T) or (B, T, T); None: all."""
    return mask

  def pool(self, last: Array, ids: Array) -> Array:
    """What stands for the text, (B, projection_size)."""
    c = self.config
    head = nn.Dense(
      c.projection_size or c.hidden_size, dtype=self.dtype, name='head'
    )
    return head(last[:, -1])


INPUT = texts.text(lambda found, config: inputs.Own('pooled'), is_filled=True)
PREFIXES = clip_text.PREFIXES
DROPPED = clip_text.DROPPED
example = texts.example


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  return clip_text.table(config) | checkpoint.dense('head', 'head')
