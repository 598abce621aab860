"""Predicting with trained members: `python -m empathy.predict`."""

import collections
import dataclasses
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import rounding
import small

from empathy.corpora import corpus as corpora
from empathy.corpora import simulate
from empathy.evaluation import reading
from empathy.training import inference, loop

_VIEWS = ('text', 'text+audio+video')
_SUBSETS = (
  'text',
  'audio',
  'video',
  'text+audio',
  'text+video',
  'audio+video',
  'text+audio+video',
)
_SEEDS = (42, 43)
_PROBS = ('prob_neutral', 'prob_empathetic')
# Parameters that are off by a unit move no probability by more than .23 of one:
# by rounding.FACTOR units 8, and what is computed is itself rounded.
_TOLERANCE = 16 * rounding.UNIT


@pytest.fixture(scope='module', name='run')
def _run(server):
  return server.run


@pytest.fixture(scope='module', name='folder')
def _folder(tmp_path_factory):
  """A trained run, its corpus, and new corpora."""
  folder = tmp_path_factory.mktemp('predict')
  made = corpora.read(small.write_corpus(folder / 'made').path, None)
  features = dict(made.features)
  features['audio'] = small.sequences(features['audio'])
  features['video'] = small.without(features['video'], [3, 8])
  corpora.write(dataclasses.replace(made, features=features), folder / 'corpus')
  config = small.config(
    folder / 'corpus', 'concat', views=_VIEWS, members_per_device=4
  )
  loop.train(config, folder / 'run')
  _write_new(folder / 'new')
  return folder


def _new(**changes):
  """Other clips, of another simulation, without labels and votes."""
  parameters = simulate.Parameters(num_clips=31, num_groups=5, width=10)
  corpus, _ = simulate.simulate(parameters, seed=8)
  features = dict(corpus.features)
  # Longer and shorter sequences than those trained on.
  length = np.arange(31) % 9 + 1
  features['audio'] = corpora.Features(
    features['audio'].clip,
    np.repeat(features['audio'].values, length, axis=0),
    length,
  )
  features['video'] = small.without(features['video'], [30])
  fields = {
    'ids': np.array([f'new{i}' for i in range(31)]),
    'labels': np.full(31, corpora.UNLABELLED, np.int32),
    'votes': None,
    'features': features,
  }
  return dataclasses.replace(corpus, **fields | changes)


def _write_new(path, **changes):
  corpora.write(_new(**changes), path)


def _predict(run, folder, corpus, output, workdir='run'):
  return run(
    'predict',
    f'--workdir={folder / workdir}',
    f'--corpus={corpus}',
    f'--output={output}',
    cwd=output.parent,
  )


def _columns(table, *names):
  return np.stack([table[name].to_numpy() for name in names], axis=1)


def _keys(table):
  names = ('id', 'view', 'seed', 'given')
  return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def test_the_training_corpus_is_predicted_as_in_training(run, folder, tmp_path):
  done = _predict(run, folder, folder / 'corpus', tmp_path / 'p.parquet')
  assert done.status == 0, done.err
  found = pq.read_table(tmp_path / 'p.parquet')
  expected = pq.read_table(folder / 'run' / 'predictions.parquet')
  assert str(len(expected)) in done.out
  assert '90 of 90 clips are in the training corpus' in done.err
  assert _keys(found) == _keys(expected)
  assert found['fold'].equals(expected['fold'])
  np.testing.assert_allclose(
    _columns(found, *_PROBS), _columns(expected, *_PROBS), atol=_TOLERANCE
  )


@pytest.fixture(scope='module', name='new')
def _new_table(run, folder, tmp_path_factory):
  output = tmp_path_factory.mktemp('new') / 'deep' / 'p.parquet'
  output.parent.mkdir()
  done = _predict(run, folder, folder / 'new', output)
  assert done.status == 0, done.err
  assert 'training corpus' not in done.err
  return pq.read_table(output)


def test_new_clips_have_a_row_for_each_view_seed_and_subset(new):
  keys = _keys(new)
  expected = set()
  for clip in range(31):
    own = {'text', 'audio', 'video'} - ({'video'} if clip == 30 else set())
    for seed in _SEEDS:
      expected.add((f'new{clip}', 'text', seed, 'text'))
      expected |= {
        (f'new{clip}', _VIEWS[1], seed, given)
        for given in _SUBSETS
        if set(given.split('+')) <= own
      }
  assert len(keys) == len(set(keys))
  assert set(keys) == expected
  assert set(new['fold'].to_pylist()) == {0}
  np.testing.assert_allclose(_columns(new, *_PROBS).sum(1), 1, atol=1e-12)


