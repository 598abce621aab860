"""How far a view's probabilities lie from the votes of annotators.

A model may be right about the label and wrong about how divided people are.

The shares of a few votes lie far from those of all people. Cross-entropy and
Brier's score, less what sampling adds to it, are proper all the same: on
average nothing scores better than the shares of all people. The distances are
not: with 3 or 5 votes a clip they like probabilities best that are too sure.
So each stands beside what it would be if the votes had been drawn from these
very probabilities, and only its excess over that tells of an error; and beside
what the shares of all votes would have, which know nothing of a clip.

Among them are the measures of Baan et al. (2022, EMNLP, Stop Measuring
Calibration When Humans Disagree): DistCE, the total variation distance, is half
of Manhattan; EntCE is the entropy gap; RankCS is here how often probabilities
put no two classes in the order that the votes reverse, for few votes tie.
Manhattan's distance, and Wasserstein's between positions where classes are
ordered, are the soft measures of the shared task on learning with disagreements
(LeWiDi 2025), whose organisers round each clip's to five decimals and take
clips of a single vote too.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import special

from empathy.evaluation import asked, draws, weighing
from empathy.evaluation import signals as signals_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  interval_cells,
)
from empathy.evaluation.plan import Plan

_LEAST = 1e-15
_ZERO = 1e-12
_NUM_DRAWS = 20
FIGURES = (
  'human_cross_entropy',
  'human_cross_entropy_null',
  'human_brier',
  'human_jensen_shannon',
  'human_jensen_shannon_null',
  'human_manhattan',
  'human_manhattan_null',
  'human_wasserstein',
  'human_wasserstein_null',
  'human_entropy_gap',
  'human_entropy_gap_null',
  'human_rank_agreement',
  'human_rank_agreement_null',
  'human_entropy_correlation',
)
# What the shares of all votes would have, for every clip the same.
PRIORS = (
  'human_cross_entropy_prior',
  'human_jensen_shannon_prior',
  'human_manhattan_prior',
  'human_wasserstein_prior',
  'human_entropy_gap_prior',
  'human_rank_agreement_prior',
)


def tally(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up how far each view's mean over seeds lies from the votes' shares."""
  if not plan.survey.has_votes or plan.labels_alone:
    return
  votes = plan.votes(batch.corpus)
  number = votes.sum(axis=1)
  humans = votes / np.maximum(number, 1)[:, None]
  distances = _distances(plan)
  chosen = {
    view: (number > 1) & ~np.isnan(mean[:, 0])
    for view, mean in batch.means.items()
  }
  for view, model in batch.means.items():
    there = chosen[view]
    scores = [
      cross_entropy(model, humans),
      brier(model, humans, np.maximum(number, 2)),
      *(distance(model, humans) for distance in distances.values()),
      np.ones(len(number)),
    ]
    columns = np.stack(scores, axis=1)
    adder.add(_key('scores', view), np.where(there[:, None], columns, 0))
    # From the middle of what it can be, so that no digits are lost.
    middle = np.log(len(plan.classes)) / 2
    x, y = (signals_lib.entropy(one) - middle for one in (model, humans))
    columns = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
    adder.add(_key('moments', view), np.where(there[:, None], columns, 0))
  if batch.again:
    return  # Only what is summed by group is asked for.
  keys = draws.anew(batch.keys, 'soft_scores')
  nulls = drawn_from(
    keys, number, batch.means, chosen, list(distances.values()), num_draws(plan)
  )
  all_votes = plan.survey.numbers['votes', plan.speaking or '']
  prior = np.broadcast_to(all_votes / max(all_votes.sum(), 1), humans.shape)
  measures = (cross_entropy, *distances.values())
  priors = np.stack([one(prior, humans) for one in measures])
  for view, sums in nulls.items():
    own = priors[:, chosen[view]].sum(axis=1)
    adder.whole(_key('priors', view), own)
    own = signals_lib.entropy(batch.means[view][chosen[view]]).sum()
    adder.whole(_key('nulls', view), [own, *sums])


def num_draws(plan: Plan) -> int:
  """How often votes are drawn for a clip: of many clips, once is enough."""
  return _NUM_DRAWS if plan.exact else 1


