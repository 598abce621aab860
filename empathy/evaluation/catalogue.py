"""Every statistic once: its name, what it means, and how to write it.

A statistic's full name is that of its entry with the parts put in, as in
`views.audio.accuracy`. Names are composed by `name`, and taken apart by `find`
only. To add a statistic, add its entry to `ENTRIES` and a function that
computes it to the module of its question.
"""

import dataclasses
import functools
import re
import string
from collections.abc import Mapping

from empathy.evaluation.findings import Scale

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
class Unit:
  """How a figure is written.

  Attributes:
    word: what stands behind it, or in the heading of its column.
    factor: what it is multiplied by.
    decimals: how many.
    signed: whether a plus is written; so it is of differences.
  """

  word: str = ''
  factor: float = 1.0
  decimals: int = 3
  signed: bool = False


SHARE = Unit('%', 100.0, 1)
POINTS = Unit('points', 100.0, 1, signed=True)
NUMBER = Unit()
NATS = Unit('nats')
CORRELATION = Unit(decimals=2, signed=True)
COUNT = Unit(decimals=0)


@dataclasses.dataclass(frozen=True)
class Definition:
  """What one term of the report, or several of a kind, means."""

  term: str
  meaning: str


@dataclasses.dataclass(frozen=True)
class Entry:
  """A statistic.

  Attributes:
    pattern: its name, with named parts: `views.{view}.accuracy`.
    heading: of a column of it, without its unit.
    unit: how it is written.
    scale: on which its interval is symmetric.
    definition: what it means; None where its heading says it all.
    null: what it is without an effect, which its p-value is against; None where
      no value is a natural one.
    one_sided: whether the p-value asks only if it is above that.
    undefined: why there may be no such figure, if that is always the same.
    confidence: whether it rests on the confidence of the full view.
    family: which entries' p-values are corrected together; by itself, over its
      parts, where empty.
    within: patterns of the topics whose reasons are its own.
  """

  pattern: str
  heading: str
  unit: Unit
  scale: Scale = Scale.IDENTITY
  definition: Definition | None = None
  null: float | None = None
  one_sided: bool = False
  undefined: str = ''
  confidence: bool = False
  family: str = ''
  within: tuple[str, ...] = ()

  @property
  def title(self) -> str:
    """Its heading with its unit."""
    return ', '.join(filter(None, (self.heading, self.unit.word)))

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
  definition: Definition | None = None


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
    definition=Definition(
      'Confidence and disagreement',
      'A logistic regression of errors on the log odds of doubt and on whether '
      'some single view disagrees, fitted to the other folds.',
    ),
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

