import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rounding
from scipy import special

from empathy import errors
from empathy.models import fusion, losses


def _cross_entropy(logits, targets, rows):
  """The sum over some rows."""
  return losses.total(losses.cross_entropy(logits, targets), rows)


MODALITIES = ('text', 'audio', 'video')
WIDTHS = {'text': 6, 'audio': 4, 'video': 5}
SMALL = {
  'gated_attention': {'width': 7, 'attention_width': 5, 'hidden': (6, 6)},
  'concat': {'hidden': (6,)},
  'gated_evidence': {'hidden': (6,)},
}


def _batch(size=12, seed=0):
  rng = np.random.default_rng(seed)
  present = {m: rng.random(size) < 0.7 for m in MODALITIES}
  present['text'] |= ~present['audio'] & ~present['video']
  features = {
    m: np.where(present[m][:, None], rng.normal(size=(size, d)), 0).astype('f4')
    for m, d in WIDTHS.items()
  }
  return features, present, np.arange(size) < size - 2


def _network(name, num_classes=3, **fields):
  network = fusion.build(
    name, num_classes, MODALITIES, **(SMALL[name] | fields)
  )
  features, present, rows = _batch()
  variables = network.init(
    jax.random.key(3), features, {}, present, rows, False
  )
  return network, variables


def test_small_covers_every_fusion():
  # That for sequences has a file of its own.
  assert {*SMALL, 'timed_evidence'} == set(fusion.FUSIONS)


def _dense(params, x):
  return x @ params['weight'].T + params['bias']


def _norm(params, stats, x):
  scale = params['scale'] / np.sqrt(stats['var'] + 1e-5)
  return (x - stats['mean']) * scale + params['bias']


def _mlp(params, stats, x, num_blocks):
  for i in range(num_blocks):
    x = _dense(params[f'Dense_{i}'], x)
    x = np.maximum(
      _norm(params[f'BatchNorm_{i}'], stats[f'BatchNorm_{i}'], x), 0
    )
  return _dense(params[f'Dense_{num_blocks}'], x)


def _perturbed(variables):
  """Variables away from their special starting values, in float64."""
  rng = np.random.default_rng(5)
  return jax.tree.map(
    lambda x: (
      np.abs(x + 0.3 * rng.normal(size=x.shape)).astype(np.float64)
      if x.ndim == 1
      else np.asarray(x, np.float64)
    ),
    variables,
  )


def test_gated_attention_is_the_papers():
  network, variables = _network('gated_attention')
  variables = _perturbed(variables)
  features, present, rows = _batch()

  @jax.jit
  def apply(variables, features):
    output = network.apply(variables, features, {}, present, rows, False)
    return output.logits, output.attention, output.gates

  rounded = jax.tree.map(np.float32, variables)
  variables = jax.tree.map(np.float64, rounded)
  params = variables['params']['fusion']
  stats = variables['batch_stats']['fusion']
  bounds = rounding.bounds(apply, rounded, features)
  gates, scores, gated = [], [], []
  for m in MODALITIES:
    z = _dense(params[f'project_{m}'], features[m].astype(np.float64))
    z = _norm(params[f'normalize_{m}'], stats[f'normalize_{m}'], z)
    gate = special.expit(_dense(params[f'gate_{m}'], z))
    z = gate * z
    gates.append(gate[:, 0])
    gated.append(z)
    scores.append(np.tanh(_dense(params[f'attend_{m}'], z)) @ params['query'])
  mask = np.stack([present[m] for m in MODALITIES], 1)
  scores = np.where(mask, np.stack(scores, 1), -np.inf)
  attention = special.softmax(scores, axis=1)
  fused = sum(attention[:, [i]] * gated[i] for i in range(3))
  logits = _mlp(params['MLP_0'], stats['MLP_0'], fused, 2)
  wanted = logits, attention, np.where(mask, np.stack(gates, 1), 0)
  assert rounding.excess(apply(rounded, features), wanted, bounds) <= 1


