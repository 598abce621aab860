r"""Acted emotions from voice and face: RAVDESS, five folds by actor.

  empathy train --config=configs/ravdess.py \
      --config.corpus=CORPUS --workdir=runs/ravdess
  empathy evaluate --workdir=runs/ravdess

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

from empathy.training import configuration


def get_config(fusion: str = 'gated_attention') -> ml_collections.ConfigDict:
  """The experiment.

  Args:
    fusion: a key of `empathy.models.fusion.FUSIONS`, or the import path of a
      class of your own.
  """
  config = configuration.default_config(fusion)
  config.views = ()  # Every view: audio, video and both.
  config.num_seeds = 5
  config.num_folds = 5  # The corpus brings its own folds, by actor.
  return config
