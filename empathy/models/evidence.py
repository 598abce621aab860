"""Evidence that adds up: each modality's own log-odds, calibrated, then summed.

If modalities are independent given the class, log p(class | all) is the log
prior plus each modality's log-likelihood ratios: evidence adds up, where a mean
of it would be no more certain than its parts. Heads that are fitted to few
clips claim more than they know, some more than others, and no weight that is
fitted to the same clips can tell. So what each modality counts for is fitted to
the validation clips, modality by modality, before the evidence is added.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from empathy.models import heads, layers
from empathy.models.output import Output

Array = jax.Array

_NEWTON_STEPS = 20
# Never 0, from which there would be no way back.
_LEAST_SCALE, _MOST_SCALE = 0.01, 10.0


class GatedEvidence(nn.Module):
  """The log prior plus the evidence of the modalities, each calibrated.

  logits = b + sum over m of g_m e_m(x_m), where e_m is an MLP and g_m, the
  modality's gate, is the inverse of its temperature (Guo et al. 2017, arXiv
  1706.04599): one number, fitted by `calibrate`, 1 until then. A modality
  alone says b + g_m e_m(x_m), so one module answers for every subset.

  Attributes:
    num_classes: C.
    modalities: M names, in order.
    hidden: widths of each head's blocks; none makes the heads linear.
    dropout: probability of dropping a hidden unit.
    input_dropout: probability of dropping a feature.
    modality_dropout: probability of dropping a modality of a clip in training;
      a clip that would lose all of them keeps all.
    batch_norm: whether the heads' blocks normalise by the batch.
    axis_name: the devices that share the batch, if they do.
  """

  num_classes: int
  modalities: tuple[str, ...]
  hidden: tuple[int, ...] = (256,)
  dropout: float = 0.5
  input_dropout: float = 0.2
  modality_dropout: float = 0.0
  batch_norm: bool = False
  axis_name: str | None = None

  def setup(self):
    """Makes a head and a gate for each modality."""
    self.prior = self.param('prior', nn.initializers.zeros, (self.num_classes,))
    self.head = {
      m: heads.MLP(
        self.num_classes,
        self.hidden,
        self.dropout,
        self.axis_name,
        self.batch_norm,
      )
      for m in self.modalities
    }
    self.gate = {
      m: self.variable('batch_stats', f'gate_{m}', jnp.ones, ())
      for m in self.modalities
    }
    self.thin = {
      m: layers.Dropout(self.input_dropout, axis_name=self.axis_name)
      for m in self.modalities
    }
    self.keep = {
      m: layers.Dropout(
        self.modality_dropout, rescale=False, axis_name=self.axis_name
      )
      for m in self.modalities
    }

  def __call__(
    self,
    features: Mapping[str, Array],
    present: Mapping[str, Array],
    rows: Array,
    train: bool,
  ) -> Output:
    """Fuses; while training, gates are 1 and `alone` knows no dropout of m."""
    mask = jnp.stack([present[m] for m in self.modalities], -1)
    evidence = jnp.stack(
      [
        self.head[m](self.thin[m](features[m], train), rows & present[m], train)
        for m in self.modalities
      ],
      axis=1,
    )
    gates = mask.astype(evidence.dtype)
    alone = self.prior + evidence
    if train:
      kept = jnp.stack(
        [
          self.keep[m](gates[:, i], train)
          for i, m in enumerate(self.modalities)
        ],
        axis=1,
      )
      gates = jnp.where(kept.any(axis=1, keepdims=True), kept, gates)
    else:
      gates *= jnp.stack([self.gate[m].value for m in self.modalities])
      alone = self.prior + gates[..., None] * evidence
    logits = self.prior + jnp.einsum('bm,bmc->bc', gates, evidence)
    return Output(logits, gates, alone=alone)

  @nn.nowrap
  def narrowed(self, view: tuple[str, ...]) -> nn.Module:
    """The fusion of a view, with parameters and draws of this one."""
    return self.clone(modalities=view)

  def calibrate(self, alone: Array, rows: Array, targets: Array) -> None:
    """Fits the gates, so that each modality alone is as sure as it is right.

    Args:
      alone: (B, M, C), what the modalities say alone.
      rows: (B, M) bool, the clips that count for each.
      targets: (B, C), distributions over the classes.
    """
    for index, modality in enumerate(self.modalities):
      self.gate[modality].value *= inverse_temperature(
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
