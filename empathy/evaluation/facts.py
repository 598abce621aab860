"""What a study is of, and what its intervals cover: facts and sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import versions
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import declared
from empathy.evaluation import (
  conflict,
  information,
  resampling,
  samples,
  wording,
)
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.plan import Plan
from empathy.evaluation.predictions import Kind

# From so few seeds, or annotators, on, intervals cover others like them.
_LEAST_KNOWN = 3


def of(
  totals: totals_lib.Totals,
  plan: Plan,
  content: str | None = None,
) -> dict[str, Any]:
  """The facts of `Study.info`.

  Args:
    totals: of all clips.
    plan: of all clips.
    content: of the corpus, see `corpus.content`; None if nobody had it whole.
  """
  num_groups = len(totals.hashes)
  seeds = {view: len(own) for view, own in plan.members.items()}
  corpus = plan.info
  found = {
    'corpus': corpus['name'],
    'label': corpus.get('label', ''),
    'classes': list(plan.classes),
    'modalities': list(plan.modalities),
    'conditions': list(corpus['conditions']),
    'license': corpus['license'],
    'source': corpus['source'],
    'simulated': bool(corpus.get('simulated', False)),
    'content': content,
    'num_clips': plan.survey.num_clips,
    'num_groups': num_groups,
    'views': list(plan.members),
    'single_views': [view for view in plan.members if '+' not in view],
    'full_view': plan.full,
    'full_condition': corpus_lib.full_condition(corpus['conditions']),
    'seeds': seeds,
    'kind': str(plan.survey.kind),
    'folds': int(np.count_nonzero(plan.survey.numbers.get(('folds',), 0))),
    'predictions': plan.survey.num_rows,
    'software': versions.of(('numpy', 'scipy')) | {'commit': versions.commit()},
    'resampling': _how(totals, plan),
    'covers': covers(
      seeds,
      _known_annotators(plan) if plan.survey.has_votes else None,
      plan.survey.kind,
      plan.exact,
      _of_votes(plan),
    )
    if num_groups >= samples.LEAST_GROUPS
    else '',
  }
  if declared.NAME in corpus:
    found[declared.NAME] = corpus[declared.NAME]
  return found


def _how(totals: totals_lib.Totals, plan: Plan) -> str:
  """How intervals are made, in sentences."""
  clips, judged = (totals['data', what] for what in ('clips', 'judged'))
  judged = judged if judged.any() else clips
  how = resampling.describe(totals.over(judged).groups)
  if plan.survey.has_votes and (judged != clips).any():
    how += (
      ' That is so for figures of predictions; those of votes alone rest on '
      'other clips too, and study.json says of each how its interval was made.'
    )
  if totals.bundled:
    how += (
      f' Here these are {len(totals.groups)} bundles of whole groups, of which '
      f'there are {len(totals.hashes):,}.'
    )
  if not plan.exact:
    how += ' Signals that rank clips were put on a grid of their values.'
  return how


def covers(
  seeds: Mapping[str, int],
  known_annotators: Sequence[str] | None,
  kind: Kind = Kind.PROBABILITIES,
  exact: bool = True,
  sections: Sequence[str] = ('Humans',),
) -> str:
  """What the intervals of a study hold for, and what they leave out.

  Args:
    seeds: by view, how many; empty without predictions.
    known_annotators: the conditions of which it is known who voted, by enough
      annotators to tell of others; '' stands for all; None without votes.
    kind: what predictions say.
    exact: whether clips are few enough to tell what annotators add to figures
      that rank clips, or compare them within strata.
    sections: those whose figures of votes cover other annotators.
  """
  told = ['Intervals cover new groups like these.']
  if seeds:
    fewest, most = min(seeds.values()), max(seeds.values())
    told.append('They do not cover another training set.')
    if kind is Kind.SAMPLES:
      told.append(
        'What this page calls seeds are samples: answers of one model to the '
        'same question.'
      )
    if most < _LEAST_KNOWN:
      told.append(
        'They speak of these trained members alone: '
        + (
          'there is one seed of each.'
          if most == 1
          else 'two seeds are too few to tell what others would do.'
        )
      )
    else:
      graded = kind is Kind.PROBABILITIES
      what = 'probabilities' if graded else 'labels, their shares'
      where = 'seeds' if fewest >= _LEAST_KNOWN else 'three seeds or more'
      told.append(
        f'Those of means over {where} cover new seeds, too; what rests on the '
        f'mean of the seeds’ {what}, as most of Dominance and Diagnosis '
        'does, or takes a seed of each of several views, as the information of '
        'views and the best of views do, speaks of these trained members.'
      )
  if known_annotators is not None:
    told.append(_annotators(known_annotators, sections, exact or not seeds))
  return ' '.join(told)


def _of_votes(plan: Plan) -> list[str]:
  """Where figures cover other annotators, see `study.with_annotators`."""
  found = {
    'Humans': True,
    'Scores': plan.values is not None,
    'Ambiguity': bool(plan.members),
    'Conflict that people see': bool(conflict.parties(plan)),
    'the information of people': bool(information.pairs_of_people(plan)),
  }
  return [name for name, there in found.items() if there]


def _annotators(
  known: Sequence[str], sections: Sequence[str], exact: bool
) -> str:
  """Which figures of votes cover other annotators, see `covers`.

  Args:
    known: see `covers`.
    sections: see `covers`.
    exact: see `covers`; True without predictions, too.
  """
  if not known:
    return 'What is said of votes speaks of these annotators.'
  told = (
    'Figures of votes cover other annotators like these, too'
    if '' in known
    else f'Figures of votes on {wording.listing(known)} alone cover other '
    'annotators like these, too, and other figures of votes do not'
  )
  no_more = (
    'permuted votes, of prediction sets, of a model of annotators and of '
    'annotators one by one'
  )
  if not exact:
    no_more += ', and of so many clips those of Ambiguity and correlations,'
  return (
    f'{told}, in {wording.listing(sections)}; those of other sections, of '
    f'{no_more} do not.'
  )


def _known_annotators(plan: Plan) -> list[str]:
  """The conditions of `covers`: [''] for all of them."""
  known = [
    condition
    for condition in plan.voted
    if plan.named(condition)
    and len(plan.survey.annotators.get(condition, ())) >= _LEAST_KNOWN
  ]
  return [''] if len(known) == len(plan.voted) else known
