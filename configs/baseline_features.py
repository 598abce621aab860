r"""Features that need no checkpoint, for a corpus with words, sound or film.

  empathy extract --corpus=CORPUS \
      --config=configs/baseline_features.py

Hashed n-grams of the transcript (1,024 wide), statistics of log-mel energies
and pitch (170), of pictures and motion (336). Modalities that a corpus lacks
are passed over. `--config.features.audio.encoder=egemaps` takes openSMILE's 88
functionals instead, which needs the extra `opensmile`. They are what a
pretrained encoder has to beat, not a substitute for one. Clips are used whole;
`--config.seconds=10` takes the first ten seconds of each sound and film: how
many clips are cut so is told, and which in `features/<modality>.json`.

`--config.features.video.crop=face` looks at the face that counts in each film
alone (`empathy/encoders/faces.py` says which, and needs the extra `faces`), and
writes a picture of such faces, `features/video.faces.png`, before it begins.

In CPU time, 0.2 ms for a transcript, 30 ms for a sound of 4 s, and 210 ms for
a film of 2.4 s in 640 x 360, nearly all of it to decode it; with its face 1 s;
eGeMAPS 65 ms.
"""

import ml_collections

from empathy.training import configuration


def get_config() -> ml_collections.ConfigDict:
  """What to extract."""
  config = configuration.default_config()
  config.features = {
    'text': {'encoder': 'hashed_ngrams'},
    'audio': {'encoder': 'voice_statistics'},
    'video': {'encoder': 'frame_statistics', 'crop': 'none'},  # Or 'face'.
  }
  return config
