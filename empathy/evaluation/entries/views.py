"""What each view gets right, and how close it is to the votes."""

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import (
  CLASSES,
  CORRELATION,
  INDEX,
  LOSS,
  NATS,
  NUMBER,
  POINTS,
  SHARE,
  SIGNED_NATS,
  Unit,
)

ENTRIES = (
  *of(
    'views.{view}',
    Entry('accuracy', 'accuracy', SHARE, glossary.ACCURACY),
    Entry('seed_sd', 'seed SD', Unit('points', 100.0, 1)),
    Entry('accuracy_fold_mean', 'fold mean', SHARE, glossary.FOLD_MEAN),
    Entry('ensemble_accuracy', 'seeds averaged', SHARE, glossary.ENSEMBLE),
    Entry('macro_f1', 'macro F1', INDEX, glossary.F1),
    Entry('weighted_f1', 'weighted F1', INDEX, glossary.F1),
    Entry('nll', 'NLL', NATS, glossary.LOSSES),
    Entry('brier', 'Brier', LOSS, glossary.LOSSES),
    Entry('ece', 'ECE', NUMBER, glossary.ECE),
    Entry('ece_null', 'ideal ECE', NUMBER, glossary.ECE),
    within=('question 1',),
  ),
  *of(
    'views.{view}',
    Entry(
      'recall_of.{class}',
      'recall',
      SHARE,
      glossary.BY_CLASS,
      undefined='No clip that the view predicts has the class for its label.',
    ),
    Entry(
      'precision_of.{class}',
      'precision',
      SHARE,
      glossary.BY_CLASS,
      undefined='The view never predicts the class.',
    ),
    Entry(
      'f1_of.{class}',
      'F1',
      INDEX,
      glossary.BY_CLASS,
      undefined='The class neither occurs among the clips that the view '
      'predicts nor is predicted.',
    ),
    within=('question 1',),
  ),
  *of(
    'views.{view}',
    Entry('answered', 'answered', SHARE, glossary.ANSWERED),
    Entry(
      'accuracy_of_asked', 'accuracy of all asked', SHARE, glossary.ANSWERED
    ),
    within=('question 1',),
  ),
  *of(
    'views',
    Entry('full_minus_{view}.accuracy', 'accuracy', POINTS, null=0.0),
    Entry('full_minus_best_single.accuracy', 'accuracy', POINTS, null=0.0),
    Entry(
      'full_minus_best_single.f1_of.{class}',
      'gain in F1',
      POINTS,
      glossary.BY_CLASS,
      null=0.0,
      undefined='On the clips that the full view and a single one predict, the '
      'class neither occurs nor is predicted.',
    ),
    within=('question 1',),
  ),
  *of(
    'views.{view}',
    Entry('human_cross_entropy', 'cross-entropy', NATS),
    Entry('human_cross_entropy_null', 'if true', NUMBER),
    # Less its sampling term, it may be below 0 by chance.
    Entry('human_brier', 'Brier', NUMBER),
    Entry('human_jensen_shannon', 'Jensen–Shannon', LOSS),
    Entry('human_jensen_shannon_null', 'if true', NUMBER),
    Entry('human_manhattan', 'Manhattan', LOSS),
    Entry('human_manhattan_null', 'if true', NUMBER),
    Entry(
      'human_wasserstein',
      'Wasserstein',
      CLASSES,
      within=('views.human_wasserstein',),
    ),
    Entry('human_wasserstein_null', 'if true', NUMBER),
    Entry('human_entropy_gap', 'entropy gap', SIGNED_NATS),
    Entry('human_entropy_gap_null', 'if true', SIGNED_NATS),
    Entry('human_rank_agreement', 'same order', SHARE),
    Entry('human_rank_agreement_null', 'if true', SHARE),
    *(
      Entry(f'human_{name}_prior', 'all clips alike', unit)
      for name, unit in (
        ('cross_entropy', NUMBER),
        ('jensen_shannon', NUMBER),
        ('manhattan', NUMBER),
        ('wasserstein', NUMBER),
        ('entropy_gap', SIGNED_NATS),
        ('rank_agreement', SHARE),
      )
    ),
    Entry(
      'human_entropy_correlation',
      'correlation of entropies',
      CORRELATION,
      undefined='The votes of all clips, or the probabilities, are equally '
      'uncertain.',
    ),
    within=('soft_scores',),
  ),
)
