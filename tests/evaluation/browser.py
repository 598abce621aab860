"""A headless Chromium, driven over its DevTools pipe, for tests of the report.

The pipe needs no port and no client library: JSON messages that end with a zero
byte go in by file descriptor 3 and come out by 4.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
needs_chromium = pytest.mark.skipif(
  CHROMIUM is None, reason='chromium is not installed'
)
_PATIENCE = 300  # Seconds.
_FLAGS = (
  '--headless',
  '--remote-debugging-pipe',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
)


class Page:
  """A tab: what it evaluates, what it logs and what it asks a network for.

  Attributes:
    logged: messages of the console, and errors that nobody caught.
    requested: the addresses of all requests.
  """

  def __init__(self, writer, reader):
    self._writer, self._reader, self._last = writer, reader, 0
    self._session = None
    self._loaded = False
    self.logged, self.requested = [], []
    target = self.send('Target.createTarget', url='about:blank')['targetId']
    self._session = self.send(
      'Target.attachToTarget', targetId=target, flatten=True
    )['sessionId']
    for domain in ('Page', 'Runtime', 'Log', 'Network'):
      self.send(f'{domain}.enable')

  def send(self, method, **parameters):
    """Sends a command and returns its result."""
    self._last += 1
    message = {'id': self._last, 'method': method, 'params': parameters}
    if self._session:
      message['sessionId'] = self._session
    self._writer.write(json.dumps(message).encode() + b'\0')
    self._writer.flush()
    while True:
      answer = self._receive()
      if answer.get('id') == self._last:
        assert 'error' not in answer, (method, answer['error'])
        return answer['result']

  def open(self, path, width=1200, height=900, scheme='light'):
    """Opens a file and waits until it has loaded."""
    self.send(
      'Emulation.setDeviceMetricsOverride',
      width=width,
      height=height,
      deviceScaleFactor=1,
      mobile=False,
    )
    self.send(
      'Emulation.setEmulatedMedia',
      features=[{'name': 'prefers-color-scheme', 'value': scheme}],
    )
    self._loaded = False
    self.send('Page.navigate', url=path.as_uri())
    while not self._loaded:
      self._receive()

  def run(self, script):
    """The value of an expression; a promise is waited for."""
    answer = self.send(
      'Runtime.evaluate',
      expression=script,
      returnByValue=True,
      awaitPromise=True,
      userGesture=True,
    )
    assert 'exceptionDetails' not in answer, answer
    return answer['result'].get('value')

  def _receive(self):
    text = bytearray()
    while (byte := self._reader.read(1)) != b'\0':
      assert byte, 'the browser has gone'
      text += byte
    message = json.loads(text)
    method, parameters = message.get('method'), message.get('params')
    if method == 'Page.loadEventFired':
      self._loaded = True
    elif method == 'Runtime.consoleAPICalled':
      self.logged.append(str(parameters['args']))
    elif method == 'Runtime.exceptionThrown':
      self.logged.append(str(parameters['exceptionDetails']))
    elif method == 'Log.entryAdded':
      self.logged.append(str(parameters['entry']))
    elif method == 'Network.requestWillBeSent':
      self.requested.append(parameters['request']['url'])
    return message


@contextlib.contextmanager
def page(folder) -> Iterator[Page]:
  """A browser with one tab, ended with the context."""
  to_read, to_write = os.pipe()
  from_read, from_write = os.pipe()
  # Out of the way of the numbers that the browser expects.
  ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, from_write)]

  def wire():
    os.dup2(ends[0], 3)
    os.dup2(ends[1], 4)

  process = subprocess.Popen(
    [CHROMIUM, *_FLAGS, f'--user-data-dir={folder / "profile"}'],
    preexec_fn=wire,
    pass_fds=(3, 4),
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  for end in (to_read, from_write, *ends):
    os.close(end)
  # A browser that hangs is ended, which the test then tells.
  watchdog = threading.Timer(_PATIENCE, process.kill)
  watchdog.start()
  try:
    with open(to_write, 'wb') as writer, open(from_read, 'rb') as reader:
      yield Page(writer, reader)
  finally:
    watchdog.cancel()
    process.terminate()
    process.wait()
