"""How often a view gives an answer, and how right it is of all it is asked.

A model that is asked for a label may refuse, or say what is no class. Accuracy
is that of its answers, and flatters a model that leaves out what is hard; so
beside it stands that of all clips it was asked, where no answer is wrong.
Where nothing is known of questions without answers, as in tables of
probabilities, there are no such figures.
"""

import numpy as np

from empathy.evaluation import asked, verdicts, views, wording
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import Cell, Findings, interval_cells
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Adder, Key, Totals

# A lesser share of clips with all answers is few.
_FEW = 0.5
_FIGURES = {
  'answered': ('answered', 'asked'),
  'accuracy_of_asked': ('right', 'labelled'),
}


def tally(batch: Batch, plan: Plan, adder: Adder) -> None:
  """Adds up what each seed or sample of a view was asked and answered."""
  for view in plan.members:
    if not _known(plan, view):
      continue
    put, said = batch.predictions.asked[view], batch.labels[view]
    for what, values in (
      ('asked', put),
      ('answered', put & (said >= 0)),
      ('labelled', put & batch.labelled),
      ('right', put & batch.labelled & (said == batch.corpus.labels)),
    ):
      adder.add(_key(what, view), values.T)
    if view != plan.full and plan.full in plan.members:
      both = batch.predictions.asked
      both = both[view].any(axis=0) & both[plan.full].any(axis=0)
      adder.add(_key('both_asked', view), both)
      adder.add(_key('both_answered', view), batch.common(view, plan.full))


def answer(totals: Totals, plan: Plan) -> Findings:
  """The share of questions that were answered, and accuracy of all asked.

  Args:
    totals: what `tally` added up.
    plan: names the views.

  Returns:
    Statistics `views.<view>.answered` and `.accuracy_of_asked`, means over
    seeds or samples, and the table `answered`; nothing where nobody knows.
  """
  found, rows = Findings(), []
  for view in plan.members:
    if not _known(plan, view):
      continue
    for name, (what, of) in _FIGURES.items():
      full_name = f'views.{view}.{name}'
      number = totals[_key(of, view)]
      if not number.any(axis=0).all():
        found.skipped[full_name] = 'No clip that was asked has a label.'
        continue
      part = totals.over(number.max(axis=1))
      statistic, seeds = views.mean_over_seeds(
        part[_key(what, view)], part[_key(of, view)]
      )
      asked.add(found, full_name, part.groups, statistic, seeds=seeds)
    put = totals[_key('asked', view)].sum()
    silent = put - totals[_key('answered', view)].sum()
    row = {'view': view, 'num_asked': round(put), 'num_silent': round(silent)}
    for name in _FIGURES:
      row |= interval_cells(f'views.{view}.{name}', name)
    rows.append(row | {'accuracy': Cell(f'views.{view}.accuracy')})
  if rows:
    found.tables['answered'] = rows
  return found


def check(found: Findings, totals: Totals, plan: Plan) -> None:
  """Notes where few clips have every answer of the full view and another one.

  Seeds, or samples, that leave out some clips each leave few that all answer,
  and figures that compare views, or seeds, rest on these.
  """
  shares = {}
  for view in plan.others if plan.full in plan.members else ():
    if _known(plan, view):
      put, said = (
        round(totals[_key(what, view)].sum())
        for what in ('both_asked', 'both_answered')
      )
      if put:
        shares[view] = said / put, said, put
  view = min(shares, key=shares.get, default=None)
  if view is None or shares[view][0] >= _FEW:
    return
  share, said, put = shares[view]
  verdicts.note(
    found,
    'answered_by_all',
    share,
    verdicts.WARNING,
    f'Of {wording.plural(put, "clip")}, {said:,} have every answer of {view} '
    f'and {plan.full}: what compares these rests on so few.',
    put,
  )


def _known(plan: Plan, view: str) -> bool:
  return bool(plan.survey.numbers.get(('asked', view), np.zeros(())))


def _key(what: str, view: str) -> Key:
  return 'answering', what, view
