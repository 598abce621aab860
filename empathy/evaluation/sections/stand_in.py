"""Can a model stand in for an annotator, and how far do raters agree?"""

import dataclasses
from collections.abc import Mapping, Sequence

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# As many annotators as may be trusted, at least.
_FEW = 3
# By epsilon, in percent: who is worth so much.
_PRICES = {10: 'a crowd worker', 15: 'a skilled one', 20: 'an expert'}
_HALF = 0.5
# Longer tables are in the study's folder alone.
_MOST_ROWS = 80
_RATE = 'stand_in.{rater}.winning_rate_at_{epsilon}'
_PUBLISHED = 'stand_in.{rater}.published_rate_at_{epsilon}'
_ADVANTAGE = 'stand_in.{rater}.advantage'
_PAIR = 'raters.{first} and {second}'
_KINDS = {
  'person_person': 'two people',
  'person_model': 'a person and a model',
  'person_crowd': 'a person and a crowd',
  'crowd_crowd': 'two crowds',
  'crowd_model': 'a crowd and a model',
  'model_model': 'two models',
}
_RATER = parts.text_column('rater', 'in place of an annotator')


def _plain(key: str, heading: str) -> parts.Column:
  return parts.Column(heading, lambda r: wording.p_value(r.get(key)))


def _between(row: parts.Record) -> str:
  return wording.span(row['difference_low'], row['difference_high'])


_TABLES = {
  'rates': (
    'stand_in',
    (
      _RATER,
      parts.count_column('epsilon', 'ε, %'),
      parts.count_column('num_annotators', 'annotators'),
      parts.Of(_ADVANTAGE),
      parts.Of(_RATE),
      parts.Of(_PUBLISHED, interval=False),
    ),
  ),
  'annotators': (
    'stand_in_annotators',
    (
      _RATER,
      parts.text_column('annotator'),
      parts.count_column('num_clips'),
      parts.Column(
        'advantage, %', lambda r: wording.hundredths(r['advantage'])
      ),
      parts.Column(
        'falls short, points',
        lambda r: wording.hundredths(r['difference'], signed=True),
      ),
      parts.Column('95 % interval', _between, kind='interval'),
      _plain('p_at_10', 'p, ε = 10 %'),
      _plain('p_at_15', 'ε = 15 %'),
      _plain('p_at_20', 'ε = 20 %'),
    ),
  ),
  'kinds': (
    'rater_kinds',
    (
      parts.text_column('kind', 'raters', _KINDS.get),
      parts.count_column('num_pairs', 'pairs'),
      *parts.ranged('raters.{kind}', 'mean_kappa', 'mean_weighted_kappa'),
    ),
  ),
  'pairs': (
    'raters',
    (
      parts.text_column('first'),
      parts.text_column('second'),
      parts.CLIPS_ONCE,
      *parts.ranged(_PAIR, 'kappa', 'weighted_kappa', 'spearman'),
    ),
  ),
}


def section(study: Study) -> parts.Section | None:
  """Who passes the alternative annotator test, and kappas of all pairs."""
  base = parts.Section('stand_in', 'Stand-ins', 9)
  rows = study.tables.get('stand_in') or []
  pairs = study.tables.get('raters') or []
  reasons = parts.skip_notes(study, 'stand_in', 'raters')
  if not rows and not pairs and not reasons:
    return None
  if not rows and not pairs:
    return dataclasses.replace(base, skipped=' '.join(reasons))
  raters = list(dict.fromkeys(row['rater'] for row in rows))
  advantage = parts.each(study, _ADVANTAGE, 'rater', raters)
  kinds = _kinds(study)
  findings = _findings(study, rows, advantage) if rows else kinds[:1]
  return dataclasses.replace(
    base,
    answer=findings,
    finding=' '.join(findings),
    details=(
      *_otherwise(study, rows),
      *(kinds if rows else kinds[1:]),
      *_few(rows),
      *reasons,
    ),
    shows={
      'advantage': _figure(study, advantage),
      **dict.fromkeys(_TABLES),
      **parts.tables(
        study,
        {
          name: (rows_of, columns)
          for name, (rows_of, columns) in _TABLES.items()
          if len(study.tables.get(rows_of) or ()) <= _MOST_ROWS
        },
      ),
      'matrix': _matrix(study, pairs),
    },
    facts={
      'weighted': any('weighted_kappa' in row for row in pairs),
      'clips': parts.same(pairs, 'num_clips'),
    },
  )


def _findings(
  study: Study,
  rows: Sequence[parts.Record],
  advantage: Mapping[str, Estimate],
) -> tuple[str, ...]:
  """Who passes, and from which price of an annotator on; a sentence each."""
  passed = _passing(study, rows, _RATE)
  # Who stands in at the least price leads.
  passed = dict(
    sorted(passed.items(), key=lambda it: (it[1][0], -it[1][1].estimate))
  )
  told = [
    _passes(_name_and_silence(study, rater), at, rate)
    for rater, (at, rate) in passed.items()
  ]
  highest = {row['rater']: parts.get(study, _RATE, **row) for row in rows}
  unsure, failed = [], []
  for rater, rate in highest.items():
    if rate and rater not in passed:
      (failed if rate.high < _HALF else unsure).append(_name(study, rater))
  for names, verbs in (
    (unsure, ('is not shown to pass', 'are not shown to pass')),
    (failed, ('does not pass', 'do not pass')),
  ):
    if names:
      told.append(
        f'{wording.capital(wording.listing(names))} {verbs[len(names) > 1]} '
        'the alternative annotator test, even for annotators who cost as '
        f'much as {_worth(rows[-1]["epsilon"])}.'
      )
  if not told:  # It could not be made.
    told += parts.skip_notes(study, _RATE)
  if not passed:
    best = max(advantage, key=lambda rater: advantage[rater].estimate)
    name = _name_and_silence(study, best)
    if len(advantage) > 1 and any(highest.values()):
      name = f'the nearest to it, {name.rstrip(",")},'
    told.append(
      f'{wording.capital(name)} agrees with the other annotators at least as '
      'well as the one in whose place it is put on '
      f'{wording.share_with_interval(advantage[best])} of clips.'
    )
  return tuple(told)


