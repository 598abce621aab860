"""Is disagreement a good diagnostic: does it find the full view's errors?

Every signal ranks clips without their label. An error is a clip that the full
view, its seeds averaged, labels wrongly. Confidence finds errors too, so the
question is what disagreement adds to it.
"""

from collections.abc import Mapping

import numpy as np
from scipy import special

from empathy.corpora import corpus as corpus_lib
from empathy.corpora import splits
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import ranking, resampling
from empathy.evaluation import sides as sides_lib
from empathy.evaluation import votes as votes_lib
from empathy.evaluation.findings import (
  Cell,
  Estimate,
  Findings,
  Scale,
  interval_cells,
)

ANY = 'any_disagreement'
CONFIDENCE = 'one_minus_confidence'
COMBINED = 'combined'
_SEEDS = 'seed_mutual_information'
_GAIN = 'diagnosis.combined.auroc_minus_confidence'
_CONTESTED = 'diagnosis.combined.auroc_contested_minus_confidence'
_PRIMARY = f'diagnosis.{ANY}.adjusted'
_NUM_POINTS = 50
_MOST_FOLDS = 10
# Where confidence is nearer to 1, it is taken to be as near as that.
_LEAST_DOUBT = 1e-12
_RIDGE = 1.0
_MOST_STEPS = 50


def answer(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions,
  signals: Mapping[str, np.ndarray],
) -> Findings:
  """Judges each signal as a detector of the full view's errors.

  The primary is `diagnosis.any_disagreement.adjusted`: how much more often the
  full view errs where some single view disagrees with it, among clips that it
  gives the same label with about the same confidence; its p-value is one-sided.
  It says that disagreement tells of errors what confidence does not. How much
  that gains a detector is another question, and a keener test than the answer
  to it, the gain of AUROC when both are combined out of fold: that is a little
  below zero where disagreement tells nothing, the price of a weight fitted to
  noise.

  Args:
    corpus: for the labels, the groups and, if there are any, the votes.
    predictions: for the full view's labels and the folds.
    signals: of each clip, from the predictions alone; (N,) float64.

  Returns:
    Statistics `diagnosis.error_rate` (the base rate of average precision) and
    `diagnosis.<signal>.auroc_error`, `.auroc_error_uncontested`,
    `.auroc_error_minus_confidence`, `.average_precision`, `.aurc`, `.e_aurc`,
    `.errors_found_at_10`, for `combined` too; of each binary signal
    `.precision_minus_confidence` (minus that of equally many least confident
    clips); `diagnosis.any_disagreement.adjusted`;
    `diagnosis.combined.auroc_minus_confidence`, what disagreement adds to the
    AUROC of confidence, and `.auroc_contested_minus_confidence`, the same for
    contested clips. The table `diagnosis`; the curves
    `review_budget` and `risk_coverage`.
  """
  full = corpus_lib.view_name(corpus.modalities)
  if full not in predictions.views:
    return _skipped(f'There are no predictions of the full view, {full}.')
  mean = predictions_lib.mean_over_seeds(predictions.probabilities[full])
  predicted = predictions_lib.predicted_class(mean)
  known = (predicted >= 0) & (corpus.labels != corpus_lib.UNLABELLED)
  error = known & (predicted != corpus.labels)
  if not known.any():
    return _skipped('No clip that the full view predicts has a label.')
  if not error.any():
    return _skipped('The full view is right on every labelled clip.')
  if error[known].all():
    return _skipped('The full view is wrong on every labelled clip.')
  found = Findings(primary=_PRIMARY)
  sample = resampling.sample(corpus.groups[known])
  found.add(
    'diagnosis.error_rate',
    resampling.estimate(
      sample,
      resampling.mean(
        sample.totals(np.stack([error[known], np.ones(known.sum())], axis=1))
      ),
      scale=Scale.LOGIT,
    ),
  )
  if _SEEDS not in signals:
    found.skipped[f'diagnosis.{_SEEDS}'] = (
      f'There is one seed only of the full view, {full}.'
    )
  votes = None
  if corpus.votes is None:
    found.skipped['diagnosis.uncontested'] = 'The corpus has no votes.'
  else:
    votes = votes_lib.speaking_votes(corpus)[0]
  score = _add_combined(
    found, corpus, predictions.folds[full], signals, known, error, votes
  )
  signals = dict(signals)
  if score is not None:
    signals = {COMBINED: score} | signals
  order = [name for name in (COMBINED, ANY, CONFIDENCE) if name in signals]
  order += [name for name in signals if name not in order]
  for name in order.copy():
    if not (known & ~np.isnan(signals[name])).any():
      found.skipped[f'diagnosis.{name}'] = 'No labelled clip has the signal.'
      order.remove(name)
  found.tables['diagnosis'] = [
    _ask(found, corpus, name, signals, known, error, votes, mean)
    for name in order
  ]
  for figure in (
    'auroc_error',
    'auroc_error_uncontested',
    'auroc_error_minus_confidence',
  ):
    found.families.append([f'diagnosis.{name}.{figure}' for name in order])
  found.families.extend([[_GAIN], [_CONTESTED]])
  found.curves.update(_curves(signals, known, error))
  return found


