"""Reads the tensors of a PyTorch `.bin` file, and executes nothing.

Since PyTorch 1.6 such a file is a zip archive: `data.pkl`, a pickle that says
which tensors there are, and `data/<key>`, the bytes of each storage. A pickle
is a program, which `pickles` reads and does not run; any name outside
`_ALLOWED` is refused.
"""

import math
import os
import struct
import zipfile
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from empathy import errors, pickles

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

# What `zipfile` raises when it meets bytes that it did not expect.
_DAMAGE = (
  *(EOFError, OverflowError, RuntimeError, ValueError),
  *(struct.error, zipfile.BadZipFile),
)


class _Storage(NamedTuple):
  dtype: np.dtype
  key: str
  size: int


class _Tensor(NamedTuple):
  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


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
      raise pickles.RefusedError(
        'is not a zip archive: expected a file that torch.save of PyTorch 1.6 '
        'or later wrote; load it in PyTorch and save it again'
      )
    with zipfile.ZipFile(path) as archive:
      return _read(archive)
  except pickles.RefusedError as error:
    raise errors.InputError(f'{path}: {error}') from None
  except _DAMAGE as error:
    raise errors.InputError(f'{path}: is damaged: {error}') from None


def _read(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
  names = [n for n in archive.namelist() if n.endswith('/data.pkl')]
  if len(names) != 1:
    raise pickles.RefusedError(
      'has no data.pkl: expected a file that torch.save wrote'
    )
  root = names[0].removesuffix('data.pkl')
  if f'{root}byteorder' in archive.namelist():
    order = _member(archive, f'{root}byteorder')
    if order != b'little':
      raise pickles.RefusedError(f'has byte order {order!r}: expected little')
  found = pickles.parse(_member(archive, names[0]), _DIALECT)
  if not isinstance(found, dict):
    raise pickles.RefusedError('holds no dictionary of tensors')
  storages: dict[str, bytes] = {}
  arrays = {}
  for name, tensor in found.items():
    if not (isinstance(name, str) and isinstance(tensor, _Tensor)):
      raise pickles.RefusedError(f'holds {name!r}, which is not a named tensor')
    key = tensor.storage.key
    if key not in storages:
      storages[key] = _member(archive, f'{root}data/{key}')
    arrays[name] = _array(name, tensor, storages[key])
  return arrays


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
  try:
    info = archive.getinfo(name)
  except KeyError:
    raise pickles.RefusedError(f'lacks {name}') from None
  # PyTorch compresses nothing, so that what is read is never larger than the
  # file.
  if info.compress_type != zipfile.ZIP_STORED:
    raise pickles.RefusedError(
      f'{name} is compressed, which torch.save never does'
    )
  return archive.read(info)


def _array(name: str, tensor: _Tensor, data: bytes) -> np.ndarray:
  """The values of a tensor, which must lie within its storage."""
  storage, offset, shape, strides = tensor
  if len(data) < storage.size * storage.dtype.itemsize:
    raise pickles.RefusedError(
      f'{name}: its storage has {len(data)} bytes, expected {storage.size} '
      f'values of {storage.dtype}'
    )
  last = offset + sum(
    (length - 1) * stride for length, stride in zip(shape, strides, strict=True)
  )
  if 0 in shape:
    return np.zeros(shape, storage.dtype)
  if math.prod(shape) > storage.size:
    raise pickles.RefusedError(f'{name}: has more values than its storage')
  if last >= storage.size:
    raise pickles.RefusedError(f'{name}: reaches beyond its storage')
  flat = np.frombuffer(data, storage.dtype, storage.size)
  return np.lib.stride_tricks.as_strided(
    flat[offset:],
    shape,
    [stride * storage.dtype.itemsize for stride in strides],
    writeable=False,
  )


def _storage(pid: Any) -> _Storage:
  """What a persistent id stands for: ('storage', type, key, location, size)."""
  match pid:
    case ('storage', pickles.Global(name), str(key), _, int(size)) if (
      name in _DTYPES and size >= 0
    ):
      return _Storage(_DTYPES[name], key, size)
  raise pickles.RefusedError('is damaged: a persistent id is no storage')


def _call(name: str, arguments: tuple) -> Any:
  """Rebuilds a dictionary or a tensor, the only calls there are."""
  match arguments:
    case () if name == _DICT:
      return {}
    case (_Tensor() as tensor, *_) if name == _PARAMETER:
      return tensor
    case (
      _Storage() as storage,
      int(offset),
      tuple(shape),
      tuple(strides),
      *_,
    ) if name == _TENSOR:
      numbers = (offset, *shape, *strides)
      if len(shape) == len(strides) and all(
        isinstance(n, int) and n >= 0 for n in numbers
      ):
        return _Tensor(storage, offset, shape, strides)
      raise pickles.RefusedError('is damaged: it has a tensor of no shape')
  raise pickles.RefusedError(f'is damaged: {name} is not called like this')


def _build(value: Any, state: Any) -> Any:
  """Lets go of a dictionary's attributes, such as versions of modules."""
  del state
  if not isinstance(value, dict):
    raise pickles.RefusedError(
      'is damaged: it builds something that is no dict'
    )
  return value


_DIALECT = pickles.Dialect(
  'a dictionary of tensors', _ALLOWED, _call, _build, _storage
)
