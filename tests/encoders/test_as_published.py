"""Checkpoints as people have them load, or are refused in one clear line.

Each is one that is in order, changed as people's tools change it. Weights are
compared by parameters: where they are the same, states are.
"""

import dataclasses
import functools
import json
import pathlib
import shutil
from collections.abc import Callable, Mapping

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import small_encoders
import tokenizers
import torch_writer
import transformers

from empathy import encoders, errors
from empathy.encoders import checkpoint, extractors, inputs
from empathy.training import parallel

_GOLDENS = pathlib.Path(__file__).parent / 'goldens'
Tensors = dict[str, np.ndarray]


def _read(folder: pathlib.Path) -> Tensors:
  return dict(checkpoint.read_tensors(checkpoint.find(folder)))


def _write(folder: pathlib.Path, tensors: Mapping[str, np.ndarray]) -> None:
  """Puts them in place of the weights that there are."""
  for path in checkpoint.find(folder).weights:
    path.unlink()
  (folder / 'model.safetensors.index.json').unlink(missing_ok=True)
  safetensors.numpy.save_file(
    {name: np.ascontiguousarray(x) for name, x in tensors.items()},
    folder / 'model.safetensors',
  )


def _renamed(**pairs: str) -> Callable[[pathlib.Path], None]:
  """Replaces what names begin with."""

  def change(folder: pathlib.Path) -> None:
    tensors = {}
    for name, value in _read(folder).items():
      for old, new in pairs.items():
        if name.startswith(old):
          name = new + name[len(old) :]
          break
      tensors[name] = value
    _write(folder, tensors)

  return change


def _with(more: Mapping[str, tuple[int, ...]]) -> Callable:
  """Adds tensors of such shapes."""
  return lambda folder: _write(
    folder,
    _read(folder) | {k: np.ones(v, np.float32) for k, v in more.items()},
  )


def _without(*patterns: str) -> Callable[[pathlib.Path], None]:
  return lambda folder: _write(
    folder,
    {
      name: x
      for name, x in _read(folder).items()
      if not any(pattern in name for pattern in patterns)
    },
  )


def _as(*kinds: type) -> Callable[[pathlib.Path], None]:
  """Stores matrices as the first type, vectors as the last."""
  return lambda folder: _write(
    folder,
    {
      name: x.astype(kinds[0 if x.ndim > 1 else -1])
      for name, x in _read(folder).items()
    },
  )


def _bin(kind: type = np.float32, shards: int = 1, parameters: bool = False):
  """Stores all as `torch.save` does."""

  def change(folder: pathlib.Path) -> None:
    tensors = {k: x.astype(kind) for k, x in _read(folder).items()}
    for path in checkpoint.find(folder).weights:
      path.unlink()
    names = sorted(tensors)
    if shards == 1:
      file = folder / 'pytorch_model.bin'
      torch_writer.write(file, tensors, parameters)
      return
    where = {}
    for i in range(shards):
      file = f'pytorch_model-{i + 1:05d}-of-{shards:05d}.bin'
      some = {name: tensors[name] for name in names[i::shards]}
      torch_writer.write(folder / file, some)
      where |= dict.fromkeys(some, file)
    (folder / 'pytorch_model.bin.index.json').write_text(
      json.dumps({'metadata': {'total_size': 1}, 'weight_map': where})
    )

  return change


def _config(**values) -> Callable[[pathlib.Path], None]:
  def change(folder: pathlib.Path) -> None:
    path = folder / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | values))

  return change


def _all(*changes: Callable) -> Callable[[pathlib.Path], None]:
  def change(folder: pathlib.Path) -> None:
    for one in changes:
      one(folder)

  return change


def _file(name: str, content: bytes = b'x') -> Callable[[pathlib.Path], None]:
  return lambda folder: (folder / name).write_bytes(content)


def _moved(old: str, new: str) -> Callable[[pathlib.Path], None]:
  return lambda folder: (folder / old).rename(folder / new)


