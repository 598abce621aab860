"""How figures are written, and where their intervals are symmetric."""

import dataclasses
import enum


class Scale(enum.StrEnum):
  """Where a figure's interval is symmetric, so that it stays in its range.

  IDENTITY for what has no bounds, DIFFERENCE for differences of shares, as they
  are but cut at -1 and 1 (which takes nothing from what an interval holds),
  LOGIT for shares and AUROC (0 to 1), LOG for losses and distances (above 0),
  FISHER for coefficients (-1 to 1).
  """

  IDENTITY = 'identity'
  DIFFERENCE = 'difference'
  LOGIT = 'logit'
  LOG = 'log'
  FISHER = 'fisher'


@dataclasses.dataclass(frozen=True)
class Unit:
  """How a figure is written, and where its interval is symmetric.

  Attributes:
    word: what stands behind it, or in the heading of its column.
    factor: what it is multiplied by.
    decimals: how many.
    signed: whether a plus is written; so it is of differences.
    scale: on which its interval is symmetric.
  """

  word: str = ''
  factor: float = 1.0
  decimals: int = 3
  signed: bool = False
  scale: Scale = Scale.IDENTITY


SHARE = Unit('%', 100.0, 1, scale=Scale.LOGIT)
SIGNED_SHARE = Unit('%', 100.0, 1, scale=Scale.DIFFERENCE)
POINTS = Unit('points', 100.0, 1, signed=True, scale=Scale.DIFFERENCE)
# From 0 to 1, from 0, and from -1 to 1, in decimals.
INDEX = Unit(scale=Scale.LOGIT)
LOSS = Unit(scale=Scale.LOG)
COEFFICIENT = Unit(scale=Scale.FISHER)
NATS = Unit('nats', scale=Scale.LOG)
# Of parts of an information, which may be below 0 by chance.
BITS = Unit('bits')
SIGNED_NATS = Unit('nats', signed=True)
CLASSES = Unit('classes', scale=Scale.LOG)
# Of a scale of scores, and differences of coefficients.
STEPS = Unit(scale=Scale.LOG)
GAIN = Unit(signed=True)
CORRELATION = Unit(decimals=2, signed=True, scale=Scale.FISHER)
NUMBER = Unit()
COUNT = Unit(decimals=0)
