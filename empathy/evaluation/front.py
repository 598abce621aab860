"""The report's first page: the question, six verdicts, and three clips."""

import dataclasses
from collections.abc import Sequence

from empathy.evaluation import plots, sections
from empathy.evaluation.sections import parts
from empathy.evaluation.sections.parts import Section
from empathy.evaluation.study import Study

# Where fewer questions are asked, there is room for more of each, but not for
# more than so many sentences.
_FEW = 3
_MOST = 3


@dataclasses.dataclass(frozen=True)
class Row:
  """A question on the first page.

  Attributes:
    question: as a reader would ask it.
    href: where the page says more.
    verdict: the answer.
    figure: the primary figure and its interval.
    what: it is, in a few words.
    drawing: the same on the axis that all rows share.
  """

  question: str
  href: str
  verdict: parts.Verdict
  figure: str
  what: str
  drawing: str


@dataclasses.dataclass(frozen=True)
class Front:
  """What the first page says.

  Attributes:
    title: the question that the study as a whole is about.
    lead: sentences that come before the verdicts.
    rows: the six questions, those that were asked first.
    lines: behind each drawing.
    axis: under the drawings of all rows; '' where there are none.
    also: sentences that come after them.
    alerts: the checks that fail.
  """

  title: str
  lead: tuple[str, ...]
  rows: tuple[Row, ...]
  lines: str
  axis: str
  also: tuple[str, ...]
  alerts: tuple[str, ...]


def of(study: Study, made: Sequence[Section]) -> Front:
  """The first page of a study.

  Args:
    study: what was found.
    made: the sections of its report.
  """
  asked = [section for section in made if section.verdict]
  first = made.index(asked[0])
  drawn = [section.primary or plots.Row(section.title) for section in asked]
  column = plots.column(drawn, axis='points; 0 is no effect', lines=(0.0,))
  return Front(
    title=title(study),
    lead=_others(made[:first]),
    rows=tuple(
      _row(section, drawing)
      for section, drawing in sorted(
        zip(asked, column.cells, strict=True), key=lambda it: not it[0].primary
      )
    ),
    lines=column.lines,
    axis=column.axis if any(s.primary for s in asked) else '',
    also=(*_more(asked), *_others(made[first:])),
    alerts=tuple(alert for section in made for alert in section.alerts),
  )


def _row(section: Section, drawing: str) -> Row:
  return Row(
    question=sections.QUESTIONS[section.number],
    href=f'#{"more" if section.skipped else section.key}',
    verdict=section.verdict,
    figure=section.primary.note if section.primary else '',
    what=section.primary.detail if section.primary else '',
    drawing=drawing if section.primary else '',
  )


def title(study: Study) -> str:
  """The question that a study can answer as a whole."""
  info = study.info
  if info['views'] and info['conditions']:
    return 'Do models and people stumble over the same clips?'
  if len(info['views']) > 1:
    return 'Where views disagree, is the model wrong?'
  if info['views']:
    return 'How good is the model, and does it know?'
  if len(info['conditions']) > 1:
    return 'What do people gain from seeing more?'
  if info['conditions']:
    return 'How far do people agree on these clips?'
  return 'What can these clips tell?'


def _others(made: Sequence[Section]) -> tuple[str, ...]:
  """The first sentence of sections that are about none of the six questions."""
  return tuple(
    sentence
    for section in made
    if not section.verdict and not section.alerts
    for sentence in section.answer[:1]
  )


def _more(asked: Sequence[Section]) -> tuple[str, ...]:
  """What is known where a question was not asked, or where few were."""
  few = sum(section.primary is not None for section in asked) < _FEW
  told = []
  for section in asked:
    if section.verdict.word == parts.NOT_ASKED:
      why = section.verdict.sentence
      told += [one for one in section.answer[:1] if why not in one]
    elif few:
      told += section.answer[1:_MOST]
  return tuple(told[:_MOST])


@dataclasses.dataclass(frozen=True)
class Need:
  """What else a study could answer, and what it would take.

  Attributes:
    what: is needed; '' where that is not known.
    questions: that could be answered then.
    reason: why they are not, as the study has it.
  """

  what: str
  questions: tuple[str, ...]
  reason: str


# What reasons begin with, and what would do away with them.
_NEEDS = (
  ('There are no predictions of ', 'predictions of '),
  ('There are no predictions', 'predictions'),
  ('There are no votes on ', 'votes on '),
  ('The corpus has no votes', 'votes'),
)


def needs(made: Sequence[Section]) -> list[Need]:
  """Sections that are skipped, together where the reason is the same."""
  by_reason: dict[str, list[str]] = {}
  for section in made:
    if section.skipped:
      asked = sections.asked(section)
      by_reason.setdefault(section.skipped, []).append(asked)
  by_need: dict[str, Need] = {}
  for reason, questions in by_reason.items():
    what = _need(reason)
    had = by_need.get(what or reason, Need(what, (), reason))
    by_need[what or reason] = dataclasses.replace(
      had, questions=(*had.questions, *questions)
    )
  # What would answer most comes first; what nothing is known of, last.
  return sorted(
    by_need.values(), key=lambda it: (not it.what, -len(it.questions))
  )


def _need(reason: str) -> str:
  """'predictions of a single modality', if one sentence says it; else ''."""
  sentence = reason.removesuffix('.')
  for start, what in _NEEDS:
    if sentence.startswith(start) and '. ' not in sentence:
      rest = sentence.removeprefix(start)
      return what + (rest if what.endswith(' ') else '')
  return ''
