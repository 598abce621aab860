"""Plots as HTML: dots with interval lines, labelled where they stand.

Pure functions from numbers to text. Words are HTML, which wraps; dots and lines
are small SVGs whose places are per cent of the room that they get. So the
browser lays a plot out, at any width, and text and dots keep their size.
Colours are CSS classes, `c-<name>`, which the page's style sheet gives a value
for light, for dark and for print, as it does everything that has no number.
"""

import dataclasses
import functools
import html
import itertools
import math
from collections.abc import Callable, Sequence

from empathy.evaluation import wording

_MOST_TICKS = 6
# Per cent of a plane's height that two names beside it stand apart.
_APART = 10.0
_SINGLE = ('text', 'audio', 'video')


@dataclasses.dataclass(frozen=True)
class Mark:
  """One estimate in a row of an interval plot.

  Attributes:
    value: where the dot stands; None draws nothing.
    low: lower end of its line; None where it has none.
    high: upper end of its line.
    colour: the name of a colour, see `colour`.
    shape: `dot`, `ring` or `tick`.
    faint: greyed, because its interval does not support a finding.
    label: written beside the mark, instead of a legend.
  """

  value: float | None
  low: float | None = None
  high: float | None = None
  colour: str = 'ink'
  shape: str = 'dot'
  faint: bool = False
  label: str = ''


@dataclasses.dataclass(frozen=True)
class Row:
  """A line of an interval plot; without marks it is a heading.

  Attributes:
    label: what the row is about.
    marks: its estimates.
    note: the estimate in figures, written at the right.
    detail: a second line under the label, muted.
  """

  label: str
  marks: tuple[Mark, ...] = ()
  note: str = ''
  detail: str = ''


@dataclasses.dataclass(frozen=True)
class Series:
  """Points of a plane.

  Attributes:
    label: written beside the last point.
    xs: their places across.
    ys: their places up; None where there is no point.
    colour: the name of a colour, see `colour`.
    lows: lower ends of the points' intervals.
    highs: upper ends of the points' intervals.
    weights: the area of each dot grows with it.
    most: the weight of the largest dot; the series' own largest if None.
    shape: `dot` or `ring`.
  """

  label: str
  xs: Sequence[float]
  ys: Sequence[float | None]
  colour: str = 'ink'
  lows: Sequence[float | None] | None = None
  highs: Sequence[float | None] | None = None
  weights: Sequence[float] | None = None
  most: float | None = None
  shape: str = 'dot'


def colour(view: str, full_view: str) -> str:
  """The name of a view's colour, the same in every plot and table."""
  if view in _SINGLE:
    return view
  if view == full_view:
    return 'full'
  return view.replace('+', '-') if '+' in view else 'ink'


def ticks(low: float, high: float, most: int = 6) -> list[float]:
  """Round numbers between `low` and `high`, at most `most` of them."""
  if not high > low:
    return [low]
  power = 10.0 ** math.floor(math.log10((high - low) / most))
  # Steps of 2.5 would add a decimal, steps of 25 do not.
  factors = (1, 2, 2.5, 5, 10, 20) if power >= 10 else (1, 2, 5, 10, 20)
  for step in (power * factor for factor in factors):
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first < most:
      break
  return [round(step * i, 12) for i in range(first, last + 1)]


def limits_of(
  values: Sequence[float | None],
  bounds: tuple[float | None, float | None] = (None, None),
) -> tuple[float, float]:
  """An axis that holds all values with a little air, within `bounds`."""
  known = [value for value in values if wording.is_known(value)] or [0.0]
  low, high = min(known), max(known)
  # Differences of a hair are not blown up to the width of the page.
  air = 0.06 * max(high - low, 0.04)
  low, high = low - air, high + air
  if bounds[0] is not None:
    low = max(low, min(bounds[0], min(known)))
  if bounds[1] is not None:
    high = min(high, max(bounds[1], max(known)))
  return low, high


def place(value: float, limits: tuple[float, float]) -> float:
  """Where `value` is on an axis of these limits, in per cent of its length."""
  return 100 * (value - limits[0]) / (limits[1] - limits[0])


