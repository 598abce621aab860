"""Evidence that adds up: each modality's own log-odds, calibrated, then summed.

If modalities are independent given the class, log p(class | all) is the log
prior plus each modality's log-likelihood ratios: evidence adds up, where a mean
of it would be no more certain than its parts. They are not independent: what
they say together, that they agree or that one comments on the other, is in none
of them. A model of all of them side by side can learn that, and has more to be
wrong about. The two are wrong about different clips, so the fusion is half of
each, in log-odds: the logarithmic opinion pool of two experts (Genest and Zidek
1986, doi:10.1214/ss/1177013825).

Heads that are fitted to few clips claim more than they know, some more than
others, and no weight that is fitted to the same clips can tell. So what each
counts for is fitted to the validation clips, one by one, before the evidence is
added.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from empathy.models import heads, layers

Array = jax.Array

_NEWTON_STEPS = 20
# Never 0, from which there would be no way back.
_LEAST_SCALE, _MOST_SCALE = 0.01, 10.0


class GatedEvidence(nn.Module):
  """The log prior plus the evidence of the modalities, each calibrated.

  One modality m says b + g_m e_m(x_m), where e_m is an MLP and g_m, its gate,
  is the inverse of its temperature (Guo et al. 2017, arXiv 1706.04599): one
  number, fitted by `calibrate`, 1 until then. Of two or more,

    logits = b + (sum over m of g_m e_m(x_m) + g_j j(x)) / 2

  where the joint head j, an MLP too, sees those that are there side by side,
  and zeros for the others. So one module answers for every subset. While it
  trains, nothing is added: `logits` are what the joint head says (of one
  modality what that one says, and learns from the auxiliary loss alone), and
  `alone` what each modality does. Every head is fitted to the targets by
  itself, as it would be if it were the only one.

  Attributes:
    hidden: widths of each head's blocks; none makes the heads linear.
    dropout: probability of dropping a hidden unit.
    input_dropout: probability of dropping a feature.
    modality_dropout: probability that in training the joint head is not shown
      a modality of a clip; if that would be all of them, it is shown all.
  """

  # Of the loss from which alone what single modalities say is learned.
  auxiliary = 1.0

  num_classes: int
  modalities: tuple[str, ...]
  hidden: tuple[layers.Size, ...] = (256,)
  dropout: float = 0.5
  input_dropout: float = 0.2
  modality_dropout: float = 0.0
  axis_name: str | None = None

  def setup(self):
    """Makes a head and a gate for each modality, and for all of them."""
    self.prior = self.param('prior', nn.initializers.zeros, (self.num_classes,))
    self.head = {
      part: heads.MLP(
        self.num_classes,
        self.hidden,
        self.dropout,
        self.axis_name,
        batch_norm=False,
      )
      for part in self._parts
    }
    self.gate = {
      part: self.variable('batch_stats', f'gate_{part}', jnp.ones, ())
      for part in self._parts
    }
    # One for each part, which so draws the same when the others are not there.
    self.thin = {
      part: layers.Dropout(self.input_dropout, axis_name=self.axis_name)
      for part in self._parts
    }
    self.kept = layers.Dropout(
      self.modality_dropout, rescale=False, axis_name=self.axis_name
    )

  @property
  def _parts(self) -> tuple[str, ...]:
    """The heads' names; of one modality there is nothing to join."""
    several = len(self.modalities) >= 2
    return (*self.modalities, *(('joint',) if several else ()))

  def __call__(
    self,
    features: Mapping[str, Array],
    present: Mapping[str, Array],
    rows: Array,
    train: bool,
  ) -> heads.Output:
    """Fuses, or, while training, lets each head speak for itself.

    Returns:
      The output; `alone` has the joint head, if there is one, last.
    """
    inputs = [features[m] for m in self.modalities]
    if 'joint' in self._parts:
      inputs.append(self._side_by_side(features, self._shown(present, train)))
    return self._add_up(inputs, present, rows, train)

  def _add_up(
    self,
    inputs: Sequence[Array],
    present: Mapping[str, Array],
    rows: Array,
    train: bool,
  ) -> heads.Output:
    """Fuses, given (B, D) for each part, that what is absent does not touch."""
    mask = jnp.stack([present[m] for m in self.modalities], -1)
    together = mask.sum(axis=1, keepdims=True) >= 2
    heard = jnp.concatenate([mask, together], axis=1) & rows[:, None]
    evidence = jnp.stack(
      [
        self.head[part](self.thin[part](x, train), heard[:, index], train)
        for index, (part, x) in enumerate(zip(self._parts, inputs, strict=True))
      ],
      axis=1,
    )
    gates = mask.astype(evidence.dtype)
    if not train:
      scales = jnp.stack([self.gate[part].value for part in self._parts])
      evidence *= scales[:, None]
      gates *= jnp.where(together, 0.5, 1.0) * scales[: len(self.modalities)]
    alone = self.prior + evidence
    own = evidence[:, : len(self.modalities)]
    # Added, not multiplied: a product of matrices may be of fewer bits.
    total = (mask[..., None] * own).sum(axis=1)
    joint = evidence[:, -1]
    if train:
      silent = lax.stop_gradient(self.prior + total)
      return heads.Output(
        jnp.where(together, self.prior + joint, silent), gates, alone=alone
      )
    logits = self.prior + jnp.where(together, (total + joint) / 2, total)
    return heads.Output(logits, gates, alone=alone)

  def _shown(
    self, present: Mapping[str, Array], train: bool
  ) -> dict[str, Array]:
    """What the joint head is shown: by modality, (B,) bool."""
    mask = jnp.stack([present[m] for m in self.modalities], -1)
    shown = self.kept(mask.astype(jnp.float32), train) > 0
    shown = jnp.where(shown.any(axis=1, keepdims=True), shown, mask)
    return {m: shown[:, index] for index, m in enumerate(self.modalities)}

  def _side_by_side(
    self, features: Mapping[str, Array], shown: Mapping[str, Array]
  ) -> Array:
    """All features; those of a modality that is not shown are zero."""
    return jnp.concatenate(
      [jnp.where(shown[m][:, None], features[m], 0) for m in self.modalities],
      axis=-1,
    )

  @nn.nowrap
  def narrowed(self, view: tuple[str, ...]) -> nn.Module | None:
    """The fusion of one modality; the joint head's input is of all of them."""
    return self.clone(modalities=view) if len(view) == 1 else None

  def calibrate(self, alone: Array, rows: Array, targets: Array) -> None:
    """Fits the gates, so that each head alone is as sure as it is right.

    Args:
      alone: (B, P, C), what the heads say alone.
      rows: (B, M) bool, the clips that count for each modality; the joint head
        is judged by those with two or more.
      targets: (B, C), distributions over the classes; the labels.
    """
    together = rows.sum(axis=1, keepdims=True) >= 2
    rows = jnp.concatenate([rows, together], axis=1)
    for index, part in enumerate(self._parts):
      self.gate[part].value *= inverse_temperature(
        self.prior,
        alone[:, index] - self.prior,
        targets,
        rows[:, index],
      )


