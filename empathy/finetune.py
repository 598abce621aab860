r"""Fine-tunes pretrained encoders on a corpus, one for each modality and fold.

  empathy finetune --config=FILE --corpus=CORPUS --workdir=DIR

Each fold's encoder learns from the clips that the fold trains on, and its best
epoch is chosen by those it validates with; `metrics.jsonl` has all of them.
SIGTERM has it save and exit. Run again with the same flags, it goes on where it
was cut off. `empathy extract --finetuned=DIR` takes the encoders from there,
which are checkpoints in the published layout.

Examples:
  empathy finetune --config=configs/mixed_signals_media.py \
      --corpus=runs/talks --workdir=runs/encoders
  empathy finetune --config=configs/mixed_signals_media.py \
      --config.features.text.encoder=FacebookAI/roberta-base \
      --config.finetune.num_epochs=3 --corpus=runs/talks --workdir=runs/short
"""

import pathlib
from collections.abc import Iterator

from absl import flags
from ml_collections import config_flags

from empathy import cli, helps, named, remote
from empathy.training import config_fields

_CONFIG = config_flags.DEFINE_config_file(
  'config', help_string='The experiment, a file as in configs/.'
)
_CORPUS = flags.DEFINE_string('corpus', None, 'The corpus folder.')
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'The folder that the encoders are written to.'
)
flags.mark_flags_as_required(['config', 'corpus', 'workdir'])


def main() -> None:
  """Fine-tunes, and says what came of it."""
  # Here, for --help is not to wait for it.
  from empathy.training import configuration, finetune_loop, parallel

  parallel.use_cpu_cores()
  workdir = pathlib.Path(_WORKDIR.value)
  corpus = remote.here(_CORPUS.value)
  config = _CONFIG.value
  notes = finetune_loop.finetune(config, corpus, workdir)
  select = named.label(configuration.complete(config).finetune.select)
  for note in notes:
    figures = ', '.join(
      f'{name} {note[f"val_{name}"]:.3f}'
      for name in dict.fromkeys((select, 'accuracy', 'macro_f1'))
    )
    print(
      f'{note["modality"]}, fold {note["fold"]}: epoch {note["best_epoch"]}, '
      f'the best by validation {select}: {figures}'
    )


def _fields() -> Iterator[helps.Part]:
  """The fields of the config, for --help."""
  only = 'label', 'seed', 'num_folds', *config_fields.MEDIA_FIELDS
  yield from helps.fields(config_fields.Fields, 'config', only)
  yield from helps.fields(config_fields.Recipe, 'config.finetune')
  yield from helps.fields(config_fields.Lora, 'config.finetune.lora')


if __name__ == '__main__':
  cli.run(main, buckets=['corpus'], more=_fields)
