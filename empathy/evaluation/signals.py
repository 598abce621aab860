"""Signals of a clip: what predictions alone say of how hard it is.

They never need the label or a vote, so they can be had where a model is used.
"""

import numpy as np
from scipy import special

from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import votes as votes_lib


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
  the mean entropy of its seeds). Divergences and entropies are in nats. Of
  labels without probabilities there is no entropy or divergence; there is
  `labels_gs`, the chance that two of the full view's seeds or samples differ,
  which is unbiased for any number of them, as the entropy of their shares is
  not; and `one_minus_confidence`, of which nothing is said.

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
  bare = predictions.kind is not predictions_lib.Kind.PROBABILITIES
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
    found |= _labels_of_singles(
      labels[full],
      np.stack([labels[view] for view in singles]),
      means[full].shape[-1],
    )
    if not bare:
      found |= _divergences_of_singles(
        means[full], {view: means[view] for view in singles}
      )
  members = predictions.probabilities[full]
  of_full = _of_labels if bare else _of_probabilities
  return found | of_full(members, means[full])


def _of_labels(members: np.ndarray, mean: np.ndarray) -> dict[str, np.ndarray]:
  """The signals of one view that says labels, (S, N, C) and (N, C)."""
  found = {}
  if len(members) > 1:
    said = predictions_lib.predicted_class(members)[..., None]
    counts = (said == np.arange(members.shape[-1])).sum(axis=0)
    found['labels_gs'] = votes_lib.gs(counts)
  return found | {'one_minus_confidence': 1 - mean.max(axis=-1)}


def _of_probabilities(
  members: np.ndarray, mean: np.ndarray
) -> dict[str, np.ndarray]:
  """The signals of one view that says probabilities, (S, N, C) and (N, C)."""
  two = np.sort(mean, axis=-1)[:, -2:]
  found = {
    'entropy': entropy(mean),
    'one_minus_confidence': 1 - two[:, 1],
    'one_minus_margin': 1 - (two[:, 1] - two[:, 0]),
  }
  if len(members) > 1:
    found['seed_mutual_information'] = divergence(members)
  return found


def _labels_of_singles(
  full: np.ndarray, singles: np.ndarray, num_classes: int
) -> dict[str, np.ndarray]:
  """What the classes of single views (V, N) say beside the full one's (N,)."""
  seen = (full >= 0) & (singles >= 0)
  count = seen.sum(axis=0)
  differ = ((singles != full) & seen).any(axis=0)
  said = (singles[..., None] == np.arange(num_classes)) & seen[..., None]
  return {
    'any_disagreement': np.where(count > 0, differ, np.nan),
    'num_unimodal_labels': np.where(
      count > 0, said.any(axis=0).sum(axis=-1), np.nan
    ),
  }


def _divergences_of_singles(
  full: np.ndarray, singles: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
  """How far the means of single views are apart, and from the full one's."""
  found = {}
  if len(singles) > 1:
    found['unimodal_jsd'] = divergence(np.stack(list(singles.values())))
  each = {
    f'{view}_jsd': divergence(np.stack([mean, full]))
    for view, mean in singles.items()
  }
  values = np.stack(list(each.values()))
  count = (~np.isnan(values)).sum(axis=0)
  total = np.where(np.isnan(values), 0, values).sum(axis=0)
  mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
  return found | each | {'full_jsd': mean}


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
