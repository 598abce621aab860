"""Clips that are there twice."""

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import verdicts, wording
from empathy.evaluation.findings import Findings

NO_FEATURES = 'The corpus has no features, so repeated clips cannot be told.'
# The table has no more rows.
_MAX_PAIRS = 100


def find(corpus: corpus_lib.Corpus) -> Findings:
  """Which clips have the features of others, by the corpus' hashes."""
  found = Findings()
  found.tables['data_checks'] = []
  if not corpus.presence:
    found.skipped['data.duplicates'] = NO_FEATURES
    return found
  rows, repeated = [], set()
  for modality, present in corpus.presence.items():
    pairs = pairs_of(present, corpus.hashes[modality])
    repeated.update(pairs[:, 0].tolist())
    for clip, first in pairs[: _MAX_PAIRS - len(rows)].tolist():
      rows.append(
        {
          'modality': modality,
          'id': str(corpus.ids[clip]),
          'same_as': str(corpus.ids[first]),
          'same_group': bool(corpus.groups[clip] == corpus.groups[first]),
        }
      )
  if rows:
    found.tables['duplicates'] = rows
  share = len(repeated) / len(corpus.ids)
  verdicts.note(
    found,
    'duplicates',
    share,
    verdicts.WARNING if repeated else verdicts.OK,
    f'{wording.plural(len(repeated), "clip")} ({wording.percent(share)}) '
    f'{"has" if len(repeated) == 1 else "have"} exactly the features of '
    'another clip in some modality.'
    if repeated
    else 'No two clips have the same features.',
    len(corpus.ids),
  )
  return found


def pairs_of(present: np.ndarray, hashes: np.ndarray) -> np.ndarray:
  """Clips whose features are the same to the last bit.

  Args:
    present: (N,) bool, which clips have the modality.
    hashes: (N,) uint64, of what each of them has.

  Returns:
    (D, 2) int, rows of the corpus: a clip and the first one that is the same.
  """
  rows = np.flatnonzero(present)
  _, first, which = np.unique(
    hashes[rows], return_index=True, return_inverse=True
  )
  pairs = np.stack([rows, rows[first[which]]], axis=1)
  return pairs[pairs[:, 0] != pairs[:, 1]]
