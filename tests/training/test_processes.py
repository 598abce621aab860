"""Several processes train as one does, and go on where others stopped.

This file is the program of those processes, too.
"""

import contextlib
import errno
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
from unittest import mock

import binaries
import jax
import numpy as np
import pytest
import small

from empathy.corpora import corpus as corpora

# Six steps in other orders of summation. Where a gradient is nothing but
# rounding Adam's first step, of 4e-5, goes either way; a fourth more for all
# else, see rounding.trained.
_TOLERANCE = 2.5 * 4e-5
_MODES = ('members', 'batch')
# Three views, three folds, one seed: these do not divide among the devices.
_NUM_MEMBERS = 9


def _run(folder, num_processes, num_devices, *plans):
  """Runs the plans, one after another, in processes that form one group.

  A plan is a mode, a workdir, whether to stop after the first epoch, and what
  goes wrong, if anything does: with 'kill', the last one, none comes to an end.
  """
  with socket.socket() as free:
    free.bind(('localhost', 0))
    address = f'localhost:{free.getsockname()[1]}'
  processes = [
    subprocess.Popen(
      [
        *(sys.executable, __file__, str(folder), address),
        *(str(num_processes), str(index), json.dumps(plans)),
      ],
      env=os.environ
      | {
        'XLA_FLAGS': os.environ['XLA_FLAGS']
        + f' --xla_force_host_platform_device_count={num_devices}',
        'PYTHONPATH': os.pathsep.join(p for p in sys.path if p),
      },
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
    )
    for index in range(num_processes)
  ]
  told = [process.communicate()[1] for process in processes]
  killed = plans[-1][-1] == 'kill'
  for index, (process, text) in enumerate(zip(processes, told, strict=True)):
    status = (1, -signal.SIGKILL)[index] if killed else 0
    assert process.returncode == status, text[-3000:]
  return told


@pytest.fixture(scope='module', name='folder')
def _folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('processes')
  small.write_corpus(folder / 'corpus')
  labels = corpora.read(folder / 'corpus').labels
  small.write_corpus(folder / 'other', labels=1 - labels)
  one = [(mode, f'one-{mode}', False, '') for mode in _MODES]
  one.append(('members', 'grown-members', True, ''))
  _run(folder, 1, 4, *one)
  two = [(mode, f'two-{mode}', False, '') for mode in _MODES]
  two.append(('members', 'grown-members', False, ''))
  two += [
    ('members', f'bad-{what}', False, what)
    for what in ('corpus', 'config', 'disk', 'field', 'place')
  ]
  two.append(('members', 'two-members', False, 'workdir'))
  two.append(('members', 'killed-members', False, 'kill'))
  (folder / 'killed.txt').write_text(_run(folder, 2, 2, *two)[0])
  return folder


@pytest.fixture(scope='module', name='shrunk')
def _shrunk(folder):
  runs = [(mode, f'shrunk-{mode}') for mode in _MODES]
  _run(folder, 2, 2, *((*run, True, '') for run in runs))
  _run(folder, 1, 3, *((*run, False, '') for run in runs))


@pytest.fixture(name='name')
def _name(request):
  if request.param == 'shrunk':
    request.getfixturevalue('shrunk')
  return request.param


_runs = pytest.mark.parametrize(
  ('name', 'mode'),
  [
    *(('two', mode) for mode in _MODES),
    *(pytest.param('shrunk', mode, marks=pytest.mark.long) for mode in _MODES),
    ('grown', 'members'),
  ],
  indirect=['name'],
)


def _state(workdir):
  return small.read_saved(workdir / 'members' / '0')


def _lines(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


@_runs
def test_the_parameters_are_those_of_one_process(folder, name, mode):
  expected = _state(folder / f'one-{mode}')
  found = _state(folder / f'{name}-{mode}')
  for path, x in jax.tree_util.tree_leaves_with_path(expected):
    assert len(x) == _NUM_MEMBERS, path
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=_TOLERANCE),
    found,
    expected,
  )


@_runs
def test_the_losses_are_those_of_one_process(folder, name, mode):
  expected = _lines(folder / f'one-{mode}')
  found = _lines(folder / f'{name}-{mode}')
  assert len(found) == len(expected) == 2 * _NUM_MEMBERS
  for one, other in zip(expected, found, strict=True):
    for key in ('epoch', 'view', 'fold', 'seed'):
      assert one[key] == other[key]
    for key in ('train/loss', 'val/loss'):
      assert other[key] == pytest.approx(one[key], abs=_TOLERANCE)
  # The parameters move by far more than the tolerance.
  first, last = expected[0], expected[_NUM_MEMBERS]
  assert abs(first['train/loss'] - last['train/loss']) > 50 * _TOLERANCE


def _parts(folder):
  return {path.name for path in folder.iterdir()}


def test_each_writes_the_members_that_it_holds(folder):
  files = {
    name: {path.name for path in (folder / f'{name}-members').iterdir()}
    for name in ('one', 'two')
  }
  assert files['one'] == files['two']
  assert not any(name.startswith('.') for name in files['two'])
  # Of four devices two have the first six; of a batch, each has all.
  assert _parts(folder / 'one-members' / 'members' / '0') == {'0'}
  assert _parts(folder / 'two-members' / 'members' / '0') == {'0', '6'}
  assert _parts(folder / 'two-batch' / 'members' / '0') == {'0', '4'}


