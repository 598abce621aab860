"""CLIP's encoder of text (arXiv 2103.00020).

Tokens see those before them, and the last, which ends the text, stands for it.
"""

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from empathy.encoders import checkpoint, inputs, transformer
from empathy.encoders.architectures import vit
from empathy.encoders.inputs import texts

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {}
  is_causal: ClassVar[bool] = True
  model_type: str = 'clip_text_model'
  vocab_size: int = 49408
  hidden_size: int = 512
  num_hidden_layers: int = 12
  num_attention_heads: int = 8
  intermediate_size: int = 2048
  hidden_act: str = 'quick_gelu'
  attention_dropout: float = 0.0
  max_position_embeddings: int = 77
  layer_norm_eps: float = 1e-5
  eos_token_id: int = 49407

  @property
  def max_tokens(self) -> int:
    """How many tokens there are positions for."""
    return self.max_position_embeddings


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
    deterministic: bool = True,
  ) -> transformer.Output:
    """Encodes tokens.

    Args:
      input_ids: (B, T) integers.
      attention_mask: (B, T), nonzero for what is not padding; None: nothing is.
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states; only `last_hidden_state` is normalised. `pooled` is
      that of the token that ends the text.

    Raises:
      InputError: T is more than there are positions.
    """
    c = self.config
    length = input_ids.shape[1]
    transformer.check_length(length, c.max_tokens)
    embed = functools.partial(
      nn.Embed, features=c.hidden_size, dtype=self.dtype
    )
    x = embed(c.vocab_size, name='words')(input_ids)
    x += embed(c.max_position_embeddings, name='positions')(
      jnp.arange(length)[None]
    )
    states = transformer.apply_layers(
      transformer.Layer,
      {'settings': transformer.Settings.of(c, self.dtype, pre_norm=True)},
      c.num_hidden_layers,
      self.remat,
      x,
      transformer.mask_to_bias(self.seen(input_ids, attention_mask)),
      deterministic,
    )
    norm = transformer.layer_norm(c.layer_norm_eps, self.dtype, 'final_norm')
    last = norm(states[-1])
    return transformer.Output(last, states, self.pool(last, input_ids))

  def seen(self, ids: Array, mask: Array | None) -> Array | None:
    """Which keys a query may see, (B, T) or (B, T, T); None: all."""
    before = jnp.tri(ids.shape[1], dtype=bool)[None]
    return before if mask is None else before & (mask[:, None] != 0)

  def pool(self, last: Array, ids: Array) -> Array:
    """What stands for the text, (B, D)."""
    end = self.config.eos_token_id
    # The first configs say 2, whatever ended texts; it had the highest number.
    at = (ids if end == 2 else ids == end).argmax(1)
    return jnp.take_along_axis(last, at[:, None, None], 1)[:, 0]


# The mask tells the token that ends a text of padding of the same number.
INPUT = texts.text(lambda found, config: inputs.Own('last'))
PREFIXES = ('text_model.',)
DROPPED = (
  r'(.*\.)?position_ids',
  r'vision_model\..*',
  r'(text_projection|visual_projection)\..*',
  'logit_(scale|bias)',
)

example = texts.example


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.norm('final_norm', 'final_layer_norm')
  for ours, theirs in (('words', 'token'), ('positions', 'position')):
    found |= checkpoint.plain(
      f'{ours}/embedding', f'embeddings.{theirs}_embedding.weight'
    )
  for i in range(config.num_hidden_layers):
    found |= vit.tower_layer_table(f'layer_{i}', f'encoder.layers.{i}')
  return found
