"""From a clip's words, sound or pictures to its features.

An `Extractor` loads clips, many at a time in threads, and computes the features
of those that were loaded, in batches.
"""

import dataclasses
import functools
import math
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from empathy import encoders, errors, nearest
from empathy.encoders import (
  baselines,
  checkpoint,
  faces,
  inputs,
  media,
  pooling,
)

DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}
# Each with its modality; `encoder` in a config is one of these or a checkpoint.
BASELINES = {
  'hashed_ngrams': 'text',
  'voice_statistics': 'audio',
  'egemaps': 'audio',
  'frame_statistics': 'video',
}
# States of an input, 10 s of sound: up to here a batch is of so many as is
# asked for.
_FULL_BATCH = 512
# Decoded clips wait in memory, those of two parts; a film is some 10 MB.
_CLIPS_IN_A_PART = {'text': 128, 'audio': 128, 'video': 32}
_BYTES_IN_A_PART = 2**29


@dataclasses.dataclass(frozen=True)
class Extractor:
  """What makes features of one modality.

  Attributes:
    record: what the features depend on, as JSON: kept beside them.
    load: what is to be computed with, of one clip; called in threads. Raises
      `media.MediaError`.
    compute: the features of clips, from the rows of each, (D,) or (T, D) if
      `is_sequence`; they do not depend on the other clips.
    size: a guess how long a clip is, to put like with like.
    is_sequence: whether features have a length.
    has_times: whether they are in the order of what was loaded with `times`.
    clips_in_a_part: how many are loaded before they are computed with.
    most: what clips are longer than where a part of them is left out, such as
      '10 s'.
  """

  record: Mapping[str, Any]
  load: Callable[[inputs.Clip], inputs.Loaded]
  compute: Callable[[Sequence[Sequence[Any]]], list[np.ndarray]] = (
    lambda clips: [rows[0] for rows in clips]
  )
  size: Callable[[inputs.Clip], float] = lambda clip: 0.0
  is_sequence: bool = False
  has_times: bool = False
  clips_in_a_part: int = 128
  most: str = ''


def make(
  modality: str,
  settings: Mapping[str, Any],
  seconds: float,
  num_frames: int,
  spread: Callable,
) -> Extractor:
  """Makes the extractor that a config asks for.

  Args:
    modality: text, audio or video.
    settings: see `complete`.
    seconds: how much of each clip's sound and film is used; infinite: all.
    num_frames: pictures that stand for a clip's film.
    spread: `spread(function, constants)` compiles `function(constants, batch)`
      for all devices; see `training.parallel.spread`.

  Returns:
    The extractor.

  Raises:
    InputError: settings are wrong, or something is missing.
  """
  settings = complete(modality, settings)
  if settings.get('crop') == 'face':
    faces.require()
  if settings['encoder'] in BASELINES:
    return _baseline(settings, seconds, num_frames)
  return _pretrained(modality, settings, seconds, num_frames, spread)


