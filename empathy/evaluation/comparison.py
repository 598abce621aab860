"""Two studies of one corpus side by side: the differences are paired.

A study keeps how each of its figures moves with every group of clips (see
`Influence`). The difference of two figures of the same clips moves with a group
by the difference of both, so that what makes a group hard for either is taken
out of it. So it is with annotators. Seeds of the two studies are different
ones, and add up.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, files, nearest
from empathy.corpora import tables
from empathy.evaluation import catalogue, pivots, samples, significance
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation.findings import (
  FIELDS,
  Deletions,
  Estimate,
  Influence,
  Kind,
  Scale,
  SeedNoise,
)

SCHEMA = 1
FILES = ('comparison.json', 'report.html', 'tables')
_ZERO = 1e-12
_WHOLE = 'a whole file of influences'
# The facts that studies of the same clips have in common.
SAME_CLIPS = (
  ('corpus', 'corpora'),
  ('num_clips', 'numbers of clips'),
  ('num_groups', 'numbers of groups'),
)


@dataclasses.dataclass(frozen=True)
class Finished:
  """A study as its folder holds it.

  Attributes:
    folder: where it is.
    info: see `Study.info`.
    statistics: by name, with influences.
    skipped: by name, why a figure is not there.
    primaries: by question, a name.
    candidates: by question, see `Findings.num_candidates`.
  """

  folder: pathlib.Path
  info: Mapping[str, Any]
  statistics: Mapping[str, Estimate]
  skipped: Mapping[str, str]
  primaries: Mapping[int, str]
  candidates: Mapping[int, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Pair:
  """A figure of both studies; `difference` is that of b minus that of a."""

  a: Estimate
  b: Estimate
  difference: Estimate


@dataclasses.dataclass(frozen=True)
class Comparison:
  """What comparing two studies found.

  Attributes:
    a: the first study.
    b: the second one.
    statistics: by name, those that both have.
    skipped: by name, why the others are not compared.
    primaries: by question, the name of its primary figure, where both studies
      have the same.
  """

  a: Finished
  b: Finished
  statistics: Mapping[str, Pair]
  skipped: Mapping[str, str]
  primaries: Mapping[int, str]


def read(folder: pathlib.Path) -> Finished:
  """Reads a study that `evaluate` wrote.

  Raises:
    InputError: the folder is none, or what it holds is damaged or of another
      version.
  """
  path = folder / 'study.json'
  if not path.exists():
    raise errors.InputError(
      f'{path}: no such file; expected the folder of a study'
      + nearest.folder_hint(folder, path.name)
    )
  found = files.read_json(path)
  if not isinstance(found, dict) or found.get('schema') != study_lib.SCHEMA:
    raise errors.InputError(
      f'{path}: expected a study of schema {study_lib.SCHEMA}; evaluate again'
    )
  influences = _read_influences(folder / 'influence.npz')
  try:
    strange = [n for n in found['statistics'] if catalogue.find(n) is None]
    if strange:
      raise errors.InputError(
        f'{path}: has figures of another version, for example {strange[0]!r}; '
        'evaluate again'
      )
    return Finished(
      folder,
      found['info'],
      {
        name: _estimate(fields, *influences.get(name, (None, Kind.NONE)))
        for name, fields in found['statistics'].items()
      },
      found['skipped'],
      {int(q): name for q, name in found['primaries'].items()},
      {int(q): number for q, number in found.get('candidates', {}).items()},
    )
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise errors.InputError(
      f'{path}: is not a whole study: {error!r}'
    ) from None


def compare(a: Finished, b: Finished) -> Comparison:
  """Takes the figures of `a` from those of `b`, name by name.

  The primaries' p-values are one family of Holm's; the others are a family for
  each figure, over views, signals or conditions.

  Raises:
    InputError: the studies are not of the same corpus.
  """
  refuse_others(a, b, (*SAME_CLIPS, ('classes', 'classes')))
  contents = [study.info.get('content') for study in (a, b)]
  if all(contents) and contents[0] != contents[1]:
    raise errors.InputError(
      f'{a.folder} and {b.folder}: the clips, groups, labels or votes of the '
      'two differ, although the corpus has the same name'
    )
  statistics, skipped = {}, {}
  for name, first in a.statistics.items():
    if name in b.statistics:
      second = b.statistics[name]
      statistics[name] = Pair(first, second, _difference(first, second))
    else:
      skipped[name] = _only(a, b, name)
  for name in b.statistics:
    if name not in a.statistics:
      skipped[name] = _only(b, a, name)
  primaries = {}
  for question in sorted({*a.primaries, *b.primaries}):
    names = [study.primaries.get(question) for study in (a, b)]
    if names[0] == names[1] and names[0] in statistics:
      primaries[question] = names[0]
    elif all(names):
      skipped[f'question {question}'] = (
        f'The studies chose different primary figures, {names[0]} and '
        f'{names[1]}; both are compared among the others.'
      )
    else:
      skipped[f'question {question}'] = 'One study has no primary figure.'
  families: dict[str, list[str]] = {}
  for name in statistics:
    primary = name in primaries.values()
    family = 'primaries' if primary else catalogue.family(name)
    families.setdefault(family, []).append(name)
  for family in families.values():
    told = [n for n in family if statistics[n].difference.p is not None]
    adjusted = significance.holm([statistics[n].difference.p for n in told])
    for name, p in zip(told, adjusted, strict=True):
      pair = statistics[name]
      statistics[name] = dataclasses.replace(
        pair, difference=dataclasses.replace(pair.difference, p_adjusted=p)
      )
  return Comparison(a, b, statistics, skipped, primaries)


def write(comparison: Comparison, output: pathlib.Path, report: str) -> None:
  """Writes a comparison as a folder, whole or not at all.

  Args:
    comparison: what was found.
    output: the folder; an earlier comparison there is replaced.
    report: the report's HTML.

  Raises:
    InputError: see `check_output`.
  """
  check_output(output)
  with files.replacing(output.resolve()) as folder:
    (folder / 'tables').mkdir(parents=True)
    files.write_json(
      folder / 'comparison.json',
      {
        'schema': SCHEMA,
        'corpus': comparison.a.info['corpus'],
        'a': str(comparison.a.folder),
        'b': str(comparison.b.folder),
        'primaries': {str(q): n for q, n in comparison.primaries.items()},
        'statistics': {
          name: {
            'a': pair.a.estimate,
            'b': pair.b.estimate,
            'difference': pair.difference.figures(),
          }
          for name, pair in comparison.statistics.items()
        },
        'skipped': dict(comparison.skipped),
      },
    )
    for question, names in by_question(comparison).items():
      rows = [
        [name, pair.a.estimate, pair.b.estimate]
        + [
          getattr(pair.difference, field)
          for field in ('estimate', 'low', 'high', 'p', 'p_adjusted', 'n')
        ]
        for name, pair in ((n, comparison.statistics[n]) for n in names)
      ]
      columns = ('statistic', 'a', 'b', 'b_minus_a', 'low', 'high', 'p')
      columns += ('p_adjusted', 'n')
      tables.write_csv(
        folder / 'tables' / f'{question}.csv',
        {
          column: [study_lib.text(row[i]) for row in rows]
          for i, column in enumerate(columns)
        },
      )
    files.write_text(folder / 'report.html', report)


def check_output(output: pathlib.Path) -> None:
  """Refuses a folder that holds other things than a comparison.

  Raises:
    InputError: it does, or it is a file or the current folder.
  """
  study_lib.check_output(output, FILES, 'a comparison')


def by_question(comparison: Comparison) -> dict[str, list[str]]:
  """The names that both studies have, by their topic, in their order."""
  found: dict[str, list[str]] = {}
  for name in comparison.statistics:
    found.setdefault(catalogue.find(name).entry.topic, []).append(name)
  return found


def _estimate(
  fields: Mapping[str, Any], influence: Influence | None, kind: Kind
) -> Estimate:
  """An estimate as `study.json` and `influence.npz` have it."""
  figures = {name: fields[name] for name in FIELDS}
  return Estimate(**figures, influence=influence, kind=kind)


def _read_influences(
  path: pathlib.Path,
) -> dict[str, tuple[Influence, Kind]]:
  """By statistic, how it moves and how its interval was made."""
  try:
    arrays = files.read_arrays(path, _WHOLE)
    groups, slopes = arrays['groups'], arrays['slope']
    noises = [
      SeedNoise(*noise) if noise[2] else None
      for noise in zip(
        arrays['seed_variance'].tolist(),
        arrays['seed_freedom'].tolist(),
        arrays['num_seeds'].tolist(),
        strict=True,
      )
    ]
    who, deletion = arrays['annotators'], arrays['deletion']
    people = [
      Deletions(who, effect, *told) if told[2] else None
      for effect, *told in zip(
        deletion,
        arrays['annotators_within'].tolist(),
        arrays['annotators_freedom'].tolist(),
        arrays['num_annotators'].tolist(),
        strict=True,
      )
    ]
    rows = zip(
      arrays['statistics'].tolist(),
      noises,
      people,
      slopes,
      arrays['in_sample'],
      arrays['quantile'].tolist(),
      arrays['kind'].tolist(),
      strict=True,
    )
    return {
      name: (
        Influence(groups[inside], slope[inside], noise, quantile, some),
        Kind(kind),
      )
      for name, noise, some, slope, inside, quantile, kind in rows
    }
  except FileNotFoundError:
    raise errors.InputError(
      f'{path}: no such file; the study is of an earlier version: evaluate '
      'again'
    ) from None
  except errors.InputError:
    raise
  except (IndexError, KeyError, TypeError, ValueError) as error:
    raise errors.InputError(
      f'{path}: is not {_WHOLE}: {files.reason(error)}'
    ) from None


def refuse_others(
  a: Finished, b: Finished, same: Sequence[tuple[str, str]]
) -> None:
  """Raises unless studies have facts in common, by their key and in words."""
  for key, what in same:
    if a.info.get(key) != b.info.get(key):
      raise errors.InputError(
        f'{a.folder} and {b.folder}: studies of different {what}, '
        f'{a.info.get(key)} and {b.info.get(key)}; expected the same corpus'
      )


def _only(having: Finished, lacking: Finished, name: str) -> str:
  """Why a figure that one study has is not compared."""
  reason = catalogue.reason(name, lacking.skipped)
  return f'Only {having.folder} has it.' + (f' {reason}' if reason else '')


def _paired(
  parts: Sequence[tuple[float, Estimate]],
) -> tuple[np.ndarray, np.ndarray, str]:
  """How a weighted sum of figures moves with the groups.

  Returns:
    (G,) names of the groups of any, (G,) float64 derivatives by their weights,
    and why figures are not paired; '' if they are.
  """
  none = np.array([], np.str_), np.array([])
  influences = [one.influence for _, one in parts]
  if None in influences:
    return *none, 'the figure has none in a study either'
  if any(one.kind is Kind.EXACT for _, one in parts):
    return *none, 'a figure is exactly 0 or 1'
  first, *others = (one.groups for one in influences)
  if not all(np.isin(first, groups).any() for groups in others):
    return *none, 'it rests on other groups in the other study'
  names = functools.reduce(np.union1d, others, first)
  slope = np.zeros(len(names))
  for (weight, _), one in zip(parts, influences, strict=True):
    slope[np.searchsorted(names, one.groups)] += weight * one.slope
  return names, slope, ''


def _difference(a: Estimate, b: Estimate) -> Estimate:
  """The figure of b minus that of a."""
  return combined([(-1.0, a), (1.0, b)])


def _noise(parts: Sequence[tuple[float, Estimate]]) -> SeedNoise | None:
  """What seeds add to a weighted sum, those of each figure being others."""
  noises = [
    dataclasses.replace(noise, variance=weight**2 * noise.variance)
    for weight, one in parts
    if (noise := one.influence.seeds) is not None
  ]
  return seeds_lib.add_noises(noises) if noises else seeds_lib.THESE_SEEDS


def _annotators(parts: Sequence[tuple[float, Estimate]]) -> Deletions | None:
  """How a weighted sum of figures of the same votes' annotators moves.

  What figures share within a group and an annotator is not known of both
  together. Of figures that are added it is taken to be each one's own; of those
  that are taken from one another, no less of it is in their difference than in
  the largest beyond all others.
  """
  known = [
    (weight, one.influence.annotators)
    for weight, one in parts
    if one.influence.annotators is not None
  ]
  if not known:
    return None
  names = functools.reduce(np.union1d, [one.names for _, one in known])
  effect = np.zeros(len(names))
  for weight, one in known:
    effect[np.searchsorted(names, one.names)] += weight * one.effect
  weights = np.array([weight for weight, _ in known])
  own = np.abs(weights) * np.sqrt([one.within for _, one in known])
  within = own @ own
  if (weights < 0).any() and (weights > 0).any():
    within = max(2 * own.max() - own.sum(), 0.0) ** 2
  return Deletions(
    names,
    effect,
    float(within),
    min(one.freedom for _, one in known),
    min(one.number for _, one in known),
  )


def _widened(
  found: pivots.Studentised, figures: Sequence[Estimate]
) -> pivots.Studentised:
  """A sum that reaches as many standard errors as the widest of its figures."""
  quantile = found.influence.quantile
  widened = max(quantile, *(one.influence.quantile for one in figures))
  # As if groups varied more, so that the p-value says what the interval does.
  more = (widened / quantile) ** 2
  variances = found.variances | {'groups': more * found.variances['groups']}
  return dataclasses.replace(found, variances=variances)


def combined(
  parts: Sequence[tuple[float, Estimate]],
  scale: Scale = Scale.IDENTITY,
  how: str = 'paired by group',
) -> Estimate:
  """A weighted sum of figures of the same clips, of studies of their own.

  Groups are drawn as in a study, and the sum moves with their weights as its
  influence says: studentised, it has the law of a mean of the groups'
  influences. Of smooth figures, that is all but the curvature, which makes the
  intervals of some wider; so the sum reaches as many standard errors over
  groups as any figure does in its study, where that is more.

  With two views of equal accuracy and 12, 24 and 60 groups of unequal size (400
  simulated corpora each, sigma of log size .7), the interval of the difference
  held 0 in 94.2, 96.2 and 94.8 %, before any widening; drawing the figures
  themselves 94.0, 96.5 and 95.0 %, Student's t 93.2, 95.0 and 94.2 %.

  Args:
    parts: the weight of each figure.
    scale: where the interval is symmetric.
    how: the figures go together, in words.
  """
  figures = [one for _, one in parts]
  value = sum(weight * one.estimate for weight, one in parts)
  n = min(one.n for one in figures)
  names, slope, why = _paired(parts)
  if not why and abs(value) < _ZERO and np.abs(slope).max() < _ZERO:
    why = 'it is the same figure in both'
  if why:
    return Estimate(value, n=n, method=f'no interval: {why}')
  num_groups = len(names)

  def linear(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    moved = weights @ slope
    by_group = slope - (moved / num_groups)[:, None]
    return value + moved - slope.sum(), by_group

  # The sample's clips do not matter to it, but whether they are clustered does.
  sample = samples.Groups(names, max(one.n for one in figures))
  found = pivots.studentise(
    sample, linear, scale, _noise(parts), _annotators(parts)
  )
  if found.fault:
    return Estimate(value, n=n, method=found.method)
  wider = _widened(found, figures)
  low, high = wider.interval()
  return Estimate(
    value,
    low,
    high,
    significance.LEVEL,
    wider.p_value(),
    None,
    n,
    f'{how}, {found.method}',
    dataclasses.replace(found.influence, slope=slope),
    Kind.STUDENT if found.pivots is None else Kind.DRAWN,
    scale=scale,
    variance=found.own_variances(),
    sizes=found.sizes,
  )
