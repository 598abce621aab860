"""What a config must hold, and the program that it asks for."""

import dataclasses
import itertools
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import jax
import ml_collections

from empathy import errors, kinds
from empathy.models import fusion as fusions
from empathy.models import losses
from empathy.training import (
  batches,
  finetune_recipe,
  metrics,
  optimizers,
  parallel,
  schedules,
  step,
)

_MAX_SEED = 2**31

# Of several values, as in (3e-4, 1e-3), the best combination is chosen for each
# view and fold by what `select` says; likewise of any dropout of the model.
_Swept = Annotated[tuple, kinds.Several(kinds.NotNegative)]


@dataclasses.dataclass(frozen=True)
class Fields:
  """Every field of a config, but for those of a model, with its default.

  A config file says what it changes. What is a name may also be an import path,
  and have arguments, as in 'focal(gamma=1.5)' or 'my_losses:hinge'; see
  `empathy.named`.
  """

  # The corpus folder, as in --config.corpus=CORPUS, and which of its labels.
  corpus: str = ''
  label: str = ''
  # Which modalities models see: 'single', 'full', 'every', or names as in
  # 'text,audio+video'; none is 'every'. What views tell beyond other seeds
  # needs a seed of the full view more than there are single views.
  views: tuple[str, ...] = ('single', 'full')
  # The first seed, and the seed of folds made by group.
  seed: Annotated[int, kinds.Range(0, _MAX_SEED)] = 42
  num_seeds: kinds.Count = 6
  num_folds: kinds.Count = 5  # Where the corpus has neither split nor folds.

  # A fusion, its fields, and what pools sequences: 'attention', 'mean', 'max',
  # 'first', 'last', or of all layers 'layers'; see `empathy.models.fusion`.
  model: Mapping = dataclasses.field(
    default_factory=lambda: {'fusion': 'gated_attention'}
  )

  # What is learned: 'labels'; 'votes', their shares; 'dawid_skene', what votes
  # say of the label net of what each annotator tends to; or, of a label with
  # values, 'scores': a normal distribution around each, `sigma` values wide.
  targets: Literal['labels', 'votes', 'dawid_skene', 'scores'] = 'labels'
  sigma: Annotated[float, kinds.Range(0, is_open=True)] = 0.75
  # Of clips in the loss: by the number of their votes; so that each class has
  # the same part in it; or by both.
  weights: Literal['equal', 'votes', 'classes', 'votes+classes'] = 'equal'
  # By a member's training clips, or by each group's own: transductive.
  normalise: Literal['members', 'group'] = 'members'
  loss: str = 'cross_entropy'  # Or 'focal'.
  auxiliary: kinds.NotNegative = 0.0  # Weight of that of each modality alone.

  # How it is learned.
  num_epochs: kinds.Count = 15
  batch_size: kinds.Count = 64
  optimizer: str = 'one_cycle_adam'  # Or 'adamw', 'optax:lion(b1=0.95)', ...
  schedule: str = 'one_cycle'  # Or 'constant', 'warmup_cosine(warmup=0.1)', ...
  peak_learning_rate: _Swept = (1e-3,)
  l2: _Swept = (1e-3,)  # Times the parameters, added to the gradient.
  # The epoch that is 'best' on validation clips, the 'last' one, or the last of
  # a second training, of training and validation clips: 'refit'.
  keep: Literal['best', 'last', 'refit'] = 'best'
  # What the best epoch and setting are chosen by: 'accuracy', 'macro_f1',
  # 'loss', of scores 'ccc' or 'mae'; if empty, accuracy, or of scores ccc.
  select: str = ''

  # What devices share: the members, or each batch.
  parallel: Literal['members', 'batch'] = 'members'
  # Where features are: in memory; or on disk, from where they are streamed.
  data: Literal['memory', 'stream'] = 'memory'
  # Bits of products of matrices, where a device has fewer.
  matmul_precision: Literal['default', 'tensorfloat32', 'float32'] = 'default'
  members_per_device: kinds.Count = 128  # More train in chunks, one by one.
  checkpoint_seconds: kinds.NotNegative = 300.0  # Between them, at least.

  # From media to features, of `extract_features` and `finetune`: by modality
  # the settings of an encoder; see `configs/pretrained_features.py`.
  features: Mapping = dataclasses.field(default_factory=dict)
  # How much of each sound and film counts, and its pictures, evenly spaced.
  seconds: Annotated[float, kinds.Range(0, None, is_open=True)] = math.inf
  num_frames: kinds.Count = 16
  # Media that cannot be used: 'skip', or 'fatal', which ends the run.
  faults: Literal['skip', 'fatal'] = 'skip'
  # How they are fine-tuned, see `finetune_recipe`; of `finetune` alone.
  finetune: finetune_recipe.Recipe = finetune_recipe.PAPER


# What other binaries than `train` go by.
MEDIA_FIELDS = ('features', 'finetune', 'seconds', 'num_frames', 'faults')


def default_config(
  fusion: str = 'gated_attention',
) -> ml_collections.ConfigDict:
  """Every field with its default, to be changed; see `Fields`.

  Args:
    fusion: a key of `empathy.models.fusion.FUSIONS`, or the import path of a
      class of your own; `model` gets its fields, with their defaults, and
      `auxiliary` what it needs.
  """
  config = ml_collections.ConfigDict(dataclasses.asdict(Fields()))
  config.model = fusions.fields(fusion)
  config.auxiliary = fusions.auxiliary(fusion)
  return config


def complete(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The config with the defaults of what it does not say.

  Raises:
    InputError: there is no such fusion.
  """
  found = dataclasses.asdict(Fields()) | config.to_dict()
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
  errors.raise_faults(kinds.faults(kinds.of(Fields), given, 'config'))
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
  if config.seed + config.num_seeds > _MAX_SEED:
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
