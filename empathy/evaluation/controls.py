"""Controls of question 3: what a method that is fooled would find as well.

Each stands in for the disagreement of single views, or for the votes, and
cannot tell of conflict between modalities.

`seed`: the full view's other seeds, as many as there are single views. Models
of one recipe differ on clips that are hard to call, which tells something of
the votes that the confidence of one model does not. What views tell counts only
beyond that; both are in `beyond_seeds`, for they share their references.

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
from scipy import sparse

from empathy.evaluation import totals as totals_lib


def merged(found: totals_lib.Counts) -> sparse.csr_array:
  """Sides, whichever views predict.

  Args:
    found: values and clips by stratum, pattern (which single views predict) and
      side: (2, K, P, 2).

  Returns:
    The matrix of `sides.Sides` of all groups; so do the controls.
  """
  _, num_strata, num_patterns, _ = found.shape
  stay = np.broadcast_to(np.eye(2), (num_strata, num_patterns, 2, 2))
  return _moved(found, stay)


def constant(found: totals_lib.Counts, num_classes: int) -> sparse.csr_array:
  """Where the full view's class is not its most frequent.

  Args:
    found: as of `merged`; strata are C times as many bins of confidence.
    num_classes: C.
  """
  _, num_strata, num_patterns, _ = found.shape
  clips = found.matrix.sum(axis=0).reshape(found.shape)[1]
  common = np.argmax(clips.reshape(num_classes, -1).sum(axis=1))
  other = np.arange(num_strata) // (num_strata // num_classes) != common
  return _by_chance(found, np.tile(other[:, None] * 1.0, (1, num_patterns)))


def noise(found: totals_lib.Counts, labels: np.ndarray) -> sparse.csr_array:
  """The chance that some view differs which says its classes at random.

  It is the mean over all that may be drawn with the frequencies of each view's
  classes.

  Args:
    found: as of `merged`; the bits of a pattern are the single views, in order.
    labels: (V, C), how often each single view says each class.
  """
  _, num_strata, num_patterns, _ = found.shape
  shares = labels / np.maximum(labels.sum(axis=1, keepdims=True), 1)
  predicted = np.arange(num_strata) // (num_strata // labels.shape[1])
  agree = np.ones((num_strata, num_patterns))
  for view, share in enumerate(shares):
    there = np.arange(num_patterns) >> view & 1
    agree *= np.where(there, share[predicted][:, None], 1)
  return _by_chance(found, 1 - agree)


def permuted(matrix: sparse.csr_array, clustered: bool) -> sparse.csr_array:
  """The mean over permutations of values within group and stratum.

  Cells of group and stratum hold a clip or two, which leaves nothing to
  permute. So effects of strata and groups are taken to add up, and what is
  left of the values is permuted within groups (Freedman and Lane 1983, J. Bus.
  Econ. Stat. 1:292); its mean is zero. One n-th of what a clip has of its own
  stays in the mean of its group of n clips. So each clip's value is the mean of
  its stratum, and the mean of what is left in its group.

  Args:
    matrix: (G, 2 x K x 2), as of `sides.Sides`.
    clustered: whether there are groups; all clips are one if not.
  """
  values, clips = (
    matrix[:, part] for part in np.split(np.arange(matrix.shape[1]), 2)
  )

  def by_stratum(sums: sparse.csr_array) -> np.ndarray:
    return sums.sum(axis=0).reshape(-1, 2).sum(axis=1)

  mean = by_stratum(values) / np.maximum(by_stratum(clips), 1)
  expected = clips.multiply(np.repeat(mean, 2)[None]).tocsr()
  left, number = (values - expected).sum(axis=1), clips.sum(axis=1)
  if not clustered:
    left, number = (np.full_like(one, one.sum()) for one in (left, number))
  own = clips.multiply((left / np.maximum(number, 1))[:, None])
  return sparse.hstack([expected + own, clips], format='csr')


def _by_chance(
  found: totals_lib.Counts, chance: np.ndarray
) -> sparse.csr_array:
  """Sides by the chance (K, P) that a clip is on the second one."""
  to = np.stack([1 - chance, chance], axis=-1)
  return _moved(found, np.stack([to, to], axis=2))


def _moved(found: totals_lib.Counts, to: np.ndarray) -> sparse.csr_array:
  """Sides in which a share `to` (K, P, 2, 2) of one side moves to either."""
  from_cell = np.arange(found.matrix.shape[1]).reshape(found.shape)
  _, num_strata, _, _ = found.shape
  to_cell = np.arange(4 * num_strata).reshape(2, num_strata, 1, 1, 2)
  amount, row, column = np.broadcast_arrays(to, from_cell[..., None], to_cell)
  there = amount != 0
  moves = sparse.csr_array(
    (amount[there], (row[there], column[there])),
    shape=(from_cell.size, to_cell.size),
  )
  return found.matrix @ moves
