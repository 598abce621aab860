r"""When things happen, and together: the setting for sequences of features.

  python -m empathy.train --config=configs/timed_evidence.py \
      --config.corpus=CORPUS --workdir=runs/timed_evidence
  python -m empathy.evaluate --workdir=runs/timed_evidence

It is `gated_evidence.py`, whose heads see a timeline of the clip besides. Where
features are pooled, both are the same to the bit.
"""

import ml_collections

from empathy.training import configuration


def get_config() -> ml_collections.ConfigDict:
  """The experiment."""
  config = configuration.default_config('timed_evidence')
  config.num_seeds = 10
  config.num_epochs = 40
  config.peak_learning_rate = (2e-3,)
  config.l2 = (0.025,)
  config.keep = 'refit'  # The last epoch, of training and validation clips.
  return config
