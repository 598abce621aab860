"""An encoder with a classifier: what learns, and by which gradients."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
import tiny

from empathy.training import classifier


def _head():
  rng = np.random.default_rng(0)
  return {
    'kernel': rng.normal(size=(16, 3)).astype(np.float32),
    'bias': rng.normal(size=3).astype(np.float32),
  }


@functools.partial(jax.jit, static_argnums=0)
def _gradients(program, params, batch):
  """The loss and the gradients without dropout, of three clips of four."""
  trained, frozen = classifier.split(program, params)
  return classifier.gradients(
    program, {'encoder': trained, 'classifier': _head()}, frozen, batch, 3, None
  )


def _batch(values, mask):
  real = np.array([1, 1, 1, 0], bool)
  return classifier.Batch(values, mask, np.array([0, 2, 1, 0]), real)


@pytest.mark.parametrize(
  ('name', 'remat'),
  [
    ('roberta', True),
    ('deberta', False),
    ('wav2vec2', False),
    ('videomae', True),
    ('timesformer', False),
  ],
)
def test_states_stand_for_the_frozen_layers(name, remat):
  program = tiny.program(name, remat)
  whole = dataclasses.replace(tiny.program(name), num_trained=0)
  encoder = tiny.encoder(name)
  params = encoder.params['params']
  values, mask = tiny.inputs(name)
  arrays = {program.input_name: values}
  if not program.input_shape:
    arrays['attention_mask'] = mask.astype(np.int32)
  states = encoder(**arrays).hidden_states[program.first]
  loss, some = _gradients(program, params, _batch(states, mask))
  other, everything = _gradients(whole, params, _batch(values, mask))
  np.testing.assert_allclose(loss, other, rtol=1e-5)
  assert set(some['encoder']) == {'layer_1'}
  assert set(everything['encoder']) == set(params)
  everything['encoder'] = {
    name: everything['encoder'][name] for name in some['encoder']
  }
  for (path, x), y in zip(
    jax.tree_util.tree_leaves_with_path(some),
    jax.tree.leaves(everything),
    strict=True,
  ):
    np.testing.assert_allclose(x, y, atol=1e-5, err_msg=str(path))
    # What is added to all keys does not change a softmax.
    if "'key'" not in str(path) or "'bias'" not in str(path):
      assert np.abs(x).max() > 1e-6, path


def test_the_optimizer_remembers_only_what_learns():
  program = tiny.program('roberta')
  trained, frozen = classifier.split(
    program, tiny.encoder('roberta').params['params']
  )
  assert not set(trained) & set(frozen)
  state = classifier.init(program, trained, 16, jax.random.key(0))
  sizes = [x.size for x in jax.tree.leaves(state.opt_state)]
  assert sum(sizes) == 1 + 2 * sum(
    x.size for x in jax.tree.leaves(state.params)
  )


def test_accuracy_and_loss():
  logits = np.log([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
  accuracy, loss = classifier.accuracy_and_loss(logits, np.array([0, 1, 1]))
  assert accuracy == pytest.approx(2 / 3)
  assert loss == pytest.approx(-np.log([0.9, 0.6, 0.2]).mean())
