"""From a clip's words, sound or pictures to its features.

An `Extractor` loads clips, many at a time in threads, and computes the features
of those that were loaded, in batches.
"""

import dataclasses
import functools
import math
import os
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from empathy import encoders, errors
from empathy.encoders import baselines, checkpoint, media, wav2vec2

POOLINGS = ('first', 'mean', 'none')
DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}
# Each with its modality; `encoder` in a config is one of these or a checkpoint.
BASELINES = {
  'hashed_ngrams': 'text',
  'voice_statistics': 'audio',
  'egemaps': 'audio',
  'frame_statistics': 'video',
}
_DEFAULTS = {
  'layer': 'last',
  'pooling': 'first',
  'dtype': 'float32',
  'batch_size': 8,
}
_MODALITY_OF = {
  'bert': 'text',
  'deberta-v2': 'text',
  'roberta': 'text',
  'xlm-roberta': 'text',
  'hubert': 'audio',
  'wav2vec2': 'audio',
  'timesformer': 'video',
  'videomae': 'video',
}
_MOST_TOKENS = 512
_VOCABULARIES = (
  'tokenizer.json',
  'vocab.json',
  'vocab.txt',
  'spm.model',
  'sentencepiece.bpe.model',
)
# Samples, of 10 s as padded: up to here a batch is of so many as is asked for.
_FULL_BATCH = 163_840
# Decoded clips wait in memory, and a film is some 10 MB.
_CLIPS_IN_A_PART = {'text': 128, 'audio': 128, 'video': 32}


@dataclasses.dataclass(frozen=True)
class Clip:
  """One clip in one modality.

  Attributes:
    id: of the clip.
    source: its transcript, or the path of its media.
    start: where it begins in the file, in seconds.
    end: where it ends; None at the end of the file.
  """

  id: str
  source: str
  start: float = 0.0
  end: float | None = None


@dataclasses.dataclass(frozen=True)
class Loaded:
  """A clip to compute with.

  Attributes:
    item: what the extractor computes with.
    is_cut: whether more of the clip was left out.
  """

  item: Any
  is_cut: bool = False


