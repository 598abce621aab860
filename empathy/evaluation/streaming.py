"""Clips, votes and predictions, a batch of clips at a time.

All three are in the order of `clips.csv`, so that no more than a batch is in
memory. What is out of order, or of no clip, ends with one clear error. Modality
features are not read: every clip is taken to have all modalities. An id that is
there twice is found within a batch of clips.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import spelling
from empathy.evaluation import predictions as predictions_lib

# Clips of a batch, and rows that are read at once.
NUM_CLIPS = 1 << 16
_NUM_ROWS = 1 << 17
_BLOCK_BYTES = 1 << 23
_MOST_FOLDS = 1_000

Members = Mapping[str, tuple[int, ...]]


class _Rows:
  """A table's rows, handed out clip by clip in the order of `clips.csv`."""

  def __init__(self, path: pathlib.Path, batches: Iterator[pa.RecordBatch]):
    self._path, self._batches = path, batches
    self._rest: pa.RecordBatch | None = None
    self._done = 0

  def take(self, ids: pa.Array) -> tuple[pa.Table | None, np.ndarray, int]:
    """The rows of the clips `ids`, which come next.

    Returns:
      The rows, None if there are none; the place in `ids` of each; how many
      rows of the file come before them.
    """
    first, parts, places = self._done, [], []
    while self._fill():
      place = pc.index_in(self._rest['id'], value_set=ids)
      end = self._rest.num_rows
      if place.null_count:
        end = pc.index(pc.is_null(place), True).as_py()
      if end:
        parts.append(self._rest.slice(0, end))
        places.append(place.slice(0, end).to_numpy())
        self._done += end
        self._rest = self._rest.slice(end)
      if place.null_count:
        break
    if not parts:
      return None, np.empty(0, np.int64), first
    place = np.concatenate(places)
    back = np.flatnonzero(np.diff(place) < 0)
    if len(back):
      self._refuse(first + int(back[0]) + 1, ids[int(place[back[0] + 1])])
    return pa.Table.from_batches(parts), place, first

  def end(self) -> None:
    """Raises an `InputError` if rows are left."""
    if self._fill():
      self._refuse(self._done, self._rest['id'][0])

  def _fill(self) -> bool:
    while self._rest is None or not self._rest.num_rows:
      try:
        self._rest = next(self._batches, None)
      except pa.ArrowException as error:
        raise errors.InputError(
          f'{self._path}: cannot be read: {str(error).splitlines()[0]}'
        ) from None
      if self._rest is None:
        return False
    return True

  def _refuse(self, row: int, clip: pa.Scalar) -> None:
    raise errors.InputError(
      f"{self._path}: row {row + 1}: column 'id': {clip.as_py()!r} is not a "
      'clip of the corpus, or not in its place; read in batches, rows are in '
      'the order of clips.csv, those of a clip next to each other'
    )


def members(
  path: pathlib.Path, corpus_info: corpus_lib.Corpus
) -> tuple[Members, int]:
  """The seeds of each view of a Parquet table, and the number of its rows.

  Args:
    path: the table.
    corpus_info: a corpus, of which only `info` counts.

  Raises:
    InputError: the file is no Parquet, or lacks a column.
  """
  with _parquet(path) as file:
    predictions_lib.check_columns(
      path, file.schema_arrow.names, corpus_info, file.metadata.num_rows
    )
    found = set()
    keys = [c for c in ('view', 'seed') if c in file.schema_arrow.names]
    for batch in _batches(file, keys):
      pairs = pa.Table.from_batches([batch]).group_by(keys)
      for row in pairs.aggregate([]).to_pylist():
        view = row['view']
        if isinstance(view, str):  # What is none is told with its row.
          names = corpus_info.modalities
          view = predictions_lib.canonical_view(view, names) or view
        found.add((view, row.get('seed', 0)))
    num_rows = file.metadata.num_rows
  if not all(
    isinstance(view, str) and isinstance(seed, int) for view, seed in found
  ):
    raise errors.InputError(
      f"{path}: columns 'view' and 'seed': expected texts and whole numbers"
    )
  views = sorted(
    {view for view, _ in found},
    key=lambda view: (
      view.count('+'),
      [corpus_lib.modality_order(part) for part in view.split('+')],
    ),
  )
  return {
    view: tuple(sorted(seed for name, seed in found if name == view))
    for view in views
  }, num_rows