def test_a_new_clip_is_the_mean_of_the_folds(folder, new, tmp_path):
  # Under the name of a clip of each fold, it is predicted by that fold alone.
  trained = json.loads((folder / 'run' / 'members.json').read_text())
  a_clip_of = {fold: clip for clip, fold in trained['fold_of'].items()}
  alone = []
  for fold in range(3):
    ids = np.array([f'new{i}' for i in range(31)])
    ids = np.where(ids == 'new5', a_clip_of[fold], ids)
    _write_new(tmp_path / f'{fold}', ids=ids)
    table = inference.predict(folder / 'run', tmp_path / f'{fold}')
    rows = [row for row in table.to_pylist() if row['id'] == a_clip_of[fold]]
    assert {row['fold'] for row in rows} == {fold}
    alone.append(rows)
  rows = [row for row in new.to_pylist() if row['id'] == 'new5']
  assert len(rows) == 2 * (1 + 7)
  for row, *parts in zip(rows, *alone, strict=True):
    names = ('view', 'seed', 'given')
    assert all(part[n] == row[n] for part in parts for n in names)
    each = [part['prob_empathetic'] for part in parts]
    assert max(each) - min(each) > 1e-4
    assert row['prob_empathetic'] == pytest.approx(
      np.mean(each), abs=_TOLERANCE
    )


def test_a_corpus_with_known_and_new_clips(folder, new, tmp_path):
  ids = np.array(['clip07', *(f'new{i}' for i in range(1, 31))])
  _write_new(tmp_path / 'mixed', ids=ids)
  table = inference.predict(folder / 'run', tmp_path / 'mixed')
  known = collections.Counter(table['id'].to_pylist())
  assert known['clip07'] == known['new1'] == 16
  found = {
    key: prob
    for key, prob in zip(
      _keys(table), table['prob_neutral'].to_pylist(), strict=True
    )
    if key[0] != 'clip07'
  }
  for key, prob in zip(
    _keys(new), new['prob_neutral'].to_pylist(), strict=True
  ):
    assert key[0] == 'new0' or found[key] == pytest.approx(prob, abs=_TOLERANCE)


def test_a_modality_may_be_missing(run, folder, new, tmp_path):
  features = _new().features
  del features['audio']
  _write_new(tmp_path / 'new', features=features)
  done = _predict(run, folder, tmp_path / 'new', tmp_path / 'p.parquet')
  assert done.status == 0, done.err
  (told,) = done.err.splitlines()
  assert f'{tmp_path / "new/features/audio.npz"}: no such file' in told
  found = pq.read_table(tmp_path / 'p.parquet')
  expected = {
    key: prob
    for key, prob in zip(
      _keys(new), new['prob_neutral'].to_pylist(), strict=True
    )
    if 'audio' not in key[3]
  }
  assert set(_keys(found)) == set(expected)
  for key, prob in zip(
    _keys(found), found['prob_neutral'].to_pylist(), strict=True
  ):
    assert prob == pytest.approx(expected[key], abs=_TOLERANCE)


def test_evaluate_judges_the_table_if_the_clips_have_labels(
  run, folder, tmp_path
):
  corpus, _ = simulate.simulate(
    simulate.Parameters(num_clips=31, num_groups=5, width=10), seed=8
  )
  _write_new(tmp_path / 'new', labels=corpus.labels, votes=corpus.votes)
  done = _predict(run, folder, tmp_path / 'new', tmp_path / 'p.parquet')
  assert done.status == 0, done.err
  done = run(
    'evaluate',
    '--predictions=p.parquet',
    '--corpus=new',
    '--output=study',
    cwd=tmp_path,
  )
  assert done.status == 0, done.err
  study = json.loads((tmp_path / 'study/study.json').read_text())
  read = reading.read(
    tmp_path / 'p.parquet', corpora.read(tmp_path / 'new', None)
  )
  right = (
    read.probabilities['text'].argmax(axis=2) == corpus.labels[None, :]
  ).mean()
  found = study['statistics']['views.text.accuracy']['estimate']
  assert found == pytest.approx(right)


def _fails(run, folder, corpus, tmp_path, says, workdir='run'):
  before = sorted(tmp_path.iterdir())
  done = _predict(run, folder, corpus, tmp_path / 'p.parquet', workdir)
  assert done.status == 2, done
  assert done.out == ''
  assert says in done.err
  assert len(done.err.splitlines()) == 1, done.err
  assert sorted(tmp_path.iterdir()) == before


