"""Encoders of each fold, and features from them.

`finetune` makes an encoder for each fold, in `<modality>/fold_<k>` of its
workdir. Members of fold k, which hold its clips out, need features of *all*
clips by encoder k: another fold's encoder has seen the held-out clips, and
features of two encoders are not comparable. So a corpus' features have every
clip once for each fold, `fold` beside them, and `seen`: whether the encoder was
trained on the clip or chosen by it. A corpus with a split has one fold, and its
features have only `seen`.
"""

import dataclasses
import functools
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from empathy import encoders, errors, files
from empathy.corpora import corpus as corpora
from empathy.encoders import checkpoint, extraction, extractors

_NOTE = 'finetuned.json'
_LOGGER = logging.getLogger('empathy')


def folder(root: pathlib.Path, modality: str, fold: int) -> pathlib.Path:
  """Where a fold's encoder is."""
  return root / modality / f'fold_{fold}'


def is_finished(root: pathlib.Path, modality: str, fold: int) -> bool:
  """Whether a fold's encoder is there, and as its note, written last, says."""
  where = folder(root, modality, fold)
  if not (where / _NOTE).exists():
    return False
  if _is_as_noted(where, read_note(root, modality, fold)):
    return True
  _LOGGER.warning('%s: is damaged, and made again', where)
  return False


def save(
  encoder: encoders.Encoder,
  source: str,
  root: pathlib.Path,
  modality: str,
  fold: int,
  note: Mapping[str, Any],
) -> None:
  """Writes a fold's encoder, in the published layout, and a note of it.

  Args:
    encoder: as it was fine-tuned.
    source: the checkpoint it comes from, whose tokenizer and the like are
      copied.
    root: the workdir of `finetune`.
    modality: of the encoder.
    fold: its number.
    note: with `seen`, the ids of the clips that it was trained on or chosen
      by, and `num_folds`, `layer` and `pooling`.
  """
  where = folder(root, modality, fold)
  encoders.save(encoder, where)
  for file, path in checkpoint.small_files(source).items():
    (where / file).parent.mkdir(exist_ok=True)
    shutil.copyfile(path, where / file)
  digest = checkpoint.find(where).sha256()
  files.write_json(where / _NOTE, dict(note) | {'sha256': digest})


def read_note(root: pathlib.Path, modality: str, fold: int) -> dict[str, Any]:
  """What `save` noted.

  Raises:
    InputError: there is no such encoder.
  """
  path = folder(root, modality, fold) / _NOTE
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise errors.InputError(
      f'{path}: no such file; expected an encoder that finetune wrote'
    ) from None
  except ValueError as error:
    raise errors.InputError(f'{path}: is not JSON: {error}') from None


def _is_as_noted(where: pathlib.Path, note: Mapping[str, Any]) -> bool:
  try:
    return checkpoint.find(where).sha256() == note.get('sha256')
  except errors.InputError:  # A file is gone.
    return False


def extract(
  corpus: corpora.Corpus,
  modality: str,
  root: pathlib.Path,
  config: Mapping[str, Any],
  spread: Callable,
  make_parts: Callable[..., None],
) -> dict[str, str] | None:
  """Makes features of a corpus by the encoder of every fold.

  Args:
    corpus: read from a folder.
    modality: of it.
    root: the workdir of `finetune`.
    config: as for `extraction.prepare`; `encoder` is replaced.
    spread: likewise.
    make_parts: makes the missing parts of a plan, given the extractor and the
      call that made both.

  Returns:
    Why clips were skipped, by id; None if the features are there already.

  Raises:
    InputError: encoders or media are at fault, or there are features that were
      made otherwise.
  """
  path = corpus.path / 'features' / f'{modality}.npz'
  rest = path.with_name(f'.{modality}.folds')
  is_there = path.exists()
  plans, skipped, cut = [], {}, []
  folds = range(read_note(root, modality, 0)['num_folds'])
  notes = [read_note(root, modality, fold) for fold in folds]
  wanted = extractors.complete(modality, config['features'][modality])
  for name, value in unlike(wanted, notes[0]).items():
    _LOGGER.warning(
      '%s: %s is %r, but the encoders learned with %r',
      *(modality, name, wanted[name], value),
    )
  for fold in folds:  # One encoder at a time is in memory.
    encoder = os.fspath(folder(root, modality, fold))
    settings = {**config['features'][modality], 'encoder': encoder}
    setup = functools.partial(
      extraction.prepare,
      corpus.path,
      modality,
      {**config, 'features': {modality: settings}},
      spread,
      rest / f'{fold}.npz',
    )
    plan, extractor = setup()
    if plan.record['sha256'] != notes[fold].get('sha256'):
      raise errors.InputError(
        f'{encoder}: is not as finetune wrote it; run finetune again'
      )
    plans.append(plan)
    if is_there:  # Only the records are needed, to be compared.
      continue
    if not plan.is_done():
      make_parts(plan, extractor, setup)
      extraction.finish(plan, corpus)
    extraction.remove_parts(plan)
    made = json.loads(plan.sidecar.read_text())
    skipped |= made['skipped']
    cut = made['cut']  # Of the same clips for every encoder.
  record = {'folds': [plan.record for plan in plans]}
  if is_there:
    shutil.rmtree(rest)
    dataclasses.replace(plans[0], path=path, record=record).is_done()
    return None
  _join(corpus, modality, notes, [plan.path for plan in plans], rest)
  note = rest / f'{modality}.json'
  files.write_json(note, {'record': record, 'skipped': skipped, 'cut': cut})
  note.replace(path.with_suffix('.json'))
  (rest / path.name).replace(path)
  shutil.rmtree(rest)
  return skipped


def unlike(
  wanted: Mapping[str, Any], note: Mapping[str, Any]
) -> dict[str, Any]:
  """What an encoder learned with where features are to be made otherwise.

  Args:
    wanted: settings of features, complete.
    note: of the encoder.
  """
  learned = {'crop': 'none', **note['source'], **note}
  return {
    name: learned.get(name)
    for name in ('layer', 'pooling', 'prefix', 'crop', 'scale_peak')
    if name in wanted and wanted[name] != learned.get(name)
  }


def _join(
  corpus: corpora.Corpus,
  modality: str,
  notes: list[dict[str, Any]],
  paths: list[pathlib.Path],
  rest: pathlib.Path,
) -> None:
  """Writes the folds' features as one file among them."""
  found: dict[str, list[np.ndarray]] = {}
  for fold, (note, path) in enumerate(zip(notes, paths, strict=True)):
    arrays = files.read_arrays(
      path, f'a whole file of features; remove {path.parent} to extract again'
    )
    arrays['fold'] = np.full(len(arrays['id']), fold)
    arrays['seen'] = np.isin(arrays['id'], note['seen'])
    for name, array in arrays.items():
      found.setdefault(name, []).append(array)
  whole = {name: np.concatenate(arrays) for name, arrays in found.items()}
  corpora.write_features(
    rest / f'{modality}.npz',
    whole['id'],
    whole['features'],
    whole.get('length'),
    whole['fold'] if len(notes) > 1 else None,
    whole['seen'],
    whole.get('time'),
  )
