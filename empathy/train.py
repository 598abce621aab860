r"""Trains models of every view, fold and seed, and predicts held-out clips.

  python -m empathy.train --config=configs/mixed_signals.py \
      --config.corpus=CORPUS --workdir=DIR

Run again with the same flags, it goes on where it was cut off. The workdir
then holds `config.json`, `metrics.jsonl`, TensorBoard events, checkpoints, the
trained members and `predictions.parquet`, and is enough for `evaluate`.
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from empathy import cli, errors
from empathy.training import loop, parallel

_CONFIG = config_flags.DEFINE_config_file(
  'config', help_string='The experiment, a file as in configs/.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'The folder that the run writes to.'
)
flags.mark_flags_as_required(['config', 'workdir'])


def main() -> None:
  """Trains, and says what came of it."""
  # What follows a colon is the argument of the file's `get_config`.
  name = config_flags.get_config_filename(flags.FLAGS['config'])
  config_path = pathlib.Path(name.partition('.py:')[0] + '.py')
  if not pathlib.Path(name).is_file() and not config_path.is_file():
    raise errors.InputError(f'{name}: no such config file')
  parallel.use_cpu_cores()
  summary = loop.train(_CONFIG.value, pathlib.Path(_WORKDIR.value))
  for entry in summary.failed:
    print(
      f'no finite epoch, hence no predictions: view {entry["view"]}, fold '
      f'{entry["fold"]}, seed {entry["seed"]}'
    )
  print(
    f'{summary.num_members} members, {summary.seconds:.0f} s: '
    f'{summary.predictions}'
  )


if __name__ == '__main__':
  cli.run(main)
