"""Corpus folders and prediction files with one fault each, as data.

A mutation damages one file of a copy of a small valid base. Whoever reads the
copy has to name that file and the place in it. Use:

    write_corpus(base)
    for mutation in corpus_mutations():
      with damaged(base, mutation) as folder: ...

    write_predictions(path, corpus)
    for mutation in prediction_mutations(): mutation.damage(path)
"""

import contextlib
import csv
import dataclasses
import io
import json
import pathlib
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from empathy.corpora import corpus as corpus_lib
from empathy.corpora import simulate, splits

SUBSETS = (
  'text',
  'audio',
  'video',
  'text+audio',
  'text+video',
  'audio+video',
  'text+audio+video',
)
NUM_CLIPS = 48


@dataclasses.dataclass(frozen=True)
class Mutation:
  """One fault.

  Attributes:
    name: what is wrong, for the name of a test.
    file: the file that has to be named, relative to the corpus folder.
    damage: does it; takes the corpus folder, or the predictions file.
    place: text that names the place in the file; '' where the whole file is at
      fault.
    lines: how many lines the message has; None where one fault has many places.
  """

  name: str
  file: str
  damage: Callable[[pathlib.Path], None]
  place: str = ''
  lines: int | None = 1


@contextlib.contextmanager
def damaged(base: pathlib.Path, mutation: Mutation) -> Iterator[pathlib.Path]:
  """A damaged copy of the corpus folder `base`, for the time of the block."""
  with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary) / 'corpus'
    shutil.copytree(base, folder)
    mutation.damage(folder)
    yield folder


def write_corpus(path: pathlib.Path) -> None:
  """A small valid corpus: folds, transcripts, times, votes and features.

  The text and audio features are pooled, those of video are sequences, and the
  last three clips have none of video.
  """
  parameters = simulate.Parameters(
    num_clips=NUM_CLIPS, num_groups=8, width=4, num_annotators=10
  )
  corpus, _ = simulate.simulate(parameters, 0)
  random = np.random.default_rng(0)
  num_video = NUM_CLIPS - 3
  length = random.integers(1, 4, num_video)
  features = dict(corpus.features)
  features['video'] = corpus_lib.Features(
    clip=np.arange(num_video, dtype=np.int32),
    values=random.normal(size=(length.sum(), 4)).astype(np.float32),
    length=length,
  )
  start = np.arange(NUM_CLIPS) * 2.5
  corpus = dataclasses.replace(
    corpus,
    fold=splits.group_folds(corpus.groups, corpus.labels, 4, 0),
    metadata={
      'transcript': np.array([f'clip {i}, said' for i in range(NUM_CLIPS)]),
      'start': start.astype(str),
      'end': (start + 2).astype(str),
    },
    features=features,
  )
  corpus_lib.write(corpus, path)


def write_predictions(path: pathlib.Path, corpus: corpus_lib.Corpus) -> None:
  """Valid predictions of every view, two seeds, and all that can be given.

  Args:
    path: a `.csv` or a `.parquet` file.
    corpus: with features, which say what can be given.
  """
  random = np.random.default_rng(1)
  present = {
    modality: set(features.clip.tolist())
    for modality, features in corpus.features.items()
  }
  rows = []
  for view in SUBSETS:
    for seed in (0, 1):
      for clip, name in enumerate(corpus.ids.tolist()):
        own = [m for m in view.split('+') if clip in present[m]]
        shown = ['+'.join(own)]
        if view == SUBSETS[-1]:
          shown = [
            subset for subset in SUBSETS if set(subset.split('+')) <= set(own)
          ]
        for given in filter(None, shown):
          share = random.uniform(0.05, 0.95)
          rows.append(
            {
              'id': name,
              'view': view,
              'given': given,
              'seed': seed,
              'fold': int(corpus.fold[clip]),
              'prob_neutral': share,
              'prob_empathetic': 1 - share,
              'logit_neutral': float(np.log(share)),
              'logit_empathetic': float(np.log1p(-share)),
            }
          )
  _write_table(path, pa.Table.from_pylist(rows))


