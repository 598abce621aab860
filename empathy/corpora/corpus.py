"""The corpus folder: clips, votes and frozen features in plain files.

A corpus folder holds `corpus.json`, `clips.csv`, optionally `votes.csv` and
`features/<modality>.npz`; the README describes them. `read` checks all of it
and names every fault of a file at once, faults of a kind on one line; `write`
makes a folder whole or not at all. Features are joined to clips by id, never by
row. People edit these files by hand: `spelling` says what is one name,
`tables` what is read as a table, and `columns` in what precision features are
kept.

`corpus.json` may say where the label is from, `label_source`: a condition whose
votes' plurality it is, or on a scale the class of their mean; 'votes' for the
condition that it agrees with best; 'intended' for what an actor was asked for;
or other words. Without it a study judges by what it sees.

A label may have values or a scale, and be one of several, as `declared` says.
`corpus.json` may name annotators who are models, `judges`: their rows of
`votes.csv` are `Corpus.judges`, and none of `Corpus.votes`, which is people's.
Of the judges, `crowds` are no models, but means of many people.
"""

import dataclasses
import hashlib
import itertools
import logging
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, files, nearest
from empathy.corpora import (
  declared,
  feature_files,
  spelling,
  summaries,
  tables,
)

# The order in which views and conditions name the modalities.
MODALITIES = ('text', 'audio', 'video')
SPLITS = ('train', 'val', 'test')
UNLABELLED = declared.UNLABELLED
_DECLARATION = 'corpus.json'
# What programs write for a transcript that is not there, and nobody says.
_GAPS = frozenset(('nan', 'NaN', '<NA>', '#N/A', 'NULL', 'None'))
# Names of signals and statistics begin with these words or a view's.
_RESERVED = ('any', 'full', 'unimodal', 'control')
_NAMED_COLUMNS = ('id', 'group', 'label', 'split', 'fold')
# Of clips.csv and votes.csv, which are known whatever the case.
CLIP_COLUMNS = (
  *_NAMED_COLUMNS,
  *('transcript', 'audio', 'video', 'start', 'end'),
)
VOTE_COLUMNS = ('id', 'condition', 'annotator', 'label', 'count')
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class Votes:
  """Annotators' votes, one entry a row of `votes.csv`.

  Attributes:
    clip: (V,) int32, the row of the clip in the corpus.
    condition: (V,) int32, the index into `Corpus.conditions`.
    annotator: (V,) str, '' where only counts are known.
    label: (V,) int32, the index into `Corpus.classes`.
    count: (V,) int64, how many votes the entry stands for.
    scores: (V,) float64, what was said on a scale; None where the corpus has no
      values.
  """

  clip: np.ndarray
  condition: np.ndarray
  annotator: np.ndarray
  label: np.ndarray
  count: np.ndarray
  scores: np.ndarray | None = None

  def of(self, condition: int) -> 'Votes':
    """The entries of one condition."""
    return self.where(self.condition == condition)

  def where(self, chosen: np.ndarray) -> 'Votes':
    """Some of the entries: (V,) bool, or their numbers."""
    columns = (getattr(self, field.name) for field in dataclasses.fields(self))
    return Votes(*(None if own is None else own[chosen] for own in columns))


@dataclasses.dataclass(frozen=True)
class Features:
  """Frozen features of one modality.

  Features of an encoder that was trained on some of the clips are *fold-wise*:
  each fold has its own encoder, which has not seen the clips that it holds out,
  and every clip has an entry of each fold.

  Attributes:
    clip: (F,) int32, the row in the corpus of each clip that has the modality.
    values: (F, D) float32, or (sum of length, D) for sequences.
    length: (F,) int64, the length of each sequence; None if pooled.
    fold: (F,) int32, the fold whose members alone may use the entry; None where
      all may.
    seen: (F,) bool, whether the encoder was trained on or chosen by the clip;
      None where it saw no clip.
    offset: (D,) float64, what was taken from the file's values so that float32
      holds them, as `columns` says; None for nothing.
    time: (sum of length,) float32, the seconds from a clip's beginning to what
      each row is of; None where it is not known.
  """

  clip: np.ndarray
  values: np.ndarray
  length: np.ndarray | None = None
  fold: np.ndarray | None = None
  seen: np.ndarray | None = None
  offset: np.ndarray | None = None
  time: np.ndarray | None = None

  @property
  def num_folds(self) -> int:
    """How many folds have entries of their own; 1 where all share theirs."""
    return 1 if self.fold is None else int(self.fold.max()) + 1

  def of_fold(self, fold: int) -> 'Features':
    """What the members of a fold may use; an entry a clip."""
    if self.fold is None:
      return self
    chosen = self.fold == fold
    rows = chosen
    if self.length is not None:
      rows = np.repeat(chosen, self.length)
    return Features(
      clip=self.clip[chosen],
      values=self.values[rows],
      length=None if self.length is None else self.length[chosen],
      seen=None if self.seen is None else self.seen[chosen],
      offset=self.offset,
      time=None if self.time is None else self.time[rows],
    )


