"""Class by class: what is taken for what, and which classes gain."""

import dataclasses
from collections.abc import Iterator, Sequence

from empathy.evaluation import plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# Of more classes a matrix cannot be read.
_MOST = 12
# So many confusions are listed in its stead.
_LISTED = 12
# With more marks than these, only one of each class is drawn.
_MARKS = 60


@dataclasses.dataclass(frozen=True)
class _Kind:
  """Whose figures they are, views' or people's.

  Attributes:
    part: what a figure is of, 'view' or 'condition'.
    confusion: the table of what is taken for what.
    said: its column of what a clip is called.
    number: its columns of how often, one of which it has.
    figure: the entry of the figure by class.
    gains: the table of the gains by class.
    gain: their entry.
    best: the column of what is gained over.
  """

  part: str
  confusion: str
  said: str
  number: tuple[str, ...]
  figure: str
  gains: str
  gain: str
  best: str


_VIEWS = _Kind(
  'view',
  'confusion',
  'predicted',
  ('num_clips',),
  'views.{view}.f1_of.{class}',
  'class_gains',
  'views.full_minus_best_single.f1_of.{class}',
  'best_single',
)
_HUMANS = _Kind(
  'condition',
  'human_confusion',
  'vote',
  ('num_votes', 'num_clips'),
  'humans.{condition}.accuracy_of.{class}',
  'human_class_gains',
  'humans.full_minus_best.accuracy_of.{class}',
  'best_other',
)


def of_views(study: Study) -> dict[str, parts.Figure | parts.Table | None]:
  """What the section on views shows of classes."""
  full, of = study.info['full_view'], _view(study)
  rows = study.tables.get('confusion') or []
  views = dict.fromkeys(row['view'] for row in rows)
  shown = [v for v in views if v in (*study.info['single_views'], full, of)]
  found = _shows(study, _VIEWS, shown, of, full)
  rows = [r for r in study.tables.get('classes') or [] if r['view'] == of]
  columns = (
    parts.text_column('class'),
    parts.count_column('support', 'clips'),
    *parts.plain('views.{view}', 'recall_of.{class}', 'precision_of.{class}'),
    parts.Of(_VIEWS.figure),
    *_gained(_VIEWS),
  )
  return found | {'classes': _table(study, _VIEWS, rows, columns)}


def of_humans(study: Study) -> dict[str, parts.Figure | parts.Table | None]:
  """What the section on humans shows of classes."""
  rows = study.tables.get('human_classes') or []
  full = str(study.info.get('full_condition'))
  found = _shows(study, _HUMANS, _conditions(study), full, full)
  columns = (
    parts.text_column('class'),
    parts.Column('clips', lambda r: wording.count(r['num_clips'])),
    parts.Of(_HUMANS.figure),
    *_gained(_HUMANS),
  )
  rows = [row for row in rows if row['condition'] == full]
  return found | {'classes': _table(study, _HUMANS, rows, columns)}


def views_told(study: Study) -> Iterator[str]:
  """The commonest confusion of the full view, and which classes gain."""
  full = study.info['full_view']
  yield from _confusion_told(
    study,
    _VIEWS,
    full,
    study.info['single_views'],
    wording.capital(parts.full_view(study)),
    'it calls {share} of the clips labelled {label} so',
  )
  yield from _gain_told(
    study, _VIEWS, 'In F1, the full view', 'the best single view'
  )


def humans_told(study: Study) -> Iterator[str]:
  """The commonest confusion of people, and which classes gain."""
  full = str(study.info.get('full_condition'))
  yield from _confusion_told(
    study,
    _HUMANS,
    full,
    [name for name in _conditions(study) if name != full],
    f'Given {full}, the crowd',
    'so say {share} of votes on clips labelled {label}',
  )
  yield from _gain_told(
    study,
    _HUMANS,
    f'In votes equal to the label, {full}',
    'the best other condition',
  )


