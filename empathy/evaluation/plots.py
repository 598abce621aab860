"""Plots as SVG text: dots with interval lines, labelled where they stand.

Pure functions from numbers to text. Colours are CSS classes, `c-<name>`, which
the page's style sheet gives a value for light, for dark and for print; text
keeps its size, so a plot is drawn anew for a narrow screen instead of shrunk.
"""

import dataclasses
import html
import itertools
import math
import textwrap
from collections.abc import Sequence

from empathy.evaluation import wording

WIDE = 760
NARROW = 340

_SIZE = 13
# System fonts differ; this is a wide one's mean advance, so labels fit in all.
_ADVANCE = 0.56 * _SIZE
_LINE = 16
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


def place(
  value: float, limits: tuple[float, float], ends: tuple[float, float]
) -> float:
  """The pixel of `value` on an axis from `limits` drawn between `ends`."""
  share = (value - limits[0]) / (limits[1] - limits[0])
  return ends[0] + share * (ends[1] - ends[0])


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


def intervals(
  rows: Sequence[Row],
  *,
  name: str,
  title: str,
  axis: str,
  width: int = WIDE,
  lines: Sequence[tuple[float, str]] = (),
  bounds: tuple[float | None, float | None] = (None, None),
  include: Sequence[float] = (),
) -> str:
  """Estimates as dots with interval lines, one row under the other.

  Args:
    rows: what to draw, from top to bottom; values are shares, drawn as
      hundredths.
    name: makes the ids of this drawing differ from the others' on the page.
    title: what the plot shows, for those who cannot see it.
    axis: what the horizontal axis measures.
    width: in pixels; below 480, labels stand above their rows.
    lines: values to draw a vertical line at, and what it says.
    bounds: what the axis must not go beyond.
    include: values that the axis must reach.

  Returns:
    An `<svg>` element.
  """
  narrow = width < 480
  marks = [mark for row in rows for mark in row.marks]
  limits = limits_of(
    [value for m in marks for value in (m.value, m.low, m.high)]
    + [value for value, _ in lines]
    + list(include),
    bounds,
  )
  longest_note = max((len(row.note) for row in rows), default=0) * _ADVANCE
  if narrow:
    ends, room = (10.0, width - 10.0), width
  else:
    widest = max(
      (max(len(row.label), len(row.detail)) for row in rows), default=0
    )
    room = min(widest * _ADVANCE, 0.42 * width)
    ends = (
      room + 22.0,
      width - (longest_note + 20.0 if longest_note else 12.0),
    )

  top = 22.0 if any(text for _, text in lines) else 6.0
  body, y, labelled = [], top, False
  for row in rows:
    texts, height, middle = _row_text(row, narrow, room, width, y)
    says = bool(row.marks) and any(mark.label for mark in row.marks)
    if says and not labelled:
      shift = 18.0
      texts, height, middle = _row_text(row, narrow, room, width, y, shift)
      body.append(_mark_labels(row.marks, limits, ends, middle - 17, width))
      labelled = True
    body.append(texts)
    body.append(_marks(row.marks, limits, ends, middle))
    y += height

  foot = y + 4
  frame = [_vertical(limits, ends, lines, top, foot, width)]
  frame.append(_x_axis(limits, ends, foot, axis, 4 if narrow else 6))
  described = '; '.join(f'{r.label}: {r.note}' for r in rows if r.note)
  return _svg(width, foot + 40, name, title, described, ''.join(frame + body))


def _row_text(row, narrow, room, width, y, shift=0.0):
  """The row's words, its height and the height at which marks stand."""
  kind = 'head' if row.detail or not row.marks else 'label'
  if not narrow:
    lines = textwrap.wrap(row.label, max(8, int(room / _ADVANCE) + 1)) or ['']
    details = textwrap.wrap(row.detail, max(8, int(room / _ADVANCE) + 1))
    height = _LINE * (len(lines) + len(details)) + 14 + shift
    start = y + shift + 7 + 12
    middle = start + _LINE * (len(lines) + len(details) - 1) / 2 - 4.5
    parts = _stack(0, start, lines, kind)
    parts += _stack(0, start + _LINE * len(lines), details, 'muted')
    if row.note:
      parts += _text(width, middle + 4.5, row.note, 'value end')
    return parts, height, middle
  beside = len(row.label) + len(row.note) + 2 <= room / _ADVANCE
  lines = textwrap.wrap(row.label, int(room / _ADVANCE)) or ['']
  start = y + 18
  parts = _stack(0, start, lines, kind)
  bottom = start + _LINE * (len(lines) - 1)
  for detail in textwrap.wrap(row.detail, int(room / _ADVANCE)):
    bottom += _LINE
    parts += _text(0, bottom, detail, 'muted')
  if row.note:
    if not beside or len(lines) > 1:
      bottom += _LINE
    note_y = start if beside and len(lines) == 1 else bottom
    parts += _text(width, note_y, row.note, 'value end')
  if not row.marks:
    return parts, bottom - y + 6, bottom
  spread = 4.5 * (sum(mark.shape != 'tick' for mark in row.marks) - 1)
  middle = bottom + 14 + shift + spread
  return parts, middle - y + 14 + spread, middle


