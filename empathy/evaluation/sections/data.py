"""Question 7: can the data bear the study?"""

import dataclasses

from empathy.evaluation import catalogue, wording
from empathy.evaluation.plots import Mark, Row
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_VERDICTS = {'ok': 'passes', 'warning': 'take care', 'fail': 'fails'}


def section(study: Study) -> parts.Section:
  """First in the report, and loud where a check fails."""
  base = parts.Section(
    key='data',
    title='Data checks',
    question='Can the data bear the study?',
    number=7,
  )
  checks = study.tables.get('data_checks') or []
  if not checks:
    return dataclasses.replace(base, skipped=parts.skipped(study, 7))
  by_verdict = {
    verdict: [c['sentence'] for c in checks if c['verdict'] == verdict]
    for verdict in _VERDICTS
  }
  failing, warning = by_verdict['fail'], by_verdict['warning']
  answer = ()
  if failing:
    answer = (
      f'Read what follows with care: {_checks(failing, "fails", "fail")}. '
      f'{failing[0]}',
    )
  return dataclasses.replace(
    base,
    answer=answer,
    finding=_finding(checks, failing, warning, _unmade(study)),
    alerts=tuple(failing),
    shows=(
      _checks_table(study, checks),
      *_class_balance(study),
      *_votes_per_clip(study),
    ),
    limits=(
      'The checks find what shows in ids, groups, labels and votes. They '
      'cannot tell whether a label means what it is said to mean, or whether '
      'two groups are secretly one.',
    ),
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


def _unmade(study: Study) -> int:
  """How many checks there was no way to make."""
  return len(_skipped(study))


def _checks(sentences, one: str, many: str) -> str:
  number = len(sentences)
  return f'{wording.plural(number, "check")} {one if number == 1 else many}'


def _checks_table(study, checks) -> parts.Table:
  # What fails comes first.
  order = list(_VERDICTS)  # From the mildest.
  checks = sorted(
    checks,
    key=lambda c: -order.index(c['verdict']) if c['verdict'] in order else 0,
  )
  table = parts.table(
    study,
    f'Checks of {wording.plural(study.info["num_clips"], "clip")} of '
    f'{wording.plural(study.info["num_groups"], "group")}.',
    checks,
    (
      parts.Column('check', lambda r: _name(r['check']), kind='text'),
      parts.Column(
        'verdict',
        lambda r: _VERDICTS.get(r['verdict'], str(r['verdict'])),
        kind='verdict',
      ),
      parts.Column('what was found', lambda r: r['sentence'], kind='text'),
    ),
  )
  reasons = dict.fromkeys(_skipped(study).values())
  if not reasons:
    return table
  return dataclasses.replace(
    table, notes=(f'Not checked: {" ".join(reasons)}',)
  )


def _skipped(study: Study) -> dict[str, str]:
  """The checks there was no way to make, and why."""
  return {
    name: reason
    for name, reason in study.skipped.items()
    if (found := catalogue.find(name)) and found.entry.topic == 'data'
  }


def _name(check: str) -> str:
  """A check in words; of some there is no figure."""
  found = catalogue.find(f'data.{check}')
  if found is None:
    return parts.words(check)
  return catalogue.name(found.entry.heading, found.parts)


def _class_balance(study: Study) -> tuple[parts.Figure, ...]:
  rows = study.tables.get('class_balance') or []
  if not rows:
    return ()
  drawn = [
    Row(
      label=str(row['class']),
      marks=(Mark(row['share']),),
      note=f'{wording.percent(row["share"])} of clips',
    )
    for row in rows
  ]
  labelled = sum(row['num_clips'] for row in rows)
  return (
    parts.Figure(
      caption='Share of the labelled clips in each class. '
      f'n = {wording.plural(labelled, "clip")}.',
      panels=(
        parts.intervals(
          drawn,
          name='class-balance',
          title='Share of the clips by class',
          axis='share of clips, %',
          lines=((1 / len(rows), 'equal shares'),),
          bounds=(0, 1),
          include=(0,),
        ),
      ),
    ),
  )


def _votes_per_clip(study: Study) -> tuple[parts.Table, ...]:
  rows = study.tables.get('votes_per_clip') or []
  if not rows:
    return ()

  def tally(key, heading):
    return parts.Column(heading, lambda r: wording.tally(r.get(key)))

  return (
    parts.table(
      study,
      'Votes by condition.',
      rows,
      (
        parts.Column('condition', lambda r: str(r['condition']), kind='text'),
        tally('num_clips', 'clips'),
        tally('num_votes', 'votes'),
        tally('min', 'fewest a clip'),
        tally('median', 'median'),
        tally('max', 'most'),
      ),
    ),
  )