def answer(totals: totals_lib.Totals, plan: Plan) -> Findings:
  """Compares each view's mean over seeds with the shares of the votes.

  Votes are those that speak for the clip, where there are two or more.

  Args:
    totals: what `tally` added up.
    plan: names the views.

  Returns:
    For each view, means over clips: `views.<view>.human_cross_entropy` (nats)
    and `.human_brier`, by which views can be compared; the distances
    `.human_jensen_shannon`, `.human_manhattan` and `.human_wasserstein` (where
    classes are ordered); `<figure>_null`, what the figure would be if the votes
    had been drawn from the view's own probabilities (that of `human_brier` is
    0); `<figure>_prior`, what the shares of all votes would have;
    `.human_entropy_gap` and `.human_rank_agreement`, see above; and
    `.human_entropy_correlation` (Pearson's, over clips, of the entropies of
    probabilities and votes). The table `soft_scores`.
  """
  if not plan.survey.has_votes:
    return Findings(skipped={'soft_scores': 'The corpus has no votes.'})
  found, rows = Findings(), []
  for view in plan.members:
    prefix = f'views.{view}'
    if plan.labels_alone:
      found.skipped[f'{prefix}.human_cross_entropy'] = plan.not_graded()
      continue
    clips = totals.sums[_key('scores', view)][:, -1]
    if not clips.any():
      found.skipped[f'{prefix}.human_cross_entropy'] = (
        'No clip that the view predicts has two votes or more.'
      )
      continue
    if not plan.graded('mean', view):
      reason = plan.not_graded('mean', view)
      found.skipped[f'{prefix}.human_cross_entropy'] = reason
      continue
    part = totals.over(clips)
    _add(found, prefix, part, view, plan)
    row = {'view': view, 'num_clips': part.num_clips}
    for name in (*FIGURES, *PRIORS):
      if name.endswith(('_null', '_prior')):
        row[name] = Cell(f'{prefix}.{name}')
      else:
        row |= interval_cells(f'{prefix}.{name}', name)
    rows.append(row)
  if not plan.ordered:
    found.skipped['views.human_wasserstein'] = 'The classes are not ordered.'
  if rows:
    found.tables['soft_scores'] = rows
  return found


def _add(
  found: Findings, prefix: str, part: totals_lib.Part, view: str, plan: Plan
) -> None:
  """Adds the figures of a view."""
  *scores, clips = part[_key('scores', view)].T
  names = ('human_cross_entropy', 'human_brier', *_distances(plan))
  for name, values in zip(names, scores, strict=True):
    mean = weighing.mean(np.stack([values, clips], axis=1))
    asked.add(found, f'{prefix}.{name}', part.groups, mean)
  number = num_draws(plan)
  drawn = f'votes drawn {number} times' if number > 1 else 'votes drawn once'
  nulls = part.totals.wholes[_key('nulls', view)] / part.num_clips
  names = ('human_cross_entropy', *_distances(plan))
  for name, value in zip(names, nulls.tolist(), strict=True):
    found.add(
      f'{prefix}.{name}_null',
      Estimate(
        value,
        n=part.num_clips,
        method='mean entropy of the probabilities'
        if name == 'human_cross_entropy'
        else f'{drawn} from the probabilities',
      ),
    )
  priors = part.totals.wholes[_key('priors', view)] / part.num_clips
  for name, value in zip(names, priors.tolist(), strict=True):
    how = 'the shares of all votes, for every clip the same'
    one = Estimate(value, n=part.num_clips, method=how)
    found.add(f'{prefix}.{name}_prior', one)
  asked.add(
    found,
    f'{prefix}.human_entropy_correlation',
    part.groups,
    correlation(part[_key('moments', view)]),
  )


def _key(what: str, view: str) -> totals_lib.Key:
  return 'soft_scores', what, view


def _distances(
  plan: Plan,
) -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
  """By name, the distances of probabilities and shares that make sense."""
  found = {
    'human_jensen_shannon': jensen_shannon,
    'human_manhattan': manhattan,
  }
  if plan.ordered:
    found['human_wasserstein'] = wasserstein
  return found | {
    'human_entropy_gap': entropy_gap,
    'human_rank_agreement': rank_agreement,
  }


def cross_entropy(model: np.ndarray, humans: np.ndarray) -> np.ndarray:
  """-sum_c q_c log p_c in nats, with p (N, C) clipped at 1e-15: (N,)."""
  return -special.xlogy(humans, np.maximum(model, _LEAST)).sum(axis=-1)


def brier(
  model: np.ndarray, humans: np.ndarray, number: np.ndarray
) -> np.ndarray:
  """The squared distance to the shares of all people, without bias.

  sum_c (p_c - q_c)^2 - q_c (1 - q_c) / (n - 1) of shares q of n votes: the
  latter is what sampling adds to the former. Brier's score (1950, Monthly
  Weather Review 78:1) against votes differs from it by a term that is the same
  for every model.

  Args:
    model: (N, C) probabilities.
    humans: (N, C) shares of votes.
    number: (N,) votes of each clip, two at least.

  Returns:
    (N,), each of which may be below 0.
  """
  sampling = (humans * (1 - humans)).sum(axis=-1) / (number - 1)
  return ((model - humans) ** 2).sum(axis=-1) - sampling


