"""The study's questions, of scores: where classes have values, as on a scale.

What a view predicts of a clip is its expected score, the mean of the values by
its probabilities. The questions are those of the classes, and their primaries
stay; this is how they look where a near miss is better than a far one. Scores
are taken from the middle of the scale, so that no digits are lost.

How far views are from the full one, and what that tells, is in `distance`.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from empathy.corpora import declared
from empathy.evaluation import (
  asked,
  batches,
  cells,
  concordance,
  distance,
  dominance,
  ranking,
  views,
  weighing,
  wording,
)
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  SeedNoise,
  interval_cells,
)
from empathy.evaluation.plan import Plan
from empathy.evaluation.totals import Key, Part, Totals

LEVELS = (50, 80, 90)
FIGURES = ('mae', 'rmse', 'pearson', 'spearman', 'ccc', 'weighted_kappa')
_MOMENTS = {
  'rmse': ('moments', concordance.rmse),
  'pearson': ('moments', concordance.pearson),
  'ccc': ('moments', concordance.ccc),
  'weighted_kappa': ('classes', concordance.ccc),
}
_PAIRED = ('paired_full', 'paired_own')
_BEST = 'scores.full_minus_best_single.ccc'
_NUM_BINS = 16
_NUM_PLACES = 512
_ZERO = 1e-12


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up scores, where the corpus has values."""
  if plan.values is None:
    return
  tally_votes(batch, plan, adder)
  middle = plan.middle
  truth = batch.corpus.scores - middle
  scores = {view: own - middle for view, own in batch.scores.items()}
  for view in plan.members:
    _add_view(batch, plan, adder, view, scores[view], truth)
  if plan.full not in plan.members:
    return
  union = np.zeros(len(truth), bool)
  for view in plan.others:
    common = batch.common(plan.full, view)
    chosen = common & ~np.isnan(truth)
    adder.add(_key('paired', view), chosen)
    for what, name in zip(_PAIRED, (plan.full, view), strict=True):
      sums = concordance.moments(scores[name].T, truth[:, None])
      adder.add(_key(what, view), batches.only(chosen, sums))
    if view in plan.singles:
      union |= chosen
    distance.tally(adder, view, scores[view], scores[plan.full], common)
  adder.add(_key('paired', 'any'), union)
  errors = np.abs(scores[plan.full] - truth)
  for view in plan.singles:
    distance.tally_told(batch, plan, adder, view, 'errors', errors)
  if len(plan.modalities) > 1:
    _add_dominance(batch, plan, adder, middle, truth)


