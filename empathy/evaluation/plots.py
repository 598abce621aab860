"""Plots as HTML: dots with interval lines, labelled where they stand.

Pure functions from numbers to text. Words are HTML, which wraps; dots and lines
are small SVGs whose places are per cent of the room that they get. So the
browser lays a plot out, at any width, and text and dots keep their size.
Colours are CSS classes, `c-<name>`, which the page's style sheet gives a value
for light, for dark and for print, as it does everything that has no number.
"""

import dataclasses
import html
import itertools
import math
from collections.abc import Callable, Sequence

from empathy.evaluation import wording

# Per cent of a plane's height that two names beside it stand apart.
_APART = 8.0
# Of its height, the tallest bar of a plane.
_BAR = 25.0
# Names of so few characters are not turned.
_SHORT = 2
# From a value to its place, in per cent of an axis.
_Scale = Callable[[float], float]
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
    rings: which points are rings, if not all have one shape.
    bars: (left, right, height) of bars behind the points, in shares of the axis
      and of the tallest bar.
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
  rings: Sequence[bool] = ()
  bars: Sequence[tuple[float, float, float]] = ()


@dataclasses.dataclass(frozen=True)
class Curve:
  """A line through means, with a band around it.

  Attributes:
    label: written at its end; '' where others say it.
    xs: places across.
    means: places up.
    lows: lower ends of the band.
    highs: upper ends of the band.
    colour: the name of a colour, see `colour`.
    stroke: '', `dashed` or `dotted`.
    below: whether the label stands under the line.
  """

  label: str
  xs: Sequence[float]
  means: Sequence[float]
  lows: Sequence[float]
  highs: Sequence[float]
  colour: str = 'ink'
  stroke: str = ''
  below: bool = False


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


def _scale(limits: tuple[float, float]) -> _Scale:
  """Places on an axis that goes from one limit to the other."""
  return lambda value: 100 * (value - limits[0]) / (limits[1] - limits[0])


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
  across = _scale(limits)
  behind = ''.join(_upright(across(v), 0, 100, 'reference') for v, _ in lines)
  named = next((row for row in rows if _named(row)), None)
  items = ''.join(
    _row(row, across, behind, _named(row) if row is named else [])
    for row in rows
  )
  return (
    f'<ul class="forest" role="list" id="{_escape(name)}-plot" '
    f'aria-label="{_escape(title)}">{_line_names(lines, across)}{items}'
    f'<li>{_x_axis(_round_ticks(limits, 6), across)}'
    f'<div class="axis-name">{_escape(axis)}</div></li></ul>'
  )


@dataclasses.dataclass(frozen=True)
class Column:
  """The drawings of rows that stand beside text, on one axis.

  Attributes:
    cells: an element for each row, without the lines.
    lines: an element with these, to stand behind a cell and what is beside it.
    axis: what stands under all of them.
  """

  cells: tuple[str, ...]
  lines: str
  axis: str


def column(
  rows: Sequence[Row],
  *,
  axis: str,
  lines: Sequence[float] = (),
) -> Column:
  """The same without words, so that these can stand beside each row.

  Args:
    rows: what to draw.
    axis: what the horizontal axis measures.
    lines: values to draw a vertical line at.
  """
  limits = limits_of(
    [v for row in rows for m in row.marks for v in (m.value, m.low, m.high)]
    + list(lines)
  )
  across = _scale(limits)
  behind = ''.join(_upright(across(v), 0, 100, 'reference') for v in lines)
  return Column(
    cells=tuple(
      _cell(''.join(_mark(mark, across, 0) for mark in row.marks), 'marks')
      for row in rows
    ),
    lines=_cell(behind, 'marks lines'),
    axis=(
      f'{_x_axis(_round_ticks(limits, 5), across)}'
      f'<div class="axis-name">{_escape(axis)}</div>'
    ),
  )


def _row(row: Row, across: _Scale, behind: str, named: Sequence[Mark]) -> str:
  """An item of the list: what it is about, its drawing and its figures."""
  tag = 'b' if row.detail or not row.marks else 'span'
  detail = f'<small>{_escape(row.detail)}</small>' if row.detail else ''
  note = f'<div class="value">{_escape(row.note)}</div>' if row.note else ''
  # Estimates of one row stand a little apart, so that no line hides another.
  apart = [mark for mark in row.marks if mark.shape != 'tick']
  shift = {id(m): 9 * i - 4.5 * (len(apart) - 1) for i, m in enumerate(apart)}
  drawn = ''.join(_mark(m, across, shift.get(id(m), 0)) for m in row.marks)
  names = _names(named, across, behind)
  behind += ''.join(_upright(across(m.value), 0, 50, 'grid') for m in named)
  kind, height = ('marks', 19 + 9 * len(apart)) if drawn else ('marks bare', 0)
  return (
    f'<li>{names}<div class="what"><{tag}>{_escape(row.label)}</{tag}>{detail}'
    f'</div>{_cell(behind + drawn, kind, height)}{note}</li>'
  )


