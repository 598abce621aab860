r"""The paper's gate, one thing changed at a time: what does it lose by?

  for variant in paper sum concat all_kept small_batch large_batch; do
    python -m empathy.train --config=configs/why_the_gate_loses.py:$variant \
        --config.corpus=CORPUS --workdir=runs/why/$variant
    python -m empathy.evaluate --workdir=runs/why/$variant
  done

`sum` adds the gated modalities instead of taking the mean that attention
weighs; `concat` puts them side by side; `all_kept` drops no modality, where the
paper may drop all; the two batches are 16 and 256 clips instead of 64, and so
are those of batch normalisation. All of it is of the full view, shown every
part. What was found is in the README.
"""

import ml_collections

from empathy.models import fusion as fusions

_VARIANTS = {
  'paper': {},
  'sum': {'model.join': 'sum'},
  'concat': {'model.join': 'concat'},
  'all_kept': {'model.modality_dropout': (0.0,)},
  'small_batch': {'batch_size': 16},
  'large_batch': {'batch_size': 256},
}


def get_config(variant: str = 'paper') -> ml_collections.ConfigDict:
  """The experiment.

  Args:
    variant: a key of `_VARIANTS`.
  """
  if variant not in _VARIANTS:
    raise ValueError(
      f'there is no variant {variant!r}; expected {", ".join(_VARIANTS)}'
    )
  config = ml_collections.ConfigDict()
  config.corpus = ''  # Of audio and video; give --config.corpus=CORPUS.
  config.label = ''
  config.views = ('audio+video',)
  config.seed = 42
  config.num_seeds = 5
  config.num_folds = 5
  config.model = fusions.fields('gated_attention')
  config.targets = 'labels'
  config.sigma = 0.75
  config.weights = 'equal'
  config.normalise = 'members'
  config.num_epochs = 15
  config.batch_size = 64
  config.peak_learning_rate = (1e-3,)
  config.l2 = (1e-3,)
  config.auxiliary = 0.0
  config.keep = 'best'
  config.parallel = 'members'
  config.data = 'memory'
  config.matmul_precision = 'default'
  config.members_per_device = 128
  config.checkpoint_seconds = 300.0
  config.update_from_flattened_dict(_VARIANTS[variant])
  return config
