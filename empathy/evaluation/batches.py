"""Some clips with their votes and what every member predicts of them."""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import draws
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import signals as signals_lib


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
  """A part of a corpus, all of it where it is judged in memory.

  Attributes:
    corpus: N clips.
    predictions: of all members of the study, NaN where there is no row; None in
      a study of the humans alone.
    again: whether clips are there more than once, with and without some votes.
  """

  corpus: corpus_lib.Corpus
  predictions: predictions_lib.Predictions | None = None
  again: bool = False

  @property
  def full(self) -> str:
    """The full view, whether or not it has predictions."""
    return corpus_lib.view_name(self.corpus.modalities)

  @property
  def views(self) -> tuple[str, ...]:
    """Those with predictions."""
    return () if self.predictions is None else self.predictions.views

  @property
  def num_rows(self) -> int:
    """Of the predictions."""
    return 0 if self.predictions is None else self.predictions.num_rows

  @property
  def singles(self) -> list[str]:
    """The views of one modality, beside the full one."""
    return [v for v in self.views if '+' not in v and v != self.full]

  @functools.cached_property
  def keys(self) -> np.ndarray:
    """(N,) uint64, hashes of ids, of which numbers are drawn, see `draws`."""
    return draws.keys(self.corpus.ids, 'votes')

  @functools.cached_property
  def labelled(self) -> np.ndarray:
    """(N,) bool."""
    return self.corpus.labels != corpus_lib.UNLABELLED

  @functools.cached_property
  def means(self) -> Mapping[str, np.ndarray]:
    """By view, (N, C) the mean over seeds, see `mean_over_seeds`."""
    every = {} if self.predictions is None else self.predictions.probabilities
    return {
      view: predictions_lib.mean_over_seeds(p) for view, p in every.items()
    }

  @functools.cached_property
  def labels(self) -> Mapping[str, np.ndarray]:
    """By view, (S, N) int64, the class that each seed gives, -1 if none."""
    every = {} if self.predictions is None else self.predictions.probabilities
    return {
      view: predictions_lib.predicted_class(p) for view, p in every.items()
    }

  @functools.cached_property
  def scores(self) -> Mapping[str, np.ndarray]:
    """By view, (S, N) the expected score; of a corpus with values."""
    every = {} if self.predictions is None else self.predictions.probabilities
    return {view: p @ self.corpus.values for view, p in every.items()}

  @functools.cached_property
  def signals(self) -> Mapping[str, np.ndarray]:
    """By name, (N,); none without predictions of the full view."""
    if self.full not in self.views:
      return {}
    return signals_lib.signals(self.predictions, self.full)

  def common(self, *views: str) -> np.ndarray:
    """(N,) bool, the clips that every seed of the views predicts."""
    return predictions_lib.common(self.predictions, views)

  def with_votes(self, clips: np.ndarray, votes: corpus_lib.Votes) -> 'Batch':
    """Some of the clips, as often as they are named, with votes of their own.

    Args:
      clips: (n,) int, the places of the clips.
      votes: of them.
    """
    corpus, own = self.corpus, self.predictions

    def some(of: np.ndarray | None) -> np.ndarray | None:
      return None if of is None else of[clips]

    def by_view(
      of: Mapping[str, np.ndarray], axis: int
    ) -> dict[str, np.ndarray]:
      return {view: one.take(clips, axis) for view, one in of.items()}

    found = Batch(
      corpus_lib.Corpus(
        corpus.info,
        *map(some, (corpus.ids, corpus.groups, corpus.labels)),
        some(corpus.split),
        some(corpus.fold),
        votes=votes,
        scores=some(corpus.scores),
      ),
      None
      if own is None
      else dataclasses.replace(
        own,
        probabilities=by_view(own.probabilities, 1),
        folds=by_view(own.folds, 1),
        subsets={},
        gates={},
        attention={},
        layers={},
      ),
      again=True,
    )
    # What does not depend on votes is known.
    vars(found).update(
      keys=self.keys[clips],
      means=by_view(self.means, 0),
      labels=by_view(self.labels, 1),
      signals=by_view(self.signals, 0),
    )
    return found


def only(chosen: np.ndarray, columns: np.ndarray) -> np.ndarray:
  """(N, ...) numbers of the clips that are chosen (N,), 0 of the others."""
  shape = len(chosen), *[1] * (columns.ndim - 1)
  return np.where(chosen.reshape(shape), columns, 0)
