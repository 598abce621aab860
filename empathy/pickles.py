"""Reads pickles, and executes nothing.

A pickle is a program. Here it is parsed by `pickletools`, which runs nothing,
and the few instructions that plain values need are carried out on plain values;
no module is imported. Names of functions and classes mean what a `Dialect` says
of them; any other name, and any other instruction, is refused.
"""

import dataclasses
import io
import math
import mmap
import os
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from empathy import errors, files

_VALUES = {
  'NONE': None,
  'NEWTRUE': True,
  'NEWFALSE': False,
  'EMPTY_TUPLE': (),
}
_LITERALS = {
  *('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT'),
  *('BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
  *('BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8', 'BYTEARRAY8'),
}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_MARK = object()
# Unpacked, of an array in a file that may hold objects: of labels, that is.
_MOST_BYTES = 2**31
# What `pickletools` and a step on a damaged pickle raise.
_DAMAGE = (
  *(ArithmeticError, AttributeError, LookupError, MemoryError),
  *(TypeError, ValueError, struct.error),
)


class RefusedError(Exception):
  """Why a pickle is not read."""


class Global(NamedTuple):
  """What a pickle names: a module and a name in it, with a space between."""

  name: str


@dataclasses.dataclass(frozen=True)
class Dialect:
  """What pickles of a kind may say.

  Attributes:
    what: they hold, for messages.
    names: that they may name.
    call: what `name(*arguments)` stands for; raises a `RefusedError` or an
      error of Python's for what cannot be called like this.
    build: takes a value and its state, and gives what the value becomes.
    persistent: what a persistent id stands for; None where there are none.
  """

  what: str
  names: Collection[str]
  call: Callable[[str, tuple], Any]
  build: Callable[[Any, Any], Any]
  persistent: Callable[[Any], Any] | None = None


def parse(data: bytes | BinaryIO | mmap.mmap, dialect: Dialect) -> Any:
  """Carries out a pickle's instructions on plain values.

  Args:
    data: the pickle; of a stream, which must not read more than there is, the
      first one.
    dialect: what it may say.

  Returns:
    What it holds. Values that it holds twice are one.

  Raises:
    RefusedError: it is damaged, or says something else.
  """
  stack: list[Any] = []
  memo: dict[int, Any] = {}
  try:
    for instruction, argument, _ in pickletools.genops(data):
      if instruction.name == 'STOP':
        break
      _step(instruction.name, argument, stack, memo, dialect)
    (result,) = stack
  except RefusedError:
    raise
  except _DAMAGE as error:
    raise _damaged(files.reason(error)) from None
  if result is _MARK:
    raise _damaged('it ends at a mark')
  return result


def _damaged(why: str) -> RefusedError:
  return RefusedError(f'its pickle is damaged: {why}')


def _step(
  name: str, argument: Any, stack: list, memo: dict, dialect: Dialect
) -> None:
  """Carries out one instruction."""
  match name:
    case 'PROTO' | 'FRAME':
      pass
    case _ if name in _LITERALS:
      stack.append(argument)
    case 'MEMOIZE':
      memo[len(memo)] = stack[-1]
    case 'BINPUT' | 'LONG_BINPUT':
      memo[argument] = stack[-1]
    case 'BINGET' | 'LONG_BINGET':
      stack.append(memo[argument])
    case 'GLOBAL':
      stack.append(_named(argument, dialect))
    case 'STACK_GLOBAL':
      attribute, module = stack.pop(), stack.pop()
      _expect(isinstance(module, str) and isinstance(attribute, str), 'a name')
      stack.append(_named(f'{module} {attribute}', dialect))
    case 'BINPERSID' if dialect.persistent is not None:
      stack.append(dialect.persistent(stack.pop()))
    case 'REDUCE':
      arguments, function = stack.pop(), stack.pop()
      _expect(
        isinstance(function, Global) and isinstance(arguments, tuple), 'a call'
      )
      stack.append(dialect.call(function.name, arguments))
    case 'BUILD':
      state = stack.pop()
      stack[-1] = dialect.build(stack[-1], state)
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
      _expect(len(stack) >= count, 'a tuple')
      stack[-count:] = [tuple(stack[-count:])]
    case 'SETITEM':
      value, key = stack.pop(), stack.pop()
      _set(stack[-1], [key, value])
    case 'SETITEMS':
      items = _pop_to_mark(stack)
      _set(stack[-1], items)
    case 'APPEND':
      value = stack.pop()
      _extend(stack[-1], [value])
    case 'APPENDS':
      values = _pop_to_mark(stack)
      _extend(stack[-1], values)
    case _ if name in _VALUES:
      stack.append(_VALUES[name])
    case _:
      raise RefusedError(
        f'its pickle has the instruction {name}, which {dialect.what} does not '
        'need; nothing was run, and the file is refused'
      )


def _named(name: str, dialect: Dialect) -> Global:
  if name not in dialect.names:
    raise RefusedError(
      f'its pickle names {name.replace(" ", "."):.100}, which is no part of '
      f'{dialect.what}; nothing was run, and the file is refused'
    )
  return Global(name)


def _expect(condition: bool, thing: str) -> None:
  if not condition:
    raise _damaged(f'{thing} that is none')


def _pop_to_mark(stack: list) -> list:
  # From the end, since an earlier mark belongs to something around this.
  for i in range(len(stack) - 1, -1, -1):
    if stack[i] is _MARK:
      values = stack[i + 1 :]
      del stack[i:]
      return values
  raise _damaged('a mark is missing')


def _extend(target: Any, values: list) -> None:
  _expect(isinstance(target, list), 'a list')
  target.extend(values)


def _set(target: Any, items: list) -> None:
  _expect(isinstance(target, dict), 'a dictionary')
  keys = items[::2]
  # Whose hash is a number's or a text's own, and takes no long time.
  _expect(all(isinstance(key, str | int | float) for key in keys), 'a key')
  target.update(zip(keys, items[1::2], strict=True))


# Pickles of NumPy arrays.

_CODES = re.compile(r'b1|[iu][1248]|f[248]|[SU]\d{1,9}|O[48]?', re.ASCII)
_BYTES = '__builtin__ bytes'
_DICT = 'collections OrderedDict'
_DTYPE, _NDARRAY = 'numpy dtype', 'numpy ndarray'
_ENCODE = '_codecs encode'
_EMPTY, _SCALAR, _FULL = (
  {f'numpy.{core}.{name}' for core in ('core', '_core')}
  for name in (
    'multiarray _reconstruct',
    'multiarray scalar',
    'numeric _frombuffer',
  )
)


def read(path: str | os.PathLike) -> Any:
  """Reads a pickle of NumPy arrays, numbers, texts, lists and dictionaries.

  Args:
    path: what `pickle.dump` of Python 3 wrote.

  Returns:
    What it holds; arrays may be read-only.

  Raises:
    InputError: it is damaged, or names or needs anything else.
  """
  try:
    # A map reads no more than there is, whatever the pickle says of lengths.
    with (
      open(path, 'rb') as file,
      mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
      return parse(data, _Arrays(len(data)).dialect())
  except RefusedError as error:
    raise errors.InputError(f'{path}: {error}') from None
  except ValueError as error:  # An empty file cannot be mapped.
    raise errors.InputError(f'{path}: is no pickle: {error}') from None


def read_archive(path: str | os.PathLike) -> dict[str, np.ndarray]:
  """Reads a `.npz` file whose arrays may hold objects.

  Args:
    path: what `np.savez` wrote.

  Returns:
    The arrays by name; one of objects holds what `read` could give.

  Raises:
    InputError: there is no such file, or it is damaged, or an array of objects
      names or needs anything else.
  """
  try:
    files.check_archive(path)
    with zipfile.ZipFile(path) as archive:
      for info in archive.infolist():
        if info.file_size > _MOST_BYTES:
          raise RefusedError(f'{info.filename} is of {info.file_size:,} bytes')
      return {
        name.removesuffix('.npy'): _array(archive.read(name))
        for name in archive.namelist()
      }
  except FileNotFoundError:
    raise errors.InputError(f'{path}: no such file') from None
  except (RefusedError, *files.DAMAGED) as error:
    raise errors.InputError(
      f'{path}: is not a whole .npz file: {files.reason(error)}'
    ) from None


def _array(data: bytes) -> np.ndarray:
  """What a `.npy` file holds."""
  stream = io.BytesIO(data)
  version = np.lib.format.read_magic(stream)
  header = (
    np.lib.format.read_array_header_1_0
    if version == (1, 0)
    else np.lib.format.read_array_header_2_0
  )
  _, _, dtype = header(stream)
  if not dtype.hasobject:
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
  found = parse(stream, _Arrays(len(data)).dialect())
  if not isinstance(found, np.ndarray):
    raise RefusedError('an array of objects holds something else')
  return found


@dataclasses.dataclass(frozen=True)
class _Kind:
  """An array's kind of values, of which the lowest byte comes first."""

  code: str

  @property
  def dtype(self) -> np.dtype:
    return np.dtype(self.code if self.code[0] == 'O' else '<' + self.code)


class _Arrays:
  """Rebuilds arrays from bytes, and copies no more than the file's size."""

  def __init__(self, size: int):
    self._room = size

  def dialect(self) -> Dialect:
    return Dialect(
      what='a table of NumPy arrays',
      names={_BYTES, _DICT, _DTYPE, _ENCODE, _NDARRAY}
      | _EMPTY
      | _SCALAR
      | _FULL,
      call=self._call,
      build=self._build,
    )

  def _call(self, name: str, arguments: tuple) -> Any:
    match arguments:
      case () if name == _DICT:
        return {}
      case () if name == _BYTES:
        return b''
      case (str(text), 'latin1') if name == _ENCODE:
        self._copy(len(text))
        return text.encode('latin1')
      case (str(code), *_) if name == _DTYPE:
        if not _CODES.fullmatch(code):
          raise RefusedError(
            f'its pickle has values of kind {code[:20]!r}; expected numbers, '
            'texts or plain objects'
          )
        return _Kind(code)
      case (Global(kind), *_) if name in _EMPTY and kind == _NDARRAY:
        return np.empty(0, np.int8)
      case (_Kind() as kind, bytes(data)) if name in _SCALAR:
        return _of_bytes(data, kind, ()).reshape(())[()]
      case (
        bytes() | bytearray() as data,
        _Kind() as kind,
        tuple(shape),
        'C' | 'F' as order,
      ) if name in _FULL:
        return _of_bytes(data, kind, shape).reshape(shape, order=order)
    raise _damaged(f'{name.replace(" ", ".")} is not called like this')

  def _build(self, value: Any, state: Any) -> Any:
    match value, state:
      case _Kind(), (int(), str(order), *_):
        if order not in ('<', '|'):
          raise RefusedError(
            f'its pickle has byte order {order[:9]!r}: expected little, "<"'
          )
        return value
      case np.ndarray(), (1, tuple(shape), _Kind() as kind, fortran, data):
        if kind.code[0] == 'O':
          _expect(isinstance(data, list), 'a list')
          _check_shape(shape, len(data))
          self._copy(len(data))
        else:
          _of_bytes(data, kind, shape)
        # In place, for the pickle may name this array again.
        value.__setstate__((1, shape, kind.dtype, bool(fortran), data))
        return value
    raise _damaged('it builds something that is no array')

  def _copy(self, size: int) -> None:
    self._room -= size
    if self._room < 0:
      raise RefusedError('its pickle would be far larger in memory than here')


def _of_bytes(data: Any, kind: _Kind, shape: tuple) -> np.ndarray:
  """The values in bytes, which must be as many as the shape says: (n,)."""
  _expect(isinstance(data, bytes | bytearray), 'an array')
  _expect(kind.code[0] != 'O', 'a number')  # Bytes would be taken for pointers.
  size = kind.dtype.itemsize
  _expect(size > 0 and len(data) % size == 0, 'an array')
  _check_shape(shape, len(data) // size)
  return np.frombuffer(data, kind.dtype) if data else np.empty(0, kind.dtype)


def _check_shape(shape: tuple, size: int) -> None:
  _expect(all(isinstance(n, int) and 0 <= n < 2**62 for n in shape), 'a shape')
  if math.prod(shape) != size:
    raise _damaged(f'{size:,} values for an array of shape {shape!s:.100}')
