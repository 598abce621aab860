"""What encoders of pictures share: patches, and the names of their layers."""

from typing import Any

import jax
import jax.numpy as jnp
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
    use_bias: whether something is added.
  """

  features: int
  num_frames: int | None
  size: int
  dtype: Any
  use_bias: bool = True

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (B, T, C, H, W) to (B, T / num_frames, patches, features)."""
    batch, length, channels, height, width = x.shape
    depth, size = self.num_frames or 1, self.size
    shape = (depth,) if self.num_frames else ()
    shape = (size, size, *shape, channels, self.features)
    kernel = self.param('kernel', nn.initializers.lecun_normal(), shape)
    kernel = kernel.reshape(size, size, depth, channels, self.features)
    rows, columns = height // size, width // size
    x = x.astype(self.dtype)[..., : rows * size, : columns * size]
    x = x.reshape(
      *(batch, length // depth, depth, channels),
      *(rows, size, columns, size),
    ).transpose(0, 1, 4, 6, 2, 3, 5, 7)
    x = x.reshape(batch, length // depth, rows * columns, -1)
    # In the order of the pixels: it is the smaller of the two.
    kernel = kernel.transpose(2, 3, 1, 0, 4).reshape(-1, self.features)
    x = x @ kernel.astype(self.dtype)
    if self.use_bias:
      bias = self.param('bias', nn.initializers.zeros, (self.features,))
      x = x + bias.astype(self.dtype)
    return x


def check(
  config: Any,
  pixels: Array,
  num_frames: int | None = None,
  is_fixed: bool = True,
) -> None:
  """Raises an `InputError` unless frames are as the config says.

  Args:
    config: of the encoder.
    pixels: the frames.
    num_frames: of a clip; None: any.
    is_fixed: whether they have to be of its size; else a patch is enough.
  """
  c = config
  least = c.image_size if is_fixed else c.patch_size
  most = c.image_size if is_fixed else np.inf
  if (
    pixels.ndim != 5
    or pixels.shape[2] != c.num_channels
    or not all(least <= side <= most for side in pixels.shape[3:])
    or pixels.shape[1] != (num_frames or pixels.shape[1])
  ):
    size = f'{least}, {least}' if is_fixed else f'{least} or more each way'
    raise errors.InputError(
      f'pixel_values have shape {pixels.shape}: expected '
      f'(clips, {num_frames or "frames"}, {c.num_channels}, {size})'
    )


def example(
  config: Any, num_frames: int | None = None
) -> dict[str, np.ndarray]:
  """One clip, of as many frames as the encoder takes if that is not given."""
  c = config
  num_frames = num_frames or c.num_frames
  shape = 1, num_frames, c.num_channels, c.image_size, c.image_size
  return {'pixel_values': np.zeros(shape, np.float32)}


def resized(
  positions: Array, old: tuple[int, int], new: tuple[int, int], smooth: bool
) -> Array:
  """The positions of a grid of patches for another grid, as PyTorch has them.

  Args:
    positions: (rows * columns, D).
    old: their rows and columns.
    new: the rows and columns that are wanted.
    smooth: see `bicubic`.

  Returns:
    (new rows * new columns, D) float32.
  """
  down, across = (
    bicubic(*sizes, smooth) for sizes in zip(old, new, strict=True)
  )
  grid = positions.astype(jnp.float32).reshape(*old, -1)
  grid = jnp.einsum('ri,sj,ijd->rsd', down, across, grid)
  return grid.reshape(-1, positions.shape[-1])


def bicubic(old: int, new: int, smooth: bool) -> np.ndarray:
  """How much each of `old` numbers in a row counts for each of `new`.

  Keys' cubic convolution (1981), as `torch.nn.functional.interpolate` computes
  it with `align_corners=False`.

  Args:
    old: how many there are.
    new: how many are wanted, over the same length.
    smooth: its `antialias`: a wider kernel where there are fewer afterwards, of
      a = -0.5 instead of -0.75, and nothing from beyond the ends.

  Returns:
    (new, old) float32, each row of the sum 1.
  """
  ratio = old / new
  a, width = (-0.5, max(ratio, 1.0)) if smooth else (-0.75, 1.0)
  center = (np.arange(new)[:, None] + 0.5) * ratio - 0.5
  # Beyond the ends as far as a kernel goes.
  at = np.arange(old) if smooth else np.arange(-2, old + 2)
  x = np.abs(at - center) / width
  near = ((a + 2) * x - (a + 3)) * x**2 + 1
  far = a * (((x - 5) * x + 8) * x - 4)
  weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
  if smooth:
    weights /= weights.sum(1, keepdims=True)
  else:  # The first and the last go on for ever.
    ends = weights[:, :2].sum(1), weights[:, -2:].sum(1)
    weights = weights[:, 2:-2]
    weights[:, 0] += ends[0]
    weights[:, -1] += ends[1]
  return weights.astype(np.float32)


def embeddings_table() -> checkpoint.Table:
  """The table of what is around the layers, with a first token, as in ViT."""
  return (
    checkpoint.plain('first', 'embeddings.cls_token')
    | checkpoint.plain('positions', 'embeddings.position_embeddings')
    | checkpoint.dense('patches', 'embeddings.patch_embeddings.projection')
    | checkpoint.norm('norm', 'layernorm')
  )


def projections_table(path: str, name: str, use_bias: bool) -> checkpoint.Table:
  """The table of what makes a layer's queries, keys and values in ViT."""
  found = {}
  for part in ('query', 'key', 'value'):
    found |= checkpoint.dense(
      f'{path}/attention/{part}',
      f'{name}.attention.attention.{part}',
      use_bias,
    )
  return found


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
