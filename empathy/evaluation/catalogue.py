"""Every statistic once: its name, what it means, and how to write it.

A statistic's full name is that of its entry with the parts put in, as in
`views.audio.accuracy`. Names are composed by `name`, and taken apart by `find`
only. To add a statistic, add its entry to `ENTRIES` and a function that
computes it to the module of its question. What an entry says is written
nowhere else: `asked` makes intervals and p-values of it, `study.assemble` the
families, and the report the headings and definitions.
"""

import dataclasses
import functools
from collections.abc import Mapping

from empathy.evaluation import glossary, patterns
from empathy.evaluation.patterns import name
from empathy.evaluation.units import (
  CLASSES,
  COEFFICIENT,
  CORRELATION,
  COUNT,
  INDEX,
  LOSS,
  NATS,
  NUMBER,
  POINTS,
  SHARE,
  SIGNED_SHARE,
  Scale,
  Unit,
)

# What the statistics are about whose names begin with a word.
TITLES = {
  'data': 'Data',
  'views': 'Views',
  'disagreement': 'Disagreement',
  'ambiguity': 'Ambiguity',
  'dominance': 'Dominance',
  'humans': 'Humans',
  'diagnosis': 'Diagnosis',
}


@dataclasses.dataclass(frozen=True)
class Entry:
  """A statistic.

  Attributes:
    pattern: its name, with named parts: `views.{view}.accuracy`.
    heading: of a column of it, without its unit.
    unit: how it is written.
    definition: what it means; None where its heading says it all.
    null: what it is without an effect, which its p-value is against; None where
      no value is a natural one.
    one_sided: whether the p-value asks only if it is above that.
    undefined: why there may be no such figure, unless whoever asks for it
      knows more.
    confidence: whether it rests on the confidence of the full view.
    within: patterns of the topics whose reasons are its own.
  """

  pattern: str
  heading: str
  unit: Unit
  definition: glossary.Definition | None = None
  null: float | None = None
  one_sided: bool = False
  undefined: str = 'The figure is undefined for these data.'
  confidence: bool = False
  within: tuple[str, ...] = ()

  @property
  def scale(self) -> Scale:
    """On which its interval is symmetric."""
    return self.unit.scale

  @property
  def topic(self) -> str:
    """The first word of its name, by which tables go together."""
    return self.pattern.partition('.')[0]


@dataclasses.dataclass(frozen=True)
class Topic:
  """A name that stands for several statistics among the skipped ones."""

  pattern: str

  @property
  def topic(self) -> str:
    """The first word of it."""
    return self.pattern.partition('.')[0]


@dataclasses.dataclass(frozen=True)
class Signal:
  """What clips are ranked by.

  Attributes:
    pattern: its name, with `{view}` where it is of one.
    words: the same in words.
    binary: whether it is yes or no.
    confidence: whether it rests on the confidence of the full view.
    control: whether it knows nothing of modalities, for others to be held
      against.
    definition: what it means; None where its words say it all.
  """

  pattern: str
  words: str
  binary: bool = False
  confidence: bool = False
  control: bool = False
  definition: glossary.Definition | None = None


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

_BOTH_KINDS = (
  'In no stratum of label and confidence are there clips of both kinds.'
)
_SAME = 'The {} has the same value for every clip with two votes or more.'
_ALL_CONTESTED = 'The clips are all contested, or none is.'
_SET_NOWHERE = 'The signal is set on no clip.'
_ALL_RIGHT = 'The full view is right on every clip with the signal.'
_ONE_KIND = 'The full view is right, or wrong, on every clip with the signal.'
_NONE_ANSWERED = 'No clip is answered at this error rate.'
_NEVER_DIFFER = 'The pluralities differ on no clip, or on every one.'


def _of(stem: str, *entries: Entry, within: tuple[str, ...] = ()):
  """Entries whose names begin with `stem`, with the topics that they are of."""
  return tuple(
    dataclasses.replace(
      one,
      pattern=f'{stem}.{one.pattern}',
      within=(*one.within, *within),
    )
    for one in entries
  )