def complete(modality: str, settings: Mapping[str, Any]) -> dict[str, Any]:
  """Checks the settings of a modality's features, and adds what is left out.

  Args:
    modality: text, audio or video.
    settings: `encoder`, a name in `BASELINES` or a checkpoint's name or folder;
      for film optionally `crop`, one of `faces.CROPS`; for a checkpoint
      optionally `layer` ('last', 'all', or the number of a hidden state: 0 goes
      into the first layer, -1 comes out of the last; a command line gives it as
      a string), `pooling` (one of `pooling.POOLINGS`), `dtype` and `batch_size`
      (of each device; of single pictures, so many frames); for sound
      `scale_peak`: whether the highest peak is scaled to 1 before the
      checkpoint's own normalisation, if it has one; and for text `prefix`: what
      is put before each, or 'own': what the checkpoint says, if anything. All
      layers are a sequence too, of pooled states, so that a model may learn how
      to mix them.

  Returns:
    All settings, a layer's number as an integer.

  Raises:
    InputError: settings are wrong.
  """
  name = settings.get('encoder')
  where = f'config.features.{modality}'
  if not isinstance(name, str) or not name:
    raise errors.InputError(
      f'{where}.encoder: is missing: expected a checkpoint or one of '
      f'{", ".join(BASELINES)}'
    )
  defaults = {
    'layer': 'last',
    'pooling': 'own',
    'dtype': 'float32',
    'batch_size': 8,
  }
  if modality == 'audio':
    defaults['scale_peak'] = False
  if modality == 'video':
    defaults['crop'] = 'none'
  if modality == 'text':
    defaults['prefix'] = 'own'
  faults = [
    f'{where}.{key}: there is no such field'
    for key in settings
    if key not in ('encoder', *defaults)
  ]
  if name in BASELINES:
    if BASELINES[name] != modality:
      faults.append(f'{where}.encoder: {name} is for {BASELINES[name]}')
    faults += [
      f'{where}.{key}: is for checkpoints, not for {name}'
      for key in defaults
      if key in settings and key != 'crop'
    ]
  errors.raise_faults(faults)
  result = defaults | dict(settings)
  for key, choices in (
    ('pooling', pooling.POOLINGS),
    ('dtype', DTYPES),
    ('crop', faces.CROPS),
  ):
    if key in result and result[key] not in choices:
      faults.append(
        f'{where}.{key}: {result[key]!r} is not one of {", ".join(choices)}'
        + nearest.hint(str(result[key]), choices)
      )
  result['layer'] = layer = _number(result['layer'])
  if layer not in ('last', 'all') and type(layer) is not int:
    faults.append(f"{where}.layer: {layer!r} is not 'last', 'all' or a number")
  if layer == 'all' and result['pooling'] in pooling.SEQUENCES:
    faults.append(
      f'{where}.pooling: {result["pooling"]!r} cannot go with all layers'
    )
  if type(result['batch_size']) is not int or result['batch_size'] < 1:
    faults.append(
      f'{where}.batch_size: {result["batch_size"]!r} is not 1 or more'
    )
  if type(result.get('scale_peak', False)) is not bool:
    faults.append(
      f'{where}.scale_peak: {result["scale_peak"]!r} is not True or False'
    )
  if not isinstance(result.get('prefix', ''), str):
    faults.append(f'{where}.prefix: {result["prefix"]!r} is no text')
  errors.raise_faults(faults)
  if name in BASELINES:
    return {key: result[key] for key in ('encoder', 'crop') if key in result}
  return result


def _number(value: Any) -> Any:
  """The integer that a string spells; anything else as it is."""
  if isinstance(value, str) and re.fullmatch(r'-?\d+', value):
    return int(value)
  return value


def layers_below(modality: str, config: Any, layer: int | str) -> int:
  """How many layers an encoder's hidden state comes out of.

  Args:
    modality: for messages.
    config: of the encoder.
    layer: a setting; see `complete`.

  Raises:
    InputError: the encoder has no such hidden state.
  """
  count = config.num_hidden_layers + 1
  if layer in ('last', 'all'):
    return count - 1
  if not -count <= layer < count:
    raise errors.InputError(
      f'config.features.{modality}.layer: {layer} is none of the {count} '
      f'hidden states of the encoder, 0 to {count - 1}'
    )
  return layer % count


def unpadded(module: Any) -> Any:
  """The module such that states do not depend on how far a clip is padded."""
  if hasattr(module, 'masked_norm'):
    return module.clone(masked_norm=True)
  return module


def _baseline(
  settings: Mapping[str, Any], seconds: float, num_frames: int
) -> Extractor:
  name = settings['encoder']
  record: dict[str, Any] = {'encoder': name}
  if name == 'hashed_ngrams':
    return Extractor(
      record, lambda clip: _one(baselines.hashed_ngrams(clip.source))
    )
  media.require()
  record['seconds'] = _finite(seconds)
  if name == 'frame_statistics':
    record |= _film_record(settings, num_frames)
    options = inputs.Options(name, settings, seconds, num_frames)

    def load(clip: inputs.Clip) -> inputs.Loaded:
      film = inputs.read_pictures(clip, options)
      return _one(baselines.frame_statistics(film.frames), film.is_cut)
  elif name == 'egemaps':

    def load(clip: inputs.Clip) -> inputs.Loaded:
      # openSMILE wants the recording as it is.
      sound = media.read_sound(
        clip.source, None, clip.start, clip.end, seconds, normalise=False
      )
      features = baselines.egemaps(sound.samples, sound.rate)
      return _one(features, sound.is_cut)
  else:

    def load(clip: inputs.Clip) -> inputs.Loaded:
      sound = media.read_sound(
        clip.source, 16_000, clip.start, clip.end, seconds
      )
      features = baselines.voice_statistics(sound.samples, sound.rate)
      return _one(features, sound.is_cut)

  return Extractor(record, load, most=_most(seconds))


