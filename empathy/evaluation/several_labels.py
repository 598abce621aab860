"""Several labels of the same clips: a study of each, and of their mean.

Labels are the dimensions of a rating, or classes of which a clip may have
several. Each has a study of its own; here the primary figures of all are
corrected together, and figures are averaged over labels. The labels are of the
same clips, so their figures move together when a group is drawn: a mean's
interval is made of the mean of the influences that the studies keep (see
`comparison.combined`), as if groups were drawn for all labels at once. With
three labels and 24 and 60 groups of some five clips, whose difficulty they
share (2,000 simulated corpora each), it held the mean accuracy in 96.2 and
95.5 %; one of independent labels in 88.0 and 86.2 %. Who voted is left out of
all labels likewise: with two labels on which 20 annotators lean in part alike,
the means of ten figures of votes were held in 93 to 98 % of 100 corpora, over
groups alone in 80 to 84 %; their differences in 94 to 100 %, and 58 to 86 %.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from empathy import errors, files
from empathy.corpora import declared, tables
from empathy.evaluation import catalogue, comparison, significance
from empathy.evaluation import study as study_lib
from empathy.evaluation.comparison import Finished
from empathy.evaluation.findings import Estimate, Kind

SCHEMA = 1
FILES = ('labels.json', 'report.html', 'tables')
_COLUMNS = ('estimate', 'low', 'high', 'p', 'p_adjusted', 'n')


@dataclasses.dataclass(frozen=True)
class Labels:
  """What the studies of several labels found together.

  Attributes:
    studies: by label, in the order in which they were named.
    primaries: by label and question, the primary figure, its p-value corrected
      with those of all labels and questions.
    means: by name, the mean over labels of the figures that all studies have.
    skipped: by name, why there is no mean, as there is one for some label only.
  """

  studies: Mapping[str, Finished]
  primaries: Mapping[tuple[str, int], Estimate]
  means: Mapping[str, Estimate]
  skipped: Mapping[str, str]


def summarise(studies: Sequence[Finished]) -> Labels:
  """Puts the studies of several labels together.

  The p-values of the primaries of all labels are one family of Holm's. Those of
  means are a family for each figure, over views, signals or conditions.

  Args:
    studies: of the same clips, two at least.

  Raises:
    InputError: there are fewer, they are of different corpora, or two are of
      one label.
  """
  if len(studies) < 2:
    raise errors.InputError(
      f'expected the studies of two labels or more; got {len(studies)}'
    )
  named: dict[str, Finished] = {}
  for study in studies:
    comparison.refuse_others(studies[0], study, comparison.SAME_CLIPS)
    name = study.info.get(declared.NAME) or study.folder.resolve().name
    if name in named:
      raise errors.InputError(
        f'{named[name].folder} and {study.folder}: both are of the label '
        f'{name!r}; expected one study a label'
      )
    named[name] = study
  means, skipped = {}, {}
  for name in dict.fromkeys(n for one in studies for n in one.statistics):
    lacking = [
      label for label, one in named.items() if name not in one.statistics
    ]
    if lacking:
      reason = catalogue.reason(name, named[lacking[0]].skipped)
      skipped[name] = f'{lacking[0]} has none. {reason}'.strip()
    else:
      means[name] = _mean(name, [one.statistics[name] for one in studies])
  return Labels(named, _primaries(named), _corrected(means), skipped)


def write(labels: Labels, output: pathlib.Path, report: str) -> None:
  """Writes a summary as a folder, whole or not at all.

  Args:
    labels: what was found.
    output: the folder; an earlier summary there is replaced.
    report: the report's HTML.

  Raises:
    InputError: see `check_output`.
  """
  check_output(output)
  with files.replacing(output.resolve()) as folder:
    (folder / 'tables').mkdir(parents=True)
    files.write_json(
      folder / 'labels.json',
      {
        'schema': SCHEMA,
        'corpus': next(iter(labels.studies.values())).info['corpus'],
        'studies': {
          name: str(study.folder) for name, study in labels.studies.items()
        },
        'primaries': {
          label: {
            str(question): {'statistic': study.primaries[question]}
            | labels.primaries[label, question].figures()
            for question in study.primaries
          }
          for label, study in labels.studies.items()
        },
        'means': {name: one.figures() for name, one in labels.means.items()},
        'skipped': dict(labels.skipped),
      },
    )
    rows = [
      [label, question, labels.studies[label].primaries[question], one]
      for (label, question), one in labels.primaries.items()
    ]
    _write_table(
      folder / 'tables' / 'primaries.csv',
      ('label', 'question', 'statistic'),
      rows,
    )
    _write_table(
      folder / 'tables' / 'means.csv',
      ('statistic',),
      [[name, one] for name, one in labels.means.items()],
    )
    files.write_text(folder / 'report.html', report)


def check_output(output: pathlib.Path) -> None:
  """Refuses a folder that holds other things than a summary of labels.

  Raises:
    InputError: it does, or it is a file or the current folder.
  """
  study_lib.check_output(output, FILES, 'a summary of labels')


def _write_table(
  path: pathlib.Path, first: Sequence[str], rows: Sequence[list]
) -> None:
  """A table whose rows end with an estimate."""
  filled = [
    [*keys, *(getattr(one, field) for field in _COLUMNS)] for *keys, one in rows
  ]
  tables.write_csv(
    path,
    {
      column: [study_lib.text(row[place]) for row in filled]
      for place, column in enumerate((*first, *_COLUMNS))
    },
  )


def _primaries(
  named: Mapping[str, Finished],
) -> dict[tuple[str, int], Estimate]:
  """The primaries of all labels, corrected together."""
  found = {
    (label, question): study.statistics[name]
    for label, study in named.items()
    for question, name in study.primaries.items()
  }
  # One that was chosen by its value counts as all that it was chosen from.
  p_values = {
    (label, question): min(
      1.0, one.p * named[label].candidates.get(question, 1)
    )
    for (label, question), one in found.items()
    if one.p is not None
  }
  adjusted = significance.holm(list(p_values.values()))
  return found | {
    key: dataclasses.replace(found[key], p_adjusted=p)
    for key, p in zip(p_values, adjusted, strict=True)
  }


def _mean(name: str, figures: Sequence[Estimate]) -> Estimate:
  """The mean over labels of a figure."""
  entry = catalogue.entry_of(name)
  weight = 1 / len(figures)
  if any(one.kind is Kind.LEAST for one in figures):
    value = weight * sum(one.estimate for one in figures)
    number = min(one.n for one in figures)
    return Estimate(
      value, n=number, method='no interval: it is the least of several figures'
    )
  one = comparison.combined(
    [(weight, figure) for figure in figures],
    entry.scale,
    f'mean of {len(figures)} labels',
  )
  if entry.null is None:
    return dataclasses.replace(one, p=None)
  if entry.one_sided and one.p is not None:
    p = one.p / 2 if one.estimate > 0 else 1 - one.p / 2
    return dataclasses.replace(one, p=p, one_sided=True)
  return one


def _corrected(means: dict[str, Estimate]) -> dict[str, Estimate]:
  """The same, with p-values corrected within each figure's family."""
  families: dict[str, list[str]] = {}
  for name, one in means.items():
    if one.p is not None:
      families.setdefault(catalogue.family(name), []).append(name)
  for names in families.values():
    adjusted = significance.holm([means[name].p for name in names])
    for name, p in zip(names, adjusted, strict=True):
      means[name] = dataclasses.replace(means[name], p_adjusted=p)
  return means
