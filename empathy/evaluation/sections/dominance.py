"""Question 4: who dominates the fusion, and does it mislead?"""

import dataclasses

from empathy.evaluation import catalogue, plots, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

_ANY = 'any'
_RATE = 'dominance.{modality}.rate'
_CAUSE = 'dominance.{modality}.causal_share'
_HARM = 'dominance.{modality}.net_harm'
# The shares in the figure, their shapes and labels.
_KINDS = (
  (_CAUSE, 'dot', 'Shapley'),
  ('dominance.{modality}.gate_share', 'ring', 'gate'),
  ('dominance.{modality}.attention_share', 'tick', 'attention'),
)
# Rates that differ by less are equal but for rounding.
_EQUAL = 1e-9


def _words(modality: str) -> str:
  return 'any of them' if modality == _ANY else str(modality)


def _colour(modality: str, full: str) -> str:
  return '' if modality == _ANY else plots.colour(modality, full)


_MODALITY = parts.text_column('modality', show=_words, colour=_colour)
_SHARED = (
  _MODALITY,
  parts.Of(_RATE),
  *(parts.Of(pattern) for pattern, *_ in _KINDS),
)
_HARMED = (
  _MODALITY,
  *parts.plain('dominance.{modality}', 'unsupported', 'misled', 'rescued'),
  parts.judged('dominance.{modality}', 'net_harm'),
)


def section(study: Study) -> parts.Section:
  """Which modality decides, and what happens when it is dropped."""
  base = parts.Section('dominance', 'Dominance', 4)
  rows = study.tables.get('dominance') or []
  if not rows:
    return dataclasses.replace(
      base, skipped=parts.skipped(study, 4), verdict=parts.verdict(study, 4)
    )
  harm = parts.primary(study, 4)
  modalities = [row for row in rows if row['modality'] != _ANY]
  names = [row['modality'] for row in modalities]
  details = _leader(study, names)
  finding = _finding(study, harm)
  share, shown = _share_figure(study, names)
  harms = parts.each(study, _HARM, 'modality', [r['modality'] for r in rows])
  return dataclasses.replace(
    base,
    verdict=parts.verdict(study, 4, _verdict(study, harm)),
    answer=(f'{finding}.', *details) if finding else details,
    finding=parts.with_p(finding, harm) if finding else details[0],
    details=(
      *(details if finding else details[1:]),
      *parts.skip_notes(
        study,
        'dominance.causal_share',
        *catalogue.under('dominance.{modality}'),
        modality=_ANY,
      ),
    ),
    primary=parts.primary_row(study, 4, base.title, 'misled − saved'),
    shows={
      'shares': share,
      'harm': _harm_figure(study, harms),
      'share_table': parts.table(study, modalities, _SHARED),
      'harm_table': parts.table(study, rows, _HARMED),
    },
    facts={
      'beside': wording.listing(shown[1:]),
      'shares': share is not None,
      'tested': any(one.p is not None for one in harms.values()),
    },
  )


def _verdict(study: Study, harm: Estimate | None) -> str:
  """How often the model is talked into a mistake, and how often out of one."""
  misled, rescued = _moved(study)
  if None in (harm, misled, rescued):
    return ''
  return (
    f'On {wording.percent(misled.estimate)} of clips one modality talks the '
    f'model into a mistake; on {wording.percent(rescued.estimate)} it saves '
    'the model from one.'
  )


def _moved(study: Study) -> tuple[Estimate | None, Estimate | None]:
  """How often any modality misleads, and how often one rescues."""
  return tuple(
    parts.get(study, f'dominance.{{modality}}.{figure}', modality=_ANY)
    for figure in ('misled', 'rescued')
  )