@dataclasses.dataclass(frozen=True)
class Corpus:
  """A corpus in memory; arrays over clips are in the order of `clips.csv`.

  Attributes:
    info: the content of `corpus.json`.
    ids: (N,) str.
    groups: (N,) str, what must not straddle a split.
    labels: (N,) int32 index into `classes`, or `UNLABELLED`.
    split: (N,) str, one of `SPLITS`; None where the corpus has no split.
    fold: (N,) int32, 0 to K-1; None where the corpus has no folds.
    metadata: the other columns of `clips.csv`, each (N,) str.
    votes: people's; None where the corpus has no votes.
    features: by modality; only those that were read.
    presence: by modality, of which there are features: (N,) bool, which clips
      have it; only if `with_presence` has asked.
    hashes: by modality, likewise: (N,) uint64, the same for two clips whose
      features are the same to the last bit; 0 for clips without it.
    path: the folder it was read from; None if it is not from a folder.
    judges: votes of annotators who are models; None where there are none.
    scores: (N,) float64, what the label is on its scale, NaN where there is no
      label; None where the corpus has no `values`. What is not given is made of
      the labels, and labels of scores.
  """

  info: Mapping[str, Any]
  ids: np.ndarray
  groups: np.ndarray
  labels: np.ndarray
  split: np.ndarray | None = None
  fold: np.ndarray | None = None
  metadata: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  votes: Votes | None = None
  features: Mapping[str, Features] = dataclasses.field(default_factory=dict)
  presence: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  hashes: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  path: pathlib.Path | None = None
  judges: Votes | None = None
  scores: np.ndarray | None = None

  def __post_init__(self):
    values = self.values
    if values is None:
      return
    found = declared.filled(self.labels, self.scores, values)
    for name, value in zip(('labels', 'scores'), found, strict=True):
      object.__setattr__(self, name, value)
    for name in ('votes', 'judges'):
      votes = getattr(self, name)
      if votes is not None and votes.scores is None:
        votes = dataclasses.replace(votes, scores=values[votes.label])
        object.__setattr__(self, name, votes)

  @property
  def values(self) -> np.ndarray | None:
    """The values of the classes, (K,) float64, rising; None without."""
    return declared.values_of(self.info)

  @property
  def classes(self) -> tuple[str, ...]:
    """The classes, in the order that breaks ties."""
    return tuple(self.info['classes'])

  @property
  def modalities(self) -> tuple[str, ...]:
    """The modalities, in the order in which views name them."""
    return tuple(sorted(self.info['modalities'], key=modality_order))

  @property
  def conditions(self) -> tuple[str, ...]:
    """What annotators perceived when they voted."""
    return tuple(self.info['conditions'])

  def vote_counts(self, condition: str | None = None) -> np.ndarray:
    """Votes of each clip by class: (N, C) int64.

    Args:
      condition: one of `conditions`; None counts all votes together.
    """
    counts = np.zeros((len(self.ids), len(self.classes)), np.int64)
    if self.votes is None:
      return counts
    votes = self.votes
    chosen = slice(None)
    if condition is not None:
      chosen = votes.condition == self.conditions.index(condition)
    np.add.at(
      counts, (votes.clip[chosen], votes.label[chosen]), votes.count[chosen]
    )
    return counts


def modality_order(modality: str) -> tuple[int, str]:
  """Sorts modalities as views name them: text, audio, video, then others."""
  known = modality in MODALITIES
  return (MODALITIES.index(modality) if known else len(MODALITIES), modality)


def view_name(modalities: Iterable[str]) -> str:
  """The name of a view or condition: `text+video`."""
  return '+'.join(sorted(modalities, key=modality_order))


def condition_name(text: str) -> str:
  """A condition as corpora name it: `Video + text` is `text+video`.

  What is not modalities joined by + comes back cleaned.
  """
  parts = [spelling.clean(part) for part in text.split('+')]
  parts = [
    part.casefold() if part.casefold() in MODALITIES else part for part in parts
  ]
  if not all(parts) or len(set(parts)) < len(parts):
    return spelling.clean(text)
  return view_name(parts)


def full_condition(conditions: Sequence[str]) -> str | None:
  """The condition with the most modalities; the first of equals."""
  if not conditions:
    return None
  return max(conditions, key=lambda condition: condition.count('+'))


def fingerprint(path: str | os.PathLike) -> str:
  """SHA-256 over the corpus folder's content, in hexadecimal."""
  return fingerprint_of(file_hashes(path))