@pytest.mark.long
def test_in_a_bucket_they_go_on_where_others_stopped(folder):
  _run(folder, 2, 2, ('members', 'gs://stopped-members', True, ''))
  kept = folder / 'stopped-members' / 'checkpoints' / '0'
  assert _parts(kept) == {'1', '1.sha256.json'}
  assert _parts(kept / '1') == {'0', '6'}
  # What does not count, is not fetched, and removed.
  (kept / '2' / '6').mkdir(parents=True)
  (kept / '2' / '6' / 'd').write_text('left over')
  _run(folder, 3, 1, ('members', 'gs://stopped-members', False, ''))
  assert not [path for path in kept.rglob('*') if path.is_file()]
  run = folder / 'stopped-members'
  assert _parts(run / 'members' / '0') == {'0', '3', '6'}
  expected = _state(folder / 'one-members')
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=_TOLERANCE),
    _state(run),
    expected,
  )
  assert len(_lines(run)) == 2 * _NUM_MEMBERS
  one, found = (small.read_table(x) for x in (folder / 'one-members', run))
  assert one['id'] == found['id']


def test_when_one_is_killed_the_other_ends_in_a_line(folder):
  told = (folder / 'killed.txt').read_text().splitlines()
  assert told[-1] == (
    'error: process 1 of 2 is gone, so process 0 ends: start all again, and '
    'they go on from the last checkpoint'
  )
  # The second one had written its part.
  kept = folder / 'killed-members' / 'checkpoints' / '0'
  assert _parts(kept) == {'1', '1.sha256.json', '2'}
  assert _parts(kept / '1') == {'0', '6'}
  assert '6' in _parts(kept / '2')


@_runs
def test_the_predictions_are_those_of_one_process(folder, name, mode):
  one, found = (
    small.read_table(folder / f'{which}-{mode}') for which in ('one', name)
  )
  for column in one.column_names:
    x, y = one[column].to_numpy(), found[column].to_numpy()
    if x.dtype == object or x.dtype.kind == 'i':
      assert x.tolist() == y.tolist()
    else:
      np.testing.assert_allclose(x, y, rtol=0, atol=_TOLERANCE)
  assert one['logit_neutral'].to_numpy().std() > 100 * _TOLERANCE


@pytest.mark.parametrize(
  ('what', 'source', 'says'),
  [
    ('corpus', 1, 'is not that of process 0: clips.csv'),
    ('config', 1, 'config.l2 is [0.5] here, [0.001] in process 0'),
    ('field', 1, "config.keep: 'all' is not best or last or refit"),
    ('place', 1, 'is not the workdir of process 0: processes need one that'),
    ('workdir', 0, 'holds another run: config.num_epochs is 5, was 2'),
    ('disk', 0, 'No space left on device'),
  ],
)
def test_what_one_process_refuses_ends_all(folder, what, source, says):
  for index in range(2):
    told = (folder / f'{what}-{index}.txt').read_text()
    full = (what, index) == ('disk', 0)
    assert ('the disk is full: make room' if full else says) in told
    assert told.startswith(f'process {source}: ') == (index != source)
    assert len(told.splitlines()) == 1
  # What was not there before is not there now, unless it is to go on from.
  assert (folder / f'bad-{what}').exists() == (what == 'disk')
  assert not (folder / 'elsewhere').exists()


def _main(folder, address, num_processes, index, plans) -> None:
  from empathy import errors, preemption
  from empathy.training import (
    checkpoints,
    inference,
    loop,
    metric_writer,
    parallel,
  )

  if num_processes > 1:
    parallel.connect(address, num_processes, index)
  write = inference.write

  def told_write(table, path):
    write(table, path)
    (folder / f'{path.parent.name}-{num_processes}.written').touch()

  def full_write(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  hashes = checkpoints._hashes

  def killed(path, part):
    if path.name == '2':
      os.kill(os.getpid(), signal.SIGKILL)
    return hashes(path, part)

  for mode, name, stops, wrong in plans:
    overrides = {'num_epochs': 5} if wrong == 'workdir' else {}
    overrides |= {'checkpoint_seconds': 0.0} if wrong == 'kill' else {}
    corpus, place = 'corpus', folder / name
    if name.startswith('gs://'):
      place, name = name, name.removeprefix('gs://')
      binaries._make_buckets(str(folder))
    if index:
      place = folder / 'elsewhere' if wrong == 'place' else place
      checkpoints._hashes = killed if wrong == 'kill' else hashes
      corpus = 'other' if wrong == 'corpus' else 'corpus'
      overrides |= {'l2': (0.5,)} if wrong == 'config' else {}
      overrides |= {'keep': 'all'} if wrong == 'field' else {}
    config = small.config(
      folder / corpus,
      'concat',
      **{
        'views': ('text', 'video', 'text+video'),
        'num_epochs': 2,
        'num_seeds': 1,
        'batch_size': 12,
        'parallel': mode,
      }
      | overrides,
    )
    # One process is told; all have to stop.
    stop = stops and index == num_processes - 1
    preemption.watch = lambda stop=stop: contextlib.nullcontext(lambda: stop)
    inference.write = told_write
    try:
      with mock.patch.object(
        metric_writer.MetricWriter,
        'write',
        full_write if wrong == 'disk' else metric_writer.MetricWriter.write,
      ):
        loop.train(config, place)
    except errors.Stopped:
      assert stops
    except errors.InputError as error:
      assert wrong
      (folder / f'{wrong}-{index}.txt').write_text(str(error))
    else:
      assert not stops
      assert not wrong
      # Nobody leaves while the first one still works.
      assert (folder / f'{name}-{num_processes}.written').exists()


if __name__ == '__main__':
  _main(
    pathlib.Path(sys.argv[1]),
    sys.argv[2],
    int(sys.argv[3]),
    int(sys.argv[4]),
    json.loads(sys.argv[5]),
  )
