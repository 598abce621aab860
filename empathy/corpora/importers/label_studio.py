"""Ratings that were given in Label Studio, as its export JSON has them.

Reads one `.json` file: a list of tasks, each with `data` and `annotations`
(labelstud.io/guide/task_format, November 2026). Each control of the labelling
interface (`from_name`) is a label, and each annotation that was not cancelled a
vote of whom it was `completed_by`:

  choices   the class; where some annotation has several choices, each choice is
            a label of its own, yes or no, and who chose none has not rated
  rating, number   a number, on the scale that `--scale=1,5` says
  taxonomy  the path, as in `negative / sad`

Other results, and those of parts of a clip, are left out, which is said. Who
has annotated a clip several times has the vote of the last time. An annotation
that is marked as ground truth is the clip's label too; where there is none, its
raters say what it is.

Of `data` are taken:

  id        of the clip; without it, the task's own number
  text, transcript   what is said
  a path or address of a sound or video file, under any name; the files
            themselves are looked for by name below the folder; of others
            the column `audio_address` or `video_address` keeps the address
  condition what annotators perceived, as `audio` or `text+video`; without it,
            what `--shown` says, or else the text, sound and pictures that the
            task has, of a video both
  group     what must not straddle a split; without it, a column that names
            persons or conversations, or else every clip is its own group

Other texts and numbers are kept. Tasks with one id are one clip, as when it was
shown in several conditions. `evaluate --label_studio=FILE` writes such tasks.
"""

import dataclasses
import logging
import math
import pathlib
import re
import reprlib
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import (
  grouping,
  ratings,
  sheets,
  spelling,
  tables,
  tracks,
)

# Of a file that may be given in place of the folder.
SUFFIXES = ('.json',)
_TEXTS = ('transcript', 'text', 'utterance', 'dialogue', 'dialog')
_OURS = frozenset(
  ('id', 'group', 'label', 'score', 'split', 'fold', 'condition')
)
# What names of uploaded files begin with.
_UPLOAD = re.compile(r'[0-9a-f]{8}-')
_PATH = ' / '
# Of a file that is not below the folder, so that Label Studio still finds it.
_ADDRESS = '_address'
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass
class _Clip:
  """What the tasks with one id say of a clip.

  Attributes:
    row: of the clip.
    texts: of `data`, by column.
    media: names of files, by modality.
  """

  row: int
  texts: dict[str, str]
  media: dict[str, str]


@dataclasses.dataclass(frozen=True)
class _Said:
  """What an annotation says of a clip.

  Attributes:
    clip: its row.
    condition: what was shown.
    annotator: '' if not known.
    when: the later, the larger.
    truth: whether it is marked as ground truth.
    values: by control, the choices or the number.
  """

  clip: int
  condition: str
  annotator: str
  when: tuple
  truth: bool
  values: Mapping[str, Sequence[str]]


