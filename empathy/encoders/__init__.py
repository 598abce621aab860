"""Pretrained encoders of text, voice and pictures, as Flax modules.

  encoder = encoders.load('roberta-base')
  states = encoder(input_ids=..., attention_mask=...).hidden_states

Each architecture is a file with `Config`, `Model`, `INPUT` (what it takes; see
`inputs.Input`), `table` (from the names in published checkpoints to
parameters), `PREFIXES`, `DROPPED` and `example`, and a line in `ARCHITECTURES`.
Rows of what a model returns are those of its input.
"""

import dataclasses
import functools
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax import linen as nn

from empathy import errors, files
from empathy.encoders import checkpoint, inputs, transformer
from empathy.encoders.architectures import (
  clip_text,
  data2vec_audio,
  deberta,
  distilbert,
  llama,
  modernbert,
  mpnet,
  roberta,
  siglip_text,
  timesformer,
  videomae,
  vit,
  vivit,
  vjepa2,
  wav2vec2,
  wav2vec2_bert,
  wavlm,
  whisper,
)

Output = transformer.Output

# Of products of float32 matrices, for features and for what learns from them:
# the default of GPUs and TPUs keeps 10 or 7 bits of the 23.
MATMUL_PRECISION = 'float32'
full_precision = functools.partial(
  jax.default_matmul_precision, MATMUL_PRECISION
)

# By the `model_type` in config.json.
ARCHITECTURES = {
  'bert': roberta,
  'clip_text_model': clip_text,
  'camembert': roberta,
  'clip_vision_model': vit,
  'data2vec-audio': data2vec_audio,
  'data2vec-text': roberta,
  'deberta-v2': deberta,  # v3 too.
  'dinov2': vit,
  'dinov2_with_registers': vit,
  'distilbert': distilbert,
  'electra': roberta,
  'hubert': wav2vec2,
  'llama': llama,
  'mistral': llama,
  'modernbert': modernbert,
  'mpnet': mpnet,
  'qwen2': llama,
  'qwen3': llama,
  'roberta': roberta,
  'siglip2_text_model': siglip_text,
  'siglip_text_model': siglip_text,
  'siglip_vision_model': vit,
  'timesformer': timesformer,
  'unispeech': wav2vec2,
  'unispeech-sat': wav2vec2,
  'videomae': videomae,
  'vit': vit,
  'vivit': vivit,
  'vjepa2': vjepa2,
  'wav2vec2': wav2vec2,
  'wav2vec2-bert': wav2vec2_bert,
  'wavlm': wavlm,
  'whisper': whisper,
  'xlm-roberta': roberta,
}
# Of checkpoints with two encoders: which settings are whose.
TOWERS = {'text': 'text_config', 'video': 'vision_config'}


@dataclasses.dataclass(frozen=True)
class Encoder:
  """A module with its parameters.

  Attributes:
    module: `module.apply(params, **arrays)` is pure; it takes `deterministic`
      beside, and with False the rng `dropout`.
    params: of the module, `{'params': ...}`, float32 unless it is loaded to be
      frozen; the encoder's last layer is `params['params']['layer_<N - 1>']`.
    config: the architecture's settings.
    own: how its makers pool its states.
  """

  module: nn.Module
  params: dict[str, Any]
  config: Any
  own: inputs.Own = inputs.MEAN

  def __call__(self, **arrays: Any) -> Output:
    """Encodes.

    Args:
      **arrays: what the checkpoint's processor in Transformers returns, by the
        same names, as NumPy or JAX arrays: `input_ids, attention_mask` for
        text, `input_values[, attention_mask]` for sound at the encoder's rate
        or `input_features[, attention_mask]` for its spectrum, `pixel_values`
        for frames (of V-JEPA 2 `pixel_values_videos`).

    Returns:
      The hidden states, in the module's dtype.
    """
    return _apply(self.module, self.params, arrays)


@functools.partial(jax.jit, static_argnums=0)
def _apply(
  module: nn.Module, params: dict[str, Any], arrays: dict[str, Any]
) -> Output:
  with full_precision():
    return module.apply(params, **arrays)


def input_of(config: Any) -> inputs.Input:
  """What an encoder takes."""
  return ARCHITECTURES[config.model_type].INPUT


def modality(config: Any) -> str:
  """What an encoder encodes: text, audio or video."""
  return input_of(config).modality


def num_states(config: Any, size: Any) -> Any:
  """How many states an input of such a size has; see `inputs.Input`."""
  return input_of(config).num_states(config, size)


def example(config: Any) -> dict[str, np.ndarray]:
  """The smallest input of an encoder, the main one first; one clip."""
  return ARCHITECTURES[config.model_type].example(config)


@functools.lru_cache(maxsize=64)
def shapes(config: Any) -> Any:
  """The parameters of an encoder, as `jax.ShapeDtypeStruct`s.

  Args:
    config: of the encoder.

  Raises:
    InputError: its settings are not supported.
  """
  module = ARCHITECTURES[config.model_type].Model(config)
  return jax.eval_shape(
    lambda: module.init(jax.random.key(0), **example(config))
  )


