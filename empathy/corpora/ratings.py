"""What people said of clips, as layouts without columns have it.

Importers of exports and annotation files gather clips and ratings; here they
become a corpus. Of ratings alone is inferred what a label's classes are:

  words           classes, in the order of their names
  whole numbers   more than two of them, in a range of at most a dozen: ordered
                  classes with values, all of the range
  other numbers   a scale, from the least to the greatest, to whole numbers

Where a clip has no label of its own it is what its raters say, in the condition
that shows most: the class with the most votes, the first of equals, or the mean
of numbers.
"""

import dataclasses
import logging
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared, spelling

# What is known of a label that is whether a choice was made, yes or no.
CHOICE = {'classes': ['no', 'yes']}
# Whole numbers in a wider range are scores.
MOST_VALUES = 12
# Sliders: more whole numbers than that, from nearly 0 to nearly 100.
_SLIDER = 20
_NEAR_END = 10
# Among so many ratings a few that lie apart are codes or slips.
_MANY = 20
_MOST_APART = 10
_SHARE_APART = 0.2
_LEAST_IN_A_ROW = 3
# As in `1 - not at all` and `not at all (1)`.
_WORDED = re.compile(r'[+-]?\d+ ?[-–—:=.)] ?[^\W\d].*|[^\W\d].*[ (]\d+\)?')
_LOGGER = logging.getLogger('empathy')


@dataclasses.dataclass(frozen=True)
class Rating:
  """What somebody said of a clip.

  Attributes:
    clip: its row.
    condition: what was shown.
    annotator: '' where it is not known.
    value: a class or a number, as it is written.
  """

  clip: int
  condition: str
  annotator: str
  value: str


@dataclasses.dataclass(frozen=True)
class Clips:
  """N clips without labels.

  Attributes:
    place: the file or folder, for messages.
    info: of the corpus, without classes and conditions.
    ids: N names.
    groups: N names.
    split: N of `SPLITS`; None without.
    metadata: columns of N texts.
    features: by modality.
  """

  place: str
  info: Mapping[str, Any]
  ids: Sequence[str]
  groups: Sequence[str]
  split: Sequence[str] | None = None
  metadata: Mapping[str, Sequence[str]] = dataclasses.field(
    default_factory=dict
  )
  features: Mapping[str, corpus_lib.Features] = dataclasses.field(
    default_factory=dict
  )


def corpora(
  clips: Clips,
  ratings: Mapping[str, Sequence[Rating]],
  given: Mapping[str, Sequence[str]] | None = None,
  declarations: Mapping[str, Mapping[str, Any]] | None = None,
  scale: Mapping[str, Sequence[float]] | None = None,
  filled: Collection[str] | None = None,
) -> corpus_lib.Corpus | dict[str, corpus_lib.Corpus]:
  """The corpus of clips and what was said of them.

  Args:
    clips: the clips.
    ratings: by label; none where only labels are known.
    given: by label, a clip's own, '' where it has none: N each.
    declarations: by label, the classes, values or scale, and what else is known
      of it, as `declared` takes them; without, they are inferred.
    scale: the ends of the scale by label, '' for all, which the user may tell;
      None where nobody can.
    filled: labels that a clip gets from its raters where it has none of its
      own; None for all.

  Returns:
    One corpus, or one by name of the label where there are several.

  Raises:
    InputError: clips are there twice, or what was said is no label.
  """
  faults = errors.Faults()
  for what, names in (('id', clips.ids), ('group', clips.groups)):
    for row, name in enumerate(names):
      if spelling.is_missing(name):
        says = f'clip {row + 1} has no {what}'
        shown = f', but {name!r}' if name.strip() else ''
        faults.add(f'{clips.place}: {says}{shown}', row + 1, what)
  faults.raise_all('clips')
  for row, first in spelling.twice(clips.ids).items():
    faults.add(
      f'{clips.place}: clip {clips.ids[row]!r} is there twice'
      + ('' if clips.ids[first] == clips.ids[row] else ' in another spelling'),
      clips.ids[row],
      'twice',
    )
  faults.raise_all('clips')
  given, declarations = given or {}, dict(declarations or {})
  names = list(dict.fromkeys([*ratings, *given]))
  conditions = in_order(
    {
      corpus_lib.condition_name(one.condition)
      for some in ratings.values()
      for one in some
    }
  )
  scales = None if scale is None else ends(scale, names)
  annotators = _annotators(clips, ratings)
  found = {
    name: _of_label(
      clips,
      name if len(names) > 1 else '',
      ratings.get(name, ()),
      given.get(name, [''] * len(clips.ids)),
      declarations.get(name, {}),
      None if scales is None else scales[name],
      conditions,
      annotators,
    )
    for name in names
  }
  if conditions:
    some = {
      name: one
      for name, one in found.items()
      if filled is None or name in filled
    }
    found |= labelled(some, clips.place)
  return found if len(found) > 1 else next(iter(found.values()))


