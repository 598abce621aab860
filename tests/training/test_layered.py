"""Models that learn how to mix the layers of an encoder, from train to report.

In the made corpora here, one layer alone carries the label: layer 2 of audio.
"""

import pathlib

import numpy as np
import pytest
import small
from scipy import special

from empathy import errors, files
from empathy.corpora import corpus as corpora
from empathy.evaluation import batches, layers, plan, reading
from empathy.training import inference, layered, loop

_LAYERS, _WIDTH, _TRUE = 4, 6, 2


def _corpus(path, num_clips=180, num_layers=_LAYERS, width=_WIDTH, seed=0):
  """Writes clips with layers of audio and pooled text that says nothing."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, 2, num_clips).astype(np.int32)
  layers = rng.normal(size=(num_clips, num_layers, width))
  direction = rng.choice([-1, 1], width) / width**0.5
  layers[:, _TRUE] += 3 * np.outer(2 * labels - 1, direction)
  text = rng.normal(size=(num_clips, 3))
  clip = np.arange(num_clips, dtype=np.int32)
  corpus = corpora.Corpus(
    info={
      'name': 'layers',
      'classes': ['no', 'yes'],
      'modalities': ['text', 'audio'],
      'conditions': [],
      'license': 'none',
      'source': 'made',
    },
    ids=np.array([f'clip{i:04}' for i in clip]),
    groups=np.array([f'group{i % 18:02}' for i in clip]),
    labels=labels,
    features={
      'text': corpora.Features(clip, text.astype(np.float32)),
      'audio': corpora.Features(
        # One clip has no audio.
        clip[1:],
        layers[1:].reshape(-1, width).astype(np.float32),
        np.full(num_clips - 1, num_layers),
      ),
    },
  )
  corpora.write(corpus, path)
  _note(path, 'all')
  return corpus


def _note(path, layer, modality='audio'):
  """Says what layer features are of, as `extract_features` does."""
  note = {'record': {'encoder': 'x', 'layer': layer}, 'skipped': {}}
  files.write_json(path / 'features' / f'{modality}.json', note)


def _config(path, fusion='gated_attention', pooling='layers', **changes):
  changes = {'num_epochs': 6, 'peak_learning_rate': 3e-3, **changes}
  config = small.config(path, fusion, **changes)
  with config.unlocked():
    config.model.pooling = pooling
    # So small a model learns nothing of a half of itself.
    config.model.dropout = (0.0,)
    if 'modality_dropout' in config.model:
      config.model.modality_dropout = (0.0,)
  return config


def _weights(table, modality='audio'):
  """(rows, L) of a table of predictions."""
  names = [x for x in table.column_names if x.startswith(f'layer_{modality}_')]
  return np.stack([table[name].to_numpy() for name in names], axis=1)


@pytest.fixture(scope='module', name='run')
def _run(tmp_path_factory):
  """A corpus, and a run of two settings whose views have own networks."""
  folder = tmp_path_factory.mktemp('layers')
  corpus = _corpus(folder / 'corpus')
  config = _config(folder / 'corpus', 'concat', l2=(1e-3, 1e-2))
  loop.train(config, folder / 'workdir')
  return folder, corpus, small.read_table(folder / 'workdir')


def test_the_table_says_what_each_layer_counts(run):
  folder, _, table = run
  names = [f'layer_audio_{i}' for i in range(_LAYERS)]
  assert [x for x in table.column_names if x.startswith('layer')] == names
  weights, given = _weights(table), np.array(table['given'].to_pylist())
  heard = np.char.find(given, 'audio') >= 0
  np.testing.assert_allclose(weights[heard].sum(axis=1), 1, rtol=1e-6)
  assert not weights[~heard].any()
  assert 'clip0000' not in np.array(table['id'].to_pylist())[heard]
  # Of a member it is one number, that of the parameters which were saved.
  found = {}
  keys = [table[x].to_pylist() for x in ('view', 'fold', 'seed')]
  for *key, own in zip(*keys, weights, strict=True):
    if own.any():
      np.testing.assert_array_equal(found.setdefault(tuple(key), own), own)
  trained = inference.workdir.read_trained(folder / 'workdir')
  saved = {}
  for number, part in enumerate(trained.members):
    tree = small.read_saved(folder / 'workdir' / 'members' / str(number))
    pools = tree['params'].get('pool_audio')
    for index, name in enumerate(trained.names(number)):
      if 'audio' in name.view and part[index]['chosen']:
        scores = 30 * pools['scores'][index].astype(np.float64)
        saved[name.view, name.fold, name.seed] = special.softmax(scores)
  assert found.keys() == saved.keys()
  assert len(found) == 2 * 3 * 2
  for key, own in found.items():
    np.testing.assert_allclose(own, saved[key], rtol=1e-6)
  mean = np.mean(list(found.values()), axis=0)
  assert mean.argmax() == _TRUE


def test_the_study_has_the_mean_over_members(run):
  _, corpus, table = run
  predictions = reading.of_table(pathlib.Path('p'), table, corpus)
  found = plan.of_batch(batches.Batch(corpus, predictions))
  rows = layers.answer(None, found).tables['layers']
  assert [(r['view'], r['modality'], r['layer']) for r in rows] == [
    (view, 'audio', i) for view in ('audio', 'text+audio') for i in range(4)
  ]
  views = np.array(table['view'].to_pylist())
  for row in rows:
    own = _weights(table)[views == row['view']]
    own = np.unique(own[own.any(axis=1), row['layer']])
    assert row['num_members'] == 6
    for name, of in ('weight', np.mean), ('least', np.min), ('most', np.max):
      assert row[name] == pytest.approx(of(own), rel=1e-6)


def test_new_clips_are_told_the_mean_of_the_folds(run, tmp_path):
  folder, _, table = run
  _corpus(tmp_path / 'new', num_clips=20, seed=1)
  clips = (tmp_path / 'new' / 'clips.csv').read_text().replace('clip', 'new')
  (tmp_path / 'new' / 'clips.csv').write_text(clips)
  path = tmp_path / 'new' / 'features' / 'audio.npz'
  arrays = dict(np.load(path))
  arrays['id'] = np.char.replace(arrays['id'], 'clip', 'new')
  np.savez(path, **arrays)
  (tmp_path / 'new' / 'features' / 'text.npz').unlink()
  new = inference.predict(folder / 'workdir', tmp_path / 'new')
  views, seeds = (np.array(table[x].to_pylist()) for x in ('view', 'seed'))
  assert new.num_rows == 19 * 2 * 2
  for view, seed, own in zip(
    new['view'].to_pylist(), new['seed'].to_pylist(), _weights(new), strict=True
  ):
    found = _weights(table)[(views == view) & (seeds == seed)]
    found = np.unique(found[found.any(axis=1)], axis=0)
    np.testing.assert_allclose(own, found.mean(axis=0), rtol=1e-5)
  # Where no clip has any layers, what members say of the rest is there.
  path.rename(tmp_path / 'audio.npz')
  with pytest.raises(errors.InputError, match='has no features of text, audio'):
    inference.predict(folder / 'workdir', tmp_path / 'new')


def test_other_layers_than_those_learned_are_refused(run, tmp_path):
  folder = run[0]
  _corpus(tmp_path / 'new', num_clips=20, num_layers=5)
  with pytest.raises(errors.InputError, match=r'has 5 layers; .* trained on 4'):
    inference.predict(folder / 'workdir', tmp_path / 'new')
  _note(tmp_path / 'new', 'last')
  with pytest.raises(errors.InputError, match=r"audio.json: layer is 'last'"):
    inference.predict(folder / 'workdir', tmp_path / 'new')


@pytest.mark.parametrize(
  ('change', 'says'),
  [
    (
      lambda path: _note(path, 'last'),
      "(audio.json: layer is 'last'); extract",
    ),
    (
      lambda path: _note(path, 7),
      '(audio.json: layer is 7); extract them with',
    ),
    (
      lambda path: (path / 'features' / 'audio.json').unlink(),
      "(no audio.json says that its record's layer is 'all')",
    ),
    (
      lambda path: (path / 'features' / 'audio.json').write_text('{}'),
      '(audio.json does not say what layer they are)',
    ),
  ],
)
def test_sequences_that_are_no_layers_are_refused(change, says, tmp_path):
  _corpus(tmp_path / 'corpus', num_clips=20)
  change(tmp_path / 'corpus')
  with pytest.raises(errors.InputError) as error:
    loop.train(_config(tmp_path / 'corpus'), tmp_path / 'workdir')
  assert says in str(error.value)
  assert '\n' not in str(error.value)
  assert not (tmp_path / 'workdir').exists()


def test_what_has_no_layers_or_not_as_many_is_refused():
  clip = np.arange(2, dtype=np.int32)
  values = np.zeros((5, 3), np.float32)

  def check(folder, **features):
    corpus = corpora.Corpus(
      {}, clip.astype(str), clip, clip, path=folder, features=features
    )
    layered.check(corpus, {'pooling': 'layers(normalise=True)'})

  pooled = corpora.Features(clip, values[:2])
  with pytest.raises(errors.InputError, match='features of text are no layers'):
    check(pathlib.Path(), text=pooled)
  # Any other pooling takes what there is.
  layered.check(None, {'pooling': 'mean'})
  layered.check(None, {})


@pytest.mark.long
def test_the_mix_is_better_than_the_mean_and_the_last_layer(tmp_path):
  corpus = _corpus(tmp_path / 'corpus', 1200, num_layers=13, width=256)
  truth = dict(zip(corpus.ids.tolist(), corpus.labels.tolist(), strict=True))
  accuracy = {}
  for pooling in ('layers', 'layers(normalise=True)', 'mean', 'last'):
    config = _config(
      *(tmp_path / 'corpus', 'concat', pooling),
      views=('audio',),
      num_epochs=10,
      peak_learning_rate=1e-3,
    )
    with config.unlocked():
      config.model.hidden = ()
    loop.train(config, tmp_path / pooling)
    table = small.read_table(tmp_path / pooling)
    said = table['prob_yes'].to_numpy() > 0.5
    truths = [truth[clip] for clip in table['id'].to_pylist()]
    accuracy[pooling] = (said == truths).mean()
    if 'layers' in pooling:
      weights = np.unique(_weights(table), axis=0)
      assert (weights.argmax(axis=1) == _TRUE).all()
      assert weights[:, _TRUE].min() > 0.5
  # Who knows the layer and the direction in it is right on 99.9 %; in the mean
  # of all layers, on 80 %.
  assert accuracy['layers'] > 0.95
  assert accuracy['layers(normalise=True)'] > 0.95
  assert accuracy['mean'] < 0.75
  assert accuracy['last'] < 0.55
