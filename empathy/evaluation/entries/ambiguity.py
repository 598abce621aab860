"""Whether annotators differ where views do."""

import dataclasses

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import CORRELATION, POINTS, SHARE

_BOTH_KINDS = (
  'In no stratum of label and confidence are there clips of both kinds.'
)
_SAME = 'The {} has the same value for every clip with two votes or more.'
_ALL_CONTESTED = 'The clips are all contested, or none is.'
_SET_NOWHERE = 'The signal is set on no clip.'
RAW = Entry('gs_difference', 'raw', POINTS, glossary.GS)
ADJUSTED = Entry(
  'adjusted',
  'adjusted',
  POINTS,
  glossary.ADJUSTED,
  undefined=_BOTH_KINDS,
  confidence=True,
)
AUROC_CONTESTED = Entry(
  'auroc_contested', 'AUROC', SHARE, null=0.5, undefined=_ALL_CONTESTED
)
ENTRIES = (
  *of(
    'ambiguity.{signal}',
    dataclasses.replace(RAW, null=0.0, undefined=_SAME.format('signal')),
    dataclasses.replace(ADJUSTED, null=0.0),
    dataclasses.replace(ADJUSTED, pattern='adjusted_by_seed', null=0.0),
    Entry(
      'beyond_seeds',
      'beyond seeds',
      POINTS,
      glossary.BEYOND_SEEDS,
      null=0.0,
      undefined='Among clips that a seed of the full view labels alike and '
      'with like confidence, other seeds of it, or single views, disagree with '
      'it on all or on none, so that they cannot be compared.',
    ),
    AUROC_CONTESTED,
    dataclasses.replace(
      AUROC_CONTESTED,
      pattern='auroc_contested_equal_n',
      heading='equally many votes',
    ),
    Entry(
      'auroc_minus_confidence',
      'minus confidence',
      POINTS,
      null=0.0,
      undefined=_ALL_CONTESTED,
      confidence=True,
    ),
    Entry(
      'precision_minus_confidence',
      'precision minus confidence’s',
      POINTS,
      undefined=_SET_NOWHERE,
      confidence=True,
    ),
    Entry(
      'spearman',
      'Spearman with GS',
      CORRELATION,
      null=0.0,
      undefined='The signal, or how often annotators differ, is the same on '
      'all clips.',
    ),
    within=('ambiguity.{signal}', 'question 3'),
  ),
  *of(
    'ambiguity.control.{control}',
    dataclasses.replace(RAW, undefined=_SAME.format('control')),
    ADJUSTED,
    within=('ambiguity.control.{control}', 'question 3'),
  ),
)
