"""Controls of question 3: what a method that is fooled would find as well.

Each stands in for the disagreement of single views, or for the votes, and
cannot tell of conflict between modalities.

`seed`: the full view's other seeds, as many as there are single views. Models
of one recipe differ on clips that are hard to call, which tells something of
the votes that the confidence of one model does not. What views tell counts only
beyond that; both are in `ambiguity.matched`, for they share their references.

`constant`: a view that always says the class that the full view says most. It
disagrees wherever the full view says another class, and there annotators may
well differ more. Its adjusted difference does not exist, because strata hold
the full view's label and leave it nothing.

`noise`: views that say each class as often as the single views do, at random.
Its raw difference is that between classes which are said often and rarely. The
adjusted one is zero, unless views are missing where annotators differ more.

`permuted`: the votes, permuted among clips of the same group and stratum. The
raw difference is what confidence and groups alone give. The adjusted one is
what groups alone give: not zero where views disagree more on just those
speakers on whom annotators do.
"""

import numpy as np


def constant(predicted: np.ndarray) -> np.ndarray:
  """Where the full view's class (n,) is not its most frequent: (n,) bool."""
  return predicted != np.argmax(np.bincount(predicted))


def noise(
  predicted: np.ndarray, labels: np.ndarray, num_classes: int
) -> np.ndarray:
  """The chance that some view differs which says its classes at random.

  Args:
    predicted: (n,) int, the full view's class.
    labels: (V, n) int, the single views' classes; negative where a view does
      not predict the clip.
    num_classes: C.

  Returns:
    (n,) float64, the mean over all that may be drawn with the frequencies of
    each view's classes.
  """
  agree = np.ones(len(predicted))
  for said in labels:
    there = said >= 0
    count = np.bincount(said[there], minlength=num_classes)
    share = count / max(there.sum(), 1)
    agree *= np.where(there, share[predicted], 1)
  return 1 - agree


def permuted(
  values: np.ndarray, stratum: np.ndarray, group: np.ndarray
) -> np.ndarray:
  """The mean over permutations of values within group and stratum.

  Cells of group and stratum hold a clip or two, which leaves nothing to
  permute. So effects of strata and groups are taken to add up, and what is
  left of the values is permuted within groups (Freedman and Lane 1983, J. Bus.
  Econ. Stat. 1:292); its mean is zero. One n-th of what a clip has of its own
  stays in the mean of its group of n clips.

  Args:
    values: (n,) float64.
    stratum: (n,) int, not negative.
    group: (n,) int, not negative; all one if there are no groups.

  Returns:
    (n,) float64: the mean of the stratum, and the mean of what is left in the
    group.
  """

  def means(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    count = np.maximum(np.bincount(place), 1)
    return (np.bincount(place, values) / count)[place]

  by_stratum = means(values, stratum)
  return by_stratum + means(values - by_stratum, group)