_BF16 = ml_dtypes.bfloat16
_LOADED = {
  'a head of classes': (
    'roberta',
    _all(
      _without('lm_head'),
      _with({'classifier.dense.weight': (8, 8), 'classifier.dense.bias': (8,)}),
      _with({'classifier.out_proj.weight': (28, 8)}),
      _config(
        architectures=['RobertaForSequenceClassification'],
        problem_type='multi_label_classification',
        id2label={str(i): f'emotion {i}' for i in range(28)},
      ),
    ),
  ),
  'a pooler': (
    'roberta',
    _with({'roberta.pooler.dense.weight': (8, 8)}),
  ),
  'no prefix': ('roberta', _renamed(**{'roberta.': ''})),
  'another prefix': ('roberta', _renamed(**{'roberta.': 'bert.'})),
  'Lightning': (
    'roberta',
    _all(
      _renamed(**{'roberta.': 'model.roberta.', 'lm_head.': 'model.lm_head.'}),
      _config(transformers_version='4.6.0.dev0', gradient_checkpointing=False),
    ),
  ),
  'data-parallel training': ('roberta', _renamed(**{'': 'module.'})),
  'torch.compile': ('roberta', _renamed(**{'': '_orig_mod.'})),
  'a sentence encoder': (
    'roberta',
    _all(_without('lm_head'), _renamed(**{'roberta.': '0.auto_model.'})),
  ),
  'an index of positions': (
    'roberta',
    _with({'roberta.embeddings.position_ids': (1, 20)}),
  ),
  '.bin': ('roberta', _bin()),
  '.bin of parameters': ('roberta', _bin(parameters=True)),
  '.bin in shards': ('roberta', _bin(shards=3)),
  'both kinds of weights': (
    'roberta',
    lambda folder: torch_writer.write(
      folder / 'pytorch_model.bin', _read(folder)
    ),
  ),
  'float16': ('roberta', _as(np.float16)),
  'bfloat16': ('roberta', _as(_BF16)),
  'bfloat16, norms in float32': ('roberta', _as(_BF16, np.float32)),
  'float64': ('roberta', _as(np.float64)),
  'float16 .bin': ('roberta', _bin(np.float16)),
  'bfloat16 .bin': ('roberta', _bin(_BF16)),
  'weights of other libraries beside': (
    'roberta',
    _all(_file('tf_model.h5'), _file('flax_model.msgpack'), _file('rust.ot')),
  ),
  'settings of TensorFlow and of tasks': (
    'roberta',
    _config(
      output_past=True,
      task_specific_params={'a': 1},
      torch_dtype='float16',
      gradient_checkpointing=False,
      use_cache=True,
      classifier_dropout=None,
      _name_or_path='./somewhere',
    ),
  ),
  'a head of classes on a decoder, and what old ones hold': (
    'llama',
    _all(
      _without('lm_head'),
      _with({'score.weight': (2, 8)}),
      _with({'model.layers.0.self_attn.rotary_emb.inv_freq': (1,)}),
    ),
  ),
  'a decoder that encodes sentences': ('qwen2', _renamed(**{'model.': ''})),
  'a weighted sum of layers': (
    'wav2vec2_large',
    _with(
      {
        'layer_weights': (3,),
        'projector.weight': (4, 8),
        'classifier.weight': (7, 4),
      }
    ),
  ),
  'x-vectors': (
    'hubert_large',
    _with(
      {
        'feature_extractor.weight': (4, 8),
        'tdnn.0.kernel.weight': (4, 8),
        'objective.weight': (4, 8),
      }
    ),
  ),
  'a voice head of dimensions': (
    'wav2vec2_large',
    _all(
      _without('lm_head'),
      _with({'classifier.dense.weight': (8, 8)}),
      _with({'classifier.out_proj.weight': (3, 8)}),
      _config(architectures=['Wav2Vec2ForSpeechClassification']),
    ),
  ),
  'a head of pictures': (
    'videomae_classifier',
    _config(id2label={'0': 'happy'}, problem_type=None),
  ),
  'expressions of faces': (
    'vit',
    _all(_with({'vit.pooler.dense.weight': (8, 8)}), _as(_BF16)),
  ),
  'a head on frozen states of pictures': (
    'dinov2',
    _all(_renamed(**{'': 'dinov2.'}), _with({'classifier.weight': (2, 16)})),
  ),
  'two towers, as CLIP was published first': (
    'clip',
    _all(
      _with(
        {
          'vision_model.embeddings.position_ids': (1, 10),
          'text_model.embeddings.position_ids': (1, 20),
        }
      ),
      _bin(np.float16, shards=3),
    ),
  ),
  'one tower of two': (
    'siglip',
    _all(_without('text_model', 'logit'), _renamed(**{'vision_model.': ''})),
  ),
  'a classifier in place of the other tower': (
    'siglip',
    _all(_without('text_model', 'logit'), _with({'classifier.weight': (2, 8)})),
  ),
}


