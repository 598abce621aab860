"""What training minimises."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

Array = jax.Array

TARGETS = ('labels', 'votes')
WEIGHTS = ('equal', 'votes')


def cross_entropy(logits: Array, targets: Array, weights: Array) -> Array:
  """Summed cross-entropy to distributions, which may be one-hot labels.

  Args:
    logits: (B, C).
    targets: (B, C), each row a distribution over classes.
    weights: (B,) how much each row counts, which may be bool.

  Returns:
    Scalar, in nats; a sum, so that shares of a batch can be added.
  """
  losses = optax.losses.softmax_cross_entropy(logits, targets)
  return jnp.sum(jnp.where(weights > 0, weights * losses, 0.0))


def target_distributions(
  labels: np.ndarray, votes: np.ndarray, kind: str
) -> np.ndarray:
  """What each clip's prediction is compared with.

  Args:
    labels: (N,) int, negative where unlabelled.
    votes: (N, C) vote counts.
    kind: 'labels' for one-hot labels, 'votes' for the distribution of the
      votes (soft cross-entropy); a clip without votes keeps its label.

  Returns:
    (N, C) float32; zeros where there is neither.
  """
  targets = np.zeros(votes.shape, np.float32)
  labelled = np.flatnonzero(labels >= 0)
  targets[labelled, labels[labelled]] = 1.0
  if kind == 'votes':
    total = votes.sum(axis=1, keepdims=True)
    targets = np.where(total > 0, votes / np.maximum(total, 1), targets)
  return targets.astype(np.float32)


def clip_weights(votes: np.ndarray, kind: str) -> np.ndarray:
  """How much each clip's loss counts.

  Args:
    votes: (N, C) vote counts.
    kind: 'equal', or 'votes' for the number of votes; a clip without any counts
      as one vote.

  Returns:
    (N,) float32, mean 1.
  """
  weights = np.ones(len(votes), np.float64)
  if kind == 'votes':
    weights = np.maximum(votes.sum(axis=1), 1).astype(np.float64)
  return (weights / weights.mean()).astype(np.float32)
