"""Tables that fit the page: an interval under its figure where room is short.

Widths are guessed from the longest texts, in characters, so that one rule
serves every table at the width that the page has on a screen and on A4.
"""

import dataclasses

from empathy.evaluation import wording
from empathy.evaluation.sections.parts import Cell, Table

# The text's column at 14 px, in which a figure is 9 px wide at most. Columns
# stand two characters apart.
_ROOM = 84
_APART = 2
# What is read as words, which go on in the next line, at about this width.
_WORDS = 18


def fitted(table: Table) -> Table:
  """The same table, no wider than the page if that can be helped.

  Where its columns are too wide for that, names of rows take several lines;
  where that does not do, each interval goes under its figure; and where that is
  too wide still, the table is `dense`, in smaller type.
  """
  # Names of rows stay on one line where there is room for them.
  names = max((len(row[0].text) for row in table.rows), default=0)
  if _width(table) + max(0, names - _WORDS) <= _ROOM:
    return table
  if _width(table) > _ROOM:
    table = _stacked(table)
  return dataclasses.replace(table, wide=True, dense=_width(table) > _ROOM)


def _width(table: Table) -> int:
  """In characters."""
  return sum(
    _APART + max(_longest_word(head.text), *map(_least, cells))
    for head, *cells in zip(table.header, *table.rows, strict=True)
  )


def _longest_word(text: str) -> int:
  return max(map(len, text.split()), default=0)


def _least(cell: Cell) -> int:
  """How narrow a cell can be: words go on in the next line, figures do not."""
  if cell.kind in ('text', 'name', 'word'):
    return min(len(cell.text), _WORDS)
  return max(len(cell.text), round(0.9 * len(cell.below)))


def _under(figure: Cell, interval: Cell) -> str:
  """What is written below a figure: nothing, if there is neither."""
  neither = figure.text == interval.text == wording.MISSING
  return '' if neither else interval.text


def _stacked(table: Table) -> Table:
  """Each interval under the figure that is before it."""
  own = [
    place > 0 and cell.kind == 'interval' and _before(table, place)
    for place, cell in enumerate(table.header)
  ]

  def merged(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
    after = (*row[1:], None)
    return tuple(
      dataclasses.replace(cell, below=_under(cell, after[i]))
      if i + 1 < len(row) and own[i + 1]
      else cell
      for i, cell in enumerate(row)
      if not own[i]
    )

  return dataclasses.replace(
    table, header=merged(table.header), rows=tuple(map(merged, table.rows))
  )


def _before(table: Table, place: int) -> bool:
  """Whether the column before one holds figures."""
  return table.header[place - 1].kind == 'number'