def _marks(marks, limits, ends, middle):
  parts = []
  # Estimates of one row stand a little apart, so that no line hides another.
  apart = [mark for mark in marks if mark.shape != 'tick']
  offset = {id(m): 9 * i - 4.5 * (len(apart) - 1) for i, m in enumerate(apart)}
  for mark in marks:
    if not wording.is_known(mark.value):
      continue
    y = middle + offset.get(id(mark), 0)
    x = place(mark.value, limits, ends)
    grey = ' faint' if mark.faint else ''
    parts.append(f'<g class="c-{mark.colour}{grey}">')
    if wording.is_known(mark.low) and wording.is_known(mark.high):
      low, high = (place(v, limits, ends) for v in (mark.low, mark.high))
      parts.append(_line(low, y, high, y, 'whisker'))
    parts.append(_dot(x, y, mark.shape))
    parts.append('</g>')
  return ''.join(parts)


def _mark_labels(marks, limits, ends, y, width):
  """The words above the marks of the first row, pushed apart if they meet."""
  known = sorted(
    (m for m in marks if wording.is_known(m.value) and m.label),
    key=lambda mark: mark.value,
  )
  centres = [place(mark.value, limits, ends) for mark in known]
  halves = [len(mark.label) * _ADVANCE / 2 for mark in known]
  for i in range(len(known) - 1):
    gap = centres[i + 1] - centres[i] - halves[i] - halves[i + 1] - 10
    if gap < 0:
      centres[i] += gap / 2
      centres[i + 1] -= gap / 2
  edge = width
  for i in reversed(range(len(known))):
    centres[i] = max(min(centres[i], edge - halves[i]), halves[i])
    edge = centres[i] - halves[i] - 10
  parts = []
  for mark, centre in zip(known, centres, strict=True):
    parts.append(_text(centre, y, mark.label, 'tag middle'))
  return ''.join(parts)


def _vertical(limits, ends, lines, top, foot, width):
  parts = []
  for value, label in lines:
    x = place(value, limits, ends)
    parts.append(_line(x, top - 4, x, foot, 'reference'))
    if label:
      half = len(label) * _ADVANCE / 2
      x = min(max(x, half), width - half)
      parts.append(_text(x, top - 9, label, 'muted middle'))
  return ''.join(parts)


def _x_axis(limits, ends, foot, label, most):
  values = ticks(100 * limits[0], 100 * limits[1], most)
  parts = [_line(ends[0], foot, ends[1], foot, 'axis')]
  for value in values:
    x = place(value / 100, limits, ends)
    parts.append(_line(x, foot, x, foot + 4, 'axis'))
    parts.append(_text(x, foot + 18, tick_text(value, values), 'tick middle'))
  parts.append(_text(sum(ends) / 2, foot + 35, label, 'muted middle'))
  return ''.join(parts)


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
  width: int = NARROW,
  height: int = 250,
) -> str:
  """Points on two axes, joined in their order.

  Args:
    series: what to draw; values are shares, drawn as hundredths.
    name: makes the ids of this drawing differ from the others' on the page.
    title: what the plot shows, for those who cannot see it.
    description: what there is to see in it.
    x_axis: what the horizontal axis measures.
    y_axis: what the vertical axis measures, written at its top.
    x_limits: the ends of the horizontal axis.
    y_limits: the ends of the vertical axis.
    heading: written above the plot.
    x_ticks: places and words, where the horizontal axis is not in hundredths.
    diagonal: whether to draw the line on which both axes agree.
    width: in pixels.
    height: in pixels.

  Returns:
    An `<svg>` element.
  """
  tags = [s.label for s in series if s.label and any(map(_drawn, s.ys))]
  tag_room = max((len(tag) for tag in tags), default=0) * _ADVANCE
  left = 34.0
  across = (left, width - (tag_room + 12.0 if tags else 10.0))
  upper = (22.0 if heading else 0.0) + 24.0
  up = (height - 42.0, upper)

  parts = []
  if heading:
    first = series[0].colour if len(series) == 1 else 'ink'
    parts.append(
      f'<g class="c-{first}">' + _text(0, 13, heading, 'tag head') + '</g>'
    )
  parts.append(_text(0, upper - 11, y_axis, 'muted'))
  y_values = ticks(100 * y_limits[0], 100 * y_limits[1], 5)
  for value in y_values:
    y = place(value / 100, y_limits, up)
    parts.append(_line(left, y, across[1], y, 'grid'))
    parts.append(
      _text(left - 6, y + 4.5, tick_text(value, y_values), 'tick end')
    )
  if x_ticks is None:
    values = ticks(100 * x_limits[0], 100 * x_limits[1], 5)
    x_ticks = [(v / 100, tick_text(v, values)) for v in values]
  for value, text in x_ticks:
    x = place(value, x_limits, across)
    parts.append(_line(x, up[0], x, up[0] + 4, 'axis'))
    parts.append(_text(x, up[0] + 18, text, 'tick middle'))
  parts.append(_line(left, up[0], across[1], up[0], 'axis'))
  parts.append(_text(sum(across) / 2, up[0] + 36, x_axis, 'muted middle'))
  if diagonal:
    ends = [max(x_limits[0], y_limits[0]), min(x_limits[1], y_limits[1])]
    x1, x2 = (place(v, x_limits, across) for v in ends)
    y1, y2 = (place(v, y_limits, up) for v in ends)
    parts.append(_line(x1, y1, x2, y2, 'reference'))
  parts += [_points(s, x_limits, y_limits, across, up) for s in series]
  parts.append(_tags(series, x_limits, y_limits, across, up))
  return _svg(width, height, name, title, description, ''.join(parts))


