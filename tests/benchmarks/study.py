"""How long does a study take?

  python tests/benchmarks/study.py

Prints the seconds of a whole study, every question with its intervals, of
10,000 clips, 7 views and 5 seeds: once with 40 groups, which are drawn 10,000
times, once without groups; and those of `evaluate` as a command, from start to
report.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import reading
from empathy.evaluation import study as study_lib

_MODALITIES = ('text', 'audio', 'video')
_CLASSES = ('low', 'middle', 'high')
_CONDITIONS = ('audio', 'video', 'text+audio+video')
_VOTES = 5


def subsets() -> list[tuple[str, ...]]:
  """All seven sets of modalities, small ones first."""
  found = [
    tuple(m for bit, m in enumerate(_MODALITIES) if mask >> bit & 1)
    for mask in range(1, 8)
  ]
  return sorted(found, key=len)


def make(
  folder: pathlib.Path, num_clips: int, num_groups: int, num_seeds: int
) -> None:
  """Writes a corpus with votes and a predictions table into `folder`."""
  random = np.random.default_rng(0)
  num_classes = len(_CLASSES)
  group = random.integers(0, num_groups, num_clips)
  if num_groups == num_clips:
    group = np.arange(num_clips)
  gold = random.integers(0, num_classes, num_clips)
  target = np.eye(num_classes)[gold]
  cue = {
    m: random.normal(1.2, 1, (num_clips, 1)) * target
    + random.normal(0, 0.6, (num_clips, num_classes))
    + random.normal(0, 0.4, (num_groups, num_classes))[group]
    for m in _MODALITIES
  }
  clip, condition, label = [], [], []
  for place, name in enumerate(_CONDITIONS):
    scores = sum(cue[m] for m in name.split('+'))
    noise = random.gumbel(0, 1, (_VOTES, num_clips, num_classes))
    for chosen in (scores + noise).argmax(axis=-1):
      clip.append(np.arange(num_clips))
      condition.append(np.full(num_clips, place))
      label.append(chosen)
  entries = num_clips * _VOTES * len(_CONDITIONS)
  corpus_lib.write(
    corpus_lib.Corpus(
      info={
        'name': 'benchmark',
        'classes': list(_CLASSES),
        'modalities': list(_MODALITIES),
        'conditions': list(_CONDITIONS),
        'license': 'none',
        'source': 'simulated by a benchmark',
      },
      ids=np.array([f'clip{i:07d}' for i in range(num_clips)]),
      groups=np.array([f'group{i:07d}' for i in group]),
      labels=gold.astype(np.int32),
      fold=(group % 5).astype(np.int32),
      metadata={'transcript': np.full(num_clips, 'as it was said, in a row')},
      votes=corpus_lib.Votes(
        np.concatenate(clip).astype(np.int32),
        np.concatenate(condition).astype(np.int32),
        np.full(entries, ''),
        np.concatenate(label).astype(np.int32),
        np.ones(entries, np.int64),
      ),
    ),
    folder / 'corpus',
  )
  rows = []
  for view in subsets():
    # The full view's members are shown every subset, the others all they see.
    for given in subsets() if len(view) == len(_MODALITIES) else [view]:
      for seed in range(num_seeds):
        scores = sum(cue[m] for m in given)
        scores = scores + random.normal(0, 0.4, (num_clips, num_classes))
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        rows.append(
          pa.table(
            {
              'id': [f'clip{i:07d}' for i in range(num_clips)],
              'view': ['+'.join(view)] * num_clips,
              'given': ['+'.join(given)] * num_clips,
              'seed': np.full(num_clips, seed),
              'fold': group % 5,
            }
            | {
              f'prob_{name}': column
              for name, column in zip(
                _CLASSES, (p / p.sum(axis=1, keepdims=True)).T, strict=True
              )
            }
            | {f'gate_{m}': random.random(num_clips) for m in _MODALITIES}
          )
        )
  pq.write_table(pa.concat_tables(rows), folder / 'predictions.parquet')


def main() -> None:
  """Makes two corpora and prints a table."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--clips', type=int, default=10_000)
  parser.add_argument('--seeds', type=int, default=5)
  arguments = parser.parse_args()
  print(
    f'{arguments.clips:,} clips, 7 views, {arguments.seeds} seeds, '
    f'{len(_CONDITIONS)} conditions of {_VOTES} votes; seconds'
  )
  for name, num_groups in (
    ('40 groups', 40),
    ('no groups', arguments.clips),
  ):
    with tempfile.TemporaryDirectory() as temporary:
      folder = pathlib.Path(temporary)
      make(folder, arguments.clips, num_groups, arguments.seeds)
      corpus = corpus_lib.read(folder / 'corpus')
      table = reading.read(folder / 'predictions.parquet', corpus)
      start = time.perf_counter()
      study = study_lib.build(corpus, table)
      built = time.perf_counter() - start
      start = time.perf_counter()
      command = [sys.executable, '-m', 'empathy.evaluate']
      command += [f'--corpus={folder / "corpus"}']
      command += [f'--predictions={folder / "predictions.parquet"}']
      command += [f'--output={folder / "study"}']
      subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
      whole = time.perf_counter() - start
      size = (folder / 'study' / 'report.html').stat().st_size
    print(
      f'{name}: the study {built:.2f} ({len(study.statistics):,} statistics), '
      f'evaluate from start to report {whole:.2f}, report {size / 1e6:.1f} MB'
    )


if __name__ == '__main__':
  main()
