"""An encoder with a classifier: what learns, and by which gradients."""

import dataclasses
import functools
import pathlib
import re

import jax
import numpy as np
import precisions
import pytest
import rounding
import tiny

from empathy import encoders
from empathy.encoders import checkpoint, extractors
from empathy.training import finetune_recipe, finetune_step

FOLDER = pathlib.Path(__file__).parents[1]
GOLDEN = dict(np.load(FOLDER / 'training' / 'gradients.npz'))


@functools.partial(jax.jit, static_argnums=0)
def _gradients(program, params, batch):
  """The loss and the gradients without dropout, of three clips of four."""
  trained, frozen = finetune_step.split(program, params)
  rng = np.random.default_rng(0)
  head = {
    'kernel': rng.normal(size=(16, 3)).astype(np.float32),
    'bias': rng.normal(size=3).astype(np.float32),
  }
  return finetune_step.gradients(
    program, {'encoder': trained, 'classifier': head}, frozen, batch, 3, None
  )


def _batch(values, mask):
  targets = np.eye(3, dtype=np.float32)[np.array([0, 2, 1, 0])]
  return finetune_step.Batch(values, mask, targets, np.float32([1, 1, 1, 0]))


def test_states_stand_for_the_frozen_layers():
  program = tiny.program('roberta', remat=True)
  whole = tiny.program('roberta', recipe={'trained_layers': 0})
  encoder = tiny.encoder('roberta')
  params = encoder.params['params']
  values, mask = tiny.text_inputs()
  states = encoder(input_ids=values, attention_mask=mask).hidden_states[1]
  loss, some = _gradients(program, params, _batch(states, mask))
  other, everything = _gradients(whole, params, _batch(values, mask))
  rounding.near(loss, other, terms=100)
  _, bounds = rounding.of_gradients(
    lambda x: _gradients(whole, x, _batch(values, mask)), params
  )
  bounds['encoder'] = {'layer_1': bounds['encoder']['layer_1']}
  assert set(some['encoder']) == {'layer_1'}
  assert set(everything['encoder']) == set(params)
  everything['encoder'] = {'layer_1': everything['encoder']['layer_1']}
  for (path, x), y, bound in zip(
    jax.tree_util.tree_leaves_with_path(some),
    *(jax.tree.leaves(tree) for tree in (everything, bounds)),
    strict=True,
  ):
    assert rounding.excess(x, y, bound) <= 1, path
    # What is added to all keys does not change a softmax.
    if "'key'" not in str(path) or "'bias'" not in str(path):
      assert np.abs(x).max() > 1e-6, path


def _logits(program, values, mask):
  params = tiny.encoder(_NAME_OF[program.input_name]).params['params']
  trained, frozen = finetune_step.split(program, params)
  rng = np.random.default_rng(0)
  head = {'kernel': rng.normal(size=(16, 3)), 'bias': rng.normal(size=3)}
  head = jax.tree.map(np.float32, head)
  found = jax.jit(finetune_step.forward, static_argnums=0)(
    program,
    {'encoder': trained, 'classifier': head},
    frozen,
    _batch(values, mask),
  )
  return found, head


_NAME_OF = {'input_ids': 'roberta', 'input_values': 'wav2vec2'}


def _bound(encoder, head, **arrays):
  """How far rounding may take a logit of what an encoder's states give."""
  most = rounding.of_encoder(encoder, **arrays)
  return most * np.abs(head['kernel']).sum(axis=0).max()


def test_the_mean_is_over_what_is_not_padding():
  """Of words, and of sounds, which have fewer states than samples."""
  tokens, words = tiny.text_inputs()
  sounds = np.arange(73) < np.array([73, 41, 60, 73])[:, None]
  samples = np.random.default_rng(4).normal(size=sounds.shape)
  for name, values, mask in (
    ('roberta', tokens, words),
    ('wav2vec2', np.where(sounds, samples, 0).astype(np.float32), sounds),
  ):
    program = tiny.program(name, recipe={'trained_layers': 0}, pooling='mean')
    module = extractors.unpadded(program.module)
    program = dataclasses.replace(program, module=module)
    found, head = _logits(program, values, mask)
    for i, row in enumerate(mask):
      arrays = {program.input_name: values[i : i + 1, : row.sum()]}
      alone = tiny.encoder(name)(**arrays)
      mean = np.asarray(alone.last_hidden_state[0], np.float64).mean(0)
      wanted = mean @ head['kernel'] + head['bias']
      bound = _bound(tiny.encoder(name), head, **arrays)
      np.testing.assert_allclose(
        found[i], wanted, atol=bound, rtol=0, err_msg=name
      )


