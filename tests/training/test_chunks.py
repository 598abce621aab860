"""Members of a view are trained by a network of it where that pays."""

import functools
import json
import types

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

from empathy.models import fusion
from empathy.training import chunks, members, parallel, programs, step

_VIEWS = ('text', 'audio', 'text+audio')
# Of a forward pass of the networks.
_FLOPS = {('text',): 2e6, ('audio',): 3e6, None: 6e6}


def _layout(num_devices, platform='cpu', mode='members'):
  device = types.SimpleNamespace(platform=platform)
  return parallel.Layout(mode, [device] * num_devices)


def _groups(
  monkeypatch,
  layout,
  num_members=30,
  num_clips=10_000,
  fusion_='gated_attention',
  members_per_device=128,
  views=_VIEWS,
):
  monkeypatch.setattr(
    chunks, 'forward_flops', lambda program, *_: _FLOPS[program.computed]
  )
  program = step.Program(
    fusion.build(fusion_, 2, ('text', 'audio')),
    ('text', 'audio'),
    {},
    step.Recipe(10, 64, 1e-3, 0.0),
  )
  names = [
    members.Name(view, 0, seed) for view in views for seed in range(num_members)
  ]
  everyone = types.SimpleNamespace(train_rows=np.zeros((1, num_clips)))
  found = chunks.groups(
    program, layout, None, names, everyone, members_per_device
  )
  return found, chunks.divided(found, program, names)


@pytest.mark.parametrize(
  ('num_devices', 'networks'),
  [
    (1, {'text': 'text', 'audio': 'audio'}),
    (8, {'text': 'text', 'audio': 'audio'}),
    # On 64 devices 60 members of two views take as long as 30.
    (64, {'audio': 'audio'}),
    (90, {}),
    (1000, {}),
  ],
)
def test_no_device_idles_where_it_could_train(
  monkeypatch, num_devices, networks
):
  found, _ = _groups(monkeypatch, _layout(num_devices))
  own = {view: group.network for group in found for view in group.views}
  full = dict.fromkeys(_VIEWS, 'text+audio')
  assert own == full | networks


@pytest.mark.parametrize(
  'options',
  [
    {'num_clips': 10},  # 900 in all.
    # On a GPU less is saved than a network takes to compile.
    {'num_clips': 20_000, 'layout': _layout(1, 'gpu')},
    # It has no network of a view.
    {'fusion_': 'concat'},
    {'views': ('text+audio',)},
  ],
)
def test_what_would_not_pay_has_the_whole_network(monkeypatch, options):
  found, parts = _groups(monkeypatch, **{'layout': _layout(1)} | options)
  assert [group.network for group in found] == ['text+audio']
  assert {part.program.computed for part in parts} == {None}


def test_a_gpu_has_narrow_networks_too(monkeypatch):
  layout = _layout(1, 'gpu')
  found, parts = _groups(monkeypatch, layout, num_clips=2_000_000)
  assert [group.network for group in found] == list(_VIEWS)
  assert [part.program.computed for part in parts] == [
    ('text',),
    ('audio',),
    None,
  ]


@hypothesis.given(
  st.integers(1, 40), st.integers(1, 9), st.integers(1, 20), st.booleans()
)
def test_chunks_have_every_member_once(num_members, num_devices, most, batch):
  layout = _layout(num_devices, mode='batch' if batch else 'members')
  with pytest.MonkeyPatch.context() as patch:
    found, parts = _groups(patch, layout, num_members, members_per_device=most)
  rows = np.concatenate([part.rows for part in parts])
  assert sorted(rows.tolist()) == list(range(3 * num_members))
  entries = json.loads(json.dumps(chunks.as_entries(found)))
  assert chunks.from_entries(entries) == found
  for group in found:
    own = [x for x in parts if x.names[0].view in group.views]
    assert {len(part.rows) for part in own[:-1]} <= {group.size}
    assert {part.size for part in own} == {group.size}
    assert layout.held(group.size) <= most
  for part in parts:
    names = {str(name) for name in part.names}
    assert len(names) == len(part.rows)


def _made(**fields):
  """A program, data, and members, without a view."""
  modalities, count, num_clips = ('text', 'audio', 'video'), 4, 16
  network = fusion.build(
    'gated_attention', 2, modalities, hidden=(8,), attention_width=8, **fields
  )
  program = step.Program(network, modalities, {}, step.Recipe(1, 8, 1e-3, 0.0))
  rows = np.tile(np.arange(num_clips, dtype=np.int32), (count, 1))
  many = np.full(count, num_clips, np.int32)
  wide = {m: np.ones((count, 64), np.float32) for m in modalities}
  seed = np.arange(count, dtype=np.int32)
  chunk = step.Member(seed, many, None, rows, many, rows, many, wide, wide, {})
  values = np.random.default_rng(0).standard_normal((3, num_clips, 64))
  data = step.Data(
    dict(zip(modalities, values.astype(np.float32), strict=True)),
    {m: rows[0] for m in modalities},
    {m: np.ones(num_clips, np.int32) for m in modalities},
    np.ones((num_clips, 2), np.float32) / 2,
    rows[0] % 2,
    np.ones(num_clips, np.float32),
  )
  return program, data, chunk


def test_views_of_other_names_alone_are_one_program():
  """And members are what they are by the program of their own view."""
  layout = parallel.Layout('members', jax.local_devices()[:1])
  program, data, chunk = _made(width=8, modality_dropout=0.0)
  data, epoch = layout.replicate(data), layout.replicate(np.int32(0))
  compiled = programs.Programs(layout, program)
  for view in ('text',), ('video',):
    own = program.narrowed(view)
    shown = np.tile([m in view for m in program.modalities], (4, 1))
    sharded = layout.shard(chunk._replace(view=shown))
    state = compiled.init(own, data, sharded)
    run = compiled.train_epoch(own, data, sharded, state)
    found = run(epoch, state)
  init = layout.map(functools.partial(step.init, own), 1)
  run = layout.update(functools.partial(step.train_epoch, own), 2)
  expected = run(data, epoch, sharded, init(data, sharded))
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  assert len(compiled._compiled) == 1


def test_in_lockstep_a_narrow_network_has_less_to_compute(monkeypatch):
  monkeypatch.setattr(parallel.Layout, 'one_by_one', False)
  layout = parallel.Layout('members', jax.local_devices()[:1])
  program, data, chunk = _made(width=32)
  chunk = chunk._replace(view=np.tile([True, False, False], (4, 1)))

  def flops(own):
    init = jax.vmap(functools.partial(step.init, own), in_axes=(None, 0))
    state = jax.eval_shape(init, data, chunk)
    run = layout.update(functools.partial(step.train_epoch, own), 2)
    lowered = run.lower(
      *layout.like((data, np.int32(0))), *layout.like((chunk, state), True)
    )
    return lowered.cost_analysis()['flops']

  # Most weights are those from features to the width, of each modality.
  assert flops(program.narrowed(('text',))) < 0.4 * flops(program)
