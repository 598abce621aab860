"""Labels and their uncertainty net of what each annotator tends to.

The model of Dawid & Skene (1979, Appl. Stat. 28:20): a clip has one label, and
an annotator who sees it gives each class with chances of his own that depend on
the label alone. Given these chances, votes say how likely each label is. Where
annotators lean or toss coins, that differs from the shares of votes; where a
clip is truly between two classes, the model is too sure, for it knows no such
clips: its entropy tells of the label, GS of the people.
"""

import dataclasses

import numpy as np
from scipy import sparse, special

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import asked, ranking, samples, weighing
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan

# A chance that no vote tells of.
_LEAST = 1e-10
_NUM_STEPS = 100
_CLOSE = 1e-6
# Spearman's correlation is drawn with so many values of either variable.
_NUM_RANKS = 12
_STEM = 'humans.model_of_annotators'


@dataclasses.dataclass(frozen=True)
class Fitted:
  """What votes say by the model.

  Attributes:
    posterior: (N, C) float64, the chance of each label; that of all clips where
      there are no votes.
    confusion: (A, C, C) float64, the chance that an annotator gives the second
      class where the label is the first.
    prior: (C,) float64.
  """

  posterior: np.ndarray
  confusion: np.ndarray
  prior: np.ndarray

  @property
  def entropy(self) -> np.ndarray:
    """Of the posterior, in nats: (N,)."""
    return special.entr(self.posterior).sum(axis=1)


def fit(
  clip: np.ndarray,
  who: np.ndarray,
  label: np.ndarray,
  count: np.ndarray,
  shape: tuple[int, int, int],
  num_steps: int = _NUM_STEPS,
  close: float = _CLOSE,
) -> Fitted:
  """Fits the model by expectation and maximisation, from the shares of votes.

  Args:
    clip: (V,) int, of each vote,
    who: (V,) int, its annotator,
    label: (V,) int, and its class.
    count: (V,), how many votes an entry stands for.
    shape: N, A and C.
    num_steps: at most.
    close: it ends when no chance of a label moves by more.

  Returns:
    What votes say; O(V C) a step.
  """
  num_clips, num_people, num_classes = shape
  # Votes of every clip by annotator and class.
  votes = sparse.csr_array(
    (np.asarray(count, np.float64), (clip, who * num_classes + label)),
    shape=(num_clips, num_people * num_classes),
  )
  turned = votes.T.tocsr()
  shares = sparse.csr_array(
    (np.asarray(count, np.float64), (clip, label)),
    shape=(num_clips, num_classes),
  ).toarray()
  voted = shares.sum(axis=1) > 0
  posterior = shares[voted] / shares[voted].sum(axis=1, keepdims=True)
  votes, turned = votes[np.flatnonzero(voted)], turned[:, voted]

  def maximised(posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    told = (turned @ posterior).reshape(num_people, num_classes, num_classes)
    told = np.maximum(told, _LEAST)
    prior = np.maximum(posterior.mean(axis=0), _LEAST)
    return told / told.sum(axis=1, keepdims=True), prior

  confusion, prior = maximised(posterior)
  for _ in range(num_steps):
    logs = np.log(confusion).reshape(-1, num_classes)
    before = posterior
    posterior = special.softmax(votes @ logs + np.log(prior), axis=1)
    confusion, prior = maximised(posterior)
    if np.abs(posterior - before).max(initial=0) < close:
      break
  found = np.tile(prior / prior.sum(), (num_clips, 1))
  found[voted] = posterior
  return Fitted(found, confusion.swapaxes(1, 2), prior)


def in_parts(plan: Plan) -> Findings:
  """Why there is no model where clips were added up in parts."""
  if not plan.survey.has_votes:
    return Findings()
  reason = _missing(plan) or (
    'The model is fitted to all votes in many rounds, each of which needs what '
    'the last one said of every clip; these clips were added up in parts.'
  )
  return Findings(skipped={_STEM: reason})


def _fitted(corpus: corpus_lib.Corpus, plan: Plan) -> Fitted:
  """The model of the votes that speak for clips."""
  names = _conditions(plan)
  votes = corpus.votes
  places = [corpus.conditions.index(name) for name in names]
  own = np.isin(votes.condition, places)
  people, who = np.unique(
    plan.crowd.codes(votes.annotator[own]), return_inverse=True
  )
  return fit(
    votes.clip[own],
    who,
    votes.label[own],
    votes.count[own],
    (len(corpus.ids), len(people), len(corpus.classes)),
  )


def find(corpus: corpus_lib.Corpus, plan: Plan) -> Findings:
  """What the model says of the votes that speak for clips, beside them.

  Args:
    corpus: all of it, for the model is fitted to all votes at once.
    plan: of it.

  Returns:
    `humans.model_of_annotators.accuracy` and `.plurality`, how often the
    likeliest label is the label, and the plurality of the votes where there is
    one; `.spearman`, the correlation over clips of GS and the entropy of the
    label. Intervals hold the model as it is.
  """
  if not plan.survey.has_votes:
    return Findings()
  if reason := _missing(plan):
    return Findings(skipped={_STEM: reason})
  fitted = _fitted(corpus, plan)
  counts = plan.votes(corpus)
  likeliest = fitted.posterior.argmax(axis=1)
  ordered = np.sort(np.pad(counts, ((0, 0), (1, 0))), axis=1)
  voted = counts.any(axis=1)
  gs = votes_lib.gs(counts)
  found = Findings()
  for name, chosen, same in (
    (
      'accuracy',
      voted & (corpus.labels != corpus_lib.UNLABELLED),
      likeliest == corpus.labels,
    ),
    (
      'plurality',
      voted & (ordered[:, -1] > ordered[:, -2]),
      likeliest == counts.argmax(axis=1),
    ),
  ):
    if chosen.any():
      sample = samples.sample(corpus.groups[chosen])
      columns = np.stack([same[chosen], np.ones(chosen.sum())], axis=1)
      mean = weighing.mean(sample.totals(columns))
      asked.add(found, f'{_STEM}.{name}', sample, mean)
  chosen = ~np.isnan(gs)
  if chosen.any():
    sample = samples.sample(corpus.groups[chosen])
    both = fitted.entropy[chosen], gs[chosen]
    asked.add(
      found,
      f'{_STEM}.spearman',
      sample,
      ranking.spearman(sample, *both),
      drawn=ranking.spearman(
        sample, *(ranking.coarse(one, _NUM_RANKS) for one in both)
      ),
    )
  return found


def _conditions(plan: Plan) -> tuple[str, ...]:
  """Those whose votes speak for clips."""
  return plan.voted if plan.speaking is None else (plan.speaking,)


def _missing(plan: Plan) -> str:
  """Why there is no model; '' if there is one."""
  nameless = (plan.survey.numbers['anonymous', n] for n in _conditions(plan))
  if plan.crowd is None or any(nameless):
    return 'It is not known of every vote whose it is.'
  return ''
