"""Does work that is cut off end as work that is not?

  python tests/validity/kills.py [--kills=50] [--seed=0] [--only=VERB]

Trains members, also by two processes of two devices each, extracts features (of
texts by an encoder, of sounds by statistics), and fine-tunes encoders of three
folds; once undisturbed, and then cut off again and again until it is done, and
anew. Each time the fault, its moment and which process it comes to are drawn:
SIGKILL, SIGTERM, a full disk, or SIGKILL and then the newest checkpoint cut or
with a bit flipped. The other process has to end by itself. What is there in the
end is compared byte by byte, but trained members number by number.
"""

import argparse
import collections
import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent import futures
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'training'))
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import binaries
import interruptions
import jax
import numpy as np
import small
import tiny

_CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'
_TWO_DEVICES = '--xla_force_host_platform_device_count=2'
# How each kind of fault ends a process.
_STATUS = {
  'kill': -signal.SIGKILL,
  'damage': -signal.SIGKILL,
  'stop': 128 + signal.SIGTERM,
  'disk': 2,
}


@dataclasses.dataclass(frozen=True)
class Work:
  """Something to cut off.

  Attributes:
    verb: of the binary.
    flags: for it.
    output: the folder that it writes.
    newest: patterns of files below it that the work goes on from.
    read: what counts of the folder in the end, as bytes by a name.
    num_processes: that do it together.
  """

  verb: str
  flags: tuple[str, ...]
  output: pathlib.Path
  newest: tuple[str, ...]
  read: Callable[[pathlib.Path], dict[str, bytes]] = interruptions.content
  num_processes: int = 1


def training(folder: pathlib.Path) -> Work:
  """Three chunks of members."""
  small.write_corpus(folder / 'corpus')
  return Work(
    'train',
    (
      f'--config={_CONFIGS}/mixed_signals.py:concat',
      f'--config.corpus={folder}/corpus',
      f'--workdir={folder}/run',
      '--config.views=text,text+video',
      '--config.num_folds=3',
      '--config.num_seeds=1',
      '--config.batch_size=16',
      '--config.num_epochs=6',
      '--config.model.hidden=(8,)',
      '--config.members_per_device=1',
      '--config.checkpoint_seconds=0',
    ),
    folder / 'run',
    ('checkpoints/*/*/**/*',),
    _trained,
  )


def sharing(folder: pathlib.Path) -> Work:
  """Two chunks of members, of which two processes have a share each."""
  return dataclasses.replace(training(folder), num_processes=2)


def _trained(run: pathlib.Path) -> dict[str, bytes]:
  files = ('predictions.parquet', 'metrics.jsonl', 'members.json')
  found = {name: (run / name).read_bytes() for name in files}
  for path in sorted((run / 'members').glob('*')):
    if path.is_dir():
      tree = small.read_saved(path)
      for where, value in jax.tree_util.tree_leaves_with_path(tree):
        name = path.name + jax.tree_util.keystr(where)
        found[name] = np.asarray(value).tobytes()
  return found


def extraction(folder: pathlib.Path) -> Work:
  """Three parts of texts and three of sounds."""
  tiny.write_corpus(folder / 'corpus', ('text', 'audio'), 270)
  tiny.write_encoder('text', folder / 'encoder')
  return Work(
    'extract_features',
    (
      f'--config={_CONFIGS}/baseline_features.py',
      f'--corpus={folder}/corpus',
      f'--config.features.text.encoder={folder}/encoder',
    ),
    folder / 'corpus' / 'features',
    ('.*.parts/*.npz',),
  )


def fine_tuning(folder: pathlib.Path) -> Work:
  """An encoder of texts for each of three folds, three epochs each.

  With options that have a state of their own.
  """
  tiny.write_corpus(folder / 'corpus', ('text',), 36)
  tiny.write_encoder('text', folder / 'encoder')
  return Work(
    'finetune',
    (
      f'--config={_CONFIGS}/mixed_signals_media.py',
      f'--corpus={folder}/corpus',
      f'--workdir={folder}/run',
      f'--config.features.text.encoder={folder}/encoder',
      '--config.finetune.trained_layers=1',
      '--config.finetune.learning_rate=0.01',
      '--config.finetune.num_epochs=3',
      '--config.finetune.warmup=0.2',
      '--config.finetune.schedule=cosine',
      '--config.finetune.accumulate=2',
      '--config.finetune.batch_size=2',
      '--config.finetune.select=macro_f1',
      '--config.finetune.lora.rank=2',
    ),
    folder / 'run',
    ('*/states/.*.parts/*.npz', '*/states/*.npy', '*/checkpoints/*/*/**/*'),
    _tuned,
  )


def _tuned(run: pathlib.Path) -> dict[str, bytes]:
  """All but the events, which have the time in them."""
  found = interruptions.content(run)
  return {k: x for k, x in found.items() if not k.startswith('events')}


WORKS = {
  'train': training,
  'train_together': sharing,
  'extract_features': extraction,
  'finetune': fine_tuning,
}


