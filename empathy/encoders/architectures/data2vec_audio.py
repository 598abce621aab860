"""data2vec of sound (arXiv 2202.03555): wav2vec 2.0 with other positions.

Several narrow convolutions, one after another, stand for positions.
"""

import dataclasses
from typing import ClassVar

from flax import linen as nn

from empathy.encoders import checkpoint, transformer
from empathy.encoders.architectures import wav2vec2

Array = transformer.Array


@dataclasses.dataclass(frozen=True)
class Config(wav2vec2.Config):
  """The settings in `config.json`, by their names there."""

  # Whatever a checkpoint says: Transformers does not look.
  feat_extract_norm: ClassVar[str] = 'layer'
  do_stable_layer_norm: ClassVar[bool] = False
  conv_pos_batch_norm: ClassVar[bool] = False

  model_type: str = 'data2vec-audio'
  num_conv_pos_embeddings: int = 5
  conv_pos_kernel_size: int = 19


class Model(wav2vec2.Model):
  """The encoder."""

  config: Config

  def positions(self, x: Array, mask: Array | None) -> Array:
    """See `wav2vec2.Model`."""
    c = self.config
    activate = transformer.activation(c.feat_extract_activation)
    for i in range(c.num_conv_pos_embeddings):
      x = wav2vec2.Convolution(
        c.hidden_size,
        c.conv_pos_kernel_size,
        1,
        True,
        self.dtype,
        c.num_conv_pos_embedding_groups,
        name=f'positions_{i}',
      )(wav2vec2.zeroed(x, mask))
      x = nn.LayerNorm(
        1e-5,
        self.dtype,
        use_bias=False,
        use_scale=False,
        use_fast_variance=False,
      )(x)
      x = activate(x)
    return x


INPUT = wav2vec2.INPUT
PREFIXES = ('data2vec_audio.',)
DROPPED = wav2vec2.DROPPED
example = wav2vec2.example


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = wav2vec2.table_without_positions(config)
  for i in range(config.num_conv_pos_embeddings):
    found |= checkpoint.dense(
      f'positions_{i}', f'encoder.pos_conv_embed.layers.{i}.conv'
    )
  return found
