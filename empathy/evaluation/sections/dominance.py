"""Question 4: who dominates the fusion, and does it mislead?"""

import dataclasses

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_ANY = 'any'


def section(study: Study) -> parts.Section:
  """Which modality decides, and what happens when it is dropped."""
  base = parts.Section(
    key='dominance',
    title='Dominance',
    question='Which modality decides the fusion, and does it mislead?',
    number=4,
  )
  rows = study.tables.get('dominance') or []
  if not rows:
    return dataclasses.replace(base, skipped=parts.skipped(study, 4))
  harm = parts.primary(study, 4)
  modalities = [row for row in rows if row['modality'] != _ANY]
  details = _leader(study, modalities)
  finding = _finding(study, harm)
  return dataclasses.replace(
    base,
    answer=(finding, *details) if finding else details,
    finding=(
      parts.with_p(finding.removesuffix('.'), harm) if finding else details[0]
    ),
    details=(
      *(details if finding else details[1:]),
      *parts.skip_notes(
        study, *catalogue.under('dominance.{modality}'), modality=_ANY
      ),
    ),
    primary=parts.primary_row(
      harm,
      base.title,
      'misled − rescued by the dominant modality',
    ),
    shows=(
      _share_figure(study, modalities),
      *_harm_figure(study, rows),
      _share_table(study, modalities),
      _harm_table(study, rows),
    ),
    limits=(
      'That a fusion is misled on some clips shows nothing by itself: one that '
      'weighs all evidence as well as can be is misled, too, when a cue '
      'deceives it, but it is rescued more often. So only misled minus rescued '
      'is judged.',
      'A gate or an attention weight says how much is let in, not how much it '
      'decides: that is what the share by Shapley’s value says. '
      'It tells what the model does with a part of a clip, of which it may '
      'have been shown little in training.',
      'The figures are of the seeds’ mean probabilities; the intervals speak '
      'of these trained members.',
    ),
  )


def _finding(study: Study, harm) -> str:
  misled = study.statistics.get('dominance.any.misled')
  rescued = study.statistics.get('dominance.any.rescued')
  if None in (harm, misled, rescued):
    return ''
  lead = (
    'Where one modality alone speaks for the full view’s label, dropping it '
    f'turns a wrong label right on {wording.share_with_interval(misled)} of '
    f'{wording.plural(misled.n, "clip")}, and a right one wrong on '
    f'{wording.share_with_interval(rescued)}'
  )
  return (
    wording.claim(
      lead,
      harm,
      above=', the former {} more often than the latter',
      below=', the former {} less often than the latter, as it would be in a '
      'model that weighs evidence well',
      whether='whether the former is more frequent',
    )
    + '.'
  )


def _leader(study: Study, rows) -> tuple[str, ...]:
  """Who has the largest part, if anybody has, and its shares."""
  most = max(row['rate'] for row in rows)
  leaders = [row['modality'] for row in rows if row['rate'] > most - 1e-9]
  rate = study.statistics[f'dominance.{leaders[0]}.rate']
  clips = wording.plural(rate.n, 'clip')
  if most == 0:
    return (
      f'On none of {clips} does a modality raise the probability of the full '
      'view’s label.',
    )
  shares = _estimates(study, rows, 'causal_share')
  written = {
    wording.percent(value)
    for share in shares
    for value in (share.estimate, share.low, share.high)
  }
  if len(shares) == len(rows) > 1 == len(written):
    # Who leads where parts are so near to each other is of no meaning.
    names = wording.listing(row['modality'] for row in rows)
    return (
      f'{wording.capital(names)} have the same part in the full view’s label: '
      f'the Shapley share of each is {written.pop()}, to a tenth of a point.',
    )
  if len(leaders) > 1:
    return (
      f'{wording.capital(wording.listing(leaders))} have the largest part in '
      'the full view’s label equally often, each on '
      f'{wording.share_with_interval(rate)} of {clips}.',
    )
  return (
    f'{wording.capital(leaders[0])} has the largest part in the full view’s '
    f'label most often, on {wording.share_with_interval(rate)} of {clips}, '
    f'before {_second(rows, most)}.',
    *_shares(study, leaders[0]),
  )


def _second(rows, most: float) -> str:
  """'audio with 31.0 %', or several that are equal."""
  others = [row for row in rows if row['rate'] < most - 1e-9]
  rate = max(row['rate'] for row in others)
  names = [row['modality'] for row in others if row['rate'] > rate - 1e-9]
  return f'{wording.listing(names)} with {wording.percent(rate)}'


def _shares(study: Study, leader: str) -> tuple[str, ...]:
  """The leader's share of the cause beside that of its gate."""
  cause = study.statistics.get(f'dominance.{leader}.causal_share')
  gate = study.statistics.get(f'dominance.{leader}.gate_share')
  if cause is None:
    return ()
  if cause.estimate < 0:
    told = 'On the mean over clips it speaks against that label'
  else:
    told = f'Its Shapley share is {wording.percent(cause.estimate)}'
    if wording.is_known(cause.low):
      told += f' ({wording.level(cause)} {wording.span(cause.low, cause.high)})'
  if gate is not None:
    told += f'; its share of the gates is {wording.share_with_interval(gate)}'
  return (told + '.',)