def _copy(base: str, tmp_path: pathlib.Path) -> pathlib.Path:
  folder = shutil.copytree(_GOLDENS / base, tmp_path / 'checkpoint')
  (folder / 'states.npz').unlink()
  return folder


@pytest.mark.parametrize('name', _LOADED)
def test_it_loads(name, tmp_path, caplog):
  """With the parameters that are in the file, and nothing left unsaid."""
  base, change = _LOADED[name]
  folder = _copy(base, tmp_path)
  load = functools.partial(encoders.load, folder, modality='video')
  want = load().params  # Of two towers that of pictures.
  change(folder)
  kinds = {x.dtype for x in _read(folder).values() if x.dtype.kind != 'i'}
  got = load().params
  assert not caplog.records
  is_short = any(kind.itemsize < 4 for kind in kinds)
  near = functools.partial(
    np.testing.assert_allclose, rtol=2**-8 if is_short else 0, atol=0
  )
  jax.tree.map(near, got, want)


def _quantised(folder: pathlib.Path) -> None:
  tensors = _read(folder)
  name = next(name for name in tensors if name.endswith('key.weight'))
  tensors[name] = np.int8(np.round(20 * tensors[name]))
  tensors[f'{name}.SCB'] = np.ones(8, np.float32)
  _write(folder, tensors)


_KEY = 'roberta.encoder.layer.0.attention.self.key'
_REFUSED = {
  'an adapter alone': (
    _all(_moved('config.json', 'adapter_config.json')),
    r'is an adapter alone \(adapter_config.json\).*merge the two',
  ),
  'an adapter that is not merged': (
    _renamed(
      **{
        f'{_KEY}.weight': f'{_KEY}.base_layer.weight',
        f'{_KEY}.bias': f'{_KEY}.base_layer.bias',
      }
    ),
    'key.base_layer.bias, .* not merged with the encoder; merge the two',
  ),
  'eight bits': (_quantised, 'of the type int8; expected float32'),
  'a note of quantisation': (
    _config(quantization_config={'quant_method': 'gptq', 'bits': 4}),
    'has a quantization_config: quantised weights are not supported',
  ),
  'TensorFlow alone': (
    _moved('model.safetensors', 'tf_model.h5'),
    'has no weights that can be read, only tf_model.h5: expected one of model',
  ),
  'Flax alone': (
    _moved('model.safetensors', 'flax_model.msgpack'),
    'only flax_model.msgpack',
  ),
  'ONNX alone': (_moved('model.safetensors', 'model.onnx'), 'only model.onnx'),
  'GGUF alone': (_moved('model.safetensors', 'q4.gguf'), 'only q4.gguf'),
  'a variant alone': (
    _moved('model.safetensors', 'model.fp16.safetensors'),
    'only model.fp16.safetensors',
  ),
  'a clone without its large files': (
    _file(
      'model.safetensors', b'version https://git-lfs.github.com/spec/v1\nsize 9'
    ),
    'is what Git LFS leaves .* git lfs pull',
  ),
  'a .bin of before 2020': (
    _all(
      _moved('model.safetensors', 'pytorch_model.bin'),
      _file('pytorch_model.bin', b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'),
    ),
    r'pytorch_model.bin: .*expected',
  ),
  'a vocabulary that grew': (
    _config(vocab_size=23),
    r'words/embedding has shape \(20, 8\), but by the config \(23, 8\)',
  ),
  'no kind': (_config(model_type=None), 'model_type is None: expected one of'),
  'layers that are cut off': (
    _config(num_hidden_layers=1),
    'encoder.layer.1.* part of the encoder, which has no use for them',
  ),
  'layers that are missing': (_without('layer.1.output'), 'lacks encoder.l'),
}


@pytest.mark.parametrize('name', _REFUSED)
def test_it_is_refused_in_a_line(name, tmp_path):
  change, message = _REFUSED[name]
  folder = _copy('roberta', tmp_path)
  change(folder)
  with pytest.raises(errors.InputError, match=message) as raised:
    encoders.load(folder)
  assert str(folder) in str(raised.value)
  assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    (
      {'rope_scaling': {'type': 'yarn', 'factor': 4.0}},
      "rope_type is 'yarn': only 'default' is supported, and 'llama3'",
    ),
    ({'rope_scaling': {'type': 'llama3', 'factor': 8.0}}, 'all that it is'),
    ({'partial_rotary_factor': 0.5}, 'partial_rotary_factor is 0.5: only 1.0'),
    ({'attention_bias': True}, 'attention_bias is True: only False'),
  ],
)
def test_decoders_are_refused_in_a_line(settings, message, tmp_path):
  folder = _copy('llama', tmp_path)
  _config(**settings)(folder)
  with pytest.raises(errors.InputError, match=message) as raised:
    encoders.load(folder)
  assert str(folder) in str(raised.value)
  assert len(str(raised.value).splitlines()) == 1


