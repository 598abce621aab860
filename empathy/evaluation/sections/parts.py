"""What sections are made of, and how they show what a study holds.

A table is rows of the study and columns of the catalogue: a column of a
statistic knows its heading, how it is written, and why a figure is missing.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from empathy.evaluation import catalogue, plots, units, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.study import Study

# What may be answered to a question.
YES, NO, NOT_SETTLED, NOT_ASKED = 'Yes', 'No', 'Not settled', 'Not asked'

# Of a table of the study.
Record = Mapping[str, Any]

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
    kind: `text` (sentences), `word`, `number` (to the right), `interval` (of
      the figure before it), `p` or the name of a verdict.
    colour: the name of a colour, for a dot before the text.
    faint: greyed, because its interval does not support a finding.
    href: what the text of a row's first cell links to; '' for nothing.
    below: a second line, such as the interval of the figure.
    term: of a column's head, the key of what it means, see `glossary`.
  """

  text: str
  kind: str = 'text'
  colour: str = ''
  faint: bool = False
  href: str = ''
  below: str = ''
  term: str = ''


@dataclasses.dataclass(frozen=True)
class Table:
  """A table whose columns all mean something, with what it leaves out.

  Its caption is in the template of its section; `caption` is of one that has
  none there. Whether it is `wide`, and has to be set `dense`, see `fitting`.
  """

  header: tuple[Cell, ...]
  rows: tuple[tuple[Cell, ...], ...]
  notes: tuple[str, ...] = ()
  caption: str = ''
  wide: bool = False
  dense: bool = False


@dataclasses.dataclass(frozen=True)
class Figure:
  """A figure, whose caption is in the template of its section.

  Attributes:
    panels: each a plot as HTML.
    columns: how many stand beside each other.
    interval: 'with its interval', if marks have any.
    clips: how many clips it rests on, as a sentence.
  """

  panels: tuple[str, ...]
  columns: int = 1
  interval: str = ''
  clips: str = ''


@dataclasses.dataclass(frozen=True)
class Verdict:
  """The answer to a question, as short as it can be.

  Attributes:
    word: `YES`, `NO`, `NOT_SETTLED` or `NOT_ASKED`.
    sentence: what was found, or why it was not asked, without an interval.
    interval: of the primary figure, as '[−2.0, 1.8] points'; '' without one.
  """

  word: str
  sentence: str
  interval: str = ''


@dataclasses.dataclass(frozen=True)
class Section:
  """One question's part of the report; its template has what is always said.

  Attributes:
    key: its anchor, and the name of its template.
    title: what it is about, in a few words.
    number: the question's number in `Study.primaries`.
    verdict: None where the section is about none of the six questions.
    answer: sentences for the summary at the top of the report, the most
      important one first.
    finding: the finding, in a sentence.
    details: the figures behind it, in sentences.
    alerts: what must not be overlooked.
    primary: the primary figure's row in the forest plot.
    shows: its figures and tables, by the name that its template has for them;
      None where there is nothing to show.
    facts: what else the template asks for.
    skipped: why there is nothing to show, if there is nothing.
  """

  key: str
  title: str
  number: int
  verdict: Verdict | None = None
  answer: tuple[str, ...] = ()
  finding: str = ''
  details: tuple[str, ...] = ()
  alerts: tuple[str, ...] = ()
  primary: plots.Row | None = None
  shows: Mapping[str, Figure | Table | None] = dataclasses.field(
    default_factory=dict
  )
  facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  skipped: str = ''


@dataclasses.dataclass(frozen=True)
class Column:
  """How to show something of the rows of a table.

  Attributes:
    heading: what it is.
    show: a row to its text.
    unit: what stands behind the heading.
    name: a row to the name of the statistic, which can say why the figure is
      missing.
    reason: why some rows cannot have the figure.
    kind: as in `Cell`.
    faint: whether a row's figure is not supported by its interval.
    colour: a row, and the full view, to the name of a colour.
    once: whether what all rows have alike is left to the caption.
    term: as in `Cell`.
  """

  heading: str
  show: Callable[[Record], str]
  unit: str = ''
  name: Callable[[Record], str] = lambda row: ''
  reason: str = ''
  kind: str = 'number'
  faint: Callable[[Record], bool] = lambda row: False
  colour: Callable[[Record, str], str] = lambda row, full: ''
  once: bool = False
  term: str = ''


