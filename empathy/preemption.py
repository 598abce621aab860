"""Being told to stop (SIGTERM), and going in time with nothing lost.

Spot machines, batch queues and Kubernetes all send SIGTERM some 30 seconds
before they kill. Long work asks between its steps whether that has come, saves
what it has and raises `errors.Stopped`. Should that take too long, because a
step or a write does, the process goes without: whatever is written here is
whole or does not count, so the last good state is still there.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

# The status of a process that SIGTERM ended, as shells give it.
STATUS = 128 + signal.SIGTERM
# Seconds after SIGTERM until the process goes in any case.
_GRACE = 25.0


@contextlib.contextmanager
def watch(grace: float = _GRACE) -> Iterator[Callable[[], bool]]:
  """Yields a function that says whether the process was told to stop.

  Args:
    grace: seconds from SIGTERM on, after which the process exits even if the
      block has not been left.

  Yields:
    The function. Away from the main thread it always says no: signals are not
    to be had there.
  """
  if threading.current_thread() is not threading.main_thread():
    yield lambda: False
    return
  told, left = threading.Event(), threading.Event()
  receiver, sender = os.pipe()
  os.set_blocking(sender, False)

  # Python runs a handler once the main thread is back from what it calls, for
  # instance a compiled epoch. The number of a signal is in the pipe at once.
  def wait() -> None:
    while (received := os.read(receiver, 1)) != bytes([signal.SIGTERM]):
      if not received:
        return
    told.set()
    if not left.wait(grace):
      print(
        f'stopped: nothing new could be saved within {grace:.0f} s; run the '
        'same command again: it goes on from the last checkpoint',
        file=sys.stderr,
        flush=True,
      )
      os._exit(STATUS)

  before = signal.signal(signal.SIGTERM, lambda *_: None)
  fd_before = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
  thread = threading.Thread(target=wait, daemon=True)
  thread.start()
  try:
    yield told.is_set
  finally:
    left.set()
    signal.set_wakeup_fd(fd_before)
    signal.signal(signal.SIGTERM, before)
    os.close(sender)  # Ends a thread that still waits.
    thread.join()
    os.close(receiver)
