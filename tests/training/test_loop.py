"""Training end to end: what a workdir holds, and what it goes on from."""

import collections
import contextlib
import dataclasses
import errno
import itertools
import json
import logging
import os
import re
import shutil
import struct

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rounding
import small
from flax import linen as nn
from scipy import special
from tensorboardX.proto import event_pb2

from empathy import errors, preemption
from empathy.corpora import corpus as corpora
from empathy.corpora import simulate
from empathy.evaluation import reading
from empathy.models import fusion
from empathy.training import (
  checkpoints,
  chunks,
  configuration,
  inference,
  loop,
  members,
  metric_writer,
  trainer,
  workdir,
)

_MODALITIES = ('text', 'audio', 'video')
_VIEWS = [
  '+'.join(view)
  for size in (1, 2, 3)
  for view in itertools.combinations(_MODALITIES, size)
]
# Clips without video; the last one has nothing but text.
_NO_VIDEO = [4, 7, 31]
_ONLY_TEXT = 31


@dataclasses.dataclass
class Run:
  """A corpus, the config that it was trained with, and what came of it."""

  corpus: corpora.Corpus
  config: object
  path: object
  summary: loop.Summary

  @property
  def table(self):
    return pq.read_table(self.path / 'predictions.parquet')

  def lines(self):
    text = (self.path / 'metrics.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


class Fails(nn.Module):
  """A fusion of one's own, which is none."""

  num_classes: int
  modalities: tuple[str, ...]
  axis_name: str | None = None

  def __call__(self, *_):
    """Gives no output."""
    return 3


def _train(corpus, path, **kw):
  config = small.config(corpus.path, **kw)
  return Run(corpus, config, path, loop.train(config, path))


@pytest.fixture(scope='module', name='rich')
def _rich(tmp_path_factory):
  """The paper's gate on sequences, missing modalities and missing labels."""
  folder = tmp_path_factory.mktemp('rich')
  made = small.write_corpus(folder / 'made')
  full = corpora.read(made.path, None)
  labels = full.labels.copy()
  labels[::9] = corpora.UNLABELLED
  features = {
    'text': full.features['text'],
    'audio': small.sequences(small.without(full.features['audio'], _ONLY_TEXT)),
    'video': small.without(full.features['video'], _NO_VIDEO),
  }
  corpus = dataclasses.replace(full, labels=labels, features=features)
  # A row of the files is not a row of the table.
  order = np.random.default_rng(1).permutation(len(full.ids))
  corpora.write(small.reordered(corpus, order), folder / 'corpus')
  corpus = corpora.read(folder / 'corpus', None)
  small.forget_summaries(corpus)
  return _train(corpus, folder / 'run', views=('every',))


@pytest.fixture(scope='module', name='plain')
def _plain(tmp_path_factory):
  """Concatenation of two modalities: little to compile."""
  folder = tmp_path_factory.mktemp('plain')
  corpus = small.write_corpus(folder / 'corpus')
  return _train(corpus, folder / 'run', **_PLAIN)


_PLAIN = {'fusion': 'concat', 'views': ('text', 'video', 'text+video')}


def _seen(corpus):
  """The modalities of each clip, by id."""
  seen = {clip: set() for clip in corpus.ids.tolist()}
  for modality, features in corpus.features.items():
    for row in features.clip:
      seen[str(corpus.ids[row])].add(modality)
  return seen


def _expected_keys(corpus, seeds):
  keys = set()
  for clip, seen in _seen(corpus).items():
    for view, seed, given in itertools.product(_VIEWS, seeds, _VIEWS):
      own, shown = seen & set(view.split('+')), set(given.split('+'))
      if shown == own or (view == _VIEWS[-1] and shown <= own):
        keys.add((clip, view, seed, given))
  return keys


def _keys(table):
  columns = [
    table[name].to_pylist() for name in ('id', 'view', 'seed', 'given')
  ]
  return list(zip(*columns, strict=True))


def test_the_table_has_a_row_for_each_clip_member_and_subset(rich):
  keys = _keys(rich.table)
  assert len(keys) == len(set(keys))
  assert set(keys) == _expected_keys(rich.corpus, (42, 43))
  # Clips without a label are predicted, those of which a view sees nothing not.
  by_view = collections.Counter(view for _, view, seed, _ in keys if seed == 42)
  assert by_view['text'] == 90
  assert by_view['video'] == 87
  assert by_view['audio+video'] == 89


def test_the_tables_columns(rich):
  schema = {field.name: field.type for field in rich.table.schema}
  assert schema == {
    'id': pa.string(),
    'view': pa.string(),
    'seed': pa.int32(),
    'fold': pa.int32(),
    'given': pa.string(),
    'prob_neutral': pa.float64(),
    'prob_empathetic': pa.float64(),
    'logit_neutral': pa.float32(),
    'logit_empathetic': pa.float32(),
    **{f'gate_{modality}': pa.float32() for modality in _MODALITIES},
    **{f'attention_{modality}': pa.float32() for modality in _MODALITIES},
  }
  assert not any(column.null_count for column in rich.table.columns)


def _array(table, *names):
  return np.stack([table[name].to_numpy() for name in names], axis=1)


def test_probabilities_are_those_of_the_logits(rich):
  probs = _array(rich.table, 'prob_neutral', 'prob_empathetic')
  logits = _array(rich.table, 'logit_neutral', 'logit_empathetic')
  np.testing.assert_allclose(probs.sum(1), 1, atol=1e-12)
  np.testing.assert_allclose(
    probs, special.softmax(logits.astype(float), axis=1), atol=1e-12
  )
  assert len(np.unique(probs[:, 0])) > 0.9 * len(probs)


def test_gates_and_attention_are_of_what_was_given(rich):
  table = rich.table
  given = np.array(
    [
      [modality in row.split('+') for modality in _MODALITIES]
      for row in table['given'].to_pylist()
    ]
  )
  for kind in ('gate', 'attention'):
    values = _array(table, *(f'{kind}_{modality}' for modality in _MODALITIES))
    assert (values[~given] == 0).all()
    assert (values[given] > 0).all()
  np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)