def _finding(study: Study, harm: Estimate | None) -> str:
  misled, rescued = _moved(study)
  if None in (harm, misled, rescued):
    return ''
  lead = (
    'Where one modality alone speaks for the full view’s label, dropping it '
    f'turns a wrong label right on {wording.share_with_interval(misled)} of '
    f'{wording.plural(misled.n, "clip")}, and a right one wrong on '
    f'{wording.share_with_interval(rescued)}'
  )
  return wording.claim(
    lead,
    harm,
    above=', the former {} more often than the latter',
    below=', the former {} less often than the latter, as it would be in a '
    'model that weighs evidence well',
    whether='whether the former is more frequent',
  )


def _leader(study: Study, names) -> tuple[str, ...]:
  """Who has the largest part, if anybody has, and its shares."""
  rates = parts.each(study, _RATE, 'modality', names)
  most = max(rate.estimate for rate in rates.values())
  leaders = [m for m, rate in rates.items() if rate.estimate > most - _EQUAL]
  rate = rates[leaders[0]]
  clips = wording.plural(rate.n, 'clip')
  if most == 0:
    return (
      f'On none of {clips} does a modality raise the probability of the full '
      'view’s label.',
    )
  shares = parts.each(study, _CAUSE, 'modality', names)
  written = {
    wording.percent(value)
    for share in shares.values()
    for value in (share.estimate, share.low, share.high)
  }
  if len(shares) == len(names) > 1 == len(written):
    # Who leads where parts are so near to each other is of no meaning.
    return (
      f'{wording.capital(wording.listing(names))} have the same part in the '
      'full view’s label: the Shapley share of each is '
      f'{written.pop()}, to a tenth of a point.',
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
    f'before {_second(rates, leaders[0])}.',
    *_shares(study, leaders[0]),
  )


def _second(rates, leader: str) -> str:
  """'audio with 31.0 %', or several that are equal."""
  others = {m: rate.estimate for m, rate in rates.items() if m != leader}
  most = max(others.values())
  names = [m for m, rate in others.items() if rate > most - _EQUAL]
  return f'{wording.listing(names)} with {wording.percent(most)}'


def _shares(study: Study, leader: str) -> tuple[str, ...]:
  """The leader's share of the cause beside that of its gate."""
  cause, gate = (
    parts.get(study, pattern, modality=leader) for pattern, *_ in _KINDS[:2]
  )
  if cause is None:
    return ()
  if cause.estimate < 0:
    told = 'On the mean over clips it speaks against that label'
  else:
    told = f'Its Shapley share is {wording.percent(cause.estimate)}'
    if wording.is_known(cause.low):
      told += f' {wording.span(cause.low, cause.high)}'
  if gate is not None:
    told += f'; its share of the gates is {wording.share_with_interval(gate)}'
  return (told + '.',)


def _share_figure(study: Study, names) -> tuple[parts.Figure | None, list[str]]:
  """The shares, and which kinds of them there are."""
  full = study.info['full_view']
  found = {
    label: parts.each(study, pattern, 'modality', names)
    for pattern, _, label in _KINDS
  }
  if not found['Shapley']:
    return None, []
  kinds = [(shape, label) for _, shape, label in _KINDS if found[label]]
  drawn = [
    plots.Row(
      label=name,
      marks=tuple(
        parts.mark(
          found[label][name],
          plots.colour(name, full),
          shape=shape,
          label=label * (len(kinds) > 1),
        )
        for shape, label in kinds
        if name in found[label]
      ),
      note=parts.note(found['Shapley'][name]),
    )
    for name in names
  ]
  figure = parts.forest(
    drawn,
    found['Shapley'].values(),
    name='dominance-shares',
    title='Shapley share and share of the gates by modality',
    axis='share, %',
    include=(0,),
  )
  return figure, [label for _, label in kinds]


def _harm_figure(study: Study, harms) -> parts.Figure | None:
  full = study.info['full_view']
  return parts.forest(
    [
      parts.row(
        _words(modality),
        harm,
        _colour(modality, full) or 'ink',
        signed=True,
        faint=not wording.settled(harm),
      )
      for modality, harm in harms.items()
    ],
    harms.values(),
    name='net-harm',
    title='Misled minus rescued clips by dominant modality',
    axis='misled minus rescued, points',
    lines=((0.0, ''),),
  )