def gain(
  sample: resampling.Sample,
  doubt: np.ndarray,
  disagree: np.ndarray,
  outcome: np.ndarray,
  fold: np.ndarray,
) -> tuple[Estimate, np.ndarray]:
  """What disagreement adds to confidence as a detector.

  Args:
    sample: the n clips.
    doubt: (n,) float64, 1 - confidence.
    disagree: (n,) 0 or 1.
    outcome: (n,) bool, what is to be detected.
    fold: (n,) int, at least two different ones.

  Returns:
    The AUROC of both minus that of confidence, both `out_of_fold`, with the
    one-sided p-value of its not being above 0; and the score of both (n,).
  """
  columns = np.stack(
    [special.logit(np.maximum(doubt, _LEAST_DOUBT)), disagree], axis=1
  )
  both, alone = (
    out_of_fold(columns[:, :number], outcome, fold) for number in (2, 1)
  )
  found = resampling.estimate(
    sample,
    resampling.minus(
      ranking.auroc(sample, both, outcome),
      ranking.auroc(sample, alone, outcome),
    ),
    Scale.DIFFERENCE,
    null=True,
    alternative='greater',
  )
  return found, both


def out_of_fold(
  columns: np.ndarray, outcome: np.ndarray, fold: np.ndarray
) -> np.ndarray:
  """Log odds of the outcome, by a logistic regression on the other folds.

  An AUROC over several folds suffers from intercepts that are fitted to each
  (Parker et al. 2007, BMC Bioinformatics 8:326), so a detector's is only to be
  compared with that of one that was fitted alike.

  Args:
    columns: (n, k) float64.
    outcome: (n,) bool, what is to be detected.
    fold: (n,) int, at least two different ones.

  Returns:
    (n,) float64.
  """
  score = np.empty(len(columns))
  for held_out in np.unique(fold):
    there = fold == held_out
    others = columns[~there]
    scale = others.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    coefficients = logistic(
      (others - others.mean(axis=0)) / scale, outcome[~there]
    )
    own = (columns[there] - others.mean(axis=0)) / scale
    score[there] = coefficients[0] + own @ coefficients[1:]
  return score


def logistic(design: np.ndarray, outcome: np.ndarray) -> np.ndarray:
  """Coefficients of a logistic regression, by Newton's method.

  Args:
    design: (n, k) float64, standardised columns.
    outcome: (n,) bool.

  Returns:
    (k + 1,) float64, the intercept first; the maximum of the log likelihood
    less half the sum of squares of the other coefficients, which keeps them
    finite where the outcomes are separated.
  """
  design = np.column_stack([np.ones(len(design)), design])
  ridge = np.full(design.shape[1], _RIDGE)
  ridge[0] = 0
  coefficients = np.zeros(design.shape[1])
  for _ in range(_MOST_STEPS):
    chance = special.expit(design @ coefficients)
    gradient = design.T @ (outcome - chance) - ridge * coefficients
    spread = chance * (1 - chance)
    curvature = (design.T * spread) @ design + np.diag(ridge)
    step = np.linalg.solve(curvature, gradient)
    # Far steps overshoot where chances are near 0 or 1.
    step /= max(1.0, np.abs(step).max())
    coefficients += step
    if np.abs(step).max() < 1e-10:
      break
  return coefficients


def _skipped(reason: str) -> Findings:
  return Findings(skipped={'question 6': reason})


