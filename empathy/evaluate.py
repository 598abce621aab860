"""Judges predictions, labels and votes: the study and its report.

  python -m empathy.evaluate --workdir=DIR
  python -m empathy.evaluate --predictions=FILE --corpus=CORPUS --output=DIR
  python -m empathy.evaluate --corpus=CORPUS --output=DIR
  python -m empathy.evaluate --compare STUDY STUDY --output=DIR
  python -m empathy.evaluate --labels STUDY STUDY... --output=DIR
  python -m empathy.evaluate --predictions=FILE --corpus=PART --survey=SURVEY
  python -m empathy.evaluate --predictions=FILE --corpus=PART --tally=TALLY \
    SURVEY...
  python -m empathy.evaluate --merge TALLY... --output=DIR
  python -m empathy.evaluate --predictions=FILES --corpus=CORPUS --output=DIR \
    --beam='--runner=...'

The first judges a training run, the second anybody's predictions, the third
the human annotators alone; the fourth sets two finished studies of one corpus
side by side, and the fifth puts those of several labels together. The others
judge a corpus that does not fit in memory, or lies in parts on several
machines: each part is surveyed, then added up by the surveys of all parts, and
the tallies of all make one study. A corpus of one part needs no survey.
"""

import os

# A study multiplies many small matrices, for which threads only wait for each
# other: on a busy machine they made it five times slower. NumPy reads this when
# it is imported.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import contextlib
import dataclasses
import json
import logging
import pathlib
import shlex
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from absl import flags

import empathy
from empathy import cli, errors, files, remote
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
  several_labels,
  several_labels_report,
  shards,
  verdicts,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib

_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'The folder of a training run: its predictions.parquet is judged on the '
  'corpus that its config.json names.',
)
_PREDICTIONS = flags.DEFINE_string(
  'predictions', None, 'A predictions table, Parquet or CSV; needs --corpus.'
)
_LENIENT = flags.DEFINE_bool(
  'lenient',
  False,
  'Take predictions that are no whole answers: divide probabilities by their '
  'sum, leave out those of unknown classes, and count a label that is none of '
  'the classes, or a score that is no number, as no answer. What was changed '
  'is said.',
)
_CORPUS = flags.DEFINE_string('corpus', None, 'The corpus folder.')
_LABEL = flags.DEFINE_string(
  'label',
  None,
  'Of a corpus with several labels, the one to judge by; a training run says '
  'it itself.',
)
_OUTPUT = flags.DEFINE_string(
  'output',
  None,
  'The folder that the study goes to: study.json, tables, signals.csv and '
  'report.html. By default study in the workdir, else in the current folder. '
  'A study that is there is replaced.',
)
_COMPARE = flags.DEFINE_string(
  'compare',
  None,
  'The folder of a study, followed by that of another one of the same corpus: '
  'their differences, paired, go to --output, comparison by default.',
)
_LABELS = flags.DEFINE_string(
  'labels',
  None,
  'The folder of a study, followed by those of studies of other labels of the '
  'same clips: their summary, with means over labels, goes to --output, labels '
  'by default.',
)
_SURVEY = flags.DEFINE_string(
  'survey',
  None,
  'The file that a survey of the clips of --corpus and --predictions goes to; '
  'for --tally.',
)
_TALLY = flags.DEFINE_string(
  'tally',
  None,
  'The file that sums over the clips of --corpus and --predictions go to, '
  'followed by the surveys of all parts, if there are several; for --merge. '
  'Signals of all clips go to a folder beside it, FILE.signals.',
)
_MERGE = flags.DEFINE_string(
  'merge',
  None,
  'A tally, followed by those of all other parts of the corpus: their study '
  'goes to --output.',
)
_LABEL_STUDIO = flags.DEFINE_string(
  'label_studio',
  None,
  'A .json file that the clips of signals.csv go to as well, most in doubt '
  'first, as tasks for Label Studio, whose score puts them in this order.',
)
_BEAM = flags.DEFINE_string(
  'beam',
  None,
  "Judge by Apache Beam, on many machines; Beam's own flags, perhaps none. "
  '--predictions may be a folder of tables or a pattern, and so may clips and '
  'votes be folders in the corpus, whose rows are in any order.',
)

_LOGGER = logging.getLogger('empathy')


