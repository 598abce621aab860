"""Runs the binaries many times, but imports what they need once.

A server process imports the libraries and forks for each call: what runs then
is `python -m empathy.<verb>`, or `empathy <verb>`, with its own flags, output
and exit status.
"""

import dataclasses
import fcntl
import functools
import gc
import json
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
import traceback

import interruptions

# What any binary imports, at once or when it is needed; pandas takes longest.
_PRELOADED = (
  'empathy.cli',
  'empathy.command',
  'empathy.corpora.importers.label_studio',
  'empathy.corpora.template',
  'empathy.evaluation.commands',
  'empathy.training.extract_loop',
  'empathy.training.finetune_loop',
  'empathy.training.inference',
  'empathy.training.loop',
  'ml_collections.config_flags',
  'pandas',
)


@dataclasses.dataclass(frozen=True)
class Done:
  """How a call ended.

  Attributes:
    status: its exit status; the negative number of the signal that ended it.
    out: what it wrote to standard output.
    err: likewise, to standard error.
    changes: of the folder of an interruption, where one was given.
  """

  status: int
  out: str
  err: str
  changes: int | None = None


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

  def run(
    self,
    verb: str,
    *flags: str,
    cwd: pathlib.Path,
    interruption: interruptions.Interruption | None = None,
    buckets: bool = False,
  ) -> Done:
    """Runs `python -m empathy.<verb> <flags>` in the folder `cwd`.

    Args:
      verb: the binary; 'empathy': the command, whose verb is the first of the
        flags.
      *flags: of it.
      cwd: the folder.
      interruption: of what the binary does, if any.
      buckets: whether gs:// means folders in `cwd`.
    """
    call = {'verb': verb, 'flags': [*map(str, flags)], 'cwd': str(cwd)}
    call['buckets'] = buckets
    if interruption:
      call['interruption'] = dataclasses.asdict(interruption)
    self._server.stdin.write(json.dumps(call) + '\n')
    self._server.stdin.flush()
    return Done(**json.loads(self._server.stdout.readline()))


def _serve() -> None:
  for module in _PRELOADED:
    __import__(module)
  # The flags of XLA are the same for all: one process asks about them.
  parallel = sys.modules['empathy.training.parallel']
  parallel._check_flags = functools.cache(parallel._check_flags)
  parallel._check_flags()
  # What the children do not collect they do not copy.
  gc.collect()
  gc.freeze()
  for line in sys.stdin:
    call = json.loads(line)
    # Pipes, for a full disk is no matter to them, that hold all there is.
    pipes = [os.pipe() for _ in range(3)]
    for _, sender in pipes:
      if hasattr(fcntl, 'F_SETPIPE_SZ'):
        fcntl.fcntl(sender, fcntl.F_SETPIPE_SZ, 2**20)
    child = os.fork()
    if not child:
      os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
      for number, (_, sender) in enumerate(pipes, 1):
        os.dup2(sender, number)
      _run(call)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    texts = []
    for receiver, sender in pipes:
      os.close(sender)
      with open(receiver, 'rb') as file:
        texts.append(file.read().decode())
    out, err, changes = texts
    done = Done(status, out, err, int(changes) if changes else None)
    print(json.dumps(dataclasses.asdict(done)), flush=True)


def _make_buckets(folder: str) -> None:
  """Has folders for buckets; what is fetched stays there, too."""
  import fsspec
  from fsspec.implementations import local

  class Bucket(local.LocalFileSystem):
    @classmethod
    def _strip_protocol(cls, path):
      return super()._strip_protocol(str(path).replace('gs://', f'{folder}/'))

  fsspec.register_implementation('gcs', Bucket, clobber=True)
  tempfile.tempdir = folder  # Nobody is left to remove it.


def _run(call: dict) -> None:
  """Becomes the binary, and never returns."""
  status, count = 1, None
  try:
    os.chdir(call['cwd'])
    sys.path[0] = call['cwd']
    if call['buckets']:
      _make_buckets(call['cwd'])
    if 'interruption' in call:
      count = interruptions.arm(
        interruptions.Interruption(**call['interruption'])
      )
    verb = call['verb']
    module = verb if verb == 'empathy' else f'empathy.{verb}'
    sys.argv = [module, *call['flags']]
    try:
      runpy.run_module(module, run_name='__main__', alter_sys=True)
      status = 0
    except SystemExit as error:
      status = error.code or 0
    # As at the exit of a process: the others may not yet have left.
    if sys.modules['jax'].distributed.is_initialized():
      sys.modules['jax'].distributed.shutdown()
  except BaseException:
    traceback.print_exc()
  finally:
    if count:
      os.write(3, str(count()).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == '__main__':
  _serve()
