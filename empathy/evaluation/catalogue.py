"""Every statistic once: its name, what it means, and how to write it.

A statistic's full name is that of its entry with the parts put in, as in
`views.audio.accuracy`. Names are composed by `name`, and taken apart by `find`
only. To add a statistic, add its entry to the file of its question in
`entries`, and a function that computes it to the module of that question. What
an entry says is written nowhere else: `asked` makes intervals and p-values of
it, `study.assemble` the families, and the report the headings and definitions.
"""

import dataclasses
import functools
from collections.abc import Mapping

from empathy.evaluation import glossary, patterns
from empathy.evaluation.entries import (
  ambiguity,
  conflict,
  data,
  diagnosis,
  disagreement,
  dominance,
  humans,
  kappas,
  scores,
  sets,
  together,
  views,
)
from empathy.evaluation.entry import Entry, Signal, Topic
from empathy.evaluation.patterns import name


@dataclasses.dataclass(frozen=True)
class Found:
  """An entry, a topic or a signal, and the parts of the name that it has."""

  entry: Entry | Topic | Signal
  parts: Mapping[str, str]

  @property
  def words(self) -> str:
    """A signal in words, or a statistic without its first one."""
    if isinstance(self.entry, Signal):
      return name(self.entry.words, self.parts)
    rest = self.entry.pattern.partition('.')[2]
    rest = rest.replace('_of.', ' of ').replace('.', ': ')
    return name(rest, self.parts).replace('_', ' ')


ANY = 'any_disagreement'
CONFIDENCE = 'one_minus_confidence'
COMBINED = 'combined'
SEEDS = 'seed_mutual_information'

SIGNALS = (
  Signal(
    COMBINED,
    'confidence and disagreement',
    confidence=True,
    definition=glossary.COMBINED,
  ),
  Signal(ANY, 'some single view disagrees', binary=True),
  Signal('num_unimodal_labels', 'labels of the single views'),
  Signal('unimodal_jsd', 'distance among single views'),
  Signal('full_jsd', 'distance from the full view'),
  Signal('entropy', 'entropy', confidence=True),
  Signal(CONFIDENCE, 'low confidence', confidence=True),
  Signal('one_minus_margin', 'small margin', confidence=True),
  Signal(SEEDS, 'seeds disagree'),
  Signal('labels_gs', 'its own labels differ', definition=glossary.LABELS_GS),
  Signal('{view}_disagreement', '{view} disagrees', binary=True),
  Signal('{view}_jsd', '{view}, distance'),
  Signal('{view}_shapley', '{view}, Shapley value'),
  # Of the full view by itself, beside which votes are put.
  Signal('one_minus_gold_probability', 'low probability of the label'),
  Signal('error', 'error'),
  *(
    Signal(f'control.{key}', f'control: {words}', binary=True, control=True)
    for key, words in (
      ('seed', 'other seeds of the full view'),
      ('constant', 'a view that always says one class'),
      ('noise', 'views that say classes at random'),
      ('permuted', 'some single view; votes permuted'),
    )
  ),
)

ENTRIES = (
  *data.ENTRIES,
  *views.ENTRIES,
  *disagreement.ENTRIES,
  *ambiguity.ENTRIES,
  *dominance.ENTRIES,
  *humans.ENTRIES,
  *diagnosis.ENTRIES,
  *conflict.ENTRIES,
  *kappas.ENTRIES,
  *scores.ENTRIES,
  *together.ENTRIES,
  *sets.ENTRIES,
)
TOPICS = tuple(
  Topic(pattern)
  for pattern in dict.fromkeys(
    topic for entry in ENTRIES for topic in entry.within
  )
)
PATTERNS = frozenset(one.pattern for one in (*ENTRIES, *TOPICS))
_BY_PATTERN = {entry.pattern: entry for entry in ENTRIES}


def entry(pattern: str) -> Entry:
  """The entry of a pattern; a KeyError if there is none."""
  return _BY_PATTERN[pattern]


def entry_of(full_name: str) -> Entry:
  """The entry of a full name; a LookupError if there is none."""
  found = find(full_name)
  if found is None or not isinstance(found.entry, Entry):
    raise LookupError(f'{full_name}: no entry in the catalogue is its own')
  return found.entry


def under(stem: str) -> tuple[str, ...]:
  """The patterns that begin with `stem` and a dot."""
  return tuple(p for p in _BY_PATTERN if p.startswith(f'{stem}.'))


@functools.cache
def find(full_name: str) -> Found | None:
  """The entry, or the topic, that a full name belongs to, and its parts.

  Of several patterns that fit, that is the one which says most: what another
  one would take for a part.

  Args:
    full_name: of a statistic, or of what was skipped.

  Returns:
    None if there is no such entry or topic.
  """
  for one, parts in patterns.matches(full_name, _PATTERNS):
    if 'signal' not in parts or signal(parts['signal']) is not None:
      return Found(one, parts)
  return None


@functools.cache
def signal(signal_name: str) -> Found | None:
  """The signal of a name, and the view that it is of; None if there is none."""
  found = next(patterns.matches(signal_name, _SIGNALS), None)
  return None if found is None else Found(*found)


def is_binary(signal_name: str) -> bool:
  """Whether a signal is 0 or 1."""
  found = signal(signal_name)
  return found is not None and found.entry.binary


def is_confidence(signal_name: str) -> bool:
  """Whether a signal rests on the confidence of the full view."""
  found = signal(signal_name)
  return found is not None and found.entry.confidence


def on_confidence(full_name: str) -> bool:
  """Whether a figure means nothing where confidence is no more than a label."""
  found = find(full_name)
  if found is None or not isinstance(found.entry, Entry):
    return False
  return found.entry.confidence or is_confidence(found.parts.get('signal', ''))


def family(full_name: str) -> str:
  """What is the same of names whose p-values are corrected together."""
  return entry_of(full_name).pattern


def reason(full_name: str, skipped: Mapping[str, str]) -> str:
  """Why a figure is not there: its own reason, or that of its topic, or ''."""
  if full_name in skipped:
    return skipped[full_name]
  found = find(full_name)
  for topic in getattr(found and found.entry, 'within', ()):
    wider = name(topic, found.parts)
    if wider in skipped:
      return skipped[wider]
  return ''


def definitions(names: Mapping[str, object]) -> list[glossary.Definition]:
  """What the terms mean that statistics of these names use, each once."""
  there = [found for full in names if (found := find(full))]
  entries = {found.entry.pattern for found in there}
  signals = {
    of.entry.pattern
    for found in there
    if (of := signal(found.parts.get('signal', '')))
  }
  told = [one for one in ENTRIES if one.pattern in entries]
  told += [one for one in SIGNALS if one.pattern in signals]
  return list(dict.fromkeys(one.definition for one in told if one.definition))


def all_definitions() -> list[glossary.Definition]:
  """Those of the glossary, and of entries that are not in it."""
  own = (one.definition for one in (*ENTRIES, *SIGNALS))
  return list(dict.fromkeys((*glossary.ALL, *filter(None, own))))


_SIGNALS = patterns.compiled(SIGNALS)
_PATTERNS = patterns.compiled((*ENTRIES, *TOPICS))
