"""A simulated corpus: a small psychometric model whose truth is known.

Every clip has a latent state, one of the classes. Each modality carries a cue
of it: a class and a strength. In a planted share of the clips the cue of one
modality, the culprit, points to another class (*conflict*); in another share
all cues are weak (*ambiguity*). From there two ways lead on, which share
nothing but the cues:

*Votes.* An annotator sees the modalities of the condition, adds up the
evidence of their cues, each weighted by how much this annotator minds that
modality, adds a bias and noise, and votes for the class with the most
evidence. With evidence e_k for class k and standard Gumbel noise this is
Luce's choice rule, P(vote = k) = exp(e_k) / sum_l exp(e_l), the many-class form
of logistic signal detection (Luce 1959, Individual Choice Behavior; McFadden
1974). So the expected votes of a clip are known exactly.

*Features.* What an encoder would give: a fixed random network of the noisy
cue, of the speaker and of noise. The network is the same for every seed, as a
frozen encoder is, so a model trained on one simulated corpus can be tried on
another one. One modality is *loud*: its cue stands out more in the features
than it does for people.

*Words.* Where the classes are those of the default corpus, clips have a
transcript that fits the cue of their text, to read; it makes no feature.

The label is the plurality of the votes in the condition of all modalities.

With `num_values` the classes are the points of a scale, and annotators rate. An
annotator then goes by one of the cues, each as likely as it has evidence: the
rating is its point plus the annotator's bias and normal noise, which is smaller
the more evidence there is in all, rounded to a point of the scale. So cues that
differ make ratings differ, and the expected rating is known exactly. The score
of a clip is the mean of the ratings on all modalities.
Every effect has a switch, so that statistics can be checked where the truth is
that there is none.
"""

import dataclasses
import math

import numpy as np

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import sayings

MODALITIES = corpus_lib.MODALITIES
CONDITIONS = (*MODALITIES, corpus_lib.view_name(MODALITIES))

# The mean evidence (in logits, for a vote) that the cue of a modality gives.
_EVIDENCE = np.array([1.1, 0.9, 1.0])
# How strengths vary from clip to clip: the sigma of their logarithm.
_STRENGTH_SIGMA = 0.25
# What is left of a cue in a weak clip.
_WEAK = 0.25
# How much at `speaker_effect` 1 speakers differ in how often they are in a
# state (sigma of the logits) and how plainly they show it (sigma of the log).
_SPEAKER_STATE, _SPEAKER_PLAINNESS = 0.5, 0.2
# How much at `annotator_differences` 1 annotators differ in bias (sigma, in
# logits), in sensitivity (sigma of the log), and in how they weigh the
# modalities (inverse of the concentration of a Dirichlet distribution).
_BIAS, _SENSITIVITY, _UNEVENNESS = 0.35, 0.25, 0.1
# Of ratings, in points of the scale: the noise at an evidence of 1, and how
# much at `annotator_differences` 1 annotators differ in bias (sigma).
_RATING_NOISE, _RATING_BIAS = 1.2, 0.5
# The feature network: width of the speaker's and the noise's part of its
# input, of its hidden layer, and the seed of its weights.
_SPEAKER_WIDTH, _NOISE_WIDTH, _HIDDEN, _NETWORK_SEED = 6, 8, 64, 20250513


def _parameter(default, text: str):
  return dataclasses.field(default=default, metadata={'help': text})


