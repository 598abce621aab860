"""Features of a whole corpus: in parts, so that a run may be killed.

Each part is a file in `features/.<modality>.parts`, written whole or not at
all; one that was damaged since is made again. Which clips are in which part,
and together in a batch, follows from the corpus alone: a run that was killed
ends with the same bytes as one that was not. `features/<modality>.json` says
what the features were made with, of which clips there are none, and why, and of
which ones a part was left out.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, files, progress
from empathy.corpora import corpus as corpus_lib
from empathy.encoders import extractors, inputs, media

_LOGGER = logging.getLogger('empathy')


class NoFeaturesError(errors.InputError):
  """No clip has features of a modality.

  Attributes:
    is_absent: because no file has a track of it; else, files are at fault.
  """

  def __init__(self, message: str, is_absent: bool):
    super().__init__(message)
    self.is_absent = is_absent


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is to be done for one modality.

  Attributes:
    path: of the features, an `.npz` file.
    record: what they depend on, as JSON.
    parts: the clips of each part.
    is_sequence: whether features have a length.
    faults: 'skip': a clip whose media cannot be used has no features; 'fatal':
      it ends the run.
    most: as in `Extractor`.
  """

  path: pathlib.Path
  record: dict[str, Any]
  parts: Sequence[Sequence[inputs.Clip]]
  is_sequence: bool
  faults: str
  most: str = ''

  @property
  def folder(self) -> pathlib.Path:
    """Where the parts are."""
    return self.path.with_name(f'.{self.path.stem}.parts')

  @property
  def sidecar(self) -> pathlib.Path:
    """What says how the features were made."""
    return self.path.with_suffix('.json')

  def part_path(self, number: int) -> pathlib.Path:
    """The file of a part."""
    return self.folder / f'{number:06d}.npz'

  def is_done(self) -> bool:
    """Whether the features are there.

    Raises:
      InputError: there are some, but made otherwise.
    """
    if not self.path.exists():
      return False
    if not self.sidecar.exists():
      raise errors.InputError(
        f'{self.path}: exists, and no {self.sidecar.name} says what it was '
        'made with; remove it to extract again'
      )
    _check_same(self.sidecar, self.record, self.path)
    return True

  def undone(self) -> list[int]:
    """The numbers of the parts that are not there yet, or are damaged."""
    return [
      number
      for number in range(len(self.parts))
      if not _is_whole(self.part_path(number))
    ]


def prepare(
  path: pathlib.Path,
  modality: str,
  config: Mapping[str, Any],
  spread: Callable,
  output: pathlib.Path | None = None,
) -> tuple[Plan, extractors.Extractor]:
  """The plan for one modality, and what it is done with.

  Args:
    path: the corpus folder.
    modality: one of the corpus'.
    config: the fields `features`, `seconds`, `num_frames` and `faults`.
    spread: see `extractors.make`.
    output: of the features; None: where the corpus has them.

  Raises:
    InputError: as `extractors.make` and `plan`.
  """
  extractor = extractors.make(
    modality,
    config['features'][modality],
    config['seconds'],
    config['num_frames'],
    spread,
  )
  corpus = corpus_lib.read_any(path)
  faults = config['faults']
  return plan(corpus, modality, extractor, faults, output), extractor


