"""How encoders are fine-tuned: the fields of `config.finetune`.

Their defaults are the recipe of arXiv 2505.13979: AdamW at one rate, on the
last two layers and a classifier. Every other way is a field; `optimizer` makes
one optax chain of all that are set.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from empathy import errors, kinds
from empathy.models import losses
from empathy.training import metrics, schedules


@dataclasses.dataclass(frozen=True)
class Lora:
  """Adapters of low rank (arXiv 2106.09685): W + alpha / rank * A @ B."""

  rank: Annotated[int, kinds.Range(0)] = 0  # Columns of A; 0: no adapters.
  alpha: kinds.NotNegative = 16.0
  # Which projections W have one, by their names in the encoders: 'query',
  # 'key', 'value' and 'output' of attention, 'up' and 'down' of what follows.
  targets: tuple[str, ...] = ('query', 'value')


@dataclasses.dataclass(frozen=True)
class Recipe:
  """The fields; with AdamW (arXiv 1711.05101) as PyTorch has it."""

  # The last ones; 0: all of the encoder.
  trained_layers: Annotated[int, kinds.Range(0)] = 2
  learning_rate: kinds.NotNegative = 5e-6  # The highest one.
  weight_decay: kinds.NotNegative = 0.01
  batch_size: kinds.Count = 8  # On all devices together.
  num_epochs: kinds.Count = 15
  remat: bool = False  # Compute activations again rather than keep them.

  # Not in the paper: the share of the steps in which the rates rise from 0, and
  # how they go on: 'constant', 'linear' or 'cosine', down to 0, or an import
  # path; see `schedules`.
  warmup: kinds.Share = 0.0
  schedule: str = 'constant'
  clip_norm: kinds.NotNegative = 0.0  # Of the whole gradient; 0: any.
  accumulate: kinds.Count = 1  # Batches a step, as if they were one.
  # In which sums are computed; parameters and their steps are float32.
  dtype: Literal['float32', 'bfloat16'] = 'float32'
  # As of `train`: what is learned, how much each clip counts, and the loss.
  targets: Literal['labels', 'votes'] = 'labels'
  weights: Literal['equal', 'votes', 'classes', 'votes+classes'] = 'equal'
  loss: str = 'cross_entropy'
  # Which epoch is the best: by 'accuracy', 'macro_f1', 'loss', ...; and how
  # many without a better one are waited for; 0: any.
  select: str = 'accuracy'
  patience: Annotated[int, kinds.Range(0)] = 0
  # A layer's rate by that of the layer above; the classifier's, 0: the same.
  layer_decay: kinds.NotNegative = 1.0
  head_learning_rate: kinds.NotNegative = 0.0
  # Weights of normalisations, and biases, too; as PyTorch does by itself.
  decay_norms: bool = True
  # In place of the layers themselves, adapters of them learn.
  lora: Lora = Lora()

  @property
  def step_size(self) -> int:
    """Clips a step."""
    return self.batch_size * self.accumulate

  def find_loss(self) -> losses.Loss:
    """The loss that `loss` names."""
    return losses.find(self.loss, what='config.finetune.loss')


PAPER = Recipe()
SELECT = 'config.finetune.select'


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
  recipe.find_loss()
  metrics.find(recipe.select, what=SELECT)
  # Not called: what runs on devices would come before they are chosen.
  schedules.find(recipe.schedule, 'config.finetune.schedule')
  return recipe


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
