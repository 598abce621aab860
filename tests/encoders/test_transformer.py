"""Attention over long sequences, in parts."""

import jax
import numpy as np
import pytest
import rounding

from empathy.encoders import transformer


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
  params = module.init(jax.random.key(0), x, bias)
  at_once = module.apply(params, x, bias)  # As short ones do.
  bound = rounding.bounds(
    lambda params, x: module.apply(params, x, bias), params, x
  )
  monkeypatch.setattr(transformer, 'BLOCK', 8)
  monkeypatch.setattr(transformer, 'LONG', 16)
  monkeypatch.setattr(
    jax.lax, 'platform_dependent', lambda *args, cpu, default: default(*args)
  )
  in_parts = module.apply(params, x, bias)
  assert rounding.excess(in_parts, at_once, bound) <= 1
