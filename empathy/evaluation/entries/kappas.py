"""Who may stand in for an annotator, and how far raters agree."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import COEFFICIENT, CORRELATION, SHARE

_ALIKE = 'One of the two raters says the same of all clips.'

ENTRIES = (
  *of(
    'stand_in.{rater}',
    Entry('advantage', 'advantage', SHARE, glossary.ADVANTAGE),
    Entry(
      'winning_rate_at_{epsilon}',
      'winning rate',
      SHARE,
      glossary.WINNING,
    ),
    Entry('published_rate_at_{epsilon}', 'as published', SHARE),
    within=('stand_in',),
  ),
  *of(
    'raters.{first} and {second}',
    Entry(
      'kappa', 'kappa', COEFFICIENT, glossary.RATER_KAPPA, undefined=_ALIKE
    ),
    Entry(
      'weighted_kappa',
      'weighted kappa',
      COEFFICIENT,
      glossary.RATER_KAPPA,
      undefined=_ALIKE,
    ),
    Entry('spearman', 'Spearman', CORRELATION, undefined=_ALIKE),
    within=('raters',),
  ),
  *of(
    'raters.{kind}',
    Entry('mean_kappa', 'mean kappa', COEFFICIENT, undefined=_ALIKE),
    Entry(
      'mean_weighted_kappa',
      'mean weighted kappa',
      COEFFICIENT,
      undefined=_ALIKE,
    ),
    within=('raters',),
  ),
)
