"""Question 7: can the data bear the study?"""

import dataclasses

from empathy.evaluation import catalogue, wording
from empathy.evaluation.plots import Mark, Row
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# From the mildest.
_VERDICTS = {'ok': 'passes', 'warning': 'take care', 'fail': 'fails'}
_TABLES = {
  'votes': (
    'votes_per_clip',
    (
      parts.CONDITION,
      parts.CLIPS,
      parts.count_column('num_votes', 'votes'),
      parts.count_column('min', 'fewest a clip'),
      # It may be between two numbers.
      parts.Column('median', lambda r: wording.tally(r.get('median'))),
      parts.count_column('max', 'most'),
    ),
  )
}


def section(study: Study) -> parts.Section:
  """First in the report, and loud where a check fails."""
  base = parts.Section('data', 'Data checks', 7)
  checks = study.tables.get('data_checks') or []
  if not checks:
    return dataclasses.replace(base, skipped=parts.skipped(study, 7))
  by_verdict = {
    verdict: [c['sentence'] for c in checks if c['verdict'] == verdict]
    for verdict in _VERDICTS
  }
  failing, warning = by_verdict['fail'], by_verdict['warning']
  unmade = _unmade(study)
  return dataclasses.replace(
    base,
    finding=_finding(checks, failing, warning, len(unmade)),
    alerts=tuple(failing),
    shows={
      'checks': _checks_table(study, checks, unmade),
      'balance': _class_balance(study),
      **parts.tables(study, _TABLES),
    },
  )


def _finding(checks, failing, warning, unmade: int) -> str:
  if not failing and not warning:
    number = wording.plural(len(checks), 'check')
    if not unmade:
      return f'All {number} pass.'
    return (
      f'The {number} that could be made '
      f'{"passes" if len(checks) == 1 else "pass"}; '
      f'{wording.plural(unmade, "check")} could not be made.'
    )
  found = _checks(failing, 'fails', 'fail') if failing else 'No check fails'
  if warning:
    found += f'; {_checks(warning, "asks", "ask")} for care'
  if unmade:
    found += f'; {wording.plural(unmade, "check")} could not be made'
  return found + '.'


def _unmade(study: Study) -> dict[str, str]:
  """The checks there was no way to make, and why."""
  return {
    name: reason
    for name, reason in study.skipped.items()
    if (found := catalogue.find(name)) and found.entry.topic == 'data'
  }


def _checks(sentences, one: str, many: str) -> str:
  number = len(sentences)
  return f'{wording.plural(number, "check")} {one if number == 1 else many}'


def _checks_table(study, checks, unmade) -> parts.Table:
  # What fails comes first.
  order = list(_VERDICTS)
  checks = sorted(
    checks,
    key=lambda c: -order.index(c['verdict']) if c['verdict'] in order else 0,
  )
  table = parts.table(
    study,
    checks,
    (
      parts.Column('check', lambda r: _name(r['check']), kind='word'),
      parts.Column(
        'verdict',
        lambda r: _VERDICTS.get(r['verdict'], str(r['verdict'])),
        kind='verdict',
      ),
      parts.text_column('sentence', 'what was found', kind='text'),
    ),
  )
  if not unmade:
    return table
  reasons = ' '.join(dict.fromkeys(unmade.values()))
  return dataclasses.replace(table, notes=(f'Not checked: {reasons}',))


def _name(check: str) -> str:
  """A check in words; of some there is no figure."""
  found = catalogue.find(f'data.{check}')
  if found is None:
    return parts.words(check)
  return catalogue.name(found.entry.heading, found.parts)


def _class_balance(study: Study) -> parts.Figure | None:
  rows = study.tables.get('class_balance') or []
  drawn = [
    Row(
      label=str(row['class']),
      marks=(Mark(row['share']),),
      note=f'{wording.percent(row["share"])} of clips',
    )
    for row in rows
  ]
  figure = parts.forest(
    drawn,
    (),
    name='class-balance',
    title='Share of the clips by class',
    axis='share of clips, %',
    lines=((1 / max(len(rows), 1), 'equal shares'),),
    bounds=(0, 1),
    include=(0,),
  )
  if figure is None:
    return None
  labelled = sum(row['num_clips'] for row in rows)
  return dataclasses.replace(figure, clips=parts.n_of([labelled]))
