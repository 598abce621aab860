"""The report on a comparison of two studies, as one page."""

from collections.abc import Callable, Sequence

import empathy
from empathy.evaluation import comparison as comparison_lib
from empathy.evaluation import report, wording
from empathy.evaluation.comparison import Comparison, Pair
from empathy.evaluation.sections import parts

# By question: its title, and its primary figure in words.
_PRIMARIES = {
  1: ('Views', 'the full view’s lead over the best single view'),
  2: ('Disagreement', 'how much a single view differs beyond seeds of either'),
  3: ('Ambiguity', 'what disagreement of views tells beyond other seeds'),
  4: ('Dominance', 'the net harm of the dominant modality'),
  5: ('Humans', 'what humans gain from the full condition'),
  6: ('Diagnosis', 'how much more the full view errs where views disagree'),
}
_TITLES = {
  'data': 'Data',
  'views': 'Views',
  'disagreement': 'Disagreement',
  'ambiguity': 'Ambiguity',
  'dominance': 'Dominance',
  'humans': 'Humans',
  'diagnosis': 'Diagnosis',
}


def render(comparison: Comparison) -> str:
  """The report on a comparison, as HTML."""
  template = report.environment().get_template('comparison.html')
  return template.render(
    info=comparison.a.info,
    a=str(comparison.a.folder),
    b=str(comparison.b.folder),
    facts=_facts(comparison),
    answer=_answer(comparison),
    forest=_forest(comparison),
    tables=[
      (question, _TITLES.get(question, parts.words(question)), table)
      for question, table in _tables(comparison)
    ],
    skipped=_skipped(comparison),
    version=empathy.__version__,
  )


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
  info = comparison.a.info
  return [
    ('A', str(comparison.a.folder)),
    ('B', str(comparison.b.folder)),
    ('Clips', wording.count(info['num_clips'])),
    ('Groups', wording.count(info['num_groups'])),
    ('Figures in both', wording.count(len(comparison.statistics))),
  ]


def _rows(comparison: Comparison) -> list[tuple[str, str, str, Pair]]:
  """Title, what it is, words for a sentence, pair: the figures to lead with."""
  full = comparison.a.info['full_view']
  name = f'views.{full}.accuracy'
  rows = []
  if name in comparison.statistics:
    pair = comparison.statistics[name]
    words = f'the accuracy of the full view ({full})'
    rows.append(('Accuracy', f'full view, {full}', words, pair))
  for question, name in comparison.primaries.items():
    title, words = _PRIMARIES[question]
    rows.append((title, words, words, comparison.statistics[name]))
  return rows


def _answer(comparison: Comparison) -> list[str]:
  """A sentence for each figure to lead with, no stronger than its interval."""
  return [
    # All others are differences of shares.
    _sentence(
      words, pair, wording.percent if title == 'Accuracy' else wording.points
    )
    for title, _, words, pair in _rows(comparison)
  ]


def _sentence(
  words: str, pair: Pair, figure: Callable[[float | None], str]
) -> str:
  of_a, of_b = figure(pair.a.estimate), figure(pair.b.estimate)
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
  rows = [
    parts.primary_row(pair.difference, title, detail)
    for title, detail, _, pair in _rows(comparison)
  ]
  rows = [row for row in rows if row is not None]
  if not rows:
    return None
  found = [pair.difference for *_, pair in _rows(comparison)]
  return parts.Figure(
    caption=(
      f'B minus A{parts.with_interval(found)}, in points, paired by group. '
      f'Zero means no difference; {parts.GREY}. {parts.n_clips(found)}'
    ),
    panels=(
      parts.intervals(
        rows,
        name='comparison',
        title='Differences of the two studies',
        axis='points, B minus A',
        lines=((0.0, 'no difference'),),
      ),
    ),
  )


def _tables(comparison: Comparison) -> list[tuple[str, parts.Table]]:
  header = (
    parts.Cell('figure'),
    *(parts.Cell(heading, 'number') for heading in ('A', 'B', 'B − A')),
    *(
      parts.Cell(heading, 'interval')
      for heading in ('95 % interval', 'p', 'adj. p')
    ),
    parts.Cell('clips', 'number'),
  )
  return [
    (
      question,
      parts.Table(
        f'Figures that both studies have; {parts.GREY}.',
        header,
        tuple(_row(name, comparison.statistics[name]) for name in names),
      ),
    )
    for question, names in comparison_lib.by_question(comparison).items()
  ]


def _row(name: str, pair: Pair) -> Sequence[parts.Cell]:
  found = pair.difference
  span = wording.MISSING
  if wording.is_known(found.low):
    ends = (wording.number(end, signed=True) for end in (found.low, found.high))
    span = ' to '.join(ends)
  faint = not wording.settled(found)
  number = wording.count if _counts(pair) else wording.number
  return (
    parts.Cell(name.split('.', 1)[1].replace('_', ' ')),
    *(parts.Cell(number(side.estimate), 'number') for side in (pair.a, pair.b)),
    parts.Cell(number(found.estimate, signed=True), 'number', faint=faint),
    parts.Cell(span, 'interval'),
    parts.Cell(wording.p_value(found.p), 'interval'),
    parts.Cell(wording.p_value(found.p_adjusted), 'interval'),
    parts.Cell(wording.count(found.n), 'number'),
  )


def _counts(pair: Pair) -> bool:
  """Whether a figure is how many there are, as no share is above 1."""
  sides = [pair.a.estimate, pair.b.estimate]
  return (
    all(wording.is_known(side) and side == int(side) for side in sides)
    and max(sides) > 1
  )


def _skipped(comparison: Comparison) -> list[tuple[str, str]]:
  """Reasons and the figures that each concerns."""
  by_reason: dict[str, list[str]] = {}
  for name, reason in comparison.skipped.items():
    by_reason.setdefault(reason, []).append(name)
  return [(reason, ', '.join(names)) for reason, names in by_reason.items()]