def in_order(conditions: Iterable[str]) -> list[str]:
  """Conditions, those of one modality first."""
  order = corpus_lib.modality_order
  return sorted(
    conditions,
    key=lambda name: (name.count('+'), [*map(order, name.split('+'))]),
  )


def ends(
  scale: Mapping[str, tuple[float, float]], names: Iterable[str]
) -> dict[str, tuple[float, float] | tuple[()]]:
  """The ends of the scale of each label, () where they are not told.

  Args:
    scale: what `--scale` says, by label, '' for all.
    names: all labels; '' for one without a name.

  Raises:
    InputError: it names a label that is not there.
  """
  names = list(names)
  unknown = [name for name in scale if name and name not in names]
  if unknown:
    known = ', '.join(filter(None, names))
    raise errors.InputError(
      f'--scale: {unknown[0]!r} is not one of the labels {known}'
      if known
      else f'--scale: {unknown[0]!r}: the one label has no name; say '
      '--scale=LOW,HIGH'
    )
  return {name: scale.get(name, scale.get('', ())) for name in names}


def _annotators(
  clips: Clips, ratings: Mapping[str, Sequence[Rating]]
) -> dict[str, str]:
  """One spelling of each annotator, by each."""
  raw = [one.annotator for some in ratings.values() for one in some]
  found = spelling.unified(raw)
  for note in found.notes():
    _LOGGER.warning('%s: annotators: %s', clips.place, note)
  return dict(zip(raw, found.values, strict=True))


def _of_label(
  clips: Clips,
  name: str,
  ratings: Sequence[Rating],
  given: Sequence[str],
  declaration: Mapping[str, Any],
  ends: Sequence[float] | None,
  conditions: Sequence[str],
  annotators: Mapping[str, str],
) -> corpus_lib.Corpus:
  """The corpus of one label."""
  place = f'{clips.place}: label {name!r}' if name else clips.place
  said = [one.value for one in ratings]
  unified = spelling.unified([*said, *given], declaration.get('classes', ()))
  for note in spelling.Unified([], unified.others, {}).notes():
    _LOGGER.warning('%s: %s', place, note)
  if not declaration:
    declaration = inferred(unified.values, place, ends or ())
    if ends == () and 'classes' not in declaration:
      refuse_apart(unified.values, place)
    supposed = says(declaration)
    if supposed and ends is not None and not ends:
      _LOGGER.warning('%s: %s', place, supposed)
  info, faults = declared.checked(dict(clips.info) | declaration, place)
  errors.raise_faults(faults)
  info['conditions'] = list(conditions)
  owners = [clips.ids[one.clip] for one in ratings] + list(clips.ids)
  codes, scores = _coded(unified.values, owners, info, place)
  votes = None
  if conditions:
    votes = _votes(ratings, codes, scores, info, annotators)
    refuse_twice(place, votes, clips.ids, conditions)
  rated = len(said)
  return corpus_lib.Corpus(
    info=info,
    ids=np.array(clips.ids),
    groups=np.array(clips.groups),
    labels=codes[rated:],
    scores=None if scores is None else scores[rated:],
    split=None if clips.split is None else np.array(clips.split),
    metadata={name: np.array(own) for name, own in clips.metadata.items()},
    votes=votes,
    features=clips.features,
  )


def inferred(
  values: Sequence[str], place: str, scale: Sequence[float] = ()
) -> dict[str, Any]:
  """What classes a label has whose values are these, '' for none.

  Args:
    values: one spelling for each thing.
    place: the file, and perhaps the label, for messages.
    scale: the ends of that of numbers; () where it is not known.

  Returns:
    The keys for `corpus.json`.

  Raises:
    InputError: there are less than two.
  """
  names = sorted(set(values) - {''}, key=by_number)
  numbers = [spelling.number(name) for name in names]
  if len(names) < 2 and not (scale and names):
    found = ', '.join(names) or 'none'
    raise errors.InputError(
      f'{place}: expected two or more labels, found {found}'
    )
  if None in numbers:
    if scale:
      _LOGGER.warning(
        '%s: holds words, such as %r: they are classes, and --scale says '
        'nothing of them',
        place,
        names[numbers.index(None)],
      )
    return {'classes': names}
  low, high = scale or (math.floor(min(numbers)), math.ceil(max(numbers)))
  whole = all(float(n).is_integer() for n in (*numbers, low, high))
  if (
    not scale
    and whole
    and len(names) > _SLIDER
    and 0 <= low <= _NEAR_END
    and 100 - _NEAR_END <= high <= 100
  ):
    low, high = 0, 100
  if whole and len(names) == 2 and not scale:
    return {'classes': names}
  if whole and high - low < MOST_VALUES:
    return {'values': list(range(int(low), int(high) + 1))}
  return {'scale': [low, high]}


