"""Several things in one archive of plain arrays.

Each is what JSON can hold of it and its arrays by name, as the `to_arrays` of
its module gives them and `of_arrays` takes them; nothing in it could be run.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

Arrays = Mapping[str, np.ndarray]
Part = tuple[Mapping[str, Any], Arrays]


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
  arrays = {
    f'{name}/{key}': values
    for name, (_, own) in parts.items()
    for key, values in own.items()
  }
  text = json.dumps(head, ensure_ascii=False)
  write(file, head=np.array(text), **arrays)


def head_of(arrays: Arrays) -> dict[str, Any]:
  """What was said of all parts, and of each by its name."""
  return json.loads(str(arrays['head']))


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
