"""An encoder with a classifier: what learns, and by which gradients."""

import dataclasses
import functools
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import precisions
import pytest
import rounding
import tiny
from flax import traverse_util

from empathy import encoders
from empathy.encoders import checkpoint, extractors
from empathy.training import finetune_recipe, finetune_step
from empathy.training.step import BATCH_AXIS

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
    for i, row in enumerate(mask[:2]):
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
    'videomae',
    module=encoder.module,
    input_shape=(3, 8, 8),
    pooling='mean',
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


def _part(prefix):
  """The golden arrays below a prefix, without it."""
  return {
    key.removeprefix(prefix): value
    for key, value in GOLDEN.items()
    if key.startswith(prefix)
  }


def _golden_case(name, recipe, targets=None, weights=None):
  """A golden checkpoint's program, batch, classifier and table of layer 1."""
  golden = _part(f'{name}/')
  inputs = _part(f'{name}/inputs/')
  encoder = encoders.load(FOLDER / 'encoders' / 'goldens' / name)
  main, *_ = inputs
  program = finetune_step.Program(
    module=encoder.module,
    num_layers=2,
    layer='last',
    pooling='first',
    num_classes=3,
    input_name=main,
    input_shape=inputs[main].shape[2:],
    recipe=recipe,
  )
  labels = golden['labels']
  batch = finetune_step.Batch(
    encoder(**inputs).hidden_states[1],
    inputs.get('attention_mask', np.ones(inputs[main].shape[:2])).astype(bool),
    np.eye(3, dtype=np.float32)[labels] if targets is None else targets,
    np.ones(len(labels), np.float32) if weights is None else weights,
  )
  head = {key: golden[f'head/{key}'] for key in ('kernel', 'bias')}
  table = {
    path: source
    for path, source in encoders.ARCHITECTURES[encoder.config.model_type]
    .table(encoder.config)
    .items()
    if path.startswith('layer_1/')
  }
  return program, batch, head, table, encoder.params['params']


def _golden_gradients(name):
  """What we make of a golden checkpoint, by the names in PyTorch."""
  program, batch, head, table, params = _golden_case(
    name, finetune_recipe.Recipe(trained_layers=1)
  )
  trained, frozen = finetune_step.split(program, params)
  compute = jax.jit(finetune_step.gradients, static_argnums=0)

  def ours(params, batch):
    found = compute(program, params, frozen, batch, len(batch.weights), None)
    tensors = checkpoint.to_tensors(table, found[1]['encoder'])
    return found[0], tensors | dict(found[1]['classifier'])

  arguments = {'encoder': trained, 'classifier': head}, batch
  golden = _part(f'{name}/')
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


@pytest.mark.parametrize('name', ['roberta', 'wav2vec2', 'videomae'])
def test_gradients_of_adapters_are_those_of_pytorch(name):
  """With soft targets, and weights of clips."""
  golden = _part(f'adapted/{name}/')
  recipe = finetune_recipe.read(
    {'trained_layers': 1, 'lora': {'rank': 2, 'alpha': 3.0}}
  )
  program, batch, head, table, params = _golden_case(
    name, recipe, golden['targets'], golden['weights']
  )
  adapters = {}
  for path, source in table.items():
    for part in 'ab':
      value = golden.get(f'adapters/{source.names[0]}/{part}')
      if value is not None:
        adapters[*path.split('/'), part] = value
  _, frozen = finetune_step.split(program, params)
  loss, found = jax.jit(finetune_step.gradients, static_argnums=0)(
    program,
    {'encoder': traverse_util.unflatten_dict(adapters), 'classifier': head},
    frozen,
    batch,
    len(golden['weights']),
    None,
  )
  np.testing.assert_allclose(loss, golden['loss'], rtol=1e-5)
  found = traverse_util.flatten_dict(found['encoder'])
  assert found.keys() == adapters.keys()
  assert len(found) == 4
  for (*path, part), value in found.items():
    key = f'gradients/{table["/".join(path)].names[0]}/{part}'
    largest = np.abs(golden[key]).max()
    assert largest > 1e-3
    np.testing.assert_allclose(
      value, golden[key], rtol=0, atol=1e-5 * largest, err_msg=key
    )


def test_golden_gradients_are_what_pytorch_computes():
  pytest.importorskip('torch')
  import make_gradients

  for name in make_gradients.CASES:
    for key, value in make_gradients.gradients(name).items():
      np.testing.assert_allclose(GOLDEN[f'{name}/{key}'], value, atol=1e-6)
  for name in make_gradients.ADAPTED:
    golden = _part(f'adapted/{name}/')
    for key, value in make_gradients.adapted(name).items():
      np.testing.assert_allclose(golden[key], value, atol=1e-6)


