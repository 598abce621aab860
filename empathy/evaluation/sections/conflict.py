"""Clips in which people see different things, shown one modality each."""

import dataclasses

from empathy.evaluation import conflict, plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_PAIR = 'conflict.{pair}'
_OUTCOME = 'conflict.{outcome}'
_BEYOND = f'{_OUTCOME}.beyond_chance'
_FOLLOWED = 'conflict.{condition}.followed'


def section(study: Study) -> parts.Section:
  """How often conditions conflict, and what is different on such clips."""
  base = parts.Section('conflict', 'Conflict that people see', 10)
  pairs = study.tables.get('conflict') or []
  if not pairs:
    why = study.skipped.get('conflict') or parts.skipped(study, 10)
    return dataclasses.replace(base, skipped=why)
  rows = study.tables.get('conflict_outcomes') or []
  chance = parts.get(study, f'{_PAIR}.excess', **pairs[-1]) is not None
  return dataclasses.replace(
    base,
    finding=_finding(study, pairs[-1]['pair']),
    details=(
      *_followed(study),
      *_outcomes(study, rows),
      *parts.skip_notes(
        study, f'{_PAIR}.excess', _OUTCOME, f'{_PAIR}.control_rate'
      ),
    ),
    shows={
      'rates': parts.table(study, pairs if len(pairs) > 1 else None, _RATES),
      'outcomes': _figure(study, rows),
      'outcome_table': parts.table(
        study,
        rows,
        (
          *_COMPARED,
          *(_BY_CHANCE if chance else [parts.judged(_OUTCOME, 'difference')]),
        ),
      ),
    },
    facts={'chance': chance, 'pairs': _words(pairs[-1]['pair'])},
  )


def _words(pair: str) -> str:
  if pair == conflict.ALL:
    return 'two conditions (mean over pairs)'
  return wording.listing(pair.split('_vs_'))


def _outcome(name: str) -> str:
  kind, _, view = name.partition('_')
  if name.startswith('full_minus_'):
    return f'full view − {name.removeprefix("full_minus_")}'
  if kind == 'accuracy':
    return f'accuracy, {view}'
  return {
    'disagreement': 'some single view disagrees',
    'net_harm': 'net harm of the dominant modality',
    'gs': 'annotators given all differ (GS)',
    'equal_label': 'votes given all equal the label',
  }[name]


def _colour(name: str, full: str) -> str:
  for before in ('accuracy_', 'full_minus_'):
    if name.startswith(before):
      return plots.colour(name.removeprefix(before), full)
  return 'humans' if name in ('gs', 'equal_label') else 'ink'


_RATES = (
  parts.text_column('pair', show=_words),
  parts.CLIPS,
  *parts.ranged(_PAIR, 'rate', 'control_rate'),
  parts.judged(_PAIR, 'excess'),
)
_COMPARED = (
  parts.text_column('outcome', '', _outcome, _colour),
  parts.CLIPS_ONCE,
  *parts.plain(_OUTCOME, 'inside', 'outside'),
)
_BY_CHANCE = (
  *parts.ranged(_OUTCOME, 'difference'),
  *parts.plain(_OUTCOME, 'control_difference'),
  parts.judged(_OUTCOME, 'beyond_chance'),
)


def _finding(study: Study, pair: str) -> str:
  rate, control, excess = (
    parts.get(study, f'{_PAIR}.{figure}', pair=pair)
    for figure in ('rate', 'control_rate', 'excess')
  )
  lead = (
    f'The pluralities of votes on {_words(pair)} differ on '
    f'{wording.share_with_interval(rate)} of '
    f'{wording.plural(rate.n, "clip")}'
  )
  if excess is None:
    return f'{lead}; what of that is chance cannot be told.'
  lead += (
    ', two of one and the same condition, of as many votes, on '
    f'{wording.share_with_interval(control)}'
  )
  return parts.with_p(
    wording.claim(
      lead,
      excess,
      above=': {} more than by chance',
      below=': {} less than by chance',
      whether='whether conditions differ more often than by chance',
    ),
    excess,
  )


def _followed(study: Study) -> tuple[str, ...]:
  rows = study.tables.get('conflict_followed') or []
  found = parts.each(
    study, _FOLLOWED, 'condition', [row['condition'] for row in rows]
  )
  if not found:
    return ()
  told = wording.listing(
    f'that of {condition} on {wording.share_with_interval(one)}'
    for condition, one in found.items()
  )
  return (
    'Where they differ, the plurality of votes on '
    f'{study.info["full_condition"]} is {told}.',
  )


def _outcomes(study: Study, rows) -> tuple[str, ...]:
  """What is said of the full view, of fusion and of harm, as far as known."""
  full = study.info['full_view']
  names = [row['outcome'] for row in rows]
  asked = [(f'accuracy_{full}', f'The full view ({full}) is right')]
  gains = {
    name: one
    for name, one in parts.each(
      study, f'{_OUTCOME}.outside', 'outcome', names
    ).items()
    if name.startswith('full_minus_')
  }
  if gains:
    least = min(gains, key=lambda name: gains[name].estimate)
    view = least.removeprefix('full_minus_')
    asked.append((least, f'What fusion gains over {view} is'))
  else:
    asked.append(('gs', 'Annotators who are given everything differ'))
  return tuple(
    said for name, lead in asked if (said := _said(study, name, lead))
  )


def _said(study: Study, outcome: str, lead: str) -> str:
  inside, outside, difference, beyond = (
    parts.get(study, f'{_OUTCOME}.{figure}', outcome=outcome)
    for figure in ('inside', 'outside', 'difference', 'beyond_chance')
  )
  if inside is None or outside is None or difference is None:
    return ''
  gain = outcome.startswith('full_minus_')
  write = wording.points if gain else wording.percent
  joint = '' if gain else 'on '
  lead = (
    f'{lead} {joint}{write(inside.estimate)} where people’s pluralities '
    f'differ and {joint}{write(outside.estimate)} elsewhere'
  )
  if beyond is None:
    return (
      wording.claim(
        lead,
        difference,
        above=', a difference of {}, of which chance may be a part',
        below=', {} less, of which chance may be a part',
        whether='whether there is a difference',
      )
      + '.'
    )
  return (
    wording.claim(
      lead,
      beyond,
      above=', a difference that is {} above that on clips which are as '
      'uncertain by chance',
      below=', a difference that is {} below that on clips which are as '
      'uncertain by chance',
      whether='whether that is more than the uncertainty of such clips makes',
    )
    + '.'
  )


def _figure(study: Study, rows) -> parts.Figure | None:
  full = study.info['full_view']
  drawn, shown = [], []
  for row in rows:
    found = parts.get(study, f'{_OUTCOME}.difference', **row)
    if found is None:
      continue
    control = parts.get(study, f'{_OUTCOME}.control_difference', **row)
    beyond = parts.get(study, _BEYOND, **row)
    colour = _colour(row['outcome'], full)
    marks = [parts.mark(found, colour)]
    if control is not None:
      marks = [
        parts.mark(control, 'ink', shape='ring', label='chance'),
        parts.mark(found, colour, label='conflict'),
      ]
    note = parts.note(beyond or found, signed=True)
    drawn.append(plots.Row(_outcome(row['outcome']), tuple(marks), note))
    shown.append(found)
  return parts.forest(
    drawn,
    shown,
    name='conflict-outcomes',
    title='Differences between clips in conflict and others',
    axis='there minus elsewhere, points',
    lines=((0.0, ''),),
  )