def _finite(seconds: float) -> float | None:
  """What JSON has for it: null where all of a clip counts."""
  return seconds if seconds < math.inf else None


def _film_record(settings: Mapping[str, Any], num_frames: int) -> dict:
  cropped = faces.record() if settings['crop'] == 'face' else {}
  return {'num_frames': num_frames, **cropped}


def _most(seconds: float) -> str:
  return f'{seconds:g} s' if seconds < math.inf else ''


def _one(features: np.ndarray, is_cut: bool = False) -> inputs.Loaded:
  return inputs.Loaded((features,), is_cut)


def _pretrained(
  modality: str,
  settings: Mapping[str, Any],
  seconds: float,
  num_frames: int,
  spread: Callable,
) -> Extractor:
  name = settings['encoder']
  encoder = load(modality, settings, is_frozen=True)
  config = encoder.config
  layer, own = settings['layer'], how(encoder, settings)
  layers_below(modality, config, layer)
  if modality != 'text':
    media.require()
  module = unpadded(encoder.module)
  run = spread(
    functools.partial(_states, module, layer, own.pooling), encoder.params
  )
  if settings.get('prefix') == 'own':
    settings['prefix'] = encoder.own.prefix
  options = inputs.Options(name, settings, seconds, num_frames, encoder.own)
  kind = encoders.input_of(config)

  def compute(clips: Sequence[Sequence[Any]]) -> list[np.ndarray]:
    return _in_batches(clips, run, settings['batch_size'], config, own)

  found = checkpoint.find(name)
  record = dict(settings) | {
    'sha256': found.sha256(),
    'inputs_sha256': found.inputs_sha256(modality),
  }
  record['pooling'] = own.pooling
  if own.is_unit:
    record['is_unit'] = True
  if modality == 'text':
    if not record['prefix']:
      del record['prefix']
    if encoder.own.max_tokens is not None:
      record['max_tokens'] = encoder.own.max_tokens
    if encoder.own.is_lower:
      record['is_lower'] = True
  else:
    record['seconds'] = _finite(seconds)
  # Neither changes a feature: a folder may move, a batch be of another size.
  record['encoder'] = pathlib.Path(name).name if os.path.isdir(name) else name
  del record['batch_size']
  if settings['dtype'] == 'float32':
    record['matmul_precision'] = encoders.MATMUL_PRECISION
  if modality == 'video':
    del record['crop']
    record |= _film_record(settings, num_frames)
  sizes = {'text': lambda clip: len(clip.source), 'audio': _duration}
  return Extractor(
    record,
    kind.loader(config, options),
    compute,
    sizes.get(modality, Extractor.size),
    is_sequence=own.pooling in pooling.SEQUENCES or layer == 'all',
    has_times=own.pooling in pooling.SEQUENCES,
    clips_in_a_part=_clips_in_a_part(modality, config, num_frames),
    most=_most(seconds) if modality != 'text' else '',
  )


