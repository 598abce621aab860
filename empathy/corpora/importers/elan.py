"""Ratings of stretches of recordings, annotated in ELAN (.eaf).

Reads the `.eaf` files below a folder (archive.mpi.nl/tla/elan; EAF 2.7 to 3.0).
Each is a recording and a group: whoever speaks in it is on one side of a split.

  clips     annotations of a tier that other tiers depend on, whose value is
            the transcript; or stretches of tiers of ratings that depend on none
  ratings   values of tiers whose name is `label@annotator`, or `label` where
            the tier's ANNOTATOR says who. Those that depend on another tier
            rate its annotations; others are of one clip if start and end are
            the same
  transcripts   tiers called transcript, text, utterance, words or the like

Other tiers, and ratings of parts of an annotation, are left out, which is said.
In `label@name` the name of the tier's own participant is no annotator's.
Annotators are taken to perceive the recording as its media are, a film with its
sound, if `--shown=video` does not say otherwise; numbers are on the scale that
`--scale=1,7` says. A file that declares a document type or entities is refused.
"""

import collections
import dataclasses
import logging
import pathlib
import urllib.parse
from collections.abc import Mapping, Sequence
from xml.parsers import expat

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import ratings, sheets, spelling, tracks

# Of a file that may be given in place of the folder.
SUFFIXES = ('.eaf',)
_TEXTS = (
  *('transcript', 'transcription', 'transcripts', 'text', 'utterance'),
  *('utterances', 'words', 'speech', 'orthography', 'orth'),
)
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass
class _Annotation:
  """An annotation.

  Attributes:
    line: of the file, where it begins.
    slots: of its start and end; empty where it refers to another.
    parent: the id of the annotation that it refers to; '' without.
    value: what it says.
  """

  line: int
  slots: tuple[str, ...]
  parent: str
  value: str = ''


@dataclasses.dataclass
class _Tier:
  """A tier.

  Attributes:
    name: its id.
    who: its annotator, '' if not known.
    participant: who is seen or heard, '' likewise.
    parent: the id of the tier that it depends on; '' without.
    annotations: by id.
  """

  name: str
  who: str
  participant: str
  parent: str
  annotations: dict[str, _Annotation] = dataclasses.field(default_factory=dict)

  @property
  def label(self) -> str:
    """What it rates: its name without the annotator's."""
    name = self.name.partition('@')[0]
    if self.who and name.casefold().endswith(self.who.casefold()):
      name = name[: -len(self.who)].rstrip(' _-.') or name
    return spelling.clean(name)

  @property
  def is_text(self) -> bool:
    """Whether its name says that it holds what is said."""
    return self.label.casefold() in _TEXTS


@dataclasses.dataclass(frozen=True)
class _Clip:
  """A stretch of a recording, with the numbers of milliseconds."""

  participant: str
  start: int
  end: int