_DATA = _of(
  'data',
  Entry('group_leakage', 'group leakage', SHARE),
  Entry('majority_accuracy', 'commonest label', SHARE),
  Entry('group_majority_accuracy', 'knowing the group', SHARE),
  Entry('num_groups', 'groups', COUNT),
  Entry('largest_group_share', 'largest group', SHARE),
  Entry('views', 'views', COUNT),
  Entry('confidence', 'confidence', COUNT),
  Entry('largest_class_share', 'class balance', SHARE),
  Entry('votes_per_clip', 'votes a clip', NUMBER),
  Entry('label_is_plurality', 'label is plurality', SHARE),
  Entry('labelled_share', 'labelled clips', SHARE),
  Entry('duplicates', 'repeated clips', COUNT),
  Entry('{modality}.coverage', '{modality} coverage', SHARE),
  Entry(
    'smallest_effect',
    'smallest gain to be seen',
    POINTS,
    undefined='There is no paired difference with an interval.',
  ),
  within=('question 7',),
)
_VIEWS = (
  *_of(
    'views.{view}',
    Entry('accuracy', 'accuracy', SHARE, glossary.ACCURACY),
    Entry('seed_sd', 'seed SD', Unit('points', 100.0, 1)),
    Entry('accuracy_fold_mean', 'fold mean', SHARE, glossary.FOLD_MEAN),
    Entry('ensemble_accuracy', 'seeds averaged', SHARE, glossary.ENSEMBLE),
    Entry('macro_f1', 'macro F1', INDEX, glossary.F1),
    Entry('weighted_f1', 'weighted F1', INDEX, glossary.F1),
    Entry('nll', 'NLL', NATS, glossary.LOSSES),
    Entry('brier', 'Brier', LOSS, glossary.LOSSES),
    Entry('ece', 'ECE', NUMBER, glossary.ECE),
    Entry('ece_null', 'ideal ECE', NUMBER, glossary.ECE),
    within=('question 1',),
  ),
  *_of(
    'views',
    Entry('full_minus_{view}.accuracy', 'accuracy', POINTS, null=0.0),
    Entry('full_minus_best_single.accuracy', 'accuracy', POINTS, null=0.0),
    within=('question 1',),
  ),
  *_of(
    'views.{view}',
    Entry('human_cross_entropy', 'cross-entropy', NATS),
    Entry('human_cross_entropy_null', 'if true', NUMBER),
    # Less its sampling term, it may be below 0 by chance.
    Entry('human_brier', 'Brier', NUMBER),
    Entry('human_jensen_shannon', 'Jensen–Shannon', LOSS),
    Entry('human_jensen_shannon_null', 'if true', NUMBER),
    Entry('human_manhattan', 'Manhattan', LOSS),
    Entry('human_manhattan_null', 'if true', NUMBER),
    Entry(
      'human_wasserstein',
      'Wasserstein',
      CLASSES,
      within=('views.human_wasserstein',),
    ),
    Entry('human_wasserstein_null', 'if true', NUMBER),
    Entry(
      'human_entropy_correlation',
      'correlation of entropies',
      CORRELATION,
      undefined='The votes of all clips, or the probabilities, are equally '
      'uncertain.',
    ),
    within=('soft_scores',),
  ),
)
_DISAGREEMENT = _of(
  'disagreement.{view}_vs_full',
  Entry('rate', 'differ', SHARE, glossary.DISAGREEMENT),
  Entry('own_null', 'its seeds', SHARE, glossary.EXCESS),
  Entry('full_null', 'full view’s seeds', SHARE, glossary.EXCESS),
  Entry('seed_null', 'seed noise', SHARE, glossary.EXCESS),
  Entry('excess', 'excess', POINTS, glossary.EXCESS, null=0.0),
  Entry(
    'beyond_either', 'beyond either', POINTS, glossary.BEYOND_EITHER, null=0.0
  ),
  Entry('same_seed_gap', 'other seeds minus same', POINTS, null=0.0),
  Entry(
    'kappa',
    'kappa',
    COEFFICIENT,
    glossary.KAPPA,
    undefined='Some pair of seeds gives every clip the same one class.',
  ),
  Entry(
    'error_consistency',
    'error cons.',
    COEFFICIENT,
    glossary.CONSISTENCY,
    undefined='Some pair of seeds is right, or wrong, on every clip.',
  ),
  within=('disagreement.{view}_vs_full', 'question 2'),
)
_RAW = Entry('gs_difference', 'raw', POINTS, glossary.GS)
_ADJUSTED = Entry(
  'adjusted',
  'adjusted',
  POINTS,
  glossary.ADJUSTED,
  undefined=_BOTH_KINDS,
  confidence=True,
)
_AUROC_CONTESTED = Entry(
  'auroc_contested', 'AUROC', SHARE, null=0.5, undefined=_ALL_CONTESTED
)
_AMBIGUITY = (
  *_of(
    'ambiguity.{signal}',
    dataclasses.replace(_RAW, null=0.0, undefined=_SAME.format('signal')),
    dataclasses.replace(_ADJUSTED, null=0.0),
    dataclasses.replace(_ADJUSTED, pattern='adjusted_by_seed', null=0.0),
    Entry(
      'beyond_seeds',
      'beyond seeds',
      POINTS,
      glossary.BEYOND_SEEDS,
      null=0.0,
      undefined='Among clips that a seed of the full view labels alike and '
      'with like confidence, other seeds of it, or single views, disagree with '
      'it on all or on none, so that they cannot be compared.',
    ),
    _AUROC_CONTESTED,
    dataclasses.replace(
      _AUROC_CONTESTED,
      pattern='auroc_contested_equal_n',
      heading='equally many votes',
    ),
    Entry(
      'auroc_minus_confidence',
      'minus confidence',
      POINTS,
      null=0.0,
      undefined=_ALL_CONTESTED,
      confidence=True,
    ),
    Entry(
      'precision_minus_confidence',
      'precision minus confidence’s',
      POINTS,
      undefined=_SET_NOWHERE,
      confidence=True,
    ),
    Entry(
      'spearman',
      'Spearman with GS',
      CORRELATION,
      null=0.0,
      undefined='The signal, or how often annotators differ, is the same on '
      'all clips.',
    ),
    within=('ambiguity.{signal}', 'question 3'),
  ),
  *_of(
    'ambiguity.control.{control}',
    dataclasses.replace(_RAW, undefined=_SAME.format('control')),
    _ADJUSTED,
    within=('ambiguity.control.{control}', 'question 3'),
  ),
)
_DOMINANCE = _of(
  'dominance.{modality}',
  Entry('rate', 'dominant', SHARE),
  Entry('causal_share', 'Shapley', SIGNED_SHARE, glossary.SHAPLEY),
  Entry('gate_share', 'gate', SHARE, within=('dominance.gate_share',)),
  Entry(
    'attention_share',
    'attention',
    SHARE,
    within=('dominance.attention_share',),
  ),
  Entry('unsupported', 'unsupported', SHARE),
  Entry('misled', 'misled', SHARE, glossary.HARM),
  Entry('rescued', 'rescued', SHARE, glossary.HARM),
  Entry(
    'net_harm', 'net harm', POINTS, glossary.HARM, null=0.0, one_sided=True
  ),
  within=('question 4',),
)
_HUMANS = (
  *_of(
    'humans.{condition}',
    Entry('gs', 'GS', INDEX, glossary.GS),
    Entry('accuracy', 'equal label', SHARE),
    Entry('accuracy_disjoint', 'of other votes', SHARE),
    Entry('entropy', 'entropy', NATS, glossary.ENTROPY),
    Entry('entropy_miller_madow', 'entropy, corrected', NATS, glossary.ENTROPY),
    Entry('observed_agreement', 'observed', SHARE),
    Entry('alpha_nominal', 'Krippendorff’s alpha', COEFFICIENT, glossary.ALPHA),
    Entry('alpha_ordinal', 'ordinal alpha', COEFFICIENT, glossary.ALPHA),
    Entry('fleiss_kappa', 'Fleiss’ kappa', COEFFICIENT, glossary.FLEISS),
    Entry('gwet_ac1', 'Gwet’s AC1', COEFFICIENT, glossary.FLEISS),
    Entry('one_vote_ceiling', 'one vote', SHARE, glossary.HALVES),
    Entry('split_half_reliability', 'halves', SHARE, glossary.HALVES),
    within=('question 5',),
  ),
  *_of(
    'humans',
    Entry('full_minus_{condition}.accuracy', 'gain of full', POINTS, null=0.0),
    Entry('hurt_share', 'hurt beyond chance', POINTS),
    Entry('hurt_share_naive', 'hurt', SHARE),
    within=('question 5',),
  ),
  *_of(
    'humans.full_minus_best_per_clip',
    Entry('naive', 'gain, all votes choose', POINTS),
    Entry('split_half', 'gain, half of the votes choose', POINTS),
    Entry('split_{number}', 'gain, {number} votes choose', POINTS),
    within=('humans.full_minus_best_per_clip', 'question 5'),
  ),
  *_of(
    'humans.{condition}_vs_full',
    Entry('rate', 'differ', SHARE, undefined=_NEVER_DIFFER),
    Entry('control_rate', 'from itself', SHARE, undefined=_NEVER_DIFFER),
    Entry(
      'gs_difference', 'GS there', POINTS, glossary.GS, undefined=_NEVER_DIFFER
    ),
    Entry(
      'control_gs_difference',
      'by itself',
      POINTS,
      glossary.GS,
      undefined=_NEVER_DIFFER,
    ),
    Entry(
      'entropy_excess',
      'excess',
      POINTS,
      glossary.VOTE_EXCESS,
      null=0.0,
      undefined=_NEVER_DIFFER,
    ),
    within=('humans.{condition}_vs_full', 'question 5'),
  ),
  *_of(
    'humans.models.{signal}',
    Entry(
      'spearman',
      'correlation',
      CORRELATION,
      null=0.0,
      undefined='One of the two is the same for every clip.',
    ),
    within=('humans.models', 'question 5'),
  ),
)
_GAIN = Entry(
  '',
  '',
  POINTS,
  null=0.0,
  one_sided=True,
  undefined='The clips with a disagreement that is known are all of one kind.',
  confidence=True,
)
_DIAGNOSIS = (
  Entry('diagnosis.error_rate', 'error rate', SHARE, within=('question 6',)),
  *_of(
    'diagnosis.{signal}',
    Entry(
      'auroc_error',
      'AUROC',
      SHARE,
      glossary.AUROC,
      null=0.5,
      undefined=_ONE_KIND,
    ),
    Entry(
      'auroc_error_minus_confidence',
      'minus confidence',
      POINTS,
      null=0.0,
      undefined=_ONE_KIND,
      confidence=True,
    ),
    Entry('average_precision', 'AP', INDEX, glossary.AP, undefined=_ALL_RIGHT),
    Entry('aurc', 'AURC', INDEX, glossary.AURC, undefined=_ALL_RIGHT),
    Entry('e_aurc', 'E-AURC', LOSS, glossary.AURC, undefined=_ALL_RIGHT),
    Entry('errors_found_at_10', 'found', SHARE, undefined=_ALL_RIGHT),
    Entry(
      'auroc_error_uncontested',
      'uncontested',
      SHARE,
      null=0.5,
      undefined='The full view is right, or wrong, on every uncontested clip.',
      within=('diagnosis.uncontested',),
    ),
    Entry(
      'precision_minus_confidence',
      'precision minus confidence’s',
      POINTS,
      undefined=_SET_NOWHERE,
      confidence=True,
    ),
    dataclasses.replace(_ADJUSTED, definition=None, null=0.0, one_sided=True),
    within=('diagnosis.{signal}', 'question 6'),
  ),
  *_of(
    'diagnosis.combined',
    dataclasses.replace(
      _GAIN, pattern='auroc_minus_confidence', heading='minus confidence'
    ),
    dataclasses.replace(
      _GAIN,
      pattern='auroc_contested_minus_confidence',
      heading='contested, minus confidence',
    ),
    within=('diagnosis.combined', 'question 6'),
  ),
  *_of(
    'diagnosis.selective_{wanted}',
    Entry(
      'risk',
      'errors among answered',
      SHARE,
      undefined=_NONE_ANSWERED,
      confidence=True,
    ),
    Entry(
      'coverage',
      'answered',
      SHARE,
      undefined=_NONE_ANSWERED,
      confidence=True,
    ),
    within=(
      'diagnosis.selective_{wanted}',
      'diagnosis.selective',
      'question 6',
    ),
  ),
)

ENTRIES = (
  *_DATA,
  *_VIEWS,
  *_DISAGREEMENT,
  *_AMBIGUITY,
  *_DOMINANCE,
  *_HUMANS,
  *_DIAGNOSIS,
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


_SIGNALS = patterns.compiled(SIGNALS)
_PATTERNS = patterns.compiled((*ENTRIES, *TOPICS))