@dataclasses.dataclass(frozen=True)
class Of:
  """The columns of a statistic, each row of which has the parts of its name.

  Attributes:
    pattern: of the catalogue.
    interval: whether its interval is shown, and whether it is a finding.
    p: whether its p-values are.
    reason: why some rows cannot have the figure.
  """

  pattern: str
  interval: bool = True
  p: bool = False
  reason: str = ''

  def __post_init__(self):
    catalogue.entry(self.pattern)


def plain(stem: str, *figures: str) -> tuple[Of, ...]:
  """Columns of figures whose names begin with `stem`, without intervals."""
  return tuple(Of(f'{stem}.{figure}', interval=False) for figure in figures)


def ranged(stem: str, *figures: str) -> tuple[Of, ...]:
  """The same, with their intervals."""
  return tuple(Of(f'{stem}.{figure}') for figure in figures)


def judged(stem: str, figure: str, reason: str = '') -> Of:
  """The columns of one of them, with its interval and p-values."""
  return Of(f'{stem}.{figure}', p=True, reason=reason)


def get(study: Study, pattern: str, /, **of: object) -> Estimate | None:
  """A statistic of an entry; None if the study lacks it."""
  name = catalogue.name(catalogue.entry(pattern).pattern, of)
  return _known(study.statistics.get(name))


def _known(estimate: Estimate | None) -> Estimate | None:
  known = estimate is not None and wording.is_known(estimate.estimate)
  return estimate if known else None


def each(
  study: Study, pattern: str, part: str, values: Iterable[str], **of: object
) -> dict[str, Estimate]:
  """By the values of one part of a name, the statistics that there are."""
  found = {
    value: get(study, pattern, **{part: value}, **of) for value in values
  }
  return {value: one for value, one in found.items() if one is not None}


def primary(study: Study, question: int) -> Estimate | None:
  """The question's primary figure, unless it was skipped."""
  return _known(study.statistics.get(study.primaries.get(question, '')))


def primary_part(study: Study, question: int, part: str) -> str:
  """Which view, or condition, the primary figure is of; '' if there is none."""
  found = catalogue.find(study.primaries.get(question, ''))
  return found.parts[part] if found else ''


def verdict(study: Study, question: int, told: str = '') -> Verdict:
  """The answer to a question, as far as its primary figure allows one.

  Args:
    study: what was found.
    question: its number.
    told: the primary figure in a plain sentence, without an interval; what is
      not asked needs none.
  """
  estimate = primary(study, question)
  if estimate is None or not told:
    return Verdict(NOT_ASKED, unanswered(study, question))
  unit = catalogue.entry_of(study.primaries[question]).unit
  word = _word(study, estimate)
  standing = wording.standing(estimate)
  if standing == wording.UNKNOWN:
    told += f' {wording.sentence(estimate.method or "There is no interval")}'
  elif word == NOT_SETTLED and standing != wording.OPEN:
    told += ' Take it as a hint'
    if not wording.survives(estimate):
      p = wording.p_value(estimate.p_adjusted)
      told += f': corrected for the other tests, p is {p}'
    told += '.'
  return Verdict(word, told, wording.interval(estimate, unit))


def _word(study: Study, estimate: Estimate) -> str:
  if wording.settled(estimate):
    return YES if wording.standing(estimate) == wording.ABOVE else NO
  if wording.standing(estimate) == wording.BELOW and estimate.one_sided:
    # Its p-value asks only for more than zero. To less belongs the rest, twice
    # for two sides, and times all tests (Bonferroni).
    tests = [study.statistics.get(name) for name in study.primaries.values()]
    many = sum(one is not None and one.p is not None for one in tests)
    other = 2 * (1 - estimate.p) * many if estimate.p is not None else 0
    return NO if other < 1 - (estimate.level or 0.95) else NOT_SETTLED
  return NOT_SETTLED


def by(difference: Estimate, more: str = 'more', less: str = 'less') -> str:
  """'2.0 points more', '0.3 points less', or 'no more' where it shows none."""
  text = wording.points(abs(difference.estimate))
  if text == wording.points(0.0):
    return f'no {more}'
  return f'{text} {more if difference.estimate > 0 else less}'