def test_the_table_is_sorted_by_clip_first(rich):
  bit = {modality: 1 << i for i, modality in enumerate(_MODALITIES)}

  def code(name):
    return sum(bit[modality] for modality in name.split('+'))

  order = [
    (clip, view.count('+'), code(view), seed, -code(given))
    for clip, view, seed, given in _keys(rich.table)
  ]
  assert order == sorted(order)


def test_a_clip_is_predicted_by_the_fold_that_holds_its_group_out(rich):
  table = rich.table
  fold_of = collections.defaultdict(set)
  group_of = dict(
    zip(rich.corpus.ids.tolist(), rich.corpus.groups.tolist(), strict=True)
  )
  for clip, fold in zip(
    table['id'].to_pylist(), table['fold'].to_pylist(), strict=True
  ):
    fold_of[group_of[clip]].add(fold)
  assert all(len(folds) == 1 for folds in fold_of.values())
  assert {min(folds) for folds in fold_of.values()} == {0, 1, 2}


def _predicted_by_hand(run, view, fold, seed):
  """Logits of a fold's clips and their bounds, from what was saved."""
  corpus = run.corpus
  trained = json.loads((run.path / 'members.json').read_text())
  names = [
    (entry['view'], entry['fold'], entry['seed'])
    for entry in trained['members'][0]
  ]
  saved = _restored(run.path, 0)
  index = names.index((view, fold, seed))
  params = _at(saved['params'], index)
  batch_stats = _at(saved['batch_stats'], index)
  folds = np.array([trained['fold_of'][clip] for clip in corpus.ids.tolist()])
  held_out, train = folds == fold, (folds - fold) % 3 == 2
  inputs, present, steps = {}, {}, {}
  for modality, features in corpus.features.items():
    length = features.length
    if length is None:
      length = np.ones(len(features.clip), int)
    owner = np.repeat(features.clip, length)
    values = features.values.astype(np.float64)
    used = values[train[owner]]
    values = np.clip((values - used.mean(0)) / (used.std(0) + 1e-6), -10, 10)
    longest = length.max()
    padded = np.zeros((len(corpus.ids), longest, values.shape[1]), np.float32)
    mask = np.zeros((len(corpus.ids), longest), bool)
    for clip in features.clip:
      rows = values[owner == clip]
      padded[clip, : len(rows)] = rows
      mask[clip, : len(rows)] = modality in view.split('+')
    padded *= mask[..., None]
    inputs[modality] = padded[held_out]
    present[modality] = mask[held_out, 0]
    if features.length is None:
      inputs[modality] = inputs[modality][:, 0]
    else:
      steps[modality] = mask[held_out]
  fields = dict(run.config.model)
  network = fusion.build(
    fields.pop('fusion'), 2, tuple(corpus.features), **fields
  )

  def logits(params, batch_stats, inputs):
    return network.apply(
      {'params': params, 'batch_stats': batch_stats},
      inputs,
      steps,
      present,
      np.ones(held_out.sum(), bool),
      False,
    ).logits

  arguments = params, batch_stats, inputs
  found = np.array(logits(*arguments)), rounding.bounds(logits, *arguments)
  ids = corpus.ids[held_out].tolist()
  return dict(zip(ids, zip(*found, strict=True), strict=True))


def _restored(path, chunk):
  return small.read_saved(path / 'members' / str(chunk))


def _at(tree, index):
  if isinstance(tree, dict):
    return {key: _at(value, index) for key, value in tree.items()}
  return np.asarray(tree)[index]


@pytest.mark.parametrize('view', ['text+audio+video', 'audio'])
def test_a_prediction_is_what_the_saved_member_makes_of_the_files(rich, view):
  expected = _predicted_by_hand(rich, view, fold=1, seed=43)
  seen = _seen(rich.corpus)
  found = 0
  for row in rich.table.to_pylist():
    own = {*view.split('+')} & seen[row['id']]
    if (row['view'], row['fold'], row['seed']) != (view, 1, 43):
      continue
    if set(row['given'].split('+')) != own:
      continue
    logits = np.array([row['logit_neutral'], row['logit_empathetic']])
    assert rounding.excess(logits, *expected[row['id']]) <= 1
    found += 1
  assert found >= 25


def test_evaluate_accepts_the_table(rich):
  read = reading.read(rich.path / 'predictions.parquet', rich.corpus)
  assert sorted(read.views) == sorted(_VIEWS)
  assert read.num_rows == len(rich.table)
  keys = {(view, given) for _, view, _, given in _keys(rich.table)}
  assert set(read.subsets) == keys


def test_the_summary(rich):
  assert rich.summary.num_members == 7 * 3 * 2
  assert list(rich.summary.failed) == []
  assert rich.summary.predictions == rich.path / 'predictions.parquet'
  assert rich.summary.seconds > 0


