"""The transformer that the encoders share: attention and feed-forward layers.

What differs between them is where a layer normalises, which projections have
a bias, and the attention of DeBERTa, which each architecture therefore passes
in. Parameters are float32; sums are computed in `dtype`, the softmax and the
statistics of a normalisation always in float32.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct

from empathy import errors

Array = jax.Array


class Output(NamedTuple):
  """What an encoder returns.

  Attributes:
    last_hidden_state: (B, T, D).
    hidden_states: what goes into the first layer, then what comes out of each:
      num_layers + 1 arrays (B, T, D). Where an architecture normalises after
      its last layer, the last of these is from before that, as in Transformers;
      of text it is the last hidden state, likewise.
    pooled: what the encoder itself makes of the last states for the whole, (B,
      D), or where each frame is encoded by itself for each, (B, F, D); None
      where it makes nothing.
  """

  last_hidden_state: Array
  hidden_states: tuple[Array, ...]
  pooled: Array | None = None


ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
  'gelu': functools.partial(nn.gelu, approximate=False),
  'gelu_fast': nn.gelu,
  'gelu_new': nn.gelu,
  'gelu_pytorch_tanh': nn.gelu,
  'quick_gelu': lambda x: x * nn.sigmoid(1.702 * x),
  'relu': nn.relu,
  'silu': nn.silu,
  'swish': nn.silu,
  'tanh': jnp.tanh,
}


def activation(name: str) -> Callable[[Array], Array]:
  """An activation by its name in configs.

  Raises:
    InputError: it is not in `ACTIVATIONS`.
  """
  if name not in ACTIVATIONS:
    raise errors.InputError(
      f'the activation {name!r} is not one of {", ".join(ACTIVATIONS)}'
    )
  return ACTIVATIONS[name]


# Queries that attend at a time on a CPU.
BLOCK = 256
# Queries at a time on other devices, where they are more: 40 s of sound.
LONG = 2_048


@dataclasses.dataclass(frozen=True)
class Settings:
  """What all layers of an encoder have in common.

  Attributes:
    num_heads: of attention.
    intermediate_size: units of the feed-forward network.
    activation: a name in `ACTIVATIONS`.
    epsilon: of the layer normalisations.
    pre_norm: normalise what goes into a block, not what comes out of it.
    qkv_bias: whether the projections to queries, keys and values have a bias.
    use_bias: whether the other dense maps have one.
    norm_bias: whether normalisations have one.
    norm_mean: whether they subtract the mean; otherwise they divide by the root
      mean square alone (arXiv 1910.07467), and have no bias.
    num_groups: heads of keys and of values, each for as many of queries
      (arXiv 2305.13245); None: as many as those.
    head_size: of a head; None: they share the width of the states.
    norm_heads: whether queries and keys are normalised, each head by itself.
    is_gated: the feed-forward network multiplies what it activates by another
      dense map of its input (arXiv 2002.05202).
    dropout: probability of dropping a unit of what a block adds.
    attention_dropout: probability of dropping an attention weight.
    activation_dropout: probability of dropping a hidden feed-forward unit.
    layer_scale: whether each feature of what a block adds has a factor of its
      own (LayerScale, arXiv 2103.17239).
    dtype: in which sums are computed.
  """

  num_heads: int
  intermediate_size: int
  activation: str
  epsilon: float
  pre_norm: bool = False
  qkv_bias: tuple[bool, bool, bool] = (True, True, True)
  use_bias: bool = True
  norm_bias: bool = True
  norm_mean: bool = True
  num_groups: int | None = None
  head_size: int | None = None
  norm_heads: bool = False
  is_gated: bool = False
  dropout: float = 0.0
  attention_dropout: float = 0.0
  activation_dropout: float = 0.0
  layer_scale: bool = False
  dtype: Any = jnp.float32

  @classmethod
  def of(cls, config: Any, dtype: Any, **others: Any) -> 'Settings':
    """Those of an architecture's config, which names them as most do.

    Args:
      config: of the architecture.
      dtype: see `Settings`.
      **others: those that the config does not have, or names otherwise.
    """

    def first(*names: str) -> Any:
      return next(
        (getattr(config, n) for n in names if hasattr(config, n)), 0.0
      )

    found = {
      'num_heads': config.num_attention_heads,
      'intermediate_size': first('intermediate_size'),
      'activation': first('hidden_act'),
      'epsilon': first('layer_norm_eps'),
      'dropout': first('hidden_dropout_prob', 'hidden_dropout'),
      'attention_dropout': first(
        'attention_probs_dropout_prob', 'attention_dropout'
      ),
      'activation_dropout': first('activation_dropout'),
    }
    return cls(**found | others, dtype=dtype)

  def norm(self, name: str) -> nn.Module:
    """A normalisation of a layer."""
    if not self.norm_mean:
      return nn.RMSNorm(self.epsilon, self.dtype, name=name)
    return layer_norm(self.epsilon, self.dtype, name, self.norm_bias)


def layer_norm(
  epsilon: float, dtype: Any, name: str, use_bias: bool = True
) -> nn.LayerNorm:
  """A layer normalisation whose variance takes two passes, as in PyTorch."""
  return nn.LayerNorm(
    epsilon, dtype, use_bias=use_bias, use_fast_variance=False, name=name
  )


def rotations(
  length: int,
  width: int,
  theta: float,
  scale: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
  """By how much rotary positions turn the numbers of a head (2104.09864).

  Args:
    length: T; positions are 0 to T - 1.
    width: D, of a head.
    theta: the base of the wavelengths.
    scale: changes the frequencies, which are in radians a position.

  Returns:
    (2, T, D / 2) float32, cosines and sines. Angles are rounded to float32 in
    the steps of PyTorch, or they were 5e-4 off its own at position 8,191.
  """
  powers = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
  wavelengths = (theta ** powers.astype(np.float64)).astype(np.float32)
  frequencies = scale(np.float32(1) / wavelengths)
  angles = np.arange(length, dtype=np.float32)[:, None] * frequencies
  angles = angles.astype(np.float64)
  return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def rotate(x: Array, by: Array) -> Array:
  """Turns queries or keys by their positions.

  Args:
    x: (..., T, D); number i is turned together with number i + D / 2.
    by: as of `rotations`.
  """
  cos, sin = by
  a, b = jnp.split(x.astype(jnp.float32), 2, -1)
  turned = [a * cos - b * sin, b * cos + a * sin]
  return jnp.concatenate(turned, -1).astype(x.dtype)


def mask_to_bias(mask: Array | None) -> Array | None:
  """What is added to scores (B, H, Q, K) so that only real keys are seen.

  Args:
    mask: (B, K), nonzero for the keys that are real, or (B, Q, K) for those
      that a query may see; None where all are.

  Returns:
    (B, 1, 1 or Q, K) float32, 0 or the lowest number, which leaves a row
    without any key finite; or None.
  """
  if mask is None:
    return None
  if mask.ndim == 2:
    mask = mask[:, None]
  lowest = jnp.finfo(jnp.float32).min
  return jnp.where(mask.astype(bool), 0.0, lowest)[:, None]


@struct.dataclass
class Bias:
  """A bias of scores that is made only of queries that attend at a time.

  For it is as large as the scores.

  Attributes:
    rows: (B, H, Q, R), of the queries.
    heads: (H, ...), of the heads; or None.
    mask: (B, 1, 1, T) float32, added to what is made of these; or None.
    first: of the queries, which number they have.
  """

  rows: Array
  heads: Array | None
  mask: Array | None
  first: Array | int = 0

  def make(
    self, rows: Array, heads: Any, first: Array | int, length: int
  ) -> Array:
    """The bias without the mask.

    Args:
      rows: (..., Q, R).
      heads: (...), or None.
      first: of the queries.
      length: T, of keys.

    Returns:
      (..., Q, T).
    """
    raise NotImplementedError

  def whole(self, length: int) -> Array:
    """The bias, (B, H, Q, T) float32, for so many keys."""
    bias = self.make(self.rows, self.heads, self.first, length)
    bias = bias.astype(jnp.float32)
    return bias if self.mask is None else bias + self.mask


@struct.dataclass
class ByDistance(Bias):
  """By how far a key is from its query.

  Rows are gates (B, H, Q, 1), by which each query multiplies what distances
  have, and `heads` (H, 2 T - 1): of a key's position less its query's, which is
  1 - T to T - 1.
  """

  def make(
    self, rows: Array, heads: Any, first: Array | int, length: int
  ) -> Array:
    """See `Bias`."""
    return rows * by_distance(heads, first, rows.shape[-2])


def by_distance(values: Array, first: Array | int, size: int) -> Array:
  """What distances have, for queries and keys.

  Args:
    values: (..., 2 T - 1), of distances as in `ByDistance`.
    first: of the queries.
    size: Q, how many queries there are; those beyond T mean nothing.

  Returns:
    (..., Q, T).
  """
  length = (values.shape[-1] + 1) // 2
  starts = jnp.maximum(length - 1 - first - jnp.arange(size), 0)
  return jax.vmap(
    lambda start: jax.lax.dynamic_slice_in_dim(values, start, length, -1),
    out_axes=-2,
  )(starts)


def check_length(length: int, limit: int) -> None:
  """Raises an `InputError` where there are more tokens than positions."""
  if length > limit:
    raise errors.InputError(
      f'{length} tokens are more than the encoder has positions for, {limit}'
    )


class Attention(nn.Module):
  """Multi-head attention of a sequence to itself (arXiv 1706.03762)."""

  settings: Settings

  @nn.compact
  def __call__(
    self,
    x: Array,
    bias: Array | Bias | None = None,
    deterministic: bool = True,
    turn: Callable[[Array], Array] | None = None,
    window: int | None = None,
  ) -> Array:
    """Attends.

    Args:
      x: (B, T, D).
      bias: as of `attend`.
      deterministic: drop nothing.
      turn: tells queries and keys (B, H, T, D / H) where they are; or None.
      window: how far a query sees in either direction; None: everywhere.

    Returns:
      (B, T, D).
    """
    s = self.settings
    width = x.shape[-1]
    groups = s.num_groups or s.num_heads
    size = s.head_size or width // s.num_heads
    q, k, v = (
      split_heads(
        nn.Dense(count * size, use_bias, s.dtype, name=name)(x), count
      )
      for name, count, use_bias in zip(
        ('query', 'key', 'value'),
        (s.num_heads, groups, groups),
        s.qkv_bias,
        strict=True,
      )
    )
    if s.norm_heads:
      q, k = s.norm('query_norm')(q), s.norm('key_norm')(k)
    if turn is not None:
      q, k = turn(q), turn(k)
    q = q * q.shape[-1] ** -0.5
    if window is None:
      y = attend(s, q, k, v, bias, deterministic)
    else:
      y = attend_near(s, q, k, v, bias, window, deterministic)
    return nn.Dense(width, s.use_bias, s.dtype, name='output')(y)


def attend(
  settings: Settings,
  q: Array,
  k: Array,
  v: Array,
  bias: Array | Bias | None,
  deterministic: bool,
) -> Array:
  """Attends in the way that is best on this device for so many queries.

  To be called within a compact method where weights are dropped.

  Args:
    settings: of the layer.
    q: (B, H, T, D), scaled.
    k: (B, G, T, D), each for H / G heads of queries.
    v: (B, G, T, D).
    bias: (B or 1, H or 1, T or 1, T) float32, added to the scores, or what this
      is made of; or None.
    deterministic: drop no weights.

  Returns:
    (B, T, H * D).
  """
  batch, heads, length, _ = q.shape
  drops = settings.attention_dropout and not deterministic

  is_made = isinstance(bias, Bias)

  def at_once(q: Array, k: Array, v: Array, bias: Any) -> Array:
    # Queries that share keys are like more queries of one head.
    shared = q.reshape(batch, k.shape[1], -1, q.shape[-1])
    scores = jnp.einsum('bhqd,bhkd->bhqk', shared, k)
    scores = scores.reshape(batch, heads, -1, length)
    bias = bias.whole(length) if is_made else bias
    return weigh(settings, scores, bias, v, deterministic)

  def in_parts(q: Array, k: Array, v: Array, bias: Any) -> Array:
    count = -(-length // LONG)

    def cut(x: Array) -> Array:
      x = jnp.pad(x, ((0, 0), (0, 0), (0, -length % count), (0, 0)))
      return jnp.stack(jnp.split(x, count, 2))

    if is_made:
      rows = cut(bias.rows)
      starts = jnp.arange(count) * rows.shape[3]
      y = jax.lax.map(
        lambda part: at_once(
          part[0], k, v, bias.replace(rows=part[1], first=part[2])
        ),
        (cut(q), rows, starts),
      )
    elif bias is None or bias.shape[2] == 1:
      y = jax.lax.map(lambda part: at_once(part, k, v, bias), cut(q))
    else:
      y = jax.lax.map(
        lambda parts: at_once(parts[0], k, v, parts[1]), (cut(q), cut(bias))
      )
    return y.swapaxes(0, 1).reshape(batch, -1, y.shape[-1])[:, :length]

  if not drops and not is_made and has_flash(q):
    return flash(q, k, v, bias)
  if length > BLOCK and not drops:
    # A CPU is faster where a block of scores stays in its cache.
    return jax.lax.platform_dependent(
      q,
      k,
      v,
      bias,
      cpu=_in_blocks,
      # All scores of five minutes of sound would take 11 GB.
      default=in_parts if length > LONG else at_once,
    )
  return at_once(q, k, v, bias)


def attend_near(
  settings: Settings,
  q: Array,
  k: Array,
  v: Array,
  bias: Array | None,
  window: int,
  deterministic: bool,
) -> Array:
  """Attends to what is near.

  The sequence is cut into blocks of the size of the window, and each sees
  itself and its two neighbours, of these only what is not farther. A query that
  sees nothing, which is padding, becomes zero.

  To be called within a compact method.

  Args:
    settings: of the layer.
    q: (B, H, T, D), scaled.
    k: (B, H, T, D).
    v: (B, H, T, D).
    bias: (B, 1, 1, T), 0 for keys that are real; or None: all are.
    window: a query sees keys that are at most so far.
    deterministic: drop no weights.

  Returns:
    (B, T, H * D).
  """
  length = q.shape[2]
  size = max(min(window, length - 1), 1)
  count = -(-length // size)
  real = jnp.ones((1, 1, length), bool) if bias is None else bias[:, 0] == 0

  def blocks(x: Array, axis: int, around: int) -> Array:
    """Cuts an axis into (count + 2 * around, size)."""
    pads = [(0, 0)] * x.ndim
    more = count * size - length
    pads[axis] = (around * size, around * size + more)
    shape = *x.shape[:axis], count + 2 * around, size, *x.shape[axis + 1 :]
    return jnp.pad(x, pads).reshape(shape)

  def near(x: Array, axis: int) -> Array:
    """Of each block (count, 3 * size): it and its neighbours."""
    x = blocks(x, axis, 1)
    parts = [jax.lax.slice_in_dim(x, i, i + count, axis=axis) for i in range(3)]
    return jnp.concatenate(parts, axis + 1)

  q, k, v = blocks(q, 2, 0), near(k, 2), near(v, 2)
  distance = np.arange(3 * size) - size - np.arange(size)[:, None]
  seen = near(real, 2)[:, :, :, None] & (np.abs(distance) <= window)
  scores = jnp.einsum('bhnqd,bhnkd->bhnqk', q, k).astype(jnp.float32)
  scores = jnp.where(seen, scores, jnp.finfo(jnp.float32).min)
  weights = jnp.where(seen, nn.softmax(scores), 0).astype(settings.dtype)
  weights = nn.Dropout(settings.attention_dropout)(
    weights, deterministic=deterministic
  )
  y = jnp.einsum('bhnqk,bhnkd->bhnqd', weights, v)
  y = y.reshape(*y.shape[:2], count * size, -1)
  return join_heads(y[:, :, :length])


def split_heads(x: Array, num_heads: int) -> Array:
  """Turns (..., T, D) into (..., heads, T, D / heads).

  With the heads in front, the products of attention are matrix products of
  what lies together: on a CPU five times as fast for the 197 patches of a frame
  as with the heads behind T.
  """
  x = x.reshape(*x.shape[:-1], num_heads, -1)
  return x.swapaxes(-2, -3)


def join_heads(x: Array) -> Array:
  """Undoes `split_heads`."""
  x = x.swapaxes(-2, -3)
  return x.reshape(*x.shape[:-2], -1)


def has_flash(queries: Array) -> bool:
  """Whether cuDNN has attention for such queries (..., D) on this device.

  Its kernels hold no scores, for numbers of 16 bits. Elsewhere plain products
  are as good as `jax.nn.dot_product_attention`, which on a CPU takes 1.5 times
  as long for 128 tokens, and 3.5 times for 10 s of sound.
  """
  device = jax.devices()[0]
  return (
    queries.dtype in (jnp.bfloat16, jnp.float16)
    and queries.shape[-1] % 8 == 0
    and queries.shape[-1] <= 128
    and 'cuda' in device.client.platform_version
    and float(device.compute_capability) >= 8
  )


def flash(
  q: Array,
  k: Array,
  v: Array,
  bias: Array | None,
  implementation: str = 'cudnn',
) -> Array:
  """Attends by `jax.nn.dot_product_attention`.

  Args:
    q: (B, H, T, D), scaled.
    k: (B, G, T, D).
    v: (B, G, T, D).
    bias: as of `attend`.
    implementation: as JAX names them.

  Returns:
    (B, T, H * D).
  """
  length = q.shape[2]
  odd = length % 2  # cuDNN has gradients of even lengths alone.
  if odd or bias is not None:
    bias = jnp.zeros((1, 1, 1, length)) if bias is None else bias
    lowest = 0.7 * float(jnp.finfo(q.dtype).min)  # A sum of two is finite.
    bias = jnp.maximum(bias, lowest).astype(q.dtype)
    heads = bias.shape[1]
    bias = jnp.broadcast_to(bias, (len(q), heads, length, length))
    bias = jnp.pad(
      bias, ((0, 0), (0, 0), (0, odd), (0, odd)), constant_values=lowest
    )
  q, k, v = (
    jnp.pad(x.swapaxes(1, 2), ((0, 0), (0, odd), (0, 0), (0, 0)))
    for x in (q, k, v)
  )
  y = jax.nn.dot_product_attention(
    q, k, v, bias, scale=1.0, implementation=implementation
  )
  return y[:, :length].reshape(*y.shape[:1], length, -1)


def _in_blocks(
  q: Array, k: Array, v: Array, bias: Array | Bias | None
) -> Array:
  """Attends with one head and at most `BLOCK` queries at a time.

  Args:
    q: (B, H, T, D), scaled.
    k: (B, G, T, D).
    v: (B, G, T, D).
    bias: as of `attend`.

  Returns:
    (B, T, H * D).
  """
  batch, heads, length, width = q.shape
  count = -(-length // BLOCK)
  size = -(-length // count)
  made = rows = of_heads = None
  if isinstance(bias, Bias):
    made, rows, bias = bias, bias.rows, bias.mask
    of_heads = jax.tree.map(
      lambda x: jnp.broadcast_to(x, (batch, *x.shape)), made.heads
    )
  if bias is None:
    bias = jnp.zeros((1, 1, 1, length))
  k, v = (jnp.repeat(x, heads // x.shape[1], axis=1) for x in (k, v))

  def cut(x: Array) -> Array:
    x = jnp.pad(x, ((0, 0), (0, 0), (0, count * size - length), (0, 0)))
    return x.reshape(*x.shape[:2], count, size, x.shape[-1])

  def block(
    bias: Array,
    q: Array,
    k: Array,
    v: Array,
    of_head: Any,
    rows: Any,
    at: Array,
  ) -> Array:
    if made is not None:
      bias = bias + made.make(rows, of_head, at * size, length)
    scores = (q @ k.T).astype(jnp.float32) + bias
    scores = jnp.exp(scores - scores.max(-1, keepdims=True))
    total = scores.sum(-1, keepdims=True)
    return (scores.astype(v.dtype) @ v) / total.astype(v.dtype)

  def head(
    bias: Array, q: Array, k: Array, v: Array, of_head: Any, rows: Any
  ) -> Array:
    return _map(
      lambda bias, q, rows, at: block(bias, q, k, v, of_head, rows, at),
      bias,
      q,
      rows,
      jnp.arange(count),
    )

  bias = bias[:, :, None] if bias.shape[2] == 1 else cut(bias)
  rows = None if rows is None else cut(rows)
  y = _map(lambda *clip: _map(head, *clip), bias, cut(q), k, v, of_heads, rows)
  return join_heads(y.reshape(batch, heads, -1, width)[:, :, :length])


def _map(
  function: Callable[..., Array], bias: Array, *arrays: Array | None
) -> Array:
  """Maps over the first axis of arrays; a bias may have one for all of it."""
  if len(bias) == 1:
    return jax.lax.map(lambda some: function(bias[0], *some), arrays)
  return jax.lax.map(lambda some: function(*some), (bias, *arrays))


def weigh(
  settings: Settings,
  scores: Array,
  bias: Array | None,
  values: Array,
  deterministic: bool,
) -> Array:
  """The mean of the values, weighted by the softmax of the scores.

  To be called within a compact method where weights are dropped.

  Args:
    settings: of the layer.
    scores: (B, H, Q, K).
    bias: added to the scores, or None.
    values: (B, G, K, D), each for H / G heads.
    deterministic: drop no weights.

  Returns:
    (B, Q, H * D).
  """
  scores = scores.astype(jnp.float32)
  if bias is not None:
    scores = scores + bias
  weights = nn.softmax(scores).astype(settings.dtype)
  if settings.attention_dropout and not deterministic:
    weights = nn.Dropout(settings.attention_dropout, deterministic=False)(
      weights
    )
  shared = weights.reshape(*values.shape[:2], -1, values.shape[2])
  y = jnp.einsum('bhqk,bhkd->bhqd', shared, values)
  return join_heads(y.reshape(*weights.shape[:3], -1))


class Scale(nn.Module):
  """A factor for each feature."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps (..., D) to (..., D)."""
    scale = self.param('scale', nn.initializers.ones, x.shape[-1:])
    return x * scale.astype(x.dtype)


