"""What training minimises.

A loss is a function of logits (B, C) and targets (B, C), of which each row is a
distribution over the classes, perhaps one-hot, and of options; it gives the
loss of each row, (B,), in nats. `config.loss` names one of `LOSSES`, or one of
your own.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import special

from empathy import errors, named

Array = jax.Array
Loss = Callable[[Array, Array], Array]


def cross_entropy(
  logits: Array, targets: Array, label_smoothing: float = 0.0
) -> Array:
  """Cross-entropy, to labels or to the shares of votes.

  Of each target all classes get `label_smoothing` alike (Szegedy et al. 2016,
  arXiv 1512.00567).
  """
  if label_smoothing:
    targets = optax.losses.smooth_labels(targets, label_smoothing)
  return optax.losses.softmax_cross_entropy(logits, targets)


def focal(logits: Array, targets: Array, gamma: float = 2.0) -> Array:
  """Cross-entropy that counts less where it is small (arXiv 1708.02002).

  -sum_c t_c (1 - p_c)^gamma log p_c, which is the paper's where t is one-hot,
  and the cross-entropy where gamma is 0.
  """
  log_p = jax.nn.log_softmax(logits)
  # 1 - p is the sum of the others: not 0 but where their logits are far away.
  miss = jnp.clip(-jnp.expm1(log_p), 1e-6, 1.0)
  return -jnp.sum(targets * miss**gamma * log_p, axis=-1)


LOSSES = {'cross_entropy': cross_entropy, 'focal': focal}


def find(
  text: str, num_classes: int | None = None, what: str = 'config.loss'
) -> Loss:
  """The loss that a config names; see `named`.

  Args:
    text: as in the config.
    num_classes: C, to see at once whether it gives a loss of each row.
    what: the field.

  Raises:
    InputError: there is no such loss, or it does not.
  """
  loss = named.resolve(text, LOSSES, what, ('logits', 'targets'))

  def checked(logits: Array, targets: Array) -> Array:
    found = loss(logits, targets)
    expected = logits.shape[:1]
    if jnp.shape(found) != expected:
      raise errors.InputError(
        f'{what}: {text} is of the shape {jnp.shape(found)}; expected the loss '
        f'of each row, {expected}'
      )
    return found

  checked = named.blamed(checked, what, text)
  if num_classes is not None:
    like = jax.ShapeDtypeStruct((5, num_classes), jnp.float32)
    jax.eval_shape(checked, like, like)
  return checked


def total(losses: Array, weights: Array) -> Array:
  """The weighted sum of losses, so that shares of a batch can be added.

  Args:
    losses: (B,).
    weights: (B,) how much each row counts, which may be bool; what has no
      weight may be anything.
  """
  return jnp.sum(jnp.where(weights > 0, weights * losses, 0.0))


def weighed(loss: Loss, logits: Array, targets: Array, weights: Array) -> Array:
  """`total` of a loss, to whose gradient rows without weight add nothing.

  Padding in a batch of one clip has wild logits, at which the slope of some
  losses is infinite; and 0 times that is no number.
  """
  logits = jnp.where((weights > 0)[:, None], logits, 0.0)
  return total(loss(logits, targets), weights)


def class_weights(targets: Array, weights: Array) -> Array:
  """Weights of classes by which each has the same part in the loss.

  The inverse of the frequency: of rows that are weighted by both, the mean
  weight is as before, and so is each class' share of it the same.

  Args:
    targets: (R, C), distributions over the classes.
    weights: (R,) how much each row counts besides; 0 for none.

  Returns:
    (C,), 0 for a class that no row has.
  """
  share = weights @ targets
  there = share > 0
  each = weights.sum() / jnp.maximum(there.sum(), 1)
  return jnp.where(there, each / jnp.where(there, share, 1.0), 0.0)


def target_distributions(
  labels: np.ndarray, votes: np.ndarray, kind: str
) -> np.ndarray:
  """What each clip's prediction is compared with.

  Args:
    labels: (N,) int, negative where unlabelled.
    votes: (N, C) vote counts, or chances.
    kind: 'labels' for one-hot labels, else the distribution of the votes (soft
      cross-entropy); a clip without votes keeps its label.

  Returns:
    (N, C) float32; zeros where there is neither.
  """
  targets = np.zeros(votes.shape, np.float32)
  labelled = np.flatnonzero(labels >= 0)
  targets[labelled, labels[labelled]] = 1.0
  if kind != 'labels':
    total = votes.sum(axis=1, keepdims=True)
    shares = votes / np.where(total > 0, total, 1)
    targets = np.where(total > 0, shares, targets)
  return targets.astype(np.float32)


def score_distributions(
  scores: np.ndarray, values: np.ndarray, sigma: float
) -> np.ndarray:
  """Distributions over values around scores, to learn a score by (HL-Gauss).

  Each is the share of a normal distribution around the score that is nearest to
  each value; what is beyond the ends is the end's (Imani and White 2018, ICML;
  Farebrother et al. 2024, arXiv 2403.03950). So a class that is near is less
  wrong than one that is far, and what is predicted is the expected value.

  Args:
    scores: (N,) float, NaN where there is none.
    values: (C,) float, rising.
    sigma: of the normal distribution, in mean distances of two values. At .75
      a linear head did as well on validation clips as at any other, and as one
      with the ranked probability score (mean absolute error of empathic
      reactions within .1 %, of simulated ratings 1 %); beyond 1.5, worse.

  Returns:
    (N, C) float32; zeros where there is no score.
  """
  there = ~np.isnan(scores)
  targets = np.zeros((len(scores), len(values)), np.float32)
  ends = (values[1:] + values[:-1]) / 2
  distance = sigma * np.diff(values).mean()
  below = special.ndtr((ends - scores[there][:, None]) / distance)
  targets[there] = np.diff(below, axis=1, prepend=0, append=1)
  return targets


def clip_weights(votes: np.ndarray, kind: str) -> np.ndarray:
  """How much each clip's loss counts.

  Args:
    votes: (N, C) vote counts.
    kind: as in `config.weights`; with 'votes' by their number, where a clip
      without any counts as one vote.

  Returns:
    (N,) float32, mean 1.
  """
  weights = np.ones(len(votes), np.float64)
  if 'votes' in kind:
    weights = np.maximum(votes.sum(axis=1), 1).astype(np.float64)
  return (weights / weights.mean()).astype(np.float32)
