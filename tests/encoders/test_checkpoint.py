"""What is wrong with a checkpoint is named; the Hub's cache is read."""

import functools
import json
import logging
import os
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

from empathy import encoders, errors
from empathy.encoders import checkpoint
from empathy.encoders.architectures import modernbert

_GOLDENS = pathlib.Path(__file__).parent / 'goldens'


@pytest.fixture
def folder(tmp_path):
  """A sound checkpoint, RoBERTa with a head, to be spoilt."""
  return shutil.copytree(_GOLDENS / 'roberta', tmp_path / 'checkpoint')


def _change_config(folder, **values):
  path = folder / 'config.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | values))


def _change_tensors(folder, change):
  path = folder / 'model.safetensors'
  tensors = safetensors.numpy.load_file(path)
  change(tensors)
  safetensors.numpy.save_file(tensors, path)


def _message(folder) -> str:
  with pytest.raises(errors.InputError) as caught:
    encoders.load(folder)
  assert str(folder) in str(caught.value)
  return str(caught.value)


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    ({'model_type': 'gpt2'}, "model_type is 'gpt2': expected one of bert"),
    ({'model_type': None}, 'model_type is None'),
    ({'hidden_size': '8'}, "hidden_size is '8'"),
    ({'num_hidden_layers': True}, 'num_hidden_layers is True'),
    ({'position_embedding_type': 'relative_key'}, "only 'absolute'"),
    ({'hidden_act': 'xielu'}, "'xielu' is not one of gelu"),
    ({'num_hidden_layers': 3}, 'lacks encoder.layer.2.attention'),
    (
      {'num_hidden_layers': 1},
      'encoder.layer.1.attention.output.dense.bias and 13 more are part',
    ),
    (
      {'vocab_size': 21},
      'words/embedding has shape (20, 8), but by the config',
    ),
  ],
)
def test_configs_that_do_not_fit(folder, values, message):
  _change_config(folder, **values)
  assert message in _message(folder)


def test_missing_and_unused_tensors(folder, caplog):
  name = 'roberta.encoder.layer.0.attention.self.key.bias'
  strange = 'roberta.encoder.layer.0.adapter.weight'

  def change(tensors):
    tensors['head.weight'] = np.zeros(2, np.float32)
    tensors[strange] = tensors.pop(name)

  _change_tensors(folder, change)
  found = _message(folder)
  assert f'lacks {name.removeprefix("roberta.")}' in found
  assert f'{strange} is part of the encoder, which has no use for it' in found

  def mend(tensors):
    tensors[name] = tensors.pop(strange)

  _change_tensors(folder, mend)
  with caplog.at_level(logging.WARNING):
    encoders.load(folder)
  assert [r.getMessage() for r in caplog.records] == [
    f'{folder}: without use: head.weight'
  ]


def _rename(old, new):
  return lambda tensors: {
    name.replace(old, new, 1) if name.startswith(old) else name: value
    for name, value in tensors.items()
  }


def _replace_tensors(folder, change):
  path = folder / 'model.safetensors'
  safetensors.numpy.save_file(change(safetensors.numpy.load_file(path)), path)


@pytest.mark.parametrize(
  'wrapper',
  [
    'model.',  # Lightning.
    'module.',  # Data-parallel training.
    '_orig_mod.',  # torch.compile.
    'backbone.',
    'encoder.',
    '0.auto_model.',  # Sentence transformers.
    'base_model.model.',  # PEFT, merged.
  ],
)
@pytest.mark.parametrize('prefix', ['', 'roberta.'])
def test_names_that_a_wrapper_lengthened(folder, wrapper, prefix, caplog):
  want = encoders.load(folder).params
  _replace_tensors(folder, _rename('roberta.', wrapper + prefix))
  # The head was wrapped too.
  _replace_tensors(folder, _rename('lm_head.', f'{wrapper}lm_head.'))
  caplog.clear()
  got = encoders.load(folder).params
  assert jax.tree.structure(got) == jax.tree.structure(want)
  assert jax.tree.all(jax.tree.map(np.array_equal, got, want))
  assert not caplog.records


def test_an_incomplete_encoder_in_a_wrapper(folder):
  def change(tensors):
    tensors = _rename('roberta.', 'model.')(tensors)
    del tensors['model.encoder.layer.1.output.dense.bias']
    return tensors

  _replace_tensors(folder, change)
  found = _message(folder)
  assert found.endswith(
    "lacks encoder.layer.1.output.dense.bias (names begin with 'model.')"
  )


