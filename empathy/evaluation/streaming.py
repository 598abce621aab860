"""Clips, votes and predictions, a bucket of clips at a time.

Rows may be in any order, and in any number of files: `sources` puts together
what belongs to a clip, and here a bucket of clips becomes a batch. Names are
taken as they are written, since nobody sees all of them; what is no name, or
would be another's, is refused.
"""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, spelling
from empathy.corpora import tables as tables_lib
from empathy.evaluation import headers, reading, sources
from empathy.evaluation.batches import Batch
from empathy.evaluation.predictions import Kind, Predictions
from empathy.evaluation.sources import Piece, Source

_MOST_FOLDS = 1_000

Members = Mapping[str, tuple[int, ...]]


def pairs_of(source: Source, piece: Piece) -> set[tuple[str, int]]:
  """The views and seeds of a piece of predictions; wrong rows have none.

  Raises:
    InputError: the file is damaged.
  """
  found = set()
  for batch in sources.read(source, piece, ('view', 'seed', 'sample')):
    table = pa.Table.from_batches([batch])
    names = [name for name in table.column_names if name != sources.ROW]
    if source.kind is not Kind.SAMPLES:
      names = [name for name in names if name != 'sample']
    table = table.group_by(names).aggregate([]) if names else table[:1]
    found |= reading.members(table, source.bare)
  return found


def members(source: Source) -> Members:
  """The seeds of each view, over all predictions.

  Raises:
    InputError: a file is damaged.
  """
  found = [
    pairs_of(source, piece)
    for piece in source.pieces
    if piece.kind == 'predictions'
  ]
  return reading.by_view(set().union(*found), source.bare, source.kind)


@contextlib.contextmanager
def batches(source: Source) -> Iterator[Callable[[], Iterator[Batch]]]:
  """All clips with their votes and predictions, in parts.

  Yields:
    A function that goes through the parts, as often as it is called.

  Raises:
    InputError: see `batch`, and `sources.read`.
  """
  known = members(source)
  with sources.buckets(source) as buckets:
    yield lambda: (batch(source, tables, known) for tables in buckets())


def batch(
  source: Source, tables: Mapping[str, pa.Table], known: Members
) -> Batch:
  """The batch of a bucket.

  Args:
    source: that it is of.
    tables: its rows by kind, see `sources.joined`.
    known: the seeds of each view.

  Raises:
    InputError: a row is wrong, or of no clip.
  """
  if 'clips' not in tables:
    _Rows(source, next(iter(tables.values()))).refuse_clip(0)
  corpus = _clips(_Rows(source, tables['clips']))
  if source.has('features'):
    corpus = _with_features(source, tables, corpus)
  if source.has('votes'):
    votes = corpus_lib.Votes(
      *(np.empty(0, kind) for kind in (np.int32, np.int32, np.str_)),
      *(np.empty(0, kind) for kind in (np.int32, np.int64)),
    )
    if 'votes' in tables:
      votes = _votes(_Rows(source, tables['votes']), corpus)
    judged = np.isin(votes.annotator, source.info.get('judges', ()))
    judges = votes.where(judged) if 'judges' in source.info else None
    corpus = dataclasses.replace(
      corpus, votes=votes.where(~judged), judges=judges
    )
  if not source.has('predictions'):
    return Batch(corpus)
  return Batch(corpus, _predictions(source, tables, corpus, known))