def main(*words: str) -> None:
  """Runs the binary.

  Args:
    *words: what is no flag on the command line.
  """
  if _LABEL_STUDIO.value is not None:
    for flag in (_COMPARE, _MERGE, _TALLY, _SURVEY, _BEAM):
      _refuse_flags(_LABEL_STUDIO, flag)
  if _COMPARE.value is not None:
    _compare(_COMPARE.value, *words)
    return
  if _LABELS.value is not None:
    _summarise(_LABELS.value, *words)
    return
  if _MERGE.value is not None:
    _merge(_MERGE.value, *words)
    return
  if _TALLY.value is not None:
    _tally(pathlib.Path(_TALLY.value), *words)
    return
  if words:
    raise errors.InputError(f'{words[0]!r} is not a flag: write --name=value')
  if _SURVEY.value is not None:
    _survey(pathlib.Path(_SURVEY.value))
    return
  if _BEAM.value is not None:
    _by_beam(shlex.split(_BEAM.value))
    return
  workdir = _WORKDIR.value
  if workdir is None or not remote.is_remote(workdir):
    _evaluate(workdir)
    return
  needed = ['config.json', 'predictions.parquet', *learning.FILES]
  with remote.mirror(workdir, only=needed) as (local, push):
    _evaluate(local)
    push()
  if _OUTPUT.value is None:
    print(f'copied to {workdir.rstrip("/")}/study')


def _evaluate(workdir: str | os.PathLike | None) -> None:
  """Makes a study, and says where it is.

  Args:
    workdir: of a training run, here; None if other flags name the input.
  """
  start = time.monotonic()
  corpus_path, predictions_path, output = _places(workdir)
  study_lib.check_output(output)
  label = _label(workdir, _LABEL.value)
  corpus = None
  if _LABEL_STUDIO.value is not None:  # What cannot be shown is told at once.
    place = errors.named(os.fspath(corpus_path))
    remote.refuse(place, '--label_studio', 'a corpus with its media here')
    corpus = corpus_lib.read(corpus_path, label=label)
    label_studio.tasks(corpus, corpus.ids.tolist(), '')
  study = judging.judge(
    predictions_path,
    corpus_path if corpus is None else corpus,
    label=label,
    lenient=_LENIENT.value,
  )
  if workdir is not None and _is_transductive(
    pathlib.Path(workdir) / 'config.json'
  ):
    covers = (
      f'{study.info["covers"]} Features were standardised within each group, '
      'over all of its clips, held-out ones too, without their labels: these '
      'figures are transductive, and hold where a speaker is met in many clips '
      'at once.'
    )
    study = dataclasses.replace(study, info=study.info | {'covers': covers})
  if workdir is not None:
    study = learning.added(study, pathlib.Path(workdir))
  _warn(study)
  study_lib.write(study, output, report.render(study, output))
  if corpus is not None:
    _queue(pathlib.Path(_LABEL_STUDIO.value), corpus, study, predictions_path)
  _done(output, start)


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


def _done(output: pathlib.Path, start: float) -> None:
  print(
    f'report: {output / "report.html"}  '
    f'({time.monotonic() - start:.1f} s to evaluate)'
  )


def _survey(path: pathlib.Path) -> None:
  """Surveys a part of a corpus."""
  start = time.monotonic()
  _refuse_flags(_SURVEY, _OUTPUT)
  label = _label(_WORKDIR.value, _LABEL.value)
  shards.write_survey(
    shards.survey(*_part(_SURVEY), _LENIENT.value, label), path
  )
  print(f'survey: {path}  ({time.monotonic() - start:.1f} s)')


def _tally(path: pathlib.Path, *surveys: str) -> None:
  """Adds up a part of a corpus, by the surveys of all parts."""
  start = time.monotonic()
  _refuse_flags(_TALLY, _OUTPUT, _SURVEY)
  part = _part(_TALLY)
  found = [shards.read_survey(pathlib.Path(one)) for one in surveys]
  plan = plan_lib.draw_up(sum(found[1:], found[0])) if found else None
  with files.replacing(shards.signals_of(path)) as signals:
    signals.mkdir()
    label = _label(_WORKDIR.value, _LABEL.value)
    tally = shards.tally(*part, plan, signals, _LENIENT.value, label)
  shards.write(tally, path)
  print(f'tally: {path}  ({time.monotonic() - start:.1f} s)')


def _part(flag: flags.FlagHolder) -> tuple[pathlib.Path, pathlib.Path]:
  """The corpus and the predictions that a flag needs."""
  corpus, predictions, _ = _places(_WORKDIR.value)
  if predictions is None:
    raise errors.InputError(f'--{flag.name} needs --predictions=FILE')
  return corpus, predictions


def _by_beam(options: list[str]) -> None:
  """Makes a study by a pipeline, and says where it is."""
  start = time.monotonic()
  _refuse_flags(_BEAM, _WORKDIR)
  remote.refuse(_CORPUS.value, '--corpus', 'a folder that all machines see')
  corpus, predictions, output = _places(None)
  study_lib.check_output(output)
  with _folder_beside(output) as folder:
    study = study_lib.of_totals(
      *engine.judge(
        corpus,
        predictions,
        folder,
        options,
        lenient=_LENIENT.value,
        label=_LABEL.value,
      )
    )
    _warn(study)
    study_lib.write(
      study, output, report.render(study, output), folder / 'signals'
    )
  _done(output, start)


@contextlib.contextmanager
def _folder_beside(output: pathlib.Path) -> Iterator[pathlib.Path]:
  """A folder on the disk of another one, for what is moved there."""
  place = output.resolve().parent
  place.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(
    dir=place, prefix=f'.{output.name}.'
  ) as name:
    yield pathlib.Path(name)


