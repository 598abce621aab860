r"""Turns the words, sounds and pictures of a corpus into frozen features.

  empathy extract --config=FILE --corpus=CORPUS

Writes `features/<modality>.npz` of each modality that both the config and the
corpus have, `features/<modality>.json`, which says what they were made with and
which clips were skipped, and why, and a summary for `evaluate`. Run again, it
goes on where it was cut off; features that are there already stay.

With `--finetuned=DIR` the encoders are those that `finetune` made there, one
for each fold.

With `--beam` an Apache Beam pipeline does the same on many machines, which all
see the corpus folder; its value is Beam's own flags, as in
`--beam='--runner=FlinkRunner --flink_master=HOST:8081'`, or empty for the
direct runner.

Examples:
  empathy extract --config=configs/baseline_features.py --corpus=runs/talks
  empathy extract --config=configs/pretrained_features.py --corpus=runs/talks \
      --config.features.text.encoder=FacebookAI/roberta-base
"""

import pathlib
import shlex
from collections.abc import Iterator

from absl import flags
from ml_collections import config_flags

from empathy import cli, helps, remote
from empathy.training import config_fields

_CONFIG = config_flags.DEFINE_config_file(
  'config', help_string='What to extract, a file as in configs/.'
)
_CORPUS = flags.DEFINE_string('corpus', None, 'The corpus folder.')
_BEAM = flags.DEFINE_string(
  'beam', None, "Extract by Apache Beam; Beam's own flags, perhaps none."
)
_FINETUNED = flags.DEFINE_string(
  'finetuned',
  None,
  'The --workdir of a run of finetune: its encoders are used in place of those '
  'that they were made from.',
)
flags.mark_flags_as_required(['config', 'corpus'])


def main() -> None:
  """Extracts, and says what came of it."""
  # Here, for --help is not to wait for it.
  from empathy.training import extract_loop, parallel

  parallel.use_cpu_cores()
  config = extract_loop.check(_CONFIG.value)
  options = None if _BEAM.value is None else shlex.split(_BEAM.value)
  given = _FINETUNED.value, options
  if not remote.is_remote(_CORPUS.value):
    path = pathlib.Path(_CORPUS.value).resolve()
    extract_loop.extract(config, path, *given)
    return
  if options is not None:
    remote.refuse(_CORPUS.value, '--corpus', 'a folder that all machines see')
  with remote.mirror(_CORPUS.value) as (folder, push):
    try:
      extract_loop.extract(config, folder, *given)
    finally:
      push()
  print(f'copied to {_CORPUS.value.rstrip("/")}/features')


def _fields() -> Iterator[helps.Part]:
  """The fields of the config, for --help."""
  only = [name for name in config_fields.MEDIA_FIELDS if name != 'finetune']
  yield from helps.fields(config_fields.Fields, 'config', only)


if __name__ == '__main__':
  cli.run(main, buckets=['corpus', 'finetuned'], more=_fields)
