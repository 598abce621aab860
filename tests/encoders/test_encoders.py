"""The encoders against the golden files that PyTorch Transformers wrote.

Every hidden state is compared at every position, padding included: nothing of
it is left undefined.
"""

import collections
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rounding
import safetensors.numpy
import transformers

from empathy import encoders, errors
from empathy.encoders import checkpoint, transformer
from empathy.encoders.architectures import deberta, wav2vec2

_GOLDENS = pathlib.Path(__file__).parent / 'goldens'
_CASES = sorted(path.name for path in _GOLDENS.iterdir())
# One of each architecture, for what does not depend on the variant.
_SOME = ('deberta_v3', 'wav2vec2_large', 'videomae', 'timesformer', 'dinov2')
# What configs call the activation of the feed-forward network.
_ACTIVATIONS = (
  'activation',
  'activation_function',
  'hidden_act',
  'hidden_activation',
)
# Others of a family that has a case here already: shapes and heads.
_VARIANTS = (
  *('clip_text_old', 'hubert_batch_norm', 'modernbert_classifier'),
  *('timesformer_joint', 'videomae_classifier', 'videomae_unbiased'),
  *('wav2vec2', 'wav2vec2_bert_classifier', 'wavlm_large'),
  'whisper_classifier',
)


def _long_but(some: Iterable[str], cases: Iterable[str] = _CASES) -> list:
  """Cases as parameters, all of which but some take long together."""
  return [
    pytest.param(case, marks=() if case in some else pytest.mark.long)
    for case in cases
  ]


# A key's bias adds the same to all scores of a query, except where positions
# attend to content.
_WITHOUT_EFFECT = {False: 'key/bias', True: 'position_key/bias'}


def _load(case: str, **options) -> encoders.Encoder:
  """The encoder; of several, the one that the case is named for."""
  modality = 'text' if 'text' in case else 'video'
  return encoders.load(_GOLDENS / case, modality=modality, **options)


def _inputs(case: str) -> list[tuple[dict[str, np.ndarray], list[np.ndarray]]]:
  """Inputs and all their states, then the last and what is made of it."""
  inputs = collections.defaultdict(dict)
  states = collections.defaultdict(dict)
  with np.load(_GOLDENS / case / 'states.npz', allow_pickle=False) as file:
    for key, value in file.items():
      if '/' in key:
        i, name = key.split('/')
        wide = np.int32 if value.dtype == np.int8 else value.dtype
        inputs[i][name] = value.astype(wide)
      else:
        i, name = key.split('.')
        states[i][name] = value
  for i, arrays in inputs.items():
    # A row is a clip; PyTorch has frames that do not see each other as rows.
    rows = len(next(iter(arrays.values())))
    for name, value in states[i].items():
      shape = *value.shape[:-3], rows, -1, value.shape[-1]
      states[i][name] = value.reshape(shape)
  return [
    (
      inputs[i],
      [
        *states[i]['hidden_states'],
        states[i].get('last_hidden_state', states[i]['hidden_states'][-1]),
        *([states[i]['pooled']] if 'pooled' in states[i] else []),
      ],
    )
    for i in inputs
  ]


def _all(output: encoders.Output) -> list[np.ndarray]:
  """Every hidden state, the last one and what the encoder makes of it."""
  states = [*output.hidden_states, output.last_hidden_state]
  if output.pooled is not None:
    rows, *_, width = output.pooled.shape
    states.append(output.pooled.reshape(rows, -1, width))
  return [np.asarray(x, np.float32) for x in states]


def _bounds(encoder: encoders.Encoder, arrays: dict) -> list[np.ndarray]:
  """How far every state may be from the exact one."""

  def states(params, arrays):
    return _all(dataclasses.replace(encoder, params=params)(**arrays))

  return rounding.bounds(states, encoder.params, arrays)


def _excess(
  encoder: encoders.Encoder, pairs: list, bounds: list | None = None
) -> float:
  """The largest error of any state of any input, in units of its bound.

  The bounds are the encoder's own where none are given.
  """
  return max(
    rounding.excess(
      _all(encoder(**arrays))[: len(states)], states, bound[: len(states)]
    )
    for (arrays, states), bound in zip(
      pairs,
      bounds or [_bounds(encoder, arrays) for arrays, _ in pairs],
      strict=True,
    )
  )


def _first(case: str) -> tuple[encoders.Encoder, dict, list]:
  return _load(case), *_inputs(case)[0]


def test_there_are_goldens_of_every_architecture():
  found = set()
  for case in _CASES:
    kind = json.loads((_GOLDENS / case / 'config.json').read_text())
    inner = kind.get('vision_config', kind)  # Of several encoders.
    found.add(inner['model_type'])
  namesakes = {'camembert', 'data2vec-text', 'xlm-roberta'}
  namesakes.add('siglip2_text_model')
  assert found | namesakes == set(encoders.ARCHITECTURES)


