r"""Turns the words, sounds and pictures of a corpus into frozen features.

  python -m empathy.extract_features --corpus=CORPUS \
      --config=configs/baseline_features.py

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
"""

import functools
import logging
import pathlib
import shlex
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from empathy import cli, errors, files, remote
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import summaries
from empathy.encoders import (
  beam,
  extraction,
  extractors,
  face_sheet,
  fold_wise,
)
from empathy.training import configuration, parallel

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
  parallel.use_cpu_cores()
  config = check(_CONFIG.value)
  if not remote.is_remote(_CORPUS.value):
    _extract_all(config, pathlib.Path(_CORPUS.value).resolve())
    return
  if _BEAM.value is not None:
    remote.refuse(_CORPUS.value, '--corpus', 'a folder that all machines see')
  with remote.mirror(_CORPUS.value) as (folder, push):
    try:
      _extract_all(config, folder)
    finally:
      push()
  print(f'copied to {_CORPUS.value.rstrip("/")}/features')


def _extract_all(config: ml_collections.ConfigDict, path: pathlib.Path) -> None:
  """Extracts the features of a corpus folder on this machine."""
  corpus = corpus_lib.read_any(path)
  wanted = [name for name in corpus.modalities if name in config.features]
  if not wanted:
    raise errors.InputError(
      f'config.features: names {", ".join(config.features)}; the corpus has '
      f'{", ".join(corpus.modalities)}'
    )
  for name in config.features:
    if name not in wanted:
      logging.getLogger('empathy').info('%s: the corpus has none', name)
  configuration.use_compilation_cache()
  failed: dict[str, extraction.NoFeaturesError] = {}
  with files.full_disk_told(corpus.path):
    for modality in wanted:
      settings = config.to_dict()
      encoder = settings['features'][modality].get('encoder')
      try:
        if _FINETUNED.value is None or encoder in extractors.BASELINES:
          _extract(corpus, modality, settings)
        else:
          _extract_fold_wise(corpus, modality, settings)
      except extraction.NoFeaturesError as error:
        failed[modality] = error  # The others are of use all the same.
        continue
      path = corpus.path / 'features' / f'{modality}.npz'
      summaries.leave([path], corpus.ids)
    extraction.drop(
      corpus, [name for name, error in failed.items() if error.is_absent]
    )
  errors.raise_faults(
    [str(error) for error in failed.values() if not error.is_absent]
  )


def check(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """Makes sure that a config says what to extract.

  Returns:
    The config, completed.

  Raises:
    InputError: one fault or more, a line each.
  """
  config = configuration.check_fields(config)
  errors.raise_faults(
    [
      f'config.features.{name}: is not {", ".join(corpus_lib.MODALITIES)}'
      for name in config.features
      if name not in corpus_lib.MODALITIES
    ]
  )
  # Of all modalities, before hours go into the first.
  for name, settings in config.to_dict()['features'].items():
    extractors.complete(name, settings)
  return config


def _extract(
  corpus: corpus_lib.Corpus, modality: str, config: dict[str, Any]
) -> None:
  setup = functools.partial(
    extraction.prepare, corpus.path, modality, config, parallel.spread
  )
  plan, extractor = setup()
  if plan.is_done():
    print(f'{modality}: {plan.path} is there already')
    extraction.remove_parts(plan)
    return
  if plan.record.get('crop') == 'face':
    sheet = plan.path.with_suffix('.faces.png')
    clips = extraction.clips_of(corpus, modality)
    face_sheet.write(sheet, clips, config['seconds'], config['num_frames'])
    print(f'{modality}: {sheet} shows faces that are cut out')
  _make_parts(plan, extractor, setup)
  skipped = extraction.finish(plan, corpus)
  total = sum(map(len, plan.parts))
  print(
    f'{modality}: {total - len(skipped)} of {len(corpus.ids)} clips, '
    f'{len(skipped)} skipped, {len(corpus.ids) - total} have none: {plan.path}'
  )
  extraction.remove_parts(plan)


def _make_parts(
  plan: extraction.Plan, extractor: extractors.Extractor, setup: beam.Setup
) -> None:
  if _BEAM.value is None:
    extraction.extract(plan, extractor)
  else:
    beam.extract(plan.undone(), setup, shlex.split(_BEAM.value))


def _extract_fold_wise(
  corpus: corpus_lib.Corpus, modality: str, config: dict[str, Any]
) -> None:
  root = remote.here(_FINETUNED.value).resolve()
  skipped = fold_wise.extract(
    corpus, modality, root, config, parallel.spread, _make_parts
  )
  if skipped is None:
    print(f'{modality}: features are there already')
  else:
    print(
      f'{modality}: features by the encoder of each fold, {len(skipped)} clips '
      'skipped'
    )


if __name__ == '__main__':
  cli.run(main, buckets=['corpus', 'finetuned'])
