"""Totals of a part of a corpus in a file: parts may be judged on many machines.

They take some megabytes, whatever the number of clips, and the sum of the parts
is that of all clips, see `totals`.
"""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from empathy import errors, files, progress
from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import sources, streaming, study
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch

SCHEMA = 4


@dataclasses.dataclass
class Tally:
  """What is known of the clips of a part of a corpus.

  Attributes:
    info: the content of `corpus.json`.
    members: the seeds of each view.
    has_votes: whether the corpus has votes.
    num_rows: of the predictions.
    shards: the first and last id and the number of clips of each part.
    survey: of all clips that the plan is of, these or more.
    totals: of the same clips.
  """

  info: dict[str, Any]
  members: dict[str, list[int]]
  has_votes: bool
  num_rows: int
  shards: list[tuple[str, str, int]]
  survey: plan_lib.Survey
  totals: totals_lib.Totals

  @property
  def num_clips(self) -> int:
    """Clips of all parts."""
    return sum(number for *_, number in self.shards)


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
  """That of some clips, with predictions by all members."""
  return Tally(
    dict(corpus.info),
    {view: predictions.seeds[view].tolist() for view in predictions.views},
    corpus.votes is not None,
    predictions.num_rows,
    [('', '', len(corpus.ids))],
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


def build(found: Tally) -> study.Study:
  """The study of the clips of a tally.

  Raises:
    InputError: there is no clip with predictions or votes.
  """
  if not found.totals['data', 'judged'].any() and not found.has_votes:
    raise errors.InputError('the tally has neither predictions nor votes')
  plan = plan_lib.Plan(found.survey)
  return study.assemble(
    study.answers(found.totals, plan), study.info(found.totals, plan)
  )


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


def _added(first: Tally, second: Tally) -> Tally:
  """The sum of two tallies of different clips."""
  return dataclasses.replace(
    first,
    num_rows=first.num_rows + second.num_rows,
    shards=[('', '', first.num_clips + second.num_clips)],
    totals=first.totals + second.totals,
  )


def _told(found: Tally) -> str:
  return ', '.join(
    f'{view} (seeds {" ".join(map(str, seeds))})'
    for view, seeds in found.members.items()
  ) + (', with votes' if found.has_votes else ', without votes')
