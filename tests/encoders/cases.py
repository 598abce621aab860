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
    base: the attribute that is the encoder, or '' where there is no head.
    inputs: make the input arrays from a generator, a call each.
    file: `safetensors`, `shards` or `bin`.
    dtype: of the weights in the file.
    respell: patterns and replacements for the names in the file.
    settings: changes to its config, to an older spelling.
  """

  model: Callable[[], torch.nn.Module]
  base: str
  inputs: tuple[Callable[[np.random.Generator], dict[str, np.ndarray]], ...]
  file: str = 'safetensors'
  dtype: torch.dtype = torch.float32
  respell: tuple[tuple[str, str], ...] = ()
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
) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
  def make(random: np.random.Generator) -> dict[str, np.ndarray]:
    values = _coarse(random, (batch, 4, 3, 8, 8))
    return {'pixel_values': values.astype(np.float32)}

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
}
# Another's in all but name, or in what no parameter shows: no golden files.
NAMESAKES = (
  'camembert',
  'data2vec_text',
  'distilbert_sinusoidal',
  'electra_base',
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
  return getattr(model, case.base) if case.base else model


def write(case: Case, model: torch.nn.Module, folder: pathlib.Path) -> None:
  """Writes the checkpoint."""
  folder.mkdir(parents=True, exist_ok=True)
  config = model.config.to_diff_dict()
  config['model_type'] = model.config.model_type
  config |= case.settings
  (folder / 'config.json').write_text(json.dumps(config, indent=1) + '\n')
  tensors = {}
  for name, value in model.state_dict().items():
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
  return model.to(dtype)(**tensors, output_hidden_states=True)
