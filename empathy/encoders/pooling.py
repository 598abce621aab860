"""From an encoder's states to what stands for a clip.

Extraction and fine-tuning share it, so that what was learned is what is used.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from empathy import encoders
from empathy.encoders import inputs

Array = jax.Array

# Those that keep a sequence: 'none' of tokens, moments or frames, 'states' of
# all there is, the patches of a frame too.
SEQUENCES = ('none', 'states')
# 'own' is what the encoder's makers pool by.
POOLINGS = ('own', 'first', 'last', 'mean', 'max', *SEQUENCES)


def pool(
  config: Any,
  output: encoders.Output,
  layer: int | str,
  pooling: str,
  attention_mask: Array | None = None,
) -> Array:
  """Pools the states of a batch; no row depends on another.

  An encoder that encodes each frame by itself has one state a frame here: what
  it made of the frame itself, or of another layer the frame's class token; the
  mean of the frame's states where `config.has_class_token` is False.

  Args:
    config: of the encoder.
    output: of the encoder, T states of each of B clips.
    layer: 'last', the number of a hidden state, or 'all' of these.
    pooling: one of `POOLINGS` but 'own', or 'pooled': what the encoder made
      itself of its last states.
    attention_mask: (B, S), nonzero for what of the main input is not padding,
      which follows; None: nothing is. States of padding do not count.

  Returns:
    (B, D) float32; (B, layers, D) for all layers; (B, T, D) for sequences.
  """
  if pooling == 'pooled':
    return output.pooled.astype(jnp.float32)
  if layer == 'last':
    states = output.last_hidden_state[:, None]
  elif layer == 'all':
    states = jnp.stack(output.hidden_states, 1)
  else:
    states = output.hidden_states[layer][:, None]
  states = states.astype(jnp.float32)  # (B, layers, T, D).
  is_each = output.pooled is not None and output.pooled.ndim == 3
  if is_each and pooling != 'states':
    if layer == 'last':
      states = output.pooled[:, None].astype(jnp.float32)
    else:
      frames, width = output.pooled.shape[1:]
      states = states.reshape(*states.shape[:2], frames, -1, width)
      if getattr(config, 'has_class_token', True):
        states = states[:, :, :, 0]
      else:
        states = states.mean(3)
  count = states.shape[2]
  length = jnp.full(len(states), count)
  inside = None
  if attention_mask is not None:
    size = attention_mask.astype(jnp.int32).sum(1)
    length = encoders.num_states(config, size)
    inside = (jnp.arange(count) < length[:, None])[:, None, :, None]
  if pooling in SEQUENCES:
    return states[:, 0]
  if pooling == 'first':
    pooled = states[:, :, 0]
  elif pooling == 'last':
    at = (length - 1)[:, None, None, None]
    pooled = jnp.take_along_axis(states, at, 2)[:, :, 0]
  elif pooling == 'mean':
    pooled = states.mean(2, where=inside)
  else:
    pooled = states.max(2, where=inside, initial=-jnp.inf)
  return pooled if layer == 'all' else pooled[:, 0]


def join(
  values: Sequence[np.ndarray],
  lengths: Sequence[int],
  how: inputs.Own,
  is_sequence: bool = False,
) -> np.ndarray:
  """What stands for a clip, from what stands for each of its rows.

  Args:
    values: of each row, as `pool` gives them.
    lengths: how many states each has, padding not counted; 0: all.
    how: the rows were pooled.
    is_sequence: whether they are steps, not windows; see `inputs.Input`.

  Returns:
    Of sequences one after the other; of means that over all states; the first
    or last of steps that are so pooled; the mean of the rows of what else they
    are pooled by; the same for every layer.
  """
  if how.pooling in SEQUENCES:
    result = np.concatenate(
      [
        value[:length] if length else value
        for value, length in zip(values, lengths, strict=True)
      ]
    )
  elif len(values) == 1:
    result = values[0]
  elif how.pooling == 'max':
    result = np.max(values, axis=0)
  elif is_sequence and how.pooling in ('first', 'last'):
    result = values[0 if how.pooling == 'first' else -1]
  else:
    weights = lengths if how.pooling == 'mean' and any(lengths) else None
    result = np.average(values, axis=0, weights=weights).astype(np.float32)
  if how.is_unit:
    size = np.linalg.norm(result, axis=-1, keepdims=True)
    result = result / np.maximum(size, np.finfo(np.float32).tiny)
  return result
