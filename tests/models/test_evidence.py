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


def _head(params, x):
  params = jax.tree.map(np.float64, params)
  hidden = x @ params['Dense_0']['weight'].T + params['Dense_0']['bias']
  last = params['Dense_1']
  return np.maximum(hidden, 0) @ last['weight'].T + last['bias']


def test_evidence_is_half_the_calibrated_sum_and_half_the_joint_head():
  network, variables, features = _network()
  prior = np.array([0.2, -0.1, 0.4])
  params = variables['params']['fusion'] | {'prior': jnp.float32(prior)}
  gates = {'text': 0.5, 'audio': 2.0, 'joint': 0.25}
  variables = {
    'params': {'fusion': params},
    'batch_stats': {
      'fusion': {f'gate_{m}': jnp.float32(g) for m, g in gates.items()}
    },
  }
  total = 0
  for m in MODALITIES:
    own = gates[m] * _head(params[f'head_{m}'], features[m])
    alone = _predict(network, variables, features, {m})
    np.testing.assert_allclose(alone.logits, prior + own, rtol=1e-4, atol=1e-5)
    assert set(np.asarray(alone.gates).flat) == {0.0, gates[m]}
    total = total + own
  side_by_side = np.concatenate([features[m] for m in MODALITIES], axis=1)
  joint = gates['joint'] * _head(params['head_joint'], side_by_side)
  output = _predict(network, variables, features, set(MODALITIES))
  expected = prior + (total + joint) / 2
  np.testing.assert_allclose(output.logits, expected, rtol=1e-4, atol=1e-5)
  np.testing.assert_array_equal(output.gates, [[0.25, 1.0]] * 10)
  np.testing.assert_allclose(
    output.alone[:, -1], prior + joint, rtol=1e-4, atol=1e-5
  )
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


def test_calibration_mends_exaggerating_heads():
  network, variables, features = _network()
  output = _predict(network, variables, features, set(MODALITIES))
  louder = np.array(output.alone) * np.array([1.0, 30.0, 30.0])[:, None]
  targets = np.asarray(special.softmax(output.alone[:, 0], axis=1))

  def gates(rows):
    _, updates = network.apply(
      variables,
      louder,
      rows,
      targets,
      method='calibrate',
      mutable=['batch_stats'],
    )
    return updates['batch_stats']['fusion']

  both = gates(np.ones((10, 2), bool))
  assert both['gate_text'] == pytest.approx(1, abs=0.02)
  assert both['gate_audio'] < 0.5
  assert both['gate_joint'] < 0.5
  # Nobody has heard the two together.
  one = gates(np.ones((10, 2), bool) & [True, False])
  assert one['gate_text'] == both['gate_text']
  assert one['gate_audio'] == one['gate_joint'] == 1


def test_while_training_every_head_learns_by_itself():
  network, variables, features = _network(dropout=0.0, input_dropout=0.0)
  output = _predict(network, variables, features, set(MODALITIES), True)
  np.testing.assert_array_equal(output.logits, output.alone[:, -1])

  def gradients(shown):
    def loss(variables):
      out = _predict(network, variables, features, shown, True)
      return jnp.sum(out.logits**2)

    return jax.jit(jax.grad(loss))(variables)['params']['fusion']

  for shown, learns in ((set(MODALITIES), {'head_joint'}), ({'text'}, set())):
    found = gradients(shown)
    for head in ('head_text', 'head_audio', 'head_joint'):
      some = any(np.any(x) for x in jax.tree.leaves(found[head]))
      assert some == (head in learns), (shown, head)
  only = _predict(network, variables, features, {'text'}, True)
  np.testing.assert_allclose(only.logits, only.alone[:, 0], rtol=1e-6)


def test_the_joint_head_is_shown_some_modality():
  network, variables, features = _network(
    modality_dropout=0.9, dropout=0.0, input_dropout=0.0
  )
  kept = _predict(network, variables, features, set(MODALITIES), True)
  head = variables['params']['fusion']['head_joint']
  seen = set()
  for row, logits in enumerate(np.asarray(kept.logits)):
    for shown in ((1, 1), (1, 0), (0, 1), (0, 0)):
      x = [s * features[m][row] for s, m in zip(shown, MODALITIES, strict=True)]
      if np.allclose(logits, _head(head, np.concatenate(x)), atol=1e-5):
        seen.add(shown)
        break
    else:
      pytest.fail(f'row {row} is shown something else')
  assert len(seen) >= 2
  assert (0, 0) not in seen
  # What a modality says alone is taught whether or not it was dropped.
  whole = _predict(network, variables, features, set(MODALITIES), False)
  np.testing.assert_allclose(
    kept.alone[:, :2], whole.alone[:, :2], rtol=1e-5, atol=1e-6
  )


def test_of_one_modality_there_is_no_joint_head():
  network = fusion.build('gated_evidence', 3, ('text',), hidden=(6,))
  rows = np.ones(10, bool)
  features = {'text': np.ones((10, 4), 'f4')}
  inputs = features, {}, {'text': rows}, rows
  variables = network.init(jax.random.key(0), *inputs, False)
  assert set(variables['params']['fusion']) == {'head_text', 'prior'}
  output = network.apply(variables, *inputs, False)
  assert output.alone.shape == (10, 1, 3)
  np.testing.assert_array_equal(output.logits, output.alone[:, 0])
