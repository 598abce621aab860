"""The benchmarks run; how fast they are is for them to say."""

import pathlib
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long
_FOLDER = pathlib.Path(__file__).parent


def _run(script, *flags, timeout):
  """What a benchmark of a small size prints, by line."""
  return subprocess.run(
    [sys.executable, _FOLDER / script, '--small', *flags],
    check=True,
    capture_output=True,
    text=True,
    timeout=timeout,
  ).stdout.splitlines()


def test_accelerator_prints_its_table(monkeypatch):
  monkeypatch.setenv('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')  # Compiles faster.
  lines = _run('accelerator.py', timeout=300)
  assert lines[:2] == ['| what | figure |', '|---|---|']
  rows = dict(line.strip('| ').split(' | ') for line in lines[2:])
  heads = [what.strip('*') for what in rows if what[0] == '*']
  assert heads == ['training', 'memory', 'runs', 'encoders']
  assert all('(cpu), JAX' in rows[f'**{part}**'] for part in heads)
  assert 'clips/s' in rows['ours, 4 members']
  assert 'TFLOP/s' in rows['products alone']
  assert rows['estimate'].startswith('about ')
  assert rows['in use'].startswith('not measured: ')  # Of CPUs.
  assert 'GB/s' in rows['Adam alone']
  for run in ('killed, and gone on', 'stream, memory'):
    assert rows[run].startswith('the same bytes; ')
  difference = re.search(r'(\S+) of losses at first', rows['batch, members'])
  assert difference is None or float(difference[1]) < 1e-5
  for name in ('roberta', 'wav2vec2', 'videomae'):
    for dtype in ('float32', 'bfloat16'):
      assert 'clips/s' in rows[f'{name}, {dtype}']


def test_encoders_prints_a_line_for_each():
  # One of each kind of input.
  kinds = 'llama', 'wav2vec2', 'whisper', 'w2v-bert', 'videomae', 'vit'
  kinds += 'vjepa2', 'siglip-text'
  lines = _run('encoders.py', '--repeats=1', '--only', *kinds, timeout=600)
  alone = [line for line in lines if ' alone: ' in line]
  assert [line.split()[0] for line in alone] == [*kinds]


def test_fine_tuning_prints_a_line_for_each():
  names = "the paper's", 'all, LoRA'
  lines = _run('fine_tuning.py', '--only', *names, timeout=300)
  assert lines[0].startswith('audio: 100 clips')
  assert [line.split(' | ')[0].strip('| ') for line in lines[1:]] == [*names]


def test_scale_prints_its_table():
  lines = _run('scale.py', timeout=300)
  assert [line.split(' clips')[0] for line in lines[1:]] == [
    'in memory, 200',
    'by batches, 200',
  ]
  assert all('MiB' in line for line in lines)


def test_streaming_prints_both_and_their_ratio():
  lines = _run('streaming.py', timeout=300)
  starts = [line.partition(':')[0] for line in lines[1:]]
  assert starts == ['memory', 'stream', 'stream / memory']


def test_training_prints_its_parts():
  flags = '--clips=200', '--seeds=1', '--epochs=2'
  found = []
  for part in ('floor', 'speed', 'start'):
    lines = _run('training.py', *flags, f'--only={part}', timeout=300)
    found += [line.split(',')[0] for line in lines]
  assert found[0].startswith('floor: ')
  assert found[1].startswith('ours')
  assert found[2].startswith('ours')
  assert found[-2:] == ['start', 'start']
