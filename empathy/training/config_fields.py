"""The fields of a config, with their types, defaults and meaning.

`--help` of the binaries shows them from here, each with the comment above or
beside it, so this module imports nothing that takes long. A comment that stands
alone heads those that follow.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Literal

from empathy import kinds

MAX_SEED = 2**31

# Of several values, as in (3e-4, 1e-3), the best combination is chosen for each
# view and fold by what `select` says; likewise of any dropout of the model.
_Swept = Annotated[tuple, kinds.Several(kinds.NotNegative)]


@dataclasses.dataclass(frozen=True)
class Lora:
  """Adapters of low rank (arXiv 2106.09685): W + alpha / rank * A @ B."""

  rank: Annotated[int, kinds.Range(0)] = 0  # Columns of A; 0: no adapters.
  alpha: kinds.NotNegative = 16.0  # How much adapters count, times the rank.
  # Which projections W have one, by their names in the encoders: 'query',
  # 'key', 'value' and 'output' of attention, 'up' and 'down' of what follows.
  targets: tuple[str, ...] = ('query', 'value')


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How encoders are fine-tuned; with AdamW (arXiv 1711.05101) as PyTorch's.

  The defaults are the recipe of arXiv 2505.13979: one rate, on the last two
  layers and a classifier.
  """

  # How many of the last layers learn; 0: all of the encoder.
  trained_layers: Annotated[int, kinds.Range(0)] = 2
  learning_rate: kinds.NotNegative = 5e-6  # The highest one.
  weight_decay: kinds.NotNegative = 0.01  # AdamW's, times the learning rate.
  batch_size: kinds.Count = 8  # On all devices together.
  num_epochs: kinds.Count = 15  # Passes over the training clips.
  remat: bool = False  # Compute activations again rather than keep them.

  # Not in the paper.

  # The share of the steps in which the rates rise from 0.
  warmup: kinds.Share = 0.0
  # How rates go on: 'constant', 'linear' or 'cosine', down to 0, or an import
  # path; see `schedules`.
  schedule: str = 'constant'
  clip_norm: kinds.NotNegative = 0.0  # Of the whole gradient; 0: any.
  accumulate: kinds.Count = 1  # Batches a step, as if they were one.
  # In which sums are computed; parameters and their steps are float32.
  dtype: Literal['float32', 'bfloat16'] = 'float32'
  # What is learned, as `train` has it.
  targets: Literal['labels', 'votes'] = 'labels'
  # How much each clip counts, likewise.
  weights: Literal['equal', 'votes', 'classes', 'votes+classes'] = 'equal'
  loss: str = 'cross_entropy'  # Or 'focal', or an import path.
  # Which epoch is the best: by 'accuracy', 'macro_f1', 'loss', ...
  select: str = 'accuracy'
  # How many epochs without a better one are waited for; 0: any.
  patience: Annotated[int, kinds.Range(0)] = 0
  # A layer's rate by that of the layer above.
  layer_decay: kinds.NotNegative = 1.0
  head_learning_rate: kinds.NotNegative = 0.0  # The classifier's; 0: the same.
  # Weights of normalisations, and biases, decay too; as PyTorch does by itself.
  decay_norms: bool = True
  # In place of the layers themselves, adapters of them learn.
  lora: Lora = Lora()

  @property
  def step_size(self) -> int:
    """Clips a step."""
    return self.batch_size * self.accumulate


