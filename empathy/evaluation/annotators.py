"""Those who voted: who they are, and how they are told from one another."""

import dataclasses

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.totals import Key

# Where clips are too many to keep their values, so many bundles of annotators.
MOST_ANNOTATORS = 128


@dataclasses.dataclass(frozen=True)
class Crowd:
  """Those who voted and of whom it is known who they are.

  Attributes:
    hashes: (A,) uint64, ascending, one for each.
    size: as how many they count, fewer where they are put together.
  """

  hashes: np.ndarray
  size: int

  @property
  def number(self) -> int:
    """A."""
    return len(self.hashes)

  @property
  def bundled(self) -> bool:
    """Whether some are put together."""
    return self.size < self.number

  def codes(self, names: np.ndarray) -> np.ndarray:
    """Who each of (n,) names is: (n,) int64, `size` for those without one."""
    distinct, place = np.unique(names, return_inverse=True)
    hashes = hashed(distinct)
    if self.bundled:
      codes = hashes % np.uint64(self.size)
    else:
      codes = np.searchsorted(self.hashes, hashes)
    codes = np.where(distinct == '', self.size, codes.astype(np.int64))
    return codes[place]


def hashed(names: np.ndarray) -> np.ndarray:
  """Hashes of names (n,), alike for all spellings of one: (n,) uint64."""
  distinct, place = np.unique(names, return_inverse=True)
  found = [totals_lib.hash_name(name) for name in distinct.tolist()]
  return np.array(found, np.uint64)[place]


def survey(
  corpus: corpus_lib.Corpus,
) -> tuple[dict[str, np.ndarray], dict[Key, np.ndarray]]:
  """Who voted in a corpus.

  Returns:
    By condition, (A,) uint64 as in `Crowd`, of those who have a name; and
    numbers that add up: `anonymous`, how many entries of a condition are of
    nobody known.
  """
  votes, found, numbers = corpus.votes, {}, {}
  for place, name in enumerate(corpus.conditions):
    own = votes.annotator[votes.condition == place]
    numbers['anonymous', name] = np.array(float(np.count_nonzero(own == '')))
    known = own[own != '']
    if len(known):
      found[name] = totals_lib.group_hashes(known)
  return found, numbers
