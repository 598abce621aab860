"""How the report writes numbers, and how strongly it may speak of them."""

import dataclasses
import math
from collections.abc import Iterable

from empathy.evaluation.findings import Estimate
from empathy.evaluation.units import CORRELATION, POINTS, SHARE, Unit

MISSING = '–'

# What an interval says about a null value.
ABOVE, BELOW, OPEN, UNKNOWN = 'above', 'below', 'open', 'unknown'


def is_known(value: float | None) -> bool:
  """Whether there is a number to write."""
  return value is not None and math.isfinite(value)


def number(
  value: float | None, decimals: int = 3, *, signed: bool = False
) -> str:
  """`-0.0123` as '−0.012'; a dash where there is no number."""
  if not is_known(value):
    return MISSING
  text = f'{abs(value):,.{decimals}f}'
  if not any(digit in text for digit in '123456789'):
    return text
  if value < 0:
    return '−' + text
  return '+' + text if signed else text


def count(value: float | None, *, signed: bool = False) -> str:
  """`1440` as '1,440'."""
  return number(value, 0, signed=signed)


def counts(values: Iterable[int]) -> str:
  """`3, 1440, 3` as '3 to 1,440', and `3, 3` as '3'; '' for none."""
  found = sorted(set(values))
  return ' to '.join(map(count, dict.fromkeys((*found[:1], *found[-1:]))))


def tally(value: float | None) -> str:
  """`12` as '12', and `9.5` as '9.5'."""
  whole = is_known(value) and value == int(value)
  return number(value, 0 if whole else 1)


def hundredths(
  value: float | None, decimals: int = 1, *, signed: bool = False
) -> str:
  """`0.631` as '63.1', for where the unit stands elsewhere."""
  scaled = 100 * value if is_known(value) else None
  return number(scaled, decimals, signed=signed)


def percent(value: float | None, decimals: int = 1) -> str:
  """`0.631` as '63.1 %'."""
  text = hundredths(value, decimals)
  return text if text == MISSING else f'{text} %'


def points(value: float | None, *, signed: bool = False) -> str:
  """A difference of shares: `0.057` as '5.7 points'."""
  text = hundredths(value, signed=signed)
  return text if text == MISSING else f'{text} points'


def span(low: float | None, high: float | None, *, signed: bool = False) -> str:
  """`0.62, 0.642` as '[62.0, 64.2]'; a dash without both."""
  if not (is_known(low) and is_known(high)):
    return MISSING
  return (
    f'[{hundredths(low, signed=signed)}, {hundredths(high, signed=signed)}]'
  )


def figure(value: float | None, unit: Unit) -> str:
  """A figure as its unit has it, for where that stands elsewhere."""
  scaled = unit.factor * value if is_known(value) else None
  return number(scaled, unit.decimals, signed=unit.signed)


def with_unit(value: float | None, unit: Unit, *, signed: bool = False) -> str:
  """`0.631` as '63.1 %', without a plus unless it is asked for."""
  text = figure(value, dataclasses.replace(unit, signed=signed))
  return f'{text} {unit.word}' if unit.word and text != MISSING else text


def ends(estimate: Estimate, unit: Unit) -> str:
  """An interval, likewise: '[0.620, 0.642]'; a dash where there is none."""
  if not (is_known(estimate.low) and is_known(estimate.high)):
    return MISSING
  unsigned = dataclasses.replace(unit, signed=False)
  return (
    f'[{figure(estimate.low, unsigned)}, {figure(estimate.high, unsigned)}]'
  )


def interval(estimate: Estimate, unit: Unit) -> str:
  """'[−2.0, 1.8] points', with the unit's word; '' where there is none."""
  found = ends(estimate, unit)
  return '' if found == MISSING else f'{found} {unit.word}'.rstrip()


def level(estimate: Estimate) -> str:
  """The name of an estimate's interval: '95 % interval'."""
  return f'{percent(estimate.level or 0.95, 0)} interval'


def share_with_interval(estimate: Estimate) -> str:
  """'63.1 % [62.0, 64.2]'."""
  return with_interval(estimate, SHARE)


def points_with_interval(estimate: Estimate, *, signed: bool = False) -> str:
  """'5.7 points [3.2, 8.2]'."""
  return with_interval(estimate, POINTS, signed=signed)


def correlation_with_interval(estimate: Estimate) -> str:
  """'+0.27 [0.12, 0.41]'."""
  return with_interval(estimate, CORRELATION, signed=True)


def with_interval(
  estimate: Estimate, unit: Unit, *, signed: bool = False
) -> str:
  """A figure as its unit has it, and its interval, whose level a page says."""
  found = ends(estimate, unit)
  told = with_unit(estimate.estimate, unit, signed=signed)
  return f'{told} {"(no interval)" if found == MISSING else found}'


def p_value(p: float | None) -> str:
  """`0.0123` as '.012', and never a p of zero."""
  if not is_known(p):
    return MISSING
  if p < 0.001:
    return '< .001'
  text = f'{p:.3f}'
  return text[1:] if text.startswith('0') else text