def batches(
  corpus: pathlib.Path, predictions: pathlib.Path, known: Members
) -> Iterator[tuple[corpus_lib.Corpus, predictions_lib.Predictions]]:
  """Parts of a corpus and of the predictions of its clips.

  Args:
    corpus: the corpus folder.
    predictions: a Parquet table.
    known: the members, see `members`.

  Yields:
    Clips with their votes, and their predictions by all members, NaN where
    there is no row.

  Raises:
    InputError: something is missing, wrong or out of order.
  """
  info = corpus_lib.read_info(corpus / 'corpus.json')
  bare = _of_clips(info, {}, corpus / 'clips.csv', 0)
  with _parquet(predictions) as file:
    columns = predictions_lib.required_columns(bare.classes)
    columns += [
      c for c in ('seed', 'fold', 'given') if c in file.schema_arrow.names
    ]
    rows = _Rows(predictions, _batches(file, columns))
    votes = None
    if (corpus / 'votes.csv').exists():
      path = corpus / 'votes.csv'
      votes = _Rows(
        path,
        _csv(path, ('id', 'condition', 'label'), ('annotator', 'count')),
      )
    row = 0
    for batch in _csv(
      corpus / 'clips.csv', ('id', 'group', 'label'), ('split', 'fold')
    ):
      for start in range(0, batch.num_rows, NUM_CLIPS):
        part = batch.slice(start, NUM_CLIPS)
        columns = dict(zip(part.schema.names, part.columns, strict=True))
        clips = _of_clips(info, columns, corpus / 'clips.csv', row)
        row += part.num_rows
        if votes is not None:
          table, place, first = votes.take(part['id'])
          clips = dataclasses.replace(
            clips,
            votes=_of_votes(corpus / 'votes.csv', table, place, clips, first),
          )
        table, _, first = rows.take(part['id'])
        yield clips, _of_predictions(predictions, table, clips, first, known)
    rows.end()
    if votes is not None:
      votes.end()


def _parquet(path: pathlib.Path) -> pq.ParquetFile:
  if not path.is_file():
    raise errors.InputError(f'{path}: no such file')
  try:
    return pq.ParquetFile(path)
  except (pa.ArrowException, OSError) as error:
    raise errors.InputError(
      f'{path}: is not a whole Parquet file, which a tally is made of: '
      f'{str(error).splitlines()[0]}'
    ) from None


def _batches(
  file: pq.ParquetFile, columns: list[str]
) -> Iterator[pa.RecordBatch]:
  yield from file.iter_batches(_NUM_ROWS, columns=columns)


def _csv(
  path: pathlib.Path, required: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
  """Columns of a CSV file as texts, a block at a time."""
  if not path.exists():
    raise errors.InputError(f'{path}: no such file')
  try:
    with open(path, encoding='utf-8-sig') as file:
      header = file.readline().strip().replace('"', '').split(',')
    lacking = [name for name in required if name not in header]
    errors.raise_faults(
      [f'{path}: column {name!r} is missing' for name in lacking]
    )
    names = [name for name in (*required, *optional) if name in header]
    errors.raise_faults(
      [
        f'{path}: column {name!r} is there twice'
        for name in names
        if header.count(name) > 1
      ]
    )
    reader = pa_csv.open_csv(
      path,
      read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
      parse_options=pa_csv.ParseOptions(newlines_in_values=True),
      convert_options=pa_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), include_columns=names
      ),
    )
    yield from reader
  except (pa.ArrowException, UnicodeDecodeError) as error:
    raise errors.InputError(
      f'{path}: cannot be read as CSV: {str(error).splitlines()[0]}'
    ) from None


def _codes(
  path: pathlib.Path,
  column: str,
  values: pa.Array,
  names: tuple[str, ...],
  first: int,
) -> np.ndarray:
  """The place of each text in `names`: (n,) int32."""
  codes = pc.index_in(values, value_set=pa.array(list(names), pa.string()))
  if codes.null_count:
    row = pc.index(pc.is_null(codes), True).as_py()
    raise errors.InputError(
      f'{path}: row {first + row + 1}: column {column!r}: '
      f'{values[row].as_py()!r} is not one of {", ".join(names)}'
    )
  return codes.to_numpy().astype(np.int32)


def _numbers(
  path: pathlib.Path, column: str, values: pa.Array, least: int, first: int
) -> np.ndarray:
  """Whole numbers, none below `least`: (n,) int64."""
  try:
    numbers = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
  except pa.ArrowException as error:
    raise errors.InputError(
      f'{path}: from row {first + 1} on: column {column!r}: expected whole '
      f'numbers: {str(error).splitlines()[0]}'
    ) from None
  wrong = np.flatnonzero(~(numbers >= least))
  if len(wrong):
    raise errors.InputError(
      f'{path}: row {first + int(wrong[0]) + 1}: column {column!r}: expected a '
      f'whole number, {least} or more'
    )
  return numbers.astype(np.int64)


