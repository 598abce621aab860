import dataclasses

import numpy as np
import small
from sklearn import preprocessing

from empathy.corpora import corpus as corpora
from empathy.corpora import simulate
from empathy.training import inference, loop, normalisation


def _features(length=None):
  rng = np.random.default_rng(0)
  rows = 12 if length is None else int(np.sum(length))
  values = rng.normal(3, 2, size=(rows, 4)).astype('f4')
  return corpora.Features(np.arange(12, dtype=np.int32), values, length)


def test_each_group_is_standardised():
  groups = np.array(['b', 'a', 'c'] * 4)
  features = {'text': _features()}
  found = normalisation.normalised(features, groups, 'group')['text']
  for group in 'abc':
    own = groups == group
    expected = preprocessing.StandardScaler().fit_transform(
      features['text'].values[own].astype(np.float64)
    )
    np.testing.assert_allclose(found.values[own], expected, atol=1e-5)


def test_what_a_group_has_in_common_is_gone():
  groups = np.array(['b', 'a', 'c'] * 4)
  plain = _features()
  shift = np.array([5.0, -2.0, 0.0])[np.arange(12) % 3, None]
  moved = corpora.Features(
    plain.clip, (plain.values * 2 + shift).astype('f4'), None
  )
  first, second = (
    normalisation.normalised({'text': x}, groups, 'group')['text'].values
    for x in (plain, moved)
  )
  np.testing.assert_allclose(first, second, atol=1e-4)


def test_steps_of_sequences_count_one_by_one():
  length = np.arange(1, 13)
  groups = np.array(['a', 'b'] * 6)
  found = normalisation.normalised(
    {'audio': _features(length)}, groups, 'group'
  )['audio']
  own = np.repeat(groups, length) == 'a'
  np.testing.assert_allclose(found.values[own].mean(axis=0), 0, atol=1e-6)
  np.testing.assert_allclose(found.values[own].std(axis=0), 1, atol=1e-5)
  np.testing.assert_array_equal(found.length, length)


def test_otherwise_nothing_changes():
  features = {'text': _features()}
  found = normalisation.normalised(features, np.full(12, 'a'), 'members')
  assert found['text'] is features['text']


def test_a_clip_alone_in_its_group_is_standardised_by_all(caplog):
  groups = np.array(['a'] * 10 + ['b', 'c'])
  features = {'text': _features()}
  with caplog.at_level('WARNING'):
    found = normalisation.normalised(features, groups, 'group')['text']
  assert '2 of 3 groups have one clip with text' in caplog.text
  expected = preprocessing.StandardScaler().fit_transform(
    features['text'].values.astype(np.float64)
  )
  np.testing.assert_allclose(found.values[10:], expected[10:], atol=1e-5)


def test_training_and_prediction_normalise_alike(tmp_path):
  corpus = small.write_corpus(tmp_path / 'corpus')
  config = small.config(
    corpus.path,
    'concat',
    views=('text', 'video'),
    normalise='group',
    num_seeds=1,
    num_epochs=1,
  )
  loop.train(config, tmp_path / 'run')
  table = inference.predict(tmp_path / 'run', corpus.path)
  written = small.read_table(tmp_path / 'run')
  assert table['id'].equals(written['id'])
  for name in written.column_names:
    if name.startswith('prob_'):
      np.testing.assert_allclose(table[name], written[name], atol=1e-5)


def _with_offset(path, offset):
  """Text features in float64, all columns but one moved far from 0."""
  file = path / 'features' / 'text.npz'
  with np.load(file) as archive:
    arrays = dict(archive)
  values = arrays['features'].astype(np.float64)
  values[:, 1:] += offset
  np.savez(file, id=arrays['id'], features=values)


def test_members_see_no_offset_nor_do_they_in_new_clips(tmp_path):
  tables = {}
  for name, offset, data in (
    ('plain', 0.0, 'memory'),
    ('moved', 1e8, 'stream'),
  ):
    corpus = small.write_corpus(tmp_path / name)
    _with_offset(corpus.path, offset)
    # Of other clips, whose mean is another.
    parameters = simulate.Parameters(num_clips=9, num_groups=3, width=10)
    new, _ = simulate.simulate(parameters, seed=8)
    ids = np.array([f'new{i}' for i in range(9)])
    corpora.write(dataclasses.replace(new, ids=ids), tmp_path / f'new_{name}')
    _with_offset(tmp_path / f'new_{name}', offset)
    config = small.config(
      corpus.path,
      'concat',
      views=('text',),
      data=data,
      num_seeds=1,
      num_epochs=2,
    )
    loop.train(config, tmp_path / f'run_{name}')
    tables[name] = [
      small.read_table(tmp_path / f'run_{name}'),
      inference.predict(tmp_path / f'run_{name}', tmp_path / f'new_{name}'),
    ]
  # As one trained on plain features would see the others: not at all.
  for plain, moved in zip(*tables.values(), strict=True):
    assert plain['id'].equals(moved['id'])
    for name in ('prob_neutral', 'prob_empathetic'):
      np.testing.assert_allclose(plain[name], moved[name], atol=1e-4)
  spread = np.std(tables['moved'][1]['prob_neutral'].to_numpy())
  assert spread > 1e-2


def test_dead_columns_are_named(tmp_path, caplog, monkeypatch):
  monkeypatch.setattr(normalisation._log, 'propagate', True)
  corpus = small.write_corpus(tmp_path / 'corpus')
  values = corpus.features['text'].values.copy()
  values[3, 2] = 3e38
  values[:, [4, 5]] = 1
  dead = dataclasses.replace(corpus.features['text'], values=values)
  normalisation.name_dead_columns(corpus)
  assert caplog.messages == []
  corpus = dataclasses.replace(
    corpus, features={**corpus.features, 'text': dead}
  )
  normalisation.name_dead_columns(corpus)
  place = f'{tmp_path}/corpus/features/text.npz: '
  assert [message.removeprefix(place) for message in caplog.messages] == [
    'of no use to members: 2 columns (4, 5) of 10: one value for all clips',
    'of no use to members: 1 column (2) of 10: a few values are so large that '
    'all others come out alike; are they right?',
  ]