_ACCURACY = Definition(
  'Accuracy',
  'Share of clips whose most probable class is the label; the mean over '
  'seeds of each seed’s held-out predictions, pooled over folds. Ties go to '
  'the class named first.',
)
_FOLD_MEAN = Definition(
  'Mean over folds',
  'The unweighted mean of the folds’ accuracies, as papers often give it.',
)
_ENSEMBLE = Definition(
  'Seeds averaged',
  'Accuracy after averaging the probabilities of all seeds.',
)
_F1 = Definition(
  'Macro and weighted F1',
  'Harmonic mean of precision and recall by class; the mean over classes, '
  'plain or weighted by the number of clips.',
)
_LOSSES = Definition(
  'NLL, Brier',
  'Mean negative logarithm of the label’s probability, in nats; squared '
  'error of the probabilities, summed over classes, mean over clips. Lower '
  'is better.',
)
_ECE = Definition(
  'ECE',
  'Expected calibration error over 15 bins of equal width of the top '
  'probability. The ideal ECE is the same figure when labels are drawn '
  'from the probabilities themselves.',
)
_DISAGREEMENT = Definition(
  'Disagreement',
  'Share of clips on which a view and the full view give different labels, '
  'over all pairs of a seed of each.',
)
_EXCESS = Definition(
  'Seed noise, excess',
  'How often two seeds of the same view differ, the mean of the two views; '
  'the excess is disagreement minus that.',
)
_BEYOND_EITHER = Definition(
  'Beyond either',
  'Disagreement minus how often two seeds of the noisier of the two views '
  'differ.',
)
_KAPPA = Definition(
  'Kappa',
  'Cohen’s kappa: agreement beyond what the two views’ class frequencies '
  'give by chance.',
)
_CONSISTENCY = Definition(
  'Error consistency',
  'How much more often two views are right or wrong together than their '
  'accuracies alone would have it; 1 at most.',
)
_GS = Definition(
  'GS',
  'The Gini–Simpson index: the chance that two annotators of the same clip '
  'give different labels; unbiased for any number of votes from two on.',
)
_ADJUSTED = Definition(
  'Adjusted difference',
  'Difference of GS between clips where views disagree and where they '
  'agree, within strata of the full view’s label and confidence '
  '(twentieths), weighted by n₁n₀/(n₁+n₀).',
)
_BEYOND_SEEDS = Definition(
  'Beyond seeds',
  'The adjusted difference where one of several single views, a seed of '
  'each, disagrees with a seed of the full view, minus that where one of as '
  'many other seeds of the full view does; over all choices of different '
  'seeds.',
)
_ENTROPY = Definition(
  'Entropy',
  'Of a clip’s votes, in nats; not compared between clips of different '
  'numbers of votes, because it grows with them.',
)
_ALPHA = Definition(
  'Alpha',
  'Krippendorff’s alpha: one minus the disagreement among annotators over '
  'that of votes dealt out at random; 1 is agreement, 0 is chance.',
)
_FLEISS = Definition(
  'Fleiss’ kappa, AC1',
  'Agreement beyond chance, too; Fleiss’ kappa takes chance from the shares '
  'of the classes, Gwet’s AC1 from how even they are, which keeps it steady '
  'where one class is rare.',
)
_SHAPLEY = Definition(
  'Shapley share',
  'Shapley’s value of a modality, from the probability that the full view '
  'gives its own label when shown every part of the modalities, over the sum '
  'of the sizes of all values; the largest value is the dominant one’s.',
)
_HARM = Definition(
  'Misled, rescued, net harm',
  'Where no other modality alone says the same: wrong, but right once the '
  'dominant one is dropped; right, but wrong once it is dropped; the '
  'difference of both, as shares of all clips.',
)
_HALVES = Definition(
  'One vote, halves',
  'How often a vote equals the plurality of the other votes on its clip; how '
  'often the pluralities of two halves of the votes are the same.',
)
_VOTE_EXCESS = Definition(
  'Excess of uncertainty',
  'How much more often annotators of the full condition differ where another '
  'condition’s plurality differs from theirs, minus the same for two '
  'pluralities of their own; all from disjoint votes.',
)
_AUROC = Definition(
  'AUROC',
  'The chance that a clip which the full view labels wrongly has a higher '
  'signal than one that it labels rightly; ties count half, 50 % is chance.',
)
_AP = Definition(
  'Average precision',
  'The mean, over errors, of the share of errors among clips with at least '
  'as high a signal; the error rate where a signal tells nothing.',
)
_AURC = Definition(
  'AURC, E-AURC',
  'The error rate among the clips with the lowest signal, mean over all '
  'coverages; E-AURC is what it exceeds that of an oracle by.',
)

_BOTH_KINDS = (
  'In no stratum of label and confidence are there clips of both kinds.'
)
_ALL_CONTESTED = 'The clips are all contested, or none is.'
_SET_NOWHERE = 'The signal is set on no clip.'
_SIGNAL = ('ambiguity.{signal}', 'question 3')
_DIAGNOSED = ('diagnosis.{signal}', 'question 6')
_VIEW = ('question 1',)
_PAIR = ('disagreement.{view}_vs_full', 'question 2')
_SOFT = ('soft_scores',)
_MODALITY = ('question 4',)
_VOTES = ('question 5',)
_BY_CLIP = ('humans.full_minus_best_per_clip', 'question 5')
_CONFLICT = ('humans.{condition}_vs_full', 'question 5')


