"""Do models find those clips hard on which annotators differ?"""

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import ambiguity, catalogue, ranking, resampling
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation.findings import Cell, Findings, Scale, interval_cells

# Correlations are drawn with so many bins of either variable.
_NUM_BINS = 16


def answer(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
  source: str | None,
) -> Findings:
  """Correlates GS with how unsure, and how wrong, the full view is.

  Spearman's correlation over clips of GS, of the votes that speak for the clip,
  with the full view's 1 - confidence, 1 - probability of the label, and error,
  by the mean of its seeds' probabilities; what clips of a group share counts,
  and the interval and p-value are over new groups. What needs the label is left
  out where the same votes made it.

  Args:
    corpus: with votes.
    predictions: None if there are none.
    source: the votes that made the label, as `humans.source_of_label` says.

  Returns:
    Statistics `humans.models.<signal>.spearman`, one family, and the table
    `humans_and_models`.
  """
  prefix = 'humans.models'
  full = corpus_lib.view_name(corpus.modalities)
  if predictions is None or full not in predictions.views:
    return Findings(
      skipped={prefix: f'There are no predictions of the full view, {full}.'}
    )
  found = Findings()
  mean = predictions_lib.mean_over_seeds(predictions.probabilities[full])
  labels = corpus.labels
  predicted = predictions_lib.predicted_class(mean)
  signals = {'one_minus_confidence': 1 - mean.max(axis=-1)}
  gold = {
    'one_minus_gold_probability': 1 - mean[np.arange(len(labels)), labels],
    'error': predicted != labels,
  }
  votes, speaks = ambiguity.speaking_votes(corpus)
  uncertainty = ambiguity.gs(votes)
  chosen = ~np.isnan(uncertainty + signals['one_minus_confidence'])
  known = labels != corpus_lib.UNLABELLED
  missing = ''
  if source is not None and (source in ('', speaks) or speaks is None):
    missing = (
      'The votes that tell how uncertain a clip is made its label, too, so '
      'that what models get wrong is not compared with it.'
    )
  elif not known.any():
    missing = 'No clip has a label.'
  if missing:
    for name in gold:
      found.skipped[f'{prefix}.{name}.spearman'] = missing
  else:
    signals |= gold
    chosen &= known
  # Without a spread of confidence, how hard a clip is cannot be told; and the
  # errors of a view that says one class are those of the other classes.
  unknown = {}
  if not predictions_lib.graded(mean):
    reason = predictions_lib.not_graded(mean, predictions_lib.MEAN)
    unknown = dict.fromkeys(set(signals) - {'error'}, reason)
  if len(np.unique(predicted[predicted >= 0])) < 2:
    unknown['error'] = 'The full view gives every clip the same label.'
  for name in unknown:
    if signals.pop(name, None) is not None:
      found.skipped[f'{prefix}.{name}.spearman'] = unknown[name]
  if not signals:
    return found
  if not chosen.any():
    return Findings(
      skipped={prefix: 'No predicted clip has two votes or more.'}
    )
  sample = resampling.sample(corpus.groups[chosen])
  uncertainty = uncertainty[chosen]
  signals = {
    f'{prefix}.{name}.spearman': values[chosen].astype(np.float64)
    for name, values in signals.items()
  }
  rows = []
  for name, values in signals.items():
    estimate = resampling.estimate(
      sample,
      ranking.spearman(sample, values, uncertainty),
      Scale.FISHER,
      null=True,
      drawn=ranking.spearman(
        sample,
        ranking.coarse(values, _NUM_BINS),
        ranking.coarse(uncertainty, _NUM_BINS),
      ),
    )
    found.add(name, estimate, 'One of the two is the same for every clip.')
    rows.append(
      {**catalogue.find(name).parts, 'num_clips': sample.num_clips}
      | interval_cells(name, 'spearman')
      | {field: Cell(name, field) for field in ('p', 'p_adjusted')}
    )
  found.tables['humans_and_models'] = rows
  found.families.append(list(signals))
  return found