# What damages a file.


def _edit_csv(
  file: str, edit: Callable[[list[list[str]]], object]
) -> Callable[[pathlib.Path], None]:
  """Edits the rows, header first, in place."""

  def damage(folder: pathlib.Path) -> None:
    path = folder / file
    with open(path, encoding='utf-8', newline='') as stream:
      rows = list(csv.reader(stream))
    edit(rows)
    with open(path, 'w', encoding='utf-8', newline='') as stream:
      csv.writer(stream, lineterminator='\n').writerows(rows)

  return damage


def _edit_bytes(
  file: str, edit: Callable[[bytes], bytes]
) -> Callable[[pathlib.Path], None]:
  def damage(folder: pathlib.Path) -> None:
    path = folder / file if file else folder
    path.write_bytes(edit(path.read_bytes()))

  return damage


def _edit_json(
  edit: Callable[[dict], object],
) -> Callable[[pathlib.Path], None]:
  def damage(folder: pathlib.Path) -> None:
    path = folder / 'corpus.json'
    info = json.loads(path.read_text(encoding='utf-8'))
    edit(info)
    path.write_text(json.dumps(info), encoding='utf-8')

  return damage


def _edit_npz(
  file: str, edit: Callable[[dict[str, np.ndarray]], object]
) -> Callable[[pathlib.Path], None]:
  def damage(folder: pathlib.Path) -> None:
    with np.load(folder / file) as archive:
      arrays = {name: archive[name].copy() for name in archive.files}
    edit(arrays)
    with open(folder / file, 'wb') as stream:
      np.savez(stream, **arrays)

  return damage


def _remove(file: str) -> Callable[[pathlib.Path], None]:
  return lambda folder: (folder / file).unlink()


def _drop_column(column: str) -> Callable[[list[list[str]]], None]:
  def edit(rows: list[list[str]]) -> None:
    index = rows[0].index(column)
    for row in rows:
      del row[index]

  return edit


def _repeat_column(column: str) -> Callable[[list[list[str]]], None]:
  def edit(rows: list[list[str]]) -> None:
    index = rows[0].index(column)
    for row in rows:
      row.append(row[index])

  return edit


def _set(line: int, column: str, text: str) -> Callable:
  """Sets one cell; lines count from 1, the header, as messages do."""

  def edit(rows: list[list[str]]) -> None:
    rows[line - 1][rows[0].index(column)] = text

  return edit


def _rename(column: str, name: str, values: Callable[[int], str]) -> Callable:
  """Renames a column and fills it with `values(row)`, row from 0."""

  def edit(rows: list[list[str]]) -> None:
    index = rows[0].index(column)
    rows[0][index] = name
    for row, cells in enumerate(rows[1:]):
      cells[index] = values(row)

  return edit


def _split(bad: str) -> Callable[[list[list[str]]], None]:
  """A valid split in the place of the folds, but for the clip on line 6."""

  def edit(rows: list[list[str]]) -> None:
    names = ('train', 'train', 'val', 'test')
    _rename('fold', 'split', lambda row: names[int(rows[row + 1][-4])])(rows)
    _set(6, 'split', bad)(rows)

  return edit


def _cell(
  file: str, line: int, column: str, text: str, why: str = ''
) -> Mutation:
  shown = text if len(text) < 20 else text[:8] + '...'
  return Mutation(
    f'{file}: {why or f"{column} is {shown!r}"}',
    file,
    _edit_csv(file, _set(line, column, text)),
    f'{file}:{line}: column {column!r}',
  )


