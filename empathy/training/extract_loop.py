"""Extracts the features of every modality of a corpus, by a config."""

import functools
import logging
import pathlib
from typing import Any

import ml_collections

from empathy import errors, files, remote
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


def extract(
  config: ml_collections.ConfigDict,
  path: pathlib.Path,
  finetuned: str | None = None,
  options: list[str] | None = None,
) -> None:
  """Extracts the features of a corpus folder on this machine.

  Args:
    config: what `check` gave.
    path: the corpus folder.
    finetuned: the workdir of a run that fine-tuned encoders, to take them from.
    options: Apache Beam's own flags; None: without it.

  Raises:
    InputError: some modality's features cannot be made; the others are.
  """
  corpus = corpus_lib.read_any(path)
  wanted = [name for name in corpus.modalities if name in config.features]
  if not wanted:
    if not config.features:
      raise errors.InputError(
        'config.features: is empty: this config says nothing of features; '
        'configs/baseline_features.py and pretrained_features.py do'
      )
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
        if finetuned is None or encoder in extractors.BASELINES:
          _extract(corpus, modality, settings, options)
        else:
          root = remote.here(finetuned).resolve()
          _extract_fold_wise(corpus, modality, root, settings, options)
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
  corpus: corpus_lib.Corpus,
  modality: str,
  config: dict[str, Any],
  options: list[str] | None,
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
  _make_parts(plan, extractor, setup, options)
  skipped = extraction.finish(plan, corpus)
  total = sum(map(len, plan.parts))
  print(
    f'{modality}: {total - len(skipped)} of {len(corpus.ids)} clips, '
    f'{len(skipped)} skipped, {len(corpus.ids) - total} have none: {plan.path}'
  )
  extraction.remove_parts(plan)


def _make_parts(
  plan: extraction.Plan,
  extractor: extractors.Extractor,
  setup: beam.Setup,
  options: list[str] | None,
) -> None:
  if options is None:
    extraction.extract(plan, extractor)
  else:
    beam.extract(plan.undone(), setup, options)


def _extract_fold_wise(
  corpus: corpus_lib.Corpus,
  modality: str,
  root: pathlib.Path,
  config: dict[str, Any],
  options: list[str] | None,
) -> None:
  make_parts = functools.partial(_make_parts, options=options)
  skipped = fold_wise.extract(
    corpus, modality, root, config, parallel.spread, make_parts
  )
  if skipped is None:
    print(f'{modality}: features are there already')
  else:
    print(
      f'{modality}: features by the encoder of each fold, {len(skipped)} clips '
      'skipped'
    )
