"""The benchmarks run; how fast they are is for them to say."""

import pathlib
import subprocess
import sys

_FOLDER = pathlib.Path(__file__).parent


def test_agreement_prints_its_table():
  done = subprocess.run(
    [sys.executable, _FOLDER / 'agreement.py', '--small'],
    check=True,
    capture_output=True,
    text=True,
    timeout=120,
  )
  lines = done.stdout.splitlines()
  starts = [
    *('100 resamples of nominal alpha', 'krippendorff of a table') * 2,
    'krippendorff of counts, 100 clips',
    'nominal alpha, 10,000 clips x 6 classes, int64',
    'nominal alpha, 10,000 clips x 6 classes, int32',
    'interval alpha, 10,000 ratings',
    'ordinal alpha, 10,000 ratings',
    'nominal alpha, 10,000 ratings',
    'ratio alpha, 10,000 ratings',
    'annotator variance of alpha, 10,000 votes',
  ]
  for start in starts:
    found = [line for line in lines if line.startswith(start)]
    assert len(found) >= starts.count(start), (start, done.stdout)
  sizes = [line.split()[0] for line in lines if line[:1] == ' ']
  assert sizes == ['clips', '10', '100', '1,000'] * 2


def test_encoders_prints_a_line_for_each():
  done = subprocess.run(
    [sys.executable, _FOLDER / 'encoders.py', '--small', '--repeats=1'],
    check=True,
    capture_output=True,
    text=True,
    timeout=600,
  )
  alone = [line for line in done.stdout.splitlines() if ' alone: ' in line]
  assert [line.split()[0] for line in alone] == [
    *('roberta', 'deberta-v3', 'wav2vec2'),
    *('hubert', 'videomae', 'timesformer'),
  ]


def test_scale_prints_its_table():
  done = subprocess.run(
    [sys.executable, _FOLDER / 'scale.py', '--small'],
    check=True,
    capture_output=True,
    text=True,
    timeout=300,
  )
  lines = done.stdout.splitlines()
  assert [line.split(' clips')[0] for line in lines[1:]] == [
    'in memory, 200',
    'in one pass, 200',
    'in one pass, 2,000',
    'in one pass, 20,000',
  ]
  assert all('MiB' in line for line in lines)


def test_streaming_prints_both_and_their_ratio():
  done = subprocess.run(
    [sys.executable, _FOLDER / 'streaming.py', '--small'],
    check=True,
    capture_output=True,
    text=True,
    timeout=300,
  )
  starts = [line.partition(':')[0] for line in done.stdout.splitlines()[1:]]
  assert starts == ['memory', 'stream', 'stream / memory']


def test_training_prints_its_parts():
  command = [sys.executable, _FOLDER / 'training.py', '--small']
  command += ['--clips=200', '--seeds=1', '--epochs=2']
  found = []
  for part in ('floor', 'speed', 'start'):
    done = subprocess.run(
      [*command, f'--only={part}'],
      check=True,
      capture_output=True,
      text=True,
      timeout=300,
    )
    found += [line.split(',')[0] for line in done.stdout.splitlines()]
  assert found[0].startswith('floor: ')
  assert found[1].startswith('ours')
  assert found[2].startswith('ours')
  assert found[-2:] == ['start', 'start']