def fingerprint_of(hashes: Mapping[str, str]) -> str:
  """The fingerprint of a folder whose `file_hashes` are these."""
  digest = hashlib.sha256()
  for name, sha256 in hashes.items():
    digest.update(f'{name} {sha256}\n'.encode())
  return digest.hexdigest()


def content(corpus: Corpus) -> str:
  """SHA-256 over ids, groups, labels and votes, whatever the clips' order.

  And over scores, where there are.
  """
  order = np.argsort(corpus.ids)
  columns = [corpus.ids[order], corpus.groups[order], corpus.labels[order]]
  for condition in corpus.conditions:
    columns.append(corpus.vote_counts(condition)[order].ravel())
  if corpus.scores is not None:
    columns.append(corpus.scores[order])
    if corpus.votes is not None:
      votes = corpus.votes
      names = corpus.ids[votes.clip]
      parts = (votes.scores, votes.count, votes.condition, names)
      rows = np.lexsort(parts)
      columns += [part[rows] for part in parts]
  digest = hashlib.sha256()
  for column in columns:
    # Quoted, so that nothing runs together.
    digest.update(repr(column.tolist()).encode())
  return digest.hexdigest()


def file_hashes(path: str | os.PathLike) -> dict[str, str]:
  """SHA-256 of each file of the corpus folder, by its name in there."""
  path = pathlib.Path(path)
  return {
    str(file.relative_to(path)): files.sha256(file)
    for file in [
      path / 'corpus.json',
      path / 'clips.csv',
      path / 'votes.csv',
      *sorted((path / 'features').glob('[!.]*.npz')),
    ]
    if file.exists()
  }


def read(
  path: str | os.PathLike,
  features: Iterable[str] | None = (),
  offsets: Mapping[str, Sequence[float]] | None = None,
  label: str | None = None,
) -> Corpus:
  """Reads and checks a corpus folder.

  Args:
    path: the folder.
    features: the modalities whose features are read and must be there; None
      reads those whose file exists.
    offsets: as for `with_features`.
    label: of several labels, the one that the corpus is read with; None or ''
      where there is just one.

  Returns:
    The corpus.

  Raises:
    InputError: something is missing or wrong. All faults of the first faulty
      file are named, each kind on a line with its file, row and column.
  """
  path = pathlib.Path(path)
  whole = _read_declaration(_folder(path) / _DECLARATION)
  info = declared.chosen(whole, label, f'{path / "corpus.json"}')
  names = tuple(whole.get('labels', ()))
  corpus = _read_clips(path / 'clips.csv', info, names)
  votes = judges = None
  if (path / 'votes.csv').exists():
    votes, judges = _read_votes(path / 'votes.csv', corpus, names)
  corpus = dataclasses.replace(corpus, votes=votes, judges=judges, path=path)
  if features is None:
    features = [
      modality
      for modality in corpus.modalities
      if (path / 'features' / f'{modality}.npz').exists()
    ]
  return with_features(corpus, features, offsets=offsets)


def label_names(path: str | os.PathLike) -> tuple[str, ...]:
  """The names of the labels of a corpus folder; none where it has just one.

  Raises:
    InputError: `corpus.json` is missing or wrong.
  """
  info = _read_declaration(_folder(path) / _DECLARATION)
  return tuple(info.get('labels', ()))


def read_any(path: str | os.PathLike, label: str | None = None) -> Corpus:
  """Reads a corpus where labels do not matter.

  Args:
    path: the folder.
    label: the one to be read if there are several, and this one; else the
      first.
  """
  names = label_names(path)
  return read(path, label=label if label in names else next(iter(names), None))


def sorted_by_id(corpus: Corpus) -> Corpus:
  """The same clips in the order of their ids, whatever that of the files.

  Entries of votes and of features stay where they are: large values need not be
  read.
  """
  order = np.argsort(corpus.ids)
  rank = np.argsort(order).astype(np.int32)

  def moved(entries: Any) -> Any:
    if entries is None:
      return None
    return dataclasses.replace(entries, clip=rank[entries.clip])

  columns = ('ids', 'groups', 'labels', 'split', 'fold', 'scores')
  mappings = ('metadata', 'presence', 'hashes')
  found = {name: getattr(corpus, name) for name in columns}
  return dataclasses.replace(
    corpus,
    **{k: None if x is None else x[order] for k, x in found.items()},
    **{
      name: {k: np.asarray(x)[order] for k, x in getattr(corpus, name).items()}
      for name in mappings
    },
    votes=moved(corpus.votes),
    judges=moved(corpus.judges),
    features={m: moved(x) for m, x in corpus.features.items()},
  )


