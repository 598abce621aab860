"""Writes files as `torch.save` does, without PyTorch."""

import io
import pathlib
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

_KINDS = {
  'float32': 'FloatStorage',
  'float16': 'HalfStorage',
  'bfloat16': 'BFloat16Storage',
  'float64': 'DoubleStorage',
  'int64': 'LongStorage',
}


class Named:
  """Pickles as a call of a global with arguments."""

  def __init__(self, name: str, *arguments: object):
    self.name, self.arguments = name, arguments


class Pickler(pickle._Pickler):
  """Writes pickles like `torch.save`, of names that need not exist."""

  def save(self, obj, save_persistent_id=True):
    if isinstance(obj, Named):
      self.write(b'c' + obj.name.replace(' ', '\n').encode() + b'\n')
      if obj.arguments:
        super().save(obj.arguments[0])
        self.write(b'R')
    else:
      super().save(obj, save_persistent_id)

  def persistent_id(self, obj):
    return obj[1:] if isinstance(obj, tuple) and obj[:1] == ('pid',) else None


def pickled(value: Any) -> bytes:
  """The pickle of a value that may hold `Named`."""
  file = io.BytesIO()
  Pickler(file, protocol=2).dump(value)
  return file.getvalue()


def tensor(
  kind='FloatStorage', key='0', size=6, offset=0, shape=(2, 3), strides=(3, 1)
) -> Named:
  """A view of a storage."""
  storage = ('pid', 'storage', Named(f'torch {kind}'), key, 'cpu', size)
  hooks = Named('collections OrderedDict', ())
  return Named(
    'torch._utils _rebuild_tensor_v2',
    (storage, offset, shape, strides, False, hooks),
  )


def write_pickle(
  path: pathlib.Path,
  data: bytes,
  storages: Mapping[str, bytes] | None = None,
  compression: int = zipfile.ZIP_STORED,
) -> pathlib.Path:
  """Writes a pickle and its storages as one file."""
  with zipfile.ZipFile(path, 'w', compression) as archive:
    archive.writestr('archive/data.pkl', data)
    for key, values in (storages or {}).items():
      archive.writestr(f'archive/data/{key}', values)
  return path


def write(
  path: pathlib.Path, arrays: Mapping[str, np.ndarray], parameters: bool = False
) -> None:
  """Writes arrays by name; with `parameters` as what is trained."""
  tensors, storages = {}, {}
  for i, (name, array) in enumerate(arrays.items()):
    strides = tuple(x // array.itemsize for x in array.strides)
    found = tensor(
      _KINDS[array.dtype.name], str(i), array.size, 0, array.shape, strides
    )
    if parameters:
      found = Named('torch._utils _rebuild_parameter', (found, True, {}))
    tensors[name], storages[str(i)] = found, array.tobytes()
  write_pickle(path, pickled(tensors), storages)
