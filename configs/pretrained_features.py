r"""Features from the encoders of the paper (arXiv 2505.13979), not fine-tuned.

  python -m empathy.extract_features --corpus=CORPUS \
      --config=configs/pretrained_features.py

RoBERTa, HuBERT and VideoMAE: the first position of the last hidden state, 768
wide. The checkpoints are fetched from the Hugging Face Hub once (some 1.3 GB).
Another one, or a folder, is `--config.features.text.encoder=NAME`.
"""

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
  config.seconds = 10.0
  config.num_frames = 16
  config.faults = 'skip'
  return config
