"""Tiny encoders with random weights, and a corpus that they can learn."""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import av
import jax
import ml_collections
import numpy as np
import soundfile
import tokenizers
import transformers

from empathy import encoders
from empathy.corpora import corpus as corpora
from empathy.encoders.architectures import (
  roberta,
  videomae,
  wav2vec2,
  wav2vec2_bert,
  whisper,
)
from empathy.training import finetune_recipe, finetune_step

_SIZES = {
  'hidden_size': 16,
  'num_hidden_layers': 2,
  'num_attention_heads': 2,
  'intermediate_size': 24,
}
CONFIGS = {
  'roberta': roberta.Config(
    **_SIZES, vocab_size=40, max_position_embeddings=40
  ),
  'wav2vec2': wav2vec2.Config(
    **_SIZES,
    conv_dim=(8, 8),
    conv_kernel=(8, 4),
    conv_stride=(5, 2),
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=4,
  ),
  # Windows of a second.
  'whisper': whisper.Config(
    num_mel_bins=6,
    d_model=16,
    encoder_layers=2,
    encoder_attention_heads=2,
    encoder_ffn_dim=24,
    max_source_positions=50,
  ),
  'w2v-bert': wav2vec2_bert.Config(
    **_SIZES, feature_projection_input_dim=12, conv_depthwise_kernel_size=3
  ),
  'videomae': videomae.Config(
    **_SIZES, image_size=16, patch_size=8, num_frames=4
  ),
}
ENCODER_OF = {'text': 'roberta', 'audio': 'wav2vec2', 'video': 'videomae'}
CONFIG_FILE = (
  pathlib.Path(__file__).parents[2] / 'configs' / 'mixed_signals_media.py'
)
_WORDS = ('alas', 'hooray', *(f'word{i}' for i in range(6)))
_RATE = 2_000
_SECONDS = 0.1


@functools.cache
def encoder(name: str, remat: bool = False) -> encoders.Encoder:
  """An encoder with random weights."""
  config = CONFIGS[name]
  module = encoders.ARCHITECTURES[config.model_type].Model(config, remat=remat)
  shapes = jax.eval_shape(
    lambda: module.init(jax.random.key(0), **encoders.example(config))
  )
  rng = np.random.default_rng(7)

  def draw(path, like):
    if path[-1].key in ('scale', 'g'):
      return np.ones(like.shape, np.float32)
    if path[-1].key == 'bias':
      return np.zeros(like.shape, np.float32)
    values = rng.normal(size=like.shape)
    if path[-1].key == 'embedding':  # Words shall differ, above all.
      values *= 1 if path[-2].key == 'words' else 0.1
    else:
      values /= np.prod(like.shape[:-1]) ** 0.5
    return values.astype(np.float32)

  params = jax.tree_util.tree_map_with_path(draw, shapes)
  return encoders.Encoder(module, params, config)


def program(
  name: str,
  remat: bool = False,
  recipe: Mapping[str, Any] | None = None,
  **fields,
) -> finetune_step.Program:
  """What does not change while an encoder learns, by default one layer."""
  made = encoder(name, remat)
  (input_name, example), *_ = encoders.example(made.config).items()
  given = {'trained_layers': 1, 'learning_rate': 1e-3} | (recipe or {})
  return finetune_step.Program(
    **{
      'module': made.module,
      'num_layers': made.config.num_hidden_layers,
      'layer': 'last',
      'pooling': 'first',
      'num_classes': 3,
      'input_name': input_name,
      'input_shape': np.moveaxis(
        example, 1 + encoders.input_of(made.config).axis, 1
      ).shape[2:],
      'recipe': finetune_recipe.read(given),
    }
    | fields
  )


def text_inputs() -> tuple[np.ndarray, np.ndarray]:
  """The tokens of four clips, padded, and their mask."""
  mask = np.arange(9) < np.array([9, 4, 9, 8])[:, None]
  tokens = np.random.default_rng(3).integers(2, 40, mask.shape)
  return np.where(mask, tokens, CONFIGS['roberta'].pad_token_id), mask


