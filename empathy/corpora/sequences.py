"""Features of clips, put together of what each clip has."""

from collections.abc import Sequence

import numpy as np

from empathy.corpora import columns
from empathy.corpora import corpus as corpus_lib


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