def _data() -> tuple[Entry, ...]:
  return (
    Entry('data.group_leakage', 'group leakage', SHARE),
    Entry('data.majority_accuracy', 'commonest label', SHARE),
    Entry('data.group_majority_accuracy', 'knowing the group', SHARE),
    Entry('data.num_groups', 'groups', COUNT),
    Entry('data.largest_group_share', 'largest group', SHARE),
    Entry('data.views', 'views', SHARE),
    Entry('data.confidence', 'confidence', COUNT),
    Entry('data.largest_class_share', 'class balance', SHARE),
    Entry('data.votes_per_clip', 'votes a clip', NUMBER),
    Entry('data.label_is_plurality', 'label is plurality', SHARE),
    Entry('data.labelled_share', 'labelled clips', SHARE),
    Entry('data.duplicates', 'repeated clips', COUNT),
    Entry('data.{modality}.coverage', '{modality} coverage', SHARE),
    Entry(
      'data.smallest_effect',
      'smallest gain to be seen',
      POINTS,
      undefined='There is no paired difference with an interval.',
    ),
  )


def _views() -> tuple[Entry, ...]:
  def of(figure, *rest, **more):
    return Entry(f'views.{{view}}.{figure}', *rest, within=_VIEW, **more)

  def human(figure, *rest, **more):
    return Entry(f'views.{{view}}.human_{figure}', *rest, within=_SOFT, **more)

  logit, log = Scale.LOGIT, Scale.LOG
  difference = {'scale': Scale.DIFFERENCE, 'null': 0.0, 'within': _VIEW}
  gain = ('accuracy', POINTS)
  return (
    of('accuracy', 'accuracy', SHARE, logit, _ACCURACY),
    of('seed_sd', 'seed SD', Unit('points', 100.0, 1)),
    of('accuracy_fold_mean', 'fold mean', SHARE, logit, _FOLD_MEAN),
    of('ensemble_accuracy', 'seeds averaged', SHARE, logit, _ENSEMBLE),
    of('macro_f1', 'macro F1', NUMBER, logit, _F1),
    of('weighted_f1', 'weighted F1', NUMBER, logit, _F1),
    of('nll', 'NLL', NATS, log, _LOSSES),
    of('brier', 'Brier', NUMBER, log, _LOSSES),
    of('ece', 'ECE', NUMBER, definition=_ECE),
    of('ece_null', 'ideal ECE', NUMBER, definition=_ECE),
    Entry('views.full_minus_{view}.accuracy', *gain, **difference),
    Entry('views.full_minus_best_single.accuracy', *gain, **difference),
    human('cross_entropy', 'cross-entropy', NATS, log),
    human('cross_entropy_null', 'if true', NUMBER),
    human('brier', 'Brier', NUMBER),
    human('jensen_shannon', 'Jensen–Shannon', NUMBER, log),
    human('jensen_shannon_null', 'if true', NUMBER),
    human('manhattan', 'Manhattan', NUMBER, log),
    human('manhattan_null', 'if true', NUMBER),
    human('wasserstein', 'Wasserstein', Unit('classes'), log),
    human('wasserstein_null', 'if true', NUMBER),
    human(
      'entropy_correlation',
      'correlation of entropies',
      CORRELATION,
      Scale.FISHER,
      undefined='The votes of all clips, or the probabilities, are equally '
      'uncertain.',
    ),
  )


