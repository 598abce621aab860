r"""The whole experiment of arXiv 2505.13979, from media to the report.

  python -m empathy.prepare --importer=empspeech --source=PUBLISHED \
      --output=CORPUS
  CONFIG=configs/mixed_signals_media.py bash launch/local.sh CORPUS

which runs, each with --config=configs/mixed_signals_media.py, `finetune`,
`extract_features --finetuned`, `train` and `evaluate`. RoBERTa, HuBERT and
VideoMAE are fine-tuned with all but their last two layers and a classifier
frozen, one for each fold; what they learn by, and features are, is the first
position of the last hidden state, as in the paper (of a sound or a film the
mean says more: --config.features.audio.pooling=mean); then every view is
trained, with the paper's gated fusion or another:
`configs/mixed_signals_media.py:concat`.

The paper's other encoders: --config.features.text.encoder=
microsoft/deberta-v3-base, .audio.encoder=facebook/wav2vec2-base and
.video.encoder=facebook/timesformer-base-finetuned-k400.

Nobody has run it on the paper's data here, which are not public: there is no
figure to expect. Checkpoints come from the Hugging Face Hub, some 1.3 GB. What
goes into the layers that learn takes 3 kB a token, 1.5 MB a sound of 10 s and
4.8 MB a film, on disk while a modality is fine-tuned.
"""

import ml_collections

from empathy.models import fusion as fusions


def get_config(fusion: str = 'gated_attention') -> ml_collections.ConfigDict:
  """The experiment.

  Args:
    fusion: a key of `empathy.models.fusion.FUSIONS`, or the import path of a
      class of your own.
  """
  config = ml_collections.ConfigDict()
  config.corpus = ''  # For train: --config.corpus=CORPUS.
  config.label = ''

  # Media to features.
  config.features = {
    name: {
      'encoder': encoder,
      'layer': 'last',
      'pooling': 'first',  # The paper's; of sound it is the first 25 ms.
      'dtype': 'float32',
      'batch_size': 8,  # A device, when features are extracted.
    }
    for name, encoder in (
      ('text', 'roberta-base'),
      ('audio', 'facebook/hubert-base-ls960'),
      ('video', 'MCG-NJU/videomae-base'),
    )
  }
  config.features.audio.scale_peak = True
  config.seconds = 10.0  # As in the paper; transcripts are whole.
  config.num_frames = 16
  config.faults = 'skip'  # Or 'fatal': media that cannot be used end the run.
  config.finetune = {
    'trained_layers': 2,  # The last ones; 0: all of the encoder.
    'learning_rate': 5e-6,
    'weight_decay': 0.01,
    'batch_size': 8,  # On all devices together.
    'num_epochs': 15,
    'remat': False,  # Compute activations again rather than keep them.
    # Not in the paper; more of each in empathy/training/finetune_recipe.py.
    'warmup': 0.0,  # The share of the steps in which the rate rises, as 0.1.
    'schedule': 'constant',  # Or down to 0: 'linear', 'cosine'.
    'clip_norm': 0.0,  # The largest norm of a gradient, as 1; 0: any.
    'accumulate': 1,  # Batches a step, where memory holds no larger one.
    'dtype': 'float32',  # 'bfloat16': sums only; parameters stay float32.
    'weights': 'equal',  # Of clips: 'classes' for rare ones, or 'votes'.
    'targets': 'labels',  # Or the distributions of 'votes'.
    'patience': 0,  # Epochs without a better one until it ends; 0: any.
    'select': 'accuracy',  # The epoch by 'macro_f1', or the 'loss'.
    'layer_decay': 1.0,  # A layer's rate, by that of the layer above.
    'head_learning_rate': 0.0,  # The classifier's; 0: the same.
    'decay_norms': True,  # Weights of normalisations and biases, too.
    # Adapters in place of layers: rank 0: none; alpha / rank is their scale.
    'lora': {'rank': 0, 'alpha': 16.0, 'targets': ('query', 'value')},
  }

  # Features to the study.
  config.views = ()
  config.seed = 42  # The first seed, and the seed of folds made by group.
  config.num_seeds = 4
  config.num_folds = 5  # Where the corpus has neither split nor folds.
  config.model = fusions.fields(fusion)  # All of them, with their defaults.
  config.targets = 'labels'
  config.sigma = 0.75
  config.weights = 'equal'
  config.normalise = 'members'
  config.num_epochs = 15
  config.batch_size = 64
  config.peak_learning_rate = (1e-3,)
  config.l2 = (1e-3,)
  config.auxiliary = fusions.auxiliary(fusion)  # 0, if it needs none.
  config.keep = 'best'
  config.parallel = 'members'
  config.data = 'memory'
  config.matmul_precision = 'default'
  config.members_per_device = 128
  config.checkpoint_seconds = 300.0
  return config
