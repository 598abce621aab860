"""Features that are all layers of an encoder, for models that mix them."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpora
from empathy.models import fusion as fusions


def is_for(model: Mapping[str, Any]) -> bool:
  """Whether a config's model mixes layers."""
  return fusions.mixes_layers(model.get('pooling', ''))


def check(corpus: corpora.Corpus, model: Mapping[str, Any]) -> None:
  """Makes sure that there are layers to mix, where a model mixes them.

  Pooled features beside them are taken as they are.

  Args:
    corpus: with the features that models see.
    model: of a config.

  Raises:
    InputError: no modality has layers, or one has other sequences.
  """
  if not is_for(model):
    return
  what = f'config.model.pooling: {model["pooling"]!r}'
  faults = []
  sequences = {m: x for m, x in corpus.features.items() if x.length is not None}
  if not sequences:
    faults.append(
      f'{what}: features of {", ".join(corpus.features)} are no layers; '
      'extract them with config.features.MODALITY.layer=all'
    )
  for modality, feature in sequences.items():
    path = corpus.path / 'features' / f'{modality}.npz'
    reason = _not_layers(path.with_suffix('.json'))
    counts = np.unique(feature.length)
    if reason:
      faults.append(
        f'{what}: {path} holds sequences that are no layers ({reason}); '
        f'extract them with config.features.{modality}.layer=all, or choose '
        'another pooling'
      )
    elif len(counts) > 1:
      faults.append(
        f'{path}: has clips of {counts[0]} and of {counts[-1]} layers; '
        'expected as many of each'
      )
  errors.raise_faults(faults)


def _not_layers(path: pathlib.Path) -> str:
  """Why features are no layers, by what is beside them; '' if they are."""
  try:
    record = json.loads(path.read_text(encoding='utf-8'))['record']
    made = [one['layer'] for one in record.get('folds', [record])]
  except FileNotFoundError:
    return f"no {path.name} says that its record's layer is 'all'"
  except (ValueError, KeyError, TypeError, AttributeError):
    return f'{path.name} does not say what layer they are'
  other = [layer for layer in made if layer != 'all']
  return f'{path.name}: layer is {other[0]!r}' if other else ''


def check_alike(
  corpus: corpora.Corpus, model: Mapping[str, Any], trained: Mapping[str, int]
) -> None:
  """Makes sure that new clips have the layers that members were trained on.

  Args:
    corpus: with features; a modality may be there of no clip.
    model: of a config.
    trained: by modality that is a sequence, the number of layers.

  Raises:
    InputError: they are others, or none.
  """
  there = {m: x for m, x in corpus.features.items() if len(x.clip)}
  layers = {m: x for m, x in there.items() if m in trained}
  if not is_for(model) or not layers:
    return
  # Pooled ones were compared with what members were trained on.
  check(dataclasses.replace(corpus, features=layers), model)
  errors.raise_faults(
    [
      f'{corpus.path / "features" / modality}.npz: has {feature.length[0]} '
      f'layers; the members were trained on {trained[modality]}'
      for modality, feature in layers.items()
      if feature.length[0] != trained[modality]
    ]
  )
