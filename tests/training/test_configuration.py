"""What configs ask for, and what is refused."""

import dataclasses
import functools
import importlib.util
import json

import jax
import ml_collections
import numpy as np
import pytest
import small
from flax import linen as nn

from empathy import errors
from empathy.models import fusion, layers
from empathy.training import configuration, parallel, step, workdir

_MODALITIES = ('text', 'audio', 'video')
_CONFIGS = small.ROOT / 'configs'


class Kernel(nn.Module):
  """A fusion of one's own, with fields that others do not have."""

  num_classes: int
  modalities: tuple[str, ...]
  power: int
  bandwidth: float = 0.5
  join: str = 'product'
  last_dropout: float = 0.1
  shift: int = 0
  sizes: tuple[int, ...] | None = None
  axis_name: str | None = None

  @nn.compact
  def __call__(self, features, present, rows, train):
    """Gives zeros."""
    dense = layers.Dense(self.num_classes)
    return fusion.Output(dense(features['text']) * self.bandwidth)


def _load(name: str, *variant: str) -> ml_collections.ConfigDict:
  spec = importlib.util.spec_from_file_location(name, _CONFIGS / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  config = module.get_config(*variant)
  config.corpus = 'CORPUS'
  return config


def _shipped():
  """Each config that trains, in each of its variants."""
  variants = {
    'mixed_signals': fusion.FUSIONS,
    'mixed_signals_media': fusion.FUSIONS,
    'ravdess': fusion.FUSIONS,
    'gated_evidence': ('gated_evidence', 'timed_evidence'),
    'why_the_gate_loses': ('paper', 'sum', 'concat', 'all_kept'),
  }
  for name, given in variants.items():
    for variant in given:
      yield _load(name, variant)


def _programs():
  """The programs of shipped configs that differ in what gets gradient."""
  programs = {}
  layout = parallel.Layout('members', jax.local_devices()[:1])
  for config in _shipped():
    configuration.check(config)
    # As it is, but for sizes, and nothing but the gradient moves a parameter.
    sizes = {'width': 6, 'attention_width': 5, 'hidden': (6,)}
    config.model.update(
      {name: size for name, size in sizes.items() if name in config.model}
    )
    config.update(batch_size=32, l2=(0.0,))
    key = f'{config.model} {config.auxiliary}'
    # Others see the first step alone, as if there were no more.
    sees_sequences = fusion.sees_sequences(fusion.find(config.model.fusion))
    lengths = {'audio': 4, 'video': 4} if sees_sequences else {}
    programs[key] = configuration.make_program(
      config, ('no', 'yes', 'more'), _MODALITIES, lengths, layout
    )
  return list(programs.values())


def _member(view):
  shown = np.array([m in view for m in _MODALITIES])
  rows = np.arange(32, dtype=np.int32)
  one = {m: np.ones(5, np.float32) for m in _MODALITIES}
  return step.Member(
    seed=np.int32(1),
    fold=np.int32(0),
    view=shown,
    train_rows=rows,
    num_train=np.int32(32),
    val_rows=rows,
    num_val=np.int32(32),
    mean={m: 0 * x for m, x in one.items()},
    scale=one,
    swept={},
  )


def test_every_parameter_learns_by_every_shipped_config():
  rng = np.random.default_rng(0)
  labels = np.arange(32, dtype=np.int32) % 3
  data = step.Data(
    values={m: rng.normal(size=(128, 5)).astype('f4') for m in _MODALITIES},
    start={m: np.arange(0, 128, 4, dtype=np.int32) for m in _MODALITIES},
    length={m: np.full(32, 4, np.int32) for m in _MODALITIES},
    targets=np.eye(3, dtype=np.float32)[labels],
    labels=labels,
    weights=np.ones(32, np.float32),
  )
  programs = _programs()
  assert len(programs) == 7
  for program in programs:

    @jax.jit
    def run(*arguments, program=program):
      state, _ = step._train_step(program, *arguments)
      # Adam's mean of one gradient, times one less beta1.
      return state.opt_state.mu, state.batch_stats

    for view in (('audio',), _MODALITIES):
      member = _member(view)
      state = jax.tree.map(
        lambda x: np.zeros(x.shape, x.dtype),
        jax.eval_shape(functools.partial(step.init, program), data, member),
      )
      state = state._replace(
        params=jax.tree.map(
          lambda x: rng.normal(0, 0.5, x.shape).astype(x.dtype), state.params
        )
      )
      rows, real = member.train_rows, np.ones(32, bool)
      gradients, statistics = run(
        data, member, state, rows, real, np.int32(0), np.bool_(True)
      )
      norms = set(_keys(statistics))
      for path, x in jax.tree_util.tree_leaves_with_path(gradients):
        where = jax.tree_util.keystr(path)
        absent = any(m in where for m in set(_MODALITIES) - set(view))
        join = getattr(program.network.fusion, 'join', 'attention')
        alone = (len(view) == 1 or join != 'attention') and any(
          part in where for part in ('attend', 'query', 'joint')
        )
        # BatchNorm subtracts it again.
        norm = where.replace('Dense', 'BatchNorm').replace(
          'project', 'normalize'
        )
        before_norm = norm != where and norm.replace('bias', 'mean') in norms
        # Of keys, the softmax sees no offset.
        of_keys = where.endswith("_Attention_0']['Dense_1']['bias']")
        if not (absent or alone or before_norm or of_keys):
          assert np.abs(x).max() > 1e-7, (program.network, view, where)


def _keys(tree):
  return [
    jax.tree_util.keystr(path)
    for path, _ in jax.tree_util.tree_leaves_with_path(tree)
  ]


def test_a_fusion_is_not_trained_without_the_loss_that_it_needs():
  for name in ('mixed_signals', 'ravdess', 'mixed_signals_media'):
    config = _load(name, 'gated_evidence')
    assert config.auxiliary == 1.0
    config.auxiliary = 0.0
    with pytest.raises(errors.InputError) as raised:
      configuration.check(config)
    assert str(raised.value) == (
      'config.auxiliary: 0.0, but from this loss alone gated_evidence learns '
      'what single modalities say; expected above 0, such as 1.0'
    )
    assert _load(name, 'concat').auxiliary == 0.0


def _with(config, field, value):
  changed = ml_collections.ConfigDict(config.to_dict())
  if field in changed.model:
    del changed.model[field]
  changed.model[field] = value
  return changed


def test_what_a_config_does_not_say_is_the_default(tmp_path):
  whole = configuration.default_config('gated_evidence')
  whole.update(corpus='CORPUS', num_epochs=4)
  whole.model.dropout = (0.1, 0.2)
  short = ml_collections.ConfigDict(
    {
      'corpus': 'CORPUS',
      'num_epochs': 4,
      'auxiliary': 1.0,
      'model': {'fusion': 'gated_evidence', 'dropout': (0.1, 0.2)},
      'finetune': {'batch_size': 8},
    }
  )
  assert configuration.check(short) == configuration.check(whole) == whole
  # So a run from before there was a field is the same run.
  old = {'config': short.to_dict(), 'corpus': '', 'files': {}}
  text = json.dumps(old | {'groups': []})
  (tmp_path / 'config.json').write_text(text)
  workdir.check(tmp_path, whole, tmp_path, {})
  whole.model.pooling = 'mean'
  whole.loss = 'focal'
  with pytest.raises(errors.InputError) as raised:
    workdir.check(tmp_path, whole, tmp_path, {})
  assert "config.loss is 'focal', was 'cross_entropy'; " in str(raised.value)
  assert "config.model.pooling is 'mean', was 'attention'; " in str(
    raised.value
  )


_OWN = 'test_configuration.Kernel'


def test_fields_of_ones_own_can_be_set_and_are_judged_by_their_types():
  config = _load('ravdess', _OWN).lock()
  assert dict(config.model) == {
    'fusion': _OWN,
    'pooling': 'attention',
    'bandwidth': 0.5,
    'join': 'product',
    'last_dropout': (0.1,),
    'shift': 0,
    'sizes': None,
  }
  with config.unlocked():
    config.model.power = 2
  for field, good, wrong, says in (
    ('bandwidth', 2.5, 'wide', "'wide' is not a number"),
    ('shift', -3, 0.5, '0.5 is not of the type int'),
    ('join', 'any', 3, '3 is not of the type str'),
    ('last_dropout', (0.0, 0.5), 1.5, '1.5 is not 0 or more and below 1'),
    ('sizes', (1, 0), 'x', "'x' is not a tuple, each of the type int or of "),
  ):
    configuration.check(_with(config, field, good))
    with pytest.raises(errors.InputError) as raised:
      configuration.check(_with(config, field, wrong))
    assert f'config.model.{field}: {says}' in str(raised.value)
  with config.unlocked():
    del config.model.power
  with pytest.raises(errors.InputError, match=r'config.model.power: is miss'):
    configuration.check(config)


@pytest.mark.parametrize('name', fusion.FUSIONS)
def test_fields_of_a_config_are_those_of_the_class(name):
  fields = fusion.fields(name)
  assert fields.pop('fusion') == name
  given = fields.pop('pooling', 'none')
  sees_sequences = fusion.sees_sequences(fusion.find(name))
  assert given == ('none' if sees_sequences else 'attention')
  own = {x.name: x.default for x in dataclasses.fields(fusion.FUSIONS[name])}
  for field, value in fields.items():
    default = own[field]
    assert value == ((default,) if 'dropout' in field else default)
  common = {'num_classes', 'modalities', 'axis_name', 'parent', 'name'}
  assert set(own) - set(fields) == common


def test_no_pooling_is_asked_for_where_none_is_done():
  config = _load('ravdess', 'timed_evidence')
  configuration.check(config)
  with pytest.raises(errors.InputError) as raised:
    configuration.check(_with(config, 'pooling', 'mean'))
  assert str(raised.value) == (
    "config.model.pooling: 'mean', but timed_evidence sees sequences as they "
    'are; leave it out'
  )


@pytest.mark.parametrize(
  ('field', 'value', 'says'),
  [
    ('join', 'product', "'product' is not attention or sum or concat"),
    ('width', 0, '0 is not 1 or more'),
    (
      'hidden',
      (8.5,),
      '(8.5,) is not a tuple, each of the type int that is 1 or more',
    ),
    ('attention_width', True, 'True is not of the type int'),
  ],
)
def test_fields_that_are_wrong_are_told(field, value, says):
  with pytest.raises(errors.InputError) as raised:
    configuration.check(_with(_load('mixed_signals'), field, value))
  assert str(raised.value) == f'config.model.{field}: {says}'
