"""A study by Apache Beam, on many machines or in several processes of one.

  pieces of tables -> rows by bucket -> survey of each -> plan of all
                            |                                |
                            `-> totals and first clips of each -> their sum

Rows meet by a hash of their clip's id, so that they may be in any order and in
any number of files; surveys and totals add up as they come, by any runner. What
was found is written to a folder, which all machines must therefore see, and so
are the signals of all clips. What is wrong with a row is carried along as part
of the sum, so that it is told in one line, and not by every worker in hundred.
"""

import dataclasses
import functools
import io
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from empathy import errors, files, pipelines
from empathy.evaluation import (
  archives,
  listing,
  reading,
  sources,
  streaming,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import study as study_lib
from empathy.evaluation import survey as survey_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.listing import Listing
from empathy.evaluation.plan import Plan
from empathy.evaluation.sources import Piece, Source
from empathy.evaluation.streaming import Members
from empathy.evaluation.survey import Survey
from empathy.evaluation.totals import Totals

# Begins what is passed on instead of rows that cannot be read.
_FAULT = b'\xff'
_MODULES = {'survey': survey_lib, 'totals': totals_lib, 'clips': listing}


@dataclasses.dataclass(frozen=True)
class Sum:
  """What buckets of clips add up to; parts of it may be missing.

  Attributes:
    survey: of the clips.
    totals: of the clips.
    clips: the first of them, most in doubt.
    fault: what is wrong with the input, the first of several; '' if all is
      right.
  """

  survey: Survey | None = None
  totals: Totals | None = None
  clips: Listing | None = None
  fault: str = ''

  def __add__(self, other: 'Sum') -> 'Sum':
    """That of both; if they do not go together, that is a fault."""
    faults = [one.fault for one in (self, other) if one.fault]
    parts = {}
    for name in _MODULES:
      both = [getattr(one, name) for one in (self, other)]
      both = [part for part in both if part is not None]
      try:
        parts[name] = sum(both[1:], both[0]) if both else None
      except errors.InputError as error:
        faults.append(str(error))
    return Sum(**parts, fault=min(faults, default=''))


def packed(found: Sum) -> bytes:
  """The bytes of a sum: plain arrays, nothing that could be run."""
  parts = {
    name: module.to_arrays(getattr(found, name))
    for name, module in _MODULES.items()
    if getattr(found, name) is not None
  }
  sink = io.BytesIO()
  archives.save(sink, {'fault': found.fault}, parts)
  return sink.getvalue()


def unpacked(data: bytes) -> Sum:
  """The sum of `packed`."""
  with np.load(io.BytesIO(data), allow_pickle=False) as archive:
    arrays = {name: archive[name] for name in archive.files}
  head, arrays = archives.load(arrays)
  parts = {
    name: module.of_arrays(*archives.part(head, arrays, name))
    for name, module in _MODULES.items()
    if name in head
  }
  return Sum(**parts, fault=head['fault'])


def judge(
  corpus: str | os.PathLike,
  predictions: str | os.PathLike | None,
  folder: pathlib.Path,
  options: Sequence[str],
  num_clips: int | None = None,
  lenient: bool = False,
  label: str | None = None,
) -> tuple[Totals, Plan, Listing]:
  """Adds up all clips by a pipeline.

  Args:
    corpus: as for `sources.find`, and so are `predictions` and `num_clips`.
    predictions: None for a study of the humans alone.
    folder: an empty folder that all machines see. The signals of all clips go
      to `signals/part-*.parquet` in it, a bucket each, with the columns of
      `signals.csv` but the rank, most in doubt first.
    options: Beam's own flags, such as `--runner=FlinkRunner`; the direct runner
      is the default.
    num_clips: of a bucket.
    lenient: see `sources.find`.
    label: likewise.

  Returns:
    What makes a study, see `study.of_totals`.

  Raises:
    InputError: something is missing or wrong; the extra is missing, or the
      flags name no runner.
  """
  if predictions is not None:
    predictions = os.path.abspath(predictions)
  source = sources.find(
    pathlib.Path(corpus).resolve(), predictions, num_clips, lenient, label
  )
  if not source.has('predictions') and not source.has('votes'):
    raise errors.InputError(
      f'{corpus}: has no votes, and there are no predictions: nothing to '
      'evaluate'
    )
  pipeline = pipelines.start(options)
  folder = folder.resolve()
  (folder / 'signals').mkdir()
  _lay(pipeline, source, folder)
  pipeline.run().wait_until_finish()
  if not all((folder / name).exists() for name in ('survey', 'sum')):
    raise errors.InputError(
      f'--beam: the pipeline ended without a result in {folder}: do all '
      'machines see that folder, and does the runner run all of it?'
    )
  survey, found = (
    unpacked((folder / name).read_bytes()) for name in ('survey', 'sum')
  )
  if survey.fault or found.fault:
    raise errors.InputError(survey.fault or found.fault)
  if found.totals is None:
    raise errors.InputError(f'{corpus}: its table of clips has no rows')
  return found.totals, plan_lib.draw_up(survey.survey), found.clips


def _adder() -> Any:
  """What adds up sums, as Beam wants it."""
  beam = pipelines.load()

  class SumCoder(beam.coders.Coder):
    """How sums go from one machine to another."""

    def encode(self, value: Sum) -> bytes:
      return packed(value)

    def decode(self, encoded: bytes) -> Sum:
      return unpacked(encoded)

    def is_deterministic(self) -> bool:
      return False

    def to_type_hint(self):
      return Sum

  class AddUp(beam.CombineFn):
    """The sum of sums."""

    def create_accumulator(self) -> Sum:
      return Sum()

    def add_input(self, accumulator: Sum, element: Sum) -> Sum:
      return accumulator + element

    def merge_accumulators(self, accumulators: Iterable[Sum]) -> Sum:
      return sum(accumulators, Sum())

    def extract_output(self, accumulator: Sum) -> Sum:
      return accumulator

    def get_accumulator_coder(self):
      return SumCoder()

  # Sums that are not added up at once go from one machine to another, too.
  beam.coders.registry.register_coder(Sum, SumCoder)
  return beam.CombineGlobally(AddUp()).with_output_types(Sum)


def _lay(pipeline: Any, source: Source, folder: pathlib.Path) -> None:
  """Puts the steps into a pipeline; the last ones write to the folder."""
  beam, adder = pipelines.load(), _adder()

  def added_up(name: str, step, *side):
    """The sum of what a step makes of all buckets, in bytes, and written."""
    found = (
      buckets
      | f'Make {name}' >> beam.Map(step, source, *side).with_output_types(Sum)
      | f'Add up {name}' >> adder
      | f'Pack {name}' >> beam.Map(packed).with_output_types(bytes)
    )
    _ = found | f'Write {name}' >> beam.Map(_write, folder / name)
    return beam.pvalue.AsSingleton(found)

  def pieces(name: str, some: Sequence[Piece]):
    # Shared anew, else one worker would get all of them.
    return (
      pipeline
      | f'{name}' >> beam.Create(list(some))
      | f'Share {name}' >> beam.Reshuffle()
    )

  predictions = [one for one in source.pieces if one.kind == 'predictions']
  members = beam.pvalue.AsSingleton(
    pieces('predictions', predictions)
    | 'Find members' >> beam.Map(_pairs, source)
    | 'Put members together' >> beam.CombineGlobally(_union)
  )
  buckets = (
    pieces('all tables', source.pieces)
    | 'Part by clip'
    >> beam.FlatMap(_parted, source).with_output_types(tuple[int, bytes])
    | 'Join by clip' >> beam.GroupByKey()
  )
  survey = added_up('survey', _surveyed, members)
  added_up('sum', _judged, folder, members, survey)


def _pairs(piece: Piece, source: Source) -> list[tuple[str, int]]:
  try:
    return sorted(streaming.pairs_of(source, piece))
  except errors.InputError:
    return []  # It is told where all columns are read.


def _union(some: Iterable[list[tuple[str, int]]]) -> list[tuple[str, int]]:
  return sorted({tuple(pair) for pairs in some for pair in pairs})


def _parted(piece: Piece, source: Source) -> Iterator[tuple[int, bytes]]:
  try:
    yield from sources.parted(source, piece)
  except errors.InputError as error:
    yield 0, _FAULT + str(error).encode()


def _of_bucket(
  parts: Iterable[bytes],
  source: Source,
  pairs: Iterable[tuple[str, int]],
  made: Callable[[Batch], Sum],
) -> Sum:
  """What is made of a bucket, or what is wrong with it."""
  parts = list(parts)
  faults = [part[1:].decode() for part in parts if part[:1] == _FAULT]
  if faults:
    return Sum(fault=min(faults))
  members: Members = reading.by_view(map(tuple, pairs), source.bare)
  try:
    return made(streaming.batch(source, sources.joined(parts), members))
  except errors.InputError as error:
    return Sum(fault=str(error))


def _surveyed(
  bucket: tuple[int, Iterable[bytes]],
  source: Source,
  pairs: Iterable[tuple[str, int]],
) -> Sum:
  return _of_bucket(
    bucket[1],
    source,
    pairs,
    lambda batch: Sum(survey=survey_lib.of_batch(batch)),
  )


def _judged(
  bucket: tuple[int, Iterable[bytes]],
  source: Source,
  folder: pathlib.Path,
  pairs: Iterable[tuple[str, int]],
  survey: bytes,
) -> Sum:
  """What a bucket adds to the study; its signals are written."""
  plan = _plan(survey)
  if plan is None:
    return Sum()

  def made(batch: Batch) -> Sum:
    clips = listing.of_batch(batch, plan)
    part = listing.part(bucket[0], source.num_buckets)
    listing.write(clips, folder / 'signals' / part)
    return Sum(totals=study_lib.add_up(batch, plan), clips=clips.first())

  return _of_bucket(bucket[1], source, pairs, made)


@functools.lru_cache(maxsize=1)
def _plan(survey: bytes) -> Plan | None:
  """The plan of a survey, None where something is wrong, once a process."""
  found = unpacked(survey)
  return None if found.fault else plan_lib.draw_up(found.survey)


def _write(data: bytes, path: pathlib.Path) -> None:
  with files.replacing(path) as temporary:
    temporary.write_bytes(data)