def test_metrics_have_a_line_for_each_member_and_epoch(rich):
  lines = rich.lines()
  keys = [
    (line['epoch'], line['view'], line['fold'], line['seed']) for line in lines
  ]
  assert sorted(keys) == sorted(
    itertools.product(range(3), _VIEWS, range(3), (42, 43))
  )
  assert [key[0] for key in keys] == sorted(key[0] for key in keys)
  for line in lines:
    assert line['chunk'] == 0
    assert line['phase'] == 'train'
    assert line['train/loss'] > 0
    assert 0 < line['train/learning_rate'] <= rich.config.peak_learning_rate[0]
    assert line['val/loss'] > 0
    assert 0 <= line['val/accuracy'] <= 1


def _scalars(path):
  """(step, tag, value) of a TensorBoard file, which holds framed messages."""
  data, at = path.read_bytes(), 0
  while at < len(data):
    (size,) = struct.unpack('<Q', data[at : at + 8])
    event = event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
    for value in event.summary.value:
      yield event.step, value.tag, value.simple_value
    at += 16 + size


_VAL = 'val/loss', 'val/accuracy', 'val/macro_f1'


def test_tensorboard_shows_the_mean_over_the_members_of_a_view(rich):
  expected = collections.defaultdict(list)
  for line in rich.lines():
    for tag in ('train/loss', 'train/learning_rate', *_VAL):
      expected[line['view'], line['epoch'], tag].append(line[tag])
  (entries,) = json.loads((rich.path / 'members.json').read_text())['members']
  for view in _VIEWS:
    kept = [x['best_epoch'] for x in entries if x['view'] == view]
    for epoch in range(max(kept) + 1):
      share = kept.count(epoch) / len(kept)
      expected[view, epoch, 'kept/share_of_members'] = [share]
  found = {}
  for file in (rich.path / 'events' / '0').glob('*/events.*'):
    for epoch, tag, value in _scalars(file):
      assert (file.parent.name, epoch, tag) not in found
      found[file.parent.name, epoch, tag] = value
  assert set(found) == set(expected)
  for key, values in expected.items():
    assert found[key] == pytest.approx(np.mean(values), rel=1e-5)


def test_config_json_tells_what_was_asked_for(rich):
  record = json.loads((rich.path / 'config.json').read_text())
  assert record['config'] == configuration.as_json(rich.config)
  assert record['config']['matmul_precision'] == 'default'
  assert record['corpus'] == str(rich.corpus.path.absolute())
  assert record['fingerprint'] == corpora.fingerprint(rich.corpus.path)
  assert {'python', 'jax', 'flax', 'numpy'} <= set(record['versions'])
  assert record['git'] is None or len(record['git']) >= 40


def test_members_json_tells_what_came_of_it(rich):
  record = json.loads((rich.path / 'members.json').read_text())
  assert record['classes'] == ['neutral', 'empathetic']
  assert record['widths'] == dict.fromkeys(_MODALITIES, 10)
  assert record['max_length'] == {'audio': 5}
  assert set(record['fold_of']) == set(rich.corpus.ids.tolist())
  best = {}
  for line in rich.lines():
    key = line['view'], line['fold'], line['seed']
    # The first of equals.
    if line['val/accuracy'] > best.get(key, (-1, -1))[0]:
      best[key] = line['val/accuracy'], line['epoch']
  (entries,) = record['members']
  for entry in entries:
    accuracy, epoch = best[entry['view'], entry['fold'], entry['seed']]
    assert entry['best_epoch'] == epoch
    assert entry['val_accuracy'] == pytest.approx(accuracy)
    assert entry['failed_epoch'] == -1


def _contents(path):
  return {
    str(file.relative_to(path)): file.read_bytes()
    for file in sorted(path.rglob('*'))
    if file.is_file()
  }


def test_it_leaves_what_evaluate_asks_of_features(rich):
  small.assert_has_summaries(rich.corpus)


def test_a_corpus_that_cannot_be_written_to_is_trained_on(rich, monkeypatch):
  def refuse(*args):
    raise PermissionError('Permission denied')

  monkeypatch.setattr(loop.summaries, 'leave', refuse)
  summary = loop.train(rich.config, rich.path)  # It was finished.
  assert summary.num_members


def test_a_second_call_changes_nothing(rich):
  before = _contents(rich.path)
  summary = loop.train(rich.config, rich.path)
  assert _contents(rich.path) == before
  assert summary.num_members == 42
  assert not any(name.startswith('checkpoints') for name in before)


def test_the_same_config_gives_the_same_bytes(plain, tmp_path):
  other = _train(plain.corpus, tmp_path / 'run', **_PLAIN)
  for name in ('predictions.parquet', 'metrics.jsonl', 'members.json'):
    assert (other.path / name).read_bytes() == (plain.path / name).read_bytes()


def test_another_seed_gives_other_predictions(plain, tmp_path):
  other = _train(plain.corpus, tmp_path / 'run', **_PLAIN, seed=43)
  assert not other.table['prob_neutral'].equals(plain.table['prob_neutral'])


def _difference(one, other):
  names = ('prob_neutral', 'prob_empathetic')
  assert _keys(one) == _keys(other)
  assert one['fold'].equals(other['fold'])
  return np.abs(_array(one, *names) - _array(other, *names)).max()


