"""Optimizers and schedules, by the names of a config."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from empathy import errors
from empathy.training import optimizers, schedules


def _own(learning_rate, num_steps):
  return optax.sgd(lambda count: learning_rate(count) * count / num_steps)


def _run(text, rate, l2, actives, num_steps=20):
  """Parameters after steps of which some are no steps."""
  gradients = np.random.default_rng(0).normal(size=(len(actives), 3))
  optimizer = optimizers.make(text, rate, l2, num_steps)
  params = {'a': jnp.ones(3), 'b': jnp.zeros(())}
  state = optimizer.init(params)
  for g, active in zip(gradients[np.cumsum(actives) - 1], actives, strict=True):
    gradient = {'a': jnp.asarray(g, jnp.float32), 'b': jnp.float32(1)}
    changes, state = optimizer.update(gradient, state, params, active=active)
    params = optax.apply_updates(params, changes)
  return params


@pytest.mark.parametrize(
  ('text', 'optimizer'),
  [
    ('adamw(weight_decay=0.1)', lambda r: optax.adamw(r, weight_decay=0.1)),
    ('optax:lion(b1=0.8)', lambda r: optax.lion(r, b1=0.8)),
    ('optax:sgd(momentum=0.9)', lambda r: optax.sgd(r, momentum=0.9)),
    ('test_optimizers:_own', lambda r: _own(r, 20)),
    # Of a beta1 that stays where it is, it is Adam.
    ('one_cycle_adam(beta1=(0.9, 0.9))', optax.adam),
  ],
)
def test_any_optimizer_rests_and_has_l2(text, optimizer):
  rate = schedules.make('warmup_cosine', 0.1, 20, 20)
  actives = [True, True, False, True, False, False, True, True]
  found = _run(text, rate, 0.3, actives)
  plain = optax.chain(optax.add_decayed_weights(0.3), optimizer(rate))
  gradients = np.random.default_rng(0).normal(size=(8, 3))
  params = {'a': jnp.ones(3), 'b': jnp.zeros(())}
  state = plain.init(params)
  for g in gradients[:5]:
    gradient = {'a': jnp.asarray(g, jnp.float32), 'b': jnp.float32(1)}
    changes, state = plain.update(gradient, state, params)
    params = optax.apply_updates(params, changes)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, 1e-5), found, params
  )


def test_what_is_no_optimizer_is_refused():
  with pytest.raises(errors.InputError, match='gives a function; expected an'):
    optimizers.make('test_optimizers:_no_optimizer', lambda _: 1.0, 0.0, 1)


def _no_optimizer(learning_rate):
  return lambda: learning_rate


def _made(of):
  return lambda learning_rate: optax.stateless(of)


_one_number = _made(lambda gradients, params: 0.0)
_fails = _made(lambda gradients, params: gradients['b'])


@pytest.mark.parametrize(
  ('text', 'says'),
  [
    (
      '_one_number',
      'the changes that test_optimizers:_one_number gives differ',
    ),
    (
      '_fails',
      r"_fails fails in .*test_optimizers.py, line \d+: KeyError: 'b'",
    ),
  ],
)
def test_an_optimizer_that_gives_something_else_is_told(text, says):
  made = optimizers.make(f'test_optimizers:{text}', lambda _: 1.0, 0.0, 1)
  params = {'a': jnp.ones(2)}
  with pytest.raises(errors.InputError, match=f'^config.optimizer: .*{says}'):
    made.update(params, made.init(params), params, active=True)


def _no_rates(peak, num_steps):
  return lambda count: peak / np.ones(3)


@pytest.mark.parametrize(
  ('text', 'says'),
  [
    ('optax:sgdr_schedule', 'is called with (), but has (cosine_kwargs)'),
    ('optax:exponential_decay', "missing a required argument: 'decay_rate'"),
    ('test_optimizers:_no_optimizer', 'missing a required argument'),
    ('test_optimizers:_no_rates', 'is of the shape (3,); expected one number'),
    ("warmup_cosine(last='x')", "warmup_cosine(last='x') fails: TypeError"),
  ],
)
def test_what_is_no_schedule_is_told(text, says):
  with pytest.raises(errors.InputError) as raised:
    schedules.make(text, 0.1, 3, 3, 'config.x')(jnp.int32(0))
  assert str(raised.value).startswith('config.x: ')
  assert says in str(raised.value)


def test_schedules_are_of_a_members_own_steps():
  counts = np.arange(40)

  @jax.jit
  def of(peak, num_steps):  # As in a sweep: neither is known beforehand.
    texts = (
      *('constant', 'warmup_cosine(warmup=0.25, last=0.1)'),
      *('optax:cosine_decay_schedule(alpha=0.1)',),
      *('optax:cosine_onecycle_schedule', 'optax:constant_schedule'),
    )
    return [
      jax.vmap(schedules.make(text, peak, num_steps, 80))(counts)
      for text in texts
    ]

  constant, warmup, cosine, one_cycle, also = of(0.5, 40)
  np.testing.assert_array_equal(constant, 0.5)
  np.testing.assert_array_equal(also, 0.5)
  np.testing.assert_allclose(warmup[:10], 0.05 * np.arange(1, 11), rtol=1e-6)
  down = 0.05 + 0.45 * (1 + np.cos(np.pi * np.arange(30) / 30)) / 2
  np.testing.assert_allclose(warmup[10:], down, rtol=1e-5)
  want = jax.vmap(optax.cosine_decay_schedule(0.5, 40, alpha=0.1))(counts)
  np.testing.assert_allclose(cosine, want, rtol=1e-5)
  assert one_cycle.argmax() == 12
  assert one_cycle.max() == pytest.approx(0.5)
  assert one_cycle[0] == pytest.approx(0.02)
