"""Small random encoders in the layout of published checkpoints."""

import io
import json
import pathlib

import jax
import numpy as np
import sentencepiece
import tokenizers
import transformers

from empathy import encoders

_CORE = {
  'hidden_size': 8,
  'num_hidden_layers': 2,
  'num_attention_heads': 2,
  'intermediate_size': 12,
}
# A state for every 320 samples, of 400, as at full size: in fewer steps.
_SOUND = _CORE | {
  'conv_dim': (6,) * 3,
  'conv_kernel': (10, 15, 9),
  'conv_stride': (5, 8, 8),
  'num_conv_pos_embeddings': 6,
  'num_conv_pos_embedding_groups': 2,
}
_FILM = _CORE | {'image_size': 8, 'patch_size': 4, 'num_frames': 4}
# A processor makes pictures of 8 x 8: of these they have other positions.
_PICTURE = _CORE | {'image_size': 12, 'patch_size': 4}
_TOWER = _CORE | {'vocab_size': 40, 'max_position_embeddings': 20}
WORDS = ('i', 'see', 'it', 'was', 'hard', 'kids', 'talk', 'by', 'the', 'door')
KINDS = {
  'bert': _CORE | {'vocab_size': 40, 'pad_token_id': 0},
  'roberta': _CORE
  | {'vocab_size': 40, 'pad_token_id': 0, 'max_position_embeddings': 12},
  'modernbert': _CORE | {'vocab_size': 40, 'local_attention': 4},
  'mpnet': _CORE | {'vocab_size': 40},
  'qwen3': _CORE | {'vocab_size': 40, 'num_key_value_heads': 1, 'head_dim': 6},
  'wav2vec2': _SOUND,
  'hubert': _SOUND | {'feat_extract_norm': 'layer', 'conv_bias': True},
  'wavlm': _SOUND | {'num_buckets': 8, 'max_bucket_distance': 9},
  'data2vec_audio': _SOUND
  | {
    'model_type': 'data2vec-audio',
    'num_conv_pos_embeddings': 2,
    'conv_pos_kernel_size': 3,
  },
  # Windows of a second.
  'whisper': {
    'num_mel_bins': 6,
    'd_model': 8,
    'encoder_layers': 2,
    'encoder_attention_heads': 2,
    'encoder_ffn_dim': 12,
    'max_source_positions': 50,
  },
  'w2v-bert': _CORE
  | {
    'model_type': 'wav2vec2-bert',
    'feature_projection_input_dim': 12,
    'left_max_position_embeddings': 4,
    'right_max_position_embeddings': 2,
    'conv_depthwise_kernel_size': 5,
  },
  'videomae': _FILM,
  'timesformer': _FILM,
  'timesformer_joint': _FILM | {'attention_type': 'joint_space_time'},
  'timesformer_space': _FILM | {'attention_type': 'space_only'},
  'vit': _PICTURE | {'image_size': 8},
  'dinov2': _PICTURE | {'intermediate_size': None},
  'clip_vision_model': _PICTURE,
  'siglip_vision_model': _PICTURE | {'num_hidden_layers': 1},
  'vivit': _CORE
  | {'image_size': 8, 'num_frames': 4, 'tubelet_size': (2, 4, 4)},
  # A head has 12 numbers, four of them turned by each axis.
  'vjepa2': {
    **{'crop_size': 8, 'patch_size': 4, 'hidden_size': 24},
    **{'num_hidden_layers': 2, 'num_attention_heads': 2, 'mlp_ratio': 0.5},
  },
  'clip_text': _TOWER | {'model_type': 'clip_text_model', 'eos_token_id': 29},
  'siglip_text': _TOWER | {'model_type': 'siglip_text_model'},
  'deberta': _CORE
  | {
    'model_type': 'deberta-v2',
    'vocab_size': 40,
    'max_position_embeddings': 20,
    'relative_attention': True,
    'position_buckets': 6,
    'norm_rel_ebd': 'layer_norm',
    'share_att_key': True,
    'pos_att_type': ('p2c', 'c2p'),
    'position_biased_input': False,
  },
}
# Other families, that differ from these in little.
OTHERS = {
  'electra': KINDS['bert'] | {'embedding_size': 6},
  'xlm-roberta': KINDS['roberta'],
  'distilbert': {
    **{'dim': 8, 'n_layers': 2, 'n_heads': 2, 'hidden_dim': 12},
    **{'vocab_size': 40, 'pad_token_id': 0},
  },
  'llama': _CORE | {'vocab_size': 40},
  'unispeech-sat': _SOUND,
  'dinov2_with_registers': KINDS['dinov2'],
}


_SETTINGS = 'preprocessor_config.json'
_FILM_PROCESSOR = {
  'image_processor_type': 'VideoMAEImageProcessor',
  'size': {'shortest_edge': 8},
  'crop_size': {'height': 8, 'width': 8},
  'image_mean': [0.485, 0.456, 0.406],
  'image_std': [0.229, 0.224, 0.225],
}
# As they are published: those of ViT and CLIP as of old.
PROCESSORS = {
  'vit': {
    'feature_extractor_type': 'ViTFeatureExtractor',
    'size': 8,
    'resample': 2,
    'image_mean': [0.5, 0.5, 0.5],
    'image_std': [0.5, 0.5, 0.5],
  },
  'clip_vision_model': {
    'feature_extractor_type': 'CLIPFeatureExtractor',
    'size': 8,
    'crop_size': 8,
    'do_center_crop': True,
    'resample': 3,
    'image_mean': [0.48145466, 0.4578275, 0.40821073],
    'image_std': [0.26862954, 0.26130258, 0.27577711],
  },
  'dinov2': {
    'image_processor_type': 'BitImageProcessor',
    'size': {'shortest_edge': 10},
    'crop_size': {'height': 8, 'width': 8},
    'resample': 3,
    'image_mean': [0.485, 0.456, 0.406],
    'image_std': [0.229, 0.224, 0.225],
  },
  'siglip_vision_model': {
    'image_processor_type': 'SiglipImageProcessorFast',
    'size': {'height': 8, 'width': 16},
    'resample': 2,
    'image_mean': [0.5, 0.5, 0.5],
    'image_std': [0.5, 0.5, 0.5],
  },
}


