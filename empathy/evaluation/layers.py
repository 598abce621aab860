"""Which layers of an encoder count, where models learned to mix them.

A member has one weight for each layer of a modality, the same for all clips. So
there is nothing to draw groups for: what is told is how members differ. Those
of a seed share most of their training clips, so that their range is no interval
for other training sets.
"""

import numpy as np

from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals


def answer(totals: Totals, plan: Plan) -> Findings:
  """The mean weight of each layer over members, and what these range over.

  Args:
    totals: of nothing that is needed.
    plan: has the sums.

  Returns:
    The table `layers`, where predictions say anything of layers.
  """
  del totals
  rows = [
    {'view': view, 'modality': modality, **row}
    for view in plan.members
    for modality in plan.modalities
    for row in _rows(plan.survey.numbers.get(('layers', view, modality)))
  ]
  return Findings(tables={'layers': rows} if rows else {})


def _rows(sums: np.ndarray | None) -> list[dict[str, float]]:
  """A row for each layer, of sums as `survey` has them."""
  if sums is None:
    return []
  sums = sums.reshape(len(sums), -1)
  sums = sums[1:, sums[0] > 0] / sums[0, sums[0] > 0]
  return [
    {
      'layer': layer,
      'weight': float(own.mean()),
      'least': float(own.min()),
      'most': float(own.max()),
      'num_members': len(own),
    }
    for layer, own in enumerate(sums)
    if len(own)
  ]
