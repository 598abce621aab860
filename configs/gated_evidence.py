r"""Evidence that adds up, calibrated: the setting for any corpus folder.

  empathy train --config=configs/gated_evidence.py \
      --config.corpus=CORPUS --workdir=runs/gated_evidence
  empathy evaluate --workdir=runs/gated_evidence

`configs/gated_evidence.py:timed_evidence` is for sequences of features: heads
see a timeline of the clip besides, of when things happen, and together. Where
features are pooled, both are the same to the bit.
"""

import ml_collections

from empathy.training import configuration


def get_config(fusion: str = 'gated_evidence') -> ml_collections.ConfigDict:
  """The experiment.

  Args:
    fusion: 'gated_evidence', or 'timed_evidence'.
  """
  config = configuration.default_config(fusion)
  config.num_seeds = 10
  config.num_epochs = 40
  config.peak_learning_rate = (2e-3,)
  config.l2 = (0.025,)
  config.keep = 'refit'  # The last epoch, of training and validation clips.
  return config
