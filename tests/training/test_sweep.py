"""Sweeps: each member as if trained alone, and an honest choice among them."""

import csv
import dataclasses
import itertools
import json
import logging
import math
import shutil

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
import small

from empathy import errors
from empathy.corpora import corpus as corpora
from empathy.evaluation import reading
from empathy.training import (
  configuration,
  inference,
  loop,
  members,
  metric_writer,
  sweep,
)

_AXES = {
  'peak_learning_rate': (0.0, 0.01),
  'model.dropout': (0.0, 0.5),
}
_SETTINGS = [
  dict(zip(_AXES, values, strict=True))
  for values in itertools.product(*_AXES.values())
]
_VIEWS = ('text', 'text+video')
# Trained on features that were off by rounding.FACTOR units, no number of a
# member or its predictions went farther than 8.6e-6; four times as far, as in
# rounding.trained. There is no gradient that is nothing but rounding.
_TOLERANCE = 4 * 8.6e-6


def _config(corpus, values, **overrides):
  """The smallest thing with two trainings, calibration and dropout."""
  fields = {
    'views': _VIEWS,
    'num_epochs': 2,
    'keep': 'refit',
    'auxiliary': 1.0,
    'l2': 0.03,
    'model': {
      'fusion': 'gated_evidence',
      'hidden': (8,),
      'dropout': 0.0,
      'input_dropout': 0.0,
    },
  } | overrides
  config = small.config(corpus).unlock()
  del config['model']
  with config.ignore_type():
    config.update(fields)
    for name, value in values.items():
      inner = config.model if name.startswith('model.') else config
      inner[name.removeprefix('model.')] = value
  return config.lock()


def _telling(corpus, **changes):
  """The same clips with features that tell of the label, seen or written."""
  rng = np.random.default_rng(4)
  features = {
    modality: dataclasses.replace(
      found,
      values=(
        0.7 * corpus.labels[found.clip, None] + rng.normal(size=(90, 10))
      ).astype(np.float32),
    )
    for modality, found in corpus.features.items()
    if modality != 'audio'
  }
  info = corpus.info | {'modalities': list(features)}
  return dataclasses.replace(corpus, info=info, features=features, **changes)


@pytest.fixture(scope='module', name='corpus')
def _corpus(tmp_path_factory):
  folder = tmp_path_factory.mktemp('corpora')
  made = _telling(small.write_corpus(folder / 'made'))
  corpora.write(made, folder / 'corpus')
  return corpora.read(folder / 'corpus', None)


@pytest.fixture(scope='module', name='swept')
def _swept(corpus, tmp_path_factory):
  """The workdir of a sweep along two axes."""
  path = tmp_path_factory.mktemp('swept') / 'run'
  loop.train(_config(corpus.path, _AXES), path)
  return path


@pytest.fixture(scope='module', name='alone')
def _alone(corpus, tmp_path_factory):
  """For each setting that learns the workdir of a run with it alone."""
  folder = tmp_path_factory.mktemp('alone')
  paths = {}
  for number, setting in enumerate(_SETTINGS):
    if setting['peak_learning_rate']:
      paths[number] = folder / str(number)
      loop.train(_config(corpus.path, setting), paths[number])
  return paths


def _entries(path):
  """What `members.json` says, and by member the parameters."""
  (entries,) = json.loads((path / 'members.json').read_text())['members']
  saved = small.read_saved(path / 'members' / '0')
  for index, entry in enumerate(entries):
    own = {key: saved[key] for key in ('params', 'batch_stats')}
    yield entry, jax.tree.map(lambda x, at=index: np.asarray(x)[at], own)


