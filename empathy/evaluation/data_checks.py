"""Can the data bear the study? What is checked before any answer is read."""

import numpy as np

from empathy.evaluation import (
  answering,
  copying,
  duplicates,
  independence,
  labelling,
  leakage,
  verdicts,
  wording,
)
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Findings
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Totals


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up what was held out from what, labels, votes and groups."""
  corpus = batch.corpus
  adder.add(verdicts.key('clips'), np.ones(len(corpus.ids)))
  adder.count(verdicts.key('labels'), corpus.labels, len(plan.classes))
  leakage.tally(batch, plan, adder)
  independence.tally(batch, plan, adder)
  labelling.tally(batch, plan, adder)
  copying.tally(batch, plan, adder)
  duplicates.tally(batch, plan, adder)
  for modality, present in corpus.presence.items():
    adder.add(verdicts.key('present', modality), present)


def answer(totals: Totals, plan: Plan) -> Findings:
  """Leakage, baselines, duplicates, balance, votes, coverage and groups.

  Args:
    totals: what `tally` added up.
    plan: names the views.

  Returns:
    Statistics `data.*` without intervals, the tables `data_checks`,
    `class_balance`, `votes_per_clip` and, if there are any, `duplicates`.
  """
  found = Findings()
  found.tables['data_checks'] = []
  leakage.check(found, totals, plan)
  independence.check_groups(found, totals, plan)
  independence.check_speakers(found, totals, plan)
  if plan.members:
    _check_views(found, plan)
    _check_confidence(found, plan)
    answering.check(found, totals, plan)
  duplicates.check(found, totals, plan)
  _check_coverage(found, totals, plan)
  labelling.check_classes(found, totals, plan)
  labelling.check_votes(found, totals, plan)
  copying.check(found, totals, plan)
  labelling.check_label(found, plan)
  return found


def _check_views(found: Findings, plan: Plan) -> None:
  """Says which modalities were not judged by themselves, or all together."""
  modalities, views, full = plan.modalities, plan.members, plan.full
  missing = [m for m in modalities if m not in views]
  told = []
  if missing:
    given = [m for m in modalities if m in views]
    rest = (
      f'what is said of single views is said of {wording.listing(given)}'
      if given
      else 'so nothing is said of single views'
    )
    told.append(
      f'There are no predictions of {wording.listing(missing)} alone; {rest}.'
    )
  if full not in views:
    told.append(f'There are no predictions of the full view, {full}.')
  verdicts.note(
    found,
    'views',
    len(missing) + (full not in views),
    verdicts.WARNING if told else verdicts.OK,
    ' '.join(told)
    or (
      'There are predictions of every modality alone and of all together.'
      if len(modalities) > 1
      else f'There are predictions of the only modality, {full}.'
    ),
    plan.survey.num_clips,
  )


def _check_confidence(found: Findings, plan: Plan) -> None:
  """Says where probabilities are labels in disguise."""
  if plan.labels_alone:
    verdicts.note(
      found,
      'confidence',
      0,
      verdicts.WARNING,
      f'Predictions are {plan.survey.kind} without probabilities: what needs '
      'these is skipped.',
      plan.survey.num_clips,
    )
    return
  views = list(plan.members)
  number = {view: plan.num_confidences('view', view) for view in views}
  bare = [view for view in views if not plan.graded('view', view)]
  most = max((number[view] for view in bare), default=0)
  where = 'every view' if len(bare) == len(views) else wording.listing(bare)
  at_most = 'at most ' if min(map(number.get, bare), default=0) < most else ''
  verdicts.note(
    found,
    'confidence',
    min(number.values()),
    verdicts.WARNING if bare else verdicts.OK,
    f'The confidence of {where} takes {at_most}{wording.plural(most, "value")} '
    'only: what needs graded probabilities is skipped.'
    if bare
    else 'Probabilities are graded: the confidence of every view takes '
    f'{wording.plural(min(number.values()), "value")} or more.',
    plan.survey.num_clips,
  )


def _check_coverage(found: Findings, totals: Totals, plan: Plan) -> None:
  clips = float(totals[verdicts.key('clips')].sum())
  for modality in plan.modalities:
    key = verdicts.key('present', modality)
    if key not in totals:
      found.skipped[f'data.{modality}.coverage'] = (
        f'The corpus has no {modality} features.'
      )
      continue
    share = float(totals[key].sum()) / clips
    verdicts.note(
      found,
      f'{modality}.coverage',
      share,
      verdicts.OK if share == 1 else verdicts.WARNING,
      f'{wording.percent(share)} of the clips have {modality} features.',
      round(clips),
    )