class _Rows:
  """Columns of a table of a bucket, whose faults are told with their place."""

  def __init__(self, source: Source, table: pa.Table):
    self.source = source
    self.columns = {
      name: values.combine_chunks()
      for name, values in zip(table.column_names, table.columns, strict=True)
    }
    self.columns = {
      name: values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
      for name, values in self.columns.items()
    }
    self._row = self.columns.pop(sources.ROW)

  def __len__(self) -> int:
    return len(self._row)

  def refuse(self, row: int, column: str, message: str) -> None:
    """Raises an `InputError` that says what is wrong with a value."""
    path, number = self.source.place(self._row[int(row)].as_py())
    raise errors.InputError(
      f'{path}: row {number}: column {column!r}: {message}'
    )

  def refuse_clip(self, row: int) -> None:
    """Raises an `InputError` that says that a row is of no clip."""
    name = self.columns['id'][row].as_py()
    self.refuse(row, 'id', f'{name!r} is not a clip of the corpus')

  def codes(self, column: str, names: Sequence[str]) -> np.ndarray:
    """The place of each text in `names`: (n,) int32."""
    values = self.columns[column]
    codes = pc.index_in(values, value_set=pa.array(list(names), pa.string()))
    row = pc.index(pc.is_null(codes), True).as_py()
    if row >= 0:
      expected = f'is not one of {", ".join(names)}'
      self.refuse(row, column, f'{values[row].as_py()!r} {expected}')
    return codes.to_numpy().astype(np.int32)

  def numbers(self, column: str, least: int) -> np.ndarray:
    """Whole numbers, none below `least`: (n,) int64."""
    values = self.columns[column]
    expected = f'expected a whole number, {least} or more'
    right = pc.match_substring_regex(values, r'^\s*\d{1,18}\s*$')
    row = pc.index(right, False).as_py()
    if row >= 0:
      self.refuse(row, column, f'{values[row].as_py()!r}: {expected}')
    numbers = pc.cast(pc.utf8_trim_whitespace(values), pa.int64()).to_numpy()
    wrong = np.flatnonzero(numbers < least)
    if len(wrong):
      self.refuse(wrong[0], column, f'{numbers[wrong[0]]}: {expected}')
    return numbers

  def decimals(self, column: str) -> np.ndarray:
    """Numbers, NaN where there is no text: (n,) float64."""
    texts = pc.utf8_trim_whitespace(self.columns[column])
    if pc.any(pc.match_substring(texts, ',')).as_py():
      cells = texts.to_pylist()
      for row in tables_lib.unclear_numbers(cells):
        self.refuse(row, column, tables_lib.unclear_number(cells[row]))
      texts = pc.replace_substring(texts, ',', '.')
    number = r'^([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)?$'
    row = pc.index(pc.match_substring_regex(texts, number), False).as_py()
    if row >= 0:
      self.refuse(row, column, f'{texts[row].as_py()!r} is not a number')
    found = pc.cast(pc.if_else(pc.equal(texts, ''), 'nan', texts), pa.float64())
    return found.to_numpy()

  def texts(self, column: str) -> tuple[list[str], np.ndarray]:
    """The different texts, and which of them each is: (n,) int."""
    found = self.columns[column].dictionary_encode()
    return found.dictionary.to_pylist(), found.indices.to_numpy()


def _clips(rows: _Rows) -> corpus_lib.Corpus:
  """The corpus of these clips."""
  ids = rows.columns['id']
  row = pc.index(pc.equal(pc.utf8_trim_whitespace(ids), ''), True).as_py()
  if row >= 0:
    rows.refuse(row, 'id', 'is empty')
  folded = sources.folded(ids)
  if pc.count_distinct(folded).as_py() < len(ids):
    _, first, place = np.unique(
      np.array(folded.to_pylist()), return_index=True, return_inverse=True
    )
    row = np.flatnonzero(first[place] != np.arange(len(ids)))[0]
    rows.refuse(row, 'id', f'{ids[int(row)].as_py()!r} is there twice')
  names, group = rows.texts('group')
  for place, name in enumerate(names):
    # Clips come in parts, so that nothing can be put together afterwards.
    if spelling.clean(name) != name or spelling.is_missing(name):
      rows.refuse(
        np.flatnonzero(group == place)[0],
        'group',
        'is empty'
        if not name.strip()
        else f'{name!r} is no name, or has white space that is not seen: clean '
        'it first',
      )
  labels, scores = _labels(rows, rows.source.info)
  split = fold = None
  if 'split' in rows.columns:
    place = rows.codes('split', corpus_lib.SPLITS)
    split = np.array(corpus_lib.SPLITS)[place]
  if 'fold' in rows.columns:
    fold = rows.numbers('fold', 0).astype(np.int32)
  return corpus_lib.Corpus(
    rows.source.info,
    np.array(ids.to_pylist(), np.str_),
    np.array(names, np.str_)[group],
    labels,
    split,
    fold,
    metadata={
      name: np.array(values.to_pylist(), np.str_)
      for name, values in rows.columns.items()
      if name not in ('id', 'group', 'label', 'score', 'split', 'fold')
    },
    path=rows.source.corpus,
    scores=scores,
  )


def _labels(
  rows: _Rows, info: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray | None]:
  """Labels, and scores of a label with values; see `corpus.read_labels`."""
  classes, values = info['classes'], declared.values_of(info)
  labels = np.full(len(rows), corpus_lib.UNLABELLED, np.int32)
  if 'label' in rows.columns:
    codes = rows.codes('label', (*classes, ''))
    labels = np.where(codes < len(classes), codes, labels)
  if values is None:
    return labels, None
  if 'score' not in rows.columns:
    return declared.filled(labels, None, values)
  low, high = declared.limits(info)
  scores = rows.decimals('score')
  for row in np.flatnonzero((scores < low) | (scores > high))[:1]:
    says = f'is outside of the scale, {low:g} to {high:g}'
    rows.refuse(row, 'score', f'{scores[row]:g} {says}')
  for row in declared.contradictions(labels, scores, values)[:1]:
    says = f'is not of the class {classes[labels[row]]!r}, the label'
    rows.refuse(row, 'score', f'{scores[row]:g} {says}')
  return declared.filled(labels, scores, values)


