"""Shards: parts of a corpus that are judged one by one, or on many machines.

Each is read twice. First a survey of each is made; from all surveys together
the plan is drawn, by which each is then added up; and the tallies of all make
the study, in whatever order. A corpus in memory is judged in the same way, as
one shard of one batch.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import operator
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from empathy import errors, files, progress
from empathy.evaluation import archives, listing, sources, streaming
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import survey as survey_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.listing import Listing
from empathy.evaluation.plan import Plan
from empathy.evaluation.survey import Survey
from empathy.evaluation.totals import Totals

SCHEMA = 5


@dataclasses.dataclass(frozen=True)
class Tally:
  """What some shards add to a study.

  Attributes:
    plan: of all shards.
    totals: of these.
    clips: the first of these, most in doubt.
    shards: the first and the last id of each, and the number of clips.
  """

  plan: Plan
  totals: Totals
  clips: Listing
  shards: tuple[tuple[str, str, int], ...]


def survey(
  corpus: pathlib.Path,
  predictions: pathlib.Path,
  lenient: bool = False,
  label: str | None = None,
) -> Survey:
  """The survey of a shard, read batch by batch.

  Args:
    corpus: the corpus folder.
    predictions: of its clips; see `sources.find`.
    lenient: likewise.
    label: likewise.

  Raises:
    InputError: something is missing or wrong.
  """
  with _batches(corpus, predictions, lenient, label) as batches:
    return _surveyed(batches('survey'))


def tally(
  corpus: pathlib.Path,
  predictions: pathlib.Path,
  plan: Plan | None = None,
  signals: pathlib.Path | None = None,
  lenient: bool = False,
  label: str | None = None,
) -> Tally:
  """Adds up a shard by the plan of all, as `survey` reads it.

  Args:
    corpus: the corpus folder.
    predictions: of its clips; see `sources.find`.
    plan: of all shards; None if this one is all there is.
    signals: a folder that those of all clips are written to, in parts that
      each have the most in doubt first; None writes none.
    lenient: see `sources.find`.
    label: likewise.

  Raises:
    InputError: as for `survey`; or the shard is not of the plan's corpus.
  """
  totals, clips, ends = None, None, []
  with _batches(corpus, predictions, lenient, label) as batches:
    plan = plan or plan_lib.draw_up(_surveyed(batches('survey')))
    for number, batch in enumerate(batches('tally')):
      _check(batch, plan, corpus)
      part, own = study_lib.add_up(batch, plan), listing.of_batch(batch, plan)
      if signals is not None:
        listing.write(own, signals / f'part-{number:05}.parquet')
      totals = part if totals is None else totals + part
      clips = own.first() if clips is None else clips + own.first()
      ids = batch.corpus.ids.tolist()
      ends = [min(ends[:1] + ids), max(ends[1:] + ids)]
  return Tally(plan, totals, clips, ((ends[0], ends[-1], totals.num_clips),))


def merge(tallies: Sequence[Tally]) -> Tally:
  """The tally of all clips of several ones.

  Raises:
    InputError: two are of different plans, or of the same clips.
  """
  first = tallies[0]
  digest, seen = _digest(first.plan), {}
  for number, one in enumerate(tallies, 1):
    where = f'tally {number} of {len(tallies)}'
    if _digest(one.plan) != digest:
      raise errors.InputError(
        f'{where}: was made by another plan than the first; make a --survey of '
        'every part, and name them all where each --tally is made'
      )
    for shard in one.shards:
      if shard in seen:
        raise errors.InputError(
          f'{where}: the clips {shard[0]!r} to {shard[1]!r} are in tally '
          f'{seen[shard]} already'
        )
      seen[shard] = number
  return Tally(
    first.plan,
    functools.reduce(operator.add, [one.totals for one in tallies]),
    functools.reduce(operator.add, [one.clips for one in tallies]),
    tuple(sorted(seen)),
  )


def signals_of(path: pathlib.Path) -> pathlib.Path:
  """The folder beside a tally's file that has the signals of its clips."""
  return path.with_name(f'{path.name}.signals')


def put_together(
  tallies: Mapping[pathlib.Path, Tally], folder: pathlib.Path
) -> pathlib.Path | None:
  """Puts the signals beside all tallies into a folder, as Beam would.

  They have no rank: a part has its own clips in order, and a reader sorts the
  parts that it needs.

  Args:
    tallies: by their files.
    folder: to be made.

  Returns:
    The folder; None if no tally has signals beside it.

  Raises:
    InputError: some tallies have none, or those of other clips.
  """
  if not any(signals_of(path).is_dir() for path in tallies):
    return None
  found = []
  for path, one in tallies.items():
    own = sorted(signals_of(path).glob('part-*.parquet'))
    try:
      number = sum(pq.read_metadata(part).num_rows for part in own)
    except pa.ArrowException as error:
      raise errors.InputError(
        f'{signals_of(path)}: cannot be read: {files.reason(error)}'
      ) from None
    if number != one.clips.num_ranked:
      raise errors.InputError(
        f'{signals_of(path)}: expected the signals of '
        f'{one.clips.num_ranked:,} clips, got {number:,}: have what --tally '
        'writes beside a tally of all of them, or of none'
      )
    found += own
  folder.mkdir()
  for place, part in enumerate(found):
    shutil.copyfile(part, folder / listing.part(place, len(found)))
  return folder


