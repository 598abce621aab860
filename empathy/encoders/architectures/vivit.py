"""ViViT (arXiv 2103.15691): a transformer over tubelets of a video.

It is the paper's model 1: all tubelets of a clip attend to each other.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy import errors
from empathy.encoders import checkpoint, inputs, patches, transformer
from empathy.encoders.inputs import films

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {}
  model_type: str = 'vivit'
  image_size: int = 224
  num_channels: int = 3
  num_frames: int = 32
  tubelet_size: tuple[int, ...] = (2, 16, 16)
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str = 'gelu_fast'
  hidden_dropout_prob: float = 0.0
  attention_probs_dropout_prob: float = 0.0
  layer_norm_eps: float = 1e-6
  qkv_bias: bool = True


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

    Args:
      pixel_values: (B, num_frames, num_channels, image_size, image_size).
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states, (B, 1 + T, D), a first token that stands for the clip,
      then T = num_frames / tubelet_size[0] times the patches of a frame. Only
      `last_hidden_state` is normalised.

    Raises:
      InputError: the frames are of another number or size, or the patches are
        no squares.
    """
    c = self.config
    patches.check(c, pixel_values, c.num_frames)
    depth, height, width = (*c.tubelet_size, 0, 0, 0)[:3]
    if len(c.tubelet_size) != 3 or height != width:
      raise errors.InputError(
        f'tubelet_size: {c.tubelet_size}: expected frames and a square'
      )
    x = patches.Embedding(
      c.hidden_size, depth, height, self.dtype, name='patches'
    )(pixel_values)
    x = x.reshape(len(x), -1, c.hidden_size)
    init = nn.initializers.normal(0.02)
    first = self.param('first', init, (1, 1, c.hidden_size))
    positions = self.param(
      'positions', init, (1, 1 + x.shape[1], c.hidden_size)
    )
    first = jnp.broadcast_to(
      first.astype(self.dtype), (len(x), 1, c.hidden_size)
    )
    x = jnp.concatenate([first, x], 1) + positions.astype(self.dtype)
    x = nn.Dropout(c.hidden_dropout_prob)(x, deterministic=deterministic)
    settings = transformer.Settings.of(
      c, self.dtype, pre_norm=True, qkv_bias=(c.qkv_bias,) * 3
    )
    states = transformer.apply_layers(
      transformer.Layer,
      {'settings': settings},
      c.num_hidden_layers,
      self.remat,
      x,
      None,
      deterministic,
    )
    norm = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')
    return transformer.Output(norm(states[-1]), states)


INPUT = films.film(
  films.prepared_by('VivitImageProcessor'),
  films.only_those_trained,
  own=lambda found, config: inputs.FIRST,
)
PREFIXES = ('vivit.',)
DROPPED = (r'(pooler|classifier)\..*',)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  return patches.example(config)


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = patches.embeddings_table()
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layer.{i}'
    found |= patches.projections_table(path, name, config.qkv_bias)
    found |= patches.layer_table(path, name)
  return found