def _compare(*folders: str) -> None:
  """Compares two finished studies."""
  _refuse_flags(
    _COMPARE, _WORKDIR, _PREDICTIONS, _CORPUS, _TALLY, _SURVEY, _MERGE
  )
  if len(folders) != 2:
    raise errors.InputError(
      'expected --compare STUDY STUDY, the folders of two studies; got '
      f'{len(folders)}'
    )
  output = pathlib.Path(_OUTPUT.value or 'comparison')
  comparison.check_output(output)
  a, b = (comparison.read(pathlib.Path(folder)) for folder in folders)
  found = comparison.compare(a, b)
  comparison.write(found, output, comparison_report.render(found))
  print(f'report: {output / "report.html"}')


def _summarise(*folders: str) -> None:
  """Puts finished studies of several labels together."""
  _refuse_flags(
    _LABELS, _WORKDIR, _PREDICTIONS, _CORPUS, _TALLY, _SURVEY, _MERGE
  )
  output = pathlib.Path(_OUTPUT.value or 'labels')
  several_labels.check_output(output)
  found = several_labels.summarise(
    [comparison.read(pathlib.Path(folder)) for folder in folders]
  )
  page = several_labels_report.render(found, output)
  several_labels.write(found, output, page)
  print(f'report: {output / "report.html"}')


def _merge(*paths: str) -> None:
  """Makes a study of tallies."""
  _refuse_flags(_MERGE, _WORKDIR, _PREDICTIONS, _CORPUS, _TALLY, _SURVEY)
  output = pathlib.Path(_OUTPUT.value or 'study')
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
  print(f'report: {output / "report.html"}')


def _warn(study: study_lib.Study) -> None:
  """Says at once what makes a study worth little."""
  for row in study.tables['data_checks']:
    if row['verdict'] == verdicts.FAIL or row == leakage.FOLDS_UNKNOWN:
      _LOGGER.warning('data check %s: %s', row['check'], row['sentence'])


def _refuse_flags(flag: flags.FlagHolder, *others: flags.FlagHolder) -> None:
  """Raises if a flag is given that makes no sense beside another one."""
  for other in others:
    if other.value is not None:
      raise errors.InputError(f'--{other.name} does not go with --{flag.name}')


def _places(
  workdir: str | os.PathLike | None,
) -> tuple[pathlib.Path, pathlib.Path | None, pathlib.Path]:
  """Where the corpus and predictions are and the study goes, by the flags."""
  if workdir is None:
    if _CORPUS.value is None:
      raise errors.InputError(
        'expected --workdir=DIR, or --corpus=CORPUS and, unless the humans '
        'alone are judged, --predictions=FILE'
      )
    predictions = _PREDICTIONS.value
    return (
      remote.here(_CORPUS.value, remote.CORPUS),
      None if predictions is None else pathlib.Path(predictions),
      pathlib.Path(_OUTPUT.value or 'study'),
    )
  for flag in (_CORPUS, _PREDICTIONS):
    if flag.value is not None:
      raise errors.InputError(
        f'--{flag.name} does not go with --workdir, which says it already'
      )
  workdir = pathlib.Path(workdir)
  return (
    _trained_on(workdir / 'config.json'),
    workdir / 'predictions.parquet',
    pathlib.Path(_OUTPUT.value or workdir / 'study'),
  )


def _label(workdir: str | os.PathLike | None, given: str | None) -> str | None:
  """The label that is judged by, of several.

  Args:
    workdir: of a training run, which may say it; or None.
    given: by the flag.
  """
  if workdir is None:
    return given
  own = _config(pathlib.Path(workdir) / 'config.json').get('label')
  if own and given not in (None, own):
    raise errors.InputError(
      f'--label: {given!r}, but the run in {workdir} is of {own!r}'
    )
  return own or given


def _is_transductive(path: pathlib.Path) -> bool:
  """Whether a run normalised features by group."""
  return _config(path).get('normalise') == 'group'


def _config(path: pathlib.Path) -> dict[str, Any]:
  """The configuration of a run, by its `config.json`."""
  return json.loads(path.read_text(encoding='utf-8')).get('config', {})


def _trained_on(path: pathlib.Path) -> pathlib.Path:
  """The corpus that a training run's `config.json` names."""
  try:
    config = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise errors.InputError(
      f'{path}: no such file; expected the folder of a training run'
    ) from None
  except ValueError as error:
    raise errors.InputError(f'{path}: is not JSON: {error}') from None
  corpus = config.get('corpus') if isinstance(config, dict) else None
  if not isinstance(corpus, str) or not corpus:
    raise errors.InputError(f"{path}: key 'corpus': expected a path")
  return remote.here(corpus, remote.CORPUS)


if __name__ == '__main__':
  cli.run(main, words=True, buckets=['workdir', 'corpus'])
