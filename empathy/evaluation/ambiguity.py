"""Is disagreement ambiguity: do clips that divide models divide annotators?

Clips on which views differ have more divided votes almost always, because every
model finds the uncertain clips. So the difference is also taken among clips
that the full view gives the same label with about the same confidence. Other
seeds of one and the same model find much of that, too. So what is asked in the
end is how much more disagreement of single views tells than disagreement of as
many other seeds of the full view, see `beyond_seeds`.
"""

import dataclasses

import numpy as np
from scipy import sparse

from empathy.evaluation import (
  asked,
  beyond_seeds,
  contested,
  controls,
  resampling,
  weighing,
)
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import sides as sides_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.catalogue import ANY, is_binary
from empathy.evaluation.confidence import Strata
from empathy.evaluation.findings import Cell, Findings, interval_cells
from empathy.evaluation.plan import Plan
from empathy.evaluation.units import Scale

BEYOND_SEEDS = f'ambiguity.{ANY}.beyond_seeds'
_NUM_FIFTHS = 5


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up GS and clips by what signals say of them."""
  if _missing(plan):
    return
  votes = plan.votes(batch.corpus)
  values = votes_lib.gs(votes)
  mean = batch.means[plan.full]
  for name, signal in batch.signals.items():
    known = ~np.isnan(values + signal)
    adder.add(_key('clips', name), known)
    strata = _strata(plan, name)
    if not is_binary(name) or strata is None:
      continue
    stratum = np.where(known, strata.of(mean), -1)
    size = len(plan.classes) * strata.num_bins
    if name == ANY:
      # Which single views predict a clip says how likely noise would differ.
      seen = [~np.isnan(batch.means[view][:, 0]) for view in plan.singles]
      pattern = (np.stack(seen).T << np.arange(len(seen))).sum(axis=1)
      size *= 1 << len(seen)
      stratum = np.where(known, (stratum << len(seen)) + pattern, -1)
      _add_of_any(batch, plan, adder, values, known)
    sides_lib.add(adder, _key('sides', name), values, signal > 0, stratum, size)
  contested.tally(
    batch,
    plan,
    adder,
    {
      'gs': values,
      'contested': votes_lib.contested(votes),
      'number': votes.sum(axis=1),
    },
  )
  beyond_seeds.tally(batch, plan, adder, values)


def _add_of_any(
  batch: Batch,
  plan: Plan,
  adder: totals_lib.Adder,
  values: np.ndarray,
  known: np.ndarray,
) -> None:
  """Adds what is asked of any disagreement alone.

  Args:
    batch: of N clips.
    plan: names the views.
    adder: where it is added.
    values: (N,) GS.
    known: (N,) bool, where that and the signal are.
  """
  for view in plan.singles:
    labels = predictions_lib.predicted_class(batch.means[view])
    labels = labels[known & (labels >= 0)]
    adder.whole(
      _key('labels', view), np.bincount(labels, minlength=len(plan.classes))
    )
  differ = np.stack(
    [batch.signals[f'{view}_disagreement'] for view in plan.singles]
  )
  number = np.where(known, np.nansum(differ, axis=0), -1).astype(np.int64)
  shape = (2, len(differ) + 1)
  adder.count(
    _key('number', ANY),
    totals_lib.index(shape, np.arange(2)[:, None], number),
    shape,
    np.stack([values, np.ones(len(values))]),
  )
  confidence = batch.means[plan.full].max(axis=-1)[known]
  side = batch.signals[ANY][known].astype(np.int64)
  fifth = plan.fifths['ambiguity', plan.which, ANY].bin_of(confidence)
  adder.whole(
    _key('fifths', ANY),
    [
      np.bincount(2 * fifth + side, column, 2 * _NUM_FIFTHS).reshape(-1, 2)
      for column in (confidence, values[known], np.ones(len(side)))
    ],
  )


def answer(totals: totals_lib.Totals, plan: Plan) -> Findings:
  """What signals of the predictions tell of how annotators differ.

  Args:
    totals: what `tally` added up.
    plan: names the views and says whose votes speak.

  Returns:
    Of binary signals, `ambiguity.<signal>.gs_difference` and `.adjusted`; of
    single views and of any, `.beyond_seeds`, see that module; of all, what
    `contested` finds; `ambiguity.control.<control>.gs_difference` and
    `.adjusted`, see `controls`. The tables `ambiguity`, `beyond_seeds` and
    `ambiguity_signals`, the curves `gs_by_disagreement` and `gs_by_confidence`.
    The primary is `ambiguity.any_disagreement.beyond_seeds`.
  """
  reason = _missing(plan)
  if not reason and not totals.sums[_key('clips', ANY)].any():
    reason = 'No predicted clip has two votes or more.'
  if reason:
    return Findings(skipped={'question 3': reason})
  found = Findings(primary=BEYOND_SEEDS)
  names = _names(found, totals)
  binary = [name for name in names if is_binary(name)]
  strata = _strata(plan, ANY)
  counts = totals.counts[_key('sides', ANY)]
  any_sides = controls.merged(_by_pattern(counts, plan))
  rows = []
  for name in binary:
    matrix = any_sides
    if name != ANY:
      matrix = totals.counts[_key('sides', name)].matrix
    one = sides_lib.of_matrix(totals, matrix)
    row = _ask(found, f'ambiguity.{name}', one, strata)
    rows.append({'signal': name} | row)
  beyond, by_seeds = beyond_seeds.answer(totals, plan)
  found.include(beyond)
  if by_seeds is not None:
    own = beyond_seeds.strata(plan, ANY)[0]
    row = _ask(found, beyond_seeds.CONTROL, by_seeds, own)
    rows.append({'signal': 'control.seed'} | row)
  rows += _add_controls(found, totals, plan, any_sides)
  found.tables['ambiguity'] = rows
  found.include(contested.answer(totals, plan, names))
  found.curves['gs_by_disagreement'] = _by_disagreement(totals)
  found.curves['gs_by_confidence'] = _by_confidence(totals)
  return found


def _names(found: Findings, totals: totals_lib.Totals) -> list[str]:
  """The signals that some clip with votes has, `any_disagreement` first."""
  names = []
  for what in totals.sums:
    if what[:2] != _key('clips', ANY)[:2]:
      continue
    if totals.sums[what].any():
      names.append(what[2])
    else:
      found.skipped[f'ambiguity.{what[2]}'] = (
        'No clip with two votes or more has the signal.'
      )
  return sorted(names, key=lambda name: name != ANY)


def _key(what: str, name: str) -> totals_lib.Key:
  return 'ambiguity', what, name


def _strata(plan: Plan, name: str) -> Strata | None:
  return plan.strata('ambiguity', plan.which, name)


def _missing(plan: Plan) -> str:
  """Why nothing can be asked; '' if something can."""
  if plan.full not in plan.members:
    return f'There are no predictions of the full view, {plan.full}.'
  if not plan.singles:
    return 'There are no predictions of a single modality.'
  if not plan.survey.has_votes:
    return 'The corpus has no votes.'
  return ''


def _by_pattern(counts: totals_lib.Counts, plan: Plan) -> totals_lib.Counts:
  """Counts by (2, K, P, 2), of those by (2, K P, 2)."""
  num_patterns = 1 << len(plan.singles)
  return dataclasses.replace(
    counts, shape=(2, counts.shape[1] // num_patterns, num_patterns, 2)
  )


def _ask(
  found: Findings,
  prefix: str,
  sides: sides_lib.Sides,
  strata: Strata,
) -> dict[str, object]:
  """Adds both differences of a signal or control; returns its row of the table.

  Args:
    found: where they are added.
    prefix: of their names.
    sides: where the signal is set and where it is not.
    strata: within which it is adjusted.
  """
  for name, figure in (
    ('gs_difference', sides_lib.difference),
    ('adjusted', sides_lib.adjusted),
  ):
    within = name == 'adjusted'
    if within and strata.too_coarse():
      found.skipped[f'{prefix}.{name}'] = strata.too_coarse()
      continue
    # What is permuted is made of the means of strata.
    told = within or prefix.endswith('.permuted')
    asked.add(
      found,
      f'{prefix}.{name}',
      sides.groups,
      figure(sides),
      strata.noted if told else None,
    )
  values, clips = sides.by_side.sum(axis=0)
  number = round(float(clips[1]))
  row = {
    'num_disagree': number,
    'num_agree': sides.groups.num_clips - number,
  }
  for name, side in (('gs_disagree', 1), ('gs_agree', 0)):
    row[name] = float(values[side] / clips[side]) if clips[side] > 0 else None
  for name in ('gs_difference', 'adjusted'):
    row |= interval_cells(f'{prefix}.{name}', name)
  return row | {
    field: Cell(f'{prefix}.adjusted', field) for field in ('p', 'p_adjusted')
  }


def _add_controls(
  found: Findings,
  totals: totals_lib.Totals,
  plan: Plan,
  sides: sparse.csr_array,
) -> list[dict[str, object]]:
  """Adds the controls that need no seeds; returns their rows.

  Args:
    found: where they are added.
    totals: what `tally` added up.
    plan: for the classes and views.
    sides: (G, 2 x K x 2) of any disagreement.
  """
  counts = _by_pattern(totals.counts[_key('sides', ANY)], plan)
  strata = _strata(plan, ANY)
  labels = np.stack([totals.wholes[_key('labels', v)] for v in plan.singles])
  clustered = sides_lib.of_matrix(totals, sides).groups.clustered
  matrices = {
    'constant': controls.constant(counts, len(plan.classes)),
    'noise': controls.noise(counts, labels),
    'permuted': controls.permuted(sides, clustered),
  }
  rows = []
  for name, matrix in matrices.items():
    one = sides_lib.of_matrix(totals, matrix)
    row = _ask(found, f'ambiguity.control.{name}', one, strata)
    rows.append({'signal': f'control.{name}'} | row)
  for name in ('gs_difference', 'adjusted'):
    name = f'ambiguity.control.permuted.{name}'
    if totals.bundled and name in found.statistics:
      one = found.statistics[name]
      found.statistics[name] = dataclasses.replace(
        one, method=f'{one.method}, permuted within bundles of groups'
      )
  constant = 'ambiguity.control.constant.adjusted'
  if constant in found.skipped and not strata.too_coarse():
    found.skipped[constant] = (
      'A constant view differs by the label of the full view alone, and clips '
      'are compared within that label.'
    )
  return rows


def _by_disagreement(totals: totals_lib.Totals) -> dict[str, list]:
  """GS by how many single views differ from the full one.

  Returns:
    Lists over the numbers that occur.
  """
  every = totals[_key('number', ANY)]
  curve = {'num_disagreeing': [], 'gs': [], 'low': [], 'high': [], 'count': []}
  for number in np.flatnonzero(every[:, 1].any(axis=0)):
    part = totals.over(every[:, 1, number])
    found = resampling.estimate(
      part.groups,
      weighing.mean(every[part.kept, :, number]),
      scale=Scale.LOGIT,
    )
    curve['num_disagreeing'].append(int(number))
    curve['gs'].append(found.estimate)
    curve['low'].append(found.low)
    curve['high'].append(found.high)
    curve['count'].append(found.n)
  return curve


def _by_confidence(totals: totals_lib.Totals) -> dict[str, list]:
  """GS of clips on which views differ and agree, by fifths of confidence.

  Returns:
    Lists over the fifths, None where there is no clip.
  """
  confidence, values, clips = totals.wholes[_key('fifths', ANY)]
  curve = {'confidence': []}
  for name in ('gs_agree', 'gs_disagree', 'num_agree', 'num_disagree'):
    curve[name] = []
  for fifth in np.flatnonzero(clips.any(axis=1)):
    total = confidence[fifth].sum() / clips[fifth].sum()
    curve['confidence'].append(float(total))
    for side, name in enumerate(('agree', 'disagree')):
      number = clips[fifth, side]
      mean = float(values[fifth, side] / number) if number else None
      curve[f'gs_{name}'].append(mean)
      curve[f'num_{name}'].append(int(number))
  return curve
