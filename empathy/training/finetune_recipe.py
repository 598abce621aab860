"""How encoders are fine-tuned, by the fields of `config.finetune`.

`optimizer` makes one optax chain of all that are set.
"""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from empathy import errors, kinds
from empathy.models import losses
from empathy.training import metrics, schedules
from empathy.training.config_fields import Lora, Recipe

SELECT, _LOSS = 'config.finetune.select', 'config.finetune.loss'


def read(given: Mapping[str, Any]) -> Recipe:
  """The recipe that the fields of `config.finetune` give.

  Raises:
    InputError: one fault or more, a line each.
  """
  errors.raise_faults(kinds.faults(kinds.of(Recipe), given, 'config.finetune'))
  fields = dict(given)
  if 'lora' in given:
    lora = dict(given['lora'])
    if 'targets' in lora:  # As in --config.finetune.lora.targets=query,key.
      lora['targets'] = tuple(','.join(lora['targets']).split(','))
    fields['lora'] = Lora(**lora)
  recipe = Recipe(**fields)
  find_loss(recipe)
  metrics.find(recipe.select, what=SELECT)
  # Not called: what runs on devices would come before they are chosen.
  schedules.find(recipe.schedule, 'config.finetune.schedule')
  return recipe


def find_loss(recipe: Recipe) -> losses.Loss:
  """The loss that `recipe.loss` names."""
  return losses.find(recipe.loss, what=_LOSS)


def check(recipe: Recipe, num_classes: int, has_values: bool) -> None:
  """Makes sure that what a recipe names works, before anything is computed.

  Args:
    recipe: says what.
    num_classes: C.
    has_values: whether classes are numbers.

  Raises:
    InputError: something does not.
  """
  losses.find(recipe.loss, num_classes, _LOSS)
  metrics.find(recipe.select, has_values, SELECT, num_classes)
  shares(recipe, 1)


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
  schedule = schedules.make(
    recipe.schedule, 1.0, rest, rest, 'config.finetune.schedule'
  )
  if warm:
    rise = optax.linear_schedule(0.0, 1.0, warm)
    schedule = optax.join_schedules([rise, schedule], [warm])
  return np.float32(jax.vmap(schedule)(jnp.arange(num_steps)))


def optimizer(
  recipe: Recipe, num_layers: int, top: tuple[str, ...] = ()
) -> optax.GradientTransformation:
  """AdamW and what the recipe adds to it, at the highest rates.

  Args:
    recipe: what is set.
    num_layers: of the encoder, `layer_0` and on.
    top: parts of the encoder that come after its layers; others come before.

  Returns:
    For trees as `finetune_step.State.params`.
  """

  def decays(params):
    return jax.tree.map(lambda x: recipe.decay_norms or x.ndim > 1, params)

  def descend(updates, params):
    del params

    def one(path, x):
      names = tuple(entry.key for entry in path)
      return -_rate(recipe, names, num_layers, top) * x

    return jax.tree_util.tree_map_with_path(one, updates)

  return optax.chain(
    optax.clip_by_global_norm(recipe.clip_norm)
    if recipe.clip_norm
    else optax.identity(),
    optax.scale_by_adam(),
    optax.add_decayed_weights(recipe.weight_decay, decays),
    optax.stateless(descend),
  )


def _rate(
  recipe: Recipe, path: tuple[str, ...], num_layers: int, top: tuple[str, ...]
) -> float:
  """The highest learning rate of a parameter, by the path to it."""
  if path[0] == 'classifier':
    return recipe.head_learning_rate or recipe.learning_rate
  above = num_layers  # Layers above embeddings.
  if path[1] in top:
    above = 0
  elif found := re.fullmatch(r'layer_(\d+)', path[1]):
    above = num_layers - 1 - int(found[1])
  return recipe.learning_rate * recipe.layer_decay**above
