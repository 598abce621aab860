"""What the catalogue is made of: entries of statistics, and of signals."""

import dataclasses

from empathy.evaluation import glossary
from empathy.evaluation.units import Scale, Unit


@dataclasses.dataclass(frozen=True)
class Entry:
  """A statistic.

  Attributes:
    pattern: its name, with named parts: `views.{view}.accuracy`.
    heading: of a column of it, without its unit.
    unit: how it is written.
    definition: what it means; None where its heading says it all.
    null: what it is without an effect, which its p-value is against; None where
      no value is a natural one.
    one_sided: whether the p-value asks only if it is above that.
    undefined: why there may be no such figure, unless whoever asks for it
      knows more.
    confidence: whether it rests on the confidence of the full view.
    within: patterns of the topics whose reasons are its own.
  """

  pattern: str
  heading: str
  unit: Unit
  definition: glossary.Definition | None = None
  null: float | None = None
  one_sided: bool = False
  undefined: str = 'The figure is undefined for these data.'
  confidence: bool = False
  within: tuple[str, ...] = ()

  @property
  def scale(self) -> Scale:
    """On which its interval is symmetric."""
    return self.unit.scale

  @property
  def topic(self) -> str:
    """The first word of its name, by which tables go together."""
    return self.pattern.partition('.')[0]


@dataclasses.dataclass(frozen=True)
class Topic:
  """A name that stands for several statistics among the skipped ones."""

  pattern: str

  @property
  def topic(self) -> str:
    """The first word of it."""
    return self.pattern.partition('.')[0]


@dataclasses.dataclass(frozen=True)
class Signal:
  """What clips are ranked by.

  Attributes:
    pattern: its name, with `{view}` where it is of one.
    words: the same in words.
    binary: whether it is yes or no.
    confidence: whether it rests on the confidence of the full view.
    control: whether it knows nothing of modalities, for others to be held
      against.
    definition: what it means; None where its words say it all.
  """

  pattern: str
  words: str
  binary: bool = False
  confidence: bool = False
  control: bool = False
  definition: glossary.Definition | None = None


def of(stem: str, *entries: Entry, within: tuple[str, ...] = ()):
  """Entries whose names begin with `stem`, with the topics that they are of."""
  return tuple(
    dataclasses.replace(
      one,
      pattern=f'{stem}.{one.pattern}',
      within=(*one.within, *within),
    )
    for one in entries
  )