def refuse_apart(values: Iterable[str], place: str) -> None:
  """Raises if a few numbers lie apart from all others, as a code or slip does.

  A scale would be made of them, and all other ratings be alike on it. Apart is
  what is farther off than the others among themselves, and of whole numbers in
  a row what does not follow.

  Args:
    values: of ratings whose scale is not told; what is no number is passed.
    place: the file, and perhaps the label, for the message.
  """
  numbers = [n for n in map(spelling.number, values) if n is not None]
  there, count = np.unique(np.array(numbers), return_counts=True)
  total = len(numbers)
  most = min(_MOST_APART, _SHARE_APART * total)
  if total < _MANY or len(there) < _LEAST_IN_A_ROW + 1:
    return
  gaps = np.diff(there)
  for first in range(1, len(there)):
    for rest, apart in (
      (slice(0, first), slice(first, None)),
      (slice(first, None), slice(0, first)),
    ):
      own = there[rest]
      if len(own) < _LEAST_IN_A_ROW or count[apart].sum() > most:
        continue
      gap, width = gaps[first - 1], own[-1] - own[0]
      row = width == len(own) - 1 < MOST_VALUES and (own % 1 == 0).all()
      if gap > width or (row and gap > 1):
        few = int(count[apart].sum())
        shown = ', '.join(f'{n:g}' for n in there[apart][:3])
        raise errors.InputError(
          f'{place}: {few:,} of {total:,} ratings lie apart from the others, '
          f'{own[0]:g} to {own[-1]:g}: {shown}; leave empty what is no rating, '
          'say --scale=LOW,HIGH, or write classes as words'
        )


def says(keys: Mapping[str, Any]) -> str | None:
  """What is supposed of numbers, in words."""
  names = list(keys.get('classes', ()))
  if len(names) > 2 and all(map(_WORDED.fullmatch, names)):
    return (
      f'is taken for {len(names)} classes without order, such as {names[0]!r}; '
      'if they are steps of a scale, leave their numbers alone'
    )
  words = [name for name in names if spelling.number(name) is None]
  if words and len(names) - len(words) > 2:
    return (
      'is taken for classes without order, for some are no numbers, such as '
      f'{words[0]!r}'
    )
  if 'values' in keys:
    low, high = keys['values'][0], keys['values'][-1]
    return (
      f'is taken for values from {low} to {high}; --scale=LOW,HIGH would say '
      'otherwise, and codes of classes would better be words'
    )
  if 'scale' in keys:
    low, high = keys['scale']
    return (
      f'is taken for scores on a scale from {low:g} to {high:g}; '
      '--scale=LOW,HIGH would say otherwise'
    )
  return None


def by_number(label: str) -> tuple[float, str]:
  """Sorts classes that are numbers by their value, others by their name."""
  number = spelling.number(label)
  return (math.inf if number is None else number, label)


def _coded(
  values: Sequence[str],
  owners: Sequence[str],
  info: Mapping[str, Any],
  place: str,
) -> tuple[np.ndarray, np.ndarray | None]:
  """Labels, (n,) int32, and scores, (n,) float64, or None without values."""
  known = declared.values_of(info)
  number_of = {name: i for i, name in enumerate(info['classes'])}
  codes = np.full(len(values), corpus_lib.UNLABELLED, np.int32)
  scores = np.full(len(values), np.nan)
  faults = errors.Faults()
  low, high = (-math.inf, math.inf) if known is None else declared.limits(info)
  for row, value in enumerate(values):
    number = None if known is None else spelling.number(value)
    if not value:
      continue
    if value in number_of:
      codes[row] = number_of[value]
    elif number is None or not low <= number <= high:
      expected = f'{low:g} to {high:g}'
      if 'scale' not in info:
        expected = f'one of {", ".join(info["classes"])}'
      faults.add(
        f'{place}: clip {owners[row]!r}: {value!r} is not {expected}',
        owners[row],
        'label',
      )
      continue
    if number is not None:
      scores[row] = number
  faults.raise_all('clips')
  return (
    (codes, None) if known is None else declared.filled(codes, scores, known)
  )


