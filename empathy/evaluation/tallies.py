"""Sums by group of what a study rests on: they add up over parts of a corpus.

Almost every figure is a function of totals by group. Those of a part of the
clips take some megabytes, whatever the number of clips, and the sum of the
parts' is that of all clips; so shards can be judged on many machines. Signals
that rank clips are kept on a grid.

Beyond `MOST_GROUPS` groups, whole groups are put together into so many bundles,
by a hash of their names. Figures stay as they are; standard errors over bundles
are as unbiased as over groups, and their own error is some 3 %.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from empathy import errors, files, progress
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import spelling
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import signals as signals_lib
from empathy.evaluation import sources, streaming, study
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch

SCHEMA = 3
MOST_GROUPS = 512
# Places of a signal's grid, and of confidence's within a predicted class.
NUM_PLACES = 1024
NUM_STRATA = 512
_INFO = ('name', 'classes', 'modalities', 'conditions', 'license', 'source')


@dataclasses.dataclass
class Tally:
  """Sums over the clips of a part of a corpus.

  Attributes:
    info: the content of `corpus.json`.
    members: the seeds of each view.
    has_votes: whether the corpus has votes.
    num_rows: of the predictions.
    shards: the first and last id and the number of clips of each part.
    groups: (G,) str, in order: the groups' names, or those of bundles.
    hashes: (H,) uint64, in order, one for each true group.
    sums: by name, (G, ...) float64.
    survey: of all clips that the plan is of, these or more.
    totals: of the same clips.
  """

  info: dict[str, Any]
  members: dict[str, list[int]]
  has_votes: bool
  num_rows: int
  shards: list[tuple[str, str, int]]
  groups: np.ndarray
  hashes: np.ndarray
  sums: dict[str, np.ndarray]
  survey: plan_lib.Survey
  totals: totals_lib.Totals

  @property
  def num_clips(self) -> int:
    """Clips of all parts."""
    return sum(number for *_, number in self.shards)

  @property
  def bundled(self) -> bool:
    """Whether groups were put together."""
    return len(self.hashes) > len(self.groups)


def tally(
  corpus: pathlib.Path,
  predictions: pathlib.Path,
  survey: plan_lib.Survey | None = None,
) -> Tally:
  """Reads a corpus and its predictions, and adds them up.

  Args:
    corpus: the corpus folder.
    predictions: a Parquet table, in the order of `clips.csv`.
    survey: of all clips, where these are a part of them only: tallies add up to
      the study of all clips if all were made by one plan. Of these if None.

  Raises:
    InputError: something is missing, wrong or out of order.
  """
  survey = survey or surveyed(corpus, predictions)
  found, first, last = None, '', ''
  plan = plan_lib.Plan(survey)
  source = sources.find(corpus, predictions)
  with progress.Progress('judging', source.num_rows, 'row') as bar:
    for batch in streaming.batches(source):
      clips, rows = batch.corpus, batch.predictions
      part = of_batch(clips, rows, plan)
      first, last = first or str(clips.ids[0]), str(clips.ids[-1])
      found = part if found is None else _added(found, part)
      bar.advance(rows.num_rows)
  found.shards = [(first, last, found.num_clips)]
  return found


def surveyed(
  corpus: pathlib.Path, predictions: pathlib.Path
) -> plan_lib.Survey:
  """Reads them, and looks at what has to be known before they are added up.

  Raises:
    InputError: as of `tally`.
  """
  source = sources.find(corpus, predictions)
  with progress.Progress('surveying', source.num_rows, 'row') as bar:
    survey = None
    for batch in streaming.batches(source):
      part = plan_lib.survey(batch)
      survey = part if survey is None else survey + part
      bar.advance(batch.predictions.num_rows)
  if survey is None:
    raise errors.InputError(f'{corpus / "clips.csv"}: has no rows')
  return survey


def of_batch(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions,
  plan: plan_lib.Plan,
) -> Tally:
  """The sums over some clips, with predictions by all members."""
  names, group = np.unique(corpus.groups, return_inverse=True)
  _refuse_spellings(names.tolist())
  hashes = np.array([_hash(name) for name in names.tolist()], np.uint64)
  if len(names) > MOST_GROUPS:
    place = (hashes % np.uint64(MOST_GROUPS)).astype(np.int64)
    names, group = _bundles(), place[group]
  sums = _Sums(group, len(names))
  full = corpus_lib.view_name(corpus.modalities)
  labelled = corpus.labels != corpus_lib.UNLABELLED
  signals = {}
  if full in predictions.views:
    signals = signals_lib.signals(predictions, full)
    _add_diagnosis(sums, corpus, predictions, full, signals, labelled)
  return Tally(
    dict(corpus.info),
    {view: predictions.seeds[view].tolist() for view in predictions.views},
    corpus.votes is not None,
    predictions.num_rows,
    [('', '', len(group))],
    names,
    np.unique(hashes),
    sums.found,
    plan.survey,
    study.add_up(Batch(corpus, predictions), plan),
  )


def merge(tallies: Sequence[Tally]) -> Tally:
  """The tally of all clips of several parts.

  Raises:
    InputError: two parts are of different corpora or members, or the same.
  """
  found = tallies[0]
  seen = {shard: 1 for shard in found.shards}
  for number, other in enumerate(tallies[1:], 2):
    where = f'tally {number} of {len(tallies)}'
    for key in (
      'name',
      'classes',
      'modalities',
      'conditions',
      'ordered',
      'label_source',
    ):
      if found.info.get(key) != other.info.get(key):
        raise errors.InputError(
          f'{where}: its corpus has {key} {other.info.get(key)!r}; the first '
          f'has {found.info.get(key)!r}'
        )
    if found.members != other.members or found.has_votes != other.has_votes:
      raise errors.InputError(
        f'{where}: has other views or seeds than the first, or votes where it '
        f'has none: {_told(other)}; the first has {_told(found)}'
      )
    for shard in other.shards:
      if shard in seen:
        raise errors.InputError(
          f'{where}: the clips {shard[0]!r} to {shard[1]!r} are in tally '
          f'{seen[shard]} already'
        )
      seen[shard] = number
    survey = found.survey
    if survey.num_clips == found.num_clips:
      survey = survey + other.survey
    found = dataclasses.replace(_added(found, other), survey=survey)
  return dataclasses.replace(found, shards=sorted(seen))


def write(found: Tally, path: pathlib.Path) -> None:
  """Writes a tally as an `.npz` file of plain arrays, whole or not at all."""
  head = {
    'schema': SCHEMA,
    'info': found.info,
    'members': found.members,
    'has_votes': found.has_votes,
    'num_rows': found.num_rows,
    'shards': found.shards,
  }
  arrays = {}
  for name, module in (('survey', plan_lib), ('totals', totals_lib)):
    head[name], parts = module.to_arrays(getattr(found, name))
    arrays |= {f'{name}/{part}': values for part, values in parts.items()}
  with files.replacing(path) as temporary, open(temporary, 'wb') as file:
    np.savez_compressed(
      file,
      tally=np.array(json.dumps(head, ensure_ascii=False)),
      groups=found.groups.astype(np.str_),
      hashes=found.hashes,
      **{f'sums/{name}': array for name, array in found.sums.items()},
      **arrays,
    )


def read(path: pathlib.Path) -> Tally:
  """Reads a tally.

  Raises:
    InputError: the file is missing, damaged or of another version.
  """
  try:
    arrays = files.read_arrays(path, 'a whole tally')
    head = json.loads(str(arrays['tally']))
    if head['schema'] != SCHEMA:
      raise errors.InputError(
        f'{path}: expected a tally of schema {SCHEMA}, got {head["schema"]}'
      )
    return Tally(
      head['info'],
      head['members'],
      head['has_votes'],
      head['num_rows'],
      [tuple(shard) for shard in head['shards']],
      arrays['groups'],
      arrays['hashes'],
      {
        name.removeprefix('sums/'): array
        for name, array in arrays.items()
        if name.startswith('sums/')
      },
      *(
        module.of_arrays(
          head[part],
          {
            name.removeprefix(f'{part}/'): array
            for name, array in arrays.items()
            if name.startswith(f'{part}/')
          },
        )
        for part, module in (('survey', plan_lib), ('totals', totals_lib))
      ),
    )
  except FileNotFoundError:
    raise errors.InputError(f'{path}: no such file') from None
  except errors.InputError:
    raise
  except (KeyError, TypeError, ValueError) as error:
    raise errors.InputError(
      f'{path}: is not a whole tally: {files.reason(error)}'
    ) from None


def grid(values: np.ndarray, most: float, num_places: int) -> np.ndarray:
  """Places of values from 0 to `most`, finer where they are small.

  Args:
    values: (...) float64.
    most: the largest that there can be.
    num_places: of the grid.

  Returns:
    (...) int64, from 0; the fourth root of values is parted evenly, so that the
    doubts of a sure model, which crowd near 0, stay apart.
  """
  root = np.maximum(np.nan_to_num(values) / most, 0) ** 0.25
  return np.minimum((root * num_places).astype(np.int64), num_places - 1)


def most(signal: str, num_classes: int, num_views: int) -> float:
  """The largest value that a signal can have."""
  if signal == 'num_unimodal_labels':
    return float(min(num_classes, num_views) + 1)
  if signal in ('entropy', 'unimodal_jsd', 'seed_mutual_information'):
    return float(np.log(num_classes))
  if signal.endswith('_jsd'):
    return float(np.log(2))
  return 1.0


class _Sums:
  """Adds up by group what it is given for each clip."""

  def __init__(self, group: np.ndarray, num_groups: int):
    self._group, self._num_groups = group, num_groups
    self.found: dict[str, np.ndarray] = {}

  def add(self, name: str, columns: np.ndarray) -> None:
    """Sums (G, ...) of (n, ...) numbers, (G, 1) of (n,); NaN counts as 0."""
    columns = np.nan_to_num(np.asarray(columns, np.float64))
    if columns.ndim == 1:
      columns = columns[:, None]
    flat = columns.reshape(len(columns), -1)
    sums = [
      np.bincount(self._group, column, self._num_groups) for column in flat.T
    ]
    self.found[name] = np.stack(sums, axis=1).reshape(-1, *columns.shape[1:])

  def count(
    self,
    name: str,
    cell: np.ndarray,
    shape: int | tuple[int, ...],
    amount: np.ndarray | None = None,
  ) -> None:
    """Sums by cell of (..., n), negative where there is none."""
    size = int(np.prod(shape))
    there = cell >= 0
    index = np.broadcast_to(self._group, cell.shape)[there] * size + cell[there]
    amount = None if amount is None else np.broadcast_to(amount, cell.shape)
    sums = np.bincount(
      index,
      None if amount is None else amount[there],
      self._num_groups * size,
    ).astype(np.float64)
    shape = (shape,) if isinstance(shape, int) else shape
    self.found[name] = sums.reshape(self._num_groups, *shape)


def _strata(mean: np.ndarray) -> np.ndarray:
  """Predicted class x place of doubt of (..., n, C): (..., n), -1 if none."""
  predicted = predictions_lib.predicted_class(mean)
  doubt = 1 - np.nan_to_num(mean.max(axis=-1))
  place = predicted * NUM_STRATA + grid(doubt, 1.0, NUM_STRATA)
  return np.where(predicted >= 0, place, -1)


def _add_strata(sums, name, differ, values, stratum, num_classes) -> None:
  """Adds values and clips by stratum and side, of variants (A, n).

  (G, A, 2, C x NUM_STRATA, 2): sums and counts; differ not, and differ.
  """
  size = num_classes * NUM_STRATA
  cell = stratum * 2 + differ
  variant = 2 * size * np.arange(len(cell))[:, None]
  there = (stratum >= 0) & ~np.isnan(values)
  cell = np.where(there, cell + 2 * variant, -1)
  shape = (len(cell), 2, size, 2)
  sums.count(name, cell, shape, np.nan_to_num(values))
  total = sums.found.pop(name)
  sums.count(name, np.where(there, cell + 2 * size, -1), shape)
  sums.found[name] += total


def _add_grid(sums, name, signal, hit, chosen, top) -> None:
  """Adds clips by place of the signal and kind: (G, NUM_PLACES, 2)."""
  cell = grid(signal, top, NUM_PLACES) * 2 + hit
  sums.count(name, np.where(chosen, cell, -1), (NUM_PLACES, 2))


def _num_singles(predictions, full) -> int:
  return len([v for v in predictions.views if '+' not in v and v != full])


def _add_diagnosis(sums, corpus, predictions, full, signals, labelled) -> None:
  mean = predictions_lib.mean_over_seeds(predictions.probabilities[full])
  predicted = predictions_lib.predicted_class(mean)
  known = (predicted >= 0) & labelled
  error = known & (predicted != corpus.labels)
  sums.add('diagnosis/error', np.stack([error, known], axis=1))
  num_classes, singles = mean.shape[1], _num_singles(predictions, full)
  for name, signal in signals.items():
    chosen = known & ~np.isnan(signal)
    top = most(name, num_classes, singles)
    _add_grid(sums, f'diagnosis/{name}', signal, error, chosen, top)
  if plan_lib.ANY in signals:
    differ = signals[plan_lib.ANY]
    there = known & ~np.isnan(differ)
    _add_strata(
      sums,
      'diagnosis/strata',
      (differ > 0)[None],
      np.where(there, error, np.nan),
      _strata(mean)[None],
      num_classes,
    )


def _refuse_spellings(groups: Sequence[str]) -> None:
  """Raises an `InputError` if two names are one thing, spelt in two ways."""
  first: dict[str, str] = {}
  for name in groups:
    other = first.setdefault(spelling.key(name), name)
    if other != name:
      raise errors.InputError(
        f"column 'group' of clips.csv: {other!r} and {name!r} would be one "
        'group: give them one spelling, since a tally does not put them '
        'together'
      )


def _hash(name: str) -> int:
  """Of a group: alike for all spellings, for bundles have no names."""
  name = spelling.key(name)
  digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
  return int.from_bytes(digest, 'little')


def _bundles() -> np.ndarray:
  return np.array([f'bundle {i:03d}' for i in range(MOST_GROUPS)])


def _bundled(found: Tally) -> Tally:
  """The tally with its groups put together."""
  if found.bundled:
    return found
  place = [_hash(name) % MOST_GROUPS for name in found.groups.tolist()]
  sums = {}
  for name, array in found.sums.items():
    sums[name] = np.zeros((MOST_GROUPS, *array.shape[1:]))
    np.add.at(sums[name], place, array)
  return dataclasses.replace(found, groups=_bundles(), sums=sums)


def _added(first: Tally, second: Tally) -> Tally:
  """The sum of two tallies of different clips."""
  hashes = np.union1d(first.hashes, second.hashes)
  if len(hashes) > MOST_GROUPS:
    first, second = _bundled(first), _bundled(second)
  groups = np.union1d(first.groups, second.groups)
  _refuse_spellings(groups.tolist())
  sums = {}
  for name in {**first.sums, **second.sums}:
    parts = [
      (one.groups, one.sums[name])
      for one in (first, second)
      if name in one.sums
    ]
    # Folds may be more in one part than in the other.
    shape = np.max([array.shape[1:] for _, array in parts], axis=0)
    total = np.zeros((len(groups), *shape))
    for names, array in parts:
      inside = tuple(slice(0, size) for size in array.shape[1:])
      rows = np.searchsorted(groups, names)
      if len(rows) == len(groups):
        total[(slice(None), *inside)] += array
      else:
        total[(rows, *inside)] += array
    sums[name] = total
  return dataclasses.replace(
    first,
    num_rows=first.num_rows + second.num_rows,
    shards=[
      ('', '', first.num_clips + second.num_clips),
    ],
    groups=groups,
    hashes=hashes,
    sums=sums,
    totals=first.totals + second.totals,
  )


def _told(found: Tally) -> str:
  return ', '.join(
    f'{view} (seeds {" ".join(map(str, seeds))})'
    for view, seeds in found.members.items()
  ) + (', with votes' if found.has_votes else ', without votes')
