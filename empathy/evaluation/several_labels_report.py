"""The report on the studies of several labels, as one page."""

import os
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping

from empathy.evaluation import catalogue, plots, report, units, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.several_labels import Labels

# Of a view: what is averaged over labels, in words. The first one leads.
_FIGURES = {
  'scores.{view}.ccc': 'concordance (CCC)',
  'views.{view}.accuracy': 'accuracy',
  'views.{view}.macro_f1': 'macro F1',
}
# Of people, where there are no predictions.
_AGREEMENT = {
  'humans.{condition}.alpha_interval': 'interval alpha',
  'humans.{condition}.alpha_ordinal': 'ordinal alpha',
  'humans.{condition}.alpha_nominal': 'Krippendorff’s alpha',
  'humans.{condition}.observed_agreement': 'observed agreement',
}
# The first one that there is leads.
_GAINS = {
  'scores.full_minus_{view}.ccc': 'concordance',
  'views.full_minus_{view}.accuracy': 'accuracy',
}
_TITLES = {
  1: 'Views',
  2: 'Disagreement',
  3: 'Ambiguity',
  4: 'Dominance',
  5: 'Humans',
  6: 'Diagnosis',
}
_OF = 'mean over labels of'
_NONE = Estimate(None)


def render(labels: Labels, folder: pathlib.Path = pathlib.Path()) -> str:
  """The report on several labels, as HTML.

  Args:
    labels: what was found.
    folder: where the report will be, from which links start.
  """
  first = next(iter(labels.studies.values()))
  views, (figures, full) = first.info['views'], _asked(labels)
  whose = f'the full view ({full})' if views else f'annotators of {full}'
  info = first.info | {
    'simulated': any(one.info['simulated'] for one in labels.studies.values())
  }
  return report.page(
    'labels.html',
    info,
    facts=[
      ('Labels', wording.listing(labels.studies)),
      ('Clips', wording.count(info['num_clips'])),
      ('Groups', wording.count(info['num_groups'])),
      *([('Views', wording.listing(views))] if views else ()),
    ],
    answer=sentences(labels),
    whose=whose,
    forest=_forest(labels, figures, full),
    labels=_by_label(labels, figures, full, folder),
    means=_means(labels, views, full),
    primaries=_primaries(labels),
  )


def sentences(labels: Labels) -> list[str]:
  """What the mean over labels is, and what of the primaries stands."""
  return list(_answer(labels, *_asked(labels)))


def _asked(labels: Labels) -> tuple[Mapping[str, str], str]:
  """The figures to average, and of which view or condition."""
  info = next(iter(labels.studies.values())).info
  if info['views']:
    return _FIGURES, info['full_view']
  return _AGREEMENT, info['full_condition']


def _of(pattern: str, whose: str) -> str:
  return catalogue.name(pattern, {'view': whose, 'condition': whose})


def _answer(
  labels: Labels, figures: Mapping[str, str], full: str
) -> Iterator[str]:
  """What the mean over labels is, and what of the primaries stands."""
  told = [
    f'{words} is {wording.with_interval(one, catalogue.entry(pattern).unit)}'
    for pattern, words in figures.items()
    if (one := labels.means.get(_of(pattern, full))) is not None
  ]
  if told:
    whose = 'the full view’s' if figures is _FIGURES else 'people’s'
    yield (
      f'In the mean over {len(labels.studies)} labels, {whose} '
      f'{wording.listing(told)}.'
    )
  yield from _gains(labels, full)
  tested = {
    key: one for key, one in labels.primaries.items() if one.p is not None
  }
  if not tested:
    return
  standing: dict[str, list[str]] = {}
  for (label, question), one in tested.items():
    if wording.settled(one):
      standing.setdefault(label, []).append(_TITLES[question])
  listed = wording.listing(
    f'{label} ({wording.listing(titles)})' for label, titles in standing.items()
  )
  number = wording.plural(len(tested), 'primary figure')
  yield (
    f'Of {number} of all labels, corrected together, '
    + (f'there are findings of {listed}.' if listed else 'none is a finding.')
  )


def _gains(labels: Labels, full: str) -> Iterator[str]:
  """The full view against each single one, in the mean over labels."""
  singles = next(iter(labels.studies.values())).info['single_views']
  for pattern, what in _GAINS.items():
    for view in singles:
      one = labels.means.get(_of(pattern, view))
      if one is None:
        continue
      claim = wording.claim(
        f'In that mean, the {what} of the full view',
        one,
        above=f' is above that of {view} by {{}}',
        below=f' is below that of {view} by {{}}',
        whether=f'whether it differs from that of {view}',
        joint=': ',
        unit=catalogue.entry(pattern).unit,
      )
      yield parts.with_p(claim, one)
    if any(_of(pattern, view) in labels.means for view in singles):
      return


