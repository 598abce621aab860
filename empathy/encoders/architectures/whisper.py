"""The encoder of Whisper (arXiv 2212.04356).

Two convolutions turn a log-mel spectrum of 30 s into 1500 states, to which
positions are added, then a transformer. Sound that is shorter is followed by
silence, which the encoder sees: it has no mask.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from empathy import errors
from empathy.encoders import checkpoint, transformer
from empathy.encoders.architectures import wav2vec2
from empathy.encoders.inputs import spectra

Array = jax.Array

_EPSILON = 1e-5  # Of the normalisations; no setting.


@dataclasses.dataclass(frozen=True)
class Config:
  """The settings in `config.json`, by their names there."""

  FIXED: ClassVar[dict[str, Any]] = {}
  # Sines and cosines; without a gradient there is still weight decay.
  NEVER_LEARN: ClassVar[tuple[str, ...]] = ('positions',)
  model_type: str = 'whisper'
  num_mel_bins: int = 80
  d_model: int = 384
  encoder_layers: int = 4
  encoder_attention_heads: int = 6
  encoder_ffn_dim: int = 1536
  activation_function: str = 'gelu'
  dropout: float = 0.0
  attention_dropout: float = 0.0
  activation_dropout: float = 0.0
  max_source_positions: int = 1500

  @property
  def hidden_size(self) -> int:
    """As most encoders call it, like the following."""
    return self.d_model

  @property
  def num_hidden_layers(self) -> int:
    """See above."""
    return self.encoder_layers

  @property
  def num_attention_heads(self) -> int:
    """See above."""
    return self.encoder_attention_heads

  @property
  def num_frames(self) -> int:
    """Of the spectrum that the encoder takes."""
    return 2 * self.max_source_positions


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
    input_features: Array,
    attention_mask: Array | None = None,
    deterministic: bool = True,
  ) -> transformer.Output:
    """Encodes spectra.

    Layers are not dropped in training.

    Args:
      input_features: (B, M, S) of M mels, S = 3000 frames; silence too.
      attention_mask: not used; those who pool the states need it.
      deterministic: drop nothing; otherwise the rng `dropout` is needed.

    Returns:
      The hidden states, (B, S / 2, D). The last is normalised among the
      `hidden_states` too, as in Transformers.

    Raises:
      InputError: the input has another shape.
    """
    del attention_mask
    c = self.config
    wanted = c.num_mel_bins, c.num_frames
    if input_features.shape[1:] != wanted:
      raise errors.InputError(
        f'input_features have shape {input_features.shape}, expected (clips, '
        f'{wanted[0]}, {wanted[1]}): mels and frames'
      )
    x = input_features.astype(self.dtype).swapaxes(1, 2)
    act = transformer.activation('gelu')  # Here whatever the layers have.
    for i, stride in enumerate((1, 2)):
      x = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
      x = wav2vec2.Convolution(
        c.d_model, 3, stride, True, self.dtype, name=f'convolution_{i}'
      )(x)
      x = act(x)
    positions = self.param(
      'positions',
      nn.initializers.normal(0.02),
      (c.max_source_positions, c.d_model),
    )
    x += jax.lax.stop_gradient(positions).astype(self.dtype)
    x = nn.Dropout(c.dropout)(x, deterministic=deterministic)
    settings = transformer.Settings.of(
      c,
      self.dtype,
      intermediate_size=c.encoder_ffn_dim,
      activation=c.activation_function,
      epsilon=_EPSILON,
      pre_norm=True,
      qkv_bias=(True, False, True),
      dropout=c.dropout,
    )
    states = transformer.apply_layers(
      transformer.Layer,
      {'settings': settings},
      c.encoder_layers,
      self.remat,
      x,
      None,
      deterministic,
    )
    last = transformer.layer_norm(_EPSILON, self.dtype, 'final_norm')(
      states[-1]
    )
    return transformer.Output(last, (*states[:-1], last))


INPUT = spectra.windows(
  num_states=lambda config, size: (size + 1) // 2,
  num_inputs=lambda config, count: 2 * count - 1,
)
PREFIXES = ('model.',)
DROPPED = (r'(decoder|proj_out|projector|classifier)\..*', 'layer_weights')


def example(config: Config) -> dict[str, np.ndarray]:
  """The only input there is."""
  shape = 1, config.num_mel_bins, config.num_frames
  return {'input_features': np.zeros(shape, np.float32)}


def table(config: Config) -> checkpoint.Table:
  """Where the parameters come from."""
  found = checkpoint.plain('positions', 'encoder.embed_positions.weight')
  found |= checkpoint.norm('final_norm', 'encoder.layer_norm')
  for i in range(2):
    found |= checkpoint.dense(f'convolution_{i}', f'encoder.conv{i + 1}')
  for i in range(config.encoder_layers):
    path, name = f'layer_{i}', f'encoder.layers.{i}'
    for ours, theirs in (
      ('attention/query', 'self_attn.q_proj'),
      ('attention/key', 'self_attn.k_proj'),
      ('attention/value', 'self_attn.v_proj'),
      ('attention/output', 'self_attn.out_proj'),
      ('feed_forward/up', 'fc1'),
      ('feed_forward/down', 'fc2'),
    ):
      found |= checkpoint.dense(
        f'{path}/{ours}', f'{name}.{theirs}', not ours.endswith('key')
      )
    for ours, theirs in (
      ('attention_norm', 'self_attn_layer_norm'),
      ('feed_forward_norm', 'final_layer_norm'),
    ):
      found |= checkpoint.norm(f'{path}/{ours}', f'{name}.{theirs}')
  return found
