"""Which setting of a sweep is best, for each view and fold by itself.

A fold's setting is chosen by its own validation clips, as its epochs are, and
never by the clips that it holds out: cross-validation is nested, and what is
predicted for held-out clips stays honest (Cawley and Talbot 2010, JMLR 11). All
seeds of a view and fold get one setting, the best on average: they then differ
by their randomness alone, which is what the study takes them for, and a mean
over seeds is less noisy to choose by.
"""

import collections
import csv
import dataclasses
import io
import math
from collections.abc import Sequence

import numpy as np

from empathy.training import members

# Of scores, which are float32.
_DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Score:
  """How a setting did on the validation clips of a view and fold.

  Attributes:
    view: of the members.
    fold: likewise.
    setting: the fields that are swept, with their values.
    score: mean over seeds, of the accuracy or what else counts; a member
      without a finite epoch has 0, or the lowest that any other has, if that
      is below 0, or infinity where less is better.
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
  score: np.ndarray,
  loss: np.ndarray,
  is_lower_better: bool = False,
) -> list[Score]:
  """Scores every setting and chooses one for each view and fold.

  The best mean score wins; of equals the lower mean loss, then the first.

  Args:
    names: of the members; settings come first that are named first.
    score: (members,) float, on their validation clips; NaN of one without a
      finite epoch.
    loss: likewise, in nats.
    is_lower_better: whether a lower score is.

  Returns:
    The scores, by view, fold and setting in the order of `names`.
  """
  rows: dict[tuple, list[int]] = {}
  for row, name in enumerate(names):
    rows.setdefault((name.view, name.fold, name.setting), []).append(row)
  is_alive = np.isfinite(score)
  worst = math.inf if is_lower_better else min(0.0, *score[is_alive], 0.0)
  score = np.where(is_alive, score.astype(np.float64), worst)
  loss = np.where(is_alive, loss.astype(np.float64), math.inf)
  scores = [
    Score(
      *key,
      # Equals are equal, though they are sums of others.
      score=round(float(score[own].mean()), _DIGITS),
      loss=float(loss[own].mean()),
      failed=int((~is_alive[own]).sum()),
    )
    for key, own in rows.items()
  ]
  sign = 1 if is_lower_better else -1
  best: dict[tuple, Score] = {}
  for score in scores:
    old = best.setdefault((score.view, score.fold), score)
    if (sign * score.score, score.loss) < (sign * old.score, old.loss):
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
  for index, score in enumerate(scores):
    results = {
      f'val_{select}': _said(score.score),
      'val_loss': _said(score.loss),
      'failed_seeds': score.failed,
      'chosen': int(score.is_chosen),
    }
    if not index:
      writer.writerow(['view', 'fold', *fields, *results])
    values = [value for _, value in score.setting]
    writer.writerow([score.view, score.fold, *values, *results.values()])
  return file.getvalue()


def _said(value: float) -> str:
  return f'{value:.6f}' if math.isfinite(value) else ''


def summary(scores: Sequence[Score], select: str = 'accuracy') -> str:
  """How often each setting was chosen, in a line."""
  counts = collections.Counter(x.setting for x in scores if x.is_chosen)
  parts = [
    f'{members.setting_name(setting)} ({count})'
    for setting, count in counts.most_common()
  ]
  return (
    f'sweep of {len({x.setting for x in scores})} settings; chosen by '
    f'validation {select}, for how many of {counts.total()} views and folds: '
    + '; '.join(parts)
  )
