"""VideoMAE (arXiv 2203.12602): a transformer over tubelets of a video."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy.encoders import checkpoint, patches, transformer
from empathy.encoders.inputs import films

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {}
  RENAMED: ClassVar[dict[str, str]] = {'qv_bias': 'qkv_bias'}
  model_type: str = 'videomae'
  image_size: int = 224
  patch_size: int = 16
  num_channels: int = 3
  num_frames: int = 16
  tubelet_size: int = 2
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str = 'gelu'
  hidden_dropout_prob: float = 0.0
  attention_probs_dropout_prob: float = 0.0
  layer_norm_eps: float = 1e-12
  qkv_bias: bool = True
  use_mean_pooling: bool = True


def sinusoids(length: int, width: int) -> np.ndarray:
  """The positions' embeddings (arXiv 1706.03762), sines and cosines in turn."""
  rate = 1e4 ** (-2 * (np.arange(width) // 2) / width)
  angle = np.arange(length)[:, None] * rate
  return np.where(np.arange(width) % 2, np.cos(angle), np.sin(angle)).astype(
    np.float32
  )


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
      The hidden states, (B, T, D), T = num_frames / tubelet_size times the
      patches of a frame. The last is normalised unless the config has
      `use_mean_pooling`, whose norm belongs to the classifier.

    Raises:
      InputError: the frames are of another number or size.
    """
    c = self.config
    patches.check(c, pixel_values, c.num_frames)
    x = patches.Embedding(
      c.hidden_size, c.tubelet_size, c.patch_size, self.dtype, name='patches'
    )(pixel_values)
    x = x.reshape(x.shape[0], -1, c.hidden_size)
    x += sinusoids(*x.shape[1:]).astype(self.dtype)
    states = transformer.apply_layers(
      transformer.Layer,
      {
        'settings': transformer.Settings.of(
          c, self.dtype, pre_norm=True, qkv_bias=(c.qkv_bias, False, c.qkv_bias)
        )
      },
      c.num_hidden_layers,
      self.remat,
      x,
      None,
      deterministic,
    )
    last = states[-1]
    if not c.use_mean_pooling:
      last = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')(last)
    return transformer.Output(last, states)


INPUT = films.film(wanted=films.only_those_trained)
PREFIXES = ('videomae.',)
DROPPED = (
  'mask_token',
  r'(decoder|encoder_to_decoder|fc_norm|classifier)\..*',
)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  return patches.example(config)


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.dense('patches', 'embeddings.patch_embeddings.projection')
  if not config.use_mean_pooling:
    found |= checkpoint.norm('norm', 'layernorm')
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layer.{i}'
    for part in ('query', 'key', 'value'):
      attention = f'{name}.attention.attention'
      found |= checkpoint.dense(
        f'{path}/attention/{part}', f'{attention}.{part}', False
      )
      if config.qkv_bias and part != 'key':
        found |= checkpoint.plain(
          f'{path}/attention/{part}/bias',
          f'{attention}.{part[0]}_bias',
          f'{attention}.{part}.bias',
        )
    found |= patches.layer_table(path, name)
  return found
