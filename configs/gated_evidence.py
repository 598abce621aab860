r"""Evidence that adds up, calibrated: the setting for any corpus folder.

python -m empathy.train --config=configs/gated_evidence.py \
      --config.corpus=CORPUS --workdir=runs/gated_evidence
python -m empathy.evaluate --workdir=runs/gated_evidence
"""

import ml_collections

from empathy.training import configuration


def get_config() -> ml_collections.ConfigDict:
  """The experiment."""
  config = configuration.default_config('gated_evidence')
  config.num_seeds = 10
  config.num_epochs = 40
  config.peak_learning_rate = (2e-3,)
  config.l2 = (0.025,)
  config.keep = 'refit'  # The last epoch, of training and validation clips.
  return config
