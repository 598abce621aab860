"""A whole study of simulated clips: simulates, trains and judges."""

import dataclasses
import logging
import pathlib

import ml_collections

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import simulate, tables
from empathy.evaluation import commands
from empathy.training import loop, parallel


def run(
  output: pathlib.Path,
  parameters: simulate.Parameters,
  config: ml_collections.ConfigDict,
) -> None:
  """Goes on with the study in a folder, or begins it, and says what it found.

  Args:
    output: the folder; gets `corpus`, and `run` with the study.
    parameters: of the corpus.
    config: how to train; its corpus is set.

  Raises:
    InputError: the folder holds another study.
  """
  others = {path.name for path in output.glob('*')} - {'corpus', 'run'}
  if others:
    raise errors.InputError(
      f'--output: {output}: holds other things than a demo, for example '
      f'{min(others)!r}; choose another folder'
    )
  corpus, workdir = output / 'corpus', output / 'run'
  parallel.use_cpu_cores()
  _simulate(corpus, parameters)
  config.corpus = str(corpus)
  loop.train(config, str(workdir))
  commands.evaluate(commands.of_run(workdir), workdir / 'study')


def _simulate(path: pathlib.Path, parameters: simulate.Parameters) -> None:
  """Makes the corpus, unless it is there."""
  if path.exists():
    expected = dataclasses.asdict(parameters)
    expected['classes'] = list(parameters.classes)
    if corpus_lib.read(path).info.get('parameters') != expected:
      raise errors.InputError(
        f'{path}: is another corpus; choose another --output'
      )
    return
  corpus, truth = simulate.simulate(parameters, seed=0)
  with files.replacing(path) as folder:
    corpus_lib.write(corpus, folder)
    tables.write_csv(folder / 'truth.csv', truth)
  logging.getLogger('empathy').info(
    '%s: %d clips, simulated', path, len(corpus.ids)
  )