def _forest(
  labels: Labels, figures: Mapping[str, str], full: str
) -> parts.Figure | None:
  """The first of the figures that there is: each label's, and the mean."""
  colour = 'full' if figures is _FIGURES else 'humans'
  for pattern, words in figures.items():
    name = _of(pattern, full)
    if name not in labels.means:
      continue
    rows = {
      label: one.statistics[name] for label, one in labels.studies.items()
    }
    mean = labels.means[name]
    return parts.forest(
      [
        *(parts.row(label, one, colour) for label, one in rows.items()),
        parts.row('mean', mean, 'ink'),
      ],
      [*rows.values(), mean],
      name='labels',
      title=f'{wording.capital(words)} by label',
      axis=f'{words}, '
      + ('%' if catalogue.entry(pattern).unit == units.SHARE else 'hundredths'),
    )
  return None


def _cells(
  one: Estimate, unit: units.Unit, p: bool = False
) -> Iterator[parts.Cell]:
  """A figure, its interval, and its p-values where they are asked for."""
  signed = unit.signed
  yield parts.Cell(
    wording.with_unit(one.estimate, unit, signed=signed),
    'number',
    faint=signed and not wording.settled(one),
  )
  yield parts.Cell(wording.ends(one, unit), 'interval')
  if p:
    yield parts.Cell(wording.p_value(one.p), 'p')
    yield parts.Cell(wording.p_value(one.p_adjusted), 'p')


def _header(*headings: str) -> tuple[parts.Cell, ...]:
  kinds = {'95 % interval': 'interval', 'p': 'p', 'adj. p': 'p'}
  kinds |= dict.fromkeys(('label', 'view', 'question', _OF), 'text')
  return tuple(parts.Cell(one, kinds.get(one, 'number')) for one in headings)


def _by_label(
  labels: Labels, figures: Mapping[str, str], full: str, folder: pathlib.Path
) -> parts.Table:
  """A row a label, with a link to its report, and one of their mean."""
  patterns = [one for one in figures if _of(one, full) in labels.means]
  rows = []
  for label, study in labels.studies.items():
    address = os.path.relpath(study.folder / 'report.html', folder)
    link = urllib.parse.quote(pathlib.PurePath(address).as_posix())
    rows.append((parts.Cell(label, href=link), study.statistics))
  rows.append((parts.Cell('mean of labels'), labels.means))
  headings = [part for p in patterns for part in (figures[p], '95 % interval')]
  return parts.Table(
    _header('label', *headings, 'clips'),
    tuple(
      (
        first,
        *(
          cell
          for pattern in patterns
          for cell in _cells(
            statistics.get(_of(pattern, full), _NONE),
            catalogue.entry(pattern).unit,
          )
        ),
        parts.Cell(
          wording.count(
            max((statistics[_of(p, full)].n for p in patterns), default=None)
          ),
          'number',
        ),
      )
      for first, statistics in rows
    ),
  )


def _means(labels: Labels, views: list[str], full: str) -> parts.Table | None:
  """Figures of each view, and the full one minus it, mean over labels."""
  rows = []
  for view in views:
    for pattern in (*_FIGURES, *_GAINS):
      one = labels.means.get(_of(pattern, view))
      if one is None:
        continue
      entry = catalogue.entry(pattern)
      what = _FIGURES.get(pattern, f'full view minus it, {entry.heading}')
      rows.append(
        (
          parts.Cell(view, colour=plots.colour(view, full)),
          parts.Cell(what),
          *_cells(one, entry.unit, p=True),
          parts.Cell(wording.count(one.n), 'number'),
        )
      )
  if not rows:
    return None
  header = _header('view', _OF, 'figure', '95 % interval', 'p', 'adj. p', 'n')
  return parts.Table(header, tuple(rows))


def _primaries(labels: Labels) -> parts.Table | None:
  """The primary figures of every label, corrected together."""
  rows = tuple(
    (
      parts.Cell(label),
      parts.Cell(_TITLES[question]),
      *_cells(
        one,
        catalogue.entry_of(labels.studies[label].primaries[question]).unit,
        p=True,
      ),
    )
    for (label, question), one in labels.primaries.items()
  )
  if not rows:
    return None
  header = _header(
    'label', 'question', 'figure', '95 % interval', 'p', 'adj. p'
  )
  return parts.Table(header, rows)