def drawn_from(
  keys: np.ndarray,
  number: np.ndarray,
  models: Mapping[str, np.ndarray],
  chosen: Mapping[str, np.ndarray],
  distances: Sequence[Callable[[np.ndarray, np.ndarray], np.ndarray]],
  num_draws: int = _NUM_DRAWS,
) -> dict[str, np.ndarray]:
  """The distances of votes that are drawn from the probabilities.

  Every view's votes are made of the same random numbers.

  Args:
    keys: (N,) uint64 of the clips, see `draws`.
    number: (N,) votes of each clip.
    models: by view, (N, C) probabilities.
    chosen: by view, (N,) bool, the clips that are drawn for.
    distances: functions of the probabilities and of shares of votes (n, C).
    num_draws: how often.

  Returns:
    By view, the sum over clips of each distance, its mean over draws.
  """
  # Clips with most votes come first: so those with a next vote are together.
  order = np.argsort(-number, kind='stable')
  keys, number = keys[order], number[order]
  ends = {
    view: np.cumsum(model[order] / model[order].sum(axis=1, keepdims=True), 1)
    for view, model in models.items()
  }
  found = {view: np.zeros(len(distances)) for view in models}
  for draw in range(num_draws):
    below = {view: np.zeros(end.shape) for view, end in ends.items()}
    for vote in range(number.max(initial=0)):
      some = np.searchsorted(-number, -vote)
      place = draws.uniform(keys[:some], vote * _NUM_DRAWS + draw)[:, None]
      for view, end in ends.items():
        below[view][:some] += place < end[:some]
    for view, model in models.items():
      there = chosen[view][order]
      # The last end is 1 but for rounding.
      below[view][:, -1] = number
      shares = np.diff(below[view][there], prepend=0) / number[there, None]
      model = model[order][there]
      found[view] += [one(model, shares).sum() for one in distances]
  return {view: sums / num_draws for view, sums in found.items()}


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """The Jensen-Shannon distance of distributions (N, C): (N,).

  The root of the divergence in nats, which unlike the divergence is a metric
  (Endres and Schindelin 2003, IEEE Trans. Inf. Theory 49:1858).
  """
  return np.sqrt(signals_lib.divergence(np.stack([first, second])))


def manhattan(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """sum_c |p_c - q_c| of distributions (N, C), from 0 to 2: (N,)."""
  return np.abs(first - second).sum(axis=-1)


def wasserstein(first: np.ndarray, second: np.ndarray) -> np.ndarray:
  """How many classes a vote must move, on average, to turn one into the other.

  The 1-Wasserstein distance of distributions (N, C) over ordered classes that
  lie one step apart.

  Returns:
    (N,) from 0 to C - 1.
  """
  gap = np.cumsum(first - second, axis=-1)[:, :-1]
  return np.abs(gap).sum(axis=-1)


def entropy_gap(model: np.ndarray, humans: np.ndarray) -> np.ndarray:
  """Entropies of probabilities minus those of shares (N, C), in nats: (N,).

  The shares of few votes have too little entropy (Miller 1955), so that the
  gap of a model that is right is above 0.
  """
  return signals_lib.entropy(model) - signals_lib.entropy(humans)


def rank_agreement(model: np.ndarray, humans: np.ndarray) -> np.ndarray:
  """Whether no two classes are in one order here, in the other there: (N,).

  Args:
    model: (N, C) probabilities.
    humans: (N, C) shares of votes.

  Returns:
    0 or 1; what ties on either side is in no order.
  """
  order = np.argsort(-humans, axis=-1, kind='stable')
  votes = np.take_along_axis(humans, order, axis=-1)
  own = np.take_along_axis(model, order, axis=-1)
  least = np.minimum.accumulate(own, axis=-1)[:, :-1]
  most = np.maximum.accumulate(own[:, ::-1], axis=-1)[:, -2::-1]
  reversed_ = (votes[:, :-1] > votes[:, 1:]) & (least < most)
  return 1.0 - reversed_.any(axis=-1)


def correlation(moments: np.ndarray) -> weighing.Statistic:
  """Pearson's correlation of two variables x and y over clips.

  Args:
    moments: (G, 6) sums of 1, x, y, xx, yy and xy.

  Returns:
    The statistic; undefined where one of both is constant.
  """
  return weighing.of_totals(moments, pearson)


def pearson(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Pearson's correlation of totals (R, 6): 1, x, y, xx, yy, xy."""
  there = sums[:, 0] > 0
  number = np.where(there, sums[:, 0], 1)
  x, y, xx, yy, xy = sums[:, 1:].T / number
  spread_x, spread_y = xx - x * x, yy - y * y
  told = there & (np.minimum(spread_x, spread_y) > _ZERO)
  spread_x, spread_y = np.where(told, [spread_x, spread_y], 1)
  root = np.sqrt(spread_x * spread_y)
  value = (xy - x * y) / root
  by_x = -y / root + value * x / spread_x
  by_y = -x / root + value * y / spread_y
  by_xx, by_yy = -value / (2 * spread_x), -value / (2 * spread_y)
  gradient = np.stack([by_x, by_y, by_xx, by_yy, 1 / root], axis=1)
  # The figure does not change when all clips grow alike (Euler).
  own = -(gradient * np.stack([x, y, xx, yy, xy], axis=1)).sum(axis=1)
  gradient = np.concatenate([own[:, None], gradient], axis=1)
  return np.where(told, value, np.nan), gradient / number[:, None]
