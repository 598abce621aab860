"""What pools sequences, by the names of a config."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from empathy import errors
from empathy.models import fusion

_LENGTHS = (4, 2, 0)


class Scaled(nn.Module):
  """The last step, times what is learned; of one's own."""

  start: float = 1.0

  @nn.compact
  def __call__(self, x, steps):
    """Pools."""
    scale = self.param('scale', lambda _: jnp.float32(self.start))
    return scale * fusion.find_pooling('last')(x, steps)


def _sequences():
  x = np.random.default_rng(0).normal(-2, 1, (3, 4, 2)).astype(np.float32)
  steps = np.arange(4) < np.array(_LENGTHS)[:, None]
  return np.where(steps[..., None], x, 0), steps


@pytest.mark.parametrize(
  ('name', 'pool'),
  [
    ('mean', lambda x: x.mean(axis=0)),
    ('max', lambda x: x.max(axis=0)),
    ('first', lambda x: x[0]),
    ('last', lambda x: x[-1]),
  ],
)
def test_only_steps_that_are_there_count(name, pool):
  x, steps = _sequences()
  found = fusion.find_pooling(name)(x, steps)
  for row, length in enumerate(_LENGTHS):
    want = pool(x[row, :length]) if length else np.zeros(2)
    np.testing.assert_allclose(found[row], want, rtol=1e-6)


def test_a_network_pools_as_it_is_told():
  x, steps = _sequences()
  present = {'audio': steps.any(axis=1)}
  inputs = {'audio': x}, {'audio': steps}, present, np.ones(3, bool), False

  def params(pooling):
    network = fusion.build(
      'concat', 2, ('audio',), hidden=(), dropout=0.0, pooling=pooling
    )
    return network.init(jax.random.key(0), *inputs)['params']

  assert set(params('attention')) == {'pool_audio', 'fusion'}
  assert set(params('mean')) == {'fusion'}
  own = params('test_pooling:Scaled(start=3.0)')
  assert own['pool_audio'] == {'scale': 3.0}
  with pytest.raises(errors.InputError, match="'median' is not one of att"):
    params('median')
