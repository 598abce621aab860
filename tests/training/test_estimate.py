"""The memory of a run is what its compiled programs take."""

import dataclasses

import jax
import numpy as np
import pytest

from empathy.models import fusion
from empathy.training import batches, chunks, estimate, parallel, step
from empathy.training import members as members_

_LENGTH, _WIDTH, _BATCH, _MEMBERS, _CLIPS = 100, 16, 8, 6, 120


@pytest.mark.parametrize(
  ('max_length', 'num_learned', 'rows'),
  [
    ({}, 64, 256),  # Pooled, as ever.
    ({}, 1000, 256),
    ({'audio': 2}, 64, 128),
    ({'audio': 100}, 64, 64),  # No more than a step of the optimizer takes,
    ({'audio': 100}, 1, 2),  # or than as many steps as pooled rows.
    ({'audio': 100, 'video': 500}, 1, 1),
    ({'audio': 100}, 512, 256),
  ],
)
def test_rows_at_a_time(max_length, num_learned, rows):
  assert batches.eval_rows(max_length, num_learned) == rows


@pytest.fixture(name='run')
def _run(monkeypatch):
  """A study of sequences whose members train in lockstep, as on a GPU."""
  monkeypatch.setattr(parallel.Layout, 'one_by_one', False)
  layout = parallel.Layout('members', jax.local_devices()[:1])
  network = fusion.build('concat', 2, ('audio',), hidden=(4,))
  lengths = {'audio': _LENGTH}
  program = step.Program(
    network,
    ('audio',),
    lengths,
    step.Recipe(1, _BATCH, 1e-3, 0.0),
    eval_rows=batches.eval_rows(lengths, _BATCH),
  )
  rows = np.tile(np.arange(_CLIPS, dtype=np.int32), (_MEMBERS, 1))
  count = np.full(_MEMBERS, _CLIPS, np.int32)
  one = {'audio': np.ones((_MEMBERS, _WIDTH), np.float32)}
  members = step.Member(
    seed=np.arange(_MEMBERS, dtype=np.int32),
    fold=np.zeros(_MEMBERS, np.int32),
    view=np.ones((_MEMBERS, 1), bool),
    train_rows=rows,
    num_train=count,
    val_rows=rows,
    num_val=count,
    mean=one,
    scale=one,
    swept={},
  )
  data = step.Data(
    values={'audio': np.zeros((_CLIPS * _LENGTH, _WIDTH), np.float32)},
    start={'audio': np.arange(_CLIPS, dtype=np.int32) * _LENGTH},
    length={'audio': np.full(_CLIPS, _LENGTH, np.int32)},
    targets=np.ones((_CLIPS, 2), np.float32) / 2,
    labels=np.zeros(_CLIPS, np.int32),
    weights=np.ones(_CLIPS, np.float32),
  )
  names = tuple(members_.Name('audio', 0, seed) for seed in range(_MEMBERS))
  chunk = chunks.Chunk(program, np.arange(_MEMBERS), names, _MEMBERS)
  return layout, data, members, chunk


def test_validation_and_prediction_need_no_more_than_training(run):
  *rest, chunk = run
  # Of a step, all members' features and what pooling makes of them.
  batch = _MEMBERS * _BATCH * _LENGTH * (_WIDTH + 128) * 4
  corpus = run[1].values['audio'].nbytes
  training = estimate.training_bytes(*run)
  assert corpus + batch < training < corpus + 6 * batch
  predicting = estimate.predicting_bytes(*rest, [chunk], _CLIPS)
  assert predicting < training
  # All rows at once, as pooled features have it, would rule.
  wide = dataclasses.replace(chunk.program, eval_rows=256)
  wide = dataclasses.replace(chunk, program=wide)
  assert estimate.predicting_bytes(*rest, [wide], _CLIPS) > 2 * training


def test_the_estimate_counts_activations_and_knows_the_limit(run, monkeypatch):
  monkeypatch.setattr(estimate, '_rate', lambda _: 1e9)
  monkeypatch.setattr(estimate, '_flops', lambda *_: 1e9)
  *rest, chunk = run
  found = estimate.estimate(*rest, [chunk], _CLIPS)
  peak = estimate.training_bytes(*run)
  # A CPU also has the copy that is saved in its memory.
  saved = found.num_members * found.state_bytes
  assert found.memory_bytes == peak + saved
  assert found.memory_bytes > 3 * (found.corpus_bytes + saved)
  memory = dataclasses.replace(found, limit_bytes=peak // 2).lines()[0]
  assert 'do not suffice: lower config.members_per_device' in memory
  memory = dataclasses.replace(found, limit_bytes=4 * peak).lines()[0]
  assert ' that there are: 6 members of ' in memory
  assert 'suffice' not in memory
