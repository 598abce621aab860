"""Clips in the order in which they ask for a look, most in doubt first.

Those on which views differ come first, then those of which the full view is
least sure; without predictions, those on which annotators differ most. Lists of
different clips add up, and each may be cut to its first ones before.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from empathy import files
from empathy.evaluation import archives, dominance, explorer
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import CONFIDENCE
from empathy.evaluation.plan import Plan


@dataclasses.dataclass(frozen=True)
class Listing:
  """Some clips, and how many there are.

  Attributes:
    num_ranked: clips that have a rank, of which these are the first.
    signals: the columns of `signals.csv` but the rank, (n,) each, `id` first.
      What needs the label is called `gold_`, what needs votes `votes_`.
    shown: what the page shows of the first of them.
  """

  num_ranked: int
  signals: Mapping[str, np.ndarray]
  shown: explorer.Clips

  def columns(self) -> dict[str, np.ndarray]:
    """The columns of `signals.csv`."""
    ranks = {'rank': np.arange(1, len(self.signals['id']) + 1)}
    return {'id': self.signals['id']} | ranks | self.signals

  @property
  def clips(self) -> explorer.Clips:
    """The clips of the page, which says of how many they are the first."""
    return dataclasses.replace(self.shown, num_ranked=self.num_ranked)

  def first(self) -> 'Listing':
    """As many as the page shows."""
    signals = {name: v[: explorer.MOST] for name, v in self.signals.items()}
    return dataclasses.replace(self, signals=signals)

  def __add__(self, other: 'Listing') -> 'Listing':
    """The first of both, as many as the page shows."""
    sizes = len(self.shown.ids), len(other.shown.ids)
    signals = _joined(self.signals, other.signals, sizes)
    order = _order(signals)[: explorer.MOST]
    shown = {}
    for field in dataclasses.fields(explorer.Clips):
      one, two = (getattr(part.shown, field.name) for part in (self, other))
      if isinstance(one, Mapping):
        both = _joined(one, two, sizes)
        shown[field.name] = {name: v[order] for name, v in both.items()}
      elif isinstance(one, np.ndarray):
        shown[field.name] = np.concatenate([one, two])[order]
    return Listing(
      self.num_ranked + other.num_ranked,
      {name: values[order] for name, values in signals.items()},
      explorer.Clips(num_ranked=0, **shown),
    )


def of_batch(batch: Batch, plan: Plan) -> Listing:
  """The clips of a batch.

  Args:
    batch: the clips.
    plan: says whose votes speak for a clip.
  """
  columns = {'id': batch.corpus.ids, 'group': batch.corpus.groups}
  known = np.zeros(len(batch.labelled), bool)
  if batch.signals:
    predicted = predictions_lib.predicted_class(batch.means[plan.full])
    known |= predicted >= 0
    columns['predicted'] = np.array([*plan.classes, ''])[predicted]
    columns |= batch.signals
    columns |= _gold(batch, plan)
    if plan.labels_alone:
      for name in (CONFIDENCE, 'gold_probability'):
        del columns[name]
    columns |= dominance.clip_columns(batch, plan, dominance.judge(batch, plan))
  if batch.corpus.votes is not None:
    votes = plan.votes(batch.corpus)
    total = votes.sum(axis=1)
    if not batch.signals:
      known |= total > 0
    columns['votes'] = total
    columns['votes_gs'] = votes_lib.gs(votes)
    columns['votes_entropy'], columns['votes_entropy_miller_madow'] = (
      votes_lib.entropy(votes)
    )
    columns['votes_contested'] = np.where(
      total > 0, votes_lib.contested(votes), np.nan
    )
  columns = {name: values[known] for name, values in columns.items()}
  order = _order(columns)
  columns = {name: values[order] for name, values in columns.items()}
  shown = explorer.rows(batch.corpus, batch.predictions, columns)
  return Listing(int(known.sum()), columns, shown)


def write(found: Listing, path: pathlib.Path) -> None:
  """Writes the signals as Parquet; numbers that are not known are null."""
  table = pa.table(
    {
      name: pa.array(values, from_pandas=True)
      for name, values in found.signals.items()
    }
  )
  with files.replacing(path) as temporary:
    pq.write_table(table, temporary)


def part(place: int, number: int) -> str:
  """What a file is called that has the signals of a part of all clips."""
  return f'part-{place:0{len(str(number))}}-of-{number}.parquet'


def to_arrays(found: Listing) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """What JSON can hold of a listing, and arrays by name: for a file.

  Of probabilities, what the page shows.
  """
  arrays = {f'signals/{name}': v for name, v in found.signals.items()}
  # In thousandths, as the page shows them: they would be half of a file.
  shares = {
    view: np.rint(1000 * values)
    for view, values in found.shown.probabilities.items()
  }
  shown = dataclasses.replace(found.shown, probabilities=shares)
  for field in dataclasses.fields(explorer.Clips):
    value = getattr(shown, field.name)
    if isinstance(value, Mapping):
      arrays |= {f'shown/{field.name}/{name}': v for name, v in value.items()}
    elif isinstance(value, np.ndarray):
      arrays[field.name] = value
  return {'num_ranked': found.num_ranked}, arrays


def of_arrays(
  head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> Listing:
  """The listing of `to_arrays`."""
  shown = {
    field.name: arrays[field.name]
    if field.name in arrays
    else archives.under(f'shown/{field.name}', arrays)
    for field in dataclasses.fields(explorer.Clips)
    if field.name != 'num_ranked'
  }
  shares = shown['probabilities']
  shown['probabilities'] = {name: one / 1000 for name, one in shares.items()}
  number = head['num_ranked']
  signals = archives.under('signals', arrays)
  return Listing(number, signals, explorer.Clips(number, **shown))


def _order(columns: Mapping[str, np.ndarray]) -> np.ndarray:
  """The places of the rows, most in doubt first; equals by their ids."""
  names = [
    name
    for name in ('one_minus_confidence', 'any_disagreement')
    if name in columns
  ]
  if not names:
    names = ['votes_gs'] if 'votes_gs' in columns else []
  keys = [-np.nan_to_num(columns[name], nan=-1.0) for name in names]
  return np.lexsort([columns['id'], *keys])


def _joined(
  first: Mapping[str, np.ndarray],
  second: Mapping[str, np.ndarray],
  sizes: tuple[int, int],
) -> dict[str, np.ndarray]:
  """Columns of both, one after the other; what one lacks is not known there."""
  found = {}
  for name in dict.fromkeys([*first, *second]):
    like = first[name] if name in first else second[name]
    empty = '' if like.dtype.kind == 'U' else np.nan
    found[name] = np.concatenate(
      [
        part[name] if name in part else np.full((size, *like.shape[1:]), empty)
        for part, size in zip((first, second), sizes, strict=True)
      ]
    )
  return found


def _gold(batch: Batch, plan: Plan) -> dict[str, np.ndarray]:
  """What of each clip is known only with its label.

  Returns:
    By name, (N,): numbers are NaN and texts empty where unknown.
  """
  labels, mean = batch.corpus.labels, batch.means[plan.full]
  predicted = predictions_lib.predicted_class(mean)
  known = batch.labelled & (predicted >= 0)
  right = predicted == labels
  columns = {
    'gold_label': np.array([*plan.classes, ''])[labels],
    'gold_correct': np.where(known, right, np.nan),
    'gold_probability': np.where(
      known, mean[np.arange(len(labels)), labels], np.nan
    ),
  }
  words = np.array(['wrong', 'right'])
  for view in plan.singles:
    own = predictions_lib.predicted_class(batch.means[view])
    transition = np.char.add(
      np.char.add(words[(own == labels).astype(int)], ' to '),
      words[right.astype(int)],
    )
    columns[f'gold_{view}_transition'] = np.where(
      known & (own >= 0), transition, ''
    )
  return columns
