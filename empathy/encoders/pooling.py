"""From an encoder's states to what stands for a clip.

Extraction and fine-tuning share it, so that what was learned is what is used.
"""

from typing import Any

import jax
import jax.numpy as jnp

from empathy import encoders

Array = jax.Array

# 'none' keeps the sequence.
POOLINGS = ('first', 'mean', 'none')


def default(modality: str) -> str:
  """The pooling where none is asked for.

  Encoders of text are trained with a first token that stands for the whole. The
  first state of a sound is its first 25 ms, that of a film may be one corner.
  """
  return 'first' if modality == 'text' else 'mean'


def pool(
  config: Any,
  output: encoders.Output,
  layer: int | str,
  pooling: str,
  attention_mask: Array | None = None,
) -> Array:
  """Pools the states of a batch; no row depends on another.

  Args:
    config: of the encoder.
    output: of the encoder, T states of each of B clips.
    layer: 'last', the number of a hidden state, or 'all' of these.
    pooling: one of `POOLINGS`. The first state is that of the whole clip; where
      each frame has one of its own, it is their mean, as the mean over frames
      is what TimeSformer (arXiv 2102.05095) predicts from without attention
      over time.
    attention_mask: (B, S), nonzero for what of the main input is not padding,
      which follows; None: nothing is. The mean leaves out the states of
      padding.

  Returns:
    (B, D) float32; (B, layers, D) for all layers; (B, T, D) without pooling.
  """
  if layer == 'last':
    states = output.last_hidden_state[:, None]
  elif layer == 'all':
    states = jnp.stack(output.hidden_states, 1)
  else:
    states = output.hidden_states[layer][:, None]
  states = states.astype(jnp.float32)  # (B, layers, T, D).
  if pooling == 'none':
    return states[:, 0]
  if pooling == 'first':
    frame = getattr(config, 'frame_length', None)
    pooled = states[:, :, ::frame].mean(2) if frame else states[:, :, 0]
  else:
    inside = None
    if attention_mask is not None:
      size = attention_mask.astype(jnp.int32).sum(1)
      length = encoders.num_states(config, size)
      inside = jnp.arange(states.shape[2]) < length[:, None]
      inside = inside[:, None, :, None]
    pooled = states.mean(2, where=inside)
  return pooled if layer == 'all' else pooled[:, 0]
