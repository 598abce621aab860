r"""Trains models of every view, fold and seed, and predicts held-out clips.

  empathy train --config=FILE --config.corpus=CORPUS --workdir=DIR

Run again with the same flags, it goes on where it was cut off. The workdir
then holds `config.json`, `metrics.jsonl`, TensorBoard events, checkpoints, the
trained members and `predictions.parquet`, and is enough for `evaluate`; of a
sweep also `sweep.csv`, how each setting did and which were chosen.

FILE is one of configs/, or your own. What it does not say has a default, and
--config.NAME=VALUE changes it for this run; a comma makes several values. The
fusion may follow a colon, as in configs/mixed_signals.py:concat.

Examples:
  empathy train --config=configs/mixed_signals.py \
      --config.corpus=runs/simulated --workdir=runs/first
  empathy train --config=configs/mixed_signals.py:concat --config.num_seeds=2 \
      --config.corpus=runs/simulated --workdir=runs/second --dry_run
"""

import logging
import pathlib
from collections.abc import Iterator

from absl import flags
from ml_collections import config_flags

from empathy import cli, helps
from empathy.training import config_fields

_CONFIG = config_flags.DEFINE_config_file(
  'config', help_string='The experiment, a file as in configs/.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'The folder that the run writes to; gs://... and s3://..., too.',
)
_DRY_RUN = flags.DEFINE_bool(
  'dry_run',
  False,
  'Say members, chunks, memory, checkpoint size and time, and write nothing.',
)
_DISTRIBUTED = flags.DEFINE_bool(
  'distributed',
  False,
  'Whether this is one of several processes, as Cloud TPU, SLURM or GKE tell.',
)
_COORDINATOR_ADDRESS = flags.DEFINE_string(
  'coordinator_address',
  None,
  'Where process 0 is, where the platform does not tell.',
)
_NUM_PROCESSES = flags.DEFINE_integer(
  'num_processes', None, 'How many there are, likewise.', lower_bound=1
)
_PROCESS_ID = flags.DEFINE_integer(
  'process_id', None, 'Which one this is, from 0, likewise.', lower_bound=0
)
flags.mark_flags_as_required(['config', 'workdir'])


def main() -> None:
  """Trains, and says what came of it."""
  # Here, for --help is not to wait for it.
  from empathy.training import configuration, loop, parallel

  parallel.use_cpu_cores()
  told = _COORDINATOR_ADDRESS.value, _NUM_PROCESSES.value, _PROCESS_ID.value
  if _DISTRIBUTED.value or told != (None, None, None):
    parallel.connect(*told)
  if not parallel.is_main():  # One tells for all, unless there is trouble.
    logging.getLogger('empathy').setLevel(logging.WARNING)
  if _DRY_RUN.value:
    print('\n'.join(loop.dry_run(_CONFIG.value, _WORKDIR.value)))
    return
  summary = loop.train(_CONFIG.value, _WORKDIR.value)
  if not parallel.is_main():
    return
  select = configuration.select(configuration.complete(_CONFIG.value))
  for entry in summary.failed:
    print(
      f'no epoch with a finite loss and {select}, hence no predictions: view '
      f'{entry["view"]}, fold '
      f'{entry["fold"]}, seed {entry["seed"]}'
    )
  print(
    f'{summary.num_members} members, {summary.seconds:.0f} s: '
    f'{summary.predictions}'
  )


def _fields() -> Iterator[helps.Part]:
  """The fields of the config, for --help."""
  yield from helps.fields(
    config_fields.Fields, 'config', but=config_fields.MEDIA_FIELDS
  )
  fusions = pathlib.Path(__file__).parent / 'models' / 'fusion.py'
  rows = list(helps.classes(fusions, 'FUSIONS'))
  yield 'fusions, --config=FILE:NAME:', rows


if __name__ == '__main__':
  cli.run(main, buckets=['workdir', 'config.corpus'], more=_fields)
