import collections
import os
import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest

from empathy import errors, pickles

_NUMBERS = np.arange(6, dtype=np.float32).reshape(2, 3)
_ARRAYS = {
  'float32': _NUMBERS,
  'columns first': np.asfortranarray(_NUMBERS.astype(np.float64)),
  'not contiguous': _NUMBERS.astype(np.int16)[:, ::2],
  'bool': np.array([True, False]),
  'texts': np.array(['a', 'bcé', '']),
  'bytes': np.array([b'a', b'bc']),
  'empty': np.zeros((0, 3), np.int64),
  'one': np.array(7),
  'float16': np.ones((2, 1, 2), np.float16),
}


def _write(path, data):
  path.write_bytes(data)
  return path


@pytest.fixture(name='path')
def _path(tmp_path):
  return tmp_path / 'table.pkl'


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
@pytest.mark.parametrize('core', ['_core', 'core'])
def test_what_numpy_writes_is_read(path, protocol, core):
  shared = np.arange(4.0)
  value = {
    'arrays': _ARRAYS,
    'objects': np.array([{'emo': 'sad', 'val': -1.5}, None, 'x'], object),
    'scalars': [np.float64(2.5), np.int32(-3), np.bool_(True), np.str_('né')],
    'plain': (1, -(2**70), 2.5, 'né', True, None, [], {}, (), b'bytes', 300),
    'twice': [shared, shared],
    'ordered': collections.OrderedDict(a=1),
    7: list(range(1100)),  # More than a batch of appends.
  }
  data = pickle.dumps(value, protocol)
  if protocol < 4:  # Names have no length before them.
    data = data.replace(b'numpy._core.', f'numpy.{core}.'.encode())
  found = pickles.read(_write(path, data))
  assert found.keys() == value.keys()
  for name, array in _ARRAYS.items():
    assert found['arrays'][name].dtype == array.dtype, name
    np.testing.assert_array_equal(found['arrays'][name], array, err_msg=name)
  assert found['objects'].tolist() == value['objects'].tolist()
  assert found['scalars'] == value['scalars']
  assert [type(v) for v in found['scalars']] == list(
    map(type, value['scalars'])
  )
  assert found['plain'] == value['plain']
  assert found['twice'][0] is found['twice'][1]
  np.testing.assert_array_equal(found['twice'][1], shared)
  assert found['ordered'] == {'a': 1}
  assert found[7] == value[7]


class _Calls:
  def __init__(self, function, *arguments, state=None):
    self.pair = (function, arguments, state)

  def __reduce__(self):
    return self.pair if self.pair[2] is not None else self.pair[:2]


def _attacks(witness):
  command = f'touch {witness}'
  code = f'__import__("os").system("{command}")'
  load = _Calls(np.load, str(witness), None, True)
  return {
    'system': _Calls(os.system, command),
    'eval': _Calls(eval, code),
    'exec': _Calls(exec, code),
    'getattr': _Calls(getattr, {}, 'system'),
    'subprocess': _Calls(subprocess.check_output, ['touch', str(witness)]),
    'import': _Calls(__import__, 'antigravity'),
    'numpy': load,
    'memmap': _Calls(np.memmap, str(witness), 'uint8', 'w+', 0, (1,)),
    'fromfile': _Calls(np.fromfile, str(witness)),
    'bytes': _Calls(bytes, 10**11),
    'bytearray': _Calls(bytearray, 10**11),
    'pickle': _Calls(pickle.loads, pickle.dumps(_Calls(eval, code))),
    'array of it': np.array([_Calls(os.system, command)], object),
    'state of it': np.array([{'a': [_Calls(eval, code)]}], object),
    'class': collections.Counter('ab'),
    'slots': pickle.PicklingError('x'),
    'dtype of it': _Calls(np.dtype, _Calls(eval, code)),
    'encode of it': _Calls(__import__('_codecs').encode, 'x', 'rot13'),
    'path': __import__('pathlib').PurePosixPath('x'),
    'set': {1, 2},
    'frozenset': frozenset('ab'),
    'complex': 1j,
    'range': range(9),
    'function': len,
    'module': _Calls(sys.exit, 3),
  }