def _mark(mark: Mark, across: _Scale, shift: float) -> str:
  if not wording.is_known(mark.value):
    return ''
  drawn = _dot(across(mark.value), 50, mark.shape)
  if wording.is_known(mark.low) and wording.is_known(mark.high):
    ends = ((across(end), 50) for end in (mark.low, mark.high))
    drawn = _line(*ends, 'whisker') + drawn
  grey = ' faint' if mark.faint else ''
  moved = f' transform="translate(0 {shift:g})"' if shift else ''
  return f'<g class="c-{mark.colour}{grey}"{moved}>{drawn}</g>'


def _named(row: Row) -> list[Mark]:
  """The marks of a row that have a name, from left to right."""
  found = [m for m in row.marks if wording.is_known(m.value) and m.label]
  return sorted(found, key=lambda mark: mark.value)


def _names(named: Sequence[Mark], across: _Scale, behind: str) -> str:
  """Names above the marks of a row, a line for each, so that none meet.

  They go on where there is room, away from the strokes that lead down to the
  marks from the names above them.
  """
  if not named:
    return ''
  leftward = across(named[-1].value) > 60
  words = ''
  for i, mark in enumerate(reversed(named) if leftward else named):
    x, y = across(mark.value), 100 * (i + 0.5) / len(named)
    behind += _upright(x, y, 100, 'grid')
    anchor = 'end' if leftward and x > 40 else 'start'
    words += _text(x, y, mark.label, anchor)
  return _cell(behind + words, 'tags', 16 * len(named))


def _line_names(lines: Sequence[tuple[float, str]], across: _Scale) -> str:
  """What the vertical lines say, above them."""
  drawn = ''
  for value, text in lines:
    x = across(value)
    anchor = 'start' if x < 25 else 'end' if x > 75 else 'middle'
    if text:
      drawn += _upright(x, 80, 100, 'reference')
      drawn += _text(x, 40, text, f'muted {anchor}')
  return (
    f'<li aria-hidden="true">{_cell(drawn, "tags", 20)}</li>' if drawn else ''
  )


def _round_ticks(
  limits: tuple[float, float], most: int
) -> list[tuple[float, str]]:
  """Round numbers on an axis of shares, as hundredths."""
  values = ticks(100 * limits[0], 100 * limits[1], most)
  return [(value / 100, tick_text(value, values)) for value in values]


def _x_axis(named: Sequence[tuple[float, str]], across: _Scale) -> str:
  """A horizontal axis with its numbers."""
  drawn = _line((0, 0), (100, 0), 'axis')
  for value, text in named:
    drawn += _upright(across(value), 0, 16, 'axis')
    drawn += _text(across(value), 60, text, 'tick middle')
  return _cell(drawn, 'marks', 25)


