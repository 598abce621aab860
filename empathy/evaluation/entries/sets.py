"""Sets of classes that hold a wanted share of votes."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import CLASSES, SHARE

_SETS = (
  Entry('coverage', 'votes held', SHARE, glossary.SETS),
  Entry('size', 'size', CLASSES, glossary.SETS),
)
_WITHIN = ('sets.{wanted}', 'sets')
ENTRIES = (
  *of(
    'sets.{wanted}',
    *_SETS,
    Entry('coverage_of_tenth', 'a tenth of groups below', SHARE),
    Entry('labels_coverage', 'if for labels', SHARE, glossary.SETS),
    within=_WITHIN,
  ),
  *of(
    'sets.{wanted}.{ambiguity}',
    *_SETS,
    within=('sets.{wanted}.{ambiguity}', *_WITHIN),
  ),
)
