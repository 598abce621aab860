"""What was held out from what, and what groups give away of it."""

from collections.abc import Sequence

import numpy as np

from empathy.evaluation import totals as totals_lib
from empathy.evaluation import verdicts, wording
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals

# Knowing the group is worth something if it adds so much accuracy.
_GAIN = 0.01
_BUNDLED = 'Groups were put together into bundles, so that none is known.'
FOLDS_UNKNOWN = verdicts.row(
  'folds',
  None,
  verdicts.WARNING,
  'Folds unknown: all predictions are of one fold, and the corpus has no '
  'split. Whether models were trained on these clips, or on others of their '
  'groups, cannot be checked.',
)


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up clips by where they were held out, and by label."""
  labels = np.where(batch.labelled, batch.corpus.labels, len(plan.classes))
  ways = places(batch, plan)
  shape = (len(ways), plan.num_places, len(plan.classes) + 1)
  cell = totals_lib.index(shape, np.arange(len(ways))[:, None], ways, labels)
  adder.count(verdicts.key('held_out'), cell, shape)
  out = (ways > 0).any(axis=0)
  adder.add(verdicts.key('out'), np.stack([out, out & batch.labelled], axis=1))


def check(found: Findings, totals: Totals, plan: Plan) -> None:
  """Says what was held out from what, and what groups give away of it."""
  counts = totals[verdicts.key('held_out')]
  # Of folds one at least is trained on what is in the others.
  least = 1 if plan.has_split else 2
  ways = [
    one
    for one in np.moveaxis(counts, 1, 0)
    if np.count_nonzero(one[:, 1:].any(axis=(0, 2))) >= least
  ]
  held = bool(ways)
  if not held:
    for name in ('group_leakage', 'group_majority_accuracy'):
      found.skipped[f'data.{name}'] = (
        'Nothing says which clips were held out from which.'
      )
    if plan.members:
      found.tables['data_checks'].append(FOLDS_UNKNOWN)
    labels = totals[verdicts.key('labels')]
    ways = [np.stack([0 * labels, labels], axis=1)]
  elif totals.bundled:
    found.skipped['data.group_leakage'] = _BUNDLED
  else:
    _note_leakage(found, totals, ways)
  ways = [one[..., : len(plan.classes)] for one in ways]
  ways = [one for one in ways if one[:, 1:].any()]
  if not ways:
    for name in ('majority_accuracy', 'group_majority_accuracy'):
      found.skipped[f'data.{name}'] = 'No held-out clip has a label.'
    return
  majority, by_group = np.mean(
    [majority_accuracies(one) for one in ways], axis=0
  )
  out = totals[verdicts.key('out')][:, 1].sum()
  n = round(float(out if held else totals[verdicts.key('labels')].sum()))
  verdicts.note(
    found,
    'majority_accuracy',
    majority,
    verdicts.OK,
    'Always saying the commonest label is right on '
    f'{wording.percent(majority)} of the clips.',
    n,
  )
  if held and totals.bundled:
    found.skipped['data.group_majority_accuracy'] = _BUNDLED
  elif held:
    _note_majority(found, majority, by_group, n)


def places(batch: Batch, plan: Plan) -> np.ndarray:
  """Where each clip was held out, once for every way it was done.

  A split counts before all else: test clips against the others. Else members'
  folds count before the corpus' own.

  Returns:
    (W, N) int64: one more than the fold; 0 for training clips of a split; -1
    for clips that do not count, as they are in no fold.
  """
  corpus = batch.corpus
  if plan.has_split:
    return np.where(corpus.split == 'test', 1, 0)[None]
  if batch.predictions is not None:
    members = np.concatenate(list(batch.predictions.folds.values()))
    ways = members[list(plan.ways)].astype(np.int64)
  elif corpus.fold is not None:
    ways = corpus.fold.astype(np.int64)[None]
  else:
    ways = np.empty((0, len(corpus.ids)), np.int64)
  return np.where(ways >= 0, ways + 1, -1)


def group_leakage(counts: np.ndarray) -> float:
  """The share of held-out clips whose group has clips in training, too.

  Args:
    counts: (G, 1 + K) clips of each group: training clips of a split, then
      those that each of K folds holds out. Without a split, a fold is trained
      on what is in the others.

  Returns:
    The share of the held-out clips.
  """
  straddle = np.count_nonzero(counts, axis=1) > 1
  out = counts[:, 1:].sum(axis=1)
  return float(out[straddle].sum() / out.sum())


def majority_accuracies(counts: np.ndarray) -> tuple[float, float]:
  """What the label frequencies of the training clips alone achieve.

  Args:
    counts: (G, 1 + K, C) labelled clips, see `group_leakage`.

  Returns:
    The accuracy on held-out clips of always saying the training clips'
    commonest label, and of saying the commonest among training clips of the
    clip's own group where there are such. Without leakage they are the same.
    Where nothing is left to train on, the held-out clips take its place in the
    former.
  """
  by_group = counts.sum(axis=1)
  hits, group_hits, total = 0.0, 0.0, 0.0
  for fold in range(1, counts.shape[1]):
    own = counts[:, fold]
    if not own.any():
      continue
    training = by_group - own
    overall = training.sum(axis=0)
    common = np.argmax(overall if overall.any() else own.sum(axis=0))
    guess = np.where(training.any(axis=1), training.argmax(axis=1), common)
    hits += own[:, common].sum()
    group_hits += own[np.arange(len(own)), guess].sum()
    total += own.sum()
  return float(hits / total), float(group_hits / total)


def _note_leakage(
  found: Findings, totals: Totals, ways: Sequence[np.ndarray]
) -> None:
  leaked = np.mean([group_leakage(one.sum(axis=2)) for one in ways])
  alone = (totals[verdicts.key('clips')] <= 1).all()
  verdicts.note(
    found,
    'group_leakage',
    leaked,
    verdicts.FAIL if leaked else verdicts.OK,
    f'{wording.percent(leaked)} of the held-out clips belong to a group '
    'that is in the training data too.'
    if leaked
    else 'No group is on both sides of a split, as each has one clip only.'
    if alone
    else 'No group is on both sides of a split.',
    round(float(totals[verdicts.key('out')][:, 0].sum())),
  )


def _note_majority(
  found: Findings, majority: float, by_group: float, n: int
) -> None:
  gain = by_group - majority
  verdicts.note(
    found,
    'group_majority_accuracy',
    by_group,
    verdicts.FAIL if gain > _GAIN else verdicts.OK,
    'Saying the commonest label that the training data have in the group of '
    f'the clip is right on {wording.percent(by_group)} of the clips, '
    + (
      'no better than the commonest label of all.'
      if round(gain, 3) <= 0
      else f'{wording.points(gain)} above the commonest label of all'
      + (': a model can win by knowing the group.' if gain > _GAIN else '.')
    ),
    n,
  )