@dataclasses.dataclass(frozen=True)
class Parameters:
  """What to simulate; the defaults are the default corpus.

  Each field's `help` says what it is.
  """

  num_clips: int = _parameter(1000, 'number of clips')
  num_groups: int = _parameter(40, 'number of speakers')
  group_sigma: float = _parameter(
    0.7, 'sigma of the log of the numbers of clips of the speakers'
  )
  width: int = _parameter(256, 'width of the features')
  classes: tuple[str, ...] = _parameter(
    ('neutral', 'empathetic'), 'names of the classes'
  )
  num_values: int = _parameter(
    0,
    'number of points, from 1 on, of the scale that annotators rate on; 0: '
    'they vote for classes',
  )
  num_annotators: int = _parameter(24, 'number of annotators in the pool')
  num_votes: int = _parameter(
    5, 'mean number of votes for a clip in a condition; up to 2 more or fewer'
  )
  conflict: float = _parameter(
    0.4, 'share of the clips in which one modality points to another class'
  )
  weak: float = _parameter(
    0.15, 'share of the clips in which all cues are weak'
  )
  linked: bool = _parameter(
    True,
    'whether conflict and weakness make the votes uncertain; if not, votes are '
    'as uncertain, but on clips that have nothing to do with the planted ones',
  )
  speaker_effect: float = _parameter(
    1.0,
    'how much the speaker matters, to the state and to the features; 0: not',
  )
  annotator_differences: float = _parameter(
    1.0, 'how much annotators differ from each other; 0: not at all'
  )
  feature_noise: float = _parameter(
    0.4, 'noise on the cue in the features, in units of a mean cue'
  )
  loudness: float = _parameter(
    1.5, 'how much the cue of the loud modality stands out in the features'
  )
  loud_modality: str = _parameter('video', 'the modality that is loud')
  noise_modality: str = _parameter(
    '', 'a modality whose features are pure noise; annotators still use it'
  )

  @property
  def names(self) -> tuple[str, ...]:
    """The classes, which may be points of a scale."""
    if self.num_values:
      return tuple(str(point + 1) for point in range(self.num_values))
    return self.classes


@dataclasses.dataclass(frozen=True)
class Clips:
  """What is planted in the clips.

  Attributes:
    group: (N,) int, the speaker.
    state: (N,) int, the latent class.
    cue: (N, M) int, the class to which each modality points.
    strength: (N, M) float, the evidence of each cue, in logits of a vote.
    culprit: (N,) int, the modality that points elsewhere; -1 for none.
    weak: (N,) bool, whether all cues are weak.
  """

  group: np.ndarray
  state: np.ndarray
  cue: np.ndarray
  strength: np.ndarray
  culprit: np.ndarray
  weak: np.ndarray


def simulate(
  parameters: Parameters, seed: int
) -> tuple[corpus_lib.Corpus, dict[str, np.ndarray]]:
  """Simulates a corpus.

  Clips, votes and features have independent random numbers: a change of what
  concerns one leaves the others as they were.

  Args:
    parameters: what to simulate.
    seed: of all that is random; the same seed gives the same corpus.

  Returns:
    The corpus, and the truth as a table of columns (N,): the id, the latent
    `state`, `<modality>_cue` and `<modality>_strength`, whether there is a
    `conflict` and of which modality (`culprit`, '' for none), whether all cues
    are `weak`, and `expected_<class>`, the expected share of the votes in the
    condition of all modalities; of ratings `expected_score` too.

  Raises:
    InputError: the parameters contradict each other.
  """
  check(parameters)
  streams = [np.random.default_rng([seed, part]) for part in range(5)]
  clips = draw_clips(parameters, streams[0])
  perceived = (
    clips if parameters.linked else _unlink(parameters, clips, streams[3])
  )
  votes, expected = draw_votes(parameters, perceived, streams[1])
  features = draw_features(parameters, clips, streams[2])
  digits = len(str(parameters.num_clips - 1))
  ids = np.array([f'clip{i:0{digits}}' for i in range(parameters.num_clips)])
  digits = len(str(parameters.num_groups - 1))
  speakers = np.array(
    [f'speaker{i:0{digits}}' for i in range(parameters.num_groups)]
  )
  corpus = corpus_lib.Corpus(
    info={
      'name': 'simulated',
      'classes': list(parameters.names),
      'modalities': list(MODALITIES),
      'conditions': list(CONDITIONS),
      'license': 'CC0-1.0',
      'source': 'simulated by python -m empathy.prepare --importer=simulated',
      'label': 'plurality of the simulated votes on all modalities',
      'label_source': CONDITIONS[-1],
      'simulated': True,
      'parameters': {
        **dataclasses.asdict(parameters),
        'classes': list(parameters.classes),
      },
      'seed': seed,
    },
    ids=ids,
    groups=speakers[clips.group],
    labels=np.zeros(len(ids), np.int32),
    votes=votes,
    features={
      modality: corpus_lib.Features(
        clip=np.arange(len(ids), dtype=np.int32), values=values
      )
      for modality, values in features.items()
    },
  )
  if sayings.knows(parameters.names):
    text = clips.cue[:, MODALITIES.index('text')]
    said = sayings.draw(parameters.names, text, clips.weak, streams[4])
    corpus = dataclasses.replace(corpus, metadata={'transcript': said})
  counts = corpus.vote_counts(CONDITIONS[-1])
  truth = _truth(parameters, ids, clips, expected)
  if parameters.num_values:
    points = np.arange(1.0, parameters.num_values + 1)
    info = dict(corpus.info) | {
      'values': points.tolist(),
      'ordered': True,
      'label': 'mean of the simulated ratings on all modalities',
    }
    corpus = dataclasses.replace(
      corpus,
      info=info,
      labels=np.full(len(ids), corpus_lib.UNLABELLED, np.int32),
      scores=counts @ points / counts.sum(axis=1),
    )
    truth['expected_score'] = (expected @ points).round(6)
    return corpus, truth
  # Ties go to the first class, as everywhere.
  labels = counts.argmax(axis=1).astype(np.int32)
  return dataclasses.replace(corpus, labels=labels), truth