@pytest.mark.parametrize('name', SMALL)
def test_padding_does_not_matter(name):
  network, variables = _network(name)
  features, present, rows = _batch()
  others = {m: np.where(rows[:, None], x, 9.0) for m, x in features.items()}

  @jax.jit
  def run(x):
    output, updates = network.apply(
      variables,
      x,
      {},
      present,
      rows,
      True,
      rngs={'dropout': jax.random.key(0)},
      mutable=['batch_stats'],
    )
    return output.logits[:10], updates

  first, second = run(features), run(others)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6),
    first,
    second,
  )


def _biases_before_norm(params, where=''):
  """Biases that BatchNorm subtracts again, as `jax.tree_util.keystr` says."""
  for key, value in params.items():
    if not isinstance(value, dict):
      continue
    norm = key.replace('Dense', 'BatchNorm').replace('project', 'normalize')
    if norm != key and norm in params:
      yield f"{where}['{key}']['bias']"
    yield from _biases_before_norm(value, f"{where}['{key}']")


@pytest.mark.parametrize('name', SMALL)
@pytest.mark.parametrize('size', [1, 3])
def test_every_parameter_receives_gradient(name, size):
  network, variables = _network(name)
  features, present, rows = _batch(size=32, seed=1)
  view = MODALITIES[:size]
  present = {m: present[m] & (m in view) for m in MODALITIES}
  features = {
    m: np.where(present[m][:, None], x, 0) for m, x in features.items()
  }
  rows = rows & np.any([present[m] for m in MODALITIES], axis=0)
  targets = np.eye(3, dtype='f4')[np.arange(32) % 3]

  def loss(params):
    output, _ = network.apply(
      variables | {'params': params},
      features,
      {},
      present,
      rows,
      True,
      rngs={'dropout': jax.random.key(7)},
      mutable=['batch_stats'],
    )
    loss = _cross_entropy(output.logits, targets, rows) / 32
    if output.alone is not None:  # As the auxiliary loss has it.
      loss += sum(
        _cross_entropy(output.alone[:, i], targets, rows & present[m])
        for i, m in enumerate(MODALITIES)
      )
    return loss

  gradients = jax.jit(jax.grad(loss))(variables['params'])
  before_norm = set(_biases_before_norm(variables['params']))
  assert bool(before_norm) == (name != 'gated_evidence')
  for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
    where = jax.tree_util.keystr(path)
    assert np.isfinite(gradient).all(), where
    absent = any(m in where for m in MODALITIES if m not in view)
    unused = size == 1 and any(
      part in where for part in ('attend', 'query', 'joint')
    )
    if absent or unused:
      np.testing.assert_allclose(gradient, 0, atol=1e-7, err_msg=where)
    elif where not in before_norm:
      assert np.abs(gradient).max() > 1e-6, where


@pytest.mark.parametrize(
  ('name', 'fields'),
  [
    *((name, {}) for name in SMALL),
    ('gated_attention', {'join': 'sum'}),
    ('gated_attention', {'join': 'concat'}),
  ],
)
def test_nothing_is_summed_by_a_product_of_matrices(name, fields):
  # A TPU rounds the factors of a product to 8 bits, a GPU to 11: that is for
  # parameters, not for logits that are added up.
  network, variables = _network(name, **fields)
  features, present, rows = _batch()

  def of(params):
    return network.apply(
      variables | {'params': params}, features, {}, present, rows, False
    ).logits

  products = str(jax.make_jaxpr(of)(variables['params'])).count('dot_general[')
  factors = [
    jax.tree_util.keystr(path)
    for path, _ in jax.tree_util.tree_leaves_with_path(variables['params'])
    if path[-1].key in ('weight', 'query')
  ]
  # The modalities share one query.
  shared = 2 if "['fusion']['query']" in factors else 0
  assert products == len(factors) + shared


def test_a_view_of_one_modality_attends_to_it_alone():
  network, variables = _network('gated_attention')
  features, _, rows = _batch()
  present = {m: np.full(12, m == 'audio') for m in MODALITIES}
  output = network.apply(variables, features, {}, present, rows, False)
  np.testing.assert_array_equal(output.attention, [[0, 1, 0]] * 12)
  assert (np.asarray(output.gates)[:, [0, 2]] == 0).all()