class FeedForward(nn.Module):
  """Two dense maps with an activation between them, or a gated one."""

  settings: Settings

  @nn.compact
  def __call__(self, x: Array, deterministic: bool = True) -> Array:
    """Maps (..., D) to (..., D)."""
    s = self.settings
    dense = functools.partial(nn.Dense, use_bias=s.use_bias, dtype=s.dtype)
    y = dense(s.intermediate_size, name='up')(x)
    if s.is_gated:
      y *= activation(s.activation)(dense(s.intermediate_size, name='gate')(x))
    else:
      y = activation(s.activation)(y)
    y = nn.Dropout(s.activation_dropout)(y, deterministic=deterministic)
    return dense(x.shape[-1], name='down')(y)


def add_blocks(
  settings: Settings,
  x: Array,
  attend: Callable[[Array], Array],
  deterministic: bool,
) -> Array:
  """Adds attention, then a feed-forward network, each normalised.

  To be called within a compact method.

  Args:
    settings: of the layer.
    x: (B, T, D).
    attend: maps (B, T, D) to (B, T, D).
    deterministic: drop nothing.

  Returns:
    (B, T, D).
  """
  s = settings
  feed_forward = FeedForward(s, name='feed_forward')
  for name, block in (
    ('attention', attend),
    ('feed_forward', lambda y: feed_forward(y, deterministic)),
  ):
    norm = s.norm(f'{name}_norm')
    y = block(norm(x)) if s.pre_norm else block(x)
    if s.layer_scale:
      y = Scale(name=f'{name}_scale')(y)
    x = x + nn.Dropout(s.dropout)(y, deterministic=deterministic)
    if not s.pre_norm:
      x = norm(x)
  return x


