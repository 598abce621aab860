r"""Acted emotions from voice and face: RAVDESS, five folds by actor.

  python -m empathy.train --config=configs/ravdess.py \
      --config.corpus=CORPUS --workdir=runs/ravdess
  python -m empathy.evaluate --workdir=runs/ravdess

`third_party/ravdess.md` says where the corpus comes from: eGeMAPS functionals
of the voice, mean action units of the face, eight classes. Another fusion is
chosen after a colon: `configs/ravdess.py:concat`. The recipe is that of
`mixed_signals.py` for all of them.

Expected `accuracy_fold_mean`, in percent, means over the five seeds:

  fusion           audio  video  audio+video
  gated_attention   48.8   56.6         56.3
  concat            48.6   56.5         68.4

The paper's gate does not beat its best modality here, and plain concatenation
does by ten points; `gated_evidence.py` does better still. On two CPU cores a
run takes one to two minutes.
"""

import ml_collections

from empathy.models import fusion as fusions


def get_config(fusion: str = 'gated_attention') -> ml_collections.ConfigDict:
  """The experiment.

  Args:
    fusion: a key of `empathy.models.fusion.FUSIONS`, or the import path of a
      class of your own.
  """
  config = ml_collections.ConfigDict()
  config.corpus = ''  # The corpus folder; give --config.corpus=CORPUS.
  config.label = ''
  config.views = ()  # Every view: audio, video and both.
  config.seed = 42
  config.num_seeds = 5
  config.num_folds = 5  # The corpus brings its own folds, by actor.
  config.model = fusions.fields(fusion)
  config.targets = 'labels'
  config.sigma = 0.75
  config.weights = 'equal'
  config.normalise = 'members'
  config.num_epochs = 15
  config.batch_size = 64
  config.peak_learning_rate = (1e-3,)
  config.l2 = (1e-3,)
  config.auxiliary = fusions.auxiliary(fusion)  # 0, if it needs none.
  config.keep = 'best'
  config.parallel = 'members'
  config.data = 'memory'
  config.matmul_precision = 'default'
  config.members_per_device = 128
  config.checkpoint_seconds = 300.0
  return config