def plan(
  corpus: corpus_lib.Corpus,
  modality: str,
  extractor: extractors.Extractor,
  faults: str,
  path: pathlib.Path | None = None,
) -> Plan:
  """Decides what is done in which part, and begins or goes on.

  Args:
    corpus: read from a folder.
    modality: one of the corpus'.
    extractor: of this modality.
    faults: 'skip' or 'fatal'.
    path: of the features; None: where the corpus has them.

  Returns:
    The plan.

  Raises:
    InputError: the corpus does not say where the media are, or has features, or
      parts of them, that were made otherwise.
  """
  clips = clips_of(corpus, modality)
  digest = hashlib.sha256()
  for clip in clips:
    # From the corpus on: the folder may move.
    source = clip.source
    if modality != 'text':
      source = os.path.relpath(source, corpus.path)
    named = dataclasses.replace(clip, source=source)
    digest.update(json.dumps(dataclasses.astuple(named)).encode() + b'\n')
  with concurrent.futures.ThreadPoolExecutor() as pool:
    sizes = list(pool.map(extractor.size, clips))
  order = np.argsort(sizes, kind='stable')
  size = extractor.clips_in_a_part
  found = Plan(
    path=path or corpus.path / 'features' / f'{modality}.npz',
    record=json.loads(
      json.dumps(dict(extractor.record) | {'clips_sha256': digest.hexdigest()})
    ),
    parts=[
      [clips[i] for i in order[first : first + size]]
      for first in range(0, len(clips), size)
    ],
    is_sequence=extractor.is_sequence,
    faults=faults,
    most=extractor.most,
  )
  if not found.is_done():
    settings = found.folder / 'settings.json'
    if settings.exists():
      _check_same(settings, found.record, found.folder)
    else:
      shutil.rmtree(found.folder, ignore_errors=True)
      files.write_json(settings, {'record': found.record})
  return found


def clips_of(corpus: corpus_lib.Corpus, modality: str) -> list[inputs.Clip]:
  """The clips that have the modality, in the order of the corpus.

  Args:
    corpus: read from a folder; relative paths of media start there.
    modality: `text` is the column `transcript`; others have their own name.

  Raises:
    InputError: there is no such column.
    NoFeaturesError: it is empty.
  """
  path = corpus.path / 'clips.csv'
  column = 'transcript' if modality == 'text' else modality
  if column not in corpus.metadata:
    raise errors.InputError(
      f'{path}: column {column!r} is missing; it holds the {modality} of clips'
    )
  clips = []
  times = {
    name: corpus.metadata.get(name, [''] * len(corpus.ids))
    for name in ('start', 'end')
  }
  for row, source in enumerate(corpus.metadata[column].tolist()):
    if not source.strip():
      continue
    start, end = (str(times[name][row]) for name in ('start', 'end'))
    clip = inputs.Clip(str(corpus.ids[row]), source)
    if modality != 'text':
      clip = inputs.Clip(
        clip.id,
        str(corpus.path / source),
        float(start) if start else 0.0,
        float(end) if end else None,
      )
    clips.append(clip)
  if not clips:
    raise NoFeaturesError(
      f'{path}: column {column!r} is empty everywhere', True
    )
  return clips


def extract(to_do: Plan, extractor: extractors.Extractor) -> None:
  """Makes the parts that are missing; decoding overlaps computing.

  Args:
    to_do: as planned.
    extractor: that it was planned with.

  Raises:
    InputError: a clip's media cannot be used, and that is fatal.
  """
  undone = to_do.undone()
  total = sum(map(len, to_do.parts))
  title = to_do.path.stem
  with (
    progress.Progress(title, total, 'clip') as shown,
    concurrent.futures.ThreadPoolExecutor(_num_threads()) as pool,
  ):
    shown.skip(total - sum(len(to_do.parts[number]) for number in undone))
    try:
      for number, loading in _ahead(to_do, undone, extractor, pool):
        write_part(to_do, number, [one.result() for one in loading], extractor)
        shown.advance(len(loading))
    except BaseException:
      pool.shutdown(cancel_futures=True)
      raise


def extract_part(
  to_do: Plan, number: int, extractor: extractors.Extractor
) -> None:
  """Makes one part."""
  loaded = [_load(extractor, clip) for clip in to_do.parts[number]]
  write_part(to_do, number, loaded, extractor)


