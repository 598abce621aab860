"""What encoders of pictures share: patches, and the names of their layers."""

from typing import Any

import jax
import numpy as np
from flax import linen as nn

from empathy import errors
from empathy.encoders import checkpoint

Array = jax.Array


class Embedding(nn.Module):
  """A linear map of each patch: a convolution whose stride is its size.

  Attributes:
    features: that come out.
    num_frames: of a patch; None for one, without an axis of the kernel for it.
    size: height and width of a patch.
    dtype: in which sums are computed.
  """

  features: int
  num_frames: int | None
  size: int
  dtype: Any

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, C, H, W) to (B, T / num_frames, patches, features)."""
    batch, length, channels, height, width = x.shape
    depth, size = self.num_frames or 1, self.size
    shape = (depth,) if self.num_frames else ()
    shape = (size, size, *shape, channels, self.features)
    kernel = self.param('kernel', nn.initializers.lecun_normal(), shape)
    kernel = kernel.reshape(size, size, depth, channels, self.features)
    bias = self.param('bias', nn.initializers.zeros, (self.features,))
    rows, columns = height // size, width // size
    x = x.astype(self.dtype)[..., : rows * size, : columns * size]
    x = x.reshape(
      *(batch, length // depth, depth, channels),
      *(rows, size, columns, size),
    ).transpose(0, 1, 4, 6, 2, 3, 5, 7)
    x = x.reshape(batch, length // depth, rows * columns, -1)
    # In the order of the pixels: it is the smaller of the two.
    kernel = kernel.transpose(2, 3, 1, 0, 4).reshape(-1, self.features)
    return x @ kernel.astype(self.dtype) + bias.astype(self.dtype)


def check(config: Any, pixels: Array, num_frames: int | None = None) -> None:
  """Raises an `InputError` unless frames are as the config says."""
  c = config
  wanted = (c.num_channels, c.image_size, c.image_size)
  if (
    pixels.ndim != 5
    or pixels.shape[2:] != wanted
    or pixels.shape[1] != (num_frames or pixels.shape[1])
  ):
    raise errors.InputError(
      f'pixel_values have shape {pixels.shape}: expected '
      f'(clips, {num_frames or "frames"}, {", ".join(map(str, wanted))})'
    )


def example(config: Any) -> dict[str, np.ndarray]:
  """One clip."""
  c = config
  shape = 1, c.num_frames, c.num_channels, c.image_size, c.image_size
  return {'pixel_values': np.zeros(shape, np.float32)}


def layer_table(path: str, name: str) -> checkpoint.Table:
  """The table of a layer that is named as ViT's, without its projections."""
  found = {}
  for ours, theirs in (
    ('attention/output', 'attention.output.dense'),
    ('feed_forward/up', 'intermediate.dense'),
    ('feed_forward/down', 'output.dense'),
  ):
    found |= checkpoint.dense(f'{path}/{ours}', f'{name}.{theirs}')
  for ours, theirs in (
    ('attention_norm', 'layernorm_before'),
    ('feed_forward_norm', 'layernorm_after'),
  ):
    found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found
