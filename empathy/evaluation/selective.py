"""Selective prediction: answer only where the full view is sure enough.

Wanted is an error rate among the clips that are answered. Each fold is judged
by a threshold on confidence that was chosen on the other folds' held-out
predictions: clips of other groups, which the members that predicted them never
saw. So the realised risk is what the next speakers would have met, and may miss
the rate that was wanted.
"""

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import diagnosis, resampling
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation.findings import (
  Findings,
  Scale,
  interval_cells,
)

WANTED = (0.05, 0.1, 0.2)
# An error rate among fewer clips says next to nothing.
LEAST_ANSWERED = 20


def answer(
  corpus: corpus_lib.Corpus, predictions: predictions_lib.Predictions
) -> Findings:
  """What selective prediction by the full view's confidence comes to.

  Args:
    corpus: for the labels and the groups.
    predictions: of the full view; seeds are averaged.

  Returns:
    Statistics `diagnosis.selective_<percent>.risk`, the error rate among the
    clips answered, if these are 20 or more, and `.coverage`, the share that is;
    the table `selective`.
  """
  full = corpus_lib.view_name(corpus.modalities)
  if full not in predictions.views:
    return _skipped(f'There are no predictions of the full view, {full}.')
  mean = predictions_lib.mean_over_seeds(predictions.probabilities[full])
  predicted = predictions_lib.predicted_class(mean)
  known = (predicted >= 0) & (corpus.labels != corpus_lib.UNLABELLED)
  sample = resampling.sample(corpus.groups[known])
  if sample.num_groups < 2:
    return _skipped(
      'A threshold is chosen on other groups than it is judged on, and there '
      'are not two groups.'
    )
  error = (predicted != corpus.labels)[known]
  confidence = mean[known].max(axis=1)
  fold = diagnosis.folds_for_fit(
    predictions.folds[full][:, known], sample, error
  )
  found = Findings()
  rows = []
  for wanted in WANTED:
    answered = np.zeros(len(error), bool)
    for held_out in np.unique(fold):
      there = fold == held_out
      least = threshold(confidence[~there], error[~there], wanted)
      answered[there] = confidence[there] >= least
    name = f'diagnosis.selective_{round(100 * wanted)}'
    every = np.ones(len(error))
    for figure, top, bottom in (
      ('risk', error & answered, answered),
      ('coverage', answered, every),
    ):
      number = int(bottom.sum())
      if figure == 'risk' and 0 < number < LEAST_ANSWERED:
        found.skipped[f'{name}.risk'] = (
          f'With {round(100 * wanted)} % errors wanted, {number} '
          f'{"clip is" if number == 1 else "clips are"} answered: too few to '
          'tell an error rate of.'
        )
        continue
      totals = sample.totals(np.stack([top, bottom], axis=1).astype(float))
      found.add(
        f'{name}.{figure}',
        resampling.estimate(
          sample,
          resampling.mean(totals),
          scale=Scale.LOGIT,
          n=number,
        ),
        'No clip is answered at this error rate.',
      )
    row = {'wanted': wanted, 'num_answered': int(answered.sum())}
    for figure in ('risk', 'coverage'):
      row |= interval_cells(f'{name}.{figure}', figure)
    rows.append(row)
  found.tables['selective'] = rows
  return found


def threshold(
  confidence: np.ndarray, error: np.ndarray, wanted: float
) -> float:
  """The least confidence from which on clips err at most at a wanted rate.

  Args:
    confidence: (n,).
    error: (n,) bool.
    wanted: the largest share of errors among the clips at or above it.

  Returns:
    The lowest such confidence of a clip; infinity where there is none.
  """
  order = np.argsort(-confidence, kind='stable')
  sorted_ = confidence[order]
  rate = np.cumsum(error[order]) / np.arange(1, len(order) + 1)
  # Clips of equal confidence are answered together.
  last = np.append(sorted_[1:] != sorted_[:-1], True)
  fits = np.flatnonzero(last & (rate <= wanted))
  return float(sorted_[fits[-1]]) if len(fits) else np.inf


def _skipped(reason: str) -> Findings:
  return Findings(skipped={'diagnosis.selective': reason})