# Each shape of inputs is compiled anew, which takes most of the time.
@pytest.mark.parametrize(
  ('case', 'which'),
  [
    pytest.param(
      *(case, slice(1)),
      marks=pytest.mark.long if case in _VARIANTS else (),
    )
    for case in _CASES
  ]
  + [
    pytest.param(case, slice(1, None), marks=pytest.mark.long)
    for case in _CASES
    if len(_inputs(case)) > 1
  ],
)
def test_every_hidden_state_is_that_of_transformers(case, which, caplog):
  encoder = _load(case)
  assert _excess(encoder, _inputs(case)[which]) <= 1
  assert not caplog.records  # Every tensor is used, or knowingly dropped.


@pytest.mark.parametrize('case', _long_but(_SOME))
def test_a_change_of_any_parameter_would_show(case):
  encoder = _load(case)
  pairs = _inputs(case)[:1]
  bounds = [_bounds(encoder, arrays) for arrays, _ in pairs]
  leaves, tree = jax.tree_util.tree_flatten_with_path(
    jax.tree.map(np.asarray, encoder.params)
  )
  for i, (path, leaf) in enumerate(leaves):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    if name.endswith(_WITHOUT_EFFECT[case.startswith('deberta')]):
      continue
    values = [value for _, value in leaves]
    turned = leaf.ravel()[::-1].reshape(leaf.shape)
    for changed in (leaf * 0, turned):
      values[i] = changed
      one = dataclasses.replace(encoder, params=tree.unflatten(values))
      assert _excess(one, pairs, bounds) > 10, name


def _with(encoder: encoders.Encoder, **settings) -> encoders.Encoder:
  config = dataclasses.replace(encoder.config, **settings)
  return encoders.Encoder(
    encoder.module.clone(config=config), encoder.params, config
  )


@pytest.mark.parametrize('case', _long_but(_SOME[:2]))
def test_a_small_mistake_in_a_port_would_show(case):
  encoder = _load(case)
  pairs = _inputs(case)[:1]
  # What ports get wrong, by the least that it changes.
  wrong = {}
  for field in dataclasses.fields(encoder.config):
    value = getattr(encoder.config, field.name)
    if field.name in _ACTIVATIONS:
      wrong[field.name] = 'gelu_new' if value == 'gelu' else 'gelu'
    elif field.name in ('layer_norm_eps', 'norm_eps', 'rms_norm_eps'):
      wrong[field.name] = 1e-5 if value < 5e-6 else 1e-12
  if getattr(encoder.config, 'use_swiglu_ffn', False):
    del wrong['hidden_act']  # It is without use there.
    wrong['use_swiglu_ffn'] = False  # The same without a gate.
  assert wrong
  for name, value in wrong.items():
    assert _excess(_with(encoder, **{name: value}), pairs) > 1, name


@pytest.mark.parametrize('case', _long_but(_SOME[:2], _SOME))
def test_bfloat16_is_near(case):
  arrays, states = _inputs(case)[0]
  encoder = _load(case, dtype=jnp.bfloat16)
  output = encoder(**arrays)
  assert {x.dtype.name for x in output.hidden_states} == {'bfloat16'}
  assert output.last_hidden_state.dtype == jnp.bfloat16
  ours = np.asarray(output.last_hidden_state, np.float32)
  last = states[len(output.hidden_states)]
  off = np.sqrt(np.square(ours - last).mean() / np.square(last).mean())
  assert 1e-4 < off < 0.05
  assert {x.dtype.name for x in jax.tree.leaves(encoder.params)} == {'float32'}


@pytest.mark.parametrize(
  'case',
  _long_but(['hubert'], ['deberta_v3', 'hubert', 'timesformer']),
)
def test_gradients_are_finite_and_the_same_with_checkpointing(case):
  encoder, arrays, states = _first(case)

  def loss(params, remat):
    module = encoder.module.clone(remat=remat)
    last = module.apply(params, **arrays).last_hidden_state
    return jnp.square(last - states[-1][..., ::-1]).mean()

  gradient = jax.jit(jax.grad(loss), static_argnums=1)
  plain, again = (gradient(encoder.params, remat) for remat in (False, True))
  bounds = rounding.of_gradients(lambda p: gradient(p, False), encoder.params)
  for (path, a), b, bound in zip(
    jax.tree_util.tree_leaves_with_path(plain),
    *(jax.tree.leaves(tree) for tree in (again, bounds)),
    strict=True,
  ):
    assert rounding.excess(a, b, bound) <= 1, path
    if 'key/bias' not in jax.tree_util.keystr(path, simple=True, separator='/'):
      assert np.abs(a).max() > 1e-8, path


