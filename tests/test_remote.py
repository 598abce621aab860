"""A workdir in a bucket, which has neither folders nor renames nor locks."""

import contextlib
import functools
import json
import shutil

import fsspec
import pytest
import small
from etils import epath
from etils.epath import backend
from fsspec.implementations import memory

from empathy import errors, preemption, remote
from empathy.training import loop

_PATH = 'gs://bucket/runs/one'
_LIKE = {'views': ('text', 'video', 'text+video'), 'members_per_device': 6}


class _Bucket(memory.MemoryFileSystem):
  """Objects in memory, and what was done to them; nothing is ever renamed."""

  protocol = ('gcs', 'gs')
  store, pseudo_dirs = {}, ['']
  done = []  # noqa: RUF012
  fails_after = None

  @classmethod
  def _strip_protocol(cls, path):
    return super()._strip_protocol(path.removeprefix('gs://'))

  def open(self, path, mode='rb', **kw):
    if 'w' in mode:
      if self.fails_after is not None and len(self.done) >= self.fails_after:
        raise OSError('the network is gone')
      self.done.append(('write', path))
    return super().open(path, mode, **kw)

  def rm_file(self, path):
    self.done.append(('remove', path))
    super().rm_file(path)

  def mv(self, *args, **kw):
    raise NotImplementedError

  rename = cp_file = mv


@pytest.fixture(name='bucket')
def _bucket(monkeypatch):
  fsspec.register_implementation('gcs', _Bucket, clobber=True)
  backend.fsspec_backend._get_filesystem.cache_clear()
  remote._fetched.cache_clear()
  _Bucket.store.clear()
  _Bucket.done.clear()
  monkeypatch.setattr(_Bucket, 'fails_after', None)
  yield _Bucket
  backend.fsspec_backend._get_filesystem.cache_clear()


def _names(bucket):
  return {name.removeprefix('/bucket/runs/one/') for name in bucket.store}


def _content(bucket, name):
  return bucket.store[f'/bucket/runs/one/{name}'].getvalue()


@pytest.fixture(scope='module', name='local')
def _local(tmp_path_factory):
  folder = tmp_path_factory.mktemp('local')
  corpus = small.write_corpus(folder / 'corpus')
  config = small.config(corpus.path, 'concat', **_LIKE)
  loop.train(config, folder / 'run')
  return folder


def test_what_makes_files_count_comes_last_and_goes_first(bucket):
  with remote.shared(_PATH) as (folder, push, _):
    (folder / '1').mkdir()
    (folder / '1' / 'data').write_text('a')
    (folder / '1.sha256.json').write_text('{}')
    push()
    assert bucket.done[-1][1].endswith('1.sha256.json')
    bucket.done.clear()
    (folder / '1' / 'data').write_text('other')
    (folder / '1.sha256.json').write_text('{"data": ""}')
    push()
    assert [(what, name.rpartition('/')[2]) for what, name in bucket.done] == [
      ('remove', '1.sha256.json'),
      ('write', 'data'),
      ('write', '1.sha256.json'),
    ]
    bucket.done.clear()
    (folder / '1' / 'data').unlink()
    (folder / '1.sha256.json').unlink()
    push()
    assert [name.rpartition('/')[2] for _, name in bucket.done] == [
      '1.sha256.json',
      'data',
    ]
  assert _names(bucket) == {'owner.txt'}


def test_the_one_before_is_told_that_it_was_taken_over(bucket):
  with remote.shared(_PATH) as (one, push_one, _):
    (one / 'file').write_text('1')
    push_one()
    with remote.shared(_PATH) as (two, push_two, _):
      (two / 'file').write_text('2')
      push_two()
    (one / 'file').write_text('3')
    with pytest.raises(errors.InputError, match='was taken over by process'):
      push_one()
  assert _content(bucket, 'file') == b'2'


def _upload(folder, place):
  for path in folder.rglob('*'):
    if path.is_file():
      there = epath.Path(place) / path.relative_to(folder)
      there.write_bytes(path.read_bytes())


def test_a_run_in_a_bucket_is_stopped_and_goes_on(bucket, local, monkeypatch):
  _upload(local / 'corpus', 'gs://bucket/corpus')
  config = small.config('gs://bucket/corpus/', 'concat', **_LIKE)
  with monkeypatch.context() as patch:
    patch.setattr(
      preemption, 'watch', lambda: contextlib.nullcontext(lambda: True)
    )
    with pytest.raises(errors.Stopped, match='saved after epoch 1 of 3'):
      loop.train(config, _PATH)
  assert 'checkpoints/0/1.sha256.json' in _names(bucket)
  summary = loop.train(config, _PATH)
  assert str(summary.predictions) == f'{_PATH}/predictions.parquet'
  record = json.loads(_content(bucket, 'config.json'))
  assert record['corpus'] == 'gs://bucket/corpus'
  for name in ('predictions.parquet', 'metrics.jsonl', 'members.json'):
    assert _content(bucket, name) == (local / 'run' / name).read_bytes()
  assert not any(
    name.startswith(('checkpoints', '.')) for name in _names(bucket)
  )
  # Another config is refused, and the place told.
  other = small.config(local / 'corpus', 'concat', **_LIKE, l2=0.5)
  with pytest.raises(errors.InputError) as raised:
    loop.train(other, _PATH)
  assert str(raised.value).startswith(f'{_PATH}: holds another run: config.l2')