def test_features_of_another_width(run, folder, tmp_path):
  features = _new().features
  values = features['text'].values
  features['text'] = corpora.Features(features['text'].clip, values[:, :7])
  _write_new(tmp_path / 'new', features=features)
  says = (
    'features/text.npz: features are 7 wide; the members were trained on 10'
  )
  _fails(run, folder, tmp_path / 'new', tmp_path, says)


def test_features_of_another_kind(run, folder, tmp_path):
  features = _new().features
  features['text'] = small.sequences(features['text'])
  _write_new(tmp_path / 'new', features=features)
  says = (
    'features/text.npz: holds sequences; the members were trained on pooled'
  )
  _fails(run, folder, tmp_path / 'new', tmp_path, says)


def test_no_features_at_all(folder, tmp_path):
  _write_new(tmp_path / 'new', features={})
  with pytest.raises(ValueError, match='has no features of text, audio, video'):
    inference.predict(folder / 'run', tmp_path / 'new')


def test_a_workdir_that_is_none(run, folder, tmp_path):
  says = 'nowhere/config.json: no such file; is this the --workdir'
  _fails(run, folder, folder / 'new', tmp_path, says, 'nowhere')


def test_a_workdir_that_is_not_finished(run, folder, tmp_path):
  (tmp_path / 'run').mkdir()
  config = (folder / 'run' / 'config.json').read_bytes()
  (tmp_path / 'run' / 'config.json').write_bytes(config)
  says = 'run/members.json: no such file'
  _fails(run, tmp_path, folder / 'new', tmp_path, says)


def test_a_corpus_that_is_none(run, folder, tmp_path):
  _fails(run, folder, folder / 'gone', tmp_path, 'gone: no such corpus folder')


@pytest.fixture(name='damaged')
def _damaged(folder, tmp_path_factory):
  """A copy of the trained run, to be damaged."""
  path = tmp_path_factory.mktemp('damaged')
  shutil.copytree(folder / 'run', path / 'run')
  return path


def _flip(path):
  file = max(path.rglob('*'), key=lambda file: file.stat().st_size)
  data = bytearray(file.read_bytes())
  data[len(data) // 2] ^= 1
  file.write_bytes(data)


@pytest.mark.parametrize(
  ('damage', 'says'),
  [
    (
      lambda run: _flip(run / 'members/2/0/d'),
      'run/members/2: is damaged: 0/d/',
    ),
    (
      lambda run: (run / 'members/1.sha256.json').unlink(),
      'run/members/1: is no whole checkpoint',
    ),
    (
      lambda run: (run / 'members/0/0/_METADATA').unlink(),
      'run/members/0: is damaged: 0/_METADATA',
    ),
    (
      lambda run: (run / 'members.json').write_text('{"classes": ['),
      'run/members.json: is not JSON',
    ),
    (
      lambda run: (run / 'members.json').write_text('{"classes": []}'),
      'run/members.json: lacks the keys widths',
    ),
    (
      lambda run: (run / 'config.json').write_text('[]'),
      'run/config.json: lacks the keys config',
    ),
  ],
)
def test_a_damaged_run(run, folder, damaged, tmp_path, damage, says):
  damage(damaged / 'run')
  _fails(run, damaged, folder / 'new', tmp_path, says)


def test_a_failed_member_does_not_take_part(run, folder, new, damaged):
  path = damaged / 'run' / 'members.json'
  trained = json.loads(path.read_text())
  entry = trained['members'][0][0]
  entry['best_epoch'] = -1
  path.write_text(json.dumps(trained))
  table = inference.predict(damaged / 'run', folder / 'new')
  assert _keys(table) == _keys(new)
  lost = (entry['view'], entry['seed'])
  for row, other in zip(table.to_pylist(), new.to_pylist(), strict=True):
    same = row['prob_neutral'] == pytest.approx(
      other['prob_neutral'], abs=_TOLERANCE
    )
    assert same == ((row['view'], row['seed']) != lost)


def test_more_devices_than_the_members_divide_among(run, folder, tmp_path):
  config = small.config(
    folder / 'corpus', 'concat', views=('text',), num_seeds=1
  )
  # One member a chunk, and the binary has as many devices as cores.
  config.members_per_device = 1
  loop.train(config, tmp_path / 'run')
  done = _predict(run, tmp_path, folder / 'new', tmp_path / 'p.parquet')
  assert done.status == 0, done.err
  assert len(pq.read_table(tmp_path / 'p.parquet')) == 31