def write_part(
  to_do: Plan,
  number: int,
  loaded: Sequence[Any],
  extractor: extractors.Extractor,
) -> None:
  """Computes and writes a part.

  Args:
    to_do: as planned.
    number: of the part.
    loaded: for each of its clips an `inputs.Loaded`, or the `MediaError`.
    extractor: that it was planned with.

  Raises:
    InputError: a clip's media cannot be used, and that is fatal.
  """
  clips = to_do.parts[number]
  reasons = [
    str(item) if isinstance(item, media.MediaError) else '' for item in loaded
  ]
  good = [i for i, reason in enumerate(reasons) if not reason]
  values = dict(
    zip(good, extractor.compute([loaded[i].rows for i in good]), strict=True)
  )
  for i in good:
    if not np.isfinite(values[i]).all():
      reasons[i] = 'gives features that are no finite numbers'
  kept = [i for i in good if not reasons[i]]
  faults = [
    _fault(clips[i], reason) for i, reason in enumerate(reasons) if reason
  ]
  if to_do.faults == 'fatal':
    errors.raise_faults(faults)
  for fault in faults:
    _LOGGER.warning('skipped: %s', fault)
  bad = [i for i, reason in enumerate(reasons) if reason]
  arrays = {
    'id': np.array([clips[i].id for i in kept], np.str_),
    'cut_id': np.array(
      [clips[i].id for i in kept if loaded[i].is_cut], np.str_
    ),
    'skipped_id': np.array([clips[i].id for i in bad], np.str_),
    'skipped_reason': np.array([reasons[i] for i in bad], np.str_),
  }
  if kept:
    join = np.concatenate if to_do.is_sequence else np.stack
    arrays['features'] = join([values[i] for i in kept])
    arrays['length'] = np.array([len(values[i]) for i in kept], np.int64)
    if extractor.has_times and all(loaded[i].times is not None for i in kept):
      arrays['time'] = np.concatenate(
        [
          np.repeat(loaded[i].times, len(values[i]) // len(loaded[i].times))
          for i in kept
        ]
      )
  with (
    files.replacing(to_do.part_path(number)) as temporary,
    open(temporary, 'wb') as file,
  ):
    np.savez(file, **arrays)


def check_any(to_do: Plan) -> None:
  """Makes sure that a clip has features; else removes the parts.

  Args:
    to_do: all of whose parts are there.

  Raises:
    NoFeaturesError: none has.
  """
  skipped: dict[str, str] = {}
  for number in range(len(to_do.parts)):
    with np.load(to_do.part_path(number), allow_pickle=False) as part:
      if len(part['id']):
        return
      ids, reasons = part['skipped_id'], part['skipped_reason']
      skipped |= dict(zip(ids.tolist(), reasons.tolist(), strict=True))
  shutil.rmtree(to_do.folder)
  raise NoFeaturesError(
    f'{to_do.path}: no clip has features: all {len(skipped)} were skipped, '
    f'{next(iter(skipped))} because it {next(iter(skipped.values()))}',
    all(why.startswith(media.NO_TRACK) for why in skipped.values()),
  )


def drop(corpus: corpus_lib.Corpus, absent: Sequence[str]) -> None:
  """Takes modalities that no clip has out of `corpus.json`, and says so.

  Raises:
    InputError: there are no others.
  """
  rest = [name for name in corpus.info['modalities'] if name not in absent]
  if not rest:
    raise errors.InputError(
      f'{corpus.path}: no file has a track of {" or ".join(absent)}'
    )
  if absent:
    path = corpus.path / 'corpus.json'
    files.write_json(path, dict(corpus.info) | {'modalities': rest})
  for name in absent:
    print(f'{name}: no clip has any: it is taken out of {path}')


def finish(to_do: Plan, corpus: corpus_lib.Corpus) -> dict[str, str]:
  """Joins the parts to the corpus' features, and removes them.

  Args:
    to_do: all of whose parts are there.
    corpus: that it was planned for.

  Returns:
    Why clips were skipped, by id.

  Raises:
    NoFeaturesError: no clip has features.
  """
  check_any(to_do)
  values: dict[str, np.ndarray] = {}
  times: dict[str, np.ndarray] = {}
  skipped: dict[str, str] = {}
  cut: set[str] = set()
  for number in range(len(to_do.parts)):
    with np.load(to_do.part_path(number), allow_pickle=False) as part:
      skipped |= dict(
        zip(
          part['skipped_id'].tolist(),
          part['skipped_reason'].tolist(),
          strict=True,
        )
      )
      if not len(part['id']):
        continue
      cut.update(part['cut_id'].tolist())
      rows = part['features']
      if to_do.is_sequence:
        rows = np.split(rows, np.cumsum(part['length'])[:-1])
      values |= dict(zip(part['id'].tolist(), rows, strict=True))
      if 'time' in part:
        each = np.split(part['time'], np.cumsum(part['length'])[:-1])
        times |= dict(zip(part['id'].tolist(), each, strict=True))
  ids = [clip for clip in corpus.ids.tolist() if clip in values]
  rows = [values[clip] for clip in ids]
  length = np.array([len(row) for row in rows]) if to_do.is_sequence else None
  # Both are made whole among the parts, so that nothing is left behind.
  made = to_do.folder / to_do.path.name
  corpus_lib.write_features(
    made,
    np.array(ids),
    np.concatenate(rows) if to_do.is_sequence else np.stack(rows),
    length,
    time=np.concatenate([times[clip] for clip in ids]) if times else None,
  )
  note = to_do.folder / to_do.sidecar.name
  ordered = {c: skipped[c] for c in corpus.ids.tolist() if c in skipped}
  left = [clip for clip in ids if clip in cut]
  files.write_json(
    note, {'record': to_do.record, 'skipped': ordered, 'cut': left}
  )
  if left:
    _LOGGER.warning(
      '%s: %d of %d clips are longer than %s, and the rest of them is left out'
      '%s',
      to_do.path.stem,
      len(left),
      len(ids),
      to_do.most,
      '; their transcripts are whole' if to_do.most.endswith(' s') else '',
    )
  note.replace(to_do.sidecar)
  made.replace(to_do.path)
  return ordered


def remove_parts(to_do: Plan) -> None:
  """Removes what is not needed once the features are there."""
  shutil.rmtree(to_do.folder, ignore_errors=True)


def _ahead(
  to_do: Plan,
  numbers: Sequence[int],
  extractor: extractors.Extractor,
  pool: concurrent.futures.Executor,
) -> Iterator[tuple[int, list[concurrent.futures.Future]]]:
  """Yields (part, its clips' futures), the next part being loaded already."""

  def begin(number: int) -> tuple[int, list[concurrent.futures.Future]]:
    return number, [
      pool.submit(_load, extractor, clip) for clip in to_do.parts[number]
    ]

  waiting = [begin(number) for number in numbers[:1]]
  for number in [*numbers[1:], None]:
    if number is not None:
      waiting.append(begin(number))
    if waiting:
      yield waiting.pop(0)


def _load(
  extractor: extractors.Extractor, clip: inputs.Clip
) -> inputs.Loaded | media.MediaError:
  try:
    return extractor.load(clip)
  except media.MediaError as error:
    return error


def _fault(clip: inputs.Clip, reason: str) -> str:
  return f'clip {clip.id!r}: {clip.source[:200]!r} {reason}'


def _check_same(
  path: pathlib.Path, record: dict[str, Any], what: pathlib.Path
) -> None:
  """Raises an `InputError` that names how `path` differs from `record`."""
  try:
    old = json.loads(path.read_text(encoding='utf-8'))['record']
    differing = {
      key
      for key in old.keys() | record.keys()
      if old.get(key) != record.get(key)
    }
  except (ValueError, KeyError, TypeError, AttributeError):
    raise errors.InputError(
      f'{path}: does not say what the features were made with; remove {what} '
      'to extract again'
    ) from None
  if differing:
    changes = ', '.join(
      f'{key} {old.get(key)!r}, now {record.get(key)!r}'
      for key in sorted(differing)
    )
    raise errors.InputError(
      f'{what}: was made with other settings ({changes}); remove it to extract '
      'again'
    )


def _is_whole(path: pathlib.Path) -> bool:
  """Whether a part is there, with the checksums that it was written with."""
  if not path.exists():
    return False
  try:
    with zipfile.ZipFile(path) as archive:
      if archive.testzip() is None:
        return True
  except Exception:  # Of many kinds, by what is damaged.
    pass
  _LOGGER.warning('%s: is damaged, and made again', path)
  return False


def _num_threads() -> int:
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
