"""What sections are made of, and how they show what a study holds."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.study import Study

# When a difference is greyed: where `wording.settled` says no.
GREY = (
  'grey where the interval includes zero or is not there, or where correction '
  'for the other tests takes the finding away'
)
# What a figure whose p-value is one-sided adds to that.
OTHER_SIDE = ', or where it is below zero and only more than zero is asked for'
# The figures, or questions, that a question's primary figure goes without.
_PRIMARIES = {
  1: ('views.full_minus_best_single.accuracy',),
  2: (
    'disagreement.{view}_vs_full',
    'disagreement.{view}_vs_full.beyond_either',
  ),
  3: ('ambiguity.{signal}.beyond_seeds',),
  4: catalogue.under('dominance.{modality}'),
  5: ('humans.full_minus_{condition}.accuracy',),
  6: ('diagnosis.{signal}', 'diagnosis.{signal}.adjusted'),
}
_OF = {'signal': catalogue.ANY, 'modality': 'any'}


@dataclasses.dataclass(frozen=True)
class Cell:
  """A table's cell.

  Attributes:
    text: what it shows.
    kind: `text`, `number` (to the right) or the name of a verdict.
    colour: the name of a colour, for a dot before the text.
    faint: greyed, because its interval does not support a finding.
  """

  text: str
  kind: str = 'text'
  colour: str = ''
  faint: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
  """A table whose columns all mean something, with what it leaves out."""

  caption: str
  header: tuple[Cell, ...]
  rows: tuple[tuple[Cell, ...], ...]
  notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Figure:
  """A figure: panels, each a plot as HTML."""

  caption: str
  panels: tuple[str, ...]
  columns: int = 1


@dataclasses.dataclass(frozen=True)
class Section:
  """One question's part of the report.

  Attributes:
    key: its anchor.
    title: what it is about, in a few words.
    question: what it asks.
    number: the question's number in `Study.primaries`.
    answer: sentences for the summary at the top of the report, the most
      important one first.
    finding: the finding, in a sentence.
    details: the figures behind it, in sentences.
    alerts: what must not be overlooked.
    primary: the primary figure's row in the forest plot.
    shows: its figures and tables, in order.
    limits: what it cannot say.
    skipped: why there is nothing to show, if there is nothing.
  """

  key: str
  title: str
  question: str
  number: int
  answer: tuple[str, ...] = ()
  finding: str = ''
  details: tuple[str, ...] = ()
  alerts: tuple[str, ...] = ()
  primary: plots.Row | None = None
  shows: tuple[Figure | Table, ...] = ()
  limits: tuple[str, ...] = ()
  skipped: str = ''


@dataclasses.dataclass(frozen=True)
class Column:
  """How to show one figure of the rows of a table.

  Attributes:
    heading: its heading.
    show: a row to its text.
    name: a row to the name of the statistic, which can say why the figure is
      missing.
    reason: why some rows cannot have the figure.
    kind: as in `Cell`.
    faint: whether a row's figure is not supported by its interval.
    colour: a row to the name of a colour.
  """

  heading: str
  show: Callable[[Mapping[str, Any]], str]
  name: Callable[[Mapping[str, Any]], str] = lambda row: ''
  reason: str = ''
  kind: str = 'number'
  faint: Callable[[Mapping[str, Any]], bool] = lambda row: False
  colour: Callable[[Mapping[str, Any]], str] = lambda row: ''


def primary(study: Study, question: int) -> Estimate | None:
  """The question's primary figure, unless it was skipped."""
  return study.statistics.get(study.primaries.get(question, ''))


def primary_part(study: Study, question: int, part: str) -> str:
  """Which view, or condition, the primary figure is of; '' if there is none."""
  found = catalogue.find(study.primaries.get(question, ''))
  return found.parts[part] if found else ''


def primary_row(
  estimate: Estimate | None, label: str, detail: str
) -> plots.Row | None:
  """The question's row of the forest plot."""
  if estimate is None or not wording.is_known(estimate.estimate):
    return None
  mark = plots.Mark(
    estimate.estimate,
    estimate.low,
    estimate.high,
    faint=not wording.settled(estimate),
  )
  return plots.Row(label, (mark,), note(estimate, signed=True), detail)


def unanswered(study: Study, question: int) -> str:
  """Why a question has no primary figure, in a sentence."""
  why = study.skipped.get(f'question {question}')
  if why is None:
    why = next(iter(skip_notes(study, *_PRIMARIES[question], **_OF)), '')
  return why or 'The study holds no such figure.'