def intervals(
  rows: Sequence[Row],
  *,
  name: str,
  title: str,
  axis: str,
  lines: Sequence[tuple[float, str]] = (),
  bounds: tuple[float | None, float | None] = (None, None),
  include: Sequence[float] = (),
) -> str:
  """Estimates as dots with interval lines, one row under the other.

  It is a list. A row's label and figures are text as any other, which is what
  those hear who do not see its drawing.

  Args:
    rows: what to draw, from top to bottom; values are shares, drawn as
      hundredths.
    name: names the plot on its page, as `#<name>-plot`.
    title: what the plot shows, for those who cannot see it.
    axis: what the horizontal axis measures.
    lines: values to draw a vertical line at, and what it says.
    bounds: what the axis must not go beyond.
    include: values that the axis must reach.

  Returns:
    A `<ul>` element.
  """
  marks = [mark for row in rows for mark in row.marks]
  limits = limits_of(
    [value for m in marks for value in (m.value, m.low, m.high)]
    + [value for value, _ in lines]
    + list(include),
    bounds,
  )
  across = functools.partial(place, limits=limits)
  verticals = ''.join(
    _upright(across(v), 0, 100, 'reference') for v, _ in lines
  )
  first = next((row for row in rows if _named(row.marks)), None)
  items = [
    _row(row, across, verticals, _named(row.marks) if row is first else [])
    for row in rows
  ]
  return (
    f'<ul class="forest" role="list" id="{_escape(name)}-plot" '
    f'aria-label="{_escape(title)}">{_line_names(lines, across)}'
    f'{"".join(items)}<li>{_x_axis(_round_ticks(limits), limits)}'
    f'<div class="axis-name">{_escape(axis)}</div></li></ul>'
  )


def _row(
  row: Row,
  across: Callable[[float], float],
  verticals: str,
  named: Sequence[Mark],
) -> str:
  """An item of the list: what it is about, its drawing and its figures."""
  tag = 'b' if row.detail or not row.marks else 'span'
  detail = f'<small>{_escape(row.detail)}</small>' if row.detail else ''
  note = f'<div class="value">{_escape(row.note)}</div>' if row.note else ''
  # Estimates of one row stand a little apart, so that no line hides another.
  apart = [mark for mark in row.marks if mark.shape != 'tick']
  shift = {id(m): 9 * i - 4.5 * (len(apart) - 1) for i, m in enumerate(apart)}
  drawn = ''.join(_mark(m, across, shift.get(id(m), 0)) for m in row.marks)
  leaders = ''.join(_upright(across(m.value), 0, 50, 'grid') for m in named)
  return (
    f'<li>{_names(named, across, verticals)}<div class="what">'
    f'<{tag}>{_escape(row.label)}</{tag}>{detail}</div>'
    + _cell(
      verticals + leaders + drawn,
      'marks' if drawn else 'marks bare',
      height=19 + 9 * len(apart),
    )
    + f'{note}</li>'
  )


def _mark(mark: Mark, across: Callable[[float], float], shift: float) -> str:
  if not wording.is_known(mark.value):
    return ''
  drawn = _dot(across(mark.value), 50, mark.shape)
  if wording.is_known(mark.low) and wording.is_known(mark.high):
    low, high = across(mark.low), across(mark.high)
    drawn = _line((low, 50), (high, 50), 'whisker') + drawn
  grey = ' faint' if mark.faint else ''
  moved = f' transform="translate(0 {shift:g})"' if shift else ''
  return f'<g class="c-{mark.colour}{grey}"{moved}>{drawn}</g>'


def _named(marks: Sequence[Mark]) -> list[Mark]:
  """The marks that have a name, from left to right."""
  found = [m for m in marks if wording.is_known(m.value) and m.label]
  return sorted(found, key=lambda mark: mark.value)