def _points(series, x_limits, y_limits, across, up):
  most = series.most or max(series.weights or (1,))
  drawn = [
    (place(x, x_limits, across), place(y, y_limits, up), i)
    for i, (x, y) in enumerate(zip(series.xs, series.ys, strict=True))
    if _drawn(y)
  ]
  path = ' '.join(f'{_n(x)},{_n(y)}' for x, y, _ in drawn)
  parts = [f'<g class="c-{series.colour}">']
  if len(drawn) > 1:
    parts.append(f'<polyline class="join" points="{path}"/>')
  for x, y, i in drawn:
    low = series.lows[i] if series.lows else None
    high = series.highs[i] if series.highs else None
    radius = 4.5
    if series.weights:
      radius = max(2.0, 6 * math.sqrt(series.weights[i] / most))
    drawing = _dot(x, y, series.shape, radius)
    if _drawn(low) and _drawn(high):
      low, high = (place(v, y_limits, up) for v in (low, high))
      drawing = _line(x, low, x, high, 'whisker') + drawing
    elif series.lows:
      # Where the others have an interval, one without it supports nothing.
      drawing = f'<g class="faint">{drawing}</g>'
    parts.append(drawing)
  parts.append('</g>')
  return ''.join(parts)


def _tags(series, x_limits, y_limits, across, up):
  """Each series' name beside its last point, pushed apart where they meet."""
  found = []
  for one in series:
    places = [(x, y) for x, y in zip(one.xs, one.ys, strict=True) if _drawn(y)]
    if places and one.label:
      x, y = places[-1]
      found.append([place(y, y_limits, up), place(x, x_limits, across), one])
  found.sort(key=lambda entry: entry[0])
  for above, below in itertools.pairwise(found):
    below[0] = max(below[0], above[0] + 15)
  return ''.join(
    f'<g class="c-{one.colour}">'
    + _text(x + 10, y + 4.5, one.label, 'tag')
    + '</g>'
    for y, x, one in found
  )


def _drawn(value: float | None) -> bool:
  return wording.is_known(value)


def _dot(x, y, shape, radius=4.5):
  if shape == 'tick':
    return _line(x, y - 7, x, y + 7, 'stroke')
  kind = 'ring' if shape == 'ring' else 'dot'
  return f'<circle class="{kind}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"/>'


def _line(x1, y1, x2, y2, kind):
  return (
    f'<line class="{kind}" x1="{_n(x1)}" y1="{_n(y1)}" '
    f'x2="{_n(x2)}" y2="{_n(y2)}"/>'
  )


def _text(x, y, text, kind):
  return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{_escape(text)}</text>'


def _stack(x, y, lines, kind):
  return ''.join(
    _text(x, y + i * _LINE, line, kind) for i, line in enumerate(lines)
  )


def _escape(text: str) -> str:
  """Text for XML, which has no place for control characters."""
  return html.escape(''.join(c if c >= ' ' else ' ' for c in text))


def _n(value: float) -> str:
  """A coordinate, to a hundredth of a pixel."""
  return f'{value:.2f}'.rstrip('0').rstrip('.')


def _svg(width, height, name, title, description, content):
  name = _escape(name)
  return (
    f'<svg role="img" aria-labelledby="{name}-title {name}-desc" '
    f'viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
    f'height="{_n(height)}">'
    f'<title id="{name}-title">{_escape(title)}</title>'
    f'<desc id="{name}-desc">{_escape(description)}</desc>'
    f'{content}</svg>'
  )
