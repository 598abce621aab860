"""What is wrong with a checkpoint is named; the Hub's cache is read."""

import json
import logging
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from empathy import encoders, errors
from empathy.encoders import checkpoint

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
  shutil.copytree(_GOLDENS / 'wav2vec2', snapshot)
  refs = tmp_path / 'hub/models--some--encoder/refs/main'
  refs.parent.mkdir()
  refs.write_text('abc')
  script = (
    'from empathy import encoders, errors\n'
    'print(encoders.load("some/encoder").config.model_type)\n'
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
  assert first == 'wav2vec2'
  assert second.startswith('some/other: is no folder here and is not in the')
  assert 'hf download some/other' in second


def test_encoders_need_neither_pytorch_nor_transformers():
  script = (
    'import sys\nfrom empathy import encoders\n'
    f'encoders.load({str(_GOLDENS / "bert")!r})\n'
    'assert not {"torch", "transformers", "tensorflow"} & set(sys.modules)'
  )
  subprocess.run([sys.executable, '-c', script], check=True, timeout=120)
