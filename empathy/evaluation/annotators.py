"""What the choice of annotators adds to the noise of agreement.

The jackknife over annotators, (A - 1) / A sum_a (T_a - mean T)^2 of the figures
T_a without annotator a (Efron & Stein 1981, Ann. Statist. 9:586). As clips and
annotators are crossed, the noise of single votes is in it and in the variance
over groups of clips as well; the part that lies within a group and an annotator
is therefore taken off: V = V_groups + V_annotators - V_both (Cameron, Gelbach &
Miller 2011, J. Bus. Econ. Stat. 29:238). The plain sum would make intervals up
to 1.7 times too wide where annotators have few clips.

The normal quantile is too small for few annotators: take Student's with A - 1
degrees of freedom, where that is larger than the groups' own. In simulations
with 20 annotators who differ, alpha's 95 % interval over clips alone held the
truth 50 to 90 % of the time; with this variance 92.1 to 94.2 %, and by
Student's quantile 93.5 to 95.6 %.

Leaving out an annotator changes the sums of the clips that he voted on only,
and these changes add up over clips. What of it lies within a group is told from
effects to first order, so the figures' gradients have to be known before: they
are functions of few sums over all clips. Many annotators of many clips are put
together into bundles, as groups are.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import agreement
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.totals import Key

# So many pairs of annotator and clip are worked on at a time.
_BLOCK = 1 << 15


@dataclasses.dataclass(frozen=True)
class Crowd:
  """Those who voted in a condition.

  Attributes:
    hashes: (A,) uint64, ascending, one for each.
    size: as how many they count, fewer where they are put together.
    sums: what agreement is made of, by the name of the sums (k,), of all clips.
  """

  hashes: np.ndarray
  size: int
  sums: Mapping[str, np.ndarray]

  @property
  def number(self) -> int:
    """A."""
    return len(self.hashes)

  def codes(self, names: np.ndarray) -> np.ndarray:
    """Who each of (n,) names is: (n,) int64, from 0 to `size` - 1."""
    distinct, place = np.unique(names, return_inverse=True)
    hashes = np.array(
      [totals_lib.hash_name(name) for name in distinct.tolist()], np.uint64
    )
    if self.size < self.number:
      codes = hashes % np.uint64(self.size)
    else:
      codes = np.searchsorted(self.hashes, hashes)
    return codes.astype(np.int64)[place]


def survey(
  corpus: corpus_lib.Corpus,
) -> tuple[dict[str, np.ndarray], dict[Key, np.ndarray]]:
  """Who voted in a corpus, and what agreement is made of.

  Returns:
    By condition, (A,) uint64 as in `Crowd`; and numbers that add up:
    `anonymous`, how many entries of a condition are of nobody known, and
    `agreement`, by sums and condition.
  """
  votes, found, numbers = corpus.votes, {}, {}
  ordered = bool(corpus.info.get('ordered', False))
  figures = agreement.figures(len(corpus.classes), ordered, corpus.values)
  parts = {figure.sums: figure.parts for figure in figures.values()}
  for place, name in enumerate(corpus.conditions):
    own = votes.annotator[votes.condition == place]
    nameless = np.count_nonzero(own == '')
    numbers['anonymous', name] = np.array(float(nameless))
    if not len(own) or nameless:
      continue
    found[name] = totals_lib.group_hashes(own)
    counts = corpus.vote_counts(name)
    for sums, part in parts.items():
      numbers['agreement', sums, name] = agreement.totals(part, counts)
  return found, numbers


def add(
  adder: totals_lib.Adder,
  condition: str,
  crowd: Crowd,
  figures: Mapping[str, agreement.Coefficient],
  entries: corpus_lib.Votes,
  counts: np.ndarray,
) -> None:
  """Adds up what leaving out each annotator changes.

  Time is O(P k) for P pairs of clip and annotator and k sums.

  Args:
    adder: where it is added.
    condition: in which they voted.
    crowd: who did.
    figures: of agreement, by name.
    entries: the votes of the condition, each of somebody known.
    counts: (N, C) the same by clip and class.
  """
  num_clips, num_classes = counts.shape
  pair = crowd.codes(entries.annotator) * num_clips + entries.clip
  pairs, place = np.unique(pair, return_inverse=True)
  who, where = np.divmod(pairs, max(num_clips, 1))
  own = np.bincount(
    place * num_classes + entries.label,
    entries.count,
    len(pairs) * num_classes,
  ).reshape(-1, num_classes)
  effects = np.empty((len(figures), len(pairs)))
  for sums, total in crowd.sums.items():
    rows = [i for i, f in enumerate(figures.values()) if f.sums == sums]
    chosen = [list(figures.values())[row] for row in rows]
    slopes = np.stack([figure.slope(total) for figure in chosen])
    change = np.zeros((crowd.size, len(total)))
    for start in range(0, len(pairs), _BLOCK):
      block = slice(start, start + _BLOCK)
      whole = np.asarray(counts[where[block]], np.float64)
      parts = chosen[0].parts
      changed = parts(whole - own[block]) - parts(whole)
      effects[rows, block] = slopes @ changed.T
      np.add.at(change, who[block], changed)
    adder.whole(_key(f'without.{sums}', condition), change)
  shape = effects.shape[0], crowd.size
  cell = totals_lib.index(shape, np.arange(shape[0])[:, None], who)
  adder.count(_key('effects', condition), cell, shape, effects, where)


def variance(
  totals: totals_lib.Totals,
  condition: str,
  crowd: Crowd,
  figures: Mapping[str, agreement.Coefficient],
  name: str,
) -> float | None:
  """What the choice of annotators adds to a figure's variance over clips.

  Args:
    totals: what `add` added up.
    condition: likewise.
    crowd: likewise.
    figures: likewise.
    name: of the figure.

  Returns:
    The variance, not negative; None if there are fewer than two annotators, or
    if the figure is undefined without one of them.
  """
  if crowd.number < 2:
    return None
  figure, row = figures[name], list(figures).index(name)
  change = totals.wholes[_key(f'without.{figure.sums}', condition)]
  without = crowd.sums[figure.sums] + change
  values = figure.function(without, without)[0]
  if np.isnan(values).any():
    return None
  effects = totals.counts[_key('effects', condition)].matrix
  effects = effects[:, row * crowd.size : (row + 1) * crowd.size]
  total = (effects.sum(axis=0) ** 2).sum()
  shared = (effects.data**2).sum()
  left = max(1 - shared / total, 0.0) if total else 0.0
  return float((crowd.size - 1) * values.var() * left)


def _key(what: str, condition: str) -> Key:
  return 'annotators', what, condition