# Of one step test_step.py says the same.
@pytest.mark.long
def test_each_member_is_what_it_is_alone(swept, alone):
  expected = {}
  for number, path in alone.items():
    for entry, arrays in _entries(path):
      setting = str(_SETTINGS[number])
      key = entry['view'], entry['fold'], entry['seed'], setting
      expected[key] = entry, arrays
      assert 'setting' not in entry
      assert 'chosen' not in entry
  found = 0
  for entry, arrays in _entries(swept):
    key = entry['view'], entry['fold'], entry['seed'], str(entry['setting'])
    if key not in expected:
      continue
    other, other_arrays = expected[key]
    jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, atol=_TOLERANCE),
      arrays,
      other_arrays,
    )
    assert entry['val_accuracy'] == other['val_accuracy']
    assert entry['val_loss'] == pytest.approx(other['val_loss'], abs=_TOLERANCE)
    assert entry['best_epoch'] == other['best_epoch'] == 3
    found += 1
  assert found == len(expected) == 2 * 3 * 2 * 2
  # Settings do differ: this is no comparison of four times the same.
  kernels = [
    arrays['params']['fusion']['head_text']['Dense_0']['weight']
    for entry, arrays in _entries(swept)
    if (entry['view'], entry['fold'], entry['seed']) == ('text', 0, 42)
  ]
  distances = [np.abs(x - y).max() for x, y in itertools.pairwise(kernels)]
  assert distances[0] == 0  # A learning rate of 0.
  assert min(distances[1:]) > 10 * _TOLERANCE


def _best_by_hand(swept):
  """By (view, fold), the setting with the best mean accuracy over seeds."""
  scores = {}
  for entry, _ in _entries(swept):
    key = entry['view'], entry['fold']
    number = _SETTINGS.index(entry['setting'])
    mine = scores.setdefault(key, {}).setdefault(number, [])
    mine.append((entry['val_accuracy'], -entry['val_loss']))
  return {
    key: max(found, key=lambda n, own=found: tuple(np.mean(own[n], axis=0)))
    for key, found in scores.items()
  }


def test_the_choice_is_the_argmax_and_it_alone_predicts(corpus, swept):
  best = _best_by_hand(swept)
  assert len(best) == 6
  for entry, _ in _entries(swept):
    chosen = _SETTINGS[best[entry['view'], entry['fold']]]
    assert entry['chosen'] == (entry['setting'] == chosen)
  read = reading.read(swept / 'predictions.parquet', corpus)
  # Of each view and seed once, and of the full one shown less.
  assert read.num_rows == 90 * 2 * (1 + 1 + 2)


@pytest.mark.long
def test_the_predictions_are_those_of_the_choice(corpus, swept, alone):
  best = _best_by_hand(swept)
  tables = {
    number: pq.read_table(path / 'predictions.parquet')
    for number, path in alone.items()
  }
  expected = [
    dict(zip(tables, rows, strict=True))[best[rows[0]['view'], rows[0]['fold']]]
    for rows in zip(
      *(table.to_pylist() for table in tables.values()), strict=True
    )
  ]
  table = pq.read_table(swept / 'predictions.parquet')
  assert table.schema == tables[3].schema
  for row, other in zip(table.to_pylist(), expected, strict=True):
    assert row == pytest.approx(other, abs=_TOLERANCE)
  read = reading.read(swept / 'predictions.parquet', corpus)
  assert read.num_rows == len(tables[3])


def test_a_learning_rate_of_nothing_is_never_chosen(swept):
  with open(swept / 'sweep.csv') as file:
    rows = list(csv.DictReader(file))
  assert len(rows) == 2 * 3 * 4
  by_rate = {rate: [] for rate in ('0.0', '0.01')}
  for row in rows:
    by_rate[row['peak_learning_rate']].append(int(row['chosen']))
  assert sum(by_rate['0.0']) == 0
  assert sum(by_rate['0.01']) == 6


