"""SIGTERM is heard in time, and a process that is stuck goes all the same."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from empathy import preemption


def _run(program: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, '-c', program],
    env=os.environ | {'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)},
    capture_output=True,
    text=True,
    check=False,
    timeout=60,
  )


def test_it_is_heard_and_the_handler_before_comes_back():
  before = signal.getsignal(signal.SIGTERM)
  with preemption.watch() as is_stopped:
    assert not is_stopped()
    signal.raise_signal(signal.SIGTERM)
    while not is_stopped():
      pass
  assert signal.getsignal(signal.SIGTERM) is before


def test_other_signals_are_not_mistaken_for_it(request):
  # Python ignores it where it was started in the background.
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
  with preemption.watch() as is_stopped:
    with pytest.raises(KeyboardInterrupt):
      signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    while not is_stopped():
      pass


def test_away_from_the_main_thread_it_is_never_told():
  told = []

  def run():
    with preemption.watch() as is_stopped:
      told.append(is_stopped())

  thread = threading.Thread(target=run)
  thread.start()
  thread.join()
  assert told == [False]


def test_what_is_stuck_is_ended_with_a_line():
  done = _run(
    'import os, signal, threading\n'
    'from empathy import preemption\n'
    'with preemption.watch(grace=0.05):\n'
    '  os.kill(os.getpid(), signal.SIGTERM)\n'
    '  lock = threading.Lock()\n'
    '  lock.acquire()\n'
    '  lock.acquire()\n'
  )
  assert done.returncode == 143
  assert done.stderr.startswith('stopped: nothing new could be saved within')
  assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
  ('main', 'says'),
  [
    ("raise errors.Stopped('epoch 2 is saved')", 'stopped: epoch 2 is saved\n'),
    ('os.kill(os.getpid(), 15); [None for _ in iter(int, 1)]', ''),
  ],
)
def test_a_binary_exits_with_the_status_of_sigterm(main, says):
  done = _run(
    'import os\n'
    'from empathy import cli, errors\n'
    f'def main():\n  {main}\n'
    'cli.run(main)\n'
  )
  assert (done.returncode, done.stderr) == (143, says)
