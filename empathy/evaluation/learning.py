"""How members learned: the curves of a training run, and whether they overfit.

A run leaves `metrics.jsonl`, a line for each member and epoch, and says in
`members.json` which epoch it kept of each and, of a sweep, which members were
chosen: of others nothing is told. Members are those of all folds and seeds.
Those of one seed share most of their clips: what they range over is no interval
for other training sets.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import json as pa_json

from empathy import named
from empathy.evaluation.runs import Run
from empathy.evaluation.study import Study

# What lies between these shares of the members is drawn as a band.
LOW, HIGH = 0.1, 0.9
# A member overfits if its validation loss ends so much above its lowest, as a
# share of that, while its training loss is still lower than there.
RISE = 0.05
# Verdicts on a view, each by more than half of its members.
OVERFITS, STOPS_EARLY, NEITHER = 'overfits', 'still improves', 'neither'

_TRAIN, _REFIT = 'train', 'refit'
_TYPES = pa.schema(
  [
    *((name, pa.int64()) for name in ('chunk', 'epoch', 'fold', 'seed')),
    *((name, pa.string()) for name in ('phase', 'view')),
  ]
)


class _UnreadableError(Exception):
  """Why there is nothing to tell of how members learned, in a sentence."""


@dataclasses.dataclass(frozen=True)
class _Phase:
  """What some members of a view did, epoch by epoch.

  Attributes:
    values: by the name of the metric, (members, epochs) float64, NaN where it
      was not finite.
    kept: (members,) int, the epoch that was kept, from 0, -1 for none; of all
      phases.
    first: the number of the first epoch, as `kept` counts them.
  """

  values: Mapping[str, np.ndarray]
  kept: np.ndarray
  first: int


def added(study: Study, run: Run) -> Study:
  """The study of a run's predictions, with how its members learned.

  It gets the tables `learning` and `fitting`, and in `training` of `info`
  `select` (the metric that epochs are chosen by), `swept` (the fields of which
  there are several values) and `num_members`; where the run has no metrics that
  can be read, `skipped` says why under `learning`, and where it has none at
  all, nothing is added.

  Args:
    study: what was found, with `training` as the run tells it.
    run: whose predictions they are.
  """
  if not (run.workdir / 'metrics.jsonl').exists():
    return study
  try:
    if not run.config:
      raise _UnreadableError('config.json does not say how it was trained.')
    chunks = _chunks(run.workdir / 'members.json')
    found = _phases(_metrics(run.workdir / 'metrics.jsonl'), chunks)
  except _UnreadableError as error:
    skipped = {**study.skipped, 'learning': str(error)}
    return dataclasses.replace(study, skipped=skipped)
  order = list(study.info.get('views') or [])
  order += [view for view in found if view not in order]
  views = [view for view in order if view in found]
  metric = select(run.config)
  tables = {
    'learning': [row for v in views for row in _curves(v, found[v])],
    'fitting': [_fitting(v, found[v], metric) for v in views],
  }
  training = {
    **study.info['training'],
    'select': metric,
    'swept': sorted(set().union(*(one for x in chunks for one in x['swept']))),
    'num_members': sum(row['num_members'] for row in tables['fitting']),
  }
  return dataclasses.replace(
    study,
    tables={**study.tables, **tables},
    info={**study.info, 'training': training},
  )


def select(config: Mapping[str, Any]) -> str:
  """The name of the metric that epochs are chosen by."""
  chosen = config.get('select')
  if not chosen:
    return 'ccc' if config.get('targets') == 'scores' else 'accuracy'
  return named.label(str(chosen))


def _phases(
  columns: Mapping[str, np.ndarray],
  chunks: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, dict[str, _Phase]]:
  """By view and phase, what its members did.

  Args:
    columns: of `metrics.jsonl`.
    chunks: of `members.json`.

  Raises:
    _UnreadableError: the two do not fit each other.
  """
  found: dict[str, dict[str, list[_Phase]]] = {}
  for chunk, members in enumerate(chunks):
    for phase in (_TRAIN, _REFIT):
      rows = (columns['chunk'] == chunk) & (columns['phase'] == phase)
      shaped = _shaped({k: x[rows] for k, x in columns.items()}, members)
      if shaped is None:
        continue
      for view in dict.fromkeys(members['view'].tolist()):
        chosen = (members['view'] == view) & members['chosen']
        if chosen.any():
          values = {k: x[chosen] for k, x in shaped.items() if '/' in k}
          one = _Phase(
            values, members['kept'][chosen], int(shaped['epoch'][0, 0])
          )
          found.setdefault(view, {}).setdefault(phase, []).append(one)
  if not any(_TRAIN in phases for phases in found.values()):
    raise _UnreadableError(
      'metrics.jsonl has no epochs of the members that members.json names.'
    )
  joined = {
    view: {phase: _joined(parts) for phase, parts in phases.items()}
    for view, phases in found.items()
    if _TRAIN in phases
  }
  for phases in joined.values():
    last = phases.get(_REFIT, phases[_TRAIN])
    epochs = last.kept[last.kept >= 0] - last.first
    if ((epochs < 0) | (epochs >= last.values['train/loss'].shape[1])).any():
      raise _UnreadableError(
        'members.json names epochs that metrics.jsonl does not have.'
      )
  return joined


def _metrics(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The columns of `metrics.jsonl`, ordered by chunk and epoch.

  Raises:
    _UnreadableError: it is damaged, or of another version.
  """
  try:
    table = pa_json.read_json(
      path, parse_options=pa_json.ParseOptions(explicit_schema=_TYPES)
    )
  except (pa.ArrowException, OSError):
    raise _UnreadableError('metrics.jsonl cannot be read.') from None
  columns = {}
  for name in table.column_names:
    kind = table[name].type
    if '/' in name:
      if pa.types.is_null(kind) or pa.types.is_floating(kind):
        columns[name] = table[name].cast(pa.float64()).to_numpy()
    elif name in _TYPES.names:
      if table[name].null_count:
        raise _UnreadableError(
          f'metrics.jsonl has lines without {name!r}, as an older version '
          'wrote them.'
        )
      # Texts become NumPy's by way of pandas, which takes seconds to import.
      columns[name] = np.array(table[name].to_pylist(), object)
      if pa.types.is_integer(kind):
        columns[name] = table[name].to_numpy()
  for name in ('train/loss', 'val/loss'):
    if name not in columns:
      raise _UnreadableError(f'metrics.jsonl has no {name}.')
  order = np.lexsort((columns['epoch'], columns['chunk']))
  return {name: values[order] for name, values in columns.items()}