def check(parameters: Parameters) -> None:
  """Raises an `InputError` that names each parameter that cannot be."""
  num_classes = len(parameters.classes)
  most_votes = parameters.num_votes + 2
  default_classes = Parameters().classes
  rules = {
    'num_groups': (parameters.num_groups >= 1, '1 or more'),
    'num_clips': (
      parameters.num_clips >= parameters.num_groups,
      f'at least one for each of the {parameters.num_groups} groups',
    ),
    'group_sigma': (parameters.group_sigma >= 0, '0 or more'),
    'width': (parameters.width >= 1, '1 or more'),
    'classes': (
      num_classes >= 2
      and all(parameters.classes)
      and len(set(parameters.classes)) == num_classes,
      'two or more different names',
    ),
    'num_values': (
      parameters.num_values == 0
      or (parameters.num_values >= 2 and parameters.classes == default_classes),
      '0, or 2 or more, and then no classes',
    ),
    'num_votes': (parameters.num_votes >= 1, '1 or more'),
    'num_annotators': (
      parameters.num_annotators >= most_votes,
      f'{most_votes} or more, for a clip may get {most_votes} votes',
    ),
    'conflict': (0 <= parameters.conflict <= 1, 'a share from 0 to 1'),
    'weak': (
      0 <= parameters.weak <= 1 - parameters.conflict
      or not 0 <= parameters.conflict <= 1,  # Which is told already.
      'a share from 0 to 1 that leaves room for conflict',
    ),
    'speaker_effect': (parameters.speaker_effect >= 0, '0 or more'),
    'annotator_differences': (
      parameters.annotator_differences >= 0,
      '0 or more',
    ),
    'feature_noise': (parameters.feature_noise >= 0, '0 or more'),
    'loudness': (parameters.loudness >= 0, '0 or more'),
    'loud_modality': (
      parameters.loud_modality in MODALITIES,
      'one of ' + ', '.join(MODALITIES),
    ),
    'noise_modality': (
      parameters.noise_modality in ('', *MODALITIES),
      'empty or one of ' + ', '.join(MODALITIES),
    ),
  }
  errors.raise_faults(
    [
      f'{name}: {getattr(parameters, name)!r}: expected {expected}'
      for name, (holds, expected) in rules.items()
      if not holds
    ]
  )
  errors.raise_faults(
    [
      f'{name}: {value!r}: expected a finite number'
      for name, value in dataclasses.asdict(parameters).items()
      if isinstance(value, float) and not math.isfinite(value)
    ]
  )


def draw_clips(parameters: Parameters, random: np.random.Generator) -> Clips:
  """Draws speakers, states and cues."""
  num_clips, num_groups = parameters.num_clips, parameters.num_groups
  num_classes, num_modalities = len(parameters.names), len(MODALITIES)
  share = np.exp(parameters.group_sigma * random.standard_normal(num_groups))
  # Each speaker has one clip at least, so that the number of groups is fixed.
  group = np.concatenate(
    [
      np.arange(num_groups),
      random.choice(
        num_groups, size=num_clips - num_groups, p=share / share.sum()
      ),
    ]
  )
  random.shuffle(group)
  effect = parameters.speaker_effect
  leaning = effect * _SPEAKER_STATE
  leaning = leaning * random.standard_normal((num_groups, num_classes))
  plainness = np.exp(
    effect * _SPEAKER_PLAINNESS * random.standard_normal(num_groups)
  )
  state = np.argmax(
    leaning[group] + random.gumbel(size=(num_clips, num_classes)), axis=1
  )
  kind = random.random(num_clips)
  conflict = kind < parameters.conflict
  weak = ~conflict & (kind < parameters.conflict + parameters.weak)
  culprit = np.where(
    conflict, random.integers(num_modalities, size=num_clips), -1
  )
  elsewhere = state + random.integers(1, num_classes, size=num_clips)
  cue = np.repeat(state[:, None], num_modalities, axis=1)
  cue[conflict, culprit[conflict]] = elsewhere[conflict] % num_classes
  strength = _EVIDENCE * plainness[group, None]
  strength = strength * np.exp(
    _STRENGTH_SIGMA * random.standard_normal((num_clips, num_modalities))
  )
  strength[weak] *= _WEAK
  return Clips(
    group=group,
    state=state,
    cue=cue,
    strength=strength,
    culprit=culprit,
    weak=weak,
  )