def _tokens(folder: pathlib.Path, text: str) -> list[int]:
  extractor = extractors.make(
    'text', {'encoder': str(folder)}, 10.0, 4, parallel.spread
  )
  (row,) = extractor.load(inputs.Clip('a', text)).rows
  return row['input_ids'].tolist()


def _word_pieces(folder: pathlib.Path) -> None:
  words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'see', 'it', '##s']
  (folder / 'vocab.txt').write_text('\n'.join(words) + '\n')


def _byte_pairs(folder: pathlib.Path) -> None:
  """`vocab.json` and `merges.txt`, as RoBERTa was published first."""
  special = ['<s>', '<pad>', '</s>', '<unk>', '<mask>']
  alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
  merges = ['s e', 'se e', 'Ġ i', 'Ġi t']
  words = [*special, *alphabet, *(m.replace(' ', '') for m in merges)]
  numbers = {word: i for i, word in enumerate(words)}
  (folder / 'vocab.json').write_text(json.dumps(numbers))
  (folder / 'merges.txt').write_text('\n'.join(['#version: 0.2', *merges]))


def _forget_tokenizer(folder: pathlib.Path) -> None:
  for name in ('tokenizer.json', 'tokenizer_config.json'):
    (folder / name).unlink(missing_ok=True)
  (folder / 'special_tokens_map.json').unlink(missing_ok=True)


@pytest.mark.parametrize(
  ('kind', 'size', 'write', 'text', 'wanted'),
  [
    ('bert', 8, _word_pieces, 'see its', [2, 5, 6, 7, 3]),
    ('roberta', 265, _byte_pairs, 'see it', [0, 262, 264, 2]),
  ],
  ids=['vocab.txt', 'merges.txt'],
)
def test_tokenizers_without_a_fast_file(
  kind, size, write, text, wanted, tmp_path
):
  small_encoders.write(kind, tmp_path, vocab_size=size)
  _forget_tokenizer(tmp_path)
  write(tmp_path)
  assert _tokens(tmp_path, text) == wanted


def test_a_vocabulary_that_grew_with_its_embeddings(tmp_path):
  """As `add_tokens` and `resize_token_embeddings` leave it."""
  small_encoders.write('bert', tmp_path, vocab_size=15)
  tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
  assert tokenizer.add_tokens(['[laughs]', 'empathy']) == 2
  tokenizer.save_pretrained(tmp_path)
  assert _tokens(tmp_path, 'see [laughs] empathy') == [1, 4, 13, 14]


@pytest.mark.parametrize(
  'settings',
  [
    {'size': 8, 'crop_size': 8},  # As it was written before 2022.
    {'size': {'height': 8, 'width': 8}, 'do_center_crop': False},
    {'size': {'height': 12, 'width': 10}, 'crop_size': 8},
    {'size': {'shortest_edge': 9}, 'crop_size': {'height': 8, 'width': 8}},
  ],
)
def test_processors_of_every_spelling(settings, tmp_path):
  small_encoders.write('timesformer', tmp_path)
  path = tmp_path / 'preprocessor_config.json'
  kept = json.loads(path.read_text())
  kept = {k: kept[k] for k in ('image_mean', 'image_std')}
  path.write_text(json.dumps(kept | settings))
  extractors.make('video', {'encoder': str(tmp_path)}, 9.0, 4, parallel.spread)