def write(
  kind: str,
  folder: pathlib.Path,
  seed: int = 0,
  is_mild: bool = False,
  **changes,
) -> encoders.Encoder:
  """Writes a checkpoint with its processor, and returns the encoder.

  Args:
    kind: a key of `KINDS` or `OTHERS`.
    folder: the checkpoint's.
    seed: of the weights.
    is_mild: whether weights are drawn as before a training, so that states tell
      of the input; else wide, biases too, so that a mistake shows.
    **changes: to the settings.
  """
  settings = (KINDS | OTHERS)[kind]
  model_type = settings.get('model_type', kind)
  if model_type not in encoders.ARCHITECTURES:
    model_type = kind.split('_')[0]
  architecture = encoders.ARCHITECTURES[model_type]
  config = architecture.Config(
    **settings | {'model_type': model_type} | changes
  )
  module = architecture.Model(config)
  random = np.random.default_rng(seed)

  def drawn(path, x):
    name, mean, deviation = path[-1].key, 0.1, 0.4
    if is_mild:
      is_one, is_map = name in ('scale', 'g'), name in ('kernel', 'v')
      mean = float(is_one)
      deviation = 0.0 if is_one or name == 'bias' else 1.0
      deviation /= np.prod(x.shape[:-1]) ** 0.5 if is_map else 1
    return random.normal(mean, deviation, x.shape).astype(np.float32)

  params = jax.tree_util.tree_map_with_path(drawn, encoders.shapes(config))
  encoder = encoders.Encoder(module, params, config)
  encoders.save(encoder, folder)
  if kind == 'deberta':
    write_pieces(folder)
  elif kind == 'clip_text':
    letters = sorted({letter for word in WORDS for letter in word})
    words = [*letters, *(f'{letter}</w>' for letter in letters)]
    words += ['<|startoftext|>', '<|endoftext|>']
    transformers.CLIPTokenizer(
      vocab={w: i for i, w in enumerate(words)}, merges=[]
    ).save_pretrained(folder)
  elif kind == 'siglip_text':
    pieces = {'pad_id': -1, 'bos_id': -1, 'eos_id': 1, 'unk_id': 2}
    (folder / 'spiece.model').write_bytes(_pieces(40, **pieces))
    tokenizer = {
      'tokenizer_class': 'SiglipTokenizer',
      'model_max_length': 20,
      'model_input_names': ['input_ids'],
    }
    path = folder / 'tokenizer_config.json'
    path.write_text(json.dumps(tokenizer), encoding='utf-8')
  elif encoders.modality(config) == 'text':
    words = {w: i for i, w in enumerate(['[PAD]', '[CLS]', '[UNK]', *WORDS])}
    inner = tokenizers.Tokenizer(
      tokenizers.models.WordLevel(words, unk_token='[UNK]')
    )
    inner.normalizer = tokenizers.normalizers.Lowercase()
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    is_decoder = kind in (
      'qwen3',
      'llama',
    )  # Whose tokenizers add nothing in front.
    if not is_decoder:
      inner.post_processor = tokenizers.processors.TemplateProcessing(
        single='[CLS] $A', special_tokens=[('[CLS]', 1)]
      )
    transformers.PreTrainedTokenizerFast(
      tokenizer_object=inner,
      pad_token='[PAD]',
      padding_side='left' if is_decoder else 'right',
    ).save_pretrained(folder)
  elif 'input_values' in encoders.example(config):
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
  elif kind == 'whisper':
    transformers.WhisperFeatureExtractor(
      feature_size=6, chunk_length=1
    ).save_pretrained(folder)
  elif kind == 'w2v-bert':
    transformers.SeamlessM4TFeatureExtractor(
      feature_size=6, num_mel_bins=6
    ).save_pretrained(folder)
  else:
    like, file = kind.removesuffix('_with_registers'), _SETTINGS
    settings = PROCESSORS.get(like, _FILM_PROCESSOR)
    if kind == 'vivit':  # From 0 to 255 to -1 to 1, then by its statistics.
      settings = settings | {'offset': True, 'rescale_factor': 1 / 127.5}
    elif kind == 'vjepa2':
      file = f'video_{file}'
    (folder / file).write_text(json.dumps(settings), encoding='utf-8')
  return encoder


def write_pieces(folder: pathlib.Path, vocab_size: int = 40) -> None:
  """Writes a tokenizer as DeBERTa-v3 is published: `spm.model` alone."""
  pieces = {'pad_id': 0, 'bos_id': 1, 'eos_id': 2, 'unk_id': 3}
  pieces |= {'pad_piece': '[PAD]', 'bos_piece': '[CLS]', 'eos_piece': '[SEP]'}
  (folder / 'spm.model').write_bytes(
    _pieces(vocab_size, unk_piece='[UNK]', **pieces)
  )
  (folder / 'tokenizer_config.json').write_text(
    '{"do_lower_case": false, "vocab_type": "spm"}'
  )


def _pieces(vocab_size: int, **special) -> bytes:
  """A SentencePiece model of the words."""
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter([' '.join(WORDS), *WORDS]),
    model_writer=model,
    vocab_size=vocab_size,
    hard_vocab_limit=False,
    minloglevel=2,
    **special,
  )
  return model.getvalue()
