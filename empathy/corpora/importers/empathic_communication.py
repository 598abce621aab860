"""Ratings of empathic communication as published: a table of each rater.

The source holds the folders `lend_an_ear` and `epitome`, and each of them
`<rater>_ratings.csv` of the experts `expert1` to `expert3`, of a `crowd`, whose
ratings are means, and of the models `gpt`, `claude` and `gemini`: a row a
conversation, named by `conversation_id` or `sp_id`, and a column a dimension
(Kumar et al. 2026, When large language models are reliable for judging empathic
communication, Nature Machine Intelligence, arXiv 2506.10150).

Each dimension is a label, from 1 to 5 in `lend_an_ear` and from 0 to 2 in
`epitome`; a conversation of the one has no label of the other. The label is the
median of the experts. All raters are annotators of `votes.csv`, and the models
and the crowd are its `judges`, who are no single people. The conversations are
not in the tables.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, spelling, tables

_EXPERTS = ('expert1', 'expert2', 'expert3')
_MODELS = ('gpt', 'claude', 'gemini')
_RATERS = (*_EXPERTS, 'crowd', *_MODELS)
_CONDITION = 'text'
# By folder: what names a conversation, the ratings, and the dimensions.
_SETS = {
  'lend_an_ear': (
    'conversation_id',
    (1, 2, 3, 4, 5),
    (
      *('validating_emotions', 'encouraging_elaboration'),
      *('demonstrating_understanding', 'advice_giving', 'self_oriented'),
      'dismissing_emotions',
    ),
  ),
  'epitome': (
    'sp_id',
    (0, 1, 2),
    (
      *('level_emotional_reactions', 'level_interpretations'),
      'level_explorations',
    ),
  ),
}
_INFO = {
  'name': 'empathic_communication',
  'modalities': [_CONDITION],
  'conditions': [_CONDITION],
  'judges': [*_MODELS, 'crowd'],
  'crowds': ['crowd'],
  'license': 'MIT',
  'source': 'Kumar et al. 2026, arXiv 2506.10150',
}


def read(source: pathlib.Path) -> dict[str, corpus_lib.Corpus]:
  """Reads the published folder.

  Args:
    source: holds the folders `lend_an_ear` and `epitome`.

  Returns:
    By dimension, all conversations in the order of the first expert's tables.

  Raises:
    InputError: files are missing or wrong; each kind of fault has a line.
  """
  faults: list[str] = []
  ratings, ids = {}, []
  for name in _SETS:
    found = {}
    for rater in _RATERS:
      try:
        found[rater] = _ratings(source / name / f'{rater}_ratings.csv', name)
      except errors.InputError as error:
        faults += str(error).splitlines()
    ratings[name] = found
    known = list(next(iter(found.values()), {}))
    ids += known
    faults += [
      f'{source / name / f"{rater}_ratings.csv"}: rates other conversations '
      f'than {next(iter(found))}'
      for rater, rows in found.items()
      if set(rows) != set(known)
    ]
  errors.raise_faults(faults)
  place = {clip: row for row, clip in enumerate(ids)}
  sets = np.repeat(list(_SETS), [len(r[_RATERS[0]]) for r in ratings.values()])
  return {
    dimension: _corpus(place, sets, values, dimension, column, ratings[name])
    for name, (_, values, dimensions) in _SETS.items()
    for column, dimension in enumerate(dimensions)
  }


def _ratings(path: pathlib.Path, name: str) -> dict[str, list[float]]:
  """By conversation, what a rater said on each of a set's dimensions."""
  key, values, dimensions = _SETS[name]
  table = tables.Table(path, (key, *dimensions))

  def rating(text: str) -> float:
    value = spelling.number(text)
    if value is None or not values[0] <= value <= values[-1]:
      raise ValueError(f'{text!r} is no rating')
    return value

  ids = table.ids(key, table.columns[key])
  expected = f'a number from {values[0]} to {values[-1]}'
  columns = [table.convert(d, rating, expected) for d in dimensions]
  table.finish()
  return dict(zip(ids, map(list, zip(*columns, strict=True)), strict=True))


def _corpus(
  place: Mapping[str, int],
  sets: np.ndarray,
  values: tuple[int, ...],
  dimension: str,
  column: int,
  ratings: Mapping[str, Mapping[str, list[float]]],
) -> corpus_lib.Corpus:
  """The corpus with one dimension as its label.

  Args:
    place: the row of each conversation.
    sets: (N,) str, the folder that each conversation is from.
    values: that ratings of the dimension may have.
    dimension: its name.
    column: of the ratings.
    ratings: by rater and conversation, those of the dimension's folder.
  """
  keys, _ = declared.checked(
    {
      'values': list(values),
      'label': f'{dimension.replace("_", " ")}, the median of three experts',
      'label_source': _CONDITION,
    },
    dimension,
  )
  of_each = {
    rater: np.array([row[column] for row in rows.values()])
    for rater, rows in ratings.items()
  }
  clip = {
    rater: np.array([place[clip] for clip in rows], np.int32)
    for rater, rows in ratings.items()
  }

  def votes(raters: tuple[str, ...]) -> corpus_lib.Votes:
    scores = np.concatenate([of_each[rater] for rater in raters])
    return corpus_lib.Votes(
      clip=np.concatenate([clip[rater] for rater in raters]),
      condition=np.zeros(len(scores), np.int32),
      annotator=np.repeat(raters, [len(of_each[rater]) for rater in raters]),
      label=declared.class_of(scores, np.array(values, float)),
      count=np.ones(len(scores), np.int64),
      scores=scores,
    )

  scores = np.full((len(_EXPERTS), len(place)), np.nan)
  for row, expert in enumerate(_EXPERTS):
    scores[row, clip[expert]] = of_each[expert]
  ids = np.array(list(place))
  return corpus_lib.Corpus(
    info=_INFO | keys,
    ids=ids,
    groups=ids,
    labels=np.full(len(ids), corpus_lib.UNLABELLED, np.int32),
    scores=np.median(scores, axis=0),
    metadata={'set': sets},
    votes=votes(_EXPERTS),
    judges=votes((*_MODELS, 'crowd')),
  )