def _names(
  named: Sequence[Mark], across: Callable[[float], float], verticals: str
) -> str:
  """Names above the marks of a row, a line for each, so that none meet."""
  if not named:
    return ''
  drawn, words = verticals, ''
  for i, mark in enumerate(named):
    x, y = across(mark.value), 100 * (i + 0.5) / len(named)
    drawn += _upright(x, y, 100, 'grid')
    words += _text(x, y, mark.label, _anchor(x))
  return _cell(drawn + words, 'tags', height=16 * len(named))


def _line_names(
  lines: Sequence[tuple[float, str]], across: Callable[[float], float]
) -> str:
  """What the vertical lines say, above them."""
  drawn = ''.join(
    _upright(across(value), 80, 100, 'reference')
    + _text(across(value), 40, text, f'muted {_anchor(across(value))}')
    for value, text in lines
    if text
  )
  return f'<li>{_cell(drawn, "tags", height=20)}</li>' if drawn else ''


def _anchor(x: float) -> str:
  """Which part of a word stands at a place, so that it stays in the plot."""
  return 'start' if x < 25 else 'end' if x > 75 else 'middle'


def _round_ticks(
  limits: tuple[float, float], most: int = _MOST_TICKS
) -> list[tuple[float, str]]:
  """Round numbers on an axis of shares, as hundredths."""
  values = ticks(100 * limits[0], 100 * limits[1], most)
  return [(value / 100, tick_text(value, values)) for value in values]


def _x_axis(
  named: Sequence[tuple[float, str]], limits: tuple[float, float]
) -> str:
  """A horizontal axis with its numbers."""
  parts = [_line((0, 0), (100, 0), 'axis')]
  for value, text in named:
    x = place(value, limits)
    parts.append(_upright(x, 0, 16, 'axis'))
    parts.append(_text(x, 60, text, 'tick middle'))
  return _cell(''.join(parts), 'marks', height=25)


def tick_text(value: float, values: Sequence[float]) -> str:
  """A tick's number, with as many decimals as its neighbours need."""
  step = abs(values[1] - values[0]) if len(values) > 1 else 1.0
  decimals = next((d for d in range(4) if round(step, d) == step), 4)
  return wording.number(value, decimals)


def plane(
  series: Sequence[Series],
  *,
  name: str,
  title: str,
  description: str,
  x_axis: str,
  y_axis: str,
  x_limits: tuple[float, float],
  y_limits: tuple[float, float],
  heading: str = '',
  x_ticks: Sequence[tuple[float, str]] | None = None,
  diagonal: bool = False,
) -> str:
  """Points on two axes, joined in their order.

  Args:
    series: what to draw; values are shares, drawn as hundredths.
    name: names the plot on its page, as `#<name>-plot`.
    title: what the plot shows, for those who cannot see it.
    description: what there is to see in it.
    x_axis: what the horizontal axis measures.
    y_axis: what the vertical axis measures, written at its top.
    x_limits: the ends of the horizontal axis.
    y_limits: the ends of the vertical axis.
    heading: written above the plot.
    x_ticks: places and words, where the horizontal axis is not in hundredths.
    diagonal: whether to draw the line on which both axes agree, in a square.

  Returns:
    A `<div>` element.
  """
  across = functools.partial(place, limits=x_limits)

  def up(value):
    return 100 - place(value, y_limits)

  parts = []
  for value, text in _round_ticks(y_limits, 5):
    parts.append(_line((0, up(value)), (100, up(value)), 'grid'))
    # Left of the plot, which is moved to the right by as much as it takes.
    words = _text(0, up(value), text, 'tick end')
    parts.append(f'<g transform="translate(-6 0)">{words}</g>')
  if diagonal:
    low = max(x_limits[0], y_limits[0])
    high = min(x_limits[1], y_limits[1])
    ends = ((across(end), up(end)) for end in (low, high))
    parts.append(_line(*ends, 'reference'))
  parts += [_points(one, across, up) for one in series]
  if x_ticks is None:
    x_ticks = _round_ticks(x_limits, 5)
  return (
    f'<div class="plane{" square" if diagonal else ""}" role="img" '
    f'id="{_escape(name)}-plot" '
    f'aria-label="{_escape(title)}. {_escape(description)}">'
    + (f'<b>{_escape(heading)}</b>' if heading else '')
    + f'<div class="muted">{_escape(y_axis)}</div>'
    + _cell(''.join(parts), 'area')
    + _tags(series, up)
    + _x_axis(x_ticks, x_limits)
    + f'<div class="axis-name">{_escape(x_axis)}</div></div>'
  )