def with_features(
  corpus: Corpus,
  features: Iterable[str],
  mapped: bool = False,
  offsets: Mapping[str, Sequence[float]] | None = None,
) -> Corpus:
  """Reads the features of a corpus that was read without them.

  Args:
    corpus: read from a folder.
    features: the modalities, whose features must be there.
    mapped: leave values that are float32 in the file, and map it into memory.
    offsets: by modality, those of the features that a run was trained on, which
      are 0 where there are none; None has them chosen.

  Returns:
    The corpus with these features.

  Raises:
    InputError: as for `read`.
  """
  names = spelling.Names(corpus.ids.tolist())
  found = {}
  for modality in features:
    if modality not in corpus.modalities:
      raise errors.InputError(
        f'{corpus.path / "corpus.json"}: modalities: {modality!r} is not among '
        f'{", ".join(corpus.modalities)}'
      )
    found[modality] = Features(
      **feature_files.read(
        corpus.path / 'features' / f'{modality}.npz',
        names,
        mapped,
        None if offsets is None else offsets.get(modality, ()),
      )
    )
  return dataclasses.replace(corpus, features=found)


def with_presence(corpus: Corpus) -> Corpus:
  """Says which clips have which modalities, and which have the same features.

  Summaries say it without a look at the features; where one is missing, they
  are read once. Nothing is written: a corpus may be read by many, and belong to
  others than those who evaluate.

  Args:
    corpus: read from a folder.

  Returns:
    The corpus with `presence` and `hashes`.

  Raises:
    InputError: as for `read`.
  """
  names = spelling.Names(corpus.ids.tolist())
  presence, hashes = {}, {}
  for modality in corpus.modalities:
    path = corpus.path / 'features' / f'{modality}.npz'
    if not path.exists():
      continue
    clip, own = summaries.read(path, names)
    presence[modality] = np.zeros(len(corpus.ids), np.bool_)
    presence[modality][clip] = True
    hashes[modality] = np.zeros(len(corpus.ids), np.uint64)
    hashes[modality][clip] = own
  return dataclasses.replace(corpus, presence=presence, hashes=hashes)


def write(
  corpus: Corpus | Mapping[str, Corpus], path: str | os.PathLike
) -> None:
  """Writes `corpus` as a new folder, whole or not at all.

  Args:
    corpus: what to write; or by name of the label the same clips with several
      labels, which differ in labels, scores, votes and classes alone.
    path: the new folder.

  Raises:
    InputError: `path` exists already.
  """
  by_label = corpus if isinstance(corpus, Mapping) else {'': corpus}
  corpus = next(iter(by_label.values()))
  info = dict(corpus.info)
  if '' not in by_label:
    info = declared.together({n: own.info for n, own in by_label.items()})
  path = pathlib.Path(path)
  if path.exists():
    raise errors.InputError(f'{path}: exists already; choose another name')
  with files.replacing(path) as folder:
    folder.mkdir()
    files.write_json(folder / 'corpus.json', info)
    tables.write_csv(folder / 'clips.csv', _clip_columns(by_label))
    votes = _vote_columns(by_label)
    if votes is not None:
      tables.write_csv(folder / 'votes.csv', votes)
    for modality, features in corpus.features.items():
      values = features.values
      if features.offset is not None:
        values = values + features.offset
      write_features(
        folder / 'features' / f'{modality}.npz',
        corpus.ids[features.clip],
        values,
        features.length,
        features.fold,
        features.seen,
        features.time,
      )
    summaries.leave(
      [folder / 'features' / f'{modality}.npz' for modality in corpus.features],
      corpus.ids,
    )


def write_features(
  path: pathlib.Path,
  ids: np.ndarray,
  values: np.ndarray,
  length: np.ndarray | None = None,
  fold: np.ndarray | None = None,
  seen: np.ndarray | None = None,
  time: np.ndarray | None = None,
) -> None:
  """Writes the features of one modality, whole or not at all.

  Args:
    path: the `.npz` file.
    ids: (F,) str, the clips that have the modality.
    values: (F, D), or (sum of length, D) for sequences.
    length: (F,) int, the length of each sequence; None if pooled.
    fold: (F,) int, as in `Features`.
    seen: (F,) bool, as in `Features`.
    time: (sum of length,) float, as in `Features`.
  """
  arrays = {'id': np.asarray(ids, dtype=np.str_)}
  arrays['features'] = np.asarray(values)
  for name, array, kind in (
    ('length', length, np.int64),
    ('fold', fold, np.int32),
    ('seen', seen, np.bool_),
    ('time', time, np.float32),
  ):
    if array is not None:
      arrays[name] = np.asarray(array, kind)
  with files.replacing(path) as temporary:
    feature_files.write(temporary, arrays)


def _one_of(names: Sequence[str]) -> str:
  return 'one of ' + ', '.join(names)


def read_info(path: pathlib.Path, label: str | None = None) -> dict[str, Any]:
  """Reads and checks `corpus.json`.

  Args:
    path: the file.
    label: as for `read`.

  Returns:
    Its content; of several labels, as if the one were the only one.

  Raises:
    InputError: it is missing or wrong.
  """
  return declared.chosen(_read_declaration(path), label, f'{path}')


