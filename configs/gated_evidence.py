r"""Evidence that adds up, calibrated: the setting for any corpus folder.

python -m empathy.train --config=configs/gated_evidence.py \
      --config.corpus=CORPUS --workdir=runs/gated_evidence
python -m empathy.evaluate --workdir=runs/gated_evidence
"""

import ml_collections

from empathy.models import fusion as fusions


def get_config() -> ml_collections.ConfigDict:
  """The experiment."""
  config = ml_collections.ConfigDict()
  config.corpus = ''  # The corpus folder; give --config.corpus=CORPUS.
  config.label = ''  # Of a corpus with several labels.
  config.views = ('single', 'full')  # Or 'every', with pairs of modalities.
  config.seed = 42
  config.num_seeds = 10
  config.num_folds = 5  # Where the corpus has neither split nor folds.
  config.model = fusions.fields('gated_evidence')
  config.targets = 'labels'  # Or one of `losses.TARGETS`.
  config.sigma = 0.75
  config.weights = 'equal'  # Or 'votes': by their number.
  config.normalise = 'members'  # Or 'group': transductive.
  config.num_epochs = 40
  config.batch_size = 64
  config.peak_learning_rate = (2e-3,)
  config.l2 = (0.025,)
  config.auxiliary = 1.0  # Weight of the loss of each modality alone.
  config.keep = 'refit'  # The last epoch, of training and validation clips.
  config.parallel = 'members'
  config.data = 'memory'  # Or 'stream': features stay on disk.
  # Or 'tensorfloat32', 'float32': bits of products, where a device has fewer.
  config.matmul_precision = 'default'
  config.members_per_device = 128
  config.checkpoint_seconds = 300.0
  return config
