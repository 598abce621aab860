"""Statistics with the intervals and p-values that their entries ask for.

A question says what is computed of which clips; on what scale the interval is
symmetric, against what the p-value is, and why a figure may be undefined, is
written once, in the `catalogue`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from empathy.evaluation import catalogue, pivots, resampling, samples, weighing
from empathy.evaluation.findings import Estimate, Findings, SeedNoise

_Told = Callable[[Estimate], Estimate]


def estimate(
  name: str,
  groups: samples.Groups,
  statistic: weighing.Statistic,
  **known: Any,
) -> Estimate:
  """The statistic of a name with its interval and p-value.

  Args:
    name: the full one.
    groups: of the clips that it is of.
    statistic: a function of weights, see `resampling`.
    **known: `seeds`, `drawn` and `n`, see `resampling.estimate`. What
      annotators add is known to the groups, by the name.
  """
  entry = catalogue.entry_of(name)
  known['annotators'] = groups.annotators.get(name)
  return resampling.estimate(
    groups,
    statistic,
    entry.scale,
    null=entry.null is not None,
    alternative='greater' if entry.one_sided else 'two-sided',
    **known,
  )


def add(
  found: Findings,
  name: str,
  groups: samples.Groups,
  statistic: weighing.Statistic,
  told: _Told | None = None,
  **known: Any,
) -> None:
  """Adds the statistic of a name to what is found.

  Args:
    found: where it is added.
    name: see `estimate`.
    groups: see `estimate`.
    statistic: see `estimate`.
    told: says more of how it was made; None where there is no more to say.
    **known: see `estimate`.
  """
  one = estimate(name, groups, statistic, **known)
  found.add(name, one if told is None else told(one))


def least(
  name: str,
  groups: samples.Groups,
  statistics: Sequence[tuple[weighing.Statistic, SeedNoise | None]],
  n: int | None = None,
  names: Sequence[str] = (),
) -> Estimate:
  """The least of several, which is the statistic of a name.

  Args:
    name: see `estimate`.
    groups: see `estimate`.
    statistics: each with what the choice of seeds adds to its variance.
    n: the clips that it rests on; all of those of the groups if None.
    names: of each, by which it is known what annotators add to it.

  Returns:
    See `resampling.minimum`.
  """
  scale = catalogue.entry_of(name).scale
  added = [groups.annotators.get(one) for one in names]
  added = added or [None] * len(statistics)
  return resampling.minimum(
    groups,
    [
      pivots.studentise(groups, statistic, scale, seeds, annotators)
      for (statistic, seeds), annotators in zip(statistics, added, strict=True)
    ],
    groups.num_clips if n is None else n,
  )