def _folder(path: str | os.PathLike) -> pathlib.Path:
  """The path, if it is a folder."""
  path = pathlib.Path(path)
  if path.is_dir() and (path / _DECLARATION).exists():
    return path
  hint = nearest.folder_hint(path, _DECLARATION)
  if not path.is_dir():
    raise errors.InputError(f'{path}: no such corpus folder{hint}')
  hint = hint or (
    f'; make one: empathy prepare --importer={_importer(path)} '
    f'--source={path} --output=CORPUS'
  )
  raise errors.InputError(
    f'{path / _DECLARATION}: no such file, so {path} is no corpus folder{hint}'
  )


def _importer(path: pathlib.Path) -> str:
  """Of a published data set, by the name of its folder; else 'NAME'."""
  known = pathlib.Path(__file__).parent.joinpath('importers').glob('[!_]*.py')
  return nearest.meant(path.name, [one.stem for one in known]) or 'NAME'


def _read_declaration(path: pathlib.Path) -> dict[str, Any]:
  """Reads and checks `corpus.json`, with all of its labels."""
  info = files.read_json(path)
  if not isinstance(info, dict):
    raise errors.InputError(f'{path}: expected an object of keys and values')
  faults = []
  for key in ('name', 'license', 'source'):
    if not isinstance(info.get(key), str) or not info[key]:
      faults.append(f'{path}: key {key!r}: expected a text')
  for key, least, cleaned in (
    ('modalities', 1, condition_name),
    ('conditions', 0, condition_name),
    ('judges', 0, spelling.clean),
    ('crowds', 0, spelling.clean),
  ):
    names = info.get(key, [] if key in ('judges', 'crowds') else None)
    if not isinstance(names, list) or not all(
      isinstance(name, str) and spelling.clean(name) for name in names
    ):
      faults.append(f'{path}: key {key!r}: expected a list of names')
      continue
    if len(names) < least:
      faults.append(f'{path}: key {key!r}: expected at least {least} names')
    if key in info:
      info[key] = [cleaned(name) for name in names]
      faults += declared.spelt_twice(info[key], f'{path}: key {key!r}')
  for name in info.get('crowds', []):
    if name not in info.get('judges', []):
      faults.append(f"{path}: key 'crowds': {name!r} is not one of the judges")
  info, others = declared.checked_labels(info, f'{path}')
  errors.raise_faults(faults + others)
  for keys in (info, *info.get('labels', {}).values()):
    if 'label_source' in keys:
      source = condition_name(keys['label_source'])
      if source in info['conditions']:
        keys['label_source'] = source
  for name in info['modalities']:
    if not name.replace('_', '').isalnum():
      faults.append(
        f"{path}: key 'modalities': {name!r}: expected letters, digits and _"
      )
    if name in _RESERVED:
      faults.append(
        f"{path}: key 'modalities': {name!r} is a word of the study's own; "
        'choose another name'
      )
  known = {*MODALITIES, *info['modalities']}
  for condition in info['conditions']:
    parts = condition.split('+')
    if not known.issuperset(parts) or len(set(parts)) < len(parts):
      faults.append(
        f"{path}: key 'conditions': {condition!r}: expected modalities joined "
        f'by +: {", ".join(sorted(known, key=modality_order))}'
      )
  errors.raise_faults(faults)
  return info


def _read_clips(
  path: pathlib.Path, info: Mapping[str, Any], names: Sequence[str]
) -> Corpus:
  table = _labelled_table(path, ('id', 'group'), CLIP_COLUMNS, info, names)
  ids = table.ids('id', table.columns['id'])
  groups = table.things('group', needed=True)
  labels, scores = read_labels(table, info, ', or empty')
  split, fold = read_places(table)
  note_straddling(table, groups, fold if split is None else split)
  own = {'score'} if scores is not None else set()
  own.update(name for known in names for name in declared.columns(known))
  metadata = table.columns | read_times(table) | read_sources(table)
  table.finish()
  return Corpus(
    info=info,
    ids=np.array(ids),
    groups=np.array(groups),
    labels=labels,
    scores=scores,
    split=split,
    fold=fold,
    metadata={
      name: np.array(values)
      for name, values in metadata.items()
      if name not in _NAMED_COLUMNS and name not in own
    },
  )


