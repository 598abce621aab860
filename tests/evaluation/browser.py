"""A headless Chromium, driven over its DevTools pipe, for tests of the report.

The pipe needs no port and no client library: JSON messages that end with a zero
byte go in by file descriptor 3 and come out by 4.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import threading
import zlib
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


def filled(pdf: bytes, top: float, foot: float) -> list[float]:
  """How far down each page of a PDF is filled, as a share of its room.

  Enough of PDF for what Chromium writes: content streams of their own, painted
  boxes, lines and text; white paint and clipping are no ink, nor is what would
  be printed on the margins, which is clipped.

  Args:
    pdf: as `Page.printToPDF` gives it.
    top: the upper margin, in points.
    foot: the lower margin.
  """
  objects = {
    int(found[1]): found[2]
    for found in re.finditer(rb'(\d+) 0 obj\b(.*?)\bendobj', pdf, re.S)
  }

  def leaves(number: int) -> Iterator[bytes]:
    kids = re.search(rb'/Kids\s*\[(.*?)\]', objects[number], re.S)
    if kids is None:
      yield objects[number]
      return
    for kid in re.findall(rb'(\d+) 0 R', kids[1]):
      yield from leaves(int(kid))

  shares = []
  for page in leaves(int(re.search(rb'/Pages (\d+) 0 R', pdf)[1])):
    height = float(re.search(rb'/MediaBox\s*\[.* ([\d.]+)\]', page)[1])
    content = objects[int(re.search(rb'/Contents (\d+) 0 R', page)[1])]
    stream = re.search(rb'stream\r?\n(.*)endstream', content, re.S)[1]
    inked = _inked(zlib.decompress(stream).decode('latin-1'))
    lowest = min(y for y in inked if y >= foot)
    shares.append((height - top - lowest) / (height - top - foot))
  return shares


def _inked(content: str) -> Iterator[float]:
  """The heights at which a content stream paints, from the foot of the page."""
  # Height y of the page is scale * y + shift.
  scale, shift, white, kept = 1.0, 0.0, False, []
  path, numbers, text = [], [], (1.0, 0.0)
  for token in re.findall(r'<[^>]*>|\[.*?\]|[^\s<>\[\]]+', content):
    try:
      numbers.append(float(token))
      continue
    except ValueError:
      pass
    if token == 'q':
      kept.append((scale, shift, white))
    elif token == 'Q':
      scale, shift, white = kept.pop()
    elif token == 'cm':
      shift, scale = shift + scale * numbers[-1], scale * numbers[-3]
    elif token == 'rg':
      white = numbers[-3:] == [1, 1, 1]
    elif token == 're':
      path += [numbers[-3], numbers[-3] + numbers[-1]]
    elif token in ('m', 'l', 'c'):
      path.append(numbers[-1])
    elif token == 'Tm':
      text = numbers[-3], numbers[-1]
    elif token == 'Td':
      text = text[0], text[1] + text[0] * numbers[-1]
    elif token in ('f', 'f*', 'S', 'B', 'b', 'n'):
      if token == 'S' or (token != 'n' and not white):
        yield from (scale * y + shift for y in path)
      path = []
    elif token in ('Tj', 'TJ'):
      yield scale * text[1] + shift
    numbers = []