def _info_mutations() -> Iterator[Mutation]:
  file = 'corpus.json'

  def raw(
    name: str, edit: Callable[[bytes], bytes], place: str = ''
  ) -> Mutation:
    return Mutation(f'{file}: {name}', file, _edit_bytes(file, edit), place)

  def key(name: str, key: str, value: object) -> Mutation:
    def edit(info: dict) -> None:
      if value is None:
        del info[key]
      else:
        info[key] = value

    return Mutation(f'{file}: {key} {name}', file, _edit_json(edit), repr(key))

  yield Mutation(f'{file}: missing', file, _remove(file))
  yield raw('empty', lambda text: b'', f'{file}:1')
  yield raw('cut off', lambda text: text[:200])
  yield raw('comma at the end', lambda text: text.replace(b'0\n}', b'0,\n}'))
  yield raw('single quotes', lambda text: text.replace(b'"', b"'"), f'{file}:2')
  yield raw('a list', lambda text: b'[]')
  yield raw('a number', lambda text: b'7')
  yield raw('not UTF-8', lambda text: text.replace(b'"name"', b'"na\xffme"'))
  for name in ('name', 'license', 'source'):
    yield key('is missing', name, None)
    yield key('is empty', name, '')
    yield key('is a number', name, 3)
  for name in ('classes', 'modalities', 'conditions'):
    yield key('is missing', name, None)
    yield key('is a text', name, 'text')
    yield key('holds a number', name, ['text', 'audio', 'video', 1])
    yield key('holds an empty name', name, ['text', 'audio', 'video', ''])
    yield key('holds a name twice', name, ['text', 'audio', 'text'])
  yield key('is one', 'classes', ['neutral'])
  yield key('is an object', 'classes', {'neutral': 0, 'empathetic': 1})
  yield key('is empty', 'modalities', [])
  yield key('holds a path', 'modalities', ['text', 'audio', '../video'])
  yield key('holds a reserved word', 'modalities', ['text', 'audio', 'full'])
  yield key(
    'holds a name in two orders',
    'conditions',
    ['text', 'audio+video', 'Video + audio'],
  )
  yield key('is unknown', 'conditions', ['text', 'smell'])
  yield key('hold two spellings', 'classes', ['sad', 'neutral', 'SAD'])
  yield key('holds white space', 'classes', ['neutral', '\u200b '])
  yield key('with a modality twice', 'conditions', ['text', 'audio+audio'])
  yield key('is a text', 'ordered', 'yes')
  yield key('is a number', 'label', 5)
  yield key('is a truth value', 'label_source', True)


def _table_mutations(file: str, columns: tuple[str, ...]) -> Iterator[Mutation]:
  """What can be wrong with any CSV file."""

  def raw(
    name: str, edit: Callable[[bytes], bytes], place: str = ''
  ) -> Mutation:
    return Mutation(f'{file}: {name}', file, _edit_bytes(file, edit), place)

  def rows(name: str, edit: Callable, place: str) -> Mutation:
    return Mutation(f'{file}: {name}', file, _edit_csv(file, edit), place)

  yield raw('empty', lambda text: b'')
  yield raw('header only', lambda text: text[: text.index(b'\n') + 1])
  yield raw(
    'UTF-16 without its mark',
    lambda text: text.decode().encode('utf-16-le'),
    f'{file}:1',
  )
  yield raw('half of UTF-16', lambda text: text.decode().encode('utf-16')[:-1])
  yield raw(
    'not UTF-8', lambda text: text.replace(b'clip02', b'clip\x8102', 1), ':4'
  )
  yield raw('a quote left open', lambda text: text + b'"clip00,\n')
  for column in columns:
    yield rows(f'no column {column}', _drop_column(column), repr(column))
    yield rows(f'two columns {column}', _repeat_column(column), repr(column))
  yield rows('a field more', lambda cells: cells[4].append('x'), f'{file}:5')
  yield rows('a field less', lambda cells: cells[4].pop(), f'{file}:5')
  yield rows(
    'a header too short', lambda cells: cells.__setitem__(0, cells[0][:-1]), ''
  )