def test_chunks_do_not_matter(plain, tmp_path):
  other = _train(plain.corpus, tmp_path / 'run', **_PLAIN, members_per_device=5)
  assert _difference(plain.table, other.table) <= 1e-4
  assert len(list((other.path / 'members').glob('*.json'))) == 4
  assert {line['chunk'] for line in other.lines()} == {0, 1, 2, 3}
  assert len(other.lines()) == len(plain.lines()) == 3 * 18


def test_later_chunks_and_epochs_compile_nothing(plain, tmp_path):
  times = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: (
      times.append(event)
      if event.endswith('backend_compile_duration')
      else None
    )
  )
  counts = []
  for name, num_epochs, num_seeds in (('a', 1, 1), ('b', 3, 2)):
    times.clear()
    run = _train(
      plain.corpus,
      tmp_path / name,
      **_PLAIN | {'num_epochs': num_epochs, 'num_seeds': num_seeds},
      members_per_device=3,
    )
    counts.append(
      (len(list((run.path / 'members').glob('*.json'))), len(times))
    )
  (few, first), (many, second) = counts
  assert many > few >= 1
  assert second <= first


def test_over_the_batch_is_the_same(plain, tmp_path):
  other = _train(plain.corpus, tmp_path / 'run', **_PLAIN, parallel='batch')
  assert _difference(plain.table, other.table) <= 1e-4


_NARROW = _PLAIN | {'fusion': 'gated_evidence', 'views': ('text', 'text+video')}


def _compile_in_no_time(monkeypatch):
  """Has each view a network of its own, as if that took no time to compile."""
  monkeypatch.setattr(chunks, '_FEW_CLIPS', 0)
  monkeypatch.setattr(chunks, '_COMPILING', {})
  monkeypatch.setattr(chunks, '_COMPILING_ELSEWHERE', 0)


def test_narrow_networks_train_the_same(plain, tmp_path, monkeypatch):
  other = _train(plain.corpus, tmp_path / 'masked', **_NARROW)
  _compile_in_no_time(monkeypatch)
  whole = _train(plain.corpus, tmp_path / 'whole', **_NARROW)
  record = json.loads((whole.path / 'config.json').read_text())
  assert [(x['network'], x['views']) for x in record['groups']] == [
    (view, [view]) for view in _NARROW['views']
  ]
  text, full = (_restored(whole.path, number) for number in range(2))
  assert set(text['params']['fusion']) < set(full['params']['fusion'])
  # A member is the same by a network of its view and by the whole one.
  masked = _restored(other.path, 0)['params']['fusion']
  for name, found in text['params']['fusion'].items():
    _assert_within(found, _at(masked[name], slice(0, 6)), 1e-5)
  assert _difference(whole.table, other.table) <= 1e-5
  gates = [
    run.table.column(f'gate_{m}').to_numpy()
    for run in (whole, other)
    for m in ('text', 'video')
  ]
  np.testing.assert_allclose(gates[:2], gates[2:], atol=1e-5)
  again = inference.predict(whole.path, plain.corpus.path)
  assert _difference(whole.table, again) <= 1e-6


@pytest.mark.parametrize(
  'fusion_',
  ['gated_attention', pytest.param('gated_evidence', marks=pytest.mark.long)],
)
def test_parameters_that_a_view_never_uses_are_not_kept(
  plain, tmp_path, monkeypatch, fusion_
):
  brief = _NARROW | {'fusion': fusion_, 'num_seeds': 1, 'num_epochs': 1}
  run = _train(plain.corpus, tmp_path / 'run', **brief)
  monkeypatch.setattr(inference, 'without_unused', lambda *given: given[-1])
  whole = _train(plain.corpus, tmp_path / 'whole', **brief)
  one, other = (x.path / 'predictions.parquet' for x in (run, whole))
  assert one.read_bytes() == other.read_bytes()
  names = [x['view'] for x in _of_members(run.path)]
  kept, all_ = (_restored(x.path, 0)['params']['fusion'] for x in (run, whole))
  assert kept.keys() == all_.keys()
  unused = 0
  for (path, x), y in zip(
    jax.tree_util.tree_leaves_with_path(kept),
    jax.tree.leaves(all_),
    strict=True,
  ):
    for view, own, given in zip(names, x, y, strict=True):
      if 'video' in str(path) and view == 'text':
        np.testing.assert_array_equal(own, np.full_like(own, given.flat[0]))
        unused += own.size
      elif 'joint' not in str(path):
        np.testing.assert_array_equal(own, given)
  assert unused > 100


def _of_members(path):
  return json.loads((path / 'members.json').read_text())['members'][0]


@pytest.mark.long  # Of one network for all views others say the same.
def test_narrow_networks_go_on(plain, tmp_path, monkeypatch):
  _compile_in_no_time(monkeypatch)
  whole = _whole_and_cut_off(plain, tmp_path, monkeypatch, _NARROW)
  record = json.loads((whole.path / 'config.json').read_text())
  assert len(record['groups']) == 2


def _assert_within(one, other, bound):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=bound),
    one,
    other,
  )


def test_votes_as_targets(plain, tmp_path):
  other = _train(plain.corpus, tmp_path / 'run', **_PLAIN, targets='votes')
  assert _difference(plain.table, other.table) > 1e-3
  # Soft targets have an entropy, below which their loss cannot go.
  assert np.mean([line['train/loss'] for line in other.lines()]) > 0.2