def p_values(estimate: Estimate) -> str:
  """'p = .012, adjusted .024', or what there is of it, or nothing."""
  if not is_known(estimate.p):
    return ''
  side = 'one-sided ' * estimate.one_sided
  text = f'{side}p {_related(estimate.p)}'
  if is_known(estimate.p_adjusted):
    text += f', adjusted {p_value(estimate.p_adjusted)}'
  return text


def _related(p: float) -> str:
  text = p_value(p)
  return text if text.startswith('<') else f'= {text}'


def mirrored(estimate: Estimate) -> Estimate:
  """The same difference, the other way round: for "less by 3 points"."""

  def negative(value):
    return -value if is_known(value) else None

  return dataclasses.replace(
    estimate,
    estimate=negative(estimate.estimate),
    low=negative(estimate.high),
    high=negative(estimate.low),
  )


def standing(estimate: Estimate, null: float = 0.0) -> str:
  """Which of the sentences about a difference its interval allows.

  Args:
    estimate: the difference.
    null: what it would be without an effect.

  Returns:
    `ABOVE` or `BELOW` where the whole interval lies on that side of `null`,
    `OPEN` where it does not, `UNKNOWN` where there is no interval.
  """
  if not all(map(is_known, (estimate.estimate, estimate.low, estimate.high))):
    return UNKNOWN
  if estimate.low > null:
    return ABOVE
  if estimate.high < null:
    return BELOW
  return OPEN


def survives(estimate: Estimate) -> bool:
  """Whether correction for the other tests leaves the finding standing.

  A one-sided p-value says nothing of a figure below its null.
  """
  if not is_known(estimate.p_adjusted) or _on_the_other_side(estimate):
    return True
  return estimate.p_adjusted < 1 - (estimate.level or 0.95)


def settled(estimate: Estimate) -> bool:
  """Whether a difference is a finding, and not a hint or an open question.

  Sentences, plots and tables all ask here, so that what is black in a plot is
  told as a finding, and what is grey is not.
  """
  return (
    standing(estimate) in (ABOVE, BELOW)
    and survives(estimate)
    and not _on_the_other_side(estimate)
  )


def _on_the_other_side(estimate: Estimate) -> bool:
  """Whether a figure is below its null, where only above is asked for."""
  return estimate.one_sided and standing(estimate) == BELOW


def claim(
  lead: str,
  difference: Estimate,
  *,
  above: str,
  below: str,
  whether: str,
  joint: str = '; ',
  unit: Unit = POINTS,
  what: str = 'difference',
) -> str:
  """Ends a sentence about a difference as strongly as its interval allows.

  Args:
    lead: how the sentence begins.
    difference: of two shares; zero would be no effect.
    above: how it ends where the whole interval is above zero; `{}` stands for
      the difference.
    below: the same for below zero; `{}` stands for the difference mirrored.
      Where the p-value is one-sided, this is no finding, and should not be
      worded as one.
    whether: the question that an interval around zero leaves open.
    joint: what stands between the lead and that question.
    unit: of the difference.
    what: it is called.

  Returns:
    The sentence, without a full stop.
  """
  where = standing(difference)
  if where == UNKNOWN:
    reason = f' ({difference.method})' if difference.method else ''
    told = with_unit(difference.estimate, unit, signed=True)
    return (
      f'{lead}{joint}{whether} cannot be judged without an interval: the '
      f'{what} is {told}{reason}'
    )
  if where == OPEN:
    return (
      f'{lead}{joint}{whether} is not settled by these data: the {what} is '
      f'{with_interval(difference, unit, signed=True)}'
    )
  ending = above.format(with_interval(difference, unit))
  if where == BELOW:
    ending = below.format(with_interval(mirrored(difference), unit))
  if survives(difference):
    return lead + ending
  return (
    f'{lead}{ending}; corrected for the other tests p is '
    f'{p_value(difference.p_adjusted)}, so take it as a hint'
  )


def not_settled(estimate: Estimate) -> str:
  """Ends a sentence that begins with 'whether', where nothing is settled."""
  if standing(estimate) == UNKNOWN:
    return 'cannot be judged without an interval'
  if standing(estimate) == OPEN or _on_the_other_side(estimate):
    return 'is not settled by these data'
  return 'is no more than a hint, once corrected for the other tests'


def listing(words: Iterable[str], last: str = 'and') -> str:
  """'audio, video and audio+video'."""
  words = list(words)
  if len(words) < 2:
    return ''.join(words)
  return f'{", ".join(words[:-1])} {last} {words[-1]}'


def plural(value: int, one: str, many: str | None = None) -> str:
  """'1 clip', '1,440 clips'."""
  return f'{count(value)} {one if value == 1 else many or one + "s"}'


def sentence(text: str) -> str:
  """Text with a capital at its start and a full stop at its end."""
  return capital(text) if text.endswith('.') else f'{capital(text)}.'


def capital(text: str) -> str:
  """Starts a sentence with a capital; leaves the rest as it is."""
  return text[:1].upper() + text[1:]
