"""Small random checkpoints of every variant, as PyTorch Transformers has them.

Needs PyTorch (the extra `parity`). Weights are drawn wide, so that a mistake in
any of them shows. Each case is written as its kind is published: with a head
and a prefix, in one file or in shards, in today's or an older spelling.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import safetensors.torch
import torch
import transformers as tf
from transformers import core_model_loading

_CORE = {
  'hidden_size': 8,
  'num_hidden_layers': 2,
  'num_attention_heads': 2,
  'intermediate_size': 12,
}
_TEXT = _CORE | {'vocab_size': 20, 'max_position_embeddings': 20}
_DISTILLED = {
  'dim': 8,
  'n_layers': 2,
  'n_heads': 2,
  'hidden_dim': 12,
  'vocab_size': 20,
  'max_position_embeddings': 20,
}
_LLAMA_3 = {
  'rope_type': 'llama3',
  'factor': 8.0,
  'low_freq_factor': 1.0,
  'high_freq_factor': 4.0,
  'original_max_position_embeddings': 16,
}
_OLD_ROPE = {'rope_parameters': None, 'layer_types': None}
_DECODER = _TEXT | {'num_attention_heads': 4, 'num_key_value_heads': 2}
_V3 = {
  'relative_attention': True,
  'position_buckets': 6,
  'max_position_embeddings': 16,
  'norm_rel_ebd': 'layer_norm',
  'share_att_key': True,
  'pos_att_type': 'p2c|c2p',
  'position_biased_input': False,
  'type_vocab_size': 0,
}
_SOUND = _CORE | {
  'conv_dim': (6,) * 7,
  'num_conv_pos_embeddings': 6,
  'num_conv_pos_embedding_groups': 2,
  'vocab_size': 5,
}
_LARGE = _SOUND | {
  'num_conv_pos_embeddings': 5,
  'conv_bias': True,
  'feat_extract_norm': 'layer',
  'do_stable_layer_norm': True,
}
# A frame for every 20 samples, of 50, so that many go into a short sound.
_SHORT = {
  'conv_dim': (6,) * 3,
  'conv_kernel': (10, 3, 4),
  'conv_stride': (5, 2, 2),
}
SHORT_SOUND = _SOUND | _SHORT
# Of encoders of sound, with the weights of all layers that they add.
SMALL_HEADS = {
  'use_weighted_layer_sum': True,
  'classifier_proj_size': 3,
  'tdnn_dim': (4, 4),
  'tdnn_kernel': (2, 1),
  'tdnn_dilation': (1, 1),
  'xvector_output_dim': 3,
  'num_codevectors_per_group': 2,
  'codevector_dim': 4,
  'proj_codevector_dim': 4,
}
_BUCKETS = {'num_buckets': 8, 'max_bucket_distance': 9}
_CORE_MODERN = _CORE | {
  'num_hidden_layers': 3,
  'vocab_size': 20,
  'pad_token_id': 0,
  **dict.fromkeys(('bos_token_id', 'eos_token_id', 'cls_token_id')),
  'sep_token_id': None,
  'local_attention': 5,
  'rope_parameters': {
    'full_attention': {'rope_type': 'default', 'rope_theta': 50.0},
    'sliding_attention': {'rope_type': 'default', 'rope_theta': 10_000.0},
  },
}
_VIDEO = _CORE | {'image_size': 8, 'patch_size': 4, 'num_frames': 4}
_OF_PICTURES = (
  'vit',
  'dinov2',
  'dinov2_with_registers',
  'clip_vision_model',
  'siglip_vision_model',
)
_PICTURE = _CORE | {'image_size': 12, 'patch_size': 4}
_DINO = {k: v for k, v in _PICTURE.items() if k != 'intermediate_size'} | {
  'mlp_ratio': 2
}
_WHISPER = {
  'num_mel_bins': 5,
  'd_model': 8,
  'encoder_layers': 2,
  'encoder_attention_heads': 2,
  'encoder_ffn_dim': 12,
  'decoder_layers': 1,
  'decoder_attention_heads': 2,
  'decoder_ffn_dim': 4,
  'max_source_positions': 7,
  'max_target_positions': 4,
  'vocab_size': 6,
  'pad_token_id': 0,
  'bos_token_id': 0,
  'eos_token_id': 0,
  'decoder_start_token_id': 0,
}
_CONFORMER = _CORE | {
  'feature_projection_input_dim': 6,
  'left_max_position_embeddings': 4,
  'right_max_position_embeddings': 2,
  'conv_depthwise_kernel_size': 3,
  'vocab_size': 5,
}
_ENDS = {'bos_token_id': None, 'eos_token_id': None}
# Of a head's 14 numbers each axis turns four, by two frequencies.
_VJEPA2 = {
  'hidden_size': 28,
  'num_hidden_layers': 1,
  'num_attention_heads': 2,
  'mlp_ratio': 0.5,
  'crop_size': 8,
  'patch_size': 4,
  'frames_per_clip': 64,
  'num_pooler_layers': 0,
  'pred_hidden_size': 6,
  'pred_num_attention_heads': 1,
  'pred_num_hidden_layers': 1,
  'pred_num_mask_tokens': 1,
}
_VIVIT = _CORE | {'image_size': 8, 'num_frames': 4, 'tubelet_size': (2, 4, 4)}
_OLD = (
  ('parametrizations.weight.original0', 'weight_g'),
  (
    'parametrizations.weight.original1',
    'weight_v',
  ),
)


@dataclasses.dataclass(frozen=True)
class Case:
  """A variant of an encoder.

  Attributes:
    model: makes the model, with a head.
    base: the attribute that is the encoder, or '' where there is no head; of
      Whisper, what has the encoder.
    inputs: make the input arrays from a generator, a call each.
    file: `safetensors`, `shards` or `bin`.
    dtype: of the weights in the file.
    respell: patterns and replacements for the names in the file.
    is_pooled: whether the encoder makes something of its last states.
    modality: of a model with several encoders, of which one it is.
    settings: changes to its config, to an older spelling.
  """

  model: Callable[[], torch.nn.Module]
  base: str
  inputs: tuple[Callable[[np.random.Generator], dict[str, np.ndarray]], ...]
  file: str = 'safetensors'
  dtype: torch.dtype = torch.float32
  respell: tuple[tuple[str, str], ...] = ()
  is_pooled: bool = False
  modality: str | None = None
  settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _text(
  lengths: tuple[int, ...], pad: int = 0, types: bool = False, mask: bool = True
) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
  def make(random: np.random.Generator) -> dict[str, np.ndarray]:
    real = np.arange(max(lengths)) < np.array(lengths)[:, None]
    ids = np.where(real, random.integers(2, 20, real.shape), pad)
    arrays = {'input_ids': ids}
    if mask:
      arrays['attention_mask'] = real.astype(np.int64)
    if types:
      arrays['token_type_ids'] = random.integers(0, 2, real.shape)
    return arrays

  return make


def _coarse(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
  """Normal numbers in steps of a sixteenth, so that files are small."""
  return np.round(16 * random.normal(0, 1, shape)) / 16


def _sound(
  lengths: tuple[int, ...], mask: bool = True
) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
  def make(random: np.random.Generator) -> dict[str, np.ndarray]:
    real = np.arange(max(lengths)) < np.array(lengths)[:, None]
    values = np.where(real, _coarse(random, real.shape), 0)
    arrays = {'input_values': values.astype(np.float32)}
    if mask:
      arrays['attention_mask'] = real.astype(np.int32)
    return arrays

  return make


def _video(
  batch: int,
  frames: int = 4,
  size: tuple[int, int] = (8, 8),
  name: str = 'pixel_values',
) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
  def make(random: np.random.Generator) -> dict[str, np.ndarray]:
    values = _coarse(random, (batch, frames, 3, *size))
    return {name: values.astype(np.float32)}

  return make


# Of the trained size, and of others: wider, and larger than it is.
_PICTURES = (
  _video(2, 1, (12, 12)),
  _video(1, 2, (9, 25)),
  _video(1, 1, (20, 16)),
)


def _mels(
  batch: int, mels: int = 5, frames: int = 14
) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
  def make(random: np.random.Generator) -> dict[str, np.ndarray]:
    values = _coarse(random, (batch, mels, frames))
    return {'input_features': values.astype(np.float32)}

  return make


def _spectra(
  lengths: tuple[int, ...], mask: bool = True
) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
  def make(random: np.random.Generator) -> dict[str, np.ndarray]:
    real = np.arange(max(lengths)) < np.array(lengths)[:, None]
    values = _coarse(random, (*real.shape, 6)) * real[..., None]
    arrays = {'input_features': values.astype(np.float32)}
    if mask:
      arrays['attention_mask'] = real.astype(np.int32)
    return arrays

  return make


_TEXTS = _text((11, 4, 7)), _text((1,)), _text((9,), mask=False)
# Frames: 3, 2 and 1; 1; 2, without a mask, though padded.
_SOUNDS = _sound((1083, 841, 400)), _sound((400,)), _sound((801, 700), False)
# Frames: 14, 8 and 1; 1; 9, likewise.
_SHORTS = _sound((321, 207, 50)), _sound((50,)), _sound((230, 120), False)

CASES = {
  'roberta': Case(
    lambda: tf.RobertaForMaskedLM(tf.RobertaConfig(**_TEXT)),
    'roberta',
    (_text((11, 4, 7), 1), _text((1,), 1), _text((9, 6), 1, mask=False)),
  ),
  'bert': Case(
    lambda: tf.BertForSequenceClassification(tf.BertConfig(**_TEXT)),
    'bert',
    (_text((11, 4, 7), types=True), _text((1,)), _text((9,), mask=False)),
    'bin',
    respell=(
      (r'LayerNorm\.weight', 'LayerNorm.gamma'),
      (r'LayerNorm\.bias', 'LayerNorm.beta'),
    ),
  ),
  'camembert': Case(
    lambda: tf.CamembertForTokenClassification(tf.CamembertConfig(**_TEXT)),
    'roberta',
    (_text((11, 4, 7), 1), _text((1,), 1)),
    'bin',
    torch.float16,
  ),
  'data2vec_text': Case(
    lambda: tf.Data2VecTextForSequenceClassification(
      tf.Data2VecTextConfig(**_TEXT)
    ),
    'data2vec_text',
    (_text((11, 4, 7), 1), _text((1,), 1)),
  ),
  'electra': Case(
    lambda: tf.ElectraForPreTraining(
      tf.ElectraConfig(**_TEXT, embedding_size=6)
    ),
    'electra',
    (_text((11, 4, 7), types=True), *_TEXTS[1:]),
  ),
  'electra_base': Case(
    lambda: tf.ElectraForMaskedLM(tf.ElectraConfig(**_TEXT, embedding_size=8)),
    'electra',
    _TEXTS,
    'shards',
  ),
  'distilbert': Case(
    lambda: tf.DistilBertForSequenceClassification(
      tf.DistilBertConfig(**_DISTILLED)
    ),
    'distilbert',
    _TEXTS,
    'bin',
  ),
  'distilbert_sinusoidal': Case(
    lambda: tf.DistilBertForMaskedLM(
      tf.DistilBertConfig(**_DISTILLED, sinusoidal_pos_embds=True)
    ),
    'distilbert',
    _TEXTS,
  ),
  'mpnet': Case(
    lambda: tf.MPNetForMaskedLM(
      tf.MPNetConfig(**_TEXT | {'max_position_embeddings': 200})
    ),
    'mpnet',
    (_text((19, 4, 7), 1), _text((1,), 1), _text((9, 6), 1, mask=False)),
  ),
  # As published by Transformers 4, for texts longer than those of training.
  'llama': Case(
    lambda: tf.LlamaForCausalLM(
      tf.LlamaConfig(
        **_DECODER,
        rope_parameters=_LLAMA_3 | {'rope_theta': 100.0},
        rms_norm_eps=1e-5,
      )
    ),
    'model',
    _TEXTS,
    'shards',
    torch.bfloat16,
    settings=_OLD_ROPE | {'rope_scaling': _LLAMA_3, 'rope_theta': 100.0},
  ),
  # Padding, too, sees a token within the window: what sees none is undefined.
  'mistral': Case(
    lambda: tf.MistralForSequenceClassification(
      tf.MistralConfig(**_DECODER, head_dim=6, sliding_window=8, pad_token_id=0)
    ),
    'model',
    _TEXTS,
  ),
  'qwen2': Case(
    lambda: tf.Qwen2ForCausalLM(
      tf.Qwen2Config(
        **_DECODER,
        use_sliding_window=True,
        sliding_window=8,
        max_window_layers=1,
        tie_word_embeddings=True,
      )
    ),
    'model',
    _TEXTS,
    settings=_OLD_ROPE | {'rope_scaling': None, 'rope_theta': 1e4},
  ),
  # As an encoder of sentences: without a head.
  'qwen3': Case(
    lambda: tf.Qwen3Model(tf.Qwen3Config(**_DECODER, head_dim=6)),
    '',
    _TEXTS,
  ),
  'deberta_v3': Case(
    lambda: tf.DebertaV2ForMaskedLM(tf.DebertaV2Config(**_TEXT | _V3)),
    'deberta',
    (*_TEXTS, _text((20,))),  # Farther than positions are told apart.
    'bin',
    torch.float16,
    ((r'^cls\.predictions', 'lm_predictions'),),
  ),
  'deberta_v2_convolution': Case(
    lambda: tf.DebertaV2Model(
      tf.DebertaV2Config(
        **_TEXT | _V3, conv_kernel_size=3, conv_act='gelu', layer_norm_eps=1e-6
      )
    ),
    '',
    _TEXTS,
  ),
  'deberta_v2_unshared': Case(
    lambda: tf.DebertaV2Model(
      tf.DebertaV2Config(
        **_TEXT,
        relative_attention=True,
        pos_att_type=['c2p', 'p2c'],
        type_vocab_size=2,
        embedding_size=6,
      )
    ),
    '',
    (_text((11, 4, 7), types=True), *_TEXTS[1:]),
  ),
  # Of three layers one sees everything, the others two tokens to either side.
  'modernbert': Case(
    lambda: tf.ModernBertForMaskedLM(
      tf.ModernBertConfig(**_CORE_MODERN, max_position_embeddings=20)
    ),
    'model',
    (_text((11, 4, 7)), _text((1,)), _text((9, 9), mask=False), _text((2,))),
  ),
  # As Transformers 4 wrote it, with other layers.
  'modernbert_classifier': Case(
    lambda: tf.ModernBertForSequenceClassification(
      tf.ModernBertConfig(
        **_CORE_MODERN,
        num_labels=3,
        layer_types=['sliding_attention', 'full_attention', 'full_attention'],
      )
    ),
    'model',
    (_text((11, 4, 7)),),
    'bin',
    settings={'rope_parameters': None, 'global_rope_theta': 50.0},
  ),
  'wav2vec2': Case(
    lambda: tf.Wav2Vec2ForPreTraining(
      tf.Wav2Vec2Config(
        **_SOUND,
        num_codevectors_per_group=2,
        codevector_dim=4,
        proj_codevector_dim=4,
      )
    ),
    'wav2vec2',
    _SOUNDS,
    'shards',
    respell=_OLD,
  ),
  'wav2vec2_large': Case(
    lambda: tf.Wav2Vec2ForCTC(tf.Wav2Vec2Config(**_LARGE)),
    'wav2vec2',
    _SOUNDS,
    'bin',
    respell=_OLD,
  ),
  'hubert': Case(
    lambda: tf.HubertModel(tf.HubertConfig(**_SOUND)), '', _SOUNDS
  ),
  'hubert_large': Case(
    lambda: tf.HubertForCTC(
      tf.HubertConfig(**_LARGE, feat_proj_layer_norm=False)
    ),
    'hubert',
    _SOUNDS,
  ),
  'whisper': Case(
    lambda: tf.WhisperForConditionalGeneration(tf.WhisperConfig(**_WHISPER)),
    'model',
    (_mels(2), _mels(1)),
    'shards',
    torch.float16,
  ),
  'whisper_classifier': Case(
    lambda: tf.WhisperForAudioClassification(
      tf.WhisperConfig(
        **_WHISPER | {'activation_function': 'relu', 'max_source_positions': 3},
        use_weighted_layer_sum=True,
        classifier_proj_size=4,
      )
    ),
    '',
    (_mels(2, frames=6),),
    'bin',
  ),
  'wav2vec2_bert': Case(
    lambda: tf.Wav2Vec2BertForCTC(tf.Wav2Vec2BertConfig(**_CONFORMER)),
    'wav2vec2_bert',
    (_spectra((11, 4, 1)), _spectra((1,)), _spectra((6, 5), False)),
  ),
  'wav2vec2_bert_classifier': Case(
    lambda: tf.Wav2Vec2BertForSequenceClassification(
      tf.Wav2Vec2BertConfig(
        **_CONFORMER | {'hidden_act': 'gelu', 'conv_depthwise_kernel_size': 5},
        use_weighted_layer_sum=True,
        classifier_proj_size=4,
        mask_time_prob=0.0,
      )
    ),
    'wav2vec2_bert',
    (_spectra((2,)),),
    'bin',
    torch.bfloat16,
  ),
  'hubert_batch_norm': Case(
    lambda: tf.HubertForSequenceClassification(
      tf.HubertConfig(**SHORT_SOUND | SMALL_HEADS, conv_pos_batch_norm=True)
    ),
    'hubert',
    _SHORTS,
  ),
  'mms': Case(
    lambda: tf.Wav2Vec2ForCTC(
      tf.Wav2Vec2Config(**_LARGE | _SHORT, adapter_attn_dim=4)
    ),
    'wav2vec2',
    _SHORTS,
    respell=_OLD,
  ),
  'unispeech': Case(
    lambda: tf.UniSpeechForPreTraining(
      tf.UniSpeechConfig(**_LARGE | _SHORT | SMALL_HEADS, num_ctc_classes=3)
    ),
    'unispeech',
    _SHORTS,
    'shards',
    respell=_OLD,
  ),
  'unispeech_sat': Case(
    lambda: tf.UniSpeechSatForPreTraining(
      tf.UniSpeechSatConfig(**SHORT_SOUND | SMALL_HEADS, num_clusters=3)
    ),
    'unispeech_sat',
    _SHORTS,
    'bin',
    respell=_OLD,
  ),
  'wavlm': Case(
    lambda: tf.WavLMForXVector(
      tf.WavLMConfig(**SHORT_SOUND | _BUCKETS | SMALL_HEADS)
    ),
    'wavlm',
    _SHORTS,
    respell=_OLD,
  ),
  'wavlm_large': Case(
    lambda: tf.WavLMForSequenceClassification(
      tf.WavLMConfig(**_LARGE | _SHORT | _BUCKETS | SMALL_HEADS)
    ),
    'wavlm',
    _SHORTS,
    'bin',
    torch.float16,
    _OLD,
  ),
  'data2vec_audio': Case(
    lambda: tf.Data2VecAudioForCTC(
      tf.Data2VecAudioConfig(
        **SHORT_SOUND
        | {'num_conv_pos_embeddings': 3, 'conv_pos_kernel_size': 5}
      )
    ),
    'data2vec_audio',
    _SHORTS,
  ),
  'videomae': Case(
    lambda: tf.VideoMAEForPreTraining(
      tf.VideoMAEConfig(
        **_VIDEO,
        use_mean_pooling=False,
        decoder_hidden_size=8,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=8,
      )
    ),
    'videomae',
    (_video(2), _video(1)),
    respell=((r'query\.bias', 'q_bias'), (r'value\.bias', 'v_bias')),
  ),
  'videomae_classifier': Case(
    lambda: tf.VideoMAEForVideoClassification(tf.VideoMAEConfig(**_VIDEO)),
    'videomae',
    (_video(2),),
  ),
  'videomae_unbiased': Case(
    lambda: tf.VideoMAEModel(tf.VideoMAEConfig(**_VIDEO, qkv_bias=False)),
    '',
    (_video(1),),
  ),
  'timesformer': Case(
    lambda: tf.TimesformerForVideoClassification(
      tf.TimesformerConfig(**_VIDEO)
    ),
    'timesformer',
    (_video(2), _video(1)),
    'bin',
  ),
  'timesformer_joint': Case(
    lambda: tf.TimesformerModel(
      tf.TimesformerConfig(**_VIDEO, attention_type='joint_space_time')
    ),
    '',
    (_video(1),),
  ),
  'timesformer_space': Case(
    lambda: tf.TimesformerModel(
      tf.TimesformerConfig(
        **_VIDEO, attention_type='space_only', qkv_bias=False
      )
    ),
    '',
    (_video(2),),
  ),
  'vit': Case(
    lambda: tf.ViTForImageClassification(tf.ViTConfig(**_PICTURE)),
    'vit',
    _PICTURES[:2],
    'bin',
  ),
  'vit_unbiased': Case(
    lambda: tf.ViTModel(tf.ViTConfig(**_PICTURE, qkv_bias=False)),
    '',
    _PICTURES[:1],
    dtype=torch.float16,
  ),
  'dinov2': Case(
    lambda: tf.Dinov2Model(tf.Dinov2Config(**_DINO)),
    '',
    _PICTURES,
    is_pooled=True,
  ),
  'dinov2_swiglu': Case(
    lambda: tf.Dinov2WithRegistersForImageClassification(
      tf.Dinov2WithRegistersConfig(
        **_DINO, use_swiglu_ffn=True, num_register_tokens=3
      )
    ),
    'dinov2_with_registers',
    _PICTURES[1:],
    'shards',
    is_pooled=True,
  ),
  'clip': Case(
    lambda: tf.CLIPModel(
      tf.CLIPConfig(vision_config=_PICTURE, text_config=_TEXT, projection_dim=4)
    ),
    'vision_model',
    _PICTURES[:2],
    is_pooled=True,
    modality='video',
  ),
  'clip_vision': Case(
    lambda: tf.CLIPVisionModelWithProjection(
      tf.CLIPVisionConfig(**_PICTURE, hidden_act='gelu', projection_dim=4)
    ),
    'vision_model',
    _PICTURES[:1],
    'bin',
    is_pooled=True,
  ),
  'siglip': Case(
    lambda: tf.SiglipModel(
      tf.SiglipConfig(
        vision_config=_PICTURE, text_config=_TEXT | {'num_hidden_layers': 1}
      )
    ),
    'vision_model',
    _PICTURES[1:2],
    is_pooled=True,
    modality='video',
  ),
  'siglip_vision': Case(
    lambda: tf.SiglipVisionModel(
      tf.SiglipVisionConfig(**_PICTURE, vision_use_head=False)
    ),
    '',
    _PICTURES[1:2],
  ),
  'vjepa2': Case(
    lambda: tf.VJEPA2Model(tf.VJEPA2Config(**_VJEPA2)),
    '',
    # Of five frames one is over; of one there are two.
    tuple(
      _video(batch, frames, name='pixel_values_videos')
      for batch, frames in ((2, 4), (1, 5), (1, 1))
    ),
    dtype=torch.float16,
  ),
  'vjepa2_classifier': Case(
    lambda: tf.VJEPA2ForVideoClassification(
      tf.VJEPA2Config(
        **_VJEPA2
        | {'hidden_size': 14, 'num_hidden_layers': 2, 'num_attention_heads': 1},
        qkv_bias=False,
      )
    ),
    'vjepa2',
    (_video(1, 6, name='pixel_values_videos'),),
    dtype=torch.bfloat16,
  ),
  'vivit': Case(
    lambda: tf.VivitForVideoClassification(tf.VivitConfig(**_VIVIT)),
    'vivit',
    (_video(2), _video(1)),
  ),
  'vivit_unbiased': Case(
    lambda: tf.VivitModel(tf.VivitConfig(**_VIVIT, qkv_bias=False)),
    '',
    (_video(1),),
    'shards',
  ),
  # Of the ids of `_text`, 7 ends a text here.
  'clip_text': Case(
    lambda: tf.CLIPTextModelWithProjection(
      tf.CLIPTextConfig(**_TEXT, bos_token_id=None, eos_token_id=7)
    ),
    'text_model',
    _TEXTS,
    is_pooled=True,
  ),
  'clip_text_of_two': Case(
    lambda: tf.CLIPModel(
      tf.CLIPConfig(
        vision_config=_PICTURE,
        text_config=_TEXT
        | {'bos_token_id': None, 'eos_token_id': 7, 'hidden_act': 'gelu'},
      )
    ),
    'text_model',
    _TEXTS,
    'shards',
    is_pooled=True,
    modality='text',
  ),
  # As the first configs had it: the highest number ends it.
  'clip_text_old': Case(
    lambda: tf.CLIPTextModel(
      tf.CLIPTextConfig(
        **_TEXT, bos_token_id=None, eos_token_id=2, hidden_act='gelu'
      )
    ),
    '',
    (_text((11, 4, 7)),),
    'bin',
    is_pooled=True,
  ),
  'siglip_text': Case(
    lambda: tf.SiglipTextModel(
      tf.SiglipTextConfig(**_TEXT, **_ENDS, projection_size=6)
    ),
    '',
    (_text((11, 4, 7), 1, mask=False), *_TEXTS[:2]),
    is_pooled=True,
  ),
  'siglip2_text': Case(
    lambda: tf.Siglip2TextModel(tf.Siglip2TextConfig(**_TEXT, **_ENDS)),
    '',
    (_text((11, 4, 7), 0, mask=False),),
    dtype=torch.float16,
    is_pooled=True,
  ),
  'siglip_text_of_two': Case(
    lambda: tf.SiglipModel(
      tf.SiglipConfig(vision_config=_PICTURE, text_config=_TEXT | _ENDS)
    ),
    'text_model',
    _TEXTS[:1],
    is_pooled=True,
    modality='text',
  ),
}
# Another's in all but name, or in what no parameter shows: no golden files.
NAMESAKES = (
  'camembert',
  'clip_text_of_two',
  'clip_vision',
  'data2vec_text',
  'distilbert_sinusoidal',
  'electra_base',
  'siglip2_text',
  'siglip_text_of_two',
  'siglip_vision',
  'vit_unbiased',
  'vivit_unbiased',
  'vjepa2_classifier',
)


def make(case: Case, seed: int) -> torch.nn.Module:
  """The model of a case, in evaluation mode, with random weights."""
  model = case.model()
  generator = torch.Generator().manual_seed(seed)
  with torch.no_grad():
    for name, value in model.named_parameters():
      drawn = torch.randn(value.shape, generator=generator)
      if value.ndim > 1:
        drawn = drawn * value[0].numel() ** -0.5
        if 'conv_layers' in name:
          drawn = 2 * drawn  # GELU halves: keep what reaches the last of them.
      elif name.endswith('weight'):
        drawn = 1 + 0.3 * drawn
      else:
        drawn = 0.3 * drawn
      if name.endswith('original0'):
        drawn = 0.5 + drawn.abs()
      value.copy_(drawn.to(case.dtype))
    for name, value in model.named_buffers():
      if '.running_' in name:  # Of a batch normalisation.
        drawn = torch.randn(value.shape, generator=generator)
        drawn = 0.5 + drawn.abs() if name.endswith('var') else 0.3 * drawn
        value.copy_(drawn.to(case.dtype))
  return model.eval()


def encoder(case: Case, model: torch.nn.Module) -> torch.nn.Module:
  """The model without its head."""
  return model.get_submodule(case.base)


def write(case: Case, model: torch.nn.Module, folder: pathlib.Path) -> None:
  """Writes the checkpoint."""
  folder.mkdir(parents=True, exist_ok=True)
  config = model.config.to_diff_dict()
  config['model_type'] = model.config.model_type
  config |= case.settings
  (folder / 'config.json').write_text(json.dumps(config, indent=1) + '\n')
  tensors = {}
  for name, value in published(model, model.state_dict()).items():
    for pattern, to in case.respell:
      name = re.sub(pattern, to, name)
    # Tied weights are written once, as Transformers does.
    if not any(value is other for other in tensors.values()):
      tensors[name] = value.detach().clone().to(case.dtype)
  if case.file == 'bin':
    torch.save(tensors, folder / 'pytorch_model.bin')
    return
  names = sorted(tensors)
  shards = {'model.safetensors': names}
  if case.file == 'shards':
    half = len(names) // 2
    shards = {
      'model-00001-of-00002.safetensors': names[:half],
      'model-00002-of-00002.safetensors': names[half:],
    }
    index = {
      'metadata': {},
      'weight_map': {n: file for file, some in shards.items() for n in some},
    }
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index))
  for file, some in shards.items():
    safetensors.torch.save_file(
      {n: tensors[n] for n in some}, folder / file, {'format': 'pt'}
    )


def published(
  model: torch.nn.Module, tensors: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
  """Tensors of a model by the names, and cut, as Transformers writes them."""
  return core_model_loading.revert_weight_conversion(model, tensors)


def run(
  model: torch.nn.Module,
  arrays: dict[str, np.ndarray],
  dtype: torch.dtype = torch.float64,
) -> Any:
  """What Transformers makes of an input; the model is turned to the dtype.

  In float64, for its own float32 is off by up to 5e-5 where a normalisation has
  little to divide by.
  """
  tensors = {key: torch.tensor(value) for key, value in arrays.items()}
  tensors = {
    key: value.to(dtype) if value.is_floating_point() else value
    for key, value in tensors.items()
  }
  options = {}
  kind = model.config.model_type
  if kind in _OF_PICTURES:  # Each frame by itself.
    tensors['pixel_values'] = tensors['pixel_values'].flatten(0, 1)
    if not kind.startswith('dinov2'):
      options['interpolate_pos_encoding'] = True  # As DINOv2 always does.
  model.to(dtype)
  if kind == 'whisper':
    model = model.encoder
  return model(**tensors, output_hidden_states=True, **options)