def read(
  source: pathlib.Path,
  shown: str = '',
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads the export.

  Args:
    source: the file, or the folder that holds it and perhaps the media.
    shown: what annotators were shown, where `data` has no `condition`.
    scale: the ends of the scale of numbers, by label, '' for all.

  Returns:
    The clips in the order of the tasks, with the votes; by name of the label
    where there are several.

  Raises:
    InputError: something is missing or wrong; each kind of fault has a line.
  """
  path = _find(source)
  tasks = files.read_json(path)
  reader = _Reader(path, shown)
  reader.read(tasks)
  folder = source if source.is_dir() else source.parent
  return reader.corpora(folder, scale or {})


def _find(source: pathlib.Path) -> pathlib.Path:
  if source.is_file():
    return source
  found = sorted(
    path for path in source.glob('*.json') if not path.name.startswith('.')
  )
  if len(found) != 1:
    names = ', '.join(path.name for path in found) or 'none'
    raise errors.InputError(
      f'{source}: expected one .json file, found {names}; give one as --source'
    )
  return found[0]


class _Reader:
  """Gathers clips and annotations, and faults by kind."""

  def __init__(self, path: pathlib.Path, shown: str):
    self._path = path
    self._shown = sheets.shown(shown, corpus_lib.MODALITIES) and shown
    self._clips: dict[str, _Clip] = {}
    self._said: list[_Said] = []
    self._left: dict[str, int] = {}
    self._faults = errors.Faults()

  def read(self, tasks: Any) -> None:
    """Takes all tasks, and raises what is wrong with any."""
    if isinstance(tasks, dict) and 'data' in tasks:
      tasks = [tasks]
    if not isinstance(tasks, list) or not tasks:
      raise errors.InputError(f'{self._path}: expected a list of tasks')
    for number, task in enumerate(tasks):
      if not isinstance(task, dict):
        self._fault(number, 'expected an object of keys and values')
      elif not isinstance(task.get('data'), dict):
        self._fault(
          number, "'data' is missing; export as JSON, not as JSON-MIN"
        )
      else:
        self._task(number, task)
    self._faults.raise_all('tasks')

  def _fault(self, task: int, message: str, kind: str | None = None) -> None:
    self._faults.add(
      f'{self._path}: task {task + 1}: {message}', task + 1, kind or message
    )

  def _task(self, number: int, task: Mapping[str, Any]) -> None:
    data = task['data']
    name = data.get('id', task.get('id'))
    if not _is_name(name):
      self._fault(number, "'id': expected a number or a text")
      return
    texts, media, shown = self._data(data)
    if not shown:
      self._fault(number, "'data' has no text, sound or video")
      return
    condition = corpus_lib.view_name(shown)
    told = data.get('condition', self._shown)
    if told:
      condition = sheets.condition(str(told), sorted(shown))
      if not set(condition.split('+')) <= set(corpus_lib.MODALITIES):
        self._fault(
          number,
          f"'condition': {reprlib.repr(told)}: expected text, audio and "
          'video joined by +',
          'condition',
        )
        return
    key = spelling.clean(str(name))
    clip = self._clips.get(key)
    if clip is None:
      clip = self._clips[key] = _Clip(len(self._clips), texts, media)
    told = clip.texts | clip.media
    both = texts | media
    for column in told.keys() & both.keys() - {'condition'}:
      if told[column] != both[column]:
        self._fault(
          number,
          f'clip {key!r} is in another task too, with another {column!r}',
          'another',
        )
        return
    clip.texts, clip.media = texts | clip.texts, media | clip.media
    found = task.get('annotations', task.get('completions', []))
    if not isinstance(found, list):
      self._fault(number, "'annotations': expected a list")
      return
    for one in found:
      self._annotation(number, clip.row, condition, one)

  def _data(
    self, data: Mapping[str, Any]
  ) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """Texts by column, names of files by modality, and what is shown."""
    texts, media, films = {}, {}, []
    for column, value in data.items():
      if column in _TEXTS and isinstance(value, str | list):
        text = value if isinstance(value, str) else _dialogue(value)
        if text.strip():
          texts.setdefault('transcript', text)
      elif not isinstance(value, str | int | float) or value is True:
        continue
      elif not isinstance(value, str) or not tracks.of_name(_file(value)):
        texts[column] = str(value)
      elif column == 'audio' or len(tracks.of_name(_file(value))) == 1:
        media['audio'] = value
      else:
        films.append(value)
    for film in films[:1]:
      media = {'audio': film, 'video': film} | media
    shown = set(media) | ({'text'} if 'transcript' in texts else set())
    return texts, media, shown

  def _annotation(
    self, task: int, clip: int, condition: str, found: Any
  ) -> None:
    if not isinstance(found, dict) or not isinstance(found.get('result'), list):
      self._fault(task, "an annotation has no list 'result'")
      return
    if found.get('was_cancelled'):
      self._left['cancelled annotations'] = (
        self._left.get('cancelled annotations', 0) + 1
      )
      return
    who = found.get('completed_by')
    if isinstance(who, dict):
      who = next(
        (
          who[key]
          for key in ('email', 'id', 'username')
          if _is_name(who.get(key))
        ),
        who,
      )
    if who is not None and not _is_name(who):
      self._fault(task, "'completed_by': expected a number or a person")
      return
    values: dict[str, list[str]] = {}
    for result in found['result']:
      control, own = self._result(task, result)
      if control and values.setdefault(control, own) is not own:
        self._fault(
          task, f'an annotation has two results of {control!r}', 'two results'
        )
    when = tuple(
      str(found.get(key) or '') for key in ('updated_at', 'created_at')
    )
    self._said.append(
      _Said(
        clip,
        condition,
        '' if who is None else str(who),
        when,
        bool(found.get('ground_truth')),
        values,
      )
    )

  def _result(self, task: int, result: Any) -> tuple[str, list[str]]:
    """The control and what it says; '' where that is left out."""
    if not isinstance(result, dict):
      self._fault(task, 'a result is no object of keys and values')
      return '', []
    kind, value = result.get('type'), result.get('value')
    known = ('choices', 'rating', 'number', 'taxonomy')
    part = isinstance(value, dict) and {'start', 'end', 'x'} & set(value)
    if kind not in known or part:
      what = f'results of parts of a clip ({kind})' if part else f'{kind}'
      self._left[what] = self._left.get(what, 0) + 1
      return '', []
    own = value.get(kind) if isinstance(value, dict) else None
    expected, found = 'a number', None
    if kind in ('rating', 'number'):
      if type(own) in (int, float) and math.isfinite(own):
        found = [f'{own:g}' if float(f'{own:g}') == own else repr(own)]
    else:
      expected = 'a list of names'
      if isinstance(own, list):
        found = [_PATH.join(o) if _are_texts(o) else o for o in own]
        found = found if _are_texts(found) else None
    control = result.get('from_name')
    if not isinstance(control, str) or not control.strip():
      self._fault(task, "'from_name' is missing in a result")
      return '', []
    if found is None:
      self._fault(
        task,
        f'{control!r}: expected {expected}, got {reprlib.repr(own)}',
        control,
      )
      return '', []
    return control, found

  def corpora(
    self, folder: pathlib.Path, scale: Mapping[str, tuple[float, float]]
  ) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
    """The corpus of what was gathered; media are looked for in the folder."""
    said = self._latest()
    for what, count in self._left.items():
      _LOGGER.warning('%s: left out: %s (%d)', self._path, what, count)
    votes, given, declarations = _labels(said, len(self._clips))
    if not votes:
      raise errors.InputError(
        f'{self._path}: no task has an annotation with choices, a rating or a '
        'number'
      )
    clips = list(self._clips.values())
    columns = {
      name: [clip.texts.get(name, '') for clip in clips]
      for name in dict.fromkeys(n for clip in clips for n in clip.texts)
    }
    ids = list(self._clips)
    groups = self._groups(columns, ids)
    metadata = {
      name: own
      for name, own in columns.items()
      if name not in _OURS and not name.startswith(('label.', 'score.'))
    }
    shown = {part for one in said for part in one.condition.split('+')}
    metadata |= self._times(columns)
    media = self._media(folder, clips)
    metadata |= {kind: own for kind, own in media.items() if kind in shown}
    for kind in ('audio', 'video'):
      paths = media.get(kind, [''] * len(clips))
      addresses = [
        '' if path else clip.media.get(kind, '')
        for clip, path in zip(clips, paths, strict=True)
      ]
      if any(addresses):
        metadata[f'{kind}{_ADDRESS}'] = addresses
    return ratings.corpora(
      ratings.Clips(
        str(self._path),
        {
          'name': self._path.stem,
          'modalities': sorted(shown, key=corpus_lib.modality_order),
          'license': 'not stated',
          'source': f'{self._path.name}, an export of Label Studio',
        },
        ids,
        groups,
        metadata=metadata,
      ),
      votes,
      given,
      declarations,
      scale,
    )

  def _latest(self) -> list[_Said]:
    """The last annotation of each annotator, clip and condition."""
    latest: dict[tuple, _Said] = {}
    nobody = []
    for one in self._said:
      key = (one.clip, one.condition, one.annotator)
      if not one.annotator:
        nobody.append(one)
      elif key not in latest or latest[key].when <= one.when:
        latest[key] = one
    kept = [*latest.values(), *nobody]
    if len(kept) < len(self._said):
      self._left['earlier annotations by the same annotator'] = len(
        self._said
      ) - len(kept)
    return sorted(kept, key=lambda one: one.clip)

  def _groups(
    self, columns: Mapping[str, list[str]], ids: Sequence[str]
  ) -> list[str]:
    names = {
      name: spelling.unified(columns[name]).values
      for name in grouping.candidates(list(columns))
    }
    if not names:
      _LOGGER.warning(
        '%s: no group or speaker in data: every clip is its own group',
        self._path,
      )
      return [f'clip {name}' for name in ids]
    chosen = 'group' if 'group' in names else grouping.best(names)[0]
    if chosen != 'group':
      _LOGGER.warning(
        '%s: %r is taken as the group (%s)',
        self._path,
        chosen,
        spelling.counted(len(set(names[chosen])), 'group'),
      )
    return [
      group or f'clip {name}'
      for group, name in zip(names[chosen], ids, strict=True)
    ]

  def _times(self, columns: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The columns `start` and `end`, in seconds."""
    found = {}
    for name in ('start', 'end'):
      found[name] = []
      for text in columns.get(name, []):
        try:
          value = tables.seconds(text)
        except ValueError:
          raise errors.InputError(
            f'{self._path}: {name!r}: {text!r} is not a time'
          ) from None
        found[name].append('' if value is None else repr(value))
    return {name: own for name, own in found.items() if own}

  def _media(
    self, folder: pathlib.Path, clips: Sequence[_Clip]
  ) -> dict[str, list[str]]:
    """The absolute path of each file, '' where it is not found by its name."""
    named = {name for clip in clips for name in clip.media}
    if not named:
      return {}
    by_name: dict[str, list[pathlib.Path]] = {}
    for path in sorted(folder.rglob('*')):
      if tracks.of_name(path.name) and path.is_file():
        by_name.setdefault(path.name, []).append(path)
    found = {}
    for kind in sorted(named):
      paths = [_local(clip.media.get(kind, ''), by_name) for clip in clips]
      wanted = sum(kind in clip.media for clip in clips)
      missing = wanted - sum(map(bool, paths))
      if missing:
        _LOGGER.warning(
          '%s: %d of %d %s files are not below %s',
          self._path,
          missing,
          wanted,
          kind,
          folder,
        )
      if any(paths):
        found[kind] = paths
    return found


def _is_name(value: Any) -> bool:
  return (
    isinstance(value, int | str)
    and not isinstance(value, bool)
    and bool(spelling.clean(str(value)))
  )


def _are_texts(values: Any) -> bool:
  return isinstance(values, list) and all(isinstance(v, str) for v in values)


def _dialogue(turns: Sequence[Any]) -> str:
  """The turns of a dialogue, a line each, with who speaks if that is said."""
  lines = []
  for turn in turns:
    if isinstance(turn, Mapping):
      words = (turn.get('author', turn.get('speaker')), turn.get('text'))
      turn = ': '.join(str(word) for word in words if word)
    lines.append(str(turn))
  return '\n'.join(lines)


def _file(address: str) -> str:
  """The path in an address, such as `/data/local-files/?d=a/b.wav`."""
  parts = urllib.parse.urlsplit(address)
  asked = urllib.parse.parse_qs(parts.query).get('d')
  return asked[0] if asked else urllib.parse.unquote(parts.path)


def _local(address: str, by_name: Mapping[str, Sequence[pathlib.Path]]) -> str:
  """The absolute path of the file; '' if there is none, or several."""
  if not address:
    return ''
  path = pathlib.PurePosixPath(_file(address))
  # Label Studio's root of local files is a folder of this machine.
  for own in (pathlib.Path('/') / path, pathlib.Path(path)):
    if own.is_absolute() and own.is_file():
      return str(own.resolve())
  for name in (path.name, _UPLOAD.sub('', path.name, count=1)):
    found = by_name.get(name, ())
    if len(found) == 1:
      return str(found[0].resolve())
  return ''


def _labels(
  said: Sequence[_Said], num_clips: int
) -> tuple[
  dict[str, list[ratings.Rating]],
  dict[str, list[str]],
  dict[str, dict[str, Any]],
]:
  """Ratings, labels of the ground truth and declarations, by label."""
  controls = dict.fromkeys(name for one in said for name in one.values)
  votes, given, declarations = {}, {}, {}
  for control in controls:
    several = any(len(one.values.get(control, ())) > 1 for one in said)
    own = ratings.label_name(control)
    if several:
      choices = sorted({c for one in said for c in one.values.get(control, ())})
      names = {
        choice: ratings.label_name(
          choice if len(controls) == 1 else f'{own}_{choice}'
        )
        for choice in choices
      }
    else:
      names = {'': own}
    for choice, name in names.items():
      votes[name] = []
      given[name] = [''] * num_clips
      if several:
        declarations[name] = ratings.CHOICE
      for one in said:
        chosen = one.values.get(control)
        if not chosen:
          continue
        value = chosen[0]
        if several:
          value = 'yes' if choice in chosen else 'no'
        votes[name].append(
          ratings.Rating(one.clip, one.condition, one.annotator, value)
        )
        if one.truth:
          given[name][one.clip] = value
  return votes, given, declarations


def tasks(
  corpus: corpus_lib.Corpus,
  ids: Sequence[str],
  model_version: str,
) -> list[dict[str, Any]]:
  """Tasks for Label Studio, in the order in which they ask for a look.

  Each has a prediction without results, so that nobody is told what to say, and
  with a score: from 0 for the first task to 1 for the last. Where the project's
  tasks are sampled by uncertainty, or sorted by prediction score, they come in
  this order.

  Args:
    corpus: with transcripts or media.
    ids: clips of it, those most in doubt first.
    model_version: says where the order is from.

  Returns:
    What the importer reads, once there are annotations.

  Raises:
    InputError: no clip has words or media that could be shown.
  """
  row_of = {name: row for row, name in enumerate(corpus.ids.tolist())}
  rated: set[str] = set()
  if corpus.votes is not None:
    rated = {*corpus_lib.full_condition(corpus.conditions).split('+')}
    rated &= {*corpus_lib.MODALITIES}
  found, lacking = [], []
  for rank, name in enumerate(ids):
    row = row_of[name]
    texts = {
      column: str(corpus.metadata[column][row])
      for column in (
        *('transcript', 'audio', 'video', 'start', 'end'),
        *(f'audio{_ADDRESS}', f'video{_ADDRESS}'),
      )
      if column in corpus.metadata and str(corpus.metadata[column][row])
    }
    data = {'id': str(name), 'group': str(corpus.groups[row])}
    if 'transcript' in texts:
      data['text'] = texts['transcript']
    for kind in ('audio', 'video'):
      if kind in texts:
        place = pathlib.Path(corpus.path or '.', texts[kind]).resolve()
        data[kind] = '/data/local-files/?d=' + urllib.parse.quote(
          str(place).lstrip('/')
        )
      elif f'{kind}{_ADDRESS}' in texts:
        data[kind] = texts[f'{kind}{_ADDRESS}']
    data |= {key: texts[key] for key in ('start', 'end') if key in texts}
    shown = {'text', 'audio', 'video'} & set(data)
    if not shown:
      continue
    data['condition'] = corpus_lib.view_name(shown)
    if rated - shown:
      lacking.append(name)
    score = rank / max(len(ids) - 1, 1)
    found.append(
      {
        'data': data,
        'predictions': [
          {'model_version': model_version, 'score': score, 'result': []}
        ],
      }
    )
  if not found:
    raise errors.InputError(
      f'{corpus.path}: no clip has a transcript, audio or video that Label '
      'Studio could show'
    )
  if lacking:
    _LOGGER.warning(
      '%s: %s, such as %r: rated on %s, but the tasks cannot show all of it, '
      'for the corpus has no such file',
      corpus.path,
      spelling.counted(len(lacking), 'clip'),
      str(lacking[0]),
      corpus_lib.view_name(rated),
    )
  return found
