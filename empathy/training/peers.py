"""Ends a process soon after another one of its group is gone.

Whoever waits for a process that was killed would do so for minutes, or for
ever, by the kind of device; or JAX aborts it with pages of its own. So each has
a connection to process 0, which ends with the process, however that ends.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator

import jax
from jax._src import distributed

from empathy import errors
from empathy.training import parallel

_log = logging.getLogger('empathy')

# As what is not foreseen ends a process.
_STATUS = 1
# A machine that is gone says nothing: seconds until it is asked, and between
# that, and how often; others take a minute and more, by their defaults hours.
_KEEPALIVE = {'TCP_KEEPIDLE': 15, 'TCP_KEEPINTVL': 5, 'TCP_KEEPCNT': 3}
# Seconds until all are connected, and in which the cause of an error is told.
_CONNECTING, _PATIENCE = 30.0, 3.0
_BYE = b'.'


@contextlib.contextmanager
def watched() -> Iterator[None]:
  """Ends this process if another one goes before it has left the block.

  That is told in one line, and the exit status is 1. Who leaves by an
  `InputError` or `Stopped`, as all do together, is not missed. All processes
  have to come here.
  """
  if parallel.is_alone():
    yield
    return
  links, left = _connected(), threading.Event()
  end = (
    f'of {jax.process_count()} is gone, so process {jax.process_index()} ends: '
    'start all again, and they go on from the last checkpoint'
  )
  for index in links:
    args = index, links, left, end
    threading.Thread(target=_watch, args=args, daemon=True).start()
  says = b''
  try:
    try:
      yield
      says = _BYE
    except (errors.InputError, errors.Stopped):
      says = _BYE
      raise
    except Exception:
      # The other one may be gone, which is about to be told.
      time.sleep(_PATIENCE)
      raise
  finally:
    left.set()
    for link in links.values():
      with contextlib.suppress(OSError):
        link.sendall(says)
        link.shutdown(socket.SHUT_RDWR)
      link.close()


def _watch(
  index: int, links: dict[int, socket.socket], left: threading.Event, end: str
) -> None:
  """Waits for the end of a connection; if it was no good one, ends all."""
  said = b''
  with contextlib.suppress(OSError):
    while received := links[index].recv(64):
      said += received
  if left.is_set() or said == _BYE:
    return
  gone = said.decode() or str(index)  # Process 0 knows of whom it is.
  # In one go, before JAX says it in its own way.
  os.write(sys.stderr.fileno(), f'error: process {gone} {end}\n'.encode())
  for link in links.values():
    with contextlib.suppress(OSError):
      link.sendall(gone.encode())
  os._exit(_STATUS)


def _connected() -> dict[int, socket.socket]:
  """Connections by the other one's number: of process 0, those to all others.

  Where a network does not let them through, there are none.
  """
  links = {}
  with contextlib.ExitStack() as stack:
    port = 0
    if parallel.is_main():
      server = stack.enter_context(_server())
      port = server.getsockname()[1]
    token = parallel.text_from_main(f'{port} {os.urandom(8).hex()}')
    try:
      if parallel.is_main():
        while len(links) < jax.process_count() - 1:
          link, _ = server.accept()
          link.settimeout(_CONNECTING)
          told, _, index = link.recv(64).decode().rpartition(' ')
          if told == token:
            links[int(index)] = link
      else:
        host = distributed.global_state.coordinator_address.rpartition(':')[0]
        address = host.strip('[]'), int(token.split()[0])
        links[0] = socket.create_connection(address, _CONNECTING)
        links[0].sendall(f'{token} {jax.process_index()}'.encode())
    except OSError as error:
      _log.warning('processes do not watch each other: %s', error)
  for link in links.values():
    link.settimeout(None)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
      if hasattr(socket, option):
        link.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
  return links


def _server() -> socket.socket:
  if socket.has_dualstack_ipv6():
    family, options = socket.AF_INET6, {'dualstack_ipv6': True}
  else:
    family, options = socket.AF_INET, {}
  server = socket.create_server(('', 0), family=family, backlog=128, **options)
  server.settimeout(_CONNECTING)
  return server
