r"""The whole experiment of arXiv 2505.13979, from media to the report.

  empathy prepare --importer=empspeech --source=PUBLISHED \
      --output=CORPUS
  CONFIG=configs/mixed_signals_media.py bash launch/local.sh CORPUS

which runs, each with --config=configs/mixed_signals_media.py, `finetune`,
`extract_features --finetuned`, `train` and `evaluate`. RoBERTa, HuBERT and
VideoMAE are fine-tuned with all but their last two layers and a classifier
frozen, one for each fold; what they learn by, and features are, is the first
position of the last hidden state, as in the paper (of a sound or a film the
mean says more: --config.features.audio.pooling=mean). What else fine-tuning can
be told, as --config.finetune.lora.rank=8, is in
empathy/training/config_fields.py. Then every view is
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

from empathy.training import configuration


def get_config(fusion: str = 'gated_attention') -> ml_collections.ConfigDict:
  """The experiment.

  Args:
    fusion: a key of `empathy.models.fusion.FUSIONS`, or the import path of a
      class of your own.
  """
  config = configuration.default_config(fusion)

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
  config.features.text.prefix = 'own'  # None, of the paper's encoders.
  config.features.audio.scale_peak = True
  config.features.video.crop = 'none'  # As in the paper, whole pictures.
  config.seconds = 10.0  # As in the paper; transcripts are whole.
  config.num_frames = 16

  # Features to the study.
  config.views = ()
  config.num_seeds = 4
  return config
