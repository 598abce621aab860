"""A workdir in a bucket, which has neither folders nor renames nor locks."""

import contextlib
import os
import shutil
import subprocess
import sys

import fsspec
import pytest
import small
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
  with remote.mirror(_PATH, is_owner=True) as (folder, push):
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
  with remote.mirror(_PATH, is_owner=True) as (one, push_one):
    (one / 'file').write_text('1')
    push_one()
    with remote.mirror(_PATH, is_owner=True) as (two, push_two):
      (two / 'file').write_text('2')
      push_two()
    (one / 'file').write_text('3')
    with pytest.raises(errors.InputError, match='was taken over by process'):
      push_one()
  assert _content(bucket, 'file') == b'2'


def test_a_run_in_a_bucket_is_stopped_and_goes_on(bucket, local, monkeypatch):
  config = small.config(local / 'corpus', 'concat', **_LIKE)
  with monkeypatch.context() as patch:
    patch.setattr(
      preemption, 'watch', lambda: contextlib.nullcontext(lambda: True)
    )
    with pytest.raises(errors.Stopped, match='saved after epoch 1 of 3'):
      loop.train(config, _PATH)
  assert 'checkpoints/0/1.sha256.json' in _names(bucket)
  summary = loop.train(config, _PATH)
  assert str(summary.predictions) == f'{_PATH}/predictions.parquet'
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


# A bucket that is a folder, for a binary in a process of its own.
_BINARY = """
import runpy, sys
import fsspec
from fsspec.implementations import local

folder, verb, *flags = sys.argv[1:]

class Bucket(local.LocalFileSystem):
  @classmethod
  def _strip_protocol(cls, path):
    return super()._strip_protocol(str(path).replace('gs://', folder + '/'))

fsspec.register_implementation('gcs', Bucket, clobber=True)
sys.argv[:] = [f'empathy.{verb}', *flags]
runpy.run_module(f'empathy.{verb}', run_name='__main__', alter_sys=True)
"""


def _call(folder, verb, *flags):
  return subprocess.run(
    [sys.executable, '-c', _BINARY, str(folder), verb, *flags],
    env=os.environ | {'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)},
    capture_output=True,
    text=True,
    check=False,
  )


def test_evaluate_and_predict_take_a_workdir_in_a_bucket(local, tmp_path):
  there = tmp_path / 'bucket' / 'runs' / 'one'
  shutil.copytree(local / 'run', there)
  done = _call(tmp_path, 'evaluate', f'--workdir={_PATH}')
  assert done.returncode == 0, done.stderr
  assert f'copied to {_PATH}/study' in done.stdout
  assert '</html>' in (there / 'study' / 'report.html').read_text()
  done = _call(
    tmp_path,
    'predict',
    f'--workdir={_PATH}',
    f'--corpus={local / "corpus"}',
    f'--output={tmp_path / "new.parquet"}',
  )
  assert done.returncode == 0, done.stderr
  done = _call(tmp_path, 'evaluate', '--workdir=gs://bucket/nothing')
  assert done.returncode == 2
  assert done.stderr == (
    'error: gs://bucket/nothing/config.json: no such file; expected the folder '
    'of a training run\n'
  )


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
