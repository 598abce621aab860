"""What an answered question consists of: estimates, tables and curves."""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

import numpy as np

from empathy.evaluation import catalogue
from empathy.evaluation.units import Scale

Scalar = str | int | float | bool | None
_ROUNDING = 1e-12


class Kind(enum.StrEnum):
  """How an interval is made.

  DRAWN from studentised draws of groups; STUDENT by Student's law with the
  jackknife's error; EXACT by Clopper and Pearson; LEAST is that of the least
  of several figures.
  """

  NONE = 'none'
  DRAWN = 'drawn'
  STUDENT = 'student'
  EXACT = 'exact'
  LEAST = 'least'


@dataclasses.dataclass(frozen=True)
class SeedNoise:
  """What the choice of seeds adds to the variance of a figure.

  Attributes:
    variance: of the mean over the seeds; 0 where it cannot be told.
    freedom: its degrees of freedom.
    num_seeds: of the view that has the fewest.
  """

  variance: float
  freedom: float
  num_seeds: int

  @property
  def covered(self) -> bool:
    """Whether an interval covers new seeds: two tell too little of them."""
    return self.num_seeds > 2


@dataclasses.dataclass(frozen=True)
class Deletions:
  """How a figure moves when annotators are left out, see `deletions`.

  Attributes:
    names: (A,) uint64, ascending: who they are.
    effect: (A,) float64, without each.
    within: the part of the jackknife's variance that is within a group and an
      annotator, and so in the variance over groups.
    freedom: the degrees of freedom of the jackknife's variance.
    number: how many there are, more than A where some are put together.
  """

  names: np.ndarray
  effect: np.ndarray
  within: float
  freedom: float
  number: int

  @property
  def noise(self) -> SeedNoise:
    """What their choice adds to the variance, as that of seeds does.

    Its degrees of freedom are those with which what is left has the variance
    of all of the jackknife's (Satterthwaite 1946, Biometrics Bull. 2:110).
    """
    size = len(self.effect)
    square = float(self.effect @ self.effect) * (size - 1) / size
    left = square - self.within
    if left <= _ROUNDING * square:
      return SeedNoise(0.0, self.freedom, self.number)
    return SeedNoise(left, self.freedom * (left / square) ** 2, self.number)


NOBODY = Deletions(np.array([], np.uint64), np.array([]), 0.0, 0.0, 0)


@dataclasses.dataclass(frozen=True)
class Influence:
  """How a figure moves with groups of clips, with seeds and with annotators.

  It is what the difference of two figures of the same clips needs, in whatever
  studies they were found.

  Attributes:
    groups: (G,) str, their names.
    slope: (G,) float64, the derivative by each group's weight.
    seeds: what the choice of seeds adds; None if there is one only, or if the
      figure is not about seeds.
    quantile: by how many standard errors over groups the interval reaches; 0
      where it has none of its own.
    annotators: None where the interval covers no others.
  """

  groups: np.ndarray
  slope: np.ndarray
  seeds: SeedNoise | None = None
  quantile: float = 0.0
  annotators: Deletions | None = None


@dataclasses.dataclass(frozen=True)
class Estimate:
  """One statistic with its uncertainty; what cannot be told is None.

  Attributes:
    estimate: the figure; None only if it is undefined, and then `method` says
      why and the figure goes to the skipped ones.
    low: lower end of the interval.
    high: upper end of the interval.
    level: the interval's nominal coverage; None without an interval.
    p: p-value against the statistic's natural null, if it has one; two-sided
      unless `one_sided`, and never 0.
    p_adjusted: the p-value after Holm's correction within its family.
    n: the clips that the figure rests on.
    method: in words, how the interval was made, or why there is none.
    influence: None where the figure has none.
    kind: how the interval was made.
    scale: where it is symmetric.
    variance: the figure's variance, on its own scale, by where it is from:
      `groups`, `seeds`, `annotators`; without those that are not in it.
    sizes: how many there are of each; of groups those that count.
    one_sided: whether p asks only if the figure is above its null.
  """

  estimate: float | None
  low: float | None = None
  high: float | None = None
  level: float | None = None
  p: float | None = None
  p_adjusted: float | None = None
  n: int = 0
  method: str = ''
  influence: Influence | None = dataclasses.field(
    default=None, repr=False, compare=False
  )
  kind: Kind = Kind.NONE
  scale: Scale = Scale.IDENTITY
  variance: Mapping[str, float] = dataclasses.field(default_factory=dict)
  sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
  one_sided: bool = False

  def figures(self) -> dict[str, Scalar]:
    """What of it `study.json` has, by name."""
    return {name: getattr(self, name) for name in FIELDS}


# The fields of an estimate that `study.json` has.
FIELDS = (
  'estimate',
  'low',
  'high',
  'level',
  'p',
  'p_adjusted',
  'n',
  'method',
)


@dataclasses.dataclass(frozen=True)
class Cell:
  """A place in a table that shows a field of a statistic of the study."""

  name: str
  field: str = 'estimate'


@dataclasses.dataclass(frozen=True)
class Findings:
  """The answer to one question of the study.

  Attributes:
    statistics: by dotted name.
    skipped: name or question to one sentence that says what is missing.
    primary: the statistic whose p-value is corrected with the other questions'.
    num_candidates: among how many statistics the primary was chosen by its
      value; its p-value is multiplied by it (Bonferroni).
    tables: rows of scalars or of `Cell`s, which are filled in after the
      p-values are corrected.
    curves: data of figures.
  """

  statistics: dict[str, Estimate] = dataclasses.field(default_factory=dict)
  skipped: dict[str, str] = dataclasses.field(default_factory=dict)
  primary: str | None = None
  num_candidates: int = 1
  tables: dict[str, list[dict[str, Any]]] = dataclasses.field(
    default_factory=dict
  )
  curves: dict[str, Any] = dataclasses.field(default_factory=dict)

  def add(self, name: str, estimate: Estimate, undefined: str = '') -> None:
    """Keeps a statistic; where it is undefined, says why among the skipped.

    Args:
      name: the full one.
      estimate: with its uncertainty.
      undefined: why; '' for what its entry in the catalogue says.
    """
    if estimate.estimate is None:
      entry = catalogue.entry_of(name)
      self.skipped[name] = undefined or entry.undefined
    else:
      self.statistics[name] = estimate

  def include(self, other: 'Findings') -> None:
    """Takes in what else was found of the question; the primary stays."""
    self.statistics.update(other.statistics)
    self.skipped.update(other.skipped)
    self.tables.update(other.tables)
    self.curves.update(other.curves)


def interval_cells(name: str, column: str) -> dict[str, Cell]:
  """The cells of a statistic and its interval, under `column`."""
  return {
    column: Cell(name),
    f'{column}_low': Cell(name, 'low'),
    f'{column}_high': Cell(name, 'high'),
  }


def filled(
  rows: list[dict[str, Any]], statistics: Mapping[str, Estimate]
) -> list[dict[str, Scalar]]:
  """The rows with every `Cell` replaced by its value, None where skipped."""

  def value(cell: Any) -> Scalar:
    if not isinstance(cell, Cell):
      return cell
    return getattr(statistics.get(cell.name), cell.field, None)

  return [{key: value(cell) for key, cell in row.items()} for row in rows]