@pytest.mark.parametrize(
  ('first', 'second'),
  [
    ('roberta.', 'bert.'),
    ('roberta.', ''),
    ('query.roberta.', 'document.roberta.'),
  ],
)
def test_two_encoders_in_a_file_are_told_apart(folder, first, second):
  def change(tensors):
    other = {
      name.replace('roberta.', second, 1): value + 1
      for name, value in tensors.items()
      if name.startswith('roberta.') and value.dtype == np.float32
    }
    return _rename('roberta.', first)(tensors) | other

  _replace_tensors(folder, change)
  begins = ' and '.join(map(repr, sorted((first, second))))
  assert f'holds 2 encoders, whose names begin with {begins}' in _message(
    folder
  )


def test_a_copy_that_is_not_the_encoder_is_passed_over(folder, caplog):
  want = encoders.load(folder).params

  def change(tensors):
    copy = {
      f'average.{name}': value + 1
      for name, value in tensors.items()
      if name.startswith('roberta.')
    }
    return tensors | copy

  _replace_tensors(folder, change)
  got = encoders.load(folder).params
  assert jax.tree.all(jax.tree.map(np.array_equal, got, want))
  assert 'without use: average.roberta.' in caplog.text


def test_a_tensor_in_two_spellings(folder):
  name = 'roberta.embeddings.LayerNorm'

  def change(tensors):
    tensors[f'{name}.gamma'] = tensors[f'{name}.weight']
    return tensors

  _replace_tensors(folder, change)
  encoders.load(folder)  # They say the same.
  _replace_tensors(
    folder, lambda t: t | {f'{name}.gamma': t[f'{name}.gamma'] + 1}
  )
  assert 'holds two different embeddings.LayerNorm.weight' in _message(folder)


def test_quantised_weights_are_refused(folder):
  name = 'roberta.encoder.layer.0.attention.self.key.weight'

  def quantise(tensors):
    tensors[name] = np.round(tensors[name] * 20).astype(np.int8)
    return tensors

  _replace_tensors(folder, quantise)
  found = _message(folder)
  assert 'layer.0.attention.self.key.weight: of the type int8; exp' in found
  # The index of positions is of integers, and no parameter.
  _replace_tensors(
    folder,
    lambda tensors: (
      tensors
      | {
        name: tensors[name].astype(np.float32),
        'roberta.embeddings.position_ids': np.arange(20),
      }
    ),
  )
  encoders.load(folder)
  _change_config(folder, quantization_config={'load_in_8bit': True})
  assert 'has a quantization_config' in _message(folder)


def test_types_that_numpy_lacks_are_named(folder):
  header = {
    'roberta.words': {
      'dtype': 'F8_E4M3',
      'shape': [4],
      'data_offsets': [0, 4],
    }
  }
  text = json.dumps(header).encode()
  path = folder / 'model.safetensors'
  path.write_bytes(len(text).to_bytes(8, 'little') + text + bytes(4))
  assert _message(folder) == (
    f'{path}: roberta.words: of the type F8_E4M3; expected float32, float16, '
    'bfloat16 or float64, nothing quantised'
  )


def test_heads_of_sound_are_dropped(tmp_path, caplog):
  """Those that tell speakers apart have a layer named as the convolutions."""
  folder = shutil.copytree(_GOLDENS / 'hubert_large', tmp_path / 'checkpoint')
  heads = ('feature_extractor.weight', 'feature_extractor.bias')
  heads += 'objective.weight', 'tdnn.0.kernel.weight', 'projector.bias'
  _replace_tensors(
    folder, lambda t: t | {name: np.zeros(2, np.float32) for name in heads}
  )
  encoders.load(folder)
  assert not caplog.records


def test_the_small_files_of_a_checkpoint(folder):
  for name in (
    *('bpe.codes', 'tokenizer.model', 'processor_config.json', '.lock'),
    *('tf_model.h5', 'training_args.bin', 'model.safetensors.index.json'),
  ):
    (folder / name).write_bytes(b'x')
  os.truncate(folder / 'bpe.codes', 2**27 + 1)
  (folder / '1_Pooling').mkdir()
  (folder / '1_Pooling' / 'config.json').write_text('{}')
  found = checkpoint.small_files(folder)
  assert found.keys() - {'states.npz'} == {
    *('tokenizer.model', 'processor_config.json', '1_Pooling/config.json')
  }
  assert all(path == folder / name for name, path in found.items())


@pytest.mark.parametrize(
  ('spoil', 'message'),
  [
    (lambda f: (f / 'config.json').unlink(), 'has no config.json'),
    (lambda f: (f / 'config.json').write_text('{'), 'is not JSON'),
    (lambda f: (f / 'config.json').write_text('[]'), 'expected a JSON object'),
    (lambda f: (f / 'model.safetensors').unlink(), 'has no weights'),
    (lambda f: os.truncate(f / 'model.safetensors', 999), 'no safetensors'),
    (
      lambda f: (f / 'model.safetensors').write_bytes(b'\xff' * 99),
      'no safetensors',
    ),
  ],
)
def test_files_that_are_missing_or_damaged(folder, spoil, message):
  spoil(folder)
  assert message in _message(folder)