def _clips_in_a_part(modality: str, config: Any, num_frames: int) -> int:
  """How many clips wait: fewer where their films are large."""
  most = _CLIPS_IN_A_PART[modality]
  if modality != 'video':
    return most
  (frames, *_) = encoders.example(config).values()
  size = frames[0, 0].nbytes * num_frames
  return min(max(_BYTES_IN_A_PART // size, 1), most)


def load(
  modality: str,
  settings: Mapping[str, Any],
  remat: bool = False,
  is_frozen: bool = False,
) -> encoders.Encoder:
  """Loads the encoder that settings name.

  Args:
    modality: text, audio or video.
    settings: complete.
    remat: as in `encoders.load`.
    is_frozen: likewise.

  Raises:
    InputError: as `encoders.load`, or it is of another modality.
  """
  name = settings['encoder']
  encoder = encoders.load(
    name, DTYPES[settings['dtype']], remat, modality, is_frozen
  )
  kind = encoders.modality(encoder.config)
  if kind != modality:
    raise errors.InputError(
      f'config.features.{modality}.encoder: {name} is an encoder of {kind}'
    )
  return encoder


def how(encoder: encoders.Encoder, settings: Mapping[str, Any]) -> inputs.Own:
  """How the states of an encoder are pooled.

  Args:
    encoder: loaded.
    settings: complete.

  Returns:
    What settings ask for; the encoder's own way where that is it.

  Raises:
    InputError: the encoder's own way is not supported, or for the last layer
      alone.
  """
  is_causal = getattr(encoder.config, 'is_causal', False)
  others = "'last' or 'mean'" if is_causal else "'first' or 'mean'"
  if settings['pooling'] == 'first' and is_causal:
    raise errors.InputError(
      f'{settings["encoder"]}: its first token sees no other; give '
      f"'own', {others} as pooling"
    )
  if settings['pooling'] != 'own':
    return inputs.Own(settings['pooling'])
  if encoder.own.fault:
    raise errors.InputError(
      f'{encoder.own.fault}: this is not supported as its own pooling; give '
      f'{others}'
    )
  if encoder.own.pooling == 'pooled' and settings['layer'] != 'last':
    raise errors.InputError(
      f'{settings["encoder"]}: pools its last layer alone in its own way; give '
      f'{others} as pooling of layer {settings["layer"]!r}'
    )
  return encoder.own


def _states(
  module: Any,
  layer: int | str,
  how: str,
  params: Any,
  batch: Mapping[str, jax.Array],
) -> jax.Array:
  """The features of a batch: (B, D), (B, layers, D) or (B, T, D) float32."""
  with encoders.full_precision():
    output = module.apply(params, **batch)
  return pooling.pool(
    module.config, output, layer, how, batch.get('attention_mask')
  )


def _in_batches(
  clips: Sequence[Sequence[Mapping[str, np.ndarray]]],
  run: Any,
  batch_size: int,
  config: Any,
  own: inputs.Own,
) -> list[np.ndarray]:
  """Computes with rows of like length together; see `Extractor.compute`."""
  kind = encoders.input_of(config)
  rows = [row for clip in clips for row in clip]
  # The length of what is not padding, and with padding; 0 where none is.
  sizes = [
    len(row['attention_mask']) if 'attention_mask' in row else 0 for row in rows
  ]
  lengths = [
    min(inputs.bucket(size), kind.longest(config)) if size else 0
    for size in sizes
  ]
  values: list[Any] = [None] * len(rows)
  for length in sorted(set(lengths)):
    # Long ones are fewer at a time, for a batch to take no more memory.
    count = kind.num_states(config, length) if length else 1
    share = min(_FULL_BATCH / max(count, 1), 1.0)
    size = max(int(batch_size * share), 1) * run.num_devices
    members = [i for i, other in enumerate(lengths) if other == length]
    for first in range(0, len(members), size):
      chosen = members[first : first + size]
      # A short batch is filled up, so that one shape is compiled.
      filled = chosen + chosen[-1:] * (size - len(chosen))
      ready = [
        inputs.padded(rows[i], length) if length else rows[i] for i in filled
      ]
      batch = {
        name: np.stack([row[name] for row in ready]) for name in ready[0]
      }
      # A row that was not of its clip would go unnoticed from here on.
      for i, value in zip(filled, run(batch), strict=True):
        values[i] = np.array(value)
  results = []
  for clip in clips:
    states = [
      kind.num_states(config, _length(row, own.pooling))
      if 'attention_mask' in row
      else 0
      for row in clip
    ]
    mine, values = values[: len(clip)], values[len(clip) :]
    results.append(pooling.join(mine, states, own, kind.is_sequence))
  return results


def _length(row: Mapping[str, np.ndarray], how: str) -> int:
  """So much of a row counts; 'states' are of all there is, silence too."""
  mask = row['attention_mask']
  return len(mask) if how == 'states' else int(mask.sum())


def _duration(clip: inputs.Clip) -> float:
  if clip.end is not None:
    return clip.end - clip.start
  return max(media.seconds_of(clip.source) - clip.start, 0.0)
