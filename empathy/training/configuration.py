"""What a config must hold, and the program that it asks for."""

import itertools
import json
import math
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import ml_collections

from empathy import errors
from empathy.models import fusion, losses
from empathy.training import normalisation, parallel, step, stream

# The fields of a config, with an example of each one's type.
_FIELDS = {
  'corpus': '',
  'views': (),
  'seed': 0,
  'num_seeds': 1,
  'num_folds': 1,
  'model': ml_collections.ConfigDict(),
  'targets': '',
  'weights': '',
  'normalise': '',
  'num_epochs': 1,
  'batch_size': 1,
  'peak_learning_rate': 1.0,
  'l2': 1.0,
  'auxiliary': 1.0,
  'keep': '',
  'parallel': '',
  'members_per_device': 1,
  'checkpoint_seconds': 1.0,
}
# Those that a config may leave out, and what it then has.
DEFAULTS = {
  'data': 'memory',
  'matmul_precision': 'default',
  'label': '',
  'sigma': 0.75,
}
FIELDS = (*_FIELDS, *DEFAULTS)
# Those that may have several values, as every dropout of the model may.
_SWEPT = ('peak_learning_rate', 'l2')

# Those of a config that begins with media; other binaries check them.
MEDIA_FIELDS = ('features', 'finetune', 'seconds', 'num_frames', 'faults')

_MAX_SEED = 2**31


def check(config: ml_collections.ConfigDict) -> None:
  """Makes sure that a config has every field, of the right type and range.

  Raises:
    InputError: one fault or more, a line each.
  """
  faults = []
  for name, example in _FIELDS.items():
    if name not in config:
      faults.append(f'config.{name}: is missing')
    elif name in _SWEPT:
      faults += _value_faults(name, config[name])
    elif not isinstance(config[name], type(example)) and not (
      isinstance(example, float) and type(config[name]) is int
    ):
      faults.append(
        f'config.{name}: {config[name]!r} is not of the type '
        f'{type(example).__name__}'
      )
    elif isinstance(example, int) and name != 'seed' and config[name] < 1:
      faults.append(f'config.{name}: {config[name]} is not 1 or more')
    elif isinstance(example, float) and not config[name] >= 0:
      faults.append(f'config.{name}: {config[name]} is not 0 or more')
  for name in config:
    if name not in (*FIELDS, *MEDIA_FIELDS):
      faults.append(f'config.{name}: there is no such field')
  errors.raise_faults(faults)
  if not 0 <= config.seed <= _MAX_SEED - config.num_seeds:
    faults.append(f'config.seed: {config.seed} is not a seed from 0 on')
  if not config.corpus:
    faults.append('config.corpus: is empty; give --config.corpus=CORPUS')
  faults += _model_faults(config)
  for name, choices in (
    ('targets', losses.TARGETS),
    ('weights', losses.WEIGHTS),
    ('normalise', normalisation.KINDS),
    ('keep', step.KEEP),
    ('parallel', parallel.MODES),
    ('data', stream.KINDS),
    ('matmul_precision', parallel.PRECISIONS),
  ):
    value = config.get(name, DEFAULTS.get(name))
    if value not in choices:
      faults.append(f'config.{name}: {value!r} is not {" or ".join(choices)}')
  label, sigma = (config.get(n, DEFAULTS[n]) for n in ('label', 'sigma'))
  if not isinstance(label, str):
    faults.append(f'config.label: {label!r} is not a name')
  if type(sigma) not in (int, float) or not 0 < sigma < math.inf:
    faults.append(f'config.sigma: {sigma!r} is not a number above 0')
  if is_streamed(config) and config.normalise != 'members':
    faults.append(
      f'config.normalise: {config.normalise!r} needs all features in memory; '
      "with config.data 'stream' expected 'members'"
    )
  errors.raise_faults(faults)


def is_streamed(config: ml_collections.ConfigDict) -> bool:
  """Whether features stay on disk."""
  return config.get('data', DEFAULTS['data']) == 'stream'


