"""Reliability: how often views are right, by how confident they are."""

from collections.abc import Mapping, Sequence

import numpy as np

from empathy.evaluation import plots, views, wording
from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import parts
from empathy.evaluation.study import Study

# Of fewer answers a seed, a share is off by more than 11 points as a rule.
FEW = 20


def figure(
  study: Study, accuracy: Mapping[str, Estimate], full: str
) -> parts.Figure | None:
  """A panel for each view that has confidences; None without any."""
  curves = study.curves.get('reliability') or {}
  shown = [view for view in accuracy if view in curves]
  if not shown:
    return None
  return parts.Figure(
    tuple(
      _panel(
        view,
        curves[view],
        FEW * study.info['seeds'].get(view, 1),
        plots.colour(view, full),
        f'reliability-{i}',
      )
      for i, view in enumerate(shown)
    ),
    columns=4 if len(shown) in (4, 7, 8) else 3,
    clips=parts.n_of(accuracy[view].n for view in shown),
  )


def _panel(
  view: str,
  curve: Mapping[str, Sequence[float]],
  enough: int,
  colour: str,
  name: str,
) -> str:
  """The panel of a view; bins of fewer than `enough` answers are rings."""
  count = np.array(curve['count'])
  width = 1 / views.NUM_BINS
  left = views.bin_of(np.array(curve['confidence'])) * width
  series = plots.Series(
    label='',
    xs=curve['confidence'],
    ys=curve['accuracy'],
    colour=colour,
    rings=(count < enough).tolist(),
    bars=[
      (float(x), float(x) + width, float(height))
      for x, height in zip(left, count / count.max(), strict=True)
    ],
  )
  described = '; '.join(
    f'confidence {wording.percent(x, 0)}, right {wording.percent(y, 0)}, '
    f'{wording.percent(n, 0)} of answers'
    for x, y, n in zip(
      curve['confidence'], curve['accuracy'], count / count.sum(), strict=True
    )
  )
  return plots.plane(
    [series],
    name=name,
    title=f'Reliability of the view {view}',
    description=described,
    heading=view,
    x_axis='confidence, %',
    y_axis='right, %',
    x_limits=(0, 1),
    y_limits=(0, 1),
    diagonal=True,
  )