def study(found: Tally) -> study_lib.Study:
  """The study of a tally of all clips.

  Raises:
    InputError: clips are missing, or nothing is there to judge.
  """
  number, planned = found.totals.num_clips, found.plan.survey.num_clips
  if number != planned:
    raise errors.InputError(
      f'the tallies have {number:,} clips, and their plan {planned:,}: name '
      'the tallies of all parts'
    )
  if not found.plan.survey.num_rows and not found.plan.survey.has_votes:
    raise errors.InputError('the tally has neither predictions nor votes')
  return study_lib.of_totals(found.totals, found.plan, found.clips)


def write_survey(found: Survey, path: pathlib.Path) -> None:
  """Writes a survey as an `.npz` file of plain arrays, whole or not at all."""
  _write(path, {'survey': survey_lib.to_arrays(found)}, {})


def read_survey(path: pathlib.Path) -> Survey:
  """Reads a survey.

  Raises:
    InputError: the file is missing, damaged or of another version.
  """
  return _read(
    path, 'survey', lambda part, _: survey_lib.of_arrays(*part('survey'))
  )


def write(found: Tally, path: pathlib.Path) -> None:
  """Writes a tally as an `.npz` file of plain arrays, whole or not at all."""
  _write(
    path,
    {
      'plan': plan_lib.to_arrays(found.plan),
      'totals': totals_lib.to_arrays(found.totals),
      'clips': listing.to_arrays(found.clips),
    },
    {'shards': found.shards},
  )


def read(path: pathlib.Path) -> Tally:
  """Reads a tally.

  Raises:
    InputError: the file is missing, damaged or of another version.
  """
  return _read(
    path,
    'tally',
    lambda part, head: Tally(
      plan_lib.of_arrays(*part('plan')),
      totals_lib.of_arrays(*part('totals')),
      listing.of_arrays(*part('clips')),
      tuple((first, last, number) for first, last, number in head['shards']),
    ),
  )


@contextlib.contextmanager
def _batches(
  corpus: pathlib.Path,
  predictions: pathlib.Path,
  lenient: bool,
  label: str | None,
) -> Iterator[Callable[[str], Iterator[Batch]]]:
  """What goes through a shard, showing how far what is named has come."""
  source = sources.find(corpus, predictions, lenient=lenient, label=label)

  def shown(what: str) -> Iterator[Batch]:
    with progress.Progress(what, source.num_rows, 'row') as bar:
      for batch in batches():
        yield batch
        bar.advance(batch.num_rows)

  with streaming.batches(source) as batches:
    yield shown


def _surveyed(batches: Iterator[Batch]) -> Survey:
  return functools.reduce(operator.add, map(survey_lib.of_batch, batches))


def _check(batch: Batch, plan: Plan, corpus: pathlib.Path) -> None:
  """Raises an `InputError` where a batch is of another study than its plan."""
  for key in survey_lib.SAME:
    own = batch.corpus.info.get(key)
    if own != plan.info.get(key):
      raise errors.InputError(
        f'{corpus}: its {key} is {own!r}, in the surveys {plan.info.get(key)!r}'
      )
  own = {v: tuple(batch.predictions.seeds[v].tolist()) for v in batch.views}
  if own != dict(plan.members):
    raise errors.InputError(
      f'{corpus}: its predictions are of other views or seeds than those of '
      'the surveys'
    )


def _digest(plan: Plan) -> str:
  head, arrays = plan_lib.to_arrays(plan)
  digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
  for name in sorted(arrays):
    digest.update(np.ascontiguousarray(arrays[name]))
  return digest.hexdigest()


def _write(
  path: pathlib.Path, parts: Mapping[str, archives.Part], more: dict[str, Any]
) -> None:
  with files.replacing(path) as temporary, open(temporary, 'wb') as file:
    archives.save(file, {'schema': SCHEMA} | more, parts, np.savez_compressed)


def _read(path: pathlib.Path, what: str, made: Callable) -> Any:
  """What `made` makes of the parts of a file and of its head."""
  try:
    head, arrays = archives.load(files.read_arrays(path, f'a whole {what}'))
    if head['schema'] != SCHEMA:
      raise errors.InputError(
        f'{path}: expected a {what} of schema {SCHEMA}, got {head["schema"]}'
      )
    return made(functools.partial(archives.part, head, arrays), head)
  except FileNotFoundError:
    raise errors.InputError(f'{path}: no such file') from None
  except errors.InputError:
    raise
  except (KeyError, *files.DAMAGED) as error:
    raise errors.InputError(
      f'{path}: is not a whole {what}: {files.reason(error)}'
    ) from None