def folds_for_fit(
  folds: np.ndarray, sample: resampling.Sample, outcome: np.ndarray
) -> np.ndarray:
  """The folds of a fit: the predictions', unless a group is in two of them.

  Args:
    folds: (S, n) the fold in which each seed held out a clip; negative where
      it has none.
    sample: the n clips, of two groups or more.
    outcome: (n,) bool, which folds made anew share evenly.

  Returns:
    (n,) int, at least two different ones.
  """
  fold = folds.max(axis=0)
  agreed = ((folds == fold) | (folds < 0)).all()
  places = len(np.unique(np.stack([sample.group, fold]), axis=1).T)
  if agreed and places == sample.num_groups and len(np.unique(fold)) > 1:
    return fold
  number = min(_MOST_FOLDS, sample.num_groups)
  return splits.group_folds(sample.group, outcome.astype(int), number, seed=0)


def _add_combined(
  found: Findings,
  corpus: corpus_lib.Corpus,
  folds: np.ndarray,
  signals: Mapping[str, np.ndarray],
  known: np.ndarray,
  error: np.ndarray,
  votes: np.ndarray | None,
) -> np.ndarray | None:
  """Adds what disagreement adds to confidence, for errors and contested clips.

  Returns:
    (N,) the combined score for errors, NaN where it is not known; None if there
    is none.
  """
  if ANY not in signals:
    missing = 'There are no predictions of a single modality.'
    found.skipped.update({_PRIMARY: missing, _GAIN: missing})
    return None
  known = known & ~np.isnan(signals[ANY])
  scores = None
  asked = [(_GAIN, known, error)]
  if votes is None:
    found.skipped[_CONTESTED] = 'The corpus has no votes.'
  else:
    # A single vote cannot be contested.
    there = ~np.isnan(signals[ANY]) & (votes.sum(axis=1) > 1)
    asked.append((_CONTESTED, there, votes_lib.contested(votes)))
  for name, chosen, outcome in asked:
    sample = resampling.sample(corpus.groups[chosen])
    if sample.num_groups < 2:
      found.skipped[name] = (
        'A combination is fitted to other groups than it is judged on, and '
        'there are not two groups.'
      )
      continue
    hit = outcome[chosen]
    estimate, score = gain(
      sample,
      signals[CONFIDENCE][chosen],
      signals[ANY][chosen],
      hit,
      folds_for_fit(folds[:, chosen], sample, hit),
    )
    found.add(
      name,
      estimate,
      'The clips with a disagreement that is known are all of one kind.',
    )
    if outcome is error:
      scores = np.full(len(known), np.nan)
      scores[chosen] = score
  return scores


