"""What `evaluate` does: reads, judges, writes, and says what was found."""

import contextlib
import dataclasses
import logging
import os
import pathlib
import re
import tempfile
import textwrap
import time
from collections.abc import Iterator, Sequence

import empathy
from empathy import errors, files, remote
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import label_studio
from empathy.evaluation import (
  comparison,
  comparison_report,
  engine,
  judging,
  leakage,
  learning,
  report,
  runs,
  several_labels,
  several_labels_report,
  shards,
  verdicts,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib

_LOGGER = logging.getLogger('empathy')
_WIDTH = 80
# Where a column of a line begins.
_COLUMN = re.compile(r'(?<=\S) {2,}(?=\S)')
# What stays on one line: a number and its unit, and an interval.
_UNBROKEN = re.compile(r'\[[^][]*\](?: points?)?|\d (?:%|points?\b)')


@dataclasses.dataclass(frozen=True)
class Input:
  """What is judged.

  Attributes:
    corpus: the folder.
    predictions: the table; None: the humans alone are judged.
    label: of several, the one to judge by.
    run: the training run that says all this; None where there is none.
  """

  corpus: pathlib.Path
  predictions: pathlib.Path | None
  label: str | None
  run: runs.Run | None = None


def of_run(workdir: pathlib.Path, label: str | None = None) -> Input:
  """What a training run in a folder of this machine trained on and predicted.

  Args:
    workdir: the folder.
    label: what is judged by; None: what the run says, if anything.

  Raises:
    InputError: the folder is not one of a run that has ended, or it is one of
      another label.
  """
  run = runs.read(workdir)
  own = run.config.get('label')
  if own and label not in (None, own):
    raise errors.InputError(
      f'--label: {label!r}, but the run in {workdir} is of {own!r}'
    )
  predictions = workdir / 'predictions.parquet'
  if not predictions.exists():
    raise errors.InputError(
      f'{predictions}: no such file: training has not ended; go on with it: '
      f'empathy train --config=FILE --workdir={workdir}'
    )
  corpus = remote.here(run.corpus, remote.CORPUS)
  return Input(corpus, predictions, own or label, run)


def evaluate(
  given: Input,
  output: pathlib.Path,
  lenient: bool = False,
  tasks: pathlib.Path | None = None,
) -> None:
  """Makes a study, and says what was found and where it is.

  Args:
    given: what is judged.
    output: the folder of the study.
    lenient: whether to take predictions that are no whole answers.
    tasks: the file that clips go to as tasks for Label Studio; None for none.

  Raises:
    InputError: something of it is at fault.
  """
  start = time.monotonic()
  study_lib.check_output(output)
  corpus = None
  if tasks is not None:  # What cannot be shown is told at once.
    place = errors.named(os.fspath(given.corpus))
    remote.refuse(place, '--label_studio', 'a corpus with its media here')
    corpus = corpus_lib.read(given.corpus, label=given.label)
    label_studio.tasks(corpus, corpus.ids.tolist(), '')
  study = judging.judge(
    given.predictions,
    given.corpus if corpus is None else corpus,
    label=given.label,
    lenient=lenient,
  )
  if given.run is not None:
    study = _with_run(study, given.run)
  _warn(study)
  study_lib.write(study, output, report.render(study, output))
  if corpus is not None:
    _queue(tasks, corpus, study, given.predictions)
  _say(report.verdicts(study), output, start)


def _with_run(study: study_lib.Study, run: runs.Run) -> study_lib.Study:
  """The study of a run's predictions, with what the run says of itself."""
  info = {**study.info, 'training': run.told}
  if run.config.get('normalise') == 'group':
    info['covers'] = (
      f'{info["covers"]} Features were standardised within each group, over '
      'all of its clips, held-out ones too, without their labels: these '
      'figures are transductive, and hold where a speaker is met in many clips '
      'at once.'
    ).strip()
  return learning.added(dataclasses.replace(study, info=info), run)


def _queue(
  path: pathlib.Path,
  corpus: corpus_lib.Corpus,
  study: study_lib.Study,
  predictions: pathlib.Path | None,
) -> None:
  """Writes the clips of a study as tasks for Label Studio."""
  version = f'empathy {empathy.__version__}'
  if predictions is not None:
    version += f', {predictions.name} {files.sha256(predictions)[:8]}'
  tasks = label_studio.tasks(corpus, study.signals['id'].tolist(), version)
  files.write_json(path, tasks)
  print(f'tasks: {path}  ({len(tasks):,} clips)')


def survey(given: Input, path: pathlib.Path, lenient: bool = False) -> None:
  """Surveys a part of a corpus."""
  start = time.monotonic()
  found = shards.survey(given.corpus, given.predictions, lenient, given.label)
  shards.write_survey(found, path)
  print(f'survey: {path}  ({time.monotonic() - start:.1f} s)')


def tally(
  given: Input,
  path: pathlib.Path,
  surveys: Sequence[str],
  lenient: bool = False,
) -> None:
  """Adds up a part of a corpus, by the surveys of all parts."""
  start = time.monotonic()
  found = [shards.read_survey(pathlib.Path(one)) for one in surveys]
  plan = plan_lib.draw_up(sum(found[1:], found[0])) if found else None
  with files.replacing(shards.signals_of(path)) as signals:
    signals.mkdir()
    part = given.corpus, given.predictions
    added = shards.tally(*part, plan, signals, lenient, given.label)
  shards.write(added, path)
  print(f'tally: {path}  ({time.monotonic() - start:.1f} s)')


def by_beam(
  given: Input,
  output: pathlib.Path,
  options: list[str],
  lenient: bool = False,
) -> None:
  """Makes a study by a pipeline of Apache Beam, and says what was found.

  Args:
    given: what is judged; the corpus may be in shards.
    output: the folder of the study.
    options: Beam's own flags.
    lenient: as for `evaluate`.
  """
  start = time.monotonic()
  study_lib.check_output(output)
  with _folder_beside(output) as folder:
    study = study_lib.of_totals(
      *engine.judge(
        given.corpus,
        given.predictions,
        folder,
        options,
        lenient=lenient,
        label=given.label,
      )
    )
    _warn(study)
    study_lib.write(
      study, output, report.render(study, output), folder / 'signals'
    )
  _say(report.verdicts(study), output, start)


def compare(folders: Sequence[str], output: pathlib.Path) -> None:
  """Compares two finished studies."""
  start = time.monotonic()
  comparison.check_output(output)
  a, b = (comparison.read(pathlib.Path(folder)) for folder in folders)
  found = comparison.compare(a, b)
  comparison.write(found, output, comparison_report.render(found))
  _say(comparison_report.sentences(found), output, start)


def summarise(folders: Sequence[str], output: pathlib.Path) -> None:
  """Puts finished studies of several labels together."""
  start = time.monotonic()
  several_labels.check_output(output)
  found = several_labels.summarise(
    [comparison.read(pathlib.Path(folder)) for folder in folders]
  )
  page = several_labels_report.render(found, output)
  several_labels.write(found, output, page)
  _say(several_labels_report.sentences(found), output, start)


def merge(paths: Sequence[str], output: pathlib.Path) -> None:
  """Makes a study of tallies."""
  start = time.monotonic()
  study_lib.check_output(output)
  tallies = [shards.read(pathlib.Path(path)) for path in paths]
  study = shards.study(shards.merge(tallies))
  _warn(study)
  with _folder_beside(output) as folder:
    signals = shards.put_together(
      dict(zip(map(pathlib.Path, paths), tallies, strict=True)),
      folder / 'signals',
    )
    study_lib.write(study, output, report.render(study), signals)
  _say(report.verdicts(study), output, start)


def _say(lines: Sequence[str], output: pathlib.Path, start: float) -> None:
  """Prints what was found, and where the rest of it is."""
  for line in lines:
    print(wrapped(line))
  print(
    f'report: {output / "report.html"}  '
    f'({time.monotonic() - start:.1f} s to evaluate)'
  )


def wrapped(line: str) -> str:
  """A line for a terminal, which goes on below the last of its columns."""
  start = max((found.end() for found in _COLUMN.finditer(line)), default=2)
  lines = textwrap.fill(
    _UNBROKEN.sub(lambda found: found[0].replace(' ', '\0'), line),
    _WIDTH,
    subsequent_indent=' ' * start,
    break_long_words=False,
    break_on_hyphens=False,
  )
  return lines.replace('\0', ' ')


def _warn(study: study_lib.Study) -> None:
  """Says at once what makes a study worth little."""
  for row in study.tables['data_checks']:
    if row['verdict'] == verdicts.FAIL or row == leakage.FOLDS_UNKNOWN:
      _LOGGER.warning('data check %s: %s', row['check'], row['sentence'])


@contextlib.contextmanager
def _folder_beside(output: pathlib.Path) -> Iterator[pathlib.Path]:
  """A folder on the disk of another one, for what is moved there."""
  place = output.resolve().parent
  place.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(
    dir=place, prefix=f'.{output.name}.'
  ) as name:
    yield pathlib.Path(name)