def test_a_layer_below_the_last():
  """What learns lies below the state that is classified, and nothing else."""
  encoder = tiny.encoder('roberta')
  values, mask = tiny.text_inputs()
  output = encoder(input_ids=values, attention_mask=mask)
  for num_trained, given in ((1, output.hidden_states[0]), (0, values)):
    program = tiny.program(
      'roberta',
      num_layers=1,
      layer=1,
      recipe={'trained_layers': num_trained},
    )
    found, head = _logits(program, given, mask)
    wanted = output.hidden_states[1][:, 0] @ head['kernel'] + head['bias']
    bound = _bound(encoder, head, input_ids=values, attention_mask=mask)
    np.testing.assert_allclose(found, wanted, atol=bound, rtol=0)
    trained, frozen = finetune_step.split(program, encoder.params['params'])
    assert 'layer_0' in trained
    assert 'layer_1' in frozen
    assert set(trained) | set(frozen) == set(encoder.params['params'])
  assert set(frozen) == {'layer_1'}


def test_frames_that_do_not_see_each_other_are_one_clip():
  encoder = encoders.load(FOLDER / 'encoders' / 'goldens' / 'timesformer_space')
  pixels = np.random.default_rng(6).normal(size=(4, 4, 3, 8, 8))
  output = encoder(pixel_values=pixels.astype(np.float32))
  program = tiny.program(
    'videomae', module=encoder.module, input_shape=(3, 8, 8)
  )
  head = {'kernel': np.eye(8, 3, dtype=np.float32), 'bias': np.zeros(3)}
  # Of the last layer alone, from the states that go into it.
  found = jax.jit(finetune_step.forward, static_argnums=0)(
    program,
    {'encoder': {}, 'classifier': head},
    encoder.params['params'],
    _batch(output.hidden_states[1], np.ones((4, 4), bool)),
  )
  states = output.last_hidden_state.reshape(4, 4, 1 + 4, 8)
  wanted = states[:, :, 0].mean(1)[:, :3]
  bound = _bound(encoder, head, pixel_values=pixels.astype(np.float32))
  np.testing.assert_allclose(found, wanted, atol=bound, rtol=0)


def test_products_are_of_full_precision():
  program = tiny.program('wav2vec2', recipe={'trained_layers': 0})
  batch = _batch(np.zeros((4, 40), np.float32), np.ones((4, 40), bool))
  jaxpr = jax.make_jaxpr(_gradients, static_argnums=0)(
    program, tiny.encoder('wav2vec2').params['params'], batch
  )
  found = precisions.of(jaxpr.jaxpr)
  assert len(found) > 3 * 2 * (6 + 2)  # With those of the gradients.
  assert set(found) == {(jax.lax.Precision.HIGHEST,) * 2}


def test_the_optimizer_remembers_only_what_learns():
  program = tiny.program('roberta')
  trained, frozen = finetune_step.split(
    program, tiny.encoder('roberta').params['params']
  )
  assert not set(trained) & set(frozen)
  state = finetune_step.init(program, trained, 16, jax.random.key(0))
  sizes = [x.size for x in jax.tree.leaves(state.opt_state)]
  assert sum(sizes) == 1 + 2 * sum(
    x.size for x in jax.tree.leaves(state.params)
  )


