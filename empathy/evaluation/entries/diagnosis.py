"""Which clips the full view gets wrong."""

import dataclasses

from empathy.evaluation import glossary
from empathy.evaluation.entries.ambiguity import ADJUSTED
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import INDEX, LOSS, POINTS, SHARE

_SET_NOWHERE = 'The signal is set on no clip.'
_ALL_RIGHT = 'The full view is right on every clip with the signal.'
_ONE_KIND = 'The full view is right, or wrong, on every clip with the signal.'
_NONE_ANSWERED = 'No clip is answered at this error rate.'
_GAIN = Entry(
  '',
  '',
  POINTS,
  null=0.0,
  one_sided=True,
  undefined='The clips with a disagreement that is known are all of one kind.',
  confidence=True,
)
ENTRIES = (
  Entry('diagnosis.error_rate', 'error rate', SHARE, within=('question 6',)),
  *of(
    'diagnosis.{signal}',
    Entry(
      'auroc_error',
      'AUROC',
      SHARE,
      glossary.AUROC,
      null=0.5,
      undefined=_ONE_KIND,
    ),
    Entry(
      'auroc_error_minus_confidence',
      'minus confidence',
      POINTS,
      null=0.0,
      undefined=_ONE_KIND,
      confidence=True,
    ),
    Entry('average_precision', 'AP', INDEX, glossary.AP, undefined=_ALL_RIGHT),
    Entry('aurc', 'AURC', INDEX, glossary.AURC, undefined=_ALL_RIGHT),
    Entry('e_aurc', 'E-AURC', LOSS, glossary.AURC, undefined=_ALL_RIGHT),
    Entry('errors_found_at_10', 'found', SHARE, undefined=_ALL_RIGHT),
    Entry(
      'auroc_error_uncontested',
      'uncontested',
      SHARE,
      null=0.5,
      undefined='The full view is right, or wrong, on every uncontested clip.',
      within=('diagnosis.uncontested',),
    ),
    Entry(
      'precision_minus_confidence',
      'precision minus confidence’s',
      POINTS,
      undefined=_SET_NOWHERE,
      confidence=True,
    ),
    dataclasses.replace(ADJUSTED, definition=None, null=0.0, one_sided=True),
    within=('diagnosis.{signal}', 'question 6'),
  ),
  *of(
    'diagnosis.combined',
    dataclasses.replace(
      _GAIN, pattern='auroc_minus_confidence', heading='minus confidence'
    ),
    dataclasses.replace(
      _GAIN,
      pattern='auroc_contested_minus_confidence',
      heading='contested, minus confidence',
    ),
    within=('diagnosis.combined', 'question 6'),
  ),
  *of(
    'diagnosis.selective_{wanted}',
    Entry(
      'risk',
      'errors among answered',
      SHARE,
      undefined=_NONE_ANSWERED,
      confidence=True,
    ),
    Entry(
      'coverage',
      'answered',
      SHARE,
      undefined=_NONE_ANSWERED,
      confidence=True,
    ),
    within=(
      'diagnosis.selective_{wanted}',
      'diagnosis.selective',
      'question 6',
    ),
  ),
)
