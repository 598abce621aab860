"""Attention over long sequences, in parts."""

import jax
import jax._src.cudnn.fused_attention_stablehlo as cudnn
import jax.numpy as jnp
import numpy as np
import pytest
import rounding

from empathy.encoders import transformer


def _in_blocks(*arguments):
  """Compiled, for what the sizes of blocks are now."""
  return jax.jit(lambda *x: transformer._in_blocks(*x))(*arguments)


@pytest.mark.parametrize('length', [31, 32, 33])
def test_queries_of_a_long_sequence_attend_in_parts(monkeypatch, length):
  settings = transformer.Settings(
    num_heads=2,
    intermediate_size=8,
    activation='gelu',
    epsilon=1e-5,
    pre_norm=False,
    dropout=0.0,
    attention_dropout=0.1,
  )
  module = transformer.Attention(settings)
  x = np.random.default_rng(0).normal(size=(3, length, 8)).astype(np.float32)
  mask = np.arange(length) < np.array([[length], [9], [1]])
  bias = transformer.mask_to_bias(mask)
  params = jax.jit(module.init)(jax.random.key(0), x, bias)
  attend = jax.jit(lambda *arguments: module.apply(*arguments, bias))
  at_once = attend(params, x)  # As short ones do.
  bound = rounding.bounds(attend, params, x)
  monkeypatch.setattr(transformer, 'BLOCK', 8)
  monkeypatch.setattr(transformer, 'LONG', 16)
  monkeypatch.setattr(
    jax.lax, 'platform_dependent', lambda *args, cpu, default: default(*args)
  )
  # Another function: the first is not traced again.
  attend = jax.jit(lambda *arguments: module.apply(*arguments, bias))
  in_parts = attend(params, x)
  assert rounding.excess(in_parts, at_once, bound) <= 1


@pytest.mark.parametrize(
  ('dtype', 'length', 'masked'),
  [('float32', 7, False), ('float32', 6, True), ('bfloat16', 7, True)],
)
def test_flash_attention_agrees_with_products(
  monkeypatch, dtype, length, masked
):
  settings = transformer.Settings(2, 8, 'gelu', 1e-5, dtype=dtype)
  module = transformer.Attention(settings)
  x = np.random.default_rng(0).normal(size=(3, length, 16)).astype(np.float32)
  mask = np.arange(length) < np.array([[length], [3], [1]])
  bias = transformer.mask_to_bias(mask) if masked else None
  params = jax.jit(module.init)(jax.random.key(0), x, bias)

  def loss(params):
    y = module.apply(params, x, bias).astype(np.float32)
    return (y * np.arange(16)).sum(), y

  plain = jax.jit(jax.grad(loss, has_aux=True))(params)
  calls = []

  def flash(*arguments):
    calls.append(arguments)
    return attend(*arguments, implementation='xla')

  attend = transformer.flash
  monkeypatch.setattr(transformer, 'flash', flash)
  monkeypatch.setattr(transformer, 'has_flash', lambda queries: True)
  fused = jax.jit(jax.grad(lambda x: loss(x), has_aux=True))(params)
  assert calls
  bound = 3e-2 if dtype == 'bfloat16' else 1e-5
  bound *= max(np.abs(x).max() for x in jax.tree.leaves(plain))
  for own, other in zip(*map(jax.tree.leaves, (plain, fused)), strict=True):
    np.testing.assert_allclose(own, other, atol=bound, rtol=0)


def test_flash_attention_is_what_cudnn_takes(monkeypatch):
  monkeypatch.setattr(cudnn, 'check_cudnn_version', lambda: 91_000)
  monkeypatch.setattr(cudnn, 'check_compute_capability', lambda least: True)
  x = jax.ShapeDtypeStruct((2, 4, 7, 16), 'bfloat16')

  def gradients(q, k, v, bias):
    return jax.grad(
      lambda *qkv: transformer.flash(*qkv, bias).astype('float32').sum(),
      argnums=(0, 1, 2),
    )(q, k, v)

  for bias in (None, jax.ShapeDtypeStruct((2, 1, 1, 7), 'float32')):
    lowered = jax.jit(gradients).trace(x, x, x, bias)
    text = lowered.lower(lowering_platforms=('cuda',)).as_text()
    assert '__cudnn$fmha' in text
    assert 'Backward' in text