def test_figures():
  logits = np.log([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
  labels = np.array([0, 1, 1])
  found = finetune_step.figures(logits, labels, np.eye(2)[labels])
  assert found['accuracy'] == pytest.approx(2 / 3)
  assert found['loss'] == pytest.approx(-np.log([0.9, 0.6, 0.2]).mean())
  # Precision and recall of the first class are 1/2 and 1, of the second 1, 1/2.
  assert found['macro_f1'] == pytest.approx(2 / 3)
  soft = finetune_step.figures(logits, labels, np.full((3, 2), 0.5))
  wanted = -np.log([0.9, 0.1, 0.4, 0.6, 0.8, 0.2]).mean()
  assert soft['loss'] == pytest.approx(wanted)


def _golden_gradients(name):
  """What we make of a golden checkpoint, by the names in PyTorch."""
  golden = {
    key.removeprefix(f'{name}/'): value
    for key, value in GOLDEN.items()
    if key.startswith(f'{name}/')
  }
  encoder = encoders.load(FOLDER / 'encoders' / 'goldens' / name)
  inputs = {
    key.removeprefix('inputs/'): value
    for key, value in golden.items()
    if key.startswith('inputs/')
  }
  main, *_ = inputs
  program = finetune_step.Program(
    module=encoder.module,
    num_layers=2,
    layer='last',
    pooling='first',
    num_classes=3,
    input_name=main,
    input_shape=inputs[main].shape[2:],
    recipe=finetune_recipe.Recipe(trained_layers=1),
  )
  labels = golden['labels']
  batch = finetune_step.Batch(
    encoder(**inputs).hidden_states[1],
    inputs.get('attention_mask', np.ones(inputs[main].shape[:2])).astype(bool),
    np.eye(3, dtype=np.float32)[labels],
    np.ones(len(labels), np.float32),
  )
  trained, frozen = finetune_step.split(program, encoder.params['params'])
  head = {key: golden[f'head/{key}'] for key in ('kernel', 'bias')}
  table = {
    path: source
    for path, source in encoders.ARCHITECTURES[encoder.config.model_type]
    .table(encoder.config)
    .items()
    if path.startswith('layer_1/')
  }
  compute = jax.jit(finetune_step.gradients, static_argnums=0)

  def ours(params, batch):
    found = compute(program, params, frozen, batch, len(labels), None)
    tensors = checkpoint.to_tensors(table, found[1]['encoder'])
    return found[0], tensors | dict(found[1]['classifier'])

  arguments = {'encoder': trained, 'classifier': head}, batch
  return golden, ours(*arguments), rounding.of_gradients(ours, *arguments)


@pytest.mark.parametrize(
  'name', ['roberta', 'deberta_v3', 'wav2vec2', 'videomae', 'timesformer']
)
def test_gradients_are_those_of_pytorch(name):
  golden, (loss, found), (loss_bound, bounds) = _golden_gradients(name)
  assert rounding.excess(loss, golden['loss'], loss_bound) <= 1
  compared = 0
  for key, value in found.items():
    bound = bounds[key]
    # VideoMAE's biases have a newer name.
    key = re.sub(r'\.q_bias$', '.query.bias', key)
    key = re.sub(r'\.v_bias$', '.value.bias', key)
    wanted = golden[f'gradients/{key}']
    assert rounding.excess(value, wanted, bound) <= 1, key
    compared += 1
  assert compared == sum(key.startswith('gradients/') for key in golden)


def test_golden_gradients_are_what_pytorch_computes():
  pytest.importorskip('torch')
  import make_gradients

  for name in make_gradients.CASES:
    for key, value in make_gradients.gradients(name).items():
      np.testing.assert_allclose(GOLDEN[f'{name}/{key}'], value, atol=1e-6)


def test_adamw_is_decoupled():
  recipe = {'learning_rate': 0.1, 'weight_decay': 0.2}
  optimizer = tiny.program('roberta', recipe=recipe).optimizer
  rng = np.random.default_rng(0)
  x = value = rng.normal(size=5)
  first = second = np.zeros(5)

  def tree(x):
    return {'classifier': {'kernel': np.float32(x)}}

  state = optimizer.init(tree(x))
  for step in range(1, 4):
    gradient = rng.normal(size=5)
    updates, state = optimizer.update(
      tree(gradient), state, tree(value), share=1.0
    )
    value = np.asarray(value + updates['classifier']['kernel'])
    # arXiv 1711.05101, algorithm 2, with PyTorch's betas and epsilon.
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    change = first / (1 - 0.9**step)
    change /= np.sqrt(second / (1 - 0.999**step)) + 1e-8
    x = x - 0.1 * (change + 0.2 * x)
    # A change of each step, of ten roundings.
    rounding.near(value, x, terms=10 * step, scale=1)
