"""What modalities know together: information, values, the best of views."""

import dataclasses

from empathy.evaluation import information, plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.partial_information import PARTS
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study
from empathy.evaluation.units import BITS

_BEST = 'together.best_view'
_INTERACTION = 'together.interaction.{pair}'
_VALUE = 'together.value.{modality}'
_OF_PAIR = 'together.{who}.{pair}'
_MEANT = {
  'redundant': 'what either of both tells',
  'unique_first': 'what {0} tells and {1} does not',
  'unique_second': 'what {1} tells and {0} does not',
  'synergistic': 'what only both together tell',
}
_WHO = {information.PEOPLE: 'votes on', information.VIEWS: 'views of'}


def section(study: Study) -> parts.Section:
  """Of people, of views, and of the full view shown parts of a clip."""
  base = parts.Section('together', 'What modalities know together', 11)
  rows = study.tables.get('information') or []
  worths = study.tables.get('cooperation') or []
  best = study.tables.get('best_view') or []
  notes = parts.skip_notes(
    study,
    'together.{who}',
    _OF_PAIR,
    'together.value',
    _BEST,
    f'{_BEST}.beyond_other_seeds',
  )
  if not rows and not worths and not best:
    why = ' '.join(notes) or parts.skipped(study, 11)
    return dataclasses.replace(base, skipped=why)
  told = (
    *_information(study, rows),
    *_interaction(study, worths),
    *_best(study),
    *notes,
  )
  modalities, pairs = (
    [
      row | {part: row['of']}
      for row in worths
      if ('_vs_' in row['of']) == (part == 'pair')
    ]
    for part in ('modality', 'pair')
  )
  return dataclasses.replace(
    base,
    finding=told[0],
    details=told[1:],
    shows={
      'information': parts.table(study, rows, _INFORMATION),
      'worths': _figure(study, modalities, pairs),
      'interactions': parts.table(study, pairs, _INTERACTIONS),
      'best': parts.table(study, best, _BEST_VIEW),
    },
    facts={
      'votes': any(row['target'] != 'label' for row in rows),
      'people': any(row['who'] == information.PEOPLE for row in rows),
    },
  )


def _pair(pair: str) -> str:
  return wording.listing(pair.split('_vs_'))


def _sources(row: parts.Record) -> str:
  return f'{_WHO[row["who"]]} {_pair(row["pair"])}'


def _target(row: parts.Record) -> str:
  target = row['target']
  return 'the label' if target == 'label' else f'a vote on {target}'


_INFORMATION = (
  parts.Column('sources', _sources, kind='word'),
  parts.Column('target', _target, kind='word', once=True),
  parts.CLIPS_ONCE,
  *parts.ranged(_OF_PAIR, *PARTS),
  *parts.plain(_OF_PAIR, 'total'),
  parts.Column('to know', lambda r: wording.figure(r['entropy'], BITS), 'bits'),
)
_INTERACTIONS = (
  parts.text_column('pair', show=_pair),
  parts.CLIPS_ONCE,
  parts.judged(_INTERACTION, 'accuracy'),
  parts.judged(_INTERACTION, 'probability'),
)
_BEST_VIEW = (
  parts.CLIPS,
  *parts.plain(_BEST, 'accuracy'),
  *parts.ranged(_BEST, 'gain', 'regret'),
  *parts.plain(_BEST, 'independent_gain', 'other_seeds_gain'),
  *parts.ranged(_BEST, 'beyond_other_seeds'),
)


def _information(study: Study, rows) -> tuple[str, ...]:
  """Of the first pair of people and of views: the largest part."""
  told = []
  for who in _WHO:
    own = [row for row in rows if row['who'] == who]
    known = own and {
      name: found
      for name in PARTS
      if (found := parts.get(study, f'{_OF_PAIR}.{name}', **own[0]))
    }
    if not known or len(known) < len(PARTS):
      continue
    row = own[0]
    name, largest = max(known.items(), key=lambda it: it[1].estimate)
    meant = _MEANT[name].format(*row['pair'].split('_vs_'))
    rest = (
      f'the largest part found is {meant}, {_bits(largest)}'
      if wording.standing(largest) == wording.ABOVE
      else 'none of its parts is certain to be above zero'
    )
    told.append(
      f'{wording.capital(_sources(row))} tell '
      f'{_told(row["total"], row["entropy"])} of the '
      f'{wording.figure(row["entropy"], BITS)} bits that there are to know of '
      f'{_target(row)}; {rest}.'
    )
  return tuple(told)


def _told(total: float, entropy: float) -> str:
  """How much of what there is to know; by chance it is found beyond it."""
  if total <= 0:
    return 'about none'
  if total >= entropy:
    return 'about all'
  return wording.figure(total, BITS)


def _bits(estimate: Estimate) -> str:
  return (
    f'{wording.figure(estimate.estimate, BITS)} bits '
    f'{wording.ends(estimate, BITS)}'
  )


def _interaction(study: Study, rows) -> tuple[str, ...]:
  """Of the pair whose interaction is largest, to either side."""
  pairs = [row['of'] for row in rows if '_vs_' in row['of']]
  found = parts.each(study, f'{_INTERACTION}.accuracy', 'pair', pairs)
  if not found:
    return ()
  pair, most = max(found.items(), key=lambda it: abs(it[1].estimate))
  said = wording.claim(
    f'To the full view’s accuracy, {_pair(pair)}',
    most,
    above=' add {} more together than each by itself',
    below=' add {} less together than each by itself: in part they tell the '
    'same',
    whether='whether they add more together than each by itself',
    joint=': ',
  )
  return (parts.with_p(said, most),)


def _best(study: Study) -> tuple[str, ...]:
  gain, beyond, independent = (
    parts.get(study, f'{_BEST}.{name}')
    for name in ('gain', 'beyond_other_seeds', 'independent_gain')
  )
  if gain is None:
    return ()
  lead = (
    'Who knew for each clip which view is right would gain '
    f'{wording.points_with_interval(gain)} over the full view'
  )
  rest = (
    'If views erred independently of each other, given the label, it would be '
    f'{wording.points(independent.estimate)}.'
  )
  if beyond is None:
    return f'{lead}.', rest
  whom = 'a choice among as many seeds of the full view'
  said = wording.claim(
    lead,
    beyond,
    above=f'; that is {{}} more than by {whom}',
    below=f'; that is {{}} less than by {whom}',
    whether=f'whether that is more than by {whom}',
  )
  return parts.with_p(said, beyond), rest


def _figure(study: Study, modalities, pairs) -> parts.Figure | None:
  """Values and interactions, by accuracy."""
  full = study.info['full_view']
  drawn, shown = [], []
  for heading, rows, stem, part in (
    ('value of', modalities, _VALUE, 'modality'),
    ('interaction of', pairs, _INTERACTION, 'pair'),
  ):
    found = parts.each(
      study, f'{stem}.accuracy', part, [row['of'] for row in rows]
    )
    if found:
      drawn.append(plots.Row(heading))
    for name, one in found.items():
      colour = plots.colour(name, full) if part == 'modality' else 'ink'
      faint = not wording.settled(one)
      drawn.append(
        parts.row(_pair(name), one, colour, signed=True, faint=faint)
      )
      shown.append(one)
  return parts.forest(
    drawn,
    shown,
    name='cooperation',
    title='Shapley’s values and interactions of modalities, by accuracy',
    axis='accuracy, points',
    lines=((0.0, ''),),
  )
