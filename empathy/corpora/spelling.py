"""What is one thing, though a table spells it in several ways.

Spreadsheets, pandas and keyboards change names unasked: `Ann ` and `ann`, `1`
and `1.0`, an é of one character or of two. Taken for different things they make
classes that nobody meant, and speakers who are on both sides of a split. What
differs in nothing but

  white space     at the ends, doubled, non-breaking, of no width
  Unicode form    composed, decomposed, full width
  case            `ann`, `Ann`
  number format   `1`, `1.0`, `1,0`, `01`; but not in ids, where `1.1` may be
                  followed by `1.10`

is therefore one thing, in importers and in corpus folders alike:

  label             the class that is declared in `corpus.json`, or else the
                    commonest spelling, which is said
  group, annotator  the commonest spelling, which is said
  condition         its modalities, in their order
  id                two that are one are refused, for a clip is there once

Words for what is not there, such as `nan`, `N/A` or `-`, are not names; where
something was taken as missing it is said. A class that is declared wins: it may
well be called `none`.
"""

import collections
import dataclasses
import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

# White space of no width, which str.split leaves, and marks of direction.
_NOTHING = dict.fromkeys(map(ord, '\u200b\u200e\u200f\u2060\ufeff'))
_NUMBER = re.compile(r'([+-]?)(\d+)(?:[.,](\d*))?', re.ASCII)
_MISSING = frozenset(
  (
    *('', 'nan', '-nan', 'na', 'n/a', 'n.a.', 'nat', 'none', 'null', 'nil'),
    *('<na>', '<none>', '<null>', '#n/a', '#na', '#null!', '#value!', '#ref!'),
    *('#div/0!', '#name?', '#num!', '-', '--', '---', '–', '—', '?', '.'),
  )
)
_MAX_SHOWN = 3


def clean(text: str) -> str:
  """Without white space that is not seen, and composed (NFC)."""
  if not text.isascii():  # Which is faster, and most names are.
    text = unicodedata.normalize('NFC', text).translate(_NOTHING)
  return ' '.join(text.split())


def key(text: str, numbers: bool = True) -> str:
  """Equal for two spellings of one thing.

  Args:
    text: as it is spelt.
    numbers: whether numbers of equal value are one. Only whole ones are: `1.1`
      and `1.10` may be the first and the tenth part of something. Three zeros
      after a mark may be a fraction or thousands, and are left alone.
  """
  text = clean(text).casefold()
  if not text.isascii():
    text = unicodedata.normalize('NFKC', text).casefold()
    text = unicodedata.normalize('NFKC', text)
    text = ''.join(c for c in text if unicodedata.category(c) != 'Cf')
  found = _NUMBER.fullmatch(text) if numbers else None
  if not found:
    return text
  sign, whole, fraction = found.groups()
  if fraction and (fraction.strip('0') or len(fraction) == 3):
    return text.replace(',', '.')
  whole = whole.lstrip('0') or '0'
  return f'-{whole}' if sign == '-' and whole != '0' else whole


def number(text: str) -> float | None:
  """The value of a label that is a number, `,` for `.` and % allowed."""
  text = unicodedata.normalize('NFKC', clean(text)).replace('−', '-')
  text = text.removesuffix('%').strip()
  if not re.fullmatch(r'[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?', text, re.I):
    return None
  return float(text.replace(',', '.'))


def is_missing(text: str) -> bool:
  """Whether it is a word for what is not there, or empty."""
  return clean(text).casefold() in _MISSING


def counted(number: int, noun: str) -> str:
  """As in `1 row` and `2,000 rows`."""
  return f'{number:,} {noun}' + ('' if number == 1 else 's')


@dataclasses.dataclass(frozen=True)
class Unified:
  """A column with one spelling for each thing.

  Attributes:
    values: '' where there is nothing.
    others: by spelling that was kept, those that were taken for it.
    missing: by word that was taken as missing, how often it was there.
  """

  values: list[str]
  others: Mapping[str, Sequence[str]]
  missing: Mapping[str, int]

  def notes(self) -> list[str]:
    """What was changed that a reader would see, one line each."""
    notes = []
    if self.others:
      shown = [
        f'{kept!r} (also {", ".join(map(repr, others[:_MAX_SHOWN]))})'
        for kept, others in list(self.others.items())[:_MAX_SHOWN]
      ]
      more = len(self.others) - len(shown)
      notes.append(
        'spellings taken as one: '
        + ', '.join(shown)
        + (f', and {more:,} more' if more else '')
      )
    if self.missing:
      words = ', '.join(
        f'{word!r} ({counted(count, "row")})'
        for word, count in self.missing.items()
      )
      notes.append(f'taken as missing: {words}')
    return notes


def unified(values: Sequence[str], known: Iterable[str] = ()) -> Unified:
  """Gives each thing in a column one spelling.

  Args:
    values: as they are spelt.
    known: spellings to keep; what is one with none of them gets its commonest
      spelling, the first of equals.

  Returns:
    The column.
  """
  count = collections.Counter(values)
  spelt: dict[str, collections.Counter] = {}
  kept = {key(name): name for name in known}
  own, missing = {}, {}
  for raw, times in count.items():
    text = clean(raw)
    own[raw] = key(text)
    if is_missing(text) and own[raw] not in kept:
      own[raw] = None
      if text:
        missing[text] = missing.get(text, 0) + times
      continue
    spelt.setdefault(own[raw], collections.Counter())[text] += times
  others = {}
  for name, texts in spelt.items():
    best = kept.setdefault(name, texts.most_common(1)[0][0])
    if set(texts) - {best}:
      others[best] = [text for text in texts if text != best]
  return Unified(
    ['' if own[raw] is None else kept[own[raw]] for raw in values],
    others,
    missing,
  )


class Names:
  """Finds names, of clips above all, whatever their spelling."""

  def __init__(self, names: Iterable[str]):
    """Takes the names, which are numbered from 0; they may be there twice."""
    self._exact: dict[str, int] = {}
    for row, name in enumerate(map(clean, names)):
      self._exact.setdefault(name, row)

  def find(self, name: str) -> int:
    """The number of the name.

    Raises:
      KeyError: there is none, or it could be several.
    """
    row = self._exact.get(name)
    if row is None:
      row = self._exact.get(clean(name))
    if row is None:
      row = self._keys[key(name, numbers=False)]
    if row is None:
      raise KeyError(name)
    return row

  def has(self, name: str) -> bool:
    """Whether there is this name, but for white space and Unicode form."""
    return name in self._exact or clean(name) in self._exact

  def hint(self, unknown: str) -> str:
    """What may have happened to a name that is not found; '' if no idea."""
    name = self._by_value.get(key(unknown))
    if name is None:
      return ''
    return (
      f'; {name!r} is: if ids were read as numbers, read them as text '
      '(dtype=str)'
    )

  @functools.cached_property
  def _keys(self) -> dict[str, int | None]:
    """None where a key is that of two names."""
    keys: dict[str, int | None] = {}
    for name, row in self._exact.items():
      own = key(name, numbers=False)
      keys[own] = None if own in keys else row
    return keys

  @functools.cached_property
  def _by_value(self) -> dict[str, str]:
    return {key(name): name for name in self._exact}


def twice(names: Sequence[str]) -> dict[int, int]:
  """The rows of names that are one with an earlier one, and its row."""
  first: dict[str, int] = {}
  found = {}
  for row, name in enumerate(names):
    earlier = first.setdefault(key(name, numbers=False), row)
    if earlier != row and clean(name):
      found[row] = earlier
  return found