@dataclasses.dataclass(frozen=True)
class Fields:
  """Every field of a config, but for those of a model, with its default.

  A config file says what it changes. What is a name may also be an import path,
  and have arguments, as in 'focal(gamma=1.5)' or 'my_losses:hinge'; see
  `empathy.named`.
  """

  # What is learned from.

  corpus: str = ''  # The corpus folder.
  label: str = ''  # Which of its labels, where it has several.
  # Which modalities models see: 'single', 'full', 'every', or names as in
  # 'text,audio+video'; none is 'every'. What views tell beyond other seeds
  # needs a seed of the full view more than there are single views.
  views: tuple[str, ...] = ('single', 'full')
  # The first seed, and the seed of folds made by group.
  seed: Annotated[int, kinds.Range(0, MAX_SEED)] = 42
  # How many models of each view and fold, which differ in their seed.
  num_seeds: kinds.Count = 6
  num_folds: kinds.Count = 5  # Where the corpus has neither split nor folds.

  # A fusion, its fields, and what pools sequences: 'attention', 'mean', 'max',
  # 'first', 'last', or of all layers 'layers'; see `empathy.models.fusion`.
  model: Mapping = dataclasses.field(
    default_factory=lambda: {'fusion': 'gated_attention'}
  )

  # What is learned.

  # 'labels'; 'votes', their shares; 'dawid_skene', what votes say of the label
  # net of what each annotator tends to; or, of a label with values, 'scores': a
  # normal distribution around each, `sigma` values wide.
  targets: Literal['labels', 'votes', 'dawid_skene', 'scores'] = 'labels'
  # How wide the targets of scores are, in values.
  sigma: Annotated[float, kinds.Range(0, is_open=True)] = 0.75
  # Of clips in the loss: by the number of their votes; so that each class has
  # the same part in it; or by both.
  weights: Literal['equal', 'votes', 'classes', 'votes+classes'] = 'equal'
  # Features by a member's training clips, or by each group's own: transductive.
  normalise: Literal['members', 'group'] = 'members'
  loss: str = 'cross_entropy'  # Or 'focal', or an import path.
  auxiliary: kinds.NotNegative = 0.0  # Weight of each modality's own loss.

  # How it is learned.

  num_epochs: kinds.Count = 15  # Passes over the training clips.
  batch_size: kinds.Count = 64  # Clips a step.
  optimizer: str = 'one_cycle_adam'  # Or 'adamw', 'optax:lion(b1=0.95)', ...
  schedule: str = 'one_cycle'  # Or 'constant', 'warmup_cosine(warmup=0.1)', ...
  # The highest one; of several, as 3e-4,1e-3, the best is chosen.
  peak_learning_rate: _Swept = (1e-3,)
  # Times the parameters, added to the gradient; may be several, too.
  l2: _Swept = (1e-3,)
  # The epoch that is 'best' on validation clips, the 'last' one, or the last of
  # a second training, of training and validation clips: 'refit'.
  keep: Literal['best', 'last', 'refit'] = 'best'
  # What the best epoch and setting are chosen by: 'accuracy', 'macro_f1',
  # 'loss', of scores 'ccc' or 'mae'; if empty, accuracy, or of scores ccc.
  select: str = ''

  # On which devices.

  # What devices share: the members, or each batch.
  parallel: Literal['members', 'batch'] = 'members'
  # Where features are: in memory; or on disk, from where they are streamed.
  data: Literal['memory', 'stream'] = 'memory'
  # Bits of products of matrices, where a device has fewer.
  matmul_precision: Literal['default', 'tensorfloat32', 'float32'] = 'default'
  members_per_device: kinds.Count = 128  # More train in chunks, one by one.
  checkpoint_seconds: kinds.NotNegative = 300.0  # Between them, at least.

  # From media to features, of `extract` and `finetune`.

  # By modality the settings of its encoder; see configs/pretrained_features.py.
  features: Mapping = dataclasses.field(default_factory=dict)
  # How much of each sound and film counts.
  seconds: Annotated[float, kinds.Range(0, None, is_open=True)] = math.inf
  num_frames: kinds.Count = 16  # How many pictures of a film, evenly spaced.
  # Media that cannot be used: 'skip', or 'fatal', which ends the run.
  faults: Literal['skip', 'fatal'] = 'skip'
  # How encoders are fine-tuned, see `Recipe`; of `finetune` alone.
  finetune: Recipe = Recipe()


# What other binaries than `train` go by.
MEDIA_FIELDS = ('features', 'finetune', 'seconds', 'num_frames', 'faults')
