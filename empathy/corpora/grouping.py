"""Which column of a table tells the group, where none is called `group`.

Who speaks must not be on both sides of a split, so a column that names persons
or conversations is the group, unless a column `group` says otherwise.
"""

import re
from collections.abc import Mapping, Sequence

from empathy.corpora import spelling

# The first that is there, but for `best`.
_WORDS = (
  *(
    'group',
    'speaker',
    'spk',
    'spkr',
    'participant',
    'subject',
    'actor',
    'person',
  ),
  *('patient', 'client', 'user', 'respondent', 'interviewee', 'informant'),
  *('student', 'child', 'caller', 'dialogue', 'dialog', 'conversation'),
  *('interview', 'session', 'call', 'meeting', 'episode'),
)
# Of groups: to train, to validate and to hold out.
_LEAST = 3


def candidates(columns: Sequence[str]) -> list[str]:
  """Columns that name persons or conversations, the likeliest group first.

  `speaker` is one, and so are `Speaker_ID`, `SpeakerName` and `speaker no.`.
  """
  found = {}
  for name in columns:
    place = _place(name)
    if place is not None:
      found.setdefault(place, name)
  return [found[index] for index in sorted(found)]


def names_persons(column: str) -> bool:
  """Whether the name of a column says that it tells who speaks, or where."""
  return _place(column) is not None


def best(columns: Mapping[str, Sequence[str]]) -> tuple[str, list[str]]:
  """The column to take as the group.

  Args:
    columns: the candidates, one spelling for each thing, the likeliest first;
      at least one.

  Returns:
    The coarsest in which all others nest, as speakers do in sessions, if it has
    three groups or more; else the first. And the others that straddle it: some
    of their values are in several groups.
  """
  names = list(columns)
  coarse = [
    name
    for name in names
    if len(set(columns[name])) >= _LEAST
    and not any(_straddles(columns[other], columns[name]) for other in names)
  ]
  # Of two that nest in each other, which are the same groups, the first.
  chosen = coarse[0] if coarse else names[0]
  return chosen, [
    name for name in names if _straddles(columns[name], columns[chosen])
  ]


def _place(column: str) -> int | None:
  word = re.sub(r'[\W_]', '', spelling.clean(column)).casefold()
  word = re.sub(r'(?<=.)(ids?|names?|no|nr|num|number|code)$', '', word)
  for form in (word, word.removesuffix('s')):
    if form in _WORDS:
      return _WORDS.index(form)
  return None


def _straddles(values: Sequence[str], groups: Sequence[str]) -> bool:
  pairs = {
    (value, group) for value, group in zip(values, groups, strict=True) if value
  }
  return len(pairs) > len({value for value, _ in pairs})
