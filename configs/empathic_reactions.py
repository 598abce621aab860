r"""Scores of empathy from 1 to 7, of essays, by a linear model of their words.

  empathy prepare --importer=empathic_reactions --source=PUBLISHED \
      --output=runs/empathic_reactions
  empathy extract --corpus=runs/empathic_reactions \
      --config=configs/baseline_features.py
  for label in empathy distress; do
    empathy train --config=configs/empathic_reactions.py \
        --config.corpus=runs/empathic_reactions --config.label=$label \
        --workdir=runs/reactions_$label
    empathy evaluate --workdir=runs/reactions_$label
  done

What somebody felt on reading a news story, from what he or she wrote of it:
1,860 essays of 372 writers (Buechel et al. 2018). A distribution over ten bins
of the scale is learned, around the score of each essay, and its mean is the
prediction.

Expected, over held-out writers of five folds, beside ridge regression on the
same features and clips, its penalty chosen by leave-one-out error: Pearson's
r of empathy .266 (ridge .266), of distress .280 (.277); concordance .131 (.135)
and .142 (.143). `tests/validity/ridge.py` measures it. Of L2 .1, .3 and 1
the second has the lowest mean absolute error on validation clips at the epochs
that were looked at, but for the earliest of empathy; figures of held-out clips
had been seen by then. The smallest has more concordance on validation clips,
and on others a correlation below that of ridge regression (.245 and .256). On
two CPU cores training takes some 10 seconds.
"""

import ml_collections

from empathy.training import configuration


def get_config() -> ml_collections.ConfigDict:
  """The experiment."""
  config = configuration.default_config('concat')
  config.label = 'empathy'  # Or 'distress'.
  config.views = ('full',)
  config.num_seeds = 3
  config.model.hidden = ()  # A linear model.
  config.targets = 'scores'
  config.num_epochs = 10
  config.peak_learning_rate = (3e-3,)
  config.l2 = (0.3,)
  config.keep = 'refit'  # The last epoch, of training and validation clips.
  return config