def cut_off(
  verb: str,
  folder: pathlib.Path,
  kinds: list[str],
  dice: random.Random,
) -> tuple[int, list[str]]:
  """Cuts a work off once with each of the faults, in their order.

  Args:
    verb: a key of `WORKS`.
    folder: to work in, empty.
    kinds: of `interruptions.KINDS`.
    dice: draw the moments, and the damage.

  Returns:
    How often the work came to its end, the same each time; and what of it was
    not as it should be, a line each.
  """
  work = WORKS[verb](folder)
  output = os.fspath(work.output)
  faults = []
  finished = 0
  everyone = range(work.num_processes)

  with contextlib.ExitStack() as stack:
    with mock.patch.dict(os.environ):
      if work.num_processes > 1:
        flags = os.environ.get('XLA_FLAGS', '')
        os.environ['XLA_FLAGS'] = f'{flags} {_TWO_DEVICES}'
      servers = [stack.enter_context(binaries.Binaries()) for _ in everyone]
    pool = stack.enter_context(futures.ThreadPoolExecutor(len(servers)))

    def run(
      interruption: interruptions.Interruption, struck: int = 0
    ) -> list[binaries.Done]:
      """What came of the processes; it comes to one of them."""
      others = dataclasses.replace(interruption, moment=0)
      group = _group(work.num_processes)
      calls = [
        pool.submit(
          servers[i].run,
          work.verb,
          *work.flags,
          *group,
          *([f'--process_id={i}'] if group else []),
          cwd=folder,
          interruption=interruption if i == struck else others,
        )
        for i in everyone
      ]
      return [call.result() for call in calls]

    def end() -> list[int]:
      """Runs what is left; returns the changes that each process made."""
      done = run(interruptions.Interruption(output))
      for one in done:
        if one.status:
          raise RuntimeError(f'{verb}: status {one.status}: {one.err[-2000:]}')
      return [one.changes for one in done]

    def check() -> None:
      nonlocal finished
      found = work.read(work.output)
      differing = sorted(
        name
        for name in found.keys() | wanted.keys()
        if found.get(name) != wanted.get(name)
      )
      faults.extend(f'{verb}: {name} differs' for name in differing)
      finished += 1
      shutil.rmtree(work.output)

    num_changes = end()
    wanted = work.read(work.output)
    shutil.rmtree(work.output)
    for kind in kinds:
      while True:
        struck = dice.randrange(work.num_processes)
        most = 1 + num_changes[struck] // 3
        drawn = interruptions.draw(dice, output, most, kind)
        done = run(drawn, struck)
        if done[struck].status:
          break
        check()  # It came to its end before that moment.
      for i, one in enumerate(done):
        expected = {_STATUS[kind]}
        if i != struck and kind in ('kill', 'damage'):
          # By itself, or by JAX, which may be the first to see it.
          expected = {1, -signal.SIGABRT}
        if one.status not in expected or (
          kind == 'disk' and i == struck and 'the disk is full' not in one.err
        ):
          faults.append(
            f'{verb}: {drawn} of process {struck}: process {i}: {one.status}: '
            f'{one.err[-2000:]}'
          )
      if kind == 'damage':
        found = [p for x in work.newest for p in work.output.glob(x)]
        interruptions.damage(dice, [p for p in found if p.is_file()])
    end()
    check()
  return finished, faults


def _group(num_processes: int) -> list[str]:
  """Flags that make processes one group, at an address that is free."""
  if num_processes == 1:
    return []
  with socket.socket() as free:
    free.bind(('localhost', 0))
    address = f'localhost:{free.getsockname()[1]}'
  return [
    f'--coordinator_address={address}',
    f'--num_processes={num_processes}',
  ]


def main() -> None:
  """Cuts off, and says what came of it."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--kills', type=int, default=50)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--only', choices=WORKS)
  flags = parser.parse_args()
  dice = random.Random(flags.seed)
  verbs = [flags.only] if flags.only else list(WORKS)
  # As many of each kind, in any order.
  kinds = [
    interruptions.KINDS[i // len(verbs) % len(interruptions.KINDS)]
    for i in range(flags.kills)
  ]
  num_faults = 0
  for i, verb in enumerate(verbs):
    mine = kinds[i :: len(verbs)]
    dice.shuffle(mine)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
      os.environ['JAX_COMPILATION_CACHE_DIR'] = f'{folder}/cache'
      os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
      place = pathlib.Path(folder).resolve() / 'work'
      place.mkdir()
      finished, faults = cut_off(verb, place, mine, dice)
    counts = collections.Counter(mine)
    told = ', '.join(f'{kind} {counts[kind]}' for kind in interruptions.KINDS)
    print(
      f'{verb}: cut off {len(mine)} times ({told}), came to its end {finished} '
      f'times, {len(faults)} faults, {time.monotonic() - start:.0f} s',
      *faults,
      sep='\n  ',
      flush=True,
    )
    num_faults += len(faults)
  sys.exit(num_faults > 0)


if __name__ == '__main__':
  main()