def tick_text(value: float, values: Sequence[float]) -> str:
  """A tick's number, with as many decimals as its neighbours need."""
  # Differences of decimals are not exact.
  step = round(abs(values[1] - values[0]), 12) if len(values) > 1 else 1.0
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
  level: float | None = None,
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
    level: a value up at which to draw a line across.

  Returns:
    A `<div>` element.
  """
  across, up = _scale(x_limits), _scale(y_limits[::-1])
  drawn = _y_axis(_round_ticks(y_limits, 5), up)
  if diagonal:
    ends = (max(x_limits[0], y_limits[0]), min(x_limits[1], y_limits[1]))
    drawn += _line(*((across(end), up(end)) for end in ends), 'reference')
  if level is not None:
    drawn += _line((0, up(level)), (100, up(level)), 'reference')
  drawn += ''.join(_points(one, across, up) for one in series)
  x_ticks = _round_ticks(x_limits, 5) if x_ticks is None else x_ticks
  return _framed(
    _cell(drawn, 'area') + _series_names(series, up) + _x_axis(x_ticks, across),
    kind='plane square' if diagonal else 'plane',
    name=name,
    told=f'{title}. {description}',
    heading=heading,
    x_axis=x_axis,
    y_axis=y_axis,
  )


def _y_axis(named: Sequence[tuple[float, str]], up: _Scale) -> str:
  """Lines across a plane, each with its number beside it."""
  drawn = ''
  for value, text in named:
    words = _text(0, up(value), text, 'tick end')
    drawn += _line((0, up(value)), (100, up(value)), 'grid')
    drawn += f'<g transform="translate(-6 0)">{words}</g>'
  return drawn


def _framed(
  drawn: str,
  *,
  kind: str,
  name: str,
  told: str,
  heading: str,
  x_axis: str,
  y_axis: str,
) -> str:
  """A plane, with the words around it."""
  headed = f'<b>{_escape(heading)}</b>' if heading else ''
  return (
    f'<div class="{kind}" role="img" id="{_escape(name)}-plot" '
    f'aria-label="{_escape(told)}">{headed}'
    f'<div class="muted">{_escape(y_axis)}</div>{drawn}'
    f'<div class="axis-name">{_escape(x_axis)}</div></div>'
  )


def curves(
  lines: Sequence[Curve],
  *,
  name: str,
  title: str,
  description: str,
  heading: str,
  x_axis: str,
  y_axis: str,
  x_limits: tuple[float, float],
  y_limits: tuple[float, float],
  unit: float = 1.0,
  marked: tuple[float, float, float] | None = None,
) -> str:
  """Means with bands on two axes.

  Args:
    lines: what to draw, the last one on top.
    name: names the plot on its page, as `#<name>-plot`.
    title: what the plot shows, for those who cannot see it.
    description: what there is to see in it.
    heading: written above the plot.
    x_axis: what the horizontal axis measures.
    y_axis: what the vertical axis measures, written at its top.
    x_limits: the ends of the horizontal axis.
    y_limits: the ends of the vertical axis.
    unit: what numbers up are multiplied by where they are written.
    marked: a place across, and the range that it is the middle of.

  Returns:
    A `<div>` element.
  """
  across, up = _scale(x_limits), _scale(y_limits[::-1])
  values = ticks(unit * y_limits[0], unit * y_limits[1], 4)
  drawn = _y_axis([(x / unit, tick_text(x, values)) for x in values], up)
  if marked:
    drawn += _upright(across(marked[0]), 0, 100, 'reference')
  # A path has no places in per cent, but a drawing of its own that is 100 wide.
  shapes = ''.join(_band(one, across, up) for one in lines)
  drawn += (
    '<svg viewBox="0 0 100 100" preserveAspectRatio="none">' + shapes + '</svg>'
  )
  for one in lines:
    if one.label:
      words = _text(across(one.xs[-1]), up(one.means[-1]), one.label, 'end')
      drawn += f'<g transform="translate(0 {12 if one.below else -11})">'
      drawn += f'{words}</g>'
  if marked:
    ends = [(across(x), 100) for x in marked[1:]]
    drawn += f'<g class="c-ink">{_line(*ends, "whisker")}'
    drawn += f'{_dot(across(marked[0]), 100, "dot")}</g>'
  x_values = [x for x in ticks(*x_limits, 5) if x == int(x)]
  named = [(x, tick_text(x, x_values)) for x in x_values]
  return _framed(
    _cell(drawn, 'area') + _x_axis(named, across),
    kind='plane low',
    name=name,
    told=f'{title}. {description}',
    heading=heading,
    x_axis=x_axis,
    y_axis=y_axis,
  )


def _band(one: Curve, across: _Scale, up: _Scale) -> str:
  """A curve's band and line, in a drawing that is 100 wide and high."""

  def places(xs: Sequence[float], ys: Sequence[float]) -> str:
    found = zip(xs, ys, strict=True)
    return ' '.join(f'{_n(across(x))},{_n(up(y))}' for x, y in found)

  around = places(one.xs, one.highs)
  around += ' ' + places(one.xs[::-1], one.lows[::-1])
  kind = f'curve {one.stroke}'.strip()
  return (
    f'<g class="c-{one.colour}"><polygon class="band" points="{around}"/>'
    f'<polyline class="{kind}" points="{places(one.xs, one.means)}"/></g>'
  )