def tally_votes(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up what rests on ratings, where the corpus has values."""
  if plan.values is None or not plan.survey.has_votes:
    return
  ratings = _add_votes(batch, plan, adder)
  if plan.full not in plan.members:
    return
  for view in plan.singles:
    distance.tally_told(batch, plan, adder, view, 'ambiguity', ratings[None])


def answer(totals: Totals, plan: Plan) -> Findings:
  """The figures of scores; the study's primaries are those of classes.

  Args:
    totals: what `tally` added up, of a plan with values.
    plan: names the views.

  Returns:
    Statistics `scores.*`; the tables `scores`, `score_calibration`,
    `score_gains`, `scores_apart`, `score_dominance` and `score_votes`.
  """
  found = Findings()
  if plan.members:
    _judge_views(found, totals, plan)
    _compare(found, totals, plan)
    distance.answer(found, totals, plan)
    _dominate(found, totals, plan)
  found.include(answer_votes(totals, plan))
  return found


def answer_votes(totals: Totals, plan: Plan) -> Findings:
  """Those of `answer` that rest on ratings."""
  found = Findings()
  if plan.survey.has_votes:
    _agree(found, totals, plan)
  if plan.full in plan.members:
    for view in plan.singles:
      distance.tell(found, totals, plan, view, 'ambiguity')
  return found


def _key(*parts: str) -> Key:
  return 'scores', *parts


def _add_votes(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> np.ndarray:
  """Adds how ratings vary; returns their variance by clip, NaN if unknown.

  That of the condition that speaks for clips, or of all votes together.
  """
  votes, num_clips = batch.corpus.votes, len(batch.labelled)
  scores = votes.scores - plan.middle

  def variance(chosen: np.ndarray) -> np.ndarray:
    powers = (scores[chosen] ** power for power in range(3))
    return concordance.variance(
      *(
        np.bincount(votes.clip[chosen], votes.count[chosen] * one, num_clips)
        for one in powers
      )
    )

  found = {
    name: variance(votes.condition == place)
    for place, name in enumerate(batch.corpus.conditions)
    if name in plan.voted
  }
  full = plan.full_condition
  for name, values in found.items():
    _add_mean(adder, _key('variance', name), values)
    if name != full:
      _add_mean(adder, _key('variance_gain', name), found[full] - values)
  if plan.speaking is not None:
    return found[plan.speaking]
  return variance(np.ones(len(scores), bool))


def _add_mean(adder: totals_lib.Adder, key: Key, values: np.ndarray) -> None:
  """Adds (N,) values, and how many there are."""
  adder.add(key, np.stack([values, ~np.isnan(values)], axis=1))


def _add_view(
  batch: Batch,
  plan: Plan,
  adder: totals_lib.Adder,
  view: str,
  scores: np.ndarray,
  truth: np.ndarray,
) -> None:
  """Adds what judges the scores (S, N) of a view against what is true (N,)."""
  chosen = batch.common(view) & ~np.isnan(truth)
  adder.add(_key('clips', view), chosen)

  def add(what: str, columns: np.ndarray) -> None:
    adder.add(_key(what, view), batches.only(chosen, columns))

  add('absolute', np.abs(scores - truth).T)
  add('moments', concordance.moments(scores.T, truth[:, None]))
  middle = plan.middle
  values = np.append(plan.values - middle, np.nan)
  said = declared.class_of(scores + middle, plan.values)
  labels = values[batch.corpus.labels]
  add('classes', concordance.moments(values[said].T, labels[:, None]))
  grids = _grids(plan)
  for seed, own in zip(plan.members[view], scores, strict=True):
    columns, key = (
      {'score': own, 'truth': truth},
      _key('ranks', view, str(seed)),
    )
    if plan.exact:
      adder.rank(key, chosen, **columns)
    else:
      cells.count(adder, key, chosen, grids, columns)
  if not plan.graded('labelled', view):
    return
  probabilities = batch.predictions.probabilities[view]
  shifted = plan.values - middle
  add('crps', concordance.crps(probabilities, shifted, truth).T)
  add('spread', concordance.spread(probabilities, shifted).T)
  for level in LEVELS:
    low, high, mass = concordance.central(probabilities, level / 100)
    inside = (low <= batch.corpus.labels) & (batch.corpus.labels <= high)
    columns = np.stack([inside, mass], axis=-1)
    add(f'coverage_{level}', np.moveaxis(columns, 1, 0))


def _grids(plan: Plan) -> dict[str, cells.Grid]:
  """Where scores are, if clips are too many to keep them."""
  low, high = declared.limits(plan.info)
  edges = np.linspace(low, high, _NUM_PLACES + 1) - plan.middle
  grid = cells.Grid(edges[:-1], (edges[1:] + edges[:-1]) / 2)
  return {'score': grid, 'truth': grid}


def _add_dominance(
  batch: Batch,
  plan: Plan,
  adder: totals_lib.Adder,
  middle: float,
  truth: np.ndarray,
) -> None:
  """Adds shares of modalities in the expected score, and their harm."""
  num_clips, num_modalities = len(truth), len(plan.modalities)
  judged = np.zeros(num_clips, bool)
  shares, harm = np.zeros((2, num_clips, num_modalities))
  for bits, clips, shown in dominance.coalitions(batch, plan):
    values = {part: p @ plan.values - middle for part, p in shown.items()}
    sizes = np.abs(dominance.shapley_values(values, bits))
    total = sizes.sum(axis=1, keepdims=True)
    judged[clips] = total[:, 0] > _ZERO
    shares[np.ix_(clips, bits)] = sizes / np.where(total > _ZERO, total, 1)
    first = sizes > sizes.max(axis=1, keepdims=True) - _ZERO
    first = first / first.sum(axis=1, keepdims=True)
    whole = sum(1 << bit for bit in bits)
    error = (values[whole] - truth[clips]) ** 2
    for place, bit in enumerate(bits):
      without = (values[whole & ~(1 << bit)] - truth[clips]) ** 2
      harm[clips, bit] = first[:, place] * (error - without)
  adder.add(_key('dominance', 'judged'), judged)
  adder.add(_key('dominance', 'shares'), batches.only(judged, shares))
  known = judged & ~np.isnan(truth)
  adder.add(_key('dominance', 'labelled'), known)
  adder.add(_key('dominance', 'harm'), batches.only(known, harm))


def _judge_views(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds what judges the scores of each view."""
  rows, calibration = [], []
  for view in plan.members:
    prefix, clips = f'scores.{view}', totals[_key('clips', view)]
    if not clips.any():
      found.skipped[prefix] = (
        'No clip that every seed of the view predicts has a score.'
      )
      continue
    part = totals.over(clips)
    number = part[_key('clips', view)][:, None]

    add = functools.partial(_add, found, prefix, part)
    add('mae', *_mean(part[_key('absolute', view)], number))
    for name, (what, function) in _MOMENTS.items():
      add(name, *concordance.over_seeds(part[_key(what, view)], function))
    found.add(
      f'{prefix}.spearman', _spearman(f'{prefix}.spearman', totals, plan, view)
    )
    row = {'view': view, 'num_clips': part.num_clips}
    for name in FIGURES:
      row |= interval_cells(f'{prefix}.{name}', name)
    rows.append(row)
    if not plan.graded('labelled', view):
      found.skipped[f'{prefix}.distribution'] = plan.not_graded(
        'labelled', view
      )
      continue
    add('crps', *_mean(part[_key('crps', view)], number))
    _add_plain(found, f'{prefix}.crps_null', part, part[_key('spread', view)])
    row = {'view': view, 'num_clips': part.num_clips}
    row |= interval_cells(f'{prefix}.crps', 'crps')
    row['crps_null'] = Cell(f'{prefix}.crps_null')
    for level in LEVELS:
      name = f'coverage_{level}'
      inside, mass = np.moveaxis(part[_key(name, view)], -1, 0)
      add(f'{name}.share', *_mean(inside, number, share=True))
      _add_gap(found, f'{prefix}.{name}.gap', part, inside, mass)
      _add_plain(found, f'{prefix}.{name}.null', part, mass)
      row |= interval_cells(f'{prefix}.{name}.share', name)
      row[f'{name}_null'] = Cell(f'{prefix}.{name}.null')
      row |= interval_cells(f'{prefix}.{name}.gap', f'{name}_gap')
    calibration.append(row)
  found.tables['scores'] = rows
  found.tables['score_calibration'] = calibration


def _add(
  found: Findings,
  prefix: str,
  part: Part,
  name: str,
  statistic: weighing.Statistic,
  seeds: SeedNoise | None,
) -> None:
  asked.add(found, f'{prefix}.{name}', part.groups, statistic, seeds=seeds)


def _mean(
  total: np.ndarray, number: np.ndarray, share: bool = False
) -> tuple[weighing.Figure, SeedNoise | None]:
  """The mean over seeds (G, S) of the mean over as many clips (G, 1)."""
  statistic, seeds = views.mean_over_seeds(
    total, np.broadcast_to(number, total.shape)
  )
  return dataclasses.replace(statistic, share=share), seeds


def _add_gap(
  found: Findings, name: str, part: Part, inside: np.ndarray, mass: np.ndarray
) -> None:
  """Adds the share of labels inside an interval less its mass (G, S) each.

  A share that is all but 0 or 1 does not tell how much it varies, so labels of
  several groups have to lie inside and of several outside. Without that, right
  distributions were found wrong in 24 % of simulated corpora of 120 clips, of
  which a quarter had all labels inside; with it, in none of 150.
  """
  number = part[_key('clips', name.split('.')[1])][:, None]
  statistic, seeds = _mean(inside - mass, number)
  counted = np.stack([inside.any(axis=1), (inside < number).any(axis=1)])
  statistic = dataclasses.replace(statistic, counted=counted)

  def told(one: Estimate) -> Estimate:
    fewest, least = weighing.counted(part.groups, statistic)
    if fewest >= least:
      return one
    where = ('inside', 'outside')[counted.sum(axis=1).argmin()]
    unit = 'group' if part.groups.clustered else 'clip'
    return dataclasses.replace(
      one,
      method=f'no interval: labels of {wording.plural(fewest, unit)} lie '
      f'{where}, it needs {least}',
    )

  asked.add(found, name, part.groups, statistic, told, seeds=seeds)


def _add_plain(
  found: Findings, name: str, part: Part, totals: np.ndarray
) -> None:
  """Adds what a figure would be if the view's probabilities were right."""
  value = totals.sum() / (part.num_clips * totals.shape[1])
  method = 'of scores that are drawn from the probabilities, exactly'
  found.add(name, Estimate(float(value), n=part.num_clips, method=method))


def _spearman(name: str, totals: Totals, plan: Plan, view: str) -> Estimate:
  """The mean over seeds of Spearman's correlation with what is true."""
  exact, drawn = [], []
  for seed in plan.members[view]:
    key = _key('ranks', view, str(seed))
    if plan.exact:
      rows = totals.rows[key]
    else:
      rows = cells.rows(totals.counts[key], _grids(plan))
    sample = totals_lib.sample(totals, rows)
    both = [rows['score'], rows['truth']]
    exact.append(ranking.spearman(sample, *both))
    coarse = [ranking.coarse(one, _NUM_BINS, rows.number) for one in both]
    drawn.append(ranking.spearman(sample, *coarse))
  ones = [statistic(np.ones((1, sample.num_groups))) for statistic in exact]
  by_seed = np.array([one[0][0] for one in ones])
  noise = seeds_lib.seed_variance((by_seed, np.stack([s[0] for _, s in ones])))
  estimate = asked.estimate(
    name, sample, _average(exact), drawn=_average(drawn), seeds=noise
  )
  if plan.exact:
    return estimate
  off = cells.spearman_off(rows['score'], rows.number)
  return cells.noted(estimate, off)


def _average(statistics: Sequence[weighing.Statistic]) -> weighing.Statistic:
  def mean(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, slopes = zip(*(one(weights) for one in statistics), strict=True)
    return np.mean(values, axis=0), np.mean(slopes, axis=0)

  return mean


def _compare(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds the concordance of the full view minus that of the others."""
  if plan.full not in plan.members:
    found.skipped[_BEST] = f'There are no predictions of {plan.full}.'
    return
  if not plan.others:
    found.skipped[_BEST] = f'There is no view beside the full one, {plan.full}.'
    return
  rows, there = [], []
  for view in plan.others:
    name, clips = f'scores.full_minus_{view}.ccc', totals[_key('paired', view)]
    if not clips.any():
      found.skipped[name] = (
        f'No clip with a score is predicted by every seed of {plan.full} and '
        f'{view}.'
      )
      continue
    there.append(view)
    part = totals.over(clips)
    statistic, seeds = _gain(part, plan, view)
    asked.add(found, name, part.groups, statistic, seeds=seeds)
    fields = ('estimate', 'low', 'high', 'p', 'p_adjusted', 'n')
    rows.append({'view': view} | {field: Cell(name, field) for field in fields})
  found.tables['score_gains'] = rows
  singles = [view for view in there if '+' not in view]
  if not singles:
    found.skipped[_BEST] = 'There are no predictions of a single modality.'
    return
  part = totals.over(totals[_key('paired', 'any')])
  gains = [_gain(part, plan, view) for view in singles]
  found.add(_BEST, asked.least(_BEST, part.groups, gains))


def _gain(
  part: Part, plan: Plan, view: str
) -> tuple[weighing.Statistic, SeedNoise | None]:
  """The concordance of the full view minus that of another one."""
  sums = [part[_key(what, view)] for what in _PAIRED]
  statistics = [concordance.over_seeds(one, concordance.ccc)[0] for one in sums]
  return weighing.minus(*statistics), views.noise_of_difference(
    [np.array(plan.members[name]) for name in (plan.full, view)],
    [concordance.by_seed(one, concordance.ccc) for one in sums],
  )


def _dominate(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds which modality moves the expected score, and whether that harms."""
  prefix = 'scores.dominance'
  judged = _key('dominance', 'judged')
  if len(plan.modalities) < 2:
    found.skipped[prefix] = 'There is one modality only.'
    return
  if judged not in totals or not totals[judged].any():
    found.skipped[prefix] = (
      'On no clip was the full view shown every part of its modalities (the '
      'column given).'
    )
    return
  part = totals.over(totals[judged])
  for place, modality in enumerate(plan.modalities):
    sums = [part[_key('dominance', 'shares')][:, place], part[judged]]
    name = f'{prefix}.{modality}.share'
    asked.add(found, name, part.groups, weighing.mean(np.stack(sums, axis=1)))
  labelled = totals[_key('dominance', 'labelled')]
  names = (*plan.modalities, 'any')
  if not labelled.any():
    found.skipped[prefix] = 'No clip that was judged has a score.'
  else:
    part = totals.over(labelled)
    harm = part[_key('dominance', 'harm')]
    harm = np.column_stack([harm, harm.sum(axis=1)])
    number = part[_key('dominance', 'labelled')]
    for modality, sums in zip(names, harm.T, strict=True):
      mean = weighing.mean(np.stack([sums, number], axis=1))
      mean = dataclasses.replace(mean, share=False)
      asked.add(found, f'{prefix}.{modality}.net_harm', part.groups, mean)
  found.tables['score_dominance'] = [
    {'modality': name}
    | interval_cells(f'{prefix}.{name}.share', 'share')
    | interval_cells(f'{prefix}.{name}.net_harm', 'net_harm')
    for name in names
  ]


def _agree(found: Findings, totals: Totals, plan: Plan) -> None:
  """Adds how ratings vary in each condition."""
  rows = []
  for condition in plan.voted:
    row = {'condition': condition}
    for column, what, name in (
      ('variance', 'variance', f'{condition}.variance'),
      ('gain', 'variance_gain', f'full_minus_{condition}.variance'),
    ):
      key, name = _key(what, condition), f'scores.humans.{name}'
      row |= interval_cells(name, column)
      if key not in totals:
        continue
      clips = totals[key][:, 1]
      if not clips.any():
        found.skipped[name] = 'No clip has two votes or more.'
        continue
      part = totals.over(clips)
      mean = dataclasses.replace(weighing.mean(part[key]), share=False)
      asked.add(found, name, part.groups, mean)
    rows.append(row)
  found.tables['score_votes'] = rows