def test_given_folds_are_kept(plain, tmp_path):
  rows = dict(
    zip(
      plain.table['id'].to_pylist(),
      plain.table['fold'].to_pylist(),
      strict=True,
    )
  )
  full = corpora.read(plain.corpus.path, None)
  # The made folds under other names: the same sizes, hence the same program.
  fold = np.array([(rows[clip] + 1) % 3 for clip in full.ids.tolist()])
  corpus = dataclasses.replace(full, fold=fold.astype(np.int32))
  corpora.write(corpus, tmp_path / 'corpus')
  other = _train(
    corpora.read(tmp_path / 'corpus', None),
    tmp_path / 'run',
    **_PLAIN,
    num_folds=7,
  )
  expected = dict(zip(full.ids.tolist(), fold.tolist(), strict=True))
  found = zip(
    other.table['id'].to_pylist(), other.table['fold'].to_pylist(), strict=True
  )
  assert all(expected[clip] == fold for clip, fold in found)
  assert len(other.table) == len(plain.table)


def test_of_a_split_only_test_clips_are_predicted(tmp_path):
  split = np.array(['train', 'train', 'val', 'test', 'test', 'train'] * 15)
  corpus = small.write_corpus(tmp_path / 'corpus', split=split)
  corpus = corpora.read(corpus.path, None)
  run = _train(corpus, tmp_path / 'run', **_PLAIN)
  assert run.summary.num_members == 3 * 2
  assert set(run.table['fold'].to_pylist()) == {0}
  found = collections.Counter(run.table['id'].to_pylist())
  assert set(found) == set(corpus.ids[split == 'test'].tolist())
  # Three views and two subsets of the full one, by two seeds.
  assert set(found.values()) == {10}
  record = json.loads((run.path / 'members.json').read_text())
  assert collections.Counter(record['fold_of'].values()) == {0: 30, -1: 60}


# A member that diverges.


def _spoil(monkeypatch, name):
  make = members.make

  def spoiled(*args):
    names, found = make(*args)
    found.mean['text'][names.index(name)] = np.nan
    return names, found

  monkeypatch.setattr(members, 'make', spoiled)


def test_a_diverging_member_is_named_and_the_others_go_on(
  plain, tmp_path, monkeypatch, caplog
):
  name = members.Name('text+video', 1, 43)
  _spoil(monkeypatch, name)
  run = _train(plain.corpus, tmp_path / 'run', **_PLAIN)
  (message,) = [text for text in caplog.messages if 'not finite' in text]
  assert 'view text+video, fold 1, seed 43' in message
  assert 'epoch 0' in message
  (failed,) = run.summary.failed
  assert (failed['view'], failed['fold'], failed['seed']) == (
    'text+video',
    1,
    43,
  )
  assert (failed['best_epoch'], failed['failed_epoch']) == (-1, 0)
  expected = [
    row
    for row in plain.table.to_pylist()
    if (row['view'], row['fold'], row['seed']) != ('text+video', 1, 43)
  ]
  assert len(expected) < len(plain.table)
  assert run.table.to_pylist() == expected
  lost = [line for line in run.lines() if line['train/loss'] is None]
  assert [line['epoch'] for line in lost] == [0, 1, 2]
  assert {line['view'] for line in lost} == {'text+video'}
  reading.read(
    run.path / 'predictions.parquet', corpora.read(plain.corpus.path, None)
  )


def test_when_all_members_diverge_the_table_is_empty(plain, tmp_path):
  run = _train(
    plain.corpus, tmp_path / 'run', **_PLAIN, peak_learning_rate=1e38
  )
  assert len(run.summary.failed) == 18
  assert len(run.table) == 0
  assert run.table.column_names == plain.table.column_names


# Going on.


class _CutOffError(Exception):
  pass


def _cut_off(monkeypatch, config, path, epoch):
  """Trains until the metrics of an epoch are written, and no further."""
  write = metric_writer.MetricWriter.write

  def failing(self, now, *args):
    write(self, now, *args)
    if now == epoch:
      raise _CutOffError

  with monkeypatch.context() as patch:
    patch.setattr(metric_writer.MetricWriter, 'write', failing)
    with pytest.raises(_CutOffError):
      loop.train(config, path)


def _assert_as(plain, path):
  for name in ('predictions.parquet', 'metrics.jsonl', 'members.json'):
    assert (path / name).read_bytes() == (plain.path / name).read_bytes()


def _whole_and_cut_off(plain, tmp_path, monkeypatch, fields):
  """A run that one cut off after an epoch, and gone on with, ends as."""
  whole = _train(plain.corpus, tmp_path / 'whole', **fields)
  config = small.config(plain.corpus.path, **fields)
  config.checkpoint_seconds = 0.0
  _cut_off(monkeypatch, config, tmp_path / 'cut', 1)
  loop.train(config, tmp_path / 'cut')
  _assert_as(whole, tmp_path / 'cut')
  return whole


@pytest.mark.parametrize('epoch', [0, 2])
def test_a_run_goes_on(plain, tmp_path, monkeypatch, caplog, epoch):
  config = small.config(plain.corpus.path, **_PLAIN)
  config.checkpoint_seconds = 0.0
  _cut_off(monkeypatch, config, tmp_path, epoch)
  assert not (tmp_path / 'predictions.parquet').exists()
  # The kill may have cut the line that was being written.
  with open(tmp_path / 'metrics.jsonl', 'a') as file:
    file.write('{"chunk": 0, "epo')
  caplog.clear()
  caplog.set_level(logging.INFO, 'empathy')
  loop.train(config, tmp_path)
  goes_on = [text for text in caplog.messages if 'goes on from epoch' in text]
  assert goes_on == ([f'chunk 0 goes on from epoch {epoch}'] if epoch else [])
  _assert_as(plain, tmp_path)