def _chunks(path: pathlib.Path) -> list[dict[str, np.ndarray]]:
  """Of each chunk's entries in `members.json` what is asked for here.

  Raises:
    _UnreadableError: it is damaged, or of another version.
  """
  try:
    record = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise _UnreadableError(f'There is no {path.name} in the run.') from None
  except (OSError, ValueError):
    raise _UnreadableError(f'{path.name} cannot be read.') from None
  try:
    return [
      {
        'view': np.array([str(x['view']) for x in entries], object),
        'fold': np.array([int(x['fold']) for x in entries]),
        'seed': np.array([int(x['seed']) for x in entries]),
        'kept': np.array([int(x['best_epoch']) for x in entries]),
        'chosen': np.array([bool(x.get('chosen', True)) for x in entries]),
        'swept': np.array([{*(x.get('setting') or ())} for x in entries]),
      }
      for entries in record['members']
    ]
  except (AttributeError, KeyError, TypeError, ValueError):
    raise _UnreadableError(
      f'{path.name} is not as this version writes it.'
    ) from None


def _shaped(
  columns: Mapping[str, np.ndarray], members: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray] | None:
  """Rows as (members, epochs); None where there are none.

  Raises:
    _UnreadableError: they are not of these members, one line each an epoch.
  """
  count, num_rows = len(members['view']), len(columns['epoch'])
  if not num_rows or not count:
    return None
  fits = num_rows % count == 0
  if fits:
    shaped = {k: x.reshape(-1, count).T for k, x in columns.items()}
    fits = (shaped['epoch'] == shaped['epoch'][:1]).all() and all(
      (shaped[key] == members[key][:, None]).all()
      for key in ('view', 'fold', 'seed')
    )
  if not fits:
    raise _UnreadableError(
      'metrics.jsonl has not one line an epoch of each member of members.json.'
    )
  return shaped