@pytest.fixture(name='run')
def _run(server, tmp_path):
  return functools.partial(server.run, cwd=tmp_path, buckets=True)


def test_evaluate_and_predict_take_all_from_a_bucket(local, tmp_path, run):
  there = tmp_path / 'bucket' / 'runs' / 'one'
  shutil.copytree(local / 'run', there)
  corpus = shutil.copytree(local / 'corpus', tmp_path / 'bucket' / 'corpus')
  (corpus / 'film.mp4').touch()
  record = json.loads((there / 'config.json').read_text())
  record['config']['corpus'] = 'gs://bucket/corpus'
  (there / 'config.json').write_text(json.dumps(record))
  done = run('evaluate', f'--workdir={_PATH}')
  assert done.status == 0, done.err
  assert f'copied to {_PATH}/study' in done.out
  assert '</html>' in (there / 'study' / 'report.html').read_text()
  done = run(
    'predict',
    f'--workdir={_PATH}',
    '--corpus=gs://bucket/corpus',
    f'--output={tmp_path / "new.parquet"}',
  )
  assert done.status == 0, done.err
  done = run('evaluate', '--workdir=gs://bucket/nothing')
  assert done.status == 2
  assert done.err == (
    'error: gs://bucket/nothing/config.json: no such file; expected the folder '
    'of a training run\n'
  )
  assert not [*tmp_path.glob('empathy-*/corpus/film.mp4')]
  flags = '--corpus=gs://bucket/corpus', f'--output={tmp_path / "x"}'
  done = run('evaluate', *flags, '--label_studio=tasks.json')
  assert done.status == 2
  assert 'gs://bucket/corpus: is in a bucket' in done.err
  (corpus / 'corpus.json').write_text('[]')
  done = run('evaluate', *flags)
  assert done.status == 2
  assert done.err == (
    'error: gs://bucket/corpus/corpus.json: expected an object of keys and '
    'values\n'
  )
  shutil.rmtree(corpus)
  done = run('evaluate', *flags)
  assert done.status == 2
  assert done.err == (
    'error: gs://bucket/corpus: no such folder; expected corpus.json, '
    'clips.csv, votes.csv, features\n'
  )


def test_features_go_where_the_corpus_is(tmp_path, run):
  folder = tmp_path / 'bucket' / 'corpus'
  (folder / 'features').mkdir(parents=True)
  (folder / 'corpus.json').write_text(
    '{"name": "a", "classes": ["a", "b"], "modalities": ["text"], '
    '"conditions": [], "license": "none", "source": "a test"}'
  )
  (folder / 'clips.csv').write_text(
    'id,group,label,transcript\n1,a,a,one word\n2,b,b,and another\n'
  )
  flags = (
    f'--config={small.ROOT}/configs/baseline_features.py',
    '--corpus=gs://bucket/corpus',
  )
  done = run('extract_features', *flags)
  assert done.status == 0, done.err
  assert done.out.endswith('copied to gs://bucket/corpus/features\n')
  assert (folder / 'features' / 'text.npz').exists()
  done = run('extract_features', *flags, '--beam=')
  assert done.status == 2
  assert '--corpus: gs://bucket/corpus: is in a bucket' in done.err


def test_a_workdir_and_a_corpus_in_a_bucket_lie_side_by_side(bucket, local):
  _upload(local / 'corpus', 'gs://bucket/runs/corpus')
  config = small.config('gs://bucket/runs/corpus', 'concat', **_LIKE)
  with pytest.raises(errors.InputError) as raised:
    loop.train(config, 'gs://bucket/runs')
  assert 'gs:/bucket/runs/corpus is inside gs:/bucket/runs' in str(raised.value)


def test_a_network_that_fails_is_told_in_one_line(bucket, local, monkeypatch):
  config = small.config(local / 'corpus', 'concat', **_LIKE)
  monkeypatch.setattr(bucket, 'fails_after', 4)
  with pytest.raises(errors.InputError) as raised:
    loop.train(config, _PATH)
  assert str(raised.value) == (
    f'{_PATH}: is not to be reached: the network is gone'
  )


def test_bad_input_leaves_nothing_behind(bucket, local):
  config = small.config(local / 'nowhere', 'concat', **_LIKE)
  with pytest.raises(errors.InputError, match='no such corpus folder'):
    loop.train(config, _PATH)
  assert bucket.done == []
