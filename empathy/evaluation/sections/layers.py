"""Which layers of encoders count in the mix that models learned."""

import collections
from collections.abc import Mapping, Sequence

from empathy.evaluation import plots, wording
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# How far the marks of one view stand beside those of the next, in layers.
_APART = 0.16

_Rows = Sequence[parts.Record]


def told(study: Study, full: str) -> tuple[str, ...]:
  """The layer of each modality that counts most, in the widest view."""
  sentences = []
  for modality, by_view in _found(study).items():
    view, rows = list(by_view.items())[-1]
    best = max(rows, key=lambda row: row['weight'])
    which = 'the full view' if view == full else view
    sentences.append(
      f'Of {modality}’s {len(rows)} layers, number {best["layer"]} counts most '
      f'in {which}: {wording.percent(best["weight"])} of the mix, '
      f'{wording.percent(best["least"])} to {wording.percent(best["most"])} in '
      f'{wording.plural(best["num_members"], "member")}; alike, each would '
      f'have {wording.percent(1 / len(rows))}.'
    )
  return tuple(sentences)


def figure(study: Study, full: str) -> parts.Figure | None:
  """A panel for each modality, with the views that see it."""
  found = _found(study)
  if not found:
    return None
  every = [rows for views in found.values() for rows in views.values()]
  highest = max(row['most'] for rows in every for row in rows)
  limits = (0.0, min(1.0, 1.08 * highest))
  panels = [
    _panel(modality, by_view, full, limits)
    for modality, by_view in found.items()
  ]
  return parts.Figure(tuple(panels), columns=1)


def _found(study: Study) -> dict[str, dict[str, _Rows]]:
  """The rows of each modality and view, narrow views first."""
  found: dict[str, dict[str, list]] = collections.defaultdict(dict)
  for row in study.tables.get('layers') or []:
    if not all(wording.is_known(row[x]) for x in ('weight', 'least', 'most')):
      continue
    found[row['modality']].setdefault(row['view'], []).append(row)
  return found


def _panel(
  modality: str,
  by_view: Mapping[str, _Rows],
  full: str,
  limits: tuple[float, float],
) -> str:
  shift = [_APART * (i - (len(by_view) - 1) / 2) for i in range(len(by_view))]
  rows = next(iter(by_view.values()))
  series = []
  for (view, own), apart in zip(by_view.items(), shift, strict=True):
    series.append(
      plots.Series(
        label=view,
        xs=[row['layer'] + apart for row in own],
        ys=[row['weight'] for row in own],
        lows=[row['least'] for row in own],
        highs=[row['most'] for row in own],
        colour=plots.colour(view, full),
      )
    )
  described = '; '.join(
    f'{view}: '
    + ', '.join(f'{r["layer"]} {wording.percent(r["weight"], 0)}' for r in own)
    for view, own in by_view.items()
  )
  every = max(1, len(rows) // 13)
  return plots.plane(
    series,
    name=f'layers-{modality}',
    title=f'Weight of each layer of {modality}',
    description=described,
    heading=modality,
    x_axis='layer',
    y_axis='weight, %',
    x_limits=(-0.5, len(rows) - 0.5),
    y_limits=limits,
    x_ticks=[(i, str(i)) for i in range(0, len(rows), every)],
    level=1 / len(rows),
  )