@pytest.mark.parametrize(
  ('name', 'fields'),
  [
    ('gated_attention', {}),
    ('gated_attention', {'join': 'sum'}),
    ('gated_evidence', {'modality_dropout': 0.5}),
  ],
)
@pytest.mark.parametrize('view', [('audio',), ('text', 'video')])
def test_a_narrowed_network_is_the_whole_one_where_the_rest_is_absent(
  name, fields, view
):
  network, variables = _network(name, **fields)
  if name == 'gated_evidence' and len(view) > 1:
    assert network.narrowed(view) is None  # Its joint head is of all.
    return
  features, present, rows = _batch(seed=2)
  present = {m: present[m] & (m in view) for m in MODALITIES}
  features = {
    m: np.where(present[m][:, None], x, 0) for m, x in features.items()
  }
  targets = np.eye(3, dtype='f4')[np.arange(12) % 3]

  def run(network, variables, modalities):
    own = [{m: x[m] for m in modalities} for x in (features, present)]

    def loss(params):
      output, updates = network.apply(
        variables | {'params': params},
        own[0],
        {},
        own[1],
        rows,
        True,
        rngs={'dropout': jax.random.key(4)},
        mutable=['batch_stats'],
      )
      total = _cross_entropy(output.logits, targets, rows)
      if output.alone is not None:  # Which alone teaches a single modality.
        own_rows = rows & own[1][view[0]]
        said = output.alone[:, modalities.index(view[0])]
        total += _cross_entropy(said, targets, own_rows)
      return total, (output.logits, updates)

    return jax.jit(jax.grad(loss, has_aux=True))(variables['params'])

  narrow = network.narrowed(view)
  made = narrow.init(
    jax.random.key(3),
    {m: features[m] for m in view},
    {},
    {m: present[m] for m in view},
    rows,
    False,
  )
  whole = jax.tree_util.tree_leaves_with_path(variables)
  whole = {jax.tree_util.keystr(path): leaf for path, leaf in whole}
  part = jax.tree_util.tree_leaves_with_path(made)
  assert len(part) < len(whole)
  for path, leaf in part:  # It starts from what the whole one starts from.
    np.testing.assert_array_equal(leaf, whole[jax.tree_util.keystr(path)])
  expected = run(network, variables, MODALITIES)
  expected = {
    jax.tree_util.keystr(path): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(expected)
  }
  for path, leaf in jax.tree_util.tree_leaves_with_path(
    run(narrow, made, view)
  ):
    np.testing.assert_allclose(
      leaf, expected[jax.tree_util.keystr(path)], rtol=1e-5, atol=1e-6
    )


def test_what_cannot_be_narrowed_says_so():
  assert _network('concat')[0].narrowed(('text',)) is None
  joined, _ = _network('gated_attention', join='concat')
  assert joined.narrowed(('text',)) is None


@pytest.mark.parametrize('join', ['sum', 'concat'])
def test_joined_without_attention_what_is_absent_adds_nothing(join):
  network, variables = _network('gated_attention', join=join)
  features, present, rows = _batch()
  others = {
    m: np.where(present[m][:, None], x, 5.0) for m, x in features.items()
  }
  first, second = (
    network.apply(variables, x, {}, present, rows, False).logits
    for x in (features, others)
  )
  np.testing.assert_array_equal(first, second)
  params = variables['params']['fusion']['MLP_0']['Dense_0']['weight'].T
  assert params.shape[0] == (7 if join == 'sum' else 21)


def test_modality_dropout_zeroes_without_rescaling():
  network, variables = _network('gated_attention', modality_dropout=0.999)
  features, present, rows = _batch()
  output, _ = network.apply(
    variables,
    features,
    {},
    present,
    rows,
    True,
    rngs={'dropout': jax.random.key(0)},
    mutable=['batch_stats'],
  )
  # With all modalities gone, equal scores are left: attention to equal parts.
  mask = np.stack([present[m] for m in MODALITIES], 1)
  bias = variables['params']['fusion']
  scores = [
    np.tanh(bias[f'attend_{m}']['bias']) @ bias['query'] for m in MODALITIES
  ]
  expected = special.softmax(np.where(mask, scores, -np.inf), axis=1)
  np.testing.assert_allclose(output.attention, expected, rtol=1e-5)