def _of_clips(
  info: Mapping, columns: Mapping[str, pa.Array], path: pathlib.Path, first: int
) -> corpus_lib.Corpus:
  """A corpus of some rows of `clips.csv`, none if there are no columns."""
  if not columns:
    empty = np.empty(0, np.str_)
    return corpus_lib.Corpus(info, empty, empty, np.empty(0, np.int32))
  for name in ('id', 'group'):
    blank = pc.equal(pc.utf8_trim_whitespace(columns[name]), '')
    row = pc.index(blank, True).as_py()
    if row >= 0:
      raise errors.InputError(
        f'{path}: row {first + row + 1}: column {name!r}: is empty'
      )
  if 'split' in columns and 'fold' in columns:
    raise errors.InputError(
      f"{path}: has columns 'split' and 'fold'; expected one"
    )
  ids = np.array(columns['id'].to_pylist(), np.str_)
  if pc.count_distinct(columns['id']).as_py() < len(ids):
    names, count = np.unique(ids, return_counts=True)
    raise errors.InputError(
      f"{path}: column 'id': {str(names[count > 1][0])!r} is there twice"
    )
  groups = columns['group'].dictionary_encode()
  names = groups.dictionary.to_pylist()
  for name in names:
    # Rows come in batches, so that nothing can be put together afterwards.
    if spelling.clean(name) != name or spelling.is_missing(name):
      raise errors.InputError(
        f"{path}: column 'group': {name!r} is no name, or has white space that "
        'is not seen: clean it first'
      )
  classes = tuple(info['classes'])
  codes = _codes(path, 'label', columns['label'], (*classes, ''), first)
  labels = np.where(codes < len(classes), codes, corpus_lib.UNLABELLED)
  split = fold = None
  if 'split' in columns:
    place = _codes(path, 'split', columns['split'], corpus_lib.SPLITS, first)
    split = np.array(corpus_lib.SPLITS)[place]
  if 'fold' in columns:
    fold = _numbers(path, 'fold', columns['fold'], 0, first).astype(np.int32)
  return corpus_lib.Corpus(
    info,
    ids,
    np.array(names, np.str_)[groups.indices.to_numpy()],
    labels.astype(np.int32),
    split,
    fold,
  )


def _of_votes(
  path: pathlib.Path,
  table: pa.Table | None,
  place: np.ndarray,
  corpus: corpus_lib.Corpus,
  first: int,
) -> corpus_lib.Votes:
  """The votes on the clips of a batch."""
  if table is None:
    none = np.empty(0, np.int32)
    return corpus_lib.Votes(none, none, np.empty(0, np.str_), none, none)
  columns = {name: table[name].combine_chunks() for name in table.column_names}
  count = np.ones(len(place), np.int64)
  if 'count' in columns:
    count = _numbers(path, 'count', columns['count'], 1, first)
  condition = _codes(
    path, 'condition', columns['condition'], corpus.conditions, first
  )
  annotator = np.full(len(place), '')
  if 'annotator' in columns:
    names, who = _annotators(columns['annotator'])
    annotator = names[who]
    cell = place * len(corpus.conditions) + condition
    again = _second_votes(cell * len(names) + who, count) & (annotator != '')
    if again.any():
      row = int(np.argmax(again))
      raise errors.InputError(
        f"{path}: row {first + row + 1}: column 'annotator': "
        f'{str(annotator[row])!r} has more than one vote on the clip in this '
        'condition'
      )
  return corpus_lib.Votes(
    place.astype(np.int32),
    condition,
    annotator,
    _codes(path, 'label', columns['label'], corpus.classes, first),
    count,
  )


def _annotators(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
  """Names (A,) str, '' where missing, and whose each vote is (n,) int64."""
  values = values.dictionary_encode()
  names, place = np.unique(
    [
      '' if spelling.is_missing(name) else spelling.clean(name)
      for name in values.dictionary.to_pylist()
    ],
    return_inverse=True,
  )
  return names, place[values.indices.to_numpy()]


def _second_votes(voter: np.ndarray, count: np.ndarray) -> np.ndarray:
  """Which entries (n,) of voters (n,) int are not the only vote of theirs."""
  again = np.ones(len(voter), bool)
  again[np.unique(voter, return_index=True)[1]] = False
  return again | (count != 1)


def _of_predictions(
  path: pathlib.Path,
  table: pa.Table | None,
  corpus: corpus_lib.Corpus,
  first: int,
  known: Members,
) -> predictions_lib.Predictions:
  """The predictions of a batch by all members, whether or not they have any."""
  num_clips, num_classes = len(corpus.ids), len(corpus.classes)
  found = None
  if table is not None:
    found = predictions_lib.of_batch(path, table, corpus, first)
  probabilities, folds = {}, {}
  for view, seeds in known.items():
    shape = (len(seeds), num_clips)
    probabilities[view] = np.full((*shape, num_classes), np.nan)
    folds[view] = np.full(shape, -1, np.int32)
    if found is not None and view in found.seeds:
      place = np.searchsorted(seeds, found.seeds[view])
      probabilities[view][place] = found.probabilities[view]
      folds[view][place] = found.folds[view]
      if folds[view].max() >= _MOST_FOLDS:
        raise errors.InputError(
          f"{path}: column 'fold': expected fewer than {_MOST_FOLDS:,} folds"
        )
  return predictions_lib.Predictions(
    tuple(known),
    {view: np.array(seeds) for view, seeds in known.items()},
    probabilities,
    {},
    folds,
    {view: {} for view in known},
    {view: {} for view in known},
    0 if table is None else table.num_rows,
  )
