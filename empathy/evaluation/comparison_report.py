"""The report on a comparison of two studies, as one page."""

import dataclasses

from empathy.evaluation import catalogue, report, wording
from empathy.evaluation import comparison as comparison_lib
from empathy.evaluation.comparison import Comparison, Pair
from empathy.evaluation.sections import parts

# By question: its primary figure in words.
_PRIMARIES = {
  1: 'the full view’s lead over the best single view',
  2: 'how much a single view differs beyond seeds of either',
  3: 'what disagreement of views tells beyond other seeds',
  4: 'the net harm of the dominant modality',
  5: 'what humans gain from the full condition',
  6: 'how much more the full view errs where views disagree',
}
# By topic: what the sections of a report are called.
_TITLES = {
  'data': 'Data checks',
  'stand_in': 'Stand-ins',
  'sets': 'Prediction sets',
  'conflict': 'Conflict that people see',
  'together': 'What modalities know together',
}
_HEADER = (
  ('figure', 'text'),
  ('A', 'number'),
  ('B', 'number'),
  ('B − A', 'number'),
  ('95 % interval', 'interval'),
  ('p', 'p'),
  ('adj. p', 'p'),
  ('clips', 'number'),
)


def render(comparison: Comparison) -> str:
  """The report on a comparison, as HTML."""
  return report.page(
    'comparison.html',
    comparison.a.info,
    facts=_facts(comparison),
    answer=sentences(comparison),
    forest=_forest(comparison),
    tables=[
      (topic, title_of(topic), _table(comparison, names))
      for topic, names in comparison_lib.by_question(comparison).items()
    ],
    skipped=_skipped(comparison),
  )


def sentences(comparison: Comparison) -> list[str]:
  """How A and B differ in the primary figure of each question."""
  return [
    _sentence(words, name, comparison.statistics[name])
    for *_, words, name in _rows(comparison)
  ]


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
  info = comparison.a.info
  return [
    ('A', str(comparison.a.folder)),
    ('B', str(comparison.b.folder)),
    ('Clips', wording.count(info['num_clips'])),
    ('Groups', wording.count(info['num_groups'])),
    ('Figures in both', wording.count(len(comparison.statistics))),
  ]


def _rows(comparison: Comparison) -> list[tuple[str, str, str, str]]:
  """Title, what it is, words for a sentence, name: the figures to lead with."""
  full = comparison.a.info['full_view']
  name = catalogue.name('views.{view}.accuracy', {'view': full})
  rows = []
  if name in comparison.statistics:
    words = f'the accuracy of the full view ({full})'
    rows.append(('Accuracy', f'full view, {full}', words, name))
  for question, name in comparison.primaries.items():
    title = title_of(catalogue.find(name).entry.topic)
    rows.append((title, *[_PRIMARIES[question]] * 2, name))
  return rows


def title_of(topic: str) -> str:
  """What a topic is called, as by the report on a study."""
  return _TITLES.get(topic, topic.capitalize())


def _sentence(words: str, name: str, pair: Pair) -> str:
  """Of a figure to lead with, no stronger than its interval."""
  unit = catalogue.find(name).entry.unit
  of_a, of_b = (
    wording.with_unit(side.estimate, unit) for side in (pair.a, pair.b)
  )
  if pair.difference.estimate == 0 and pair.difference.low is None:
    return f'{wording.capital(words)} is {of_a} in both.'
  lead = f'{wording.capital(words)} is {of_a} in A and {of_b} in B'
  told = wording.claim(
    lead,
    pair.difference,
    above=', higher in B by {}',
    below=', lower in B by {}',
    whether='whether the two differ',
  )
  return parts.with_p(told, pair.difference)


def _forest(comparison: Comparison) -> parts.Figure | None:
  shown = [
    (title, detail, comparison.statistics[name].difference)
    for title, detail, _, name in _rows(comparison)
  ]
  return parts.forest(
    [
      parts.difference_row(
        difference, title, detail, faint=not wording.settled(difference)
      )
      for title, detail, difference in shown
    ],
    [difference for *_, difference in shown],
    name='comparison',
    title='Differences of the two studies',
    axis='points, B minus A',
    lines=((0.0, 'no difference'),),
  )


def _table(comparison: Comparison, names: list[str]) -> parts.Table:
  return parts.Table(
    tuple(parts.Cell(heading, kind) for heading, kind in _HEADER),
    tuple(_row(name, comparison.statistics[name]) for name in names),
  )


def _row(name: str, pair: Pair) -> tuple[parts.Cell, ...]:
  of, found = catalogue.find(name), pair.difference
  unit = of.entry.unit
  texts = (
    ', '.join(filter(None, (of.words, unit.word))),
    wording.figure(pair.a.estimate, unit),
    wording.figure(pair.b.estimate, unit),
    wording.figure(found.estimate, dataclasses.replace(unit, signed=True)),
    wording.ends(found, unit),
    wording.p_value(found.p),
    wording.p_value(found.p_adjusted),
    wording.count(found.n),
  )
  faint = not wording.settled(found)
  return tuple(
    parts.Cell(text, kind, faint=faint and heading == 'B − A')
    for text, (heading, kind) in zip(texts, _HEADER, strict=True)
  )


def _skipped(comparison: Comparison) -> list[tuple[str, str]]:
  """Reasons and the figures that each concerns."""
  by_reason: dict[str, list[str]] = {}
  for name, reason in comparison.skipped.items():
    by_reason.setdefault(reason, []).append(name)
  return [(reason, ', '.join(names)) for reason, names in by_reason.items()]