@pytest.mark.parametrize('protocol', [0, 2, 4])
@pytest.mark.parametrize('name', _attacks(''))
def test_what_calls_anything_is_refused_and_not_run(
  path, tmp_path, protocol, name
):
  witness = tmp_path / 'witness'
  attack = _attacks(witness)[name]
  data = pickle.dumps({'train': {'text': _NUMBERS, 'x': attack}}, protocol)
  with pytest.raises(errors.InputError) as caught:
    pickles.read(_write(path, data))
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{path}: its pickle ')
  assert not witness.exists()
  archive = tmp_path / 'labels.npz'
  np.savez(archive, a=np.array({'x': attack}, dtype=object))
  with pytest.raises(errors.InputError) as caught:
    pickles.read_archive(archive)
  assert str(caught.value).startswith(f'{archive}: ')
  assert len(str(caught.value).splitlines()) == 1
  assert not witness.exists()


def test_nothing_is_imported(path):
  data = b'\x80\x02cthis_module_is_nowhere\nname\n)R.'
  with pytest.raises(errors.InputError, match='names this_module_is_nowhere'):
    pickles.read(_write(path, data))
  data = b'\x80\x04\x8c\x04this\x8c\x01s\x93.'
  with pytest.raises(errors.InputError, match=r'names this\.s'):
    pickles.read(_write(path, data))
  assert 'this' not in sys.modules


def _array(code='f4', shape='K\x01', body='B\x04\x00\x00\x00abcd', order='<'):
  """A pickle of an array, put together by hand."""
  return (
    '\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n'
    f'K\x00\x85C\x01b\x87R(K\x01{shape}\x85cnumpy\ndtype\n'
    f'X{chr(len(code))}\0\0\0{code}\x85R(K\x03X\x01\0\0\0{order}NNNtb\x89'
    f'{body}tb.'
  ).encode('latin1')


