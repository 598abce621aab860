"""Features of clips, put together of what each clip has.

And of which modality they are, where a name is all that tells.
"""

from collections.abc import Sequence

import numpy as np

from empathy.corpora import columns
from empathy.corpora import corpus as corpus_lib

# Audio before text, for hubert is no bert.
_WORDS = {
  'audio': (
    *('audio', 'hubert', 'wav2vec', 'wavlm', 'whisper', 'vggish', 'egemaps'),
    *(
      'compare',
      'opensmile',
      'mfcc',
      'speech',
      'emotion2vec',
      'is09',
      'is10',
      'covarep',
    ),
  ),
  'video': (
    *('video', 'clip', 'vit', 'resnet', 'dino', 'eva', 'openface', 'manet'),
    *('emonet', 'senet', 'face', 'timesformer', 'mae', 'sigl', 'image'),
    *('facet', 'visual'),
  ),
  'text': (
    *(
      'text',
      'glove',
      'bert',
      'sentence',
      'xlnet',
      'electra',
      'gpt',
      'llama',
      'bloom',
    ),
    *('baichuan', 'glm', 'falcon', 'vicuna', 'qwen', 'moss', 'lert', 'opt'),
    *('stablelm', 'word', 'simbert', 'alpaca', 'ziya'),
  ),
}


def joined(pieces: Sequence[np.ndarray | None]) -> corpus_lib.Features:
  """The features of one modality.

  Args:
    pieces: of each clip its numbers, (length, width), all of one width; None or
      of length 0 for a clip without the modality. Some clip has it.

  Returns:
    Sequences; pooled features where all are of length 1.
  """
  lengths = [0 if piece is None else len(piece) for piece in pieces]
  there = np.flatnonzero(lengths)
  length = np.array(lengths, np.int64)[there]
  values = np.concatenate([pieces[clip] for clip in there.tolist()])
  offset = columns.offset(values)
  return corpus_lib.Features(
    clip=there.astype(np.int32),
    values=columns.narrowed(values, offset, copy=False),
    length=None if (length == 1).all() else length,
    offset=offset,
  )


def modality_of(name: str) -> str | None:
  """The modality that the name of a model or sequence tells; None if none.

  A name that begins with `text-`, `audio-` or `video-` is of that.
  """
  name = name.casefold()
  for modality in corpus_lib.MODALITIES:
    if name.startswith(f'{modality}-'):
      return modality
  for modality, words in _WORDS.items():
    if any(word in name for word in words):
      return modality
  return None
