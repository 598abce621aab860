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

import pathlib

from absl import flags

from empathy import cli
from empathy.corpora import simulate
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
  from empathy import tour
  from empathy.training import configuration

  config = configuration.default_config()
  config.num_epochs = _NUM_EPOCHS.value
  parameters = simulate.Parameters(num_clips=_NUM_CLIPS.value)
  tour.run(pathlib.Path(_OUTPUT.value), parameters, config)


if __name__ == '__main__':
  cli.run(main)
