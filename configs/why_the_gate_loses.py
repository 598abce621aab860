r"""The paper's gate, one thing changed at a time: what does it lose by?

  for variant in paper sum concat all_kept small_batch large_batch; do
    empathy train --config=configs/why_the_gate_loses.py:$variant \
        --config.corpus=CORPUS --workdir=runs/why/$variant
    empathy evaluate --workdir=runs/why/$variant
  done

`sum` adds the gated modalities instead of taking the mean that attention
weighs; `concat` puts them side by side; `all_kept` drops no modality, where the
paper may drop all; the two batches are 16 and 256 clips instead of 64, and so
are those of batch normalisation. All of it is of the full view, shown every
part. What was found is in configs/README.md.
"""

import ml_collections

from empathy.training import configuration

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
  config = configuration.default_config('gated_attention')
  config.views = ('audio+video',)
  config.num_seeds = 5
  config.update_from_flattened_dict(_VARIANTS[variant])
  return config
