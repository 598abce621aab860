"""Fine-tuning of what hears spectra, with silence behind them or without."""

import jax
import numpy as np
import pytest
import rounding
import tiny

from empathy import encoders
from empathy.encoders import extraction, extractors
from empathy.training import finetune_loop, finetune_step, parallel


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('spectra')
  split = np.repeat(['train', 'val', 'test'], (6, 4, 2))
  tiny.write_corpus(path / 'corpus', ('audio',), 12, fold=None, split=split)
  for name in ('whisper', 'w2v-bert'):
    tiny.write_encoder('audio', path / name / 'audio', name)
  return path


@pytest.mark.parametrize(
  ('name', 'trained_layers'),
  [
    ('whisper', 1),
    *(
      pytest.param(*case, marks=pytest.mark.long)
      for case in (('whisper', 0), ('w2v-bert', 1), ('w2v-bert', 0))
    ),
  ],
)
def test_what_learns_sees_what_features_are_made_of(
  name, trained_layers, folder, monkeypatch
):
  """An embedding in training is the clip's feature, and its encoder is kept."""
  config = tiny.config(
    folder / name, trained_layers=trained_layers, num_epochs=1, batch_size=5
  )
  config.features.audio.pooling = 'mean'
  settings = config.features.audio.to_dict()
  clips = extraction.clips_of(tiny.corpora.read(folder / 'corpus'), 'audio')
  extractor = extractors.make('audio', settings, np.inf, 4, parallel.spread)
  rows = [extractor.load(clip).rows for clip in clips]
  wanted = np.stack(extractor.compute(rows))
  encoder = tiny.encoder(name)
  bound = max(
    rounding.of_encoder(encoder, **{key: x[None] for key, x in row.items()})
    for ((row,), _) in zip(rows, range(2), strict=False)
  )
  train_fold = finetune_loop.train_fold
  checked = []

  def judged(task, params, fold, *others):
    trained, frozen = finetune_step.split(task.program, params)
    head = {
      'kernel': np.random.default_rng(0).normal(size=(16, 2)),
      'bias': np.zeros(2),
    }
    head = jax.tree.map(np.float32, head)
    for some in (fold.train[:5], fold.val[:3]):
      logits = task.forward(
        task.layout.replicate({'encoder': trained, 'classifier': head}),
        task.layout.replicate(frozen),
        task.batch(some),
      )
      checked.append(some)
      np.testing.assert_allclose(
        task.layout.join(logits)[: len(some)],
        wanted[some] @ head['kernel'],
        atol=4 * bound * np.abs(head['kernel']).sum(0).max(),
        rtol=0,
      )
    return train_fold(task, params, fold, *others)

  monkeypatch.setattr(finetune_loop, 'train_fold', judged)
  tuned = folder / f'{name}_{trained_layers}'
  notes = finetune_loop.finetune(config, folder / 'corpus', tuned)
  assert len(notes) == 1
  assert len(checked) == 2
  before = encoder.params['params']
  after = encoders.load(tuned / 'audio' / 'fold_0').params['params']
  changed = {
    part
    for part in before
    if any(
      not np.array_equal(x, y)
      for x, y in zip(
        jax.tree.leaves(before[part]), jax.tree.leaves(after[part]), strict=True
      )
    )
  }
  if trained_layers:
    assert changed == {'layer_1'}
  else:
    assert set(before) - changed == {'positions'} & set(before)