def primary_row(
  study: Study, question: int, label: str, detail: str
) -> plots.Row | None:
  """The question's row of the forest plot."""
  estimate = primary(study, question)
  if estimate is None:
    return None
  faint = _word(study, estimate) == NOT_SETTLED
  return difference_row(estimate, label, detail, faint)


def difference_row(
  estimate: Estimate, label: str, detail: str, faint: bool
) -> plots.Row:
  """A row of the forest plot at the top of a page."""
  return plots.Row(
    label,
    (mark(estimate, 'ink', faint=faint),),
    note(estimate, signed=True),
    detail,
  )


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


def has_values(study: Study) -> bool:
  """Whether classes have values, as those of a scale."""
  return not {'scores', 'score_votes'}.isdisjoint(study.tables)


def as_classes(study: Study) -> str:
  """What a figure of classes leaves out where these have values; else ''."""
  return ', no class being nearer than another' if has_values(study) else ''


def skip_notes(study: Study, *patterns: str, **of: str) -> tuple[str, ...]:
  """Why statistics are not there.

  Args:
    study: which says so.
    *patterns: of entries and topics.
    **of: what parts of the names have to be, where they have them.

  Raises:
    KeyError: a pattern is none of the catalogue.
  """
  if not catalogue.PATTERNS.issuperset(patterns):
    raise KeyError(sorted({*patterns} - catalogue.PATTERNS))
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


def row(
  name: str, estimate: Estimate, colour: str, *, signed: bool = False, **more
) -> plots.Row:
  """A row of one estimate, with its figures beside it."""
  drawn = mark(estimate, colour, **more)
  return plots.Row(name, (drawn,), note(estimate, signed=signed))


def forest(
  rows: Sequence[plots.Row], estimates: Iterable[Estimate], **arguments
) -> Figure | None:
  """An interval plot of rows that show estimates; None without rows."""
  if not rows:
    return None
  estimates = list(estimates)
  return Figure(
    (plots.intervals(rows, **arguments),),
    interval=with_interval(estimates),
    clips=n_of(estimate.n for estimate in estimates),
  )


def note(estimate: Estimate, *, signed: bool = False) -> str:
  """An estimate in figures, to stand beside its mark."""
  text = wording.hundredths(estimate.estimate, signed=signed)
  interval = wording.span(estimate.low, estimate.high)
  return text if interval == wording.MISSING else f'{text} {interval}'


def n_of(sizes: Iterable[int]) -> str:
  """'n = 120 to 1,440 clips.', for a caption."""
  told = wording.counts(sizes)
  return told and f'n = {told} clip{"" if told == "1" else "s"}.'


def with_interval(estimates: Iterable[Estimate]) -> str:
  """'with its interval', for a caption, if there is one."""
  known = any(wording.is_known(estimate.low) for estimate in estimates)
  return 'with its interval' if known else ''


def words(name: str) -> str:
  """'any_disagreement' as 'any disagreement'."""
  return str(name).replace('_', ' ').replace('.', ' ')


def signal(name: str) -> str:
  """A signal in words: 'audio_jsd' as 'audio, distance'."""
  found = catalogue.signal(name)
  return found.words if found else words(name)


def signal_colour(name: str, full: str, other: str = 'ink') -> str:
  """The name of the colour of a signal: its view's, if it is of one."""
  view = catalogue.signal(name).parts.get('view')
  return plots.colour(view, full) if view else other


def text_column(
  key: str,
  heading: str = '',
  show: Callable[[str], str] = str,
  colour: Callable[[str, str], str] = lambda it, full: '',
  kind: str = 'word',
) -> Column:
  """What the rows hold under `key`, in words, with a dot of its colour."""
  return Column(
    heading or key,
    lambda r: show(r[key]),
    kind=kind,
    colour=lambda r, full: colour(r[key], full),
  )


def count_column(key: str, heading: str = 'clips', **more) -> Column:
  """A number that the rows hold under `key`."""
  return Column(heading, lambda r: wording.count(r.get(key)), **more)


def _dot(signal_name: str, full: str) -> str:
  return signal_colour(signal_name, full, other='')


VIEW = text_column('view', colour=plots.colour)
SIGNAL = text_column('signal', show=signal, colour=_dot)
CONDITION = text_column('condition')
CLIPS = count_column('num_clips')
CLIPS_ONCE = dataclasses.replace(CLIPS, once=True)


