"""Controls of question 3: what a method that is fooled would find as well.

Each stands in for the disagreement of single views, or for the votes, and
cannot tell of conflict between modalities.

`seed`: the full view against itself, trained with other seeds. Models of one
recipe differ on clips that are hard to call, which tells something of the votes
that the confidence of one model does not. What views tell counts only beyond
that.

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

from empathy.evaluation import predictions as predictions_lib


def seed(members: np.ndarray, num_views: int) -> tuple[np.ndarray, np.ndarray]:
  """Some seeds of the full view as its single views, the others as itself.

  As many seeds are held out as there are single views, but no more than about a
  third of them, or two. Each of them gives its label, as a single view does;
  the mean of the other seeds is the full view, the reference. As a mean of
  fewer seeds than the full view is, its confidence says less and another seed
  more, so the control finds rather too much: with three seeds by far, with
  more by less. Against the mean of all seeds it would find too little, even
  less than nothing, for that mean holds what the seeds held out know.

  On simulated clips with three single views that were in truth other seeds of
  the full view, these and the control found, in points: 4.4 and 7.2 with three
  seeds, 2.3 and 3.9 with five, 1.6 and 2.9 with eight, where two seeds differed
  on 7 % of the clips; 11.0 and 13.5, 7.4 and 8.2, 5.6 and 6.5 where on 13 %.
  Two seeds leave one to hold out, too few there: 12.8 and 10.8.

  Args:
    members: (S, n, C) probabilities of the seeds, two or more.
    num_views: how many single views there are.

  Returns:
    (S, n) bool, whether a seed held out differs from the reference; and the
    references (S, n, C). A row for each run of neighbours, in a circle, that is
    held out, so that every seed is held out as often.
  """
  num_seeds = len(members)
  third = (num_seeds + 1) // 3
  held_out = min(num_views, max(third, 2), num_seeds - 1)
  reference = np.zeros_like(members)
  for step in range(held_out, num_seeds):
    reference += np.roll(members, -step, axis=0)
  reference /= num_seeds - held_out
  said = predictions_lib.predicted_class(reference)
  labels = predictions_lib.predicted_class(members)
  differ = np.zeros(labels.shape, bool)
  for step in range(held_out):
    differ |= np.roll(labels, -step, axis=0) != said
  return differ, reference


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