def _worth(epsilon: int) -> str:
  """Whose price it is, as the test was published with."""
  return f'{_PRICES[epsilon]} (ε\u00a0=\u00a0{epsilon}\u00a0%)'


def _passes(name: str, epsilon: int, rate: Estimate) -> str:
  """That a model passes, as strongly as the interval of its rate allows."""
  sure = rate.low >= _HALF
  return (
    f'{wording.capital(name)} may {"" if sure else "perhaps "}stand in for an '
    f'annotator who costs as much as {_worth(epsilon)} or more: its winning '
    f'rate is {wording.share_with_interval(rate)}'
    f'{"" if sure else ", where a half is needed"}.'
  )


def _name(study: Study, rater: str) -> str:
  """What sentences call a rater."""
  return f'the model ({rater})' if [*study.info['views']] == [rater] else rater


def _name_and_silence(study: Study, rater: str) -> str:
  """The same, with what it left unanswered."""
  for row in study.tables.get('answered') or []:
    if row['view'] == rater and row['num_silent']:
      return (
        f'{_name(study, rater)}, which had no answer to {row["num_silent"]:,} '
        f'of {row["num_asked"]:,} questions,'
      )
  return _name(study, rater)


def _passing(
  study: Study, rows: Sequence[parts.Record], pattern: str
) -> dict[str, tuple[int, Estimate]]:
  """By rater that passes, the least epsilon at which it does, and its rate."""
  found = {}
  for row in rows:
    rate = parts.get(study, pattern, **row)
    if row['rater'] not in found and rate and rate.estimate >= _HALF:
      found[row['rater']] = row['epsilon'], rate
  return found


def _otherwise(study: Study, rows: Sequence[parts.Record]) -> tuple[str, ...]:
  """For whom the published test says something else."""
  ours, theirs = (_passing(study, rows, p) for p in (_RATE, _PUBLISHED))
  told = [
    f'{_name(study, rater)} from ε = {at} % on'
    for rater, (at, _) in theirs.items()
    if at < ours.get(rater, (float('inf'),))[0]
  ]
  if not told:
    return ()
  return (
    'As published, the test takes clips for independent, those of one speaker '
    f'too; so it would have {wording.listing(told)} pass.',
  )


def _kinds(study: Study) -> tuple[str, ...]:
  """How far people agree, and people and models, on average."""
  told = []
  for row in study.tables.get('rater_kinds') or []:
    weighted = parts.get(study, 'raters.{kind}.mean_weighted_kappa', **row)
    plain = parts.get(study, 'raters.{kind}.mean_kappa', **row)
    found, name = (weighted, 'weighted kappa') if weighted else (plain, 'kappa')
    if found:
      unit = catalogue.entry('raters.{kind}.mean_kappa').unit
      ends = wording.ends(found, unit)
      ends = '(no interval)' if ends == wording.MISSING else ends
      figure = f'{wording.figure(found.estimate, unit)} {ends}'
      told.append(f'{figure} for {_KINDS[row["kind"]]}')
  if not told:
    return ()
  return (f'The mean {name} is {wording.listing(told)}.',)


def _few(rows: Sequence[parts.Record]) -> tuple[str, ...]:
  number = max((row['num_annotators'] for row in rows), default=_FEW)
  if number >= _FEW:
    return ()
  return (
    f'The test rests on {wording.plural(number, "annotator")}; three are the '
    'least that say something of others.',
  )


def _figure(
  study: Study, advantage: Mapping[str, Estimate]
) -> parts.Figure | None:
  full = study.info['full_view']
  return parts.forest(
    [
      parts.row(rater, estimate, plots.colour(rater, full))
      for rater, estimate in advantage.items()
    ],
    advantage.values(),
    name='advantage',
    title='Advantage of each model over the annotators',
    axis='clips on which it is at least as good, %',
    bounds=(0, 1),
  )


def _matrix(study: Study, pairs: Sequence[parts.Record]) -> parts.Table | None:
  """Kappa of each two raters, one a row and one a column."""
  if not pairs:
    return None
  names = list(
    dict.fromkeys(n for r in pairs for n in (r['first'], r['second']))
  )
  figure = 'weighted_kappa' if 'weighted_kappa' in pairs[0] else 'kappa'
  known = {}
  for row in pairs:
    one = parts.get(study, f'{_PAIR}.{figure}', **row)
    known[row['first'], row['second']] = known[row['second'], row['first']] = (
      one
    )

  def cell(one: Estimate | None) -> parts.Cell:
    if one is None:
      return parts.Cell(wording.MISSING, 'number')
    faint = wording.standing(one) != wording.ABOVE
    return parts.Cell(wording.number(one.estimate, 2), 'number', faint=faint)

  return parts.Table(
    header=(
      parts.Cell(''),
      *(parts.Cell(name, 'number') for name in names[:-1]),
    ),
    rows=tuple(
      (
        parts.Cell(name),
        *(cell(known.get((name, other))) for other in names[:place]),
        *(parts.Cell('', 'number') for _ in names[place:-1]),
      )
      for place, name in enumerate(names)
      if place
    ),
  )
