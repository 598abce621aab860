import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rounding
import small

from empathy import errors
from empathy.corpora import corpus as corpora
from empathy.models import fusion, losses
from empathy.training import (
  batches,
  configuration,
  members,
  optimizers,
  parallel,
  schedules,
  step,
)


def _pytorch_one_cycle(step_, total, peak):
  """torch.optim.lr_scheduler.OneCycleLR's arithmetic, in float64."""
  ends = [0.3 * total - 1, total - 1]
  phases = [
    (0, ends[0], peak / 25, peak, 0.95, 0.85),
    (ends[0], ends[1], peak, peak / 25e4, 0.85, 0.95),
  ]
  for start, end, rate0, rate1, beta0, beta1 in phases:
    if step_ <= end or end == ends[1]:
      share = (step_ - start) / (end - start)
      weight = (1 + np.cos(np.pi * share)) / 2
      return rate1 + (rate0 - rate1) * weight, beta1 + (beta0 - beta1) * weight
  raise AssertionError


@pytest.mark.parametrize('total', [10, 97, 1000])
def test_one_cycle_is_pytorchs(total):
  steps = np.arange(total)
  rate = schedules.one_cycle(1e-3, total)
  beta1 = schedules.cycle(total, 0.95, 0.85, 0.95)
  found = jax.vmap(lambda s: (rate(s), beta1(s)))(steps)
  expected = np.array([_pytorch_one_cycle(s, total, 1e-3) for s in steps]).T
  np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-9)
  np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)
  # What the schedule is known by.
  assert found[0][0] == pytest.approx(4e-5, rel=1e-5)
  assert found[0].max() == pytest.approx(1e-3, rel=0.06 if total < 20 else 2e-3)
  assert found[0][-1] == pytest.approx(4e-9, rel=1e-2)
  assert found[1][0] == pytest.approx(0.95)


def test_optimizer_is_adam_with_l2_and_a_moving_beta1():
  rng = np.random.default_rng(0)
  gradients = rng.normal(size=(10, 4)).astype(np.float32)
  l2, rate, total = 0.01, 0.1, 10
  x = m = v = np.zeros(4)
  x = x + 1.0
  params = jnp.ones(4)
  optimizer = optimizers.one_cycle_adam(lambda _: rate, l2, total)
  state = optimizer.init(params)
  for t, g in enumerate(gradients, start=1):
    for active in (False, True):  # A step that is not active is no step.
      changes, state = optimizer.update(g, state, params, active=active)
      params = params + changes
    beta = _pytorch_one_cycle(t - 1, total, rate)[1]
    g = g + l2 * x
    m, v = beta * m + (1 - beta) * g, 0.999 * v + 0.001 * g * g
    step_size = rate / (1 - beta**t)
    x = x - step_size * m / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(params, x, rtol=1e-5)


class Setting:
  """A small study, ready to train."""

  def __init__(self, tmp_path, fusion='gated_attention', mode='members', **kw):
    self.corpus = small.write_corpus(tmp_path / 'corpus', **kw)
    self.config = small.config(tmp_path / 'corpus', fusion, parallel=mode)
    self.dataset = corpora.sorted_by_id(self.corpus)
    self.fold_of, self.parts = members.folds(self.dataset, 3, 0)
    targets = losses.target_distributions(
      self.dataset.labels,
      self.dataset.vote_counts('text+audio+video'),
      'labels',
    )
    self.data, self.max_length = members.data(
      self.dataset.features, self.dataset.labels, targets
    )
    views = members.views((), tuple(self.dataset.features))
    self.names, self.members = members.make(
      self.dataset, self.data, views, (5, 6), self.parts
    )
    self.layout = parallel.Layout(mode, jax.devices()[:1])
    self.program = configuration.make_program(
      self.config,
      self.corpus.classes,
      tuple(self.dataset.features),
      self.max_length,
      self.layout,
    )

  def member(self, index):
    return jax.tree.map(lambda x: jnp.asarray(x[index]), self.members)

  def device_data(self):
    return jax.tree.map(jnp.asarray, self.data)


_COMPILED = {}


def _compiled(function, program):
  """A function of a program, compiled once for all tests."""
  key = function.__name__, repr(program)
  if key not in _COMPILED:
    _COMPILED[key] = jax.jit(functools.partial(function, program))
  return _COMPILED[key]


