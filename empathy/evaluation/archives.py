"""Several things in one archive of plain arrays.

Each is what JSON can hold of it and its arrays by name, as the `to_arrays` of
its module gives them and `of_arrays` takes them; nothing in it could be run.

Numbers come back to the bit, and take little room: whole ones have the smallest
type that holds them, or their steps if they ascend; and bytes of one weight lie
together, since those of high weight are much alike, which makes files small.
What is the same is there once.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

Arrays = Mapping[str, np.ndarray]
Part = tuple[Mapping[str, Any], Arrays]

_TYPES = ('u1', 'i1', '<u2', '<i2', '<u4', '<i4')


def save(
  file: BinaryIO,
  head: Mapping[str, Any],
  parts: Mapping[str, Part],
  write: Callable = np.savez,
) -> None:
  """Writes parts by name, and what is said of all of them.

  Args:
    file: to which it is written.
    head: what JSON can hold.
    parts: by names that `head` has not.
    write: `np.savez` or `np.savez_compressed`.
  """
  head = dict(head) | {name: own for name, (own, _) in parts.items()}
  small, arrays, seen = {}, {}, {}
  for part_name, (_, own) in parts.items():
    for key, values in own.items():
      name = f'{part_name}/{key}'
      how, values = _packed(values)
      first = seen.setdefault(_digest(values), name)
      if first == name:
        arrays[name] = values
      small[name] = [first, how]
  text = json.dumps(head | {'packed': small}, ensure_ascii=False)
  write(file, head=np.array(text), **arrays)


def load(arrays: Arrays) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """What was said of all parts, and of each by its name; and the arrays.

  Args:
    arrays: of a file that `save` wrote.
  """
  head = json.loads(str(arrays['head']))
  packed = head.pop('packed')
  return head, {
    name: _unpacked(arrays[first], **how)
    for name, (first, how) in packed.items()
  }


def part(head: Mapping[str, Any], arrays: Arrays, name: str) -> Part:
  """The part of a name."""
  return head[name], under(name, arrays)


def under(name: str, arrays: Arrays) -> dict[str, np.ndarray]:
  """The arrays whose names begin with a name and a slash, without these."""
  return {
    key.removeprefix(f'{name}/'): values
    for key, values in arrays.items()
    if key.startswith(f'{name}/')
  }


def _packed(values: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
  """How numbers are to be unpacked, and what takes less room."""
  values = np.asarray(values)
  is_whole = values.dtype.kind in 'iu'
  if not values.size or not (is_whole or values.dtype == np.float64):
    return {}, values
  how = {'dtype': values.dtype.str, 'shape': list(values.shape)}
  values = values.ravel()
  if not is_whole:
    values = _whole(values)
  if values.dtype.kind != 'f':
    how['steps'] = bool((values[1:] >= values[:-1]).all())
    if how['steps']:
      values = np.concatenate([values[:1], np.diff(values)])
    ends = values.min(), values.max()
    fit = [np.dtype(one) for one in _TYPES if _fits(one, *ends)]
    values = values.astype(fit[0] if fit else values.dtype)
  how['small'] = values.dtype.str
  return how, values.view(np.uint8).reshape(len(values), -1).T


def _digest(values: np.ndarray) -> tuple:
  """The same for arrays that are the same."""
  digest = hashlib.blake2b(np.ascontiguousarray(values)).digest()
  return values.dtype.str, values.shape, digest


def _fits(kind: str, least: int, most: int) -> bool:
  return np.iinfo(kind).min <= least and most <= np.iinfo(kind).max


def _unpacked(
  values: np.ndarray,
  dtype: str | None = None,
  shape: tuple[int, ...] = (),
  small: str = '',
  steps: bool = False,
) -> np.ndarray:
  """The numbers of `_packed`."""
  if dtype is None:
    return values
  values = np.ascontiguousarray(values.T).view(small)
  if steps:
    unsigned = np.dtype(dtype).kind == 'u'
    values = np.cumsum(values, dtype=np.uint64 if unsigned else np.int64)
  return values.reshape(shape).astype(dtype)


def _whole(values: np.ndarray) -> np.ndarray:
  """The same (n,) float64 as int64, if all are whole numbers."""
  whole = np.isfinite(values).all() and np.abs(values).max() < 2.0**53
  if whole and (values == np.rint(values)).all():
    return values.astype(np.int64)
  return values
