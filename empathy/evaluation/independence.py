"""Are groups independent? How many there are, and speakers whom they share."""

import hashlib

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.corpora import grouping
from empathy.evaluation import leakage, samples, verdicts, wording
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals

# Below it, figures still come out, but with a warning.
_FEW_GROUPS = 20
_LARGE_GROUP = 0.2


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up the clips that some member predicts, and speakers."""
  corpus = batch.corpus
  number = len(corpus.ids)
  adder.add(
    verdicts.key('judged'),
    np.any(
      [(labels >= 0).any(axis=0) for labels in batch.labels.values()], axis=0
    )
    if batch.views
    else np.zeros(number),
  )
  ways = leakage.places(batch, plan)
  for column in speaker_columns(corpus):
    values = np.char.strip(corpus.metadata[column].astype(str))
    adder.rank(
      verdicts.key('speakers', column),
      values != '',
      value=_hashes(values),
      side=ways[0] if len(ways) else np.zeros(number),
    )


def check_groups(found: Findings, totals: Totals, plan: Plan) -> None:
  """Counts the groups that intervals rest on: those of the judged clips."""
  clips, judged = (totals[verdicts.key(what)] for what in ('clips', 'judged'))
  if not judged.any():
    judged = clips
  if totals.bundled:
    number = len(totals.hashes)
    verdicts.note(
      found,
      'num_groups',
      number,
      verdicts.OK,
      f'There are {wording.plural(number, "group")}, put together into '
      f'{len(totals.groups)} bundles of whole groups.',
      round(float(judged.sum())),
    )
    return
  where = '' if (judged == clips).all() else ' among the clips with predictions'
  add_groups(found, judged[judged > 0].astype(np.int64), where)


def add_groups(found: Findings, sizes: np.ndarray, where: str = '') -> None:
  """Judges the groups' number and sizes.

  Args:
    found: what the checks are added to.
    sizes: (G,) int, the clips of each group that has some.
    where: among which clips, for the sentence.
  """
  n = int(sizes.sum())
  clips = f'{wording.plural(int(sizes.max()), "clip")}'
  if sizes.min() < sizes.max():
    clips = (
      f'{wording.count(sizes.min())} to {clips} (median '
      f'{wording.tally(float(np.median(sizes)))})'
    )
  elif len(sizes) > 1:
    clips += ' each'
  few, alone = len(sizes) < _FEW_GROUPS, sizes.max() == 1
  none = len(sizes) < samples.LEAST_GROUPS
  sentence = (
    f'There {"is" if len(sizes) == 1 else "are"} '
    f'{wording.plural(len(sizes), "group")} of {clips}{where}'
  )
  if none:
    sentence += (
      f'; with fewer than {samples.LEAST_GROUPS}, there are no intervals'
    )
  elif few:
    sentence += f'; with fewer than {_FEW_GROUPS}, intervals are rough'
  sentence += '.'
  if alone:
    sentence += (
      ' Every clip is its own group, as where a corpus has no column group: if '
      'clips share a speaker or a source, models may know it from training, '
      'and intervals are too narrow.'
    )
  verdicts.note(
    found,
    'num_groups',
    len(sizes),
    verdicts.WARNING if few or alone else verdicts.OK,
    sentence,
    n,
  )
  largest = sizes.max() / n
  verdicts.note(
    found,
    'largest_group_share',
    largest,
    verdicts.WARNING if largest > _LARGE_GROUP else verdicts.OK,
    f'The largest group has {wording.percent(largest)} of the clips.',
    n,
  )


def check_speakers(found: Findings, totals: Totals, plan: Plan) -> None:
  """Says where what clips share is on both sides of groups or of a split."""
  tables = {
    key[2]: rows
    for key, rows in totals.rows.items()
    if key[:2] == verdicts.key('speakers')
  }
  if not tables:
    return
  sides = [] if totals.bundled else ['group']
  held_out = totals[verdicts.key('held_out')]
  if plan.has_split:
    sides.append('split')
  elif held_out.any(axis=(0, 1, 3))[1:].sum() > 1:
    sides.append('fold')
  clips = float(totals[verdicts.key('clips')].sum())
  told, shares = [], []
  for column, rows in tables.items():
    number = len(np.unique(rows['value']))
    for what in sides:
      several, both = straddling(
        rows['value'],
        rows.group if what == 'group' else rows['side'],
        rows.number,
      )
      if not several:
        continue
      shares.append(both / clips)
      told.append(
        f'{wording.count(several)} of {wording.plural(number, "value")} of the '
        f'column {column} {"is" if several == 1 else "are"} in more than one '
        f'{what}, with {wording.percent(both / clips)} of the clips'
      )
  verdicts.note(
    found,
    'speakers',
    max(shares, default=0.0),
    verdicts.WARNING if told else verdicts.OK,
    f'{"; ".join(told)}: models may know them, and groups are not independent.'
    if told
    else f'No value of the column {wording.listing(list(tables), "or")} is in '
    f'more than one {wording.listing(sides, "or")}.',
    round(clips),
  )


def speaker_columns(corpus: corpus_lib.Corpus) -> list[str]:
  """The columns of `clips.csv` whose names say that they name a speaker."""
  return [name for name in corpus.metadata if grouping.names_persons(name)]


def straddling(
  values: np.ndarray, sides: np.ndarray, number: np.ndarray
) -> tuple[int, float]:
  """What is on more than one side.

  Args:
    values: (m,) what clips have, once for each side that it is on.
    sides: (m,).
    number: (m,) how many clips have it there.

  Returns:
    How many values are on several sides, and how many clips have these.
  """
  names, value = np.unique(values, return_inverse=True)
  pairs = np.unique(
    np.stack([value, np.unique(sides, return_inverse=True)[1]]), axis=1
  )
  many = np.bincount(pairs[0], minlength=len(names)) > 1
  return int(many.sum()), float(number[many[value]].sum())


def _hashes(values: np.ndarray) -> np.ndarray:
  """A whole number for each text, which tells it from others: (N,) float64."""
  names, place = np.unique(values, return_inverse=True)
  digests = [
    hashlib.blake2b(name.encode(), digest_size=5).digest()
    for name in names.tolist()
  ]
  numbers = [int.from_bytes(digest, 'little') for digest in digests]
  return np.array(numbers, np.float64)[place]
