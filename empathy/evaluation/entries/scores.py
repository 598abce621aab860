"""Scores on a scale: how good, how far apart, and what that tells."""

import dataclasses

from empathy.evaluation import glossary
from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import (
  COEFFICIENT,
  GAIN,
  NUMBER,
  POINTS,
  SHARE,
  SIGNED_SHARE,
  STEPS,
)

_CONSTANT = 'Some seed gives every clip the same score, or all have one.'
_GRADED = ('scores.{view}.distribution',)
_SIGNED = dataclasses.replace(NUMBER, signed=True)
_TOLD = 'Scores of some seed, ratings or errors are the same for every clip.'
ENTRIES = (
  *of(
    'scores.{view}',
    Entry('mae', 'MAE', STEPS, glossary.SCORES),
    Entry('rmse', 'RMSE', STEPS, glossary.SCORES),
    Entry('pearson', 'Pearson', COEFFICIENT, undefined=_CONSTANT),
    Entry('spearman', 'Spearman', COEFFICIENT, undefined=_CONSTANT),
    Entry('ccc', 'CCC', COEFFICIENT, glossary.CCC, undefined=_CONSTANT),
    Entry(
      'weighted_kappa',
      'weighted kappa',
      COEFFICIENT,
      glossary.WEIGHTED_KAPPA,
      undefined='All are of one class, and so is what is predicted.',
    ),
    Entry('crps', 'CRPS', STEPS, glossary.CRPS, within=_GRADED),
    Entry('crps_null', 'if true', NUMBER, glossary.CRPS, within=_GRADED),
    *(
      entry
      for level in (50, 80, 90)
      for entry in of(
        f'coverage_{level}',
        Entry('share', f'in {level} %', SHARE, glossary.COVERAGE),
        Entry('null', 'if true', SHARE, glossary.COVERAGE),
        Entry('gap', 'gap', POINTS, glossary.COVERAGE, null=0.0),
        within=_GRADED,
      )
    ),
    within=('scores.{view}',),
  ),
  *of(
    'scores',
    Entry('full_minus_{view}.ccc', 'CCC', GAIN, glossary.CCC, null=0.0),
    Entry('full_minus_best_single.ccc', 'CCC', GAIN, glossary.CCC, null=0.0),
  ),
  *of(
    'scores.{view}_vs_full',
    Entry('apart', 'apart', STEPS, glossary.SCORES_APART),
    Entry('own_null', 'its seeds', STEPS, glossary.SCORES_APART),
    Entry('full_null', 'full view’s seeds', STEPS, glossary.SCORES_APART),
    Entry('excess', 'excess', _SIGNED, glossary.SCORES_APART, null=0.0),
    Entry(
      'unshared',
      'not shared',
      SIGNED_SHARE,
      glossary.UNSHARED,
      null=0.0,
      undefined='Scores of one view differ no more between clips than between '
      'its seeds.',
    ),
    within=('scores.{view}_vs_full',),
  ),
  *(
    entry
    for told, heading in (
      ('ambiguity', 'with ratings’ variance'),
      ('errors', 'with errors'),
    )
    for entry in of(
      'scores.{view}_vs_full',
      Entry(told, heading, COEFFICIENT, glossary.SCORES_TELL, undefined=_TOLD),
      Entry(
        f'{told}_seeds',
        'other seeds',
        COEFFICIENT,
        glossary.SCORES_TELL,
        undefined=_TOLD,
      ),
      Entry(
        f'{told}_excess',
        'beyond seeds',
        GAIN,
        glossary.SCORES_TELL,
        null=0.0,
        one_sided=True,
        undefined=_TOLD,
      ),
      within=('scores.{view}_vs_full', f'scores.{{view}}_vs_full.of_{told}'),
    )
  ),
  *of(
    'scores.dominance.{modality}',
    Entry('share', 'share of the score', SHARE, glossary.SCORE_SHARE),
    Entry(
      'net_harm',
      'net harm',
      _SIGNED,
      glossary.SCORE_HARM,
      null=0.0,
      one_sided=True,
    ),
    within=('scores.dominance',),
  ),
  *of(
    'scores.humans',
    Entry('{condition}.variance', 'variance', STEPS, glossary.RATINGS),
    Entry(
      'full_minus_{condition}.variance',
      'full condition minus',
      _SIGNED,
      glossary.RATINGS,
      null=0.0,
    ),
  ),
)