def _ask(
  found: Findings,
  corpus: corpus_lib.Corpus,
  name: str,
  signals: Mapping[str, np.ndarray],
  known: np.ndarray,
  error: np.ndarray,
  votes: np.ndarray | None,
  mean: np.ndarray,
) -> dict[str, object]:
  """Adds the figures of one signal; returns its row of the table."""
  prefix = f'diagnosis.{name}'
  chosen = known & ~np.isnan(signals[name])
  signal, wrong = signals[name][chosen], error[chosen]
  sample = resampling.sample(corpus.groups[chosen])
  auroc = ranking.auroc(sample, signal, wrong)
  undefined = 'The full view is right, or wrong, on every clip with the signal.'
  found.add(
    f'{prefix}.auroc_error',
    resampling.estimate(sample, auroc, scale=Scale.LOGIT, null=True),
    undefined,
  )
  coarse = ranking.coarse(signal)
  for figure, function, scale in (
    ('average_precision', ranking.average_precision, Scale.LOGIT),
    ('aurc', ranking.aurc, Scale.LOGIT),
    ('e_aurc', ranking.e_aurc, Scale.LOG),
    ('errors_found_at_10', ranking.found_at, Scale.LOGIT),
  ):
    found.add(
      f'{prefix}.{figure}',
      resampling.estimate(
        sample,
        function(sample, signal, wrong),
        scale=scale,
        drawn=function(sample, coarse, wrong),
      ),
      'The full view is right on every clip with the signal.',
    )
  against = f'{prefix}.auroc_error_minus_confidence'
  if name != CONFIDENCE:
    confidence = ranking.auroc(sample, signals[CONFIDENCE][chosen], wrong)
    found.add(
      against,
      resampling.estimate(
        sample, resampling.minus(auroc, confidence), Scale.DIFFERENCE, null=True
      ),
      undefined,
    )
  if votes is not None:
    _add_uncontested(found, corpus, prefix, signals[name], chosen, error, votes)
  if name.endswith('_disagreement'):
    differ, doubt = signal > 0, signals[CONFIDENCE][chosen]
    found.add(
      f'{prefix}.precision_minus_confidence',
      resampling.no_finer(
        resampling.estimate(
          sample,
          ranking.precision_gain(sample, differ, doubt, wrong),
          Scale.DIFFERENCE,
          drawn=ranking.precision_gain(
            sample, differ, ranking.coarse(doubt), wrong
          ),
        ),
        1 / max(np.count_nonzero(differ), 1),
      ),
      'The signal is set on no clip.',
    )
  if name == ANY:
    own = mean[chosen]
    strata = plan_lib.strata(plan_lib.histogram(own.max(axis=1)))
    coarse = strata.too_coarse()
    if coarse:
      found.skipped[_PRIMARY] = coarse
    else:
      found.add(
        _PRIMARY,
        resampling.estimate(
          sample,
          sides_lib.adjusted(
            sides_lib.of_clips(sample, wrong, signal > 0, strata.of(own))
          ),
          Scale.DIFFERENCE,
          null=True,
          alternative='greater',
        ),
        'In no stratum of label and confidence are there clips of both kinds.',
      )
  return (
    {'signal': name, 'num_clips': int(chosen.sum())}
    | interval_cells(f'{prefix}.auroc_error', 'auroc_error')
    | interval_cells(against, 'minus_confidence')
    | {'p': Cell(against, 'p'), 'p_adjusted': Cell(against, 'p_adjusted')}
    | interval_cells(f'{prefix}.auroc_error_uncontested', 'uncontested')
    | {
      figure: Cell(f'{prefix}.{figure}')
      for figure in ('average_precision', 'aurc', 'e_aurc')
    }
    | interval_cells(f'{prefix}.errors_found_at_10', 'errors_found_at_10')
  )


def _add_uncontested(
  found: Findings,
  corpus: corpus_lib.Corpus,
  prefix: str,
  signal: np.ndarray,
  chosen: np.ndarray,
  error: np.ndarray,
  votes: np.ndarray,
) -> None:
  """Adds the AUROC for errors on clips on which annotators agree."""
  name = f'{prefix}.auroc_error_uncontested'
  there = chosen & (votes.sum(axis=1) > 1) & ~votes_lib.contested(votes)
  if not there.any():
    found.skipped[name] = (
      'No clip with a label, the signal and two votes or more is uncontested.'
    )
    return
  sample = resampling.sample(corpus.groups[there])
  found.add(
    name,
    resampling.estimate(
      sample,
      ranking.auroc(sample, signal[there], error[there]),
      scale=Scale.LOGIT,
      null=True,
    ),
    'The full view is right, or wrong, on every uncontested clip.',
  )


def _curves(
  signals: Mapping[str, np.ndarray], known: np.ndarray, error: np.ndarray
) -> dict[str, dict[str, object]]:
  """The review budget and the risk-coverage curve, over the same clips."""
  orders = {
    name: signals[name]
    for name in (COMBINED, CONFIDENCE, _SEEDS)
    if name in signals
  }
  if ANY in signals:
    # Confidence is below 1, so that it only orders the clips of either kind.
    orders = {'disagreement_first': signals[ANY] + signals[CONFIDENCE]} | orders
  for values in orders.values():
    known = known & ~np.isnan(values)
  wrong = error[known]
  if not wrong.any():
    return {}
  orders = {name: values[known] for name, values in orders.items()}
  orders |= {'random': np.zeros(len(wrong)), 'oracle': wrong}
  shares = np.arange(_NUM_POINTS + 1) / _NUM_POINTS
  curves = {
    'review_budget': ('budget', shares, ranking.errors_found),
    'risk_coverage': ('coverage', shares[1:], ranking.risks),
  }
  return {
    curve: {'num_clips': len(wrong), across: places.tolist()}
    | {
      name: function(values, wrong, places).tolist()
      for name, values in orders.items()
    }
    for curve, (across, places, function) in curves.items()
  }
