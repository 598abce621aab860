"""Judges predictions, labels and votes: the study and its report.

  python -m empathy.evaluate --workdir=DIR
  python -m empathy.evaluate --predictions=FILE --corpus=CORPUS --output=DIR
  python -m empathy.evaluate --corpus=CORPUS --output=DIR

The first judges a training run, the second anybody's predictions, the third
the human annotators alone.
"""

import os

# A study multiplies many small matrices, for which threads only wait for each
# other: on a busy machine they made it five times slower. NumPy reads this when
# it is imported.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import json
import pathlib
import time

from absl import flags

from empathy import cli, errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import report
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
_CORPUS = flags.DEFINE_string('corpus', None, 'The corpus folder.')
_OUTPUT = flags.DEFINE_string(
  'output',
  None,
  'The folder that the study goes to: study.json, tables, signals.csv and '
  'report.html. By default study in the workdir, else in the current folder. '
  'A study that is there is replaced.',
)


def main() -> None:
  """Runs the binary."""
  start = time.monotonic()
  corpus_path, predictions_path, output = _places()
  study_lib.check_output(output)
  corpus = corpus_lib.read(corpus_path, features=None)
  predictions = None
  if predictions_path is not None:
    predictions = predictions_lib.read(predictions_path, corpus)
  elif corpus.votes is None:
    raise errors.InputError(
      f'{corpus_path}: has no votes, and there is no --predictions=FILE: '
      'nothing to evaluate'
    )
  study = study_lib.build(corpus, predictions)
  if _WORKDIR.value is not None and _is_transductive(
    pathlib.Path(_WORKDIR.value) / 'config.json'
  ):
    study.info['covers'] += (
      ' Features were standardised within each group, over all of its clips, '
      'held-out ones too, without their labels: these figures are '
      'transductive, and hold where a speaker is met in many clips at once.'
    )
  study_lib.write(study, output, report.render(study, output))
  print(
    f'report: {output / "report.html"}  '
    f'({time.monotonic() - start:.1f} s to evaluate)'
  )


def _places() -> tuple[pathlib.Path, pathlib.Path | None, pathlib.Path]:
  """Where the corpus and predictions are and the study goes, by the flags."""
  if _WORKDIR.value is None:
    if _CORPUS.value is None:
      raise errors.InputError(
        'expected --workdir=DIR, or --corpus=CORPUS and, unless the humans '
        'alone are judged, --predictions=FILE'
      )
    predictions = _PREDICTIONS.value
    return (
      pathlib.Path(_CORPUS.value),
      None if predictions is None else pathlib.Path(predictions),
      pathlib.Path(_OUTPUT.value or 'study'),
    )
  for flag in (_CORPUS, _PREDICTIONS):
    if flag.value is not None:
      raise errors.InputError(
        f'--{flag.name} does not go with --workdir, which says it already'
      )
  workdir = pathlib.Path(_WORKDIR.value)
  return (
    _trained_on(workdir / 'config.json'),
    workdir / 'predictions.parquet',
    pathlib.Path(_OUTPUT.value or workdir / 'study'),
  )


def _is_transductive(path: pathlib.Path) -> bool:
  """Whether a run normalised features by group."""
  config = json.loads(path.read_text(encoding='utf-8')).get('config', {})
  return config.get('normalise') == 'group'


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
  return pathlib.Path(corpus)


if __name__ == '__main__':
  cli.run(main)
