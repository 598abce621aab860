"""Question 5: do humans gain from more modalities?"""

import dataclasses

from empathy.evaluation import units, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import classes, humans_by_clip, parts
from empathy.evaluation.study import Study

_ACCURACY = 'humans.{condition}.accuracy'
# Equal to a label made of other votes, where votes made it.
_DISJOINT = 'humans.{condition}.accuracy_disjoint'
_GAIN = 'humans.full_minus_{condition}.accuracy'
_VOTES = 'humans.{condition}'
_CERTAIN = ('gs', 'entropy', 'one_vote_ceiling', 'split_half_reliability')
_AGREED = ('alpha_nominal', 'alpha_ordinal', 'fleiss_kappa', 'gwet_ac1')
_TABLES = {
  'certainty': ('humans', (parts.CONDITION, *parts.plain(_VOTES, *_CERTAIN))),
  'agreement': (
    'humans',
    (
      parts.CONDITION,
      *parts.plain(_VOTES, 'observed_agreement'),
      *parts.ranged(_VOTES, *_AGREED),
    ),
  ),
}


# So many annotators are shown; all are in tables/annotators.csv.
_SHOWN = 12
_MODEL = 'humans.model_of_annotators'
_PEOPLE = (
  parts.text_column('annotator'),
  parts.count_column('num_votes', 'votes'),
  parts.Column('alike', lambda r: wording.hundredths(r['agreement']), '%'),
  parts.Column('by chance', lambda r: wording.hundredths(r['chance']), '%'),
  parts.Column(
    'kappa', lambda r: wording.figure(r['kappa'], units.COEFFICIENT)
  ),
  parts.Column('95 % interval', lambda row: _kappa(row), kind='interval'),
  parts.text_column('leans_to', 'leans to'),
  parts.Column(
    'by', lambda r: wording.hundredths(r['bias'], signed=True), 'points'
  ),
  parts.Column(
    'like coins', lambda r: 'yes' if r['flag'] else 'no', kind='word'
  ),
  parts.count_column('votes_needed', 'votes to tell'),
)


def _kappa(row: parts.Record) -> str:
  ends = Estimate(row['kappa'], row['kappa_low'], row['kappa_high'])
  return wording.ends(ends, units.COEFFICIENT)


