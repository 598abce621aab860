"""What features cost that stay on disk, in time and in memory.

Makes a corpus of sequences and trains on it with `config.data` 'memory' and
'stream', each in a process of its own, which finds the corpus prepared. Prints
how many clips a second all members learn from, after the first epoch, and the
most memory that training takes, with a few clips and with all of them. It is
anonymous memory: pages of files, which the system takes back when it needs
them, do not count. The stream is to need a quarter of the corpus at most, and
to be no more than 30 % slower.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import ml_collections
import numpy as np

from empathy.corpora import corpus as corpora
from empathy.training import loop, metric_writer, parallel, stream

_STEPS, _WIDTH = 32, 512
_EPOCHS = 3
_MEMBERS = 6
# Few are enough to fill every batch.
_FEW, _MANY = 1_536, 16_384


def make(folder: pathlib.Path, num_clips: int) -> None:
  """Writes a corpus of sequences of one modality."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, num_clips).astype(np.int32)
  values = rng.standard_normal((num_clips * _STEPS, _WIDTH), np.float32)
  values[:, 0] += np.repeat(labels, _STEPS)
  ids = np.array([f'clip{number:06}' for number in range(num_clips)])
  corpora.write(
    corpora.Corpus(
      info={
        'name': 'benchmark',
        'classes': ['low', 'high'],
        'modalities': ['audio'],
        'conditions': [],
        'license': 'none',
        'source': 'simulated by a benchmark',
        'simulated': True,
      },
      ids=ids,
      groups=ids,
      labels=labels,
      fold=(np.arange(num_clips) % 3).astype(np.int32),
      features={
        'audio': corpora.Features(
          np.arange(num_clips, dtype=np.int32),
          values,
          np.full(num_clips, _STEPS, np.int64),
        )
      },
    ),
    folder,
  )


def config(corpus: pathlib.Path, data: str) -> ml_collections.ConfigDict:
  """Six members of the paper's gate, which pool sequences by attention."""
  return ml_collections.ConfigDict(
    {
      'corpus': str(corpus),
      'views': (),
      'seed': 0,
      'num_seeds': 2,
      'num_folds': 3,
      'model': {'fusion': 'gated_attention'},
      'targets': 'labels',
      'weights': 'equal',
      'normalise': 'members',
      'num_epochs': _EPOCHS,
      'batch_size': 64,
      'peak_learning_rate': 1e-3,
      'l2': 1e-3,
      'auxiliary': 0.0,
      'keep': 'best',
      'parallel': 'members',
      'members_per_device': 128,
      'checkpoint_seconds': 1e9,
      'data': data,
    }
  )


def _anonymous_bytes() -> int:
  for line in pathlib.Path('/proc/self/status').read_text().splitlines():
    if line.startswith('RssAnon:'):
      return 1024 * int(line.split()[1])
  raise RuntimeError('the system does not tell RssAnon')


def train(corpus: pathlib.Path, data: str, workdir: pathlib.Path) -> dict:
  """Trains, and returns what that took."""
  parallel.use_cpu_cores()
  if data == 'stream' and not workdir.exists():
    # What it takes to prepare is another matter.
    found = corpora.sorted_by_id(corpora.read(corpus))
    used = corpora.with_features(found, ['audio'], mapped=True)
    stream.write(used, workdir / 'stream', corpora.fingerprint(corpus))
    os.execv(sys.executable, [sys.executable, *sys.argv])
  before, most, ends = _anonymous_bytes(), [0], []
  is_over = threading.Event()
  write = metric_writer.MetricWriter.write

  def watched(*args):
    write(*args)
    ends.append(time.monotonic())

  def watch():
    while not is_over.wait(0.02):
      if len(ends) >= 1:
        most[0] = max(most[0], _anonymous_bytes() - before)

  metric_writer.MetricWriter.write = watched
  watcher = threading.Thread(target=watch)
  watcher.start()
  try:
    loop.train(config(corpus, data), workdir)
  finally:
    is_over.set()
    watcher.join()
  return {'seconds': (ends[-1] - ends[0]) / (_EPOCHS - 1), 'bytes': most[0]}


def main() -> None:
  """Runs both, and prints a line for each and their ratio."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--small', action='store_true')
  parser.add_argument('--make', nargs=2)
  parser.add_argument('--train', nargs=3)
  args = parser.parse_args()
  if args.make:
    make(pathlib.Path(args.make[0]), int(args.make[1]))
  elif args.train:
    corpus, data, workdir = args.train
    print(json.dumps(train(pathlib.Path(corpus), data, pathlib.Path(workdir))))
  else:
    # Once is enough to see that it runs.
    compare(*((48, 48) if args.small else (_FEW, _MANY)))


def compare(few_clips: int, num_clips: int) -> None:
  """Trains both ways on few clips and on many, in other processes."""
  size = num_clips * _STEPS * _WIDTH * 4
  print(
    f'{num_clips:,} clips of {_STEPS} steps, {_WIDTH} wide, '
    f'{size / 2**20:,.0f} MiB; {_MEMBERS} members'
  )
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    rates = {}
    counts = {few_clips, num_clips}
    for count in counts:
      _run('--make', folder / f'corpus{count}', count)
    for data in ('memory', 'stream'):
      found = {
        count: _run(
          *('--train', folder / f'corpus{count}', data),
          folder / data / str(count),
        )
        for count in counts
      }
      few, many = found[few_clips], found[num_clips]
      # A third of the clips teach each member, and a third validate it.
      rates[data] = _MEMBERS * num_clips / 3 / many['seconds']
      more = many['bytes'] - few['bytes']
      print(
        f'{data}: {rates[data]:,.0f} clips learned a second; memory '
        f'{few["bytes"] / 2**20:,.0f} MiB with {few_clips:,} clips and '
        f'{many["bytes"] / 2**20:,.0f} MiB with all: the difference is '
        f'{more / size:.0%} of the corpus'
      )
  print(f'stream / memory: {rates["stream"] / rates["memory"]:.0%}')


def _run(*words) -> dict:
  command = [sys.executable, __file__, *map(str, words)]
  done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
  return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


if __name__ == '__main__':
  main()