def matrix(
  names: Sequence[str],
  shares: Sequence[Sequence[float | None]],
  *,
  name: str,
  title: str,
  heading: str,
  across: str,
) -> str:
  """Shares as shaded cells with their figures; what is equal is outlined.

  It is a table, which is what those hear who do not see its shades.

  Args:
    names: of the rows, and of the columns.
    shares: by row and column, drawn as hundredths; None where there is none.
    name: names the plot on its page, as `#<name>-plot`.
    title: what the plot shows, for those who cannot see it.
    heading: written above the plot.
    across: what the columns are, beside the arrow that leads to them.

  Returns:
    A `<table>` element.
  """
  short = ' class="short"' * all(len(one) <= _SHORT for one in names)
  head = ''.join(
    f'<th scope="col"{short}><span>{_escape(one)}</span></th>' for one in names
  )
  body = ''
  for i, (one, row) in enumerate(zip(names, shares, strict=True)):
    cells = ''.join(_shade(share, i == j) for j, share in enumerate(row))
    body += f'<tr><th scope="row">{_escape(one)}</th>{cells}</tr>'
  return (
    f'<table class="matrix" id="{_escape(name)}-plot" '
    f'aria-label="{_escape(title)}"><caption>{_escape(heading)}</caption>'
    f'<thead><tr><td>{_escape(across)} →</td>{head}</tr></thead>'
    f'<tbody>{body}</tbody></table>'
  )


def _shade(share: float | None, own: bool) -> str:
  """A cell; of what rounds to nothing it says so more quietly."""
  kind = ' class="own"' * own
  if not wording.is_known(share):
    return f'<td{kind}>{wording.MISSING}</td>'
  text = wording.hundredths(share, 0)
  shade = f' style="--share:{_n(100 * share)}%"' if share else ''
  return f'<td{kind}{shade}>{text}</td>'


def _points(series: Series, across: _Scale, up: _Scale) -> str:
  most = series.most or max(series.weights or (1,))
  known = [i for i, y in enumerate(series.ys) if wording.is_known(y)]
  places = [(across(series.xs[i]), up(series.ys[i])) for i in known]
  joins = ''.join(_line(*ends) for ends in itertools.pairwise(places))
  drawn = ''.join(_bar(*bar, across) for bar in series.bars)
  drawn += f'<g class="join">{joins}</g>' if joins else ''
  for i, (x, y) in zip(known, places, strict=True):
    low = series.lows[i] if series.lows else None
    high = series.highs[i] if series.highs else None
    radius = 4.5
    if series.weights:
      radius = max(2.0, 6 * math.sqrt(series.weights[i] / most))
    ring = series.rings and series.rings[i]
    point = _dot(x, y, 'ring' if ring else series.shape, radius)
    if wording.is_known(low) and wording.is_known(high):
      point = _upright(x, up(low), up(high), 'whisker') + point
    elif series.lows:
      # Where the others have an interval, one without it supports nothing.
      point = f'<g class="faint">{point}</g>'
    drawn += point
  return f'<g class="c-{series.colour}">{drawn}</g>'


def _bar(left: float, right: float, height: float, across: _Scale) -> str:
  """A bar on the horizontal axis; the tallest has a quarter of the room."""
  tall = _BAR * height
  return (
    f'<rect class="pile" x="{_n(across(left))}%" y="{_n(100 - tall)}%" '
    f'width="{_n(across(right) - across(left))}%" height="{_n(tall)}%"/>'
  )


def _series_names(series: Sequence[Series], up: _Scale) -> str:
  """Each series' name beside its last point, pushed apart where they meet."""
  found = []
  for one in series:
    known = [y for y in one.ys if wording.is_known(y)]
    if known and one.label:
      found.append((up(known[-1]), one.label))
  found.sort(key=lambda entry: entry[0])
  names, last = '', -math.inf
  for y, label in found:
    last = max(y, last + _APART)
    names += f'<span style="top:{_n(last)}%">{_escape(label)}</span>'
  return f'<div class="names">{names}</div>' if names else ''


def _dot(x: float, y: float, shape: str, radius: float = 4.5) -> str:
  if shape == 'tick':
    return (
      f'<rect class="stroke" x="{_n(x)}%" y="{_n(y)}%" width="2.5" '
      'height="14" transform="translate(-1.25 -7)"/>'
    )
  place = f'cx="{_n(x)}%" cy="{_n(y)}%" r="{_n(radius)}"'
  return f'<circle class="{"ring" if shape == "ring" else "dot"}" {place}/>'


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


def _cell(drawn: str, kind: str, height: float = 0) -> str:
  """A drawing that fills a part of the page, at least `height` pixels of it."""
  least = f' style="min-height:{height}px"' if height else ''
  return (
    f'<div class="{kind}"{least}><svg aria-hidden="true">{drawn}</svg></div>'
  )


def _escape(text: str) -> str:
  """Text for XML, which has no place for control characters."""
  return html.escape(''.join(c if c >= ' ' else ' ' for c in text))


def _n(value: float) -> str:
  """A place, to a hundredth."""
  return f'{value:.2f}'.rstrip('0').rstrip('.')
