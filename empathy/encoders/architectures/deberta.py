"""DeBERTa-v2 and v3 (arXiv 2006.03654, 2111.09543).

Attention is disentangled: a score is the sum of content to content, content to
position and position to content, where a position is how far the key is before
the query, in buckets that widen logarithmically. Since a bucket depends on the
distance alone, the embedding of each distance is taken once, multiplied with
the queries (or keys), and the product sheared into place; nothing of the size
of all pairs is gathered.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy.encoders import checkpoint, transformer
from empathy.encoders.architectures import roberta
from empathy.encoders.inputs import texts

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {'conv_groups': 1}
  model_type: str = 'deberta-v2'
  vocab_size: int = 128100
  hidden_size: int = 1536
  embedding_size: int | None = None
  num_hidden_layers: int = 24
  num_attention_heads: int = 24
  attention_head_size: int | None = None
  intermediate_size: int = 6144
  hidden_act: str = 'gelu'
  hidden_dropout_prob: float = 0.1
  attention_probs_dropout_prob: float = 0.1
  max_position_embeddings: int = 512
  type_vocab_size: int = 0
  layer_norm_eps: float = 1e-7
  relative_attention: bool = False
  max_relative_positions: int = -1
  position_buckets: int = -1
  position_biased_input: bool = True
  norm_rel_ebd: str = 'none'
  share_att_key: bool = False
  pos_att_type: tuple[str, ...] = ()
  conv_kernel_size: int = 0
  conv_act: str = 'tanh'

  @property
  def max_tokens(self) -> int:
    """How many tokens the encoder was trained with at most."""
    return self.max_position_embeddings

  @property
  def max_distance(self) -> int:
    """The farthest that a position is told apart."""
    if self.max_relative_positions < 1:
      return self.max_position_embeddings
    return self.max_relative_positions

  @property
  def span(self) -> int:
    """Half the number of embeddings of distances."""
    return max(self.position_buckets, 0) or self.max_distance

  @property
  def norms_positions(self) -> bool:
    """Whether the embeddings of distances are normalised."""
    return 'layer_norm' in self.norm_rel_ebd.lower().split('|')


def buckets(config: Config, distances: np.ndarray) -> np.ndarray:
  """The row of each distance's embedding.

  Up to half the number of buckets a distance has a row of its own; beyond, the
  logarithm is divided evenly. Rounding follows PyTorch's float32.

  Args:
    config: of the encoder.
    distances: integers, position of the query minus position of the key.

  Returns:
    Integers in [0, 2 * span).
  """
  found = distances
  if config.position_buckets > 0:
    middle = config.position_buckets // 2
    size = np.maximum(np.abs(distances), middle).astype(np.float32)
    ratio = np.log(size / np.float32(middle)) / np.log(
      np.float32((config.max_distance - 1) / middle)
    )
    far = np.sign(distances) * (
      np.ceil(ratio * np.float32(middle - 1)).astype(int) + middle
    )
    found = np.where(np.abs(distances) <= middle, distances, far)
  return np.clip(found + config.span, 0, 2 * config.span - 1)


def shear(x: Array) -> Array:
  """Turns (..., T, T + S), x[t, T - 1 - t + s], into (..., T, S)."""
  *shape, length, width = x.shape
  flat = x.reshape(*shape, -1)[..., length - 1 : -1]
  return flat.reshape(*shape, length, width - 1)[..., : width - length]


class Attention(nn.Module):
  """Disentangled attention.

  Attributes:
    settings: what the layers share.
    config: of the encoder.
  """

  settings: transformer.Settings
  config: Config

  @nn.compact
  def __call__(
    self,
    x: Array,
    context: tuple[Array | None, Array | None],
    deterministic: bool = True,
  ) -> Array:
    """Attends.

    Args:
      x: (B, T, D).
      context: the bias of the scores, or None, and the embeddings of the
        distances (2 * span, D), or None.
      deterministic: drop nothing.

    Returns:
      (B, T, D).
    """
    c, s = self.config, self.settings
    bias, positions = context
    width = c.num_attention_heads * (
      c.attention_head_size or c.hidden_size // c.num_attention_heads
    )

    def split(y: Array) -> Array:
      return transformer.split_heads(y, c.num_attention_heads)

    project = {
      name: nn.Dense(width, dtype=s.dtype, name=name)
      for name in ('query', 'key', 'value')
    }
    q, k, v = (split(dense(x)) for dense in project.values())
    kinds = {'c2p', 'p2c'} & set(c.pos_att_type)
    scale = (q.shape[-1] * (1 + len(kinds))) ** -0.5
    q = q * scale
    scores = jnp.einsum('bhqd,bhkd->bhqk', q, k)
    if positions is not None:
      length = x.shape[1]
      if not c.share_att_key:
        for name, kind in (('query', 'p2c'), ('key', 'c2p')):
          if kind in c.pos_att_type:
            project[name] = nn.Dense(
              width, dtype=s.dtype, name=f'position_{name}'
            )
      # A last one that is not used makes shearing a matter of reshaping.
      rows = buckets(c, np.arange(length, -length, -1) - 1)
      if 'c2p' in c.pos_att_type:
        far = split(project['key'](positions[rows]))
        scores += shear(jnp.einsum('bhqd,hmd->bhqm', q, far))
      if 'p2c' in c.pos_att_type:
        rows = buckets(c, np.arange(1 - length, length + 1))
        far = split(project['query'](positions[rows])) * scale
        far = shear(jnp.einsum('bhkd,hmd->bhkm', k, far))
        scores += far.swapaxes(-1, -2)
    y = transformer.weigh(s, scores, bias, v, deterministic)
    return nn.Dense(c.hidden_size, dtype=s.dtype, name='output')(y)


class Layer(nn.Module):
  """A layer whose attention is disentangled."""

  settings: transformer.Settings
  config: Config

  @nn.compact
  def __call__(
    self, x: Array, context: Any, deterministic: bool = True
  ) -> Array:
    """Maps (B, T, D) to (B, T, D)."""
    attention = Attention(self.settings, self.config, name='attention')
    return transformer.add_blocks(
      self.settings,
      x,
      lambda y: attention(y, context, deterministic),
      deterministic,
    )


class Convolution(nn.Module):
  """A convolution of the embeddings, added to the first layer of DeBERTa-v2."""

  config: Config
  dtype: Any

  @nn.compact
  def __call__(
    self, x: Array, after: Array, mask: Array | None, deterministic: bool
  ) -> Array:
    """Convolves the embeddings `x`, adds the first layer's output `after`."""
    c = self.config
    size, width = c.conv_kernel_size, c.hidden_size
    kernel = self.param(
      'kernel', nn.initializers.lecun_normal(), (size, width, width)
    )
    bias = self.param('bias', nn.initializers.zeros, (width,))
    before = (size - 1) // 2
    padded = jnp.pad(x, ((0, 0), (before, size - 1 - before), (0, 0)))
    length = x.shape[1]
    windows = [padded[:, i : i + length] for i in range(size)]
    y = jnp.concatenate(windows, -1) @ kernel.reshape(-1, width).astype(
      self.dtype
    ) + bias.astype(self.dtype)
    if mask is not None:
      y = jnp.where(mask[..., None].astype(bool), y, 0)
    y = nn.Dropout(c.hidden_dropout_prob)(y, deterministic=deterministic)
    y = transformer.activation(c.conv_act)(y)
    y = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')(after + y)
    return y if mask is None else y * mask[..., None].astype(y.dtype)


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
    self,
    input_ids: Array,
    attention_mask: Array | None = None,
    token_type_ids: Array | None = None,
    deterministic: bool = True,
  ) -> transformer.Output:
    """Encodes tokens.

    Args:
      input_ids: (B, T) integers.
      attention_mask: (B, T), nonzero for what is not padding; None: nothing is.
      token_type_ids: (B, T) integers; None: zeros.
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states; at padding they mean nothing.

    Raises:
      InputError: T is more than there are positions.
    """
    c = self.config
    width = c.embedding_size or c.hidden_size

    def embed(count: int, name: str) -> nn.Embed:
      return nn.Embed(count, width, self.dtype, name=name)

    x = embed(c.vocab_size, 'words')(input_ids)
    if c.position_biased_input:
      transformer.check_length(input_ids.shape[1], c.max_position_embeddings)
      x += embed(c.max_position_embeddings, 'positions')(
        jnp.arange(input_ids.shape[1])
      )
    if c.type_vocab_size:
      if token_type_ids is None:
        token_type_ids = jnp.zeros_like(input_ids)
      x += embed(c.type_vocab_size, 'types')(token_type_ids)
    if width != c.hidden_size:
      x = nn.Dense(c.hidden_size, False, self.dtype, name='widen')(x)
    x = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'norm')(x)
    bias = None
    if attention_mask is not None:
      x = x * attention_mask[..., None].astype(x.dtype)
      # As in Transformers, padding sees all tokens alike.
      real = attention_mask.astype(bool)
      bias = transformer.mask_to_bias(real[:, :, None] & real[:, None, :])
    x = nn.Dropout(c.hidden_dropout_prob)(x, deterministic=deterministic)
    distances = None
    if c.relative_attention:
      distances = self.param(
        'distances',
        nn.initializers.normal(0.02),
        (2 * c.span, c.hidden_size),
      ).astype(self.dtype)
      if c.norms_positions:
        distances = transformer.layer_norm(
          c.layer_norm_eps, self.dtype, 'distance_norm'
        )(distances)
      distances = nn.Dropout(c.hidden_dropout_prob)(
        distances, deterministic=deterministic
      )
    after_first = None
    if c.conv_kernel_size:
      convolution = Convolution(c, self.dtype, name='convolution')
      embedded = x

      def after_first(y: Array) -> Array:
        return convolution(embedded, y, attention_mask, deterministic)

    states = transformer.apply_layers(
      Layer,
      {
        'settings': transformer.Settings.of(c, self.dtype),
        'config': c,
      },
      c.num_hidden_layers,
      self.remat,
      x,
      (bias, distances),
      deterministic,
      after_first,
    )
    return transformer.Output(states[-1], states)


