import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from empathy.models import fusion, losses, timeline
from empathy.models.heads import Output

MODALITIES = ('text', 'audio')
SMALL = {'hidden': (6,), 'places': 3, 'width': 5}
# Every number that a fusion drops at random is there.
STILL = SMALL | {'dropout': 0.0, 'input_dropout': 0.0, 'time_dropout': 0.0}


def _batch(size=12, seed=0):
  """Pooled text and sequences of voice, some of them missing."""
  rng = np.random.default_rng(seed)
  present = {m: rng.random(size) < 0.7 for m in MODALITIES}
  present['text'] |= ~present['audio']
  length = rng.integers(1, 8, (size, 1))
  steps = {'audio': present['audio'][:, None] & (np.arange(7) < length)}
  features = {
    'text': rng.normal(size=(size, 6)),
    'audio': rng.normal(size=(size, 7, 4)),
  }
  for m, x in features.items():
    mask = steps[m][..., None] if m in steps else present[m][:, None]
    features[m] = np.where(mask, x, 0).astype('f4')
  return features, steps, present, np.arange(size) < size - 2


def _network(**fields):
  network = fusion.build('timed_evidence', 3, MODALITIES, **(SMALL | fields))
  return network, network.init(jax.random.key(3), *_batch(), False)


def _loss(network, variables, batch, targets):
  """The loss of which a member learns, and what the network says."""
  _, _, present, rows = batch
  output, _ = jax.jit(
    lambda variables, *batch: network.apply(
      variables,
      *batch,
      True,
      rngs={'dropout': jax.random.key(7)},
      mutable=['batch_stats'],
    )
  )(variables, *batch)
  own = losses.cross_entropy(output.logits, targets)
  loss = jnp.where(rows, own, 0).sum()
  for index, modality in enumerate(network.fusion.modalities):
    own = losses.cross_entropy(output.alone[:, index], targets)
    loss += jnp.where(rows & present[modality], own, 0).sum()
  return loss, output


class Sees(nn.Module):
  """Gives back what it got."""

  sequences = True
  num_classes: int
  modalities: tuple[str, ...]
  axis_name: str | None = None

  def __call__(self, features, steps, present, rows, train):
    logits = jnp.zeros((len(rows), self.num_classes))
    return Output(logits, (features, steps, present, rows, train))


def test_a_fusion_that_asks_for_sequences_gets_them_as_they_are():
  batch = _batch()
  network = fusion.build(f'{__name__}.Sees', 3, MODALITIES)
  seen, variables = network.init_with_output(jax.random.key(0), *batch, True)
  assert not variables  # Nothing is pooled.
  jax.tree.map(np.testing.assert_array_equal, seen.gates, (*batch, True))


def test_pooled_features_are_gated_evidence():
  features, _, present, rows = _batch()
  features = {m: x if m == 'text' else x[:, 0] for m, x in features.items()}
  batch = features, {}, present, rows
  targets = np.eye(3, dtype='f4')[np.arange(12) % 3]
  found = []
  for name, fields in (('gated_evidence', {}), ('timed_evidence', SMALL)):
    network = fusion.build(name, 3, MODALITIES, **({'hidden': (6,)} | fields))
    variables = network.init(jax.random.key(3), *batch, False)
    found.append((variables, _loss(network, variables, batch, targets)))
  jax.tree.map(np.testing.assert_array_equal, *found)


def test_what_is_absent_or_padding_does_not_matter():
  network, variables = _network()
  features, steps, present, rows = _batch()
  noise = {}
  for m, x in features.items():
    real = steps[m][..., None] if m in steps else present[m][:, None]
    real = real & rows.reshape(-1, *[1] * (x.ndim - 1))
    noise[m] = np.where(real, x, 5.0).astype('f4')
  targets = np.eye(3, dtype='f4')[np.arange(12) % 3]

  @jax.jit
  @functools.partial(jax.value_and_grad, has_aux=True)
  def run(params, features):
    one = variables | {'params': params}
    batch = features, steps, present, rows
    loss, output = _loss(network, one, batch, targets)
    return loss, (output.logits[:10], output.gates[:10])

  first, second = (run(variables['params'], x) for x in (features, noise))
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_longer_batches_and_other_orders_do_not_matter():
  network, variables = _network(**STILL)
  batch = _batch()
  order = np.random.default_rng(4).permutation(12)
  longer = tuple(
    {
      m: np.pad(x, [(0, 0), (0, 9), (0, 0)][: x.ndim]) if m in batch[1] else x
      for m, x in values.items()
    }
    for values in batch[:2]
  )
  moved = jax.tree.map(lambda x: x[order], batch)
  apply = jax.jit(lambda *x: network.apply(variables, *x, True).logits)
  logits = apply(*batch)
  np.testing.assert_allclose(apply(*longer, *batch[2:]), logits, atol=2e-6)
  np.testing.assert_allclose(apply(*moved), logits[order], atol=2e-6)


def test_a_narrowed_network_is_the_whole_one_where_the_rest_is_absent():
  network, variables = _network()
  assert network.narrowed(MODALITIES) is None  # The joint head is of all.
  features, steps, present, rows = _batch(seed=2)
  narrow = network.narrowed(('audio',))
  own = [{'audio': x['audio']} for x in (features, steps, present)]
  made = narrow.init(jax.random.key(3), *own, rows, False)
  present = {m: present[m] & (m == 'audio') for m in MODALITIES}
  steps = {m: x & present[m][:, None] for m, x in steps.items()}
  targets = np.eye(3, dtype='f4')[np.arange(12) % 3]
  whole = _loss(network, variables, (features, steps, present, rows), targets)
  part = _loss(narrow, made, (*own, rows), targets)
  np.testing.assert_allclose(part[0], whole[0], rtol=1e-5)
  np.testing.assert_allclose(
    part[1].logits, whole[1].logits, rtol=1e-5, atol=1e-6
  )


def test_devices_that_share_a_batch_say_what_one_says():
  one, variables = _network()
  several, _ = _network(axis_name='batch')
  batch = _batch(16)
  run = {'rngs': {'dropout': jax.random.key(7)}}

  def say(network):
    return lambda *batch: network.apply(variables, *batch, True, **run).logits

  expected = jax.jit(say(one))(*batch)
  shares = jax.tree.map(lambda x: x.reshape(2, 8, *x.shape[1:]), batch)
  found = jax.jit(jax.vmap(say(several), axis_name='batch'))(*shares)
  np.testing.assert_allclose(found.reshape(16, 3), expected, atol=2e-6)


def test_places_read_what_is_near():
  steps = jnp.array([[True, True, True, True], [True, True, False, False]])
  near = timeline.nearness(steps, 2)
  # Places are at 1/4 and 3/4; steps at 1/8, 3/8, 5/8, 7/8, or 1/4 and 3/4.
  first = [-0.0625, -0.0625, -0.5625, -1.5625]
  np.testing.assert_allclose(near[0], [first, first[::-1]])
  np.testing.assert_allclose(near[1, :, :2], [[0, -1], [-1, 0]])