def skipped(study: Study, question: int) -> str:
  """Why a question has no answer."""
  return study.skipped.get(
    f'question {question}', 'The study holds no figures for this question.'
  )


def listed_singles(study: Study) -> tuple[list[str], list[str]]:
  """The single views that the study has, and those that it lacks."""
  given = [view for view in study.info['single_views']]
  return given, [m for m in study.info['modalities'] if m not in given]


def some_single(study: Study) -> str:
  """'some single view', or those that were given where some were not."""
  given, missing = listed_singles(study)
  if not missing or not given:
    return 'some single view'
  if len(given) == 1:
    return f'the only single view given, {given[0]},'
  return f'one of the single views given, {wording.listing(given)},'


def full_view(study: Study) -> str:
  """'the full view (text+audio)', or 'text, the only modality,'."""
  full = study.info['full_view']
  if '+' not in full:
    return f'{full}, the only modality,'
  return f'the full view ({full})'


def skip_notes(study: Study, *patterns: str, **of: str) -> tuple[str, ...]:
  """Why statistics are not there.

  Args:
    study: which says so.
    *patterns: of the catalogue.
    **of: what parts of the names have to be, where they have them.
  """
  return tuple(
    dict.fromkeys(
      reason
      for name, reason in study.skipped.items()
      if (found := catalogue.find(name))
      and found.entry.pattern in patterns
      and of.items() <= {**of, **found.parts}.items()
    )
  )


def with_p(sentence: str, estimate: Estimate) -> str:
  """Ends a finding's sentence with its p-values, where it has any."""
  told = wording.p_values(estimate)
  return f'{sentence}; {told}.' if told else f'{sentence}.'


def mark(estimate: Estimate, colour: str, **more) -> plots.Mark:
  """An estimate, ready to be drawn."""
  return plots.Mark(
    estimate.estimate, estimate.low, estimate.high, colour, **more
  )


def without_labels(row: plots.Row) -> plots.Row:
  """A row whose marks need no name, because all are of one kind."""
  return dataclasses.replace(
    row, marks=tuple(dataclasses.replace(m, label='') for m in row.marks)
  )


def note(estimate: Estimate, *, signed: bool = False) -> str:
  """An estimate in figures, to stand beside its mark."""
  text = wording.hundredths(estimate.estimate, signed=signed)
  interval = wording.span(estimate.low, estimate.high)
  return text if interval == wording.MISSING else f'{text} ({interval})'


def row_note(row: Mapping[str, Any], key: str) -> str:
  """The same for a figure of a table's row."""
  shown = Estimate(row.get(key), row.get(f'{key}_low'), row.get(f'{key}_high'))
  return note(shown, signed=True)


def unsupported(
  study: Study, name: str, row: Mapping[str, Any], key: str
) -> bool:
  """Whether a table's row shows a difference that is no finding.

  Args:
    study: which has the difference with its corrected p-value.
    name: of the difference; '' if the study has it in the table only.
    row: of the table.
    key: where the row holds the difference, and `<key>_low` and `_high`.
  """
  found = study.statistics.get(name)
  if found is None:
    found = Estimate(
      row.get(key), row.get(f'{key}_low'), row.get(f'{key}_high')
    )
  return not wording.settled(found)


def n_clips(estimates: Iterable[Estimate]) -> str:
  """'n = 1,440 clips.', for a caption."""
  return n_of(estimate.n for estimate in estimates)


def n_of(sizes: Iterable[int]) -> str:
  """'n = 120 to 1,440 clips.', for a caption."""
  counts = sorted(set(sizes))
  if not counts:
    return ''
  if len(counts) == 1:
    return f'n = {wording.plural(counts[0], "clip")}.'
  return f'n = {wording.count(counts[0])} to {wording.count(counts[-1])} clips.'


def with_interval(estimates: Iterable[Estimate], joint: str = ' ') -> str:
  """' with its 95 % interval', for a caption, if there is one."""
  for estimate in estimates:
    if wording.is_known(estimate.low):
      return f'{joint}with its {wording.level(estimate)}'
  return ''


def words(name: str) -> str:
  """'any_disagreement' as 'any disagreement'."""
  return str(name).replace('_', ' ').replace('.', ' ')


def signal(name: str) -> str:
  """A signal in words: 'audio_jsd' as 'audio, distance'."""
  found = catalogue.signal(name)
  return found.words if found else words(name)