INPUT = texts.INPUT
PREFIXES = ('deberta.',)
DROPPED = (
  r'(.*\.)?position_ids',
  r'embeddings\.position_embeddings\.weight',
  r'(pooler|cls|lm_head|lm_predictions|mask_predictions|classifier)\..*',
  r'qa_outputs\..*',
)

example = texts.example


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.norm('norm', 'embeddings.LayerNorm')
  embeddings = [('words', 'word')]
  if config.position_biased_input:
    embeddings.append(('positions', 'position'))
  if config.type_vocab_size:
    embeddings.append(('types', 'token_type'))
  for ours, theirs in embeddings:
    found |= checkpoint.plain(
      f'{ours}/embedding', f'embeddings.{theirs}_embeddings.weight'
    )
  if config.embedding_size not in (None, config.hidden_size):
    found |= checkpoint.dense('widen', 'embeddings.embed_proj', False)
  if config.relative_attention:
    found |= checkpoint.plain('distances', 'encoder.rel_embeddings.weight')
    if config.norms_positions:
      found |= checkpoint.norm('distance_norm', 'encoder.LayerNorm')
  if config.conv_kernel_size:
    found |= checkpoint.dense('convolution', 'encoder.conv.conv')
    found |= checkpoint.norm('convolution/norm', 'encoder.conv.LayerNorm')
  projections = {
    f'attention/{part}': f'attention.self.{part}_proj'
    for part in ('query', 'key', 'value')
  }
  for i in range(config.num_hidden_layers):
    path, name = f'layer_{i}', f'encoder.layer.{i}'
    found |= roberta.layer_table(path, name, projections)
    if config.relative_attention and not config.share_att_key:
      for part, kind in (('query', 'p2c'), ('key', 'c2p')):
        if kind in config.pos_att_type:
          found |= checkpoint.dense(
            f'{path}/attention/position_{part}',
            f'{name}.attention.self.pos_{part}_proj',
          )
  return found