def _votes(
  ratings: Sequence[Rating],
  codes: np.ndarray,
  scores: np.ndarray | None,
  info: Mapping[str, Any],
  annotators: Mapping[str, str],
) -> corpus_lib.Votes:
  """Votes of ratings, of which those without a value are none."""
  voted = np.flatnonzero(codes[: len(ratings)] != corpus_lib.UNLABELLED)
  chosen = [ratings[row] for row in voted.tolist()]
  number_of = {name: i for i, name in enumerate(info['conditions'])}
  return corpus_lib.Votes(
    clip=np.array([one.clip for one in chosen], np.int32),
    condition=np.array(
      [number_of[corpus_lib.condition_name(o.condition)] for o in chosen],
      np.int32,
    ),
    annotator=np.array([annotators[one.annotator] for one in chosen], np.str_),
    label=codes[voted],
    count=np.ones(len(chosen), np.int64),
    scores=None if scores is None else scores[voted],
  )


def refuse_twice(
  place: str,
  votes: corpus_lib.Votes,
  ids: Sequence[str],
  conditions: Sequence[str],
) -> None:
  """Raises if somebody voted for a clip twice in one condition."""
  faults = errors.Faults()
  seen = set()
  for key in zip(
    *(c.tolist() for c in (votes.clip, votes.condition, votes.annotator)),
    strict=True,
  ):
    clip, condition, annotator = key
    if annotator and key in seen:
      faults.add(
        f'{place}: {annotator!r} voted for {ids[clip]!r} on '
        f'{conditions[condition]} twice',
        ids[clip],
        'twice',
      )
    seen.add(key)
  faults.raise_all('clips')


def labelled(
  corpora: Mapping[str, corpus_lib.Corpus], place: str
) -> dict[str, corpus_lib.Corpus]:
  """Gives clips without a label that of their raters.

  Args:
    corpora: by label, with votes.
    place: the file or folder, for the message.
  """
  found = {}
  told: dict[str, list[tuple[str, int, int]]] = {}
  for name, corpus in corpora.items():
    found[name], clips, ties, how = _labelled(corpus)
    if clips:
      told.setdefault(how, []).append((name, clips, ties))
  for how, its in told.items():
    names, clips, ties = zip(*its, strict=True)
    _LOGGER.info(
      '%s: %sthe label of %s is %s%s',
      place,
      f'{len(names)} labels, {names[0]!r} and so on: '
      if len(names) > 1
      else '',
      spelling.counted(sum(clips), 'clip'),
      how,
      f'; {spelling.counted(sum(ties), "tie")}: the first of the classes'
      if sum(ties)
      else '',
    )
  return found


def _labelled(
  corpus: corpus_lib.Corpus,
) -> tuple[corpus_lib.Corpus, int, int, str]:
  """The corpus, how many clips it gives a label, ties among them, and how."""
  missing = corpus.labels == corpus_lib.UNLABELLED
  full = corpus_lib.full_condition(corpus.conditions)
  votes = corpus.votes.of(corpus.conditions.index(full))
  counts = corpus.vote_counts(full)
  missing &= counts.sum(axis=1) > 0
  if not missing.any():
    return corpus, 0, 0, ''
  labels = np.where(missing, counts.argmax(axis=1), corpus.labels)
  info, scores, how = dict(corpus.info), corpus.scores, 'the mean'
  ties = 0
  if scores is None:
    how = 'the commonest'
    most = counts == counts.max(axis=1, keepdims=True)
    ties = int(((most.sum(axis=1) > 1) & missing).sum())
  else:
    size = len(corpus.ids)
    total = np.bincount(votes.clip, votes.scores * votes.count, size)
    mean = total / np.maximum(counts.sum(axis=1), 1)
    scores = np.where(missing, mean, scores)
    labels = np.where(missing, corpus_lib.UNLABELLED, labels)
  if (missing | (corpus.labels == corpus_lib.UNLABELLED)).all():
    info['label_source'] = full
  made = dataclasses.replace(
    corpus, info=info, labels=labels.astype(np.int32), scores=scores
  )
  return made, int(missing.sum()), ties, f'{how} of its votes on {full}'


def label_name(text: str) -> str:
  """A name that a label can have: letters, digits, _ and -."""
  return re.sub(r'[^\w-]+', '_', spelling.clean(text)).strip('_') or 'label'