def _with_features(
  source: Source, tables: Mapping[str, pa.Table], corpus: corpus_lib.Corpus
) -> corpus_lib.Corpus:
  """The same with `presence` and `hashes`, see `corpus.with_presence`."""
  kinds = [
    pathlib.Path(source.files[piece.file]).stem
    for piece in source.pieces
    if piece.kind == 'features'
  ]
  size = len(corpus.ids)
  presence = {name: np.zeros(size, np.bool_) for name in kinds}
  hashes = {name: np.zeros(size, np.uint64) for name in kinds}
  if 'features' in tables:
    rows = _Rows(source, tables['features'])
    clip, (names, place) = _clip_of(rows, corpus), rows.texts('modality')
    values = rows.columns['hash'].to_numpy()
    for number, modality in enumerate(names):
      own = place == number
      presence[modality][clip[own]] = True
      hashes[modality][clip[own]] = values[own]
  return dataclasses.replace(corpus, presence=presence, hashes=hashes)


def _votes(rows: _Rows, corpus: corpus_lib.Corpus) -> corpus_lib.Votes:
  """The votes on these clips; rows without a label are none."""
  clip = _clip_of(rows, corpus)
  label, scores = _labels(rows, corpus.info)
  count = np.ones(len(rows), np.int64)
  if 'count' in rows.columns:
    count = rows.numbers('count', 1)
  annotator = np.full(len(rows), '')
  condition = rows.codes('condition', corpus.conditions)
  voted = label != corpus_lib.UNLABELLED
  if 'annotator' in rows.columns:
    names, who = _annotators(rows)
    annotator = names[who]
    cell = clip.astype(np.int64) * len(corpus.conditions) + condition
    again = _second_votes(cell * len(names) + who, count, voted)
    again &= annotator != ''
    if again.any():
      row = np.argmax(again)
      rows.refuse(
        row,
        'annotator',
        f'{str(annotator[row])!r} has more than one vote on the clip in this '
        'condition',
      )
  return corpus_lib.Votes(
    clip[voted],
    condition[voted],
    annotator[voted],
    label[voted],
    count[voted],
    None if scores is None else scores[voted],
  )


def _annotators(rows: _Rows) -> tuple[np.ndarray, np.ndarray]:
  """Names (A,) str, '' where missing, and whose each vote is (n,) int64."""
  names, who = rows.texts('annotator')
  names, place = np.unique(
    [
      '' if spelling.is_missing(name) else spelling.clean(name)
      for name in names
    ],
    return_inverse=True,
  )
  return names, place[who]


def _second_votes(
  voter: np.ndarray, count: np.ndarray, voted: np.ndarray
) -> np.ndarray:
  """Which votes (n,) of voters (n,) int are not the only one of theirs."""
  again = voted.copy()
  rows = np.flatnonzero(voted)
  again[rows[np.unique(voter[rows], return_index=True)[1]]] = False
  return again | (voted & (count != 1))


def _clip_of(rows: _Rows, corpus: corpus_lib.Corpus) -> np.ndarray:
  """The clip of each row: (n,) int32."""
  ids = rows.columns['id']
  clip = pc.index_in(ids, value_set=pa.array(corpus.ids.tolist(), pa.string()))
  unknown = np.flatnonzero(pc.is_null(clip).to_numpy(zero_copy_only=False))
  clip = pc.fill_null(clip, -1).to_numpy().astype(np.int32)
  if len(unknown):
    names = spelling.Names(corpus.ids.tolist())
    for row in unknown.tolist():
      try:
        clip[row] = names.find(ids[row].as_py())
      except KeyError:
        rows.refuse_clip(row)
  return clip


def _predictions(
  source: Source,
  tables: Mapping[str, pa.Table],
  corpus: corpus_lib.Corpus,
  known: Members,
) -> Predictions:
  """The predictions of these clips by all members, whether or not they are."""
  table = tables.get('predictions')
  if table is None:
    names = [*headers.required(corpus, source.said), 'sample']
    if source.kind is not Kind.SAMPLES:
      names.remove('sample')
    table = pa.table(
      {name: pa.array([], pa.string()) for name in names}
      | {sources.ROW: pa.array([], pa.int64())}
    )
  row = table[sources.ROW].combine_chunks()
  found = reading.of_batch(
    table.drop_columns([sources.ROW]),
    corpus,
    lambda number: source.place(row[number].as_py()),
    known,
    source.lenient,
  )
  for folds in found.folds.values():
    if folds.max(initial=0) >= _MOST_FOLDS:
      raise errors.InputError(
        f"predictions: column 'fold': expected fewer than {_MOST_FOLDS:,} folds"
      )
  return found
