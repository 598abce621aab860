"""Where views differ from the full one."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import COEFFICIENT, POINTS, SHARE

ENTRIES = of(
  'disagreement.{view}_vs_full',
  Entry('rate', 'differ', SHARE, glossary.DISAGREEMENT),
  Entry('own_null', 'its seeds', SHARE, glossary.EXCESS),
  Entry('full_null', 'full view’s seeds', SHARE, glossary.EXCESS),
  Entry('seed_null', 'seed noise', SHARE, glossary.EXCESS),
  Entry('excess', 'excess', POINTS, glossary.EXCESS, null=0.0),
  Entry(
    'beyond_either', 'beyond either', POINTS, glossary.BEYOND_EITHER, null=0.0
  ),
  Entry('same_seed_gap', 'other seeds minus same', POINTS, null=0.0),
  Entry(
    'kappa',
    'kappa',
    COEFFICIENT,
    glossary.KAPPA,
    undefined='Some pair of seeds gives every clip the same one class.',
  ),
  Entry(
    'error_consistency',
    'error cons.',
    COEFFICIENT,
    glossary.CONSISTENCY,
    undefined='Some pair of seeds is right, or wrong, on every clip.',
  ),
  within=('disagreement.{view}_vs_full', 'question 2'),
)
