r"""Features from the encoders of the paper (arXiv 2505.13979), not fine-tuned.

  empathy extract --corpus=CORPUS \
      --config=configs/pretrained_features.py

RoBERTa, HuBERT and VideoMAE, 768 wide: of the last hidden state the first
position of a text, and the mean over a sound or a film, whose first position is
but 25 ms or a corner (the paper takes that). The checkpoints are fetched from
the Hugging Face Hub once (some 1.3 GB). Another one, or a folder, is
`--config.features.text.encoder=NAME`; the state that comes out of layer 9 is
`--config.features.text.layer=9`.

Clips are used whole, where the paper cuts sound and film at ten seconds. A
sound takes some 17 MB of memory a second while it is encoded (5 GB for five
minutes; batches of long sounds are smaller): `--config.seconds=60` sets a limit
where that is too much. How many clips are cut is told, and which in
`features/<modality>.json`. A transcript that is longer than the encoder takes
is read in windows.

Encoders of sentences pool as their makers do, which `modules.json` says. What
they put before a text is in no file for some: for e5 it is
`--config.features.text.prefix="query: "`.

`--config.features.video.crop=face` gives an encoder of pictures the face that
counts in each film, upright, in place of the whole picture; clips without one
are skipped. `empathy/encoders/faces.py` says which face that is; see
`features/video.faces.png`, which is written before the encoder begins.
"""

import ml_collections

from empathy.training import configuration


def get_config() -> ml_collections.ConfigDict:
  """What to extract."""
  config = configuration.default_config()
  config.features = {
    name: {
      'encoder': encoder,
      # Or the number of a hidden state, such as 9 or -2; or 'all': a sequence
      # of the layers, to mix later.
      'layer': 'last',
      # Its makers'; or 'first', 'mean', or 'none': a sequence.
      'pooling': 'own',
      'dtype': 'float32',  # Or 'bfloat16'.
      'batch_size': 8,  # A device.
    }
    for name, encoder in (
      ('text', 'roberta-base'),
      ('audio', 'facebook/hubert-base-ls960'),
      ('video', 'MCG-NJU/videomae-base'),
    )
  }
  config.features.text.prefix = 'own'  # What the checkpoint says, if anything.
  config.features.audio.scale_peak = False  # Before its own normalisation.
  config.features.video.crop = 'none'  # Or 'face', by the extra `faces`.
  return config
