r"""Features that need no checkpoint, for a corpus with words, sound or film.

  python -m empathy.extract_features --corpus=CORPUS \
      --config=configs/baseline_features.py

Hashed n-grams of the transcript (1,024 wide), statistics of log-mel energies
and pitch (170), of pictures and motion (336). Modalities that a corpus lacks
are passed over. `--config.features.audio.encoder=egemaps` takes openSMILE's 88
functionals instead, which needs the extra `opensmile`. They are what a
pretrained encoder has to beat, not a substitute for one.

On two CPU cores: some 2,000 transcripts, 100 sounds of 4 s and 20 films of 3 s
a second.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """What to extract."""
  config = ml_collections.ConfigDict()
  config.features = {
    'text': {'encoder': 'hashed_ngrams'},
    'audio': {'encoder': 'voice_statistics'},
    'video': {'encoder': 'frame_statistics'},
  }
  config.seconds = 10.0  # How much of each clip, from its start.
  config.num_frames = 16  # Evenly spaced over it.
  config.faults = 'skip'  # Or 'fatal': media that cannot be used end the run.
  return config
