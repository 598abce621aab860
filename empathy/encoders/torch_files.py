"""Reads the tensors of a PyTorch `.bin` file, and executes nothing.

Since PyTorch 1.6 such a file is a zip archive: `data.pkl`, a pickle that says
which tensors there are, and `data/<key>`, the bytes of each storage. A pickle
is a program. Here it is parsed by `pickletools`, which runs nothing, and the
few instructions that a dictionary of tensors needs are carried out on plain
values; any name outside `_ALLOWED`, and any other instruction, is refused.
"""

import math
import os
import pickletools
import struct
import zipfile
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from empathy import errors

_DTYPES = {
  'torch BFloat16Storage': np.dtype(ml_dtypes.bfloat16),
  'torch BoolStorage': np.dtype('?'),
  'torch ByteStorage': np.dtype('<u1'),
  'torch CharStorage': np.dtype('<i1'),
  'torch DoubleStorage': np.dtype('<f8'),
  'torch FloatStorage': np.dtype('<f4'),
  'torch HalfStorage': np.dtype('<f2'),
  'torch IntStorage': np.dtype('<i4'),
  'torch LongStorage': np.dtype('<i8'),
  'torch ShortStorage': np.dtype('<i2'),
}
_DICT = 'collections OrderedDict'
_TENSOR = 'torch._utils _rebuild_tensor_v2'
_PARAMETER = 'torch._utils _rebuild_parameter'
_ALLOWED = {_DICT, _TENSOR, _PARAMETER, *_DTYPES}

