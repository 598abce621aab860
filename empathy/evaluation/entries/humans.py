"""What annotators make of each condition."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import (
  COEFFICIENT,
  CORRELATION,
  INDEX,
  NATS,
  POINTS,
  SHARE,
)

_NEVER_DIFFER = 'The pluralities differ on no clip, or on every one.'
_NO_CLASS = 'No clip with such votes has the class for its label.'
ENTRIES = (
  *of(
    'humans.{condition}',
    Entry('gs', 'GS', INDEX, glossary.GS),
    Entry('accuracy', 'equal label', SHARE),
    Entry('accuracy_disjoint', 'of other votes', SHARE),
    Entry('entropy', 'entropy', NATS, glossary.ENTROPY),
    Entry('entropy_miller_madow', 'entropy, corrected', NATS, glossary.ENTROPY),
    Entry('observed_agreement', 'observed', SHARE),
    Entry('alpha_nominal', 'Krippendorff’s alpha', COEFFICIENT, glossary.ALPHA),
    Entry('alpha_ordinal', 'ordinal alpha', COEFFICIENT, glossary.ALPHA),
    Entry('alpha_interval', 'interval alpha', COEFFICIENT, glossary.ALPHA),
    Entry('fleiss_kappa', 'Fleiss’ kappa', COEFFICIENT, glossary.FLEISS),
    Entry('gwet_ac1', 'Gwet’s AC1', COEFFICIENT, glossary.FLEISS),
    Entry('one_vote_ceiling', 'one vote', SHARE, glossary.HALVES),
    Entry('split_half_reliability', 'halves', SHARE, glossary.HALVES),
    Entry('accuracy_of.{class}', 'equal label', SHARE, undefined=_NO_CLASS),
    within=('question 5',),
  ),
  *of(
    'humans',
    Entry('full_minus_{condition}.accuracy', 'gain of full', POINTS, null=0.0),
    Entry(
      'full_minus_{condition}.accuracy_of.{class}',
      'gain of full',
      POINTS,
      null=0.0,
      undefined=_NO_CLASS,
    ),
    Entry(
      'full_minus_best.accuracy_of.{class}',
      'gain of full',
      POINTS,
      null=0.0,
      undefined=_NO_CLASS,
    ),
    Entry('hurt_share', 'hurt beyond chance', POINTS),
    Entry('hurt_share_naive', 'hurt', SHARE),
    within=('question 5',),
  ),
  *of(
    'humans.full_minus_best_per_clip',
    Entry('naive', 'gain, all votes choose', POINTS),
    Entry('split_half', 'gain, half of the votes choose', POINTS),
    Entry('split_{number}', 'gain, {number} votes choose', POINTS),
    within=('humans.full_minus_best_per_clip', 'question 5'),
  ),
  *of(
    'humans.{condition}_vs_full',
    Entry('rate', 'differ', SHARE, undefined=_NEVER_DIFFER),
    Entry('control_rate', 'from itself', SHARE, undefined=_NEVER_DIFFER),
    Entry(
      'gs_difference', 'GS there', POINTS, glossary.GS, undefined=_NEVER_DIFFER
    ),
    Entry(
      'control_gs_difference',
      'by itself',
      POINTS,
      glossary.GS,
      undefined=_NEVER_DIFFER,
    ),
    Entry(
      'entropy_excess',
      'excess',
      POINTS,
      glossary.VOTE_EXCESS,
      null=0.0,
      undefined=_NEVER_DIFFER,
    ),
    within=('humans.{condition}_vs_full', 'question 5'),
  ),
  *of(
    'humans.model_of_annotators',
    Entry('accuracy', 'equal label', SHARE),
    Entry('plurality', 'equal plurality', SHARE),
    Entry(
      'spearman',
      'GS and its entropy',
      CORRELATION,
      undefined='One of the two is the same for every clip.',
    ),
    within=('humans.model_of_annotators', 'question 5'),
  ),
  *of(
    'humans.models.{signal}',
    Entry(
      'spearman',
      'correlation',
      CORRELATION,
      null=0.0,
      undefined='One of the two is the same for every clip.',
    ),
    within=('humans.models', 'question 5'),
  ),
)
