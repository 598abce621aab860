"""Features standardised within each group, without labels.

What a speaker's features have in common is then gone, and with it much of what
makes new speakers hard. It is transductive: a clip's features depend on the
other clips of its group, held-out ones too (not on their labels), and so does
what is predicted for it. A system that meets a speaker for the first time, in
one clip, cannot do this.
"""

import logging
from collections.abc import Mapping

import numpy as np

from empathy.corpora import corpus as corpora

# 'members': by each member's training clips only, when it reads them.
KINDS = ('members', 'group')

_log = logging.getLogger('empathy')


def normalised(
  features: Mapping[str, corpora.Features], groups: np.ndarray, kind: str
) -> dict[str, corpora.Features]:
  """Standardises each feature within each group, if `kind` is 'group'.

  Args:
    features: by modality.
    groups: (N,) of the clips.
    kind: one of `KINDS`.

  Returns:
    The features, x -> (x - mean) / (deviation + 1e-6), over all clips of the
    group (all their steps, for sequences). A clip that is alone with the
    modality in its group would become 0: it is standardised by all clips.
  """
  if kind != 'group':
    return dict(features)
  names, group = np.unique(groups, return_inverse=True)
  result = {}
  for modality, feature in features.items():
    own = group[feature.clip]
    row_group = own
    if feature.length is not None:
      row_group = np.repeat(own, feature.length)
    alone = np.bincount(own, minlength=len(names)) == 1
    if alone.any():
      _log.warning(
        'normalise: %d of %d groups have one clip with %s, which is '
        'standardised by all clips',
        alone.sum(),
        len(names),
        modality,
      )
    values = feature.values.astype(np.float64)
    result[modality] = corpora.Features(
      feature.clip,
      np.where(
        alone[row_group, None],
        _standardised(values, np.zeros_like(row_group)),
        _standardised(values, row_group),
      ).astype(np.float32),
      feature.length,
    )
  return result


def _standardised(values: np.ndarray, group: np.ndarray) -> np.ndarray:
  """Less the mean of the row's group, over its deviation: (rows, D)."""
  count = np.maximum(np.bincount(group), 1)[:, None]

  def mean(x: np.ndarray) -> np.ndarray:
    total = np.zeros((len(count), x.shape[1]))
    np.add.at(total, group, x)
    return (total / count)[group]

  values = values - mean(values)
  return values / (np.sqrt(mean(values**2)) + 1e-6)