def facts(study: Study) -> dict[str, object]:
  """What the captions of classes ask for."""
  return {
    'valued': parts.has_values(study),
    'view_of_classes': 'the full view'
    if (view := _view(study)) == study.info['full_view']
    else view,
    'view_gains': bool(study.tables.get(_VIEWS.gains)),
    'human_gains': bool(study.tables.get(_HUMANS.gains)),
  }


def _view(study: Study) -> str:
  """The view whose classes are in figures: the full one, or else the first."""
  known = [row['view'] for row in study.tables.get('confusion') or []]
  full = study.info['full_view']
  return full if full in known or not known else known[0]


def _conditions(study: Study) -> list[str]:
  rows = study.tables.get('human_classes') or []
  return list(dict.fromkeys(row['condition'] for row in rows))


def _gained(kind: _Kind) -> tuple[parts.Column | parts.Of, ...]:
  """The columns of what is gained, and over what."""
  return (
    parts.Of(kind.gain, p=True),
    parts.text_column(
      kind.best, 'over', show=lambda best: best or wording.MISSING
    ),
  )


def _table(
  study: Study,
  kind: _Kind,
  rows: Sequence[parts.Record],
  columns: Sequence[parts.Column | parts.Of],
) -> parts.Table | None:
  """A row for each class; none where classes are steps of a scale."""
  if parts.has_values(study):
    return None
  best = {
    row['class']: row[kind.best] for row in study.tables.get(kind.gains) or []
  }
  return parts.table(
    study,
    [{**row, kind.best: best.get(row['class'])} for row in rows],
    columns,
  )


def _shows(
  study: Study, kind: _Kind, shown: Sequence[str], of: str, full: str
) -> dict[str, parts.Figure | parts.Table | None]:
  """Matrices, or the commonest confusions; and a figure of each class."""
  classes = [str(name) for name in study.info['classes']]
  few, valued = len(classes) <= _MOST, parts.has_values(study)
  return {
    'confusion': _matrices(study, kind, shown, classes) if few else None,
    'confused': None if few or valued else _confused(study, kind, shown, of),
    'by_class': None if valued else _dots(study, kind, shown, of, full),
  }


def _matrices(
  study: Study, kind: _Kind, shown: Sequence[str], classes: Sequence[str]
) -> parts.Figure | None:
  found = {
    (row[kind.part], row['label'], row[kind.said]): row['share']
    for row in study.tables.get(kind.confusion) or []
  }
  if not found:
    return None
  return parts.Figure(
    tuple(
      plots.matrix(
        classes,
        [[found.get((one, a, b)) for b in classes] for a in classes],
        name=f'{kind.confusion}-{i}'.replace('_', '-'),
        title=f'Of clips of each label, what share {one} calls what, %',
        heading=one,
        across='called',
      )
      for i, one in enumerate(shown)
    ),
    columns=_columns(len(shown), len(classes)),
  )


def _columns(num_panels: int, num_classes: int) -> int:
  """How many matrices stand beside each other."""
  if num_classes > 6:
    return 2
  if num_classes > 4 or num_panels not in (4, 7, 8):
    return 3 if num_panels > 2 else 2
  return 4


def _confusions(
  kind: _Kind, rows: Sequence[parts.Record]
) -> list[tuple[float, parts.Record]]:
  """What is taken for something else, the commonest first."""
  found = []
  for row in rows:
    number = next(row[name] for name in kind.number if name in row)
    if row['label'] != row[kind.said] and number:
      found.append((number, row))
  return sorted(found, key=lambda one: -one[0])