def _labelled_table(
  path: pathlib.Path,
  required: Sequence[str],
  known: Sequence[str],
  info: Mapping[str, Any],
  names: Sequence[str],
) -> tables.Table:
  """A table with a column of the label, of its score, or both.

  Args:
    path: the file.
    required: other columns that must be there.
    known: other columns.
    info: of the label.
    names: of all labels, where there are several.
  """
  label, score = declared.columns(info.get(declared.NAME, '') if names else '')
  has_values = declared.values_of(info) is not None
  table = tables.Table(
    path,
    required if has_values else (*required, label),
    (*known, label, score, *(c for n in names for c in declared.columns(n))),
  )
  if has_values and not {label, score} & set(table.columns):
    table.faults.add(f'{path}: expected a column {score!r} or {label!r}')
    table.finish()
  if names and not has_values and score in table.columns:
    table.faults.add(
      f'{path}: column {score!r}: the label has neither values nor a scale'
    )
  for column in table.columns if names else ():
    kind, _, name = column.partition('.')
    if kind not in ('label', 'score') or name in names:
      continue
    table.faults.add(
      f'{path}: column {column!r}: expected {kind}.NAME, of one of the labels '
      f'{", ".join(names)}'
    )
  return table


def read_labels(
  table: tables.Table, info: Mapping[str, Any], more: str = ''
) -> tuple[np.ndarray, np.ndarray | None]:
  """Labels and scores; what is wrong is noted in the table.

  Args:
    table: with the columns of the label, or of its score if it has values.
    info: of the label.
    more: what else is expected of labels, for the message.

  Returns:
    Labels, (rows,) int32, `UNLABELLED` where they are missing; and scores,
    (rows,) float64, NaN likewise, or None if the label has no values.
  """
  label, score = declared.columns(info.get(declared.NAME, ''))
  if label not in table.columns and score not in table.columns:
    label, score = declared.columns('')  # It was written as the only one.
  codes = np.full(len(table), UNLABELLED, np.int32)
  if label in table.columns:
    codes = label_codes(table, label, info['classes'], more)
  values = declared.values_of(info)
  if values is None:
    return codes, None
  if score not in table.columns:
    return declared.filled(codes, None, values)
  low, high = declared.limits(info)
  scores = np.full(len(table), np.nan)
  for row, found in enumerate(table.numbers(score)):
    if found < low or found > high:
      says = f'is outside of the scale, {low:g} to {high:g}'
      table.fault(row, score, f'{table.columns[score][row]!r} {says}', says)
    else:
      scores[row] = found
  own = declared.class_of(scores, values)
  for row in declared.contradictions(codes, scores, values):
    table.fault(
      row,
      score,
      f'{table.columns[score][row]} is of the class '
      f'{info["classes"][own[row]]!r}, but the label is '
      f'{info["classes"][codes[row]]!r}',
      'contradiction',
    )
  return declared.filled(codes, scores, values)


def label_codes(
  table: tables.Table, column: str, classes: Sequence[str], more: str = ''
) -> np.ndarray:
  """Labels as indices into classes, `UNLABELLED` where they are missing.

  Args:
    table: other labels are noted as its faults.
    column: of the labels.
    classes: as they are declared.
    more: what else is expected, for the message.

  Returns:
    (rows,) int32.
  """
  number_of = {name: i for i, name in enumerate(classes)}
  codes = np.full(len(table), UNLABELLED, np.int32)
  for row, label in enumerate(table.things(column, classes)):
    if label in number_of:
      codes[row] = number_of[label]
    elif label:
      expected = f'is not {_one_of(classes)}{more}'
      table.fault(row, column, f'{label!r} {expected}', expected)
  return codes


def read_places(
  table: tables.Table,
) -> tuple[np.ndarray | None, np.ndarray | None]:
  """The columns `split`, (N,) str, and `fold`, (N,) int32; None without."""
  names = table.columns
  if 'split' in names and 'fold' in names:
    table.faults.add(
      f"{table.path}: has columns 'split' and 'fold'; expected one"
    )
  elif 'split' in names:
    split = [spelling.clean(name).casefold() for name in names['split']]
    for row, name in enumerate(split):
      if name not in SPLITS:
        expected = f'is not {_one_of(SPLITS)}'
        table.fault(
          row, 'split', f'{names["split"][row]!r} {expected}', expected
        )
    return np.array(split), None
  elif 'fold' in names:
    fold = table.convert('fold', tables.natural, 'a fold number 0, 1, 2, ...')
    used = {number for number in fold if number is not None}
    # K used numbers have to be 0 to K-1: looks no further than that.
    missing = sorted(set(range(len(used))) - used)
    for number in missing[:3]:
      table.faults.add(
        f"{table.path}: column 'fold': no clip is in fold {number}"
      )
    # Those far away are faults already.
    fold = [-1 if n is None else min(n, len(used)) for n in fold]
    return None, np.array(fold, np.int32)
  return None, None


