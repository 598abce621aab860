"""Runs the whole default study on made-up data: a tour in some minutes.

  empathy demo
  empathy demo --output=DIR

Simulates a corpus of 1,000 clips, trains on it as configs/mixed_signals.py has
it (the paper's gated fusion beside each modality alone, with six seeds), and
judges. Nothing is downloaded. Run again, it goes on where it was cut off. DIR
then holds `corpus`, the workdir `run`, and the report, `run/study/report.html`,
as `prepare`, `train` and `evaluate` make them.

Examples:
  empathy demo
  empathy demo --output=runs/quick --num_clips=200 --num_epochs=3
"""

import os

# As `evaluate` has it, and before NumPy is imported.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import dataclasses
import logging
import pathlib

from absl import flags

from empathy import cli, errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import simulate, tables
from empathy.training import config_fields

_OUTPUT = flags.DEFINE_string(
  'output', 'empathy_demo', 'The folder that all goes to.'
)
_NUM_CLIPS = flags.DEFINE_integer(
  'num_clips',
  simulate.Parameters().num_clips,
  'How many clips to simulate.',
  lower_bound=simulate.Parameters().num_groups,
)
_NUM_EPOCHS = flags.DEFINE_integer(
  'num_epochs',
  config_fields.Fields().num_epochs,
  'How long to train.',
  lower_bound=1,
)


def main() -> None:
  """Simulates, trains and judges; says what was found."""
  # Here, for --help is not to wait for it.
  from empathy.evaluation import commands
  from empathy.training import configuration, loop, parallel

  output = pathlib.Path(_OUTPUT.value)
  corpus, run = output / 'corpus', output / 'run'
  parallel.use_cpu_cores()
  _simulate(corpus)
  config = configuration.default_config()
  config.corpus, config.num_epochs = str(corpus), _NUM_EPOCHS.value
  loop.train(config, str(run))
  commands.evaluate(commands.of_run(run), run / 'study')


def _simulate(path: pathlib.Path) -> None:
  """Makes the corpus, unless it is there."""
  parameters = simulate.Parameters(num_clips=_NUM_CLIPS.value)
  if path.exists():
    told = corpus_lib.read(path).info.get('parameters')
    expected = dataclasses.asdict(parameters)
    if told != expected | {'classes': list(parameters.classes)}:
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


if __name__ == '__main__':
  cli.run(main)
