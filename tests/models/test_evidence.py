import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from empathy.models import evidence, fusion

MODALITIES = ('text', 'audio')


def _network(**fields):
  network = fusion.build(
    'gated_evidence', 3, MODALITIES, **({'hidden': (6,)} | fields)
  )
  rng = np.random.default_rng(0)
  features = {m: rng.normal(size=(10, 4)).astype('f4') for m in MODALITIES}
  everything = dict.fromkeys(MODALITIES, np.ones(10, bool))
  variables = network.init(
    jax.random.key(0), features, {}, everything, np.ones(10, bool), False
  )
  return network, variables, features


def _predict(network, variables, features, shown, train=False):
  present = {m: np.full(10, m in shown) for m in MODALITIES}
  features = {m: np.where(m in shown, x, 0) for m, x in features.items()}
  return network.apply(
    variables,
    features,
    {},
    present,
    np.ones(10, bool),
    train,
    rngs={'dropout': jax.random.key(1)},
  )


def test_evidence_is_the_calibrated_sum():
  network, variables, features = _network()
  prior = np.array([0.2, -0.1, 0.4])
  params = variables['params']['fusion'] | {'prior': jnp.float32(prior)}
  gates = {'gate_text': jnp.float32(0.5), 'gate_audio': jnp.float32(2.0)}
  variables = {'params': {'fusion': params}, 'batch_stats': {'fusion': gates}}
  expected = prior.copy()
  for m, gate in (('text', 0.5), ('audio', 2.0)):
    head = jax.tree.map(np.float64, params[f'head_{m}'])
    hidden = features[m] @ head['Dense_0']['kernel'] + head['Dense_0']['bias']
    own = gate * (
      np.maximum(hidden, 0) @ head['Dense_1']['kernel']
      + head['Dense_1']['bias']
    )
    alone = _predict(network, variables, features, {m})
    np.testing.assert_allclose(alone.logits, prior + own, rtol=1e-4, atol=1e-5)
    expected = expected + own
  output = _predict(network, variables, features, set(MODALITIES))
  np.testing.assert_allclose(output.logits, expected, rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(output.gates, [[0.5, 2.0]] * 10)
  nothing = _predict(network, variables, features, set())
  np.testing.assert_allclose(nothing.logits, [prior] * 10, rtol=1e-6)


@pytest.mark.parametrize('scale', [0.0, 0.2, 1.0, 4.0])
@pytest.mark.parametrize('soft', [False, True])
def test_temperature_is_the_best_one(scale, soft):
  rng = np.random.default_rng(3)
  prior = np.array([0.3, 0.0, -0.3])
  logits = rng.normal(size=(400, 3))
  rows = rng.random(400) < 0.8
  # Labels follow the evidence at `scale`.
  shares = special.softmax(prior + scale * logits, axis=1)
  targets = np.stack([rng.multinomial(5 if soft else 1, p) for p in shares])
  targets = targets / targets.sum(axis=1, keepdims=True)

  def loss(s):
    log_shares = special.log_softmax(prior + s * logits, axis=1)
    return -(targets * log_shares).sum(axis=1)[rows].mean()

  found = evidence.inverse_temperature(
    *map(jnp.float32, (prior, logits, targets)), jnp.asarray(rows)
  )
  best = optimize.minimize_scalar(
    loss, bounds=(0.01, 10), method='bounded', options={'xatol': 1e-8}
  ).x
  assert found == pytest.approx(best, rel=2e-3, abs=2e-3)
  assert abs(found - max(scale, 0.01)) < 0.3 * max(scale, 0.5)


def test_temperature_stays_within_bounds():
  # Always wrong, always right, and nothing to judge by.
  logits = jnp.eye(2)[jnp.array([0, 1, 0, 1])] * 50
  right = jnp.eye(2)[jnp.array([0, 1, 0, 1])]
  rows, prior = jnp.ones(4, bool), jnp.zeros(2)
  fit = evidence.inverse_temperature
  assert fit(prior, logits, 1 - right, rows) == pytest.approx(0.01, abs=1e-3)
  assert fit(prior, logits, right, rows) >= 1
  assert fit(prior, logits, right, ~rows) == 1.0
  assert np.isfinite(fit(prior, logits * 1e3, right, rows))


def test_calibration_mends_an_exaggerating_head():
  network, variables, features = _network()
  output = _predict(network, variables, features, set(MODALITIES))
  louder = np.array(output.alone) * np.array([1.0, 30.0])[:, None]
  targets = np.asarray(special.softmax(output.alone[:, 0], axis=1))
  _, updates = network.apply(
    variables,
    louder,
    np.ones((10, 2), bool),
    targets,
    method='calibrate',
    mutable=['batch_stats'],
  )
  gates = updates['batch_stats']['fusion']
  assert gates['gate_text'] == pytest.approx(1, abs=0.02)
  assert gates['gate_audio'] < 0.5


def test_while_training_gates_are_one_and_some_modality_is_left():
  network, variables, features = _network(
    modality_dropout=0.9, dropout=0.0, input_dropout=0.0
  )
  gates = {'gate_text': jnp.float32(0.5), 'gate_audio': jnp.float32(0.5)}
  variables = variables | {'batch_stats': {'fusion': gates}}
  output = _predict(network, variables, features, set(MODALITIES), True)
  kept = np.asarray(output.gates)
  assert set(np.unique(kept)) <= {0.0, 1.0}
  assert (kept.sum(axis=1) >= 1).all()
  only = _predict(network, variables, features, {'audio'}, True)
  np.testing.assert_array_equal(only.gates, [[0.0, 1.0]] * 10)
  # What a modality says alone is taught whether or not it was dropped.
  np.testing.assert_allclose(
    only.logits, only.alone[:, 1], rtol=1e-5, atol=1e-6
  )