def inverse_temperature(
  prior: Array, evidence: Array, targets: Array, rows: Array
) -> Array:
  """The s in [0.01, 10] for which softmax(prior + s evidence) fits best.

  The cross-entropy is convex in s: Newton's steps, kept between the bounds that
  the sign of the slope has shown so far (bisecting where a step leaves them).

  Args:
    prior: (C,).
    evidence: (B, C).
    targets: (B, C), distributions.
    rows: (B,) bool, the rows that count.

  Returns:
    (); 1 where no row counts.
  """
  weights = rows.astype(evidence.dtype) / jnp.maximum(rows.sum(), 1)

  def step(_, state):
    scale, low, high = state
    shares = nn.softmax(prior + scale * evidence)
    mean = jnp.sum(shares * evidence, -1)
    slope = weights @ (mean - jnp.sum(targets * evidence, -1))
    curve = weights @ (jnp.sum(shares * evidence**2, -1) - mean**2)
    low = jnp.where(slope < 0, scale, low)
    high = jnp.where(slope > 0, scale, high)
    newton = scale - slope / jnp.maximum(curve, 1e-12)
    inside = (newton >= low) & (newton <= high)
    return jnp.where(inside, newton, (low + high) / 2), low, high

  start = jnp.ones(()), jnp.full((), _LEAST_SCALE), jnp.full((), _MOST_SCALE)
  scale, _, _ = lax.fori_loop(0, _NEWTON_STEPS, step, start)
  return jnp.where(rows.any(), scale, 1.0)