_VALUES = {
  'NONE': None,
  'NEWTRUE': True,
  'NEWFALSE': False,
  'EMPTY_TUPLE': (),
}
_LITERALS = {
  *('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT'),
  *('BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_MARK = object()
# What `zipfile` raises when it meets bytes that it did not expect.
_DAMAGE = (
  *(EOFError, OverflowError, RuntimeError, ValueError),
  *(struct.error, zipfile.BadZipFile),
)


class _Global(NamedTuple):
  name: str


class _Storage(NamedTuple):
  dtype: np.dtype
  key: str
  size: int


class _Tensor(NamedTuple):
  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


class _RefusedError(Exception):
  """Why a file is not read."""


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
  """Reads a `.bin` file that holds a dictionary of tensors.

  Args:
    path: a file that `torch.save` wrote, in the zip format.

  Returns:
    Arrays by name, which may be read-only and share memory.

  Raises:
    InputError: the file is damaged, is in the format from before PyTorch 1.6,
      names something that is not a tensor, or is no dictionary of tensors.
  """
  try:
    if not zipfile.is_zipfile(path):
      raise _RefusedError(
        'is not a zip archive: expected a file that torch.save of PyTorch 1.6 '
        'or later wrote; load it in PyTorch and save it again'
      )
    with zipfile.ZipFile(path) as archive:
      return _read(archive)
  except _RefusedError as error:
    raise errors.InputError(f'{path}: {error}') from None
  except _DAMAGE as error:
    raise errors.InputError(f'{path}: is damaged: {error}') from None


def _read(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
  names = [n for n in archive.namelist() if n.endswith('/data.pkl')]
  if len(names) != 1:
    raise _RefusedError(
      'has no data.pkl: expected a file that torch.save wrote'
    )
  root = names[0].removesuffix('data.pkl')
  if f'{root}byteorder' in archive.namelist():
    order = _member(archive, f'{root}byteorder')
    if order != b'little':
      raise _RefusedError(f'has byte order {order!r}: expected little')
  found = _parse(_member(archive, names[0]))
  if not isinstance(found, dict):
    raise _RefusedError('holds no dictionary of tensors')
  storages: dict[str, bytes] = {}
  arrays = {}
  for name, tensor in found.items():
    if not (isinstance(name, str) and isinstance(tensor, _Tensor)):
      raise _RefusedError(f'holds {name!r}, which is not a named tensor')
    key = tensor.storage.key
    if key not in storages:
      storages[key] = _member(archive, f'{root}data/{key}')
    arrays[name] = _array(name, tensor, storages[key])
  return arrays


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
  try:
    info = archive.getinfo(name)
  except KeyError:
    raise _RefusedError(f'lacks {name}') from None
  # PyTorch compresses nothing, so that what is read is never larger than the
  # file.
  if info.compress_type != zipfile.ZIP_STORED:
    raise _RefusedError(f'{name} is compressed, which torch.save never does')
  return archive.read(info)


def _array(name: str, tensor: _Tensor, data: bytes) -> np.ndarray:
  """The values of a tensor, which must lie within its storage."""
  storage, offset, shape, strides = tensor
  if len(data) < storage.size * storage.dtype.itemsize:
    raise _RefusedError(
      f'{name}: its storage has {len(data)} bytes, expected {storage.size} '
      f'values of {storage.dtype}'
    )
  last = offset + sum(
    (length - 1) * stride for length, stride in zip(shape, strides, strict=True)
  )
  if 0 in shape:
    return np.zeros(shape, storage.dtype)
  if math.prod(shape) > storage.size:
    raise _RefusedError(f'{name}: has more values than its storage')
  if last >= storage.size:
    raise _RefusedError(f'{name}: reaches beyond its storage')
  flat = np.frombuffer(data, storage.dtype, storage.size)
  return np.lib.stride_tricks.as_strided(
    flat[offset:],
    shape,
    [stride * storage.dtype.itemsize for stride in strides],
    writeable=False,
  )


def _parse(data: bytes) -> Any:
  """Carries out a pickle's instructions on plain values."""
  stack: list[Any] = []
  memo: dict[int, Any] = {}
  try:
    for instruction, argument, _ in pickletools.genops(data):
      if instruction.name == 'STOP':
        break
      _step(instruction.name, argument, stack, memo)
    (result,) = stack
  except _RefusedError:
    raise
  except (ValueError, IndexError, KeyError, TypeError, UnicodeError) as error:
    raise _RefusedError(f'data.pkl is damaged: {error}') from None
  return result


def _step(name: str, argument: Any, stack: list, memo: dict) -> None:
  """Carries out one instruction."""
  match name:
    case 'PROTO' | 'FRAME':
      pass
    case 'GLOBAL':
      if argument not in _ALLOWED:
        module, _, attribute = argument.rpartition(' ')
        raise _RefusedError(
          f'its pickle names {module}.{attribute}, which is no part of a '
          'tensor; nothing was run, and the file is refused'
        )
      stack.append(_Global(argument))
    case 'BINPERSID':
      stack.append(_storage(stack.pop()))
    case 'REDUCE':
      arguments = stack.pop()
      stack.append(_call(stack.pop(), arguments))
    case 'BUILD':
      stack.pop()  # Attributes of a dictionary, such as versions of modules.
      _expect(isinstance(stack[-1], dict), 'builds something that is no dict')
    case 'EMPTY_DICT':
      stack.append({})
    case 'EMPTY_LIST':
      stack.append([])
    case 'MARK':
      stack.append(_MARK)
    case 'TUPLE':
      stack.append(tuple(_pop_to_mark(stack)))
    case 'TUPLE1' | 'TUPLE2' | 'TUPLE3':
      count = _TUPLES[name]
      _expect(len(stack) >= count, 'takes from an empty stack')
      stack[-count:] = [tuple(stack[-count:])]
    case 'SETITEM':
      value, key = stack.pop(), stack.pop()
      _set(stack[-1], [key, value])
    case 'SETITEMS':
      items = _pop_to_mark(stack)
      _set(stack[-1], items)
    case 'APPEND':
      value = stack.pop()
      _expect(isinstance(stack[-1], list), 'appends to something else')
      stack[-1].append(value)
    case 'APPENDS':
      values = _pop_to_mark(stack)
      _expect(isinstance(stack[-1], list), 'appends to something else')
      stack[-1].extend(values)
    case 'BINPUT' | 'LONG_BINPUT':
      memo[argument] = stack[-1]
    case 'BINGET' | 'LONG_BINGET':
      stack.append(memo[argument])
    case _ if name in _VALUES:
      stack.append(_VALUES[name])
    case _ if name in _LITERALS:
      stack.append(argument)
    case _:
      raise _RefusedError(
        f'its pickle has the instruction {name}, which no dictionary of '
        'tensors needs; nothing was run, and the file is refused'
      )


def _expect(condition: bool, otherwise: str) -> None:
  if not condition:
    raise _RefusedError(f'data.pkl is damaged: it {otherwise}')


def _pop_to_mark(stack: list) -> list:
  # From the end, since an earlier mark belongs to something around this.
  for i in range(len(stack) - 1, -1, -1):
    if stack[i] is _MARK:
      values = stack[i + 1 :]
      del stack[i:]
      return values
  raise _RefusedError('data.pkl is damaged: a mark is missing')


def _set(target: Any, items: list) -> None:
  _expect(isinstance(target, dict), 'sets items of something else')
  keys = items[::2]
  _expect(all(isinstance(key, str) for key in keys), 'has keys but no names')
  target.update(zip(keys, items[1::2], strict=True))


def _storage(pid: Any) -> _Storage:
  """What a persistent id stands for: ('storage', type, key, location, size)."""
  match pid:
    case ('storage', _Global(name), str(key), _, int(size)) if (
      name in _DTYPES and size >= 0
    ):
      return _Storage(_DTYPES[name], key, size)
  raise _RefusedError(f'data.pkl is damaged: {pid!r:.200} is no storage')


def _call(function: Any, arguments: Any) -> Any:
  """Rebuilds a dictionary or a tensor, the only calls there are."""
  match function, arguments:
    case _Global(name), () if name == _DICT:
      return {}
    case _Global(name), (_Tensor() as tensor, *_) if name == _PARAMETER:
      return tensor
    case (
      _Global(name),
      (_Storage() as storage, int(offset), tuple(shape), tuple(strides), *_),
    ) if name == _TENSOR:
      numbers = (offset, *shape, *strides)
      _expect(
        len(shape) == len(strides)
        and all(isinstance(n, int) and n >= 0 for n in numbers),
        'has a tensor of no shape',
      )
      return _Tensor(storage, offset, shape, strides)
  raise _RefusedError(
    f'data.pkl is damaged: {function!r:.100} is not called like this'
  )