class _File:
  """What is in a file, as it is parsed."""

  def __init__(self, path: pathlib.Path):
    self.path = path
    self.slots: dict[str, int | None] = {}
    self.tiers: dict[str, _Tier] = {}
    self.media: list[Mapping[str, str]] = []
    self._tier: _Tier | None = None
    self._annotation: _Annotation | None = None
    self._text: list[str] | None = None
    self._root = ''
    self._parser = expat.ParserCreate()
    self._parser.buffer_text = True
    self._parser.StartDoctypeDeclHandler = self._refuse
    self._parser.EntityDeclHandler = self._refuse
    self._parser.StartElementHandler = self._start
    self._parser.EndElementHandler = self._end
    self._parser.CharacterDataHandler = self._characters
    try:
      self._parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
      raise errors.InputError(
        f'{path}:{error.lineno}: is not XML: {expat.ErrorString(error.code)}'
      ) from None
    except errors.InputError:
      raise
    except (LookupError, ValueError) as error:  # Of an encoding.
      raise errors.InputError(f'{path}: is not XML: {error}') from None

  def fault(self, message: str, line: int | None = None) -> errors.InputError:
    """An error at a line, or where the parser is."""
    line = self._parser.CurrentLineNumber if line is None else line
    return errors.InputError(f'{self.path}:{line}: {message}')

  def _refuse(self, *_) -> None:
    raise self.fault(
      'declares a document type or entities, which ELAN never does; the file '
      'is refused'
    )

  def _start(self, name: str, attributes: Mapping[str, str]) -> None:
    if not self._root:
      self._root = name
      if name != 'ANNOTATION_DOCUMENT':
        raise self.fault(f'{name!r:.40} is not an ANNOTATION_DOCUMENT')
    match name:
      case 'HEADER':
        units = attributes.get('TIME_UNITS', 'milliseconds')
        if units != 'milliseconds':
          raise self.fault(f'TIME_UNITS is {units!r}; expected milliseconds')
      case 'MEDIA_DESCRIPTOR':
        self.media.append(attributes)
      case 'TIME_SLOT':
        value = attributes.get('TIME_VALUE')
        if value is not None and not value.isdecimal():
          raise self.fault(
            f'TIME_VALUE is {value!r:.40}; expected milliseconds'
          )
        self.slots[self._needed(attributes, 'TIME_SLOT_ID')] = (
          None if value is None else int(value)
        )
      case 'TIER':
        self._begin_tier(attributes)
      case 'ALIGNABLE_ANNOTATION':
        slots = [self._needed(attributes, f'TIME_SLOT_REF{i}') for i in (1, 2)]
        self._begin_annotation(attributes, tuple(slots), '')
      case 'REF_ANNOTATION':
        parent = self._needed(attributes, 'ANNOTATION_REF')
        self._begin_annotation(attributes, (), parent)
      case 'ANNOTATION_VALUE':
        self._text = []

  def _needed(self, attributes: Mapping[str, str], name: str) -> str:
    if not attributes.get(name, '').strip():
      raise self.fault(f'{name} is missing')
    return attributes[name]

  def _begin_tier(self, attributes: Mapping[str, str]) -> None:
    name = self._needed(attributes, 'TIER_ID')
    if name in self.tiers:
      raise self.fault(f'tier {name!r} is there twice')
    participant = spelling.clean(attributes.get('PARTICIPANT', ''))
    who = spelling.clean(attributes.get('ANNOTATOR', ''))
    named = spelling.clean(name.partition('@')[2])
    if not who and named.casefold() != participant.casefold():
      who = named
    self._tier = _Tier(name, who, participant, attributes.get('PARENT_REF', ''))
    self.tiers[name] = self._tier

  def _begin_annotation(
    self, attributes: Mapping[str, str], slots: tuple[str, ...], parent: str
  ) -> None:
    name = self._needed(attributes, 'ANNOTATION_ID')
    if self._tier is None:
      raise self.fault(f'annotation {name!r} is in no tier')
    if name in self._tier.annotations:
      raise self.fault(f'annotation {name!r} is there twice')
    line = self._parser.CurrentLineNumber
    self._annotation = _Annotation(line, slots, parent)
    self._tier.annotations[name] = self._annotation

  def _end(self, name: str) -> None:
    if name == 'ANNOTATION_VALUE' and self._annotation is not None:
      self._annotation.value = ''.join(self._text or []).strip()
      self._text = None
    elif name == 'TIER':
      self._tier = self._annotation = None

  def _characters(self, text: str) -> None:
    if self._text is not None:
      self._text.append(text)

  def stretch(self, tier: _Tier, annotation: _Annotation) -> _Clip | None:
    """The clip that an annotation with times is of; None without times."""
    times = []
    for slot in annotation.slots:
      if slot not in self.slots:
        raise self.fault(f'time slot {slot!r} is not there', annotation.line)
      times.append(self.slots[slot])
    if None in times:
      return None
    if times[1] <= times[0]:
      raise self.fault(
        f'ends at {times[1]} ms, not after its start, {times[0]} ms',
        annotation.line,
      )
    return _Clip(tier.participant, *times)


@dataclasses.dataclass
class _Gathered:
  """Clips of all files, and what was said of them.

  Attributes:
    ids: of clips.
    groups: the file of each.
    columns: of metadata.
    votes: by label, the number of a clip, who and what.
    left: what was left out, with how many there were.
    media: the modalities that the media have.
  """

  ids: list[str] = dataclasses.field(default_factory=list)
  groups: list[str] = dataclasses.field(default_factory=list)
  columns: dict[str, list[str]] = dataclasses.field(default_factory=dict)
  votes: dict[str, list[ratings.Rating]] = dataclasses.field(
    default_factory=dict
  )
  left: dict[str, int] = dataclasses.field(default_factory=dict)
  media: set[str] = dataclasses.field(default_factory=set)

  def leave(self, what: str) -> None:
    """Counts what is left out."""
    self.left[what] = self.left.get(what, 0) + 1