def test_the_table_of_settings_says_what_members_came_to(swept):
  entries = [entry for entry, _ in _entries(swept)]
  with open(swept / 'sweep.csv') as file:
    for row in csv.DictReader(file):
      setting = {name: float(row[name]) for name in _AXES}
      own = [
        entry
        for entry in entries
        if (entry['view'], entry['fold']) == (row['view'], int(row['fold']))
        and entry['setting'] == setting
      ]
      assert [entry['seed'] for entry in own] == [42, 43]
      assert [entry['chosen'] for entry in own] == [row['chosen'] == '1'] * 2
      for column in ('val_accuracy', 'val_loss'):
        mean = np.mean([entry[column] for entry in own])
        assert float(row[column]) == pytest.approx(mean, abs=1e-6)
      assert row['failed_seeds'] == '0'


def test_what_a_run_tells_names_the_setting(swept):
  lines = (swept / 'metrics.jsonl').read_text().splitlines()
  keys = [
    (line['epoch'], line['view'], line['fold'], line['seed'], *setting)
    for line in map(json.loads, lines)
    for setting in [line['setting'].values()]
  ]
  expected = itertools.product(
    range(4), _VIEWS, range(3), (42, 43), *_AXES.values()
  )
  assert sorted(keys) == sorted(expected)
  runs = {path.name for path in (swept / 'events' / '0').iterdir()}
  assert len(runs) == 2 * 4
  assert 'text, peak_learning_rate 0.01, model.dropout 0' in runs
  name = members.Name('text', 1, 42, (('l2', 0.1),))
  assert str(name) == 'view text, fold 1, seed 42, l2 0.1'


# Little to compile.
_CONCAT = {
  'keep': 'best',
  'auxiliary': 0.0,
  'model': {'fusion': 'concat', 'hidden': (8,), 'dropout': 0.0},
}


@pytest.fixture(scope='module', name='short')
def _short(corpus):
  """A sweep that is quick to train."""
  return _config(
    corpus.path,
    {'l2': (0.0, 0.01, 0.5)},
    **_CONCAT,
    checkpoint_seconds=0.0,
    members_per_device=12,
  )


def test_a_sweep_goes_on_in_chunks_to_the_same_bytes(
  short, tmp_path, monkeypatch, caplog
):
  caplog.set_level(logging.INFO, 'empathy')
  loop.train(short, tmp_path / 'whole')
  (told,) = [text for text in caplog.messages if 'sweep of 3' in text]
  assert 'for how many of 6 views and folds: l2 ' in told
  assert any('3 settings) in ' in text for text in caplog.messages)
  write = metric_writer.MetricWriter.write

  class CutOffError(Exception):
    pass

  def failing(self, epoch, *args):
    write(self, epoch, *args)
    if self._chunk == 1 and epoch == 1:
      raise CutOffError

  with monkeypatch.context() as patch:
    patch.setattr(metric_writer.MetricWriter, 'write', failing)
    with pytest.raises(CutOffError):
      loop.train(short, tmp_path / 'cut')
  caplog.clear()
  loop.train(short, tmp_path / 'cut')
  assert 'chunk 1 goes on from epoch 1' in caplog.messages
  for name in (
    *('predictions.parquet', 'metrics.jsonl', 'members.json', 'sweep.csv'),
  ):
    whole, cut = (tmp_path / run / name for run in ('whole', 'cut'))
    assert whole.read_bytes() == cut.read_bytes()


def test_a_dry_run_counts_the_settings(corpus, short, tmp_path):
  one = _config(corpus.path, {}, **_CONCAT)
  runs = [loop.dry_run(config, tmp_path) for config in (one, short)]
  firsts = [lines[0] for lines in runs]
  assert firsts[0].startswith('12 members (2 views, 3 folds, 2 seeds) in ')
  assert firsts[1].startswith(
    '36 members (2 views, 3 folds, 2 seeds, 3 settings) in '
  )
  operations = [
    float(lines[-1].partition(' TFLOP')[0].rpartition(' ')[2]) for lines in runs
  ]
  assert operations[1] == pytest.approx(3 * operations[0], rel=0.01)