def _columns(study: Study, of: Of) -> Iterable[Column]:
  """The figure of each row, and its interval and p-values where asked for."""
  entry = catalogue.entry(of.pattern)
  levels = (e for e in study.statistics.values() if e.level is not None)
  level = wording.level(next(levels, Estimate(None)))

  def name(row: Record) -> str:
    return catalogue.name(of.pattern, row)

  def found(row: Record) -> Estimate:
    return study.statistics.get(name(row), Estimate(None))

  yield Column(
    entry.heading,
    lambda r: wording.figure(found(r).estimate, entry.unit),
    entry.unit.word,
    name,
    of.reason,
    faint=lambda r: (
      of.interval
      and entry.unit in (units.POINTS, units.GAIN)
      and not wording.settled(found(r))
    ),
    term=entry.definition.key if entry.definition else '',
  )
  more: list[tuple[str, str, Callable[[Record], str]]] = []
  if of.interval:
    more.append(
      ('interval', level, lambda r: wording.ends(found(r), entry.unit))
    )
  if of.p:
    more.append(('p', 'p', lambda r: wording.p_value(found(r).p)))
    more.append(('p', 'adj. p', lambda r: wording.p_value(found(r).p_adjusted)))
  for kind, heading, show in more:
    yield Column(heading, show, '', name, of.reason, kind)


def why_missing(study: Study, name: str) -> str:
  """Why a statistic, its interval or its p-value is not there."""
  estimate = study.statistics.get(name)
  if estimate is None:
    return catalogue.reason(name, study.skipped)
  if not wording.is_known(estimate.low):
    return wording.sentence(estimate.method)
  return ''


def table(
  study: Study, rows: Sequence[Record] | None, columns: Sequence[Column | Of]
) -> Table | None:
  """Lays out rows; a column without a single figure gives way to a note.

  Args:
    study: which has the figures.
    rows: with the parts of the figures' names; None is none.
    columns: what to show of them.

  Returns:
    None without rows.
  """
  if not rows:
    return None
  shown: list[Column] = []
  reasons: dict[str, list[str]] = {}
  for one in columns:
    for column in [one] if isinstance(one, Column) else _columns(study, one):
      texts = [column.show(row) for row in rows]
      if column.once and len(set(texts)) == 1:
        continue
      missing = [
        row
        for row, text in zip(rows, texts, strict=True)
        if text == wording.MISSING
      ]
      for row in missing:
        reason = why_missing(study, column.name(row))
        if reason:
          # An interval or a p-value is missing because its figure is.
          own = [column.heading] if column.kind == 'number' else []
          reasons.setdefault(reason, []).extend(own)
        elif column.reason and len(missing) < len(rows):
          reasons.setdefault(column.reason, [])
      if len(missing) < len(rows):
        shown.append(column)
  return Table(
    header=tuple(
      Cell(
        ', '.join(filter(None, (column.heading, column.unit))),
        column.kind,
        term=column.term,
      )
      for column in shown
    ),
    rows=tuple(
      tuple(_cell(column, row, study.info['full_view']) for column in shown)
      for row in rows
    ),
    notes=tuple(_missing(*entry) for entry in reasons.items()),
  )


def tables(
  study: Study, declared: Mapping[str, tuple[str, Sequence[Column | Of]]]
) -> dict[str, Table | None]:
  """Lays out tables of the study, each by the name of its rows."""
  return {
    name: table(study, study.tables.get(rows), columns)
    for name, (rows, columns) in declared.items()
  }


def _cell(column: Column, row: Record, full: str) -> Cell:
  kind = row['verdict'] if column.kind == 'verdict' else column.kind
  colour = column.colour(row, full)
  return Cell(column.show(row), kind, colour, column.faint(row))


def _missing(reason: str, headings: Sequence[str]) -> str:
  named = list(dict.fromkeys(headings))
  if not named:
    return reason
  verb = 'is' if len(named) == 1 else 'are'
  return f'{wording.capital(wording.listing(named))} {verb} missing. {reason}'


def same(rows: Sequence[Record], key: str) -> Any:
  """What all rows hold under `key`; None where they differ."""
  found = {row.get(key) for row in rows}
  return found.pop() if len(found) == 1 else None