def _confused(
  study: Study, kind: _Kind, shown: Sequence[str], of: str
) -> parts.Table | None:
  """The commonest confusions of one, and how common they are for the others."""
  rows = study.tables.get(kind.confusion) or []
  shares = {
    (row[kind.part], row['label'], row[kind.said]): row['share'] for row in rows
  }
  own = _confusions(kind, [row for row in rows if row[kind.part] == of])
  votes = bool(rows) and 'num_votes' in rows[0]

  def share_of(one: str) -> parts.Column:
    return parts.Column(
      one,
      lambda r: wording.hundredths(shares.get((one, r['label'], r['said']))),
      '%',
    )

  return parts.table(
    study,
    [
      {'label': row['label'], 'said': row[kind.said], 'number': number}
      for number, row in own[:_LISTED]
    ],
    (
      parts.text_column('label'),
      parts.text_column('said', 'called'),
      parts.Column(
        'votes' if votes else 'clips', lambda r: wording.tally(r['number'])
      ),
      *map(share_of, sorted(shown, key=lambda one: one != of)),
    ),
  )


def _dots(
  study: Study, kind: _Kind, shown: Sequence[str], of: str, full: str
) -> parts.Figure | None:
  classes = [str(name) for name in study.info['classes']]
  if len(classes) * len(shown) > _MARKS:
    shown = [one for one in shown if one == of]
  rows, every = [], []
  for name in classes:
    found = parts.each(study, kind.figure, kind.part, shown, **{'class': name})
    if not found:
      continue
    marks = tuple(
      parts.mark(
        estimate,
        plots.colour(one, full),
        label=one if len(shown) > 1 and not rows else '',
      )
      for one, estimate in found.items()
    )
    note = parts.note(found[of]) if of in found else ''
    rows.append(plots.Row(name, marks, note))
    every += found.values()
  if not rows:
    return None
  voted = kind is _HUMANS
  return parts.forest(
    rows,
    every,
    name='humans-by-class' if voted else 'views-by-class',
    title='Votes equal to the label, by class'
    if voted
    else 'F1 of each class, by view',
    axis='votes equal to the label, %' if voted else 'F1, hundredths',
    bounds=(0, 1),
  )


def _confusion_told(
  study: Study,
  kind: _Kind,
  of: str,
  others: Sequence[str],
  who: str,
  ending: str,
) -> Iterator[str]:
  """The commonest confusion of one, and how common it is for the others."""
  rows = study.tables.get(kind.confusion) or []
  own = _confusions(kind, [row for row in rows if row[kind.part] == of])
  if not own or parts.has_values(study):
    return
  label, said = own[0][1]['label'], own[0][1][kind.said]
  same = {
    row[kind.part]: row['share']
    for row in rows
    if (row['label'], row[kind.said]) == (label, said)
  }
  ending = ending.format(share=wording.percent(same[of]), label=label)
  more = wording.listing(
    f'{one} {wording.percent(same[one])}'
    for one in others
    if wording.is_known(same.get(one))
  )
  more = f' ({more})' if more else ''
  yield f'{who} most often takes {label} for {said}: {ending}{more}.'


def _gain_told(
  study: Study, kind: _Kind, lead: str, best: str
) -> Iterator[str]:
  """On which class the full one gains most, and on which it loses most."""
  found = {}
  for row in study.tables.get(kind.gains) or []:
    estimate = parts.get(study, kind.gain, **{'class': row['class']})
    if estimate is not None:
      found[str(row['class'])] = estimate, row[kind.best]
  if not found or parts.has_values(study):
    return
  settled = [name for name in found if wording.settled(found[name][0])]
  most = max(settled, key=lambda n: found[n][0].estimate, default=None)
  least = min(settled, key=lambda n: found[n][0].estimate, default=None)
  told = []
  if most is not None and found[most][0].estimate > 0:
    gain, over = found[most]
    amount = wording.points_with_interval(gain)
    told.append(f'gains most on {most}, {amount} over {over}')
  if least is not None and found[least][0].estimate < 0:
    loss, to = found[least]
    amount = wording.points_with_interval(wording.mirrored(loss))
    told.append(f'loses most on {least}, {amount} to {to}')
  if not told:
    yield (
      f'{lead} is not shown to be above, or below, {best} for a class on any '
      'of them.'
    )
    return
  left = len(found) - len(settled)
  open_ = f'; on {left} of {len(found)} classes nothing is settled' * bool(left)
  yield f'{lead} {wording.listing(told)}{open_}.'
