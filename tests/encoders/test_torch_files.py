"""`.bin` files are read without running them."""

import os
import pathlib
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest
import torch_writer

from empathy import errors
from empathy.encoders import torch_files

_GOLDEN = (
  pathlib.Path(__file__).parent / 'goldens' / 'bert'
) / 'pytorch_model.bin'


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'pytorch_model.bin'


@pytest.mark.parametrize(
  ('kind', 'dtype'),
  [
    ('FloatStorage', np.float32),
    ('HalfStorage', np.float16),
    ('BFloat16Storage', ml_dtypes.bfloat16),
    ('DoubleStorage', np.float64),
    ('LongStorage', np.int64),
    ('BoolStorage', np.bool_),
  ],
)
def test_tensors_of_every_dtype_and_layout(path, kind, dtype):
  flat = np.arange(7).astype(dtype)
  tensors = {
    'whole': torch_writer.tensor(kind, size=7),
    'transposed': torch_writer.tensor(
      kind, size=7, shape=(3, 2), strides=(1, 3)
    ),
    'shifted': torch_writer.tensor(kind, size=7, offset=1),
    'repeated': torch_writer.tensor(
      kind, size=7, offset=6, shape=(4,), strides=(0,)
    ),
    'scalar': torch_writer.tensor(kind, size=7, offset=2, shape=(), strides=()),
    'empty': torch_writer.tensor(kind, size=7, shape=(0, 3)),
    'parameter': torch_writer.Named(
      'torch._utils _rebuild_parameter',
      (torch_writer.tensor(kind, size=7), True, {}),
    ),
  }
  found = torch_files.read(
    torch_writer.write_pickle(
      path, torch_writer.pickled(tensors), {'0': flat.tobytes()}
    )
  )
  wanted = {
    'whole': flat[:6].reshape(2, 3),
    'transposed': flat[:6].reshape(2, 3).T,
    'shifted': flat[1:].reshape(2, 3),
    'repeated': flat[[6] * 4],
    'scalar': flat[2],
    'empty': flat[:0].reshape(0, 3),
    'parameter': flat[:6].reshape(2, 3),
  }
  assert found.keys() == wanted.keys()
  for name, value in wanted.items():
    assert found[name].dtype == dtype
    np.testing.assert_array_equal(found[name], value, err_msg=name)


class _Calls:
  def __init__(self, function, *arguments):
    self.pair = function, arguments

  def __reduce__(self):
    return self.pair


