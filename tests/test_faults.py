"""Faults in files, one at a time, and what the binaries make of them."""

import shutil

import mutations
import numpy as np
import pytest
import small

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import reading

_CORPUS = mutations.corpus_mutations()
_PREDICTIONS = [
  mutation
  for suffix in ('.csv', '.parquet')
  for mutation in mutations.prediction_mutations(suffix)
]
_CONFIG = small.ROOT / 'configs' / 'mixed_signals.py'


def _name(mutation):
  return mutation.name


@pytest.fixture(scope='module', name='run')
def _run(server):
  return server.run


@pytest.fixture(scope='module', name='base')
def _base(tmp_path_factory):
  """A valid corpus, and valid predictions of it."""
  folder = tmp_path_factory.mktemp('base')
  mutations.write_corpus(folder / 'corpus')
  corpus = corpus_lib.read(folder / 'corpus', None)
  for suffix in ('.csv', '.parquet'):
    mutations.write_predictions(folder / f'predictions{suffix}', corpus)
  return folder


def _assert_named(done, mutation, path, folder):
  """One clear message that names the file and the place; nothing written."""
  assert done.status == 2, done
  assert done.out == ''
  message = done.err
  assert message.startswith(f'error: {path}'), message
  assert mutation.place in message
  lines = message.splitlines()
  # A fault of many places has a line for each, and all name the file.
  for line in lines[1:]:
    assert line.startswith((str(path), '... and')), message
  if mutation.lines is not None:
    assert len(lines) == mutation.lines, message
  assert list(folder.iterdir()) == []


def test_there_are_two_hundred():
  names = [mutation.name for mutation in (*_CORPUS, *_PREDICTIONS)]
  assert len(names) == len(set(names)) >= 200


def test_the_base_is_valid(base):
  corpus = corpus_lib.read(base / 'corpus', None)
  assert len(corpus.ids) == mutations.NUM_CLIPS
  assert set(corpus.features) == {'text', 'audio', 'video'}
  csv, parquet = (
    reading.read(base / f'predictions{suffix}', corpus)
    for suffix in ('.csv', '.parquet')
  )
  assert csv.num_rows == parquet.num_rows > 1000
  assert set(csv.views) == set(mutations.SUBSETS)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16'])
def test_predictions_may_be_between_semicolons(base, tmp_path, encoding):
  corpus = corpus_lib.read(base / 'corpus', None)
  text = (base / 'predictions.csv').read_text(encoding='utf-8')
  path = tmp_path / 'predictions.csv'
  path.write_text(text.replace(',', ';'), encoding=encoding)
  plain = reading.read(base / 'predictions.csv', corpus)
  found = reading.read(path, corpus)
  assert found.num_rows == plain.num_rows
  for view, values in plain.probabilities.items():
    np.testing.assert_array_equal(found.probabilities[view], values)


@pytest.mark.parametrize('mutation', _CORPUS, ids=_name)
def test_train_names_a_fault_of_the_corpus(run, base, tmp_path, mutation):
  with mutations.damaged(base / 'corpus', mutation) as corpus:
    done = run(
      'train',
      f'--config={_CONFIG}',
      f'--config.corpus={corpus}',
      '--workdir=run',
      cwd=tmp_path,
    )
    _assert_named(done, mutation, corpus / mutation.file, tmp_path)


# Every fifth, so that each file has some.
@pytest.mark.parametrize('mutation', _CORPUS[::5], ids=_name)
def test_evaluate_names_a_fault_of_the_corpus(run, base, tmp_path, mutation):
  with mutations.damaged(base / 'corpus', mutation) as corpus:
    done = run('evaluate', f'--corpus={corpus}', cwd=tmp_path)
    _assert_named(done, mutation, corpus / mutation.file, tmp_path)


@pytest.mark.parametrize('mutation', _PREDICTIONS, ids=_name)
def test_evaluate_names_a_fault_of_predictions(
  run, base, tmp_path_factory, tmp_path, mutation
):
  path = tmp_path_factory.mktemp('damaged') / f'predictions{mutation.file}'
  shutil.copyfile(base / path.name, path)
  mutation.damage(path)
  done = run(
    'evaluate',
    f'--predictions={path}',
    f'--corpus={base / "corpus"}',
    '--output=study',
    cwd=tmp_path,
  )
  _assert_named(done, mutation, path, tmp_path)


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_without_a_fault_there_is_a_study(run, base, tmp_path, suffix):
  # Nor is a fault seen in numbers that a study does not need.
  (flip,) = (
    mutation
    for mutation in _CORPUS
    if mutation.name == 'features/video.npz: a byte of the data flipped'
  )
  with mutations.damaged(base / 'corpus', flip) as corpus:
    with pytest.raises(errors.InputError, match="array 'features'"):
      corpus_lib.read(corpus, None)
    done = run(
      'evaluate',
      f'--predictions={base / "predictions"}{suffix}',
      f'--corpus={corpus}',
      cwd=tmp_path,
    )
  assert done.status == 0, done.err
  assert (tmp_path / 'study' / 'report.html').exists()