# Of a corpus that stays on disk test_stream.py says the same.
@pytest.mark.long
def test_a_second_training_goes_on(plain, tmp_path, monkeypatch):
  keys = {
    'fusion': 'gated_evidence',
    'views': ('text', 'text+video'),
    'num_seeds': 1,
    'num_epochs': 1,
    'keep': 'refit',
    'auxiliary': 1.0,
  }
  whole = _whole_and_cut_off(plain, tmp_path, monkeypatch, keys)
  lines = whole.lines()
  assert [line['epoch'] for line in lines] == [0] * 6 + [1] * 6
  assert all((line['val/loss'] is None) == line['epoch'] for line in lines)
  phases = [line['phase'] for line in lines]
  assert phases == ['train'] * 6 + ['refit'] * 6


def test_the_line_of_progress_says_what_its_figure_is():
  values = {
    'val/accuracy': np.array([0.5, 0.75]),
    'train/loss': np.array([0.25, 0.5]),
  }
  views = ['text', 'audio']
  assert trainer.note('train', values, ['text', 'text']) == (
    'val/accuracy 0.625, mean of 2 members'
  )
  assert trainer.note('train', values, views) == (
    'val/accuracy 0.625, mean of 2 members (text 0.500, audio 0.750)'
  )
  assert trainer.note('refit', values, views) == (
    'train/loss 0.375, mean of 2 members (text 0.250, audio 0.500); second '
    'training, on training and validation clips'
  )


def test_a_cut_line_right_after_the_checkpoint_is_dropped(tmp_path):
  names = [members.Name('text', 0, 1)]
  values = {key: [0.5] for key in ('train/loss', 'val/loss', 'val/accuracy')}
  with metric_writer.MetricWriter(tmp_path, 0, 0) as writer:
    writer.write(0, names, values)
  with open(tmp_path / 'metrics.jsonl', 'a') as file:
    file.write('{"chunk": 0, "epoch": 1')
  with metric_writer.MetricWriter(tmp_path, 0, 1) as writer:
    writer.write(1, names, values)
  lines = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line)['epoch'] for line in lines] == [0, 1]


def test_members_cut_off_while_they_are_saved_are_trained_again(
  plain, tmp_path, monkeypatch
):
  config = small.config(plain.corpus.path, **_PLAIN)

  def cut_off(*args):
    raise _CutOffError

  with monkeypatch.context() as patch:
    # What is left if the kill comes before the manifest.
    patch.setattr(checkpoints, '_hashes', cut_off)
    with pytest.raises(_CutOffError):
      loop.train(config, tmp_path)
  assert (tmp_path / 'members' / '0').is_dir()
  loop.train(config, tmp_path)
  _assert_as(plain, tmp_path)