def _clips_mutations() -> Iterator[Mutation]:
  file = 'clips.csv'
  yield Mutation(f'{file}: missing', file, _remove(file))
  for mutation in _table_mutations(file, ('id', 'group', 'label')):
    many = mutation.name.endswith('header too short')
    yield dataclasses.replace(mutation, lines=None if many else 1)
  yield Mutation(
    f'{file}: two columns fold',
    file,
    _edit_csv(file, _repeat_column('fold')),
    "'fold'",
  )
  yield _cell(file, 9, 'id', '')
  yield _cell(file, 9, 'id', '  ')
  yield _cell(file, 9, 'id', 'clip06', 'an id twice, side by side')
  yield _cell(file, 49, 'id', 'clip00', 'an id twice, far apart')
  yield _cell(file, 9, 'group', '')
  yield _cell(file, 9, 'group', ' ')
  yield _cell(file, 9, 'id', 'CLIP06', 'an id in two spellings')
  for group in ('nan', 'N/A', '-', '?'):
    yield _cell(file, 9, 'group', group)
  for label in ('sad', 'neutral-', '1'):
    yield _cell(file, 12, 'label', label)
  for fold in ('', 'one', '-1', '1.5', '1e0', 'nan', '٣'):
    yield _cell(file, 12, 'fold', fold)
  yield _cell(file, 12, 'fold', '4_0')

  def far(number: str) -> Callable[[list[list[str]]], None]:
    def edit(rows: list[list[str]]) -> None:
      index = rows[0].index('fold')
      for row in rows[1:]:
        row[index] = number if row[index] == '3' else row[index]

    return edit

  for number in ('4', '1000000000000'):
    yield Mutation(
      f'{file}: fold {number} after fold 2',
      file,
      _edit_csv(file, far(number)),
      "column 'fold'",
    )
  yield Mutation(
    f'{file}: a split and folds',
    file,
    _edit_csv(file, lambda rows: _rename('transcript', 'split', _train)(rows)),
    "'split' and 'fold'",
  )
  for name in ('', 'dev', 'Tests', '0'):
    yield Mutation(
      f'{file}: split is {name!r}',
      file,
      _edit_csv(file, _split(name)),
      f"{file}:6: column 'split'",
    )
  for column in ('start', 'end'):
    for text in ('soon', '-1', 'inf', '0:75', '1:2:3:4', '5 m'):
      yield _cell(file, 20, column, text)
  yield _cell(file, 20, 'end', '1.0', 'an end before the start')
  yield _cell(file, 20, 'end', '45.0', 'an end at the start')
  yield Mutation(
    f'{file}: a clip with votes is gone',
    'votes.csv',
    _edit_csv(file, lambda rows: rows.pop(10)),
    "column 'id'",
    lines=None,
  )


def _train(row: int) -> str:
  return 'train'


def _votes_mutations() -> Iterator[Mutation]:
  file = 'votes.csv'
  for mutation in _table_mutations(file, ('id', 'condition', 'label')):
    if not mutation.name.endswith('not UTF-8'):
      many = mutation.name.endswith('header too short')
      yield dataclasses.replace(mutation, lines=None if many else 1)
  yield Mutation(
    f'{file}: not UTF-8',
    file,
    _edit_bytes(file, lambda text: text.replace(b'annotator0', b'\x810', 1)),
    f'{file}:2',
  )
  for column in ('annotator', 'count'):
    yield Mutation(
      f'{file}: two columns {column}',
      file,
      _edit_csv(file, _repeat_column(column)),
      repr(column),
    )
  for name in ('clip99', '', 'clip-00', '0'):
    yield _cell(file, 30, 'id', name)
  for name in ('smell', '', 'audio+', 'text+text'):
    yield _cell(file, 30, 'condition', name)
  for name in ('sad', 'empathetic!', '0'):
    yield _cell(file, 30, 'label', name)

  def no_conditions(folder: pathlib.Path) -> None:
    _edit_json(lambda info: info.update(conditions=[]))(folder)

  yield Mutation(
    f'{file}: conditions are not declared',
    file,
    no_conditions,
    'corpus.json has no conditions',
  )
  for count in ('0', '-2', '1.5', 'two', '', 'nan', '2', '9' * 30):
    yield _cell(file, 30, 'count', count)

  def again(rows: list[list[str]]) -> None:
    rows.append(list(rows[7]))

  yield Mutation(
    f'{file}: a vote twice', file, _edit_csv(file, again), "'annotator'"
  )

  def changed_mind(rows: list[list[str]]) -> None:
    other = {'neutral': 'empathetic', 'empathetic': 'neutral'}
    row = list(rows[7])
    row[3] = other[row[3]]
    rows.insert(8, row)

  yield Mutation(
    f'{file}: two votes of one annotator',
    file,
    _edit_csv(file, changed_mind),
    f"{file}:9: column 'annotator'",
  )


