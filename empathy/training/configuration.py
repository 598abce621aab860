"""What a config must hold, and the program that it asks for."""

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import ml_collections

from empathy import errors, kinds
from empathy.models import fusion as fusions
from empathy.models import losses
from empathy.training import (
  batches,
  config_fields,
  finetune_recipe,
  metrics,
  optimizers,
  parallel,
  schedules,
  step,
)


def default_config(
  fusion: str = 'gated_attention',
) -> ml_collections.ConfigDict:
  """Every field with its default, to be changed; see `config_fields`.

  Args:
    fusion: a key of `empathy.models.fusion.FUSIONS`, or the import path of a
      class of your own; `model` gets its fields, with their defaults, and
      `auxiliary` what it needs.
  """
  config = ml_collections.ConfigDict(dataclasses.asdict(config_fields.Fields()))
  config.model = fusions.fields(fusion)
  config.auxiliary = fusions.auxiliary(fusion)
  return config


def complete(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The config with the defaults of what it does not say.

  Raises:
    InputError: there is no such fusion.
  """
  found = dataclasses.asdict(config_fields.Fields()) | config.to_dict()
  found['finetune'] = dataclasses.asdict(
    finetune_recipe.read(found['finetune'])
  )
  if 'fusion' in found['model']:
    found['model'] = fusions.fields(found['model']['fusion']) | found['model']
  return ml_collections.ConfigDict(found)


def check_fields(
  config: ml_collections.ConfigDict,
) -> ml_collections.ConfigDict:
  """Makes sure that each field is one that there is, and of its type.

  Returns:
    The config, completed.

  Raises:
    InputError: one fault or more, a line each.
  """
  given = config.to_dict()
  errors.raise_faults(
    kinds.faults(kinds.of(config_fields.Fields), given, 'config')
  )
  return complete(config)


def check(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """Makes sure that a config says how to train.

  Returns:
    The config, completed.

  Raises:
    InputError: one fault or more, a line each.
  """
  config = check_fields(config)
  faults = []
  if config.seed + config.num_seeds > config_fields.MAX_SEED:
    faults.append(f'config.seed: {config.seed} is not a seed from 0 on')
  if not config.corpus:
    faults.append('config.corpus: is empty; give --config.corpus=CORPUS')
  for find in (
    lambda: losses.find(config.loss),
    lambda: optimizers.find(config.optimizer),
    lambda: schedules.find(config.schedule),
    lambda: metrics.find(select(config)),
    lambda: _check_model(config),
  ):
    try:
      find()
    except errors.InputError as error:
      faults.append(str(error))
  if is_streamed(config) and config.normalise != 'members':
    faults.append(
      f'config.normalise: {config.normalise!r} needs all features in memory; '
      "with config.data 'stream' expected 'members'"
    )
  errors.raise_faults(faults)
  return config


def is_streamed(config: ml_collections.ConfigDict) -> bool:
  """Whether features stay on disk."""
  return config.data == 'stream'


def select(config: ml_collections.ConfigDict) -> str:
  """What epochs and settings are chosen by, as a config names it."""
  return config.select or ('ccc' if config.targets == 'scores' else 'accuracy')


def as_json(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """The config as it is once it was written to a file.

  JSON has no infinity, which becomes a word.
  """
  return json.loads(config.to_json(), parse_constant=str)


def settings(config: ml_collections.ConfigDict) -> list[dict[str, float]]:
  """Every combination of the values of those fields that have several.

  Returns:
    For each, the fields with their values, a dropout as `model.<name>`; one
    that is empty where no field has several.
  """
  fields = {
    name: kinds.values(config[name]) for name in ('peak_learning_rate', 'l2')
  }
  for name, value in config.model.items():
    if _is_dropout(name):
      fields[f'model.{name}'] = kinds.values(value)
  swept = {name: values for name, values in fields.items() if len(values) > 1}
  return [
    dict(zip(swept, values, strict=True))
    for values in itertools.product(*swept.values())
  ]


def make_program(
  config: ml_collections.ConfigDict,
  classes: Sequence[str],
  modalities: tuple[str, ...],
  max_length: Mapping[str, int],
  layout: parallel.Layout,
  values: tuple[float, ...] = (),
) -> step.Program:
  """What the members of a run share; see `step.Program`.

  Of a field with several values it has the first one.

  Raises:
    InputError: the loss or the metric is not for these classes.
  """
  losses.find(config.loss, len(classes))
  metrics.find(select(config), bool(values), num_classes=len(classes))
  fields = {
    name: kinds.values(value)[0] if _is_dropout(name) else value
    for name, value in config.model.items()
  }
  network = fusions.build(
    fields.pop('fusion'),
    len(classes),
    modalities,
    axis_name=layout.axis_name,
    **fields,
  )
  own = {
    field.name: kinds.values(config[field.name])[0]
    for field in dataclasses.fields(step.Recipe)
    if field.name in config
  }
  balance = 'classes' in config.weights
  recipe = step.Recipe(**own | {'select': select(config), 'balance': balance})
  num_sharing = len(layout.devices) if layout.axis_name else 1
  return step.Program(
    network,
    modalities,
    max_length,
    recipe,
    layout.axis_name,
    eval_rows=batches.eval_rows(max_length, config.batch_size // num_sharing),
    values=values,
  )


def _check_model(config: ml_collections.ConfigDict) -> None:
  """Makes sure that a fusion has its fields right, and what it needs."""
  fusions.check(config.model)
  name = config.model.fusion
  needed = fusions.auxiliary(name)
  if needed and not config.auxiliary:
    raise errors.InputError(
      f'config.auxiliary: {config.auxiliary}, but from this loss alone {name} '
      f'learns what single modalities say; expected above 0, such as {needed}'
    )


def _is_dropout(name: str) -> bool:
  return name.endswith('dropout')


def use_compilation_cache() -> None:
  """Keeps compiled programs between runs, unless JAX was told where to."""
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    home = pathlib.Path(os.environ.get('XDG_CACHE_HOME', '~/.cache'))
    jax.config.update(
      'jax_compilation_cache_dir', str(home.expanduser() / 'empathy' / 'xla')
    )