def write_encoder(
  modality: str, folder: pathlib.Path, name: str | None = None
) -> None:
  """Writes a checkpoint with what its processor reads."""
  name = name or ENCODER_OF[modality]
  encoders.save(encoder(name), folder)
  if modality == 'text':
    vocabulary = ('<s>', '<pad>', '</s>', '<unk>', *_WORDS)
    model = tokenizers.models.WordLevel(
      {word: i for i, word in enumerate(vocabulary)}, '<unk>'
    )
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
      single='<s> $A </s>', special_tokens=[('<s>', 0), ('</s>', 2)]
    )
    processor = transformers.PreTrainedTokenizerFast(
      tokenizer_object=tokenizer, pad_token='<pad>', unk_token='<unk>'
    )
  elif name == 'whisper':
    processor = transformers.WhisperFeatureExtractor(6, chunk_length=1)
  elif name == 'w2v-bert':
    processor = transformers.SeamlessM4TFeatureExtractor(num_mel_bins=6)
  elif modality == 'audio':
    processor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=_RATE)
  else:
    size = {'height': 16, 'width': 16}
    processor = transformers.VideoMAEImageProcessorPil(
      size=size, crop_size=size
    )
  processor.save_pretrained(folder)
  if modality == 'audio':  # As a processor of sound and text writes it today.
    old = folder / 'preprocessor_config.json'
    settings = {'feature_extractor': json.loads(old.read_text())}
    (folder / 'processor_config.json').write_text(json.dumps(settings))
    old.unlink()


def write_corpus(
  folder: pathlib.Path,
  modalities: tuple[str, ...] = ('text', 'audio', 'video'),
  num_clips: int = 60,
  **changes,
) -> corpora.Corpus:
  """Writes clips whose class can be read, heard and seen.

  The class is a word among others, a tone of low or high pitch in noise, or a
  dark or a bright picture that gets brighter or darker. By default groups of
  two clips, a third of them in each fold.

  Args:
    folder: to make; the media go there too.
    modalities: that the clips have.
    num_clips: how many.
    **changes: to the corpus.
  """
  rng = np.random.default_rng(5)
  labels = rng.permutation(np.arange(num_clips) % 2).astype(np.int32)
  ids = [f'clip{i}' for i in range(num_clips)]
  media = folder.parent / f'{folder.name}_media'
  media.mkdir(exist_ok=True)
  columns = {}
  if 'text' in modalities:
    others = rng.choice(_WORDS[2:], (num_clips, 2))
    columns['transcript'] = [
      ' '.join([*words[:at], _WORDS[label], *words[at:]])
      for words, at, label in zip(
        others.tolist(), rng.integers(0, 3, num_clips), labels, strict=True
      )
    ]
  for modality, suffix, write in (
    ('audio', 'wav', _write_sound),
    ('video', 'mp4', _write_film),
  ):
    if modality in modalities:
      paths = [media / f'{clip}.{suffix}' for clip in ids]
      for path, label in zip(paths, labels.tolist(), strict=True):
        write(path, label, rng)
      columns[modality] = [str(path) for path in paths]
  corpus = corpora.Corpus(
    info={
      'name': 'tiny',
      'classes': ['low', 'high'],
      'modalities': list(modalities),
      'conditions': [],
      'license': 'none',
      'source': 'made by a test',
    },
    ids=np.array(ids),
    groups=np.array([f'group{i // 2}' for i in range(num_clips)]),
    labels=labels,
    fold=(np.arange(num_clips) // 2 % 3).astype(np.int32),
    metadata={name: np.array(values) for name, values in columns.items()},
  )
  corpus = dataclasses.replace(corpus, **changes)
  corpora.write(corpus, folder)
  return corpora.read(folder)


def _write_sound(path, label, rng):
  # Of many lengths, which are padded to one: each would be compiled.
  seconds = _SECONDS * rng.uniform(0.82, 0.95)
  time = np.arange(round(seconds * _RATE)) / _RATE
  hertz = (60, 500)[label] * rng.uniform(0.9, 1.1)
  samples = np.sin(2 * np.pi * (hertz * time + rng.random()))
  samples += 0.1 * rng.normal(size=time.shape)
  soundfile.write(path, 0.5 * samples, _RATE, 'FLOAT')


def _write_film(path, label, rng):
  with av.open(str(path), 'w') as container:
    film = container.add_stream('mpeg4', rate=10)
    film.height, film.width, film.pix_fmt = 32, 32, 'yuv420p'
    level = (50, 180)[label] + rng.uniform(-20, 20)
    for i in range(4):
      picture = rng.normal(level + 10 * i, 10, (32, 32, 3))
      frame = av.VideoFrame.from_ndarray(
        picture.clip(0, 255).astype(np.uint8), 'rgb24'
      )
      container.mux(film.encode(frame))
    container.mux(film.encode())


def config(folder: pathlib.Path, **recipe) -> ml_collections.ConfigDict:
  """The media experiment, small; checkpoints are written to `folder`."""
  space: dict = {}
  exec(compile(CONFIG_FILE.read_text(), CONFIG_FILE, 'exec'), space)
  made = space['get_config']()
  for modality in ENCODER_OF:
    if not (folder / modality).exists():
      write_encoder(modality, folder / modality)
    made.features[modality].encoder = str(folder / modality)
  made.num_frames = 4
  made.finetune.update(
    {'trained_layers': 1, 'learning_rate': 3e-3, 'num_epochs': 8} | recipe
  )
  return made