def test_unknown_names_are_told():
  with pytest.raises(errors.InputError, match='gated_attention, concat'):
    fusion.build('gatd', 2, MODALITIES)
  with pytest.raises(errors.InputError, match=r'no_such_module.*on PYTHONPATH'):
    fusion.build('no_such_module.Fusion', 2, MODALITIES)
  with pytest.raises(errors.InputError, match=r'which is module:name'):
    fusion.build('tfn', 2, MODALITIES)
  with pytest.raises(errors.InputError, match='not a class of Flax modules'):
    fusion.build('os.path', 2, MODALITIES)
  with pytest.raises(errors.InputError, match=r'config.model.widht.*hidden'):
    fusion.build('concat', 2, MODALITIES, widht=3)


class _Wide(fusion.Concat):
  """Has a class too many."""

  def __call__(self, features, present, rows, train):
    """Gives (B, C + 1)."""
    logits = super().__call__(features, present, rows, train).logits
    return fusion.Output(jnp.pad(logits, ((0, 0), (0, 1))))


def _unpooled(x, steps):
  return x


@pytest.mark.parametrize(
  ('name', 'fields', 'says'),
  [
    ('test_fusion:_Wide', {}, r'Wide are of the shape (4, 3); expected (4, 2)'),
    ('test_fusion:_Wide', {'hidden': None}, "'NoneType' object is not iterab"),
    ('concat', {'pooling': 'test_fusion:_unpooled'}, 'expected (4, 5), clips'),
  ],
)
def test_what_gives_something_else_is_told(name, fields, says):
  network = fusion.build(name, 2, ('text',)).clone(
    pooling=fields.pop('pooling', 'mean')
  )
  network = network.clone(fusion=network.fusion.clone(**fields))
  there = jnp.ones(4, bool)
  steps = {'text': jnp.ones((4, 3), bool)}
  inputs = {'text': jnp.ones((4, 3, 5))}, steps, {'text': there}, there, False
  with pytest.raises(errors.InputError) as raised:
    jax.eval_shape(lambda: network.init(jax.random.key(0), *inputs))
  assert says in str(raised.value)
  assert str(raised.value).startswith('config.model.')


def test_a_fusion_of_ones_own_is_found_by_its_import_path():
  network = fusion.build('empathy.models.fusion.Concat', 2, MODALITIES)
  assert isinstance(network.fusion, fusion.Concat)


def test_targets():
  labels = np.array([0, 1, -1, -1, 1])
  votes = np.array([[1, 3], [0, 0], [0, 0], [2, 2], [4, 0]])
  hard = losses.target_distributions(labels, votes, 'labels')
  np.testing.assert_array_equal(hard, [[1, 0], [0, 1], [0, 0], [0, 0], [0, 1]])
  soft = losses.target_distributions(labels, votes, 'votes')
  np.testing.assert_array_equal(
    soft, [[0.25, 0.75], [0, 1], [0, 0], [0.5, 0.5], [1, 0]]
  )


def test_clip_weights():
  votes = np.array([[1, 3], [0, 0], [2, 1]])
  np.testing.assert_array_equal(losses.clip_weights(votes, 'equal'), [1, 1, 1])
  np.testing.assert_allclose(
    losses.clip_weights(votes, 'votes'), [1.5, 0.375, 1.125]
  )


def test_cross_entropy_of_distributions():
  logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
  targets = jnp.array([[0.5, 0.5, 0.0], [0, 0, 1.0]])
  both = _cross_entropy(logits, targets, jnp.array([True, True]))
  # By hand: (log 2 + log 4) / 2, and -log .8.
  assert both == pytest.approx(1.0397208 + 0.2231436, rel=1e-6)
  first = _cross_entropy(logits, targets, jnp.array([True, False]))
  assert first == pytest.approx(1.0397208, rel=1e-6)
