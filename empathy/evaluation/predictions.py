"""Predictions of all trained members, and what their rows say at once."""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

import numpy as np


class Kind(enum.StrEnum):
  """What a table of predictions says of a clip.

  PROBABILITIES of all classes; LABELS, one class; SCORES, a number on the scale
  of a corpus with values; SAMPLES, one class or number for each of several
  answers of the same model. An answer is a member then, as a seed is: its label
  has all of the probability, and shares of few answers are no probabilities. A
  score is put between the two values that it lies between, so that their mean
  is the score, and the likelier one its class.
  """

  PROBABILITIES = 'probabilities'
  LABELS = 'labels'
  SCORES = 'scores'
  SAMPLES = 'samples'


@dataclasses.dataclass(frozen=True)
class Predictions:
  """Predictions of all members; N clips in the corpus' order, C classes.

  A member predicts a clip with what the view and the clip have in common. That
  row is in `probabilities`; every row is in `subsets`, by what was shown.

  Attributes:
    views: the views that have predictions of their own, narrow ones first.
    seeds: by view, (S,) int64, ascending; of samples, see `member`.
    probabilities: by view, (S, N, C) float64, NaN where there is no row; they
      sum to 1.
    subsets: by view and what was shown, likewise.
    folds: by view, (S, N) int32, the fold that a clip was held out in, 0 where
      the table does not say; -1 where there is no row.
    gates: by view and modality, (S, N) float64; only those in the table.
    attention: likewise.
    num_rows: rows of the table.
    kind: what the table says.
    asked: by view, (S, N) bool, whether there is a row, be it one without an
      answer; empty where every row has one by its kind.
    layers: by view and modality, (S, N, L) float64, how much each layer of an
      encoder counts; only those in the table.
  """

  views: tuple[str, ...]
  seeds: Mapping[str, np.ndarray]
  probabilities: Mapping[str, np.ndarray]
  subsets: Mapping[tuple[str, str], np.ndarray]
  folds: Mapping[str, np.ndarray]
  gates: Mapping[str, Mapping[str, np.ndarray]]
  attention: Mapping[str, Mapping[str, np.ndarray]]
  num_rows: int
  kind: Kind = Kind.PROBABILITIES
  asked: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  layers: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(
    default_factory=dict
  )


# A member of samples is a seed and a sample, which is less than this.
MOST_SAMPLES = 1 << 20


def member(seed: np.ndarray, sample: np.ndarray) -> np.ndarray:
  """The number of the member that gives a sample of a seed."""
  return seed * MOST_SAMPLES + sample


def mean_over_seeds(probabilities: np.ndarray) -> np.ndarray:
  """The mean over the seeds that predict a clip.

  Args:
    probabilities: (S, N, C), NaN where a seed has no row.

  Returns:
    (N, C), NaN where no seed has a row.
  """
  there = ~np.isnan(probabilities[..., 0])
  count = there.sum(axis=0)
  total = np.where(there[..., None], probabilities, 0).sum(axis=0)
  return np.where(
    count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan
  )


def predicted_class(probabilities: np.ndarray) -> np.ndarray:
  """The likeliest class, the first of equals; -1 where there is no row.

  Args:
    probabilities: (..., C).

  Returns:
    (...) int64.
  """
  there = ~np.isnan(probabilities[..., 0])
  return np.where(there, np.argmax(probabilities, axis=-1), -1)


def common(predictions: Predictions, views: Sequence[str]) -> np.ndarray:
  """The clips that every seed of all of `views` predicts: (N,) bool."""
  there = [
    ~np.isnan(predictions.probabilities[view][..., 0]).any(axis=0)
    for view in views
  ]
  return np.all(there, axis=0)