def select(config: ml_collections.ConfigDict) -> str:
  """What epochs and settings are chosen by; one of `step.SELECT`."""
  return 'ccc' if config.targets == 'scores' else 'accuracy'


def matmul_precision(config: ml_collections.ConfigDict) -> str:
  """Of products of matrices; one of `parallel.PRECISIONS`."""
  return config.get('matmul_precision', DEFAULTS['matmul_precision'])


def complete(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The config with what it may leave out, as `config.json` records it."""
  return ml_collections.ConfigDict({**DEFAULTS, **config.to_dict()})


def as_json(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """The config as it is once it was written to a file."""
  return json.loads(config.to_json())


def settings(config: ml_collections.ConfigDict) -> list[dict[str, float]]:
  """Every combination of the values of those fields that have several.

  Returns:
    For each, the fields with their values, a dropout as `model.<name>`; one
    that is empty where no field has several.
  """
  fields = {name: _values(config[name]) for name in _SWEPT}
  for name, value in config.model.items():
    if _is_dropout(name):
      fields[f'model.{name}'] = _values(value)
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
) -> step.Program:
  """What the members of a run share; see `step.Program`.

  Of a field with several values it has the first one.
  """
  fields = {
    name: _values(value)[0] if _is_dropout(name) else value
    for name, value in config.model.items()
  }
  network = fusion.build(
    fields.pop('fusion'),
    len(classes),
    modalities,
    axis_name=layout.axis_name,
    **fields,
  )
  recipe = step.Recipe(
    num_epochs=config.num_epochs,
    batch_size=config.batch_size,
    peak_learning_rate=_values(config.peak_learning_rate)[0],
    l2=_values(config.l2)[0],
    auxiliary=config.auxiliary,
    keep=config.keep,
    select=select(config),
  )
  num_sharing = len(layout.devices) if layout.axis_name else 1
  return step.Program(
    network,
    modalities,
    max_length,
    recipe,
    layout.axis_name,
    eval_rows=step.eval_rows(max_length, config.batch_size // num_sharing),
  )


def _model_faults(config: ml_collections.ConfigDict) -> list[str]:
  """What is wrong with the fusion, its fields and what it needs."""
  if 'fusion' not in config.model:
    return ['config.model.fusion: is missing']
  given = dict(config.model.items())
  name = given.pop('fusion')
  try:
    faults = fusion.faults(name, given)
    needed = fusion.auxiliary(name)
  except errors.InputError as error:
    return [str(error)]
  for field, value in given.items():
    if _is_dropout(field):
      faults += _value_faults(f'model.{field}', value, below=1)
  if needed and not config.auxiliary:
    faults.append(
      f'config.auxiliary: {config.auxiliary}, but from this loss alone {name} '
      f'learns what single modalities say; expected above 0, such as {needed}'
    )
  return faults


def _is_dropout(name: str) -> bool:
  return name.endswith('dropout')


def _values(value: Any) -> tuple:
  return tuple(value) if isinstance(value, tuple | list) else (value,)


def _value_faults(
  name: str, value: Any, below: float = math.inf
) -> Iterator[str]:
  """What is wrong with a field that may have several values, in one line."""
  values = _values(value)
  wrong = [x for x in values if type(x) not in (int, float)]
  outside = [x for x in values if x not in wrong and not 0 <= x < below]
  twice = [x for x in values if values.count(x) > 1]
  if not values:
    yield f'config.{name}: has no value'
  elif wrong:
    yield f'config.{name}: {wrong[0]!r} is not a number'
  elif outside:
    limit = '' if below == math.inf else f' and below {below}'
    yield f'config.{name}: {outside[0]!r} is not 0 or more{limit}'
  elif twice:
    yield f'config.{name}: {twice[0]!r} is there more than once'


def use_compilation_cache() -> None:
  """Keeps compiled programs between runs, unless JAX was told where to."""
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    home = pathlib.Path(os.environ.get('XDG_CACHE_HOME', '~/.cache'))
    jax.config.update(
      'jax_compilation_cache_dir', str(home.expanduser() / 'empathy' / 'xla')
    )
