"""V-JEPA 2 (arXiv 2506.09985): a transformer over tubelets of a video.

Positions turn queries and keys: a third of a head's numbers each by the time,
the row and the column, so that a clip may have any number of frames.
"""

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
  model_type: str = 'vjepa2'
  crop_size: int = 256
  patch_size: int = 16
  in_chans: int = 3
  frames_per_clip: int = 64
  tubelet_size: int = 2
  hidden_size: int = 1024
  num_hidden_layers: int = 24
  num_attention_heads: int = 16
  mlp_ratio: float = 4.0
  hidden_act: str = 'gelu'
  attention_probs_dropout_prob: float = 0.0
  layer_norm_eps: float = 1e-6
  qkv_bias: bool = True

  @property
  def image_size(self) -> int:
    """Height and width of a frame."""
    return self.crop_size

  @property
  def num_channels(self) -> int:
    """Of a frame."""
    return self.in_chans

  @property
  def num_frames(self) -> int:
    """The fewest that are not repeated."""
    return self.tubelet_size


def rotations(grid: tuple[int, int, int], width: int) -> np.ndarray:
  """By how much positions turn the numbers of a head.

  Of each of the three axes, numbers are turned in pairs. The published weights
  learned with angles that differ between the two of a pair: number i of the d
  of an axis has frequency i modulo d / 2, rather than that of its pair.

  Args:
    grid: how many tubelets there are in time, rows and columns, T in all.
    width: D, of a head; what three even parts do not take stays as it is.

  Returns:
    (2, T, D) float32: what multiplies a number, and what the other of its pair.
  """
  part = width // 6 * 2
  frequency = 1e4 ** -(np.arange(part) % max(part // 2, 1) / max(part / 2, 1))
  # (axes, T, 1), times (part,).
  places = np.indices(grid).reshape(3, -1, 1)
  angles = np.concatenate(list(places * frequency), -1)
  angles = np.pad(angles, ((0, 0), (0, width - 3 * part)))
  sign = np.where(np.arange(width) % 2, 1, -1)
  return np.stack([np.cos(angles), sign * np.sin(angles)]).astype(np.float32)


def rotate(x: Array, by: Array) -> Array:
  """Turns queries or keys (..., T, D) by their positions; see `rotations`."""
  others = x.reshape(*x.shape[:-1], -1, 2)[..., ::-1].reshape(x.shape)
  return (x * by[0] + others * by[1]).astype(x.dtype)


class Layer(nn.Module):
  """Attention, then a feed-forward network."""

  settings: transformer.Settings

  @nn.compact
  def __call__(self, x: Array, by: Array, deterministic: bool = True) -> Array:
    """Maps (B, T, D) to (B, T, D), positions turned as of `rotations`."""
    attention = transformer.Attention(self.settings, name='attention')
    return transformer.add_blocks(
      self.settings,
      x,
      lambda y: attention(y, None, deterministic, lambda q: rotate(q, by)),
      deterministic,
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
    self, pixel_values_videos: Array, deterministic: bool = True
  ) -> transformer.Output:
    """Encodes frames.

    Args:
      pixel_values_videos: (B, F, in_chans, crop_size, crop_size); fewer frames
        than are in a tubelet are repeated, and of more a rest is left out.
      deterministic: drop nothing; otherwise the rng `dropout` is needed. Whole
        blocks are never dropped.

    Returns:
      The hidden states, (B, T, D), T = F / tubelet_size times the patches of a
      frame. Only `last_hidden_state` is normalised.

    Raises:
      InputError: the frames are of another size.
    """
    c = self.config
    x = pixel_values_videos
    patches.check(c, x)
    if x.shape[1] < c.tubelet_size:
      x = jnp.tile(x, (1, c.tubelet_size, 1, 1, 1))
    x = patches.Embedding(
      c.hidden_size, c.tubelet_size, c.patch_size, self.dtype, name='patches'
    )(x[:, : x.shape[1] // c.tubelet_size * c.tubelet_size])
    side = c.crop_size // c.patch_size
    by = rotations(
      (x.shape[1], side, side), c.hidden_size // c.num_attention_heads
    )
    settings = transformer.Settings.of(
      c,
      self.dtype,
      pre_norm=True,
      intermediate_size=int(c.hidden_size * c.mlp_ratio),
      qkv_bias=(c.qkv_bias,) * 3,
    )
    states = transformer.apply_layers(
      Layer,
      {'settings': settings},
      c.num_hidden_layers,
      self.remat,
      x.reshape(len(x), -1, c.hidden_size),
      jnp.asarray(by),
      deterministic,
    )
    norm = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')
    return transformer.Output(norm(states[-1]), states)


def _wanted(config: Config, count: int) -> str:
  """What the encoder takes, where it does not take so many frames."""
  size = config.tubelet_size
  return f'a multiple of {size} frames' if count > 1 and count % size else ''


def _shortest(processor: Any) -> None:
  """Sets what Transformers' own, which needs PyTorch, sets whatever is asked.

  Of the pictures' shorter side 224 of 256 are within the crop.
  """
  size = int(processor.crop_size['height'] * 256 / 224)
  processor.size = type(processor.size)(shortest_edge=size)


INPUT = films.film(
  films.prepared_by(
    'VideoMAEImageProcessorPil',
    'video_preprocessor_config.json',
    _shortest,
    crop_size={'height': 256, 'width': 256},
    image_mean=(0.485, 0.456, 0.406),
    image_std=(0.229, 0.224, 0.225),
  ),
  _wanted,
  name='pixel_values_videos',
)
PREFIXES = ('vjepa2.',)
DROPPED = (r'(predictor|pooler|classifier)\..*',)


def example(config: Config) -> dict[str, np.ndarray]:
  """The smallest input."""
  (pixels,) = patches.example(config).values()
  return {'pixel_values_videos': pixels}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.dense(
    'patches', 'encoder.embeddings.patch_embeddings.proj'
  )
  found |= checkpoint.norm('norm', 'encoder.layernorm')
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layer.{i}'
    for part in ('query', 'key', 'value'):
      found |= checkpoint.dense(
        f'{path}/attention/{part}', f'{name}.attention.{part}', config.qkv_bias
      )
    for ours, theirs in (
      ('attention/output', 'attention.proj'),
      ('feed_forward/up', 'mlp.fc1'),
      ('feed_forward/down', 'mlp.fc2'),
    ):
      found |= checkpoint.dense(f'{path}/{ours}', f'{name}.{theirs}')
    for ours, theirs in (
      ('attention_norm', 'norm1'),
      ('feed_forward_norm', 'norm2'),
    ):
      found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found
