"""An encoder with a classifier: what learns, and by which gradients."""

import jax
import numpy as np
import pytest

import tiny
from empathy.training import classifier

NAMES = tuple(tiny.CONFIGS)


def _gradients(program, params, batch, head):
  trained, frozen = classifier.split(program, params)
  return classifier.gradients(
    program, {'encoder': trained, 'classifier': head}, frozen, batch, 3, None
  )


def _head():
  rng = np.random.default_rng(0)
  return {
    'kernel': rng.normal(size=(16, 3)).astype(np.float32),
    'bias': rng.normal(size=3).astype(np.float32),
  }


@pytest.mark.parametrize('remat', [False, True])
@pytest.mark.parametrize('name', NAMES)
def test_states_stand_for_the_frozen_layers(name, remat):
  program = tiny.program(name, remat)
  whole = tiny.everything(program)
  params = tiny.encoder(name).params['params']
  head = _head()
  run = jax.jit(_gradients, static_argnums=0)
  loss, some = run(program, params, tiny.batch(name, program, params), head)
  other, all_ = run(whole, params, tiny.batch(name, whole, params), head)
  np.testing.assert_allclose(loss, other, rtol=1e-5)
  assert set(some['encoder']) == {'layer_1', 'layer_2'}
  assert set(all_['encoder']) == set(params)
  found = {**some['encoder'], 'classifier': some['classifier']}
  wanted = {n: all_['encoder'][n] for n in some['encoder']}
  wanted['classifier'] = all_['classifier']
  for (path, x), y in zip(
    jax.tree_util.tree_leaves_with_path(found),
    jax.tree.leaves(wanted),
    strict=True,
  ):
    np.testing.assert_allclose(x, y, atol=2e-6, err_msg=str(path))
    if 'key' not in str(path):
      assert np.abs(x).max() > 1e-6, path
