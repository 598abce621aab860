"""Fine-tuning of encoders of film, and of texts by CLIP's and SigLIP's."""

import jax
import numpy as np
import pytest
import rounding
import small_encoders
import tiny

from empathy.encoders import extraction, extractors
from empathy.training import finetune_loop, finetune_step, parallel

_SPLIT = np.repeat(['train', 'val', 'test'], (3, 2, 1))


@pytest.mark.parametrize(
  ('kind', 'modality', 'trained_layers'),
  [
    pytest.param('clip_text', 'text', 1, marks=pytest.mark.long),
    ('vjepa2', 'video', 1),
    pytest.param('siglip_text', 'text', 0, marks=pytest.mark.long),
    pytest.param('siglip_text', 'text', 1, marks=pytest.mark.long),
    pytest.param('vivit', 'video', 1, marks=pytest.mark.long),
    pytest.param('vjepa2', 'video', 0, marks=pytest.mark.long),
  ],
)
def test_what_learns_sees_what_features_are_made_of(
  kind, modality, trained_layers, tmp_path, monkeypatch
):
  changes = {'max_position_embeddings': 40} if modality == 'text' else {}
  encoder = small_encoders.write(kind, tmp_path / modality, **changes)
  corpus = tiny.write_corpus(
    tmp_path / 'corpus', (modality,), 6, fold=None, split=_SPLIT
  )
  config = tiny.config(
    tmp_path, trained_layers=trained_layers, num_epochs=1, batch_size=3
  )
  config.features[modality].pooling = 'own'
  settings = config.features[modality].to_dict()
  extractor = extractors.make(modality, settings, np.inf, 4, parallel.spread)
  clips = extraction.clips_of(corpus, modality)
  rows = [extractor.load(clip).rows for clip in clips]
  features = np.stack(extractor.compute(rows))
  ((row,), *_) = rows
  bound = rounding.of_encoder(encoder, **{k: x[None] for k, x in row.items()})
  kernel = np.random.default_rng(0).normal(size=(features.shape[1], 2))
  head = {'kernel': np.float32(kernel), 'bias': np.zeros(2, np.float32)}
  train_fold, checked = finetune_loop.train_fold, []

  def judged(task, params, fold, *others):
    trained, frozen = finetune_step.split(task.program, params)
    logits = task.forward(
      task.layout.replicate({'encoder': trained, 'classifier': head}),
      task.layout.replicate(frozen),
      task.batch(fold.train),
    )
    wanted = features[fold.train] @ head['kernel']
    checked.append(np.abs(task.layout.join(logits)[: len(wanted)] - wanted))
    return train_fold(task, params, fold, *others)

  monkeypatch.setattr(finetune_loop, 'train_fold', judged)
  finetune_loop.finetune(config, tmp_path / 'corpus', tmp_path / 'tuned')
  (off,) = checked
  assert off.max() <= 4 * bound * np.abs(kernel).sum(0).max()
  again = extractors.load(
    modality,
    extractors.complete(
      modality,
      settings | {'encoder': str(tmp_path / 'tuned' / modality / 'fold_0')},
    ),
  )
  is_same = jax.tree.map(
    lambda x, y: bool(np.array_equal(x, y)), encoder.params, again.params
  )['params']
  assert not any(jax.tree.leaves(is_same['layer_1']['feed_forward']))
  assert jax.tree.all(is_same['layer_0']) == bool(trained_layers)