def _init(program, *arguments):
  return _compiled(step.init, program)(*arguments)


def _train_epoch(program, *arguments):
  return _compiled(step.train_epoch, program)(*arguments)


@pytest.fixture(scope='module')
def setting(tmp_path_factory):
  return Setting(tmp_path_factory.mktemp('setting'))


def test_member_names_and_parts(setting):
  assert len(setting.names) == 7 * 3 * 2 == len(set(setting.names))
  for index, name in enumerate(setting.names):
    member = setting.member(index)
    train = np.asarray(member.train_rows)[: int(member.num_train)]
    val = np.asarray(member.val_rows)[: int(member.num_val)]
    groups = setting.dataset.groups
    held_out = setting.parts[name.fold].held_out
    assert not set(groups[train]) & set(groups[val])
    assert not set(groups[train]) & set(groups[held_out])
    assert (setting.fold_of[val] == (name.fold + 1) % 3).all()


@pytest.mark.parametrize('keep', ['best', 'refit'])
def test_the_learning_rate_that_is_told_is_that_of_the_last_step(setting, keep):
  recipe = dataclasses.replace(
    setting.program.recipe, num_epochs=4, batch_size=16, keep=keep
  )
  member = setting.member(0)
  peaks = {'peak_learning_rate': jnp.float32(0.5), 'model.dropout': 0.1}
  told = [
    step.learning_rate(recipe, member._replace(swept=peaks), epoch)
    for epoch in range(recipe.total_epochs)
  ]
  for epoch, found in enumerate(told):
    count = int(member.num_train)
    if epoch >= 4:  # The second training learns validation clips, too.
      count += int(member.num_val)
    steps = -(-count // 16)
    at = (epoch % 4 + 1) * steps - 1
    expected, _ = _pytorch_one_cycle(at, 4 * steps, 0.5)
    assert found == pytest.approx(expected, rel=1e-4)
  assert len(told) == (8 if keep == 'refit' else 4)


def test_standardisation_is_of_the_members_training_clips(setting):
  index = next(i for i, name in enumerate(setting.names) if name.fold == 1)
  member = setting.member(index)
  train = setting.parts[1].train
  values = setting.dataset.features['audio'].values[train].astype(np.float64)
  np.testing.assert_allclose(member.mean['audio'], values.mean(0), rtol=1e-4)
  np.testing.assert_allclose(
    member.scale['audio'], 1 / (values.std(0) + 1e-6), rtol=1e-4
  )


def test_shuffle_uses_every_training_clip_once(setting):
  member = setting.member(0)._replace(num_train=jnp.int32(40))
  recipe = setting.program.recipe
  orders = [
    np.asarray(step.learned_rows(recipe, member, jnp.int32(epoch))[1]).ravel()
    for epoch in range(3)
  ]
  for order in orders:
    assert sorted(order[:40]) == sorted(np.asarray(member.train_rows)[:40])
  assert (orders[0][:40] != orders[1][:40]).any()


def test_members_do_not_share_randomness(setting):
  keys = jax.vmap(lambda m: jax.random.key_data(step._key(m, 0)))(
    setting.members
  )
  assert len(np.unique(np.asarray(keys), axis=0)) == len(setting.names)


def test_a_member_with_fewer_clips_rests(setting, monkeypatch):
  """A member's result does not depend on how many slots others need."""
  member = setting.member(0)
  num = int(member.num_train)
  data = setting.device_data()
  fewer = member._replace(num_train=jnp.int32(num - 20))
  short = fewer._replace(train_rows=member.train_rows[: num - 20])
  # Little to compile: steps rest, whatever they train.
  network = fusion.build('concat', 2, setting.program.modalities, hidden=(8,))
  program = dataclasses.replace(setting.program, network=network)
  state = _init(program, data, member)
  results = []
  for which in (fewer, short):
    # The shuffle draws for as many rows as the table has; keep the order.
    def ordered(key, rows, num_rows, size):
      return jnp.pad(rows[: num - 20], (0, size - (num - 20)))

    with monkeypatch.context() as patch:
      patch.setattr(batches, 'shuffled', ordered)
      run = jax.jit(functools.partial(step.train_epoch, program))
      results.append(run(data, jnp.int32(0), which, state))
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6),
    *results,
  )
  count = results[0][0].opt_state.count
  assert int(count) == -(-(num - 20) // 16)


def test_the_best_epoch_is_the_first_of_equals(setting):
  member, data = setting.member(3), setting.device_data()

  def run(epoch, state):
    return _train_epoch(setting.program, data, epoch, member, state)

  state = _init(setting.program, data, member)
  best, kept = -1.0, None
  for epoch in range(6):
    state, metrics = run(jnp.int32(epoch), state)
    if metrics['val/accuracy'] > best:
      best, kept = float(metrics['val/accuracy']), (epoch, state.params)
    assert int(state.best_epoch) == kept[0]
    jax.tree.map(np.testing.assert_array_equal, state.best_params, kept[1])


def test_what_is_not_in_the_view_does_not_matter(setting):
  index = next(
    i for i, name in enumerate(setting.names) if name.view == 'text+video'
  )
  member = setting.member(index)
  data = setting.device_data()
  other = data._replace(
    values=data.values | {'audio': data.values['audio'] * -7 + 3}
  )
  state = _init(setting.program, data, member)
  epoch = jnp.int32(0)
  first = _train_epoch(setting.program, data, epoch, member, state)
  second = _train_epoch(setting.program, other, epoch, member, state)
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_presence_and_sequences(tmp_path):
  """Sequences are cut to their steps; absent clips are zero and not present."""
  corpus = small.write_corpus(tmp_path / 'made')
  features = dict(corpus.features)
  features['audio'] = small.sequences(features['audio'])
  features['video'] = small.without(features['video'], [4, 7])
  setting = Setting(tmp_path, features=features)
  assert setting.max_length == {'audio': 5}
  member = setting.member(len(setting.names) - 1)
  rows = jnp.arange(len(setting.dataset.ids))
  inputs, steps, present = step._inputs(
    setting.program, setting.device_data(), member, rows
  )
  by_id = dict(zip(corpus.ids.tolist(), range(len(rows)), strict=True))
  order = np.array([by_id[clip] for clip in setting.dataset.ids.tolist()])
  length = features['audio'].length[order]
  np.testing.assert_array_equal(np.asarray(steps['audio']).sum(1), length)
  starts = np.cumsum(features['audio'].length) - features['audio'].length
  for row in (0, 13, 50):
    start = starts[order[row]]
    raw = features['audio'].values[start : start + length[row]]
    expected = (raw - member.mean['audio']) * member.scale['audio']
    np.testing.assert_allclose(
      inputs['audio'][row, : length[row]],
      np.clip(expected, -10, 10),
      rtol=1e-4,
      atol=1e-5,
    )
    assert (np.asarray(inputs['audio'])[row, length[row] :] == 0).all()
  absent = np.isin(order, [4, 7])
  np.testing.assert_array_equal(~np.asarray(present['video']), absent)
  assert (np.asarray(inputs['video'])[absent] == 0).all()


def test_views_by_name():
  modalities = ('text', 'audio', 'video')
  assert members.views((), modalities)[-1] == modalities
  assert len(members.views((), modalities)) == 7
  assert members.views(('every',), modalities) == members.views((), modalities)
  singles = tuple((modality,) for modality in modalities)
  assert members.views(('single', 'full'), modalities) == (
    *singles,
    modalities,
  )
  # Words and names go together, and one modality is both.
  assert members.views(('single,audio+text',), modalities) == (
    *singles,
    ('text', 'audio'),
  )
  assert members.views(('single', 'full'), ('text',)) == (('text',),)
  assert members.views(('video+text,audio',), modalities) == (
    ('audio',),
    ('text', 'video'),
  )
  with pytest.raises(ValueError, match='smell'):
    members.views(('text+smell',), modalities)


def test_folds_of_a_split(setting):
  split = np.array(['train', 'val', 'test'] * 30)
  dataset = dataclasses.replace(setting.dataset, split=split)
  fold_of, parts = members.folds(dataset, 5, 0)
  assert list(parts) == [0]
  np.testing.assert_array_equal(fold_of, np.where(split == 'test', 0, -1))
  np.testing.assert_array_equal(parts[0].val, split == 'val')


def test_a_member_without_clips_is_told(setting):
  split = np.array(['train', 'test'] * 45)
  dataset = dataclasses.replace(setting.dataset, split=split)
  _, parts = members.folds(dataset, 5, 0)
  with pytest.raises(ValueError, match='view text, fold 0: no labelled clip'):
    members.make(dataset, setting.data, [('text',)], (1,), parts)


def test_unlabelled_clips_teach_nothing(setting):
  labels = setting.dataset.labels.copy()
  labels[::3] = corpora.UNLABELLED
  dataset = dataclasses.replace(setting.dataset, labels=labels)
  targets = losses.target_distributions(
    labels, dataset.vote_counts('text+audio+video'), 'labels'
  )
  data, _ = members.data(dataset.features, labels, targets)
  _, found = members.make(dataset, data, [('text',)], (1,), setting.parts)
  rows = found.train_rows[0, : found.num_train[0]]
  assert (labels[rows] >= 0).all()


@pytest.fixture(name='refit', scope='module')
def _refit(setting, tmp_path_factory):
  """A program that trains twice, 2 epochs each, and what it went through."""
  network = fusion.build(
    'gated_evidence', 2, setting.program.modalities, hidden=(8,)
  )
  recipe = dataclasses.replace(
    setting.program.recipe, num_epochs=2, keep='refit', auxiliary=1.0
  )
  program = dataclasses.replace(setting.program, network=network, recipe=recipe)
  member, data = setting.member(-1), setting.device_data()
  states, metrics = [_init(program, data, member)], []
  for epoch in range(recipe.total_epochs):
    state, values = _train_epoch(
      program, data, jnp.int32(epoch), member, states[-1]
    )
    states.append(state)
    metrics.append(values)
  return program, member, states, metrics


def test_a_second_training_takes_the_validation_clips_too(refit):
  program, member, states, _ = refit
  train = np.asarray(member.train_rows)[: int(member.num_train)].tolist()
  val = np.asarray(member.val_rows)[: int(member.num_val)].tolist()
  for again, expected in ((False, train), (True, train + val)):
    epoch = jnp.int32(2 if again else 0)
    learner, _ = step.learned_rows(program.recipe, member, epoch)
    rows = np.asarray(learner.train_rows)[: int(learner.num_train)]
    assert rows.tolist() == expected
  # It begins anew: Adam has counted its own steps alone.
  steps = [-(-number // 16) for number in (len(train), len(train + val))]
  counts = [int(state.opt_state.count) for state in states]
  assert counts == [0, steps[0], 2 * steps[0], steps[1], 2 * steps[1]]


def test_a_second_training_keeps_the_calibration_and_its_last_epoch(refit):
  _, _, states, metrics = refit
  gates = [state.batch_stats['fusion'] for state in states]
  for name, value in gates[2].items():
    assert value != gates[1][name] != 1
    assert gates[3][name] == gates[4][name] == value
  last = states[-1]
  jax.tree.map(np.testing.assert_array_equal, last.best_params, last.params)
  assert int(last.best_epoch) == 3
  # Of its own clips it is not validated.
  for name, value in last.best_metrics.items():
    assert float(value) == float(metrics[1][f'val/{name}'])
  for values in metrics[2:]:
    assert np.isnan(values['val/accuracy'])
    assert np.isnan(values['val/loss'])
  assert all(bool(values['finite']) for values in metrics)


def _assert_agree(one, other, bound):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=bound),
    one,
    other,
  )


@pytest.mark.parametrize(
  'kind', [pytest.param('best', marks=pytest.mark.long), 'refit']
)
def test_a_narrow_view_trains_as_by_the_whole_network(setting, refit, kind):
  program = refit[0] if kind == 'refit' else setting.program
  view = ('audio',) if kind == 'refit' else ('text', 'video')
  data = setting.device_data()
  index = next(
    i for i, name in enumerate(setting.names) if name.view == '+'.join(view)
  )
  runs = []
  for own in (program, program.narrowed(view)):

    def epochs(member, program=own):
      def body(state, epoch):
        return step.train_epoch(program, data, epoch, member, state)

      state = step.init(program, data, member)
      return jax.lax.scan(body, state, jnp.arange(3))

    runs.append(jax.jit(epochs))
  member = setting.member(index)
  (whole, told), (narrow, told_narrow) = (run(member) for run in runs)
  bounds = rounding.trained(
    lambda x: runs[0](x)[0].params,
    member,
    rate=program.recipe.peak_learning_rate / 25,
  )
  bound = jax.tree.leaves(bounds)[0].max()
  assert bound < 1e-3  # Far less than what is learned.
  _assert_agree(told, told_narrow, bound)
  for field in ('params', 'best_params', 'batch_stats', 'best_batch_stats'):
    have, wanted = (getattr(x, field)['fusion'] for x in (whole, narrow))
    # Of modalities that the view does not see it knows nothing.
    assert set(wanted) < set(have) or 'stats' in field
    _assert_agree({name: have[name] for name in wanted}, wanted, bound)
  assert int(whole.best_epoch) == int(narrow.best_epoch)


def test_calibration_is_to_labels_whatever_the_targets(setting, refit):
  program, member, states, metrics = refit
  data = setting.device_data()
  rows = np.asarray(member.val_rows)[: int(member.num_val)]
  even = data._replace(targets=data.targets.at[rows].set(0.5))
  state, values = _train_epoch(program, even, jnp.int32(0), member, states[0])
  for name, value in state.batch_stats['fusion'].items():
    fitted = states[1].batch_stats['fusion'][name]
    np.testing.assert_allclose(value, fitted, rtol=1e-4)
  assert abs(values['val/loss'] - metrics[0]['val/loss']) > 1e-4


def test_what_modalities_say_alone_is_taught(setting, refit):
  program, member, states, _ = refit
  data = setting.device_data()
  plain = dataclasses.replace(
    program, recipe=dataclasses.replace(program.recipe, auxiliary=0.0)
  )
  ends = [
    _train_epoch(p, data, jnp.int32(0), member, states[0])[0].params
    for p in (program, plain)
  ]
  differences = jax.tree.map(lambda x, y: np.abs(x - y).max(), *ends)
  assert max(jax.tree.leaves(differences)) > 1e-4


def test_clips_of_weight_zero_teach_nothing(setting):
  member, data = setting.member(0), setting.device_data()
  rows = np.asarray(member.train_rows)[:8]
  weights = data.weights.at[rows].set(0)
  # Whatever the targets of those clips are.
  others = data.targets.at[rows].set(data.targets[rows][:, ::-1])
  state = _init(setting.program, data, member)
  ends = [
    _train_epoch(
      setting.program,
      data._replace(targets=targets, weights=weights),
      jnp.int32(0),
      member,
      state,
    )[0].params
    for targets in (data.targets, others)
  ]
  jax.tree.map(np.testing.assert_array_equal, *ends)


def test_classes_weigh_alike_among_a_members_training_clips(setting):
  member, data = setting.member(0), setting.device_data()
  network = fusion.build('concat', 2, setting.program.modalities, hidden=())
  plain = dataclasses.replace(setting.program, network=network)
  recipe = dataclasses.replace(plain.recipe, balance=True)
  labels = np.asarray(data.labels)
  rows = np.asarray(member.train_rows)[: int(member.num_train)]
  counts = np.bincount(labels[rows])
  assert counts[0] != counts[1]
  by_hand = (len(rows) / (2 * counts))[labels].astype(np.float32)
  state = _init(plain, data, member)
  ends = [
    _train_epoch(program, given, jnp.int32(0), member, state)[0].params
    for program, given in (
      (dataclasses.replace(plain, recipe=recipe), data),
      (plain, data._replace(weights=jnp.asarray(by_hand))),
    )
  ]
  _assert_agree(*ends, 1e-6)


def test_values_that_are_swept_do_what_constants_do(setting):
  member, data = setting.member(5), setting.device_data()
  values = {
    'l2': 0.2,
    'peak_learning_rate': 0.003,
    'model.dropout': 0.4,
    'model.modality_dropout': 0.0,
  }
  network, recipe = setting.program.network, setting.program.recipe
  fixed = dataclasses.replace(
    setting.program,
    network=network.clone(
      fusion=network.fusion.clone(dropout=0.4, modality_dropout=0.0)
    ),
    recipe=dataclasses.replace(recipe, l2=0.2, peak_learning_rate=0.003),
  )
  state = _init(setting.program, data, member)
  run_fixed, run = (
    functools.partial(_train_epoch, program)
    for program in (fixed, setting.program)
  )
  arguments = data, jnp.int32(0)
  ends = [run_fixed(*arguments, member, state)]
  for own in (values, values | {'model.dropout': 0.0}):
    swept = member._replace(swept=jax.tree.map(jnp.float32, own))
    ends.append(run(*arguments, swept, state))
  losses_ = [float(metrics['train/loss']) for _, metrics in ends]
  assert losses_[1] == pytest.approx(losses_[0], rel=1e-6)
  assert losses_[2] != pytest.approx(losses_[0], rel=1e-3)
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5),
    ends[1][0].batch_stats,
    ends[0][0].batch_stats,
  )


