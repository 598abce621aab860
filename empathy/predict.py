r"""Predicts the clips of another corpus with the members of a run.

  empathy predict --workdir=DIR --corpus=CORPUS --output=FILE.parquet

No label is needed. Each seed gives one prediction of a clip: the mean of its
folds' members, but for a clip that the run trained with only the member that
held it out.

Examples:
  empathy predict --workdir=runs/first --corpus=runs/simulated \
      --output=runs/again.parquet
  empathy evaluate --predictions=runs/again.parquet --corpus=runs/simulated \
      --output=runs/again
"""

import pathlib

from absl import flags

from empathy import cli, errors, remote

_WORKDIR = flags.DEFINE_string('workdir', None, "The trained run's folder.")
_CORPUS = flags.DEFINE_string(
  'corpus', None, 'The corpus folder with the clips to predict.'
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'The predictions table to write, Parquet.'
)
flags.mark_flags_as_required(['workdir', 'corpus', 'output'])


def main() -> None:
  """Predicts, and says where the table is."""
  # Here, for --help is not to wait for it.
  from empathy.training import inference, parallel

  output = pathlib.Path(_OUTPUT.value)
  if output.suffix != '.parquet':
    raise errors.InputError(f'{output}: expected a name that ends in .parquet')
  parallel.use_cpu_cores()
  table = inference.predict(
    remote.here(_WORKDIR.value, ('config.json', 'members.json', 'members')),
    remote.here(_CORPUS.value, remote.CORPUS),
  )
  inference.write(table, output)
  print(f'{len(table)} predictions: {output}')


if __name__ == '__main__':
  cli.run(main, buckets=['workdir', 'corpus'])
