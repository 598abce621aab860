r"""Judges predictions, labels and votes: the study and its report.

  empathy evaluate --workdir=DIR
  empathy evaluate --predictions=FILE --corpus=CORPUS --output=DIR
  empathy evaluate --corpus=CORPUS --output=DIR
  empathy evaluate --compare STUDY STUDY --output=DIR
  empathy evaluate --labels STUDY STUDY... --output=DIR
  empathy evaluate --predictions=FILE --corpus=PART --survey=SURVEY
  empathy evaluate --predictions=FILE --corpus=PART --tally=TALLY SURVEY...
  empathy evaluate --merge TALLY... --output=DIR
  empathy evaluate --predictions=FILES --corpus=CORPUS --output=DIR \
      --beam='--runner=...'

The first judges a training run, the second anybody's predictions, the third
the human annotators alone; the fourth sets two finished studies of one corpus
side by side, and the fifth puts those of several labels together. The others
judge a corpus that does not fit in memory, or lies in parts on several
machines: each part is surveyed, then added up by the surveys of all parts, and
the tallies of all make one study. A corpus of one part needs no survey.

Examples:
  empathy evaluate --workdir=runs/first
  empathy evaluate --corpus=runs/simulated --output=runs/humans
"""

import os

# A study multiplies many small matrices, for which threads only wait for each
# other: on a busy machine they made it five times slower. NumPy reads this when
# it is imported.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import pathlib
import shlex
from typing import TYPE_CHECKING

from absl import flags

from empathy import cli, errors, remote

if TYPE_CHECKING:
  from empathy.evaluation import commands

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


def main(*words: str) -> None:
  """Runs the binary.

  Args:
    *words: what is no flag on the command line.
  """
  # Here, for --help is not to wait for it.
  from empathy.evaluation import commands

  if _LABEL_STUDIO.value is not None:
    for flag in (_COMPARE, _MERGE, _TALLY, _SURVEY, _BEAM):
      _refuse_flags(_LABEL_STUDIO, flag)
  if _COMPARE.value is not None:
    _refuse_flags(
      _COMPARE, _WORKDIR, _PREDICTIONS, _CORPUS, _TALLY, _SURVEY, _MERGE
    )
    folders = [_COMPARE.value, *words]
    if len(folders) != 2:
      raise errors.InputError(
        'expected --compare STUDY STUDY, the folders of two studies; got '
        f'{len(folders)}'
      )
    commands.compare(folders, _output('comparison'))
  elif _LABELS.value is not None:
    _refuse_flags(
      _LABELS, _WORKDIR, _PREDICTIONS, _CORPUS, _TALLY, _SURVEY, _MERGE
    )
    commands.summarise([_LABELS.value, *words], _output('labels'))
  elif _MERGE.value is not None:
    _refuse_flags(_MERGE, _WORKDIR, _PREDICTIONS, _CORPUS, _TALLY, _SURVEY)
    commands.merge([_MERGE.value, *words], _output('study'))
  elif _TALLY.value is not None:
    _refuse_flags(_TALLY, _OUTPUT, _SURVEY)
    part = _part(_TALLY)
    path = pathlib.Path(_TALLY.value)
    commands.tally(part, path, words, _LENIENT.value)
  elif words:
    raise errors.InputError(cli.not_a_flag(words[0]))
  elif _SURVEY.value is not None:
    _refuse_flags(_SURVEY, _OUTPUT)
    part = _part(_SURVEY)
    commands.survey(part, pathlib.Path(_SURVEY.value), _LENIENT.value)
  elif _BEAM.value is not None:
    _refuse_flags(_BEAM, _WORKDIR)
    remote.refuse(_CORPUS.value, '--corpus', 'a folder that all machines see')
    options = shlex.split(_BEAM.value)
    commands.by_beam(_told(), _output('study'), options, _LENIENT.value)
  elif _WORKDIR.value is None:
    _evaluate(_told(), _output('study'))
  else:
    _evaluate_run(_WORKDIR.value)


def _evaluate_run(workdir: str) -> None:
  """Judges a training run, perhaps in a bucket."""
  if not remote.is_remote(workdir):
    _evaluate(_of_run(workdir), _output(f'{workdir}/study'))
    return
  needed = ['config.json', 'members.json', 'metrics.jsonl']
  needed.append('predictions.parquet')
  with remote.mirror(workdir, only=needed) as (local, push):
    _evaluate(_of_run(local), _output(local / 'study'))
    push()
  if _OUTPUT.value is None:
    print(f'copied to {workdir.rstrip("/")}/study')


def _evaluate(given: 'commands.Input', output: pathlib.Path) -> None:
  from empathy.evaluation import commands

  tasks = _LABEL_STUDIO.value and pathlib.Path(_LABEL_STUDIO.value)
  commands.evaluate(given, output, _LENIENT.value, tasks)


def _output(default: str | os.PathLike) -> pathlib.Path:
  return pathlib.Path(_OUTPUT.value or default)


def _part(flag: flags.FlagHolder) -> 'commands.Input':
  """The corpus and the predictions that a flag needs."""
  given = _told() if _WORKDIR.value is None else _of_run(_WORKDIR.value)
  if given.predictions is None:
    raise errors.InputError(f'--{flag.name} needs --predictions=FILE')
  return given


def _told() -> 'commands.Input':
  """What is judged, where no training run says it."""
  from empathy.evaluation import commands

  if _CORPUS.value is None and _PREDICTIONS.value is not None:
    run = pathlib.Path(_PREDICTIONS.value).parent
    ran = (run / 'config.json').is_file()
    raise errors.InputError(
      'expected --corpus=CORPUS beside --predictions'
      + (f'; did you mean --workdir={run}?' if ran else '')
    )
  if _CORPUS.value is None:
    raise errors.InputError(
      'expected --workdir=DIR, or --corpus=CORPUS and, unless the humans '
      'alone are judged, --predictions=FILE'
    )
  return commands.Input(
    remote.here(_CORPUS.value, remote.CORPUS),
    _PREDICTIONS.value and pathlib.Path(_PREDICTIONS.value),
    _LABEL.value,
  )


def _of_run(workdir: str | os.PathLike) -> 'commands.Input':
  """What is judged, as a training run says."""
  from empathy.evaluation import commands

  for flag in (_CORPUS, _PREDICTIONS):
    if flag.value is not None:
      raise errors.InputError(
        f'--{flag.name} does not go with --workdir, which says it already'
      )
  return commands.of_run(pathlib.Path(workdir), _LABEL.value)


def _refuse_flags(flag: flags.FlagHolder, *others: flags.FlagHolder) -> None:
  """Raises if a flag is given that makes no sense beside another one."""
  for other in others:
    if other.value is not None:
      raise errors.InputError(f'--{other.name} does not go with --{flag.name}')


if __name__ == '__main__':
  cli.run(main, words=True, buckets=['workdir', 'corpus'])
