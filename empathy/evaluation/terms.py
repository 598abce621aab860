"""Terms of a page: their first use is a link to what they mean.

A page's text is written without links. `Terms` finds the words that a
`Definition` calls its own where they are used first, in the text of a section
and in the heads of its tables, and remembers which they were, so that the page
explains these and no others. The link has the meaning in an attribute, too,
which the style sheet shows where a pointer or the keyboard is on it: no script
is needed.
"""

import re
from collections.abc import Iterable

import markupsafe

from empathy.evaluation.glossary import Definition

_TAG = re.compile(r'<(/?)(\w+)([^>]*)>')
# What holds text; a plot is a list too, whose words are names and figures.
_TEXT = ('p', 'li', 'figcaption')
# What no link may stand in.
_CLOSED = ('a', 'button', 'svg', 'code', 'script', 'style')


class Terms:
  """Links to definitions, in the order in which a page is read."""

  def __init__(self, definitions: Iterable[Definition]):
    self._by_key = {one.key: one for one in definitions}
    self._of_word = {
      (word.lower(), section): one
      for one in self._by_key.values()
      for word in one.words
      for section in one.sections or ('',)
    }
    words = sorted({word for word, _ in self._of_word}, key=len, reverse=True)
    self._words = re.compile(
      rf'(?<![\w-])(?:{"|".join(map(re.escape, words))})(?![\w-])', re.I
    )
    self._used: dict[str, None] = {}

  def listed(self, others: Iterable[Definition] = ()) -> list[Definition]:
    """What was linked to, and others, in the order of the glossary."""
    keys = self._used.keys() | {one.key for one in others}
    return [one for key, one in self._by_key.items() if key in keys]

  def __call__(self, page: str) -> markupsafe.Markup:
    """HTML in which each term's first use in a section is a link.

    Args:
      page: HTML, whose text is escaped; `data-term` of the head of a column is
        the key of what it means.
    """
    page, pieces, end = str(page), [], 0
    section, seen = '', set()
    place, closed, head = '', '', ''
    for tag in _TAG.finditer(page):
      text = page[end : tag.start()]
      if head and text.strip():
        text, head = self._whole(text, head, seen), ''
      elif place and not closed:
        text = self._linked(text, place, section, seen)
      pieces += [text, tag[0]]
      end = tag.end()
      closing, name, more = tag[1], tag[2], tag[3]
      if closed:
        closed = '' if closing and name == closed else closed
      elif name in _CLOSED or 'class="forest"' in more:
        closed = '' if closing else name
      elif name == 'section' and not closing:
        found = re.search(' id="([^"]*)"', more)
        section, seen = found[1] if found else '', set()
      elif name in _TEXT:
        place = '' if closing else 'text'
      elif name == 'thead':
        place = '' if closing else 'head'
      elif name == 'th' and place == 'head':
        found = re.search(' data-term="([^"]*)"', more)
        head = found[1] if found else ''
    pieces.append(page[end:])
    return markupsafe.Markup(''.join(pieces))

  def _linked(
    self, text: str, place: str, section: str, seen: set[tuple[str, str]]
  ) -> str:
    """Text with links from the terms in it that were not linked yet."""

    def link(found: re.Match) -> str:
      word = found[0].lower()
      one = self._of_word.get((word, section)) or self._of_word.get((word, ''))
      return found[0] if one is None else self._link(found[0], one, place, seen)

    return self._words.sub(link, text)

  def _whole(self, text: str, key: str, seen: set[tuple[str, str]]) -> str:
    """The head of a column, all but its unit."""
    name, comma, unit = text.partition(',')
    before = name[: len(name) - len(name.lstrip())]
    one = self._by_key[key]
    return before + self._link(name.strip(), one, 'head', seen) + comma + unit

  def _link(
    self, text: str, one: Definition, place: str, seen: set[tuple[str, str]]
  ) -> str:
    if (place, one.key) in seen or (one.basic and one.key in self._used):
      return text
    seen.add((place, one.key))
    self._used[one.key] = None
    return (
      f'<a class="term" href="#term-{one.key}" '
      f'aria-describedby="means-{one.key}" '
      f'data-means="{markupsafe.escape(one.meaning)}">{text}</a>'
    )
