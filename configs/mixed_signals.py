r"""The study of arXiv 2505.13979: each modality, and the paper's gated fusion.

  empathy prepare --importer=simulated --output=runs/simulated
  empathy train --config=configs/mixed_signals.py \
      --config.corpus=runs/simulated --workdir=runs/mixed_signals
  empathy evaluate --workdir=runs/mixed_signals

Another fusion is chosen after a colon: `configs/mixed_signals.py:concat`. The
recipe is the paper's, which all defaults are: Adam with L2, one cycle of the
learning rate, 15 epochs, the epoch with the best validation accuracy. `empathy
train --help` shows every field there is.

Expected on the simulated corpus, in percent: accuracy of text 69.5, audio 72.3,
video 76.1, all three 75.7 (the paper's gate does not beat its best modality);
in points, `ambiguity.any_disagreement.adjusted` +15.3 (10.6 to 20.0), of which
`.beyond_seeds` +4.3 (0.4 to 8.2), and where the corpus was made with
`--nolinked` +2.1 (-2.8 to 7.1) and -1.0 (-3.4 to 1.3).
On two CPU cores training takes some 60 to 80 seconds.
"""

import ml_collections

from empathy.training import configuration


def get_config(fusion: str = 'gated_attention') -> ml_collections.ConfigDict:
  """The experiment.

  Args:
    fusion: a key of `empathy.models.fusion.FUSIONS`, or the import path of a
      class of your own.
  """
  return configuration.default_config(fusion)