class Layer(nn.Module):
  """Attention, then a feed-forward network.

  Attributes:
    settings: what the layers share.
    parts: of a sequence, equal ones, none of which sees another.
  """

  settings: Settings
  parts: int = 1

  @nn.compact
  def __call__(
    self, x: Array, bias: Array | None = None, deterministic: bool = True
  ) -> Array:
    """Maps (B, T, D) to (B, T, D); `bias` is added to the scores."""
    attention = Attention(self.settings, name='attention')
    shape = x.shape
    return add_blocks(
      self.settings,
      x.reshape(shape[0] * self.parts, -1, shape[2]),
      lambda y: attention(y, bias, deterministic),
      deterministic,
    ).reshape(shape)


def apply_layers(
  layer: type[nn.Module],
  fields: Mapping[str, Any],
  num_layers: int,
  remat: bool,
  x: Array,
  context: Any = None,
  deterministic: bool = True,
  after_first: Callable[[Array], Array] | None = None,
  of_layer: Callable[[int], Mapping[str, Any]] = lambda i: {},
) -> tuple[Array, ...]:
  """Applies `layer_0`, `layer_1`, ... of the calling compact method's module.

  Args:
    layer: a class of modules that take (x, context, deterministic).
    fields: of each.
    num_layers: how many.
    remat: compute activations again for the gradient rather than keep them.
    x: (B, T, D).
    context: what every layer is given beside.
    deterministic: drop nothing.
    after_first: changes what comes out of the first layer.
    of_layer: more fields, of one of them.

  Returns:
    `x` and what each layer makes of it.
  """
  if remat:
    layer = nn.remat(layer, static_argnums=(3,))
  states = [x]
  for i in range(num_layers):
    module = layer(**fields, **of_layer(i), name=f'layer_{i}')
    y = module(states[-1], context, deterministic)
    states.append(after_first(y) if after_first and i == 0 else y)
  return tuple(states)
