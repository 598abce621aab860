r"""Evidence that adds up, calibrated: the setting for any corpus folder.

python -m empathy.train --config=configs/gated_evidence.py \
      --config.corpus=CORPUS --workdir=runs/gated_evidence
python -m empathy.evaluate --workdir=runs/gated_evidence
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """The experiment."""
  config = ml_collections.ConfigDict()
  config.corpus = ''  # The corpus folder; give --config.corpus=CORPUS.
  config.views = ('single', 'full')  # Or 'every', with pairs of modalities.
  config.seed = 42
  config.num_seeds = 10
  config.num_folds = 5  # Where the corpus has neither split nor folds.
  config.model = {
    'fusion': 'gated_evidence',
    'hidden': (256,),
    'dropout': (0.5,),
    'input_dropout': (0.2,),
    'modality_dropout': (0.0,),
  }
  config.targets = 'labels'  # Or 'votes'.
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
  config.members_per_device = 128
  config.checkpoint_seconds = 300.0
  return config
