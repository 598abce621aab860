"""Features standardised within each group, without labels; dead columns.

What a speaker's features have in common is then gone, and with it much of what
makes new speakers hard. It is transductive: a clip's features depend on the
other clips of its group, held-out ones too (not on their labels), and so does
what is predicted for it. A system that meets a speaker for the first time, in
one clip, cannot do this.
"""

import dataclasses
import logging
from collections.abc import Mapping

import numpy as np

from empathy.corpora import columns
from empathy.corpora import corpus as corpora

_log = logging.getLogger('empathy')


def normalised(
  features: Mapping[str, corpora.Features], groups: np.ndarray, kind: str
) -> dict[str, corpora.Features]:
  """Standardises each feature within each group, if `kind` is 'group'.

  Args:
    features: by modality.
    groups: (N,) of the clips.
    kind: 'members' or 'group'.

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
    # The encoders of two folds give features that are not alike.
    fold = np.zeros_like(feature.clip) if feature.fold is None else feature.fold
    both = fold * len(names) + group[feature.clip]
    _, own = np.unique(both, return_inverse=True)
    row_fold, row_group = fold, own
    if feature.length is not None:
      row_fold, row_group = (np.repeat(x, feature.length) for x in (fold, own))
    alone = np.bincount(own) == 1
    if alone.any():
      _log.warning(
        'normalise: %d of %d groups have one clip with %s, which is '
        'standardised by all clips',
        alone.sum(),
        len(alone),
        modality,
      )
    values = feature.values.astype(np.float64)
    values = np.where(
      alone[row_group, None],
      _standardised(values, row_fold),
      _standardised(values, row_group),
    ).astype(np.float32)
    result[modality] = dataclasses.replace(feature, values=values)
  return result


def name_dead_columns(corpus: corpora.Corpus) -> None:
  """Warns of columns of which standardising leaves nothing.

  Args:
    corpus: with the features that members will see.
  """
  for modality, feature in corpus.features.items():
    dead = columns.dead(feature.values)
    for numbers, why in (
      (dead.constant, 'one value for all clips'),
      (dead.small, 'they vary by less than 1e-6; give them in larger units'),
      (
        dead.outlying,
        'a few values are so large that all others come out alike; are they '
        'right?',
      ),
      (
        dead.coarse,
        'at their size float32 hardly tells them apart; save them as float64, '
        'or less their mean',
      ),
    ):
      if len(numbers):
        _log.warning(
          '%s.npz: of no use to members: %s of %d: %s',
          corpus.path / 'features' / modality,
          columns.shown(numbers),
          feature.values.shape[1],
          why,
        )


def _standardised(values: np.ndarray, group: np.ndarray) -> np.ndarray:
  """Less the mean of the row's group, over its deviation: (rows, D)."""
  count = np.maximum(np.bincount(group), 1)[:, None]

  def mean(x: np.ndarray) -> np.ndarray:
    total = np.zeros((len(count), x.shape[1]))
    np.add.at(total, group, x)
    return (total / count)[group]

  values = values - mean(values)
  return values / (np.sqrt(mean(values**2)) + 1e-6)
