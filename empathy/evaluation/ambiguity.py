"""Is disagreement ambiguity: do clips that divide models divide annotators?

Clips on which views differ have more divided votes almost always, because every
model finds the uncertain clips. So the difference is also taken among clips
that the full view gives the same label with about the same confidence. Other
seeds of one and the same model find much of that, too. So what is asked in the
end is how much more disagreement of single views tells than disagreement of as
many other seeds of the full view, see `matched`.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import controls, ranking, resampling, wording
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import (
  Cell,
  Findings,
  Scale,
  SeedNoise,
  interval_cells,
)

ANY = 'any_disagreement'
CONFIDENCE = 'one_minus_confidence'
_NUM_STRATA = 20
# Up to so many clips, twentieths are fine enough.
_TWENTIETHS = 5_000
_NUM_FIFTHS = 5
_DECIMALS = 12
# Spearman's correlation is drawn with so many values of either variable.
_NUM_RANKS = 12
BEYOND_SEEDS = f'ambiguity.{ANY}.beyond_seeds'
BY_SEED = f'ambiguity.{ANY}.adjusted_by_seed'
_CONTROL = 'control'


@dataclasses.dataclass(frozen=True)
class _Clips:
  """The n clips that a signal and two votes or more are known of.

  Attributes:
    chosen: (N,) bool, which they are.
    sample: the clips by group.
    uncertainty: (n,) float64, GS.
    contested: (n,) bool.
    number: (n,) int64, how many votes.
  """

  chosen: np.ndarray
  sample: resampling.Sample
  uncertainty: np.ndarray
  contested: np.ndarray
  number: np.ndarray


def answer(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions,
  signals: Mapping[str, np.ndarray],
) -> Findings:
  """What signals of the predictions tell of how annotators differ.

  Args:
    corpus: for the votes and groups.
    predictions: for the labels of all views.
    signals: of each clip, from the predictions alone; (N,) float64. Binary ones
      have names that end with `_disagreement`.

  Returns:
    Of binary signals, `ambiguity.<signal>.gs_difference`, `.adjusted` and
    `.precision_minus_confidence` (for contested clips, minus that of equally
    many least confident clips); of single views and of any,
    `.adjusted_by_seed`, the adjusted difference of single seeds, and
    `.beyond_seeds`, that minus what as many other seeds of the full view tell;
    of all, `.auroc_contested`,
    `.auroc_contested_equal_n` (over pairs of clips with equally many votes,
    where these vary), `.auroc_minus_confidence` and `.spearman` (with GS);
    `ambiguity.control.<control>.gs_difference` and `.adjusted` (see
    `controls`). The tables `ambiguity`, `beyond_seeds` and `ambiguity_signals`,
    the curves `gs_by_disagreement` and `gs_by_confidence`. The primary is
    `ambiguity.any_disagreement.beyond_seeds`.
  """
  full = corpus_lib.view_name(corpus.modalities)
  missing = ''
  binary = [name for name in signals if name.endswith('_disagreement')]
  if full not in predictions.views:
    missing = f'There are no predictions of the full view, {full}.'
  elif ANY not in binary:
    missing = 'There are no predictions of a single modality.'
  elif corpus.votes is None:
    missing = 'The corpus has no votes.'
  if missing:
    return Findings(skipped={'question 3': missing})
  votes = votes_lib.speaking_votes(corpus)[0]
  uncertainty = votes_lib.gs(votes)
  if not (~np.isnan(uncertainty + signals[ANY])).any():
    return Findings(
      skipped={'question 3': 'No predicted clip has two votes or more.'}
    )
  names = [ANY, *(name for name in signals if name != ANY)]
  found = Findings(primary=BEYOND_SEEDS)
  clips = _clips_of_signals(found, corpus, votes, signals, names)
  names = [name for name in names if name in clips]
  members = predictions.probabilities[full]
  mean = predictions_lib.mean_over_seeds(members)
  coarse = too_coarse(mean[clips[ANY].chosen])
  rows = []
  for name in names:
    if name not in binary:
      continue
    there = clips[name]
    row = _ask(
      found,
      f'ambiguity.{name}',
      signals[name][there.chosen] > 0,
      there,
      strata(mean[there.chosen]),
      coarse,
    )
    rows.append({'signal': name} | row)
  singles = [
    view for view in predictions.views if view != full and '+' not in view
  ]
  rows += _add_beyond_seeds(
    found, predictions, full, singles, uncertainty, corpus.groups
  )
  rows += _add_controls(
    found, predictions, singles, signals[ANY], clips[ANY], mean, coarse
  )
  found.tables['ambiguity'] = rows
  found.tables['ambiguity_signals'] = _add_rankings(
    found, signals, clips, binary
  )
  for figure in ('gs_difference', 'adjusted'):
    found.families.append(
      [f'ambiguity.{name}.{figure}' for name in names if name in binary]
    )
  for figure in (
    'auroc_contested',
    'auroc_contested_equal_n',
    'auroc_minus_confidence',
    'spearman',
  ):
    found.families.append([f'ambiguity.{name}.{figure}' for name in names])
  found.families.append([BY_SEED])
  found.families.append(
    [f'ambiguity.{view}_disagreement.beyond_seeds' for view in singles]
  )
  found.curves['gs_by_disagreement'] = _by_disagreement(
    np.stack([signals[f'{view}_disagreement'] for view in singles]),
    uncertainty,
    corpus.groups,
  )
  found.curves['gs_by_confidence'] = _by_confidence(
    mean.max(axis=-1), signals[ANY], uncertainty
  )
  return found


def strata(probabilities: np.ndarray) -> np.ndarray:
  """Predicted class x twentieth of confidence, by rank.

  Within a twentieth, less confidence still goes with more disagreement and more
  uncertain votes. On simulated clips whose disagreement told nothing beyond
  confidence, the adjusted difference was .001 (of a raw one of .11 to .21):
  nothing against its error with 1,000 clips (rejected 4.4 to 5.6 % at 5 %), but
  much with 50,000 (19 %). So beyond 5,000 clips bins are finer, with the fourth
  root of their number, by which the bias keeps step with the error.

  Args:
    probabilities: (n, C) of the full view.

  Returns:
    (n,) int64, from 0 to 20 C - 1 where n <= 5,000; clips of equal confidence
    share a bin.
  """
  num_bins = num_strata(len(probabilities))
  return predictions_lib.predicted_class(probabilities) * num_bins + rank_bins(
    probabilities.max(axis=-1), num_bins
  )


def num_strata(num_clips: int) -> int:
  """How many bins of confidence `strata` has for each class."""
  finer = max(1.0, num_clips / _TWENTIETHS) ** 0.25
  return int(_NUM_STRATA * finer)


def adjusted_of_totals(totals: np.ndarray) -> resampling.Figure:
  """As `adjusted_difference`, of sums and counts (G, 2, K, 2).

  Those of K strata, first where `differ` is not, then where it is. The groups
  that count are those with clips of either side, in strata that have both.
  """
  counts = totals[:, 1]
  both = counts.sum(axis=0).min(axis=-1) > 0
  return resampling.Figure(
    resampling.of_totals(
      totals[:, :, both].reshape(len(totals), -1), _adjusted
    ),
    (counts[:, both] > 0).any(axis=1).T,
  )


def rank_bins(values: np.ndarray, num_bins: int) -> np.ndarray:
  """Bins of equal number, low values first, ties together: (n,) int64."""
  below = np.searchsorted(np.sort(values), values)
  return num_bins * below // len(values)


def difference(
  sample: resampling.Sample, differ: np.ndarray, values: np.ndarray
) -> resampling.Statistic:
  """The mean of `values` where `differ` minus that where not.

  Args:
    sample: the n clips.
    differ: (n,) bool or chances; or (A, n), A variants, each of which counts an
      A-th.
    values: (n,) float64.

  Returns:
    The statistic; undefined where one side is empty.
  """
  share = np.mean(np.atleast_2d(differ), axis=0)
  sides = [
    resampling.mean(sample.totals(np.stack([values * side, side], axis=1)))
    for side in (share, 1 - share)
  ]
  return resampling.minus(*sides)


def adjusted_difference(
  sample: resampling.Sample,
  differ: np.ndarray,
  values: np.ndarray,
  stratum: np.ndarray,
) -> resampling.Figure:
  """The difference within strata, averaged with weights n1 n0 / (n1 + n0).

  These weights make it the coefficient of `differ` in a regression with a
  constant for every stratum.

  Args:
    sample: the n clips.
    differ: (n,) bool or chances; or (A, n), A variants, each of which counts an
      A-th.
    values: (n,) float64.
    stratum: (n,) or (A, n) int, not negative.

  Returns:
    The statistic; undefined where no stratum has both sides.
  """
  totals, _ = _by_stratum(sample, differ, values, stratum)
  return adjusted_of_totals(totals)


@dataclasses.dataclass(frozen=True)
class Labelled:
  """What every seed of a view says of n clips.

  Attributes:
    names: (S,) int64, the seeds.
    labels: (S, n) int64.
  """

  names: np.ndarray
  labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Matched:
  """What disagreement tells, beside what disagreement of other seeds does.

  Attributes:
    views: the adjusted difference where single views disagree.
    control: that where as many other seeds of the full view do.
    views_differ: (S, n) float64, the chance that some view disagrees with each
      seed of the full view.
    control_differ: likewise, of other seeds.
    noise: what the choice of seeds adds to `views` minus `control`.
  """

  views: resampling.Figure
  control: resampling.Figure
  views_differ: np.ndarray
  control_differ: np.ndarray
  noise: SeedNoise | None


def matched(
  sample: resampling.Sample,
  values: np.ndarray,
  stratum: np.ndarray,
  full: Labelled,
  singles: Sequence[Labelled],
) -> Matched:
  """The adjusted difference of single views, and of as many other seeds.

  Every seed of the full view in turn is the reference, with its own strata.
  Against it stand one seed of each of V single views, and on the other side V
  of the full view's other seeds: all that can be chosen with distinct names, as
  a chance of each clip, so that no choice is drawn. Where single views are
  nothing but other seeds of the full view, every total that the two sides are
  made of has the same expectation, so their difference is 0 but for what the
  ratio of totals leaves, which is of second order.

  The noise of the seeds is that of their infinitesimal jackknife. There a
  seed's weight counts as in choices with replacement: of V + 1 seeds, all V
  others are always chosen, and which they are would seem not to matter.

  Args:
    sample: the n clips.
    values: (n,) float64.
    stratum: (S, n) int, not negative, by the prediction of each seed.
    full: the full view's S seeds; more than V.
    singles: the V single views.

  Returns:
    Both sides.
  """
  sides, parts = [], []
  for sign, views in ((1, singles), (-1, [full] * len(singles))):
    names = np.unique(np.concatenate([view.names for view in views]))
    labels = np.full((len(views), len(names), sample.num_clips), -1)
    for row, view in zip(labels, views, strict=True):
      row[np.searchsorted(names, view.names)] = view.labels
    known = labels[:, :, 0] >= 0
    # By reference: (V, U) what may be chosen, and whether it agrees.
    there = [known & (names != name) for name in full.names]
    agree = [
      (labels == said) & may[..., None]
      for said, may in zip(full.labels, there, strict=True)
    ]
    differ = np.stack(
      [
        1 - seeds_lib.injections(a * 1.0) / seeds_lib.injections(t * 1.0)
        for a, t in zip(agree, there, strict=True)
      ]
    )
    totals, place = _by_stratum(sample, differ, values, stratum)
    sides.append((adjusted_of_totals(totals), differ))
    gradient = _adjusted(totals.sum(axis=0).reshape(1, -1))[1]
    gradient = gradient.reshape(totals.shape[1:])
    # What a clip adds where all agree, and how it moves with the chance; place
    # -1 is the row of zeros at the end.
    by_value, by_count = np.pad(gradient, [(0, 0), (0, 1), (0, 0)])[:, place]
    each = sign * (by_value * values[:, None] + by_count)
    moves = each[..., 1] - each[..., 0]
    parts.append(_part(sample, full.names, each[..., 0] + moves * differ))
    by_seed = np.zeros(labels.shape)
    for a, t, move in zip(agree, there, moves, strict=True):
      number = t.sum(axis=1)[:, None]
      share = a.sum(axis=1) / number
      # A seed that agrees makes it less likely that any disagrees.
      others = np.stack(
        [np.delete(share, row, axis=0).prod(axis=0) for row in range(len(a))]
      )
      apart = np.where(t[..., None], a - share[:, None], 0)
      by_seed -= (move * others / number)[:, None] * apart
    for row, view in enumerate(views):
      chosen = np.searchsorted(names, view.names)
      scale = len(view.names) / len(full.names)
      parts.append(_part(sample, view.names, scale * by_seed[row, chosen]))
  (of_views, differ), (control, control_differ) = sides
  return Matched(
    of_views, control, differ, control_differ, seeds_lib.noise(*parts)
  )


def _part(
  sample: resampling.Sample, names: np.ndarray, by_clip: np.ndarray
) -> seeds_lib.Part:
  """What seeds add to a figure, from what they add by clip (S, n)."""
  slopes = sample.totals(by_clip.T).T
  return seeds_lib.Part(names, slopes.sum(axis=1), slopes)


def _by_stratum(
  sample: resampling.Sample,
  differ: np.ndarray,
  values: np.ndarray,
  stratum: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """The totals that `_adjusted` takes, and where each clip's stratum is.

  Args: as of `adjusted_difference`.

  Returns:
    (G, 2, K, 2) float64; (A, n) int64, the stratum's place among the K with
    both sides, -1 for others, which weigh nothing in any draw.
  """
  differ, stratum = np.broadcast_arrays(
    np.atleast_2d(differ).astype(np.float64), np.atleast_2d(stratum)
  )
  shares = np.stack([1 - differ, differ]) / len(differ)
  sides = [np.bincount(stratum.ravel(), share.ravel()) for share in shares]
  kept = np.flatnonzero(np.minimum(*sides) > 0)
  place = np.full(len(sides[0]), -1)
  place[kept] = np.arange(len(kept))
  place = place[stratum]
  size = 2 * len(kept)
  cell = np.where(place >= 0, 2 * place + np.arange(2)[:, None, None], -1)
  cell = np.where(shares > 0, cell, -1)
  totals = sample.counts(
    np.stack([cell, np.where(cell >= 0, cell + size, -1)]),
    2 * size,
    np.stack([shares * values, shares]),
  )
  return totals.reshape(len(totals), 2, len(kept), 2), place


def auroc_at_equal_number(
  sample: resampling.Sample,
  signal: np.ndarray,
  positive: np.ndarray,
  number: np.ndarray,
) -> resampling.Figure:
  """AUROC over the pairs of clips with equally many votes.

  Which clips can be contested depends on how many votes they have, so a signal
  that knew that number would rank them well.

  Args:
    sample: the n clips.
    signal: (n,) float64.
    positive: (n,) bool.
    number: (n,) how many votes each clip has.

  Returns:
    The statistic; undefined where no such pair has a clip of either kind. The
    groups that count are those with clips of either kind, of numbers of votes
    that have both. The cost is that of `ranking.auroc`.
  """
  values, place = np.unique(np.round(signal, _DECIMALS), return_inverse=True)
  numbers, kind = np.unique(number, return_inverse=True)
  # Ranked by number first, pairs of different numbers are known: take them off.
  ranked = ranking.auroc(sample, place + len(values) * kind, positive)
  totals = np.concatenate(
    [
      sample.counts(np.where(side, kind, -1), len(numbers))
      for side in (positive, ~positive)
    ],
    axis=1,
  )
  kinds = np.stack(np.split(totals, 2, axis=1))
  both = kinds.any(axis=1).all(axis=0)

  def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, slope = ranked(weights)
    above, below = np.split(weights @ totals, 2, axis=1)
    above_total, below_total = above.sum(axis=1), below.sum(axis=1)
    fewer = np.cumsum(below, axis=1) - below
    more = above_total[:, None] - np.cumsum(above, axis=1)
    pairs = (above * below).sum(axis=1)
    told = pairs > 0
    pairs = np.where(told, pairs, 1)
    all_pairs = above_total * below_total
    value = np.where(told, value, 0)
    own = (value * all_pairs - (above * fewer).sum(axis=1)) / pairs
    by_above = (value * below_total)[:, None] - fewer - own[:, None] * below
    by_below = (value * above_total)[:, None] - more - own[:, None] * above
    gradient = np.concatenate([by_above, by_below], axis=1)
    slope = slope * all_pairs[:, None] + gradient @ totals.T
    return np.where(told, own, np.nan), slope / pairs[:, None]

  return resampling.Figure(
    statistic, kinds[:, :, both].any(axis=2), least=ranked.least
  )


def _clips_of_signals(
  found: Findings,
  corpus: corpus_lib.Corpus,
  votes: np.ndarray,
  signals: Mapping[str, np.ndarray],
  names: list[str],
) -> dict[str, _Clips]:
  """The clips of each signal that has any; the same object for the same clips.

  Args:
    found: where signals without clips are noted.
    corpus: for the groups.
    votes: (N, C) counts.
    signals: by name, (N,).
    names: which signals.
  """
  total, uncertainty, divided = (
    votes.sum(axis=1),
    votes_lib.gs(votes),
    votes_lib.contested(votes),
  )
  made, clips = {}, {}
  for name in names:
    chosen = ~np.isnan(uncertainty + signals[name])
    if not chosen.any():
      found.skipped[f'ambiguity.{name}'] = (
        'No clip with two votes or more has the signal.'
      )
      continue
    key = chosen.tobytes()
    if key not in made:
      made[key] = _Clips(
        chosen,
        resampling.sample(corpus.groups[chosen]),
        uncertainty[chosen],
        divided[chosen],
        total[chosen],
      )
    clips[name] = made[key]
  return clips


def _ask(
  found: Findings,
  prefix: str,
  differ: np.ndarray,
  clips: _Clips,
  stratum: np.ndarray,
  coarse: str = '',
) -> dict[str, object]:
  """Adds both differences of a signal or control; returns its row of the table.

  Args:
    found: where they are added.
    prefix: of their names.
    differ: (n,) or (A, n), see `difference`.
    clips: the n clips.
    stratum: (n,) or (A, n).
    coarse: why strata do not adjust; '' if they do.
  """
  sample, uncertainty = clips.sample, clips.uncertainty
  control = prefix.startswith(f'ambiguity.{_CONTROL}.')
  what = 'control' if control else 'signal'
  for name, statistic, undefined in (
    (
      'gs_difference',
      difference(sample, differ, uncertainty),
      f'The {what} has the same value for every clip with two votes or more.',
    ),
    (
      'adjusted',
      adjusted_difference(sample, differ, uncertainty, stratum),
      'In no stratum of label and confidence are there clips of both kinds.',
    ),
  ):
    if name == 'adjusted' and coarse:
      found.skipped[f'{prefix}.{name}'] = coarse
      continue
    found.add(
      f'{prefix}.{name}',
      resampling.estimate(
        sample, statistic, Scale.DIFFERENCE, null=not control
      ),
      undefined,
    )
  share = np.mean(np.atleast_2d(differ), axis=0)
  number = round(float(share.sum()))

  def mean(side: np.ndarray) -> float | None:
    total = side.sum()
    return float(side @ uncertainty / total) if total > 0 else None

  return table_row(
    prefix, number, len(share) - number, mean(share), mean(1 - share)
  )


def table_row(
  prefix: str,
  num_disagree: int,
  num_agree: int,
  gs_disagree: float | None,
  gs_agree: float | None,
) -> dict[str, object]:
  """The row of a signal or control whose statistics begin with `prefix`."""
  return (
    {
      'num_disagree': num_disagree,
      'num_agree': num_agree,
      'gs_disagree': gs_disagree,
      'gs_agree': gs_agree,
    }
    | interval_cells(f'{prefix}.gs_difference', 'gs_difference')
    | interval_cells(f'{prefix}.adjusted', 'adjusted')
    | {
      'p': Cell(f'{prefix}.adjusted', 'p'),
      'p_adjusted': Cell(f'{prefix}.adjusted', 'p_adjusted'),
    }
  )


def _add_controls(
  found: Findings,
  predictions: predictions_lib.Predictions,
  singles: list[str],
  signal: np.ndarray,
  clips: _Clips,
  mean: np.ndarray,
  coarse: str,
) -> list[dict[str, object]]:
  """Adds the controls that need no seeds; returns their rows.

  Args:
    found: where they are added.
    predictions: of the single views.
    singles: the single views.
    signal: (N,) `any_disagreement`.
    clips: those of the signal.
    mean: (N, C) the full view's mean over seeds.
    coarse: see `_ask`.
  """
  differ = signal[clips.chosen] > 0
  stratum = strata(mean[clips.chosen])
  predicted = predictions_lib.predicted_class(mean[clips.chosen])
  labels = np.stack(
    [
      predictions_lib.predicted_class(
        predictions_lib.mean_over_seeds(
          predictions.probabilities[view][:, clips.chosen]
        )
      )
      for view in singles
    ]
  )
  group = clips.sample.group
  if not clips.sample.clustered:
    group = np.zeros_like(group)
  asked = {
    'constant': (controls.constant(predicted), clips),
    'noise': (controls.noise(predicted, labels, mean.shape[1]), clips),
    'permuted': (
      differ,
      dataclasses.replace(
        clips,
        uncertainty=controls.permuted(clips.uncertainty, stratum, group),
      ),
    ),
  }
  rows = []
  for name, (told, there) in asked.items():
    name = f'{_CONTROL}.{name}'
    row = _ask(found, f'ambiguity.{name}', told, there, stratum, coarse)
    rows.append({'signal': name} | row)
  constant = f'ambiguity.{_CONTROL}.constant.adjusted'
  if constant in found.skipped and not coarse:
    found.skipped[constant] = (
      'A constant view differs by the label of the full view alone, and clips '
      'are compared within that label.'
    )
  return rows


def _add_beyond_seeds(
  found: Findings,
  predictions: predictions_lib.Predictions,
  full: str,
  singles: list[str],
  uncertainty: np.ndarray,
  groups: np.ndarray,
) -> list[dict[str, object]]:
  """Adds what disagreement tells beyond that of seeds, of any and each view.

  Args:
    found: where it is added.
    predictions: of the full and the single views.
    full: the full view.
    singles: the V single views.
    uncertainty: (N,) GS, NaN where unknown.
    groups: (N,).

  Returns:
    The table's row of as many other seeds of the full view, if there is one.
  """
  asked = {ANY: singles}
  if len(singles) > 1:
    asked |= {f'{view}_disagreement': [view] for view in singles}
  control = f'ambiguity.{_CONTROL}.seed'
  rows, table = [], []
  for signal, views in asked.items():
    name = f'ambiguity.{signal}'
    added = [f'{name}.beyond_seeds']
    if signal == ANY:
      added += [BY_SEED, f'{control}.gs_difference', f'{control}.adjusted']
    chosen = ~np.isnan(uncertainty)
    chosen &= predictions_lib.common(predictions, (full, *views))
    members = predictions.probabilities[full][:, chosen]
    of_full, *of_views = (
      Labelled(
        predictions.seeds[view],
        predictions_lib.predicted_class(
          predictions.probabilities[view][:, chosen]
        ),
      )
      for view in (full, *views)
    )
    # First what more seeds would not mend.
    coarse = (
      too_coarse(one, 'Seed by seed, the full view’s') for one in members
    )
    missing = next(filter(None, coarse), '')
    if not chosen.any():
      missing = (
        'No clip with two votes or more is predicted by every seed of the full '
        f'view and of {" and ".join(views)}.'
      )
    elif all(
      (one.labels == of_full.labels[0]).all() for one in (of_full, *of_views)
    ):
      missing = (
        f'All seeds of {wording.listing([*views, "the full view"])} give each '
        'clip the same label, so that there is no disagreement to compare.'
      )
    missing = missing or why_unmatched(
      predictions.seeds[full], [predictions.seeds[view] for view in views]
    )
    if missing:
      found.skipped.update(dict.fromkeys(added, missing))
      continue
    sample, values = resampling.sample(groups[chosen]), uncertainty[chosen]
    stratum = np.stack([strata(probabilities) for probabilities in members])
    sides = matched(sample, values, stratum, of_full, of_views)
    found.add(
      f'{name}.beyond_seeds',
      resampling.estimate(
        sample,
        resampling.minus(sides.views, sides.control),
        Scale.DIFFERENCE,
        seeds=sides.noise,
        null=True,
      ),
      'Among clips that a seed of the full view labels alike and with like '
      'confidence, other seeds of it, or single views, disagree with it on all '
      'or on none, so that they cannot be compared.',
    )
    if signal == ANY:
      # Its seeds' noise is not known: that of the difference from the control.
      found.add(
        BY_SEED,
        resampling.estimate(sample, sides.views, Scale.DIFFERENCE, null=True),
        'In no stratum of label and confidence are there clips of both kinds.',
      )
      clips = _Clips(chosen, sample, values, np.array([]), np.array([]))
      row = _ask(found, control, sides.control_differ, clips, stratum)
      rows.append({'signal': f'{_CONTROL}.seed'} | row)
    beyond = f'{name}.beyond_seeds'
    table.append(
      {'signal': signal, 'num_clips': len(values)}
      | interval_cells(beyond, 'beyond_seeds')
      | {'p': Cell(beyond, 'p'), 'p_adjusted': Cell(beyond, 'p_adjusted')}
    )
  if table:
    found.tables['beyond_seeds'] = table
  return rows


def why_unmatched(full: np.ndarray, singles: Sequence[np.ndarray]) -> str:
  """Why single views cannot be held against other seeds; '' if they can.

  Args:
    full: (S,) the full view's seeds.
    singles: those of each of the V single views.

  Returns:
    A sentence.
  """
  needed = len(singles) + 1
  one = len(singles) == 1
  views = 'a single view' if one else f'{len(singles)} single views'
  if len(full) < needed:
    return (
      f'To hold {views} against as many other seeds of the full view takes '
      f'{needed} seeds of it, and it has {len(full)}: train '
      f'{needed - len(full)} more (6 in all are a good number).'
    )
  names = np.unique(np.concatenate(singles))
  known = np.stack([np.isin(names, seeds) for seeds in singles])
  for seed in full:
    if not seeds_lib.injections((known & (names != seed)) * 1.0):
      return (
        f'To hold {views} against seed {seed} of the full view takes seeds of '
        'other names, each different, in every view; there are too few.'
      )
  return ''


def too_coarse(
  probabilities: np.ndarray, whose: str = 'The full view’s'
) -> str:
  """Why clips of like confidence cannot be found; '' if they can.

  Predictions of 0 and 1 alone, say, are all of like confidence, so that strata
  of confidence adjust for nothing.

  Args:
    probabilities: (n, C) of the full view.
    whose: they are, if not those of its seeds' mean.

  Returns:
    A sentence if confidence has fewer values than strata have bins of it.
  """
  confidence = np.round(probabilities.max(axis=-1), _DECIMALS)
  return too_few(len(np.unique(confidence)), len(confidence), whose)


def too_few(number: int, num_clips: int, whose: str = 'The full view’s') -> str:
  """The same of so many values of confidence on so many clips."""
  if number >= min(_NUM_STRATA, num_clips / 2):
    return ''
  return (
    f'{whose} confidence takes {number} '
    f'{"value" if number == 1 else "values"} only, so that clips of like '
    'confidence cannot be told from others.'
  )


def _add_rankings(
  found: Findings,
  signals: Mapping[str, np.ndarray],
  clips: Mapping[str, _Clips],
  binary: list[str],
) -> list[dict[str, object]]:
  """Adds how well each signal finds contested clips; returns the table."""
  rows = []
  for name, there in clips.items():
    prefix = f'ambiguity.{name}'
    sample, hit = there.sample, there.contested
    signal = signals[name][there.chosen]
    auroc = ranking.auroc(sample, signal, hit)
    figures = {'auroc_contested': (auroc, Scale.LOGIT, None)}
    if (there.number != there.number[0]).any():
      figures['auroc_contested_equal_n'] = (
        auroc_at_equal_number(sample, signal, hit, there.number),
        Scale.LOGIT,
        None,
      )
    # Confidence is known wherever the full view predicts.
    doubt = signals[CONFIDENCE][there.chosen]
    if name != CONFIDENCE:
      figures['auroc_minus_confidence'] = (
        resampling.minus(auroc, ranking.auroc(sample, doubt, hit)),
        Scale.DIFFERENCE,
        None,
      )
    if name in binary:
      differ = signal > 0
      figures['precision_minus_confidence'] = (
        ranking.precision_gain(sample, differ, doubt, hit),
        Scale.DIFFERENCE,
        ranking.precision_gain(sample, differ, ranking.coarse(doubt), hit),
      )
    for figure, (statistic, scale, drawn) in figures.items():
      estimate = resampling.estimate(
        sample,
        statistic,
        scale=scale,
        null=not figure.startswith('precision'),
        drawn=drawn,
      )
      if figure.startswith('precision'):
        one_clip = 1 / max(np.count_nonzero(signal > 0), 1)
        estimate = resampling.no_finer(estimate, one_clip)
      found.add(
        f'{prefix}.{figure}',
        estimate,
        'The signal is set on no clip.'
        if figure.startswith('precision')
        else 'The clips are all contested, or none is.',
      )
    found.add(
      f'{prefix}.spearman',
      resampling.estimate(
        sample,
        ranking.spearman(sample, signal, there.uncertainty),
        Scale.FISHER,
        null=True,
        drawn=ranking.spearman(
          sample,
          ranking.coarse(signal, _NUM_RANKS),
          ranking.coarse(there.uncertainty, _NUM_RANKS),
        ),
      ),
      'The signal, or how often annotators differ, is the same on all clips.',
    )
    against = f'{prefix}.auroc_minus_confidence'
    row = {
      'signal': name,
      'num_clips': len(hit),
      'num_contested': int(hit.sum()),
    }
    for figure, column in (
      ('auroc_contested', 'auroc_contested'),
      ('auroc_contested_equal_n', 'equal_n'),
      ('auroc_minus_confidence', 'minus_confidence'),
      ('precision_minus_confidence', 'precision_minus_confidence'),
      ('spearman', 'spearman'),
    ):
      row |= interval_cells(f'{prefix}.{figure}', column)
    row |= {'p': Cell(against, 'p'), 'p_adjusted': Cell(against, 'p_adjusted')}
    rows.append(row)
  return rows


def _by_disagreement(
  disagreements: np.ndarray, uncertainty: np.ndarray, groups: np.ndarray
) -> dict[str, list]:
  """GS by how many single views differ from the full one.

  Args:
    disagreements: (V, N) float64, 1 where a single view differs, NaN where it
      does not predict the clip.
    uncertainty: (N,) GS, NaN where unknown.
    groups: (N,).

  Returns:
    Lists over the numbers that occur.
  """
  known = ~np.isnan(disagreements).all(axis=0) & ~np.isnan(uncertainty)
  number = np.nansum(disagreements, axis=0)
  curve = {'num_disagreeing': [], 'gs': [], 'low': [], 'high': [], 'count': []}
  for value in np.unique(number[known]):
    chosen = known & (number == value)
    sample = resampling.sample(groups[chosen])
    totals = sample.totals(
      np.stack([uncertainty[chosen], np.ones(chosen.sum())], axis=1)
    )
    found = resampling.estimate(
      sample, resampling.mean(totals), scale=Scale.LOGIT
    )
    curve['num_disagreeing'].append(int(value))
    curve['gs'].append(found.estimate)
    curve['low'].append(found.low)
    curve['high'].append(found.high)
    curve['count'].append(found.n)
  return curve


def _by_confidence(
  confidence: np.ndarray, differ: np.ndarray, uncertainty: np.ndarray
) -> dict[str, list]:
  """GS of clips on which views differ and agree, by fifths of confidence.

  Args:
    confidence: (N,) of the full view, NaN where it does not predict.
    differ: (N,) 0 or 1, NaN where unknown.
    uncertainty: (N,) GS, NaN where unknown.

  Returns:
    Lists over the fifths, None where there is no clip.
  """
  known = ~np.isnan(differ + uncertainty)
  confidence, uncertainty = confidence[known], uncertainty[known]
  differ = differ[known] > 0
  fifth = rank_bins(confidence, _NUM_FIFTHS)
  curve = {'confidence': []}
  for name in ('gs_agree', 'gs_disagree', 'num_agree', 'num_disagree'):
    curve[name] = []
  for place in np.unique(fifth):
    inside = fifth == place
    curve['confidence'].append(float(confidence[inside].mean()))
    for side, chosen in (('agree', ~differ), ('disagree', differ)):
      values = uncertainty[inside & chosen]
      curve[f'gs_{side}'].append(float(values.mean()) if len(values) else None)
      curve[f'num_{side}'].append(len(values))
  return curve


def _adjusted(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The adjusted difference of totals (R, 4 K) and its gradient.

  The totals are sums of values, then counts, each by stratum and side.
  """
  values, counts = np.moveaxis(
    sums.reshape(len(sums), 2, sums.shape[1] // 4, 2), 1, 0
  )
  size = counts.sum(axis=-1, keepdims=True)
  size = np.where(size > 0, size, 1)
  share = counts / size
  # n1 n0 / n times the difference of means, without dividing by n1 and n0.
  gap = values[..., 1] * share[..., 0] - values[..., 0] * share[..., 1]
  weight = counts[..., 1] * share[..., 0]
  total = weight.sum(axis=1)
  told = total > 0
  total = np.where(told, total, 1)
  value = gap.sum(axis=1) / total
  swapped = share[..., ::-1]
  sign = np.array([-1, 1])
  by_values = sign * swapped
  by_counts = (sign * -values[..., ::-1] - gap[..., None]) / size
  by_counts -= value[:, None, None] * swapped**2
  gradient = np.stack([by_values, by_counts], axis=1).reshape(sums.shape)
  return np.where(told, value, np.nan), gradient / total[:, None]