def test_the_settings_of_sound_in_either_file(tmp_path):
  """Transformers 5 writes them within `processor_config.json`."""
  small_encoders.write('hubert', tmp_path)
  path = tmp_path / 'preprocessor_config.json'
  settings = json.loads(path.read_text())
  path.unlink()
  (tmp_path / 'processor_config.json').write_text(
    json.dumps(
      {'feature_extractor': settings, 'processor_class': 'Wav2Vec2Processor'}
    )
  )
  extractors.make('audio', {'encoder': str(tmp_path)}, 9.0, 4, parallel.spread)


# Of a `config.json`, what is unlike the defaults; and what is read from it.
_CLIP_TEXT = {
  'hidden_size': 768,
  'intermediate_size': 3072,
  'num_attention_heads': 12,
}
_LARGE = {'hidden_size': 1024, 'num_attention_heads': 16}
_PUBLISHED = {
  'facebook/mms-1b-all': (
    {
      'model_type': 'wav2vec2',
      'adapter_attn_dim': 16,
      'do_stable_layer_norm': True,
      'feat_extract_norm': 'layer',
      'conv_bias': True,
      'feat_proj_dropout': 0,
    },
    {'has_adapters': True, 'feat_proj_dropout': 0.0},
  ),
  'facebook/data2vec-audio-base-960h': (
    {
      'model_type': 'data2vec-audio',
      'feat_extract_norm': 'group',  # Nobody looks at it.
      'conv_pos_kernel_size': 19,
      'num_conv_pos_embeddings': 5,
    },
    {'feat_extract_norm': 'layer', 'num_conv_pos_embeddings': 5},
  ),
  'openai/whisper-large-v3-turbo': (
    {
      'model_type': 'whisper',
      'd_model': 1280,
      'encoder_layers': 32,
      'decoder_layers': 4,
      'num_hidden_layers': 32,
      'encoder_attention_heads': 20,
      'num_mel_bins': 128,
    },
    {'hidden_size': 1280, 'num_hidden_layers': 32, 'num_frames': 3000},
  ),
  'facebook/w2v-bert-2.0, without positions': (
    {'model_type': 'wav2vec2-bert', 'position_embeddings_type': None},
    "position_embeddings_type is None: only 'relative_key' is supported",
  ),
  'facebook/dinov2-giant': (
    {
      'model_type': 'dinov2',
      'hidden_size': 1536,
      'mlp_ratio': 4,
      'use_swiglu_ffn': True,
    },
    {'units': 4096, 'layer_norm_eps': 1e-6},
  ),
  'openai/clip-vit-large-patch14': (
    {
      'model_type': 'clip',
      'text_config': {'model_type': 'clip_text_model', 'eos_token_id': 2},
      'text_config_dict': _CLIP_TEXT,
      'vision_config': {'model_type': 'clip_vision_model'},
      'vision_config_dict': {**_LARGE, 'patch_size': 14},
    },
    {**_LARGE, 'patch_size': 14, 'hidden_act': 'quick_gelu'},
  ),
  'laion/CLIP-ViT-H-14': (
    {
      'model_type': 'clip',
      'text_config': {'model_type': 'clip_text_model', 'hidden_act': 'gelu'},
      'text_config_dict': None,
      'vision_config': {'hidden_act': 'gelu', **_LARGE},
      'vision_config_dict': None,
    },
    {'hidden_act': 'gelu', 'layer_norm_eps': 1e-5, **_LARGE},
  ),
  'google/siglip2-base-patch16-naflex': (
    {
      'model_type': 'siglip2',
      'text_config': {'model_type': 'siglip2_text_model'},
      'vision_config': {'model_type': 'siglip2_vision_model'},
    },
    "model_type is 'siglip2_vision_model': expected one of",
  ),
  'google/siglip-base-patch16-224': (
    {
      'model_type': 'siglip',
      'text_config': {'model_type': 'siglip_text_model'},
      'vision_config': {'model_type': 'siglip_vision_model'},
    },
    {'intermediate_size': 3072, 'hidden_act': 'gelu_pytorch_tanh'},
  ),
  'facebook/vjepa2-vitg-fpc64-256': (
    {'model_type': 'vjepa2', 'hidden_size': 1408, 'mlp_ratio': 48 / 11},
    {'mlp_ratio': 48 / 11, 'image_size': 256},
  ),
  'answerdotai/ModernBERT-base': (
    {
      'model_type': 'modernbert',
      'position_embedding_type': 'absolute',  # Nobody looks at it.
      'layer_norm_eps': 1e-12,
      'reference_compile': None,
    },
    {'norm_eps': 1e-5, 'global_rope_theta': 160_000.0, 'max_tokens': 8192},
  ),
  'BAAI/bge-m3': (
    {'model_type': 'xlm-roberta', 'max_position_embeddings': 8194},
    {'max_tokens': 8192, 'pad_token_id': 1},
  ),
  'Qwen/Qwen2.5-0.5B': (
    {
      'model_type': 'qwen2',
      'rope_theta': 1_000_000,
      'sliding_window': 32768,
      'use_sliding_window': False,
      'max_window_layers': 0,
    },
    {'rope_parameters.rope_theta': 1e6, 'is_near': False},
  ),
  'Qwen/Qwen3-Embedding-0.6B': (
    {'model_type': 'qwen3', 'rope_scaling': None, 'sliding_window': None},
    {'width': 128, 'rope_parameters.rope_type': 'default', 'is_near': False},
  ),
  'meta-llama/Llama-3.2-1B, as Transformers 5 writes it': (
    {
      'model_type': 'llama',
      'eos_token_id': [128001, 128008],
      'dtype': 'bfloat16',
      'rope_parameters': {'rope_type': 'llama3', 'rope_theta': 500_000.0},
    },
    {'rope_parameters.rope_theta': 5e5, 'rope_parameters.rope_type': 'llama3'},
  ),
  'a decoder that learned to see both ways': (
    {'model_type': 'qwen2', 'is_causal': False},
    'is_causal is False: only True is supported',
  ),
  'Alibaba-NLP/gte-Qwen2-1.5B-instruct': (
    {
      'model_type': 'qwen2',
      'auto_map': {'AutoModel': 'modeling_qwen.Qwen2Model'},
    },
    'its model is code of its own .modeling_qwen.Qwen2Model., which is not run',
  ),
  'towers with code of their own': (
    {
      'model_type': 'clip',
      'auto_map': {'AutoModel': 'towers.Model'},
      'vision_config': {'model_type': 'clip_vision_model'},
    },
    'its model is code of its own .towers.Model., which is not run',
  ),
  'jinaai/jina-embeddings-v3': (
    {'model_type': 'xlm-roberta', 'position_embedding_type': 'rotary'},
    "position_embedding_type is 'rotary': only 'absolute' is supported",
  ),
}