def read(
  source: pathlib.Path,
  shown: str = '',
  scale: Mapping[str, tuple[float, float]] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """Reads the files.

  Args:
    source: a folder that holds them at any depth, or one file.
    shown: what annotators perceived; without it, all that the media have.
    scale: the ends of the scale of numbers, by label, '' for all.

  Returns:
    The clips in the order of files and times; by name of the label where there
    are several.

  Raises:
    InputError: there are none, or something in one is wrong; the first fault of
      each file has a line.
  """
  paths = [source]
  if source.is_dir():
    paths = sorted(
      path
      for path in source.rglob('*')
      if path.suffix.lower() in SUFFIXES and path.name[0] != '.'
    )
  if not paths:
    raise errors.InputError(f'{source}: no .eaf below it')
  gathered, faults = _Gathered(), []
  shown = sheets.shown(shown, corpus_lib.MODALITIES)
  root = source if source.is_dir() else source.parent
  for path in paths:
    try:
      name = path.relative_to(root).with_suffix('').as_posix()
      _gather(_File(path), name.replace('/', '-'), gathered, shown)
    except errors.InputError as error:
      faults += str(error).splitlines()
  errors.raise_faults(faults)
  for what, count in gathered.left.items():
    _LOGGER.warning('%s: left out: %s (%d)', source, what, count)
  if not gathered.votes:
    raise errors.InputError(
      f'{source}: no tier of ratings: expected names like empathy@annotator'
    )
  _note_speakers(source, gathered)
  has_words = any(gathered.columns['transcript'])
  shown = gathered.media | ({'text'} if has_words else set())
  return ratings.corpora(
    ratings.Clips(
      str(source),
      {
        'name': source.resolve().stem,
        'modalities': sorted(shown, key=corpus_lib.modality_order),
        'license': 'not stated',
        'source': f'{source.name}, annotated in ELAN',
      },
      gathered.ids,
      gathered.groups,
      metadata={
        name: own for name, own in gathered.columns.items() if any(own)
      },
    ),
    gathered.votes,
    scale=scale or {},
  )


def _note_speakers(source: pathlib.Path, gathered: _Gathered) -> None:
  """Says if a participant's name is in several files, which are groups."""
  files: dict[str, set[str]] = {}
  for group, name in zip(
    gathered.groups, gathered.columns['speaker'], strict=True
  ):
    files.setdefault(name, set()).add(group)
  several = [name for name, own in files.items() if name and len(own) > 1]
  if several:
    _LOGGER.warning(
      '%s: participants of several files, such as %r: every file is a group; '
      'if they are one person, change the column group',
      source,
      several[0],
    )


def _gather(file: _File, name: str, gathered: _Gathered, shown: str) -> None:
  """Adds what is in a file."""
  for tier in file.tiers.values():
    if tier.parent and tier.parent not in file.tiers:
      raise errors.InputError(
        f'{file.path}: tier {tier.name!r} depends on {tier.parent!r}, which is '
        'not there'
      )
  media, kinds, origin = _media(file)
  if file.media and not any(media.values()):
    gathered.leave('media that are neither where a file says nor beside it')
  condition = shown or corpus_lib.view_name(kinds)
  gathered.media |= kinds | set(condition.split('+'))
  parents = {tier.parent for tier in file.tiers.values() if tier.parent}
  words: dict[tuple[int, int], str] = {}
  clips: dict[_Clip, None] = {}
  said: list[tuple[str, str, _Clip, str]] = []
  of_annotation: dict[str, _Clip] = {}
  for tier in file.tiers.values():
    if tier.parent:
      continue
    is_segments = tier.name in parents
    if not is_segments and not tier.is_text and not tier.who:
      gathered.leave(f'tier {tier.name!r}')
      continue
    for key, annotation in tier.annotations.items():
      if not annotation.slots:
        raise file.fault('refers to another annotation', annotation.line)
      clip = file.stretch(tier, annotation)
      if clip is None:
        gathered.leave('annotations without a time')
      elif is_segments or tier.is_text:
        words.setdefault((clip.start, clip.end), annotation.value)
        if is_segments:
          clips[clip] = None
          of_annotation[key] = clip
      else:
        clips[clip] = None
        said.append((tier.label, tier.who, clip, annotation.value))
  for tier in file.tiers.values():
    if not tier.parent:
      continue
    is_rating = bool(tier.who) and not tier.is_text
    if not is_rating and not tier.is_text and tier.name not in parents:
      gathered.leave(f'tier {tier.name!r}')
      continue
    for key, annotation in tier.annotations.items():
      if annotation.slots:
        gathered.leave('annotations of parts of another')
        continue
      clip = _root(file, tier, annotation, of_annotation)
      if clip is None:
        continue
      of_annotation[key] = clip
      if tier.is_text:
        words[clip.start, clip.end] = annotation.value
      elif is_rating:
        said.append((tier.label, tier.who, clip, annotation.value))
  ordered = sorted(clips, key=lambda c: (c.start, c.end, c.participant))
  spans = [(clip.start, clip.end) for clip in ordered]
  several = collections.Counter(spans)
  first = len(gathered.ids)
  row_of = {clip: first + i for i, clip in enumerate(ordered)}
  for clip, span in zip(ordered, spans, strict=True):
    parts = [name, *map(str, span)]
    if several[span] > 1:
      parts.insert(1, clip.participant)
    gathered.ids.append('_'.join(parts))
    gathered.groups.append(name)
    for column, value in {
      'transcript': words.get(span, ''),
      'speaker': clip.participant,
      'start': repr((clip.start + origin) / 1000),
      'end': repr((clip.end + origin) / 1000),
      **media,
    }.items():
      gathered.columns.setdefault(column, []).append(value)
  known = {spelling.key(ratings.label_name(n)): n for n in gathered.votes}
  for label, who, clip, value in said:
    if clip not in row_of:
      continue
    label = ratings.label_name(label)
    label = known.setdefault(spelling.key(label), label)
    gathered.votes.setdefault(label, []).append(
      ratings.Rating(row_of[clip], condition, who, value)
    )


def _root(
  file: _File,
  tier: _Tier,
  annotation: _Annotation,
  of_annotation: Mapping[str, _Clip],
) -> _Clip | None:
  """The clip that an annotation refers to, perhaps by way of others.

  None where that is of a tier, or has no time, and was left out.
  """
  seen = set()
  while annotation.parent not in of_annotation:
    tier = file.tiers.get(tier.parent)
    found = None if tier is None else tier.annotations.get(annotation.parent)
    if found is None or annotation.parent in seen:
      raise file.fault(
        f'refers to annotation {annotation.parent!r}, which is not in the tier '
        'that this one depends on',
        annotation.line,
      )
    seen.add(annotation.parent)
    if found.slots:
      return None
    annotation = found
  return of_annotation[annotation.parent]


def _media(file: _File) -> tuple[dict[str, str], set[str], int]:
  """Absolute paths of media that are there, '' else; modalities; the origin."""
  paths, kinds, origins = {'audio': '', 'video': ''}, set(), set()
  for media in file.media:
    urls = [
      media[name]
      for name in ('RELATIVE_MEDIA_URL', 'MEDIA_URL')
      if media.get(name)
    ]
    if not urls:
      continue
    own = tracks.of_name(urllib.parse.urlsplit(urls[0]).path)
    kinds |= own
    origin = media.get('TIME_ORIGIN', '0')
    if not origin.isdecimal():
      raise errors.InputError(
        f'{file.path}: TIME_ORIGIN is {origin!r:.40}; expected milliseconds'
      )
    origins.add(int(origin))
    found = _found(file.path.parent, urls)
    for kind in own:
      # A sound file rather than the film's own.
      if not paths[kind] or len(own) == 1:
        paths[kind] = found
  if len(origins) > 1:
    raise errors.InputError(
      f'{file.path}: its media have different TIME_ORIGIN, so that no start is '
      'right for all; remove all but one'
    )
  if not kinds:
    kinds = {'audio', 'video'}
    _LOGGER.warning(
      '%s: names no media: annotators are taken to have seen and heard all',
      file.path,
    )
  return paths, kinds, next(iter(origins), 0)


def _found(folder: pathlib.Path, urls: Sequence[str]) -> str:
  """The absolute path of a media file beside the .eaf; '' if it is not."""
  for url in urls:
    path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    name = pathlib.PurePosixPath(path.replace('\\', '/')).name
    for own in (folder / path, folder / name):
      if name and own.is_file():
        return str(own.resolve())
  return ''
