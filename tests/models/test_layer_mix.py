"""The learned mix of an encoder's layers, against what it is defined as."""

import jax
import numpy as np
import pytest

from empathy.models import fusion, heads

_LAYERS, _WIDTH, _TEXT = 5, 6, 3
_PRESENT = np.array([True, True, False, True])


def _inputs(seed=0):
  """Layers of audio, which one clip lacks, and text that is pooled."""
  rng = np.random.default_rng(seed)
  x = rng.normal(1, 3, (4, _LAYERS, _WIDTH)).astype(np.float32)
  text = rng.normal(size=(4, _TEXT)).astype(np.float32)
  steps = np.repeat(_PRESENT[:, None], _LAYERS, axis=1)
  present = {'audio': _PRESENT, 'text': np.ones(4, bool)}
  features = {'audio': np.where(steps[..., None], x, 0), 'text': text}
  return features, {'audio': steps}, present, np.ones(4, bool), False


def _expected(x, scores, normalise):
  """Softmax weights and the mix (arXiv 2105.01051, 3.2), in float64."""
  x, scores = x.astype(np.float64), 30 * scores.astype(np.float64)
  weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
  if normalise:
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
  return weights, np.einsum('l,bld->bd', weights, x)


@pytest.mark.parametrize('normalise', [False, True])
def test_the_mix_is_that_of_its_definition(normalise):
  (features, steps, *_), scores = _inputs(), np.linspace(-0.04, 0.05, _LAYERS)
  mix = heads.LayerMix(normalise)
  params = {'params': {'scores': np.float32(scores[[2, 0, 1, 4, 3]])}}
  weights, mixed = _expected(
    features['audio'], np.asarray(params['params']['scores']), normalise
  )
  apply = jax.jit(mix.apply)
  found = apply(params, features['audio'], steps['audio'])
  told = mix.apply(params, steps['audio'], method='weights')
  mixed[~_PRESENT] = 0
  np.testing.assert_allclose(found, mixed, rtol=2e-6, atol=1e-6)
  np.testing.assert_allclose(told, weights * _PRESENT[:, None], rtol=1e-6)
  # At first it is the mean, whose gradient is finite where a clip is absent.
  params = jax.jit(mix.init)(
    jax.random.key(0), features['audio'], steps['audio']
  )
  if not normalise:
    np.testing.assert_allclose(
      apply(params, features['audio'], steps['audio']),
      heads.mean(features['audio'], steps['audio']),
      rtol=1e-5,
      atol=1e-6,
    )

  def loss(params):
    return (mix.apply(params, features['audio'], steps['audio']) ** 2).sum()

  gradient = jax.jit(jax.grad(loss))(params)['params']['scores']
  assert np.isfinite(gradient).all()
  assert np.abs(gradient).max() > 0.1


@pytest.mark.parametrize('name', ['gated_attention', 'gated_evidence'])
def test_what_is_pooled_passes_as_it_is(name):
  inputs = _inputs()
  network = fusion.build(
    name, 2, ('text', 'audio'), pooling='layers', hidden=(4,)
  )
  shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), *inputs))
  random = np.random.default_rng(1)
  variables = jax.tree.map(
    lambda x: random.normal(0, 0.5, x.shape).astype(np.float32), shapes
  )
  assert 'pool_text' not in variables['params']
  variables['params']['pool_audio']['scores'] = scores = np.float32(
    np.linspace(0.02, -0.03, _LAYERS)
  )
  *arrays, deterministic = inputs

  @jax.jit
  def apply(*arrays):
    return network.apply(variables, *arrays, deterministic)

  output = apply(*arrays)
  assert output.layers.keys() == {'audio'}
  weights, mixed = _expected(inputs[0]['audio'], np.asarray(scores), False)
  np.testing.assert_allclose(
    output.layers['audio'], weights * _PRESENT[:, None], rtol=1e-6
  )
  # The fusion sees what it would see of features that were mixed before.
  mixed = np.where(_PRESENT[:, None], mixed, 0).astype(np.float32)
  pooled = apply({**inputs[0], 'audio': mixed}, {}, *arrays[2:])
  np.testing.assert_allclose(pooled.logits, output.logits, atol=1e-6)
  assert pooled.layers is None
  # A narrow network has the layers of what it knows.
  for view, knows in (('audio',), {'audio'}), (('text',), None):
    narrow = network.narrowed(view)
    own = [{m: part[m] for m in view if m in part} for part in inputs[:3]]
    output, _ = jax.eval_shape(
      lambda *x, net=narrow: net.init_with_output(
        jax.random.key(0), *x, inputs[3], False
      ),
      *own,
    )
    assert (output.layers and set(output.layers)) == knows


def test_which_poolings_mix_layers():
  for text, mixes in (
    ('layers', True),
    ('layers(normalise=True)', True),
    ('empathy.models.heads:LayerMix', True),
    ('mean', False),
    ('attention', False),
    ('', False),
  ):
    assert fusion.mixes_layers(text) == mixes
