"""Features standardised within each group, without labels.

What a speaker's features have in common is then gone, and with it much of what
makes new speakers hard. It is transductive: a clip's features depend on the
other clips of its group, held-out ones too (not on their labels), and so does
what is predicted for it. A system that meets a speaker for the first time, in
one clip, cannot do this.
"""

from collections.abc import Mapping

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpora

# 'members': by each member's training clips only, when it reads them.
KINDS = ('members', 'group')
_LEAST_CLIPS = 2


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
    group (all their steps, for sequences).

  Raises:
    InputError: a group has a modality in one clip only, which would become 0.
  """
  if kind != 'group':
    return dict(features)
  names, group = np.unique(groups, return_inverse=True)
  result, faults = {}, []
  for modality, feature in features.items():
    clips = np.bincount(group[feature.clip], minlength=len(names))
    alone = np.flatnonzero((clips > 0) & (clips < _LEAST_CLIPS))
    if len(alone):
      faults.append(
        f"config.normalise: 'group' needs {_LEAST_CLIPS} clips or more of a "
        f'group; {len(alone)} groups have one clip with {modality}, the first '
        f'is {names[alone[0]]!r}'
      )
      continue
    row_group = group[feature.clip]
    if feature.length is not None:
      row_group = np.repeat(row_group, feature.length)
    values = feature.values.astype(np.float64)
    count = np.maximum(np.bincount(row_group, minlength=len(names)), 1)[:, None]

    def mean(x, row_group=row_group, count=count):
      total = np.zeros((len(names), x.shape[1]))
      np.add.at(total, row_group, x)
      return total / count

    values -= mean(values)[row_group]
    values /= np.sqrt(mean(values**2))[row_group] + 1e-6
    result[modality] = corpora.Features(
      feature.clip, values.astype(np.float32), feature.length
    )
  errors.raise_faults(faults)
  return result