@dataclasses.dataclass(frozen=True)
class Extractor:
  """What makes features of one modality.

  Attributes:
    record: what the features depend on, as JSON: kept beside them.
    load: what is to be computed with, of one clip; called in threads. Raises
      `media.MediaError`.
    compute: the features of loaded items, each (D,), or (T, D) if
      `is_sequence`; they do not depend on the other clips.
    size: a guess how long a clip is, to put like with like.
    is_sequence: whether features have a length.
    clips_in_a_part: how many are loaded before they are computed with.
    most: what clips are longer than where a part of them is left out, such as
      '10 s'.
  """

  record: Mapping[str, Any]
  load: Callable[[Clip], Loaded]
  compute: Callable[[Sequence[Any]], list[np.ndarray]] = list
  size: Callable[[Clip], float] = lambda clip: 0.0
  is_sequence: bool = False
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
    settings: `encoder`, a name in `BASELINES` or a checkpoint's name or folder;
      for a checkpoint optionally `layer` ('last', 'all', or the number of a
      hidden state: 0 goes into the first layer, -1 comes out of the last),
      `pooling` ('first', 'mean' over what is not padding, 'none': a sequence),
      `dtype` and `batch_size` (of each device). All layers are a sequence too,
      of pooled states, so that a model may learn how to mix them.
    seconds: how much of each clip's sound and film is used; infinite: all.
    num_frames: pictures that stand for a clip's film.
    spread: `spread(function, constants)` compiles `function(constants, batch)`
      for all devices; see `training.parallel.spread`.

  Returns:
    The extractor.

  Raises:
    InputError: settings are wrong, or something is missing.
  """
  name = settings.get('encoder')
  where = f'config.features.{modality}'
  if not isinstance(name, str) or not name:
    raise errors.InputError(
      f'{where}.encoder: is missing: expected a checkpoint or one of '
      f'{", ".join(BASELINES)}'
    )
  faults = [
    f'{where}.{key}: there is no such field'
    for key in settings
    if key not in ('encoder', *_DEFAULTS)
  ]
  if name in BASELINES:
    if BASELINES[name] != modality:
      faults.append(f'{where}.encoder: {name} is for {BASELINES[name]}')
    faults += [
      f'{where}.{key}: is for checkpoints, not for {name}'
      for key in _DEFAULTS
      if key in settings
    ]
    errors.raise_faults(faults)
    return _baseline(name, seconds, num_frames)
  errors.raise_faults(faults)
  settings = _DEFAULTS | dict(settings)
  for key, choices in (('pooling', POOLINGS), ('dtype', DTYPES)):
    if settings[key] not in choices:
      faults.append(
        f'{where}.{key}: {settings[key]!r} is not one of {", ".join(choices)}'
      )
  layer = settings['layer']
  if layer not in ('last', 'all') and type(layer) is not int:
    faults.append(f"{where}.layer: {layer!r} is not 'last', 'all' or a number")
  if layer == 'all' and settings['pooling'] == 'none':
    faults.append(f"{where}.pooling: 'none' cannot go with all layers")
  if type(settings['batch_size']) is not int or settings['batch_size'] < 1:
    faults.append(
      f'{where}.batch_size: {settings["batch_size"]!r} is not 1 or more'
    )
  errors.raise_faults(faults)
  return _pretrained(modality, settings, seconds, num_frames, spread)


def bucket(size: int) -> int:
  """The length to which `size` is padded.

  There are four such lengths from each power of two to the next, so that few
  shapes are compiled and a fifth is padding at most, on average some 8 %. It
  depends on the size alone.
  """
  step = max(2 ** (max(size - 1, 1).bit_length() - 3), 1)
  return -(-size // step) * step


def unpadded(module: Any) -> Any:
  """The module such that states do not depend on how far a clip is padded."""
  if getattr(module.config, 'feat_extract_norm', '') == 'group':
    return module.clone(masked_norm=True)
  return module


def _baseline(name: str, seconds: float, num_frames: int) -> Extractor:
  record: dict[str, Any] = {'encoder': name}
  if name == 'hashed_ngrams':
    return Extractor(
      record, lambda clip: Loaded(baselines.hashed_ngrams(clip.source))
    )
  media.require()
  record['seconds'] = _finite(seconds)
  if name == 'frame_statistics':
    record['num_frames'] = num_frames

    def load(clip: Clip) -> Loaded:
      film = _pictures(clip, seconds, num_frames)
      return Loaded(baselines.frame_statistics(film.frames), film.is_cut)
  elif name == 'egemaps':

    def load(clip: Clip) -> Loaded:
      # openSMILE wants the recording as it is.
      sound = media.read_sound(
        clip.source, None, clip.start, clip.end, seconds, normalise=False
      )
      features = baselines.egemaps(sound.samples, sound.rate)
      return Loaded(features, sound.is_cut)
  else:

    def load(clip: Clip) -> Loaded:
      sound = media.read_sound(
        clip.source, 16_000, clip.start, clip.end, seconds
      )
      features = baselines.voice_statistics(sound.samples, sound.rate)
      return Loaded(features, sound.is_cut)

  return Extractor(record, load, most=_most(seconds))


def _finite(seconds: float) -> float | None:
  """What JSON has for it: null where all of a clip counts."""
  return seconds if seconds < math.inf else None


def _most(seconds: float) -> str:
  return f'{seconds:g} s' if seconds < math.inf else ''


def _pretrained(
  modality: str,
  settings: Mapping[str, Any],
  seconds: float,
  num_frames: int,
  spread: Callable,
) -> Extractor:
  name = settings['encoder']
  encoder = encoders.load(name, dtype=DTYPES[settings['dtype']])
  config = encoder.config
  kind = _MODALITY_OF[config.model_type]
  if kind != modality:
    raise errors.InputError(
      f'config.features.{modality}.encoder: {name} is an encoder of {kind}'
    )
  layer, pooling = settings['layer'], settings['pooling']
  count = config.num_hidden_layers + 1
  if type(layer) is int and not -count <= layer < count:
    raise errors.InputError(
      f'config.features.{modality}.layer: {layer} is none of the {count} '
      f'hidden states of {name}'
    )
  if modality != 'text':
    media.require()
  module = unpadded(encoder.module)
  positions = functools.partial(_positions, modality, config)
  run = spread(
    functools.partial(_states, module, layer, pooling, positions),
    encoder.params,
  )
  load = _LOADERS[modality](encoder, name, seconds, num_frames)

  def compute(items: Sequence[Mapping[str, np.ndarray]]) -> list[np.ndarray]:
    longest = _most_tokens(config) if modality == 'text' else sys.maxsize
    return _in_batches(
      items, run, settings['batch_size'], modality, pooling, positions, longest
    )

  record = dict(settings) | {'sha256': checkpoint.find(name).sha256()}
  most = 'the encoder takes'
  if modality != 'text':
    record['seconds'], most = _finite(seconds), _most(seconds)
  # Neither changes a feature: a folder may move, a batch be of another size.
  record['encoder'] = pathlib.Path(name).name if os.path.isdir(name) else name
  del record['batch_size']
  if modality == 'video':
    record['num_frames'] = num_frames
  sizes = {'text': lambda clip: len(clip.source), 'audio': _duration}
  return Extractor(
    record,
    load,
    compute,
    sizes.get(modality, Extractor.size),
    is_sequence=pooling == 'none' or layer == 'all',
    clips_in_a_part=_CLIPS_IN_A_PART[modality],
    most=most,
  )


def _positions(modality: str, config: Any, sizes: Any) -> Any:
  """How many states are not padding, of inputs of such sizes."""
  if modality == 'audio':
    return wav2vec2.num_frames(config, sizes)
  return sizes


def _states(
  module: Any,
  layer: int | str,
  pooling: str,
  positions: Callable,
  params: Any,
  batch: Mapping[str, jax.Array],
) -> jax.Array:
  """The features of a batch: (B, D), (B, layers, D) or (B, T, D) float32."""
  output = module.apply(params, **batch)
  if layer == 'last':
    states = output.last_hidden_state[:, None]
  elif layer == 'all':
    states = jnp.stack(output.hidden_states, 1)
  else:
    states = output.hidden_states[layer][:, None]
  states = states.astype(jnp.float32)  # (B, layers, T, D).
  if pooling == 'first':
    pooled = states[:, :, 0]
  elif pooling == 'mean':
    length = jnp.full(len(states), states.shape[2])
    if 'attention_mask' in batch:
      length = positions(batch['attention_mask'].sum(1))
    inside = jnp.arange(states.shape[2]) < length[:, None]
    pooled = states.mean(2, where=inside[:, None, :, None])
  else:
    return states[:, 0]
  return pooled if layer == 'all' else pooled[:, 0]


def _in_batches(
  items: Sequence[Mapping[str, np.ndarray]],
  run: Any,
  batch_size: int,
  modality: str,
  pooling: str,
  positions: Callable,
  longest: int,
) -> list[np.ndarray]:
  """Computes with items of like length together; see `Extractor.compute`."""
  names = list(items[0]) if items else []
  is_padded = modality != 'video'
  lengths = [
    min(bucket(len(item[names[0]])), longest) if is_padded else 0
    for item in items
  ]
  results: list[Any] = [None] * len(items)
  for length in sorted(set(lengths)):
    # Long sounds are fewer at a time, for a batch to take no more memory.
    share = min(_FULL_BATCH / length, 1.0) if modality == 'audio' else 1.0
    size = max(int(batch_size * share), 1) * run.num_devices
    members = [i for i, other in enumerate(lengths) if other == length]
    for first in range(0, len(members), size):
      chosen = members[first : first + size]
      # A short batch is filled up, so that one shape is compiled.
      rows = chosen + chosen[-1:] * (size - len(chosen))
      batch = {
        name: np.stack(
          [
            _padded(items[i][name], length) if is_padded else items[i][name]
            for i in rows
          ]
        )
        for name in names
      }
      values = run(batch)
      for i, value in zip(chosen, values, strict=False):
        if pooling == 'none' and is_padded:
          value = value[: int(positions(len(items[i][names[0]])))]
        results[i] = np.array(value)
  return results


def _padded(values: np.ndarray, length: int) -> np.ndarray:
  return np.pad(values, (0, length - len(values)))


def _most_tokens(config: Any) -> int:
  """How many tokens of a text count, and the encoder has positions for."""
  positions = config.max_position_embeddings
  if config.model_type in ('roberta', 'xlm-roberta'):
    # Theirs are counted from behind that of the padding.
    positions -= config.pad_token_id + 1
  return min(_MOST_TOKENS, positions)


def _text_loader(
  encoder: encoders.Encoder, name: str, seconds: float, num_frames: int
) -> Callable[[Clip], Loaded]:
  del seconds, num_frames
  import transformers  # Slow to import.

  if os.path.isdir(name) and not any(
    pathlib.Path(name, file).exists() for file in _VOCABULARIES
  ):
    # Of a few kinds Transformers would make one up, that knows no words.
    raise errors.InputError(f'{name}: has no tokenizer (tokenizer.json)')
  tokenizer = _processor(
    transformers.AutoTokenizer, name, 'a tokenizer', 'tokenizer.json'
  )
  most = min(tokenizer.model_max_length, _most_tokens(encoder.config))

  def load(clip: Clip) -> Loaded:
    ids = np.array(
      tokenizer(clip.source, truncation=True, max_length=most)['input_ids'],
      np.int32,
    )
    is_cut = len(ids) >= most and most < len(
      tokenizer(clip.source, verbose=False)['input_ids']
    )
    return Loaded(
      {'input_ids': ids, 'attention_mask': np.ones_like(ids)}, is_cut
    )

  return load


def _audio_loader(
  encoder: encoders.Encoder, name: str, seconds: float, num_frames: int
) -> Callable[[Clip], Loaded]:
  del num_frames
  import transformers  # Slow to import.

  processor = _processor(
    transformers.Wav2Vec2FeatureExtractor,
    name,
    'settings of its sound',
    'preprocessor_config.json',
  )
  rate = processor.sampling_rate

  def load(clip: Clip) -> Loaded:
    sound = media.read_sound(clip.source, rate, clip.start, clip.end, seconds)
    if wav2vec2.num_frames(encoder.config, len(sound.samples)) < 1:
      raise media.MediaError(
        f'has {len(sound.samples)} samples at {rate} Hz; too few for {name}'
      )
    values = processor(sound.samples, sampling_rate=rate)['input_values'][0]
    values = np.asarray(values, np.float32)
    mask = np.ones(len(values), np.int32)
    item = {'input_values': values, 'attention_mask': mask}
    return Loaded(item, sound.is_cut)

  return load


def _video_loader(
  encoder: encoders.Encoder, name: str, seconds: float, num_frames: int
) -> Callable[[Clip], Loaded]:
  del encoder
  import transformers  # Slow to import.

  processor = _processor(
    transformers.VideoMAEImageProcessorPil,  # TimeSformer's too.
    name,
    'settings of its pictures',
    'preprocessor_config.json',
  )

  def load(clip: Clip) -> Loaded:
    film = _pictures(clip, seconds, num_frames)
    frames = list(film.frames)
    values = processor(frames, return_tensors='np')['pixel_values'][0]
    item = {'pixel_values': np.asarray(values, np.float32)}
    return Loaded(item, film.is_cut)

  return load


_LOADERS = {
  'text': _text_loader,
  'audio': _audio_loader,
  'video': _video_loader,
}


def _processor(cls: Any, name: str, what: str, file: str) -> Any:
  try:
    return cls.from_pretrained(name)
  except Exception as error:  # Of many kinds, from several libraries.
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise errors.InputError(
      f'{name}: has no {what} ({file}) that can be read: {reason}'
    ) from None


def _pictures(clip: Clip, seconds: float, num_frames: int) -> media.Pictures:
  return media.read_pictures(
    clip.source, num_frames, clip.start, clip.end, seconds
  )


def _duration(clip: Clip) -> float:
  if clip.end is not None:
    return clip.end - clip.start
  return max(media.seconds_of(clip.source) - clip.start, 0.0)