def draw_votes(
  parameters: Parameters, clips: Clips, random: np.random.Generator
) -> tuple[corpus_lib.Votes, np.ndarray]:
  """Draws annotators and their votes in every condition.

  Args:
    parameters: what to simulate.
    clips: the cues that the annotators perceive.
    random: its state moves on.

  Returns:
    The votes, ordered by clip and condition; and (N, C) float64, the expected
    share of votes for each class in the condition of all modalities, for an
    annotator drawn from the pool.
  """
  num_clips, num_conditions = len(clips.state), len(CONDITIONS)
  pool, num_classes = parameters.num_annotators, len(parameters.names)
  differences = parameters.annotator_differences
  bias = random.standard_normal((pool, num_classes)) * differences * _BIAS
  sensitivity = np.exp(
    random.standard_normal((pool, 1)) * differences * _SENSITIVITY
  )
  weight = np.ones((pool, len(MODALITIES)))
  if differences:
    concentration = 1 / (differences * _UNEVENNESS)
    weight *= random.dirichlet(np.full(len(MODALITIES), concentration), pool)
    weight *= len(MODALITIES)
  weight *= sensitivity

  least = max(1, parameters.num_votes - 2)
  number = random.integers(
    least, parameters.num_votes + 3, size=num_clips * num_conditions
  )
  # The first of a random order of the pool: nobody votes twice on a clip.
  order = random.random((num_clips * num_conditions, pool), np.float32).argsort(
    axis=1
  )
  cell, place = np.nonzero(np.arange(pool) < number[:, None])
  annotator = order[cell, place]
  clip, condition = np.divmod(cell, num_conditions)
  sees = np.array(
    [[m in name.split('+') for m in MODALITIES] for name in CONDITIONS]
  )
  mass = sees[condition] * weight[annotator] * clips.strength[clip]
  evidence = _evidence(parameters, clips.cue[clip], mass, bias[annotator])
  label = np.argmax(evidence + random.gumbel(size=evidence.shape), axis=1)
  names = np.array([f'annotator{i:02}' for i in range(pool)])
  votes = corpus_lib.Votes(
    clip=clip.astype(np.int32),
    condition=condition.astype(np.int32),
    annotator=names[annotator],
    label=label.astype(np.int32),
    count=np.ones(len(clip), np.int64),
  )
  return votes, _expected_votes(parameters, clips, weight, bias)


def draw_features(
  parameters: Parameters, clips: Clips, random: np.random.Generator
) -> dict[str, np.ndarray]:
  """Draws what the encoders give: (N, width) float32 for each modality."""
  num_clips, codes = len(clips.state), _codes(parameters)
  width = parameters.width
  features = {}
  for index, modality in enumerate(MODALITIES):
    speaker = random.standard_normal((parameters.num_groups, _SPEAKER_WIDTH))
    blur = random.standard_normal((num_clips, codes.shape[1]))
    nuisance = random.standard_normal((num_clips, _NOISE_WIDTH))
    noise = random.standard_normal((num_clips, width))
    if modality == parameters.noise_modality:
      features[modality] = noise.astype(np.float32)
      continue
    gain = parameters.loudness if modality == parameters.loud_modality else 1.0
    cue = codes[clips.cue[:, index]]
    cue *= gain * clips.strength[:, index, None] / _EVIDENCE[index]
    given = np.concatenate(
      [
        2 * (cue + parameters.feature_noise * blur),
        parameters.speaker_effect * speaker[clips.group],
        nuisance,
      ],
      axis=1,
    )
    # The encoder is frozen: its weights do not depend on the seed.
    frozen = np.random.default_rng([_NETWORK_SEED, index])
    inner = frozen.standard_normal((given.shape[1], _HIDDEN))
    outer = frozen.standard_normal((_HIDDEN, width))
    hidden = np.tanh(given @ inner / np.sqrt(given.shape[1]))
    values = hidden @ outer / np.sqrt(_HIDDEN) + 0.3 * noise
    # Rounded, so that another linear algebra library gives the same bytes.
    features[modality] = values.round(4).astype(np.float32)
  return features


