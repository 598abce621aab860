"""What every fusion returns."""

from typing import NamedTuple

import jax

Array = jax.Array


class Output(NamedTuple):
  """What a fusion returns.

  Attributes:
    logits: (B, C).
    gates: (B, M), not negative, how far each modality is let through; or None.
    attention: (B, M), a distribution over the modalities present; or None.
    alone: (B, P, C), logits of what each part says alone, first the M
      modalities, which the auxiliary loss and the calibration need; or None.
  """

  logits: Array
  gates: Array | None = None
  attention: Array | None = None
  alone: Array | None = None
