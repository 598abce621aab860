"""Clips that are there twice, by hashes of their features."""

import numpy as np

from empathy.evaluation import totals as totals_lib
from empathy.evaluation import verdicts, wording
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan

NO_FEATURES = 'The corpus has no features, so repeated clips cannot be told.'
# The table has no more rows.
_MAX_PAIRS = 100
# Of clips that are too many to keep all of them, so many are kept.
_MOST_KEPT = 1 << 16


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Keeps clips by the hashes of their features, or one hash in so many.

  Those with the same features have the same hash, so that all or none of them
  are kept, wherever they lie.
  """
  corpus, step = batch.corpus, _step(plan)
  for modality, present in corpus.presence.items():
    hashes = corpus.hashes[modality]
    kept = present & (hashes % np.uint64(step) == 0)
    adder.keep(_key(modality), hashes[kept], corpus.ids[kept], kept)


def check(found: Findings, totals: totals_lib.Totals, plan: Plan) -> None:
  """Which clips have the features of others; the first one is no repeat."""
  known = [name for name in plan.modalities if _key(name) in totals]
  if not known:
    found.skipped['data.duplicates'] = NO_FEATURES
    return
  rows, repeated, step = [], {}, _step(plan)
  for modality in known:
    kept = totals.kept[_key(modality)]
    clip, first = pairs_of(kept.values)
    repeated[modality] = kept.ids[clip]
    for one, other in zip(clip.tolist(), first.tolist(), strict=True):
      if len(rows) < _MAX_PAIRS:
        rows.append(
          {
            'modality': modality,
            'id': str(kept.ids[one]),
            'same_as': str(kept.ids[other]),
            'same_group': bool(kept.groups[one] == kept.groups[other]),
          }
        )
  if rows:
    found.tables['duplicates'] = rows
  where, method = 'some modality', 'counted, no interval'
  number = len(np.unique(np.concatenate(list(repeated.values()))))
  if step > 1:
    where = max(repeated, key=lambda name: len(repeated[name]))
    number = step * len(repeated[where])
    method = f'of one hash of features in {step}, no interval'
  num_clips = plan.survey.num_clips
  verdicts.note(
    found,
    'duplicates',
    number / num_clips,
    verdicts.WARNING if number else verdicts.OK,
    f'{wording.plural(number, "clip")} ({wording.percent(number / num_clips)}) '
    f'{"has" if number == 1 else "have"} exactly the features of another clip '
    f'in {where}.'
    if number
    else 'No two clips have the same features.',
    num_clips,
    method,
  )


def pairs_of(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Places of hashes (n,), ascending, that are there before: (D,) int each.

  Returns:
    Where they are, and where each is first.
  """
  first = np.searchsorted(hashes, hashes)
  clip = np.flatnonzero(first < np.arange(len(hashes)))
  return clip, first[clip]


def _step(plan: Plan) -> int:
  """One hash in so many is kept."""
  return 1 if plan.exact else -(-plan.survey.num_clips // _MOST_KEPT)


def _key(modality: str) -> totals_lib.Key:
  return verdicts.key('features', modality)
