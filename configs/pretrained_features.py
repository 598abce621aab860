r"""Features from the encoders of the paper (arXiv 2505.13979), not fine-tuned.

  python -m empathy.extract_features --corpus=CORPUS \
      --config=configs/pretrained_features.py

RoBERTa, HuBERT and VideoMAE: the first position of the last hidden state, 768
wide. The checkpoints are fetched from the Hugging Face Hub once (some 1.3 GB).
Another one, or a folder, is `--config.features.text.encoder=NAME`.

Clips are used whole, where the paper cuts sound and film at ten seconds. A
sound takes some 17 MB of memory a second while it is encoded (5 GB for five
minutes; batches of long sounds are smaller): `--config.seconds=60` sets a limit
where that is too much. Of a transcript what the encoder has positions for
counts. How many clips are cut is told, and which in `features/<modality>.json`.
"""

import math

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """What to extract."""
  config = ml_collections.ConfigDict()
  config.features = {
    name: {
      'encoder': encoder,
      'layer': 'last',  # Or 'all': a sequence of the layers, to mix later.
      'pooling': 'first',  # Or 'mean', or 'none': a sequence.
      'dtype': 'float32',  # Or 'bfloat16'.
      'batch_size': 8,  # A device.
    }
    for name, encoder in (
      ('text', 'roberta-base'),
      ('audio', 'facebook/hubert-base-ls960'),
      ('video', 'MCG-NJU/videomae-base'),
    )
  }
  config.seconds = math.inf  # How much of each sound and film counts.
  config.num_frames = 16
  config.faults = 'skip'
  return config