# Of the weights of layers test_layered.py says the same.
@pytest.mark.long
def test_new_clips_are_predicted_by_chosen_members(
  corpus, swept, alone, tmp_path
):
  ids = np.array([f'new_{clip}' for clip in corpus.ids.tolist()])
  new = dataclasses.replace(corpus, ids=ids)
  corpora.write(new, tmp_path / 'new')
  table = inference.predict(swept, tmp_path / 'new').to_pylist()
  old = pq.read_table(swept / 'predictions.parquet').to_pylist()
  assert {row['id'] for row in table} == set(ids.tolist())
  keys = [(row['id'], row['view'], row['given'], row['seed']) for row in table]
  assert sorted(keys) == sorted(
    (f'new_{row["id"]}', row['view'], row['given'], row['seed']) for row in old
  )
  # The clips of the run are predicted as they were when they were held out.
  again = inference.predict(swept, corpus.path).to_pylist()
  for row, other in zip(again, old, strict=True):
    assert row['prob_neutral'] == pytest.approx(other['prob_neutral'], abs=1e-6)
  # Had one setting been the best everywhere, they would be what it predicts.
  shutil.copytree(swept, tmp_path / 'run')
  record = json.loads((tmp_path / 'run' / 'members.json').read_text())
  for entry in record['members'][0]:
    entry['chosen'] = entry['setting'] == _SETTINGS[3]
  (tmp_path / 'run' / 'members.json').write_text(json.dumps(record))
  found, expected = (
    inference.predict(path, tmp_path / 'new').to_pylist()
    for path in (tmp_path / 'run', alone[3])
  )
  for row, other in zip(found, expected, strict=True):
    assert row == pytest.approx(other, abs=_TOLERANCE)
  assert found != table


def test_held_out_labels_have_no_say(tmp_path):
  made = small.write_corpus(tmp_path / 'made')
  split = np.array(['train', 'val', 'test'])[
    np.unique(made.groups, return_inverse=True)[1] % 3
  ]
  first = _telling(made, split=split, votes=None)
  labels = first.labels.copy()
  test = np.flatnonzero(split == 'test')
  labels[test] = 1 - labels[test]
  axes = {'peak_learning_rate': (1e-3, 0.01), 'model.dropout': (0.0, 0.5)}
  results = []
  for name, corpus in (
    ('first', first),
    ('second', dataclasses.replace(first, labels=labels)),
  ):
    corpora.write(corpus, tmp_path / name)
    config = _config(tmp_path / name, axes, **_CONCAT)
    loop.train(config, tmp_path / f'run_{name}')
    results.append(
      [
        (tmp_path / f'run_{name}' / file).read_bytes()
        for file in ('sweep.csv', 'members.json', 'predictions.parquet')
      ]
    )
  assert results[0] == results[1]


# The choice itself.


def _choose(rows):
  """Scores of rows (view, fold, seed, l2, accuracy, loss, is_alive)."""
  names = [members.Name(*row[:3], (('l2', row[3]),)) for row in rows]
  accuracy, loss, alive = (
    np.array([row[column] for row in rows]) for column in (4, 5, 6)
  )
  accuracy = np.where(alive, accuracy, np.nan)
  return sweep.choose(names, accuracy, loss)


def test_the_best_mean_over_seeds_is_chosen_for_each_view_and_fold():
  scores = _choose(
    [
      ('text', 0, 1, 0.1, 0.9, 0.5, True),
      ('text', 0, 2, 0.1, 0.5, 0.5, True),
      ('text', 0, 1, 0.2, 0.8, 0.9, True),
      ('text', 0, 2, 0.2, 0.8, 0.9, True),
      ('text', 1, 1, 0.1, 0.6, 0.5, True),
      ('text', 1, 1, 0.2, 0.5, 0.5, True),
    ]
  )
  assert [(s.fold, s.setting) for s in scores if s.is_chosen] == [
    (0, (('l2', 0.2),)),
    (1, (('l2', 0.1),)),
  ]
  assert [s.score for s in scores] == pytest.approx([0.7, 0.8, 0.6, 0.5])
  assert [s.loss for s in scores] == pytest.approx([0.5, 0.9, 0.5, 0.5])