def load(
  name_or_path: str | os.PathLike,
  dtype: Any = jnp.float32,
  remat: bool = False,
  modality: str | None = None,
  is_frozen: bool = False,
) -> Encoder:
  """Loads a published checkpoint.

  Args:
    name_or_path: a folder, or a name on the Hugging Face Hub, which is looked
      up in its cache; see `checkpoint.find`.
    dtype: float32 or bfloat16, in which sums are computed and states returned.
    remat: compute activations again for the gradient rather than keep them.
    modality: of a checkpoint with encoders of text and of pictures ('video'),
      which one.
    is_frozen: hold parameters in which a layer rounds them to `dtype` anyway
      in that dtype: half of the bytes, but nothing to learn from.

  Returns:
    The encoder, without the checkpoint's heads.

  Raises:
    InputError: there is no such checkpoint, it is of another architecture, its
      settings are not supported, or its tensors are not those of the encoder.
  """
  found = checkpoint.find(name_or_path)
  config = read_config(found.config, modality)
  architecture = ARCHITECTURES[config.model_type]
  module = architecture.Model(config, dtype=dtype, remat=remat)

  def make(path: str, array: np.ndarray) -> jax.Array:
    is_rounded = is_frozen and path.endswith(('/kernel', 'words/embedding'))
    kind = dtype if is_rounded else jnp.float32
    return jnp.array(np.ascontiguousarray(array, kind))

  params = {
    'params': checkpoint.to_params(
      architecture.table(config),
      checkpoint.read_tensors(found),
      architecture.PREFIXES,
      architecture.DROPPED,
      found.name,
      make,
    )
  }
  _check_shapes(config, params, found.name)
  own = architecture.INPUT.own(found, config)
  return Encoder(module, params, config, own)


def read_config(path: pathlib.Path, modality: str | None = None) -> Any:
  """Reads a `config.json`.

  Args:
    path: of it.
    modality: as in `load`.

  Returns:
    The settings of the encoder, a `Config` of its architecture.

  Raises:
    InputError: it is of another architecture, or a setting is not supported.
  """
  values = _of_tower(path, modality)
  kind = values.get('model_type')
  if kind not in ARCHITECTURES:
    raise errors.InputError(
      f'{path}: model_type is {kind!r}: expected one of '
      f'{", ".join(ARCHITECTURES)}'
    )
  return checkpoint.read_config(ARCHITECTURES[kind].Config, values, str(path))


def _of_tower(path: pathlib.Path, modality: str | None) -> dict[str, Any]:
  """The settings of one encoder of a checkpoint that may have two.

  Raises:
    InputError: it has two, and `modality` is none of theirs.
  """
  values = checkpoint.read_json(path)
  kind, name = values.get('model_type'), TOWERS.get(modality)
  if kind in ARCHITECTURES:
    return values
  if name is None and values.keys() >= {*TOWERS.values()}:
    raise errors.InputError(
      f'{path}: has an encoder of text and one of pictures: expected as '
      f'modality {" or ".join(map(repr, TOWERS))}, got {modality!r}'
    )
  # In old files what counts of an encoder is there a second time.
  own = next(
    (values[k] for k in (f'{name}_dict', name) if values.get(k) is not None),
    None,
  )
  if not isinstance(own, dict):
    return values
  of_all = {
    k: values[k] for k in ('auto_map', 'quantization_config') if k in values
  }
  kind = f'{kind}_{name.removesuffix("_config")}_model'
  return of_all | {'model_type': kind} | own


def _check_shapes(config: Any, params: dict[str, Any], where: str) -> None:
  """Raises an `InputError` where the module wants arrays of other shapes."""
  try:
    wanted = shapes(config)
  except errors.InputError as error:
    raise errors.InputError(f'{where}: {error}') from None
  pairs = zip(
    jax.tree_util.tree_leaves_with_path(wanted),
    jax.tree_util.tree_leaves_with_path(params),
    strict=True,
  )
  faults = [
    f'{where}: {jax.tree_util.keystr(path[1:], simple=True, separator="/")} '
    f'has shape {got.shape}, but by the config {want.shape}'
    for (path, want), (other, got) in pairs
    if (path, want.shape) != (other, got.shape)
  ]
  more = [f'... and {len(faults) - 3} more'] if len(faults) > 3 else []
  errors.raise_faults(faults[:3] + more)


def save(encoder: Encoder, folder: str | os.PathLike) -> None:
  """Writes an encoder as a checkpoint that `load` and Transformers read.

  Args:
    encoder: perhaps with other parameters than it was loaded with.
    folder: to make or replace: `config.json` and `model.safetensors`.
  """
  architecture = ARCHITECTURES[encoder.config.model_type]
  tensors = checkpoint.to_tensors(
    architecture.table(encoder.config), encoder.params['params']
  )
  with files.replacing(folder) as temporary:
    temporary.mkdir()
    config = dataclasses.asdict(
      encoder.config,
      dict_factory=lambda pairs: {
        k: v for k, v in pairs if v not in (None, ())
      },
    )
    files.write_json(temporary / 'config.json', config)
    safetensors.numpy.save_file(
      tensors, temporary / 'model.safetensors', {'format': 'pt'}
    )
