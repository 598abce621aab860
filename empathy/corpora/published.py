"""The split that a data set was published with, if it is one for training."""

import logging
from collections.abc import Sequence

from empathy.corpora import corpus as corpus_lib

# What the parts are called elsewhere.
_NAMES = {
  **dict.fromkeys(('train', 'training'), 'train'),
  **dict.fromkeys(('val', 'valid', 'validation', 'dev'), 'val'),
  **dict.fromkeys(('test', 'testing', 'eval', 'evaluation'), 'test'),
}
_MOST = 8
_LOGGER = logging.getLogger('empathy')


def name(part: str) -> str:
  """What a part is called here: of `SPLITS` one, or '' if it is none."""
  return _NAMES.get(part.strip().casefold(), '')


def split(
  place: object, parts: Sequence[str]
) -> tuple[list[str] | None, dict[str, list[str]]]:
  """The split, or a column that keeps what is none.

  Args:
    place: the file or folder, for messages.
    parts: of each clip, by its published name; '' where it is of none.

  Returns:
    The split and no column, if all are of train, val and test and all three are
    there. Else None, so that folds are made, and `published_split` with the
    names as they are; if there is but one, neither.
  """
  found = [name(part) for part in parts]
  if set(found) == set(corpus_lib.SPLITS):
    return found, {}
  there = list(dict.fromkeys(parts))
  if len(there) < 2:
    return None, {}
  shown = ', '.join(part or 'none' for part in there[:_MOST])
  _LOGGER.warning(
    '%s: has the parts %s; a split needs train, val and test alone: folds are '
    'made, and published_split keeps the parts',
    place,
    shown + (', ...' if len(there) > _MOST else ''),
  )
  return None, {'published_split': list(parts)}
