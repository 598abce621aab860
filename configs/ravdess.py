"""x"""

import ml_collections


def get_config():
  return ml_collections.ConfigDict(
    {
      'corpus': '',
      'views': (),
      'seed': 42,
      'num_seeds': 2,
      'num_folds': 5,
      'model': {'fusion': 'gated_attention'},
      'targets': 'labels',
      'num_epochs': 3,
      'batch_size': 64,
      'peak_learning_rate': 1e-3,
      'l2': 1e-3,
      'parallel': 'members',
      'members_per_device': 128,
      'checkpoint_seconds': 60.0,
    }
  )