def test_the_array_put_together_is_one(path):
  found = pickles.read(_write(path, _array('f4')))
  np.testing.assert_array_equal(found, np.frombuffer(b'abcd', '<f4'))
  found = pickles.read(_write(path, _array('O8', body=']K\x05a')))
  assert found.tolist() == [5]


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    (_array('f4', shape='K\x02'), '1 values for an array of shape'),
    (_array('f4', shape='J\xff\xff\xff\xff'), 'a shape that is none'),
    (_array('f4', shape='G@\x08\0\0\0\0\0\0'), 'a shape that is none'),
    (_array('f4', shape='\x8a\x09' + '\x01' * 9), 'a shape that is none'),
    (_array('O8'), 'a list that is none'),
    (_array('O8', body=']'), '0 values for an array'),
    (_array('O8', shape='J\xff\xff\xff\x7f', body=']'), '0 values'),
    (_array('V4'), "values of kind 'V4'"),
    (_array('M8'), "values of kind 'M8'"),
    (_array('f4,f4'), 'values of kind'),
    (_array('f4', order='>'), "byte order '>'"),
    (_array('f4', body='N'), 'an array that is none'),
    (_array('f4', body='C\x03abc'), 'an array that is none'),
    (_array('S0', body='C\x03abc'), 'an array that is none'),
    (
      b'\x80\x03cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\0\0\0O8'
      b'\x85RC\x08abcdefgh\x86R.',
      'a number that is none',
    ),
    (b'\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fab.', 'is damaged'),
    (b'\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fab.', 'is damaged'),
    (b'\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7fab.', 'is damaged'),
    (b'\x80\x04]]K\x01a.', 'is damaged'),
    (b'\x80\x04(.', 'ends at a mark'),
    (b'\x80\x04}))s.', 'a key that is none'),
    (b'\x80\x04K\x01.K\x02', ''),
    (b'\x80\x05\x97.', 'instruction NEXT_BUFFER'),
    (b'\x80\x02U\x01a.', 'instruction SHORT_BINSTRING'),
    (b'', 'is no pickle'),
    (b'hello', 'is damaged'),
    (b'PK\x03\x04', 'is damaged'),
  ],
)
def test_strange_pickles_are_refused(path, data, message):
  _write(path, data)
  if not message:  # What follows the end is no matter.
    assert pickles.read(path) == 1
    return
  with pytest.raises(errors.InputError) as caught:
    pickles.read(path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{path}: ')
  assert message in line


def test_what_grows_in_memory_is_refused(path):
  # A list of 2**17 names, as the content of many arrays of objects.
  many = 2**17
  head = b'\x80\x04](' + b'K\x01' * many + b'e\x94'
  array = _array('O8', 'J' + many.to_bytes(4, 'little').decode('latin1'), 'h\0')
  data = head + (array[2:-1] + b'0') * 9
  with pytest.raises(errors.InputError, match='instruction POP'):
    pickles.read(_write(path, data + b'.'))
  data = head + array[2:-1] * 9
  with pytest.raises(errors.InputError, match='far larger in memory'):
    pickles.read(_write(path, data + b'.'))
  # Doubled thirty times; nobody goes through all of it.
  data = b'\x80\x04]\x94' + b''.join(
    b'](h' + bytes([i]) + b'h' + bytes([i]) + b'e\x94' for i in range(30)
  )
  with pytest.raises(errors.InputError, match='is damaged'):
    pickles.read(_write(path, data + b'.'))


def test_damaged_pickles_are_named_or_read(path):
  value = {
    'train': {'text': _NUMBERS, 'id': np.array(['a$_$1', 'b$_$2'])},
    'objects': np.array([{'val': 1.5}, {'val': 2}], object),
  }
  random = np.random.default_rng(0)
  told = 0
  for number in range(600):
    data = bytearray(pickle.dumps(value, 2 + number % 4))
    if number < 100:
      data = data[: random.integers(len(data))]
    else:
      data[random.integers(len(data))] = random.integers(256)
    told += _is_told(pickles.read, _write(path, bytes(data)))
  assert told > 200


def _is_told(read, path):
  """Whether it is refused, in a line that names it."""
  try:
    read(path)
  except errors.InputError as error:
    message = str(error)
  else:
    return False
  assert message.startswith(f'{path}: '), message
  assert len(message.splitlines()) == 1, message
  return True


def test_archives_with_objects_are_read(tmp_path, monkeypatch):
  path = tmp_path / 'label.npz'
  corpus = {'a_1': {'emo': 'sad', 'val': -1.5}, 'a_2': {'emo': 'happy'}}
  np.savez_compressed(path, train_corpus=corpus, numbers=_NUMBERS)
  found = pickles.read_archive(path)
  assert found.keys() == {'train_corpus', 'numbers'}
  assert found['train_corpus'].item() == corpus
  np.testing.assert_array_equal(found['numbers'], _NUMBERS)
  whole = path.read_bytes()
  for data in (whole[:200], b'', b'hello'):
    with pytest.raises(errors.InputError, match=r'is not a whole \.npz'):
      pickles.read_archive(_write(path, data))
  with pytest.raises(errors.InputError, match='no such file'):
    pickles.read_archive(tmp_path / 'none.npz')
  monkeypatch.setattr(pickles, '_MOST_BYTES', 100)
  with pytest.raises(errors.InputError, match=r'train_corpus\.npy is of'):
    pickles.read_archive(_write(path, whole))
  monkeypatch.undo()
  random = np.random.default_rng(0)
  for _ in range(100):
    data = bytearray(whole)
    data[random.integers(len(data))] ^= random.integers(1, 256)
    _is_told(pickles.read_archive, _write(path, bytes(data)))


def test_the_pickles_here_have_the_instructions_meant():
  names = {op.name for op, _, _ in pickletools.genops(_array('f4'))}
  assert {'GLOBAL', 'REDUCE', 'BUILD', 'BINBYTES'} <= names