def _disagreement() -> tuple[Entry, ...]:
  def of(figure, *rest, **more):
    pattern = f'disagreement.{{view}}_vs_full.{figure}'
    return Entry(pattern, *rest, within=_PAIR, **more)

  logit, difference = Scale.LOGIT, Scale.DIFFERENCE
  return (
    of('rate', 'differ', SHARE, logit, _DISAGREEMENT),
    of('own_null', 'its seeds', SHARE, logit, _EXCESS),
    of('full_null', 'full view’s seeds', SHARE, logit, _EXCESS),
    of('seed_null', 'seed noise', SHARE, logit, _EXCESS),
    of('excess', 'excess', POINTS, difference, _EXCESS, 0.0),
    of('beyond_either', 'beyond either', POINTS, difference, _BEYOND_EITHER, 0),
    of('same_seed_gap', 'other seeds minus same', POINTS, difference, null=0.0),
    of(
      'kappa',
      'kappa',
      NUMBER,
      Scale.FISHER,
      _KAPPA,
      undefined='Some pair of seeds gives every clip the same one class.',
    ),
    of(
      'error_consistency',
      'error cons.',
      NUMBER,
      Scale.FISHER,
      _CONSISTENCY,
      undefined='Some pair of seeds is right, or wrong, on every clip.',
    ),
  )


def _ambiguity() -> tuple[Entry, ...]:
  def of(figure, *rest, **more):
    pattern = f'ambiguity.{{signal}}.{figure}'
    return Entry(pattern, *rest, within=_SIGNAL, **more)

  difference = Scale.DIFFERENCE
  same = 'The {} has the same value for every clip with two votes or more.'
  raw, adjusted = ('raw', POINTS, difference), ('adjusted', POINTS, difference)
  ranked = {'null': 0.5, 'undefined': _ALL_CONTESTED}
  of_control = ('ambiguity.control.{control}', 'question 3')
  return (
    of('gs_difference', *raw, _GS, 0.0, undefined=same.format('signal')),
    of('adjusted', *adjusted, _ADJUSTED, 0.0, False, _BOTH_KINDS, True),
    of('adjusted_by_seed', *adjusted, _ADJUSTED, 0, False, _BOTH_KINDS, True),
    of('beyond_seeds', 'beyond seeds', POINTS, difference, _BEYOND_SEEDS, 0.0),
    Entry(
      'ambiguity.control.{control}.gs_difference',
      *raw,
      _GS,
      undefined=same.format('control'),
      within=of_control,
    ),
    Entry(
      'ambiguity.control.{control}.adjusted',
      *adjusted,
      _ADJUSTED,
      undefined=_BOTH_KINDS,
      confidence=True,
      within=of_control,
    ),
    of('auroc_contested', 'AUROC', SHARE, Scale.LOGIT, **ranked),
    of(
      'auroc_contested_equal_n',
      'equally many votes',
      SHARE,
      Scale.LOGIT,
      **ranked,
    ),
    of(
      'auroc_minus_confidence',
      'minus confidence',
      POINTS,
      difference,
      null=0.0,
      undefined=_ALL_CONTESTED,
      confidence=True,
    ),
    of(
      'precision_minus_confidence',
      'precision minus confidence’s',
      POINTS,
      difference,
      undefined=_SET_NOWHERE,
      confidence=True,
    ),
    of(
      'spearman',
      'Spearman with GS',
      CORRELATION,
      Scale.FISHER,
      null=0.0,
      undefined='The signal, or how often annotators differ, is the same on '
      'all clips.',
    ),
  )


def _dominance() -> tuple[Entry, ...]:
  def of(figure, heading, unit, scale=Scale.LOGIT, *rest, **more):
    pattern = f'dominance.{{modality}}.{figure}'
    within = (f'dominance.{figure}', *_MODALITY)
    return Entry(pattern, heading, unit, scale, *rest, within=within, **more)

  difference = Scale.DIFFERENCE
  return (
    of('rate', 'dominant', SHARE),
    of('causal_share', 'Shapley', SHARE, difference, _SHAPLEY),
    of('gate_share', 'gate', SHARE),
    of('attention_share', 'attention', SHARE),
    of('unsupported', 'unsupported', SHARE),
    of('misled', 'misled', SHARE, definition=_HARM),
    of('rescued', 'rescued', SHARE, definition=_HARM),
    of('net_harm', 'net harm', POINTS, difference, _HARM, 0.0, one_sided=True),
  )