def _points(
  series: Series,
  across: Callable[[float], float],
  up: Callable[[float], float],
) -> str:
  most = series.most or max(series.weights or (1,))
  drawn = [
    (across(x), up(y), i)
    for i, (x, y) in enumerate(zip(series.xs, series.ys, strict=True))
    if wording.is_known(y)
  ]
  joins = ''.join(
    _line(one[:2], other[:2]) for one, other in itertools.pairwise(drawn)
  )
  parts = [f'<g class="join">{joins}</g>'] if joins else []
  for x, y, i in drawn:
    low = series.lows[i] if series.lows else None
    high = series.highs[i] if series.highs else None
    radius = 4.5
    if series.weights:
      radius = max(2.0, 6 * math.sqrt(series.weights[i] / most))
    drawing = _dot(x, y, series.shape, radius)
    if wording.is_known(low) and wording.is_known(high):
      drawing = _upright(x, up(low), up(high), 'whisker') + drawing
    elif series.lows:
      # Where the others have an interval, one without it supports nothing.
      drawing = f'<g class="faint">{drawing}</g>'
    parts.append(drawing)
  return f'<g class="c-{series.colour}">{"".join(parts)}</g>'


def _tags(series: Sequence[Series], up: Callable[[float], float]) -> str:
  """Each series' name beside its last point, pushed apart where they meet."""
  found = []
  for one in series:
    known = [y for y in one.ys if wording.is_known(y)]
    if known and one.label:
      found.append([up(known[-1]), one.label])
  found.sort(key=lambda entry: entry[0])
  for above, below in itertools.pairwise(found):
    below[0] = max(below[0], above[0] + _APART)
  tags = ''.join(
    f'<span style="top:{_n(y)}%">{_escape(label)}</span>' for y, label in found
  )
  return f'<div class="names">{tags}</div>' if tags else ''


def _dot(x: float, y: float, shape: str, radius: float = 4.5) -> str:
  if shape == 'tick':
    return (
      f'<rect class="stroke" x="{_n(x)}%" y="{_n(y)}%" width="2.5" '
      'height="14" transform="translate(-1.25 -7)"/>'
    )
  kind = 'ring' if shape == 'ring' else 'dot'
  return (
    f'<circle class="{kind}" cx="{_n(x)}%" cy="{_n(y)}%" r="{_n(radius)}"/>'
  )


def _line(
  start: tuple[float, float], end: tuple[float, float], kind: str = ''
) -> str:
  called = f' class="{kind}"' if kind else ''
  return (
    f'<line{called} x1="{_n(start[0])}%" y1="{_n(start[1])}%" '
    f'x2="{_n(end[0])}%" y2="{_n(end[1])}%"/>'
  )


def _upright(x: float, top: float, foot: float, kind: str) -> str:
  return _line((x, top), (x, foot), kind)


def _text(x: float, y: float, text: str, kind: str) -> str:
  return (
    f'<text class="{kind}" x="{_n(x)}%" y="{_n(y)}%">{_escape(text)}</text>'
  )


def _cell(drawn: str, kind: str, height: float | None = None) -> str:
  """A drawing that fills a part of the page, and is at least so high."""
  least = f' style="min-height:{_n(height)}px"' if height else ''
  return (
    f'<div class="{kind}"{least}><svg aria-hidden="true">{drawn}</svg></div>'
  )


def _escape(text: str) -> str:
  """Text for XML, which has no place for control characters."""
  return html.escape(''.join(c if c >= ' ' else ' ' for c in text))


def _n(value: float) -> str:
  """A place, to a hundredth."""
  return f'{value:.2f}'.rstrip('0').rstrip('.')