@pytest.mark.parametrize('case', ['bert', 'deberta_v3', 'hubert'])
def test_dropout_is_drawn_from_its_rng(case):
  encoder, arrays, states = _first(case)
  module = encoder.module.clone(remat=case == 'bert')

  @jax.jit
  def draw(seed):
    return module.apply(
      encoder.params,
      **arrays,
      deterministic=False,
      rngs={'dropout': jax.random.key(seed)},
    ).last_hidden_state

  one, same, other = draw(0), draw(0), draw(1)
  np.testing.assert_array_equal(one, same)
  assert np.abs(one - other).max() > 0.01
  assert np.abs(one - states[-1]).max() > 0.01


@pytest.mark.parametrize('case', _CASES)
def test_saved_and_loaded_it_is_the_same(case, tmp_path):
  encoder = _load(case)
  encoders.save(encoder, tmp_path / 'saved')
  again = encoders.load(tmp_path / 'saved')
  assert again.config == encoder.config
  jax.tree.map(np.testing.assert_array_equal, again.params, encoder.params)
  # Transformers minds the types of settings.
  theirs = transformers.AutoConfig.from_pretrained(tmp_path / 'saved')
  assert theirs.model_type == encoder.config.model_type


def test_padding_more_changes_nothing_for_text():
  encoder, arrays, _ = _first('roberta')
  padded = {
    'input_ids': np.pad(
      arrays['input_ids'], ((0, 2), (0, 5)), constant_values=1
    ),
    'attention_mask': np.pad(arrays['attention_mask'], ((0, 2), (0, 5))),
  }
  length = arrays['input_ids'].shape[1]
  more = encoder(**padded).last_hidden_state
  assert np.isfinite(more).all()  # Also in rows that are all padding.
  real = arrays['attention_mask'].astype(bool)
  alone = encoder(**arrays).last_hidden_state
  bound = _bounds(encoder, arrays)[-1]
  assert rounding.excess(more[:3, :length][real], alone[real], bound[real]) <= 1


@pytest.mark.parametrize(
  'case',
  _long_but(
    ['hubert', 'data2vec_audio'],
    ['hubert', 'hubert_batch_norm', 'data2vec_audio'],
  ),
)
def test_masked_norm_makes_sound_independent_of_padding(case):
  encoder, arrays, _ = _first(case)
  masked = encoders.Encoder(
    encoder.module.clone(masked_norm=True), encoder.params, encoder.config
  )
  together = masked(**arrays).last_hidden_state
  for i, mask in list(enumerate(arrays['attention_mask']))[1:]:
    own = {'input_values': arrays['input_values'][i : i + 1, : mask.sum()]}
    alone = encoder(**own).last_hidden_state[0]
    bound = _bounds(encoder, own)[-1][0]
    assert rounding.excess(together[i, : len(alone)], alone, bound) <= 1
  default = encoder(**arrays).last_hidden_state
  count = wav2vec2.num_frames(
    encoder.config, int(arrays['attention_mask'][1].sum())
  )
  assert np.abs(default - together)[1, :count].max() > 1e-3


def test_what_is_made_of_adapters_is_said(tmp_path, caplog):
  caplog.set_level('INFO', 'empathy')
  plain = encoders.load(_GOLDENS / 'wavlm')
  assert not caplog.records
  encoders.save(plain, tmp_path / 'made')
  config = json.loads((tmp_path / 'made/config.json').read_text())
  config['add_adapter'] = True  # A head for a decoder.
  (tmp_path / 'made/config.json').write_text(json.dumps(config))
  path = tmp_path / 'made/model.safetensors'
  tensors = safetensors.numpy.load_file(path)
  tensors['adapter.layers.0.conv.weight'] = np.zeros((16, 8, 3), np.float32)
  safetensors.numpy.save_file(tensors, path)
  found = encoders.load(tmp_path / 'made')
  jax.tree.map(np.testing.assert_array_equal, found.params, plain.params)
  # Those of another language, beside.
  shutil.copytree(_GOLDENS / 'mms', tmp_path / 'mms')
  (tmp_path / 'mms/adapter.fra.safetensors').touch()
  encoders.load(tmp_path / 'mms')
  first, second = caplog.messages
  assert 'add_adapter is True: what shortens the last states' in first
  assert 'adapter_attn_dim is 4: the layers are adapted to the lang' in second


def test_frames_are_counted():
  config = wav2vec2.Config()
  assert wav2vec2.num_frames(config, 160_000) == 499
  assert wav2vec2.num_frames(config, 400) == 1
  assert wav2vec2.num_frames(config, 399) == 0
  assert wav2vec2.example(config)['input_values'].shape == (1, 400)