def _people(study: Study) -> tuple[str, ...]:
  """How many annotators vote as by tossing coins, in a sentence."""
  rows = study.tables.get('annotators') or []
  needed = [r['votes_needed'] for r in rows if r['votes_needed'] is not None]
  if not needed:
    return ()
  flagged = [row['annotator'] for row in rows if row['flag']]
  told = f'Of {wording.plural(len(rows), "annotator")}, '
  if not flagged:
    told += 'none is shown to agree with the others less than half as well'
  else:
    some = wording.listing(map(str, flagged[:3]))
    more = ', for example' if len(flagged) > 3 else ''
    told += (
      f'{wording.count(len(flagged))} ({some}{more}) '
      f'{"agrees" if len(flagged) == 1 else "agree"} with the others less than '
      'half as well'
    )
  needed = sorted(needed)[len(needed) // 2]
  return (
    f'{told} as all do, beyond chance; who tosses coins is told so nine times '
    f'in ten after some {wording.count(needed)} votes.',
  )


def _compared(anew: bool) -> tuple[parts.Column | parts.Of, ...]:
  """Columns of votes equal to the label, made anew or as it is."""
  equal = parts.ranged(_VOTES, 'accuracy')
  if anew:
    equal = parts.plain(_VOTES, 'accuracy')
    equal += parts.ranged(_VOTES, 'accuracy_disjoint')
  itself = 'The full condition has only itself to be compared with.'
  return (
    parts.CONDITION,
    parts.CLIPS,
    parts.count_column('num_votes', 'votes'),
    *equal,
    parts.Of(_GAIN, p=True, reason=itself),
  )


def section(study: Study) -> parts.Section:
  """Votes against the label by condition, and the full one minus the others."""
  base = parts.Section('humans', 'Humans', 5)
  rows = study.tables.get('humans') or []
  if not rows:
    return dataclasses.replace(
      base, skipped=parts.skipped(study, 5), verdict=parts.verdict(study, 5)
    )
  full = str(study.info.get('full_condition'))
  anew = parts.get(study, _DISJOINT, condition=full) is not None
  accuracy = parts.each(
    study,
    _DISJOINT if anew else _ACCURACY,
    'condition',
    [row['condition'] for row in rows],
  )
  gain = parts.primary(study, 5)
  other = parts.primary_part(study, 5, 'condition')
  equal = 'equal a label made of other votes' if anew else 'equal the label'
  equal += parts.as_classes(study)
  finding, details = _finding(accuracy, gain, full, other, equal)
  notes = parts.skip_notes(study, _GAIN)
  details += tuple(classes.humans_told(study))
  details += humans_by_clip.sentences(study, full)
  details += _agreement(study, full)
  details += _people(study)
  answer = details
  if finding:
    # Why nothing is compared belongs to the finding.
    answer = (' '.join((finding + '.', *notes)), *details)
    told = parts.with_p(finding, gain) if gain else finding + '.'
    finding, notes = ' '.join((told, *notes)), ()
  return dataclasses.replace(
    base,
    verdict=parts.verdict(
      study, 5, _verdict(accuracy.get(full), gain, full, other, anew)
    ),
    answer=answer,
    finding=finding,
    details=(*details, *notes),
    primary=parts.primary_row(study, 5, base.title, f'{full} − {other}'),
    shows={
      'accuracy': _figure(accuracy),
      'accuracies': parts.table(study, rows, _compared(anew)),
      **classes.of_humans(study),
      **humans_by_clip.shows(study, full),
      **parts.tables(study, _TABLES),
      'model': parts.table(
        study,
        [{}] if parts.get(study, f'{_MODEL}.plurality') else None,
        parts.ranged(_MODEL, 'accuracy', 'plurality', 'spearman'),
      ),
      'people': parts.table(
        study, (study.tables.get('annotators') or [])[:_SHOWN], _PEOPLE
      ),
    },
    facts={
      'anew': anew,
      'full': full,
      **classes.facts(study),
    },
  )


def _verdict(
  found: Estimate | None,
  gain: Estimate | None,
  full: str,
  other: str,
  anew: bool,
) -> str:
  """What people who are given most are worth beside the next best."""
  if found is None or gain is None:
    return ''
  return (
    f'People given {full} vote for the label'
    f'{", made of other votes," if anew else ""} '
    f'{wording.percent(found.estimate)} of the time, '
    f'{parts.by(gain, "more often", "less often")} than people given {other}, '
    'the next best.'
  )


def _finding(
  accuracy: dict[str, Estimate],
  gain: Estimate | None,
  full: str,
  other: str,
  equal: str,
) -> tuple[str, tuple[str, ...]]:
  """The finding, '' if there is none, and what is said of the others."""

  def of_votes(conditions) -> str:
    return wording.capital(
      wording.listing(
        f'of votes on {c}, {wording.share_with_interval(accuracy[c])}'
        for c in conditions
      )
    )

  if not accuracy:
    return '', ()
  if full not in accuracy:
    return f'{of_votes(accuracy)} {equal}', ()
  finding = f'{of_votes([full])} {equal}'
  if gain:
    finding = wording.claim(
      finding,
      gain,
      above=f', {{}} more than of votes on {other}, the best other condition',
      below=f', {{}} less than of votes on {other}, the best other condition',
      whether=f'whether that is more than of votes on {other}, the best '
      'other condition,',
    )
  others = [condition for condition in accuracy if condition != full]
  return finding, (f'{of_votes(others)} {equal}.',) if others else ()


def _agreement(study: Study, full: str) -> tuple[str, ...]:
  pattern = 'humans.{condition}.observed_agreement'
  agreement = parts.get(study, pattern, condition=full)
  if agreement is None:
    return ()
  return (
    f'Two annotators given {full} agree on a clip in '
    f'{wording.share_with_interval(agreement)} of cases'
    f'{parts.as_classes(study)}.',
  )


def _figure(accuracy: dict[str, Estimate]) -> parts.Figure | None:
  return parts.forest(
    [parts.row(it, found, 'humans') for it, found in accuracy.items()],
    accuracy.values(),
    name='humans',
    title='Share of votes equal to the label, by condition',
    axis='votes equal to the label, %',
    bounds=(0, 1),
  )