def test_of_equals_the_lower_loss_then_the_first_is_chosen():
  """Sums of rounded accuracies would not be equal: 3/10 + 6/10, 4/10 + 5/10."""
  rows = [
    ('text', 0, 1, 0.1, np.float32(0.3), 0.5, True),
    ('text', 0, 2, 0.1, np.float32(0.6), 0.5, True),
    ('text', 0, 1, 0.2, np.float32(0.4), 0.4, True),
    ('text', 0, 2, 0.2, np.float32(0.5), 0.4, True),
    ('text', 0, 1, 0.3, np.float32(0.4), 0.4, True),
    ('text', 0, 2, 0.3, np.float32(0.5), 0.4, True),
  ]
  assert [s.is_chosen for s in _choose(rows)] == [False, True, False]
  assert [s.is_chosen for s in _choose(rows[2:] + rows[:2])] == [
    *(True, False, False),
  ]


def test_a_member_without_a_finite_epoch_counts_as_never_right():
  rows = [
    ('text', 0, 1, 0.1, 0.9, 0.1, True),
    ('text', 0, 2, 0.1, -1.0, math.inf, False),
    ('text', 0, 1, 0.2, 0.5, 0.7, True),
    ('text', 0, 2, 0.2, 0.5, 0.7, True),
  ]
  first, second = _choose(rows)
  assert (first.score, first.loss, first.failed) == (0.45, math.inf, 1)
  assert second.is_chosen
  text = sweep.as_csv([first, second])
  assert text.splitlines() == [
    'view,fold,l2,val_accuracy,val_loss,failed_seeds,chosen',
    'text,0,0.1,0.450000,,1,0',
    'text,0,0.2,0.500000,0.700000,0,1',
  ]
  # What a metric may be below 0, such a member is as bad as the worst.
  below = [(*row[:4], row[4] - 0.8, *row[5:]) for row in rows]
  assert [s.score for s in _choose(below)] == [-0.1, -0.3]
  # Nobody learns anything: there is a choice all the same.
  lost = [(*row[:4], -1.0, math.nan, False) for row in rows]
  assert [s.is_chosen for s in _choose(lost)] == [True, False]


# Configs.


def test_settings_are_every_combination(corpus):
  config = _config(corpus.path, _AXES)
  assert configuration.settings(config) == _SETTINGS
  assert configuration.settings(_config(corpus.path, {})) == [{}]
  one = _config(corpus.path, {'l2': (0.1,), 'model.dropout': (0.5,)})
  assert configuration.settings(one) == [{}]


@pytest.mark.parametrize(
  ('values', 'says'),
  [
    ({'l2': ()}, 'config.l2: has no value'),
    ({'l2': (0.1, -1)}, 'config.l2: -1 is not 0 or more'),
    ({'l2': (0.1, 'a')}, "config.l2: 'a' is not a number"),
    ({'l2': (True, 0.5)}, 'config.l2: True is not a number'),
    ({'l2': (0.1, 0.2, 0.1)}, 'config.l2: 0.1 is there more than once'),
    ({'l2': math.inf}, 'config.l2: inf is not 0 or more'),
    (
      {'peak_learning_rate': (1e-3, math.nan)},
      'config.peak_learning_rate: nan is not 0 or more',
    ),
    (
      {'model.dropout': (0.1, 1)},
      'config.model.dropout: 1 is not 0 or more and below 1',
    ),
    ({'num_epochs': (1, 2)}, 'config.num_epochs: (1, 2) is not of the type'),
    ({'auxiliary': (0.0, 1.0)}, 'config.auxiliary: (0.0, 1.0) is not a number'),
  ],
)
def test_wrong_values_are_told(corpus, values, says):
  config = _config(corpus.path, values)
  with pytest.raises(errors.InputError) as raised:
    configuration.check(config)
  assert str(raised.value).startswith(says)
  assert len(str(raised.value).splitlines()) == 1
