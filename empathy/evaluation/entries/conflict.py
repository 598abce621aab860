"""Where the votes of two conditions give a clip different labels."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import POINTS, SHARE, SIGNED_SHARE

_NEVER = 'The pluralities differ on no such clip, or on every one.'
ENTRIES = (
  *of(
    'conflict.{pair}',
    Entry('rate', 'differ', SHARE, glossary.CONFLICT),
    Entry('control_rate', 'by chance', SHARE, glossary.CONFLICT),
    Entry('excess', 'excess', POINTS, glossary.CONFLICT, null=0.0),
    within=('conflict',),
  ),
  *of(
    'conflict.{condition}',
    Entry('followed', 'followed', SHARE, undefined=_NEVER),
    within=('conflict',),
  ),
  *of(
    'conflict.{outcome}',
    Entry('inside', 'there', SIGNED_SHARE, undefined=_NEVER),
    Entry('outside', 'elsewhere', SIGNED_SHARE, undefined=_NEVER),
    Entry('difference', 'difference', POINTS, null=0.0, undefined=_NEVER),
    Entry('control_difference', 'by chance', POINTS, undefined=_NEVER),
    Entry(
      'beyond_chance',
      'beyond chance',
      POINTS,
      glossary.CONFLICT_BEYOND,
      null=0.0,
      undefined=_NEVER,
    ),
    within=('conflict.{outcome}', 'conflict'),
  ),
)