@pytest.mark.parametrize('shape', [(1, 1, 9, 9), (2, 1, 9, 9), (1, 4, 9, 9)])
def test_any_bias_and_shared_keys(monkeypatch, shape):
  """By every way to attend, against sums in float64."""
  random = np.random.default_rng(0)
  q, k, v, bias = (
    random.normal(size=size).astype(np.float32)
    for size in ((2, 4, 9, 8), (2, 2, 9, 8), (2, 2, 9, 8), shape)
  )
  bias[..., np.arange(9) > np.arange(9)[:, None]] = np.finfo(np.float32).min
  wide = [np.repeat(np.float64(x), 2, axis=1) for x in (k, v)]
  scores = np.einsum('bhqd,bhkd->bhqk', q / 8**0.5, wide[0]) + bias
  weights = np.exp(scores - scores.max(-1, keepdims=True))
  weights /= weights.sum(-1, keepdims=True)
  wanted = np.einsum('bhqk,bhkd->bqhd', weights, wide[1]).reshape(2, 9, -1)
  settings = transformer.Settings(4, 8, 'gelu', 1e-5)

  def attend(q, k, v):
    return transformer.attend(settings, q, k, v, bias, True)

  scaled = q * np.float32(8**-0.5)
  at_once = jax.jit(attend)
  bound = rounding.bounds(at_once, scaled, k, v)
  flash = jax.jit(transformer.flash, static_argnums=4)
  ways = {
    'at once': at_once(scaled, k, v),
    'flash': flash(scaled, k, v, bias, 'xla'),
  }
  monkeypatch.setattr(transformer, 'BLOCK', 4)
  ways['in blocks'] = _in_blocks(scaled, k, v, bias)
  monkeypatch.setattr(transformer, 'LONG', 4)
  monkeypatch.setattr(
    jax.lax, 'platform_dependent', lambda *args, cpu, default: default(*args)
  )
  # Another function: the first is not traced again.
  ways['in parts'] = jax.jit(lambda *qkv: attend(*qkv))(scaled, k, v)
  for way, found in ways.items():
    assert rounding.excess(found, wanted, bound) <= 1, way


def test_a_bias_by_distance(monkeypatch):
  """Every way to attend takes it for that of all queries and keys."""
  random = np.random.default_rng(0)
  length = 11
  q, k, v = random.normal(size=(3, 2, 4, length, 8)).astype(np.float32)
  values = random.normal(size=(4, 2 * length - 1)).astype(np.float32)
  gate = random.normal(size=(2, 4, length, 1)).astype(np.float32)
  mask = transformer.mask_to_bias(np.arange(length) < np.array([[11], [6]]))
  far = np.arange(length) - np.arange(length)[:, None]
  wanted = gate * values[:, far + length - 1] + mask
  bias = transformer.ByDistance(gate, values, mask)
  np.testing.assert_array_equal(bias.whole(length), wanted)
  settings = transformer.Settings(4, 8, 'gelu', 1e-5)

  def attend(q, k, v, bias):
    return transformer.attend(settings, q, k, v, bias, True)

  at_once = jax.jit(attend)
  wanted = at_once(q, k, v, wanted)
  bound = rounding.bounds(lambda *qkv: at_once(*qkv, bias), q, k, v)
  ways = {'at once': at_once(q, k, v, bias)}
  monkeypatch.setattr(transformer, 'BLOCK', 4)
  ways['in blocks'] = _in_blocks(q, k, v, bias)
  monkeypatch.setattr(transformer, 'LONG', 4)
  monkeypatch.setattr(
    jax.lax, 'platform_dependent', lambda *args, cpu, default: default(*args)
  )
  ways['in parts'] = jax.jit(lambda *x: attend(*x))(q, k, v, bias)
  for way, found in ways.items():
    assert rounding.excess(found, wanted, bound) <= 1, way


def test_devices_without_flash_attention_get_none():
  assert not transformer.has_flash(jnp.ones((1, 64), 'bfloat16'))