def _fold_wise(features):
  """The same features, but moved by the number of the fold of each entry."""
  values = [features.values + fold for fold in range(3)]
  size = len(features.clip)
  return corpora.Features(
    np.tile(features.clip, 3),
    np.concatenate(values),
    None if features.length is None else np.tile(features.length, 3),
    np.repeat(np.arange(3, dtype=np.int32), size),
    np.zeros(3 * size, bool),
  )


@pytest.mark.parametrize('is_sequence', [False, True])
def test_members_see_the_features_of_their_fold(is_sequence, tmp_path):
  corpus = small.write_corpus(tmp_path / 'plain')
  text = small.without(corpus.features['text'], [0, 7])
  if is_sequence:
    text = small.sequences(text)
  features = {**corpus.features, 'text': _fold_wise(text)}
  corpus = dataclasses.replace(corpus, features=features)
  corpora.write(corpus, tmp_path / 'fold_wise')
  corpus = corpora.read(tmp_path / 'fold_wise', features=None)
  dataset = corpora.sorted_by_id(corpus)
  order = np.argsort(corpus.ids)
  for fold in range(3):
    found = dataset.features['text'].of_fold(fold)
    assert not {0, 7} & set(order[found.clip].tolist())
    if not is_sequence:
      wanted = text.values[np.argsort(text.clip)] + fold
      by_clip = found.values[np.argsort(order[found.clip])]
      np.testing.assert_array_equal(by_clip, wanted)

  _, parts = members.folds(dataset, 3, 0)
  targets = losses.target_distributions(
    dataset.labels, dataset.vote_counts('text+audio+video'), 'labels'
  )
  data, max_length = members.data(dataset.features, dataset.labels, targets)
  assert (max_length == {'text': 5}) if is_sequence else not max_length
  names, everyone = members.make(
    dataset, data, [('text',), ('audio',)], [0], parts
  )
  num_clips = len(dataset.ids)
  for index, name in enumerate(names):
    start = members.first_row(num_clips, len(data.labels), name.fold)
    rows = everyone.train_rows[index][: everyone.num_train[index]]
    np.testing.assert_array_equal(rows // num_clips, name.fold)
    here = data.length['text'][start : start + num_clips] > 0
    assert here.sum() == num_clips - 2
    if name.view == 'text' and not is_sequence:
      # Moved features have a moved mean: members are standardised alike.
      values = data.values['text'][data.start['text'][rows]]
      np.testing.assert_allclose(
        everyone.mean['text'][index], values.mean(axis=0), atol=1e-5
      )
    if name.view == 'audio':
      np.testing.assert_array_equal(
        data.start['audio'][start : start + num_clips],
        data.start['audio'][:num_clips],
      )


def test_features_by_encoders_that_saw_held_out_clips_are_refused(tmp_path):
  corpus = small.write_corpus(tmp_path / 'corpus')
  _, parts = members.folds(corpus, 3, 0)
  fold_of, _ = members.folds(corpus, 3, 0)
  text = _fold_wise(corpus.features['text'])
  seen = fold_of[text.clip] != text.fold
  for change, message in (
    ({}, None),
    ({'seen': ~seen}, 'clips are held out that its encoder'),
    ({'fold': text.fold + 1}, 'was made for 4 folds; here are 3'),
    ({'fold': None}, 'clips are held out that its encoder'),
    ({'fold': None, 'seen': ~seen & False}, None),
  ):
    feature = dataclasses.replace(text, **{'seen': seen} | change)
    made = dataclasses.replace(corpus, features={'text': feature})
    if message is None:
      members.check_features(made, fold_of, len(parts))
    else:
      with pytest.raises(errors.InputError, match=message):
        members.check_features(made, fold_of, len(parts))
