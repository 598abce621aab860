"""Signals of a clip: what predictions alone say of how hard it is.

They never need the label or a vote, so they can be had where a model is used.
"""

import numpy as np
from scipy import special

from empathy.evaluation import predictions as predictions_lib


def signals(
  predictions: predictions_lib.Predictions, full: str
) -> dict[str, np.ndarray]:
  """What the predictions alone, without labels and votes, say of each clip.

  With p_m the mean over seeds of a single view, p_F that of the full one, and
  predicted classes those of these means: `<view>_disagreement` (0 or 1, from
  the full view), `any_disagreement` (of some single view),
  `num_unimodal_labels`, `unimodal_jsd` (generalised Jensen-Shannon divergence
  of the p_m; Lin 1991, IEEE Trans. Inf. Theory 37:145), `<view>_jsd` (of p_m
  and p_F), `full_jsd` (their mean), `entropy`, `one_minus_confidence`,
  `one_minus_margin` (of p_F) and `seed_mutual_information` (entropy of p_F less
  the mean entropy of its seeds). Divergences and entropies are in nats.

  Args:
    predictions: with the full view.
    full: the full view.

  Returns:
    By name, (N,) float64, NaN where a view that is needed does not predict the
    clip. Signals that need a single view, or two seeds, are there only where
    the predictions have such.
  """
  means = {
    view: predictions_lib.mean_over_seeds(probabilities)
    for view, probabilities in predictions.probabilities.items()
  }
  labels = {
    view: predictions_lib.predicted_class(mean) for view, mean in means.items()
  }
  there = labels[full] >= 0
  found = {}
  for view in predictions.views:
    if view != full:
      found[f'{view}_disagreement'] = np.where(
        there & (labels[view] >= 0), labels[view] != labels[full], np.nan
      )
  singles = [
    view for view in predictions.views if view != full and '+' not in view
  ]
  if singles:
    seen = np.stack([there & (labels[view] >= 0) for view in singles])
    count = seen.sum(axis=0)
    guesses = np.stack([labels[view] for view in singles])
    differ = ((guesses != labels[full]) & seen).any(axis=0)
    found['any_disagreement'] = np.where(count > 0, differ, np.nan)
    num_classes = means[full].shape[-1]
    said = (guesses[..., None] == np.arange(num_classes)) & seen[..., None]
    found['num_unimodal_labels'] = np.where(
      count > 0, said.any(axis=0).sum(axis=-1), np.nan
    )
    if len(singles) > 1:
      found['unimodal_jsd'] = divergence(
        np.stack([means[view] for view in singles])
      )
    divergences = [
      divergence(np.stack([means[view], means[full]])) for view in singles
    ]
    for view, values in zip(singles, divergences, strict=True):
      found[f'{view}_jsd'] = values
    seen = ~np.isnan(divergences)
    total = np.where(seen, divergences, 0).sum(axis=0)
    found['full_jsd'] = np.where(
      count > 0, total / np.maximum(seen.sum(axis=0), 1), np.nan
    )
  two = np.sort(means[full], axis=-1)[:, -2:]
  found['entropy'] = entropy(means[full])
  found['one_minus_confidence'] = 1 - two[:, 1]
  found['one_minus_margin'] = 1 - (two[:, 1] - two[:, 0])
  members = predictions.probabilities[full]
  if len(members) > 1:
    found['seed_mutual_information'] = divergence(members)
  return found


def entropy(probabilities: np.ndarray) -> np.ndarray:
  """Shannon's entropy in nats of (..., C); NaN stays."""
  return special.entr(probabilities).sum(axis=-1)


def divergence(distributions: np.ndarray) -> np.ndarray:
  """Generalised Jensen-Shannon divergence, equal weights, in nats.

  Args:
    distributions: (V, N, C), NaN where one is not known.

  Returns:
    (N,) float64: the entropy of the mean of those that are known less their
    mean entropy; NaN where fewer than two are.
  """
  there = ~np.isnan(distributions[..., 0])
  count = there.sum(axis=0)
  each = np.where(there, entropy(distributions), 0).sum(axis=0)
  mixed = entropy(predictions_lib.mean_over_seeds(distributions))
  # Rounding may leave a divergence of equals just below 0.
  gap = np.maximum(mixed - each / np.maximum(count, 1), 0)
  return np.where(count > 1, gap, np.nan)