def _features_mutations() -> Iterator[Mutation]:
  def of(modality: str, name: str, edit: Callable, place: str = '') -> Mutation:
    file = f'features/{modality}.npz'
    return Mutation(f'{file}: {name}', file, _edit_npz(file, edit), place)

  def raw(modality: str, name: str, edit: Callable) -> Mutation:
    file = f'features/{modality}.npz'
    return Mutation(f'{file}: {name}', file, _edit_bytes(file, edit))

  def put(array: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable:
    return lambda arrays: arrays.__setitem__(array, change(arrays[array]))

  def poke(array: str, index: object, value: object) -> Callable:
    return lambda arrays: arrays[array].__setitem__(index, value)

  for modality in ('text', 'video'):
    for part in (0.05, 0.5, 0.98):
      yield raw(
        modality,
        f'cut off at {part:.0%}',
        lambda data, part=part: data[: int(len(data) * part)],
      )
    yield raw(modality, 'no bytes', lambda data: b'')
    yield raw(
      modality,
      'a byte of the data flipped',
      lambda data: _flip(data, data.index(b'features.npy') + 400),
    )
    yield of(modality, 'no array id', lambda a: a.pop('id'), "'id'")
    yield of(
      modality, 'no array features', lambda a: a.pop('features'), "'features'"
    )
    for value in (np.nan, np.inf, -np.inf):
      yield of(
        modality,
        f'{value} in the middle',
        poke('features', (17, 2), value),
        'row 17',
      )
    yield of(
      modality, 'nan at the end', poke('features', (-1, -1), np.nan), 'row'
    )
    yield of(
      modality, 'an unknown clip', poke('id', 5, 'clip99'), "'id': row 5"
    )
    yield of(modality, 'a clip twice', poke('id', 7, 'clip02'), "'id': row 7")
    yield of(modality, 'an empty id', poke('id', 7, ''), "'id': row 7")
    yield of(
      modality, 'a row less', put('features', lambda x: x[:-1]), "'features'"
    )
    yield of(
      modality,
      'a row more',
      put('features', lambda x: np.concatenate([x, x[:1]])),
      "'features'",
    )
    yield of(
      modality, 'texts', put('features', lambda x: x.astype(str)), "'features'"
    )

  yield raw('audio', 'a text', lambda data: b'id,feature\nclip00,1.0\n')
  yield raw('audio', 'a pickle', lambda data: pickle.dumps({'id': [1]}))
  yield raw('audio', 'a bare array', lambda data: _npy(np.ones((48, 4))))
  yield of(
    'audio',
    'ids pickled',
    put('id', lambda x: x.astype(object)),
    "'id'",
  )
  yield of(
    'audio',
    'features pickled',
    put('features', lambda x: x.astype(object)),
    "'features'",
  )
  yield of(
    'audio', 'ids are numbers', put('id', lambda x: np.arange(48)), "'id'"
  )
  yield of('audio', 'ids are 2-D', put('id', lambda x: x[:, None]), "'id'")
  yield of(
    'audio',
    'ids are not UTF-8',
    put('id', lambda x: np.array([b'\xff\xfe'] * len(x))),
    "'id'",
  )
  for name, change in {
    '1-D': lambda x: x[:, 0],
    '3-D': lambda x: x[:, None],
    'complex': lambda x: x.astype(complex),
    'truth values': lambda x: x > 0,
    'of width 0': lambda x: x[:, :0],
    'too large for float32': lambda x: x.astype(float) * [1, 1, 1e300, 1],
  }.items():
    mutation = of('audio', name, put('features', change), "'features'")
    yield dataclasses.replace(mutation, lines=None if 'large' in name else 1)
  yield of(
    'audio',
    'no clips',
    lambda a: a.update(id=a['id'][:0], features=a['features'][:0]),
    "'id'",
  )
  for value in (0, -1):
    yield of(
      'video',
      f'a length of {value}',
      poke('length', 4, value),
      "'length': row 4",
    )
  yield of('video', 'a length too much', poke('length', 4, 9), "'features' has")
  yield of(
    'video',
    'lengths with fractions',
    put('length', lambda x: x + 0.5),
    "'length'",
  )
  yield of('video', 'a length less', put('length', lambda x: x[1:]), "'length'")
  yield of(
    'video', '2-D lengths', put('length', lambda x: x[:, None]), "'length'"
  )


def corpus_mutations() -> list[Mutation]:
  """One-fault damages to the corpus that `write_corpus` writes."""
  return [
    *_info_mutations(),
    *_clips_mutations(),
    *_votes_mutations(),
    *_features_mutations(),
  ]


def _flip(data: bytes, index: int) -> bytes:
  return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def _npy(array: np.ndarray) -> bytes:
  stream = io.BytesIO()
  np.save(stream, array)
  return stream.getvalue()


# Predictions.


def _read_table(path: pathlib.Path) -> pa.Table:
  if path.suffix == '.csv':
    return pa_csv.read_csv(path)
  return pq.read_table(path)


def _write_table(path: pathlib.Path, table: pa.Table) -> None:
  if path.suffix == '.csv':
    pa_csv.write_csv(table, path, pa_csv.WriteOptions(quoting_style='needed'))
  else:
    pq.write_table(table, path)


def _put_column(column: str, change: Callable[[list], list]) -> Callable:
  """Replaces the values of a column, whose type may change with them."""

  def damage(path: pathlib.Path) -> None:
    table = _read_table(path)
    values = change(table.column(column).to_pylist())
    index = table.column_names.index(column)
    _write_table(path, table.set_column(index, column, pa.array(values)))

  return damage


def _poke_row(row: int, column: str, value: object) -> Callable:
  def change(values: list) -> list:
    if isinstance(value, str) and not isinstance(values[row], str):
      # A text among numbers makes the column one of texts.
      values = [str(other) for other in values]
    elif isinstance(value, float) and isinstance(values[row], int):
      values = [float(other) for other in values]
    values[row] = value
    return values

  return _put_column(column, change)


def _edit_table(edit: Callable[[pa.Table], pa.Table]) -> Callable:
  return lambda path: _write_table(path, edit(_read_table(path)))


def prediction_mutations(suffix: str) -> list[Mutation]:
  """One-fault damages to what `write_predictions` writes.

  Args:
    suffix: '.csv' or '.parquet'.

  Returns:
    Mutations whose `damage` takes the predictions file. `place` is the column;
    `file` is the suffix, for any name may be given to the file.
  """
  mutations = []

  def add(name: str, damage: Callable, place: str = '', lines=1) -> None:
    mutations.append(
      Mutation(f'predictions{suffix}: {name}', suffix, damage, place, lines)
    )

  # Row 11, counted from 0, is one of the view text.
  place = ':13: column ' if suffix == '.csv' else ': row 12: column '

  def cell(column: str, value: object, shown: str = '') -> None:
    add(
      f'{column} is {value!r}',
      _poke_row(11, column, value),
      f"{place}'{shown or column}'",
    )

  required = ('id', 'view', 'seed', 'prob_neutral', 'prob_empathetic')
  for column in required:
    add(
      f'no column {column}',
      _edit_table(lambda table, column=column: table.drop_columns([column])),
      column,
    )
  add('missing', lambda path: path.unlink())
  add('no bytes', _edit_bytes('', lambda data: b''))
  add('no rows', _edit_table(lambda table: table.slice(0, 0)))
  add(
    'a class misspelt',
    _edit_table(
      lambda table: table.rename_columns(
        [name.replace('prob_neu', 'prob_new') for name in table.column_names]
      )
    ),
    'prob_neutral',
    lines=None,
  )
  add('given is what the clip lacks', _put_column('given', _unseen), 'given')
  add(
    'a row twice',
    _edit_table(lambda table: pa.concat_tables([table, table.slice(100, 1)])),
  )
  add(
    'a row twice with other probabilities',
    _edit_table(
      lambda table: pa.concat_tables([table, _swapped(table.slice(500, 1))])
    ),
  )
  for value in ('clip99', '', 'clip0', 'clip00.mp4'):
    cell('id', value)
  for value in ('smell', '', 'text+smell', 'text+text', 'text audio', '+text'):
    cell('view', value)
  for value in ('smell', 'Video + text', 'audio'):
    cell('given', value)
  add(
    'given is more than the view',
    _poke_row(11, 'given', 'text+audio'),
    f"{place}'given'",
  )
  for value in ('one', 0.5, float('nan')):
    cell('seed', value)
  for value in ('one', 0.5, -1, float('nan')):
    cell('fold', value)
  for column in ('prob_neutral', 'prob_empathetic'):
    for value in (float('nan'), -0.2, 'high'):
      cell(column, value)
    for value in (float('inf'), 1.5):
      cell(column, value, 'prob_*')
  add(
    'probabilities sum to 1.01',
    lambda path: (
      _put_column('prob_neutral', _scaled(11, 1.01))(path),
      _put_column('prob_empathetic', _scaled(11, 1.01))(path),
    ),
    f"{place}'prob_*'",
  )
  add(
    'probabilities are zero',
    lambda path: (
      _poke_row(11, 'prob_neutral', 0.0)(path),
      _poke_row(11, 'prob_empathetic', 0.0)(path),
    ),
    f"{place}'prob_*'",
  )
  add(
    'probabilities in percent',
    lambda path: (
      _put_column('prob_neutral', _scaled(11, 100))(path),
      _put_column('prob_empathetic', _scaled(11, 100))(path),
    ),
    'prob_',
    lines=None,
  )
  if suffix == '.csv':
    add('a field more', _edit_bytes('', _longer_line), ':5')
    add('a field less', _edit_bytes('', _shorter_line), ':5')
    add('a quote left open', _edit_bytes('', lambda data: data + b'"clip00'))
    add(
      'not UTF-8',
      _edit_bytes('', lambda data: data.replace(b'clip01', b'clip\x81', 1)),
    )
    add(
      'two columns id',
      _edit_bytes('', lambda data: data.replace(b'given', b'id', 1)),
      'id',
    )
  else:
    for part in (0.05, 0.5, 0.98):
      add(
        f'cut off at {part:.0%}',
        _edit_bytes('', lambda data, part=part: data[: int(len(data) * part)]),
      )
    add('a CSV file', _edit_bytes('', lambda data: b'id,view\nclip00,text\n'))
    for column in ('id', 'seed', 'prob_neutral'):
      cell(column, None)
  return mutations


def _swapped(table: pa.Table) -> pa.Table:
  """The same rows with the probabilities of the classes exchanged."""
  other = {'prob_neutral': 'prob_empathetic', 'prob_empathetic': 'prob_neutral'}
  names = table.column_names
  return table.select([other.get(name, name) for name in names]).rename_columns(
    names
  )


def _unseen(given: list) -> list:
  """The last row is of the last clip, which has no video."""
  return [*given[:-1], 'video']


def _scaled(row: int, factor: float) -> Callable[[list], list]:
  def change(values: list) -> list:
    values[row] *= factor
    return values

  return change


def _longer_line(data: bytes) -> bytes:
  lines = data.split(b'\n')
  lines[4] += b',1'
  return b'\n'.join(lines)


def _shorter_line(data: bytes) -> bytes:
  lines = data.split(b'\n')
  lines[4] = lines[4].rpartition(b',')[0]
  return b'\n'.join(lines)
