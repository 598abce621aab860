"""A run that is killed, again and again, ends as one that is not."""

import contextlib
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
import small

_SEED = 7
_NUM_MEMBERS = 2 * 3 * 2
# So many that nobody is done before it was killed ten times.
_NUM_CHUNKS = 6
_NUM_EPOCHS = 20
_FLAGS = (
  '--config.views=text,text+video',
  '--config.num_folds=3',
  '--config.num_seeds=2',
  '--config.batch_size=16',
  f'--config.num_epochs={_NUM_EPOCHS}',
  '--config.model.hidden=(8,)',
  # Chunks of two, one after another, and a checkpoint after each epoch.
  '--config.members_per_device=1',
  '--config.checkpoint_seconds=0',
)


def _start(corpus, workdir, before=None):
  config = small.ROOT / 'configs' / 'mixed_signals.py'
  flags = os.environ['XLA_FLAGS']
  return subprocess.Popen(
    [
      sys.executable,
      '-m',
      'empathy.train',
      f'--config={config}:concat',
      f'--config.corpus={corpus}',
      f'--workdir={workdir}',
      *_FLAGS,
    ],
    env=os.environ
    | {'XLA_FLAGS': f'{flags} --xla_force_host_platform_device_count=2'},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
    preexec_fn=before,
  )


def _finish(corpus, workdir):
  process = _start(corpus, workdir)
  _, told = process.communicate()
  assert process.returncode == 0, told
  return told


# What shows how far a run is. Each gives something that changes when the work
# of its name has begun, or is done.


def _configured(workdir: pathlib.Path):
  return sorted(workdir.glob('*config.json*'))


def _epochs(workdir: pathlib.Path):
  path = workdir / 'metrics.jsonl'
  return path.read_bytes().count(b'\n') if path.exists() else 0


def _checkpoint(workdir: pathlib.Path):
  return _entries(workdir / 'checkpoints')


def _members(workdir: pathlib.Path):
  return _entries(workdir / 'members')


def _unsealed(workdir: pathlib.Path):
  """Trained members that have no manifest yet."""
  path = workdir / 'members'
  return [
    found.name
    for found in path.glob('*')
    if found.name.isdigit()
    and not (path / f'{found.name}.sha256.json').exists()
  ]


def _members_file(workdir: pathlib.Path):
  path = workdir / 'members.json'
  return path.stat().st_mtime_ns if path.exists() else None


def _entries(path: pathlib.Path):
  return sorted((str(found), found.is_dir()) for found in path.rglob('*'))


def _signal_after(process, workdir, number, sign, changes, delay) -> None:
  """Sends a signal when `sign` has changed so often, `delay` seconds later."""
  last = first = sign(workdir)
  while process.poll() is None and changes:
    try:
      now = sign(workdir)
    except FileNotFoundError:  # Gone since it was listed.
      continue
    if sign is _epochs:
      # Lines that are not in a checkpoint are written once more.
      if now >= first + changes * _NUM_MEMBERS / _NUM_CHUNKS:
        break
    elif now != last:
      last, changes = now, changes - 1
    _wait(process, 0.0005)
  _wait(process, delay)
  process.send_signal(number)


def _wait(process, seconds) -> None:
  with contextlib.suppress(subprocess.TimeoutExpired):
    process.wait(seconds)


def _moments() -> list:
  """Ten moments: where and how often, and how long after that."""
  draw = random.Random(_SEED)
  middle = [
    (_epochs, draw.randint(1, 5)),
    (_epochs, draw.randint(1, 5)),
    (_epochs, draw.randint(1, 5)),
    (_epochs, draw.randint(1, 5)),
    (_checkpoint, draw.randint(1, 12)),
    (_checkpoint, draw.randint(1, 12)),
    (_members, draw.randint(1, 3)),
    (_unsealed, 1),
  ]
  draw.shuffle(middle)
  moments = [
    (_configured, 1),
    *middle,
    (_members_file, 1),
  ]
  return [
    (sign, changes, 0 if sign is _unsealed else draw.uniform(0, 0.02))
    for sign, changes in moments
  ]


def _parameters(workdir, chunk):
  with ocp.PyTreeCheckpointer() as checkpointer:
    return checkpointer.restore((workdir / 'members' / str(chunk)).absolute())


@pytest.fixture(scope='module', name='corpus')
def _corpus(tmp_path_factory):
  path = tmp_path_factory.mktemp('corpus') / 'corpus'
  small.write_corpus(path)
  return path


@pytest.mark.long
def test_killed_ten_times_it_ends_as_undisturbed(corpus, tmp_path):
  whole, killed = tmp_path / 'whole', tmp_path / 'killed'
  _finish(corpus, whole)
  for number, moment in enumerate(_moments()):
    process = _start(corpus, killed)
    _signal_after(process, killed, signal.SIGKILL, *moment)
    told = process.communicate()[1]
    assert process.returncode == -9, (number, moment, told)
    assert not (killed / 'predictions.parquet').exists() or number == 9
  _finish(corpus, killed)
  _assert_same(killed, whole)


@pytest.mark.long
def test_stopped_filled_and_damaged_it_ends_as_undisturbed(corpus, tmp_path):
  """SIGTERM, a full disk and a damaged newest checkpoint, one after another."""
  whole, run = tmp_path / 'whole', tmp_path / 'run'
  _finish(corpus, whole)

  process = _start(corpus, run)
  _signal_after(process, run, signal.SIGTERM, _epochs, 3, 0)
  told = process.communicate()[1]
  assert process.returncode == 143, told
  assert told.splitlines()[-1].startswith('stopped: chunk 0 is saved after')
  assert not (run / '.lock').exists()

  # Every file may grow to the size of the metrics as they are; the next do not.
  size = (run / 'metrics.jsonl').stat().st_size + 200
  process = _start(
    corpus, run, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
  )
  told = process.communicate()[1]
  assert process.returncode == 2, told
  assert told.splitlines()[-1].startswith(f'error: {run}: the disk is full: ')
  assert not (run / '.lock').exists()

  checkpoints = sorted(
    (path for path in (run / 'checkpoints' / '0').iterdir() if path.is_dir()),
    key=lambda path: int(path.name),
  )
  assert len(checkpoints) == 2
  largest = max(
    checkpoints[-1].rglob('*'), key=lambda path: path.stat().st_size
  )
  os.truncate(largest, largest.stat().st_size // 2)
  told = _finish(corpus, run)
  assert f'{checkpoints[-1]}: is damaged' in told
  assert f'chunk 0 goes on from epoch {checkpoints[0].name}' in told
  _assert_same(run, whole)


def _assert_same(run, whole):
  """The files and every parameter of two runs are equal, bit for bit."""
  for file in ('predictions.parquet', 'metrics.jsonl', 'members.json'):
    assert (run / file).read_bytes() == (whole / file).read_bytes(), file
  for chunk in range(_NUM_CHUNKS):
    jax.tree.map(
      np.testing.assert_array_equal,
      _parameters(run, chunk),
      _parameters(whole, chunk),
    )