def _humans() -> tuple[Entry, ...]:
  def of(figure, *rest, **more):
    return Entry(f'humans.{{condition}}.{figure}', *rest, within=_VOTES, **more)

  def against(figure, *rest, **more):
    pattern = f'humans.{{condition}}_vs_full.{figure}'
    differ = 'The pluralities differ on no clip, or on every one.'
    more |= {'undefined': differ, 'within': _CONFLICT}
    return Entry(pattern, *rest, **more)

  def best(figure, heading):
    pattern = f'humans.full_minus_best_per_clip.{figure}'
    return Entry(pattern, heading, POINTS, Scale.DIFFERENCE, within=_BY_CLIP)

  logit, log, difference = Scale.LOGIT, Scale.LOG, Scale.DIFFERENCE
  fisher = Scale.FISHER
  return (
    of('gs', 'GS', NUMBER, logit, _GS),
    of('accuracy', 'equal label', SHARE, logit),
    of('accuracy_disjoint', 'of other votes', SHARE, logit),
    of('entropy', 'entropy', NATS, log, _ENTROPY),
    of('entropy_miller_madow', 'entropy, corrected', NATS, log, _ENTROPY),
    of('observed_agreement', 'observed', SHARE, logit),
    of('alpha_nominal', 'Krippendorff’s alpha', NUMBER, fisher, _ALPHA),
    of('alpha_ordinal', 'ordinal alpha', NUMBER, fisher, _ALPHA),
    of('fleiss_kappa', 'Fleiss’ kappa', NUMBER, fisher, _FLEISS),
    of('gwet_ac1', 'Gwet’s AC1', NUMBER, fisher, _FLEISS),
    of('one_vote_ceiling', 'one vote', SHARE, logit, _HALVES),
    of('split_half_reliability', 'halves', SHARE, logit, _HALVES),
    Entry(
      'humans.full_minus_{condition}.accuracy',
      'gain of full',
      POINTS,
      difference,
      null=0.0,
      within=_VOTES,
    ),
    best('naive', 'gain, all votes choose'),
    best('split_half', 'gain, half of the votes choose'),
    best('split_{number}', 'gain, {number} votes choose'),
    Entry('humans.hurt_share', 'hurt beyond chance', POINTS, difference, None),
    Entry('humans.hurt_share_naive', 'hurt', SHARE, logit),
    against('rate', 'differ', SHARE, logit),
    against('control_rate', 'from itself', SHARE, logit),
    against('gs_difference', 'GS there', POINTS, difference, _GS),
    against('control_gs_difference', 'by itself', POINTS, difference, _GS),
    against('entropy_excess', 'excess', POINTS, difference, _VOTE_EXCESS, 0.0),
    Entry(
      'humans.models.{signal}.spearman',
      'correlation',
      CORRELATION,
      fisher,
      null=0.0,
      undefined='One of the two is the same for every clip.',
      within=('humans.models', 'question 5'),
    ),
  )