def test_shards_that_are_missing_or_twice(tmp_path):
  folder = shutil.copytree(_GOLDENS / 'wav2vec2', tmp_path / 'checkpoint')
  first, second = sorted(folder.glob('*.safetensors'))
  kept = second.read_bytes()
  shutil.copy(first, second)
  assert 'is in another shard already' in _message(folder)
  second.unlink()
  assert f'lists {second.name}, which is missing' in _message(folder)
  second.write_bytes(kept)
  index = folder / 'model.safetensors.index.json'
  index.write_text('{"weight_map": {"a": "../secret"}}')
  assert 'expected a weight_map of names of files' in _message(folder)


def test_half_precision_is_read_as_float32(folder):
  import ml_dtypes

  want = encoders.load(folder).params['params']
  for dtype in (np.float16, ml_dtypes.bfloat16, np.float64):

    def change(tensors, dtype=dtype):
      tensors.update({k: v.astype(dtype) for k, v in tensors.items()})

    _change_tensors(folder, change)
    got = encoders.load(folder).params['params']['words']['embedding']
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want['words']['embedding'], rtol=0.01)


def test_the_hash_is_of_config_and_weights(folder):
  before = checkpoint.find(folder).sha256()
  assert before == checkpoint.find(folder).sha256()
  _change_config(folder, hidden_dropout_prob=0.2)
  after = checkpoint.find(folder).sha256()
  _change_tensors(folder, lambda t: t.update(new=np.zeros(1)))
  assert len({before, after, checkpoint.find(folder).sha256()}) == 3


def test_a_path_that_is_no_folder():
  with pytest.raises(errors.InputError, match=r'\./nothing: expected a folder'):
    encoders.load('./nothing')
  with pytest.raises(errors.InputError, match='neither a folder nor'):
    encoders.load('not/a/name/on/the/hub')


def test_a_name_on_the_hub_is_looked_up_in_the_cache(tmp_path):
  snapshot = tmp_path / 'hub/models--some--encoder/snapshots/abc'
  shutil.copytree(_GOLDENS / 'bert', snapshot)
  modules = [
    {'type': name, 'path': f'1_{name}' * bool(i)}
    for i, name in enumerate(('Transformer', 'Pooling'))
  ]
  (snapshot / 'modules.json').write_text(json.dumps(modules))
  (snapshot / '1_Pooling').mkdir()
  (snapshot / '1_Pooling/config.json').write_text('{"pooling_mode": "max"}')
  refs = tmp_path / 'hub/models--some--encoder/refs/main'
  refs.parent.mkdir()
  refs.write_text('abc')
  script = (
    'from empathy import encoders, errors\n'
    'print(encoders.load("some/encoder").own.pooling)\n'
    'try:\n  encoders.load("some/other")\n'
    'except errors.InputError as error:\n  print(error)'
  )
  done = subprocess.run(
    [sys.executable, '-c', script],
    env=os.environ | {'HF_HOME': str(tmp_path), 'HF_HUB_OFFLINE': '1'},
    capture_output=True,
    text=True,
    check=True,
    timeout=120,
  )
  first, second = done.stdout.splitlines()
  assert first == 'max'
  assert second.startswith('some/other: is no folder here and is not in the')
  assert 'hf download some/other' in second


def test_rotary_positions_are_read_from_every_version():
  read = functools.partial(checkpoint.read_config, modernbert.Config)
  old = {'global_rope_theta': 5e4, 'local_rope_theta': 7, 'rope_scaling': None}
  both = {'rope_type': 'default', 'rope_theta': 5e4}
  new = {'full_attention': both, 'sliding_attention': both | {'rope_theta': 7}}
  found = read({'rope_parameters': new}, 'here')
  assert found == read(old, 'here')
  assert (found.global_rope_theta, found.local_rope_theta) == (5e4, 7.0)
  new['full_attention'] = both | {'rope_type': 'yarn'}
  message = "rope_parameters.full_attention.rope_type is 'yarn': only"
  with pytest.raises(errors.InputError, match=message):
    read({'rope_parameters': new}, 'here')


def test_encoders_need_neither_pytorch_nor_transformers():
  script = (
    'import sys\nfrom empathy import encoders\n'
    f'encoders.load({str(_GOLDENS / "bert")!r})\n'
    'assert not {"torch", "transformers", "tensorflow"} & set(sys.modules)'
  )
  subprocess.run([sys.executable, '-c', script], check=True, timeout=120)
