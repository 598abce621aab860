"""Types of the fields of configs and of classes, and values that do not fit.

A type says all of a field: `int`, `str`, `bool`, `float`, `Literal['a', 'b']`,
`tuple[str, ...]`, `float | None`; a range is `Annotated[float, Range(0)]`, and
a field of which several values may be tried `Annotated[tuple, Several(...)]`.
A value of another type, one that is not known here, fits.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from empathy import nearest

_WORDS = {float: 'a number', Mapping: 'a mapping'}


@dataclasses.dataclass(frozen=True)
class Range:
  """Which numbers fit.

  Attributes:
    least: the lowest.
    below: the limit at the other end, which does not fit; None if all do, and
      infinity.
    is_open: `least` does not fit.
  """

  least: float
  below: float | None = math.inf
  is_open: bool = False

  def __contains__(self, value: float) -> bool:
    high = math.isfinite(value) if self.below == math.inf else True
    high &= self.below is None or value < self.below
    low = value > self.least if self.is_open else value >= self.least
    return bool(low and high)

  def __str__(self) -> str:
    low = f'above {self.least}' if self.is_open else f'{self.least} or more'
    limits = self.below is not None and math.isfinite(self.below)
    return f'{low} and below {self.below}' if limits else low


@dataclasses.dataclass(frozen=True)
class Several:
  """One value, or a tuple of different ones; a run tries all of them.

  Attributes:
    kind: of each.
  """

  kind: Any


Count = Annotated[int, Range(1)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]


def of(owner: type) -> dict[str, Any]:
  """The types of a class' fields, by name."""
  try:
    return typing.get_type_hints(owner, include_extras=True)
  except NameError:  # Of what is only imported to check types.
    return {}


def values(value: Any) -> tuple:
  """Those of a field that may have several."""
  return tuple(value) if isinstance(value, tuple | list) else (value,)


def faults(
  kinds: Mapping[str, Any], given: Mapping[str, Any], place: str
) -> list[str]:
  """What is wrong with fields, a line each.

  Args:
    kinds: the type of each field there is.
    given: values, by name.
    place: what they are fields of, as in 'config.model'.
  """
  result = []
  for name, value in given.items():
    where, kind = f'{place}.{name}', kinds.get(name)
    if name not in kinds:
      result.append(f'{where}: there is no such field')
    elif dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
      result += faults(of(kind), value, where)
    elif (wrong := fault(value, kind)) is not None:
      result.append(f'{where}: {wrong}')
  return result


def fault(value: Any, kind: Any) -> str | None:
  """What is wrong with a value of a type, as in '0 is not 1 or more'."""
  several = _meta(kind, Several)
  if several is None:
    said = _unlike(value, kind)
    if said is None:
      return None
    known = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
    return f'{value!r} is not {said}{nearest.hint(str(value), known)}'
  found = values(value)
  if not found:
    return 'has no value'
  for one in found:
    if (wrong := fault(one, several.kind)) is not None:
      return wrong
    if found.count(one) > 1:
      return f'{one!r} is there more than once'
  return None


def _unlike(value: Any, kind: Any) -> str | None:
  """What was expected in place of a value; None if it fits."""
  origin, given = typing.get_origin(kind), typing.get_args(kind)
  limits = _meta(kind, Range)
  if limits is not None:
    said = _unlike(value, given[0])
    return str(limits) if said is None and value not in limits else said
  if origin is Annotated:
    return _unlike(value, given[0])
  if origin is Literal:
    fits = value in given
  elif origin in (typing.Union, types.UnionType):
    fits = any(_unlike(value, one) is None for one in given)
  elif origin is tuple and given[1:] == (...,):
    fits = isinstance(value, tuple | list)
    fits = fits and all(_unlike(one, given[0]) is None for one in value)
  elif kind is float:
    fits = type(value) in (int, float)
  elif kind in (int, str, bool, type(None)):
    fits = type(value) is kind
  elif kind is Mapping or dataclasses.is_dataclass(kind):
    fits = isinstance(value, Mapping)
  else:
    fits = True
  return None if fits else _said(kind)


def _said(kind: Any) -> str:
  """A type in words."""
  origin, given = typing.get_origin(kind), typing.get_args(kind)
  if (limits := _meta(kind, Range)) is not None:
    return f'{_said(given[0])} that is {limits}'
  if origin is Literal:
    return ' or '.join(map(str, given))
  if origin in (typing.Union, types.UnionType):
    return ' or '.join(map(_said, given))
  if origin is tuple:
    return f'a tuple, each {_said(given[0])}'
  if dataclasses.is_dataclass(kind):
    kind = Mapping
  return _WORDS.get(kind, f'of the type {getattr(kind, "__name__", kind)}')


def _meta(kind: Any, which: type) -> Any:
  """What is said of a type besides, of one class; None if nothing is."""
  found: Sequence = getattr(kind, '__metadata__', ())
  return next((x for x in found if isinstance(x, which)), None)
