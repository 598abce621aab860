import shutil

import mutations
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import predictions

PREDICTION_MUTATIONS = [
  mutation
  for suffix in ('.csv', '.parquet')
  for mutation in mutations.prediction_mutations(suffix)
]


@pytest.fixture(scope='module')
def base(tmp_path_factory):
  path = tmp_path_factory.mktemp('mutations') / 'corpus'
  mutations.write_corpus(path)
  return path


def test_the_base_is_valid_and_mutations_differ(base):
  corpus = corpus_lib.read(base, None)
  assert len(corpus.ids) == mutations.NUM_CLIPS
  assert set(corpus.features) == {'text', 'audio', 'video'}
  names = [mutation.name for mutation in mutations.corpus_mutations()]
  assert len(names) == len(set(names)) >= 120


@pytest.mark.parametrize(
  'mutation', mutations.corpus_mutations(), ids=lambda mutation: mutation.name
)
def test_corpus_fault_is_named(base, mutation):
  with (
    mutations.damaged(base, mutation) as folder,
    pytest.raises(errors.InputError) as raised,
  ):
    corpus_lib.read(folder, None)
  message = str(raised.value)
  assert str(folder / mutation.file) in message
  assert mutation.place in message
  if mutation.lines is not None:
    assert len(message.splitlines()) == mutation.lines, message
  for line in message.splitlines():
    assert line.startswith((str(folder), '... and')), line


@pytest.fixture(scope='module')
def corpus(base):
  return corpus_lib.read(base, None)


@pytest.fixture(scope='module')
def tables(base, corpus):
  paths = {}
  for suffix in ('.csv', '.parquet'):
    paths[suffix] = base.parent / f'predictions{suffix}'
    mutations.write_predictions(paths[suffix], corpus)
  return paths


def test_the_predictions_are_valid_and_their_mutations_differ(tables, corpus):
  read = [predictions.read(path, corpus) for path in tables.values()]
  assert read[0].num_rows == read[1].num_rows > 1000
  assert set(read[0].views) == set(mutations.SUBSETS)
  names = [mutation.name for mutation in PREDICTION_MUTATIONS]
  assert len(names) == len(set(names)) >= 80


@pytest.mark.parametrize(
  'mutation', PREDICTION_MUTATIONS, ids=lambda mutation: mutation.name
)
def test_prediction_fault_is_named(tables, corpus, tmp_path, mutation):
  path = tmp_path / f'predictions{mutation.file}'
  shutil.copyfile(tables[mutation.file], path)
  mutation.damage(path)
  with pytest.raises(errors.InputError) as raised:
    predictions.read(path, corpus)
  message = str(raised.value)
  assert mutation.place in message
  for line in message.splitlines():
    assert line.startswith((str(path), '... and')), line
  if mutation.lines is not None:
    assert len(message.splitlines()) == mutation.lines, message