@pytest.mark.parametrize('protocol', [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
  ('function', 'name'),
  [(os.system, 'system'), (eval, 'eval'), (getattr, 'getattr')],
)
def test_a_call_of_anything_else_is_refused_and_not_run(
  path, tmp_path, protocol, function, name
):
  witness = tmp_path / 'witness'
  command = f'touch {witness}'
  argument = f'__import__("os").system("{command}")'
  attack = _Calls(function, command if function is os.system else argument)
  if function is getattr:
    attack = _Calls(getattr, os, 'system')
    attack = {'a': _Calls(eval, argument), 'b': 1}
  data = pickle.dumps({'weight': attack}, protocol)
  with pytest.raises(errors.InputError) as caught:
    torch_files.read(torch_writer.write_pickle(path, data))
  assert str(path) in str(caught.value)
  assert 'refused' in str(caught.value)
  assert not witness.exists()
  pickle.loads(data)  # It would have run otherwise.
  assert witness.exists()


@pytest.mark.parametrize(
  'data',
  [
    b"(cposix\nsystem\nS'x'\nIposix\nsystem\n.",
    b"(S'touch x'\niposix\nsystem\n.",
    b'\x80\x02(cposix\nsystem\nX\x01\x00\x00\x00xo.',
    b'\x80\x02cposix\nsystem\n)\x81.',
    b'\x80\x04\x8c\x05posix\x8c\x06system\x93.',
    b'\x80\x02\x82\x01.',
    b'\x80\x02ccollections\nOrderedDict\n(K\x01tR.',
    b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.',
    b'\x80\x02ctorch.storage\n_load_from_bytes\n)R.',
    b'\x80\x02}}b.',
    b'\x80\x02K\x01}b.',
    b'\x80\x02N.',
    b'\x80\x02]K\x01a.',
    b'\x80\x02}K\x01K\x02s.',
    b'\x80\x02Q.',
    b'\x80\x02tR.',
    b'\x80\x02h\x05.',
    b'.',
    b'',
    b'\x80\x02\x8a\xff.',
  ],
)
def test_strange_pickles_are_refused(path, data):
  if data == b'\x80\x02}}b.':  # An empty dictionary, with attributes.
    assert torch_files.read(torch_writer.write_pickle(path, data)) == {}
    return
  with pytest.raises(errors.InputError, match='pytorch_model'):
    torch_files.read(torch_writer.write_pickle(path, data))


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'offset': 1}, 'beyond its storage'),
    ({'shape': (3, 3)}, 'more values than its storage'),
    ({'shape': (10**12,), 'strides': (0,)}, 'more values than its storage'),
    ({'strides': (2**40, 1)}, 'beyond its storage'),
    ({'size': 7}, '24 bytes, expected 7 values'),
    ({'size': -1}, 'is no storage'),
    ({'offset': -1}, 'of no shape'),
    ({'strides': (-3, 1)}, 'of no shape'),
    ({'strides': (1,)}, 'of no shape'),
    ({'shape': ('2', 3)}, 'of no shape'),
    ({'key': '1'}, 'lacks archive/data/1'),
    ({'key': '../data.pkl'}, 'lacks archive/data/'),
    ({'kind': 'ComplexFloatStorage'}, 'torch.ComplexFloatStorage'),
  ],
)
def test_tensors_outside_their_storage_are_refused(path, fields, message):
  data = torch_writer.pickled({'weight': torch_writer.tensor(**fields)})
  with pytest.raises(errors.InputError) as caught:
    torch_files.read(torch_writer.write_pickle(path, data, {'0': bytes(24)}))
  assert message in str(caught.value)


def test_other_files_are_refused(path):
  data = torch_writer.pickled({'weight': torch_writer.tensor()})
  path.write_bytes(data)  # The format from before PyTorch 1.6 begins like this.
  with pytest.raises(errors.InputError, match=r'PyTorch 1\.6'):
    torch_files.read(path)
  torch_writer.write_pickle(path, data, {'0': bytes(24)}, zipfile.ZIP_DEFLATED)
  with pytest.raises(errors.InputError, match='compressed'):
    torch_files.read(path)
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('archive/other', b'')
  with pytest.raises(errors.InputError, match=r'no data\.pkl'):
    torch_files.read(path)
  torch_writer.write_pickle(path, torch_writer.pickled({'weight': 1}))
  with pytest.raises(errors.InputError, match="'weight', which is not a named"):
    torch_files.read(path)


def test_damaged_files_are_named(path):
  whole = _GOLDEN.read_bytes()
  assert torch_files.read(_GOLDEN)
  with zipfile.ZipFile(_GOLDEN) as archive:
    member = next(n for n in archive.namelist() if n.endswith('data.pkl'))
    pickled = archive.read(member)
  random = np.random.default_rng(0)
  messages = []
  for i in range(300):
    if i < 100:  # Cut, or a byte of the archive changed.
      damaged = bytearray(whole[: random.integers(len(whole))])
      path.write_bytes(damaged)
    elif i < 200:
      damaged = bytearray(whole)
      damaged[random.integers(len(whole))] ^= random.integers(1, 256)
      path.write_bytes(damaged)
    else:  # A byte of the pickle, in an archive that is sound.
      damaged = bytearray(pickled)
      damaged[random.integers(len(damaged))] = random.integers(256)
      torch_writer.write_pickle(path, bytes(damaged))
    try:
      torch_files.read(path)
    except errors.InputError as error:
      messages.append(str(error))
  assert len(messages) > 100
  assert all(message.startswith(str(path)) for message in messages)
