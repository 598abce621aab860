"""How encoders are fine-tuned: the fields of `config.finetune`.

Their defaults are the recipe of arXiv 2505.13979: AdamW at one rate, on the
last two layers and a classifier. Every other way is a field; `optimizer` makes
one optax chain of all that are set.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from empathy import errors
from empathy.encoders import extractors
from empathy.models import losses

SCHEDULES = ('constant', 'linear', 'cosine')
SELECT = ('accuracy', 'macro_f1', 'loss')
TARGETS = ('labels', 'votes')


def _field(
  default: Any,
  least: float = 0,
  below: float = math.inf,
  choices: tuple[str, ...] = (),
) -> Any:
  """A field, whose type is that of its default, with what it may be."""
  return dataclasses.field(
    default=default,
    metadata={'least': least, 'below': below, 'choices': choices},
  )


@dataclasses.dataclass(frozen=True)
class Lora:
  """Adapters of low rank (arXiv 2106.09685): W + alpha / rank * A @ B.

  Attributes:
    rank: columns of A, rows of B; 0: none, the layers themselves learn.
    alpha: of the formula.
    targets: the projections W that have one, by their names in the encoders:
      'query', 'key', 'value' and 'output' of attention, 'up' and 'down' of the
      feed-forward network.
  """

  rank: int = _field(0)
  alpha: float = _field(16.0)
  targets: tuple[str, ...] = _field(('query', 'value'))


@dataclasses.dataclass(frozen=True)
class Recipe:
  """The fields; AdamW (arXiv 1711.05101) as PyTorch has it.

  Attributes:
    trained_layers: how many of the last layers learn; 0: all of the encoder.
    learning_rate: the highest one of the encoder.
    weight_decay: of the parameters that learn.
    batch_size: clips that the devices hold at a time.
    num_epochs: passes over the training clips.
    remat: compute activations again for the gradient rather than keep them.
    warmup: the share of the steps in which the rates rise from 0.
    schedule: of the rates from then on: 'constant', or down to 0 at the end,
      along a line or a half 'cosine'.
    clip_norm: the largest norm of the whole gradient; 0: any.
    accumulate: batches whose gradients make one step; as if they were one.
    dtype: in which sums are computed; parameters and their steps are float32.
    weights: how much each training clip counts; one of `losses.WEIGHTS`.
    targets: what is learned: 'labels', or the distributions of 'votes'.
    patience: epochs without a better one after which a fold ends; 0: none.
    select: by which figure of the validation clips the epoch is chosen.
    layer_decay: each layer's rate as a share of that of the layer above.
    head_learning_rate: of the classifier; 0: that of the encoder.
    decay_norms: whether weights that are vectors decay, too: those of
      normalisations, and biases. They do in PyTorch's AdamW by itself.
    lora: adapters that learn in place of those layers.
  """

  trained_layers: int = _field(2)
  learning_rate: float = _field(5e-6)
  weight_decay: float = _field(0.01)
  batch_size: int = _field(8, 1)
  num_epochs: int = _field(15, 1)
  remat: bool = _field(False)
  warmup: float = _field(0.0, below=1)
  schedule: str = _field('constant', choices=SCHEDULES)
  clip_norm: float = _field(0.0)
  accumulate: int = _field(1, 1)
  dtype: str = _field('float32', choices=tuple(extractors.DTYPES))
  weights: str = _field('equal', choices=losses.WEIGHTS)
  targets: str = _field('labels', choices=TARGETS)
  patience: int = _field(0)
  select: str = _field('accuracy', choices=SELECT)
  layer_decay: float = _field(1.0)
  head_learning_rate: float = _field(0.0)
  decay_norms: bool = _field(True)
  lora: Lora = Lora()

  @property
  def step_size(self) -> int:
    """Clips a step."""
    return self.batch_size * self.accumulate


def read(given: Mapping[str, Any], where: str = 'config.finetune') -> Recipe:
  """The recipe that a config gives; what it leaves out is the paper's.

  Raises:
    InputError: one fault or more, a line each.
  """
  errors.raise_faults(list(_faults(given, Recipe, where)))
  return _read(given, Recipe)


def _read(given: Mapping[str, Any], cls: type) -> Any:
  made = {}
  for field in dataclasses.fields(cls):
    if field.name in given:
      value, kind = given[field.name], type(field.default)
      if dataclasses.is_dataclass(kind):
        made[field.name] = _read(value, kind)
      elif kind is tuple:  # As in --config.finetune.lora.targets=query,key.
        made[field.name] = tuple(','.join(value).split(','))
      else:
        made[field.name] = kind(value)
  return cls(**made)


def _faults(given: Mapping[str, Any], cls: type, where: str) -> Iterator[str]:
  """What is wrong with the fields, a line each."""
  known = {field.name: field for field in dataclasses.fields(cls)}
  for name, value in given.items():
    at = f'{where}.{name}'
    if name not in known:
      yield f'{at}: there is no such field; known are {", ".join(known)}'
      continue
    kind, allowed = type(known[name].default), known[name].metadata
    if dataclasses.is_dataclass(kind):
      if isinstance(value, Mapping):
        yield from _faults(value, kind, at)
      else:
        yield f'{at}: {value!r} is not a group of fields'
    elif kind is tuple:
      if not isinstance(value, tuple | list) or not (
        value and all(type(x) is str for x in value)
      ):
        yield f'{at}: {value!r} is not some names'
    elif type(value) is not kind and (kind, type(value)) != (float, int):
      yield f'{at}: {value!r} is not of the type {kind.__name__}'
    elif allowed['choices']:
      if value not in allowed['choices']:
        yield f'{at}: {value!r} is not {" or ".join(allowed["choices"])}'
    elif kind is not bool and not allowed['least'] <= value < allowed['below']:
      limit = allowed['below']
      below = '' if limit == math.inf else f' and below {limit}'
      yield f'{at}: {value} is not {allowed["least"]} or more{below}'


def shares(recipe: Recipe, num_steps: int) -> np.ndarray:
  """How much of its highest value every rate has in each step.

  As Transformers' schedules have it, the first step of a warm-up has none.

  Args:
    recipe: says by which schedule.
    num_steps: in all.

  Returns:
    (num_steps,) float32.
  """
  warm = round(recipe.warmup * num_steps)
  rest = max(num_steps - warm, 1)
  schedule = {
    'constant': optax.constant_schedule(1.0),
    'linear': optax.linear_schedule(1.0, 0.0, rest),
    'cosine': optax.cosine_decay_schedule(1.0, rest),
  }[recipe.schedule]
  if warm:
    rise = optax.linear_schedule(0.0, 1.0, warm)
    schedule = optax.join_schedules([rise, schedule], [warm])
  found = schedule(jnp.arange(num_steps))
  return np.broadcast_to(np.float32(found), num_steps)


def optimizer(
  recipe: Recipe, num_layers: int, top: tuple[str, ...] = ()
) -> optax.GradientTransformationExtraArgs:
  """AdamW and what the recipe adds to it.

  Args:
    recipe: what is set.
    num_layers: of the encoder, `layer_0` and on.
    top: parts of the encoder that come after its layers; others come before.

  Returns:
    For trees as `finetune_step.State.params`; `update` takes `share` beside,
    () float32, how much of its highest value every rate has in this step.
  """

  def decays(params):
    return jax.tree.map(lambda x: recipe.decay_norms or x.ndim > 1, params)

  clip = optax.identity()
  if recipe.clip_norm:
    clip = optax.clip_by_global_norm(recipe.clip_norm)
  return optax.chain(
    clip,
    optax.scale_by_adam(),
    optax.add_decayed_weights(recipe.weight_decay, decays),
    _descend(lambda path: rate(recipe, path, num_layers, top)),
  )


def rate(
  recipe: Recipe,
  path: tuple[str, ...],
  num_layers: int,
  top: tuple[str, ...] = (),
) -> float:
  """The highest learning rate of a parameter.

  Args:
    recipe: with `layer_decay` and `head_learning_rate`.
    path: to the parameter, ('encoder', 'layer_0', ...).
    num_layers: as for `optimizer`.
    top: likewise.
  """
  if path[0] == 'classifier':
    return recipe.head_learning_rate or recipe.learning_rate
  name = path[1]
  above = num_layers  # Layers above embeddings.
  if name in top:
    above = 0
  elif found := re.fullmatch(r'layer_(\d+)', name):
    above = num_layers - 1 - int(found[1])
  return recipe.learning_rate * recipe.layer_decay**above


def _descend(
  rate_of: Callable[[tuple[str, ...]], float],
) -> optax.GradientTransformationExtraArgs:
  """Steps down, each parameter at a rate of its own."""

  def update(updates, state, params=None, *, share, **rest):
    del params, rest

    def one(path, x):
      names = tuple(entry.key for entry in path)
      return (-share * rate_of(names)) * x

    return jax.tree_util.tree_map_with_path(one, updates), state

  return optax.GradientTransformationExtraArgs(
    lambda params: optax.EmptyState(), update
  )