def signal_colour(name: str, full: str) -> str:
  """The name of the colour of a signal: its view's, if it is of one."""
  view = catalogue.signal(name).parts.get('view')
  return plots.colour(view, full) if view else 'ink'


def view_column(full: str, heading: str = 'view') -> Column:
  """The first column of a table of views."""
  return Column(
    heading,
    lambda r: str(r['view']),
    kind='text',
    colour=lambda r: plots.colour(r['view'], full),
  )


def figure_column(
  key: str,
  heading: str,
  show: Callable[[float | None], str],
  name: Callable[[Mapping[str, Any]], str],
  reason: str = '',
) -> Column:
  """A figure of each row, under `key`."""
  return Column(heading, lambda r: show(r.get(key)), name, reason)


def interval_columns(
  study: Study,
  key: str,
  heading: str,
  name: Callable[[Mapping[str, Any]], str],
  *,
  ends: tuple[str, str] | None = None,
  signed: bool = False,
  reason: str = '',
) -> tuple[Column, Column]:
  """A share or difference of shares, and its interval.

  Args:
    study: for the interval's level.
    key: where the rows hold the figure.
    heading: of the figure.
    name: a row to the statistic's name.
    ends: where the rows hold the interval; `<key>_low` and `<key>_high`.
    signed: whether it is a difference, greyed where it is no finding.
    reason: why some rows cannot have the figure.

  Returns:
    Two columns.
  """
  low, high = ends or (f'{key}_low', f'{key}_high')

  levels = (e for e in study.statistics.values() if e.level is not None)
  level = wording.level(next(levels, Estimate(None)))
  return (
    Column(
      heading,
      lambda r: wording.hundredths(r.get(key), signed=signed),
      name,
      reason,
      faint=lambda r: signed and unsupported(study, name(r), r, key),
    ),
    Column(
      level,
      lambda r: wording.span(r.get(low), r.get(high)),
      name,
      reason,
      kind='interval',
    ),
  )


def p_columns(
  name: Callable[[Mapping[str, Any]], str], reason: str = ''
) -> tuple[Column, Column]:
  """The p-value of each row and the corrected one."""
  return tuple(
    dataclasses.replace(
      figure_column(key, heading, wording.p_value, name, reason),
      kind='interval',
    )
    for key, heading in (('p', 'p'), ('p_adjusted', 'adj. p'))
  )


def why_missing(study: Study, name: str) -> str:
  """Why a statistic, its interval or its p-value is not there."""
  if name in study.skipped:
    return study.skipped[name]
  estimate = study.statistics.get(name)
  if estimate is not None and not wording.is_known(estimate.low):
    return wording.sentence(estimate.method)
  return ''


def table(
  study: Study,
  caption: str,
  rows: Sequence[Mapping[str, Any]],
  columns: Sequence[Column],
) -> Table:
  """Lays out rows; a column without a single figure gives way to a note."""
  shown = []
  reasons: dict[str, list[str]] = {}
  for column in columns:
    missing = [row for row in rows if column.show(row) == wording.MISSING]
    for row in missing:
      reason = why_missing(study, column.name(row))
      if reason:
        # An interval or a p-value is missing because its figure is.
        own = [column.heading.split(',')[0]] if column.kind == 'number' else []
        reasons.setdefault(reason, []).extend(own)
      elif column.reason and len(missing) < len(rows):
        reasons.setdefault(column.reason, [])
    if len(missing) < len(rows):
      shown.append(column)
  return Table(
    caption=caption,
    header=tuple(Cell(column.heading, column.kind) for column in shown),
    rows=tuple(
      tuple(
        Cell(
          column.show(row),
          row['verdict'] if column.kind == 'verdict' else column.kind,
          column.colour(row),
          column.faint(row),
        )
        for column in shown
      )
      for row in rows
    ),
    notes=tuple(_missing(*entry) for entry in reasons.items()),
  )


def _missing(reason: str, headings: Sequence[str]) -> str:
  named = list(dict.fromkeys(headings))
  if not named:
    return reason
  verb = 'is' if len(named) == 1 else 'are'
  return f'{wording.capital(wording.listing(named))} {verb} missing. {reason}'


def same(rows: Sequence[Mapping[str, Any]], key: str) -> Any:
  """What all rows hold under `key`; None where they differ."""
  found = {row.get(key) for row in rows}
  return found.pop() if len(found) == 1 else None


intervals = plots.intervals
