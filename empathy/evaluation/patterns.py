"""Names with named parts, as in `views.{view}.accuracy`."""

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Regular expressions of patterns, and whose they are, the keenest first.
Compiled = Sequence[tuple[re.Pattern[str], Any]]

# Parts without a dot. Others, such as a class, are called as people please.
_PLAIN = ('view', 'condition', 'modality')


def name(pattern: str, parts: Mapping[str, object]) -> str:
  """The name that a pattern makes.

  Args:
    pattern: with named parts.
    parts: by name, what stands in their places; others are left aside.

  Returns:
    The pattern with the parts in their places.

  Raises:
    KeyError: a part is not given.
  """
  return pattern.format(**{part: parts[part] for part in _fields(pattern)})


def compiled(known: Sequence[Any]) -> Compiled:
  """What `matches` looks through: of things that have a `pattern` each."""
  made = []
  for one in known:
    pieces, literal = [], 0
    for text, part, *_ in string.Formatter().parse(one.pattern):
      pieces.append(re.escape(text))
      literal += len(text)
      if part:
        kind = '[^.]+' if part in _PLAIN else '.+'
        pieces.append(f'(?P<{part}>{kind})')
    made.append((literal, re.compile(''.join(pieces)), one))
  made.sort(key=lambda one: -one[0])
  return [(pattern, one) for _, pattern, one in made]


def matches(
  full_name: str, known: Compiled
) -> Iterator[tuple[Any, dict[str, str]]]:
  """Whose patterns a name fits, and its parts: first what says most of it."""
  for pattern, one in known:
    found = pattern.fullmatch(full_name)
    if found is not None:
      yield one, found.groupdict()


def _fields(pattern: str) -> list[str]:
  return [part for _, part, *_ in string.Formatter().parse(pattern) if part]