def note_straddling(
  table: tables.Table, groups: Sequence[str], places: np.ndarray | None
) -> None:
  """Notes groups that the table's own split or folds part.

  Args:
    table: with a column `split` or `fold`, if there are places.
    groups: N names.
    places: (N,) the split or fold of each clip; None if there is none.
  """
  if places is None:
    return
  first: dict[str, Any] = {}
  parted = {
    group
    for group, place in zip(groups, places.tolist(), strict=True)
    if first.setdefault(group, place) != place
  }
  if parted:
    table.note(
      'split' if 'split' in table.columns else 'fold',
      f'parts {len(parted):,} of {len(first):,} groups, such as '
      f'{min(parted)!r}: models are tested on groups that they were trained on',
    )


def read_times(table: tables.Table) -> dict[str, list[str]]:
  """The columns `start` and `end`, in seconds, '' where there is no time."""
  times = {
    name: table.convert(name, tables.seconds, 'a time in seconds, or empty')
    for name in ('start', 'end')
    if name in table.columns
  }
  for row, end in enumerate(times.get('end', [])):
    start = times['start'][row] if 'start' in times else 0.0
    if None not in (start, end) and end <= start:
      table.fault(
        row, 'end', f'{end:g} is not after the start, {start:g}', 'not after'
      )
  return {
    name: [
      '' if value is None else _seconds_text(value, text)
      for value, text in zip(values, table.columns[name], strict=True)
    ]
    for name, values in times.items()
  }


def _seconds_text(value: float, text: str) -> str:
  """A time as it is written, if that is a plain number."""
  try:
    return text.strip() if float(text) == value else repr(value)
  except ValueError:
    return repr(value)


def read_sources(table: tables.Table) -> dict[str, list[str]]:
  """The columns `transcript`, `audio` and `video`, '' where they are missing.

  A transcript may be `None.` or `-`: only what programs write for a gap, and
  nobody says, is missing.
  """
  found = {}
  for name in ('transcript', 'audio', 'video'):
    texts = table.columns.get(name, [])
    gaps = [
      bool(text)
      and spelling.is_missing(text)
      and (name != 'transcript' or text.strip() in _GAPS)
      for text in texts
    ]
    if any(gaps):
      word = texts[gaps.index(True)]
      table.note(
        name,
        f'taken as missing: {word!r} ({spelling.counted(sum(gaps), "row")})',
      )
    if name in table.columns:
      found[name] = [
        '' if gap else text for text, gap in zip(texts, gaps, strict=True)
      ]
  return found


def _read_votes(
  path: pathlib.Path, corpus: Corpus, labels: Sequence[str]
) -> tuple[Votes | None, Votes | None]:
  """The votes of people, and of models."""
  info = corpus.info
  required = ('id', 'condition')
  table = _labelled_table(path, required, VOTE_COLUMNS, info, labels)
  names = spelling.Names(corpus.ids.tolist())
  if not corpus.conditions:
    found = {condition_name(text) for text in table.columns['condition']} - {''}
    raise errors.InputError(
      f"{path}: column 'condition': found {', '.join(sorted(found))}, but "
      f'{path.parent / "corpus.json"} has no conditions: add them there'
    )
  clip = find_clips(table, 'id', names)
  votes = read_votes(table, clip, corpus.classes, corpus.conditions, info)
  judges = info.get('judges', [])
  known = set(votes.annotator.tolist())
  for name in judges:
    if not labels and not table.faults and name not in known:
      table.note('annotator', f'{name!r}, one of the judges, is not there')
  table.finish()
  if not judges:
    return votes if len(votes.clip) or not labels else None, None
  by_model = np.isin(votes.annotator, judges)
  parts = (votes.where(~by_model), votes.where(by_model))
  return tuple(part if len(part.clip) else None for part in parts)


def find_clips(
  table: tables.Table, column: str, names: spelling.Names
) -> list[int | None]:
  """The number of the clip that each row names, None for a fault."""
  rows: list[int | None] = []
  respelt: list[str] = []
  for row, text in enumerate(table.columns[column]):
    try:
      rows.append(names.find(text))
      if not names.has(text):
        respelt.append(text)
    except KeyError:
      rows.append(None)
      table.fault(
        row,
        column,
        f'{text!r} is not a clip of clips.csv{names.hint(text)}',
        'unknown',
      )
  if respelt:
    table.note(
      column,
      f'{respelt[0]!r} and the like are clips in another spelling '
      f'({spelling.counted(len(respelt), "row")})',
    )
  return rows


