"""Which setting of a sweep is best, for each view and fold by itself.

A fold's setting is chosen by its own validation clips, as its epochs are, and
never by the clips that it holds out: cross-validation is nested, and what is
predicted for held-out clips stays honest (Cawley and Talbot 2010, JMLR 11). All
seeds of a view and fold get one setting, the best on average: they then differ
by their randomness alone, which is what the study takes them for, and a mean
over seeds is less noisy to choose by.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence

import numpy as np

from empathy.training import members


@dataclasses.dataclass(frozen=True)
class Score:
  """How a setting did on the validation clips of a view and fold.

  Attributes:
    view: of the members.
    fold: likewise.
    setting: the fields that are swept, with their values.
    score: mean over seeds, of the accuracy or what else counts; a member
      without a finite epoch has 0.
    loss: in nats, likewise; infinite if a member has no finite epoch.
    failed: how many have none.
    is_chosen: whether it is the best.
  """

  view: str
  fold: int
  setting: tuple[tuple[str, float], ...]
  score: float
  loss: float
  failed: int
  is_chosen: bool = False


def choose(
  names: Sequence[members.Name],
  num_val: np.ndarray,
  score: np.ndarray,
  loss: np.ndarray,
  is_alive: np.ndarray,
  select: str = 'accuracy',
) -> list[Score]:
  """Scores every setting and chooses one for each view and fold.

  The best mean score wins; of equals the lower mean loss, then the first.

  Args:
    names: of the members; settings come first that are named first.
    num_val: (members,) int, their validation clips.
    score: (members,) float, on these.
    loss: likewise, in nats.
    is_alive: (members,) bool, whether they have a finite epoch.
    select: what the score is; one of `step.SELECT`.

  Returns:
    The scores, by view, fold and setting in the order of `names`.
  """
  rows: dict[tuple, list[int]] = {}
  for row, name in enumerate(names):
    rows.setdefault((name.view, name.fold, name.setting), []).append(row)
  total = np.where(is_alive, score.astype(np.float64) * num_val, 0.0)
  if select == 'accuracy':  # Counts, so that equals are equal.
    total = np.rint(total)
  loss = np.where(is_alive, loss.astype(np.float64), math.inf)
  scores = [
    Score(
      *key,
      score=float(total[own].sum() / num_val[own].sum()),
      loss=float(loss[own].mean()),
      failed=int((~is_alive[own]).sum()),
    )
    for key, own in rows.items()
  ]
  best: dict[tuple, Score] = {}
  for score in scores:
    old = best.setdefault((score.view, score.fold), score)
    if (-score.score, score.loss) < (-old.score, old.loss):
      best[score.view, score.fold] = score
  return [
    dataclasses.replace(score, is_chosen=score is best[score.view, score.fold])
    for score in scores
  ]


def as_csv(scores: Sequence[Score], select: str = 'accuracy') -> str:
  """A table of scores: a column for each field that is swept."""
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  fields = [field for field, _ in scores[0].setting]
  results = (f'val_{select}', 'val_loss', 'failed_seeds', 'chosen')
  writer.writerow(['view', 'fold', *fields, *results])
  for score in scores:
    loss = f'{score.loss:.6f}' if math.isfinite(score.loss) else ''
    values = [value for _, value in score.setting]
    results = f'{score.score:.6f}', loss, score.failed, int(score.is_chosen)
    writer.writerow([score.view, score.fold, *values, *results])
  return file.getvalue()


def summary(scores: Sequence[Score], select: str = 'accuracy') -> str:
  """How often each setting was chosen, in a line."""
  counts: dict[tuple, int] = {}
  for score in scores:
    counts[score.setting] = counts.get(score.setting, 0) + score.is_chosen
  parts = [
    f'{members.setting_name(setting)} ({count})'
    for setting, count in sorted(counts.items(), key=lambda x: -x[1])
    if count
  ]
  return (
    f'sweep of {len(counts)} settings; chosen by validation {select}, for how '
    f'many of {sum(counts.values())} views and folds: {"; ".join(parts)}'
  )
