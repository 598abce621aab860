"""Which modality a fusion follows, and where that misleads."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import POINTS, SHARE, SIGNED_SHARE

ENTRIES = of(
  'dominance.{modality}',
  Entry('rate', 'dominant', SHARE),
  Entry(
    'causal_share',
    'Shapley',
    SIGNED_SHARE,
    glossary.SHAPLEY,
    within=('dominance.causal_share',),
  ),
  Entry('gate_share', 'gate', SHARE, within=('dominance.gate_share',)),
  Entry(
    'attention_share',
    'attention',
    SHARE,
    within=('dominance.attention_share',),
  ),
  Entry('unsupported', 'unsupported', SHARE),
  Entry('misled', 'misled', SHARE, glossary.HARM),
  Entry('rescued', 'rescued', SHARE, glossary.HARM),
  Entry(
    'net_harm', 'net harm', POINTS, glossary.HARM, null=0.0, one_sided=True
  ),
  within=('question 4',),
)