@pytest.mark.parametrize('length', [1, 2, 5])
def test_shearing_is_gathering(length):
  x = np.random.default_rng(0).normal(size=(2, length, 2 * length))
  t, s = np.mgrid[:length, :length]
  np.testing.assert_array_equal(
    deberta.shear(jnp.asarray(x)),
    x[:, t, length - 1 - t + s].astype(np.float32),
  )


def test_buckets_widen():
  config = deberta.Config(
    position_buckets=8, max_relative_positions=32, relative_attention=True
  )
  distances = np.array([0, 1, 4, 5, 31, 100, -1, -4, -5, -31])
  # Worked by hand: beyond 4, ceil(ln(d / 4) / ln(31 / 4) * 3) + 4, plus 8.
  wanted = [8, 9, 12, 13, 15, 15, 7, 4, 3, 1]
  np.testing.assert_array_equal(deberta.buckets(config, distances), wanted)


def test_blockwise_attention_is_attention():
  random = np.random.default_rng(0)
  settings = transformer.Settings(2, 8, 'gelu', 1e-5)
  length = 2 * transformer.BLOCK + 3
  x = jnp.asarray(random.normal(size=(2, length, 8)), jnp.float32)
  mask = np.arange(length) < np.array([[length], [length // 2]])
  bias = transformer.mask_to_bias(mask)
  module = transformer.Attention(settings)
  params = jax.jit(module.init)(jax.random.key(0), x)
  attend = jax.jit(lambda params, x: module.apply(params, x, bias))
  got = attend(params, x)
  weights = {
    name: {k: np.asarray(v, np.float64) for k, v in leaf.items()}
    for name, leaf in params['params'].items()
  }

  def dense(name, y):
    return y @ weights[name]['kernel'] + weights[name]['bias']

  q, k, v = (
    dense(name, np.asarray(x, np.float64)).reshape(2, length, 2, 4)
    for name in ('query', 'key', 'value')
  )
  scores = np.einsum('bqhd,bkhd->bhqk', q, k) / 2
  scores = np.where(mask[:, None, None], scores, -np.inf)
  p = np.exp(scores - scores.max(-1, keepdims=True))
  p /= p.sum(-1, keepdims=True)
  wanted = dense(
    'output', np.einsum('bhqk,bkhd->bqhd', p, v).reshape(2, length, 8)
  )
  bound = rounding.bounds(attend, params, x)
  assert rounding.excess(got, wanted, bound) <= 1


def test_timesformer_takes_other_numbers_of_frames():
  encoder, arrays, _ = _first('timesformer')
  pixels = arrays['pixel_values'][:, :1]
  one = encoder(pixel_values=pixels).last_hidden_state
  assert one.shape == (2, 5, 8)
  # Eight frames, each twice: the same as four, but that times count twice too.
  doubled = np.repeat(arrays['pixel_values'], 2, axis=1)
  double = encoder(pixel_values=doubled).last_hidden_state
  single = encoder(**arrays).last_hidden_state
  found = double[:, 1:].reshape(2, 4, 4, 2, 8)
  wanted, bound = (
    np.repeat(x[:, 1:].reshape(2, 4, 4, 1, 8), 2, axis=3)
    for x in (single, _bounds(encoder, arrays)[-1])
  )
  assert rounding.excess(found, wanted, bound) <= 1


@pytest.mark.parametrize(
  ('case', 'arrays', 'message'),
  [
    ('roberta', {'input_ids': np.ones((1, 19), int)}, 'positions for, 18'),
    ('bert', {'input_ids': np.ones((1, 21), int)}, 'positions for, 20'),
    ('hubert', {'input_values': np.zeros((1, 399))}, '399 samples are too few'),
    (
      'videomae',
      {'pixel_values': np.zeros((1, 3, 3, 8, 8))},
      'expected (clips',
    ),
    ('timesformer', {'pixel_values': np.zeros((1, 4, 3, 9, 8))}, '3, 8, 8'),
    ('timesformer', {'pixel_values': np.zeros((4, 3, 8, 8))}, '3, 8, 8'),
  ],
)
def test_input_of_the_wrong_shape_is_named(case, arrays, message):
  encoder = _load(case)
  with pytest.raises(errors.InputError) as caught:
    encoder(**arrays)
  assert message in str(caught.value)


def test_the_table_names_every_tensor_once():
  for case in _CASES:
    encoder = _load(case)
    architecture = encoders.ARCHITECTURES[encoder.config.model_type]
    table = architecture.table(encoder.config)
    parts = [(source.names[0], source.part) for source in table.values()]
    assert len(set(parts)) == len(parts)
    tensors = checkpoint.to_tensors(table, encoder.params['params'])
    assert len(tensors) == len({name for name, _ in parts})
