"""Prediction sets: how many classes hold what annotators say."""

import dataclasses

from empathy.evaluation import units, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_ALL = 'sets.{wanted}'
_OF = 'sets.{wanted}.{ambiguity}'
_WORDS = {
  'agreed': 'all votes alike',
  'divided': 'two thirds alike',
  'contested': 'fewer alike',
}


def section(study: Study) -> parts.Section:
  """How large sets are, and what they hold where annotators do not agree."""
  base = parts.Section('sets', 'Prediction sets', 12)
  rows = study.tables.get('sets') or []
  if not rows:
    skipped = parts.skip_notes(study, 'sets', _ALL)
    why = ' '.join(skipped) or parts.skipped(study, 12)
    return dataclasses.replace(base, skipped=why)
  wanted = max(row['wanted'] for row in rows)
  every = [row for row in rows if row['ambiguity'] == 'all']
  some = [row for row in rows if row['ambiguity'] != 'all']
  told = (
    _size(study, wanted),
    *_by_ambiguity(study, wanted),
    *_for_labels(study, wanted),
  )
  return dataclasses.replace(
    base,
    finding=told[0],
    details=(*told[1:], *parts.skip_notes(study, _ALL, _OF)),
    shows={
      'held': _figure(study, wanted),
      'all': parts.table(study, every, _EVERY),
      'ambiguities': parts.table(study, some, _BY_AMBIGUITY),
    },
    facts={'wanted': wanted},
  )


_WANTED = parts.count_column('wanted', 'wanted, %')
_EVERY = (
  _WANTED,
  parts.CLIPS,
  *parts.plain(_ALL, 'coverage', 'coverage_of_tenth'),
  *parts.ranged(_ALL, 'size', 'labels_coverage'),
)
_BY_AMBIGUITY = (
  _WANTED,
  parts.text_column('ambiguity', show=_WORDS.get),
  parts.CLIPS,
  *parts.ranged(_OF, 'coverage', 'size'),
)


def _size(study: Study, wanted: int) -> str:
  size = parts.get(study, f'{_ALL}.size', wanted=wanted)
  number = wording.figure(size.estimate, units.CLASSES)
  ends = wording.ends(size, units.CLASSES)
  if ends != wording.MISSING:
    number += f' {ends}'
  return (
    f'To hold {wanted} % of the votes on clips of a new group, sets name '
    f'{number} of {len(study.info["classes"])} classes on average.'
  )


def _for_labels(study: Study, wanted: int) -> tuple[str, ...]:
  labels = parts.get(study, f'{_ALL}.labels_coverage', wanted=wanted)
  if labels is None:
    return ()
  return (
    f'Sets that are made to hold {wanted} % of the labels hold '
    f'{wording.share_with_interval(labels)} of the votes.',
  )


def _by_ambiguity(study: Study, wanted: int) -> tuple[str, ...]:
  found = parts.each(
    study, f'{_OF}.coverage', 'ambiguity', _WORDS, wanted=wanted
  )
  told = [
    f'{wording.share_with_interval(one)} where {words}'
    for name, words in (
      ('agreed', 'all annotators agree'),
      ('contested', 'fewer than two thirds do'),
    )
    if (one := found.get(name))
  ]
  if len(told) < 2:
    return ()
  return (f'Of votes they hold {wording.listing(told)}.',)


def _figure(study: Study, wanted: int) -> parts.Figure | None:
  found = parts.each(
    study, f'{_OF}.coverage', 'ambiguity', _WORDS, wanted=wanted
  )
  drawn = [
    parts.row(_WORDS[name], one, 'humans') for name, one in found.items()
  ]
  labels = parts.get(study, f'{_ALL}.labels_coverage', wanted=wanted)
  shown = list(found.values())
  if labels is not None:
    name = f'all clips, sets for {wanted} % of labels'
    drawn.append(parts.row(name, labels, 'ink', shape='ring'))
    shown.append(labels)
  return parts.forest(
    drawn,
    shown,
    name='sets',
    title='Share of votes that sets hold, by how annotators agree',
    axis='votes held, %',
    lines=((wanted / 100, 'wanted'),),
    bounds=(0, 1),
  )
