"""Labels and their uncertainty net of what each annotator tends to.

The model is `corpora.dawid_skene`'s. Where a clip is truly between two classes
it is too sure, for it knows no such clips: its entropy tells of the label, GS
of the people.
"""

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.corpora import dawid_skene as model
from empathy.evaluation import asked, ranking, samples, weighing
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan

# Spearman's correlation is drawn with so many values of either variable.
_NUM_RANKS = 12
_STEM = 'humans.model_of_annotators'


def in_parts(plan: Plan) -> Findings:
  """Why there is no model where clips were added up in parts."""
  if not plan.survey.has_votes:
    return Findings()
  reason = _missing(plan) or (
    'The model is fitted to all votes in many rounds, each of which needs what '
    'the last one said of every clip; these clips were added up in parts.'
  )
  return Findings(skipped={_STEM: reason})


def _fitted(corpus: corpus_lib.Corpus, plan: Plan) -> model.Fitted:
  """The model of the votes that speak for clips."""
  names = _conditions(plan)
  votes = corpus.votes
  places = [corpus.conditions.index(name) for name in names]
  own = np.isin(votes.condition, places)
  people, who = np.unique(
    plan.crowd.codes(votes.annotator[own]), return_inverse=True
  )
  return model.fit(
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