def _step(program, batch):
  """One step without dropout, as on one device."""
  config = dataclasses.replace(
    program.module.config,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
  )
  module = program.module.clone(config=config)
  program = dataclasses.replace(program, module=module)
  params = tiny.encoder('roberta').params['params']
  trained, frozen = finetune_step.split(program, params)
  state = finetune_step.init(program, trained, 16, jax.random.key(0))

  def step(batch):
    return finetune_step.train_step(
      program, frozen, state, batch, jax.random.key(1), np.float32(1)
    )

  one = jax.tree.map(lambda x: np.asarray(x)[None], batch)
  found, loss = jax.jit(jax.vmap(step, axis_name=BATCH_AXIS))(one)
  return state, jax.tree.map(lambda x: x[0], found), loss[0]


def test_accumulated_batches_are_one():
  """Also of clips that count differently, and where some only fill up."""
  values, mask = tiny.text_inputs()
  batch = _states(values, mask)
  batch = batch._replace(weights=np.float32([1, 3, 0.5, 0]))
  found = []
  for count in (1, 2):
    recipe = {'accumulate': count, 'clip_norm': 1.0}
    _, state, loss = _step(tiny.program('roberta', recipe=recipe), batch)
    # Adam's mean of gradients; a step divides by their size.
    found.append((state.opt_state[1].mu, loss))
  (one, loss), (two, other) = found
  rounding.near(loss, other, terms=100)
  largest = max(np.abs(x).max() for x in jax.tree.leaves(one))
  for x, y in zip(*map(jax.tree.leaves, (one, two)), strict=True):
    np.testing.assert_allclose(x, y, rtol=0, atol=1e-5 * largest)


def test_sums_in_few_bits_and_parameters_in_many():
  values, mask = tiny.text_inputs()
  _, exact, loss = _step(tiny.program('roberta'), _states(values, mask))
  module = tiny.program('roberta').module.clone(dtype=jnp.bfloat16)
  program = tiny.program('roberta', module=module)
  before, state, other = _step(program, _states(values, mask))
  kinds = {x.dtype for x in jax.tree.leaves(state)}
  assert kinds == {np.dtype(np.float32), np.dtype(np.int32)}
  assert 0 < abs(loss - other) < 0.02 * loss
  moved = jax.tree.map(np.subtract, state.params, before.params)
  assert all(np.abs(x).max() > 1e-4 for x in jax.tree.leaves(moved))
  mine, theirs = (
    np.concatenate([x.ravel() for x in jax.tree.leaves(s.opt_state[1].mu)])
    for s in (exact, state)
  )
  # Eight bits: the gradients point the same way.
  assert mine @ theirs > 0.99 * np.linalg.norm(mine) * np.linalg.norm(theirs)


def _states(values, mask):
  encoder = tiny.encoder('roberta')
  output = encoder(input_ids=values, attention_mask=mask)
  return _batch(output.hidden_states[1], mask)


def test_adapters_begin_with_nothing_and_are_merged():
  recipe = {'lora': {'rank': 2, 'targets': ['query', 'down']}}
  program = tiny.program('roberta', recipe=recipe)
  params = tiny.encoder('roberta').params['params']
  trained, frozen = finetune_step.split(program, params)
  state = finetune_step.init(program, trained, 16, jax.random.key(0))
  adapters = traverse_util.flatten_dict(state.params['encoder'])
  assert {path[:-2] for path in adapters} == {
    ('layer_1', 'attention', 'query'),
    ('layer_1', 'feed_forward', 'down'),
  }
  same = finetune_step.merge(program, frozen, state.params['encoder'])
  jax.tree.map(np.testing.assert_array_equal, same, dict(params))
  rng = np.random.default_rng(0)
  drawn = {k: rng.normal(size=x.shape) for k, x in adapters.items()}
  merged = finetune_step.merge(
    program, frozen, traverse_util.unflatten_dict(drawn)
  )
  merged = traverse_util.flatten_dict(merged)
  for path, value in traverse_util.flatten_dict(params).items():
    wanted = np.float64(value)
    if (*path, 'a') in drawn:
      wanted = wanted + 16 / 2 * drawn[*path, 'a'] @ drawn[*path, 'b']
      assert np.abs(wanted - value).max() > 1
    rounding.near(merged[path], wanted, terms=5)