def _diagnosis() -> tuple[Entry, ...]:
  def of(figure, *rest, **more):
    pattern = f'diagnosis.{{signal}}.{figure}'
    return Entry(pattern, *rest, **({'within': _DIAGNOSED} | more))

  logit, difference = Scale.LOGIT, Scale.DIFFERENCE
  right = {'undefined': 'The full view is right on every clip with the signal.'}
  selective = {
    'scale': logit,
    'undefined': 'No clip is answered at this error rate.',
    'confidence': True,
    'within': (
      'diagnosis.selective_{wanted}',
      'diagnosis.selective',
      'question 6',
    ),
  }
  gain = (POINTS, difference, None, 0.0, True)
  combined = ('diagnosis.combined', 'question 6')
  return (
    Entry('diagnosis.error_rate', 'error rate', SHARE, logit),
    of('auroc_error', 'AUROC', SHARE, logit, _AUROC, 0.5),
    of(
      'auroc_error_minus_confidence',
      'minus confidence',
      POINTS,
      difference,
      null=0.0,
      confidence=True,
    ),
    of('average_precision', 'AP', NUMBER, logit, _AP, **right),
    of('aurc', 'AURC', NUMBER, logit, _AURC, **right),
    of('e_aurc', 'E-AURC', NUMBER, Scale.LOG, _AURC, **right),
    of('errors_found_at_10', 'found', SHARE, logit, **right),
    of(
      'auroc_error_uncontested',
      'uncontested',
      SHARE,
      logit,
      null=0.5,
      undefined='The full view is right, or wrong, on every uncontested clip.',
      within=('diagnosis.uncontested', *_DIAGNOSED),
    ),
    of(
      'precision_minus_confidence',
      'precision minus confidence’s',
      POINTS,
      difference,
      undefined=_SET_NOWHERE,
      confidence=True,
    ),
    of('adjusted', 'adjusted', *gain, confidence=True, undefined=_BOTH_KINDS),
    Entry(
      'diagnosis.combined.auroc_minus_confidence',
      'combined minus confidence',
      *gain,
      confidence=True,
      within=combined,
    ),
    Entry(
      'diagnosis.combined.auroc_contested_minus_confidence',
      'combined minus confidence, contested',
      *gain,
      confidence=True,
      within=combined,
    ),
    Entry(
      'diagnosis.selective_{wanted}.risk',
      'errors among answered',
      SHARE,
      **selective,
    ),
    Entry(
      'diagnosis.selective_{wanted}.coverage', 'answered', SHARE, **selective
    ),
  )


ENTRIES = (
  *_data(),
  *_views(),
  *_disagreement(),
  *_ambiguity(),
  *_dominance(),
  *_humans(),
  *_diagnosis(),
)
TOPICS = tuple(
  Topic(pattern)
  for pattern in dict.fromkeys(
    (
      *(topic for entry in ENTRIES for topic in entry.within),
      'question 7',
      'views.human_wasserstein',
    )
  )
)
_BY_PATTERN = {entry.pattern: entry for entry in ENTRIES}


def entry(pattern: str) -> Entry:
  """The entry of a pattern, which must be one."""
  return _BY_PATTERN[pattern]


def under(stem: str) -> tuple[str, ...]:
  """The patterns that begin with `stem` and a dot."""
  return tuple(p for p in _BY_PATTERN if p.startswith(f'{stem}.'))


def name(pattern: str, parts: Mapping[str, object]) -> str:
  """The name of a statistic.

  Args:
    pattern: of an entry or topic.
    parts: by name, what stands in their places; others are left aside.

  Returns:
    The pattern with the parts in their places.

  Raises:
    KeyError: a part is not given.
  """
  return pattern.format(**{part: parts[part] for part in _fields(pattern)})


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
  return _match(full_name, _PATTERNS)


@functools.cache
def signal(signal_name: str) -> Found | None:
  """The signal of a name, and the view that it is of; None if there is none."""
  return _match(signal_name, _SIGNALS)


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
  """What of a question's p-values is corrected together, by name."""
  found = find(full_name)
  if found is None:
    return full_name
  return getattr(found.entry, 'family', '') or found.entry.pattern


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


def definitions(names: Mapping[str, object]) -> list[Definition]:
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


def _fields(pattern: str) -> list[str]:
  return [part for _, part, *_ in string.Formatter().parse(pattern) if part]


def _compiled(known):
  """Regular expressions of patterns, and whose they are, the keenest first."""
  made = []
  for one in known:
    pieces, literal = [], 0
    for text, part, *_ in string.Formatter().parse(one.pattern):
      pieces.append(re.escape(text))
      literal += len(text)
      if part:
        pieces.append(f'(?P<{part}>.+)')
    made.append((literal, re.compile(''.join(pieces)), one))
  return sorted(made, key=lambda one: -one[0])


def _match(text: str, patterns) -> Found | None:
  for _, pattern, one in patterns:
    found = pattern.fullmatch(text)
    if found is None:
      continue
    parts = found.groupdict()
    of = parts.get('signal')
    if of is not None and signal(of) is None:
      continue
    return Found(one, parts)
  return None


_SIGNALS = _compiled(SIGNALS)
_PATTERNS = _compiled((*ENTRIES, *TOPICS))