def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(
  plain, tmp_path, monkeypatch, caplog
):
  config = small.config(plain.corpus.path, **_PLAIN)
  config.checkpoint_seconds = 0.0
  _cut_off(monkeypatch, config, tmp_path, 2)
  newest = tmp_path / 'checkpoints' / '0' / '2'
  largest = max(
    (file for file in newest.rglob('*') if file.is_file()),
    key=lambda file: file.stat().st_size,
  )
  data = bytearray(largest.read_bytes())
  data[len(data) // 2] ^= 4
  largest.write_bytes(data)
  caplog.clear()
  caplog.set_level(logging.INFO, 'empathy')
  loop.train(config, tmp_path)
  assert 'chunk 0 goes on from epoch 1' in caplog.messages
  (warning,) = [text for text in caplog.messages if 'damaged' in text]
  assert str(newest) in warning
  _assert_as(plain, tmp_path)


def test_damaged_trained_members_are_told_and_trained_again(
  plain, tmp_path, caplog
):
  config = small.config(plain.corpus.path, **_PLAIN, members_per_device=6)
  loop.train(config, tmp_path)
  before = {
    name: (tmp_path / name).read_bytes()
    for name in ('predictions.parquet', 'metrics.jsonl', 'members.json')
  }
  (tmp_path / 'members' / '0' / '0' / '_METADATA').write_text('{}')
  caplog.clear()
  loop.train(config, tmp_path)
  (warning,) = caplog.messages
  assert 'members/0: is damaged' in warning
  assert 'chunk 0 is trained again' in warning
  for name, content in before.items():
    assert (tmp_path / name).read_bytes() == content


def test_told_to_stop_it_saves_the_epoch_and_goes_on_later(
  plain, tmp_path, monkeypatch
):
  config = small.config(plain.corpus.path, **_PLAIN)
  told = []
  write = metric_writer.MetricWriter.write

  def told_to_stop(self, epoch, *args):
    write(self, epoch, *args)
    told.extend([True] * (epoch == 1))

  with monkeypatch.context() as patch:
    patch.setattr(metric_writer.MetricWriter, 'write', told_to_stop)
    patch.setattr(
      preemption, 'watch', lambda: contextlib.nullcontext(lambda: any(told))
    )
    with pytest.raises(errors.Stopped, match='saved after epoch 2 of 3'):
      loop.train(config, tmp_path)
  assert checkpoints.steps(tmp_path / 'checkpoints' / '0') == [2]
  assert not (tmp_path / '.lock').exists()
  loop.train(config, tmp_path)
  _assert_as(plain, tmp_path)


def test_a_second_process_is_refused(plain, tmp_path):
  config = small.config(plain.corpus.path, **_PLAIN)
  with workdir.lock(tmp_path) as is_new:
    assert not is_new
    with pytest.raises(errors.InputError) as raised:
      loop.train(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['.lock']
  message = str(raised.value)
  assert f'{tmp_path}: is in use by process {os.getpid()} on ' in message
  assert list(tmp_path.iterdir()) == []
  # A lock outlives no process: what is left of it does not count.
  (tmp_path / '.lock').write_text('process 1 on elsewhere')
  (tmp_path / '.metrics.jsonl.abcd1234').mkdir()
  with workdir.lock(tmp_path):
    assert [path.name for path in tmp_path.iterdir()] == ['.lock']


@pytest.mark.parametrize('at', ['checkpoints.save', 'MetricWriter.write'])
def test_a_full_disk_is_told_in_one_line(plain, tmp_path, monkeypatch, at):
  config = small.config(plain.corpus.path, **_PLAIN)
  config.checkpoint_seconds = 0.0
  if at == 'checkpoints.save':
    # As TensorStore says it.
    owner, name = checkpoints, 'save'
    error = ValueError('RESOURCE_EXHAUSTED: No space left on device [...]')
  else:
    owner, name = metric_writer.MetricWriter, 'write'
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
  real, calls = getattr(owner, name), []

  def failing(*args):
    calls.append(args)
    if len(calls) > 1:
      raise error
    real(*args)

  with monkeypatch.context() as patch:
    patch.setattr(owner, name, failing)
    with pytest.raises(errors.InputError) as raised:
      loop.train(config, tmp_path)
  assert str(raised.value) == (
    f'{tmp_path}: the disk is full: make room and run the same command again: '
    'it goes on from what is saved'
  )
  loop.train(config, tmp_path)
  _assert_as(plain, tmp_path)


# Before a run.


def test_a_dry_run_tells_what_a_run_takes_and_writes_nothing(plain, tmp_path):
  config = small.config(plain.corpus.path, **_PLAIN, members_per_device=5)
  before = _contents(plain.path.parent)
  first, memory, checkpoint, seconds = loop.dry_run(config, tmp_path / 'run')
  assert list(tmp_path.iterdir()) == []
  assert _contents(plain.path.parent) == before
  num_devices = len(jax.devices())
  assert first.startswith('18 members (3 views, 3 folds, 2 seeds) in ')
  devices = 'device' if num_devices == 1 else 'devices'
  assert f' on {num_devices} cpu {devices}, ' in first
  # Two modalities, each 10 wide; one layer of 8, normalised; two classes.
  # Parameters, the best ones and two moments; statistics and the best ones.
  weights = (20 * 8 + 8) + (8 * 2 + 2) + (8 + 8)
  state = 4 * (4 * weights + 2 * (8 + 8) + 5)
  assert f' members of {state / 1000:.3g} KB, ' in memory
  assert checkpoint.startswith('checkpoint: ')
  assert checkpoint.endswith('; two are kept')
  assert re.match(r'time: about \d+ s to train, by ', seconds)


def test_the_operations_of_a_dry_run_are_those_of_its_products(plain, tmp_path):
  """Twice the weights a row forward, twice that backward."""
  config = small.config(plain.corpus.path, **_PLAIN, num_epochs=1)
  config.model.hidden = (256, 256)
  config.batch_size = 64
  *_, line = loop.dry_run(config, tmp_path / 'run')
  flops = 1e12 * float(re.search(r'by (\S+) TFLOP', line).group(1))
  weights = 20 * 256 + 256 * 256 + 256 * 2
  parts = [24, 30, 36]  # A third of 90 clips, more or less: whole groups.
  low = 18 * (64 * 6 * weights + min(parts) * 2 * weights)
  assert low <= flops <= 1.5 * low


# Refusals.


def test_a_workdir_is_not_the_corpus_folder_nor_in_it(plain, tmp_path):
  folder = tmp_path / 'data' / 'corpus'
  shutil.copytree(plain.corpus.path, folder)
  before = _contents(tmp_path)
  for path, says in (
    (folder, 'is the corpus folder'),
    (folder / 'run', f'{folder / "run"} is inside {folder}'),
    (tmp_path / 'data', f'{folder} is inside {tmp_path / "data"}'),
  ):
    for function in (loop.train, loop.dry_run):
      with pytest.raises(errors.InputError) as raised:
        function(small.config(folder, **_PLAIN), path)
      assert str(raised.value).startswith(f'--workdir: {path}: {says}')
    assert _contents(tmp_path) == before


def test_a_device_whose_memory_is_full_is_told_in_one_line(
  plain, tmp_path, monkeypatch
):
  def fail(*_):
    raise RuntimeError('RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes')

  monkeypatch.setattr(trainer.step, 'init', fail)
  with pytest.raises(errors.InputError, match='lower config'):
    loop.train(small.config(plain.corpus.path, **_PLAIN), tmp_path / 'run')


def test_prediction_computes_what_the_table_has(rich, monkeypatch):
  shown, compiled = [], inference.compiled

  def counting(program, layout):
    run = compiled(program, layout)

    def call(data, given, rows, *rest):
      shown.append((np.asarray(given)[0].sum(), rows.shape[0] * rows.shape[1]))
      return run(data, given, rows, *rest)

    return call

  monkeypatch.setattr(inference, 'compiled', counting)
  table = inference.predict(rich.path, rich.corpus.path)
  assert len(table) == len(rich.table)
  # Each of 7 views, 3 folds and 2 seeds is shown all that it sees, once; those
  # of the full view also each other subset. They go in groups of six.
  slots = 6 + -6 % len(jax.local_devices())
  assert sorted(shown) == sorted(
    [(3, slots)] * 7 + [(2, slots)] * 3 + [(1, slots)] * 3
  )


def test_another_config_is_refused(plain):
  before = _contents(plain.path)
  config = small.config(plain.corpus.path, **_PLAIN, batch_size=8, l2=(0.5,))
  with pytest.raises(errors.InputError) as raised:
    loop.train(config, plain.path)
  message = str(raised.value)
  assert str(plain.path) in message
  assert 'config.batch_size is 8, was 16' in message
  assert 'config.l2 is [0.5], was [0.001]' in message
  assert 'num_epochs' not in message
  assert _contents(plain.path) == before


def test_another_corpus_is_refused_but_not_another_place(plain, tmp_path):
  full = corpora.read(plain.corpus.path, None)
  corpora.write(full, tmp_path / 'same')
  same = small.config(tmp_path / 'same', **_PLAIN)
  assert loop.train(same, plain.path).num_members == 18
  labels = full.labels.copy()
  labels[0] = 1 - labels[0]
  corpora.write(dataclasses.replace(full, labels=labels), tmp_path / 'other')
  other = small.config(tmp_path / 'other', **_PLAIN)
  before = _contents(plain.path)
  with pytest.raises(errors.InputError, match=r'on: clips\.csv differs;'):
    loop.train(other, plain.path)
  assert _contents(plain.path) == before


def test_a_run_goes_on_in_the_chunks_that_it_began_with(
  plain, tmp_path, monkeypatch, caplog
):
  config = small.config(plain.corpus.path, **_PLAIN, members_per_device=10)
  devices = len(jax.devices())
  _cut_off(monkeypatch, config, tmp_path, 1)
  record = json.loads((tmp_path / 'config.json').read_text())
  (group,) = record['groups']
  assert group['size'] == min(9 * devices, 18)
  # As other devices began it.
  group['size'] = 11
  (tmp_path / 'config.json').write_text(json.dumps(record))
  caplog.clear()
  loop.train(config, tmp_path)
  trained = json.loads((tmp_path / 'members.json').read_text())
  assert [len(entries) for entries in trained['members']] == [11, 7]
  assert len(_restored(tmp_path, 1)['best_epoch']) == 7
  told = [text for text in caplog.messages if 'began in chunks of 11' in text]
  assert len(told) == (devices == 1)
  assert (
    _difference(plain.table, pq.read_table(tmp_path / 'predictions.parquet'))
    <= 1e-4
  )


@pytest.mark.parametrize(
  ('changes', 'says'),
  [
    ({'corpus': 'nowhere'}, 'nowhere: no such corpus folder'),
    ({'corpus': ''}, 'config.corpus: is empty'),
    ({'views': ('text+smell',)}, 'config.views'),
    ({'num_folds': 2}, '2 folds'),
    ({'num_folds': 13}, 'num_folds: 13 folds need as many groups'),
    ({'num_epochs': 0}, 'config.num_epochs: 0'),
    ({'seed': -1}, 'config.seed: -1'),
    ({'targets': 'wishes'}, 'config.targets'),
    ({'parallel': 'both'}, 'config.parallel'),
    ({'peak_learning_rate': (float('nan'),)}, 'config.peak_learning_rate'),
    ({'model': {'fusion': 'glue'}}, 'config.model.fusion'),
    ({'model': {'fusion': 'concat', 'widht': 3}}, 'config.model.widht'),
    ({'model': {'fusion': 'concat', 'hidden': (0,)}}, 'config.model.hidden'),
    ({'model': {'fusion': 'concat', 'dropout': 1.5}}, 'config.model.dropout'),
    ({'model': {'hidden': (4,)}}, 'config.model.fusion: is missing'),
    ({'model': {'fusion': 'test_loop:Fails'}}, 'test_loop:Fails gives a int'),
  ],
)
@pytest.mark.parametrize('is_there', [False, True])
def test_wrong_input_leaves_nothing_behind(
  plain, tmp_path, changes, says, is_there
):
  config = small.config(plain.corpus.path, 'concat').unlock()
  for name, value in changes.items():
    config[name] = value
  path = tmp_path / 'run'
  if is_there:
    path.mkdir()
  with pytest.raises(errors.InputError) as raised:
    loop.train(config.lock(), path)
  assert says in str(raised.value)
  assert len(str(raised.value).splitlines()) == 1
  assert list(tmp_path.rglob('*')) == ([path] if is_there else [])


def test_a_member_without_a_labelled_clip_leaves_nothing_behind(tmp_path):
  parameters = simulate.Parameters(num_clips=30, num_groups=6, width=4)
  corpus, _ = simulate.simulate(parameters, 0)
  corpora.write(
    dataclasses.replace(
      corpus, labels=np.full(30, corpora.UNLABELLED, np.int32)
    ),
    tmp_path / 'corpus',
  )
  with pytest.raises(errors.InputError, match='view text, fold 0: no labelled'):
    loop.train(small.config(tmp_path / 'corpus'), tmp_path / 'run')
  assert not (tmp_path / 'run').exists()
