"""Question 5: do humans gain from more modalities?"""

import dataclasses

from empathy.evaluation import plots, wording
from empathy.evaluation.sections import humans_by_clip, parts
from empathy.evaluation.study import Study


def section(study: Study) -> parts.Section:
  """Votes against the label by condition, and the full one minus the others."""
  base = parts.Section(
    key='humans',
    title='Humans',
    question='Do annotators gain from more modalities?',
    number=5,
  )
  rows = study.tables.get('humans') or []
  if not rows:
    return dataclasses.replace(base, skipped=parts.skipped(study, 5))
  full = str(study.info.get('full_condition'))
  anew = f'humans.{full}.accuracy_disjoint' in study.statistics
  accuracy = {
    row['condition']: study.statistics[name]
    for row in rows
    if (name := _accuracy(row['condition'], anew)) in study.statistics
  }
  equal = 'equal a label made of other votes' if anew else 'equal the label'
  gain = parts.primary(study, 5)
  other = parts.primary_part(study, 5, 'condition')
  others = [condition for condition in accuracy if condition != full]
  notes = parts.skip_notes(study, 'humans.full_minus_{condition}.accuracy')
  finding, details = '', ()
  if full in accuracy:
    finding = f'{wording.capital(_of_votes(full, accuracy))} {equal}'
    if gain:
      finding = wording.claim(
        finding,
        gain,
        above=f', {{}} more than of votes on {other}, the best other condition',
        below=f', {{}} less than of votes on {other}, the best other condition',
        whether=f'whether that is more than of votes on {other}, the best '
        'other condition,',
      )
    told = [_of_votes(c, accuracy) for c in others]
    if told:
      details = (f'{wording.capital(wording.listing(told))} do.',)
  elif accuracy:
    told = [_of_votes(c, accuracy) for c in accuracy]
    finding = f'{wording.capital(wording.listing(told))} {equal}'
  details += humans_by_clip.sentences(study, full)
  details += _agreement(study, full)
  answer = details
  if finding:
    # Why nothing is compared belongs to the finding.
    answer = (' '.join((finding + '.', *notes)), *details)
    told = parts.with_p(finding, gain) if gain else finding + '.'
    finding, notes = ' '.join((told, *notes)), ()
  return dataclasses.replace(
    base,
    answer=answer,
    finding=finding,
    details=(*details, *notes),
    primary=parts.primary_row(gain, base.title, f'{full} − {other}'),
    shows=(
      *_figure(accuracy, anew),
      *_tables(study, rows, anew),
      *humans_by_clip.shows(study, full),
      *_agreement_table(study, rows),
    ),
    limits=_limits(study, anew),
  )


def _accuracy(condition: str, anew: bool) -> str:
  """The share of votes equal to the label, or to one made of other votes."""
  return f'humans.{condition}.accuracy{"_disjoint" if anew else ""}'


def _of_votes(condition: str, accuracy) -> str:
  share = wording.share_with_interval(accuracy[condition])
  return f'of votes on {condition}, {share}'


def _agreement(study: Study, full: str | None) -> tuple[str, ...]:
  agreement = study.statistics.get(f'humans.{full}.observed_agreement')
  if agreement is None:
    return ()
  return (
    f'Two annotators given {full} agree on a clip in '
    f'{wording.share_with_interval(agreement)} of cases.',
  )


def _limits(study: Study, anew: bool) -> tuple[str, ...]:
  label = study.info.get('label')
  meaning = f'The label is: {label}. ' if label else ''
  meaning += 'A vote that differs from the label need not be wrong'
  if anew:
    source = (
      f'{meaning}. As the label was made from votes, it is made anew of half '
      'of them, many times over, and judges the other votes. Fewer votes make '
      'a less reliable label, so that shares and differences come out smaller '
      'than against the label of all votes.'
    )
  else:
    source = (
      f'{meaning}, and where a label was made from the votes of one condition, '
      'that condition is favoured.'
    )
  return (
    source,
    'The intervals speak of these annotators, except those of agreement where '
    'it is known which three of them or more voted: those cover other '
    'annotators like them.',
    'The differences are between conditions, averaged over all clips; they do '
    'not say that more modalities help on every clip.',
    *humans_by_clip.limits(study),
  )


