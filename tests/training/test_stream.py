"""Features on disk: all is as in memory."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
import small

from empathy import errors
from empathy.corpora import corpus as corpora
from empathy.models import fusion
from empathy.training import (
  configuration,
  inference,
  loop,
  members,
  metric_writer,
  parallel,
  step,
  stream,
)


def _fold_wise(features):
  """The same features, but moved by the number of the fold of each entry."""
  size = len(features.clip)
  return corpora.Features(
    np.tile(features.clip, 3),
    np.concatenate([features.values + fold for fold in range(3)]),
    None if features.length is None else np.tile(features.length, 3),
    np.repeat(np.arange(3, dtype=np.int32), size),
    np.zeros(3 * size, bool),
  )


def _write(folder, change=None):
  """Sequences, and modalities that some clips lack; one clip has nothing.

  Clips and entries are in an order of their own.
  """
  made = corpora.read(small.write_corpus(folder / 'made').path, None)
  features = {
    'text': small.without(made.features['text'], [31]),
    'audio': small.sequences(small.without(made.features['audio'], [31])),
    'video': small.without(made.features['video'], [4, 7, 31]),
  }
  for modality in change or ():
    features[modality] = _fold_wise(features[modality])
  corpus = dataclasses.replace(made, features=features)
  order = np.random.default_rng(2).permutation(len(made.ids))
  corpora.write(small.reordered(corpus, order), folder / 'corpus')
  return corpora.read(folder / 'corpus', None)


@pytest.fixture(scope='module', name='corpus')
def _corpus(tmp_path_factory):
  return _write(tmp_path_factory.mktemp('stream'))


@pytest.mark.parametrize('fold_wise', [(), ('audio',), ('text', 'audio')])
def test_what_members_see_is_what_they_see_in_memory(
  tmp_path, monkeypatch, fold_wise
):
  corpus = _write(tmp_path, fold_wise)
  held = corpora.sorted_by_id(corpus)
  monkeypatch.setattr(stream, '_CLIPS_PER_FILE', 16)
  monkeypatch.setattr(stream, '_MAX_FILES', 4 if fold_wise else 8)
  path = stream.write(held, tmp_path / 'stream')
  features = stream.without_values(held.features)
  assert len(list(path.iterdir())) == (4 if fold_wise else 6)
  _, parts = members.folds(held, 3, 0)
  source = stream.Source(path, len(held.ids), features)
  targets = np.zeros((90, 2), np.float32)
  targets[:, 0] = 1
  results = []
  for found, given in ((held.features, None), (features, source)):
    data, max_length = members.data(found, held.labels, targets)
    _, everyone = members.make(
      held, data, [('text', 'audio', 'video')], (1,), parts
    )
    program = step.Program(
      fusion.build('concat', 2, tuple(found)),
      tuple(found),
      max_length,
      step.Recipe(1, 16, 1e-3, 0.0),
      source=given,
    )
    assert max_length == {'audio': 5}
    rows = jnp.arange(len(data.labels))
    assert len(rows) == (270 if fold_wise else 90)
    inputs = jax.jit(
      lambda data, member, rows, program=program: step._inputs(
        program, data, member, rows
      )
    )
    for fold in range(3):
      member = jax.tree.map(lambda x, at=fold: x[at], everyone)
      results.append(inputs(data, member, rows))
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5),
    results[:3],
    results[3:],
  )


_KEYS = {
  'views': ('text', 'text+audio+video'),
  'num_epochs': 2,
  'keep': 'refit',
  'auxiliary': 1.0,
  'l2': (0.01, 0.1),
  'num_seeds': 1,
}


# Trained on features that were off by rounding.FACTOR units, no prediction went
# farther than 2.3e-6; four times as far, as in rounding.trained.
_TOLERANCE = 4 * 2.3e-6


def _train(corpus, path, fusion='gated_evidence', **keys):
  config = small.config(corpus.path, fusion, **(_KEYS | keys))
  loop.train(config, path)
  return path


@pytest.fixture(scope='module', name='streamed')
def _streamed(corpus, tmp_path_factory):
  """The workdir of a run, and the source that it read from."""
  sources = []

  class Spy(stream.Source):
    def __init__(self, *args):
      super().__init__(*args)
      sources.append(self)

    def expect(self, sequences):
      # `init` asked for a batch; what is trained with is all foreseen.
      if hasattr(self, 'before'):
        assert self.num_unforeseen == self.before
      super().expect(sequences)
      self.before = self.num_unforeseen
      self.num_expected = sum(len(rows) for rows in sequences)

  small.forget_summaries(corpus)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(stream, 'Source', Spy)
    path = _train(
      corpus,
      tmp_path_factory.mktemp('streamed') / 'run',
      data='stream',
    )
  (source,) = sources
  assert source.num_expected > 0
  return path


def test_predictions_are_those_in_memory(
  corpus, streamed, tmp_path, monkeypatch
):
  held = _train(corpus, tmp_path)
  tables = [
    pq.read_table(path / 'predictions.parquet') for path in (held, streamed)
  ]
  assert tables[0].drop(['prob_neutral', 'prob_empathetic']).num_rows
  for name in ('id', 'view', 'seed', 'fold', 'given'):
    assert tables[0][name].equals(tables[1][name])
  for name in ('prob_neutral', 'gate_text', 'logit_empathetic'):
    np.testing.assert_allclose(
      tables[1][name].to_numpy(), tables[0][name].to_numpy(), atol=_TOLERANCE
    )
  # Nor is the corpus on the devices when the run predicts it later.
  on_devices, predict = [], inference.predict_members

  def spy(layout, data, *rest):
    on_devices.append({m: len(x) for m, x in data.values.items()})
    return predict(layout, data, *rest)

  monkeypatch.setattr(inference, 'predict_members', spy)
  again = inference.predict(streamed, corpus.path)
  assert on_devices == [dict.fromkeys(('text', 'audio', 'video'), 1)]
  np.testing.assert_allclose(
    again['prob_neutral'].to_numpy(),
    tables[1]['prob_neutral'].to_numpy(),
    atol=_TOLERANCE,
  )


# In one chunk, as that which was not cut off, or in several.
@pytest.mark.parametrize(
  'members_per_device', [128, pytest.param(7, marks=pytest.mark.long)]
)
def test_cut_off_it_goes_on_to_the_same_bytes(
  corpus, tmp_path, monkeypatch, members_per_device
):
  write = metric_writer.MetricWriter.write
  keys = {
    'fusion': 'concat',
    'auxiliary': 0.0,
    'data': 'stream',
    'checkpoint_seconds': 0.0,
  }
  whole = _train(corpus, tmp_path / 'whole', **keys)
  keys['members_per_device'] = members_per_device
  cut = tmp_path / 'cut'

  def failing(self, epoch, *args):
    write(self, epoch, *args)
    if epoch == 2:
      raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(metric_writer.MetricWriter, 'write', failing)
    with pytest.raises(KeyboardInterrupt):
      _train(corpus, cut, **keys)
  assert (cut / 'checkpoints' / '0' / '2').is_dir()
  _train(corpus, cut, **keys)
  names = ['predictions.parquet']
  if members_per_device == 128:  # Of which chunk a member is, they say, too.
    names += ['metrics.jsonl', 'members.json']
  for name in names:
    assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_it_leaves_what_evaluate_asks_of_features(corpus, streamed):
  assert (streamed / 'predictions.parquet').exists()
  small.assert_has_summaries(corpus)


def test_batches_are_read_ahead_in_order(corpus, tmp_path):
  held = corpora.sorted_by_id(corpus)
  path = stream.write(held, tmp_path)
  source = stream.Source(path, len(held.ids), held.features)
  text = held.features['text']
  expected = np.zeros((90, 10), np.float32)
  expected[text.clip] = text.values
  rng = np.random.default_rng(0)
  sequences = [list(rng.integers(0, 90, (4, 8), np.int32)) for _ in range(2)]
  source.expect(sequences)
  seen = []
  read = source.read
  source.read = lambda rows: seen.append(rows.tolist()) or read(rows)
  call = jax.jit(source)
  for batch in zip(*sequences, strict=True):
    for rows in batch:
      np.testing.assert_array_equal(call(rows)['text'], expected[rows])
  assert source.num_unforeseen == 0
  for sequence in sequences:
    wanted = [rows.tolist() for rows in sequence]
    assert [rows for rows in seen if rows in wanted] == wanted
  other = rng.integers(0, 90, 8, np.int32)
  assert call(other)['audio'].shape == (8, 5, 10)
  assert source.num_unforeseen == 1


def test_damaged_files_are_told(corpus, tmp_path):
  config = small.config(corpus.path, 'concat', data='stream', views=('text',))
  held = corpora.with_features(corpora.sorted_by_id(corpus), ['text'])
  key = corpora.fingerprint(corpus.path)
  path = stream.write(held, tmp_path / 'run' / 'stream', key)
  (file,) = path.iterdir()
  whole = file.read_bytes()
  text = held.features['text'].values[5].tobytes()
  flipped = bytearray(whole)
  flipped[whole.index(text) + 9] ^= 1
  for content, says in (
    (flipped, 'hash mismatch'),
    (whole[: len(whole) // 2], f'holds 0 clips, expected {len(held.ids)}'),
  ):
    file.write_bytes(content)
    with pytest.raises(errors.InputError, match=says) as raised:
      loop.train(config, tmp_path / 'run')
    assert str(raised.value).startswith(f'{path}: ')
    assert str(raised.value).endswith('remove it, and it is made again')


def test_a_dry_run_says_that_the_corpus_stays_elsewhere(corpus, tmp_path):
  held, streamed = (
    loop.dry_run(
      small.config(corpus.path, 'concat', data=data, views=('text',)),
      tmp_path / 'run',
    )
    for data in ('memory', 'stream')
  )
  assert held[0] == streamed[0]
  assert held[1] != streamed[1]
  assert not list(tmp_path.iterdir())


def test_without_grain_it_says_what_to_install(corpus, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'grain', None)
  with pytest.raises(errors.InputError, match=r'pip install .empathy\[stream'):
    loop.train(small.config(corpus.path, data='stream'), tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_configs_say_where_features_are(corpus):
  config = small.config(corpus.path, data='stream')
  configuration.check(config)
  assert configuration.is_streamed(config)
  with config.unlocked():
    del config['data']  # As configs were before.
  assert not configuration.is_streamed(configuration.check(config))
  for changes, says in (
    ({'data': 'disk'}, "config.data: 'disk' is not memory or stream"),
    (
      {'data': 'stream', 'normalise': 'group'},
      "config.normalise: 'group' needs all features in memory",
    ),
  ):
    with pytest.raises(errors.InputError) as raised:
      configuration.check(small.config(corpus.path, **changes))
    assert str(raised.value).startswith(says)


def test_mapped_features_are_the_same_and_as_well_checked(corpus):
  plain = corpora.with_features(corpus, corpus.modalities)
  mapped = corpora.with_features(corpus, corpus.modalities, mapped=True)
  for modality, feature in plain.features.items():
    other = mapped.features[modality]
    assert isinstance(other.values.base, np.memmap)
    # As XLA wants what it is not to copy.
    assert other.values.ctypes.data % 64 == 0
    assert parallel.aligned(other.values) is other.values
    for field in dataclasses.fields(feature):
      np.testing.assert_array_equal(
        getattr(other, field.name), getattr(feature, field.name)
      )


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_damaged_mapped_features_are_told(tmp_path, dtype):
  corpus = small.write_corpus(tmp_path / 'corpus')
  path = corpus.path / 'features' / 'text.npz'
  with np.load(path) as archive:
    arrays = dict(archive)
  arrays['features'] = arrays['features'].astype(dtype)
  np.savez(path, **arrays)
  read = corpora.with_features(corpus, ['text'], mapped=True)
  np.testing.assert_array_equal(
    read.features['text'].values, arrays['features']
  )
  content = bytearray(path.read_bytes())
  content[content.index(arrays['features'].tobytes()) + 400] ^= 1
  path.write_bytes(content)
  with pytest.raises(errors.InputError, match=r"text\.npz: array 'features'"):
    corpora.with_features(corpus, ['text'], mapped=True)
  arrays['features'][17, 3] = np.nan
  np.savez(path, **arrays)
  with pytest.raises(errors.InputError, match=r'row 17 .* column 3 is nan'):
    corpora.with_features(corpus, ['text'], mapped=True)
