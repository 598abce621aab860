"""From a clip's words, sound or pictures to its features.

An `Extractor` loads clips, many at a time in threads, and computes the features
of those that were loaded, in batches.
"""

import dataclasses
import functools
import importlib.util
import math
import os
import pathlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from empathy import encoders, errors
from empathy.encoders import baselines, checkpoint, media, patches, pooling

DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}
# Each with its modality; `encoder` in a config is one of these or a checkpoint.
BASELINES = {
  'hashed_ngrams': 'text',
  'voice_statistics': 'audio',
  'egemaps': 'audio',
  'frame_statistics': 'video',
}
# Kinds of encoders that take as many frames as they were trained with.
_FIXED_FRAMES = ('videomae',)
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
  if settings['encoder'] in BASELINES:
    return _baseline(settings['encoder'], seconds, num_frames)
  return _pretrained(modality, settings, seconds, num_frames, spread)


def complete(modality: str, settings: Mapping[str, Any]) -> dict[str, Any]:
  """Checks the settings of a modality's features, and adds what is left out.

  Args:
    modality: text, audio or video.
    settings: `encoder`, a name in `BASELINES` or a checkpoint's name or folder;
      for a checkpoint optionally `layer` ('last', 'all', or the number of a
      hidden state: 0 goes into the first layer, -1 comes out of the last; a
      command line gives it as a string), `pooling` ('first', 'mean' over what
      is not padding, 'none': a sequence; by default as `pooling.default`),
      `dtype` and `batch_size` (of each device), and for sound `scale_peak`:
      whether the highest peak is scaled to 1 before the checkpoint's own
      normalisation, if it has one. All layers are a sequence too, of pooled
      states, so that a model may learn how to mix them.

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
    'pooling': pooling.default(modality),
    'dtype': 'float32',
    'batch_size': 8,
  }
  if modality == 'audio':
    defaults['scale_peak'] = False
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
      if key in settings
    ]
    errors.raise_faults(faults)
    return {'encoder': name}
  errors.raise_faults(faults)
  result = defaults | dict(settings)
  for key, choices in (('pooling', pooling.POOLINGS), ('dtype', DTYPES)):
    if result[key] not in choices:
      faults.append(
        f'{where}.{key}: {result[key]!r} is not one of {", ".join(choices)}'
      )
  result['layer'] = layer = _number(result['layer'])
  if layer not in ('last', 'all') and type(layer) is not int:
    faults.append(f"{where}.layer: {layer!r} is not 'last', 'all' or a number")
  if layer == 'all' and result['pooling'] == 'none':
    faults.append(f"{where}.pooling: 'none' cannot go with all layers")
  if type(result['batch_size']) is not int or result['batch_size'] < 1:
    faults.append(
      f'{where}.batch_size: {result["batch_size"]!r} is not 1 or more'
    )
  if type(result.get('scale_peak', False)) is not bool:
    faults.append(
      f'{where}.scale_peak: {result["scale_peak"]!r} is not True or False'
    )
  errors.raise_faults(faults)
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
  kind = encoders.modality(config)
  if kind != modality:
    raise errors.InputError(
      f'config.features.{modality}.encoder: {name} is an encoder of {kind}'
    )
  layer, how = settings['layer'], settings['pooling']
  layers_below(modality, config, layer)
  if modality != 'text':
    media.require()
  module = unpadded(encoder.module)
  run = spread(functools.partial(_states, module, layer, how), encoder.params)
  load = _LOADERS[modality](encoder, settings, seconds, num_frames)

  def compute(items: Sequence[Mapping[str, np.ndarray]]) -> list[np.ndarray]:
    longest = _most_tokens(config) if modality == 'text' else sys.maxsize
    return _in_batches(items, run, settings['batch_size'], config, how, longest)

  record = dict(settings) | {'sha256': checkpoint.find(name).sha256()}
  most = 'the encoder takes'
  if modality != 'text':
    record['seconds'], most = _finite(seconds), _most(seconds)
  # Neither changes a feature: a folder may move, a batch be of another size.
  record['encoder'] = pathlib.Path(name).name if os.path.isdir(name) else name
  del record['batch_size']
  if settings['dtype'] == 'float32':
    record['matmul_precision'] = encoders.MATMUL_PRECISION
  if modality == 'video':
    record['num_frames'] = num_frames
  sizes = {'text': lambda clip: len(clip.source), 'audio': _duration}
  return Extractor(
    record,
    load,
    compute,
    sizes.get(modality, Extractor.size),
    is_sequence=how == 'none' or layer == 'all',
    clips_in_a_part=_CLIPS_IN_A_PART[modality],
    most=most,
  )


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
  items: Sequence[Mapping[str, np.ndarray]],
  run: Any,
  batch_size: int,
  config: Any,
  how: str,
  longest: int,
) -> list[np.ndarray]:
  """Computes with items of like length together; see `Extractor.compute`."""
  names = list(items[0]) if items else []
  modality = encoders.modality(config)
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
      # A row that was not of its clip would go unnoticed from here on.
      for i, value in zip(rows, run(batch), strict=True):
        if how == 'none' and is_padded:
          length_of = encoders.num_states(config, len(items[i][names[0]]))
          value = value[:length_of]
        results[i] = np.array(value)
  return results


def _padded(values: np.ndarray, length: int) -> np.ndarray:
  return np.pad(values, (0, length - len(values)))


def _most_tokens(config: Any) -> int:
  """How many tokens of a text the encoder has positions for."""
  positions = config.max_position_embeddings
  if config.model_type in ('roberta', 'xlm-roberta'):
    # Theirs are counted from behind that of the padding.
    positions -= config.pad_token_id + 1
  return positions


def _text_loader(
  encoder: encoders.Encoder,
  settings: Mapping[str, Any],
  seconds: float,
  num_frames: int,
) -> Callable[[Clip], Loaded]:
  del seconds, num_frames
  import transformers  # Slow to import.

  name = settings['encoder']
  tokenizer = _processor(
    transformers.AutoTokenizer, name, 'tokenizer', 'tokenizer.json'
  )
  vocabulary = tokenizer.get_vocab()
  if len(vocabulary) <= len(tokenizer.all_special_ids):
    # Of a few kinds Transformers makes one up where there is none.
    raise errors.InputError(
      f'{name}: has no tokenizer (tokenizer.json) that knows a word'
    )
  last, size = max(vocabulary.values()), encoder.config.vocab_size
  if last >= size:
    word = max(vocabulary, key=vocabulary.get)
    raise errors.InputError(
      f'{name}: its tokenizer has {word!r} as number {last}, but the encoder '
      f'has {size} embeddings (vocab_size), numbered from 0'
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
  encoder: encoders.Encoder,
  settings: Mapping[str, Any],
  seconds: float,
  num_frames: int,
) -> Callable[[Clip], Loaded]:
  del num_frames
  import transformers  # Slow to import.

  name = settings['encoder']
  processor = _processor(
    transformers.Wav2Vec2FeatureExtractor,
    name,
    'settings of its sound',
    'preprocessor_config.json',
  )
  rate = processor.sampling_rate

  def load(clip: Clip) -> Loaded:
    sound = media.read_sound(
      clip.source,
      rate,
      clip.start,
      clip.end,
      seconds,
      normalise=settings['scale_peak'],
    )
    if encoders.num_states(encoder.config, len(sound.samples)) < 1:
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
  encoder: encoders.Encoder,
  settings: Mapping[str, Any],
  seconds: float,
  num_frames: int,
) -> Callable[[Clip], Loaded]:
  import transformers  # Slow to import.

  name, config = settings['encoder'], encoder.config
  if config.model_type in _FIXED_FRAMES and num_frames != config.num_frames:
    raise errors.InputError(
      f'config.num_frames: is {num_frames}, but {name} takes '
      f'{config.num_frames} frames'
    )
  processor = _processor(
    transformers.VideoMAEImageProcessorPil,  # TimeSformer's too.
    name,
    'settings of its pictures',
    'preprocessor_config.json',
  )

  def prepare(frames: Sequence[np.ndarray]) -> np.ndarray:
    values = processor(list(frames), return_tensors='np')['pixel_values'][0]
    return np.asarray(values, np.float32)

  # What it makes of any picture shows whether it is of this encoder.
  found = prepare([np.zeros((48, 64, 3), np.uint8)]).shape[1:]
  wanted = patches.example(config)['pixel_values'].shape[2:]
  if found != wanted:
    raise errors.InputError(
      f'{name}: its preprocessor_config.json makes pictures of shape {found}, '
      f'but the encoder takes {wanted} by its config.json'
    )

  def load(clip: Clip) -> Loaded:
    film = _pictures(clip, seconds, num_frames)
    return Loaded({'pixel_values': prepare(film.frames)}, film.is_cut)

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
  has_pieces = any(
    path.name.endswith('.model') for path in checkpoint.small_files(name)
  )
  if has_pieces and importlib.util.find_spec('sentencepiece') is None:
    raise errors.InputError(
      f'{name}: its {what} is a SentencePiece model, and sentencepiece is '
      "missing, which reads it; install the extra: pip install 'empathy[media]'"
    )
  raise errors.InputError(
    f'{name}: has no {what} ({file}) that can be read: {reason}'
  )


def _pictures(clip: Clip, seconds: float, num_frames: int) -> media.Pictures:
  return media.read_pictures(
    clip.source, num_frames, clip.start, clip.end, seconds
  )


def _duration(clip: Clip) -> float:
  if clip.end is not None:
    return clip.end - clip.start
  return max(media.seconds_of(clip.source) - clip.start, 0.0)