def _figure(accuracy, anew: bool) -> tuple[parts.Figure, ...]:
  if not accuracy:
    return ()
  rows = [
    plots.Row(
      label=condition,
      marks=(parts.mark(estimate, 'humans'),),
      note=parts.note(estimate),
    )
    for condition, estimate in accuracy.items()
  ]
  label = 'a label made of other votes' if anew else 'the label'
  return (
    parts.Figure(
      caption=(
        f'Share of votes equal to {label} by what the annotators perceived'
        f'{parts.with_interval(accuracy.values(), ", ")}. '
        f'{parts.n_clips(accuracy.values())}'
      ),
      panels=(
        parts.intervals(
          rows,
          name='humans',
          title='Share of votes equal to the label, by condition',
          axis='votes equal to the label, %',
          bounds=(0, 1),
        ),
      ),
    ),
  )


def _tables(study, rows, anew: bool) -> tuple[parts.Table, ...]:
  def figure(key, heading, show):
    return parts.figure_column(
      key, heading, show, lambda r: f'humans.{r["condition"]}.{key}'
    )

  def minus(row):
    return f'humans.full_minus_{row["condition"]}.accuracy'

  itself = 'The full condition has only itself to be compared with.'
  condition = parts.Column(
    'condition', lambda r: str(r['condition']), kind='text'
  )
  equal = (
    (
      figure('accuracy', 'equal label, %', wording.hundredths),
      *parts.interval_columns(
        study,
        'accuracy_disjoint',
        'of other votes, %',
        lambda r: _accuracy(r['condition'], anew),
      ),
    )
    if anew
    else parts.interval_columns(
      study,
      'accuracy',
      'equal label, %',
      lambda r: _accuracy(r['condition'], anew),
    )
  )
  caption = 'Votes equal to the label by condition'
  if anew:
    caption += (
      ': the label as it is, of which some votes are the echo, and made anew '
      'of votes that it does not judge, to which the gain belongs'
    )
  columns = (
    condition,
    parts.Column('clips', lambda r: wording.count(r['num_clips'])),
    parts.Column('votes', lambda r: wording.count(r['num_votes'])),
    *equal,
    *parts.interval_columns(
      study,
      'full_minus',
      'gain of full, points',
      minus,
      signed=True,
      reason=itself,
    ),
    *parts.p_columns(minus, itself),
  )
  certain = (
    condition,
    figure('gs', 'GS', wording.number),
    figure('entropy', 'entropy, nats', wording.number),
    figure('one_vote_ceiling', 'one vote, %', wording.hundredths),
    figure('split_half_reliability', 'halves, %', wording.hundredths),
  )
  return (
    parts.table(
      study,
      f'{caption}. A difference is {parts.GREY}.',
      rows,
      columns,
    ),
    parts.table(
      study,
      'How certain the votes are: how often two of a clip differ (GS), their '
      'entropy, how often a vote equals the plurality of the clip’s other '
      'votes (as often as one more annotator is right about a label made by '
      'votes), and how often the pluralities of two halves are the same.',
      rows,
      certain,
    ),
  )


def _agreement_table(study: Study, rows) -> tuple[parts.Table, ...]:
  """Agreement beyond chance, if any condition has votes that tell of it."""
  shown = [
    (key, heading)
    for key, heading in (
      ('alpha_nominal', 'Krippendorff’s alpha'),
      ('alpha_ordinal', 'ordinal alpha'),
      ('fleiss_kappa', 'Fleiss’ kappa'),
      ('gwet_ac1', 'Gwet’s AC1'),
    )
    if any(key in row for row in rows)
  ]
  if not shown:
    return ()
  columns = [
    parts.Column('condition', lambda r: str(r['condition']), kind='text'),
    parts.figure_column(
      'observed_agreement',
      'observed, %',
      wording.hundredths,
      lambda r: f'humans.{r["condition"]}.observed_agreement',
    ),
  ]
  for key, heading in shown:
    columns += _figure_and_interval(study, key, heading)
  return (
    parts.table(
      study,
      'Agreement of annotators by condition, observed and beyond chance: 1 '
      'where all agree, 0 where they agree as often as by chance. The figures '
      'differ in what they take chance to be.',
      rows,
      columns,
    ),
  )


def _figure_and_interval(
  study: Study, key: str, heading: str
) -> tuple[parts.Column, parts.Column]:
  """A figure of each condition as a plain number, and its interval."""

  def name(row):
    return f'humans.{row["condition"]}.{key}'

  def ends(row):
    low, high = row.get(f'{key}_low'), row.get(f'{key}_high')
    if not (wording.is_known(low) and wording.is_known(high)):
      return wording.MISSING
    return f'{wording.number(low)} to {wording.number(high)}'

  figure, interval = parts.interval_columns(study, key, heading, name)
  return (
    dataclasses.replace(figure, show=lambda r: wording.number(r.get(key))),
    dataclasses.replace(interval, show=ends),
  )