@pytest.mark.parametrize('name', _PUBLISHED)
def test_settings_that_are_published(name, tmp_path):
  settings, wanted = _PUBLISHED[name]
  path = tmp_path / 'config.json'
  path.write_text(json.dumps(settings))
  if isinstance(wanted, str):
    (tmp_path / 'model.safetensors').touch()
    with pytest.raises(errors.InputError, match=wanted):
      encoders.load(tmp_path, modality='video')
    return
  config = encoders.read_config(path, 'video')
  found = {
    key: functools.reduce(getattr, key.split('.'), config) for key in wanted
  }
  found |= {k: v(0) for k, v in found.items() if callable(v)}
  assert found == wanted


# These show in the shapes of tensors, or are said by every file.
_SHOWN = {
  'vocab_size',
  'intermediate_size',
  'max_position_embeddings',
  'num_key_value_heads',
}
_SAID = {'rope_parameters', 'layer_types', 'sliding_window', 'pos_att_type'}


@pytest.mark.parametrize('kind', encoders.ARCHITECTURES)
def test_what_a_file_leaves_out_is_as_transformers_has_it(kind):
  """Files of towers leave out what is as usual."""
  ours = checkpoint.read_config(
    encoders.ARCHITECTURES[kind].Config, {'model_type': kind}, ''
  )
  theirs = transformers.CONFIG_MAPPING[kind]()
  own = {
    field.name: getattr(ours, field.name)
    for field in dataclasses.fields(ours)
    if hasattr(theirs, field.name)
    and getattr(ours, field.name) is not None  # It follows from others.
  }
  if kind in ('bert', 'electra'):
    del own['pad_token_id']  # Positions are counted from 0.
  for name, value in own.items():
    if name not in _SHOWN | _SAID:
      other = getattr(theirs, name)
      assert value == (tuple(other) if isinstance(other, list) else other), name
