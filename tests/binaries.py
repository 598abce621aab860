"""Runs the binaries many times, but imports what they need once.

A server process imports the libraries and forks for each call: what runs then
is `python -m empathy.<verb>`, with its own flags, output and exit status.
"""

import dataclasses
import json
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import traceback

_PRELOADED = (
  'empathy.encoders.extraction',
  'empathy.evaluation.report',
  'empathy.training.loop',
)


@dataclasses.dataclass(frozen=True)
class Done:
  """How a call ended.

  Attributes:
    status: its exit status.
    out: what it wrote to standard output.
    err: likewise, to standard error.
  """

  status: int
  out: str
  err: str


class Binaries:
  """Runs binaries; use it as a context manager."""

  def __enter__(self) -> 'Binaries':
    self._server = subprocess.Popen(
      [sys.executable, __file__],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
    )
    return self

  def __exit__(self, *exception) -> None:
    self._server.communicate()

  def run(self, verb: str, *flags: str, cwd: pathlib.Path) -> Done:
    """Runs `python -m empathy.<verb> <flags>` in the folder `cwd`."""
    call = {'verb': verb, 'flags': [*map(str, flags)], 'cwd': str(cwd)}
    self._server.stdin.write(json.dumps(call) + '\n')
    self._server.stdin.flush()
    return Done(**json.loads(self._server.stdout.readline()))


def _serve() -> None:
  for module in _PRELOADED:
    __import__(module)
  for line in sys.stdin:
    call = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
      child = os.fork()
      if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        _run(call)
      status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
      texts = []
      for file in (out, err):
        file.seek(0)
        texts.append(file.read().decode())
    done = Done(status, *texts)
    print(json.dumps(dataclasses.asdict(done)), flush=True)


def _run(call: dict) -> None:
  """Becomes the binary, and never returns."""
  status = 1
  try:
    os.chdir(call['cwd'])
    module = f'empathy.{call["verb"]}'
    sys.argv = [module, *call['flags']]
    runpy.run_module(module, run_name='__main__', alter_sys=True)
    status = 0
  except SystemExit as error:
    status = error.code or 0
  except BaseException:
    traceback.print_exc()
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == '__main__':
  _serve()
