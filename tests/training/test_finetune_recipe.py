"""What the options of fine-tuning do to rates and steps, by hand."""

import dataclasses

import jax
import numpy as np
import pytest
import rounding
import tiny

from empathy import errors
from empathy.training import finetune_recipe


def test_the_shipped_recipe_is_the_default():
  space: dict = {}
  exec(compile(tiny.CONFIG_FILE.read_text(), 'config', 'exec'), space)
  given = space['get_config']().finetune.to_dict()
  assert given == dataclasses.asdict(finetune_recipe.Recipe())
  assert finetune_recipe.read(given) == finetune_recipe.read({})


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    ({'batch_size': 0}, '.batch_size: 0 is not 1 or more'),
    ({'learning_rate': 'fast'}, ".learning_rate: 'fast' is not a number"),
    ({'warmup': 1.0}, '.warmup: 1.0 is not 0 or more and below 1'),
    ({'remat': 1}, '.remat: 1 is not of the type bool'),
    ({'schedule': 'step'}, ".schedule: 'step' is not one of one_cycle, const"),
    ({'loss': 'hinge'}, ".loss: 'hinge' is not one of cross_entropy, focal"),
    ({'select': 'f2'}, ".select: 'f2' is not one of loss, accuracy, macro_f1"),
    ({'momentum': 0.9}, '.momentum: there is no such field'),
    ({'lora': {'rank': -1}}, '.lora.rank: -1 is not 0 or more'),
    ({'lora': {'r': 1}}, '.lora.r: there is no such field'),
  ],
)
def test_wrong_recipes(given, message):
  with pytest.raises(errors.InputError, match=f'^config.finetune{message}'):
    finetune_recipe.read(given)


def test_names_as_the_command_line_has_them():
  for targets in (['query', 'key'], ('query,key',)):
    recipe = finetune_recipe.read({'lora': {'rank': 2, 'targets': targets}})
    assert recipe.lora.targets == ('query', 'key')


@pytest.mark.parametrize(
  ('schedule', 'wanted'),
  [
    ('constant', [0, 1 / 4, 2 / 4, 3 / 4, 1, 1, 1, 1, 1, 1]),
    ('linear', [0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
    (  # Of 0, 30, ... 150 degrees, where it is (2 - sqrt(3)) / 4.
      'cosine',
      [0, 1 / 4, 2 / 4, 3 / 4, 1, 0.9330127, 0.75, 0.5, 0.25, 0.0669873],
    ),
  ],
)
def test_rates_rise_and_fall(schedule, wanted):
  recipe = finetune_recipe.Recipe(schedule=schedule, warmup=0.4)
  found = finetune_recipe.shares(recipe, 10)
  rounding.near(found, np.array(wanted), terms=4)
  alone = finetune_recipe.shares(dataclasses.replace(recipe, warmup=0.0), 6)
  rounding.near(alone, np.array(wanted[4:]), terms=4)


def _tree(encoder):
  """Parameters of every kind, drawn."""
  rng = np.random.default_rng(1)
  layer = {
    'dense': {'kernel': rng.normal(size=(2, 3)), 'bias': rng.normal(size=3)},
    'norm': {'scale': rng.normal(size=2)},
  }
  return {
    'encoder': {name: layer for name in encoder},
    'classifier': {'kernel': rng.normal(size=(3, 2)), 'bias': np.zeros(2)},
  }


def _adamw(recipe, rates, params, gradients, shares):
  """AdamW by arXiv 1711.05101, algorithm 2, with what the recipe adds."""
  first = second = jax.tree.map(np.zeros_like, params)
  for step, (gradient, share) in enumerate(zip(gradients, shares, strict=True)):
    squares = [np.square(x).sum() for x in jax.tree.leaves(gradient)]
    norm = np.sqrt(np.sum(squares))
    clip = min(1, recipe.clip_norm / norm) if recipe.clip_norm else 1
    gradient = jax.tree.map(lambda g, clip=clip: clip * g, gradient)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
    second = jax.tree.map(
      lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient
    )

    def change(x, m, v, rate, share=share, t=step + 1):
      decay = recipe.weight_decay * (recipe.decay_norms or x.ndim > 1)
      m, v = m / (1 - 0.9**t), v / (1 - 0.999**t)
      return x - share * rate * (m / (np.sqrt(v) + 1e-8) + decay * x)

    params = jax.tree.map(change, params, first, second, rates)
  return params


@pytest.mark.parametrize(
  ('given', 'rates', 'top'),
  [
    ({}, {}, ()),
    ({'clip_norm': 0.5, 'decay_norms': False}, {}, ()),
    (
      {'layer_decay': 0.5, 'head_learning_rate': 0.3},
      {'words': 0.025, 'norm': 0.1, 'layer_0': 0.05, 'classifier': 0.3},
      ('norm',),
    ),
  ],
)
def test_steps_are_those_by_hand(given, rates, top):
  recipe = finetune_recipe.read(
    {'learning_rate': 0.1, 'weight_decay': 0.2} | given
  )
  params = _tree(('words', 'layer_0', 'layer_1', 'norm'))
  rng = np.random.default_rng(2)
  # One below the largest norm, the others above.
  gradients = [
    jax.tree.map(lambda x, s=s: s * rng.normal(size=x.shape), params)
    for s in (1.0, 0.01, 3.0)
  ]
  shares = (0.0, 1.0, 0.5)
  rate_of = jax.tree_util.tree_map_with_path(
    lambda path, x: rates.get(
      'classifier' if path[0].key == 'classifier' else path[1].key, 0.1
    ),
    params,
  )
  wanted = _adamw(recipe, rate_of, params, gradients, shares)
  optimizer = finetune_recipe.optimizer(recipe, 2, top)
  found = jax.tree.map(np.float32, params)
  state = optimizer.init(found)
  for gradient, share in zip(gradients, shares, strict=True):
    updates, state = optimizer.update(
      jax.tree.map(np.float32, gradient), state, found
    )
    found = jax.tree.map(
      lambda x, y, s=share: np.asarray(x + s * y), found, updates
    )
  jax.tree.map(
    lambda x, y: rounding.near(x, y, terms=40, scale=1), found, wanted
  )