def read_votes(
  table: tables.Table,
  clip: Sequence[int | None],
  classes: Sequence[str],
  conditions: Sequence[str],
  info: Mapping[str, Any] | None = None,
) -> Votes:
  """The votes of a table, whose faults are noted in it.

  Args:
    table: with the columns `condition` and `label`; without `annotator` and
      `count`, each row is a vote of somebody.
    clip: the clip of each row, None where that is a fault.
    classes: of the corpus.
    conditions: of the corpus.
    info: of the corpus, whose label may have values, or be one of several; None
      for classes alone.

  Returns:
    The votes; a row without a label is none, and noted.
  """
  condition = table.convert(
    'condition',
    lambda text: conditions.index(condition_name(text)),
    _one_of(conditions),
  )
  info = {'classes': classes} if info is None else info
  label, scores = read_labels(table, info)
  annotator = [''] * len(table)
  if 'annotator' in table.columns:
    annotator = table.things('annotator', info.get('judges', ()))
  count = [1] * len(table)
  if 'count' in table.columns:
    count = table.convert(
      'count', tables.positive, 'a number of votes, 1 or more'
    )
  first_row: dict[tuple, int] = {}
  for row, key in enumerate(zip(clip, condition, annotator, strict=True)):
    if not key[2] or label[row] == UNLABELLED:
      continue
    if count[row] not in (1, None):
      table.fault(row, 'count', 'a named annotator has one vote')
    first = first_row.setdefault(key, row)
    if first != row and None not in key:
      table.fault(
        row,
        'annotator',
        f'{key[2]!r} voted for this clip and condition already, on line '
        f'{table.lines[first]}',
        'twice',
      )
  voted = label != UNLABELLED
  # A row of several labels need not rate all.
  if not table.faults and not voted.all() and not info.get(declared.NAME):
    table.note(
      'label',
      'left out: '
      + spelling.counted(int((~voted).sum()), 'vote')
      + ' without a label',
    )
  if table.faults:  # `finish` tells them.
    voted[:] = False
  return Votes(
    clip=np.array(list(itertools.compress(clip, voted)), np.int32),
    condition=np.array(list(itertools.compress(condition, voted)), np.int32),
    annotator=np.array(annotator, np.str_)[voted],
    label=label[voted],
    count=np.array(list(itertools.compress(count, voted)), np.int64),
    scores=None if scores is None else scores[voted],
  )


def _clip_columns(by_label: Mapping[str, Corpus]) -> dict[str, Iterable]:
  corpus = next(iter(by_label.values()))
  for other in by_label.values():
    if not (
      np.array_equal(corpus.ids, other.ids)
      and np.array_equal(corpus.groups, other.groups)
    ):
      raise ValueError('expected the same clips with every label')
  columns = {'id': corpus.ids, 'group': corpus.groups}
  for name, own in by_label.items():
    columns |= _label_columns(name, own, own.labels, own.scores)
  if corpus.split is not None:
    columns['split'] = corpus.split
  if corpus.fold is not None:
    columns['fold'] = corpus.fold
  return columns | dict(corpus.metadata)


def joined(parts: Sequence[Votes]) -> Votes:
  """The votes of several tables, one after the other."""
  return Votes(
    *(
      None
      if getattr(parts[0], field.name) is None
      else np.concatenate([getattr(part, field.name) for part in parts])
      for field in dataclasses.fields(Votes)
    )
  )


def _label_columns(
  name: str, corpus: Corpus, labels: np.ndarray, scores: np.ndarray | None
) -> dict[str, np.ndarray]:
  """A label, and its scores where it does not say them."""
  label, score = declared.columns(name)
  columns = {label: np.array([*corpus.classes, ''])[labels]}
  if scores is not None:
    known = np.append(corpus.values, np.nan)[labels]
    if not np.array_equal(scores, known, equal_nan=True):
      texts = [
        '' if np.isnan(value) else repr(value) for value in scores.tolist()
      ]
      columns[score] = np.array(texts)
  return columns


def _vote_columns(by_label: Mapping[str, Corpus]) -> dict[str, Iterable] | None:
  """A row a vote; of several labels, one for all by a named annotator."""
  rows: dict[tuple, int] = {}
  cells: dict[str, dict[int, str]] = {}
  for name, corpus in by_label.items():
    for votes in (corpus.votes, corpus.judges):
      if votes is None:
        continue
      own = []
      for entry in zip(
        corpus.ids[votes.clip].tolist(),
        np.array(corpus.conditions)[votes.condition].tolist(),
        votes.annotator.tolist(),
        votes.count.tolist(),
        strict=True,
      ):
        # Without a name, nobody knows which votes are of one.
        key = entry if entry[2] and '' not in by_label else (*entry, len(rows))
        own.append(rows.setdefault(key, len(rows)))
      for column, values in _label_columns(
        name, corpus, votes.label, votes.scores
      ).items():
        cells.setdefault(column, {}).update(
          zip(own, values.tolist(), strict=True)
        )
  if not cells and all(corpus.votes is None for corpus in by_label.values()):
    return None
  for name in by_label:  # A label may be without votes.
    cells.setdefault(declared.columns(name)[0], {})
  ids, conditions, annotators, counts = (
    [key[i] for key in rows] for i in range(4)
  )
  return {
    'id': ids,
    'condition': conditions,
    'annotator': annotators,
    **{
      column: [found.get(row, '') for row in range(len(rows))]
      for column, found in cells.items()
    },
    'count': counts,
  }
