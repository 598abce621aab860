"""How confident the full view is, and bins of it that hold it nearly equal."""

import dataclasses

import numpy as np

from empathy.evaluation import cells
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation.findings import Estimate
from empathy.evaluation.predictions import Kind
from empathy.evaluation.totals import DECIMALS, MANY_CLIPS

# The grid that confidence is put on where it has too many values.
_DOUBT = cells.near_zero(1.0, 4_096)
# Confidence that takes so many values or fewer is none.
_HANDFUL = 5
# Why nothing is said of confidence, by what predictions say.
LABELS_ALONE = {
  Kind.LABELS: 'Predictions are labels without probabilities, so that nothing '
  'is said of confidence.',
  Kind.SCORES: 'Predictions are scores without probabilities, so that nothing '
  'is said of confidence.',
  Kind.SAMPLES: 'Predictions are samples of answers, whose shares are no '
  'probabilities, so that nothing is said of confidence.',
}
# Bins of confidence in each predicted class; up to so many clips, twentieths.
NUM_STRATA = 20
_TWENTIETHS = 5_000


@dataclasses.dataclass(frozen=True)
class Histogram:
  """How many clips have each value of confidence.

  Attributes:
    values: (m,) float64, ascending.
    number: (m,) float64.
    coarse: whether values are on a grid, for there were too many.
  """

  values: np.ndarray
  number: np.ndarray
  coarse: bool = False

  def __add__(self, other: 'Histogram') -> 'Histogram':
    """That of the clips of both."""
    values, place = np.unique(
      np.concatenate([self.values, other.values]), return_inverse=True
    )
    number = np.bincount(
      place, np.concatenate([self.number, other.number]), len(values)
    )
    coarse = self.coarse or other.coarse
    if coarse or len(values) > MANY_CLIPS:
      values, place = np.unique(on_grid(values), return_inverse=True)
      number = np.bincount(place, number, len(values))
      coarse = True
    return Histogram(values, number, coarse)


def enough(number: int, there: float) -> bool:
  """Whether the top probability is a confidence, and not a mere label.

  Labels written as 0 and 1, or by a handful of numbers, have no confidence that
  could be judged, ranked by or held equal. A handful is few beside the clips.

  Args:
    number: how many values the top probability takes, but for rounding.
    there: how many predictions there are.
  """
  return number > _HANDFUL or 4 * number > there


def too_few(number: int, whose: str = '') -> str:
  """The reason, in a sentence, to skip what rests on confidence.

  Args:
    number: how many values the top probability takes.
    whose: it is, if not that of every seed.
  """
  values = f'{number} values' if number > 1 else 'one value'
  return (
    f'The top probability{whose} takes {values} only, so that there is no '
    'confidence to speak of.'
  )


def histogram(values: np.ndarray) -> Histogram:
  """That of values (n,)."""
  values, number = np.unique(values, return_counts=True)
  found = Histogram(values, number.astype(np.float64))
  return found + Histogram(np.empty(0), np.empty(0))


def on_grid(confidence: np.ndarray) -> np.ndarray:
  """What stands for (n,) float64 from 0 to 1 on the grid of doubt."""
  return 1 - _DOUBT.on(1 - confidence)


@dataclasses.dataclass(frozen=True)
class Bins:
  """Bins of confidence of equal number, by rank, ties together.

  Attributes:
    starts: (B,) float64, ascending, the least confidence of each bin.
    bins: (B,) int64, which they are; some may be empty.
    num_bins: how many there are with the empty ones.
    coarse: whether confidence is on a grid.
  """

  starts: np.ndarray
  bins: np.ndarray
  num_bins: int
  coarse: bool

  def bin_of(self, confidence: np.ndarray) -> np.ndarray:
    """The bin of (...) float64: (...) int64, without meaning for NaN."""
    if self.coarse:
      confidence = on_grid(confidence)
    place = np.searchsorted(self.starts, confidence, side='right') - 1
    return self.bins[np.clip(place, 0, len(self.bins) - 1)]


@dataclasses.dataclass(frozen=True)
class Strata(Bins):
  """Predicted class x bin of confidence, by rank.

  Within a twentieth, less confidence still goes with more disagreement and more
  uncertain votes. On simulated clips whose disagreement told nothing beyond
  confidence, the adjusted difference was .001 (of a raw one of .11 to .21):
  nothing against its error with 1,000 clips (rejected 4.4 to 5.6 % at 5 %), but
  much with 50,000 (19 %). So beyond 5,000 clips bins are finer, with the fourth
  root of their number, by which the bias keeps step with the error. Clips of
  equal confidence share a bin.

  Attributes:
    num_values: how many values confidence takes, but for rounding.
    num_clips: how many clips there are.
  """

  num_values: int
  num_clips: int

  def too_coarse(self, whose: str = 'The full view’s') -> str:
    """Why clips of like confidence cannot be found; '' if they can.

    Predictions of 0 and 1 alone, say, are all of like confidence, so that
    strata of confidence adjust for nothing.

    Args:
      whose: confidence it is, if not that of the seeds' mean.

    Returns:
      A sentence if confidence has fewer values than there are bins of it.
    """
    number = self.num_values
    if number >= min(NUM_STRATA, self.num_clips / 2):
      return ''
    return (
      f'{whose} confidence takes {number} '
      f'{"value" if number == 1 else "values"} only, so that clips of like '
      'confidence cannot be told from others.'
    )

  def noted(self, estimate: Estimate) -> Estimate:
    """Says in `method` of a figure within strata if they are of a grid."""
    return cells.noted(estimate, None if self.coarse else 0, 'confidence')

  def of(self, probabilities: np.ndarray) -> np.ndarray:
    """The stratum of (..., C) probabilities: (...) int64, -1 where NaN."""
    predicted = predictions_lib.predicted_class(probabilities)
    own = self.bin_of(probabilities.max(axis=-1))
    return np.where(predicted >= 0, predicted * self.num_bins + own, -1)


def bins(found: Histogram, num_bins: int) -> Bins:
  """So many bins of clips whose confidence is so distributed."""
  below = np.cumsum(found.number) - found.number
  place = (num_bins * below // found.number.sum()).astype(np.int64)
  first = np.flatnonzero(np.diff(place, prepend=-1))
  return Bins(found.values[first], place[first], num_bins, found.coarse)


def strata(found: Histogram) -> Strata:
  """The strata of clips whose confidence is so distributed; of one at least."""
  number = round(float(found.number.sum()))
  finer = max(1.0, number / _TWENTIETHS) ** 0.25
  return Strata(
    **vars(bins(found, int(NUM_STRATA * finer))),
    num_values=len(np.unique(np.round(found.values, DECIMALS))),
    num_clips=number,
  )