def _codes(parameters: Parameters) -> np.ndarray:
  """How features say each class: (C, C), or where it is on a scale: (C, 1)."""
  number = len(parameters.names)
  if parameters.num_values:
    return np.linspace(-1, 1, number)[:, None]
  return np.eye(number) - 1 / number


def _unlink(
  parameters: Parameters, clips: Clips, random: np.random.Generator
) -> Clips:
  """Cues for the annotators that keep the state and borrow all the rest.

  Each clip gets the pattern of strengths and of right and wrong cues of another
  clip. So votes are as certain, overall, as with the planted cues, but on which
  clips has nothing to do with what the features show.
  """
  other = random.permutation(len(clips.state))
  offset = clips.cue[other] - clips.state[other, None]
  return dataclasses.replace(
    clips,
    cue=(clips.state[:, None] + offset) % len(parameters.names),
    strength=clips.strength[other],
  )


def _evidence(
  parameters: Parameters, cue: np.ndarray, mass: np.ndarray, bias: np.ndarray
) -> np.ndarray:
  """The evidence that an annotator has for each class, in logits.

  Args:
    parameters: what to simulate.
    cue: (n, M) int, the class to which each modality points.
    mass: (n, M) float, how much evidence it gives; 0 where it is not shown.
    bias: (n, C) float, of the annotator, in logits; for ratings, the first
      column shifts all.

  Returns:
    (n, C) float; for ratings, the logarithm of their probability.
  """
  if not parameters.num_values:
    evidence = bias.copy()
    for modality in range(cue.shape[1]):
      evidence[np.arange(len(cue)), cue[:, modality]] += mass[:, modality]
    return evidence
  # Here, for those who want only --help or votes are not to wait for it.
  from scipy import special

  total = mass.sum(axis=1)
  noise = _RATING_NOISE / np.sqrt(total)
  centre = cue + bias[:, :1] * (_RATING_BIAS / _BIAS)
  ends = np.arange(parameters.num_values - 1) + 0.5
  below = special.ndtr((ends - centre[..., None]) / noise[:, None, None])
  shares = np.diff(below, axis=2, prepend=0, append=1)
  mixed = np.einsum('nm,nmc->nc', mass / total[:, None], shares)
  return np.log(np.maximum(mixed, np.finfo(float).tiny))


def _expected_votes(
  parameters: Parameters, clips: Clips, weight: np.ndarray, bias: np.ndarray
) -> np.ndarray:
  """The mean over the pool of the choice probabilities: (N, C)."""
  expected = np.zeros((len(clips.state), bias.shape[1]))
  for annotator in range(len(bias)):
    evidence = _evidence(
      parameters,
      clips.cue,
      weight[annotator] * clips.strength,
      np.tile(bias[annotator], (len(expected), 1)),
    )
    evidence = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    expected += evidence / evidence.sum(axis=1, keepdims=True)
  return expected / len(bias)


def _truth(
  parameters: Parameters, ids: np.ndarray, clips: Clips, expected: np.ndarray
) -> dict[str, np.ndarray]:
  classes = np.array(parameters.names)
  table = {'id': ids, 'state': classes[clips.state]}
  for index, modality in enumerate(MODALITIES):
    table[f'{modality}_cue'] = classes[clips.cue[:, index]]
    table[f'{modality}_strength'] = clips.strength[:, index].round(6)
  table['conflict'] = (clips.culprit >= 0).astype(int)
  table['culprit'] = np.array([*MODALITIES, ''])[clips.culprit]
  table['weak'] = clips.weak.astype(int)
  for index, name in enumerate(parameters.names):
    table[f'expected_{name}'] = expected[:, index].round(6)
  return table
