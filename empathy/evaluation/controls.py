"""Controls of question 3: what a method that is fooled would also find.

Each is put where the single views' disagreement is put, or where the votes are,
and cannot tell of conflict between modalities:

`seed`: the full view against itself, trained with other seeds. Models of one
recipe differ on clips that are hard to call, and that tells something of the
votes which one model's confidence does not. What views find counts only beyond
that.

`constant`: a view that always says the class that the full view says most. It
disagrees wherever the full view says another class, and there annotators may
well differ more. Its adjusted difference does not exist, since strata hold the
full view's label; one that did would say that they do not.

`noise`: views that say the single views' classes as often, at random. Its raw
difference is that of classes that are predicted rarely; the adjusted one is
zero, unless single views are missing where annotators differ more.

`permuted`: the votes of clips of the same group and stratum, permuted. Its raw
difference is what confidence and groups alone give. The adjusted one is what
groups alone give: other than zero where views disagree more on just those
speakers on whom annotators do.
"""

import numpy as np

from empathy.evaluation import predictions as predictions_lib


def seed(
  members: np.ndarray, num_views: int
) -> tuple[np.ndarray, np.ndarray]:
  """The full view's seeds as its single views: some against the mean of others.

  As many seeds are held out as there are single views, but no more than half of
  them (of three, two); each gives its label, as a single view does, and the
  mean of the other seeds is the full view. As this reference is a mean of fewer
  seeds than the full view, its confidence says less and other seeds say more:
  the control errs on the side of finding much. Compared with the full view of
  all seeds it would be the other way round, since these hold what the seeds
  that are held out know.

  On simulated clips whose single views were in truth other seeds of the full
  view, three views found 4.4, 2.4 and 2.3 points with 3, 5 and 6 seeds, this
  control 7.3, 3.8 and 4.2 (seeds of a pair differ on 7 to 9 % of clips); with
  16 % of such differences, 11.1, 7.4 and 6.9 against 13.5, 8.3 and 9.4.

  Args:
    members: (S, n, C) probabilities of the seeds, of two or more.
    num_views: how many single views there are.

  Returns:
    (S, n) bool, whether a seed held out differs from the reference, and
    (S, n, C) the reference: a row for each seed that begins a run of them, in
    a circle, that are held out. O(S n C) for each that is.
  """
  num_seeds = len(members)
  held = min(num_views, max(num_seeds // 2, 2), num_seeds - 1)
  labels = predictions_lib.predicted_class(members)
  out = np.stack([np.roll(members, -k, axis=0) for k in range(held)])
  # Probabilities add up alike whatever their order but for rounding, which may
  # break a tie: as many as all, less those held out, are not summed anew.
  reference = np.stack(
    [np.roll(members, -k, axis=0) for k in range(held, num_seeds)]
  ).mean(axis=0)
  del out
  said = predictions_lib.predicted_class(reference)
  differ = np.zeros(labels.shape, bool)
  for k in range(held):
    differ |= np.roll(labels, -k, axis=0) != said
  return differ, reference
