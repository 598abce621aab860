"""A model of annotators: what votes say of labels, net of what each tends to.

The model of Dawid & Skene (1979, Appl. Stat. 28:20): a clip has one label, and
an annotator who sees it gives each class with chances of his own that depend on
the label alone. Given these chances, votes say how likely each label is. Where
annotators lean or toss coins, that differs from the shares of votes.
"""

import dataclasses

import numpy as np
from scipy import sparse, special

from empathy import errors
from empathy.corpora import corpus as corpus_lib

# A chance that no vote tells of.
_LEAST = 1e-10
_NUM_STEPS = 100
_CLOSE = 1e-6


@dataclasses.dataclass(frozen=True)
class Fitted:
  """What votes say by the model.

  Attributes:
    posterior: (N, C) float64, the chance of each label; that of all clips where
      there are no votes.
    confusion: (A, C, C) float64, the chance that an annotator gives the second
      class where the label is the first.
    prior: (C,) float64.
  """

  posterior: np.ndarray
  confusion: np.ndarray
  prior: np.ndarray

  @property
  def entropy(self) -> np.ndarray:
    """Of the posterior, in nats: (N,)."""
    return special.entr(self.posterior).sum(axis=1)


def fit(
  clip: np.ndarray,
  who: np.ndarray,
  label: np.ndarray,
  count: np.ndarray,
  shape: tuple[int, int, int],
  num_steps: int = _NUM_STEPS,
  close: float = _CLOSE,
) -> Fitted:
  """Fits the model by expectation and maximisation, from the shares of votes.

  Args:
    clip: (V,) int, of each vote,
    who: (V,) int, its annotator,
    label: (V,) int, and its class.
    count: (V,), how many votes an entry stands for.
    shape: N, A and C.
    num_steps: at most.
    close: it ends when no chance of a label moves by more.

  Returns:
    What votes say; O(V C) a step.
  """
  num_clips, num_people, num_classes = shape
  # Votes of every clip by annotator and class.
  votes = sparse.csr_array(
    (np.asarray(count, np.float64), (clip, who * num_classes + label)),
    shape=(num_clips, num_people * num_classes),
  )
  turned = votes.T.tocsr()
  shares = sparse.csr_array(
    (np.asarray(count, np.float64), (clip, label)),
    shape=(num_clips, num_classes),
  ).toarray()
  voted = shares.sum(axis=1) > 0
  posterior = shares[voted] / shares[voted].sum(axis=1, keepdims=True)
  votes, turned = votes[np.flatnonzero(voted)], turned[:, voted]

  def maximised(posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    told = (turned @ posterior).reshape(num_people, num_classes, num_classes)
    told = np.maximum(told, _LEAST)
    prior = np.maximum(posterior.mean(axis=0), _LEAST)
    return told / told.sum(axis=1, keepdims=True), prior

  confusion, prior = maximised(posterior)
  for _ in range(num_steps):
    logs = np.log(confusion).reshape(-1, num_classes)
    before = posterior
    posterior = special.softmax(votes @ logs + np.log(prior), axis=1)
    confusion, prior = maximised(posterior)
    if np.abs(posterior - before).max(initial=0) < close:
      break
  found = np.tile(prior / prior.sum(), (num_clips, 1))
  found[voted] = posterior
  return Fitted(found, confusion.swapaxes(1, 2), prior)


def posterior(corpus: corpus_lib.Corpus) -> np.ndarray:
  """The chance of each label of a clip, by the votes that speak for clips.

  These are the votes of the condition with the most modalities. The model is
  fitted to those of all clips at once, held out or not: what an annotator said
  of clips that are held out tells, as one of many, what he is like, and by that
  alone reaches the others.

  Args:
    corpus: with votes.

  Returns:
    (N, C) float64; zeros where there are no votes.

  Raises:
    InputError: there are no votes, or it is not known of each whose it is.
  """
  condition = corpus_lib.full_condition(corpus.conditions)
  votes = corpus.votes
  if votes is not None:
    votes = votes.of(corpus.conditions.index(condition))
  if votes is None or not len(votes.clip):
    raise errors.InputError(
      f'votes.csv: has no votes on {condition}, of which a model of annotators '
      'could be made'
    )
  if nameless := np.count_nonzero(votes.annotator == ''):
    raise errors.InputError(
      f'votes.csv: {nameless:,} of the {len(votes.clip):,} rows on {condition} '
      'name no annotator; a model of annotators takes a name in each'
    )
  people, who = np.unique(votes.annotator, return_inverse=True)
  shape = len(corpus.ids), len(people), len(corpus.classes)
  found = fit(votes.clip, who, votes.label, votes.count, shape).posterior
  return found * corpus.vote_counts(condition).any(axis=1)[:, None]