def _estimates(study: Study, rows, figure: str) -> list:
  names = [f'dominance.{row["modality"]}.{figure}' for row in rows]
  return [study.statistics[name] for name in names if name in study.statistics]


def _share_figure(study: Study, rows) -> parts.Figure:
  full = study.info['full_view']
  kinds = [
    ('causal_share', 'dot', 'Shapley'),
    ('gate_share', 'ring', 'gate'),
    ('attention_share', 'tick', 'attention'),
  ]
  kinds = [kind for kind in kinds if _estimates(study, rows, kind[0])]
  drawn = []
  for row in rows:
    marks = []
    for figure, shape, label in kinds:
      found = study.statistics.get(f'dominance.{row["modality"]}.{figure}')
      if found is not None:
        marks.append(
          parts.mark(
            found,
            plots.colour(row['modality'], full),
            shape=shape,
            label=label if len(kinds) > 1 else '',
          )
        )
    cause = study.statistics[f'dominance.{row["modality"]}.causal_share']
    drawn.append(
      plots.Row(
        label=row['modality'],
        marks=tuple(marks),
        note=parts.note(cause, signed=True),
      )
    )
  words = [label for *_, label in kinds[1:]]
  beside = f', beside its share of the {wording.listing(words)}' * bool(words)
  estimates = _estimates(study, rows, 'causal_share')
  return parts.Figure(
    caption=(
      'How much each modality decides of the full view’s label: its Shapley '
      'value over the sum of the sizes of all'
      f'{beside}{parts.with_interval(estimates, ", ")}. A value below zero '
      'speaks against the label, so that shares need not add up to 100. '
      f'{parts.n_clips(estimates)}'
    ),
    panels=(
      parts.intervals(
        drawn,
        name='dominance-shares',
        title='Shapley share and share of the gates by modality',
        axis='share, %',
        include=(0,),
      ),
    ),
  )


def _harm_figure(study: Study, rows) -> tuple[parts.Figure, ...]:
  full = study.info['full_view']
  drawn, estimates = [], []
  for row in rows:
    harm = study.statistics.get(f'dominance.{row["modality"]}.net_harm')
    if harm is None:
      continue
    estimates.append(harm)
    modality = row['modality']
    drawn.append(
      plots.Row(
        label='any of them' if modality == _ANY else modality,
        marks=(
          parts.mark(
            harm,
            'ink' if modality == _ANY else plots.colour(modality, full),
            faint=not wording.settled(harm),
          ),
        ),
        note=parts.note(harm, signed=True),
      )
    )
  if not drawn:
    return ()
  return (
    parts.Figure(
      caption=(
        'Net harm: clips on which the dominant modality misleads the fusion '
        'minus those on which it rescues it, of all clips, by which modality '
        f'is dominant{parts.with_interval(estimates, ", ")}. A fusion that '
        'weighs evidence as well as can be lies at zero or below. '
        f'{wording.capital(parts.GREY)}. {parts.n_clips(estimates)}'
      ),
      panels=(
        parts.intervals(
          drawn,
          name='net-harm',
          title='Misled minus rescued clips by dominant modality',
          axis='misled minus rescued, points',
          lines=((0.0, ''),),
        ),
      ),
    ),
  )


def _name(key: str):
  return lambda row: f'dominance.{row["modality"]}.{key}'


def _modality_column(study: Study) -> parts.Column:
  full = study.info['full_view']
  return parts.Column(
    'modality',
    lambda r: 'any of them' if r['modality'] == _ANY else str(r['modality']),
    kind='text',
    colour=lambda r: (
      '' if r['modality'] == _ANY else plots.colour(r['modality'], full)
    ),
  )


def _share_table(study: Study, rows) -> parts.Table:
  columns = [_modality_column(study)]
  for key, heading in (
    ('rate', 'dominant, %'),
    ('causal_share', 'Shapley, %'),
    ('gate_share', 'gate, %'),
    ('attention_share', 'attention, %'),
  ):
    if any(key in row and row[key] is not None for row in rows):
      columns += parts.interval_columns(study, key, heading, _name(key))
  return parts.table(
    study,
    'How often each modality is the dominant one, and its shares.',
    rows,
    columns,
  )


def _harm_table(study: Study, rows) -> parts.Table:
  def figure(key, heading):
    return parts.figure_column(key, heading, wording.hundredths, _name(key))

  told = (
    'What dominance does, in % of all clips: no other modality alone says the '
    'same (unsupported); of these, wrong but right without the dominant one '
    '(misled), and right but wrong without it (rescued).'
  )
  if any(wording.is_known(row.get('p')) for row in rows):
    told += ' The p-values are one-sided: they ask if net harm is above zero.'
  return parts.table(
    study,
    told,
    rows,
    (
      _modality_column(study),
      figure('unsupported', 'unsupported'),
      figure('misled', 'misled'),
      figure('rescued', 'rescued'),
      *parts.interval_columns(
        study, 'net_harm', 'net harm, points', _name('net_harm'), signed=True
      ),
      *parts.p_columns(_name('net_harm')),
    ),
  )
