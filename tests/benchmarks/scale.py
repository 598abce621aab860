"""What judging many clips batch by batch costs, in time and in memory.

Writes a corpus and its predictions to disk, a piece at a time, so that they
never are in memory; has `evaluate --tally` and `--merge` judge them, and
`evaluate` alone a hundredth of them. Prints seconds, clips a second and the
most memory that each process held.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from empathy import files

_CLASSES = ('low', 'middle', 'high')
_VIEWS = ('text', 'audio', 'text+audio')
_CONDITION = 'text+audio'
_VOTES = 5
_PIECE = 100_000


def make(
  folder: pathlib.Path, num_clips: int, num_groups: int, num_seeds: int
) -> None:
  """Writes a corpus with votes and predictions, a piece at a time."""
  corpus = folder / 'corpus'
  corpus.mkdir(parents=True)
  files.write_json(
    corpus / 'corpus.json',
    {
      'name': 'benchmark',
      'classes': list(_CLASSES),
      'modalities': ['text', 'audio'],
      'conditions': [_CONDITION],
      'license': 'none',
      'source': 'simulated by a benchmark',
      'simulated': True,
    },
  )
  random = np.random.default_rng(0)
  bias = random.normal(0, 0.4, (num_groups, len(_CLASSES)))
  writers = {}

  def put(name: str, table: pa.Table) -> None:
    if name not in writers:
      if name == 'predictions':
        path = folder / 'predictions.parquet'
        writers[name] = pq.ParquetWriter(path, table.schema)
      else:
        path = corpus / f'{name}.csv'
        writers[name] = pa_csv.CSVWriter(path, table.schema)
    writers[name].write_table(table)

  for start in range(0, num_clips, _PIECE):
    n = min(_PIECE, num_clips - start)
    ids = pa.array([f'{i:08d}' for i in range(start, start + n)])
    group = random.integers(0, num_groups, n)
    gold = random.integers(0, len(_CLASSES), n)
    target = np.eye(len(_CLASSES))[gold]
    cues = {
      m: random.normal(1.2, 1, (n, 1)) * target
      + random.normal(0, 0.6, (n, len(_CLASSES)))
      + bias[group]
      for m in ('text', 'audio')
    }
    names = pa.array(_CLASSES)
    put(
      'clips',
      pa.table(
        {
          'id': ids,
          'group': pa.array([f'speaker{g:06d}' for g in group.tolist()]),
          'label': names.take(pa.array(gold)),
          'fold': group % 5,
        }
      ),
    )
    scores = cues['text'] + cues['audio']
    noise = random.gumbel(0, 1, (n, _VOTES, len(_CLASSES)))
    voted = (scores[:, None] + noise).argmax(axis=-1)
    counts = (voted[..., None] == np.arange(len(_CLASSES))).sum(axis=1)
    clip, label = np.nonzero(counts)
    put(
      'votes',
      pa.table(
        {
          'id': ids.take(pa.array(clip)),
          'condition': pa.array([_CONDITION]).take(
            pa.array(np.zeros(len(clip), int))
          ),
          'label': names.take(pa.array(label)),
          'count': counts[clip, label],
        }
      ),
    )
    members = [(view, s) for view in _VIEWS for s in range(num_seeds)]
    logits = np.stack(
      [
        sum(cues[m] for m in view.split('+'))
        + random.normal(0, 0.4, (n, len(_CLASSES)))
        for view, _ in members
      ],
      axis=1,
    )
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p = (p / p.sum(axis=-1, keepdims=True)).reshape(-1, len(_CLASSES))
    row = np.repeat(np.arange(n), len(members))
    place = np.tile(np.arange(len(members)), n)
    put(
      'predictions',
      pa.table(
        {
          'id': ids.take(pa.array(row)),
          'view': pa.array([view for view, _ in members]).take(pa.array(place)),
          'seed': np.array([seed for _, seed in members])[place],
          'fold': (group % 5)[row],
        }
        | {
          f'prob_{name}': column.astype(np.float32)
          for name, column in zip(_CLASSES, p.T, strict=True)
        }
      ),
    )
  for writer in writers.values():
    writer.close()


def judge(*flags: object) -> tuple[float, float]:
  """Runs `evaluate`; returns seconds and the most memory it held, in MiB."""
  start = time.perf_counter()
  process = subprocess.Popen(
    [sys.executable, '-m', 'empathy.evaluate', *map(str, flags)],
    stdout=subprocess.DEVNULL,
  )
  _, status, usage = os.wait4(process.pid, 0)
  if os.waitstatus_to_exitcode(status):
    raise SystemExit('evaluate failed')
  # Linux counts KiB.
  return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
  """Makes corpora of growing size and prints a table."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--clips', type=int, default=10_000_000)
  parser.add_argument('--groups', type=int, default=200)
  parser.add_argument('--seeds', type=int, default=2)
  parser.add_argument('--small', action='store_true', help='just to see it run')
  arguments = parser.parse_args()
  if arguments.small:
    arguments.clips, arguments.groups = 20_000, 20
  print(
    f'{len(_VIEWS)} views, {arguments.seeds} seeds, {arguments.groups:,} '
    f'groups, {_VOTES} votes a clip; this process holds '
    f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB'
  )
  sizes = (
    (0.01, ('memory', 'batches')),
    (0.1, ('batches',)),
    (1, ('batches',)),
  )
  for share, ways in sizes[:1] if arguments.small else sizes:
    clips = int(arguments.clips * share)
    with tempfile.TemporaryDirectory() as temporary:
      folder = pathlib.Path(temporary)
      make(folder, clips, arguments.groups, arguments.seeds)
      size = sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())
      both = (
        f'--corpus={folder / "corpus"}',
        f'--predictions={folder / "predictions.parquet"}',
      )
      for way in ways:
        if way == 'memory':
          seconds, memory = judge(*both, f'--output={folder / "study"}')
          told = ''
        else:
          tally = folder / 'tally.npz'
          seconds, memory = judge(*both, f'--tally={tally}')
          study, other = judge('--merge', tally, f'--output={folder / "study"}')
          told = (
            f'; tally of {tally.stat().st_size / 1e6:.1f} MB, its study '
            f'{study:.1f} s, {other:,.0f} MiB'
          )
        print(
          f'{"in memory" if way == "memory" else "by batches"}, {clips:,} '
          f'clips, {size / 1e6:,.0f} MB: {seconds:.1f} s, '
          f'{clips / seconds:,.0f} clips a second, {memory:,.0f} MiB{told}',
          flush=True,
        )


if __name__ == '__main__':
  main()