def _joined(parts: Sequence[_Phase]) -> _Phase:
  """The members of several chunks, which went through as many epochs."""
  lengths = {part.values['train/loss'].shape[1] for part in parts}
  if len(lengths) > 1:
    raise _UnreadableError('metrics.jsonl has more epochs of some members.')
  return _Phase(
    {
      key: np.concatenate([part.values[key] for part in parts])
      for key in parts[0].values
    },
    np.concatenate([part.kept for part in parts]),
    parts[0].first,
  )


def _curves(view: str, phases: Mapping[str, _Phase]) -> list[dict[str, Any]]:
  """The rows of `learning`: of each phase, metric and epoch."""
  rows = []
  for phase, part in phases.items():
    for name, values in part.values.items():
      count = np.isfinite(values).sum(axis=0)
      there = np.flatnonzero(count)
      if not len(there):
        continue
      values = values[:, there]
      mean = np.nanmean(values, axis=0)
      low, high = np.nanquantile(values, (LOW, HIGH), axis=0)
      columns = {'epochs': there + 1, 'name': [name] * len(there)}
      columns |= {'mean': mean, 'low': low, 'high': high}
      columns |= {'num_members': count[there]}
      columns = {k: np.asarray(x).tolist() for k, x in columns.items()}
      rows += [
        {'view': view, 'phase': phase} | dict(zip(columns, found, strict=True))
        for found in zip(*columns.values(), strict=True)
      ]
  return rows


def _fitting(
  view: str, phases: Mapping[str, _Phase], metric: str
) -> dict[str, Any]:
  """The row of `fitting` of a view."""
  first = phases[_TRAIN]
  last = phases.get(_REFIT, first)
  train, val = first.values['train/loss'], first.values['val/loss']
  learned = np.isfinite(train).all(axis=1) & np.isfinite(val).all(axis=1)
  train, val = train[learned], val[learned]
  each = np.arange(len(val))
  lowest = val.argmin(axis=1) if len(val) else np.zeros(0, int)
  least = val[each, lowest]
  # Losses of one's own may be below zero.
  rise = (val[:, -1] - least) / np.maximum(np.abs(least), 1e-12)
  overfits = (rise > RISE) & (train[:, -1] < train[each, lowest])
  ends = lowest == val.shape[1] - 1
  verdict = NEITHER
  if len(val):
    verdict = STOPS_EARLY if ends.mean() > 0.5 else verdict
    verdict = OVERFITS if overfits.mean() > 0.5 else verdict
  kept = first.kept[first.kept >= 0] - last.first + 1
  return {
    'view': view,
    'num_members': len(first.kept),
    'epochs': train.shape[1],
    'kept': _median(kept),
    'kept_least': int(kept.min()) if len(kept) else None,
    'kept_most': int(kept.max()) if len(kept) else None,
    'lowest': _median(lowest + 1),
    'rise': _median(rise),
    'num_judged': len(val),
    'num_overfitted': int(overfits.sum()),
    'num_improving': int(ends.sum()),
    'verdict': verdict,
    **_of_metric(first, metric, last is first),
  }


def _of_metric(
  phase: _Phase, metric: str, is_last: bool
) -> dict[str, float | None]:
  """The mean over members of what epochs are chosen by: kept, and in the end.

  Args:
    phase: of the first training.
    metric: its name.
    is_last: whether there is no second one, of which nothing is measured.
  """
  values = phase.values.get(f'val/{metric}')
  result = dict.fromkeys(('metric_kept', 'metric_end'))
  if values is None:
    return result
  has = (phase.kept >= 0) & np.isfinite(values[:, -1])
  if has.any():
    result['metric_end'] = float(values[has, -1].mean())
    if is_last:
      kept = values[np.flatnonzero(has), phase.kept[has]]
      result['metric_kept'] = float(kept.mean())
  return result


def _median(values: np.ndarray) -> float | None:
  return float(np.median(values)) if len(values) else None
